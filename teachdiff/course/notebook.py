"""The twin of a student's folder: one notebook, whose cells are the parts of its files, each with the laws after it.

    teachdiff course notebook hw1        writes hw1/hw1.ipynb, with what is in the files by now

    %load_ext teachdiff.course.notebook
    %%answer schedules.py 1              the cell becomes the part of schedules.py for exercise 1, and is loaded here
    %laws 1                              exercise 1 is asked its laws, as `teachdiff course check` does; without 1, all

There is one source: the text is that of the README, the cells are the files. What is graded are the files; no notebook
is ever read, let alone run, by the grading.
"""

import ast
import importlib.util
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from teachdiff.course.model import Assignment
from teachdiff.course.parts import head_of, heading, parts_of, with_part
from teachdiff.course.showing import Shown
from teachdiff.course.start import RULES, about, named, section
from teachdiff.files import atomic

EMPTY = "# yours to write"  # IPython calls no magic of a cell that is empty
LANGUAGES = {".py": "python", ".toml": "toml"}

HEADER = """# ---
# jupyter:
#   jupytext:
#     comment_magics: false
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---
"""

HOW = """A cell that begins with `%%answer FILE EXERCISE` is a part of that file. Run it: it is saved there, and the \
file's functions are loaded here, to be tried out in cells of your own. `%laws 1` asks the laws of exercise 1, as \
`teachdiff course check .` does; `%laws` asks all.

**What is graded are the files, not this notebook.** {rules}

Run the cells that you changed, then hand in the folder. You may edit the files instead, and make the notebook anew \
from them: `teachdiff course notebook .`

The notebook works in the folder that it lies in. Where it is opened without its files, as in Colab, install teachdiff \
there, begin with a cell `!teachdiff course start {id} work` and another `%cd work`, and run all."""

END = """## Hand in

All laws that are shown, and the points. If they are what you want: the folder is your submission, as it is or zipped. \
The notebook in it is not read."""


# The twin


def twin(assignment: Assignment, files: Mapping[str, str]) -> Any:
    """The notebook, as jupytext makes it of text in the percent format.

    Arguments:
        files: name -> text of the student's files that have parts, as they are now.

    Raises:
        ValueError: a part that jupytext does not take for one cell.
    """
    import jupytext

    meant = list(cells(assignment, files))
    notebook = jupytext.reads(HEADER + "".join(percent(*cell) for cell in meant), fmt="py:percent")
    read = [(cell.cell_type, cell.source) for cell in notebook.cells]
    if read != meant:
        wrong = next((text for k, (_, text) in enumerate(meant) if read[k : k + 1] != [meant[k]]), "%laws")
        first = wrong.partition("\n")[0]
        raise ValueError(f"`{first}` cannot be a cell: is that part whole? An open string, say, runs into the next.")
    return notebook


def cells(assignment: Assignment, files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """("markdown" or "code", text) of each cell."""
    yield words(f"{about(assignment)}\n\n{HOW.format(id=assignment.id, rules=RULES)}")
    yield code("%load_ext teachdiff.course.notebook")
    seen = set()
    for exercise in assignment.exercises:
        yield words(section(exercise))
        for name, text in files.items():
            if exercise.id not in (parts := parts_of(text)):
                continue
            if name not in seen:
                fence = f"```{LANGUAGES[Path(name).suffix]}\n{head_of(text)}\n```"
                yield words(f"`{name}` begins with what its parts can use:\n\n{fence}")
                seen.add(name)
            yield code(f"%%answer {name} {exercise.id}\n{parts[exercise.id] or EMPTY}")
        yield code(f"%laws {exercise.id}")
    yield words(END)
    yield code("%laws")


def words(text: str) -> tuple[str, str]:
    return "markdown", "\n".join(line.rstrip() for line in text.splitlines())


def code(text: str) -> tuple[str, str]:
    return "code", text.rstrip()


def percent(kind: str, text: str) -> str:
    """A cell in jupytext's percent format."""
    if kind == "code":
        return f"\n# %%\n{text}\n"
    return "\n".join(["\n# %% [markdown]", *(f"# {line}".rstrip() for line in text.splitlines()), ""])


def answers_in(assignment: Assignment, folder: Path) -> dict[str, str]:
    """Name -> text of the files of a folder that have parts.

    Raises:
        ValueError: one that the assignment needs is not there, is no text, or lacks the heading of a part.
    """
    wanted = {name: set(parts_of(text)) for name, text in assignment.files.items()}
    for exercise in assignment.exercises:
        for cut in exercise.cuts:
            wanted.setdefault(cut.file, set()).add(exercise.id)
    found = {}
    for name, numbers in wanted.items():
        try:
            found[name] = (folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{folder / name} cannot be read, and {assignment.id} needs it: {error}") from error
        for exercise in assignment.exercises:
            if exercise.id in numbers - set(parts_of(found[name])):
                line = heading(exercise.id, exercise.title)
                raise ValueError(f"{folder / name} has no line `{line}`: put it back above what is for that exercise.")
    return found


def write_twin(assignment: Assignment, folder: Path) -> Path:
    """Write the notebook of a folder beside its files.

    Raises:
        ValueError: there is one already, or a file of the assignment is missing or is not whole.
        RuntimeError: jupytext is not installed.
    """
    path = folder / f"{assignment.id}.ipynb"
    if path.exists():
        raise ValueError(
            f"{path} is there already, and may hold cells of your own: move it away first. The answers are in the "
            "files."
        )
    if importlib.util.find_spec("jupytext") is None:
        raise RuntimeError("a notebook needs the package jupytext: pip install 'teachdiff[notebooks]'")
    import jupytext

    notebook = twin(assignment, answers_in(assignment, folder))
    with atomic(path) as part:
        part.write_text(jupytext.writes(notebook, fmt="ipynb"), encoding="utf-8")
    return path


# In the notebook


def load_ipython_extension(shell: Any) -> None:
    """Called by `%load_ext teachdiff.course.notebook`."""
    from IPython.core.error import UsageError

    def answer(line: str, cell: str) -> None:
        """%%answer FILE EXERCISE: save the cell as that part of the file, and load the file's functions."""
        try:
            path = save(line, cell, Path("."))
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from None
        print(f"Saved in {path}.")
        if path.suffix == ".py":
            shell.run_line_magic("run", f"-n {path}")

    def laws(line: str) -> Shown:
        """%laws EXERCISE: ask its laws of the files; without an exercise, all."""
        try:
            return ask(line.strip(), Path("."))
        except (ValueError, OSError) as error:
            raise UsageError(str(error)) from None

    shell.register_magic_function(answer, "cell")
    shell.register_magic_function(laws, "line")


def save(line: str, cell: str, folder: Path) -> Path:
    """Write a cell into its part of a file of the folder; a cell that is no Python (or TOML) is not written.

    Arguments:
        line: "schedules.py 1".

    Raises:
        ValueError: which of these is wrong, and where.
    """
    name, _, number = line.strip().partition(" ")
    path = folder / name
    if path.suffix not in LANGUAGES or path.name != name or not number:
        raise ValueError("write %%answer FILE EXERCISE, as in %%answer schedules.py 1")
    try:
        ast.parse(cell) if path.suffix == ".py" else tomllib.loads(cell)
    except SyntaxError as error:
        line = f"line {error.lineno} of the cell: {error.msg}: {(error.text or '').strip()}"
        raise ValueError(f"not saved: {line}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not saved: {error}") from None
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(
            f"not saved: there is no {name} in {folder.resolve()}. The notebook works in the folder that "
            "`teachdiff course start` made: go there with %cd."
        ) from None
    try:
        text = with_part(text, number.strip(), cell)
    except ValueError as error:
        raise ValueError(f"not saved: {name}: {error}") from None
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


def ask(number: str, folder: Path) -> Shown:
    """The laws of an exercise, or of all of them (""), asked of a folder.

    Raises:
        ValueError: the folder is no assignment's, or there is no such exercise.
    """
    from teachdiff.course.asking import check_folder
    from teachdiff.course.registry import assignment

    chosen = assignment(named(folder))
    if number:
        exercises = tuple(exercise for exercise in chosen.exercises if exercise.id == number)
        if not exercises:
            known = ", ".join(exercise.id for exercise in chosen.exercises)
            raise ValueError(f"{chosen.id} has no exercise {number!r}; it has {known}. `%laws` alone asks all.")
        chosen = replace(chosen, exercises=exercises)
    return Shown(chosen, check_folder(chosen.id, folder, number))
