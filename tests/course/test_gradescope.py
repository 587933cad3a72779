"""The zip for Gradescope, and results.json, which is there whatever happens."""

import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tiny
from tiny import MUTANTS, RIGHT, hand_in

from teachdiff.course import gradescope, grading, sandbox

SECRET = b"a secret of the tests' own"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="submissions are run on Linux and macOS only")


@pytest.fixture
def course(monkeypatch):
    tiny.install(monkeypatch.setattr)
    monkeypatch.setattr(gradescope.grading, "safe_layers", lambda trusted, keep=(): sandbox.isolation())


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("zip") / "hw1.zip"
    gradescope.write_zip("hw1", SECRET, path, "after_published", "--prefer-binary")
    return path


def run(tmp_path, text, secret=SECRET, hidden="after_published"):
    """results.json of a submission to the tiny assignment."""
    (tmp_path / "secret").write_bytes(secret)
    results = tmp_path / "results.json"
    arguments = ["tiny", "--submission", hand_in(tmp_path / "in", text), "--secret", tmp_path / "secret"]
    gradescope.main([str(a) for a in [*arguments, "--results", results, "--hidden", hidden]])
    return json.loads(results.read_text())


def well_formed(results):
    assert set(results) >= {"score", "output", "stdout_visibility", "tests"}
    assert isinstance(results["score"], int | float) and results["stdout_visibility"] == "hidden"
    for test in results["tests"]:
        assert {"name", "score", "max_score", "status", "output", "visibility"} <= set(test)
        assert test["status"] in ("passed", "failed") and 0 <= test["score"] <= test["max_score"]
        assert test["visibility"] in ("visible", "hidden", "after_due_date", "after_published")
    if results["tests"]:
        assert results["score"] == sum(test["score"] for test in results["tests"])
    return results


@pytest.mark.parametrize(("text", "points"), MUTANTS.items())
def test_results_are_as_gradescope_reads_them(text, points, course, tmp_path):
    results = well_formed(run(tmp_path, text))
    assert results["score"] == points and len(results["tests"]) == 2
    assert [test["visibility"] for test in results["tests"]] == ["visible", "after_published"]


def test_a_law_that_is_not_shown_tells_no_numbers(course, tmp_path):
    shown, unseen = run(tmp_path, list(MUTANTS)[3], hidden="hidden")["tests"]
    assert "beside" in shown["output"] and "teachdiff prove vp_marginal" in shown["output"]
    assert unseen["output"] == "g(x) = Σ x" and unseen["visibility"] == "hidden"


def test_what_a_submission_prints_is_for_the_instructor(course, tmp_path, capsys):
    results = run(tmp_path, "print('\\x1b[31m<script>')\n" + RIGHT)
    assert "<script>" not in json.dumps(results) and "\x1b" not in capsys.readouterr().out


def test_there_are_results_when_the_grader_fails(course, tmp_path, monkeypatch):
    monkeypatch.setattr(grading, "grade_one", lambda *a: 1 / 0)
    results = well_formed(run(tmp_path, RIGHT))
    assert results["score"] == 0 and "no fault of the submission" in results["output"]


def test_there_are_results_without_a_secret(course, tmp_path):
    assert well_formed(run(tmp_path, RIGHT, secret=b"short"))["score"] == 0


def test_there_are_results_where_nothing_was_handed_in(course, tmp_path):
    (tmp_path / "secret").write_bytes(SECRET)
    results = tmp_path / "results.json"
    for submission in (tmp_path / "nowhere", tmp_path):
        arguments = ["tiny", "--submission", submission, "--secret", tmp_path / "secret", "--results", results]
        gradescope.main([*map(str, arguments), "--hidden", "hidden"])
        assert well_formed(json.loads(results.read_text()))["score"] == 0


# The zip


def test_the_zip_is_as_gradescope_wants_it(exported, tmp_path):
    with zipfile.ZipFile(exported) as archive:
        infos = {info.filename: info for info in archive.infolist()}
        setup = archive.read("setup.sh").decode()
        needed = archive.read("requirements.txt").decode().split()
    for name in ("setup.sh", "run_autograder"):
        assert infos[name].external_attr >> 16 == stat.S_IFREG | 0o755
    assert "pip install --prefer-binary -r" in setup
    assert "package/teachdiff/course/hw1.py" in infos and "package/derivations/registry.py" in infos
    assert not any("__pycache__" in name or name.startswith("package/tests") for name in infos)
    assert any(line.startswith("torch==") for line in needed)
    assert all("==" in line and "+" not in line for line in needed)
    again = tmp_path / "again.zip"
    gradescope.write_zip("hw1", SECRET, again, "after_published", "--prefer-binary")
    assert again.read_bytes() == exported.read_bytes()


def test_the_scripts_are_shell(exported):
    with zipfile.ZipFile(exported) as archive:
        for name in ("setup.sh", "run_autograder"):
            subprocess.run(["bash", "-n"], input=archive.read(name), check=True)


def unpacked(exported: Path, root: Path) -> Path:
    """The container's folders, with this Python in the place of the one that setup.sh makes."""
    (root / "venv" / "bin").mkdir(parents=True)
    with zipfile.ZipFile(exported) as archive:
        archive.extractall(root / "source")
    for name in ("setup.sh", "run_autograder"):
        (root / "source" / name).chmod(0o755)
    python = root / "venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return root


def autograde(root: Path) -> dict:
    environment = {"PATH": os.environ["PATH"], "AUTOGRADER_ROOT": str(root)}
    subprocess.run([root / "source" / "run_autograder"], env=environment, check=True, timeout=240)
    return well_formed(json.loads((root / "results" / "results.json").read_text()))


@pytest.mark.parametrize("broken", ["no Python", "no package"])
def test_there_are_results_when_nothing_starts(broken, exported, tmp_path):
    root = unpacked(exported, tmp_path)
    (tmp_path / "submission").mkdir()
    if broken == "no Python":
        (root / "venv" / "bin" / "python").unlink()
    else:
        (root / "source" / "package" / "teachdiff" / "__init__.py").write_text("raise ImportError\n")
    results = autograde(root)
    assert results["score"] == 0 and "did not start" in results["output"]


@pytest.mark.slow
def test_the_whole_autograder(exported, tmp_path):
    """hw1 as it is handed in, and one that looks for the secret and the reference."""
    from teachdiff.course import registry
    from teachdiff.course.start import solution, write

    root = unpacked(exported, tmp_path / "root")
    right = solution(registry.assignment("hw1"))
    write(right, root / "submission")
    assert autograde(root)["score"] == registry.assignment("hw1").points
    assert stat.S_IMODE((root / "source").stat().st_mode) & 0o077 == 0
    for path in ("secret", "package/teachdiff/schedules.py"):
        spy = right["schedules.py"] + f"\nraise RuntimeError(open({str(root / 'source' / path)!r}).read())\n"
        (root / "submission" / "schedules.py").write_text(spy)
        results = json.dumps(autograde(root))
        assert "No such file" in results or "Permission denied" in results
        assert SECRET.decode() not in results and "alpha_bar.sqrt" not in results
