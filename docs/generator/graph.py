"""The graph of theorems, drawn by us: a layer for each depth of leaning, a link for each theorem.

Layers go from top to bottom; a theorem stands one layer below the last of those that it leans on. Within a layer the
order comes from sweeps that put each theorem at the mean place of its neighbours, which leaves few crossings.
"""

import html
from statistics import fmean

from derivations import registry
from docs.generator import words

WIDTH, HEIGHT, ACROSS, DOWN = 120, 38, 130, 84  # of a box, and from box to box
MARGIN = 14


def layers() -> list[list[str]]:
    """The theorems' names, layer by layer, ordered within each."""
    theorems = registry.everything()
    depth: dict[str, int] = {}
    for name, theorem in theorems.items():  # none comes before what it leans on
        depth[name] = 1 + max((depth[other] for other in theorem.leans_on), default=-1)
    rows = [[name for name in theorems if depth[name] == level] for level in range(max(depth.values()) + 1)]
    near: dict[str, list[str]] = {name: list(theorem.leans_on) for name, theorem in theorems.items()}
    for name, theorem in theorems.items():
        for other in theorem.leans_on:
            near[other].append(name)
    for _ in range(24):
        place = {name: i - (len(row) - 1) / 2 for row in rows for i, name in enumerate(row)}
        for row in rows:
            row.sort(key=lambda name: fmean([place[other] for other in near[name]] or [place[name]]))
            place |= {name: i - (len(row) - 1) / 2 for i, name in enumerate(row)}
    return rows


def svg(mistakes: dict[str, int], premises: dict[str, list[str]]) -> str:
    """The picture. `mistakes` counts what each theorem refutes, `premises` names what it supposes unproved."""
    theorems, rows = registry.everything(), layers()
    widest = max(len(row) for row in rows)
    at = {
        name: (MARGIN + (i + (widest - len(row)) / 2) * ACROSS, MARGIN + level * DOWN)
        for level, row in enumerate(rows)
        for i, name in enumerate(row)
    }
    width = 2 * MARGIN + (widest - 1) * ACROSS + WIDTH
    height = 2 * MARGIN + (len(rows) - 1) * DOWN + HEIGHT
    edges = [
        f'<path class="td-edge" data-from="{name}" data-to="{other}" d="{_curve(at[other], at[name])}"/>'
        for name, theorem in theorems.items()
        for other in theorem.leans_on
    ]
    nodes = [_node(name, *at[name], mistakes.get(name, 0), premises.get(name, [])) for row in rows for name in row]
    return (
        '<div class="td-graph" tabindex="0" role="region" aria-label="Graph of theorems, scrolls sideways">'
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="group" '
        'aria-labelledby="graph-title graph-desc" xmlns="http://www.w3.org/2000/svg">'
        '<title id="graph-title">What leans on what</title>'
        f'<desc id="graph-desc">{len(theorems)} theorems in {len(rows)} layers. Each is a link to its proof; a line leads from a '
        "theorem to those that lean on it. The list below the picture says the same in words.</desc>"
        f'<g aria-hidden="true">{"".join(edges)}</g>{"".join(nodes)}</svg></div>'
    )


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    x, y, u, v = start[0] + WIDTH / 2, start[1] + HEIGHT, end[0] + WIDTH / 2, end[1]
    bend = (v - y) / 2
    return f"M{x:g} {y:g}C{x:g} {y + bend:g} {u:g} {v - bend:g} {u:g} {v:g}"


def _node(name: str, x: float, y: float, mistakes: int, premises: list[str]) -> str:
    theorem = registry.everything()[name]
    status = "proved under a premise" if premises else "proved"
    refuted = f", and refutes {mistakes} printed line{'s' * (mistakes > 1)}" if mistakes else ""
    leans = f" Leans on {', '.join(theorem.leans_on)}." if theorem.leans_on else ""
    head, _, tail = name.partition(".")
    label = f'<text x="{x + 9:g}" y="{y + (23 if not tail else 16):g}">{head}</text>'
    if tail:
        label += f'<text class="td-second" x="{x + 9:g}" y="{y + 30:g}">{tail.replace("_", " ")}</text>'
    badge = (
        f'<circle class="td-badge-refuted" cx="{x + WIDTH - 4:g}" cy="{y + 2:g}" r="10"/>'
        f'<text class="td-count" x="{x + WIDTH - 4:g}" y="{y + 6:g}">{mistakes}</text>'
        if mistakes
        else ""
    )
    spoken = html.escape(f"{theorem.title}: {status}{refuted}.{leans}")
    return (
        f'<a id="{name}" class="td-node td-{"premise" if premises else "proved"}" href="proofs/{name}.html">'
        f'<title>{spoken}</title><rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="6"/>{label}{badge}</a>'
    )


def page(findings: dict) -> str:
    theorems = registry.everything()
    from derivations import ledger

    mistakes: dict[str, int] = {}
    for row in ledger.rows():
        if row.mistake:
            mistakes[row.proof] = mistakes.get(row.proof, 0) + 1
    premises = {name: findings[name]["premises"] for name in theorems if findings[name]["premises"]}
    steps = sum(len(theorem.steps) for theorem in theorems.values())
    lines = "".join(_line(name, mistakes.get(name, 0)) for name in theorems)
    premise = ' <span class="td-key td-premise">proved under a premise</span>' if premises else ""
    return "\n".join([
        "---",
        "hide:",
        "  - navigation",
        "  - toc",
        "---",
        "",
        "# The theorems",
        "",
        f"{len(theorems)} theorems in {steps} steps, each step decided by the checker. What leans on nothing stands at the "
        "top; a box is a link to the proof.",
        "",
        f'<p class="td-legend"><span class="td-key td-proved">proved</span>{premise} '
        '<span class="td-key td-refuted">printed lines that it refutes</span></p>',
        "",
        svg(mistakes, premises),
        "",
        "## In the order for a reader",
        "",
        '<div class="td-scroll"><table class="td-plain"><thead><tr><th scope="col">theorem</th><th scope="col">what it says</th>'
        '<th scope="col">steps</th><th scope="col">refutes</th><th scope="col">leans on</th></tr></thead>'
        f"<tbody>{lines}</tbody></table></div>",
        "",
    ])  # fmt: skip


def _line(name: str, mistakes: int) -> str:
    theorem = registry.everything()[name]
    leans = ", ".join(f'<a href="proofs/{other}.html">{other}</a>' for other in theorem.leans_on) or "–"
    return (
        f'<tr><th scope="row"><a href="proofs/{name}.html">{name}</a></th><td>{words.plain(theorem.title)}</td>'
        f"<td>{len(theorem.steps)}</td><td>{mistakes or '–'}</td><td>{leans}</td></tr>"
    )
