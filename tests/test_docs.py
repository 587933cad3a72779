"""What the pages state about the project is what the project is."""

import hashlib
import html
import re
from pathlib import Path

from derivations import ledger, registry
from teachdiff.priors.checkpoints import BUNDLED
from teachdiff.testing import KINDS, laws
from teachdiff.testing.methods import CLAIMS

DOCS = Path(__file__).parents[1] / "docs"


def test_every_link_to_a_theorem_or_to_a_row_of_the_ledger_leads_somewhere():
    verdicts = {row.id: row.verdict for row in ledger.rows()}
    for path in [*DOCS.glob("*.md"), *DOCS.glob("methods/*.md"), *DOCS.glob("learn/*.md")]:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"generated/ledger\.md#([^)\s]+)", text)) <= set(verdicts), path
        assert set(re.findall(r"generated/proofs/([\w.]+)\.md", text)) <= set(registry.everything()), path


def test_every_chapter_has_code_a_picture_a_refuted_line_a_proof_and_questions():
    verdicts = {row.id: row.verdict for row in ledger.rows()}
    chapters = sorted(DOCS.glob("learn/*.md"))
    assert len(chapters) == 7
    for path in chapters:
        text = path.read_text(encoding="utf-8")
        assert f'--8<-- "examples/learn_{path.stem}.py:' in text
        assert f"assets/figures/learn_{path.stem}.png" in text
        assert "(refuted)" in text or "The printed mistake" in text
        rows = re.findall(r"generated/ledger\.md#([^)\s]+)", text)
        assert {verdicts[row] for row in rows} & {"wrong", "missing-term"}
        assert "generated/proofs/" in text and "../api.md#" in text and "**Exercise**" in text
        assert text.count("??? question") >= 2


def test_every_page_is_in_the_navigation():
    listed = set(re.findall(r": (\S+\.md)$", (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    by_hand = {page for page in pages if not page.startswith("generated/")}
    assert {page for page in listed if not page.startswith("generated/")} == by_hand
    assert listed - by_hand == {"generated/theorems.md", "generated/ledger.md", "generated/cli.md"}


def test_the_page_of_other_libraries_is_about_the_versions_of_constraints():
    """Written by `python3 run.py peers --table docs/peers.md`, with the very versions that are installed."""
    pinned = dict(re.findall(r"^(\S+)==(\S+)$", (DOCS.parent / "constraints.txt").read_text(), re.MULTILINE))
    text = (DOCS / "peers.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^## (\S+) (\S+)$", text, re.MULTILINE))
    assert stated == {name: pinned[name] for name in ("azula", "deepinv", "diffusers")}
    assert f"torch {pinned['torch']}." in text


def test_the_figures_were_measured_with_the_bundled_weights():
    """Who changes the weights measures the figures anew, and then writes down which weights these were."""
    text = (DOCS / "quality.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", text, re.MULTILINE))
    files = BUNDLED.glob("*.safetensors")
    assert stated == {path.stem: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in files}


def test_the_tables_of_laws_are_the_laws():
    text = html.unescape((DOCS / "property-suite.md").read_text(encoding="utf-8"))
    for kind in KINDS:
        section = re.split(rf"^### Of an? {kind}$", text, flags=re.MULTILINE)[1].split("\n##")[0]
        rows = re.findall(r"^\| \[`(\w+)`\]\(#(\S+)\)\{ #(\S+) \} \| (.+) \|$", section, re.MULTILINE)
        assert all(link == anchor == f"{kind}-{name}" for name, link, anchor, _ in rows)
        stated = {name: says for name, _, _, says in rows}
        assert stated == {name: law.statement.replace("|", "\\|") for name, law in laws(kind)}
    claims = set(re.findall(r"`(\w+)`", text.split("### Of a method")[1].split("| law")[0]))
    assert set(CLAIMS) <= claims


def test_every_error_has_an_anchor_and_links_to_it():
    """A row is written | [`message`](#name){ #name } | what to do |, and no blank line cuts a table in two."""
    text = (DOCS / "errors.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|") and not re.match(r"\| message|\|-", line)]
    found = [re.match(r"\| \[[^\]]+\]\(#([\w-]+)\)\{ #([\w-]+) \}", line) for line in rows]
    assert [line for line, match in zip(rows, found, strict=True) if not match or match[1] != match[2]] == []
    anchors = [match[1] for match in found if match]
    assert len(anchors) == len(set(anchors)) > 40
    assert not re.search(r"^\|.*\n\n\|", text, re.MULTILINE)
