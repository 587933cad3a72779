r"""Tweedie: the score of the noisy density is a denoiser.

Let x = a u + b n: a signal u with an *arbitrary* density p(u), scaled, and Gaussian noise. The
density of x is

.. math:: P(x) = \int k(x \mid u)\, p(u)\, du, \qquad k(x \mid u) \propto e^{-(x - a u)^2 / 2b^2}.

The one idea: the derivative of the Gaussian kernel is the kernel times a polynomial,

.. math:: \partial_x k(x|u) = \frac{a u - x}{b^2}\, k(x|u),

so a derivative of P brings down a power of u under the integral, i.e. a posterior moment of u. One
derivative gives the posterior mean, two give the posterior covariance. Nothing is asked of p. (A
constant factor of k cancels in all that follows, so we leave it out.)

With a^2 = alpha_bar_t, b^2 = 1 - alpha_bar_t and u = x_0 this is the formula for the clean image;
with a^2 = alpha_t, b^2 = 1 - alpha_t and u = x_{t-1} it is the formula for one step.
"""

from sympy import Function, Integral, diff, exp, log, oo, sqrt

from derivations.checker import Code, Derivation, Equal, Integrals
from derivations.symbols import declare, get

alpha, alpha_bar, beta, s_theta, x_t = get("alpha", "alpha_bar", "beta", "s_theta", "x_t")
a = declare("a", "a", "the factor of the signal in x = a u + b n", "positive", ("b",))
b = declare("b", "b", "the standard deviation of the noise in x = a u + b n", "positive", ("a",))
x = declare("x", "x", "the noisy value", "real", ("x_2",))
x_2 = declare("x_2", "x'", "another coordinate of the noisy image", "real", ("x",))
u = declare("u", "u", "the clean value, a variable of integration", "real")
u_2 = declare("u_2", "u'", "another coordinate of the clean image, a variable of integration", "real")
p = Function("p", positive=True)  # the prior: any density at all


def weigh(g, a, b):
    """The integral of g(u) k(x|u) p(u) over u."""
    return Integral(g * exp(-((x - a * u) ** 2) / (2 * b**2)) * p(u), (u, -oo, oo))


def expect(g, a, b):
    """E[g(u) | x]: Bayes with an arbitrary prior."""
    return weigh(g, a, b) / weigh(1, a, b)


def score(a, b):
    """d/dx log P(x)."""
    return diff(log(weigh(1, a, b)), x)


def covariance(g, h, a, b):
    return expect(g * h, a, b) - expect(g, a, b) * expect(h, a, b)


derivation = Derivation(
    name="tweedie",
    title="Tweedie's formula, for any prior",
    statement=r"Let $x = a u + b n$, $n \sim \mathcal N(0, 1)$, $u$ with any density. Then "
    r"$E[u\mid x] = \frac1a\big(x + b^2\,\partial_x\log P(x)\big)$. Hence, for any data, "
    r"$\hat x_0 = E[x_0\mid x_t] = \frac{1}{\sqrt{\bar\alpha_t}}\big(x_t + (1-\bar\alpha_t)\nabla\log p_t(x_t)\big)$ and "
    r"$E[x_{t-1}\mid x_t] = \frac{1}{\sqrt{\alpha_t}}\big(x_t + (1-\alpha_t)\nabla\log p_t(x_t)\big)$.",
    assumptions=[
        "u has a density with finite moments, so that derivatives go under the integral sign.",
        "One coordinate is written; the others are parameters of p and k and change nothing.",
    ],
    leans_on=["vp_marginal"],
    steps=[
        Integrals(
            diff(weigh(1, a, b), x),
            (a * weigh(u, a, b) - x * weigh(1, a, b)) / b**2,
            "Differentiate under the integral sign: the kernel brings down (a u - x)/b^2.",
        ),
        Integrals(
            score(a, b),
            (a * expect(u, a, b) - x) / b**2,
            "Divide by P(x): the score is the posterior mean of that factor.",
        ),
        Integrals(expect(u, a, b), (x + b**2 * score(a, b)) / a, "Solve for the posterior mean."),
        Integrals(
            expect(u, sqrt(alpha_bar), sqrt(1 - alpha_bar)),
            (x + (1 - alpha_bar) * score(sqrt(alpha_bar), sqrt(1 - alpha_bar))) / sqrt(alpha_bar),
            "The clean image: a^2 = alpha_bar_t and b^2 = 1 - alpha_bar_t (vp_marginal), u = x_0.",
        ),
        Integrals(
            expect(u, sqrt(alpha), sqrt(beta)),
            (x + (1 - alpha) * score(sqrt(alpha), sqrt(beta))) / sqrt(alpha),
            "One step: a^2 = alpha_t and b^2 = beta_t, u = x_{t-1}, whose density is some density.",
        ),
        Equal(
            (x_t + (1 - alpha_bar) * s_theta) / sqrt(alpha_bar),
            x_t / sqrt(alpha_bar) + (1 - alpha_bar) / sqrt(alpha_bar) * s_theta,
            "Read it as a correction: scale x_t back, then move along the score.",
        ),
    ],
    code=[
        Code(
            "teachdiff.predictions.x0_hat_from_score",
            (x_t + (1 - alpha_bar) * s_theta) / sqrt(alpha_bar),
            {"score": "s_theta", "x_t": "x_t", "alpha_bar": "alpha_bar"},
        )
    ],
    source="Robbins 1956; Efron, 'Tweedie's formula and selection bias', 2011.",
)


def weigh2(g):
    """The same integral for two coordinates of an image, with any joint prior p(u, u')."""
    kernel = exp(-((x - a * u) ** 2) / (2 * b**2) - (x_2 - a * u_2) ** 2 / (2 * b**2))
    return Integral(g * kernel * p(u, u_2), (u, -oo, oo), (u_2, -oo, oo))


def expect2(g):
    return weigh2(g) / weigh2(1)


score2 = diff(log(weigh2(1)), x)

second_order = Derivation(
    name="tweedie.covariance",
    title="Tweedie's second formula: the posterior covariance",
    statement=r"Under the same assumptions $\mathrm{Var}[u\mid x] = \frac{b^2}{a^2}\big(1 + b^2\,\partial_x^2\log P\big)"
    r" = \frac{b^2}{a}\,\partial_x E[u\mid x]$, and for two coordinates $i \ne j$ of an image "
    r"$\mathrm{Cov}[u_i,u_j\mid x] = \frac{b^4}{a^2}\,\partial_i\partial_j\log P = \frac{b^2}{a}\,\partial_j E[u_i\mid x]$. "
    r"So $\mathrm{Cov}[x_0\mid x_t] = \frac{1-\bar\alpha_t}{\bar\alpha_t}\big(I + (1-\bar\alpha_t)\nabla^2\log p_t\big)$: "
    r"the Jacobian of the denoiser is symmetric and never negative. "
    r"Any pair of coordinates determines the whole matrix, so this covers any dimension.",
    assumptions=["As in tweedie; in two coordinates the noises are independent and of equal variance."],
    leans_on=["tweedie"],
    steps=[
        Integrals(
            diff(expect(u, a, b), x),
            a / b**2 * covariance(u, u, a, b),
            "Differentiate E[u|x]: the kernel's factor (a u - x)/b^2 correlates with u.",
        ),
        Integrals(
            covariance(u, u, a, b),
            b**2 / a**2 * (1 + b**2 * diff(score(a, b), x)),
            "Put in Tweedie's first formula for E[u|x].",
        ),
        Integrals(
            diff(expect2(u), x_2),
            a / b**2 * (expect2(u * u_2) - expect2(u) * expect2(u_2)),
            "The same with respect to another coordinate: the covariance of the two.",
        ),
        Integrals(
            expect2(u * u_2) - expect2(u) * expect2(u_2),
            b**4 / a**2 * diff(score2, x_2),
            "Off the diagonal the identity matrix contributes nothing.",
        ),
        Integrals(diff(expect2(u), x_2), diff(expect2(u_2), x), "So the denoiser's Jacobian is symmetric."),
        Integrals(
            covariance(u, u, sqrt(alpha_bar), sqrt(1 - alpha_bar)),
            (1 - alpha_bar) / alpha_bar * (1 + (1 - alpha_bar) * diff(score(sqrt(alpha_bar), sqrt(1 - alpha_bar)), x)),
            "For the clean image: the size of the uncertainty that DPS neglects and PiGDM keeps.",
        ),
        Integrals(
            covariance(u, u, sqrt(alpha), sqrt(beta)),
            (1 - alpha) / alpha * (1 + (1 - alpha) * diff(score(sqrt(alpha), sqrt(beta)), x)),
            "For one step: the exact variance of x_{t-1} given x_t, for any data.",
        ),
    ],
    source="Efron 2011; Meng, Song, Li, Ermon, 'Estimating high order gradients', 2021.",
)
