r"""Assignment 4: SDEdit, ScoreALD and DPS: what a measurement does to the reverse chain."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from teachdiff.course.judging import (
    TOLERANCE,
    close,
    judge_law,
    law_queries,
    levels,
    numbers,
    part,
    prior_of,
    problem_of,
    seed_of,
    signal_and_variance,
    statement,
    step_numbers,
)
from teachdiff.course.model import Answer, Assignment, Check, Cut, Exercise, Query
from teachdiff.testing.core import LawBroken
from teachdiff.testing.worlds import PATHS, GaussianWorld, mixture_prior

SDEDIT, ALD, REVERSE, DPS = "sdedit.py", "score_ald.py", "reverse.py", "dps.py"
EXACT, EXACT_PATH = (statement("method", name) for name in ("exact_law", "exact_path"))


def walked(file: str, world: GaussianWorld, option: Mapping[str, Any]) -> list[int]:
    """The times of a chain from its start on: all of them, but for SDEdit."""
    T = world.schedule.T
    return list(range(option.get("t_start", (T + 1) // 2 if file == SDEDIT else T), 0, -1))


def chain_queries(
    file: str, options: Sequence[Mapping[str, Any]], rng: np.random.Generator, lengths: Sequence[int] = (1, 2, 3, 5)
) -> list[Query]:
    return law_queries(file, options, partial(walked, file), rng, closed=("t_start",), lengths=lengths)


# 1  SDEdit


def start_queries(rng: np.random.Generator) -> list[Query]:
    bars = levels(rng, 6)
    return [
        Query(SDEDIT, "sdedit_start", {"y": y, "z": z, "alpha_bar": float(bars[t])}, about={"bars": bars, "t": t})
        for t in (1, 3, 6)
        for y, z in [rng.standard_normal((2, 2, 1, 2, 3))]
    ]


def judge_start(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        signal, variance = signal_and_variance(query.about["bars"], query.about["t"])
        expected = signal * query.arguments["y"] + variance**0.5 * query.arguments["z"]
        close(answer.value, expected, f"a pixel of x_t* at t* = {query.about['t']}", "the forward steps, from y")


def masked_queries(rng: np.random.Generator) -> list[Query]:
    queries = []
    for T in (2, 5):
        world = GaussianWorld(seed_of(rng), T=T)
        mask = np.array([1.0, 0.0, 1.0, 0.0]).reshape(1, 1, 4)
        y = mask * rng.standard_normal((2, 1, 1, 4))
        draws = {str(t): rng.standard_normal((2, 1, 1, 4)) for t in range(1, T + 1)}
        problem = {"make": "masked", "mask": mask, "y": y, "sigma": 0.1}
        arguments = {"prior": prior_of(world), "problem": problem, "noise": {"make": "noise", "draws": draws}}
        queries.append(Query(SDEDIT, "sdedit", {**arguments, "masked": True, "t_start": T}, driver="chain"))
    return queries


def judge_masked(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        mask, y = query.arguments["problem"]["mask"], query.arguments["problem"]["y"]
        x = numbers(part(answer, 0), "the result", y.shape)
        close(mask * x, y, "a seen pixel of the result", "of the measurement")
        if (np.abs(x - y)[:, mask == 0] < 1e-6).any():
            raise LawBroken("a hidden pixel is left as it was: 0")


sdedit = Exercise(
    id="1",
    title="SDEdit",
    text=r"""
The measurement is noised up to t* and the prior walks back; nothing else is known of y. Write `sdedit_start` and
`sdedit`. The start is the measurement's picture, `problem.operator.picture(y)`. With `masked` the kernel is
`keep_seen(problem)`, and `repeats` makes the round trip several times.
""",
    cuts=(Cut("teachdiff.methods.sdedit", ("sdedit_start", "sdedit"), SDEDIT),),
    hints=(
        "`prior.schedule.respace(steps, start=t_start)` is the schedule of a chain that begins at t*.",
        "The start needs the ᾱ of t*, that of all steps up to there: `schedule.alpha_bar[-1]` of the respaced one.",
    ),
    checks=(
        Check(
            "start", 3, "x_t* is y with the noise of t* forward steps.", start_queries, judge_start,
            "sdedit", "methods/sdedit.md",
        ),
        Check(
            "exact_law", 5, EXACT, partial(chain_queries, SDEDIT, [{}]), judge_law, "sdedit", "methods/sdedit.md",
        ),
        Check(
            "t_start", 2, "Started at any t*, mean and covariance are those of the closed form.",
            partial(chain_queries, SDEDIT, [{"t_start": 1}, {"t_start": 4}], lengths=(5,)), judge_law,
            "sdedit", "methods/sdedit.md", visible=False,
        ),
        Check(
            "masked", 2, "With a mask what is seen stays y.", masked_queries, judge_masked,
            "sdedit", "methods/sdedit.md",
        ),
    ),
)  # fmt: skip


# 2  Bayes, and ScoreALD


def bayes_queries(rng: np.random.Generator) -> list[Query]:
    bars = levels(rng, 6)
    queries = []
    for t in (1, 3, 6):
        numbers_ = step_numbers(bars, t)
        queries.append(Query(REVERSE, "bayes_step", {"alpha": numbers_["alpha"]}, about=numbers_))
    return queries


def judge_bayes(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    """A score that is larger by 1 makes x0_hat larger by (1 - ᾱ)/√ᾱ, and x0_hat has its weight in the mean."""
    for query, answer in zip(queries, answers, strict=True):
        a, bar, prev = (query.about[name] for name in ("alpha", "alpha_bar", "alpha_bar_prev"))
        expected = prev**0.5 * (1 - a) / (1 - bar) * (1 - bar) / bar**0.5
        close(answer.value, expected, f"the coefficient with α = {a:.4g}", "how far a score of 1 moves the mean")


def score_queries(rng: np.random.Generator, batch: int = 1) -> list[Query]:
    queries = []
    for rows, gamma in ((1, 0.0), (3, float(rng.uniform(0.5, 3))), (4, float(rng.uniform(0.5, 3)))):
        matrix, sigma = rng.standard_normal((rows, 4)), float(rng.uniform(0.2, 1.5))
        x, y = rng.standard_normal((batch, 1, 1, 4)), rng.standard_normal((batch, 1, 1, rows))
        problem = {"make": "problem", "matrix": matrix, "y": y, "sigma": sigma}
        queries.append(Query(ALD, "tempered_score", {"problem": problem, "x": x, "gamma_t": gamma}))
    return queries


def judge_score(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    """By differences of log N(y; A x, σ² + γ²), which are exact: it is quadratic."""
    for query, answer in zip(queries, answers, strict=True):
        problem, x, gamma = (query.arguments[name] for name in ("problem", "x", "gamma_t"))
        A, y, variance = problem["matrix"], problem["y"].reshape(len(x), -1), problem["sigma"] ** 2 + gamma**2

        def log_density(flat: np.ndarray, A=A, y=y, variance=variance) -> np.ndarray:
            return -((y - flat @ A.T) ** 2).sum(1) / (2 * variance)

        flat = x.reshape(len(x), -1)
        expected = np.stack([(log_density(flat + e) - log_density(flat - e)) / 2 for e in np.eye(4)], axis=1)
        what = f"a pixel of the score with σ = {problem['sigma']:.4g}, γ = {gamma:.4g}"
        close(answer.value, expected.reshape(x.shape), what, "the slope of log N(y; A x, σ² + γ²)")


ald = Exercise(
    id="2",
    title="Bayes' coefficient, and ScoreALD",
    text=r"""
By Bayes' rule the measurement adds a second score to the prior's. Write `bayes_step`, the coefficient that any
score gets in the reverse mean, and `tempered_score`: the likelihood's score at x, its variance widened by γ_t².
""",
    cuts=(
        Cut("teachdiff.methods.reverse", ("bayes_step",), REVERSE),
        Cut("teachdiff.methods.score_ald", ("tempered_score",), ALD),
    ),
    hints=(
        "x_{t-1} = (x_t + (1 − α_t) s)/√α_t: what stands before s?",
        "Write down log N(y; A x, v I) and differentiate. The sign comes out by itself.",
        "σ and γ are standard deviations.",
    ),
    checks=(
        Check(
            "coefficient", 4, "A score moves the mean of x_{t-1} by (1 - α_t)/√α_t times itself.", bayes_queries,
            judge_bayes, "bayes_score", "methods/score_ald.md",
        ),
        Check(
            "score", 6, "The tempered score is the slope of log N(y; A x, (σ² + γ²) I) in x.", score_queries,
            judge_score, "likelihood_score", "methods/score_ald.md",
        ),
        Check(
            "batch", 2, statement("method", "batch"), partial(score_queries, batch=3), judge_score,
            "likelihood_score", "methods/score_ald.md", visible=False,
        ),
    ),
)  # fmt: skip


# 3  DPS


def guidance_queries(step: str, rng: np.random.Generator) -> list[Query]:
    """At single steps, for a batch of different images."""
    queries = []
    for t in (1, 3, 6):
        seed = seed_of(rng)
        world = GaussianWorld(seed)
        at = {"make": "step", "t": t, "t_prev": t - 1, **step_numbers(world.schedule.alpha_bar.numpy(), t)}
        options = {"step": step, "zeta": float(rng.uniform(0.5, 2)) if step == "norm" else 1.0}
        given = {
            "prior": prior_of(world), "problem": problem_of(world, 3), "step": at,
            "x_t": rng.standard_normal((3, 1, 1, 4)), "options": options,
        }  # fmt: skip
        queries.append(Query(DPS, "dps_guidance", given, driver="guidance", about={"seed": seed}))
    return queries


def judge_guidance(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    """x0_hat = G x + b by regression: the gradient goes through G."""
    for query, answer in zip(queries, answers, strict=True):
        world, at, options = GaussianWorld(query.about["seed"]), query.arguments["step"], query.arguments["options"]
        G, b = (v.numpy() for v in world.x0_hat(at["alpha_bar"]))
        A, y = world.matrix.numpy(), world.problem.y.numpy().flatten()
        x_t = query.arguments["x_t"]
        residual = y - (x_t.reshape(3, -1) @ G.T + b) @ A.T
        pull = residual @ A @ G
        if options["step"] == "norm":
            expected = options["zeta"] * pull / np.linalg.norm(residual, axis=1, keepdims=True)
        else:
            expected = (1 - at["alpha"]) / at["alpha"] ** 0.5 * pull / world.sigma**2
        what = f"a pixel of the shift at t = {at['t']}"
        close(answer.value, expected.reshape(x_t.shape), what, "the gradient through E[x_0 | x_t], by regression")


def curved_queries(rng: np.random.Generator) -> list[Query]:
    """A prior with two modes: its denoiser is no matrix."""
    queries = []
    for t in (2, 5):
        seed = seed_of(rng)
        world = GaussianWorld(seed)
        prior = mixture_prior(world, seed % 1000)
        bars = world.schedule.alpha_bar.numpy()
        cov = world.cov.numpy() + 0.1 * np.eye(4)
        means = np.stack([c.mean.values.numpy().reshape(1, 1, 4) for c in prior.components])
        of = {"weights": [0.4, 0.6], "means": means, "covs": np.stack([0.3 * cov, cov])}
        mixture = {"make": "mixture", "alpha_bar": bars, **of}
        at = {"make": "step", "t": t, "t_prev": t - 1, **step_numbers(bars, t)}
        given = {
            "prior": mixture, "problem": problem_of(world, 2), "step": at, "x_t": rng.standard_normal((2, 1, 1, 4)),
            "options": {"step": "norm", "zeta": 1.0},
        }  # fmt: skip
        queries.append(Query(DPS, "dps_guidance", given, driver="guidance", about={"seed": seed}))
    return queries


def judge_curved(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        seed = query.about["seed"]
        world = GaussianWorld(seed)
        prior, t = mixture_prior(world, seed % 1000), torch.tensor(query.arguments["step"]["t"])
        A, y, x_t = world.matrix, world.problem.y.flatten(), torch.from_numpy(query.arguments["x_t"])

        def misfit(x, prior=prior, t=t, A=A, y=y):
            return (y - prior.denoise(x, t).flatten(1) @ A.mT).norm(dim=1)

        h = 1e-5
        steps = h * torch.eye(4, dtype=torch.float64).view(4, 1, 1, 1, 4)
        expected = torch.stack([-(misfit(x_t + e) - misfit(x_t - e)) / (2 * h) for e in steps], dim=1)
        what = f"a pixel of the shift at t = {int(t)}, for a prior with two modes"
        close(answer.value, expected.view(x_t.shape).numpy(), what, "the slope of the misfit, by differences", 1e-7)


def path_queries(rng: np.random.Generator) -> list[Query]:
    queries = []
    for T in (1, 3, 5):
        seed = seed_of(rng)
        world = GaussianWorld(seed, T=T)
        draws = {str(t): rng.standard_normal((2, 1, 1, 4)) for t in range(1, T + 1)}
        zeta = float(rng.uniform(0.3, 1.5))
        arguments = {
            "prior": prior_of(world), "problem": problem_of(world, 2), "noise": {"make": "noise", "draws": draws},
            "zeta": zeta,
        }  # fmt: skip
        queries.append(Query(DPS, "dps", arguments, driver="chain", about={"seed": seed, "T": T}))
    return queries


def judge_path(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        T, draws = query.about["T"], query.arguments["noise"]["draws"]
        world = GaussianWorld(query.about["seed"], T=T)
        x = numbers(part(answer, 0), "the samples", (2, 1, 1, 4))
        for k in range(2):
            order = iter([torch.from_numpy(draws[str(t)][k].flatten()) for t in range(T, 0, -1)])
            expected = PATHS["dps_norm"](world, order, zeta=query.arguments["zeta"])
            what, beside = f"a pixel of the result with T = {T}", "of DPS with the norm's gradient, step after step"
            close(x[k].flatten(), expected.numpy(), what, beside, 10 * TOLERANCE)


dps = Exercise(
    id="3",
    title="DPS",
    text=r"""
The likelihood is taken at x̂0(x_t), and differentiated *through the denoiser*. Write `gradient` (each sample's
number by that sample's x_t), `dps_guidance` (the two steps in use, see the docstring of the module) and `dps`.
""",
    cuts=(Cut("teachdiff.methods.dps", ("gradient", "dps_guidance", "dps"), DPS),),
    hints=(
        "A sum over samples has each sample's gradient: no sample sees another's.",
        "`problem.residual(x0_hat)` is y − A x̂0. One norm for each sample, not squared.",
        "The loop needs `differentiate=True`.",
        "The signs: log-likelihood goes up, misfit goes down.",
    ),
    checks=(
        Check(
            "likelihood_step", 4, "The shift is (1 - α)/√α times the gradient of log N(y; A x̂0(x_t), σ² I) in x_t.",
            partial(guidance_queries, "likelihood"), judge_guidance, "dps", "methods/dps.md",
        ),
        Check(
            "norm_step", 4, "The shift is -ζ times the gradient of ‖y - A x̂0(x_t)‖, not squared, for each sample.",
            partial(guidance_queries, "norm"), judge_guidance, "dps", "methods/dps.md",
        ),
        Check(
            "exact_law", 4, EXACT, partial(chain_queries, DPS, [{"step": "likelihood"}]), judge_law,
            "dps", "methods/dps.md",
        ),
        Check("exact_path", 3, EXACT_PATH, path_queries, judge_path, "dps", "methods/dps.md"),
        Check(
            "curved", 3, "The gradient goes through a denoiser that is no matrix, too.", curved_queries, judge_curved,
            "dps", "methods/dps.md", visible=False,
        ),
    ),
)  # fmt: skip


ASSIGNMENT = Assignment(
    id="hw4",
    title="SDEdit, ScoreALD and DPS",
    text=r"""
Three ways to let a measurement into the reverse chain: by the start, by a score at the wrong place that is kept
weak, and by a score through the denoiser. None of them samples the posterior; what each does sample is known
exactly for a Gaussian prior, and your code must sample just that.
""",
    minutes=180,
    exercises=(sdedit, ald, dps),
)
