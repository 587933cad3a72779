r"""DPS, then DMPS: what the rule for the switch implies.

The rule: switch where the PSNR between successive predictions of x_0 reaches 20 dB. The peak of
images in [-1, 1] is 2, so 20 dB is a mean square change of 2^2/100 = 1/25. How large are the changes? For
Gaussian data, an exact sampler and no guidance, the change of x0_hat in the step t -> t - 1 has mean 0 and the
variance that x_0 given x_t loses in it,

.. math:: \hat x_0(x_{t-1}) - \hat x_0(x_t) \sim \mathcal N(0,\ v_t - v_{t-1}), \qquad
          v_t = \mathrm{Var}[x_0 \mid x_t].

So the changes are small at both ends, where x_t says nothing yet and where it says everything, and large
only between. A rule "from above" holds at its very first comparison: the crossing must be from below.
And since the changes add up to at most tau^2, at most 25 tau^2 steps can be further apart than 20 dB; in the
usual 1000 steps none is, and the rule never switches. (Guidance adds to the changes.)
"""

from sympy import sqrt

from derivations.checker import Derivation, Equal, InLaw, Positive, SameOrder
from derivations.dmps import h
from derivations.dps import m, slope, v
from derivations.reverse_variance import x_prev, x_up
from derivations.sdedit import spread
from derivations.symbols import get

alpha, alpha_bar, alpha_bar_prev = get("alpha", "alpha_bar", "alpha_bar_prev")
tau, mu, z = get("tau", "mu", "z")

v_prev, spread_prev, slope_prev = (e.subs(alpha_bar, alpha_bar_prev) for e in (v, spread, slope))


def m_prev(x):
    """x0_hat one step later."""
    return mu + slope_prev * (x - sqrt(alpha_bar_prev) * mu)


change = v - v_prev

derivation = Derivation(
    name="hybrid",
    title="DPS to DMPS: what the 20 dB rule implies",
    statement=r"For data $\mathcal N(\mu,\tau^2)$ and an exact sampler without guidance: "
    r"$\hat x_0(x_{t-1})-\hat x_0(x_t)\sim\mathcal N(0, v_t-v_{t-1})$ with $v_t=\mathrm{Var}[x_0\mid x_t]$. It tends to 0 at both ends of the "
    r"chain; over a chain it adds up to at most $\tau^2$; and for $\tau=1$ it is at most $\beta_t$.",
    assumptions=["Gaussian data (each coordinate); the chain has the law of the forward process; no guidance."],
    leans_on=["vp_marginal", "reverse_variance", "dps", "units"],
    steps=[
        InLaw(
            m_prev(x_prev) - m(x_up),
            sqrt(change) * z,
            "The change of x0_hat in one step takes its variance from that of x_0 given x_t.",
        ),
        Positive(
            v,
            v_prev,
            "It is never negative: each step tells more.",
            by=tau**4 * alpha_bar_prev * (1 - alpha) / (spread * spread_prev),
        ),
        SameOrder(
            change,
            0,
            "At the start, alpha_bar_{t-1} = h and alpha_bar_t = alpha_t h, it is of order h: successive predictions agree.",
            using={alpha_bar: alpha * h, alpha_bar_prev: h},
            h=h,
            order=1,
        ),
        SameOrder(
            change,
            0,
            "And so they do at the end, alpha_bar_{t-1} = 1 - h and alpha_bar_t = 1 - 2h.",
            using={alpha_bar: 1 - 2 * h, alpha_bar_prev: 1 - h},
            h=h,
            order=1,
        ),
        Equal(
            change,
            tau**2,
            "Between them it can be all there is: one step from pure noise to the image.",
            using={alpha_bar: 0, alpha_bar_prev: 1},
        ),
        Positive(
            tau**2,
            v,
            "Over a chain the changes add up to v at its start, at most tau^2: so at most 25 tau^2 of them exceed 1/25.",
            by=tau**4 * alpha_bar / spread,
        ),
        Positive(
            1 - alpha,
            change,
            "With tau = 1 a step changes it by at most beta_t: below 1/25 throughout the usual 1000 steps, where "
            "beta_t ends at 1/50, so that no comparison there is below 20 dB.",
            by=(1 - alpha) * (1 - alpha_bar_prev),
            using={tau: 1},
        ),
    ],
    source="Rajpal et al., 'Towards frugal zero-shot diffusion based image restoration', the heuristic for t_C.",
)
