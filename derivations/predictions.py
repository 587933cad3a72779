r"""Four names for one prediction: score, epsilon, x0_hat and v.

Given x_t, whoever knows one of these knows the others:

.. math::
    x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1-\bar\alpha_t}\, \epsilon, \qquad
    v = \sqrt{\bar\alpha_t}\, \epsilon - \sqrt{1-\bar\alpha_t}\, x_0.

(x_t, v) is (x_0, epsilon) turned by an angle, so turning back recovers x_0 and epsilon. All the
relations are affine in x_0 once x_t is given, and the mean of an affine function is the function of
the mean: so they also hold between E[x_0|x_t], E[epsilon|x_t] and E[v|x_t], which is what a network
learns. And Tweedie adds the score to the list: s = -E[epsilon|x_t] / sqrt(1 - alpha_bar_t). Beware
the bar: with alpha_t instead of alpha_bar_t this is wrong from t = 2 on.
"""

from sympy import diff, sqrt

from derivations.checker import Code, Derivation, Equal, Integrals, Unequal, chain
from derivations.posterior import epsilon
from derivations.symbols import declare, get
from derivations.tweedie import expect, score, u, x

alpha, alpha_bar, s_theta, eps_theta, v_theta = get("alpha", "alpha_bar", "s_theta", "eps_theta", "v_theta")
x_0, x0_hat, x_t = get("x_0", "x0_hat", "x_t")
v = declare("v", "v", "the velocity sqrt(alpha_bar) epsilon - sqrt(1 - alpha_bar) x_0", "real", ("epsilon",))

c, n = sqrt(alpha_bar), sqrt(1 - alpha_bar)  # how much signal, how much noise
pair = {x_t: c * x_0 + n * epsilon, v: c * epsilon - n * x_0}

x0_from_epsilon = (x_t - n * eps_theta) / c
x0_from_score = (x_t + (1 - alpha_bar) * s_theta) / c
x0_from_v = c * x_t - n * v_theta
epsilon_from_x0 = (x_t - c * x0_hat) / n
score_from_x0 = (c * x0_hat - x_t) / (1 - alpha_bar)
v_from_x0 = (c * x_t - x0_hat) / n
score_from_epsilon = -eps_theta / n
epsilon_from_score = -n * s_theta

_IN = {"x_t": "x_t", "alpha_bar": "alpha_bar"}
_TIES = [
    ("x0_hat_from_epsilon", x0_from_epsilon, {"epsilon": "eps_theta"} | _IN),
    ("x0_hat_from_score", x0_from_score, {"score": "s_theta"} | _IN),
    ("x0_hat_from_v", x0_from_v, {"v": "v_theta"} | _IN),
    ("epsilon_from_x0_hat", epsilon_from_x0, {"x0_hat": "x0_hat"} | _IN),
    ("score_from_x0_hat", score_from_x0, {"x0_hat": "x0_hat"} | _IN),
    ("v_from_x0_hat", v_from_x0, {"x0_hat": "x0_hat"} | _IN),
    ("score_from_epsilon", score_from_epsilon, {"epsilon": "eps_theta", "alpha_bar": "alpha_bar"}),
    ("epsilon_from_score", epsilon_from_score, {"score": "s_theta", "alpha_bar": "alpha_bar"}),
]

derivation = Derivation(
    name="predictions",
    title="Score, epsilon, x0_hat and v",
    statement=r"With $\hat x_0 = E[x_0\mid x_t]$, $\epsilon_\theta = E[\epsilon\mid x_t]$, $v_\theta = E[v\mid x_t]$ and "
    r"$s_\theta = \nabla\log p_t(x_t)$, for any data: $\hat x_0 = \frac{x_t - \sqrt{1-\bar\alpha_t}\,\epsilon_\theta}"
    r"{\sqrt{\bar\alpha_t}} = \frac{x_t + (1-\bar\alpha_t)s_\theta}{\sqrt{\bar\alpha_t}} = "
    r"\sqrt{\bar\alpha_t}x_t - \sqrt{1-\bar\alpha_t}\,v_\theta$ and $s_\theta = -\epsilon_\theta/\sqrt{1-\bar\alpha_t}$.",
    assumptions=["The predictions are the exact conditional means; formulas hold coordinate by coordinate."],
    leans_on=["vp_marginal", "tweedie"],
    steps=[
        Equal((x_t - n * epsilon) / c, x_0, "Solve x_t = c x_0 + n epsilon for x_0.", using=pair),
        Equal(c * x_t - n * v, x_0, "Turn (x_t, v) back by the angle: c^2 + n^2 = 1.", using=pair),
        Equal(n * x_t + c * v, epsilon, "The other coordinate of the same turn.", using=pair),
        Equal(
            diff(-((x_t - c * x_0) ** 2) / (2 * (1 - alpha_bar)), x_t),
            -epsilon / n,
            "The score of the kernel q(x_t|x_0): minus the noise, over its standard deviation.",
            using={epsilon: (x_t - c * x_0) / n},
        ),
        Integrals(
            expect((x - c * u) / n, c, n),
            -n * score(c, n),
            "Tweedie, for any prior: the mean noise given x_t is -sqrt(1 - alpha_bar_t) times the score.",
        ),
        Integrals(
            expect(c * (x - c * u) / n - n * u, c, n),
            (c * x - expect(u, c, n)) / n,
            "The mean of v given x_t, for any prior.",
        ),
        Equal(
            x0_from_score, x0_from_epsilon, "Two of the names for x0_hat agree ...", using={s_theta: score_from_epsilon}
        ),
        Equal(x0_from_v, x0_hat, "... and the third, by way of v = (c x_t - x0_hat)/n.", using={v_theta: v_from_x0}),
        Equal(epsilon_from_x0, eps_theta, "Back again: epsilon from x0_hat ...", using={x0_hat: x0_from_epsilon}),
        Equal(score_from_x0, s_theta, "... the score from x0_hat ...", using={x0_hat: x0_from_score}),
        Equal(v_from_x0, v_theta, "... v from x0_hat ...", using={x0_hat: x0_from_v}),
        Equal(score_from_epsilon, s_theta, "... and the score from epsilon.", using={eps_theta: epsilon_from_score}),
        *chain(
            epsilon_from_score,
            (epsilon_from_x0, "epsilon from the score is epsilon from x0_hat."),
            using={x0_hat: x0_from_score},
        ),
        Unequal(
            score_from_epsilon,
            -eps_theta / sqrt(1 - alpha),
            "With alpha_t for alpha_bar_t it would be wrong, except at t = 1 where the two are one.",
        ),
    ],
    code=[Code(f"teachdiff.predictions.{name}", formula, arguments) for name, formula, arguments in _TIES],
    source="Ho et al. 2020; Efron 2011; Salimans and Ho 2022, appendix D (v).",
)
