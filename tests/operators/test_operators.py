"""Every operator of the house obeys every law, on shapes that are odd, non-square, of one pixel, of one channel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from teachdiff.operators import (
    CircularConvolution,
    Downsample,
    GaussianBlur,
    Identity,
    Mask,
    Operator,
    Product,
    ReflectConvolution,
)
from teachdiff.problems import TASKS, make_operator
from teachdiff.testing import check_operator
from teachdiff.testing.adapters import OperatorView
from teachdiff.testing.core import require_close
from teachdiff.testing.operators import check_batch, matrix_of
from tests.elsewhere import on_each_device
from tests.operators.house import FACTORISED, HOUSE, REAL, SEEDS, SHAPES, draw

HALF = (torch.float16, torch.bfloat16)
every = pytest.mark.parametrize("name", HOUSE)
factorised = pytest.mark.parametrize("name", FACTORISED)


def functions(A):
    """(f, shape of its argument): all that an operator does to a batch."""
    fs = [(A, A.input_shape), (A.adjoint, A.output_shape), (A.pinv, A.output_shape), (A.picture, A.output_shape)]
    fs.append((lambda y: A.resolvent(y, 0.04, 1.5), A.output_shape))
    if A.svd is not None:
        fs += [(f, A.input_shape) for f in (A.svd.V, A.svd.Vt, A.svd.U)] + [(A.svd.Ut, A.output_shape)]
    return fs


def silent(A):
    """Every law of the property suite, with a draw of its own; returns the names of those that do not apply."""
    assert OperatorView(A, None, "cpu").dtypes == [torch.float64, torch.float32]
    return {result.law for result in check_operator(A) if result.status == "skipped"}


@factorised
@given(SHAPES, SEEDS)
def test_the_property_suite(name, shape, seed):
    """Real and complex, single and double precision; no law may stay silent."""
    assert silent(HOUSE[name](shape, seed)) == set()


@pytest.mark.parametrize("name", [name for name in HOUSE if name not in FACTORISED])
@settings(max_examples=12)
@given(SHAPES, SEEDS)
def test_the_property_suite_without_an_svd(name, shape, seed):
    """Fewer examples: conjugate gradients take a hundred times as long as a division."""
    assert silent(HOUSE[name](shape, seed)) == {"least_squares", "factorisation", "singular_values"}


@every
@given(SHAPES, SEEDS, st.sampled_from([(2.0, 0.0), (0.0, 2.0), (0.0, 0.0)]))
def test_the_resolvent_without_noise_is_a_pseudo_inverse(name, shape, seed, weights):
    """(sigma2 I + c A Aᵀ)⁺: a division by sigma2, the dense pseudo-inverse, or nothing at all."""
    (sigma2, c), A = weights, HOUSE[name](shape, seed)
    dense = matrix_of(A, A.input_shape)
    if c > 0:
        P = np.linalg.pinv(dense, rcond=1e-12)
        expected = P.T @ P / c
    else:
        expected = np.eye(len(dense)) / sigma2 if sigma2 > 0 else np.zeros((len(dense), len(dense)))
    got = matrix_of(lambda y: A.resolvent(y, sigma2, c), A.output_shape)
    require_close(got, expected, 1e-10, max(np.abs(expected).max(), 1e-300), f"resolvent({sigma2}, {c})")


@every
@given(SHAPES, SEEDS, st.integers(2, 4))
def test_batching_changes_nothing_in_pictures_and_bases(name, shape, seed, batch):
    """What the property suite does not ask: the picture, and the four maps of the SVD."""
    A = HOUSE[name](shape, seed)
    for f, argument in functions(A):
        if f not in (A, A.adjoint, A.pinv):
            check_batch(f, draw(argument, batch, seed), name)


@every
@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_is_float32_rounded_once(name, dtype):
    A = HOUSE[name]((2, 4, 5), 0)
    x = draw(A.input_shape, 2, 0, dtype)
    before = x.clone()
    y = A(x)
    assert y.dtype == dtype and bool(torch.isfinite(y).all()) and torch.equal(x, before)
    assert y.untyped_storage().data_ptr() != x.untyped_storage().data_ptr()
    assert torch.equal(y, A(x.float()).to(dtype))
    z = A.resolvent(y, 0.5, 1.0)
    assert z.dtype == dtype
    assert torch.equal(z, A.resolvent(y.float(), 0.5, 1.0).to(dtype))


@every
def test_inference_mode_leaves_nothing_behind(name):
    """A table that is cast inside inference_mode must still serve a gradient outside of it."""
    A = HOUSE[name]((2, 3, 4), 0)
    with torch.inference_mode():
        A.adjoint(A(draw(A.input_shape, 1, 0, torch.float32)))
        B = HOUSE[name]((2, 3, 4), 0)
    for operator in (A, B):
        x = draw(A.input_shape, 1, 0, torch.float32).requires_grad_()
        operator(x).square().sum().backward()
        assert x.grad is not None and bool(torch.isfinite(x.grad).all())


@every
def test_the_picture_has_the_shape_of_an_image(name):
    A = HOUSE[name]((2, 4, 5), 3)
    y = A(draw(A.input_shape, 2, 0))
    picture = A.picture(y)
    assert tuple(picture.shape[1:]) == A.input_shape
    if isinstance(A, Mask):
        expected = torch.where(A.mask.values == 0, torch.tensor(A.fill, dtype=torch.float64), picture)
        assert torch.equal(picture, expected)
        require_close(picture - y, ((1 - A.mask.values) * A.fill).expand_as(y), 1e-15, 1.0, "fill")
    elif A.output_shape == A.input_shape:
        assert torch.equal(picture, y)
    else:
        assert torch.equal(picture, A.pinv(y))


@every
def test_repr_names_class_and_shapes(name):
    A = HOUSE[name]((2, 4, 5), 3)
    assert repr(A).startswith(f"{type(A).__name__}({A.input_shape}")
    assert A.input_shape == A.output_shape or f"-> {A.output_shape}" in repr(A)
    assert "object at" not in repr(A) and "tensor" not in repr(A)


@every
@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
def test_bad_arguments(name):
    A = HOUSE[name]((2, 4, 5), 3)
    for f, shape in functions(A)[:5]:
        with pytest.raises(TypeError, match=r"must be a torch.Tensor of shape \(B, C, H, W\); got list"):
            f([1.0])
        with pytest.raises(TypeError, match=r"float tensor.*got torch.int64"):
            f(torch.zeros((1, *shape), dtype=torch.int64))
        with pytest.raises(ValueError, match=r"must have shape \(B, C, H, W\)"):
            f(torch.zeros(shape))
        with pytest.raises(ValueError, match=r"must have shape \(B, C, H, W\), none of them 0"):
            f(torch.zeros((0, *shape)))
        with pytest.raises(ValueError, match=rf"must have shape \(B, {shape[0]}, {shape[1]}, {shape[2]}\)"):
            f(torch.zeros((1, shape[0], shape[1], shape[2] + 1)))
        with pytest.raises(TypeError, match="use complex64"):
            f(torch.zeros((1, *shape), dtype=torch.complex32))
    y = torch.zeros((1, *A.output_shape))
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="sigma2 must be finite and 0 or more"):
            A.resolvent(y, bad, 1.0)
        with pytest.raises(ValueError, match="c must be finite and 0 or more"):
            A.resolvent(y, 1.0, bad)
    with pytest.raises(TypeError, match="sigma2 must be a number; got Tensor"):
        A.resolvent(y, torch.tensor(1.0), 1.0)


@factorised
@given(SHAPES, SEEDS)
def test_fast_paths_are_the_svds(name, shape, seed):
    """Where a class has a resolvent or pseudo-inverse of its own, it is that of its SVD."""
    A = HOUSE[name](shape, seed)
    y = draw(A.output_shape, 2, seed)
    for fast, slow in ((A.pinv(y), A.svd.pinv(y)), (A.resolvent(y, 0.04, 1.5), A.svd.resolvent(y, 0.04, 1.5))):
        require_close(fast, slow, 1e-12, float(slow.abs().max()) + 1e-300, "fast path")


def test_a_small_sigma2_costs_no_digits():
    """What A cannot reach is not found as a difference: float32 keeps its digits at sigma2 = 1e-10."""
    A = Downsample((1, 8, 8), 2)
    y = A(draw(A.input_shape, 2, 0, torch.float32))
    require_close(A.resolvent(y, 1e-10, 1.0), 4 * y, 1e-5, float(4 * y.abs().max()), "1 / (sigma2 + 1/4)")
    tall = Product((1, 2, 1), rows=torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]]))
    y = tall(draw(tall.input_shape, 2, 0, torch.float32))
    expected = y / torch.tensor([2.0, 2.0, 4.0])[:, None]
    require_close(tall.resolvent(y, 1e-10, 1.0), expected, 1e-2, 1.0, "tall")  # 1e-7 of y is out of reach, / 1e-10


@pytest.mark.parametrize("task", TASKS)
def test_at_full_size_nothing_is_dense(task):
    """(CHW)² numbers would be 39 billion at 256²: a factorised form answers all the same."""
    A = make_operator(task, (3, 256, 256))
    y = A(draw(A.input_shape, 1, 0, torch.float32).clamp(-1, 1))
    z = A.resolvent(y, 0.01, 2.0)
    back = 0.01 * z + 2.0 * A(A.adjoint(z))
    require_close(back, y, 1e-3, float(y.abs().max()), "(sigma2 I + c A A^T) z = y")
    if task not in ("deblur_gaussian", "deblur_motion", "inpaint_smooth"):  # ill-conditioned in float32
        require_close(A(A.pinv(y)), y, 1e-4, float(y.abs().max()), "A A+ y = y for y in the range")
    assert max(t.values.numel() for t in tables(A)) <= 3 * 256 * 256


def tables(A):
    """All tables that an operator holds, wherever."""
    from teachdiff.tables import Table

    seen, stack, found = set(), [A], []
    while stack:
        thing = stack.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        if isinstance(thing, Table):
            found.append(thing)
        elif isinstance(thing, list | tuple):
            stack += thing
        elif type(thing).__module__.startswith("teachdiff"):
            stack += vars(thing).values()
    return found


@on_each_device
@every
def test_on_another_device_as_on_the_cpu(name, device):
    A = HOUSE[name]((2, 4, 5), 3)
    for f, shape in functions(A):
        x = draw(shape, 2, 0)
        there = f(x.to(device))
        assert there.device.type == device.type
        require_close(there.cpu(), f(x), 1e-10, float(f(x).abs().max()) + 1e-300, device.type)


def test_an_operator_without_an_svd_must_solve_by_itself():
    class Bare(Operator):
        pass

    A = Bare((1, 2, 2), (1, 2, 2))
    y = torch.zeros(1, 1, 2, 2)
    with pytest.raises(NotImplementedError, match="_forward"):
        A(y)
    with pytest.raises(NotImplementedError, match="_adjoint"):
        A.adjoint(y)
    with pytest.raises(NotImplementedError, match="has no SVD, so it must define _pinv itself"):
        A.pinv(y)
    with pytest.raises(NotImplementedError, match="has no SVD, so it must define _resolvent itself"):
        A.resolvent(y, 1.0, 1.0)


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 0), (1, 2, 2.0), (1, True, 2), (1, 2, 3, 4), (-1, 2, 2)])
def test_bad_shapes(shape):
    with pytest.raises(ValueError, match=r"shape must be \(C, H, W\), three whole numbers of 1 or more"):
        Identity(shape)


def test_a_shape_must_be_a_shape():
    with pytest.raises(TypeError, match=r"shape must be \(C, H, W\); got 5"):
        Identity(5)


def test_bad_matrices():
    with pytest.raises(ValueError, match=r"rows must be a finite matrix with 4 columns; got \(3, 3\)"):
        Product((1, 4, 4), rows=torch.eye(3))
    with pytest.raises(ValueError, match="columns must be a finite matrix"):
        Product((1, 2, 2), columns=torch.full((2, 2), float("nan")))
    with pytest.raises(TypeError, match="channels must be a real matrix"):
        Product((1, 2, 2), channels=torch.eye(1, dtype=torch.complex64))


def test_conjugate_gradients_say_so_when_they_fail():
    A = ReflectConvolution(torch.full((1, 3), 1 / 3), (1, 6, 6), iterations=2)
    y = draw(A.output_shape, 2, 0)
    with pytest.raises(RuntimeError, match=r"relative residual of \d.*after 2 iterations, not 1\.0e-12"):
        A.resolvent(y, 1e-4, 1.0)
    with pytest.raises(RuntimeError, match="use the resolvent instead"):
        A.pinv(y)
    y[1, 0, 0, 0] = float("nan")
    with pytest.raises(RuntimeError, match="relative residual of nan"):
        ReflectConvolution(torch.full((1, 3), 1 / 3), (1, 6, 6)).resolvent(y, 1e-2, 1.0)


@given(SEEDS, st.sampled_from([1e-25, 1.0, 1e25]), st.sampled_from(REAL))
def test_conjugate_gradients_stop_for_each_sample_alone(seed, scale, dtype):
    """One sample is done before it starts, one is so much larger than the other that float32 cannot hold a square."""
    A = HOUSE["reflect-odd"]((1, 5, 6), seed)
    y = draw(A.output_shape, 3, seed, dtype)
    y[0] = 0
    y[1] *= scale
    z = A.resolvent(y, 0.04, 1.5)
    assert torch.equal(z[0], torch.zeros_like(z[0]))
    tolerance = {torch.float32: 1e-4, torch.float64: 1e-11}[dtype]
    for i in (1, 2):
        alone = A.resolvent(y[i : i + 1], 0.04, 1.5)[0]
        require_close(z[i], alone, tolerance, float(alone.abs().max()), "coupled samples")
    unscaled = A.resolvent(y[1:2] / scale, 0.04, 1.5)[0]
    require_close(z[1] / scale, unscaled, tolerance, float(unscaled.abs().max()), "linear in the scale")


def test_conjugate_gradients_keep_their_promise_in_float32():
    A = HOUSE["reflect-odd"]((3, 20, 23), 0)
    y = draw(A.output_shape, 2, 0, torch.float32)
    z = A.resolvent(y, 0.01, 4.0)
    gap = (0.01 * z + 4 * A(A.adjoint(z)) - y).flatten(1).norm(dim=1) / y.flatten(1).norm(dim=1)
    assert float(gap.max()) < 1e-5


def test_gaussian_blur_of_std_0_is_the_identity():
    x = draw((2, 3, 4), 2, 0)
    assert torch.equal(GaussianBlur((2, 3, 4), 0.0)(x), x)


def test_singular_values_at_rounding_level_are_zero():
    """A box of 4 pixels has no gain at 3 of 64 frequencies; what rounding leaves of them must not be divided by."""
    kernel = torch.full((1, 4), 0.25)
    shape = (2, 5, 64)
    by_fft = CircularConvolution(kernel, shape)
    by_svd = Product(shape, columns=torch.from_numpy(matrix_of(CircularConvolution(kernel, (1, 1, 64)), (1, 1, 64))))
    for A in (by_fft, by_svd):
        assert int((A.svd.s.values == 0).sum()) == 2 * 5 * 3
        y = draw(A.output_shape, 1, 0)
        assert float(A.pinv(y).abs().max()) < 100 * float(y.abs().max())
    require_close(by_fft.pinv(y), by_svd.pinv(y), 1e-12, float(y.abs().max()), "two roads to A+")
