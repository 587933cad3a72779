r"""The normal form: how an identity with square roots is proved for all values at once.

1. Abbreviations are unfolded (`symbols.unfold`), derivatives are taken.
2. Every square root is broken into roots of irreducible polynomials f: the new symbol r_f stands
   for :math:`\sqrt f`, with :math:`r_f^2 = f`. This needs the sign of each factor; `sign` finds it.
3. What remains is a quotient of polynomials in the symbols and the r_f. In its numerator each even
   power of r_f is replaced by a power of f. The expression is zero if and only if nothing is left:
   roots of different irreducible polynomials are linearly independent over the rational functions.

So for the expressions of these notes (rational functions and unnested square roots) the answer is a
decision and not an attempt. Where roots are nested, zero still means proved, and anything else is
left to the search for a counterexample.
"""

from itertools import count

import sympy as sp

from derivations import exact


class Undecided(Exception):
    """The normal form does not cover this expression; the message says what stands in the way."""


class Normal:
    """Root symbols and opaque terms, shared by the two sides of one comparison."""

    def __init__(self) -> None:
        self.roots: dict[sp.Symbol, sp.Expr] = {}  # r_f -> f, in the order in which they came up
        self.opaque: dict[sp.Expr, sp.Symbol] = {}
        self._ids = count(1)

    def rational(self, e: sp.Expr) -> sp.Expr:
        """`e` without radicals, in terms of the root symbols."""
        if e.is_Rational or e.is_Symbol:
            return e
        if e.is_Add or e.is_Mul:
            return e.func(*(self.rational(argument) for argument in e.args))
        if isinstance(e, sp.exp):
            return self._stand_in(sp.exp(sp.expand(sp.cancel(e.args[0]))))
        if e.is_Pow and e.exp.is_Integer:
            return self.rational(e.base) ** e.exp
        if e.is_Pow and e.exp.is_Rational and e.exp.q in (2, 4, 8):
            root = e.base
            for _ in range(int(e.exp.q).bit_length() - 1):
                root = self.root(root)
            return root**e.exp.p
        if isinstance(e, sp.Abs):
            inner = self.rational(e.args[0])
            return self.sign(inner, needed=True) * inner
        if isinstance(e, sp.Max | sp.Min) and len(e.args) == 2:
            first, second = (self.rational(argument) for argument in e.args)
            larger = self.sign(first - second, needed=True) == 1
            return first if larger == isinstance(e, sp.Max) else second
        raise Undecided(f"{type(e).__name__} is outside the normal form: {e}")

    def _stand_in(self, e: sp.Expr) -> sp.Symbol:
        if e == 1:
            return sp.S.One
        return self.opaque.setdefault(e, sp.Symbol(f"_e{next(self._ids)}", positive=True))

    def _root_symbol(self, f: sp.Expr) -> sp.Symbol:
        for symbol, known in self.roots.items():
            if sp.expand(known - f) == 0:
                return symbol
        symbol = sp.Symbol(f"_r{next(self._ids)}", positive=True)
        self.roots[symbol] = f
        return symbol

    def root(self, radicand: sp.Expr) -> sp.Expr:
        """The square root of `radicand`, which is taken to be >= 0 wherever it is written."""
        numerator, denominator = sp.fraction(sp.cancel(sp.together(self.reduced(self.rational(radicand)))))
        constant, result, unsure = sp.S.One, sp.S.One, []
        for part, side in ((numerator, 1), (denominator, -1)):
            leading, factors = sp.factor_list(part)
            constant *= leading**side
            for f, power in factors:
                half, odd = divmod(power, 2)
                known = self.sign(f)
                if known == 0 and half % 2 and not odd:
                    raise Undecided(f"the sign of {f} under a root")
                if known == 0 and odd:
                    unsure.append(f)
                if known == -1:
                    f = -f
                    constant *= (-1) ** odd
                result *= (f**half * (self._root_symbol(f) if odd and known else 1)) ** side
        if len(unsure) > 1:
            raise Undecided(f"the signs of {unsure} under one root")
        if unsure:  # the radicand is >= 0 as a whole, and so is this factor but for the constant's sign
            f = unsure[0] * sp.sign(constant)
            root = self._root_symbol(f)
            result *= root if unsure[0] in [g for g, _ in sp.factor_list(numerator)[1]] else 1 / root
            constant = abs(constant)
        if constant < 0:
            raise Undecided(f"a negative number under a root: {radicand}")
        for prime, power in sp.factorrat(constant).items():
            half, odd = divmod(power, 2)
            result *= prime**half * (self._root_symbol(sp.Integer(prime)) if odd else 1)
        return result

    def reduced(self, e: sp.Expr) -> sp.Expr:
        """Even powers of the root symbols replaced by what they are the roots of."""
        numerator, denominator = sp.fraction(sp.together(e))
        return self._reduce(numerator) / self._reduce(denominator)

    def _reduce(self, polynomial: sp.Expr) -> sp.Expr:
        polynomial = sp.expand(polynomial)
        for r in reversed(self.roots):
            if polynomial.has(r):
                f = self.roots[r]
                terms = sp.Poly(polynomial, r).terms()
                polynomial = sp.expand(sum(c * f ** (k // 2) * r ** (k % 2) for (k,), c in terms))
        return polynomial

    def is_zero(self, e: sp.Expr) -> bool:
        numerator, denominator = sp.fraction(sp.together(self.rational(e)))
        if self._reduce(denominator) == 0:
            raise Undecided("a denominator is zero everywhere")
        return self._reduce(numerator) == 0

    def sign(self, e: sp.Expr, needed: bool = False) -> int:
        r"""1 if e >= 0 for all values of its symbols, -1 if e <= 0, 0 if neither is seen.

        A symbol of the unit interval is written 1/(1 + u) with u > 0. Then a quotient of
        polynomials in positive symbols, real ones to even powers, whose coefficients all have one
        sign has that sign.
        """
        e, units = self._without_roots(e)
        units |= {x for x in e.free_symbols if exact.domain_of(x) == "unit"}
        chart = {x: 1 / (1 + x) for x in units}
        result = 1
        for part in sp.fraction(sp.cancel(sp.together(e.xreplace(chart)))):
            constant, factors = sp.factor_list(part)
            result *= int(sp.sign(constant))
            for f, power in factors:
                if power % 2:
                    result *= _coefficient_sign(f)
        if needed and result == 0:
            raise Undecided(f"the sign of {e}")
        return result

    def _without_roots(self, e: sp.Expr) -> tuple[sp.Expr, set[sp.Symbol]]:
        """`e` in terms of r instead of x where r = sqrt(x) or r = sqrt(1 - x), and those r below 1."""
        units = set()
        for r, f in self.roots.items():
            if e.has(r) and len(f.free_symbols) == 1:
                (x,) = f.free_symbols
                unit = exact.domain_of(x) == "unit"
                if f == x or (unit and f == 1 - x):
                    e = e.xreplace({x: r**2 if f == x else 1 - r**2})
                    units |= {r} if unit else set()
        return e, units


def _coefficient_sign(f: sp.Expr) -> int:
    gens = sorted(f.free_symbols, key=str)
    if not gens:
        return int(sp.sign(f))
    signs = set()
    for powers, c in sp.Poly(f, *gens).terms():
        even = all(g.is_nonnegative or k % 2 == 0 for g, k in zip(gens, powers, strict=True))
        signs.add(int(sp.sign(c)) if even else 0)
    return signs.pop() if len(signs) == 1 else 0
