"""Every assignment: the reference has all points, the starter none, and each mistake loses some, by its law."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from mutants import MUTANTS
from plain import evaluate

from derivations import ledger
from teachdiff.course import registry
from teachdiff.course.marking import mark
from teachdiff.course.model import rng_of
from teachdiff.course.start import solution, starter, write

SECRET = b"a secret of these tests"
solved = cache(lambda name: solution(registry.assignment(name)))
every = pytest.mark.parametrize("name", registry.MODULES)


def verdicts_of(name, files, folder, secret=SECRET):
    write(files, folder)
    return mark(registry.assignment(name), folder, evaluate, secret)


@every
@pytest.mark.parametrize("secret", [None, b"one", b"two"], ids=["visible", "one", "two"])
def test_the_reference_has_all_points(name, secret, tmp_path):
    found = verdicts_of(name, solved(name), tmp_path, secret)
    assert not [v.describe() for v in found if not v.passed]
    shown = sum(c.points for _, c in registry.assignment(name).checks() if c.visible or secret)
    assert sum(v.points for v in found) == shown


@every
def test_the_starter_has_none(name, tmp_path):
    found = verdicts_of(name, starter(registry.assignment(name)), tmp_path)
    assert sum(v.points for v in found) == 0
    for verdict in found:
        assert verdict.unwritten, verdict.describe()


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_a_mistake_loses_points_and_the_law_is_named(mutant, tmp_path):
    number, _, name = mutant.check.partition(".")
    assignment = registry.assignment(mutant.assignment)
    (exercise,) = (exercise for exercise in assignment.exercises if exercise.id == number)
    files = dict(solved(mutant.assignment))
    if mutant.old:
        assert mutant.old in files[mutant.file]
        files[mutant.file] = files[mutant.file].replace(mutant.old, mutant.text)
    else:
        files[mutant.file] += mutant.text
    write(files, tmp_path)
    found = mark(replace(assignment, exercises=(exercise,)), tmp_path, evaluate, SECRET)
    (verdict,) = (verdict for verdict in found if verdict.check == name)
    assert not verdict.passed and verdict.points == 0
    assert verdict.law in verdict.describe() and verdict.message
    assert not any(slip in verdict.message for slip in ("NameError", "SyntaxError", "TypeError")), verdict.message


def test_every_mutant_s_rows_are_of_the_ledger():
    known = {row.id for row in ledger.rows()}
    assert {row for mutant in MUTANTS for row in mutant.rows} <= known
    assert len({str(mutant) for mutant in MUTANTS}) == len(MUTANTS)


@every
def test_every_check_rejects_a_mutant(name):
    """But for the checks that only ask another way; those are named here."""
    checks = {f"{e.id}.{c.name}" for e, c in registry.assignment(name).checks()}
    rejecting = {mutant.check for mutant in MUTANTS if mutant.assignment == name}
    if name in ("hw5", "mistakes"):  # see test_weights, and test_formulas: every printed mistake is handed in there
        return
    assert rejecting <= checks
    assert checks - rejecting == ALSO[name]


ALSO = {
    "hw1": {
        "1.falls", "1.steps_give_the_marginal", "4.score_from_x0_hat", "5.x0_hat_from_epsilon",
        "5.epsilon_from_score", "5.v_from_x0_hat",
    },
    "hw2": {"3.fewer_steps_law"},
    "hw3": {"4.manners"},
    "hw4": set(),
    "prove": {f"{n}.{name}" for n in "234" for name in ("goal", "reasons")},
}  # fmt: skip


@every
def test_public_seeds_repeat_and_a_secret_changes_them(name):
    assignment = registry.assignment(name)
    for exercise, check in assignment.checks():
        draws = [rng_of(assignment, exercise, check, s).random() for s in (b"", b"", b"x")]
        assert draws[0] == draws[1] != draws[2]
        assert repr(check.queries(rng_of(assignment, exercise, check))) == repr(
            check.queries(rng_of(assignment, exercise, check))
        )


@every
def test_names_are_unique_and_pages_exist(name):
    docs = Path(__file__).parents[2] / "docs"
    assignment = registry.assignment(name)
    assert assignment.id == name
    ids = [exercise.id for exercise in assignment.exercises]
    assert len(set(ids)) == len(ids)
    for exercise in assignment.exercises:
        assert len({check.name for check in exercise.checks}) == len(exercise.checks)
        for check in exercise.checks:
            page, _, anchor = check.link.partition("#")
            text = (docs / page).read_text(encoding="utf-8")
            assert not anchor or any(anchor_of(line) == anchor for line in text.splitlines()), check.link


def anchor_of(line):
    return line.lstrip("# ").lower().replace(" ", "-") if line.startswith("#") else ""
