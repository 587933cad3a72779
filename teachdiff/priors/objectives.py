r"""What a network learns: an example, and the loss of its answer. The loop that trains does not know which.

A prior, of a noisy image :math:`x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon`:

.. math::
    L(\theta) = E \big\| \mathrm{target}_t - f_\theta(x_t, t) \big\|^2, \qquad
    \mathrm{target}_t = \epsilon \;\text{ or }\; v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1-\bar\alpha_t}\,x_0

A restorer, of a degraded image :math:`y_t = A_t x_0 + \sigma_t z`, with :math:`\tau = \max(0, t - \Delta)`:

.. math::
    L(\Delta, \theta) = E\, \frac{\sigma_1^2}{\sigma_t^2} \big\| A_\tau\Phi_\theta(y_t, t) - A_\tau x_0 \big\|^2,
    \qquad \Phi_\theta(y_t, t) = y_t + f_\theta(y_t, 1000\,t)

:math:`\Delta = 0` is denoising score matching, :math:`\Delta = 1` the squared error of the image itself, and what is
between asks for a reconstruction one step ahead. The factor :math:`\sigma_1^2` only sets the scale of the loss.

Source of the second: Fabian, Tinaz, Soltanolkotabi, "DiracDiffusion", 2024, eqs. 12, 14, 28; the weight as released.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from teachdiff.operators import BlurDegradation
from teachdiff.operators.base import Shape
from teachdiff.predictions import v_from_x0_hat
from teachdiff.priors.checkpoints import SCHEDULES, save_prior
from teachdiff.priors.restorer import TIME, save_restorer
from teachdiff.priors.unet import UNet
from teachdiff.problems import make_degradation
from teachdiff.schedules import noised

WHOLE = slice(None)


class Example(NamedTuple):
    """What the network is asked: `network(x, time)`, and the loss of its answer, or of its answer to a part of it:
    `loss(network(x[part], time[part]), part)`."""

    x: Tensor
    time: Tensor
    loss: Callable[..., Tensor]


class Objective(Protocol):
    """`example` draws from rng alone, in a fixed order; `what` and `how` are for the model card."""

    what: str
    how: str

    def example(self, rng: np.random.Generator, x0: Tensor) -> Example: ...

    def save(self, path: Path, network: UNet, about: dict[str, Any]) -> None: ...


class PriorObjective:
    """Denoising at every noise level of a schedule.

    Arguments:
        schedule, T: its name and length.
        prediction: "epsilon" or "v".
        t_power: t = ceil(T u^t_power) with u uniform.
    """

    what = "A diffusion prior for images"

    def __init__(self, schedule: str, T: int, prediction: str, t_power: float) -> None:
        self.name, self.prediction, self.t_power = schedule, prediction, t_power
        self.schedule = SCHEDULES[schedule](T=T)
        self.how = f"{prediction}-prediction, {schedule} schedule with T = {T}"

    def example(self, rng: np.random.Generator, x0: Tensor) -> Example:
        T = self.schedule.T
        u = rng.random(len(x0)) ** self.t_power
        t = torch.from_numpy(1 + np.floor(T * u).astype(np.int64)).clamp(max=T)
        epsilon = torch.from_numpy(rng.standard_normal(x0.shape, np.float32)).to(x0.device)
        x_t = noised(self.schedule, x0, t, epsilon)
        target = epsilon if self.prediction == "epsilon" else v_from_x0_hat(x0, x_t, self.schedule.at(t, x0))

        def loss(answer: Tensor, part: slice = WHOLE) -> Tensor:
            return (answer - target[part]).square().mean()

        return Example(x_t, (t - 1).to(x0.device), loss)

    def save(self, path: Path, network: UNet, about: dict[str, Any]) -> None:
        described = {"name": self.name, "T": self.schedule.T}
        save_prior(path, network, schedule=described, prediction=self.prediction, about=about)


class DiracObjective:
    """Restoring at every severity of a degradation, or at the greatest alone.

    Arguments:
        task, shape, options: of the degradation, see `teachdiff.problems.make_degradation`.
        delta: of the loss.
        times: "all", or "one" for t = 1: a plain regressor, which no chain can use.
        t_power: t = u^t_power with u uniform in (0, 1]: below 1 it favours the greatest severity.
    """

    def __init__(
        self, task: str, shape: Shape, options: Mapping[str, Any], delta: float, times: str, t_power: float
    ) -> None:
        self.degradation = make_degradation(task, shape, **options)
        self.task, self.options = task, dict(options)
        if isinstance(self.degradation, BlurDegradation):
            self.options["std"] = self.degradation.std  # in pixels, also where images have another size
        self.delta, self.times, self.t_power = delta, times, t_power
        self.what = f"A restorer of Dirac for {task}" if times == "all" else f"A plain regressor for {task}"
        self.how = f"x0_hat = net(y_t, 1000 t) + y_t, the loss at tau = max(0, t - {delta:g})"
        self.how += "" if times == "all" else ", trained at t = 1 alone"

    def example(self, rng: np.random.Generator, x0: Tensor) -> Example:
        u = 1 - rng.random(len(x0), np.float32)
        t = torch.from_numpy(u**self.t_power if self.times == "all" else np.ones_like(u)).to(x0.device)
        z = torch.from_numpy(rng.standard_normal(x0.shape, np.float32)).to(x0.device)
        sigma = self.degradation.sigma(t).view(-1, 1, 1, 1)  # type: ignore[union-attr]
        y_t = self.degradation(x0, t) + sigma * z
        tau = (t - self.delta).clamp(min=0)
        target, weight = self.degradation(x0, tau), (self.degradation.sigma_max / sigma).square()

        def loss(answer: Tensor, part: slice = WHOLE) -> Tensor:
            ahead = self.degradation(answer + y_t[part], tau[part])
            return (weight[part] * (ahead - target[part]).square()).mean()

        return Example(y_t, TIME * t, loss)

    def save(self, path: Path, network: UNet, about: dict[str, Any]) -> None:
        shape = self.degradation.input_shape
        save_restorer(path, network, task=self.task, shape=shape, options=self.options, about=about)
