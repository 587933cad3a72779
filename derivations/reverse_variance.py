r"""beta or beta_tilde? Which variance a reverse step needs depends on the data.

The posterior variance beta_tilde_t knows x_0. A sampler does not; the uncertainty of x_0 given x_t
adds to it. For Gaussian data x_0 ~ N(mu, tau^2) everything can be written down:

.. math:: \mathrm{Var}[x_{t-1} \mid x_t] = \beta_t\,
          \frac{1 - \bar\alpha_{t-1} + \bar\alpha_{t-1}\tau^2}{1 - \bar\alpha_t + \bar\alpha_t\tau^2}.

For tau = 1, data as wide as the noise, this is beta_t; for tau = 0, one image only, it is
beta_tilde_t. Data that are narrower than N(0, 1) lie between: the two choices are the two ends.
"""

from sympy import sqrt

from derivations.checker import Derivation, Equal, InLaw, Positive, Unequal
from derivations.posterior import mean, variance
from derivations.symbols import get

alpha, alpha_bar, alpha_bar_prev, beta = get("alpha", "alpha_bar", "alpha_bar_prev", "beta")
tau, mu, n_0, z_prev, z_t, z, z_new, x_t = get("tau", "mu", "n_0", "z_prev", "z_t", "z", "z_new", "x_t")
eta = get("eta")

spread_prev = 1 - alpha_bar_prev + alpha_bar_prev * tau**2  # Var[x_{t-1}]
spread = 1 - alpha_bar + alpha_bar * tau**2  # Var[x_t]
exact = beta * spread_prev / spread

# The score of x_t ~ N(sqrt(alpha_bar) mu, spread), and the reverse mean with it.
x_prev = sqrt(alpha_bar_prev) * (mu + tau * n_0) + sqrt(1 - alpha_bar_prev) * z_prev
x_up = sqrt(alpha) * x_prev + sqrt(beta) * z_t
x_down = sqrt(alpha_bar) * mu + sqrt(spread) * z


def reverse_mean(x):
    score = -(x - sqrt(alpha_bar) * mu) / spread
    return (x + (1 - alpha) * score) / sqrt(alpha)


# What x_0 is given x_t, for this prior: mean and variance.
x0_mean = (x_t * sqrt(alpha_bar) * tau**2 + (1 - alpha_bar) * mu) / spread
x0_variance = tau**2 * (1 - alpha_bar) / spread

derivation = Derivation(
    name="reverse_variance",
    title="The variance of a reverse step",
    statement=r"For data $x_0\sim\mathcal N(\mu,\tau^2)$ (each coordinate; any covariance in its eigenbasis) "
    r"$x_{t-1}\mid x_t$ is normal with mean $\frac{1}{\sqrt{\alpha_t}}(x_t+(1-\alpha_t)s)$ and variance "
    r"$\beta_t\frac{1-\bar\alpha_{t-1}+\bar\alpha_{t-1}\tau^2}{1-\bar\alpha_t+\bar\alpha_t\tau^2}$: "
    r"$\beta_t$ for $\tau=1$, $\tilde\beta_t$ for $\tau=0$, between them for $0<\tau<1$, and below "
    r"$\beta_t/\alpha_t$ for every $\tau$.",
    assumptions=["Gaussian data; the general case, for any data, is the last formula of tweedie.covariance."],
    leans_on=["posterior", "reverse_mean", "tweedie.covariance"],
    steps=[
        InLaw(
            (x_prev, x_up),
            (reverse_mean(x_down) + sqrt(exact) * z_new, x_down),
            "(x_{t-1}, x_t) built upwards from the data, and built downwards by this reverse step: one joint law.",
        ),
        Equal(
            variance + (sqrt(alpha_bar_prev) * (1 - alpha) / (1 - alpha_bar)) ** 2 * x0_variance,
            exact,
            "Total variance: beta_tilde_t, and the uncertainty of x_0 seen through the posterior mean's coefficient.",
        ),
        Equal(
            mean(x0_mean, x_t),
            reverse_mean(x_t),
            "And the mean: the posterior mean at E[x_0|x_t].",
        ),
        Equal(
            (1 - alpha) / alpha * (1 - (1 - alpha) / spread),
            exact,
            "The same from Tweedie's second formula: the score's derivative is -1/Var[x_t].",
        ),
        Equal(exact, beta, "N(0, 1) data: tau = 1.", using={tau: 1}),
        Equal(exact, variance, "One image: tau = 0.", using={tau: 0}),
        Positive(
            exact,
            variance,
            "Uncertainty of x_0 can only add: beta_tilde_t is the least variance.",
            by=alpha_bar_prev * beta**2 * tau**2 / ((1 - alpha_bar) * spread),
        ),
        Positive(
            beta,
            exact,
            "Data narrower than N(0, 1), tau = eta < 1, need less than beta_t.",
            using={tau: eta},
            by=alpha_bar_prev * beta**2 * (1 - tau**2) / spread,
        ),
        Positive(
            beta / alpha,
            exact,
            "Wide data need more than beta_t, but never more than beta_t/alpha_t.",
            by=beta**2 / (alpha * spread),
        ),
        Unequal(exact, beta, "So beta_t is not right for all data ..."),
        Unequal(exact, variance, "... and beta_tilde_t is not either."),
        InLaw(
            reverse_mean(x_down) + sqrt(beta) * z_new,
            sqrt(alpha_bar_prev) * mu + sqrt(spread_prev + beta - exact) * z,
            "A step with beta_t on such data misses the right variance by beta_t minus the exact one.",
        ),
    ],
    source="Ho et al. 2020, section 3.2; Sohl-Dickstein et al. 2015.",
)
