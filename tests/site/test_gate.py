"""The built site in a real browser, with the network blocked: every page, two widths, light and dark.

    python3 run.py site && python3 run.py gate

Without a built site this fails; without a Chromium the tests that need one are skipped, and say so.
"""

import functools
import http.server
import json
import threading
import time
from pathlib import Path

import pages as static
import pytest
from chromium import Chromium, Page, find

pytestmark = pytest.mark.browser

SITE = Path(__file__).parents[2] / "site"
WIDE, NARROW = 1280, 360
CONTRAST = 4.5  # WCAG 2, level AA, for text of normal size

MEASURE = """(() => {
  const count = (selector) => document.querySelectorAll(selector).length;
  return {formulas: count(".arithmatex"), drawn: [...document.querySelectorAll(".arithmatex")].filter(e => e.querySelector(".katex")).length,
          katex: count(".katex"), errors: count(".katex-error"), width: document.documentElement.scrollWidth};
})()"""

# For each element of ours that holds text: its colour on what is behind it.
CONTRASTS = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[3] * top[i] + (1 - top[3]) * below[i]).concat(1);
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.unshift(rgba(getComputedStyle(e).backgroundColor));
    return layers.reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const light = (c) => [0.2126, 0.7152, 0.0722].map((w, i) => {
    const v = c[i] / 255; return w * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }).reduce((a, b) => a + b);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)]; return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05); };
  const found = {};
  const note = (name, value) => { found[name] = Math.min(value, found[name] ?? 99); };
  for (const element of document.querySelectorAll("[class*='td-'], [class*='td-'] *")) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!text || element.closest(".katex-mathml, [hidden], details:not([open])") || element.matches("option, title, desc")) continue;
    const style = getComputedStyle(element), name = element.closest("[class*='td-']").getAttribute("class") + " " + element.tagName;
    if (element.closest("svg")) {
      const box = element.matches(".td-count") ? element.previousElementSibling : element.parentElement.querySelector("rect");
      if (box) note(name, ratio(rgba(style.fill), rgba(getComputedStyle(box).fill)));
    } else {
      const ground = behind(element);
      note(name, ratio(over(rgba(style.color), ground), ground));
    }
  }
  return found;
})()"""


@pytest.fixture(scope="module")
def site() -> Path:
    if not (SITE / "index.html").exists():
        pytest.fail("there is no built site: `python3 run.py site` makes it.")
    return SITE


@pytest.fixture(scope="module")
def built(site) -> dict[str, static.Page]:
    return static.read(site)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if find() is None:
        pytest.skip("no Chromium on this machine: install Debian's chromium, or another that is on the PATH")
    with Chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture(scope="module")
def page(browser) -> Page:
    return browser.page()


def visit(page: Page, url: str) -> list[str]:
    """What is wrong with a page as a browser shows it, in words."""
    page.open(url, width=WIDE)
    page.run("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))")
    seen = page.run(MEASURE)
    wrong = [f"says on the console: {text}" for text in page.complaints]
    wrong += [f"asks for {r}" for r in page.requests if not r.startswith(("file:", "data:", "blob:", "about:"))]
    if not seen["formulas"] == seen["drawn"] == seen["katex"]:
        wrong.append(f"{seen['formulas']} formulas, of which {seen['drawn']} are drawn, by {seen['katex']} drawings")
    if seen["errors"]:
        wrong.append(f"{seen['errors']} formulas that KaTeX does not know")
    if seen["width"] > WIDE:
        wrong.append(f"is {seen['width']} pixels wide where {WIDE} are to be had")
    page.resize(NARROW)
    if (width := page.run(MEASURE)["width"]) > NARROW:
        wrong.append(f"is {width} pixels wide where {NARROW} are to be had")
    return wrong


def test_links_headings_and_pictures(built, site):
    assert len(built) > 60, "the generated pages are missing"
    assert static.faults(built, site) == []


@pytest.mark.parametrize("share", [0, 1])  # two browsers, one for each core
def test_every_page_in_the_browser(built, site, page, share):
    by_size = sorted(built, key=lambda name: -(site / name).stat().st_size)
    wrong = {name: visit(page, f"file://{site / name}") for name in by_size[share::2]}
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["theorems.html", "ledger.html", "cli.html", "proofs/reverse_mean.html"])
def test_text_of_ours_can_be_read(site, page, name, dark):
    page.open(f"file://{site}/generated/{name}", dark=dark)
    scheme = page.run("document.body.dataset.mdColorScheme")
    assert scheme == ("slate" if dark else "default")
    found = page.run(CONTRASTS)
    assert len(found) >= 3
    assert {name: round(ratio, 2) for name, ratio in found.items() if ratio < CONTRAST} == {}


def shown(page: Page) -> list[str]:
    return page.run("[...document.querySelectorAll('.td-ledger tbody tr')].filter(r => !r.hidden).map(r => r.id)")


def test_the_ledger_filters_and_its_address_keeps_the_choice(site, page):
    page.open(f"file://{site}/generated/ledger.html")
    everything = shown(page)
    assert page.run("document.querySelector('#ledger-filters output').value") == f"{len(everything)} of {len(everything)}"
    page.run("(() => { const f = document.querySelector('[name=verdict]'); f.value = 'wrong';"
             " f.dispatchEvent(new Event('input', {bubbles: true})) })()")  # fmt: skip
    wrong = shown(page)
    assert 0 < len(wrong) < len(everything) and "mashayak.eq12" in wrong
    page.run("document.querySelector('[name=words]').focus()")
    page.call("Input.insertText", text="eq. 12")
    chosen = shown(page)  # each word stands somewhere in the row
    assert {"mashayak.eq12", "between.marginal"} <= set(chosen) < set(wrong)
    address, count = page.run("location.href"), page.run("document.querySelector('#ledger-filters output').value")
    assert "verdict=wrong" in address and count == f"{len(chosen)} of {len(everything)}"
    page.open(address)
    assert shown(page) == chosen
    page.run("document.querySelector('#ledger-filters button').click(), new Promise((done) => setTimeout(done, 50))")
    assert shown(page) == everything and page.run("location.hash") == ""


def test_a_row_has_an_address_that_opens_it(site, page):
    page.open(f"file://{site}/generated/ledger.html#mashayak.eq12")
    assert page.run("document.getElementById('mashayak.eq12').querySelector('details').open")
    assert page.run("document.getElementById('mashayak.eq12').getBoundingClientRect().top") >= 0
    assert page.run("document.querySelectorAll('.td-ledger details[open]').length") == 1


def test_the_graph_is_walked_by_keyboard(site, page):
    page.open(f"file://{site}/generated/theorems.html")
    page.run("document.getElementById('vp_marginal').focus()")
    followers = page.run("document.querySelectorAll('.td-edge.td-near').length")
    assert followers == page.run("document.querySelectorAll(\"[data-to='vp_marginal']\").length") > 0
    page.key("Tab", code="Tab", windowsVirtualKeyCode=9)
    assert page.run("document.activeElement.classList.contains('td-node')")
    assert page.run("document.activeElement.id") != "vp_marginal"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server(site):
    started = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=started.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{started.server_port}"
    started.shutdown()
    started.server_close()


@pytest.mark.parametrize("place", ["folder", "server"])
def test_the_search_finds_tweedie(site, server, page, place):
    root = f"file://{site}" if place == "folder" else server
    page.open(f"{root}/index.html")
    page.run("document.querySelector('.md-search__input').focus()")
    page.call("Input.insertText", text="Tweedie")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = page.run("[...document.querySelectorAll('.md-search-result__link')].map((a) => [a.textContent, a.href])")
        if found:
            break
        time.sleep(0.2)
    assert found and all(address.startswith(root) for _, address in found)
    assert any("Tweedie" in text for text, _ in found)
    assert page.complaints == []
    assert [url for url in page.requests if not url.startswith((root, "data:", "blob:", "about:"))] == []


BAD = """<html><head></head><body><h1>a</h1><h3 id="x">b</h3><p id="x">c</p><img src="a.png"><a href="nowhere.html">d</a>
<a href="#y">e</a><a href="https://example.org/">out is allowed</a><script src="https://example.org/s.js"></script>
<div style="width: 900px">wide</div><span class="arithmatex">x</span><span class="katex-error">y</span>
<script>console.error("oh")</script></body></html>"""


def test_the_gate_is_shut_to_a_bad_page(tmp_path):
    (tmp_path / "bad.html").write_text(BAD)
    found = "\n".join(static.faults(static.read(tmp_path), tmp_path))
    for fault in ("no language", "no title", "level 3 follows one of level 1", "ids that stand twice: x", "without words",
                  "a.png leads nowhere", "nowhere.html leads nowhere", "#y has no such anchor", "loads https://"):  # fmt: skip
        assert fault in found
    assert "example.org/ " not in found


def test_the_browser_is_shut_to_a_bad_page(tmp_path, page):
    (tmp_path / "bad.html").write_text(BAD)
    found = "\n".join(visit(page, f"file://{tmp_path}/bad.html"))
    for fault in ("console: oh", "asks for https://example.org/s.js", "1 formulas, of which 0 are drawn", "does not know",
                  f"pixels wide where {NARROW}", "ERR_"):  # fmt: skip
        assert fault in found, json.dumps(found)
