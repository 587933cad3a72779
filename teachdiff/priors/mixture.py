r"""A mixture of Gaussians: still exact, and no longer unimodal.

.. math::
    p(x_0) = \sum_k w_k\, \mathcal N(x_0; \mu_k, \Sigma_k), \qquad
    E[x_0 \mid x_t] = \sum_k r_k(x_t)\, E_k[x_0 \mid x_t], \qquad
    r_k(x_t) = \frac{w_k\, p_{t,k}(x_t)}{\sum_j w_j\, p_{t,j}(x_t)}
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.tables import Table


class GaussianMixturePrior:
    """Weights and Gaussian components that share one schedule and shape.

    Arguments:
        labels: what each component stands for, in words; nothing is computed with them.

    Raises:
        ValueError: no component, weights that are negative or do not sum to 1, components that
            differ in shape or schedule, or another number of labels.
    """

    clip_x0 = False

    def __init__(
        self,
        weights: Sequence[float] | Tensor,
        components: Sequence[GaussianPrior],
        labels: Sequence[str] | None = None,
    ) -> None:
        weights = torch.as_tensor(weights, dtype=torch.float64)
        if not components or weights.shape != (len(components),):
            raise ValueError(
                f"a mixture needs one weight per component; got {tuple(weights.shape)} weights "
                f"and {len(components)} components."
            )
        if not (bool((weights > 0).all()) and abs(weights.sum().item() - 1) < 1e-9):
            raise ValueError(f"weights must be positive and sum to 1; got {weights.tolist()}.")
        shapes = {component.shape for component in components}
        same = all(torch.equal(c.schedule.alpha_bar, components[0].schedule.alpha_bar) for c in components)
        if len(shapes) > 1 or not same:
            raise ValueError(f"components must share one shape and one schedule; the shapes are {sorted(shapes)}.")
        if labels is not None and len(labels) != len(components):
            raise ValueError(f"labels must be one per component, {len(components)} of them; got {len(labels)}.")
        self.weights = Table(weights)
        self.labels = None if labels is None else [str(label) for label in labels]
        self.components = list(components)
        self.schedule = components[0].schedule
        self.shape = components[0].shape

    def _log_joint(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        r""":math:`\log w_k + \log p_{t,k}(x_t)`, of shape (K, B)."""
        logs = torch.stack([component.log_prob(x_t, t) for component in self.components])
        return self.weights.like(x_t).log()[:, None] + logs

    def responsibilities(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        r""":math:`r_k(x_t)`, of shape (K, B); each column sums to 1."""
        return self._log_joint(x_t, t).softmax(0)

    def log_prob(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        r""":math:`\log p_t(x_t)`, of shape (B,)."""
        return self._log_joint(x_t, t).logsumexp(0)

    def denoise(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        r"""The exact :math:`E[x_0 \mid x_t]`, of shape (B, C, H, W). Errors as `GaussianPrior.denoise`."""
        weights = self.responsibilities(x_t, t)[..., None, None, None]
        means = torch.stack([component.denoise(x_t, t) for component in self.components])
        return (weights * means).sum(0)

    def sample(self, z: Tensor, component: Tensor) -> Tensor:
        """Standard normal z (B, C, H, W) and the index of each sample's component (B,) to x_0."""
        drawn = torch.stack([c.sample(z) for c in self.components])
        return drawn[component.to(z.device), torch.arange(len(z), device=z.device)]
