"""The tour as files: pictures, results.json, and report.html, one page that needs nothing else.

Pictures are data URIs, formulas are MathML, colours follow the reader's light or dark setting: the page opens
from a folder, an e-mail or a memory stick, and asks nobody for anything.
"""

import base64
import html
import io
import json
import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from teachdiff import __version__
from teachdiff.compare import Row
from teachdiff.data import save_image, to_array
from teachdiff.files import atomic
from teachdiff.mathml import formula, prose
from teachdiff.problems import TASKS, sigma_from_unit_range
from teachdiff.tour import METHODS_OF_TOUR, Tour, shown

STYLE = Path(__file__).with_name("report.css")

LABELS = {
    "measurement": "measured",
    "classical": "classical",
    "tweedie": "Tweedie",
    "sdedit": "SDEdit",
    "score_ald": "ScoreALD",
    "dps": "DPS",
    "ddrm": "DDRM",
    "pnp_admm": "PnP-ADMM",
    "truth": "truth",
}
TITLES = {
    "denoise": "Noise",
    "inpaint_box": "A box is missing",
    "inpaint_random": "Most pixels are missing",
    "inpaint_smooth": "A soft hole",
    "deblur_gaussian": "Out of focus",
    "sr4": "Sixteen pixels became one",
}
WHAT_TO_SEE = {
    "inpaint_box": "Nothing in the measurement says what is inside the box, so everything there is the prior's "
    "opinion. This prior was trained on photographs of clothes and has hardly seen a face: look "
    "whether it dares to draw eyes. Act three has a prior that knows faces.",
    "inpaint_random": "Every missing pixel has neighbours that were seen, and photographs are smooth, so "
    "interpolation alone goes far, except that it keeps the noise. Compare the hair and the "
    "teeth, where smoothness is a wrong belief.",
    "deblur_gaussian": "Blur divides the fine detail by a large number and noise is added afterwards: whoever "
    "divides back amplifies the noise. The prior decides how much of it was detail.",
    "sr4": "Each measured pixel is the mean of a block of 4 x 4. Many faces have these means; the "
    "classical answer takes a smooth one, DPS draws one of the sharp ones, not necessarily the "
    "true one.",
}
METHOD_NOTES = {
    "classical": "What one did before priors were learned: biharmonic inpainting, Wiener's filter, bicubic "
    "interpolation. No network. The bar that a learned prior has to clear.",
    "tweedie": "One evaluation of the network: x̂₀ = E[x₀ | xₜ], with the damaged picture taken for xₜ. It "
    "removes noise and undoes neither mask nor blur. Any gain over the measurement is denoising "
    "alone.",
    "sdedit": "Noise the damaged picture up to t*, walk back with the prior. Nothing pulls it to the "
    "measurement after the start: a small t* keeps the damage, a large one forgets the picture. "
    "Shown is the best of three t*, chosen with the truth in hand, which no user has.",
    "score_ald": "Adds the gradient of the likelihood at the noisy xₜ itself. The measurement was of x₀ and "
    "not of xₜ, so the term is wrong by design, and γ keeps it weak. It does not reproduce the "
    "measurement, not even where there is no noise.",
    "dps": "Adds the gradient of the misfit at x̂₀(xₜ), differentiated through the network. It treats "
    "x̂₀ as certain, which it is not, and its released step knows no σ: a good picture, but not "
    "a sample of the posterior.",
    "ddrm": "Works on each singular value of the camera by itself: what was measured well is taken over, what was "
    "not is left to the prior. Twenty evaluations instead of a hundred.",
    "pnp_admm": "An optimiser that asks the prior to denoise, in turn with an exact step towards the measurement. "
    "Nothing is drawn: it gives one picture, near the mean, and the numbers like it for that.",
}


# Files


def write_report(out: str | Path, tour: Tour) -> Path:
    """Write the pictures, results.json and report.html into `out`, each atomically; return the page's path.

    Raises:
        OSError: the folder cannot be written.
    """
    out = Path(out)
    pictures = out / "pictures"
    for task, case in tour.cases.items():
        save_image(pictures / f"{task}.truth.png", shown(case.truth))
    for (task, method), x in tour.images.items():
        save_image(pictures / f"{task}.{method}.png", x)
    save_array(out / "hero.png", enlarge(side_by_side(hero_pictures(tour)), 3))
    save_array(out / "portraits.png", enlarge(grid(tour.samples, 8), 4))
    inpainted = [*tour.portrait_truths, *tour.portrait_measurements, *tour.portrait_images]
    save_array(out / "portraits_inpainted.png", enlarge(grid(inpainted, len(tour.portrait_truths)), 4))
    with atomic(out / "results.json") as part:
        part.write_text(json.dumps(results(tour), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    page = out / "report.html"
    with atomic(page) as part:
        part.write_text(render(tour), encoding="utf-8")
    return page


def results(tour: Tour) -> dict[str, Any]:
    """results.json: the figures, without the pictures."""
    return {
        "version": __version__,
        "command": tour.command,
        "seed": tour.seed,
        "device": tour.device,
        "machine": machine(tour),
        "sigma": {"unit_range": tour.sigma, "library": sigma_from_unit_range(tour.sigma)},
        "plan": asdict(tour.plan),
        "seconds": tour.seconds,
        "proofs": {**tour.proofs, "seconds": tour.proof_seconds},
        "restorations": [asdict(row) for rows in tour.by_task().values() for row in rows],
        "hero": asdict(hero_row(tour)),
        "portraits": {
            "samples": len(tour.samples),
            "seconds": tour.samples_seconds,
            "evaluations": tour.samples_evaluations,
            "inpainted": [asdict(row) for row in tour.portrait_rows],
        },
    }


def machine(tour: Tour) -> str:
    if tour.device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(tour.device))
    return f"{platform.machine()}, {torch.get_num_threads()} thread(s), torch {torch.__version__}"


def hero_pictures(tour: Tour) -> list[Tensor]:
    assert tour.hero_case is not None and tour.hero_image is not None
    return [shown(x) for x in (tour.hero_case.truth, tour.hero_case.measurement, tour.hero_image)]


def hero_row(tour: Tour) -> Row:
    assert tour.hero_row is not None
    return tour.hero_row


def save_array(path: Path, array: np.ndarray) -> None:
    with atomic(path) as part:
        Image.fromarray(array).save(part, format="PNG")


def side_by_side(images: Sequence[Tensor], gap: int = 4) -> np.ndarray:
    """Pictures of one height in a row, with white between them."""
    return grid(images, len(images), gap)


def grid(images: Sequence[Tensor], columns: int, gap: int = 2) -> np.ndarray:
    """Pictures of one size in rows of `columns`, with white between them, as uint8 (H, W, 3)."""
    arrays = [to_array(x) for x in images]
    height, width, _ = arrays[0].shape
    columns = min(columns, len(arrays))
    rows = -(-len(arrays) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for k, array in enumerate(arrays):
        i, j = divmod(k, columns)
        sheet[i * (height + gap) :, j * (width + gap) :][:height, :width] = array
    return sheet


def enlarge(array: np.ndarray, factor: int) -> np.ndarray:
    """Each pixel as a square: what a viewer that smooths cannot spoil."""
    return array.repeat(factor, 0).repeat(factor, 1)


def data_uri(x: Tensor) -> str:
    """A picture as the address of itself."""
    buffer = io.BytesIO()
    Image.fromarray(to_array(x)).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


# The page


def render(tour: Tour) -> str:
    """report.html."""
    body = "\n".join([_head(tour), _act_one(tour), _act_two(tour), _act_three(tour), _figures(tour), _foot(tour)])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>teachdiff tour</title>\n<style>{STYLE.read_text(encoding='utf-8')}</style>\n"
        f"</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _picture(x: Tensor, alt: str, caption: str = "", kind: str = "") -> str:
    height, width = x.shape[-2:]
    image = f'<img src="{data_uri(x)}" alt="{_quote(alt)}" width="{width}" height="{height}">'
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'<figure class="{kind}">{image}{below}</figure>' if kind else f"<figure>{image}{below}</figure>"


def _quote(text: str) -> str:
    return html.escape(text, quote=True)


def _db(row: Row) -> str:
    return "–" if row.psnr is None else f"{row.psnr:.1f}&nbsp;dB"


def _cost(seconds: float | None, evaluations: float | None) -> str:
    return f"{evaluations or 0:.0f} evaluations of the network, {seconds or 0:.1f}&nbsp;s"


def _how(command: str, cost: str = "") -> str:
    tail = f"<span>{cost}</span>" if cost else ""
    return f'<p class="how"><code>{html.escape(command)}</code>{tail}</p>'


def _head(tour: Tour) -> str:
    truth, measurement, restored = hero_pictures(tour)
    row, plan = hero_row(tour), tour.plan
    side = plan.hero_size
    degraded = TASKS[plan.hero_task].description
    again = f"teachdiff restore astronaut --task {plan.hero_task} --method dps --size {side} --seed {tour.seed}"
    proved = tour.proofs["summary"]["proved"]
    facts = [
        (str(proved), "identities proved"),
        (str(tour.refutations), "false variants refuted"),
        (str(len(tour.images) + len(tour.portrait_rows) + len(tour.samples) + 1), "pictures computed"),
        (f"{tour.seconds:.0f}&nbsp;s", "on this machine"),
    ]
    return f"""<header>
<p class="kicker">teachdiff · the guided tour</p>
<h1>What was lost, what a prior knows, and what nobody can know</h1>
<p class="lead">A camera reports <em>y</em>&nbsp;=&nbsp;<em>A</em>&hairsp;<em>x</em>₀&nbsp;+&nbsp;σ<em>z</em>: too
little, and noisy.
A diffusion model has learned what pictures look like. This page proves the formulas that bring the two together,
restores a photograph with them, and says of every method where it is biased.</p>
<div class="hero">
{_picture(measurement, f"The measurement: {degraded}, with noise", f"<b>What the camera saw</b> {degraded}")}
{_picture(restored, "The restoration by DPS", f"<b>Restored by DPS</b> {_db(row)}", "best")}
{
        _picture(
            truth,
            "The true photograph: the face of the astronaut Eileen Collins, smiling",
            "<b>The truth</b> Eileen Collins, NASA",
        )
    }
</div>
<p class="note">{side}&nbsp;×&nbsp;{side} pixels, noise of {tour.sigma:g} in [0,&nbsp;1] units
({sigma_from_unit_range(tour.sigma):g} in [−1,&nbsp;1]). The prior is a small network trained on photographs of
clothes;
it has never seen this picture. {_cost(row.seconds, row.evaluations)}.</p>
{_how(again)}
<dl class="facts">{"".join(f"<div><dt>{what}</dt><dd>{number}</dd></div>" for number, what in facts)}</dl>
<nav aria-label="Acts"><a href="#proofs">I&ensp;The formulas hold</a><a href="#photograph">II&ensp;One face, four
cameras</a>
<a href="#portraits">III&ensp;A prior with an opinion</a><a href="#figures">All figures</a></nav>
</header>"""


def _act_one(tour: Tour) -> str:
    cards, wrong = [], []
    for d in tour.proofs["derivations"]:
        steps = sum(s["status"] == "proved" for s in d["steps"])
        chain = "".join(f"<li>{formula(s['tex'], display=True)}<p>{_words(s['reason'])}</p></li>" for s in d["steps"])
        word = "step" if steps == 1 else "steps"
        cards.append(
            f"<article><h3>{_words(d['title'])} {_badge(d['status'])}</h3><p>{prose(d['statement'])}</p>"
            f"<details><summary>{steps} {word}, checked in {d['seconds']:.2f}&nbsp;s</summary>"
            f'<ol class="proof">{chain}</ol></details></article>'
        )
        wrong += [
            f"<li><div>{formula(s['tex'])}</div><p>{_words(s['reason'])}</p>"
            f'<p class="counter">Counterexample: {_words(s["counterexample"])}</p></li>'
            for s in d["steps"]
            if s["kind"] == "differs" and s["status"] == "proved"
        ]
    printed = [_printed(row) for row in tour.proofs["ledger"]]
    refuted = ""
    if printed:
        refuted += (
            "<h3>Printed, and false</h3><p>Formulas from student reports, each refuted by one exact point at which its "
            "two sides differ. Rational numbers and roots, no rounding: a counterexample is a proof too. Several agree "
            "with the truth at <em>t</em>&nbsp;=&nbsp;1, which is why nobody noticed.</p>"
            f'<ul class="lines">{"".join(printed)}</ul>'
        )
    if wrong:
        refuted += (
            f"<details><summary>{len(wrong)} more that tempt and are false, met on the way through the proofs</summary>"
            f'<ul class="lines">{"".join(wrong)}</ul></details>'
        )
    return f"""<section id="proofs">
<p class="act">Act I</p><h2>The formulas hold</h2>
<p class="lead">Everything that follows rests on a handful of identities. Each was proved just now, by a program, for
all values of
its symbols: a chain of steps, each decided by exact algebra. Agreement at some points is never called a proof.</p>
{_how("teachdiff prove", f"all of them; these took {tour.proof_seconds:.1f}&nbsp;s")}
<div class="proofs">{"".join(cards)}</div>
{refuted}
</section>"""


def _badge(status: str) -> str:
    return f'<span class="badge {status}">{status}</span>'


def _printed(row: dict[str, Any]) -> str:
    """A row of the ledger: the line as printed, what holds instead, why, and a point at which they differ."""
    instead = counter = ""
    if row.get("corrected"):
        instead = f'<div class="instead"><span>instead</span> {formula(row["corrected"])}</div>'
    if row.get("counterexample"):
        counter = f'<p class="counter">Counterexample: {_words(row["counterexample"].split("; at ")[0])}</p>'
    reason = str(row.get("reason", "")).split(" Origin:")[0]  # where the mistake came from is the ledger's business
    return (
        f'<li><p class="place">{html.escape(str(row["id"]))} {_badge(row["status"])}</p>'
        f"<div>{formula(row['printed'])}</div>{instead}<p>{_words(reason)}</p>{counter}</li>"
    )


# Names of symbols in reasons and counterexamples, as a page writes them.
_SYMBOLS = [
    (r"alpha_bar_(?:\(t-1\)|\{t-1\}|prev\b)", "ᾱₜ₋₁"),
    (r"alpha_bar_prev2", "ᾱₜ₋₂"),
    (r"\balpha_bar(?:_t)?\b", "ᾱₜ"),
    (r"alpha_(?:\(t-1\)|\{t-1\}|prev\b)", "αₜ₋₁"),
    (r"\balpha(?:_t)?\b", "αₜ"),
    (r"\bbeta_tilde(?:_t)?\b", "β̃ₜ"),
    (r"beta_(?:\(t-1\)|\{t-1\}|prev\b)", "βₜ₋₁"),
    (r"\bbeta(?:_t)?\b", "βₜ"),
    (r"x0_hat", "x̂₀"),
    (r"\bgamma(?:_t)?\b", "γₜ"),
    (r"x_(?:\(t-1\)|\{t-1\}|prev\b)", "xₜ₋₁"),
    (r"\bx_t\b", "xₜ"),
    (r"\bx_0\b", "x₀"),
    (r"\b(?:eps|epsilon)_theta\b", "ε_θ"),
    (r"\bs_theta\b", "s_θ"),
    (r"\bepsilon\b", "ε"),
    (r"\bsigma\b", "σ"),
    (r"\bzeta\b", "ζ"),
    (r"\beta\b", "η"),
    (r"\btau\b", "τ"),
    (r"\bmu\b", "μ"),
    (r"sqrt\(", "√("),
    (r"(?<=\d)\*(?=√|\d)", "·"),
]


def _words(text: str) -> str:
    """Plain words as HTML, the names of symbols as signs."""
    for pattern, sign in _SYMBOLS:
        text = re.sub(pattern, sign, text)
    return re.sub(r"\*(\w[\w -]*)\*", r"<em>\1</em>", html.escape(text))


def _act_two(tour: Tour) -> str:
    side = tour.plan.size
    blocks = []
    for task, rows in tour.by_task().items():
        case = tour.cases[task]
        known = [row.psnr for row in rows if row.psnr is not None]
        figures = []
        for row in rows:
            label = LABELS[row.method]
            if row.method == "classical":
                label = row.notes[0]
            extra = ""
            if row.method == "sdedit":
                extra = f"<small>best {html.escape(row.notes[0].split(',')[0])}</small>"
            kind = "best" if known and row.psnr == max(known) else ""
            alt = (
                f"{TITLES[task]}: the face, {'as measured' if row.method == 'measurement' else 'restored by ' + label}"
            )
            picture = tour.images[task, row.method]
            figures.append(_picture(picture, alt, f"<b>{html.escape(label)}</b> {_db(row)}{extra}", kind))
        figures.append(_picture(shown(case.truth), f"{TITLES[task]}: the true face", "<b>truth</b>", "truth"))
        seconds = sum(row.seconds or 0 for row in rows)
        evaluations = sum(row.evaluations or 0 for row in rows)
        command = f"teachdiff restore astronaut --task {task} --method dps --size {side} --seed {tour.seed}"
        blocks.append(
            f"<h3>{TITLES[task]} <code>{task}</code></h3><p>{html.escape(WHAT_TO_SEE[task])}</p>"
            f'<div class="strip">{"".join(figures)}</div>{_how(command, _cost(seconds, evaluations))}'
        )
    notes = "".join(f"<div><dt>{LABELS[name]}</dt><dd>{text}</dd></div>" for name, text in METHOD_NOTES.items())
    return f"""<section id="photograph">
<p class="act">Act II</p><h2>One face, four cameras</h2>
<p class="lead">The same {side}&nbsp;×&nbsp;{side} photograph goes through four cameras, each with the same noise.
Every method sees the same
measurement and the same prior, which was trained on photographs of clothes: it knows edges, textures and light, and
hardly a
face. PSNR counts squared errors: higher is nearer to the truth.</p>
<dl class="methods">{notes}</dl>
<aside><p><b>Before you read the numbers.</b> A sample of the posterior has about twice the squared error of the
posterior's
<em>mean</em>, which costs it 3&nbsp;dB: the sharper picture may have the lower PSNR. That is arithmetic and not a
fault of the
method. Average several samples, and the number rises while the picture goes soft.</p></aside>
{"".join(blocks)}
</section>"""


def _act_three(tour: Tour) -> str:
    samples = "".join(_picture(x, f"Portrait {i + 1}, drawn from the prior") for i, x in enumerate(tour.samples))
    triples = []
    for i, row in enumerate(tour.portrait_rows):
        pictures = (tour.portrait_measurements[i], tour.portrait_images[i], tour.portrait_truths[i])
        alts = ("the eyes are hidden", "the eyes filled in by DPS", "as it was")
        images = "".join(_picture(x, f"Portrait {i + 1}, {alt}") for x, alt in zip(pictures, alts, strict=True))
        fit = "" if row.consistency is None else f"<br>{row.consistency:.2f}&hairsp;σ"
        triples.append(f'<div class="triple">{images}<p>{_db(row)}{fit}</p></div>')
    near = [row.consistency for row in tour.portrait_rows if row.consistency is not None]
    seen = f"{max(near):.2f}" if near else "–"
    first = tour.portrait_rows[0]
    cost = _cost(sum(row.seconds or 0 for row in tour.portrait_rows), first.evaluations)
    shape = (len(tour.samples), *tour.samples[0].shape[1:])
    python = f'ddim(load_prior("portraits"), shape={shape}, steps={tour.plan.sample_steps}, seed={tour.seed})'
    drawn = f"{tour.samples_evaluations} evaluations each, {tour.samples_seconds:.1f}&nbsp;s for {len(tour.samples)}"
    return f"""<section id="portraits">
<p class="act">Act III</p><h2>A prior with an opinion</h2>
<p class="lead">These {len(tour.samples)} faces have never existed. A network that was trained on small cartoon
portraits starts from pure noise and
walks to a picture, with no measurement at all. Look for what it has understood (two eyes, one mouth, hair around a
face) and for
what it has not: eyes that disagree, glasses that fade.</p>
<div class="samples">{samples}</div>
{_how(python, drawn)}
<h3>So hide the eyes</h3>
<p>Now the prior knows what belongs under the bar. DPS keeps the pixels that were seen and draws eyes that fit them:
<em>plausible</em>
eyes, not the true ones, whose colour nobody could know. From above: what was measured, what DPS made of it, the
truth. The last line
is the misfit on the seen pixels in units of σ: the truth has 1, and {seen} is the worst here. It is a portrait the
network was
not trained on.</p>
<div class="triples">{"".join(triples)}</div>
{_how("teachdiff compare --prior portraits --tasks inpaint_box --methods dps", cost)}
</section>"""


def _figures(tour: Tour) -> str:
    rows = [row for task in tour.by_task().values() for row in task]
    best = {task: max((r.psnr for r in rs if r.psnr is not None), default=None) for task, rs in tour.by_task().items()}

    def cells(row: Row) -> str:
        values = [
            f"<b>{row.psnr:.2f}</b>" if row.psnr is not None and row.psnr == best[row.task] else _number(row.psnr, 2),
            _number(row.ssim, 3),
            _number(row.lpips, 3),
            _number(row.consistency, 2),
            _number(row.evaluations, 0),
            _number(row.seconds, 1),
        ]
        return "".join(f"<td>{value}</td>" for value in values)

    lines = "".join(
        f'<tr class="{"first" if row.method == METHODS_OF_TOUR[0] else "next"}">'
        f'<th scope="row">{html.escape(row.task)}</th><td>{LABELS[row.method]}</td>{cells(row)}</tr>'
        for row in rows
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in _notes(rows))
    return f"""<section id="figures">
<h2>All figures</h2>
<p>PSNR in dB and SSIM: higher is nearer. LPIPS: lower is nearer. Consistency is the root mean square of
<em>y</em>&nbsp;−&nbsp;<em>A</em>&hairsp;<em>x̂</em> over what was measured, in units of σ: about 1 for the truth,
above it the picture
contradicts the measurement, below it the noise was fitted. Seconds are those of one thread.</p>
<div class="table" tabindex="0" role="region" aria-label="All figures"><table>
<thead><tr><th scope="col">task</th><th scope="col">method</th><th scope="col">PSNR</th><th scope="col">SSIM</th>
<th scope="col">LPIPS</th><th scope="col">consistency</th><th scope="col">evaluations</th><th
scope="col">seconds</th></tr></thead>
<tbody>{lines}</tbody></table></div>
<ul class="notes">{notes}</ul>
</section>"""


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _notes(rows: Iterable[Row]) -> list[str]:
    """Why a figure is missing: each reason once."""
    return list(
        dict.fromkeys(n for row in rows for n in row.notes if n.startswith(("lpips", "ssim", "psnr", "consistency")))
    )


def _foot(tour: Tour) -> str:
    return f"""<footer>
<p>Made by <code>{html.escape(tour.command)}</code> with teachdiff {__version__}, on {html.escape(machine(tour))}.
Everything on this page was computed in that run; <code>results.json</code> beside it holds the numbers. The same
seed gives the same
pictures.</p>
<p>Go on: <code>teachdiff list</code> names every task and method, <code>teachdiff restore YOUR.jpg --task sr4
--method dps</code> takes a
picture of yours, <code>teachdiff compare</code> measures on many.</p>
</footer>"""
