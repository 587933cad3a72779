"""What a prior was asked, for laws and exercises about when a method asks it."""

from typing import Any

import torch
from torch import Tensor


class Asked:
    """A prior that writes down at which times it was asked: `times`."""

    def __init__(self, prior: Any) -> None:
        self._prior = prior
        self.times: list[int] = []

    def denoise(self, x_t: Tensor, t: Any) -> Tensor:
        self.times.append(int(torch.as_tensor(t).flatten()[0]))
        return self._prior.denoise(x_t, t)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._prior, name)
