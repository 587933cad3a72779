"""hypothesis strategies for tests of your own: shapes, seeds, schedules, operators, problems, exact priors.

    from hypothesis import given
    from teachdiff.testing import check_operator
    from teachdiff.testing.strategies import operators

    @given(operators())
    def test_what_i_make_of_any_operator(A):
        check_operator(mine(A))

Each draws structure and a seed, never thousands of floats, and shrinks to the smallest shape and seed 0.
"""

from typing import Any

import torch
from hypothesis import strategies as st

from teachdiff import schedules as made
from teachdiff.operators import Mask, Operator
from teachdiff.operators.base import Shape
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.problems import TASKS, InverseProblem, make_operator, observe
from teachdiff.schedules import Schedule
from teachdiff.testing.core import SEEDS, normal


def seeds() -> st.SearchStrategy[int]:
    """A seed, 0 first."""
    return st.integers(*SEEDS)


def shapes(channels: int = 3, side: int = 6) -> st.SearchStrategy[Shape]:
    """(C, H, W), odd and non-square ones and single pixels among them; at most `channels` and `side`."""
    return st.tuples(st.integers(1, channels), st.integers(1, side), st.integers(1, side))


def schedules(T: int = 50, respaced: bool = True) -> st.SearchStrategy[Schedule]:
    """Linear and cosine schedules of 1..T steps, and respaced ones.

    Arguments:
        respaced: False where a prior is to be made with it, since a prior counts its own steps 1..T.
    """

    @st.composite
    def drawn(draw: Any) -> Schedule:
        steps = draw(st.integers(1, T))
        schedule = draw(st.sampled_from([made.linear, made.cosine]))(T=steps)
        return schedule.respace(draw(st.integers(1, steps))) if respaced and draw(st.booleans()) else schedule

    return drawn()


def operators(shape: st.SearchStrategy[Shape] | None = None) -> st.SearchStrategy[Operator]:
    """The operator of any task that the shape allows, and masks that differ between channels.

    Without `shape` all tasks: those that take fewer pixels get images that are multiples of their factor.
    """

    @st.composite
    def drawn(draw: Any) -> Operator:
        size, seed = draw(shapes() if shape is None else shape), draw(seeds())
        tasks = [t for t in TASKS if shape is None or not (size[1] % factor_of(t) or size[2] % factor_of(t))]
        task = draw(st.sampled_from([*tasks, "soft mask"]))
        if task == "soft mask":
            return Mask(normal(size, seed).sigmoid() * (normal(size, seed + 1) > -0.5))
        factor = factor_of(task)
        if shape is None and factor > 1:
            size = (size[0], factor * min(size[1], 2), factor * min(size[2], 2))
        return make_operator(task, size, seed % 1000)

    return drawn()


def factor_of(task: str) -> int:
    """By which a task reduces height and width."""
    return int(task[2:]) if task.startswith("sr") else 1


def problems(operator: st.SearchStrategy[Operator] | None = None, batch: int = 3) -> st.SearchStrategy[InverseProblem]:
    """A measurement, float64, of 1..batch standard normal images; sigma from 0.01 to 1."""

    @st.composite
    def drawn(draw: Any) -> InverseProblem:
        A, seed, size = draw(operators() if operator is None else operator), draw(seeds()), draw(st.integers(1, batch))
        sigma = draw(st.sampled_from([0.01, 0.1, 0.5, 1.0]))
        return observe(A, normal((size, *A.input_shape), seed), sigma, seed=seed)

    return drawn()


def gaussian_priors(shape: Shape, schedule: Schedule) -> st.SearchStrategy[GaussianPrior]:
    """N(mu, Sigma) with a full covariance, sometimes of low rank."""

    def prior(seed: int, rank: int) -> GaussianPrior:
        n = torch.Size(shape).numel()
        factor = normal((n, min(rank, n)), seed)
        return GaussianPrior.from_covariance(schedule, normal(shape, seed + 1), factor @ factor.mT / n)

    return st.builds(prior, seeds(), st.integers(1, torch.Size(shape).numel()))


def mixture_priors(shape: Shape, schedule: Schedule) -> st.SearchStrategy[GaussianMixturePrior]:
    """One to three components with weights that differ."""
    parts = st.lists(gaussian_priors(shape, schedule), min_size=1, max_size=3)

    def prior(components: list[GaussianPrior]) -> GaussianMixturePrior:
        weights = torch.arange(1, len(components) + 1, dtype=torch.float64)
        return GaussianMixturePrior(weights / weights.sum(), components)

    return parts.map(prior)
