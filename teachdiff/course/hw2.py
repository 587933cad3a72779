r"""Assignment 2: DDPM and DDIM, and the loop that both walk."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from teachdiff.course.judging import (
    close,
    judge_law,
    law_queries,
    levels,
    part,
    statement,
    step_back,
    step_numbers,
)
from teachdiff.course.model import Answer, Assignment, Check, Cut, Exercise, Query
from teachdiff.testing.core import LawBroken
from teachdiff.testing.worlds import GaussianWorld

REVERSE, DDPM, DDIM = "reverse.py", "ddpm.py", "ddim.py"
SHAPE = (2, 1, 2, 3)


# 1  The kernel


def kernel_queries(rng: np.random.Generator) -> list[Query]:
    bars = levels(rng, 6)
    queries = []
    for t in (1, 2, 3, 6):
        x_t, x0_hat = rng.standard_normal((2, *SHAPE))
        step = {"make": "step", "t": t, "t_prev": t - 1, **step_numbers(bars, t)}
        queries.append(Query(REVERSE, "ancestral", {"step": step, "x_t": x_t, "x0_hat": x0_hat}))
    return queries


def judge_kernel(part: int, queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        if not (isinstance(answer.value, list) and len(answer.value) == 2):
            raise LawBroken("ancestral must return two things, the mean and the standard deviation")
        step, x_t, x0_hat = (query.arguments[name] for name in ("step", "x_t", "x0_hat"))
        mean, variance = step_back(step, x_t, x0_hat)
        t = step["t"]
        if part == 0:
            close(answer.value[0], mean, f"the mean of x_{t - 1}", "Bayes' rule, where precisions add")
        else:
            close(answer.value[1], variance**0.5, f"the standard deviation of step {t}", "the root of β̃_t")


kernel = Exercise(
    id="1",
    title="The ancestral step",
    text=r"""
One step of DDPM from t to t − 1. The network says x̂0; put it in the place of x_0 in q(x_{t−1} | x_t, x_0), and
return the mean and the *standard deviation* of the step. `step` has `alpha`, `alpha_bar` and `alpha_bar_prev`. The
two functions that you wrote in hw1 are in the library: `posterior_mean` and `posterior_variance`.
""",
    cuts=(Cut("teachdiff.methods.reverse", ("ancestral",), REVERSE),),
    hints=(
        "At t = 1 the mean is x̂0 and the standard deviation 0.",
        "The reports print this step in five ways, and most of them wrongly. Do not copy: derive.",
    ),
    checks=(
        Check(
            "mean", 7, "The mean of the step is that of q(x_{t-1} | x_t, x_0 = x̂0), by Bayes' rule.",
            kernel_queries, partial(judge_kernel, 0), "reverse_mean", "methods/ddpm.md",
        ),
        Check(
            "deviation", 4, "The noise of the step has the variance β̃_t: not 0, and not β_t.",
            kernel_queries, partial(judge_kernel, 1), "reverse_variance", "methods/ddpm.md",
        ),
    ),
)  # fmt: skip


# 2  The loop


def loop_queries(rng: np.random.Generator, through: bool = False) -> list[Query]:
    queries = []
    for T in (1, 2, 5):
        bars = levels(rng, T)
        names = ("d", "c", "a", "b", "std", "g", "h")
        given = {str(t): rng.uniform(0.2, 0.9, len(names)).tolist() for t in range(1, T + 1)}
        draws = {str(t): rng.standard_normal(SHAPE) for t in range(1, T)}
        arguments = {
            "schedule": {"make": "schedule", "alpha_bar": bars}, "x": rng.standard_normal(SHAPE),
            "noise": {"make": "noise", "draws": draws}, "numbers": given, "through": through,
        }  # fmt: skip
        queries.append(Query(REVERSE, "reverse", arguments, driver="loop"))
    return queries


def walk(query: Query) -> tuple[np.ndarray, list[np.ndarray]]:
    """x_0 and what stood at each time, of the loop with these numbers."""
    given = query.arguments
    x, seen = given["x"], []
    for t in range(len(given["numbers"]), 0, -1):
        d, c, a, b, std, g, h = given["numbers"][str(t)]
        seen.append(x)
        x0_hat = d * x + c
        x = a * x + b * x0_hat + g * x0_hat * (d if given["through"] else 1)
        if t > 1:
            x = x + std * given["noise"]["draws"][str(t - 1)]
        x = x + h * x
    return x, seen


def judge_loop(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        T = len(query.arguments["numbers"])
        what = f"a pixel of x_0 after {T} steps"
        close(part(answer, 0), walk(query)[0], what, "mean + shift + noise, then the correction, step after step")


def judge_times(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        expected = list(range(len(query.arguments["numbers"]), 0, -1))
        if part(answer, 1) != expected:
            raise LawBroken("times at which the prior was asked", str(part(answer, 1)), str(expected))


def judge_observer(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        expected = list(range(len(query.arguments["numbers"]), 0, -1))
        if part(answer, 2) != expected:
            raise LawBroken("times that on_step saw", str(part(answer, 2)), str(expected))
        for t, got, x_t in zip(expected, part(answer, 3), walk(query)[1], strict=True):
            close(got, x_t, f"the x_{t} that on_step saw", "the image at which the step began")


loop = Exercise(
    id="2",
    title="The reverse loop",
    text=r"""
One loop serves every sampler here; what differs comes in as functions. Write it: at each step ask `denoise`, then
the `guidance` (if there is one), then the `transition` for mean and standard deviation; add the shift, and the
noise `noise(step.t_prev, shape)`, but none in the step that arrives at 0; then the `correction` at the place where
the step has arrived; and tell `on_step`. With `differentiate` the guidance takes a gradient through x̂0(x_t): that
wants `torch.set_grad_enabled` and an x_t that requires a gradient; nothing of it may live on in the next step.
""",
    cuts=(Cut("teachdiff.methods.reverse", ("reverse",), REVERSE),),
    hints=(
        "`schedule.backwards()` gives the steps, T first.",
        "`torch.tensor(step.t)` is the time that the prior is asked with.",
        "A draw per step, asked for by the time that it lands on. In the last step `noise` is not called at all.",
    ),
    checks=(
        Check(
            "steps", 6, "x_{t-1} = mean + shift + std z, then + correction; no noise in the step that ends at 0.",
            loop_queries, judge_loop, "posterior", "methods/ddpm.md",
        ),
        Check(
            "evaluations", 2, statement("method", "evaluations"), loop_queries, judge_times,
            "posterior", "methods/ddpm.md",
        ),
        Check(
            "through_the_denoiser", 3, "With differentiate, guidance can take a gradient through x̂0(x_t).",
            partial(loop_queries, through=True), judge_loop, "bayes_score", "methods/dps.md",
        ),
        Check(
            "observer", 2, "on_step sees t, and the image at which the step began.", loop_queries, judge_observer,
            None, "methods/ddpm.md", visible=False,
        ),
    ),
)  # fmt: skip


# 3 and 4  The two samplers


def kept(world: GaussianWorld, option: Mapping[str, Any]) -> list[int]:
    """The times of a respaced chain, T first."""
    return world.schedule.respace(option.get("steps")).timesteps[1:].tolist()[::-1]


def sampler_queries(
    file: str, options: Sequence[Mapping[str, Any]], rng: np.random.Generator, lengths: Sequence[int] = (1, 2, 3, 5)
) -> list[Query]:
    return law_queries(file, options, kept, rng, lengths=lengths)


def judge_asked(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        expected = query.about["drawn"]
        if part(answer, 1) != expected:
            raise LawBroken("times at which the prior was asked", str(part(answer, 1)), str(expected))


EXACT = statement("method", "exact_law")
small_steps = [{"steps": 3}, {"steps": 5}]

ddpm = Exercise(
    id="3",
    title="DDPM",
    text=r"""
Put it together: respace the schedule, find the shape of the images, draw x_T, choose the kernel ("small":
`ancestral`; "large": `ancestral_large`; "learned": `LearnedVariance(prior)` in the place of the prior, and its
`transition`), and walk. The loop and the helpers are imported: your own loop from exercise 2 is judged there and
not needed here.
""",
    cuts=(Cut("teachdiff.methods.ddpm", ("ddpm",), DDPM),),
    hints=(
        "`unconditional(problem, shape, device, dtype)` gives zeros of the right shape; `noise_for` makes the noise.",
        "x_T is the draw of time `schedule.start`.",
        "`denoiser(prior, clip_x0)` clamps x̂0 where that is wanted, and only there.",
    ),
    checks=(
        Check(
            "exact_law", 6, EXACT, partial(sampler_queries, DDPM, [{}]), judge_law,
            "reverse_variance", "methods/ddpm.md",
        ),
        Check(
            "large", 2, "With the large variance too, mean and covariance are those of the closed form.",
            partial(sampler_queries, DDPM, [{"variance": "large"}]), judge_law,
            "reverse_variance", "methods/ddpm.md",
        ),
        Check(
            "fewer_steps", 3, statement("schedule", "respacing"),
            partial(sampler_queries, DDPM, small_steps, lengths=(7,)), judge_asked, "ddim", "methods/ddpm.md",
        ),
        Check(
            "fewer_steps_law", 2, "With fewer steps too, mean and covariance are those of the closed form.",
            partial(sampler_queries, DDPM, small_steps, lengths=(7,)), judge_law, "ddim", "methods/ddpm.md",
            visible=False,
        ),
    ),
)  # fmt: skip


def sigma_queries(rng: np.random.Generator) -> list[Query]:
    bars = levels(rng, 6)
    return [
        Query(DDIM, "ddim_sigma", {"eta": eta, **step_numbers(bars, t)})
        for t, eta in ((1, 1.0), (2, 0.0), (3, 1.0), (6, float(rng.uniform(0.2, 0.8))))
    ]


def judge_sigma(queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    for query, answer in zip(queries, answers, strict=True):
        given = query.arguments
        bar, prev = given["alpha_bar"], given["alpha_bar_prev"]
        expected = given["eta"] * ((1 - prev) / (1 - bar)) ** 0.5 * (1 - bar / prev) ** 0.5
        close(answer.value, expected, f"σ_t with η = {given['eta']:.4g}", "equation 16 of the paper")


ddim = Exercise(
    id="4",
    title="DDIM",
    text=r"""
The same marginals, a family of kernels: η = 0 draws nothing but x_T, η = 1 is DDPM. Write `ddim_sigma`, and `ddim`
with its own transition.
""",
    cuts=(Cut("teachdiff.methods.ddim", ("ddim_sigma", "ddim"), DDIM),),
    hints=(
        "η scales the standard deviation, not the variance.",
        "What the fresh noise takes, the old noise must give: 1 − ᾱ_{t−1} − σ_t² under the root. Rounding may take it "
        "below 0.",
    ),
    checks=(
        Check(
            "sigma", 3, "σ_t = η √((1 - ᾱ_{t-1})/(1 - ᾱ_t)) √(1 - ᾱ_t/ᾱ_{t-1}).", sigma_queries, judge_sigma,
            "ddim", "methods/ddim.md",
        ),
        Check(
            "deterministic", 4, "With η = 0 the law of the output is that of DDIM: all of it comes from x_T.",
            partial(sampler_queries, DDIM, [{}]), judge_law, "ddim", "methods/ddim.md",
        ),
        Check(
            "any_eta", 4, "For any η the law of the output is that of DDIM; with η = 1 that is DDPM's.",
            partial(sampler_queries, DDIM, [{"eta": 0.25}, {"eta": 1.0}]), judge_law, "ddim", "methods/ddim.md",
        ),
        Check(
            "fewer_steps", 3, statement("schedule", "respaced_levels"),
            partial(sampler_queries, DDIM, [{"steps": 3, "eta": 0.5}, {"steps": 4}], lengths=(7,)), judge_law,
            "ddim", "methods/ddim.md", visible=False,
        ),
    ),
)  # fmt: skip


ASSIGNMENT = Assignment(
    id="hw2",
    title="DDPM and DDIM",
    text=r"""
From noise to images with a denoiser alone. For a Gaussian prior a sampler's output is Gaussian, and its mean and
covariance are known: your sampler is run on a batch of unit noises, which tells its exact law, and that is compared
with the closed form. No tolerance that a mistake could hide in, and no luck.
""",
    minutes=150,
    exercises=(kernel, loop, ddpm, ddim),
)
