"""The tour in small: everything is there, one page needs nothing else, and the figures are those of the pictures."""

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

from teachdiff import cli
from teachdiff.compare import Row
from teachdiff.data import load_image
from teachdiff.mathml import UnknownTeX, formula, mathml, prose
from teachdiff.metrics import psnr
from teachdiff.priors.checkpoints import save_prior
from teachdiff.priors.unet import UNet
from teachdiff.report import grid, write_report
from teachdiff.tour import METHODS_OF_TOUR, TASKS_OF_TOUR, Job, Plan, run_jobs, run_tour

ROW = {
    "task", "method", "prior", "image", "seed", "psnr", "ssim", "lpips", "consistency", "seconds", "evaluations",
    "peak_memory", "notes",
}  # fmt: skip
SMALL = Plan(
    proofs=("vp_marginal", "mashayak.eq12"),
    size=16,
    steps=3,
    sdedit_steps=2,
    hero_size=24,
    hero_steps=2,
    portrait_size=16,
    samples=5,
    sample_steps=2,
    inpainted=3,
    portrait_steps=2,
)


@pytest.fixture(scope="module")
def priors(tmp_path_factory):
    torch.manual_seed(0)
    network = UNet(3, (8, 8))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    path = tmp_path_factory.mktemp("prior") / "tiny.safetensors"
    save_prior(path, network, schedule={"name": "linear", "T": 20}, prediction="x0_hat", dtype=torch.float32)
    return {"photos": str(path), "portraits": str(path)}


@pytest.fixture(scope="module")
def told():
    return []


@pytest.fixture(scope="module")
def tour(priors, told):
    return run_tour(plan=SMALL, priors=priors, seed=3, on_progress=lambda act, share: told.append((act, share)))


@pytest.fixture(scope="module")
def folder(tour, tmp_path_factory):
    out = tmp_path_factory.mktemp("tour")
    assert write_report(out, tour) == out / "report.html"
    return out


def test_every_method_restores_every_task(tour):
    assert list(tour.by_task()) == list(TASKS_OF_TOUR)
    for task, rows in tour.by_task().items():
        assert [row.method for row in rows] == list(METHODS_OF_TOUR)
        evaluations = {row.method: row.evaluations for row in rows}
        assert evaluations == {
            "measurement": 0, "classical": 0, "tweedie": 1, "sdedit": 6, "score_ald": 3, "dps": 3,
            "ddrm": 3, "pnp_admm": 24,
        }  # fmt: skip
        # SDEdit: three t*, two steps each
        for row in rows:
            image = tour.images[task, row.method]
            assert row.psnr == pytest.approx(float(psnr(image, tour.cases[task].truth)[0]), abs=1e-6)
    assert len(tour.samples) == 5
    assert len(tour.portrait_rows) == len(tour.portrait_images) == 3
    assert not torch.equal(tour.samples[0], tour.samples[4])


def test_the_best_t_star_is_named_and_owned_up_to(tour):
    for rows in tour.by_task().values():
        note = next(row for row in rows if row.method == "sdedit").notes[0]
        assert re.fullmatch(r"t\* = (2|4|8), the best of 2, 4, 8 by PSNR: chosen with the truth in hand", note)


def test_progress_rises_to_the_end(tour, told):
    shares = [share for _, share in told]
    assert shares[-1] == pytest.approx(1.0)
    assert all(0 <= share <= 1 for share in shares)
    assert shares == sorted(shares)


def test_the_number_of_threads_changes_nothing_but_the_time(tour, priors):
    assert torch.get_num_threads() == 1
    torch.set_num_threads(3)
    try:
        again = run_tour(plan=SMALL, priors=priors, seed=3)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)
    assert tour.images.keys() == again.images.keys()
    assert all(torch.equal(x, again.images[key]) for key, x in tour.images.items())
    for name in ("samples", "portrait_images"):
        assert all(torch.equal(x, y) for x, y in zip(getattr(tour, name), getattr(again, name), strict=True))


def test_results_hold_every_figure(folder):
    found = json.loads((folder / "results.json").read_text())
    assert set(found) == {
        "version", "command", "seed", "device", "machine", "sigma", "plan", "seconds", "proofs", "restorations", "hero",
        "portraits",
    }  # fmt: skip
    assert found["sigma"] == {"unit_range": 0.05, "library": 0.1}
    assert len(found["restorations"]) == len(TASKS_OF_TOUR) * len(METHODS_OF_TOUR)
    assert all(set(row) == ROW for row in [*found["restorations"], found["hero"], *found["portraits"]["inpainted"]])
    assert found["proofs"]["summary"] == {"proved": 1, "refuted": 1, "failed": 0}
    assert found["seed"] == 3


def test_the_files_are_all_there_and_whole(folder):
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    pictures = {f"pictures/{t}.{m}.png" for t in TASKS_OF_TOUR for m in (*METHODS_OF_TOUR, "truth")}
    assert names == pictures | {"report.html", "results.json", "hero.png", "portraits.png", "portraits_inpainted.png"}
    for name in names:
        if name.endswith(".png"):
            with Image.open(folder / name) as image:
                image.verify()
    with Image.open(folder / "hero.png") as hero:
        assert hero.size == (3 * (3 * 24 + 2 * 4), 3 * 24)


class Page(HTMLParser):
    """Every tag with its attributes, and the tags that are open."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("img", "meta", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self.words.append(data)


def test_the_page_needs_nothing_else(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    without_pictures = re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]*", "", text)
    for outside in ("http:", "https:", "url(", "@import", 'src="/', "file:", "//"):
        assert outside not in without_pictures
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 3 + len(TASKS_OF_TOUR) * (len(METHODS_OF_TOUR) + 1) + 5 + 3 * 3
    for attributes in images:
        assert attributes["src"].startswith("data:image/png;base64,")
        with Image.open(io.BytesIO(base64.b64decode(attributes["src"].split(",", 1)[1]))) as image:
            assert image.size == (int(attributes["width"]), int(attributes["height"]))
        assert len(attributes["alt"].split()) >= 3
    targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    for tag, attributes in page.tags:
        if tag == "a":
            assert attributes["href"].startswith("#")
            assert attributes["href"][1:] in targets
    assert "prefers-color-scheme:dark" in text
    assert 'name="viewport"' in text


def test_the_pictures_on_the_page_are_those_of_the_figures(tour, folder):
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    shown = {a["alt"]: a["src"] for tag, a in page.tags if tag == "img"}
    source = shown["Most pixels are missing: the face, restored by DPS"]
    with Image.open(io.BytesIO(base64.b64decode(source.split(",", 1)[1]))) as image:
        on_page = np.asarray(image)
    in_folder = load_image(folder / "pictures" / "inpaint_random.dps.png")
    assert np.array_equal(on_page, ((in_folder[0].permute(1, 2, 0) + 1) * 127.5).round().byte().numpy())
    row = next(r for r in tour.rows if (r.task, r.method) == ("inpaint_random", "dps"))
    assert float(psnr(in_folder, tour.cases["inpaint_random"].truth)[0]) == pytest.approx(row.psnr, abs=0.05)
    assert f"{row.psnr:.1f}" in " ".join(page.words)


def test_words_from_elsewhere_are_escaped(tour, tmp_path):
    from dataclasses import replace

    nasty = replace(tour, command="<script>alert(1)</script>", proofs=json.loads(json.dumps(tour.proofs)))
    nasty.proofs["derivations"][0]["title"] = "<b>&"
    nasty.proofs["ledger"] = [
        {"id": "x<y", "printed": r"a < \foo", "reason": "<i>", "status": "refuted", "counterexample": "a=<1>"}
    ]
    write_report(tmp_path, nasty)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    Page(text)
    for raw in ("<script", "<b>&", "x<y", "<i>", "a=<1>"):
        assert raw not in text.replace("<b>&ensp;", "")
    assert nasty.refutations == tour.refutations


def test_a_proof_that_fails_makes_the_tour_fail(tour, tmp_path, monkeypatch):
    from dataclasses import replace

    from typer.testing import CliRunner

    broken = replace(tour, proofs=json.loads(json.dumps(tour.proofs)))
    broken.proofs["derivations"][0]["status"] = "failed"
    broken.proofs["summary"] = {"proved": 0, "refuted": 0, "failed": 1}
    for found, code in ((tour, 0), (broken, 1)):
        monkeypatch.setattr("teachdiff.tour.run_tour", lambda found=found, **options: found)
        result = CliRunner().invoke(cli.app, ["tour", "--out", str(tmp_path / str(code))])
        assert result.exit_code == code
        assert (tmp_path / str(code) / "report.html").is_file()
        assert "undecided" in result.stdout
    assert "vp_marginal" in result.stderr


def test_interrupted_the_tour_stops_soon_and_writes_nothing(priors, monkeypatch, tmp_path):
    from typer.testing import CliRunner

    def interrupted(**options):
        raise KeyboardInterrupt

    monkeypatch.setattr("teachdiff.tour.run_tour", interrupted)
    result = CliRunner().invoke(cli.app, ["tour", "--out", str(tmp_path / "o")])
    assert result.exit_code == 1
    assert "Interrupted: nothing was written" in result.stderr
    assert list((tmp_path / "o").iterdir()) == []


def test_one_job_that_fails_stops_the_others():
    ticks = []

    def fails(tick):
        raise FloatingPointError("the chain diverged")

    def endless(tick):
        while True:
            ticks.append(1)
            tick()

    torch.set_num_threads(2)
    try:
        with pytest.raises(FloatingPointError, match="diverged"):
            run_jobs([Job("endless", 9, 9, endless), Job("fails", 1, 1, fails)], torch.device("cpu"), lambda a, s: None)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert ticks  # it ran, and it ended: Stopped reached it at its next tick


def test_a_grid_puts_each_picture_in_its_place():
    images = [torch.full((1, 3, 4, 4), value) for value in (-1.0, 0.0, 1.0)]
    sheet = grid(images, 2, gap=1)
    assert sheet.shape == (9, 9, 3)
    assert (sheet[:4, :4] == 0).all()
    assert (sheet[:4, 5:] == 128).all()
    assert (sheet[5:, :4] == 255).all()


def test_the_plan_is_that_of_the_promise():
    """Photographs at 64, the large picture at 128, a hundred steps; the proofs that it names exist."""
    from derivations import ledger, registry

    plan = Plan()
    assert (plan.size, plan.hero_size, plan.portrait_size, plan.steps) == (64, 128, 32, 100)
    assert plan.hero_task in TASKS_OF_TOUR
    assert set(plan.proofs) <= {*registry.names(), *(row.id for row in ledger.rows())}


# Formulas


@pytest.mark.parametrize(
    ("tex", "xml"),
    [
        ("x_0", "<msub><mi>x</mi><mn>0</mn></msub>"),
        (r"\bar\alpha_t", "<msub><mi>𝛼\u0304</mi><mi>t</mi></msub>"),
        (r"\hat{x}", "<mi>𝑥\u0302</mi>"),
        (
            r"\tilde{\beta x}",
            '<mover accent="true"><mrow><mi>β</mi><mi>x</mi></mrow><mo stretchy="false">~</mo></mover>',
        ),
        (r"\frac12", "<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
        (
            r"\frac{1}{\sqrt{a}}",
            "<mfrac><mrow><mn>1</mn></mrow><mrow><msqrt><mrow><mi>a</mi></mrow></msqrt></mrow></mfrac>",
        ),
        (r"x^{2}_t", "<msubsup><mi>x</mi><mi>t</mi><mrow><mrow><mn>2</mn></mrow></mrow></msubsup>"),
        (r"x'", "<msup><mi>x</mi><mrow><mo>′</mo></mrow></msup>"),
        (r"\mathcal N", "<mi>𝒩</mi>"),
        (r"\mathcal R", "<mi>ℛ</mi>"),
        (r"\text{for all } t", "<mtext>for all </mtext><mi>t</mi>"),
        (r"-a", "<mo>−</mo><mi>a</mi>"),
        (r"a \leq b", "<mi>a</mi><mo>≤</mo><mi>b</mi>"),
        (
            r"\sum_{i}^n",
            '<munderover><mo largeop="true">∑</mo><mrow><mi>i</mi></mrow><mrow><mi>n</mi></mrow></munderover>',
        ),
        (r"\overset{d}{=}", "<mover><mrow><mo>=</mo></mrow><mrow><mi>d</mi></mrow></mover>"),
        (
            r"\left(a\right)",
            '<mrow><mo fence="true" stretchy="true">(</mo><mi>a</mi><mo fence="true" stretchy="true">)</mo></mrow>',
        ),
        (
            r"\begin{matrix}a & b\\c & d\end{matrix}",
            "<mrow><mtable><mtr><mtd><mi>a</mi></mtd><mtd><mi>b</mi></mtd></mtr>"
            "<mtr><mtd><mi>c</mi></mtd><mtd><mi>d</mi></mtd></mtr></mtable></mrow>",
        ),
    ],
)
def test_tex_becomes_mathml(tex, xml):
    inside = re.fullmatch(r'<math alttext="[^"]*"><mrow>(.*)</mrow></math>', mathml(tex))
    assert inside[1] == xml


@pytest.mark.parametrize(
    "tex", [r"\foo", r"\frac{a}", "{a", "a}", "a^", r"\left(a", r"\begin{nothing}a\end{nothing}", "a & b"]
)
def test_what_is_not_understood_is_shown_as_it_is(tex):
    with pytest.raises(UnknownTeX):
        mathml(tex)
    assert formula(tex).startswith("<code>")
    assert prose(f"Let ${tex}$ be").startswith("Let <code>")


def test_every_formula_of_the_derivations_is_understood():
    from derivations import registry

    for derivation in registry.everything().values():
        for tex in [*(s.tex() for s in derivation.steps), *re.findall(r"\$([^$]*)\$", derivation.statement)]:
            assert Page(mathml(tex)).open == []


def test_symbols_are_written_as_signs():
    from teachdiff.report import _words

    text = "alpha_bar_t < alpha_bar_(t-1), sqrt(alpha_{t-1}) x_t and beta_t, eta, beta_tilde_t"
    assert _words(text) == "ᾱₜ &lt; ᾱₜ₋₁, √(αₜ₋₁) xₜ and βₜ, η, β̃ₜ"
    assert (
        _words("the alphas, alpha_i and alpha_bar_T, *not* betas")
        == "the alphas, alpha_i and alpha_bar_T, <em>not</em> betas"
    )
    assert _words("at alpha_bar_prev = 1/4, alpha = 2") == "at ᾱₜ₋₁ = 1/4, αₜ = 2"


def test_rows_of_the_tour_are_rows(tour):
    assert all(isinstance(row, Row) for row in tour.rows)
