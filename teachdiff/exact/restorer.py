r"""The exact restorer of Gaussian data or of a mixture, and what it misses of Dirac's increment.

With :math:`x_0 \sim \mathcal N(\mu, \Sigma)`, :math:`y_t = A_t x_0 + \sigma_t z` and
:math:`S = A_t \Sigma A_t^\top + \sigma_t^2 I`:

.. math::
    \Phi(y_t, t) = E[x_0 \mid y_t] = \mu + \Sigma A_t^\top S^{-1} (y_t - A_t \mu)

and of a mixture the mean of these, each component weighed by its probability given y_t. For a Gaussian it is affine,
so Dirac's output is a Gaussian that follows exactly (`output_law`), and so is everything on the way. With explicit
matrices: for images of up to a thousand values.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from teachdiff.checks import check_images
from teachdiff.exact.posterior import left_over, materialise
from teachdiff.methods.dirac import dirac
from teachdiff.operators.degradations import Degradation, check_severity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.problems import InverseProblem
from teachdiff.tables import Table


class Affine(NamedTuple):
    """One component at one t: E[x_0 | y_t] = K y_t + offset; log N(y_t; seen, S) = -|R (y_t - seen)|^2 / 2 + log."""

    K: Table
    offset: Table
    R: Table
    seen: Table
    log: float


class ExactRestorer:
    """`predict(y_t, t)` is the exact posterior mean of a prior under a degradation, differentiable in y_t; for Dirac.

    Arguments:
        prior: Gaussian, or a mixture; no schedule of it is used.
        degradation: A_t and sigma_t, for images of the prior's shape; linear.

    Raises:
        TypeError, ValueError: a prior of another kind, or of another shape.
    """

    clip_x0 = False

    def __init__(self, prior: GaussianPrior | GaussianMixturePrior, degradation: Degradation) -> None:
        if isinstance(prior, GaussianPrior):
            self.components, self.weights = [prior], [1.0]
        elif isinstance(prior, GaussianMixturePrior):
            self.components, self.weights = list(prior.components), prior.weights.values.tolist()
        else:
            raise TypeError(f"an exact restorer needs a Gaussian prior or a mixture; got {type(prior).__name__}.")
        self.shape = self.components[0].shape
        if tuple(degradation.input_shape) != self.shape:
            raise ValueError(f"the prior is for images {self.shape}; {degradation!r} takes others.")
        self.prior, self.degradation = prior, degradation
        self._tables: dict[float, list[Affine]] = {}

    def _affine(self, t: float) -> list[Affine]:
        """Each component's formula, made once for each t."""
        if t not in self._tables:
            A = materialise(self.degradation.operator(t), self.shape)
            level = self.degradation.sigma(t) ** 2 * torch.eye(len(A), dtype=A.dtype)
            self._tables[t] = []
            for component, weight in zip(self.components, self.weights, strict=True):
                mu, cov = component.mean.values.flatten(), component.covariance
                root = torch.linalg.cholesky(A @ cov @ A.mT + level)
                K = torch.cholesky_solve(A @ cov, root).mT
                R = torch.linalg.solve_triangular(root, torch.eye(len(A), dtype=A.dtype), upper=False)
                log = math.log(weight) - root.diagonal().log().sum().item()
                seen = A @ mu
                self._tables[t].append(Affine(Table(K), Table(mu - K @ seen), Table(R), Table(seen), log))
        return self._tables[t]

    def predict(self, y_t: Tensor, t: float | Tensor) -> Tensor:
        """x0_hat, (B, C, H, W); t is a number or a float tensor of shape () or (B,), in [0, 1]."""
        check_images(y_t, "y_t", shape=self.shape)
        t = check_severity(t, batch=len(y_t))
        if isinstance(t, Tensor) and t.ndim:
            return torch.cat([self.predict(y_t[i : i + 1], float(at)) for i, at in enumerate(t)])
        parts, y = self._affine(float(t)), y_t.flatten(1)
        means = torch.stack([y @ p.K.like(y).mT + p.offset.like(y) for p in parts], dim=1)  # (B, K, n)
        logs = [p.log - 0.5 * ((y - p.seen.like(y)) @ p.R.like(y).mT).square().sum(1) for p in parts]
        shares = torch.stack(logs, dim=1).softmax(1)
        return (shares[..., None] * means).sum(1).view(y_t.shape)

    def spread(self, t: float) -> Tensor:
        r""":math:`\mathrm{Cov}[x_0 \mid y_t]`, (n, n) in float64, which is the same for every y_t of a Gaussian prior.

        Raises:
            ValueError: the prior is a mixture.
        """
        if len(self.components) > 1:
            raise ValueError("what a mixture leaves open depends on y_t; only a Gaussian prior has one spread.")
        A, K = materialise(self.degradation.operator(t), self.shape), self._affine(t)[0].K.values
        return left_over(self.components[0].covariance, A, K, float(self.degradation.sigma(t)))


def increment_error(restorer: ExactRestorer, t: float, dt: float) -> tuple[float, float]:
    r"""Root mean squares of what the increment misses, and of the increment itself, over all values:

    .. math::
        \sqrt{\tfrac1n E\lVert \hat R - R \rVert^2}
            = \sqrt{\tfrac1n \mathrm{tr}\,D\,\mathrm{Cov}[x_0 \mid y_t]\,D^\top}, \qquad D = A_{t - \Delta t} - A_t

    Theorem 3.6 of Dirac wants the first to be 0. For a linear A_t and the posterior mean it is the posterior's spread.
    """
    later, now = (materialise(restorer.degradation.operator(at), restorer.shape) for at in (max(0.0, t - dt), t))
    D, spread, prior = later - now, restorer.spread(t), restorer.components[0]
    mu = prior.mean.values.flatten()
    missed = (D @ spread @ D.mT).trace()
    whole = (D @ prior.covariance @ D.mT).trace() + (D @ mu).square().sum()
    return (missed / len(D)).sqrt().item(), (whole / len(D)).sqrt().item()


def consistency_curve(restorer: ExactRestorer, steps: int, **options: Any) -> list[tuple[float, float]]:
    r"""(t, :math:`E\lVert \tilde y - A_1 \hat x_0(t) \rVert^2 / n \sigma_1^2`) along the chain: 1 is the noise floor.

    The mean is over pictures of the prior, the measurement's noise and all draws, and exact: the chain is affine in
    them, so it is run once, on a batch of one unit of each (as in `output_law`). n counts the readings.

    Arguments:
        restorer: of a Gaussian prior.
        options: of `dirac`, beside the noise.
    """
    prior, sigma = restorer.components[0], float(restorer.degradation.sigma(1.0))
    operator, n = restorer.degradation.operator(1.0), prior.mean.values.numel()
    restorer.spread(1.0)  # a mixture is refused there
    A = materialise(operator, restorer.shape)
    seen = torch.ones(n, dtype=A.dtype) if operator.measured is None else operator.measured.values.flatten()
    spread = A @ prior.covariance @ A.mT + sigma**2 * torch.eye(n, dtype=A.dtype)
    values, vectors = torch.linalg.eigh(seen[:, None] * spread * seen)
    units = torch.zeros(1 + n * (2 + steps), n, dtype=A.dtype)  # nothing, each unit of the measurement, of each draw
    units[1 : 1 + n] = (vectors * values.clamp(min=0).sqrt()).mT
    y = (A @ prior.mean.values.flatten() + units).view(-1, *restorer.shape)
    done = 1 + n
    curve: list[tuple[float, float]] = []

    def draw(k: int, shape: tuple[int, ...]) -> Tensor:
        nonlocal done
        z = y.new_zeros(shape[0], n)
        z[done : done + n] = torch.eye(n, dtype=A.dtype)
        done += n
        return z.view(shape)

    def on_step(k: int, y_t: Tensor, x0_hat: Tensor) -> None:
        residual = (y - operator(x0_hat)).flatten(1) * seen
        square = residual[0].square().sum() + (residual[1:] - residual[0]).square().sum()
        curve.append((k / steps, (square / seen.sum()).item() / sigma**2))

    problem = InverseProblem(operator, y * seen.view(restorer.shape), sigma)
    dirac(restorer, problem, steps=steps, noise=draw, on_step=on_step, **options)
    return curve
