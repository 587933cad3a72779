r"""SDEdit: what its start does.

SDEdit noises the measurement up to a level t*, and lets the unconditional reverse process run from
there:

.. math:: x_{t^*} = \sqrt{\bar\alpha_{t^*}}\, y + \sqrt{1-\bar\alpha_{t^*}}\, z .

Two questions have exact answers for y = x_0 + sigma w. Is x_{t*} distributed like a noised clean
image? No: it carries alpha_bar sigma^2 too much variance, which matters less the larger t* is.
And how much of the measurement survives? For a Gaussian prior N(mu, tau^2) and an exact reverse
process the output is

.. math:: x = \mu + \kappa\,(y - \mu) + \text{noise}, \qquad
          \kappa = \frac{\bar\alpha\tau^2}{\bar\alpha\tau^2 + 1 - \bar\alpha},

a contraction towards the prior's mean that falls from 1 at t* = 0 to 0 as alpha_bar -> 0. That is the
trade between fidelity and realism, and it knows nothing of sigma: SDEdit is not a posterior sampler.
"""

from sympy import sqrt

from derivations.checker import Code, Derivation, Equal, InLaw, Positive, Unequal, chain
from derivations.symbols import declare, get

alpha, alpha_bar, alpha_bar_prev = get("alpha", "alpha_bar", "alpha_bar_prev")
mu, tau, sigma, x_0, y = get("mu", "tau", "sigma", "x_0", "y")
n_0, w, z, z_t, z_new = get("n_0", "w", "z", "z_t", "z_new")

start = sqrt(alpha_bar) * y + sqrt(1 - alpha_bar) * z
measured = {y: x_0 + sigma * w}
spread = alpha_bar * tau**2 + 1 - alpha_bar
kappa = alpha_bar * tau**2 / spread
kappa_prev = kappa.subs(alpha_bar, alpha_bar_prev)


def reverse(x_t, z):
    """An exact reverse process ends in a draw from p(x_0 | x_t); here the prior is N(mu, tau^2)."""
    return mu + kappa * (x_t / sqrt(alpha_bar) - mu) + tau * sqrt(1 - kappa) * z


noised = sqrt(alpha_bar) * (mu + tau * n_0) + sqrt(1 - alpha_bar) * z_t
matched = {sigma: sqrt((1 - alpha_bar) / alpha_bar)}

derivation = Derivation(
    name="sdedit",
    title="SDEdit's start and its contraction",
    statement=r"For $y = x_0 + \sigma w$: $x_{t^*}\mid x_0 \sim \mathcal N(\sqrt{\bar\alpha}x_0,\ 1-\bar\alpha+\bar\alpha\sigma^2)$. "
    r"For the prior $\mathcal N(\mu,\tau^2)$ and an exact reverse process, given $y$: "
    r"$x = \mu + \kappa(y-\mu) + $ noise with $\kappa=\frac{\bar\alpha\tau^2}{\bar\alpha\tau^2+1-\bar\alpha}$, strictly decreasing in "
    r"$t^*$. It has the posterior's mean only if $\frac{1-\bar\alpha}{\bar\alpha}=\sigma^2$, and then too much variance.",
    assumptions=["Gaussian prior (each coordinate, or the prior's eigenbasis); the reverse process is exact."],
    leans_on=["vp_marginal", "bayes_score"],
    steps=[
        InLaw(
            start,
            sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar + alpha_bar * sigma**2) * z_new,
            "The measurement's noise is scaled down and stays: variances add.",
            using=measured,
        ),
        Unequal(
            (start,),
            (sqrt(alpha_bar) * x_0 + sqrt(1 - alpha_bar) * z_new,),
            "So the start is not a draw from q(x_t | x_0), unless sigma = 0.",
            using=measured,
        ),
        Equal(
            (1 - alpha_bar + alpha_bar * sigma**2) / alpha_bar,
            (1 - alpha_bar) / alpha_bar + sigma**2,
            "Its noise-to-signal ratio is the level's own plus sigma^2: as if it stood at a slightly later t.",
        ),
        InLaw(
            (mu + tau * n_0, noised),
            (reverse(sqrt(alpha_bar) * mu + sqrt(spread) * z, z_new), sqrt(alpha_bar) * mu + sqrt(spread) * z),
            "An exact reverse process draws from p(x_0 | x_t): the pair (x_0, x_t) has the right joint law.",
        ),
        *chain(
            reverse(start, 0),
            (
                (1 - kappa) * mu + kappa * y + kappa * sqrt((1 - alpha_bar) / alpha_bar) * z,
                "Start it from y instead: the output's mean is a weighted mean of mu and y.",
            ),
        ),
        Equal(
            reverse(sqrt(alpha_bar) * y, 0) - reverse(sqrt(alpha_bar) * x_0, 0),
            kappa * (y - x_0),
            "Two measurements y and x_0 with the same draws: their distance is multiplied by kappa.",
        ),
        Positive(1, kappa, "kappa is below 1: a contraction ...", by=(1 - alpha_bar) / spread),
        Positive(
            kappa_prev,
            kappa,
            "... and the stronger, the later the start.",
            by=tau**2 * alpha_bar_prev * (1 - alpha) / (spread * spread.subs(alpha_bar, alpha_bar_prev)),
        ),
        Equal(kappa, 1, "At t* = 0 nothing is changed.", using={alpha_bar: 1}),
        Equal(
            kappa,
            tau**2 / (tau**2 + sigma**2),
            "The posterior weighs y with tau^2/(tau^2 + sigma^2): the same, if the level matches sigma ...",
            using={sigma: sqrt((1 - alpha_bar) / alpha_bar)},
        ),
        Unequal(kappa, tau**2 / (tau**2 + sigma**2), "... and not otherwise."),
        InLaw(
            reverse(start, z_new),
            mu + kappa * (y - mu) + sqrt(tau**2 * sigma**2 / (tau**2 + sigma**2) + kappa**2 * sigma**2) * z,
            "At the matching level the variance is the posterior's plus kappa^2 sigma^2, from the noise that was added.",
            using=matched,
        ),
    ],
    code=[Code("teachdiff.methods.sdedit.sdedit_start", start, {"y": "y", "z": "z", "alpha_bar": "alpha_bar"})],
    source="Meng et al., 'SDEdit', 2022.",
)


# With a mask, and in several round trips
m = declare("m_seen", "m", "a mask's value, 1 where a pixel is seen and 0 in the hole", "nonnegative", ("eta",))
known = declare("known", r"x^{\mathrm{known}}", "what is put back", "real", ("y",))
own = declare("own", r"x^{\mathrm{own}}", "what the chain has made", "real", ("known",))

kept = m * known + (1 - m) * own

masked = Derivation(
    name="sdedit.masked",
    title="SDEdit with a mask, and in several round trips",
    statement=r"Putting seen pixels back is $m\,x^{\mathrm{known}} + (1-m)\,x^{\mathrm{own}}$; for $m\in\{0,1\}$ mean and standard deviation may be "
    r"mixed in the same way, with one draw. Two round trips without a mask contract by $\kappa^2$ (prior $\mathcal N(\mu,\tau^2)$, exact "
    r"reverse process).",
    assumptions=["As for the start: Gaussian prior, exact reverse process (second part)."],
    leans_on=["sdedit"],
    steps=[
        Equal(kept, known, "A seen pixel is put back ...", using={m: 1}),
        Equal(kept, own, "... and one in the hole is the chain's own.", using={m: 0}),
        InLaw(
            sqrt(alpha_bar_prev) * y + sqrt(1 - alpha_bar_prev) * z,
            kept + sqrt(1 - alpha_bar_prev) * z_new,
            "A seen pixel takes its mean and its deviation from q(x_{t-1} given x_0 = y): another draw, the same law.",
            using={m: 1, known: sqrt(alpha_bar_prev) * y},
        ),
        Unequal(
            (sqrt(alpha_bar_prev) * y + sqrt(1 - alpha_bar_prev) * z,),
            (sqrt(alpha_bar) * y + sqrt(1 - alpha_bar) * z,),
            "The level that the iterate has left is not the one that it has reached.",
        ),
        Equal(
            reverse(sqrt(alpha_bar) * x_0, 0),
            mu + kappa**2 * (y - mu),
            "A second round trip from what the first made contracts again: the picture is forgotten as kappa^K.",
            using={x_0: mu + kappa * (y - mu)},
        ),
        Positive(kappa, kappa**2, "So each repeat keeps less.", by=kappa * (1 - alpha_bar) / spread),
    ],
    code=[Code("teachdiff.methods.sdedit.put_back", kept, {"m": "m_seen", "known": "known", "own": "own"})],
    source="Meng et al., 'SDEdit', 2022, algorithm 4.",
)
