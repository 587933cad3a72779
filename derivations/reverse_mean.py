r"""One reverse step: its mean, and the noise that it needs.

A sampler stands at x_t and wants x_{t-1}. It does not know x_0, but it has the denoiser's x0_hat, so
it puts x0_hat in the place of x_0 in the posterior mean. Tweedie's formula then collapses the two
terms to one short line:

.. math:: E[x_{t-1} \mid x_t] = \frac{1}{\sqrt{\alpha_t}}\big(x_t + (1-\alpha_t)\, s_\theta\big)
          = \frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}\, \epsilon_\theta\Big).

That is a *mean*. A sampler that returns it as x_{t-1}, without adding noise, has too little
variance at every step; run to the end on N(0, I) data it returns a point and not a sample.
"""

from sympy import sqrt

from derivations.checker import Derivation, Equal, Induction, InLaw, Unequal, chain
from derivations.posterior import down, mean, variance
from derivations.predictions import score_from_epsilon, x0_from_score
from derivations.symbols import get

alpha, alpha_bar, alpha_bar_prev, beta = get("alpha", "alpha_bar", "alpha_bar_prev", "beta")
s_theta, eps_theta, x_0, x_t, x0_hat, x_prev = get("s_theta", "eps_theta", "x_0", "x_t", "x0_hat", "x_prev")
z, z_new = get("z", "z_new")

score_form = (x_t + (1 - alpha) * s_theta) / sqrt(alpha)
epsilon_form = (x_t - (1 - alpha) / sqrt(1 - alpha_bar) * eps_theta) / sqrt(alpha)
step = (1 - alpha) / (sqrt(alpha) * (1 - alpha_bar))

derivation = Derivation(
    name="reverse_mean",
    title="The mean of a reverse step",
    statement=r"For any data $E[x_{t-1}\mid x_t] = \frac{1}{\sqrt{\alpha_t}}(x_t + (1-\alpha_t)s_\theta) = "
    r"\frac{1}{\sqrt{\alpha_t}}\big(x_t - \frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}\epsilon_\theta\big)$, which is the posterior "
    r"mean with $\hat x_0$ in the place of $x_0$. Given $x_0$, a step that returns the mean alone lacks the variance "
    r"$\tilde\beta_t$.",
    assumptions=["The score is exact; formulas hold coordinate by coordinate."],
    leans_on=["posterior", "tweedie", "predictions"],
    steps=[
        Equal(
            mean(x0_hat, x_t),
            sqrt(alpha) * (1 - alpha_bar_prev) / (1 - alpha_bar) * x_t + step * (x_t + (1 - alpha_bar) * s_theta),
            "Put Tweedie's x0_hat into the posterior mean; sqrt(alpha_bar_{t-1}/alpha_bar_t) = 1/sqrt(alpha_t).",
            using={x0_hat: x0_from_score},
        ),
        *chain(
            sqrt(alpha) * (1 - alpha_bar_prev) / (1 - alpha_bar) * x_t + step * (x_t + (1 - alpha_bar) * s_theta),
            (
                (alpha * (1 - alpha_bar_prev) + 1 - alpha) * x_t / ((1 - alpha_bar) * sqrt(alpha))
                + (1 - alpha) / sqrt(alpha) * s_theta,
                "Collect x_t over one denominator; in the score's term 1 - alpha_bar_t cancels.",
            ),
            (
                x_t / sqrt(alpha) + (1 - alpha) / sqrt(alpha) * s_theta,
                "alpha_t - alpha_t alpha_bar_{t-1} + 1 - alpha_t = 1 - alpha_bar_t, which cancels too.",
            ),
            (score_form, "Take 1/sqrt(alpha_t) out."),
        ),
        Equal(
            score_form,
            epsilon_form,
            "In terms of epsilon: s = -epsilon/sqrt(1 - alpha_bar_t).",
            using={s_theta: score_from_epsilon},
        ),
        Unequal(
            epsilon_form,
            (x_t - sqrt(1 - alpha) * eps_theta) / sqrt(alpha),
            "sqrt(1 - alpha_t) in the place of (1 - alpha_t)/sqrt(1 - alpha_bar_t) is wrong from t = 2 on ...",
        ),
        Equal(
            epsilon_form,
            (x_t - sqrt(1 - alpha) * eps_theta) / sqrt(alpha),
            "... and right at t = 1, where alpha_bar_1 = alpha_1.",
            using={alpha_bar: alpha},
        ),
        InLaw(
            mean(x_0, down) + sqrt(variance) * z_new,
            sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z,
            "Mean and fresh noise of variance beta_tilde_t: x_{t-1} has the noise level that it should.",
        ),
        Unequal(
            (mean(x_0, down),),
            (sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z,),
            "The mean alone has not.",
        ),
        InLaw(
            mean(x_0, down),
            sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev - variance) * z,
            "What is missing is exactly the variance beta_tilde_t.",
        ),
        Induction(
            x_prev * sqrt(alpha),
            sqrt(alpha_bar) * z,
            "For N(0, 1) data s(x) = -x, so a step without noise multiplies by sqrt(alpha_t); after the steps "
            "1..t (their order is of no matter) a standard normal start has shrunk to variance alpha_bar_t.",
            previous=x_prev,
            start=z,
            at_zero={alpha_bar: 1},
            before={alpha_bar: alpha_bar_prev},
        ),
        Equal(
            score_form,
            sqrt(alpha) * x_t,
            "That factor: (x - (1 - alpha) x)/sqrt(alpha) = sqrt(alpha) x.",
            using={s_theta: -x_t},
        ),
    ],
    code=[],
    source="Ho et al. 2020, eq. 11.",
)
