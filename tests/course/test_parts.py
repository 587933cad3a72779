"""The parts of a student's file: a lens, and every starter is cut into them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachdiff.course import registry
from teachdiff.course.cut import files_of
from teachdiff.course.model import Assignment, Cut, Exercise
from teachdiff.course.parts import CELL, head_of, heading, parts_of, with_part
from teachdiff.course.start import starter

every = pytest.mark.parametrize("name", registry.MODULES)
LINES = ["x = 1", "    return 2", "", "# note", "#%% mine", "# %% scratch", "  # %%", "# In[3]:", "π"]
bodies = st.lists(st.sampled_from(LINES), max_size=6).map("\n".join)
plain = bodies.filter(lambda body: not CELL.search(body))


@st.composite
def files(draw):
    """A file with a head and a few parts, and with cells that are no part."""
    text = draw(plain) + "\n"
    for number in draw(st.permutations(["1", "2", "3"])):
        text += heading(number, draw(st.sampled_from(["Tweedie", "a: b", ""]))) + "\n" + draw(bodies) + "\n"
    return text


@given(files(), st.sampled_from("123"), plain)
def test_what_was_put_is_what_is_got_and_the_rest_stays(text, number, part):
    after = with_part(text, number, part)
    before = parts_of(text)
    assert parts_of(after) == {**before, number: part.strip("\n")}
    assert head_of(after) == head_of(text)
    assert [cell[0] for cell in CELL.finditer(after)] == [cell[0] for cell in CELL.finditer(text)]


@given(files(), st.sampled_from("123"), plain, plain)
def test_of_two_puts_the_second_counts(text, number, one, other):
    assert with_part(with_part(text, number, one), number, other) == with_part(text, number, other)


@given(files(), st.sampled_from("123"))
def test_what_is_there_put_again_changes_blank_lines_alone(text, number):
    again = with_part(text, number, parts_of(text)[number])
    assert re.sub(r"\n+", "\n", again) == re.sub(r"\n+", "\n", text)


@given(files(), plain)
def test_a_part_holds_no_heading(text, part):
    with pytest.raises(ValueError, match="would begin another part"):
        with_part(text, "1", f"{part}\n# %% exercise 2: mine")


@given(files())
def test_a_part_that_is_not_there(text):
    with pytest.raises(ValueError, match=r"no line `# %% exercise 9: ...`; the exercises that have one: "):
        with_part(text, "9", "x = 1")


@every
def test_each_exercise_of_a_starter_has_its_part(name):
    """Put again, it changes not one byte."""
    assignment = registry.assignment(name)
    files = {file: text for file, text in starter(assignment).items() if file.endswith((".py", ".toml"))}
    parts = {(number, file) for file, text in files.items() for number in parts_of(text)}
    cut = {(e.id, cut.file) for e in assignment.exercises for cut in e.cuts}
    assert cut <= parts
    assert {number for number, _ in parts} >= {e.id for e in assignment.exercises if (name, e.id) != ("hw5", "2")}
    for number, file in parts:
        assert with_part(files[file], number, parts_of(files[file])[number]) == files[file]


def test_a_function_stands_under_its_exercise():
    assignment = registry.assignment("hw2")
    files = files_of(assignment)
    for exercise in assignment.exercises:
        for cut in exercise.cuts:
            for name in cut.names:
                assert f"def {name.split('.')[-1]}(" in parts_of(files[cut.file])[exercise.id]


def test_a_class_that_two_exercises_cut_is_refused():
    cuts = [Cut("teachdiff.operators.base", (f"SVD.{name}",), "svd.py") for name in ("U", "Ut")]
    exercises = tuple(Exercise(str(k), "", "", (), (cut,)) for k, cut in enumerate(cuts))
    with pytest.raises(ValueError, match=r"svd\.py: SVD is cut in two exercises"):
        files_of(Assignment("x", "", "", 1, exercises))
