r"""Severity, data consistency, and what Dirac keeps of the measurement.

A_t is *more severe* than A_s if A_t = G o A_s for some map G: from the milder picture one can go on without knowing
x_0. Nested masks do it (G is the larger mask), smooth masks (G is their quotient, not the mask), Gaussian blurs (G is
the blur of the difference of variances). Two degraded pictures are *consistent* if one clean picture explains both.

Is that transitive? If y_1 and y_2 share a picture x, and y_2 and y_3 share x', then A_2(x) = y_2 = A_2(x'), and G carries
this on to every severity *above* 2. So it works if the picture in the middle is not the most severe of the three, and fails if
it is: a black mask is consistent with everything.

What does a step of Dirac keep? In the mean over the noise, for one picture: the score *given x_0* and the true increment
give A_s(x_0) exactly. Nobody has them. The perfect score that training finds is that of the marginal, and it pulls to the
mean of all pictures; the increment made of the posterior mean does so too. For data N(mu, tau^2) with both

.. math:: E[y_s \mid x_0] = a_s x_0 - \big(a_s - \tfrac{\sigma_s^2}{\sigma_t^2} a_t\big)(1 - \kappa)(x_0 - \mu), \qquad
          \kappa = \frac{a_t^2\tau^2}{a_t^2\tau^2 + \sigma_t^2},

which is A_s(x_0) for a flat prior or without noise only.
"""

from sympy import Function, Matrix, sqrt

from derivations.checker import Derivation, Entries, Equal, InLaw, Positive, SameOrder, Unequal, product
from derivations.dirac_sde import a_1, a_s, a_t, sigma_1, sigma_s, sigma_t, spread_t, x0_mean, x0_variance
from derivations.dirac_step import excess, fresh, kept, step
from derivations.symbols import declare, get

mu, tau, x_0, h, n_0, z, z_t, z_new = get("mu", "tau", "x_0", "h", "n_0", "z", "z_t", "z_new")
m_t = [declare(f"m_t{i}", rf"m^{{t}}_{{{i}}}", f"entry {i} of a smooth mask", "positive", (f"m_s{i}",)) for i in (1, 2)]
m_s = [declare(f"m_s{i}", rf"m^{{s}}_{{{i}}}", f"entry {i} of a milder one", "positive", (f"m_t{i}",)) for i in (1, 2)]
width_t = declare("width_t", "w_t", "standard deviation of a Gaussian blur", "positive", ("width_s",))
width_s = declare("width_s", "w_s", "that of a milder one", "positive", ("width_t",))
x_a = declare("x_a", "x", "a clean picture", "real", ("x_b",))
x_b = declare("x_b", "x'", "another clean picture", "real", ("x_a",))

A_2, G = Function("A_2", real=True), Function("G", real=True)
narrow, wide = Matrix.diag(1, 0, 1, 1), Matrix.diag(1, 0, 0, 1)  # masks: hide a centre, and more of it

severity = Derivation(
    name="dirac_consistency",
    title="Severity and the transitivity of data consistency",
    statement=r"(1) A nested mask, a smooth mask ($m^t/m^s$) and a Gaussian blur ($w_t\ge w_s$) are functions of the milder one. (2) If "
    r"$A_3=G\circ A_2$ and $A_2(x)=A_2(x')$ then $A_3(x)=A_3(x')$, for any maps: consistency is transitive through a picture that is at most "
    r"as severe as one of the two others. (3) Through a more severe one it is not (a mask that hides what the others show).",
    assumptions=["(1) is written for 4 and 2 pixels; masks are positive where they are divided by."],
    steps=[
        Entries(product(wide, narrow), wide, "Nested masks: hiding more of what is partly hidden already."),
        Entries(
            product(Matrix.diag(m_t[0] / m_s[0], m_t[1] / m_s[1]), Matrix.diag(*m_s)),
            Matrix.diag(*m_t),
            "Smooth masks: the transition is the quotient ...",
        ),
        Unequal(
            (Matrix.diag(*m_t) * Matrix.diag(*m_s))[0, 0],
            m_t[0],
            "... and not the mask itself, which would dim each pixel twice.",
        ),
        InLaw(
            width_s * z + sqrt(width_t**2 - width_s**2) * z_new,
            width_t * z_t,
            "Gaussian blurs: a blur moves light by a normal displacement, and variances add.",
        ),
        Entries(
            product(wide, Matrix([x_0, 0, x_a, 0])),
            product(wide, Matrix([x_0, 0, x_b, 0])),
            "There is no way back: two pictures that look the same under the wide mask ...",
        ),
        Unequal(
            (narrow * Matrix([x_0, 0, x_a, 0]))[2],
            (narrow * Matrix([x_0, 0, x_b, 0]))[2],
            "... differ under the narrow one. Both are consistent with black, and not with each other.",
        ),
        Equal(
            G(A_2(x_b)),
            G(A_2(x_a)),
            "Transitivity: pictures that agree at severity 2 agree at all above it. So x explains all three.",
            using={A_2(x_b): A_2(x_a)},
        ),
    ],
    source="Dirac, definitions 3.1, 3.2, 3.5 and lemma A.7.",
)


kappa = a_t**2 * tau**2 / spread_t
marginal_score = -(x_0 * a_t - a_t * mu) / spread_t  # its mean, given x_0
bias = -(a_s - kept * a_t) * (1 - kappa) * (x_0 - mu)
drawn = a_t * (mu + tau * n_0) + sigma_t * z_t
increment_error = (a_s - a_t) * (x0_mean(drawn) - (mu + tau * n_0))

expectation = Derivation(
    name="dirac_consistency.expectation",
    title="What a step of Dirac keeps of the measurement, in the mean",
    statement=r"Linear $A_t$, one coordinate. With the score given $x_0$ and the true increment $E[y_s\mid x_0]=a_sx_0$, with variance "
    r"$\sigma_s^2+\frac{(\sigma_t^2-\sigma_s^2)^2}{\sigma_t^2}$. For data $\mathcal N(\mu,\tau^2)$: with the marginal score the mean is off by "
    r"$-(\sigma_t^2-\sigma_s^2)\frac{a_t(x_0-\mu)}{V_t}$, with the denoiser in both places by $-(a_s-\frac{\sigma_s^2}{\sigma_t^2}a_t)(1-\kappa)(x_0-\mu)$; "
    r"the increment's mean squared error is $(a_s-a_t)^2\mathrm{Var}[x_0\mid y_t]$.",
    assumptions=["Means over the noise, for one picture x_0. Over all pictures too, x_0 - mu has mean 0 and every bias vanishes."],
    leans_on=["dirac_step", "dirac_step.gaussian"],
    steps=[
        InLaw(
            a_t * x_0 + sigma_t * z_t + (a_s - a_t) * x_0 - fresh * sigma_t * z_t / sigma_t**2 + sqrt(fresh) * z_new,
            a_s * x_0 + sqrt(sigma_s**2 + excess) * z,
            "The proof of theorem 3.6: the score given x_0 is -z_t/sigma_t, the noises are put together. The mean is a_s x_0.",
        ),
        Equal(
            a_t * x_0 + (a_s - a_t) * x_0 + fresh * marginal_score,
            a_s * x_0 - fresh * a_t * (x_0 - mu) / spread_t,
            "The perfect score of training is the marginal's. With it the mean moves towards mu ...",
        ),
        Unequal(
            a_t * x_0 + (a_s - a_t) * x_0 + fresh * marginal_score,
            a_s * x_0,
            "... so for one picture 'perfect score' and 'consistent in the mean' exclude each other.",
        ),
        Equal(
            step(a_t * x_0, x0_mean(a_t * x_0)),
            a_s * x_0 + bias,
            "With the posterior mean for x_0 in both places: shrunk towards mu where the prior is informative.",
        ),
        InLaw(
            increment_error,
            (a_s - a_t) * sqrt(x0_variance) * z,
            "The increment of the posterior mean is not the true one: it misses it by the picture's posterior spread.",
        ),
        SameOrder(
            bias,
            0,
            "For a flat prior (tau = 1/h) the bias is gone: of second order in h ...",
            using={tau: 1 / h},
            h=h,
            order=2,
        ),
        SameOrder(
            bias,
            0,
            "... and so it is for small noise, at a fixed ratio of the levels.",
            using={sigma_t: h, sigma_s: h / 2},
            h=h,
            order=2,
        ),
    ],
    source="Dirac, theorem 3.6 and its proof, eqs. 15, 22 and 23.",
)


spread_1 = a_1**2 * tau**2 + sigma_1**2
measured = a_1 * (mu + tau * n_0) + sigma_1 * z
estimate = mu + a_1 * tau**2 / spread_1 * (measured - a_1 * mu)  # E[x_0 | y_1]
uncertainty = tau * sigma_1 / sqrt(spread_1)

floor = Derivation(
    name="dirac_consistency.floor",
    title="The noise floor: what a consistent estimate leaves of the measurement",
    statement=r"Data $\mathcal N(\mu,\tau^2)$, linear $A_1$, one coordinate: the residual $\tilde y-A_1x$ has the variance $\sigma_1^2$ for the true "
    r"picture and for a draw from the posterior, and $\sigma_1^2\cdot\frac{\sigma_1^2}{a_1^2\tau^2+\sigma_1^2}$, less, for the posterior mean.",
    assumptions=["Means over pictures and noise."],
    leans_on=["dirac_sde.posterior"],
    steps=[
        InLaw(
            measured - a_1 * (estimate + uncertainty * z_new),
            measured - a_1 * (mu + tau * n_0),
            "A draw from the posterior leaves as much as the true picture: the noise floor.",
        ),
        InLaw(
            measured - a_1 * estimate,
            sigma_1**2 / sqrt(spread_1) * z,
            "The posterior mean leaves less: it has fitted part of the noise.",
        ),
        Positive(
            sigma_1**2,
            sigma_1**4 / spread_1,
            "So a residual at the noise floor is not what an estimate of the mean should have.",
            by=sigma_1**2 * a_1**2 * tau**2 / spread_1,
        ),
        InLaw(
            (mu + tau * n_0) - estimate,
            uncertainty * z,
            "Its error is the posterior's spread: by the square no function of the measurement is better ...",
        ),
        InLaw(
            (mu + tau * n_0) - (estimate + uncertainty * z_new),
            sqrt(2) * uncertainty * z,
            "... and a draw costs twice as much, 3 dB: the first evaluation has the best PSNR, a sampler's end has not.",
        ),
    ],
    source="Dirac, sections 3.8 and 4 (data consistency, figure 4); Blau and Michaeli 2018.",
)
