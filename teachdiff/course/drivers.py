r"""What is done with a submission's function, in the child: plain values in, plain values out.

A query's arguments are numbers and arrays. An array becomes a float64 tensor; a dictionary with the key "make" becomes
an object of the library:

    {"make": "schedule", "alpha_bar": array}
    {"make": "step", "t", "t_prev", "alpha", "alpha_bar", "alpha_bar_prev"}
    {"make": "gaussian", "alpha_bar", "mean", "cov"}      a Gaussian prior, images of shape (1, 1, n)
    {"make": "problem", "matrix", "y", "sigma"}           y = M x_0 + sigma z
    {"make": "noise", "draws": {"5": array, ...}}         t -> the draw that is to be used at t
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from teachdiff.operators.product import Product
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Schedule, Step

Plain = Any  # see `teachdiff.course.model`


# Plain values to objects of the library, and back.


def matrix_prior(alpha_bar: Tensor, mean: Tensor, cov: Tensor) -> GaussianPrior:
    return GaussianPrior.from_covariance(Schedule(alpha_bar), mean.view(1, 1, -1), cov)


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
    "problem": lambda matrix, y, sigma: InverseProblem(Product((1, 1, matrix.shape[1]), columns=matrix), y, sigma),
    "noise": Recorded,
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


#: name -> driver(function, **arguments).
DRIVERS: dict[str, Callable[..., Plain]] = {"call": call}
