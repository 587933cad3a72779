r"""DDRM: three cases, one marginal.

In the basis of A's SVD the measurement is, for each singular value s > 0, a noisy look at one
coordinate: ybar = x_0 + (sigma_y/s) w. DDRM works with x/sqrt(alpha_bar), whose noise level is
sigma_t^2 = (1 - alpha_bar_t)/alpha_bar_t (variance exploding), and steps from sigma_t down to sigma' so that
the law q(x' | x_0) = N(x_0, sigma'^2) holds in every coordinate, whatever the case:

    s = 0                 nothing is measured: keep part of the old noise epsilon, draw the rest
    s sigma' <  sigma_y   the measurement is noisier than the iterate: use its residual as noise
    s sigma' >= sigma_y   the measurement is better than the iterate: move to it, top up the noise

In each case the variance of the fresh draw is what is missing to sigma'^2. That is the law to test.
Here x_0 is known; the sampler puts x0_hat in its place.
"""

from sympy import sqrt

from derivations.checker import Code, Derivation, Equal, InLaw, Positive, Unequal
from derivations.symbols import declare, get

alpha_bar, alpha_bar_prev, eta, eta_b, s = get("alpha_bar", "alpha_bar_prev", "eta", "eta_b", "s")
x_0, x0_hat, eps_theta = get("x_0", "x0_hat", "eps_theta")
z, w, z_new, z_t = get("z", "w", "z_new", "z_t")
sigma_y = declare("sigma_y", r"\sigma_y", "standard deviation of the measurement's noise", "positive", ("sigma_new",))
sigma_new = declare(
    "sigma_new", r"\sigma'", "noise level that the step goes down to", "positive", ("sigma_y", "sigma_old")
)
sigma_old = declare("sigma_old", r"\sigma_t", "noise level of the iterate", "positive", ("sigma_new",))
headroom = declare("headroom", r"\delta", "how far the iterate's noise is above the measurement's", "positive")

y_bar = declare("y_bar", r"\bar y", "the measurement of one coordinate, U^T y / s", "real", ("x0_hat",))

# The three means, as functions of the prediction, the measurement and the old noise.
mean_unmeasured = x0_hat + sqrt(1 - eta**2) * sigma_new * eps_theta
mean_noisier = x0_hat + sqrt(1 - eta**2) * sigma_new * (y_bar - x0_hat) * s / sigma_y
mean_better = (1 - eta_b) * x0_hat + eta_b * y_bar
topped_up = sigma_new**2 - eta_b**2 * sigma_y**2 / s**2

measured = x_0 + sigma_y / s * w
target = x_0 + sigma_new * z_t
truth = {x0_hat: x_0, y_bar: measured, eps_theta: z}

unmeasured = mean_unmeasured + eta * sigma_new * z_new
noisier = mean_noisier + eta * sigma_new * z_new
better = mean_better + sqrt(topped_up) * z_new

derivation = Derivation(
    name="ddrm",
    title="DDRM's case variances keep the marginal",
    statement=r"In SVD coordinates, with $\bar y = x_0 + \frac{\sigma_y}{s}w$: each of DDRM's three steps, and its start where $s\sigma_T>\sigma_y$, give "
    r"$x'\mid x_0\sim\mathcal N(x_0,\sigma'^2)$, for every $\eta,\eta_b\in(0,1)$.",
    assumptions=[
        "x_0 is known (the sampler uses x0_hat); the old noise, the measurement's noise and the fresh draw are independent.",
        "One SVD coordinate; U and V are orthogonal, so noises stay standard normal in their bases.",
    ],
    leans_on=["vp_marginal", "ddim"],
    steps=[
        InLaw(
            (sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * z) / sqrt(alpha_bar),
            x_0 + sqrt((1 - alpha_bar) / alpha_bar) * z,
            "From VP to VE: divide x_t by sqrt(alpha_bar_t).",
        ),
        Equal(
            mean_unmeasured,
            (sqrt(alpha_bar_prev) * x0_hat + sqrt(1 - alpha_bar_prev) * sqrt(1 - eta**2) * eps_theta)
            / sqrt(alpha_bar_prev),
            "s = 0: back in VP, times sqrt(alpha_bar_{t-1}), it is a mean like DDIM's ...",
            using={sigma_new: sqrt((1 - alpha_bar_prev) / alpha_bar_prev)},
        ),
        InLaw(unmeasured, target, "... where old noise and fresh noise share sigma'^2.", using=truth),
        Equal(
            mean_noisier,
            x_0 + sqrt(1 - eta**2) * sigma_new * w,
            "s sigma' < sigma_y: (ybar - x_0)/(sigma_y/s) is the standard normal w ...",
            using=truth,
        ),
        InLaw(noisier, target, "... and takes epsilon's place.", using=truth),
        Equal(
            mean_better,
            x0_hat + eta_b * (y_bar - x0_hat),
            "s sigma' >= sigma_y: from x0_hat the fraction eta_b of the way to the measurement ...",
        ),
        InLaw(
            better, target, "... which brings eta_b^2 sigma_y^2/s^2; the fresh draw brings what is missing.", using=truth
        ),
        InLaw(
            measured + sqrt(sigma_old**2 - sigma_y**2 / s**2) * z,
            x_0 + sigma_old * z_t,
            "The start at s sigma_T > sigma_y: the measurement with its noise topped up to sigma_T.",
        ),
        Unequal(
            (sigma_old * z,),
            (x_0 + sigma_old * z_t,),
            "Elsewhere the start is pure noise, which lacks x_0: as in every sampler, negligible beside a large sigma_T.",
        ),
        Positive(
            topped_up,
            0,
            "That square root is real where the case applies: sigma' = sigma_y/s + headroom.",
            using={sigma_new: sigma_y / s + headroom},
            by=(1 - eta_b**2) * sigma_y**2 / s**2 + 2 * headroom * sigma_y / s + headroom**2,
        ),
        Unequal(
            (better.subs(sqrt(topped_up), sqrt(sigma_new**2 - eta_b * sigma_y**2 / s**2)),),
            (target,),
            "With eta_b for eta_b^2 the marginal is lost.",
            using=truth,
        ),
        Unequal(
            (noisier,),
            (target,),
            "And so it is if the measurement's noise were the step's draw.",
            using={x0_hat: x_0, y_bar: measured.subs(w, z_new)},
        ),
    ],
    code=[
        Code(
            "teachdiff.methods.ddrm.mean_unmeasured",
            mean_unmeasured,
            {"x0_hat": "x0_hat", "epsilon": "eps_theta", "level": "sigma_new", "eta": "eta"},
        ),
        Code(
            "teachdiff.methods.ddrm.mean_noisier",
            mean_noisier,
            {"x0_hat": "x0_hat", "y_bar": "y_bar", "s": "s", "sigma": "sigma_y", "level": "sigma_new", "eta": "eta"},
        ),
        Code(
            "teachdiff.methods.ddrm.mean_better", mean_better, {"x0_hat": "x0_hat", "y_bar": "y_bar", "eta_b": "eta_b"}
        ),
        Code(
            "teachdiff.methods.ddrm.topped_up",
            topped_up,
            {"s": "s", "sigma": "sigma_y", "level": "sigma_new", "eta_b": "eta_b"},
        ),
    ],
    source="Kawar et al., 'Denoising diffusion restoration models', 2022, eqs. 7, 8 and appendix.",
)
