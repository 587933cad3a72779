r"""ScoreALD in the DDPM chain: the likelihood's score at :math:`x_t` itself, tempered.

.. math::
    \nabla \log p_t(y \mid x_t) \approx \frac{A^\top (y - A x_t)}{\sigma^2 + \gamma_t^2}, \qquad
    x_{t-1} \mathrel{+}= \frac{1-\alpha_t}{\sqrt{\alpha_t}}\,\frac{A^\top (y - A x_t)}{\sigma^2 + \gamma_t^2}

The measurement is of x_0, not of x_t, so the term is wrong by design; :math:`\gamma_t` keeps it
weak. Bayes gives the coefficient :math:`(1-\alpha_t)/\sqrt{\alpha_t}` (`coefficient="bayes"`); the
poster of Liu and Zhang prints 1 (`coefficient="one"`), for which its range of gamma, 10 to 15, is
meant. Even as sigma falls to 0 the result does not reproduce y while gamma is above 0.

Source: Jalal et al., "Robust compressed sensing MRI with deep generative priors", 2021, eq. 4.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from teachdiff.checks import check_name, check_sigma
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
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Step


def score_ald(
    prior,
    problem: InverseProblem,
    *,
    gamma: float | Callable[[int], float] = 1.0,
    coefficient: str = "bayes",
    steps: int | Sequence[int] | None = None,
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    on_step: Observer | None = None,
    clip_x0: bool | None = None,
) -> Tensor:
    r"""An image of shape (B, C, H, W). The operator must be linear.

    Arguments:
        gamma: :math:`\gamma`, a number or a function of t, in [-1, 1] units.
        coefficient: "bayes" or "one".
        steps, seed, noise, on_step, clip_x0: as for every method (see `teachdiff.methods`).

    Raises:
        ValueError: an operator that is not linear, sigma and gamma both 0, a negative gamma.
    """
    check_name(coefficient, ["bayes", "one"], "coefficient")
    check_problem(problem)
    check_linear(problem, "score_ald")
    A, y = problem.operator, problem.y
    schedule = prior.schedule.respace(steps)
    noise = noise_for(y, seed, noise)

    def guidance(step: Step, x_t: Tensor, x0_hat: Tensor) -> Tensor:
        gamma_t = check_sigma(gamma(step.t) if callable(gamma) else gamma, "gamma")
        variance = problem.sigma**2 + gamma_t**2
        if variance == 0:
            raise ValueError("sigma and gamma are both 0, so the likelihood has no finite score; give a gamma above 0.")
        weight = bayes_step(step.alpha) if coefficient == "bayes" else 1.0
        return weight * A.adjoint(y - A(x_t)) / variance

    x_T = noise(schedule.start, images_of(problem))
    return reverse(
        denoiser(prior, clip_x0),
        schedule,
        x_T,
        ancestral,
        guidance=guidance,
        noise=noise,
        on_step=on_step,
        remedy="Take a larger gamma.",
    )
