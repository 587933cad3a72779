"""No picture on a page is pasted: each is what its command makes, and the page says which."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def figures():
    spec = importlib.util.spec_from_file_location("figures", DOCS / "figures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_is_the_one_of_the_manifest(figures):
    manifest = figures.read_manifest()
    assert set(manifest) == {f"{name}.png" for name in figures.examples()}
    expected = {name for picture in manifest for name in (picture, picture.replace(".png", ".txt"))}
    assert {path.name for path in figures.PICTURES.iterdir()} == expected | {"manifest.json"}
    for picture, entry in manifest.items():
        assert entry["sha256"] == figures.sha256(figures.PICTURES / picture), f"{picture}: another picture"
        assert entry["seconds"] > 0


def test_no_picture_is_older_than_its_example(figures):
    stale = [name for name in figures.examples() if figures.is_stale(name, figures.read_manifest())]
    assert not stale, f"run `python3 run.py figures {' '.join(stale)}`"


def test_other_weights_a_changed_example_a_changed_command_and_a_pasted_picture_are_found(figures):
    manifest = figures.read_manifest()
    name = figures.examples()[0]
    for key in ("command", "source", "weights", "sha256", "printed"):
        assert figures.is_stale(name, {f"{name}.png": {**manifest[f"{name}.png"], key: "another"}})
    assert figures.is_stale(name, {})


def test_all_pictures_together_are_small(figures):
    assert sum(path.stat().st_size for path in (DOCS / "assets").rglob("*.png")) < 10e6


def test_the_gallery_is_that_of_the_examples(figures):
    assert figures.GALLERY.read_text(encoding="utf-8") == figures.gallery(figures.examples())
    for name in figures.examples():
        assert (DOCS / figures.page(name)).is_file(), f"{name} has no page"


def unprinted(text: str, printed: str) -> list[str]:
    """The lines of a page's blocks of output that its example does not print."""
    wrong, language = [], None
    for line in text.splitlines():
        if line.startswith("```"):
            language = line[3:] if language is None else None
        elif language == "" and line not in printed.splitlines():
            wrong.append(line)
    return wrong


@pytest.mark.parametrize("path", sorted((DOCS / "learn").glob("*.md")), ids=lambda p: p.stem)
def test_a_chapter_shows_what_its_example_prints(path, figures):
    printed = (figures.PICTURES / f"learn_{path.stem}.txt").read_text(encoding="utf-8")
    assert printed
    assert not unprinted(path.read_text(encoding="utf-8"), printed)


def test_a_line_that_the_example_does_not_print_is_found():
    assert unprinted("```python\nx = 1\n```\n\n```\nx is 1\nx is 2\n```\n", "x is 1\n") == ["x is 2"]


def captions(text: str) -> list[tuple[str, str, str]]:
    """Each picture of a page: its alternative text, its address, and the paragraph that follows its own."""
    found = []
    paragraphs = re.split(r"\n\s*\n", text)
    for paragraph, after in zip(paragraphs, [*paragraphs[1:], ""], strict=True):
        found += [(alt, address, after) for alt, address in IMAGE.findall(paragraph)]
    return found


def wrong_captions(page: Path, text: str, manifest: dict) -> list[str]:
    """What is wrong with the pictures of a page, in words."""
    wrong = []
    for alt, address, caption in captions(text):
        if len(alt.split()) < 4:
            wrong.append(f"{page.name}: {address} needs words for those who cannot see it; it has {alt!r}")
        if not (page.parent / address).is_file():
            wrong.append(f"{page.name}: there is no {address}")
        commands = re.findall(r"`([^`]+)`", caption)
        own = manifest.get(Path(address).name, {}).get("command") if "assets/figures/" in address else None
        if own is not None and own not in commands:
            wrong.append(f"{page.name}: below {address} must stand its command, {own}")
        if not any("run.py" in c or "examples/" in c for c in commands) and "gallery" not in page.name:
            wrong.append(f"{page.name}: below {address} stands no command")
    return wrong


def test_every_picture_of_a_page_has_words_and_its_command(figures):
    pages = [path for path in DOCS.rglob("*.md") if "generated" not in path.parts]
    assert len(pages) > 30
    wrong = []
    for path in [ROOT / "README.md", *pages]:
        wrong += wrong_captions(path, path.read_text(encoding="utf-8"), figures.read_manifest())
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "![A face and what DPS makes of it](assets/figures/dps.png)\n\n*No command.*",
        "![A face and what DPS makes of it](assets/figures/dps.png)\n\n*By `.venv/bin/python examples/ddrm.py`.*",
        "![](assets/figures/dps.png)\n\n*By `.venv/bin/python examples/dps.py`.*",
        "![A face and what DPS makes of it](assets/figures/no.png)\n\n*By `.venv/bin/python examples/dps.py`.*",
    ],
)
def test_a_picture_without_them_is_found(text, figures):
    assert wrong_captions(DOCS / "page.md", text, figures.read_manifest())
