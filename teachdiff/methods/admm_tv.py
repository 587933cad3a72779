r"""ADMM for total variation: the image that fits, with the fewest edges. No prior is learned.

.. math::
    \min_x\; \tfrac12 \lVert y - A x \rVert^2 + \lambda \lVert D x \rVert_{2,1}

D takes each pixel's differences to the next one down and to the right, in each channel;
:math:`\lVert\cdot\rVert_{2,1}` sums the lengths of these pairs (isotropic), :math:`\lVert\cdot\rVert_1`
their absolute values (anisotropic). With z = D x and the scaled dual u, one round is

.. math::
    x \leftarrow (A^\top A + \rho D^\top D)^{-1} \big(A^\top y + \rho D^\top (z - u)\big), \qquad
    z \leftarrow \mathrm{prox}_{\lambda/\rho}(D x + u), \qquad u \leftarrow u + D x - z

The first line alone, with z = u = 0 and rho = lambda, is Tikhonov's answer to
:math:`\tfrac12\lVert y - Ax\rVert^2 + \tfrac\lambda2\lVert Dx\rVert^2`.

Beyond the border there is nothing to differ from (Neumann), so constants cost nothing. On the torus
of a `CircularConvolution` the neighbours across the seam are neighbours: there A and D are
diagonal in the Fourier basis together and x is exact in two transforms. Elsewhere x is found by
conjugate gradients from the last x on.

Units: lambda belongs to images in [-1, 1] and is twice that for [0, 1] (`lam_from_unit_range`); rho
is the same in both. The published lambda = 2e-2, rho = 0.1 for [0, 1] images are 4e-2, 0.1 here.

Sources: Rudin, Osher, Fatemi, "Nonlinear total variation based noise removal algorithms", 1992; Boyd
et al., "Distributed optimization and statistical learning via ADMM", 2011, sections 3.3 and 6.4.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from teachdiff.checks import check_name, check_positive, check_weight
from teachdiff.methods.reverse import Observer, check_linear, check_problem
from teachdiff.noise import Noise
from teachdiff.operators.base import check_count, reciprocal
from teachdiff.operators.blurs import CircularConvolution, fourier_multiply, half_plane
from teachdiff.operators.solvers import solve
from teachdiff.problems import InverseProblem

PENALTIES = ("isotropic", "anisotropic", "tikhonov")


def admm_tv(
    prior,
    problem: InverseProblem,
    *,
    lam: float = 0.04,
    penalty: str = "isotropic",
    rho: float | None = None,
    iterations: int = 200,
    tolerance: float = 1e-4,
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    on_step: Observer | None = None,
) -> Tensor:
    r"""An image of shape (B, C, H, W). The operator must be linear; nothing is drawn.

    Each sample stops on its own once :math:`\lVert Dx - z \rVert` and :math:`\rho\lVert D^\top(z - z_{old})\rVert`
    are below Boyd's thresholds, or after `iterations`.

    Arguments:
        prior, seed, noise: not used (the prior may be None); they are there because every method takes them.
        lam: :math:`\lambda > 0`, in the units of [-1, 1] images; proportional to sigma squared, all else equal.
        penalty: "isotropic" or "anisotropic" total variation, or "tikhonov".
        rho: :math:`\rho > 0`; 2.5 lam where None, as in the published pair. It changes how fast the rounds
            converge, not to what.
        iterations: how many rounds at most.
        tolerance: of the thresholds, absolute and relative.
        on_step: called as on_step(k, x, z) after round k = 1, 2, ..., z of shape (B, 2, C, H, W).

    Raises:
        ValueError: an operator that is not linear, an unknown penalty, a lam or rho that is not above 0.
        TypeError: a measurement in half precision.
        RuntimeError: conjugate gradients did not converge.
    """
    check_name(penalty, PENALTIES, "penalty")
    check_positive(lam, "lam")
    rho = 2.5 * lam if rho is None else check_positive(rho, "rho")
    check_count(iterations, "iterations")
    check_weight(tolerance, "tolerance")
    check_problem(problem)
    check_linear(problem, "admm_tv")
    A, y = problem.operator, problem.y
    if y.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"admm_tv computes in float32 or float64; got a measurement of {y.dtype}. Use y.float().")
    torus = isinstance(A, CircularConvolution)
    D, Dt = (circular_differences, circular_adjoint) if torus else (differences, differences_adjoint)
    Aty = A.adjoint(y)
    x_step = fourier_solver(A, Aty) if torus else iterative_solver(A, Aty)
    x = torch.zeros_like(Aty)
    if penalty == "tikhonov":
        return x_step(x, torch.zeros_like(Aty), lam, None)

    z = D(x)
    u = torch.zeros_like(z)
    active = torch.ones(len(y), dtype=torch.bool, device=y.device)
    for k in range(1, iterations + 1):
        x_new = x_step(x, Dt(z - u), rho, 1e-4)
        Dx = D(x_new)
        z_new = threshold(Dx + u, lam / rho, penalty)
        u_new = u + Dx - z_new
        near = converged(Dx, z_new, rho * Dt(z_new - z), rho * Dt(u_new), tolerance)
        x, z, u = (torch.where(rows(active, new), new, old) for new, old in ((x_new, x), (z_new, z), (u_new, u)))
        active = active & ~near
        if on_step:
            on_step(k, x, z)
        if k % 8 == 0 and not bool(active.any()):  # looking makes a GPU wait
            break
    return x


# Differences: the second axis holds the one downwards and the one to the right


def differences(x: Tensor) -> Tensor:
    r""":math:`D x`, (B, C, H, W) to (B, 2, C, H, W); 0 at the last row and the last column."""
    down, right = torch.zeros_like(x), torch.zeros_like(x)
    down[..., :-1, :] = x.diff(dim=-2)
    right[..., :-1] = x.diff(dim=-1)
    return torch.stack([down, right], dim=1)


def differences_adjoint(p: Tensor) -> Tensor:
    r""":math:`D^\top p`, minus the divergence: (B, 2, C, H, W) to (B, C, H, W)."""
    down, right = p[:, 0, :, :-1, :], p[:, 1, :, :, :-1]
    x = torch.zeros_like(p[:, 0])
    x[..., 1:, :] += down
    x[..., :-1, :] -= down
    x[..., 1:] += right
    x[..., :-1] -= right
    return x


def circular_differences(x: Tensor) -> Tensor:
    r""":math:`D x` on the torus: the last row is followed by the first."""
    return torch.stack([x.roll(-1, -2) - x, x.roll(-1, -1) - x], dim=1)


def circular_adjoint(p: Tensor) -> Tensor:
    r""":math:`D^\top p` on the torus."""
    return p[:, 0].roll(1, -2) - p[:, 0] + p[:, 1].roll(1, -1) - p[:, 1]


# The three updates


def iterative_solver(A, Aty: Tensor) -> Callable[[Tensor, Tensor, float, float | None], Tensor]:
    """(start, q, rho, tolerance) -> (AᵀA + rho DᵀD)⁻¹ (Aᵀy + rho q), by conjugate gradients."""

    def x_step(start: Tensor, q: Tensor, rho: float, tolerance: float | None) -> Tensor:
        def matrix(v: Tensor) -> Tensor:
            return A.adjoint(A(v)) + rho * differences_adjoint(differences(v))

        return solve(matrix, Aty + rho * q, tolerance, 5000, start)

    return x_step


def fourier_solver(A: CircularConvolution, Aty: Tensor) -> Callable[[Tensor, Tensor, float, float | None], Tensor]:
    """The same on the torus, where AᵀA and DᵀD are diagonal together: exact, in two transforms."""
    gram_A, gram_D = half_plane(A.svd.s.like(Aty)[0]).square(), laplacian_half_plane(*A.input_shape[1:], Aty)

    def x_step(start: Tensor, q: Tensor, rho: float, tolerance: float | None) -> Tensor:
        return fourier_multiply(Aty + rho * q, reciprocal(gram_A + rho * gram_D))

    return x_step


def laplacian_half_plane(height: int, width: int, like: Tensor) -> Tensor:
    r"""What :math:`D^\top D` multiplies each frequency with on the torus, (H, W // 2 + 1)."""
    k = torch.arange(height, dtype=torch.float64) / height
    l = torch.arange(width // 2 + 1, dtype=torch.float64) / width
    gains = [difference_gain(torch.cos(2 * torch.pi * f)) for f in (k, l)]
    return (gains[0][:, None] + gains[1]).to(like)


def difference_gain(cosine):
    r""":math:`|e^{2\pi ik} - 1|^2 = 2 - 2\cos 2\pi k`, k in cycles per pixel."""
    return 2 - 2 * cosine


def threshold(v: Tensor, level: float, penalty: str) -> Tensor:
    """The prox of `level` times the penalty: pairs are shortened together, or each difference for itself."""
    size = torch.linalg.vector_norm(v, dim=1, keepdim=True) if penalty == "isotropic" else v.abs()
    return shrink(v, size, level)


def shrink(v, size, level):
    r""":math:`v - \ell\,v/\max(\mathrm{size}, \ell)`: what the projection on the ball of radius :math:`\ell` leaves.

    With size = \|v\| it is the soft threshold; with the length of a pair it shortens the pair by :math:`\ell` (Moreau).
    """
    return v - level * v / size.clamp(min=level)


def converged(Dx: Tensor, z: Tensor, dual: Tensor, force: Tensor, tolerance: float) -> Tensor:
    r"""Which samples are done (B,): Boyd's section 3.3.1, with one tolerance :math:`\varepsilon`,

    .. math::
        \lVert Dx - z\rVert \le \varepsilon\big(\sqrt p + \max(\lVert Dx\rVert, \lVert z\rVert)\big), \qquad
        \lVert \rho D^\top (z - z_{old})\rVert \le \varepsilon\big(\sqrt n + \lVert \rho D^\top u\rVert\big)
    """
    size = lambda v: torch.linalg.vector_norm(v.flatten(1), dim=1)  # noqa: E731
    primal_limit = tolerance * (Dx[0].numel() ** 0.5 + torch.maximum(size(Dx), size(z)))
    dual_limit = tolerance * (dual[0].numel() ** 0.5 + size(force))
    return (size(Dx - z) <= primal_limit) & (size(dual) <= dual_limit)


def rows(active: Tensor, like: Tensor) -> Tensor:
    """(B,) shaped to choose among whole samples of `like`."""
    return active.view(-1, *[1] * (like.ndim - 1))


def lam_from_unit_range(lam: float) -> float:
    """The lam of [-1, 1] images for one that was given for [0, 1] images: twice the number.

    The misfit grows by 4 with the units, total variation by 2.
    """
    return 2 * check_weight(lam, "lam")
