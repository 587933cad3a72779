"""ScoreALD as first published, by annealed Langevin moves: its exact law, where it settles, the released weight."""

import math

import pytest
import torch
from gaussian_case import SHAPE, N, World, random
from hypothesis import given, settings
from hypothesis import strategies as st

from teachdiff.exact import output_law
from teachdiff.methods import score_ald
from teachdiff.noise import sample_seeds
from teachdiff.problems import InverseProblem

seeds = st.integers(0, 2**31)
I = torch.eye(N, dtype=torch.float64)


def langevin(*arguments, **options):
    return score_ald(*arguments, chain="langevin", **options)


def recursion(world, schedule, gamma, c, inner, noise_factor=2.0, tempering=lambda sigma_t: sigma_t):
    """Mean and covariance, move by move; the score of v is that of N(mu, Sigma + sigma_t^2 I), by its definition."""
    A, y = world.matrix, world.problem.y.flatten()
    mean, cov = torch.zeros(N, dtype=torch.float64), None
    for alpha_bar in schedule.alpha_bar.flip(0)[:-1].tolist():
        variance = (1 - alpha_bar) / alpha_bar
        cov = I / alpha_bar if cov is None else cov
        eta = c * variance
        precision = torch.linalg.inv(world.cov + variance * I)
        likelihood = A.mT / (world.sigma**2 + (gamma * tempering(variance**0.5)) ** 2)
        gain = I - eta * (precision + likelihood @ A)
        for _ in range(inner):
            mean = gain @ mean + eta * (precision @ world.mean + likelihood @ y)
            cov = gain @ cov @ gain.mT + noise_factor * eta * I
    return mean, cov


@given(seeds, st.sampled_from([None, 1, 3, [2, 5, 6]]), st.integers(1, 3), st.floats(0.5, 2), st.floats(0.01, 0.1))
def test_the_exact_law(seed, steps, inner, gamma, c):
    world = World(seed)
    mean, cov = output_law(
        langevin, world.prior, world.problem, gamma=gamma, step_size=c, inner=inner, steps=steps
    )
    expected = recursion(world, world.schedule.respace(steps), gamma, c, inner)
    torch.testing.assert_close(mean.flatten(), expected[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(cov, expected[1], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("wrong", [{"noise_factor": 1.0}, {"tempering": lambda sigma_t: 1.0}, {"inner": 1}, {"c": 0.2}])
def test_the_law_rejects_a_wrong_twin(wrong):
    world = World(1)
    options = {"gamma": 0.7, "c": 0.1, "inner": 2}
    expected = recursion(world, world.schedule, **(options | wrong))
    mean, cov = output_law(langevin, world.prior, world.problem, gamma=0.7, step_size=0.1, inner=2)
    assert max((mean.flatten() - expected[0]).abs().max(), (cov - expected[1]).abs().max()) > 1e-3


@settings(max_examples=3)
@given(seeds)
def test_many_moves_at_one_level_reach_the_widened_law_that_is_proved(seed):
    """Precision P: variance 1/P 1/(1 - eta P/2), mean P^-1 b (derivations: likelihood_score.langevin)."""
    world = World(seed)
    t, c, gamma = 6, 0.05, 1.3
    variance = ((1 - world.schedule.alpha_bar[t]) / world.schedule.alpha_bar[t]).item()
    eta, A = c * variance, world.matrix
    likelihood = A.mT / (world.sigma**2 + gamma**2 * variance)
    precision = torch.linalg.inv(world.cov + variance * I)
    P = precision + likelihood @ A
    moves = math.ceil(25 / (eta * torch.linalg.eigvalsh(P).min().item()))  # the slowest direction keeps e^-25
    mean, cov = output_law(
        langevin, world.prior, world.problem, steps=[t], inner=moves, gamma=gamma, step_size=c
    )
    b = precision @ world.mean + likelihood @ world.problem.y.flatten()
    torch.testing.assert_close(mean.flatten(), torch.linalg.solve(P, b), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(cov, torch.linalg.inv(P @ (I - eta * P / 2)), rtol=1e-7, atol=1e-7)


def test_each_level_asks_once_for_stacked_draws_and_the_first_for_the_start_too():
    world, asked, seen = World(2), [], []

    def noise(t, shape):
        asked.append((t, shape))
        return random(t, *shape)

    langevin(
        world.prior, world.problem, inner=3, steps=[2, 4], noise=noise, on_step=lambda t, x_t, x0_hat: seen.append(t)
    )
    assert asked == [(4, (1, 4, *SHAPE)), (2, (1, 3, *SHAPE))]
    assert seen == [4, 4, 4, 2, 2, 2]


def test_the_observer_sees_the_variance_preserving_iterate():
    world, seen = World(3), []
    langevin(world.prior, world.problem, inner=1, on_step=lambda *step: seen.append(step))
    for t, x_t, x0_hat in seen:
        torch.testing.assert_close(x0_hat, world.prior.denoise(x_t, t), rtol=1e-12, atol=1e-12)


def test_gamma_may_be_a_function_of_t():
    world = World(4)
    same = langevin(world.prior, world.problem, gamma=lambda t: 0.8, seed=1)
    assert torch.equal(same, langevin(world.prior, world.problem, gamma=0.8, seed=1))
    other = langevin(world.prior, world.problem, gamma=lambda t: 0.8 + t, seed=1)
    assert not torch.allclose(same, other)


def one_move(world, **options):
    """What one move at the first level adds beside v and the noise, over eta."""
    noise = lambda t, shape: torch.zeros(shape, dtype=torch.float64) + start  # noqa: E731
    start = random(8, len(world.problem.y), 1, *SHAPE)
    alpha_bar = world.schedule.alpha_bar[6].item()
    eta = 0.1 * (1 - alpha_bar) / alpha_bar
    moved = langevin(world.prior, world.problem, steps=[6], inner=1, noise=noise, **options)
    v = start[:, 0] / alpha_bar**0.5
    return v, (moved - v - (2 * eta) ** 0.5 * start[:, 0]) / eta


@given(seeds)
def test_the_released_weight_is_so_many_times_the_score_in_length(seed):
    world = World(seed)
    world.problem = InverseProblem(world.problem.operator, random(seed, 2, 1, 1, 3), 0.5)
    v, faint = one_move(world, gamma=1e9)  # the score alone
    _, matched = one_move(world, match=5.0)
    likelihood = matched - faint
    direction = world.problem.operator.adjoint(world.problem.residual(v))
    for s, g, d in zip(faint.flatten(1), likelihood.flatten(1), direction.flatten(1), strict=True):
        assert g.norm().item() == pytest.approx(5 * s.norm().item(), rel=1e-6)
        assert ((g @ d) / (g.norm() * d.norm())).item() == pytest.approx(1, abs=1e-9)
    _, again = one_move(world, match=5.0, gamma=0.3)
    torch.testing.assert_close(again, matched, rtol=1e-9, atol=1e-9)  # gamma drops out


@given(seeds)
def test_the_released_weight_is_each_samples_own(seed):
    world = World(seed)
    problem = InverseProblem(world.problem.operator, random(seed, 3, 1, 1, 3), 0.5)
    whole = langevin(world.prior, problem, match=5.0, seed=seed)
    listed = sample_seeds(seed, 3)
    for i in range(3):
        part = InverseProblem(problem.operator, problem.y[i : i + 1], 0.5)
        alone = langevin(world.prior, part, match=5.0, seed=listed[i : i + 1])
        torch.testing.assert_close(alone, whole[i : i + 1], rtol=1e-10, atol=1e-10)


def test_a_measurement_that_is_met_pulls_nowhere():
    world = World(5)
    blind = InverseProblem(world.problem.operator, torch.zeros_like(world.problem.y), 0.5)
    noise = lambda t, shape: torch.zeros(shape, dtype=torch.float64)  # noqa: E731
    moved = langevin(world.prior, blind, steps=[6], inner=1, noise=noise, match=5.0)
    assert moved.isfinite().all()


BAD = {
    "chain": ({"chain": "langevan"}, ValueError, "Did you mean 'langevin'"),
    "inner": ({"inner": 0}, ValueError, "inner must be 1 or more"),
    "step_size": ({"step_size": 0.0}, ValueError, "step_size must be above 0"),
    "match": ({"match": -5.0}, ValueError, "match must be finite and 0 or more"),
    "gamma": ({"gamma": -1.0}, ValueError, "gamma"),
    "too large a step": ({"step_size": 1e9, "inner": 60}, FloatingPointError, "smaller step_size"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options_are_named(case):
    options, error, says = BAD[case]
    with pytest.raises(error, match=says):
        score_ald(World(0).prior, World(0).problem, **({"chain": "langevin"} | options))


def test_without_noise_and_tempering_there_is_no_score():
    world = World(0)
    with pytest.raises(ValueError, match="gamma above 0"):
        langevin(world.prior, InverseProblem(world.problem.operator, world.problem.y, 0.0), gamma=0.0)
