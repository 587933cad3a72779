r"""Where the chains end: the law of a method's output, in closed form, for one pixel.

The prior is N(0, 1) and y = x_0 + sigma w, so everything is known: x_t is N(0, 1) at every level, the
score is -x, and x_t given y is normal too. A method adds a term

.. math:: g = k_y - k\,x

to the score. With small steps its chain is the reverse equation dx = beta (x/2 - x + g) dtau + sqrt(beta) dw, in
which alpha_bar rises from 0 to 1 by d alpha_bar = beta alpha_bar dtau. The equation is linear, so a normal law
stays normal, and its mean M and variance V obey

.. math:: \bar\alpha\, M' = -(\tfrac12 + k)\, M + k_y, \qquad \bar\alpha\, V' = 1 - (1 + 2k)\, V,
          \qquad M \to 0,\; V \to 1 \text{ as } \bar\alpha \to 0 .

Each method has its k. With the exact one M and V are those of x_t given y, and at alpha_bar = 1 those of the
posterior, N(y/(1 + sigma^2), sigma^2/(1 + sigma^2)). What the others end with is found by solving two
linear equations of first order. Nothing here is an error of discretisation: it stays when T grows.
"""

from sympy import Derivative, Function, Rational, exp, log, sqrt

from derivations.checker import Code, Derivation, Equal, SameOrder, Unequal
from derivations.dps import dps as dps_score
from derivations.dps import exact as exact_score
from derivations.reverse_mean import score_form
from derivations.symbols import declare, get

alpha, alpha_bar, sigma, gamma, tau, s, mu, x_t, y, s_theta = get(
    "alpha", "alpha_bar", "sigma", "gamma", "tau", "s", "mu", "x_t", "y", "s_theta"
)
h = declare("h", "h", "a small number", "positive")
time = declare("time", "t", "continuous time", "real")
k = declare("k", "k", "how strongly a guidance pulls: minus its slope in x", "positive", ("k_y",))
k_y = declare("k_y", "k_y", "where a guidance pulls to: its value at x = 0", "real", ("k",))
M = declare("M", "M", "the mean of a chain", "real", ("V",))
V = declare("V", "V", "the variance of a chain", "positive", ("M",))

half = Rational(1, 2)
pixel = {tau: 1, s: 1, mu: 0}


def mean_rate(k, k_y, M):
    """alpha_bar M'."""
    return -(half + k) * M + k_y


def variance_rate(k, V):
    """alpha_bar V'."""
    return 1 - (1 + 2 * k) * V


def solves(k, k_y, M, V):
    """The two steps that say that M and V solve the two equations."""
    return [
        Equal(alpha_bar * Derivative(M, alpha_bar), mean_rate(k, k_y, M), "The mean solves its equation ..."),
        Equal(alpha_bar * Derivative(V, alpha_bar), variance_rate(k, V), "... and so does the variance."),
    ]


known = sigma**2 + 1 - alpha_bar  # the variance of y given x_t
true_k, true_k_y = alpha_bar / known, sqrt(alpha_bar) * y / known
true_M, true_V = sqrt(alpha_bar) * y / (1 + sigma**2), 1 - alpha_bar / (1 + sigma**2)

dps_k, dps_k_y = alpha_bar / sigma**2, sqrt(alpha_bar) * y / sigma**2
dps_M = y / sqrt(alpha_bar) * (1 - exp(-alpha_bar / sigma**2))
dps_V = sigma**2 / (2 * alpha_bar) * (1 - exp(-2 * alpha_bar / sigma**2))
dps_mean, dps_variance = y * (1 - exp(-1 / sigma**2)), sigma**2 / 2 * (1 - exp(-2 / sigma**2))

ald_k = 1 / (sigma**2 + gamma**2)
ald_mean = 2 * y / (2 + sigma**2 + gamma**2)
ald_variance = (sigma**2 + gamma**2) / (2 + sigma**2 + gamma**2)
B = Function("B", real=True)(time)  # the integral of beta
rate = Function("beta", positive=True)(time)

left = 1 - (1 - sigma**2) * alpha_bar  # alpha_bar sigma^2 + 1 - alpha_bar
dmps_k, dmps_k_y = 1 / left, sqrt(alpha_bar) * y / left
flat_score = (y - x_t / sqrt(alpha_bar)) / sqrt(alpha_bar) / (sigma**2 + (1 - alpha_bar) / alpha_bar)

derivation = Derivation(
    name="exactness",
    title="Where a guided chain ends, and that the exact term ends in the posterior",
    statement=r"For the prior $\mathcal N(0,1)$, $y=x_0+\sigma w$ and a guidance $g = k_y - kx$, the reverse equation keeps a normal law "
    r"whose mean and variance obey $\bar\alpha M' = -(\frac12+k)M+k_y$ and $\bar\alpha V' = 1-(1+2k)V$. With the exact likelihood score "
    r"they are those of $x_t$ given $y$, and end at $\mathcal N\left(\frac{y}{1+\sigma^2}, \frac{\sigma^2}{1+\sigma^2}\right)$.",
    assumptions=["One coordinate; the prior is N(0, 1); steps are small; alpha_bar_T is 0."],
    leans_on=["reverse_mean", "forward_sde", "dps"],
    steps=[
        SameOrder(
            score_form,
            x_t + h * mean_rate(k, k_y, x_t),
            "One step of size beta = h, with the score -x and the guidance k_y - k x.",
            using={alpha: 1 - h, s_theta: -x_t + k_y - k * x_t},
            h=h,
            order=2,
        ),
        SameOrder(
            (1 - h * (half + k)) ** 2 * V + h,
            V + h * variance_rate(k, V),
            "So does the variance: the slope squared, and the step's noise on top.",
            h=h,
            order=2,
        ),
        Equal(
            exact_score,
            true_k_y - true_k * x_t,
            "The exact likelihood score of the prior N(0, 1), in this form.",
            using=pixel,
        ),
        *solves(true_k, true_k_y, true_M, true_V),
        Equal(true_V, sigma**2 / (1 + sigma**2), "At alpha_bar = 1 it is the posterior's variance ...", using={alpha_bar: 1}),
        Equal(true_M, y / (1 + sigma**2), "... and mean.", using={alpha_bar: 1}),
        Equal(true_V, 1, "It began with that of N(0, 1).", using={alpha_bar: 0}),
    ],
)

dps = Derivation(
    name="exactness.dps",
    title="DPS's likelihood step ends beside the posterior",
    statement=r"In the setting of `exactness`, DPS's likelihood score is the exact one times $1+\frac{1-\bar\alpha}{\sigma^2}$, and its chain "
    r"ends at $\mathcal N\left(y(1-e^{-1/\sigma^2}),\ \frac{\sigma^2}{2}(1-e^{-2/\sigma^2})\right)$: the prior's pull on the mean is lost, "
    r"and about half of the variance.",
    assumptions=["As in exactness."],
    leans_on=["exactness", "dps"],
    steps=[
        Equal(
            dps_score,
            (1 + (1 - alpha_bar) / sigma**2) * exact_score,
            "DPS's score is the exact one up to this factor, and only up to it.",
            using=pixel,
        ),
        Equal(dps_score, dps_k_y - dps_k * x_t, "In the form k_y - k x.", using=pixel),
        *solves(dps_k, dps_k_y, dps_M, dps_V),
        SameOrder(
            (1 - exp(-2 * h / sigma**2)) * sigma**2,
            2 * h,
            "Near alpha_bar = h = 0 the variance tends to 1, as it must: V = sigma^2 (1 - exp(-2h/sigma^2))/(2h).",
            h=h,
            order=2,
        ),
        Equal(dps_V, dps_variance, "At alpha_bar = 1 it ends here ...", using={alpha_bar: 1}),
        Equal(dps_M, dps_mean, "... and here.", using={alpha_bar: 1}),
        Equal(
            dps_variance / (sigma**2 / (1 + sigma**2)),
            (1 + sigma**2) / 2 * (1 - exp(-2 / sigma**2)),
            "Beside the posterior's variance: one half as sigma goes to 0.",
        ),
        Unequal(dps_mean, y / (1 + sigma**2), "Its mean is not the posterior's: as sigma goes to 0 it is y up to exp(-1/sigma^2)."),
    ],
    code=[
        Code("teachdiff.exactness.dps_mean", dps_mean, {"sigma": "sigma", "y": "y"}),
        Code("teachdiff.exactness.dps_variance", dps_variance, {"sigma": "sigma"}),
    ],
)

score_ald = Derivation(
    name="exactness.score_ald",
    title="ScoreALD in the reverse chain is Langevin's for another noise",
    statement=r"In the setting of `exactness`, with a constant $\gamma$: ScoreALD's chain is Langevin's for the likelihood "
    r"$\mathcal N(y;x,\frac{\sigma^2+\gamma^2}{2})$, and tends to $\mathcal N\left(\frac{2y}{2+\sigma^2+\gamma^2}, "
    r"\frac{\sigma^2+\gamma^2}{2+\sigma^2+\gamma^2}\right)$. That is the posterior if $\gamma=\sigma$, and only then.",
    assumptions=["As in exactness; gamma does not depend on t."],
    leans_on=["exactness", "likelihood_score"],
    steps=[
        Equal(
            Derivative(-(x_t**2) / 2 - (y - x_t) ** 2 / (sigma**2 + gamma**2), x_t) / 2,
            mean_rate(ald_k, ald_k * y, x_t),
            "The drift is half the gradient of log N(x; 0, 1) + log N(y; x, (sigma^2 + gamma^2)/2): Langevin's.",
        ),
        Equal(mean_rate(ald_k, ald_k * y, ald_mean), 0, "The fixed mean ..."),
        Equal(variance_rate(ald_k, ald_variance), 0, "... and the fixed variance."),
        Equal(
            Derivative(M * exp(-(half + k) * B), time),
            -(half + k) * rate * M * exp(-(half + k) * B),
            "Any other mean comes nearer to it by the factor exp(-(1/2 + k) B), B the integral of beta.",
            using={Derivative(B, time): rate},
        ),
        Equal(ald_mean, y / (1 + sigma**2), "With gamma = sigma it is the posterior's mean ...", using={gamma: sigma}),
        Equal(ald_variance, sigma**2 / (1 + sigma**2), "... and variance: 2k = 1/sigma^2.", using={gamma: sigma}),
        Unequal(ald_variance, sigma**2 / (1 + sigma**2), "Not with another gamma, such as 0, for which it is DPS's half:"),
        Equal(
            ald_variance,
            sigma**2 / (2 + sigma**2),
            "without tempering the likelihood counts twice.",
            using={gamma: 0},
        ),
    ],
    code=[
        Code("teachdiff.exactness.score_ald_mean", ald_mean, {"sigma": "sigma", "gamma": "gamma", "y": "y"}),
        Code("teachdiff.exactness.score_ald_variance", ald_variance, {"sigma": "sigma", "gamma": "gamma"}),
    ],
)

W, W_M = alpha_bar**3 / left**2, alpha_bar * sqrt(alpha_bar) / left
c = 1 - sigma**2
F = (1 / left - left + 2 * log(left)) / c**3
F_M = (1 / left - 1 + log(left)) / c**2

dmps = Derivation(
    name="exactness.dmps",
    title="DMPS ends beside the posterior",
    statement=r"In the setting of `exactness`, with $\lambda=1$ and $c=1-\sigma^2$: DMPS's chain ends at the mean "
    r"$\sigma^2 y\int_0^1\frac{a\,da}{(1-ca)^2}$ and the variance $\sigma^4\int_0^1\frac{a^2\,da}{(1-ca)^2}$, whose values are "
    r"$\frac{\sigma^2}{c^2}\left(\frac{c}{\sigma^2}+\log\sigma^2\right)y$ and "
    r"$\frac{\sigma^4}{c^3}\left(\frac1{\sigma^2}-\sigma^2+2\log\sigma^2\right)$.",
    assumptions=["As in exactness; sigma is not 1 (there the limits are y/2 and 1/3)."],
    leans_on=["exactness", "dmps"],
    steps=[
        Equal(flat_score, dmps_k_y - dmps_k * x_t, "The flat prior's score, in the form k_y - k x."),
        Equal(
            alpha_bar * Derivative(W_M, alpha_bar),
            (half + dmps_k) * W_M,
            "An integrating factor of the mean: (W M)' alpha_bar = W k_y ...",
        ),
        Equal(alpha_bar * Derivative(W, alpha_bar), (1 + 2 * dmps_k) * W, "... and one of the variance."),
        Equal(Derivative(F_M, alpha_bar), W_M * sqrt(alpha_bar) / left / alpha_bar, "The mean's integral ..."),
        Equal(Derivative(F, alpha_bar), W / alpha_bar, "... and the variance's."),
        Equal(W, sigma ** (-4), "At alpha_bar = 1 the factor is 1/sigma^4.", using={alpha_bar: 1}),
        Unequal(dmps_k, true_k, "The exact k has alpha_bar for the 1 above, and 1 for the alpha_bar below."),
    ],
)
