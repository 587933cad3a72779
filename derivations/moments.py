r"""Integrals against an arbitrary prior, as moments.

For a prior density p and the Gaussian kernel k(x|u), all the integrals of these notes have the form

.. math:: \int g(u, x)\, \ell(u)\, k(x \mid u)\, p(u)\, du, \qquad g \text{ a polynomial in } u,

and are combinations of the moments :math:`M_n = \int u^n \ell\, k\, p\, du`, one family for each factor
:math:`\ell` (1, or a likelihood). Equality of integrands is equality of the coefficients, because p is
arbitrary: the M_n are the moments of an arbitrary positive measure. So they become free symbols; and
a counterexample is a measure of three atoms, i.e. a prior that is concentrated at three places.
"""

from fractions import Fraction

import sympy as sp
from sympy.core.function import AppliedUndef

from derivations.exact import Number

_ATOMS = [  # positions, and how much of the posterior sits there: small, distinct, not symmetric
    [(0, 1), (1, 1)],
    [(0, 1), (2, 3)],
    [(-1, 1), (0, 2), (2, 1)],
    [(1, 2), (-2, 1), (3, 1)],
]


class Sample:
    """The moment symbols of one comparison, and exact measures to give them values."""

    def __init__(self) -> None:
        self.symbols: dict[sp.Symbol, tuple[int, tuple[int, ...]]] = {}
        self.factors: list[sp.Expr] = []  # the families, by their likelihood factor

    def moment(self, factor: sp.Expr, powers: tuple[int, ...]) -> sp.Symbol:
        if factor not in self.factors:
            self.factors.append(factor)
        key = (self.factors.index(factor), powers)
        for symbol, known in self.symbols.items():
            if known == key:
                return symbol
        name = f"M{key[0]}_{''.join(map(str, powers))}"
        positive = all(k % 2 == 0 for k in powers)
        symbol = sp.Dummy(name, positive=True) if positive else sp.Dummy(name, real=True)
        self.symbols[symbol] = key
        return symbol

    def draw(self, k: int) -> tuple[dict[sp.Symbol, Number], dict[str, str]]:
        """Values of all moments for the k-th measure, and the measure in words."""
        if not self.symbols:
            return {}, {}
        atoms = _ATOMS[k % len(_ATOMS)]
        dimension = len(next(iter(self.symbols.values()))[1])
        # In several dimensions atom i has coordinates that are not a multiple of each other.
        places = [tuple(Fraction(place + d * i * i) for d in range(dimension)) for i, (place, _) in enumerate(atoms)]
        weights = [Fraction(weight) for _, weight in atoms]
        levels = [[Fraction(1 + (3 * i + k + family) % 4) for i in range(len(atoms))] for family in range(9)]
        values = {}
        for symbol, (family, powers) in self.symbols.items():
            total = Fraction(0)
            for place, weight, level in zip(places, weights, levels[family], strict=True):
                for coordinate, power in zip(place, powers, strict=True):
                    weight *= coordinate**power
                total += weight * (level if self.factors[family] != 1 else 1)
            values[symbol] = Number.of(total)
        shown = {"prior's atoms": str([tuple(map(str, p)) if len(p) > 1 else str(p[0]) for p in places])}
        shown["their weights given x"] = str([str(w) for w in weights])
        for family, factor in enumerate(self.factors):
            if factor != 1:
                shown[f"{factor} at the atoms"] = str([str(v) for v in levels[family]])
        return values, shown


def replace_integrals(*expressions):
    """The expressions with every Integral as a combination of moment symbols, and their Sample.

    Raises:
        ValueError: an integral is not of the form above, or two kernels meet in one comparison.
    """
    sample, kernel = Sample(), None
    done = {}
    integrals = set().union(*(e.atoms(sp.Integral) for e in expressions))
    for integral in sorted(integrals, key=str):
        variables = integral.variables
        if any(limit[1:] != (-sp.oo, sp.oo) for limit in integral.limits):
            raise ValueError(f"integrate over the whole line: {integral}")
        total = sp.S.Zero
        for term in sp.Add.make_args(sp.expand(integral.function.doit(), power_exp=False)):
            inside, rest = [], []
            for factor in sp.Mul.make_args(term):
                (inside if factor.has(*variables) else rest).append(factor)
            gaussian = [f for f in inside if isinstance(f, sp.exp)]
            polynomial = [f for f in inside if f.is_polynomial(*variables)]
            functions = [f for f in inside if f not in gaussian and f not in polynomial]
            prior = [f for f in functions if f.func.__name__ == "p"]
            known = all(isinstance(f, AppliedUndef) for f in functions)
            if len(gaussian) != 1 or len(prior) != 1 or not known:
                raise ValueError(f"an integrand must be polynomial * p(u) * one Gaussian kernel (* ell(u)); got {term}")
            exponent = sp.expand(gaussian[0].args[0])
            if kernel not in (None, exponent):
                raise ValueError(f"two kernels in one comparison: {kernel} and {exponent}")
            kernel = exponent
            likelihood = sp.Mul(*(f for f in functions if f not in prior))
            for powers, c in sp.Poly(sp.Mul(*polynomial), *variables).terms():
                total += sp.Mul(*rest) * c * sample.moment(likelihood, powers)
        done[integral] = total
    return [e.xreplace(done) for e in expressions], sample
