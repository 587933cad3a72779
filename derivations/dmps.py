r"""DMPS: a likelihood score in closed form.

Suppose that x_t alone tells about x_0, as if nothing were known before (a flat prior). Then
x_0 given x_t is normal about x_t/sqrt(alpha_bar) with variance r = (1 - alpha_bar)/alpha_bar, so y given x_t
is normal about A x_t/sqrt(alpha_bar) with covariance sigma^2 I + r A A^T, and the likelihood score is

.. math:: \frac{1}{\sqrt{\bar\alpha_t}}\, A^\top \Big(\sigma^2 I + \tfrac{1-\bar\alpha_t}{\bar\alpha_t} A A^\top\Big)^{-1}
          \Big(y - \tfrac{1}{\sqrt{\bar\alpha_t}} A x_t\Big).

No network is differentiated. With A = U S V^T the inverse is a division, one for each singular value.
Mind the shapes: for A with M rows and N columns the full S is M x N, so its transpose stands in front
and S S^T inside; with the thin factors (only singular values > 0) S is square and may be written S^2.

When is the flat prior right? For the prior N(mu, tau^2) it is the limit tau -> infinity; and for every
tau the leading order as the noise level r goes to 0, where any smooth prior looks flat.
"""

from sympy import Derivative, Identity, sqrt

from derivations import spectral
from derivations.checker import Code, Derivation, Equal, InLaw, InSVD, Integrals, SameOrder, Unequal
from derivations.dps import exact as gaussian_score
from derivations.dps import m, v
from derivations.likelihood_score import level
from derivations.spectral import A, M, N, S, S_r, U, U_r, V, V_r
from derivations.symbols import declare, get
from derivations.tweedie import expect, score, u, x

alpha_bar, sigma, s, tau, mu, lam = get("alpha_bar", "sigma", "s", "tau", "mu", "lam")
x_t, y, z, z_new, w = get("x_t", "y", "z", "z_new", "w")
h = declare("h", "h", "a small number", "positive")

image, measured = spectral.vector("x", N), spectral.vector("y", M)
r = (1 - alpha_bar) / alpha_bar
one = 1 / sqrt(alpha_bar)

closed = one * A.T * (sigma**2 * Identity(M) + r * A * A.T).inv() * (measured - one * A * image)
full = one * V * S.T * (sigma**2 * Identity(M) + r * S * S.T).inv() * (U.T * measured - one * S * V.T * image)
thin = (
    one
    * V_r
    * S_r
    * (sigma**2 * Identity(spectral.R) + r * S_r**2).inv()
    * (U_r.T * measured - one * S_r * V_r.T * image)
)
image_side = one * (sigma**2 * Identity(N) + r * A.T * A).inv() * (A.T * measured - one * A.T * A * image)

per_value = s / sqrt(alpha_bar) * (y - s * x_t / sqrt(alpha_bar)) / (sigma**2 + s**2 * r)
c, n = sqrt(alpha_bar), sqrt(1 - alpha_bar)

derivation = Derivation(
    name="dmps",
    title="DMPS: the pseudo-likelihood in closed form",
    statement=r"For a flat prior $\nabla_{x_t}\log p(y\mid x_t) = \frac{1}{\sqrt{\bar\alpha_t}}A^\top(\sigma^2I+\frac{1-\bar\alpha_t}{\bar\alpha_t}AA^\top)^{-1}"
    r"(y-\frac{1}{\sqrt{\bar\alpha_t}}Ax_t)$, for any $M\times N$ matrix $A$, equal to the full SVD form with $\Sigma^\top$ and "
    r"$\Sigma\Sigma^\top$ and to the thin one with $\Sigma_r$. For the prior $\mathcal N(\mu,\tau^2)$ (one coordinate) it is the limit "
    r"$\tau\to\infty$, and the leading order as $\bar\alpha_t\to1$.",
    assumptions=["Flat prior on x_0, i.e. p(x_0 | x_t) is proportional to p(x_t | x_0); linear A; Gaussian noise."],
    leans_on=["bayes_score", "likelihood_score", "dps"],
    steps=[
        InLaw(
            s * (x_t / sqrt(alpha_bar) - level * z) + sigma * w,
            s * x_t / sqrt(alpha_bar) + sqrt(sigma**2 + s**2 * r) * z_new,
            "In SVD coordinates, one singular value s: x_0 given x_t, then y = s x_0 + sigma w.",
        ),
        Equal(
            Derivative(-((y - s * x_t / sqrt(alpha_bar)) ** 2) / (2 * (sigma**2 + s**2 * r)), x_t),
            per_value,
            "The score of that normal law; the variance does not depend on x_t.",
        ),
        InSVD(closed, full, "Put A = U S V^T in: U and V are orthogonal, so they come out of the inverse."),
        InSVD(closed, thin, "Coordinates without a singular value > 0 contribute nothing: the thin factors suffice."),
        InSVD(closed, image_side, "The same, solved on the image's side: A^T (c I + A A^T)^-1 = (c I + A^T A)^-1 A^T."),
        Unequal(
            per_value,
            per_value.subs(r, r * alpha_bar),
            "With 1 - alpha_bar_t for (1 - alpha_bar_t)/alpha_bar_t it is another formula ...",
        ),
        SameOrder(
            per_value,
            per_value.subs(r, r * alpha_bar),
            "... which agrees only to leading order near t = 0 (alpha_bar = 1 - h).",
            using={alpha_bar: 1 - h},
            h=h,
            order=1,
        ),
        SameOrder(
            gaussian_score,
            per_value,
            "Gaussian prior: the exact likelihood score tends to DMPS's as tau = 1/sqrt(h) grows.",
            using={tau: 1 / sqrt(h)},
            h=h,
            order=1,
        ),
        Unequal(gaussian_score, per_value, "For a finite tau they differ:"),
        SameOrder(
            v,
            r,
            "Likewise the variance of x_0 given x_t: without a prior it is the noise-to-signal ratio.",
            using={tau: 1 / sqrt(h)},
            h=h,
            order=1,
        ),
        Equal(
            v,
            r / (1 + r / tau**2),
            "x_0 given x_t has the variance r/(1 + r/tau^2) instead of r ...",
        ),
        Equal(
            m(x_t) - mu,
            (x_t / sqrt(alpha_bar) - mu) / (1 + r / tau**2),
            "... and its mean lies nearer to mu by the same factor: flat means r much smaller than tau^2.",
        ),
        SameOrder(
            gaussian_score,
            per_value,
            "So they agree to leading order at low noise, alpha_bar = 1 - h: DMPS belongs to the end of the chain.",
            using={alpha_bar: 1 - h},
            h=h,
            order=1,
        ),
        Integrals(
            expect(u, c, n) - x / c,
            (1 - alpha_bar) / c * score(c, n),
            "What the flat prior neglects, for any prior: it takes x_t/sqrt(alpha_bar) for x0_hat, i.e. the score for 0.",
        ),
    ],
    code=[
        Code("teachdiff.methods.dmps.noise_to_signal", r, {"alpha_bar": "alpha_bar"}),
        Code(
            "teachdiff.methods.dmps.flat_score",
            per_value,
            {"x": "x_t", "y": "y", "A": "s", "sigma": "sigma", "alpha_bar": "alpha_bar"},
        ),
    ],
    source="Meng and Kabashima, 'Diffusion model based posterior sampling', 2024, theorem 1.",
)
