"""Choosing options: fair, by the mean, never on images that a figure is stated for."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from teachdiff import cli, schedules, tune
from teachdiff.compare import Row
from teachdiff.data import astronaut_face, save_image
from teachdiff.experiment import Experiment, held_out
from teachdiff.methods import METHODS
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.settings import HELD_OUT, SETTINGS, VALIDATION, as_written, settings

SIZE = 16


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.setenv("TEACHDIFF_LPIPS_WEIGHTS", str(tmp_path / "none"))
    shape = (3, SIZE, SIZE)
    prior = GaussianPrior(schedules.linear(40, 1e-3, 0.3), torch.zeros(shape), torch.full(shape, 0.25))
    images = held_out("portraits", SIZE, 2, VALIDATION)
    return Experiment(prior, "g", "0", images, ["sr2", "denoise"], ["dps", "sdedit"], 0.1, tmp_path / "o", steps=4)


def row(method, task, image, **figures):
    nothing = dict.fromkeys(["psnr", "ssim", "lpips", "consistency", "seconds", "evaluations", "peak_memory"])
    return Row(task, method, "g", image, 0, **(nothing | figures))


def test_candidates_are_the_product_of_what_a_method_takes(base):
    grid = {"zeta": [1.0, 2.0], "step": ["norm", "likelihood"], "t_start": [4, 8]}
    found = tune.candidates(base, grid)
    assert [(e.methods, e.options) for e in found] == [
        *((["dps"], {"zeta": z, "step": s}) for z in (1.0, 2.0) for s in ("norm", "likelihood")),
        *((["sdedit"], {"t_start": t}) for t in (4, 8)),
    ]
    assert len({e.out for e in found}) == 6
    with pytest.raises(ValueError, match="sdedit takes none of the options of the grid: zeta"):
        tune.candidates(base, {"zeta": [1.0]})


def test_the_best_mean_wins_per_method_and_task(base):
    grid = {"zeta": [1.0, 2.0, 3.0], "t_start": [4]}
    experiments = tune.candidates(base, grid)
    psnr = {1.0: (20, 21), 2.0: (10, 33), 3.0: (20, 20)}
    rows = [
        [
            row(e.methods[0], task, image, psnr=psnr[e.options["zeta"]][i] * sign if "zeta" in e.options else 5.0,
                lpips=psnr[e.options["zeta"]][i] * sign if "zeta" in e.options else 5.0)
            for task, sign in (("sr2", 1), ("denoise", -1)) for i, image in enumerate("ab")
        ]
        for e in experiments
    ]  # fmt: skip
    best = {(c.method, c.task): c for c in tune.judge(experiments, rows, grid, "psnr") if c.best}
    assert set(best) == {(m, t) for m in ("dps", "sdedit") for t in ("sr2", "denoise")}
    assert best["dps", "sr2"].options == {"zeta": 2.0} and best["dps", "sr2"].mean == 21.5
    assert best["dps", "sr2"].standard_error == pytest.approx(11.5)
    assert best["dps", "sr2"].edges == []
    assert best["dps", "denoise"].options == {"zeta": 3.0} and best["dps", "denoise"].edges == ["zeta"]
    assert best["sdedit", "sr2"].edges == []  # of one candidate there is no edge
    best = {(c.method, c.task): c for c in tune.judge(experiments, rows, grid, "lpips") if c.best}
    assert best["dps", "sr2"].options == {"zeta": 3.0}  # lower is better


def test_a_candidate_with_an_image_that_diverged_cannot_win(base):
    grid = {"zeta": [1.0, 2.0]}
    experiments = tune.candidates(replace(base, methods=["dps"], tasks=["sr2"]), grid)
    rows = [
        [row("dps", "sr2", "a", psnr=90.0), row("dps", "sr2", "b")],
        [row("dps", "sr2", "a", psnr=3.0), row("dps", "sr2", "b", psnr=4.0)],
    ]
    first, second = tune.judge(experiments, rows, grid, "psnr")
    assert (first.mean, first.best, second.best) == (None, False, True)
    assert not any(c.best for c in tune.judge(experiments, [rows[0], rows[0]], grid, "psnr"))


def test_the_line_says_what_was_tried(base, monkeypatch):
    """Put into SETTINGS, it gives the candidate's options back, at its size and for its T."""
    shape, T = (1, 3, 32, 48), 40
    for method, options in (("dps", {"zeta": 1.7}), ("sdedit", {"t_start": 6}), ("score_ald", {"gamma": 0.2})):
        choice = tune.Candidate(method, "sr4", options, 2, 1.0, None, True, [])
        written = eval("{" + tune.line(choice, T, shape) + "}")
        monkeypatch.setitem(SETTINGS, method, SETTINGS[method] | written)
        assert settings(method, "sr4", T, math.sqrt(32 * 48))[next(iter(options))] == pytest.approx(
            next(iter(options.values()))
        )
    assert '"step": "norm"' in tune.line(tune.Candidate("dps", "sr4", {"zeta": 1.0}, 2, 1.0, None, True, []), T, shape)
    assert as_written({"gamma": 3}) == {"gamma": 3}


def test_images_that_figures_are_stated_for_are_refused():
    tune.check_unreported(held_out("portraits", SIZE, 8, VALIDATION), "portraits")
    with pytest.raises(ValueError, match="'portrait 3' that figures are stated for"):
        tune.check_unreported({"mine": held_out("portraits", SIZE, 3)["portrait 3"]}, "portraits")
    with pytest.raises(ValueError, match="'astronaut'"):
        tune.check_unreported({"other": astronaut_face(SIZE).flip(-1), "mine": astronaut_face(SIZE)}, "photos")
    assert VALIDATION != HELD_OUT


# The command


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEACHDIFF_LPIPS_WEIGHTS", str(tmp_path / "none"))

    def invoke(*arguments):
        result = CliRunner().invoke(cli.app, [str(a) for a in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


TUNE = ["tune", "--methods", "dps", "--tasks", "sr2", "--prior", "portraits", "--size", "16", "--steps", "2"]


def test_tune_prints_the_table_and_the_line_and_goes_on(run, monkeypatch):
    arguments = [*TUNE, "--count", "2", "--grid", "zeta=0.0,0.5,1000.0", "--out", "o"]
    result = run(*arguments)
    assert result.exit_code == 0
    assert "3 candidates on 2 images" in result.stderr
    found = json.loads(Path("o/tune.json").read_text())
    assert [c["options"] for c in found] == [{"zeta": z} for z in (0.0, 0.5, 1000.0)]
    (best,) = (c for c in found if c["best"])
    assert best["mean"] == max(c["mean"] for c in found)
    assert f'"sr2": {{"step": "norm", "zeta": {best["options"]["zeta"] * 4}}},' in result.stdout
    monkeypatch.setitem(METHODS, "dps", lambda *a, step="", zeta=0, steps=0, **k: pytest.fail("computed already"))
    again = json.loads(run(*arguments, "--json").stdout)
    assert again == found


def test_the_images_of_portraits_are_validation_images(run):
    run(*TUNE, "--count", "3", "--grid", "zeta=0.5", "--out", "o")
    pictures = sorted(Path("o").rglob("*.truth.png"))
    assert len(pictures) == 3
    for i, image in enumerate(held_out("portraits", 16, 3, VALIDATION).values()):
        save_image("x.png", image)
        assert pictures[i].read_bytes() == Path("x.png").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([*TUNE, "--grid", "zeta"], "NAME=VALUE,VALUE"),
        ([*TUNE, "--grid", "zeta="], "NAME=VALUE,VALUE"),
        ([*TUNE, "--grid", "zetta=1,2"], "Did you mean 'zeta'"),
        ([*TUNE], "--grid"),
        ([*TUNE, "--grid", "zeta=1", "--metric", "pnsr"], "Did you mean 'psnr'"),
        ([*TUNE, "--grid", "zeta=1", "--count", "0"], "1 or more"),
        ([*TUNE, "--grid", "zeta=1", "--steps", "5000"], "1..1000"),
        ([*TUNE, "--grid", "zeta=1", "--images", "absent"], "no folder or zip at absent"),
        ([*TUNE, "--grid", "zeta=1", "--images", "reported"], "figures are stated for"),
        (["tune", "--methods", "dps,sdedit", *TUNE[3:], "--grid", "zeta=1"], "sdedit takes none"),
        (["tune", "--methods", "tv", *TUNE[3:], "--grid", "zeta=1"], "unknown method"),
        (["tune", "--methods", "dps", "--tasks", "sr2", "--grid", "zeta=1"], "needs --images"),
    ],
)
def test_a_wrong_question_is_exit_code_2(run, tmp_path, arguments, words):
    save_image(tmp_path / "reported" / "a.png", held_out("portraits", 16, 1)["portrait 1"])
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert {p.name for p in tmp_path.iterdir()} == {"reported"}


def test_where_no_candidate_gives_an_image_it_fails(run, tmp_path):
    (tmp_path / "pictures").mkdir()
    Image.effect_noise((16, 16), 60).save(tmp_path / "pictures" / "a.png")
    result = run(*TUNE, "--images", "pictures", "--metric", "lpips", "--grid", "zeta=0.5", "--out", "o")
    assert result.exit_code == 1
    assert "no candidate has a lpips" in result.stderr and "alexnet" in result.stderr
