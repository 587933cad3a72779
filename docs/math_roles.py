r"""Let the mathematics of our docstrings reach the site.

Docstrings write :math:`x` and `.. math::`, which every editor and `help()` show legibly; mkdocstrings
reads Markdown. On the way there, :math:`x` becomes \(x\) and the block becomes \[ \], which
docs/assets/teachdiff.js hands to KaTeX.
"""

import re
import textwrap
from typing import Any

import griffe

INLINE = re.compile(r":math:`([^`]+)`")
BLOCK = re.compile(
    r"^(?P<indent>[ \t]*)\.\. math::[ \t]*(?P<first>\S.*)?(?:\n|\Z)"
    r"(?P<body>(?:[ \t]*\n|(?P=indent)[ \t]+\S.*(?:\n|\Z))*)",
    re.MULTILINE,
)
TOGETHER = re.compile(r"^[ \t]+[a-z]\w*(?:, \w+)+:", re.MULTILINE)


def to_markdown(text: str) -> str:
    def block(found: re.Match) -> str:
        lines = [found["first"] or "", textwrap.dedent(found["body"]).strip()]
        body = textwrap.indent("\n".join(filter(None, lines)), found["indent"])
        return f"\n{found['indent']}\\[\n{body}\n{found['indent']}\\]\n\n"

    # Of "height, width: ..." in a list of arguments, the parser would take the second for the type of the first.
    text = TOGETHER.sub(lambda found: found[0].replace(", ", ",\N{NO-BREAK SPACE}"), text)
    return INLINE.sub(lambda found: rf"\({' '.join(found[1].split())}\)", BLOCK.sub(block, text))


class MathRoles(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)
