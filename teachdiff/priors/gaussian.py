r"""The Gaussian prior, for which everything is known exactly.

With :math:`x_0 \sim \mathcal N(\mu, \Sigma)`, :math:`\Sigma = Q\,\mathrm{diag}(\lambda)\,Q^\top`:

.. math::
    x_t \sim \mathcal N\big(\sqrt{\bar\alpha_t}\,\mu,\; \bar\alpha_t \Sigma + (1-\bar\alpha_t) I\big), \qquad
    E[x_0 \mid x_t] = \mu + Q\,\frac{\sqrt{\bar\alpha_t}\,\lambda}{\bar\alpha_t \lambda + 1 - \bar\alpha_t}\,
    Q^\top (x_t - \sqrt{\bar\alpha_t}\,\mu)

The basis Q is any of `teachdiff.bases`, so that the same lines serve a full covariance of a few
pixels and a stationary one at 512 x 512.
"""

import math

import torch
from torch import Tensor

from teachdiff.bases import DenseBasis, PixelBasis, Shape
from teachdiff.checks import check_finite, check_images
from teachdiff.schedules import Schedule
from teachdiff.tables import Table


class GaussianPrior:
    r""":math:`\mathcal N(\mu, Q\,\mathrm{diag}(\lambda)\,Q^\top)` with exact `denoise`.

    Arguments:
        schedule: the noise schedule.
        mean: :math:`\mu`, of shape (C, H, W).
        variances: :math:`\lambda \ge 0`, of shape (C, H, W): the variance of each coefficient.
        basis: Q; by default the pixels themselves, a diagonal covariance.

    Raises:
        ValueError: shapes that differ, a negative or non-finite variance.
    """

    clip_x0 = False

    def __init__(self, schedule: Schedule, mean: Tensor, variances: Tensor, basis=None) -> None:
        mean, variances = torch.as_tensor(mean), torch.as_tensor(variances)
        if mean.ndim != 3 or variances.shape != mean.shape:
            raise ValueError(
                "mean and variances must both have shape (C, H, W); "
                f"got {tuple(mean.shape)} and {tuple(variances.shape)}."
            )
        check_finite(mean, "mean")
        check_finite(variances, "variances")
        if bool((variances < 0).any()):
            raise ValueError(f"variances must be 0 or more; the smallest is {variances.min().item():.3g}.")
        self.schedule = schedule
        self.shape: Shape = (mean.shape[0], mean.shape[1], mean.shape[2])
        self.basis = PixelBasis(self.shape) if basis is None else basis
        if tuple(self.basis.shape) != self.shape:
            raise ValueError(f"the basis is for images {tuple(self.basis.shape)}; the mean has {self.shape}.")
        self.mean = Table(mean)
        self.variances = Table(variances)

    @classmethod
    def from_covariance(cls, schedule: Schedule, mean: Tensor, covariance: Tensor) -> "GaussianPrior":
        r"""From an explicit :math:`\Sigma` of shape (n, n), n = C H W, rows in the order of `mean.flatten()`.

        Raises:
            ValueError: another shape, not symmetric, or not positive semi-definite.
        """
        covariance = torch.as_tensor(covariance, dtype=torch.float64)
        n = mean.numel()
        if covariance.shape != (n, n):
            raise ValueError(f"covariance must have shape ({n}, {n}) for this mean; got {tuple(covariance.shape)}.")
        check_finite(covariance, "covariance")
        scale = covariance.abs().max().clamp(min=1e-300)
        if bool((covariance - covariance.mT).abs().max() > 1e-10 * scale):
            raise ValueError("covariance must be symmetric.")
        values, vectors = torch.linalg.eigh(covariance)
        if bool(values.min() < -1e-10 * scale):
            raise ValueError(f"covariance must be positive semi-definite; it has the eigenvalue {values.min():.3g}.")
        basis = DenseBasis((mean.shape[0], mean.shape[1], mean.shape[2]), vectors)
        return cls(schedule, mean, values.clamp(min=0).view(basis.shape), basis)

    @property
    def covariance(self) -> Tensor:
        r""":math:`\Sigma` as a matrix (n, n), rows in the order of `mean.values.flatten()`; float64, on the CPU."""
        n = self.variances.values.numel()
        units = torch.eye(n, dtype=torch.float64).view(n, *self.shape)
        root = self.basis.synthesise(units * self.variances.values.sqrt()).flatten(1)
        return root.mT @ root

    def _whitened(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        r"""Coefficients of :math:`x_t - \sqrt{\bar\alpha_t}\mu`, their variances, and :math:`\bar\alpha_t`."""
        check_images(x_t, "x_t", shape=self.shape)
        alpha_bar = self.schedule.at(t, x_t)
        coefficients = self.basis.analyse(x_t - alpha_bar.sqrt() * self.mean.like(x_t))
        return coefficients, alpha_bar * self.variances.like(x_t) + 1 - alpha_bar, alpha_bar

    def denoise(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        r"""The exact :math:`E[x_0 \mid x_t]`, of shape (B, C, H, W).

        Raises:
            TypeError, ValueError: x_t is no batch of images of this prior's shape, or t is no
                integer in 1..T.
        """
        coefficients, variances, alpha_bar = self._whitened(x_t, t)
        gain = alpha_bar.sqrt() * self.variances.like(x_t) / variances
        return self.mean.like(x_t) + self.basis.synthesise(gain * coefficients)

    def log_prob(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        r""":math:`\log p_t(x_t)`, one number per sample: shape (B,)."""
        coefficients, variances, _ = self._whitened(x_t, t)
        terms = coefficients.square() / variances + variances.log() + math.log(2 * math.pi)
        return -0.5 * terms.flatten(1).sum(1)

    def sample(self, z: Tensor) -> Tensor:
        r""":math:`x_0 = \mu + Q \sqrt{\lambda}\, z` for standard normal z of shape (B, C, H, W)."""
        check_images(z, "z", shape=self.shape)
        return self.mean.like(z) + self.basis.synthesise(self.variances.like(z).sqrt() * z)
