r"""The ledger of rajpal (with Obando, Chen and Tamo Amougou): DPS first, DMPS afterwards.

The poster's mathematics is mostly right: the two reverse equations, Tweedie's formula with a measurement, DPS's and
DMPS's terms. Its arguments are not: after a collapse onto one image the flat prior of DMPS is at its worst, the rule
that is to find the switching time is met at nearly every step, and the speed that it quotes is not what it measures.
"""

from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import log10
from math import sqrt as root
from operator import mul

from sympy import Derivative, Function, Identity, Matrix, Max, Min, Rational, ZeroMatrix, det, diff, exp, log, sqrt

from derivations.bayes_score import ell as likelihood
from derivations.bayes_score import evidence, joint, prior
from derivations.checker import (
    Counterexample,
    Equal,
    InLaw,
    InSVD,
    Integrals,
    Positive,
    SameOrder,
    Step,
    Unequal,
    Verdict,
)
from derivations.dmps import closed, full, per_value, r, thin
from derivations.dps import dps as dps_term
from derivations.dps import exact as exact_term
from derivations.dps import m as x0_mean
from derivations.dps import slope
from derivations.dps import v as x0_variance
from derivations.forward_sde import fokker_planck, p
from derivations.forward_sde import h as small
from derivations.forward_sde import score as log_slope
from derivations.ledger import sampler
from derivations.ledger.mashayak import guided, larger, last_level, level_of
from derivations.ledger.row import AtLeast, Row
from derivations.likelihood_score import level
from derivations.posterior_tweedie import given_y, in_x0
from derivations.reverse_variance import x_prev as x_up_prev
from derivations.reverse_variance import x_up
from derivations.sdedit import spread
from derivations.spectral import A, A_pinv, M, N, U, V
from derivations.spectral import S as Sigma
from derivations.symbols import declare, get
from derivations.tweedie import expect, u, weigh, x

alpha, alpha_bar, alpha_bar_prev, beta = get("alpha", "alpha_bar", "alpha_bar_prev", "beta")
sigma, s, tau, mu, x_0, x_t, y = get("sigma", "s", "tau", "mu", "x_0", "x_t", "y")
n_0, w, z, z_new = get("n_0", "w", "z", "z_new")
x0_spread = declare("x0_spread", "V", "the variance that a method gives to x_0 given x_k", "nonnegative")
error = declare("error", r"\delta", "an error of the measurement", "real")


@dataclass(frozen=True)
class Fits(Step):
    """The matrices on the left can be multiplied in this order, whatever M and N are."""

    rhs: object = None

    kind = "shapes"

    def sides(self) -> list:
        return []

    def check(self, nice: bool = False) -> Verdict:
        if all(a.shape[1] == b.shape[0] for a, b in pairwise(self.lhs)):
            return Verdict("proved")
        shapes = " times ".join(" x ".join(map(str, factor.shape)) for factor in self.lhs)
        return Verdict("refuted", Counterexample({}, shapes, "is no matrix unless M = N"))

    def tex(self) -> str:
        return r"\text{the shapes fit in } " + r"\,".join(str(factor) for factor in self.lhs)


# Pieces of checks.

c, n = sqrt(alpha_bar), sqrt(1 - alpha_bar)
low_noise = {alpha_bar: 1 - small}
wide_prior = {tau: 1 / sqrt(small)}


def at_previous(e):
    """The same at noise level t - 1."""
    return e.subs(alpha_bar, alpha_bar_prev)


def x0_mean_previous(x):
    return mu + at_previous(slope) * (x - sqrt(alpha_bar_prev) * mu)


def log_likelihood(variance):
    return -((y - s * x0_mean(x_t)) ** 2) / (2 * variance)


flat_residual = (y - s * x_t / c) ** 2 / (2 * (sigma**2 + s**2 * r))
E = exp(-2 * alpha_bar / (1 - alpha_bar))  # two images, 1 and -1; x_k = sqrt(alpha_bar): how likely -1 is beside 1
two_images = 4 * E / (1 + E) ** 2  # their variance given x_k
deblurring = Matrix([[1, 0], [0, Rational(1, 100)]])  # one frequency passes, another is damped
dB20 = Rational(4, 100)  # the mean square that is 20 dB below the squared range 2^2
half_each = (Rational("17.72") + Rational("9.19")) / 2  # seconds
total = Rational(1, 4)  # the variance of images in [-1, 1] that the sentences below suppose


kernel = Function("k", positive=True)(x)  # q(x_k | x_0) as a function of x_0
norm = Function("c", positive=True)(y)


# Consequences: each computes its sentence.


def in_words(laws: dict) -> str:
    return "; ".join(f"{words}: {law}" for words, law in laws.items())


def dps_until(level):
    """DPS's term as long as alpha_bar_t < level, DMPS's from there on."""
    early = Min(1, Max(0, 10**6 * (level - alpha_bar)))
    return early * dps_term + (1 - early) * per_value


def hybrid_consequence() -> str:
    values, usual = {sigma: Rational(1, 4)}, sampler.linear()
    switches = (Rational(1, 2), Rational(7, 10), Rational(9, 10))
    terms = {"DPS": dps_term, "DMPS": per_value} | {
        f"DPS until alpha_bar = {a}, then DMPS": dps_until(a) for a in switches
    }
    laws = {k: sampler.output(guided(term), measured=True, values=values, alphas=usual) for k, term in terms.items()}
    right = sampler.truth(True, values)
    errors = ", ".join(f"{float(law.mean - right.mean):+.4f}" for law in laws.values())
    return (
        f"Data N(1/2, 1/4), y = 1, sigma = 1/4, 1000 steps; the posterior has {right}. {in_words(laws)}. DPS pulls "
        f"too hard and DMPS not enough: the means are off by {errors}, so with the right switch the two errors "
        "nearly cancel. The variance stays too small."
    )


def sde_consequence() -> str:
    # N(0, 1) data: the score is -x. Euler steps of length 1/100 through one unit of time, downwards and upwards.
    down = up = 1.0
    for _ in range(100):
        down = (1 - 0.01) ** 2 * down + 0.02
        up = (1 + 0.01) ** 2 * up + 0.02
    return (
        "N(0, 1) data, 100 Euler steps through one unit of time: with dt < 0, as 't = T, ..., 0' says, the variance "
        f"stays {down:.3f}; a program that steps the same line with dt > 0 reaches {up:.2f}."
    )


def eq3_consequence() -> str:
    return sampler.compare(guided(dps_term), measured=True)


def eq4_consequence() -> str:
    values = {sigma: Rational(1, 4)}
    said = []
    for tau_value in (Rational(1, 4), Rational(1, 2), Rational(4)):
        at = values | {tau: tau_value}
        said.append(
            f"tau = {tau_value}: {sampler.output(guided(per_value), measured=True, values=at)} (posterior: "
            f"{sampler.truth(True, at)})"
        )
    return f"DMPS on data N(1/2, tau^2), y = 1, sigma = 1/4, four steps; {'; '.join(said)}."


def eq5_consequence() -> str:
    last = last_level()
    laws = {
        "the index k": sampler.output(guided(per_value), measured=True),
        "the last level at every step": sampler.output(guided(per_value * c / sqrt(last)), measured=True),
    }
    factor = root(float(level_of(500)) / level_of(1000))
    return (
        f"Four steps, the posterior is {sampler.truth(True)}. {in_words(laws)}. In a usual schedule of 1000 steps "
        f"the last level's factor is {factor:.0f} times too large at k = 500."
    )


def inpainting_consequence() -> str:
    """Two pixels with variance 1 and correlation 4/5; the first is measured as y = 1. Means of the hidden one."""
    rho, noise2 = 0.8, 0.25**2
    found = {}
    for name in ("DMPS", "exact"):
        levels = [1.0, *accumulate(sampler.linear(), mul)]
        seen = hidden = 0.0
        for t in range(1000, 0, -1):
            a, bar = sampler.linear()[t - 1], levels[t]
            # The noisy covariance has 1 on the diagonal and bar rho beside it.
            d = 1 - (bar * rho) ** 2
            prior_seen, prior_hidden = -(seen - bar * rho * hidden) / d, -(hidden - bar * rho * seen) / d
            if name == "DMPS":
                g_seen, g_hidden = (1 - seen / root(bar)) / (noise2 + (1 - bar) / bar) / root(bar), 0.0
            else:
                k1, k2 = (
                    root(bar) * (1 - bar * rho**2) / d,
                    root(bar) * rho * (1 - bar) / d,
                )  # E[first | x_t] = k1 seen + k2 hidden
                left = noise2 + 1 - root(bar) * (k1 + rho * k2)
                g_seen, g_hidden = (k / left * (1 - k1 * seen - k2 * hidden) for k in (k1, k2))
            seen = (seen + (1 - a) * (prior_seen + g_seen)) / root(a)
            hidden = (hidden + (1 - a) * (prior_hidden + g_hidden)) / root(a)
        found[name] = hidden
    right = rho / (1 + noise2)
    return (
        "Two pixels of variance 1 and correlation 4/5, the first measured as 1 with sigma = 1/4, the second hidden: "
        f"its posterior mean is {right:.4f}. 1000 steps with the exact likelihood score give {found['exact']:.4f}, "
        f"DMPS gives {found['DMPS']:.4f}: the prior's score carries the measurement over, so DMPS does inpaint, only "
        "too weakly."
    )


def collapse_consequence() -> str:
    bar = Rational(9, 10)
    true, assumed = float(two_images.subs(alpha_bar, bar)), float(r.subs(alpha_bar, bar))
    noise2 = 0.02**2
    return (
        "Two stored images, 1 and -1, alpha_bar_k = 9/10, x_k = sqrt(9/10): the variance of x_0 given x_k is "
        f"{true:.2g}, DMPS takes {assumed:.3f}. With s = 1 and sigma = 0.02 its residual is divided by "
        f"{assumed + noise2:.3f} where {true + noise2:.2g} belongs: {(assumed + noise2) / (true + noise2):.0f} times "
        "too weak. DPS's assumption, a point, is right here."
    )


def rule_consequence() -> str:
    said = []
    for steps in (1000, 100):
        levels = [level_of(1000 * k // steps) for k in range(steps + 1)]
        variances = [0.25 * (1 - bar) / (0.25 * bar + 1 - bar) for bar in levels]
        worst = max(b - a for a, b in zip(variances[:-1], variances[1:], strict=True))
        said.append(f"{steps} steps: never below {10 * log10(4 / worst):.1f} dB")
    return (
        "PSNR (peak 2) of the mean square change between successive predictions, exact sampler, N(mu, 1/4) data: "
        f"{'; '.join(said)}. So the rule holds at its very first comparison, and DPS makes one step at most."
    )


def t100_consequence() -> str:
    respaced = level_of(1000), level_of(500)
    early = level_of(100), level_of(50)
    expected = (17.72 + 9.19) / 2
    return (
        f"Respaced to 100 steps: starts at alpha_bar = {respaced[0]:.2g}, switches at {respaced[1]:.4f}. Steps 100 "
        f"... 1 of the usual 1000: starts at {early[0]:.4f}, switches at {early[1]:.4f}; pure noise is no start "
        f"there. The times fit both: half of DPS's and half of DMPS's is {expected:.2f} s, printed is 13.42 s."
    )


def ood_consequence() -> str:
    dps, dmps, exact = (
        sampler.output(guided(term), measured=True, alphas=sampler.linear())
        for term in (dps_term, per_value, exact_term)
    )
    return (
        f"Data N(1/2, 1/4), y = 1, sigma = 1/2, 1000 steps: the variance of the output is {dps.variance:.4f} with "
        f"DPS's term, {dmps.variance:.4f} with DMPS's, {exact.variance:.4f} with the exact one: with the same fresh "
        "noise DMPS's samples are spread less, not more."
    )


def speed_consequence() -> str:
    return (
        f"Table 1: 17.72 s / 9.19 s = {17.72 / 9.19:.2f}. Equal numbers of steps, so per evaluation too. (A backward "
        "pass that costs twice a forward pass would make 3.)"
    )


def ill_posed_consequence() -> str:
    shift = Rational(1, 100) / deblurring[1, 1]
    return (
        "With A = diag(1, 1/100) the solution is unique, and an error of 1/100 in the second measurement moves "
        f"it by {shift}: half of [-1, 1]."
    )


ROWS = [
    Row(
        id="rajpal.p.ill-posed",
        location="introduction",
        printed=r"\text{Problem is ill-posed, that is infinitely many solutions } x_0 \text{ exist}",
        verdict="conditional",
        reason="A problem is ill-posed if a solution is missing, or not unique, or unstable. Deblurring, in the "
        "poster's list, often has exactly one solution and is unstable; denoising (A = I) has one and is stable. "
        "Inpainting and super-resolution do have infinitely many.",
        condition="A has a null space, i.e. sends more than 0 to 0, and y is in its range",
        claim=Equal(det(deblurring), 0, "A = diag(1, 1/100) has a null space"),
        truth=Equal((y + error) / s - y / s, error / s, "Small singular values magnify the measurement's error."),
        proof="operators",
        consequence=ill_posed_consequence,
    ),
    Row(
        id="rajpal.sde1",
        location="posterior sampling, first reverse SDE",
        printed=r"dx_t = (-x_t - 2\nabla\log p_t(x_t|y))dt + \sqrt2\,d\bar W_t,\quad t = T,\dots,0",
        verdict="correct",
        reason="The reverse of dx = -x dt + sqrt(2) dW (not printed; alpha_bar(t) = exp(-2t)), started from the "
        "posterior. Drift, factor 2 and noise fit for time that runs down, dt < 0, as 't = T, ..., 0' says; by "
        "Fokker-Planck, for any density.",
        claim=Equal(fokker_planck(x + 2 * log_slope, 2, p), -fokker_planck(-x, 2, p)),
        truth=Unequal(
            fokker_planck(-x - 2 * log_slope, 2, p), -fokker_planck(-x, 2, p), "With dt > 0 it would be wrong."
        ),
        proof="forward_sde",
        consequence=sde_consequence,
    ),
    Row(
        id="rajpal.sde2",
        location="posterior sampling, second reverse SDE",
        printed=r"dx_t = (-x_t - 2\nabla\log p_t(y|x_t) - 2\nabla\log p_t(x_t))dt + \sqrt2\,d\bar W_t \quad "
        r"\text{(Bayes rule)}",
        verdict="correct",
        reason="The same equation with Bayes' rule for scores put in: p(y) does not depend on x.",
        claim=Equal(
            -x - 2 * diff(log(joint / evidence), x),
            -x - 2 * diff(log(joint / prior), x) - 2 * diff(log(prior), x),
        ),
        proof="bayes_score",
    ),
    Row(
        id="rajpal.p.unknown",
        location="posterior sampling, 'Unknown' and 'Known'",
        printed=r"\text{Unknown: } \nabla\log p_t(y|x_t);\quad \text{Known: } \nabla\log p_t(x_t) \approx "
        r"s_\theta(x_t,t)",
        verdict="not-checkable",
        reason="What is known is not a formula's business. What can be proved: the unknown term is the covariance "
        "of x_0 with the likelihood, given x_t, and a score network gives means of x_0 alone. (For a Gaussian prior "
        "the term is known in closed form.)",
        truth=Integrals(
            in_x0 * diff(log(expect(likelihood(u), c, n)), x),
            (expect(u * likelihood(u), c, n) - expect(u, c, n) * expect(likelihood(u), c, n))
            / expect(likelihood(u), c, n),
        ),
        proof="posterior_tweedie",
    ),
    Row(
        id="rajpal.eq1",
        location="methodology, eq. 1",
        printed=r"\mathbb{E}[x_0|x_k=x_k, y=y] = \int x_0\,q_{0|k}(x_0|x_k,y)\,dx_0",
        verdict="correct",
        reason="The definition of the mean, and the sentence that leads to it holds: with this mean one has the "
        "posterior's score at level k, by Tweedie. ('x_k = x_k' names variable and value alike; two typefaces were "
        "probably lost.)",
        claim=Integrals(diff(log(weigh(likelihood(u), c, n)), x), (c * given_y(u, c, n) - x) / (1 - alpha_bar)),
        proof="posterior_tweedie",
    ),
    Row(
        id="rajpal.p.q",
        location="methodology, after eq. 1",
        printed=r"q_{0|k}(x_0|x_k,y) \propto \pi(x_0|y)\,q_{k|0}(x_k|x_0) \text{ and } 0 \leq k \leq t",
        verdict="correct",
        reason="Bayes, with y independent of x_k once x_0 is given: the posterior pi plays the part of the prior. "
        "(At k = 0 the kernel is a point, and q is that point.)",
        claim=Equal(
            diff(log(prior * (joint / prior) * kernel / norm), x),
            diff(log(joint / evidence), x) + diff(log(kernel), x),
            "Here x is x_0: prior, likelihood joint/prior, and the kernel q(x_k|x_0), over whatever normalises them.",
        ),
        proof="posterior_tweedie",
    ),
    Row(
        id="rajpal.eq2",
        location="methodology, eq. 2",
        printed=r"\mathbb{E}[x_0|x_k,y] = \mathbb{E}[x_0|x_k] + "
        r"\frac{1-\bar\alpha_k}{\bar\alpha_k^{1/2}}\nabla_{x_k}\log\int p(y|x_0)q_{0|k}(x_0|x_k)dx_0",
        verdict="correct",
        reason="Tweedie's formula for the posterior minus Tweedie's formula for the prior; for any prior and any "
        "likelihood. This is the correction of x0_hat; in the step to x_{k-1} the same gradient has the weight (1 - "
        "alpha_k)/sqrt(alpha_k).",
        claim=Integrals(given_y(u, c, n), expect(u, c, n) + in_x0 * diff(log(expect(likelihood(u), c, n)), x)),
        proof="posterior_tweedie",
    ),
    Row(
        id="rajpal.eq3",
        location="methodology, eq. 3",
        printed=r"\nabla_k\log\int p(y|x_0)q_{0|k}(x_0|x_k)dx_0 \approx \nabla_{x_k}\log p(y|\mathbb{E}[x_0|x_k])",
        verdict="ambiguous",
        reason="The left gradient lacks its x: 'with respect to k' has no use here, so a slip. As an approximation "
        "the line is DPS's; what it neglects is the variance of x_0 given x_k.",
        readings={
            "gradient with respect to x_k: right to leading order as k goes to 0 (Gaussian prior)": SameOrder(
                exact_term, dps_term, using=low_noise, h=small, order=1
            ),
            "literally, change with the noise level k: is it the gradient with respect to x_k?": Equal(
                Derivative(log_likelihood(sigma**2), alpha_bar), Derivative(log_likelihood(sigma**2), x_t)
            ),
        },
        truth=Equal(
            dps_term, (1 + s**2 * x0_variance / sigma**2) * exact_term, "DPS's term is too large by this factor."
        ),
        proof="dps",
        consequence=eq3_consequence,
    ),
    Row(
        id="rajpal.p.delta",
        location="methodology, after eq. 3",
        printed=r"\text{which implicitly assumes that } q_{0|k}(\cdot|x_k) \approx \delta_{x_{0|k}^\theta(x_k)}",
        verdict="correct",
        reason="If x_0 given x_k is a point, it is its mean, and the integral in (3) is the likelihood there. For a "
        "Gaussian prior: variance 0 in the exact term gives DPS's, and otherwise they differ.",
        claim=Equal(Derivative(log_likelihood(sigma**2 + s**2 * x0_spread), x_t), dps_term, using={x0_spread: 0}),
        truth=Unequal(Derivative(log_likelihood(sigma**2 + s**2 * x0_spread), x_t), dps_term),
        proof="dps",
    ),
    Row(
        id="rajpal.p.dmps-speed",
        location="methodology, item 2",
        printed=r"\text{DMPS} \text{ which claims to be 3x faster per function evaluation than DPS}",
        verdict="ambiguous",
        reason="The claim is [3]'s (early versions of its abstract say '3 times', the version of 2024 does not, and "
        "neither says 'per function evaluation'), so it is no mistake to report it. The poster's own table measures "
        "less, and the poster does not say so.",
        readings={
            "DMPS is faster than DPS in the poster's table 1": AtLeast(Rational("17.72"), Rational("9.19")),
            "it is three times as fast there": AtLeast(Rational("17.72"), 3 * Rational("9.19")),
        },
        proof="dmps",
        consequence=speed_consequence,
    ),
    Row(
        id="rajpal.eq4a",
        location="methodology, eq. 4, first sign",
        printed=r"p(x_0|x_t) \propto p(x_t|x_0)",
        verdict="conditional",
        reason="The poster calls it an assumption, and it is one: the posterior without its prior. For the prior "
        "N(mu, tau^2) the mean is x_t/sqrt(alpha_bar_t) only in the limit of large tau, or of low noise.",
        condition="p(x_0) is flat where p(x_t|x_0) is not small: (1 - alpha_bar_t)/alpha_bar_t is small against tau^2",
        claim=[Equal(x0_mean(x_t), x_t / c), Equal(x0_variance, r)],
        truth=[
            SameOrder(x0_mean(x_t), x_t / c, "Wide prior: the mean ...", using=wide_prior, h=small, order=1),
            SameOrder(x0_variance, r, "... and the variance.", using=wide_prior, h=small, order=1),
            SameOrder(
                x0_variance, r, "Low noise: equal to first order in 1 - alpha_bar.", using=low_noise, h=small, order=2
            ),
        ],
        proof="dmps",
        consequence=eq4_consequence,
    ),
    Row(
        id="rajpal.eq4b",
        location="methodology, eq. 4, second sign",
        printed=r"p(x_t|x_0) = \mathcal{N}\Big(x_0; \frac{x_t}{\sqrt{\bar\alpha_t}}, "
        r"\frac{1-\bar\alpha_t}{\bar\alpha_t}\mathbf{I}\Big)",
        verdict="ambiguous",
        reason="As functions of x_0 the two are proportional; a factor alpha_bar_t^(1/2) for each pixel lies "
        "between them. After the sign of proportionality before it, it does no harm.",
        readings={
            "normalised as a density of x_0: the exponents are the same": Equal(
                (x_t - c * x_0) ** 2 / (1 - alpha_bar), (x_0 - x_t / c) ** 2 / r
            ),
            "an equality of the two densities as they stand (2 pi left out)": Equal(
                exp(-((x_t - c * x_0) ** 2) / (2 * (1 - alpha_bar))) / n,
                exp(-((x_0 - x_t / c) ** 2) / (2 * r)) / sqrt(r),
            ),
        },
        proof="dmps",
    ),
    Row(
        id="rajpal.eq5",
        location="methodology, eq. 5",
        printed=r"\nabla_{x_k}\log\int p(y|x_0)q_{0|k}(x_0|x_k)dx_0 \approx \frac{1}{\sqrt{\bar\alpha}}\mathbf{A}^T"
        r"(\sigma^2\mathbf{I} + \frac{1-\bar\alpha_k}{\bar\alpha_k}\mathbf{A}\mathbf{A}^T)^{-1}(y - "
        r"\frac{1}{\sqrt{\bar\alpha_k}}\mathbf{A}x_k)",
        verdict="ambiguous",
        reason="The first alpha_bar has no index. With k it is the score of the law that (4) implies, exactly. (The "
        "text calls it 'the second term of Eq 2'; that term has the factor (1 - alpha_bar_k)/sqrt(alpha_bar_k) "
        "before it.) The index is missing in (6) too, so it was probably never written.",
        readings={
            "alpha_bar_k: the score of N(A x_k/sqrt(alpha_bar_k), sigma^2 I + ...), for one singular value": Equal(
                Derivative(-flat_residual, x_t), per_value
            ),
            "an alpha_bar of another level, e.g. that of the start or of the level before": Equal(
                per_value * c / sqrt(alpha_bar_prev), per_value
            ),
        },
        truth=InLaw(
            s * (x_t / c - level * z) + sigma * w,
            s * x_t / c + sqrt(sigma**2 + s**2 * r) * z_new,
            "The law of y under (4).",
        ),
        proof="dmps",
        consequence=eq5_consequence,
    ),
    Row(
        id="rajpal.eq6",
        location="methodology, eq. 6",
        printed=r"= \frac{1}{\sqrt{\bar\alpha}}\mathbf{V}\Sigma(\sigma^2\mathbf{I} + "
        r"\frac{1-\bar\alpha_k}{\bar\alpha_k}\Sigma^2)^{-1}(\mathbf{U}^Ty - "
        r"\frac{1}{\sqrt{\bar\alpha_k}}\Sigma\mathbf{V}^Tx_k)",
        verdict="conditional",
        reason="In the full decomposition of an M x N matrix, Sigma is M x N: then V Sigma and Sigma^2 do not exist "
        "unless M = N, and Sigma^T and Sigma Sigma^T must stand there. With thin factors it is right. For "
        "super-resolution, the poster's task, M is N/256. (The first alpha_bar lacks its k, as in (5).)",
        condition="U, Sigma, V are the thin factors (singular values > 0 only), or A is square; and alpha_bar is "
        "alpha_bar_k",
        claim=[Fits((V, Sigma)), Fits((Sigma, Sigma))],
        truth=[
            InSVD(closed, thin, "Thin factors."),
            InSVD(closed, full, "Full factors, with Sigma^T and Sigma Sigma^T."),
        ],
        proof="dmps",
    ),
    Row(
        id="rajpal.p.svd-inversion",
        location="methodology, after eq. 6",
        printed=r"\text{The SVD in Eq 6 circumvents inversion of } \mathbf{A}",
        verdict="ambiguous",
        reason="Nothing in (5) inverts A, which has no inverse unless it is square. What the SVD spares is the "
        "inverse of sigma^2 I + ... A A^T at every k.",
        readings={
            "the inverse of the matrix in (5): a division for each singular value": InSVD(
                (sigma**2 * Identity(M) + r * A * A.T).inv(),
                U * (sigma**2 * Identity(M) + r * Sigma * Sigma.T).inv() * U.T,
            ),
            "the inverse of A: A is square": Fits((A, A)),
        },
        proof="dmps",
    ),
    Row(
        id="rajpal.p.svd-once",
        location="methodology, after eq. 6",
        printed=r"\text{It only needs to be computed once.}",
        verdict="correct",
        reason="U, Sigma and V do not depend on k: the same factors give the term at every noise level.",
        claim=[InSVD(at_previous(closed), at_previous(full)), InSVD(closed, full)],
        proof="dmps",
    ),
    Row(
        id="rajpal.p.crude",
        location="methodology, after eq. 6",
        printed=r"\text{it implicitly assumes that } \frac{p(x_0)}{p(x_k)} \propto 1",
        verdict="correct",
        reason="By Bayes p(x_0|x_k) = p(x_k|x_0) p(x_0)/p(x_k). As functions of x_0 this and (4) agree if and only "
        "if p(x_0) is constant.",
        claim=Equal(diff(log(joint * prior / evidence), x), diff(log(joint), x), using={Derivative(prior, x): 0}),
        truth=Unequal(diff(log(joint * prior / evidence), x), diff(log(joint), x)),
        proof="dmps",
    ),
    Row(
        id="rajpal.p.dmps-inpainting",
        location="methodology, after eq. 6",
        printed=r"\text{For this reason, [3] were unable to perform difficult tasks such as inpainting and "
        r"outpainting.}",
        verdict="not-checkable",
        reason="Why authors left a task out cannot be proved; the abstract of [3] lists super-resolution, "
        "denoising, deblurring and colorization. True is that DMPS's term does not touch what A does not see. But "
        "the prior's score does, so 'unable' is too strong.",
        truth=InSVD((Identity(N) - A_pinv * A) * closed, ZeroMatrix(N, 1), "Nothing is added in A's null space."),
        proof="dmps",
        consequence=inpainting_consequence,
    ),
    Row(
        id="rajpal.p.exploration",
        location="methodology, below the figure",
        printed=r"\text{the samples } x_0|x_k \text{ for DPS are driven by the score } s_\theta(x_k,k) \text{ "
        r"highlighting exploitation, whereas DMPS is driven by } \mathbf{w}\sim\mathcal{N}(\mathbf{0},\mathbf{I}) "
        r"\text{ relies on exploration}",
        verdict="ambiguous",
        reason="'The equation above' is lost. It holds for the laws of x_0 given x_k that the two methods assume: a "
        "point, and a cloud about x_k/sqrt(alpha_bar_k). It does not hold for the samplers: neither draws that "
        "cloud, both take the same prior step with the same fresh noise, and their terms are functions of x_k and y.",
        readings={
            "the assumed laws: DMPS's x_0 given x_k is random, and seen through A it is the law of (5)": InLaw(
                s * (x_t / c - level * w) + sigma * z, s * x_t / c + sqrt(sigma**2 + s**2 * r) * z_new
            ),
            "the samplers: a step of DMPS takes another amount of fresh noise than a step of DPS": Unequal(
                Derivative(guided(per_value) + sqrt(beta) * z_new, z_new),
                Derivative(guided(dps_term) + sqrt(beta) * z_new, z_new),
            ),
        },
        proof="dmps",
        consequence=ood_consequence,
    ),
    Row(
        id="rajpal.p.idea",
        location="idea",
        printed=r"\text{Use DPS to sample from time } t \text{ to } k \text{ and DMPS to sample from time } k \text{ "
        r"to } 0",
        verdict="not-checkable",
        reason="A proposal is neither true nor false. In its favour: DMPS's term is exact to leading order at low "
        "noise, where the proposal uses it. But so is DPS's.",
        truth=[
            SameOrder(exact_term, per_value, using=low_noise, h=small, order=1),
            SameOrder(exact_term, dps_term, using=low_noise, h=small, order=1),
        ],
        proof="dmps",
        consequence=hybrid_consequence,
    ),
    Row(
        id="rajpal.p.flat-at-tc",
        location="idea, motivation",
        printed=r"\text{at } t_C \text{, it is reasonable to assume } p(x_0|x_k) \propto p(x_k|x_0) \text{ for } k "
        r"<< t \text{ i.e., } k = t_C",
        verdict="conditional",
        reason="At low noise any smooth prior looks flat: for N(mu, tau^2) the variances agree to first order in 1 "
        "- alpha_bar. But the noise must be small against the prior's width in every direction that A sees; images "
        "lie near a surface, and across it the width is nearly 0 at every k.",
        condition="the prior is smooth on the scale sqrt((1 - alpha_bar_k)/alpha_bar_k) in all directions that A sees",
        claim=Equal(x0_variance, r),
        truth=[
            SameOrder(x0_variance, r, using=low_noise, h=small, order=2),
            Positive(
                r, x0_variance, by=(1 - alpha_bar) ** 2 / (alpha_bar * spread), because="It always takes too much ..."
            ),
            Equal(
                x0_variance, 0, "... and across a surface (tau = 0) the right variance is 0 at every k.", using={tau: 0}
            ),
        ],
        proof="dmps",
    ),
    Row(
        id="rajpal.p.collapse",
        location="idea, motivation",
        printed=r"\text{a 'collapse' transition at time } t_C \text{ where the trajectories [...] become attracted "
        r"to one of the memorized data points. } \therefore \text{ at } t_C \text{, it is reasonable to assume } "
        r"p(x_0|x_k) \propto p(x_k|x_0)",
        verdict="wrong",
        reason="The 'therefore'. If the trajectory has fallen to one data point, x_0 given x_k is that point, and "
        "its variance is as good as 0: that is the assumption of (3), DPS's, and the opposite of (4), whose cloud "
        "has the variance (1 - alpha_bar_k)/alpha_bar_k. (The conclusion has better reasons: see rajpal.p.flat-at-tc.)",
        claim=Equal(
            4 * E * alpha_bar,
            (1 - alpha_bar) * (1 + E) ** 2,
            "Two data points: variance of x_0 given x_k = variance in (4).",
        ),
        truth=[
            Equal(
                ((x - c) ** 2 - (x + c) ** 2) / (2 * (1 - alpha_bar)),
                -2 * c * x / (1 - alpha_bar),
                "E is the ratio of their weights.",
            ),
            Equal(1 - ((1 - E) / (1 + E)) ** 2, two_images, "The variance of 1 and -1 with weights 1 and E."),
        ],
        corrected=r"\text{at } t_C:\ q_{0|k}(\cdot|x_k) \approx \delta_{x^\theta_{0|k}(x_k)}; \text{ and } "
        r"p(x_0|x_k) \propto p(x_k|x_0) \text{ at low noise if the prior is smooth on the scale } "
        r"\sqrt{(1-\bar\alpha_k)/\bar\alpha_k}",
        origin="wrong idea: the sentences before describe the theory of [1], which is about a finite set of data "
        "points, and the conclusion needs a smooth density",
        proof="dps",
        consequence=collapse_consequence,
    ),
    Row(
        id="rajpal.p.tc-rule",
        location="idea, the heuristic for t_C",
        printed=r"\text{finding } k \text{ for which: } \text{pSNR}(x_0|x_k - x_0|x_{k-1}) \geq 20",
        verdict="ambiguous",
        reason="PSNR needs two images, a peak and a unit (dB); and 'k for which' does not say whether the first "
        "from above or from below, nor what the first step is compared with. As a rule on the mean square change of "
        "successive predictions it is met almost always: with an exact sampler, without guidance, the mean square "
        "changes of x0_hat add up to at most the variance of x_0 (here 1/4), and one that fails 20 dB takes 4/100 "
        "of it.",
        readings={
            "the first k from above at which two successive predictions agree to 20 dB: at the latest the seventh "
            "step, for 7 failures exceed 1/4": AtLeast(7 * dB20, total),
            "a rule that could give k = 50 of t = 100, as in table 1: 50 failures fit into 1/4": AtLeast(
                total, 50 * dB20
            ),
        },
        truth=InLaw(
            x0_mean_previous(x_up_prev) - x0_mean(x_up),
            sqrt(x0_variance - at_previous(x0_variance)) * z,
            "The change of x0_hat in one step has mean 0 and takes its variance from that of x_0 given x_k "
            "(Gaussian prior).",
        ),
        proof="reverse_variance",
        consequence=rule_consequence,
    ),
    Row(
        id="rajpal.p.sigma",
        location="numerical experiments, captions and table 1",
        printed=r"\sigma = 0.01",
        verdict="not-checkable",
        reason="On [0, 1] or on [-1, 1]? The same figure means two noise levels, a factor of 4 apart in sigma^2, "
        "and DMPS's term (5) feels it. The poster does not say.",
        truth=Unequal(per_value, per_value.subs(sigma, 2 * sigma)),
        proof="units",
    ),
    Row(
        id="rajpal.p.t-settings",
        location="numerical experiments, captions and table 1",
        printed=r"t = 300 \text{ (fig. 1)},\quad t = 100 \text{ (figs. 2, 3)},\quad t = 100,\ k = 50 \text{ (table 1)}",
        verdict="ambiguous",
        reason="Either t counts the steps of a respaced schedule, or it names a level of a longer one at which the "
        "sampler starts. The text calls t a time to sample from; but then the start cannot be pure noise, and no "
        "other start is described.",
        readings={
            "t steps of a respaced schedule; half DPS and half DMPS would take 13.455 s, within 0.1 s of the "
            "printed time": AtLeast(Rational("0.1"), abs(Rational("13.42") - half_each)),
            "the level t of a longer schedule, with pure noise as start: x_t has that law": InLaw(
                c * x_0 + n * z, z_new
            ),
        },
        proof="vp_marginal",
        consequence=t100_consequence,
    ),
    Row(
        id="rajpal.table1",
        location="table 1",
        printed=r"\text{time, pSNR, LPIPS: DPS } 17.72, 19.37, 0.25; \text{ DMPS } 9.19, 15.63, 0.41; \text{ "
        r"DPS+DPMS } 13.42, 19.97, 0.24",
        verdict="not-checkable",
        reason="Twenty images, one task, no spread, and the machine is not named. The figures fit together: the "
        "hybrid's time lies between the two (a half of each is 13.455 s). 'DPMS' is DMPS.",
        truth=[
            *larger("17.72 13.42", "13.42 9.19"),
            AtLeast(
                Rational("0.1"),
                abs(Rational("13.42") - half_each),
                "The hybrid's time is the mean of the two, within 0.1 s.",
            ),
        ],
        proof="dmps",
    ),
    Row(
        id="rajpal.p.better",
        location="numerical experiments, after table 1",
        printed=r"\text{We achieve, on average, better metrics on in-distribution images than DPS in a shorter time.}",
        verdict="correct",
        reason="As a statement about table 1: higher PSNR, lower LPIPS, shorter time. By 0.60 dB and 0.01 LPIPS, on "
        "20 images of one task and without a spread, so it says little about another set.",
        claim=[
            *larger("19.97", "19.37"),
            *larger("0.25", "0.24"),
            *larger("17.72", "13.42"),
        ],
        proof="dmps",
    ),
    Row(
        id="rajpal.p.ood",
        location="numerical experiments, after fig. 3",
        printed=r"\text{our method is more robust (lower LPIPS) than DPS because it promotes exploration once a mode "
        r"is found (escaping sharp local minima)}",
        verdict="not-checkable",
        reason="One figure, which is not in the text, and no figures. What can be proved: the DMPS phase adds no "
        "fresh noise of its own; its term, like DPS's, is a function of x_k and y, with another slope.",
        truth=[
            Equal(Derivative(guided(per_value) + sqrt(beta) * z_new, z_new), sqrt(beta)),
            Equal(Derivative(per_value, y), s / (c * (sigma**2 + s**2 * r)), "DMPS's pull of y."),
            Equal(Derivative(dps_term, y), slope * s / sigma**2, "DPS's pull of y."),
        ],
        proof="dmps",
        consequence=ood_consequence,
    ),
]
