r"""How far two laws are apart, where at least one of them is known.

Between Gaussians in closed form (Bures), between samples through one-dimensional projections, where the
optimal coupling is the sorted one:

.. math::
    W_2^2(\mathcal N_1, \mathcal N_2) = \lVert m_1 - m_2 \rVert^2
        + \mathrm{tr}\big(C_1 + C_2 - 2 (C_1^{1/2} C_2 C_1^{1/2})^{1/2}\big), \qquad
    SW_2^2 = \frac1L \sum_{\ell=1}^{L} \int_0^1
        \big(F^{-1}_{\theta_\ell x}(u) - F^{-1}_{\theta_\ell y}(u)\big)^2 du

and whether a sampler found all modes: the component of each sample is drawn with its responsibilities.
If the samples come from the posterior, the counts are multinomial with the posterior's own weights,
exactly, however much the modes overlap (the nearest mode would not have those frequencies). Each count
is then binomial, and its two tails are summed term by term: no approximation for small counts.

Sources: Bonneel, Rabin, Peyré, Pfister, "Sliced and Radon Wasserstein barycenters of measures", 2015.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from teachdiff.checks import check_finite, check_images
from teachdiff.exact.posterior import Posterior
from teachdiff.operators.base import check_count


def gaussian_wasserstein(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    r""":math:`W_2` between two Gaussians: means of any one shape with n values, covariances (n, n), float64.

    Raises:
        ValueError: shapes that do not fit, or a NaN.
    """
    mean1, mean2 = mean1.double().flatten(), mean2.double().flatten()
    cov1, cov2 = cov1.double(), cov2.double()
    n = len(mean1)
    if len(mean2) != n or cov1.shape != (n, n) or cov2.shape != (n, n):
        raise ValueError(
            f"the means must have as many values as the covariances rows; got {n} and {len(mean2)} values, "
            f"{tuple(cov1.shape)} and {tuple(cov2.shape)}."
        )
    for name, value in (("mean1", mean1), ("cov1", cov1), ("mean2", mean2), ("cov2", cov2)):
        check_finite(value, name)
    values, vectors = torch.linalg.eigh(cov1)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.mT
    # tr (root C2 root)^(1/2) is the nuclear norm of root C2^(1/2): no eigenvalue is rooted twice.
    values, vectors = torch.linalg.eigh(cov2)
    cross = torch.linalg.svdvals(root @ vectors * values.clamp(min=0).sqrt()).sum()
    squared = (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * cross
    return squared.clamp(min=0).sqrt().item()


def sliced_wasserstein(x: Tensor, y: Tensor, directions: int = 128, seed: int = 0) -> float:
    r""":math:`SW_2` between two samples (B, C, H, W) of any two sizes, in float64.

    The directions are drawn from `seed`, uniform on the sphere, and the same for every call with that seed,
    `directions` and number of pixels. Between N(0, I) and N(m, I) it is near |m| / sqrt(n): a direction sees the
    share of m that lies along it.

    Raises:
        TypeError, ValueError: not two finite batches of images of one shape.
    """
    check_images(x, "x")
    check_images(y, "y", shape=tuple(x.shape[1:]))
    check_finite(x, "x")
    check_finite(y, "y")
    check_count(directions, "directions")
    x, y = x.detach().double().flatten(1), y.detach().to(x.device).double().flatten(1)
    theta = torch.randn(x.shape[1], directions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    theta = (theta / theta.norm(dim=0)).to(x.device)
    return quantile_distance(x @ theta, y @ theta).mean().sqrt().item()


def quantile_distance(a: Tensor, b: Tensor) -> Tensor:
    r""":math:`W_2^2` between the columns of (N, L) and (M, L), exactly: shape (L,).

    Both quantile functions are steps. They are compared on the union of their jumps i/N and j/M.
    """
    n, m = len(a), len(b)
    jumps = torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]).unique()  # times n m: whole numbers
    widths = torch.diff(jumps, prepend=jumps.new_zeros(1)).to(a) / (n * m)
    left, right = ((jumps - 1) // m).to(a.device), ((jumps - 1) // n).to(a.device)
    gaps = a.sort(0).values[left] - b.sort(0).values[right]
    return (gaps.square() * widths[:, None]).sum(0)


@dataclass(frozen=True, eq=False)
class Coverage:
    """How often each mode was found.

    Attributes:
        expected: (K,), the posterior's weights.
        observed: (K,), how many of the samples fell to each component.
        p_value: if the samples come from the posterior, a value of `alpha` or less has at most probability alpha.
    """

    expected: Tensor
    observed: Tensor
    p_value: float

    @property
    def gap(self) -> float:
        """Total variation distance between observed shares and expected weights, 0 to 1."""
        return 0.5 * (self.observed / self.observed.sum() - self.expected).abs().sum().item()


def mode_coverage(samples: Tensor, posterior: Posterior, seed: int = 0) -> Coverage:
    """Draw the component of each sample by its responsibilities and test the counts against the weights.

    The p-value is exact in the safe direction: twice the smaller binomial tail of each of the K counts, and
    the smallest of the K p-values times K (Bonferroni).

    Arguments:
        samples: (N, C, H, W).
        posterior: of one y.
        seed: of the drawn components.

    Raises:
        ValueError: a posterior of several y or without a density, samples of another shape or not finite.
    """
    if len(posterior.weights) != 1:
        raise ValueError(f"the coverage is that of one y; this posterior is of {len(posterior.weights)}.")
    check_images(samples, "samples", shape=tuple(posterior.means.shape[2:]))
    check_finite(samples, "samples")
    shares = posterior.responsibilities(samples.detach().cpu())
    uniform = torch.rand(len(samples), 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    weights = posterior.weights[0]
    drawn = torch.searchsorted(shares.cumsum(1), uniform).clamp(max=len(weights) - 1).flatten()
    observed = torch.bincount(drawn, minlength=len(weights))
    tails = [binomial_p_value(int(c), len(samples), float(w)) for c, w in zip(observed, weights, strict=True)]
    return Coverage(weights, observed, min(1.0, len(weights) * min(tails)))


def binomial_p_value(count: int, total: int, weight: float) -> float:
    """Twice the smaller tail of Binomial(total, weight) at `count`, at most 1."""
    if not 0 < weight < 1:
        return 1.0 if count == round(weight) * total else 0.0
    k = torch.arange(total + 1, dtype=torch.float64)
    log_choose = math.lgamma(total + 1) - torch.lgamma(k + 1) - torch.lgamma(total - k + 1)
    probability = (log_choose + k * math.log(weight) + (total - k) * math.log1p(-weight)).exp()
    return min(1.0, 2 * min(probability[: count + 1].sum().item(), probability[count:].sum().item()))
