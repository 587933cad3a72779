"""Grading: the same table whenever it is made, whatever was killed on the way."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny
from mutants import MUTANTS as MISTAKES
from tiny import MUTANTS, RIGHT, TINY, hand_in
from typer.testing import CliRunner

from teachdiff.cli import app
from teachdiff.course import grading, registry, sandbox
from teachdiff.course.start import solution, write

SECRET = b"a secret of the tests' own"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="submissions are run on Linux and macOS only")


@pytest.fixture
def course(monkeypatch):
    tiny.install(monkeypatch.setattr)


def mutants(folder: Path, copies: int = 1) -> list[Path]:
    """Submissions that differ from each other, at least in a comment."""
    return [
        hand_in(folder / f"student{i:03}-{k}", f"{text}\n# {i}\n")
        for i in range(copies)
        for k, text in enumerate(MUTANTS)
    ]


def without_seconds(rows):
    return [{k: v for k, v in row.items() if k != "seconds"} | {
        "verdicts": [{k: v for k, v in verdict.items() if k != "seconds"} for verdict in row["verdicts"]]
    } for row in rows]  # fmt: skip


def test_partial_credit_for_each_law(course, tmp_path):
    rows = grading.grade("tiny", mutants(tmp_path / "in"), SECRET, tmp_path / "out")
    assert [row["points"] for row in rows] == list(MUTANTS.values())
    assert all(row["possible"] == 5 and row["seconds"] > 0 for row in rows)
    (broken,) = [v for v in rows[1]["verdicts"] if not v["passed"]]
    assert broken["law"] == "f(x) = x²" and "beside" in broken["message"]


def test_the_same_submission_has_the_same_result_whatever_it_is_called(course, tmp_path):
    first = grading.grade_one("tiny", hand_in(tmp_path / "a", list(MUTANTS)[1]), SECRET)
    again = grading.grade_one("tiny", hand_in(tmp_path / "b", list(MUTANTS)[1]), SECRET)
    assert without_seconds([first]) == without_seconds([again])


def test_the_draws_depend_on_the_secret_and_on_the_content(course, tmp_path):
    """So that what somebody learns of them serves nobody."""
    seen = "import json\n" + RIGHT.replace("return sum(x)", "print(json.dumps(x))\n    return sum(x)")
    outputs = {
        grading.grade_one("tiny", hand_in(tmp_path / name, seen + more), secret)["output"]
        for name, more, secret in [("a", "", SECRET), ("b", "# other\n", SECRET), ("c", "", SECRET * 2)]
    }
    assert len(outputs) == 3 and all(len(output.splitlines()) == 2 for output in outputs)


def test_practice_asks_what_is_shown_and_nothing_else(course, tmp_path):
    row = grading.grade_one("tiny", hand_in(tmp_path / "a", MUTANTS and list(MUTANTS)[2]), grading.PRACTICE)
    assert (row["points"], row["possible"]) == (2, 2)
    assert [v["check"] for v in row["verdicts"]] == ["squares"]


def test_what_cannot_be_taken_is_a_row_too(course, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "essay.pdf").write_bytes(b"%PDF")
    (row,) = grading.grade("tiny", grading.submissions_in([tmp_path / "in"], TINY), SECRET, tmp_path / "out")
    assert (row["points"], row["possible"]) == (0, 5) and row["problem"] == "essay.pdf is neither a folder nor a zip"
    assert "Nothing could be graded" in grading.summarise(TINY, row)


def test_the_same_content_is_graded_once(course, tmp_path, monkeypatch):
    graded = []
    one = grading.grade_one
    monkeypatch.setattr(grading, "grade_one", lambda *a, **k: graded.append(a) or one(*a, **k))
    paths = [hand_in(tmp_path / "in" / name) for name in ("a", "b")]
    rows = grading.grade("tiny", paths, SECRET, tmp_path / "out")
    assert len(graded) == 1 and [row["submission"] for row in rows] == ["a", "b"]
    assert grading.grade("tiny", paths, SECRET, tmp_path / "out") == rows and len(graded) == 1
    grading.grade("tiny", paths, SECRET * 2, tmp_path / "out")
    assert len(graded) == 2


def test_where_the_grader_fails_nobody_loses_points(course, tmp_path, monkeypatch):
    paths = mutants(tmp_path / "in")[:3]
    monkeypatch.setattr(sandbox, "PRELOAD", ("a_package_that_is_not_there",))
    with pytest.raises(RuntimeError, match="3 submissions could not be graded, through no fault of theirs"):
        grading.grade("tiny", paths, SECRET, tmp_path / "out")
    assert not list((tmp_path / "out").glob("results/*"))
    monkeypatch.setattr(sandbox, "PRELOAD", ())
    rows = grading.grade("tiny", paths, SECRET, tmp_path / "out")
    assert [row["points"] for row in rows] == list(MUTANTS.values())[:3]


def test_a_damaged_result_is_made_again(course, tmp_path):
    paths = [hand_in(tmp_path / "in" / "a")]
    rows = grading.grade("tiny", paths, SECRET, tmp_path / "out")
    (kept,) = (tmp_path / "out" / "results").iterdir()
    kept.write_text(kept.read_text()[:50])
    assert without_seconds(grading.grade("tiny", paths, SECRET, tmp_path / "out")) == without_seconds(rows)


def test_a_summary_tells_the_student_what_to_look_at(course, tmp_path):
    (row,) = grading.grade("tiny", [hand_in(tmp_path / "in" / "ann", list(MUTANTS)[3])], SECRET, tmp_path / "out")
    (summary,) = (tmp_path / "out" / "summaries").iterdir()
    text = summary.read_text()
    assert "ann: 0 of 5 points" in text and "Broken (2 points): f(x) = x²" in text and "teachdiff prove vp_marg" in text
    hidden = next(v["message"] for v in row["verdicts"] if v["check"] == "sums")
    assert "This law is asked when grading only." in text and hidden not in text


@pytest.mark.parametrize("name", ["=cmd|'/c calc'!A0", "+1", "-1", "@SUM(1)", "%0A=1"])
def test_no_cell_is_a_formula(name):
    assert grading.cell(name).startswith("'")
    assert grading.cell(f" \t\n{name}").startswith("'")


def test_names_are_shown_as_they_may_be(course, tmp_path):
    """Terminal colours, writing turned round and formulas in the name of a folder."""
    names = ["\x1b[31mred", "gnp\u202etxt", "=1+1", "<b>bold</b>", "[red]x[/]"]
    paths = [hand_in(tmp_path / "in" / name, f"{RIGHT}# {name!r}") for name in names[:3]]
    paths += [hand_in(tmp_path / "in" / f"{i}" / "same", RIGHT) for i in range(2)]
    rows = grading.grade("tiny", paths, SECRET, tmp_path / "out")
    shown = [row["submission"] for row in rows]
    assert shown[:3] == ["red", "gnptxt", "=1+1"] and len(set(shown)) == 5
    assert [line["submission"] for line in grading.table(TINY, rows)][2] == "'=1+1"
    assert len(list((tmp_path / "out" / "summaries").iterdir())) == 5


def test_a_submission_and_a_folder_of_submissions_are_told_apart(tmp_path):
    one = hand_in(tmp_path / "in" / "a")
    assert grading.submissions_in([one], TINY) == [one]
    assert grading.submissions_in([tmp_path / "in"], TINY) == [one]
    (tmp_path / "empty").mkdir()
    for wrong in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(ValueError):
            grading.submissions_in([wrong], TINY)


TAKING = """
import os, sys
from pathlib import Path
from teachdiff.course.grading import alone
with alone(Path(sys.argv[1])):
    print("taken", flush=True)
    if os.fork() == 0:  # a child that lives on when its grader is killed
        sys.stdin.read()
        os._exit(0)
    os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_two_gradings_do_not_share_a_folder_and_a_killed_one_holds_nothing(tmp_path):
    def take():
        line = [sys.executable, "-c", TAKING, str(tmp_path)]
        with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.wait()
            if process.returncode == -9:  # its child is there still
                with grading.alone(tmp_path):
                    pass
            process.stdin.close()
            return process.stdout.read(), process.stderr.read()

    with grading.alone(tmp_path):
        out, err = take()
        assert not out and b"another grading is going on" in err
    out, err = take()
    assert out and not err


def test_grade_takes_the_folder_for_itself(course, tmp_path, monkeypatch):
    taken = []
    real = grading.alone
    monkeypatch.setattr(grading, "alone", lambda out: taken.append(out) or real(out))
    grading.grade("tiny", [], SECRET, tmp_path)
    assert taken == [tmp_path]


def test_a_machine_that_holds_nothing_is_said_and_refused(monkeypatch):
    weak = sandbox.Isolation("nothing", False, False, True, False, False)
    monkeypatch.setattr(sandbox, "isolation", lambda keep=(): weak)
    with pytest.raises(RuntimeError, match="NOT kept from: reading the reference, the network, starting processes"):
        grading.safe_layers(trusted=False)
    assert grading.safe_layers(trusted=True) is weak


SCRIPT = """
import sys
from pathlib import Path
import tiny
from teachdiff.course import grading
if __name__ == "__main__":
    tiny.install()
    grading.grade("tiny", sorted(Path(sys.argv[1]).iterdir()), sys.argv[3].encode(), Path(sys.argv[2]))
"""


def killed(command: list[str], results: Path, count: int) -> None:
    """Start a grading and kill it as soon as `count` results are there."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while len(list(results.glob("*.json"))) < count:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def test_killed_and_resumed_the_table_is_the_same(course, tmp_path):
    paths = mutants(tmp_path / "in")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    out = tmp_path / "out"
    command = [sys.executable, str(script), str(tmp_path / "in"), str(out), SECRET.decode()]
    killed(command, out / "results", 2)
    kept = {path.name: path.read_bytes() for path in (out / "results").glob("*.json")}
    left = Path((out / ".running").read_text())
    assert left.is_dir() and 2 <= len(kept) < len(paths)
    resumed = grading.grade("tiny", paths, SECRET, out)
    assert not left.exists() and not (out / ".running").exists()
    assert {name: (out / "results" / name).read_bytes() for name in kept} == kept
    afresh = grading.grade("tiny", paths, SECRET, tmp_path / "afresh")
    assert without_seconds(resumed) == without_seconds(afresh)
    assert grading.table(TINY, resumed) == grading.table(TINY, afresh)


# The command line


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    return path


def command(*arguments):
    return CliRunner().invoke(app, ["course", *map(str, arguments)])


@pytest.fixture
def named(course, monkeypatch):
    monkeypatch.setattr(registry, "MODULES", ("tiny",))


def test_grade_writes_a_table_and_json(named, tmp_path, secret):
    mutants(tmp_path / "in")
    table, out = tmp_path / "table.csv", tmp_path / "out"
    done = command("grade", "tiny", tmp_path / "in", "--out", out, "--secret", secret, "--csv", table, "--jobs", 1)
    assert done.exit_code == 0, done.output
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [int(row["points"]) for row in rows] == list(MUTANTS.values())
    assert list(rows[0]) == ["submission", "points", "possible", "1.squares", "2.sums", "problem"]
    done = command("grade", "tiny", tmp_path / "in", "--out", out, "--secret", secret, "--jobs", 1, "--json")
    assert [row["points"] for row in json.loads(done.stdout)] == list(MUTANTS.values())


def test_grading_wants_a_secret(named, tmp_path):
    one = hand_in(tmp_path / "a")
    done = command("grade", "tiny", one, "--out", tmp_path / "out")
    assert done.exit_code == 2 and "token_hex" in done.output and "--practice" in done.output
    (tmp_path / "short").write_text("1234")
    done = command("grade", "tiny", one, "--out", tmp_path / "out", "--secret", tmp_path / "short")
    assert done.exit_code == 2 and "at least 16" in done.output
    done = command("grade", "tiny", one, "--out", tmp_path / "out", "--practice", "--jobs", 1)
    assert done.exit_code == 0 and "2/2" in done.output


def test_wrong_paths_and_names_are_usage(named, tmp_path, secret):
    done = command("grade", "tiny", tmp_path / "nowhere", "--out", tmp_path / "out", "--secret", secret)
    assert done.exit_code == 2 and "there is no" in done.output
    done = command("grade", "tinny", tmp_path, "--out", tmp_path / "out", "--secret", secret)
    assert done.exit_code == 2 and "Did you mean 'tiny'" in done.output


# Whole: the library's own first assignment, in processes


@pytest.mark.slow
def test_two_hundred_submissions_killed_and_resumed(tmp_path, secret):
    """Mistakes in hw1, graded in parallel by the command line, killed twice on the way."""
    assignment = registry.assignment("hw1")
    wrong = [mutant for mutant in MISTAKES if mutant.assignment == "hw1"]
    expected = {}
    for i in range(200):
        files = dict(solution(assignment))
        mutant = wrong[i // 4 % len(wrong)] if i % 4 else None
        if mutant:
            files[mutant.file] += mutant.text
        write({**files, "name.txt": f"{i}\n"}, tmp_path / "in" / f"student{i:03}")
        expected[f"student{i:03}"] = mutant
    out, tables = tmp_path / "out", [tmp_path / "resumed.csv", tmp_path / "again.csv"]
    line = [sys.executable, "-m", "teachdiff", "course", "grade", "hw1", str(tmp_path / "in"), "--secret", str(secret),
            "--jobs", "2", "--out", str(out), "--csv"]  # fmt: skip
    for count in (20, 90):
        killed([*line, str(tables[0])], out / "results", count)
        assert not tables[0].exists()
    for table in tables:
        subprocess.run([*line, str(table)], check=True, stdout=subprocess.DEVNULL)
    assert tables[0].read_bytes() == tables[1].read_bytes()
    rows = {row["submission"]: row for row in csv.DictReader(tables[0].read_text().splitlines())}
    assert len(rows) == 200
    for name, mutant in expected.items():
        if mutant is None:
            assert int(rows[name]["points"]) == assignment.points
        else:
            assert rows[name][mutant.check] == "0" and 0 < int(rows[name]["points"]) < assignment.points
