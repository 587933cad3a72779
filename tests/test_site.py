"""How the mathematics of docstrings reaches the site; without the packages that build it."""

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture
def math_roles(monkeypatch):
    monkeypatch.setitem(sys.modules, "griffe", SimpleNamespace(Extension=object, Object=object))
    path = Path(__file__).parents[1] / "docs" / "math_roles.py"
    spec = importlib.util.spec_from_file_location("math_roles", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no formula, `code` only", "no formula, `code` only"),
        (r"of :math:`\bar\alpha_t` and :math:`x`", r"of \(\bar\alpha_t\) and \(x\)"),
        (":math:`a\n    + b`", r"\(a + b\)"),
        (".. math::\n    a \\\\\n      b\n\nafter", "\n\\[\na \\\\\n  b\n\\]\n\nafter"),
        (".. math::\n    a", "\n\\[\na\n\\]\n\n"),
        ("    .. math::\n\n        a\n    after", "\n    \\[\n    a\n    \\]\n\n    after"),
        ("A:\n    h, w: the size, in pixels: 2", "A:\n    h,\N{NO-BREAK SPACE}w: the size, in pixels: 2"),
        (".. math:: a\n    + b\n\nafter", "\n\\[\na\n+ b\n\\]\n\nafter"),
        ("    .. math:: a", "\n    \\[\n    a\n    \\]\n\n"),
        (".. math::\n    a\n\n    b\nafter", "\n\\[\na\n\nb\n\\]\n\nafter"),
    ],
)
def test_roles_become_markdown(math_roles, text, expected):
    assert math_roles.to_markdown(text) == expected


def test_every_docstring_is_converted(math_roles):
    documented = SimpleNamespace(docstring=SimpleNamespace(value=":math:`x`"))
    math_roles.MathRoles().on_object(obj=documented)
    math_roles.MathRoles().on_object(obj=SimpleNamespace(docstring=None))
    assert documented.docstring.value == r"\(x\)"
