r"""Dirac: the degradation itself as a diffusion, and which score belongs into its reverse.

A picture is degraded and noised little by little,

.. math:: y_t = A_t(x_0) + \sigma_t z_t, \qquad z_t \sim \mathcal N(0, I), \quad 0 \le t \le 1,

with A_0 = Id, and the measurement is y_1. For *one fixed picture* x_0 this is the law of

.. math:: dy_t = \dot A_t(x_0)\, dt + \sqrt{d\sigma_t^2/dt}\; dw, \qquad y_0 = x_0 + \sigma_0 z_0,

and Anderson's theorem turns it round. Two answers are right, and they must not be mixed:

    x_0 known      drift A'_t(x_0),         score of q_t(y_t | x_0), which is (A_t(x_0) - y_t)/sigma_t^2
    x_0 unknown    drift E[A'_t(x_0) | y_t],  score of the marginal q_t(y_t)

The second row is the only one that a network can run: from y_t alone it learns means given y_t. For a
linear A_t that drift is A'_t(E[x_0 | y_t]), the derivative of A at the denoiser's output; for a non-linear one it is
not.

And a warning. The second row has the right law of y_t at each t, over all measurements together. It does not have
the right law of y_0 *given y_1*: what is left of y_1 in the process that forgets x_0 is another thing than what y_1
says of x_0. With a constant sigma_t nothing is random at all: the sampler is a fixed map of the measurement, although
the posterior has a spread. To sample the posterior, both predictions must be made from y_t *and* y_1.
"""

from sympy import Derivative, Function, Integral, diff, exp, log, oo, sqrt

from derivations.checker import Derivation, Equal, InLaw, Integrals, Unequal
from derivations.forward_sde import fokker_planck, log_fokker_planck, time
from derivations.symbols import declare, get
from derivations.tweedie import p, u, u_2, x

mu, tau, x_0, n_0, z, z_t, z_prev, z_new, w, h = get("mu", "tau", "x_0", "n_0", "z", "z_t", "z_prev", "z_new", "w", "h")

# One coordinate of a linear A_t, in the basis in which all A_t are diagonal (Fourier for a blur, pixels for a mask).
a_t = declare("a_t", "a_t", "A_t in one coordinate", "positive", ("a_s",))
a_s = declare("a_s", r"a_{t-\Delta t}", "A_{t - Delta t} in one coordinate", "positive", ("a_t",))
a_1 = declare("a_1", "a_1", "A_1 in one coordinate", "positive", ("a_t",))
sigma_t = declare("sigma_yt", r"\sigma_t", "standard deviation of the noise in y_t", "positive", ("sigma_ys",))
sigma_s = declare("sigma_ys", r"\sigma_{t-\Delta t}", "that of the noise in y_{t - Delta t}", "positive", ("sigma_yt",))
sigma_1 = declare("sigma_y1", r"\sigma_1", "that of the noise in the measurement y_1", "positive", ("sigma_yt",))
y_t = declare("y_t", "y_t", "the picture degraded and noised up to t", "real", ("x_0",))
y_1 = declare("y_1", r"\tilde y", "the measurement, which is y_1", "real", ("y_t",))
growth = declare("growth", r"\dot{v}", "d sigma_t^2 / dt", "positive")
level = declare("level_y", r"\sigma_t", "the noise in y_t, beside an arbitrary law of A_t(x_0)", "positive", ("growth",))
constant = declare("constant", "C", "a constant of integration", "real", ("mu",))

# The path of one fixed picture, any smooth one: A need not be linear.
path = Function("A", real=True)(time)
v = Function("v", positive=True)(time)  # sigma_t^2
rate, d_v = diff(path, time), diff(v, time)
log_density = -((x - path) ** 2) / (2 * v) - log(v) / 2  # of y_t given x_0
given_x0 = diff(log_density, x)

# A linear A_t on data N(mu, tau^2).
a = Function("a", positive=True)(time)
spread = a**2 * tau**2 + v
marginal_score = -(x - a * mu) / spread
denoised = mu + a * tau**2 / spread * (x - a * mu)  # E[x_0 | y_t]
linear = {path: a * x_0}
drawn = {x_0: mu + tau * n_0, x: a * (mu + tau * n_0) + sqrt(v) * z}  # a picture, and y_t made of it


def degraded(h):
    """The density of y a time h after t: u = A_t(x_0) and its rate u' have any joint law."""
    variance = level**2 + h * growth
    kernel = exp(-((x - u - h * u_2) ** 2) / (2 * variance)) / sqrt(variance)
    return Integral(kernel * p(u, u_2), (u, -oo, oo), (u_2, -oo, oo))


def mean(g):
    """E[g | y_t] for a function of A_t(x_0) and its rate."""
    kernel = exp(-((x - u) ** 2) / (2 * level**2))
    return Integral(g * kernel * p(u, u_2), (u, -oo, oo), (u_2, -oo, oo)) / Integral(
        kernel * p(u, u_2), (u, -oo, oo), (u_2, -oo, oo)
    )


derivation = Derivation(
    name="dirac_sde",
    title="Dirac's forward SDE and its reverse, for a known picture",
    statement=r"For one fixed $x_0$ and any smooth degradation (one pixel; $A_t$ may be non-linear), "
    r"$dy_t=\dot A_t(x_0)dt+\sqrt{d\sigma_t^2/dt}\,dw$ has the marginals $\mathcal N(A_t(x_0),\sigma_t^2)$. It is turned round by the score "
    r"$\frac{A_t(x_0)-y_t}{\sigma_t^2}$ of $q_t(y_t\mid x_0)$. With the marginal score of $q_t(y_t)$ and a known $x_0$ it is not "
    r"(data $\mathcal N(\mu,\tau^2)$, linear $A_t$).",
    assumptions=["sigma_t grows; y_0 = x_0 + sigma_0 z; densities are determined by their Fokker-Planck equation."],
    leans_on=["forward_sde"],
    steps=[
        InLaw(
            a_s * x_0 + sigma_s * z_prev + (a_t - a_s) * x_0 + sqrt(sigma_t**2 - sigma_s**2) * z_new,
            a_t * x_0 + sigma_t * z_t,
            "A forward step: degrade a little more, and add the variance that is missing.",
        ),
        Equal(
            Derivative(log_density, time),
            log_fokker_planck(rate, d_v, log_density),
            "N(A_t(x_0), sigma_t^2) solves the equation of the drift A'_t(x_0) and the noise d sigma_t^2/dt.",
        ),
        Equal(given_x0, (path - x) / v, "The score of y_t given x_0 points from y_t to the degraded picture."),
        Equal(
            log_fokker_planck(-rate + d_v * given_x0, d_v, log_density),
            -Derivative(log_density, time),
            "Backwards in time, with that score: the density runs the same way back.",
        ),
        Unequal(
            log_fokker_planck(-rate + d_v * marginal_score, d_v, log_density),
            -Derivative(log_density, time),
            "With the marginal score in its place it does not: one picture's y_t are pulled to the mean of all pictures.",
            using=linear,
        ),
        Equal(
            tau * Derivative((-diff(a, time) * x_0 + d_v * (a * x_0 - x) / v).subs(drawn, simultaneous=True), n_0),
            -diff(a * tau**2, time),
            "The covariance of x_0 and y_t is a_t tau^2. With the score given x_0 it runs back along that curve ...",
        ),
        Equal(
            tau * Derivative((-diff(a, time) * x_0 + d_v * marginal_score).subs(drawn, simultaneous=True), n_0),
            -diff(a * tau**2, time) - d_v * a * tau**2 / spread,
            "... and with the marginal score it falls behind by the last term: y_t forgets which picture it was.",
        ),
    ],
    source="Anderson 1982; Fabian, Tinaz, Soltanolkotabi, 'DiracDiffusion', eqs. 5 and 6.",
)


marginal = Derivation(
    name="dirac_sde.marginal",
    title="Dirac's reverse SDE for an unknown picture",
    statement=r"For any joint law of $A_t(x_0)$ and its rate $\dot A_t(x_0)$ (one pixel, any degradation): $q_t(y_t)$ moves as under "
    r"the drift $E[\dot A_t(x_0)\mid y_t]$, and backwards with $E[\dot A_t(x_0)\mid y_t]-\frac{d\sigma_t^2}{dt}\nabla\log q_t(y_t)$. "
    r"For linear $A_t$ the drift is $\dot A_t(E[x_0\mid y_t])$; for a non-linear one it is not.",
    assumptions=["Densities are positive and smooth; derivatives go under the integral sign."],
    leans_on=["dirac_sde", "tweedie"],
    steps=[
        Integrals(
            diff(degraded(h), h),
            fokker_planck(mean(u_2), growth, degraded(h)),
            "Differentiate under the integral sign: each picture's rate is weighed with its probability given y_t.",
            using={h: 0},
        ),
        Integrals(
            fokker_planck(-mean(u_2) + growth * diff(log(degraded(h)), x), growth, degraded(h)),
            -diff(degraded(h), h),
            "Backwards: the mean rate, and the score of the marginal.",
            using={h: 0},
        ),
        Integrals(
            diff(log(degraded(h)), x),
            (mean(u) - x) / level**2,
            "That score needs E[A_t(x_0) | y_t], a prediction that a network can learn.",
            using={h: 0},
        ),
        Integrals(
            mean(a_t * u),
            a_t * mean(u),
            "If the rate is a linear function of x_0 (here u), its mean is the rate at the mean: E[A'(x_0)|y] = A'(E[x_0|y]) ...",
        ),
        Unequal(mean(u**2), mean(u) ** 2, "... and if it is, say, the square, it is not."),
        Equal(
            log_fokker_planck(-diff(a, time) * denoised + d_v * marginal_score, d_v, -((x - a * mu) ** 2) / (2 * spread) - log(spread) / 2),
            -Derivative(-((x - a * mu) ** 2) / (2 * spread) - log(spread) / 2, time),
            "Data N(mu, tau^2), linear A_t, the exact denoiser in both places: the marginals run back exactly.",
        ),
    ],
    source="Gyongy, 'Mimicking the one-dimensional marginal distributions', 1986; Dirac, eq. 6.",
)


# Two severities t < 1, and what y_t and y_1 say together of x_0.
precision = 1 / tau**2 + a_t**2 / sigma_t**2 + (a_1 - a_t) ** 2 / (sigma_1**2 - sigma_t**2)
both = (
    mu / tau**2 + a_t * y_t / sigma_t**2 + (a_1 - a_t) * (y_1 - y_t) / (sigma_1**2 - sigma_t**2)
) / precision  # E[x_0 | y_t, y_1]
spread_t = a_t**2 * tau**2 + sigma_t**2
x0_variance = tau**2 * sigma_t**2 / spread_t  # Var[x_0 | y_t]


def x0_mean(y_t):
    """E[x_0 | y_t]."""
    return mu + a_t * tau**2 / spread_t * (y_t - a_t * mu)


misfit = (x_0 - mu) ** 2 / tau**2 + (y_t - a_t * x_0) ** 2 / sigma_t**2 + (y_1 - y_t - (a_1 - a_t) * x_0) ** 2 / (
    sigma_1**2 - sigma_t**2
)
flow = a * mu + sqrt(spread) * constant  # with sigma_t constant

picture = mu + tau * n_0
now = a_t * picture + sigma_t * z_t
end = now + (a_1 - a_t) * picture + sqrt(sigma_1**2 - sigma_t**2) * w

posterior = Derivation(
    name="dirac_sde.posterior",
    title="What Dirac's reverse SDE does not sample",
    statement=r"Data $\mathcal N(\mu,\tau^2)$, linear $A_t$, one coordinate, noise as in the SDE. With constant $\sigma_t$ the exact reverse SDE is "
    r"the map $\tilde y\mapsto a_0\mu+\sqrt{V_0/V_1}\,(\tilde y-a_1\mu)$, $V_t=a_t^2\tau^2+\sigma^2$: right over all $\tilde y$, without the "
    r"spread $\frac{\tau^2\sigma^2}{V_1}$ that $x_0$ has given one $\tilde y$. In general $E[x_0\mid y_t,\tilde y]\ne E[x_0\mid y_t]$ unless $A$ stands still.",
    assumptions=["The noise of y_t is part of the noise of y_1, as in the SDE.", "V_0, V_1: the variances at the two ends."],
    leans_on=["dirac_sde.marginal"],
    steps=[
        Equal(
            diff(flow, time),
            diff(a, time) * denoised,
            "sigma_t constant: no noise is drawn, and y = a mu + sqrt(V) C solves the flow, with C fixed by the measurement.",
            using={x: flow, diff(v, time): 0},
        ),
        InLaw(
            a_s * mu + sqrt((a_s**2 * tau**2 + sigma_t**2) / spread_t) * (a_t * (mu + tau * n_0) + sigma_t * z_t - a_t * mu),
            a_s * (mu + tau * n_0) + sigma_t * z,
            "Over all measurements the map's output has the right law ...",
        ),
        Unequal(
            (a_s * mu + sqrt((a_s**2 * tau**2 + sigma_t**2) / spread_t) * (a_t * tau * n_0 + sigma_t * z_t), a_t * tau * n_0 + sigma_t * z_t),
            (a_s * (mu + tau * n_0) + sigma_t * z_t, a_t * tau * n_0 + sigma_t * z_t),
            "... but together with the measurement it has not: the pair (output, measurement) is another one.",
        ),
        InLaw(
            (mu + tau * n_0, a_t * (mu + tau * n_0) + sigma_t * z_t),
            (
                x0_mean(a_t * mu + sqrt(spread_t) * z) + sqrt(x0_variance) * z_new,
                a_t * mu + sqrt(spread_t) * z,
            ),
            "Given y_t the picture has a spread: a sampler of the posterior has to draw something.",
        ),
        Equal(
            Derivative(misfit, x_0),
            0,
            "What y_t and y_1 say together: the noise of y_1 - y_t is fresh, so three independent precisions add.",
            using={x_0: both},
        ),
        InLaw(
            (picture, now, end),
            (both.subs({y_t: now, y_1: end}, simultaneous=True) + z_new / sqrt(precision), now, end),
            "So this is the posterior of the picture given both: with it in the place of x_0 a step is right given the measurement (dirac_step).",
        ),
        Unequal(both, x0_mean(y_t), "y_1 says more than y_t: how the degradation went on depends on x_0 ..."),
        Equal(both, x0_mean(y_t), "... unless it stands still, as in ordinary diffusion.", using={a_1: a_t}),
        Equal(
            precision - 1 / x0_variance,
            (a_1 - a_t) ** 2 / (sigma_1**2 - sigma_t**2),
            "The precision that y_1 adds: that of the later degradation. Dirac's predictions leave it unused.",
        ),
    ],
    source="Dirac, sections 3.3 and 3.7.",
)
