r"""Single-step denoising: one evaluation of Tweedie's formula.

.. math::
    x_t = \sqrt{\bar\alpha_t}\,y + \sqrt{1-\bar\alpha_t-\bar\alpha_t\sigma^2}\;z, \qquad \hat x_0 = E[x_0 \mid x_t]

If y = x_0 + sigma z, then :math:`x_t` has the law that the prior was made for. Without `t` the
step is the one whose noise level is nearest to sigma, and nothing is added.

Source: Efron, "Tweedie's formula and selection bias", 2011.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from teachdiff.methods.reverse import Observer, check_problem, denoiser, noise_for
from teachdiff.noise import Noise
from teachdiff.problems import InverseProblem
from teachdiff.schedules import noise_level


def tweedie(
    prior,
    problem: InverseProblem,
    *,
    t: int | None = None,
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    on_step: Observer | None = None,
    clip_x0: bool | None = None,
) -> Tensor:
    r""":math:`\hat x_0` from the picture of the measurement, of shape (B, C, H, W).

    It is the posterior mean where the operator is the identity. Elsewhere it only denoises: a
    mask or a blur is not undone, which is what the method is there to show.

    Arguments:
        t: the noise level to work at; None matches sigma (sigma = 0 is clean already: an error).

    Raises:
        ValueError: t outside 1..T, or so low that the measurement is noisier than x_t.
    """
    check_problem(problem)
    picture, schedule, sigma = problem.operator.picture(problem.y), prior.schedule, problem.sigma
    if t is None:
        t = schedule.nearest(sigma)
        x_t = schedule.alpha_bar[t].item() ** 0.5 * picture
    else:
        alpha_bar = schedule.at(t, picture).item()
        room = 1 - alpha_bar - alpha_bar * sigma**2
        if room < 0:
            raise ValueError(
                f"at t = {t} the noise is {noise_level(alpha_bar):.3g}, less than the measurement's "
                f"sigma = {sigma:.3g}; take t of {schedule.nearest(sigma) + 1} or more."
            )
        z = noise_for(picture, seed, noise)(t, tuple(picture.shape))
        x_t = alpha_bar**0.5 * picture + room**0.5 * z
    with torch.no_grad():
        x0_hat = denoiser(prior, clip_x0)(x_t, torch.tensor(t))
    if on_step:
        on_step(t, x_t, x0_hat)
    return x0_hat
