"""`teachdiff course ...`, as functions for the command line to register."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

Name = Annotated[str, typer.Argument(help="The assignment: see `teachdiff course list`.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


class Usage(Exception):
    """Asked for wrongly: exit code 2."""


def list_(json_: Json = False) -> None:
    """The assignments: points, time, and what each exercise asks."""
    from teachdiff.course.registry import assignments

    found = assignments()
    if json_:
        rows = [
            {
                "id": a.id, "title": a.title, "points": a.points, "minutes": a.minutes,
                "exercises": [
                    {
                        "id": e.id, "title": e.title, "points": e.points,
                        "functions": [f"{cut.module}.{name}" for cut in e.cuts for name in cut.names],
                        "checks": [
                            {"name": c.name, "points": c.points, "law": c.law, "visible": c.visible, "link": c.link}
                            for c in e.checks
                        ],
                    }
                    for e in a.exercises
                ],
            }
            for a in found
        ]  # fmt: skip
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.table import Table

    table = Table(box=None, padding=(0, 2))
    for column in ("", "", "points", "minutes"):
        table.add_column(column, justify="right" if column else "left")
    for a in found:
        table.add_row(a.id, a.title, str(a.points), str(a.minutes))
    console().print(table)


def start(name: Name, folder: Annotated[Path, typer.Argument(help="A new folder.", show_default=False)]) -> None:
    """Write the starter of an assignment: files with holes, a README, and a test for pytest."""
    from teachdiff.course.start import starter

    written(starter(found(name)), folder)
    console().print(f"Begin with {folder / 'README.md'}; then `teachdiff course check {folder}`.", soft_wrap=True)


def solution(name: Name, folder: Annotated[Path, typer.Argument(help="A new folder.", show_default=False)]) -> None:
    """Write the starter with everything filled in; from a checkout of the source only."""
    from teachdiff.course.start import solution as solved

    written(solved(found(name)), folder)
    console().print(f"Written: {folder}", soft_wrap=True)


def check(
    folder: Annotated[Path, typer.Argument(help="The folder with your work.")] = Path("."),
    assignment: Annotated[
        str | None, typer.Option(help="Where the folder does not say which.", show_default=False)
    ] = None,
    json_: Json = False,
) -> None:
    """Ask your work the laws that are shown, as grading does: 0 all hold, 1 one is broken, 2 it cannot be asked."""
    from teachdiff.course.start import named

    try:
        name = named(folder) if assignment is None else assignment
    except ValueError as error:
        raise Usage(f"{error} Or give --assignment.") from error
    chosen = found(name)
    if not folder.is_dir():
        raise Usage(f"there is no folder {folder}.")
    from teachdiff.course.asking import check_folder
    from teachdiff.course.showing import report

    verdicts = check_folder(name, folder)
    if json_:
        print(json.dumps([v.as_json() for v in verdicts], indent=2, ensure_ascii=False, allow_nan=False))
    else:
        report(chosen, verdicts, console())
    if not all(v.passed for v in verdicts):
        raise typer.Exit(1)


def notebook(folder: Annotated[Path, typer.Argument(help="The folder with your work.")] = Path(".")) -> None:
    """Write your work as a notebook beside its files. Its cells write into the files, which are what is graded."""
    from teachdiff.course.notebook import write_twin
    from teachdiff.course.start import named

    try:
        path = write_twin(found(named(folder)), folder)
    except ValueError as error:
        raise Usage(str(error)) from error
    console().print(f"Written: {path}. Open it where it lies, with Jupyter or an editor.", soft_wrap=True, markup=False)


COMMANDS = (list_, start, check, notebook, solution)


def found(name: str) -> Any:
    from teachdiff.checks import check_name
    from teachdiff.course import registry

    try:
        check_name(name, registry.MODULES, "assignment")
    except ValueError as error:
        raise Usage(str(error)) from error
    return registry.assignment(name)


def written(files: Mapping[str, str | bytes], folder: Path) -> None:
    from teachdiff.course.start import write

    try:
        write(files, folder)
    except ValueError as error:
        raise Usage(str(error)) from error


def console() -> Any:
    from rich.console import Console

    return Console(highlight=False)
