r"""Conjugate gradients for a batch: every sample has its own step lengths and stops on its own.

Source: Hestenes and Stiefel, "Methods of conjugate gradients for solving linear systems", 1952.
"""

from collections.abc import Callable

import torch
from torch import Tensor

# What the residual is brought down to, relative to the right-hand side, by the precision of the numbers.
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


def solve(
    matrix: Callable[[Tensor], Tensor],
    b: Tensor,
    tolerance: float | None,
    iterations: int,
    start: Tensor | None = None,
) -> Tensor:
    r"""z of :math:`M z = b`, M symmetric and positive semi-definite, b (B, C, H, W) in its range.

    Each sample is iterated until :math:`\|b - Mz\| \le \mathrm{tolerance}\,\|b\|` (in the running
    residual) and then left alone, so its result does not depend on the rest of the batch. The error
    in z is at most about the tolerance times the condition number of M. Gradients flow as through
    :math:`M^{-1}`, not through the iterations.

    Arguments:
        tolerance: 1e-12 for float64 and 1e-6 for float32 where None.
        iterations: how many at most.
        start: where to begin, like b. Then `tolerance` is relative to the residual there, so that a loop
            that begins each solve where the last one ended loses nothing by a coarse one; a residual of
            1e-12 (1e-6) of b is always enough.

    Raises:
        RuntimeError: some sample did not get there.
    """
    enough = TOLERANCE[b.dtype.to_real()]
    tolerance = enough if tolerance is None else tolerance
    if start is None:
        return _Solve.apply(b, lambda v: _conjugate_gradients(matrix, v, tolerance, iterations))
    floor = enough * torch.linalg.vector_norm(b.detach().flatten(1), dim=1).view(-1, 1, 1, 1)
    return start + _Solve.apply(
        b - matrix(start), lambda v: _conjugate_gradients(matrix, v, tolerance, iterations, floor)
    )


class _Solve(torch.autograd.Function):
    """z = M⁻¹ b with its own gradient: M is symmetric, so that is M⁻¹ again."""

    @staticmethod
    def forward(ctx, b, inverse):
        ctx.inverse = inverse
        return inverse(b)

    @staticmethod
    def backward(ctx, gradient):
        return _Solve.apply(gradient, ctx.inverse), None


def _conjugate_gradients(
    matrix: Callable[[Tensor], Tensor],
    b: Tensor,
    tolerance: float,
    iterations: int,
    floor: Tensor | float = 0.0,
) -> Tensor:
    def dot(u: Tensor, v: Tensor) -> Tensor:
        return (u.conj() * v).real.sum((1, 2, 3), keepdim=True)

    largest = b.abs().amax((1, 2, 3), keepdim=True)
    scale = torch.where(largest > 0, largest, torch.ones_like(largest))  # so that squares neither under- nor overflow
    r = b / scale
    z, p = torch.zeros_like(b), r
    rr = bb = dot(r, r)
    limit = torch.maximum(tolerance**2 * bb, (floor / scale).square())
    for k in range(iterations + 1):
        active = ~(rr <= limit)  # a NaN stays active, and is reported below
        if (k % 8 == 0 or k == iterations) and not bool(active.any()):  # looking makes a GPU wait
            return z * scale
        if k == iterations:
            break
        Mp = matrix(p)
        step = torch.where(active, rr / dot(p, Mp), 0.0)
        z, r = z + step * p, r - step * Mp
        rr_next = torch.where(active, dot(r, r), rr)
        p = torch.where(active, r + rr_next / rr * p, p)
        rr = rr_next
    worst = torch.where(active, (rr / bb).sqrt(), 0.0).max().item()
    raise RuntimeError(
        f"conjugate gradients reached a relative residual of {worst:.1e} after {iterations} iterations, not "
        f"{tolerance:.1e}. The system is ill-conditioned: raise sigma2 (a pseudo-inverse has none: use the "
        "resolvent instead), or make the operator with more iterations or a larger tolerance."
    )
