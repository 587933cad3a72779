"""The proof checker can fail: every kind of step proves what is true and refutes what is false."""

from fractions import Fraction

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from sympy import Derivative, Function, I, Identity, Integral, Matrix, Rational, diff, exp, log, oo, sqrt

from derivations import registry, symbols
from derivations.checker import (
    Assumed,
    Code,
    Derivation,
    Entries,
    Equal,
    Induction,
    InLaw,
    InSVD,
    Integrals,
    Positive,
    SameOrder,
    Unequal,
    chain,
    compare,
    product,
)
from derivations.exact import NotExact, NotReal, Number, evaluate
from derivations.normal import Normal
from derivations.report import Report, run
from derivations.spectral import A, A_pinv, M, N, NotDiagonal, S, S_r, U, U_r, V, V_r, vector
from derivations.symbols import declare, get
from derivations.tweedie import a, b, expect, score, u, weigh, x
from derivations.twins import mistakes, twins

alpha, alpha_bar, alpha_bar_prev, beta = get("alpha", "alpha_bar", "alpha_bar_prev", "beta")
sigma, gamma, tau, s, x_0, x_t, x_prev, y = get("sigma", "gamma", "tau", "s", "x_0", "x_t", "x_prev", "y")
z, z_t, z_prev, w = get("z", "z_t", "z_prev", "w")
h = declare("h", "h", "a small number", "positive")

rationals = st.fractions(min_value=Fraction(-9), max_value=Fraction(9), max_denominator=9)
seldom_square = st.sampled_from([1, 2, 3, 5, 6, 10, 12, 15, 18])


def status(step):
    return step.check().status


# Exact numbers


def number(parts):
    """sum of c sqrt(n) over (c, n), as our number and as sympy's."""
    ours = Number({})
    for c, n in parts:
        ours = ours + Number.of(c) * Number.of(n).sqrt()
    return ours, sp.Add(*(Rational(c) * sqrt(n) for c, n in parts))


sums = st.lists(st.tuples(rationals, seldom_square), max_size=3).map(number)


@given(sums, sums)
def test_numbers_add_and_multiply_as_sympys_do(p, q):
    assert sp.expand((p[0] + q[0]).sympy() - (p[1] + q[1])) == 0
    assert sp.expand((p[0] * q[0]).sympy() - sp.expand(p[1] * q[1])) == 0
    assert (p[0] == q[0]) == (sp.expand(p[1] - q[1]) == 0)


@given(sums)
def test_a_number_times_its_inverse_is_one(p):
    if p[0] == Number({}):
        with pytest.raises(ZeroDivisionError):
            p[0].inverse()
    else:
        assert p[0] * p[0].inverse() == Number.of(1)


@given(sums)
def test_the_sign_of_a_number_is_its_floating_point_value_s(p):
    value = float(p[1].evalf(30))
    if abs(value) > 1e-9 or p[0] == Number({}):
        assert p[0].sign() == (value > 0) - (value < 0)


def test_the_sign_of_two_numbers_that_agree_in_many_digits():
    close = Number.of(2).sqrt() - Number.of(Fraction(1414213562373095048801688724209698, 10**33))
    assert close.sign() == 1 and (-close).sign() == -1


def test_roots_leave_the_numbers_only_where_they_must():
    assert Number.of(Fraction(8, 9)).sqrt() * Number.of(2).sqrt() == Number.of(Fraction(4, 3))
    with pytest.raises(NotReal):
        Number.of(-1).sqrt()
    with pytest.raises(NotExact):
        (Number.of(1) + Number.of(2).sqrt()).sqrt()


def test_exponentials_of_different_rationals_are_different():
    half = Number.of(Fraction(1, 2)).exp()
    assert half * half == Number.of(1).exp() and half != Number.of(1)


def test_a_function_that_is_not_known_is_an_error():
    with pytest.raises(TypeError, match="cannot evaluate"):
        evaluate(sp.sin(x_0), {x_0: Number.of(1)})


# The normal form


@given(st.integers(1, 9), st.integers(1, 9), st.integers(-4, 4), st.booleans())
def test_expanded_squares_of_sums_of_roots(m, n, k, wrong):
    left = (m * sqrt(alpha) + n * sqrt(1 - alpha_bar) + k) ** 2
    right = m**2 * alpha + n**2 * (1 - alpha_bar) + k**2 + 2 * m * n * sqrt(alpha * (1 - alpha_bar))
    right += 2 * k * (m * sqrt(alpha) + n * sqrt(1 - alpha_bar)) + (alpha if wrong else 0)
    assert status(Equal(left, right)) == ("refuted" if wrong else "proved")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (sqrt(alpha) * sqrt(alpha_bar_prev), sqrt(alpha_bar)),
        (sqrt(alpha_bar_prev / alpha_bar), 1 / sqrt(alpha)),
        (1 / (sqrt(1 - alpha) - sqrt(alpha)), (sqrt(1 - alpha) + sqrt(alpha)) / (1 - 2 * alpha)),
        (sqrt(8 * alpha**3), 2 * alpha * sqrt(2) * sqrt(alpha)),
        (sqrt((1 - alpha) ** 2), 1 - alpha),
        (sqrt((alpha - 1) ** 2), 1 - alpha),
        (sqrt(sqrt(alpha_bar)), alpha_bar ** Rational(1, 4)),
        (sqrt(1 - alpha_bar_prev - gamma**2) ** 2 + gamma**2, 1 - alpha_bar_prev),
        (sp.Abs(alpha - 1), 1 - alpha),
        (sp.Max(alpha, 1), sp.Integer(1)),
        (sp.Min(alpha, alpha_bar), alpha_bar),
    ],
)
def test_identities_with_roots_and_signs(left, right):
    assert compare(left, right).status == "proved"
    assert compare(left, 2 * right).status == "refuted"
    assert compare(left, right + gamma).status == "refuted"


def test_what_is_not_so_for_negative_numbers_is_refuted():
    found = Equal(sp.Abs(x_0), x_0).check()
    assert found.status == "refuted" and found.counterexample.values["x_0"].startswith("-")


def test_definitions_are_unfolded_and_only_those():
    assert status(Equal(alpha_bar, alpha * alpha_bar_prev)) == "proved"
    assert status(Equal(alpha, alpha_bar)) == "refuted"
    assert status(Equal(get("beta_tilde"), beta)) == "refuted"
    assert status(Equal(alpha_bar_prev, get("alpha_prev") * get("alpha_bar_prev2"))) == "proved"


def test_an_identity_that_is_written_with_a_zero_denominator_is_not_proved():
    assert status(Equal(x_0 / (sqrt(alpha) * sqrt(alpha_bar_prev) - sqrt(alpha_bar)), x_0)) != "proved"


def test_a_side_that_is_never_real_is_no_equal_of_one_that_is():
    found = Equal(sqrt(-1 - alpha), sqrt(1 + alpha)).check()
    assert found.status == "refuted" and found.counterexample.lhs == "not a real number"


def test_a_statement_about_nothing_is_vacuous():
    assert status(Equal(sqrt(-1 - alpha), sqrt(-2 - alpha))) == "vacuous"


def test_the_sign_that_the_normal_form_needs_is_never_guessed():
    root = Normal().root(x_0**2 + 1)
    assert root.is_Symbol
    assert status(Equal(sqrt(x_0**2 * (1 + y**2)), x_0 * sqrt(1 + y**2))) == "refuted"


# Verdicts


def test_a_step_whose_sides_are_one_expression_is_vacuous():
    assert status(Equal(alpha + beta, beta + alpha)) == "vacuous"
    assert status(InLaw(x_0 + z, x_0 + z)) == "vacuous"
    assert status(Entries(Matrix([alpha]), Matrix([alpha]))) == "vacuous"
    assert status(InSVD(A * A_pinv, A * A_pinv)) == "vacuous"


def test_a_step_that_repeats_what_it_was_given_is_vacuous():
    assert status(Equal(x_t, x_0 + 1, using={x_t: x_0 + 1})) == "vacuous"
    assert status(Equal(x_0 + 1, x_t, using={x_t: x_0 + 1})) == "vacuous"


def test_a_counterexample_is_exact_and_can_be_checked_by_hand():
    found = Equal(sqrt(alpha_bar) * x_0, sqrt(alpha) * x_0, "a lost bar").check(nice=True).counterexample
    values = {get(name): sp.sympify(value) for name, value in found.values.items()}
    assert found.lhs != found.rhs
    left, right = (e.subs(values) for e in symbols.unfold(sqrt(alpha_bar) * x_0, sqrt(alpha) * x_0))
    assert left == sp.sympify(found.lhs) and right == sp.sympify(found.rhs)
    assert not any(v.has(sp.Float) for v in values.values())


def test_the_same_false_step_gets_the_same_counterexample():
    step = Equal(1 - alpha_bar, 1 - alpha)
    assert step.check() == step.check() and step.check(nice=True) == step.check(nice=True)


def test_undecided_is_said_when_it_is_so():
    found = Equal(sqrt(sp.Integer(2) + sqrt(sp.Integer(3))), (sqrt(6) + sqrt(2)) / 2).check()
    assert found.status == "undecided"  # true, but nested: the normal form does not see it


def test_floating_point_numbers_are_refused():
    with pytest.raises(ValueError, match="floating-point"):
        Equal(0.5 * x_0, x_0 / 2)


def test_a_symbol_that_is_not_from_the_table_is_refused():
    with pytest.raises(KeyError, match="symbol table"):
        Equal(sp.Symbol("alpha_bar") * 2, 2 * alpha_bar).check()


def test_complex_units_do_not_pass_for_numbers():
    assert status(Equal(I * x_0, x_0)) == "refuted"


# Symbols


def test_a_name_has_one_domain():
    with pytest.raises(ValueError, match="already"):
        declare("alpha", r"\alpha_t", "something else", "real")
    with pytest.raises(ValueError, match="domain"):
        declare("new_name", "n", "a thing", "complex")
    with pytest.raises(KeyError, match="no_such_symbol"):
        get("alpha", "no_such_symbol")
    assert declare("alpha", r"\alpha_t", "the same again", "unit") == alpha


def test_tex_is_the_tables():
    assert symbols.tex(sqrt(alpha_bar) * x_0) == r"\sqrt{\bar\alpha_t} x_0"


def test_whatever_a_symbol_is_confused_with_is_in_the_table():
    for row in list(symbols.TABLE.values()):
        for other in row.confused:
            assert other in symbols.TABLE, f"{row.name} is confused with {other}, which is no symbol"


# Laws


def test_a_fresh_draw_is_not_a_reused_one():
    root = sqrt(1 - alpha_bar)
    kept, added = sqrt(alpha) * sqrt(1 - alpha_bar_prev), sqrt(beta)
    assert status(InLaw(kept * z_prev + added * z_t, root * z)) == "proved"
    reused = InLaw(kept * z + added * z, root * z).check()
    assert reused.status == "refuted" and "variance" in reused.counterexample.where


def test_two_variables_are_compared_jointly():
    assert status(InLaw(z, w)) == "proved"
    found = InLaw((z, z), (z, w)).check()
    assert found.status == "refuted" and "covariance" in found.counterexample.where
    assert status(InLaw((z, w), (w, z))) == "proved"
    assert status(InLaw((z, w), (-z, w))) == "proved"
    assert status(InLaw((z, z + w), (-z, z + w))) == "refuted"


def test_means_and_variances_are_both_compared():
    assert InLaw(x_0 + z, z).check().counterexample.where == "mean of variable 1"
    assert InLaw(x_0 + z, x_0 + 2 * z).check().counterexample.where == "variance of variable 1"


def test_what_is_not_affine_in_its_noise_has_no_gaussian_law():
    assert status(InLaw(z**2, w)) == "undecided"
    assert status(InLaw(z * w, w)) == "undecided"
    with pytest.raises(ValueError, match="2 variables"):
        InLaw((z, w), (z,)).check()


# Induction

forward = sqrt(alpha) * x_prev + sqrt(beta) * z_t
marginal = sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * z
bars = {"previous": x_prev, "start": x_0, "at_zero": {alpha_bar: 1}, "before": {alpha_bar: alpha_bar_prev}, "law": True}


def test_a_true_induction_is_proved():
    assert status(Induction(forward, marginal, **bars)) == "proved"


def test_a_false_step_is_refuted():
    found = Induction(forward, sqrt(alpha_bar) * x_0 + (1 - alpha_bar) * z, **bars).check()
    assert found.status == "refuted" and found.counterexample.where.startswith("step")


def test_alpha_for_alpha_bar_passes_the_base_and_fails_the_step():
    lost = {**bars, "at_zero": {alpha: 1}, "before": {alpha: get("alpha_prev")}}
    found = Induction(forward, sqrt(alpha) * x_0 + sqrt(1 - alpha) * z, **lost).check()
    assert found.status == "refuted" and found.counterexample.where.startswith("step")


def test_a_false_base_is_refuted():
    found = Induction(forward, marginal, **{**bars, "start": 2 * x_0}).check()
    assert found.status == "refuted" and found.counterexample.where.startswith("base")


def test_a_recursion_that_reuses_its_draw_is_not_proved():
    assert status(Induction(sqrt(alpha) * x_prev + sqrt(beta) * z, marginal, **bars)) == "refuted"
    harmless = Induction(x_prev + 0 * z_t, x_0 + z, **{**bars, "start": x_0 + z, "at_zero": {}, "before": {}})
    assert status(harmless) == "vacuous"


def test_an_induction_in_numbers():
    shrink = {"previous": x_prev, "at_zero": {alpha_bar: 1}, "before": {alpha_bar: alpha_bar_prev}}
    assert status(Induction(sqrt(alpha) * x_prev, sqrt(alpha_bar) * x_0, start=x_0, **shrink)) == "proved"
    assert status(Induction(alpha * x_prev, sqrt(alpha_bar) * x_0, start=x_0, **shrink)) == "refuted"


# Integrals


def test_tweedie_with_a_wrong_sign_is_refuted_by_a_prior():
    assert status(Integrals(expect(u, a, b), (x + b**2 * score(a, b)) / a)) == "proved"
    found = Integrals(expect(u, a, b), (x - b**2 * score(a, b)) / a).check()
    assert found.status == "refuted" and "prior's atoms" in found.counterexample.values


def test_moments_are_independent():
    assert status(Integrals(expect(u**2, a, b), expect(u, a, b) ** 2)) == "refuted"
    ell = Function("ell", positive=True)
    assert status(Integrals(expect(u * ell(u), a, b), expect(u, a, b) * expect(ell(u), a, b))) == "refuted"
    assert status(Integrals(expect(3 * u + 2, a, b), 3 * expect(u, a, b) + 2)) == "proved"


def test_the_derivative_is_taken_under_the_integral_sign():
    assert status(Integrals(Derivative(weigh(1, a, b), x), diff(weigh(1, a, b), x))) == "proved"
    assert status(Integrals(diff(log(weigh(1, a, b)), x, 2), 0)) == "refuted"


def test_integrals_of_another_form_are_refused():
    p = Function("p", positive=True)
    for integrand in (p(u), exp(-(u**2)), sp.sin(u) * p(u) * exp(-((x - u) ** 2)), p(u) ** 2 * exp(-((x - u) ** 2))):
        with pytest.raises(ValueError, match="integrand"):
            Integrals(Integral(integrand, (u, -oo, oo)), 1).check()
    with pytest.raises(ValueError, match="whole line"):
        Integrals(Integral(p(u) * exp(-((x - u) ** 2)), (u, 0, oo)), 1).check()
    with pytest.raises(ValueError, match="two kernels"):
        Integrals(weigh(1, a, b), weigh(1, b, a)).check()


# Matrices


def test_matrix_entries():
    B = Matrix([[alpha, 1], [0, beta]])
    assert status(Entries(B * B, B**2 + Matrix([[0, 0], [1, 0]]))) == "refuted"
    assert status(Entries(product(B, B.inv()), sp.eye(2))) == "proved"
    found = Entries(product(B, B), B).check()
    assert found.status == "refuted" and "entry" in found.counterexample.where
    with pytest.raises(ValueError, match="shapes"):
        Entries(B, Matrix([1, 2])).check()


def test_the_svd_bites_in_every_sort_of_coordinate():
    assert InSVD(A * A_pinv, Identity(M)).check().counterexample.where == "singular value 0"
    unseen, unreached = "unseen image direction", "unreached measurement direction"
    from derivations.spectral import cases

    assert [case for case, *_ in cases(A.T * A, Identity(N))] == ["singular value s > 0", "singular value 0", unseen]
    assert [case for case, *_ in cases(A * A.T, Identity(M))][-1] == unreached
    image, measured = vector("x", N), vector("y", M)
    assert {c: (p, q) for c, p, q in cases(A.T * measured, image)}[unseen] == (0, sp.Symbol("x_i", real=True))


def test_thin_factors_lose_what_no_singular_value_reaches():
    assert status(InSVD(V_r * S_r * U_r.T, A.T)) == "proved"
    assert status(InSVD(V * S.T * U.T, A.T)) == "proved"
    assert status(InSVD(U_r * U_r.T, Identity(M))) == "refuted"
    assert status(InSVD(U_r * U_r.T, A * A_pinv)) == "proved"
    assert status(InSVD(A.T * A, A.T * A + Identity(N))) == "refuted"


def test_shapes_that_do_not_fit_are_refused():
    for left in (V * S * U.T, A * A, A + A.T, S**2, (U * V).inv()):
        found = InSVD(left, left + left).check()
        assert found.status == "refuted" and "shapes do not fit" in found.counterexample.lhs
    assert "compared" in InSVD(A, A.T).check().counterexample.lhs


def test_outer_products_are_not_diagonal():
    image, other = vector("x", N), vector("x_other", N)
    assert status(InSVD((A * image).T * A * other, image.T * A.T * A * other)) == "vacuous"
    assert status(InSVD(image.T * A.T * A * other, other.T * A.T * A * image)) == "proved"
    assert status(InSVD(image.T * other, image.T * A.T * A * other)) == "refuted"
    with pytest.raises(NotDiagonal):
        InSVD(image * image.T * other, other * image.T * image).check()  # false, though true in each coordinate
    with pytest.raises(NotDiagonal):
        InSVD((image.T * image).inv(), (other.T * other).inv()).check()


def test_a_difference_of_matrices_is_judged_in_their_kind():
    assert status(Unequal(A_pinv * A, Identity(N))) == "proved"
    assert status(Unequal(A * A_pinv * A, A)) == "refuted"
    B = Matrix([[alpha, 0], [0, beta]])
    assert status(Unequal(product(B, B), B)) == "proved"
    assert status(Unequal(product(B, B.inv()), sp.eye(2))) == "refuted"
    with pytest.raises(TypeError, match="Entries or InSVD"):
        Equal(A * A_pinv, Identity(M)).check()


# Orders, signs, differences


@pytest.mark.parametrize("order", [1, 2, 3])
def test_orders_of_a_series(order):
    assert status(SameOrder(sqrt(1 - h), 1 - h / 2, h=h, order=order)) == ("proved" if order < 3 else "refuted")


def test_a_sign_needs_a_true_certificate_of_a_visible_sign():
    assert status(Positive(1, alpha, by=1 - alpha)) == "proved"
    assert status(Positive(1, alpha, by=1 - alpha**2)) == "refuted"
    assert status(Positive(alpha, 1, by=alpha - 1)) == "refuted"
    assert status(Positive(x_0**2 + 2, 2 * x_0, by=x_0**2 - 2 * x_0 + 2)) == "undecided"  # true, but it is not seen
    assert status(Positive(x_0**2, 2 * x_0 - 1, by=(x_0 - 1) ** 2)) == "proved"


def test_a_difference_is_proved_by_an_example_and_refuted_by_a_proof():
    found = Unequal(sqrt(alpha_bar), sqrt(alpha)).check()
    assert found.status == "proved" and found.counterexample
    assert status(Unequal(sqrt(alpha_bar), sqrt(alpha) * sqrt(alpha_bar_prev))) == "refuted"
    assert status(Unequal((z,), (2 * z,))) == "proved"
    assert status(Unequal((z,), (-z,))) == "refuted"


# Derivations and reports


def derivation(*steps, **more):
    return Derivation(name="trial", title="a trial", statement="a trial", steps=list(steps), **more)


good = Equal(alpha + beta, 1, "beta is the rest")


def test_a_derivation_is_proved_if_all_its_steps_are():
    assert derivation(good).check().status == "proved"
    for bad in (
        Equal(alpha + beta, 2, "wrong"),
        Equal(alpha + beta, beta + alpha, "vacuous"),
        InLaw(z**2, w, "undecided"),
        Equal(alpha + 2 * beta, 1 + beta),  # no reason given
    ):
        result = derivation(good, bad).check()
        assert result.status == "failed" and "step 2" in result.problem


def test_premises_are_listed_and_prove_nothing():
    premise = Assumed(name="smooth", statement="p is smooth", because="needed for derivatives")
    assert derivation(good, premise).check().premises == ["smooth: p is smooth"]
    assert derivation(premise).check().status == "failed"
    assert not list(twins(premise))


def test_a_tie_to_code_must_be_to_a_proved_formula():
    tie = Code("teachdiff.schedules.posterior_variance", alpha + beta, {})
    assert derivation(good, code=[tie]).check().status == "proved"
    other = Code("teachdiff.schedules.posterior_variance", alpha - beta, {})
    assert derivation(good, code=[other]).check().status == "failed"


def test_a_chain_is_its_links():
    steps = chain(alpha + beta, (1 + sigma - sigma + 0 * x_0, "a"), (alpha_bar / (alpha * alpha_bar_prev), "b"))
    assert [status(step) for step in steps] == ["proved", "proved"]
    assert steps[1].lhs == steps[0].rhs


def test_twins_make_every_kind_of_mistake_once_each():
    found = list(mistakes(sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * z))
    assert {mistake for mistake, *_ in found} == {"sign", "factor", "symbol", "dropped", "root"}
    expressions = [e for *_, e in found]
    assert len(set(expressions)) == len(expressions)
    assert sqrt(alpha) * x_0 + sqrt(1 - alpha_bar) * z in expressions


def test_running_by_name_and_glob_with_progress():
    seen = []
    report = run(["vp_marginal", "tweedie*"], lambda *args: seen.append(args), ledger=False)
    assert [r.name for r in report.derivations] == ["vp_marginal", "tweedie", "tweedie.covariance"]
    assert [args[:3] for args in seen if args[3] is None] == [(i, 3, r.name) for i, r in enumerate(report.derivations)]
    assert seen[-1][:2] == (3, 3) and seen[-1][3] is report.derivations[-1]
    assert report.ok and report.summary == {"proved": 3, "refuted": 0, "failed": 0}


def test_a_name_that_matches_nothing_is_an_error():
    with pytest.raises(ValueError, match="no_such_theorem"):
        run(["vp_marginal", "no_such_theorem"], ledger=False)


def test_one_failure_is_a_failed_report():
    failed = derivation(Equal(alpha, 2, "wrong")).check()
    report = Report([failed], [{"id": "rao.x", "status": "refuted"}])
    assert not report.ok and report.summary == {"proved": 0, "refuted": 1, "failed": 1}


def test_the_registry_puts_foundations_first():
    names = registry.names()
    assert names.index("vp_marginal") < names.index("posterior") < names.index("reverse_mean")


def test_svd_cases_do_not_confuse_singular_values_with_other_symbols():
    assert status(InSVD(A.T * A * vector("x", N), s**2 * vector("x", N))) == "refuted"
    assert status(Equal(tau, s)) == "refuted"


# Functions of functions


def test_a_function_of_a_function_is_one_number():
    """Whichever name comes first in the alphabet: the value of the outer one is free, and the same on both sides."""
    x_0, x_t = get("x_0", "x_t")
    for names in ("AG", "GA"):
        inner, outer = (sp.Function(name, real=True) for name in names)
        one, other = outer(inner(x_0)), outer(inner(x_t))
        assert Equal(2 * one - other, one, using={inner(x_t): inner(x_0)}).check().status == "proved"
        assert Equal(one, other).check().status == "refuted"
        assert Equal(one, inner(x_0)).check().status == "refuted"
