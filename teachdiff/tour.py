"""The guided tour: prove, refute, degrade, restore, imagine. `run_tour` computes; `teachdiff.report` shows.

Chains are independent of each other, so each runs on one thread and as many run at once as torch would use
threads: that keeps every core busy, slows down gently where another program wants the cores, and makes no
result depend on their number.
"""

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from teachdiff.compare import Case, Counted, Row, degrade, measure, run_case
from teachdiff.data import astronaut_face, portraits
from teachdiff.methods.ddim import ddim
from teachdiff.metrics import consistency, psnr
from teachdiff.noise import sample_seeds
from teachdiff.priors.checkpoints import load_prior
from teachdiff.problems import make_operator, observe, sigma_from_unit_range
from teachdiff.settings import HELD_OUT, SIGMA

TASKS_OF_TOUR = ("inpaint_box", "inpaint_random", "deblur_gaussian", "sr4")
METHODS_OF_TOUR = (
    "measurement", "classical", "tweedie", "sdedit", "score_ald", "dps", "ddrm", "pnp_admm"
)  # fmt: skip
# What the methods of the tour rest on, and printed formulas that are wrong about it: a few seconds' worth.
PROOFS = (
    "vp_marginal",
    "tweedie",
    "posterior",
    "predictions",
    "reverse_mean",
    "bayes_score",
    "ddim",
    "likelihood_score",
    "dps",
    "mashayak.eq12",
    "mashayak.eq13a",
    "mashayak.eq13b",
    "mashayak.eq17",
    "mashayak.eq7b",
    "rao.app3.line7b",
    "liu.alpha",
    "liu.dps",
)
ROUNDS = 24  # of PnP-ADMM, each one evaluation
GRADIENT_COST = 2.1  # a step that differentiates through the network, in network evaluations


@dataclass(frozen=True)
class Plan:
    """How much the tour computes. The command line knows one plan; tests have a smaller one.

    Attributes:
        proofs: names or globs of derivations and ledger rows.
        size, hero_size, portrait_size: pixels a side.
        steps, hero_steps, sdedit_steps, sample_steps, portrait_steps: of the chains.
        t_starts: of SDEdit, for T = 1000.
        samples, inpainted: how many portraits.
        eyes: top, left, height, width of the box over the eyes, as shares of the side.
    """

    proofs: tuple[str, ...] = PROOFS
    size: int = 64
    steps: int = 100
    sdedit_steps: int = 25
    t_starts: tuple[int, ...] = (100, 200, 400)
    hero_size: int = 128
    hero_task: str = "inpaint_random"
    hero_steps: int = 100
    portrait_size: int = 32
    samples: int = 16
    sample_steps: int = 50
    inpainted: int = 8
    portrait_steps: int = 100
    eyes: tuple[float, float, float, float] = (11 / 32, 6 / 32, 10 / 32, 20 / 32)


@dataclass
class Tour:
    """Everything that the tour found. Images are (1, 3, H, W) on the CPU.

    Attributes:
        proofs: as `teachdiff prove --json` prints it.
        cases: task -> the degraded face; images: (task, method) -> the restored one; rows: their figures.
        hero_case, hero_image, hero_row: the large picture.
        samples: drawn from the prior; samples_row: their cost.
        portrait_cases, portrait_images, portrait_rows: the held-out portraits.
        sigma: in [0, 1] units.
    """

    command: str
    device: str
    seed: int
    plan: Plan
    sigma: float = SIGMA
    proofs: dict[str, Any] = field(default_factory=dict)
    proof_seconds: float = 0.0
    cases: dict[str, Case] = field(default_factory=dict)
    images: dict[tuple[str, str], Tensor] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    hero_case: Case | None = None
    hero_image: Tensor | None = None
    hero_row: Row | None = None
    samples: list[Tensor] = field(default_factory=list)
    samples_seconds: float = 0.0
    samples_evaluations: int = 0
    portrait_truths: list[Tensor] = field(default_factory=list)
    portrait_measurements: list[Tensor] = field(default_factory=list)
    portrait_images: list[Tensor] = field(default_factory=list)
    portrait_rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0

    def by_task(self) -> dict[str, list[Row]]:
        """The rows of each task, in the order of `METHODS_OF_TOUR`."""
        return {
            task: sorted((r for r in self.rows if r.task == task), key=lambda r: METHODS_OF_TOUR.index(r.method))
            for task in self.cases
        }

    @property
    def refutations(self) -> int:
        """False statements for which an exact counterexample was found."""
        inside = [s for d in self.proofs["derivations"] for s in d["steps"] if s["kind"] == "differs"]
        proved = [s for s in inside if s["status"] == "proved"]
        return len(proved) + sum(row["status"] == "refuted" for row in self.proofs["ledger"])


class Stopped(Exception):
    """Raised inside a chain when the tour was interrupted."""


@dataclass(frozen=True)
class Job:
    """One piece of work: `run(tick)` calls `tick()` at each step; `cost` in evaluations of a 64 x 64 image."""

    label: str
    cost: float
    ticks: int
    run: Callable[[Callable[..., None]], None]


def run_tour(
    *,
    device: torch.device | str = "cpu",
    seed: int = 0,
    plan: Plan | None = None,
    priors: Mapping[str, str] | None = None,
    on_progress: Callable[[str, float], None] | None = None,
    command: str = "teachdiff tour",
) -> Tour:
    """Compute the whole tour.

    Arguments:
        priors: what to load as "photos" and "portraits", if not the bundled ones.
        on_progress: called as on_progress(what is done now, share of the whole), from any thread.

    Raises:
        ValueError: a prior that cannot be loaded.
        FloatingPointError: a chain diverged.
    """
    begun = time.perf_counter()
    plan = plan or Plan()
    device = torch.device(device)
    tell = on_progress or (lambda act, share: None)
    names = {"photos": "photos", "portraits": "portraits", **(priors or {})}
    tell("reading the priors", 0.0)
    photos, faces = (load_prior(names[kind], device) for kind in ("photos", "portraits"))
    tour = Tour(command, str(device), seed, plan)

    def on_proof(done: int, total: int, name: str, result: Any) -> None:
        tell("proving the identities", 0.05 * done / max(1, total))

    started = time.perf_counter()
    derivations = import_module("derivations")
    report = derivations.run(list(plan.proofs), on_progress=on_proof)
    tour.proofs = report.as_json()
    tour.proof_seconds = time.perf_counter() - started

    jobs = [
        *photograph_jobs(tour, photos, names["photos"], device),
        hero_job(tour, photos, names["photos"], device),
        *portrait_jobs(tour, faces, names["portraits"], device),
    ]
    run_jobs(jobs, device, lambda act, share: tell(act, 0.05 + 0.95 * share))
    tour.seconds = time.perf_counter() - begun
    return tour


def run_jobs(jobs: list[Job], device: torch.device, tell: Callable[[str, float], None]) -> None:
    """Run the jobs, the longest first, on as many threads as torch has; on a GPU one after the other."""
    threads = torch.get_num_threads()
    workers = threads if device.type == "cpu" else 1
    whole = sum(job.cost for job in jobs)
    done, label = 0.0, ""
    lock, stop = threading.Lock(), threading.Event()

    def work(job: Job) -> None:
        nonlocal label
        label = job.label
        tell(label, done / whole)

        spent = 0.0

        def advance(cost: float) -> None:
            nonlocal done, spent
            with lock:
                done, spent = done + cost, spent + cost
                share = min(1.0, done / whole)
            tell(label, share)

        def tick(*_: object) -> None:
            if stop.is_set():
                raise Stopped
            advance(job.cost / job.ticks)

        job.run(tick)
        advance(job.cost - spent)  # an optimiser may have stopped early

    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(work, job) for job in sorted(jobs, key=lambda job: -job.cost)]
            try:
                finished, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in finished:
                    future.result()
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        torch.set_num_threads(threads)


def photograph_jobs(tour: Tour, prior, name: str, device: torch.device) -> list[Job]:
    """The face, under each task, by each method."""
    plan, T = tour.plan, prior.schedule.T
    truth = astronaut_face(plan.size).to(device)
    sigma = sigma_from_unit_range(tour.sigma)
    jobs = []
    for case in degrade({"astronaut": truth}, TASKS_OF_TOUR, sigma=sigma, seed=tour.seed):
        tour.cases[case.task] = case
        tour.rows.append(measurement_row(case, tour.seed))
        tour.images[case.task, "measurement"] = shown(case.measurement)

        def keep(case: Case, row: Row, x0: Tensor | None) -> None:
            if x0 is None:
                raise FloatingPointError(f"{row.method} on {row.task}: {row.notes[0]}")
            tour.images[case.task, row.method] = shown(x0)
            tour.rows.append(row)

        def without_network(tick, case=case, keep=keep) -> None:
            keep(case, *run_case(prior, case, "classical", prior_name="none", seed=tour.seed))
            tick()

        def once(method: str, steps: int, case=case, keep=keep):
            def run(tick) -> None:
                keep(case, *run_case(
                    prior, case, method, prior_name=name, steps=steps, seed=tour.seed, on_step=tick
                ))  # fmt: skip

            return run

        def best_of_sdedit(tick, case=case, keep=keep) -> None:
            runs = []
            for t in plan.t_starts:
                t_start = max(1, round(t * T / 1000))
                steps = min(plan.sdedit_steps, t_start)
                runs.append((t_start, *run_case(
                    prior, case, "sdedit", prior_name=name, seed=tour.seed, on_step=tick, t_start=t_start, steps=steps
                )))  # fmt: skip
            t_start, row, x0 = max(runs, key=lambda run: -1.0 if run[1].psnr is None else run[1].psnr)
            listed = ", ".join(str(run[0]) for run in runs)
            note = f"t* = {t_start}, the best of {listed} by PSNR: chosen with the truth in hand"
            seconds, evaluations = (sum(getattr(r[1], key) or 0 for r in runs) for key in ("seconds", "evaluations"))
            keep(case, dataclasses.replace(
                row, seconds=seconds, evaluations=evaluations, notes=[note, *row.notes]
            ), x0)  # fmt: skip

        area = (plan.size / 64) ** 2
        chain, walk = min(plan.steps, T), plan.sdedit_steps * len(plan.t_starts)
        jobs += [
            Job(f"{case.task}: classical", 5, 1, without_network),
            Job(f"{case.task}: tweedie", area, 1, once("tweedie", 1)),
            Job(f"{case.task}: SDEdit", area * walk, walk, best_of_sdedit),
            Job(f"{case.task}: ScoreALD", area * chain, chain, once("score_ald", chain)),
            Job(f"{case.task}: DPS", GRADIENT_COST * area * chain, chain, once("dps", chain)),
            Job(f"{case.task}: DDRM", area * min(20, chain), min(20, chain), once("ddrm", chain)),
            Job(f"{case.task}: PnP-ADMM", area * ROUNDS, ROUNDS, once("pnp_admm", chain)),
        ]
    return jobs


def shown(x: Tensor) -> Tensor:
    """What a picture of x shows: its values clamped to [-1, 1], on the CPU."""
    return x.detach().float().clamp(-1, 1).cpu()


def measurement_row(case: Case, seed: int) -> Row:
    """The row of the measurement itself, taken for a picture."""
    figures, notes = measure(case.measurement, case.truth, case.problem)
    return Row(
        case.task, "measurement", "none", case.image, seed, **figures, seconds=0.0, evaluations=0, peak_memory=None,
        notes=notes,
    )  # fmt: skip


def hero_job(tour: Tour, prior, name: str, device: torch.device) -> Job:
    """One large picture, by DPS."""
    plan = tour.plan
    steps = min(plan.hero_steps, prior.schedule.T)
    truth = astronaut_face(plan.hero_size).to(device)
    sigma = sigma_from_unit_range(tour.sigma)
    tour.hero_case = case = next(degrade({"astronaut": truth}, [plan.hero_task], sigma=sigma, seed=tour.seed))

    def run(tick) -> None:
        row, x0 = run_case(
            prior,
            case,
            "dps",
            prior_name=name,
            steps=steps,
            seed=tour.seed,
            on_step=tick,
        )
        if x0 is None:
            raise FloatingPointError(f"dps on the large picture: {row.notes[0]}")
        tour.hero_row, tour.hero_image = row, shown(x0)

    cost = GRADIENT_COST * (plan.hero_size / 64) ** 2 * steps
    return Job(f"{plan.hero_size} x {plan.hero_size}: DPS", cost, steps, run)


def portrait_jobs(tour: Tour, prior, name: str, device: torch.device) -> list[Job]:
    """Faces drawn from the prior, and faces whose eyes it has to fill in, in batches of four."""
    plan, T, side = tour.plan, prior.schedule.T, tour.plan.portrait_size
    shape = (3, side, side)
    area, batch = (side / 64) ** 2, 4
    steps, drawn = min(plan.portrait_steps, T), min(plan.sample_steps, T)
    jobs = []

    samples: dict[int, Tensor] = {}
    for first in range(0, plan.samples, batch):
        seeds = sample_seeds(tour.seed, plan.samples)[first : first + batch]

        def draw(tick, first=first, seeds=seeds) -> None:
            counted = Counted(prior)
            started = time.perf_counter()
            samples[first] = shown(
                ddim(counted, shape=(len(seeds), *shape), device=device, steps=drawn, seed=seeds, on_step=tick)
            )
            tour.samples_seconds += time.perf_counter() - started
            tour.samples_evaluations = counted.evaluations
            if len(samples) == -(-plan.samples // batch):
                tour.samples = [x[None] for _, part in sorted(samples.items()) for x in part]

        jobs.append(Job("portraits: sampling", area * drawn * len(seeds), drawn, draw))

    top, left, height, width = (max(1, round(share * side)) for share in plan.eyes)
    operator = make_operator("inpaint_box", shape, top=top, left=left, height=height, width=width)
    truth = portraits(plan.inpainted, side, seed=HELD_OUT).to(device)
    sigma = sigma_from_unit_range(tour.sigma)
    seeds = sample_seeds(tour.seed, plan.inpainted)
    problem = observe(operator, truth, sigma, seed=seeds)
    tour.portrait_truths = [x[None] for x in truth.cpu()]
    tour.portrait_measurements = [x[None] for x in shown(operator.picture(problem.y))]
    parts: dict[int, tuple[list[Row], Tensor]] = {}
    for first in range(0, plan.inpainted, batch):
        some = slice(first, first + batch)

        def inpaint(tick, first=first, some=some) -> None:
            from teachdiff.compare import restore

            mine = observe(operator, truth[some], sigma, seed=seeds[some])
            run = restore(
                prior,
                mine,
                "dps",
                "inpaint_box",
                steps=steps,
                seed=seeds[some],
                on_step=tick,
            )
            count = len(mine.y)
            near, fits = psnr(run.x0.float().clamp(-1, 1), truth[some]), consistency(mine, run.x0)
            rows = [
                Row(
                    "inpaint_box", "dps", name, f"portrait {first + i + 1}", tour.seed, float(near[i]), None, None,
                    float(fits[i]), run.seconds / count, run.evaluations, None, ["computed in a batch of four"],
                )
                for i in range(count)
            ]  # fmt: skip
            parts[first] = rows, shown(run.x0)
            if len(parts) == -(-plan.inpainted // batch):
                for _, (these, images) in sorted(parts.items()):
                    tour.portrait_rows += these
                    tour.portrait_images += [x[None] for x in images]

        count = min(batch, plan.inpainted - first)
        jobs.append(Job("portraits: the eyes, by DPS", GRADIENT_COST * area * steps * count, steps, inpaint))
    return jobs
