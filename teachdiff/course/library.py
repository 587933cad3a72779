"""The library that a submission sees while it runs: what its questions need, with the answers cut out.

Not the installed package: a copy of the few modules that the drivers and the cut modules import. What is not needed is
not there (the laws, the oracles, the proofs, the other methods, this course), and of what is there the named functions
have no bodies.
"""

import ast
import importlib.util
from collections.abc import Mapping
from pathlib import Path

from teachdiff.course.cut import with_holes

ROOTS = ("teachdiff.course.drivers", "teachdiff.course.worker")


def library(holes: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """File -> text of the modules that are needed; packages around them are empty.

    Arguments:
        holes: module -> name of a function there -> what it says when it is called (see `cut.with_holes`).

    Raises:
        ValueError: a module or a function that does not exist.
    """
    sources: dict[str, tuple[str, Path]] = {}
    wanted = [*ROOTS, *holes]
    while wanted:
        name = wanted.pop()
        if name not in sources:
            path = origin(name)
            if path is None:
                raise ValueError(f"there is no module {name}.")
            text = path.read_text(encoding="utf-8")
            sources[name] = (text, path)
            wanted.extend(imported(text))
    files: dict[str, str] = {}
    for name, (text, path) in sources.items():
        parts = name.split(".")
        for depth in range(1, len(parts)):
            files.setdefault("/".join(parts[:depth]) + "/__init__.py", "")
        file = "/".join(parts) + ("/__init__.py" if path.name == "__init__.py" else ".py")
        files[file] = with_holes(text, holes[name]) if name in holes else text
    return files


def origin(name: str) -> Path | None:
    """The file of a module of this package; None if there is none."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # a.b.c where a.b is no package
        return None
    return Path(spec.origin) if spec is not None and spec.origin else None


def imported(source: str) -> list[str]:
    """The modules of teachdiff that a source imports, wherever in it; not the package itself, which stays empty."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.startswith("teachdiff.")]
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "teachdiff":
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if origin(whole) is not None:
                    found.append(whole)
                elif node.module != "teachdiff":
                    found.append(node.module)
    return found
