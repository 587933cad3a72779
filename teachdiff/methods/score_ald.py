r"""ScoreALD: the likelihood's score at :math:`x_t` itself, tempered; in the DDPM chain, or annealed Langevin.

.. math::
    \nabla \log p_t(y \mid x_t) \approx \frac{A^\top (y - A x_t)}{\sigma^2 + \gamma_t^2}, \qquad
    x_{t-1} \mathrel{+}= \frac{1-\alpha_t}{\sqrt{\alpha_t}}\,\frac{A^\top (y - A x_t)}{\sigma^2 + \gamma_t^2}

The measurement is of x_0, not of x_t, so the term is wrong by design; :math:`\gamma_t` keeps it
weak. Bayes gives the coefficient :math:`(1-\alpha_t)/\sqrt{\alpha_t}` (`coefficient="bayes"`); the
poster of Liu and Zhang prints 1 (`coefficient="one"`), for which its range of gamma, 10 to 15, is
meant. Even as sigma falls to 0 the result does not reproduce y while gamma is above 0.

The original (`chain="langevin"`) does not step from level to level but moves at each of them. With
:math:`v = x_t/\sqrt{\bar\alpha_t}`, whose noise is :math:`\sigma_t = \sqrt{(1-\bar\alpha_t)/\bar\alpha_t}`,

.. math::
    v \leftarrow v + \eta_t \Big( \frac{\hat x_0 - v}{\sigma_t^2}
        + \frac{A^\top (y - A v)}{\sigma^2 + \gamma_t^2} \Big) + \sqrt{2\eta_t}\; z,
    \qquad \eta_t = c\,\sigma_t^2, \quad \gamma_t = \gamma\,\sigma_t

n times at each level. With gamma = 1 the tempering is exact for a flat prior. At each level the moves
widen the law: for a Gaussian a coordinate of precision P gets the variance :math:`1/P \cdot 1/(1-\eta_t P/2)`, and
beyond :math:`\eta_t P = 2` they diverge. The released program scales the likelihood's term to `match` (5) times the
length of the score, whatever sigma and gamma are.

Source: Jalal et al., "Robust compressed sensing MRI with deep generative priors", 2021, eq. 4 and the program
published with it.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from teachdiff.checks import check_name, check_positive, check_sigma
from teachdiff.methods.reverse import (
    Observer,
    ancestral,
    bayes_step,
    check_linear,
    check_problem,
    denoiser,
    images_of,
    noise_for,
    reverse,
)
from teachdiff.noise import Noise
from teachdiff.operators.base import check_count
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Schedule, Step, noise_level


def score_ald(
    prior,
    problem: InverseProblem,
    *,
    chain: str = "ddpm",
    gamma: float | Callable[[int], float] = 1.0,
    coefficient: str = "bayes",
    inner: int = 3,
    step_size: float = 0.1,
    match: float | None = None,
    steps: int | Sequence[int] | None = None,
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    on_step: Observer | None = None,
    clip_x0: bool | None = None,
) -> Tensor:
    r"""An image of shape (B, C, H, W). The operator must be linear.

    Arguments:
        chain: "ddpm", or "langevin" as first published.
        gamma: :math:`\gamma`, a number or a function of t; in the DDPM chain :math:`\gamma_t` itself, in [-1, 1]
            units, in the Langevin chain in units of :math:`\sigma_t`.
        coefficient: of the DDPM chain, "bayes" or "one".
        inner: n, of the Langevin chain: how many moves at each level, each one evaluation. Their draws come
            stacked, (B, n, C, H, W); at the first level with the start before them, (B, n + 1, C, H, W).
        step_size: c, of the Langevin chain.
        match: of the Langevin chain; None for the formula, a number for the released program's weight (5).
        steps, seed, noise, on_step, clip_x0: as for every method (see `teachdiff.methods`); in the Langevin
            chain `steps` are the levels to visit.

    Raises:
        ValueError: an operator that is not linear, sigma and gamma both 0, a negative gamma, an unknown chain.
        FloatingPointError: the chain diverged.
    """
    check_name(chain, ["ddpm", "langevin"], "chain")
    check_name(coefficient, ["bayes", "one"], "coefficient")
    check_count(inner, "inner")
    check_positive(step_size, "step_size")
    if match is not None:
        check_positive(match, "match")
    check_problem(problem)
    check_linear(problem, "score_ald")
    schedule, denoise = prior.schedule.respace(steps), denoiser(prior, clip_x0)
    noise = noise_for(problem.y, seed, noise)

    def gamma_at(t: int) -> float:
        return check_sigma(gamma(t) if callable(gamma) else gamma, "gamma")

    if chain == "langevin":
        return langevin(
            denoise,
            schedule,
            images_of(problem),
            lambda v, t, sigma_t: tempered_score(problem, v, sigma_t * gamma_at(t)),
            inner=inner,
            step_size=step_size,
            match=match,
            noise=noise,
            on_step=on_step,
        )

    def guidance(step: Step, x_t: Tensor, x0_hat: Tensor) -> Tensor:
        weight = bayes_step(step.alpha) if coefficient == "bayes" else 1.0
        return weight * tempered_score(problem, x_t, gamma_at(step.t))

    x_T = noise(schedule.start, images_of(problem))
    return reverse(
        denoise,
        schedule,
        x_T,
        ancestral,
        guidance=guidance,
        noise=noise,
        on_step=on_step,
        remedy="Take a larger gamma.",
    )


def tempered_score(problem: InverseProblem, x: Tensor, gamma_t: float) -> Tensor:
    r""":math:`A^\top (y - A x)/(\sigma^2 + \gamma_t^2)`: the likelihood's score at x, weakened by :math:`\gamma_t`.

    Raises:
        ValueError: sigma and gamma are both 0.
    """
    A, y = problem.operator, problem.y
    variance = problem.sigma**2 + gamma_t**2
    if variance == 0:
        raise ValueError("sigma and gamma are both 0, so the likelihood has no finite score; give a gamma above 0.")
    return A.adjoint(y - A(x)) / variance


def langevin(
    denoise: Callable[[Tensor, Tensor], Tensor],
    schedule: Schedule,
    shape: tuple[int, ...],
    pull: Callable[[Tensor, int, float], Tensor],
    *,
    inner: int,
    step_size: float,
    match: float | None,
    noise: Noise,
    on_step: Observer | None,
) -> Tensor:
    """Annealed Langevin dynamics from the noisiest level to the least noisy one; `pull` is the likelihood's score."""
    v = torch.empty(0)
    for step in schedule.backwards():
        sigma_t = noise_level(step.alpha_bar)
        first = step.t == schedule.start
        draws = noise(step.t, (shape[0], inner + first, *shape[1:]))
        if first:
            v, draws = draws[:, 0] / step.alpha_bar**0.5, draws[:, 1:]
        for z in draws.unbind(1):
            x_t = step.alpha_bar**0.5 * v
            with torch.no_grad():
                x0_hat = denoise(x_t, torch.tensor(step.t))
            score = ve_score(x0_hat, v, sigma_t)
            likelihood = pull(v, step.t, sigma_t)
            if match is not None:
                likelihood = match * length(score) / length(likelihood).clamp(min=1e-30) * likelihood
            v = langevin_move(v, score + likelihood, step_size * sigma_t**2, z)
            if on_step:
                on_step(step.t, x_t, x0_hat)
    if not bool(torch.isfinite(v).all()):
        raise FloatingPointError(
            "the chain diverged: x_0 holds NaN or infinite values. Take a smaller step_size or a larger gamma."
        )
    return v


def ve_score(x0_hat, v, sigma_t):
    r""":math:`(\hat x_0 - v)/\sigma_t^2`: the score of :math:`v = x_t/\sqrt{\bar\alpha_t}`, Tweedie's formula."""
    return (x0_hat - v) / sigma_t**2


def langevin_move(v, score, eta, z):
    r""":math:`v + \eta s + \sqrt{2\eta}\, z`: one move of the unadjusted Langevin algorithm."""
    return v + eta * score + (2 * eta) ** 0.5 * z


def length(g: Tensor) -> Tensor:
    """The norm of each sample, shaped to multiply it."""
    return torch.linalg.vector_norm(g.flatten(1), dim=1).view(-1, 1, 1, 1)
