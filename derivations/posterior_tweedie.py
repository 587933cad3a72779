r"""Tweedie with a measurement: how far y moves the denoiser.

Tweedie's formula holds for every density, so also for the posterior p(x_0 | y) as a prior. Subtract
it from the formula without y; by Bayes' rule for scores only the likelihood's score is left:

.. math:: E[x_0 \mid x_t, y] = E[x_0 \mid x_t] + \frac{1-\bar\alpha_t}{\sqrt{\bar\alpha_t}}\,
          \nabla_{x_t} \log \int p(y \mid x_0)\, p(x_0 \mid x_t)\, dx_0 .

In the step to x_{t-1} the same gradient g has the smaller weight (1 - alpha_t)/sqrt(alpha_t). The two
weights belong to two quantities; programs that mix them up take steps that are too long by the
factor (1 - alpha_bar_t) / ((1 - alpha_t) sqrt(alpha_bar_{t-1})).
"""

from sympy import diff, log, sqrt

from derivations.bayes_score import ell, g
from derivations.checker import Derivation, Equal, Integrals, Positive, Unequal
from derivations.posterior import mean
from derivations.symbols import get
from derivations.tweedie import a, b, expect, u, weigh, x

alpha, alpha_bar, alpha_bar_prev, x0_hat, x_t = get("alpha", "alpha_bar", "alpha_bar_prev", "x0_hat", "x_t")

c, n = sqrt(alpha_bar), sqrt(1 - alpha_bar)
in_x0 = (1 - alpha_bar) / sqrt(alpha_bar)
in_step = (1 - alpha) / sqrt(alpha)


def given_y(h, a, b):
    """E[h(u) | x, y] for any prior p and any likelihood ell."""
    return weigh(h * ell(u), a, b) / weigh(ell(u), a, b)


derivation = Derivation(
    name="posterior_tweedie",
    title="Tweedie's formula with a measurement",
    statement=r"For any prior and any likelihood: $E[x_0\mid x_t,y] = E[x_0\mid x_t] + \frac{1-\bar\alpha_t}{\sqrt{\bar\alpha_t}}\nabla_{x_t}"
    r"\log\int p(y\mid x_0)p(x_0\mid x_t)dx_0$. In the reverse step the same gradient has weight $\frac{1-\alpha_t}{\sqrt{\alpha_t}}$.",
    assumptions=["As in tweedie; y depends on x_t only through x_0."],
    leans_on=["tweedie", "bayes_score", "posterior"],
    steps=[
        Integrals(
            given_y(u, a, b),
            (x + b**2 * diff(log(weigh(ell(u), a, b)), x)) / a,
            "Tweedie, with the density ell(u) p(u) in the place of p(u).",
        ),
        Integrals(
            given_y(u, a, b) - expect(u, a, b),
            b**2 / a * diff(log(expect(ell(u), a, b)), x),
            "Subtract Tweedie without y: the prior's score cancels, the likelihood's stays.",
        ),
        Integrals(
            given_y(u, c, n),
            expect(u, c, n) + in_x0 * diff(log(expect(ell(u), c, n)), x),
            "The clean image: a^2 = alpha_bar_t, b^2 = 1 - alpha_bar_t.",
        ),
        Integrals(
            in_x0 * diff(log(expect(ell(u), c, n)), x),
            (expect(u * ell(u), c, n) - expect(u, c, n) * expect(ell(u), c, n)) / expect(ell(u), c, n),
            "The correction is the covariance of x_0 with the likelihood, over the mean likelihood: no gradient is needed.",
        ),
        Equal(
            mean(x0_hat + in_x0 * g, x_t) - mean(x0_hat, x_t),
            in_step * g,
            "Through the posterior mean the correction reaches x_{t-1} with this weight.",
        ),
        Unequal(in_x0, in_step, "Two weights for two quantities ..."),
        Equal(
            in_x0 / in_step,
            (1 - alpha_bar) / ((1 - alpha) * sqrt(alpha_bar_prev)),
            "... whose ratio is this ...",
        ),
        Positive(
            in_x0,
            in_step,
            "... and always above 1 for t >= 2.",
            by=(1 - sqrt(alpha_bar_prev)) * (1 + alpha * sqrt(alpha_bar_prev)) / sqrt(alpha_bar),
        ),
    ],
    source="Song et al. 2021; document rajpal, eq. 2.",
)
