r"""Operators that work axis by axis: :math:`A = M_C \otimes M_H \otimes M_W`.

One small matrix per axis holds a blur with any padding, a reduction by any filter, a sum over
channels. The SVD of the product is the product of three small SVDs, so nothing of the size
(CHW)² ever exists.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from teachdiff.bases import ProductBasis, apply_axes
from teachdiff.checks import check_name
from teachdiff.operators.base import SVD, Operator, check_count, check_shape
from teachdiff.tables import Table


class Product(Operator):
    r""":math:`y_{dkl} = \sum_{cij} (M_C)_{dc} (M_H)_{ki} (M_W)_{lj}\, x_{cij}`.

    Arguments:
        input_shape: (C, H, W).
        channels, rows, columns: matrices (C', C), (H', H), (W', W), real; None is the identity.

    Raises:
        TypeError, ValueError: a matrix that is not real, finite and of that shape.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        channels: Tensor | None = None,
        rows: Tensor | None = None,
        columns: Tensor | None = None,
        **shown,
    ) -> None:
        input_shape = check_shape(input_shape)
        matrices = []
        for n, m, name in zip(input_shape, (channels, rows, columns), ("channels", "rows", "columns"), strict=True):
            if m is not None:
                m = torch.as_tensor(m)
                if m.is_complex():
                    raise TypeError(f"{name} must be a real matrix; got {m.dtype}.")
                if m.ndim != 2 or m.shape[1] != n or not bool(torch.isfinite(m).all()):
                    raise ValueError(f"{name} must be a finite matrix with {n} columns; got {tuple(m.shape)}.")
            matrices.append(None if m is None else Table(m))
        output_shape = tuple(n if m is None else len(m.values) for n, m in zip(input_shape, matrices, strict=True))
        super().__init__(input_shape, output_shape, **shown)
        self.matrices = matrices

        factors = [None if m is None else torch.linalg.svd(m.values) for m in matrices]
        s_c, s_h, s_w = (
            torch.ones(n, dtype=torch.float64) if f is None else f.S for n, f in zip(input_shape, factors, strict=True)
        )
        self.svd = SVD(
            s_c[:, None, None] * s_h[:, None] * s_w,
            left=ProductBasis(self.output_shape, *(None if f is None else f.U for f in factors)),
            right=ProductBasis(self.input_shape, *(None if f is None else f.Vh.mT for f in factors)),
        )

    def _forward(self, x: Tensor) -> Tensor:
        return apply_axes(x, [None if m is None else m.like(x) for m in self.matrices])

    def _adjoint(self, y: Tensor) -> Tensor:
        return apply_axes(y, [None if m is None else m.like(y).mT for m in self.matrices])


class Identity(Product):
    r""":math:`A x = x`: denoising."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__(shape)


class Grey(Product):
    r""":math:`y_{ij} = \sum_c w_c\, x_{cij}`: one grey channel.

    Arguments:
        weights: one per channel; the mean (1/C each) by default. They are used as given: weights
            that do not sum to 1 change the brightness.

    Raises:
        TypeError, ValueError: weights that are not C finite numbers.
    """

    def __init__(self, shape: Sequence[int], weights: Sequence[float] | None = None) -> None:
        shape = check_shape(shape)
        if weights is None:
            weights = [1 / shape[0]] * shape[0]
        row = torch.as_tensor(weights, dtype=torch.float64)
        if row.shape != (shape[0],):
            raise ValueError(f"weights must be {shape[0]} numbers, one per channel; got shape {tuple(row.shape)}.")
        super().__init__(shape, channels=row[None], weights=[round(w, 4) for w in row.tolist()])


class Downsample(Product):
    r"""Reduction of both sides by a whole factor f.

    `kind="average"`: the mean of each block of f x f pixels.

    `kind="bicubic"`: Keys' cubic with a = -1/2, stretched by f so that it does not alias. Output pixel
    i lies at :math:`f(i + 1/2) - 1/2` of the input; the filter reaches 2f pixels to each side; at the
    border it is cut and what remains is scaled to sum to 1 (as in Pillow, and in torch with
    `antialias=True`).

    Raises:
        TypeError, ValueError: a factor below 1 or one that does not divide both sides; an unknown kind.

    Source: Keys, "Cubic convolution interpolation for digital image processing", 1981.
    """

    def __init__(self, shape: Sequence[int], factor: int, kind: str = "average") -> None:
        _, rows, columns = shape = check_shape(shape)
        check_count(factor, "factor")
        matrix = REDUCTIONS[check_name(kind, REDUCTIONS, "kind of downsampling")]
        if rows % factor or columns % factor:
            raise ValueError(
                f"the sides of the image must be multiples of the factor {factor}; got {rows} x {columns}. "
                f"Crop to {rows // factor * factor} x {columns // factor * factor}, or choose another factor."
            )
        super().__init__(shape, rows=matrix(rows, factor), columns=matrix(columns, factor), factor=factor, kind=kind)


def average_matrix(n: int, factor: int) -> Tensor:
    """(n / factor, n): each row the mean of one run of `factor` entries."""
    return torch.eye(n // factor, dtype=torch.float64).repeat_interleave(factor, dim=1) / factor


def bicubic_matrix(n: int, factor: int) -> Tensor:
    """(n / factor, n): each row Keys' cubic stretched by `factor` about the centre of its output pixel."""
    centre = factor * (torch.arange(n // factor, dtype=torch.float64) + 0.5) - 0.5
    weights = keys_cubic((torch.arange(n, dtype=torch.float64) - centre[:, None]) / factor)
    return weights / weights.sum(1, keepdim=True)


def keys_cubic(u: Tensor) -> Tensor:
    r"""Keys' interpolation kernel with a = -1/2:

    .. math::
        k(u) = \tfrac32|u|^3 - \tfrac52|u|^2 + 1 \;\; (|u| \le 1), \qquad
        -\tfrac12|u|^3 + \tfrac52|u|^2 - 4|u| + 2 \;\; (1 < |u| < 2), \qquad 0 \text{ beyond}
    """
    u = u.abs()
    inner = 1.5 * u**3 - 2.5 * u**2 + 1
    outer = -0.5 * u**3 + 2.5 * u**2 - 4 * u + 2
    return torch.where(u <= 1, inner, torch.where(u < 2, outer, 0.0))


REDUCTIONS = {"average": average_matrix, "bicubic": bicubic_matrix}
