r"""Noise that is added t times is noise that is added once.

The forward process adds a little noise at each step, and shrinks the image so that the total
variance stays where it was:

.. math:: x_t = \sqrt{\alpha_t}\, x_{t-1} + \sqrt{\beta_t}\, z_t, \qquad \alpha_t = 1 - \beta_t,
          \qquad z_t \sim \mathcal N(0, I) \text{ fresh at every step.}

To train a network or to start SDEdit we need x_t for a large t at once. The claim is that with
:math:`\bar\alpha_t = \alpha_1 \alpha_2 \cdots \alpha_t`

.. math:: x_t \mid x_0 \sim \mathcal N\big(\sqrt{\bar\alpha_t}\, x_0,\ (1 - \bar\alpha_t) I\big).

Everything rests on one fact about Gaussians: w_1 z_1 + w_2 z_2 of two *independent* standard normal
draws is normal with variance w_1^2 + w_2^2. If the two draws were the same draw, the standard
deviations would add instead of the variances; that is the commonest slip in this proof.
"""

from sympy import sqrt

from derivations.checker import Derivation, Induction, InLaw, Unequal, chain
from derivations.symbols import get

alpha, alpha_bar, alpha_bar_prev, beta = get("alpha", "alpha_bar", "alpha_bar_prev", "beta")
x_0, x_prev, z, z_prev, z_t, n_0 = get("x_0", "x_prev", "z", "z_prev", "z_t", "n_0")

one_step = sqrt(alpha) * x_prev + sqrt(beta) * z_t
marginal = sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * z

derivation = Derivation(
    name="vp_marginal",
    title="The marginal of the forward process",
    statement=r"If $x_t = \sqrt{\alpha_t}\,x_{t-1} + \sqrt{\beta_t}\,z_t$ with fresh standard normal $z_t$ and "
    r"$\alpha_t = 1-\beta_t$, then for every $t \ge 0$: "
    r"$x_t \mid x_0 \sim \mathcal N(\sqrt{\bar\alpha_t}\,x_0,\,(1-\bar\alpha_t) I)$.",
    assumptions=[
        r"$z_1, z_2, \dots$ are independent of each other and of $x_0$; formulas hold coordinate by coordinate."
    ],
    steps=[
        *chain(
            alpha * (1 - alpha_bar_prev) + beta,
            (
                1 - alpha * alpha_bar_prev,
                "Variances of independent draws add; beta_t = 1 - alpha_t, so alpha_t cancels.",
            ),
            (1 - alpha_bar, "That product is alpha_bar_t, by definition."),
        ),
        InLaw(
            sqrt(alpha) * sqrt(1 - alpha_bar_prev) * z_prev + sqrt(beta) * z_t,
            sqrt(1 - alpha_bar) * z,
            "So the noise that x_{t-1} brought along, shrunk, and the fresh noise together are one draw.",
        ),
        Unequal(
            (sqrt(alpha) * sqrt(1 - alpha_bar_prev) * z + sqrt(beta) * z,),
            (sqrt(1 - alpha_bar) * z,),
            "With one and the same draw used twice it would be false: standard deviations would add.",
        ),
        Induction(
            one_step,
            marginal,
            "Base: x_0 has no noise and alpha_bar_0 = 1. Step: put the claim for x_{t-1} into the recursion.",
            previous=x_prev,
            start=x_0,
            at_zero={alpha_bar: 1},
            before={alpha_bar: alpha_bar_prev},
            law=True,
        ),
        InLaw(
            sqrt(alpha_bar) * n_0 + sqrt(1 - alpha_bar) * z,
            n_0,
            "The name: if x_0 has variance 1, every x_t has variance 1. Variance is preserved.",
        ),
    ],
    source="Ho, Jain, Abbeel 2020, eq. 4.",
)
