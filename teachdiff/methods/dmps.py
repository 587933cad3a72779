r"""DMPS: the likelihood's score in closed form, with no gradient through the network.

.. math::
    \nabla_{x_t} \log p_t(y \mid x_t) \approx \frac{1}{\sqrt{\bar\alpha_t}}\, A^\top
        \Big(\sigma^2 I + \tfrac{1-\bar\alpha_t}{\bar\alpha_t} A A^\top\Big)^{-1}
        \Big(y - \tfrac{1}{\sqrt{\bar\alpha_t}} A x_t\Big),
    \qquad
    x_{t-1} \mathrel{+}= \lambda\,\frac{1-\alpha_t}{\sqrt{\alpha_t}}\,\nabla_{x_t} \log p_t(y \mid x_t)

It is exact if nothing is known of x_0 but x_t (a flat prior), and for any smooth prior in the limit
t -> 0. By the derivation :math:`\lambda = 1` and the term stands at :math:`x_t` (`at="x_t"`). The
released program is another method: :math:`\lambda = 1.75`, and the term at the sample that the step
has already reached, its noise included (`lam=1.75, at="updated"`).

Source: Meng and Kabashima, "Diffusion model based posterior sampling for noisy linear inverse
problems", 2022, theorem 1, and the program published with it.
"""

from collections.abc import Sequence

from torch import Tensor

from teachdiff.checks import check_name, check_weight
from teachdiff.methods.reverse import (
    Correction,
    Observer,
    ancestral,
    bayes_step,
    check_problem,
    check_resolvent,
    denoiser,
    images_of,
    noise_for,
    reverse,
)
from teachdiff.noise import Noise
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Step


def noise_to_signal(alpha_bar):
    r""":math:`(1-\bar\alpha_t)/\bar\alpha_t`: the variance of x_0 given :math:`x_t` alone, under a flat prior."""
    return (1 - alpha_bar) / alpha_bar


def flat_score(x, y, A, sigma, alpha_bar):
    r""":math:`\frac{1}{\sqrt{\bar\alpha}} A^\top (\sigma^2 I + \frac{1-\bar\alpha}{\bar\alpha} A A^\top)^{-1}
    (y - \frac{1}{\sqrt{\bar\alpha}} A x)`: the likelihood's score at x if the prior is flat."""
    residual = y - A(x) / alpha_bar**0.5
    return A.adjoint(A.resolvent(residual, sigma**2, noise_to_signal(alpha_bar))) / alpha_bar**0.5


def dmps(
    prior,
    problem: InverseProblem,
    *,
    lam: float = 1.0,
    at: str = "x_t",
    steps: int | Sequence[int] | None = None,
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    on_step: Observer | None = None,
    clip_x0: bool | None = None,
) -> Tensor:
    r"""An image of shape (B, C, H, W). The operator must be linear, with a resolvent.

    Arguments:
        lam: :math:`\lambda`, 1 by the derivation.
        at: "x_t", or "updated" as released: the term's x is the sample that the step has reached.
        steps, seed, noise, on_step, clip_x0: as for every method (see `teachdiff.methods`).

    Raises:
        ValueError: an unknown `at`, a negative lam, an operator that is not linear.
        FloatingPointError: the chain diverged.
    """
    check_name(at, ["x_t", "updated"], "at")
    check_problem(problem)
    check_resolvent(problem, "dmps")
    term = dmps_term(problem, lam)
    schedule = prior.schedule.respace(steps)
    noise = noise_for(problem.y, seed, noise)
    x_T = noise(schedule.start, images_of(problem))
    return reverse(
        denoiser(prior, clip_x0),
        schedule,
        x_T,
        ancestral,
        guidance=(lambda step, x_t, x0_hat: term(step, x_t)) if at == "x_t" else None,
        correction=term if at == "updated" else None,
        noise=noise,
        on_step=on_step,
        remedy="Take a smaller lam.",
    )


def dmps_term(problem: InverseProblem, lam: float) -> Correction:
    r"""(step, x) -> :math:`\lambda\frac{1-\alpha_t}{\sqrt{\alpha_t}}` times the flat score at x."""
    check_weight(lam, "lam")

    def term(step: Step, x: Tensor) -> Tensor:
        score = flat_score(x, problem.y, problem.operator, problem.sigma, step.alpha_bar)
        return lam * bayes_step(step.alpha) * score

    return term
