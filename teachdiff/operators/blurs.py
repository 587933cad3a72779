r"""Blurs: :math:`y_i = \sum_j k_j\, x_{i - j}` with a kernel k about its centre, and something beyond the border.

What lies beyond the border is part of the operator. With a circular image any kernel is diagonal
in the Fourier basis; a separable kernel is a `Product` with any border; an arbitrary kernel with a
reflected border is neither, and its adjoint is *not* the blur with the flipped kernel: what the
padding copied outwards must be folded back in.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from teachdiff.bases import HartleyBasis, apply_axes
from teachdiff.checks import check_name, check_sigma, check_weight
from teachdiff.operators.base import (
    SVD,
    Operator,
    Shape,
    check_count,
    check_shape,
    rank_tolerance,
    reciprocal,
)
from teachdiff.operators.product import Product
from teachdiff.operators.solvers import solve
from teachdiff.tables import Table

PADDINGS = ("circular", "reflect", "replicate", "zero")


class GaussianBlur(Product):
    r"""Gaussian blur, separable, with any border.

    Arguments:
        shape: (C, H, W).
        std: in pixels; 0 is the identity.
        padding: "reflect" (about the outermost pixel), "circular", "replicate" or "zero". Padding may
            be longer than the image: the rule is simply repeated.
        cut: the kernel ends at ceil(cut std) and is scaled to sum to 1.

    Raises:
        TypeError, ValueError: a std or a cut that is not a finite number of 0 or more, an unknown padding.
    """

    def __init__(self, shape: Sequence[int], std: float, padding: str = "reflect", cut: float = 4.0) -> None:
        _, rows, columns = shape = check_shape(shape)
        kernel = gaussian_kernel(std, cut)
        super().__init__(
            shape,
            rows=blur_matrix(kernel, rows, padding),
            columns=blur_matrix(kernel, columns, padding),
            std=std,
            padding=padding,
        )


class CircularConvolution(Operator):
    r"""Convolution on the torus: :math:`y_i = \sum_j k_j\, x_{(i - j) \bmod n}`, the same in every channel.

    With the transfer function :math:`h = \hat k` and F the discrete Fourier transform,
    :math:`A = F^* \mathrm{diag}(h) F`. Its SVD in real numbers: split h into phase and modulus,

    .. math::
        A = P\,|A|, \qquad P = F^* \mathrm{diag}(h/|h|) F, \qquad |A| = F^* \mathrm{diag}(|h|) F

    The kernel is real, so :math:`|h|` is even and the symmetric circulant :math:`|A|` is diagonal in
    the Hartley basis Q. Hence :math:`V = Q`, :math:`s = |h|`, :math:`U = P Q`. Where h = 0 the phase
    is 1.

    Arguments:
        kernel: (h, w), real; its centre is at (h // 2, w // 2). It may be larger than the image: it wraps.
        shape: (C, H, W).

    Raises:
        TypeError, ValueError: a kernel that is not a finite real matrix.
    """

    svd: SVD

    def __init__(self, kernel: Tensor, shape: Sequence[int]) -> None:
        kernel = check_kernel(kernel)
        shape = check_shape(shape)
        super().__init__(shape, shape, kernel=tuple(kernel.shape))
        _, rows, columns = shape
        i = (torch.arange(len(kernel)) - len(kernel) // 2) % rows
        j = (torch.arange(kernel.shape[1]) - kernel.shape[1] // 2) % columns
        impulse = torch.zeros(rows, columns, dtype=torch.float64)
        impulse.index_put_((i[:, None], j[None, :]), kernel, accumulate=True)

        h = torch.fft.fft2(impulse)
        # h(-f) is the conjugate of h(f) up to rounding; make it so exactly, or a frequency and its
        # mirror could fall on two sides of the threshold below and P would not be real.
        h = (h + mirrored(h).conj()) / 2
        # So must their moduli be, of which a vectorised abs may round one otherwise than its mirror.
        gain = (h.abs() + mirrored(h.abs())) / 2
        seen = gain > rank_tolerance(gain.expand(shape))
        h, gain = torch.where(seen, h, 0.0), torch.where(seen, gain, 0.0)
        phase = torch.where(seen, h / torch.where(seen, gain, 1.0), 1.0)
        self._h = Table(torch.view_as_real(half_plane(h)))
        self._s = Table(half_plane(gain))
        right = HartleyBasis(shape)
        left = _PhasedHartleyBasis(shape, Table(torch.view_as_real(half_plane(phase))))
        self.svd = SVD(gain.expand(shape), left, right)

    def _forward(self, x: Tensor) -> Tensor:
        return fourier_multiply(x, torch.view_as_complex(self._h.like(x)))

    def _adjoint(self, y: Tensor) -> Tensor:
        return fourier_multiply(y, torch.view_as_complex(self._h.like(y)).conj())

    # The same as through the SVD, in two transforms instead of six.
    def _pinv(self, y: Tensor) -> Tensor:
        h = torch.view_as_complex(self._h.like(y))
        return fourier_multiply(y, h.conj() * reciprocal(self._s.like(y)).square())

    def _resolvent(self, y: Tensor, sigma2: float, c: float) -> Tensor:
        return fourier_multiply(y, reciprocal(sigma2 + c * self._s.like(y).square()))


class _PhasedHartleyBasis:
    r"""The basis :math:`P Q`: Hartley, then the circulant with the given unit phases."""

    def __init__(self, shape: Shape, phase: Table) -> None:
        self.shape = shape
        self._phase = phase
        self._hartley = HartleyBasis(shape)

    def analyse(self, x: Tensor) -> Tensor:
        phase = torch.view_as_complex(self._phase.like(x))
        return self._hartley.analyse(fourier_multiply(x, phase.conj()))

    def synthesise(self, c: Tensor) -> Tensor:
        phase = torch.view_as_complex(self._phase.like(c))
        return fourier_multiply(self._hartley.synthesise(c), phase)


class ReflectConvolution(Operator):
    r"""Convolution of the image reflected about its outermost pixels: :math:`A = K R`, valid convolution K, padding R.

    The adjoint is :math:`R^\top K^\top`: correlate, then fold the border back in. There is no cheap
    SVD (`svd` is None). The resolvent solves :math:`(\sigma^2 I + c A A^\top) z = y` and the
    pseudo-inverse :math:`A^\top A x = A^\top y` by conjugate gradients (see `solvers.solve`): relative
    residual 1e-12 in float64 and 1e-6 in float32 unless `tolerance` says otherwise; each sample on its
    own, so that another batch changes it by no more than rounding times the condition number of the
    system; RuntimeError where `iterations` do not suffice. That is to be expected of the
    pseudo-inverse: a motion blur all but removes some frequencies, and A⁺ cannot bring them back.

    Arguments:
        kernel: (h, w), real; its centre is at (h // 2, w // 2).
        shape: (C, H, W); the kernel must not reach beyond one reflection.

    Raises:
        TypeError, ValueError: a kernel that is not a finite real matrix or is too large for the image.
    """

    def __init__(
        self, kernel: Tensor, shape: Sequence[int], tolerance: float | None = None, iterations: int = 2000
    ) -> None:
        kernel = check_kernel(kernel)
        shape = check_shape(shape)
        if len(kernel) // 2 >= shape[1] or kernel.shape[1] // 2 >= shape[2]:
            raise ValueError(
                f"a kernel of {len(kernel)} x {kernel.shape[1]} is too large to reflect an image of "
                f"{shape[1]} x {shape[2]}: half of it must be smaller than the image."
            )
        super().__init__(shape, shape, kernel=tuple(kernel.shape))
        self.tolerance = None if tolerance is None else check_weight(tolerance, "tolerance")
        self.iterations = check_count(iterations, "iterations")
        self._kernel_shape = tuple(kernel.shape)
        sizes = zip(shape[1:], kernel.shape, strict=True)
        padding = [padding_matrix(n, k - 1 - k // 2, k // 2, "reflect") for n, k in sizes]
        self._padding = [Table(r) for r in padding]
        self._padded = tuple(len(r) for r in padding)
        # On the padded size a circular convolution wraps only into the part that "valid" cuts away.
        self._h = Table(torch.view_as_real(torch.fft.rfft2(kernel, s=self._padded)))

    def _forward(self, x: Tensor) -> Tensor:
        padded = apply_axes(x, [None, *(r.like(x) for r in self._padding)])
        full = fourier_multiply(padded, torch.view_as_complex(self._h.like(x)))
        h, w = self._kernel_shape
        return full[..., h - 1 :, w - 1 :].contiguous()

    def _adjoint(self, y: Tensor) -> Tensor:
        h, w = self._kernel_shape
        full = torch.nn.functional.pad(y, (w - 1, 0, h - 1, 0))
        padded = fourier_multiply(full, torch.view_as_complex(self._h.like(y)).conj())
        return apply_axes(padded, [None, *(r.like(y).mT for r in self._padding)])

    def _normal_inverse(self, x: Tensor) -> Tensor:
        return solve(lambda p: self._adjoint(self._forward(p)), x, self.tolerance, self.iterations)

    def _pinv(self, y: Tensor) -> Tensor:
        return self._normal_inverse(self._adjoint(y))

    def _resolvent(self, y: Tensor, sigma2: float, c: float) -> Tensor:
        if c == 0:
            return y / sigma2 if sigma2 > 0 else torch.zeros_like(y)
        if sigma2 == 0:  # (A Aᵀ)⁺ = A (AᵀA)⁺ (AᵀA)⁺ Aᵀ: each system has a solution, even if A Aᵀ z = y has none
            return self._forward(self._normal_inverse(self._pinv(y))) / c
        return solve(lambda p: sigma2 * p + c * self._forward(self._adjoint(p)), y, self.tolerance, self.iterations)


def fourier_multiply(x: Tensor, h: Tensor) -> Tensor:
    r""":math:`F^* \mathrm{diag}(h) F x` for a real filter, whose h(-f) is the conjugate of h(f).

    `h` is the half of it that a real transform keeps, (H, W // 2 + 1).
    """
    if x.is_complex():
        return torch.complex(fourier_multiply(x.real, h), fourier_multiply(x.imag, h))
    return torch.fft.irfft2(torch.fft.rfft2(x) * h, s=x.shape[-2:])


def half_plane(h: Tensor) -> Tensor:
    """The frequencies that a real transform keeps: (H, W) to (H, W // 2 + 1)."""
    return h[:, : h.shape[1] // 2 + 1].contiguous()


def mirrored(h: Tensor) -> Tensor:
    """h(-f): index i to (n - i) mod n along both axes."""
    return h.flip(0, 1).roll((1, 1), (0, 1))


def padding_matrix(n: int, before: int, after: int, padding: str) -> Tensor:
    """(before + n + after, n): each row picks the pixel that stands there once the image is padded."""
    check_name(padding, PADDINGS, "padding")
    i = torch.arange(-before, n + after)
    if padding == "circular":
        source = i % n
    elif padding == "reflect":
        period = max(1, 2 * (n - 1))
        source = torch.minimum(i % period, period - i % period) if n > 1 else i * 0
    else:
        source = i.clamp(0, n - 1)
    matrix = torch.eye(n, dtype=torch.float64)[source]
    if padding == "zero":
        matrix[(i < 0) | (i >= n)] = 0
    return matrix


def blur_matrix(kernel: Tensor, n: int, padding: str) -> Tensor:
    """(n, n): convolution with a kernel of odd length, on a line of n pixels padded on both sides."""
    radius = len(kernel) // 2
    valid = torch.zeros(n, n + 2 * radius, dtype=torch.float64)
    for i in range(n):
        valid[i, i : i + len(kernel)] = kernel.flip(0)
    return valid @ padding_matrix(n, radius, radius, padding)


def gaussian_kernel(std: float, cut: float = 4.0) -> Tensor:
    r""":math:`k_j \propto \exp(-j^2/2\,\mathrm{std}^2)` for \|j\| up to ceil(cut std), summing to 1; float64."""
    std = check_sigma(std, "std")
    radius = math.ceil(check_weight(cut, "cut") * std)
    j = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-(j / std).square() / 2) if std > 0 else torch.ones(1, dtype=torch.float64)
    return kernel / kernel.sum()


def motion_kernel(size: int, seed: int = 0, intensity: float = 0.5) -> Tensor:
    r"""The path of a shaking camera as a kernel (size, size), float64, that sums to 1.

    A point moves at constant speed; its heading turns at a rate that is itself a random walk drawn
    towards 0, so that the path is smooth. The path is as long as the kernel is wide, stands in the
    middle of it, and each of its points is shared among the four pixels around it.

    Arguments:
        size: odd; 1 is no motion.
        seed: of the path.
        intensity: 0 is a straight line; 1 turns often.

    Raises:
        TypeError, ValueError: a size that is not odd, a seed below 0, an intensity that is not finite and 0 or more.
    """
    if check_count(size, "size") % 2 == 0:
        raise ValueError(f"size must be odd, so that the kernel has a middle; got {size}.")
    intensity = check_weight(intensity, "intensity")
    rng = np.random.default_rng(check_count(seed, "seed", 0))
    points = 64 * size
    inertia = math.exp(-8 / points)  # the turning rate forgets itself over an eighth of the path
    kicks = rng.standard_normal(points) * math.sqrt(1 - inertia**2)
    rate = np.zeros(points)
    for i in range(1, points):
        rate[i] = inertia * rate[i - 1] + kicks[i]
    # In all the heading turns by intensity times some radians: a rate of 1 held for the whole path turns 4 pi.
    heading = rng.uniform(0, 2 * np.pi) + intensity * 4 * np.pi * np.cumsum(rate) / points
    path = np.cumsum(np.stack([np.sin(heading), np.cos(heading)]), axis=1) * (size - 1) / points
    path += (size - 1) / 2 - (path.max(axis=1) + path.min(axis=1))[:, None] / 2
    path = path.clip(0, size - 1)

    corner = np.minimum(np.floor(path).astype(int), max(size - 2, 0))
    share = path - corner
    kernel = np.zeros((size, size))
    for down in (0, 1) if size > 1 else (0,):
        for right in (0, 1) if size > 1 else (0,):
            weight = np.abs(1 - down - share[0]) * np.abs(1 - right - share[1])
            np.add.at(kernel, (corner[0] + down, corner[1] + right), weight)
    return torch.from_numpy(kernel / kernel.sum())


def check_kernel(kernel: Tensor) -> Tensor:
    """A finite real matrix with at least one entry, in float64."""
    kernel = torch.as_tensor(kernel)
    if kernel.is_complex():
        raise TypeError(f"kernel must be real; got {kernel.dtype}.")
    if kernel.ndim != 2 or kernel.numel() == 0:
        raise ValueError(f"kernel must be a matrix (h, w); got shape {tuple(kernel.shape)}.")
    if not bool(torch.isfinite(kernel).all()):
        raise ValueError("kernel must be finite; it holds NaN or infinite values.")
    return kernel.detach().cpu().to(torch.float64)
