"""DDRM: the marginal that its cases keep, its exact law coordinate by coordinate, and its limits."""

import math
from typing import Any

import pytest
import torch
from gaussian_case import SHAPE, Matrix, N, NotLinear, World, assert_law, differs, one_pixel, random
from hypothesis import given
from hypothesis import strategies as st

from teachdiff.exact import output_law
from teachdiff.methods import ddrm
from teachdiff.problems import InverseProblem, make_operator

seeds = st.integers(0, 2**31)
steps = st.sampled_from([None, 1, 3, [2, 5, 6], [1, 2]])
unit = st.floats(0, 1)
sigmas = st.sampled_from([0.0, 0.05, 0.5, 2.0])
OUTSIDE = 10**6  # a time that no chain has: the measurement's own draw


class Oracle:
    """A prior that knows the answer."""

    clip_x0 = False

    def __init__(self, schedule, x0):
        self.schedule, self.x0 = schedule, x0

    def denoise(self, x_t, t):
        return self.x0.expand_as(x_t)


def x_at(t, x0, operator, sigma):
    """A method that measures x0 anew, runs DDRM and puts out x_t: so its law is that of x_t given x_0 alone.

    Where the measurement is no better than pure noise the chain starts from that, without x_0 in it, as every
    sampler does. Here the draw of the start brings x_0 along."""

    def method(prior, problem, *, noise: Any, **options):
        seen, y, T = {}, problem.y, prior.schedule.T
        level = ((1 - prior.schedule.alpha_bar[T]) / prior.schedule.alpha_bar[T]).item() ** 0.5
        vt, s = operator.svd.vt, operator.svd.s.values.flatten()
        missing = vt.mT @ torch.where(s * level > sigma, 0.0, vt @ x0.flatten()) / level

        def centred(t, shape):
            return noise(t, shape) + (missing.view(SHAPE) if t == T else 0.0)

        fresh = InverseProblem(operator, operator(x0.expand(len(y), *SHAPE)) + sigma * noise(OUTSIDE, y.shape), sigma)
        watch = lambda t, x_t, x0_hat: seen.update({t: x_t})  # noqa: E731
        x = ddrm(prior, fresh, noise=centred, on_step=watch, **options)
        return seen[t] if t else x

    return method


@given(seeds, st.integers(0, 6), sigmas, unit, unit)
def test_the_marginal_is_kept_where_x0_hat_is_the_truth(seed, t, sigma, eta, eta_b):
    """x_t given x_0 is N(sqrt(alpha_bar) x_0, (1 - alpha_bar) I), over all draws, the measurement's too."""
    world, x0 = World(seed), random(seed + 4, 1, *SHAPE)
    problem = InverseProblem(world.problem.operator, world.problem.y, sigma)
    method = x_at(t, x0, problem.operator, sigma)
    mean, cov = output_law(method, Oracle(world.schedule, x0), problem, eta=eta, eta_b=eta_b)
    alpha_bar = world.schedule.alpha_bar[t].item()
    torch.testing.assert_close(mean, alpha_bar**0.5 * x0[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(cov, (1 - alpha_bar) * torch.eye(N, dtype=torch.float64), rtol=1e-9, atol=1e-9)


def case_of(s, level, sigma):
    return "unseen" if s == 0 else "noisier" if s * level < sigma else "better"


def expected(world, steps=None, eta=0.85, eta_b=1.0):
    """Mean and covariance by the recursion, each coefficient by its case, written out in plain numbers."""
    u, s, vt = torch.linalg.svd(world.matrix)
    s = [float(s[i]) if i < len(s) and s[i] > 1e-12 * s[0] else 0.0 for i in range(N)]
    rotated = u.mT @ world.problem.y.flatten()
    y_bar = [float(rotated[i]) / s[i] if s[i] else 0.0 for i in range(N)]
    schedule, sigma = world.schedule.respace(steps), world.sigma
    top = schedule.alpha_bar[-1].item()
    level = math.sqrt((1 - top) / top)
    measured = [s[i] > 0 and s[i] * level > sigma for i in range(N)]
    mean = math.sqrt(top) * torch.tensor([y_bar[i] if measured[i] else 0.0 for i in range(N)], dtype=torch.float64)
    cov = torch.diag(torch.tensor(
        [top * (level**2 - (sigma / s[i]) ** 2 if measured[i] else level**2) for i in range(N)], dtype=torch.float64
    ))  # fmt: skip
    for step in schedule.backwards():
        gain, offset = world.x0_hat(step.alpha_bar)
        gain, offset = vt @ gain @ vt.mT, vt @ offset  # x0_hat in the basis V
        old = math.sqrt((1 - step.alpha_bar) / step.alpha_bar)
        level = math.sqrt((1 - step.alpha_bar_prev) / step.alpha_bar_prev)
        keep = math.sqrt(1 - eta**2) * level
        on_x0, on_x, constant, variance = ([0.0] * N for _ in range(4))
        for i in range(N):
            case = case_of(s[i], level, sigma)
            if case == "unseen":  # epsilon = (x/sqrt(alpha_bar) - x0_hat)/old
                on_x0[i], on_x[i] = 1 - keep / old, keep / old / math.sqrt(step.alpha_bar)
                variance[i] = (eta * level) ** 2
            elif case == "noisier":
                on_x0[i], constant[i] = 1 - keep * s[i] / sigma, keep * s[i] / sigma * y_bar[i]
                variance[i] = (eta * level) ** 2
            else:
                on_x0[i], constant[i] = 1 - eta_b, eta_b * y_bar[i]
                variance[i] = level**2 - (eta_b * sigma / s[i]) ** 2
        on_x0, on_x, constant, variance = (
            torch.tensor(v, dtype=torch.float64) for v in (on_x0, on_x, constant, variance)
        )
        matrix = on_x0[:, None] * gain + torch.diag(on_x)
        root = math.sqrt(step.alpha_bar_prev)
        mean = root * (matrix @ mean + on_x0 * offset + constant)
        cov = root**2 * (matrix @ cov @ matrix.mT + (torch.diag(variance) if step.t_prev else 0))
    return vt.mT @ mean, vt.mT @ cov @ vt


@given(seeds, steps, st.sampled_from([0.05, 0.7, 3.0]), unit, unit)
def test_the_exact_law(seed, steps, sigma, eta, eta_b):
    world = World(seed, sigma=sigma)
    assert_law(ddrm, world, expected(world, steps, eta, eta_b), steps=steps, eta=eta, eta_b=eta_b)


@given(seeds)
def test_the_defaults_are_the_papers(seed):
    world = World(seed)
    assert_law(ddrm, world, expected(world))
    longer = World(seed, T=30)
    assert_law(ddrm, longer, expected(longer, steps=20))


def test_in_one_dimension_against_the_posterior():
    """The posterior is 0.9901 with variance 0.0099; DDRM keeps a marginal, not a posterior, and its law depends on
    the number of steps."""
    for options, mean, variance in [({}, 0.9710, 0.0187), ({"steps": 1000}, 0.9937, 0.0019)]:
        found = output_law(ddrm, *one_pixel(), **options)
        assert found[0].item() == pytest.approx(mean, abs=5e-5)
        assert found[1].item() == pytest.approx(variance, abs=5e-5)


@given(seeds)
def test_without_noise_what_is_measured_is_reproduced(seed):
    """sigma = 0 and eta_b = 1: the last step puts ybar itself where A sees anything."""
    world = World(seed)
    exact = InverseProblem(world.problem.operator, world.problem.y, 0.0)
    x0 = ddrm(world.prior, exact, seed=seed)
    torch.testing.assert_close(exact.operator(x0), exact.y, rtol=1e-9, atol=1e-9)


@given(seeds, st.sampled_from([1e-6, 0.3]))
def test_with_any_noise_the_last_step_puts_out_x0_hat(seed, sigma):
    """sigma' = 0 lies below sigma/s for every s: so the result is not the measurement, however small sigma is."""
    world, last = World(seed), {}
    problem = InverseProblem(world.problem.operator, world.problem.y, sigma)
    x0 = ddrm(world.prior, problem, seed=seed, on_step=lambda t, x_t, x0_hat: last.update({t: x0_hat}))
    torch.testing.assert_close(x0, last[1], rtol=1e-9, atol=1e-9)


@given(seeds)
def test_a_measurement_without_information_leaves_the_prior(seed):
    """sigma -> infinity: in V's coefficients it walks as if nothing were seen, as with a mask that hides everything."""
    world = World(seed)
    blind = InverseProblem(world.problem.operator, world.problem.y, 1e9)
    nothing = InverseProblem(Matrix(torch.zeros(3, N, dtype=torch.float64)), world.problem.y, 1.0)
    # Where a noisy measurement is seen its residual takes epsilon's place; with eta = 1 there is no such term.
    a, b = (ddrm(world.prior, p, eta=1.0, seed=seed) for p in (blind, nothing))
    torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("task", ["denoise", "inpaint_random", "deblur_gaussian", "sr2", "colorize", "inpaint_smooth"])
def test_every_factorised_operator(task):
    """The library's own SVDs: the same as the explicit matrix's, image for image."""
    from teachdiff import schedules
    from teachdiff.exact import materialise
    from teachdiff.priors.gaussian import GaussianPrior

    shape = (3, 4, 4)
    operator = make_operator(task, shape)
    prior = GaussianPrior(schedules.linear(T=6, beta_min=0.02, beta_max=0.4), torch.zeros(shape), torch.rand(shape))
    x0 = random(1, 2, *shape)
    problem = InverseProblem(operator, operator(x0), 0.3)
    matrix = Matrix(materialise(operator, shape), shape)
    explicit = InverseProblem(matrix, problem.y.reshape(2, *matrix.output_shape), 0.3)
    torch.testing.assert_close(ddrm(prior, problem, seed=2), ddrm(prior, explicit, seed=2), rtol=1e-7, atol=1e-7)


TWINS = {
    "eta_b for its square": ("topped_up", lambda s, sigma, level, eta_b: level**2 - eta_b * sigma**2 / s**2),
    "s sigma for sigma / s": ("topped_up", lambda s, sigma, level, eta_b: level**2 - eta_b**2 * sigma**2 * s**2),
    "nothing subtracted": ("topped_up", lambda s, sigma, level, eta_b: level**2 + 0 * s),
    "no eta": ("mean_unmeasured", lambda x, e, level, eta: x + level * e),
    "1 - eta for the root": ("mean_unmeasured", lambda x, e, level, eta: x + (1 - eta) * level * e),
    "residual not scaled": ("mean_noisier", lambda x, y, s, sigma, level, eta: x + (1 - eta**2) ** 0.5 * (y - x)),
    "residual from the other side": (
        "mean_noisier",
        lambda x, y, s, sigma, level, eta: x + (1 - eta**2) ** 0.5 * level * (x - y) * s / sigma,
    ),
    "eta_b on x0_hat": ("mean_better", lambda x, y, eta_b: eta_b * x + (1 - eta_b) * y),
}


@pytest.mark.parametrize("twin", TWINS)
def test_a_wrong_case_has_another_law(twin, monkeypatch):
    world, (name, wrong) = World(5), TWINS[twin]
    options = {"eta": 0.7, "eta_b": 0.8}
    right = expected(world, **options)
    monkeypatch.setitem(ddrm.__globals__, name, wrong)
    assert differs(ddrm, world, right, **options) > 1e-4


def test_what_it_refuses():
    world = World(0)
    with pytest.raises(ValueError, match="ddrm needs a linear operator"):
        ddrm(world.prior, InverseProblem(NotLinear(world.matrix), world.problem.y, 0.5))
    blur = make_operator("deblur_motion", (1, 8, 8), padding="reflect")
    assert blur.svd is None
    with pytest.raises(ValueError, match=r"has no svd\. Use dmps or pigdm"):
        ddrm(world.prior, InverseProblem(blur, torch.zeros(1, 1, 8, 8), 0.5))
