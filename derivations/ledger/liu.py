r"""What `liu` (Liu and Zhang) prints: a poster's boxes, its table and its captions."""

from sympy import Derivative, Integer, Rational, sqrt

from derivations.checker import Equal, InLaw, Unequal
from derivations.ledger import sampler
from derivations.ledger.row import AtLeast, Row
from derivations.ledger.sampler import number
from derivations.posterior import mean, variance
from derivations.predictions import epsilon_from_score, x0_from_score
from derivations.reverse_mean import score_form
from derivations.symbols import declare, get

alpha, alpha_prev, alpha_bar, alpha_bar_prev, alpha_bar_prev2 = get(
    "alpha", "alpha_prev", "alpha_bar", "alpha_bar_prev", "alpha_bar_prev2"
)
beta, beta_prev = get("beta", "beta_prev")
x_0, x_t, s_theta, eps_theta, z, z_t, z_prev, z_new, n_0, w = get(
    "x_0", "x_t", "s_theta", "eps_theta", "z", "z_t", "z_prev", "z_new", "n_0", "w"
)
y, s, sigma, gamma, zeta, mu, tau = get("y", "s", "sigma", "gamma", "zeta", "mu", "tau")

alpha_0 = declare("alpha_0", r"\alpha_0", "the factor before the first step: 1, if t counts from 1", "unit", ("alpha",))
beta_0 = declare("beta_0", r"\beta_0", "the first factor of a product that counts from 0", "unit", ("beta",))
e_1 = declare("e_1", "e_{1}", "the noise of one pixel", "noise", ("e_2",))
e_2 = declare("e_2", "e_{2}", "the noise of another pixel", "noise", ("e_1",))
d = declare("d", "d", "the derivative of x0_hat in x_t", "real", ("s",))
s_2 = declare("s_2", "s'", "another singular value of A", "positive", ("s",))
r_1 = declare("r_1", "r_1", "the residual A x0_hat - y in the first coordinate", "positive", ("r_2",))
r_2 = declare("r_2", "r_2", "the residual A x0_hat - y in the second coordinate", "positive", ("r_1",))

no_bar = sqrt(alpha) * x_0 + sqrt(1 - alpha) * z
marginal = sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * z
noise_left = {eps_theta: epsilon_from_score}

# ScoreALD's term: minus the gradient of |A x_t - y|^2 over 2 (sigma^2 + gamma^2).
tempered = -Derivative((s * x_t - y) ** 2, x_t) / (2 * (sigma**2 + gamma**2))
pull = s * (y - s * x_t) / (sigma**2 + gamma**2)
bayes = (1 - alpha) / sqrt(alpha)
# The gamma with which Bayes' coefficient gives liu's step: 1/(sigma^2 + gamma^2) = bayes/(sigma^2 + gamma'^2).
effective = sqrt(bayes * (sigma**2 + gamma**2) - sigma**2)

# DPS in two coordinates (SVD), with x0_hat = d x_t in each: residual (r_1, r_2), singular values (s, s').
gradient = (2 * d * s * r_1, 2 * d * s_2 * r_2)  # of |A x0_hat - y|^2
gradient_norm = sqrt(gradient[0] ** 2 + gradient[1] ** 2)
residual_norm = sqrt(r_1**2 + r_2**2)


def steps_total(coefficient_one: bool, gamma_value: int) -> float:
    """The measurement's weight, summed over the usual 1000 steps, at sigma = 0.1 in units of [-1, 1]."""
    weight = 1 / (0.1**2 + gamma_value**2)
    return sum(weight * (1 if coefficient_one else (1 - a) / a**0.5) for a in sampler.linear())


def pure_noise_at_once() -> str:
    """alpha_t as a product of noise variances, in the forward formula."""
    betas = [1 - a for a in sampler.linear()]
    first = sampler.marginal(marginal.subs({alpha_bar: 1 - Rational(1, 10**4)}))
    wrong = sampler.marginal(no_bar.subs({alpha: Rational(1, 10**4)}))
    return (
        f"Usual schedule, beta_0 = {number(betas[0])}: alpha_1 = beta_0, so after the first step x_1 has {sampler.beside(wrong, first)}; "
        f"the factor of x_0 is sqrt(alpha_1) = {number(betas[0] ** 0.5)}, and at t = 10 it is {number(_product(betas[:10]) ** 0.5)}. "
        "The image is gone at the first step, and a network trained on such pairs learns nothing about images."
    )


def _product(numbers):
    result = 1.0
    for n in numbers:
        result *= n
    return result


def tempering() -> str:
    """Output of the two readings of gamma = 10, and of the right gamma, on a Gaussian prior."""
    at = {gamma: 10, sigma: Rational(1, 10)}
    one = score_form + pull
    with_bayes = score_form + bayes * pull
    long = sampler.linear()
    options = {"measured": True, "values": at, "alphas": long}
    right = sampler.truth(measured=True, values=at)
    mild, strong = (effective.subs({**at, alpha: Rational(1) - b}) for b in (Rational(1, 10**4), Rational(2, 100)))
    return (
        f"1000 steps, data N(1/2, 1/4), y = 1, sigma = 1/10, gamma = 10. With the coefficient 1, as printed: "
        f"{sampler.beside(sampler.output(one, **options), right)}; with Bayes' coefficient: "
        f"{sampler.beside(sampler.output(with_bayes, **options), right)}. The printed step is a Bayes step whose gamma rises from "
        f"{number(mild)} at t = 1 to {number(strong)} at t = 1000."
    )


def constant_step() -> str:
    """The length of the printed step and of the paper's, early and late, in exact numbers."""
    options = {s: 1, s_2: Rational(1, 2), zeta: 1, r_1: Rational(3, 10), r_2: Rational(8, 10)}
    words = []
    for t in (1000, 500, 1):
        slope = sampler.x0_slope.subs({tau: Rational(1, 2), alpha_bar: sampler.kept_signal(t)})
        lengths = [sqrt(sum((zeta * g / norm) ** 2 for g in gradient)) for norm in (gradient_norm, residual_norm)]
        printed, paper = (e.subs(d, slope).subs(options) for e in lengths)
        words.append(f"t = {t}: {number(printed)} and {number(paper)}")
    return (
        "Data N(1/2, 1/4), singular values 1 and 1/2, residual (0.3, 0.8), zeta = zeta' = 1, usual schedule; the length of the printed "
        f"step and of the paper's: {'; '.join(words)}. At the start the denoised image hardly depends on x_t, so the gradient is "
        "next to nothing; the printed step blows it up to length zeta all the same."
    )


def without_noise() -> str:
    return sampler.compare(score_form, noise=0, long=True)


BOXES = [
    Row(
        id="liu.measurement",
        location="Motivation",
        printed=r"y = Ax_0 + \eta,\quad A \in \mathbb{R}^{M \times N},\quad \eta \sim N(0, \sigma^2 I)",
        verdict="correct",
        reason="The measurement model. Its log-likelihood is -|y - A x|^2/(2 sigma^2) up to a constant, with the gradient A^T(y - A x)/sigma^2 "
        "(one SVD coordinate is checked).",
        claim=[
            InLaw(s * (mu + tau * n_0) + sigma * w, s * mu + sqrt(s**2 * tau**2 + sigma**2) * z, "y for data N(mu, tau^2)."),
            Equal(Derivative(-((y - s * x_t) ** 2) / (2 * sigma**2), x_t), s * (y - s * x_t) / sigma**2),
        ],
        proof="likelihood_score",
    ),
    Row(
        id="liu.forward",
        location="box 'Forward Noising Process (VP)', first formula",
        printed=r"x_t = \sqrt{\alpha_t} x_0 + \sqrt{1 - \alpha_t} z, \text{ for } t = 1, 2, \dots, T",
        verdict="ambiguous",
        reason="Two meanings of alpha_t meet on the poster. If alpha_t is the product of all factors up to t, as the next line defines it, this "
        "formula is right (and is what others write with alpha_bar_t). If it is the factor of one step, as the reverse box needs it, "
        "the bar is missing.",
        readings={
            "alpha_t is the product of the factors of all t steps (here called alpha_bar_t)": InLaw(
                sqrt(alpha) * (sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z_prev) + sqrt(1 - alpha) * z_t, marginal
            ),
            "alpha_t is the factor of step t alone, as in the reverse box": InLaw(no_bar, marginal),
        },
        corrected=r"x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,z",
        origin="other convention: some texts write alpha_t for the product; the reverse box follows those that write it for the factor",
        proof="vp_marginal",
    ),
    Row(
        id="liu.alpha",
        location="box 'Forward Noising Process (VP)', second formula, first part",
        printed=r"\alpha_t = \prod_{i=0}^{t-1} \beta_i",
        verdict="wrong",
        reason="beta_i is the variance that a step *adds*; alpha_t = 1 - beta_t is what it keeps. A product of small variances is next to 0, "
        "so x_t would be pure noise from the first step on. Reading beta_i as the part that is kept saves the forward "
        "formula, but then alpha_t is a product and the reverse box, which needs the factor of one step, is wrong. No reading saves both.",
        claim=[
            Equal(beta_0, 1 - beta_0, "t = 1: alpha_1 = beta_0, and should be 1 - beta_0."),
            Equal(beta * beta_prev, 1 - beta, "t = 2, beta the added variance."),
            Equal(alpha * alpha_prev, alpha, "t = 2, beta_i the kept part: not the factor of one step."),
        ],
        truth=[
            InLaw(sqrt(1 - beta) * n_0 + sqrt(beta) * z_t, z, "alpha_t = 1 - beta_t preserves the variance."),
            Unequal(score_form, score_form.subs(alpha, alpha_bar), "And the reverse step needs the factor of one step."),
        ],
        corrected=r"\alpha_t = 1-\beta_t,\qquad \bar\alpha_t = \prod_{i=1}^{t}\alpha_i",
        origin="slip of the pen: 'product' belongs to alpha_bar, and 1 - beta has become beta; with its own letters the line would be right in a text "
        "that calls the factors beta",
        proof="vp_marginal",
        consequence=pure_noise_at_once,
    ),
    Row(
        id="liu.alphabar",
        location="box 'Forward Noising Process (VP)', second formula, second part",
        printed=r"\bar{\alpha}_t = \prod_{i=0}^t \alpha_i",
        verdict="conditional",
        reason="Time runs over t = 1, ..., T, so the product begins with alpha_1. An additional alpha_0 does no harm if it is 1 (no step, no noise). "
        "In a program whose arrays begin with the first step at index 0 it is one factor too many.",
        condition="alpha_0 = 1, and alpha_i is the factor of one step",
        claim=Equal(alpha_0 * alpha_bar_prev2 * alpha_prev * alpha, alpha_bar, "t = 3, alpha_1 = alpha_bar_1."),
        truth=Equal(alpha_0 * alpha_bar_prev2 * alpha_prev * alpha, alpha_bar, "t = 3, alpha_0 = 1.", using={alpha_0: 1}),
        corrected=r"\bar\alpha_t = \prod_{i=1}^{t}\alpha_i",
        proof="vp_marginal",
    ),
    Row(
        id="liu.noise",
        location="box 'Forward Noising Process (VP)', second formula, third part",
        printed=r"z \sim N(0, 1)",
        verdict="ambiguous",
        reason="z has as many entries as the image. N(0, 1) is right entry by entry, each with its own draw; one scalar draw for the whole image would "
        "shift all its pixels together. (The SDEdit box has N(0, I).)",
        readings={
            "each pixel has its own draw from N(0, 1)": InLaw(
                (sqrt(alpha) * e_1 + sqrt(beta) * z_t, sqrt(alpha) * e_2 + sqrt(beta) * z_prev), (e_1, e_2)
            ),
            "one draw from N(0, 1) for the whole image": InLaw(
                (sqrt(alpha) * e_1 + sqrt(beta) * z_t, sqrt(alpha) * e_2 + sqrt(beta) * z_t), (e_1, e_2)
            ),
        },
        corrected=r"z \sim \mathcal N(0, I)",
        origin="slip of the pen: the same poster has N(0, I) in the SDEdit box",
        proof="vp_marginal",
    ),
    Row(
        id="liu.reverse",
        location="box 'Reverse Denoising Process (DDPM)', first part",
        printed=r"x_{t-1} = \frac{1}{\sqrt{\alpha_t}} * (x_t + (1 - \alpha_t) * s_\theta)",
        verdict="missing-term",
        reason="With alpha_t as the factor of one step this is the mean of x_{t-1} given x_t, and right as a mean. The box offers it as the "
        "process: the fresh noise of each step is missing. (With the poster's own alpha_t, a product, the mean is wrong too.)",
        claim=InLaw(
            mean(x_0, marginal),
            sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z,
            "If the mean alone were x_{t-1}, it would have the noise level t - 1.",
        ),
        truth=[
            Equal(score_form, mean(x0_from_score, x_t), "As a mean the line is right."),
            InLaw(
                mean(x_0, marginal) + sqrt(variance) * z_new,
                sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z,
                "With noise of variance beta_tilde_t (x_0 known) the level is right.",
            ),
        ],
        corrected=r"x_{t-1} = \frac{1}{\sqrt{\alpha_t}}(x_t + (1-\alpha_t)s_\theta) + \sigma_t z,\quad \sigma_t^2 = \tilde\beta_t \text{ or } \beta_t",
        origin="slip of the pen: the poster's samples differ from draw to draw and look like faces, which its program could not do without the noise",
        proof="reverse_mean",
        consequence=without_noise,
    ),
    Row(
        id="liu.score",
        location="box 'Reverse Denoising Process (DDPM)', second part",
        printed=r"s_\theta = -\frac{e_\theta}{\sqrt{1 - \bar{\alpha}_t}}",
        verdict="correct",
        reason="Sign and bar are right, if alpha_bar_t is the product of the factors 1 - beta_i. (e stands for epsilon.)",
        claim=Equal(-eps_theta / sqrt(1 - alpha_bar), s_theta, using=noise_left),
        proof="predictions",
    ),
    Row(
        id="liu.sdedit",
        location="Image Restoration Methods, SDEdit",
        printed=r"x_{t^*} = \sqrt{\bar{\alpha}_{t^*}} y + \sqrt{1 - \bar{\alpha}_{t^*}} z, z \sim N(0, I)",
        verdict="correct",
        reason="SDEdit's start: the measurement is noised as an image would be. It asks for a y of the image's shape (else A^+ y). It is a "
        "definition; what is checked is that it is the forward process applied to y.",
        claim=InLaw(
            sqrt(alpha) * (sqrt(alpha_bar_prev) * y + sqrt(1 - alpha_bar_prev) * z_prev) + sqrt(beta) * z_t,
            sqrt(alpha_bar) * y + sqrt(1 - alpha_bar) * z,
        ),
        truth=Unequal(
            (sqrt(alpha_bar) * (x_0 + sigma * w) + sqrt(1 - alpha_bar) * z,),
            (sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * z,),
            "For a noisy y it is not the law of a noised clean image.",
        ),
        proof="sdedit",
    ),
    Row(
        id="liu.scoreald-gradient",
        location="Image Restoration Methods, ScoreALD: the term",
        printed=r"- \frac{\nabla_{x_t} \|A(x_t) - y\|^2}{2(\sigma^2 + \gamma_t^2)}",
        verdict="correct",
        reason="Sign and factor are right: the 2 in the denominator cancels that of the square, and minus the gradient of the misfit is plus "
        "A^T(y - A x_t)/(sigma^2 + gamma_t^2), which leads towards the measurement. (mashayak's eq. 7 has the sign wrong.)",
        claim=Equal(tempered, pull),
        truth=Unequal(tempered, -pull, "The other sign would drive it away."),
        proof="likelihood_score",
    ),
    Row(
        id="liu.scoreald",
        location="Image Restoration Methods, ScoreALD: the step",
        printed=r"x_{t-1} \leftarrow x_{t-1} - \frac{\nabla_{x_t} \|A(x_t) - y\|^2}{2(\sigma^2 + \gamma_t^2)}",
        verdict="conditional",
        reason="By Bayes a likelihood score enters the reverse step with the coefficient (1 - alpha_t)/sqrt(alpha_t), which lies between 0.0001 and 0.0203 in the usual schedule; here "
        "it is 1. As gamma_t is free, the step is still a Bayes step, with another gamma.",
        condition="gamma_t is not the tempering itself: with the coefficient 1 it stands for the gamma'_t with sigma^2 + gamma'_t^2 = "
        "(1 - alpha_t)/sqrt(alpha_t) (sigma^2 + gamma_t^2), which must be at least sigma^2",
        claim=Equal(score_form + tempered, score_form + bayes * pull),
        truth=Equal(
            score_form + tempered,
            score_form + bayes * s * (y - s * x_t) / (sigma**2 + (bayes * (sigma**2 + gamma**2) - sigma**2)),
            "With gamma' for gamma the two steps are one.",
        ),
        corrected=r"x_{t-1} \leftarrow x_{t-1} - \frac{1-\alpha_t}{\sqrt{\alpha_t}}\,\frac{\nabla_{x_t}\|A x_t - y\|^2}{2(\sigma^2+\gamma_t^2)}",
        origin="other convention: the coefficient is taken into the tuned constant",
        proof="bayes_score",
        consequence=tempering,
    ),
    Row(
        id="liu.gamma",
        location="caption of the ScoreALD pictures",
        printed=r"\gamma_t = [10, 15]",
        verdict="ambiguous",
        reason="A range of values, or the list of two; either way it is large, for pixels in [-1, 1]. It makes sense with the printed coefficient 1 and not "
        "with Bayes' one: summed over the usual 1000 steps the measurement's weight is at least 4 in the first case, in the second at most "
        "0.11 and without effect. So the two departures, the coefficient and the size of gamma, make up for each other.",
        readings={
            "with the printed coefficient 1 the measurement's weight over 1000 steps is above 1, even at gamma = 15 (sigma = 0.1)": AtLeast(
                1000 / (Rational(1, 100) + Integer(15) ** 2), 1
            ),
            "with Bayes' coefficient the measurement's weight over 1000 steps is above 1, even at gamma = 10": AtLeast(
                # sum of beta_t = 10.05, and 1/sqrt(alpha_t) <= 1/sqrt(0.98)
                Rational("10.05") / (sqrt(Rational("0.98")) * 100),
                1,
            ),
        },
        origin="other convention: see the step",
        proof="bayes_score",
        consequence=lambda: f"Weight of the measurement, summed over 1000 steps, sigma = 1/10, gamma = 10: {number(steps_total(True, 10))} with the "
        f"coefficient 1, {number(steps_total(False, 10))} with Bayes' coefficient. " + tempering(),
    ),
    Row(
        id="liu.dps",
        location="Image Restoration Methods, DPS",
        printed=r"x_{t-1} \leftarrow x_{t-1} - \frac{\zeta}{\|\nabla \|A\hat{x}_0 - y\|^2} \cdot \nabla \|A\hat{x}_0 - y\|^2",
        verdict="wrong",
        reason="The paper's algorithm divides by the norm of the *residual*, zeta'/|A x0_hat - y|. Its step's length is 2 zeta' |J^T A^T r|/|r|: small "
        "where the denoiser hardly depends on x_t, and in directions that A hardly sees. Printed is the norm of the *gradient*: the "
        "step has length zeta always. It is another method. The denominator has an odd number of bars, so a second reading is "
        "possible: a stray nabla, and a division by |A x0_hat - y|^2. That is not the paper's step either.",
        claim=[
            Equal(zeta * gradient[0] / gradient_norm, zeta * gradient[0] / residual_norm, "Divided by the gradient's norm."),
            Equal(zeta * gradient[0] / residual_norm**2, zeta * gradient[0] / residual_norm, "Divided by the squared residual."),
        ],
        truth=[
            Equal(
                (zeta * gradient[0] / gradient_norm) ** 2 + (zeta * gradient[1] / gradient_norm) ** 2,
                zeta**2,
                "The printed step has length zeta, whatever the residual.",
            ),
            Equal(
                (zeta * gradient[0] / residual_norm) ** 2 + (zeta * gradient[1] / residual_norm) ** 2,
                4 * zeta**2 * d**2 * (s**2 * r_1**2 + s_2**2 * r_2**2) / (r_1**2 + r_2**2),
                "The paper's has this length.",
            ),
            Equal(
                Derivative(sqrt((s * d * x_t - y) ** 2 + r_2**2), x_t),
                Derivative((s * d * x_t - y) ** 2 + r_2**2, x_t) / (2 * sqrt((s * d * x_t - y) ** 2 + r_2**2)),
                "The paper's quotient is twice the gradient of the norm.",
            ),
        ],
        corrected=r"x_{t-1} \leftarrow x_{t-1} - \frac{\zeta'}{\|A\hat x_0 - y\|}\,\nabla_{x_t}\|A\hat x_0 - y\|^2 "
        r"= x_{t-1} - 2\zeta'\,\nabla_{x_t}\|A\hat x_0 - y\|",
        origin="slip of the pen: the unbalanced bars show that the denominator was edited; the paper's has no nabla in it",
        proof="dps",
        consequence=constant_step,
    ),
]


# The captions

PROSE = [
    Row(
        id="liu.p.noise-level",
        location="caption 'Noise level'",
        printed=r"t=100, \text{ PSNR: } 32.7\,\text{dB}, \text{ LPIPS: } 0.09",
        verdict="not-checkable",
        reason="One image, one pass. It agrees with the two images of mashayak's table 1 at t = 100 (31.20 and 32.59 dB, LPIPS 0.09). At t = 100 of the usual "
        "schedule the noisy image itself, scaled back, has less than 15.5 dB (error (1 - alpha_bar)/alpha_bar), so the denoiser gains more than 17 dB.",
        truth=[
            AtLeast(Rational("0.2"), Rational("32.7") - Rational("32.59"), "Within 0.2 dB of mashayak's sample 2."),
            AtLeast(
                # 15.5 dB with peak 2: (4/error)^20 <= 10^31
                Integer(10) ** 31 * ((1 - alpha_bar) / alpha_bar) ** 20,
                Integer(4) ** 20,
                "The noisy image scaled back: below 15.5 dB.",
                using={alpha_bar: sampler.kept_signal(100)},
            ),
            AtLeast(Rational("32.7") - Rational("15.5"), 17),
        ],
        proof="vp_marginal",
    ),
    Row(
        id="liu.p.different-images",
        location="caption of 'Image Generation using DDPM Method'",
        printed=r"\text{Every random noise will create different set of ``denoised image''}",
        verdict="correct",
        reason="A step is an increasing function of x_t for Gaussian data (its slope is positive), so two different starts end in two different images, with "
        "the same draws in between; and different draws in between make them differ too.",
        claim=[
            AtLeast(
                Derivative((x_t + (1 - alpha) * sampler.SCORE) / sqrt(alpha), x_t).doit(), 0, "The slope of a step on data N(mu, tau^2)."
            ),
            Unequal((score_form + sqrt(beta) * z_new,), (score_form,), "The draw of a step changes the result."),
        ],
        proof="reverse_variance",
    ),
]


# The table


def falling(*figures: str) -> list[AtLeast]:
    """Each figure is at least as large as the next."""
    return [AtLeast(Rational(a), Rational(b)) for a, b in zip(figures, figures[1:], strict=False)]


TABLE = [
    Row(
        id="liu.table.sdedit-inpaint",
        location="table, rows 'Inpaint', SDEdit",
        printed=r"t = 200, 500, 800:\ \text{PSNR } 22.1,\ 19.42,\ 14.8;\ \text{LPIPS } 0.17,\ 0.218,\ 0.43",
        verdict="not-checkable",
        reason="Neither image, mask, seed nor number of runs is given. The order is as it must be: the later the start, the less is left of "
        "the measurement, and both metrics get worse.",
        truth=[*falling("22.1", "19.42", "14.8"), *falling("0.43", "0.218", "0.17")],
        proof="sdedit",
    ),
    Row(
        id="liu.table.sdedit-deconv",
        location="table, rows 'Deconv', SDEdit",
        printed=r"t = 200, 500, 800:\ \text{PSNR } 21.0,\ 18.8,\ 15.9;\ \text{LPIPS } 0.19,\ 0.29,\ 0.39",
        verdict="not-checkable",
        reason="Kernel, sigma, image and seed are not given. The order is as it must be. At t = 500 both figures agree with mashayak's table 2 (18.78 dB, 0.29).",
        truth=[*falling("21.0", "18.8", "15.9"), *falling("0.39", "0.29", "0.19"), AtLeast(Rational("0.05"), Rational("18.8") - Rational("18.78"))],
        proof="sdedit",
    ),
    Row(
        id="liu.table.deconv",
        location="table, 'Deconv', ScoreALD and DPS",
        printed=r"\text{ScoreALD } 25.35\,\text{dB},\ 0.115;\quad \text{DPS } 28.25\,\text{dB},\ 0.055",
        verdict="not-checkable",
        reason="DPS is ahead in both metrics. mashayak's figures for the task with the same methods are more than 3 dB lower, so kernel or noise must differ; "
        "neither document prints them.",
        truth=[*falling("28.25", "25.35"), *falling("0.115", "0.055"), AtLeast(Rational("25.35") - 22, 3), AtLeast(Rational("28.25") - Rational("24.62"), 3)],
        proof="dps",
    ),
    Row(
        id="liu.table.box",
        location="table, 'Inpaint (box)', ScoreALD and DPS",
        printed=r"\text{ScoreALD } 22.7\,\text{dB},\ 0.18;\quad \text{DPS } 31.8\,\text{dB},\ 0.05",
        verdict="not-checkable",
        reason="DPS is ahead in both metrics. Rounded, all four figures are those of mashayak's table 3.",
        truth=[*falling("31.8", "22.7"), *falling("0.18", "0.05"), AtLeast(Rational("0.05"), Rational("31.8") - Rational("31.77"))],
        proof="dps",
    ),
    Row(
        id="liu.table.random",
        location="table, 'Inpaint (random)', ScoreALD and DPS",
        printed=r"\text{ScoreALD } 20.4\,\text{dB},\ 0.31;\quad \text{DPS } 22.0\,\text{dB},\ 0.16",
        verdict="not-checkable",
        reason="DPS is ahead in both metrics, against rao's section 4.4.3. Rounded, all four figures are those of mashayak's table 3 (20.35 rounds to 20.4).",
        truth=[*falling("22.0", "20.4"), *falling("0.31", "0.16"), AtLeast(Rational("0.051"), Rational("20.4") - Rational("20.35"))],
        proof="dps",
    ),
]

ROWS = [*BOXES, *PROSE, *TABLE]
