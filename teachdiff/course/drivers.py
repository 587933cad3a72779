r"""What is done with a submission's function, in the child: plain values in, plain values out.

A query's arguments are numbers and arrays. An array becomes a float64 tensor; a dictionary with the key "make" becomes
an object of the library:

    {"make": "schedule", "alpha_bar": array}
    {"make": "step", "t", "t_prev", "alpha", "alpha_bar", "alpha_bar_prev"}
    {"make": "gaussian", "alpha_bar", "mean", "cov"}      a Gaussian prior, images of shape (1, 1, n)
    {"make": "mixture", "alpha_bar", "weights", "means", "covs"}
    {"make": "problem", "matrix", "y", "sigma"}           y = M x_0 + sigma z
    {"make": "masked", "mask", "y", "sigma"}              y = m x_0 + sigma z
    {"make": "noise", "draws": {"5": array, ...}}         t -> the draw that is to be used at t
    {"make": "basis", "columns": matrix}                  an orthonormal basis of images of shape (1, 1, n)
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from teachdiff.bases import DenseBasis
from teachdiff.operators.masks import Mask
from teachdiff.operators.product import Product
from teachdiff.priors.asked import Asked
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Schedule, Step

Plain = Any  # see `teachdiff.course.model`


# Plain values to objects of the library, and back.


def matrix_prior(alpha_bar: Tensor, mean: Tensor, cov: Tensor) -> GaussianPrior:
    return GaussianPrior.from_covariance(Schedule(alpha_bar), mean.view(1, 1, -1), cov)


def mixture_prior(alpha_bar: Tensor, weights: list[float], means: Tensor, covs: Tensor) -> GaussianMixturePrior:
    return GaussianMixturePrior(weights, [matrix_prior(alpha_bar, m, c) for m, c in zip(means, covs, strict=True)])


class Recorded:
    """The draw of each time, as given; a time at which a chain draws nothing is an error."""

    def __init__(self, draws: Mapping[str, Tensor]) -> None:
        self.draws = draws

    def __call__(self, t: int, shape: tuple[int, ...]) -> Tensor:
        if str(int(t)) not in self.draws:
            raise ValueError(f"noise was asked for at t = {int(t)}, where nothing is drawn")
        draw = self.draws[str(int(t))]
        if tuple(draw.shape) != tuple(shape):
            raise ValueError(f"noise at t = {int(t)} has the shape {tuple(draw.shape)}; asked for {tuple(shape)}")
        return draw.clone()


MAKERS: dict[str, Callable[..., Any]] = {
    "schedule": lambda alpha_bar: Schedule(alpha_bar),
    "step": lambda **numbers: Step(**numbers),
    "gaussian": matrix_prior,
    "mixture": mixture_prior,
    "masked": lambda mask, y, sigma: InverseProblem(Mask(mask), y, sigma),
    "problem": lambda matrix, y, sigma: InverseProblem(Product((1, 1, matrix.shape[1]), columns=matrix), y, sigma),
    "noise": Recorded,
    "basis": lambda columns: DenseBasis((1, 1, len(columns)), columns),
}


def thing(value: Plain) -> Any:
    """A plain value as the library knows it."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.array(value))
    if isinstance(value, Mapping):
        parts = {key: thing(part) for key, part in value.items() if key != "make"}
        return MAKERS[value["make"]](**parts) if "make" in value else parts
    if isinstance(value, list | tuple):
        return [thing(part) for part in value]
    return value


def plain(value: Any) -> Plain:
    """What a function returned, as plain values.

    Raises:
        TypeError: it is nothing that can be.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy()
    if isinstance(value, Schedule):
        return value.alpha_bar.numpy()
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, np.ndarray | bool | int | float | str | None):
        return value
    raise TypeError(f"numbers and tensors are expected; got {type(value).__name__}")


# The drivers.


def call(function: Callable[..., Any], **arguments: Plain) -> Plain:
    """f(**arguments)."""
    return plain(function(**{name: thing(value) for name, value in arguments.items()}))


def chain(method: Callable[..., Any], prior: Plain, **arguments: Plain) -> Plain:
    """[method(prior, ...), the times at which it asked the prior]."""
    asked = Asked(thing(prior))
    x = method(asked, **{name: thing(value) for name, value in arguments.items()})
    return [plain(x), asked.times]


def loop(
    reverse: Callable[..., Any], schedule: Plain, x: Plain, noise: Plain, numbers: Plain, through: bool
) -> Plain:
    """A reverse loop of elementwise steps: [x_0, times asked, times observed, x_t observed].

    `numbers`: time -> (d, c, a, b, std, g, h), with x0_hat = d x_t + c, mean = a x_t + b x0_hat, guidance = g x0_hat
    (or, `through` the denoiser, g ∇ |x0_hat|²/2) and correction = h x.
    """
    asked: list[int] = []
    seen: list[tuple[int, Tensor]] = []

    def denoise(x_t: Tensor, t: Any) -> Tensor:
        asked.append(int(t))
        d, c = numbers[str(asked[-1])][:2]
        return d * x_t + c

    def transition(step: Step, x_t: Tensor, x0_hat: Tensor) -> tuple[Tensor, float]:
        _, _, a, b, std, _, _ = numbers[str(step.t)]
        return a * x_t + b * x0_hat, std

    def guidance(step: Step, x_t: Tensor, x0_hat: Tensor) -> Tensor:
        g = numbers[str(step.t)][5]
        if not through:
            return g * x0_hat
        return g * torch.autograd.grad(x0_hat.square().sum() / 2, x_t)[0]

    def correction(step: Step, x: Tensor) -> Tensor:
        return numbers[str(step.t)][6] * x

    x_0 = reverse(
        denoise, thing(schedule), thing(x), transition, noise=thing(noise), guidance=guidance, correction=correction,
        differentiate=through, on_step=lambda t, x_t, x0_hat: seen.append((int(t), x_t.clone())),
    )  # fmt: skip
    return [plain(x_0), asked, [t for t, _ in seen], [plain(x_t) for _, x_t in seen]]


def methods(cls: Callable[..., Any], made: Plain, asked: Plain) -> Plain:
    """An object of a class, and what its methods say: for each (name, *arguments) [result, first argument after it].

    The name "" calls the object itself.
    """
    made_of = {name: tuple(v) if isinstance(v, list | tuple) else thing(v) for name, v in made.items()}
    subject = cls(**made_of)
    found = []
    for name, *arguments in asked:
        given = [thing(argument) for argument in arguments]
        result = (getattr(subject, name) if name else subject)(*given)
        found.append([plain(result), plain(given[0])])
    return found


def guidance(make: Callable[..., Any], prior: Plain, problem: Plain, step: Plain, x_t: Plain, options: Plain) -> Plain:
    """The shift that a guidance adds at one step, with the denoiser's graph at hand as the reverse loop has it."""
    known, at = thing(prior), thing(step)
    shift = make(thing(problem), **options)
    leaf = thing(x_t).requires_grad_()
    x0_hat = known.denoise(leaf, torch.tensor(at.t))
    return plain(shift(at, leaf, x0_hat))


#: name -> driver(function, **arguments).
DRIVERS: dict[str, Callable[..., Plain]] = {
    "call": call, "chain": chain, "guidance": guidance, "loop": loop, "methods": methods,
}  # fmt: skip
