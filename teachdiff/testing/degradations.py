r"""The laws of a degradation :math:`A_t`, t in [0, 1]: it begins at the identity, and what is lost stays lost.

Times are drawn; 0, 1 and equal ones are among them. A law that writes A_t down as a matrix says nothing about images
of more than 1024 values: check a small instance too.
"""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from teachdiff.testing.adapters import DegradationView, matrix_of
from teachdiff.testing.core import Draw, LawBroken, NotApplicable, law, normal, require, require_close
from teachdiff.testing.operators import LARGEST, inner, rounding

SEEN = 1e-6  # a singular value above this share of the largest is seen


def images(A: DegradationView, draw: Draw) -> Tensor:
    return normal((draw.integer("batch", 1, 3), *A.input_shape), draw.seed(), A.dtype)


def times(draw: Draw, count: int) -> list[float]:
    """In rising order."""
    names = ("s", "t", "u")[:count]
    drawn = sorted(draw.number(f"a time ({i})", 0.0, 1.0) for i in range(count))
    return [draw.note(name, t) for name, t in zip(names, drawn, strict=True)]


def need(A: DegradationView, what: str) -> Any:
    """What it offers, or the law does not apply."""
    found = getattr(A, what)
    if found is None:
        raise NotApplicable(f"the degradation has no {what}")
    return found


def scale(*tensors: Tensor) -> float:
    return float(sum(t.abs().max() for t in tensors)) + 1e-300


@law("degradation", "A_0 is the identity.", proof="dirac_sde")
def identity(A: DegradationView, draw: Draw) -> None:
    x = images(A, draw)
    require_close(A(x, 0.0), x, rounding(x), scale(x), "A_0 x and x")


@law("degradation", "A_t(a x + b z) = a A_t(x) + b A_t(z), at each t.", proof="operators")
def linear(A: DegradationView, draw: Draw) -> None:
    if not A.linear:
        raise NotApplicable("the degradation says that it is not linear")
    x, (t,) = images(A, draw), times(draw, 1)
    z = normal(x.shape, draw.seed("seed of z"), A.dtype)
    left, right = A(1.75 * x - 0.3 * z, t), 1.75 * A(x, t) - 0.3 * A(z, t)
    require_close(left, right, rounding(x), scale(x, left), "A_t of 1.75 x - 0.3 z, by linearity")


@law(
    "degradation",
    "What A_s does not show, A_t does not show for t >= s: A_t = G A_s for some G.",
    proof="dirac_consistency",
    examples=20,
)
def severity(A: DegradationView, draw: Draw) -> None:
    """A_t is a function of A_s if A_t vanishes where A_s does: on the directions that A_s does not see."""
    if not A.linear or int(np.prod(A.input_shape)) > LARGEST:
        raise NotApplicable("it is not linear, or a matrix of it is too large to write down: check a small instance")
    s, t = times(draw, 2)
    mild, severe = (matrix_of(partial(A, t=at), A.input_shape) for at in (s, t))
    _, values, directions = np.linalg.svd(mild)
    unseen = directions[values <= SEEN * max(values[0], 1e-300)]
    shown = severe @ unseen.T if len(unseen) else np.zeros((len(severe), 1))
    # What is barely seen may be lost in rounding: A_t of it is as small.
    allowed = 10 * SEEN * max(values[0], 1.0)
    require_close(shown, np.zeros_like(shown), 1.0, allowed, "what A_t shows of a direction that A_s hides, and 0")


@law(
    "degradation",
    "Transitions lead on without x_0, G_st A_s = A_t for s <= t, and compose: G_tu G_st = G_su on A_s x.",
    proof="dirac_consistency",
)
def transitions(A: DegradationView, draw: Draw) -> None:
    G = need(A, "between")
    x, (s, t, u) = images(A, draw), times(draw, 3)
    mild = A(x, s)
    allowed = 1e3 * torch.finfo(x.dtype).eps * x[0].numel()
    require_close(G(mild, s, t), A(x, t), allowed, scale(x, mild), "G_st A_s x and A_t x")
    require_close(G(G(mild, s, t), t, u), G(mild, s, u), allowed, scale(x, mild), "G_tu G_st A_s x and G_su A_s x")


@law("degradation", "operator(t) is A_t: one of the operators, frozen.")
def frozen(A: DegradationView, draw: Draw) -> None:
    operator = need(A, "operator")
    x, (t,) = images(A, draw), times(draw, 1)
    allowed = 100 * torch.finfo(x.dtype).eps * x[0].numel()
    require_close(operator(t)(x), A(x, t), allowed, scale(x), "operator(t)(x) and A_t x")


@law(
    "degradation",
    "The stated Lipschitz constant holds: |A_s x - A_t x| <= L |s - t| |x|.",
    proof="dirac_bounds.incremental",
)
def lipschitz(A: DegradationView, draw: Draw) -> None:
    constant = need(A, "lipschitz")
    x, (s, t) = images(A, draw), times(draw, 2)
    for k, one in enumerate(A(x, s) - A(x, t)):
        most = constant * (t - s) * float(x[k].norm())
        moved, slack = float(one.norm()), rounding(x) * float(x[k].norm())
        if not moved <= most + slack:
            raise LawBroken("|A_s x - A_t x| and its bound L |s - t| |x|", moved, most, slack)


@law("degradation", "The noise is above 0 and never falls with t.", proof="dirac_step")
def noise(A: DegradationView, draw: Draw) -> None:
    sigma = need(A, "sigma")
    s, t = times(draw, 2)
    mild, severe = float(sigma(s)), float(sigma(t))
    require(mild > 0, "sigma_s must be above 0", mild, 0.0)
    require(severe >= mild * (1 - 1e-12), "sigma_t must be at least sigma_s for t >= s", severe, mild)


@law("degradation", "A batch is its samples, each with its own t.")
def batch(A: DegradationView, draw: Draw) -> None:
    x = normal((3, *A.input_shape), draw.seed(), A.dtype)
    t = torch.tensor(times(draw, 3), dtype=A.dtype)
    alone = torch.cat([A(x[i : i + 1], t[i].item()) for i in range(3)])
    require_close(A(x, t), alone, 4 * rounding(x), scale(x), "A_t of a batch with its times, and of each sample alone")


@law("degradation", "The gradient that autograd takes through A_t is its adjoint: guidance needs it.")
def gradient(A: DegradationView, draw: Draw) -> None:
    if not A.linear:
        raise NotApplicable("the degradation says that it is not linear")
    x, (t,) = images(A, draw), times(draw, 1)
    w, v = (normal(x.shape, draw.seed(f"seed of {n}"), A.dtype) for n in ("w", "v"))
    leaf = x.clone().requires_grad_()
    out = A(leaf, t)
    require(out.requires_grad, "no gradient flows through A_t (1: it does)", 0, 1)
    left, right = inner(torch.autograd.grad(out, leaf, w)[0], v), inner(w, A(v, t))
    allowed = 4 * rounding(x) * float(w.norm() * v.norm())
    if not abs(left - right) <= allowed:
        raise LawBroken("<A_t' w, v> by autograd, and <w, A_t v>", left, right, allowed)


@law("degradation", "The argument is not written into, nor handed out.")
def argument_is_kept(A: DegradationView, draw: Draw) -> None:
    x, (t,) = images(A, draw), times(draw, 1)
    before = x.clone()
    out = A(x, t)
    require(torch.equal(x, before), "A_t changed its argument in place")
    same = out.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
    require(not same, "A_t hands out its argument's own memory")
