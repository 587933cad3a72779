r"""DDIM: many reverse processes, one set of marginals.

Training fixes only the marginals q(x_t | x_0), not how x_{t-1} and x_t hang together. So let the
step reuse part of the noise epsilon that is already in x_t and draw only the rest afresh:

.. math:: x_{t-1} = \sqrt{\bar\alpha_{t-1}}\, x_0 + \sqrt{1 - \bar\alpha_{t-1} - \sigma_t^2}\;\epsilon + \sigma_t z.

For every sigma_t with sigma_t^2 <= 1 - alpha_bar_{t-1} the marginal of x_{t-1} comes out right: the old
noise and the new one are independent, and their variances add to 1 - alpha_bar_{t-1}.
sigma_t^2 = beta_tilde_t gives DDPM's posterior; sigma_t = 0 gives a deterministic step. Between
them: sigma_t = eta sqrt(beta_tilde_t). eta scales the *standard deviation*.

The indices t and t-1 may be any two levels t > s of a respaced schedule: only alpha_bar_t, alpha_bar_s
and their ratio alpha enter.
"""

from sympy import sqrt

from derivations.checker import Code, Derivation, Equal, InLaw, Unequal, chain
from derivations.posterior import epsilon, mean, variance
from derivations.symbols import declare, get

alpha, alpha_bar, alpha_bar_prev, eta = get("alpha", "alpha_bar", "alpha_bar_prev", "eta")
x_0, x_t, x0_hat, eps_theta, z, z_new = get("x_0", "x_t", "x0_hat", "eps_theta", "z", "z_new")
sigma_t = declare("sigma_t", r"\sigma_t", "standard deviation of a DDIM step's fresh noise", "positive", ("sigma",))

x_now = sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * z


def ddim(x_0, epsilon, sigma_t, z):
    return sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev - sigma_t**2) * epsilon + sigma_t * z


deterministic = ddim(x0_hat, eps_theta, 0, 0)
shrink = sqrt(alpha_bar_prev) * sqrt(alpha_bar) + sqrt(1 - alpha_bar_prev) * sqrt(1 - alpha_bar)

derivation = Derivation(
    name="ddim",
    title="DDIM: the reverse kernels that keep the marginals",
    statement=r"For every $\sigma_t$ with $0\le\sigma_t^2\le 1-\bar\alpha_{t-1}$ the step $x_{t-1} = \sqrt{\bar\alpha_{t-1}}x_0 + "
    r"\sqrt{1-\bar\alpha_{t-1}-\sigma_t^2}\,\epsilon + \sigma_t z$ takes $q(x_t\mid x_0)$ to $q(x_{t-1}\mid x_0)$. "
    r"$\sigma_t^2=\tilde\beta_t$ is DDPM's posterior. With $\hat x_0$ for $x_0$ and $\sigma_t=0$ the step is deterministic, and on "
    r"$\mathcal N(0, I)$ data it loses a little variance at each step.",
    assumptions=["Formulas hold coordinate by coordinate; t-1 may be any earlier level of a respaced schedule."],
    leans_on=["vp_marginal", "posterior"],
    steps=[
        InLaw(
            ddim(x_0, z, sigma_t, z_new),
            sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z,
            "Old noise z and fresh noise z' are independent: (1 - alpha_bar_{t-1} - sigma^2) + sigma^2.",
        ),
        Unequal(
            (ddim(x_0, z, sigma_t, z),),
            (sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z,),
            "If the step's draw were the old noise again, the variance would be too large.",
        ),
        Equal(
            1 - alpha_bar_prev - variance,
            alpha * (1 - alpha_bar_prev) ** 2 / (1 - alpha_bar),
            "DDPM's choice sigma^2 = beta_tilde leaves this for the old noise; it is a square times alpha/(1 - alpha_bar).",
        ),
        Equal(
            sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev - variance) * epsilon,
            mean(x_0, x_t),
            "With it the step's mean is the posterior mean.",
            using={epsilon: (x_t - sqrt(alpha_bar) * x_0) / sqrt(1 - alpha_bar)},
        ),
        InLaw(
            (ddim(x_0, z, sqrt(variance), z_new), x_now),
            (mean(x_0, x_now) + sqrt(variance) * z_new, x_now),
            "So DDIM with sigma^2 = beta_tilde and DDPM have the same joint law of (x_{t-1}, x_t).",
        ),
        Unequal(
            (ddim(x_0, z, eta * sqrt(variance), z_new),),
            (
                sqrt(alpha_bar_prev) * x_0
                + sqrt(1 - alpha_bar_prev - eta**2 * variance) * z
                + sqrt(eta * variance) * z_new,
            ),
            "eta scales the standard deviation: a program that scales the variance's eta leaves the marginal.",
        ),
        Equal(
            eta * sqrt(variance),
            eta * sqrt((1 - alpha_bar_prev) / (1 - alpha_bar)) * sqrt(1 - alpha_bar / alpha_bar_prev),
            "sigma_t = eta sqrt(beta_tilde_t), as the paper prints it.",
        ),
        *chain(
            deterministic,
            (
                sqrt(alpha_bar_prev / alpha_bar) * x_t
                + (sqrt(1 - alpha_bar_prev) - sqrt(1 - alpha_bar) / sqrt(alpha)) * eps_theta,
                "The deterministic step, sigma = 0, in terms of x_t and epsilon.",
            ),
            using={x0_hat: (x_t - sqrt(1 - alpha_bar) * eps_theta) / sqrt(alpha_bar)},
        ),
        Equal(
            deterministic,
            shrink * x_t,
            "On N(0, 1) data x0_hat = sqrt(alpha_bar) x_t and epsilon = sqrt(1 - alpha_bar) x_t: the step only scales.",
            using={x0_hat: sqrt(alpha_bar) * x_t, eps_theta: sqrt(1 - alpha_bar) * x_t},
        ),
        Equal(
            1 - shrink**2,
            (sqrt(alpha_bar_prev) * sqrt(1 - alpha_bar) - sqrt(alpha_bar) * sqrt(1 - alpha_bar_prev)) ** 2,
            "The variance that it loses is a square, so it shrinks unless the levels are the same: a discretisation error.",
        ),
    ],
    code=[
        Code(
            "teachdiff.methods.ddim.ddim_sigma",
            eta * sqrt(variance),
            {"eta": "eta", "alpha": "alpha", "alpha_bar": "alpha_bar", "alpha_bar_prev": "alpha_bar_prev"},
        )
    ],
    source="Song, Meng, Ermon, 'Denoising diffusion implicit models', 2021, eqs. 7, 12, 16.",
)
