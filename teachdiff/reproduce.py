"""A document's table run anew: the printed figure beside ours, and whether the orderings that it claims hold.

Each line of a `teachdiff.published.Table` is a `teachdiff.experiment.Experiment` in a folder of its own below
out/TABLE/. The lines of a table see the same images, and those of a task the same measurements. out/TABLE/result.json
holds what came of it, and `page` makes a page of all of them.

Ours are other networks, sizes and images than the sources', so the figures are not expected to agree; the
orderings are what a source claims about its methods.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from teachdiff import schedules
from teachdiff.baselines import BASELINES
from teachdiff.compare import FIGURES, RESTORING, Row, Strip, check_suits, contact_sheet, file_digest, mean_and_error
from teachdiff.data import load_image, photographs, to_array
from teachdiff.experiment import EVERYDAY, Experiment, default_size, held_out
from teachdiff.methods import METHODS
from teachdiff.priors.restorer import NetworkRestorer, bundled_restorers, load_restorer
from teachdiff.published import TABLES, Claim, Line, Table
from teachdiff.shards import ALONE, Shard

USUAL = 1000  # steps of the schedule that the sources' levels are read on: linear from 1e-4 to 2e-2
UNLIKE = ("retina", "hubble")
SHEET_IMAGES = 3  # of each task, on a table's sheet
DIGITS = {"psnr": 2, "ssim": 3, "lpips": 3, "fid": 1, "consistency": 3, "seconds": 2}


def images_of(kind: str, prior: str, size: int, count: int) -> dict[str, Tensor]:
    """The images that come along: "own" of a prior, "everyday" photographs, or photographs "unlike" those of `photos`.

    At most `count`; of photographs there are four, three and two.
    """
    if kind == "own":
        return held_out(prior, size, count if prior == "portraits" else min(count, 1 + len(EVERYDAY)))
    names = {"everyday": EVERYDAY, "unlike": UNLIKE}[kind]
    return photographs(names[:count], size)


@dataclass(frozen=True)
class Planned:
    """A line and what runs it: an experiment, or None and why there is none."""

    line: Line
    experiment: Experiment | None
    reason: str = ""


def plan(
    table: Table,
    load: Callable[[str], tuple[Any, str]],
    out: Path,
    *,
    prior: str | None = None,
    images: Mapping[str, Tensor] | None = None,
    count: int | None = None,
    steps: int | None = None,
    size: int | None = None,
    seed: int = 0,
    device: Any = "cpu",
    shard: Shard = ALONE,
) -> list[Planned]:
    """What runs each line of the table.

    Arguments:
        load: the prior of a name and the digest of its file.
        prior, images: in place of the table's. Where the table has several parts with other priors or images, the first
            part stands for them.
        count: at most so many images; without it the table's number of those that come along, and all of `images`.
        steps: of each chain whose steps the source does not fix; at most the prior's T.

    Raises:
        ValueError: a size that a task or a photograph does not have.
    """
    lines = table.lines
    if prior is not None or images is not None:
        lines = tuple(x for x in lines if (x.prior, x.images) == (lines[0].prior, lines[0].images))
    found: dict[tuple[str, str], Mapping[str, Tensor]] = {}
    planned = []
    for line in lines:
        reason = line.unrun
        if not reason and line.method not in [*METHODS, *BASELINES]:
            reason = f"there is no method {line.method!r} here"
        if reason:
            planned.append(Planned(line, None, reason))
            continue
        name = line.prior if prior is None else prior
        kind = line.images if prior is None else "own"
        model, digest = load(name)
        if (name, kind) not in found:
            own = images
            if own is None:
                side = default_size(name) if size is None else size
                own = images_of(kind, name, side, table.images if count is None else count)
            found[name, kind] = {label: x.to(device) for label, x in list(own.items())[:count]}
        options, sigma = dict(line.options), 2 * table.sigma
        restorers = {}
        if line.method in RESTORING:
            shape = tuple(next(iter(found[name, kind].values())).shape[1:])
            try:
                restorers = {line.task: bundled_for(name, line.task, shape, 2 * table.sigma, device)}
            except ValueError as error:
                planned.append(Planned(line, None, str(error)))
                continue
        if line.level is not None and line.method == "sdedit":
            options["t_start"] = model.schedule.nearest(noise_of(line.level))
        elif line.level is not None:
            sigma = noise_of(line.level)
        walk = line.steps or (table.steps if steps is None else steps)
        experiment = Experiment(
            model, name, digest, found[name, kind], [line.task], [line.method], sigma,
            out / table.name / re.sub(r"[^\w.=-]+", "_", line.name), steps=min(walk, model.schedule.T), seed=seed,
            options=options, task_options=table.task_options, restorers=restorers, shard=shard,
        )  # fmt: skip
        planned.append(Planned(line, experiment))
    return planned


def bundled_for(prior: str, task: str, shape: Sequence[int], sigma: float, device: Any) -> tuple[NetworkRestorer, str]:
    """The restorer `dirac_<prior>_<task>` for images of `shape`, and the digest of its file.

    Raises:
        ValueError: none comes along, or it does not suit the task's operator at this size or this sigma.
    """
    path = bundled_restorers().get(f"dirac_{prior}_{task}")
    if path is None:
        raise ValueError(f"no restorer comes along for {task} and the prior {prior}")
    restorer = load_restorer(path, device).at(shape)
    check_suits(restorer, task, sigma, device)
    return restorer, file_digest(path)


def noise_of(t: int) -> float:
    """sqrt((1 - alpha_bar_t) / alpha_bar_t) at a level of the usual schedule, in [-1, 1] units."""
    return schedules.noise_level(schedules.linear(USUAL).alpha_bar[t].item())


def judge(table: Table, planned: Sequence[Planned], rows: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """The printed figures beside ours, and each claim judged on both.

    Arguments:
        rows: of each line that was run, by its name.
    """
    lines, values = [], {}
    for p in planned:
        none = dict.fromkeys(FIGURES)
        figures: dict[str, Any] = {"mean": none, "standard_error": none, "fid": None}
        about: dict[str, Any] = {"prior": None, "images": 0, "size": None, "sigma": None, "options": {}}
        notes = [f"not run: {p.reason}"] if p.reason else []
        if p.experiment is not None:
            e, own = p.experiment, rows[p.line.name]
            (summary,) = e.summaries(own)
            figures = {"mean": summary.mean, "standard_error": summary.standard_error, "fid": summary.fid}
            first = next(iter(e.images))
            about = {
                "prior": e.prior_name,
                "images": summary.images,
                "size": e.images[first].shape[-1],
                "sigma": e.sigma,
                "options": e.options_of(p.line.method, p.line.task, first),
            }
            notes = summary.notes
            values[p.line.name] = own, summary.fid
        printed = {name: list(texts) for name, texts in p.line.printed.items()}
        who = {"name": p.line.name, "task": p.line.task, "method": p.line.method}
        lines.append(who | about | {"printed": printed} | figures | {"notes": notes})
    of = {line["name"]: line for line in lines}
    claims = [
        {"words": words} | asdict(claim) | {"printed": printed_holds(claim, of)} | measured(claim, values)
        for words, several in table.claims.items()
        for claim in several
        if all(isinstance(side, float) or side in of for side in (claim.greater, claim.less))
    ]
    said = {name: getattr(table, name) for name in ("location", "title", "ledger", "stated", "unsaid", "remarks")}
    return {"table": table.name} | said | {"lines": lines, "claims": claims}


def printed_holds(claim: Claim, lines: Mapping[str, Mapping[str, Any]]) -> bool | None:
    """The source's own figures are in the order that it claims; None where it prints none."""
    sides = [
        [str(side)] if isinstance(side, float) else lines[side]["printed"].get(claim.metric, [])
        for side in (claim.greater, claim.less)
    ]
    if not all(sides):
        return None
    count = max(map(len, sides))
    greater, less = ([float(x) for x in side] * (count if len(side) == 1 else 1) for side in sides)
    return all(a > b for a, b in zip(greater, less, strict=True))


def measured(claim: Claim, values: Mapping[str, tuple[Sequence[Row], float | None]]) -> dict[str, Any]:
    """Whether our means are in that order (`ours`, None where a figure is missing), and by how much.

    `difference` is the mean over images of greater minus less, with its standard error; `agreeing` of `of` images
    have that order themselves. FID has no images of its own: there is a difference and nothing else.
    """
    unknown = {"ours": None, "difference": None, "standard_error": None, "agreeing": None, "of": None}
    if any(isinstance(side, str) and side not in values for side in (claim.greater, claim.less)):
        return unknown
    if claim.metric == "fid":
        greater, less = (side if isinstance(side, float) else values[side][1] for side in (claim.greater, claim.less))
        if greater is None or less is None:
            return unknown
        return unknown | {"ours": greater > less, "difference": greater - less}
    columns = [
        side if isinstance(side, float) else {row.image: getattr(row, claim.metric) for row in values[side][0]}
        for side in (claim.greater, claim.less)
    ]
    names = next(list(column) for column in columns if isinstance(column, dict))
    pairs = [[column if isinstance(column, float) else column[name] for column in columns] for name in names]
    if any(value is None for pair in pairs for value in pair):
        return unknown
    gaps = [a - b for a, b in pairs]
    mean, error = mean_and_error(gaps)
    agreeing = sum(gap > 0 for gap in gaps)
    assert mean is not None
    return {"ours": mean > 0, "difference": mean, "standard_error": error, "agreeing": agreeing, "of": len(gaps)}


def sheet(path: Path, planned: Sequence[Planned]) -> None:
    """A strip for each task, part and one of the first images: truth, measurement, then each line's picture."""
    groups: dict[tuple, list[tuple[Line, Experiment]]] = {}
    for p in planned:
        if p.experiment is not None:
            e = p.experiment
            groups.setdefault((p.line.task, e.prior_name, tuple(e.images), e.sigma), []).append((p.line, e))
    width = max(map(len, groups.values()), default=0)

    def cell(file: Path, caption: str):
        return (to_array(load_image(file)), caption) if file.is_file() else None

    strips = []
    for (task, *_), several in groups.items():
        for image in list(several[0][1].images)[:SHEET_IMAGES]:
            pictures = [cell(several[0][1].picture(task, image, what), "") for what in ("truth", "measurement")]
            pictures += [cell(e.picture(task, image, line.method), line.name) for line, e in several]
            strips.append(Strip(task, pictures + [None] * (width - len(several))))
    if strips:
        contact_sheet(path, ["truth", "measurement", *[""] * width], strips)


# In words


def verdict(claim: Mapping[str, Any], side: str) -> str:
    """yes, no, or a dash: of a judged claim, `printed` or `ours`."""
    return {True: "yes", False: "no", None: "–"}[claim[side]]


def ordering(claim: Mapping[str, Any]) -> str:
    """The claim in signs: metric: greater > less."""
    greater, less = (f"{side:.4g}" if isinstance(side, float) else side for side in (claim["greater"], claim["less"]))
    return f"{claim['metric']}: {greater} > {less}"


def with_error(mean: float | None, error: float | None, digits: int) -> str:
    if mean is None:
        return "–"
    return f"{mean:.{digits}f}" + ("" if error is None else f" ± {error:.{digits}f}")


def shown(result: Mapping[str, Any]) -> list[str]:
    """The metrics that the source prints or that a claim is about, in the order of `DIGITS`; PSNR always."""
    wanted = {"psnr"} | {metric for line in result["lines"] for metric in line["printed"]}
    wanted |= {claim["metric"] for claim in result["claims"]}
    return [metric for metric in DIGITS if metric in wanted]


def ours(line: Mapping[str, Any], metric: str) -> str:
    """Our figure of a line, with its standard error."""
    if metric == "fid":
        return with_error(line["fid"], None, DIGITS["fid"])
    return with_error(line["mean"][metric], line["standard_error"][metric], DIGITS[metric])


def both(line: Mapping[str, Any], metric: str) -> str:
    """`printed / ours`."""
    return f"{', '.join(line['printed'].get(metric, [])) or '–'} / {ours(line, metric)}"


def unrun(table: Table) -> dict[str, Any]:
    """The result of a table that has not been run: what is printed, and nothing of ours."""
    return judge(table, [Planned(line, None, "not run yet") for line in table.lines], {})


def page(out: Path) -> str:
    """The page of every table, in Markdown, from the results in `out`; what was not run shows what is printed.

    Raises:
        ValueError: a result that is no JSON of this version.
    """
    parts = [HEAD]
    for name, table in TABLES.items():
        file = out / name / "result.json"
        try:
            result = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else unrun(table)
            parts.append(section(result))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file} is no result of `teachdiff reproduce`: remove it, or run it again.") from error
    return "\n".join(parts)


HEAD = """\
# The sources' figures, run anew

`teachdiff reproduce all --page docs/reproduced.md` makes this page from the results of `teachdiff reproduce`; a table
that was not run shows the printed figures alone. In each cell: as printed / ours, a mean over the images with its
standard error. Networks, sizes and images are others than the sources', so the figures need not agree. What a source
claims about its methods is an ordering: the tables say whether the printed figures have it, whether ours have it, and
in how many of our images it holds. A dash means that there is no figure: LPIPS and FID need weights that no package
brings along.
"""


def section(result: Mapping[str, Any]) -> str:
    """One table's part of the page."""
    metrics = shown(result)
    ran = [line for line in result["lines"] if line["images"]]
    text = [f"## {result['table']}", "", f"{result['title']} ({result['location']}).", ""]
    text += [f"- Stated: {result['stated']}.", f"- Not stated: {result['unsaid']}."]
    if result["ledger"]:
        text.append(f"- Rows of the ledger: {', '.join(f'`{row}`' for row in result['ledger'])}.")
    text += [f"- {remark}" for remark in result["remarks"]]
    if ran:
        text.append(f"- Run: {setting(result)}.")
    text += ["", _row(["", *(f"{metric}: printed / ours" for metric in metrics)]), _row(["---"] * (1 + len(metrics)))]
    text += [_row([line["name"], *(both(line, metric) for metric in metrics)]) for line in result["lines"]]
    for words in dict.fromkeys(claim["words"] for claim in result["claims"]):
        text += ["", f"Claimed: {words}", "", _row(["ordering", "printed", "ours", "images", "difference"])]
        text.append(_row(["---"] * 5))
        for claim in (c for c in result["claims"] if c["words"] == words):
            count = "–" if claim["agreeing"] is None else f"{claim['agreeing']} of {claim['of']}"
            gap = with_error(claim["difference"], claim["standard_error"], DIGITS[claim["metric"]])
            text.append(_row([ordering(claim), verdict(claim, "printed"), verdict(claim, "ours"), count, gap]))
    reasons = sorted({note for line in result["lines"] for note in line["notes"] if note.startswith("not run: ")})
    text += ["", *reasons] if ran and reasons else []
    command = result.get("run", {}).get("command", f"teachdiff reproduce {result['table']}")
    return "\n".join([*text, "", "```", command, "```", ""])


def setting(result: Mapping[str, Any]) -> str:
    """Prior, images, steps, sigma and device of a run, in words."""
    ran = [line for line in result["lines"] if line["images"]]

    def each(values) -> str:
        return " and ".join(dict.fromkeys(str(value) for value in values))

    steps = each(line["options"].get("steps", 1) for line in ran)
    images = each(f"{line['images']} of {line['size']} x {line['size']}" for line in ran)
    sigma = each(f"{line['sigma'] / 2:.4g}" for line in ran)
    run = result["run"]
    prior = each(line["prior"] for line in ran)
    where = f"seed {run['seed']}; {run['device']}"
    return f"prior {prior}; images: {images}; steps: {steps}; sigma in [0, 1] units: {sigma}; {where}"


def in_words(result: Mapping[str, Any]) -> list[str]:
    """The configuration, the claims and the remarks, a line each."""
    text = [f"Stated: {result['stated']}.", f"Not stated: {result['unsaid']}."]
    if any(line["images"] for line in result["lines"]):
        text.append(f"Run with {setting(result)}.")
    for words in dict.fromkeys(claim["words"] for claim in result["claims"]):
        text.append(f"Claimed: {words}")
        for claim in (c for c in result["claims"] if c["words"] == words):
            count = "" if claim["agreeing"] is None else f" ({claim['agreeing']} of {claim['of']} images)"
            verdicts = f"printed {verdict(claim, 'printed')}, ours {verdict(claim, 'ours')}{count}"
            text.append(f"  {ordering(claim)}: {verdicts}")
    text += [f"- {remark}" for remark in result["remarks"]]
    elsewhere = {*FIGURES, "fid"} - set(shown(result))  # why there is no figure that nobody asked for
    notes = {note for line in result["lines"] for note in line["notes"] if note.partition(":")[0] not in elsewhere}
    return text + [f"  {note}" for note in sorted(notes)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
