r"""One step of Dirac, from t to t - Delta t: Euler's, and the exact one.

Write s = t - Delta t. Discretised as the paper does it (Euler, with the difference of A in place of its derivative) a
step is

.. math:: y_s = y_t + A_s(x_0) - A_t(x_0) + (\sigma_t^2 - \sigma_s^2)\, \nabla\log q_t(y_t \mid x_0)
                + \sqrt{\sigma_t^2 - \sigma_s^2}\; z .

The process itself has an exact step, since given x_0 it is a Gaussian chain: y_s is known from below by x_0 and from
above by y_t, and precisions add,

.. math:: y_s \mid y_t, x_0 \sim \mathcal N\Big(A_s(x_0) + \frac{\sigma_s^2}{\sigma_t^2}\big(y_t - A_t(x_0)\big),\
          \frac{\sigma_s^2}{\sigma_t^2}\,(\sigma_t^2 - \sigma_s^2)\Big).

The means are *the same*. Euler only draws too much noise: y_s comes out with the variance sigma_s^2 +
(sigma_t^2 - sigma_s^2)^2/sigma_t^2. The excess is of second order in Delta t in one step and of first order over all
steps. In a geometric schedule it settles: with sigma_s^2 = r sigma_t^2 the chain's variance at s tends to sigma_s^2/r, which is sigma_t^2.
**Euler's chain is one step late**, for ever. And a last step to sigma_0 = 0 leaves all of sigma_t^2 in the picture.

The exact variance is one multiplication more. There is a family between: fresh noise of any variance up to sigma_s^2
keeps the marginals, if the old noise is scaled to fit, as in DDIM.
"""

from sympy import sqrt

from derivations.checker import Code, Derivation, Equal, Induction, InLaw, Positive, SameOrder, Unequal, chain
from derivations.dirac_sde import a_1, a_s, a_t, sigma_1, sigma_s, sigma_t, spread_t, x0_mean, x0_variance, y_t
from derivations.symbols import declare, get

mu, tau, eta, x_0, h = get("mu", "tau", "eta", "x_0", "h")
n_0, w, z, z_t, z_prev, z_new = get("n_0", "w", "z", "z_t", "z_prev", "z_new")
ratio = declare("ratio", "r", "sigma_s^2/sigma_t^2, the same in every step", "unit", ("decay",))
decay = declare("decay", "r^k", "the product of k ratios", "unit", ("ratio",))
here = declare("here", r"A_t(x_0)", "a picture degraded up to t", "real", ("there",))
there = declare("there", r"A_{t-\Delta t}(x_0)", "the same picture, degraded less", "real", ("here",))
late = declare("late", r"\delta", "the chain's excess variance over the level's, before a step", "real", ("ratio",))

kept = sigma_s**2 / sigma_t**2  # what a step keeps of the noise in y_t
fresh = sigma_t**2 - sigma_s**2  # the variance of Euler's draw
exact_variance = kept * fresh
excess = fresh**2 / sigma_t**2


def euler(y_t, x_0):
    """The mean of Euler's step, with the score given x_0."""
    return y_t + (a_s - a_t) * x_0 + fresh * (a_t * x_0 - y_t) / sigma_t**2


def step(y_t, x_0):
    """The mean of the exact step, as a program should have it."""
    return a_s * x_0 + kept * (y_t - a_t * x_0)


degraded_step = there + kept * (y_t - here)


def between(y_t, x_0, eta):
    """A step that draws the variance eta sigma_s^2."""
    return a_s * x_0 + sigma_s * sqrt(1 - eta) / sigma_t * (y_t - a_t * x_0)


up = a_s * x_0 + sigma_s * z_prev  # y_s, from which y_t is made
down = a_t * x_0 + sigma_t * z_t  # y_t, from which y_s is made
above = up + (a_t - a_s) * x_0 + sqrt(fresh) * z_t  # y_t, made from y_s
end = above + (a_1 - a_t) * x_0 + sqrt(sigma_1**2 - sigma_t**2) * w  # y_1, made from y_t

derivation = Derivation(
    name="dirac_step",
    title="Dirac's step: Euler's variance and the exact one",
    statement=r"Given $x_0$ (one coordinate, $A_t$ replaced by the number $a_t$; nothing else is used of it): Euler's step has the mean of "
    r"$q(y_s\mid y_t,x_0)=\mathcal N\big(a_sx_0+\frac{\sigma_s^2}{\sigma_t^2}(y_t-a_tx_0),\ \frac{\sigma_s^2}{\sigma_t^2}(\sigma_t^2-\sigma_s^2)\big)$, "
    r"and too large a variance: $y_s$ gets $\sigma_s^2+\frac{(\sigma_t^2-\sigma_s^2)^2}{\sigma_t^2}$ instead of $\sigma_s^2$. Here $s=t-\Delta t$.",
    assumptions=["sigma_s <= sigma_t; the forward process is that of dirac_sde."],
    leans_on=["dirac_sde"],
    steps=[
        *chain(
            euler(y_t, x_0),
            (step(y_t, x_0), "Collect what multiplies y_t: Euler keeps sigma_s^2/sigma_t^2 of the noise."),
        ),
        Equal(
            degraded_step,
            step(y_t, x_0),
            "It needs nothing of the picture but its two degradations, and so it is written for any A_t.",
            using={there: a_s * x_0, here: a_t * x_0},
        ),
        Equal(
            1 / (1 / sigma_s**2 + 1 / fresh),
            exact_variance,
            "The exact step: x_0 says y_s with precision 1/sigma_s^2, y_t with 1/(sigma_t^2 - sigma_s^2).",
        ),
        InLaw(
            (up, up + (a_t - a_s) * x_0 + sqrt(fresh) * z_new),
            (step(down, x_0) + sqrt(exact_variance) * z_new, down),
            "Built upwards and built downwards, the pair (y_s, y_t) has one law: mean and variance are exact.",
        ),
        InLaw(
            (up, above, end),
            (step(above, x_0) + sqrt(exact_variance) * z_new, above, end),
            "Nor does the measurement add anything, once x_0 is known: the triple (y_s, y_t, y_1) has one law, too.",
        ),
        InLaw(
            euler(down, x_0) + sqrt(fresh) * z_new,
            a_s * x_0 + sqrt(sigma_s**2 + excess) * z,
            "Euler's step from a right y_t: the mean is right, the variance is not ...",
        ),
        Unequal(
            (euler(down, x_0) + sqrt(fresh) * z_new,),
            (a_s * x_0 + sigma_s * z,),
            "... so y_s does not have the law of the degradation.",
        ),
        Positive(sigma_s**2 + excess, sigma_s**2, "It is too noisy, always.", by=excess),
        Equal(fresh - exact_variance, excess, "The excess is what Euler draws too much."),
        SameOrder(
            excess,
            h**2 / sigma_s**2,
            "It is of second order in the step: with sigma_t^2 = sigma_s^2 + h ...",
            using={sigma_t: sqrt(sigma_s**2 + h)},
            h=h,
            order=3,
        ),
        InLaw(
            euler(down, x_0) + sqrt(fresh) * z_new,
            a_s * x_0 + sigma_t * z,
            "... but a last step to sigma_s = 0 leaves the whole noise of y_t in the picture.",
            using={sigma_s: 0},
        ),
        InLaw(
            between(down, x_0, eta) + sigma_s * sqrt(eta) * z_new,
            a_s * x_0 + sigma_s * z,
            "Any fresh variance eta sigma_s^2 keeps the marginal, if the old noise is scaled to fit.",
        ),
        Equal(
            between(y_t, x_0, eta),
            step(y_t, x_0),
            "The exact step is the member that draws exact_variance.",
            using={eta: fresh / sigma_t**2},
        ),
    ],
    code=[
        Code(
            "teachdiff.methods.dirac.ancestral_mean",
            degraded_step,
            {"here": "here", "there": "there", "y_t": "y_t", "sigma_s": "sigma_ys", "sigma_t": "sigma_yt"},
        ),
        Code("teachdiff.methods.dirac.exact_variance", exact_variance, {"sigma_s": "sigma_ys", "sigma_t": "sigma_yt"}),
    ],
    source="Dirac, eqs. 7 and 23; Ho et al. 2020, eq. 7, for the exact step of another chain.",
)


relative = (1 - ratio) / ratio * (1 - decay)

whole = Derivation(
    name="dirac_step.chain",
    title="Dirac's Euler chain is one step late",
    statement=r"Given $x_0$, with $\sigma_s^2=r\sigma_t^2$ in every step: after $k$ Euler steps from a right start the variance is "
    r"$\sigma^2\big(1+\frac{1-r}{r}(1-r^k)\big)$, where $\sigma^2$ is the level reached. For $k\to\infty$ that is the level of one step before.",
    assumptions=["A geometric schedule, as the paper's; the mean is exact (dirac_step)."],
    leans_on=["dirac_step"],
    steps=[
        Equal(
            (kept**2 * sigma_t**2 * (1 + late) + fresh) / sigma_s**2 - 1,
            ratio * late + (1 - ratio) ** 2 / ratio,
            "One step takes the variance sigma_t^2 (1 + delta) to sigma_s^2 (1 + r delta + (1 - r)^2/r).",
            using={sigma_s: sigma_t * sqrt(ratio)},
        ),
        Induction(
            ratio * late + (1 - ratio) ** 2 / ratio,
            relative,
            "So from a right start (delta = 0) the excess after k steps has a closed form.",
            previous=late,
            start=0,
            at_zero={decay: 1},
            before={decay: decay / ratio},
        ),
        Equal(
            ratio * sigma_t**2 * (1 + relative),
            sigma_t**2,
            "After many steps (r^k = 0) the variance at s is sigma_t^2: the level that the chain has just left.",
            using={decay: 0},
        ),
        Positive(
            (1 - ratio) / ratio,
            relative,
            "The excess grows to that and never beyond.",
            by=decay * (1 - ratio) / ratio,
        ),
    ],
    source="Dirac, eq. 7 and the geometric schedule of its section 4.",
)


# With the denoiser of Gaussian data in the place of x_0.
slope = kept + (a_s - kept * a_t) * a_t * tau**2 / spread_t
missing = (a_s - kept * a_t) ** 2 * x0_variance

gaussian = Derivation(
    name="dirac_step.gaussian",
    title="Dirac's step with a denoiser in it",
    statement=r"Data $\mathcal N(\mu,\tau^2)$, one coordinate: with $E[x_0\mid y_t]$ in the place of $x_0$ the step needs the variance "
    r"$\frac{\sigma_s^2}{\sigma_t^2}(\sigma_t^2-\sigma_s^2)+\big(a_s-\frac{\sigma_s^2}{\sigma_t^2}a_t\big)^2\mathrm{Var}[x_0\mid y_t]$, "
    r"and then has exactly the law of the pair $(y_s,y_t)$.",
    assumptions=["The exact denoiser of these data."],
    leans_on=["dirac_step", "dirac_sde.posterior"],
    steps=[
        Equal(
            step(y_t, x0_mean(y_t)) - step(a_t * mu, mu),
            slope * (y_t - a_t * mu),
            "The step is affine in y_t.",
        ),
        InLaw(
            (
                a_s * (mu + tau * n_0) + sigma_s * z_prev,
                a_t * (mu + tau * n_0) + sigma_s * z_prev + sqrt(fresh) * z_new,
            ),
            (
                a_s * mu + slope * sqrt(spread_t) * z + sqrt(exact_variance + missing) * z_new,
                a_t * mu + sqrt(spread_t) * z,
            ),
            "What is not known of x_0 must be drawn: the second term of the variance.",
        ),
        Equal(
            fresh - (exact_variance + missing),
            excess - missing,
            "Euler's draw has too much of one and nothing of the other: the two mistakes have opposite signs ...",
        ),
        Unequal(fresh, exact_variance + missing, "... and do not cancel."),
        Equal(
            fresh - (exact_variance + missing),
            -((a_s - a_t) ** 2) * x0_variance,
            "With a constant sigma_t nothing is drawn, and all of the spread is missing.",
            using={sigma_s: sigma_t},
        ),
    ],
    source="Dirac, eqs. 7, 11 and 13 put together.",
)
