r"""The exact law of a method's output, from the method's own code.

With a Gaussian prior and a linear operator many methods are affine in their noise
:math:`\xi = (x_T, z_T, \dots, z_2)`: the output is :math:`x = m + J \xi`, hence

.. math::
    x \sim \mathcal N(m,\; J J^\top)

exactly. The method is run once, on a batch whose noise is zero in row 0 and one unit vector of
:math:`\xi` in each further row: row 0 gives m, and the differences give the columns of J. No
formula of the method is written a second time, and it only works if batching changes nothing.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from teachdiff.problems import InverseProblem


class NotAffine(ValueError):
    """The output of a method is no affine function of its noise, so that its law is not Gaussian."""


def output_law(
    method: Callable[..., Tensor], prior, problem: InverseProblem, *, rounding: float | None = None, **options
) -> tuple[Tensor, Tensor]:
    r"""Mean (C, H, W) and covariance (n, n), n = C H W, of `method(prior, problem, **options)`.

    A method that draws nothing has a law too: a point, whose covariance is 0.

    Arguments:
        method: affine in its noise for this prior and problem; that is checked at one random point.
        problem: with a batch of one.
        rounding: how far from affine the method's own arithmetic may be, relative; by default that of y's dtype.
        options: of the method, except `noise` and `seed`.

    Raises:
        NotAffine: a method that is not affine here.
        ValueError: a batch of more than one.
    """
    if len(problem.y) != 1:
        raise ValueError(f"the law is that of one problem; this one is a batch of {len(problem.y)}.")
    sizes: list[int] = []

    def record(t: int, shape: tuple[int, ...]) -> Tensor:
        sizes.append(torch.Size(shape).numel())
        return problem.y.new_zeros(shape)

    method(prior, problem, noise=record, **options)
    total = sum(sizes)
    probe = torch.randn(total, generator=torch.Generator().manual_seed(0), dtype=problem.y.dtype).to(problem.y.device)
    done = 0

    def units(t: int, shape: tuple[int, ...]) -> Tensor:
        """The columns of this draw: only its own rows hold unit vectors, so no matrix of all draws is made."""
        nonlocal done
        n = torch.Size(shape[1:]).numel()
        z = problem.y.new_zeros(shape[0], n)
        z[1 + done : 1 + done + n] = torch.eye(n, dtype=z.dtype, device=z.device)
        z[-1] = probe[done : done + n]
        done += n
        return z.view(shape)

    batch = InverseProblem(problem.operator, problem.y.expand(total + 2, *problem.y.shape[1:]), problem.sigma)
    x = method(prior, batch, noise=units, **options)
    mean, x = x[0], x.flatten(1)
    jacobian = (x[1:-1] - x[0]).mT
    predicted = x[0] + jacobian @ probe
    gap, scale = (predicted - x[-1]).abs().max(), x[1:].abs().max().clamp(min=1)
    allowed = 1e-3 * torch.finfo(x.dtype).eps ** 0.5 if rounding is None else rounding
    if not bool(gap <= allowed * scale):
        raise NotAffine(
            f"the method is not affine in its noise here: at a random point it gives a value that is {gap:.3g} "
            "from the affine one. The exact law needs a Gaussian prior, a linear operator and clip_x0 off."
        )
    return mean, jacobian @ jacobian.mT
