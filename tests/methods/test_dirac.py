"""Dirac by the exact road: its law with a Gaussian restorer, theorem 3.6, the VE limit, guidance that descends."""

import itertools

import pytest
import torch
from gaussian_case import random
from hypothesis import given, settings
from hypothesis import strategies as st

from teachdiff import schedules
from teachdiff.exact import (
    ExactRestorer,
    consistency_curve,
    increment_error,
    materialise,
    mixture_posterior,
    output_law,
)
from teachdiff.methods import dirac
from teachdiff.methods.dirac import look_ahead, look_back
from teachdiff.operators import BlurDegradation, BoxDegradation, IdentityDegradation, Mask, SmoothMaskDegradation
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.problems import InverseProblem, observe

SHAPE, N = (1, 2, 3), 6
EYE = torch.eye(N, dtype=torch.float64)
few = settings(max_examples=6)  # each is a chain with its matrices, and every example is one more world
seeds = st.integers(0, 2**31)
FAMILIES = {
    "blur": lambda **more: BlurDegradation(SHAPE, 0.8, **more),
    "smooth": lambda **more: SmoothMaskDegradation(SHAPE, 0.4, **more),
    "box": lambda **more: BoxDegradation(SHAPE, 2, 2, **more),
    "identity": lambda **more: IdentityDegradation(SHAPE, **more),
}
families = pytest.mark.parametrize("family", FAMILIES)


class Case:
    """A Gaussian prior, a degradation, and a measurement of a picture from the prior."""

    def __init__(self, seed: int, family: str, sigma_min: float = 0.2, sigma_max: float = 0.7) -> None:
        factor = random(seed, N, N)
        self.mean, self.cov = random(seed + 1, N), factor @ factor.mT / N + 0.05 * EYE
        prior = GaussianPrior.from_covariance(schedules.linear(T=4), self.mean.view(SHAPE), self.cov)
        self.degradation = FAMILIES[family](sigma_min=sigma_min, sigma_max=sigma_max)
        self.restorer = ExactRestorer(prior, self.degradation)
        self.x0 = prior.sample(random(seed + 2, 1, *SHAPE))
        self.problem = observe(self.degradation.operator(1.0), self.x0, sigma_max, seed=seed)

    def A(self, t: float) -> torch.Tensor:
        return materialise(self.degradation.operator(t), SHAPE)

    def x0_hat(self, t: float) -> tuple[torch.Tensor, torch.Tensor]:
        """E[x_0 | y_t] = G y_t + b, by adding precisions."""
        A, v = self.A(t), self.degradation.sigma(t) ** 2
        spread = torch.linalg.inv(torch.linalg.inv(self.cov) + A.mT @ A / v)
        return spread @ A.mT / v, spread @ torch.linalg.solve(self.cov, self.mean)

    def law(self, steps, last=1, variance="exact", increment="ahead", c=1.0, eta=0.0, output="x0_hat"):
        """Mean and covariance of the output given the measurement, by recursion in matrices."""
        y, A_1 = self.problem.y.flatten(), self.A(1.0)
        mask = self.problem.operator
        hidden = (mask.measured.values.flatten() == 0).double() if isinstance(mask, Mask) else 0 * y
        mean, cov = y, torch.diag(hidden) * self.degradation.sigma(1.0) ** 2
        for k in range(steps, last - 1, -1):
            t, s, dt = k / steps, (k - 1) / steps, 1 / steps
            G, b = self.x0_hat(t)
            if k == last and output == "x0_hat":
                return G @ mean + b, G @ cov @ G.mT
            v_t, v_s = (self.degradation.sigma(u) ** 2 for u in (t, s))
            if increment == "ahead" or k == steps:
                c_here = c if increment == "ahead" else 1.0
                D = (self.A(max(0.0, t - c_here * dt)) - self.A(t)) / c_here
            else:
                D = (self.A(t) - self.A(t + c * dt)) / c
            onto = D + (v_t - v_s) / v_t * self.A(t)  # what multiplies x0_hat
            pull = -(v_t - v_s) * eta / self.degradation.sigma(1.0) ** 2 * G.mT @ A_1.mT
            step = onto @ G + v_s / v_t * EYE + pull @ A_1 @ G
            mean = step @ mean + onto @ b + pull @ (A_1 @ b - y)
            fresh = v_s / v_t * (v_t - v_s) if variance == "exact" else v_t - v_s
            cov = step @ cov @ step.mT + fresh * EYE
        return mean, cov


def assert_law(case, expected, **options):
    mean, cov = output_law(dirac, case.restorer, case.problem, **options)
    torch.testing.assert_close(mean.flatten(), expected[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(cov, expected[1], rtol=1e-9, atol=1e-9)


@families
@few
@given(seeds, st.integers(1, 4), st.sampled_from(["exact", "euler"]), st.sampled_from(["x0_hat", "iterate"]))
def test_the_exact_law_of_the_output(family, seed, steps, variance, output):
    case = Case(seed, family)
    for guided in ({}, {"eta": 0.6}):
        expected = case.law(steps, variance=variance, output=output, **guided)
        more = {"guidance": "std", **guided} if guided else {}
        assert_law(case, expected, steps=steps, variance=variance, output=output, **more)


@pytest.mark.parametrize("increment", ["ahead", "back"])
@few
@given(seeds, st.sampled_from([0.3, 1.0]))
def test_the_exact_law_with_every_increment(increment, seed, c):
    case = Case(seed, "smooth")
    expected = case.law(3, increment=increment, c=c)
    assert_law(case, expected, steps=3, increment=increment, delta=c)


@few
@given(seeds, st.sampled_from([0.0, 0.2, 0.5, 0.74, 1.0]))
def test_the_exact_law_of_a_chain_that_ends_early(seed, until):
    case = Case(seed, "blur")
    last = next(k for k in range(1, 5) if k / 4 >= until)
    for output in ("x0_hat", "iterate"):
        assert_law(case, case.law(4, last=last, output=output), steps=4, until=until, output=output)


def test_the_recursion_tells_the_variants_apart():
    """Or the laws above would say little."""
    case = Case(3, "smooth")
    plain = case.law(3)
    for options in ({"variance": "euler"}, {"increment": "back"}, {"c": 0.3}, {"eta": 0.6}, {"last": 2}):
        other = case.law(3, **options)
        assert (plain[0] - other[0]).norm() + (plain[1] - other[1]).norm() > 1e-3, options


# Theorem 3.6: with the true picture in the place of the prediction


class Oracle:
    """Phi = x_0."""

    def __init__(self, case):
        self.degradation, self.x0 = case.degradation, case.x0

    def predict(self, y_t, t):
        return self.x0.expand(y_t.shape)


@families
@few
@given(seeds)
def test_with_the_true_picture_each_step_keeps_the_measurement_in_the_mean(family, seed):
    """E[y_s | x_0] = A_s x_0 for every s: the mean over all noise is the chain without noise."""
    case, seen, steps = Case(seed, family), {}, 5
    clean = InverseProblem(case.problem.operator, case.problem.operator(case.x0), case.problem.sigma)
    zero = lambda t, shape: torch.zeros(shape, dtype=torch.float64)  # noqa: E731
    on_step = lambda k, y_t, x0_hat: seen.setdefault(k, y_t)  # noqa: E731
    seen[0] = dirac(Oracle(case), clean, steps=steps, noise=zero, output="iterate", on_step=on_step)
    assert sorted(seen) == list(range(steps + 1))
    for k, y in seen.items():
        torch.testing.assert_close(y, case.degradation(case.x0, k / steps), rtol=1e-9, atol=1e-9)


@few
@given(seeds, st.integers(1, 6))
def test_its_noise_is_that_of_the_severity_and_eulers_is_one_step_late(seed, steps):
    """The variance of y_0 over the measurement's noise and all draws, and `dirac_step.chain` for Euler's."""
    case = Case(seed, "blur")
    sigma_0, sigma_1 = case.degradation.sigma(0.0), case.degradation.sigma(1.0)
    kept = (sigma_0 / sigma_1) ** 2  # of the measurement's noise, after all steps
    r = kept ** (1 / steps)  # sigma_s^2 / sigma_t^2
    late = (1 - r) / r * (1 - r**steps)
    for variance, expected in (("exact", sigma_0**2), ("euler", sigma_0**2 * (1 + late))):
        _, cov = output_law(dirac, Oracle(case), case.problem, steps=steps, variance=variance, output="iterate")
        whole = cov + kept**2 * sigma_1**2 * EYE
        torch.testing.assert_close(whole, expected * EYE, rtol=1e-9, atol=1e-9)


@few
@given(seeds)
def test_the_posterior_mean_misses_the_increment_by_the_posteriors_spread(seed):
    """Over pictures and noise: E|R_hat - R|^2, from the joint law of x_0 and y_t written down."""
    case, t, dt = Case(seed, "smooth"), 0.7, 0.2
    A, D = case.A(t), case.A(t - dt) - case.A(t)
    G, _ = case.x0_hat(t)
    error = G @ A - EYE  # x0_hat - x_0 = (G A - I)(x_0 - mu) + G sigma z
    cov = error @ case.cov @ error.mT + case.degradation.sigma(t) ** 2 * G @ G.mT
    missed, whole = increment_error(case.restorer, t, dt)
    assert missed == pytest.approx(((D @ cov @ D.mT).trace() / N).sqrt().item(), rel=1e-9)
    second = case.cov + torch.outer(case.mean, case.mean)
    assert whole == pytest.approx(((D @ second @ D.mT).trace() / N).sqrt().item(), rel=1e-9)
    assert 0 < missed < whole


@families
@few
@given(seeds)
def test_the_curve_of_data_consistency_is_that_of_the_joint_law(family, seed):
    """Measurement and iterate together, by recursion: residual and its second moment at each step."""
    case, steps = Case(seed, family), 3
    A_1, sigma = case.A(1.0), case.degradation.sigma(1.0)
    seen = case.problem.operator.measured
    shown = EYE if seen is None else torch.diag(seen.values.flatten())
    hidden = EYE - shown
    mean_y = A_1 @ case.mean
    cov_y = shown @ (A_1 @ case.cov @ A_1.mT + sigma**2 * EYE) @ shown
    # y_t = M y + b + rest, with a rest that is independent of y
    M, b, rest, expected = EYE, 0 * mean_y, sigma**2 * hidden, []
    for k in range(steps, 0, -1):
        t, s = k / steps, (k - 1) / steps
        G, g = case.x0_hat(t)
        left = shown - shown @ A_1 @ G @ M
        second = left @ cov_y @ left.mT + shown @ A_1 @ G @ rest @ G.mT @ A_1.mT @ shown
        middle = shown @ (mean_y - A_1 @ (G @ (M @ mean_y + b) + g))
        expected.append((t, ((second.trace() + middle.square().sum()) / shown.trace() / sigma**2).item()))
        v_t, v_s = (case.degradation.sigma(u) ** 2 for u in (t, s))
        onto = case.A(s) - v_s / v_t * case.A(t)
        step = onto @ G + v_s / v_t * EYE
        M, b, rest = step @ M, step @ b + onto @ g, step @ rest @ step.mT + v_s / v_t * (v_t - v_s) * EYE
    found = consistency_curve(case.restorer, steps)
    assert found == [pytest.approx(pair, rel=1e-9) for pair in expected]


@few
@given(seeds)
def test_without_a_degradation_it_is_the_euler_step_of_the_ve_reverse_equation(seed):
    r"""dx = -(d sigma^2/dt) grad log p dt + sqrt(d sigma^2/dt) dw, backwards, one step written out."""
    case = Case(seed, "identity")
    z, steps = random(seed + 9, 1, *SHAPE), 4
    sigma_t, sigma_s = case.degradation.sigma(1.0), case.degradation.sigma(1 - 1 / steps)
    once = {"steps": steps, "until": 1.0, "output": "iterate"}
    got = dirac(case.restorer, case.problem, variance="euler", noise=lambda t, shape: z, **once)
    y = case.problem.y.flatten()
    score = -torch.linalg.solve(case.cov + sigma_t**2 * EYE, y - case.mean)  # of N(mu, Sigma + sigma_t^2 I)
    step = y + (sigma_t**2 - sigma_s**2) * score + (sigma_t**2 - sigma_s**2) ** 0.5 * z.flatten()
    torch.testing.assert_close(got.flatten(), step, rtol=1e-9, atol=1e-9)


# Increments


def test_the_increments_are_off_by_what_was_proved():
    """-dt (dt - delta)/2 A'' for the small look-ahead, -dt^2 A'' and -dt (dt + delta)/2 A'' for the look-backs."""
    A, x, t, dt = SmoothMaskDegradation((1, 9, 9), 0.3), random(0, 1, 1, 9, 9), 0.6, 1e-3
    curvature = (A(x, t + 1e-3) - 2 * A(x, t) + A(x, t - 1e-3)) / 1e-6
    exact = A(x, t - dt) - A(x, t)
    assert torch.equal(look_ahead(A, x, A(x, t), t, dt, 1.0), exact)
    for guess, c, coefficient in (
        (look_ahead, 0.25, -(1 - 0.25) / 2),
        (look_back, 1.0, -1.0),
        (look_back, 0.25, -(1 + 0.25) / 2),
    ):
        error = guess(A, x, A(x, t), t, dt, c) - exact
        expected = coefficient * dt**2 * curvature
        torch.testing.assert_close(error, expected, rtol=0, atol=0.02 * expected.abs().max().item())


def test_at_the_most_severe_there_is_nothing_to_look_back_at():
    A, x = SmoothMaskDegradation((1, 9, 9), 0.3), random(0, 1, 1, 9, 9)
    assert torch.equal(look_back(A, x, A(x, 1.0), 1.0, 0.1, 0.5), A(x, 0.9) - A(x, 1.0))


# Guidance


class Bent:
    """A restorer that is not affine, so that its gradient changes from place to place."""

    def __init__(self, case):
        self.degradation, self.exact = case.degradation, case.restorer

    def predict(self, y_t, t):
        return self.exact.predict(y_t + 0.3 * torch.tanh(y_t), t)


@pytest.mark.parametrize("guidance", ["std", "error"])
@families
@few
@given(seeds)
def test_guidance_descends(family, guidance, seed):
    """Its shift lowers the misfit at the y_t where it was taken; turned round, as released, it raises it."""
    case = Case(seed, family)
    restorer, problem = Bent(case), case.problem
    run = lambda **more: dirac(restorer, problem, steps=3, until=1.0, output="iterate", seed=1, **more)  # noqa: E731
    y_1, eta = problem.y, 1e-4
    shift = run(guidance=guidance, eta=eta) - run()
    misfit = lambda y: problem.residual(restorer.predict(y, 1.0)).norm().item()  # noqa: E731
    assert misfit(y_1 + shift) < misfit(y_1) < misfit(y_1 - shift)


@few
@given(seeds)
def test_guidance_is_the_gradient_that_it_says(seed):
    case = Case(seed, "blur")
    restorer, problem, eta = Bent(case), case.problem, 0.4
    sigma_1, sigma_s = case.degradation.sigma(1.0), case.degradation.sigma(2 / 3)
    y = problem.y.clone().requires_grad_()
    square = problem.residual(restorer.predict(y, 1.0)).square().sum()
    (slope,) = torch.autograd.grad(square, y)
    for guidance, scale in (("std", eta / (2 * sigma_1**2)), ("error", eta / square.detach().sqrt())):
        run = lambda **more: dirac(restorer, problem, steps=3, until=1.0, output="iterate", seed=1, **more)  # noqa: E731
        shift = run(guidance=guidance, eta=eta) - run()
        torch.testing.assert_close(shift, -(sigma_1**2 - sigma_s**2) * scale * slope, rtol=1e-9, atol=1e-12)


def test_a_prediction_that_is_returned_is_not_guided():
    case, calls = Case(1, "blur"), []

    class Spy(Bent):
        def predict(self, y_t, t):
            calls.append((t, y_t.requires_grad))
            return super().predict(y_t, t)

    dirac(Spy(case), case.problem, steps=3, guidance="std")
    assert calls == [(1.0, True), (2 / 3, True), (1 / 3, False)]


# What the chain asks for


def test_severities_and_draws():
    case, asked, seen, calls = Case(1, "blur"), [], [], []

    class Spy(Bent):
        def predict(self, y_t, t):
            calls.append(t)
            return super().predict(y_t, t)

    def noise(k, shape):
        asked.append(k)
        return random(k, *shape)

    dirac(Spy(case), case.problem, steps=4, noise=noise, on_step=lambda k, y_t, x0_hat: seen.append(k))
    assert (asked, seen, calls) == ([3, 2, 1], [4, 3, 2, 1], [1.0, 0.75, 0.5, 0.25])
    asked.clear()
    dirac(Spy(case), case.problem, steps=4, noise=noise, output="iterate")
    assert asked == [3, 2, 1, 0]
    calls.clear()
    dirac(Spy(case), case.problem, steps=50, until=0.25)
    assert len(calls) == 38 and calls[-1] == 0.26  # the paper's setting for deblurring
    calls.clear()
    dirac(Spy(case), case.problem, steps=50, until=1.0)
    assert calls == [1.0]


@pytest.mark.parametrize("family", ["smooth", "box"])
def test_hidden_pixels_get_the_noise_that_the_camera_did_not_report(family):
    shape = (1, 4, 4)
    A = {"smooth": SmoothMaskDegradation(shape), "box": BoxDegradation(shape)}[family]
    problem = observe(A.operator(1.0), random(1, 1, *shape), 0.1, seed=1)
    first, asked = [], []

    class Constant:
        degradation = A

        def predict(self, y_t, t):
            return torch.zeros_like(y_t)

    def noise(k, shape):
        asked.append(k)
        return torch.ones(shape, dtype=torch.float64)

    dirac(Constant(), problem, steps=2, noise=noise, on_step=lambda k, y_t, x0_hat: first.append(y_t))
    hidden = problem.operator.mask.values == 0
    assert asked == [2, 1] and hidden.any()
    torch.testing.assert_close(first[0][0][hidden], torch.full((int(hidden.sum()),), 0.1, dtype=torch.float64))
    assert torch.equal(first[0][0][~hidden], problem.y[0][~hidden])


# The exact restorer


@families
@few
@given(seeds, st.floats(0, 1))
def test_the_exact_restorer_is_the_posterior_mean(family, seed, t):
    case = Case(seed, family)
    y = random(seed + 5, 2, *SHAPE)
    G, b = case.x0_hat(t)
    expected = (y.flatten(1) @ G.mT + b).view(y.shape)
    torch.testing.assert_close(case.restorer.predict(y, t), expected, rtol=1e-9, atol=1e-9)
    times = torch.tensor([t, 0.5], dtype=torch.float64)
    rows = torch.cat([case.restorer.predict(y[i : i + 1], at) for i, at in enumerate(times)])
    assert torch.equal(case.restorer.predict(y, times), rows)
    A, v = case.A(t), case.degradation.sigma(t) ** 2
    spread = torch.linalg.inv(torch.linalg.inv(case.cov) + A.mT @ A / v)
    torch.testing.assert_close(case.restorer.spread(t), spread, rtol=1e-9, atol=1e-9)


@families
@few
@given(seeds, st.floats(0, 1))
def test_of_a_mixture_it_is_the_posterior_mean_too(family, seed, t):
    case = Case(seed, family)
    other = GaussianPrior(case.restorer.prior.schedule, random(seed + 6, *SHAPE), random(seed + 7, *SHAPE).abs())
    mixture = GaussianMixturePrior([0.3, 0.7], [case.restorer.prior, other])
    restorer, A = ExactRestorer(mixture, case.degradation), case.degradation.operator(t)
    y = random(seed + 5, 2, *SHAPE)
    if A.measured is not None:  # what is hidden holds noise alone, which says nothing
        seen = y * A.measured.like(y)
        torch.testing.assert_close(restorer.predict(seen, t), restorer.predict(y, t), rtol=1e-9, atol=1e-9)
        y = seen
    expected = mixture_posterior(mixture, InverseProblem(A, y, case.degradation.sigma(t))).mean
    torch.testing.assert_close(restorer.predict(y, t), expected, rtol=1e-9, atol=1e-9)
    with pytest.raises(ValueError, match="depends on y_t"):
        restorer.spread(t)


def other(case, **changes):
    values = {"operator": case.problem.operator, "y": case.problem.y, "sigma": case.problem.sigma} | changes
    return InverseProblem(**values)


BAD = {
    "a prior": (lambda c: dirac(c.restorer.prior, c.problem), TypeError, "needs a restorer.*a GaussianPrior is none"),
    "no problem": (lambda c: dirac(c.restorer, c.problem.y), TypeError, "InverseProblem"),
    "sigma": (lambda c: dirac(c.restorer, other(c, sigma=0.6)), ValueError, r"sigma = 0\.7 .* has 0\.6\."),
    "operator": (
        lambda c: dirac(c.restorer, other(c, operator=c.degradation.operator(0.9))),
        ValueError,
        r"undoes BlurDegradation.*operator\(1\.0\)",
    ),
    "shape": (
        lambda c: dirac(c.restorer, observe(BlurDegradation((1, 3, 3), 0.8).operator(1.0), random(0, 1, 1, 3, 3), 0.7)),
        ValueError,
        "another shape",
    ),
    "steps": (lambda c: dirac(c.restorer, c.problem, steps=0), ValueError, "steps must be 1 or more"),
    "steps of a schedule": (lambda c: dirac(c.restorer, c.problem, steps=[1, 2]), TypeError, "whole number"),
    "until": (lambda c: dirac(c.restorer, c.problem, until=1.5), ValueError, r"until .*\[0, 1\]"),
    "delta": (lambda c: dirac(c.restorer, c.problem, delta=0.0), ValueError, r"delta .*\(0, 1\]"),
    "increment": (lambda c: dirac(c.restorer, c.problem, increment="forth"), ValueError, "increment.*ahead, back"),
    "variance": (lambda c: dirac(c.restorer, c.problem, variance="exat"), ValueError, "Did you mean 'exact'"),
    "guidance": (lambda c: dirac(c.restorer, c.problem, guidance="stdd"), ValueError, "Did you mean 'std'"),
    "eta": (lambda c: dirac(c.restorer, c.problem, eta=-1.0), ValueError, "eta"),
    "output": (lambda c: dirac(c.restorer, c.problem, output="y"), ValueError, "iterate, x0_hat"),
    "far too strong": (
        lambda c: dirac(c.restorer, c.problem, steps=4, guidance="std", eta=1e300),
        FloatingPointError,
        "Take a smaller eta",
    ),
    "another prior": (
        lambda c: ExactRestorer(c.restorer.prior, IdentityDegradation((1, 2, 2))),
        ValueError,
        "takes others",
    ),
    "no exact prior": (lambda c: ExactRestorer(Oracle(c), c.degradation), TypeError, "Gaussian prior or a mixture"),
    "t of a batch": (
        lambda c: c.restorer.predict(c.problem.y, torch.tensor([0.1, 0.2])),
        ValueError,
        r"shape \(\) or \(1,\)",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    call, error, says = BAD[name]
    with pytest.raises(error, match=says):
        call(Case(0, "blur"))


def test_predictions_are_clamped_where_the_restorer_says_so():
    case = Case(1, "identity")

    class Bright:
        degradation, clip_x0 = case.degradation, True

        def predict(self, y_t, t):
            return 5 * torch.ones_like(y_t)

    assert dirac(Bright(), case.problem, steps=1).max() == 1
    assert dirac(Bright(), case.problem, steps=1, clip_x0=False).max() == 5


def test_float32_and_float64_agree():
    case = Case(4, "smooth")
    single = InverseProblem(case.problem.operator, case.problem.y.float(), case.problem.sigma)
    noise = lambda k, shape: random(k, *shape)  # noqa: E731
    for options in itertools.product(("exact", "euler"), (None, "std")):
        named = dict(zip(("variance", "guidance"), options, strict=True))
        double = dirac(case.restorer, case.problem, steps=4, noise=noise, **named)
        half = dirac(case.restorer, single, steps=4, noise=lambda k, shape: noise(k, shape).float(), **named)
        assert half.dtype == torch.float32
        torch.testing.assert_close(half.double(), double, rtol=1e-4, atol=1e-4)
