r"""What Dirac's network learns, and what its loss leaves open.

The score of y_t given the picture is known, (A_t(x_0) - y_t)/sigma_t^2; that of y_t alone is not. Train on the first:
at one y_t, and for *any* law of A_t(x_0) given it,

.. math:: E\Big[\Big(s - \frac{A_t(x_0) - y_t}{\sigma_t^2}\Big)^2 \Big|\, y_t\Big]
          = \big(s - \nabla\log q_t(y_t)\big)^2 + \frac{1}{\sigma_t^4}\mathrm{Var}[A_t(x_0) \mid y_t],

and the last term does not hold s. So the best s is the score of the marginal (Vincent's theorem). The constant is not
small print: it is of the order 1/sigma_t^2 and has no bound as sigma_t goes to 0.

Dirac writes s with a picture, s = (A_t(Phi) - y_t)/sigma_t^2, so the best picture has

.. math:: A_t(\Phi(y_t)) = E[A_t(x_0) \mid y_t].

For a linear A_t the posterior mean does that. It is not alone: whatever A_t does not see may be added to Phi, at no
cost in this loss, and comes back at the next, milder degradation. For a non-linear A_t the posterior mean does not
do it, and there may be no Phi that does: the points (x, x^2) are a curve, and a mean of points on it lies inside.
"""

from sympy import Derivative, Matrix, diff, sqrt

from derivations.checker import Derivation, Entries, Equal, Integrals, Positive, Unequal, product
from derivations.dirac_sde import a_s, a_t, sigma_t, x0_variance, y_t
from derivations.symbols import declare, get
from derivations.tweedie import covariance, expect, score, u, x

tau, s_theta, h = get("tau", "s_theta", "h")
A_x0 = declare("A_x0", "A_t(x_0)", "the degraded picture, any degradation", "real", ("A_phi",))
A_phi = declare("A_phi", r"A_t(\Phi)", "the degraded prediction", "real", ("A_x0",))
weight = declare("weight", "w", "the weight of a loss", "positive", ("sigma_yt",))
unseen = declare("unseen", "c", "what is added to a prediction where A_t is 0", "positive", ("a_s",))
phi = Matrix([declare(f"phi{i}", rf"\Phi_{{({i})}}", f"pixel {i} of a prediction", "real") for i in (1, 2)])

conditional = (A_x0 - y_t) / sigma_t**2
constant = covariance(u, u, 1, sigma_t) / sigma_t**4

derivation = Derivation(
    name="dirac_score",
    title="Denoising score matching for a degraded picture",
    statement=r"For any degradation and any prior (one pixel): $\nabla\log q_t(y_t)=\frac{E[A_t(x_0)\mid y_t]-y_t}{\sigma_t^2}$, and at each $y_t$ "
    r"the denoising loss is the explicit one plus $\sigma_t^{-4}\mathrm{Var}[A_t(x_0)\mid y_t]$, whatever the network. With "
    r"$s_\theta=\frac{A_t(\Phi)-y_t}{\sigma_t^2}$ it is $\sigma_t^{-4}E[(A_t(\Phi)-A_t(x_0))^2\mid y_t]$, least at $A_t(\Phi)=E[A_t(x_0)\mid y_t]$.",
    assumptions=[
        "sigma_t > 0; A_t(x_0) has a density with finite moments. The loss is the mean of these over y_t and t, "
        "times a weight; pixels add up."
    ],
    leans_on=["tweedie", "dirac_sde"],
    steps=[
        Equal(
            Derivative(-((y_t - A_x0) ** 2) / (2 * sigma_t**2), y_t),
            conditional,
            "The score of N(A_t(x_0), sigma_t^2).",
        ),
        Integrals(
            score(1, sigma_t),
            expect((u - x) / sigma_t**2, 1, sigma_t),
            "The marginal's score is the mean of the conditional scores (u stands for A_t(x_0)).",
        ),
        Integrals(
            expect((s_theta - (u - x) / sigma_t**2) ** 2, 1, sigma_t),
            (s_theta - score(1, sigma_t)) ** 2 + constant,
            "Mean square about any s: the square of the distance to the mean, and the variance.",
        ),
        Equal(
            weight * ((A_phi - y_t) / sigma_t**2 - conditional) ** 2,
            weight / sigma_t**4 * (A_phi - A_x0) ** 2,
            "Written with a picture, y_t drops out: the weight becomes w/sigma_t^4.",
        ),
        Integrals(
            expect((A_phi - u) ** 2, 1, sigma_t),
            (A_phi - expect(u, 1, sigma_t)) ** 2 + covariance(u, u, 1, sigma_t),
            "Least where A_t(Phi) is the mean of A_t(x_0) given y_t; the rest cannot be learned away.",
        ),
        Positive(
            a_t**2 * x0_variance / sigma_t**4,
            1 / (2 * sigma_t**2),
            "For data N(mu, tau^2) and linear A_t the constant is more than 1/(2 sigma_t^2) once a_t tau > sigma_t: no bound as sigma_t -> 0.",
            by=h / (2 * sigma_t**2 * (a_t**2 * tau**2 + sigma_t**2)),
            using={tau: sqrt(sigma_t**2 + h) / a_t},
        ),
    ],
    source="Vincent 2011; Dirac, eqs. 9 to 12, 18, 19 and theorem A.1.",
)


mask, milder = Matrix.diag(1, 0), Matrix.diag(1, a_s)
hidden = Matrix([0, unseen])

open_questions = Derivation(
    name="dirac_score.open",
    title="What Dirac's denoising loss leaves open",
    statement=r"For linear $A_t$, $\Phi=E[x_0\mid y_t]$ reaches the optimum $A_t(\Phi)=E[A_t(x_0)\mid y_t]$; so does $\Phi+n$ with $A_tn=0$ "
    r"(two pixels, a mask), which changes the incremental reconstruction by $A_{t-\Delta t}n$. For $A(x)=x^2$ the posterior mean misses the "
    r"optimum by $\mathrm{Var}[x_0\mid y_t]$; for $A(x)=(x,x^2)$ no picture reaches it.",
    assumptions=["In the last part y_t is any observation with Gaussian noise of x_0: only a posterior with a spread is needed."],
    leans_on=["dirac_score"],
    steps=[
        Integrals(
            expect(a_t * u, 1, sigma_t),
            a_t * expect(u, 1, sigma_t),
            "A linear A_t and a mean change places: the posterior mean is one optimum.",
        ),
        Entries(
            product(mask, phi + hidden),
            mask * phi,
            "What the mask hides may be added without any change of the loss ...",
        ),
        Entries(
            (milder * (phi + hidden) - mask * (phi + hidden)) - (milder * phi - mask * phi),
            Matrix([0, a_s * unseen]),
            "... and it is what the milder degradation shows: the look-ahead moves by a_s c.",
        ),
        Unequal(
            (milder * (phi + hidden))[1],
            (milder * phi)[1],
            "So the loss with Delta t = 0 does not determine the incremental reconstruction.",
        ),
        Integrals(
            expect(u**2, 1, sigma_t),
            expect(u, 1, sigma_t) ** 2 + sigma_t**2 * diff(expect(u, 1, sigma_t), x),
            "A non-linear A, the square: E[A(x_0)|y] is A(E[x_0|y]) and the variance on top (Tweedie's second formula) ...",
        ),
        Unequal(
            expect(u**2, 1, sigma_t),
            expect(u, 1, sigma_t) ** 2,
            "... so the posterior mean does not give the score; and for A(x) = (x, x^2), whose second entry is the square of the first, "
            "no Phi does.",
        ),
    ],
    source="Dirac, eqs. 11 to 13.",
)
