"""The ledger: every printed formula has a row, every row's check bears its verdict out, and a wrong verdict fails.

The steps of the rows are decided once for all tests of this file.
"""

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympy import Rational, sqrt

from derivations import ledger, registry
from derivations.checker import Equal, InLaw, Step, Unequal, Verdict
from derivations.ledger import sampler
from derivations.ledger.row import KEYS, VERDICTS, AtLeast, Row, decibels
from derivations.ledger.sampler import Law, output
from derivations.reverse_mean import epsilon_form, score_form
from derivations.symbols import get
from derivations.twins import twins

alpha, alpha_bar, beta, s_theta, eps_theta, x_t = get("alpha", "alpha_bar", "beta", "s_theta", "eps_theta", "x_t")
x0_hat, z, z_new, mu, tau, sigma, y = get("x0_hat", "z", "z_new", "mu", "tau", "sigma", "y")

FORMULAS = json.loads((Path(__file__).parent / "formulas.json").read_text(encoding="utf-8"))
REPORTS = ("rao", "mashayak", "liu", "rajpal")
ROWS = ledger.rows()
BY_ID = {row.id: row for row in ROWS}
EVERY = [pytest.param(row, id=row.id) for row in ROWS]
WITHOUT_NUMBERS = {"mashayak.p.sdedit-name"}  # a consequence about a name


@pytest.fixture(scope="module", autouse=True)
def remembered():
    """Each step of a row is checked once, whoever asks; all others, twins say, each time."""
    own = {id(step) for row in ROWS for step in [*row.claim, *row.truth, *row.readings.values()]}
    anew, known = Step.check, {}

    def check(step, nice=False):
        if id(step) not in own:
            return anew(step, nice)
        if (id(step), nice) not in known:
            known[id(step), nice] = anew(step, nice)
        return known[id(step), nice]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Step, "check", check)
        yield


@pytest.fixture(scope="module")
def judged():
    return {row["id"]: row for row in ledger.as_json()}


# Coverage


def plain(tex):
    """LaTeX without what only sets it: alignment, fonts, spaces, parentheses."""
    layout = r"\\(begin|end)\{aligned\}|\\mathbf|\\text|\\left|\\right|\\[Bb]ig|\\q?quad|\\\\|\\[,;]|\\ |[&{}()\s]"
    return re.sub(layout, "", tex).strip(".,")


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f"{f['document']}-{f['number']}")
def test_every_printed_formula_is_judged_as_it_was_printed(formula):
    rows = {row.id: row for row in ROWS}
    assert formula["ids"], "this formula has no row"
    whole = plain(formula["formula"])
    judged_part = [False] * len(whole)
    for name in formula["ids"]:
        assert name in rows, f"the ledger has no row {name}"
        assert rows[name].document == formula["document"]
        printed = plain(rows[name].printed)
        assert printed in whole or whole in printed, name
        for found in re.finditer(re.escape(printed), whole):
            judged_part[found.start() : found.end()] = [True] * len(printed)
        if whole in printed:  # a row about several formulas
            judged_part = [True] * len(whole)
    rest = "".join(character for character, done in zip(whole, judged_part, strict=True) if not done)
    assert not rest.strip("=,."), f"no row judges this part: {rest}"


def test_the_fixture_holds_every_displayed_formula_of_the_four_reports():
    """How many there are in each text: displayed formulas, and the formulas of a poster's list items."""
    counts = Counter(f["document"] for f in FORMULAS)
    assert counts == {"rao": 28, "mashayak": 18, "liu": 10, "rajpal": 9}
    for document in REPORTS:
        numbers = [f["number"] for f in FORMULAS if f["document"] == document]
        assert numbers == list(range(1, len(numbers) + 1))


def test_the_fixture_is_of_formulas_and_not_of_prose():
    for formula in FORMULAS:
        words = re.findall(r"(?<!\\)\b[a-zA-Z]{4,}", formula["formula"])
        assert len(words) <= 2, words  # "Bayes rule", "minimize"


def test_every_row_of_an_appendix_line_belongs_to_a_formula():
    """No invented lines: each formula row of rao's appendix and of numbered equations is in the fixture."""
    named = {name for f in FORMULAS for name in f["ids"]}
    for row in ROWS:
        if re.match(r"rao\.app|mashayak\.eq|rajpal\.(eq|sde)", row.id):
            assert row.id in named, row.id


def test_the_number_of_rows():
    counts = Counter(row.document for row in ROWS)
    assert 100 <= sum(counts[document] for document in REPORTS) <= 150
    assert counts["between"] >= 15


# The verdicts


def test_every_verdict_is_borne_out(judged):
    failed = {name: row["reason"] for name, row in judged.items() if row["status"] == "failed"}
    assert not failed


def test_the_keys_and_statuses_are_the_design_s(judged):
    for name, row in judged.items():
        assert tuple(row) == KEYS
        assert all(isinstance(value, str) for value in row.values())
        assert row["id"] == name and row["document"] == name.split(".")[0]
        assert row["status"] == ("refuted" if row["verdict"] in ("wrong", "missing-term") else "proved")
        assert row["printed"] and row["location"] and row["reason"]


def test_mistakes_come_with_counterexample_correction_and_consequence(judged):
    for row in judged.values():
        if row["verdict"] in ("wrong", "missing-term"):
            assert row["counterexample"].startswith("at "), row["id"]
            assert row["corrected"] and "Origin:" in row["reason"], row["id"]
            assert row["consequence"], row["id"]
        if row["verdict"] == "conditional":
            assert row["counterexample"] and "Condition:" in row["reason"], row["id"]
        if row["verdict"] == "ambiguous":
            assert row["counterexample"] and row["reason"].count("Reading, ") >= 2, row["id"]
        if row["verdict"] == "correct":
            assert not row["counterexample"], row["id"]


def test_the_proofs_that_rows_lean_on_exist():
    known = set(registry.names())
    for row in ROWS:
        assert not row.proof or row.proof in known, f"{row.id} leans on {row.proof}"


@pytest.mark.parametrize("row", [r for r in ROWS if r.claim], ids=lambda r: r.id)
def test_the_opposite_verdict_fails(row):
    """A row whose verdict is turned round must not pass: the check decides, not the author."""
    if row.verdict == "correct":
        other = {"verdict": "wrong", "corrected": "x", "origin": "wrong idea: none", "consequence": lambda: "0"}
    else:
        other = {"verdict": "correct"}
    assert replace(row, **other).judge().status == "failed"


# No other verdict would be borne out


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
    return {
        "claim": [Decided(0, 1, found=step.check(nice=True)) for step in row.claim],
        "truth": [Decided(0, 1, found=step.check()) for step in row.truth],
        "readings": {words: Decided(0, 1, found=step.check(nice=True)) for words, step in row.readings.items()},
    }


def fails(row, **changes) -> bool:
    """Does a row with other fields fail, by its form or by its check?"""
    try:
        return replace(row, consequence=lambda: "", **changes).judge().status == "failed"
    except ValueError:
        return True


@pytest.mark.parametrize("row", EVERY)
def test_the_check_bears_the_verdict_out(row):
    judged = replace(row, consequence=None if not row.mistake else lambda: "", **decide(row.id)).judge()
    assert judged.status == ("refuted" if row.mistake else "proved"), judged.problem
    if row.mistake or row.verdict in ("conditional", "ambiguous"):
        assert judged.counterexample


@pytest.mark.parametrize("row", EVERY)
def test_another_verdict_fails(row):
    # A check cannot tell apart what differs only in words: what is lost by a slip or left out (see the test of
    # mashayak.eq13b), and a line that is wrong from one that is right under a condition, where a correction is given.
    same_form = {"wrong", "missing-term"} if row.mistake or (row.verdict == "conditional" and row.corrected) else set()
    known = decide(row.id)
    for verdict in set(VERDICTS) - {row.verdict} - same_form:
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


def equalities(row) -> list[Step]:
    """The steps of a claim that a small mistake breaks: what is unequal mostly stays so."""
    return [step for step in row.claim if not isinstance(step, Unequal)]


@pytest.mark.parametrize("row", [r for r in EVERY if r.values[0].verdict == "correct" and equalities(r.values[0])])
def test_a_small_mistake_in_a_correct_line_is_refuted(row):
    found = [twin.step.check().status for step in equalities(row) for twin in islice(twins(step), 4)]
    assert "refuted" in found
    assert set(found) <= {"refuted", "proved"}  # decided, all of them; the sign of a draw changes no law


@pytest.mark.parametrize("row", [row for row in EVERY if row.values[0].consequence])
def test_a_consequence_is_a_sentence_from_numbers(row):
    text = row.consequence()
    assert text.rstrip(")").endswith(".")
    assert re.search(r"\d", text) or row.id in WITHOUT_NUMBERS
    assert "nan" not in text


# Rows that fail


def row(**changes):
    """A row that passes, changed."""
    return Row(
        **{
            "id": "test.line",
            "location": "here",
            "printed": "-",
            "verdict": "correct",
            "reason": "A test.",
            "claim": Equal(alpha, 1 - beta),
        }
        | changes
    )


def test_a_good_row_passes():
    assert row().judge().status == "proved"


MISTAKE = {"verdict": "wrong", "corrected": "x", "origin": "wrong idea: a test", "consequence": lambda: "0"}
WRONG = Equal(alpha, beta)
RIGHT = Equal(alpha, 1 - beta)
VACUOUS = Equal(alpha, alpha)
UNDECIDED = InLaw(z**2, z_new)

BAD = {
    "a vacuous claim": row(claim=VACUOUS),
    "a vacuous truth": row(truth=VACUOUS),
    "an undecided claim": row(claim=UNDECIDED),
    "an undecided claim of a mistake": row(**MISTAKE, claim=UNDECIDED),
    "a false claim": row(claim=WRONG),
    "a false truth": row(truth=WRONG),
    "one false claim of two": row(claim=[RIGHT, WRONG]),
    "a mistake that is none": row(**MISTAKE),
    "a mistake that is half one": row(**MISTAKE, claim=[WRONG, RIGHT]),
    "a mistake with a false correction": row(**MISTAKE, claim=WRONG, truth=WRONG),
    "a vacuous mistake": row(**MISTAKE, claim=VACUOUS),
    "a condition that is not needed": row(verdict="conditional", condition="c", truth=RIGHT),
    "a condition that does not help": row(verdict="conditional", condition="c", claim=WRONG, truth=WRONG),
    "two readings that both hold": row(verdict="ambiguous", claim=[], readings={"a": RIGHT, "b": RIGHT}),
    "two readings that both fail": row(verdict="ambiguous", claim=[], readings={"a": WRONG, "b": WRONG}),
    "a vacuous reading": row(verdict="ambiguous", claim=[], readings={"a": VACUOUS, "b": WRONG}),
    "something false said of what cannot be checked": row(verdict="not-checkable", claim=[], truth=WRONG),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_fails_and_says_why(name):
    found = BAD[name].check()
    assert found["status"] == "failed"
    assert found["reason"].startswith("CHECK FAILED: ")
    assert not found["counterexample"] and not found["consequence"]


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "false"},
        {"claim": []},
        {**MISTAKE, "claim": WRONG, "consequence": None},
        {**MISTAKE, "claim": WRONG, "corrected": ""},
        {**MISTAKE, "claim": WRONG, "origin": "laziness: none"},
        {**MISTAKE, "verdict": "missing-term", "claim": WRONG},
        {"verdict": "conditional", "truth": RIGHT, "claim": WRONG},
        {"verdict": "ambiguous", "readings": {"a": RIGHT, "b": WRONG}},
        {"verdict": "not-checkable", "truth": RIGHT},
        {"verdict": "not-checkable", "claim": []},
    ],
)
def test_an_incomplete_row_is_an_error_that_names_it(changes):
    with pytest.raises(ValueError, match=r"test\.line"):
        row(**changes)


# Figures and sentences


@pytest.mark.parametrize(
    ("larger", "smaller", "status"),
    [
        (Rational("22.0"), Rational("20.4"), "proved"),
        (Rational("20.4"), Rational("22.0"), "refuted"),
        (sqrt(2), Rational(7, 5), "proved"),
        (tau**2, tau, "refuted"),
        (tau**2 + 1, tau, "undecided"),  # true, but the sign is not seen: a row with it fails
        (tau**2 + 1, 1, "proved"),
        (alpha, alpha_bar, "proved"),
        (alpha_bar, alpha, "refuted"),
        (alpha_bar, alpha * get("alpha_bar_prev"), "refuted"),  # equal throughout: nothing is larger
        (alpha, alpha, "vacuous"),
    ],
)
def test_at_least(larger, smaller, status):
    assert AtLeast(larger, smaller).check().status == status


def test_at_least_refutes_with_a_point():
    found = AtLeast(tau**2, tau).check().counterexample
    assert found.values == {"tau": "1/2"} and (found.lhs, found.rhs) == ("1/4", "1/2")


def test_decibels():
    assert decibels("3.1", "2").check().status == "proved"  # 10^0.31 = 2.04
    assert decibels("3", "2").check().status == "refuted"  # 10^0.3 = 1.995


# The sampler that the consequences come from


fractions = st.fractions(min_value=Fraction(1, 10), max_value=Fraction(9, 10), max_denominator=20)


@given(st.lists(fractions, min_size=1, max_size=3), fractions, fractions)
def test_the_right_step_returns_the_data_s_law_exactly(alphas, mean, deviation):
    values = {mu: Rational(mean), tau: Rational(deviation)}
    for step in (score_form, epsilon_form):
        found = output(step, alphas=tuple(alphas), values=values)
        assert (found.mean, found.variance) == (Rational(mean), Rational(deviation) ** 2)


def test_the_right_guided_step_returns_the_posterior_exactly():
    step = score_form + (1 - alpha) / sqrt(alpha) * sampler.likelihood_score
    for values in ({}, {sigma: Rational(1, 10)}, {tau: Rational(2), y: Rational(-1)}):
        assert output(step, measured=True, values=values) == sampler.truth(measured=True, values=values)


def test_a_chain_without_noise_against_a_loop_over_fractions():
    variance, bars = Fraction(1), [Fraction(1)]
    for a in sampler.ALPHAS:
        bars.append(bars[-1] * a)
    spreads = [1 - b + b / 4 for b in bars]
    variance = spreads[-1]
    for a, spread in zip(reversed(sampler.ALPHAS), reversed(spreads[1:]), strict=True):
        variance *= (1 - (1 - a) / spread) ** 2 / a
    found = output(score_form, noise=0)
    assert (found.mean, found.variance) == (Rational(1, 2), Rational(variance))


def test_noise_that_a_step_draws_itself_is_not_added_twice():
    assert output(score_form + sqrt(beta) * z_new) == output(score_form, noise=beta)


def test_floats_and_fractions_agree():
    step = (x_t - sqrt(1 - alpha) * eps_theta) / sqrt(alpha)
    exact, rounded = output(step), output(step, alphas=tuple(float(a) for a in sampler.ALPHAS))
    assert rounded.mean == pytest.approx(float(exact.mean), rel=1e-12)
    assert rounded.variance == pytest.approx(float(exact.variance), rel=1e-12)


def test_a_step_that_is_not_affine_is_refused():
    with pytest.raises(ValueError, match="affine"):
        output(x_t**2)


def test_the_usual_schedule():
    table = sampler.linear()
    assert (len(table), 1 - table[0], 1 - table[-1]) == (1000, pytest.approx(1e-4), pytest.approx(2e-2))
    product = 1.0
    for a in table[:500]:
        product *= a
    assert float(sampler.kept_signal(500)) == pytest.approx(product, rel=1e-12)


def test_words_say_what_is_right_and_what_is_not():
    words = sampler.beside(Law(Rational(1, 2), Rational(1, 3)), Law(Rational(1, 2), Rational(1, 4)))
    assert words == "mean 1/2 (as it should), variance 1/3 (it should be 1/4)"
    words = sampler.beside(Law(0.5, 0.25), Law(Rational(1, 2), Rational(1, 4)))
    assert words == "mean 1/2 and variance 1/4, which is right"


# What the rows are famous for


def test_some_mistakes_hide_until_the_third_step():
    """rao.app2.line2 agrees with the truth in a chain of two steps, and not in one of three."""
    from derivations.ledger.rao import line2

    two, three = sampler.ALPHAS[:2], sampler.ALPHAS[:3]
    assert output(line2(x0_hat), alphas=two) == sampler.truth()
    assert output(line2(x0_hat), alphas=three) != sampler.truth()


def test_two_lost_bars_nearly_cancel():
    from derivations.ledger.rao import line2, x0_no_bar
    from derivations.posterior import mean

    steps = (mean(x0_no_bar, x_t), line2(x0_hat), line2(x0_no_bar))
    first, second, both = (abs(output(step, alphas=sampler.linear()).mean - 0.5) for step in steps)
    assert both < min(first, second) / 50


def test_rows_are_found_by_id_and_glob():
    assert [r.id for r in ledger.find("rao.app1.line7")] == ["rao.app1.line7"]
    assert [r.id for r in ledger.find("rao.app1.line?")] == [f"rao.app1.line{k}" for k in range(1, 8)]
    order = [r.document for r in ROWS]
    assert all(a == b or ledger.DOCUMENTS.index(a) < ledger.DOCUMENTS.index(b) for a, b in pairwise(order))
