"""A small Gaussian world in explicit matrices, and the laws of chains in it by recursion.

This is the slow, independent road: conditional Gaussians by regression, no formula of the library.
"""

import torch
from torch import Tensor

from teachdiff import schedules
from teachdiff.exact import output_law
from teachdiff.methods import dirac
from teachdiff.operators import FadeDegradation
from teachdiff.operators.base import Operator
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import InverseProblem
from teachdiff.tables import Table
from teachdiff.testing.worlds import GaussianWorld
from teachdiff.testing.worlds import large as large  # also offered from here
from teachdiff.testing.worlds import small as small

SHAPE = (1, 2, 2)
N = 4


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class MatrixSVD:
    """U, s, V of an explicit matrix, with as many coefficients as the image has values."""

    def __init__(self, matrix: Tensor, shape, output_shape) -> None:
        u, s, vt = torch.linalg.svd(matrix)
        rank = int((s > 1e-12 * s[0]).sum())
        self.shape, self.output_shape, self.vt = shape, output_shape, vt
        self.u = torch.zeros(len(u), len(vt)).to(u)
        self.u[:, :rank] = u[:, :rank]
        values = torch.zeros(len(vt)).to(s)
        values[:rank] = s[:rank]
        self.s = Table(values.view(shape))

    def Vt(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.vt.mT).view(-1, *self.shape)

    def V(self, c: Tensor) -> Tensor:
        return (c.flatten(1) @ self.vt).view(-1, *self.shape)

    def Ut(self, y: Tensor) -> Tensor:
        return (y.flatten(1) @ self.u).view(-1, *self.shape)

    def U(self, c: Tensor) -> Tensor:
        return (c.flatten(1) @ self.u.mT).view(-1, *self.output_shape)


class Matrix(Operator):
    """y = M x for an explicit matrix."""

    def __init__(self, matrix: Tensor, shape=SHAPE) -> None:
        super().__init__(shape, (1, 1, len(matrix)))
        self.matrix = matrix
        self.svd = MatrixSVD(matrix, self.input_shape, self.output_shape)

    def _forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.matrix.mT).view(-1, *self.output_shape)

    def _adjoint(self, y: Tensor) -> Tensor:
        return (y.flatten(1) @ self.matrix).view(-1, *self.input_shape)

    def _pinv(self, y: Tensor) -> Tensor:
        return (y.flatten(1) @ torch.linalg.pinv(self.matrix).mT).view(-1, *self.input_shape)

    def _resolvent(self, y: Tensor, sigma2: float, c: float) -> Tensor:
        system = sigma2 * torch.eye(len(self.matrix)).to(y) + c * self.matrix @ self.matrix.mT
        return (y.flatten(1) @ torch.linalg.pinv(system, hermitian=True)).view(-1, *self.output_shape)


class World(GaussianWorld):
    """Prior N(mu, Sigma), measurement y = M x_0 + sigma z and a short schedule, all drawn from a seed."""

    def __init__(self, seed: int, T: int = 6, sigma: float = 0.7, rows: int = 3) -> None:
        self.schedule = schedules.linear(T=T, beta_min=0.02, beta_max=0.4)
        factor = random(seed, N, N)
        self.mean, self.cov = random(seed + 1, N), factor @ factor.mT / N
        self.matrix, self.sigma = random(seed + 2, rows, N), sigma
        self.prior = GaussianPrior.from_covariance(self.schedule, self.mean.view(SHAPE), self.cov)
        self.problem = InverseProblem(Matrix(self.matrix), random(seed + 3, 1, 1, 1, rows), sigma)


def assert_law(method, world, expected, **options):
    """The exact law of `method(...)` is `expected`, a mean and a covariance."""
    mean, cov = output_law(method, world.prior, world.problem, **options)
    torch.testing.assert_close(mean.flatten(), expected[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(cov, expected[1], rtol=1e-9, atol=1e-9)


def differs(method, world, expected, **options):
    """By how much the law of a mutant differs from `expected`, relative to its size."""
    mean, cov = output_law(method, world.prior, world.problem, **options)
    gap = (mean.flatten() - expected[0]).norm() + (cov - expected[1]).norm()
    return (gap / (expected[0].norm() + expected[1].norm())).item()


def one_pixel(sigma: float = 0.1):
    """Prior N(0, 1), y = 1, T = 1000: for sigma = 0.1 the posterior has mean 0.9901 and variance 0.0099."""
    prior = GaussianPrior(schedules.linear(), torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    one = Matrix(torch.ones(1, 1, dtype=torch.float64), shape=(1, 1, 1))
    return prior, InverseProblem(one, torch.ones(1, 1, 1, 1, dtype=torch.float64), sigma)


class NotLinear(Matrix):
    linear = False

    def _forward(self, x: Tensor) -> Tensor:
        return super()._forward(x).clamp(-1, 1)


class Seen(Operator):
    """A^+ A, from images to images: what an operator of any shape sees."""

    def __init__(self, operator) -> None:
        super().__init__(operator.input_shape, operator.input_shape)
        self._forward = self._adjoint = lambda x: operator.pinv(operator(x))


def restoring(prior, problem, *, steps=None, **options):
    """Dirac on a problem of any shape: what the operator does not see fades away, and a prior's denoiser restores."""

    class Restorer:
        degradation = FadeDegradation(Seen(problem.operator), sigma_min=0.1 * problem.sigma, sigma_max=problem.sigma)

        def predict(self, y_t, t):
            return prior.denoise(y_t, 1 + round(t * (prior.schedule.T - 1)))

    picture = InverseProblem(Restorer.degradation.operator(1.0), problem.operator.pinv(problem.y), problem.sigma)
    return dirac(Restorer(), picture, steps=4, **options)
