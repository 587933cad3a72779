r"""DDRM: the measurement, singular value by singular value.

The chain is walked in the basis V of :math:`A = U\,\mathrm{diag}(s)\,V^\top`, where A is diagonal, and in the
variables :math:`\bar x = x/\sqrt{\bar\alpha_t}`, whose noise level is
:math:`\sigma_t = \sqrt{(1-\bar\alpha_t)/\bar\alpha_t}`. With :math:`\bar y = U^\top y / s`, a step from
:math:`\sigma_t` down to :math:`\sigma'` is, coefficient by coefficient,

.. math::
    \bar x' = \begin{cases}
        \hat x_0 + \sqrt{1-\eta^2}\,\sigma' \epsilon + \eta \sigma' z & s = 0 \\
        \hat x_0 + \sqrt{1-\eta^2}\,\sigma' \dfrac{\bar y - \hat x_0}{\sigma/s} + \eta \sigma' z & s \sigma' < \sigma \\
        (1-\eta_b)\,\hat x_0 + \eta_b\,\bar y + \sqrt{\sigma'^2 - \eta_b^2 \sigma^2/s^2}\; z & s \sigma' \ge \sigma
    \end{cases}
    \qquad
    \epsilon = \frac{\bar x_t - \hat x_0}{\sigma_t}

Each case keeps :math:`q(\bar x' \mid x_0) = \mathcal N(x_0, \sigma'^2 I)` if :math:`\hat x_0` is the truth.
The last step lands on :math:`\sigma' = 0`. The noise is drawn as images, as for every method, and
analysed in V: z is standard normal in either basis, and a rotated problem then gives the rotated result.

Source: Kawar, Elad, Ermon, Song, "Denoising diffusion restoration models", 2022, eqs. 7 and 8.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from teachdiff.methods.reverse import Observer, check_linear, check_problem, denoiser, images_of, noise_for, reverse
from teachdiff.noise import Noise
from teachdiff.predictions import epsilon_from_x0_hat
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Step, noise_level


def mean_unmeasured(x0_hat, epsilon, level, eta):
    r"""s = 0: :math:`\hat x_0 + \sqrt{1-\eta^2}\,\sigma' \epsilon`."""
    return x0_hat + (1 - eta**2) ** 0.5 * level * epsilon


def mean_noisier(x0_hat, y_bar, s, sigma, level, eta):
    r""":math:`s \sigma' < \sigma`: :math:`\hat x_0 + \sqrt{1-\eta^2}\,\sigma' (\bar y - \hat x_0)\, s/\sigma`."""
    return x0_hat + (1 - eta**2) ** 0.5 * level * (y_bar - x0_hat) * s / sigma


def mean_better(x0_hat, y_bar, eta_b):
    r""":math:`s \sigma' \ge \sigma`: :math:`(1-\eta_b)\,\hat x_0 + \eta_b\,\bar y`."""
    return (1 - eta_b) * x0_hat + eta_b * y_bar


def topped_up(s, sigma, level, eta_b):
    r""":math:`\sigma'^2 - \eta_b^2 \sigma^2/s^2`: the variance that the measurement leaves to the fresh draw."""
    return level**2 - eta_b**2 * sigma**2 / s**2


def ddrm(
    prior,
    problem: InverseProblem,
    *,
    eta: float = 0.85,
    eta_b: float = 1.0,
    steps: int | Sequence[int] | None = None,
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    on_step: Observer | None = None,
    clip_x0: bool | None = None,
) -> Tensor:
    r"""An image of shape (B, C, H, W). The operator must be linear, with a singular value decomposition.

    Arguments:
        eta: :math:`\eta` in [0, 1], how much of the noise is drawn afresh where the measurement says little.
        eta_b: :math:`\eta_b` in [0, 1], how far a step goes towards the measurement where it says much.
        steps: 20 by default, or T if that is fewer.
        seed, noise, on_step, clip_x0: as for every method (see `teachdiff.methods`).

    Raises:
        ValueError: eta or eta_b outside [0, 1], an operator that is not linear or has no `svd`.
    """
    for name, value in (("eta", eta), ("eta_b", eta_b)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in [0, 1]; got {value}.")
    check_problem(problem)
    check_linear(problem, "ddrm")
    svd, y, sigma = getattr(problem.operator, "svd", None), problem.y, problem.sigma
    if svd is None:
        raise ValueError(
            f"ddrm works on the singular values of the operator, and {problem.operator!r} has no svd. "
            "Use dmps or pigdm, which need only its resolvent."
        )
    schedule = prior.schedule.respace(min(20, prior.schedule.T) if steps is None else steps)
    draw, denoise = noise_for(y, seed, noise), denoiser(prior, clip_x0)
    unseen = svd.s.like(y) == 0
    s = svd.s.like(y).masked_fill(unseen, 1)  # where nothing is seen, no formula with s is used
    y_bar = svd.Ut(y) / s

    def transition(step: Step, c_t: Tensor, x0_hat: Tensor) -> tuple[Tensor, Tensor]:
        level = noise_level(step.alpha_bar_prev)
        mean, std = mean_unmeasured(x0_hat, epsilon_from_x0_hat(x0_hat, c_t, step.alpha_bar), level, eta), eta * level
        if sigma > 0:
            noisier = ~unseen & (s * level < sigma)
            mean = torch.where(noisier, mean_noisier(x0_hat, y_bar, s, sigma, level, eta), mean)
        better = ~unseen & (s * level >= sigma)
        mean = torch.where(better, mean_better(x0_hat, y_bar, eta_b), mean)
        std = torch.where(better, topped_up(s, sigma, level, eta_b).clamp(min=0).sqrt(), std)
        return step.alpha_bar_prev**0.5 * mean, step.alpha_bar_prev**0.5 * std

    # The start is the third case, at the level of T, with nothing known but the measurement.
    level = noise_level(schedule.alpha_bar[-1].item())
    measured = ~unseen & (s * level > sigma)
    z = svd.Vt(draw(schedule.start, images_of(problem)))
    c_T = torch.where(measured, y_bar + topped_up(s, sigma, level, 1.0).clamp(min=0).sqrt() * z, level * z)
    c_0 = reverse(
        lambda c_t, t: svd.Vt(denoise(svd.V(c_t), t)),
        schedule,
        schedule.alpha_bar[-1].item() ** 0.5 * c_T,
        transition,
        noise=lambda t, shape: svd.Vt(draw(t, shape)),
        on_step=on_step and (lambda t, c_t, x0_hat: on_step(t, svd.V(c_t), svd.V(x0_hat))),
    )
    return svd.V(c_0)
