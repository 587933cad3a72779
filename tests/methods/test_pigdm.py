"""PiGDM: its exact law, the methods at the two ends of its scale, and what it is right for."""

import math

import pytest
import torch
from gaussian_case import SHAPE, N, NotLinear, World, assert_law, differs, one_pixel, random, small
from hypothesis import given, settings
from hypothesis import strategies as st

from teachdiff import schedules
from teachdiff.exact import gaussian_posterior, output_law
from teachdiff.methods import ddpm, dps, pigdm
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import InverseProblem

seeds = st.integers(0, 2**31)
steps = st.sampled_from([None, 1, 3, [2, 5, 6], [1, 2]])


def expected(world, steps=None, tau=1.0):
    A, y = world.matrix, world.problem.y.flatten()

    def shift(step):
        gain, offset = world.x0_hat(step.alpha_bar)
        # The variance of x_0 given x_t, by regression: 1/(prior precision + precision of x_t).
        precision = 1 / tau**2 + step.alpha_bar / (1 - step.alpha_bar)
        cov = world.sigma**2 * torch.eye(len(A), dtype=torch.float64) + A @ A.mT / precision
        pull = (1 - step.alpha) / math.sqrt(step.alpha) * gain.mT @ torch.linalg.solve(cov, A).mT
        return -pull @ A @ gain, pull @ (y - A @ offset)

    return world.chain(world.schedule.respace(steps), small, shift)


@given(seeds, steps, st.floats(0.1, 3))
def test_the_exact_law(seed, steps, tau):
    world = World(seed)
    assert_law(pigdm, world, expected(world, steps, tau), steps=steps, tau=tau)


@given(seeds)
def test_the_default_is_the_papers(seed):
    world = World(seed)
    assert_law(pigdm, world, expected(world, tau=1.0))


def test_in_one_dimension_against_the_posterior():
    """The posterior is 0.9901 with variance 0.0099: here the term is exact, and what is missing in the variance is
    the chain's small one."""
    mean, cov = output_law(pigdm, *one_pixel())
    assert mean.item() == pytest.approx(0.9901, abs=5e-5)
    assert cov.item() == pytest.approx(0.0092, abs=5e-5)


@settings(max_examples=4)
@given(seeds)
def test_it_converges_to_the_posterior_of_white_data_with_the_right_tau(seed):
    """Prior N(mu, tau^2 I) and any matrix: the error falls to 0.31 to 0.32 of itself as T doubles twice; with
    another tau a part of it stays."""
    matrix, y = random(seed, 3, N), random(seed + 1, 1, 1, 1, 3)
    gaps = {0.6: [], 1.2: []}
    for T in (60, 240):
        schedule = schedules.linear(T=T, beta_min=0.1 / T, beta_max=28 / T)
        prior = GaussianPrior(schedule, random(seed + 2, *SHAPE), torch.full(SHAPE, 0.36))
        problem = InverseProblem(World(0).problem.operator.__class__(matrix), y, 0.5)
        exact_mean, exact_cov = gaussian_posterior(prior, problem)
        for tau, found in gaps.items():
            mean, cov = output_law(pigdm, prior, problem, tau=tau)
            found.append((mean - exact_mean[0]).norm().item() + (cov - exact_cov).norm().item())
    assert gaps[0.6][1] < 0.35 * gaps[0.6][0]
    assert gaps[1.2][1] > 0.4 * gaps[1.2][0]
    assert gaps[1.2][1] > 1.5 * gaps[0.6][1]


def test_without_variance_it_is_dps_and_without_information_ddpm():
    world = World(3)
    plain = dps(world.prior, world.problem, step="likelihood", seed=1)
    torch.testing.assert_close(pigdm(world.prior, world.problem, tau=0.0, seed=1), plain, rtol=1e-9, atol=1e-9)
    blind = InverseProblem(world.problem.operator, world.problem.y, 1e7)
    same = ddpm(world.prior, world.problem, seed=1)
    torch.testing.assert_close(pigdm(world.prior, blind, seed=1), same, rtol=0, atol=1e-12)


@given(seeds)
def test_a_measurement_without_noise_is_reproduced_where_the_term_is_exact(seed):
    """sigma = 0: for the prior N(mu, tau^2 I) the last step puts A x_0 = y, whatever A and the number of steps."""
    world = World(seed)
    prior = GaussianPrior(world.schedule, random(seed + 2, *SHAPE), torch.full(SHAPE, 0.36))
    problem = InverseProblem(world.problem.operator, world.problem.y, 0.0)
    torch.testing.assert_close(
        problem.operator(pigdm(prior, problem, tau=0.6, seed=0)), problem.y, rtol=1e-7, atol=1e-7
    )
    assert problem.residual(pigdm(prior, problem, tau=1.0, seed=0)).norm() > 1e-3


TWINS = {
    "the flat prior's variance": ("x0_variance", lambda tau, alpha_bar: (1 - alpha_bar) / alpha_bar),
    "the standard deviation": ("x0_variance", lambda tau, alpha_bar: math.sqrt(1 - alpha_bar)),
    "alpha_bar for its complement": ("x0_variance", lambda tau, alpha_bar: alpha_bar),
    "sign": ("x0_score", lambda x, y, A, sigma, v: -A.adjoint(A.resolvent(y - A(x), sigma**2, v))),
    "sigma for its square": ("x0_score", lambda x, y, A, sigma, v: A.adjoint(A.resolvent(y - A(x), sigma, v))),
    "pseudo-inverse for adjoint": ("x0_score", lambda x, y, A, sigma, v: A.pinv(A.resolvent(y - A(x), sigma**2, v))),
}


@pytest.mark.parametrize("twin", TWINS)
def test_a_wrong_formula_has_another_law(twin, monkeypatch):
    world, (name, wrong) = World(5), TWINS[twin]
    monkeypatch.setitem(pigdm.__globals__, name, wrong)
    assert differs(pigdm, world, expected(world)) > 0.02


def test_the_gradient_goes_through_the_denoiser():
    """With the gradient stopped at x0_hat (J = 1) it is another method."""
    world = World(6)

    class Stopped:
        schedule = world.schedule

        def denoise(self, x_t, t):
            return world.prior.denoise(x_t.detach(), t) + (x_t - x_t.detach())

    mean, _ = output_law(pigdm, Stopped(), world.problem)
    assert (mean.flatten() - expected(world)[0]).norm() > 0.02


def test_what_it_refuses():
    world = World(0)
    with pytest.raises(ValueError, match="pigdm needs a linear operator"):
        pigdm(world.prior, InverseProblem(NotLinear(world.matrix), world.problem.y, 0.5))
    with pytest.raises(ValueError, match="tau above 0"):
        pigdm(world.prior, InverseProblem(world.problem.operator, world.problem.y, 0.0), tau=0.0)
