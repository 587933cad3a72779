r"""What a program does that implements a printed line: computed, in exact arithmetic.

The data are :math:`x_0 \sim \mathcal N(\mu, \tau^2)`, one coordinate. Then the score is affine in x_t, a step of
a sampler maps a normal law to a normal law, and mean and variance of the output follow exactly from
four steps with :math:`\alpha_1, \dots, \alpha_4 = 9/10, 4/5, 7/10, 3/5`. A step is an expression in the symbols of
the table, so it is the printed formula itself that runs:

    x_prev = (x_t + (1 - alpha) * s_theta) / sqrt(alpha)
    output(x_prev)              # Law(mean=1/2, variance=1/4): exactly the data
    output(x_prev, noise=0)     # the mean alone, step after step: too narrow
    compare(printed)            # the same in words, beside the truth

In a step, `s_theta`, `eps_theta` and `x0_hat` are the exact predictions for these data; `z_new` is the step's
fresh draw. To a step without `z_new` the chain adds noise of exactly the right variance (that of
x_{t-1} given x_t), and it starts at the true law of x_T: so the right line returns the data's law without
any error, and whatever differs is the printed line's doing. `noise=0` adds none, `noise=beta` adds beta_t.

With a measurement y = s x_0 + sigma w the target is the posterior, and a guided step adds a multiple of a
likelihood score; `output(step, measured=True)` starts at and adds the noise of the posterior's chain:
with `likelihood_score` in it the step is exact.

`linear(T)` is the usual schedule with T steps; there the same expressions run in floating point.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import sympy as sp
from sympy import Rational, sqrt

from derivations import exact, symbols
from derivations.exact import Number
from derivations.symbols import get

alpha, alpha_prev, alpha_bar, alpha_bar_prev, beta = get("alpha", "alpha_prev", "alpha_bar", "alpha_bar_prev", "beta")
s_theta, eps_theta, x0_hat, x_t, z_new = get("s_theta", "eps_theta", "x0_hat", "x_t", "z_new")
mu, tau, y, sigma, s = get("mu", "tau", "y", "sigma", "s")

ALPHAS = tuple(Fraction(n, 10) for n in (9, 8, 7, 6))  # alpha_1 ... alpha_4
DATA = {mu: Rational(1, 2), tau: Rational(1, 2)}
MEASUREMENT = {y: Rational(1), sigma: Rational(1, 2), s: Rational(1)}


def spread(alpha_bar, tau=tau):
    """The variance of x_t for data of variance tau^2."""
    return 1 - alpha_bar + alpha_bar * tau**2


def reverse_noise(tau=tau):
    """The variance of x_{t-1} given x_t (derivations.reverse_variance)."""
    return (1 - alpha) * spread(alpha_bar_prev, tau) / spread(alpha_bar, tau)


# The exact predictions for data N(mu, tau^2).
SCORE = -(x_t - sqrt(alpha_bar) * mu) / spread(alpha_bar)
PREDICTIONS = {
    s_theta: SCORE,
    eps_theta: -sqrt(1 - alpha_bar) * SCORE,
    x0_hat: (x_t + (1 - alpha_bar) * SCORE) / sqrt(alpha_bar),
}

# y given x_t is N(s x0_hat, sigma^2 + s^2 Var[x_0 | x_t]); its score in x_t goes through x0_hat.
x0_variance = tau**2 * (1 - alpha_bar) / spread(alpha_bar)
x0_slope = sqrt(alpha_bar) * tau**2 / spread(alpha_bar)  # d x0_hat / d x_t
likelihood_score = s * x0_slope * (y - s * x0_hat) / (sigma**2 + s**2 * x0_variance)

# The posterior of x_0 given y is normal too.
posterior_variance = 1 / (1 / tau**2 + s**2 / sigma**2)
posterior_mean = posterior_variance * (mu / tau**2 + s * y / sigma**2)


@dataclass(frozen=True)
class Law:
    """A normal law: mean and variance, exact (sympy) or, for long chains, in floating point."""

    mean: sp.Expr | float
    variance: sp.Expr | float

    def __str__(self) -> str:
        return f"mean {number(self.mean)}, variance {number(self.variance)}"


@cache
def linear(T: int = 1000) -> tuple[float, ...]:
    """The usual schedule: beta rises linearly from 1e-4 to 2e-2."""
    return tuple(1 - (1e-4 + (2e-2 - 1e-4) * t / (T - 1)) for t in range(T))


def kept_signal(T: int) -> Rational:
    """alpha_bar_T of the usual schedule with 1000 steps: an exact upper bound, less than 1e-25 too large."""
    grid, bound = 10**30, Fraction(1)
    for t in range(T):
        bound *= 1 - (Fraction(1, 10000) + Fraction(199, 10000) * Fraction(t, 999))
        bound = Fraction(math.ceil(bound * grid), grid)
    return Rational(bound)


def truth(measured: bool = False, values: dict | None = None) -> Law:
    """The law that the output should have: the data's, or the posterior's."""
    point = DATA | MEASUREMENT | (values or {})
    pair = (posterior_mean, posterior_variance) if measured else (mu, tau**2)
    return Law(*(sp.nsimplify(sp.sympify(e).subs(point)) for e in pair))


def output(step, noise=None, measured: bool = False, values: dict | None = None, alphas=ALPHAS, start=None) -> Law:
    """The law of x_0 after the step was made for t = T, ..., 1.

    Arguments:
        step: x_{t-1} as an expression, affine in x_t and z_new; may use the predictions, mu, tau, y,
            sigma, s and alpha_t, alpha_{t-1}, alpha_bar_t, alpha_bar_{t-1}.
        noise: the variance that is added after the step, an expression. None: the exact one, or
            nothing if the step holds z_new.
        measured: the target is the posterior given y.
        values: other values for mu, tau, y, sigma, s, and values for any further symbol of the step.
        alphas: alpha_1 ... alpha_T; exact fractions give an exact law, floats a rounded one.
        start: the Law of x_T; the true one if None.

    Raises:
        ValueError: the step is not affine in x_t and z_new.
    """
    point = DATA | MEASUREMENT | (values or {})
    target = truth(measured, values)
    step = sp.sympify(step)
    if noise is None:
        noise = 0 if step.has(z_new) else reverse_noise(sqrt(target.variance))
    step = symbols_in(step.xreplace(PREDICTIONS))
    slope, draw = sp.diff(step, x_t), sp.diff(step, z_new)
    if (slope.free_symbols | draw.free_symbols) & {x_t, z_new}:
        raise ValueError(f"the step is not affine in x_t and z_new: {step}")
    parts = [slope, step.xreplace({x_t: sp.S.Zero, z_new: sp.S.Zero}), draw, symbols_in(sp.sympify(noise))]
    parts = [part.xreplace({k: sp.sympify(v) for k, v in point.items()}) for part in parts]
    rounded = any(isinstance(a, float) for a in alphas)
    levels = [1]
    for a in alphas:
        levels.append(levels[-1] * a)
    if start is None:
        scale = sqrt(sp.sympify(levels[-1] if rounded else Rational(levels[-1])))
        start = Law(scale * target.mean, spread(scale**2, sqrt(target.variance)))
    evaluate = _rounded(parts) if rounded else _exact(parts)
    mean, variance = (float(v) if rounded else exact.evaluate(sp.sympify(v), {}) for v in (start.mean, start.variance))
    for t in range(len(alphas), 0, -1):
        previous = alphas[t - 2] if t > 1 else 1
        a, b, c, added = evaluate(alphas[t - 1], previous, levels[t], levels[t - 1])
        mean, variance = a * mean + b, a * a * variance + c * c + added
    return Law(mean, variance) if rounded else Law(mean.sympy(), variance.sympy())


_ORDER = (alpha, alpha_prev, alpha_bar, alpha_bar_prev)


def symbols_in(e: sp.Expr) -> sp.Expr:
    """beta_t, beta_{t-1} and beta_tilde_t written with the alphas."""
    beta_prev, beta_tilde = get("beta_prev", "beta_tilde")
    tilde = (1 - alpha_bar_prev) / (1 - alpha_bar) * (1 - alpha)
    return e.xreplace({beta: 1 - alpha, beta_prev: 1 - alpha_prev, beta_tilde: tilde})


def _exact(parts):
    def evaluate(*values):
        point = {symbol: Number.of(v) for symbol, v in zip(_ORDER, values, strict=True)}
        return [exact.evaluate(part, point) for part in parts]

    return evaluate


def _rounded(parts):
    function = sp.lambdify(_ORDER, parts, modules="math")
    return lambda *values: function(*values)


def marginal(x, values: dict | None = None) -> Law:
    """Mean and variance of an affine form in noises (`x_0` = mu + tau n_0), at the given values."""
    from derivations.checker import law

    x_0, n_0 = symbols.get("x_0", "n_0")
    point = DATA | MEASUREMENT | (values or {})
    (mean,), covariances = law((sp.sympify(x).xreplace({x_0: mu + tau * n_0}),))
    return Law(*(exact.evaluate(sp.sympify(e).subs(point), {}).sympy() for e in (mean, covariances[0, 0])))


def number(value) -> str:
    """A number for a sentence: a short fraction as it is, anything else to four digits."""
    value = sp.sympify(value)
    if value.is_Rational and len(str(value)) <= 6:
        return str(value)
    return f"{float(value):.4g}"


def beside(found: Law, right: Law) -> str:
    """Both laws in one sentence; says so if they are the same."""
    same = [_same(a, b) for a, b in zip(_pair(found), _pair(right), strict=True)]
    if all(same):
        return f"mean {number(right.mean)} and variance {number(right.variance)}, which is right"
    words = []
    for name, a, b, equal in zip(("mean", "variance"), _pair(found), _pair(right), same, strict=True):
        words.append(f"{name} {number(b)} (as it should)" if equal else f"{name} {number(a)} (it should be {number(b)})")
    return ", ".join(words)


def _same(a, b) -> bool:
    """Equal; exactly, or for a chain that was rounded to six digits."""
    if isinstance(a, float) or isinstance(b, float):
        return abs(float(a) - float(b)) <= 1e-6 * abs(float(b))
    return not exact.evaluate(sp.sympify(a) - sp.sympify(b), {}).terms


def _pair(law: Law):
    return law.mean, law.variance


def compare(step, long: bool = False, **options) -> str:
    """The consequence of a step, in words: its output's law beside the true one.

    Arguments:
        long: also with the usual 1000 steps (`linear`).
        options: as for `output`.
    """
    measured, values = options.get("measured", False), options.get("values")
    right = truth(measured, values)
    target = "the posterior" if measured else "data"
    found = output(step, **options)
    text = (
        f"A sampler of {len(options.get('alphas', ALPHAS))} steps with this line in it, for {target} "
        f"N({number(right.mean)}, {number(right.variance)}), returns {beside(found, right)}"
    )
    if long:
        text += f"; one of 1000 steps (linear schedule) {beside(output(step, **options, alphas=linear()), right)}"
    return text + "."


def learned_noise(a, b):
    """E[z | x] for training pairs x = a x_0 + b z: what a network learns that is trained on them."""
    return b * (x_t - a * mu) / (b**2 + a**2 * tau**2)
