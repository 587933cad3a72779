r"""The exact posterior of a Gaussian or mixture prior under a linear operator, and its evidence.

With :math:`S = A \Sigma A^\top + \sigma^2 I` and the gain :math:`G = \Sigma A^\top S^{-1}`:

.. math::
    E[x_0 \mid y] = \mu + G\,(y - A\mu), \qquad
    \mathrm{Cov}[x_0 \mid y] = (I - GA)\,\Sigma\,(I - GA)^\top + \sigma^2 G G^\top, \qquad
    p(y) = \mathcal N(y;\, A\mu,\, S)

and for a mixture each component on its own, weighed by how well it foretold y:

.. math::
    p(y) = \sum_k w_k\, p_k(y), \qquad
    w_k(y) = \frac{w_k\, p_k(y)}{p(y)}, \qquad
    p(x_0 \mid y) = \sum_k w_k(y)\, \mathcal N\big(x_0;\, E_k[x_0 \mid y],\, \mathrm{Cov}_k[x_0 \mid y]\big)

The covariance stands in Joseph's form, a sum of two squares, which stays positive where the shorter
:math:`\Sigma - GA\Sigma` loses its digits as sigma falls. With explicit matrices: for images of up to
a few thousand pixels. Where an operator reports nothing (a mask's hidden pixels) there is no reading,
and p(y) is the density of the readings alone.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from teachdiff.checks import check_images
from teachdiff.noise import NoiseStream
from teachdiff.operators.base import check_count
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.problems import InverseProblem


def materialise(
    function, shape: tuple[int, ...], dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> Tensor:
    """The matrix (m, n) of a linear function of images (B, C, H, W), n = C H W: its values at the unit images."""
    n = torch.Size(shape).numel()
    return function(torch.eye(n, dtype=dtype, device=device).view(n, *shape)).flatten(1).mT.contiguous()


@dataclass(frozen=True, eq=False)
class Posterior:
    r"""The mixture :math:`\sum_k w_k(y)\, \mathcal N(m_k(y), C_k)`, one for each y of a batch; float64, on the CPU.

    Attributes:
        weights: (B, K), each row sums to 1.
        means: (B, K, C, H, W).
        covariances: (K, n, n), n = C H W; they do not depend on y.
        log_evidence: (B,), :math:`\log p(y)`, the density of the readings.
        rounding: (K,), the variance that is no more than rounding, by the size of each prior's covariance.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor
    log_evidence: Tensor
    rounding: Tensor

    @property
    def mean(self) -> Tensor:
        r""":math:`E[x_0 \mid y]`, of shape (B, C, H, W)."""
        return torch.einsum("bk,bkchw->bchw", self.weights, self.means)

    @property
    def covariance(self) -> Tensor:
        r""":math:`\sum_k w_k (C_k + (m_k - m)(m_k - m)^\top)`, of shape (B, n, n): within and between modes."""
        apart = (self.means - self.mean[:, None]).flatten(2)
        within = torch.einsum("bk,kij->bij", self.weights, self.covariances)
        return within + torch.einsum("bk,bki,bkj->bij", self.weights, apart, apart)

    def _log_joint(self, x0: Tensor) -> Tensor:
        """log w_k + log N(x0; m_k, C_k), of shape (B, K), for x0 of shape (B, C, H, W)."""
        check_images(x0, "x0", shape=tuple(self.means.shape[2:]))
        if len(self.weights) not in (1, len(x0)):
            raise ValueError(f"x0 must have one image for each y, {len(self.weights)} of them; got {len(x0)}.")
        apart = (x0.to(self.means)[:, None] - self.means).flatten(2)
        values, vectors = torch.linalg.eigh(self.covariances)
        if not bool((values[:, 0] > self.rounding).all()):
            raise ValueError("this posterior knows some direction exactly, so it has no density. Take a sigma above 0.")
        white = torch.einsum("bki,kij->bkj", apart, vectors / values.sqrt()[:, None])
        logs = -0.5 * (white.square() + (2 * math.pi * values).log()).sum(2)
        return self.weights.log() + logs

    def log_prob(self, x0: Tensor) -> Tensor:
        r""":math:`\log p(x_0 \mid y)`, of shape (B,): x0 (B, C, H, W) has one image for each y, or many for one y.

        Raises:
            ValueError: the posterior is singular, as it is with sigma = 0, and has no density.
        """
        return self._log_joint(x0).logsumexp(1)

    def responsibilities(self, x0: Tensor) -> Tensor:
        """The probability of each component given x0, (B, K). Errors as `log_prob`."""
        return self._log_joint(x0).softmax(1)

    def sample(self, count: int, seed: int = 0) -> Tensor:
        """Exact samples, (count, B, C, H, W)."""
        check_count(count, "count")
        batch, components = self.weights.shape
        draw = NoiseStream(seed, count, dtype=torch.float64)
        # One uniform number and n normal ones for each sample: a mode by inversion, then a point in it.
        uniform = torch.special.ndtr(draw(0, (count, batch)))
        mode = torch.searchsorted(self.weights.cumsum(1), uniform.mT.contiguous()).clamp(max=components - 1).mT
        values, vectors = torch.linalg.eigh(self.covariances)
        roots = vectors * values.clamp(min=0).sqrt()[:, None]
        z = draw(0, (count, batch, roots.shape[1]))
        centre = self.means[torch.arange(batch), mode]  # (count, batch, C, H, W)
        return centre + torch.einsum("sbij,sbj->sbi", roots[mode], z).view_as(centre)


def condition(prior: GaussianPrior, problem: InverseProblem) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""Of one Gaussian: mean (B, C, H, W), covariance (n, n), :math:`\log p(y)` (B,) and rounding (), in float64.

    Raises:
        ValueError: sigma = 0 with an operator that sees some direction twice, or one that the prior is
            certain of, so that the system is singular; shapes that differ.
    """
    if tuple(problem.operator.input_shape) != prior.shape:
        raise ValueError(f"the prior is for images {prior.shape}; the operator takes {problem.operator.input_shape}.")
    A = materialise(problem.operator, prior.shape)
    y = problem.y.detach().to(A).flatten(1)
    measured = getattr(problem.operator, "measured", None)
    if measured is not None:
        seen = measured.values.expand(problem.operator.output_shape).flatten() > 0
        A, y = A[seen], y[:, seen]
    mean, cov, eps = prior.mean.values.flatten(), prior.covariance, torch.finfo(A.dtype).eps
    values, vectors = torch.linalg.eigh(A @ cov @ A.mT + problem.sigma**2 * torch.eye(len(A), dtype=A.dtype))
    if len(A) and not bool(values[0] > len(A) * eps * values[-1]):
        raise ValueError("A Sigma A^T + sigma^2 I is singular; the posterior needs a sigma above 0 here.")
    gain = cov @ A.mT @ (vectors / values) @ vectors.mT
    residual = y - A @ mean
    log_evidence = -0.5 * ((residual @ vectors).square() / values + (2 * math.pi * values).log()).sum(1)
    posterior_mean = (mean + residual @ gain.mT).view(-1, *prior.shape)
    posterior_cov = left_over(cov, A, gain, problem.sigma)
    return posterior_mean, posterior_cov, log_evidence, len(cov) * eps * prior.variances.values.max()


def left_over(cov: Tensor, A: Tensor, gain: Tensor, sigma: float) -> Tensor:
    r""":math:`(I - KA)\Sigma(I - KA)^\top + \sigma^2 K K^\top`: :math:`\mathrm{Cov}[x_0 \mid y]` with the gain K."""
    rest = torch.eye(len(cov), dtype=A.dtype) - gain @ A
    return rest @ cov @ rest.mT + sigma**2 * gain @ gain.mT


def gaussian_posterior(prior: GaussianPrior, problem: InverseProblem) -> tuple[Tensor, Tensor]:
    r"""Mean (B, C, H, W) and covariance (n, n) of :math:`x_0 \mid y`, in float64. Errors as `condition`."""
    return condition(prior, problem)[:2]


def mixture_posterior(prior: GaussianPrior | GaussianMixturePrior, problem: InverseProblem) -> Posterior:
    r"""The exact :math:`p(x_0 \mid y)` for each y of the batch; a Gaussian prior is a mixture of one.

    Raises:
        ValueError: as `condition`, if it is so for any component.
    """
    components = [prior] if isinstance(prior, GaussianPrior) else prior.components
    weights = torch.ones(1, dtype=torch.float64) if isinstance(prior, GaussianPrior) else prior.weights.values
    parts = [condition(component, problem) for component in components]
    means, covariances, log_evidence, rounding = (list(kind) for kind in zip(*parts, strict=True))
    log_joint = torch.stack(log_evidence, dim=1) + weights.log()
    return Posterior(
        weights=log_joint.softmax(1),
        means=torch.stack(means, dim=1),
        covariances=torch.stack(covariances),
        log_evidence=log_joint.logsumexp(1),
        rounding=torch.stack(rounding),
    )
