"""Verdicts as a student sees them: lines in a terminal, a table in a notebook."""

import html
import io
from dataclasses import dataclass
from typing import Any

from teachdiff.course.model import Assignment, Verdict

#: What came of a law, and its colour in a terminal and in a page.
STATES = {"holds": ("green", "green"), "broken": ("red", "crimson"), "to do": ("yellow", "darkorange")}
LEFT = 'style="text-align: left"'


def state_of(verdict: Verdict) -> str:
    return "holds" if verdict.passed else "to do" if verdict.unwritten else "broken"


def total(assignment: Assignment, verdicts: list[Verdict]) -> str:
    """The points, in a sentence."""
    earned, shown = sum(v.points for v in verdicts), sum(v.possible for v in verdicts)
    rest = assignment.points - shown
    hidden = f"; {rest} more for laws that are asked when grading only" if rest else ""
    return f"{earned} of {shown} points{hidden}."


def report(assignment: Assignment, verdicts: list[Verdict], out: Any) -> None:
    """A line for each law, what is broken in full, and the points, on a console of rich."""
    from rich.markup import escape

    out.print(f"{assignment.id}: {assignment.title}")
    for exercise in assignment.exercises:
        out.print(f"\n[bold]{exercise.id}. {escape(exercise.title)}[/]", soft_wrap=True)
        for v in verdicts:
            if v.exercise == exercise.id:
                state = state_of(v)
                points = f"{v.points}/{v.possible}"
                out.print(f"  [{STATES[state][0]}]{state:7}[/]{points:>6}  {escape(v.check)}", soft_wrap=True)
    for v in verdicts:
        if state_of(v) == "broken":
            out.print(f"\n[red]{escape(v.describe())}[/]", soft_wrap=True)
    out.print(f"\n{total(assignment, verdicts)}")


@dataclass(frozen=True)
class Shown:
    """Verdicts on an assignment, or on one exercise of it, for a notebook: a table, and beside it `report`'s lines."""

    assignment: Assignment
    verdicts: list[Verdict]

    def __repr__(self) -> str:
        from rich.console import Console

        lines = io.StringIO()
        plain = Console(file=lines, highlight=False, force_jupyter=False, force_terminal=False, no_color=True)
        report(self.assignment, self.verdicts, plain)
        return lines.getvalue().rstrip()

    def _repr_html_(self) -> str:
        rows = ["".join(f"<th {LEFT}>{title}</th>" for title in ("", "points", "law", ""))]
        for exercise in self.assignment.exercises:
            rows.append(f"<th colspan=4 {LEFT}>{html.escape(f'{exercise.id}. {exercise.title}')}</th>")
            rows += [cells(v) for v in self.verdicts if v.exercise == exercise.id]
        table = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table>{table}</table>{html.escape(total(self.assignment, self.verdicts))}"


def cells(v: Verdict) -> str:
    """What came of a law, its points, what it says; of one that is broken both numbers, why it holds, where to read."""
    state = state_of(v)
    came = []
    if state == "broken":
        came.append(html.escape(v.message))
        came += [f"why it must hold: <code>teachdiff prove {html.escape(v.proof)}</code>"] if v.proof else []
        came += [f"read: {html.escape(v.link)}"] if v.link else []
    parts = (
        f'<b style="color: {STATES[state][1]}">{state}</b>', f"{v.points}/{v.possible}",
        f"<b>{html.escape(v.check)}</b><br>{html.escape(v.law)}", "<br>".join(came),
    )  # fmt: skip
    return "".join(f"<td {LEFT}>{part}</td>" for part in parts)
