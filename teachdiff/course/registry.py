"""Which assignments there are."""

import importlib

from teachdiff.checks import check_name
from teachdiff.course.model import Assignment

#: id -> the module that holds it; listed without loading any.
MODULES = ("hw1", "hw2", "hw3", "hw4", "hw5", "prove", "mistakes")


def assignment(name: str) -> Assignment:
    """The assignment of that id.

    Raises:
        ValueError: there is none; the nearest is offered.
    """
    check_name(name, MODULES, "assignment")
    return importlib.import_module(f"teachdiff.course.{name}").ASSIGNMENT


def assignments() -> list[Assignment]:
    return [assignment(name) for name in MODULES]
