"""Both directions: the suite accepts every right twin and rejects every wrong object, with the law that is named."""

import ast
import math
import re
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from derivations import ledger
from derivations.symbols import get
from teachdiff.testing import KINDS, check, laws
from teachdiff.testing.core import number
from teachdiff.testing.suite import raise_broken
from teachdiff.testing.worlds import Matrix
from tests.testing.zoo import degradations, methods, operators, priors, schedules
from tests.testing.zoo.field import FIELD
from tests.testing.zoo.ledger import NO_KIND, NO_PROGRAM, ROWS

ROOT = Path(__file__).parents[2]
ZOO = [*operators.ZOO, *schedules.ZOO, *priors.ZOO, *methods.ZOO, *degradations.ZOO]
every = pytest.mark.parametrize("exhibit", ZOO, ids=str)

# Objects that cannot even answer; every other one answers, and wrongly.
RAISE = {"WideBasisOfATallMatrix", "breaks_on_a_batch_of_times", "full_factors_with_sigma_squared"}
# Laws that compare no numbers: what they find is a fact.
WITHOUT_NUMBERS = {"argument_is_kept", "result_is_its_own"}


@cache
def broken_by(exhibit):
    """The results of the named laws on the wrong object."""
    return check(exhibit.kind, exhibit.wrong(), only=exhibit.laws, on_fail="return", **exhibit.how)


@every
def test_the_named_laws_reject_it(exhibit):
    results = broken_by(exhibit)
    assert sorted(r.law for r in results) == sorted(exhibit.laws)
    for result in results:
        assert result.status == "failed", f"{result.law} accepts {exhibit}"
        assert result.message.startswith("it raised") == (exhibit.name in RAISE and result.left is None)
        assert all(f"{name} = {value}" in result.describe() for name, value in result.drawn.items())
    with pytest.raises(ExceptionGroup) as caught:
        raise_broken(results)
    for result, error in zip(results, caught.value.exceptions, strict=True):
        said = str(error)
        assert said.startswith(f"{result.law}: {result.statement}")
        if result.left is not None:
            assert f"{number(result.left)} beside {number(result.right)}" in said
        if result.proof:
            assert f"teachdiff prove {result.proof}" in said


SHARED = {exhibit.twin: [other for other in ZOO if other.twin == exhibit.twin] for exhibit in ZOO}


@pytest.mark.parametrize("exhibits", SHARED.values(), ids=SHARED)
def test_all_laws_accept_the_right_twin(exhibits):
    """And none that rejects one of its wrong ones has nothing to say about it."""
    results = check(exhibits[0].kind, exhibits[0].right(), **exhibits[0].how)
    assert [result.law for result in results] == [law for law, _ in laws(exhibits[0].kind)]
    passed = {result.law for result in results if result.status == "passed"}
    assert passed >= {law for exhibit in exhibits for law in exhibit.laws}


@pytest.mark.parametrize("kind", KINDS)
def test_every_law_rejects_something(kind):
    rejecting = {law for exhibit in ZOO if exhibit.kind == kind for law in exhibit.laws}
    assert rejecting == {name for name, _ in laws(kind)}


def test_messages_hold_numbers():
    """A law that found two numbers has them in its text; the few that find a fact are known."""
    silent = {r.law for exhibit in ZOO for r in broken_by(exhibit) if r.left is None}
    told = {r.law for exhibit in ZOO for r in broken_by(exhibit) if r.left is not None}
    assert silent - told == WITHOUT_NUMBERS


def test_the_zoo_is_counted(capsys):
    names = [(exhibit.kind, exhibit.name) for exhibit in ZOO]
    assert len(set(names)) == len(names)
    counts = {kind: sum(exhibit.kind == kind for exhibit in ZOO) for kind in KINDS}
    rows = sum(row.mistake for row in ledger.rows() if row.id in ROWS)
    with capsys.disabled():
        kinds = ", ".join(f"{n} {kind}s" for kind, n in counts.items())
        print(
            f"\n{len(ZOO)} wrong objects ({kinds}), all rejected; {len(ROWS)} rows of the ledger, {rows} of them wrong."
        )
    assert len(ZOO) >= 130
    assert rows >= 30
    page = (ROOT / "docs" / "property-suite.md").read_text(encoding="utf-8")
    kinds = r"\((\d+) operators, (\d+) priors, (\d+) schedules, (\d+) methods and (\d+) degradations"
    stated = re.findall(rf"(\d+) wrong objects {kinds}", page)
    order = ("operator", "prior", "schedule", "method", "degradation")
    assert [tuple(map(int, numbers)) for numbers in stated] == [(len(ZOO), *(counts[kind] for kind in order))]
    assert f"and {len(ROWS)} rows of" in page


# The ledger.


def test_every_mistake_of_the_ledger_is_in_the_zoo():
    """A new row finds its place here: a wrong object, or the reason why no program can be made of it."""
    rows = {row.id: row for row in ledger.rows()}
    assert not ROWS.keys() & NO_PROGRAM.keys()
    assert not {name for name in [*ROWS, *NO_PROGRAM] if name not in rows}
    assert not [name for name in [*ROWS, *NO_PROGRAM] if rows[name].verdict == "correct"]
    mistakes = {name for name, row in rows.items() if row.mistake and row.document not in NO_KIND}
    placed = {name for name in [*ROWS, *NO_PROGRAM] if rows[name].mistake}
    assert placed == mistakes
    assert all(exhibit in ZOO for exhibits in ROWS.values() for exhibit in exhibits)
    assert all(exhibits for exhibits in ROWS.values())


PRINTED = [
    ("rao.app2.line1", 0, methods.x0_without_bar),
    ("rao.app2.line2", 0, methods.line2),
    ("rao.app2.line3", 0, methods.line3),
    ("rao.app2.line4", 0, methods.line4),
    ("rao.app2.line5", 0, methods.line4),
    ("rao.app3.line7a", 0, methods.all_the_way_back),
    ("rao.app3.line7b", 0, methods.plus_epsilon),
    ("mashayak.eq7b", 0, methods.ald_wrong_sign),
    ("mashayak.eq17", 0, methods.eq17),
    ("between.reverse-epsilon", 0, methods.eq17),
    ("between.reverse-epsilon", 2, methods.plus_epsilon),
    ("between.posterior-mean", 0, methods.line2),
    ("between.scoreald-sign", 0, methods.ald_wrong_sign),
    ("between.pair-lost-bars", 0, methods.line3),
    ("between.pair-no-bar", 0, methods.eq17),
]


@pytest.mark.parametrize(("row", "claim", "function"), PRINTED, ids=[f"{row}-{k}" for row, k, _ in PRINTED])
def test_the_wrong_object_is_what_was_printed(row, claim, function):
    """The step's function, and the expression that the ledger refutes, at numbers that satisfy no relation."""
    (found,) = ledger.find(row)
    values = {
        "alpha": 0.83, "alpha_prev": 0.71, "alpha_bar": 0.37, "alpha_bar_prev": 0.59, "s_theta": 1.3, "eps_theta": -0.7,
        "x0_hat": 0.45, "x_t": 2.1, "s": 1.7, "sigma": 0.6, "gamma": 1.0, "y": -0.9,
    }  # fmt: skip
    symbols = dict(zip(get(*values), values.values(), strict=True))
    expected = float(found.claim[claim].lhs.subs(symbols))
    image = {name: torch.full((1, 1, 1, 1), values[name], dtype=torch.float64) for name in ("x_t", "x0_hat", "y")}
    now = SimpleNamespace(
        alpha=values["alpha"], alpha_prev=values["alpha_prev"], alpha_bar=values["alpha_bar"],
        alpha_bar_prev=values["alpha_bar_prev"], eps=values["eps_theta"], sigma=values["sigma"], **image,
        A=Matrix(torch.tensor([[values["s"]]], dtype=torch.float64)), s=values["s_theta"],
    )  # fmt: skip
    assert math.isclose(float(function(now)), expected, rel_tol=1e-12)


# What hurts the people who use such software today.


@pytest.mark.parametrize("pain", FIELD, ids=lambda pain: pain.bug[:40])
def test_no_shipped_bug_passes(pain):
    """Each is a wrong object, or a test that is there holds it off."""
    assert pain.exhibits or pain.tests
    assert all(exhibit in ZOO for exhibit in pain.exhibits)
    for place in pain.tests:
        path, function = place.split("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, place


def test_all_seventeen_are_here():
    assert len(FIELD) == 17


def test_a_mean_of_differences_would_not_see_it():
    """Why the dot test compares inner products: the released kind of test passes this wrong adjoint."""
    A, right = operators.circular(operators.CancellingErrors), operators.circular()
    y = torch.randn(1, *operators.SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert abs(float((A.adjoint(y) - right.adjoint(y)).mean())) < 1e-15
    (result,) = check("operator", A, only=["dot_test"], on_fail="return")
    assert result.status == "failed"
