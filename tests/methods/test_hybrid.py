"""DPS first, DMPS afterwards: where it switches, for whom, and the exact law on both sides."""

import math

import pytest
import torch
from gaussian_case import SHAPE, N, NotLinear, World, assert_law, differs, one_pixel, random, small
from hypothesis import given
from hypothesis import strategies as st

from teachdiff import schedules
from teachdiff.exact import output_law
from teachdiff.methods import ddpm, dmps, dps, hybrid
from teachdiff.methods.hybrid import AT_20_DB
from teachdiff.metrics import psnr
from teachdiff.problems import InverseProblem
from teachdiff.schedules import posterior_mean

seeds = st.integers(0, 2**31)


def shift_of(world, switch_at):
    """DPS's likelihood step at t > switch_at, DMPS's from there on, as (matrix, vector)."""
    A, y = world.matrix, world.problem.y.flatten()

    def shift(step):
        weight = (1 - step.alpha) / math.sqrt(step.alpha)
        if step.t > switch_at:
            gain, offset = world.x0_hat(step.alpha_bar)
            pull = weight / world.sigma**2 * gain.mT @ A.mT
            return -pull @ A @ gain, pull @ (y - A @ offset)
        c = math.sqrt(step.alpha_bar)
        cov = world.sigma**2 * torch.eye(len(A), dtype=torch.float64) + (1 - c**2) / c**2 * A @ A.mT
        pull = weight * torch.linalg.solve(cov, A / c).mT
        return -pull @ A / c, pull @ y

    return shift


WHERE = [(None, 0, 0), (None, 2, 2), (None, 6, 6), ([2, 5, 6], 1, 2), ([2, 5, 6], 2, 5), (3, 2, 4)]


@given(seeds, st.sampled_from(WHERE))
def test_the_exact_law_where_k_counts_the_last_steps(seed, case):
    """(steps, k, the time at which the last k steps begin)."""
    world, (steps, k, switch_at) = World(seed), case
    expected = world.chain(world.schedule.respace(steps), small, shift_of(world, switch_at))
    assert_law(hybrid, world, expected, step="likelihood", steps=steps, switch=k)


@given(seeds)
def test_the_default_is_half(seed):
    world = World(seed)
    assert_law(hybrid, world, world.chain(world.schedule, small, shift_of(world, 3)), step="likelihood")


@given(seeds, st.integers(1, 6), st.data())
def test_started_at_a_level_it_begins_with_sdedits_start(seed, t_start, data):
    world = World(seed)
    k = data.draw(st.integers(0, t_start))
    alpha_bar = world.schedule.alpha_bar[t_start].item()
    picture = world.problem.operator.pinv(world.problem.y).flatten()
    start = alpha_bar**0.5 * picture, (1 - alpha_bar) * torch.eye(N, dtype=torch.float64)
    expected = world.chain(world.schedule.respace(start=t_start), small, shift_of(world, k), start=start)
    assert_law(hybrid, world, expected, step="likelihood", t_start=t_start, switch=k)


def test_both_readings_of_t_100_k_50_can_be_said():
    """100 steps spread over the schedule, the last 50 DMPS's; or the steps 100 ... 1 of 1000, the last 50 DMPS's."""
    prior, problem = one_pixel()
    for options, first, switch_at in [({"steps": 100}, 1000, 500), ({"t_start": 100}, 100, 50)]:
        seen, graphs = [], []

        class Watched:
            schedule = prior.schedule

            def denoise(self, x_t, t, graphs=graphs):
                graphs.append((int(t), x_t.requires_grad))
                return prior.denoise(x_t, t)

        hybrid(Watched(), problem, switch=50, zeta=0.1, on_step=lambda t, *_, seen=seen: seen.append(t), **options)
        assert len(seen) == 100 and seen[0] == first
        assert [t for t, graph in graphs if graph] == seen[:50]
        assert seen[50] == switch_at


def test_at_its_two_ends_it_is_dps_and_dmps():
    world = World(1)
    for step in ("norm", "likelihood"):
        whole = hybrid(world.prior, world.problem, switch=0, step=step, zeta=0.3, seed=2)
        assert torch.equal(whole, dps(world.prior, world.problem, step=step, zeta=0.3, seed=2))
    whole = hybrid(world.prior, world.problem, switch=6, lam=1.3, seed=2)
    assert torch.equal(whole, dmps(world.prior, world.problem, lam=1.3, seed=2))
    nothing = hybrid(world.prior, world.problem, zeta=0.0, lam=0.0, seed=2)
    assert torch.equal(nothing, ddpm(world.prior, world.problem, seed=2))


def test_in_one_dimension_against_the_posterior():
    """The posterior is 0.9901 with variance 0.0099. What DMPS does at the end is what remains; switched in the middle
    of 1000 steps the chain has forgotten that it began with DPS."""
    for options, mean, variance in [({"switch": 500}, 0.9636, 0.0086), ({"switch": 50}, 0.9936, 0.0070)]:
        found = output_law(hybrid, *one_pixel(), step="likelihood", **options)
        assert found[0].item() == pytest.approx(mean, abs=5e-5)
        assert found[1].item() == pytest.approx(variance, abs=5e-5)


# The rule


class Scripted:
    """A prior whose predictions are a script: one row of levels for each step, one column for each sample."""

    clip_x0 = False

    def __init__(self, script):
        self.schedule = schedules.linear(T=len(script), beta_min=0.02, beta_max=0.4)
        self.script, self.graphs = torch.tensor(script, dtype=torch.float64), []

    def denoise(self, x_t, t):
        self.graphs.append(x_t.requires_grad)
        row = self.script[len(self.graphs) - 1]
        return row.view(-1, 1, 1, 1) + 0 * x_t


def switched_at(script, monkeypatch):
    """Which steps, counted from 0, were DMPS's for each sample: the shifts are made to say so."""
    prior, world = Scripted(script), World(0)
    batch = len(script[0])
    problem = InverseProblem(world.problem.operator, world.problem.y.expand(batch, -1, -1, -1), 0.5)
    found = []
    for name, value in (("dps_guidance", 1e3), ("dmps_term", 2e3)):
        shift = lambda at, x_t, x0_hat=None, value=value: torch.full_like(x_t, value)  # noqa: E731
        monkeypatch.setitem(hybrid.__globals__, name, lambda *options, shift=shift: shift)

    def watch(t, x_t, x0_hat):
        found.append(x_t.clone())

    x0 = hybrid(prior, problem, switch="psnr", noise=lambda t, shape: torch.zeros(shape).double(), on_step=watch)
    after = [*found[1:], x0]
    late = []
    for k, (step, x, x_next) in enumerate(zip(prior.schedule.backwards(), found, after, strict=True)):
        mean = posterior_mean(prior.script[k].view(-1, 1, 1, 1), x, step.alpha, step.alpha_bar, step.alpha_bar_prev)
        late.append(((x_next - mean).mean((1, 2, 3)) > 1.5e3).tolist())
    return torch.tensor(late).mT.tolist(), prior.graphs


def test_the_rule_is_a_crossing_from_below_for_each_sample(monkeypatch):
    far, near = 0.3, 0.1  # changes of x0_hat: 10 log10(4/0.09) = 16.5 dB and 10 log10(4/0.01) = 26 dB
    moves = [
        [0, near, far, near, near, near],  # agrees, differs, agrees again: the third comparison
        [0, far, far, far, near, near],
        [0, near, near, near, near, near],  # never below 20 dB: stays with DPS
        [0, far, near, far, near, near],  # once switched, always switched
    ]
    script = torch.tensor(moves).cumsum(1).mT.tolist()
    late, graphs = switched_at(script, monkeypatch)
    assert late == [
        [False, False, False, True, True, True],
        [False, False, False, False, True, True],
        [False] * 6,
        [False, False, True, True, True, True],
    ]
    assert all(graphs)  # the third sample needs its gradient to the end
    without = [[row[i] for i in (0, 1, 3)] for row in script]
    late, graphs = switched_at(without, monkeypatch)
    assert [sum(row) for row in late] == [3, 2, 4]
    assert graphs == [True] * 5 + [False]  # known in step 4, used from the next on


def test_20_db_is_this_mean_square():
    x = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    assert psnr(x, x + AT_20_DB**0.5).item() == pytest.approx(20.0)


@given(seeds)
def test_each_sample_of_a_batch_switches_for_itself(seed):
    world = World(seed, T=4)
    problem = InverseProblem(world.problem.operator, random(seed, 3, 1, 1, 3), 0.5)

    class Wild:
        schedule = world.schedule

        def denoise(self, x_t, t):
            return 3 * world.prior.denoise(x_t, t)

    prior = Wild()
    listed = [5, 6, 7]
    whole = hybrid(prior, problem, switch="psnr", zeta=0.3, seed=listed)
    for i in range(3):
        one = InverseProblem(problem.operator, problem.y[i : i + 1], 0.5)
        alone = hybrid(prior, one, switch="psnr", zeta=0.3, seed=listed[i : i + 1])
        torch.testing.assert_close(alone, whole[i : i + 1], rtol=1e-12, atol=1e-12)


def test_the_wrong_order_has_another_law():
    """DMPS first and DPS afterwards, and a switch one step off."""
    world = World(5)
    right = world.chain(world.schedule, small, shift_of(world, 3))
    assert differs(hybrid, world, right, step="likelihood", switch=2) > 0.001
    assert differs(hybrid, world, right, step="likelihood", switch=4) > 0.001


BAD = {
    "switch beyond the chain": ({"switch": 7}, ValueError, r"0\.\.6"),
    "switch beyond a short chain": ({"switch": 5, "steps": 3}, ValueError, r"0\.\.3"),
    "switch below 0": ({"switch": -1}, ValueError, r"0\.\.6"),
    "another word": ({"switch": "ssim"}, ValueError, "'psnr'"),
    "a yes": ({"switch": True}, ValueError, "'psnr'"),
    "t_start": ({"t_start": 7}, ValueError, r"1\.\.6"),
    "step": ({"step": "nrom"}, ValueError, "Did you mean 'norm'"),
    "zeta": ({"zeta": -1.0}, ValueError, "zeta"),
    "lam": ({"lam": -1.0}, ValueError, "lam"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    world, (options, error, says) = World(0), BAD[case]
    with pytest.raises(error, match=says):
        hybrid(world.prior, world.problem, **options)


def test_it_needs_a_linear_operator():
    world = World(0)
    with pytest.raises(ValueError, match="hybrid needs a linear operator"):
        hybrid(world.prior, InverseProblem(NotLinear(world.matrix), world.problem.y, 0.5))
    assert hybrid(world.prior, world.problem).shape == (1, *SHAPE)
