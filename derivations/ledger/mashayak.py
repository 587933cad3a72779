r"""The ledger of mashayak: inverse imaging with a diffusion model as prior.

The report's algebra (11), (14), (15) is right line by line; the formulas around it are not: bars are lost in (12)
and (13), the likelihood's score has the wrong sign in (7), the sampling step (13) draws no noise, and (16), (17)
divide epsilon by the wrong standard deviation. `Quotes` judges a name.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import log10, prod
from math import sqrt as root

from sympy import Derivative, Function, Identity, Rational, S, diff, exp, log, sqrt

from derivations.bayes_score import ell as likelihood
from derivations.bayes_score import evidence, joint, prior
from derivations.checker import (
    Counterexample,
    Entries,
    Equal,
    Induction,
    InLaw,
    InSVD,
    Integrals,
    Positive,
    SameOrder,
    Step,
    Unequal,
    Verdict,
)
from derivations.dps import dps as dps_term
from derivations.dps import exact as exact_term
from derivations.dps import m as x0_mean
from derivations.dps import slope
from derivations.dps import v as x0_variance
from derivations.forward_sde import f, fokker_planck, g, p
from derivations.forward_sde import h as small
from derivations.forward_sde import score as log_slope
from derivations.ledger import sampler
from derivations.ledger.row import AtLeast, Row
from derivations.likelihood_score import A as matrix
from derivations.likelihood_score import flat, gradient, level, misfit, residual, tempered
from derivations.likelihood_score import x as pixels
from derivations.posterior import down, mean
from derivations.predictions import x0_from_score
from derivations.reverse_mean import epsilon_form, score_form
from derivations.reverse_variance import exact as reverse_variance
from derivations.reverse_variance import reverse_mean, x_down, x_up
from derivations.reverse_variance import x_prev as x_up_prev
from derivations.sdedit import kappa, kappa_prev, reverse, spread
from derivations.spectral import A, A_pinv, M, N, U, V, vector
from derivations.spectral import S as Sigma
from derivations.symbols import declare, get
from derivations.tweedie import expect, expect2, score, u, u_2, weigh, x, x_2
from derivations.vp_marginal import marginal, one_step

alpha, alpha_prev, alpha_bar, alpha_bar_prev, beta = get("alpha", "alpha_prev", "alpha_bar", "alpha_bar_prev", "beta")
s_theta, eps_theta, x_0, x_t, x_prev, x_prev2 = get("s_theta", "eps_theta", "x_0", "x_t", "x_prev", "x_prev2")
sigma, gamma, tau, mu, lam, s, y, w = get("sigma", "gamma", "tau", "mu", "lam", "s", "y", "w")
z, z_t, z_prev, z_new, n_0 = get("z", "z_t", "z_prev", "z_new", "n_0")
z_prev2 = declare("z_prev2", "z_{t-2}", "the draw of forward step t-2", "noise", ("z_prev",))
w_1 = declare("w_1", "w_1", "a weight of a sum of two draws", "real", ("w_2",))
w_2 = declare("w_2", "w_2", "the other weight", "real", ("w_1",))
guess = declare("guess", "c", "an estimate", "real")


# Words and figures.


@dataclass(frozen=True)
class Quotes(Step):
    """Every word of the left text stands in the right text."""

    kind = "words"
    relation = r"\subseteq"

    def __post_init__(self) -> None:  # texts, not formulas
        pass

    def sides(self) -> list:
        return []

    def missing(self) -> list[str]:
        known = self.rhs.lower().replace(":", " ").split()
        return [word for word in self.lhs.lower().split() if word not in known]

    def check(self, nice: bool = False) -> Verdict:
        if missing := self.missing():
            return Verdict(
                "refuted", Counterexample({}, f"the words {', '.join(missing)}", f"has no such words: {self.rhs}")
            )
        return Verdict("proved")

    def tex(self) -> str:
        return rf"\text{{{self.lhs}}} {self.relation} \text{{{self.rhs}}}"


def larger(more: str, less: str) -> list[AtLeast]:
    """Figures of a table: each on the left is larger than the one on the right that stands in its place."""
    return [AtLeast(Rational(a), Rational(b)) for a, b in zip(more.split(), less.split(), strict=True)]


def level_of(t: int, T: int = 1000) -> float:
    """alpha_bar_t of the usual schedule, which is linear from 1e-4 to 2e-2."""
    return prod(sampler.linear(T)[:t])


def last_level() -> Rational:
    """alpha_bar_T of the sampler's short chain, exactly."""
    return Rational(prod(sampler.ALPHAS))


# What the report prints, as expressions.

c, n = sqrt(alpha_bar), sqrt(1 - alpha_bar)
weight = (1 - alpha) / sqrt(alpha)  # of anything that is added to the score
first_steps = {alpha_bar: alpha, alpha_bar_prev: 1}  # t = 1

ald = s * (y - s * x_t) / (sigma**2 + gamma**2)  # ScoreALD's term with the right sign
eq7_printed = -ald
eq11_two_draws = (
    sqrt(alpha) * sqrt(alpha_prev) * x_prev2 + sqrt(1 - alpha) * z_prev + sqrt(alpha) * sqrt(1 - alpha_prev) * z_prev2
)
eq12_printed = sqrt(alpha) * x_0 + sqrt(1 - alpha) * z
eq13_x0_printed = (x_t + (1 - alpha_bar) * s_theta) / sqrt(alpha)
eq14_score = sqrt(alpha_bar_prev) * (1 - alpha) * (1 - alpha_bar) / (sqrt(alpha_bar) * (1 - alpha_bar)) * s_theta
eq14a_printed = (
    sqrt(alpha) * (1 - alpha_bar_prev) / (1 - alpha_bar) * x_t
    + sqrt(alpha_bar_prev) * (1 - alpha) / (sqrt(alpha_bar) * (1 - alpha_bar)) * x_t
    + eq14_score
)
eq14b_printed = (sqrt(alpha_bar) * sqrt(alpha) * (1 - alpha_bar_prev) + sqrt(alpha_bar_prev) * (1 - alpha)) / (
    sqrt(alpha_bar) * (1 - alpha_bar)
) * x_t + eq14_score
eq14c_printed = (
    sqrt(alpha * alpha_bar_prev) * sqrt(alpha) * (1 - alpha_bar_prev) + sqrt(alpha_bar_prev) * (1 - alpha)
) / (sqrt(alpha * alpha_bar_prev) * (1 - alpha_bar)) * x_t + sqrt(alpha_bar_prev) * (1 - alpha) * (1 - alpha_bar) / (
    sqrt(alpha * alpha_bar_prev) * (1 - alpha_bar)
) * s_theta
eq16_printed = -eps_theta / sqrt(1 - alpha)
eq17_printed = (x_t - sqrt(1 - alpha) * eps_theta) / sqrt(alpha)


# Consequences: each computes its sentence.


def guided(term):
    """The reverse mean with a likelihood term in it."""
    return score_form + weight * term


def eq2_consequence() -> str:
    def minimiser(lam):
        return (s * y + lam * mu / tau**2) / (s**2 + lam / tau**2)

    point = sampler.DATA | sampler.MEASUREMENT
    right = sampler.truth(measured=True).mean
    found = {str(v): minimiser(Rational(v)).subs(point) for v in (sigma.subs(point) ** 2, 1)}
    words = ", ".join(f"lambda = {k} gives {sampler.number(v)}" for k, v in found.items())
    return (
        f"Data N(1/2, 1/4), y = 1, sigma = 1/2, Psi = -log p: {words}; the posterior's mean and mode is "
        f"{sampler.number(right)}."
    )


def map_consequence() -> str:
    at_mode, at_mean = (three_values.subs(guess, v) for v in (0, Rational(9, 10)))
    loss = 10 * log10(at_mode / at_mean)
    return (
        f"Posterior on 0, 1, 2 with weights 4/10, 3/10, 3/10: the mode 0 has the mean squared error {at_mode}, the "
        f"mean 9/10 has {at_mean}: {loss:.2f} dB of PSNR, the figure that the report's tables show."
    )


def eq5_consequence() -> str:
    def variance(steps: int, factor) -> Fraction:
        v, h = Fraction(1), Fraction(1, steps)
        for _ in range(steps):
            v = factor(h) ** 2 * v + h
        return v

    literal = [float(variance(k, lambda h: Fraction(1, 2) - h)) for k in (10, 100, 1000)]
    right = [float(variance(k, lambda h: 1 - h / 2)) for k in (10, 100, 1000)]
    return (
        "N(0, 1) data, f = -x/2, g = 1, t from 1 down to 0. With f outside the bracket each step adds the whole of "
        f"f, so the output's variance after 10, 100, 1000 steps is {', '.join(f'{v:.4f}' for v in literal)}: the "
        f"finer the steps, the nearer to a point. With f dt it is {', '.join(f'{v:.4f}' for v in right)}."
    )


def eq7_consequence() -> str:
    at = {gamma: 1}
    wrong = sampler.output(guided(eq7_printed), measured=True, values=at)
    right = sampler.output(guided(ald), measured=True, values=at)
    behind_minus = sampler.output(score_form - weight * eq7_printed, measured=True, values=at)
    long = sampler.output(guided(eq7_printed), measured=True, values=at, alphas=sampler.linear())
    cancel = "the same law as with the right sign" if behind_minus == right else "another law"
    return (
        f"With gamma = 1 and y = 1 the output has {wrong}; with the right sign {right}; the posterior has "
        f"{sampler.truth(True)}. With 1000 steps the printed sign gives {long}: it runs away from the measurement. A "
        f"pair that cancels: behind the minus sign that liu prints before its ScoreALD term, (7) gives {cancel}. "
        "Likewise in (5): whoever steps it with dt > 0 turns the sign of the likelihood term a second time."
    )


def gamma_consequence() -> str:
    said = []
    for words, value in (("gamma = 0", 0), ("gamma = 1", 1), ("gamma^2 = s^2 (1 - alpha_bar)/alpha_bar", s * level)):
        said.append(f"{words}: {sampler.output(guided(ald.subs(gamma, value)), measured=True)}")
    return f"Four steps, the posterior is {sampler.truth(True)}. {'; '.join(said)}. None gives the posterior."


def eq8_consequence() -> str:
    through = sampler.output(guided(dps_term), measured=True)
    stopped = sampler.output(guided(s * (y - s * x0_mean(x_t)) / sigma**2), measured=True)
    return (
        f"Four steps, the posterior is {sampler.truth(True)}. Gradient through the denoiser (DPS): {through}. "
        f"Gradient at the estimated mean, not through it: {stopped}."
    )


def eq12_consequence() -> str:
    a, bar = sampler.linear()[499], level_of(500)
    last = sampler.ALPHAS[-1]
    start = sampler.marginal(eq12_printed.subs(alpha, Rational(last)))
    return (
        f"With the usual 1000 steps x_500 would be {root(a):.4f} x_0 plus noise of standard deviation "
        f"{root(1 - a):.4f}, instead of {root(bar):.4f} x_0 plus {root(1 - bar):.4f}: an SDEdit that starts so hands "
        "a nearly clean image to a denoiser that expects noise. Exact, four steps: a right sampler that starts at "
        f"the printed x_4 returns {sampler.beside(sampler.output(score_form, start=start), sampler.truth())}."
    )


def eq13a_consequence() -> str:
    chain = sampler.compare(mean(eq13_x0_printed, x_t))
    long = sampler.output(mean(eq13_x0_printed, x_t), alphas=sampler.linear())
    levels = {alpha: Rational(sampler.ALPHAS[-1]), alpha_bar: last_level()}
    x_lit, x_right = eq12_printed, sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * z
    gains = []
    for noised in (x_right, x_lit):
        for x0_hat in (x0_from_score, eq13_x0_printed):
            out = x0_hat.xreplace({s_theta: sampler.SCORE}).xreplace({x_t: noised}).subs({mu: 0, tau: Rational(1, 2)})
            gains.append(float(diff(out, x_0).subs(levels)))
    return (
        f"{chain} With the usual 1000 steps: {long}. A pair that cancels: single-step denoising of centred Gaussian "
        f"data at alpha_bar = {sampler.number(levels[alpha_bar])}. The factor before x_0 in x0_hat should be "
        f"{gains[0]:.4f}. (13) alone makes it {gains[1]:.4f}, (12) alone {gains[2]:.4f}, both together "
        f"{gains[3]:.4f}: right again, but the noise in x0_hat is not."
    )


def eq13b_consequence() -> str:
    standard = {mu: 0, tau: 1}
    long = sampler.output(score_form, noise=0, values=standard, alphas=sampler.linear())
    return (
        f"{sampler.compare(mean(x0_from_score, x_t), noise=0)} On N(0, 1) data with the usual 1000 steps the "
        f"variance is {long.variance:.2g} instead of 1: whatever noise it starts from, the sampler returns nearly "
        "the same point."
    )


def eq16c_consequence() -> str:
    return (
        f"{sampler.compare(score_form.subs(s_theta, eq16_printed))} A pair that cancels: a network that was trained "
        "on (12) as printed predicts noise of variance 1 - alpha_t, and for that network (16) is right (see the "
        "last step of the check)."
    )


def eq17_consequence() -> str:
    bar, worst, at = 1.0, 0.0, 0
    for t, a in enumerate(sampler.linear(), 1):
        bar *= a
        worst, at = max((worst, at), (root((1 - bar) / (1 - a)), t))
    long = sampler.output(eq17_printed, alphas=sampler.linear())
    loose = sampler.output(eq17_printed, noise=beta)
    wide = sampler.output(score_form, noise=beta)
    return (
        f"{sampler.compare(eq17_printed)} With the usual 1000 steps the variance is {long.variance:.4f}. The step "
        f"takes out sqrt((1 - alpha_bar_t)/(1 - alpha_t)) times the noise that it should: 1 at t = 1, {worst:.2f} at "
        f"t = {at}. A pair that nearly cancels on a short chain: the noise beta_t, too much for these data, alone "
        f"gives variance {sampler.number(wide.variance)}, with (17) {sampler.number(loose.variance)}, near the true "
        f"{sampler.number(sampler.truth().variance)}."
    )


def three_consequence() -> str:
    bar = last_level()
    out = sampler.output(score_form, start=sampler.Law(sqrt(bar) * sampler.MEASUREMENT[y], 1 - bar))
    return f"SDEdit from y = 1 with four steps: {out}; the posterior is {sampler.truth(True)}."


def table1_consequence() -> str:
    noisy = [10 * log10(4 * level_of(t) / (1 - level_of(t))) for t in (100, 300, 500)]
    return (
        "For scale: with the usual schedule x_t/sqrt(alpha_bar_t) itself has a PSNR of "
        f"{', '.join(f'{v:.1f}' for v in noisy)} dB at t = 100, 300, 500 in [-1, 1] units; the printed figures of "
        "sample 1 are higher by "
        f"{', '.join(f'{p - v:.1f}' for p, v in zip((31.20, 26.12, 21.96), noisy, strict=True))} dB."
    )


def steps_consequence() -> str:
    bar = level_of(1000)
    return (
        f"With the usual schedule alpha_bar_1000 = {bar:.2g}: x_1000 holds {root(bar):.4f} of x_0, so pure noise "
        "is a good start."
    )


def table2_consequence() -> str:
    said = []
    for t in (400, 500, 600):
        bar = level_of(t)
        said.append(f"{bar / 4 / (bar / 4 + 1 - bar):.4f} at t = {t} (alpha_bar = {bar:.4f})")
    return (
        "For a Gaussian prior with tau = 1/2 and the usual schedule, y survives in the output with the factor "
        f"kappa = {', '.join(said)}."
    )


def settings_consequence() -> str:
    said = [f"gamma = {k}: {sampler.output(guided(ald), measured=True, values={gamma: k})}" for k in (0, 1, 10)]
    return f"ScoreALD on data N(1/2, 1/4), y = 1, sigma = 1/2, four steps; {'; '.join(said)}."


def table3_consequence() -> str:
    gains = [Rational(b) - Rational(a) for a, b in (("22.70", "31.77"), ("20.35", "22.00"), ("22.00", "24.62"))]
    words = ", ".join(f"{float(v):.2f}" for v in gains)
    return f"DPS is ahead by {words} dB (box, random, blur); on the random mask by least."


# Pieces of checks.

three_values = Rational(2, 5) * guess**2 + Rational(3, 10) * (1 - guess) ** 2 + Rational(3, 10) * (2 - guess) ** 2
Psi = Function("Psi", real=True)(x)
misfit_x = (s * x - y) ** 2
denoised = Function("d", real=True)(x)
image, measured, noise_b = vector("x", N), vector("y", M), vector("eta", M)
A12, A21 = get("A12"), get("A21")
posterior_score = -(x_t - c * sampler.posterior_mean) / sampler.spread(alpha_bar, sqrt(sampler.posterior_variance))
matched_gamma = {gamma: sqrt((sigma**2 + s**2 * x0_variance) / slope - sigma**2)}
one_kernel, all_kernel = (sqrt(alpha), sqrt(beta)), (c, n)
sdedit_title = "SDEdit: Guided Image Synthesis and Editing with Stochastic Differential Equations"


ROWS = [
    Row(
        id="mashayak.p.sdedit-name",
        location="abstract and section 1",
        printed=r"\text{score-distillation editing (SDEdit) [1]}",
        verdict="wrong",
        reason="SDEdit is stochastic differential editing: it runs a stochastic differential equation backwards. "
        "Score distillation is another idea (an image is optimised until a score accepts it), and no part of SDEdit.",
        claim=Quotes("score distillation editing", sdedit_title),
        truth=Quotes("stochastic differential editing", sdedit_title),
        corrected=r"\text{stochastic differential editing (SDEdit) [1]}",
        origin="wrong idea: it stands twice, in the abstract and in section 1, while the report's own reference [1] "
        "has the right words",
        proof="sdedit",
        consequence=lambda: (
            "No formula changes. A reader who looks for the name finds other methods: "
            f"{', '.join(Quotes('score distillation editing', sdedit_title).missing())} do not occur in the cited "
            "title."
        ),
    ),
    Row(
        id="mashayak.p.three-techniques",
        location="abstract",
        printed=r"\text{three techniques for modeling conditional terms of priors, namely [SDEdit], ScoreALD, and "
        r"[DPS]}",
        verdict="ambiguous",
        reason="Section 3 itself counts two approximations of the conditional score. SDEdit has none: its steps are "
        "the prior's, and the measurement enters by the start alone.",
        readings={
            "each of the three has a term for the conditional score in (5); SDEdit's would be 0": Equal(
                S.Zero, exact_term
            ),
            "each of the three lets the output depend on b; SDEdit by its start, with the factor kappa > 0": Positive(
                diff(reverse(c * y, 0), y), 0, by=alpha_bar * tau**2 / spread
            ),
        },
        proof="sdedit",
        consequence=three_consequence,
    ),
    Row(
        id="mashayak.eq1",
        location="section 1, eq. 1",
        printed=r"\mathbf{b} = \mathbf{A}\mathbf{x} + \eta",
        verdict="correct",
        reason="A definition, and its shapes fit: in the coordinates of the SVD each measured number is a singular "
        "value times a coordinate of the image, plus noise. (4), (7) and DPS need more: noise that is N(0, sigma^2 "
        "I) and independent of x.",
        claim=InSVD(U.T * (A * image + noise_b), Sigma * V.T * image + U.T * noise_b),
        proof="likelihood_score",
    ),
    Row(
        id="mashayak.p.underdetermined",
        location="section 1, after eq. 1",
        printed=r"M < N.\ \text{Therefore Eq. 1 is under-determined and there are infinitely many solutions for } "
        r"\mathbf{x}",
        verdict="conditional",
        reason="M < N gives a null space, so one solution is never alone; but if A lacks full row rank a noisy b "
        "may have none. And M < N is not what makes the report's own tasks hard: a mask or a blur that keeps the "
        "image's size has M = N.",
        condition="b lies in the range of A (as it always does if A has full row rank), or the noise counts as "
        "unknown too",
        claim=InSVD(A * A_pinv * measured, measured),
        truth=InSVD(A * (A_pinv * measured + (Identity(N) - A_pinv * A) * image), A * A_pinv * measured),
        proof="operators",
    ),
    Row(
        id="mashayak.eq2",
        location="section 1, eq. 2",
        printed=r"\underset{\mathbf{x}}{\text{minimize}}\quad \frac12\|\mathbf{A}\mathbf{x}-\mathbf{b}\|_2^2 + "
        r"\lambda\Psi(\mathbf{x})",
        verdict="conditional",
        reason="As a regularised least-squares problem it is a definition. It is the MAP problem (4), on which the "
        "report builds, only if the weight is the noise's variance; Psi is then minus the log of the prior, not the "
        "prior.",
        condition="the noise is N(0, sigma^2 I), Psi = -log p up to a constant, and lambda = sigma^2",
        claim=Equal(Derivative(misfit_x / 2 + lam * Psi, x), sigma**2 * Derivative(misfit_x / (2 * sigma**2) + Psi, x)),
        truth=Equal(
            Derivative(misfit_x / 2 + lam * Psi, x),
            sigma**2 * Derivative(misfit_x / (2 * sigma**2) + Psi, x),
            using={lam: sigma**2},
        ),
        proof="likelihood_score",
        consequence=eq2_consequence,
    ),
    Row(
        id="mashayak.p.sparse-prior",
        location="section 2, first paragraph",
        printed=r"\Psi(\mathbf{x}) = \|\nabla\mathbf{x}\|_1 \text{ for sparse images to promote sparsity, } "
        r"\Psi(\mathbf{x}) = \text{TV}(\mathbf{x}) \text{ [4] for natural images with sparse gradients}",
        verdict="ambiguous",
        reason="The norm of the gradient makes gradients sparse, not images. Meant so, it is (anisotropic) TV, and "
        "the sentence's second and third prior are one; a sparse image wants the norm of x itself. TV is no norm "
        "either: a constant costs nothing.",
        readings={
            "a sparse image, such as (0, 1, 0), is cheaper than one without zeros, such as (1, 1, 1)": AtLeast(
                S.Zero, S(2)
            ),
            "an image with a sparse gradient, such as (1, 1, 1), is cheaper than (0, 1, 0)": AtLeast(S(2), S.Zero),
        },
        truth=AtLeast(S(3), S.One, "The norm of the image itself does prefer (0, 1, 0) to (1, 1, 1)."),
        proof="admm",
    ),
    Row(
        id="mashayak.p.denoiser-prior",
        location="section 2, first paragraph",
        printed=r"\text{an arbitrary denoiser, such as DnCNN can also be used as a prior}",
        verdict="conditional",
        reason="A denoiser that is the proximal map of some Psi, or the posterior mean under some prior, has a "
        "symmetric Jacobian; an arbitrary map has not, and then no Psi in (2) belongs to it. (Used in ADMM's loop "
        "without a Psi it is a heuristic.)",
        condition="the denoiser's Jacobian is symmetric with eigenvalues in [0, 1], as that of an exact posterior "
        "mean is symmetric",
        claim=Equal(A12, A21, "the Jacobian of the linear denoiser x -> A x"),
        truth=Integrals(diff(expect2(u), x_2), diff(expect2(u_2), x)),
        proof="tweedie.covariance",
    ),
    Row(
        id="mashayak.eq3",
        location="section 3, eq. 3",
        printed=r"p_t(\mathbf{x}|\mathbf{b}) \propto \mathbf{p}_t(\mathbf{b}|\mathbf{x})\mathbf{p}_t(\mathbf{x})",
        verdict="correct",
        reason="Bayes' rule, at every noise level: as functions of x the two sides differ by the factor 1/p(b).",
        claim=[
            Equal(diff(log(joint / evidence), x), diff(log(joint / prior), x) + diff(log(prior), x)),
            Integrals(
                diff(log(weigh(likelihood(u), c, n)), x), diff(log(expect(likelihood(u), c, n)), x) + score(c, n)
            ),
        ],
        proof="bayes_score",
    ),
    Row(
        id="mashayak.p.map-optimal",
        location="section 3, before eq. 4",
        printed=r"\text{The optimal solution for Eq. 3 could be determined as a maximum-a-posterior (MAP) solution}",
        verdict="conditional",
        reason="What is optimal depends on the loss. The mode wins if every miss costs the same; by the squared "
        "error, i.e. by PSNR, the posterior's mean wins. And the report's three methods draw samples: they compute "
        "neither.",
        condition="the loss counts hits and misses only, or the posterior's mode is its mean, as for a Gaussian",
        claim=AtLeast(
            three_values.subs(guess, Rational(9, 10)),
            three_values.subs(guess, 0),
            "posterior on 0, 1, 2: the mode 0 has the least error",
        ),
        truth=[
            Positive(three_values, three_values.subs(guess, Rational(9, 10)), by=(guess - Rational(9, 10)) ** 2),
            Equal(
                Derivative((y - s * x) ** 2 / (2 * sigma**2) + (x - mu) ** 2 / (2 * tau**2), x),
                0,
                using={x: sampler.posterior_mean},
            ),
        ],
        proof="bayes_score",
        consequence=map_consequence,
    ),
    Row(
        id="mashayak.eq4",
        location="section 3, eq. 4",
        printed=r"\mathbf{x}_{\text{MAP}} = \arg\min_{\mathbf{x}} -\log(p(\mathbf{b}|\mathbf{x},\sigma)) - "
        r"\log(p(\mathbf{x}))",
        verdict="correct",
        reason="The logarithm grows, so the posterior's maximum is the minimum of minus its logarithm; p(b) is a "
        "constant in x.",
        claim=Equal(-diff(log(joint / evidence), x), diff(-log(joint / prior) - log(prior), x)),
        proof="bayes_score",
    ),
    Row(
        id="mashayak.p.sde-equivalent",
        location="section 3, before eq. 5",
        printed=r"\text{the diffusion model based sampling approach is equivalent to solving inverse stochastic "
        r"difference equation}",
        verdict="ambiguous",
        reason="A chain of steps is a difference equation; (5) is a differential equation, of which the chain is a "
        "discretisation.",
        readings={
            "difference: the reverse chain, with the right noise, has exactly the forward chain's law (Gaussian "
            "data)": InLaw((x_up_prev, x_up), (reverse_mean(x_down) + sqrt(reverse_variance) * z_new, x_down)),
            "differential: DDPM's step is the equation's exact solution over a step (factors on N(0, 1) data)": Equal(
                sqrt(1 - small), exp(-small / 2)
            ),
        },
        truth=SameOrder(sqrt(1 - small), exp(-small / 2), "They agree up to O(beta^2).", h=small, order=2),
        proof="forward_sde",
    ),
    Row(
        id="mashayak.eq5",
        location="section 3, eq. 5",
        printed=r"d\mathbf{x} = \mathbf{f}(\mathbf{x},\mathbf{t}) - g^2(t)(\nabla_{\mathbf{x}}\log p_t(\mathbf{x}) + "
        r"\nabla_{\mathbf{x}}\log\mathbf{p}_t(\mathbf{b}|\mathbf{x}))dt + g(t)d\tilde{\mathbf{w}}",
        verdict="wrong",
        reason="The drift f must be multiplied by dt, as everything that is not noise. As printed a step of length "
        "0 still moves x by f(x). The rest is right, for time that runs down (dt < 0): g^2, the sign, and by Bayes "
        "the sum of the two scores.",
        claim=SameOrder(
            1 - beta / 2 - beta * small, exp(-beta * small / 2), "A step of length h on N(0, 1) data.", h=small, order=2
        ),
        truth=[
            SameOrder(1 + (beta / 2 - beta) * small, exp(-beta * small / 2), "With f dt.", h=small, order=2),
            Equal(
                fokker_planck(-f + g**2 * log_slope, g**2, p),
                -fokker_planck(f, g**2, p),
                "The signs, for time that runs down.",
            ),
        ],
        corrected=r"d\mathbf{x} = \big[\mathbf{f}(\mathbf{x},t) - g^2(t)(\nabla_{\mathbf{x}}\log p_t(\mathbf{x}) + "
        r"\nabla_{\mathbf{x}}\log p_t(\mathbf{b}|\mathbf{x}))\big]dt + g(t)d\tilde{\mathbf{w}}",
        origin="slip of the pen: the bracket that should open before f is lost where the formula is broken into "
        "three lines; all else is in its place",
        proof="forward_sde",
        consequence=eq5_consequence,
    ),
    Row(
        id="mashayak.eq6",
        location="section 3, eq. 6",
        printed=r"\nabla_{\mathbf{x}}\log p_t(\mathbf{b}|\mathbf{x}) \text{ is only valid at target } \mathbf{x}_0, "
        r"\text{ i.e., } \nabla_{\mathbf{x}}\log p_t(\mathbf{b}|\mathbf{x}_0) \neq "
        r"\nabla_{\mathbf{x}}\log\mathbf{p}_t(\mathbf{b}|\mathbf{x}_t)",
        verdict="ambiguous",
        reason="What is known only for x_0 is the Gaussian N(b; A x_0, sigma^2 I). The likelihood of x_t exists at "
        "every noise level (it is that Gaussian's mean over p(x_0|x_t)), and its score is exactly what (5) asks for.",
        readings={
            "the likelihood of x_0, evaluated at x_t, is not the likelihood of x_t (Gaussian prior)": Unequal(
                s * (y - s * x_t) / sigma**2, exact_term
            ),
            "for t > 0 the score of p_t(b|x_t) is not valid: added to the prior's score it does not give the "
            "posterior's": Unequal(sampler.SCORE + exact_term, posterior_score),
        },
        proof="bayes_score",
    ),
    Row(
        id="mashayak.eq7a",
        location="section 3, eq. 7, first line",
        printed=r"\nabla_{\mathbf{x}}\log p_t(\mathbf{b}|\mathbf{x}_0) \approx \nabla_{\mathbf{x}}\log "
        r"p_t(\mathbf{b}|\mathbf{x}_t)",
        verdict="ambiguous",
        reason="The term that (5) needs is the one that is unknown, p_t(b|x_t); what is put for it is the known "
        "likelihood, with x_t in the place of x_0. So the two sides carry each other's names, unless x_0 on the "
        "left stands for 'the term that is wanted'.",
        readings={
            "the wanted score at x_t is replaced by the likelihood of x_0 taken at x_t: right to leading order as t "
            "goes to 0": SameOrder(
                exact_term, s * (y - s * x_t) / sigma**2, using={alpha_bar: 1 - small}, h=small, order=1
            ),
            "literally: the likelihood's score at x_0 is the score of p_t(b|x_t)": Equal(
                s * (y - s * x_0) / sigma**2, exact_term
            ),
        },
        truth=Unequal(
            Derivative(exact_term, x_t),
            -(s**2) / sigma**2,
            "Away from t = 0 the approximation has another slope in x_t, too.",
        ),
        proof="dps",
    ),
    Row(
        id="mashayak.eq7b",
        location="section 3, eq. 7, second line",
        printed=r"\approx -\frac{1}{\sigma^2+\gamma_t^2}\left(\mathbf{A}^T(\mathbf{b}-\mathbf{A}\mathbf{x})\right)",
        verdict="wrong",
        reason="The sign. The log-likelihood is -|b - A x|^2 / 2(sigma^2 + gamma^2); its gradient brings down "
        "another minus from -A x, so it is +A^T(b - A x)/(...), which points towards the measurement. (x means x_t: "
        "the index is lost, too.)",
        claim=Equal(eq7_printed, Derivative(-((y - s * x_t) ** 2) / (2 * (sigma**2 + gamma**2)), x_t)),
        truth=[
            Equal(ald, Derivative(-((y - s * x_t) ** 2) / (2 * (sigma**2 + gamma**2)), x_t)),
            Entries(
                -gradient(misfit, pixels) / (2 * (sigma**2 + gamma**2)), matrix.T * residual / (sigma**2 + gamma**2)
            ),
        ],
        corrected=r"\approx \frac{1}{\sigma^2+\gamma_t^2}\mathbf{A}^T(\mathbf{b}-\mathbf{A}\mathbf{x}_t)",
        origin="slip of the pen: the minus belongs to -grad |b - A x|^2, the form that liu prints. The program will "
        "have had the right sign: with the printed one ScoreALD would hardly have reached 22 dB (table 3)",
        proof="likelihood_score",
        consequence=eq7_consequence,
    ),
    Row(
        id="mashayak.p.annealing",
        location="section 3, after eq. 7",
        printed=r"\text{controls the approximation error through annealing term } \gamma_t^2",
        verdict="conditional",
        reason="gamma_t sets the term's size, and no more. Chosen so that the pull of b is exactly right, it leaves "
        "A x_t where A x0_hat belongs, so for a Gaussian prior no gamma_t makes the term exact.",
        condition="flat prior, A A^T = s^2 I, gamma_t^2 = s^2 (1 - alpha_bar_t)/alpha_bar_t, and "
        "x_t/sqrt(alpha_bar_t) for x_t: then it is exact",
        claim=Equal(ald, exact_term, using=matched_gamma),
        truth=[
            Equal(Derivative(-flat, x_t), tempered, using={gamma: s * level}),
            Equal(
                diff(ald, y), Derivative(exact_term, y), "That gamma does get the pull of b right.", using=matched_gamma
            ),
        ],
        proof="likelihood_score",
        consequence=gamma_consequence,
    ),
    Row(
        id="mashayak.p.scoreald-linear",
        location="section 3, after eq. 7",
        printed=r"\text{ScoreALD mainly applies to linear inverse problems}",
        verdict="correct",
        reason="As (7) is written: one fixed matrix A^T serves no nonlinear camera. For b = x^2 the gradient needs "
        "the slope 2x at the current x. (With that Jacobian in the place of A^T the method itself does apply, as "
        "liu's form shows.)",
        claim=[
            Unequal(Derivative(-((y - x**2) ** 2) / (2 * sigma**2), x), s * (y - x**2) / sigma**2),
            Equal(Derivative(-((y - x**2) ** 2) / (2 * sigma**2), x), 2 * x * (y - x**2) / sigma**2),
        ],
        proof="likelihood_score",
    ),
    Row(
        id="mashayak.eq8",
        location="section 3, eq. 8",
        printed=r"\nabla_{\mathbf{x}}\log p_t(\mathbf{b}|\mathbf{x}_0) \approx "
        r"\nabla_{\mathbf{x}}\log\mathbf{p}_t(\mathbf{b}|\mathbf{x}_0 = \mathbb{E}[\mathbf{x}_0|\mathbf{x}_t])",
        verdict="ambiguous",
        reason="The left side should be p_t(b|x_t): the likelihood of x_0 itself needs no approximation. On the "
        "right it matters with respect to what the gradient is taken. The text, 'the score term evaluated at "
        "estimated mean', says the second reading; DPS is the first.",
        readings={
            "gradient with respect to x_t, through the denoiser: DPS's term, with the denoiser's slope in it "
            "(Gaussian prior)": Equal(Derivative(-((y - s * x0_mean(x_t)) ** 2) / (2 * sigma**2), x_t), dps_term),
            "gradient with respect to x_0, and then the estimated mean put in: is that DPS's term?": Equal(
                s * (y - s * x0_mean(x_t)) / sigma**2, dps_term
            ),
        },
        truth=[
            Equal(dps_term, (1 + s**2 * x0_variance / sigma**2) * exact_term, "DPS pulls too hard by this factor ..."),
            SameOrder(
                exact_term, dps_term, "... that goes to 1 with t.", using={alpha_bar: 1 - small}, h=small, order=1
            ),
        ],
        proof="dps",
        consequence=eq8_consequence,
    ),
    Row(
        id="mashayak.p.dps-nonlinear",
        location="section 3, after eq. 8",
        printed=r"\text{DPS is shown to work with both linear and non-linear inverse problems}",
        verdict="not-checkable",
        reason="A statement about the experiments of [3] (which do include phase retrieval). What can be proved: "
        "the term needs no more than a differentiable camera, here b = x^2 behind any denoiser d.",
        truth=Equal(
            Derivative(-((y - denoised**2) ** 2) / (2 * sigma**2), x),
            2 * denoised * Derivative(denoised, x) * (y - denoised**2) / sigma**2,
        ),
        proof="dps",
    ),
    Row(
        id="mashayak.eq9",
        location="section 3.1.1, eq. 9",
        printed=r"\mathbf{x}_t = \sqrt{1-\beta_t}\mathbf{x}_{t-1} + \sqrt{\beta_t}\mathbf{z}_{t-1},\quad t = "
        r"1,2,\dots,T",
        verdict="correct",
        reason="The forward step. The draw of step t is called z_{t-1}, counting from 0; what matters is that it is "
        "fresh, i.e. independent of x_{t-1}, and the text says so. A variance of 1 is preserved.",
        claim=[
            InLaw(sqrt(1 - beta) * x_prev + sqrt(beta) * z_prev, one_step),
            InLaw(sqrt(1 - beta) * n_0 + sqrt(beta) * z_prev, n_0),
        ],
        proof="vp_marginal",
    ),
    Row(
        id="mashayak.eq10",
        location="section 3.1.1, eq. 10",
        printed=r"\mathbf{x}_t = \sqrt{\alpha_t}\mathbf{x}_{t-1} + \sqrt{1-\alpha_t}\mathbf{z}_{t-1}",
        verdict="correct",
        reason="Eq. 9 with alpha_t = 1 - beta_t put in.",
        claim=Equal(sqrt(alpha) * x_prev + sqrt(1 - alpha) * z_prev, sqrt(1 - beta) * x_prev + sqrt(beta) * z_prev),
        proof="vp_marginal",
    ),
    Row(
        id="mashayak.eq11a",
        location="section 3.1.1, the line before eq. 11",
        printed=r"\mathbf{x}_t = \sqrt{\alpha_t}\sqrt{\alpha_{t-1}}\mathbf{x}_{t-2} + "
        r"\sqrt{1-\alpha_t}\mathbf{z}_{t-1} + \sqrt{\alpha_t}\sqrt{1-\alpha_{t-1}}\mathbf{z}_{t-2}",
        verdict="correct",
        reason="Eq. 10 for x_{t-1} put into eq. 10 for x_t; the two draws keep their own names, as they must.",
        claim=Equal(
            eq11_two_draws,
            sqrt(alpha) * (sqrt(alpha_prev) * x_prev2 + sqrt(1 - alpha_prev) * z_prev2) + sqrt(1 - alpha) * z_prev,
        ),
        proof="vp_marginal",
    ),
    Row(
        id="mashayak.eq11b",
        location="section 3.1.1, eq. 11",
        printed=r"\mathbf{x}_t = \sqrt{\alpha_t\alpha_{t-1}}\mathbf{x}_{t-2} + \sqrt{1-\alpha_t\alpha_{t-1}}\mathbf{z}",
        verdict="correct",
        reason="Equality of laws, as the text says: the two independent draws of the line before make one draw z, "
        "and their variances 1 - alpha_t and alpha_t (1 - alpha_{t-1}) add up to 1 - alpha_t alpha_{t-1}.",
        claim=InLaw(eq11_two_draws, sqrt(alpha * alpha_prev) * x_prev2 + sqrt(1 - alpha * alpha_prev) * z),
        proof="vp_marginal",
    ),
    Row(
        id="mashayak.p.weighted-sum",
        location="section 3.1.1, after eq. 11",
        printed=r"Z = w_1Z_1 + w_2Z_2,\ Z \sim \mathcal{N}(0, w_1^2 + w_2^2)",
        verdict="conditional",
        reason="For two draws that are one and the same the standard deviations add, and the variance is (w_1 + "
        "w_2)^2. Where the report uses the rule, the draws are independent.",
        condition="Z_1 and Z_2 are independent",
        claim=InLaw(w_1 * z + w_2 * z, sqrt(w_1**2 + w_2**2) * z_new),
        truth=InLaw(w_1 * z + w_2 * z_t, sqrt(w_1**2 + w_2**2) * z_new),
        proof="vp_marginal",
    ),
    Row(
        id="mashayak.eq12",
        location="section 3.1.1, eq. 12",
        printed=r"\mathbf{x}_t = \sqrt{\alpha_t}\mathbf{x}_0 + \sqrt{1-\alpha_t}\mathbf{z}",
        verdict="wrong",
        reason="Both alphas need a bar: t steps multiply t factors. The printed line is right at t = 1 and wrong "
        "from t = 2 on.",
        claim=Induction(
            one_step, eq12_printed, previous=x_prev, start=x_0, at_zero={alpha: 1}, before={alpha: alpha_prev}, law=True
        ),
        truth=[
            Induction(
                one_step,
                marginal,
                previous=x_prev,
                start=x_0,
                at_zero={alpha_bar: 1},
                before={alpha_bar: alpha_bar_prev},
                law=True,
            ),
            InLaw(eq12_printed, marginal, "At t = 1 the printed line is right.", using=first_steps),
        ],
        corrected=r"\mathbf{x}_t = \sqrt{\bar\alpha_t}\mathbf{x}_0 + \sqrt{1-\bar\alpha_t}\mathbf{z}",
        origin="extraction slip: the line goes on 'where alpha_bar_t = ...', and without the bars there is no "
        "alpha_bar_t in it; rao's text has lost the same bars",
        proof="vp_marginal",
        consequence=eq12_consequence,
    ),
    Row(
        id="mashayak.p.alpha-bar",
        location="section 3.1.1, after eq. 12",
        printed=r"\bar{\alpha}_t = \prod_{i=1}^t\alpha_i",
        verdict="correct",
        reason="The product that the recursion makes: by induction t steps multiply x_0 by its square root.",
        claim=Induction(
            sqrt(alpha) * x_prev,
            c * x_0,
            previous=x_prev,
            start=x_0,
            at_zero={alpha_bar: 1},
            before={alpha_bar: alpha_bar_prev},
        ),
        proof="vp_marginal",
    ),
    Row(
        id="mashayak.eq13a",
        location="section 3.1.2, eq. 13, first line",
        printed=r"\hat{\mathbf{x}}_0 = \frac{1}{\sqrt{\alpha_t}}(\mathbf{x}_t + "
        r"(1-\bar\alpha_t)\mathbf{s}_\theta(\mathbf{x}_t,t))",
        verdict="wrong",
        reason="Tweedie's formula divides by the factor that x_0 has in x_t, the root of alpha_bar_t. As printed "
        "x0_hat is too small by the root of alpha_bar_{t-1}; at t = 1 that is 1.",
        claim=Integrals(expect(u, c, n), (x + (1 - alpha_bar) * score(c, n)) / sqrt(alpha)),
        truth=[
            Integrals(expect(u, c, n), (x + (1 - alpha_bar) * score(c, n)) / c),
            Equal(eq13_x0_printed, x0_from_score, "At t = 1 the printed line is right.", using=first_steps),
            Equal(eq13_x0_printed, sqrt(alpha_bar_prev) * x0_from_score, "What it is otherwise."),
        ],
        corrected=r"\hat{\mathbf{x}}_0 = \frac{1}{\sqrt{\bar\alpha_t}}(\mathbf{x}_t + "
        r"(1-\bar\alpha_t)\mathbf{s}_\theta(\mathbf{x}_t,t))",
        origin="extraction slip: eq. 14, which substitutes this line, has the root of alpha_bar_t in its denominators; "
        "rao's text has lost the same bar",
        proof="tweedie",
        consequence=eq13a_consequence,
    ),
    Row(
        id="mashayak.eq13b",
        location="section 3.1.2, eq. 13, second line",
        printed=r"\mathbf{x}_{t-1} = \frac{\sqrt{\alpha_t}(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\mathbf{x}_t + "
        r"\frac{\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)}{1-\bar\alpha_t}\hat{\mathbf{x}}_0",
        verdict="missing-term",
        reason="The text offers this as 'the DDPM sampling step'. It is the step's mean, and right as such; the "
        "fresh noise of variance beta_tilde_t (or beta_t) is missing for t > 1. The later lines (14), (15) and (17) "
        "inherit that; it is charged here, once.",
        claim=InLaw(mean(x_0, down), sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z),
        truth=[
            InLaw(
                mean(x_0, down) + sqrt((1 - alpha_bar_prev) / (1 - alpha_bar) * (1 - alpha)) * z_new,
                sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z,
                "With the noise the law is right.",
            ),
            Equal(mean(x0_from_score, x_t), score_form, "As a mean the line is right, with Tweedie's x0_hat."),
        ],
        corrected=r"\mathbf{x}_{t-1} = \frac{\sqrt{\alpha_t}(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\mathbf{x}_t + "
        r"\frac{\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)}{1-\bar\alpha_t}\hat{\mathbf{x}}_0 + "
        r"\sqrt{\tilde\beta_t}\,\mathbf{z}",
        origin="slip of the pen: a mean is written where a draw is meant; sharp and different faces (figure 2) suggest "
        "that the program had the noise. Or this is the 'slight modification' of DDPM that section 3 announces",
        proof="reverse_mean",
        consequence=eq13b_consequence,
    ),
    Row(
        id="mashayak.eq14a",
        location="section 3.1.2, eq. 14, first line",
        printed=r"\mathbf{x}_{t-1} = \frac{\sqrt{\alpha_t}(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\mathbf{x}_t + "
        r"\frac{\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)}{\sqrt{\bar\alpha_t}(1-\bar\alpha_t)}\mathbf{x}_t + "
        r"\frac{\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)(1-\bar\alpha_t)}{\sqrt{\bar\alpha_t}(1-\bar\alpha_t)}\mathbf{s}_\theta(\mathbf{x}_t,t)",
        verdict="correct",
        reason="The step's mean, with the right x0_hat put in. It does not follow from (13) as printed: the bar "
        "that (13) lost is back.",
        claim=Equal(eq14a_printed, mean(x0_from_score, x_t)),
        truth=Unequal(eq14a_printed, mean(eq13_x0_printed, x_t)),
        proof="reverse_mean",
    ),
    Row(
        id="mashayak.eq14b",
        location="section 3.1.2, eq. 14, second line",
        printed=r"= \frac{\sqrt{\bar\alpha_t}\sqrt{\alpha_t}(1-\bar\alpha_{t-1}) + "
        r"\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)}{\sqrt{\bar\alpha_t}(1-\bar\alpha_t)}\mathbf{x}_t + "
        r"\frac{\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)(1-\bar\alpha_t)}{\sqrt{\bar\alpha_t}(1-\bar\alpha_t)}\mathbf{s}_\theta(\mathbf{x}_t,t)",
        verdict="correct",
        reason="The two terms in x_t over one denominator.",
        claim=Equal(eq14b_printed, eq14a_printed),
        truth=Equal(eq14b_printed, mean(x0_from_score, x_t), "And it is the step's mean."),
        proof="reverse_mean",
    ),
    Row(
        id="mashayak.eq14c",
        location="section 3.1.2, eq. 14, third line",
        printed=r"= \frac{\sqrt{\alpha_t\bar\alpha_{t-1}}\sqrt{\alpha_t}(1-\bar\alpha_{t-1}) + "
        r"\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)}{\sqrt{\alpha_t\bar\alpha_{t-1}}(1-\bar\alpha_t)}\mathbf{x}_t + "
        r"\frac{\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)(1-\bar\alpha_t)}"
        r"{\sqrt{\alpha_t\bar\alpha_{t-1}}(1-\bar\alpha_t)}\mathbf{s}_\theta(\mathbf{x}_t,t)",
        verdict="correct",
        reason="alpha_bar_t = alpha_t alpha_bar_{t-1} put in where it will cancel.",
        claim=Equal(eq14c_printed, eq14b_printed),
        truth=Equal(eq14c_printed, mean(x0_from_score, x_t), "And it is the step's mean."),
        proof="reverse_mean",
    ),
    Row(
        id="mashayak.eq15",
        location="section 3.1.2, eq. 15",
        printed=r"\mathbf{x}_{t-1} = \frac{1}{\sqrt{\alpha_t}}(\mathbf{x}_t + "
        r"(1-\alpha_t)\mathbf{s}_\theta(\mathbf{x}_t,t))",
        verdict="correct",
        reason="Everything with a bar cancels: the numerator before x_t is the root of alpha_bar_{t-1} times 1 - "
        "alpha_bar_t. It is the step's mean, E[x_{t-1}|x_t]; the noise that a draw needs is charged to (13).",
        claim=Equal(score_form, eq14c_printed),
        truth=Integrals(
            expect(u, *one_kernel), (x + (1 - alpha) * score(*one_kernel)) / sqrt(alpha), "The mean, for any data."
        ),
        proof="reverse_mean",
    ),
    Row(
        id="mashayak.eq16a",
        location="section 3.1.2, eq. 16, first line",
        printed=r"\mathbb{E}[\mathbf{x}_{t-1}|\mathbf{x}_t] = \frac{1}{\sqrt{\alpha_t}}(\mathbf{x}_t + "
        r"(1-\alpha_t)\mathbf{s}_{\theta,t})",
        verdict="correct",
        reason="Tweedie's formula for one forward step, which scales by the root of alpha_t and adds variance 1 - "
        "alpha_t; for any data.",
        claim=Integrals(expect(u, *one_kernel), (x + (1 - alpha) * score(*one_kernel)) / sqrt(alpha)),
        proof="tweedie",
    ),
    Row(
        id="mashayak.eq16b",
        location="section 3.1.2, eq. 16, second line",
        printed=r"\mathbf{s}_{\theta,t} = \frac{\sqrt{\alpha_t}\,\mathbb{E}[\mathbf{x}_{t-1}|\mathbf{x}_t] - "
        r"\mathbf{x}_t}{(1-\alpha_t)}",
        verdict="correct",
        reason="The line before, solved for the score.",
        claim=[
            Equal((sqrt(alpha) * x_prev - x_t) / (1 - alpha), s_theta, using={x_prev: score_form}),
            Integrals(score(*one_kernel), (sqrt(alpha) * expect(u, *one_kernel) - x) / (1 - alpha)),
        ],
        proof="tweedie",
    ),
    Row(
        id="mashayak.eq16c",
        location="section 3.1.2, eq. 16, third line",
        printed=r"\mathbf{s}_{\theta,t} = -\frac{\epsilon_{\theta,t}}{\sqrt{1-\alpha_t}}",
        verdict="wrong",
        reason="The network of [5] predicts the whole noise in x_t, whose standard deviation is the root of 1 - "
        "alpha_bar_t. The line would be right if epsilon were the noise of the last forward step alone, "
        "E[z_{t-1}|x_t], but no network of the report predicts that. At t = 1 the two are the same.",
        claim=Integrals(-expect((x - c * u) / n, *all_kernel) / sqrt(1 - alpha), score(*all_kernel)),
        truth=[
            Integrals(-expect((x - c * u) / n, *all_kernel) / n, score(*all_kernel), "With the bar, for any data."),
            Equal(eq16_printed, -eps_theta / n, "At t = 1 the printed line is right.", using=first_steps),
            Integrals(
                -expect((x - sqrt(alpha) * u) / sqrt(beta), *one_kernel) / sqrt(1 - alpha),
                score(*one_kernel),
                "For the noise of one step, or of x_t as (12) prints it, it would be right.",
            ),
        ],
        corrected=r"\mathbf{s}_{\theta,t} = -\frac{\epsilon_{\theta,t}}{\sqrt{1-\bar\alpha_t}}",
        origin="wrong idea: not a lost bar, because (17) is worked out from the printed form. The line before is "
        "about one step, and its variance is carried over to a noise that is not that step's. (rao and liu print "
        "the root of 1 - alpha_bar_t for the same exercise.)",
        proof="predictions",
        consequence=eq16c_consequence,
    ),
    Row(
        id="mashayak.eq17",
        location="section 3.1.2, eq. 17",
        printed=r"\mathbf{x}_{t-1} = \frac{1}{\sqrt{\alpha_t}}(\mathbf{x}_t - "
        r"\sqrt{1-\alpha_t}\,\epsilon_\theta(\mathbf{x}_t,t))",
        verdict="wrong",
        reason="A valid step from a wrong premise: it is (15) with (16), third line, put in. The factor before "
        "epsilon must be (1 - alpha_t)/sqrt(1 - alpha_bar_t); the two agree at t = 1 only, and from t = 2 on the "
        "step takes out too much noise.",
        claim=Equal(eq17_printed, score_form, using={s_theta: -eps_theta / n}),
        truth=[
            Equal(epsilon_form, score_form, "The right form.", using={s_theta: -eps_theta / n}),
            Equal(eq17_printed, score_form, "The step from (15) and (16) is valid.", using={s_theta: eq16_printed}),
            Equal(eq17_printed, epsilon_form, "At t = 1 the printed line is right.", using=first_steps),
        ],
        corrected=r"\mathbf{x}_{t-1} = \frac{1}{\sqrt{\alpha_t}}\Big(\mathbf{x}_t - "
        r"\frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}\epsilon_\theta(\mathbf{x}_t,t)\Big)",
        origin="wrong idea: inherited from (16), third line; the algebra between the two is right",
        proof="reverse_mean",
        consequence=eq17_consequence,
    ),
    Row(
        id="mashayak.table1",
        location="table 1",
        printed=r"\text{Single-step denoising, samples 1 and 2: PSNR } 31.20, 26.12, 21.96 \text{ and } 32.59, "
        r"27.26, 23.47; \text{ LPIPS } 0.09, 0.20, 0.35 \text{ and } 0.09, 0.21, 0.32 \text{ at } t = 100, 300, 500",
        verdict="not-checkable",
        reason="The two images, the draws and the schedule are not given. The figures are consistent: sample 2 has "
        "the higher PSNR in each column.",
        truth=larger("32.59 27.26 23.47", "31.20 26.12 21.96"),
        proof="tweedie.covariance",
        consequence=table1_consequence,
    ),
    Row(
        id="mashayak.p.single-step",
        location="section 4, first paragraph",
        printed=r"\text{as we increase the number of forward noise steps, the single step denoising estimate "
        r"deviate[s] more from the ground truth}",
        verdict="correct",
        reason="All figures of table 1 agree: PSNR falls and LPIPS rises from column to column. And it must be so "
        "for an exact denoiser: the variance of x_0 given x_t grows with t (shown for Gaussian data).",
        claim=[
            *larger("31.20 26.12 32.59 27.26", "26.12 21.96 27.26 23.47"),
            *larger("0.20 0.35 0.21 0.32", "0.09 0.20 0.09 0.21"),
            Positive(
                x0_variance,
                x0_variance.subs(alpha_bar, alpha_bar_prev),
                by=tau**4 * alpha_bar_prev * (1 - alpha) / (spread * spread.subs(alpha_bar, alpha_bar_prev)),
            ),
        ],
        proof="tweedie.covariance",
    ),
    Row(
        id="mashayak.p.thousand-steps",
        location="section 4, second paragraph",
        printed=r"\text{from pure noise by 1000 denoising time steps [...] samples that look like human faces}",
        verdict="not-checkable",
        reason="Figure 2 is not in the text, and a look is no measurement. What can be said: on data of variance 1, "
        "pure noise is exactly the law of x_T, and otherwise nearly so.",
        truth=InLaw(c * n_0 + n * z, z_new),
        proof="vp_marginal",
        consequence=steps_consequence,
    ),
    Row(
        id="mashayak.table2",
        location="table 2",
        printed=r"\text{SDEdit, PSNR and LPIPS at } t = 400, 500, 600: \text{ box } 20.57/0.23, 18.48/0.25, "
        r"16.33/0.34; \text{ random } 17.43/0.28, 16.04/0.33, 14.17/0.48; \text{ blur } 20.18/0.23, 18.78/0.29, "
        r"17.10/0.36",
        verdict="not-checkable",
        reason="Image, masks, kernel and draws are not given. What can be seen: in every row PSNR falls and LPIPS "
        "rises with t, so by both of the report's measures the earliest start is the best of the three, and earlier "
        "ones were not tried. liu prints 18.8 and 0.29 for deblurring at t = 500, which are these figures, rounded.",
        truth=[
            *larger("20.57 17.43 20.18", "18.48 16.04 18.78"),
            *larger("18.48 16.04 18.78", "16.33 14.17 17.10"),
            *larger("0.25 0.33 0.29", "0.23 0.28 0.23"),
            *larger("0.34 0.48 0.36", "0.25 0.33 0.29"),
        ],
        proof="sdedit",
        consequence=table2_consequence,
    ),
    Row(
        id="mashayak.p.sdedit-close",
        location="section 4, on fig. 3",
        printed=r"\text{for small time steps the prediction is close to the input measurement and for larger time "
        r"steps [...] further from the input}",
        verdict="correct",
        reason="For a Gaussian prior the mean squared distance of SDEdit's output from y is (1 - kappa)^2 (y - "
        "mu)^2 + tau^2 (1 - kappa^2), and kappa falls from 1 to 0 as the start t* grows, so both terms grow.",
        claim=[
            InLaw(
                reverse(c * y + n * z, z_new) - y,
                (1 - kappa) * (mu - y) + tau * sqrt(1 - kappa**2) * z,
                "The law of output minus measurement.",
            ),
            Positive(
                kappa_prev,
                kappa,
                by=tau**2 * alpha_bar_prev * (1 - alpha) / (spread * spread.subs(alpha_bar, alpha_bar_prev)),
            ),
        ],
        proof="sdedit",
    ),
    Row(
        id="mashayak.p.sdedit-realistic",
        location="section 4, on fig. 3",
        printed=r"\text{for larger time steps, the prediction looks more realistic}",
        verdict="not-checkable",
        reason="Nothing in the report measures realism: LPIPS is a distance from the ground truth, and in table 2 "
        "it gets worse with t. What can be proved is that the output's law comes nearer to the prior's: for "
        "Gaussian data the factor kappa, with which y is felt, falls.",
        truth=[
            Positive(
                kappa_prev,
                kappa,
                by=tau**2 * alpha_bar_prev * (1 - alpha) / (spread * spread.subs(alpha_bar, alpha_bar_prev)),
            ),
            *larger("0.34 0.48 0.36", "0.23 0.28 0.23"),
        ],
        proof="sdedit",
    ),
    Row(
        id="mashayak.table3",
        location="table 3",
        printed=r"\text{ScoreALD / DPS, PSNR and LPIPS: box } 22.70/0.18, 31.77/0.05; \text{ random } 20.35/0.31, "
        r"22.00/0.16; \text{ blur } 22.00/0.19, 24.62/0.11",
        verdict="not-checkable",
        reason="Image, masks, kernel, sigma, gamma_t and DPS's step size are not given. Of the twelve figures that "
        "liu prints for ScoreALD and DPS the eight for inpainting are these, rounded: probably one exercise, image "
        "and seed. Deblurring differs by more than 3 dB.",
        truth=[
            *larger("25.35 28.25", "25.00 27.62"),  # liu's deblurring against 22.00 and 24.62, plus 3 dB
            # liu's inpainting, 22.7, 31.8, 20.4, 22.0, lies within 0.06 dB of this table's.
            *larger("22.76 31.86 20.46 22.06", "22.70 31.77 20.35 22.00"),
            *larger("22.70 31.77 20.35 22.00", "22.64 31.74 20.34 21.94"),
        ],
        proof="dps",
        consequence=table3_consequence,
    ),
    Row(
        id="mashayak.p.dps-better",
        location="section 4, last paragraph, and section 5",
        printed=r"\text{DPS appears to solve both in-painting and de[con]volution inverse problems better than "
        r"ScoreALD}",
        verdict="correct",
        reason="As a statement about table 3: all six comparisons agree. It is one image and one draw for each "
        "task; rao reports the opposite for random inpainting, and ScoreALD's gamma_t, on which its result hangs, "
        "is not given.",
        claim=[
            *larger("31.77 22.00 24.62", "22.70 20.35 22.00"),
            *larger("0.18 0.31 0.19", "0.05 0.16 0.11"),
        ],
        proof="dps",
    ),
    Row(
        id="mashayak.p.settings",
        location="sections 3 and 4",
        printed=r"\text{pre-trained diffusion model trained with FFHQ; } \sigma,\ \gamma_t,\ \text{DPS's step size, "
        r"masks, blur kernel: not stated}",
        verdict="not-checkable",
        reason="No figure of tables 2 and 3 can be repeated without these settings. ScoreALD's output, for one, "
        "depends on gamma_t.",
        truth=Unequal(ald, ald.subs(gamma, 2 * gamma)),
        proof="likelihood_score",
        consequence=settings_consequence,
    ),
]
