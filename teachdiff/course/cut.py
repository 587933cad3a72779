"""The library with holes: bodies cut out of the real source, so that there is no second copy of anything.

A cut keeps decorators, signature and docstring, and puts `raise NotImplementedError(...)` in the place of the rest.
"""

import ast
import importlib.util
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from teachdiff.course.model import Assignment, Cut, Exercise, Holes
from teachdiff.course.parts import heading

Definition = ast.FunctionDef | ast.ClassDef


def source_path(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(f"there is no module {module}.")
    return spec.origin


def source_of(module: str) -> str:
    """The text of a module of the library."""
    return Path(source_path(module)).read_text(encoding="utf-8")


def find(tree: ast.Module, name: str) -> Definition:
    """The definition of "function", "Class" or "Class.method".

    Raises:
        ValueError: there is none.
    """
    body: list[ast.stmt] = tree.body
    found: Definition | None = None
    for part in name.split("."):
        kinds = ast.FunctionDef | ast.ClassDef
        found = next((node for node in body if isinstance(node, kinds) and node.name == part), None)
        if found is None:
            raise ValueError(f"there is nothing called {name} to cut.")
        body = found.body
    assert found is not None
    return found


def with_holes(source: str, holes: Mapping[str, str]) -> str:
    """`source` with the bodies of the named functions cut: name -> what the error says.

    Raises:
        ValueError: a name that is no function of the source.
    """
    lines, tree = source.splitlines(), ast.parse(source)
    cuts = []
    for name, message in holes.items():
        node = find(tree, name)
        if not isinstance(node, ast.FunctionDef):
            raise ValueError(f"{name} is no function: only functions have bodies to cut.")
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        first = body[0].lineno if body else node.end_lineno + 1  # type: ignore[operator]
        # Comments above the first statement belong to the answer too.
        start = (node.body[0].end_lineno if body is not node.body else signature_end(node)) or first - 1
        indent = " " * (node.col_offset + 4)
        cuts.append((start, node.end_lineno, f"{indent}raise NotImplementedError({message!r})".replace("'", '"')))
    for start, end, line in sorted(cuts, reverse=True):
        lines[start:end] = [line]
    return "\n".join(lines) + "\n"


def signature_end(node: ast.FunctionDef) -> int:
    """The last line of a `def` statement before its body, which has no docstring."""
    return node.body[0].lineno - 1


def names_in(node: ast.AST) -> set[str]:
    """Every name that a definition speaks of, those of quoted annotations too."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    for n in ast.walk(node):
        if isinstance(n, ast.arg | ast.FunctionDef):
            quoted = n.annotation if isinstance(n, ast.arg) else n.returns
            if isinstance(quoted, ast.Constant) and isinstance(quoted.value, str):
                names.add(quoted.value)
    return names


def excerpt(module: str, sections: Mapping[str, Iterable[str]], holes: Mapping[str, str]) -> str:
    """A file with these functions and classes of a module, the imports that they need, and the named bodies cut.

    What else of the module they use is imported from the library.

    Arguments:
        sections: heading -> the names that stand below it.
    """
    source = source_of(module)
    tree = ast.parse(source)
    under = {name.split(".")[0]: above for above, names in sections.items() for name in names}
    tops = list(under)
    chosen = [node for node in tree.body if isinstance(node, Definition) and node.name in tops]
    missing = set(tops) - {node.name for node in chosen}
    if missing:
        raise ValueError(f"{module} has no {', '.join(sorted(missing))}.")
    used = set().union(*(names_in(node) for node in chosen)) - set(tops)
    holed = with_holes(source, holes).splitlines()
    after = {node.name: node for node in ast.parse("\n".join(holed)).body if isinstance(node, Definition)}
    parts = []
    for section in sections:
        found = []
        for node in (after[node.name] for node in chosen if under[node.name] == section):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            found.append("\n".join(holed[first - 1 : node.end_lineno]))
        parts.append(f"{section}\n" + "\n\n\n".join(found))
    doc = ast.get_docstring(tree, clean=False)
    head = f'r"""{doc}"""\n' if doc else ""
    return "\n\n\n".join([f"{head}\n{imports_of(tree, module, used)}", *parts]) + "\n"


def imports_of(tree: ast.Module, module: str, used: set[str]) -> str:
    """The imports of a module as far as these names need them, and an import from it of what it defines itself."""
    plain: list[str] = []
    library: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            kept = [alias for alias in node.names if (alias.asname or alias.name).split(".")[0] in used]
            if kept:
                node.names = kept
                ours = isinstance(node, ast.ImportFrom) and str(node.module).startswith("teachdiff")
                (library if ours else plain).append(ast.unparse(node))
    own = sorted(name for name in defined(tree) if name in used)
    if own:
        library.append(f"from {module} import {', '.join(own)}")
    return "\n".join([*plain, *([""] if plain and library else []), *sorted(library)])


def defined(tree: ast.Module) -> set[str]:
    """The names that a module defines at its top."""
    found = set()
    for node in tree.body:
        if isinstance(node, Definition):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def message(exercise: Exercise, name: str) -> str:
    return f"exercise {exercise.id}: {name} is yours to write"


def holes_of(exercises: Iterable[Exercise], module: str) -> dict[str, str]:
    """name -> message of everything that these exercises cut out of a module."""
    return {
        name: message(exercise, name)
        for exercise in exercises
        for cut in exercise.cuts
        if cut.module == module
        for name in cut.names
    }


def holes_beside(assignment: Assignment, exercise: Exercise) -> Holes:
    """module -> holes that must be in the library while an exercise's answer runs.

    All cuts of the modules that the exercise touches: its own functions, and their neighbours in other exercises, from
    which an answer could be put together.
    """
    modules = dict.fromkeys(cut.module for cut in exercise.cuts)
    return {module: holes_of(assignment.exercises, module) for module in modules}


def files_of(assignment: Assignment, solved: bool = False) -> dict[str, str]:
    """File -> text of the cut functions, with their bodies (`solved`) or without, under a heading for each exercise."""
    found = {}
    cuts: dict[str, list[tuple[Exercise, Cut]]] = {}
    for exercise in assignment.exercises:
        for cut in exercise.cuts:
            cuts.setdefault(cut.file, []).append((exercise, cut))
    for file, of_file in cuts.items():
        module = of_file[0][1].module
        if any(cut.module != module for _, cut in of_file):
            raise ValueError(f"{assignment.id}: {file} is cut out of two modules.")
        sections: dict[str, list[str]] = {}
        for exercise, cut in of_file:
            sections.setdefault(heading(exercise.id, exercise.title), []).extend(cut.names)
        tops = Counter(top for names in sections.values() for top in {name.split(".")[0] for name in names})
        for top, often in tops.items():
            if often > 1:
                raise ValueError(f"{assignment.id}: {file}: {top} is cut in two exercises; one of them can hold it.")
        found[file] = excerpt(module, sections, {} if solved else holes_of(assignment.exercises, module))
    return found


#: The rooms of the library that an answer may use: no oracle, no law, no other road to a result.
ROOMS = (
    "bases", "checks", "data", "faces", "files", "methods", "metrics", "noise", "operators", "predictions", "priors",
    "problems", "schedules", "shards", "tables",
)  # fmt: skip


def library(holes: Holes) -> dict[str, str]:
    """Path -> text of the library that a submission sees: the rooms that answers may use, with holes, and the drivers.

    Arguments:
        holes: module -> {function: message}, as `holes_beside` gives them.
    """
    root = Path(source_path("teachdiff")).parent
    paths = [root / "__init__.py", root / "course" / "__init__.py", root / "course" / "drivers.py"]
    for room in ROOMS:
        paths += sorted((root / room).rglob("*.py")) if (root / room).is_dir() else [root / f"{room}.py"]
    found = {}
    for path in paths:
        parts = path.relative_to(root.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        found["/".join((*parts[:-1], path.name))] = with_holes(text, holes[module]) if holes.get(module) else text
    return found
