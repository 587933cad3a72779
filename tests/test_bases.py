import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachdiff.bases import DenseBasis, HartleyBasis, PixelBasis, ProductBasis, apply_axes
from teachdiff.tables import Table
from teachdiff.testing.core import require_close
from teachdiff.testing.operators import check_batch, matrix_of
from tests.elsewhere import on_each_device
from tests.operators.house import COMPLEX, REAL, SEEDS, SHAPES, draw


def orthogonal(n, rng):
    return torch.from_numpy(np.linalg.qr(rng.standard_normal((n, n)))[0])


def product(shape, seed):
    rng = np.random.default_rng(seed)
    keep = rng.random(3) > 0.25  # a None now and then
    return ProductBasis(shape, *(orthogonal(n, rng) if k else None for n, k in zip(shape, keep, strict=True)))


BASES = {
    "pixel": lambda shape, seed: PixelBasis(shape),
    "product": product,
    "hartley": lambda shape, seed: HartleyBasis(shape),
    "dense": lambda shape, seed: DenseBasis(shape, orthogonal(int(np.prod(shape)), np.random.default_rng(seed))),
}
every = pytest.mark.parametrize("name", BASES)


@every
@given(SHAPES, SEEDS)
def test_orthonormal_and_square(name, shape, seed):
    basis = BASES[name](shape, seed)
    Q = matrix_of(basis.synthesise, shape)
    require_close(Q.T @ Q, np.eye(len(Q)), 1e-13, 1.0, "Q^T Q = I")
    require_close(matrix_of(basis.analyse, shape), Q.T, 1e-14, 1.0, "analyse is the transpose of synthesise")


@every
@given(SHAPES, SEEDS, st.sampled_from(REAL + COMPLEX))
def test_there_and_back_in_the_dtype_of_the_image(name, shape, seed, dtype):
    basis, x = BASES[name](shape, seed), draw(shape, 2, seed, dtype)
    c = basis.analyse(x)
    assert c.dtype == dtype and c.shape == x.shape
    back = basis.synthesise(c)
    assert back.dtype == dtype
    require_close(back, x, 64 * torch.finfo(dtype).eps * x[0].numel() ** 0.5, float(x.abs().max()), "there and back")


@every
@given(SHAPES, SEEDS)
def test_a_complex_image_is_its_two_parts(name, shape, seed):
    basis, x = BASES[name](shape, seed), draw(shape, 2, seed, torch.complex128)
    expected = torch.complex(basis.analyse(x.real), basis.analyse(x.imag))
    require_close(basis.analyse(x), expected, 1e-13, float(x.abs().max()), "complex")


@every
@given(SHAPES, SEEDS)
def test_batching_changes_nothing(name, shape, seed):
    basis = BASES[name](shape, seed)
    check_batch(basis.analyse, draw(shape, 3, seed), "analyse")
    check_batch(basis.synthesise, draw(shape, 3, seed), "synthesise")


@given(SHAPES, SEEDS)
def test_apply_axes_is_the_kronecker_product(shape, seed):
    rng = np.random.default_rng(seed)
    matrices = [torch.from_numpy(rng.standard_normal((rng.integers(1, 5), n))) for n in shape]
    dense = np.kron(np.kron(matrices[0], matrices[1]), matrices[2])
    require_close(matrix_of(lambda x: apply_axes(x, matrices), shape), dense, 1e-14, 100.0, "Kronecker")


@given(st.integers(1, 6), st.integers(1, 6))
def test_hartley_is_cas(rows, columns):
    k, l = np.arange(rows), np.arange(columns)
    angle = 2 * np.pi * ((np.outer(k, k) / rows)[:, None, :, None] + (np.outer(l, l) / columns)[None, :, None, :])
    cas = (np.cos(angle) + np.sin(angle)).reshape(rows * columns, -1) / np.sqrt(rows * columns)
    require_close(matrix_of(HartleyBasis((1, rows, columns)).analyse, (1, rows, columns)), cas, 1e-14, 10.0, "cas")


@given(st.integers(2, 6), st.integers(1, 6), SEEDS)
def test_hartley_diagonalises_symmetric_circulants(rows, columns, seed):
    """Why this basis: x -> x shifted up + x shifted down is diagonal in it, with eigenvalues 2 cos(2 pi k / H)."""
    shape = (1, rows, columns)
    basis, c = HartleyBasis(shape), draw(shape, 1, seed)
    x = basis.synthesise(c)
    shifted = basis.analyse(x.roll(1, 2) + x.roll(-1, 2))
    gain = 2 * torch.cos(2 * torch.pi * torch.arange(rows, dtype=torch.float64) / rows)
    require_close(shifted, gain[:, None] * c, 1e-13, float(c.abs().max()), "eigenvalues")


def test_a_table_follows_and_keeps_its_casts():
    values = torch.tensor([1 / 3, 2.0], dtype=torch.float64)
    table = Table(values)
    values.zero_()
    assert table.values.tolist() == [1 / 3, 2.0]
    for dtype in (*REAL, torch.float16):
        like = table.like(torch.zeros(1, dtype=dtype))
        assert like.dtype == dtype and like is table.like(torch.ones(3, dtype=dtype))
    assert table.like(torch.zeros(1, dtype=torch.complex64)).dtype == torch.float32
    assert table.like(torch.zeros(1, dtype=torch.float64)).tolist() == [1 / 3, 2.0]


@pytest.mark.parametrize("dtype", REAL)
def test_a_table_of_inference_mode_serves_gradients_afterwards(dtype):
    """In float64 the cast is the original itself, so both must have been made outside of it."""
    x = torch.ones(2, dtype=dtype, requires_grad=True)
    with torch.inference_mode():
        table = Table(torch.ones(2))
        table.like(x)
    (table.like(x) * x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


@on_each_device
@every
def test_on_another_device_as_on_the_cpu(name, device):
    basis, x = BASES[name]((2, 4, 5), 3), draw((2, 4, 5), 2, 0)
    for f in (basis.analyse, basis.synthesise):
        assert f(x.to(device)).device.type == device.type
        require_close(f(x.to(device)).cpu(), f(x), 1e-12, float(x.abs().max()), device.type)
