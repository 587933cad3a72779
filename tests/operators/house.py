"""Every kind of operator of the house, as factories (shape, seed) -> operator for small shapes.

Kernels and masks are chosen so that nothing is ill-conditioned, or else exactly singular: then a
comparison with numpy can be as strict as rounding allows.
"""

import numpy as np
import torch
from hypothesis import strategies as st

from teachdiff.operators import (
    CircularConvolution,
    Downsample,
    GaussianBlur,
    Grey,
    Identity,
    Mask,
    Product,
    ReflectConvolution,
    box_mask,
    random_mask,
    smooth_mask,
)
from teachdiff.testing.core import normal

REAL = (torch.float32, torch.float64)
COMPLEX = (torch.complex64, torch.complex128)
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
SEEDS = st.integers(0, 2**31)


def draw(shape, batch: int, seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Standard normal images (B, *shape), the same numbers for every dtype but for rounding."""
    return normal((batch, *shape), seed, dtype)


def kernel(height: int, width: int, seed: int) -> torch.Tensor:
    """A lopsided kernel that sums to 1, far from singular: 0.7 in its middle, 0.3 scattered around."""
    k = np.random.default_rng(seed).random((height, width))
    k *= 0.3 / k.sum()
    k[height // 2, width // 2] += 0.7
    return torch.from_numpy(k)


def soft_mask(shape, seed: int) -> torch.Tensor:
    """Values in [0.1, 1], and about a third of them 0; not the same in all channels."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.uniform(0.1, 1, shape) * (rng.random(shape) > 1 / 3))


def product(shape, seed: int) -> Product:
    """A tall, a wide and a square matrix, their axes shuffled; the square one of rank n - 1."""
    rng = np.random.default_rng(seed)

    def orthonormal(rows, columns):
        return np.linalg.qr(rng.standard_normal((max(rows, columns),) * 2))[0][:rows, :columns]

    kinds = rng.permutation(3)
    matrices = []
    for n, kind in zip(shape, kinds, strict=True):
        rows = (n + 1, max(1, n - 1), n)[kind]
        s = rng.uniform(0.5, 2, min(rows, n))
        if kind == 2 and n > 1:
            s[0] = 0
        r = len(s)
        matrices.append(torch.from_numpy(orthonormal(rows, r) * s @ orthonormal(r, n)))
    return Product(shape, *matrices)


def reflect(height: int, width: int):
    """The kernel is cut so that an image of few pixels can still reflect it."""

    def build(shape, seed):
        h, w = min(height, 2 * shape[1] - 1), min(width, 2 * shape[2] - 1)
        return ReflectConvolution(kernel(h, w, seed), shape)

    return build


def times(factor: int, kind: str):
    def build(shape, seed):
        return Downsample((shape[0], factor * min(shape[1], 3), factor * min(shape[2], 3)), factor, kind)

    return build


HOUSE = {
    "identity": lambda shape, seed: Identity(shape),
    "box": lambda shape, seed: Mask(box_mask(shape)),
    "outpaint": lambda shape, seed: Mask(1 - box_mask(shape), fill=-1.0),
    "random": lambda shape, seed: Mask(random_mask(shape, 0.6, seed)),
    "smooth": lambda shape, seed: Mask(smooth_mask(shape, 0.3, 1.0), fill=0.5),
    "soft": lambda shape, seed: Mask(soft_mask(shape, seed)),
    "nothing": lambda shape, seed: Mask(torch.zeros(shape)),
    "gauss-circular": lambda shape, seed: GaussianBlur(shape, 0.6, "circular"),
    "gauss-reflect": lambda shape, seed: GaussianBlur(shape, 0.6, "reflect"),
    "gauss-replicate": lambda shape, seed: GaussianBlur(shape, 0.6, "replicate"),
    "gauss-zero": lambda shape, seed: GaussianBlur(shape, 0.6, "zero"),
    "average2": times(2, "average"),
    "average3": times(3, "average"),
    "bicubic2": times(2, "bicubic"),
    "bicubic3": times(3, "bicubic"),
    "grey": lambda shape, seed: Grey(shape),
    "grey-weights": lambda shape, seed: Grey(shape, np.random.default_rng(seed).uniform(0.1, 1, shape[0])),
    "product": product,
    "circular-odd": lambda shape, seed: CircularConvolution(kernel(3, 5, seed), shape),
    "circular-even": lambda shape, seed: CircularConvolution(kernel(4, 2, seed), shape),
    "circular-wraps": lambda shape, seed: CircularConvolution(kernel(9, 8, seed), shape),
    "circular-singular": lambda shape, seed: CircularConvolution(torch.full((1, 2), 0.5), shape),
    "reflect-odd": reflect(3, 5),
    "reflect-even": reflect(2, 4),
}
FACTORISED = [name for name in HOUSE if not name.startswith("reflect")]
