import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachdiff.noise import NoiseStream, sample_seeds
from teachdiff.operators import (
    CircularConvolution,
    Downsample,
    GaussianBlur,
    Grey,
    Identity,
    Mask,
    ReflectConvolution,
    box_mask,
    random_mask,
)
from teachdiff.problems import (
    TASKS,
    InverseProblem,
    make_operator,
    observe,
    sigma_from_unit_range,
    sigma_to_unit_range,
)
from teachdiff.testing.core import require_close
from tests.operators.house import HOUSE, SEEDS, SHAPES, draw

NAMES = [
    "denoise", "inpaint_box", "inpaint_random", "inpaint_smooth", "outpaint", "deblur_gaussian", "deblur_motion",
    "sr2", "sr4", "sr8", "sr16", "colorize",
]  # fmt: skip
every_task = pytest.mark.parametrize("task", NAMES)


# --- the problem ---


@pytest.mark.parametrize("name", HOUSE)
@given(SHAPES, SEEDS, st.floats(0, 2))
def test_observing_adds_noise_where_there_are_readings(name, shape, seed, sigma):
    A = HOUSE[name](shape, seed)
    x0, z = draw(A.input_shape, 2, seed), draw(A.output_shape, 2, seed + 1)
    problem = observe(A, x0, sigma, noise=z)
    assert problem.operator is A and problem.sigma == sigma and problem.batch == 2
    seen = torch.ones(A.output_shape, dtype=torch.bool)
    if isinstance(A, Mask):
        seen = A.mask.values > 0
    assert torch.equal(problem.y, A(x0) + sigma * torch.where(seen, z, 0.0))
    assert bool((problem.y[:, ~seen] == 0).all())
    assert torch.equal(problem.residual(x0), problem.y - A(x0))


@given(SEEDS, st.integers(1, 4))
def test_the_noise_of_a_sample_does_not_depend_on_its_batch(seed, cut):
    A, x0 = Identity((2, 3, 4)), draw((2, 3, 4), 5, 1, torch.float32)
    whole = observe(A, x0, 0.3, seed).y
    seeds = sample_seeds(seed, 5)
    parts = [observe(A, x0[:cut], 0.3, seeds[:cut]).y, observe(A, x0[cut:], 0.3, seeds[cut:]).y]
    assert torch.equal(whole, torch.cat(parts))
    assert torch.equal(whole, observe(A, x0, 0.3, seed).y)
    assert not torch.equal(whole, observe(A, x0, 0.3, seed + 1).y)
    z = (whole - x0).flatten(1)
    assert all(not torch.equal(z[i], z[j]) for i in range(5) for j in range(i))


def test_the_noise_is_the_same_in_every_dtype():
    A, x0 = Identity((1, 8, 8)), torch.zeros(2, 1, 8, 8)
    low, high = observe(A, x0, 1.0).y, observe(A, x0.double(), 1.0).y
    assert low.dtype == torch.float32 and high.dtype == torch.float64
    assert torch.equal(low, high.float())


def test_the_noise_is_standard_normal():
    """40 000 draws: mean, variance and fourth moment within 5 standard errors (false alarm 2e-6; the seed is fixed)."""
    z = observe(Identity((1, 200, 200)), torch.zeros(1, 1, 200, 200).double(), 1.0, seed=0).y
    n = z.numel()
    assert abs(float(z.mean())) < 5 / n**0.5
    assert abs(float(z.square().mean()) - 1) < 5 * (2 / n) ** 0.5
    assert abs(float(z.pow(4).mean()) - 3) < 5 * (96 / n) ** 0.5


def test_the_noise_of_the_measurement_is_not_the_noise_of_the_method():
    """The same seed in both places must not make the start of a chain a copy of the noise in y."""
    shape = (1, 64, 64)
    z = observe(Identity(shape), torch.zeros(2, *shape), 1.0, seed=0).y
    start = NoiseStream(0, 2)(1000, (2, *shape))
    correlation = (z * start).flatten(1).mean(1)
    assert float(correlation.abs().max()) < 5 / 64
    # nor of numpy's stream of that seed, from which a test or a data set may well have drawn the images
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((1, *shape)))
    z = observe(Identity(shape), torch.zeros_like(images), 1.0, seed=[0]).y
    assert abs(float((z * images).mean())) < 5 / 64


def test_a_problem_is_frozen_and_says_what_it_is():
    problem = observe(Identity((1, 2, 2)), torch.zeros(3, 1, 2, 2), 0.1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.sigma = 0.2
    assert repr(problem) == "InverseProblem(Identity((1, 2, 2)), y=(3, 1, 2, 2), sigma=0.1)"
    assert InverseProblem(problem.operator, problem.y, 0).sigma == 0.0


class Absolute:
    """Somebody's own operator, not linear, no subclass of anything."""

    input_shape = output_shape = (1, 2, 2)

    def __call__(self, x):
        return x.abs()


def test_any_callable_with_shapes_is_an_operator():
    x0 = draw((1, 2, 2), 2, 0)
    assert torch.equal(observe(Absolute(), x0, 0.0).y, x0.abs())


A = Mask(torch.tensor([[[0.0, 0.5, 1.0]]]))
Y = torch.zeros(2, 1, 1, 3)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: InverseProblem(A, torch.zeros(2, 1, 3, 1), 0.1), ValueError, r"y must have shape \(B, 1, 1, 3\)"),
        (lambda: InverseProblem(A, Y[0], 0.1), ValueError, r"y must have shape \(B, C, H, W\)"),
        (lambda: InverseProblem(A, Y.long(), 0.1), TypeError, "y must be a float tensor.*got torch.int64"),
        (lambda: InverseProblem(A, Y.numpy(), 0.1), TypeError, "y must be a torch.Tensor.*got ndarray"),
        (lambda: InverseProblem(A, Y + 0j, 0.1), TypeError, "y must be real; got torch.complex64"),
        (lambda: InverseProblem(A, Y * float("nan"), 0.1), ValueError, "y must be finite; 6 of its 6 values"),
        (lambda: InverseProblem(A, Y + float("inf"), 0.1), ValueError, "y must be finite"),
        (lambda: InverseProblem(A, Y + 1, 0.1), ValueError, "y must be 0 there; 2 values are not"),
        (lambda: InverseProblem(A, Y, -0.1), ValueError, "sigma.*0 or more; got -0.1"),
        (lambda: InverseProblem(A, Y, float("nan")), ValueError, "sigma.*must be finite"),
        (lambda: InverseProblem(A, Y, "0.1"), TypeError, "sigma must be a number; got str"),
        (lambda: InverseProblem("inpaint_box", Y, 0.1), TypeError, "operator must be an operator.*'inpaint_box'"),
        (lambda: InverseProblem(Mask, Y, 0.1), TypeError, "operator must be an operator"),
        (lambda: InverseProblem(torch.abs, Y, 0.1), TypeError, "operator must have input_shape"),
        (lambda: observe(A, torch.zeros(1, 1, 3, 1), 0.1), ValueError, r"x0 must have shape \(B, 1, 1, 3\)"),
        (lambda: observe(A, Y.int(), 0.1), TypeError, "x0 must be a float tensor"),
        (lambda: observe(A, Y + 0j, 0.1), TypeError, "x0 must be real"),
        (lambda: observe(A, Y * float("nan"), 0.1), ValueError, "x0 must be finite"),
        (lambda: observe(A, Y, -1), ValueError, "sigma is a standard deviation"),
        (lambda: observe(A, Y, 0.1, seed=-1), ValueError, "seed must be 0 or more"),
        (lambda: observe(A, Y, 0.1, seed=[1]), ValueError, "one per sample; got 1 for a batch of 2"),
        (lambda: observe(A, Y, 0.1, seed=0.5), TypeError, "seed must be an integer"),
        (lambda: observe(A, Y, 0.1, noise=Y[:1]), ValueError, "one draw per sample, 2 of them; got 1"),
        (lambda: observe(A, Y, 0.1, noise=Y.double()), TypeError, "noise must be torch.float32"),
        (lambda: observe(A, Y, 0.1, noise=Y * float("nan")), ValueError, "noise must be finite"),
    ],
)
def test_bad_input(build, error, message):
    with pytest.raises(error, match=message):
        build()


# --- units ---


@given(st.floats(0, 10))
def test_units_there_and_back(sigma):
    assert sigma_to_unit_range(sigma_from_unit_range(sigma)) == sigma


def test_units_are_those_of_the_images():
    """Noise added in [0, 1] and then stretched to [-1, 1] is noise of the converted sigma."""
    z, unit = draw((1, 2, 2), 1, 0), torch.full((1, 1, 2, 2), 0.4, dtype=torch.float64)
    stretched = 2 * (unit + 0.05 * z) - 1
    require_close(observe(Identity((1, 2, 2)), 2 * unit - 1, sigma_from_unit_range(0.05), noise=z).y, stretched,
                  1e-15, 1.0, "units")  # fmt: skip
    assert sigma_from_unit_range(0.05) == 0.1


@pytest.mark.parametrize("convert", [sigma_from_unit_range, sigma_to_unit_range])
def test_units_of_nonsense(convert):
    with pytest.raises(ValueError, match="0 or more"):
        convert(-1.0)


# --- the named tasks ---


def test_the_names_of_the_design():
    assert list(TASKS) == NAMES
    assert all(task.name == name and task.description for name, task in TASKS.items())


@every_task
def test_a_task_is_fixed_by_its_seed(task):
    shape = (3, 32, 48)
    x = draw(shape, 2, 0, torch.float32)
    first, again, other = (make_operator(task, shape, seed)(x) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert torch.equal(first, other) == (task not in ("inpaint_random", "deblur_motion"))


def test_every_task_is_what_its_line_says():
    shape = (3, 32, 48)
    x = draw(shape, 2, 0)
    expected = {
        "denoise": Identity(shape),
        "inpaint_box": Mask(box_mask(shape, 16, 24, 8, 12)),
        "inpaint_random": Mask(random_mask(shape, 0.7, 5)),
        "outpaint": Mask(1 - box_mask(shape, 16, 24, 8, 12)),
        "deblur_gaussian": GaussianBlur(shape, 3 * (32 / 256) ** 0.5, "reflect"),
        "sr2": Downsample(shape, 2, "average"),
        "sr4": Downsample(shape, 4, "average"),
        "sr8": Downsample(shape, 8, "average"),
        "sr16": Downsample(shape, 16, "average"),
        "colorize": Grey(shape, [1 / 3, 1 / 3, 1 / 3]),
    }
    for task, B in expected.items():
        assert torch.equal(make_operator(task, shape, seed=5)(x), B(x)), task
    smooth = make_operator("inpaint_smooth", shape)
    assert float(smooth.mask.values.min()) == 0 and float(smooth.mask.values.max()) > 0.9
    assert "kernel=(9, 9)" in repr(make_operator("deblur_motion", shape))


def test_sizes_that_the_docs_name():
    assert "std=3.0" in repr(make_operator("deblur_gaussian", (1, 256, 256)))
    assert "std=1.5" in repr(make_operator("deblur_gaussian", (1, 64, 64)))
    assert "kernel=(65, 65)" in repr(make_operator("deblur_motion", (1, 256, 256)))
    assert "kernel=(17, 17)" in repr(make_operator("deblur_motion", (1, 64, 64)))
    assert "kernel=(3, 3)" in repr(make_operator("deblur_motion", (1, 4, 4)))


@given(st.sampled_from(["denoise", "inpaint_box", "inpaint_random", "inpaint_smooth", "outpaint", "deblur_gaussian",
                        "deblur_motion", "colorize"]), SHAPES)  # fmt: skip
def test_tasks_take_images_of_any_size(task, shape):
    operator = make_operator(task, shape)
    assert operator.input_shape == shape
    assert bool(torch.isfinite(operator(draw(shape, 1, 0))).all())


def test_options():
    shape = (3, 16, 16)
    assert isinstance(make_operator("deblur_motion", shape), CircularConvolution)
    assert isinstance(make_operator("deblur_motion", shape, padding="reflect"), ReflectConvolution)
    assert "kernel=(5, 5)" in repr(make_operator("deblur_motion", shape, length=5))
    assert "std=2.0, padding='zero'" in repr(make_operator("deblur_gaussian", shape, std=2.0, padding="zero"))
    assert "kind='bicubic'" in repr(make_operator("sr4", shape, kind="bicubic"))
    assert make_operator("inpaint_box", shape, fill=-1.0).fill == -1.0
    assert "hidden='50.0%'" in repr(make_operator("inpaint_random", shape, drop=0.5))
    assert TASKS["deblur_motion"].options == {"length": None, "intensity": 0.5, "padding": "circular"}
    assert TASKS["denoise"].options == {}


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: make_operator("inpaint_bok", (3, 8, 8)), ValueError, "unknown task 'inpaint_bok'.*mean 'inpaint_box'"),
        (lambda: make_operator("sr4", (3, 10, 8)), ValueError, "multiples of the factor 4; got 10 x 8"),
        (lambda: make_operator("sr4", (3, 8)), ValueError, r"shape must be \(C, H, W\)"),
        (lambda: make_operator("sr4", (3, 8, 8), kidn="x"), ValueError, "option of sr4 'kidn'. Did you mean 'kind'"),
        (lambda: make_operator("denoise", (3, 8, 8), std=1.0), ValueError, "denoise takes no options; got 'std'"),
        (lambda: make_operator("deblur_motion", (3, 8, 8), padding="zero"), ValueError, "unknown padding 'zero'"),
        (lambda: make_operator("inpaint_random", (3, 8, 8), seed=-1), ValueError, "seed must be 0 or more"),
        (lambda: make_operator("denoise", (3, 8, 8), seed=None), TypeError, "seed must be a whole number"),
    ],
)
def test_bad_tasks(build, error, message):
    with pytest.raises(error, match=message):
        build()
