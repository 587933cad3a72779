r"""Bayes' rule for scores: how a measurement enters a diffusion.

p(x|y) = p(x) p(y|x) / p(y). The logarithm turns the product into a sum, and the gradient in x removes
p(y), the one factor that nobody can compute:

.. math:: \nabla_x \log p(x \mid y) = \nabla_x \log p(x) + \nabla_x \log p(y \mid x).

This holds at every noise level. There p_t(y | x_t) is the likelihood of y averaged over all clean
images that x_t may have come from,

.. math:: p_t(y \mid x_t) = \int \ell(x_0)\, p(x_0 \mid x_t)\, dx_0, \qquad \ell(x_0) = p(y \mid x_0),

and that integral is what all the methods of this library approximate. In a reverse step any term g
that is added to the score is weighted with (1 - alpha_t)/sqrt(alpha_t).
"""

from sympy import Derivative, Function, diff, log, sqrt

from derivations.checker import Code, Derivation, Equal, InLaw, Integrals, Unequal
from derivations.reverse_mean import score_form
from derivations.symbols import declare, get
from derivations.tweedie import a, b, expect, score, u, weigh, x

alpha, s_theta, x_t = get("alpha", "s_theta", "x_t")
mu, tau, sigma, y, n_0, w, z, z_new, x_0 = get("mu", "tau", "sigma", "y", "n_0", "w", "z", "z_new", "x_0")
g = declare("g", "g", "the likelihood score, grad log p_t(y | x_t)", "real", ("s_theta",))

joint = Function("j", positive=True)(x, y)
prior = Function("q", positive=True)(x)
evidence = Function("e", positive=True)(y)
ell = Function("ell", positive=True)  # the likelihood of y given a clean image

posterior_variance = 1 / (1 / tau**2 + 1 / sigma**2)


def posterior_mean(y):
    return posterior_variance * (mu / tau**2 + y / sigma**2)


derivation = Derivation(
    name="bayes_score",
    title="Bayes' rule for scores",
    statement=r"For any prior and likelihood: $\nabla_x\log p(x\mid y) = \nabla_x\log p(x) + \nabla_x\log p(y\mid x)$; at noise "
    r"level $t$ the second term is $\nabla_{x_t}\log\int p(y\mid x_0)\,p(x_0\mid x_t)\,dx_0$. A term $g$ added to the score enters the "
    r"reverse mean as $\frac{1-\alpha_t}{\sqrt{\alpha_t}}\,g$.",
    assumptions=["Densities are positive and smooth; y depends on x_t only through x_0."],
    leans_on=["tweedie", "reverse_mean"],
    steps=[
        Equal(
            diff(log(joint / evidence), x),
            diff(log(prior), x) + diff(log(joint / prior), x),
            "log p(x|y) = log p(x, y) - log p(y), and p(y) does not depend on x.",
        ),
        Unequal(
            diff(log(joint / evidence), x),
            diff(log(prior), x) - diff(log(joint / prior), x),
            "The likelihood's score is added: with a minus the sampler would run away from the measurement.",
        ),
        Integrals(
            diff(log(weigh(ell(u), a, b)), x),
            score(a, b) + diff(log(expect(ell(u), a, b)), x),
            "At noise level t, for any prior: the density of (x_t, y) is the integral of ell(u) k(x|u) p(u).",
        ),
        Equal(
            score_form.subs(s_theta, s_theta + g) - score_form,
            (1 - alpha) / sqrt(alpha) * g,
            "The reverse mean is affine in the score: so much does a term g that is added to the score move it.",
        ),
        Equal(
            Derivative(score_form, s_theta),
            (1 - alpha) / sqrt(alpha),
            "That is the weight of a likelihood term in the step.",
        ),
        Equal(
            -(x_0 - mu) / tau**2 + (y - x_0) / sigma**2,
            -(x_0 - posterior_mean(y)) / posterior_variance,
            "Gaussian prior N(mu, tau^2) and y = x_0 + sigma w: the two scores add up to a Gaussian's score.",
        ),
        InLaw(
            (mu + tau * n_0, mu + tau * n_0 + sigma * w),
            (
                posterior_mean(mu + sqrt(tau**2 + sigma**2) * z) + sqrt(posterior_variance) * z_new,
                mu + sqrt(tau**2 + sigma**2) * z,
            ),
            "And it is the posterior: (x_0, y) drawn forwards, and drawn with y first, have one joint law.",
        ),
    ],
    code=[Code("teachdiff.methods.reverse.bayes_step", (1 - alpha) / sqrt(alpha), {"alpha": "alpha"})],
    source="Song et al. 2021, 'Score-based generative modeling through SDEs', eq. 14.",
)
