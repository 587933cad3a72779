"""A comparison on disk: files that say the same, FID from pictures, and processes that change no bit."""

import csv
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from teachdiff import schedules
from teachdiff.compare import RowFile
from teachdiff.data import astronaut_face, save_image
from teachdiff.experiment import Experiment, held_out
from teachdiff.faces import portraits
from teachdiff.files import write_csv, write_json
from teachdiff.priors.checkpoints import save_prior
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.unet import UNet
from teachdiff.settings import HELD_OUT
from teachdiff.shards import ALONE, Shard, this_shard

ROOT = Path(__file__).parents[1]
SIZE = 16


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    monkeypatch.setenv("TEACHDIFF_LPIPS_WEIGHTS", str(tmp_path / "none"))
    monkeypatch.setenv("TEACHDIFF_FID_WEIGHTS", str(tmp_path / "none"))
    prior = GaussianPrior(
        schedules.linear(40, 1e-3, 0.3), torch.zeros(3, SIZE, SIZE), torch.full((3, SIZE, SIZE), 0.25)
    )
    images = {name: astronaut_face(SIZE).roll(i, -1) for i, name in enumerate("abc")}
    return Experiment(prior, "g", "0", images, ["sr4", "denoise"], ["tweedie", "dps"], 0.1, tmp_path / "o", steps=3)


def test_files_say_what_the_rows_say(experiment):
    rows = experiment.run()
    found = experiment.write(rows)
    out = experiment.out
    assert json.loads((out / "results.json").read_text()) == [asdict(row) for row in rows]
    assert json.loads((out / "summary.json").read_text()) == [asdict(summary) for summary in found]
    with open(out / "results.csv", newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [float(line["psnr"]) for line in table] == [row.psnr for row in rows]
    assert {line["lpips"] for line in table} == {""}
    assert table[0]["notes"] == "; ".join(rows[0].notes)
    with open(out / "summary.csv", newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert [float(line["psnr_standard_error"]) for line in table] == [s.standard_error["psnr"] for s in found]
    assert [(s.task, s.method, s.images) for s in found] == [
        (t, m, 3) for t in ("sr4", "denoise") for m in ("tweedie", "dps")
    ]
    assert not list(out.rglob(".*"))


class Corners(torch.nn.Module):
    num_features = 12

    def forward(self, x):
        return torch.nn.functional.adaptive_avg_pool2d(x.double(), 2).flatten(1)


def test_fid_is_that_of_the_pictures_and_says_of_how_many(experiment):
    rows = experiment.run()
    with_stand_in = experiment.summaries(rows, extractor=Corners())
    assert all(s.fid > 0 for s in with_stand_in)
    assert all(any(n.startswith("fid: over 3 images") for n in s.notes) for s in with_stand_in)
    # where the restored images are the true ones the distance is 0, up to roots of rounding errors
    for s in with_stand_in:
        for image in experiment.images:
            experiment.picture(s.task, image, "truth").replace(experiment.picture(s.task, image, s.method))
            experiment.picture(s.task, image, "truth").write_bytes(
                experiment.picture(s.task, image, s.method).read_bytes()
            )
    assert all(abs(s.fid) < 1e-3 for s in experiment.summaries(rows, extractor=Corners()))


def test_without_weights_or_images_fid_is_none_and_says_why(experiment):
    rows = experiment.run()
    for summary in experiment.summaries(rows):
        assert summary.fid is None
        assert any(note.startswith("fid: FID needs the weights") for note in summary.notes)
    one = replace(experiment, images={"a": experiment.images["a"]})
    assert all("got 1" in s.notes[-1] for s in one.summaries(one.run(), extractor=Corners()))
    experiment.picture("sr4", "b", "dps").unlink()
    notes = {(s.task, s.method): s.notes[-1] for s in experiment.summaries(rows, extractor=Corners())}
    assert notes["sr4", "dps"] == "fid: 1 of 3 images could not be restored"
    assert notes["sr4", "tweedie"].startswith("fid: over 3")


def test_rows_that_other_processes_left_are_taken_up(experiment):
    rows = experiment.run()
    whole = RowFile(experiment.out / "rows.jsonl")
    part = RowFile(experiment.out / "rows-2.jsonl")
    moved = [line for line in whole.lines.values() if line["row"]["image"] == "c"]
    part._add(moved)
    whole.lines = {place: line for place, line in whole.lines.items() if place[2] != "c"}
    whole._add([])
    assert experiment.run() == rows  # with the seconds of the first run
    assert not part.path.exists()


def test_a_share_that_was_left_undone_is_said(experiment, monkeypatch):
    monkeypatch.setattr(Shard, "wait", lambda self: None)  # as if the other process had come and gone
    with pytest.raises(RuntimeError, match="4 of 12 rows are missing"):
        replace(experiment, shard=Shard(0, 2)).run()
    rows = replace(experiment, shard=Shard(1, 2)).run
    assert not (experiment.out / "rows-1.jsonl").exists()
    with pytest.raises(RuntimeError, match="4 of 12 rows are missing"):
        rows()  # its own lie in a file of its own, until the first process takes them
    assert len(experiment.run()) == 12
    assert not (experiment.out / "rows-1.jsonl").exists()


def test_held_out_images():
    assert torch.equal(held_out("portraits", 16, 6)["portrait 6"], portraits(6, 16, seed=HELD_OUT)[5:])
    assert list(held_out("photos", 16)) == ["astronaut", "cat", "coffee", "rocket"]
    assert list(held_out("photos", 16, 2)) == ["astronaut", "cat"]
    with pytest.raises(ValueError, match="4 photographs come along; for 5 give a folder"):
        held_out("photos", 16, 5)


# Several processes


@pytest.mark.parametrize(
    ("rank", "world"), [("0", None), (None, "2"), ("2", "2"), ("-1", "2"), ("one", "2"), ("0", "0")]
)
def test_a_rank_that_cannot_be_is_refused(monkeypatch, rank, world):
    for name, value in (("RANK", rank), ("WORLD_SIZE", world)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="torchrun sets both"), this_shard():
        pass


def test_one_process_is_everything(monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    with this_shard() as shard:
        assert shard == ALONE == Shard()
    assert all(shard.has(i) for i in range(5))


# The command line's own work, in so many processes: see `forking`.
FORK = """
import sys
import matplotlib.figure, torch.distributed, teachdiff.cli, teachdiff.experiment

def work(rank):
    sys.argv = ["teachdiff", *sys.argv[2:], "--out", f"out{processes}"]
    teachdiff.cli.main()

for processes in map(int, sys.argv[1].split(",")):
    if any(in_processes(processes, work)):
        sys.exit("a process failed")
"""


@pytest.fixture
def five(tmp_path):
    """Arguments of a comparison of five small images, and what its environment has more."""
    torch.manual_seed(0)
    network = UNet(3, (8, 8))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    save_prior(tmp_path / "p.safetensors", network, schedule={"name": "linear", "T": 20}, prediction="x0_hat")
    for i, image in enumerate(portraits(5, 16).split(1)):
        save_image(tmp_path / "images" / f"{i}.png", image)
    environment = {f"TEACHDIFF_{metric}_WEIGHTS": str(tmp_path / "none") for metric in ("LPIPS", "FID")}
    arguments = ["compare", "--prior", "p.safetensors", "--images", "images", "--tasks", "sr2,denoise", "--methods"]
    return [*arguments, "tweedie,dps", "--samples", "2", "--size", "16", "--steps", "2"], environment


@pytest.fixture
def run(python, five, tmp_path):
    """A Python in the folder of the test: one that forks starts as a fork itself, torchrun does not."""

    def run(*arguments):
        if arguments[0] == "-c":
            return python.run(*arguments, cwd=tmp_path, **five[1])
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **five[1]}
        line = [sys.executable, *arguments]
        return subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)

    return run


def launch(run, arguments):
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def figures(rows):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def rows_in(folder):
    rows = json.loads((folder / "results.json").read_text())
    assert len(rows) == 5 * 2 * 2 and len({row["psnr"] for row in rows}) == 20
    assert not list(folder.glob("rows-*.jsonl"))
    return rows


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_the_number_of_processes_changes_no_bit(tmp_path, five, run, forking):
    arguments, _ = five
    printed = launch(run, ["-c", forking + FORK, "1,2,3", *arguments])
    assert printed.count("Means over 5 images") == 3  # of several processes one speaks
    one, two, three = (rows_in(tmp_path / f"out{n}") for n in (1, 2, 3))
    assert figures(one) == figures(two) == figures(three)
    pictures = [sorted((tmp_path / out / "pictures").rglob("*.png")) for out in ("out1", "out3")]
    assert len(pictures[0]) == 5 * 2 * 4
    for a, b in zip(*pictures, strict=True):
        assert a.name == b.name
        assert a.read_bytes() == b.read_bytes()


@pytest.mark.slow
def test_torchrun_gives_the_same_figures_and_goes_on_where_more_processes_stopped(tmp_path, five, run):
    arguments, _ = five

    def compare(processes, out):
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
        printed = launch(run, [*launcher, "teachdiff", *arguments, "--json", "--out", out])
        assert json.loads(printed) == rows_in(tmp_path / out)  # nothing but JSON
        return json.loads(printed)

    one, three = compare(1, "one"), compare(3, "three")
    assert figures(one) == figures(three)
    lines = (tmp_path / "three" / "rows.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "three" / "rows.jsonl").write_text("".join(lines[:7]))
    (tmp_path / "three" / "rows-1.jsonl").write_text("".join(lines[7:12]))
    again = compare(2, "three")
    assert figures(again) == figures(one)
    kept = {(r["task"], r["image"], r["method"]): r["seconds"] for r in (json.loads(x)["row"] for x in lines[:12])}
    assert all(kept.get((r["task"], r["image"], r["method"]), r["seconds"]) == r["seconds"] for r in again)


# The command line, but the process of rank 1 dies by SIGKILL while it writes its fourth row.
DYING = """
import os, signal
import teachdiff.cli, teachdiff.files

replace, written = os.replace, []

def dying(part, path):
    if os.path.basename(path) == "rows-1.jsonl":
        written.append(path)
        if len(written) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
    replace(part, path)

teachdiff.files.os.replace = dying
teachdiff.cli.main()
"""

TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
@pytest.mark.parametrize("launcher", ["fork", pytest.param("torchrun", marks=pytest.mark.slow)])
def test_a_process_that_is_killed_costs_the_row_that_it_was_writing(tmp_path, five, run, forking, launcher):
    """kill -9 of one of two processes: the run ends with an error, and the same command goes on to the same table."""
    arguments, _ = five
    (tmp_path / "dying.py").write_text(DYING)
    if launcher == "torchrun":
        killed, again = [*TORCHRUN, "dying.py", *arguments], [*TORCHRUN, "-m", "teachdiff", *arguments]
        killed, again = ([*line, "--out", "out2"] for line in (killed, again))
    else:
        dying = FORK.replace("teachdiff.cli.main()", "exec(open('dying.py').read(), globals())")
        killed = ["-c", forking + dying, "2", *arguments]
        again = ["-c", forking + FORK, "2,1", *arguments]  # and once with one process
    assert run(*killed).returncode != 0
    assert not (tmp_path / "out2" / "results.json").exists()
    left = [json.loads(x)["row"] for x in (tmp_path / "out2" / "rows-1.jsonl").read_text().splitlines()]
    assert len(left) == 3
    launch(run, again)
    rows = rows_in(tmp_path / "out2")
    seconds = {(r["task"], r["image"], r["method"]): r["seconds"] for r in rows}
    assert all(seconds[r["task"], r["image"], r["method"]] == r["seconds"] for r in left)  # not computed anew
    if launcher == "torchrun":
        launch(run, ["-m", "teachdiff", *arguments, "--out", "out1"])
    assert figures(rows) == figures(rows_in(tmp_path / "out1"))


def test_files_are_whole_or_not_there(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", float("nan"))
    with pytest.raises(ValueError, match="fields"):
        write_csv(tmp_path / "a.csv", [{"a": 1}, {"b": 2}])
    assert list(tmp_path.iterdir()) == []
