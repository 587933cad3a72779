r"""The forward process in continuous time, its reverse, and where DDPM's step comes from.

Let the steps become small. x_t = sqrt(1 - beta) x_{t-1} + sqrt(beta) z becomes the Ornstein-Uhlenbeck
equation

.. math:: dx = -\tfrac12 \beta(t)\, x\, dt + \sqrt{\beta(t)}\, dw .

A stochastic equation moves a density p(x, t); how, says the Fokker-Planck equation:

.. math:: \partial_t p = -\partial_x(f p) + \tfrac12 g^2\, \partial_x^2 p
          \qquad\text{for } dx = f\,dt + g\,dw .

So an equation that runs backwards through the same densities is found by matching terms: in the
time tau = T - t the density must obey d p/d tau = -(right-hand side), and since
d p/dx = p d(log p)/dx, a drift -f + g^2 d(log p)/dx with the *same* noise g does it. With half of that
correction and no noise at all one gets the probability-flow equation.

Discretise the reverse equation with steps of size beta and DDPM's step appears, up to O(beta^2).
Papers write beta(t) = 2 and a unit of time of their own; the mathematics is the same.
"""

from sympy import Derivative, Function, Rational, diff, exp, log, sqrt

from derivations.checker import Derivation, Equal, SameOrder, Unequal
from derivations.posterior import variance
from derivations.reverse_mean import score_form
from derivations.symbols import declare, get
from derivations.tweedie import x

alpha, alpha_bar, alpha_bar_prev, s_theta, x_0, x_t = get(
    "alpha", "alpha_bar", "alpha_bar_prev", "s_theta", "x_0", "x_t"
)
time = declare("time", "t", "continuous time", "real")
h = declare("h", "h", "a small number", "positive")

p = Function("p", positive=True)(x, time)  # the density that the forward equation moves
rate = Function("beta", positive=True)(time)  # beta(t)
B = Function("B", real=True)(time)  # the integral of beta: B' = beta, B(0) = 0
a = Function("a", positive=True)(time)  # alpha_bar(t) = exp(-B), so a' = -beta a
f = Function("f", real=True)(x, time)  # any drift
g = Function("g", positive=True)(time)  # any diffusion that does not depend on x
L = Function("L", real=True)(x, time)  # any log-density
score = diff(log(p), x)


def fokker_planck(drift, squared_noise, p):
    """The right-hand side of the Fokker-Planck equation: what dp/dt is."""
    return -Derivative(drift * p, x) + Rational(1, 2) * squared_noise * Derivative(p, (x, 2))


def log_fokker_planck(drift, squared_noise, L):
    """The same for L = log p: what dL/dt is."""
    slope = Derivative(L, x)
    return -Derivative(drift, x) - drift * slope + Rational(1, 2) * squared_noise * (slope**2 + Derivative(L, (x, 2)))


# The Gaussian N(m, v) that starts at the point x_0.
m, v = sqrt(a) * x_0, 1 - a
log_density = -((x - m) ** 2) / (2 * v) - log(v) / 2
da = {Derivative(a, time): -rate * a}

drift = x_t / 2 + s_theta  # of the reverse equation per unit of beta: beta x/2 + beta s

derivation = Derivation(
    name="forward_sde",
    title="The forward SDE, its reverse, and DDPM's step",
    statement=r"$dx = -\frac12\beta x\,dt + \sqrt\beta\,dw$ takes $x_0$ to $\mathcal N(\sqrt{\bar\alpha}x_0, 1-\bar\alpha)$ with "
    r"$\bar\alpha(t)=e^{-\int_0^t\beta}$. For any drift $f(x,t)$, noise $g(t)$ and density $p_t$, the equation that runs backwards with "
    r"drift $f - g^2\nabla\log p_t$ (in $dx = [f-g^2\nabla\log p_t]dt + g\,d\bar w$) has the same densities, and so has the flow "
    r"with $f-\frac12g^2\nabla\log p_t$ and no noise. DDPM's step is the Euler step of the reverse equation up to $O(\beta^2)$. "
    r"(One coordinate is written; in several the right-hand sides are sums over coordinates.)",
    assumptions=[
        "Densities are positive, smooth and determined by their Fokker-Planck equation.",
        "alpha_bar_{t-1} and the score are fixed while beta_t = h goes to 0.",
    ],
    leans_on=["vp_marginal", "posterior", "reverse_mean"],
    steps=[
        SameOrder(
            sqrt(1 - h) * x_t,
            x_t - h / 2 * x_t,
            "The forward step's shrinkage is the drift -x/2 per unit of beta.",
            h=h,
            order=2,
        ),
        Equal(
            Derivative(exp(-B), time),
            -rate * exp(-B),
            "alpha_bar(t) = exp(-B), with B the integral of beta, has the derivative -beta alpha_bar.",
            using={Derivative(B, time): rate},
        ),
        Equal(
            Derivative(m, time),
            -rate / 2 * m,
            "m = sqrt(alpha_bar) x_0 obeys m' = -beta m/2, as the mean must.",
            using=da,
        ),
        Equal(
            Derivative(v, time),
            -rate * v + rate,
            "v = 1 - alpha_bar obeys v' = -beta v + beta, as the variance must (Ito).",
            using=da,
        ),
        Equal(
            fokker_planck(f, g**2, exp(L)),
            exp(L) * log_fokker_planck(f, g**2, L),
            "The Fokker-Planck equation in terms of the log-density L: divide by p = exp(L).",
        ),
        Equal(
            Derivative(log_density, time),
            log_fokker_planck(-rate * x / 2, rate, log_density),
            "And the Gaussian with this mean and variance solves it.",
            using=da,
        ),
        Equal(
            fokker_planck(-f + g**2 * score, g**2, p),
            -fokker_planck(f, g**2, p),
            "Backwards in time the density must change by minus the forward rate: this drift does it, for any f, g, p.",
        ),
        Equal(
            fokker_planck(-f + g**2 * score / 2, 0, p),
            -fokker_planck(f, g**2, p),
            "Half the score and no noise do it too: the probability flow.",
        ),
        Unequal(
            fokker_planck(-f + g**2 * score, 0, p),
            -fokker_planck(f, g**2, p),
            "The whole score without noise does not: the reverse equation needs its noise.",
        ),
        Equal(
            fokker_planck(x + 2 * score, 2, p),
            -fokker_planck(-x, 2, p),
            "In rajpal's units (f = -x, g = sqrt(2)): forward dx = -x dt + sqrt(2) dw, backwards x + 2 score.",
        ),
        SameOrder(
            score_form,
            x_t + h * drift,
            "DDPM's mean is one Euler step of size beta of the reverse equation, up to O(beta^2).",
            using={alpha: 1 - h},
            h=h,
            order=2,
        ),
        Unequal(
            score_form,
            x_t + (1 - alpha) * drift,
            "It is not equal to it: the terms of order beta^2 differ.",
        ),
        SameOrder(
            variance,
            h,
            "Both choices of variance agree with the equation's noise: beta_tilde = beta + O(beta^2).",
            using={alpha_bar: (1 - h) * alpha_bar_prev, alpha: 1 - h},
            h=h,
            order=2,
        ),
    ],
    source="Anderson 1982; Song et al. 2021, eqs. 6, 11, 13.",
)
