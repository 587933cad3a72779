"""How cost grows: seconds and memory over the size, the batch, the steps, the rank of the operator; and checkpointing.

Every point of a curve is a whole run of a method with a network. The points of one curve take turns, and each keeps its
fastest run: what else a machine does only ever adds. So a line of slope 1 in the logarithmic plots is linear growth.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from teachdiff.bench import Marks, machine, peak_of, problem_for
from teachdiff.compare import method_options
from teachdiff.files import atomic, write_json
from teachdiff.methods import METHODS
from teachdiff.operators.base import check_count
from teachdiff.priors.guided import GuidedUNet
from teachdiff.priors.network import NetworkPrior
from teachdiff.schedules import linear

AXES = {
    "size": "pixels of an image",
    "samples": "posterior samples in one batch",
    "steps": "steps of the chain, T",
    "rank": "rank of the operator",
    "checkpointing": "pixels of an image",
}


@dataclass(frozen=True)
class Plan:
    """What is run along each axis: `side` pixels where the size is not what grows, `chain` steps where T is not."""

    sides: Sequence[int] = (16, 32, 64, 128)
    samples: Sequence[int] = (1, 2, 4, 8)
    steps: Sequence[int] = (2, 4, 8, 16, 32)
    kept: Sequence[float] = (0.05, 0.1, 0.25, 0.5, 1.0)
    side: int = 32
    chain: int = 3
    rounds: int = 5


QUICK = Plan(sides=(16, 32), samples=(1, 2), steps=(2, 4), kept=(0.5, 1.0), side=16, chain=2, rounds=1)


@dataclass(frozen=True)
class Point:
    """One run.

    Attributes:
        axis, series: which curve of which plot.
        value: where on the axis.
        seconds: of the fastest run.
        peak_memory: bytes beyond those held before; None where nobody knows.
    """

    axis: str
    series: str
    value: float
    seconds: float
    peak_memory: int | None


def runs(prior: NetworkPrior, plan: Plan) -> Iterator[tuple[str, str, float, Callable[[], Any]]]:
    """(axis, series, value, run) of every point."""
    for side in plan.sides:
        for method in ("ddpm", "dps"):
            yield "size", method, side**2, chain(prior, method, side, 1, plan.chain)
    for count in plan.samples:
        yield "samples", "dps", count, chain(prior, "dps", plan.side, count, plan.chain)
    for steps in plan.steps:
        yield "steps", "dps", steps, chain(prior, "dps", plan.side, 1, steps)
    for kept in plan.kept:
        for method in ("ddrm", "dmps", "pigdm"):
            rank = round(kept * plan.side**2) * 3
            yield "rank", method, rank, chain(prior, method, plan.side, 1, plan.chain, kept)
    device = next(prior.network.parameters()).device
    for side in plan.sides:
        for checkpointing in (False, True):
            series = "DPS with activation checkpointing" if checkpointing else "DPS"
            yield "checkpointing", series, side**2, chain(attentive(checkpointing, device), "dps", side, 1, plan.chain)


def chain(
    prior: NetworkPrior, method: str, side: int, batch: int, steps: int, kept: float | None = None
) -> Callable[[], Any]:
    """A chain of a method on a box that is missing, or with only a share of the pixels kept."""
    mask: dict[str, Any] = {"task": "inpaint_box"} if kept is None else {"task": "inpaint_random", "drop": 1 - kept}
    problem = problem_for(prior, size=side, batch=batch, **mask)
    options = method_options(method, "inpaint_box", prior.schedule.T, steps, problem.operator.input_shape)
    function: Any = METHODS[method]
    return lambda: function(prior, problem, **options)


def attentive(checkpointing: bool, device: torch.device) -> NetworkPrior:
    """A small network of the guided-diffusion kind with random weights: memory does not see them."""
    torch.manual_seed(0)
    network = GuidedUNet(3, 3, 32, (1, 2, 4), 1, (2,), head_channels=32).requires_grad_(False).eval()
    network.checkpointing = checkpointing
    return NetworkPrior(network, linear(T=1000)).to(device)


def grow(prior: NetworkPrior, plan: Plan, on_point: Callable[[str], None] = lambda axis: None) -> list[Point]:
    """Every point of the plan, the points of an axis in turns.

    Raises:
        ValueError: the prior's network takes no images of three channels, or none of a size of the plan.
    """
    check_count(plan.rounds, "rounds")
    device = next(prior.network.parameters()).device
    found: list[Point] = []
    everything = list(runs(prior, plan))
    for axis in AXES:
        own = [(series, value, run) for of, series, value, run in everything if of == axis]
        best = [math.inf] * len(own)
        peaks = []
        for _, _, run in own:
            run()  # the first time, code is loaded and tables are made
            peaks.append(peak_of(run, device)[0])
        for _ in range(plan.rounds):
            for i, (_, _, run) in enumerate(own):
                marks = Marks(device)
                marks.set()
                run()
                marks.set()
                best[i] = min(best[i], marks.intervals()[0] / 1e3)
        for (series, value, _), seconds, peak in zip(own, best, peaks, strict=True):
            found.append(Point(axis, series, value, seconds, peak))
        on_point(axis)
    return found


def slope(points: Sequence[Point], of: Callable[[Point], float | None]) -> float | None:
    """The slope of log(of) over log(value), by least squares: 1 is linear growth; None where a figure is missing."""
    values = [of(point) for point in points]
    if len(points) < 2 or any(not value for value in values):
        return None
    x = torch.tensor([math.log(point.value) for point in points], dtype=torch.float64)
    y = torch.tensor([math.log(value) for value in values if value], dtype=torch.float64)
    return float(((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum())


def curves(points: Sequence[Point]) -> dict[tuple[str, str], list[Point]]:
    """(axis, series) -> its points."""
    found: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        found.setdefault((point.axis, point.series), []).append(point)
    return found


def write(out: Path, points: Sequence[Point], device: torch.device) -> list[Path]:
    """cost-growth.json and cost-growth.png in a folder."""
    data, picture = out / "cost-growth.json", out / "cost-growth.png"
    write_json(data, {"machine": machine(device), "points": [asdict(point) for point in points]})
    plot(picture, points, machine(device))
    return [data, picture]


def read(path: Path) -> list[Point]:
    """The points of a cost-growth.json."""
    return [Point(**point) for point in json.loads(path.read_text(encoding="utf-8"))["points"]]


PANELS: list[tuple[str, str, Callable[[Point], float | None]]] = [
    ("size", "seconds of a chain", lambda p: p.seconds),
    ("samples", "seconds of a chain", lambda p: p.seconds),
    ("steps", "seconds of a chain", lambda p: p.seconds),
    ("rank", "seconds of a chain", lambda p: p.seconds),
    ("size", "peak memory, MB", lambda p: p.peak_memory and p.peak_memory / 1e6),
    ("checkpointing", "peak memory, MB", lambda p: p.peak_memory and p.peak_memory / 1e6),
]


def plot(path: Path, points: Sequence[Point], title: str) -> None:
    """Six small plots, logarithmic on both axes; the dotted lines grow linearly."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    figure = Figure(figsize=(11, 6.6), dpi=110)
    FigureCanvasAgg(figure)
    for ax, (axis, label, of) in zip(figure.subplots(2, 3).flat, PANELS, strict=True):
        drawn: list[tuple[float, float]] = []
        for (where, series), own in curves(points).items():
            known = [(p.value, value) for p in own if (value := of(p))]
            if where != axis or not known:
                continue
            drawn += known
            (line,) = ax.loglog(*zip(*known, strict=True), "o-", markersize=3, label=series)
            if axis != "rank":
                (first, at), (last, _) = known[0], known[-1]
                ax.loglog([first, last], [at, at * last / first], ":", color=line.get_color(), linewidth=1)
        values = sorted({value for value, _ in drawn})
        square = axis in ("size", "checkpointing")
        ax.set_xticks(values, [f"{math.isqrt(int(v))}²" if square else f"{v:g}" for v in values])
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
        for side in (ax.xaxis, ax.yaxis):
            side.set_minor_locator(NullLocator())
        if drawn:  # room for the legend, and where nothing grows for seeing so
            ax.set_ylim(top=2.5 * max(y for _, y in drawn))
        if drawn and axis == "rank":
            ax.set_ylim(bottom=0.5 * min(y for _, y in drawn))
        ax.set_xlabel(AXES[axis], fontsize=9)
        ax.set_ylabel(label, fontsize=9)
        ax.tick_params(labelsize=8)
        ax.grid(alpha=0.25)
        ax.legend(fontsize=8, loc="upper left", framealpha=0.6)
    figure.suptitle(title, fontsize=9)
    figure.tight_layout()
    with atomic(path) as part:
        figure.savefig(part, format="png")
