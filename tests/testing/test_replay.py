"""The draws of a foreign sampler are heard and replaced, whichever way it asks torch for them."""

import pytest
import torch

from teachdiff.exact import output_law
from teachdiff.methods import ddpm
from teachdiff.testing import check_method
from teachdiff.testing.adapters import MethodView
from teachdiff.testing.replay import OtherRandomness, RandomDraws, with_noise
from teachdiff.testing.worlds import GaussianWorld

WAYS = {
    "randn": (lambda: torch.randn(2, 3), 7.0),
    "randn of a generator": (lambda: torch.randn(2, 3, generator=torch.Generator().manual_seed(1)), 7.0),
    "randn_like": (lambda: torch.randn_like(torch.zeros(2, 3)), 7.0),
    "normal of two numbers": (lambda: torch.normal(1.0, 2.0, (2, 3)), 15.0),
    "normal of two tensors": (lambda: torch.normal(torch.ones(2, 3), torch.full((2, 3), 3.0)), 22.0),
    "normal of a mean": (lambda: torch.normal(torch.ones(2, 3), 2.0), 15.0),
    "normal of a deviation": (lambda: torch.normal(1.0, torch.full((2, 3), 2.0)), 15.0),
    "normal_": (lambda: torch.empty(2, 3).normal_(), 7.0),
    "normal_ with moments": (lambda: torch.empty(2, 3).normal_(mean=1.0, std=2.0), 15.0),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_draw_is_replaced(way):
    draw, expected = WAYS[way]
    heard = []

    def noise(k, shape):
        heard.append((k, shape))
        return torch.full(shape, 7.0, dtype=torch.float64)

    with RandomDraws(noise):
        first, second = draw(), draw()
    assert heard == [(0, (2, 3)), (1, (2, 3))]
    assert first.dtype == torch.float32
    assert torch.equal(first, torch.full((2, 3), expected)) and torch.equal(second, first)
    assert not torch.equal(draw(), draw()) or "generator" in way  # outside, draws are draws again


OTHERS = {"rand": lambda: torch.rand(2), "randperm": lambda: torch.randperm(3), "uniform_": torch.zeros(2).uniform_}


@pytest.mark.parametrize("name", OTHERS)
def test_other_randomness_is_refused(name):
    with RandomDraws(lambda k, shape: torch.zeros(shape)), pytest.raises(OtherRandomness, match=f"{name}, which"):
        OTHERS[name]()


def ancestral(prior, problem):
    """A sampler as a stranger would write it."""
    x = torch.randn(len(problem.y), *problem.operator.input_shape, dtype=problem.y.dtype)
    for s in prior.schedule.backwards():
        beta = 1 - s.alpha
        x0 = prior.denoise(x, torch.tensor(s.t))
        mean = (s.alpha_bar_prev**0.5 * beta * x0 + s.alpha**0.5 * (1 - s.alpha_bar_prev) * x) / (1 - s.alpha_bar)
        x = mean + (beta * (1 - s.alpha_bar_prev) / (1 - s.alpha_bar)) ** 0.5 * torch.randn_like(x)
    return x


def test_the_exact_law_of_a_strangers_sampler_is_that_of_ours():
    world = GaussianWorld(3)
    view = MethodView(ancestral, {}, 1e-9)
    got = output_law(lambda prior, problem, *, noise: view(prior, problem, noise), world.prior, world.problem)
    for ours, theirs in zip(output_law(ddpm, world.prior, world.problem), got, strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-12, atol=1e-12)


def test_a_strangers_sampler_is_green_and_its_twin_with_shared_noise_is_red():
    check_method(ancestral, claims=["chain", "ddpm", "prior"])

    def shared(prior, problem):
        x = torch.randn(problem.operator.input_shape, dtype=problem.y.dtype).expand(len(problem.y), -1, -1, -1)
        return prior.denoise(x, torch.tensor(prior.schedule.T))

    results = {r.law: r for r in check_method(shared, claims=(), on_fail="return")}
    assert results["batch"].status == "failed" and "one row per sample" in results["batch"].message


def test_the_generator_moves_on_as_it_would_have():
    torch.manual_seed(0)
    torch.randn(5)
    expected = torch.randn(5)
    torch.manual_seed(0)
    world = GaussianWorld(0)
    heard = with_noise(lambda prior, problem: torch.randn(5))(
        world.prior, world.problem, noise=lambda k, s: torch.zeros(s)
    )
    assert heard.dtype == torch.float64 and torch.get_default_dtype() == torch.float32
    assert torch.equal(torch.randn(5), expected)
