"""The laws can fail: each wrong operator here is wrong in one way, and its law says so.

Each is the wrong twin of a right one, which passes the same law on the same draw.
"""

import pytest
import torch

from teachdiff.operators import CircularConvolution, Downsample, Mask, Product, ReflectConvolution
from teachdiff.operators.base import SVD
from tests.operators.house import kernel, soft_mask
from tests.operators.laws import (
    check_adjoint_matrix,
    check_batch,
    check_dot,
    check_linear,
    check_pinv,
    check_pure,
    check_resolvent,
    check_svd,
    check_vjp,
)

SHAPE = (2, 5, 6)


def circular(cls=CircularConvolution):
    return cls(kernel(3, 3, 1), SHAPE)


def reflect(cls=ReflectConvolution):
    return cls(kernel(3, 3, 1), SHAPE)


def mask(cls=Mask):
    return cls(soft_mask(SHAPE, 1))


def average(cls=Downsample):
    return cls((2, 4, 6), 2)


def tall(cls=Product):
    return cls((1, 3, 3), rows=torch.tensor([[2.0, 1, 0], [0, 1, 0], [1, 0, 3], [0, 1, 1]]))


class TransposedKernel(CircularConvolution):
    """The kernel is not flipped in the adjoint."""

    def _adjoint(self, y):
        return self._forward(y)


class IdentityAdjoint(CircularConvolution):
    def _adjoint(self, y):
        return y.clone()


class ShiftedIndex(CircularConvolution):
    """Off by one pixel."""

    def _adjoint(self, y):
        return super()._adjoint(y).roll(1, -1)


class ScaledAdjoint(Downsample):
    """Nearest-neighbour upsampling: the adjoint without its factor."""

    def _adjoint(self, y):
        return super()._adjoint(y) * 4


class UnfoldedPadding(ReflectConvolution):
    """Blur with the flipped kernel and reflect padding: right inside, wrong at the border."""

    def _adjoint(self, y):
        return ReflectConvolution(kernel(3, 3, 1).flip(0, 1), SHAPE)(y)


class CancellingErrors(CircularConvolution):
    """The adjoint is wrong by something of mean zero: a test of mean differences is blind to it."""

    def _adjoint(self, y):
        right = super()._adjoint(y)
        return right + 0.01 * (right - right.flip(-1))


class Conjugating(Mask):
    """Right for real images only."""

    def _adjoint(self, y):
        return super()._adjoint(y).conj().resolve_conj()


class Redrawn(Mask):
    """Another mask at every call."""

    def _forward(self, x):
        return x * (torch.rand(x.shape[1:], dtype=x.dtype.to_real()) > 0.5)

    def _adjoint(self, y):
        return self._forward(y)


class Affine(Mask):
    def _forward(self, x):
        return super()._forward(x) + 0.1


class Clamped(Mask):
    def _forward(self, x):
        return super()._forward(x).clamp(-1, 1)


class Detached(Mask):
    """No gradient goes through the forward pass as it should: a straight-through estimate."""

    def _forward(self, x):
        return x + (super()._forward(x) - x).detach()


class CoupledBatch(Mask):
    """Divides by the norm of the whole batch."""

    def _forward(self, x):
        return super()._forward(x) / x.norm()


class FirstOfTheBatch(Mask):
    """The first sample is treated apart."""

    def _forward(self, x):
        y = super()._forward(x)
        return torch.cat([y[:1], 2 * y[1:]])


class DropsPrecision(Mask):
    def _forward(self, x):
        return super()._forward(x.float())


class WritesInPlace(Mask):
    def _forward(self, x):
        return x.mul_(self.mask.like(x)).clone()


class HandsOutItsArgument(Mask):
    def _forward(self, x):
        return x[:]


class AdjointAsPinv(CircularConvolution):
    def _pinv(self, y):
        return self._adjoint(y)


class DampedPinv(CircularConvolution):
    """Regularised: finite, plausible, and not the pseudo-inverse."""

    def _pinv(self, y):
        return self._adjoint(super()._resolvent(y, 1e-6, 1.0))


class SigmaForSigma2(CircularConvolution):
    def _resolvent(self, y, sigma2, c):
        return super()._resolvent(y, sigma2**0.5, c)


class ForgetsC(CircularConvolution):
    def _resolvent(self, y, sigma2, c):
        return super()._resolvent(y, sigma2, 1.0)


class ForgetsTheUnreached(Product):
    """U diag(..) Uᵀ y instead of W diag(..) Wᵀ y: what A cannot reach is lost, not divided by sigma2."""

    def _resolvent(self, y, sigma2, c):
        s = self.svd.s.like(y)
        return self.svd.U(self.svd.Ut(y) / (sigma2 + c * s**2))


class SameBases(CircularConvolution):
    """U = V, which only a symmetric matrix may say."""

    def __init__(self, kernel, shape):
        super().__init__(kernel, shape)
        self.svd = SVD(self.svd.s.values, self.svd.right, self.svd.right)


class SquaredSingularValues(Mask):
    def __init__(self, mask):
        super().__init__(mask)
        self.svd = SVD(mask**2, self.svd.left, self.svd.right)


def complex_dot(A):
    check_dot(A, dtype=torch.complex128)


def float32_dot(A):
    check_dot(A, dtype=torch.float32)


ZOO = [
    (circular, TransposedKernel, check_dot),
    (circular, TransposedKernel, float32_dot),
    (circular, TransposedKernel, check_adjoint_matrix),
    (circular, IdentityAdjoint, check_dot),
    (circular, IdentityAdjoint, check_vjp),
    (circular, ShiftedIndex, check_dot),
    (circular, ShiftedIndex, float32_dot),
    (average, ScaledAdjoint, check_dot),
    (reflect, UnfoldedPadding, check_dot),
    (reflect, UnfoldedPadding, check_vjp),
    (circular, CancellingErrors, check_dot),
    (mask, Conjugating, complex_dot),
    (mask, Redrawn, check_dot),
    (mask, Redrawn, lambda A: check_pure(A, SHAPE)),
    (mask, Affine, check_linear),
    (mask, Clamped, check_linear),
    (mask, Detached, check_vjp),
    (mask, CoupledBatch, lambda A: check_batch(A, SHAPE)),
    (mask, FirstOfTheBatch, lambda A: check_batch(A, SHAPE)),
    (mask, DropsPrecision, lambda A: check_pure(A, SHAPE)),
    (mask, WritesInPlace, lambda A: check_pure(A, SHAPE)),
    (mask, HandsOutItsArgument, lambda A: check_pure(A, SHAPE)),
    (circular, AdjointAsPinv, check_pinv),
    (circular, DampedPinv, check_pinv),
    (circular, SigmaForSigma2, lambda A: check_resolvent(A, 0.04, 1.5)),
    (circular, ForgetsC, lambda A: check_resolvent(A, 0.04, 1.5)),
    (tall, ForgetsTheUnreached, lambda A: check_resolvent(A, 0.04, 1.5)),
    (circular, SameBases, check_svd),
    (mask, SquaredSingularValues, check_svd),
]


@pytest.mark.parametrize(("build", "wrong", "law"), ZOO, ids=[f"{w.__name__}-{i}" for i, (_, w, _) in enumerate(ZOO)])
def test_the_law_rejects_the_wrong_twin(build, wrong, law):
    law(build())
    with pytest.raises(AssertionError):
        law(build(wrong))


def test_nan_does_not_pass():
    class NaN(Mask):
        def _forward(self, x):
            return super()._forward(x) * float("nan")

    for law in (check_linear, check_dot, check_adjoint_matrix, lambda A: check_pure(A, SHAPE)):
        with pytest.raises(AssertionError):
            law(mask(NaN))


def test_a_mean_of_differences_would_not_see_it():
    """Why the dot test compares inner products: the released kind of test passes this wrong adjoint."""
    A, right = circular(CancellingErrors), circular()
    y = torch.randn(1, *SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert abs(float((A.adjoint(y) - right.adjoint(y)).mean())) < 1e-15
    with pytest.raises(AssertionError, match="dot test"):
        check_dot(A)
