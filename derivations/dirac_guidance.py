r"""Guidance in Dirac: which likelihood, with which noise, and what it is for.

Bayes' rule splits the score of q_t(y_t | y_1) for any joint law of y_t and y_1. Which law is it? Given x_0 there are two
readings of the measurement's noise, and the guidance term has another right value in each:

    a second photograph       y = A_1(x_0) + fresh noise:      y | y_t   mean a_1 E[x_0|y_t],                  variance sigma_1^2 + a_1^2 v
    the end of the process    y_1 = y_t + (A_1 - A_t)(x_0) + ...: y_1 | y_t   mean y_t + (a_1 - a_t) E[x_0|y_t],  variance sigma_1^2 - sigma_t^2 + (a_1 - a_t)^2 v

with v = Var[x_0 | y_t]. Dirac's term, the gradient of -|y_1 - A_1(Phi)|^2 / (2 sigma_1^2), is the first without v: it
pulls too hard by the factor 1 + a_1^2 v/sigma_1^2, the Jensen gap of DPS. Of the second, which is the one of the SDE that the
method starts from, it is no approximation at t = 1: there y_1 is y_t, and the measurement says nothing new.

Nor is the score of q_t(y_t | y_1) what the reverse process needs in the second reading. Given its own end the
forward process is a bridge with another drift. Turned round, bridge and score give together the *mean of the conditional
score*, E[(A_t(x_0) - y_t)/sigma_t^2 | y_t, y_1]: Bayes' correction belongs into the prediction of x_0, nowhere else.
"""

from sympy import Derivative, Function, diff, log, sqrt

from derivations.checker import Derivation, Equal, InLaw, SameOrder, Unequal
from derivations.dirac_sde import a_1, a_t, sigma_1, sigma_t, spread_t, x0_mean, x0_variance, y_1, y_t
from derivations.symbols import get

mu, tau, eta, x_0, n_0, w, z, z_t, z_new, zeta = get("mu", "tau", "eta", "x_0", "n_0", "w", "z", "z_t", "z_new", "zeta")
h = get("h")

slope = a_t * tau**2 / spread_t  # of E[x_0 | y_t] in y_t
printed = a_1 * slope * (y_1 - a_1 * x0_mean(y_t)) / sigma_1**2
photograph = a_1 * slope * (y_1 - a_1 * x0_mean(y_t)) / (sigma_1**2 + a_1**2 * x0_variance)
end_mean = y_t + (a_1 - a_t) * x0_mean(y_t)
end_variance = sigma_1**2 - sigma_t**2 + (a_1 - a_t) ** 2 * x0_variance
end = (1 + (a_1 - a_t) * slope) * (y_1 - end_mean) / end_variance

picture = mu + tau * n_0
now = a_t * picture + sigma_t * z_t
seen = a_t * mu + sqrt(spread_t) * z  # y_t in law, when the picture is not looked at

j = Function("j", positive=True)(y_t, y_1)  # any joint density of y_t and y_1
q_t, q_1 = Function("q_t", positive=True)(y_t), Function("q_1", positive=True)(y_1)
squared = Function("Q", positive=True)(y_t)  # |y_1 - A_1(Phi(y_t))|^2

# Given x_0: the two pieces of the density of y_t given x_0 and y_1.
conditional = (a_t * x_0 - y_t) / sigma_t**2
bridge = (y_1 - y_t - (a_1 - a_t) * x_0) / (sigma_1**2 - sigma_t**2)
bridge_misfit = (y_t - a_t * x_0) ** 2 / sigma_t**2 + (y_1 - y_t - (a_1 - a_t) * x_0) ** 2 / (sigma_1**2 - sigma_t**2)
speed, growth = get("u"), get("growth")

derivation = Derivation(
    name="dirac_guidance",
    title="Guidance by the measurement: two readings, two likelihoods",
    statement=r"Bayes for any joint law of $y_t,\tilde y$. For data $\mathcal N(\mu,\tau^2)$, linear $A_t$, one coordinate, $v=\mathrm{Var}[x_0\mid y_t]$: with fresh "
    r"noise $\tilde y\mid y_t\sim\mathcal N(a_1E[x_0\mid y_t],\sigma_1^2+a_1^2v)$; with the process' own noise "
    r"$\mathcal N(y_t+(a_1-a_t)E[x_0\mid y_t],\ \sigma_1^2-\sigma_t^2+(a_1-a_t)^2v)$. Dirac's term is the score of the first without $v$, too "
    r"large by $1+\frac{a_1^2v}{\sigma_1^2}$.",
    assumptions=["The exact denoiser of these data; sigma_t <= sigma_1."],
    leans_on=["bayes_score", "dps", "dirac_sde.posterior"],
    steps=[
        Equal(
            diff(log(j / q_1), y_t),
            diff(log(q_t), y_t) + diff(log(j / q_t), y_t),
            "Bayes, differentiated in y_t: q_1 does not depend on it.",
        ),
        InLaw(
            (a_1 * picture + sigma_1 * w, now),
            (a_1 * x0_mean(seen) + sqrt(sigma_1**2 + a_1**2 * x0_variance) * z_new, seen),
            "A second photograph: its own noise, and what is not known of the picture.",
        ),
        Equal(
            Derivative(-((y_1 - a_1 * x0_mean(y_t)) ** 2) / (2 * sigma_1**2), y_t),
            printed,
            "Dirac's term, through the denoiser: it points from A_1(Phi) to the measurement.",
        ),
        SameOrder(
            (y_1 - a_1 * x0_mean(y_t + h * printed)) ** 2 - (y_1 - a_1 * x0_mean(y_t)) ** 2,
            -2 * h * sigma_1**2 * printed**2,
            "Added to y_t, a little of it lowers the misfit ...",
            h=h,
            order=2,
        ),
        SameOrder(
            (y_1 - a_1 * x0_mean(y_t - h * printed)) ** 2 - (y_1 - a_1 * x0_mean(y_t)) ** 2,
            2 * h * sigma_1**2 * printed**2,
            "... and with the other sign, as in the released program, it raises it.",
            h=h,
            order=2,
        ),
        Equal(
            Derivative(-((y_1 - a_1 * x0_mean(y_t)) ** 2) / (2 * (sigma_1**2 + a_1**2 * x0_variance)), y_t),
            photograph,
            "The exact one of this reading.",
        ),
        Equal(
            printed,
            (1 + a_1**2 * x0_variance / sigma_1**2) * photograph,
            "The printed term is too large by the uncertainty of the picture.",
        ),
        InLaw(
            (now + (a_1 - a_t) * picture + sqrt(sigma_1**2 - sigma_t**2) * w, now),
            (end_mean.subs(y_t, seen) + sqrt(end_variance) * z_new, seen),
            "The end of the process: y_t's noise is in it, and only the degradation still to come is uncertain.",
        ),
        Equal(
            Derivative(-((y_1 - end_mean) ** 2) / (2 * end_variance), y_t),
            end,
            "The exact term of this reading is another one: y_t itself stands in the mean.",
        ),
        Unequal(printed, end, "Dirac's term is not it ..."),
        Equal(
            end_variance,
            0,
            "... and at t = 1 there is none: y_1 is y_t, its variance is 0. Guidance there counts the measurement twice.",
            using={a_1: a_t, sigma_1: sigma_t},
        ),
        Equal(
            zeta / sqrt(squared) * Derivative(squared, y_t),
            2 * zeta * Derivative(sqrt(squared), y_t),
            "Scaled by the error: a gradient of the norm. It does not grow with the misfit, and its length is not normalised.",
        ),
    ],
    source="Dirac, eqs. 16, 17, 25, 26; dps for the Jensen gap.",
)


conditioned = Derivation(
    name="dirac_guidance.bridge",
    title="The reverse process, given its own end",
    statement=r"Given $x_0$ and $\tilde y=y_1$ (one coordinate) the forward process has the extra drift $\dot v\,\frac{\tilde y-y_t-(a_1-a_t)x_0}{\sigma_1^2-\sigma_t^2}$ and "
    r"$\nabla\log q_t(y_t\mid x_0,\tilde y)$ has the same term without $\dot v$. In the reverse drift they cancel: there stands "
    r"$\frac{a_tx_0-y_t}{\sigma_t^2}$ and no measurement. So what is missing without $x_0$ is its mean given $y_t$ and $\tilde y$.",
    assumptions=["The noise of y_t is part of that of y_1. growth is d sigma_t^2/dt."],
    leans_on=["dirac_guidance"],
    steps=[
        Equal(
            Derivative(-bridge_misfit / 2, y_t),
            conditional + bridge,
            "The score of y_t given x_0 and y_1: a pull back to the picture, and a pull to the end.",
        ),
        InLaw(
            (now.subs(n_0, 0), now.subs(n_0, 0) + (a_1 - a_t) * mu + sqrt(sigma_1**2 - sigma_t**2) * w),
            (
                a_t * mu
                + sigma_t**2 / sigma_1**2 * sigma_1 * z
                + sqrt(sigma_t**2 * (sigma_1**2 - sigma_t**2)) / sigma_1 * z_new,
                a_1 * mu + sigma_1 * z,
            ),
            "The law it is the score of: y_t given the end, for one picture (here mu).",
        ),
        Equal(
            -(speed + growth * bridge) + growth * Derivative(-bridge_misfit / 2, y_t),
            -speed + growth * conditional,
            "Turn the bridge round: the pull to the end is in its drift and in its score, with opposite signs.",
        ),
        Unequal(
            -speed + growth * Derivative(-bridge_misfit / 2, y_t),
            -speed + growth * conditional,
            "With the drift of the process and the score given the end, as in guidance, it would be counted once too often.",
        ),
    ],
    source="Doob's transform; Dirac, section 3.7.",
)
