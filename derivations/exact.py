r"""Exact numbers and exact points: how a false formula is refuted.

A refutation is a point, given exactly, at which the two sides are two different numbers. The
numbers here are finite sums

.. math:: \sum_k c_k \sqrt{n_k}\, e^{q_k}, \qquad c_k, q_k \in \mathbb Q, \quad n_k \text{ squarefree}.

Such a sum is zero if and only if every c_k is: square roots of different squarefree integers are
linearly independent over the rationals, and exponentials of different rationals are so over the
algebraic numbers (Lindemann and Weierstrass). So equality is decided, never approximated.
"""

import random
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from math import gcd, isqrt

import sympy as sp

from derivations import symbols


class NotExact(ArithmeticError):
    """This point leads out of the numbers above (a root of a sum of roots, say): try another one."""


class NotReal(ArithmeticError):
    """The square root of a negative number."""


@cache
def _square_part(n: int) -> tuple[int, int]:
    """n = r^2 m with m squarefree: (r, m)."""
    r = m = 1
    for prime, power in sp.factorint(n).items():
        r *= prime ** (power // 2)
        m *= prime ** (power % 2)
    return r, m


_RATIONAL = (1, 0)  # the key of sqrt(1) e^0


class Number:
    """A sum of c sqrt(n) e^q, kept as {(n, q): c} without zeros; q = 0 is an int, which hashes fast."""

    __slots__ = ("terms",)

    def __init__(self, terms: dict[tuple[int, int | Fraction], Fraction]) -> None:
        self.terms = {key: c for key, c in terms.items() if c}

    @classmethod
    def of(cls, value) -> "Number":
        return cls({_RATIONAL: Fraction(value)})

    def __add__(self, other: "Number") -> "Number":
        terms = dict(self.terms)
        for key, c in other.terms.items():
            terms[key] = terms[key] + c if key in terms else c
        return Number(terms)

    def __neg__(self) -> "Number":
        return Number({key: -c for key, c in self.terms.items()})

    def __sub__(self, other: "Number") -> "Number":
        return self + -other

    def __mul__(self, other: "Number") -> "Number":
        terms: dict = {}
        for (m, p), c in self.terms.items():
            for (n, q), d in other.terms.items():
                g = gcd(m, n)
                key = (m * n // g**2, (p + q) or 0)
                part = c * d if g == 1 else c * d * g
                terms[key] = terms[key] + part if key in terms else part
        return Number(terms)

    def __eq__(self, other) -> bool:
        return isinstance(other, Number) and self.terms == other.terms

    __hash__ = None

    def inverse(self) -> "Number":
        if not self.terms:
            raise ZeroDivisionError
        if len({q for _, q in self.terms}) > 1:
            raise NotExact("one over a sum of different exponentials")
        if len(self.terms) == 1:
            (((n, q), c),) = self.terms.items()
            return Number({(n, -q): 1 / (c * n)})
        # a + b sqrt(p) has the inverse (a - b sqrt(p)) / (a^2 - b^2 p): one prime fewer below.
        p = max(max(sp.factorint(n), default=1) for n, _ in self.terms)
        conjugate = Number({(n, q): -c if n % p == 0 else c for (n, q), c in self.terms.items()})
        return conjugate * (self * conjugate).inverse()

    def power(self, exponent: int) -> "Number":
        if exponent == 0:
            return Number.of(1)
        base = self if exponent > 0 else self.inverse()
        result = base
        for _ in range(abs(exponent) - 1):
            result = result * base
        return result

    def sqrt(self) -> "Number":
        if not self.terms:
            return self
        if self.sign() < 0:
            raise NotReal
        if len(self.terms) > 1:
            raise NotExact("the root of a sum of roots")
        (((n, q), c),) = self.terms.items()
        if n != 1:
            raise NotExact("the root of a root")
        r, m = _square_part(c.numerator * c.denominator)
        return Number({(m, q and q / 2): Fraction(r, c.denominator)})

    def exp(self) -> "Number":
        if any(key != _RATIONAL for key in self.terms):
            raise NotExact("the exponential of an irrational number")
        return Number({(1, self.terms.get(_RATIONAL, 0)): Fraction(1)})

    def sign(self) -> int:
        if not self.terms:
            return 0
        if all(c > 0 for c in self.terms.values()):
            return 1
        if all(c < 0 for c in self.terms.values()):
            return -1
        if any(q for _, q in self.terms):
            raise NotExact("the sign of a sum of exponentials")
        scale = 10**30
        while True:  # it is not zero, so at some scale the interval lies on one side of zero
            low = sum(c * isqrt(n * scale**2) for (n, _), c in self.terms.items())
            slack = sum(abs(c) for c in self.terms.values())
            if abs(low) > slack:
                return 1 if low > 0 else -1
            scale **= 2

    def sympy(self) -> sp.Expr:
        return sp.Add(*[sp.Rational(c) * sp.sqrt(n) * sp.exp(sp.Rational(q)) for (n, q), c in self.terms.items()])

    def __str__(self) -> str:
        if self.terms.keys() <= {_RATIONAL}:
            return str(self.terms.get(_RATIONAL, 0))
        return str(self.sympy())


def evaluate(expression: sp.Expr, point: dict[sp.Symbol, Number]) -> Number:
    """The exact value of an expression at a point.

    Raises:
        NotExact: the value leaves the numbers of this module.
        NotReal: a square root of a negative number.
        ZeroDivisionError: a division by zero.
        TypeError: a function that this module does not know.
    """
    known: dict[sp.Expr, Number] = {}

    def value(e: sp.Expr) -> Number:
        if e not in known:
            known[e] = compute(e)
        return known[e]

    def compute(e: sp.Expr) -> Number:
        if e.is_Rational:
            return Number.of(Fraction(int(e.p), int(e.q)))
        if e.is_Symbol:
            return point[e]
        if e.is_Add:
            total = value(e.args[0])
            for argument in e.args[1:]:
                total = total + value(argument)
            return total
        if e.is_Mul:
            product = value(e.args[0])
            for argument in e.args[1:]:
                product = product * value(argument)
            return product
        if isinstance(e, sp.exp):
            return value(e.args[0]).exp()
        if e.is_Pow and e.exp.is_Integer:
            return value(e.base).power(int(e.exp))
        if e.is_Pow and e.exp.is_Rational and e.exp.q in (2, 4, 8):
            root = value(e.base)
            for _ in range(int(e.exp.q).bit_length() - 1):
                root = root.sqrt()
            return root.power(int(e.exp.p))
        if e in (sp.zoo, sp.nan, sp.oo, -sp.oo):
            raise ZeroDivisionError
        if e == sp.I:
            raise NotReal
        if isinstance(e, sp.Abs):
            inner = value(e.args[0])
            return -inner if inner.sign() < 0 else inner
        if isinstance(e, sp.Max | sp.Min):
            wanted = 1 if isinstance(e, sp.Max) else -1
            best = value(e.args[0])
            for argument in e.args[1:]:
                if (value(argument) - best).sign() == wanted:
                    best = value(argument)
            return best
        raise TypeError(f"cannot evaluate {type(e).__name__} exactly: {e}")

    return value(expression)


# Small numbers first, and for the alphas such that alpha and 1 - alpha have rational roots.
_CANDIDATES = {
    "unit": ["9/25", "16/25", "1/4", "25/169", "144/169", "1/2", "1/16", "3/4", "1/3", "81/625", "4/9", "2/7"],
    "positive": ["2", "1", "3", "1/2", "4", "5", "1/4", "16", "3/2", "1/3", "9"],
    "nonnegative": ["1", "2", "3", "1/2", "0", "5", "4"],
    "real": ["1", "2", "-1", "3", "-2", "1/2", "5", "0", "-3", "4", "-1/2"],
}


def points(free: list[sp.Symbol], domain, count: int) -> Iterator[dict[sp.Symbol, Number]]:
    """`count` exact points, always the same ones: small, root-friendly numbers first.

    Arguments:
        free: the symbols to give values to.
        domain: a function symbol -> "unit", "positive", "nonnegative" or "real".
    """
    values = {name: [Number.of(Fraction(v)) for v in listed] for name, listed in _CANDIDATES.items()}
    for k in range(count):
        draw = random.Random(k)
        point = {}
        for symbol in free:
            listed = values[domain(symbol)]
            reach = min(len(listed), 3 + k // 8)
            point[symbol] = listed[int(draw.random() * reach)]
        yield point


def domain_of(symbol: sp.Symbol) -> str:
    """The domain of a table symbol; a number that merely must be real or positive otherwise."""
    if symbol.is_Dummy or symbol.name.startswith("_"):
        return "positive" if symbol.is_positive else "real"
    return symbols.entry(symbol).domain
