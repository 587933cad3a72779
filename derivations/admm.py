r"""ADMM: three updates, and the proximal maps that they need.

Minimise f(x) + g(C x). Give C x a name, z = C x, and let u collect what z misses (scaled dual):

    x <- argmin f(x) + rho/2 |z - u - C x|^2
    z <- prox_{g/rho}(C x + u)
    u <- u + C x - z

A proximal map prox_{lam g}(v) = argmin lam g(x) + |x - v|^2/2 is a denoiser of v. A proof that x* is
the minimiser needs no calculus: show that F(x) - F(x*) is a sum of things that are >= 0.

For the absolute value it is the soft threshold, v - lam sign(v) or 0; the part that is cut off is the
projection of v on [-lam, lam] (Moreau). Total variation takes the same map of pairs of differences:
their length is thresholded. In plug-and-play ADMM the prox is a denoiser; for a Gaussian prior the
posterior mean is one exactly, with lam = the noise's variance.
"""

from sympy import Abs, Derivative, Identity, Matrix, Max, Min, Rational, sqrt

from derivations import spectral
from derivations.checker import Code, Derivation, Entries, Equal, InSVD, Positive, Unequal
from derivations.likelihood_score import A as general
from derivations.likelihood_score import data, gradient
from derivations.likelihood_score import x as pixels
from derivations.spectral import A, M, N
from derivations.symbols import declare, get

lam, rho, sigma, tau, mu, eta, s, y = get("lam", "rho", "sigma", "tau", "mu", "eta", "s", "y")
x = declare("x", "x", "the noisy value", "real", ("x_2",))
v = declare("v", "v", "the velocity sqrt(alpha_bar) epsilon - sqrt(1 - alpha_bar) x_0", "real", ("epsilon",))
target = declare("target", "q", "the point z - u that the x-update is pulled to", "real", ("y",))
excess = declare("excess", r"\delta", "how far |v| is above the threshold", "positive", ("lam",))
size = declare("size", "a", "the size of x", "positive", ("lam",))
v1 = declare("v1", "v_{(1)}", "a horizontal difference", "real", ("v2",))
v2 = declare("v2", "v_{(2)}", "a vertical difference", "real", ("v1",))

image, measured, pulled = spectral.vector("x", N), spectral.vector("y", M), spectral.vector("q", N)

x_update = (s * y + rho * sigma**2 * target) / (s**2 + rho * sigma**2)


def objective(x):
    """F of the x-update in one SVD coordinate: misfit and coupling."""
    return (y - s * x) ** 2 / (2 * sigma**2) + rho / 2 * (target - x) ** 2


def threshold(x, v):
    """What the soft threshold minimises."""
    return lam * Abs(x) + (x - v) ** 2 / 2


soft = Max(v - lam, 0) - Max(-v - lam, 0)
projected = Max(Min(v, lam), -lam)
length = sqrt(v1**2 + v2**2)
pair = Matrix([v1, v2])
shrunk = v - lam * v / Max(size, lam)  # Moreau's form, which divides by nothing that may be 0

derivation = Derivation(
    name="admm",
    title="ADMM's updates and their proximal maps",
    statement=r"(1) $x = (A^\top A + \rho\sigma^2I)^{-1}(A^\top y + \rho\sigma^2 q)$ minimises $\frac{1}{2\sigma^2}\|y-Ax\|^2 + "
    r"\frac\rho2\|q-x\|^2$ (for $C = I$, in SVD coordinates). (2) The soft threshold is the prox of $\lambda|\cdot|$, for one number, "
    r"and Moreau: $v = \mathrm{prox}(v) + P_{[-\lambda,\lambda]}(v)$. (3) For a pair of differences (isotropic TV, one pixel) the prox shrinks "
    r"the length. (4) For a Gaussian prior the posterior mean is the prox of the negative log prior, with weight $\sigma^2$.",
    assumptions=[
        "Cases of (2) and (3) are written with positive symbols: v = lam + excess, v = -(lam + excess), |v| < lam."
    ],
    leans_on=["operators", "bayes_score"],
    steps=[
        Equal(
            objective(x) - objective(x_update),
            (s**2 / sigma**2 + rho) / 2 * (x - x_update) ** 2,
            "The x-update: a quadratic exceeds its value at the minimiser by a square.",
        ),
        Equal(Derivative(objective(x), x), 0, "There the gradient is 0.", using={x: x_update}),
        InSVD(
            (A.T * A + rho * sigma**2 * Identity(N)).inv() * (A.T * measured + rho * sigma**2 * pulled),
            pulled + A.T * (A * A.T + rho * sigma**2 * Identity(M)).inv() * (measured - A * pulled),
            "For any A: solve on the image's side, or correct q by what the measurement says.",
        ),
        Positive(
            threshold(size, lam + excess) - threshold(excess, lam + excess),
            0,
            "Soft threshold, v = lam + excess: x* = excess beats every x = size > 0 ...",
            by=(size - excess) ** 2 / 2,
        ),
        Positive(
            threshold(-size, lam + excess) - threshold(excess, lam + excess),
            0,
            "... and every x = -size < 0 ...",
            by=(size + excess) ** 2 / 2 + 2 * lam * size,
        ),
        Positive(
            threshold(size, lam * (2 * eta - 1)) - threshold(0, lam * (2 * eta - 1)),
            0,
            "... and for |v| < lam, v = lam (2 eta - 1), x* = 0 beats every x > 0 ...",
            by=size**2 / 2 + 2 * lam * (1 - eta) * size,
        ),
        Positive(
            threshold(-size, lam * (2 * eta - 1)) - threshold(0, lam * (2 * eta - 1)),
            0,
            "... and every x < 0. (For v < -lam turn all signs round.)",
            by=size**2 / 2 + 2 * lam * eta * size,
        ),
        Entries(
            Matrix([soft, projected]),
            Matrix([excess, lam]),
            "Moreau, v > lam: the threshold keeps v - lam, the projection on [-lam, lam] keeps lam. They add up to v ...",
            using={v: lam + excess},
        ),
        Entries(
            Matrix([soft, projected]),
            Matrix([-excess, -lam]),
            "... for v < -lam as well ...",
            using={v: -lam - excess},
        ),
        Entries(
            Matrix([soft, projected]),
            Matrix([0, v]),
            "... and for |v| < lam, where the threshold keeps nothing and the projection everything.",
            using={v: lam * (2 * eta - 1)},
        ),
        Equal(
            shrunk,
            excess,
            "In one formula, v - lam v/max(|v|, lam): the threshold for v > lam ...",
            using={v: lam + excess, size: lam + excess},
        ),
        Equal(shrunk, 0, "... and for |v| < lam, where the projection is v.", using={size: lam * eta}),
        Equal(
            shrunk,
            (1 - lam / length) * v1,
            "With the length of a pair for |v|, longer than lam by excess, it is the pair's prox below (first coordinate).",
            using={v: v1, size: lam + excess, v2: sqrt((lam + excess) ** 2 - v1**2)},
        ),
        Entries(
            (1 - lam / length) * pair + lam * pair / length,
            pair,
            "A pair (v1, v2) longer than lam: shrunk pair plus projection on the disc of radius lam is the pair.",
        ),
        Equal(
            ((1 - lam / length) * v1) ** 2 + ((1 - lam / length) * v2) ** 2,
            (length - lam) ** 2,
            "The shrunk pair has length |v| - lam: the length is soft-thresholded, the direction kept.",
        ),
        Equal(
            (1 - lam / length) * v1 - v1,
            -lam * ((1 - lam / length) * v1) / (length - lam),
            "Optimality of a pair longer than lam: x - v = -lam x/|x|, with |x| = |v| - lam (first coordinate).",
        ),
        Equal(
            (x - v) ** 2 / 2
            + sigma**2 * (x - mu) ** 2 / (2 * tau**2)
            - (tau**2 * v + sigma**2 * mu - (tau**2 + sigma**2) * x) ** 2 / (2 * tau**2 * (tau**2 + sigma**2)),
            sigma**2 * (v - mu) ** 2 / (2 * (tau**2 + sigma**2)),
            "Plug and play: for the prior N(mu, tau^2) the prox of -sigma^2 log p is where the square vanishes, "
            "x = (tau^2 v + sigma^2 mu)/(tau^2 + sigma^2): the posterior mean at noise sigma.",
        ),
    ],
    code=[Code("teachdiff.methods.admm_tv.shrink", shrunk, {"v": "v", "size": "size", "level": "lam"})],
    source="Boyd et al., 'Distributed optimization ... ADMM', 2011, section 3; Parikh and Boyd 2014 (Moreau).",
)


# Total variation: D takes differences, p is one dual number for each of them.
D = Matrix(
    2,
    3,
    lambda i, j: declare(
        f"D{i + 1}{j + 1}", f"D_{{{i + 1}{j + 1}}}", "an entry of a 2 x 3 difference operator", "real"
    ),
)
noisy = Matrix([declare(f"noisy{i}", f"v_{{({i})}}", f"pixel {i} of the noisy image", "real") for i in (1, 2, 3)])
p = Matrix([declare(f"p{i}", f"p_{{({i})}}", f"dual number of difference {i}", "real") for i in (1, 2)])
d = declare("d", "d", "the difference of two noisy pixels", "real")


A2, D2, two = general[:, :2], D[:, :2], pixels[:2, :]  # a smaller case


def half_square(vector):
    return (vector.T * vector) / 2


def two_pixels(p):
    """Primal minus dual value for two pixels with the difference d, at x = v - D^T p."""
    return lam * Abs(d - 2 * p) + p**2 - (p * d - p**2)


total_variation = Derivation(
    name="admm.total_variation",
    title="Total variation by duality",
    statement=r"For every $D$ (entry by entry, $2\times3$), image $x$ and dual $p$: "
    r"$\frac12\|x-v\|^2 + \lambda\|Dx\|_1 - \big(\langle p, Dv\rangle - \frac12\|D^\top p\|^2\big) = "
    r"\frac12\|x-v+D^\top p\|^2 + \big(\lambda\|Dx\|_1 - \langle p,Dx\rangle\big)$. Both terms are $\ge0$ for $|p_i|\le\lambda$, so $x = v-D^\top p$ "
    r"is the prox of $\lambda\|D\cdot\|_1$ as soon as $\langle p,Dx\rangle=\lambda\|Dx\|_1$. ADMM's x-update for $C=D$ solves "
    r"$(A^\top A/\sigma^2+\rho D^\top D)x = A^\top y/\sigma^2+\rho D^\top q$.",
    assumptions=[
        "Anisotropic total variation; the isotropic one has pairs (p, p') in a disc instead of numbers in an interval."
    ],
    leans_on=["admm", "likelihood_score"],
    steps=[
        Entries(
            gradient(2 * half_square(data - A2 * two)[0] / (2 * sigma**2) + rho * half_square(p - D2 * two)[0], two),
            (A2.T * A2 / sigma**2 + rho * D2.T * D2) * two - A2.T * data / sigma**2 - rho * D2.T * p,
            "The x-update (two pixels; p for z - u): where the objective's gradient is 0 stands a linear system.",
        ),
        Entries(
            half_square(pixels - noisy) - (p.T * (D * noisy) - half_square(D.T * p)),
            half_square(pixels - noisy + D.T * p) - p.T * (D * pixels),
            "Complete the square. Add lam |D x|_1 on both sides: primal value minus dual value.",
        ),
        Positive(
            lam * Abs(size),
            lam * (2 * eta - 1) * size,
            "For |p| <= lam, p = lam (2 eta - 1), the rest is >= 0: a difference of size > 0 ...",
            by=2 * lam * (1 - eta) * size,
        ),
        Positive(
            lam * Abs(-size),
            lam * (2 * eta - 1) * (-size),
            "... and one of -size < 0.",
            by=2 * lam * eta * size,
        ),
        Equal(
            two_pixels(p[0]),
            0,
            "Two pixels, d > 2 lam: p = lam closes the gap; the pixels move towards each other by lam ...",
            using={p[0]: lam, d: 2 * lam + excess},
        ),
        Equal(
            two_pixels(p[0]), 0, "... and for |d| <= 2 lam p = d/2 does: both become their mean.", using={p[0]: d / 2}
        ),
    ],
    source="Rudin, Osher, Fatemi 1992; Chambolle 2004.",
)


# On the torus, and in other units
cosine = declare("cosine", r"\cos 2\pi k", "the cosine of a frequency k", "real")
sine = declare("sine", r"\sin 2\pi k", "its sine", "real")
lam01 = declare("lam01", r"\lambda^{[0,1]}", "a weight of total variation for [0, 1] images", "positive", ("lam",))
misfit01 = declare("misfit01", r"r^{[0,1]}", "a residual for [0, 1] images", "real", ("x01",))
edge01 = declare("edge01", r"d^{[0,1]}", "a difference of two pixels of a [0, 1] image", "real", ("misfit01",))

gain = 2 - 2 * cosine
from_unit = 2 * lam01

torus = Derivation(
    name="admm.units_and_torus",
    title="Total variation on the torus and in other units",
    statement=r"A circular difference multiplies the wave of frequency $k$ by $e^{2\pi ik}-1$, of squared modulus $2-2\cos 2\pi k$. "
    r"In $[-1,1]$ units $\lambda$ is twice that of $[0,1]$, and $\rho$ is the same.",
    leans_on=["admm", "units"],
    steps=[
        Equal(
            (cosine - 1) ** 2 + sine**2,
            gain,
            "|e^(2 pi i k) - 1|^2: what D^T D multiplies the frequency with, for each axis.",
            using={sine: sqrt(1 - cosine**2)},
        ),
        Equal(
            x**2 / 2 + lam * v1,
            4 * (misfit01**2 / 2 + lam01 * edge01),
            "With x = 2 x01 - 1 residuals and differences double: misfit times 4, penalty times 2, lambda makes up the rest.",
            using={x: 2 * misfit01, v1: 2 * edge01, lam: from_unit},
        ),
        Unequal(
            (2 * misfit01) ** 2 / 2 + lam01 * (2 * edge01),
            4 * (misfit01**2 / 2 + lam01 * edge01),
            "The same lambda in both units is two different problems.",
        ),
        Equal(
            rho / 2 * (2 * edge01 - 2 * misfit01) ** 2,
            4 * (rho / 2 * (edge01 - misfit01) ** 2),
            "The coupling is quadratic, like the misfit: rho stays.",
        ),
    ],
    code=[
        Code("teachdiff.methods.admm_tv.difference_gain", gain, {"cosine": "cosine"}),
        Code("teachdiff.methods.admm_tv.lam_from_unit_range", from_unit, {"lam": "lam01"}, numbers=True),
    ],
    source="Wang, Yang, Yin, Zhang, 'A new alternating minimization algorithm for total variation', 2008 (FFT).",
)


# Plug and play with a Gaussian prior N(mu, tau^2), one SVD coordinate that the prior shares
alpha_bar = get("alpha_bar")
level = declare("level", r"\sigma_k", "the noise level that the denoiser works at", "positive", ("sigma",))

posterior_mean = (tau**2 * x + level**2 * mu) / (tau**2 + level**2)
minimiser = (s * y / sigma**2 + lam * mu / tau**2) / (s**2 / sigma**2 + lam / tau**2)
dual = level**2 * (minimiser - mu) / tau**2
ratio = sqrt((1 - alpha_bar) / alpha_bar)
noisier = mu + (x - mu) * (tau**2 + level**2) / tau**2  # what the denoiser turns into x


plug_and_play = Derivation(
    name="admm.plug_and_play",
    title="Plug and play with a Gaussian prior: what it converges to",
    statement=r"For the prior $\mathcal N(\mu,\tau^2)$ (one SVD coordinate) and $\rho=\lambda/\sigma_k^2$: plug-and-play ADMM with the prior's "
    r"own $\hat x_0$ at noise $\sigma_k$ has the fixed point that minimises $\frac{1}{2\sigma^2}(y-sx)^2+\frac{\lambda}{2\tau^2}(x-\mu)^2$, "
    r"whatever $\sigma_k$: for $\lambda=1$ the posterior mean. The posterior-mean denoiser's implicit penalty is $-\sigma_k^2\log p$ exactly.",
    assumptions=[
        "Gaussian prior; A and the prior's covariance share a basis (the tests compare with dense matrices that do not).",
        "For another prior the mean is not the mode, and the implicit penalty is not -log p (Gribonval 2011).",
    ],
    leans_on=["admm", "bayes_score"],
    steps=[
        Equal(
            mu + sqrt(alpha_bar) * tau**2 / (alpha_bar * tau**2 + 1 - alpha_bar) * sqrt(alpha_bar) * (x - mu),
            posterior_mean,
            "The prior as a denoiser: x0_hat at x_t = sqrt(alpha_bar) x is the posterior mean at noise sigma_t.",
            using={level: ratio},
        ),
        Equal(
            x_update,
            minimiser,
            "Fixed point, x-update: x* comes back from q = x* - u* ...",
            using={target: minimiser - dual, rho: lam / level**2},
        ),
        Equal(
            posterior_mean,
            minimiser,
            "... and from the denoiser at x* + u*. Then u + x - z = u: all three stand still.",
            using={x: minimiser + dual},
        ),
        Equal(
            Derivative((y - s * x) ** 2 / (2 * sigma**2) + lam * (x - mu) ** 2 / (2 * tau**2), x),
            0,
            "x* is where the gradient of misfit and lam times -log p is 0.",
            using={x: minimiser},
        ),
        Equal(
            minimiser,
            mu + s * tau**2 / (s**2 * tau**2 + sigma**2) * (y - s * mu),
            "For lam = 1 that is the posterior mean; for a Gaussian it is the mode as well.",
            using={lam: 1},
        ),
        Unequal(minimiser, mu + s * tau**2 / (s**2 * tau**2 + sigma**2) * (y - s * mu), "For another lam it is not."),
        Equal(
            rho * dual,
            lam * (minimiser - mu) / tau**2,
            "The multiplier rho u does not know the level: where rho changes, u must be scaled by rho_old/rho.",
            using={rho: lam / level**2},
        ),
        Equal(
            (tau**2 * noisier + level**2 * mu) / (tau**2 + level**2),
            x,
            "The denoiser turned round: it makes x of this v ...",
        ),
        Equal(
            -Rational(1, 2) * (noisier - x) ** 2 + level**2 * (noisier - mu) ** 2 / (2 * (tau**2 + level**2)),
            level**2 * (x - mu) ** 2 / (2 * tau**2),
            "... so Gribonval's penalty, -|v - x|^2/2 - sigma_k^2 log p_k(v), is -sigma_k^2 log p(x), up to a constant.",
        ),
    ],
    code=[Code("teachdiff.schedules.noise_level", ratio, {"alpha_bar": "alpha_bar"})],
    source="Venkatakrishnan, Bouman, Wohlberg 2013; Gribonval 2011; Boyd et al. 2011, section 3.4.1 (varying rho).",
)
