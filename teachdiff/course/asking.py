"""The student's own check: the visible laws, asked as they are asked when grading."""

from collections.abc import Sequence
from pathlib import Path

from teachdiff.course.cut import library
from teachdiff.course.marking import mark
from teachdiff.course.model import Answer, Holes, Query, Verdict
from teachdiff.course.registry import assignment
from teachdiff.course.sandbox import run


def evaluate(folder: Path, queries: Sequence[Query], holes: Holes) -> list[Answer]:
    """Run the queries in the child that grading uses, with the library as an answer sees it."""
    return run(folder, queries, library=library(holes)).answers


def check_folder(name: str, folder: Path) -> list[Verdict]:
    """A verdict for each visible check of an assignment.

    Raises:
        ValueError: no such assignment or folder.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}.")
    return mark(assignment(name), folder, evaluate)


def visible_checks(name: str) -> list[tuple[str, str]]:
    """(exercise, check) of every law that `course check` asks."""
    return [(exercise.id, check.name) for exercise, check in assignment(name).checks() if check.visible]
