"""The order of the house: who may import whom, what stays unloaded, what no file may name."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# From the ground up. A room may import rooms of lower layers, never of its own or of a higher one.
LAYERS = [
    {"checks", "files", "mathml", "published", "shards", "tables"},
    {"bases", "faces", "noise"},
    {"data", "metrics", "schedules", "settings"},
    {"predictions"},
    {"operators"},
    {"problems", "scheduling", "trajectories"},
    {"priors"},
    {"reader"},
    {"methods"},
    {"exact"},
    {"baselines", "exactness"},
    {"compare"},
    {"bench", "experiment"},
    {"growth", "judge", "reproduce", "tune"},
    {"testing"},
    {"course"},
    {"tour"},
    {"report"},
    {"cli"},
    {"__main__"},
]
LAYER = {room: number for number, layer in enumerate(LAYERS) for room in layer}
MAY_IMPORT_DERIVATIONS = {"cli", "course", "tour"}

# Seconds to load, or absent where an extra is not installed: `import teachdiff` must not need them.
HEAVY = [
    "derivations", "diffusers", "huggingface_hub", "hypothesis", "lpips", "matplotlib", "skimage", "sympy",
    "torchvision", "typer",
]  # fmt: skip


def modules(package: str) -> dict[str, str]:
    """The source of each module of a package, by its dotted name; a package is named like its folder."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text(encoding="utf-8")
    return found


def imports(name: str, source: str, known: Iterable[str]) -> set[str]:
    """The modules that a module imports, wherever in it; of `from a import b`, a.b where that is a known module."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            # `import package` inside the package says nothing new: the package is loaded by then.
            found |= {alias.name for alias in node.names if not name.startswith(alias.name + ".")}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise AssertionError(f"{name} imports relatively (line {node.lineno}): write the full name")
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in known else str(node.module))
    return found


def room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def wrong_imports(sources: dict[str, str]) -> list[str]:
    """Each import that does not run downwards, in words."""
    wrong = []
    for name, source in sources.items():
        if room(name) and room(name) not in LAYER:
            wrong.append(f"{name} has no place in LAYERS yet: give it one")
            continue
        for other in sorted(imports(name, source, sources)):
            package = other.split(".")[0]
            if package == "derivations" and room(name) not in MAY_IMPORT_DERIVATIONS:
                wrong.append(f"{name} imports {other}: only {sorted(MAY_IMPORT_DERIVATIONS)} may")
            if package != "teachdiff" or room(other) == room(name):
                continue
            if LAYER.get(room(other), -1) >= LAYER.get(room(name), len(LAYERS)):
                wrong.append(f"{name} imports {other}, which is not below it")
    return wrong


def circle(sources: dict[str, str]) -> list[str]:
    """Modules that import each other in a ring, or []."""
    graph = {name: sorted(imports(name, source, sources) & sources.keys()) for name, source in sources.items()}
    done: set[str] = set()

    def search(name: str, above: list[str]) -> list[str]:
        if name in above:
            return [*above[above.index(name) :], name]
        if name in done:
            return []
        for other in graph[name]:
            ring = search(other, [*above, name])
            if ring:
                return ring
        done.add(name)
        return []

    return next((ring for name in graph if (ring := search(name, []))), [])


def heavy_after(statement: str) -> list[str]:
    """Which of the heavy packages a fresh Python has loaded after a statement."""
    code = f"{statement}\nimport sys, json\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_importing_teachdiff_loads_nothing_heavy():
    assert heavy_after("import teachdiff") == []


def test_importing_the_library_loads_nothing_heavy():
    library = [name for name in modules("teachdiff") if LAYER.get(room(name), 0) <= LAYER["exact"]]
    assert len(library) > 10
    assert heavy_after("\n".join(f"import {name}" for name in library)) == []


def test_heavy_packages_would_be_noticed():
    assert heavy_after("import sympy") == ["sympy"]


def test_imports_run_one_way():
    sources = modules("teachdiff")
    assert "teachdiff.schedules" in sources
    assert wrong_imports(sources) == []


@pytest.mark.parametrize("package", ["teachdiff", "derivations"])
def test_no_circles(package):
    assert circle(modules(package)) == []


def test_derivations_need_neither_torch_nor_teachdiff():
    sources = modules("derivations")
    used = {(name, other.split(".")[0]) for name, source in sources.items() for other in imports(name, source, sources)}
    assert [pair for pair in sorted(used) if pair[1] in ("torch", "teachdiff", "numpy")] == []


UPWARDS = {
    "to a higher layer": {"teachdiff.schedules": "from teachdiff.predictions import x", "teachdiff.predictions": ""},
    "inside a function": {"teachdiff.bases": "def f():\n    import teachdiff.methods.dps"},
    "to a sibling": {"teachdiff.operators.masks": "from teachdiff.priors.gaussian import GaussianPrior"},
    "of a module from the package": {"teachdiff.checks": "from teachdiff import cli", "teachdiff.cli": ""},
    "of the proofs": {"teachdiff.schedules": "import derivations.ddpm"},
    "by a room without a place": {"teachdiff.attic": ""},
}


@pytest.mark.parametrize("sources", UPWARDS.values(), ids=UPWARDS)
def test_a_wrong_import_would_be_noticed(sources):
    assert len(wrong_imports(sources)) == 1


def test_right_imports_are_right():
    sources = {
        "teachdiff": "",
        "teachdiff.methods.dps": "from teachdiff.methods.reverse import loop\nfrom teachdiff import checks",
        "teachdiff.methods.reverse": "from teachdiff.schedules import Schedule",
        "teachdiff.checks": "",
        "teachdiff.cli": "def prove():\n    import derivations",
    }
    assert wrong_imports(sources) == [] and circle(sources) == []


def test_a_circle_would_be_noticed():
    sources = {
        "p": "import p.a",
        "p.a": "def late():\n    from p import b",
        "p.b": "from p.c import x",
        "p.c": "import p\nfrom p.a import y",
    }
    assert circle(sources) == ["p.a", "p.b", "p.c", "p.a"]
    assert circle({**sources, "p.c": "import p"}) == []
    assert circle({"p": "import p.a", "p.a": "from p import x"}) == ["p", "p.a", "p"]


# What only one machine or one workplace knows. Hosts of package indexes belong into a user's own settings.
PRIVATE = {
    "a folder of one machine": r"(?<![\w.~-])/(root|work|opt|home/\w+|Users/\w+)/|[A-Z]:\\Users\\",
    "a folder beside the project": r"\.\./shared\b",
    "a package index": r"\b(pypi\.(org|python)|pythonhosted\.|registry\.npmjs|deb\.debian|anaconda\.org)"
    r"|pytorch\.org/whl|--(extra-)?index-url\b|--find-link[s]",
}
VENDORED = "docs/assets/katex/"


def private(text: str) -> list[str]:
    return [f"{what}: {found[0]}" for what, pattern in PRIVATE.items() for found in re.finditer(pattern, text)]


def project_files() -> list[str]:
    """What git holds or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"git does not list this folder's files: {error}")
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_one_machine_or_a_package_index():
    names = [name for name in project_files() if not name.startswith(VENDORED)]
    assert "tests/test_repository.py" in names
    wrong = []
    for name in names:
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a picture or a checkpoint
            continue
        wrong += [f"{name}: {found}" for found in private(text)]
    assert wrong == []


def test_there_is_no_second_lock_file():
    assert [name for name in project_files() if Path(name).name in ("uv.lock", "poetry.lock", "Pipfile.lock")] == []


@pytest.mark.parametrize(
    "parts",
    [
        ("see /ro", "ot/notes"),
        ('open("/wo', 'rk/data.zip")'),
        ("file:///ho", "me/ann/x"),
        (r"C:\Us", r"ers\ann"),
        ("data in ../sha", "red/data"),
        ("https://py", "pi.org/simple"),
        ("https://download.py", "torch.org/whl/cpu"),
        ("pip install --index", "-url https://mirror"),
    ],
)
def test_a_private_name_would_be_noticed(parts):
    assert len(private("".join(parts))) == 1


@pytest.mark.parametrize(
    "text", ["tests/work/x", "~/work/x", "https://example.org/home", "a/ro" + "ot/b", "shared/ideas"]
)
def test_other_names_are_left_alone(text):
    assert private(text) == []


def test_constraints_are_exact_and_fit_every_platform():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    assert len(pinned) > 30
    assert [line for line in pinned if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)] == []
    assert [line for line in pinned if re.match(r"(nvidia|cuda|triton|pywin)", line, re.IGNORECASE)] == []


def test_the_version_stands_twice_and_is_the_same():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert f'__version__ = "{listed}"' in modules("teachdiff")["teachdiff"]


def test_a_license_lies_with_what_was_vendored():
    assert "MIT" in (ROOT / VENDORED / "LICENSE").read_text(encoding="utf-8")
