"""The student's own check: the visible laws, asked as they are asked when grading."""

from pathlib import Path

from teachdiff.course.cut import library
from teachdiff.course.marking import mark
from teachdiff.course.model import Verdict
from teachdiff.course.registry import assignment
from teachdiff.course.sandbox import Sandbox


def check_folder(name: str, folder: Path, exercise: str = "") -> list[Verdict]:
    """A verdict for each visible check of an assignment, or of one exercise of it.

    Raises:
        ValueError: no such assignment or folder.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}.")
    with Sandbox(folder, library) as box:
        return mark(assignment(name), box.submission, box.evaluate, exercise=exercise)


def visible_checks(name: str) -> list[tuple[str, str]]:
    """(exercise, check) of every law that `course check` asks."""
    return [(exercise.id, check.name) for exercise, check in assignment(name).checks() if check.visible]
