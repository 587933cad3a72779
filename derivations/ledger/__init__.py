r"""The ledger: every formula and checkable sentence that the documents print, judged by machine.

    from derivations import ledger
    ledger.rows()              # all rows, documents in the order of DOCUMENTS
    ledger.find("liu.*")       # rows by id or glob
    ledger.as_json()           # judged, with the keys of `teachdiff prove --json`

Each document has a module here with a list ROWS of `row.Row`; `row` says how one is written, `sampler`
computes what a program does that implements a printed line literally. `between` holds what no
document shows alone: two that contradict each other, and papers that differ from their programs.
"""

import fnmatch
import importlib
import pkgutil
from functools import cache

from derivations.ledger.row import KEYS, VERDICTS, Judgement, Row

__all__ = ["DOCUMENTS", "KEYS", "VERDICTS", "Judgement", "Row", "as_json", "find", "rows"]

DOCUMENTS = ("rao", "mashayak", "liu", "rajpal", "fabian", "between")  # the order of the rows
_MACHINERY = {"row", "sampler"}


@cache
def _all() -> tuple[Row, ...]:
    found: list[Row] = []
    modules = {info.name for info in pkgutil.iter_modules(__path__)} - _MACHINERY
    for name in sorted(modules, key=DOCUMENTS.index):
        module = importlib.import_module(f"derivations.ledger.{name}")
        for row in module.ROWS:
            if row.document != name:
                raise ValueError(f"row {row.id} stands in ledger/{name}.py; its id must begin with {name!r}.")
            found.append(row)
    ids = [row.id for row in found]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise ValueError(f"these ids stand twice in the ledger: {', '.join(twice)}.")
    return tuple(found)


def rows() -> list[Row]:
    """Every row of every document, unjudged.

    Raises:
        ValueError: a row in another document's module, or an id that stands twice.
    """
    return list(_all())


def find(*patterns: str) -> list[Row]:
    """The rows whose id matches one of the ids or globs."""
    return [row for row in rows() if any(fnmatch.fnmatchcase(row.id, p) for p in patterns)]


def as_json(*patterns: str) -> list[dict]:
    """The rows (all, or those that match), judged, as dicts with the keys KEYS."""
    return [row.check() for row in (find(*patterns) if patterns else rows())]
