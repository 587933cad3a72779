"""Distances between laws, and the test for modes: each in both directions, with its power stated."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachdiff import schedules
from teachdiff.exact import gaussian_wasserstein, mixture_posterior, mode_coverage, sliced_wasserstein
from teachdiff.exact.distances import binomial_p_value, quantile_distance
from teachdiff.operators import Identity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.problems import InverseProblem

seeds = st.integers(0, 2**31)


def random(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def covariance(seed, n, rank=None):
    factor = random(seed, n, rank or n)
    return factor @ factor.mT


# Gaussians


@given(seeds, st.integers(1, 5))
def test_gaussians_by_the_formula_for_matrices_that_commute(seed, n):
    """In one eigenbasis it is the distance of the means and of the standard deviations."""
    q = torch.linalg.qr(random(seed, n, n)).Q
    a, b, m = random(seed + 1, n).abs(), random(seed + 2, n).abs(), random(seed + 3, n)
    expected = (m.square().sum() + (a - b).square().sum()).sqrt().item()
    got = gaussian_wasserstein(m, q * a**2 @ q.mT, torch.zeros(n), q * b**2 @ q.mT)
    assert got == pytest.approx(expected, rel=1e-9, abs=1e-7)


@given(seeds, st.integers(1, 5))
def test_gaussians_by_an_optimal_map(seed, n):
    """x -> m + T x with T positive definite is optimal (Brenier): the distance is its mean squared length."""
    cov, T, m = covariance(seed, n), covariance(seed + 1, n), random(seed + 2, n)
    move = T - torch.eye(n, dtype=torch.float64)
    expected = (m.square().sum() + (move @ cov @ move.mT).trace()).sqrt().item()
    zero = torch.zeros(n, dtype=torch.float64)
    got = gaussian_wasserstein(zero, cov, m, T @ cov @ T.mT)
    assert got == pytest.approx(expected, rel=1e-6)
    assert gaussian_wasserstein(m, T @ cov @ T.mT, zero, cov) == pytest.approx(expected, rel=1e-6)


@given(seeds, st.integers(1, 5), st.integers(1, 5))
def test_equal_gaussians_are_at_0_singular_ones_too(seed, n, rank):
    cov, m = covariance(seed, n, rank), random(seed + 1, n)
    scale = max(1.0, cov.trace().item())
    assert gaussian_wasserstein(m, cov, m, cov) <= 1e-6 * scale
    wider = (math.sqrt(1.01) - 1) * cov.trace().sqrt().item()
    assert gaussian_wasserstein(m, cov, m, 1.01 * cov) == pytest.approx(wider, rel=1e-4)


def test_gaussians_of_other_sizes_or_with_nan_are_errors():
    eye = torch.eye(2)
    with pytest.raises(ValueError, match="as many values"):
        gaussian_wasserstein(torch.zeros(2), eye, torch.zeros(3), eye)
    with pytest.raises(ValueError, match="finite"):
        gaussian_wasserstein(torch.zeros(2), eye, torch.tensor([0, math.nan]), eye)


# Samples


@given(seeds, st.integers(1, 9), st.integers(1, 9))
def test_quantiles_are_coupled_exactly(seed, n, m):
    """Each point n or m times over: both samples have n m points, and sorting couples them."""
    a, b = random(seed, n, 2), random(seed + 1, m, 2)
    expected = (a.repeat(m, 1).sort(0).values - b.repeat(n, 1).sort(0).values).square().mean(0)
    torch.testing.assert_close(quantile_distance(a, b), expected, rtol=1e-12, atol=1e-12)


@given(seeds)
def test_in_one_dimension_it_is_scipys(seed):
    """W_1 of scipy bounds it below, and equals it where one sample is the other, moved."""
    from scipy.stats import wasserstein_distance

    x, y = random(seed, 7, 1, 1, 1), random(seed + 1, 5, 1, 1, 1)
    assert sliced_wasserstein(x, y) >= wasserstein_distance(x.flatten(), y.flatten()) - 1e-12
    moved = wasserstein_distance(x.flatten(), x.flatten() + 2)
    assert sliced_wasserstein(x, x + 2) == pytest.approx(moved, rel=1e-12)


@given(seeds, st.integers(1, 6), st.integers(2, 6))
def test_it_is_a_distance(seed, n, m):
    x, y, z = (random(seed + i, k, 1, 2, 2) for i, k in enumerate((n, m, n + 1)))
    assert sliced_wasserstein(x, x) == 0
    assert sliced_wasserstein(x, y) == pytest.approx(sliced_wasserstein(y, x), rel=1e-12)
    assert sliced_wasserstein(x, z) <= sliced_wasserstein(x, y) + sliced_wasserstein(y, z) + 1e-12
    assert sliced_wasserstein(x[torch.randperm(n)], y) == pytest.approx(sliced_wasserstein(x, y), rel=1e-12)


def test_a_shift_is_seen_by_its_share_along_each_direction():
    x = random(0, 50, 1, 4, 4)
    shift = random(1, 1, 4, 4)
    theta = torch.randn(16, 128, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    share = (shift.flatten() @ (theta / theta.norm(dim=0))).square().mean().sqrt().item()
    assert sliced_wasserstein(x, x + shift) == pytest.approx(share, rel=1e-9)


def test_power_of_the_sliced_distance():
    """2 000 samples of N(0, I_4) against each other, against a shift of 0.25 in one pixel, a variance 0.7 times as
    large, and a correlation of 0.5. Over 10 pairs the null never reaches 0.08; each bias is above it every time.
    """
    null, biased = [], []
    for seed in range(10):
        x, y = random(2 * seed, 2000, 1, 2, 2), random(2 * seed + 1, 2000, 1, 2, 2)
        null.append(sliced_wasserstein(x, y, 32))
        mixed = y.clone()
        mixed[:, 0, 0, 1] = 0.5 * y[:, 0, 0, 0] + (1 - 0.5**2) ** 0.5 * y[:, 0, 0, 1]
        shifted = y + torch.tensor([[0.25, 0], [0, 0]], dtype=torch.float64)
        biased += [sliced_wasserstein(x, z, 32) for z in (shifted, 0.7**0.5 * y, mixed)]
    assert max(null) < 0.08 < min(biased)


def test_wrong_samples_are_errors():
    x = torch.zeros(3, 1, 2, 2)
    with pytest.raises(ValueError, match="shape"):
        sliced_wasserstein(x, torch.zeros(3, 1, 2, 3))
    with pytest.raises(ValueError, match="finite"):
        sliced_wasserstein(x, x / 0)
    with pytest.raises(ValueError, match="directions"):
        sliced_wasserstein(x, x, directions=0)


# Modes

ALPHA = 1e-5


def two_modes(apart=4.0):
    """Posterior weights 0.38 and 0.62, at -apart/2 and apart/2."""
    schedule, pixel = schedules.linear(T=10), (1, 1, 1)
    parts = [GaussianPrior(schedule, torch.full(pixel, c), torch.ones(pixel)) for c in (-apart / 2, apart / 2)]
    problem = InverseProblem(Identity(pixel), torch.full((1, *pixel), 1.0 / apart, dtype=torch.float64), 1.0)
    return mixture_posterior(GaussianMixturePrior([0.5, 0.5], parts), problem)


def power(weight, other, total, alpha):
    """The exact probability that a test at the level `alpha` rejects a first of two modes whose weight is `other`."""
    from scipy.stats import binom

    counts = np.arange(total + 1)
    tails = np.minimum(binom.cdf(counts, total, weight), binom.sf(counts - 1, total, weight))
    return binom.pmf(counts, total, other)[2 * 2 * tails <= alpha].sum()  # two tails, two modes


@given(st.integers(1, 40), st.floats(0.02, 0.98), st.data())
def test_the_tails_are_scipys(total, weight, data):
    from scipy.stats import binom

    count = data.draw(st.integers(0, total))
    expected = min(1.0, 2 * min(binom.cdf(count, total, weight), binom.sf(count - 1, total, weight)))
    assert binomial_p_value(count, total, weight) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_a_mode_without_weight_must_not_be_found():
    assert binomial_p_value(0, 10, 0.0) == binomial_p_value(10, 10, 1.0) == 1
    assert binomial_p_value(1, 10, 0.0) == binomial_p_value(9, 10, 1.0) == 0


@pytest.mark.parametrize("apart", [4.0, 1.0])
def test_the_false_alarm_rate_is_at_most_what_is_stated(apart):
    """By exact summation over all counts, and with exact samples also where the modes overlap (apart = 1)."""
    posterior = two_modes(apart)
    weight = posterior.weights[0, 0].item()
    for alpha in (0.2, 0.05, 1e-5):
        assert power(weight, weight, 500, alpha) <= alpha
    p_values = [mode_coverage(posterior.sample(500, seed)[:, 0], posterior, seed).p_value for seed in range(100)]
    assert min(p_values) > ALPHA
    # 100 runs at alpha = 0.2: 20 rejections at most on the average; 41 or more have probability 1e-6
    assert sum(p <= 0.2 for p in p_values) < 41
    assert sum(p <= 0.5 for p in p_values) > 10  # and it is no test that never rejects


def test_power_of_the_mode_test():
    """With 2 000 samples and a false-alarm rate of 1e-5, a weight that is off by 0.06 is caught with probability
    above 0.8, by 0.08 above 0.99, and a mode that was lost always."""
    posterior = two_modes()
    weight = posterior.weights[0, 0].item()
    assert power(weight, weight + 0.06, 2000, ALPHA) > 0.8
    assert power(weight, weight + 0.08, 2000, ALPHA) > 0.99
    posterior = two_modes(12.0)  # far apart
    weight = posterior.weights[0, 0].item()
    lost = posterior.sample(2000)[:, 0].abs()  # everything in the mode on the right
    coverage = mode_coverage(lost, posterior)
    assert coverage.p_value < ALPHA and coverage.gap == pytest.approx(weight, abs=1e-9)
    assert coverage.observed.sum() == 2000


def test_hard_assignment_would_be_wrong_where_modes_overlap():
    """The reason for drawing the component: by the nearest mode the frequencies are other ones."""
    posterior = two_modes(1.0)
    x = posterior.sample(4000)[:, 0]
    hard = (posterior.responsibilities(x).argmax(1) == 0).sum().item()
    weight = posterior.weights[0, 0].item()
    assert 2 * binomial_p_value(hard, 4000, weight) < ALPHA
    assert mode_coverage(x, posterior).p_value > 0.01
    np.testing.assert_allclose(posterior.responsibilities(x).mean(0)[0].item(), weight, atol=0.02)


def test_coverage_is_of_one_y_and_of_finite_samples():
    posterior = two_modes()
    with pytest.raises(ValueError, match="finite"):
        mode_coverage(torch.full((2, 1, 1, 1), math.nan), posterior)
    pixel = (1, 1, 1)
    several = mixture_posterior(
        GaussianPrior(schedules.linear(T=2), torch.zeros(pixel), torch.ones(pixel)),
        InverseProblem(Identity(pixel), torch.zeros(2, *pixel), 1.0),
    )
    with pytest.raises(ValueError, match="one y"):
        mode_coverage(torch.zeros(2, *pixel), several)
