"""The exact law of every affine method, against an independent recursion, to 1e-9."""

import math

import pytest
import torch
from gaussian_case import SHAPE, Matrix, N, World, assert_law, large, one_pixel, random, small
from hypothesis import given, settings
from hypothesis import strategies as st

from teachdiff import schedules
from teachdiff.exact import gaussian_posterior, output_law
from teachdiff.methods import ddim, ddpm, dps, score_ald, sdedit, tweedie
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import InverseProblem

seeds = st.integers(0, 2**31)
steps = st.sampled_from([None, 1, 3, [2, 5, 6], [1, 2]])


@given(seeds, steps, st.sampled_from([("small", small), ("large", large)]))
def test_ddpm(seed, steps, variance):
    world, (name, value) = World(seed), variance
    expected = world.chain(world.schedule.respace(steps), value)
    assert_law(ddpm, world, expected, steps=steps, variance=name)


@pytest.mark.parametrize("T", [1, 2, 7])
def test_large_variance_is_right_for_white_data_but_for_the_last_step(T):
    """For N(0, I) every step keeps N(0, I); the last adds no noise and leaves alpha_1."""
    schedule = schedules.linear(T=T, beta_min=0.1, beta_max=0.5)
    prior = GaussianPrior(schedule, torch.zeros(SHAPE), torch.ones(SHAPE))
    mean, cov = output_law(ddpm, prior, World(0).problem, variance="large")
    assert mean.abs().max() == 0
    torch.testing.assert_close(cov, schedule.alpha[1] * torch.eye(N, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("T", [1, 2, 7])
def test_small_variance_is_right_for_a_point(T):
    schedule = schedules.linear(T=T, beta_min=0.1, beta_max=0.5)
    point = random(5, *SHAPE)
    mean, cov = output_law(ddpm, GaussianPrior(schedule, point, torch.zeros(SHAPE)), World(0).problem)
    torch.testing.assert_close(mean, point, rtol=1e-12, atol=1e-12)
    assert cov.abs().max() < 1e-24


@given(seeds, steps)
def test_ddim_with_eta_1_is_ddpm_sample_by_sample(seed, steps):
    world = World(seed)
    a = ddim(world.prior, world.problem, eta=1.0, steps=steps, seed=seed)
    torch.testing.assert_close(a, ddpm(world.prior, world.problem, steps=steps, seed=seed), rtol=1e-9, atol=1e-9)


def test_deterministic_ddim_of_white_data_shrinks_by_cosines():
    """With x0_hat = sqrt(alpha_bar) x each step multiplies by cos(theta_t - theta_{t-1})."""
    schedule = schedules.linear(T=9, beta_min=0.05, beta_max=0.4)
    prior = GaussianPrior(schedule, torch.zeros(SHAPE), torch.ones(SHAPE))
    angles = schedule.alpha_bar.sqrt().acos()
    expected = torch.cos(angles.diff()).prod() ** 2
    _, cov = output_law(ddim, prior, World(0).problem)
    torch.testing.assert_close(cov, expected * torch.eye(N, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@settings(max_examples=6)
@given(seeds, st.floats(0, 1))
def test_every_ddim_converges_to_the_prior(seed, eta):
    world = World(seed)
    gaps = []
    for T in (60, 240):
        prior = GaussianPrior(
            schedules.linear(T=T, beta_min=0.1 / T, beta_max=28 / T),
            world.prior.mean.values,
            world.prior.variances.values,
            world.prior.basis,
        )
        mean, cov = output_law(ddim, prior, world.problem, eta=eta)
        gaps.append((cov - world.cov).norm().item() + (mean.flatten() - world.mean).norm().item())
    assert gaps[1] < 0.45 * gaps[0]


@given(seeds, steps)
def test_dps_with_the_likelihood_step(seed, steps):
    world = World(seed)
    A, y = world.matrix, world.problem.y.flatten()

    def shift(step):
        gain, offset = world.x0_hat(step.alpha_bar)
        pull = (1 - step.alpha) / math.sqrt(step.alpha) / world.sigma**2 * gain.mT @ A.mT
        return -pull @ A @ gain, pull @ (y - A @ offset)

    expected = world.chain(world.schedule.respace(steps), small, shift)
    assert_law(dps, world, expected, step="likelihood", steps=steps)


@given(seeds, steps, st.floats(0.5, 3), st.sampled_from(["bayes", "one"]))
def test_score_ald(seed, steps, gamma, coefficient):
    world = World(seed)
    A, y = world.matrix, world.problem.y.flatten()

    def shift(step):
        weight = (1 - step.alpha) / math.sqrt(step.alpha) if coefficient == "bayes" else 1.0
        pull = weight / (world.sigma**2 + (gamma / step.t) ** 2) * A.mT
        return -pull @ A, pull @ y

    expected = world.chain(world.schedule.respace(steps), small, shift)
    assert_law(score_ald, world, expected, gamma=lambda t: gamma / t, coefficient=coefficient, steps=steps)


@given(seeds, st.integers(1, 6))
def test_sdedit_starts_from_the_noised_measurement(seed, t_start):
    world = World(seed)
    alpha_bar = world.schedule.alpha_bar[t_start].item()
    picture = world.problem.operator.pinv(world.problem.y).flatten()
    start = alpha_bar**0.5 * picture, (1 - alpha_bar) * torch.eye(N, dtype=torch.float64)
    expected = world.chain(world.schedule.respace(start=t_start), small, start=start)
    assert_law(sdedit, world, expected, t_start=t_start)


@given(seeds, st.integers(1, 6))
def test_tweedie_is_the_posterior_mean_of_denoising(seed, t):
    world = World(seed)
    alpha_bar = world.schedule.alpha_bar[t].item()
    sigma = ((1 - alpha_bar) / alpha_bar) ** 0.5
    identity = torch.eye(N, dtype=torch.float64)

    class Picture(Matrix):
        def picture(self, y):
            return y.view(-1, *SHAPE)

    problem = InverseProblem(Picture(identity), random(seed + 9, 2, 1, 1, N), sigma)
    mean, _ = gaussian_posterior(world.prior, problem)
    torch.testing.assert_close(tweedie(world.prior, problem), mean, rtol=1e-8, atol=1e-8)


@given(seeds)
def test_the_exact_posterior_by_conditioning_the_joint_law(seed):
    """Precision form: (Sigma^-1 + A^T A / sigma^2)^-1, a formula that the library does not use."""
    world = World(seed)
    mean, cov = gaussian_posterior(world.prior, world.problem)
    inverse = torch.linalg.inv(world.cov)
    expected = torch.linalg.inv(inverse + world.matrix.mT @ world.matrix / world.sigma**2)
    b = inverse @ world.mean + world.matrix.mT @ world.problem.y.flatten() / world.sigma**2
    scale = torch.linalg.cond(world.cov).item() * 1e-12
    torch.testing.assert_close(cov, expected, rtol=1e-8, atol=max(1e-8, scale))
    torch.testing.assert_close(mean.flatten(), expected @ b, rtol=1e-7, atol=max(1e-7, scale))


def test_dps_in_one_dimension_against_the_posterior():
    """Prior N(0, 1), sigma = 0.1, y = 1, T = 1000: the posterior is 0.9901 with variance 0.0099; DPS with the
    likelihood step is too sure of itself, 1.0000 with variance 0.0043."""
    prior, problem = one_pixel()
    exact_mean, exact_cov = gaussian_posterior(prior, problem)
    assert exact_mean.item() == pytest.approx(1 / 1.01)
    assert exact_cov.item() == pytest.approx(0.01 / 1.01)
    mean, cov = output_law(dps, prior, problem, step="likelihood")
    assert mean.item() == pytest.approx(1.0, abs=5e-5)
    assert cov.item() == pytest.approx(0.0043, abs=5e-5)


def test_a_method_that_is_not_affine_has_no_exact_law():
    world = World(0)
    with pytest.raises(ValueError, match="not affine"):
        output_law(dps, world.prior, world.problem, step="norm")
    with pytest.raises(ValueError, match="not affine"):
        output_law(ddpm, world.prior, world.problem, clip_x0=True)


def test_the_law_is_of_one_problem():
    world = World(0)
    batch = InverseProblem(world.problem.operator, world.problem.y.expand(2, -1, -1, -1), 1.0)
    with pytest.raises(ValueError, match="one problem"):
        output_law(ddpm, world.prior, batch)


def test_a_singular_system_is_named():
    world = World(0)
    twice = InverseProblem(Matrix(torch.ones(2, N, dtype=torch.float64)), torch.zeros(1, 1, 1, 2), 0.0)
    with pytest.raises(ValueError, match="singular"):
        gaussian_posterior(world.prior, twice)
