"""SDEdit with a mask and in several round trips: the exact law, what is kept, and what is refused."""

import pytest
import torch
from gaussian_case import SHAPE, N, World, random
from hypothesis import given
from hypothesis import strategies as st

from teachdiff.exact import output_law
from teachdiff.methods import sdedit
from teachdiff.operators import Downsample, Mask
from teachdiff.problems import InverseProblem

seeds = st.integers(0, 2**31)
I = torch.eye(N, dtype=torch.float64)
SEEN = torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=torch.float64)


def masked_problem(seed, batch=1, fill=0.0):
    mask = Mask(SEEN.view(SHAPE), fill)
    return InverseProblem(mask, random(seed, batch, *SHAPE) * mask.measured.values, 0.3)


def round_trip(world, schedule, y, mean, cov, masked, late=False):
    """Noise N(mean, cov) up to the first level and walk back; each row of the step is y's or the chain's own.

    `late` puts y back at the level that the iterate has left, a mistake.
    """
    alpha_bar = schedule.alpha_bar[-1].item()
    mean, cov = alpha_bar**0.5 * mean, alpha_bar * cov + (1 - alpha_bar) * I
    for step in schedule.backwards():
        mean_prev, cov_prev = world.marginal(step.alpha_bar_prev)
        gain, offset = world.regress(step.alpha**0.5 * cov_prev, mean_prev, step.alpha_bar)
        before = 1 - step.alpha_bar_prev
        variance = (before - step.alpha * before**2 / (1 - step.alpha_bar)) * torch.ones(N, dtype=torch.float64)
        if masked:
            level = step.alpha_bar if late else step.alpha_bar_prev
            gain, offset = (1 - SEEN)[:, None] * gain, (1 - SEEN) * offset + SEEN * level**0.5 * y
            variance = (1 - SEEN) * variance + SEEN * (1 - level)
        mean, cov = gain @ mean + offset, gain @ cov @ gain.mT
        if step.t_prev > 0:
            cov = cov + torch.diag(variance)
    return mean, cov


@given(seeds, st.integers(1, 6), st.integers(1, 3), st.booleans(), st.sampled_from([0.0, -1.0]))
def test_the_exact_law(seed, t_start, repeats, masked, fill):
    world, problem = World(seed), masked_problem(seed, fill=fill)
    y = problem.y.flatten()
    expected = y + (1 - SEEN) * fill, 0 * I
    for _ in range(repeats):
        expected = round_trip(world, world.schedule.respace(start=t_start), y, *expected, masked)
    mean, cov = output_law(sdedit, world.prior, problem, t_start=t_start, repeats=repeats, masked=masked)
    torch.testing.assert_close(mean.flatten(), expected[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(cov, expected[1], rtol=1e-9, atol=1e-9)


def test_the_law_rejects_the_level_that_was_left():
    world, problem = World(1), masked_problem(1)
    y = problem.y.flatten()
    wrong = round_trip(world, world.schedule.respace(start=5), y, y, 0 * I, True, late=True)
    _, cov = output_law(sdedit, world.prior, problem, t_start=5, masked=True)
    assert (cov - wrong[1]).abs().max() > 1e-3


@given(seeds, st.integers(1, 3))
def test_what_was_seen_is_kept_and_the_hole_is_made_up(seed, repeats):
    world, problem = World(seed), masked_problem(seed, batch=2)
    x = sdedit(world.prior, problem, masked=True, repeats=repeats, seed=seed)
    seen = SEEN.view(SHAPE) == 1
    assert torch.equal(x[:, seen], problem.y[:, seen])
    assert (x[:, ~seen] != 0).all()
    assert not torch.allclose(sdedit(world.prior, problem, repeats=repeats, seed=seed)[:, seen], problem.y[:, seen])


def test_draws_of_each_round_trip_are_fresh_and_one_a_step():
    world, problem, asked, seen = World(2), masked_problem(2), [], []

    def noise(t, shape):
        asked.append((t, shape))
        return random(len(asked), *shape)

    sdedit(
        world.prior, problem, t_start=3, repeats=2, masked=True, noise=noise,
        on_step=lambda t, x_t, x0_hat: seen.append(t),
    )  # fmt: skip
    assert asked == [(t, (1, *SHAPE)) for t in (3, 2, 1, 3, 2, 1)]
    assert seen == [3, 2, 1, 3, 2, 1]
    once = sdedit(world.prior, problem, t_start=3, seed=5)
    assert not torch.equal(once, sdedit(world.prior, problem, t_start=3, repeats=2, seed=5))


@pytest.mark.parametrize(
    "operator", [Mask(0.5 * SEEN.view(SHAPE)), Downsample(SHAPE, 2)], ids=["a dimming mask", "another operator"]
)
def test_only_a_mask_of_0_and_1_can_put_pixels_back(operator):
    world = World(0)
    problem = InverseProblem(operator, torch.zeros(1, *operator.output_shape, dtype=torch.float64), 0.1)
    with pytest.raises(ValueError, match=r"needs a mask of 0 and 1.*masked=False"):
        sdedit(world.prior, problem, masked=True)
    assert sdedit(world.prior, problem).isfinite().all()


def test_no_round_trip_is_none():
    with pytest.raises(ValueError, match="repeats must be 1 or more"):
        sdedit(World(0).prior, World(0).problem, repeats=0)
