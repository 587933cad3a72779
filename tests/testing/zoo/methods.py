r"""Wrong methods: a reverse chain whose step is given as it would be printed, and right steps wrongly used.

A step is a function of `Now`, which holds what formulas speak of: alpha, alpha_bar, x_t, x0_hat, s (the score),
eps, y, sigma, a fresh draw z(). The right chains at the top are the twins of the wrong ones below.
"""

import torch

from teachdiff.methods import ddim, ddpm, dps, score_ald, sdedit
from teachdiff.methods.reverse import denoiser, images_of, noise_for
from teachdiff.noise import NoiseStream
from teachdiff.predictions import epsilon_from_x0_hat, score_from_x0_hat
from teachdiff.problems import InverseProblem
from tests.testing.zoo.exhibit import Exhibit
from tests.testing.zoo.priors import unbarred


class Now:
    """One step of a chain: everything that a printed formula may name."""

    def __init__(self, prior, problem, step, x, noise):
        self.prior, self.t, self.T = prior, step.t, prior.schedule.T
        self.alpha, self.alpha_bar, self.alpha_bar_prev = step.alpha, step.alpha_bar, step.alpha_bar_prev
        self.beta = 1 - step.alpha
        self.alpha_prev = prior.schedule.alpha[step.t - 1].item()
        self.beta_tilde = (1 - step.alpha_bar_prev) / (1 - step.alpha_bar) * self.beta
        self.A, self.y, self.sigma = problem.operator, problem.y, problem.sigma
        self._leaf = x.detach().requires_grad_()
        with torch.enable_grad():
            self._x0_hat = denoiser(prior, None)(self._leaf, torch.tensor(step.t))
        self.x_t, self.x0_hat = self._leaf.detach(), self._x0_hat.detach()
        self.s = score_from_x0_hat(self.x0_hat, self.x_t, self.alpha_bar)
        self.eps = epsilon_from_x0_hat(self.x0_hat, self.x_t, self.alpha_bar)
        self._noise, self._t_prev = noise, step.t_prev

    def z(self):
        """A fresh draw; 0 in the last step."""
        return self.draw() if self._t_prev > 0 else torch.zeros_like(self.x_t)

    def draw(self):
        return self._noise(self._t_prev, tuple(self.x_t.shape))

    def gradient(self, of):
        """Of a number per sample, `of(x0_hat)`, with respect to x_t, through the denoiser."""
        with torch.enable_grad():
            number = of(self._x0_hat).sum()
        return torch.autograd.grad(number, self._leaf, retain_graph=True)[0]

    def jacobian(self):
        """d x0_hat/d x_t, (B, n, n)."""
        flat = self._x0_hat.flatten(1)
        rows = [
            torch.autograd.grad(flat[:, i].sum(), self._leaf, retain_graph=True)[0].flatten(1)
            for i in range(flat.shape[1])
        ]
        return torch.stack(rows, dim=1)


def chain(step, name=None):
    """x <- step(now), from pure noise at T down to t = 0."""

    def method(prior, problem, *, seed=0, noise=None):
        noise = noise_for(problem.y, seed, noise)
        x = noise(prior.schedule.start, images_of(problem))
        for at in prior.schedule.backwards():
            x = step(Now(prior, problem, at, x, noise))
        return x.detach()

    method.__name__ = name or getattr(step, "__name__", "chain")
    return method


def norm(v):
    """One number per sample."""
    return v.flatten(1).norm(dim=1)


def per_sample(v, like):
    return v.view(-1, *[1] * (like.ndim - 1))


# Right steps.


def mean(n):
    return (n.x_t + (1 - n.alpha) * n.s) / n.alpha**0.5


def small_noise(n):
    return n.beta_tilde**0.5 * n.z()


def right(n):
    return mean(n) + small_noise(n)


def bayes(n):
    return (1 - n.alpha) / n.alpha**0.5


def guided(term, weight=bayes):
    def step(n):
        return right(n) + weight(n) * term(n)

    step.__name__ = term.__name__
    return step


def ald(n, gamma=1.0):
    return n.A.adjoint(n.y - n.A(n.x_t)) / (n.sigma**2 + gamma**2)


def dmps(n, at=None, lam=1.0):
    r = (1 - n.alpha_bar) / n.alpha_bar
    residual = n.y - n.A(n.x_t if at is None else at) / n.alpha_bar**0.5
    return lam * n.A.adjoint(n.A.resolvent(residual, n.sigma**2, r)) / n.alpha_bar**0.5


def residual_norm(n):
    return lambda x0_hat: norm(n.y - n.A(x0_hat))


def dps_norm(n, zeta=1.0):
    return right(n) - zeta * n.gradient(residual_norm(n))


def exact_guidance(n):
    """The likelihood's score with the covariance of x_0 given x_t in it: exact for a Gaussian prior."""
    J = n.jacobian()
    cov = (1 - n.alpha_bar) / n.alpha_bar**0.5 * J
    A = n.A.matrix.to(J)
    spread = n.sigma**2 * torch.eye(len(A), dtype=J.dtype) + A @ cov @ A.mT
    residual = (n.y - n.A(n.x0_hat)).flatten(1)[..., None]
    return (J.mT @ A.mT @ torch.linalg.solve(spread, residual)).view(n.x_t.shape)


def large_but_at_the_end(n):
    return mean(n) + n.beta**0.5 * n.z()


def euler(n):
    """The reverse SDE by Euler's rule: dx = [f - g² s] dt + g dw with f = -beta/2 x, g² = beta, dt = 1/T."""
    return n.x_t + 0.5 * n.beta * n.x_t + n.beta * n.s + n.beta**0.5 * n.z()


def ddim_quarter(n, old=0.25, fresh=0.25):
    kept = max(0.0, 1 - n.alpha_bar_prev - old**2 * n.beta_tilde) ** 0.5
    return n.alpha_bar_prev**0.5 * n.x0_hat + kept * n.eps + fresh * n.beta_tilde**0.5 * n.z()


def in_three_steps(times=None, before=None):
    """Deterministic DDIM on three of the T steps; `before` says from where a step takes its alpha_bar_prev."""

    def three_steps(prior, problem, *, seed=0, noise=None):
        noise, schedule = noise_for(problem.y, seed, noise), prior.schedule
        steps = min(3, schedule.T)
        kept = schedule.respace(steps).timesteps[1:].tolist() if times is None else times(schedule.T, steps)
        x = noise(schedule.start, images_of(problem))
        for k in range(len(kept) - 1, -1, -1):
            t, below = kept[k], kept[k - 1] if k else 0
            previous = below if before is None else max(0, before(t, schedule.T, steps))
            bar, bar_prev = (schedule.alpha_bar[i].item() for i in (t, previous))
            x0_hat = prior.denoise(x, torch.tensor(t))
            x = bar_prev**0.5 * x0_hat + (1 - bar_prev) ** 0.5 * epsilon_from_x0_hat(x0_hat, x, bar)
        return x

    return three_steps


def projected(prior, problem, *, seed=0, noise=None):
    """DDPM, and at the end the image nearest to its result that reproduces y."""
    x = ddpm(prior, problem, seed=seed, noise=noise)
    return x + problem.operator.pinv(problem.y - problem.operator(x))


# Printed steps.


def printed(f):
    """A printed mean with the right noise."""

    def step(n):
        return f(n) + small_noise(n)

    step.__name__ = f.__name__
    return step


def line2(n, x0_hat=None):
    """rao.app2.line2: sqrt(alpha_{t-1}) where sqrt(alpha_bar_{t-1}) belongs."""
    x0_hat = n.x0_hat if x0_hat is None else x0_hat
    return (
        n.alpha**0.5 * (1 - n.alpha_bar_prev) * n.x_t + n.alpha_prev**0.5 * (1 - n.alpha) * x0_hat
    ) / (1 - n.alpha_bar)  # fmt: skip


def x0_without_bar(n):
    return (n.x_t + (1 - n.alpha_bar) * n.s) / n.alpha**0.5


def line3(n):
    """rao.app2.line3: line 1 put into line 2."""
    return line2(n, x0_without_bar(n))


def line4(n):
    """rao.app2.line4: the denominator is 1 - (alpha_bar sqrt(alpha)), as printed."""
    weight = n.alpha_prev**0.5 * (1 - n.alpha) / (1 - n.alpha_bar * n.alpha**0.5)
    first = n.alpha**0.5 * (1 - n.alpha_bar_prev) / (1 - n.alpha_bar) * n.x_t
    return first + weight * n.x_t + weight * (1 - n.alpha_bar) * n.s


def mean_with_x0_without_bar(n):
    """mashayak.eq13a inside eq. 13's second line."""
    first = n.alpha**0.5 * (1 - n.alpha_bar_prev) * n.x_t
    return (first + n.alpha_bar_prev**0.5 * (1 - n.alpha) * x0_without_bar(n)) / (1 - n.alpha_bar)


def all_the_way_back(n):
    """rao.app3.line7a: x0_hat is offered as x_{t-1}."""
    return (n.x_t + (1 - n.alpha_bar) * n.s) / n.alpha_bar**0.5


def plus_epsilon(n):
    """rao.app3.line7b: plus for minus, and alpha_bar before the parenthesis."""
    return (n.x_t + (1 - n.alpha) / (1 - n.alpha_bar) ** 0.5 * n.eps) / n.alpha_bar**0.5


def eq17(n, eps=None):
    """mashayak.eq17."""
    return (n.x_t - (1 - n.alpha) ** 0.5 * (n.eps if eps is None else eps)) / n.alpha**0.5


def eq16(n):
    """mashayak.eq16c put into eq. 15."""
    return (n.x_t - (1 - n.alpha) * n.eps / (1 - n.alpha) ** 0.5) / n.alpha**0.5


def trained_and_sampled_without_bars(n):
    """mashayak.eq12 and eq17 together: they fit each other, and no more."""
    other = unbarred(n.prior)
    x0_hat = other.denoise(n.x_t, n.t)
    return eq17(n, epsilon_from_x0_hat(x0_hat, n.x_t, n.alpha))


def drift_without_dt(n):
    """mashayak.eq5: f stands outside the bracket, so a step of length 1/T adds the whole of it."""
    return n.x_t + 0.5 * n.T * n.beta * n.x_t + n.beta * n.s + n.beta**0.5 * n.z()


def ald_wrong_sign(n):
    """mashayak.eq7b."""
    return -ald(n)


def gradient_of_the_difference(n):
    """rao.p.scoreald-gradient: the gradient of y - A x itself, which does not know how far off x is."""
    return -n.A.adjoint(torch.ones_like(n.y)) / (n.sigma**2 + 1)


def ald_scaled_to_the_score(n):
    """The released ScoreALD: as long as the score, however small the residual."""
    g = n.A.adjoint(n.y - n.A(n.x_t))
    return g * per_sample(norm(n.s) / norm(g), g)


def ald_with_the_levels_gamma(n):
    """gamma_t² = (1 - alpha_bar)/alpha_bar, said to make the term exact."""
    return ald(n, ((1 - n.alpha_bar) / n.alpha_bar) ** 0.5)


def dps_by_the_gradients_norm(n):
    """liu.dps: divided by the norm of the gradient, so that its length is zeta always."""
    g = n.gradient(lambda x: norm(n.y - n.A(x)) ** 2)
    return right(n) - g / per_sample(norm(g), g)


def dps_by_the_squared_residual(n):
    """liu.dps, read with a stray nabla: divided by |A x0_hat - y|²."""
    g = n.gradient(lambda x: norm(n.y - n.A(x)) ** 2)
    return right(n) - g / per_sample(norm(n.y - n.A(n.x0_hat)) ** 2, g)


def dps_paper_with_the_programs_zeta(n):
    """zeta'/|r| grad |r|² with the program's zeta for zeta': every step is doubled."""
    g = n.gradient(lambda x: norm(n.y - n.A(x)) ** 2)
    return right(n) - g / per_sample(norm(n.y - n.A(n.x0_hat)), g)


def dps_by_the_likelihoods_score(n):
    """grad log p(y | x0_hat), undivided, in the place of the norm's gradient."""
    return right(n) - n.gradient(lambda x: norm(n.y - n.A(x)) ** 2 / (2 * n.sigma**2))


def dps_squared(n):
    """The norm squared and nothing divided: the step that everybody asks about."""
    return right(n) - n.gradient(lambda x: norm(n.y - n.A(x)) ** 2)


def dps_norm_of_the_batch(n):
    """One norm for the whole batch."""
    return right(n) - n.gradient(lambda x: (n.y - n.A(x)).norm()[None])


def dps_gradient_at_x0_hat(n):
    """The gradient at x0_hat, not through the denoiser."""
    residual = n.y - n.A(n.x0_hat)
    return right(n) + n.A.adjoint(residual) / per_sample(norm(residual), n.x_t)


def full_factors_with_sigma_squared(n):
    """rajpal.eq6 with the full factors of an M x N matrix: V Sigma and Sigma² do not exist unless M = N."""
    U, s, Vh = torch.linalg.svd(n.A.matrix)
    Sigma = torch.zeros(n.A.matrix.shape, dtype=s.dtype)
    Sigma[: len(s), : len(s)] = s.diag()
    r = (1 - n.alpha_bar) / n.alpha_bar
    inside = torch.linalg.inv(n.sigma**2 * torch.eye(len(U), dtype=s.dtype) + r * Sigma @ Sigma)
    residual = n.y @ U - n.x_t @ Vh.mT @ Sigma.mT / n.alpha_bar**0.5
    return residual @ inside @ Sigma.mT @ Vh / n.alpha_bar**0.5


def dmps_with_lambda(n):
    """The released program's weight, 1.75."""
    return dmps(n, lam=1.75)


def dmps_at_the_moved_sample(n):
    """The term of level t at the sample that the prior has already moved."""
    moved = right(n)
    return moved + bayes(n) * dmps(n, at=moved)


def dmps_without_ratio(n):
    """(1 - alpha_bar) for (1 - alpha_bar)/alpha_bar in the resolvent."""
    residual = n.y - n.A(n.x_t) / n.alpha_bar**0.5
    return n.A.adjoint(n.A.resolvent(residual, n.sigma**2, 1 - n.alpha_bar)) / n.alpha_bar**0.5


def eta_scales_the_variance(n):
    """eta = 1/4: sigma² = eta beta_tilde in the fresh noise."""
    return ddim_quarter(n, old=0.25, fresh=0.5)


def langevin(n):
    """One Langevin step of a fixed length at each level, in the place of the chain: too wide by 1/(1 - eta/2)."""
    eta = 0.5
    return n.x_t + eta * n.s + (2 * eta) ** 0.5 * n.z()


def one_evaluation(prior, problem, *, seed=0, noise=None):
    """x0_hat of pure noise, offered as a draw of x_0."""
    x_T = noise_for(problem.y, seed, noise)(prior.schedule.start, images_of(problem))
    return prior.denoise(x_T, prior.schedule.T)


def sdedit_from_a_start_without_bars(prior, problem, *, seed=0, noise=None):
    """sqrt(alpha) y + sqrt(1 - alpha) z: a nearly clean image for a denoiser that expects noise."""
    noise, chain = noise_for(problem.y, seed, noise), prior.schedule.respace(start=(prior.schedule.T + 1) // 2)
    picture, alpha = problem.operator.picture(problem.y), chain.alpha[-1].item()
    x = alpha**0.5 * picture + (1 - alpha) ** 0.5 * noise(chain.start, tuple(picture.shape))
    for at in chain.backwards():
        x = right(Now(prior, problem, at, x, noise))
    return x


# Classic bugs.


def noise_in_the_last_step(n):
    """log(beta_tilde) at t = 1 was cut off, and noise of the large variance drawn."""
    return mean(n) + n.beta**0.5 * n.draw()


def the_same_draw_in_every_step(prior, problem, *, seed=0, noise=None):
    """Drawn once, before the loop."""
    noise = noise_for(problem.y, seed, noise)
    z = noise(prior.schedule.start, images_of(problem))
    x = z
    for at in prior.schedule.backwards():
        x = right(Now(prior, problem, at, x, lambda t, shape: z))
    return x


def one_draw_for_the_batch(prior, problem, *, seed=0, noise=None):
    """All samples share one noise."""
    noise = NoiseStream(seed, 1, dtype=problem.y.dtype) if noise is None else noise

    def shared(t, shape):
        return noise(t, (1, *shape[1:])).expand(shape)

    return ddpm(prior, problem, noise=shared)


def one_stream_for_the_batch(prior, problem, *, seed=0, noise=None):
    """One generator for the whole batch: a sample's result changes with its neighbours."""
    generator = torch.Generator().manual_seed(seed)

    def stream(t, shape):
        return torch.randn(shape, generator=generator, dtype=problem.y.dtype)

    return ddpm(prior, problem, noise=noise or stream)


def one_scalar_for_the_image(prior, problem, *, seed=0, noise=None):
    """z ~ N(0, 1) read literally: one number shifts all pixels."""
    noise = noise_for(problem.y, seed, noise)

    def scalar(t, shape):
        return noise(t, shape)[..., :1, :1, :1].expand(shape).contiguous()

    return ddpm(prior, problem, noise=scalar)


FALLBACK = torch.Generator().manual_seed(1)


def if_seed(prior, problem, *, seed=0, noise=None):
    """`if seed:` takes seed 0 for no seed."""
    generator = torch.Generator().manual_seed(seed) if seed else FALLBACK

    def stream(t, shape):
        return torch.randn(shape, generator=generator, dtype=problem.y.dtype)

    return ddpm(prior, problem, noise=noise or stream)


def ignores_its_seed(prior, problem, *, seed=0, noise=None):
    """The same result for every seed."""
    return ddpm(prior, problem, seed=42, noise=noise)


def doubles_sigma(prior, problem, *, seed=0, noise=None):
    """sigma is taken for one of [0, 1] and turned into one of [-1, 1], which it was already."""
    return score_ald(prior, InverseProblem(problem.operator, problem.y, 2 * problem.sigma), seed=seed, noise=noise)


def squares_sigma_twice(prior, problem, *, seed=0, noise=None):
    """The variance is handed in where the standard deviation is asked for."""
    return score_ald(prior, InverseProblem(problem.operator, problem.y, problem.sigma**2), seed=seed, noise=noise)


def clamped(prior, problem, *, seed=0, noise=None):
    """x0_hat is clamped to [-1, 1] for a prior whose images go beyond."""
    return ddpm(prior, problem, seed=seed, noise=noise, clip_x0=True)


def asks_twice(n):
    """A second evaluation in every step that nobody needs."""
    n.prior.denoise(n.x_t, n.t)
    return right(n)


def starts_one_late(prior, problem, *, seed=0, noise=None):
    """From T - 1 with the noise of T."""
    steps = list(range(1, prior.schedule.T)) or [1]
    return ddpm(prior, problem, steps=steps, seed=seed, noise=noise)


class TimeOff:
    """Asked at t, it answers for t + 1."""

    def __init__(self, prior):
        self._prior, self.schedule = prior, prior.schedule

    def denoise(self, x_t, t):
        return self._prior.denoise(x_t, (torch.as_tensor(t) + 1).clamp(max=self.schedule.T))


def asks_at_the_next_time(prior, problem, *, seed=0, noise=None):
    """Off by one in t."""
    return ddpm(TimeOff(prior), problem, seed=seed, noise=noise)


def sharpened_score(n):
    """The prior's score is multiplied by 1.5: crisper pictures, and not the prior."""
    return (n.x_t + (1 - n.alpha) * 1.5 * n.s) / n.alpha**0.5 + small_noise(n)


def writes_into_y(prior, problem, *, seed=0, noise=None):
    """The measurement is clamped in the caller's memory."""
    problem.y.clamp_(-0.1, 0.1)
    return ddpm(prior, problem, seed=seed, noise=noise)


def single_precision(prior, problem, *, seed=0, noise=None):
    """The result comes back in float32."""
    return ddpm(prior, problem, seed=seed, noise=noise).float()


def carries_a_gradient(prior, problem, *, seed=0, noise=None):
    """Every step's memory is kept."""
    return ddpm(prior, problem, seed=seed, noise=noise).requires_grad_()


def eta_1_for_0(prior, problem, *, seed=0, noise=None):
    """DDPM's noise in a sampler that is said to draw none."""
    return ddim(prior, problem, eta=1.0, seed=seed, noise=noise)


def double_coefficient(n):
    """The likelihood's score with the weight 2: a strong prior hides it."""
    return 2 * ald(n)


def weight_one(n):
    return 1.0


DDPM = ("chain", "ddpm", "forgets", "prior")
ALD = ("chain", "score_ald", "forgets")
DPS = ("chain", "dps_norm")
DMPS = ("chain", "dmps", "forgets")


def named(name, laws, wrong, twin, claims, **how):
    return Exhibit(name, "method", laws, lambda: wrong, lambda: twin, {"claims": claims, **how})


def sampler(f, *laws):
    """A printed mean in the place of DDPM's."""
    return named(f.__name__, laws, chain(printed(f)), chain(right, "ddpm"), DDPM)


def claim(name, law, wrong, twin, *claims):
    return named(name, (law,), wrong, twin, claims)


def bug(method, *laws, claims=DDPM, twin=ddpm):
    return named(method.__name__, laws, method, twin, claims)


def step(f, *laws, claims, twin):
    return named(f.__name__, laws, chain(f), chain(twin), claims)


POSTERIOR = chain(guided(exact_guidance), "exact_guidance")


def ald_step(f, *laws, weight=bayes, name=None):
    return named(name or f.__name__, laws, chain(guided(f, weight)), chain(guided(ald)), ALD)


ZOO = [
    sampler(line2, "exact_law"),
    sampler(line3, "exact_law"),
    sampler(line4, "exact_law"),
    sampler(mean_with_x0_without_bar, "exact_law"),
    sampler(all_the_way_back, "exact_law"),
    sampler(plus_epsilon, "exact_law"),
    sampler(eq16, "exact_law"),
    sampler(eq17, "exact_law"),
    sampler(trained_and_sampled_without_bars, "exact_law"),
    named("mean_only", ("exact_law", "converges"), chain(mean), chain(right), DDPM),
    named("drift_without_dt", ("converges",), chain(drift_without_dt), chain(euler), ("prior",)),
    named("langevin", ("converges", "moments_of_a_mixture"), chain(langevin), ddpm, ("prior",)),
    named("one_evaluation", ("converges", "moments_of_a_mixture"), one_evaluation, ddpm, ("prior",)),
    named("sdedit_from_a_start_without_bars", ("exact_law",), sdedit_from_a_start_without_bars, sdedit, ("sdedit",)),
    ald_step(ald_wrong_sign, "guidance_has_the_right_sign", "exact_law"),
    ald_step(gradient_of_the_difference, "exact_law"),
    ald_step(ald_scaled_to_the_score, "exact_law"),
    ald_step(ald, "exact_law", weight=weight_one, name="ald_with_the_coefficient_one"),
    ald_step(ald_with_the_levels_gamma, "exact_law", weight=weight_one, name="ald_with_the_levels_gamma_and_one"),
    ald_step(double_coefficient, "exact_law"),
    named(
        "ald_with_the_levels_gamma", ("exact_law",), chain(guided(ald_with_the_levels_gamma)), chain(guided(dmps)), DMPS
    ),
    step(dps_by_the_gradients_norm, "exact_path", claims=DPS, twin=dps_norm),
    step(dps_by_the_squared_residual, "exact_path", claims=DPS, twin=dps_norm),
    step(dps_paper_with_the_programs_zeta, "exact_path", claims=DPS, twin=dps_norm),
    step(dps_by_the_likelihoods_score, "exact_path", claims=DPS, twin=dps_norm),
    step(dps_squared, "exact_path", claims=DPS, twin=dps_norm),
    step(dps_norm_of_the_batch, "batch", claims=DPS, twin=dps_norm),
    step(dps_gradient_at_x0_hat, "exact_path", claims=DPS, twin=dps_norm),
    named(
        "full_factors_with_sigma_squared",
        ("exact_law", "shapes"),
        chain(guided(full_factors_with_sigma_squared)),
        chain(guided(dmps)),
        DMPS,
    ),
    named("dmps_with_lambda", ("exact_law",), chain(guided(dmps_with_lambda)), chain(guided(dmps)), DMPS),
    named("dmps_without_ratio", ("exact_law",), chain(guided(dmps_without_ratio)), chain(guided(dmps)), DMPS),
    step(dmps_at_the_moved_sample, "exact_law", claims=DMPS, twin=guided(dmps)),
    named(
        "eta_scales_the_variance",
        ("exact_law",),
        chain(eta_scales_the_variance),
        chain(ddim_quarter),
        {"chain": {}, "ddim": {"eta": 0.25}},
    ),
    # Right methods that promise what they cannot keep.
    claim("dmps_for_the_posterior", "converges", chain(guided(dmps)), POSTERIOR, "chain", "posterior", "forgets"),
    claim("dps_is_consistent", "consistent", dps, projected, "consistent"),
    claim("sdedit_is_consistent", "consistent", sdedit, projected, "consistent"),
    claim("dps_forgets", "forgets", dps, chain(guided(ald)), "chain", "forgets"),
    # Classic bugs.
    bug(chain(noise_in_the_last_step), "no_noise_at_the_end", claims=("chain",), twin=chain(large_but_at_the_end)),
    bug(the_same_draw_in_every_step, "exact_law"),
    bug(one_draw_for_the_batch, "batch"),
    bug(one_stream_for_the_batch, "streams"),
    bug(one_scalar_for_the_image, "exact_law", "rotation"),
    bug(if_seed, "seeds"),
    bug(ignores_its_seed, "seeds"),
    bug(doubles_sigma, "exact_law", claims=ALD, twin=score_ald),
    bug(squares_sigma_twice, "exact_law", claims=ALD, twin=score_ald),
    bug(clamped, "rotation", "exact_law"),
    bug(chain(asks_twice), "evaluations"),
    bug(starts_one_late, "evaluations", "exact_law"),
    bug(asks_at_the_next_time, "evaluations", "exact_law"),
    bug(chain(sharpened_score), "exact_law", "converges", "moments_of_a_mixture"),
    bug(writes_into_y, "shapes"),
    bug(single_precision, "shapes"),
    bug(carries_a_gradient, "shapes"),
    named(
        "prev_t_by_division",
        ("exact_law",),
        in_three_steps(before=lambda t, T, steps: t - T // steps),
        in_three_steps(),
        {"ddim": {"steps": 3}},
    ),
    named(
        "starts_below_T",
        ("exact_law",),
        in_three_steps(times=lambda T, steps: [1 + k * (T // steps) for k in range(steps)]),
        in_three_steps(),
        {"ddim": {"steps": 3}},
    ),
    named("eta_1_for_0", ("exact_law",), eta_1_for_0, ddim, ("chain", "ddim", "forgets", "prior")),
]
