"""Wrong operators: each is a right one with one thing about it wrong."""

import torch

from teachdiff.operators import CircularConvolution, Downsample, Mask, Operator, Product, ReflectConvolution
from teachdiff.operators.base import SVD
from tests.operators.house import kernel, soft_mask
from tests.testing.zoo.exhibit import Exhibit

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


# The adjoint.


class TransposedKernel(CircularConvolution):
    """The kernel is not flipped in the adjoint."""

    def _adjoint(self, y):
        return self._forward(y)


class IdentityAdjoint(CircularConvolution):
    """A blur whose "transpose" is the identity."""

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


class OtherPadding(CircularConvolution):
    """A circular blur with the adjoint of a reflected one."""

    def _adjoint(self, y):
        return reflect().adjoint(y)


class CancellingErrors(CircularConvolution):
    """The adjoint is wrong by something of mean zero: a test of mean differences is blind to it."""

    def _adjoint(self, y):
        right = super()._adjoint(y)
        return right + 0.01 * (right - right.flip(-1))


class Conjugating(Mask):
    """Right for real images only."""

    def _adjoint(self, y):
        return super()._adjoint(y).conj().resolve_conj()


class RightInDoubleOnly(CircularConvolution):
    """A table that was cast to single precision too early, and once too often."""

    def _adjoint(self, y):
        right = super()._adjoint(y)
        return right.bfloat16().to(y.dtype) if y.dtype == torch.float32 else right


class Detached(Mask):
    """No gradient goes through the forward pass as it should: a straight-through estimate."""

    def _forward(self, x):
        return x + (super()._forward(x) - x).detach()


class Tanh(Operator):
    """Not linear, and says so; its gradient is right."""

    linear = False

    def __init__(self):
        super().__init__(SHAPE, SHAPE)

    def _forward(self, x):
        return x.tanh()


class StraightThrough(Tanh):
    """The gradient of the identity, for a function that is not."""

    def _forward(self, x):
        return x + (x.tanh() - x).detach()


# The map itself.


class SwappedAxes(Mask):
    """Height and width change places."""

    def _forward(self, x):
        return super()._forward(x).mT.contiguous()


class DroppedBatch(Mask):
    """Always one image, whatever comes in."""

    def _forward(self, x):
        return super()._forward(x[:1])


class Redrawn(Mask):
    """Another mask at every call: y and A(x0_hat) come from different cameras."""

    def _forward(self, x):
        return x * (torch.rand(x.shape[1:], dtype=x.dtype.to_real()) > 0.5)

    def _adjoint(self, y):
        return self._forward(y)


class AddsNoise(Mask):
    """The measurement's noise is drawn inside A."""

    def _forward(self, x):
        return super()._forward(x) + 0.05 * torch.randn_like(x)


class Affine(Mask):
    """Grey where nothing is seen: the fill belongs to the picture, not to A."""

    def _forward(self, x):
        return super()._forward(x) + 0.1


class Clamped(Mask):
    """The camera's range is enforced inside A."""

    def _forward(self, x):
        y = super()._forward(x)
        return y if y.is_complex() else y.clamp(-1, 1)


class CoupledBatch(Mask):
    """Divides by the norm of the whole batch."""

    def _forward(self, x):
        return super()._forward(x) / x.norm()


class BatchNorm(Mask):
    """Subtracts the mean over the batch."""

    def _forward(self, x):
        y = super()._forward(x)
        return y - y.mean(0, keepdim=True) if len(y) > 1 else y


class FirstOfTheBatch(Mask):
    """The first sample is treated apart."""

    def _forward(self, x):
        y = super()._forward(x)
        return torch.cat([y[:1], 2 * y[1:]])


class DropsPrecision(Mask):
    """Everything in float32."""

    def _forward(self, x):
        return super()._forward(x.to(torch.complex64 if x.is_complex() else torch.float32))


class DropsTheImaginaryPart(Mask):
    """A complex image comes back real."""

    def _forward(self, x):
        y = super()._forward(x)
        return y if not y.is_complex() or float(x.imag.abs().max()) == 0 else y.real


class NaN(Mask):
    """NaN passes `gap > tolerance`, and nothing here."""

    def _forward(self, x):
        return super()._forward(x) * float("nan")


class WritesInPlace(Mask):
    """The image is masked in the caller's memory."""

    def _forward(self, x):
        return x.detach().mul_(self.mask.like(x)).clone()


class HandsOutItsArgument(Mask):
    """A view of the argument: whoever writes into y changes x."""

    def _forward(self, x):
        return x[:]


# What it offers beside.


class AdjointAsPinv(CircularConvolution):
    """The adjoint stands in for the pseudo-inverse, as if A were orthonormal."""

    def _pinv(self, y):
        return self._adjoint(y)


class DampedPinv(CircularConvolution):
    """Regularised: finite, plausible, and not the pseudo-inverse."""

    def _pinv(self, y):
        return self._adjoint(super()._resolvent(y, 1e-6, 1.0))


class SigmaForSigma2(CircularConvolution):
    """The standard deviation where the variance belongs."""

    def _resolvent(self, y, sigma2, c):
        return super()._resolvent(y, sigma2**0.5, c)


class ForgetsC(CircularConvolution):
    """The weight of A Aᵀ is taken for 1."""

    def _resolvent(self, y, sigma2, c):
        return super()._resolvent(y, sigma2, 1.0)


class ForgetsTheUnreached(Product):
    """U diag(..) Uᵀ y instead of W diag(..) Wᵀ y: what A cannot reach is lost, not divided by sigma2."""

    def _resolvent(self, y, sigma2, c):
        s = self.svd.s.like(y)
        return self.svd.U(self.svd.Ut(y) / (sigma2 + c * s**2))


class DetachedResolvent(CircularConvolution):
    """Solved under no_grad: a gradient through it vanishes."""

    def _resolvent(self, y, sigma2, c):
        return super()._resolvent(y.detach(), sigma2, c) + 0 * y


class SameBases(CircularConvolution):
    """U = V, which only a symmetric matrix may say."""

    def __init__(self, kernel, shape):
        super().__init__(kernel, shape)
        self.svd = SVD(self.svd.s.values, self.svd.right, self.svd.right)


class SquaredSingularValues(Mask):
    """The eigenvalues of Aᵀ A in the place of the singular values."""

    def __init__(self, mask):
        super().__init__(mask)
        self.svd = SVD(mask**2, self.svd.left, self.svd.right)


class WideBasisOfATallMatrix(Product):
    """The bases of a rectangular matrix change places: Vt takes measurements."""

    def __init__(self, shape, rows):
        super().__init__(shape, rows=rows)
        self.svd = SVD(self.svd.s.values, self.svd.right, self.svd.left)


def exhibit(build, wrong, *laws):
    return Exhibit(wrong.__name__, "operator", laws, lambda: build(wrong), build)


ZOO = [
    exhibit(circular, TransposedKernel, "dot_test", "complex_dot_test", "transpose", "gradient"),
    exhibit(circular, IdentityAdjoint, "dot_test", "gradient"),
    exhibit(circular, ShiftedIndex, "dot_test", "transpose"),
    exhibit(average, ScaledAdjoint, "dot_test"),
    exhibit(reflect, UnfoldedPadding, "dot_test", "gradient"),
    exhibit(circular, OtherPadding, "dot_test"),
    exhibit(circular, CancellingErrors, "dot_test", "transpose"),
    exhibit(mask, Conjugating, "complex_dot_test"),
    exhibit(circular, RightInDoubleOnly, "dot_test"),
    exhibit(mask, Detached, "gradient", "slope"),
    Exhibit("StraightThrough", "operator", ("slope",), StraightThrough, Tanh),
    exhibit(mask, SwappedAxes, "shapes"),
    exhibit(mask, DroppedBatch, "shapes"),
    exhibit(mask, Redrawn, "repeats", "dot_test"),
    exhibit(mask, AddsNoise, "repeats", "linear"),
    exhibit(mask, Affine, "linear", "dot_test"),
    exhibit(mask, Clamped, "linear"),
    exhibit(mask, CoupledBatch, "batch"),
    exhibit(mask, BatchNorm, "batch"),
    exhibit(mask, FirstOfTheBatch, "batch"),
    exhibit(mask, DropsPrecision, "dtype_and_device"),
    exhibit(mask, DropsTheImaginaryPart, "dtype_and_device"),
    exhibit(mask, NaN, "linear", "dot_test", "transpose", "dtype_and_device"),
    exhibit(mask, WritesInPlace, "argument_is_kept"),
    exhibit(mask, HandsOutItsArgument, "result_is_its_own"),
    exhibit(circular, AdjointAsPinv, "pseudo_inverse", "least_squares"),
    exhibit(circular, DampedPinv, "pseudo_inverse"),
    exhibit(circular, SigmaForSigma2, "resolvent", "dense_resolvent"),
    exhibit(circular, ForgetsC, "resolvent", "dense_resolvent"),
    exhibit(tall, ForgetsTheUnreached, "resolvent", "dense_resolvent"),
    exhibit(circular, DetachedResolvent, "resolvent_gradient"),
    exhibit(circular, SameBases, "factorisation"),
    exhibit(mask, SquaredSingularValues, "singular_values", "factorisation"),
    exhibit(tall, WideBasisOfATallMatrix, "singular_values", "factorisation"),
]
