"""The ledger as one page: a table that filters, with an address for each row and for each filter."""

import html
from typing import Any

from derivations import ledger
from derivations.ledger import VERDICTS, Row
from derivations.ledger.row import ORIGINS
from docs.generator import words

SOURCES = {
    "rao": "V. Rao, “Inverse problems with pretrained diffusion models”",
    "mashayak": "S. Mashayak, “Inverse imaging with diffusion model prior”",
    "liu": "N. Liu and W. Zhang, “Diffusion models for image generation and inversion”",
    "rajpal": "R. Rajpal et al., “Towards frugal zero-shot diffusion based image restoration”",
    "fabian": "Z. Fabian et al., “DiracDiffusion”, first version; its formulas were put together again from prose and program",
    "between": "what no document shows alone: contradictions, and papers that differ from their programs",
}
HOLDS = {
    "correct": "it holds as printed",
    "wrong": "a counterexample refutes it",
    "missing-term": "a term is not there that must be",
    "conditional": "it holds under a condition that the source does not state",
    "ambiguous": "of two readings one holds and one does not",
    "not-checkable": "nothing in the text decides it",
}


def page(findings: dict[str, Any]) -> str:
    rows = ledger.rows()
    links = words.address_of("")
    return "\n".join([
        "---",
        "hide:",
        "  - toc",
        "---",
        "",
        "# The ledger",
        "",
        f"Every formula and every checkable sentence that five documents printed: {len(rows)} rows, each judged by the checker, "
        "not by hand. A slip of the pen, a bar lost in extraction and a wrong idea are different things, and a row says which is "
        "likely. A row is a link: click its name. What the verdicts must show stands in [Proofs and the ledger](../proofs.md).",
        "",
        "## What was found",
        "",
        _counts(rows),
        "",
        "## The rows",
        "",
        _filters(),
        "",
        '<div class="td-scroll"><table class="td-ledger"><thead><tr><th scope="col">row</th><th scope="col">printed</th>'
        '<th scope="col">verdict</th></tr></thead><tbody>'
        + "".join(_row(row, findings[row.id], links) for row in rows)
        + "</tbody></table></div>",
        "",
        "The same for a program: `python3 run.py prove --json`; one row: `python3 run.py prove mashayak.eq17`.",
        "",
    ])  # fmt: skip


def _filtered(**values: str) -> str:
    return "#" + "&amp;".join(f"{name}={value}" for name, value in values.items())


def _counts(rows: list[Row]) -> str:
    head = "".join(f'<th scope="col"><a href="{_filtered(verdict=v)}">{v.replace("-", " ")}</a></th>' for v in VERDICTS)
    lines = []
    for document in ledger.DOCUMENTS:
        own = [row.verdict for row in rows if row.document == document]
        cells = "".join(
            f'<td><a href="{_filtered(document=document, verdict=v)}">{own.count(v)}</a></td>' if v in own else "<td>–</td>"
            for v in VERDICTS
        )
        source = f'<th scope="row"><a href="{_filtered(document=document)}">{document}</a> <small>{SOURCES[document]}</small></th>'
        lines.append(f"<tr>{source}{cells}<td>{len(own)}</td></tr>")
    return (
        f'<div class="td-scroll"><table class="td-plain td-counts"><thead><tr><th scope="col">document</th>{head}'
        f'<th scope="col">rows</th></tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    )


def _filters() -> str:
    """Without the script the form is not shown, and all rows are."""

    def select(name: str, values: dict[str, str]) -> str:
        options = "".join(f'<option value="{value}">{shown}</option>' for value, shown in {"": "all", **values}.items())
        return f'<label>{name} <select name="{name}">{options}</select></label>'

    return (
        '<form class="td-filters" id="ledger-filters" hidden>'
        + select("document", {name: name for name in ledger.DOCUMENTS})
        + select("verdict", {name: f"{name.replace('-', ' ')}: {says}" for name, says in HOLDS.items()})
        + select("origin", {name.replace(" ", "-"): name for name in ORIGINS})
        + '<label>words <input name="words" type="search" autocomplete="off" placeholder="bar, DPS, eq. 12"></label>'
        '<button type="reset">All rows</button>'
        '<output aria-live="polite"></output></form>'
    )


def _row(row: Row, found: dict[str, Any], links: Any) -> str:
    origin = next((name for name in ORIGINS if row.origin.startswith(name)), "")
    details = [f"<p>{words.plain(found['reason'], links)}</p>"]
    if found["counterexample"]:
        details.append(f"<p>Counterexample:</p>{words.counterexample(found['counterexample'])}")
    if found["consequence"]:
        details.append(f"<p>What follows: {words.plain(found['consequence'], links)}</p>")
    if row.proof:
        details.append(f'<p>Proof: <a href="proofs/{row.proof}.html">{row.proof}</a>.</p>')
    right = f'<p class="td-right"><span>right</span> {words.printed(row.corrected)}</p>' if row.corrected else ""
    kind = "td-wrong" if row.mistake else f"td-{row.verdict}"
    return (
        f'<tr id="{row.id}" data-document="{row.document}" data-verdict="{row.verdict}" data-origin="{origin.replace(" ", "-")}">'
        f'<th scope="row"><a href="#{row.id}">{row.id}</a><small>{html.escape(row.location, quote=False)}</small></th>'
        f'<td><div class="td-printed">{words.printed(row.printed)}</div>{right}'
        f"<details><summary>why{', and what follows' if found['consequence'] else ''}</summary>{''.join(details)}</details></td>"
        f'<td><span class="td-badge {kind}">{row.verdict.replace("-", " ")}</span>'
        + (f"<small>{origin}</small>" if origin else "")
        + "</td></tr>"
    )
