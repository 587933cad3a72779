r"""What `rao` prints: the appendix line by line, and the sentences that can be checked.

The appendix derives, for DDPM, (.1) the marginal of the forward process, (.2) the reverse step in terms of
the score, (.3) the same in terms of the noise. Its lines are numbered as they stand, app1.line1 and so on.
"""

from sympy import Derivative, Rational, sqrt

from derivations.checker import Equal, InLaw, Unequal
from derivations.ledger import sampler
from derivations.ledger.row import AtLeast, Row, decibels
from derivations.ledger.sampler import learned_noise, number, spread, x0_variance
from derivations.posterior import mean, variance
from derivations.predictions import epsilon_from_score, score_from_epsilon, x0_from_epsilon, x0_from_score
from derivations.reverse_mean import epsilon_form, score_form
from derivations.reverse_variance import exact as exact_noise
from derivations.sdedit import kappa
from derivations.symbols import declare, get

alpha, alpha_prev, alpha_bar, alpha_bar_prev, alpha_bar_prev2 = get(
    "alpha", "alpha_prev", "alpha_bar", "alpha_bar_prev", "alpha_bar_prev2"
)
beta, beta_prev = get("beta", "beta_prev")
x_0, x_t, x_prev, x_prev2, x0_hat, s_theta, eps_theta = get(
    "x_0", "x_t", "x_prev", "x_prev2", "x0_hat", "s_theta", "eps_theta"
)
z, z_t, z_prev, z_new, n_0, w = get("z", "z_t", "z_prev", "z_new", "n_0", "w")
mu, tau, sigma, s, y, gamma = get("mu", "tau", "sigma", "s", "y", "gamma")

noise_eps = {eps_theta: epsilon_from_score}  # epsilon_theta is what the score says it is


# .1  The marginal of the forward process

one_step = sqrt(1 - beta) * x_prev + sqrt(beta) * z_t


def two_steps(second, first):
    """x_t from x_{t-2} with these two draws, as lines 5 and 6 print it."""
    return sqrt(alpha) * sqrt(alpha_prev) * x_prev2 + sqrt(1 - beta) * sqrt(beta_prev) * first + sqrt(beta) * second


nested_steps = sqrt(1 - beta) * (sqrt(1 - beta_prev) * x_prev2 + sqrt(beta_prev) * z_prev) + sqrt(beta) * z_t
nested_same = nested_steps.subs({z_prev: z, z_t: z})
two_merged = sqrt(alpha * alpha_prev) * x_prev2 + sqrt(1 - alpha * alpha_prev) * z
no_bar = sqrt(alpha) * x_0 + sqrt(1 - alpha) * z
marginal = sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * z


def same_draw_everywhere() -> str:
    """One z for all steps: the standard deviations add up."""
    signal, deviation = 1, 0
    for a in sampler.ALPHAS:
        deviation = sqrt(Rational(a)) * deviation + sqrt(Rational(1 - a))
        signal *= Rational(a)
    return (
        f"A forward process of {len(sampler.ALPHAS)} steps that uses one draw z throughout gives x_t the noise variance "
        f"{number((deviation**2).expand())} (it should be {number(1 - signal)})."
    )


def trained_without_bar() -> str:
    """A network that is trained on the pairs of line 7, in a sampler that is right."""
    last = {alpha: Rational(sampler.ALPHAS[-1])}
    pair = sampler.marginal(no_bar.subs(last))
    bars = 1
    for a in sampler.ALPHAS:
        bars *= Rational(a)
    right = sampler.marginal(marginal.subs({alpha_bar: bars}))
    learned = epsilon_form.subs(eps_theta, learned_noise(sqrt(alpha), sqrt(1 - alpha)))
    start, data = sampler.Law(0, 1), sampler.truth()
    short, long = sampler.output(learned, start=start), sampler.output(learned, start=start, alphas=sampler.linear())
    return (
        f"At t = 4 of a short schedule the training images have {sampler.beside(pair, right)}. With the usual 1000 steps even the noisiest "
        f"training image, at t = 1000, keeps the factor {number(sampler.linear()[-1] ** 0.5)} of its signal. A network that is trained on such "
        f"pairs, in a sampler that is right and starts from N(0, 1), on data N(1/2, 1/4): 4 steps give {sampler.beside(short, data)}; 1000 "
        f"steps give {sampler.beside(long, data)}."
    )


APP1 = [
    Row(
        id="rao.app1.line1",
        location="appendix .1, first formula",
        printed=r"x_t = \sqrt{1 - \beta_t} x_{t-1} + \sqrt{\beta_t} z",
        verdict="correct",
        reason="The forward step. z must be a fresh standard normal draw at each t. The name variance preserving "
        "is earned: data of variance 1 keep it.",
        claim=[
            InLaw(one_step.subs(x_prev, n_0), z, "N(0, 1) stays N(0, 1)."),
            InLaw(
                one_step.subs(x_prev, sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z_prev),
                marginal,
                "And noise level t - 1 becomes noise level t.",
            ),
        ],
        proof="vp_marginal",
    ),
    Row(
        id="rao.app1.line2",
        location="appendix .1, second formula",
        printed=r"\alpha_t = 1 - \beta_t",
        verdict="correct",
        reason="The definition, as in the literature: alpha_t is the part of the variance that a step keeps.",
        claim=Equal(alpha, 1 - beta),
        proof="vp_marginal",
    ),
    Row(
        id="rao.app1.line3",
        location="appendix .1, third formula",
        printed=r"\bar{\alpha}_t = \Pi a_t",
        verdict="ambiguous",
        reason="The product has no index of its own and no range: with the free t inside it does not say what is "
        "multiplied. `a` for alpha is a misprint. What is meant is the product over i = 1, ..., t.",
        readings={
            "the product of alpha_i over i = 1, ..., t (here t = 3)": Equal(alpha_bar, alpha * alpha_prev * alpha_bar_prev2),
            "t factors alpha_t, as literally printed (here t = 3)": Equal(
                alpha_bar, alpha**3, using={alpha_bar: alpha * alpha_prev * alpha_bar_prev2}
            ),
        },
        corrected=r"\bar\alpha_t = \prod_{i=1}^{t} \alpha_i",
        origin="slip of the pen: the letter a and the missing index are typing; later lines use the product rightly",
        proof="vp_marginal",
    ),
    Row(
        id="rao.app1.line4",
        location="appendix .1, fourth formula",
        printed=r"x_{t-1} = \sqrt{1 - \beta_{t-1}} x_{t-2} + \sqrt{\beta_{t-1}} z",
        verdict="correct",
        reason="Line 1 with t - 1 for t. As a line of its own it is right; but its z is another draw than line 1's, "
        "and the two bear one name (see line 5).",
        claim=InLaw(
            sqrt(1 - beta_prev) * (sqrt(alpha_bar_prev2) * x_0 + sqrt(1 - alpha_bar_prev2) * z) + sqrt(beta_prev) * z_prev,
            sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z,
        ),
        proof="vp_marginal",
    ),
    Row(
        id="rao.app1.line5",
        location="appendix .1, fifth formula",
        printed=r"x_t = \sqrt{1 - \beta_t} (\sqrt{1 - \beta_{t-1}} x_{t-2} + \sqrt{\beta_{t-1}} z) + \sqrt{\beta_t} z",
        verdict="ambiguous",
        reason="Line 4 put into line 1. Two independent draws are both written z. Read as two draws the line is "
        "right; read as printed, one z twice, the standard deviations add and the law of x_t is wrong.",
        readings={
            "z is a fresh draw in each place": InLaw(nested_steps, two_merged),
            "z is one draw, as literally printed": InLaw(nested_same, two_merged),
        },
        corrected=r"x_t = \sqrt{1-\beta_t}\,(\sqrt{1-\beta_{t-1}}\,x_{t-2} + \sqrt{\beta_{t-1}}\,z_{t-1}) + \sqrt{\beta_t}\,z_t",
        origin="slip of the pen: the last line has the variances that belong to independent draws",
        proof="vp_marginal",
        consequence=same_draw_everywhere,
    ),
    Row(
        id="rao.app1.line6",
        location="appendix .1, sixth formula",
        printed=r"x_t = \sqrt{\alpha_t} \sqrt{\alpha_{t-1}} x_{t-2} + \sqrt{1 - \beta_t} \sqrt{\beta_{t-1}} z + \sqrt{\beta_t} z",
        verdict="ambiguous",
        reason="Line 5 multiplied out, and that is done rightly. The two z are still two draws: if they are taken "
        "for one, the two terms may be added up, and the sum is too large.",
        truth=Equal(two_steps(z, z), nested_same, "The algebra from line 5 is right under both readings."),
        readings={
            "z is a fresh draw in each place": InLaw(two_steps(z_t, z_prev), two_merged),
            "z is one draw, as literally printed": InLaw(two_steps(z, z), two_merged),
        },
        corrected=r"x_t = \sqrt{\alpha_t\alpha_{t-1}}\,x_{t-2} + \sqrt{\alpha_t}\sqrt{\beta_{t-1}}\,z_{t-1} + \sqrt{\beta_t}\,z_t",
        origin="slip of the pen: carried over from line 5",
        proof="vp_marginal",
        consequence=same_draw_everywhere,
    ),
    Row(
        id="rao.p.app1-recursively",
        location="appendix .1, sentence before the last formula",
        printed=r"\text{If we recursively replace the } x_{t-2} \text{ term, we would get:}",
        verdict="conditional",
        reason="Replacing x_{t-2}, x_{t-3}, ... gives t noise terms. They become the single term of the last formula "
        "only by the step that is not there: a weighted sum of independent draws is one draw whose variance is the sum "
        "of the squared weights. Replacement alone does not do that.",
        condition="the draws are independent, and equality is equality in law",
        claim=Equal(
            sqrt(alpha) * sqrt(1 - alpha_prev) + sqrt(1 - alpha),
            sqrt(1 - alpha * alpha_prev),
            "Weights add up, if z is one number.",
        ),
        truth=InLaw(two_steps(z_t, z_prev), two_merged, "Variances add up, for independent draws."),
        corrected=r"\sqrt{\alpha_t}\sqrt{\beta_{t-1}}\,z_{t-1}+\sqrt{\beta_t}\,z_t \overset{d}{=} \sqrt{1-\alpha_t\alpha_{t-1}}\,z",
        proof="vp_marginal",
    ),
    Row(
        id="rao.app1.line7",
        location="appendix .1, last formula",
        printed=r"x_t = \sqrt{\alpha_t} x_0 + \sqrt{1 - \alpha_t} z",
        verdict="wrong",
        reason="alpha_t is the factor of one step, alpha_bar_t that of all t of them. Line 6 already has two factors "
        "before x_{t-2}; the last line has one before x_0. It agrees with the truth at t = 1 only.",
        claim=InLaw(no_bar, marginal),
        truth=[
            InLaw(sqrt(alpha) * (sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z_prev) + sqrt(beta) * z_t, marginal),
            Equal(no_bar, marginal, "At t = 1 it is right.", using={alpha_bar: alpha}),
        ],
        corrected=r"x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,z",
        origin="extraction slip: a bar over a letter is easily lost, line 3 has just introduced alpha_bar_t for this very "
        "formula, and appendix .3 prints it with the bar",
        proof="vp_marginal",
        consequence=trained_without_bar,
    ),
]


# .2  The reverse step in terms of the score

x0_no_bar = (x_t + (1 - alpha_bar) * s_theta) / sqrt(alpha)
first = sqrt(alpha) * (1 - alpha_bar_prev) / (1 - alpha_bar) * x_t  # the first term of all lines
score_term = (1 - alpha) / sqrt(alpha) * s_theta  # the last term from line 6 on


def line2(x0):
    return first + sqrt(alpha_prev) * (1 - alpha) / (1 - alpha_bar) * x0


def line4(denominator):
    weight = sqrt(alpha_prev) * (1 - alpha) / denominator
    return first + weight * x_t + weight * (1 - alpha_bar) * s_theta


together = (1 - alpha_bar) * sqrt(alpha)  # the denominator that is meant in lines 4 and 5
as_printed = 1 - alpha_bar * sqrt(alpha)
line6 = first + (1 - alpha) / together * x_t + score_term
line7 = (alpha * (1 - alpha_bar_prev) + 1 - alpha) * x_t / together + score_term
line8 = (alpha - alpha * alpha_bar_prev + 1 - alpha) * x_t / together + score_term
line10 = x_t / sqrt(alpha) + score_term


def nearly_cancel() -> str:
    """Lines 1 and 2, each alone and both together, with the usual schedule."""
    long = sampler.linear()
    right = sampler.truth()
    alone1 = sampler.output(mean(x0_no_bar, x_t), alphas=long)
    alone2 = sampler.output(line2(x0_hat), alphas=long)
    both = sampler.output(line2(x0_no_bar), alphas=long)
    return (
        f"{sampler.compare(line2(x0_no_bar))} The two slips nearly cancel: sqrt(alpha_(t-1))/sqrt(alpha_t) is close to the true "
        f"1/sqrt(alpha_t). With the usual 1000 steps line 1 alone gives {sampler.beside(alone1, right)}; line 2 alone "
        f"{sampler.beside(alone2, right)}; both together {sampler.beside(both, right)}."
    )


_REPEATED = "the line repeats a mistake of the lines before it"

APP2 = [
    Row(
        id="rao.app2.line1",
        location="appendix .2, first formula",
        printed=r"\hat{x}_0 = \frac{1}{\sqrt{\alpha_t}} (x_t + (1 - \bar{\alpha}_t) s_\theta)",
        verdict="wrong",
        reason="Tweedie's formula divides by the factor of x_0 in x_t, sqrt(alpha_bar_t). With sqrt(alpha_t) the "
        "denoised image keeps nearly the scale of x_t: too dark by sqrt(alpha_bar_(t-1)). Right at t = 1 only.",
        claim=Equal(x0_no_bar, x0_from_score),
        truth=[
            Equal(x0_no_bar, sqrt(alpha_bar_prev) * x0_from_score, "The printed x0_hat is too small by this factor."),
            Equal(x0_no_bar, x0_from_score, "At t = 1 it is right.", using={alpha_bar: alpha}),
        ],
        corrected=r"\hat x_0 = \frac{1}{\sqrt{\bar\alpha_t}}(x_t + (1-\bar\alpha_t)s_\theta)",
        origin="extraction slip: a bar is lost; the bars inside the parentheses are there, and appendix .3 has this formula with it",
        proof="tweedie",
        consequence=lambda: sampler.compare(mean(x0_no_bar, x_t), long=True),
    ),
    Row(
        id="rao.app2.line2",
        location="appendix .2, second formula",
        printed=r"x_{t-1} = \frac{\sqrt{\alpha_t} (1 - \bar{\alpha}_{t-1})}{1 - \bar{\alpha}_t} x_t + "
        r"\frac{\sqrt{\alpha_{t-1}} (1 - \alpha_t)}{1 - \bar{\alpha}_t} \hat{x}_0",
        verdict="wrong",
        reason="A statement about the mean of x_{t-1}. The factor of x0_hat must be sqrt(alpha_bar_(t-1)), the "
        "signal that x_{t-1} contains. At t = 1 and at t = 2 the two are equal, so a test with two steps sees nothing; "
        "from t = 3 on the image is weighted too heavily.",
        claim=Equal(line2(x0_hat), mean(x0_hat, x_t)),
        truth=[
            Equal(line2(x0_hat), mean(x0_hat, x_t), "Right at t = 2.", using={alpha_prev: alpha_bar_prev}),
            Equal(first + sqrt(alpha_bar_prev) * beta / (1 - alpha_bar) * x0_hat, mean(x0_hat, x_t)),
        ],
        corrected=r"E[x_{t-1}\mid x_t] = \frac{\sqrt{\alpha_t}(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}x_t + "
        r"\frac{\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)}{1-\bar\alpha_t}\hat x_0",
        origin="extraction slip: a bar is lost; the first term has it on the same letter",
        proof="posterior",
        consequence=lambda: sampler.compare(line2(x0_hat), long=True),
    ),
    Row(
        id="rao.app2.line3",
        location="appendix .2, third formula",
        printed=r"x_{t-1} = \frac{\sqrt{\alpha_t} (1 - \bar{\alpha}_{t-1})}{1 - \bar{\alpha}_t} x_t + "
        r"\frac{\sqrt{\alpha_{t-1}} (1 - \alpha_t)}{1 - \bar{\alpha}_t} "
        r"\left(\frac{1}{\sqrt{\alpha_t}} (x_t + (1 - \bar{\alpha}_t) s_\theta) \right)",
        verdict="wrong",
        reason="A valid step, line 1 put into line 2, from two wrong premises. The two lost bars nearly cancel: the second term "
        "is too small by the factor sqrt(alpha_(t-1)), which is close to 1.",
        claim=Equal(line2(x0_no_bar), score_form),
        truth=[
            Equal(line2(x0_hat), line2(x0_no_bar), "The substitution is valid.", using={x0_hat: x0_no_bar}),
            Equal(line2(x0_no_bar) - first, sqrt(alpha_prev) * (score_form - first), "What is left of the two slips."),
        ],
        corrected=r"\frac{\sqrt{\alpha_t}(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}x_t + "
        r"\frac{\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)}{1-\bar\alpha_t}\,\frac{1}{\sqrt{\bar\alpha_t}}(x_t + (1-\bar\alpha_t)s_\theta)",
        origin=f"slip of the pen: {_REPEATED}",
        proof="reverse_mean",
        consequence=nearly_cancel,
    ),
    *(
        Row(
            id=f"rao.app2.line{number_}",
            location=f"appendix .2, {words} formula",
            printed=r"x_{t-1} = \frac{\sqrt{\alpha_t} (1 - \bar{\alpha}_{t-1})}{1 - \bar{\alpha}_t} x_t + "
            r"\frac{\sqrt{\alpha_{t-1}} (1 - \alpha_t)}{1 - \bar{\alpha}_t \sqrt{\alpha_t}} x_t + "
            r"\frac{\sqrt{\alpha_{t-1}} (1 - \alpha_t)}{1 - \bar{\alpha}_t \sqrt{\alpha_t}} (1 - \bar{\alpha}_t) s_\theta",
            verdict="wrong",
            reason="Line 3 multiplied out. As printed the denominator is 1 - (alpha_bar_t sqrt(alpha_t)): parentheses are "
            "missing. With them it follows from line 3, and is still wrong for line 3's reason. Neither reading is the mean. "
            + remark,
            claim=[
                Equal(line4(as_printed), score_form, "As printed."),
                Equal(line4(together), score_form, "With the parentheses."),
            ],
            truth=[
                Equal(line2(x0_no_bar), line4(together), "With the parentheses the step from line 3 is valid."),
                Unequal(line2(x0_no_bar), line4(as_printed), "As printed it is not."),
            ],
            corrected=r"\frac{\sqrt{\alpha_t}(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}x_t + "
            r"\frac{\sqrt{\bar\alpha_{t-1}}(1-\alpha_t)}{(1-\bar\alpha_t)\sqrt{\bar\alpha_t}}\big(x_t + (1-\bar\alpha_t)s_\theta\big)",
            origin="slip of the pen: lines 6 to 9 have the parentheses in this denominator",
            proof="reverse_mean",
            consequence=lambda: sampler.compare(line4(as_printed), long=True),
        )
        for number_, words, remark in (
            (4, "fourth", "The next line repeats this one."),
            (5, "fifth", "It repeats the line before."),
        )
    ),
    Row(
        id="rao.app2.line6",
        location="appendix .2, sixth formula",
        printed=r"x_{t-1} = \frac{\sqrt{\alpha_t} (1 - \bar{\alpha}_{t-1})}{1 - \bar{\alpha}_t} x_t + "
        r"\frac{(1 - \alpha_t)}{(1 - \bar{\alpha}_t) \sqrt{\alpha_t}} x_t + \frac{(1 - \alpha_t)}{\sqrt{\alpha_t}} s_\theta",
        verdict="correct",
        reason="Right as a statement about the mean, although it does not follow from the line before: there the factor "
        "sqrt(alpha_(t-1)) stands, here it is gone without a word. That undoes both lost bars at once, which shows that the "
        "author had the bars in mind: with them sqrt(alpha_bar_(t-1))/sqrt(alpha_bar_t) is 1/sqrt(alpha_t).",
        claim=Equal(line6, score_form),
        truth=[
            Unequal(line4(together), line6, "It does not follow from line 5, even with the parentheses."),
            Equal(mean(x0_from_score, x_t), line6, "It follows from lines 1 and 2 with their bars put back."),
        ],
        proof="reverse_mean",
    ),
    Row(
        id="rao.app2.line7",
        location="appendix .2, seventh formula",
        printed=r"x_{t-1} = (\alpha_t (1 - \bar{\alpha}_{t-1}) + 1 - \alpha_t) \frac{x_t}{(1 - \bar{\alpha}_t) \sqrt{\alpha_t}} + "
        r"\frac{(1 - \alpha_t)}{\sqrt{\alpha_t}} s_\theta",
        verdict="correct",
        reason="The terms in x_t over one denominator.",
        claim=[Equal(line7, score_form), Equal(line6, line7, "And the step is valid.")],
        proof="reverse_mean",
    ),
    Row(
        id="rao.app2.line8",
        location="appendix .2, eighth formula",
        printed=r"x_{t-1} = (\alpha_t - \alpha_t \bar{\alpha}_{t-1} + 1 - \alpha_t) \frac{x_t}{(1 - \bar{\alpha}_t) \sqrt{\alpha_t}} + "
        r"\frac{(1 - \alpha_t)}{\sqrt{\alpha_t}} s_\theta",
        verdict="correct",
        reason="Multiplied out; alpha_t cancels.",
        claim=[Equal(line8, score_form), Equal(line7 - score_term, line8 - score_term, "And the step is valid.")],
        proof="reverse_mean",
    ),
    Row(
        id="rao.app2.line9",
        location="appendix .2, ninth formula",
        printed=r"x_{t-1} = (1 - \bar{\alpha}) \frac{x_t}{(1 - \bar{\alpha}_t) \sqrt{\alpha_t}} + \frac{(1 - \alpha_t)}{\sqrt{\alpha_t}} s_\theta",
        verdict="ambiguous",
        reason="alpha_bar has lost its index. alpha_t alpha_bar_(t-1) is alpha_bar_t; only with that index the next line follows.",
        readings={
            "alpha_bar is alpha_bar_t": Equal((1 - alpha_bar) * x_t / together + score_term, score_form),
            "alpha_bar is alpha_bar_(t-1), the one of the line before": Equal(
                (1 - alpha_bar_prev) * x_t / together + score_term, score_form
            ),
        },
        corrected=r"(1-\bar\alpha_t)\frac{x_t}{(1-\bar\alpha_t)\sqrt{\alpha_t}} + \frac{1-\alpha_t}{\sqrt{\alpha_t}}s_\theta",
        origin="slip of the pen: the next line cancels the factor against 1 - alpha_bar_t",
        proof="reverse_mean",
        consequence=lambda: "With the index t - 1: "
        + sampler.compare((1 - alpha_bar_prev) * x_t / together + score_term, noise=exact_noise),
    ),
    Row(
        id="rao.app2.line10",
        location="appendix .2, tenth formula",
        printed=r"x_{t-1} = \frac{x_t}{\sqrt{\alpha_t}} + \frac{(1 - \alpha_t)}{\sqrt{\alpha_t}} s_\theta",
        verdict="correct",
        reason="1 - alpha_bar_t cancels.",
        claim=[
            Equal(line10, mean(x0_from_score, x_t), "It is the posterior mean at x0_hat."),
            Equal((1 - alpha * alpha_bar_prev) * x_t / together + score_term, line10, "And the step is valid, from line 8."),
        ],
        proof="reverse_mean",
    ),
    Row(
        id="rao.app2.line11",
        location="appendix .2, last formula",
        printed=r"x_{t-1} = \frac{1}{\sqrt{\alpha_t}} (x_t + (1 - \alpha_t) s_\theta)",
        verdict="missing-term",
        reason="The mean of x_{t-1} given x_t, and as such right. But it is offered as the sampling step, and as that it lacks "
        "the fresh noise: x_{t-1} given x_t is not a point. (The lines before it leave the noise out too; it is charged here.)",
        claim=InLaw(
            mean(x_0, sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * z),
            sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z,
            "If the mean alone were x_{t-1}, it would have the noise level t - 1.",
        ),
        truth=[
            Equal(score_form, mean(x0_from_score, x_t), "As a mean the line is right."),
            InLaw(
                mean(x_0, sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * z) + sqrt(variance) * z_new,
                sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * z,
                "With noise of variance beta_tilde_t (x_0 known) the level is right.",
            ),
        ],
        corrected=r"x_{t-1} = \frac{1}{\sqrt{\alpha_t}}(x_t + (1-\alpha_t)s_\theta) + \sigma_t z,\quad \sigma_t^2 = \tilde\beta_t \text{ or } \beta_t",
        origin="slip of the pen: a mean is written where a draw is meant, from the first line on; section 2.4.1 names the noise, and figure 3's different "
        "people show that the program had it",
        proof="reverse_mean",
        consequence=lambda: sampler.compare(score_form, noise=0, long=True),
    ),
]


# .3  The reverse step in terms of the noise

forward = sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * z  # x_t of an image, with its true noise
gaussian_noise = -sqrt(1 - alpha_bar) * sampler.SCORE  # E[epsilon | x_t] for data N(mu, tau^2)
left7 = (x_t + (1 - alpha_bar) * s_theta) / sqrt(alpha_bar)
right7 = (x_t + (1 - alpha) / sqrt(1 - alpha_bar) * eps_theta) / sqrt(alpha_bar)

APP3 = [
    Row(
        id="rao.app3.line1",
        location="appendix .3, formula after 'Forward diffusion'",
        printed=r"x_t = \sqrt{\bar{\alpha}_t} X_0 + \sqrt{1 - \bar{\alpha}_t} \epsilon_\theta",
        verdict="ambiguous",
        reason="The bars are right. But epsilon_theta is the network's prediction, a mean, and not the draw that made x_t. The line holds "
        "for the pair (image, draw) and for the pair (x0_hat, epsilon_theta); mixed it does not.",
        readings={
            "X_0 is the denoised image x0_hat and epsilon_theta the prediction": Equal(
                sqrt(alpha_bar) * x0_hat + sqrt(1 - alpha_bar) * eps_theta,
                x_t,
                using={x0_hat: x0_from_score, eps_theta: epsilon_from_score},
            ),
            "X_0 is the clean image and epsilon_theta the prediction (data N(mu, tau^2))": Equal(
                sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * gaussian_noise, x_t, using={x_t: forward}
            ),
        },
        corrected=r"x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon,\qquad "
        r"x_t = \sqrt{\bar\alpha_t}\,\hat x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon_\theta",
        origin="slip of the pen: one letter for the draw and for its prediction; the lines that follow are right for the predictions",
        proof="predictions",
    ),
    Row(
        id="rao.app3.line2",
        location="appendix .3, formula after 'Tweedie's formula'",
        printed=r"X_0 = \frac{1}{\sqrt{\bar{\alpha}_t}} (x_t + (1 - \bar{\alpha}_t) s_\theta)",
        verdict="conditional",
        reason="Tweedie's formula, this time with its bar (appendix .2 has lost it). It gives the mean of the clean image given x_t; "
        "the image itself is not a function of x_t.",
        condition="X_0 stands for E[x_0 | x_t], as in line 1's first reading",
        claim=Equal((x_t + (1 - alpha_bar) * sampler.SCORE) / sqrt(alpha_bar), x_0, using={x_t: forward}),
        truth=Equal(
            (x_t + (1 - alpha_bar) * sampler.SCORE) / sqrt(alpha_bar),
            mu + sqrt(alpha_bar) * tau**2 / spread(alpha_bar) * (x_t - sqrt(alpha_bar) * mu),
            "For data N(mu, tau^2): the regression of x_0 on x_t.",
        ),
        corrected=r"\hat x_0 = E[x_0\mid x_t] = \frac{1}{\sqrt{\bar\alpha_t}}(x_t + (1-\bar\alpha_t)s_\theta)",
        proof="tweedie",
    ),
    Row(
        id="rao.app3.line3",
        location="appendix .3, third formula",
        printed=r"x_t = \sqrt{\bar{\alpha}_t} \left(\frac{1}{\sqrt{\bar{\alpha}_t}} (x_t + (1 - \bar{\alpha}_t) s_\theta) \right) + "
        r"\sqrt{1 - \bar{\alpha}_t} \epsilon_\theta",
        verdict="correct",
        reason="Line 2 put into line 1, for the predictions.",
        claim=Equal(sqrt(alpha_bar) * left7 + sqrt(1 - alpha_bar) * eps_theta, x_t, using=noise_eps),
        proof="predictions",
    ),
    Row(
        id="rao.app3.line4",
        location="appendix .3, fourth formula",
        printed=r"x_t = ((x_t + (1 - \bar{\alpha}_t) s_\theta)) + \sqrt{1 - \bar{\alpha}_t} \epsilon_\theta",
        verdict="correct",
        reason="The factor and its inverse cancel. (Double parentheses are harmless.)",
        claim=Equal(x_t + (1 - alpha_bar) * s_theta + sqrt(1 - alpha_bar) * eps_theta, x_t, using=noise_eps),
        proof="predictions",
    ),
    Row(
        id="rao.app3.line5",
        location="appendix .3, fifth formula",
        printed=r"-(1 - \bar{\alpha}_t) s_\theta = \sqrt{1 - \bar{\alpha}_t} \epsilon_\theta",
        verdict="correct",
        reason="x_t subtracted from both sides.",
        claim=Equal(-(1 - alpha_bar) * s_theta, sqrt(1 - alpha_bar) * eps_theta, using=noise_eps),
        proof="predictions",
    ),
    Row(
        id="rao.app3.line6",
        location="appendix .3, sixth formula",
        printed=r"s_\theta = -\frac{\sqrt{1 - \bar{\alpha}_t}}{(1 - \bar{\alpha}_t)} \epsilon_\theta",
        verdict="correct",
        reason="The score is minus the noise over its standard deviation, sqrt(1 - alpha_bar_t): sign and bar are right, "
        "where mashayak's eq. 16 has lost the bar. The fraction can be shortened to 1/sqrt(1 - alpha_bar_t).",
        claim=Equal(-sqrt(1 - alpha_bar) / (1 - alpha_bar) * eps_theta, s_theta, using=noise_eps),
        proof="predictions",
    ),
    Row(
        id="rao.app3.line7a",
        location="appendix .3, formula after 'Prove', left of the arrow",
        printed=r"x_{t-1} = \frac{1}{\sqrt{\bar{\alpha}_t}} (x_t + (1 - \bar{\alpha}_t) s_\theta)",
        verdict="wrong",
        reason="The right side is x0_hat (line 2), the whole way back to t = 0, and not x_{t-1}. The mean of x_{t-1} has alpha_t without "
        "bars, as appendix .2 ends. The two agree at t = 1.",
        claim=Equal(left7, score_form),
        truth=[
            Equal(left7, x0_from_epsilon, "It is x0_hat.", using={s_theta: score_from_epsilon}),
            Equal(left7, score_form, "At t = 1 it is right.", using={alpha_bar: alpha}),
        ],
        corrected=r"E[x_{t-1}\mid x_t] = \frac{1}{\sqrt{\alpha_t}}(x_t + (1-\alpha_t)s_\theta)",
        origin="slip of the pen: bars where none belong; line 8 goes on with (1 - alpha_t), the right factor",
        proof="reverse_mean",
        consequence=lambda: sampler.compare(left7),
    ),
    Row(
        id="rao.app3.line7b",
        location="appendix .3, formula after 'Prove', right of the arrow",
        printed=r"x_{t-1} = \frac{1}{\sqrt{\bar{\alpha}_t}} (x_t + \frac{1 - \alpha_t}{\sqrt{1 - \bar{\alpha}_t}} \epsilon_\theta)",
        verdict="wrong",
        reason="Two mistakes. The noise must be subtracted: with a plus a sampler adds the noise that it has just found. And the prefactor "
        "is 1/sqrt(alpha_t), without a bar. Wrong at every t, t = 1 too. Lines 8 to 10 have the minus.",
        claim=[
            Equal(right7, epsilon_form, "As printed."),
            Equal(right7, epsilon_form, "At t = 1, where the bar does not matter.", using={alpha_bar: alpha}),
            Equal(right7.subs(eps_theta, -eps_theta), epsilon_form, "With the minus, but with the bar."),
        ],
        truth=Equal(score_form, epsilon_form, "What is to be proved.", using={s_theta: score_from_epsilon}),
        corrected=r"E[x_{t-1}\mid x_t] = \frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}\epsilon_\theta\Big)",
        origin="slip of the pen: the three lines that follow have the minus, so the proof is one of the right statement",
        proof="reverse_mean",
        consequence=lambda: sampler.compare(right7)
        + " With the bar mended and the plus kept: "
        + sampler.compare(epsilon_form.subs(eps_theta, -eps_theta)),
    ),
    Row(
        id="rao.app3.line7",
        location="appendix .3, formula after 'Prove', the equivalence",
        printed=r"x_{t-1} = \frac{1}{\sqrt{\bar{\alpha}_t}} (x_t + (1 - \bar{\alpha}_t) s_\theta) \Leftrightarrow "
        r"x_{t-1} = \frac{1}{\sqrt{\bar{\alpha}_t}} (x_t + \frac{1 - \alpha_t}{\sqrt{1 - \bar{\alpha}_t}} \epsilon_\theta)",
        verdict="wrong",
        reason="The two sides are not equivalent: the left has (1 - alpha_bar_t) where the right has (1 - alpha_t), and the signs differ. "
        "What the three lines after it show is (1 - alpha_t) s_theta = -(1 - alpha_t)/sqrt(1 - alpha_bar_t) epsilon_theta, "
        "which is the right statement.",
        claim=Equal(left7, right7, using={s_theta: score_from_epsilon}),
        truth=Equal(score_form, epsilon_form, using={s_theta: score_from_epsilon}),
        corrected=r"\frac{1}{\sqrt{\alpha_t}}(x_t + (1-\alpha_t)s_\theta) = "
        r"\frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}\epsilon_\theta\Big)",
        origin="slip of the pen: see its two sides",
        proof="reverse_mean",
        consequence=lambda: "Two programs, one for each side, differ. Left: "
        + sampler.compare(left7)
        + " Right: "
        + sampler.compare(right7),
    ),
    Row(
        id="rao.app3.line8",
        location="appendix .3, second formula after 'Prove'",
        printed=r"(1 - \alpha_t) s_\theta \Leftrightarrow -\frac{1 - \alpha_t}{\sqrt{1 - \bar{\alpha}_t}} \epsilon_\theta",
        verdict="correct",
        reason="Right, with = for the arrow: an arrow stands between statements, and here stand two terms. Note the minus and the (1 - alpha_t), "
        "which differ from the line that it is said to prove.",
        claim=Equal((1 - alpha) * s_theta, -(1 - alpha) / sqrt(1 - alpha_bar) * eps_theta, using=noise_eps),
        proof="reverse_mean",
    ),
    Row(
        id="rao.app3.line9",
        location="appendix .3, third formula after 'Prove'",
        printed=r"-(1 - \alpha_t) \frac{\sqrt{1 - \bar{\alpha}_t}}{(1 - \bar{\alpha}_t)} \epsilon_\theta \Leftrightarrow "
        r"-\frac{1 - \alpha_t}{\sqrt{1 - \bar{\alpha}_t}} \epsilon_\theta",
        verdict="correct",
        reason="Line 6 put into the left side.",
        claim=Equal(
            -(1 - alpha) * sqrt(1 - alpha_bar) / (1 - alpha_bar) * eps_theta, (1 - alpha) * s_theta, using=noise_eps
        ),
        proof="reverse_mean",
    ),
    Row(
        id="rao.app3.line10",
        location="appendix .3, last formula",
        printed=r"-\frac{1 - \alpha_t}{\sqrt{1 - \bar{\alpha}_t}} \epsilon_\theta \Leftrightarrow "
        r"-\frac{1 - \alpha_t}{\sqrt{1 - \bar{\alpha}_t}} \epsilon_\theta",
        verdict="correct",
        reason="Both sides are the same term: true, and empty by itself. It closes the chain, whose beginning and end are checked here.",
        claim=Equal(-(1 - alpha) / sqrt(1 - alpha_bar) * eps_theta, (1 - alpha) * s_theta, using={s_theta: score_from_epsilon}),
        proof="reverse_mean",
    ),
]


# Sentences

single_pass_error = x0_variance  # E (x0_hat - x_0)^2 for data N(mu, tau^2)
shared = tau**2 * (1 - (1 - alpha_bar) / spread(alpha_bar))  # Cov(x0_hat, x_0)
misfit = -((y - s * x_t) ** 2)


def past_500() -> str:
    """What is left of x_0 in x0_hat at some t of the usual schedule, for fine and for coarse structure."""
    words = []
    for t in (100, 400, 500, 900):
        at = [(shared / tau**2).subs({tau: width, alpha_bar: sampler.kept_signal(t)}) for width in (Rational(1, 2), 5)]
        words.append(f"t = {t}: {number(at[0])} and {number(at[1])}")
    return (
        "Usual schedule, squared correlation between the denoised and the true image, for data of standard deviation 1/2 (single "
        f"pixels) and 5 (coarse structure, a coefficient that many pixels share): {'; '.join(words)}."
    )


def towards_y() -> str:
    """SDEdit from a measurement that is twice as dark as the truth: the output's mean as t* falls."""
    half = {s: Rational(1, 2), mu: Rational(0), tau: Rational(1, 2), x_0: Rational(1)}
    out = mu + kappa * (s * x_0 - mu)
    far = [f"{number(out.subs(half | {alpha_bar: Rational(a)}))} at alpha_bar = {a}" for a in ("1/10", "1/2", "99/100")]
    return f"Truth x_0 = 1, measured as y = x_0/2 without noise: the output's mean is {', '.join(far)}: it tends to y = 1/2, not to 1."


PROSE = [
    Row(
        id="rao.p.langevin-unique",
        location="section 2.4.1",
        printed=r"\text{Langevin dynamics ... adds a noise term ... and this ensures unique solutions for each inference.}",
        verdict="ambiguous",
        reason="The noise term makes the result of each run another one. In mathematics a unique solution is one that is determined, and "
        "the noise does the contrary.",
        readings={
            "unique: no two runs give the same image": Unequal((score_form + sqrt(beta) * z_new,), (score_form,)),
            "unique: the solution is determined": InLaw(score_form + sqrt(beta) * z_new, score_form),
        },
        proof="reverse_mean",
    ),
    Row(
        id="rao.p.sdedit-fidelity",
        location="section 2.5",
        printed=r"\text{SDEdit ... balance generating a real looking image while maintaining fidelity with the original ground truth image.}",
        verdict="wrong",
        reason="SDEdit never sees the ground truth, it sees the measurement y. As t* goes to 0 its output tends to y, with all the blur and "
        "the mask in it, and not to x_0. The balance is between realism and fidelity to y. "
        "(The document's own figures say so: at small t* the mask stays.)",
        claim=Equal(mu + kappa * (s * x_0 - mu), x_0, "At t* -> 0, for y = s x_0.", using={alpha_bar: 1}),
        truth=Equal(mu + kappa * (s * x_0 - mu), s * x_0, "It is y.", using={alpha_bar: 1}),
        corrected=r"x_{t^*} = \sqrt{\bar\alpha_{t^*}}\,y + \sqrt{1-\bar\alpha_{t^*}}\,z \;\Rightarrow\; "
        r"E[x] = \mu + \kappa(y-\mu),\quad \kappa\to 1 \text{ as } t^*\to 0",
        origin="wrong idea: in its editing use SDEdit starts from a guide that is an image; as an inverse solver the guide is the measurement",
        proof="sdedit",
        consequence=towards_y,
    ),
    Row(
        id="rao.p.scoreald-gradient",
        location="section 2.6",
        printed=r"\text{[ScoreALD] adds a condition based on the gradient of the difference between a prior and the measurement.}",
        verdict="wrong",
        reason="It is the gradient of the *squared* distance between A x_t and y, over 2(sigma^2 + gamma_t^2). The gradient of the difference "
        "itself is the constant A: it does not know how far off the image is. And it is the current image, not a prior, that "
        "is compared.",
        claim=Equal(Derivative(y - s * x_t, x_t), s * (y - s * x_t) / (sigma**2 + gamma**2)),
        truth=Equal(Derivative(misfit / (2 * (sigma**2 + gamma**2)), x_t), s * (y - s * x_t) / (sigma**2 + gamma**2)),
        corrected=r"\nabla_{x_t}\Big(-\frac{\|y-Ax_t\|^2}{2(\sigma^2+\gamma_t^2)}\Big) = \frac{A^\top(y-Ax_t)}{\sigma^2+\gamma_t^2}",
        origin="slip of the pen: a loose sentence; no formula stands beside it",
        proof="likelihood_score",
        consequence=lambda: "The gradient of the difference is -s whatever y is. "
        + sampler.compare((x_t + (1 - alpha) * (s_theta - s)) / sqrt(alpha), measured=True),
    ),
    Row(
        id="rao.p.scoreald-scales",
        location="section 2.6",
        printed=r"\text{It scales this prior by annealed Langevin Dynamics factor.}",
        verdict="ambiguous",
        reason="What is scaled is the likelihood's term, by 1/(sigma^2 + gamma_t^2): the measurement is trusted less. The prior's score keeps the "
        "factor 1 that Bayes gives it.",
        readings={
            "'this prior' is the condition: the likelihood for the variance sigma^2 + gamma_t^2": Equal(
                Derivative(misfit / (2 * (sigma**2 + gamma**2)), x_t),
                sigma**2 / (sigma**2 + gamma**2) * s * (y - s * x_t) / sigma**2,
            ),
            "the prior's score is scaled by that factor": Equal(
                sigma**2 / (sigma**2 + gamma**2) * s_theta + s * (y - s * x_t) / (sigma**2 + gamma**2),
                s_theta + s * (y - s * x_t) / (sigma**2 + gamma**2),
            ),
        },
        proof="likelihood_score",
    ),
    Row(
        id="rao.p.annealing-decreases",
        location="section 2.6.1",
        printed=r"\text{The annealing factor decreases as the timesteps increase.}",
        verdict="ambiguous",
        reason="gamma_t stands for how little x_t says about x_0, so it is large at large noise and falls to 0 as t falls. It decreases as "
        "the sampling *proceeds*; as the index t of this document's formulas *increases* it increases.",
        readings={
            "timesteps counts the steps that the sampler has made (t falls)": AtLeast(
                (1 - alpha_bar) / alpha_bar, (1 - alpha_bar_prev) / alpha_bar_prev
            ),
            "timesteps is the diffusion time t of the formulas": AtLeast(
                (1 - alpha_bar_prev) / alpha_bar_prev, (1 - alpha_bar) / alpha_bar
            ),
        },
        proof="likelihood_score",
    ),
    Row(
        id="rao.p.dps-consistent",
        location="section 2.7",
        printed=r"\text{DPS ... conditioning on the likelihood ..., ensuring that samples remain consistent with given measurements.}",
        verdict="conditional",
        reason="DPS takes the likelihood at x0_hat for the likelihood given x_t. It neglects the variance of x_0 given x_t, so its samples are not "
        "draws from the posterior, and their misfit is not that of the measurement's noise: nothing is ensured.",
        condition="x_t determines x_0 (alpha_bar_t = 1), or any denoiser without uncertainty",
        claim=Equal(
            sampler.x0_slope * s * (y - s * x0_hat) / sigma**2,
            sampler.x0_slope * s * (y - s * x0_hat) / (sigma**2 + s**2 * x0_variance),
            "Data N(mu, tau^2): DPS's term and the exact one.",
        ),
        truth=Equal(
            sampler.x0_slope * s * (y - s * x0_hat) / sigma**2,
            sampler.x0_slope * s * (y - s * x0_hat) / (sigma**2 + s**2 * x0_variance),
            using={alpha_bar: 1},
        ),
        corrected=r"\nabla_{x_t}\log p_t(y\mid x_t) \ne \nabla_{x_t}\log p(y\mid\hat x_0(x_t)) \text{ in general}",
        proof="dps",
        consequence=lambda: "DPS with the likelihood's own weight. "
        + sampler.compare(
            (x_t + (1 - alpha) * (s_theta + sampler.x0_slope * s * (y - s * x0_hat) / sigma**2)) / sqrt(alpha), measured=True
        ),
    ),
    Row(
        id="rao.p.dps-clean-image",
        location="section 2.7",
        printed=r"\text{[DPS] uses a predicted non noisy initial image to condition rather than the current posterior.}",
        verdict="correct",
        reason="The misfit is taken at x0_hat(x_t) and not at x_t; its gradient goes through the denoiser. (The current iterate is "
        "meant by 'current posterior'.)",
        claim=Equal(
            Derivative(-((y - s * sampler.PREDICTIONS[x0_hat]) ** 2) / (2 * sigma**2), x_t),
            sampler.x0_slope * s * (y - s * sampler.PREDICTIONS[x0_hat]) / sigma**2,
        ),
        truth=Unequal(
            Derivative(-((y - s * sampler.PREDICTIONS[x0_hat]) ** 2) / (2 * sigma**2), x_t),
            Derivative(misfit / (2 * sigma**2), x_t),
            "That differs from the gradient at the current image.",
        ),
        proof="dps",
    ),
    Row(
        id="rao.p.unconditional-faces",
        location="section 3.2",
        printed=r"\text{... since the model was trained on a dataset of faces, it will only generate faces.}",
        verdict="conditional",
        reason="An exact sampler returns the law of the data. The DDPM sampler does so only in the limit: it starts from N(0, I) instead of the "
        "law of x_T, its step is Gaussian, and the network's score is not exact.",
        condition="the start has the law of x_T and each step has the exact law of x_{t-1} given x_t (proved for Gaussian data)",
        claim=InLaw(
            (z + (1 - alpha) * sampler.SCORE.subs(x_t, z)) / sqrt(alpha) + sqrt(exact_noise) * z_new,
            sqrt(alpha_bar_prev) * (mu + tau * n_0) + sqrt(1 - alpha_bar_prev) * z_prev,
            "A step from N(0, 1).",
        ),
        truth=InLaw(
            (x_t + (1 - alpha) * sampler.SCORE).subs(x_t, sqrt(alpha_bar) * mu + sqrt(spread(alpha_bar)) * z) / sqrt(alpha)
            + sqrt(exact_noise) * z_new,
            sqrt(alpha_bar_prev) * (mu + tau * n_0) + sqrt(1 - alpha_bar_prev) * z_prev,
            "A step from the law of x_t, data N(mu, tau^2).",
        ),
        proof="reverse_variance",
        consequence=lambda: "Started from N(0, 1): " + sampler.compare(score_form, start=sampler.Law(0, 1), long=True),
    ),
    Row(
        id="rao.p.less-noise",
        location="section 4.1",
        printed=r"\text{The less noise that is added, the easier it is to recover the original image.}",
        verdict="correct",
        reason="For Gaussian data the mean squared error of the single-pass estimate is tau^2 (1 - alpha_bar)/(1 - alpha_bar + alpha_bar tau^2), "
        "which grows with the noise.",
        claim=AtLeast(single_pass_error, single_pass_error.subs(alpha_bar, alpha_bar_prev)),
        proof="reverse_variance",
    ),
    Row(
        id="rao.p.past-500",
        location="section 4.1",
        printed=r"\text{As we go past 500 timesteps, the generated image loses any fidelity to the ground truth.}",
        verdict="conditional",
        reason="Fidelity fades from step to step, without a threshold, and is never lost altogether: the estimate's covariance with the truth "
        "is positive at every t. At t = 500 of the usual schedule single pixels are nearly lost, coarse structure is not.",
        condition="as a limit, alpha_bar_t -> 0; at t = 500 only for detail of small variance",
        claim=Equal(shared, 0),
        truth=[
            Equal(shared, 0, "In the limit.", using={alpha_bar: 0}),
            AtLeast(shared, 0),
            AtLeast(shared.subs(alpha_bar, alpha_bar_prev), shared, "It falls at every step."),
        ],
        corrected=r"\mathrm{Cov}(\hat x_0, x_0) = \frac{\bar\alpha_t\tau^4}{1-\bar\alpha_t+\bar\alpha_t\tau^2} > 0",
        proof="reverse_variance",
        consequence=past_500,
    ),
    Row(
        id="rao.p.past-500-psnr",
        location="section 4.1",
        printed=r"\text{If we went past 500 timestamps, the image would ... provide results with PSNRs less than 20.}",
        verdict="not-checkable",
        reason="The error of a single pass is at most the variance of the data: for an image whose variance is below 0.04 (pixels in [-1, 1], "
        "peak 2) the PSNR of the best estimate stays above 20 dB at every t. So it depends on the image, and no figure is printed. mashayak's "
        "table 1 has 21.96 and 23.47 dB at t = 500.",
        truth=[
            AtLeast(tau**2, single_pass_error, "The error never exceeds the data's variance."),
            AtLeast(4, 10 ** Rational(20, 10) * single_pass_error, "20 dB means peak^2 >= 100 times the error.", using={tau: Rational(1, 5)}),
        ],
        proof="reverse_variance",
        consequence=past_500,
    ),
    Row(
        id="rao.p.sdedit-900",
        location="section 4.3.1",
        printed=r"\text{At 900, a completely new person is generated.}",
        verdict="correct",
        reason="The output depends on y with the weight kappa, which falls with t*; at t* = 900 of the usual schedule next to nothing is left. (In "
        "exact terms never nothing: kappa > 0.)",
        claim=[
            AtLeast(kappa.subs(alpha_bar, alpha_bar_prev), kappa, "A later start keeps less of y."),
            AtLeast(
                Rational(1, 100), kappa, "At t = 900 less than a hundredth, even of coarse structure.",
                using={alpha_bar: sampler.kept_signal(900), tau: 5},
            ),
        ],
        truth=AtLeast(kappa, 0, "But never nothing."),
        proof="sdedit",
        consequence=past_500,
    ),
    Row(
        id="rao.p.deconv-lpips",
        location="section 4.4.1",
        printed=r"\text{The PSNR score of each is pretty close but the LPIPS ... is almost half for DPS.}",
        verdict="not-checkable",
        reason="The figures are not in the text. Those of the two documents with the same task: liu 0.115 and 0.055 (less than half), mashayak "
        "0.19 and 0.11 (more than half). Their PSNRs are 2.9 and 2.6 dB apart, almost a factor two in squared error, which is not close.",
        truth=[
            AtLeast(Rational("0.115") / 2, Rational("0.055"), "liu: below half."),
            AtLeast(Rational("0.11"), Rational("0.19") / 2, "mashayak: above half."),
            decibels("2.62", "1.8"),
            decibels("2.90", "1.9"),
        ],
    ),
    Row(
        id="rao.p.box-psnr",
        location="section 4.4.2",
        printed=r"\text{PSNR is 22 for ScoreALD and 35 for DPS. This is the highest PSNR score for any of the methods.}",
        verdict="not-checkable",
        reason="One image, one run, no seed. What can be said: 35 dB is above every PSNR that liu and mashayak print, by more than 3 dB (liu 31.8 and "
        "mashayak 31.77 for this task), that is less than half of their squared error; their ScoreALD figures agree with the 22.",
        truth=[
            AtLeast(35 - Rational("31.8"), 3),
            decibels("3.2", "2"),
        ],
    ),
    Row(
        id="rao.p.random-dps-worse",
        location="section 4.4.3",
        printed=r"\text{DPS performs much worse than ScoreALD for this task. PSNR is 20 for ScoreALD ...}",
        verdict="not-checkable",
        reason="DPS's figure is not printed, and the next sentence says that 'the algorithm', after naming ScoreALD, has performed much worse. The two "
        "documents with the same task have DPS ahead, in PSNR and in LPIPS, with ScoreALD at the same 20 dB.",
        truth=[
            AtLeast(Rational("22.0"), Rational("20.4"), "liu, PSNR."),
            AtLeast(Rational("0.31"), Rational("0.16"), "liu and mashayak, LPIPS (lower is better)."),
            AtLeast(Rational("22.00"), Rational("20.35"), "mashayak, PSNR."),
        ],
    ),
    Row(
        id="rao.p.unmasked-changes",
        location="section 5",
        printed=r"\text{For the inpainting task ..., all three methods ... change the unmasked portion of the image.}",
        verdict="correct",
        reason="None of the three projects onto the measurement. Even for a pixel that is seen without noise (s = 1, sigma = 0) SDEdit returns mu + "
        "kappa (y - mu) plus noise, and a likelihood term of finite weight pulls but does not clamp.",
        claim=[
            Unequal(mu + kappa * (y - mu), y, "SDEdit: the mean is moved."),
            Unequal(
                tau**2 * (sigma**2 + gamma**2) / (tau**2 + sigma**2 + gamma**2), 0,
                "ScoreALD: at a tempered weight the pixel's variance is not 0.",
            ),
        ],
        proof="sdedit",
    ),
    Row(
        id="rao.p.dps-best",
        location="section 7",
        printed=r"\text{Quantitatively, DPS has the best scores ...}",
        verdict="conditional",
        reason="Section 4.4.3 says that DPS performs much worse than ScoreALD on random masks. Both cannot hold for all tasks: a score that is lower by any "
        "gap is not the best.",
        condition="random masks are left out, or liu's and mashayak's figures are taken for them",
        claim=AtLeast(-declare("gap", r"\Delta", "by how much a score is lower", "positive"), 0, "Lower by a gap, and yet not lower."),
        truth=[
            AtLeast(Rational("22.0"), Rational("20.4"), "liu, random masks."),
            AtLeast(Rational("31.8"), Rational("22.7"), "liu, box."),
            AtLeast(Rational("28.25"), Rational("25.35"), "liu, deconvolution."),
        ],
    ),
]

ROWS = [*APP1, *APP2, *APP3, *PROSE]
