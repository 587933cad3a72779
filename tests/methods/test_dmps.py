"""DMPS: its exact law, its limits, and what it must not cost."""

import math

import pytest
import torch
from gaussian_case import N, NotLinear, World, assert_law, differs, one_pixel, small
from hypothesis import given
from hypothesis import strategies as st

from teachdiff.exact import output_law
from teachdiff.methods import ddpm, dmps
from teachdiff.problems import InverseProblem

seeds = st.integers(0, 2**31)
steps = st.sampled_from([None, 1, 3, [2, 5, 6], [1, 2]])


def pull(world, lam):
    """step -> (matrix, vector) of lam (1-alpha)/sqrt(alpha) times the score of y given x for a flat prior."""
    A, y = world.matrix, world.problem.y.flatten()

    def term(step):
        # y = A x_0 + sigma w, and x_0 = x/c + sqrt((1 - c^2)/c^2) z by dividing the forward process by c.
        c = math.sqrt(step.alpha_bar)
        cov = world.sigma**2 * torch.eye(len(A), dtype=torch.float64) + (1 - c**2) / c**2 * A @ A.mT
        gain = lam * (1 - step.alpha) / math.sqrt(step.alpha) * torch.linalg.solve(cov, A / c).mT
        return -gain @ A / c, gain @ y

    return term


def expected(world, steps=None, lam=1.0, at="x_t"):
    place = {"shift" if at == "x_t" else "correction": pull(world, lam)}
    return world.chain(world.schedule.respace(steps), small, **place)


@given(seeds, steps, st.floats(0, 2), st.sampled_from(["x_t", "updated"]))
def test_the_exact_law(seed, steps, lam, at):
    world = World(seed)
    assert_law(dmps, world, expected(world, steps, lam, at), steps=steps, lam=lam, at=at)


@given(seeds)
def test_the_defaults_are_the_derivations(seed):
    world = World(seed)
    assert_law(dmps, world, expected(world, lam=1.0, at="x_t"))


def test_in_one_dimension_against_the_posterior():
    """The posterior is 0.9901 with variance 0.0099. The flat prior pulls to y with too much doubt; the release's
    1.75 makes up for that in the mean and pays with the variance."""
    for options, mean, variance in [
        ({}, 0.9628, 0.0086),
        ({"lam": 1.75}, 0.9881, 0.0034),
        ({"lam": 1.75, "at": "updated"}, 0.9883, 0.0031),
    ]:
        found = output_law(dmps, *one_pixel(), **options)
        assert found[0].item() == pytest.approx(mean, abs=5e-5)
        assert found[1].item() == pytest.approx(variance, abs=5e-5)


@pytest.mark.parametrize("at", ["x_t", "updated"])
def test_a_measurement_without_information_changes_nothing(at):
    world = World(3)
    plain = ddpm(world.prior, world.problem, seed=1)
    assert torch.equal(dmps(world.prior, world.problem, lam=0.0, at=at, seed=1), plain)
    blind = InverseProblem(world.problem.operator, world.problem.y, 1e7)
    torch.testing.assert_close(dmps(world.prior, blind, at=at, seed=1), plain, rtol=0, atol=1e-12)


@given(seeds)
def test_without_noise_only_the_priors_last_correction_keeps_the_result_from_y(seed):
    """sigma = 0: y - A x_0 = A (x_1/sqrt(alpha_1) - x0_hat), of the order of 1 - alpha_1; and the updated term
    with lam = 1 leaves y - A x_0 = alpha-weighted nothing: it reproduces y up to the same order."""
    world, seen = World(seed), {}
    exact = InverseProblem(world.problem.operator, world.problem.y, 0.0)
    x0 = dmps(world.prior, exact, seed=seed, on_step=lambda t, x_t, x0_hat: seen.update({t: (x_t, x0_hat)}))
    x_1, x0_hat = seen[1]
    A = world.problem.operator
    left = A(x_1 / world.schedule.alpha[1].sqrt() - x0_hat)
    torch.testing.assert_close(exact.y - A(x0), left, rtol=1e-7, atol=1e-7)


def test_no_graph_is_built():
    world, graphs = World(4), []

    class Watched:
        schedule = world.schedule

        def denoise(self, x_t, t):
            graphs.append(torch.is_grad_enabled() or x_t.requires_grad)
            return world.prior.denoise(x_t, t)

    for at in ("x_t", "updated"):
        dmps(Watched(), world.problem, at=at)
    assert graphs and not any(graphs)


TWINS = {
    "1 - alpha_bar for the noise-to-signal ratio": lambda r, A, s, c: (
        A.adjoint(A.resolvent(r(1 / c), s**2, 1 - c**2)) / c
    ),
    "x_t not scaled back": lambda r, A, s, c: A.adjoint(A.resolvent(r(1.0), s**2, (1 - c**2) / c**2)) / c,
    "without the factor in front": lambda r, A, s, c: A.adjoint(A.resolvent(r(1 / c), s**2, (1 - c**2) / c**2)),
    "sigma for its square": lambda r, A, s, c: A.adjoint(A.resolvent(r(1 / c), s, (1 - c**2) / c**2)) / c,
    "sign": lambda r, A, s, c: -A.adjoint(A.resolvent(r(1 / c), s**2, (1 - c**2) / c**2)) / c,
    "no covariance": lambda r, A, s, c: A.adjoint(A.resolvent(r(1 / c), s**2, 0.0)) / c,
}


@pytest.mark.parametrize("twin", TWINS)
def test_a_wrong_formula_has_another_law(twin, monkeypatch):
    world = World(5)

    def wrong(x, y, A, sigma, alpha_bar):
        return TWINS[twin](lambda scale: y - scale * A(x), A, sigma, math.sqrt(alpha_bar))

    monkeypatch.setitem(dmps.__globals__, "flat_score", wrong)
    assert differs(dmps, world, expected(world)) > 0.01


def test_the_release_is_another_method():
    world = World(6)
    assert differs(dmps, world, expected(world, lam=1.75, at="x_t"), lam=1.75, at="updated") > 0.02
    assert differs(dmps, world, expected(world), lam=1.75) > 0.02


def test_what_it_refuses():
    world = World(0)
    with pytest.raises(ValueError, match="dmps needs a linear operator"):
        dmps(world.prior, InverseProblem(NotLinear(world.matrix), world.problem.y, 0.5))

    class Bare:
        linear, input_shape, output_shape = True, (1, 2, 2), (1, 1, 3)
        __call__, adjoint = world.problem.operator.__call__, world.problem.operator.adjoint

    with pytest.raises(ValueError, match="resolvent"):
        dmps(world.prior, InverseProblem(Bare(), world.problem.y, 0.5))


def test_any_shape_of_operator():
    for rows in (1, N, N + 2):
        world = World(7, rows=rows)
        assert_law(dmps, world, expected(world))
