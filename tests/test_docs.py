"""What the pages state about the project is what the project is."""

import html
import re
from pathlib import Path

from derivations import ledger, registry
from derivations.ledger.row import VERDICTS
from teachdiff.testing import KINDS, laws
from teachdiff.testing.methods import CLAIMS

DOCS = Path(__file__).parents[1] / "docs"


def table(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its two top lines."""
    text = (DOCS / page).read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1]
    lines = [line for line in text.split("\n## ")[0].splitlines() if line.startswith("|")]
    cells = [re.split(r"(?<!\\)\|", line.strip("|")) for line in lines[2:]]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in cells]


def test_the_table_of_proofs_is_complete():
    stated = {name.strip("`"): (title, int(steps)) for name, title, steps in table("proofs.md", "What is proved")}
    assert stated == {name: (d.title, len(d.steps)) for name, d in registry.everything().items()}


def test_the_table_of_the_ledger_counts_rightly():
    rows = list(ledger.rows())
    for document, *counts, total in table("proofs.md", "What the sources printed"):
        own = [row.verdict for row in rows if row.id.split(".")[0] == document]
        assert [0 if c == "–" else int(c) for c in counts] == [own.count(verdict) for verdict in VERDICTS]
        assert int(total) == len(own) > 0
    assert {line[0] for line in table("proofs.md", "What the sources printed")} == {r.id.split(".")[0] for r in rows}


def test_every_page_is_in_the_navigation():
    listed = set(re.findall(r": (\S+\.md)$", (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    assert listed == {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}


def test_the_page_of_other_libraries_is_about_the_versions_of_constraints():
    """Written by `python3 run.py peers --table docs/peers.md`, with the very versions that are installed."""
    pinned = dict(re.findall(r"^(\S+)==(\S+)$", (DOCS.parent / "constraints.txt").read_text(), re.MULTILINE))
    text = (DOCS / "peers.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^## (\S+) (\S+)$", text, re.MULTILINE))
    assert stated == {name: pinned[name] for name in ("azula", "deepinv", "diffusers")}
    assert f"torch {pinned['torch']}." in text


def test_the_tables_of_laws_are_the_laws():
    text = html.unescape((DOCS / "property-suite.md").read_text(encoding="utf-8"))
    for kind in KINDS:
        section = re.split(rf"^### Of an? {kind}$", text, flags=re.MULTILINE)[1].split("\n##")[0]
        stated = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE))
        assert stated == {name: law.statement.replace("|", "\\|") for name, law in laws(kind)}
    claims = set(re.findall(r"`(\w+)`", text.split("### Of a method")[1].split("| law")[0]))
    assert set(CLAIMS) <= claims
