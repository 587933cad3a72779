"""Comparisons: fair counting, figures or reasons, rows that survive, and classical answers that are any good."""

import inspect
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from teachdiff import schedules
from teachdiff.compare import (
    Counted,
    Row,
    RowFile,
    Strip,
    compare,
    contact_sheet,
    degrade,
    mean_and_error,
    measure,
    method_options,
    restore,
    run_case,
    summaries,
)
from teachdiff.data import astronaut_face
from teachdiff.exact import ExactRestorer
from teachdiff.methods import METHODS
from teachdiff.metrics import psnr
from teachdiff.noise import sample_seeds
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import TASKS, make_degradation, make_operator, observe
from teachdiff.settings import SETTINGS, settings
from teachdiff.shards import Shard

SIZE = 16


@pytest.fixture
def prior():
    shape = (3, SIZE, SIZE)
    return GaussianPrior(schedules.linear(40, 1e-3, 0.3), torch.zeros(shape), torch.full(shape, 0.25))


@pytest.fixture
def face():
    return astronaut_face(SIZE)


def row(**changes):
    base = Row(
        task="sr4", method="dps", prior="p", image="i", seed=0, psnr=20.0, ssim=0.5, lpips=None, consistency=1.0,
        seconds=2.0, evaluations=10, peak_memory=None, notes=["lpips: no weights"],
    )  # fmt: skip
    return replace(base, **changes)


# Settings


def test_every_method_has_settings_that_it_takes_and_tasks_that_exist():
    assert set(SETTINGS) == set(METHODS)
    for method, tasks in SETTINGS.items():
        parameters = set(inspect.signature(METHODS[method]).parameters)
        assert set(tasks) - {"default"} <= set(TASKS)
        for task in ["default", *TASKS]:
            assert set(settings(method, task)) <= parameters - {"seed", "prior", "problem"}


def test_a_methods_own_steps_are_the_most_that_it_walks():
    shape = (3, 64, 64)
    assert [method_options("ddrm", "sr4", 1000, steps, shape)["steps"] for steps in (5, 100)] == [5, 20]
    assert method_options("sdedit", "sr4", 1000, 500, shape)["steps"] == 100
    assert method_options("dps", "sr4", 1000, 500, shape)["steps"] == 500


def test_settings_are_a_copy_and_t_start_follows_the_schedule():
    settings("dps", "sr4")["zeta"] = 99
    assert settings("dps", "sr4")["zeta"] != 99
    assert settings("sdedit", "default", T=100)["t_start"] * 10 == settings("sdedit", "default")["t_start"]
    with pytest.raises(ValueError, match="Did you mean 'dps'"):
        settings("dsp", "sr4")


# One run


def test_evaluations_are_counted_not_claimed(prior, face):
    problem = observe(make_operator("denoise", (3, SIZE, SIZE)), face, 0.1)
    for method, options, expected in [("tweedie", {}, 1), ("dps", {"steps": 7}, 7), ("ddim", {"steps": 5}, 5)]:
        run = restore(prior, problem, method, **options)
        assert run.evaluations == expected
        direct = METHODS[method](prior, problem, **run.options)
        assert torch.equal(run.x0, direct)  # the proxy changes nothing
        assert run.seconds > 0
        assert run.peak_memory is None
    # SDEdit cannot walk more steps than there are below its start
    assert restore(prior, problem, "sdedit", steps=40).evaluations == settings("sdedit", "default", T=40)["t_start"]


def test_the_counting_proxy_shows_what_the_prior_has_and_nothing_else(prior):
    counted = Counted(prior)
    assert counted.schedule is prior.schedule
    assert counted.clip_x0 is False
    assert not hasattr(counted, "predict")  # or ddpm(variance="learned") would take it for a network that has it
    prior.predict = lambda x_t, t: (x_t, None)
    counted.predict(torch.zeros(1, 3, SIZE, SIZE), 1)
    counted.denoise(torch.zeros(1, 3, SIZE, SIZE), 1)
    assert counted.evaluations == 2


def test_given_options_replace_the_tuned_ones(prior, face):
    problem = observe(make_operator("denoise", (3, SIZE, SIZE)), face, 0.1)
    assert restore(prior, problem, "dps", "sr4", steps=3, zeta=0.125).options["zeta"] == 0.125
    assert restore(prior, problem, "dps", "sr4", steps=3).options["zeta"] == settings("dps", "sr4", side=SIZE)["zeta"]


def test_a_figure_that_cannot_be_had_is_none_and_says_why(face, monkeypatch, tmp_path):
    monkeypatch.setenv("TEACHDIFF_LPIPS_WEIGHTS", str(tmp_path))
    problem = observe(make_operator("denoise", (3, SIZE, SIZE)), face, 0.1)
    figures, notes = measure(face + 0.1, face, problem)
    assert figures["lpips"] is None
    assert any(note.startswith("lpips: ") and "alexnet" in note for note in notes)
    assert figures["psnr"] is not None
    figures, notes = measure(face, face, problem)
    assert figures["psnr"] is None  # infinity is no JSON
    assert "psnr: infinite, the images are equal" in notes
    small = face[..., :8, :8]
    figures, notes = measure(small + 0.1, small, observe(make_operator("denoise", (3, 8, 8)), small, 0.1))
    assert figures["ssim"] is None
    assert any(note.startswith("ssim: ") for note in notes)


def test_figures_are_those_of_the_picture_but_consistency_sees_the_values(face):
    problem = observe(make_operator("denoise", (3, SIZE, SIZE)), face, 0.1)
    over = face + 5 * (face > 0.5)
    figures, _ = measure(over, face, problem)
    assert figures["psnr"] == pytest.approx(float(psnr(over.clamp(-1, 1), face)[0]), abs=1e-9)
    assert figures["consistency"] > 10


# Tables


def test_every_method_sees_the_same_measurement(prior, face, monkeypatch):
    seen = []

    def spy(name):
        inner = METHODS[name]

        def method(prior, problem, *, steps=None, seed=0, on_step=None, **options):
            seen.append((name, problem.y.clone(), list(seed)))
            return inner(prior, problem, seed=seed, **options)

        return method

    monkeypatch.setitem(METHODS, "tweedie", spy("tweedie"))
    monkeypatch.setitem(METHODS, "dps", spy("dps"))
    images = {"face": face, "flipped": face.flip(-1)}
    rows = [r for r, _, _ in compare(prior, images, ["sr4", "inpaint_random"], ["tweedie", "dps"], sigma=0.1, steps=2)]
    assert [(r.task, r.image, r.method) for r in rows] == [
        (t, i, m) for t in ("sr4", "inpaint_random") for i in images for m in ("tweedie", "dps")
    ]
    for (_, y, seed), (_, y2, seed2) in zip(seen[::2], seen[1::2], strict=True):
        assert torch.equal(y, y2)
        assert seed == seed2
    assert seen[0][2] != seen[2][2]  # another image, another stream


@pytest.fixture
def grey():
    """A small Gaussian world, where dirac has exact restorers: prior, images, restorers."""
    shape = (1, 8, 8)
    prior = GaussianPrior(schedules.linear(40, 1e-3, 0.3), torch.zeros(shape), torch.full(shape, 0.25))
    images = {name: prior.sample(torch.randn(1, *shape, generator=torch.Generator().manual_seed(i)).double())
              for i, name in enumerate("ab")}  # fmt: skip
    tasks = ("deblur_gaussian", "inpaint_smooth", "inpaint_box", "denoise")
    return prior, images, {task: ExactRestorer(prior, make_degradation(task, shape)) for task in tasks}


def test_dirac_sees_the_measurement_that_the_others_see(grey):
    """Nobody has to say anything: the degradation ends at the task's own operator, and at its sigma."""
    prior, images, restorers = grey
    rows = list(compare(prior, images, list(restorers), ["dirac", "ddrm"], sigma=0.1, steps=4, restorers=restorers))
    assert [r.method for r, _, _ in rows] == ["dirac", "ddrm"] * 8
    for (row, case, x0), (_, other, _) in zip(rows[::2], rows[1::2], strict=True):
        assert case.problem is other.problem
        assert row.evaluations == 4 and row.psnr is not None
        direct = METHODS["dirac"](restorers[row.task], case.problem, steps=4, seed=case.seeds)
        assert torch.equal(x0, direct)


def test_dirac_needs_a_restorer_for_every_task(grey):
    prior, images, restorers = grey
    with pytest.raises(ValueError, match="dirac needs a restorer that was made for sr2; there is one for deblur_gauss"):
        next(compare(prior, images, ["denoise", "sr2"], ["ddrm", "dirac"], sigma=0.1, restorers=restorers))
    with pytest.raises(ValueError, match="there is one for no task"):
        next(compare(prior, images, ["denoise"], ["dirac"], sigma=0.1))
    with pytest.raises(ValueError, match=r"sigma = 0\.1 .* has 0\.2"):
        list(compare(prior, images, ["denoise"], ["dirac"], sigma=0.2, restorers=restorers))


def test_an_image_of_a_comparison_is_the_one_of_a_batch(face):
    images = {"face": face, "flipped": face.flip(-1)}
    together = observe(make_operator("sr4", (3, SIZE, SIZE), seed=3), torch.cat(list(images.values())), 0.1, seed=3)
    for i, case in enumerate(degrade(images, ["sr4"], sigma=0.1, seed=3)):
        assert torch.equal(case.problem.y, together.y[i : i + 1])


def test_a_chain_that_diverges_is_a_row_without_figures(prior, face, monkeypatch):
    def diverging(prior, problem, **options):
        raise FloatingPointError("the chain diverged: take a smaller zeta.")

    monkeypatch.setitem(METHODS, "dps", diverging)
    case = next(degrade({"face": face}, ["sr4"], sigma=0.1))
    got, x0 = run_case(prior, case, "dps", prior_name="g")
    assert x0 is None
    assert got.psnr is got.seconds is got.evaluations is None
    assert got.notes == ["no image: the chain diverged: take a smaller zeta."]


def test_unconditional_methods_say_that_they_looked_away(prior, face):
    case = next(degrade({"face": face}, ["sr4"], sigma=0.1))
    got, _ = run_case(prior, case, "ddim", prior_name="g", steps=3)
    assert got.notes[0] == "a sample of the prior: the measurement was not used"


def test_summaries_are_means_with_their_errors_and_never_made_up():
    rows = [
        row(psnr=20.0),
        row(psnr=30.0, image="j"),
        row(psnr=22.0, image="k"),
        row(method="tweedie", psnr=None),
        row(method="tweedie", psnr=9.0),
        row(method="ddpm"),
    ]
    dps, tweedie, ddpm = summaries(rows)
    assert (dps.images, dps.mean["psnr"], dps.mean["lpips"]) == (3, 24.0, None)
    # deviations -4, 6, -2: variance 56 / 2, of the mean a third of it
    assert dps.standard_error["psnr"] == pytest.approx(math.sqrt(28 / 3), rel=1e-12)
    assert dps.standard_error["ssim"] == 0
    assert tweedie.mean["psnr"] is tweedie.standard_error["psnr"] is None
    assert (ddpm.mean["psnr"], ddpm.standard_error["psnr"]) == (20.0, None)
    assert dps.notes == ["lpips: no weights"]
    flat = dps.flat()
    assert (flat["psnr"], flat["psnr_standard_error"]) == (24.0, dps.standard_error["psnr"])
    assert not any(isinstance(value, dict) for value in flat.values())


def test_means_do_not_depend_on_the_order():
    values = [0.1 * i for i in range(50)] + [1e8]
    assert mean_and_error(values) == pytest.approx(mean_and_error(values[::-1]), rel=1e-15)
    assert mean_and_error([]) == (None, None)


def test_shards_take_every_image_once_and_change_none(prior, face):
    images = {str(i): face.roll(i, -1) for i in range(5)}
    whole = list(degrade(images, ["sr4", "denoise"], sigma=0.1, seed=3))
    parts = [list(degrade(images, ["sr4", "denoise"], sigma=0.1, seed=3, shard=Shard(r, 3))) for r in range(3)]
    assert [[case.image for case in part if case.task == "sr4"] for part in parts] == [["0", "3"], ["1", "4"], ["2"]]
    by_name = {(case.task, case.image): case for part in parts for case in part}
    assert len(by_name) == len(whole) == 10
    for case in whole:
        assert torch.equal(by_name[case.task, case.image].problem.y, case.problem.y)
        assert by_name[case.task, case.image].seeds == case.seeds


def test_a_task_takes_options(face):
    options = {"inpaint_box": {"height": 2, "fill": -1}}
    (case,) = degrade({"face": face}, ["inpaint_box"], sigma=0.1, task_options=options)
    hidden = case.problem.operator.mask.values == 0
    assert int(hidden.any(0).sum(0).max()) == 2
    assert (case.measurement[0][hidden.expand(3, -1, -1)] == -1).all()
    with pytest.raises(ValueError, match="Did you mean 'height'"):
        list(degrade({"face": face}, ["inpaint_box"], sigma=0.1, task_options={"inpaint_box": {"heigth": 2}}))


def key(**changes):
    return {"task": "sr4", "method": "dps", "image": "i"} | changes


def test_rows_survive(tmp_path):
    path = tmp_path / "rows.jsonl"
    file = RowFile(path)
    file.add(key(sigma=0.1), row())
    file.add(key(image="j", sigma=0.3), row(image="j", psnr=10.0))
    file.add(key(image="j", sigma=0.2), row(image="j", psnr=11.0))  # it takes the place of the one before
    again = RowFile(path)
    assert again.find(key(sigma=0.1)) == row()
    assert again.find(key(image="j", sigma=0.2)) == row(image="j", psnr=11.0)
    assert again.find(key(image="j", sigma=0.3)) is None
    assert len(path.read_text().splitlines()) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]
    other = RowFile(tmp_path / "rows-1.jsonl")
    other.add(key(sigma=0.4), row(psnr=9.0))
    again.take(other)
    assert RowFile(path).find(key(sigma=0.4)) == row(psnr=9.0)
    assert RowFile(path).find(key(sigma=0.1)) is None
    assert [p.name for p in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize(
    "text", ["hello", '{"key": 1}\n', '{"key": {}, "row": {"psnr": 1}}\n', "[1]\n", "3\n", b"\xff\xfe"]
)
def test_a_file_that_holds_something_else_is_not_overwritten(tmp_path, text):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match="something else"):
        RowFile(path)


# The contact sheet


def test_the_contact_sheet_is_a_picture(tmp_path):
    picture = np.full((8, 8, 3), 200, np.uint8)
    strips = [Strip("sr4", [(picture, "a"), None]), Strip("denoise", [(picture, "b"), (picture, "c")])]
    contact_sheet(tmp_path / "sheet.png", ["truth", "dps"], strips)
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet.convert("L"))
    assert (pixels == 200).mean() > 0.2  # three of four cells hold the grey picture
    assert [p.name for p in tmp_path.iterdir()] == ["sheet.png"]
    with pytest.raises(ValueError, match="2 pictures"):
        contact_sheet(tmp_path / "sheet.png", ["truth", "dps"], [Strip("sr4", [None])])


def test_rows_are_json():
    text = json.dumps(row().__dict__, allow_nan=False)
    assert set(json.loads(text)) == {
        "task", "method", "prior", "image", "seed", "psnr", "ssim", "lpips", "consistency", "seconds", "evaluations",
        "peak_memory", "notes",
    }  # fmt: skip
    assert math.isfinite(json.loads(text)["psnr"])


# Baselines, several samples, options


def test_baselines_are_rows_too_and_say_how_they_were_tuned(prior, face):
    images = {"face": face}
    found = {
        (r.task, r.method): r
        for r, _, _ in compare(prior, images, ["denoise", "sr2"], ["tv", "nlm", "classical"], sigma=0.2)
    }
    for method in ("tv", "nlm"):
        assert found["denoise", method].psnr > 10
        assert "truth in hand" in found["denoise", method].notes[0]
        assert found["sr2", method].psnr is None
        assert "another task" in found["sr2", method].notes[0]
    assert found["sr2", "classical"].psnr > 10
    assert all(r.evaluations in (0, None) for r in found.values())


def test_the_best_weight_is_at_least_as_good_as_any_other():
    """At its best, total variation beats the noisy picture, and the noise-free one needs least of it."""
    shape_prior = GaussianPrior(schedules.linear(4), torch.zeros(3, 48, 48), torch.ones(3, 48, 48))
    scores = []
    for sigma in (0.02, 0.2, 0.6):
        (case,) = degrade({"face": astronaut_face(48)}, ["denoise"], sigma=sigma)
        r, _ = run_case(shape_prior, case, "tv", prior_name="p")
        scores.append(r.psnr - float(psnr(case.measurement.clamp(-1, 1), case.truth)[0]))
    assert scores == sorted(scores)
    assert scores[-1] > 4


def test_the_mean_of_several_samples_is_their_mean(prior, face):
    (case,) = degrade({"face": face}, ["sr2"], sigma=0.2, seed=3)
    options = {"prior_name": "p", "steps": 5}
    r, x0 = run_case(prior, case, "dps", samples=3, **options)
    seeds = sample_seeds(case.seeds[0], 3)
    each = [restore(prior, case.problem, "dps", "sr2", steps=5, seed=[s]).x0 for s in seeds]
    torch.testing.assert_close(x0, sum(each) / 3, rtol=1e-5, atol=1e-5)
    assert "mean of 3 samples" in r.notes
    ((_, _, from_compare),) = compare(prior, {"face": face}, ["sr2"], ["dps"], sigma=0.2, seed=3, samples=3, steps=5)
    assert torch.equal(from_compare, x0)
    _, alone = run_case(prior, case, "dps", **options)
    assert not torch.equal(alone, x0)
    with pytest.raises(ValueError, match="samples must be 1 or more"):
        run_case(prior, case, "dps", samples=0, **options)


def test_given_options_replace_the_tuned_ones_where_a_method_takes_them():
    given = {"zeta": 0.125, "t_start": 20}
    shape = (3, 64, 64)
    assert method_options("dps", "sr4", 1000, 10, shape, given)["zeta"] == 0.125
    assert "zeta" not in method_options("sdedit", "sr4", 1000, 10, shape, given)
    assert method_options("sdedit", "sr4", 1000, 50, shape, given) == {"t_start": 20, "steps": 20}
    assert method_options("tv", "denoise", 1000, 10, shape, given) == {}


def test_zeta_grows_with_the_side_of_the_image():
    tuned = settings("dps", "sr4")["zeta"]
    assert method_options("dps", "sr4", 1000, 10, (3, 128, 128))["zeta"] == pytest.approx(2 * tuned)
    assert method_options("dps", "sr4", 1000, 10, (3, 16, 64))["zeta"] == pytest.approx(tuned / 2)


def test_an_option_that_the_method_does_not_take_is_an_error(prior, face):
    (case,) = degrade({"face": face}, ["sr2"], sigma=0.2)
    with pytest.raises(ValueError, match="Did you mean 'zeta'"):
        restore(prior, case.problem, "dps", "sr2", steps=2, zetta=3.0)
    with pytest.raises(ValueError, match="unknown option of sdedit"):
        run_case(prior, case, "sdedit", prior_name="p", steps=2, gamma=1.0)


def test_compare_hands_the_options_on(prior, face):
    def with_zeta(zeta):
        ((_, _, x0),) = compare(
            prior, {"face": face}, ["sr2"], ["dps"], sigma=0.2, steps=5, options={"zeta": zeta, "gamma": 1.0}
        )
        return x0

    (case,) = degrade({"face": face}, ["sr2"], sigma=0.2)
    plain = restore(prior, case.problem, "ddpm", "sr2", steps=5, seed=case.seeds).x0
    assert torch.equal(with_zeta(0.0), plain)
    assert not torch.equal(with_zeta(1.0), plain)
