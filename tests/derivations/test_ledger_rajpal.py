"""The ledger of rajpal: every line has a row, every verdict is borne out, and no other verdict would be."""

import re

import pytest
from sympy import Rational, sqrt

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

BY_ID = {row.id: row for row in ROWS}
LINES = "sde1 sde2 eq1 eq2 eq3 eq4a eq4b eq5 eq6 table1"
EXPECTED = {
    "wrong": "p.collapse",
    "correct": "sde1 sde2 eq1 eq2 p.q p.delta p.svd-once p.crude p.better",
    "conditional": "eq4a eq6 p.ill-posed p.flat-at-tc",
    "ambiguous": "eq3 eq4b eq5 p.tc-rule p.t-settings p.exploration p.dmps-speed",
}


def test_every_equation_has_a_row():
    assert {f"rajpal.{line}" for line in LINES.split()} <= set(BY_ID)


@pytest.mark.parametrize(("verdict", "ids"), EXPECTED.items())
def test_the_verdicts_on_the_equations(verdict, ids):
    assert [BY_ID[f"rajpal.{name}"].verdict for name in ids.split()] == [verdict] * len(ids.split())


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
