r"""The ledger of fabian: Dirac, which takes the degradation itself for the diffusion.

The text at hand has lost its formulas. What stands here as printed is the paper's first version, numbered as there and
put together from its prose, its constants and its released program; sentences are literal. Where a formula could not be had
(the two algorithms, most numbers of the tables) the row says so.

The paper's algebra is sound nearly throughout. What is missing are conditions: which score the reverse equation needs, what
the network can know of it, for which degradations the predictions are what the proofs suppose. Two bounds are right and
larger than need be (3.4, A.6); one variance is wrong (23); one claim of optimality is refuted (greedy schedule).
"""

from sympy import Derivative, Matrix, Max, Rational, S, diff, exp, log, sqrt

from derivations import admm
from derivations import dirac_bounds as bounds
from derivations import dirac_consistency as consistency
from derivations import dirac_guidance as guidance
from derivations import dirac_lookahead as look
from derivations import dirac_schedule as schedule
from derivations import dirac_score as scores
from derivations import dirac_sde as sde
from derivations import dirac_step as steps
from derivations.checker import Entries, Equal, InLaw, Integrals, Positive, SameOrder, Unequal, product
from derivations.dirac_sde import a_1, a_s, a_t, sigma_1, sigma_s, sigma_t, x0_mean, x0_variance, y_1, y_t
from derivations.forward_sde import f, fokker_planck, g, p, score
from derivations.ledger.row import AtLeast, Row
from derivations.ledger.sampler import number
from derivations.symbols import get
from derivations.tweedie import covariance, expect, u, x
from derivations.units import x01

mu, tau, sigma, eta, eta_b, h, x_0, lam, zeta = get("mu", "tau", "sigma", "eta", "eta_b", "h", "x_0", "lam", "zeta")
n_0, z, z_t, z_prev, z_new, w = get("n_0", "z", "z_t", "z_prev", "z_new", "w")
L, B, dt = bounds.L, bounds.B, bounds.dt

# What the paper prints, as expressions.

up, down = steps.up, steps.down
euler_law = steps.euler(down, x_0) + sqrt(steps.fresh) * z_new  # eq. 7, with the score given x_0
right_law = a_s * x_0 + sigma_s * z
marginal_mean = a_t * x_0 + (a_s - a_t) * x_0 + steps.fresh * consistency.marginal_score  # eq. 7 in the mean, with the other score
denoised_mean = steps.step(a_t * x_0, x0_mean(a_t * x_0))
tau_of = Max(0, eta - h)  # max(0, t - Delta t), with eta for t
jump = -x_0  # of a pixel that a growing box mask has reached
fade = (1 - eta - h) * x_0 - (1 - eta) * x_0  # of a pixel that fades
posterior_spread = {sigma_t: 0}  # y_t determines x_0


def at_least(more: str, less: str) -> list[AtLeast]:
    """Figures of a table: each on the left is larger than the one on the right that stands in its place."""
    return [AtLeast(Rational(a), Rational(b)) for a, b in zip(more.split(), less.split(), strict=True)]


def mean_square(prediction):
    """E[(prediction - u)^2 | y_t], where u is the degraded picture."""
    return expect((prediction - u) ** 2, 1, sigma_t)


def average(e):
    return expect(e, 1, sigma_t)


variance_of_u = covariance(u, u, 1, sigma_t)


# Consequences.


def lag() -> str:
    said = []
    for n in (1, 50, 200):
        ratio = 25.0 ** (-1 / n)
        said.append(f"{n} step{'s' * (n > 1)}: {1 + (1 - ratio) / ratio * (1 - 1 / 25):.4g}")
    return (
        "The variance of the last iterate over the sigma_0^2 that (23) promises, for the paper's schedule from 0.05 to 0.01: "
        f"{'; '.join(said)}. The finer the steps, the nearer to 1."
    )


def no_spread() -> str:
    values = {a_t: Rational(1, 2), tau: 1, sigma_t: Rational(1, 10)}
    return (
        "Data N(0, 1), A_1 = 1/2, A_0 = 1, constant sigma = 1/10: the exact reverse SDE is a map of the measurement, with variance 0 given it; "
        f"the posterior's is {number(x0_variance.subs(values))}."
    )


def unequal_gaps() -> str:
    gaps = {"1/2": (Rational(1, 4), Rational(1, 4), Rational(1, 2)), "5/8": (Rational(1, 4), Rational(3, 8), Rational(3, 8))}
    words = "; ".join(f"with the point at {at} the distances are {', '.join(map(str, g))}" for at, g in gaps.items())
    return f"d(s, t) = t - s, two points: {words}. The optimum, 1/3 and 2/3, has {Rational(1, 3)}."


def shrunk() -> str:
    values = {a_t: Rational(1, 2), a_s: Rational(51, 100), sigma_t: Rational(1, 20), sigma_s: Rational(48, 1000), tau: Rational(1, 10), mu: 0, x_0: 1}
    found = (denoised_mean / (a_s * x_0)).subs(values)
    return (
        "A frequency in which pictures vary by tau = 1/10, with A = 1/2, sigma = 0.05, one step to A = 0.51, sigma = 0.048: the mean of y_s is "
        f"{float(found):.4f} of what A_s(x_0) is."
    )


def network_size() -> str:
    sizes = [64 * 64 * 9 * 15 + 2 * 64 * 9 * channels for channels in (1, 3)]
    return (
        f"17 layers of 3 x 3 convolutions with 64 channels have {sizes[0]} weights for grey and {sizes[1]} for colour: about 0.55 million. "
        "Whoever compares sizes of networks by this sentence makes the denoiser 30 times too large."
    )


BACKGROUND = [
    Row(
        id="fabian.p.great-improvements",
        location="abstract",
        printed=r"\text{achieving great improvements over other state-of-the-art diffusion-based methods with respect to both perceptual and distortion metrics}",
        verdict="conditional",
        reason="On FFHQ it is so, in every column. On ImageNet both diffusion methods have the better FID for inpainting, and DPS for deblurring.",
        condition="FFHQ; and on ImageNet without FID",
        claim=at_least("52.60 33.71", "53.91 40.46"),
        truth=at_least("28.47 26.98 0.8054 0.8435 25.76 28.42 0.7085 0.8906", "27.21 25.62 0.7671 0.8132 24.53 25.92 0.6676 0.8347")
        + at_least("0.2849 0.2313 65.68 54.37 0.3917 0.1986", "0.2716 0.2234 53.36 39.43 0.3302 0.1760"),
    ),
    Row(
        id="fabian.eq1",
        location="section 2, eq. 1",
        printed=r"dx = [f(x,t) - g(t)^2\nabla_x\log p_t(x)]dt + g(t)d\bar w",
        verdict="correct",
        reason="Anderson's reverse equation, for time that runs down (dt < 0) and a noise that does not depend on x.",
        claim=Equal(fokker_planck(-f + g**2 * score, g**2, p), -fokker_planck(f, g**2, p)),
        proof="forward_sde",
    ),
    Row(
        id="fabian.eq2",
        location="section 2, eq. 2",
        printed=r"\mathcal L(\theta) = E\big[w(t)\|s_\theta(x_t,t)-\nabla_{x_t}\log q_t(x_t\mid x_0)\|^2\big]",
        verdict="correct",
        reason="Its minimum is the score of the marginal: at each x_t it is the explicit loss plus a variance that the network does not change.",
        claim=Integrals(
            average((scores.s_theta - (u - x) / sigma_t**2) ** 2),
            (scores.s_theta - scores.score(1, sigma_t)) ** 2 + scores.constant,
        ),
        proof="dirac_score",
    ),
    Row(
        id="fabian.eq3",
        location="section 2, eq. 3",
        printed=r"\tilde y = A(x_0) + z,\quad z\sim\mathcal N(0,\sigma^2I)",
        verdict="correct",
        reason="A definition. Given x_0 the measurement's log-density has the gradient of a Gaussian about A(x_0), linear or not.",
        claim=Equal(Derivative(-((y_t - scores.A_x0) ** 2) / (2 * sigma_t**2), y_t), (scores.A_x0 - y_t) / sigma_t**2),
        proof="dirac_score",
    ),
    Row(
        id="fabian.eq4",
        location="section 2, eq. 4",
        printed=r"\nabla_x\log p_t(x\mid\tilde y) = \nabla_x\log p_t(x) + \nabla_x\log p_t(\tilde y\mid x)",
        verdict="correct",
        reason="Bayes' rule: the evidence does not depend on x.",
        claim=Equal(
            diff(log(guidance.j / guidance.q_1), y_t),
            diff(log(guidance.q_t), y_t) + diff(log(guidance.j / guidance.q_t), y_t),
        ),
        proof="bayes_score",
    ),
]


DEGRADATIONS = [
    Row(
        id="fabian.def3.1",
        location="section 3.1, definition 3.1",
        printed=r"A_t = \mathcal G_{s\to t}\circ A_s,\quad \mathcal G_{s\to t} \text{ surjective}",
        verdict="correct",
        reason="A definition that does what it says: from the milder picture one can go on without x_0. 'Surjective' only says that nothing but degraded pictures is "
        "counted. It is an order with ties: of two invertible maps each is more severe than the other, so A_t(x) = (1 + t) x is a degradation that gets "
        "more severe all the time.",
        claim=[
            Entries(product(consistency.wide, consistency.narrow), consistency.wide, "Nested masks."),
            InLaw(
                consistency.width_s * z + sqrt(consistency.width_t**2 - consistency.width_s**2) * z_new,
                consistency.width_t * z_t,
                "Blurs.",
            ),
        ],
        proof="dirac_consistency",
    ),
    Row(
        id="fabian.p.mask-transition",
        location="section 3.1, the example of inpainting",
        printed=r"\text{The forward degradation transition function in this case is simply } M_t",
        verdict="conditional",
        reason="A mask of zeros and ones may be put on twice. The experiments' smooth masks (1 - k/max k)^4 may not: their transition is the quotient of the two masks.",
        condition="masks of zeros and ones; for smooth ones G = M_t / M_s",
        claim=Equal(consistency.m_t[0] * consistency.m_s[0], consistency.m_t[0]),
        truth=[
            Entries(product(consistency.wide, consistency.narrow), consistency.wide),
            Entries(
                product(
                    Matrix.diag(*(a / b for a, b in zip(consistency.m_t, consistency.m_s, strict=True))),
                    Matrix.diag(*consistency.m_s),
                ),
                Matrix.diag(*consistency.m_t),
            ),
        ],
        corrected=r"\mathcal G_{s\to t} = M_t/M_s",
        proof="dirac_consistency",
    ),
    Row(
        id="fabian.p.no-way-back",
        location="section 3.1, after the example",
        printed=r"\text{the reverse degradation transition function that recovers } A_s(x) \text{ from a more severe degradation does not exist in general}",
        verdict="correct",
        reason="Two pictures that differ only where the wide mask hides them look the same under it.",
        claim=[
            Entries(
                product(consistency.wide, Matrix([x_0, 0, consistency.x_a, 0])),
                product(consistency.wide, Matrix([x_0, 0, consistency.x_b, 0])),
            ),
            Unequal(
                (consistency.narrow * Matrix([x_0, 0, consistency.x_a, 0]))[2],
                (consistency.narrow * Matrix([x_0, 0, consistency.x_b, 0]))[2],
            ),
        ],
        proof="dirac_consistency",
    ),
    Row(
        id="fabian.def3.2",
        location="section 3.2, definition 3.2",
        printed=r"A:[0,1]\times\mathbb R^n\to\mathbb R^n \text{ differentiable},\quad A_0=\mathrm{Id},\quad A_{t''} \text{ more severe than } A_{t'} \text{ for } t'<t''",
        verdict="conditional",
        reason="The paper's own first example, a box mask with a growing side, is none: a pixel jumps to 0 when the box reaches it, and no rate exists for (5). The smooth masks of "
        "the experiments are differentiable. The released blur starts at std 0.3, so its A_0 is not the identity either (see fabian.p.a0).",
        condition="pixels fade; they do not vanish at once",
        claim=SameOrder(jump, 0, "The change over a step of length h goes to 0 with h.", h=h, order=1),
        truth=SameOrder(fade, 0, "A pixel that fades.", h=h, order=1),
        proof="dirac_schedule",
    ),
    Row(
        id="fabian.p.a1-zero",
        location="section 3.2, after definition 3.2",
        printed=r"\text{If we choose } A_1=0, \text{ then all information in the original signal is destroyed}",
        verdict="correct",
        reason="What a measurement takes off the prior's variance goes to 0 with a_1^2; at a_1 = 0 the posterior is the prior.",
        claim=Equal(tau**2 - x0_variance, a_t**2 * tau**4 / sde.spread_t),
        truth=[Equal(x0_mean(y_t), mu, using={a_t: 0}), Equal(x0_variance, tau**2, using={a_t: 0})],
        proof="dirac_sde.posterior",
    ),
    Row(
        id="fabian.def3.3",
        location="section 3.2, definition 3.3",
        printed=r"y_t = A_t(x_0) + z_t,\quad z_t\sim\mathcal N(0,\sigma_t^2I),\quad x_0\sim q_0",
        verdict="ambiguous",
        reason="It gives the law of each y_t, not that of two of them. The SDE (5) builds the noise of y_t into that of every later one. The difference decides what y_1 says of "
        "x_0 beside y_t, and so which likelihood guides (fabian.eq17).",
        readings={
            "the noises of later severities hold those of earlier ones, as in (5)": InLaw(
                (up, up + (a_t - a_s) * x_0 + sqrt(steps.fresh) * z_new),
                (steps.step(down, x_0) + sqrt(steps.exact_variance) * z_new, down),
            ),
            "the noises of two severities are independent": InLaw(
                (up, up + (a_t - a_s) * x_0 + sqrt(steps.fresh) * z_new), (up, a_t * x_0 + sigma_t * z_t)
            ),
        },
        proof="dirac_step",
    ),
]


EQUATIONS = [
    Row(
        id="fabian.eq5",
        location="section 3.3, eq. 5",
        printed=r"dy_t = \dot A_t(x_0)dt + \sqrt{\tfrac{d\sigma_t^2}{dt}}\,dw",
        verdict="correct",
        reason="For one fixed x_0 and any smooth degradation: N(A_t(x_0), sigma_t^2) solves its Fokker-Planck equation, if it starts from x_0 + sigma_0 z (sigma_0 = 0.01, not 0) "
        "and sigma_t does not fall.",
        claim=[
            Equal(
                Derivative(sde.log_density, sde.time),
                sde.log_fokker_planck(sde.rate, sde.d_v, sde.log_density),
            ),
            InLaw(a_s * x_0 + sigma_s * z_prev + (a_t - a_s) * x_0 + sqrt(steps.fresh) * z_new, a_t * x_0 + sigma_t * z_t),
        ],
        proof="dirac_sde",
    ),
    Row(
        id="fabian.eq6",
        location="section 3.3, eq. 6",
        printed=r"dy_t = \Big(\dot A_t(x_0) - \tfrac{d\sigma_t^2}{dt}\nabla_{y_t}\log q_t(y_t)\Big)dt + \sqrt{\tfrac{d\sigma_t^2}{dt}}\,d\bar w",
        verdict="ambiguous",
        reason="'For a fixed x_0' the score is that of q_t(y_t | x_0). Definition 3.3 gives the name q_t to the marginal, and (10) learns the marginal's. With it the drift must be "
        "E[A'_t(x_0) | y_t], which for linear A_t is A'_t at the posterior mean. The mixture, known x_0 and marginal score, is the reverse of nothing: it pulls one picture's "
        "y_t to the mean of all pictures.",
        readings={
            "q_t is the law of y_t for the fixed x_0": Equal(
                sde.log_fokker_planck(-sde.rate + sde.d_v * sde.given_x0, sde.d_v, sde.log_density),
                -Derivative(sde.log_density, sde.time),
            ),
            "q_t is the marginal, as definition 3.3 has it, and x_0 is fixed": Equal(
                sde.log_fokker_planck(-sde.rate + sde.d_v * sde.marginal_score, sde.d_v, sde.log_density),
                -Derivative(sde.log_density, sde.time),
                using=sde.linear,
            ),
            "q_t is the marginal, and for the rate stands its mean given y_t": Integrals(
                fokker_planck(
                    -sde.mean(sde.u_2) + sde.growth * diff(log(sde.degraded(h)), x), sde.growth, sde.degraded(h)
                ),
                -diff(sde.degraded(h), h),
                using={h: 0},
            ),
        },
        corrected=r"\dot A_t(x_0) \text{ with } \nabla\log q_t(y_t\mid x_0), \text{ or } E[\dot A_t(x_0)\mid y_t] \text{ with } \nabla\log q_t(y_t)",
        proof="dirac_sde.marginal",
        consequence=no_spread,
    ),
    Row(
        id="fabian.eq7",
        location="section 3.3, eq. 7",
        printed=r"y_{t-\Delta t} = y_t + [A_{t-\Delta t}(x_0)-A_t(x_0)] - (\sigma_{t-\Delta t}^2-\sigma_t^2)\nabla_{y_t}\log q_t(y_t) + \sqrt{\sigma_t^2-\sigma_{t-\Delta t}^2}\,z",
        verdict="conditional",
        reason="Euler's step, signs and all. Its mean (score given x_0) is that of the exact step q(y_s | y_t, x_0); its noise is too large by (sigma_t^2 - sigma_s^2)^2/sigma_t^2. "
        "The exact variance is the printed one times sigma_s^2/sigma_t^2. A last step to sigma_0 = 0 would leave all of sigma_t in the picture.",
        condition="Delta t goes to 0: the excess is of second order in one step, of first order over all",
        claim=InLaw(euler_law, right_law),
        truth=[
            SameOrder(steps.excess, h**2 / sigma_s**2, using={sigma_t: sqrt(sigma_s**2 + h)}, h=h, order=3),
            Equal(steps.euler(y_t, x_0), steps.step(y_t, x_0), "The mean."),
            InLaw(steps.step(down, x_0) + sqrt(steps.exact_variance) * z_new, right_law, "The exact step."),
        ],
        corrected=r"\dots + \frac{\sigma_{t-\Delta t}}{\sigma_t}\sqrt{\sigma_t^2-\sigma_{t-\Delta t}^2}\,z",
        proof="dirac_step",
        consequence=lag,
    ),
    Row(
        id="fabian.eq8",
        location="section 3.3, eq. 8 and the sentence after it",
        printed=r"\mathcal R(t,\Delta t;x_0) = A_{t-\Delta t}(x_0) - A_t(x_0)",
        verdict="correct",
        reason="A definition; added to A_t(x_0) it undoes a step of the degradation, whether or not a reverse transition exists, because x_0 is given.",
        claim=Equal(a_t * x_0 + (a_s - a_t) * x_0, a_s * x_0),
        proof="dirac_step",
    ),
    Row(
        id="fabian.p.denoising-step",
        location="section 3.3, after eq. 8",
        printed=r"\text{The second term is analogous to a denoising step, where a slightly less noisy version of the image is predicted}",
        verdict="correct",
        reason="With the score given x_0 the step keeps the part sigma_s^2/sigma_t^2 of the noise in y_t; the fresh draw brings it up to sigma_s again (and beyond, see fabian.eq7).",
        claim=Equal(steps.euler(y_t, x_0), a_s * x_0 + steps.kept * (y_t - a_t * x_0)),
        proof="dirac_step",
    ),
    Row(
        id="fabian.eq9",
        location="section 3.4, eq. 9",
        printed=r"\nabla_{y_t}\log q_t(y_t\mid x_0) = \frac{A_t(x_0)-y_t}{\sigma_t^2}",
        verdict="correct",
        reason="The gradient of a Gaussian's log-density.",
        claim=Equal(Derivative(-((y_t - scores.A_x0) ** 2) / (2 * sigma_t**2), y_t), scores.conditional),
        proof="dirac_score",
    ),
    Row(
        id="fabian.eq10",
        location="section 3.4, eq. 10",
        printed=r"\mathcal L(\theta) = E\Big[w(t)\Big\|s_\theta(y_t,t)-\frac{A_t(x_0)-y_t}{\sigma_t^2}\Big\|^2\Big]",
        verdict="correct",
        reason="At every y_t its minimum is the score of the marginal q_t(y_t), for any degradation. (So what is learned is not the score that (6) needs for a fixed x_0.)",
        claim=Integrals(scores.score(1, sigma_t), average((u - x) / sigma_t**2)),
        truth=Unequal(
            sde.log_fokker_planck(-sde.rate + sde.d_v * sde.marginal_score, sde.d_v, sde.log_density),
            -Derivative(sde.log_density, sde.time),
            using=sde.linear,
        ),
        proof="dirac_score",
    ),
    Row(
        id="fabian.eq11",
        location="section 3.4, eq. 11",
        printed=r"s_\theta(y_t,t) = \frac{A_t(\Phi_\theta(y_t,t))-y_t}{\sigma_t^2}",
        verdict="conditional",
        reason="The true score needs A_t(Phi) = E[A_t(x_0) | y_t]. For linear A_t the posterior mean does it, and so does every Phi that differs from it where A_t is 0: 'the clean image' "
        "is not determined. For a non-linear A_t that mean need not be in the range of A_t, and then no Phi gives the score: for A(x) = (x, x^2) it never is.",
        condition="E[A_t(x_0) | y_t] lies in the range of A_t, as for linear A_t",
        claim=Equal(average(u**2), average(u) ** 2, "A = (x, x^2): the second entry of the mean is the square of the first."),
        truth=[
            Integrals(average(a_t * u), a_t * average(u), "Linear A_t."),
            Entries(product(scores.mask, scores.phi + scores.hidden), scores.mask * scores.phi, "And what it does not see is free."),
        ],
        proof="dirac_score.open",
    ),
    Row(
        id="fabian.p.equivalent-predictions",
        location="section 3.4, after eq. 11",
        printed=r"\text{predicting } A_t(x_0) \text{ or (equivalently) predicting } z_t",
        verdict="correct",
        reason="Each follows from the other and y_t, and with it the score.",
        claim=Equal((y_t - scores.A_x0) / sigma_t, -sigma_t * scores.conditional),
        proof="dirac_score",
    ),
    Row(
        id="fabian.eq12",
        location="section 3.4, eq. 12",
        printed=r"\mathcal L(\theta) = E\big[\omega(t)\|A_t(\Phi_\theta(y_t,t))-A_t(x_0)\|^2\big],\quad \omega(t)=\frac{w(t)}{\sigma_t^4}",
        verdict="correct",
        reason="y_t drops out of the difference of the two scores, sigma_t^4 from the square.",
        claim=Equal(
            scores.weight * ((scores.A_phi - y_t) / sigma_t**2 - scores.conditional) ** 2,
            scores.weight / sigma_t**4 * (scores.A_phi - scores.A_x0) ** 2,
        ),
        proof="dirac_score",
    ),
    Row(
        id="fabian.p.weights",
        location="section 3.4, after eq. 12, and appendix E",
        printed=r"\text{typical choices in the diffusion literature for the weights are } \omega(t)=1 \text{ or } \omega(t)=1/\sigma_t^2",
        verdict="not-checkable",
        reason="Both are lost in the text; the released program takes 1/sigma_t^2. That is w = sigma_t^2 in (10), the usual weight of a score's loss. At every t the minimum is the same for all "
        "weights; they only matter to a network that cannot reach it.",
        truth=Equal(
            scores.weight * ((scores.A_phi - y_t) / sigma_t**2 - scores.conditional) ** 2,
            (scores.A_phi - scores.A_x0) ** 2 / sigma_t**2,
            using={scores.weight: sigma_t**2},
        ),
        proof="dirac_score",
    ),
    Row(
        id="fabian.p.degraded-consistent",
        location="section 3.4, end",
        printed=r"\text{outputs a prediction such that the degraded ground truth and the degraded prediction are consistent}",
        verdict="conditional",
        reason="The degraded prediction is the mean of the degraded truth given y_t. They differ by that mean's spread, which no training removes.",
        condition="y_t determines A_t(x_0): no noise, or a prior without spread in what A_t sees",
        claim=Integrals(mean_square(scores.A_phi), (scores.A_phi - average(u)) ** 2, "At the optimum nothing is left of the loss."),
        truth=[
            Integrals(mean_square(scores.A_phi), (scores.A_phi - average(u)) ** 2 + variance_of_u),
            Equal(a_t**2 * x0_variance, 0, "Without noise.", using=posterior_spread),
        ],
        proof="dirac_score",
    ),
]


INCREMENTS = [
    Row(
        id="fabian.eq13",
        location="section 3.5, eq. 13",
        printed=r"\hat{\mathcal R}(t,\Delta t;y_t) = A_{t-\Delta t}(\Phi_\theta(y_t,t)) - A_t(\Phi_\theta(y_t,t))",
        verdict="conditional",
        reason="For linear A_t and Phi = E[x_0 | y_t] it is the mean of the true increment given y_t: the best prediction, and for (6) with the marginal score the right drift. It is not the true "
        "increment, which it misses with the variance (A_s - A_t)^2 Var[x_0 | y_t]; and (12) does not determine it, since Phi is free where A_t is 0.",
        condition="linear A_t, Phi the posterior mean; and then as an estimate of E[R | y_t]",
        claim=InLaw(consistency.increment_error, S.Zero, "The estimate is the true increment (data N(mu, tau^2))."),
        truth=[
            Integrals(average((a_s - a_t) * u), a_s * average(u) - a_t * average(u)),
            InLaw(consistency.increment_error, (a_s - a_t) * sqrt(x0_variance) * z),
        ],
        proof="dirac_consistency.expectation",
    ),
    Row(
        id="fabian.p.no-guarantee",
        location="section 3.5, before theorem 3.4",
        printed=r"\text{even if we learn the true score perfectly via (12), there is no guarantee that } A_{t-\Delta t}(x_0)\approx A_{t-\Delta t}(\Phi_\theta(y_t,t))",
        verdict="correct",
        reason="A prediction may hold anything where A_t is 0; the milder degradation shows it.",
        claim=[
            Entries(product(scores.mask, scores.phi + scores.hidden), scores.mask * scores.phi),
            Unequal((scores.milder * (scores.phi + scores.hidden))[1], (scores.milder * scores.phi)[1]),
        ],
        proof="dirac_score.open",
    ),
    Row(
        id="fabian.thm3.4",
        location="section 3.5, theorem 3.4",
        printed=r"\|\hat{\mathcal R}(t,\Delta t;y_t)-\mathcal R^*(t,\Delta t;y_t)\| \le (L_x^{(t)}+L_x^{(t-\Delta t)})\sqrt n\,B + 2L_t\Delta t + 2\varepsilon_t",
        verdict="correct",
        reason="True, and two of its three terms are not needed: estimate and target are both changes over one step, each at most L_t Delta t by the theorem's own assumption. So 2 L_t Delta t is a bound for every "
        "Phi, trained or not. It is sharp, even with a perfect score. (The text has lost the constants; any bound with 2 L_t Delta t in its sum is right.)",
        claim=Positive(
            bounds.printed,
            bounds.forward - bounds.target,
            by=(bounds.L_x + bounds.L_xs) * sqrt(bounds.entries) * B + 2 * bounds.score_error + 2 * bounds.L_t * dt * (1 - eta + eta_b),
        ),
        truth=[
            Positive(2 * bounds.L_t * dt, bounds.forward - bounds.target, "The sharp bound ...", by=2 * bounds.L_t * dt * (1 - eta + eta_b)),
            Positive(2 * bounds.L_t * dt, bounds.target - bounds.forward, "... on both sides.", by=2 * bounds.L_t * dt * (1 - eta_b + eta)),
        ],
        corrected=r"\|\hat{\mathcal R}-\mathcal R^*\|\le2L_t\Delta t",
        proof="dirac_bounds.incremental",
    ),
    Row(
        id="fabian.p.smoothness-in-x",
        location="section 3.5, after theorem 3.4",
        printed=r"\text{The first term in the upper bound depends on the smoothness of the degradation with respect to input images, suggesting that smoother degradations are easier to reconstruct accurately}",
        verdict="wrong",
        reason="The term is not needed, so it suggests nothing. What costs is curvature: a linear degradation with a large Lipschitz constant has no Jensen gap at all, a bent one with a small constant has.",
        claim=AtLeast(
            bounds.gap(lambda e: 10 * e, (B,), (-B,)),
            bounds.gap(lambda e: sqrt(e**2), (B,), (-B,)),
            "The Jensen gap of 10 x is larger than that of |x|: constants 10 and 1, x is B or -B.",
        ),
        truth=[
            Positive(2 * bounds.L_t * dt, bounds.forward - bounds.target, by=2 * bounds.L_t * dt * (1 - eta + eta_b)),
            Integrals(average(L * u / a_t) - L / a_t * average(u), 0, "Linear: no gap, whatever the constant."),
        ],
        corrected=r"\|\hat{\mathcal R}-\mathcal R^*\|\le2L_t\Delta t,\quad 0 \text{ for linear } A_t \text{ and } \Phi=E[x_0\mid y_t]",
        origin="wrong idea: a term of a proof that takes more steps than it needs is read as a cause",
        proof="dirac_bounds.incremental",
        consequence=lambda: f"x = B or -B, B = 1: the gap of 10 x is {number(bounds.gap(lambda e: 10 * e, (S.One,), (-S.One,)))}, that of |x| "
        f"is {number(bounds.gap(lambda e: sqrt(e**2), (S.One,), (-S.One,)))}.",
    ),
    Row(
        id="fabian.p.small-steps",
        location="section 3.5, after theorem 3.4",
        printed=r"\text{sharp variations in the degradation with respect to time lead to potentially large estimation error and the error can be controlled by choosing a small enough step size}",
        verdict="correct",
        reason="So says the bound 2 L_t Delta t. (The printed one does not: its other terms stay as Delta t goes to 0.)",
        claim=[
            Positive(2 * bounds.L_t * dt, bounds.forward - bounds.target, by=2 * bounds.L_t * dt * (1 - eta + eta_b)),
            Equal(2 * bounds.L_t * dt * (1 - eta + eta_b), 0, using={dt: 0}),
        ],
        proof="dirac_bounds.incremental",
    ),
    Row(
        id="fabian.p.masking-jumps",
        location="section 3.5, after theorem 3.4",
        printed=r"\text{Masking leads to sharp jumps in pixel values at the border of the inpainting mask, thus } L_t \text{ can be arbitrarily large. This can be compensated by choosing a very small } \Delta t",
        verdict="conditional",
        reason="A steep fade can be followed with small steps. A jump cannot: there is no L_t, and a step over it changes the pixel by all of its value however short it is.",
        condition="L_t is large and finite",
        claim=SameOrder(jump, 0, "A jump gets small with the step.", h=h, order=1),
        truth=SameOrder(L * fade, 0, "A fade, L times as steep.", h=h, order=1),
        proof="dirac_bounds.incremental",
    ),
    Row(
        id="fabian.p.score-error",
        location="section 3.5, after theorem 3.4",
        printed=r"\text{Finally, the error grows with less accurate score estimation}",
        verdict="wrong",
        reason="The bound 2 L_t Delta t knows nothing of the score. A perfect score reaches it, and a network whose score is wrong by any amount may have no error: "
        "where the degradation adds t times a constant, all pictures have one increment.",
        claim=AtLeast(
            (bounds.moved(bounds.estimate, L).subs(bounds.when, bounds.when - dt) - bounds.moved(bounds.estimate, L))
            - (bounds.moved(bounds.far, L).subs(bounds.when, bounds.when - dt) - bounds.moved(bounds.far, L)),
            2 * L * dt,
            "The error of any wrong Phi where A_t(x) = x + t L is more than the perfect score's 2 L Delta t.",
        ),
        truth=[
            Equal(bounds.moved(bounds.estimate, L), bounds.moved(bounds.far, -L), "A perfect score ...", using={bounds.estimate: bounds.far - 2 * bounds.when * L}),
            Equal(
                (bounds.moved(bounds.estimate, L).subs(bounds.when, bounds.when - dt) - bounds.moved(bounds.estimate, L))
                - (bounds.moved(bounds.far, -L).subs(bounds.when, bounds.when - dt) - bounds.moved(bounds.far, -L)),
                -2 * L * dt,
                "... with the largest error.",
            ),
        ],
        corrected=r"\|\hat{\mathcal R}-\mathcal R^*\|\le2L_t\Delta t \text{ whatever } \varepsilon_t",
        origin="wrong idea: as fabian.p.smoothness-in-x",
        proof="dirac_bounds.incremental",
        consequence=lambda: f"L = 1, Delta t = 1/50: a perfect score with the error {number(Rational(2, 50))}, and scores of any quality with the error {number(0)}.",
    ),
    Row(
        id="fabian.p.main-contributor",
        location="section 3.5, before eq. 14",
        printed=r"\text{The main contributor to the error in Theorem 3.4 stems from the fact that consistency under less severe degradations is not enforced by the loss in (12)}",
        verdict="correct",
        reason="For linear A_t it is the only one: a minimiser of (12) is the posterior mean plus anything that A_t does not see, and the error is what A_{t - Delta t} sees of it.",
        claim=Entries(
            (scores.milder * (scores.phi + scores.hidden) - scores.mask * (scores.phi + scores.hidden)) - (scores.milder * scores.phi - scores.mask * scores.phi),
            Matrix([0, a_s * scores.unseen]),
        ),
        proof="dirac_score.open",
    ),
    Row(
        id="fabian.eq14",
        location="section 3.5, eq. 14",
        printed=r"\mathcal L_{IR}(\Delta t,\theta) = E\big[\omega(t)\|A_\tau(\Phi_\theta(y_t,t))-A_\tau(x_0)\|^2\big],\quad \tau=\max(0,t-\Delta t)",
        verdict="correct",
        reason="A definition: Delta t = 0 is (12), Delta t = 1 compares clean images. At y_t its minimum is at A_tau(Phi) = E[A_tau(x_0) | y_t], and is not 0.",
        claim=Integrals(mean_square(scores.A_phi), (scores.A_phi - average(u)) ** 2 + variance_of_u),
        truth=[
            Equal(tau_of, eta, "Delta t = 0: tau = t.", using={h: 0}),
            Equal(tau_of, 0, "Delta t = 1: tau = 0.", using={h: 1}),
        ],
        proof="dirac_bounds.loss",
    ),
    Row(
        id="fabian.p.improves-increment",
        location="section 3.5, after eq. 14",
        printed=r"\text{minimizing this loss directly improves our estimate of the incremental reconstruction in (13)}",
        verdict="correct",
        reason="A Phi that agrees with x_0 at tau = t - Delta t agrees with it at t too, by the transition; so the increment between the two is right.",
        claim=Equal(
            consistency.A_2(consistency.x_b) - consistency.G(consistency.A_2(consistency.x_b)),
            consistency.A_2(consistency.x_a) - consistency.G(consistency.A_2(consistency.x_a)),
            using={consistency.A_2(consistency.x_b): consistency.A_2(consistency.x_a)},
        ),
        proof="dirac_consistency",
    ),
    Row(
        id="fabian.p.implies-score",
        location="section 3.5, after eq. 14, and appendix A.3",
        printed=r"\text{if the model has large enough capacity, minimizing the incremental reconstruction loss in (14) also implies minimizing (12), and thus the true score is learned}",
        verdict="conditional",
        reason="The minimum of (14) is at A_tau(Phi) = E[A_tau(x_0) | y_t]. The transition takes it to G(E[A_tau(x_0) | y_t]); (12) wants E[G(A_tau(x_0)) | y_t]. "
        "The proof takes the loss to be 0, which noise forbids.",
        condition="the transitions are linear",
        claim=Equal(average(u**2), average(u) ** 2, "G(u) = u^2: the mean of the transition is the transition of the mean."),
        truth=Integrals(average(a_t / a_s * u), a_t / a_s * average(u), "A linear transition."),
        proof="dirac_bounds.loss",
    ),
    Row(
        id="fabian.p.upper-bound",
        location="section 3.5, after eq. 14, and appendices A.3, F",
        printed=r"\text{we show that (14) is an upper bound to (12)}",
        verdict="conditional",
        reason="What is shown, (21), has the square of the transition's Lipschitz constant in it. Without it the bound holds for masks that dim and for blurs. By definition 3.2 A_t(x) = (1 + t) x is a degradation "
        "too, and there (12) is the larger one.",
        condition="the transitions do not expand: L_{tau -> t} <= 1",
        claim=AtLeast(
            ((1 + bounds.tau_s) * (bounds.estimate - x_0)) ** 2,
            ((1 + bounds.tau_s + h) * (bounds.estimate - x_0)) ** 2,
            "A_t(x) = (1 + t) x, t = tau + h.",
        ),
        truth=Positive(
            (a_s * (bounds.estimate - x_0)) ** 2,
            (a_s * eta * (bounds.estimate - x_0)) ** 2,
            "A linear degradation that falls, a_t = eta a_tau.",
            by=a_s**2 * (1 - eta) * (1 + eta) * (bounds.estimate - x_0) ** 2,
        ),
        corrected=r"\mathcal L(\theta)\le E\big[\omega(t)L_{\tau\to t}^2\|A_\tau(\Phi)-A_\tau(x_0)\|^2\big]",
        proof="dirac_bounds.loss",
    ),
]


given_x0_law = a_t * x_0 + sigma_t * z_t + (a_s - a_t) * x_0 - steps.fresh * sigma_t * z_t / sigma_t**2 + sqrt(steps.fresh) * z_new
law_of_23 = a_s * x_0 + sqrt(sigma_s**2 + steps.excess) * z

CONSISTENCY = [
    Row(
        id="fabian.def3.5",
        location="section 3.6, definition 3.5",
        printed=r"y_t \overset{d.c.}{\sim} y_s \text{ if there is } x\in\mathcal X_0 \text{ with } A_t(x)=y_t \text{ and } A_s(x)=y_s",
        verdict="correct",
        reason="A definition about pictures without noise. A noisy measurement is consistent with nothing, or by chance; hence the means in (15). Symmetric, and not transitive (fabian.lemmaA.7).",
        claim=Entries(
            product(consistency.wide, consistency.narrow, Matrix([x_0, consistency.x_a, consistency.x_b, 1])),
            product(consistency.wide, Matrix([x_0, consistency.x_a, consistency.x_b, 1])),
            "A degraded picture is consistent with what its transition makes of it.",
        ),
        proof="dirac_consistency",
    ),
    Row(
        id="fabian.thm3.6",
        location="section 3.6, theorem 3.6",
        printed=r"s_\theta = \nabla\log q_t,\ \hat{\mathcal R}=\mathcal R \ \Rightarrow\ E[\tilde y]\overset{d.c.}{\sim}E[y_\tau],\ \tau\in\{1,1-\Delta t,\dots,\Delta t\}",
        verdict="conditional",
        reason="The proof puts -z_t/sigma_t^2 for the score: that of q_t(y_t | x_0), of the picture that is looked for. No function of y_t is that; what theorem A.1 promises is the "
        "marginal's, and with it the mean of y_s is off by -(sigma_t^2 - sigma_s^2) a_t (x_0 - mu)/V_t. The true increment is beyond a network too. With the exact denoiser of "
        "N(mu, tau^2) in both places the mean shrinks towards mu.",
        condition="the score is the one given x_0 and the increment is that of x_0; the prior is flat; there is no noise; or the mean is over all pictures and mu counts as a clean picture",
        claim=[
            Equal(marginal_mean, a_s * x_0, "The marginal's score, the true increment."),
            Equal(denoised_mean, a_s * x_0, "The exact denoiser in both places."),
        ],
        truth=[
            InLaw(given_x0_law, law_of_23, "The score given x_0: the mean is a_s x_0."),
            Equal(marginal_mean, a_s * x_0 - steps.fresh * a_t * (x_0 - mu) / sde.spread_t),
            Equal(denoised_mean, a_s * x_0 + consistency.bias),
            SameOrder(consistency.bias, 0, "A flat prior.", using={tau: 1 / h}, h=h, order=2),
        ],
        proof="dirac_consistency.expectation",
        consequence=shrunk,
    ),
    Row(
        id="fabian.eq15",
        location="section 3.6, eq. 15",
        printed=r"E[\tilde y] \overset{d.c.}{\sim} E[y_\tau] \text{ for every } \tau\in\{1,1-\Delta t,\dots,\Delta t\}",
        verdict="ambiguous",
        reason="The mean over what, and by which score? Only over the noise, and by the score given x_0, does it say that the iterates stay with the picture that was photographed.",
        readings={
            "over the noise, for one picture, with the score given x_0": Equal(steps.euler(a_t * x_0, x_0), a_s * x_0),
            "over the noise, for one picture, with the score of the marginal": Equal(marginal_mean, a_s * x_0),
            "over the noise and all pictures, with the score of the marginal: it says that the mean picture is consistent with itself": Equal(
                marginal_mean, a_s * mu, using={x_0: mu}
            ),
        },
        proof="dirac_consistency.expectation",
    ),
    Row(
        id="fabian.p.without-projection",
        location="section 3.6, before theorem 3.6, and section 1",
        printed=r"\text{enforcement of data consistency is built-in without applying additional steps, such as projection}",
        verdict="conditional",
        reason="What is built in is consistency with Phi(y_t), at the severity t. Of y_1 the method knows only what is left of it in y_t, and y_1 says more: how the degradation went on from t depends on x_0.",
        condition="the degradation stands still from t to 1, as in ordinary diffusion; else the prediction must be made from y_t and y_1",
        claim=Equal(sde.both, x0_mean(y_t), "The posterior mean given y_t and y_1 is that given y_t."),
        truth=Equal(sde.both, x0_mean(y_t), using={a_1: a_t}),
        proof="dirac_sde.posterior",
    ),
    Row(
        id="fabian.p.robust",
        location="section 3.6, after theorem 3.6",
        printed=r"\text{in practice data consistency is indeed maintained without additional guidance from } \tilde y",
        verdict="not-checkable",
        reason="An observation on pictures. For a Gaussian prior the departure of one step is known (fabian.thm3.6): it is small where the noise is small beside a_t tau, that is in the directions that "
        "the degradation leaves alone, and these make up most of the residual.",
        truth=Equal(denoised_mean, a_s * x_0 + consistency.bias),
        proof="dirac_consistency.expectation",
    ),
    Row(
        id="fabian.p.same-image",
        location="section 4, data consistency, end",
        printed=r"\text{our intermediate reconstructions are always interpretable as degradations of varying severity of the same underlying image}",
        verdict="conditional",
        reason="Degradations of severity t they are, in law, if the score and the rate are exact means given y_t. 'Of the same image' speaks of pairs, and the pair (y_s, y_t) that forgets x_0 between its steps is "
        "another one than two degradations of one picture.",
        condition="the steps are made with one and the same x_0",
        claim=InLaw(
            (a_s * mu + sqrt((a_s**2 * tau**2 + sigma_t**2) / sde.spread_t) * (a_t * tau * n_0 + sigma_t * z_t), a_t * tau * n_0 + sigma_t * z_t),
            (a_s * (mu + tau * n_0) + sigma_t * z_t, a_t * tau * n_0 + sigma_t * z_t),
            "Constant sigma_t, the exact reverse SDE of data N(mu, tau^2); the right pair has one picture and one noise.",
        ),
        truth=InLaw(
            (up, up + (a_t - a_s) * x_0 + sqrt(steps.fresh) * z_new),
            (steps.step(down, x_0) + sqrt(steps.exact_variance) * z_new, down),
        ),
        proof="dirac_sde.posterior",
        consequence=no_spread,
    ),
    Row(
        id="fabian.eq16",
        location="section 3.7, eq. 16",
        printed=r"\nabla_{y_t}\log q_t(y_t\mid\tilde y) = \nabla_{y_t}\log q_t(y_t) + \nabla_{y_t}\log q_t(\tilde y\mid y_t)",
        verdict="correct",
        reason="Bayes' rule, for any joint law of y_t and the measurement. Whether this score is the one that the reverse equation needs is another question (fabian.p.posterior-sample).",
        claim=Equal(
            diff(log(guidance.j / guidance.q_1), y_t),
            diff(log(guidance.q_t), y_t) + diff(log(guidance.j / guidance.q_t), y_t),
        ),
        proof="dirac_guidance",
    ),
    Row(
        id="fabian.p.posterior-sample",
        location="section 3.7, before eq. 16",
        printed=r"\text{We learned the score of the prior distribution, which we can leverage to sample from the posterior distribution}",
        verdict="conditional",
        reason="In the SDE (5) the measurement is the process' own end. Given its end a process has another drift, a bridge; turned round, the bridge's pull and the score's pull to the end cancel. "
        "Adding only the score counts the measurement once more. For a second photograph with noise of its own (16) is what is needed.",
        condition="the measurement that guides has noise of its own; or the drift is the bridge's",
        claim=Equal(
            -guidance.speed + guidance.growth * Derivative(-guidance.bridge_misfit / 2, y_t),
            -guidance.speed + guidance.growth * guidance.conditional,
        ),
        truth=Equal(
            -(guidance.speed + guidance.growth * guidance.bridge) + guidance.growth * Derivative(-guidance.bridge_misfit / 2, y_t),
            -guidance.speed + guidance.growth * guidance.conditional,
        ),
        proof="dirac_guidance.bridge",
        consequence=no_spread,
    ),
    Row(
        id="fabian.eq17",
        location="section 3.7, eq. 17",
        printed=r"\nabla_{y_t}\log q_t(y_t\mid\tilde y) \approx s_\theta(y_t,t) - \eta_t\frac{\nabla_{y_t}\|\tilde y-A_1(\Phi_\theta(y_t,t))\|^2}{2\sigma_1^2}",
        verdict="conditional",
        reason="Sign and scale are Bayes' (eta_t = 1) for a measurement with noise of its own, but for the picture's uncertainty v = Var[x_0 | y_t]: the exact variance is sigma_1^2 + a_1^2 v, so the term is too "
        "large by 1 + a_1^2 v/sigma_1^2 (the Jensen gap of DPS). For the noise of the SDE it is another law: mean y_t + (A_1 - A_t)(Phi), variance sigma_1^2 - sigma_t^2 + (a_1 - a_t)^2 v.",
        condition="the measurement's noise is independent of y_t's, and y_t determines x_0; eta_t = 1",
        claim=[Equal(guidance.printed, guidance.photograph), Equal(guidance.printed, guidance.end)],
        truth=[
            Equal(Derivative(-((y_1 - a_1 * x0_mean(y_t)) ** 2) / (2 * sigma_1**2), y_t), guidance.printed, "The sign."),
            Equal(guidance.printed, (1 + a_1**2 * x0_variance / sigma_1**2) * guidance.photograph),
            Equal(guidance.printed, guidance.photograph, using=posterior_spread),
        ],
        corrected=r"-\nabla_{y_t}\frac{(\tilde y-a_1\Phi)^2}{2(\sigma_1^2+a_1^2v)} \ \text{ or }\ -\nabla_{y_t}\frac{(\tilde y-y_t-(a_1-a_t)\Phi)^2}{2(\sigma_1^2-\sigma_t^2+(a_1-a_t)^2v)}",
        proof="dirac_guidance",
    ),
    Row(
        id="fabian.p.distortion-peak",
        location="section 3.8",
        printed=r"\text{the quality of reconstructions with respect to distortion metrics initially improves, peaks fairly early in the reverse process, then gradually deteriorates}",
        verdict="conditional",
        reason="For an exact posterior mean the first evaluation has the least squared error that any function of the measurement and fresh draws can have. What improves on it shows that the network's first "
        "evaluation is not the posterior mean (in (12) it need not be, fabian.eq11). The falling part is the price of a draw: 3 dB for one from the posterior.",
        condition="Phi(y_1, 1) is not E[x_0 | y_1]",
        claim=AtLeast(0, (bounds.estimate - x0_mean(y_t)) ** 2, "A later estimate has less error than the posterior mean (the rest of both errors is one variance)."),
        truth=[
            Integrals(mean_square(bounds.estimate), (bounds.estimate - average(u)) ** 2 + variance_of_u),
            InLaw((mu + tau * n_0) - (consistency.estimate + consistency.uncertainty * z_new), sqrt(2) * consistency.uncertainty * z_t, "The end: a draw."),
        ],
        proof="dirac_consistency.floor",
    ),
    Row(
        id="fabian.alg1",
        location="section 3.9, algorithm 1",
        printed=r"\text{An overview of the complete Dirac algorithm is shown in Algorithm 1}",
        verdict="not-checkable",
        reason="The box is lost in the text. What its step must be follows from (7), (11), (13), (17): with Phi for x_0 increment and denoising together keep sigma_s^2/sigma_t^2 of y_t, and the guidance "
        "enters with minus (sigma_t^2 - sigma_s^2).",
        truth=Equal(y_t + (a_s - a_t) * x_0 - (sigma_s**2 - sigma_t**2) * (a_t * x_0 - y_t) / sigma_t**2, steps.step(y_t, x_0)),
        proof="dirac_step",
    ),
]


TABLES = [
    Row(
        id="fabian.table1",
        location="section 4, tables of FFHQ/CelebA-HQ and ImageNet",
        printed=r"\text{Dirac-PO, Dirac-DO, DPS, DDRM, PnP-ADMM, ADMM-TV: PSNR, SSIM, LPIPS, FID}",
        verdict="not-checkable",
        reason="No spread is printed, so small gaps mean little. Of 16 columns the best of Dirac's two rows leads in 14; FID on ImageNet goes to others. Dirac's is the only method of which two outputs are "
        "printed, each tuned to one kind of metric; DO alone leads in 12 columns, PO alone in 4.",
        truth=[
            *at_least("28.47 0.8054 26.98 0.8435 25.76 0.7085 28.42 0.8906", "27.21 0.7671 25.62 0.8132 25.02 0.6722 25.92 0.8347"),
            *at_least("0.2849 65.68 0.2313 54.37 0.3917 0.1986", "0.2716 53.36 0.2234 39.43 0.3302 0.1760"),
            *at_least("53.91 40.46", "52.60 33.71"),
        ],
    ),
    Row(
        id="fabian.p.deblur-superior",
        location="section 4, deblurring",
        printed=r"\text{superior performance compared with other benchmark methods in terms of both distortion and perceptual metrics}",
        verdict="conditional",
        reason="With the better of two outputs for each metric, and not in FID on ImageNet (DPS 52.60, Dirac 53.91). No single output does it: PO is below DDRM in PSNR on FFHQ, DO above it in LPIPS.",
        condition="FFHQ, or without FID; and one output for distortion, another for perception",
        claim=[*at_least("52.60", "53.91"), *at_least("26.67 0.2849", "27.21 0.2972")],
        truth=at_least("28.47 0.8054 25.76 0.7085 0.2849 65.68 0.3917", "27.21 0.7671 25.02 0.6722 0.2716 53.36 0.3302"),
    ),
    Row(
        id="fabian.p.inpainting-best",
        location="section 4, inpainting",
        printed=r"\text{best performance in most metrics, followed by DDRM}",
        verdict="correct",
        reason="Best in 7 of 8 columns, with the one output DO; DDRM leads the rest in 7 of 8 (not in LPIPS on ImageNet, where DPS does), and wins the eighth.",
        claim=[
            *at_least("26.98 0.8435 28.42 0.8906", "25.62 0.8132 25.92 0.8347"),
            *at_least("0.2313 54.37 0.1986", "0.2234 51.87 0.1760"),
            *at_least("25.62 0.8132 25.92 0.8347", "21.06 0.7238 22.71 0.8026"),
            *at_least("0.2899 57.92 34.55", "0.2313 54.37 33.71"),
        ],
    ),
    Row(
        id="fabian.p.po-do",
        location="section 4, deblurring and inpainting",
        printed=r"\text{PO reconstructions, tuned for best LPIPS and DO reconstructions, tuned for best PSNR}; \ \text{for inpainting we tuned models to optimize FID}",
        verdict="correct",
        reason="In the tables PO has the lower LPIPS in deblurring, DO the higher PSNR everywhere, and PO the lower FID. (In inpainting PO has the higher LPIPS: there it is tuned for FID.)",
        claim=[
            *at_least("0.2972 0.3705", "0.2716 0.3302"),
            *at_least("28.47 26.98 25.76 28.42", "26.67 25.41 24.68 25.48"),
            *at_least("69.15 51.87 83.23 40.73", "53.36 39.43 53.91 40.46"),
            *at_least("0.2611 0.2185", "0.2234 0.1760"),
        ],
    ),
    Row(
        id="fabian.p.noise-floor",
        location="section 4, data consistency, figure 4",
        printed=r"\text{Since } E\|\tilde y-A_1(x_0)\|^2 = n\sigma_1^2, \text{ we expect } \|\tilde y-A_1(\hat x_0(t))\|^2 \text{ to approach } n\sigma_1^2 \text{ in case of perfect data consistency}",
        verdict="conditional",
        reason="True of the picture itself and of draws from the posterior. What is plotted is an estimate of the posterior mean, and that should lie *below* the floor: by the factor sigma_1^2/(a_1^2 tau^2 + sigma_1^2) in each "
        "coordinate. A mean at the floor has left signal in the residual.",
        condition="the estimate is a draw from the posterior, or A_1 sees so little that the posterior is the prior",
        claim=InLaw(consistency.measured - a_1 * consistency.estimate, sigma_1 * z, "The posterior mean (data N(mu, tau^2))."),
        truth=[
            InLaw(
                consistency.measured - a_1 * (consistency.estimate + consistency.uncertainty * z_new),
                sigma_1 * z_t,
                "A draw from the posterior.",
            ),
            InLaw(consistency.measured - a_1 * consistency.estimate, sigma_1**2 / sqrt(consistency.spread_1) * z_t),
        ],
        proof="dirac_consistency.floor",
    ),
    Row(
        id="fabian.p.few-steps",
        location="section 4, sampling speed",
        printed=r"\text{Dirac requires low number of reverse diffusion steps for high quality reconstructions}",
        verdict="not-checkable",
        reason="The numbers are lost in the text. One thing can be said: in Euler's step the noise is late by one step, so at 10 steps its variance is 1.36 times the level's, at 50 steps 1.06 times.",
        truth=[
            Positive((1 - steps.ratio) / steps.ratio, steps.relative, by=steps.decay * (1 - steps.ratio) / steps.ratio),
            Equal(steps.ratio * sigma_t**2 * (1 + steps.relative), sigma_t**2, using={steps.decay: 0}),
        ],
        proof="dirac_step.chain",
    ),
]


PROOFS = [
    Row(
        id="fabian.eq18",
        location="appendix A.1, eq. 18",
        printed=r"\mathcal L_{ESM}(\theta) = \tfrac12E_{y_t}\|s_\theta(y_t)-\nabla\log q_t(y_t)\|^2",
        verdict="correct",
        reason="A definition: the explicit loss, least (0) at the score.",
        claim=Integrals(
            (scores.s_theta - scores.score(1, sigma_t)) ** 2,
            (scores.s_theta - average((u - x) / sigma_t**2)) ** 2,
            "The score that it wants is a mean of scores that are known.",
        ),
        proof="dirac_score",
    ),
    Row(
        id="fabian.eq19",
        location="appendix A.1, eq. 19",
        printed=r"\mathcal L_{DSM}(\theta) = \tfrac12E_{x_0,y_t}\|s_\theta(y_t)-\nabla\log q_t(y_t\mid x_0)\|^2",
        verdict="correct",
        reason="A definition: the denoising loss, in which everything is known.",
        claim=Integrals(
            average((scores.s_theta - (u - x) / sigma_t**2) ** 2) / 2,
            (scores.s_theta - scores.score(1, sigma_t)) ** 2 / 2 + scores.constant / 2,
        ),
        proof="dirac_score",
    ),
    Row(
        id="fabian.thmA.1",
        location="appendix A.1, theorem A.1",
        printed=r"\mathcal L_{DSM}(\theta) = \mathcal L_{ESM}(\theta) + C",
        verdict="correct",
        reason="At each y_t they differ by Var[A_t(x_0) | y_t]/(2 sigma_t^4), which holds no theta. C is 'universal' for one degradation and one level: it grows like 1/sigma_t^2 as sigma_t goes to 0, where the theorem's own "
        "condition (densities supported everywhere) ends too.",
        claim=Integrals(
            average((scores.s_theta - (u - x) / sigma_t**2) ** 2) - (scores.s_theta - scores.score(1, sigma_t)) ** 2,
            scores.constant,
        ),
        truth=Positive(
            a_t**2 * x0_variance / sigma_t**4,
            1 / (2 * sigma_t**2),
            by=h / (2 * sigma_t**2 * (a_t**2 * tau**2 + sigma_t**2)),
            using={tau: sqrt(sigma_t**2 + h) / a_t},
        ),
        proof="dirac_score",
    ),
    Row(
        id="fabian.assA.2",
        location="appendix A.2, assumption A.2",
        printed=r"\|A_t(x)-A_t(x')\|\le L_x^{(t)}\|x-x'\|,\quad \|A_t(x)-A_{t'}(x)\|\le L_t|t-t'|",
        verdict="conditional",
        reason="The second part does all the work in theorem 3.4, and needs to hold for the predictions, too, not for clean images only. A mask of zeros and ones has no L_t.",
        condition="pixels fade; they do not vanish at once",
        claim=SameOrder(jump, 0, "A binary mask.", h=h, order=1),
        truth=SameOrder(fade, 0, "A mask that fades.", h=h, order=1),
        proof="dirac_bounds.incremental",
    ),
    Row(
        id="fabian.assA.3",
        location="appendix A.2, assumption A.3, and theorem 3.4",
        printed=r"x_0[i] \le B,\ \forall i",
        verdict="ambiguous",
        reason="The lemma needs |x_0[i]| <= B. An upper bound alone bounds nothing. The paper's pictures are in [0, 1], where B/2 does for B.",
        readings={
            "|x[i]| <= B: the lemma's constant for one entry, on the pair B and -B": Positive(
                L * B + L * B * (1 - eta),
                bounds.gap(lambda e: L * sqrt(e**2), (B,), (-B,)),
                by=L * B * (1 - eta),
            ),
            "x[i] <= B and nothing below: the same on the pair B and -5 B": AtLeast(
                L * B, bounds.gap(lambda e: L * sqrt((e + 2 * B) ** 2), (B,), (-5 * B,))
            ),
        },
        truth=Positive(B**2 / 4, (B * eta - B / 2) ** 2, "Entries in [0, B] are within B/2 of the middle.", by=B**2 * eta * (1 - eta)),
        proof="dirac_bounds",
    ),
    Row(
        id="fabian.lemmaA.4",
        location="appendix A.2, lemma A.4",
        printed=r"\|E[A_t(x_0)\mid y_t]-A_t(E[x_0\mid y_t])\| \le L_x^{(t)}\sqrt n\,B",
        verdict="correct",
        reason="By Lipschitz, by Jensen, and because the mean has the least mean square, less than 0 has. The constant is sharp for entries in [-B, B]: half of x at (B, ..., B), half at (-B, ..., -B), A = L|x|. For entries in [0, B] "
        "half of it is sharp. It is far from sharp for what it is used on: 0 for linear A_t, a multiple of the variance for smooth ones. Theorem 3.4 does not need it.",
        claim=[
            Positive(
                (L * (x_0 - bounds.estimate)) ** 2,
                (L * (2 * eta - 1) * (x_0 - bounds.estimate)) ** 2,
                by=4 * eta * (1 - eta) * L**2 * (x_0 - bounds.estimate) ** 2,
            ),
            Integrals(mean_square(bounds.estimate), (bounds.estimate - average(u)) ** 2 + variance_of_u),
        ],
        truth=[
            Equal(
                bounds.gap(lambda *x: L * bounds.length(*x), (bounds.x1, bounds.x2), (bounds.y1, bounds.y2)),
                L * sqrt(2) * B,
                "Sharp, two entries.",
                using={bounds.x1: B, bounds.x2: B, bounds.y1: -B, bounds.y2: -B},
            ),
            Equal(
                bounds.gap(lambda *x: L * bounds.length(*(e - B / 2 for e in x)), (bounds.x1, bounds.x2), (bounds.y1, bounds.y2)),
                L * sqrt(2) * B / 2,
                "Entries in [0, B].",
                using={bounds.x1: 0, bounds.x2: 0, bounds.y1: B, bounds.y2: B},
            ),
        ],
        corrected=r"L_x^{(t)}\sqrt n\,B/2 \text{ for entries in } [0,B]",
        proof="dirac_bounds",
    ),
    Row(
        id="fabian.eq20",
        location="appendix A.2, eq. 20 (theorem 3.4 again)",
        printed=r"\|\hat{\mathcal R}-\mathcal R^*\| \le (L_x^{(t)}+L_x^{(t-\Delta t)})\sqrt n\,B + 2L_t\Delta t + 2\varepsilon_t",
        verdict="correct",
        reason="As fabian.thm3.4. With Lipschitz in the picture one may also bound by 2 L_t Delta t or by the two Jensen gaps and the score's error, whichever is less; the paper's bound is their sum.",
        claim=Positive(
            bounds.printed,
            bounds.target - bounds.forward,
            by=(bounds.L_x + bounds.L_xs) * sqrt(bounds.entries) * B + 2 * bounds.score_error + 2 * bounds.L_t * dt * (1 - eta_b + eta),
        ),
        truth=Positive(bounds.printed, 2 * bounds.L_t * dt, by=(bounds.L_x + bounds.L_xs) * sqrt(bounds.entries) * B + 2 * bounds.score_error),
        corrected=r"\|\hat{\mathcal R}-\mathcal R^*\|\le2L_t\Delta t",
        proof="dirac_bounds.incremental",
    ),
    Row(
        id="fabian.assA.5",
        location="appendix A.3, assumption A.5",
        printed=r"\|\mathcal G_{t'\to t''}(x)-\mathcal G_{t'\to t''}(x')\| \le L_{t'\to t''}\|x-x'\|.\ \text{This is a very natural assumption}",
        verdict="conditional",
        reason="Natural for masks and blurs, where L <= 1. 'More severe' alone does not give it: between severities of x -> x^3 and of x the transition is the cube root, which is steep without bound at 0; and a mask that "
        "comes back needs 1/0.",
        condition="the degradation takes no distances away that it gives back later: masks that dim, blurs that widen",
        claim=AtLeast(L * h**3, h, "The cube root takes the distance h^3 to h."),
        truth=Positive(
            (a_s * (bounds.estimate - x_0)) ** 2,
            (a_s * eta * (bounds.estimate - x_0)) ** 2,
            "A pixel or frequency that is dimmed by eta.",
            by=a_s**2 * (1 - eta) * (1 + eta) * (bounds.estimate - x_0) ** 2,
        ),
        proof="dirac_bounds.loss",
    ),
    Row(
        id="fabian.propA.6",
        location="appendix A.3, proposition A.6, first part",
        printed=r"\text{If the model has large enough capacity, such that } \mathcal L_{IR}(\Delta t,\theta)=0 \text{ is achieved, then } \mathcal L(\theta)=0",
        verdict="conditional",
        reason="The step from 0 to 0 is right, by the transition. But capacity does not make the loss 0: at y_t its least value is the variance of A_tau(x_0) given y_t. With 0 for 'its minimum' the sentence holds for linear transitions only.",
        condition="y_t determines A_tau(x_0); else linear transitions, and 'least' for '= 0'",
        claim=Integrals(mean_square(bounds.estimate), (bounds.estimate - average(u)) ** 2, "The best prediction has no loss."),
        truth=[
            Equal(
                consistency.G(consistency.A_2(consistency.x_b)),
                consistency.G(consistency.A_2(consistency.x_a)),
                "From 0 to 0.",
                using={consistency.A_2(consistency.x_b): consistency.A_2(consistency.x_a)},
            ),
            Integrals(average(a_t / a_s * u), a_t / a_s * average(u), "The minima, for a linear transition."),
        ],
        proof="dirac_bounds.loss",
    ),
    Row(
        id="fabian.eq21",
        location="appendix A.3, eq. 21",
        printed=r"\mathcal L(\theta) \le E\big[\omega(t)L_{\tau\to t}^2\|A_\tau(\Phi_\theta(y_t,t))-A_\tau(x_0)\|^2\big]",
        verdict="correct",
        reason="A_t = G o A_tau on both pictures, and G moves them apart by at most L times their distance. For a linear transition each coordinate has equality with its own L.",
        claim=Positive(
            L**2 * bounds.d_tau**2,
            (L * (2 * eta - 1) * bounds.d_tau) ** 2,
            by=4 * eta * (1 - eta) * L**2 * bounds.d_tau**2,
        ),
        proof="dirac_bounds.loss",
    ),
    Row(
        id="fabian.p.clean-domain",
        location="appendix A.3, end, and appendix F",
        printed=r"\text{in the extreme case where we choose } \Delta t=1, \text{ we obtain a loss function purely in clean image domain}",
        verdict="conditional",
        reason="tau = max(0, t - 1) = 0 for every t, so A_0 stands in the loss. In the released program A_0 is a blur of std 0.3, not the identity.",
        condition="A_0 is the identity",
        claim=Equal((a_s * (bounds.estimate - x_0)) ** 2, (bounds.estimate - x_0) ** 2, "A_0 with any factor a."),
        truth=[Equal(tau_of, 0, using={h: 1}), Equal((a_s * (bounds.estimate - x_0)) ** 2, (bounds.estimate - x_0) ** 2, using={a_s: 1})],
        proof="dirac_bounds.loss",
    ),
    Row(
        id="fabian.lemmaA.7",
        location="appendix A.4, lemma A.7",
        printed=r"y_{t_1}\overset{d.c.}{\sim}y_{t_2},\ y_{t_2}\overset{d.c.}{\sim}y_{t_3} \ \Rightarrow\ y_{t_1}\overset{d.c.}{\sim}y_{t_3}",
        verdict="conditional",
        reason="Through the picture in the middle two clean pictures agree at severity t_2, hence at all above it. If t_2 is the highest of the three this says nothing of the others: a black image is consistent "
        "with every picture. (The lemma's order of severities is lost in the text; its proof uses the transition from t_2 on.)",
        condition="t_2 is not the largest of the three severities",
        claim=Entries(
            product(consistency.narrow, Matrix([x_0, 0, consistency.x_a, 0])),
            product(consistency.narrow, Matrix([x_0, 0, consistency.x_b, 0])),
            "Both are consistent with the same wide mask, so their narrow masks agree.",
        ),
        truth=[
            Entries(
                product(consistency.wide, Matrix([x_0, 0, consistency.x_a, 0])),
                product(consistency.wide, Matrix([x_0, 0, consistency.x_b, 0])),
                "They do agree under the wide mask.",
            ),
            Equal(
                consistency.G(consistency.A_2(consistency.x_b)),
                consistency.G(consistency.A_2(consistency.x_a)),
                "With t_2 below t_3: the picture that explains 1 and 2 explains 3.",
                using={consistency.A_2(consistency.x_b): consistency.A_2(consistency.x_a)},
            ),
        ],
        proof="dirac_consistency",
    ),
    Row(
        id="fabian.eq22",
        location="appendix A.4, eq. 22 (theorem 3.6 again)",
        printed=r"E[\tilde y]\overset{d.c.}{\sim}E[y_\tau]",
        verdict="conditional",
        reason="As fabian.thm3.6 and fabian.eq15. (The transitivity that the proof takes along is not needed: the same x_0 explains every mean.)",
        condition="the score is the one given x_0, and the increment is that of x_0",
        claim=Equal(marginal_mean, a_s * x_0),
        truth=Equal(steps.euler(a_t * x_0, x_0), a_s * x_0),
        proof="dirac_consistency.expectation",
    ),
    Row(
        id="fabian.eq23",
        location="appendix A.4, eq. 23",
        printed=r"y_{t-\Delta t} = A_{t-\Delta t}(x_0) + z_{t-\Delta t},\quad z_{t-\Delta t}\sim\mathcal N(0,\sigma_{t-\Delta t}^2I)",
        verdict="wrong",
        reason="The two draws are independent and may be put together. But the score takes away the part (sigma_t^2 - sigma_s^2)/sigma_t^2 of z_t, which leaves the variance sigma_s^4/sigma_t^2, and the fresh draw adds sigma_t^2 - sigma_s^2: together "
        "sigma_s^2 + (sigma_t^2 - sigma_s^2)^2/sigma_t^2. The mean, and with it the theorem's conclusion, is not touched; 'the same form' at the next step is, and the excess piles up.",
        claim=InLaw(given_x0_law, right_law),
        truth=[
            InLaw(given_x0_law, law_of_23),
            InLaw(steps.step(down, x_0) + sqrt(steps.exact_variance) * z_new, right_law, "With the exact step it is as printed."),
        ],
        corrected=r"z_{t-\Delta t}\sim\mathcal N\Big(0,\ \sigma_{t-\Delta t}^2+\frac{(\sigma_t^2-\sigma_{t-\Delta t}^2)^2}{\sigma_t^2}\Big)",
        origin="wrong idea: the fresh noise of (7) is that of the forward SDE; it is as if the score's step left sqrt(2 sigma_s^2 - sigma_t^2) of the noise",
        proof="dirac_step",
        consequence=lag,
    ),
]


SCHEDULE = [
    Row(
        id="fabian.eq24",
        location="appendix B, eq. 24",
        printed=r"T^* = \arg\min_T\max_i d(\mathcal D_{t_i},\mathcal D_{t_{i+1}})",
        verdict="correct",
        reason="A definition. For d(s, t) = t - s and two points the optimum is 1/3 and 2/3: three distances that add up to 1 cannot all be below 1/3.",
        claim=Positive(
            3 * schedule.largest,
            schedule.largest * (eta + eta_b + schedule.third),
            by=schedule.largest * (1 - eta + 1 - eta_b + 1 - schedule.third),
        ),
        proof="dirac_schedule",
    ),
    Row(
        id="fabian.p.quality-distance",
        location="appendix B, before eq. 24",
        printed=r"\text{a notion of distance between two degradation severities, where } d \text{ is some distortion-based or perceptual image quality metric such as PSNR or LPIPS}",
        verdict="conditional",
        reason="A PSNR falls as the images part, so the largest of it is the smallest change: minimising it would put all severities side by side. LPIPS and the squared error grow.",
        condition="the metric grows with the change (LPIPS, squared error, minus PSNR)",
        claim=AtLeast(
            1 / (2 * h * x_0) ** 2 - 1 / (h * x_0) ** 2, 0, "PSNR's ratio, range^2/MSE, of a picture that fades: larger for a step 2 h than for h."
        ),
        truth=Positive((2 * h * x_0) ** 2, (h * x_0) ** 2, "The squared error.", by=3 * h**2 * x_0**2),
        proof="dirac_schedule",
    ),
    Row(
        id="fabian.p.non-increasing",
        location="appendix B, after eq. 24",
        printed=r"\text{Thus, over iterations the maximum distance is non-increasing}",
        verdict="conditional",
        reason="If a part of an interval has at most the interval's distance. A degradation that brightens first and dims then, A = 1, 4, 3 at t = 0, 1/2, 1, has the distance 2 before the split and 3 after it.",
        condition="the distance grows with the interval",
        claim=AtLeast(Rational(2), Max(abs(S(1) - 4), abs(S(4) - 3)), "A = 1, 4, 3."),
        truth=Positive(schedule.distance, schedule.distance * eta, by=schedule.distance * (1 - eta)),
        proof="dirac_schedule",
    ),
    Row(
        id="fabian.p.local-optimality",
        location="appendix B, after eq. 24",
        printed=r"\text{We also have local optimality, as moving a single interpolating severity must increase the maximum distance by the construction of the algorithm}",
        verdict="wrong",
        reason="Later points do not move earlier ones. With d(s, t) = t - s two splits give 0, 1/4, 1/2, 1; every move of the point 1/2 to the right by less than 1/4 lowers the largest distance. And where the largest distance is in an interval "
        "elsewhere, moving a point neither raises nor lowers it. Halving is optimal for 1, 3, 7, ... points.",
        claim=[
            AtLeast(Rational(3, 8), Rational(1, 2), "The distances after the move to 5/8 are at least the 1/2 of before: the interval before the point ..."),
            AtLeast(
                schedule.gap(3 * schedule.point - eta * schedule.point, 4 * schedule.point),
                schedule.gap(2 * schedule.point, 4 * schedule.point),
                "... and, for any move between 1/2 and 3/4, the interval after it.",
            ),
        ],
        truth=[
            Positive(
                schedule.gap(schedule.point * 2, schedule.point * 4),
                schedule.gap(schedule.point, 3 * schedule.point - eta * schedule.point),
                "Both new distances are below the old largest one.",
                by=eta * schedule.point,
            ),
            Positive(
                schedule.gap(schedule.point * 2, schedule.point * 4),
                schedule.gap(3 * schedule.point - eta * schedule.point, 4 * schedule.point),
                by=schedule.point * (1 - eta),
            ),
        ],
        corrected=r"\text{the largest distance is less than twice the optimum's, for } d(s,t)=t-s",
        origin="wrong idea: a greedy choice that is best when it is made need not be best at the end",
        proof="dirac_schedule",
        consequence=unequal_gaps,
    ),
    Row(
        id="fabian.alg2",
        location="appendix B, algorithm 2",
        printed=r"\text{The technique is summarized in Algorithm 2}",
        verdict="not-checkable",
        reason="The box is lost. As described (start with 0 and 1; split the interval with the largest distance; interpolate linearly) its result is within a factor 2 of the optimum for d(s, t) = t - s.",
        truth=Positive(
            2 * schedule.distance / (1 + schedule.third),
            schedule.distance,
            by=schedule.distance * (1 - schedule.third) / (1 + schedule.third),
        ),
        proof="dirac_schedule",
    ),
    Row(
        id="fabian.p.linear-mask",
        location="appendix B, end, figure 7",
        printed=r"\text{we find that inpainting mask size is scaled almost linearly by our algorithm}",
        verdict="not-checkable",
        reason="A figure. Linear in t is what the released settings take for masks. Where d is a difference of sizes linear is indeed optimal, and the greedy schedule is linear only for 1, 3, 7, ... points.",
        truth=Unequal(schedule.gap(schedule.point * 2, schedule.point * 4), 4 * schedule.point / 3),
        proof="dirac_schedule",
    ),
]


r_squared = guidance.squared

GUIDANCE = [
    Row(
        id="fabian.eq25",
        location="appendix C, eq. 25",
        printed=r"\nabla_{y_t}\log q_t(y_t\mid\tilde y) \approx s_\theta(y_t,t) - \eta_t\nabla_{y_t}\frac{\|\tilde y-A_1(\Phi_\theta(y_t,t))\|^2}{2\sigma_1^2}",
        verdict="conditional",
        reason="As fabian.eq17.",
        condition="the measurement's noise is independent of y_t's, and y_t determines x_0; eta_t = 1",
        claim=[Equal(guidance.printed, guidance.photograph), Equal(guidance.printed, guidance.end)],
        truth=Equal(guidance.printed, guidance.photograph, using=posterior_spread),
        proof="dirac_guidance",
    ),
    Row(
        id="fabian.eq26",
        location="appendix C, eq. 26 and 'standard deviation scaled'",
        printed=r"s_\theta(y_t,t) - \eta_t\nabla_{y_t}\|\tilde y-A_1(\Phi_\theta(y_t,t))\|^2,\quad \eta_t=\frac{\eta}{2\sigma_1^2} \text{ matches (25)}",
        verdict="correct",
        reason="The scale goes into the step size; with eta_t = eta/(2 sigma_1^2) it is (25) with a constant eta, and eta = 1 is Bayes' weight. In a step it is multiplied by sigma_t^2 - sigma_s^2.",
        claim=Equal(eta / (2 * sigma_1**2) * Derivative(r_squared, y_t), eta * Derivative(r_squared / (2 * sigma_1**2), y_t)),
        proof="dirac_guidance",
    ),
    Row(
        id="fabian.p.error-scaled",
        location="appendix C, 'error scaled'",
        printed=r"\eta_t = \frac{\eta}{\|\tilde y-A_1(\Phi_\theta(y_t,t))\|},\ \text{which has been proposed in [6]. This method attempts to normalize the gradient of the data consistency term}",
        verdict="conditional",
        reason="It divides by the residual, not by the gradient: what comes out is 2 eta times the gradient of the norm, of length 2 eta |J^T A^T r|/|r|. As in DPS, where the program's zeta is twice the paper's.",
        condition="the gradient is as long as the residual",
        claim=Equal(
            (zeta * guidance.slope * a_1 * (y_1 - a_1 * x0_mean(y_t))) ** 2 / (y_1 - a_1 * x0_mean(y_t)) ** 2,
            zeta**2,
            "The step's squared length does not depend on the gradient (one coordinate).",
        ),
        truth=[
            Equal(zeta / sqrt(r_squared) * Derivative(r_squared, y_t), 2 * zeta * Derivative(sqrt(r_squared), y_t)),
            Equal(
                (zeta * guidance.slope * a_1 * (y_1 - a_1 * x0_mean(y_t))) ** 2 / (y_1 - a_1 * x0_mean(y_t)) ** 2,
                zeta**2,
                using={a_1: 1 / guidance.slope},
            ),
        ],
        proof="dps",
    ),
    Row(
        id="fabian.p.not-needed",
        location="appendix C and section 3.7, end",
        printed=r"\text{Dirac does not need to rely on } \tilde y \text{ after the initial update for maintaining data-consistency}",
        verdict="conditional",
        reason="With x_0 known the process is a Markov chain, and y_t is all that is needed. With x_0 unknown it is not: y_1 adds the precision (a_1 - a_t)^2/(sigma_1^2 - sigma_t^2) to what y_t says of x_0.",
        condition="x_0 is known, or the degradation stands still from t to 1",
        claim=Equal(sde.precision, 1 / x0_variance),
        truth=[
            Equal(sde.precision - 1 / x0_variance, (a_1 - a_t) ** 2 / (sigma_1**2 - sigma_t**2)),
            Equal(sde.precision, 1 / x0_variance, using={a_1: a_t}),
        ],
        proof="dirac_sde.posterior",
    ),
]


OUTPUT = [
    Row(
        id="fabian.p.noise-in-iterate",
        location="appendix D",
        printed=r"\text{due to geometric noise scheduling there is small magnitude additive noise expected on the final iterate}",
        verdict="correct",
        reason="A geometric schedule never reaches 0: sigma_0 = 0.01. Euler's step leaves more: the level of one step before (fabian.eq7).",
        claim=Positive(steps.kept**2 * sigma_t**2 + steps.fresh, sigma_s**2, by=(sigma_t**2 - sigma_s**2) ** 2 / sigma_t**2),
        proof="dirac_step",
    ),
    Row(
        id="fabian.p.a0",
        location="appendices D and E",
        printed=r"\text{We keep an imperceptible amount of blur for } t=0",
        verdict="conditional",
        reason="So A_0 is not the identity that definition 3.2 asks for. With std 0.3 the neighbours' weight is exp(-50/9), 0.4 percent; the highest frequency along an axis is dimmed by 1.5 percent. Phi, trained on the clean image, has no such blur; the iterate has.",
        condition="the blur at t = 0 is not there",
        claim=Equal(1 - 2 * exp(-Rational(50, 9)), 1 + 2 * exp(-Rational(50, 9)), "The highest frequency's and the mean's factor, kernel (q, 1, q)."),
        truth=Equal(1 - 2 * h, 1 + 2 * h, "q = 0.", using={h: 0}),
        proof="dirac_consistency",
    ),
    Row(
        id="fabian.p.output-phi",
        location="appendix D",
        printed=r"\text{in some experiments taking } \Phi_\theta(y_t,t) \text{ as the final output yields better reconstructions}",
        verdict="correct",
        reason="By squared error the posterior mean of x_0 given the last iterate is always better than the iterate, which carries the noise sigma_0 (A_0 = Id, data N(mu, tau^2)). By perception it need not be.",
        claim=Positive(sigma_s**2, tau**2 * sigma_s**2 / (tau**2 + sigma_s**2), by=sigma_s**4 / (tau**2 + sigma_s**2)),
        proof="dirac_consistency.floor",
    ),
    Row(
        id="fabian.table2",
        location="appendix E, table 2",
        printed=r"\text{Total number of parameters: 67M, 67M, 67M, 126M against 126M, 553M, 126M, 553M}",
        verdict="not-checkable",
        reason="The other rows are lost. Text and table agree. Dirac's networks are half and an eighth to a quarter of the score models', but each is trained for one task, theirs for none.",
        truth=at_least("126 553 126 553", "67 67 67 126"),
    ),
    Row(
        id="fabian.table3",
        location="appendix E, table 3",
        printed=r"\text{Guidance scaling: std, std, error, --}",
        verdict="not-checkable",
        reason="All numbers and the outputs are lost; by the released settings deblurring takes Delta t = 0.02 from t = 1 to 0.25, about 38 evaluations. What the two scalings are is known.",
        truth=[
            Equal(eta / (2 * sigma_1**2) * Derivative(r_squared, y_t), eta * Derivative(r_squared / (2 * sigma_1**2), y_t)),
            AtLeast(Rational(38), (1 - Rational("0.25")) / Rational("0.02")),
        ],
        proof="dirac_guidance",
    ),
    Row(
        id="fabian.p.dps-noise",
        location="appendix G.1.1",
        printed=r"\text{the official implementation of DPS adds the noise to the measurement after scaling it to } [-1,1]. \text{ For the same noise standard deviation, the effect of the noise is halved as compared to applying in } [0,1]",
        verdict="correct",
        reason="sigma on the wide scale is sigma/2 on the narrow one; 0.1 in the program stands for 0.05.",
        claim=InLaw((x_0 + sigma * w + 1) / 2, x01 + sigma / 2 * w, using={x_0: 2 * x01 - 1}),
        proof="units",
    ),
    Row(
        id="fabian.p.ddrm-mask",
        location="appendix G.1.2",
        printed=r"\text{For Gaussian inpainting we set the left and right singular vectors to be identity and store the mask values as the singular values}",
        verdict="correct",
        reason="A mask is diagonal in the pixels. (Its values need no order; DDRM has to divide by those that are nearly 0.)",
        claim=Entries(product(Matrix.diag(*consistency.m_s), Matrix([x_0, consistency.x_a])), Matrix([consistency.m_s[0] * x_0, consistency.m_s[1] * consistency.x_a])),
        proof="operators",
    ),
    Row(
        id="fabian.p.dncnn-parameters",
        location="appendix G.1.3",
        printed=r"\text{pre-trained DnCNN denoiser with 17M parameters}",
        verdict="wrong",
        reason="'17M' is the name of a network in the library that was used: 17 layers, trained for the medium noise level (its siblings are 6L, 6M, 6H, 17L, 17H). Such a network has about 0.55 million weights.",
        claim=AtLeast(Rational(64 * 64 * 9 * 15 + 2 * 64 * 9 * 3), Rational(17 * 10**6)),
        truth=AtLeast(Rational(10**6), Rational(64 * 64 * 9 * 15 + 2 * 64 * 9 * 3)),
        corrected=r"\text{pre-trained DnCNN denoiser `17M': 17 layers, medium noise level, 0.55M parameters}",
        origin="wrong idea: a name is read as a size; the sizes of the other networks are printed in the same form (67M, 126M)",
        consequence=network_size,
    ),
    Row(
        id="fabian.admm-tv",
        location="appendix G.1.4",
        printed=r"\min_x \tfrac12\|y-A(x)\|^2 + \lambda\|Dx\|_{2,1},\quad \|M\|_{2,1} = \sum_i\sqrt{\textstyle\sum_jM_{ij}^2}",
        verdict="correct",
        reason="Isotropic total variation: the length of each pixel's pair of differences. Its prox shortens the pair by lambda and keeps its direction. (Which index is summed inside is lost in the text: pixels outside, directions inside.)",
        claim=Equal(
            ((1 - lam / admm.length) * admm.v1) ** 2 + ((1 - lam / admm.length) * admm.v2) ** 2, (admm.length - lam) ** 2
        ),
        proof="admm",
    ),
]


INCREMENT_VARIANTS = [
    Row(
        id="fabian.eq27",
        location="appendix F, eq. 27",
        printed=r"\mathcal L_{IR}(\Delta t,\theta) = E\big[\omega(t)\|A_\tau(\Phi_\theta(y_t,t))-A_\tau(x_0)\|^2\big]",
        verdict="correct",
        reason="(14) again. The vanilla loss is the case Delta t = 0.",
        claim=Integrals(mean_square(scores.A_phi), (scores.A_phi - average(u)) ** 2 + variance_of_u, "Its minimum at y_t (u is A_tau(x_0))."),
        truth=Equal(tau_of, eta, "Delta t = 0.", using={h: 0}),
        proof="dirac_bounds.loss",
    ),
    Row(
        id="fabian.eq28",
        location="appendix F, eq. 28",
        printed=r"\mathcal L_X(\theta) = E\big[\omega(t)\|\Phi_\theta(y_t,t)-x_0\|^2\big]",
        verdict="correct",
        reason="The case Delta t = 1, where A_0 = Id. It has one minimiser, the posterior mean, so it determines what (12) leaves open. For linear A_t that is also a minimiser of (12): no score is given up.",
        claim=Integrals(mean_square(bounds.estimate), (bounds.estimate - average(u)) ** 2 + variance_of_u),
        truth=Integrals(average(a_t * u), a_t * average(u), "It minimises (12) too, for linear A_t."),
        proof="dirac_bounds.loss",
    ),
    Row(
        id="fabian.p.trade-off",
        location="section 3.5, end, and appendix F",
        printed=r"\text{There is however a trade-off between incremental reconstruction performance and learning the score}",
        verdict="conditional",
        reason="For a network that can represent the posterior mean there is none with linear A_t: that minimises (12), (14) and (28) at once. The vanilla loss' failure at inpainting needs no trade-off either: behind the mask it does not train Phi at all.",
        condition="the network cannot reach the minimum, or A_t is not linear",
        claim=Unequal(expect(a_t * u, 1, sigma_t), a_t * average(u), "At the minimum of (28) the score of linear A_t is missed."),
        truth=[
            Unequal(average(u**2), average(u) ** 2, "For A = x^2 it is missed."),
            Entries(product(scores.mask, scores.phi + scores.hidden), scores.mask * scores.phi, "And the mask's loss does not train what is hidden."),
        ],
        proof="dirac_score.open",
    ),
    Row(
        id="fabian.eq29",
        location="appendix G, eq. 29",
        printed=r"\mathcal R(t,\Delta t;x_0) = A_{t-\Delta t}(x_0)-A_t(x_0)",
        verdict="correct",
        reason="(8) again: to first order -Delta t times the rate.",
        claim=SameOrder(look.ahead, -h * look.D[1], h=h, order=2),
        proof="dirac_lookahead",
    ),
    Row(
        id="fabian.eq30",
        location="appendix G, eq. 30",
        printed=r"\hat{\mathcal R}(t,\Delta t;y_t) = A_{t-\Delta t}(\Phi_\theta(y_t,t))-A_t(\Phi_\theta(y_t,t))",
        verdict="conditional",
        reason="(13) again.",
        condition="linear A_t, Phi the posterior mean; and then as an estimate of E[R | y_t]",
        claim=InLaw(consistency.increment_error, S.Zero),
        truth=Integrals(average((a_s - a_t) * u), a_s * average(u) - a_t * average(u)),
        proof="dirac_consistency.expectation",
    ),
    Row(
        id="fabian.eq31",
        location="appendix G, eq. 31",
        printed=r"\frac{dA_t(x_0)}{dt} \approx \frac{A_t(x_0)-A_{t-\delta}(x_0)}{\delta},\quad 0<\delta<\Delta t",
        verdict="correct",
        reason="A one-sided difference: right to first order, with the error -delta/2 times the second derivative.",
        claim=SameOrder((look.path(0) - look.path(-h)) / h, look.D[1] - h / 2 * look.curvature, h=h, order=2),
        proof="dirac_lookahead",
    ),
    Row(
        id="fabian.eq32",
        location="appendix G, eq. 32",
        printed=r"\hat{\mathcal R} = \frac{\Delta t}{\delta}\big[A_{t-\delta}(\Phi_\theta(y_t,t))-A_t(\Phi_\theta(y_t,t))\big]",
        verdict="correct",
        reason="The sign and the factor are right. With the true picture the error is -Delta t (Delta t - delta)/2 A'': it *grows* as delta shrinks, and vanishes at delta = Delta t, the look-ahead.",
        claim=SameOrder(look.small_ahead, look.ahead - h * (h - look.delta) / 2 * look.curvature, h=h, order=3),
        truth=Equal(look.small_ahead, look.ahead, using={eta: 1}),
        proof="dirac_lookahead",
    ),
    Row(
        id="fabian.p.sla-taylor",
        location="appendix G, after eq. 32",
        printed=r"\text{depending on the sharpness of } A_t, \text{ the first-order Taylor approximation may accumulate large error}",
        verdict="correct",
        reason="The error is of second order in a step and proportional to the curvature of the path in t.",
        claim=Unequal(look.small_ahead - look.ahead, 0, using={look.D[3]: 0, look.D[4]: 0}),
        truth=SameOrder(look.small_ahead - look.ahead, -h * (h - look.delta) / 2 * look.curvature, h=h, order=3),
        proof="dirac_lookahead",
    ),
    Row(
        id="fabian.eq33",
        location="appendix G, eq. 33",
        printed=r"\mathcal R(t,\Delta t;x_0) \approx A_t(x_0)-A_{t+\Delta t}(x_0)",
        verdict="conditional",
        reason="Sign and order are right (error -Delta t^2 A''). But the reverse process starts at t = 1, and there is no severity 1 + Delta t: the first step has nothing to look back at.",
        condition="t + Delta t <= 1, or A is continued beyond 1",
        claim=AtLeast(1, 1 + h, "At the start, t = 1, the severity t + Delta t is on [0, 1]."),
        truth=SameOrder(look.back, look.ahead - h**2 * look.curvature, h=h, order=3),
        proof="dirac_lookahead",
    ),
    Row(
        id="fabian.eq34",
        location="appendix G, eq. 34",
        printed=r"\hat{\mathcal R} = A_t(\Phi_\theta(y_t,t))-A_{t+\Delta t}(\Phi_\theta(y_t,t))",
        verdict="correct",
        reason="(33) with a prediction; right to first order, like (33).",
        claim=SameOrder(look.back, -h * look.D[1] - h**2 / 2 * look.curvature, h=h, order=3),
        proof="dirac_lookahead",
    ),
    Row(
        id="fabian.p.look-back-advantage",
        location="appendix G, after eq. 34",
        printed=r"\text{if the loss in (12) is minimized such that } A_t(\Phi_\theta)=A_t(x_0), \text{ then we also have } A_t(\Phi_\theta)-A_{t+\Delta t}(\Phi_\theta) = A_t(x_0)-A_{t+\Delta t}(x_0)",
        verdict="correct",
        reason="By the transition from t to t + Delta t, for any degradation. (That the loss can be minimised so is a premise that noise forbids.)",
        claim=Equal(
            consistency.A_2(consistency.x_b) - consistency.G(consistency.A_2(consistency.x_b)),
            consistency.A_2(consistency.x_a) - consistency.G(consistency.A_2(consistency.x_a)),
            using={consistency.A_2(consistency.x_b): consistency.A_2(consistency.x_a)},
        ),
        proof="dirac_lookahead",
    ),
    Row(
        id="fabian.eq35",
        location="appendix G, eq. 35",
        printed=r"\mathcal R(t,\Delta t;x_0) \approx \frac{\Delta t}{\delta}\big[A_t(x_0)-A_{t+\delta}(x_0)\big]",
        verdict="conditional",
        reason="Sign, factor and order are right (error -Delta t (Delta t + delta)/2 A''). At t = 1 the severity 1 + delta does not exist, as in (33).",
        condition="t + delta <= 1, or A is continued beyond 1",
        claim=AtLeast(1, 1 + h, "At the start, t = 1."),
        truth=SameOrder(look.small_back, look.ahead - h * (h + look.delta) / 2 * look.curvature, h=h, order=3),
        proof="dirac_lookahead",
    ),
    Row(
        id="fabian.eq36",
        location="appendix G, eq. 36",
        printed=r"\hat{\mathcal R} = \frac{\Delta t}{\delta}\big[A_t(\Phi_\theta(y_t,t))-A_{t+\delta}(\Phi_\theta(y_t,t))\big]",
        verdict="correct",
        reason="(35) with a prediction; right to first order.",
        claim=SameOrder(look.small_back, -h * look.D[1] - h * look.delta / 2 * look.curvature, h=h, order=3),
        proof="dirac_lookahead",
    ),
    Row(
        id="fabian.p.slb-error",
        location="appendix G, after eq. 36",
        printed=r"\text{Compared with LB, the error due to first-order Taylor-approximation is reduced, however potentially higher than in case of SLA}",
        verdict="correct",
        reason="To leading order Delta t (Delta t - delta)/2 < Delta t (Delta t + delta)/2 < Delta t^2, times the curvature.",
        claim=[
            Positive((h**2) ** 2, (h * (h + look.delta) / 2) ** 2, by=h**4 * (1 - eta) * (3 + eta) / 4),
            Positive((h * (h + look.delta) / 2) ** 2, (h * (h - look.delta) / 2) ** 2, by=h**4 * eta),
        ],
        proof="dirac_lookahead",
    ),
]

ROWS = [
    *BACKGROUND,
    *DEGRADATIONS,
    *EQUATIONS,
    *INCREMENTS,
    *CONSISTENCY,
    *TABLES,
    *PROOFS,
    *SCHEDULE,
    *GUIDANCE,
    *OUTPUT,
    *INCREMENT_VARIANTS,
]
