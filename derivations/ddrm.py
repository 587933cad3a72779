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

from derivations.checker import Derivation, Equal, InLaw, Positive, Unequal
from derivations.symbols import declare, get

alpha_bar, eta, eta_b, s, x_0, x_t = get("alpha_bar", "eta", "eta_b", "s", "x_0", "x_t")
z, w, z_new, z_t = get("z", "w", "z_new", "z_t")
sigma_y = declare("sigma_y", r"\sigma_y", "standard deviation of the measurement's noise", "positive", ("sigma_new",))
sigma_new = declare(
    "sigma_new", r"\sigma'", "noise level that the step goes down to", "positive", ("sigma_y", "sigma_old")
)
sigma_old = declare("sigma_old", r"\sigma_t", "noise level of the iterate", "positive", ("sigma_new",))
headroom = declare("headroom", r"\delta", "how far the iterate's noise is above the measurement's", "positive")

ybar = x_0 + sigma_y / s * w
target = x_0 + sigma_new * z_t

unmeasured = x_0 + sqrt(1 - eta**2) * sigma_new * z + eta * sigma_new * z_new
noisier = x_0 + sqrt(1 - eta**2) * sigma_new * (ybar - x_0) / (sigma_y / s) + eta * sigma_new * z_new
topped_up = sigma_new**2 - eta_b**2 * sigma_y**2 / s**2
better = (1 - eta_b) * x_0 + eta_b * ybar + sqrt(topped_up) * z_new

derivation = Derivation(
    name="ddrm",
    title="DDRM's case variances keep the marginal",
    statement=r"In SVD coordinates, with $\bar y = x_0 + \frac{\sigma_y}{s}w$: each of DDRM's three steps and its start give "
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
        InLaw(unmeasured, target, "s = 0: old noise and fresh noise share sigma'^2, as in DDIM."),
        InLaw(
            noisier,
            target,
            "s sigma' < sigma_y: (ybar - x_0)/(sigma_y/s) is the standard normal w; it takes epsilon's place.",
        ),
        InLaw(
            better, target, "s sigma' >= sigma_y: ybar brings eta_b^2 sigma_y^2/s^2, the fresh draw what is missing."
        ),
        InLaw(
            ybar + sqrt(sigma_old**2 - sigma_y**2 / s**2) * z,
            x_0 + sigma_old * z_t,
            "The start at s sigma_T > sigma_y: the measurement with its noise topped up to sigma_T.",
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
        ),
        Unequal((noisier.subs(w, z_new),), (target,), "And so it is if the measurement's noise were the step's draw."),
        Equal(
            (1 - eta_b) * x_0 + eta_b * x_t,
            x_0 + eta_b * (x_t - x_0),
            "The third case's mean: from x0_hat the fraction eta_b of the way to the measurement (here x_t).",
        ),
    ],
    source="Kawar et al., 'Denoising diffusion restoration models', 2022, eqs. 7, 8 and appendix.",
)
