r"""The Gaussian likelihood's score, its sign, and ScoreALD's tempering.

For y = A x + sigma w the log-likelihood is -|y - A x|^2 / (2 sigma^2) + const. Its gradient

.. math:: \nabla_x \log p(y \mid x) = \frac{1}{\sigma^2}\, A^\top (y - A x)

points *towards* the measurement: two minus signs cancel (one before the square, one before A x).
This is the likelihood of y given a clean image. ScoreALD uses it at the noisy x_t and divides by
sigma^2 + gamma_t^2 instead of sigma^2, because x_t says less about y than x_0 does. How large should
gamma_t be? If nothing is known of x_0 but x_t (a flat prior), then

.. math:: y \mid x_t \sim \mathcal N\Big(\tfrac{1}{\sqrt{\bar\alpha_t}} A x_t,\
          \sigma^2 I + \tfrac{1-\bar\alpha_t}{\bar\alpha_t} A A^\top\Big),

so for A A^T = s^2 I the tempering is gamma_t^2 = s^2 (1 - alpha_bar_t)/alpha_bar_t, and A meets
x_t / sqrt(alpha_bar_t), not x_t. It falls as t goes to 0, as annealing should.
"""

from sympy import Derivative, Matrix, sqrt

from derivations.checker import Code, Derivation, Entries, Equal, InLaw, Positive, Unequal
from derivations.symbols import declare, get

alpha, alpha_bar, alpha_bar_prev = get("alpha", "alpha_bar", "alpha_bar_prev")
sigma, gamma, s, x_t, y, z, z_new, w = get("sigma", "gamma", "s", "x_t", "y", "z", "z_new", "w")

x = Matrix([declare(f"x{i}", f"x_{{({i})}}", f"pixel {i} of a small image", "real") for i in (1, 2, 3)])
data = Matrix([declare(f"y{i}", f"y_{{({i})}}", f"entry {i} of a small measurement", "real") for i in (1, 2)])
A = Matrix(
    2, 3, lambda i, j: declare(f"A{i + 1}{j + 1}", f"A_{{{i + 1}{j + 1}}}", "an entry of a 2 x 3 operator", "real")
)

residual = data - A * x
misfit = (residual.T * residual)[0]


def gradient(e, variables):
    """The column of partial derivatives, written as such: the checker takes them."""
    return Matrix([Derivative(e, v) for v in variables])


tempered = s * (y - s * x_t / sqrt(alpha_bar)) / sqrt(alpha_bar) / (sigma**2 + gamma**2)
flat = (y - s * x_t / sqrt(alpha_bar)) ** 2 / (2 * (sigma**2 + s**2 * (1 - alpha_bar) / alpha_bar))
level = sqrt((1 - alpha_bar) / alpha_bar)

derivation = Derivation(
    name="likelihood_score",
    title="The likelihood's score, its sign, and ScoreALD's tempering",
    statement=r"For $y = Ax + \sigma w$ (entry by entry for a general $2\times3$ matrix $A$): $\nabla_x\log p(y\mid x) = "
    r"\frac{1}{\sigma^2}A^\top(y-Ax)$. ScoreALD's $\sigma^2+\gamma_t^2$ is exact for a flat prior and $AA^\top=s^2I$ (written for one "
    r"coordinate), with $\gamma_t^2 = s^2\frac{1-\bar\alpha_t}{\bar\alpha_t}$ and $A x_t/\sqrt{\bar\alpha_t}$ in the residual.",
    assumptions=["The measurement's noise is Gaussian, independent of the image.", "Second part: flat prior on x_0."],
    leans_on=["vp_marginal", "bayes_score"],
    steps=[
        Entries(
            gradient(-misfit / (2 * sigma**2), x),
            A.T * residual / sigma**2,
            "Differentiate -|y - A x|^2/(2 sigma^2): the square brings 2, the inner derivative -A^T.",
        ),
        Entries(
            -gradient(misfit, x) / (2 * (sigma**2 + gamma**2)),
            A.T * residual / (sigma**2 + gamma**2),
            "ScoreALD's term: minus the misfit's gradient over 2(sigma^2 + gamma^2) is plus A^T(y - A x).",
        ),
        Unequal(
            Derivative(-((y - s * x_t) ** 2) / (2 * sigma**2), x_t),
            -s * (y - s * x_t) / sigma**2,
            "With a minus before A^T(y - A x) the term drives the image away from the measurement.",
        ),
        Equal(
            (y - s * (x_t + (y - s * x_t) * s * sigma**2 / (sigma**2 + s**2))) / (y - s * x_t),
            1 - s**2 * sigma**2 / (sigma**2 + s**2),
            "A step along +A^T(y - A x) multiplies the residual by 1 - step * s^2: it shrinks for small steps.",
        ),
        InLaw(
            s * (x_t / sqrt(alpha_bar) - level * z) + sigma * w,
            s * x_t / sqrt(alpha_bar) + sqrt(sigma**2 + s**2 * (1 - alpha_bar) / alpha_bar) * z_new,
            "Flat prior: x_0 = x_t/sqrt(alpha_bar) - level * z, so y given x_t has this law.",
        ),
        Equal(
            Derivative(-flat, x_t),
            tempered,
            "Its score is ScoreALD's term, with this gamma and with x_t scaled back.",
            using={gamma: s * level},
        ),
        Unequal(
            Derivative(-flat, x_t),
            s * (y - s * x_t) / (sigma**2 + s**2 * (1 - alpha_bar) / alpha_bar),
            "With x_t itself in the residual it is not, even with the best gamma.",
        ),
        Positive(
            (1 - alpha_bar) / alpha_bar,
            (1 - alpha_bar_prev) / alpha_bar_prev,
            "The tempering falls as t goes to 0: hence annealed.",
            by=(1 - alpha) / alpha_bar,
        ),
    ],
    source="Jalal et al., 'Robust compressed sensing MRI with deep generative priors', 2021, eq. 4.",
)


# Annealed Langevin: moves at one level, in the variable v = x_t/sqrt(alpha_bar_t)
v_t = declare("v_t", "v", "x_t/sqrt(alpha_bar_t)", "real", ("x_t",))
sigma_t = declare("sigma_t", r"\sigma_t", "the noise of v, sqrt((1 - alpha_bar)/alpha_bar)", "positive", ("sigma",))
pace = declare("pace", r"\eta_t", "the length of a Langevin move", "positive", ("gamma",))
P = declare("P", "P", "the precision of a Gaussian coordinate", "positive", ("pace",))
mode = declare("mode", "m", "its mean", "real", ("v_t",))
mu, tau, eta, x0_hat, s_theta = get("mu", "tau", "eta", "x0_hat", "s_theta")

ve_score = (x0_hat - v_t) / sigma_t**2
move = v_t + pace * s_theta + sqrt(2 * pace) * z_new
widened = 1 / (P * (1 - pace * P / 2))
precision = 1 / (tau**2 + sigma_t**2) + s**2 / (sigma**2 + gamma**2)
centre = (mu / (tau**2 + sigma_t**2) + s * y / (sigma**2 + gamma**2)) / precision

langevin = Derivation(
    name="likelihood_score.langevin",
    title="ScoreALD's Langevin moves: their score and their stationary law",
    statement=r"For $v = x_t/\sqrt{\bar\alpha_t}$ the score is $(\hat x_0-v)/\sigma_t^2$. For the prior $\mathcal N(\mu,\tau^2)$ (one SVD coordinate) "
    r"score and tempered likelihood add up to $-P(v-m)$ with $P = \frac1{\tau^2+\sigma_t^2}+\frac{s^2}{\sigma^2+\gamma_t^2}$, and the moves "
    r"$v\leftarrow v+\eta_ts+\sqrt{2\eta_t}z$ have the stationary law $\mathcal N\big(m,\ \frac1P\cdot\frac1{1-\eta_tP/2}\big)$: the right mean, "
    r"too much variance.",
    assumptions=["One coordinate, Gaussian prior; the moves converge for $\\eta_t P < 2$."],
    leans_on=["likelihood_score", "predictions"],
    steps=[
        Equal(
            sqrt(alpha_bar) * (sqrt(alpha_bar) * x0_hat - sqrt(alpha_bar) * v_t) / (1 - alpha_bar),
            ve_score,
            "The score of x_t by Tweedie, times dx_t/dv = sqrt(alpha_bar): the score of v.",
            using={sigma_t: sqrt((1 - alpha_bar) / alpha_bar)},
        ),
        Equal(
            -(v_t - mu) / (tau**2 + sigma_t**2) + s * (y - s * v_t) / (sigma**2 + gamma**2),
            -precision * (v_t - centre),
            "Prior and tempered likelihood: precisions add, and the mean is their weighted mean.",
        ),
        Equal(
            move,
            mode + (1 - pace * P) * (v_t - mode) + sqrt(2 * pace) * z_new,
            "A move: the distance from the mean shrinks by 1 - eta P, and noise of variance 2 eta is added.",
            using={s_theta: -P * (v_t - mode)},
        ),
        Equal(
            (1 - pace * P) ** 2 * widened + 2 * pace,
            widened,
            "A variance that a move leaves as it is.",
        ),
        Unequal(
            (1 - pace * P) ** 2 / P + 2 * pace,
            1 / P,
            "The variance 1/P of the law that is aimed at is not one: a finite move widens.",
        ),
        Positive(
            widened.subs(pace, 2 * eta / P),
            1 / P,
            "For eta_t = 2 eta/P with eta in (0, 1), where the moves converge, the variance is too large.",
            by=eta / (P * (1 - eta)),
        ),
    ],
    code=[
        Code(
            "teachdiff.methods.score_ald.ve_score", ve_score, {"x0_hat": "x0_hat", "v": "v_t", "sigma_t": "sigma_t"}
        ),
        Code(
            "teachdiff.methods.score_ald.langevin_move",
            move,
            {"v": "v_t", "score": "s_theta", "eta": "pace", "z": "z_new"},
        ),
    ],
    source="Jalal et al. 2021; Song and Ermon, 'Generative modeling by estimating gradients of the data distribution', 2019.",
)
