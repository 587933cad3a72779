r"""DPS: the likelihood at the denoised image, and what its step size means.

DPS replaces the mean likelihood over all clean images by the likelihood at their mean:

.. math:: \nabla_{x_t} \log p_t(y \mid x_t) \approx \nabla_{x_t} \log p(y \mid \hat x_0(x_t))
          = \frac{1}{\sigma^2}\, J^\top A^\top (y - A \hat x_0), \qquad J = \partial \hat x_0/\partial x_t .

The gradient goes *through* the denoiser: that is the factor J. What is lost is the uncertainty of x_0
given x_t (the Jensen gap). For the Gaussian prior N(mu, tau^2), where x_0 given x_t has a variance v,
the exact term divides by sigma^2 + s^2 v, and DPS by sigma^2: it pulls too hard, by the factor
1 + s^2 v / sigma^2, most of all at high noise and small sigma.

So nobody uses it with its own weight. The paper writes a squared norm with zeta' / |residual|; the
program takes the gradient of the norm itself, with zeta. Since grad |r|^2 = 2 |r| grad |r|, the two
agree if zeta = 2 zeta'. Dividing by the norm of the *gradient* is another method: its step has
length zeta always, where DPS's has zeta |J^T A^T r| / |r|: short at high noise, where the denoiser
hardly responds to x_t, and in directions that the measurement hardly sees.
"""

from sympy import Derivative, Function, Matrix, diff, sqrt

from derivations.checker import Derivation, Entries, Equal, InLaw, Integrals, Positive, Unequal
from derivations.likelihood_score import gradient
from derivations.symbols import declare, get
from derivations.tweedie import covariance, expect, u, x

alpha_bar, sigma, s, tau, mu, zeta = get("alpha_bar", "sigma", "s", "tau", "mu", "zeta")
y, z, w, n_0, z_new, x_t, z_t = get("y", "z", "w", "n_0", "z_new", "x_t", "z_t")

# Two pixels, two measurements, a general matrix and a general denoiser.
pixels = Matrix([get("x1"), get("x2")])
data = Matrix([get("y1"), get("y2")])
A = Matrix(2, 2, lambda i, j: get(f"A{i + 1}{j + 1}"))
x0_hat = Matrix([Function(f"d{i}", real=True)(*pixels) for i in (1, 2)])
J = Matrix(2, 2, lambda i, j: Derivative(x0_hat[i], pixels[j]))
r = data - A * x0_hat
squared = (r.T * r)[0]
Q = Function("Q", positive=True)(*pixels)  # any squared misfit |r|^2, away from 0

# The Gaussian prior, where everything is known: x_0 given x_t has mean m and variance v.
spread = alpha_bar * tau**2 + 1 - alpha_bar
v = tau**2 * (1 - alpha_bar) / spread
slope = sqrt(alpha_bar) * tau**2 / spread


def m(x):
    return mu + slope * (x - sqrt(alpha_bar) * mu)


level_t = sqrt(alpha_bar) * (mu + tau * n_0) + sqrt(1 - alpha_bar) * z_t
exact = slope * s * (y - s * m(x_t)) / (sigma**2 + s**2 * v)
dps = slope * s * (y - s * m(x_t)) / sigma**2

g1 = declare("g1", "g_{(1)}", "an entry of a gradient", "positive", ("g2",))
g2 = declare("g2", "g_{(2)}", "an entry of a gradient", "positive", ("g1",))
q = declare("q", "q", "a squared misfit", "positive")
c, n = sqrt(alpha_bar), sqrt(1 - alpha_bar)

derivation = Derivation(
    name="dps",
    title="DPS: chain rule, norms and the Jensen gap",
    statement=r"(1) For any denoiser and linear $A$ (entry by entry, two pixels and two measurements): "
    r"$\nabla_{x_t}\log p(y\mid\hat x_0) = \frac{1}{\sigma^2}J^\top A^\top(y-A\hat x_0)$. "
    r"(2) $\frac{\zeta'}{\|r\|}\nabla\|r\|^2 = 2\zeta'\,\nabla\|r\|$: the program's $\zeta$ is twice the paper's $\zeta'$. "
    r"(3) A step normalised by its gradient's norm has length $\zeta$ whatever the misfit. "
    r"(4) For any prior $E[(y-su)^2\mid x_t] = (y-s\hat x_0)^2 + s^2\mathrm{Var}[x_0\mid x_t]$; for a Gaussian prior (one coordinate) "
    r"DPS's likelihood score is the exact one times $1+s^2v/\sigma^2$.",
    assumptions=["The denoiser is differentiable, and is the exact posterior mean in part (4)."],
    leans_on=["bayes_score", "tweedie.covariance", "likelihood_score"],
    steps=[
        Entries(
            gradient(-squared / (2 * sigma**2), pixels),
            J.T * A.T * r / sigma**2,
            "Chain rule: the outer gradient A^T r at x0_hat, then the denoiser's transposed Jacobian.",
        ),
        Unequal(
            gradient(-squared / (2 * sigma**2), pixels)[0],
            (A.T * r)[0] / sigma**2,
            "Without J, i.e. with the gradient stopped at x0_hat, it is another direction.",
        ),
        Integrals(
            diff(expect(u, c, n), x),
            c / (1 - alpha_bar) * covariance(u, u, c, n),
            "For an exact denoiser J is the posterior covariance times sqrt(alpha_bar)/(1 - alpha_bar), so it is symmetric.",
        ),
        Entries(
            gradient(sqrt(squared), pixels),
            -J.T * A.T * r / sqrt(squared),
            "The unsquared norm's gradient has the same direction, over the norm.",
        ),
        Entries(
            gradient(Q, pixels),
            2 * sqrt(Q) * gradient(sqrt(Q), pixels),
            "In general grad |r|^2 = 2 |r| grad |r|, for any squared misfit Q = |r|^2 that is not 0.",
        ),
        Entries(
            zeta / sqrt(Q) * gradient(Q, pixels),
            2 * zeta * gradient(sqrt(Q), pixels),
            "Paper: zeta'/|r| times the squared norm's gradient. Program: zeta times the norm's. So zeta = 2 zeta'.",
        ),
        Equal(
            (zeta * g1 / sqrt(g1**2 + g2**2)) ** 2 + (zeta * g2 / sqrt(g1**2 + g2**2)) ** 2,
            zeta**2,
            "Divided by the gradient's norm, the step has length zeta, for every gradient (g1, g2).",
        ),
        Unequal(
            zeta * g1 / sqrt(q),
            zeta * g1 / sqrt(g1**2 + g2**2),
            "So it is not DPS, which divides by the norm of the residual, sqrt(q), and not of the gradient (g1, g2).",
        ),
        Integrals(
            expect((y - s * u) ** 2, c, n),
            (y - s * expect(u, c, n)) ** 2 + s**2 * covariance(u, u, c, n),
            "The Jensen gap, for any prior: the mean misfit is the misfit of the mean, and the variance on top.",
        ),
        InLaw(
            (s * (mu + tau * n_0) + sigma * w, level_t),
            (
                s * m(sqrt(alpha_bar) * mu + sqrt(spread) * z) + sqrt(sigma**2 + s**2 * v) * z_new,
                sqrt(alpha_bar) * mu + sqrt(spread) * z,
            ),
            "Gaussian prior: given x_t, y is normal about s x0_hat with variance sigma^2 + s^2 v.",
        ),
        Equal(
            Derivative(-((y - s * m(x_t)) ** 2) / (2 * (sigma**2 + s**2 * v)), x_t),
            exact,
            "Its score: here J = slope and A = s.",
        ),
        Equal(
            Derivative(-((y - s * m(x_t)) ** 2) / (2 * sigma**2), x_t),
            dps,
            "DPS's term: the same without the variance s^2 v.",
        ),
        Equal(dps, (1 + s**2 * v / sigma**2) * exact, "So it pulls too hard, by this factor."),
        Positive(
            1 + s**2 * v / sigma**2,
            1,
            "It is never too weak ...",
            by=s**2 * tau**2 * (1 - alpha_bar) / (sigma**2 * spread),
        ),
        Equal(dps, exact, "... and right as x_t comes to determine x_0 (alpha_bar = 1).", using={alpha_bar: 1}),
    ],
    source="Chung et al., 'Diffusion posterior sampling', 2023: theorem 1, algorithm 1, and the released program.",
)
