r"""The laws of an operator :math:`A` and of what it offers beside: adjoint, pseudo-inverse, resolvent, SVD.

Tolerances are :math:`c \cdot \mathrm{eps} \cdot \sqrt n \cdot \text{scale}`: the rounding of a sum of n
terms, relative to the norms of what is compared. Laws that write A down as a matrix say nothing about
one of more than 1024 rows or columns: check a small instance too.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from teachdiff.testing.adapters import OperatorView, matrix_of
from teachdiff.testing.core import Draw, LawBroken, NotApplicable, law, normal, require, require_close

LARGEST = 1024  # rows or columns of a matrix that is written down


def rounding(*tensors: Tensor) -> float:
    """64 eps sqrt(n), n the longest of them."""
    eps = torch.finfo(tensors[0].dtype.to_real()).eps
    return 64 * eps * max(t.numel() for t in tensors) ** 0.5


def inner(u: Tensor, v: Tensor) -> complex | float:
    return torch.vdot(u.flatten(), v.flatten().to(u.dtype)).item()


def condition(dense: np.ndarray) -> float:
    """Largest over smallest singular value above rounding."""
    s = np.linalg.svd(dense, compute_uv=False)
    seen = s[s > 1e-12 * max(s[0], 1e-300)]
    return float(seen[0] / seen[-1]) if len(seen) else 1.0


def draw_images(A: OperatorView, draw: Draw, *, of: str = "input") -> Tensor:
    """A batch of standard normal images, or of measurements."""
    shape = A.input_shape if of == "input" else A.output_shape
    batch, seed = draw.integer("batch", 1, 3), draw.seed(f"seed of {'x' if of == 'input' else 'y'}")
    return normal((batch, *shape), seed, A.dtype, A.device)


def complex_dtypes(A: OperatorView) -> list[torch.dtype]:
    return [dtype.to_complex() for dtype in A.dtypes] if A.takes_complex else []


def need(A: OperatorView, *names: str, linear: bool = True) -> None:
    """The object has these, and is linear unless the law is for all; else the law does not apply."""
    if linear and not A.linear:
        raise NotApplicable("the operator says that it is not linear")
    for name in names:
        if getattr(A, name) is None:
            raise NotApplicable(f"the operator has no {name} (looked for {', '.join(A.NAMES[name])})")


def need_small(A: OperatorView) -> None:
    n, m = int(np.prod(A.input_shape)), int(np.prod(A.output_shape))
    if max(n, m) > LARGEST:
        raise NotApplicable(f"a matrix of {m} x {n} is too large to write down; check a small instance as well")


def directions(A: OperatorView) -> list[tuple[str, Callable, tuple[int, ...], tuple[int, ...]]]:
    """(name, function, shape of its argument, shape of its result) of A and, where there is one, its adjoint."""
    found = [("A", A.forward, A.input_shape, A.output_shape)]
    if A.linear and A.adjoint is not None:
        found.append(("the adjoint", A.adjoint, A.output_shape, A.input_shape))
    return found


@law("operator", "A maps (B, *input_shape) to (B, *output_shape) for every B, and the adjoint back.")
def shapes(A: OperatorView, draw: Draw) -> None:
    batch = draw.integer("batch", 1, 4)
    for name, f, takes, gives in directions(A):
        out = f(normal((batch, *takes), 0, A.dtype, A.device))
        require(isinstance(out, Tensor), f"{name} must give a tensor", type(out).__name__, "Tensor")
        require(tuple(out.shape) == (batch, *gives), f"shape of {name}(...)", tuple(out.shape), (batch, *gives))


@law("operator", "A(a x + b z) = a A(x) + b A(z), and the same of the adjoint.", proof="operators")
def linear(A: OperatorView, draw: Draw) -> None:
    need(A)
    batch, seed, dtype = draw.integer("batch", 1, 3), draw.seed(), draw.one_of("dtype", A.dtypes + complex_dtypes(A))
    for name, f, takes, _ in directions(A):
        x, z = (normal((batch, *takes), s, dtype, A.device) for s in (seed, seed + 1))
        left, right = f(1.75 * x - 0.3 * z), 1.75 * f(x) - 0.3 * f(z)
        scale = float(f(x).abs().max() + f(z).abs().max() + x.abs().max() * left.abs().max())
        require_close(left, right, rounding(x, left), scale, f"{name} of 1.75 x - 0.3 z, by linearity")


def dot_test_in(A: OperatorView, draw: Draw, dtypes: list[torch.dtype]) -> None:
    batch, of_x, of_y = draw.integer("batch", 1, 3), draw.seed("seed of x"), draw.seed("seed of y")
    dtype = draw.one_of("dtype", dtypes)
    xs, ys = (
        normal((batch, *shape), seed, dtype, A.device)
        for shape, seed in ((A.input_shape, of_x), (A.output_shape, of_y))
    )
    for x, y, Ax, Aty in zip(xs, ys, A.forward(xs), A.adjoint(ys), strict=True):
        left, right = inner(Ax, y), inner(x, Aty)
        norm = max(Ax.norm() * y.norm(), x.norm() * Aty.norm()).item()
        if not abs(left - right) <= rounding(x, y) * norm:
            raise LawBroken("<A x, y> and <x, A^T y>", left, right, rounding(x, y) * norm)


@law("operator", "<A x, y> = <x, Aᵀ y> for every sample, relative to the norms.", proof="operators")
def dot_test(A: OperatorView, draw: Draw) -> None:
    need(A, "adjoint")
    dot_test_in(A, draw, A.dtypes)


@law("operator", "<A x, y> = <x, Aᴴ y> for complex x and y.", proof="operators")
def complex_dot_test(A: OperatorView, draw: Draw) -> None:
    need(A, "adjoint")
    if not A.takes_complex:
        raise NotApplicable("the operator takes no complex images")
    dot_test_in(A, draw, complex_dtypes(A))


@law("operator", "The gradient that autograd takes through A is the adjoint, and through the adjoint it is A.")
def gradient(A: OperatorView, draw: Draw) -> None:
    need(A, "adjoint")
    batch, seed = draw.integer("batch", 1, 3), draw.seed()
    pairs = [("A", A.forward, A.adjoint, A.input_shape), ("the adjoint", A.adjoint, A.forward, A.output_shape)]
    for name, f, g, takes in pairs:
        x = normal((batch, *takes), seed, A.dtype, A.device).requires_grad_()
        out = f(x)
        require(out.requires_grad, f"no gradient flows through {name}: DPS needs one")
        y = normal(out.shape, seed + 1, A.dtype, A.device)
        (vjp,) = torch.autograd.grad(out, x, y)
        expected = g(y)
        require_close(vjp, expected, rounding(x, y), float(y.abs().max() + expected.abs().max()), f"gradient of {name}")


@law("operator", "The gradient that autograd takes is the slope of the function, also where it is not linear.")
def slope(A: OperatorView, draw: Draw) -> None:
    if A.dtype != torch.float64:
        raise NotApplicable("a slope needs float64, which the operator does not take")
    shape, seed, h = (1, *A.input_shape), draw.seed(), 1e-6
    x, v = normal(shape, seed, A.dtype, A.device), normal(shape, seed + 1, A.dtype, A.device)
    w = normal((1, *A.output_shape), seed + 2, A.dtype, A.device)
    leaf = x.clone().requires_grad_()
    out = A.forward(leaf)
    require(out.requires_grad, "no gradient flows through A: DPS needs one")
    analytic = inner(torch.autograd.grad(out, leaf, w)[0], v)
    ahead, behind = (inner(A.forward(x + s * h * v) - A.forward(x), w) / (s * h) for s in (1, -1))
    kink = abs(ahead - behind)  # where a clamp begins or ends, the two one-sided slopes differ
    scale = float(w.norm() * v.norm()) * max(1.0, float(A.forward(x).abs().max()))
    if not abs(analytic - (ahead + behind) / 2) <= 1e-6 * scale + kink:
        raise LawBroken("<A'(x) v, w> by autograd and by differences", analytic, (ahead + behind) / 2, 1e-6 * scale)


@law("operator", "The matrix of the adjoint is the transpose of the matrix of A.", examples=1)
def transpose(A: OperatorView, draw: Draw) -> None:
    need(A, "adjoint")
    need_small(A)
    dense = A.dense()
    eps = torch.finfo(A.dtype).eps
    got = matrix_of(A.adjoint, A.output_shape, A.dtype, A.device)
    require_close(got, dense.T, 500 * eps, max(1.0, float(np.abs(dense).max())), "an entry of the adjoint's matrix")


@law("operator", "A batch is its samples, and a permuted batch is permuted.")
def batch(A: OperatorView, draw: Draw) -> None:
    size, seed = draw.integer("batch", 2, 4), draw.seed()
    for name, f, takes, _ in all_functions(A):
        check_batch(f, normal((size, *takes), seed, A.dtype, A.device), name)


def check_batch(f: Callable[[Tensor], Tensor], x: Tensor, name: str, tolerance: float = 4e3) -> None:
    """f of a batch is f of its samples, in any order; up to `tolerance` roundings of the largest value."""
    whole, allowed = f(x), tolerance * torch.finfo(x.dtype.to_real()).eps
    alone = torch.cat([f(x[i : i + 1]) for i in range(len(x))])
    scale = float(alone.abs().max()) + 1e-300
    require_close(whole, alone, allowed, scale, f"{name} of a sample in a batch, and of the same sample alone")
    order = torch.arange(len(x)).roll(1)
    require_close(f(x[order]), whole[order], allowed, scale, f"{name} of a permuted batch")


def all_functions(A: OperatorView) -> list[tuple[str, Callable, tuple[int, ...], tuple[int, ...]]]:
    """A, its adjoint, and whatever else it offers."""
    found = directions(A)
    if A.pinv is not None:
        found.append(("A⁺", A.pinv, A.output_shape, A.input_shape))
    if A.resolvent is not None:
        resolvent = A.resolvent
        found.append(("the resolvent", lambda y: resolvent(y, 0.04, 1.5), A.output_shape, A.output_shape))
    return found


@law("operator", "The same argument gives the same result: whatever is random was drawn once, at construction.")
def repeats(A: OperatorView, draw: Draw) -> None:
    batch, seed = draw.integer("batch", 1, 3), draw.seed()
    for name, f, takes, _ in all_functions(A):
        v = normal((batch, *takes), seed, A.dtype, A.device)
        first, second = f(v), f(v)
        require_close(first, second, 0.0, 0.0, f"{name} of the same argument, asked twice")


@law("operator", "dtype and device of the result are those of the argument; values are finite.")
def dtype_and_device(A: OperatorView, draw: Draw) -> None:
    dtype = draw.one_of("dtype", A.dtypes + complex_dtypes(A))
    for name, f, takes, _ in all_functions(A):
        out = f(normal((2, *takes), 0, dtype, A.device))
        require(out.dtype == dtype, f"dtype of {name}(x)", str(out.dtype), str(dtype))
        require(out.device == A.device, f"device of {name}(x)", str(out.device), str(A.device))
        require(torch.isfinite(out).all(), f"{name}(x) holds NaN or infinite values")


@law("operator", "The argument is not written into.")
def argument_is_kept(A: OperatorView, draw: Draw) -> None:
    seed = draw.seed()
    for name, f, takes, _ in all_functions(A):
        x = normal((2, *takes), seed, A.dtype, A.device)
        before = x.clone()
        f(x)
        require(torch.equal(x, before), f"{name} changed its argument in place")


@law("operator", "The result is memory of its own: writing into it must not change the argument.")
def result_is_its_own(A: OperatorView, draw: Draw) -> None:
    seed = draw.seed()
    for name, f, takes, _ in all_functions(A):
        x = normal((2, *takes), seed, A.dtype, A.device)
        same = f(x).untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
        require(not same, f"{name} hands out its argument's own memory")


@law("operator", "The four conditions of Moore and Penrose, and numpy's pseudo-inverse.", proof="operators", examples=1)
def pseudo_inverse(A: OperatorView, draw: Draw) -> None:
    need(A, "pinv")
    need_small(A)
    dense, P = A.dense(), matrix_of(A.pinv, A.output_shape, A.dtype, A.device)
    kappa = condition(dense)
    # An SVD gives the pseudo-inverse to rounding times kappa, the normal equations to rounding times kappa squared.
    allowed = 5e3 * torch.finfo(A.dtype).eps * (kappa if A.svd is not None else kappa**2)
    if allowed > 1e-2:
        raise NotApplicable(f"with a condition number of {kappa:.1e} a pseudo-inverse has no digits to compare")
    norm, inverse = float(np.linalg.norm(dense, 2)), float(np.linalg.norm(P, 2))
    require_close(dense @ P @ dense, dense, allowed, norm, "A A⁺ A and A")
    require_close(P @ dense @ P, P, allowed, inverse, "A⁺ A A⁺ and A⁺")
    require_close((dense @ P).T, dense @ P, allowed, 1.0, "A A⁺ and its transpose")
    require_close((P @ dense).T, P @ dense, allowed, 1.0, "A⁺ A and its transpose")
    require_close(P, np.linalg.pinv(dense, rcond=1e-12), allowed, inverse, "A⁺ and numpy's")


@law("operator", "A⁺ y solves the normal equations: Aᵀ A A⁺ y = Aᵀ y.", proof="operators")
def least_squares(A: OperatorView, draw: Draw) -> None:
    need(A, "adjoint", "pinv")
    if A.svd is None:
        raise NotApplicable("without an SVD an iterative A⁺ may stop early, as its own tolerance says")
    y = draw_images(A, draw, of="output")
    left, right = A.adjoint(A.forward(A.pinv(y))), A.adjoint(y)
    scale = float(right.abs().max()) + float(A.pinv(y).abs().max()) * spectral_norm(A) ** 2 + 1e-300
    require_close(left, right, 16 * rounding(y), scale, "Aᵀ A A⁺ y and Aᵀ y")


def spectral_norm(A: OperatorView) -> float:
    """The largest singular value, from the SVD that the operator offers."""
    s = A.svd.s
    return float((s.values if hasattr(s, "values") and not isinstance(s, Tensor) else s).max())


@law("operator", "z = (σ² I + c A Aᵀ)⁻¹ y solves its system, at any size.", proof="operators")
def resolvent(A: OperatorView, draw: Draw) -> None:
    need(A, "adjoint", "resolvent")
    y = draw_images(A, draw, of="output")
    sigma2, c = draw.one_of("sigma2, c", [(0.04, 1.5), (1.0, 0.0), (0.01, 1.0), (0.3, 50.0)])
    z = A.resolvent(y, sigma2, c)
    back = sigma2 * z + c * A.forward(A.adjoint(z))
    kappa = float(back.abs().max() + sigma2 * z.abs().max()) + float(y.abs().max())
    tolerance = {torch.float64: 1e-9, torch.float32: 1e-4}[A.dtype]
    require_close(back, y, tolerance, kappa, "σ² z + c A Aᵀ z and y")


@law("operator", "It is the inverse of the written-down matrix, also where y is out of A's reach.", examples=2)
def dense_resolvent(A: OperatorView, draw: Draw) -> None:
    need(A, "resolvent")
    need_small(A)
    sigma2, c = draw.one_of("sigma2, c", [(0.04, 1.5), (0.3, 50.0), (1e-3, 1.0), (0.01, 1.0), (1.0, 0.0)])
    dense = A.dense()
    expected = np.linalg.inv(sigma2 * np.eye(len(dense)) + c * dense @ dense.T)
    got = matrix_of(lambda y: A.resolvent(y, sigma2, c), A.output_shape, A.dtype, A.device)
    tolerance = {torch.float64: 1e-10, torch.float32: 1e-4}[A.dtype]
    require_close(got, expected, tolerance, float(np.abs(expected).max()), "an entry of (σ² I + c A Aᵀ)⁻¹")


@law("operator", "It is symmetric, so the gradient that autograd takes through it is the resolvent again.", examples=3)
def resolvent_gradient(A: OperatorView, draw: Draw) -> None:
    need(A, "resolvent")
    seed, (sigma2, c) = draw.seed(), draw.one_of("sigma2, c", [(0.04, 1.5), (0.3, 50.0)])
    y, w = (normal((2, *A.output_shape), s, A.dtype, A.device) for s in (seed, seed + 1))
    out = A.resolvent(y.requires_grad_(), sigma2, c)
    require(out.requires_grad, "no gradient flows through the resolvent")
    (vjp,) = torch.autograd.grad(out, y, w)
    expected = A.resolvent(w, sigma2, c)
    tolerance = {torch.float64: 1e-10, torch.float32: 1e-4}[A.dtype]
    require_close(vjp, expected, tolerance, float(expected.abs().max()) + 1e-300, "gradient of the resolvent")


@law("operator", "U diag(s) Vᵀ x = A x: the fast path is the slow path, at any size.", proof="operators")
def factorisation(A: OperatorView, draw: Draw) -> None:
    need(A, "svd")
    x, svd = draw_images(A, draw), A.svd
    s = svd.s.like(x) if hasattr(svd.s, "like") else svd.s.to(x)
    expected = A.forward(x)
    scale = spectral_norm(A) * float(x.abs().max()) + float(expected.abs().max()) + 1e-300
    require_close(svd.U(s * svd.Vt(x)), expected, rounding(x, expected), scale, "U diag(s) Vᵀ x and A x")


@law("operator", "V is orthonormal, U where s > 0; the singular values are numpy's.", proof="operators", examples=1)
def singular_values(A: OperatorView, draw: Draw) -> None:
    need(A, "svd")
    need_small(A)
    svd, dense = A.svd, A.dense()
    n = int(np.prod(A.input_shape))
    values = svd.s.values if hasattr(svd.s, "like") else svd.s
    require(tuple(values.shape) == tuple(A.input_shape), "shape of svd.s", tuple(values.shape), A.input_shape)
    s = values.flatten().cpu().numpy()
    V, U, Vt, Ut = (
        matrix_of(f, shape, A.dtype, A.device)
        for f, shape in (
            (svd.V, A.input_shape),
            (svd.U, A.input_shape),
            (svd.Vt, A.input_shape),
            (svd.Ut, A.output_shape),
        )
    )
    tolerance = 500 * torch.finfo(A.dtype).eps * max(n, *dense.shape) ** 0.5
    require_close(V.T @ V, np.eye(n), tolerance, 1.0, "an entry of Vᵀ V and of I")
    require_close(U.T @ U, np.diag(s > 0).astype(float), tolerance, 1.0, "an entry of Uᵀ U and of diag(s > 0)")
    require_close(Vt, V.T, tolerance, 1.0, "an entry of Vt and of V transposed")
    require_close(Ut, U.T, tolerance, 1.0, "an entry of Ut and of U transposed")
    expected = np.zeros(max(n, dense.shape[0]))
    expected[: min(dense.shape)] = np.linalg.svd(dense, compute_uv=False)
    got = np.sort(np.append(s, np.zeros(len(expected) - n)))[::-1]
    require_close(got, expected, tolerance, max(float(expected[0]), 1e-300), "a singular value and numpy's")
