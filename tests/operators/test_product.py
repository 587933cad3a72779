import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachdiff.operators import Downsample, Grey, Identity, Product
from teachdiff.operators.product import average_matrix, bicubic_matrix, keys_cubic
from teachdiff.testing.core import require_close
from teachdiff.testing.operators import matrix_of
from tests.operators.house import SEEDS, SHAPES, draw, product

FACTORS = st.sampled_from([1, 2, 3, 4, 8, 16])


@given(SHAPES, SEEDS)
def test_a_product_is_the_kronecker_product(shape, seed):
    A = product(shape, seed)
    dense = np.kron(np.kron(*(m.values.numpy() for m in A.matrices[:2])), A.matrices[2].values.numpy())
    require_close(matrix_of(A, shape), dense, 1e-14, 10.0, "Kronecker")


def test_a_missing_matrix_is_the_identity():
    m = torch.tensor([[1.0, 2.0, 3.0]])
    x = draw((2, 3, 4), 2, 0)
    require_close(Product((2, 3, 4), rows=m)(x), torch.einsum("kh,bchw->bckw", m.double(), x), 1e-14, 10.0, "rows")
    assert torch.equal(Identity((2, 3, 4))(x), x)


@given(FACTORS, st.integers(1, 3), st.integers(1, 3), SEEDS)
def test_block_average_is_torchs_pooling(factor, rows, columns, seed):
    shape = (2, factor * rows, factor * columns)
    x = draw(shape, 2, seed)
    expected = torch.nn.functional.avg_pool2d(x, factor)
    require_close(Downsample(shape, factor)(x), expected, 1e-14, float(x.abs().max()), "average")


@given(FACTORS, st.integers(1, 6), st.integers(2, 6), SEEDS)
def test_bicubic_is_torchs_antialiased_one(factor, rows, columns, seed):
    """From two columns on: to one column, torch 2.13 returns the first row for every row."""
    shape = (2, factor * rows, factor * columns)
    x = draw(shape, 2, seed)
    expected = torch.nn.functional.interpolate(x, size=(rows, columns), mode="bicubic", antialias=True)
    require_close(Downsample(shape, factor, "bicubic")(x), expected, 1e-12, float(x.abs().max()), "bicubic")


@pytest.mark.parametrize("factor", [2, 3, 4, 8, 16])
def test_bicubic_keeps_constants_and_in_the_interior_ramps(factor):
    n = 8
    shape = (1, factor * n, factor * n)
    A = Downsample(shape, factor, "bicubic")
    require_close(A(torch.full((1, *shape), 0.3)), torch.full((1, 1, n, n), 0.3), 1e-6, 1.0, "constant")
    i = torch.arange(factor * n, dtype=torch.float64)
    ramp = (i[:, None] - 2 * i[None, :]).view(1, *shape)
    centre = factor * (torch.arange(n, dtype=torch.float64) + 0.5) - 0.5
    expected = (centre[:, None] - 2 * centre[None, :]).view(1, 1, n, n)
    inside = (..., slice(2, -2), slice(2, -2))
    require_close(A(ramp)[inside], expected[inside], 1e-12, float(expected.abs().max()), "ramp")


def test_keys_cubic():
    """Interpolates (1 at 0, 0 at the other whole numbers), sums to 1 and is continuous with its slope at 1."""
    assert keys_cubic(torch.tensor([0.0, 1, -1, 2, -2, 3])).tolist() == [1, 0, 0, 0, 0, 0]
    u = torch.linspace(0, 1, 11, dtype=torch.float64)
    require_close(sum(keys_cubic(u + k) for k in range(-3, 3)), torch.ones(11), 1e-14, 1.0, "sum")
    near = keys_cubic(torch.tensor([1 - 1e-6, 1 + 1e-6], dtype=torch.float64))
    require_close(near / 1e-6, np.array([0.5, -0.5]), 1e-5, 1.0, "slope -1/2 at 1")


@given(st.sampled_from([2, 4]), SEEDS)
def test_the_pseudo_inverse_of_the_average_is_nearest_neighbour(factor, seed):
    A = Downsample((2, 2 * factor, 3 * factor), factor)
    y = draw(A.output_shape, 2, seed)
    nearest = torch.nn.functional.interpolate(y, scale_factor=factor, mode="nearest")
    require_close(A.pinv(y), nearest, 1e-13, float(y.abs().max()), "nearest")


@given(SHAPES, SEEDS)
def test_grey_is_the_mean_and_its_picture_is_grey(shape, seed):
    A = Grey(shape)
    x = draw(shape, 2, seed)
    require_close(A(x), x.mean(1, keepdim=True), 1e-14, float(x.abs().max()), "mean")
    require_close(A.picture(A(x)), x.mean(1, keepdim=True).expand_as(x), 1e-13, float(x.abs().max()), "picture")


def test_grey_with_weights():
    x = draw((3, 2, 2), 1, 0)
    y = Grey((3, 2, 2), [0.3, 0.6, 0.1])(x)
    require_close(y[:, 0], 0.3 * x[:, 0] + 0.6 * x[:, 1] + 0.1 * x[:, 2], 1e-15, 5.0, "weights")


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (
            lambda: Downsample((1, 10, 8), 4),
            ValueError,
            "multiples of the factor 4; got 10 x 8. Crop to 8 x 8, or choose another factor",
        ),
        (lambda: Downsample((1, 8, 8), 0), ValueError, "factor must be 1 or more; got 0"),
        (lambda: Downsample((1, 8, 8), 2.0), TypeError, "factor must be a whole number; got 2.0"),
        (lambda: Downsample((1, 8, 8), 2, "bicubik"), ValueError, "unknown kind of downsampling.*mean 'bicubic'"),
        (lambda: Grey((3, 2, 2), [0.5, 0.5]), ValueError, "weights must be 3 numbers, one per channel"),
        (lambda: Grey((2, 2, 2), [0.5, float("nan")]), ValueError, "channels must be a finite matrix"),
    ],
)
def test_bad_input(build, error, message):
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize("matrix", [average_matrix, bicubic_matrix])
def test_reductions_are_float64_and_keep_constants(matrix):
    """A third in float32 would be off by 1e-8."""
    rows = matrix(12, 3)
    assert rows.dtype == torch.float64
    assert (rows.sum(1) - 1).abs().max() < 1e-15
