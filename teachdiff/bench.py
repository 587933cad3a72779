"""What a step of a method costs beyond the network that it asks.

A step is what lies between two questions to the network. A `Clock` stands in the network's place: at each question it
ends the step before, asks the bare network the very same (with the gradient with respect to x where the method will
want it), and begins the next step:

    step | bare, step | bare, step | ...

So both are measured on the code that runs, in one process, pair by pair, and what else the machine does meets both. The
figure is the median over the pairs of step / bare. On a GPU the marks are CUDA events, and nothing waits for them. On a
CPU with one thread they are the processor time of the process, which other programs hardly lengthen.
"""

import copy
import ctypes
import gc
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from teachdiff.checks import check_name
from teachdiff.compare import RESTORING, method_options
from teachdiff.faces import portraits
from teachdiff.methods import METHODS
from teachdiff.operators.base import check_count
from teachdiff.priors.network import NetworkPrior
from teachdiff.problems import make_operator, observe
from teachdiff.settings import STEPS

# Total variation asks no network, and Dirac a restorer's.
ASKING = [name for name in METHODS if name not in ("admm_tv", *RESTORING)]
DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}
SIGMA = 0.1  # of the measurement, in [-1, 1] units


class Marks:
    """Moments in time on a device, and the milliseconds between them.

    Attributes:
        clock: "cuda events", "processor time" (a CPU with one thread) or "wall time" (with several).
    """

    def __init__(self, device: torch.device) -> None:
        if device.type not in ("cpu", "cuda"):
            raise ValueError(f"bench has clocks for cpu and cuda; got {device.type}.")
        alone = torch.get_num_threads() == 1
        self.clock = "cuda events" if device.type == "cuda" else "processor time" if alone else "wall time"
        self.now = time.process_time if alone else time.perf_counter
        self.found: list[Any] = []

    def set(self) -> None:
        if self.clock == "cuda events":
            self.found.append(torch.cuda.Event(enable_timing=True))
            self.found[-1].record()
        else:
            self.found.append(self.now())

    def intervals(self) -> list[float]:
        """Milliseconds from each mark to the next."""
        pairs = zip(self.found, self.found[1:], strict=False)
        if self.clock == "cuda events":
            torch.cuda.synchronize()
            return [a.elapsed_time(b) for a, b in pairs]
        return [1e3 * (b - a) for a, b in pairs]


class Clock(nn.Module):
    """The network, timed at every question: `pairs` holds (gradient, bare, step), in milliseconds.

    Arguments:
        network: called as network(x, t).
        marks: makes a `Marks`; a test hands in a clock of its own.
    """

    def __init__(self, network: Any, marks: Callable[[], Any]) -> None:
        super().__init__()
        self.network, self.make_marks = network, marks
        self.config = getattr(network, "config", {})

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        gradient = x.requires_grad and torch.is_grad_enabled()
        self.marks.set()
        bare = x.detach().requires_grad_(gradient)
        answer = self.network(bare, t)
        if gradient:
            torch.autograd.grad(answer.sum(), bare)
        self.marks.set()
        self.gradients.append(gradient)
        return self.network(x, t)

    def time(self, run: Callable[[], Any]) -> tuple[float, list[tuple[bool, float, float]]]:
        """Milliseconds before the first question, and for each question (gradient, bare, step)."""
        self.marks = self.make_marks()
        self.gradients: list[bool] = []
        self.marks.set()
        run()
        self.marks.set()
        before, *rest = self.marks.intervals()
        return before, list(zip(self.gradients, rest[0::2], rest[1::2], strict=True))


@dataclass(frozen=True)
class Cost:
    """What one method costs in one place: a row of `teachdiff bench --json`. A method some of whose steps want a
    gradient through the network and some do not has two rows.

    Attributes:
        size, batch: H = W in pixels, and the images of a batch.
        dtype: of the network; where that is half a precision the chain is in float32.
        compiled: the prior is `NetworkPrior.fast`.
        clock: see `Marks`.
        bare_ms, step_ms: medians; `gradient` says whether both hold the gradient with respect to x.
        overhead_ratio: median over the pairs of step / bare.
        images_per_second: batch over the time of a whole chain of `evaluations` steps at their medians.
        peak_memory: bytes that the run held at its peak beyond what was there before (the weights): on a GPU of
            torch's allocator, on Linux's CPU of the process; None where nobody knows.
        pairs: how many were measured, after a run that was thrown away.
        bare_spread, step_spread, ratio_spread: lower and upper quartile.
        start_ms: what the first run took beyond its calls and steps at their medians: tables, tuning, compiling.
    """

    method: str
    network: str
    size: int
    batch: int
    dtype: str
    device: str
    compiled: bool
    bare_ms: float
    step_ms: float
    overhead_ratio: float
    images_per_second: float
    peak_memory: int | None
    task: str
    gradient: bool
    evaluations: int
    pairs: int
    bare_spread: tuple[float, float]
    step_spread: tuple[float, float]
    ratio_spread: tuple[float, float]
    start_ms: float
    clock: str
    machine: str
    notes: list[str] = field(default_factory=list)


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """The lower and the upper one."""
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def measure(
    prior: NetworkPrior,
    method: str,
    *,
    network: str = "network",
    size: int = 64,
    batch: int = 1,
    task: str = "inpaint_box",
    steps: int = STEPS,
    pairs: int = 30,
    compiled: bool = False,
    marks: Callable[[], Any] | None = None,
) -> list[Cost]:
    """The costs of one method: one row, or two where only some of its steps want a gradient.

    Arguments:
        prior: a network's, in the dtype and on the device to measure.
        network: what to call it.
        steps: of the chain whose images per second are given; the chains that are timed have at most `pairs`.
        pairs: at least so many are measured of each row.
        compiled: what the rows say of the prior.

    Raises:
        ValueError: an unknown method or task, one that asks no network, a size that the task or the network refuses,
            a device without a clock.
    """
    check_name(method, ASKING, "method that asks the network")
    for name, count in (("size", size), ("batch", batch), ("steps", steps), ("pairs", pairs)):
        check_count(count, name)
    problem = problem_for(prior, task, size, batch)
    device = problem.y.device
    clock = Clock(prior.network, marks or (lambda: Marks(device)))
    clocked = copy.copy(prior)
    clocked.network = clock
    T = prior.schedule.T
    whole = method_options(method, task, T, min(steps, T), problem.operator.input_shape)
    timed = method_options(method, task, T, min(steps, T, max(2, pairs)), problem.operator.input_shape)
    function: Any = METHODS[method]

    def run() -> None:
        function(clocked, problem, **timed)

    before, first = clock.time(run)  # its first bare call compiles, where there is something to compile
    found: list[tuple[bool, float, float]] = []
    # Each kind of step has a share in every run; the runs go on until the rarer has enough.
    kinds = sorted({gradient for gradient, _, _ in first}, reverse=True)

    def runs() -> None:
        while min(sum(gradient == kind for gradient, _, _ in found) for kind in kinds) < pairs:
            found.extend(clock.time(run)[1])

    peak, notes = peak_of(runs, device)
    own = {kind: [(bare, step) for gradient, bare, step in found if gradient == kind] for kind in kinds}
    usual_bare = {kind: statistics.median(bare for bare, _ in own[kind]) for kind in kinds}
    usual_step = {kind: statistics.median(step for _, step in own[kind]) for kind in kinds}
    chain = sum(usual_step[kind] for kind, _, _ in first)
    start = before + sum(bare - usual_bare[kind] + step - usual_step[kind] for kind, bare, step in first)
    evaluations = len(first) * whole["steps"] // timed["steps"] if "steps" in whole else len(first)
    rows = []
    for kind in kinds:
        bares, taken, ratios = zip(*((bare, step, step / bare) for bare, step in own[kind]), strict=True)
        rows.append(
            Cost(
                method,
                network,
                size,
                batch,
                str(next(prior.network.parameters()).dtype).removeprefix("torch."),
                device.type,
                compiled,
                bare_ms=usual_bare[kind],
                step_ms=usual_step[kind],
                overhead_ratio=statistics.median(ratios),
                images_per_second=1e3 * batch * len(first) / (chain * evaluations),
                peak_memory=peak,
                task=task,
                gradient=kind,
                evaluations=evaluations,
                pairs=len(own[kind]),
                bare_spread=quartiles(bares),
                step_spread=quartiles(taken),
                ratio_spread=quartiles(ratios),
                start_ms=max(0.0, start),
                clock=clock.marks.clock,
                machine=machine(device),
                notes=notes,
            )
        )
    return rows


def problem_for(prior: NetworkPrior, task: str, size: int, batch: int, **options: Any):
    """A task, with its options, done to `batch` portraits in the channels, dtype and device of a network."""
    weight = next(prior.network.parameters())
    truth = portraits(batch, size).to(weight.device, torch.promote_types(weight.dtype, torch.float32))
    channels = getattr(prior.network, "config", {}).get("image_channels", 3)
    truth = truth.mean(1, keepdim=True).expand(-1, channels, -1, -1) if channels != 3 else truth
    return observe(make_operator(task, (channels, size, size), **options), truth, SIGMA)


def network_of(name: str, find: Callable[[str], Path], device: torch.device) -> NetworkPrior:
    """The prior of a name. "ffhq" is the published layout of FFHQ-256 with random weights: time does not see them.
    "none" answers with its input: what a step takes is the method's own.

    Raises:
        ValueError: whatever `load_prior` refuses, or a prior without a network.
    """
    from teachdiff.priors.checkpoints import load_prior
    from teachdiff.priors.guided import LAYOUTS, GuidedUNet
    from teachdiff.schedules import linear

    if name == "ffhq":
        torch.manual_seed(0)
        network = GuidedUNet(**LAYOUTS["FFHQ-256"]).requires_grad_(False).eval()
        return NetworkPrior(network, linear(T=1000), learned_variance=True).to(device)
    if name == "none":
        return NetworkPrior(Echo().requires_grad_(False), linear(T=1000)).to(device)
    prior = load_prior(find(name), device)
    if not isinstance(prior, NetworkPrior):
        raise ValueError(f"bench measures networks; {name} is a {type(prior).__name__}, which has none.")
    return prior


class Echo(nn.Module):
    """The network that answers with its input."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.one * x


def peak_of(run: Callable[[], Any], device: torch.device) -> tuple[int | None, list[str]]:
    """The bytes that a run holds at its peak beyond those that were held before, or None and why not."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before, []
    try:
        # What was freed and not given back would be taken again unseen; writing 5 forgets the peak so far.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
    except (OSError, AttributeError, TypeError, StopIteration):
        run()
        return None, ["peak_memory: on a CPU it is known on Linux only"]
    run()
    return max(0, resident("VmHWM") - before), []


def resident(what: str) -> int:
    """Bytes of this process in memory: now (VmRSS), or at the most (VmHWM). Linux only."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:"))


def machine(device: torch.device) -> str:
    """The processor, its threads, and the version of torch."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} thread(s), torch {torch.__version__}"


def measure_all(
    priors: dict[str, NetworkPrior],
    methods: Sequence[str],
    sizes: Sequence[int],
    batches: Sequence[int],
    dtypes: Sequence[str],
    compiled: Sequence[bool],
    **options: Any,
) -> Iterator[list[Cost]]:
    """The rows of each method, network, size, batch, dtype, and of the plain and the fast path; see `measure`."""
    for name, prior in priors.items():
        for dtype in dtypes:
            for fast in compiled:
                model = prior.fast(DTYPES[dtype], compile=fast) if fast or dtype != "float32" else prior
                for size in sizes:
                    for batch in batches:
                        for method in methods:
                            yield measure(
                                model, method, network=name, size=size, batch=batch, compiled=fast, **options
                            )
