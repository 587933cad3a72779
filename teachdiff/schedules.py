r"""The variance-preserving noise schedule.

.. math::
    x_t = \sqrt{\alpha_t}\, x_{t-1} + \sqrt{\beta_t}\, z_t, \qquad \alpha_t = 1 - \beta_t,
    \qquad \bar\alpha_t = \prod_{i=1}^{t} \alpha_i

so that :math:`x_t \mid x_0 \sim \mathcal N(\sqrt{\bar\alpha_t}\, x_0, (1 - \bar\alpha_t) I)`.
Time runs over t = 1..T; index 0 is the clean image, where
:math:`\bar\alpha_0 = \alpha_0 = 1` and :math:`\beta_0 = 0`.

Source: Ho, Jain, Abbeel, "Denoising diffusion probabilistic models", 2020, section 2.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from teachdiff.tables import Table


@dataclass(frozen=True)
class Step:
    r"""One step t -> t_prev of a reverse chain, in numbers.

    Attributes:
        t, t_prev: the original times it leaves and reaches (t - 1 unless respaced; 0 is clean).
        alpha, alpha_bar, alpha_bar_prev: :math:`\alpha_t`, :math:`\bar\alpha_t` and
            :math:`\bar\alpha_{t-1}` of the chain that is walked, with
            :math:`\alpha_t = \bar\alpha_t / \bar\alpha_{t-1}`.
    """

    t: int
    t_prev: int
    alpha: float
    alpha_bar: float
    alpha_bar_prev: float


class Schedule:
    r"""Tables of :math:`\beta_t, \alpha_t, \bar\alpha_t` for t = 0..T.

    Arguments:
        alpha_bar: the products :math:`\bar\alpha_0 = 1 > \bar\alpha_1 > \dots > \bar\alpha_T > 0`.
        timesteps: which step of the original chain each entry is; 0..T unless respaced.

    Attributes:
        alpha_bar, alpha, beta: float64 tensors of shape (T + 1,), on the CPU.
        timesteps: int64 tensor of shape (T + 1,).
        T: the number of steps.

    Raises:
        ValueError: alpha_bar does not start at 1, does not fall strictly, or reaches 0.
    """

    def __init__(self, alpha_bar: Tensor | Sequence[float], timesteps: Tensor | Sequence[int] | None = None) -> None:
        self.alpha_bar = torch.as_tensor(alpha_bar, dtype=torch.float64).cpu()
        if self.alpha_bar.ndim != 1 or len(self.alpha_bar) < 2:
            raise ValueError(
                "alpha_bar must be a list of at least two numbers, alpha_bar[0] = 1 first; "
                f"got shape {tuple(self.alpha_bar.shape)}."
            )
        falling = bool((self.alpha_bar.diff() < 0).all())  # a NaN anywhere makes this False
        if not (self.alpha_bar[0] == 1 and falling and self.alpha_bar[-1] > 0):
            raise ValueError(
                "alpha_bar must start at exactly 1 (the clean image), fall at every step and stay "
                f"above 0; got {self.alpha_bar[0]:.6g} ... {self.alpha_bar[-1]:.6g}"
                f"{'' if falling else ', which does not fall at every step'}."
            )
        self.alpha = self.alpha_bar.clone()
        self.alpha[1:] = self.alpha_bar[1:] / self.alpha_bar[:-1]
        self.beta = 1 - self.alpha
        if timesteps is None:
            timesteps = torch.arange(len(self.alpha_bar))
        self.timesteps = torch.as_tensor(timesteps, dtype=torch.int64).cpu()
        if self.timesteps.shape != self.alpha_bar.shape or self.timesteps[0] != 0:
            raise ValueError(
                f"timesteps must name the original step of each of the {len(self.alpha_bar)} "
                f"entries, 0 first; got {self.timesteps.tolist()}."
            )
        self._table = Table(self.alpha_bar)

    @property
    def T(self) -> int:
        return len(self.alpha_bar) - 1

    @property
    def start(self) -> int:
        """The original time at which a reverse chain begins."""
        return int(self.timesteps[-1])

    def __repr__(self) -> str:
        return f"Schedule(T={self.T}, alpha_bar_T={self.alpha_bar[-1]:.3g})"

    def respace(self, steps: int | Sequence[int] | None = None, start: int | None = None) -> "Schedule":
        r"""The same noise levels, fewer of them: :math:`\bar\alpha` is kept at the kept steps.

        With an integer, the steps kept are round(k start / steps) for k = 1..steps, where `start`
        is T by default: the last one is always `start`, so that a chain begins where it should.
        None keeps every step up to `start`; a list keeps exactly those that it names. The new
        :math:`\alpha` between two kept steps is the ratio of their :math:`\bar\alpha`.

        Raises:
            ValueError: start outside 1..T, more steps than start or fewer than 1, or a list that
                does not rise within 1..T.
        """
        start = self.T if start is None else start
        if not 1 <= start <= self.T:
            raise ValueError(f"a chain can start at t in 1..{self.T} of this schedule; got {start}.")
        if steps is None:
            steps = start
        if isinstance(steps, int):
            if not 1 <= steps <= start:
                raise ValueError(f"steps must lie in 1..{start} for this schedule; got {steps}.")
            kept = [(2 * k * start + steps) // (2 * steps) for k in range(1, steps + 1)]
        else:
            kept = [int(t) for t in steps]
        inside = bool(kept) and kept[0] >= 1 and kept[-1] <= self.T
        if not inside or any(b <= a for a, b in zip(kept, kept[1:], strict=False)):
            raise ValueError(f"kept steps must rise strictly within 1..{self.T}; got {kept}.")
        index = torch.tensor([0, *kept])
        return Schedule(self.alpha_bar[index], self.timesteps[index])

    def at(self, t: int | Tensor, like: Tensor) -> Tensor:
        r""":math:`\bar\alpha_t`, shaped to multiply `like` of shape (B, ...).

        `t` is an integer, or an integer tensor of shape () or (B,), in 1..T. The answer has the
        dtype and device of `like`. Keep a scalar `t` on the CPU: it is read without waiting for
        a GPU.

        Raises:
            TypeError: t is not of an integer type.
            ValueError: t is outside 1..T, or its shape is neither () nor (B,).
        """
        t = check_time(t, self.T, like)
        if t.ndim == 0:
            return self._table.like(like)[int(t)]
        return self._table.like(like)[t.to(like.device)].view(-1, *[1] * (like.ndim - 1))

    def backwards(self) -> Iterator["Step"]:
        """The steps of the reverse chain, from T down to 1."""
        for k in range(self.T, 0, -1):
            yield Step(
                t=int(self.timesteps[k]),
                t_prev=int(self.timesteps[k - 1]),
                alpha=self.alpha[k].item(),
                alpha_bar=self.alpha_bar[k].item(),
                alpha_bar_prev=self.alpha_bar[k - 1].item(),
            )

    def nearest(self, sigma: float) -> int:
        r"""The step whose noise-to-signal ratio :math:`\sqrt{(1-\bar\alpha_t)/\bar\alpha_t}` is
        nearest to `sigma` on a logarithmic scale: the step at which y = x_0 + sigma z, scaled by
        :math:`\sqrt{\bar\alpha_t}`, looks like :math:`x_t`. `sigma` in the library's [-1, 1] units.
        """
        if not (math.isfinite(sigma) and sigma > 0):
            raise ValueError(f"sigma must be a positive number to match a noise level; got {sigma}.")
        return 1 + int((noise_level(self.alpha_bar[1:]).log() - math.log(sigma)).abs().argmin())


def check_time(t: int | Tensor, T: int, x: Tensor) -> Tensor:
    """`t` as an integer tensor of shape () or (B,) within 1..T, or an error that says why not."""
    if isinstance(t, bool) or not isinstance(t, int | Tensor):
        raise TypeError(f"t must be an integer or an integer tensor; got {type(t).__name__}.")
    t = torch.as_tensor(t)
    if t.dtype == torch.bool or t.dtype.is_floating_point or t.dtype.is_complex:
        raise TypeError(f"t counts steps, so it must be an integer tensor; got {t.dtype}.")
    if t.ndim > 1 or (t.ndim == 1 and len(t) != len(x)):
        raise ValueError(f"t must have shape () or ({len(x)},), one step per sample of x; got {tuple(t.shape)}.")
    inside = 1 <= int(t) <= T if t.ndim == 0 else not bool(((t < 1) | (t > T)).any())
    if not inside:
        raise ValueError(
            f"t must lie in 1..{T} (0 is the clean image, which needs no denoising); "
            f"got {t.min().item()}..{t.max().item()}."
        )
    return t.long()


def linear(T: int = 1000, beta_min: float = 1e-4, beta_max: float = 2e-2) -> Schedule:
    r""":math:`\beta_t` rises linearly from `beta_min` at t = 1 to `beta_max` at t = T.

    Source: Ho et al. 2020, section 4 (T = 1000, 1e-4 to 2e-2).
    """
    check_betas("linear", T, beta_min, beta_max)
    beta = torch.linspace(beta_min, beta_max, T, dtype=torch.float64)
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), (1 - beta).cumprod(0)]))


def scaled_linear(T: int = 1000, beta_min: float = 1e-4, beta_max: float = 2e-2) -> Schedule:
    r""":math:`\sqrt{\beta_t}` rises linearly from :math:`\sqrt{\beta_{\min}}` at t = 1 to :math:`\sqrt{\beta_{\max}}`.

    Source: Rombach et al. 2022, as released.
    """
    check_betas("scaled linear", T, beta_min, beta_max)
    beta = torch.linspace(beta_min**0.5, beta_max**0.5, T, dtype=torch.float64).square()
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), (1 - beta).cumprod(0)]))


def check_betas(kind: str, T: int, beta_min: float, beta_max: float) -> None:
    if T < 1 or not 0 < beta_min <= beta_max < 1:
        raise ValueError(
            f"a {kind} schedule needs T >= 1 and 0 < beta_min <= beta_max < 1; "
            f"got T={T}, beta_min={beta_min}, beta_max={beta_max}."
        )


def cosine(T: int = 1000, s: float = 0.008, beta_max: float = 0.999) -> Schedule:
    r""":math:`\bar\alpha_t = f(t)/f(0)`, :math:`f(t) = \cos^2\!\big(\tfrac{t/T + s}{1 + s}\tfrac{\pi}{2}\big)`,
    with :math:`\beta_t` cut at `beta_max` so that the last step is not singular.

    Source: Nichol and Dhariwal, "Improved denoising diffusion probabilistic models", 2021, eq. 17.
    """
    if T < 1 or not s >= 0 or not 0 < beta_max < 1:
        raise ValueError(
            f"a cosine schedule needs T >= 1, s >= 0 and 0 < beta_max < 1; got T={T}, s={s}, beta_max={beta_max}."
        )
    t = torch.arange(T + 1, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * math.pi / 2).square()
    beta = (1 - f[1:] / f[:-1]).clamp(max=beta_max)
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), (1 - beta).cumprod(0)]))


def noised(schedule: Schedule, x_0: Tensor, t: int | Tensor, z: Tensor) -> Tensor:
    r"""The forward process in one leap: :math:`x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,z`.

    `t` is an integer, or an integer tensor of shape () or (B,), in 1..T; `z` is standard normal, of x_0's shape.

    Source: Ho et al. 2020, eq. 4.
    """
    alpha_bar = schedule.at(t, x_0)
    return alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * z


def noise_level(alpha_bar):
    r""":math:`\sigma_t = \sqrt{(1-\bar\alpha_t)/\bar\alpha_t}`: the noise of :math:`x_t/\sqrt{\bar\alpha_t}`."""
    return ((1 - alpha_bar) / alpha_bar) ** 0.5


def posterior_mean(x0_hat, x_t, alpha, alpha_bar, alpha_bar_prev):
    r"""Mean of :math:`q(x_{t-1} \mid x_t, x_0)` with :math:`\hat x_0` in the place of x_0:

    .. math::
        \frac{\sqrt{\bar\alpha_{t-1}}\,(1-\alpha_t)}{1-\bar\alpha_t}\,\hat x_0
        + \frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\,x_t

    Source: Ho et al. 2020, eq. 7.
    """
    return (
        alpha_bar_prev**0.5 * (1 - alpha) / (1 - alpha_bar) * x0_hat
        + alpha**0.5 * (1 - alpha_bar_prev) / (1 - alpha_bar) * x_t
    )


def posterior_variance(alpha, alpha_bar, alpha_bar_prev):
    r"""Variance of :math:`q(x_{t-1} \mid x_t, x_0)`:
    :math:`\tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}(1-\alpha_t)`; 0 at t = 1.

    Source: Ho et al. 2020, eq. 7.
    """
    return (1 - alpha_bar_prev) / (1 - alpha_bar) * (1 - alpha)
