"""An autograder for Gradescope: a zip with `setup.sh` and `run_autograder` at its root, and the results it writes.

The zip holds this package, the versions that it was made with, and the instructor's secret. All of that is root's alone
in the container: a submission runs as a user that owns nothing, and sees a copy of the library with holes.

`results.json` is written whatever happens: `run_autograder` writes first that nothing came of it, in plain shell, and
only then starts Python.
"""

import argparse
import importlib.metadata
import re
import stat
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from teachdiff.course import grading, registry
from teachdiff.course.sandbox import PACKAGE
from teachdiff.files import atomic, write_json

HIDDEN = ("hidden", "after_due_date", "after_published")

SETUP = """#!/usr/bin/env bash
# Runs once, when Gradescope builds the image.
set -e
root="${{AUTOGRADER_ROOT:-/autograder}}"
python=""
for name in python3.13 python3.12 python3.11; do
    if [ -z "$python" ] && command -v "$name" > /dev/null; then python="$name"; fi
done
if [ -z "$python" ]; then
    apt-get update
    apt-get install -y python3.11 python3.11-venv
    python=python3.11
fi
"$python" -m venv "$root/venv"
"$root/venv/bin/python" -m pip install {pip}-r "$root/source/requirements.txt"
# The reference, the laws and the secret are root's alone; Python and its packages are for everybody.
chmod -R go-rwx "$root/source"
chmod -R go+rX "$root/venv"
"""

RUN = """#!/usr/bin/env bash
# Runs for each submission. Whatever fails below, there are results.
root="${{AUTOGRADER_ROOT:-/autograder}}"
mkdir -p "$root/results"
cat > "$root/results/results.json" << 'END'
{fallback}
END
chmod -R go-rwx "$root/source"
cd /
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$root/source/package" OMP_NUM_THREADS=1 \\
    "$root/venv/bin/python" -m teachdiff.course.gradescope {name} \\
    --submission "$root/submission" --secret "$root/source/secret" --results "$root/results/results.json" \\
    --hidden {hidden}
exit 0
"""

FALLBACK = """{"score": 0, "output": "The autograder did not start. This is no fault of the submission: tell your \
instructor, who sees why below.", "stdout_visibility": "hidden", "tests": []}"""


def write_zip(name: str, secret: bytes, path: Path, hidden: str, pip: str = "") -> int:
    """Write the autograder of an assignment; returns its size in bytes. The same input gives the same bytes.

    Arguments:
        hidden: when a law that is not shown is seen, one of `HIDDEN`.
        pip: arguments for pip in the container.
    """
    files: dict[str, bytes] = {
        "setup.sh": SETUP.format(pip=f"{pip.strip()} " if pip.strip() else "").encode(),
        "run_autograder": RUN.format(name=name, hidden=hidden, fallback=FALLBACK).encode(),
        "requirements.txt": "".join(f"{line}\n" for line in requirements()).encode(),
        "secret": secret + b"\n",
    }
    for tree in (PACKAGE, PACKAGE.parent / "derivations"):
        for file in sorted(tree.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                files[f"package/{file.relative_to(tree.parent).as_posix()}"] = file.read_bytes()
    with atomic(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for file_name, data in files.items():
            info = zipfile.ZipInfo(file_name)  # dated 1980, so that the bytes depend on the content alone
            runs = file_name in ("setup.sh", "run_autograder")
            info.external_attr = (stat.S_IFREG | (0o755 if runs else 0o600)) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path.stat().st_size


def requirements() -> list[str]:
    """The packages that the core needs, in the versions that stand here: the same grader there.

    Raises:
        RuntimeError: teachdiff is not installed, so nobody knows what it needs.
    """
    try:
        needed = importlib.metadata.requires("teachdiff") or []
    except importlib.metadata.PackageNotFoundError:
        raise RuntimeError("teachdiff is not installed: install it (`pip install -e .` in its folder).") from None
    names = [re.split(r"[^A-Za-z0-9._-]", line)[0] for line in needed if "extra ==" not in line]
    # 2.9.1+cpu names a build, and the index that has it; the version is what counts
    return [f"{name}=={importlib.metadata.version(name).split('+')[0]}" for name in names]


def results_json(name: str, row: Mapping[str, Any], hidden: str, seconds: float) -> dict[str, Any]:
    """A result as Gradescope reads it: a test for each law."""
    assignment = registry.assignment(name)
    verdicts = {(v["exercise"], v["check"]): v for v in row["verdicts"]}
    tests = []
    for exercise, check in assignment.checks():
        v = verdicts.get((exercise.id, check.name))
        passed = v is not None and v["passed"]
        lines = [check.law]
        if v is not None and not passed:
            lines += [v["message"]] if check.visible else []
            lines += [f"Why it must hold: teachdiff prove {check.proof}"] if check.proof else []
        tests.append(
            {
                "name": f"{exercise.id}. {exercise.title}: {check.name}",
                "score": check.points if passed else 0,
                "max_score": check.points,
                "status": "passed" if passed else "failed",
                "output": "\n".join(lines),
                "output_format": "text",
                "visibility": "visible" if check.visible else hidden,
            }
        )
    return {
        "score": row["points"],
        "execution_time": round(seconds),
        "output": said(row),
        "output_format": "text",
        "stdout_visibility": "hidden",
        "tests": tests,
    }


def said(row: Mapping[str, Any]) -> str:
    """What a student reads above the tests; no figure tells of laws that are not shown."""
    if row["problem"]:
        return f"Nothing could be graded: {row['problem']}."
    return "A test for each law. `teachdiff course check .` asks those that are shown, with other numbers."


def main(arguments: Sequence[str] | None = None) -> None:
    """Grade the one submission and write the results; whatever goes wrong is written there too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    for option in ("submission", "secret", "results"):
        parser.add_argument(f"--{option}", type=Path, required=True)
    parser.add_argument("--hidden", choices=HIDDEN, required=True)
    given = parser.parse_args(arguments)
    begun = time.monotonic()
    try:
        secret = grading.read_secret(given.secret)
        held = grading.safe_layers(trusted=False, keep=[given.secret])
        print(held.describe())
        row = grading.grade_one(given.name, given.submission, secret)
        print(row["output"])
        results = results_json(given.name, row, given.hidden, time.monotonic() - begun)
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
        results = {
            "score": 0,
            "execution_time": round(time.monotonic() - begun),
            "output": "The autograder failed. This is no fault of the submission: tell your instructor.",
            "stdout_visibility": "hidden",
            "tests": [],
        }
    write_json(given.results, results)


if __name__ == "__main__":
    main()
