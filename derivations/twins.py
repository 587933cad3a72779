r"""Twins: a step with one small mistake in it, to show that the step can fail.

Each mistake is one that people make: a wrong sign, a factor 2, a neighbour's symbol (t - 1 for t,
:math:`\alpha` for :math:`\bar\alpha`, one draw for another), a dropped term, a square root too many or
too few. A twin must be refuted, or proved (some mistakes change nothing: the sign of an independent
Gaussian changes no law); if the checker cannot decide it, the checker is too weak for the step.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import sympy as sp
from sympy.core.function import AppliedUndef

from derivations import symbols
from derivations.checker import Step

# What a mistake is not looked for inside: the meaning of these is fixed by the step's kind.
_LEAVES = (sp.Integral, sp.Derivative, sp.Subs, AppliedUndef, sp.exp, sp.MatrixSymbol, sp.Identity)


@dataclass(frozen=True)
class Twin:
    mistake: str  # sign, factor, symbol, dropped, root
    what: str
    step: Step


def twins(step: Step) -> Iterator[Twin]:
    """Every twin of a step, in a fixed order. A step without sides (an assumed one) has none."""
    sides = step.sides()
    for number, side in enumerate(sides):
        for part, put_back in _slots(side):
            for mistake, what, changed in mistakes(part):
                other = list(sides)
                other[number] = put_back(changed)
                name = ("left side", "right side")[number] if number < 2 else "what is put in"
                yield Twin(mistake, f"{name}: {what}", step.with_sides(other))


def _slots(side):
    """The expressions of a side, each with the function that puts another one in its place."""
    if isinstance(side, tuple):
        for i, part in enumerate(side):
            yield part, lambda e, i=i: (*side[:i], e, *side[i + 1 :])
    elif isinstance(side, sp.MatrixBase):
        for i in range(len(side)):

            def put(e, i=i):
                entries = list(side)
                entries[i] = e
                return sp.ImmutableMatrix(*side.shape, entries)

            yield side[i], put
    else:
        yield side, lambda e: e


def mistakes(e) -> Iterator[tuple[str, str, sp.Expr]]:
    """(mistake, what was changed, the expression with the mistake) for every place in `e`."""
    seen = set()
    for mistake, what, changed in _everywhere(e):
        if changed != e and changed not in seen:
            seen.add(changed)
            yield mistake, what, changed


def _everywhere(e):
    if isinstance(e, sp.MatrixBase):  # an explicit matrix in a product
        for entry, put_back in _slots(e):
            for mistake, what, changed in _everywhere(entry):
                yield mistake, what, put_back(changed)
        return
    yield from _here(e)
    if isinstance(e, _LEAVES) or not e.args:
        return
    if isinstance(e, sp.Inverse):
        for mistake, what, inner in _everywhere(e.arg):
            yield mistake, what, sp.Inverse(inner)
        return
    if e.is_Pow or isinstance(e, sp.MatPow):  # exponents are changed by `_here` only
        for mistake, what, base in _everywhere(e.base):
            yield mistake, what, base**e.exp
        return
    for i, argument in enumerate(e.args):
        for mistake, what, changed in _everywhere(argument):
            yield mistake, what, e.func(*e.args[:i], changed, *e.args[i + 1 :])


def _here(e):
    if e == 0:
        return
    if e.is_Add or isinstance(e, sp.MatAdd):
        for term in e.args:
            rest = e.func(*(other for other in e.args if other is not term))
            yield "dropped", f"without {term}", rest
            yield "sign", f"-({term})", rest - term
    else:
        yield "factor", f"2*({e})", 2 * e
        if not e.is_Number:
            yield "sign", f"-({e})", -e
    if e.is_Pow and e.exp.is_Rational and e.exp.q == 2:
        yield "root", f"without the root of {e.base}", e.base ** (2 * e.exp)
    if e.is_Symbol:
        row = symbols.entry(e)
        for other in row.confused:
            yield "symbol", f"{other} for {row.name}", symbols.get(other)
        if row.domain in ("unit", "positive", "nonnegative"):
            yield "root", f"the root of {row.name}", sp.sqrt(e)
