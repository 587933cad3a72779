r"""Fitting a Gaussian mixture to images: EM, with a prior on the covariances and a floor under them.

With the responsibilities :math:`r_{ik}`, :math:`N_k = \sum_i r_{ik}`, the pooled covariance P of the images,
and :math:`S_k` the scatter about the component's mean, each round sets

.. math::
    w_k = \frac{N_k}{N}, \qquad \mu_k = \frac1{N_k} \sum_i r_{ik} x_i, \qquad
    \Sigma_k = \Big[\frac{S_k + n_0 P}{N_k + n_0}\Big]_{\ge \epsilon}

where :math:`[\cdot]_{\ge\epsilon}` lifts the eigenvalues to the floor. That is the exact maximum of

.. math::
    \sum_i \log p(x_i) - \frac{n_0}{2} \sum_k \big(\log\det\Sigma_k + \mathrm{tr}(\Sigma_k^{-1} P)\big)
    \quad\text{subject to}\quad \Sigma_k \succeq \epsilon I

given the responsibilities, so no round lowers it. The floor is needed: pixels that are black in every
image would have a density without bound.

Source: Dempster, Laird, Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from teachdiff.checks import check_finite, check_images, check_weight
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.schedules import Schedule


def fit_mixture(
    schedule: Schedule,
    images: Tensor,
    components: int,
    *,
    floor: float = 0.01,
    strength: float = 100.0,
    rounds: int = 200,
    on_round: Callable[[float], None] | None = None,
) -> GaussianMixturePrior:
    r"""The mixture after `rounds` rounds of EM, or when a round gains less than 1e-9 of the objective.

    It starts from the images cut into equal parts along their first principal direction: nothing is random.

    Arguments:
        images: (N, C, H, W).
        components: K, at most N.
        floor: :math:`\epsilon > 0`, the least variance in any direction.
        strength: :math:`n_0 \ge 0`, how many images the pooled covariance counts for in each component.
        on_round: told the objective in each round.

    Raises:
        TypeError, ValueError: images that are no finite batch, K outside 1..N, a floor of 0 or less.
    """
    check_images(images, "images")
    check_finite(images, "images")
    if not 1 <= components <= len(images):
        raise ValueError(f"components must lie in 1..{len(images)}, the number of images; got {components}.")
    strength = check_weight(strength, "strength")
    if not check_weight(floor, "floor") > 0:
        raise ValueError("floor must be above 0: pixels that never change would have an infinite density.")
    shape = (images.shape[1], images.shape[2], images.shape[3])
    x = images.detach().double().cpu().flatten(1)
    pooled = torch.cov(x.mT, correction=0).view(x.shape[1], x.shape[1])
    rank = ((x - x.mean(0)) @ torch.linalg.eigh(pooled).eigenvectors[:, -1]).argsort().argsort()
    shares = torch.nn.functional.one_hot(rank * components // len(x), components).double()
    before = -torch.inf
    for _ in range(rounds):
        counts = shares.sum(0)
        means = shares.mT @ x / counts[:, None]
        spreads = []
        for k in range(components):
            apart = x - means[k]
            scatter = (shares[:, k, None] * apart).mT @ apart
            values, vectors = torch.linalg.eigh((scatter + strength * pooled) / (counts[k] + strength))
            spreads.append(vectors * values.clamp(min=floor) @ vectors.mT)
        logs = (counts / len(x)).log() + torch.stack(
            [normal(m, s).log_prob(x) for m, s in zip(means, spreads, strict=True)], dim=1
        )
        objective = logs.logsumexp(1).sum() - 0.5 * strength * sum(
            s.logdet() + torch.linalg.solve(s, pooled).trace() for s in spreads
        )
        if on_round:
            on_round(objective.item())
        if objective - before < 1e-9 * objective.abs():
            break
        before, shares = objective, logs.softmax(1)
    gaussians = [
        GaussianPrior.from_covariance(schedule, m.view(shape), (s + s.mT) / 2)
        for m, s in zip(means, spreads, strict=True)
    ]
    return GaussianMixturePrior(counts / len(x), gaussians)


def normal(mean: Tensor, covariance: Tensor) -> torch.distributions.MultivariateNormal:
    return torch.distributions.MultivariateNormal(mean, covariance, validate_args=False)
