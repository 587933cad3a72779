"""What the checker found, for the pages: every derivation and every row of the ledger, checked once.

The findings are kept in docs/generated/.results.json under a hash of derivations/; where nothing there changed they are
read back. Otherwise two processes check, a minute of one core in all.
"""

import hashlib
import json
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sympy

from derivations import checker, ledger, registry
from derivations.twins import twins

ROOT = Path(__file__).parents[2]


def fingerprint() -> str:
    """A hash of all that the findings depend on."""
    digest = hashlib.sha256(sympy.__version__.encode())
    for path in sorted([*(ROOT / "derivations").rglob("*.py"), Path(__file__)]):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def check(name: str) -> dict[str, Any]:
    """One derivation or row, judged; of a step also an exact point and the number of its twins."""
    if name not in registry.everything():
        (row,) = ledger.find(name)
        return row.check()
    derivation = registry.everything()[name]
    found = asdict(derivation.check())
    for step, entry in zip(derivation.steps, found["steps"], strict=True):
        example = checker.example(step)
        entry["example"] = example and asdict(example)
        entry["twins"] = sum(1 for _ in twins(step))
    return found


def read_or_check(cache: Path, processes: int = 2) -> dict[str, dict[str, Any]]:
    """The findings by name; every derivation comes before those that lean on it, then the ledger.

    Raises:
        SystemExit: a derivation or a row fails; no page may say that it holds.
    """
    key = fingerprint()
    try:
        kept = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    if kept.get("key") == key:
        return kept["findings"]
    names = [*registry.everything(), *(row.id for row in ledger.rows())]
    print(f"Checking {len(names)} derivations and rows of the ledger; a minute or two, once.", flush=True)
    with ProcessPoolExecutor(processes) as pool:
        findings = dict(zip(names, pool.map(check, names), strict=True))
    failed = [name for name, found in findings.items() if found["status"] == "failed"]
    if failed:
        raise SystemExit(f"not proved: {', '.join(failed)}. `python3 run.py prove {failed[0]}` says why.")
    cache.parent.mkdir(parents=True, exist_ok=True)
    part = cache.with_suffix(".part")
    part.write_text(json.dumps({"key": key, "findings": findings}), encoding="utf-8")
    os.replace(part, cache)
    return findings
