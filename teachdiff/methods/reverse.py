r"""The one reverse loop that all diffusion samplers here share.

.. math::
    \nabla \log p_t(x_t \mid y) = \nabla \log p_t(x_t) + \nabla \log p_t(y \mid x_t)

The first term is the prior's, and the loop's. A method is what it puts for the second, its
`guidance`, and the kernel that it steps with, its `transition`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from teachdiff.checks import check_finite, check_images
from teachdiff.noise import Noise, NoiseStream
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Schedule, Step, posterior_mean, posterior_variance

Transition = Callable[[Step, Tensor, Tensor], tuple[Tensor, float | Tensor]]
Guidance = Callable[[Step, Tensor, Tensor], Tensor]
Correction = Callable[[Step, Tensor], Tensor]
Observer = Callable[[int, Tensor, Tensor], None]


def reverse(
    denoise: Callable[[Tensor, Tensor], Tensor],
    schedule: Schedule,
    x: Tensor,
    transition: Transition,
    *,
    noise: Noise,
    guidance: Guidance | None = None,
    correction: Correction | None = None,
    differentiate: bool | Callable[[Step], bool] = False,
    on_step: Observer | None = None,
    remedy: str = "Take more steps.",
) -> Tensor:
    r"""Walk from :math:`x_T` to :math:`x_0`:

    .. math::
        x'_{t-1} = m(x_t, \hat x_0) + \sigma_t z_t + g(x_t, \hat x_0), \qquad \hat x_0 = \hat x_0(x_t, t),
        \qquad x_{t-1} = x'_{t-1} + h(x'_{t-1})

    with no noise in the step that lands on t = 0. Most methods have no h.

    Arguments:
        denoise: (x_t, t) -> x0_hat, clamped if the method wants it clamped.
        transition: (step, x_t, x0_hat) -> mean m and standard deviation of the step.
        noise: asked for the draw that makes x_t, except at t = 0.
        guidance: (step, x_t, x0_hat) -> the shift g; none for an unconditional sampler.
        correction: (step, x'_{t-1}) -> the shift h, taken where the step has arrived, its noise included.
        differentiate: let `guidance` differentiate through x0_hat(x_t); or a function of the step that says so.
        on_step: called as on_step(t, x_t, x0_hat) in each step; it must not change them.
        remedy: what to do when the chain diverges, for the error.

    Raises:
        FloatingPointError: the chain diverged.
    """
    for step in schedule.backwards():
        graph = differentiate(step) if callable(differentiate) else differentiate
        with torch.set_grad_enabled(graph):
            x_t = x.detach().requires_grad_(graph)
            x0_hat = denoise(x_t, torch.tensor(step.t))
            shift = guidance(step, x_t, x0_hat) if guidance else 0.0
        x_t, x0_hat = x_t.detach(), x0_hat.detach()
        mean, std = transition(step, x_t, x0_hat)
        x = mean + shift
        if step.t_prev > 0:
            x = x + std * noise(step.t_prev, tuple(x.shape))
        if correction:
            x = x + correction(step, x)
        if on_step:
            on_step(step.t, x_t, x0_hat)
    if not bool(torch.isfinite(x).all()):
        raise FloatingPointError(f"the chain diverged: x_0 holds NaN or infinite values. {remedy}")
    return x


def ancestral(step: Step, x_t: Tensor, x0_hat: Tensor) -> tuple[Tensor, float]:
    r"""DDPM's kernel with the variance :math:`\tilde\beta_t` of :math:`q(x_{t-1} \mid x_t, x_0)`."""
    mean = posterior_mean(x0_hat, x_t, step.alpha, step.alpha_bar, step.alpha_bar_prev)
    return mean, posterior_variance(step.alpha, step.alpha_bar, step.alpha_bar_prev) ** 0.5


def bayes_step(alpha):
    r""":math:`(1-\alpha_t)/\sqrt{\alpha_t}`: what a score is multiplied with in the reverse mean

    .. math::
        x_{t-1} = \frac{1}{\sqrt{\alpha_t}}
            \big(x_t + (1-\alpha_t)\,[\nabla \log p_t(x_t) + \nabla \log p_t(y \mid x_t)]\big)

    so, by Bayes, the coefficient of the likelihood's score in the step.
    """
    return (1 - alpha) / alpha**0.5


def denoiser(prior: Any, clip_x0: bool | None) -> Callable[[Tensor, Tensor], Tensor]:
    """`prior.denoise`, clamped to [-1, 1] where `clip_x0` or, if None, the prior says so."""
    return clamped(prior.denoise, prior, clip_x0)


def clamped(ask: Callable[..., Tensor], of: Any, clip_x0: bool | None) -> Callable[..., Tensor]:
    """`ask(x, t)`, a method of a prior or of a restorer, clamped where `clip_x0` or, if None, that one says so."""
    clip = bool(getattr(of, "clip_x0", False)) if clip_x0 is None else clip_x0
    return (lambda x, t: ask(x, t).clamp(-1, 1)) if clip else ask


def check_problem(problem: InverseProblem) -> None:
    """`problem` is an `InverseProblem`, or an error that says how to make one."""
    if not isinstance(problem, InverseProblem):
        raise TypeError(
            f"problem must be an InverseProblem(operator, y, sigma); got {type(problem).__name__}. "
            "observe(operator, x0, sigma) makes one from a clean image."
        )


def check_linear(problem: InverseProblem, method: str) -> None:
    """The operator is linear, which `method` needs."""
    if not getattr(problem.operator, "linear", False):
        raise ValueError(f"{method} needs a linear operator with an adjoint; {problem.operator!r} is not. Use dps.")


def check_resolvent(problem: InverseProblem, method: str) -> None:
    r"""The operator is linear and solves with :math:`\sigma^2 I + c A A^\top`."""
    check_linear(problem, method)
    if not hasattr(problem.operator, "resolvent"):
        raise ValueError(
            f"{method} needs operator.resolvent(y, sigma2, c), which solves (sigma2 I + c A A^T) x = y; "
            f"{problem.operator!r} has none. Derive it from teachdiff.operators.Operator, or use dps."
        )


def noise_for(y: Tensor, seed: int | Sequence[int], noise: Noise | None) -> Noise:
    """The given source of noise, checked at each draw, or the default stream in y's device and dtype."""
    if noise is None:
        return NoiseStream(seed, len(y), y.device, y.dtype)

    def checked(t: int, shape: tuple[int, ...]) -> Tensor:
        draw = noise(t, shape)
        check_finite(draw, f"noise({t}, {shape})")
        if tuple(draw.shape) != shape or draw.dtype != y.dtype or draw.device != y.device:
            raise ValueError(
                f"noise({t}, {shape}) must be of that shape, {y.dtype} on {y.device}; "
                f"got {tuple(draw.shape)}, {draw.dtype} on {draw.device}."
            )
        return draw

    return checked


def images_of(problem: InverseProblem) -> tuple[int, ...]:
    """Shape (B, C, H, W) of the images that the problem asks for."""
    return (len(problem.y), *problem.operator.input_shape)


def unconditional(
    problem: InverseProblem | None, shape: Sequence[int] | None, device: Any, dtype: torch.dtype | None
) -> Tensor:
    """Zeros in the shape, dtype and device of the images to sample: a problem's, or as given."""
    if problem is not None:
        check_problem(problem)
        return problem.y.new_zeros(images_of(problem))
    if shape is None:
        raise ValueError("give a problem, or shape=(B, C, H, W) to sample without one.")
    images = torch.zeros(tuple(shape), device=device, dtype=dtype)
    check_images(images, "shape")
    return images
