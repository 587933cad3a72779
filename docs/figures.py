#!/usr/bin/env python3
"""The pictures of the site: each is what an example writes, made by its command and by nothing else.

    python3 run.py figures                  # those that are missing, or whose example or prior has changed since
    python3 run.py figures dps ddrm         # these
    python3 run.py figures --all

`docs/assets/figures/manifest.json` says of each picture by which command it was made, from which source (sha256 of
the example) and with which bundled weights (sha256 of them all), what came out (sha256 of the picture and of what was
printed, which stands in a .txt beside it), and in how many seconds. The gallery page is written with them.
"""

import ast
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
WEIGHTS = ROOT / "teachdiff" / "priors" / "weights"
PICTURES = ROOT / "docs" / "assets" / "figures"
MANIFEST = PICTURES / "manifest.json"
GALLERY = ROOT / "docs" / "gallery.md"

# What an example is run with where its defaults are not what the page shows.
OPTIONS = {"pigdm": ["--task", "deblur_gaussian", "--size", "32", "--steps", "200"]}
PAGES = {"first_restoration": "index.md", "digits": "learn/exactness.md"}


def makes_a_picture(example: Path) -> bool:
    """The example writes a PNG unless told otherwise."""
    return re.search(r'"--out", default="\w+\.png"', example.read_text(encoding="utf-8")) is not None


def examples() -> list[str]:
    """The names of the examples that make a picture: the chapters first, in their order."""
    found = {path.stem: title(path.stem) for path in EXAMPLES.glob("*.py") if makes_a_picture(path)}
    return sorted(found, key=lambda name: (not name.startswith("learn_"), found[name]))


def title(name: str) -> str:
    """The first line of the example's docstring."""
    return (ast.get_docstring(ast.parse((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"))) or "").split("\n")[0]


def page(name: str) -> str:
    """The page that speaks of an example, relative to docs/."""
    if name.startswith("learn_"):
        return f"learn/{name.removeprefix('learn_')}.md"
    return PAGES.get(name, f"methods/{name}.md")


def command(name: str) -> str:
    """What a reader types to get the picture."""
    return " ".join([".venv/bin/python", f"examples/{name}.py", *OPTIONS.get(name, [])])


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def sha256_of_weights() -> str:
    """Of all bundled weights together: an example may use any of them."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(WEIGHTS.glob("*.safetensors")))).hexdigest()


def read_manifest() -> dict[str, Any]:
    return json.loads(MANIFEST.read_text(encoding="utf-8")) if MANIFEST.exists() else {}


def is_stale(name: str, manifest: dict[str, Any]) -> bool:
    """No picture, or not the one of the manifest, or not by this command from this source with these weights."""
    files = [PICTURES / f"{name}.png", PICTURES / f"{name}.txt"]
    if f"{name}.png" not in manifest or not all(path.exists() for path in files):
        return True
    entry = manifest[f"{name}.png"]
    return any(entry.get(key) != value for key, value in facts(name).items())


def facts(name: str) -> dict[str, str]:
    """The command, and the hashes of the example, the weights, the picture and what was printed, as they are now."""
    return {
        "command": command(name),
        "source": sha256(EXAMPLES / f"{name}.py"),
        "weights": sha256_of_weights(),
        "sha256": sha256(PICTURES / f"{name}.png"),
        "printed": sha256(PICTURES / f"{name}.txt"),
    }


def make(name: str) -> dict[str, Any]:
    """Run an example, keep its picture and what it printed, and say what was done."""
    source = sha256(EXAMPLES / f"{name}.py")
    with tempfile.TemporaryDirectory() as folder:
        line = [sys.executable, str(EXAMPLES / f"{name}.py"), *OPTIONS.get(name, []), "--out", f"{name}.png"]
        started = time.perf_counter()
        done = subprocess.run(line, cwd=folder, check=True, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        seconds = time.perf_counter() - started
        PICTURES.mkdir(parents=True, exist_ok=True)
        shutil.move(Path(folder) / f"{name}.png", PICTURES / f"{name}.png")
    (PICTURES / f"{name}.txt").write_text(done.stdout, encoding="utf-8")
    return {**facts(name), "source": source, "seconds": round(seconds, 1)}


def gallery(names: list[str]) -> str:
    """The page: a card for each example."""
    cards = []
    for name in names:
        words = title(name)
        head, _, rest = words.partition(": ")
        lines = [f"**[{head}]({page(name)})**", rest[:1].upper() + rest[1:], f"`{command(name)}`"]
        picture = f"[![{words}](assets/figures/{name}.png){{ loading=lazy }}]({page(name)})"
        cards.append("\n".join(["<div markdown>", picture, "", *filter(None, lines), "</div>\n"]))
    silent = sorted(p.stem for p in EXAMPLES.glob("*.py") if not makes_a_picture(p))
    listed = "".join(f"- `.venv/bin/python examples/{name}.py`: {title(name)}\n" for name in silent)
    return (
        "---\nhide:\n  - toc\n---\n\n# Gallery\n\n"
        "<!-- Written by `python3 run.py figures`; edit docs/figures.py or the examples instead. -->\n\n"
        "One example for each chapter and each method. Each is a short script in `examples/`, in cells, that says\n"
        "what it does and writes the picture shown here. All run on a laptop without a GPU; `--help` lists the\n"
        "options, and where there is a `--device`, `--device cuda` moves the work to a GPU.\n\n"
        f'<div class="gallery" markdown>\n\n{chr(10).join(cards)}\n</div>\n\n'
        f"## Examples that only print\n\n{listed}\n"
        "## As notebooks\n\n"
        "The cells are marked `# %%`, which editors know. For a notebook, with jupytext installed:\n\n"
        "```\njupytext --to ipynb examples/dps.py\n```\n\n"
        "In it write `parser.parse_args([])`: a notebook is started with arguments of its own.\n\n"
        "## Making the pictures anew\n\n"
        "```\npython3 run.py figures          # those whose example, or a bundled prior, has changed\n"
        "python3 run.py figures --all\n```\n\n"
        "`docs/assets/figures/manifest.json` holds the command and the hashes of the example, of the weights and of\n"
        "the picture. A test compares them with the files: no picture here is older than its example or the priors.\n"
        "Another processor may round otherwise and give a picture that differs in a few pixels.\n"
    )


def main(arguments: list[str]) -> int:
    names, manifest = examples(), read_manifest()
    unknown = [a for a in arguments if a != "--all" and a not in names]
    if unknown:
        print(f"figures: no example makes a picture named {', '.join(unknown)}; there are: {', '.join(names)}.")
        return 2
    chosen = [n for n in names if "--all" in arguments or n in arguments or (not arguments and is_stale(n, manifest))]
    for name in chosen:
        print(f"== {command(name)}", flush=True)
        manifest[f"{name}.png"] = make(name)
        kept = {key: entry for key, entry in sorted(manifest.items()) if key.removesuffix(".png") in names}
        MANIFEST.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    for path in [*PICTURES.glob("*.png"), *PICTURES.glob("*.txt")]:
        if path.stem not in names:
            path.unlink()
    GALLERY.write_text(gallery(names), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
