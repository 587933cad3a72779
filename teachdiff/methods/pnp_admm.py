r"""Plug-and-play ADMM: where the prior's proximal map belongs, put a denoiser.

.. math::
    \min_x\; \tfrac{1}{2\sigma^2} \lVert y - A x \rVert^2 - \lambda \log p(x), \qquad
    \rho = \lambda / \sigma_k^2

.. math::
    x \leftarrow q + A^\top (A A^\top + \rho\sigma^2 I)^{-1} (y - A q), \; q = z - u, \qquad
    z \leftarrow \mathrm{denoise}(x + u,\, \sigma_k), \qquad u \leftarrow u + x - z

The first is :math:`\arg\min \tfrac{1}{2\sigma^2}\lVert y-Ax\rVert^2 + \tfrac\rho2\lVert q-x\rVert^2`, exact through the
operator's resolvent; with sigma = 0 it puts q on y = A x. The second is the proximal map of
:math:`-\lambda/\rho \cdot \log p` only if the denoiser is one. The prior's :math:`\hat x_0` is the posterior
mean at noise :math:`\sigma_k`. For a Gaussian prior mean and mode agree, so it is that map exactly, and at
a constant :math:`\sigma_k` the rounds converge to the posterior mean for lambda = 1, whatever :math:`\sigma_k`.
For any other prior they converge, if at all, to the minimiser for another penalty: one that
depends on :math:`\sigma_k`.

:math:`\sigma_k` falls geometrically from `sigma_start` to `sigma_end` (as in DPIR), so that edges settle before
texture. u is p/rho with a multiplier p that knows nothing of rho, so where rho changes, u is scaled.

Sources: Venkatakrishnan, Bouman, Wohlberg, "Plug-and-play priors for model based reconstruction", 2013;
Zhang et al., "Plug-and-play image restoration with deep denoiser prior", 2021 (the levels); Gribonval,
"Should penalized least squares regression be interpreted as maximum a posteriori estimation?", 2011.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from teachdiff.checks import check_positive
from teachdiff.methods.reverse import Observer, check_linear, check_problem
from teachdiff.methods.reverse import denoiser as denoiser_of
from teachdiff.noise import Noise
from teachdiff.operators.base import check_count
from teachdiff.problems import InverseProblem
from teachdiff.schedules import noise_level

Denoiser = Callable[[Tensor, float], Tensor]


def pnp_admm(
    prior,
    problem: InverseProblem,
    *,
    lam: float = 1.0,
    sigma_start: float = 0.4,
    sigma_end: float | None = None,
    iterations: int = 24,
    denoiser: Denoiser | None = None,
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    on_step: Observer | None = None,
    clip_x0: bool | None = None,
) -> Tensor:
    r"""An image of shape (B, C, H, W). The operator must be linear; nothing is drawn.

    Arguments:
        lam: :math:`\lambda > 0`, the prior's weight; 1 is Bayes' rule.
        sigma_start, sigma_end: :math:`\sigma_k` of the first and of the last round, in [-1, 1] units; the end is
            the problem's sigma where None (and sigma_start, if that is less or sigma is 0). A prior works at the
            noise level of its schedule that is nearest to :math:`\sigma_k`, and :math:`\sigma_k` is taken to be that.
        iterations: how many rounds; each is one evaluation.
        denoiser: a function (x, sigma) -> x instead of the prior, which may then be None.
        seed, noise: not used; they are there because every method takes them.
        on_step: called as on_step(k, x, z) after round k = 1, 2, ...
        clip_x0: as for every method (see `teachdiff.methods`).

    Raises:
        ValueError: an operator that is not linear; a lam, sigma_start or sigma_end that is not above 0.
        FloatingPointError: the rounds diverged.
    """
    check_positive(lam, "lam")
    check_count(iterations, "iterations")
    check_problem(problem)
    check_linear(problem, "pnp_admm")
    A, y, sigma2 = problem.operator, problem.y, problem.sigma**2
    levels = noise_levels(problem.sigma, sigma_start, sigma_end, iterations)
    if denoiser is None:
        denoiser, levels = matched_denoiser(prior, levels, clip_x0)

    z = A.picture(y)
    u, rho = torch.zeros_like(z), None
    for k, level in enumerate(levels, 1):
        rho, rho_old = lam / level**2, rho
        u = u * ((rho_old or rho) / rho)
        x = data_step(A, y, z - u, rho * sigma2)
        with torch.no_grad():
            z = denoiser(x + u, level)
        u = u + x - z
        if on_step:
            on_step(k, x, z)
    if not bool(torch.isfinite(z).all()):
        raise FloatingPointError("the rounds diverged: z holds NaN or infinite values. Take a larger sigma_start.")
    return z


def data_step(A, y: Tensor, q: Tensor, weight: float) -> Tensor:
    r""":math:`q + A^\top(AA^\top + wI)^{-1}(y - Aq)`, minimising :math:`\lVert y-Ax\rVert^2 + w\lVert q-x\rVert^2`."""
    return q + A.adjoint(A.resolvent(y - A(q), weight, 1.0))


def noise_levels(sigma: float, start: float, end: float | None, count: int) -> list[float]:
    """`count` noise levels from `start` to `end`, each the same fraction of the one before."""
    check_positive(start, "sigma_start")
    if end is None:
        end = min(sigma, start) if sigma > 0 else start
    check_positive(end, "sigma_end")
    ratio = end / start
    return [start * ratio ** (k / max(1, count - 1)) for k in range(count)]


def matched_denoiser(prior, levels: Sequence[float], clip_x0: bool | None) -> tuple[Denoiser, list[float]]:
    r"""The prior as a denoiser, :math:`\hat x_0(\sqrt{\bar\alpha_t}\,x, t)`, and its nearest levels to those asked."""
    schedule, denoise = prior.schedule, denoiser_of(prior, clip_x0)
    times = {noise_level(schedule.alpha_bar[t].item()): t for t in map(schedule.nearest, levels)}

    def at(x: Tensor, sigma: float) -> Tensor:
        t = times[sigma]
        return denoise(schedule.alpha_bar[t].item() ** 0.5 * x, torch.tensor(t))

    return at, [noise_level(schedule.alpha_bar[schedule.nearest(level)].item()) for level in levels]
