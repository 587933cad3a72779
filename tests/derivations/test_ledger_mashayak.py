"""The ledger of mashayak: every line has a row, every verdict is borne out, and no other verdict would be."""

import re

import pytest
from sympy import Rational

from derivations.checker import Equal, law
from derivations.ledger import sampler
from derivations.ledger.mashayak import (
    ROWS,
    Quotes,
    ald,
    eq7_printed,
    eq13_x0_printed,
    eq17_printed,
    gamma,
    guided,
    larger,
    level_of,
    mean,
    score_form,
    weight,
    x_t,
)
from derivations.symbols import get

BY_ID = {row.id: row for row in ROWS}
# The lines of the numbered equations, as they stand in the report.
LINES = {
    **dict.fromkeys((f"eq{k}" for k in range(1, 18)), ""),
    "eq7": "ab",
    "eq11": "ab",
    "eq13": "ab",
    "eq14": "abc",
    "eq16": "abc",
}
EXPECTED = {
    "wrong": "p.sdedit-name eq5 eq7b eq12 eq13a eq16c eq17",
    "missing-term": "eq13b",
    "correct": "eq1 eq3 eq4 eq9 eq10 eq11a eq11b eq14a eq14b eq14c eq15 eq16a eq16b",
    "conditional": "eq2 p.underdetermined p.weighted-sum p.map-optimal p.annealing",
    "ambiguous": "eq6 eq7a eq8",
}


def test_every_line_of_every_numbered_equation_has_a_row():
    for equation, lines in LINES.items():
        for line in lines or [""]:
            assert f"mashayak.{equation}{line}" in BY_ID


def test_every_table_has_a_row():
    assert {"mashayak.table1", "mashayak.table2", "mashayak.table3"} <= set(BY_ID)


@pytest.mark.parametrize(("verdict", "ids"), EXPECTED.items())
def test_the_verdicts_on_the_equations(verdict, ids):
    assert [BY_ID[f"mashayak.{name}"].verdict for name in ids.split()] == [verdict] * len(ids.split())


def test_the_sampling_step_lacks_a_variance_and_nothing_else():
    (claim,) = BY_ID["mashayak.eq13b"].claim
    (mean_printed, mean_right), (printed, right) = zip(*(law(side) for side in (claim.lhs, claim.rhs)), strict=True)
    assert Equal(mean_printed[0], mean_right[0]).check().status == "proved"
    assert Equal(right[0, 0] - printed[0, 0], get("beta_tilde")).check().status == "proved"


# The consequences, checked against numbers that are found in another way.


def test_the_printed_likelihood_sign_drives_the_output_away_from_the_measurement():
    at = {gamma: 1}
    wrong, right = (sampler.output(guided(term), measured=True, values=at).mean for term in (eq7_printed, ald))
    assert wrong < Rational(1, 2) < right < 1  # the prior's mean is 1/2, y is 1


def test_behind_a_minus_sign_the_printed_term_is_right():
    at = {gamma: 1}
    behind = sampler.output(score_form - weight * eq7_printed, measured=True, values=at)
    assert behind == sampler.output(guided(ald), measured=True, values=at)


def test_without_noise_standard_normal_data_shrink_to_alpha_bar():
    mu, tau = sampler.mu, sampler.tau
    law = sampler.output(score_form, noise=0, values={mu: 0, tau: 1})
    assert law.variance == Rational(9 * 8 * 7 * 6, 10**4)


def test_the_right_chain_returns_the_data_and_the_printed_ones_do_not():
    assert sampler.output(score_form) == sampler.truth()
    assert float(sampler.output(eq17_printed).variance) < 0.85 * float(sampler.truth().variance)
    assert float(sampler.output(mean(eq13_x0_printed, x_t)).mean) < 0.46


def test_the_missing_dt_costs_more_the_finer_the_steps():
    # The recursion v -> (1/2 - h)^2 v + h has the fixed point h / (1 - (1/2 - h)^2).
    fixed = [h / (1 - (0.5 - h) ** 2) for h in (0.1, 0.01, 0.001)]
    assert ", ".join(f"{v:.4f}" for v in fixed) in BY_ID["mashayak.eq5"].consequence()


def test_two_lost_bars_cancel_in_the_mean():
    right, one, other, both = re.findall(r"0\.\d{4}", BY_ID["mashayak.eq13a"].consequence().split("A pair")[1])[1:]
    assert right == both
    assert float(one) < float(right) < float(other)


def test_the_step_of_equation_17_takes_out_too_much():
    # At t = 350 the factor is sqrt((1 - alpha_bar) / (1 - alpha)), with beta_350 = 1e-4 + 349/999 (2e-2 - 1e-4).
    factor = ((1 - level_of(350)) / (1e-4 + 349 / 999 * (2e-2 - 1e-4))) ** 0.5
    assert f"{factor:.2f} at t = 350" in BY_ID["mashayak.eq17"].consequence()


def test_the_usual_schedule():
    assert level_of(0) == 1
    assert level_of(1000) == pytest.approx(4.0358e-5, rel=1e-4)


# What this ledger's checks are made with.


def test_larger_looks_at_every_pair():
    assert [step.check().status for step in larger("2 3", "1 2.99")] == ["proved", "proved"]
    assert [step.check().status for step in larger("2 3 3", "1 3 4")] == ["proved", "vacuous", "refuted"]
    with pytest.raises(ValueError, match="argument"):
        larger("2 3", "1")


def test_quotes_needs_every_word():
    assert Quotes("Editing with", "image editing with: words").check().status == "proved"
    assert Quotes("score editing", "image editing with: words").check().status == "refuted"
