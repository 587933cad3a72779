"""Schedules of severities: the optimum is the optimum, the greedy one is what was published."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachdiff.data import portraits
from teachdiff.operators import BlurDegradation, BoxDegradation, IdentityDegradation, SmoothMaskDegradation
from teachdiff.problems import make_degradation
from teachdiff.scheduling import choose_path, distances, greedy, largest, optimal

SHAPE = (3, 16, 16)


def any_distances(seed, size):
    """No metric, and not growing with the interval."""
    d = torch.rand(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (d + d.mT) / 2


def line(size):
    """One picture that fades evenly: d = |s - t|."""
    i = torch.arange(size, dtype=torch.float64) / (size - 1)
    return (i[:, None] - i).abs()


@given(st.integers(0, 2**31), st.integers(2, 8), st.data())
def test_the_optimum_is_the_least_of_all_choices(seed, size, data):
    d, intervals = any_distances(seed, size), data.draw(st.integers(1, size - 1))
    every = ([0, *inner, size - 1] for inner in itertools.combinations(range(1, size - 1), intervals - 1))
    chosen = optimal(d, intervals)
    assert chosen[0] == 0 and chosen[-1] == size - 1
    assert len(chosen) == intervals + 1 and chosen == sorted(set(chosen))
    assert largest(d, chosen) == min(largest(d, choice) for choice in every)


@given(st.integers(0, 2**31), st.integers(3, 20), st.data())
def test_greedy_is_never_better(seed, size, data):
    d, intervals = any_distances(seed, size), data.draw(st.integers(1, size - 1))
    chosen = greedy(d, intervals)
    assert len(chosen) == intervals + 1 and chosen == sorted(set(chosen))
    assert largest(d, optimal(d, intervals)) <= largest(d, chosen)


def test_greedy_is_strictly_worse_where_it_was_proved():
    """Two points on an evenly fading picture: 1/2 beside 1/3; it is as good for 1, 3, 7 points, and in between not."""
    d = line(121)
    assert largest(d, greedy(d, 3)) == pytest.approx(1 / 2)
    assert largest(d, optimal(d, 3)) == pytest.approx(1 / 3)
    for intervals, ratio in ((2, 1.0), (4, 1.0), (5, 1.25), (6, 1.5), (8, 1.0)):
        assert largest(d, greedy(d, intervals)) * intervals == pytest.approx(ratio)
        assert largest(d, optimal(d, intervals)) * intervals == pytest.approx(1.0)


@pytest.mark.parametrize("distance", ["rms", "mse", "ssim"])
def test_on_pictures_the_optimum_makes_even_steps(distance):
    images = portraits(2, 16, seed=1)
    for A in (SmoothMaskDegradation(SHAPE), BlurDegradation(SHAPE, 1.2)):
        times = [i / 32 for i in range(33)]
        d = distances(A, images, times, distance)
        best, halved = optimal(d, 6), greedy(d, 6)
        assert largest(d, best) <= largest(d, halved)
        even = largest(d, [round(32 * i / 6) for i in range(7)])
        assert largest(d, best) < even
        path = choose_path(A, images, 6, distance=distance, candidates=33)
        assert path == tuple(times[i] for i in best)


def test_the_path_is_one_of_a_degradation():
    """t = k/6 on the chosen path is the k-th chosen severity, and the largest step in rms is what was found."""
    images = portraits(4, 16, seed=1)
    straight = make_degradation("inpaint_smooth", SHAPE)
    path = choose_path(straight, images, 6)
    A = make_degradation("inpaint_smooth", SHAPE, path=path)
    for k in range(7):
        torch.testing.assert_close(A(images, k / 6), straight(images, path[k]), rtol=0, atol=1e-6)
    found = distances(A, images, [k / 6 for k in range(7)], "rms")
    steps = found.diagonal(1)
    assert steps.max() / steps.min() < 1.3


def test_a_distance_of_ones_own():
    images = portraits(2, 16, seed=1)
    d = distances(BoxDegradation(SHAPE), images, [0.0, 0.5, 1.0], lambda a, b: (a - b).abs().amax((1, 2, 3)))
    assert d.shape == (3, 3) and torch.equal(d, d.mT) and float(d.diagonal().abs().max()) == 0


BAD = {
    "distance": (lambda: choose_path(IdentityDegradation(SHAPE), torch.zeros(1, *SHAPE), 2, distance="rmse"), "rms"),
    "choice": (lambda: choose_path(IdentityDegradation(SHAPE), torch.zeros(1, *SHAPE), 2, choice="best"), "choice"),
    "path": (
        lambda: choose_path(IdentityDegradation(SHAPE, path=(0, 0.5, 1)), torch.zeros(1, *SHAPE), 2),
        "straight one",
    ),
    "too many": (lambda: optimal(line(4), 4), "at most 3 intervals"),
    "none": (lambda: greedy(line(4), 0), "intervals must be 1 or more"),
    "no matrix": (lambda: greedy(torch.zeros(3), 1), "square matrix"),
    "nan": (lambda: optimal(line(4) * float("nan"), 2), "finite"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, says = BAD[case]
    with pytest.raises(ValueError, match=says):
        call()
