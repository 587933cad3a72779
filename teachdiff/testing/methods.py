r"""The laws of a method: `method(prior, problem, *, noise=..., seed=...) -> x0`, or any sampler called with
(prior, problem), whose draws are then heard and replaced (see `replay`).

What a method promises it claims (see `CLAIMS`), and only that is asked of it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from teachdiff import schedules
from teachdiff.exact import gaussian_posterior, output_law
from teachdiff.priors.asked import Asked
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import InverseProblem
from teachdiff.testing.adapters import MethodView
from teachdiff.testing.core import Draw, LawBroken, NotApplicable, law, normal, require, require_close
from teachdiff.testing.sequential import means_agree
from teachdiff.testing.worlds import CLOSED_FORMS, PATHS, SHAPE, GaussianWorld, Matrix, N, mixture_prior

#: What a method can claim beside a closed form, and what it means.
CLAIMS = {
    "chain": "walks the reverse chain: asks the prior once at each kept step, T first, and ends without noise",
    "forgets": "as sigma grows the measurement counts for nothing",
    "consistent": "as sigma falls to 0 the result reproduces the measurement",
    "prior": "with nothing measured it samples the prior, better and better as T grows",
    "posterior": "it samples the posterior, better and better as T grows",
    **{name: f"has exactly the law of {name} for a Gaussian prior" for name in CLOSED_FORMS},
    **{name: f"makes of its noise exactly what {name} makes of it, for a Gaussian prior" for name in PATHS},
}


#: Lengths of the chains whose law is compared. Some mistakes show from T = 3 on; 5 is no multiple of a spacing.
LENGTHS = (1, 2, 3, 5)


def recorded(seed: int) -> Callable[[int, tuple[int, ...]], Tensor]:
    """Noise that depends on the draw alone: the k-th, or that of time t."""
    return lambda t, shape: normal(shape, seed + 7919 * (t + 1))


def claimed(method: MethodView, *names: str) -> None:
    if not any(name in method.claims for name in names):
        raise NotApplicable(f"the method does not claim: {' or '.join(names)}")


def batch_of(world: GaussianWorld, batch: int, seed: int) -> InverseProblem:
    return InverseProblem(world.problem.operator, normal((batch, *world.problem.operator.output_shape), seed), 0.5)


def blind(world: GaussianWorld, batch: int = 1) -> InverseProblem:
    """A camera that sees nothing: y = 0 whatever the image is."""
    nothing = Matrix(torch.zeros(3, N, dtype=torch.float64))
    return InverseProblem(nothing, torch.zeros(batch, *nothing.output_shape, dtype=torch.float64), world.sigma)


@law("method", "The result is (B, *input_shape), of y's dtype, finite and detached; y is kept.", examples=4)
def shapes(method: MethodView, draw: Draw) -> None:
    world, batch = GaussianWorld(draw.seed()), draw.integer("batch", 1, 3)
    problem = batch_of(world, batch, 5)
    y = problem.y.clone()
    x = method.seeded(world.prior, problem, 0)
    require(isinstance(x, Tensor), "the method must give a tensor", type(x).__name__, "Tensor")
    require(tuple(x.shape) == (batch, *SHAPE), "shape of the result", tuple(x.shape), (batch, *SHAPE))
    require(x.dtype == y.dtype, "dtype of the result, and of y", str(x.dtype), str(y.dtype))
    require(torch.isfinite(x).all(), "the result holds NaN or infinite values")
    require(not x.requires_grad, "the result carries a gradient; detach it")
    require(torch.equal(problem.y, y), "the method changed y in place")


@law("method", "A seed repeats its result, 0 like any other; another seed gives another result.", examples=4)
def seeds(method: MethodView, draw: Draw) -> None:
    world, seed = GaussianWorld(1), draw.integer("method's seed", 0, 1000)
    first, again, other = (method.seeded(world.prior, world.problem, s) for s in (seed, seed, seed + 1))
    require_close(again, first, 0.0, 0.0, "the result of one seed, asked twice")
    if method.draws(world.prior, world.problem):
        require(not torch.equal(first, other), f"seeds {seed} and {seed + 1} give the same result")


@law("method", "With one seed, a sample's result does not depend on how many stand beside it.", examples=2)
def streams(method: MethodView, draw: Draw) -> None:
    if not method.takes_seed:
        raise NotApplicable("the method takes no seed")
    seed = draw.integer("method's seed", 0, 1000)
    world = GaussianWorld(1)
    prior, problem = mixture_prior(world, 1), batch_of(world, 3, 1)
    whole = method.seeded(prior, problem, seed)
    first = InverseProblem(problem.operator, problem.y[:1], problem.sigma)
    alone = method.seeded(prior, first, seed)
    scale = 1 + float(alone.abs().max())
    require_close(whole[:1], alone, method.batch_tolerance, scale, "the first sample of three, and the same alone")


@law("method", "A batch is its samples, in any order, each with noise of its own.", examples=4)
def batch(method: MethodView, draw: Draw) -> None:
    seed, size = draw.seed(), draw.integer("batch", 2, 3)
    world = GaussianWorld(seed)
    prior, problem, noise = mixture_prior(world, seed), batch_of(world, size, seed), recorded(seed)
    whole, allowed, scale = method.together(prior, problem, noise), method.batch_tolerance, 1.0

    def alone(i: int) -> Tensor:
        one = InverseProblem(problem.operator, problem.y[i : i + 1], problem.sigma)
        return method.together(prior, one, lambda t, shape: noise(t, (size, *shape[1:]))[i : i + 1])

    for i in range(size):
        one = alone(i)
        scale = 1 + float(one.abs().max())
        require_close(whole[i : i + 1], one, allowed, scale, "a sample in a batch, and the same sample alone")
    order = torch.arange(size).roll(1)
    turned = InverseProblem(problem.operator, problem.y[order], problem.sigma)
    permuted = method.together(prior, turned, lambda t, shape: noise(t, shape)[order])
    require_close(permuted, whole[order], allowed, scale, "a permuted batch")


@law("method", "Rotate prior, camera and noise by an orthogonal matrix, and the result rotates with them.", examples=4)
def rotation(method: MethodView, draw: Draw) -> None:
    seed = draw.seed()
    world = GaussianWorld(seed)
    q, _ = torch.linalg.qr(normal((N, N), seed + 7))
    cov = q @ world.cov @ q.mT
    prior = GaussianPrior.from_covariance(world.schedule, (q @ world.mean).view(SHAPE), (cov + cov.mT) / 2)
    problem = InverseProblem(Matrix(world.matrix @ q.mT), world.problem.y, world.sigma)
    noise = recorded(seed)
    asked = Asked(world.prior)
    plain = method(asked, world.problem, noise)
    if not asked.times:
        raise NotApplicable("the method does not ask the prior: what it supposes of images cannot be rotated")
    turned = method(prior, problem, lambda t, shape: noise(t, shape) @ q.mT)
    allowed, scale = max(1e-7, method.tolerance), 1 + float(plain.abs().max())
    require_close(turned, plain @ q.mT, allowed, scale, "the rotated problem's result, and the rotated result")


@law("method", "The prior is asked once at each step: T, T - 1, ..., 1, and never at 0.", proof="posterior", examples=2)
def evaluations(method: MethodView, draw: Draw) -> None:
    claimed(method, "chain")
    seed = draw.seed()
    for T in LENGTHS:
        world = GaussianWorld(seed, T=draw.note("T", T))
        prior = Asked(world.prior)
        method(prior, world.problem, recorded(0))
        expected = list(range(T, 0, -1))
        require(prior.times == expected, "times at which the prior was asked", prior.times, expected)


@law(
    "method",
    "No noise after the last step: if only one image is possible and nothing is seen, it comes back.",
    proof="posterior",
    examples=4,
)
def no_noise_at_the_end(method: MethodView, draw: Draw) -> None:
    claimed(method, "chain")
    world = GaussianWorld(draw.seed(), T=draw.integer("T", 1, 6))
    point = world.prior.mean.values
    prior = GaussianPrior(world.schedule, point, torch.zeros_like(point))
    x = method(prior, blind(world), recorded(draw.drawn["seed"]))
    scale = 1 + float(point.abs().max())
    require_close(x[0], point, 100 * method.tolerance, scale, "a pixel of the result, and of the only possible image")


@law(
    "method",
    "For a Gaussian prior the output's mean and covariance are those of the method that it claims to be.",
    proof="reverse_mean",
    examples=3,
)
def exact_law(method: MethodView, draw: Draw) -> None:
    names = [name for name in method.claims if name in CLOSED_FORMS]
    if not names:
        raise NotApplicable(f"the method does not claim to be one of {', '.join(CLOSED_FORMS)}")
    seed = draw.seed()
    for T in LENGTHS:
        world = GaussianWorld(seed, T=draw.note("T", T))
        got_mean, got_cov = law_of(method, world.prior, world.problem, method.tolerance)
        for name in names:
            mean, cov = CLOSED_FORMS[name](world, **method.claims[name])
            for what, got, expected in (("mean", got_mean.flatten(), mean), ("covariance", got_cov, cov)):
                scale = 1 + float(expected.abs().max())
                require_close(got, expected, method.tolerance, scale, f"an entry of the {what}, and of that of {name}")


@law(
    "method",
    "Given its noise, the result is that of the method that it claims to be, also where it is not affine.",
    proof="dps",
    examples=3,
)
def exact_path(method: MethodView, draw: Draw) -> None:
    names = [name for name in method.claims if name in PATHS]
    if not names:
        raise NotApplicable(f"the method does not claim to be one of {', '.join(PATHS)}")
    seed = draw.seed()
    for T in LENGTHS:
        world = GaussianWorld(seed, T=draw.note("T", T))
        drawn: list[Tensor] = []

        def noise(t: int, shape: tuple[int, ...], drawn: list[Tensor] = drawn) -> Tensor:
            drawn.append(normal(shape, seed + 7919 * (len(drawn) + 1)))
            return drawn[-1]

        x = method(world.prior, world.problem, noise)
        for name in names:
            draws = iter([z.flatten() for z in drawn])
            try:
                expected = PATHS[name](world, draws, **method.claims[name])
            except StopIteration:
                raise LawBroken(f"{name} needs more draws than the method makes", len(drawn), "more") from None
            left = len(list(draws))
            require(not left, f"draws of the method, and of {name}", len(drawn), len(drawn) - left)
            scale = 1 + float(expected.abs().max())
            what = f"a pixel of the result, and of that of {name}"
            require_close(x.flatten(), expected, method.tolerance, scale, what)


def law_of(
    method: Callable[..., Tensor], prior: Any, problem: InverseProblem, rounding: float
) -> tuple[Tensor, Tensor]:
    """`output_law` of method(prior, problem, noise); one that is not affine in its noise breaks the law that asks."""
    try:
        return output_law(
            lambda prior, problem, *, noise: method(prior, problem, noise), prior, problem, rounding=rounding
        )
    except ValueError as error:
        raise LawBroken(str(error)) from error


@law(
    "method",
    "The gap between the output's law and the one that it is to sample shrinks as T grows.",
    proof="forward_sde",
    examples=2,
)
def converges(method: MethodView, draw: Draw) -> None:
    claimed(method, "prior", "posterior")
    seed = draw.seed()
    gaps = []
    for T in (30, 120):
        world = long_world(seed, T)
        if "posterior" in method.claims:
            problem = world.problem
            mean, cov = gaussian_posterior(world.prior, problem)
        else:
            problem, mean, cov = blind(world), world.mean, world.cov
        got_mean, got_cov = law_of(method.together, world.prior, problem, method.tolerance)
        gaps.append(float((got_mean.flatten() - mean.flatten()).norm() + (got_cov - cov).norm()))
    # What the finite noise at T leaves behind (ᾱ_T is not 0) does not shrink with the number of steps.
    half = 0.5 * gaps[0]
    require(gaps[1] <= half + 1e-4, "the gap with T = 120, and half of that with T = 30", gaps[1], half)


def long_world(seed: int, T: int) -> GaussianWorld:
    """A world whose chain ends in noise: ᾱ_T is about 1e-6 for every T."""
    world = GaussianWorld(seed)
    world.schedule = schedules.linear(T=T, beta_min=0.1 / T, beta_max=28 / T)
    world.prior = GaussianPrior.from_covariance(world.schedule, world.mean.view(SHAPE), world.cov)
    return world


@law(
    "method",
    "With two modes and nothing measured, means and second moments are the prior's (sequential test).",
    proof="tweedie",
    examples=1,
)
def moments_of_a_mixture(method: MethodView, draw: Draw) -> None:
    """False alarms 1e-5; a bias of 0.31 standard deviations in any of the moments is caught (see `means_agree`)."""
    claimed(method, "prior")
    world = long_world(draw.seed(), 40)
    prior = mixture_prior(world, 3)
    means = torch.stack([c.mean.values.flatten() for c in prior.components])
    second = torch.stack([c.variances.values.flatten() for c in prior.components])
    weights = prior.weights.values[:, None]
    # The components' covariances are diagonal in one basis: look at the moments along it.
    basis = prior.components[0].basis
    along = basis.analyse(means.view(-1, *SHAPE)).flatten(1)
    expected = torch.cat([(weights * along).sum(0), (weights * (second + along.square())).sum(0)])

    def sample(n: int, stage: int) -> Tensor:
        x = method.together(prior, blind(world, n), recorded(stage))
        c = basis.analyse(x).flatten(1)
        return torch.cat([c, c.square()], dim=1)

    means_agree(sample, expected, "a moment of the samples along an axis, and of the mixture", slack=0.15)


@law(
    "method",
    "Guidance has the right sign: moving y by r moves A x towards it, <r, A (x(y + r) - x(y))> >= 0.",
    proof="bayes_score",
    examples=6,
)
def guidance_has_the_right_sign(method: MethodView, draw: Draw) -> None:
    """In one step, with an isotropic prior and A Aᵀ = I: there a guided method's shift moves by a positive multiple of
    Aᵀ M r, M positive semi-definite (I where the step is linear in y, I - u uᵀ for a norm), and A Aᵀ M r = M r."""
    seed = draw.seed()
    world, noise = GaussianWorld(seed, T=1, isotropic=True), recorded(seed)
    A = Matrix(torch.linalg.qr(normal((N, N), seed + 2)).Q[: len(world.matrix)])
    y, r = world.problem.y, 1e-3 * normal(world.problem.y.shape, seed + 9)
    x, moved = (method(world.prior, InverseProblem(A, data, world.sigma), noise) for data in (y, y + r))
    if torch.equal(x, moved):
        raise NotApplicable("the measurement does not change the result: an unconditional sampler")
    shift = A(moved - x)
    along = float((r * shift).sum())
    rounding = method.tolerance * float(r.norm() * (1 + x.norm()))
    require(along >= -rounding, "<r, A (x(y + r) - x(y))> must not be negative", along, 0.0)


@law("method", "As sigma grows, the measurement counts for nothing.", proof="bayes_score", examples=3)
def forgets(method: MethodView, draw: Draw) -> None:
    claimed(method, "forgets")
    seed = draw.seed()
    world, noise = GaussianWorld(seed), recorded(seed)
    A, y = world.problem.operator, world.problem.y
    one, other = (method(world.prior, InverseProblem(A, y + shift, 1e6), noise) for shift in (0.0, 1.0))
    allowed, scale = max(1e-7, method.tolerance), 1 + float(one.abs().max())
    require_close(other, one, allowed, scale, "the results of two measurements at sigma = 1e6")


@law("method", "As sigma falls to 0, the result reproduces the measurement: A x = y.", proof="bayes_score", examples=3)
def consistent(method: MethodView, draw: Draw) -> None:
    claimed(method, "consistent")
    seed = draw.seed()
    world = GaussianWorld(seed)
    A, y = world.problem.operator, world.problem.y
    x = method(world.prior, InverseProblem(A, y, 1e-5), recorded(seed))
    scale = 1 + float(y.abs().max()) + float(A(x).abs().max())
    require_close(A(x), y, 1e-3, scale, "A x and y at sigma = 1e-5")


def known_claims(method: Any) -> Mapping[str, dict[str, Any]] | None:
    """What one of our own methods claims, as it is called without options; None of any other."""
    from teachdiff.methods import METHODS

    name = getattr(method, "__name__", "")
    if METHODS.get(name) is not method:
        return None
    return {claim: {} for claim in OWN_CLAIMS[name]}


#: With their default options.
OWN_CLAIMS = {
    "tweedie": (),
    "ddpm": ("chain", "ddpm", "forgets", "prior"),
    "ddim": ("chain", "ddim", "forgets", "prior"),
    "sdedit": ("sdedit",),
    "score_ald": ("chain", "score_ald", "forgets"),
    "dps": ("chain", "dps_norm"),
    "pigdm": ("chain", "forgets"),
    "dmps": ("chain", "dmps", "forgets"),
    "hybrid": ("chain",),
    "ddrm": ("chain",),
    "dirac": (),
    "pnp_admm": (),
    "admm_tv": (),
}
