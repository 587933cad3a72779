"""What the assignments' laws share: draws of plain values, and comparisons that show both numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from teachdiff.course.model import Answer, Query
from teachdiff.testing.core import REGISTRY, LawBroken, require_close
from teachdiff.testing.suite import KINDS
from teachdiff.testing.worlds import CLOSED_FORMS, GaussianWorld, Law, N

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


def step_back(step: Mapping[str, float], x_t: Any = 0.0, x_0: Any = 0.0) -> tuple[Any, float]:
    """Mean and variance of q(x_{t-1} | x_t, x_0) by Bayes' rule. `step` is that of `step_numbers`.

    Precisions add: x_t says x_t/√α with the variance β/α, and x_0 says √ᾱ_prev x_0 with the variance 1 - ᾱ_prev.
    """
    alpha, bar_prev = step["alpha"], step["alpha_bar_prev"]
    beta, left = 1 - alpha, 1 - bar_prev
    if left == 0:  # t = 1: x_0 itself
        return x_0, 0.0
    variance = left * beta / (alpha * left + beta)
    return variance * (alpha**0.5 * x_t / beta + bar_prev**0.5 * x_0 / left), variance


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


def law_queries(
    file: str,
    options: Sequence[Mapping[str, Any]],
    times: Callable[[GaussianWorld, Mapping[str, Any]], list[int]],
    rng: np.random.Generator,
    *,
    closed: Sequence[str] | None = None,
    lengths: Sequence[int] = (1, 2, 3, 5),
) -> list[Query]:
    """A whole method, of the file's name, on a batch of unit noises for each T: some mistakes show from T = 3 on.

    Arguments:
        options: of the method, one run for each; `closed` names those that its closed form takes too, None is all.
        times: (world, options) -> the times at which the method draws, in the order of the draws.
    """
    queries = []
    for T in lengths:
        for option in options:
            seed = seed_of(rng)
            world = GaussianWorld(seed, T=T)
            drawn = times(world, option)
            noise, point = units(drawn, rng)
            problem = problem_of(world, batch=len(point) + 2)
            arguments = {"prior": prior_of(world), "problem": problem, "noise": noise, **option}
            of_law = {name: value for name, value in option.items() if closed is None or name in closed}
            about = {"seed": seed, "T": T, "point": point, "options": of_law, "drawn": drawn}
            queries.append(Query(file, file.removesuffix(".py"), arguments, driver="chain", about=about))
    return queries


def judge_law(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    """Mean and covariance of the output are those of the closed form."""
    for query, answer in zip(queries, answers, strict=True):
        about, name = query.about, query.function
        rows = numbers(part(answer, 0), "the samples", (len(about["point"]) + 2, 1, 1, N))
        law = CLOSED_FORMS[name](GaussianWorld(about["seed"], T=about["T"]), **about["options"])
        said = ", ".join(f"{key} = {value}" for key, value in {"T": about["T"], **about["options"]}.items())
        has_law(rows, about["point"], law, f"of that of {name} for a Gaussian prior ({said})")


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

