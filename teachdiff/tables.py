"""Constants that follow their users: kept once in float64, cast once per device and dtype."""

import torch
from torch import Tensor


class Table:
    """A fixed tensor. `table.like(x)` is it in the dtype and on the device of `x`.

    The float64 original stays on the CPU and each cast copy is kept, so that a loop neither
    copies tables to a GPU at every step nor loses digits between two of them.
    """

    def __init__(self, values: Tensor) -> None:
        # A copy made under inference_mode could never take part in a gradient afterwards.
        with torch.inference_mode(False):
            self.values = torch.as_tensor(values, dtype=torch.float64).detach().cpu().clone()
        self._cast: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def like(self, x: Tensor) -> Tensor:
        dtype = x.dtype.to_real()
        key = (x.device, dtype)
        if key not in self._cast:
            with torch.inference_mode(False):
                self._cast[key] = self.values.to(device=x.device, dtype=dtype)
        return self._cast[key]
