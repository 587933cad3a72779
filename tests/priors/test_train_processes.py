"""Several processes train as one: the same losses, whoever is killed, whoever launched them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from teachdiff.priors.train import TrainConfig, train
from teachdiff.shards import Shard

ROOT = Path(__file__).parents[2]
TINY = {"name": "tiny", "size": 8, "channels": [8], "T": 50, "batch": 4, "checkpoint_every": 4, "steps": 12}

# Runs in processes, see `forking`. Each is a line of JSON: config, folder, number of processes, the step after
# which the second one is killed, what is done wrongly.
FORK = """
import json, os, signal, sys
import torch, torch._dynamo, torch.distributed  # an optimizer imports the first, for 2 seconds
from torch import nn
from teachdiff.priors.train import TrainConfig, train
from teachdiff.shards import Shard, this_shard

def child(config, out, killed, wrong):
    torch.set_num_threads(1)
    curve = []

    def on_step(step, loss):
        curve.append((step, loss))
        if shard.rank == 1 and step == killed:
            os.kill(os.getpid(), signal.SIGKILL)

    if wrong == "the same part for each":
        Shard.part = lambda self, count: slice(0, count // self.world)
    if wrong == "each for itself":
        nn.parallel.DistributedDataParallel = lambda network: network
    with this_shard() as shard:
        train(TrainConfig(**config), out, shard=shard, on_step=on_step)
        with open(f"{out}/curve-{shard.rank}.json", "w") as file:
            json.dump(curve, file)

for config, out, processes, killed, wrong in json.loads(sys.argv[1]):
    def work(rank):
        try:
            child(config, out, killed, wrong)
        except RuntimeError:  # of the process that is left
            if killed is None:
                raise
            os._exit(1)

    codes = in_processes(processes, work)
    if (sorted(codes) != [-9, 1]) if killed else any(codes):
        sys.exit(f"{out}: {codes}")
"""
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")


@pytest.fixture
def launch(tmp_path, folder, python, forking):
    """Train in processes; lines (out, processes, killed after, wrong, changes of the config)."""

    def run(*lines):
        given = [
            ({**TINY, "data": str(folder), **changes}, out, processes, killed, wrong)
            for out, processes, killed, wrong, changes in lines
        ]
        done = python.run("-c", forking + FORK, json.dumps(given), cwd=tmp_path)
        assert done.returncode == 0, done.stderr

    return run


def curve(path, rank=0):
    steps, losses = zip(*json.loads((path / f"curve-{rank}.json").read_text()), strict=True)
    return list(steps), torch.tensor(losses, dtype=torch.float64)


def saved(path):
    return torch.load(path / "checkpoint.pt", weights_only=True)


def distance(a, b):
    """The largest difference of two checkpoints' averages, relative to the largest weight."""
    pairs = [(saved(a)["average"][k], saved(b)["average"][k]) for k in saved(a)["average"]]
    return max((x - y).abs().max().item() for x, y in pairs) / max(x.abs().max().item() for x, _ in pairs)


@forks
def test_two_processes_have_the_losses_of_one(tmp_path, launch):
    """In float32 to 1e-5, the rounding of sums in another order; in bfloat16 to 1e-2."""
    bf16 = {"precision": "bf16"}
    exact = {"precision": "float32"}
    launch(
        ("one", 1, None, "", exact), ("two", 2, None, "", exact), ("four", 4, None, "", exact),
        ("one-bf16", 1, None, "", bf16), ("two-bf16", 2, None, "", bf16),
        ("same", 2, None, "the same part for each", exact), ("alone", 2, None, "each for itself", exact),
    )  # fmt: skip
    steps, one = curve(tmp_path / "one")
    assert steps == list(range(1, 13))
    for name in ("two", "four"):
        for rank in range(2):  # each process knows the loss of the whole batch
            torch.testing.assert_close(curve(tmp_path / name, rank)[1], one, rtol=1e-5, atol=0)
        assert distance(tmp_path / name, tmp_path / "one") < 1e-4
    halves = curve(tmp_path / "two-bf16")[1]
    torch.testing.assert_close(halves, curve(tmp_path / "one-bf16")[1], rtol=1e-2, atol=0)
    for wrong in ("same", "alone"):
        other = curve(tmp_path / wrong)[1]
        assert ((other - one).abs() / one).max() > 1e-4, wrong  # ten times what is allowed above


@forks
def test_a_killed_process_ends_the_run_and_the_same_command_goes_on(tmp_path, launch):
    """With as many processes to the same bits; with another number to the rounding of sums."""
    exact = {"precision": "float32"}
    launch(
        ("straight", 2, None, "", exact), ("killed", 2, 6, "", exact), ("fewer", 2, 6, "", exact),
        ("killed", 2, None, "", exact), ("fewer", 1, None, "", exact),
    )  # fmt: skip
    assert curve(tmp_path / "killed")[0] == list(range(5, 13))  # from the last checkpoint on
    assert distance(tmp_path / "killed", tmp_path / "straight") == 0
    assert 0 < distance(tmp_path / "fewer", tmp_path / "straight") < 1e-4
    assert (tmp_path / "killed" / "tiny.safetensors").read_bytes() == (
        tmp_path / "straight" / "tiny.safetensors"
    ).read_bytes()


@forks
def test_a_network_of_dirac_learns_in_two_processes_too(tmp_path, launch):
    dirac = {"task": "inpaint_smooth", "size": 16, "precision": "float32", "steps": 4, "T": 1000}
    os.makedirs(tmp_path / "images", exist_ok=True)
    from PIL import Image

    for i in range(2):
        Image.effect_noise((20, 18), 60).convert("RGB").save(tmp_path / "images" / f"noise{i}.png")
        (tmp_path / "images" / f"{i}.png").unlink()
    launch(("one", 1, None, "", dirac), ("two", 2, None, "", dirac))
    torch.testing.assert_close(curve(tmp_path / "two")[1], curve(tmp_path / "one")[1], rtol=1e-5, atol=0)


def test_a_batch_that_cannot_be_shared_is_refused(folder, tmp_path):
    config = TrainConfig(**{**TINY, "channels": (8,), "data": str(folder), "batch": 5})
    with pytest.raises(ValueError, match="5 has no equal parts for 2 processes"):
        train(config, tmp_path / "out", shard=Shard(1, 2))
    assert not (tmp_path / "out").exists()


def test_parts_are_equal_and_cover_the_batch():
    parts = [list(range(12))[Shard(r, 3).part(12)] for r in range(3)]
    assert parts == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert Shard().part(7) == slice(0, 7)


LAUNCHERS = {
    "torchrun": ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
    "accelerate": [
        "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision",
        "no", "--dynamo_backend", "no", "--main_process_port", "0",
    ],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_command_line_under_a_launcher(tmp_path, folder, launcher):
    pytest.importorskip("accelerate")
    config = {**TINY, "data": str(folder), "steps": 4, "precision": "float32"}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    (tmp_path / "c.toml").write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in config.items()))
    for name, start in (("one", []), ("two", LAUNCHERS[launcher])):
        done = subprocess.run(
            [sys.executable, *(["-m", *start] if start else []), "-m", "teachdiff", "train", "c.toml", "--out", name],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Prior: ") == 1  # of several processes one speaks
    assert "torchrun --nproc-per-node 2 -m teachdiff train c.toml" in (tmp_path / "two" / "tiny.md").read_text()
    assert distance(tmp_path / "two", tmp_path / "one") < 1e-4
