"""What a student starts from: small files with holes, a README and a test, written into a folder of their own."""

from collections.abc import Mapping
from pathlib import Path

import teachdiff
from teachdiff.course.cut import files_of, source_path
from teachdiff.course.model import Assignment, Exercise
from teachdiff.files import atomic

MARKER = "assignment.txt"

TEST = '''"""The laws of {id}, one test each, as `teachdiff course check .` asks them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from teachdiff.course.asking import check_folder, visible_checks

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def verdicts():
    """The submission is asked once, in a process of its own."""
    return {{(v.exercise, v.check): v for v in check_folder("{id}", HERE)}}


@pytest.mark.parametrize(("exercise", "check"), visible_checks("{id}"))
def test_law(exercise, check, verdicts):
    verdict = verdicts[exercise, check]
    if not verdict.passed:
        pytest.fail(verdict.describe(), pytrace=False)
'''


def starter(assignment: Assignment) -> dict[str, str]:
    """File -> text of everything that a student gets."""
    return {
        **files_of(assignment),
        **assignment.files,
        "README.md": readme(assignment),
        f"test_{assignment.id}.py": TEST.format(id=assignment.id),
        MARKER: f"{assignment.id}\n",
    }


def solution(assignment: Assignment) -> dict[str, str | bytes]:
    """The starter with everything filled in: the library's own functions, and the answers to the other exercises.

    Raises:
        PermissionError: this is no checkout of the source.
    """
    if not (Path(source_path("teachdiff")).parents[1] / "pyproject.toml").is_file():
        raise PermissionError(
            "the solutions are for those who teach: they are written from a checkout of teachdiff, not from an "
            "installed package."
        )
    return {**starter(assignment), **files_of(assignment, solved=True), **assignment.answers()}


def write(files: Mapping[str, str | bytes], folder: Path) -> None:
    """Write the files into a new or empty folder.

    Raises:
        ValueError: there is something in it already, and nothing is written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there already and not empty; name a new folder, so that no work is lost.")
    for name, text in files.items():
        with atomic(folder / name) as part:
            part.write_bytes(text if isinstance(text, bytes) else text.encode())


def named(folder: Path) -> str:
    """The assignment whose starter a folder was made from.

    Raises:
        ValueError: the folder or its marker is missing.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}.")
    try:
        return (folder / MARKER).read_text(encoding="utf-8").strip()[:50]
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{folder} has no {MARKER}, which names the assignment: `course start` writes it.") from error


def readme(assignment: Assignment) -> str:
    parts = [
        about(assignment),
        "```\nteachdiff course check .     # the laws that are asked, both numbers where one is broken\n"
        "pytest                       # the same, a test for each law\n"
        "teachdiff course notebook .  # these files as a notebook, if you like to work in one\n```",
        RULES,
        *(section(exercise) for exercise in assignment.exercises),
    ]
    return "\n\n".join(parts) + "\n"


RULES = (
    "The same laws are asked when your work is graded, with other numbers, and some more that are not shown here. "
    "A law's points are given if it holds every time. Leave the names of files and functions as they are, and the "
    "lines that begin with `# %%`; add functions and files as you like."
)


def about(assignment: Assignment) -> str:
    """Title, text, points and time."""
    points = f"{assignment.points} points, about {assignment.minutes} minutes. teachdiff {teachdiff.__version__}."
    return f"# {assignment.id}: {assignment.title}\n\n{assignment.text.strip()}\n\n{points}"


def section(exercise: Exercise) -> str:
    lines = [f"## Exercise {exercise.id}: {exercise.title} ({exercise.points} points)", exercise.text.strip()]
    if exercise.cuts:
        places = [f"{', '.join(f'`{name}`' for name in cut.names)} in `{cut.file}`" for cut in exercise.cuts]
        lines.append(f"To write: {'; '.join(places)}")
    shown = [check for check in exercise.checks if check.visible]
    rows = [f"| {check.name} | {check.points} | {escaped(check.law)} |" for check in shown]
    hidden = exercise.points - sum(check.points for check in shown)
    rows += [f"| (not shown) | {hidden} | |"] if hidden else []
    lines.append("\n".join(["| law | points | says |", "|---|---|---|", *rows]))
    if exercise.hints:
        hints = "\n".join(f"{k}. {hint}" for k, hint in enumerate(exercise.hints, 1))
        lines.append(f"<details><summary>Hints</summary>\n\n{hints}\n\n</details>")
    return "\n\n".join(lines)


def escaped(law: str) -> str:
    """A law in the cell of a table."""
    return law.replace("|", "\\|")
