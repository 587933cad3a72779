r"""Assignment 1: the forward process, its schedules, Tweedie's formula, score and epsilon."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from teachdiff.course.judging import close, levels, numbers, signal_and_variance, statement, step_back, step_numbers
from teachdiff.course.model import Answer, Assignment, Check, Cut, Exercise, Query
from teachdiff.schedules import Schedule
from teachdiff.testing.adapters import ScheduleView
from teachdiff.testing.core import REGISTRY, LawBroken

SCHEDULES, PREDICTIONS = "schedules.py", "predictions.py"
SHAPE = (2, 1, 2, 3)


# 1  Schedules


def linear_queries(rng: np.random.Generator) -> list[Query]:
    lengths = [1, 2, int(rng.integers(3, 10)), int(rng.integers(50, 200))]
    ends = [sorted(rng.uniform(1e-3, 0.1, 2).tolist()) for _ in lengths]
    return [
        Query(SCHEDULES, "linear", {"T": T, "beta_min": low, "beta_max": high})
        for T, (low, high) in zip(lengths, ends, strict=True)
    ]


def judge_linear(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        T, low, high = (query.arguments[name] for name in ("T", "beta_min", "beta_max"))
        beta = betas_of(answer, T)
        expected = [low + (high - low) * t / (T - 1) for t in range(T)] if T > 1 else [low]
        close(beta, expected, f"β_t of linear(T={T}, {low:.4g}, {high:.4g})", "the straight line")


def cosine_queries(rng: np.random.Generator) -> list[Query]:
    asked = [(1, 0.008, 0.999), (4, 0.1, 0.999), (int(rng.integers(20, 60)), float(rng.uniform(0, 0.05)), 0.999)]
    asked.append((int(rng.integers(20, 60)), 0.008, float(rng.uniform(0.2, 0.5))))
    return [Query(SCHEDULES, "cosine", {"T": T, "s": s, "beta_max": cap}) for T, s, cap in asked]


def judge_cosine(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        T, s, cap = (query.arguments[name] for name in ("T", "s", "beta_max"))
        beta = betas_of(answer, T)
        # cos² u = (1 + cos 2u)/2
        f = [1 + np.cos(np.pi * (t / T + s) / (1 + s)) for t in range(T + 1)]
        expected = [min(cap, 1 - f[t + 1] / f[t]) for t in range(T)]
        close(beta, expected, f"β_t of cosine(T={T}, s={s:.4g}, beta_max={cap:.4g})", "1 - f(t)/f(t-1), cut")


def betas_of(answer: Answer, T: int) -> np.ndarray:
    bars = numbers(answer.value, "the table of ᾱ", (T + 1,))
    if bars[0] != 1:
        raise LawBroken("ᾱ_0 is that of the clean image", float(bars[0]), 1.0)
    return 1 - bars[1:] / bars[:-1]


def both_queries(rng: np.random.Generator) -> list[Query]:
    return [*linear_queries(rng), *cosine_queries(rng)]


def judge_tables(law: str, queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        bars = numbers(answer.value, "the table of ᾱ", (query.arguments["T"] + 1,))
        REGISTRY["schedule", law].function(ScheduleView(Schedule(torch.from_numpy(bars))), None)  # type: ignore[arg-type]


schedule = Exercise(
    id="1",
    title="Two schedules",
    text=r"""
A schedule says how much noise there is at each time. Write `linear` (β_t rises in a straight line) and `cosine`
(ᾱ_t falls as a squared cosine). Both return a `Schedule`, which is made of the table ᾱ_0 = 1, ᾱ_1, …, ᾱ_T: T + 1
numbers, the clean image first. Build tables in float64.
""",
    cuts=(Cut("teachdiff.schedules", ("linear", "cosine"), SCHEDULES),),
    hints=(
        "ᾱ_t is a product: `torch.cumprod`.",
        "The clean image is not a step. The table of β has T entries, that of ᾱ has T + 1: put a 1 in front.",
        "For the cosine compute f at t = 0..T, then β_t = 1 - f(t)/f(t-1), cut it, and only then multiply up.",
    ),
    checks=(
        Check(
            "linear", 4, "β_t rises in a straight line from beta_min at t = 1 to beta_max at t = T; ᾱ_0 = 1.",
            linear_queries, judge_linear, "vp_marginal", "property-suite.md#of-a-schedule",
        ),
        Check(
            "cosine", 4, "ᾱ_t/ᾱ_{t-1} = f(t)/f(t-1), f a squared cosine, with β_t cut at beta_max.",
            cosine_queries, judge_cosine, None, "property-suite.md#of-a-schedule",
        ),
        Check(
            "falls", 2, statement("schedule", "falls"), both_queries, partial(judge_tables, "falls"),
            None, "property-suite.md#of-a-schedule", visible=False,
        ),
        Check(
            "steps_give_the_marginal", 2, statement("schedule", "steps_give_the_marginal"), both_queries,
            partial(judge_tables, "steps_give_the_marginal"), "vp_marginal", "property-suite.md#of-a-schedule",
            visible=False,
        ),
    ),
)  # fmt: skip


# 2  The forward process


def noised_queries(rng: np.random.Generator, each: bool = False) -> list[Query]:
    """Time 1 first, then any; `each` gives a time to each sample."""
    queries = []
    for T in (1, 3, 8):
        bars = levels(rng, T)
        t = rng.integers(1, T + 1, SHAPE[0]) if each else int(rng.integers(1, T + 1))
        x_0, z = rng.standard_normal((2, *SHAPE))
        given = {"schedule": {"make": "schedule", "alpha_bar": bars}, "x_0": x_0, "t": t, "z": z}
        queries.append(Query(SCHEDULES, "noised", given))
    return queries


def judge_noised(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        given = query.arguments
        bars = given["schedule"]["alpha_bar"]
        times = np.broadcast_to(given["t"], SHAPE[0]).tolist()
        law = np.array([signal_and_variance(bars, t) for t in times]).reshape(SHAPE[0], 2, 1, 1, 1)
        expected = law[:, 0] * given["x_0"] + law[:, 1] ** 0.5 * given["z"]
        close(answer.value, expected, f"a pixel of x_t at t = {given['t']}", "the forward steps one after another")


def level_queries(rng: np.random.Generator) -> list[Query]:
    return [Query(SCHEDULES, "noise_level", {"alpha_bar": levels(rng, T)[1:]}) for T in (1, 5)]


def judge_level(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        bars = np.concatenate([[1.0], query.arguments["alpha_bar"]])
        laws = [signal_and_variance(bars, t) for t in range(1, len(bars))]
        expected = [variance**0.5 / signal for signal, variance in laws]
        close(answer.value, expected, "σ_t", "the standard deviation of the noise in x_t over the factor of x_0 in it")


forward = Exercise(
    id="2",
    title="The forward process in one leap",
    text=r"""
Step after step, x_t = √α_t x_{t-1} + √β_t z_t. Write `noised`, which leaps from x_0 to x_t at once, and
`noise_level`, the noise in x_t when it is scaled back to the brightness of x_0. `schedule.at(t, x_0)` gives ᾱ_t,
shaped to multiply images, also where each image of the batch has a time of its own.
""",
    cuts=(Cut("teachdiff.schedules", ("noised", "noise_level"), SCHEDULES),),
    hints=(
        "Variances of independent draws add up; standard deviations do not.",
        "Which factor does x_0 have after t steps: that of the last step, α_t, or the product of all of them, ᾱ_t?",
    ),
    checks=(
        Check(
            "noising", 5, statement("schedule", "noising"), noised_queries, judge_noised,
            "vp_marginal", "proofs.md#what-is-proved",
        ),
        Check(
            "a_time_for_each", 2, "t may be one number for the batch or one for each sample.",
            partial(noised_queries, each=True), judge_noised, "vp_marginal", "proofs.md#what-is-proved", visible=False,
        ),
        Check(
            "noise_level", 3, "x_t/√ᾱ_t = x_0 + σ_t z.", level_queries, judge_level,
            "vp_marginal", "proofs.md#what-is-proved",
        ),
    ),
)  # fmt: skip


# 3  One step back


def posterior_queries(function: str, rng: np.random.Generator) -> list[Query]:
    """The first step, in which x_0 is all that is left, and others; from t = 3 on some mistakes show."""
    queries = []
    bars = levels(rng, 6)
    for t in (1, 2, 3, 6):
        given: dict = step_numbers(bars, t)
        if function == "posterior_mean":
            given["x0_hat"], given["x_t"] = rng.standard_normal((2, *SHAPE))
        queries.append(Query(SCHEDULES, function, given))
    return queries


def judge_posterior(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        given = query.arguments
        where = f"with α = {given['alpha']:.4g}, ᾱ = {given['alpha_bar']:.4g}, ᾱ_prev = {given['alpha_bar_prev']:.4g}"
        if query.function == "posterior_variance":
            close(answer.value, step_back(given)[1], f"β̃_t {where}", "Bayes' rule, where precisions add")
            continue
        expected, _ = step_back(given, given["x_t"], given["x0_hat"])
        close(answer.value, expected, f"the mean of x_{{t-1}} {where}", "Bayes' rule, where precisions add")


posterior = Exercise(
    id="3",
    title="One step back",
    text=r"""
If x_0 were known, the step back would be known: q(x_{t-1} | x_t, x_0) is Gaussian, and by Bayes' rule its precision
is the sum of two. Write its mean and its variance. These two functions are the heart of DDPM.
""",
    cuts=(Cut("teachdiff.schedules", ("posterior_mean", "posterior_variance"), SCHEDULES),),
    hints=(
        "At t = 1, ᾱ_{t-1} = 1: the mean must be x_0 and the variance 0.",
        "The weights of x_0 and x_t do not sum to 1. Bars: √ᾱ_{t-1} with x_0, √α_t with x_t.",
    ),
    checks=(
        Check(
            "mean", 6, "q(x_{t-1} | x_t, x_0) has the mean of Bayes' rule; x_0 itself at t = 1.",
            partial(posterior_queries, "posterior_mean"), judge_posterior, "posterior", "proofs.md#what-is-proved",
        ),
        Check(
            "variance", 4, statement("schedule", "posterior_variance"),
            partial(posterior_queries, "posterior_variance"), judge_posterior, "posterior", "proofs.md#what-is-proved",
        ),
    ),
)  # fmt: skip


# 4 and 5  Four names for one prediction

#: function -> what it takes, what it gives.
CONVERSIONS = {
    "x0_hat_from_score": ("score", "x0_hat"),
    "score_from_x0_hat": ("x0_hat", "score"),
    "x0_hat_from_epsilon": ("epsilon", "x0_hat"),
    "epsilon_from_x0_hat": ("x0_hat", "epsilon"),
    "score_from_epsilon": ("epsilon", "score"),
    "epsilon_from_score": ("score", "epsilon"),
    "x0_hat_from_v": ("v", "x0_hat"),
    "v_from_x0_hat": ("x0_hat", "v"),
}
TITLES = {"x0_hat": "x̂0 = E[x_0 | x_t]", "score": "∇ log p_t(x_t)", "epsilon": "E[ε | x_t]", "v": "E[v | x_t]"}
WITHOUT_X = {"score_from_epsilon", "epsilon_from_score"}


def gaussian_world(alpha_bar: float, mean: float, variance: float, x_t: np.ndarray) -> dict[str, np.ndarray]:
    """All four where x_0 ~ N(mean, variance): conditional means by regression on x_t, and the density's slope."""
    total = alpha_bar * variance + 1 - alpha_bar
    away = x_t - alpha_bar**0.5 * mean
    x0_hat = mean + alpha_bar**0.5 * variance / total * away
    epsilon = (1 - alpha_bar) ** 0.5 / total * away
    v = alpha_bar**0.5 * epsilon - (1 - alpha_bar) ** 0.5 * x0_hat
    return {"x0_hat": x0_hat, "score": -away / total, "epsilon": epsilon, "v": v}


def conversion_queries(function: str, rng: np.random.Generator) -> list[Query]:
    queries = []
    for alpha_bar in (0.5, *rng.uniform(0.02, 0.98, 3).tolist()):
        mean, variance = float(rng.standard_normal()), float(rng.uniform(0.1, 2))
        x_t = rng.standard_normal(SHAPE)
        takes = CONVERSIONS[function][0]
        given = {takes: gaussian_world(alpha_bar, mean, variance, x_t)[takes], "alpha_bar": alpha_bar}
        if function not in WITHOUT_X:
            given["x_t"] = x_t
        queries.append(Query(PREDICTIONS, function, given, about={"x_t": x_t, "mean": mean, "variance": variance}))
    return queries


def judge_conversion(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        gives, bar = CONVERSIONS[query.function][1], query.arguments["alpha_bar"]
        expected = gaussian_world(bar, **query.about)[gives]
        close(answer.value, expected, f"{query.function} at ᾱ_t = {bar:.4g}", f"{TITLES[gives]} of Gaussian images")


def conversion(function: str, points: int, proof: str) -> Check:
    takes, gives = CONVERSIONS[function]
    return Check(
        function, points, f"From {TITLES[takes]} the function finds {TITLES[gives]}: exactly, for Gaussian images.",
        partial(conversion_queries, function), judge_conversion, proof, "proofs.md#what-is-proved",
    )  # fmt: skip


tweedie = Exercise(
    id="4",
    title="Tweedie's formula",
    text=r"""
The score ∇ log p_t(x_t) points to where images are more probable. Tweedie's formula says how far to go: to the mean
of all clean images that x_t may have come from. Write it in both directions.
""",
    cuts=(Cut("teachdiff.predictions", ("x0_hat_from_score", "score_from_x0_hat"), PREDICTIONS),),
    hints=(
        "Take a Gaussian x_0 and work it out by hand; the formula is the same for every prior.",
        "Divide by the factor of x_0 in x_t, √ᾱ_t, and not by that of one step.",
    ),
    checks=(conversion("x0_hat_from_score", 5, "tweedie"), conversion("score_from_x0_hat", 5, "tweedie")),
)
names = Exercise(
    id="5",
    title="Epsilon and v",
    text=r"""
Networks predict the noise ε, or v = √ᾱ_t ε − √(1−ᾱ_t) x_0. Each of the four says the same: write the translations.
""",
    cuts=(Cut("teachdiff.predictions", tuple(CONVERSIONS)[2:], PREDICTIONS),),
    hints=(
        "Only x_t = √ᾱ_t x_0 + √(1−ᾱ_t) ε is needed; solve it for what you want.",
        "Mind the sign: the score points away from the noise.",
    ),
    checks=tuple(conversion(function, 2, "predictions") for function in tuple(CONVERSIONS)[2:]),
)


ASSIGNMENT = Assignment(
    id="hw1",
    title="The forward process, Tweedie, score and epsilon",
    text=r"""
How an image becomes noise, and the formulas by which a denoiser, a score and a noise predictor are one and the same
thing. The functions that you write are those that the library itself runs on: `teachdiff.schedules` and
`teachdiff.predictions`, with their bodies cut out. The docstrings are left, and state the formulas.
""",
    minutes=90,
    exercises=(schedule, forward, posterior, tweedie, names),
)
