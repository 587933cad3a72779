"""The bench of peers: the libraries' samplers give our images from our draws, and none is faster by more than noise."""

import bench
import pytest
import torch
from peer import needs

from teachdiff import schedules
from teachdiff.bench import problem_for
from teachdiff.priors.network import NetworkPrior
from teachdiff.priors.unet import UNet

pytestmark = needs("azula", "deepinv", "diffusers")


@pytest.fixture(scope="module")
def results():
    torch.manual_seed(0)
    network = UNet(3, (16, 24))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    prior = NetworkPrior(network.requires_grad_(False).eval(), schedules.linear(1000), "v")
    problem = problem_for(prior, "inpaint_box", 48, 1)
    world = bench.World(network, "v", prior.schedule, problem, 10, torch.randn(1, 3, 48, 48))
    found = bench.compete(world, rounds=5)
    assert bench.table(found, world).count("\n") == 1 + len(found)
    return {(r.contestant.method, r.contestant.library): r for r in found}


@pytest.mark.parametrize("c", bench.CONTESTANTS, ids=lambda c: f"{c.method}-{c.library}")
def test_with_the_same_draws_the_images_are_the_same(results, c):
    result = results[c.method, c.library]
    assert result.evaluations == 10
    assert (result.gap is None) == (c.library == "teachdiff" or not c.agrees)
    if result.gap is not None:  # deepinv finds its times in float32
        assert result.gap < (5e-3 if c.library == "deepinv" else 5e-4)


@pytest.mark.parametrize("c", bench.CONTESTANTS, ids=lambda c: f"{c.method}-{c.library}")
def test_no_library_is_faster_by_more_than_noise(results, c):
    """In calls of the bare network, the best of five rounds each: noise only ever adds."""
    ours, theirs = min(results[c.method, "teachdiff"].units), min(results[c.method, c.library].units)
    assert ours < 1.25 * theirs
