"""The mathematics of a docstring, :math:`x` and `.. math::`, as Markdown; see docs/math_roles.py."""

import re
import textwrap

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
