"""Source files as pages, a link to each line: what a proof's page points at when it says "line 42"."""

import ast
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

ROOT = Path(__file__).parents[2]


def address(path: str, line: int | None = None) -> str:
    """Of a line of a file (relative to the repository), from docs/generated/."""
    return f"source/{Path(path).with_suffix('').as_posix()}.html" + (f"#L-{line}" if line else "")


def page(path: str) -> str:
    """The page of a file."""
    text = (ROOT / path).read_text(encoding="utf-8")
    formatter = HtmlFormatter(cssclass="highlight td-source", lineanchors="L", anchorlinenos=True, linenos="inline")
    return (
        f"---\nsearch:\n  exclude: true\nhide:\n  - toc\n---\n\n# `{path}`\n\n"
        + highlight(text, PythonLexer(), formatter).replace("<pre>", '<pre tabindex="0">')
        + "\n"
    )


def function_line(path: str, name: str) -> int:
    """Where a function begins.

    Raises:
        ValueError: the file has no such function.
    """
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node.lineno
    raise ValueError(f"{path} has no function {name}: mend the link in docs/generator.")


def derivation_lines(name: str) -> tuple[int, list[int]]:
    """The line at which a derivation stands, and those of its steps (empty where they are computed, not written).

    Raises:
        ValueError: the module has no Derivation of that name.
    """
    tree = ast.parse((ROOT / "derivations" / f"{name.split('.')[0]}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Derivation":
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            if isinstance(given["name"], ast.Constant) and given["name"].value == name:
                return node.lineno, _steps(given["steps"])
    raise ValueError(f"derivations/{name.split('.')[0]}.py holds no Derivation(name={name!r}).")


def _steps(steps: ast.expr) -> list[int]:
    lines = []
    for step in steps.elts if isinstance(steps, ast.List) else []:
        if not isinstance(step, ast.Starred):
            lines.append(step.lineno)
        elif isinstance(step.value, ast.Call) and isinstance(step.value.func, ast.Name) and step.value.func.id == "chain":
            lines += [argument.lineno for argument in step.value.args[1:]]
        else:
            return []
    return lines
