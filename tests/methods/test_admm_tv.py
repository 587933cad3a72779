"""ADMM-TV: its limit is the minimiser, by a certificate that knows nothing of ADMM; each update is the formula."""

import importlib

import numpy as np
import pytest
import torch
from gaussian_case import Matrix, random
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from teachdiff.exact import materialise
from teachdiff.operators import CircularConvolution, Downsample, GaussianBlur, Grey, Identity, Mask, random_mask
from teachdiff.problems import InverseProblem

method = importlib.import_module("teachdiff.methods.admm_tv")  # its package gives this name to the function

SHAPE = (1, 3, 4)
N = 12
seeds = st.integers(0, 2**31)
TIGHT = {"iterations": 1000, "tolerance": 1e-9}


def admm_tv(problem, **options):
    return method.admm_tv(None, problem, **options)


def full(seed):
    """A dense operator that loses nothing: the minimiser is unique."""
    return Matrix(random(seed, 15, N) / 5 + torch.eye(15, N, dtype=torch.float64), SHAPE)


def kernel(seed):
    k = random(seed, 3, 3).abs() * 0.05
    k[1, 1] += 0.6
    return k


OPERATORS = {
    "dense": full,
    "identity": lambda seed: Identity(SHAPE),
    "mask": lambda seed: Mask(random_mask(SHAPE, 0.4, seed)),
    "torus": lambda seed: CircularConvolution(kernel(seed), SHAPE),
    "blur": lambda seed: GaussianBlur(SHAPE, 0.7),
    "average": lambda seed: Downsample((1, 4, 4), 2),
    "grey": lambda seed: Grey((2, 3, 3)),
}


def problem_of(name, seed, batch=1):
    operator = OPERATORS[name](seed)
    y = random(seed + 1, batch, *operator.output_shape) / 2
    return InverseProblem(operator, y if operator.measured is None else y * operator.measured.values, 0.1)


def dense(problem):
    """A and D as numpy matrices, D's rows the downward differences, then those to the right."""
    shape = problem.operator.input_shape
    torus = isinstance(problem.operator, CircularConvolution)
    down, right = (
        lambda x, axis=axis: np.roll(x, -1, axis) - x
        if torus
        else np.diff(x, axis=axis, append=np.take(x, [-1], axis=axis))
        for axis in (1, 2)
    )
    columns = [np.concatenate([f(e.reshape(shape)).ravel() for f in (down, right)]) for e in np.eye(np.prod(shape))]
    return materialise(problem.operator, shape).numpy(), np.stack(columns, axis=1)


def lengths(Dx, penalty):
    return np.hypot(*Dx.reshape(2, -1)) if penalty == "isotropic" else np.abs(Dx)


def defect(x, problem, lam, penalty):
    """How far x is from optimal: the least |A^T(Ax - y) + D^T p| over the subgradients p of the penalty at Dx.

    It is 0 exactly at the minimisers. Differences below 1e-4 count as 0; of the others the subgradient is known.
    """
    A, D = dense(problem)
    x, y = x.flatten().numpy(), problem.y.flatten().numpy()
    Dx, force = D @ x, A.T @ (A @ x - y)
    size = lengths(Dx, penalty)
    size = np.tile(size, 2) if penalty == "isotropic" else size
    edge = size > 1e-4
    p = np.where(edge, lam * Dx / np.where(edge, size, 1), 0.0)
    rest, flat = force + D.T @ p, D[~edge]
    if not len(flat):
        return np.abs(rest).max()
    if penalty == "anisotropic":
        return np.abs(flat.T @ lsq_linear(flat.T, -rest, (-lam, lam), tol=1e-15).x + rest).max()
    q, moved, t = np.zeros(len(flat)), np.zeros(len(flat)), 1.0  # pairs lie in discs: accelerated projected gradient
    for _ in range(4000):
        ahead = moved - flat @ (flat.T @ moved + rest) / 8
        pairs = ahead.reshape(2, -1)
        old, q = q, (pairs / np.maximum(1, np.hypot(*pairs) / lam)).ravel()
        if np.abs(flat.T @ q + rest).max() < 1e-9 or np.abs(q - old).max() < 1e-13:
            break
        t, before = (1 + (1 + 4 * t * t) ** 0.5) / 2, t
        moved = q + (before - 1) / t * (q - old)
    return np.abs(flat.T @ q + rest).max()


@pytest.mark.parametrize("penalty", ["isotropic", "anisotropic"])
@pytest.mark.parametrize("name", OPERATORS)
def test_the_limit_is_a_minimiser(name, penalty):
    problem = problem_of(name, 2 if name == "mask" else 7)  # seeds that converge within 1000 rounds
    x = admm_tv(problem, lam=0.1, penalty=penalty, **TIGHT)
    assert defect(x, problem, 0.1, penalty) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), [("mask", 7), ("average", 2)])
def test_where_convergence_is_slow_it_still_goes_to_a_minimiser(name, seed):
    """What A does not see settles late: after 1000 rounds the defect is above 1e-4, and then it falls."""
    problem = problem_of(name, seed)
    early, late = (
        defect(admm_tv(problem, lam=0.1, iterations=rounds, tolerance=0.0), problem, 0.1, "isotropic")
        for rounds in (1000, 16000)
    )
    assert early > 1e-4
    assert late < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("penalty", ["isotropic", "anisotropic"])
@pytest.mark.parametrize("name", OPERATORS)
@given(seed=seeds, lam=st.floats(0.02, 0.3))
def test_the_limit_is_always_a_minimiser(name, penalty, seed, lam):
    problem, rounds = problem_of(name, seed), []
    x = admm_tv(problem, lam=lam, penalty=penalty, on_step=lambda *round: rounds.append(round), **TIGHT)
    assume(len(rounds) < TIGHT["iterations"])  # slow convergence is the test above's
    assert defect(x, problem, lam, penalty) < 1e-5


def test_the_certificate_rejects_what_is_nearly_a_minimiser():
    problem = problem_of("dense", 3)
    x = admm_tv(problem, lam=0.1, **TIGHT)
    assert defect(x, problem, 0.1, "isotropic") < 1e-7
    for other in (x + 1e-3 * random(9, *x.shape), 1.01 * x, torch.zeros_like(x)):
        assert defect(other, problem, 0.1, "isotropic") > 1e-4
    assert defect(x, problem, 0.11, "isotropic") > 1e-3
    assert defect(x, problem, 0.1, "anisotropic") > 1e-3


WRONG = {
    "the threshold lacks rho": ("threshold", lambda v, level, penalty: right["threshold"](v, 0.5 * level, penalty)),
    "each difference for itself": ("threshold", lambda v, level, penalty: right["threshold"](v, level, "anisotropic")),
    "a hard threshold": ("shrink", lambda v, size, level: torch.where(size > level, v, 0.0)),
    "the divergence without its minus": ("differences_adjoint", lambda p: -right["differences_adjoint"](p)),
    "an adjoint twice as long": ("differences_adjoint", lambda p: 2 * right["differences_adjoint"](p)),
}
right = {name: getattr(method, name) for name in ("threshold", "shrink", "differences_adjoint")}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_update_is_rejected(what, monkeypatch):
    problem = problem_of("dense", 5)
    options = {"lam": 0.1, "rho": 0.5, "iterations": 300}
    assert defect(admm_tv(problem, tolerance=1e-9, **options), problem, 0.1, "isotropic") < 1e-5
    monkeypatch.setattr(method, *WRONG[what])
    try:
        x = admm_tv(problem, **options)
    except RuntimeError:  # the system of the x-step is not definite any more
        return
    assert not defect(x, problem, 0.1, "isotropic") < 1e-3


@pytest.mark.parametrize("penalty", ["isotropic", "anisotropic"])
def test_rho_changes_the_way_and_not_the_limit(penalty):
    problem = problem_of("dense", 1)
    first, *others = (admm_tv(problem, lam=0.1, penalty=penalty, rho=rho, **TIGHT) for rho in (0.15, 0.5))
    for x in others:
        torch.testing.assert_close(x, first, rtol=0, atol=1e-7)
    early = [admm_tv(problem, lam=0.1, penalty=penalty, rho=rho, iterations=3) for rho in (0.1, 0.6)]
    assert not torch.allclose(*early, atol=1e-3)


def test_denoising_is_scikit_images_in_the_limit_in_both_units():
    """An independent algorithm: Chambolle's dual projection. Its weight is lambda; its images are in [0, 1]."""
    from skimage.restoration import denoise_tv_chambolle

    y = random(2, 1, 1, 4, 5) / 3
    problem = InverseProblem(Identity((1, 4, 5)), y, 0.1)
    other = denoise_tv_chambolle(y[0].numpy(), 0.2, eps=0, max_num_iter=1500, channel_axis=0)
    x = admm_tv(problem, lam=0.2, **TIGHT)
    torch.testing.assert_close(x[0], torch.from_numpy(other), rtol=0, atol=3e-4)
    unit = denoise_tv_chambolle((y[0].numpy() + 1) / 2, 0.1, eps=0, max_num_iter=1500, channel_axis=0)
    assert method.lam_from_unit_range(0.1) == 0.2
    torch.testing.assert_close(x[0], torch.from_numpy(2 * unit - 1), rtol=0, atol=3e-4)


def test_isotropic_and_anisotropic_by_hand():
    """A corner pixel 1 above its flat surroundings: two differences of 1 cost sqrt(2) as a pair, 2 one by one."""
    y = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    y[..., 0, 0] = 1
    problem = InverseProblem(Identity((1, 4, 4)), y, 0.0)
    lam, n = 0.1, 15
    for penalty, cost in (("isotropic", 2**0.5), ("anisotropic", 2.0)):
        x = admm_tv(problem, lam=lam, penalty=penalty, tolerance=1e-6, iterations=400).flatten()
        torch.testing.assert_close(x[0].item(), 1 - lam * cost, rtol=0, atol=1e-4)
        torch.testing.assert_close(x[1:], torch.full((n,), lam * cost / n).double(), rtol=0, atol=1e-4)


@pytest.mark.parametrize("circular", [False, True])
@given(seed=seeds, height=st.integers(1, 5), width=st.integers(1, 5))
def test_differences_and_their_adjoint(circular, seed, height, width):
    D, Dt = (
        (method.circular_differences, method.circular_adjoint)
        if circular
        else (method.differences, method.differences_adjoint)
    )
    x, p = random(seed, 2, 3, height, width), random(seed + 1, 2, 2, 3, height, width)
    for axis, got in zip((-2, -1), D(x).unbind(1), strict=True):
        expected = np.diff(x.numpy(), axis=axis, append=np.take(x.numpy(), [0 if circular else -1], axis=axis))
        np.testing.assert_array_equal(got.numpy(), expected)
    torch.testing.assert_close((D(x) * p).sum(), (x * Dt(p)).sum(), rtol=1e-12, atol=1e-12)


@given(seed=seeds, height=st.integers(1, 6), width=st.integers(1, 7))
def test_the_fourier_step_solves_the_system(seed, height, width):
    A = CircularConvolution(kernel(seed), (2, height, width))
    Aty, q, rho = random(seed, 2, 2, height, width), random(seed + 1, 2, 2, height, width), 0.3
    x = method.fourier_solver(A, Aty)(torch.zeros_like(Aty), q, rho, None)
    back = A.adjoint(A(x)) + rho * method.circular_adjoint(method.circular_differences(x))
    torch.testing.assert_close(back, Aty + rho * q, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in OPERATORS if name != "grey"])
@given(seed=seeds)
def test_tikhonov_is_one_dense_solve(name, seed):
    problem = problem_of(name, seed, batch=2)
    A, D = dense(problem)
    y = problem.y.flatten(1).numpy()
    expected = np.linalg.solve(A.T @ A + 0.3 * D.T @ D, A.T @ y.T).T
    x = admm_tv(problem, lam=0.3, penalty="tikhonov")
    np.testing.assert_allclose(x.flatten(1).numpy(), expected, rtol=0, atol=1e-8)


def test_what_neither_camera_nor_penalty_sees_stays_0():
    """Grey measurements say nothing of a colour that is the same everywhere: the answer is grey."""
    problem = problem_of("grey", 1)
    for penalty in method.PENALTIES:
        x = admm_tv(problem, penalty=penalty, iterations=300, tolerance=1e-8)
        torch.testing.assert_close(x[:, 0], x[:, 1], rtol=0, atol=1e-6)


@settings(max_examples=2)
@given(seed=seeds, data=st.data())
def test_each_sample_stops_on_its_own(seed, data):
    problem = problem_of("dense", seed, batch=3)
    y = problem.y * torch.tensor([1.0, 0.05, 3.0]).view(-1, 1, 1, 1)  # easy and hard ones
    whole = admm_tv(InverseProblem(problem.operator, y, 0.1), lam=0.05, iterations=30)
    order = data.draw(st.permutations(range(3)))
    shuffled = admm_tv(InverseProblem(problem.operator, y[order], 0.1), lam=0.05, iterations=30)
    torch.testing.assert_close(shuffled, whole[order], rtol=1e-12, atol=1e-12)
    for i in range(3):
        alone = admm_tv(InverseProblem(problem.operator, y[i : i + 1], 0.1), lam=0.05, iterations=30)
        torch.testing.assert_close(alone, whole[i : i + 1], rtol=1e-12, atol=1e-12)


def test_it_stops_by_its_residuals_and_not_before():
    problem, seen = problem_of("dense", 2), []
    watch = lambda k, x, z: seen.append((k, x, z))  # noqa: E731
    x = admm_tv(problem, lam=0.1, tolerance=1e-6, iterations=900, on_step=watch)
    assert [k for k, _, _ in seen] == list(range(1, len(seen) + 1))
    assert len(seen) < 900
    _, last, z = seen[-1]
    assert torch.equal(last, x)
    assert z.shape == (1, 2, *SHAPE)
    Dx = method.differences(x)
    assert (Dx - z).norm() < 1e-6 * (Dx.numel() ** 0.5 + Dx.norm())
    best = admm_tv(problem, lam=0.1, **TIGHT)
    assert (x - best).abs().max() < 1e-4
    seen.clear()
    admm_tv(problem, lam=0.1, tolerance=0.0, iterations=13, on_step=watch)
    assert len(seen) == 13


def test_boyds_thresholds_by_hand():
    """Four differences and two pixels, written out."""
    one = lambda *v: torch.tensor(v, dtype=torch.float64)[None]  # noqa: E731
    Dx, z = one(3.0, 0.0, 0.0, 0.0), one(0.0, 4.0, 0.0, 0.0)  # |Dx - z| = 5, max(|Dx|, |z|) = 4, sqrt(4) = 2
    dual, force = one(1.0, 0.0), one(0.0, 2.0)  # 1 against sqrt(2) + 2
    done = lambda tolerance: bool(method.converged(Dx, z, dual, force, tolerance))  # noqa: E731
    assert done(5 / 6)
    assert not done(5 / 6 - 1e-9)
    dual = one(5.0, 0.0)
    assert not done(5 / 6)
    assert done(5 / (2 + 2**0.5) + 1e-9)


def test_the_prior_the_seed_and_the_noise_are_not_used():
    problem = problem_of("identity", 0)

    def noise(t, shape):
        raise AssertionError("nothing is drawn")

    x = method.admm_tv(object(), problem, seed=3, noise=noise)
    assert torch.equal(x, admm_tv(problem))


def test_float32_is_float64_rounded():
    problem = problem_of("identity", 4)
    x = admm_tv(problem, lam=0.1, tolerance=1e-6)
    single = admm_tv(InverseProblem(problem.operator, problem.y.float(), 0.1), lam=0.1, tolerance=1e-6)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), x, rtol=0, atol=1e-4)


BAD = {
    "penalty": ({"penalty": "isotropc"}, ValueError, "Did you mean 'isotropic'"),
    "lam": ({"lam": 0.0}, ValueError, "lam must be above 0"),
    "rho": ({"rho": -1.0}, ValueError, "rho must be finite and 0 or more"),
    "iterations": ({"iterations": 0}, ValueError, "iterations must be 1 or more"),
    "tolerance": ({"tolerance": float("nan")}, ValueError, "tolerance"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_options_are_named(case):
    options, error, says = BAD[case]
    with pytest.raises(error, match=says):
        admm_tv(problem_of("identity", 0), **options)


def test_half_precision_is_named():
    problem = problem_of("identity", 0)
    with pytest.raises(TypeError, match=r"y\.float"):
        admm_tv(InverseProblem(problem.operator, problem.y.half(), 0.1))
