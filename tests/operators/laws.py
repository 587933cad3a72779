r"""The laws of a linear operator, each a plain function that raises AssertionError where it is broken.

A gap is compared as `not gap <= tolerance`, so that a NaN fails. Tolerances are
c · eps · sqrt(n) · scale: rounding of a sum of n terms, relative to the norms of what is compared.
"""

import numpy as np
import torch
from torch import Tensor

REAL = (torch.float32, torch.float64)
COMPLEX = (torch.complex64, torch.complex128)
HALF = (torch.float16, torch.bfloat16)


def draw(shape, batch: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal images (B, *shape), the same numbers for every dtype but for rounding."""
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.standard_normal((batch, *shape)))
    if dtype.is_complex:
        x = torch.complex(x, torch.from_numpy(rng.standard_normal((batch, *shape))))
    return x.to(dtype)


def matrix_of(function, shape, dtype: torch.dtype = torch.float64) -> np.ndarray:
    """The matrix (m, n) of a linear function of images of `shape`, one unit image at a time."""
    n = int(np.prod(shape))
    eye = torch.eye(n, dtype=dtype).view(n, *shape)
    return np.stack([function(e[None]).flatten().numpy() for e in eye], axis=1)


def require_close(got, expected, tolerance: float, scale: float, what: str) -> None:
    """max |got - expected| <= tolerance · scale."""
    got, expected = (v.detach().numpy() if isinstance(v, Tensor) else np.asarray(v) for v in (got, expected))
    if got.shape != expected.shape:
        raise AssertionError(f"{what}: shapes {got.shape} and {expected.shape}.")
    gap = float(np.abs(got - expected).max()) if got.size else 0.0
    if not gap <= tolerance * scale:
        raise AssertionError(f"{what}: they differ by {gap:.3g}; allowed is {tolerance * scale:.3g}.")


def _inner(u: Tensor, v: Tensor) -> complex:
    return torch.vdot(u.flatten(), v.flatten()).item()


def _rounding(*tensors: Tensor) -> float:
    """64 eps sqrt(n), n the longest of them."""
    eps = torch.finfo(tensors[0].dtype.to_real()).eps
    return 64 * eps * max(t.numel() for t in tensors) ** 0.5


def check_linear(A, batch: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64) -> None:
    """A(a x + b z) = a A(x) + b A(z), and the same of the adjoint."""
    for f, shape, name in ((A, A.input_shape, "A"), (A.adjoint, A.output_shape, "the adjoint")):
        x, z = draw(shape, batch, seed, dtype), draw(shape, batch, seed + 1, dtype)
        left, right = f(1.75 * x - 0.3 * z), 1.75 * f(x) - 0.3 * f(z)
        scale = float(f(x).abs().max() + f(z).abs().max() + x.abs().max() * left.abs().max())
        require_close(left, right, _rounding(x, left), scale, f"{name} is not linear")


def check_dot(A, batch: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64) -> None:
    """<A x, y> = <x, Aᵀ y>, for every sample, relative to the norms: never a mean of differences."""
    xs, ys = draw(A.input_shape, batch, seed, dtype), draw(A.output_shape, batch, seed + 1, dtype)
    for x, y, Ax, Aty in zip(xs, ys, A(xs), A.adjoint(ys), strict=True):
        left, right = _inner(Ax, y), _inner(x, Aty)
        norm = max(Ax.norm() * y.norm(), x.norm() * Aty.norm()).item()
        if not abs(left - right) <= _rounding(x, y) * norm:
            raise AssertionError(f"dot test: <Ax, y> = {left:.6g} beside <x, A^T y> = {right:.6g} (norms {norm:.3g}).")


def check_vjp(A, batch: int = 2, seed: int = 0) -> None:
    """The adjoint is what autograd makes of A, and A what it makes of the adjoint."""
    for f, g, shape, name in (
        (A, A.adjoint, A.input_shape, "A"),
        (A.adjoint, A, A.output_shape, "the adjoint"),
    ):
        x = draw(shape, batch, seed).requires_grad_()
        out = f(x)
        y = draw(out.shape[1:], batch, seed + 1)
        (vjp,) = torch.autograd.grad(out, x, y)
        require_close(vjp, g(y), _rounding(x, y), float(y.abs().max()), f"gradient of {name}")


def check_batch(f, shape, batch: int = 3, seed: int = 0, tolerance: float = 1e-12) -> None:
    """f of a batch is f of its samples, and a permuted batch is permuted. `f` is any function of images."""
    x = draw(shape, batch, seed)
    whole = f(x)
    alone = torch.cat([f(x[i : i + 1]) for i in range(batch)])
    scale = float(alone.abs().max()) + 1e-300
    require_close(whole, alone, tolerance, scale, "the result depends on the batch")
    order = torch.arange(batch).roll(1)
    require_close(f(x[order]), whole[order], tolerance, scale, "the result depends on the order of the batch")


def check_pure(f, shape, dtype: torch.dtype = torch.float64, batch: int = 2, seed: int = 0) -> Tensor:
    """f keeps dtype and device, is the same at each call, neither writes into its argument nor hands it out."""
    x = draw(shape, batch, seed, dtype)
    before = x.clone()
    first = f(x)
    if first.dtype != dtype or first.device != x.device:
        raise AssertionError(f"{dtype} on {x.device} came back as {first.dtype} on {first.device}.")
    if not bool(torch.isfinite(first).all()):
        raise AssertionError("the result holds NaN or infinite values.")
    if not torch.equal(f(x), first):
        raise AssertionError("two calls gave two results.")
    kept = first.clone()
    if first.untyped_storage().data_ptr() == x.untyped_storage().data_ptr():
        raise AssertionError("the result is the argument's own memory.")
    if not torch.equal(x, before) or not torch.equal(first, kept):
        raise AssertionError("the argument was changed in place.")
    return first


def check_adjoint_matrix(A) -> np.ndarray:
    """The adjoint's matrix is the transpose of A's. Returns A's."""
    dense = matrix_of(A, A.input_shape)
    require_close(matrix_of(A.adjoint, A.output_shape), dense.T, 1e-13, max(1.0, np.abs(dense).max()), "A^T")
    return dense


def check_svd(A) -> None:
    """A = U diag(s) Vᵀ; V orthonormal and square; U orthonormal where s > 0 and 0 elsewhere; s as numpy has them."""
    svd, n = A.svd, int(np.prod(A.input_shape))
    if tuple(svd.s.values.shape) != tuple(A.input_shape):
        raise AssertionError(f"svd.s has shape {tuple(svd.s.values.shape)}, not {A.input_shape}.")
    s = svd.s.values.flatten().numpy()
    dense = matrix_of(A, A.input_shape)
    V, U = matrix_of(svd.V, A.input_shape), matrix_of(svd.U, A.input_shape)
    tolerance = 1e-13 * max(n, *dense.shape) ** 0.5
    require_close(V.T @ V, np.eye(n), tolerance, 1.0, "V is not orthonormal")
    require_close(U.T @ U, np.diag(s > 0).astype(float), tolerance, 1.0, "U is not orthonormal where s > 0")
    require_close(matrix_of(svd.Vt, A.input_shape), V.T, tolerance, 1.0, "Vt is not V^T")
    require_close(matrix_of(svd.Ut, A.output_shape), U.T, tolerance, 1.0, "Ut is not U^T")
    scale = max(np.linalg.norm(dense, 2), 1e-300)
    require_close(U @ np.diag(s) @ V.T, dense, tolerance, scale, "U diag(s) V^T is not A")
    expected = np.zeros(max(n, dense.shape[0]))
    expected[: min(dense.shape)] = np.linalg.svd(dense, compute_uv=False)
    got = np.sort(np.append(s, np.zeros(len(expected) - n)))[::-1]
    require_close(got, expected, tolerance, scale, "singular values")


def condition(dense: np.ndarray) -> float:
    """Largest over smallest singular value above rounding."""
    s = np.linalg.svd(dense, compute_uv=False)
    seen = s[s > 1e-12 * max(s[0], 1e-300)]
    return float(seen[0] / seen[-1]) if len(seen) else 1.0


def check_pinv(A, tolerance: float = 1e-12) -> None:
    """The four conditions of Moore and Penrose, and numpy's pinv; relative to the condition number."""
    dense, P = matrix_of(A, A.input_shape), matrix_of(A.pinv, A.output_shape)
    allowed = tolerance * condition(dense)
    norm, inverse = np.linalg.norm(dense, 2), np.linalg.norm(P, 2)
    require_close(dense @ P @ dense, dense, allowed, norm, "A A+ A = A")
    require_close(P @ dense @ P, P, allowed, inverse, "A+ A A+ = A+")
    require_close((dense @ P).T, dense @ P, allowed, 1.0, "A A+ is not symmetric")
    require_close((P @ dense).T, P @ dense, allowed, 1.0, "A+ A is not symmetric")
    require_close(P, np.linalg.pinv(dense, rcond=1e-12), allowed, inverse, "A+ is not numpy's")


def check_resolvent(A, sigma2: float, c: float, tolerance: float = 1e-10) -> None:
    """(sigma2 I + c A Aᵀ)⁻¹ against a dense solve; against the dense pseudo-inverse where sigma2 = 0."""
    dense = matrix_of(A, A.input_shape)
    system = sigma2 * np.eye(len(dense)) + c * dense @ dense.T
    if sigma2 > 0:
        expected = np.linalg.solve(system, np.eye(len(dense)))
    elif c > 0:
        P = np.linalg.pinv(dense, rcond=1e-12)
        expected = P.T @ P / c
    else:
        expected = np.zeros_like(system)
    got = matrix_of(lambda y: A.resolvent(y, sigma2, c), A.output_shape)
    require_close(got, expected, tolerance, max(np.abs(expected).max(), 1e-300), f"resolvent({sigma2}, {c})")


def check_resolvent_gradient(A, sigma2: float, c: float, seed: int = 0) -> None:
    """The resolvent is symmetric, so its gradient is the resolvent again."""
    y = draw(A.output_shape, 2, seed).requires_grad_()
    g = draw(A.output_shape, 2, seed + 1)
    (vjp,) = torch.autograd.grad(A.resolvent(y, sigma2, c), y, g)
    expected = A.resolvent(g, sigma2, c)
    require_close(vjp, expected, 1e-10, float(expected.abs().max()) + 1e-300, "gradient of the resolvent")
