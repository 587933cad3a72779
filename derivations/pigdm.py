r"""PiGDM: the likelihood with the variance of x_0 in it.

DPS takes x0_hat for x_0. PiGDM supposes that x_0 given x_t is normal about x0_hat with variance V, the
same in every direction; then y given x_t is normal about A x0_hat with covariance sigma^2 I + V A A^T, and

.. math:: \nabla_{x_t} \log p(y \mid x_t) \approx J^\top A^\top (\sigma^2 I + V A A^\top)^{-1} (y - A \hat x_0),
          \qquad J = \partial \hat x_0/\partial x_t .

Which V? For the prior N(mu, tau^2 I) it is r/(1 + r/tau^2) with r = (1 - alpha_bar)/alpha_bar, and the term
is exact for every A. The paper takes tau = 1, where V = 1 - alpha_bar. The two ends of the scale are known
methods: V = 0 is DPS, and V = r, the flat prior's, has DMPS's weight; with DMPS's x_t/sqrt(alpha_bar) for
x0_hat it is DMPS.

For another prior V is a guess: the variance of x_0 given x_t depends on x_t and on the direction.
"""

from sympy import Derivative, Identity, sqrt

from derivations import spectral
from derivations.checker import Code, Derivation, Equal, InLaw, InSVD, Positive, SameOrder, Unequal
from derivations.dmps import h, per_value, r
from derivations.dps import exact, m, slope, v
from derivations.spectral import A, M, N
from derivations.symbols import declare, get

alpha_bar, sigma, s, tau = get("alpha_bar", "sigma", "s", "tau")
x_t, x0_hat, y, z, z_new, w = get("x_t", "x0_hat", "y", "z", "z_new", "w")
V = declare("x0_spread", "V", "the variance that a method gives to x_0 given x_k", "nonnegative")

image, measured = spectral.vector("x", N), spectral.vector("y", M)

pull = s * (y - s * x0_hat) / (sigma**2 + s**2 * V)
matrix_pull = A.T * (sigma**2 * Identity(M) + V * A * A.T).inv() * (measured - A * image)
image_side = (sigma**2 * Identity(N) + V * A.T * A).inv() * (A.T * measured - A.T * A * image)


def term(variance):
    """PiGDM's term for the prior N(mu, tau^2), where x0_hat = m(x_t) and J = slope."""
    return slope * pull.subs({x0_hat: m(x_t), V: variance}, simultaneous=True)


derivation = Derivation(
    name="pigdm",
    title="PiGDM: the likelihood with the variance of x0_hat",
    statement=r"If $x_0\mid x_t\sim\mathcal N(\hat x_0, V I)$ with a $V$ that does not depend on $x_t$, then $\nabla_{x_t}\log p(y\mid x_t) = "
    r"J^\top A^\top(\sigma^2I+VAA^\top)^{-1}(y-A\hat x_0)$. For the prior $\mathcal N(\mu,\tau^2 I)$ this is exact with "
    r"$V=\frac{r}{1+r/\tau^2}$, $r=\frac{1-\bar\alpha_t}{\bar\alpha_t}$, and $V=1-\bar\alpha_t$ for $\tau=1$; $V=0$ is DPS, and $\tau\to\infty$ DMPS.",
    assumptions=[
        "x_0 given x_t is normal with a covariance V I that does not depend on x_t; linear A; Gaussian noise.",
        "The exactness, for the prior N(mu, tau^2 I): one coordinate of A's SVD.",
    ],
    leans_on=["bayes_score", "dps", "dmps"],
    steps=[
        InLaw(
            s * (x0_hat + sqrt(V) * z) + sigma * w,
            s * x0_hat + sqrt(sigma**2 + s**2 * V) * z_new,
            "One singular value s: y = s x_0 + sigma w, where x_0 is uncertain by V.",
        ),
        Equal(
            Derivative(-((y - s * x0_hat) ** 2) / (2 * (sigma**2 + s**2 * V)), x0_hat),
            pull,
            "The score of that law with respect to x0_hat; J carries it to x_t.",
        ),
        InSVD(matrix_pull, image_side, "For any matrix A; the same, solved on the image's side."),
        Equal(v, r / (1 + r / tau**2), "Prior N(mu, tau^2): the variance of x_0 given x_t."),
        Equal(v, 1 - alpha_bar, "With tau = 1 it is the paper's choice.", using={tau: 1}),
        Positive(r, v, "It is below the flat prior's.", by=r**2 / (tau**2 + r)),
        Equal(
            Derivative(m(x_t), x_t),
            sqrt(alpha_bar) / (1 - alpha_bar) * v,
            "J is this variance times sqrt(alpha_bar)/(1 - alpha_bar), as for any exact denoiser.",
        ),
        Equal(
            Derivative(-((y - s * m(x_t)) ** 2) / (2 * (sigma**2 + s**2 * v)), x_t),
            term(v),
            "So with V = v the term is the exact likelihood score.",
        ),
        Unequal(exact, term(1 - alpha_bar), "With 1 - alpha_bar and another tau it is not ..."),
        Unequal(
            exact,
            term(r),
            "... nor with tau = 1 and the noise-to-signal ratio, a slip between the two scalings of x.",
            using={tau: 1},
        ),
        Equal(
            Derivative(-((y - s * m(x_t)) ** 2) / (2 * sigma**2), x_t),
            term(0),
            "Without the variance it is DPS's term, the score of N(y; s x0_hat, sigma^2).",
        ),
        SameOrder(
            term(v),
            per_value,
            "For a wide prior, tau = 1/sqrt(h), it tends to DMPS.",
            using={tau: 1 / sqrt(h)},
            h=h,
            order=1,
        ),
    ],
    code=[
        Code("teachdiff.methods.pigdm.x0_variance", v, {"tau": "tau", "alpha_bar": "alpha_bar"}),
        Code(
            "teachdiff.methods.pigdm.x0_score",
            pull,
            {"x0_hat": "x0_hat", "y": "y", "A": "s", "sigma": "sigma", "variance": "x0_spread"},
        ),
    ],
    source="Song, Vahdat, Mardani, Kautz, 'Pseudoinverse-guided diffusion models for inverse problems', 2023, section 3.",
)
