"""Options of a method by a small grid, chosen on images kept for that, never on those that a figure is stated for.

Each candidate is a `teachdiff.experiment.Experiment` in a folder of its own, with the same images, measurements and
seeds as the others. The best mean wins; where the winner lies at the edge of the grid, the grid was too small.
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from teachdiff.compare import Row, mean_and_error, taken_by
from teachdiff.data import to_array
from teachdiff.experiment import Experiment, held_out
from teachdiff.settings import SETTINGS, as_written

REPORTED = {"portraits": 64}  # no figure is stated for more of them; of photographs all that come along
METRICS = {"psnr": 1, "ssim": 1, "lpips": -1}  # which way is better


@dataclass(frozen=True)
class Candidate:
    """What one choice of options gave on one task.

    Attributes:
        options: the grid's.
        mean, standard_error: of the metric over the images; None where it, or an image, cannot be had.
        best: of its method and task.
        edges: those of its options that are the least or the largest number of the grid.
    """

    method: str
    task: str
    options: dict[str, Any]
    images: int
    mean: float | None
    standard_error: float | None
    best: bool
    edges: list[str]


def check_unreported(images: Mapping[str, Tensor], prior: str) -> None:
    """None of the images is one that `compare` and `reproduce` state figures for.

    Raises:
        ValueError: one is.
    """
    size = next(iter(images.values())).shape[-1]
    reported = {to_array(x).tobytes(): name for name, x in held_out(prior, size, REPORTED.get(prior)).items()}
    for name, x in images.items():
        if other := reported.get(to_array(x).tobytes()):  # as a picture of it would be
            raise ValueError(
                f"{name} is the image {other!r} that figures are stated for. Options that are chosen on it would "
                "flatter them: give others."
            )


def candidates(base: Experiment, grid: Mapping[str, Sequence[Any]]) -> list[Experiment]:
    """An experiment for each method of `base` and each combination of those options that the method takes.

    Raises:
        ValueError: a method takes none of them.
    """
    found = []
    for method in base.methods:
        names = list(taken_by(method, grid))
        if not names:
            raise ValueError(f"{method} takes none of the options of the grid: {', '.join(grid)}.")
        for values in itertools.product(*(grid[name] for name in names)):
            chosen = dict(zip(names, values, strict=True))
            words = " ".join([method, *(f"{name}={value}" for name, value in chosen.items())])
            out = base.out / re.sub(r"[^\w.=+-]+", "_", words)
            found.append(replace(base, methods=[method], options={**base.options, **chosen}, out=out))
    return found


def judge(
    experiments: Sequence[Experiment], rows: Sequence[Sequence[Row]], grid: Mapping[str, Sequence[Any]], metric: str
) -> list[Candidate]:
    """The candidates in the order of the grid, the best of each method and task marked (the first of equals)."""
    found = []
    for experiment, own in zip(experiments, rows, strict=True):
        (method,) = experiment.methods
        options = {name: experiment.options[name] for name in taken_by(method, grid)}
        edges = [name for name, value in options.items() if at_edge(value, grid[name])]
        for task in experiment.tasks:
            values = [getattr(row, metric) for row in own if row.task == task]
            found.append(Candidate(method, task, options, len(values), *mean_and_error(values), False, edges))
    best: dict[tuple[str, str], int] = {}
    for i, c in enumerate(found):
        if c.mean is None:
            continue
        leader = found[best.setdefault((c.method, c.task), i)].mean
        if leader is not None and METRICS[metric] * (c.mean - leader) > 0:
            best[c.method, c.task] = i
    return [replace(c, best=i in best.values()) for i, c in enumerate(found)]


def at_edge(value: Any, values: Sequence[Any]) -> bool:
    """value is the least or the largest of several numbers."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    return len(set(numbers)) > 1 and len(numbers) == len(values) and value in (min(numbers), max(numbers))


def line(choice: Candidate, T: int, shape: Sequence[int]) -> str:
    """The line of `teachdiff.settings.SETTINGS[method]` that says so."""
    usual = SETTINGS[choice.method].get(choice.task, SETTINGS[choice.method]["default"])
    written = usual | as_written(choice.options, T, math.sqrt(shape[-2] * shape[-1]))
    pairs = ", ".join(f'"{name}": {value!r}'.replace("'", '"') for name, value in written.items())
    return f'"{choice.task}": {{{pairs}}},'
