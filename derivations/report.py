"""Running the proofs: `run` checks derivations (and the ledger's rows, where there is a ledger)."""

import importlib
import importlib.util
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from derivations import registry
from derivations.checker import Result


@dataclass(frozen=True)
class Report:
    """What a run found.

    Attributes:
        derivations: one checker.Result for each derivation, in an order in which none comes before
            what it leans on.
        ledger: the rows' results as dicts; each has at least "id" and "status", one of "proved",
            "refuted", "failed".
        seconds: wall time.
    """

    derivations: list[Result]
    ledger: list[dict] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def summary(self) -> dict[str, int]:
        """How many are proved, how many printed lines refuted, how many failed: 0 is the goal."""
        statuses = [r.status for r in self.derivations] + [row["status"] for row in self.ledger]
        return {name: statuses.count(name) for name in ("proved", "refuted", "failed")}

    @property
    def ok(self) -> bool:
        return self.summary["failed"] == 0

    @property
    def premises(self) -> list[tuple[str, str]]:
        """Every assumed premise: (derivation, premise)."""
        return [(r.name, premise) for r in self.derivations for premise in r.premises]

    def as_json(self) -> dict:
        """The dict that `teachdiff prove --json` prints."""
        return {
            "derivations": [asdict(r) for r in self.derivations],
            "ledger": self.ledger,
            "summary": self.summary,
        }


def run(
    names: list[str] | None = None,
    on_progress: Callable[[int, int, str, Result | dict | None], None] | None = None,
    ledger: bool = True,
) -> Report:
    """Check the derivations that match `names` (names or globs; all without any), and the ledger.

    Arguments:
        names: derivations and ledger ids, or globs of them.
        on_progress: called as on_progress(done, total, name, result): with result None before an
            item starts, with its result after it.
        ledger: False leaves the ledger out.

    Raises:
        ValueError: a name that matches no derivation and no row.
    """
    began = time.perf_counter()
    chosen = registry.find(names)
    rows = ledger_rows(names) if ledger else []
    for pattern in names or []:
        if not any(registry.matches(pattern, name) for name in [*(d.name for d in chosen), *(r.id for r in rows)]):
            known = ", ".join(registry.names())
            raise ValueError(f"no derivation and no row of the ledger matches {pattern!r}. Derivations: {known}.")
    items = [(d.name, d) for d in chosen] + [(row.id, row) for row in rows]
    outcomes = []
    for done, (name, item) in enumerate(items):
        if on_progress:
            on_progress(done, len(items), name, None)
        outcomes.append(item.check())
        if on_progress:
            on_progress(done + 1, len(items), name, outcomes[-1])
    results, judged = outcomes[: len(chosen)], outcomes[len(chosen) :]
    return Report(results, judged, time.perf_counter() - began)


def ledger_rows(names: list[str] | None = None) -> list:
    """The ledger's rows that match: objects with `id` and `check() -> dict`; none without a ledger.

    They come from `derivations.ledger.rows()`.
    """
    if importlib.util.find_spec("derivations.ledger") is None:
        return []
    rows = importlib.import_module("derivations.ledger").rows()
    return [row for row in rows if not names or any(registry.matches(p, row.id) for p in names)]
