r"""PiGDM: DPS with the uncertainty of :math:`\hat x_0` in the likelihood.

.. math::
    \nabla_{x_t} \log p_t(y \mid x_t) \approx
        \Big(\frac{\partial \hat x_0}{\partial x_t}\Big)^{\!\top} A^\top
        \big(\sigma^2 I + r_t^2 A A^\top\big)^{-1} (y - A \hat x_0),
    \qquad
    r_t^2 = \frac{\tau^2 (1-\bar\alpha_t)}{\bar\alpha_t \tau^2 + 1 - \bar\alpha_t}

:math:`r_t^2` is the variance of x_0 given :math:`x_t` for the prior :math:`\mathcal N(\mu, \tau^2 I)`,
and for that prior the term is exact, whatever A is. The paper's choice is :math:`\tau = 1`, hence
:math:`r_t^2 = 1 - \bar\alpha_t`. With :math:`\tau = 0` the term is DPS's; as :math:`\tau` grows it
tends to DMPS's weight. The step is Bayes', :math:`x_{t-1} \mathrel{+}= \frac{1-\alpha_t}{\sqrt{\alpha_t}}`
times the term, in DDPM's chain; the paper puts its term into a DDIM step with weights of its own.

Source: Song, Vahdat, Mardani, Kautz, "Pseudoinverse-guided diffusion models for inverse problems",
2023, section 3 (the likelihood and the choice of r_t).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from teachdiff.checks import check_sigma
from teachdiff.methods.reverse import (
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


def x0_variance(tau, alpha_bar):
    r""":math:`r_t^2 = \frac{\tau^2 (1-\bar\alpha_t)}{\bar\alpha_t\tau^2 + 1-\bar\alpha_t}`: the variance of
    x_0 given :math:`x_t`, where x_0 has variance :math:`\tau^2`."""
    return tau**2 * (1 - alpha_bar) / (alpha_bar * tau**2 + 1 - alpha_bar)


def x0_score(x0_hat, y, A, sigma, variance):
    r""":math:`A^\top (\sigma^2 I + r^2 A A^\top)^{-1} (y - A \hat x_0)`: gradient of
    :math:`\log \mathcal N(y;\, A\hat x_0,\, \sigma^2 I + r^2 A A^\top)` with respect to :math:`\hat x_0`."""
    return A.adjoint(A.resolvent(y - A(x0_hat), sigma**2, variance))


def pigdm(
    prior,
    problem: InverseProblem,
    *,
    tau: float = 1.0,
    steps: int | Sequence[int] | None = None,
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    on_step: Observer | None = None,
    clip_x0: bool | None = None,
) -> Tensor:
    r"""An image of shape (B, C, H, W). The operator must be linear, with a resolvent.

    Arguments:
        tau: :math:`\tau`, the standard deviation of the images that is supposed; in [-1, 1] units.
        steps, seed, noise, on_step, clip_x0: as for every method (see `teachdiff.methods`). The
            gradient goes through the clamp of x0_hat.

    Raises:
        ValueError: tau and sigma both 0, a negative tau, an operator that is not linear.
        FloatingPointError: the chain diverged.
    """
    check_sigma(tau, "tau")
    check_problem(problem)
    check_resolvent(problem, "pigdm")
    A, y, sigma = problem.operator, problem.y, problem.sigma
    if tau == 0 and sigma == 0:
        raise ValueError("tau and sigma are both 0, so the likelihood has no finite score; give a tau above 0.")
    schedule = prior.schedule.respace(steps)
    noise = noise_for(y, seed, noise)

    def guidance(step: Step, x_t: Tensor, x0_hat: Tensor) -> Tensor:
        pull = x0_score(x0_hat.detach(), y, A, sigma, x0_variance(tau, step.alpha_bar))
        (score,) = torch.autograd.grad(x0_hat, x_t, grad_outputs=pull)
        return bayes_step(step.alpha) * score

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
        remedy="Take a larger tau, or more steps.",
    )
