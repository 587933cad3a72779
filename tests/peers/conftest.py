"""`--table FILE` writes what the run found as a page: `python3 run.py peers --table docs/peers.md`."""

import platform
from pathlib import Path

import pytest
import torch
from peer import NOTES, ROWS, Row

from teachdiff.testing import CheckResult
from teachdiff.testing.core import number

COMMAND = "python3 run.py peers --table docs/peers.md"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--table", metavar="FILE", default=None, help="write what the peers' tests found as a page")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []
    config.stash[NOTES] = []


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    path, rows = session.config.getoption("--table"), session.config.stash[ROWS]
    if path is None:
        return
    if exitstatus != 0 or not rows:
        raise pytest.UsageError(f"{path} is not written: the run failed, or no peer is installed.")
    Path(path).write_text(page(rows, session.config.stash[NOTES]), encoding="utf-8")


def page(rows: list[Row], notes: list[tuple[str, str]]) -> str:
    """One table for each library, a line for each law that is broken and one for each object that obeys all."""
    torch_version, python = torch.__version__.partition("+")[0], platform.python_version()
    text = [
        "# Other people's libraries",
        "The [property suite](adapters.md) was pointed at three libraries, as they are published. Each line names the "
        "object, the law, the two numbers that should agree and the reason, found in the library's code. A line that "
        'begins "By convention" is no mistake: the library says so, and means something else than the law. '
        "What is written here is a strict expectation of the tests: when the library changes, they fail.",
        f"Written by `{COMMAND}` with Python {python} and torch {torch_version}. "
        "The versions are those of `constraints.txt`.",
    ]
    for library in dict.fromkeys(row.library for row in rows):
        own = [row for row in rows if row.library == library]
        laws = sum(result.status == "passed" for row in own for result in row.results)
        broken = [(row, result) for row in own for result in row.results if result.status == "expected"]
        text.append(f"## {library} {own[0].version}")
        conventions = sum(row.case.expected[result.law].startswith("By convention") for row, result in broken)
        text.append(
            f"{len(own)} objects: {laws} laws hold, {len(broken)} are broken, {conventions} of these by convention."
        )
        text.append(
            table(
                ["object", "kind", "laws that hold", "do not apply", "broken"],
                [[f"`{row.case.name}`", row.case.kind, *counts(row.results)] for row in own],
            )
        )
        text.append(table(["object", "laws", "found", "should be", "reason"], findings(broken)))
        text += [f"Beside the laws: {note}" for about, note in notes if about == library]
    return "\n\n".join(text) + "\n"


def findings(broken: list[tuple[Row, CheckResult]]) -> list[list[str]]:
    """A line for each; laws of one object that found the same for the same reason share theirs."""
    lines: dict[tuple[str, ...], list[str]] = {}
    for row, result in broken:
        reason = row.case.expected[result.law]
        key = (f"`{row.case.name}`", *numbers(result, reason), reason)
        lines.setdefault(key, []).append(f"`{result.law}`")
    return [[key[0], ", ".join(laws), *key[1:]] for key, laws in lines.items()]


def counts(results: list[CheckResult]) -> list[str]:
    return [str(sum(result.status == status for result in results)) for status in ("passed", "skipped", "expected")]


def numbers(result: CheckResult, reason: str) -> list[str]:
    """Both numbers; where the law has none (an error, say), what it says."""
    if result.left is None:
        return [result.message.removeprefix(f"declared to fail ({reason}): "), "–"]
    return [number(result.left), number(result.right)]


def table(head: list[str], lines: list[list[str]]) -> str:
    cells = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in cells)
