"""Gaussian and mixture priors: x0_hat is the exact posterior mean, the score the exact gradient."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachdiff import schedules
from teachdiff.bases import HartleyBasis, PixelBasis, ProductBasis
from teachdiff.predictions import score_from_x0_hat
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior

SCHEDULE = schedules.linear(T=50, beta_max=0.2)
shapes = st.tuples(st.integers(1, 2), st.integers(1, 4), st.integers(1, 3))
seeds = st.integers(0, 2**31)
times = st.integers(1, SCHEDULE.T)


def random(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense_prior(seed, shape, rank=None):
    n = torch.Size(shape).numel()
    factor = random(seed, n, rank or n)
    return GaussianPrior.from_covariance(SCHEDULE, random(seed + 1, *shape), factor @ factor.mT), factor @ factor.mT


@given(seeds, shapes, times)
def test_denoise_is_the_posterior_mean_by_a_dense_solve(seed, shape, t):
    prior, covariance = dense_prior(seed, shape)
    x_t, alpha_bar = random(seed + 2, 3, *shape), SCHEDULE.alpha_bar[t]
    mean, n = prior.mean.values.flatten(), len(covariance)
    system = alpha_bar * covariance + (1 - alpha_bar) * torch.eye(n, dtype=torch.float64)
    residual = x_t.flatten(1) - alpha_bar.sqrt() * mean
    expected = mean + alpha_bar.sqrt() * torch.linalg.solve(system, residual.mT).mT @ covariance
    torch.testing.assert_close(prior.denoise(x_t, t).flatten(1), expected, rtol=1e-8, atol=1e-8)


@given(seeds, shapes, times)
def test_log_prob_is_torchs(seed, shape, t):
    prior, covariance = dense_prior(seed, shape)
    x_t, alpha_bar, n = random(seed + 2, 3, *shape), SCHEDULE.alpha_bar[t], len(covariance)
    law = torch.distributions.MultivariateNormal(
        alpha_bar.sqrt() * prior.mean.values.flatten(),
        alpha_bar * covariance + (1 - alpha_bar) * torch.eye(n, dtype=torch.float64),
    )
    torch.testing.assert_close(prior.log_prob(x_t, t), law.log_prob(x_t.flatten(1)), rtol=1e-8, atol=1e-7)


def mixture(seed, shape, components=3):
    weights = random(seed, components).softmax(0)
    return GaussianMixturePrior(weights, [dense_prior(seed + 10 * k, shape)[0] for k in range(components)])


@given(seeds, shapes, times, st.booleans())
def test_tweedie_the_score_is_the_gradient_of_the_log_density(seed, shape, t, mixed):
    prior = mixture(seed, shape) if mixed else dense_prior(seed, shape)[0]
    x_t = random(seed + 2, 2, *shape).requires_grad_()
    (gradient,) = torch.autograd.grad(prior.log_prob(x_t, t).sum(), x_t)
    score = score_from_x0_hat(prior.denoise(x_t, t), x_t, SCHEDULE.alpha_bar[t].item())
    torch.testing.assert_close(score, gradient, rtol=1e-7, atol=1e-7 / (1 - SCHEDULE.alpha_bar[t].item()))


@given(seeds, times)
def test_second_order_tweedie_gives_the_posterior_covariance(seed, t):
    """Cov[x_0 | x_t] = (1 - alpha_bar)/sqrt(alpha_bar) d x0_hat / d x_t, symmetric."""
    shape = (1, 2, 2)
    prior, covariance = dense_prior(seed, shape)
    alpha_bar = SCHEDULE.alpha_bar[t].item()
    x_t = random(seed + 2, 1, *shape)
    jacobian = torch.autograd.functional.jacobian(lambda x: prior.denoise(x, t), x_t).view(4, 4)
    identity = torch.eye(4, dtype=torch.float64)
    # (Sigma^-1 + alpha_bar/(1 - alpha_bar) I)^-1 without inverting Sigma
    expected = torch.linalg.solve(identity + alpha_bar / (1 - alpha_bar) * covariance, covariance)
    scaled = (1 - alpha_bar) / alpha_bar**0.5 * jacobian
    torch.testing.assert_close(scaled, expected, rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(scaled, scaled.mT, rtol=1e-7, atol=1e-8)


@given(seeds, shapes, times)
def test_a_mixture_of_one_or_of_equals_is_its_component(seed, shape, t):
    prior, _ = dense_prior(seed, shape)
    x_t = random(seed + 2, 2, *shape)
    for same in (GaussianMixturePrior([1.0], [prior]), GaussianMixturePrior([0.25, 0.75], [prior, prior])):
        torch.testing.assert_close(same.denoise(x_t, t), prior.denoise(x_t, t), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(same.log_prob(x_t, t), prior.log_prob(x_t, t), rtol=1e-10, atol=1e-10)


@given(seeds, times)
def test_mixture_mean_by_sums_over_a_point_set(seed, t):
    """Components of zero variance: the posterior is a finite sum, computed here from first principles."""
    points, weights = random(seed, 4, 1, 1, 2), random(seed + 1, 4).softmax(0)
    prior = GaussianMixturePrior(weights, [GaussianPrior(SCHEDULE, m, torch.zeros(1, 1, 2)) for m in points])
    x_t, alpha_bar = random(seed + 2, 3, 1, 1, 2), SCHEDULE.alpha_bar[t]
    distance = (x_t[:, None] - alpha_bar.sqrt() * points).square().flatten(2).sum(2)
    posterior = (weights.log() - distance / (2 * (1 - alpha_bar))).softmax(1)
    expected = torch.einsum("bk,kchw->bchw", posterior, points)
    torch.testing.assert_close(prior.denoise(x_t, t), expected, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(prior.responsibilities(x_t, t).mT, posterior, rtol=1e-8, atol=1e-10)


@given(seeds, times, st.sampled_from(["pixels", "hartley", "product"]))
def test_a_factorised_covariance_equals_the_same_one_written_out(seed, t, kind):
    shape, n = (2, 3, 4), 24
    basis = {
        "pixels": lambda: PixelBasis(shape),
        "hartley": lambda: HartleyBasis(shape),
        "product": lambda: ProductBasis(shape, *[torch.linalg.qr(random(seed + k, k, k))[0] for k in shape]),
    }[kind]()
    mean, variances = random(seed, *shape), random(seed + 1, *shape).square()
    q = basis.synthesise(torch.eye(n, dtype=torch.float64).view(n, *shape)).flatten(1).mT
    fast = GaussianPrior(SCHEDULE, mean, variances, basis)
    slow = GaussianPrior.from_covariance(SCHEDULE, mean, q @ torch.diag(variances.flatten()) @ q.mT)
    x_t = random(seed + 2, 2, *shape)
    torch.testing.assert_close(fast.denoise(x_t, t), slow.denoise(x_t, t), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(fast.log_prob(x_t, t), slow.log_prob(x_t, t), rtol=1e-9, atol=1e-8)


@given(seeds, shapes)
def test_limits_at_both_ends_of_time(seed, shape):
    schedule = schedules.Schedule([1.0, 1 - 1e-10, 1e-12])
    base, _ = dense_prior(seed, shape)
    prior = GaussianPrior(schedule, base.mean.values, base.variances.values.clamp(min=0.01), base.basis)
    x_t = random(seed + 2, 2, *shape)
    torch.testing.assert_close(prior.denoise(x_t, 1), x_t, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        prior.denoise(x_t, 2), prior.mean.values.expand_as(x_t), rtol=0, atol=1e-4 * prior.variances.values.max().item()
    )


@given(seeds, shapes, times)
def test_batch_and_time_per_sample(seed, shape, t):
    prior, x_t = mixture(seed, shape), random(seed, 3, *shape)
    ts = torch.tensor([t, 1, SCHEDULE.T])
    each = torch.cat([prior.denoise(x_t[i : i + 1], int(ts[i])) for i in range(3)])
    torch.testing.assert_close(prior.denoise(x_t, ts), each, rtol=1e-12, atol=1e-12)


@given(seeds, shapes)
def test_samples_have_the_priors_mean_and_covariance(seed, shape):
    """Exactly: push unit vectors through, as the sample is affine in z."""
    prior, covariance = dense_prior(seed, shape)
    n = len(covariance)
    root = (prior.sample(torch.eye(n, dtype=torch.float64).view(n, *shape)) - prior.mean.values).flatten(1)
    torch.testing.assert_close(root.mT @ root, covariance, rtol=1e-8, atol=1e-8)
    assert torch.equal(prior.sample(torch.zeros(1, *shape, dtype=torch.float64))[0], prior.mean.values)


def test_a_mixture_draws_from_the_named_component():
    near, far = (GaussianPrior(SCHEDULE, torch.full((1, 1, 1), m), torch.zeros(1, 1, 1)) for m in (-1.0, 1.0))
    drawn = GaussianMixturePrior([0.5, 0.5], [near, far]).sample(torch.zeros(3, 1, 1, 1), torch.tensor([1, 0, 1]))
    assert drawn.flatten().tolist() == [1.0, -1.0, 1.0]


def test_far_from_every_mode_nothing_underflows():
    near, far = (GaussianPrior(SCHEDULE, torch.full((1, 1, 1), m), torch.zeros(1, 1, 1)) for m in (-1.0, 1.0))
    prior = GaussianMixturePrior([0.5, 0.5], [near, far])
    x_t = torch.full((1, 1, 1, 1), 500.0)
    assert prior.denoise(x_t, 1).item() == pytest.approx(1.0)


@given(seeds)
def test_float32_keeps_its_dtype_and_agrees_with_float64(seed):
    prior = mixture(seed, (1, 2, 2))
    x_t = random(seed, 2, 1, 2, 2)
    single = prior.denoise(x_t.float(), 25)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), prior.denoise(x_t, 25), rtol=1e-3, atol=1e-3)


ONE = torch.ones(1, 1, 1)


BAD = {
    "mean without channels": (lambda: GaussianPrior(SCHEDULE, torch.ones(2, 2), torch.ones(2, 2)), r"\(C, H, W\)"),
    "other shapes": (lambda: GaussianPrior(SCHEDULE, ONE, torch.ones(1, 1, 2)), r"\(C, H, W\)"),
    "negative variance": (lambda: GaussianPrior(SCHEDULE, ONE, -ONE), "0 or more"),
    "nan mean": (lambda: GaussianPrior(SCHEDULE, ONE * float("nan"), ONE), "finite"),
    "other basis": (lambda: GaussianPrior(SCHEDULE, ONE, ONE, PixelBasis((1, 2, 2))), "basis"),
    "covariance of another size": (lambda: GaussianPrior.from_covariance(SCHEDULE, ONE, torch.ones(2, 2)), r"\(1, 1\)"),
    "asymmetric covariance": (
        lambda: GaussianPrior.from_covariance(SCHEDULE, torch.ones(1, 1, 2), torch.tensor([[1.0, 2], [0, 1]])),
        "symm",
    ),
    "indefinite covariance": (lambda: GaussianPrior.from_covariance(SCHEDULE, ONE, -torch.ones(1, 1)), "semi-definite"),
    "no components": (lambda: GaussianMixturePrior([], []), "one weight per component"),
    "weights above 1": (lambda: GaussianMixturePrior([0.5, 0.6], [GaussianPrior(SCHEDULE, ONE, ONE)] * 2), "sum to 1"),
    "negative weight": (lambda: GaussianMixturePrior([1.5, -0.5], [GaussianPrior(SCHEDULE, ONE, ONE)] * 2), "positive"),
    "two schedules": (
        lambda: GaussianMixturePrior(
            [0.5, 0.5], [GaussianPrior(SCHEDULE, ONE, ONE), GaussianPrior(schedules.linear(), ONE, ONE)]
        ),
        "one schedule",
    ),
    "x_t of another shape": (lambda: GaussianPrior(SCHEDULE, ONE, ONE).denoise(torch.ones(1, 1, 2, 2), 1), "x_t"),
    "t zero": (lambda: GaussianPrior(SCHEDULE, ONE, ONE).denoise(torch.ones(1, 1, 1, 1), 0), "1..50"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    make, says = BAD[name]
    with pytest.raises(ValueError, match=says):
        make()
