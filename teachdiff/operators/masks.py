r"""Masks: :math:`A x = m \odot x`, diagonal in the pixels, so everything about them is elementwise."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from teachdiff.bases import PixelBasis
from teachdiff.operators.base import SVD, Operator, check_count, check_shape
from teachdiff.tables import Table


class Mask(Operator):
    r""":math:`A x = m \odot x` with a mask m in [0, 1]: 1 keeps a pixel, 0 hides it, between dims it.

    Arguments:
        mask: (C, H, W), values in [0, 1] (or bool).
        fill: what a hidden pixel looks like in `picture`, in [-1, 1]: 0 is grey, -1 black. It changes
            where SDEdit starts and nothing else.

    Raises:
        TypeError, ValueError: a mask of another shape or outside [0, 1], a fill outside [-1, 1].
    """

    measured: Table

    def __init__(self, mask: Tensor, fill: float = 0.0) -> None:
        mask = torch.as_tensor(mask)
        if mask.ndim != 3:
            raise ValueError(f"mask must have shape (C, H, W); got {tuple(mask.shape)}. Expand it to all channels.")
        if mask.is_complex():
            raise TypeError(f"mask must be real, with values in [0, 1]; got {mask.dtype}.")
        if not bool(((mask >= 0) & (mask <= 1)).all()):
            raise ValueError(
                f"mask must lie in [0, 1], 1 where a pixel is kept; got {mask.min().item()}..{mask.max().item()}."
            )
        if isinstance(fill, bool) or not isinstance(fill, int | float):
            raise TypeError(f"fill must be a number; got {type(fill).__name__}.")
        if not -1 <= fill <= 1:
            raise ValueError(f"fill is a pixel value and must lie in [-1, 1]; got {fill}.")
        hidden = (mask == 0).double().mean().item()
        super().__init__(mask.shape, mask.shape, hidden=f"{hidden:.1%}", fill=fill)
        self.fill = float(fill)
        self.mask = Table(mask)
        self.measured = Table(mask > 0)
        basis = PixelBasis(self.input_shape)
        self.svd = SVD(self.mask.values, basis, basis)

    def _forward(self, x: Tensor) -> Tensor:
        return self.mask.like(x) * x

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.mask.like(y) * y

    def picture(self, y: Tensor) -> Tensor:
        r""":math:`y + (1 - m)\,\mathrm{fill}`, (B, C, H, W)."""
        return self._run(lambda v: v + (1 - self.mask.like(v)) * self.fill, y, "y", self.output_shape)


def box_mask(
    shape: Sequence[int],
    height: int | None = None,
    width: int | None = None,
    top: int | None = None,
    left: int | None = None,
) -> Tensor:
    """0 inside a box, 1 outside, (C, H, W) float64. The complement, `1 - box_mask(...)`, is for outpainting.

    Arguments:
        height, width: of the box in pixels; half of each side by default.
        top, left: its first row and column; centred by default.

    Raises:
        TypeError, ValueError: a box that is empty or does not lie inside the image.
    """
    channels, rows, columns = check_shape(shape)
    height = check_count(max(1, rows // 2) if height is None else height, "height")
    width = check_count(max(1, columns // 2) if width is None else width, "width")
    top = check_count((rows - height) // 2 if top is None and height <= rows else top or 0, "top", 0)
    left = check_count((columns - width) // 2 if left is None and width <= columns else left or 0, "left", 0)
    if top + height > rows or left + width > columns:
        raise ValueError(
            f"a box of {height} x {width} at row {top}, column {left} does not lie inside an image of "
            f"{rows} x {columns}."
        )
    mask = torch.ones(channels, rows, columns, dtype=torch.float64)
    mask[:, top : top + height, left : left + width] = 0
    return mask


def random_mask(shape: Sequence[int], drop: float = 0.7, seed: int = 0) -> Tensor:
    """round(drop H W) pixels hidden, drawn once without repetition, the same in all channels; (C, H, W) float64.

    Raises:
        TypeError, ValueError: `drop` outside [0, 1], a seed that is no whole number of 0 or more.
    """
    channels, rows, columns = check_shape(shape)
    if isinstance(drop, bool) or not isinstance(drop, int | float):
        raise TypeError(f"drop must be a number; got {type(drop).__name__}.")
    if not 0 <= drop <= 1:
        raise ValueError(f"drop is the share of hidden pixels and must lie in [0, 1]; got {drop}.")
    order = np.random.default_rng(check_count(seed, "seed", 0)).permutation(rows * columns)
    mask = torch.ones(rows * columns, dtype=torch.float64)
    mask[torch.from_numpy(order[: round(drop * rows * columns)])] = 0
    return mask.view(1, rows, columns).repeat(channels, 1, 1)


def smooth_mask(shape: Sequence[int], width: float = 50 / 256, power: float = 4.0) -> Tensor:
    r"""A soft hole in the middle, (C, H, W) float64:

    .. math::
        m = \big(1 - k / \max k\big)^p, \qquad
        k_{ij} = \exp\!\Big({-\frac{(i - i_c)^2}{2 (wH)^2}} - \frac{(j - j_c)^2}{2 (wW)^2}\Big)

    exactly 0 at the centre. `width` is w, the share of each side that is one standard deviation; the
    default is a standard deviation of 50 pixels at 256.

    Raises:
        TypeError, ValueError: `width` or `power` is not a finite number above 0.

    Source: Fabian, Tinaz, Soltanolkotabi, "DiracDiffusion", 2024 (the released inpainting mask at t = 1).
    """
    channels, rows, columns = check_shape(shape)
    for name, value in (("width", width), ("power", power)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name} must be a number; got {type(value).__name__}.")
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be finite and above 0; got {value}.")
    # 1 - k / max k, without the rounding that would leave the centre not quite 0
    return (-torch.expm1(-hole((channels, rows, columns), width) / 2)).pow(power).repeat(channels, 1, 1)


def hole(shape: Sequence[int], width: float) -> Tensor:
    """Squared distance from the middle, (H, W), in units of `width` times each side, less its smallest value."""
    i, j = ((torch.arange(n, dtype=torch.float64) - (n - 1) / 2) / (width * n) for n in shape[1:])
    r2 = i[:, None].square() + j[None, :].square()
    return r2 - r2.min()
