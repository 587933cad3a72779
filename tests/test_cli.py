"""The command line: what it writes, what it says, and what it refuses without leaving anything behind."""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from teachdiff import cli
from teachdiff.data import load_image, to_array
from teachdiff.methods import METHODS
from teachdiff.priors.checkpoints import save_prior
from teachdiff.priors.restorer import save_restorer
from teachdiff.priors.unet import UNet
from teachdiff.problems import TASKS

ROW = [
    "task", "method", "prior", "image", "seed", "psnr", "ssim", "lpips", "consistency", "seconds", "evaluations",
    "peak_memory", "notes",
]  # fmt: skip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A network of a few thousand random weights: quick, and no good at all."""
    torch.manual_seed(0)
    network = UNet(3, (8, 8))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    path = tmp_path_factory.mktemp("prior") / "tiny.safetensors"
    save_prior(path, network, schedule={"name": "linear", "T": 20}, prediction="x0_hat", dtype=torch.float32)
    return str(path)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEACHDIFF_LPIPS_WEIGHTS", str(tmp_path / "none"))

    def invoke(*arguments):
        result = CliRunner().invoke(cli.app, [str(a) for a in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception  # it would be a traceback
        return result

    return invoke


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def process(*arguments, cwd):
    """The real thing, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "teachdiff.cli", *map(str, arguments)],
        cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


# restore


def test_restore_writes_three_pictures_and_the_figures(run, tiny, tmp_path):
    out = tmp_path / "out"
    result = run("restore", "astronaut", "--task", "denoise", "--prior", tiny, "--size", 48, "--steps", 3, "--out", out)
    assert result.exit_code == 0
    assert files(out) == {"truth.png", "measurement.png", "restored.png", "result.json"}
    found = json.loads((out / "result.json").read_text())
    assert set(ROW) < set(found)
    assert (found["task"], found["method"], found["evaluations"]) == ("denoise", "dps", 3)
    assert found["sigma"] == {"unit_range": 0.05, "library": 0.1}
    assert found["lpips"] is None
    assert any("alexnet" in note for note in found["notes"])
    assert "0.05 in [0, 1] units = 0.1 in the library's [-1, 1] units" in result.stderr
    assert "consistency" in result.stdout
    truth, measured = (to_array(load_image(out / f"{n}.png")) / 255 for n in ("truth", "measurement"))
    inside = (truth > 0.2) & (truth < 0.8)  # elsewhere the picture of the noise is clamped
    assert (measured - truth)[inside].std() == pytest.approx(0.05, rel=0.06)


def test_restore_takes_a_file_of_any_shape(run, tiny, tmp_path):
    Image.effect_noise((70, 41), 60).save(tmp_path / "noise.jpg")
    args = ["--task", "sr4", "--method", "tweedie", "--prior", tiny, "--size", 32, "--out", "o"]
    result = run("restore", "noise.jpg", *args)
    assert result.exit_code == 0
    with Image.open("o/restored.png") as picture:
        assert picture.size == (32, 32)
    assert json.loads(Path("o/result.json").read_text())["image"] == "noise.jpg"


def test_the_same_seed_gives_the_same_pixels_and_another_does_not(run, tiny):
    base = ["restore", "astronaut", "--task", "inpaint_random", "--prior", tiny, "--size", 16, "--steps", 3]
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        assert run(*base, "--seed", seed, "--out", folder).exit_code == 0
    for name in ("measurement.png", "restored.png"):
        a, b, c = (Path(folder, name).read_bytes() for folder in "abc")
        assert a == b
        assert a != c


# dirac, which takes a restorer for each task


@pytest.fixture(scope="module")
def restorers(tmp_path_factory):
    """Task -> the file of a restorer with random weights."""
    torch.manual_seed(0)
    network, folder = UNet(3, (8, 8)), tmp_path_factory.mktemp("restorers")
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    for task in ("deblur_gaussian", "inpaint_smooth"):
        save_restorer(folder / f"{task}.safetensors", network, task=task, shape=(3, 32, 32), options={})
    return {path.stem: str(path) for path in folder.iterdir()}


def test_dirac_restores_and_is_compared_on_the_others_measurements(run, tiny, restorers, tmp_path):
    base = ["--prior", tiny, "--size", 16, "--steps", 3]
    one = ["--task", "deblur_gaussian", "--restorer", restorers["deblur_gaussian"], "--set", "until=0.5"]
    result = run("restore", "astronaut", "--method", "dirac", *base, *one, "--out", "a")
    assert result.exit_code == 0, result.stderr
    found = json.loads(Path("a/result.json").read_text())
    assert (found["evaluations"], found["options"]) == (2, {"steps": 3, "until": 0.5})
    methods = ["--methods", "dirac,ddrm,pnp_admm,admm_tv,dps", "--tasks", ",".join(restorers)]
    both = ["--restorer", ",".join(restorers.values())]
    result = run("compare", *base, *methods, *both, "--out", "b", "--json")
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    assert {r["method"] for r in rows} == {"dirac", "ddrm", "pnp_admm", "admm_tv", "dps"}
    assert all(r["psnr"] is not None for r in rows)
    assert {r["evaluations"] for r in rows if r["method"] == "dirac"} == {3}


def test_a_restorer_that_is_missing_or_of_another_measurement_is_said_before_anything_is_written(run, tiny, restorers):
    base = ["restore", "astronaut", "--method", "dirac", "--prior", tiny, "--size", 16, "--out", "out"]
    blur = ["--restorer", restorers["deblur_gaussian"]]
    for more, says in (
        (["--task", "deblur_gaussian"], "there is no dirac_"),
        (["--task", "sr4", "--restorer", "none"], "there is no none: neither a file"),
        (["--task", "inpaint_smooth", *blur], "needs a restorer for inpaint_smooth, too"),
        (["--task", "deblur_gaussian", *blur, "--sigma", 0.1], "knows measurements with sigma = 0.1"),
    ):
        result = run(*base, *more)
        assert result.exit_code == 2 and says in result.stderr, (more, result.stderr)
        assert not Path("out").exists()
    Path("broken.safetensors").write_bytes(b"no weights")
    result = run(*base, "--task", "deblur_gaussian", "--restorer", "broken.safetensors")
    assert result.exit_code == 1 and "Traceback" not in result.stderr


# compare


def compare_args(tiny, *more):
    return [
        "compare",
        "--prior",
        tiny,
        "--tasks",
        "sr4, denoise",
        "--methods",
        "tweedie,dps",
        "--steps",
        "2",
        "--size",
        "16",
        *more,
    ]


def test_compare_prints_json_and_nothing_else(run, tiny):
    result = run(*compare_args(tiny, "--json", "--out", "o"))
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert len(rows) == 2 * 2 * 4
    assert all(list(row) == ROW for row in rows)
    assert all(row["lpips"] is None and row["peak_memory"] is None for row in rows)
    assert all(any(n.startswith("lpips: ") for n in row["notes"]) for row in rows)
    assert all(any(n.startswith("peak_memory: ") for n in row["notes"]) for row in rows)
    assert {row["method"]: row["evaluations"] for row in rows} == {"tweedie": 1, "dps": 2}
    assert "[-1, 1] units" in result.stderr
    made = files(Path("o"))
    assert {"rows.jsonl", "results.json", "sheet.png"} <= made
    assert len([f for f in made if f.startswith("pictures/")]) == 2 * 4 * (2 + 2)
    assert json.loads(Path("o/results.json").read_text()) == rows


def test_compare_of_a_folder_prints_a_table(run, tiny, tmp_path):
    (tmp_path / "pictures").mkdir()
    Image.effect_noise((40, 40), 60).save(tmp_path / "pictures" / "a b.png")
    result = run(*compare_args(tiny, "--images", "pictures"))
    assert result.exit_code == 0
    assert "Means over 1 images" in result.stdout
    assert "tweedie" in result.stdout
    assert Path("out/compare/sheet.png").is_file()


def test_compare_takes_options_samples_and_a_choice_of_images(run, tiny, tmp_path):
    (tmp_path / "pictures").mkdir()
    for name in ("a1", "a2", "a3", "b1"):
        Image.effect_noise((16, 16), 60).save(tmp_path / "pictures" / f"{name}.png")
    choice = ["--images", "pictures", "--include", "a", "--every", "2", "--json"]
    rows = json.loads(run(*compare_args(tiny, *choice, "--samples", "3", "--out", "o")).stdout)
    assert {row["image"] for row in rows} == {"a1.png", "a3.png"}
    assert all(any("mean of 3 samples" in note for note in row["notes"]) for row in rows)
    strong = json.loads(run(*compare_args(tiny, *choice, "--set", "zeta=0.0", "--out", "o")).stdout)
    usual = json.loads(run(*compare_args(tiny, *choice, "--out", "o")).stdout)
    for a, b in zip(strong, usual, strict=True):
        assert (a["psnr"] == b["psnr"]) == (a["method"] == "tweedie")  # which takes no zeta


def test_restore_takes_an_option_of_the_method(run, tiny):
    assert run(*[tiny if a == "TINY" else a for a in RESTORE], "--set", "zeta=0.5", "--out", "o").exit_code == 0
    assert json.loads(Path("o/result.json").read_text())["options"]["zeta"] == 0.5


def test_compare_goes_on_where_it_stopped(run, tiny, monkeypatch):
    first = json.loads(run(*compare_args(tiny, "--tasks", "sr4", "--json", "--out", "o")).stdout)

    def refuse(*args, steps=None, **options):
        raise AssertionError("this was computed already")

    def refuse_tweedie(*args, **options):
        raise AssertionError("this was computed already")

    kept = dict(METHODS)
    monkeypatch.setitem(METHODS, "dps", refuse)
    monkeypatch.setitem(METHODS, "tweedie", refuse_tweedie)
    assert json.loads(run(*compare_args(tiny, "--tasks", "sr4", "--json", "--out", "o")).stdout) == first

    calls = []

    def count(prior, problem, *, steps=None, **options):
        calls.append(problem.sigma)
        return kept["dps"](prior, problem, steps=steps, **options)

    monkeypatch.setitem(METHODS, "dps", count)
    monkeypatch.setitem(METHODS, "tweedie", kept["tweedie"])
    for picture in Path("o/pictures/sr4").glob("*.dps.png"):  # its picture is gone: the row is worth nothing
        picture.unlink()
        break
    run(*compare_args(tiny, "--tasks", "sr4", "--json", "--out", "o"))
    assert len(calls) == 1
    run(*compare_args(tiny, "--tasks", "sr4", "--json", "--out", "o", "--sigma", "0.1"))  # other settings: other rows
    assert len(calls) == 1 + 4
    assert calls[-1] == pytest.approx(0.2)
    again = json.loads(run(*compare_args(tiny, "--tasks", "sr4", "--json", "--out", "o")).stdout)
    assert [r["psnr"] for r in again] == [r["psnr"] for r in first]
    assert len(calls) == 1 + 4 + 4  # the pictures of the other sigma have taken the place of the first ones


def test_interrupted_it_keeps_what_is_finished(run, tiny, monkeypatch):
    done = []
    dps = METHODS["dps"]

    def interrupted(prior, problem, *, steps=None, **options):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(1)
        return dps(prior, problem, steps=steps, **options)

    monkeypatch.setitem(METHODS, "dps", interrupted)
    result = run(*compare_args(tiny, "--json", "--out", "o"))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Interrupted: 7 of 16 rows are kept" in result.stderr
    assert len(Path("o/rows.jsonl").read_text().splitlines()) == 7
    assert not Path("o/results.json").exists()
    monkeypatch.setitem(METHODS, "dps", dps)
    result = run(*compare_args(tiny, "--json", "--out", "o"))
    assert len(json.loads(result.stdout)) == 16


def test_restore_interrupted_writes_nothing(run, tiny, monkeypatch):
    def interrupted(*args, steps=None, **options):
        raise KeyboardInterrupt

    monkeypatch.setitem(METHODS, "dps", interrupted)
    result = run("restore", "astronaut", "--task", "sr4", "--prior", tiny, "--size", "16", "--steps", 2, "--out", "o")
    assert result.exit_code == 1
    assert "Interrupted: nothing was written" in result.stderr
    assert files(Path("o")) == set()


@pytest.mark.skipif(os.name == "nt", reason="SIGINT")
def test_a_real_ctrl_c(tiny, tmp_path):
    steps = ["--steps", "20", "--size", "128", "--tasks", "sr4,denoise,sr2", "--methods", "tweedie,dps"]
    child = process("compare", "--prior", tiny, *steps, "--out", "o", cwd=tmp_path)
    rows = tmp_path / "o" / "rows.jsonl"
    deadline = time.monotonic() + 60
    while not rows.exists() and time.monotonic() < deadline and child.poll() is None:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "Interrupted: " in err
    assert "Traceback" not in err
    assert all(json.loads(line) for line in rows.read_text().splitlines())
    assert not [f for f in files(tmp_path / "o") if Path(f).name.startswith(".")]


# What is refused


RESTORE = ["restore", "astronaut", "--task", "sr4", "--prior", "TINY", "--size", "16", "--steps", "2"]


def with_(option, value):
    arguments = list(RESTORE)
    if option in arguments:
        arguments[arguments.index(option) + 1] = value
        return arguments
    return [*arguments, option, value]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (with_("--task", "sr3"), "Did you mean 'sr"),
        (with_("--method", "dsp"), "Did you mean 'dps'"),
        (with_("--prior", "photo"), "Did you mean 'photos'"),
        (with_("--prior", "no/such.safetensors"), "no checkpoint at"),
        (with_("--prior", "model.pt"), "no checkpoint at"),
        (with_("--prior", "a/b/c"), "no checkpoint at"),
        (with_("--sigma", "-0.1"), "0 or more"),
        (with_("--sigma", "nan"), "finite"),
        (with_("--sigma", "much"), "'--sigma'"),
        (with_("--steps", "0"), "1..20"),
        (with_("--steps", "21"), "1..20"),
        (with_("--size", "18"), "multiples of the factor 4"),
        (with_("--size", "0"), "1 or more"),
        (with_("--size", "145"), "145"),
        (with_("--seed", "-1"), "0 or more"),
        (with_("--device", "potato"), "no device"),
        (with_("--device", "meta"), "cpu, cuda"),
        (with_("--device", "cuda:99"), "--device cpu"),
        (["restore", "absent.png", *RESTORE[2:]], "no image file at absent.png"),
        (["restore", ".", *RESTORE[2:]], "folder"),
        (["restore", "small.png", *RESTORE[2:]], "not 16"),
        (["restore", "astronaut"], "--task"),
        (["compare", "--tasks", "sr4,inpaint_bax"], "Did you mean 'inpaint_box'"),
        (["compare", "--methods", "dps,twedie"], "Did you mean 'tweedie'"),
        (["compare", "--methods", " , "], "at least one name"),
        (["compare", "--images", "absent"], "no folder or zip at absent"),
        (["compare", "--size", "18", "--tasks", "sr4", "--prior", "TINY"], "multiples of the factor 4"),
        (["compare", "--sigma", "-1"], "0 or more"),
        (["compare", "--steps", "9999", "--prior", "TINY"], "1..20"),
        (with_("--set", "zeta"), "NAME=VALUE"),
        (with_("--set", "zetta=3"), "Did you mean 'zeta'"),
        (["compare", "--set", "seed=3"], "unknown option"),
        (["compare", "--samples", "0"], "1 or more"),
        (["compare", "--every", "0"], "1 or more"),
        (["prove", "tweedei"], "tweedei"),
        (["train", "absent.toml", "--out", "o"], "no training config at absent.toml"),
        (["train", "wrong.toml", "--out", "o"], "Did you mean 'batch'"),
        (["tour", "--device", "cuda:99"], "--device cpu"),
        (["tour", "--seed", "-3"], "0 or more"),
        (["tuor"], "tuor"),
        (["list", "--jsn"], "--jsn"),
    ],
)  # fmt: skip
def test_a_wrong_question_is_exit_code_2_and_nothing_is_written(run, tiny, tmp_path, arguments, words):
    (tmp_path / "wrong.toml").write_text('name = "x"\ndata = "portraits"\nbach = 3\n')
    Image.new("RGB", (12, 12)).save(tmp_path / "small.png")
    before = files(tmp_path)
    result = run(*[tiny if a == "TINY" else a for a in arguments])
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert result.stdout == ""
    assert files(tmp_path) == before


def test_a_guided_diffusion_file_and_a_wrong_size_for_it(run, tmp_path):
    from teachdiff.priors.guided import GuidedUNet

    torch.save(GuidedUNet(3, 6, 64, (1, 1), 1, ()).state_dict(), "model.pt")
    line = ["restore", "astronaut", "--task", "denoise", "--prior", "model.pt", "--steps", 2, "--out", "o"]
    result = run(*line, "--size", 17)
    assert result.exit_code == 2 and "--size that is a multiple of 2; got 17" in result.stderr
    assert not Path("o").exists()
    assert run(*line, "--size", 16).exit_code == 0
    assert load_image("o/restored.png").shape == (1, 3, 16, 16)


def broken_files(tmp_path, tiny):
    (tmp_path / "cut.safetensors").write_bytes(Path(tiny).read_bytes()[:5000])
    save_file({"w": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    (tmp_path / "text.png").write_text("I am no picture")
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:500])
    (tmp_path / "file").write_text("a file, where a folder should be")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "rows.jsonl").write_text("somebody else's rows")
    (tmp_path / "cut.pt").write_bytes(b"PK\x03\x04cut off")
    torch.save({"x": Path.cwd}, tmp_path / "attack.pt")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"damaged")
    (tmp_path / "train.toml").write_text(
        'name = "x"\ndata = "portraits"\nsize = 16\nchannels = [8]\nsteps = 2\nbatch = 2\n'
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (with_("--prior", "cut.safetensors"), "no readable safetensors"),
        (with_("--prior", "foreign.safetensors"), "does not say which network"),
        (with_("--prior", "cut.pt"), "no readable checkpoint"),
        (with_("--prior", "attack.pt"), "wants to call"),
        (with_("--prior", "nothing"), "no network in the format of diffusers"),
        (["restore", "text.png", *RESTORE[2:]], "no image of a known format"),
        (["restore", "cut.png", *RESTORE[2:]], "no readable image"),
        (with_("--out", "file/below"), "cannot write into file/below"),
        (["compare", "--prior", "TINY", "--size", "16", "--steps", "2", "--out", "file"], "cannot write into file"),
        (["compare", "--prior", "TINY", "--images", "nothing"], "no images"),
        (["compare", "--prior", "TINY", "--size", "16", "--steps", "2", "--out", "held"], "something else"),
        (["tour", "--out", "file/below"], "cannot write into file/below"),
        (["train", "train.toml", "--out", "file/below"], "cannot write into file/below"),
        (["train", "train.toml", "--out", "run"], "damaged"),
    ],
)
def test_what_cannot_be_done_is_exit_code_1_and_nothing_is_written(run, tiny, tmp_path, monkeypatch, arguments, words):
    broken_files(tmp_path, tiny)
    before = files(tmp_path)

    def refuse(*args, steps=None, **options):
        raise AssertionError("it computed first and looked afterwards")

    monkeypatch.setitem(METHODS, "dps", refuse)
    result = run(*[tiny if a == "TINY" else a for a in arguments])
    assert result.exit_code == 1
    assert words in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert files(tmp_path) == before


def test_a_chain_that_diverges_says_what_to_do(run, tiny):
    arguments = ["restore", "astronaut", "--task", "denoise", "--method", "score_ald", "--sigma", "0", "--steps", "20"]
    result = run(*arguments, "--prior", tiny, "--size", 16, "--set", "gamma=1e-19", "--out", "o")
    assert result.exit_code == 1
    assert "diverged" in result.stderr
    assert "gamma" in result.stderr
    assert files(Path("o")) == set()


def test_the_real_process_has_no_traceback(python, tiny, tmp_path):
    (tmp_path / "file").touch()
    for code, words, arguments in [
        (2, "Did you mean 'dps'", with_("--method", "dsp")),
        (1, "cannot write into", with_("--out", "file/below")),
    ]:
        done = python.run("-m", "teachdiff.cli", *[tiny if a == "TINY" else a for a in arguments], cwd=tmp_path)
        assert done.returncode == code
        assert done.stdout == ""
        assert words in done.stderr
        assert "Traceback" not in done.stderr


# list, prove, train


# digits: one channel, 8 x 8


def test_digits_are_compared_on_held_out_digits(run, tmp_path):
    line = ["--prior", "digits", "--tasks", "inpaint_box,denoise,deblur_gaussian,sr2", "--methods", "dps,classical"]
    result = run("compare", *line, "--steps", 5, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    assert {row["image"] for row in rows} == {"digit-0", "digit-1", "digit-2", "digit-3"}
    assert len(rows) == 4 * 4 * 2 and all(row["psnr"] > 0 for row in rows)
    assert all(row["ssim"] is None and any("11 x 11" in note for note in row["notes"]) for row in rows)
    assert all(row["lpips"] is None and any(note.startswith("lpips:") for note in row["notes"]) for row in rows)


def test_a_digit_is_restored(run, tmp_path):
    line = ["--task", "denoise", "--prior", "digits", "--steps", 5, "--out", tmp_path / "o"]
    result = run("restore", "digit-499", *line)
    assert result.exit_code == 0, result.stderr
    assert load_image(tmp_path / "o" / "restored.png").shape == (1, 3, 8, 8)


def test_a_colour_image_is_made_grey_for_a_prior_with_one_channel(run, tmp_path):
    line = ["--task", "denoise", "--prior", "digits", "--steps", 5, "--out", tmp_path / "o"]
    result = run("restore", "astronaut", *line)
    assert result.exit_code == 0, result.stderr
    pixels = to_array(load_image(tmp_path / "o" / "truth.png"))
    assert (pixels == pixels[..., :1]).all()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["restore", "digit-500", "--prior", "digits"], "digit-0 to digit-499"),
        (["restore", "digit-1", "--prior", "photos"], "knows images of 3"),
        (["restore", "astronaut", "--prior", "digits", "--size", 64], "Use --size 8"),
        (["compare", "--prior", "digits", "--size", 16], "8 x 8"),
    ],
    ids=["number", "channels", "size", "size of all"],
)
def test_digits_asked_for_wrongly(run, tmp_path, line, message):
    task = ["--task", "denoise"] if line[0] == "restore" else ["--tasks", "denoise"]
    result = run(*line, *task, "--out", tmp_path / "out")
    assert result.exit_code == 2 and message in result.stderr
    assert not (tmp_path / "out").exists()


def test_list_names_everything_that_there_is(run):
    from derivations import registry

    found = json.loads(run("list", "--json").stdout)
    assert set(found) == {"tasks", "methods", "priors", "restorers", "derivations", "assignments"}
    assert list(found["tasks"]) == list(TASKS)
    assert list(found["methods"]) == list(METHODS)
    assert set(found["derivations"]) == set(registry.names())
    lines = [line for kind in found.values() for line in kind.values()]
    assert all(line and not set("`{}\\") & set(line) for line in lines)
    text = run("list").stdout
    assert all(name in text for kind in found.values() for name in kind)


def test_prove_one(run):
    result = run("prove", "vp_marginal", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert set(found) == {"derivations", "ledger", "summary"}
    assert {"name", "statement", "status", "steps", "seconds"} <= set(found["derivations"][0])
    assert found["summary"] == {"proved": 1, "refuted": 0, "failed": 0}
    text = run("prove", "vp_marginal")
    assert text.exit_code == 0
    assert "1 proved" in text.stdout
    assert all(f"{step['reason']}"[:30] in text.stdout for step in found["derivations"][0]["steps"])


def test_prove_a_printed_line_shows_what_is_wrong_with_it(run):
    (row,) = json.loads(run("prove", "mashayak.eq17", "--json").stdout)["ledger"]
    text = " ".join(run("prove", "mashayak.eq17").stdout.replace("│", " ").split())
    assert row["verdict"] == "wrong" and "refuted" in text
    for key in ("counterexample", "consequence", "corrected"):
        assert row[key][:20] in text


def test_an_undecided_proof_is_exit_code_1(run, monkeypatch):
    import derivations
    from derivations.checker import Derivation, Equal
    from derivations.report import Report
    from derivations.symbols import get

    alpha, beta = get("alpha", "beta")
    wrong = Derivation(name="wrong", title="wrong", statement="wrong", steps=[
        Equal(1 - alpha, beta, because="It is."), Equal(alpha, beta, because="It is not.")
    ])  # fmt: skip
    monkeypatch.setattr(derivations, "run", lambda names, on_progress: Report([wrong.check()]))
    result = run("prove")
    assert result.exit_code == 1
    assert "1 failed" in result.stdout
    assert "step 2 is refuted" in result.stdout
    result = run("prove", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["summary"]["failed"] == 1


@pytest.mark.parametrize("capability, warns", [("AVX2", True), ("AVX512", False)])
def test_a_processor_that_imitates_bfloat16_is_said(run, tmp_path, monkeypatch, capability, warns):
    import platform

    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    for precision, said in (("bf16", warns), ("float32", False)):
        text = 'name = "x"\ndata = "portraits"\nsize = 8\nchannels = [8]\nbatch = 1\nT = 20\nsteps = 1\n'
        (tmp_path / "x.toml").write_text(f'{text}precision = "{precision}"\n')
        assert ("ten times slower" in run("train", "x.toml", "--out", precision).stderr) == said


def test_train_reports_resumes_and_makes_a_prior(run, tmp_path, monkeypatch):
    config = 'name = "x"\ndata = "portraits"\nsize = 16\nchannels = [8]\nbatch = 2\nT = 20\nsteps = 3\n'
    config += "checkpoint_every = {}\n"
    (tmp_path / "x.toml").write_text(config.format(2))
    result = run("train", "x.toml", "--out", "run")
    assert result.exit_code == 0
    assert "step 3 of 3" in result.stderr
    assert "x.safetensors" in result.stdout
    assert {"x.safetensors", "x.md", "checkpoint.pt"} <= files(tmp_path / "run")
    (tmp_path / "x.toml").write_text(config.format(2))
    assert "trained to the end already" in run("train", "x.toml", "--out", "run").stderr

    from teachdiff.priors import train

    real, count = train.learning_rate, [0]

    def interrupt(config, step):
        count[0] += 1
        if count[0] == stop_at:
            raise KeyboardInterrupt
        return real(config, step)

    monkeypatch.setattr(train, "learning_rate", interrupt)
    stop_at = 2
    result = run("train", "x.toml", "--out", "run2")
    assert result.exit_code == 1
    assert "Interrupted at step 1: the first checkpoint would have been at step 2" in result.stderr
    assert files(tmp_path / "run2") == set()
    count[0], stop_at = 0, 3
    result = run("train", "x.toml", "--out", "run2")
    assert "Interrupted at step 2: run2/checkpoint.pt holds step 2" in result.stderr
    monkeypatch.setattr(train, "learning_rate", real)
    result = run("train", "x.toml", "--out", "run2")
    assert "resuming at step 2 of 3" in result.stderr
    assert result.exit_code == 0
    assert Path("run/x.safetensors").read_bytes() == Path("run2/x.safetensors").read_bytes()


def test_of_several_processes_each_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert cli.device_of("cuda") == torch.device("cuda:1")
    assert cli.device_of("cuda:0") == torch.device("cuda:0")
    assert cli.device_of("cpu") == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(cli.Usage, match="torch sees 2 CUDA device"):
        cli.device_of("cuda")


# The layer itself


def test_help_does_not_wait_for_what_is_heavy():
    heavy = ["torch", "numpy", "sympy", "hypothesis", "matplotlib", "skimage", "lpips", "torchvision", "scipy"]
    # The package's own __init__ is set aside: what it imports is not the command line's choice.
    code = (
        "import sys, types; package = types.ModuleType('teachdiff'); sys.modules['teachdiff'] = package; "
        f"package.__path__ = [{str(Path(cli.__file__).parent)!r}]; import teachdiff.cli; "
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_has_help(run):
    for command in cli.app.registered_commands:
        result = run(command.name, "--help")
        assert result.exit_code == 0
        assert inspect.getdoc(command.callback).split()[0] in result.stdout


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            r"DPS: the score at :math:`\hat x_0(x_t)`, through it." + "\n\nMore.",
            "DPS: the score at x̂_0(x_t), through it.",
        ),
        (r"Noise it up to :math:`t^*`, then back. And more.", "Noise it up to t*, then back."),
        (None, ""),
    ],
)
def test_first_lines_are_plain(text, line):
    assert cli.first_line(text) == line


@pytest.mark.parametrize(
    ("method", "options", "rounds"),
    [("dps", {"steps": 7}, 7), ("pnp_admm", {}, 24), ("admm_tv", {"iterations": 3}, 3), ("tweedie", {}, 1)],
)
def test_the_bar_is_as_long_as_the_method(method, options, rounds):
    assert cli.rounds_of(method, options) == rounds
