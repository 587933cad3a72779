"""What the tests of other libraries share: a case, and the denoisers and loops that the libraries are handed.

A case names one object of one library, and declares each law that is known to break on it, with the reason. The
declarations are strict: a law that holds after all is a failure too.
"""

import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from teachdiff.metrics import _declare_torchvision_operators
from teachdiff.testing import CheckResult, check
from teachdiff.testing.suite import raise_broken


@dataclass(frozen=True)
class Case:
    """One object of another library.

    Attributes:
        name: what it is, in one line of code: options that are not named are the library's defaults.
        kind: operator, schedule, prior or method.
        make: a function that makes it.
        how: what its check takes beside: shape, claims, tolerance, ...; a function makes its value inside the test.
        expected: law -> why it is known to break. "By convention" opens a reason that is no mistake: the library says
            so, and means something else than the law.
    """

    name: str
    kind: str
    make: Callable[[], Any]
    how: Mapping[str, Any] = field(default_factory=dict)
    expected: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def needs(*packages: str) -> list[pytest.MarkDecorator]:
    """Marks of a module about these packages: in the group `peers`, skipped where one is missing."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    reason = f"needs {', '.join(missing)}: python3 run.py peers installs it"
    # These libraries warn of their own affairs.
    return [
        pytest.mark.peers,
        pytest.mark.skipif(bool(missing), reason=reason),
        pytest.mark.filterwarnings("default"),
    ]


def examine(library: str, case: Case, config: pytest.Config) -> None:
    """Run every law on the case; what comes of it goes into the table, and what was not declared fails the test."""
    # Of `how`, what needs the library (or time) to be made is a function that makes it.
    how = {name: value() if callable(value) else value for name, value in case.how.items()}
    results = check(case.kind, case.make(), expected_failures=case.expected, on_fail="return", **how)
    config.stash[ROWS].append(Row(library, importlib.metadata.version(library), case, results))
    raise_broken(results)


def deepinv() -> Any:
    """The package, whose import needs torchvision's, also beside a torch built for the CPU alone."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
        _declare_torchvision_operators()
    import deepinv

    return deepinv


@dataclass(frozen=True)
class Row:
    """What came of a case."""

    library: str
    version: str
    case: Case
    results: list[CheckResult]


ROWS = pytest.StashKey[list[Row]]()
NOTES = pytest.StashKey[list[tuple[str, str]]]()  # (library, what a test found that no law asks)
