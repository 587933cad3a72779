"""A small Gaussian world in explicit matrices, and the laws of chains in it by recursion.

This is the slow, independent road: conditional Gaussians by regression, no formula of the library.
"""

import torch
from torch import Tensor

from teachdiff import schedules
from teachdiff.operators.base import Operator
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import InverseProblem

SHAPE = (1, 2, 2)
N = 4


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Matrix(Operator):
    """y = M x for an explicit matrix."""

    def __init__(self, matrix: Tensor, shape=SHAPE) -> None:
        super().__init__(shape, (1, 1, len(matrix)))
        self.matrix = matrix

    def _forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.matrix.mT).view(-1, *self.output_shape)

    def _adjoint(self, y: Tensor) -> Tensor:
        return (y.flatten(1) @ self.matrix).view(-1, *self.input_shape)

    def _pinv(self, y: Tensor) -> Tensor:
        return (y.flatten(1) @ torch.linalg.pinv(self.matrix).mT).view(-1, *self.input_shape)


class World:
    """Prior N(mu, Sigma), measurement y = M x_0 + sigma z and a short schedule, all drawn from a seed."""

    def __init__(self, seed: int, T: int = 6, sigma: float = 0.7, rows: int = 3) -> None:
        self.schedule = schedules.linear(T=T, beta_min=0.02, beta_max=0.4)
        factor = random(seed, N, N)
        self.mean, self.cov = random(seed + 1, N), factor @ factor.mT / N
        self.matrix, self.sigma = random(seed + 2, rows, N), sigma
        self.prior = GaussianPrior.from_covariance(self.schedule, self.mean.view(SHAPE), self.cov)
        self.problem = InverseProblem(Matrix(self.matrix), random(seed + 3, 1, 1, 1, rows), sigma)

    def marginal(self, alpha_bar: float) -> tuple[Tensor, Tensor]:
        """Mean and covariance of x_t."""
        return alpha_bar**0.5 * self.mean, alpha_bar * self.cov + (1 - alpha_bar) * torch.eye(N, dtype=torch.float64)

    def regress(self, cross: Tensor, mean_to: Tensor, alpha_bar: float) -> tuple[Tensor, Tensor]:
        """E[target | x_t] = gain x_t + offset, from Cov(target, x_t)."""
        mean, cov = self.marginal(alpha_bar)
        gain = torch.linalg.solve(cov, cross.mT).mT
        return gain, mean_to - gain @ mean

    def x0_hat(self, alpha_bar: float) -> tuple[Tensor, Tensor]:
        return self.regress(alpha_bar**0.5 * self.cov, self.mean, alpha_bar)

    def chain(self, schedule, variance, shift=None, start=None) -> tuple[Tensor, Tensor]:
        """Mean and covariance after walking x <- E[x_{t-1} | x_t = x] + shift(x) + noise.

        `variance(step)` is the variance of the noise; `shift(step)` gives (matrix, vector).
        """
        mean, cov = start or (torch.zeros(N, dtype=torch.float64), torch.eye(N, dtype=torch.float64))
        for step in schedule.backwards():
            mean_prev, cov_prev = self.marginal(step.alpha_bar_prev)
            gain, offset = self.regress(step.alpha**0.5 * cov_prev, mean_prev, step.alpha_bar)
            if shift:
                more, extra = shift(step)
                gain, offset = gain + more, offset + extra
            mean, cov = gain @ mean + offset, gain @ cov @ gain.mT
            if step.t_prev > 0:
                cov = cov + variance(step) * torch.eye(N, dtype=torch.float64)
        return mean, cov
