r"""Matrix identities of any size, in the coordinates of the singular value decomposition.

Write :math:`A = U \Sigma V^\top` (M rows, N columns). In the bases of U (measurements) and V (images)
each matrix of these notes is diagonal, so an identity of matrices is an identity of numbers in each
coordinate. There are four sorts of coordinates:

    seen        a pair (u_i, v_i) with singular value s > 0: A -> s, A^T -> s, A^+ -> 1/s
    seen, s=0   a pair whose singular value is 0: A -> 0, A^T -> 0, A^+ -> 0
    unseen      an image direction without a partner (N > M): nothing passes through measurements
    unreached   a measurement direction without a partner (M > N): nothing passes through images

Write expressions with sympy's matrices: `A`, `A.T`, `A_pinv`, `U`, `S`, `V`, the thin factors `U_r`,
`S_r`, `V_r` (r = rank), `Identity(M)`, `.inv()`, and the vectors from `vector`. Shapes that do not fit for
M, N and r all different are an error, which is itself a check.
"""

import sympy as sp
from sympy.matrices.expressions import Identity, Inverse, MatAdd, MatMul, MatPow, Transpose, ZeroMatrix

from derivations import symbols

M, N, R = sp.symbols("M N r", integer=True, positive=True)
ONE = sp.S.One

A = sp.MatrixSymbol("A", M, N)
A_pinv = sp.MatrixSymbol("A^{+}", N, M)
U, S, V = sp.MatrixSymbol("U", M, M), sp.MatrixSymbol("Sigma", M, N), sp.MatrixSymbol("V", N, N)
U_r, S_r, V_r = sp.MatrixSymbol("U_r", M, R), sp.MatrixSymbol("Sigma_r", R, R), sp.MatrixSymbol("V_r", N, R)

_VALUE = {A: "s", S: "s", S_r: "s", A_pinv: "pinv", U: "one", V: "one", U_r: "one", V_r: "one"}
_VECTORS: dict[sp.MatrixSymbol, sp.Symbol] = {}

# (name, spaces that have this coordinate, is the singular value zero)
_CASES = [
    ("singular value s > 0", {M, N, R, ONE}, False),
    ("singular value 0", {M, N, ONE}, True),
    ("unseen image direction", {N, ONE}, True),
    ("unreached measurement direction", {M, ONE}, True),
]


def vector(name: str, rows, domain: str = "real") -> sp.MatrixSymbol:
    """A vector of `rows` entries (N: an image, M: a measurement); its coordinate is the symbol name_i."""
    made = sp.MatrixSymbol(name, rows, 1)
    _VECTORS[made] = symbols.declare(f"{name}_i", f"{name}_i", f"one SVD coordinate of {name}", domain)
    return made


class NotDiagonal(ValueError):
    """An outer product x y^T, or a number made of vectors used as a factor: not diagonal in the SVD's bases."""


class ShapeError(ValueError):
    """A product, sum, power or comparison of matrices whose shapes do not fit unless M = N (or r)."""


def check_shapes(e) -> None:
    """Every product, sum, inverse and power in `e` fits, with M, N and r three different numbers.

    Raises:
        ShapeError: one does not.
        NotDiagonal: a vector is followed by a transposed vector, or a 1 x 1 matrix is inverted.
    """
    for part in sp.preorder_traversal(e):
        if isinstance(part, MatMul):
            factors = [factor for factor in part.args if factor.is_Matrix]
            if any(left.shape[1] == right.shape[0] == ONE for left, right in zip(factors, factors[1:], strict=False)):
                raise NotDiagonal(f"{part} holds an outer product; InSVD is for expressions linear in vectors.")
            bad = any(left.shape[1] != right.shape[0] for left, right in zip(factors, factors[1:], strict=False))
        elif isinstance(part, MatAdd):
            bad = len({term.shape for term in part.args}) > 1
        else:
            bad = isinstance(part, MatPow | Inverse) and part.shape[0] != part.shape[1]
        if isinstance(part, MatPow | Inverse) and part.shape[0] == ONE:
            raise NotDiagonal(f"{part} is a power of a number that is made of vectors; InSVD cannot treat it.")
        if bad:
            shapes = ", ".join(f"{a}: {a.shape[0]} x {a.shape[1]}" for a in part.args if getattr(a, "is_Matrix", False))
            raise ShapeError(f"the shapes do not fit in {part} ({shapes})")


def cases(lhs, rhs):
    """(case, left number, right number) for every sort of coordinate that the two sides have.

    Raises:
        ShapeError: shapes that do not fit.
        NotDiagonal: an expression that is not diagonal in these bases.
    """
    check_shapes(lhs)
    check_shapes(rhs)
    if lhs.shape != rhs.shape:
        raise ShapeError(
            f"a {lhs.shape[0]} x {lhs.shape[1]} matrix is compared with a {rhs.shape[0]} x {rhs.shape[1]} one"
        )
    found = []
    for name, spaces, zero in _CASES:
        if set(lhs.shape) <= spaces:
            found.append((name, coordinate(lhs, spaces, zero), coordinate(rhs, spaces, zero)))
    return found


def coordinate(e, spaces: set, zero: bool) -> sp.Expr:
    """What a matrix expression is in one coordinate: a number."""
    if not e.is_Matrix:
        return e
    if not set(e.shape) <= spaces:
        return sp.S.Zero  # this coordinate does not exist on one side of the matrix
    if e in _VECTORS:
        return _VECTORS[e]
    if e in _VALUE:
        s = sp.S.Zero if zero else symbols.get("s")
        return {"s": s, "one": sp.S.One, "pinv": sp.S.Zero if zero else 1 / s}[_VALUE[e]]
    if isinstance(e, Identity):
        return sp.S.One
    if isinstance(e, ZeroMatrix):
        return sp.S.Zero
    if isinstance(e, Transpose):
        return coordinate(e.arg, spaces, zero)
    if isinstance(e, Inverse):
        return 1 / coordinate(e.arg, spaces, zero)
    if isinstance(e, MatPow):
        return coordinate(e.base, spaces, zero) ** e.exp
    if isinstance(e, MatAdd):
        return sp.Add(*(coordinate(part, spaces, zero) for part in e.args))
    if isinstance(e, MatMul):
        parts = [coordinate(part, spaces, zero) for part in e.args]
        return sp.S.Zero if any(part == 0 for part in parts) else sp.Mul(*parts)
    raise TypeError(f"{type(e).__name__} has no form in SVD coordinates: {e}")
