r"""What every linear operator here offers, and what its singular value decomposition gives for free.

.. math::
    A = U\,\mathrm{diag}(s)\,V^\top, \qquad
    A^+ = V\,\mathrm{diag}(s)^+\,U^\top, \qquad
    (\sigma^2 I + c A A^\top)^{-1} = W\,\mathrm{diag}\big(\sigma^2 + c s^2\big)^{-1}\,W^\top

V and W are square and orthonormal, U is the columns of W that the operator reaches. None of them is
ever formed: they are bases of `teachdiff.bases`, applied axis by axis or by FFT.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from teachdiff.checks import check_images, check_weight
from teachdiff.tables import Table

Shape = tuple[int, int, int]


class Basis(Protocol):
    """An orthonormal basis of images of one shape (see `teachdiff.bases`)."""

    shape: Shape

    def analyse(self, x: Tensor) -> Tensor: ...

    def synthesise(self, c: Tensor) -> Tensor: ...


class Operator:
    r"""A linear operator :math:`A`: images (B, *input_shape) to measurements (B, *output_shape).

    A subclass sets the two shapes, defines `_forward` and `_adjoint`, and sets `svd` where it has
    one; the resolvent and the pseudo-inverse follow. Whatever is drawn at random (a mask, a kernel)
    is drawn once, at construction. All of it works on float and complex tensors on any device, keeps
    their dtype and device, treats each sample on its own, and never writes into its argument. float16
    and bfloat16 are computed in float32 and rounded once, at the end.

    Attributes:
        input_shape, output_shape: (C, H, W) of an image and of a measurement.
        linear: True.
        svd: an `SVD`, or None where there is no cheap one.
        measured: a `Table` of output_shape, 1 where the measurement holds a reading and 0 where a
            camera reports nothing; None where every entry is a reading.

    Each method raises TypeError or ValueError for an argument that is not a float tensor of the shape
    it takes. Values are not looked at: a NaN goes through.
    """

    linear = True
    svd: "SVD | None" = None
    measured: Table | None = None

    def __init__(self, input_shape: Sequence[int], output_shape: Sequence[int], **shown: Any) -> None:
        self.input_shape = check_shape(input_shape)
        self.output_shape = check_shape(output_shape)
        self._shown = shown

    def __repr__(self) -> str:
        shapes = f"{self.input_shape}"
        if self.output_shape != self.input_shape:
            shapes += f" -> {self.output_shape}"
        return f"{type(self).__name__}({', '.join([shapes, *(f'{k}={v!r}' for k, v in self._shown.items())])})"

    def _forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define _forward(x).")

    def _adjoint(self, y: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define _adjoint(y).")

    def __call__(self, x: Tensor) -> Tensor:
        r""":math:`A x`: (B, *input_shape) to (B, *output_shape)."""
        return self._run(self._forward, x, "x", self.input_shape)

    def adjoint(self, y: Tensor) -> Tensor:
        r""":math:`A^\top y`: (B, *output_shape) to (B, *input_shape).

        It is defined by :math:`\langle Ax, y\rangle = \langle x, A^\top y\rangle` for all x and y. The
        matrix is real, so for complex arguments this is the adjoint as well.
        """
        return self._run(self._adjoint, y, "y", self.output_shape)

    def pinv(self, y: Tensor) -> Tensor:
        r""":math:`A^+ y`: of the images that fit y best, the one of least norm, (B, *input_shape).

        It divides by every singular value above rounding, so it amplifies noise: for a noisy
        measurement use the resolvent with :math:`\sigma^2 > 0`.
        """
        return self._run(self._pinv, y, "y", self.output_shape)

    def resolvent(self, y: Tensor, sigma2: float, c: float) -> Tensor:
        r""":math:`(\sigma^2 I + c A A^\top)^{-1} y`, (B, *output_shape) like y.

        Where :math:`\sigma^2 + c s^2 = 0` the answer is 0, as for a pseudo-inverse.

        Raises:
            TypeError, ValueError: `sigma2` or `c` is not a finite number of 0 or more.
        """
        sigma2, c = check_weight(sigma2, "sigma2"), check_weight(c, "c")
        return self._run(lambda v: self._resolvent(v, sigma2, c), y, "y", self.output_shape)

    def picture(self, y: Tensor) -> Tensor:
        r"""What the measurement looks like as an image: y if it has the image's shape, else :math:`A^+ y`."""
        if self.output_shape == self.input_shape:
            return self._run(lambda v: v, y, "y", self.output_shape)
        return self.pinv(y)

    def _pinv(self, y: Tensor) -> Tensor:
        return self._need_svd("pinv").pinv(y)

    def _resolvent(self, y: Tensor, sigma2: float, c: float) -> Tensor:
        return self._need_svd("resolvent").resolvent(y, sigma2, c)

    def _need_svd(self, what: str) -> "SVD":
        if self.svd is None:
            raise NotImplementedError(f"{self!r} has no SVD, so it must define _{what} itself.")
        return self.svd

    def _run(self, f: Callable[[Tensor], Tensor], v: Tensor, name: str, shape: Shape) -> Tensor:
        check_images(v, name, shape=shape)
        if v.dtype == torch.complex32:
            raise TypeError(f"{name} must not be torch.complex32, which torch can hardly compute with; use complex64.")
        if v.dtype in (torch.float16, torch.bfloat16):
            return f(v.float()).to(v.dtype)
        out = f(v)
        return out.clone() if out is v else out  # an identity must not hand out its argument


class SVD:
    r"""A singular value decomposition in two square bases whose coefficients line up.

    Coefficient (i, j, k) of the basis W of measurements and coefficient (i, j, k) of the basis V of
    images belong together; where one of the two has none, the singular value is 0. So `Ut` and `U`
    can speak V's layout, and one table `s` of the image's shape serves everything.

    Arguments:
        s: the singular values, 0 or more, of the shape that the two layouts share: the smaller along
            each axis.
        left: the basis W of measurements, square.
        right: the basis V of images, square.

    Singular values at the level of rounding (at most the longest axis times the float64 epsilon times
    the largest) are set to exactly 0.

    Attributes:
        s: `Table` of input_shape, 0 where nothing is seen.
    """

    def __init__(self, s: Tensor, left: Basis, right: Basis) -> None:
        s = s.to(torch.float64)
        s = torch.where(s > rank_tolerance(s), s, 0.0)
        self.left, self.right = left, right
        self.s = Table(fit(s, right.shape))
        self._s_left = Table(fit(s, left.shape))
        self._seen = Table(self.s.values > 0)
        self._inverse = Table(torch.where(self.s.values > 0, 1 / self.s.values, 0.0))

    def Vt(self, x: Tensor) -> Tensor:
        r""":math:`V^\top x`: image to coefficients, both (B, *input_shape)."""
        return self.right.analyse(x)

    def V(self, c: Tensor) -> Tensor:
        r""":math:`V c`: coefficients to image, both (B, *input_shape)."""
        return self.right.synthesise(c)

    def Ut(self, y: Tensor) -> Tensor:
        r""":math:`U^\top y`: (B, *output_shape) to (B, *input_shape), 0 where s = 0."""
        return fit(self.left.analyse(y), self.right.shape) * self._seen.like(y)

    def U(self, c: Tensor) -> Tensor:
        r""":math:`U c`: (B, *input_shape) to (B, *output_shape); coefficients where s = 0 count for nothing."""
        return self.left.synthesise(fit(c * self._seen.like(c), self.left.shape))

    def pinv(self, y: Tensor) -> Tensor:
        r""":math:`V\,\mathrm{diag}(s)^+\,U^\top y`."""
        return self.V(self.Ut(y) * self._inverse.like(y))

    def resolvent(self, y: Tensor, sigma2: float, c: float) -> Tensor:
        r""":math:`W\,\mathrm{diag}(\sigma^2 + c s^2)^+\,W^\top y`."""
        # W is square: the part of y that A cannot reach is divided by sigma2 in its own coefficients,
        # and not found as a difference, which would lose every digit as sigma2 falls.
        weights = reciprocal(sigma2 + c * self._s_left.like(y).square())
        return self.left.synthesise(self.left.analyse(y) * weights)


def reciprocal(d: Tensor) -> Tensor:
    """1 / d, and 0 where d = 0."""
    return torch.where(d > 0, 1 / d, torch.zeros_like(d))


def rank_tolerance(s: Tensor) -> float:
    """Singular values up to this are rounding: longest axis of `s` times epsilon times the largest."""
    return max(s.shape) * torch.finfo(torch.float64).eps * s.max().item()


def fit(c: Tensor, shape: Shape) -> Tensor:
    """Cut the last three axes of `c` to `shape`, or fill them up with zeros."""
    c = c[..., : shape[0], : shape[1], : shape[2]]
    missing = [want - have for want, have in zip(shape, c.shape[-3:], strict=True)]
    if any(missing):
        c = F.pad(c, (0, missing[2], 0, missing[1], 0, missing[0]))
    return c


def check_shape(shape: Sequence[int], name: str = "shape") -> Shape:
    """(C, H, W), whole numbers of 1 or more."""
    try:
        sizes = tuple(shape)
    except TypeError:
        raise TypeError(f"{name} must be (C, H, W); got {shape!r}.") from None
    if len(sizes) != 3 or any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in sizes):
        raise ValueError(f"{name} must be (C, H, W), three whole numbers of 1 or more; got {sizes}.")
    return sizes


def check_count(value: int, name: str, least: int = 1) -> int:
    """A whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number; got {value!r}.")
    if value < least:
        raise ValueError(f"{name} must be {least} or more; got {value}.")
    return value
