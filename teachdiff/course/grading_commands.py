"""`teachdiff course grade` and `teachdiff course export`, as functions for the command line to register."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from teachdiff.course.commands import Json, Name, Usage, console, found

Secret = Annotated[
    Path | None,
    typer.Option(help="A file with the instructor's secret; or TEACHDIFF_SECRET names it.", show_default=False),
]


def grade(
    name: Name,
    submissions: Annotated[
        list[Path], typer.Argument(help="Folders or zips, or a folder of such.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Folder for results and summaries; graded again, it goes on there.")],
    secret: Secret = None,
    practice: Annotated[bool, typer.Option("--practice", help="No secret: the laws that are shown.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write the table here.", show_default=False)] = None,
    jobs: Annotated[int, typer.Option(help="So many at a time.", min=1)] = max(1, (os.cpu_count() or 1)),
    trust: Annotated[bool, typer.Option("--trust", help="Grade where a hostile submission cannot be held.")] = False,
    json_: Json = False,
) -> None:
    """Grade submissions, each in a process that has nothing. Interrupted (or killed), the same command goes on."""
    from teachdiff.course import grading
    from teachdiff.files import write_csv

    assignment = found(name)
    key, where = secret_of(secret, practice)
    try:
        paths = grading.submissions_in(submissions, assignment)
    except ValueError as error:
        raise Usage(str(error)) from error
    held = grading.safe_layers(trust, [where] if where else [])
    rows = graded(name, paths, key, out, jobs, quiet=json_)
    if csv is not None:
        write_csv(csv, grading.table(assignment, rows))
    if json_:
        print(json.dumps(rows, indent=2, ensure_ascii=True, allow_nan=False))
        return
    show(assignment, rows)
    console().print(f"{held.describe()}\nResults and a summary for each student: {out}", soft_wrap=True, markup=False)


def export(
    name: Name,
    gradescope: Annotated[Path, typer.Option(help="The zip to write.", show_default=False)],
    secret: Secret = None,
    hidden: Annotated[
        str, typer.Option(help="When a law that is not shown is seen: hidden, after_due_date, after_published.")
    ] = "after_published",
    pip: Annotated[str, typer.Option(help="Arguments for pip, such as an index with a CPU build of torch.")] = "",
) -> None:
    """Write the zip that Gradescope takes as an autograder. It holds the secret: give it to nobody else."""
    from teachdiff.course.gradescope import HIDDEN, write_zip

    found(name)
    if hidden not in HIDDEN:
        raise Usage(f"--hidden is one of {', '.join(HIDDEN)}; got {hidden}.")
    key, _ = secret_of(secret, practice=False)
    size = write_zip(name, key, gradescope, hidden, pip)
    console().print(f"Written: {gradescope}, {size / 1e6:.1f} MB. It holds your secret.", soft_wrap=True, markup=False)


COMMANDS = (grade, export)


def secret_of(path: Path | None, practice: bool) -> tuple[bytes, Path | None]:
    """The secret and its file; without one, practice must have been asked for."""
    from teachdiff.course.grading import PRACTICE, read_secret

    if path is None and os.environ.get("TEACHDIFF_SECRET"):
        path = Path(os.environ["TEACHDIFF_SECRET"])
    if practice and path is None:
        return PRACTICE, None
    if path is None:
        raise Usage(
            "the draws of a grading are made of a secret: --secret FILE, or TEACHDIFF_SECRET in the environment. Make "
            "one, once for the course: python3 -c 'import secrets; print(secrets.token_hex(32))' > secret.txt. "
            "Without one, --practice asks the laws that are shown, with the draws that everybody knows."
        )
    if practice:
        raise Usage("--practice and a secret: which of the two?")
    try:
        return read_secret(path), path
    except (OSError, ValueError) as error:
        raise Usage(str(error)) from error


def graded(name: str, paths: list[Path], secret: bytes, out: Path, jobs: int, quiet: bool) -> list[dict[str, Any]]:
    """With a bar, on stderr, of how many are done."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

    from teachdiff.course.grading import grade

    columns = [*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn()]
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task("graded", total=len(paths))

        def progress(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)

        try:
            return grade(name, paths, secret, out, jobs=jobs, on_result=progress)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"what is done lies in {out}; the same command goes on from there") from None


def show(assignment: Any, rows: list[dict[str, Any]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{assignment.id}: {assignment.title}", title_justify="left", box=None)
    table.add_column("submission")
    table.add_column("points", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("")
    for row in rows:
        cells = escape(row["submission"]), f"{row['points']}/{row['possible']}", f"{row['seconds']:.1f}"
        table.add_row(*cells, escape(row["problem"]))
    console().print(table)
