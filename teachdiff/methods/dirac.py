r"""Dirac: the degradation itself is the diffusion, and it is walked back in small steps.

.. math::
    y_t = A_t x_0 + \sigma_t z, \qquad \hat x_0 = \Phi(y_t, t), \qquad
    y_s = A_s \hat x_0 + \frac{\sigma_s^2}{\sigma_t^2} (y_t - A_t \hat x_0) + v^{1/2} z', \qquad s = t - \Delta t

from the measurement, which is y_1, with no prior beside the restorer :math:`\Phi`. Written with an increment,

.. math::
    y_s = y_t + \underbrace{A_s \hat x_0 - A_t \hat x_0}_{\text{increment}}
        + (\sigma_t^2 - \sigma_s^2)\, \underbrace{\frac{A_t \hat x_0 - y_t}{\sigma_t^2}}_{\text{score}} + v^{1/2} z'

it is Euler's step of the reverse equation, whose noise has :math:`v = \sigma_t^2 - \sigma_s^2`. The mean is that of
the exact step :math:`q(y_s \mid y_t, x_0)` already; only v is too large. The exact one is
:math:`\frac{\sigma_s^2}{\sigma_t^2} (\sigma_t^2 - \sigma_s^2)`: with it each y_s has the noise of its severity, with
Euler's nearly that of one step before.

Guidance adds to the score, with a minus, so that it descends:

.. math::
    -\eta_t \nabla_{y_t} \lVert \tilde y - A_1 \Phi(y_t, t) \rVert^2, \qquad
    \eta_t = \frac{\eta}{2\sigma_1^2} \;\text{("std")} \quad\text{or}\quad
    \eta_t = \frac{\eta}{\lVert \tilde y - A_1 \Phi(y_t, t) \rVert} \;\text{("error")}

The second is not free of units: :math:`\eta` for images in [-1, 1] is half of that for [0, 1].

Source: Fabian, Tinaz, Soltanolkotabi, "DiracDiffusion: denoising and incremental reconstruction with assured
data-consistency", 2024, eqs. 7, 11, 13, 17, 26 and 29 to 36. Its released program adds the guidance with a plus, so
that it climbs.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from teachdiff.checks import check_name, check_weight
from teachdiff.methods.dps import gradient
from teachdiff.methods.reverse import Observer, check_problem, clamped, noise_for
from teachdiff.noise import Noise
from teachdiff.operators.base import check_count
from teachdiff.operators.degradations import check_severity
from teachdiff.problems import InverseProblem


def ancestral_mean(here, there, y_t, sigma_s, sigma_t):
    r""":math:`A_s \hat x_0 + \frac{\sigma_s^2}{\sigma_t^2} (y_t - A_t \hat x_0)`: from `here`, t, to `there`, s."""
    return there + sigma_s**2 / sigma_t**2 * (y_t - here)


def exact_variance(sigma_s, sigma_t):
    r""":math:`\frac{\sigma_s^2}{\sigma_t^2} (\sigma_t^2 - \sigma_s^2)`, of :math:`q(y_s \mid y_t, x_0)`."""
    return sigma_s**2 / sigma_t**2 * (sigma_t**2 - sigma_s**2)


def euler_variance(sigma_s, sigma_t):
    r""":math:`\sigma_t^2 - \sigma_s^2`."""
    return sigma_t**2 - sigma_s**2


def look_ahead(A, x0_hat: Tensor, here: Tensor, t: float, dt: float, c: float) -> Tensor:
    r""":math:`\frac1c [A_{t - c\Delta t}\,\hat x_0 - A_t \hat x_0]`, the last of which is `here`; exact for c = 1."""
    return (A(x0_hat, max(0.0, t - c * dt)) - here) / c


def look_back(A, x0_hat: Tensor, here: Tensor, t: float, dt: float, c: float) -> Tensor:
    r""":math:`\frac1c [A_t \hat x_0 - A_{t + c\Delta t}\,\hat x_0]`; from t = 1, nothing behind, it looks ahead."""
    if t == 1:
        return look_ahead(A, x0_hat, here, t, dt, 1.0)
    return (here - A(x0_hat, min(1.0, t + c * dt))) / c


INCREMENTS: dict[str, Callable[..., Tensor]] = {"ahead": look_ahead, "back": look_back}
VARIANCES: dict[str, Callable[..., float]] = {"exact": exact_variance, "euler": euler_variance}


def dirac(
    restorer,
    problem: InverseProblem,
    *,
    steps: int = 50,
    until: float = 0.0,
    increment: str = "ahead",
    delta: float = 1.0,
    variance: str = "exact",
    guidance: str | None = None,
    eta: float = 0.5,
    output: str = "x0_hat",
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    on_step: Observer | None = None,
    clip_x0: bool | None = None,
) -> Tensor:
    r"""An image of shape (B, C, H, W), of a measurement that is the restorer's y_1.

    Where a camera reports nothing (a mask's hidden pixels) y_1 has noise and the measurement has none: it is drawn.

    Arguments:
        restorer: has `degradation` (see `teachdiff.operators.degradations`) and `predict(y_t, t) -> x0_hat`.
        steps: N; the severities are k/N.
        until: the last prediction is made at the smallest k/N that is not below this. 0 goes to the end; near 1 is
            best in distortion, since each draw costs. `teachdiff.trajectories` says where an image is best.
        increment: "ahead" or "back", from which side of t the next increment is guessed.
        delta: c in (0, 1], over which share of a step; 1 is the whole of it, and what is below is called small.
        variance: "exact" or "euler", of the draw.
        guidance: None, "std" or "error": how the gradient is scaled; it needs one through the restorer.
        eta: of the guidance.
        output: "x0_hat", the last prediction, or "iterate", where the step after it arrives, with its noise.
        seed, noise, on_step, clip_x0: as for every method (see `teachdiff.methods`); t is k there. The first draw, k =
            N, is for hidden pixels, and made only if there are any.

    Raises:
        TypeError: no restorer.
        ValueError: the problem is not the restorer's: another operator or another sigma; an unknown name, `until`
            outside [0, 1], `delta` outside (0, 1], a negative `eta`.
        FloatingPointError: the chain diverged.
    """
    check_problem(problem)
    check_restorer(restorer, problem)
    check_count(steps, "steps")
    check_severity(until, "until")
    check_weight(eta, "eta")
    if not 0 < delta <= 1:
        raise ValueError(f"delta is a share of a step and must lie in (0, 1]; got {delta}.")
    guess = INCREMENTS[check_name(increment, INCREMENTS, "increment")]
    v = VARIANCES[check_name(variance, VARIANCES, "variance")]
    check_name(output, ["x0_hat", "iterate"], "output")
    guided = guidance is not None and bool(check_name(guidance, ["std", "error"], "guidance"))

    A, noise = restorer.degradation, noise_for(problem.y, seed, noise)
    predict = clamped(restorer.predict, restorer, clip_x0)
    y_t = with_hidden_noise(problem, noise, steps)
    last = max(1, math.ceil(until * steps - 1e-9))
    for k in range(steps, last - 1, -1):
        t, s = k / steps, (k - 1) / steps
        sigma_t, sigma_s = A.sigma(t), A.sigma(s)
        arrived = k == last and output == "x0_hat"
        with torch.set_grad_enabled(guided and not arrived):
            y_t = y_t.detach().requires_grad_(torch.is_grad_enabled())
            x0_hat = predict(y_t, t)
            pull = misfit_gradient(problem, x0_hat, y_t, guidance, eta) if y_t.requires_grad else 0.0
        y_t, x0_hat = y_t.detach(), x0_hat.detach()
        if on_step:
            on_step(k, y_t, x0_hat)
        if arrived:
            y_t = x0_hat
            break
        here = A(x0_hat, t)
        there = here + guess(A, x0_hat, here, t, 1 / steps, delta)
        mean = ancestral_mean(here, there, y_t, sigma_s, sigma_t) - (sigma_t**2 - sigma_s**2) * pull
        y_t = mean + v(sigma_s, sigma_t) ** 0.5 * noise(k - 1, tuple(mean.shape))
    if not bool(torch.isfinite(y_t).all()):
        raise FloatingPointError("the chain diverged: it holds NaN or infinite values. Take a smaller eta.")
    return y_t


def misfit_gradient(problem: InverseProblem, x0_hat: Tensor, y_t: Tensor, scale: str | None, eta: float) -> Tensor:
    r""":math:`\eta_t \nabla_{y_t} \lVert \tilde y - A_1 \Phi(y_t, t) \rVert^2`, each sample by itself."""
    residual = problem.residual(x0_hat).flatten(1)
    if scale == "error":  # the gradient of a square, over its root, is twice that of the root
        return 2 * eta * gradient(torch.linalg.vector_norm(residual, dim=1), y_t)
    return eta / (2 * problem.sigma**2) * gradient(residual.square().sum(1), y_t)


def with_hidden_noise(problem: InverseProblem, noise: Noise, start: int) -> Tensor:
    """y_1: the measurement, and noise alone where it reports nothing."""
    measured = getattr(problem.operator, "measured", None)
    if measured is None or bool((measured.values > 0).all()):
        return problem.y
    return problem.y + (1 - measured.like(problem.y)) * problem.sigma * noise(start, tuple(problem.y.shape))


def check_restorer(restorer: Any, problem: InverseProblem) -> None:
    """The restorer is one, and the measurement is the end of its degradation: operator and sigma."""
    if not (hasattr(restorer, "degradation") and hasattr(restorer, "predict")):
        raise TypeError(
            f"dirac needs a restorer, with `degradation` and `predict(y_t, t)`; a {type(restorer).__name__} is none. "
            "load_restorer gives one of a network, teachdiff.exact.ExactRestorer an exact one."
        )
    A, B = restorer.degradation, problem.operator
    if (A.input_shape, A.input_shape) != (B.input_shape, B.output_shape):
        raise ValueError(f"the restorer is for {A!r}; the problem has {B!r}, of another shape.")
    if not math.isclose(A.sigma(1.0), problem.sigma, rel_tol=1e-6):
        raise ValueError(
            f"the restorer knows measurements with sigma = {A.sigma(1.0):g} (in [-1, 1] units); this one has "
            f"{problem.sigma:g}. Measure with that sigma, or take a restorer that was made for this one."
        )
    # Two linear operators that agree on one random image are equal.
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((1, *A.input_shape), generator=generator, dtype=torch.float64).to(problem.y)
    if not torch.allclose(A(x, 1.0), B(x), rtol=0, atol=1e-5 if x.dtype == torch.float64 else 1e-4):
        raise ValueError(
            f"the restorer undoes {A!r}, at t = 1; the problem's operator is {B!r}. "
            "Measure with restorer.degradation.operator(1.0), or take a restorer that was made for this operator."
        )
