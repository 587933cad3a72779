"""The notebook twin of each assignment: made of the same source, run from top to bottom, and read by no grader.

A kernel takes seconds, and so do the laws. In the default run one kernel works through an exercise; the twins of all
assignments, with holes and filled in, are run with `-m slow`.
"""

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from teachdiff.cli import app
from teachdiff.course import registry, submissions
from teachdiff.course.model import Verdict
from teachdiff.course.notebook import answers_in, ask, cells, save, twin, write_twin
from teachdiff.course.parts import parts_of, with_part
from teachdiff.course.showing import Shown
from teachdiff.course.start import solution, starter, write
from teachdiff.course.submissions import NoSubmission, take

ROOT = Path(__file__).parents[2]
every = pytest.mark.parametrize("name", registry.MODULES)


def started(name, folder, solved=False):
    assignment = registry.assignment(name)
    write((solution if solved else starter)(assignment), folder)
    return assignment


def course(*arguments):
    return CliRunner().invoke(app, ["course", *map(str, arguments)])


# Running one


def execute(notebook, folder, monkeypatch, stop=True):
    """The notebook, run in a kernel of its own, whose errors end it if `stop`."""
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for place in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(place, str(folder.parent / place.lower()))
    resources = {"metadata": {"path": str(folder)}}
    return NotebookClient(notebook, timeout=300, resources=resources, allow_errors=not stop).execute()


def said(cell):
    """All that a cell printed or showed, as text; and what it showed as HTML."""
    text = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
    html = [output["data"]["text/html"] for output in cell.outputs if "text/html" in output.get("data", {})]
    return "\n".join(text), "\n".join(html)


def shown(notebook):
    """`%laws` line -> the lines that it showed."""
    return {cell.source: said(cell)[0] for cell in notebook.cells if cell.source.startswith("%laws")}


def run(name, folder, solved, monkeypatch):
    """The outputs of each `%laws` of a twin that the command wrote; nothing in it may raise or write on stderr."""
    import nbformat

    assignment = started(name, folder, solved)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = course("notebook", folder)
    assert done.exit_code == 0, done.output
    notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    ran = execute(notebook, folder, monkeypatch)
    for cell in ran.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error" and output.get("name") != "stderr", output
    for file, content in before.items():  # each answer was saved again, and is what it was
        assert (folder / file).read_bytes() == content, file
    found = shown(ran)
    assert list(found) == [*(f"%laws {exercise.id}" for exercise in assignment.exercises), "%laws"]
    return assignment, found


@every
@pytest.mark.slow
def test_the_solved_twin_runs_and_all_laws_hold(name, tmp_path, monkeypatch):
    assignment, found = run(name, tmp_path / "work", True, monkeypatch)
    for exercise in assignment.exercises:
        points = sum(check.points for check in exercise.checks if check.visible)
        lines = found[f"%laws {exercise.id}"]
        assert f"{points} of {points} points" in lines and "to do" not in lines and "broken" not in lines
    points = sum(check.points for _, check in assignment.checks() if check.visible)
    assert f"{points} of {points} points" in found["%laws"]


@every
@pytest.mark.slow
def test_the_starter_s_twin_runs_and_no_law_holds(name, tmp_path, monkeypatch):
    assignment, found = run(name, tmp_path / "work", False, monkeypatch)
    for lines in found.values():
        assert "to do" in lines and "holds" not in lines and "broken" not in lines and "Traceback" not in lines
        assert "\n0 of " in lines
    laws = sum(check.visible for _, check in assignment.checks())
    assert sum(line.startswith("  to do ") for line in found["%laws"].splitlines()) == laws


@pytest.mark.slow
def test_a_notebook_opened_without_its_files_puts_the_answers_into_new_ones(tmp_path, monkeypatch):
    """With the two cells that the notebook names, and the laws of one exercise."""
    from nbformat.v4 import new_code_cell

    assignment = registry.assignment("hw1")
    files = {name: text for name, text in solution(assignment).items() if name in answer_files(assignment)}
    notebook = twin(assignment, files)
    how = notebook.cells[0].source
    assert "`!teachdiff course start hw1 work`" in how and "`%cd work`" in how
    start = new_code_cell(f"!{sys.executable} -m teachdiff course start hw1 work")
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and not cell.source.startswith("%laws")]
    notebook.cells = [start, new_code_cell("%cd work"), *code, new_code_cell("%laws 3")]
    ran = execute(notebook, tmp_path, monkeypatch)
    assert "10 of 10 points." in shown(ran)["%laws 3"]
    assert {name: (tmp_path / "work" / name).read_text(encoding="utf-8") for name in files} == files


def test_a_student_s_way_through_an_exercise(tmp_path, monkeypatch):
    """In one kernel: a slip of the pen, a mistake beside a hole, the right answer; and what may go wrong beside."""
    from nbformat.v4 import new_code_cell

    folder = tmp_path / "work"
    assignment = started("hw1", folder)
    right = parts_of(solution(assignment)["predictions.py"])["4"]
    hole = parts_of((folder / "predictions.py").read_text(encoding="utf-8"))["4"]
    first, second = "def x0_hat_from_score", "def score_from_x0_hat"
    assert right.index(first) < right.index(second) and hole.index(first) < hole.index(second)
    mistake = right[: right.index(second)].replace("alpha_bar**0.5", "alpha_bar") + hole[hole.index(second) :]
    assert mistake.count("alpha_bar**0.5") < right.count("alpha_bar**0.5")
    notebook = twin(assignment, answers_in(assignment, folder))
    load = notebook.cells[1]
    assert load.source == "%load_ext teachdiff.course.notebook"
    head = "%%answer predictions.py 4\n"
    sources = [
        f"{head}def x0_hat(:", f"{head}{mistake}", "%laws 4", f"{head}{right}", "%laws 4",
        "print(x0_hat_from_score(x_t=2.0, score=-1.0, alpha_bar=0.25))",
        "%laws 9", "%%answer predictions.py\nx = 1", "%%answer nowhere.py 1\nx = 1",
    ]  # fmt: skip
    notebook.cells = [load, *map(new_code_cell, sources)]
    ran = execute(notebook, folder, monkeypatch, stop=False)
    slip, _, broken, saved, holds, value, no_exercise, no_words, no_file = map(said, ran.cells[1:])
    assert slip[0].startswith("UsageError: not saved: line 1 of the cell: ") and "Traceback" not in slip[0]
    assert "broken" in broken[0] and "to do" in broken[0] and "0 of 10 points." in broken[0]
    assert " beside " in broken[0] and "teachdiff prove tweedie" in broken[0] and "read: proofs.md" in broken[0]
    assert " beside " in broken[1] and "<code>teachdiff prove tweedie</code>" in broken[1]
    assert "Saved in predictions.py." in saved[0]
    assert "10 of 10 points." in holds[0] and "<table>" in holds[1] and "to do" not in holds[1]
    assert value[0].strip() == "2.5"  # (2 - 0.75)/0.5: the file's functions are at hand
    known = "hw1 has no exercise '9'; it has 1, 2, 3, 4, 5. `%laws` alone asks all."
    assert no_exercise[0].strip() == f"UsageError: {known}"
    assert "write %%answer FILE EXERCISE" in no_words[0]
    assert "there is no nowhere.py in " in no_file[0] and "%cd" in no_file[0]
    assert parts_of((folder / "predictions.py").read_text(encoding="utf-8"))["4"] == right
    for cell in ran.cells:
        assert "Traceback" not in said(cell)[0]


# What it is made of


@every
def test_the_twin_is_the_readme_and_the_files(name):
    """Every word of the README's exercises, every part of every file, in order."""
    assignment = registry.assignment(name)
    files = {file: text for file, text in solution(assignment).items() if file in answer_files(assignment)}
    notebook = twin(assignment, files)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    for file, text in files.items():
        for number, part in parts_of(text).items():
            assert f"%%answer {file} {number}\n{part}" in code
    readme = starter(assignment)["README.md"]
    exercises = [cell.source for cell in notebook.cells if cell.source.startswith("## Exercise")]
    assert len(exercises) == len(assignment.exercises)
    assert readme.endswith("\n\n".join(exercises) + "\n")
    assert notebook.metadata["kernelspec"]["name"] == "python3"


def answer_files(assignment):
    return {*(cut.file for cut in assignment.cuts), *assignment.files}


def test_the_twin_holds_what_was_written_so_far(tmp_path):
    assignment = started("hw1", tmp_path)
    path = tmp_path / "predictions.py"
    mine = "# %time is a comment, and stays one\nMINE = '''```'''\n\n\ndef x0_hat_from_score():\n    ..."
    save("predictions.py 4", mine, tmp_path)
    path.write_text(path.read_text(encoding="utf-8") + "\n\n# %% scratch, of no exercise\nprint('hello')\n")
    notebook = twin(assignment, answers_in(assignment, tmp_path))
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert f"%%answer predictions.py 4\n{mine}" in code
    assert not any("hello" in source for source in code)


HEADINGS = "not saved: schedules.py: a line that begins with `# %%`"


@pytest.mark.parametrize(
    ("line", "cell", "says"),
    [
        ("schedules.py 1", "def f(:\n    pass", "not saved: line 1 of the cell: "),
        ("schedules.py 1", "%matplotlib inline\nx = 1", "not saved: line 1 of the cell: "),
        ("schedules.py 1", "x = 1\0", "not saved: "),
        ("schedules.py 1", "(" * 5000 + ")" * 5000, "not saved: "),
        ("schedules.py 1", "x = 1\n# %% mine\ny = 2", HEADINGS),
        ("schedules.py 1", "def f():\n    # %% mine\n    ...", HEADINGS),
        ("schedules.py 1", "# In[3]:\nx = 1", HEADINGS),
        ("schedules.py 4", "x = 1", "not saved: schedules.py: it has no line `# %% exercise 4: ...`"),
        ("schedules.py 1 2", "x = 1", "not saved: schedules.py: it has no line"),
        ("../hw1/schedules.py 1", "x = 1", "write %%answer FILE EXERCISE"),
        ("README.md 1", "x = 1", "write %%answer FILE EXERCISE"),
        ("schedules.py", "x = 1", "write %%answer FILE EXERCISE"),
        ("", "x = 1", "write %%answer FILE EXERCISE"),
    ],
)  # fmt: skip
def test_what_cannot_be_saved_changes_nothing(line, cell, says, tmp_path):
    folder = tmp_path / "hw1"
    started("hw1", folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match=r"^(?s:.*)$") as caught:
        save(line, cell, folder)
    assert str(caught.value).startswith(says), caught.value
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_a_part_that_is_no_toml_is_not_saved(tmp_path):
    started("prove", tmp_path)
    with pytest.raises(ValueError, match=r"^not saved: "):
        save("proof.toml 1", "[[two_steps]]\nformula = ", tmp_path)
    save("proof.toml 1", '[[two_steps]]\nformula = "x"\nbecause = "of that"', tmp_path)
    assert parts_of((tmp_path / "proof.toml").read_text(encoding="utf-8"))["1"].startswith("[[two_steps]]")


def test_a_part_of_which_nothing_is_left_has_a_cell_that_runs(tmp_path):
    assignment = started("prove", tmp_path)
    save("proof.toml 2", "\n", tmp_path)
    assert parts_of((tmp_path / "proof.toml").read_text(encoding="utf-8"))["2"] == ""
    meant = list(cells(assignment, answers_in(assignment, tmp_path)))
    assert ("code", "%%answer proof.toml 2\n# yours to write") in meant


@pytest.mark.parametrize(("name", "file", "number"), [("hw1", "schedules.py", "2"), ("prove", "proof.toml", "3")])
def test_a_heading_that_is_gone_is_told(name, file, number, tmp_path):
    """A folder from before there were headings, say: no notebook without the cell."""
    started(name, tmp_path)
    path = tmp_path / file
    path.write_text(path.read_text(encoding="utf-8").replace(f"# %% exercise {number}: ", "# "), encoding="utf-8")
    done = course("notebook", tmp_path)
    assert done.exit_code == 2 and f"{file} has no line `# %% exercise {number}: " in done.output
    assert "put it back" in done.output and not (tmp_path / f"{name}.ipynb").exists()


def test_an_open_string_cannot_swallow_the_next_cells(tmp_path):
    """What jupytext makes of the text is the cells that were meant, or is refused."""
    assignment = started("hw1", tmp_path)
    path = tmp_path / "schedules.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(with_part(text, "2", 'OPEN = """\n'), encoding="utf-8")
    done = course("notebook", tmp_path)
    assert done.exit_code == 2 and "`%%answer schedules.py 2` cannot be a cell" in done.output
    assert not (tmp_path / "hw1.ipynb").exists()
    for part in ("X = '# %% not a cell'", "X = '\"\"\"'\nY = 2", "# don't\nX = r'\\'", "    \nX = 1\n  "):
        files = {**answers_in(assignment, tmp_path), "schedules.py": with_part(text, "2", part)}
        code = [cell.source for cell in twin(assignment, files).cells]
        assert f"%%answer schedules.py 2\n{part.rstrip()}" in code and "%laws 3" in code


def test_a_folder_of_no_assignment_is_told(tmp_path):
    with pytest.raises(ValueError, match=r"has no assignment\.txt"):
        ask("1", tmp_path)


def test_what_a_law_says_is_text_and_never_html():
    nasty = "<script>alert(1)</script> & [red]"
    verdict = Verdict("1", nasty, False, 0, 2, nasty, nasty, proof=nasty, link=nasty)
    asked = Shown(registry.assignment("hw1"), [verdict])
    assert "<script" not in asked._repr_html_() and asked._repr_html_().count("&lt;script&gt;") == 5
    assert nasty in repr(asked)


# The command


def test_a_notebook_that_is_there_stays(tmp_path):
    started("hw1", tmp_path / "hw1")
    assert course("notebook", tmp_path / "hw1").exit_code == 0
    path = tmp_path / "hw1" / "hw1.ipynb"
    before = path.read_bytes()
    done = course("notebook", tmp_path / "hw1")
    assert done.exit_code == 2 and "is there already" in done.output
    assert path.read_bytes() == before


def test_the_command_says_what_is_missing(tmp_path, monkeypatch):
    done = course("notebook", tmp_path)
    assert done.exit_code == 2 and "has no assignment.txt" in done.output
    assert "--assignment" not in done.output and "give --assignment" in course("check", tmp_path).output
    assignment = started("hw1", tmp_path / "hw1")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "jupytext", None)
        done = course("notebook", tmp_path / "hw1")
    assert done.exit_code == 1 and "pip install 'teachdiff[notebooks]'" in done.output
    (tmp_path / "hw1" / "schedules.py").unlink()
    with pytest.raises(ValueError, match=r"schedules\.py cannot be read, and hw1 needs it"):
        write_twin(assignment, tmp_path / "hw1")


# Grading reads no notebook


DEEP = '{"cells": ' + "[" * 100_000 + "]" * 100_000 + "}"
HOSTILE = {
    "deep": DEEP,
    "no JSON": "\0\xff not JSON",
    "magics": json.dumps({"cells": [{"source": "%%answer schedules.py 1\nimport os; os._exit(0)"}]}),
    "lies": json.dumps({"cells": [{"source": "%laws", "outputs": [{"text": "54 of 54 points."}]}]}),
    "large": " " * 2_000_000,
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
def test_a_notebook_in_a_submission_is_left_out(kind, zipped, tmp_path, monkeypatch):
    """Whatever it is, the submission is the same: the same files, the same digest, and so the same score."""
    monkeypatch.setattr(submissions, "FILE_BYTES", 1_000_000)
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    for folder in (alone, beside):
        folder.mkdir()
        (folder / "schedules.py").write_text("x = 1\n")
    for name in ("hw1.ipynb", "sub/Other.IPYNB"):
        (beside / name).parent.mkdir(exist_ok=True)
        (beside / name).write_text(HOSTILE[kind], encoding="utf-8")
    given = beside
    if zipped:
        given = Path(shutil.make_archive(str(tmp_path / "beside"), "zip", beside))
    digest = take(given, tmp_path / "copy")
    assert digest == take(alone, tmp_path / "other")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["schedules.py"]


def test_a_notebook_alone_is_told_what_to_hand_in(tmp_path):
    folder = tmp_path / "ann"
    folder.mkdir()
    (folder / "hw1.ipynb").write_text("{}")
    with zipfile.ZipFile(tmp_path / "ann.zip", "w") as archive:
        archive.writestr("hw1.ipynb", "{}")
    for k, given in enumerate((folder, folder / "hw1.ipynb", tmp_path / "ann.zip")):
        with pytest.raises(NoSubmission, match="a notebook alone was handed in, and no notebook is read"):
            take(given, tmp_path / f"copy{k}")
