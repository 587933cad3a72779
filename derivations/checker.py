r"""The proof checker: a derivation is a list of steps, and each step can fail.

    from derivations.checker import Derivation, Equal
    from derivations.symbols import get

    alpha, beta = get("alpha", "beta")
    derivation = Derivation(
        name="example",
        title="A first proof",
        statement=r"$\alpha_t + \beta_t = 1$",
        steps=[Equal(alpha + beta, 1, because="beta_t is what alpha_t leaves.")],
    )
    derivation.check().status        # 'proved'

Kinds of step (one class each; `because` is the reason in words):

    Equal      symbolic   lhs = rhs for all values of the symbols
    chain      symbolic   a = b = c = ..., a list of Equal
    Unequal    differs    lhs = rhs is false: proved by a counterexample
    Positive   sign       lhs >= rhs, because lhs - rhs is an expression whose sign can be seen
    SameOrder  order      lhs = rhs + O(h^n) as h -> 0, by Taylor coefficients
    InLaw      law        two tuples of Gaussian variables have the same joint law
    Induction  induction  a closed form for all t, from its base and its step
    Integrals  integral   an identity of integrals against an arbitrary prior density
    Entries    entries    two explicit matrices are equal, entry by entry
    InSVD      svd        an identity of matrices of any size, in the basis of A's SVD
    Assumed    assumed    a premise that is not proved here; it is listed by name

Verdicts of a step: `proved`, `refuted` (with an exact counterexample), `undecided`, `vacuous` (both
sides are one expression: such a step cannot fail), `assumed`. Agreement at some points is never a
proof: proofs come from the normal form (normal.py), refutations from exact points (exact.py).
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import sympy as sp
from sympy.core.function import AppliedUndef

from derivations import exact, moments, spectral, symbols
from derivations.exact import NotExact, NotReal
from derivations.normal import Normal, Undecided

FIRST_POINTS = 12  # tried before the normal form: a false identity rarely survives them
MANY_POINTS = 200


# Verdicts


@dataclass(frozen=True)
class Counterexample:
    """Exact values at which two sides differ. `values`, `lhs` and `rhs` are exact, as text."""

    values: dict[str, str]
    lhs: str
    rhs: str
    where: str = ""
    both_real: bool = True  # False: one side has no real value here, nor at any point tried

    def __str__(self) -> str:
        at = ", ".join(f"{name} = {value}" for name, value in self.values.items()) or "any values"
        place = f" ({self.where})" if self.where else ""
        return f"at {at}{place}: left {self.lhs}, right {self.rhs}"


@dataclass(frozen=True)
class Verdict:
    status: str  # proved | refuted | undecided | vacuous | assumed
    counterexample: Counterexample | None = None
    detail: str = ""


def compare(lhs: sp.Expr, rhs: sp.Expr, where: str = "", nice: bool = False) -> Verdict:
    """Is lhs = rhs for all values of the symbols? The one decision that all kinds come down to.

    Arguments:
        where: which entry or case this is; it goes into the counterexample.
        nice: look on after the first counterexample, for the one that is shortest to write.
    """
    return compare_all([(where, lhs, rhs)], nice)


def compare_all(equations: Iterable[tuple[str, sp.Expr, sp.Expr]], nice: bool = False) -> Verdict:
    """Do all of (where, lhs, rhs) hold? Proved if all do, refuted by the first that is found false."""
    comparisons = [_Comparison(where, *_prepare(sp.sympify(lhs), sp.sympify(rhs))) for where, lhs, rhs in equations]
    for comparison in comparisons:  # a false one is found sooner by points than by the normal form
        found = comparison.search(60 if nice else FIRST_POINTS, nice)
        if found and found.both_real:
            return Verdict("refuted", found)
    undecided = None
    for comparison in comparisons:
        reason = comparison.difference()
        if reason:
            found = comparison.search(MANY_POINTS)
            if found:
                return Verdict("refuted", found)
            if not comparison.has_values:
                return Verdict("vacuous", detail="neither side has a real value at any point tried: it says nothing")
            undecided = undecided or Verdict("undecided", detail=f"{comparison.where} {reason}".strip())
    return undecided or Verdict("proved")


@dataclass
class _Comparison:
    """Two sides, prepared, and what is needed to find and to print a point at which they differ."""

    where: str
    lhs: sp.Expr
    rhs: sp.Expr
    names: dict[sp.Symbol, str]
    sample: moments.Sample
    has_values: bool = False  # whether `search` found a point at which a side has a real value

    def difference(self) -> str:
        """Nothing if the normal form proves the sides equal, else why it does not."""
        try:
            equal = Normal().is_zero(self.lhs - self.rhs)
        except Undecided as problem:
            return str(problem)
        return "" if equal else "the difference does not simplify to zero, and no point shows that it is not zero"

    def values(self, count: int) -> Iterator[Counterexample]:
        """The values of the sides at exact points, where both have one."""
        free = sorted((self.lhs.free_symbols | self.rhs.free_symbols) - set(self.sample.symbols), key=str)
        for k, point in enumerate(exact.points(free, _domain, count)):
            extra, described = self.sample.draw(k)
            try:
                sides = [_value(side, point | extra) for side in (self.lhs, self.rhs)]
            except NotExact:
                continue
            if None not in sides:
                named = {self.names.get(x, x.name): str(v) for x, v in point.items()} | described
                yield Counterexample(named, *map(str, sides), self.where)

    def search(self, count: int, nice: bool = False) -> Counterexample | None:
        """The first exact point at which the sides differ, or of those the one shortest to write.

        A point at which a side has no real value (a division by zero, the root of a negative number)
        is passed over: there the statement says nothing. But a side that has no value at any of the
        points, while the other side has one, is no equal of it.
        """
        free = sorted((self.lhs.free_symbols | self.rhs.free_symbols) - set(self.sample.symbols), key=str)
        both_exist, best, one_sided = False, None, None
        for k, point in enumerate(exact.points(free, _domain, count)):
            extra, described = self.sample.draw(k)
            try:
                left = _value(self.lhs, point | extra)
                if left is None and one_sided:
                    continue
                right = _value(self.rhs, point | extra)
            except NotExact:
                self.has_values = True
                continue
            both_exist = both_exist or None not in (left, right)
            self.has_values = self.has_values or left is not None or right is not None
            if left == right or (one_sided and None in (left, right)):
                continue
            values = {self.names.get(x, x.name): str(v) for x, v in point.items()} | described
            shown = ["not a real number" if side is None else str(side) for side in (left, right)]
            found = Counterexample(values, *shown, self.where, None not in (left, right))
            if not found.both_real:
                one_sided = found
            elif not nice:
                return found
            elif best is None or len(str(found)) < len(str(best)):
                best = found
        return best or (None if both_exist else one_sided)


def _value(side: sp.Expr, point: dict) -> exact.Number | None:
    """The exact value at a point, or None where there is no real one."""
    try:
        return exact.evaluate(side, point)
    except (NotReal, ZeroDivisionError):
        return None


def _prepare(lhs, rhs):
    """Both sides without derivatives, functions, integrals and abbreviations.

    What an undefined function and its derivatives are at one point are free numbers: any values
    belong to some smooth function. Integrals become moments (moments.py).
    """
    if any(e.is_Matrix for e in (lhs, rhs)):
        raise TypeError(f"numbers are compared here; for matrices use Entries or InSVD. Got {lhs} and {rhs}.")
    lhs, rhs = (e.doit(integrals=False) for e in (lhs, rhs))
    (lhs, rhs), sample = moments.replace_integrals(lhs, rhs)
    names: dict[sp.Symbol, str] = {}
    for kind in (sp.Subs, sp.Derivative, AppliedUndef):
        # Longest first: in G(A(x)) the outer value is one number, whatever the inner one is.
        for term in sorted(lhs.atoms(kind) | rhs.atoms(kind), key=lambda e: (-len(str(e)), str(e))):
            number = sp.Dummy(str(term), positive=True) if term.is_positive else sp.Dummy(str(term), real=True)
            names[number] = str(term)
            lhs, rhs = lhs.xreplace({term: number}), rhs.xreplace({term: number})
    lhs, rhs = symbols.unfold(lhs, rhs)
    for symbol in lhs.free_symbols | rhs.free_symbols:
        if symbol not in names and symbol not in sample.symbols:
            symbols.entry(symbol)  # a symbol that is not from the table is an error, said here
    return lhs, rhs, names, sample


def _domain(symbol: sp.Symbol) -> str:
    kind = exact.domain_of(symbol)
    return "real" if kind == "noise" else kind


# Steps


@dataclass(frozen=True)
class Step:
    """Two sides and a reason.

    Attributes:
        lhs, rhs: the two sides (expressions, tuples or matrices, as the kind wants).
        because: the reason in words.
        using: equalities taken from earlier steps or definitions, {symbol: expression}: they are
            put into both sides before the check, and shown.
    """

    lhs: object
    rhs: object
    because: str = ""
    using: dict = field(default_factory=dict)

    kind: ClassVar[str] = "symbolic"
    relation: ClassVar[str] = "="

    def __post_init__(self) -> None:
        object.__setattr__(self, "lhs", _tidy(self.lhs))
        object.__setattr__(self, "rhs", _tidy(self.rhs))

    def sides(self) -> list:
        """All that can be wrong in the step: its two sides, and what is put into them."""
        return [self.lhs, self.rhs, *(_tidy(value) for value in self.using.values())]

    def with_sides(self, sides: list) -> "Step":
        """The same step about other sides: what a twin is made with."""
        using = dict(zip(self.using, sides[2:], strict=True))
        return replace(self, lhs=sides[0], rhs=sides[1], using=using)

    def check(self, nice: bool = False) -> Verdict:
        if self.lhs == self.rhs:
            return Verdict("vacuous", detail="both sides are the same expression")
        if any(self.using.get(a) == b for a, b in ((self.lhs, self.rhs), (self.rhs, self.lhs))):
            return Verdict("vacuous", detail="the step repeats an equality that it was given")
        return self.decide(_substitute(self.lhs, self.using), _substitute(self.rhs, self.using), nice)

    def decide(self, lhs, rhs, nice: bool) -> Verdict:
        return compare(lhs, rhs, nice=nice)

    def tex(self) -> str:
        return f"{symbols.tex(self.lhs)} {self.relation} {symbols.tex(self.rhs)}"


def _tidy(side):
    """A side as an immutable sympy object.

    Raises:
        ValueError: it holds a floating-point number, with which nothing is exact.
    """
    if side is None:
        return None
    if isinstance(side, tuple | list):
        return tuple(_tidy(part) for part in side)
    side = sp.ImmutableMatrix(side) if isinstance(side, sp.MatrixBase) else sp.sympify(side)
    if side.has(sp.Float):
        raise ValueError(f"a proof has no floating-point numbers; write a fraction in {side}.")
    return side


def _substitute(side, using: dict):
    if not using:
        return side
    if isinstance(side, tuple):
        return tuple(_substitute(part, using) for part in side)
    return side.doit(integrals=False).subs(using, simultaneous=True)  # derivatives before values


class Equal(Step):
    """lhs = rhs for all values of the symbols."""


def chain(first, *then: tuple, using: dict | None = None) -> list[Equal]:
    """first = e1 = e2 = ...: one Equal for each (expression, reason) pair."""
    steps, before = [], first
    for expression, because in then:
        steps.append(Equal(before, expression, because, using or {}))
        before = expression
    return steps


class Unequal(Step):
    """lhs = rhs is not an identity. Proved by an exact counterexample, refuted by a proof of equality."""

    kind = "differs"
    relation = r"\neq"

    def decide(self, lhs, rhs, nice: bool) -> Verdict:
        if isinstance(lhs, tuple):
            kind = InLaw
        elif lhs.is_Matrix:
            kind = Entries if _is_explicit(lhs) and _is_explicit(rhs) else InSVD
        else:
            kind = Equal
        found = kind(lhs, rhs).decide(lhs, rhs, nice)
        if found.status == "refuted":
            return Verdict("proved", found.counterexample)
        if found.status == "proved":
            return Verdict("refuted", Counterexample({}, "the two sides", "are equal for all values"))
        return found


def example(step: Step) -> Counterexample | None:
    """One exact point with the values of both sides there: an illustration of a step, never a proof.

    None for laws, matrices and other steps whose sides are no numbers, and where no point tried gives exact values.
    """
    if not isinstance(step, Equal | Positive | Integrals):
        return None
    sides = (_substitute(step.lhs, step.using), _substitute(step.rhs, step.using))
    comparison = _Comparison("", *_prepare(*map(sp.sympify, sides)))
    return min(comparison.values(FIRST_POINTS), key=lambda e: len(str(e)), default=None)


@dataclass(frozen=True)
class Positive(Step):
    """lhs >= rhs for all values of the symbols, because lhs - rhs is `by`, whose sign can be seen.

    Attributes:
        by: the difference, written as a product or sum of things that are >= 0.
    """

    by: object = None

    kind = "sign"
    relation = r"\geq"

    def sides(self) -> list:
        return [self.lhs, self.rhs, *super().sides()[2:], self.by]

    def with_sides(self, sides: list) -> "Step":
        return replace(super().with_sides(sides[:-1]), by=sides[-1])

    def decide(self, lhs, rhs, nice: bool) -> Verdict:
        by = _substitute(self.by, self.using)
        same = compare(lhs - rhs, by, "the difference", nice)
        if same.status != "proved":
            return same
        normal = Normal()
        (by,) = symbols.unfold(by)
        try:
            if normal.sign(normal.rational(by)) == 1:
                return Verdict("proved")
        except Undecided as problem:
            return Verdict("undecided", detail=str(problem))
        free = sorted(by.free_symbols, key=str)
        for point in exact.points(free, _domain, MANY_POINTS):
            value = _value(by, point)
            if value is not None and value.sign() < 0:
                return Verdict("refuted", Counterexample({x.name: str(v) for x, v in point.items()}, str(value), "0"))
        return Verdict("undecided", detail=f"the sign of {by} is not seen")

    def tex(self) -> str:
        return f"{symbols.tex(self.lhs)} - \\left({symbols.tex(self.rhs)}\\right) = {symbols.tex(self.by)} \\geq 0"


@dataclass(frozen=True)
class SameOrder(Step):
    """lhs = rhs + O(h^order) as h -> 0: the first `order` Taylor coefficients agree."""

    h: sp.Symbol = None
    order: int = 1

    kind = "order"

    def decide(self, lhs, rhs, nice: bool) -> Verdict:
        orders = [
            (f"coefficient of {self.h}^{k}", _taylor(lhs, self.h, k), _taylor(rhs, self.h, k))
            for k in range(self.order)
        ]
        return compare_all(orders, nice)

    def tex(self) -> str:
        h = symbols.tex(self.h)
        return f"{symbols.tex(self.lhs)} = {symbols.tex(self.rhs)} + O({h}^{{{self.order}}})"


def _taylor(e: sp.Expr, h: sp.Symbol, k: int) -> sp.Expr:
    return sp.diff(sp.together(e.doit()), h, k).subs(h, 0) / sp.factorial(k)


class InLaw(Step):
    """Two tuples of Gaussian variables have the same joint law: equal means, equal covariances.

    A variable is an affine form in noise symbols (domain `noise`), each a standard normal draw
    independent of the others. The same symbol twice is the same draw twice. One variable may be
    given without the tuple.
    """

    kind = "law"
    relation = r"\overset{d}{=}"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("lhs", "rhs"):
            if not isinstance(getattr(self, name), tuple):
                object.__setattr__(self, name, (getattr(self, name),))

    def decide(self, lhs, rhs, nice: bool) -> Verdict:
        if len(lhs) != len(rhs):
            raise ValueError(f"a law of {len(lhs)} variables was compared with one of {len(rhs)}.")
        try:
            (mean, cov), (mean2, cov2) = law(lhs), law(rhs)
        except NotAffine as problem:
            return Verdict("undecided", detail=str(problem))
        numbers = [(f"mean of variable {i + 1}", m, mean2[i]) for i, m in enumerate(mean)]
        for (i, j), c in cov.items():
            name = f"variance of variable {i + 1}" if i == j else f"covariance of variables {i + 1} and {j + 1}"
            numbers.append((name, c, cov2[i, j]))
        return compare_all(numbers, nice)


class NotAffine(ValueError):
    """A variable is not an affine form in its noises, so its law is not Gaussian."""


def law(variables: tuple) -> tuple[list[sp.Expr], dict[tuple[int, int], sp.Expr]]:
    """The means, and the covariances {(i, j): value, i <= j}, of affine forms in noise symbols.

    Raises:
        NotAffine: a variable is not affine in the noises.
    """
    noises = sorted({n for v in variables for n in v.free_symbols if symbols.is_noise(n)}, key=str)
    still = dict.fromkeys(noises, 0)
    means, rows = [], []
    for v in variables:
        row = [sp.diff(v, n) for n in noises]
        if any(symbols.is_noise(n) for c in row for n in c.free_symbols):
            raise NotAffine(f"not an affine form in its noises: {v}")
        means.append(v.subs(still))
        rows.append(row)
    covariances = {
        (i, j): sp.Add(*(a * b for a, b in zip(rows[i], rows[j], strict=True)))
        for i in range(len(rows))
        for j in range(i, len(rows))
    }
    return means, covariances


@dataclass(frozen=True)
class Induction(Step):
    """lhs = rhs at every t = 0, 1, 2, ...: a sequence that is given by a recursion has a closed form.

    Attributes:
        lhs: the recursion: the term at t, written with the symbol `previous` for the term at t - 1.
        rhs: the closed form of the term at t.
        previous: the symbol (for a law: a tuple of them) of the term at t - 1.
        start: the term at t = 0.
        at_zero: what the closed form's symbols are at t = 0, e.g. {alpha_bar: 1}.
        before: what they are at t - 1, e.g. {alpha_bar: alpha_bar_prev}.
        law: True if the two are random variables and equality is equality in law.

    The checker makes the base (closed form at 0 = start) and the step (recursion applied to the
    closed form at t - 1 = closed form at t) itself and proves both. A law is only proved if the
    recursion's draws are fresh: none of them may be a noise symbol of the closed form.
    """

    previous: object = None
    start: object = None
    at_zero: dict = field(default_factory=dict)
    before: dict = field(default_factory=dict)
    law: bool = False

    kind = "induction"

    def parts(self) -> tuple[Step, Step]:
        """The base and the step, as steps of their own."""
        compare_as = InLaw if self.law else Equal
        base = compare_as(sp.sympify(self.start), self.rhs.subs(self.at_zero), "base")
        closed_before = self.rhs.subs(self.before, simultaneous=True)
        step = compare_as(self.lhs.subs(self.previous, closed_before), self.rhs, "step")
        return base, step

    def decide(self, lhs, rhs, nice: bool) -> Verdict:
        base, step = replace(self, lhs=lhs, rhs=rhs).parts()
        found = Verdict("vacuous", detail="base and step are both trivial")
        # At t = 0 the two sides are often literally equal: the base may be trivial, the step may not.
        for part, label in ((base, "base, t = 0"), (step, "step from t - 1 to t")):
            if part.lhs == part.rhs:
                continue
            found = part.decide(part.lhs, part.rhs, nice)
            if found.status != "proved":
                if found.counterexample:
                    where = f"{label}; {found.counterexample.where}".strip("; ")
                    found = replace(found, counterexample=replace(found.counterexample, where=where))
                return found
        shared = {n for n in lhs.free_symbols & rhs.free_symbols if symbols.is_noise(n)}
        if self.law and shared:
            return Verdict("undecided", detail=f"the recursion draws {shared}, which x at t - 1 already holds")
        return found


class Integrals(Step):
    """An identity of integrals against an arbitrary prior density, by equality of integrands.

    The density is an undefined function p(u) under a sympy Integral over the whole line; derivatives
    are taken under the integral sign. Dividing the integrands by p(u) and the Gaussian kernel leaves
    polynomials in u, so every integral is a combination of the moments of one measure, and these
    are free: a refutation names a measure of a few atoms, an allowed prior.
    """

    kind = "integral"


class Entries(Step):
    """Two explicit matrices are equal, entry by entry. `product(a, b)` keeps a product as it is written."""

    kind = "entries"

    def decide(self, lhs, rhs, nice: bool) -> Verdict:
        lhs, rhs = _computed(lhs), _computed(rhs)
        if lhs.shape != rhs.shape:
            raise ValueError(f"matrices of shapes {lhs.shape} and {rhs.shape} cannot be compared.")
        rows, columns = lhs.shape
        pairs = [(i, j) for i in range(rows) for j in range(columns)]
        return compare_all([(f"entry ({i + 1}, {j + 1})", lhs[i, j], rhs[i, j]) for i, j in pairs], nice)


def _is_explicit(matrix) -> bool:
    """All its entries are written out: a matrix, or a product of such ones and of numbers."""
    if isinstance(matrix, sp.MatMul):
        return all(not factor.is_Matrix or _is_explicit(factor) for factor in matrix.args)
    return isinstance(matrix, sp.MatrixBase)


def _computed(matrix) -> sp.ImmutableMatrix:
    """A product of explicit matrices (and numbers) carried out."""
    if not isinstance(matrix, sp.MatMul):
        return matrix
    result = sp.S.One
    for factor in matrix.args:
        result = result * (_computed(factor) if factor.is_Matrix else factor)
    return sp.ImmutableMatrix(result)


def product(*matrices) -> sp.MatMul:
    """The product of explicit matrices, written and not yet computed."""
    return sp.MatMul(*(sp.ImmutableMatrix(m) for m in matrices), evaluate=False)


class InSVD(Step):
    """An identity of matrix expressions in A = U S V^T, for any number of rows and columns.

    In the bases of U and V every operator is diagonal, so the identity is one between numbers for
    each coordinate: a singular value s > 0, a singular value 0, a direction of the image that A does
    not see (right null space), a direction of the measurement that A does not reach (left null
    space). See spectral.py. Shapes that only fit for M = N refute the step.
    """

    kind = "svd"

    def decide(self, lhs, rhs, nice: bool) -> Verdict:
        try:
            return compare_all(spectral.cases(lhs, rhs), nice)
        except spectral.ShapeError as problem:
            return Verdict("refuted", Counterexample({"M": "2", "N": "3", "r": "1"}, str(problem), "no such matrix"))


@dataclass(frozen=True)
class Assumed(Step):
    """A premise by name. It is not checked; every report lists it."""

    lhs: object = None
    rhs: object = None
    name: str = ""
    statement: str = ""

    kind = "assumed"

    def sides(self) -> list:
        return []

    def check(self, nice: bool = False) -> Verdict:
        return Verdict("assumed")

    def tex(self) -> str:
        return self.statement


# Derivations


@dataclass(frozen=True)
class Code:
    """A proved formula and the function that implements it.

    Attributes:
        function: the dotted name, e.g. "teachdiff.schedules.posterior_mean".
        formula: the expression; it must be a side of one of the derivation's steps.
        arguments: {parameter of the function: name of the symbol}. A parameter called A takes an operator;
            its symbol is the singular value, and the formula one coordinate in the SVD's bases.
        numbers: the function wants plain numbers, not tensors.
    """

    function: str
    formula: sp.Expr
    arguments: dict[str, str]
    numbers: bool = False


@dataclass(frozen=True)
class StepResult:
    kind: str
    reason: str
    tex: str
    status: str
    seconds: float
    counterexample: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Result:
    """What the check of one derivation found. `status` is "proved" or "failed"."""

    name: str
    title: str
    statement: str
    status: str
    assumptions: list[str]
    premises: list[str]
    leans_on: list[str]
    steps: list[StepResult]
    seconds: float
    problem: str = ""


@dataclass(frozen=True)
class Derivation:
    """A theorem and its proof.

    Attributes:
        name: the module's name, or that name and a suffix: "tweedie", "tweedie.covariance".
        title: a few words.
        statement: what is proved, in words and LaTeX; a restricted case says that it is one.
        steps: the proof.
        assumptions: what is supposed, in words.
        leans_on: names of derivations whose results this one uses.
        code: the functions that implement its formulas.
        source: where the theorem comes from.
    """

    name: str
    title: str
    statement: str
    steps: list[Step]
    assumptions: list[str] = field(default_factory=list)
    leans_on: list[str] = field(default_factory=list)
    code: list[Code] = field(default_factory=list)
    source: str = ""

    def check(self, nice: bool = False, on_step: Callable[[StepResult], None] | None = None) -> Result:
        """Check every step; the result says which of them hold."""
        began = time.perf_counter()
        results = []
        for step in self.steps:
            started = time.perf_counter()
            verdict = step.check(nice or step.kind == "differs")
            results.append(
                StepResult(
                    kind=step.kind,
                    reason=step.because,
                    tex=step.tex(),
                    status=verdict.status,
                    seconds=time.perf_counter() - started,
                    counterexample=str(verdict.counterexample or ""),
                    detail=verdict.detail,
                )
            )
            if on_step:
                on_step(results[-1])
        problem = self._problem(results)
        return Result(
            name=self.name,
            title=self.title,
            statement=self.statement,
            status="failed" if problem else "proved",
            assumptions=list(self.assumptions),
            premises=[f"{s.name}: {s.statement}" for s in self.steps if isinstance(s, Assumed)],
            leans_on=list(self.leans_on),
            steps=results,
            seconds=time.perf_counter() - began,
            problem=problem,
        )

    def _problem(self, results: list[StepResult]) -> str:
        if not any(r.status == "proved" for r in results):
            return "no step proves anything"
        for number, r in enumerate(results, 1):
            if r.status not in ("proved", "assumed"):
                return f"step {number} is {r.status}: {r.counterexample or r.detail} [{r.reason}]"
            if not r.reason:
                return f"step {number} gives no reason"
        sides = [part for step in self.steps for side in step.sides() for part in _parts(side)]
        for tie in self.code:
            if tie.formula not in sides:
                return f"the formula tied to {tie.function} is a side of no step: {tie.formula}"
        return ""


def _parts(side) -> Iterator:
    yield side
    if isinstance(side, (tuple, sp.MatrixBase)):
        yield from side
