r"""DPS: the likelihood's score at :math:`\hat x_0(x_t)`, differentiated through the denoiser.

.. math::
    \nabla_{x_t} \log p_t(y \mid x_t) \approx \nabla_{x_t} \log \mathcal N\big(y;\, A \hat x_0(x_t),\, \sigma^2 I\big)

Two steps are in use, and they are different methods:

.. math::
    \text{likelihood:}\quad x_{t-1} \mathrel{+}= \frac{1-\alpha_t}{\sqrt{\alpha_t}}
        \nabla_{x_t} \log \mathcal N(y;\, A \hat x_0,\, \sigma^2 I)
    \qquad
    \text{norm:}\quad x_{t-1} \mathrel{-}= \zeta\, \nabla_{x_t} \lVert y - A \hat x_0 \rVert_2

The first is Bayes' rule: for a Gaussian prior it is affine and its law is known exactly. The
second is the released program's; its norm is **not** squared, and its zeta is twice the zeta' of
the paper's algorithm 1, which squares the norm and divides by it. It uses no sigma, so its limits
as sigma goes to 0 or to infinity are not those of a posterior.

Source: Chung et al., "Diffusion posterior sampling for general noisy inverse problems", 2023,
algorithm 1 and the program published with it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from teachdiff.checks import check_name, check_sigma
from teachdiff.methods.reverse import (
    Guidance,
    Observer,
    ancestral,
    bayes_step,
    check_problem,
    denoiser,
    images_of,
    noise_for,
    reverse,
)
from teachdiff.noise import Noise
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Step


def dps(
    prior,
    problem: InverseProblem,
    *,
    step: str = "norm",
    zeta: float = 1.0,
    steps: int | Sequence[int] | None = None,
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    on_step: Observer | None = None,
    clip_x0: bool | None = None,
) -> Tensor:
    r"""An image of shape (B, C, H, W). Works with any differentiable operator.

    Arguments:
        step: "norm" as released, or "likelihood" by Bayes (stiff: with a small sigma it needs many
            steps, or it diverges).
        zeta: :math:`\zeta` of the norm step, the same for each sample; the likelihood step has none.
        steps, seed, noise, on_step, clip_x0: as for every method (see `teachdiff.methods`). The
            gradient goes through the clamp of x0_hat.

    Raises:
        ValueError: an unknown step, a negative zeta, sigma = 0 with the likelihood step.
        FloatingPointError: the chain diverged.
    """
    check_problem(problem)
    guidance = dps_guidance(problem, step, zeta)
    schedule = prior.schedule.respace(steps)
    noise = noise_for(problem.y, seed, noise)
    x_T = noise(schedule.start, images_of(problem))
    return reverse(
        denoiser(prior, clip_x0),
        schedule,
        x_T,
        ancestral,
        guidance=guidance,
        differentiate=True,
        noise=noise,
        on_step=on_step,
        remedy="Take a smaller zeta." if step == "norm" else "Take more steps, or step='norm'.",
    )


def dps_guidance(problem: InverseProblem, step: str, zeta: float) -> Guidance:
    """The shift that DPS adds in each step, for `reverse`; its options are those of `dps`."""
    check_name(step, ["norm", "likelihood"], "step")
    check_sigma(zeta, "zeta")
    if step == "likelihood" and problem.sigma == 0:
        raise ValueError("the likelihood step divides by sigma**2, which is 0; use step='norm'.")

    def guidance(at: Step, x_t: Tensor, x0_hat: Tensor) -> Tensor:
        residual = problem.residual(x0_hat).flatten(1)  # one row per sample: no sample sees another's norm
        if step == "norm":
            misfit = torch.linalg.vector_norm(residual, dim=1)
            return -zeta * gradient(misfit, x_t)
        log_likelihood = -residual.abs().square().sum(1) / (2 * problem.sigma**2)
        return bayes_step(at.alpha) * gradient(log_likelihood, x_t)

    return guidance


def gradient(per_sample: Tensor, x_t: Tensor) -> Tensor:
    """Gradient of each sample's number with respect to that sample's x_t."""
    return torch.autograd.grad(per_sample.sum(), x_t)[0]
