"""The ledger of fabian: every equation has a row, verdicts are borne out, and numbers found in another way agree."""

import re
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from derivations import dirac_guidance as guidance
from derivations import dirac_sde as sde
from derivations import dirac_step as steps
from derivations.ledger.fabian import ROWS, at_least
from derivations.symbols import get

BY_ID = {row.id: row for row in ROWS}
EXPECTED = {
    "wrong": "eq23 p.local-optimality p.smoothness-in-x p.score-error p.dncnn-parameters",
    "correct": "eq1 eq2 eq3 eq4 eq5 eq8 eq9 eq10 eq12 eq14 eq16 eq18 eq19 eq20 eq21 eq24 eq26 eq27 eq28 eq29 eq31 eq32 "
    "eq34 eq36 def3.1 def3.5 thm3.4 thmA.1 lemmaA.4 p.slb-error p.inpainting-best",
    "conditional": "eq7 eq11 eq13 eq17 eq22 eq25 eq30 eq33 eq35 def3.2 thm3.6 assA.2 assA.5 propA.6 lemmaA.7 "
    "p.upper-bound p.implies-score p.noise-floor p.non-increasing p.posterior-sample p.not-needed",
    "ambiguous": "eq6 eq15 def3.3 assA.3",
    "not-checkable": "alg1 alg2 table1 table2 table3",
}


@pytest.mark.parametrize("number", range(1, 37))
def test_every_numbered_equation_has_a_row(number):
    assert f"fabian.eq{number}" in BY_ID


def test_every_theorem_definition_algorithm_and_table_has_a_row():
    sections = "def3.1 def3.2 def3.3 def3.5 thm3.4 thm3.6"
    appendices = "thmA.1 assA.2 assA.3 lemmaA.4 assA.5 propA.6 lemmaA.7 admm-tv alg1 alg2 table1 table2 table3"
    assert {f"fabian.{name}" for name in (*sections.split(), *appendices.split())} <= set(BY_ID)


@pytest.mark.parametrize(("verdict", "ids"), EXPECTED.items())
def test_the_verdicts(verdict, ids):
    assert {name: BY_ID[f"fabian.{name}"].verdict for name in ids.split()} == dict.fromkeys(ids.split(), verdict)


# The reverse equation, followed in small steps: affine, so mean and variance follow without draws.

TIMES = np.linspace(0, 1, 4001)
MU, TAU, PICTURE = 0.5, 0.7, 2.0


def a(t):
    return 1 - 0.6 * t


def noise(t):
    return (0.1 * 5**t) ** 2


def reverse(drift, score):
    """Mean and variance of y_0, and its slope in y_1, from y_1 of one picture.

    Drift and score are (slope, offset) in y.
    """
    mean, variance, kept = a(1) * PICTURE, noise(1), 1.0
    for now, before in pairwise(TIMES[::-1]):
        step, fresh = now - before, noise(now) - noise(before)
        slope = 1 - step * drift(now)[0] + fresh * score(now)[0]
        offset = -step * drift(now)[1] + fresh * score(now)[1]
        mean, variance, kept = slope * mean + offset, slope**2 * variance + fresh, slope * kept
    return mean, variance, kept


def known(t):
    return 0.0, -0.6 * PICTURE


def given_picture(t):
    return -1 / noise(t), a(t) * PICTURE / noise(t)


def spread(t):
    return a(t) ** 2 * TAU**2 + noise(t)


def marginal(t):
    return -1 / spread(t), a(t) * MU / spread(t)


def predicted(t):
    slope = a(t) * TAU**2 / spread(t)
    return -0.6 * slope, -0.6 * (MU - slope * a(t) * MU)


def test_a_known_picture_needs_the_score_given_it():
    mean, variance, _ = reverse(known, given_picture)
    assert mean == pytest.approx(PICTURE, rel=1e-3) and variance == pytest.approx(noise(0), rel=1e-2)
    mean, variance, _ = reverse(known, marginal)
    assert mean < 0.95 * PICTURE and variance > 5 * noise(0)


def test_an_unknown_picture_needs_the_mean_rate_and_the_marginal_score():
    mean, variance, kept = reverse(predicted, marginal)
    fixed = kept**2 * noise(1)  # the start's own part: this start was the law of one picture
    start_mean = mean + kept * (a(1) * MU - a(1) * PICTURE)
    assert start_mean == pytest.approx(MU, rel=1e-3)
    assert variance - fixed + kept**2 * spread(1) == pytest.approx(spread(0), rel=2e-3)


def test_given_its_measurement_the_output_is_no_posterior():
    """Regression of y_0 on y_1: the process that forgets x_0, against two degradations of one picture."""
    _, _, kept = reverse(predicted, marginal)
    truth = (a(0) * a(1) * TAU**2 + noise(0)) / spread(1)
    assert abs(kept - truth) > 0.05


# The step.


@given(st.integers(1, 60))
def test_euler_s_chain_is_late(n):
    ratio = Fraction(4, 5)
    level, variance = Fraction(1), Fraction(1)
    for _ in range(n):
        below = ratio * level
        variance, level = (below / level) ** 2 * variance + level - below, below
    point = {steps.ratio: ratio.numerator / sp.Integer(ratio.denominator), steps.decay: sp.Rational(4, 5) ** n}
    assert variance / level - 1 == Fraction(str(steps.relative.subs(point)))


def test_the_consequence_of_equation_23_is_a_loop():
    said = dict(re.findall(r"(\d+) steps?: (\d+\.\d+)", BY_ID["fabian.eq23"].consequence()))
    prose = BY_ID["fabian.p.few-steps"].reason
    prose = dict(re.findall(r"at (\d+) steps (?:its variance is )?(\d+\.\d+) times", prose))
    assert set(said) == {"1", "50", "200"} and set(prose) == {"10", "50"}
    for n, words in [*said.items(), *prose.items()]:
        levels = np.geomspace(0.05, 0.01, int(n) + 1) ** 2
        variance = levels[0]
        for now, below in pairwise(levels):
            variance = (below / now) ** 2 * variance + now - below
        assert float(words) == pytest.approx(variance / levels[-1], abs=6 * 10.0 ** -len(words.split(".")[1]) / 10)


# What two degradations say of the picture, by linear algebra.

VALUES = {"a_t": 0.8, "a_1": 0.3, "sigma_yt": 0.4, "sigma_y1": 0.9, "tau": 0.7, "mu": 0.5, "y_t": 1.3, "y_1": -0.2}


def value(e):
    return float(e.subs({get(name): v for name, v in VALUES.items()}))


def conditioned(wanted, seen):
    """Mean and variance of (x_0, y_t, y_1)[wanted] given the values of `seen`, noise nested as in the SDE."""
    v, s1, s2 = VALUES["tau"] ** 2, VALUES["sigma_yt"] ** 2, VALUES["sigma_y1"] ** 2
    a_t, a_1 = VALUES["a_t"], VALUES["a_1"]
    covariance = np.array(
        [
            [v, a_t * v, a_1 * v],
            [a_t * v, a_t**2 * v + s1, a_t * a_1 * v + s1],
            [a_1 * v, a_t * a_1 * v + s1, a_1**2 * v + s2],
        ]
    )
    mean = VALUES["mu"] * np.array([1, a_t, a_1])
    data = np.array([np.nan, VALUES["y_t"], VALUES["y_1"]])[seen]
    gain = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[seen, wanted])
    return mean[wanted] + gain @ (data - mean[seen]), covariance[wanted, wanted] - gain @ covariance[seen, wanted]


def test_the_posterior_mean_given_both():
    mean, variance = conditioned(0, [1, 2])
    assert value(sde.both) == pytest.approx(mean, rel=1e-12)
    assert value(1 / sde.precision) == pytest.approx(variance, rel=1e-12)
    assert abs(value(sde.x0_mean(sde.y_t)) - mean) > 0.1


def test_the_likelihood_of_the_process_own_end():
    mean, variance = conditioned(2, [1])
    assert value(guidance.end_mean) == pytest.approx(mean, rel=1e-12)
    assert value(guidance.end_variance) == pytest.approx(variance, rel=1e-12)


# The bounds, tried out.

unit = st.floats(-1, 1)


@given(st.lists(st.tuples(unit, unit), min_size=2, max_size=5), st.tuples(unit, unit))
def test_no_distance_function_has_a_larger_jensen_gap(points, centre):
    points = np.array(points)

    def f(x):
        return np.linalg.norm(x - np.array(centre), axis=-1)

    assert abs(f(points).mean() - f(points.mean(axis=0))) <= np.sqrt(2) + 1e-12
    positive = (points + 1) / 2
    assert abs(f(positive).mean() - f(positive.mean(axis=0))) <= np.sqrt(2) / 2 + 1e-12


@given(st.lists(unit, min_size=1, max_size=5), unit, st.floats(0.01, 0.5))
def test_two_steps_of_time_bound_every_prediction(rates, rate, dt):
    """A_t(x) = x + t phi(x) with |phi| <= 1: the posterior's rates and the prediction's are any numbers."""
    estimate, target = -dt * rate, -dt * np.mean(rates)
    assert abs(estimate - target) <= 2 * dt + 1e-12


# The schedule: the algorithm as the paper describes it.


def greedy(count, grid=1 << 12):
    points = [0, grid]
    for _ in range(count):
        left, right = max(pairwise(points), key=lambda pair: pair[1] - pair[0])
        points = sorted([*points, (left + right) // 2])
    return [Fraction(p, grid) for p in points]


def largest(points):
    return max(b - a for a, b in pairwise(points))


@pytest.mark.parametrize("count", range(1, 9))
def test_the_greedy_schedule_is_locally_optimal_for_powers_of_two_only(count):
    points = greedy(count)
    moved = [
        largest(sorted([*points[:k], points[k] + Fraction(step, 240), *points[k + 1 :]]))
        for k in range(1, count + 1)
        for step in range(-60, 61)
        if step and points[k - 1] < points[k] + Fraction(step, 240) < points[k + 1]
    ]
    halved = count in (1, 3, 7)
    assert (min(moved) > largest(points)) == halved
    assert Fraction(1, count + 1) <= largest(points) < 2 * Fraction(1, count + 1)
    if count == 2:
        assert points == [0, Fraction(1, 4), Fraction(1, 2), 1] or points == [0, Fraction(1, 2), Fraction(3, 4), 1]
        assert min(moved) == Fraction(3, 8)


# The tables.

METHODS = ("PO", "DO", "DPS", "DDRM", "PnP", "TV")
TABLE = {
    "FFHQ": """26.67 0.7418 0.2716 53.36 25.41 0.7595 0.2611 39.43
        28.47 0.8054 0.2972 69.15 26.98 0.8435 0.2234 51.87
        25.56 0.6878 0.3008 65.68 21.06 0.7238 0.2899 57.92
        27.21 0.7671 0.2849 65.84 25.62 0.8132 0.2313 54.37
        27.02 0.7596 0.3973 74.17 12.27 0.6205 0.4471 192.36
        26.03 0.7323 0.4126 89.93 11.73 0.5618 0.5042 264.62""",
    "ImageNet": """24.68 0.6582 0.3302 53.91 25.48 0.8077 0.2185 40.46
        25.76 0.7085 0.3705 83.23 28.42 0.8906 0.1760 40.73
        21.51 0.5163 0.4235 52.60 22.71 0.8026 0.1986 34.55
        24.53 0.6676 0.3917 61.06 25.92 0.8347 0.2138 33.71
        25.02 0.6722 0.4565 98.72 18.14 0.7901 0.2709 101.25
        24.31 0.6441 0.4578 88.26 17.60 0.7229 0.3157 120.22""",
}


def leads(*own):
    """In how many of the 16 columns the best of these rows is ahead of all other methods."""
    signs, count = np.array([1, 1, -1, -1] * 2), 0
    for text in TABLE.values():
        figures = dict(zip(METHODS, np.array([line.split() for line in text.splitlines()], float) * signs, strict=True))
        best = np.max([figures[name] for name in own], axis=0)
        count += int((best > np.max([figures[name] for name in METHODS[2:]], axis=0)).sum())
    return count


def test_who_leads_in_the_tables():
    reason = BY_ID["fabian.table1"].reason
    assert f"leads in {leads('PO', 'DO')};" in reason
    assert f"DO alone leads in {leads('DO')} columns, PO alone in {leads('PO')}" in reason


def test_figures_of_the_rows_stand_in_the_tables():
    known = {sp.Rational(figure) for text in TABLE.values() for figure in text.split()}
    for name in ("table1", "p.great-improvements", "p.deblur-superior", "p.inpainting-best", "p.po-do"):
        row = BY_ID[f"fabian.{name}"]
        figures = {side for step in [*row.claim, *row.truth] for side in (step.lhs, step.rhs)}
        assert figures <= known


def test_at_least_looks_at_every_pair():
    assert [step.check().status for step in at_least("2 3 3", "1 3 4")] == ["proved", "vacuous", "refuted"]
    with pytest.raises(ValueError, match="argument"):
        at_least("2 3", "1")
