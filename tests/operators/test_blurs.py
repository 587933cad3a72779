"""Blurs against scipy and numpy: independent, slow, and written by others."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage, signal

from teachdiff.operators import CircularConvolution, GaussianBlur, ReflectConvolution, gaussian_kernel, motion_kernel
from teachdiff.operators.blurs import PADDINGS, padding_matrix
from teachdiff.testing import check_operator
from teachdiff.testing.core import require_close
from tests.operators.house import SEEDS, SHAPES, draw, kernel

NUMPY = {"circular": "wrap", "reflect": "reflect", "replicate": "edge", "zero": "constant"}
SCIPY = {"circular": "wrap", "reflect": "mirror", "replicate": "nearest", "zero": "constant"}


@pytest.mark.parametrize("padding", PADDINGS)
@given(st.integers(1, 7), st.integers(0, 20), st.integers(0, 20))
def test_padding_is_numpys_however_long(padding, n, before, after):
    line = np.arange(1.0, n + 1)
    require_close(
        padding_matrix(n, before, after, padding).numpy() @ line,
        np.pad(line, (before, after), mode=NUMPY[padding]),
        0.0,
        1.0,
        padding,
    )


@pytest.mark.parametrize("padding", PADDINGS)
@given(SHAPES, SEEDS, st.floats(0.2, 3))
def test_gaussian_blur_is_scipys(padding, shape, seed, std):
    x = draw(shape, 1, seed)
    expected = ndimage.gaussian_filter(
        x[0].numpy(), std, mode=SCIPY[padding], radius=int(np.ceil(4 * std)), axes=(1, 2), cval=0.0
    )
    require_close(GaussianBlur(shape, std, padding)(x)[0], expected, 1e-13, float(x.abs().max()), padding)


@given(SHAPES, st.floats(0.2, 3), st.sampled_from([p for p in PADDINGS if p != "zero"]))
def test_blurs_keep_a_constant(shape, std, padding):
    x = torch.full((1, *shape), 0.7, dtype=torch.float64)
    require_close(GaussianBlur(shape, std, padding)(x), x, 1e-14, 1.0, "a constant")


def slow_convolution(x, k, mode):
    """numpy pads, scipy convolves."""
    (h, w), (H, W) = k.shape, x.shape[-2:]
    pad = ((0, 0), (h - 1 - h // 2, h // 2), (w - 1 - w // 2, w // 2))
    padded = np.pad(x, pad, mode=mode)
    return np.stack([signal.convolve2d(channel, k, mode="valid") for channel in padded]).reshape(-1, H, W)


@given(SHAPES, SEEDS, st.integers(1, 9), st.integers(1, 9))
def test_circular_convolution_is_the_slow_one(shape, seed, height, width):
    k, x = kernel(height, width, seed), draw(shape, 1, seed)
    expected = slow_convolution(x[0].numpy(), k.numpy(), "wrap")
    require_close(CircularConvolution(k, shape)(x)[0], expected, 1e-13, float(x.abs().max()), "circular")


@given(st.integers(1, 30), st.integers(1, 30), SEEDS)
def test_the_gain_of_a_frequency_and_of_its_mirror_are_one_number(rows, columns, seed):
    """To the last bit, or rounding could see the one and not the other, and the phase circulant would not be real."""
    s = CircularConvolution(kernel(5, 4, seed), (1, rows, columns)).svd.s.values[0]
    i, j = -torch.arange(rows) % rows, -torch.arange(columns) % columns
    assert torch.equal(s, s[i][:, j])


@given(SHAPES, SEEDS, st.integers(1, 9), st.integers(1, 9))
def test_reflect_convolution_is_the_slow_one(shape, seed, height, width):
    height, width = min(height, 2 * shape[1] - 1), min(width, 2 * shape[2] - 1)
    k, x = kernel(height, width, seed), draw(shape, 1, seed)
    expected = slow_convolution(x[0].numpy(), k.numpy(), "reflect")
    require_close(ReflectConvolution(k, shape)(x)[0], expected, 1e-13, float(x.abs().max()), "reflect")


def test_reflect_convolution_is_torchs_own():
    k, x = kernel(5, 3, 0), draw((2, 7, 8), 2, 0)
    padded = torch.nn.functional.pad(x, (1, 1, 2, 2), mode="reflect")
    expected = torch.nn.functional.conv2d(padded.flatten(0, 1)[:, None], k.flip(0, 1)[None, None]).view(x.shape)
    require_close(ReflectConvolution(k, (2, 7, 8))(x), expected, 1e-13, 1.0, "torch")


def test_separable_and_circular_blurs_agree():
    g = gaussian_kernel(1.2)
    x = draw((2, 9, 8), 2, 0)
    for padding, blur in (("circular", CircularConvolution), ("reflect", ReflectConvolution)):
        A, B = GaussianBlur((2, 9, 8), 1.2, padding), blur(g[:, None] * g, (2, 9, 8))
        require_close(A(x), B(x), 1e-13, 1.0, padding)
        require_close(A.adjoint(x), B.adjoint(x), 1e-13, 1.0, padding)
        require_close(A.resolvent(x, 0.05, 1.0), B.resolvent(x, 0.05, 1.0), 1e-9, 20.0, padding)


def test_even_a_symmetric_kernel_has_another_adjoint_when_reflected():
    """The trap of reflect padding: A is not its own transpose, although the kernel is symmetric."""
    k = torch.tensor([[0.25, 0.5, 0.25]], dtype=torch.float64)
    A, x = ReflectConvolution(k, (1, 1, 6)), draw((1, 1, 6), 1, 0)
    assert float((A(x) - A.adjoint(x)).abs().max()) > 0.1
    check_operator(A, only=["dot_test", "transpose"])
    circular = CircularConvolution(k, (1, 1, 6))
    require_close(circular(x), circular.adjoint(x), 1e-15, 1.0, "symmetric on the torus")


@given(SEEDS, st.integers(0, 16), st.floats(0, 3))
def test_motion_kernels(seed, half, intensity):
    size = 2 * half + 1
    k = motion_kernel(size, seed, intensity)
    assert k.shape == (size, size) and k.dtype == torch.float64
    assert float(k.min()) >= 0
    assert abs(float(k.sum()) - 1) < 1e-12
    assert torch.equal(k, motion_kernel(size, seed, intensity))
    if size > 1:
        # A path as long as the kernel is wide, in one piece: its pixels hang together.
        assert ndimage.label((k > 0).numpy(), structure=np.ones((3, 3)))[1] == 1
        # It stands in the middle: as much room to the left as to the right, to a pixel.
        for axis in (0, 1):
            seen = k.sum(axis).nonzero()
            assert abs(int(seen.min()) - (size - 1 - int(seen.max()))) <= 1


def test_motion_kernels_differ_by_seed_and_turn_by_intensity():
    kernels = [motion_kernel(17, seed) for seed in range(4)]
    assert all(not torch.equal(a, b) for i, a in enumerate(kernels) for b in kernels[:i])

    def extent(k):
        """Length of the box around the path, over the length of the path."""
        spans = [int(k.sum(axis).nonzero().max() - k.sum(axis).nonzero().min()) for axis in (0, 1)]
        return np.hypot(*spans) / (len(k) - 1)

    straight = [extent(motion_kernel(33, seed, 0.0)) for seed in range(10)]
    curly = [extent(motion_kernel(33, seed, 1.0)) for seed in range(10)]
    assert min(straight) > 0.95
    assert np.mean(curly) < 0.75


def test_a_motion_kernel_blurs_by_about_its_length():
    """A straight path of length L has the variance L² / 12 along itself (plus the splat's)."""
    for seed in range(5):
        k = motion_kernel(33, seed, 0.0).numpy()
        i = np.arange(33) - 16
        variance = (k.sum(1) * i**2).sum() + (k.sum(0) * i**2).sum()
        assert abs(variance - 32**2 / 12) < 1


@given(st.floats(0.1, 20))
def test_gaussian_kernels(std):
    k = gaussian_kernel(std)
    assert len(k) == 2 * int(np.ceil(4 * std)) + 1
    assert abs(float(k.sum()) - 1) < 1e-14
    assert torch.equal(k, k.flip(0))
    ratio = k[len(k) // 2 + 1] / k[len(k) // 2]
    assert abs(float(ratio) - np.exp(-1 / (2 * std**2))) < 1e-14


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: GaussianBlur((1, 4, 4), -1.0), ValueError, "std.*must be finite and 0 or more; got -1"),
        (lambda: GaussianBlur((1, 4, 4), float("nan")), ValueError, "std.*must be finite"),
        (lambda: GaussianBlur((1, 4, 4), "wide"), TypeError, "std must be a number; got str"),
        (
            lambda: GaussianBlur((1, 4, 4), 1.0, "reflekt"),
            ValueError,
            "padding 'reflekt'. Did you mean 'reflect'",
        ),
        (lambda: CircularConvolution(torch.ones(3), (1, 4, 4)), ValueError, r"matrix \(h, w\); got shape \(3,\)"),
        (lambda: CircularConvolution(torch.ones(0, 3), (1, 4, 4)), ValueError, r"matrix \(h, w\); got shape \(0, 3\)"),
        (lambda: CircularConvolution(torch.ones(1, 1) / 0, (1, 4, 4)), ValueError, "kernel must be finite"),
        (lambda: CircularConvolution(torch.ones(1, 1) * 1j, (1, 4, 4)), TypeError, "kernel must be real"),
        (lambda: ReflectConvolution(torch.ones(9, 1), (1, 4, 4)), ValueError, "9 x 1 is too large to reflect an image"),
        (lambda: ReflectConvolution(torch.ones(1, 1), (1, 4, 4), tolerance=-1.0), ValueError, "tolerance must be"),
        (lambda: ReflectConvolution(torch.ones(1, 1), (1, 4, 4), iterations=0), ValueError, "iterations must be 1"),
        (lambda: motion_kernel(4), ValueError, "size must be odd.*got 4"),
        (lambda: motion_kernel(0), ValueError, "size must be 1 or more"),
        (lambda: motion_kernel(3, seed=-1), ValueError, "seed must be 0 or more"),
        (lambda: motion_kernel(3, intensity=float("inf")), ValueError, "intensity must be finite"),
    ],
)
def test_bad_input(build, error, message):
    with pytest.raises(error, match=message):
        build()
