"""The exact posteriors: Bayes' rule at every point, one step or two, and what a wrong one would break."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachdiff import schedules
from teachdiff.exact import gaussian_posterior, mixture_posterior
from teachdiff.operators import Downsample, Identity, Mask, box_mask
from teachdiff.operators.base import Operator
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.problems import InverseProblem

SCHEDULE = schedules.linear(T=10)
SHAPE, N = (1, 2, 2), 4
seeds = st.integers(0, 2**31)
sigmas = st.sampled_from([0.03, 0.3, 2.0])


def random(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Matrix(Operator):
    """y = M x for an explicit matrix."""

    def __init__(self, matrix, shape=SHAPE):
        super().__init__(shape, (1, 1, len(matrix)))
        self.matrix = matrix

    def _forward(self, x):
        return (x.flatten(1) @ self.matrix.mT).view(-1, *self.output_shape)


def component(seed, shape=SHAPE):
    n = torch.Size(shape).numel()
    factor = random(seed, n, n)
    covariance = factor @ factor.mT + 0.1 * torch.eye(n, dtype=torch.float64)
    return GaussianPrior.from_covariance(SCHEDULE, 2 * random(seed + 1, *shape), covariance)


def mixture(seed, components=3, shape=SHAPE):
    return GaussianMixturePrior(
        random(seed, components).softmax(0), [component(seed + 10 * k, shape) for k in range(components)]
    )


def problem_of(seed, sigma, rows=3, batch=2):
    return InverseProblem(Matrix(random(seed + 2, rows, N)), random(seed + 3, batch, 1, 1, rows), sigma)


def covariance_of(prior):
    root = prior.sample(torch.eye(N, dtype=torch.float64).view(N, *SHAPE)).flatten(1) - prior.mean.values.flatten()
    return root.mT @ root


def log_prior(prior, x0):
    """log p(x_0) by torch's own normal law."""
    logs = [
        torch.distributions.MultivariateNormal(c.mean.values.flatten(), covariance_of(c)).log_prob(x0.flatten(1))
        for c in prior.components
    ]
    return (torch.stack(logs) + prior.weights.values.log()[:, None]).logsumexp(0)


def log_likelihood(problem, x0):
    law = torch.distributions.Normal(problem.operator(x0).flatten(1), problem.sigma)
    return law.log_prob(problem.y.flatten(1)).sum(1)


def bayes_gap(prior, problem, posterior, x0):
    """log p(x0) + log p(y | x0) - log p(y) - log p(x0 | y), relative to the largest of the four."""
    terms = [log_prior(prior, x0), log_likelihood(problem, x0), -posterior.log_evidence, -posterior.log_prob(x0)]
    return (sum(terms).abs() / torch.stack(terms).abs().amax(0).clamp(min=1)).max().item()


@given(seeds, sigmas, st.integers(1, 4), st.integers(1, 6))
def test_bayes_rule_at_any_point(seed, sigma, components, rows):
    prior, problem = mixture(seed, components), problem_of(seed, sigma, rows)
    posterior = mixture_posterior(prior, problem)
    for x0 in (random(seed + 4, 2, *SHAPE), posterior.mean, posterior.sample(1, seed % 100)[0]):
        assert bayes_gap(prior, problem, posterior, x0) <= 1e-9


WRONG = {
    "weights of another order": lambda p: replace(p, weights=p.weights.flip(1)),
    "weights that y does not move": lambda p: replace(p, weights=torch.full_like(p.weights, 1 / 3)),
    "means": lambda p: replace(p, means=p.means * 1.0001),
    "covariances": lambda p: replace(p, covariances=p.covariances * 1.0001),
    "evidence": lambda p: replace(p, log_evidence=p.log_evidence + 1e-6),
    "evidence without a root of 2 pi": lambda p: replace(p, log_evidence=p.log_evidence + 0.5 * math.log(2 * math.pi)),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_bayes_rule_rejects_a_posterior_that_is_a_little_wrong(wrong):
    prior, problem = mixture(0), problem_of(0, 0.3)
    assert not bayes_gap(prior, problem, wrong(mixture_posterior(prior, problem)), random(4, 2, *SHAPE)) <= 1e-9


@given(seeds, sigmas)
def test_one_component_is_the_gaussian_posterior(seed, sigma):
    prior, problem = component(seed), problem_of(seed, sigma)
    mean, cov = gaussian_posterior(prior, problem)
    for same in (prior, GaussianMixturePrior([1.0], [prior])):
        posterior = mixture_posterior(same, problem)
        assert torch.equal(posterior.means[:, 0], mean) and torch.equal(posterior.covariances[0], cov)
        torch.testing.assert_close(posterior.mean, mean, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(posterior.covariance, cov.expand(2, N, N), rtol=1e-12, atol=1e-12)
        assert torch.equal(posterior.weights, torch.ones(2, 1, dtype=torch.float64))


@given(seeds, sigmas)
def test_two_equal_components_are_one(seed, sigma):
    prior, problem = component(seed), problem_of(seed, sigma)
    twice = mixture_posterior(GaussianMixturePrior([0.3, 0.7], [prior, prior]), problem)
    torch.testing.assert_close(twice.weights, torch.tensor([[0.3, 0.7]] * 2, dtype=torch.float64))
    torch.testing.assert_close(twice.log_evidence, mixture_posterior(prior, problem).log_evidence)


@given(seeds, sigmas)
def test_the_evidence_is_the_density_of_y(seed, sigma):
    prior, problem = mixture(seed), problem_of(seed, sigma)
    A = problem.operator.matrix
    logs = [
        torch.distributions.MultivariateNormal(
            A @ c.mean.values.flatten(), A @ covariance_of(c) @ A.mT + sigma**2 * torch.eye(3, dtype=A.dtype)
        ).log_prob(problem.y.flatten(1))
        for c in prior.components
    ]
    expected = (torch.stack(logs) + prior.weights.values.log()[:, None]).logsumexp(0)
    torch.testing.assert_close(mixture_posterior(prior, problem).log_evidence, expected, rtol=1e-9, atol=1e-9)


@given(seeds, sigmas)
def test_the_evidence_integrates_to_one(seed, sigma):
    """Over a fine grid in one dimension, where the trapezoid rule is exact to rounding for smooth densities."""
    prior = mixture(seed, shape=(1, 1, 1))
    y = torch.linspace(-60, 60, 40001, dtype=torch.float64)
    problem = InverseProblem(Identity((1, 1, 1)), y.view(-1, 1, 1, 1), sigma)
    density = mixture_posterior(prior, problem).log_evidence.exp()
    assert torch.trapezoid(density, y).item() == pytest.approx(1, abs=1e-9)


@given(seeds, sigmas)
def test_conditioning_in_two_steps_is_conditioning_once(seed, sigma):
    prior, both = mixture(seed), problem_of(seed, sigma, rows=4, batch=1)
    matrix, y = both.operator.matrix, both.y
    first = mixture_posterior(prior, InverseProblem(Matrix(matrix[:2]), y[..., :2], sigma))
    halfway = GaussianMixturePrior(
        first.weights[0],
        [GaussianPrior.from_covariance(SCHEDULE, m, c) for m, c in zip(first.means[0], first.covariances, strict=True)],
    )
    second = mixture_posterior(halfway, InverseProblem(Matrix(matrix[2:]), y[..., 2:], sigma))
    once = mixture_posterior(prior, both)
    torch.testing.assert_close(second.weights, once.weights, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(second.means, once.means, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(second.covariances, once.covariances, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(first.log_evidence + second.log_evidence, once.log_evidence, rtol=1e-8, atol=1e-7)


@given(seeds, st.permutations(range(3)))
def test_the_order_of_the_components_does_not_matter(seed, order):
    prior, problem = mixture(seed), problem_of(seed, 0.3)
    shuffled = GaussianMixturePrior(prior.weights.values[order], [prior.components[k] for k in order])
    a, b = mixture_posterior(prior, problem), mixture_posterior(shuffled, problem)
    torch.testing.assert_close(a.weights[:, order], b.weights, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(a.covariance, b.covariance, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(a.log_evidence, b.log_evidence, rtol=1e-12, atol=1e-12)


@given(seeds)
def test_each_y_of_a_batch_is_on_its_own(seed):
    prior, problem = mixture(seed), problem_of(seed, 0.3, batch=3)
    whole = mixture_posterior(prior, problem)
    for i in range(3):
        one = mixture_posterior(prior, replace(problem, y=problem.y[i : i + 1]))
        torch.testing.assert_close(one.weights, whole.weights[i : i + 1], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(one.mean, whole.mean[i : i + 1], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(one.covariance, whole.covariance[i : i + 1], rtol=1e-12, atol=1e-12)


def test_sigma_0_conditions_on_the_reading_itself():
    shape = (1, 4, 4)
    prior = mixture(3, shape=shape)
    x0 = random(5, 2, *shape)
    for operator in (Downsample(shape, 2), Mask(box_mask(shape, 2, 4, 2, 0)), Identity(shape)):
        y = operator(x0)
        posterior = mixture_posterior(prior, InverseProblem(operator, y, 0.0))
        near = mixture_posterior(prior, InverseProblem(operator, y, 1e-5))
        torch.testing.assert_close(operator(posterior.mean), y, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(posterior.mean, near.mean, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(posterior.log_evidence, near.log_evidence, rtol=1e-6, atol=1e-4)
        samples = posterior.sample(5).flatten(0, 1)
        torch.testing.assert_close(operator(samples).view(5, *y.shape), y.expand(5, *y.shape), rtol=1e-6, atol=1e-6)
        with pytest.raises(ValueError, match="no density"):
            posterior.log_prob(x0)


def test_hidden_pixels_are_no_readings():
    """A mask and the matrix of its seen rows are one camera: same posterior, same evidence."""
    mask = Mask(torch.tensor([[[1.0, 0.0], [1.0, 1.0]]]))
    x0 = random(1, 2, *SHAPE)
    prior = mixture(0)
    a = mixture_posterior(prior, InverseProblem(mask, mask(x0), 0.1))
    rows = Matrix(torch.eye(4, dtype=torch.float64)[[0, 2, 3]])
    b = mixture_posterior(prior, InverseProblem(rows, rows(x0), 0.1))
    torch.testing.assert_close(a.log_evidence, b.log_evidence, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(a.mean, b.mean, rtol=1e-12, atol=1e-12)


def test_samples_have_the_mean_and_covariance_that_the_posterior_states():
    """20 000 samples, fixed seed; each of the 4 + 10 statistics within 5 standard errors: false alarm below 1e-5."""
    posterior = mixture_posterior(mixture(2), problem_of(2, 1.0, rows=1, batch=1))
    assert posterior.weights.min() > 0.02  # several modes, or the test would not see their weights
    x = posterior.sample(20_000, seed=1)[:, 0].flatten(1)
    mean, cov = posterior.mean.flatten(), posterior.covariance[0]
    assert ((x.mean(0) - mean).abs() <= 5 * (cov.diagonal() / len(x)).sqrt()).all()
    products = (x - mean)[:, :, None] * (x - mean)[:, None]
    assert ((products.mean(0) - cov).abs() <= 5 * products.std(0) / len(x) ** 0.5).all()


def test_sampling_repeats_and_differs_by_seed():
    posterior = mixture_posterior(mixture(2), problem_of(2, 0.3))
    assert posterior.sample(3).shape == (3, 2, *SHAPE)
    assert torch.equal(posterior.sample(3, seed=5), posterior.sample(3, seed=5))
    assert torch.equal(posterior.sample(3, seed=5)[:2], posterior.sample(2, seed=5))
    assert not torch.equal(posterior.sample(3, seed=5), posterior.sample(3, seed=6))
    with pytest.raises(ValueError, match="count"):
        posterior.sample(0)


def test_wrong_questions():
    with pytest.raises(ValueError, match="the operator takes"):
        mixture_posterior(mixture(0), InverseProblem(Identity((1, 3, 3)), torch.zeros(1, 1, 3, 3), 0.1))
    twice = InverseProblem(Matrix(torch.ones(2, N, dtype=torch.float64)), torch.zeros(1, 1, 1, 2), 0.0)
    with pytest.raises(ValueError, match="singular"):
        mixture_posterior(mixture(0), twice)
    posterior = mixture_posterior(mixture(0), problem_of(0, 0.3))
    with pytest.raises(ValueError, match="one image for each y"):
        posterior.log_prob(torch.zeros(3, *SHAPE))
