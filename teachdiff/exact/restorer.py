r"""The exact restorer of Gaussian data, and what Dirac with it leaves of the measurement.

With :math:`x_0 \sim \mathcal N(\mu, \Sigma)` and :math:`y_t = A_t x_0 + \sigma_t z`:

.. math::
    \Phi(y_t, t) = E[x_0 \mid y_t] = \mu + \Sigma A_t^\top (A_t \Sigma A_t^\top + \sigma_t^2 I)^{-1} (y_t - A_t \mu)

It is affine in y_t, so Dirac's output is a Gaussian that follows exactly (`output_law`), and so is everything on the
way. With explicit matrices: for images of up to a thousand values.
"""

import torch
from torch import Tensor

from teachdiff.checks import check_images
from teachdiff.exact.posterior import materialise
from teachdiff.operators.degradations import Degradation, check_severity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.tables import Table


class GaussianRestorer:
    """`predict(y_t, t)` is the exact posterior mean of a Gaussian prior under a degradation, for Dirac.

    Arguments:
        prior: its mean and covariance are used, and no schedule.
        degradation: A_t and sigma_t, for images of the prior's shape.

    Raises:
        ValueError: two shapes.
    """

    clip_x0 = False

    def __init__(self, prior: GaussianPrior, degradation: Degradation) -> None:
        if tuple(degradation.input_shape) != prior.shape:
            raise ValueError(f"the prior is for images {prior.shape}; {degradation!r} takes others.")
        self.prior, self.degradation = prior, degradation
        self._tables: dict[float, tuple[Table, Table]] = {}

    def gain(self, t: float) -> tuple[Tensor, Tensor]:
        r"""K with :math:`E[x_0 \mid y_t] = \mu + K (y_t - A_t \mu)`, and :math:`\mathrm{Cov}[x_0 \mid y_t]`."""
        A = materialise(self.degradation.operator(t), self.prior.shape)
        cov, level = self.prior.covariance, self.degradation.sigma(t) ** 2
        eye = torch.eye(len(A), dtype=A.dtype)
        K = torch.linalg.solve(A @ cov @ A.mT + level * eye, A @ cov).mT
        rest = eye - K @ A
        return K, rest @ cov @ rest.mT + level * K @ K.mT

    def predict(self, y_t: Tensor, t: float | Tensor) -> Tensor:
        """x0_hat, (B, C, H, W); t is a number or a float tensor of shape () or (B,), in [0, 1]."""
        check_images(y_t, "y_t", shape=self.prior.shape)
        t = check_severity(t)
        if isinstance(t, Tensor) and t.ndim:
            if t.shape != (len(y_t),):
                raise ValueError(f"t must have shape () or ({len(y_t)},), one per sample; got {tuple(t.shape)}.")
            return torch.cat([self.predict(y_t[i : i + 1], float(at)) for i, at in enumerate(t)])
        K, offset = self._table(float(t))
        return (y_t.flatten(1) @ K.like(y_t).mT + offset.like(y_t)).view(y_t.shape)

    def _table(self, t: float) -> tuple[Table, Table]:
        """K, and mu - K A_t mu."""
        if t not in self._tables:
            K, _ = self.gain(t)
            mu = self.prior.mean.values
            seen = self.degradation.operator(t)(mu[None])
            self._tables[t] = Table(K), Table(mu.flatten() - K @ seen.flatten())
        return self._tables[t]


def increment_error(restorer: GaussianRestorer, t: float, dt: float) -> tuple[float, float]:
    r"""Root mean squares of what the increment misses, and of the increment itself, over all values:

    .. math::
        \sqrt{\tfrac1n E\lVert \hat R - R \rVert^2}
            = \sqrt{\tfrac1n \mathrm{tr}\,D\,\mathrm{Cov}[x_0 \mid y_t]\,D^\top}, \qquad D = A_{t - \Delta t} - A_t

    Theorem 3.6 of Dirac wants the first to be 0. For a linear A_t and the posterior mean it is the posterior's spread.
    """
    prior = restorer.prior
    later, now = (materialise(restorer.degradation.operator(at), prior.shape) for at in (max(0.0, t - dt), t))
    D, (_, spread), mu = later - now, restorer.gain(t), prior.mean.values.flatten()
    missed = (D @ spread @ D.mT).trace()
    whole = (D @ prior.covariance @ D.mT).trace() + (D @ mu).square().sum()
    return (missed / len(D)).sqrt().item(), (whole / len(D)).sqrt().item()
