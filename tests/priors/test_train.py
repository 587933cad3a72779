"""Training: it learns, it survives a kill to the same bits, and it refuses what it cannot do."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from teachdiff.priors.checkpoints import load_prior
from teachdiff.priors.train import TrainConfig, learning_rate, read_config, train, training_source

TINY = {"name": "tiny", "size": 8, "channels": (8,), "T": 50, "batch": 4, "checkpoint_every": 2, "steps": 6}


def config(folder, **changes):
    return TrainConfig(data=str(folder), **{**TINY, **changes})


class Killed(BaseException):
    """What no handler expects."""


@pytest.mark.parametrize("blow", [Killed, KeyboardInterrupt])
@pytest.mark.parametrize("precision", ["bf16", "float32"])
def test_killed_and_resumed_ends_at_the_same_bits(folder, tmp_path, blow, precision):
    def stop(step, loss):
        if step == 5:
            raise blow

    straight = train(config(folder, precision=precision), tmp_path / "straight")
    with pytest.raises(blow):
        train(config(folder, precision=precision), tmp_path / "resumed", on_step=stop)
    first = []
    resumed = train(config(folder, precision=precision), tmp_path / "resumed", on_step=lambda s, loss: first.append(s))
    assert first[0] == 5  # from the last checkpoint on
    a, b = load_file(straight), load_file(resumed)
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_more_steps_may_be_asked_for_before_the_rate_falls(folder, tmp_path):
    def stop(step, loss):
        if step == 3:
            raise KeyboardInterrupt

    short, long = config(folder, steps=8, decay=0.5), config(folder, steps=12, decay=0.5)
    with pytest.raises(KeyboardInterrupt):
        train(short, tmp_path / "a", on_step=stop)
    a, b = load_file(train(long, tmp_path / "a")), load_file(train(long, tmp_path / "b"))
    assert all(torch.equal(a[k], b[k]) for k in a)
    with pytest.raises(ValueError, match="falls already"):
        train(config(folder, steps=20, decay=0.5), tmp_path / "a")


def test_it_learns_two_colours(folder, tmp_path):
    """The loss after training is far below that of a network that answers zero."""
    losses = []
    path = train(
        config(folder, steps=400, batch=16, prediction="epsilon", checkpoint_every=1000, learning_rate=3e-3),
        tmp_path / "out",
        on_step=lambda step, loss: losses.append(loss),
    )
    assert np.mean(losses[-50:]) < 0.35 * np.mean(losses[:5])
    prior = load_prior(path)
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    alpha_bar = prior.schedule.alpha_bar[10].item()
    noisy = alpha_bar**0.5 * red + (1 - alpha_bar) ** 0.5 * torch.randn(1, 3, 8, 8, generator=torch.manual_seed(0))
    before = (noisy / alpha_bar**0.5 - red).square().mean()
    assert (prior.denoise(noisy, 10) - red).square().mean() < 0.5 * before
    card = (tmp_path / "out" / "tiny.md").read_text(encoding="utf-8")
    assert "Licence" in card and "Config" in card


def test_a_real_kill_leaves_a_checkpoint_that_resumes(folder, tmp_path):
    """SIGKILL in the middle of a save must leave either the old checkpoint or the new one."""
    script = textwrap.dedent(f"""
        import torch; torch.set_num_threads(1)
        from teachdiff.priors.train import TrainConfig, train
        config = TrainConfig(data={str(folder)!r}, **{ {**TINY, "steps": 100000, "checkpoint_every": 1}!r})
        train(config, {str(tmp_path / "out")!r}, on_step=lambda step, loss: print(step, flush=True))
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) >= 7:
                break
        process.kill()
    saved = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    assert saved["step"] >= 6
    assert saved["network"]["stem.weight"].isfinite().all()


def test_the_learning_rate_rises_holds_and_falls_to_zero():
    c = TrainConfig(name="x", data="y", steps=1000, warmup=100, decay=0.2, learning_rate=1.0)
    assert learning_rate(c, 0) == pytest.approx(0.01)
    assert learning_rate(c, 99) == learning_rate(c, 799) == 1.0
    assert learning_rate(c, 900) == pytest.approx(0.5)
    assert 0 < learning_rate(c, 999) < 0.01


def test_crops_come_from_the_images_at_each_scale(tmp_path):
    ramp = np.tile(np.arange(32, dtype=np.uint8)[None, :, None] * 8, (32, 1, 3))
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    source = training_source(TrainConfig(name="x", data=str(tmp_path), size=8, scales=(1.0, 0.5)))
    x = source(np.random.default_rng(0), 64)
    assert x.shape == (64, 3, 8, 8)
    assert -1 <= x.min() and x.max() <= 1
    slopes = (x.diff(dim=3).mean((1, 2, 3)) * 127.5).round().int().tolist()
    assert {-16, -8, 8, 16} <= set(slopes)  # mirrored or not, full or half size
    assert torch.equal(x, source(np.random.default_rng(0), 64))


def test_portraits_are_a_source_too():
    source = training_source(TrainConfig(name="x", data="portraits", size=32))
    a, b = source(np.random.default_rng(0), 2), source(np.random.default_rng(1), 2)
    assert a.shape == (2, 3, 32, 32)
    assert not torch.equal(a, b)


def test_another_config_or_a_damaged_checkpoint_is_refused(folder, tmp_path):
    train(config(folder, steps=2), tmp_path / "out")
    with pytest.raises(ValueError, match="batch: 4 there, 8 now"):
        train(config(folder, steps=2, batch=8), tmp_path / "out")
    (tmp_path / "out" / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="damaged"):
        train(config(folder, steps=2), tmp_path / "out")


def test_a_diverging_run_says_so(folder, tmp_path):
    with pytest.raises(FloatingPointError, match="learning_rate"):
        train(config(folder, steps=200, learning_rate=1e18, warmup=0, precision="float32"), tmp_path / "out")


TOML = 'name = "a"\ndata = "portraits"\n'
BAD_TOML = {
    "unknown key": (TOML + "stepps = 3\n", "Did you mean 'steps'"),
    "wrong type": (TOML + 'steps = "3"\n', "steps .* must be of type int"),
    "bool for int": (TOML + "steps = true\n", "steps .* must be of type int"),
    "no name": ('data = "portraits"\n', "must set name"),
    "no TOML": ("steps == 3", "cannot read"),
    "schedule": (TOML + 'schedule = "lin"\n', "Did you mean 'linear'"),
    "prediction": (TOML + 'prediction = "x0"\n', "epsilon"),
    "negative steps": (TOML + "steps = -1\n", "steps must be at least 1"),
    "ema": (TOML + "ema = 1.5\n", "ema"),
    "scales": (TOML + "scales = [2.0]\n", "scales"),
}


CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_config_that_comes_along_is_readable_and_a_second_part_continues_a_first(path):
    config = read_config(path)
    assert config.name == path.stem.removesuffix("_longer")
    if path.stem.endswith("_longer"):
        first = read_config(path.with_name(f"{config.name}.toml"))
        assert config.start == f"runs/{config.name}/{config.name}.safetensors"
        same = ("data", "include", "size", "scales", "channels", "blocks", "schedule", "T", "prediction", "t_power")
        assert all(getattr(config, key) == getattr(first, key) for key in same)


@pytest.mark.parametrize("case", BAD_TOML)
def test_bad_configs_are_named(case, tmp_path):
    text, says = BAD_TOML[case]
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ValueError, match=says):
        read_config(tmp_path / "c.toml")


def test_a_config_reads_back(tmp_path):
    (tmp_path / "c.toml").write_text(TOML + "channels = [8, 16]\nlearning_rate = 1\n")
    c = read_config(tmp_path / "c.toml")
    assert c.channels == (8, 16)
    assert c.learning_rate == 1.0
    with pytest.raises(ValueError, match="cannot read"):
        read_config(tmp_path / "absent.toml")


def test_data_that_does_not_serve(tmp_path, folder):
    with pytest.raises(ValueError, match="neither a folder nor a zip"):
        training_source(TrainConfig(name="x", data=str(tmp_path / "absent")))
    with pytest.raises(ValueError, match="at least 64 pixels"):
        training_source(config(folder, size=64))
