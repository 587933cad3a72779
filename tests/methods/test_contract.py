"""What every method promises: batching, seeds, noise, observers, limits, and clear errors."""

import math

import pytest
import torch
from gaussian_case import SHAPE, Matrix, N, NotLinear, World, random, restoring
from hypothesis import given
from hypothesis import strategies as st

from teachdiff import schedules
from teachdiff.methods import (
    METHODS,
    admm_tv,
    ddim,
    ddpm,
    ddrm,
    dmps,
    dps,
    hybrid,
    pigdm,
    pnp_admm,
    score_ald,
    sdedit,
    tweedie,
)
from teachdiff.noise import sample_seeds
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.problems import InverseProblem, observe
from tests.elsewhere import on_each_device

seeds = st.integers(0, 2**31)

#: Every way to run a method that the laws below hold for.
RUNS = {
    "tweedie": lambda *a, **k: tweedie(*a, **{"t": 4, **k}),
    "ddpm": ddpm,
    "ddpm large": lambda *a, **k: ddpm(*a, variance="large", **k),
    "ddim": ddim,
    "ddim eta": lambda *a, **k: ddim(*a, eta=0.5, **k),
    "sdedit": sdedit,
    "score_ald": score_ald,
    "score_ald one": lambda *a, **k: score_ald(*a, gamma=3.0, coefficient="one", **k),
    "dps": lambda *a, **k: dps(*a, zeta=0.3, **k),
    "dps likelihood": lambda *a, **k: dps(*a, step="likelihood", **k),
    "pigdm": pigdm,
    "dmps": dmps,
    "dmps released": lambda *a, **k: dmps(*a, lam=1.75, at="updated", **k),
    "hybrid": lambda *a, **k: hybrid(*a, zeta=0.3, **k),
    "hybrid psnr": lambda *a, **k: hybrid(*a, zeta=0.3, switch="psnr", **k),
    "ddrm": ddrm,
    "dirac": restoring,
    "dirac guided": lambda *a, **k: restoring(*a, guidance="std", increment="back", delta=0.5, **k),
    "dirac euler": lambda *a, **k: restoring(*a, guidance="error", eta=0.1, variance="euler", output="iterate", **k),
    "score_ald langevin": lambda *a, **k: score_ald(*a, chain="langevin", inner=1, step_size=0.05, **k),
    "pnp_admm": lambda *a, **k: pnp_admm(*a, iterations=4, **without(k, "steps")),
    "admm_tv": lambda *a, **k: admm_tv(*a, iterations=4, **without(k, "steps")),
}
runs = pytest.mark.parametrize("run", RUNS)

#: They draw nothing and walk no chain. ADMM-TV looks at neighbours, so it does not turn with the space.
DETERMINISTIC = ("pnp_admm", "admm_tv")
drawing = pytest.mark.parametrize("run", [run for run in RUNS if run not in DETERMINISTIC])


def without(options, *names):
    return {name: value for name, value in options.items() if name not in names}


def test_every_method_is_among_the_runs():
    assert {name.split()[0] for name in RUNS} == set(METHODS)


def mixture(world, seed):
    """Two modes: nothing here is linear."""
    cov = world.cov + 0.1 * torch.eye(N, dtype=torch.float64)
    components = [
        GaussianPrior.from_covariance(world.schedule, random(seed + k, *SHAPE), cov if k else 0.3 * cov)
        for k in range(2)
    ]
    return GaussianMixturePrior([0.4, 0.6], components)


def batch_of(world, batch, seed):
    return InverseProblem(world.problem.operator, random(seed, batch, *world.problem.operator.output_shape), 0.5)


@runs
@given(seed=seeds, data=st.data())
def test_splitting_and_permuting_the_batch_change_nothing(run, seed, data):
    world, batch = World(seed), data.draw(st.integers(2, 4))
    prior, problem, listed = mixture(world, seed), batch_of(World(seed), batch, seed), sample_seeds(seed, batch)
    whole = RUNS[run](prior, problem, seed=seed)
    # Relative to the batch's largest value: where a guided chain overshoots, its rounding grows with it.
    near = {"rtol": 0.0, "atol": 1e-12 * max(1.0, whole.abs().max().item())}
    order = data.draw(st.permutations(range(batch)))
    shuffled = InverseProblem(problem.operator, problem.y[order], problem.sigma)
    torch.testing.assert_close(RUNS[run](prior, shuffled, seed=[listed[i] for i in order]), whole[order], **near)
    cut = data.draw(st.integers(1, batch - 1))
    for part in (slice(0, cut), slice(cut, batch)):
        piece = InverseProblem(problem.operator, problem.y[part], problem.sigma)
        torch.testing.assert_close(RUNS[run](prior, piece, seed=listed[part]), whole[part], **near)


@drawing
@given(seed=seeds)
def test_the_same_seed_repeats_and_another_differs(run, seed):
    world = World(seed)
    first = RUNS[run](world.prior, world.problem, seed=seed)
    assert torch.equal(first, RUNS[run](world.prior, world.problem, seed=seed))
    assert not torch.equal(first, RUNS[run](world.prior, world.problem, seed=seed + 1))


@pytest.mark.parametrize("run", DETERMINISTIC)
def test_some_methods_draw_nothing(run):
    world = World(1)

    def noise(t, shape):
        raise AssertionError("nothing is drawn")

    x = RUNS[run](world.prior, world.problem, seed=1)
    assert torch.equal(x, RUNS[run](world.prior, world.problem, seed=2))
    assert torch.equal(x, RUNS[run](world.prior, world.problem, noise=noise))


@pytest.mark.parametrize("run", [run for run in RUNS if run != "admm_tv"])
@given(seed=seeds)
def test_rotating_the_space_rotates_the_result(run, seed):
    """Prior, operator and noise in another orthonormal basis: the result in that basis."""
    world = World(seed)
    q, _ = torch.linalg.qr(random(seed + 7, N, N))

    turn = lambda x: (x.reshape(-1, N) @ q.mT).view(x.shape)  # noqa: E731
    prior = GaussianPrior.from_covariance(
        world.schedule, (q @ world.mean).view(SHAPE), (lambda c: (c + c.mT) / 2)(q @ world.cov @ q.mT)
    )
    problem = InverseProblem(Matrix(world.matrix @ q.mT), world.problem.y, world.sigma)
    noise = lambda t, shape: random(seed + t, *shape)  # noqa: E731
    plain = RUNS[run](world.prior, world.problem, noise=noise)
    turned = RUNS[run](prior, problem, noise=lambda t, shape: turn(noise(t, shape)))
    torch.testing.assert_close(turned, turn(plain), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("run", [r for r in RUNS if r not in ("tweedie", *DETERMINISTIC) and "dirac" not in r])
@pytest.mark.parametrize("steps", [None, 3, [1, 2]])
def test_one_draw_lands_on_each_kept_time_and_none_on_the_clean_image(run, steps):
    world, asked, seen, calls = World(1), [], [], []

    class Counted:
        schedule = world.schedule

        def denoise(self, x_t, t):
            calls.append(int(t))
            return world.prior.denoise(x_t, t)

    def noise(t, shape):
        asked.append(t)
        return random(t, *shape)

    RUNS[run](Counted(), world.problem, steps=steps, noise=noise, on_step=lambda t, x_t, x0_hat: seen.append(t))
    start = 3 if run == "sdedit" and not isinstance(steps, list) else None
    kept = world.schedule.respace(steps, start).timesteps[1:].flip(0).tolist()
    assert asked == seen == calls == kept


@runs
def test_an_observer_sees_detached_tensors_and_changes_nothing(run):
    world, seen = World(2), []
    plain = RUNS[run](world.prior, world.problem, seed=3)
    watched = RUNS[run](world.prior, world.problem, seed=3, on_step=lambda t, x_t, x0_hat: seen.append((x_t, x0_hat)))
    assert torch.equal(plain, watched)
    assert not plain.requires_grad
    for x_t, x0_hat in seen:
        assert x_t.shape == (1, *SHAPE)
        assert x0_hat.shape == ((1, 2, *SHAPE) if run == "admm_tv" else (1, *SHAPE))
        assert not x_t.requires_grad and not x0_hat.requires_grad


@runs
def test_dtype_is_kept_and_the_measurement_is_not_changed(run):
    world = World(4)
    y = world.problem.y.clone()
    assert RUNS[run](world.prior, world.problem).dtype == torch.float64
    assert torch.equal(world.problem.y, y)


def test_without_guidance_a_conditional_method_is_ddpm():
    world = World(5)
    plain = ddpm(world.prior, world.problem, seed=1)
    assert torch.equal(dps(world.prior, world.problem, zeta=0.0, seed=1), plain)
    assert torch.equal(dmps(world.prior, world.problem, lam=0.0, seed=1), plain)
    assert torch.equal(hybrid(world.prior, world.problem, zeta=0.0, lam=0.0, seed=1), plain)
    faint = score_ald(world.prior, world.problem, gamma=1e9, seed=1)
    torch.testing.assert_close(faint, plain, rtol=0, atol=1e-15)
    whole = sdedit(world.prior, batch_of(world, 1, 3), t_start=world.schedule.T, seed=1)
    nothing = InverseProblem(world.problem.operator, torch.zeros_like(world.problem.y), 0.5)
    start_of_zero = sdedit(world.prior, nothing, t_start=world.schedule.T, seed=1)
    assert not torch.equal(whole, start_of_zero)  # sqrt(alpha_bar_T) y is small here, not zero


def test_unconditional_methods_need_no_problem():
    world = World(6)
    for method in (ddpm, ddim):
        x = method(world.prior, shape=(2, *SHAPE), dtype=torch.float64, seed=3)
        assert x.shape == (2, *SHAPE)
        torch.testing.assert_close(x[:1], method(world.prior, world.problem, seed=3), rtol=1e-12, atol=1e-12)


@given(seeds)
def test_a_small_dps_step_lowers_the_misfit_whose_gradient_it_took(seed):
    """One step of a one-step chain: x0_hat moves against the gradient of the misfit at x_1."""
    world = World(seed, T=1)
    prior, problem = mixture(world, seed), world.problem
    noise = lambda t, shape: random(seed + 5, *shape)  # noqa: E731
    x_T = noise(1, (1, *SHAPE))
    misfit = lambda x: (problem.y - problem.operator(prior.denoise(x, 1))).norm().item()  # noqa: E731
    for options, size in (({"zeta": 1e-4}, 1.0), ({"step": "likelihood"}, 1e-4)):
        shift = dps(prior, problem, noise=noise, **options) - ddpm(prior, problem, noise=noise)
        if shift.norm() > 1e-9:
            assert misfit(x_T + size * shift) < misfit(x_T)


@given(seeds)
def test_the_norm_step_is_the_gradient_of_an_unsquared_norm(seed):
    """Its length does not grow with the misfit: y twice as far away pulls equally hard."""
    world = World(seed, T=1)
    noise = lambda t, shape: random(seed + 5, *shape)  # noqa: E731
    centre = world.problem.operator(world.prior.denoise(noise(1, (1, *SHAPE)), 1))
    pulls = []
    for factor in (1.0, 2.0):
        y = centre + factor * (world.problem.y - centre)
        problem = InverseProblem(world.problem.operator, y, world.sigma)
        pulls.append(dps(world.prior, problem, zeta=1.0, noise=noise) - ddpm(world.prior, problem, noise=noise))
    torch.testing.assert_close(pulls[0], pulls[1], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("steps", [None, 3])
def test_learned_variance_between_its_two_bounds(fraction, steps):
    world = World(8)

    class Learned:
        schedule = world.schedule

        def denoise(self, x_t, t):
            return world.prior.denoise(x_t, t)

        def predict(self, x_t, t):
            beta, bars = self.schedule.beta, self.schedule.alpha_bar
            low = math.log((1 - bars[t - 1]) / (1 - bars[t]) * beta[t]) if t > 1 else -10.0
            log_variance = (1 - fraction) * low + fraction * math.log(beta[t])
            return self.denoise(x_t, t), torch.full_like(x_t, log_variance)

    x = ddpm(Learned(), world.problem, variance="learned", steps=steps, seed=2)
    small = ddpm(world.prior, world.problem, variance="small", steps=steps, seed=2)
    large = ddpm(world.prior, world.problem, variance="large", steps=steps, seed=2)
    if fraction in (0.0, 1.0):
        torch.testing.assert_close(x, large if fraction else small, rtol=1e-9, atol=1e-9)
    else:
        assert not torch.allclose(x, small) and not torch.allclose(x, large)


def test_the_clamp_is_the_priors_choice_unless_told_otherwise():
    world = World(9)

    class Wide:
        schedule, clip_x0 = world.schedule, True

        def denoise(self, x_t, t):
            return 5 * torch.ones_like(x_t)

    last = lambda **options: ddim(Wide(), world.problem, **options)  # noqa: E731
    assert last().max() == pytest.approx(1.0)
    assert last(clip_x0=False).max() == pytest.approx(5.0)
    Wide.clip_x0 = False
    assert last().max() == pytest.approx(5.0)
    assert last(clip_x0=True).max() == pytest.approx(1.0)


def test_sdedit_forgets_the_measurement_as_t_star_grows():
    schedule = schedules.linear(T=100, beta_max=0.2)
    prior = GaussianPrior(schedule, torch.zeros(SHAPE), torch.ones(SHAPE))
    world = World(10)
    far = InverseProblem(world.problem.operator, world.problem.y + 5, 0.5)
    gaps = [
        (sdedit(prior, world.problem, t_start=t, seed=0) - sdedit(prior, far, t_start=t, seed=0)).norm().item()
        for t in (5, 30, 60, 100)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 1e-3 * gaps[0]


def nan_prior(world):
    class Broken:
        schedule = world.schedule

        def denoise(self, x_t, t):
            return x_t * float("nan")

    return Broken()


BAD = {
    "steps zero": (lambda w: ddpm(w.prior, w.problem, steps=0), ValueError, "1..6"),
    "too many steps": (lambda w: dps(w.prior, w.problem, steps=7), ValueError, "1..6"),
    "variance": (lambda w: ddpm(w.prior, w.problem, variance="smal"), ValueError, "Did you mean 'small'"),
    "nothing learned": (lambda w: ddpm(w.prior, w.problem, variance="learned"), ValueError, "predict"),
    "eta": (lambda w: ddim(w.prior, w.problem, eta=1.5), ValueError, r"\[0, 1\]"),
    "no shape": (lambda w: ddpm(w.prior), ValueError, "shape="),
    "t_start": (lambda w: sdedit(w.prior, w.problem, t_start=0), ValueError, "1..6"),
    "t_start above T": (lambda w: sdedit(w.prior, w.problem, t_start=7), ValueError, "1..6"),
    "t outside": (lambda w: tweedie(w.prior, w.problem, t=7), ValueError, "1..6"),
    "t below sigma": (lambda w: tweedie(w.prior, w.problem, t=1), ValueError, "take t of"),
    "gamma negative": (lambda w: score_ald(w.prior, w.problem, gamma=-1.0), ValueError, "gamma"),
    "at": (lambda w: dmps(w.prior, w.problem, at="updatet"), ValueError, "Did you mean 'updated'"),
    "lam": (lambda w: dmps(w.prior, w.problem, lam=-1.0), ValueError, "lam"),
    "tau": (lambda w: pigdm(w.prior, w.problem, tau=-1.0), ValueError, "tau"),
    "eta of ddrm": (lambda w: ddrm(w.prior, w.problem, eta=1.5), ValueError, r"eta must lie in \[0, 1\]"),
    "eta_b": (lambda w: ddrm(w.prior, w.problem, eta_b=-0.5), ValueError, r"eta_b must lie in \[0, 1\]"),
    "too many steps of ddrm": (lambda w: ddrm(w.prior, w.problem, steps=7), ValueError, "1..6"),
    "switch": (lambda w: hybrid(w.prior, w.problem, switch="psrn"), ValueError, "'psnr'"),
    "coefficient": (lambda w: score_ald(w.prior, w.problem, coefficient="two"), ValueError, "bayes"),
    "step": (lambda w: dps(w.prior, w.problem, step="squared"), ValueError, "likelihood"),
    "zeta": (lambda w: dps(w.prior, w.problem, zeta=float("nan")), ValueError, "zeta"),
    "no problem": (lambda w: dps(w.prior, w.problem.y), TypeError, "InverseProblem"),
    "seed": (lambda w: ddpm(w.prior, w.problem, seed=-1), ValueError, "seed"),
    "noise of another shape": (
        lambda w: ddpm(w.prior, w.problem, noise=lambda t, s: torch.zeros(1).double()),
        ValueError,
        "noise",
    ),
    "noise of another dtype": (lambda w: ddpm(w.prior, w.problem, noise=lambda t, s: torch.zeros(s)), ValueError, "64"),
    "noise that is nan": (
        lambda w: ddpm(w.prior, w.problem, noise=lambda t, s: torch.full(s, float("nan"))),
        ValueError,
        "finite",
    ),
    "a prior that answers nan": (lambda w: ddpm(nan_prior(w), w.problem), FloatingPointError, "diverged"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, error, says = BAD[case]
    with pytest.raises(error, match=says):
        call(World(0))


def test_what_sigma_zero_means_for_each():
    world = World(0)
    exact = InverseProblem(world.problem.operator, world.problem.y, 0.0)
    with pytest.raises(ValueError, match="step='norm'"):
        dps(world.prior, exact, step="likelihood")
    with pytest.raises(ValueError, match="gamma above 0"):
        score_ald(world.prior, exact, gamma=0.0)
    with pytest.raises(ValueError, match="positive"):
        tweedie(world.prior, exact)
    with pytest.raises(ValueError, match="tau above 0"):
        pigdm(world.prior, exact, tau=0.0)
    for method in (lambda *a: dps(*a, zeta=0.1), lambda *a: hybrid(*a, zeta=0.1), dmps, pigdm, ddrm):
        assert method(world.prior, exact).isfinite().all()


def test_an_operator_that_is_not_linear():
    world = World(0)

    problem = InverseProblem(NotLinear(world.matrix), world.problem.y, 0.5)
    for method in (score_ald, dmps, pigdm, hybrid, ddrm, pnp_admm, admm_tv):
        with pytest.raises(ValueError, match=f"{method.__name__} needs a linear operator"):
            method(world.prior, problem)
    assert dps(world.prior, problem, zeta=0.1).shape == (1, *SHAPE)


@on_each_device
@runs
def test_another_device_gives_the_same_as_the_cpu(run, device):
    world = World(11)
    noise = lambda t, shape: random(t, *shape)  # noqa: E731
    on_cpu = RUNS[run](world.prior, world.problem, noise=noise)
    operator = Matrix(world.matrix.to(device))
    problem = InverseProblem(operator, world.problem.y.to(device), world.sigma)
    there = RUNS[run](world.prior, problem, noise=lambda t, shape: noise(t, shape).to(device))
    torch.testing.assert_close(there.cpu(), on_cpu, rtol=1e-10, atol=1e-10)


def test_observe_and_restore_end_to_end():
    world = World(12)
    x0 = random(3, 2, *SHAPE)
    problem = observe(world.problem.operator, x0, sigma=0.1, seed=5)
    assert dps(world.prior, problem, zeta=0.2).shape == x0.shape
