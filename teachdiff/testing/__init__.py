"""The property suite: laws that anyone can run on an operator, schedule, prior, method or degradation of their own.

    from teachdiff.testing import check_operator
    check_operator(my_blur, shape=(3, 16, 16))

A law is a function that raises `LawBroken`; hypothesis draws what it needs and shrinks what breaks it.
`laws(kind)` names them all. Nothing is imported before it is used: the pytest plugin lives here too,
and a test run that does not ask for it must not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teachdiff.testing.adapters import as_prior
    from teachdiff.testing.core import CannotAsk, CheckResult, Law, LawBroken, NotApplicable
    from teachdiff.testing.suite import (
        KINDS,
        check,
        check_degradation,
        check_method,
        check_operator,
        check_prior,
        check_schedule,
        laws,
        parametrize_with_checks,
    )

_HOME = {
    "as_prior": "adapters",
    **dict.fromkeys(["CannotAsk", "CheckResult", "Law", "LawBroken", "NotApplicable"], "core"),
    **dict.fromkeys(
        ["KINDS", "check", "check_degradation", "check_method", "check_operator", "check_prior", "check_schedule"]
        + ["laws", "parametrize_with_checks"],
        "suite",
    ),
}
__all__ = [
    "KINDS",
    "CannotAsk",
    "CheckResult",
    "Law",
    "LawBroken",
    "NotApplicable",
    "as_prior",
    "check",
    "check_degradation",
    "check_method",
    "check_operator",
    "check_prior",
    "check_schedule",
    "laws",
    "parametrize_with_checks",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'teachdiff.testing' has no attribute {name!r}")
    return getattr(import_module(f"teachdiff.testing.{_HOME[name]}"), name)
