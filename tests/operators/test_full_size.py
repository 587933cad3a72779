"""At 256 x 256 nothing is dense: the largest tensor that any call makes is counted, and so is its time."""

import time

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from teachdiff.methods.admm_tv import admm_tv
from teachdiff.methods.pnp_admm import data_step
from teachdiff.operators import (
    CircularConvolution,
    Downsample,
    GaussianBlur,
    Grey,
    Identity,
    Mask,
    ReflectConvolution,
    Saturate,
    box_mask,
    motion_kernel,
    random_mask,
    smooth_mask,
)
from teachdiff.operators.blurs import PADDINGS
from teachdiff.problems import InverseProblem
from teachdiff.testing.adapters import matrix_of
from teachdiff.testing.core import require_close
from tests.operators.house import COMPLEX, HOUSE, draw

SHAPE = (3, 256, 256)
PIXELS = 3 * 256 * 256
FULL = {
    "identity": lambda: Identity(SHAPE),
    "box": lambda: Mask(box_mask(SHAPE)),
    "random": lambda: Mask(random_mask(SHAPE)),
    "smooth": lambda: Mask(smooth_mask(SHAPE)),
    **{f"gauss-{p}": lambda p=p: GaussianBlur(SHAPE, 3.0, p) for p in PADDINGS},
    "motion-circular": lambda: CircularConvolution(motion_kernel(61), SHAPE),
    "motion-reflect": lambda: ReflectConvolution(motion_kernel(61), SHAPE),
    **{f"sr{f}-{k}": lambda f=f, k=k: Downsample(SHAPE, f, k) for f in (2, 4, 8, 16) for k in ("average", "bicubic")},
    "grey": lambda: Grey(SHAPE),
}
every = pytest.mark.parametrize("name", FULL)


class Largest(TorchDispatchMode):
    """The number of entries of the largest tensor that any operation puts out."""

    def __init__(self):
        super().__init__()
        self.entries = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for t in out if isinstance(out, tuple | list) else (out,):
            if isinstance(t, torch.Tensor):
                self.entries = max(self.entries, t.untyped_storage().size() // t.element_size())
        return out


def calls(A):
    """Everything that one does with an operator, by name."""
    x = draw(A.input_shape, 1, 0, torch.float32)
    y = A(x)
    found = {
        "A": lambda: A(x),
        "adjoint": lambda: A.adjoint(y),
        "resolvent": lambda: A.resolvent(y, 1.0, 1.0),
        "picture": lambda: A.picture(y),
        "data step": lambda: data_step(A, y, x, 1.0),
    }
    if A.svd is not None:
        found |= {"pinv": lambda: A.pinv(y), "V": lambda: A.svd.V(x), "Vt": lambda: A.svd.Vt(x)}
        found |= {"U": lambda: A.svd.U(x), "Ut": lambda: A.svd.Ut(y)}
    return found


@every
def test_no_call_makes_anything_much_larger_than_an_image(name):
    with Largest() as seen:
        A = FULL[name]()
        for call in calls(A).values():
            call()
    # The margin is for padded images, and for complex numbers counted twice. A dense matrix would have 4e10 entries.
    assert seen.entries <= 4 * PIXELS


@every
def test_each_call_takes_less_than_a_second_of_one_core(name):
    A = FULL[name]()
    for what, call in calls(A).items():
        call()  # tables are cast once
        began = time.process_time()
        call()
        spent = time.process_time() - began
        iterative = name == "motion-reflect" and what in ("resolvent", "data step")  # conjugate gradients
        assert spent < (5 if iterative else 1), f"{what}: {spent:.2f} s"


def test_a_dense_matrix_would_be_noticed():
    with Largest() as seen:
        torch.eye(1000, 3 * PIXELS // 200)
    assert seen.entries > 4 * PIXELS


def test_total_variation_at_full_size_makes_nothing_much_larger_than_its_differences():
    y = FULL["motion-circular"]()(draw(SHAPE, 1, 0, torch.float32))
    with Largest() as seen:
        admm_tv(None, InverseProblem(FULL["motion-circular"](), y, 0.1), iterations=2)
    assert seen.entries <= 4 * PIXELS


def test_saturation_costs_what_its_operator_costs():
    with Largest() as seen:
        Saturate(FULL["motion-circular"]())(draw(SHAPE, 1, 0, torch.float32))
    assert seen.entries <= 4 * PIXELS


ODD = [(1, 1, 1), (1, 1, 5), (2, 5, 3), (3, 7, 5)]


@pytest.mark.parametrize("shape", ODD)
@pytest.mark.parametrize("dtype", COMPLEX)
@pytest.mark.parametrize("name", HOUSE)
def test_resolvents_of_odd_sizes_and_complex_measurements_are_a_dense_solve(name, dtype, shape):
    A = HOUSE[name](shape, 1)
    dense = torch.from_numpy(matrix_of(A, A.input_shape)).to(torch.complex128)
    y = draw(A.output_shape, 2, 3, dtype)
    system = 0.04 * torch.eye(len(dense), dtype=dense.dtype) + 1.5 * dense @ dense.mT
    expected = torch.linalg.solve(system, y.flatten(1).to(dense.dtype).mT).mT
    got = A.resolvent(y, 0.04, 1.5)
    assert got.dtype == dtype
    tolerance = 1e-6 if dtype == torch.complex128 else 1e-4
    require_close(got.flatten(1).to(dense.dtype), expected, tolerance, float(expected.abs().max()), "resolvent")
