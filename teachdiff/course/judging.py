"""What the assignments' laws share: draws of plain values, and comparisons that show both numbers."""

from typing import Any

import numpy as np

from teachdiff.testing.core import REGISTRY, LawBroken, require_close
from teachdiff.testing.suite import KINDS
from teachdiff.testing.worlds import GaussianWorld, Law, N

assert KINDS  # importing the suite registers its laws

TOLERANCE = 1e-9


def statement(kind: str, name: str) -> str:
    """What a law of the property suite says."""
    return REGISTRY[kind, name].statement


def numbers(value: Any, what: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """An answer as a float64 array.

    Raises:
        LawBroken: it is no array of numbers of that shape.
    """
    if isinstance(value, list | tuple | str | bytes | dict | None) or np.asarray(value).dtype.kind not in "fiu":
        raise LawBroken(f"{what} must be numbers; got {type(value).__name__}")
    found = np.asarray(value, dtype=np.float64)
    if shape is not None and found.shape != shape:
        raise LawBroken(f"shape of {what}", found.shape, shape)
    return found


def close(value: Any, expected: Any, what: str, beside: str, tolerance: float = TOLERANCE) -> None:
    """The answer is `expected`, up to rounding; else both numbers, where they differ most, with their names."""
    expected = np.asarray(expected, dtype=np.float64)
    found = numbers(value, what, expected.shape)
    scale = 1 + float(np.abs(expected).max(initial=0.0))
    require_close(found, expected, tolerance, scale, f"{what}, and {beside}")


def levels(rng: np.random.Generator, T: int, beta_max: float = 0.4) -> np.ndarray:
    """The table of alpha_bar of a schedule of T steps, 1 first, with betas in no order."""
    beta = rng.uniform(0.05 * beta_max, beta_max, T)
    return np.concatenate([[1.0], np.cumprod(1 - beta)])


def step_numbers(alpha_bar: np.ndarray, t: int) -> dict[str, float]:
    """alpha, alpha_bar, alpha_bar_prev of the step t -> t - 1."""
    bar, prev = float(alpha_bar[t]), float(alpha_bar[t - 1])
    return {"alpha": bar / prev, "alpha_bar": bar, "alpha_bar_prev": prev}


def signal_and_variance(alpha_bar: np.ndarray, t: int) -> tuple[float, float]:
    """What is left of x_0 in x_t, and the variance of the noise in it, step after step."""
    signal, variance = 1.0, 0.0
    for k in range(1, t + 1):
        alpha = float(alpha_bar[k] / alpha_bar[k - 1])
        signal, variance = alpha**0.5 * signal, alpha * variance + (1 - alpha)
    return signal, variance


def part(answer: Any, k: int) -> Any:
    """The k-th part of an answer of several.

    Raises:
        LawBroken: it has not so many.
    """
    if not (isinstance(answer.value, list) and len(answer.value) > k):
        raise LawBroken("the answer has not the parts that it should")
    return answer.value[k]


# Worlds in which the law of a method's output is known.


def seed_of(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def prior_of(world: GaussianWorld) -> dict[str, Any]:
    """The world's prior, in plain values."""
    return {
        "make": "gaussian", "alpha_bar": world.schedule.alpha_bar.numpy(), "mean": world.mean.numpy(),
        "cov": world.cov.numpy(),
    }  # fmt: skip


def problem_of(world: GaussianWorld, batch: int) -> dict[str, Any]:
    """The world's problem in plain values, the same measurement `batch` times."""
    y = world.problem.y.numpy().repeat(batch, axis=0)
    return {"make": "problem", "matrix": world.matrix.numpy(), "y": y, "sigma": world.sigma}


def units(times: list[int], rng: np.random.Generator) -> tuple[dict[str, Any], np.ndarray]:
    """Draws for a batch, zero in row 0 and a unit vector in each further row; and the random point in its last row.

    So the batch tells the law of an output that is affine in its noise (see `teachdiff.exact.law`).
    """
    total = N * len(times)
    point = rng.standard_normal(total)
    rows = np.concatenate([np.zeros((1, total)), np.eye(total), point[None]])
    draws = {str(t): rows[:, k * N : (k + 1) * N].reshape(-1, 1, 1, N) for k, t in enumerate(times)}
    return {"make": "noise", "draws": draws}, point


def law_of(rows: np.ndarray, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of an output from the batch of `units`.

    Raises:
        LawBroken: the output is not affine in its noise.
    """
    rows = rows.reshape(len(rows), -1)
    jacobian = (rows[1:-1] - rows[0]).T
    what = "a pixel of the output at a random draw, and of an affine function of its noise"
    require_close(rows[-1], rows[0] + jacobian @ point, TOLERANCE, 1 + float(np.abs(rows).max()), what)
    return rows[0], jacobian @ jacobian.T


def has_law(rows: np.ndarray, point: np.ndarray, law: Law, what: str) -> None:
    """The output of the batch of `units` has this mean and covariance."""
    got = law_of(rows, point)
    for name, value, expected in zip(("mean", "covariance"), got, law, strict=True):
        close(value, expected.numpy(), f"an entry of the {name}", what)

