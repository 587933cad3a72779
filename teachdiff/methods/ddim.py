r"""DDIM: a family of reverse kernels with the same marginals, from deterministic to DDPM's.

.. math::
    x_{t-1} = \sqrt{\bar\alpha_{t-1}}\,\hat x_0 + \sqrt{1-\bar\alpha_{t-1}-\sigma_t^2}\;\epsilon + \sigma_t z_t,
    \qquad
    \sigma_t = \eta \sqrt{\frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}} \sqrt{1-\frac{\bar\alpha_t}{\bar\alpha_{t-1}}}

:math:`\eta` scales the standard deviation: 0 is deterministic, 1 is DDPM with the small variance.
Source: Song, Meng, Ermon, "Denoising diffusion implicit models", 2021, eq. 12 and 16.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from teachdiff.methods.reverse import Observer, denoiser, noise_for, reverse, unconditional
from teachdiff.noise import Noise
from teachdiff.predictions import epsilon_from_x0_hat
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Step, posterior_variance


def ddim_sigma(eta, alpha, alpha_bar, alpha_bar_prev):
    r""":math:`\sigma_t = \eta \sqrt{\tilde\beta_t}`: equation 16 of the paper in our symbols."""
    return eta * posterior_variance(alpha, alpha_bar, alpha_bar_prev) ** 0.5


def ddim(
    prior,
    problem: InverseProblem | None = None,
    *,
    steps: int | Sequence[int] | None = None,
    eta: float = 0.0,
    shape: Sequence[int] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    on_step: Observer | None = None,
    clip_x0: bool | None = None,
) -> Tensor:
    r"""A sample of the prior, of shape (B, C, H, W). Arguments as `ddpm`, and

    Arguments:
        eta: :math:`\eta` in [0, 1].

    Raises:
        ValueError: eta outside [0, 1], steps outside 1..T.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie in [0, 1] (0 is deterministic, 1 is DDPM); got {eta}.")
    schedule = prior.schedule.respace(steps)
    images = unconditional(problem, shape, device, dtype)
    noise = noise_for(images, seed, noise)

    def transition(step: Step, x_t: Tensor, x0_hat: Tensor) -> tuple[Tensor, float]:
        sigma = ddim_sigma(eta, step.alpha, step.alpha_bar, step.alpha_bar_prev)
        epsilon = epsilon_from_x0_hat(x0_hat, x_t, step.alpha_bar)
        mean = step.alpha_bar_prev**0.5 * x0_hat + max(0.0, 1 - step.alpha_bar_prev - sigma**2) ** 0.5 * epsilon
        return mean, sigma

    x_T = noise(schedule.start, tuple(images.shape))
    return reverse(denoiser(prior, clip_x0), schedule, x_T, transition, noise=noise, on_step=on_step)
