r"""Words and formulas as HTML.

Three ways of writing meet here. LaTeX, as symbols and ledger have it; words with $formulas$, as statements have
them; and plain words with ASCII formulas, as reasons have them: "sigma^2 = beta_tilde_t". KaTeX draws what stands in an
element of class "arithmatex" (docs/assets/teachdiff.js).
"""

import html
import re
from collections.abc import Callable
from functools import cache

import sympy as sp

from derivations import ledger, registry, symbols

GREEK = "alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi rho sigma tau phi psi omega Delta Sigma"
# ASCII names as reasons write them, and what they are in LaTeX. Single letters count only with an index or a power.
NAMES = {
    **{name: f"\\{name}" for name in GREEK.split()},
    "alpha_bar": r"\bar\alpha",
    "beta_tilde": r"\tilde\beta",
    "x0_hat": r"\hat x_0",
    "s_theta": r"s_\theta",
    "eps_theta": r"\epsilon_\theta",
    "epsilon_theta": r"\epsilon_\theta",
    "v_theta": r"v_\theta",
    "eta_b": r"\eta_b",
    "lam": r"\lambda",
}
_INDEX = r"_(?:\{[^{}]*\}|\([^()]*\)|[A-Za-z0-9](?![A-Za-z0-9]))"
_POWER = r"\^(?:\{[^{}]*\}|-?[0-9A-Za-z+](?![A-Za-z0-9_]))"
_NAME = "|".join(sorted(NAMES, key=len, reverse=True))
TOKEN = re.compile(
    rf"(?<![\w\\.])(?:(?P<name>{_NAME})(?P<index>{_INDEX})?(?P<power>{_POWER})?"
    rf"|(?P<letter>[A-Za-z])(?:(?P<i>{_INDEX})(?P<p>{_POWER})?|(?P<q>{_POWER})))(?![\w.]*\w)"
)
_IN_WORDS = re.compile(
    r"`(?P<code>[^`]+)`|(?<!\w)sqrt\((?P<root>(?:[^()]|\([^()]*\))*)\)|" + TOKEN.pattern + r"|\b[a-z]+[_.][\w.*-]*\w"
)


def math(tex: str) -> str:
    """A formula within a line."""
    return f'<span class="arithmatex">\\({html.escape(tex, quote=False)}\\)</span>'


def display(tex: str) -> str:
    """A formula on a line of its own."""
    return f'<div class="arithmatex">\\[{html.escape(tex, quote=False)}\\]</div>'


def _braced(script: str) -> str:
    """`_{t-1}` of `_(t-1)`, `_{t-1}` or `_t`."""
    return f"{script[0]}{{{script[1:].strip('{}()')}}}" if script else ""


def _tex_of(found: re.Match) -> str:
    if found["name"]:
        return NAMES[found["name"]] + _braced(found["index"] or "") + _braced(found["power"] or "")
    return found["letter"] + _braced(found["i"] or "") + _braced(found["p"] or found["q"] or "")


def typeset(text: str) -> str:
    """The signs of plain text as print has them: <=, >=, ->, and a minus between terms; `code` stays as it is."""
    if "`" in text:
        return "`".join(part if i % 2 else typeset(part) for i, part in enumerate(text.split("`")))
    text = text.replace("<=", "≤").replace(">=", "≥").replace("->", "→")
    return re.sub(r"(?<=[\w)}\]]) - (?=[\d(])|(?<=\d) - |(?<=\)) - ", " − ", text)


def ascii_to_tex(text: str, wrap: Callable[[str], str]) -> str:
    """The text with its ASCII symbols replaced by `wrap(LaTeX)`."""
    return TOKEN.sub(lambda found: wrap(_tex_of(found)), text)


def plain(text: str, links: Callable[[str], str | None] | None = None) -> str:
    """Words with ASCII symbols as HTML; `links` gives the address of a theorem or a row that they name, or None."""
    out, last, text = [], 0, typeset(text)
    for found in _IN_WORDS.finditer(text):
        out.append(html.escape(text[last : found.start()], quote=False))
        last = found.end()
        word = found["code"] or found[0]
        address = links(word) if links and not found["root"] else None
        if address:
            out.append(f'<a href="{address}"><code>{html.escape(word)}</code></a>')
        elif found["code"]:
            out.append(f"<code>{html.escape(word)}</code>")
        elif found["root"]:
            out.append(math(rf"\sqrt{{{ascii_to_tex(found['root'].replace('−', '-'), str)}}}"))
        elif found["name"] or found["letter"]:
            out.append(math(_tex_of(found)))
        else:
            out.append(html.escape(word, quote=False))
    out.append(html.escape(text[last:], quote=False))
    return "".join(out)


def prose(text: str, links: Callable[[str], str | None] | None = None) -> str:
    """Words with $formulas$ as HTML."""
    pieces = text.split("$")
    return "".join(math(piece) if i % 2 else plain(piece, links) for i, piece in enumerate(pieces))


def texts(tex: str) -> list[tuple[bool, str]]:
    r"""LaTeX as a list of (it is words, piece): its \text{...} outside of all braces, and what is between them."""
    pieces, depth, start, i = [], 0, 0, 0
    while i < len(tex):
        if depth == 0 and tex.startswith(r"\text{", i) and tex[:i].rstrip()[-1:] not in ("_", "^"):
            end, level = i + 6, 1
            while level:
                level += {"{": 1, "}": -1}.get(tex[end], 0) if tex[end - 1] != "\\" else 0
                end += 1
            pieces += [(False, tex[start:i]), (True, tex[i + 6 : end - 1])]
            start = i = end
            continue
        if tex[i] == "\\":
            depth += tex.startswith((r"\begin", r"\left"), i) and not tex.startswith(r"\leftarrow", i)
            depth -= tex.startswith((r"\end", r"\right"), i) and not tex.startswith(r"\rightarrow", i)
            i += 1
        else:
            depth += {"{": 1, "}": -1}.get(tex[i], 0)
        i += 1
    pieces.append((False, tex[start:]))
    return [piece for piece in pieces if piece[1]]


def printed(tex: str) -> str:
    r"""A line as it was printed: \text{...} as words, which may break over lines, and formulas between them."""
    out = []
    for words, piece in texts(tex):
        if words:
            inner = re.sub(r"\\([%&_#{}])", r"\1", piece).replace("--", "–")
            out += [math(p) if i % 2 else html.escape(p, quote=False) for i, p in enumerate(inner.split("$"))]
            continue
        formula = _EDGE.sub("", piece)
        before, after = (" " if _SPACE.match(piece) else ""), (" " if _SPACE_AT_END.search(piece) else "")
        if formula:
            out += [before, html.escape(formula) if _NO_FORMULA.fullmatch(formula) else math(formula), after]
        else:
            out.append(" ")
    return "".join(out)


_GAP = r"(?:\s|~|\\(?:q?quad(?![a-z])|[ ,;:!]))"
_SPACE, _SPACE_AT_END = re.compile(_GAP), re.compile(f"{_GAP}$")
_EDGE = re.compile(f"^{_GAP}+|{_GAP}+$")
_NO_FORMULA = re.compile(r"[\d\s.,;:()/–]+")


@cache
def _tex(text: str) -> str | None:
    """An exact number, or a name of the checker, as LaTeX; None if sympy cannot read it."""
    if text in symbols.TABLE:
        return symbols.TABLE[text].tex
    try:
        value = sp.sympify(text)
    except (sp.SympifyError, TypeError, AttributeError, SyntaxError):
        return None
    if not isinstance(value, sp.Expr):
        return None
    if value.is_Rational:
        return text
    names = {s: symbols.TABLE[s.name].tex for s in value.free_symbols if s.name in symbols.TABLE}
    rounded = f" \\approx {float(value):.4g}" if value.is_number and value.is_real else ""
    return sp.latex(value, symbol_names=names) + rounded


def number(text: str) -> str:
    """An exact number as HTML."""
    tex = _tex(text)
    return html.escape(text, quote=False) if tex is None else math(tex)


def point(values: list[tuple[str, str]]) -> str:
    """Name = value, ..., as HTML."""
    out = []
    for name, value in values:
        pair = _tex(name), _tex(value)
        out.append(html.escape(f"{name} = {value}", quote=False) if None in pair else math(" = ".join(pair)))
    return ", ".join(out)


def _split(text: str) -> list[str]:
    """At the commas that stand in no bracket."""
    parts, depth = [""], 0
    for letter in text:
        depth += letter in "([{"
        depth -= letter in ")]}"
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def counterexample(text: str) -> str:
    """What `str(Counterexample)` gives, one or several joined by "; ", as HTML: a list item for each."""
    items = []
    for part in re.split(r"; (?=at )", text):
        found = re.fullmatch(r"at (.*?)(?: \(([^=]*)\))?: left (.*), right (.*)", part)
        if found is None:
            items.append(f"<li>{html.escape(part)}</li>")
            continue
        at, where, left, right = found.groups()
        values = [tuple(pair.split(" = ", 1)) for pair in _split(at)] if " = " in at else []
        place = f" ({html.escape(where)})" if where else ""
        head = f"At {point(values)}{place}" if values else f"For any values{place}"
        items.append(f"<li>{head}: left {number(left)}, right {number(right)}.</li>")
    return f'<ul class="td-points">{"".join(items)}</ul>'


@cache
def address_of(folder: str) -> Callable[[str], str | None]:
    """From a page in docs/generated/`folder`: where a theorem or a row of the ledger stands."""
    up = "../" * len([part for part in folder.split("/") if part])
    theorems = registry.everything()
    rows = {row.id for row in ledger.rows()}

    def address(name: str) -> str | None:
        if name in theorems and ("_" in name or "." in name):
            return f"{up}proofs/{name}.html"
        return f"{up}ledger.html#{name}" if name in rows else None

    return address
