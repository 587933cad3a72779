"""A page for each theorem: what is claimed, each step with its reason and its check, and what was printed otherwise."""

import html
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import sympy as sp

from derivations import ledger, registry, symbols
from derivations.checker import Derivation, Induction, Step
from derivations.ledger import Row
from docs.generator import source, words
from docs.generator.roles import to_markdown
from teachdiff.course.registry import assignments

DOCS = Path(__file__).parents[1]
KINDS = {
    "symbolic": ("identity", "The difference of the two sides has the normal form 0, so they are equal for all values."),
    "differs": ("counterexample", "At the exact point below the two sides differ, so they are not the same."),
    "sign": ("sign", "The difference is equal to an expression whose sign can be seen."),
    "order": ("Taylor coefficients", "The coefficients of the two sides agree up to the stated order."),
    "law": ("equality in law", "Means and covariances of these affine forms in independent normal draws are equal."),
    "induction": ("induction", "The closed form holds at the start, and one step of the recursion keeps it: both proved."),
    "integral": ("integrals", "For any prior density: derivatives go under the integral sign, and the integrands agree."),
    "entries": ("matrix entries", "The two matrices are equal, entry by entry."),
    "svd": ("matrices of any size", "Equal in each of the coordinates that the SVD of A gives, for any shape."),
    "assumed": ("premise", "Not proved here: the theorem holds where this does."),
}
DOMAINS = {
    "unit": "in (0, 1)",
    "positive": "> 0",
    "nonnegative": "≥ 0",
    "real": "real",
    "noise": "standard normal, independent of the others",
}
TEST_OF_STEPS = ("tests/derivations/test_theorems.py", "test_perturbed_steps_are_refuted_or_proved_equivalent")
TEST_OF_CODE = ("tests/derivations/test_formula_is_code.py", "test_the_function_computes_the_proved_formula")


def pages(findings: dict[str, Any]) -> dict[str, str]:
    """The pages, by path in docs/generated/."""
    theorems = list(registry.everything().values())
    around = zip([None, *theorems], theorems, [*theorems[1:], None], strict=False)
    return {
        f"proofs/{theorem.name}.md": page(theorem, findings, before, after) for before, theorem, after in around
    }


def page(theorem: Derivation, findings: dict[str, Any], before: Derivation | None, after: Derivation | None) -> str:
    found, links = findings[theorem.name], words.address_of("proofs")
    module = theorem.name.split(".")[0]
    line, _ = source.derivation_lines(theorem.name)
    rows = [row for row in ledger.rows() if row.proof == theorem.name]
    count = f"{len(theorem.steps)} steps, checked in {found['seconds']:.1f} s"
    return "\n".join([
        f"# {title(theorem)}",
        "",
        f'<p class="td-facts"><span class="td-badge td-proved">{found["status"]}</span> <code>{theorem.name}</code> · '
        f'<a href="../{source.address(f"derivations/{module}.py", line)}">derivations/{module}.py, line {line}</a> · '
        f'{count} · <a href="../theorems.html#{theorem.name}">in the graph</a></p>',
        "",
        '<div class="td-statement" role="note" aria-label="Statement">'
        f"{words.prose(theorem.statement, links)}</div>",
        "",
        *introduction(theorem),
        "## What is supposed",
        "",
        _list([words.prose(text, links) for text in [*theorem.assumptions, *found["premises"]]]),
        _leaning(theorem),
        "",
        _symbols(theorem),
        "",
        "## The steps",
        "",
        _steps(theorem, rows, findings),
        "",
        "## Where it stands",
        "",
        _places(theorem, rows, found),
        "",
        '<nav class="td-around" aria-label="Theorems before and after">'
        + (f'<a href="{before.name}.html">← {plain_title(before)}</a>' if before else "<span></span>")
        + (f'<a href="{after.name}.html">{plain_title(after)} →</a>' if after else "<span></span>")
        + "</nav>",
        "",
    ])  # fmt: skip


def title(theorem: Derivation) -> str:
    """As Markdown: the ASCII symbols of a title as formulas."""
    return words.ascii_to_tex(theorem.title, lambda tex: f"\\({tex}\\)")


def plain_title(theorem: Derivation) -> str:
    return words.plain(theorem.title)


def _list(items: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>" if items else "<p>Nothing beyond the symbols' domains.</p>"


def introduction(theorem: Derivation) -> list[str]:
    """The module's docstring, as Markdown, on the page of its first theorem."""
    module = importlib.import_module(f"derivations.{theorem.name.split('.')[0]}")
    first = next(d for d in registry.everything().values() if d.name.split(".")[0] == theorem.name.split(".")[0])
    if theorem is not first:
        return [f"The idea stands with [{title(first)}]({first.name}.md).", ""]
    blocks = re.split(r"\n\s*\n", to_markdown(inspect.getdoc(module) or "").split("\n", 1)[1].strip())
    return ["## The idea", "", "\n\n".join(map(_markdown, blocks)), ""]


def _markdown(block: str) -> str:
    """A paragraph with its ASCII symbols as formulas; formulas and code stay as they are."""
    if block.startswith(("\\[", "    ")):
        return block
    pieces = re.split(r"(`[^`]+`|\\\(.+?\\\))", block)
    return "".join(p if i % 2 else words.ascii_to_tex(words.typeset(p), lambda tex: f"\\({tex}\\)") for i, p in enumerate(pieces))


def _leaning(theorem: Derivation) -> str:
    if not theorem.leans_on:
        return "<p>It leans on no other theorem.</p>"
    named = [f'<a href="{name}.html">{plain_title(registry.everything()[name])}</a>' for name in theorem.leans_on]
    return f"<p>It leans on: {'; '.join(named)}.</p>"


def symbols_of(theorem: Derivation) -> list[symbols.Entry]:
    """The table's rows of all symbols in the steps, in the table's order."""
    free: set[sp.Symbol] = set()

    def collect(side: Any) -> None:
        if isinstance(side, tuple | list):
            for part in side:
                collect(part)
        elif isinstance(side, sp.Basic):
            free.update(side.free_symbols)

    for step in theorem.steps:
        collect(step.sides())
    return [entry for entry in symbols.TABLE.values() if entry.symbol in free]


def _symbols(theorem: Derivation) -> str:
    rows = "".join(
        f"<tr><td>{words.math(entry.tex)}</td><td>{words.plain(entry.meaning)}</td><td>{DOMAINS[entry.domain]}</td></tr>"
        for entry in symbols_of(theorem)
    )
    if not rows:
        return ""
    head = "<thead><tr><th>symbol</th><th>meaning</th><th>domain</th></tr></thead>"
    return f'<div class="td-scroll"><table class="td-plain">{head}<tbody>{rows}</tbody></table></div>'


def _steps(theorem: Derivation, rows: list[Row], findings: dict[str, Any]) -> str:
    """The list of steps; a printed mistake stands after the step that its correction shares a side with, else last."""
    _, lines = source.derivation_lines(theorem.name)
    lines = lines if len(lines) == len(theorem.steps) else []
    mistakes: dict[int, list[Row]] = {}
    for row in rows:
        if row.mistake:
            mistakes.setdefault(place(row, theorem), []).append(row)
    out = []
    for i, (step, found) in enumerate(zip(theorem.steps, findings[theorem.name]["steps"], strict=True)):
        at = source.address(f"derivations/{theorem.name.split('.')[0]}.py", lines[i]) if lines else ""
        out.append(_step(i + 1, step, found, at))
        out += [_mistake(row, findings[row.id]) for row in mistakes.get(i, [])]
    return f'<ol class="td-steps">{"".join(out)}</ol>'


def place(row: Row, theorem: Derivation) -> int:
    """The number (from 0) of the step after which a printed mistake belongs: the last step if none shares a side."""
    for judged in (row.truth, row.claim):
        for i, step in enumerate(theorem.steps):
            if any(_says_much(side) and side in step.sides() for other in judged for side in other.sides()):
                return i
    return len(theorem.steps) - 1


def _says_much(side: Any) -> bool:
    """More than a symbol or a number, which many steps share."""
    return isinstance(side, tuple | sp.MatrixBase) or (isinstance(side, sp.Basic) and len(side.args) > 1)


def _step(number: int, step: Step, found: dict[str, Any], at: str) -> str:
    name, meaning = KINDS[found["kind"]]
    refuted = found["kind"] == "differs"
    parts = [
        f'<li id="step-{number}" class="td-step {"td-refuted" if refuted else "td-proved"}">',
        f'<p class="td-kind"><a href="#step-{number}">Step {number}</a> · '
        f'<abbr title="{html.escape(meaning, quote=True)}">{name}</abbr>'
        f"{' refutes it' if refuted else ''} · {_seconds(found['seconds'])}"
        + (f' · <a href="../{at}">source</a>' if at else "")
        + "</p>",
        words.display(_broken(found["tex"], step)),
        _given(step),
        f"<p>{words.plain(found['reason'], words.address_of('proofs'))}</p>",
    ]
    if found["counterexample"]:
        parts.append(words.counterexample(found["counterexample"]))
    elif example := found["example"]:
        values = list(example["values"].items())
        at_point = f"At {words.point(values)}" if values else "The values"
        both = example["lhs"] == example["rhs"]
        right = "" if both else f", right {words.number(example['rhs'])}"
        sides = "both sides are" if both else "left"
        parts.append(f'<p class="td-example">{at_point}: {sides} {words.number(example["lhs"])}{right}.</p>')
    return "".join([*parts, "</li>"])


def _broken(tex: str, step: Step) -> str:
    """The formula, on two lines if it is long: the left side, then the relation and the rest."""
    left = symbols.tex(step.lhs) if step.lhs is not None else ""
    seen = re.sub(r"\\(?:left|right|frac|sqrt|bar|hat|tilde|operatorname|mathrm)|[{}\s\\]", "", tex)
    if len(seen) < 50 or not left or not tex.startswith(left + " "):
        return tex
    return rf"\begin{{aligned}}&{left}\\&\quad {tex[len(left):].strip()}\end{{aligned}}"


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _given(step: Step) -> str:
    """What is put into both sides, and what an induction starts from."""
    given = [f"{symbols.tex(symbol)} = {symbols.tex(value)}" for symbol, value in step.using.items()]
    out = f"<p>With {', '.join(map(words.math, given))}.</p>" if given else ""
    if isinstance(step, Induction):
        previous = symbols.tex(step.previous)
        at_zero = [f"{symbols.tex(symbol)} = {symbols.tex(value)}" for symbol, value in step.at_zero.items()]
        before = [f"{symbols.tex(symbol)} \\to {symbols.tex(value)}" for symbol, value in step.before.items()]
        out += (
            f"<p>On the left stands the recursion, with {words.math(previous)} for the term before; on the right the closed "
            f"form. Start: {words.math(symbols.tex(sp.sympify(step.start)))}"
            + (f", where {', '.join(map(words.math, at_zero))}" if at_zero else "")
            + (f". At t − 1: {', '.join(map(words.math, before))}" if before else "")
            + ".</p>"
        )
    return out


def _mistake(row: Row, found: dict[str, Any]) -> str:
    links = words.address_of("proofs")
    return "".join([
        f'<li class="td-step td-refuted" id="{row.id}">',
        f'<p class="td-kind"><span class="td-badge td-wrong">printed: {row.verdict.replace("-", " ")}</span> '
        f'<a href="../ledger.html#{row.id}"><code>{row.id}</code></a> · {html.escape(row.location)}</p>',
        f'<div class="td-printed">{words.printed(row.printed)}</div>',
        f"<p>{words.plain(row.reason, links)}</p>",
        words.counterexample(found["counterexample"]) if found["counterexample"] else "",
        "</li>",
    ])  # fmt: skip


def _places(theorem: Derivation, rows: list[Row], found: dict[str, Any]) -> str:
    module = theorem.name.split(".")[0]
    items = []
    for function in sorted({tie.function for tie in theorem.code}):
        entry = f'<autoref identifier="{function}"><code>{function}</code></autoref>'
        items.append(f"In code: {entry}, compared with the proved formula by {_test(*TEST_OF_CODE)}.")
    if (DOCS / "methods" / f"{module}.md").exists():
        items.append(f'The method: <a href="../../methods/{module}.html">{module}</a>.')
    twins = sum(step["twins"] for step in found["steps"])
    items.append(
        f"Its test: {_test(*TEST_OF_STEPS)}. {twins} small mistakes can be made in these steps (a sign, a factor, an index); "
        "each must be refuted, or proved to change nothing."
    )
    followers = [other for other in registry.everything().values() if theorem.name in other.leans_on]
    if followers:
        named = [f'<a href="{other.name}.html">{plain_title(other)}</a>' for other in followers]
        items.append(f"What leans on it: {'; '.join(named)}.")
    if rows:
        named = [f'<a href="../ledger.html#{row.id}"><code>{row.id}</code></a> ({row.verdict.replace("-", " ")})' for row in rows]
        items.append(f"Rows of the ledger that lean on it ({len(rows)}): {', '.join(named)}.")
    exercises = [
        f'<a href="../../course.html"><code>{assignment.id}</code></a>, {exercise.id} ({html.escape(exercise.title, quote=False)})'
        for assignment in assignments() for exercise in assignment.exercises
        if theorem.name in {check.proof for check in exercise.checks}
    ]  # fmt: skip
    if exercises:
        items.append(f"Exercises that ask for it: {'; '.join(exercises)}.")
    if theorem.source:
        items.append(f"Where it comes from: {html.escape(theorem.source.rstrip('.'), quote=False)}.")
    items.append(f"Prove it again: <code>python3 run.py prove {theorem.name}</code>.")
    return _list(items)


def _test(path: str, name: str) -> str:
    return f'<a href="../{source.address(path, source.function_line(path, name))}"><code>{name}</code></a>'
