r"""What no document shows alone: contradictions between them, papers against their programs, mistakes in pairs.

Ids are `between.<what>`. A contradiction is `wrong` if one side is refuted, `conditional` or `ambiguous` if a
reading saves both. Differences between a paper and its released program are no mistakes: they are `conditional`,
and the row says under which condition the two are one. Pairs of mistakes that nearly cancel come next, Dirac last.
"""

from sympy import Abs, Derivative, Rational, sqrt

from derivations import dirac_guidance as bridge
from derivations.checker import Equal, InLaw
from derivations.ddim import ddim
from derivations.dmps import per_value
from derivations.ledger import sampler
from derivations.ledger.liu import (
    bayes,
    d,
    gradient,
    gradient_norm,
    no_bar,
    pull,
    r_1,
    r_2,
    tempered,
    tempering,
)
from derivations.ledger.rao import line2, right7, trained_without_bar, x0_no_bar
from derivations.ledger.row import AtLeast, Row, decibels
from derivations.ledger.sampler import beside, learned_noise, number
from derivations.posterior import mean, variance
from derivations.predictions import epsilon_from_score, score_from_epsilon, x0_from_score
from derivations.reverse_mean import epsilon_form, score_form
from derivations.symbols import declare, get
from derivations.units import x01
from derivations.vp_marginal import marginal

alpha, alpha_prev, alpha_bar, alpha_bar_prev, beta = get("alpha", "alpha_prev", "alpha_bar", "alpha_bar_prev", "beta")
x_0, x_t, x0_hat, s_theta, eps_theta = get("x_0", "x_t", "x0_hat", "s_theta", "eps_theta")
z, z_new, w, n_0 = get("z", "z_new", "w", "n_0")
mu, tau, y, s, sigma, gamma, zeta, eta, lam = get("mu", "tau", "y", "s", "sigma", "gamma", "zeta", "eta", "lam")

zeta_paper = declare("zeta_paper", r"\zeta'", "DPS's step size as its paper counts it", "positive", ("zeta",))
mse = declare("mse", r"\mathrm{mse}", "the factor of the released ScoreALD step", "positive", ("zeta",))
g_lik = declare("g_lik", "g", "a likelihood score (one coordinate)", "positive", ("s_theta",))
spread_now = declare("spread_now", "v", "the variance of a Langevin iterate", "positive")

no_bar_step = (x_t - sqrt(1 - alpha) * eps_theta) / sqrt(alpha)  # mashayak's eq. 17
at_updated = per_value.subs(x_t, score_form)
r_norm = sqrt((s * d * x_t - y) ** 2 + r_2**2)  # |A x0_hat - y| in two SVD coordinates, with x0_hat = d x_t


def guided(term, weight=bayes):
    return score_form + weight * term


LETTERS = [
    Row(
        id="between.marginal",
        location="rao appendix .1 (last formula), mashayak eq. 12, liu (forward) against rao appendix .3 (first formula)",
        printed=r"x_t = \sqrt{\alpha_t} x_0 + \sqrt{1 - \alpha_t} z \quad\text{against}\quad "
        r"x_t = \sqrt{\bar{\alpha}_t} X_0 + \sqrt{1 - \bar{\alpha}_t} \epsilon_\theta",
        verdict="wrong",
        reason="Three documents print the marginal without bars, one of them also with bars. With alpha_t = 1 - beta_t (rao, mashayak) only the form "
        "with bars is right; liu's poster defines alpha_t otherwise (liu.forward).",
        claim=InLaw(no_bar, marginal),
        truth=InLaw(sqrt(alpha) * (sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z) + sqrt(beta) * z_new, marginal),
        corrected=r"x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,z",
        origin="extraction slip: where the three print it they have just defined alpha_bar_t, which then is not used",
        proof="vp_marginal",
        consequence=trained_without_bar,
    ),
    Row(
        id="between.score-of-noise",
        location="mashayak eq. 16 (third line) against rao appendix .3 (sixth formula) and liu (reverse)",
        printed=r"\mathbf{s}_{\theta,t} = -\frac{\epsilon_{\theta,t}}{\sqrt{1 - \alpha_t}} \quad\text{against}\quad "
        r"s_\theta = -\frac{e_\theta}{\sqrt{1 - \bar{\alpha}_t}}",
        verdict="wrong",
        reason="rao and liu have the bar, mashayak has not. At t = 1 both are right.",
        claim=Equal(-eps_theta / sqrt(1 - alpha), score_from_epsilon),
        truth=Equal(score_from_epsilon, s_theta, using={eps_theta: epsilon_from_score}),
        corrected=r"s_\theta = -\frac{\epsilon_\theta}{\sqrt{1-\bar\alpha_t}}",
        origin="wrong idea: mashayak's next formula, eq. 17, is computed with the factor without the bar",
        proof="predictions",
        consequence=lambda: sampler.compare(no_bar_step, long=True),
    ),
    Row(
        id="between.reverse-epsilon",
        location="mashayak eq. 17 against rao appendix .3 (right of the arrow)",
        printed=r"\frac{1}{\sqrt{\alpha_t}} (\mathbf{x}_t - \sqrt{1 - \alpha_t} \epsilon_{\theta}) \quad\text{against}\quad "
        r"\frac{1}{\sqrt{\bar{\alpha}_t}} (x_t + \frac{1 - \alpha_t}{\sqrt{1 - \bar{\alpha}_t}} \epsilon_\theta)",
        verdict="wrong",
        reason="The one formula that a program needs most, in the noise epsilon, and neither document has it: mashayak's sign is right and its factor wrong, "
        "rao's factor is right and its sign and prefactor wrong. liu's two formulas together give it.",
        claim=[Equal(no_bar_step, right7), Equal(no_bar_step, epsilon_form), Equal(right7, epsilon_form)],
        truth=Equal(score_form, epsilon_form, "liu's reverse box, its second formula put into its first.", using={s_theta: score_from_epsilon}),
        corrected=r"\frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}\epsilon_\theta\Big)",
        origin="slip of the pen: two different ones",
        proof="reverse_mean",
        consequence=lambda: "mashayak: " + sampler.compare(no_bar_step) + " rao: " + sampler.compare(right7),
    ),
    Row(
        id="between.posterior-mean",
        location="rao appendix .2 (second formula) against mashayak eq. 13",
        printed=r"\frac{\sqrt{\alpha_{t-1}} (1 - \alpha_t)}{1 - \bar{\alpha}_t} \hat{x}_0 \quad\text{against}\quad "
        r"\frac{\sqrt{\bar{\alpha}_{t-1}}(1 - \alpha_t)}{1 - \bar{\alpha}_t} \hat{\mathbf{x}}_0",
        verdict="wrong",
        reason="mashayak has the bar, rao has lost it. They agree at t = 1 and t = 2. Both lose the bar of x0_hat = (...)/sqrt(alpha_bar_t) in the line "
        "beside it; mashayak goes on as if it were there.",
        claim=Equal(line2(x0_hat), mean(x0_hat, x_t)),
        truth=Equal(line2(x0_hat), mean(x0_hat, x_t), "At t = 2.", using={alpha_prev: alpha_bar_prev}),
        corrected=r"\frac{\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)}{1-\bar\alpha_t}\hat x_0",
        origin="extraction slip: a bar",
        proof="posterior",
        consequence=lambda: sampler.compare(line2(x0_hat), long=True),
    ),
    Row(
        id="between.scoreald-sign",
        location="mashayak eq. 7 against liu (ScoreALD)",
        printed=r"-\frac{1}{\sigma^2 + \gamma_t^2} \left( \mathbf{A}^T (\mathbf{b} - \mathbf{A}\mathbf{x}) \right) \quad\text{against}\quad "
        r"- \frac{\nabla_{x_t} \|A(x_t) - y\|^2}{2(\sigma^2 + \gamma_t^2)}",
        verdict="wrong",
        reason="The two are each other's negative. liu's leads to the measurement.",
        claim=Equal(-pull, tempered),
        truth=[Equal(pull, tempered), Equal(pull, Derivative(-((y - s * x_t) ** 2) / (2 * (sigma**2 + gamma**2)), x_t))],
        corrected=r"+\frac{1}{\sigma^2+\gamma_t^2}A^\top(y-Ax_t)",
        origin="slip of the pen: the minus of the exponent is kept although the inner derivative has used it up",
        proof="likelihood_score",
        consequence=lambda: "gamma = 1. mashayak: "
        + sampler.compare(guided(-pull), measured=True, values={gamma: 1})
        + " liu, with Bayes' coefficient: "
        + sampler.compare(guided(pull), measured=True, values={gamma: 1}),
    ),
    Row(
        id="between.dps-step",
        location="mashayak eq. 8 and rajpal eq. 3 against liu (DPS)",
        printed=r"\nabla_{x_t} \log p(y \mid \hat x_0) \quad\text{against}\quad -\frac{\zeta}{\|\nabla \|A\hat{x}_0 - y\|^2} \cdot \nabla \|A\hat{x}_0 - y\|^2",
        verdict="wrong",
        reason="The first is the likelihood's score, of length |J^T A^T r|/sigma^2; the second has length zeta. They are parallel, and no constant zeta makes "
        "them equal: the first goes to 0 with the residual.",
        claim=Equal(zeta * gradient[0] / gradient_norm, gradient[0] / (2 * sigma**2), "In two SVD coordinates, with x0_hat = d x_t."),
        truth=Equal(
            zeta * gradient[0] / gradient_norm,
            gradient[0] / (2 * sigma**2),
            "Equal if zeta is |J^T A^T r|/sigma^2, another one in every step.",
            using={zeta: gradient_norm / (2 * sigma**2)},
        ),
        corrected=r"\frac{1-\alpha_t}{\sqrt{\alpha_t}}\,\nabla_{x_t}\log p(y\mid\hat x_0) \quad\text{or}\quad -\frac{\zeta'}{\|A\hat x_0-y\|}\nabla\|A\hat x_0-y\|^2",
        origin="slip of the pen: see liu.dps",
        proof="dps",
        consequence=lambda: _lengths(),
    ),
]


def _lengths() -> str:
    words = []
    for residual in (Rational(1, 1000), Rational(1)):
        point = {s: 1, get("s_2"): 1, d: 1, r_1: residual, r_2: 0, sigma: Rational(1, 10), zeta: 1}
        likelihood, unit = gradient[0] / (2 * sigma**2), zeta * gradient[0] / gradient_norm
        words.append(f"residual {number(residual)}: {number(likelihood.subs(point))} and {number(unit.subs(point))}")
    return f"A = J = 1, sigma = 0.1, zeta = 1, the likelihood's score and the other step: {'; '.join(words)}."


FIGURES = [
    Row(
        id="between.table-same",
        location="mashayak table 3 and liu's table, box and random masks",
        printed=r"22.70,\ 31.77,\ 20.35,\ 22.00\,\text{dB} \quad\text{and}\quad 22.7,\ 31.8,\ 20.4,\ 22.0\,\text{dB}",
        verdict="not-checkable",
        reason="Four PSNRs agree to rounding, and four LPIPS digit by digit (0.18, 0.05, 0.31, 0.16). Two independent runs of a random sampler hardly do "
        "that: same program, image, masks and seed, in all likelihood. One measurement, printed twice, must not be counted as two.",
        truth=[
            AtLeast(Rational("0.0501"), Abs(Rational(a) - Rational(b)))
            for a, b in (("22.70", "22.7"), ("31.77", "31.8"), ("20.35", "20.4"), ("22.00", "22.0"))
        ],
    ),
    Row(
        id="between.table-deconv",
        location="mashayak table 3 (Blur) against liu's table (Deconv)",
        printed=r"22.00,\ 24.62\,\text{dB};\ 0.19,\ 0.11 \quad\text{against}\quad 25.35,\ 28.25\,\text{dB};\ 0.115,\ 0.055",
        verdict="not-checkable",
        reason="The same task by name, and everything else the same (between.table-same), but more than 3 dB apart for both methods: a factor of more than 2 in "
        "squared error. Kernel, noise level and tuning are printed in neither. (mashayak's DPS stands below liu's ScoreALD.)",
        truth=[decibels("3.35", "2.1"), decibels("3.63", "2.3"), AtLeast(Rational("25.35"), Rational("24.62"))],
    ),
    Row(
        id="between.box-dps",
        location="rao section 4.4.2 against mashayak table 3 and liu's table",
        printed=r"\text{box mask, DPS: } 35\,\text{dB} \quad\text{against}\quad 31.77,\ 31.8\,\text{dB}",
        verdict="not-checkable",
        reason="More than 3 dB apart, a factor of more than 2 in squared error, while ScoreALD's 22 agrees with their 22.7. Random samplers on one image "
        "spread; none prints how much.",
        truth=[decibels("3.2", "2"), AtLeast(1, Rational("22.7") - 22)],
    ),
    Row(
        id="between.random-order",
        location="rao section 4.4.3 against mashayak table 3 and liu's table",
        printed=r"\text{DPS performs much worse than ScoreALD} \quad\text{against}\quad 22.0 > 20.4\,\text{dB},\ 0.16 < 0.31",
        verdict="wrong",
        reason="For random masks the other two have DPS ahead in both metrics, by 1.6 dB and by half of the LPIPS; ScoreALD's 20 dB is the same in all three. As a "
        "statement about the task rao's sentence does not stand; as one about its own run it can be true (zeta is tuned there).",
        claim=[AtLeast(Rational("20.35"), Rational("22.00"), "mashayak."), AtLeast(Rational("20.4"), Rational("22.0"), "liu.")],
        truth=[AtLeast(Rational("22.0"), Rational("20.4")), AtLeast(Rational("0.31"), Rational("0.16"))],
        corrected=r"\text{DPS } 22.0\,\text{dB},\ 0.16;\quad \text{ScoreALD } 20.4\,\text{dB},\ 0.31",
        origin="slip of the pen: the next sentence calls ScoreALD the worse one ('the algorithm has performed much worse')",
        consequence=lambda: f"DPS minus ScoreALD: {number(Rational('22.00') - Rational('20.35'))} dB (mashayak), "
        f"{number(Rational('22.0') - Rational('20.4'))} dB (liu); LPIPS ratio {number(Rational('0.16') / Rational('0.31'))}.",
    ),
    Row(
        id="between.single-pass-500",
        location="rao section 4.1 against mashayak table 1",
        printed=r"\text{past } t = 500 \text{ PSNRs less than } 20 \quad\text{against}\quad t = 500:\ 21.96,\ 23.47\,\text{dB}",
        verdict="conditional",
        reason="At t = 500 mashayak is still 2 to 3.5 dB above 20. Both can hold if 20 dB is crossed later; its own three points fall by about 2 dB in 100 steps.",
        condition="'past 500' means well past it, not at it",
        claim=AtLeast(20, Rational("21.96"), "At t = 500."),
        truth=[
            AtLeast(Rational("21.96"), 20),
            AtLeast(20, Rational("21.96") - (Rational("26.12") - Rational("21.96")), "At t = 700, if it falls on as from 300 to 500."),
        ],
    ),
    Row(
        id="between.sdedit-500",
        location="liu's table against mashayak table 2, SDEdit at t = 500",
        printed=r"\text{Inpaint } 19.42,\ 0.218;\ \text{Deconv } 18.8,\ 0.29 \quad\text{against}\quad \text{Box } 18.48,\ 0.25;\ \text{Random } 16.04,\ 0.33;\ \text{Blur } 18.78,\ 0.29",
        verdict="not-checkable",
        reason="Deconvolution agrees to rounding. liu's 'Inpaint' is neither of mashayak's masks: 0.94 dB above the box.",
        truth=[
            AtLeast(Rational("0.05"), Abs(Rational("18.8") - Rational("18.78"))),
            AtLeast(Rational("19.42") - Rational("18.48"), Rational("0.9")),
            AtLeast(Rational("18.48"), Rational("16.04")),
        ],
        proof="sdedit",
    ),
]


PROGRAMS = [
    Row(
        id="between.dps-zeta",
        location="DPS: algorithm 1 of the paper against the released program",
        printed=r"\frac{\zeta'}{\|r\|}\nabla\|r\|^2 \quad\text{against}\quad \zeta\,\nabla\|r\|",
        verdict="conditional",
        reason="Paper: the squared norm with zeta' over the norm. Program: the norm itself. Since grad |r|^2 = 2 |r| grad |r|, a zeta copied from the program into "
        "the paper's formula doubles every step.",
        condition="zeta = 2 zeta'",
        claim=Equal(
            zeta / sqrt((s * d * x_t - y) ** 2 + r_2**2) * Derivative((s * d * x_t - y) ** 2 + r_2**2, x_t),
            zeta * Derivative(sqrt((s * d * x_t - y) ** 2 + r_2**2), x_t),
            "One zeta in both.",
        ),
        truth=Equal(
            zeta_paper / sqrt((s * d * x_t - y) ** 2 + r_2**2) * Derivative((s * d * x_t - y) ** 2 + r_2**2, x_t),
            zeta * Derivative(sqrt((s * d * x_t - y) ** 2 + r_2**2), x_t),
            using={zeta: 2 * zeta_paper},
        ),
        corrected=r"\zeta = 2\zeta'",
        proof="dps",
    ),
    Row(
        id="between.scoreald-weight",
        location="ScoreALD: the paper against the released program",
        printed=r"\frac{g}{\gamma_t^2+\sigma^2} \quad\text{against}\quad \mathrm{mse}\,\frac{\|s_\theta\|}{\|g\|}\,g",
        verdict="conditional",
        reason="The paper divides the likelihood's gradient g = A^T(y - A x) by a number that is chosen beforehand. The program scales it to a multiple of the score's "
        "length: its size then does not depend on the residual.",
        condition="gamma_t^2 + sigma^2 = |g| / (mse |s_theta|), another gamma in each step and for each image",
        claim=Equal(mse * Abs(s_theta) * g_lik / Abs(g_lik), g_lik / (sigma**2 + gamma**2)),
        truth=Equal(
            (g_lik / (sigma**2 + gamma**2)) ** 2,
            (mse * s_theta) ** 2,
            "Squares, one coordinate: under the condition the two have one length.",
            using={gamma: sqrt(g_lik / (mse * sqrt(s_theta**2)) - sigma**2)},
        ),
        corrected=r"\gamma_t^2 = \frac{\|g\|}{\mathrm{mse}\,\|s_\theta\|} - \sigma^2",
        proof="likelihood_score",
    ),
    Row(
        id="between.scoreald-loop",
        location="ScoreALD: annealed Langevin dynamics of the paper against the DDPM loop of the three reports",
        printed=r"x \leftarrow x + \eta\,s + \sqrt{2\eta}\,z \quad\text{against}\quad x_{t-1} = \frac{1}{\sqrt{\alpha_t}}(x_t + (1-\alpha_t)s) + \sqrt{\beta_t}\,z",
        verdict="conditional",
        reason="Two loops. A Langevin step with a fixed eta keeps N(0, 1) data only in the limit: its stationary variance is 1/(1 - eta/2). A DDPM step with "
        "the noise beta_t keeps them exactly.",
        condition="eta -> 0, many steps at each level",
        claim=InLaw(n_0 + eta * -n_0 + sqrt(2 * eta) * z, z_new, "One Langevin step on N(0, 1) data, s = -x."),
        truth=[
            InLaw(sqrt(1 / (1 - eta / 2)) * (1 - eta) * n_0 + sqrt(2 * eta) * z, sqrt(1 / (1 - eta / 2)) * z_new, "Its stationary law."),
            InLaw((n_0 - (1 - alpha) * n_0) / sqrt(alpha) + sqrt(beta) * z, z_new, "The DDPM step."),
            Equal(1 / (1 - eta / 2), 1, "In the limit.", using={eta: 0}),
        ],
        corrected=r"\mathrm{Var}\,x = \frac{1}{1-\eta/2}",
        proof="reverse_variance",
    ),
    Row(
        id="between.dmps-lambda",
        location="DMPS: the derivation against the released program",
        printed=r"\lambda = 1 \quad\text{against}\quad \lambda = 1.75",
        verdict="conditional",
        reason="Bayes gives the likelihood's score the weight 1. The program's 1.75 is tuned on pictures. On Gaussian data it "
        "pulls too far where the prior is narrow; where it is wide it makes up for the flat prior's error in the mean, and makes the variance worse.",
        condition="lambda = 1",
        claim=Equal(bayes * lam * per_value, bayes * per_value),
        truth=Equal(bayes * lam * per_value, bayes * per_value, using={lam: 1}),
        corrected=r"\frac{1-\alpha_t}{\sqrt{\alpha_t}}\,\nabla_{x_t}\log p(y\mid x_t)",
        proof="dmps",
        consequence=lambda: " ".join(_weights(values) for values in ({}, {tau: 1})),
    ),
    Row(
        id="between.dmps-point",
        location="DMPS: the derivation against the released program",
        printed=r"g(x_t) \quad\text{against}\quad g(x_{t-1}')",
        verdict="conditional",
        reason="The score of p_t(y | x_t) belongs at x_t; the program evaluates the formula of level t at the sample that has already been moved.",
        condition="alpha_t -> 1, many small steps (there is no difference to leading order)",
        claim=Equal(at_updated, per_value),
        truth=Equal(at_updated, per_value, "A step of size 0.", using={alpha: 1}),
        corrected=r"\frac{1}{\sqrt{\bar\alpha_t}}A^\top(\dots)^{-1}\Big(y - \frac{1}{\sqrt{\bar\alpha_t}}Ax_t\Big)",
        proof="dmps",
        consequence=lambda: "At x_t: "
        + sampler.compare(guided(per_value), measured=True, long=True)
        + " At the moved sample: "
        + sampler.compare(guided(at_updated), measured=True, long=True),
    ),
    Row(
        id="between.sdedit-renoise",
        location="SDEdit with a mask: the level to which the known region is noised again",
        printed=r"\sqrt{\bar\alpha}\,y + \sqrt{1-\bar\alpha}\,z \ \text{ at level } t \text{ or } t-1",
        verdict="ambiguous",
        reason="After the step from t to t - 1 the unknown region has the level t - 1, so the known one must get that level too. A program that uses the loop's t "
        "leaves it one level noisier than its surroundings.",
        readings={
            "level t - 1, which the iterate has reached": InLaw(
                mean(y, sqrt(alpha_bar) * y + sqrt(1 - alpha_bar) * z) + sqrt(variance) * z_new,
                sqrt(alpha_bar_prev) * y + sqrt(1 - alpha_bar_prev) * z,
            ),
            "level t, the loop's variable": InLaw(
                mean(y, sqrt(alpha_bar) * y + sqrt(1 - alpha_bar) * z) + sqrt(variance) * z_new,
                sqrt(alpha_bar) * y + sqrt(1 - alpha_bar) * z,
            ),
        },
        corrected=r"\sqrt{\bar\alpha_{t-1}}\,y + \sqrt{1-\bar\alpha_{t-1}}\,z",
        proof="posterior",
    ),
    Row(
        id="between.sigma-units",
        location="sigma = 0.05: on the [0, 1] scale or on [-1, 1]",
        printed=r"y = A x + 0.05\,w",
        verdict="ambiguous",
        reason="Published programs add 0.05 on either scale. The same figure is two noise levels, a factor 2 apart, and the likelihood's weight 1/sigma^2 a "
        "factor 4. rajpal's sigma = 0.01 and liu's sigma name no scale; fabian names [0, 1] for its 0.05, and doubles it for DPS's program (fabian.p.dps-noise).",
        readings={
            "0.05 on [0, 1], which is 0.1 on [-1, 1]": InLaw(2 * (x01 + w / 20) - 1, x_0 + w / 10, using={x01: (x_0 + 1) / 2}),
            "0.05 on [-1, 1]": InLaw(2 * (x01 + w / 20) - 1, x_0 + w / 20, using={x01: (x_0 + 1) / 2}),
        },
        corrected=r"\sigma_{[-1,1]} = 2\,\sigma_{[0,1]}",
        proof="units",
    ),
    Row(
        id="between.ddim-eta",
        location="DDIM: the paper against released programs",
        printed=r"\sigma_t = \eta\sqrt{\tilde\beta_t} \quad\text{against}\quad \sigma_t^2 = \eta\,\tilde\beta_t",
        verdict="conditional",
        reason="The paper's eta scales the standard deviation. With the variance scaled in the fresh noise, and the standard deviation in the coefficient of the old noise, "
        "the marginals are lost.",
        condition="eta is 0 or 1",
        claim=InLaw(
            ddim(x_0, z, eta * sqrt(variance), 0) + sqrt(eta * variance) * z_new,
            sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z,
        ),
        truth=[
            InLaw(ddim(x_0, z, eta * sqrt(variance), z_new), sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z, "The paper's."),
            InLaw(
                ddim(x_0, z, eta * sqrt(variance), 0) + sqrt(eta * variance) * z_new,
                sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z,
                "eta = 1.",
                using={eta: 1},
            ),
        ],
        corrected=r"\sigma_t = \eta\sqrt{\tilde\beta_t}",
        proof="ddim",
        consequence=lambda: "eta = 1/4. Paper: "
        + sampler.compare(_ddim_step(Rational(1, 4), Rational(1, 4)), long=True)
        + " Program: "
        + sampler.compare(_ddim_step(Rational(1, 4), Rational(1, 2)), long=True),
    ),
]


def _weights(values: dict) -> str:
    right = sampler.truth(measured=True, values=values)
    words = []
    for weight in (1, Rational(7, 4)):
        found = sampler.output(guided(per_value, weight * bayes), measured=True, values=values, alphas=sampler.linear())
        words.append(f"lambda = {number(weight)} gives {beside(found, right)}")
    width = {**sampler.DATA, **values}[tau]
    return f"1000 steps, data N(1/2, {number(width**2)}), y = 1, sigma = 1/2: {'; '.join(words)}."


def _ddim_step(old, fresh):
    """A DDIM step with `old` sqrt(beta_tilde) in the coefficient of the old noise, `fresh` sqrt(beta_tilde) as the new one."""
    kept = sqrt(1 - alpha_bar_prev - old**2 * variance)
    return sqrt(alpha_bar_prev) * x0_hat + kept * eps_theta + fresh * sqrt(variance) * z_new


def _lost_bars() -> str:
    long, right = sampler.linear(), sampler.truth()
    laws = [sampler.output(step, alphas=long) for step in (mean(x0_no_bar, x_t), line2(x0_hat), line2(x0_no_bar))]
    return (
        f"1000 steps, linear schedule. The first alone gives {beside(laws[0], right)}; the second alone {beside(laws[1], right)}; "
        f"both together {beside(laws[2], right)}. With four coarse steps the pair cancels less: "
        + sampler.compare(line2(x0_no_bar))
    )


def _mended_by_half() -> str:
    """The coefficient 1 with the gamma of theory, in the same setting as `tempering`."""
    values = {sigma: Rational(1, 10)}
    step = guided(pull, 1).subs(gamma, sqrt((1 - alpha_bar) / alpha_bar))
    found = sampler.output(step, measured=True, values=values, alphas=sampler.linear())
    return f"{tempering()} With the coefficient 1 and gamma_t^2 = (1 - alpha_bar_t)/alpha_bar_t it blows up: mean {number(found.mean)}."


def _no_bar_twice() -> str:
    long, right, start = sampler.linear(), sampler.truth(), sampler.Law(0, 1)
    learned = learned_noise(sqrt(alpha), sqrt(1 - alpha))
    laws = [
        sampler.output(epsilon_form.subs(eps_theta, learned), alphas=long, start=start),
        sampler.output(no_bar_step, alphas=long, start=start),
        sampler.output(no_bar_step.subs(eps_theta, learned), alphas=long, start=start),
    ]
    return (
        f"1000 steps, linear schedule, started from N(0, 1). Trained by eq. 12, sampled rightly: {beside(laws[0], right)}. Trained rightly, sampled by "
        f"eq. 17: {beside(laws[1], right)}. Trained by eq. 12 and sampled by eq. 17: {beside(laws[2], right)}."
    )


PAIRS = [
    Row(
        id="between.pair-lost-bars",
        location="rao appendix .2, first and second formula, put together in the third",
        printed=r"\frac{1}{\sqrt{\alpha_t}}(\dots) \quad\text{and}\quad \frac{\sqrt{\alpha_{t-1}}(1-\alpha_t)}{1-\bar\alpha_t}\hat x_0",
        verdict="wrong",
        reason="Two lost bars that nearly cancel: the true factor is sqrt(alpha_bar_(t-1))/sqrt(alpha_bar_t) = 1/sqrt(alpha_t), the printed one "
        "sqrt(alpha_(t-1))/sqrt(alpha_t). Each alone ruins the sampler, both together pass for right on 1000 small steps. Whoever mends one of them only "
        "makes the program worse.",
        claim=Equal(line2(x0_no_bar), score_form),
        truth=[
            Equal(line2(x0_no_bar), score_form, "At t = 1, where there is no earlier step, the pair is right.", using={alpha_prev: 1, alpha_bar_prev: 1, alpha_bar: alpha}),
            Equal(mean(x0_from_score, x_t), score_form, "With both bars it is right at every t."),
        ],
        corrected=r"\frac{1}{\sqrt{\bar\alpha_t}}(\dots) \quad\text{and}\quad \frac{\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)}{1-\bar\alpha_t}\hat x_0",
        origin="extraction slip: see rao.app2.line1 and rao.app2.line2",
        proof="reverse_mean",
        consequence=_lost_bars,
    ),
    Row(
        id="between.pair-no-bar",
        location="mashayak eq. 12 (training pairs) and eqs. 16, 17 (sampling step); rao appendix .1 has the first of them",
        printed=r"x_t = \sqrt{\alpha_t} x_0 + \sqrt{1 - \alpha_t} z \quad\text{and}\quad x_{t-1} = \frac{1}{\sqrt{\alpha_t}} (x_t - \sqrt{1 - \alpha_t} \epsilon_{\theta})",
        verdict="wrong",
        reason="Two mistakes that fit each other. A network that is trained on pairs without the bar predicts noise of standard deviation sqrt(1 - alpha_t), "
        "and for that network -epsilon/sqrt(1 - alpha_t) is the score, of the wrong marginal. The pair is far better than either alone, and still wrong.",
        claim=[Equal(no_bar_step, epsilon_form), InLaw(no_bar, marginal)],
        truth=Equal(
            -learned_noise(sqrt(alpha), sqrt(1 - alpha)) / sqrt(1 - alpha),
            -(x_t - sqrt(alpha) * mu) / (1 - alpha + alpha * tau**2),
            "Data N(mu, tau^2): the score of the marginal without bars is what eq. 16 makes of that network's noise.",
        ),
        corrected=r"x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,z,\quad x_{t-1} = \frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}\epsilon_\theta\Big)",
        origin="slip of the pen: eq. 12's bar may be lost in extraction (its text defines alpha_bar_t), that of eq. 16 is not: eq. 17 is computed without it",
        proof="predictions",
        consequence=_no_bar_twice,
    ),
    Row(
        id="between.pair-scoreald",
        location="liu (ScoreALD): the coefficient 1 and gamma_t = [10, 15]",
        printed=r"x_{t-1} - \frac{\nabla\|A(x_t) - y\|^2}{2(\sigma^2 + \gamma_t^2)} \quad\text{and}\quad \gamma_t = [10, 15]",
        verdict="conditional",
        reason="The coefficient is 50 to 10000 times too large, gamma^2 about as much: the quotient is of the right size. Whoever mends the coefficient and keeps "
        "gamma gets a sampler that ignores the measurement; whoever keeps the coefficient and takes gamma from theory, one that blows up.",
        condition="both departures together; see liu.scoreald for the gamma that they stand for",
        claim=Equal(guided(pull, 1), guided(pull)),
        truth=AtLeast(1, bayes, "The coefficient 1 is above Bayes' for alpha_t >= 1/2 (here 0.98).", using={alpha: Rational("0.98")}),
        corrected=r"\frac{1-\alpha_t}{\sqrt{\alpha_t}}\,\frac{A^\top(y-Ax_t)}{\sigma^2+\gamma_t'^2},\quad \gamma_t'\approx 0.1 \text{ to } 1.4",
        proof="bayes_score",
        consequence=_mended_by_half,
    ),
]

DIRAC = [
    Row(
        id="between.dirac-score",
        location="fabian eq. 16 against mashayak eq. 5 and rajpal (first equation): the score given the measurement",
        printed=r"\nabla\log q_t(y_t\mid\tilde y) \quad\text{against}\quad \nabla\log p_t(x_t\mid y)",
        verdict="conditional",
        reason="The same formula, put into a reverse equation with the forward drift unchanged. In the other documents the measurement has noise of its own, and given y the forward process is still the same: there it is right. "
        "In Dirac the measurement is the process' own end, given which the forward process is a bridge, and the same step counts the measurement twice.",
        condition="the measurement's noise is independent of the process'",
        claim=Equal(
            -bridge.speed + bridge.growth * Derivative(-bridge.bridge_misfit / 2, bridge.y_t),
            -bridge.speed + bridge.growth * bridge.conditional,
            "The process' own end: one picture, drift u, score given x_0 and the end.",
        ),
        truth=Equal(
            -(bridge.speed + bridge.growth * bridge.bridge) + bridge.growth * Derivative(-bridge.bridge_misfit / 2, bridge.y_t),
            -bridge.speed + bridge.growth * bridge.conditional,
            "With the bridge's drift the pull to the end cancels.",
        ),
        corrected=r"E\Big[\frac{A_t(x_0)-y_t}{\sigma_t^2}\,\Big|\,y_t,\tilde y\Big]",
        proof="dirac_guidance.bridge",
    ),
    Row(
        id="between.dirac-error-scaled",
        location="fabian appendix C (error scaled) against liu (DPS) and DPS's program",
        printed=r"\frac{\eta}{\|r\|}\nabla\|r\|^2 \quad\text{against}\quad \frac{\zeta}{\|\nabla\|r\|^2\|}\nabla\|r\|^2 \quad\text{and}\quad \zeta\nabla\|r\|",
        verdict="conditional",
        reason="fabian has DPS's formula as its paper prints it; liu divides by the gradient instead of the residual (liu.dps). Against the program an eta is worth 2 zeta (between.dps-zeta).",
        condition="zeta = 2 eta (program); the gradient is as long as the residual (liu)",
        claim=[
            Equal(zeta_paper / r_norm * Derivative(r_norm**2, x_t), zeta * Derivative(r_norm, x_t), "The program."),
            Equal(zeta_paper * gradient[0] / sqrt(r_1**2 + r_2**2), zeta_paper * gradient[0] / gradient_norm, "liu's."),
        ],
        truth=Equal(zeta_paper / r_norm * Derivative(r_norm**2, x_t), zeta * Derivative(r_norm, x_t), using={zeta: 2 * zeta_paper}),
        proof="dps",
    ),
    Row(
        id="between.dirac-dps-inpainting",
        location="fabian's tables against mashayak table 3 and liu's table: DPS, inpainting",
        printed=r"\text{FFHQ } 21.06,\ \text{ImageNet } 22.71\,\text{dB} \quad\text{against}\quad \text{box } 31.77,\ 31.8;\ \text{random } 22.00,\ 22.0\,\text{dB}",
        verdict="not-checkable",
        reason="9 to 11 dB below the others' box, about their random mask. The masks differ (a wide smooth one here), and the images; none prints how much is hidden. What can be said: a DPS figure means nothing without its mask.",
        truth=[decibels("10.71", "11"), decibels("9.06", "8"), AtLeast(1, Rational("22.71") - 22)],
    ),
    Row(
        id="between.dirac-dps-blur",
        location="fabian's tables against mashayak table 3 and liu's table: DPS, Gaussian blur",
        printed=r"\text{FFHQ } 25.56,\ \text{ImageNet } 21.51\,\text{dB} \quad\text{against}\quad 24.62 \text{ and } 28.25\,\text{dB}",
        verdict="not-checkable",
        reason="fabian's two figures, 4 dB apart, have one kernel (61 pixels, std 3) and one noise; only the images differ. The other two print neither kernel nor noise, so their 3.6 dB (between.table-deconv) may be images too.",
        truth=[decibels("4.05", "2.5"), decibels("3.63", "2.3"), AtLeast(Rational("28.25"), Rational("25.56")), AtLeast(Rational("25.56"), Rational("24.62"))],
    ),
    Row(
        id="between.dirac-dps-rank",
        location="fabian's tables against mashayak table 3 and liu's table: DPS among the methods",
        printed=r"\text{DPS below DDRM (PSNR, four of four) and PnP-ADMM (deblurring)} \quad\text{against}\quad \text{DPS first}",
        verdict="not-checkable",
        reason="No contradiction: mashayak and liu compare DPS with ScoreALD and SDEdit, fabian with methods that restore without sampling. By squared error a sampler pays up to 3 dB for its draw; by FID on ImageNet deblurring DPS is first of all.",
        truth=[
            *(AtLeast(Rational(a), Rational(b)) for a, b in (("27.21", "25.56"), ("25.62", "21.06"), ("24.53", "21.51"), ("25.92", "22.71"))),
            *(AtLeast(Rational(a), Rational(b)) for a, b in (("27.02", "25.56"), ("25.02", "21.51"), ("53.91", "52.60"))),
        ],
    ),
]

ROWS = [*LETTERS, *FIGURES, *PROGRAMS, *PAIRS, *DIRAC]
