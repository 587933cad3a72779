r"""Where was x_{t-1}, if we know x_t and x_0?

Both neighbours of x_{t-1} are known: x_0 predicts it from below, x_t from above. Two Gaussian
pieces of evidence about one number combine by adding precisions (one over variance):

.. math::
    q(x_{t-1} \mid x_t, x_0) = \mathcal N(\tilde\mu_t, \tilde\beta_t I), \qquad
    \tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}\, x_0
                + \frac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\, x_t, \qquad
    \tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}\,\beta_t.

Three proofs, because each teaches something: precisions add; the square is completed; and, without
any density, the pair (x_{t-1}, x_t) that is built upwards has the same joint law as the pair that is
built downwards, x_t first and then x_{t-1} from it. The last one is what a sampler does.
"""

from sympy import sqrt

from derivations.checker import Code, Derivation, Equal, InLaw, chain
from derivations.symbols import declare, get

alpha, alpha_bar, alpha_bar_prev, beta = get("alpha", "alpha_bar", "alpha_bar_prev", "beta")
beta_tilde, x_0, x_t, x_prev, z, z_prev, z_t, z_new = get(
    "beta_tilde", "x_0", "x_t", "x_prev", "z", "z_prev", "z_t", "z_new"
)
epsilon = declare(
    "epsilon", r"\epsilon", "the noise in x_t: x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) epsilon", "real"
)


def mean(x_0, x_t):
    """The posterior mean in the form that the library uses."""
    return (
        sqrt(alpha_bar_prev) * (1 - alpha) / (1 - alpha_bar) * x_0
        + sqrt(alpha) * (1 - alpha_bar_prev) / (1 - alpha_bar) * x_t
    )


variance = (1 - alpha_bar_prev) / (1 - alpha_bar) * (1 - alpha)
precision = alpha / beta + 1 / (1 - alpha_bar_prev)

# Upwards: x_0 makes x_{t-1}, which makes x_t. Downwards: x_0 makes x_t, and the pair makes x_{t-1}.
up = sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z_prev
down = sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * z

derivation = Derivation(
    name="posterior",
    title="The posterior q(x_{t-1} | x_t, x_0)",
    statement=r"For $t \ge 2$: $q(x_{t-1}\mid x_t, x_0) = \mathcal N(\tilde\mu_t, \tilde\beta_t I)$ with "
    r"$\tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\,(1-\alpha_t)}{1-\bar\alpha_t}x_0 + "
    r"\frac{\sqrt{\alpha_t}(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}x_t$ and "
    r"$\tilde\beta_t = \frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}(1-\alpha_t)$; equally "
    r"$\tilde\mu_t = \frac{1}{\sqrt{\alpha_t}}\big(x_t - \frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}\epsilon\big)$. "
    r"At $t=1$ it is the point $x_0$.",
    assumptions=["The forward process of vp_marginal; formulas hold coordinate by coordinate."],
    leans_on=["vp_marginal"],
    steps=[
        Equal(
            1 / precision,
            variance,
            "Precisions add: x_t says it with precision alpha/beta, x_0 with precision 1/(1 - alpha_bar_{t-1}).",
        ),
        Equal(
            variance * (sqrt(alpha) / beta * x_t + sqrt(alpha_bar_prev) / (1 - alpha_bar_prev) * x_0),
            mean(x_0, x_t),
            "The mean weights each piece of evidence with its precision.",
        ),
        Equal(
            (x_t - sqrt(alpha) * x_prev) ** 2 / beta
            + (x_prev - sqrt(alpha_bar_prev) * x_0) ** 2 / (1 - alpha_bar_prev)
            - (x_t - sqrt(alpha_bar) * x_0) ** 2 / (1 - alpha_bar),
            (x_prev - mean(x_0, x_t)) ** 2 / variance,
            "The same by densities: -2 log of q(x_t|x_{t-1}) q(x_{t-1}|x_0) / q(x_t|x_0), the square completed.",
        ),
        Equal(
            beta * (1 - alpha_bar_prev) / (1 - alpha_bar),
            variance,
            "And the normalising constants agree: beta (1 - alpha_bar_{t-1}) = beta_tilde (1 - alpha_bar_t).",
        ),
        InLaw(
            (up, sqrt(alpha) * up + sqrt(beta) * z_t),
            (mean(x_0, down) + sqrt(variance) * z_new, down),
            "Without densities: (x_{t-1}, x_t) built upwards and built downwards have one joint law.",
        ),
        *chain(
            mean((x_t - sqrt(1 - alpha_bar) * epsilon) / sqrt(alpha_bar), x_t),
            (
                (x_t - (1 - alpha) / sqrt(1 - alpha_bar) * epsilon) / sqrt(alpha),
                "The second form: x_0 written with the noise epsilon in x_t.",
            ),
        ),
        Equal(
            mean(x_0, x_t),
            x_0,
            "At t = 1, where alpha_bar_0 = 1, the mean is x_0 ...",
            using={alpha_bar_prev: 1, alpha_bar: alpha},
        ),
        Equal(variance, 0, "... and nothing is left to be random.", using={alpha_bar_prev: 1, alpha_bar: alpha}),
    ],
    code=[
        Code(
            "teachdiff.schedules.posterior_mean",
            mean(x_0, x_t),
            {
                "x0_hat": "x_0",
                "x_t": "x_t",
                "alpha": "alpha",
                "alpha_bar": "alpha_bar",
                "alpha_bar_prev": "alpha_bar_prev",
            },
        ),
        Code(
            "teachdiff.schedules.posterior_variance",
            variance,
            {"alpha": "alpha", "alpha_bar": "alpha_bar", "alpha_bar_prev": "alpha_bar_prev"},
        ),
    ],
    source="Ho, Jain, Abbeel 2020, eqs. 6, 7 and 11.",
)
