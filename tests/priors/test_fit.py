"""EM: no round lowers the objective, known mixtures are found again, the digits are what their card says."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachdiff import schedules
from teachdiff.data import digits
from teachdiff.exact import mixture_posterior
from teachdiff.operators import Identity
from teachdiff.priors.checkpoints import bundled_priors, load_prior
from teachdiff.priors.fit import fit_mixture
from teachdiff.problems import InverseProblem

SCHEDULE = schedules.linear(T=10)
CARD = bundled_priors()["digits"].with_suffix(".md").read_text(encoding="utf-8")


def random(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.integers(0, 2**31), st.integers(1, 4), st.sampled_from([0.0, 3.0]), st.sampled_from([1e-3, 0.5]))
def test_no_round_lowers_the_objective(seed, components, strength, floor):
    x = random(seed, 30, 1, 1, 3) * torch.tensor([3.0, 1.0, 0.01]) + 4 * (random(seed + 1, 30, 1, 1, 1) > 0)
    seen = []
    prior = fit_mixture(SCHEDULE, x, components, strength=strength, floor=floor, rounds=30, on_round=seen.append)
    slack = 1e-9 * (1 + abs(seen[-1]))
    assert all(b >= a - slack for a, b in zip(seen, seen[1:], strict=False))
    assert min(torch.linalg.eigvalsh(c.covariance).min().item() for c in prior.components) >= floor * (1 - 1e-9)
    assert prior.weights.values.sum().item() == pytest.approx(1)


def test_one_component_is_the_mean_and_covariance():
    x = random(0, 50, 1, 2, 2)
    prior = fit_mixture(SCHEDULE, x, 1, strength=0.0, floor=1e-6)
    torch.testing.assert_close(prior.components[0].mean.values, x.mean(0))
    torch.testing.assert_close(prior.components[0].covariance, torch.cov(x.flatten(1).mT, correction=0))


def test_a_known_mixture_is_found_again():
    """Two far clouds of 300 and 700 points: weights exact, means and deviations within 5 standard errors."""
    left, right = random(0, 300, 1, 1, 2) - 6, 0.5 * random(1, 700, 1, 1, 2) + 6
    prior = fit_mixture(SCHEDULE, torch.cat([left, right])[torch.randperm(1000)], 2, strength=0.0)
    order = prior.weights.values.argsort()
    assert prior.weights.values[order].tolist() == pytest.approx([0.3, 0.7], abs=1e-6)
    for k, mean, std, count in ((order[0], -6, 1, 300), (order[1], 6, 0.5, 700)):
        c = prior.components[k]
        assert (c.mean.values - mean).abs().max() < 5 * std / count**0.5
        assert (c.covariance.diagonal().sqrt() - std).abs().max() < 5 * std / (2 * count) ** 0.5


def test_wrong_questions():
    x = torch.zeros(5, 1, 1, 2)
    with pytest.raises(ValueError, match="components"):
        fit_mixture(SCHEDULE, x, 6)
    with pytest.raises(ValueError, match="floor"):
        fit_mixture(SCHEDULE, x, 1, floor=0.0)
    with pytest.raises(ValueError, match="finite"):
        fit_mixture(SCHEDULE, x / 0, 1)


# The bundled digits


def figures(part):
    """Nats per pixel and the share of digits named rightly, of the bundled prior."""
    prior, (images, labels) = load_prior("digits"), digits(part)
    seen = mixture_posterior(prior, InverseProblem(Identity(prior.shape), images, 0.0))
    named = seen.weights.unflatten(1, (10, -1)).sum(2).argmax(1)
    return seen.log_evidence.mean().item() / 64, (named == labels).double().mean().item()


@pytest.mark.parametrize("part", ["train", "held_out"])
def test_the_cards_figures_are_the_files(part):
    stated = re.search(rf"\| `{part}` \| \d+ \| ([-\d.]+) \| ([\d.]+) % \|", CARD)
    density, right = figures(part)
    assert float(stated[1]) == pytest.approx(density, abs=5e-5)
    assert float(stated[2]) == pytest.approx(100 * right, abs=0.05)


def test_the_digits_prior_is_a_mixture_with_two_components_for_each_digit():
    prior = load_prior("digits")
    assert prior.shape == (1, 8, 8) and len(prior.components) == 20
    assert prior.labels == [str(k // 2) for k in range(20)]
    assert torch.equal(prior.schedule.alpha_bar, schedules.linear().alpha_bar)
    assert prior.clip_x0 is False
    assert bundled_priors()["digits"].stat().st_size < 300_000


def test_a_digit_is_fitted_again_as_it_was_bundled():
    """The components of one digit, from the training images anew."""
    images, labels = digits("train")
    part = fit_mixture(SCHEDULE, images[labels == 4], 2)
    bundled = load_prior("digits").components[8:10]
    for a, b in zip(part.components, bundled, strict=True):
        torch.testing.assert_close(a.mean.values, b.mean.values, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(a.covariance, b.covariance, rtol=1e-3, atol=1e-3)
