r"""Orthonormal bases of image space: :math:`x = Q c` and :math:`c = Q^\top x` without forming Q.

An operator is cheap where it is diagonal, and so is a Gaussian prior. Four bases serve all of
them: pixels (masks), a product of one small matrix per axis (blurs, downsampling, colour), the
discrete Hartley transform (circular convolution), and an explicit matrix (anything small).

Each has `shape` = (C, H, W), `analyse(x)` = :math:`Q^\top x` and `synthesise(c)` = :math:`Q c`;
both take and return (B, C, H, W), real or complex, and keep dtype and device.
"""

import torch
from torch import Tensor

from teachdiff.tables import Table

Shape = tuple[int, int, int]


class PixelBasis:
    """The coefficients are the pixels."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def analyse(self, x: Tensor) -> Tensor:
        return x

    def synthesise(self, c: Tensor) -> Tensor:
        return c


class ProductBasis:
    r""":math:`Q = Q_C \otimes Q_H \otimes Q_W`: one square orthogonal matrix per axis; None is I."""

    def __init__(self, shape: Shape, channels: Tensor | None, rows: Tensor | None, columns: Tensor | None) -> None:
        self.shape = shape
        self.matrices = [None if q is None else Table(q) for q in (channels, rows, columns)]

    def analyse(self, x: Tensor) -> Tensor:
        return apply_axes(x, [None if q is None else q.like(x).mT for q in self.matrices])

    def synthesise(self, c: Tensor) -> Tensor:
        return apply_axes(c, [None if q is None else q.like(c) for q in self.matrices])


def apply_axes(x: Tensor, matrices: list[Tensor | None]) -> Tensor:
    """Multiply the channel, row and column axis of (B, C, H, W) by one matrix each; None is I."""
    channels, rows, columns = (None if m is None else m.to(x.dtype) for m in matrices)
    if columns is not None:
        x = x @ columns.mT
    if rows is not None:
        x = rows @ x
    if channels is not None:
        x = torch.einsum("dc,bchw->bdhw", channels, x)
    return x


class HartleyBasis:
    r"""The two-dimensional discrete Hartley transform, real, symmetric and its own inverse:

    .. math::
        c_{kl} = \frac{1}{\sqrt{HW}} \sum_{ij} x_{ij}\, \mathrm{cas}\, 2\pi\Big(\frac{ki}{H} + \frac{lj}{W}\Big),
        \qquad \mathrm{cas}\,\theta = \cos\theta + \sin\theta

    A symmetric circular convolution is diagonal in it, so a stationary periodic prior is too.
    Source: Bracewell, "Discrete Hartley transform", 1983.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def analyse(self, x: Tensor) -> Tensor:
        if x.is_complex():
            return torch.complex(self.analyse(x.real), self.analyse(x.imag))
        f = torch.fft.fft2(x, norm="ortho")
        return f.real - f.imag

    synthesise = analyse


class DenseBasis:
    """An explicit orthogonal matrix of shape (CHW, CHW), columns the basis vectors."""

    def __init__(self, shape: Shape, matrix: Tensor) -> None:
        self.shape = shape
        self.matrix = Table(matrix)

    def analyse(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.matrix.like(x).to(x.dtype)).view(x.shape)

    def synthesise(self, c: Tensor) -> Tensor:
        return (c.flatten(1) @ self.matrix.like(c).to(c.dtype).mT).view(c.shape)
