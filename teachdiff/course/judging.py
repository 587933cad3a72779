"""What the assignments' laws share: draws of plain values, and comparisons that show both numbers."""

from typing import Any

import numpy as np

from teachdiff.testing.core import REGISTRY, LawBroken, require_close
from teachdiff.testing.suite import KINDS

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
