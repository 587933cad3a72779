r"""A prior that a network has learned.

The network sees :math:`x_t` and t - 1 (0 is its least noisy step, as in Ho et al. 2020) and
predicts :math:`\epsilon`, v or :math:`\hat x_0`; `denoise` turns that into :math:`\hat x_0`.

Some also predict the variance of the step t -> t - 1, as a number u in [-1, 1] for each pixel:

.. math::
    \log \sigma_t^2 = f \log \beta_t + (1 - f) \log \tilde\beta_t, \qquad f = (u + 1)/2

Source of the variance: Nichol and Dhariwal 2021, eq. 15.
"""

import copy
import os
import shutil
from typing import Any

import torch
from torch import Tensor, nn

from teachdiff.checks import check_images
from teachdiff.predictions import X0_HAT_FROM
from teachdiff.schedules import Schedule, check_time, posterior_variance
from teachdiff.tables import Table


class NetworkPrior:
    r"""`denoise(x_t, t)` is the network's :math:`\hat x_0 \approx E[x_0 \mid x_t]`.

    Arguments:
        network: called as `network(x_t, t - 1)` with t of shape (B,), answers in the shape of x_t.
        schedule: the schedule that it was trained with.
        prediction: what it predicts: "epsilon", "v", "score" or "x0_hat".
        learned_variance: it answers with twice the channels, the second half being u.

    The answer is not clamped; methods clamp it when `clip_x0` says so, which they take from this
    attribute unless told otherwise. A network in half precision is asked and answers in it; the chain
    around it stays in float32, where small steps are not rounded away.
    """

    clip_x0 = True

    def __init__(
        self, network: nn.Module, schedule: Schedule, prediction: str = "epsilon", learned_variance: bool = False
    ) -> None:
        if prediction not in X0_HAT_FROM:
            raise ValueError(f"prediction must be one of {sorted(X0_HAT_FROM)}; got {prediction!r}.")
        self.network = network
        self.schedule = schedule
        self.prediction = prediction
        self.learned_variance = learned_variance
        small = posterior_variance(schedule.alpha[1:], schedule.alpha_bar[1:], schedule.alpha_bar[:-1])
        # The step to the clean image adds no noise; its log is kept finite by the next one's, as is usual.
        small[0] = small[1] if len(small) > 1 else schedule.beta[1]
        self._bounds = Table(torch.stack([small, schedule.beta[1:]]).log())

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "NetworkPrior":
        """The same prior with its network moved (in place) to a device or dtype."""
        self.network.to(device=device, dtype=dtype)
        return self

    def fast(self, dtype: torch.dtype | None = None, *, compile: bool = True) -> "NetworkPrior":
        """The same prior at the speed that the machine allows; the loops and their formulas stay what they are.

        A copy of the network whose convolutions need not transpose (channels_last), in `dtype` (None: as it is), and
        compiled at its first call: minutes, once for each shape of images and again for the gradient. On a GPU the
        compiled network is replayed as a CUDA graph.

        It answers within rounding of the original: 1e-4 in float32, about 0.05 in bfloat16.

        Raises:
            RuntimeError: compiling for a CPU needs a C++ compiler, and there is none.
        """
        prior = copy.copy(self)
        network: Any = copy.deepcopy(self.network)
        prior.network = network.to(dtype=dtype, memory_format=torch.channels_last)
        if compile:
            device = next(prior.network.parameters()).device
            if device.type == "cpu" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++", "cl"))):
                raise RuntimeError(
                    "compiling for a CPU needs a C++ compiler, and neither g++ nor clang++ is on the PATH. Install "
                    "one, or take fast(compile=False)."
                )
            mode = "reduce-overhead" if device.type == "cuda" else "default"
            prior.network.compile(mode=mode, dynamic=False)
        return prior

    def denoise(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        r""":math:`\hat x_0` of shape (B, C, H, W), differentiable in `x_t`.

        Raises:
            TypeError, ValueError: x_t is no finite image batch of the network's dtype (float32 for half
                precision), device and channels, or t is no integer in 1..T.
        """
        return self.predict(x_t, t)[0]

    def predict(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor | None]:
        r""":math:`\hat x_0` and :math:`\log \sigma_t^2` in one call of the network, both of shape (B, C, H, W); None in
        the place of the second if the network learned no variance. Raises what `denoise` raises."""
        weight = next(self.network.parameters())
        channels = getattr(self.network, "config", {}).get("image_channels")
        dtype = torch.promote_types(weight.dtype, torch.float32)
        check_images(x_t, "x_t", channels=channels, dtype=dtype, device=weight.device)
        alpha_bar = self.schedule.at(t, x_t)
        t = check_time(t, self.schedule.T, x_t)
        # One time for all is filled in on the device: a copy to it would make a GPU wait.
        steps = t.to(x_t.device) - 1 if t.ndim else torch.full((len(x_t),), int(t) - 1, device=x_t.device)
        # A copy in x_t's own layout: what follows need not walk through two, and a CUDA graph that is replayed
        # writes over the answer before.
        answer = self.network(x_t.to(weight.dtype), steps).to(dtype).clone(memory_format=torch.contiguous_format)
        if not self.learned_variance:
            return X0_HAT_FROM[self.prediction](answer, x_t, alpha_bar), None
        answer, u = answer.chunk(2, dim=1)
        low, high = self._bounds.like(x_t)[:, steps, None, None, None]
        return X0_HAT_FROM[self.prediction](answer, x_t, alpha_bar), low + (u + 1) / 2 * (high - low)
