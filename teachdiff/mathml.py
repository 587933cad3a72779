r"""TeX to MathML, for reports that must show formulas without a script from elsewhere.

The subset is what sympy prints and the derivations write: fractions, roots, accents, scripts, Greek, fences,
sums and integrals, matrices, words. A command outside it is an error that names it, never a wrong formula.
"""

import html
import re

_LETTERS = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell nabla partial infty "
    "hbar"
)
GREEK = dict(zip(_LETTERS.split(), "αβγδϵεζηθικλμνξπρστϕφχψωΓΔΘΛΞΠΣΦΨΩℓ∇∂∞ℏ", strict=True))
OPERATORS = {
    "leq": "≤", "le": "≤", "geq": "≥", "ge": "≥", "neq": "≠", "ne": "≠", "sim": "∼", "mid": "∣", "in": "∈",
    "cdot": "⋅", "times": "×", "to": "→", "mapsto": "↦", "approx": "≈", "propto": "∝", "odot": "⊙", "pm": "±",
    "ldots": "…", "dots": "…", "cdots": "⋯", "Rightarrow": "⇒", "iff": "⇔", "equiv": "≡", "top": "⊤", "perp": "⊥",
    "lVert": "‖", "rVert": "‖", "Vert": "‖", "|": "‖", "vert": "|", "lvert": "|", "rvert": "|", "langle": "⟨",
    "rangle": "⟩", "{": "{", "}": "}", "circ": "∘", "succ": "≻", "succeq": "⪰", "prime": "′", "star": "⋆", "ast": "∗",
    "quad": "", "forall": "∀", "subset": "⊂", "cup": "∪", "cap": "∩", "ll": "≪", "gg": "≫", "lfloor": "⌊",
    "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "colon": ":", "dagger": "†", "not": "¬", "notin": "∉",
    "leftarrow": "←", "rightarrow": "→", "Leftrightarrow": "⇔", "Leftarrow": "⇐", "therefore": "∴",
}  # fmt: skip
LARGE = {"sum": "∑", "prod": "∏", "int": "∫", "iint": "∬"}
FUNCTIONS = {
    "log",
    "exp",
    "sin",
    "cos",
    "tan",
    "min",
    "max",
    "lim",
    "det",
    "Pr",
    "ln",
    "arg",
    "sup",
    "inf",
    "tr",
    "diag",
    "dim",
    "ker",
    "gcd",
}
ACCENTS = {"bar": "¯", "hat": "^", "tilde": "~", "overline": "¯", "vec": "→", "dot": "˙", "widehat": "^",
           "widetilde": "~"}  # fmt: skip
SPACES = {",": "0.17em", ":": "0.22em", ";": "0.28em", "!": "-0.1em", " ": "0.3em", "quad": "1em", "qquad": "2em"}
SIZES = {"big", "Big", "bigg", "Bigg", "bigl", "bigr", "Bigl", "Bigr", "biggl", "biggr", "middle", "limits", "nolimits",
         "displaystyle", "textstyle"}  # fmt: skip
WORDS = {"mathrm", "text", "operatorname", "textrm", "mathtt", "texttt", "mathsf", "textit", "textbf"}
COMBINING = {"bar": "\u0304", "overline": "\u0304", "hat": "\u0302", "widehat": "\u0302", "tilde": "\u0303",
             "widetilde": "\u0303", "dot": "\u0307"}  # fmt: skip
ALPHABETS = {"mathcal": 0x1D49C, "mathbb": 0x1D538, "mathbf": 0x1D400}  # where their A stands
# The letters that Unicode had before it had the alphabets.
EARLIER = {
    "mathcal": dict(zip("BEFHILMR", "ℬℰℱℋℐℒℳℛ", strict=True)),
    "mathbb": dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ", strict=True)),
    "mathbf": {},
}
_TOKEN = re.compile(r"\\([A-Za-z]+|.)|(\d+(?:\.\d+)?)|(\s+)|(.)", re.DOTALL)


class UnknownTeX(ValueError):
    """A TeX command that this converter does not know."""


def mathml(tex: str, display: bool = False) -> str:
    """A <math> element for a formula.

    Raises:
        UnknownTeX: a command outside the subset, or braces that do not match.
    """
    parser = _Parser(tex)
    body = parser.row(())
    left = parser.peek()
    if left is not None:
        raise UnknownTeX(f"unexpected {left[1]!r} in {tex!r}")
    kind = ' display="block"' if display else ""
    return f'<math{kind} alttext="{html.escape(tex, quote=True)}"><mrow>{body}</mrow></math>'


def prose(text: str) -> str:
    """Words with $formulas$ as HTML; a formula that cannot be converted stands there as its source."""
    pieces = re.split(r"\$([^$]*)\$", text)
    return "".join(formula(piece) if i % 2 else html.escape(piece) for i, piece in enumerate(pieces))


def formula(tex: str, display: bool = False) -> str:
    """`mathml`, or the TeX itself as code where that fails."""
    try:
        return mathml(tex, display)
    except UnknownTeX:
        return f"<code>{html.escape(tex)}</code>"


def italic(letter: str) -> str | None:
    """The mathematical italic of a Latin or small Greek letter; None for anything else."""
    if letter == "h":
        return "ℎ"
    for first, last, start in (("a", "z", 0x1D44E), ("A", "Z", 0x1D434), ("α", "ω", 0x1D6FC)):
        if first <= letter <= last:
            return chr(start + ord(letter) - ord(first))
    return {"ϵ": "𝜖", "ϕ": "𝜙"}.get(letter)


class _Parser:
    """Recursive descent over the tokens ("command" | "number" | "char", text)."""

    def __init__(self, tex: str) -> None:
        self.tex = tex
        self.tokens: list[tuple[str, str]] = []
        for match in _TOKEN.finditer(tex):
            command, number, space, char = match.groups()
            if command is not None:
                self.tokens.append(("command", command))
            elif number is not None:
                self.tokens.append(("number", number))
            else:
                self.tokens.append(("char", char) if space is None else ("space", " "))
        self.position = 0

    def peek(self) -> tuple[str, str] | None:
        while self.tokens[self.position : self.position + 1] == [("space", " ")]:
            self.position += 1
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def take(self) -> tuple[str, str]:
        token = self.peek()
        if token is None:
            raise UnknownTeX(f"{self.tex!r} ends too early")
        self.position += 1
        return token

    def row(self, ends: tuple[tuple[str, str], ...]) -> str:
        """Everything up to one of `ends`, which is not taken."""
        out = []
        while (token := self.peek()) is not None and token not in ends:
            if token == ("char", "}"):
                break
            out.append(self.scripted())
        return "".join(out)

    def scripted(self) -> str:
        """An atom with its subscript and superscript."""
        token = self.peek()
        limits = token is not None and token[0] == "command" and token[1] in ("sum", "prod", "lim", "min", "max")
        base = self.atom()
        if self.peek() == ("command", "limits"):
            self.take()
            limits = True
        below = above = None
        while self.peek() in (("char", "_"), ("char", "^"), ("char", "'")):
            mark = self.take()[1]
            if mark == "_":
                below = self.argument()
            elif mark == "^":
                above = (above or "") + self.argument()
            else:
                above = (above or "") + "<mo>′</mo>"
        if above is not None:
            above = f"<mrow>{above}</mrow>"
        names = ("munder", "mover", "munderover") if limits else ("msub", "msup", "msubsup")
        if below is not None and above is not None:
            return f"<{names[2]}>{base}{below}{above}</{names[2]}>"
        if below is not None:
            return f"<{names[0]}>{base}{below}</{names[0]}>"
        if above is not None:
            return f"<{names[1]}>{base}{above}</{names[1]}>"
        return base

    def argument(self) -> str:
        """A group in braces, or the next atom; always one element."""
        if self.peek() == ("char", "{"):
            self.take()
            body = self.row((("char", "}"),))
            self.expect("}")
            return f"<mrow>{body}</mrow>"
        token = self.peek()
        if token is not None and token[0] == "number" and len(token[1]) > 1:  # TeX takes one digit
            self.tokens[self.position : self.position + 1] = [("number", digit) for digit in token[1]]
        return self.atom()

    def letter(self) -> str | None:
        """The next atom, taken, if it is one letter, as an italic of its own: with a combining accent it is set
        well by every font, where an accent above an element needs a font made for mathematics."""
        start = self.position
        braced = self.peek() == ("char", "{") and bool(self.take())
        token = self.peek()
        found = None
        if token is not None and (token[0] == "char" or token[1] in GREEK):
            self.take()
            found = italic(GREEK.get(token[1], token[1]) if token[0] == "command" else token[1])
        if found is None or (braced and (self.peek() != ("char", "}") or not self.take())):
            self.position = start
            return None
        return found

    def words(self) -> str:
        """The raw text of a group in braces."""
        if self.peek() != ("char", "{"):
            return self.take()[1]
        self.take()
        depth, out = 1, ""
        while True:
            if self.position >= len(self.tokens):
                raise UnknownTeX(f"{self.tex!r} ends too early")
            kind, text = self.tokens[self.position]  # spaces count in words
            self.position += 1
            if (kind, text) == ("char", "{"):
                depth += 1
            elif (kind, text) == ("char", "}"):
                depth -= 1
                if not depth:
                    return out
            elif kind == "command":
                out += GREEK.get(text, " " if text in SPACES or text == " " else text)
            else:
                out += text

    def expect(self, char: str) -> None:
        if self.take() != ("char", char):
            raise UnknownTeX(f"expected {char!r} in {self.tex!r}")

    def atom(self) -> str:
        kind, text = self.take()
        if kind == "number":
            return f"<mn>{text}</mn>"
        if kind == "command":
            return self.command(text)
        if text == "{":
            self.position -= 1
            return self.argument()
        if text.isalpha():
            return f"<mi>{html.escape(text)}</mi>"
        if text in "()[]|":
            return f'<mo stretchy="false">{text}</mo>'
        if text in "_^&}":
            raise UnknownTeX(f"unexpected {text!r} in {self.tex!r}")
        return f"<mo>{html.escape({'-': '−', '*': '∗'}.get(text, text))}</mo>"

    def command(self, name: str) -> str:
        if name in GREEK:
            upright = ' mathvariant="normal"' if name in ("nabla", "partial", "infty") or name[0].isupper() else ""
            return f"<mi{upright}>{GREEK[name]}</mi>"
        if name in SPACES:
            return f'<mspace width="{SPACES[name]}"></mspace>'
        if name in OPERATORS:
            stretch = ' stretchy="false"' if OPERATORS[name] in "∣‖|⟨⟩{}" else ""
            return f"<mo{stretch}>{OPERATORS[name]}</mo>"
        if name in LARGE:
            return f'<mo largeop="true">{LARGE[name]}</mo>'
        if name in FUNCTIONS:
            return f"<mi>{name}</mi>"
        if name in ("frac", "tfrac", "dfrac"):
            top = self.argument()
            return f"<mfrac>{top}{self.argument()}</mfrac>"
        if name == "sqrt":
            if self.peek() == ("char", "["):
                self.take()
                degree = self.row((("char", "]"),))
                self.expect("]")
                return f"<mroot>{self.argument()}<mrow>{degree}</mrow></mroot>"
            return f"<msqrt>{self.argument()}</msqrt>"
        if name in ACCENTS:
            letter = self.letter() if name in COMBINING else None
            if letter:
                return f"<mi>{letter}{COMBINING[name]}</mi>"
            return f'<mover accent="true">{self.argument()}<mo stretchy="false">{ACCENTS[name]}</mo></mover>'
        if name in ALPHABETS:
            letters = "".join(
                EARLIER[name].get(c) or (chr(ALPHABETS[name] + ord(c) - 65) if "A" <= c <= "Z" else c)
                for c in self.words()
            )
            return f"<mi>{html.escape(letters)}</mi>"
        if name in WORDS:
            words = html.escape(self.words())
            return f"<mtext>{words}</mtext>" if name.startswith("text") else f'<mi mathvariant="normal">{words}</mi>'
        if name in ("overset", "underset", "stackrel"):
            small, base = self.argument(), self.argument()
            tag = "munder" if name == "underset" else "mover"
            return f"<{tag}>{base}{small}</{tag}>"
        if name == "left":
            return self.fence()
        if name in SIZES:
            return "" if name in ("displaystyle", "textstyle", "limits", "nolimits") else self.atom()
        if name == "begin":
            return self.table(self.words())
        raise UnknownTeX(f"the TeX command \\{name} is not in the subset of teachdiff.mathml: {self.tex!r}")

    def delimiter(self) -> str:
        kind, text = self.take()
        if (kind, text) == ("char", "."):
            return ""
        return html.escape(OPERATORS.get(text, text) if kind == "command" else text)

    def fence(self) -> str:
        opening = self.delimiter()
        body = self.row((("command", "right"),))
        if self.take() != ("command", "right"):
            raise UnknownTeX(f"\\left without \\right in {self.tex!r}")
        marks = [f'<mo fence="true" stretchy="true">{m}</mo>' if m else "" for m in (opening, self.delimiter())]
        return f"<mrow>{marks[0]}{body}{marks[1]}</mrow>"

    def table(self, kind: str) -> str:
        fences = {"matrix": "", "pmatrix": "()", "bmatrix": "[]", "cases": "{", "array": "", "aligned": ""}
        if kind not in fences:
            raise UnknownTeX(f"the TeX environment {kind} is not in the subset of teachdiff.mathml: {self.tex!r}")
        if kind == "array":
            self.words()  # the alignment of the columns
        rows, cells = [], []
        while True:
            cells.append(self.row((("char", "&"), ("command", "\\"), ("command", "end"))))
            token = self.take()
            if token != ("char", "&"):
                rows.append("<mtr>" + "".join(f"<mtd>{cell}</mtd>" for cell in cells) + "</mtr>")
                cells = []
            if token == ("command", "end"):
                self.words()
                break
            if token not in (("char", "&"), ("command", "\\")):
                raise UnknownTeX(f"unexpected {token[1]!r} in a table of {self.tex!r}")
        body = "<mtable>" + "".join(rows) + "</mtable>"
        marks = [f'<mo fence="true" stretchy="true">{m}</mo>' for m in fences[kind]] + ["", ""]
        return f"<mrow>{marks[0]}{body}{marks[1]}</mrow>"
