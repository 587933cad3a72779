r"""A prior that a network has learned.

The network sees :math:`x_t` and t - 1 (0 is its least noisy step, as in Ho et al. 2020) and
predicts :math:`\epsilon`, v or :math:`\hat x_0`; `denoise` turns that into :math:`\hat x_0`.
"""

import torch
from torch import Tensor, nn

from teachdiff.checks import check_images
from teachdiff.predictions import X0_HAT_FROM
from teachdiff.schedules import Schedule, check_time


class NetworkPrior:
    r"""`denoise(x_t, t)` is the network's :math:`\hat x_0 \approx E[x_0 \mid x_t]`.

    Arguments:
        network: called as `network(x_t, t - 1)` with t of shape (B,), answers in the shape of x_t.
        schedule: the schedule that it was trained with.
        prediction: what it predicts: "epsilon", "v", "score" or "x0_hat".

    The answer is not clamped; methods clamp it when `clip_x0` says so, which they take from this
    attribute unless told otherwise.
    """

    clip_x0 = True

    def __init__(self, network: nn.Module, schedule: Schedule, prediction: str = "epsilon") -> None:
        if prediction not in X0_HAT_FROM:
            raise ValueError(f"prediction must be one of {sorted(X0_HAT_FROM)}; got {prediction!r}.")
        self.network = network
        self.schedule = schedule
        self.prediction = prediction

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "NetworkPrior":
        """The same prior with its network moved (in place) to a device or dtype."""
        self.network.to(device=device, dtype=dtype)
        return self

    def denoise(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        r""":math:`\hat x_0` of shape (B, C, H, W), differentiable in `x_t`.

        Raises:
            TypeError, ValueError: x_t is no finite image batch of the network's dtype, device and
                channels, or t is no integer in 1..T.
        """
        weight = next(self.network.parameters())
        channels = getattr(self.network, "config", {}).get("image_channels")
        check_images(x_t, "x_t", channels=channels, dtype=weight.dtype, device=weight.device)
        alpha_bar = self.schedule.at(t, x_t)
        steps = check_time(t, self.schedule.T, x_t).to(x_t.device).expand(len(x_t)) - 1
        return X0_HAT_FROM[self.prediction](self.network(x_t, steps), x_t, alpha_bar)
