"""How cost grows: points that are what they say, slopes, and the two files."""

import math
from dataclasses import replace

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from teachdiff import cli, growth
from teachdiff.growth import AXES, QUICK, Point, attentive, curves, grow, read, slope
from teachdiff.priors.checkpoints import save_prior
from teachdiff.priors.network import NetworkPrior
from teachdiff.priors.unet import UNet
from teachdiff.problems import make_operator
from teachdiff.schedules import linear


@pytest.fixture(scope="module")
def prior():
    torch.manual_seed(0)
    return NetworkPrior(UNet(3, (8, 8)).requires_grad_(False), linear(T=20))


@pytest.fixture(scope="module")
def points(prior):
    seen = []
    found = grow(prior, QUICK, seen.append)
    assert seen == list(AXES)
    return found


def test_every_point_of_the_plan_is_run(points):
    found = {key: [p.value for p in own] for key, own in curves(points).items()}
    assert found == {
        ("size", "ddpm"): [256, 1024],
        ("size", "dps"): [256, 1024],
        ("samples", "dps"): [1, 2],
        ("steps", "dps"): [2, 4],
        **{("rank", method): [384, 768] for method in ("ddrm", "dmps", "pigdm")},
        ("checkpointing", "DPS"): [256, 1024],
        ("checkpointing", "DPS with activation checkpointing"): [256, 1024],
    }
    assert all(p.seconds > 0 for p in points)


def test_the_rank_is_that_of_the_operator(prior):
    """A mask's rank is the number of pixels that it keeps."""
    ranks = [value for axis, series, value, _ in growth.runs(prior, QUICK) if (axis, series) == ("rank", "ddrm")]
    masks = [make_operator("inpaint_random", (3, 16, 16), drop=1 - share).mask for share in QUICK.kept]
    assert ranks == [mask.values.sum() for mask in masks]


def test_checkpointing_changes_no_answer():
    x, t = torch.randn(1, 3, 16, 16, requires_grad=True), torch.tensor(500)
    slopes = []
    for checkpointing in (False, True):
        x0_hat = attentive(checkpointing, torch.device("cpu")).denoise(x, t)
        slopes.append(torch.autograd.grad(x0_hat.square().sum(), x)[0])
    torch.testing.assert_close(*slopes)


def test_checkpointing_saves_memory():
    cpu, peaks = torch.device("cpu"), []
    for on in (False, True):
        run = growth.chain(attentive(on, cpu), "dps", 96, 1, 1)
        run()
        peaks.append(growth.peak_of(run, cpu)[0])
    assert peaks == [None, None] or peaks[1] < 0.75 * peaks[0], peaks


def point(value, seconds=1.0, memory=None):
    return Point("size", "dps", value, seconds, memory)


def test_slope():
    points = [point(v, 3 * v**2, 5 * v) for v in (1.0, 2.0, 8.0)]
    assert slope(points, lambda p: p.seconds) == pytest.approx(2)
    assert slope(points, lambda p: p.peak_memory) == pytest.approx(1)
    assert slope([point(1.0), point(2.0)], lambda p: p.peak_memory) is None
    assert slope([point(1.0)], lambda p: p.seconds) is None
    assert not math.isnan(slope([point(1.0), point(2.0)], lambda p: p.seconds))


def test_no_rounds_is_named(prior):
    with pytest.raises(ValueError, match="rounds must be 1 or more"):
        grow(prior, replace(QUICK, rounds=0))


def test_the_command_writes_a_picture_and_its_numbers(tmp_path, prior, points, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(growth, "grow", lambda prior, plan, on_point: points)
    save_prior("tiny.safetensors", prior.network, schedule={"name": "linear", "T": 20}, prediction="epsilon")
    done = CliRunner().invoke(cli.app, ["bench", "--networks", "tiny.safetensors", "--growth", "out"])
    assert done.exit_code == 0, done.stderr
    assert read(tmp_path / "out" / "cost-growth.json") == points
    with Image.open("out/cost-growth.png") as picture:
        assert picture.size == (1210, 726)
    assert "Slope of log" in done.stdout and "checkpointing" in done.stdout


def test_growth_is_of_one_network(prior):
    done = CliRunner().invoke(cli.app, ["bench", "--networks", "photos,portraits", "--growth", "out"])
    assert done.exit_code == 2
    assert "--growth draws the curves of one network" in done.stderr
