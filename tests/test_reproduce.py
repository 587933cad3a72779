"""Tables run anew: the data are what the sources print, the claims are judged, and a run goes on where it stopped."""

import functools
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from derivations import ledger
from teachdiff import cli, published, reproduce, schedules
from teachdiff.baselines import BASELINES
from teachdiff.compare import Row, taken_by
from teachdiff.data import save_image
from teachdiff.faces import portraits
from teachdiff.methods import METHODS
from teachdiff.priors.checkpoints import save_prior
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.unet import UNet
from teachdiff.problems import TASKS
from teachdiff.published import TABLES, Claim, Line, Table

DOCS = Path(__file__).parents[1] / "docs"
# The names of the design: some methods may not be there yet, and are then not run.
KNOWN = {*METHODS, *BASELINES, "dmps", "hybrid", "ddrm", "dirac", "pnp_admm", "admm_tv"}


# The data


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_is_sound(table):
    names = [line.name for line in table.lines]
    assert len(set(names)) == len(names)
    assert table.title and table.stated and table.unsaid and table.claims
    for line in table.lines:
        assert line.task in TASKS and line.method in KNOWN
        assert (line.level is not None) <= (line.method in ("sdedit", "tweedie"))
        assert set(line.printed) <= set(reproduce.DIGITS)
        if line.method in METHODS:
            assert taken_by(line.method, line.options) == line.options
    for claims in table.claims.values():
        assert claims
        for claim in claims:
            assert claim.metric in reproduce.DIGITS
            sides = [side for side in (claim.greater, claim.less) if isinstance(side, str)]
            assert sides and set(sides) <= set(names)


@pytest.mark.parametrize("table", [t for t in TABLES.values() if t.ledger], ids=lambda t: t.name)
def test_the_figures_are_the_ledgers(table):
    """Each printed figure stands in a row of the ledger, and each decimal of the table's own rows stands here."""
    rows = {row.id: row for row in ledger.rows()}
    assert set(table.ledger) <= set(rows)
    texts = [rows[name].printed for name in table.ledger]
    theirs = {name: re.findall(r"\d+(?:\.\d+)?", text) for name, text in zip(table.ledger, texts, strict=True)}
    figures = [figure for line in table.lines for texts in line.printed.values() for figure in texts]
    everything = [figure for found in theirs.values() for figure in found]
    for figure in set(figures):
        assert figures.count(figure) <= everything.count(figure), figure
    whole = [f for name, found in theirs.items() if ".p." not in name for f in found if "." in f and f != "0.01"]
    assert sorted(whole) == sorted(f for f in figures if "." in f)


def test_a_wrong_digit_would_be_noticed(monkeypatch):
    table = TABLES["mashayak.table3"]
    lines = (replace(table.lines[0], printed=published.printed("22.07", "0.18")), *table.lines[1:])
    with pytest.raises(AssertionError):
        test_the_figures_are_the_ledgers(replace(table, lines=lines))


def test_claims_in_words_are_the_ledgers_words():
    """A claim is quoted: each piece of it between [...] stands in one of the table's rows. What only a table shows is
    in brackets."""
    rows = {row.id: row for row in ledger.rows()}

    def plain(text):
        return re.sub(r"\W+", " ", re.sub(r"\\(?:text|quad)|[{}]", " ", text)).lower().strip()

    quoted = 0
    for table in TABLES.values():
        sentences = " | ".join(plain(rows[name].printed) for name in table.ledger)
        for words in table.claims if table.ledger else []:
            if not words.startswith("("):
                quoted += 1
                assert all(plain(piece) in sentences for piece in words.split("[...]")), words
    assert quoted > 8


def test_the_orders_that_the_sources_print():
    """What the printed figures say of the claims, known from reading them."""
    holds = {
        name: [claim["printed"] for claim in reproduce.unrun(table)["claims"]] for name, table in TABLES.items()
    }
    for name in ("mashayak.table1", "mashayak.table3", "liu.table", "rajpal.table1", "rao.p.box-psnr"):
        assert all(holds[name]), name
    assert holds["mashayak.table2"] == [None] * 6 + [True] * 12
    assert set(holds["rajpal.figure1"]) == set(holds["rao.p.random-dps-worse"]) == {None}
    wrong = [c for c in reproduce.unrun(TABLES["fabian.table1"])["claims"] if not c["printed"]]
    # 'superior in terms of both': DPS has the better FID on ImageNet; 'most metrics': FID of Dirac-DO, and DPS once
    assert [(c["metric"], c["greater"]) for c in wrong] == [
        ("fid", "ImageNet, deblurring, DPS"),
        ("fid", "ImageNet, inpainting, DDRM"),
        ("lpips", "ImageNet, inpainting, DPS"),
    ]


# Judging


def rows_of(values, metric="psnr"):
    nothing = dict.fromkeys(["psnr", "ssim", "lpips", "consistency", "seconds", "evaluations", "peak_memory"])
    return [Row("sr4", "m", "p", f"i{i}", 0, **(nothing | {metric: v})) for i, v in enumerate(values)]


def test_a_claim_is_judged_by_means_and_paired_differences():
    values = {"a": (rows_of([10.0, 20.0, 30.0]), 5.0), "b": (rows_of([9.0, 21.0, 26.0]), 7.0)}
    got = reproduce.measured(Claim("psnr", "a", "b"), values)
    assert (got["ours"], got["agreeing"], got["of"]) == (True, 2, 3)
    assert got["difference"] == pytest.approx(4 / 3)
    # deviations of 1, -1, 4 from 4/3: variance (1/9 + 49/9 + 64/9) / 2, of the mean a third
    assert got["standard_error"] == pytest.approx(math.sqrt(114 / 9 / 2 / 3))
    assert reproduce.measured(Claim("psnr", "b", "a"), values)["ours"] is False
    assert reproduce.measured(Claim("psnr", 21.0, "a"), values)["agreeing"] == 2
    assert reproduce.measured(Claim("fid", "b", "a"), values)["difference"] == 2.0
    assert reproduce.measured(Claim("lpips", "a", "b"), values)["ours"] is None
    assert reproduce.measured(Claim("psnr", "a", "c"), values)["ours"] is None
    assert reproduce.measured(Claim("fid", "a", "b"), {"a": ([], None), "b": ([], 1.0)})["ours"] is None
    equal = {"a": values["a"], "b": values["a"]}
    assert reproduce.measured(Claim("psnr", "a", "b"), equal)["ours"] is False  # equal is not greater


def test_a_printed_order_holds_for_each_sample():
    def lines(a, b):
        return {"a": {"printed": {"psnr": a}}, "b": {"printed": {"psnr": b}}}

    claim = Claim("psnr", "a", "b")
    assert reproduce.printed_holds(claim, lines(["2.0", "4.0"], ["1.0", "3.0"])) is True
    assert reproduce.printed_holds(claim, lines(["2.0", "4.0"], ["1.0", "5.0"])) is False
    assert reproduce.printed_holds(claim, lines(["2.0"], ["2.0"])) is False
    assert reproduce.printed_holds(claim, lines(["2.0"], [])) is None
    assert reproduce.printed_holds(Claim("psnr", 20.0, "a"), lines(["19.0", "18.0"], [])) is True


# Planning


def gaussian(schedule):
    return GaussianPrior(schedule, torch.zeros(3, 16, 16), torch.full((3, 16, 16), 0.25))


def test_a_level_is_a_noise_level_of_the_usual_schedule(tmp_path):
    usual, cosine = gaussian(schedules.linear(1000)), gaussian(schedules.cosine(1000))
    table = TABLES["mashayak.table2"]
    plans = [reproduce.plan(table, lambda name, p=p: (p, "0"), tmp_path, count=2, size=16) for p in (usual, cosine)]
    starts = [[p.experiment.options["t_start"] for p in planned[:3]] for planned in plans]
    assert starts[0] == [400, 500, 600]
    for t, ours in zip((400, 500, 600), starts[1], strict=True):
        assert cosine.schedule.alpha_bar[ours].item() == pytest.approx(usual.schedule.alpha_bar[t].item(), rel=0.05)
    (line, *_) = reproduce.plan(TABLES["mashayak.table1"], lambda name: (usual, "0"), tmp_path, count=2, size=16)
    assert usual.schedule.nearest(line.experiment.sigma) == 100
    assert len(line.experiment.images) == 2


def test_parts_counts_steps_and_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(METHODS, "dmps", METHODS["dps"])
    monkeypatch.delitem(METHODS, "hybrid", raising=False)
    prior = gaussian(schedules.linear(1000))

    def plan(name, **options):
        return reproduce.plan(TABLES[name], lambda name: (prior, name), tmp_path, size=16, **options)

    planned = plan("rajpal.figure3")
    assert [(p.experiment.prior_name, list(p.experiment.images)) for p in planned if p.experiment] == [
        *[("portraits", ["cat", "coffee", "rocket"])] * 2,
        *[("photos", ["retina", "hubble"])] * 2,
    ]
    assert {p.reason for p in planned if not p.experiment} == {"there is no method 'hybrid' here"}
    one_part = plan("rajpal.figure3", prior="x")
    assert len(one_part) == 3 and one_part[0].experiment.prior_name == "x"
    images = {str(i): x for i, x in enumerate(portraits(30, 16).split(1))}
    assert len(plan("mashayak.table3", images=images)[0].experiment.images) == 30
    assert len(plan("mashayak.table3", images=images, count=7)[0].experiment.images) == 7
    assert len(plan("mashayak.table3")[0].experiment.images) == TABLES["mashayak.table3"].images
    steps = {p.line.name: p.experiment.steps for p in plan("liu.table", steps=7)}
    assert steps["box, DPS"] == 7 and steps["box, ScoreALD"] == 1000
    assert plan("rajpal.figure1")[0].experiment.steps == 300
    assert plan("rao.p.unmasked-changes")[0].experiment.sigma == 0
    smooth = next(p for p in plan("fabian.table1") if p.line.task == "inpaint_smooth" and p.experiment)
    assert smooth.experiment.task_options["inpaint_smooth"] == {"fill": -1.0}


def test_dirac_is_run_where_a_restorer_comes_along_that_suits(tmp_path):
    prior = gaussian(schedules.linear(1000))

    def lines(**options):
        planned = reproduce.plan(TABLES["fabian.table1"], lambda name: (prior, name), tmp_path, count=1, **options)
        return {p.line.name: p for p in planned if p.line.method == "dirac"}

    usual, small = lines(), lines(size=16)
    assert [name for name, p in usual.items() if p.experiment is None] == [
        "ImageNet, inpainting, Dirac-PO",
        "ImageNet, inpainting, Dirac-DO",
    ]
    reason = usual["ImageNet, inpainting, Dirac-DO"].reason
    assert reason == "no restorer comes along for inpaint_smooth and the prior photos"
    best = usual["ImageNet, deblurring, Dirac-DO"].experiment
    assert best.restorers["deblur_gaussian"][0].degradation.input_shape == (3, 64, 64)
    assert best.options_of("dirac", "deblur_gaussian", next(iter(best.images)))["until"] == 1.0
    assert usual["FFHQ, inpainting, Dirac-PO"].experiment.steps == 50
    assert "the problem's operator is" in small["FFHQ, deblurring, Dirac-PO"].reason  # another blur at 16 pixels


# The command


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    torch.manual_seed(0)
    network = UNet(3, (8, 8))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    path = tmp_path_factory.mktemp("prior") / "tiny.safetensors"
    save_prior(path, network, schedule={"name": "linear", "T": 20}, prediction="x0_hat")
    return str(path)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for metric in ("LPIPS", "FID"):
        monkeypatch.setenv(f"TEACHDIFF_{metric}_WEIGHTS", str(tmp_path / "none"))

    def invoke(*arguments):
        result = CliRunner().invoke(cli.app, [str(a) for a in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


SMALL = Table(
    "small.table",
    "nowhere",
    "Small",
    (
        Line("DPS", "inpaint_box", "dps", published.printed("30.5", "0.05")),
        Line("SDEdit", "inpaint_box", "sdedit", published.printed("20.5 21.5"), level=400),
        Line("absent", "inpaint_box", "nothing", published.printed("9.5")),
    ),
    {"DPS is ahead": published.ahead("DPS", "SDEdit"), "of all": published.ahead("DPS", "absent", metrics=("psnr",))},
    "what is stated",
    "what is not",
    remarks=("A remark.",),
)


def test_a_run_prints_both_figures_and_goes_on(run, tiny, monkeypatch):
    monkeypatch.setitem(TABLES, "small.table", SMALL)
    arguments = ["reproduce", "small.table", "--prior", tiny, "--size", 16, "--count", 2, "--steps", 3, "--out", "o"]
    text = run(*arguments, "--page", "page.md")
    assert text.exit_code == 0
    assert "there is no method 'nothing' here" in text.stdout
    assert "what is stated" in text.stdout and "A remark." in text.stdout
    assert "2 of 16 x 16" in text.stdout and "steps: 3" in text.stdout
    (found,) = json.loads(run(*arguments, "--json").stdout)
    assert json.loads(Path("o/small.table/result.json").read_text()) == found
    lines = {line["name"]: line for line in found["lines"]}
    assert lines["DPS"]["printed"] == {"psnr": ["30.5"], "lpips": ["0.05"]}
    rows = json.loads("[" + ",".join(Path("o/small.table/DPS/rows.jsonl").read_text().splitlines()) + "]")
    assert lines["DPS"]["mean"]["psnr"] == pytest.approx(sum(r["row"]["psnr"] for r in rows) / 2)
    assert lines["DPS"]["images"] == 2 and lines["absent"]["mean"]["psnr"] is None
    assert [c["printed"] for c in found["claims"]] == [True, None, True]
    ahead, lpips, absent = found["claims"]
    gap = lines["DPS"]["mean"]["psnr"] - lines["SDEdit"]["mean"]["psnr"]
    assert ahead["ours"] == (gap > 0) and ahead["difference"] == pytest.approx(gap)
    assert lpips["ours"] is absent["ours"] is None
    assert found["run"]["command"].startswith(f"teachdiff reproduce small.table --prior {tiny} --count 2 --steps 3")
    page = Path("page.md").read_text()
    assert f"| DPS | 30.5 / {lines['DPS']['mean']['psnr']:.2f} ±" in page
    assert "| SDEdit | 20.5, 21.5 / " in page and "| absent | 9.5 / – |" in page
    assert found["run"]["command"] in page
    assert Path("o/small.table/sheet.png").is_file()

    for method in ("dps", "sdedit"):

        @functools.wraps(METHODS[method])  # the same options
        def refuse(*args, **options):
            raise AssertionError("this was computed already")

        monkeypatch.setitem(METHODS, method, refuse)
    assert json.loads(run(*arguments, "--json").stdout) == [found]


def test_a_page_without_results_shows_what_is_printed(run):
    result = run("reproduce", "--page", "page.md")
    assert result.exit_code == 0
    page = Path("page.md").read_text()
    assert "| box mask, DPS | 31.77 / – | 0.05 / – |" in page
    assert all(f"## {name}\n" in page and f"teachdiff reproduce {name}\n" in page for name in TABLES)
    assert "\nnot run" not in page  # a line that says why; a remark may say that something is not run
    assert [p.name for p in Path().iterdir()] == ["page.md"]


def test_the_page_of_the_site_is_made_from_these_tables():
    """Every line and each of its printed figures, whatever was measured beside them."""
    text = (DOCS / "reproduced.md").read_text(encoding="utf-8")
    for name, table in TABLES.items():
        section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
        result = reproduce.unrun(table)
        for line in result["lines"]:
            cells = re.search(rf"^\| {re.escape(line['name'])} \|(.*)\|$", section, re.MULTILINE)
            if cells is None:
                assert "--prior" in section or "--images" in section, line["name"]  # there is one part then
                continue
            found = [cell.partition(" / ")[0].strip() for cell in cells[1].split("|")]
            assert found == [", ".join(line["printed"].get(m, [])) or "–" for m in reproduce.shown(result)]


def test_without_a_name_it_lists_the_tables(run):
    text = run("reproduce").stdout
    assert all(name in text for name in TABLES)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mashayak.tabel3"], "Did you mean 'mashayak.table3'"),
        (["rajpal.table1", "--images", "absent"], "no folder or zip at absent"),
        (["rajpal.table1", "--prior", "portrait"], "Did you mean 'portraits'"),
        (["rajpal.table1", "--count", "0"], "--count must be 1 or more"),
        (["rajpal.table1", "--steps", "0"], "--steps must be 1 or more"),
        (["rajpal.table1", "--size", "20"], "multiples of the factor 16"),
        (["rajpal.table1", "--include", "test/"], "--images"),
        (["rajpal.table1", "--seed", "-1"], "0 or more"),
    ],
)
def test_a_wrong_question_is_exit_code_2(run, tmp_path, arguments, words):
    result = run("reproduce", *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_no_wrong_question(run, tmp_path):
    (tmp_path / "cut.safetensors").write_bytes(b"cut")
    result = run("reproduce", "rajpal.table1", "--prior", "cut.safetensors")
    assert result.exit_code == 1
    assert "no readable safetensors" in " ".join(result.stderr.split())
    assert [p.name for p in tmp_path.iterdir()] == ["cut.safetensors"]


def test_a_damaged_result_is_said(run):
    Path("out/reproduce/liu.table").mkdir(parents=True)
    for text in ("nonsense", "{}", "[]"):
        Path("out/reproduce/liu.table/result.json").write_text(text)
        result = run("reproduce", "--page", "page.md")
        assert result.exit_code == 1
        assert "liu.table/result.json is no result" in result.stderr
        assert not Path("page.md").exists()


def test_a_folder_of_images_takes_the_place_of_those_that_come_along(run, tiny, monkeypatch):
    monkeypatch.setitem(TABLES, "small.table", SMALL)
    for i, image in enumerate(portraits(3, 16).split(1)):
        save_image(f"pictures/{i}.png", image)
    arguments = ["--prior", tiny, "--size", "16", "--steps", "2", "--images", "pictures", "--every", "2", "--json"]
    (found,) = json.loads(run("reproduce", "small.table", *arguments).stdout)
    assert found["lines"][0]["images"] == 2
    assert "--images pictures --every 2" in found["run"]["command"]
