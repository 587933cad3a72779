"""Degradations: they begin at the identity, end at the task's operator, and go on from where they are."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachdiff.operators import (
    BlurDegradation,
    BoxDegradation,
    CircularConvolution,
    Downsample,
    FadeDegradation,
    GaussianBlur,
    IdentityDegradation,
    Saturate,
    SmoothMaskDegradation,
    motion_kernel,
)
from teachdiff.operators.degradations import Degradation
from teachdiff.problems import DEGRADATIONS, make_degradation, make_operator
from teachdiff.testing import check_degradation
from teachdiff.testing.core import require_close
from tests.elsewhere import on_each_device
from tests.operators.house import SEEDS, SHAPES, draw

FAMILIES = {
    "blur": lambda shape, **more: BlurDegradation(shape, 1.2, **more),
    "blur circular": lambda shape, **more: BlurDegradation(shape, 0.8, "circular", **more),
    "blur zero": lambda shape, **more: BlurDegradation(shape, 0.8, "zero", **more),
    "smooth": lambda shape, **more: SmoothMaskDegradation(shape, 0.3, **more),
    "box": BoxDegradation,
    "identity": IdentityDegradation,
}
PATHS = ((0.0, 1.0), (0.0, 0.7, 1.0), (0.0, 0.1, 0.1, 0.6, 1.0))
families = pytest.mark.parametrize("family", FAMILIES)
TIMES = st.floats(0, 1)


@pytest.mark.parametrize("path", PATHS)
@families
def test_our_families_obey_the_laws(family, path):
    results = check_degradation(FAMILIES[family]((2, 3, 4), path=path), examples=4)
    assert {r.law for r in results if r.status == "skipped"} <= {"lipschitz"}


@families
@given(SHAPES, SEEDS, st.sampled_from(PATHS))
def test_at_0_it_is_the_identity_to_the_last_bit(family, shape, seed, path):
    A = FAMILIES[family](shape, path=path)
    x = draw(shape, 2, seed)
    for t in (0.0, torch.tensor(0.0), torch.zeros(2)):
        assert torch.equal(A(x, t), x)


@families
@given(SHAPES, SEEDS, st.lists(TIMES, min_size=3, max_size=3).map(sorted), st.sampled_from(PATHS))
def test_transitions_lead_from_the_milder_to_the_more_severe(family, shape, seed, times, path):
    A, (s, t, u) = FAMILIES[family](shape, path=path), times
    x = draw(shape, 2, seed)
    scale = 4 * float(x.abs().max())
    require_close(A.between(A(x, s), s, t), A(x, t), 1e-12, scale, "G(A_s x) and A_t x")
    whole = A.between(A(x, s), s, u)
    require_close(A.between(A.between(A(x, s), s, t), t, u), whole, 1e-12, scale, "two transitions and one")


@families
@given(SHAPES, SEEDS, TIMES, st.sampled_from(PATHS))
def test_frozen_it_is_one_of_the_operators(family, shape, seed, t, path):
    A = FAMILIES[family](shape, path=path)
    x = draw(shape, 2, seed)
    frozen = A.operator(t)
    require_close(frozen(x), A(x, t), 1e-12, float(x.abs().max()), "operator(t)(x) and A_t x")
    s = frozen.svd.s.like(x)
    require_close(frozen.svd.U(s * frozen.svd.Vt(x)), A(x, t), 1e-11, float(x.norm()), "U diag(s) V^T x and A_t x")


@families
@given(SHAPES, SEEDS, TIMES, TIMES, st.sampled_from(PATHS))
def test_the_lipschitz_constant_in_t_holds(family, shape, seed, s, t, path):
    A = FAMILIES[family](shape, path=path)
    assert (A.lipschitz is None) == (family == "box")
    if A.lipschitz is not None:
        x = draw(shape, 1, seed)
        moved = float((A(x, s) - A(x, t)).norm())
        assert moved <= A.lipschitz * abs(s - t) * float(x.norm()) + 1e-13 * float(x.norm())


def test_the_lipschitz_constant_is_nearly_reached():
    """Over one pixel, or one frequency, and a short time: a constant that nothing comes near would say little."""
    masks = SmoothMaskDegradation((1, 65, 65), 0.2)
    ones, t = torch.ones(1, 1, 65, 65, dtype=torch.float64), torch.linspace(0, 1, 400, dtype=torch.float64)
    rates = [(masks(ones, b.item()) - masks(ones, a.item())).abs().max().item() * 399 for a, b in itertools.pairwise(t)]
    assert 0.75 * masks.lipschitz < max(rates) <= masks.lipschitz
    blur = BlurDegradation((1, 1, 64), 1.2, "circular")
    wave = torch.cos(math.pi * torch.arange(64, dtype=torch.float64)).view(1, 1, 1, 64)
    rates = [(blur(wave, b.item()) - blur(wave, a.item())).norm() * 399 / wave.norm() for a, b in itertools.pairwise(t)]
    assert 0.99 * blur.lipschitz < max(rates) <= blur.lipschitz


@pytest.mark.parametrize("task", DEGRADATIONS)
@pytest.mark.parametrize("shape", [(1, 5, 8), (3, 64, 64), (3, 32, 32)])
def test_at_1_it_is_the_operator_of_the_task(task, shape):
    x = draw(shape, 2, 0)
    A = make_degradation(task, shape)
    require_close(A(x, 1.0), make_operator(task, shape)(x), 1e-13, float(x.abs().max()), task)
    require_close(A.operator(1.0)(x), make_operator(task, shape)(x), 1e-13, float(x.abs().max()), task)
    assert A.sigma(0.0) == 0.02 and A.sigma(1.0) == pytest.approx(0.1, rel=1e-15)


def test_options_of_the_task_are_those_of_the_family():
    shape, x = (1, 12, 10), draw((1, 12, 10), 1, 0)
    for task, options in (
        ("deblur_gaussian", {"std": 1.0, "padding": "circular"}),
        ("inpaint_smooth", {"width": 0.3, "power": 2.0}),
        ("inpaint_box", {"height": 3, "width": 5, "top": 1, "left": 4}),
    ):
        require_close(
            make_degradation(task, shape, **options)(x, 1.0), make_operator(task, shape, **options)(x), 1e-13, 3.0, task
        )
    with pytest.raises(ValueError, match="Did you mean 'std'"):
        make_degradation("deblur_gaussian", shape, sdt=1.0)
    with pytest.raises(ValueError, match="denoise takes no options; got 'fill'"):
        make_degradation("denoise", shape, fill=1.0)
    with pytest.raises(ValueError, match="unknown task with a degradation 'sr4'"):
        make_degradation("sr4", shape)


@pytest.mark.parametrize("side", [8, 32, 64])
def test_the_gains_of_the_blur_are_powers_of_the_kernels_transfer_function(side):
    """Its cosines are eigenvectors: A_t cos(omega j) = k_hat(omega)^(p^2) cos(omega j), about the outermost pixels."""
    std, A = 3 * (side / 256) ** 0.5, BlurDegradation((1, 1, side), 3 * (side / 256) ** 0.5)
    j = np.arange(-math.ceil(4 * std), math.ceil(4 * std) + 1)
    kernel = np.exp(-((j / std) ** 2) / 2)
    for k in (0, 1, side // 2, side - 1):
        omega = math.pi * k / (side - 1)
        wave = torch.cos(omega * torch.arange(side, dtype=torch.float64)).view(1, 1, 1, side)
        gain = (kernel * np.cos(omega * j)).sum() / kernel.sum()
        for t in (0.3, 1.0):
            require_close(A(wave, t), gain ** (t**2) * wave, 1e-11, 1.0, f"gain at {omega:.2f}")


def test_kernels_sampled_anew_do_not_compose():
    """Blurs of 0.6 and 0.8 are not one of 1.0; the family's are."""
    shape, x = (1, 16, 16), draw((1, 16, 16), 1, 0)
    twice = GaussianBlur(shape, 0.6)(GaussianBlur(shape, 0.8)(x))
    assert (twice - GaussianBlur(shape, 1.0)(x)).abs().max() > 1e-3
    A = BlurDegradation(shape, 1.0)
    require_close(A(A(x, 0.6), 0.8), A(x, 1.0), 1e-13, 3.0, "variances add")


def test_a_kernel_cut_too_early_has_no_powers():
    with pytest.raises(ValueError, match=r"gain of -2e-05, below 0.*cut=9"):
        BlurDegradation((3, 256, 256), 3.0)
    shape, x = (1, 256, 256), draw((1, 256, 256), 1, 0, torch.float32)
    A = make_degradation("deblur_gaussian", shape, cut=9.0)
    require_close(A(x, 1.0), make_operator("deblur_gaussian", shape, cut=9.0)(x), 1e-5, 4.0, "A_1")


@given(SHAPES, st.lists(TIMES, min_size=2, max_size=2).map(sorted))
def test_masks_only_darken_and_boxes_are_nested(shape, times):
    ones = torch.ones(1, *shape, dtype=torch.float64)
    for A in (SmoothMaskDegradation(shape, 0.3), BoxDegradation(shape)):
        mild, severe = (A(ones, t) for t in times)
        assert bool((severe <= mild).all()) and bool((severe >= 0).all())
    assert set(severe.unique().tolist()) <= {0.0, 1.0}


@families
@given(SHAPES, SEEDS)
def test_each_sample_has_its_own_t(family, shape, seed):
    A = FAMILIES[family](shape)
    x, t = draw(shape, 3, seed), torch.tensor([0.0, 0.4, 1.0], dtype=torch.float64)
    alone = torch.cat([A(x[i : i + 1], t[i].item()) for i in range(3)])
    require_close(A(x, t), alone, 1e-13, float(x.abs().max()), "a batch of times")
    assert A.sigma(t).shape == (3,)
    s = torch.zeros(3, dtype=torch.float64)
    require_close(A.between(x, s, t), alone, 1e-12, 2 * float(x.abs().max()), "from the identity on")


@families
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_dtype_is_kept_and_gradients_flow(family, dtype):
    A = FAMILIES[family]((2, 5, 6))
    x = draw((2, 5, 6), 2, 0, dtype).requires_grad_()
    for t in (0.3, torch.tensor(0.3), torch.tensor([0.3, 0.9])):
        y = A(x, t)
        assert y.dtype == dtype and y.shape == x.shape and y.requires_grad
    assert torch.autograd.grad(y.sum(), x)[0].isfinite().all()
    before = x.detach().clone()
    A(x.detach(), 0.5).zero_()
    assert torch.equal(before, x.detach())  # the result is memory of its own


def test_the_released_mask_never_is_the_identity():
    """Without the factor p its middle is black for every p above 0."""
    ones = torch.ones(1, 1, 9, 9, dtype=torch.float64)
    assert SmoothMaskDegradation((1, 9, 9))(ones, 1e-3)[0, 0, 4, 4] > 0.99


@given(SHAPES, SEEDS, TIMES, TIMES)
def test_any_operator_fades_in(shape, seed, s, t):
    whole = CircularConvolution(motion_kernel(3, seed=1), shape)
    A, x, y = FadeDegradation(whole), draw(shape, 2, seed), draw(shape, 2, seed + 1)
    assert torch.equal(A(x, 0.0), x) and torch.equal(A(x, 1.0), whole(x))
    assert A.operator(1.0) is whole
    for at in (s, t):
        frozen = A.operator(at)
        require_close(frozen(x), A(x, at), 1e-13, float(x.norm()), "operator(t)")
        assert (frozen(x) * y).sum().item() == pytest.approx((x * frozen.adjoint(y)).sum().item(), abs=1e-9)
    moved = float((A(x, s) - A(x, t)).norm())
    assert moved <= A.lipschitz * abs(s - t) * float(x.norm()) + 1e-12
    with pytest.raises(NotImplementedError, match="no cheap transition"):
        A.between(x, 0.0, 0.5)


def test_only_what_keeps_the_shape_can_fade_in():
    for operator in (Downsample((1, 4, 4), 2), Saturate(GaussianBlur((1, 4, 4), 1.0))):
        with pytest.raises(ValueError, match="keeps the image's shape"):
            FadeDegradation(operator)


def test_a_family_that_does_not_say_what_it_does():
    with pytest.raises(NotImplementedError, match="must define _apply"):
        Degradation((1, 2, 2), 0.02, 0.1, (0.0, 1.0))(torch.zeros(1, 1, 2, 2), 0.5)


BAD = {
    "sigma": (lambda: IdentityDegradation((1, 2, 2), sigma_min=0.0), ValueError, "sigma_min must be above 0"),
    "sigmas": (lambda: IdentityDegradation((1, 2, 2), sigma_min=0.2), ValueError, "at most sigma_max; got 0.2 and 0.1"),
    "path": (lambda: IdentityDegradation((1, 2, 2), path=(0.0, 0.5)), ValueError, "from 0 to 1"),
    "falling path": (lambda: IdentityDegradation((1, 2, 2), path=(0.0, 0.5, 0.4, 1.0)), ValueError, "never fall"),
    "word path": (lambda: IdentityDegradation((1, 2, 2), path="ab"), TypeError, "path must be"),
    "shape": (lambda: IdentityDegradation((2, 2)), ValueError, r"\(C, H, W\)"),
    "padding": (lambda: BlurDegradation((1, 4, 4), 1.0, "replicate"), ValueError, "blur that grows"),
    "std": (lambda: BlurDegradation((1, 4, 4), -1.0), ValueError, "std"),
    "power": (lambda: SmoothMaskDegradation((1, 4, 4), power=0.0), ValueError, "power must be"),
    "box": (lambda: BoxDegradation((1, 4, 4), height=5), ValueError, "does not lie inside"),
    "t": (lambda: IdentityDegradation((1, 2, 2))(torch.zeros(1, 1, 2, 2), 1.5), ValueError, r"\[0, 1\]; got 1.5"),
    "t nan": (lambda: IdentityDegradation((1, 2, 2)).sigma(float("nan")), ValueError, r"\[0, 1\]"),
    "t of a batch": (
        lambda: IdentityDegradation((1, 2, 2))(torch.zeros(3, 1, 2, 2), torch.zeros(2)),
        ValueError,
        r"shape \(\) or \(3,\)",
    ),
    "t tensor": (lambda: IdentityDegradation((1, 2, 2)).sigma(torch.tensor([0.5, 1.2])), ValueError, "must lie in"),
    "t of ints": (lambda: IdentityDegradation((1, 2, 2)).sigma(torch.tensor(1)), TypeError, "float tensor"),
    "t word": (lambda: IdentityDegradation((1, 2, 2)).sigma("late"), TypeError, "got str"),
    "x": (lambda: IdentityDegradation((1, 2, 2))(torch.zeros(1, 1, 3, 2), 0.5), ValueError, r"shape \(B, 1, 2, 2\)"),
    "back": (
        lambda: IdentityDegradation((1, 2, 2)).between(torch.zeros(1, 1, 2, 2), 0.5, 0.25),
        ValueError,
        "no way back; got s = 0.5 and t = 0.25",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, error, says = BAD[case]
    with pytest.raises(error, match=says):
        call()


@on_each_device
@families
def test_on_another_device(family, device):
    A = FAMILIES[family]((3, 8, 7))
    x, t = draw((3, 8, 7), 3, 0), torch.tensor([0.0, 0.4, 1.0], dtype=torch.float64)
    torch.testing.assert_close(A(x.to(device), t.to(device)).cpu(), A(x, t), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(A(x.to(device), 0.4).cpu(), A(x, 0.4), rtol=1e-12, atol=1e-12)
