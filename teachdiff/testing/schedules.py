r"""The laws of a variance-preserving schedule, t = 0..T with the clean image at index 0."""

import math

import torch

from teachdiff.testing.adapters import ScheduleView
from teachdiff.testing.core import Draw, LawBroken, NotApplicable, law, normal, require, require_close

# Tables that were built in float32 and multiplied up over a thousand steps are right to about 1e-5.
TOLERANCE = 1e-5


def need(schedule: ScheduleView, *names: str) -> None:
    for name in names:
        if getattr(schedule, name) is None:
            raise NotApplicable(f"the schedule has no {name.replace('_', ' ')}")


@law("schedule", "Signal squared plus noise squared is 1, and α_t + β_t = 1.", proof="vp_marginal", examples=1)
def variance_is_preserved(schedule: ScheduleView, draw: Draw) -> None:
    total = schedule.signal.square() + schedule.noise.square()
    require_close(total, torch.ones_like(total), TOLERANCE, 1.0, "signal² + noise² and 1")
    if schedule.alpha is not None and schedule.beta is not None:
        total = schedule.alpha + schedule.beta
        require_close(total, torch.ones_like(total), TOLERANCE, 1.0, "α_t + β_t and 1")


@law("schedule", "Values are finite, ᾱ lies in (0, 1] and β_t in [0, 1); the tables have one length.", examples=1)
def ranges(schedule: ScheduleView, draw: Draw) -> None:
    for name in ("signal", "noise", "alpha", "beta", "posterior_variance"):
        values = getattr(schedule, name)
        if values is None:
            continue
        require(len(values) == schedule.T + 1, f"length of {name}", len(values), schedule.T + 1)
        require(torch.isfinite(values).all(), f"{name} holds NaN or infinite values")
    bars = schedule.signal.square()
    inside = (bars > 0).all() and (bars <= 1 + TOLERANCE).all()
    require(inside, "ᾱ must lie in (0, 1]", bars.min().item(), bars.max().item())
    require(bars[0] > 0.99, "ᾱ_0 is that of the clean image", bars[0].item(), 1.0)
    if schedule.beta is not None:
        beta = schedule.beta[1:]
        require((beta > 0).all() and (beta < 1).all(), "β_t must lie in (0, 1)", beta.min().item(), beta.max().item())


@law("schedule", "ᾱ_t and the signal-to-noise ratio fall with t, strictly.", examples=1)
def falls(schedule: ScheduleView, draw: Draw) -> None:
    bars = schedule.signal.square()
    for name, values, first in (("ᾱ_t", bars, 0), ("ᾱ_t/(1 - ᾱ_t)", (bars / schedule.noise.square())[1:], 1)):
        rises = (values.diff() >= 0).nonzero().flatten().tolist()
        if rises:
            t = rises[0]
            raise LawBroken(f"{name} does not fall at t = {t + first + 1}", values[t].item(), values[t + 1].item())


@law("schedule", "Step after step gives the marginal: signal √ᾱ_t, variance 1 - ᾱ_t.", proof="vp_marginal", examples=1)
def steps_give_the_marginal(schedule: ScheduleView, draw: Draw) -> None:
    need(schedule, "alpha", "beta")
    signal, variance = 1.0, 0.0
    for t in range(1, schedule.T + 1):
        alpha, beta = schedule.alpha[t].item(), schedule.beta[t].item()
        signal, variance = math.sqrt(alpha) * signal, alpha * variance + beta
        require_close(signal, schedule.signal[t].item(), 10 * TOLERANCE, 1.0, f"signal after {t} steps, and √ᾱ_{t}")
        marginal = 1 - schedule.signal[t].item() ** 2
        require_close(variance, marginal, 10 * TOLERANCE, 1.0, f"noise variance after {t} steps, and 1 - ᾱ_{t}")


@law("schedule", "β̃_t = β_t (1 - ᾱ_{t-1})/(1 - ᾱ_t): 0 at t = 1, below β_t elsewhere.", proof="posterior", examples=1)
def posterior_variance(schedule: ScheduleView, draw: Draw) -> None:
    need(schedule, "posterior_variance")
    bars = schedule.signal.square()
    for t in range(1, schedule.T + 1):
        beta, got = 1 - (bars[t] / bars[t - 1]).item(), schedule.posterior_variance[t].item()
        require(0 <= got <= beta * (1 + 100 * TOLERANCE), f"β̃_{t} must lie between 0 and β_{t}", got, beta)
        expected = beta * ((1 - bars[t - 1]) / (1 - bars[t])).item()
        require_close(got, expected, 100 * TOLERANCE, beta, f"β̃_{t} and Bayes' rule")


@law("schedule", "Noising an image to level t gives √ᾱ_t x_0 + √(1 - ᾱ_t) z.", proof="vp_marginal")
def noising(schedule: ScheduleView, draw: Draw) -> None:
    need(schedule, "add_noise")
    t, seed = draw.integer("t", 1, schedule.T), draw.seed()
    x, z = (normal((1, 1, 3, 4), s, torch.float32) for s in (seed, seed + 1))
    bar = schedule.signal[t].item() ** 2
    expected = bar**0.5 * x + (1 - bar) ** 0.5 * z
    require_close(schedule.add_noise(x, z, t), expected, 10 * TOLERANCE, 4.0, f"x_{t} and √ᾱ x_0 + √(1 - ᾱ) z")


@law("schedule", "A chain of fewer steps keeps times of 1..T, each once, and starts at the noisiest: T.", proof="ddim")
def respacing(schedule: ScheduleView, draw: Draw) -> None:
    need(schedule, "respace")
    steps = draw.integer("steps", 1, min(schedule.T, 50))
    kept = schedule.respace(steps)
    require(len(kept) == steps, "number of steps kept, and asked for", len(kept), steps)
    rising = all(a < b for a, b in zip(kept, kept[1:], strict=False))
    require(rising, f"the kept times must rise strictly; got {kept}")
    require(kept[0] >= 1 and kept[-1] <= schedule.T, f"kept times must lie in 1..{schedule.T}", kept[0], kept[-1])
    require(kept[-1] == schedule.T, "the first step of the reverse chain, and T", kept[-1], schedule.T)


@law("schedule", "A chain of fewer steps has, at each step that it keeps, the level of that step.", proof="ddim")
def respaced_levels(schedule: ScheduleView, draw: Draw) -> None:
    need(schedule, "respace", "respaced_signal")
    steps = draw.integer("steps", 1, min(schedule.T, 50))
    got, expected = schedule.respaced_signal(steps), schedule.signal[schedule.respace(steps)]
    require_close(got, expected, TOLERANCE, 1.0, f"√ᾱ in a chain of {steps} steps, and at the step kept")


@law("schedule", "Drift and diffusion of dx = f x dt + g dw have the schedule's marginals.", proof="forward_sde")
def sde_has_the_marginals(schedule: ScheduleView, draw: Draw) -> None:
    r"""f = d log(signal)/dt and g² = d(noise²)/dt - 2 f noise², by central differences."""
    need(schedule, "drift", "diffusion", "marginal")
    t, h = draw.number("t", 0.05, 0.95), 1e-4
    (s0, n0), (_, n), (s1, n1) = (schedule.marginal(u) for u in (t - h, t, t + h))
    f = (math.log(s1) - math.log(s0)) / (2 * h)
    g2 = (n1**2 - n0**2) / (2 * h) - 2 * f * n**2
    require_close(schedule.drift(t), f, 1e-3, 1 + abs(f), f"the drift f({t:.3g}), and the slope of log signal")
    require_close(schedule.diffusion(t) ** 2, g2, 1e-3, 1 + abs(g2), f"g({t:.3g})², and what the marginals ask for")
