r"""Small worlds in which everything is known: a prior, a measurement, and the law of a chain by recursion.

The recursion is the slow, independent road: conditional Gaussians by regression on explicit matrices, no
formula of the methods. A method's own code, run on basis noises (`teachdiff.exact.output_law`), must give the same.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from teachdiff import schedules
from teachdiff.bases import DenseBasis
from teachdiff.operators.base import SVD, Operator
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Schedule, Step
from teachdiff.testing.core import normal

N = 4
SHAPE = (1, 1, N)
Law = tuple[Tensor, Tensor]


class Matrix(Operator):
    """y = M x for an explicit matrix (m, n), images of shape (1, 1, n); with its SVD."""

    def __init__(self, matrix: Tensor) -> None:
        m, n = matrix.shape
        super().__init__((1, 1, n), (1, 1, m))
        self.matrix = matrix
        U, s, Vh = torch.linalg.svd(matrix)
        self.svd = SVD(s.view(1, 1, -1), DenseBasis(self.output_shape, U), DenseBasis(self.input_shape, Vh.mT))

    def _forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix.to(x).mT

    def _adjoint(self, y: Tensor) -> Tensor:
        return y @ self.matrix.to(y)


class GaussianWorld:
    """Prior N(mu, Sigma), measurement y = M x_0 + sigma z and a short schedule, all drawn from a seed.

    Arguments:
        T: of the schedule; the total noise is the same for every T of 6 or more.
        isotropic: Sigma is 0.5 I.
    """

    def __init__(self, seed: int, T: int = 6, sigma: float = 0.7, rows: int = 3, isotropic: bool = False) -> None:
        beta_max = 2.4 / max(T, 6)
        self.schedule = schedules.linear(T=T, beta_min=beta_max / 20 if T > 1 else beta_max, beta_max=beta_max)
        factor = normal((N, N), seed)
        self.mean = normal((N,), seed + 1)
        self.cov = 0.5 * torch.eye(N, dtype=torch.float64) if isotropic else factor @ factor.mT / N
        self.matrix, self.sigma = normal((rows, N), seed + 2), sigma
        self.prior = GaussianPrior.from_covariance(self.schedule, self.mean.view(SHAPE), self.cov)
        self.problem = InverseProblem(Matrix(self.matrix), normal((1, 1, 1, rows), seed + 3), sigma)

    def marginal(self, alpha_bar: float) -> Law:
        """Mean and covariance of x_t."""
        return alpha_bar**0.5 * self.mean, alpha_bar * self.cov + (1 - alpha_bar) * torch.eye(N, dtype=torch.float64)

    def regress(self, cross: Tensor, mean_to: Tensor, alpha_bar: float) -> Law:
        """E[target | x_t] = gain x_t + offset, from Cov(target, x_t)."""
        mean, cov = self.marginal(alpha_bar)
        gain = torch.linalg.solve(cov, cross.mT).mT
        return gain, mean_to - gain @ mean

    def x0_hat(self, alpha_bar: float) -> Law:
        return self.regress(alpha_bar**0.5 * self.cov, self.mean, alpha_bar)

    def chain(
        self,
        schedule: Schedule,
        variance: Callable[[Step], float],
        shift: Callable[[Step], Law] | None = None,
        start: Law | None = None,
        correction: Callable[[Step], Law] | None = None,
    ) -> Law:
        """Mean and covariance after walking x <- E[x_{t-1} | x_t = x] + shift(x) + noise, x <- x + correction(x).

        `variance(step)` is the variance of the noise; `shift(step)` and `correction(step)` give (matrix, vector).
        """
        identity = torch.eye(N, dtype=torch.float64)
        mean, cov = start or (torch.zeros(N, dtype=torch.float64), identity)
        for step in schedule.backwards():
            mean_prev, cov_prev = self.marginal(step.alpha_bar_prev)
            gain, offset = self.regress(step.alpha**0.5 * cov_prev, mean_prev, step.alpha_bar)
            if shift:
                more, extra = shift(step)
                gain, offset = gain + more, offset + extra
            mean, cov = gain @ mean + offset, gain @ cov @ gain.mT
            if step.t_prev > 0:
                cov = cov + variance(step) * identity
            if correction:
                more, extra = correction(step)
                mean, cov = mean + more @ mean + extra, (identity + more) @ cov @ (identity + more).mT
        return mean, cov


def small(step: Step) -> float:
    """beta_tilde: what is left of x_{t-1} given x_t and x_0, by subtracting what x_t explains."""
    prior_variance = 1 - step.alpha_bar_prev
    return prior_variance - step.alpha * prior_variance**2 / (1 - step.alpha_bar)


def large(step: Step) -> float:
    return 1 - step.alpha


def bayes(step: Step) -> float:
    return (1 - step.alpha) / step.alpha**0.5


def walked(world: GaussianWorld, steps: int | None) -> Schedule:
    """The chain that a method of so many steps walks: all of them by default."""
    return world.schedule.respace(None if steps is None else min(steps, world.schedule.T))


def law_of_ddpm(world: GaussianWorld, variance: str = "small", steps: int | None = None) -> Law:
    return world.chain(walked(world, steps), {"small": small, "large": large}[variance])


def law_of_ddim(world: GaussianWorld, eta: float = 0.0, steps: int | None = None) -> Law:
    """x_{t-1} = √ᾱ' x0_hat + √(1 - ᾱ' - σ²) ε + σ z, with x0_hat = G x + b and ε = (x - √ᾱ x0_hat)/√(1 - ᾱ)."""
    identity = torch.eye(N, dtype=torch.float64)
    mean, cov = torch.zeros(N, dtype=torch.float64), identity
    for step in walked(world, steps).backwards():
        G, b = world.x0_hat(step.alpha_bar)
        variance = eta**2 * small(step)
        along = (max(0.0, 1 - step.alpha_bar_prev - variance) / (1 - step.alpha_bar)) ** 0.5
        onto = step.alpha_bar_prev**0.5 - along * step.alpha_bar**0.5
        mean, gain = onto * (G @ mean + b) + along * mean, onto * G + along * identity
        cov = gain @ cov @ gain.mT + (variance if step.t_prev > 0 else 0.0) * identity
    return mean, cov


def law_of_sdedit(world: GaussianWorld, t_start: int | None = None) -> Law:
    """From √ᾱ A⁺ y + √(1 - ᾱ) z at t_start (T/2 by default) with the prior alone."""
    t = (world.schedule.T + 1) // 2 if t_start is None else min(t_start, world.schedule.T)
    alpha_bar = world.schedule.alpha_bar[t].item()
    picture = torch.linalg.pinv(world.matrix) @ world.problem.y.flatten()
    start = alpha_bar**0.5 * picture, (1 - alpha_bar) * torch.eye(N, dtype=torch.float64)
    return world.chain(world.schedule.respace(start=t), small, start=start)


def law_of_dps(world: GaussianWorld, steps: int | None = None) -> Law:
    """With the likelihood step: ∇ log N(y; A x0_hat(x), σ² I), times (1 - α)/√α."""
    A, y = world.matrix, world.problem.y.flatten()

    def shift(step: Step) -> Law:
        G, b = world.x0_hat(step.alpha_bar)
        pull = bayes(step) / world.sigma**2 * G.mT @ A.mT
        return -pull @ A @ G, pull @ (y - A @ b)

    return world.chain(walked(world, steps), small, shift)


def law_of_score_ald(world: GaussianWorld, gamma: float = 1.0, steps: int | None = None) -> Law:
    A, y = world.matrix, world.problem.y.flatten()

    def shift(step: Step) -> Law:
        pull = bayes(step) / (world.sigma**2 + gamma**2) * A.mT
        return -pull @ A, pull @ y

    return world.chain(walked(world, steps), small, shift)


def law_of_dmps(world: GaussianWorld, lam: float = 1.0, steps: int | None = None) -> Law:
    """The likelihood of a flat prior: y ~ N(A x/√ᾱ, σ² I + (1 - ᾱ)/ᾱ A Aᵀ)."""
    A, y = world.matrix, world.problem.y.flatten()

    def shift(step: Step) -> Law:
        r = (1 - step.alpha_bar) / step.alpha_bar
        spread = world.sigma**2 * torch.eye(len(A), dtype=A.dtype) + r * A @ A.mT
        pull = lam * bayes(step) / step.alpha_bar**0.5 * torch.linalg.solve(spread, A).mT
        return -pull @ A / step.alpha_bar**0.5, pull @ y

    return world.chain(walked(world, steps), small, shift)


#: Claim -> the law of the output on a `GaussianWorld`, whatever program makes it.
CLOSED_FORMS: Mapping[str, Callable[..., Law]] = {
    "ddpm": law_of_ddpm,
    "ddim": law_of_ddim,
    "sdedit": law_of_sdedit,
    "dps": law_of_dps,
    "score_ald": law_of_score_ald,
    "dmps": law_of_dmps,
}


def path_of_dps_norm(
    world: GaussianWorld, draws: Iterator[Tensor], zeta: float = 1.0, steps: int | None = None
) -> Tensor:
    """x <- E[x_{t-1} | x_t = x] + √β̃ z - ζ ∇‖y - A x0_hat(x)‖, the norm not squared; `draws` in order, x_T first."""
    A, y, x = world.matrix, world.problem.y.flatten(), next(draws)
    for step in walked(world, steps).backwards():
        mean_prev, cov_prev = world.marginal(step.alpha_bar_prev)
        gain, offset = world.regress(step.alpha**0.5 * cov_prev, mean_prev, step.alpha_bar)
        G, b = world.x0_hat(step.alpha_bar)
        residual = y - A @ (G @ x + b)
        x = gain @ x + offset + zeta * G.mT @ A.mT @ residual / residual.norm()
        if step.t_prev > 0:
            x = x + small(step) ** 0.5 * next(draws)
    return x


#: Claim -> the output from the method's own draws, for methods that are not affine in them.
PATHS: Mapping[str, Callable[..., Tensor]] = {"dps_norm": path_of_dps_norm}


def mixture_prior(world: GaussianWorld, seed: int) -> GaussianMixturePrior:
    """Two modes: nothing here is linear."""
    cov = world.cov + 0.1 * torch.eye(N, dtype=torch.float64)
    means = [normal(SHAPE, seed + k) for k in range(2)]
    components = [
        GaussianPrior.from_covariance(world.schedule, mean, cov if k else 0.3 * cov) for k, mean in enumerate(means)
    ]
    return GaussianMixturePrior([0.4, 0.6], components)


def draw_images(prior: Any, count: int, seed: int) -> Tensor | None:
    """`count` images of one of our exact priors; None of any other."""
    if isinstance(prior, GaussianPrior):
        return prior.sample(normal((count, *prior.shape), seed))
    if isinstance(prior, GaussianMixturePrior):
        component = torch.multinomial(
            prior.weights.values, count, replacement=True, generator=torch.Generator().manual_seed(seed)
        )
        return prior.sample(normal((count, *prior.shape), seed), component)
    return None
