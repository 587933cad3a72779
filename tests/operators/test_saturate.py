"""The operator that is not linear: what it does, which methods take it and which refuse it, and why."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachdiff import schedules
from teachdiff.methods import METHODS, dps, sdedit, tweedie
from teachdiff.operators import Downsample, GaussianBlur, Identity, Mask, Saturate, random_mask
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import InverseProblem, observe
from teachdiff.testing import check_operator
from teachdiff.testing.adapters import matrix_of
from teachdiff.testing.operators import check_batch
from tests.operators.house import HOUSE, SEEDS, SHAPES, draw

SHAPE = (1, 4, 4)


@pytest.mark.parametrize("name", HOUSE)
@given(SHAPES, SEEDS, st.floats(0.2, 4))
def test_it_clips_what_the_linear_operator_gives(name, shape, seed, gain):
    inner = HOUSE[name](shape, seed)
    A = Saturate(inner, gain)
    assert (A.input_shape, A.output_shape) == (inner.input_shape, inner.output_shape)
    x = draw(A.input_shape, 2, seed)
    linear = x.flatten(1).numpy() @ matrix_of(inner, inner.input_shape).T
    np.testing.assert_allclose(A(x).flatten(1).numpy(), np.clip(gain * linear, -1, 1), rtol=0, atol=1e-10)
    check_batch(A, draw(A.input_shape, 3, seed), "A")


def test_the_laws_that_need_no_linearity():
    results = check_operator(Saturate(GaussianBlur(SHAPE, 0.7)))
    passed = {r.law for r in results if r.status == "passed"}
    assert passed >= {"shapes", "slope", "batch", "repeats", "argument_is_kept"}
    assert {r.law: r.status for r in results}["dot_test"] == "skipped"


def test_half_precision_is_kept():
    x = draw(SHAPE, 2, 0, torch.float16)
    assert Saturate(GaussianBlur(SHAPE, 0.7))(x).dtype == torch.float16


def test_the_gradient_is_that_of_the_linear_operator_where_nothing_is_clipped_and_0_elsewhere():
    A = Saturate(Identity((1, 1, 3)), gain=2.0)
    x = torch.tensor([[[[-0.9, 0.1, 0.6]]]], requires_grad=True)
    A(x).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [0.0, 2.0, 0.0]
    assert A(x).flatten().tolist() == pytest.approx([-1.0, 0.2, 1.0])


def test_it_is_not_linear_and_says_so():
    A = Saturate(Identity(SHAPE), 2.0)
    x = draw(SHAPE, 1, 0)
    assert A.linear is False
    assert not torch.allclose(A(2 * x), 2 * A(x))
    assert not hasattr(A, "adjoint")


def test_the_picture_is_the_over_exposed_one():
    y = draw((1, 2, 2), 2, 1).clamp(-1, 1)
    assert torch.equal(Saturate(Downsample(SHAPE, 2)).picture(y), Downsample(SHAPE, 2).picture(y))
    assert repr(Saturate(Identity(SHAPE), 1.5)) == "Saturate(Identity((1, 4, 4)), gain=1.5)"


def test_a_masks_hidden_pixels_stay_hidden():
    A = Saturate(Mask(random_mask(SHAPE, 0.5)), 3.0)
    problem = observe(A, draw(SHAPE, 2, 0), 0.3)
    assert (problem.y[:, A.measured.values == 0] == 0).all()


@pytest.fixture
def problem():
    return observe(Saturate(Identity(SHAPE)), draw(SHAPE, 2, 3).clamp(-1, 1), 0.1)


@pytest.fixture
def prior():
    return GaussianPrior(schedules.linear(20, 1e-3, 0.3), torch.zeros(SHAPE), torch.full(SHAPE, 0.25))


@pytest.mark.parametrize("method", [dps, lambda *a: dps(*a, step="likelihood"), sdedit, tweedie])
def test_methods_that_only_call_it_or_differentiate_take_it(method, prior, problem):
    assert method(prior, problem).shape == problem.y.shape


def test_dps_lowers_the_misfit_of_the_clipped_picture(prior, problem):
    misfit = lambda x: problem.residual(x).norm().item()  # noqa: E731
    assert misfit(dps(prior, problem, zeta=0.3)) < 0.7 * misfit(dps(prior, problem, zeta=0.0))


LINEAR = [name for name in METHODS if name in ("score_ald", "pigdm", "dmps", "hybrid", "ddrm", "pnp_admm", "admm_tv")]


@pytest.mark.parametrize("method", [METHODS[name] for name in LINEAR], ids=LINEAR)
def test_methods_that_need_an_adjoint_refuse_it(method, prior, problem):
    with pytest.raises(ValueError, match=r"needs a linear operator with an adjoint; Saturate\(.*Use dps"):
        method(prior, problem)


def test_bad_arguments():
    with pytest.raises(TypeError, match="must be a linear operator"):
        Saturate(lambda x: x)
    with pytest.raises(TypeError, match="must be a linear operator"):
        Saturate(Saturate(Identity(SHAPE)))
    with pytest.raises(ValueError, match="gain must be above 0"):
        Saturate(Identity(SHAPE), 0.0)
    with pytest.raises(TypeError, match="gain must be a number"):
        Saturate(Identity(SHAPE), "2")
    with pytest.raises(ValueError, match=r"must have shape \(B, 1, 4, 4\)"):
        Saturate(Identity(SHAPE))(torch.zeros(1, 1, 2, 2))
    with pytest.raises(TypeError, match="cannot be clipped"):
        Saturate(Identity(SHAPE))(torch.zeros(1, *SHAPE, dtype=torch.complex64))
    bad = InverseProblem(Saturate(Identity(SHAPE)), torch.zeros(1, *SHAPE), 0.1)
    assert bad.residual(torch.ones(1, *SHAPE)).abs().max() == 1
