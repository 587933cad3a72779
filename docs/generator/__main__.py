"""Write docs/generated/, then build the site: what `python3 run.py site` runs."""

import os
import subprocess
import sys
from pathlib import Path

from docs.generator import commands, graph, proofs, results, rows, source

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "docs" / "generated"


def pages() -> dict[str, str]:
    """Every generated page by its path in docs/generated/."""
    findings = results.read_or_check(GENERATED / ".results.json")
    sources = sorted({f"derivations/{name.split('.')[0]}.py" for name in results.registry.everything()})
    tests = [proofs.TEST_OF_STEPS[0], proofs.TEST_OF_CODE[0]]
    return {
        "theorems.md": graph.page(findings),
        "ledger.md": rows.page(findings),
        "cli.md": commands.page(),
        **proofs.pages(findings),
        **{source.address(path).replace(".html", ".md"): source.page(path) for path in [*sources, *tests]},
    }


def write(made: dict[str, str]) -> None:
    """Write the pages that changed, and remove those that are no more."""
    for path in GENERATED.rglob("*.md"):
        if path.relative_to(GENERATED).as_posix() not in made:
            path.unlink()
    for name, text in made.items():
        path = GENERATED / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def index_for_a_folder(site: Path) -> None:
    """The search's index as a script: from a folder a page may load a script, but fetch nothing."""
    index = (site / "search" / "search_index.json").read_text(encoding="utf-8")
    (site / "search" / "search_index.js").write_text(f"var __index = {index};\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    if arguments:
        print("`python3 run.py site` takes no arguments; for others call mkdocs itself once it has run.", file=sys.stderr)
        return 2
    write(pages())
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    code = subprocess.call([sys.executable, "-m", "mkdocs", "build", "--strict"], cwd=ROOT, env=environment)
    if code == 0:
        index_for_a_folder(ROOT / "site")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
