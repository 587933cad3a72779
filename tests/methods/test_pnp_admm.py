"""Plug and play: for a Gaussian prior each round and the limit are known exactly; the limit is the posterior mean."""

import pytest
import torch
from gaussian_case import SHAPE, N, World, random
from hypothesis import given, settings
from hypothesis import strategies as st

from teachdiff.exact import gaussian_posterior, materialise
from teachdiff.methods import pnp_admm
from teachdiff.methods.pnp_admm import data_step, noise_levels
from teachdiff.operators import CircularConvolution, Downsample, GaussianBlur, Grey, Identity, Mask, random_mask
from teachdiff.priors.gaussian import GaussianPrior

seeds = st.integers(0, 2**31)
I = torch.eye(N, dtype=torch.float64)
OPERATORS = {
    "identity": Identity((1, 3, 4)),
    "mask": Mask(random_mask((1, 3, 4), 0.4)),
    "torus": CircularConvolution(torch.tensor([[0.1, 0.6, 0.3]]), (1, 3, 4)),
    "blur": GaussianBlur((1, 3, 4), 0.8),
    "average": Downsample((1, 4, 4), 2),
    "grey": Grey((3, 2, 2)),
}


def white(world):
    """A prior with eigenvalues of 0.2 and more, so that the rounds converge in hundreds."""
    cov = world.cov + 0.2 * I
    return GaussianPrior.from_covariance(world.schedule, world.mean.view(SHAPE), cov), cov


def level(world, t):
    return ((1 - world.schedule.alpha_bar[t]) / world.schedule.alpha_bar[t]).sqrt().item()


@settings(max_examples=6)
@given(seeds, st.integers(5, 6), st.sampled_from([0.3, 1.0, 2.0]))
def test_the_limit_is_the_minimiser_and_for_lambda_1_the_posterior_mean(seed, t, lam):
    """(A^T A/sigma^2 + lam Sigma^-1) x = A^T y/sigma^2 + lam Sigma^-1 mu: the noise level of the denoiser drops out."""
    world = World(seed)
    prior, cov = white(world)
    x = pnp_admm(prior, world.problem, lam=lam, sigma_start=level(world, t), sigma_end=level(world, t), iterations=400)
    A, y, precision = world.matrix, world.problem.y.flatten(), lam * torch.linalg.inv(cov)
    system = A.mT @ A / world.sigma**2 + precision
    expected = torch.linalg.solve(system, A.mT @ y / world.sigma**2 + precision @ world.mean)
    torch.testing.assert_close(x.flatten(), expected, rtol=1e-9, atol=1e-9)
    mean, _ = gaussian_posterior(prior, world.problem)
    if lam == 1:
        torch.testing.assert_close(x, mean, rtol=1e-9, atol=1e-9)
    else:
        assert (x - mean).norm() > 1e-6


def textbook(world, cov, levels, lam):
    """ADMM with the unscaled multiplier p, dense: what x and z minimise is written out, and no rho is hidden in p."""
    A, y, mean = world.matrix, world.problem.y.flatten(), world.mean
    precision, s2 = lam * torch.linalg.inv(cov), world.sigma**2
    z, p = world.problem.operator.picture(world.problem.y).flatten(), torch.zeros(N, dtype=torch.float64)
    for sigma in levels:
        rho = lam / sigma**2
        x = torch.linalg.solve(A.mT @ A / s2 + rho * I, A.mT @ y / s2 + rho * z - p)
        z = torch.linalg.solve(precision + rho * I, precision @ mean + rho * x + p)
        p = p + rho * (x - z)
    return z


@given(seeds, st.integers(1, 5), st.sampled_from([0.5, 1.0]))
def test_every_round_is_the_textbooks_while_the_level_falls(seed, rounds, lam):
    world = World(seed)
    prior, cov = white(world)
    start, end = level(world, 6), level(world, 1)
    asked = noise_levels(world.sigma, start, end, rounds)
    levels = [level(world, world.schedule.nearest(sigma)) for sigma in asked]
    x = pnp_admm(prior, world.problem, lam=lam, sigma_start=start, sigma_end=end, iterations=rounds)
    torch.testing.assert_close(x.flatten(), textbook(world, cov, levels, lam), rtol=1e-9, atol=1e-9)


def test_a_dual_that_is_not_scaled_is_another_method():
    """The mutant forgets u <- u rho_old/rho: after two levels it is somewhere else."""
    world = World(3)
    _, cov = white(world)
    levels = [level(world, 6), level(world, 1)]
    z, u = world.problem.operator.picture(world.problem.y), torch.zeros(1, *SHAPE, dtype=torch.float64)
    for sigma in levels:
        x = data_step(world.problem.operator, world.problem.y, z - u, world.sigma**2 / sigma**2)
        gain = torch.linalg.solve(cov + sigma**2 * I, cov).mT
        z = (world.mean + gain @ ((x + u).flatten() - world.mean)).view(1, *SHAPE)
        u = u + x - z
    right = textbook(world, cov, levels, 1.0)
    assert (z.flatten() - right).abs().max() > 1e-3


@pytest.mark.parametrize("weight", [0.3, 1e-3, 4.0])
@pytest.mark.parametrize("name", OPERATORS)
def test_the_data_step_is_a_dense_solve(name, weight):
    operator = OPERATORS[name]
    y, q = random(1, 2, *operator.output_shape), random(2, 2, *operator.input_shape)
    A = materialise(operator, operator.input_shape)
    system = A.mT @ A + weight * torch.eye(A.shape[1], dtype=A.dtype)
    expected = torch.linalg.solve(system, (y.flatten(1) @ A + weight * q.flatten(1)).mT).mT
    got = data_step(operator, y, q, weight).flatten(1)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", OPERATORS)
def test_without_noise_the_data_step_keeps_y(name):
    operator = OPERATORS[name]
    clean = random(4, 2, *operator.input_shape)
    y, q = operator(clean), random(2, 2, *operator.input_shape)
    x = data_step(operator, y, q, 0.0)
    torch.testing.assert_close(operator(x), y, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(x - q, operator.pinv(operator(x - q)), rtol=1e-8, atol=1e-8)  # and nothing else moves


@given(seeds)
def test_a_denoiser_of_ones_own_is_used_as_it_is(seed):
    """The Gaussian's posterior mean, handed in as a function: no prior, and no rounding to a schedule's level."""
    world = World(seed)
    _, cov = white(world)
    levels, asked = noise_levels(world.sigma, 0.9, 0.31, 4), []

    def denoise(x, sigma):
        asked.append(sigma)
        gain = torch.linalg.solve(cov + sigma**2 * I, cov).mT
        return (world.mean + (x.flatten(1) - world.mean) @ gain.mT).view(x.shape)

    x = pnp_admm(None, world.problem, sigma_start=0.9, sigma_end=0.31, iterations=4, denoiser=denoise)
    torch.testing.assert_close(x.flatten(), textbook(world, cov, levels, 1.0), rtol=1e-9, atol=1e-9)
    assert asked == levels


def test_the_levels_fall_geometrically_and_end_at_sigma():
    levels = noise_levels(0.1, 0.8, None, 4)
    assert levels == pytest.approx([0.8, 0.4, 0.2, 0.1])
    assert noise_levels(0.1, 0.8, None, 1) == [0.8]
    assert noise_levels(0.0, 0.8, None, 3) == [0.8] * 3
    assert noise_levels(0.9, 0.8, None, 3) == [0.8] * 3
    assert noise_levels(0.0, 0.8, 0.2, 3) == pytest.approx([0.8, 0.4, 0.2])


def test_each_round_is_one_evaluation_and_is_observed():
    world, seen, calls = World(1), [], []

    class Counted:
        schedule = world.schedule

        def denoise(self, x_t, t):
            calls.append(int(t))
            return world.prior.denoise(x_t, t)

    x = pnp_admm(
        Counted(), world.problem, sigma_start=level(world, 6), iterations=5, on_step=lambda *step: seen.append(step)
    )
    assert [k for k, _, _ in seen] == [1, 2, 3, 4, 5]
    assert len(calls) == 5
    assert calls == sorted(calls, reverse=True)
    assert torch.equal(seen[-1][2], x)


def test_the_clamp_is_the_priors_choice_unless_told_otherwise():
    world = World(2)

    class Wide:
        schedule, clip_x0 = world.schedule, True

        def denoise(self, x_t, t):
            return 5 * torch.ones_like(x_t)

    assert pnp_admm(Wide(), world.problem).max() == 1
    assert pnp_admm(Wide(), world.problem, clip_x0=False).max() == 5


def test_rounds_that_diverge_are_named():
    world = World(2)
    with pytest.raises(FloatingPointError, match="diverged"):
        pnp_admm(None, world.problem, denoiser=lambda x, sigma: x * float("nan"))


BAD = {
    "lam": ({"lam": 0.0}, "lam must be above 0"),
    "sigma_start": ({"sigma_start": 0.0}, "sigma_start must be above 0"),
    "sigma_end": ({"sigma_end": -0.1}, "sigma_end must be finite"),
    "iterations": ({"iterations": 0}, "iterations must be 1 or more"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options_are_named(case):
    options, says = BAD[case]
    with pytest.raises(ValueError, match=says):
        pnp_admm(World(0).prior, World(0).problem, **options)
