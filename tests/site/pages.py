"""What can be said about built pages without a browser: links, anchors, headings, pictures, what they load."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data", "embed": "src"}


class Page(HTMLParser):
    """One HTML file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.ids: list[str] = []
        self.links: list[str] = []  # where a reader may go
        self.loads: list[str] = []  # what the browser fetches by itself
        self.headings: list[int] = []
        self.pictures: list[dict[str, str | None]] = []
        self.language, self.title = "", ""
        self._in_title = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a" and given.get("href"):
            self.links.append(str(given["href"]))
        if tag in LOADS and given.get(LOADS[tag]):
            self.loads.append(str(given[LOADS[tag]]))
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "img":
            self.pictures.append(given)
        if tag == "html":
            self.language = str(given.get("lang") or "")
        self._in_title = tag == "title"

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False


def read(site: Path) -> dict[str, Page]:
    """Every page but the one for addresses that do not exist, by its path."""
    paths = sorted(site.rglob("*.html"))
    return {p.relative_to(site).as_posix(): Page(p) for p in paths if p.name != "404.html"}


def faults(pages: dict[str, Page], site: Path) -> list[str]:
    """All that is wrong, in words."""
    found = []
    for name, page in pages.items():
        found += [f"{name}: {fault}" for fault in _own_faults(page)]
        for link in dict.fromkeys([*page.links, *page.loads]):
            if fault := _link_fault(link, page, pages, site):
                found.append(f"{name}: {fault}")
        found += [f"{name}: loads {load}" for load in page.loads if _is_outside(load)]
    for path in sorted([*site.rglob("*.css")]):
        for load in re.findall(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s]+)", path.read_text(encoding="utf-8")):
            found.append(f"{path.relative_to(site)}: loads {load}")
    return found


def _is_outside(address: str) -> bool:
    return address.startswith("//") or urlsplit(address).scheme in ("http", "https", "ws", "wss", "ftp")


def _own_faults(page: Page) -> list[str]:
    found = []
    if not page.language:
        found.append("no language")
    if not page.title.strip():
        found.append("no title")
    if page.headings[:1] != [1] or page.headings.count(1) != 1:
        found.append(f"it must begin with its only heading of level 1; it has {page.headings[:3]}...")
    for before, after in zip(page.headings, page.headings[1:], strict=False):
        if after > before + 1:
            found.append(f"a heading of level {after} follows one of level {before}")
    twice = sorted({i for i in page.ids if page.ids.count(i) > 1}) if len(set(page.ids)) < len(page.ids) else []
    if twice:
        found.append(f"ids that stand twice: {', '.join(twice[:5])}")
    for picture in page.pictures:
        if not (picture.get("alt") or "").strip():
            found.append(f"a picture without words: {picture.get('src')}")
    return found


def _link_fault(link: str, page: Page, pages: dict[str, Page], site: Path) -> str:
    """Why a link leads nowhere; empty if it leads somewhere or out."""
    parts = urlsplit(link)
    if parts.scheme or link.startswith("//"):
        return ""
    target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path
    if target.is_dir():
        return f"{link} leads to a folder"
    if not target.exists():
        return f"{link} leads nowhere"
    fragment = unquote(parts.fragment)
    name = target.relative_to(site.resolve()).as_posix() if target.is_relative_to(site.resolve()) else ""
    # "#verdict=wrong" is a choice of rows, "#__codelineno-0-1" and "#" are the theme's.
    if not fragment or "=" in fragment or name not in pages:
        return ""
    return "" if fragment in pages[name].ids else f"{link} has no such anchor"
