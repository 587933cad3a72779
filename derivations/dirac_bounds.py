r"""Dirac's bounds: which terms they need.

**The Jensen gap** (lemma A.4). For an L-Lipschitz f and n entries in [-B, B]

.. math:: \|E f(x) - f(E x)\| \le L\, E\|x - E x\| \le L \sqrt{E\|x - Ex\|^2} \le L \sqrt{E\|x\|^2} \le L \sqrt n\, B,

and L sqrt(n) B is sharp: put half of x at (B, ..., B), half at (-B, ..., -B), and f(x) = L|x|. For pictures with entries in
[0, B], as the paper's, half of it suffices, and that is sharp.

**The incremental reconstruction** (theorem 3.4). The bound has three terms: of this gap, of the time step, of the score's
error. Two are not needed. Both the estimate A_s(Phi) - A_t(Phi) and its target E[A_s(x_0) - A_t(x_0) | y_t] are differences
over one time step, so each is at most L_t Delta t, and so

.. math:: \|\hat R - R^*\| \le 2 L_t\, \Delta t

for *every* prediction Phi, however bad, and every score. It is sharp, with a perfect score: the loss may be at
its minimum while Phi is another picture that A_t cannot tell from the true one, and that moves the other way. So the theorem says
nothing of smoothness in x or of the network's capacity. For a linear A_t and the posterior mean the error is 0.

**The incremental loss** (proposition A.6) bounds the denoising loss times the square of the Lipschitz constant of the
transition. Without that factor it is a bound only if the transition does not expand, as for masks and blurs. And
minimising one minimises the other if the transition is linear, or if the loss reaches 0, which noise forbids.
"""

from sympy import sqrt

from derivations.checker import Derivation, Equal, Integrals, Positive, Unequal
from derivations.dirac_sde import a_s, a_t, sigma_t
from derivations.likelihood_score import data
from derivations.likelihood_score import x as pixels
from derivations.symbols import declare, get
from derivations.tweedie import covariance, expect, u

eta, eta_b, h, x_0 = get("eta", "eta_b", "h", "x_0")
(x1, x2, _), (y1, y2) = pixels, data
B = declare("bound", "B", "the largest absolute entry of a picture", "positive", ("lip",))
L = declare("lip", "L", "a Lipschitz constant", "positive", ("bound",))
L_x = declare("lip_t", "L_x^{(t)}", "that of A_t in the picture", "positive", ("lip_s",))
L_xs = declare("lip_s", r"L_x^{(t-\Delta t)}", "that of A_{t - Delta t}", "positive", ("lip_t",))
L_t = declare("lip_time", "L_t", "that of A in time", "positive", ("lip_t",))
dt = declare("dt", r"\Delta t", "the time step", "positive", ("h",))
entries = declare("entries", "n", "how many entries a picture has", "positive", ("bound",))
score_error = declare("score_error", r"\varepsilon_t", "the score's error, times sigma_t^2", "nonnegative", ("dt",))
estimate = declare("x_guess", r"\hat x", "any estimate", "real", ("x_0",))
far = declare("x_far", "x^*", "the picture that the posterior sits at", "real", ("x_0",))
when = declare("severity_t", "t", "a severity", "positive", ("dt",))


def length(*entries):
    return sqrt(sum(e**2 for e in entries))


def gap(f, first, second):
    """The Jensen gap of f for the two points, half of the probability each."""
    middle = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    return (f(*first) + f(*second)) / 2 - f(*middle)


jensen = Derivation(
    name="dirac_bounds",
    title="The Jensen gap of a Lipschitz map, and its sharp constant",
    statement=r"For an $L$-Lipschitz $f$ and entries in $[-B,B]$ the gap $\|E f(x)-f(Ex)\|\le L\sqrt n\,B$, and no smaller constant will do (shown "
    r"for two entries). For entries in $[0,B]$ the constant is $\frac12L\sqrt n\,B$, sharp too. For linear $f$ the gap is 0, for $f(x)=\frac L2x^2$ it is "
    r"$\frac L2\mathrm{Var}\,x$.",
    assumptions=["Norms are Euclidean. Lipschitz: f(x) = f(m) + L (2 eta - 1)(x - m) for one number, with some eta in (0, 1)."],
    leans_on=["tweedie"],
    steps=[
        Positive(
            (L * (x_0 - estimate)) ** 2,
            (L * (2 * eta - 1) * (x_0 - estimate)) ** 2,
            "A Lipschitz map moves no further than L times the distance.",
            by=4 * eta * (1 - eta) * L**2 * (x_0 - estimate) ** 2,
        ),
        Positive(
            (x1**2 + x2**2) * (y1**2 + y2**2),
            (x1 * y1 + x2 * y2) ** 2,
            "Cauchy and Schwarz (two entries), and with it the triangle: |E v| <= E|v|.",
            by=(x1 * y2 - x2 * y1) ** 2,
        ),
        Integrals(
            expect((estimate - u) ** 2, 1, sigma_t),
            (estimate - expect(u, 1, sigma_t)) ** 2 + covariance(u, u, 1, sigma_t),
            "About its mean x has its least mean square; about 0 (estimate = 0) it is more: Var x <= E x^2 <= B^2.",
        ),
        Equal(
            gap(lambda *x: L * length(*x), (x1, x2), (y1, y2)),
            L * sqrt(2) * B,
            "All of it is reached: half of x at (B, B), half at (-B, -B), f = L|x|. Two entries: L sqrt(2) B.",
            using={x1: B, x2: B, y1: -B, y2: -B},
        ),
        Positive(
            B**2 / 4,
            (B * eta - B / 2) ** 2,
            "Entries in [0, B] are within B/2 of the middle, so Var x <= B^2/4 and the gap is half as large ...",
            by=B**2 * eta * (1 - eta),
        ),
        Equal(
            gap(lambda *x: L * length(*(e - B / 2 for e in x)), (x1, x2), (y1, y2)),
            L * sqrt(2) * B / 2,
            "... and no smaller: half of x at 0, half at (B, B), f the distance from the middle.",
            using={x1: 0, x2: 0, y1: B, y2: B},
        ),
        Integrals(
            expect(L * u / a_t, 1, sigma_t) - L / a_t * expect(u, 1, sigma_t),
            0,
            "A linear f has no gap, whatever its constant ...",
        ),
        Integrals(
            expect(L * (u - estimate) ** 2 / 2, 1, sigma_t) - L * (expect(u, 1, sigma_t) - estimate) ** 2 / 2,
            L / 2 * covariance(u, u, 1, sigma_t),
            "... and a smooth one has one of second order: half the curvature times the variance.",
        ),
    ],
    source="Dirac, lemma A.4.",
)


forward = L_t * dt * (2 * eta - 1)  # any number of size at most L_t Delta t
target = L_t * dt * (2 * eta_b - 1)
printed = (L_x + L_xs) * sqrt(entries) * B + 2 * L_t * dt + 2 * score_error


def moved(x, slope):
    """A degradation that adds t times a slope, which depends on the picture and is at most L_t."""
    return x + when * slope


incremental = Derivation(
    name="dirac_bounds.incremental",
    title="The incremental reconstruction: a bound without the terms that are not needed",
    statement=r"If $\|A_s(x)-A_t(x)\|\le L_t\Delta t$ for all $x$ then $\|\hat R-R^*\|\le2L_t\Delta t$ for every prediction $\Phi$ (one entry; in norm by the "
    r"triangle). It is sharp, even with a perfect score. So the terms $(L_x^{(t)}+L_x^{(t-\Delta t)})\sqrt n\,B$ and $2\varepsilon_t$ of theorem 3.4 are "
    r"not needed. For linear $A_t$ and $\Phi=E[x_0\mid y_t]$ the error is 0.",
    assumptions=["A number of size at most L is written L (2 eta - 1), eta in (0, 1)."],
    leans_on=["dirac_bounds", "dirac_score.open"],
    steps=[
        Positive(
            2 * L_t * dt,
            forward - target,
            "Estimate and target are both changes over one step: the triangle alone ...",
            by=2 * L_t * dt * (1 - eta + eta_b),
        ),
        Positive(
            2 * L_t * dt,
            target - forward,
            "... on both sides.",
            by=2 * L_t * dt * (1 - eta_b + eta),
        ),
        Positive(
            printed,
            2 * L_t * dt,
            "The theorem's bound is larger by the two terms that it does not need.",
            by=(L_x + L_xs) * sqrt(entries) * B + 2 * score_error,
        ),
        Equal(
            moved(estimate, L_t),
            moved(far, -L_t),
            "Sharp: the posterior sits at x*, where A falls with t at the rate L_t; Phi = x* - 2 t L_t, where it rises, looks the same at t ...",
            using={estimate: far - 2 * when * L_t},
        ),
        Equal(
            (moved(estimate, L_t).subs(when, when - dt) - moved(estimate, L_t)) - (moved(far, -L_t).subs(when, when - dt) - moved(far, -L_t)),
            -2 * L_t * dt,
            "... so the score is perfect, and the increments differ by 2 L_t Delta t.",
        ),
        Integrals(
            expect((a_s - a_t) * u, 1, sigma_t),
            a_s * expect(u, 1, sigma_t) - a_t * expect(u, 1, sigma_t),
            "A linear A_t: the estimate made of the posterior mean is the target, exactly.",
        ),
        Unequal(
            expect(u - u**2, 1, sigma_t),
            expect(u, 1, sigma_t) - expect(u, 1, sigma_t) ** 2,
            "A non-linear one, A_t(x) = (1 - t) x + t x^2 from t = 1 to 0: it is not.",
        ),
    ],
    source="Dirac, theorem 3.4.",
)


d_tau = declare("d_tau", r"\Delta_\tau", "A_tau(Phi) - A_tau(x_0)", "real", ("x_0",))
tau_s = declare("severity_tau", r"\tau", "a milder severity", "positive", ("severity_t",))


loss = Derivation(
    name="dirac_bounds.loss",
    title="When the incremental loss bounds the denoising loss",
    statement=r"If $A_t=G\circ A_\tau$ and $G$ is $L$-Lipschitz then $\|A_t(\Phi)-A_t(x_0)\|^2\le L^2\|A_\tau(\Phi)-A_\tau(x_0)\|^2$ (one entry); for "
    r"linear, falling $A_t$ (masks, blurs) $L\le1$. Without $L^2$ it fails for $A_t(x)=(1+t)x$. The minimum over $\Phi$ of the incremental loss is the "
    r"denoising loss' if $G$ is linear, and not for $G(u)=u^2$.",
    assumptions=["The minimum is taken at each y_t, over all predictions."],
    leans_on=["dirac_bounds", "dirac_consistency"],
    steps=[
        Positive(
            L**2 * d_tau**2,
            (L * (2 * eta - 1) * d_tau) ** 2,
            "G moves two degraded pictures apart by at most L times their distance.",
            by=4 * eta * (1 - eta) * L**2 * d_tau**2,
        ),
        Positive(
            (a_s * (estimate - x_0)) ** 2,
            (a_s * eta * (estimate - x_0)) ** 2,
            "A linear A_t that falls, a_t = eta a_tau (masks, blurs): the factor is at most 1, and (14) itself is a bound.",
            by=a_s**2 * (1 - eta) * (1 + eta) * (estimate - x_0) ** 2,
        ),
        Positive(
            ((1 + tau_s + h) * (estimate - x_0)) ** 2,
            ((1 + tau_s) * (estimate - x_0)) ** 2,
            "A_t(x) = (1 + t) x is a degradation by the definition, with t = tau + h. Here the denoising loss is the larger one.",
            by=h * (2 + 2 * tau_s + h) * (estimate - x_0) ** 2,
        ),
        Integrals(
            expect((estimate - u) ** 2, 1, sigma_t),
            (estimate - expect(u, 1, sigma_t)) ** 2 + covariance(u, u, 1, sigma_t),
            "The incremental loss at one y_t (u stands for A_tau(x_0)): its minimum is a variance, not 0, at A_tau(Phi) = E[u|y].",
        ),
        Integrals(
            expect(a_t / a_s * u, 1, sigma_t),
            a_t / a_s * expect(u, 1, sigma_t),
            "A linear transition takes this to E[A_t(x_0)|y], the denoising loss' minimum ...",
        ),
        Unequal(
            expect(u**2, 1, sigma_t),
            expect(u, 1, sigma_t) ** 2,
            "... a square does not: then the two losses have different minima.",
        ),
    ],
    source="Dirac, proposition A.6, eqs. 14 and 21.",
)
