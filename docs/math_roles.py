r"""Let the mathematics of our docstrings reach the site.

Docstrings write :math:`x` and `.. math::`, which every editor and `help()` show legibly; mkdocstrings
reads Markdown. On the way there, :math:`x` becomes \(x\) and the block becomes \[ \], which
docs/assets/teachdiff.js hands to KaTeX.
"""

from typing import Any

import griffe

from docs.generator.roles import to_markdown


class MathRoles(griffe.Extension):
    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = to_markdown(obj.docstring.value)
