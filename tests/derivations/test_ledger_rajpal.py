"""The ledger of rajpal: every line has a row, every verdict is borne out, and no other verdict would be."""

import re
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

import pytest
from sympy import Rational, sqrt

from derivations import registry
from derivations.checker import Step, Verdict
from derivations.ledger import sampler
from derivations.ledger.rajpal import (
    ROWS,
    A,
    Fits,
    Sigma,
    U,
    V,
    alpha_bar,
    c,
    dps_term,
    dps_until,
    guided,
    inpainting_consequence,
    last_level,
    per_value,
    rule_consequence,
    sigma,
    two_images,
)
from derivations.ledger.row import VERDICTS
from derivations.twins import twins

BY_ID = {row.id: row for row in ROWS}
EVERY = [pytest.param(row, id=row.id) for row in ROWS]
LINES = "sde1 sde2 eq1 eq2 eq3 eq4a eq4b eq5 eq6 table1"
EXPECTED = {
    "wrong": "p.collapse",
    "correct": "sde1 sde2 eq1 eq2 p.q p.delta p.svd-once p.crude p.better",
    "conditional": "eq4a eq6 p.ill-posed p.flat-at-tc",
    "ambiguous": "eq3 eq4b eq5 p.tc-rule p.t-settings p.exploration p.dmps-speed",
}


@dataclass(frozen=True)
class Decided(Step):
    """A step whose verdict is known already, so that a row can be judged anew without proving it anew."""

    found: Verdict | None = None

    def check(self, nice: bool = False) -> Verdict:
        return self.found


@cache
def decide(row_id: str) -> dict:
    """The steps of a row, each proved or refuted once."""
    row = BY_ID[row_id]
    known = {name: [Decided(0, 1, found=step.check()) for step in getattr(row, name)] for name in ("claim", "truth")}
    known["readings"] = {words: Decided(0, 1, found=step.check()) for words, step in row.readings.items()}
    return known


def fails(row, **changes) -> bool:
    """Does a row with other fields fail, by its form or by its check?"""
    try:
        return replace(row, consequence=lambda: "", **changes).judge().status == "failed"
    except ValueError:
        return True


def test_every_equation_has_a_row():
    assert {f"rajpal.{line}" for line in LINES.split()} <= set(BY_ID)


@pytest.mark.parametrize(("verdict", "ids"), EXPECTED.items())
def test_the_verdicts_on_the_equations(verdict, ids):
    assert [BY_ID[f"rajpal.{name}"].verdict for name in ids.split()] == [verdict] * len(ids.split())


@pytest.mark.parametrize("row", EVERY)
def test_the_check_bears_the_verdict_out(row):
    judged = replace(row, consequence=None if not row.mistake else lambda: "", **decide(row.id)).judge()
    assert judged.status == ("refuted" if row.mistake else "proved"), judged.problem
    if row.mistake or row.verdict in ("conditional", "ambiguous"):
        assert judged.counterexample


@pytest.mark.parametrize("row", EVERY)
def test_the_proof_exists(row):
    assert row.proof in registry.names()


@pytest.mark.parametrize("row", EVERY)
def test_another_verdict_fails(row):
    same_form = {"wrong", "missing-term"}  # a check cannot tell these two apart
    known = decide(row.id)
    for verdict in set(VERDICTS) - ({row.verdict} | (same_form if row.mistake else set())):
        everything = {"truth": known["truth"] + list(known["readings"].values())} if verdict == "not-checkable" else {}
        assert fails(row, **(known | everything | {"verdict": verdict}))


@pytest.mark.parametrize("row", EVERY)
def test_correct_and_wrong_cannot_be_exchanged(row):
    known = decide(row.id)
    steps = known["claim"] or list(known["readings"].values()) or known["truth"]
    words = {"corrected": "c", "origin": "wrong idea: o", "condition": "c", "readings": {}, "truth": known["truth"]}
    if row.verdict != "correct" and row.verdict != "not-checkable":
        assert fails(row, **(words | {"verdict": "correct", "claim": steps}))
    if not row.mistake and row.verdict != "conditional":
        assert fails(row, **(words | {"verdict": "wrong", "claim": steps}))
        assert fails(row, **(words | {"verdict": "conditional", "claim": steps}))
    if row.verdict != "ambiguous":
        twice = {"one": steps[0], "two": steps[-1]}
        assert fails(row, **(words | {"verdict": "ambiguous", "claim": [], "readings": twice}))


@pytest.mark.parametrize("row", [row for row in EVERY if row.values[0].mistake])
def test_the_right_formula_in_the_place_of_the_printed_one_fails(row):
    assert decide(row.id)["truth"], "the corrected form is proved"
    assert fails(row, **(decide(row.id) | {"claim": decide(row.id)["truth"]}))


@pytest.mark.parametrize("row", [row for row in EVERY if row.values[0].verdict == "correct"])
def test_a_small_mistake_in_a_correct_line_is_refuted(row):
    found = [twin.step.check().status for step in row.claim for twin in islice(twins(step), 4)]
    assert "refuted" in found
    assert set(found) <= {"refuted", "proved"}  # decided, all of them; the sign of a draw changes no law


@pytest.mark.parametrize("row", [row for row in EVERY if row.values[0].consequence])
def test_a_consequence_is_a_sentence_from_numbers(row):
    text = row.consequence()
    assert text.rstrip(")").endswith(".")
    assert re.search(r"\d", text)
    assert "nan" not in text


# The consequences, checked against numbers that are found in another way.


def test_dps_overshoots_dmps_undershoots_and_the_switch_decides():
    values, usual = {sigma: Rational(1, 4)}, sampler.linear()

    def mean(term):
        return sampler.output(guided(term), measured=True, values=values, alphas=usual).mean

    right = float(sampler.truth(True, values).mean)
    dps, dmps, hybrid = mean(dps_term), mean(per_value), mean(dps_until(Rational(7, 10)))
    assert dmps < right < dps
    assert abs(hybrid - right) < min(dps - right, right - dmps) / 5


def test_the_switch_has_two_sides():
    levels = [dps_until(Rational(1, 2)).subs(alpha_bar, Rational(k, 10)) for k in (3, 7)]
    assert levels == [term.subs(alpha_bar, Rational(k, 10)) for term, k in ((dps_term, 3), (per_value, 7))]


def test_a_lost_index_changes_the_output():
    printed = sampler.output(guided(per_value * c / sqrt(last_level())), measured=True)
    assert printed != sampler.output(guided(per_value), measured=True)


def test_dmps_inpaints_but_too_weakly():
    posterior, exact, dmps = (float(v) for v in re.findall(r"(?:is|give|gives) (0\.\d+)", inpainting_consequence()))
    assert posterior == pytest.approx(0.8 / (1 + 1 / 16), abs=1e-4)
    assert exact == pytest.approx(posterior, abs=2e-4)  # a wrong slope in the exact term would show here
    assert 0.1 < dmps < 0.6 * posterior


def test_after_the_collapse_the_flat_prior_takes_far_too_much():
    assert float(two_images.subs(alpha_bar, Rational(9, 10))) < 1e-6 * float((1 - Rational(9, 10)) / Rational(9, 10))
    assert two_images.subs(alpha_bar, 0) == 1  # before: both images are as likely, and their variance is 1


def test_the_rule_for_the_switch_is_met_at_every_step():
    figures = [float(v) for v in re.findall(r"below (\d+\.\d) dB", rule_consequence())]
    assert len(figures) == 2
    assert min(figures) > 20


def test_fits_compares_neighbouring_shapes():
    assert Fits((U, Sigma, V.T)).check().status == "proved"
    assert Fits((V, Sigma)).check().status == "refuted"
    assert "N x N times M x N" in str(Fits((V, Sigma)).check().counterexample)
    assert Fits((A.T, A)).check().status == "proved"
    assert Fits((A, A)).check().status == "refuted"
