r"""DDPM: ancestral sampling from the prior.

.. math::
    x_{t-1} = \frac{\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)}{1-\bar\alpha_t}\,\hat x_0
            + \frac{\sqrt{\alpha_t}(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\,x_t + \sigma_t z_t

with :math:`\sigma_t^2 = \tilde\beta_t` ("small"), :math:`\beta_t` ("large"), or what the network
says ("learned"). The small variance is right for a prior that is a single point, the large one
for N(0, I); no noise is added in the last step.

Sources: Ho, Jain, Abbeel 2020, algorithm 2; learned variance: Nichol and Dhariwal 2021, eq. 15.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from teachdiff.checks import check_name
from teachdiff.methods.reverse import Observer, Transition, ancestral, denoiser, noise_for, reverse, unconditional
from teachdiff.noise import Noise
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Step, posterior_variance


def ddpm(
    prior,
    problem: InverseProblem | None = None,
    *,
    steps: int | Sequence[int] | None = None,
    variance: str = "small",
    shape: Sequence[int] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    on_step: Observer | None = None,
    clip_x0: bool | None = None,
) -> Tensor:
    """A sample of the prior, of shape (B, C, H, W).

    Arguments:
        prior: has `schedule` and `denoise`; for variance="learned" also `predict`.
        problem: only the shape of its images is used; without one give `shape`, and `device` and
            `dtype` if they are not torch's defaults.
        steps: how many of the schedule's T steps to walk (or which); all by default.
        variance: "small", "large" or "learned".
        seed, noise, on_step, clip_x0: as for every method (see `teachdiff.methods`).

    Raises:
        ValueError: an unknown variance, "learned" from a prior that learned none, steps outside 1..T.
    """
    check_name(variance, ["small", "large", "learned"], "variance")
    schedule = prior.schedule.respace(steps)
    images = unconditional(problem, shape, device, dtype)
    noise = noise_for(images, seed, noise)
    transition: Transition = ancestral
    if variance == "large":
        transition = ancestral_large
    if variance == "learned":
        prior = LearnedVariance(prior)
        transition = prior.transition
    x_T = noise(schedule.start, tuple(images.shape))
    return reverse(denoiser(prior, clip_x0), schedule, x_T, transition, noise=noise, on_step=on_step)


def ancestral_large(step: Step, x_t: Tensor, x0_hat: Tensor) -> tuple[Tensor, float]:
    r"""The same mean with the variance :math:`\beta_t = 1 - \alpha_t`."""
    return ancestral(step, x_t, x0_hat)[0], (1 - step.alpha) ** 0.5


class LearnedVariance:
    r"""A prior whose network also predicts the variance of the step t -> t - 1 of the full chain:

    .. math::
        \log \sigma_t^2 = f \log \beta_t + (1 - f) \log \tilde\beta_t

    A respaced chain goes the same fraction f of the way between its own two bounds.
    """

    def __init__(self, prior) -> None:
        if not hasattr(prior, "predict"):
            raise ValueError(
                "variance='learned' needs a prior with predict(x_t, t) -> (x0_hat, log_variance); "
                f"{type(prior).__name__} has none. Use variance='small' or 'large'."
            )
        self.prior = prior
        self.clip_x0 = getattr(prior, "clip_x0", False)

    def denoise(self, x_t: Tensor, t: Tensor) -> Tensor:
        x0_hat, self.log_variance = self.prior.predict(x_t, t)
        if self.log_variance is None:
            raise ValueError(f"this {type(self.prior).__name__} learned no variance; use variance='small' or 'large'.")
        return x0_hat

    def transition(self, step: Step, x_t: Tensor, x0_hat: Tensor) -> tuple[Tensor, float | Tensor]:
        mean, small = ancestral(step, x_t, x0_hat)
        if step.t_prev == 0:  # no noise is drawn, and log(small) is infinite
            return mean, small
        alpha_bar = self.prior.schedule.alpha_bar[[step.t, step.t - 1]]
        alpha = alpha_bar[0] / alpha_bar[1]
        low, high = posterior_variance(alpha, *alpha_bar).log().item(), (1 - alpha).log().item()
        fraction = (self.log_variance - low) / (high - low)
        low, high = 2 * math.log(small), math.log(1 - step.alpha)
        return mean, (0.5 * (low + fraction * (high - low))).exp()
