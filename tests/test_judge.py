"""The judge of samples: it accepts the generator's own portraits, and catches samples that are wrong in one respect."""

import json
import os
import shutil

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from teachdiff import cli, schedules
from teachdiff.faces import ATTRIBUTES, portraits, traits
from teachdiff.judge import draw, frequency, judge
from teachdiff.methods import ddpm
from teachdiff.noise import sample_seeds
from teachdiff.priors.checkpoints import save_prior
from teachdiff.priors.network import NetworkPrior
from teachdiff.priors.unet import UNet
from teachdiff.reader import BUNDLED, FEATURES, Reader, load_reader, read, save_reader, train_reader

SEED = 5  # of portraits that are neither what the reader learned from nor what samples are judged against
COUNT = 300


@pytest.fixture(scope="module")
def faces():
    return portraits(COUNT, 32, SEED)


# The traits and their reader


def test_traits_follow_the_seed_and_the_place():
    """Row i is of face i of the seed; that it is that face, the reader below could not be right without."""
    yes, numbers = traits(64, SEED)
    assert yes.dtype == torch.bool and yes.shape == (64, len(ATTRIBUTES))
    assert numbers.dtype == torch.float32 and numbers.shape == (64, 38)
    assert torch.equal(traits(16, SEED)[1], numbers[:16])
    assert not torch.equal(traits(16, SEED + 1)[1], numbers[:16])


def test_traits_are_spread_as_said():
    yes, numbers = traits(2000, SEED)
    assert (numbers.mean(0).abs() < 0.12).all()  # 1000 and 2000 faces: four standard errors are 0.16
    assert ((numbers.std(0) - 1).abs() < 0.15).all()
    shares = dict(zip(ATTRIBUTES, yes.double().mean(0).tolist(), strict=True))
    assert shares["glasses"] == pytest.approx(0.24, abs=0.04)
    assert shares["hat"] == pytest.approx(0.13, abs=0.03)
    assert shares["smile"] == pytest.approx(0.78, abs=0.04)
    assert shares["open mouth"] == pytest.approx(0.38, abs=0.044)
    for wrong in ((0, 1), (1.0, 1), (1, -1)):
        with pytest.raises((ValueError, TypeError), match="must be"):
            traits(*wrong)


def test_the_reader_that_comes_along_reads_portraits_it_never_saw(faces):
    assert BUNDLED.stat().st_size < 1_000_000
    features, answers = read(load_reader(), faces)
    assert features.shape == (COUNT, FEATURES) and features.dtype == torch.float64
    right = dict(zip(ATTRIBUTES, (answers == traits(COUNT, SEED)[0]).double().mean(0).tolist(), strict=True))
    assert right.pop("smile") > 0.8  # 0.78 smile; the corners of a mouth move by half a pixel
    assert min(right.values()) > 0.96, right


def test_the_place_in_the_batch_changes_nothing(faces):
    whole, part = read(load_reader(), faces[:70])[0], read(load_reader(), faces[65:70])[0]
    torch.testing.assert_close(whole[65:], part, rtol=1e-4, atol=1e-5)


def test_training_learns_repeats_and_leaves_the_callers_randomness_alone(tmp_path):
    losses = []
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = train_reader(12, faces=64, on_step=lambda step, loss: losses.append(loss))
    assert torch.equal(state, torch.get_rng_state())
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])
    again, other = train_reader(12, faces=64), train_reader(12, faces=64, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True))
    assert not torch.equal(first.head.weight, other.head.weight)
    save_reader(tmp_path / "r.safetensors", first)
    loaded = load_reader(tmp_path / "r.safetensors")
    x = portraits(4, 32)
    torch.testing.assert_close(loaded.features(x), first.features(x), rtol=0.02, atol=0.02)
    with pytest.raises(ValueError, match="1 or more"):
        train_reader(0)


def test_what_is_no_reader_is_refused(tmp_path):
    save_file(Reader().state_dict(), tmp_path / "bare.safetensors")
    with pytest.raises(ValueError, match="no reader of portraits"):
        load_reader(tmp_path / "bare.safetensors")
    with pytest.raises(ValueError, match="shape"):
        read(load_reader(), portraits(2, 16))


# Judging


def test_the_generators_own_portraits_are_accepted(faces):
    found = judge(faces)
    assert found.overlap
    assert found.kid.low <= 0 <= found.kid.high
    assert all(abs(a.difference) < 4 * a.standard_error for a in found.attributes)
    assert [a.name for a in found.attributes] == list(ATTRIBUTES)


def without(faces, name):
    """As many portraits, none of which has it."""
    yes = traits(2 * COUNT, SEED + 1)[0][:, list(ATTRIBUTES).index(name)]
    return portraits(2 * COUNT, 32, SEED + 1)[~yes][:COUNT]


@pytest.mark.parametrize("name", ["glasses", "hat", "long hair"])
def test_a_prior_that_forgot_something_is_caught(faces, name):
    samples = without(faces, name)
    found = judge(samples.repeat(-(-COUNT // len(samples)), 1, 1, 1)[:COUNT])
    judged = {a.name: a for a in found.attributes}
    assert not judged[name].within
    assert judged[name].difference < -4 * judged[name].standard_error
    assert judged["open mouth"].within


SPOILT = {
    "red for blue": lambda x: x.flip(1),
    "grey": lambda x: x.mean(1, keepdim=True).expand(-1, 3, -1, -1).contiguous(),
    "blurred": lambda x: torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False),
    "noisy": lambda x: x + 0.2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0)),
    "moved by two pixels": lambda x: x.roll(2, 3),
    "one face again and again": lambda x: x[:1].expand(len(x), -1, -1, -1).contiguous(),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_prior_that_is_wrong_everywhere_is_caught_by_its_distance(faces, how):
    found = judge(SPOILT[how](faces))
    assert not found.overlap
    assert found.kid.low > found.real.high


def test_a_frequency_by_hand():
    numbers = ([1, 0, 0, 0], [1, 1, 1, 0, 1, 0, 0, 0], [1] * 4 + [0] * 4)
    samples, seen, truth = (torch.tensor(x).double() for x in numbers)
    found = frequency("hat", samples, seen, truth)
    assert (found.samples, found.portraits, found.generator, found.power) == (0.25, 0.5, 0.5, 0.5)
    assert found.difference == -0.5
    assert found.standard_error == pytest.approx((0.1875 / 4 + 0.25 / 8) ** 0.5 / 0.5)
    assert not found.within and frequency("hat", seen, seen, truth).within


def test_the_correction_finds_the_difference_behind_a_bad_reader():
    """It sees what is there in 80 %, and what is not there in 30 %: the shares 0.6 and 0.4 differ by 0.2."""
    rng = torch.Generator().manual_seed(0)
    there = lambda share: (torch.rand(40_000, generator=rng) < share).double()  # noqa: E731
    see = lambda truth: (torch.rand(40_000, generator=rng) < 0.3 + 0.5 * truth).double()  # noqa: E731
    truth = there(0.4)
    found = frequency("hat", see(there(0.6)), see(truth), truth)
    assert found.difference == pytest.approx(0.2, abs=4 * found.standard_error)
    assert found.standard_error < 0.01
    assert found.samples - found.portraits == pytest.approx(0.1, abs=0.02)  # what is seen differs by half of it


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="at least 20"):
        judge(portraits(19, 32))


# Drawing, and the command


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    torch.manual_seed(0)
    network = UNet(3, (8,))
    torch.nn.init.normal_(network.head.weight, std=0.2)
    path = tmp_path_factory.mktemp("prior") / "tiny.safetensors"
    save_prior(path, network, schedule={"name": "linear", "T": 20}, prediction="x0_hat", dtype=torch.float32)
    return path, NetworkPrior(network.requires_grad_(False), schedules.linear(T=20), "x0_hat")


def test_samples_are_kept_and_more_may_be_asked_for(tiny, tmp_path):
    _, prior = tiny
    calls = []
    options = {"key": {"weights": "a"}, "method": "ddpm", "steps": 2, "seed": 4, "on_step": lambda: calls.append(1)}
    first = draw(prior, 15, tmp_path / "s", **options)
    assert first.shape == (15, 3, 32, 32) and len(calls) == 2
    more = draw(prior, 41, tmp_path / "s", **options)
    assert len(calls) == 2 * 3  # two steps of three chunks, the first of them once
    assert torch.equal(more[:15], first)
    assert torch.equal(draw(prior, 30, tmp_path / "s", **options), more[:30])
    plain = ddpm(prior, shape=(41, 3, 32, 32), steps=2, seed=sample_seeds(4, 41))
    assert (more - plain.clamp(-1, 1)).abs().max() < 1 / 127
    with pytest.raises(ValueError, match="other samples"):
        draw(prior, 20, tmp_path / "s", **{**options, "seed": 5})
    with pytest.raises(ValueError, match="sampler"):
        draw(prior, 20, tmp_path / "t", **{**options, "method": "dps"})


SHARING = """
import sys
from pathlib import Path
import torch.distributed, teachdiff.judge
from teachdiff.priors.checkpoints import load_prior
from teachdiff.shards import this_shard

def work(rank):
    folder, count = Path(sys.argv[2]), [0]
    with this_shard() as shard:
        here = lambda: count.__setitem__(0, count[0] + 1)
        x = teachdiff.judge.draw(load_prior(sys.argv[1]), 41, folder, key={}, steps=2, shard=shard, on_step=here)
    (folder / f"process-{rank}").write_text(f"{count[0]} {len(x)}")

if any(in_processes(2, work)):
    sys.exit("a process failed")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_processes_share_the_chunks_and_change_no_bit(tiny, tmp_path, python, forking):
    """Of three chunks the first is there, and nobody draws it; of the others each process draws one."""
    weights, prior = tiny
    alone = draw(prior, 41, tmp_path / "alone", key={}, steps=2)
    names = ["000000.safetensors", "000020.safetensors", "000040.safetensors"]
    assert sorted(path.name for path in (tmp_path / "alone").iterdir()) == names
    (tmp_path / "shared").mkdir()
    shutil.copy(tmp_path / "alone" / names[0], tmp_path / "shared")
    done = python.run("-c", forking + SHARING, weights, tmp_path / "shared", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [(tmp_path / "shared" / f"process-{rank}").read_text() for rank in (0, 1)] == ["2 41", "2 41"]
    for name in names:
        assert (tmp_path / "shared" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    assert torch.equal(draw(prior, 41, tmp_path / "shared", key={}, steps=2), alone)


def run(*arguments):
    result = CliRunner().invoke(cli.app, ["judge", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_command_prints_what_it_writes(tiny, tmp_path):
    result = run(tiny[0], "--count", 20, "--steps", 2, "--out", tmp_path, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found == json.loads((tmp_path / "judgement.json").read_text())
    assert (found["count"], found["steps"], found["method"], found["seed"]) == (20, 2, "ddim", 0)
    assert not found["overlap"] and found["kid"]["low"] > 0
    assert {p.name for p in tmp_path.iterdir()} == {"judgement.json", "samples.png", "samples"}
    result = run(tiny[0], "--count", 20, "--steps", 2, "--out", tmp_path)
    assert "glasses" in result.stdout and "do not overlap" in result.stdout


WRONG = [
    (["--count", 19], 2, "20 or more"),
    (["--method", "ddpn"], 2, "Did you mean 'ddpm'"),
    (["--steps", 21], 2, "1..20"),
    (["--seed", -1], 2, "--seed"),
]


@pytest.mark.parametrize(("arguments", "code", "says"), WRONG)
def test_wrong_questions(tiny, tmp_path, arguments, code, says):
    result = run(tiny[0], "--out", tmp_path / "o", *arguments)
    assert result.exit_code == code
    assert says in result.stderr
    assert not (tmp_path / "o").exists()


def test_a_prior_of_something_else_is_refused(tmp_path):
    result = run("digits", "--out", tmp_path / "o")
    assert result.exit_code == 2
    assert "3 channels" in result.stderr
