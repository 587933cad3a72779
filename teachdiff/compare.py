"""Methods side by side: one run with its cost, a table of runs, and the classical answer to each task.

What is compared is fair in three ways: each task is degraded once per image, so that every method
sees the same y; network evaluations are counted by a proxy around the prior, not claimed; and a
figure that cannot be had is None, with the reason in `notes`.
"""

import hashlib
import inspect
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from teachdiff.baselines import BASELINES
from teachdiff.checks import check_images, check_name
from teachdiff.files import atomic
from teachdiff.methods import METHODS
from teachdiff.methods.dirac import check_restorer
from teachdiff.metrics import MetricUnavailable, consistency, lpips_distance, psnr, ssim
from teachdiff.noise import sample_seeds
from teachdiff.problems import TASKS, InverseProblem, make_operator, observe
from teachdiff.settings import settings
from teachdiff.shards import ALONE, Shard

UNCONDITIONAL = ("ddpm", "ddim")  # they sample the prior, whatever was measured
RESTORING = ("dirac",)  # they take a restorer of the task's degradation in the place of the prior


class Counted:
    """A prior that counts how often its network is asked: `evaluations`, per image of the batch."""

    def __init__(self, prior) -> None:
        self._prior = prior
        self.evaluations = 0

    def denoise(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        self.evaluations += 1
        return self._prior.denoise(x_t, t)

    def __getattr__(self, name: str):
        value = getattr(self._prior, name)  # schedule, clip_x0, ...: whatever the prior has
        if name != "predict":
            return value

        def predict(x_t, t):
            self.evaluations += 1
            return value(x_t, t)

        return predict


@dataclass(frozen=True)
class Restoration:
    """What one run of a method gave and cost.

    Attributes:
        x0: (B, C, H, W).
        seconds: wall time of the method alone.
        evaluations: calls of the network, each for the whole batch.
        peak_memory: bytes on the GPU; None on a CPU.
        options: what the method was called with, beyond the prior, the problem and the seed.
    """

    x0: Tensor
    seconds: float
    evaluations: int
    peak_memory: int | None
    options: dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One image, restored by one method: a row of `teachdiff compare --json`.

    Units: psnr in dB; consistency as in `teachdiff.metrics` (about 1 for the truth); peak_memory in bytes. Of the
    restored image, PSNR, SSIM and LPIPS see what a picture of it shows: its values clamped to [-1, 1].
    """

    task: str
    method: str
    prior: str
    image: str
    seed: int
    psnr: float | None
    ssim: float | None
    lpips: float | None
    consistency: float | None
    seconds: float | None
    evaluations: int | None
    peak_memory: int | None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Case:
    """One image, degraded by one task. `seeds` is the sample's own, for the method."""

    task: str
    image: str
    truth: Tensor
    problem: InverseProblem
    seeds: list[int]

    @property
    def measurement(self) -> Tensor:
        """The measurement as a picture, of shape (1, C, H, W)."""
        return self.problem.operator.picture(self.problem.y)


# One method


def check_suits(restorer: Any, task: str, sigma: float, device: Any) -> None:
    """The restorer is one for measurements of a task, at its own image shape, with this sigma (in [-1, 1] units).

    Raises:
        ValueError: it undoes another operator, or another sigma.
    """
    shape = restorer.degradation.input_shape
    nothing = torch.zeros(1, *shape, device=device)
    check_restorer(restorer, InverseProblem(make_operator(task, shape), nothing, sigma))


def model_of(prior, method: str, task: str, restorers: Mapping[str, Any]):
    """What the method is called with: the prior, or the restorer of the task.

    Raises:
        ValueError: there is no restorer for the task.
    """
    if method not in RESTORING:
        return prior
    if task not in restorers:
        known = ", ".join(sorted(restorers)) or "no task"
        raise ValueError(f"{method} needs a restorer that was made for {task}; there is one for {known}.")
    return restorers[task]


def method_options(
    method: str, task: str, T: int, steps: int, shape: Sequence[int], given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The tuned options of `method` on `task`, and `steps` where the method walks: SDEdit at most its t_start, DDRM at
    most its own 20.

    Arguments:
        shape: (..., H, W) of the images.
        given: options that replace the tuned ones; those that this method does not take are left out.
    """
    if method in BASELINES:
        return {}
    options = settings(method, task, T, math.sqrt(shape[-2] * shape[-1])) | taken_by(method, given or {})
    if "steps" in parameters_of(method):
        options["steps"] = min(steps, options.get("t_start", steps), options.get("steps", steps))
    return options


def parameters_of(method: str) -> Mapping[str, inspect.Parameter]:
    """What the function of a method takes; nothing for one of `BASELINES`."""
    function: Any = METHODS.get(method)
    return inspect.signature(function).parameters if function else {}


def taken_by(method: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options, meant for several methods, that this one takes."""
    return {name: value for name, value in options.items() if name in parameters_of(method)}


def restore(
    prior,
    problem: InverseProblem,
    method: str,
    task: str = "default",
    *,
    steps: int = 100,
    seed: int | Sequence[int] = 0,
    on_step: Callable[[int, Tensor, Tensor], None] | None = None,
    **options: Any,
) -> Restoration:
    """Run one method and say what it cost.

    Arguments:
        prior: a prior; for a method of `RESTORING` a restorer.
        task: whose tuned options (see `teachdiff.settings`) to start from.
        options: of the method; they replace the tuned ones.

    Raises:
        ValueError: an unknown method or option, steps outside 1..T, whatever the method refuses.
        FloatingPointError: the chain diverged.
    """
    check_name(method, METHODS, "method")
    for name in options:
        check_name(name, parameters_of(method), f"option of {method}")
    T = 1000 if method in RESTORING else prior.schedule.T
    options = method_options(method, task, T, steps, problem.operator.input_shape, options)
    counted = Counted(prior)
    cuda = problem.y.is_cuda
    if cuda:
        torch.cuda.synchronize(problem.y.device)
        torch.cuda.reset_peak_memory_stats(problem.y.device)
    begun = time.perf_counter()
    function: Any = METHODS[method]
    x0 = function(counted, problem, seed=seed, on_step=on_step, **options)
    if cuda:
        torch.cuda.synchronize(problem.y.device)
    seconds = time.perf_counter() - begun
    peak = torch.cuda.max_memory_allocated(problem.y.device) if cuda else None
    return Restoration(x0, seconds, counted.evaluations, peak, options)


def measure(x0: Tensor, truth: Tensor, problem: InverseProblem) -> tuple[dict[str, float | None], list[str]]:
    """psnr, ssim, lpips and consistency of one image, None where there is none, and the reasons for each None."""
    notes: list[str] = []
    x, r = x0.detach().float().clamp(-1, 1), truth.float()

    def value(name: str, f: Callable[[], Tensor]) -> float | None:
        try:
            figure = float(f()[0])
        except (MetricUnavailable, ValueError) as reason:
            notes.append(f"{name}: {reason}")
            return None
        if not math.isfinite(figure):
            notes.append(f"{name}: infinite, the images are equal")
            return None
        return figure

    figures = {
        "psnr": value("psnr", lambda: psnr(x, r)),
        "ssim": value("ssim", lambda: ssim(x, r)),
        "lpips": value("lpips", lambda: lpips_distance(x, r)),
        "consistency": value("consistency", lambda: consistency(problem, x0)),
    }
    return figures, notes


# A table of methods, tasks and images


def repeat(case: Case, samples: int) -> Case:
    """The same case `samples` times as one batch, with a seed for each; one time is the case itself."""
    if samples < 1:
        raise ValueError(f"samples must be 1 or more; got {samples}.")
    if samples == 1:
        return case
    y = case.problem.y.expand(samples, *case.problem.y.shape[1:])
    many = InverseProblem(case.problem.operator, y, case.problem.sigma)
    return replace(case, problem=many, seeds=sample_seeds(case.seeds[0], samples))


def degrade(
    images: Mapping[str, Tensor],
    tasks: Iterable[str],
    *,
    sigma: float,
    seed: int = 0,
    task_options: Mapping[str, Mapping[str, Any]] | None = None,
    shard: Shard = ALONE,
) -> Iterator[Case]:
    """Each image under each task: y = A x_0 + sigma z. Image i of a seed gets the same noise in every task.

    Arguments:
        images: name -> (1, C, H, W) in [-1, 1], all of one shape.
        sigma: in [-1, 1] units.
        task_options: task -> options of its operator (see `teachdiff.problems.make_operator`).
        shard: whose images to take; the others' are left out, and change nothing.

    Raises:
        ValueError: an unknown task or option of one, or a size that a task cannot divide.
    """
    seeds = sample_seeds(seed, len(images))
    for task in tasks:
        check_name(task, TASKS, "task")
        operator = None
        for i, (own, (name, truth)) in enumerate(zip(seeds, images.items(), strict=True)):
            check_images(truth, name)
            if operator is None or operator.input_shape != tuple(truth.shape[1:]):
                options = (task_options or {}).get(task, {})
                operator = make_operator(task, tuple(truth.shape[1:]), seed=seed, **options)
            if not shard.has(i):
                continue
            yield Case(task, name, truth, observe(operator, truth, sigma, seed=[own]), [own])


def run_case(
    prior,
    case: Case,
    method: str,
    *,
    prior_name: str,
    steps: int = 100,
    seed: int = 0,
    samples: int = 1,
    restorers: Mapping[str, Any] | None = None,
    on_step: Callable[[int, Tensor, Tensor], None] | None = None,
    **options: Any,
) -> tuple[Row, Tensor | None]:
    """One method, or one of `BASELINES`, on one case: its row and its image.

    A chain that diverges is a row without figures, and so is a baseline that there is not for the task.

    Arguments:
        samples: restore so many times, each with noise of its own, and average the images: an estimate of the
            mean of what the method samples.
        restorers: task -> restorer, for the methods of `RESTORING`.
        options: of the method; they replace the tuned ones (see `method_options`).
    """
    run: Restoration
    try:
        if method in BASELINES:
            begun = time.perf_counter()
            x0, remark = BASELINES[method](case.problem, case.task, case.truth)
            if x0 is None:
                raise FloatingPointError(remark)
            run = Restoration(x0, time.perf_counter() - begun, 0, None, {})
        else:
            many, remark = repeat(case, samples), "" if samples == 1 else f"mean of {samples} samples"
            model = model_of(prior, method, case.task, restorers or {})
            run = restore(
                model, many.problem, method, case.task, steps=steps, seed=many.seeds, on_step=on_step, **options
            )
            run = replace(run, x0=run.x0.mean(0, keepdim=True))
    except FloatingPointError as error:
        nothing = dict.fromkeys(FIGURES)
        return Row(case.task, method, prior_name, case.image, seed, **nothing, notes=[f"no image: {error}"]), None
    figures, notes = measure(run.x0, case.truth, case.problem)
    if remark:
        notes.insert(0, remark)
    if method in UNCONDITIONAL:
        notes.insert(0, "a sample of the prior: the measurement was not used")
    if run.peak_memory is None:
        notes.append("peak_memory: measured on CUDA only")
    row = Row(
        case.task,
        method,
        prior_name,
        case.image,
        seed,
        **figures,
        seconds=run.seconds,
        evaluations=run.evaluations,
        peak_memory=run.peak_memory,
        notes=notes,
    )
    return row, run.x0


def compare(
    prior,
    images: Mapping[str, Tensor],
    tasks: Sequence[str],
    methods: Sequence[str],
    *,
    sigma: float,
    prior_name: str = "prior",
    steps: int = 100,
    seed: int = 0,
    samples: int = 1,
    options: Mapping[str, Any] | None = None,
    task_options: Mapping[str, Mapping[str, Any]] | None = None,
    restorers: Mapping[str, Any] | None = None,
    shard: Shard = ALONE,
    finished: Callable[[Case, str], Row | None] = lambda case, method: None,
    on_step: Callable[[Case, str], None] | None = None,
) -> Iterator[tuple[Row, Case, Tensor | None]]:
    """Rows over tasks, images and methods, each with its case and its image (None where it was not computed anew).

    Arguments:
        sigma: in [-1, 1] units.
        samples, options, restorers: as for `run_case`.
        task_options, shard: as for `degrade`.
        finished: gives the row of a case and a method that is known already, or None.
        on_step: called as on_step(case, method) in every step of every chain.

    Raises:
        ValueError: an unknown task or method, steps outside 1..T, a size that a task cannot divide.
    """
    for method in methods:
        check_name(method, [*METHODS, *BASELINES], "method")
        for task in tasks:
            model_of(prior, method, task, restorers or {})
    for case in degrade(images, tasks, sigma=sigma, seed=seed, task_options=task_options, shard=shard):
        for method in methods:
            row = finished(case, method)
            if row is not None:
                yield row, case, None
                continue

            def observer(t, x_t, x0_hat, case=case, method=method):
                if on_step:
                    on_step(case, method)

            row, x0 = run_case(
                prior,
                case,
                method,
                prior_name=prior_name,
                steps=steps,
                seed=seed,
                samples=samples,
                restorers=restorers,
                on_step=observer,
                **taken_by(method, options or {}),
            )
            yield row, case, x0


FIGURES = ("psnr", "ssim", "lpips", "consistency", "seconds", "evaluations", "peak_memory")


@dataclass(frozen=True)
class Summary:
    """What the rows of one method on one task say together.

    Attributes:
        images: how many, N.
        mean: of each of `FIGURES` over the images; None where any image has none.
        standard_error: of that mean, s / sqrt(N), from the spread s of the images (with N - 1); None for one image.
        fid: the Fréchet Inception distance of the N restored images from the N true ones; None where there is none.
        notes: the reasons for each None, each once.
    """

    task: str
    method: str
    prior: str
    seed: int
    images: int
    mean: dict[str, float | None]
    standard_error: dict[str, float | None]
    fid: float | None = None
    notes: list[str] = field(default_factory=list)

    def flat(self) -> dict[str, Any]:
        """The same as one level of names, for a table: psnr, psnr_standard_error, ..."""
        whole = asdict(self)
        means, errors, fid, notes = (whole.pop(name) for name in ("mean", "standard_error", "fid", "notes"))
        figures = {k: v for name in FIGURES for k, v in ((name, means[name]), (f"{name}_standard_error", errors[name]))}
        return whole | figures | {"fid": fid, "notes": notes}


def mean_and_error(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """(mean, its standard error): (None, None) where a value is missing, and no error for one value."""
    known = [value for value in values if value is not None]
    if not values or len(known) < len(values):
        return None, None
    mean = math.fsum(known) / len(known)
    if len(known) == 1:
        return mean, None
    return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in known) / (len(known) - 1) / len(known))


def summaries(rows: Iterable[Row]) -> list[Summary]:
    """One summary per task and method, in the order of the rows; without FID, which no row knows."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.task, row.method), []).append(row)
    found = []
    for (task, method), group in groups.items():
        figures = {name: mean_and_error([getattr(row, name) for row in group]) for name in FIGURES}
        found.append(
            Summary(
                task,
                method,
                group[0].prior,
                group[0].seed,
                len(group),
                {name: mean for name, (mean, _) in figures.items()},
                {name: error for name, (_, error) in figures.items()},
                notes=sorted({note for row in group for note in row.notes}),
            )
        )
    return found


class RowFile:
    """Rows on disk, each with the key of what it was computed from, so that a later run finds it again.

    One JSON object a line, {"key": ..., "row": ...}, replaced atomically with every row: what stands there
    is always whole. There is one row for each task, method and image, as there is one picture.

    Raises:
        ValueError: the file holds something else.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.lines: dict[tuple[str, str, str], dict[str, Any]] = {}
        if not self.path.exists():
            return
        names = {f.name for f in fields(Row)}
        try:
            text = self.path.read_text(encoding="utf-8")
            lines = [json.loads(line) for line in text.splitlines() if line.strip()]
            whole = all(set(line) == {"key", "row"} and set(line["row"]) == names for line in lines)
        except (UnicodeDecodeError, json.JSONDecodeError, TypeError):
            whole = False
        if not whole:
            raise ValueError(f"{self.path} holds something else than rows of a comparison. Move it, or choose another.")
        self.lines = {self._place(line["row"]): line for line in lines}

    @staticmethod
    def _place(row: Mapping[str, Any]) -> tuple[str, str, str]:
        return row["task"], row["method"], row["image"]

    def find(self, key: Mapping[str, Any]) -> Row | None:
        """The row that was computed from exactly this."""
        line = self.lines.get(self._place(key))
        return Row(**line["row"]) if line and line["key"] == key else None

    def add(self, key: Mapping[str, Any], row: Row) -> None:
        """Add a row; it takes the place of one of the same task, method and image."""
        self._add([{"key": dict(key), "row": asdict(row)}])

    def take(self, other: "RowFile") -> None:
        """Add the rows of another file and delete it."""
        self._add(list(other.lines.values()))
        other.path.unlink()

    def _add(self, lines: Sequence[dict[str, Any]]) -> None:
        self.lines |= {self._place(line["row"]): line for line in lines}
        with atomic(self.path) as part:
            part.write_text("".join(json.dumps(line) + "\n" for line in self.lines.values()), encoding="utf-8")


def image_digest(x: Tensor) -> str:
    """A short name of the pixels of x: equal for equal images."""
    return hashlib.sha256(x.detach().cpu().contiguous().numpy().tobytes()).hexdigest()[:16]


def file_digest(*paths: str | Path) -> str:
    """A short name of what some files hold, one after the other."""
    whole = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                whole.update(piece)
    return whole.hexdigest()[:16]


# The contact sheet


@dataclass(frozen=True)
class Strip:
    """One line of a contact sheet: what it shows, and pictures (uint8 H, W, 3) with a caption each, or None."""

    title: str
    pictures: list[tuple[np.ndarray, str] | None]


def contact_sheet(path: str | Path, columns: Sequence[str], strips: Sequence[Strip]) -> None:
    """Write strips of pictures under column titles as one PNG, atomically.

    Raises:
        ValueError: no strip, or one with another number of pictures than there are columns.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not strips or any(len(strip.pictures) != len(columns) for strip in strips):
        raise ValueError(f"a contact sheet needs strips of {len(columns)} pictures each; got {len(strips)} strips.")
    # One pair of axes for all, in inches: a pair for each picture takes four times as long.
    cell, gap, below, left, above = 1.5, 0.05, 0.24, 0.22, 0.28
    width, height = left + (cell + gap) * len(columns), above + (cell + below) * len(strips)
    figure = Figure(figsize=(width, height), dpi=130)
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    centres = [left + (cell + gap) * j + cell / 2 for j in range(len(columns))]
    for x, title in zip(centres, columns, strict=True):
        ax.text(x, above / 2, title, fontsize=8, fontweight="bold", ha="center", va="center")
    for i, strip in enumerate(strips):
        y = above + (cell + below) * i + cell / 2
        ax.text(left / 2, y, strip.title, fontsize=7, rotation="vertical", ha="center", va="center")
        for x, content in zip(centres, strip.pictures, strict=True):
            if content is not None:
                picture, caption = content
                h, w = (cell / 2 * side / max(picture.shape[:2]) for side in picture.shape[:2])
                ax.imshow(picture, extent=(x - w, x + w, y + h, y - h), interpolation="nearest")
                ax.text(x, y + cell / 2 + below / 2, caption, fontsize=7, ha="center", va="center")
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
    with atomic(path) as part:
        figure.savefig(part, format="png")
