"""The strategies draw what is valid, reach what is odd, and shrink to what is smallest."""

import pytest
import torch
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from teachdiff import schedules as made
from teachdiff.methods import dps
from teachdiff.operators import Identity, Mask
from teachdiff.problems import TASKS, InverseProblem
from teachdiff.testing import check_operator, check_prior, check_schedule, strategies
from teachdiff.testing.core import normal

SCHEDULE = made.linear(T=10, beta_max=0.3)
SHAPE = (1, 2, 3)
STEADY = settings(max_examples=500, derandomize=True, database=None)


def smallest(strategy, condition=lambda drawn: True):
    """What hypothesis shrinks to, among the draws that have a property; an error where it finds none."""
    return find(strategy, condition, settings=settings(STEADY, max_examples=100))


def some(strategy, condition):
    """A draw that has a property; an error where there is none."""
    return find(strategy, condition, settings=settings(STEADY, phases=[Phase.generate]))


# Valid.


@given(strategies.shapes(channels=2, side=4))
def test_shapes_stay_within_their_bounds(shape):
    c, h, w = shape
    assert 1 <= c <= 2 and 1 <= h <= 4 and 1 <= w <= 4


@settings(max_examples=15)
@given(strategies.schedules(T=12))
def test_schedules_obey_the_laws(schedule):
    assert 1 <= schedule.T <= 12
    check_schedule(schedule)


@settings(max_examples=10)
@given(strategies.operators(strategies.shapes(channels=2, side=4)))
def test_operators_obey_the_laws(operator):
    check_operator(operator)


@settings(max_examples=15)
@given(strategies.problems())
def test_problems_are_of_their_operator(problem):
    assert isinstance(problem, InverseProblem)
    assert 1 <= len(problem.y) <= 3 and tuple(problem.y.shape[1:]) == problem.operator.output_shape
    assert problem.y.dtype == torch.float64 and bool(torch.isfinite(problem.y).all())
    assert 0.01 <= problem.sigma <= 1


@settings(max_examples=6)
@given(strategies.gaussian_priors(SHAPE, SCHEDULE))
def test_gaussian_priors_obey_the_laws(prior):
    assert prior.schedule is SCHEDULE and prior.shape == SHAPE
    check_prior(prior)


@settings(max_examples=6)
@given(strategies.mixture_priors(SHAPE, SCHEDULE))
def test_mixture_priors_obey_the_laws(prior):
    assert prior.schedule is SCHEDULE and prior.shape == SHAPE
    check_prior(prior)


@settings(max_examples=10)
@given(st.data())
def test_they_fit_together(data):
    """What the page's example does: a problem, a schedule and a prior for the two."""
    operators = strategies.operators(strategies.shapes(channels=2, side=3))
    problem, schedule = data.draw(strategies.problems(operators)), data.draw(strategies.schedules(T=5, respaced=False))
    prior = data.draw(strategies.gaussian_priors(problem.operator.input_shape, schedule))
    x = dps(prior, problem)
    assert tuple(x.shape) == (len(problem.y), *problem.operator.input_shape)


# Odd.


@pytest.mark.parametrize(
    "odd",
    [
        lambda c, h, w: (h, w) == (1, 1) and c > 1,
        lambda c, h, w: h % 2 == 1 and w % 2 == 0,
        lambda c, h, w: h > w > 1,
        lambda c, h, w: w > h == 1,
        lambda c, h, w: (c, h, w) == (3, 6, 6),
    ],
    ids=["one pixel", "odd", "not square", "a line", "the largest"],
)
def test_shapes_reach(odd):
    some(strategies.shapes(), lambda shape: odd(*shape))


def test_schedules_reach_both_kinds_and_respaced_ones():
    full = st.builds(lambda schedule: schedule.alpha_bar.tolist(), strategies.schedules(T=4))
    for kind in (made.linear, made.cosine):
        some(full, lambda bars, kind=kind: bars == kind(T=3).alpha_bar.tolist())
    respaced = some(strategies.schedules(), lambda schedule: schedule.start > schedule.T > 1)
    assert respaced.timesteps.tolist()[-1] == respaced.start


def test_operators_reach_every_task(monkeypatch):
    asked = []
    make = strategies.make_operator
    monkeypatch.setattr(strategies, "make_operator", lambda task, *rest: asked.append(task) or make(task, *rest))

    @settings(STEADY, phases=[Phase.generate])
    @given(strategies.operators())
    def draw(operator):
        pass

    draw()
    assert set(asked) == set(TASKS)


def test_operators_reach_masks_that_differ_between_channels():
    def soft(A):
        values = A.mask.values if isinstance(A, Mask) else torch.zeros(1, 1, 1)
        between = bool(((values > 0) & (values < 1)).any())
        return between and len(values) > 1 and not torch.equal(values[0], values[1])

    some(strategies.operators(), soft)


def test_operators_take_the_shapes_that_they_are_given():
    @settings(STEADY, max_examples=100)
    @given(strategies.operators(st.just((2, 3, 4))))
    def draw(operator):
        assert operator.input_shape == (2, 3, 4)

    draw()
    even = some(strategies.operators(st.just((1, 4, 6))), lambda A: A.output_shape == (1, 2, 3))
    assert even.input_shape == (1, 4, 6)
    coarse = some(strategies.operators(), lambda A: A.output_shape[1:] < A.input_shape[1:])
    assert coarse.input_shape[1] % coarse.output_shape[1] == 0


def test_problems_reach_batches_and_little_noise():
    problem = some(strategies.problems(), lambda p: len(p.y) == 3 and p.sigma == 0.01)
    assert not torch.equal(problem.y[0], problem.y[1])


def test_priors_reach_low_rank_and_several_components():
    n = torch.Size(SHAPE).numel()

    def rank(prior):
        return int((prior.variances.values > 1e-9 * prior.variances.values.max()).sum())

    priors = strategies.gaussian_priors(SHAPE, SCHEDULE)
    assert rank(some(priors, lambda p: rank(p) == 1)) == 1
    assert rank(some(priors, lambda p: rank(p) == n)) == n
    mixture = some(strategies.mixture_priors(SHAPE, SCHEDULE), lambda p: len(p.components) == 3)
    weights = mixture.weights.values.tolist()
    assert len(set(weights)) == 3 and sum(weights) == pytest.approx(1)


# Small.


def test_they_shrink():
    assert smallest(strategies.seeds()) == 0
    assert smallest(strategies.shapes()) == (1, 1, 1)
    assert smallest(strategies.schedules()).T == 1
    operator = smallest(strategies.operators())
    assert isinstance(operator, Identity) and operator.input_shape == (1, 1, 1)
    problem = smallest(strategies.problems(strategies.operators(strategies.shapes(side=3))))
    assert tuple(problem.y.shape) == (1, 1, 1, 1) and problem.operator.input_shape == (1, 1, 1)
    prior = smallest(strategies.gaussian_priors(SHAPE, SCHEDULE))
    assert torch.equal(prior.mean.values, normal(SHAPE, 1))
    assert len(smallest(strategies.mixture_priors(SHAPE, SCHEDULE)).components) == 1


def test_what_breaks_shrinks_to_the_smallest_that_breaks():
    """A method that fails for batches of two, on images of two rows, is shown exactly that."""
    small = strategies.operators(strategies.shapes(side=3))
    broken = smallest(strategies.problems(small), lambda p: len(p.y) > 1 and p.operator.input_shape[1] > 1)
    assert len(broken.y) == 2 and broken.operator.input_shape == (1, 2, 1)


def test_a_law_that_breaks_inside_a_test_shrinks_with_its_object():
    """One draw of the law's for each of the test's own, so no test is run inside another."""
    seen = []

    class Doubled(Identity):
        def _adjoint(self, y):
            return 2 * y

    @STEADY
    @given(strategies.shapes(side=3))
    def broken(shape):
        seen.append(shape)
        check_operator(Doubled(shape), only=["dot_test"])

    with pytest.raises(ExceptionGroup) as caught:
        broken()
    assert seen[-1] == (1, 1, 1)
    (error,) = caught.value.exceptions
    assert str(error).startswith("dot_test") and "batch = 1, seed of x = 0" in str(error)
