r"""The posterior of a Gaussian prior under a linear operator:

.. math::
    \mathrm{Cov} = \Sigma - \Sigma A^\top (A \Sigma A^\top + \sigma^2 I)^{-1} A \Sigma, \qquad
    E[x_0 \mid y] = \mu + \Sigma A^\top (A \Sigma A^\top + \sigma^2 I)^{-1} (y - A\mu)

With explicit matrices: for images of up to a few thousand pixels.
"""

import torch
from torch import Tensor

from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import InverseProblem


def materialise(function, shape: tuple[int, int, int], dtype: torch.dtype = torch.float64) -> Tensor:
    """The matrix (m, n) of a linear function of images (B, C, H, W), n = C H W."""
    n = torch.Size(shape).numel()
    return function(torch.eye(n, dtype=dtype).view(n, *shape)).flatten(1).mT.contiguous()


def gaussian_posterior(prior: GaussianPrior, problem: InverseProblem) -> tuple[Tensor, Tensor]:
    r"""Mean (B, C, H, W) and covariance (n, n) of :math:`x_0 \mid y`, in float64.

    Raises:
        ValueError: sigma = 0 with an operator that sees some direction twice or not at all, so that
            the system is singular.
    """
    A = materialise(problem.operator, prior.shape)
    root = materialise(lambda z: prior.sample(z) - prior.mean.like(z), prior.shape)
    cov = root @ root.mT
    system = A @ cov @ A.mT + problem.sigma**2 * torch.eye(len(A), dtype=A.dtype)
    if torch.linalg.matrix_rank(system, hermitian=True) < len(A):
        raise ValueError("A Sigma A^T + sigma^2 I is singular; the posterior needs a sigma above 0 here.")
    gain = torch.linalg.solve(system, A @ cov).mT
    mean = prior.mean.values.flatten()
    residual = problem.y.to(A).flatten(1) - A @ mean
    return (mean + residual @ gain.mT).view(-1, *prior.shape), cov - gain @ A @ cov
