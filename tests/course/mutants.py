"""Mistakes handed in as answers: a function as the ledger's line has it, and the check that must reject it.

`rows` names the ledger's lines that it implements; none where it is a bug that students make without help.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    assignment: str
    file: str
    check: str  # "exercise.check"
    text: str  # goes below the right answer, and takes its place
    rows: tuple[str, ...] = ()
    old: str = ""  # what `text` stands for, where it does not go below

    def __str__(self):
        return f"{self.assignment}-{self.name}"


HW1 = [
    Mutant(
        "no_bar_in_the_marginal", "hw1", "schedules.py", "2.noising",
        """
def noised(schedule, x_0, t, z):
    alpha = schedule.alpha[t].item()
    return alpha**0.5 * x_0 + (1 - alpha) ** 0.5 * z
""",
        ("rao.app1.line7", "mashayak.eq12", "liu.forward", "between.marginal"),
    ),
    Mutant(
        "one_draw_for_all_steps", "hw1", "schedules.py", "2.noising",
        """
def noised(schedule, x_0, t, z):
    for beta in schedule.beta[1 : t + 1].tolist():
        x_0 = (1 - beta) ** 0.5 * x_0 + beta**0.5 * z
    return x_0
""",
        ("rao.p.app1-recursively", "rao.app1.line5"),
    ),
    Mutant(
        "one_scalar_for_the_image", "hw1", "schedules.py", "2.noising",
        """
def noised(schedule, x_0, t, z):
    alpha_bar = schedule.at(t, x_0)
    return alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * z[..., :1, :1, :1]
""",
        ("liu.noise",),
    ),
    Mutant(
        "a_lost_root", "hw1", "schedules.py", "2.noising",
        """
def noised(schedule, x_0, t, z):
    alpha_bar = schedule.at(t, x_0)
    return alpha_bar**0.5 * x_0 + (1 - alpha_bar) * z
""",
    ),
    Mutant(
        "one_time_for_all", "hw1", "schedules.py", "2.a_time_for_each",
        """
def noised(schedule, x_0, t, z):
    alpha_bar = schedule.alpha_bar[torch.as_tensor(t).flatten()[0]]
    return alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * z
""",
    ),
    Mutant(
        "noise_level_of_one_step", "hw1", "schedules.py", "2.noise_level",
        """
def noise_level(alpha_bar):
    return (1 - alpha_bar) ** 0.5
""",
    ),
    Mutant(
        "no_bar_in_the_table", "hw1", "schedules.py", "1.linear",
        """
def linear(T=1000, beta_min=1e-4, beta_max=2e-2):
    beta = torch.linspace(beta_min, beta_max, T, dtype=torch.float64)
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), 1 - beta]))
""",
        ("rao.app1.line7", "mashayak.eq12"),
    ),
    Mutant(
        "one_factor_too_many", "hw1", "schedules.py", "1.linear",
        """
def linear(T=1000, beta_min=1e-4, beta_max=2e-2):
    alpha = 1 - torch.linspace(beta_min, beta_max, T, dtype=torch.float64)
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), alpha[0] * alpha.cumprod(0)]))
""",
        ("liu.alphabar",),
    ),
    Mutant(
        "product_of_betas", "hw1", "schedules.py", "1.linear",
        """
def linear(T=1000, beta_min=1e-4, beta_max=2e-2):
    alpha = torch.linspace(beta_min, beta_max, T, dtype=torch.float64).cumprod(0)
    return Schedule(torch.cat([torch.ones(1, dtype=torch.float64), alpha.cumprod(0)]))
""",
        ("liu.alpha",),
    ),
    Mutant(
        "cosine_not_cut", "hw1", "schedules.py", "1.cosine",
        """
def cosine(T=1000, s=0.008, beta_max=0.999):
    t = torch.arange(T + 1, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * math.pi / 2).square()
    return Schedule((f / f[0]).clamp(min=1e-12))
""",
    ),
    Mutant(
        "x0_without_its_bar", "hw1", "schedules.py", "3.mean",
        """
def posterior_mean(x0_hat, x_t, alpha, alpha_bar, alpha_bar_prev):
    return (
        alpha**0.5 * (1 - alpha) * x0_hat + alpha**0.5 * (1 - alpha_bar_prev) * x_t
    ) / (1 - alpha_bar)
""",
        ("rao.app2.line2", "between.posterior-mean"),
    ),
    Mutant(
        "a_lost_parenthesis", "hw1", "schedules.py", "3.mean",
        """
def posterior_mean(x0_hat, x_t, alpha, alpha_bar, alpha_bar_prev):
    return (
        alpha_bar_prev**0.5 * (1 - alpha) / (1 - alpha_bar * alpha**0.5) * x0_hat * alpha**0.5
        + alpha**0.5 * (1 - alpha_bar_prev) / (1 - alpha_bar) * x_t
    )
""",
        ("rao.app2.line4", "rao.app2.line5"),
    ),
    Mutant(
        "large_for_small", "hw1", "schedules.py", "3.variance",
        """
def posterior_variance(alpha, alpha_bar, alpha_bar_prev):
    return 1 - alpha
""",
    ),
    Mutant(
        "tweedie_against_the_score", "hw1", "predictions.py", "4.x0_hat_from_score",
        """
def x0_hat_from_score(score, x_t, alpha_bar):
    return (x_t - (1 - alpha_bar) * score) / alpha_bar**0.5
""",
    ),
    Mutant(
        "tweedie_not_scaled_back", "hw1", "predictions.py", "4.x0_hat_from_score",
        """
def x0_hat_from_score(score, x_t, alpha_bar):
    return x_t + (1 - alpha_bar) * score
""",
        ("rao.app2.line1", "mashayak.eq13a"),
    ),
    Mutant(
        "score_along_the_noise", "hw1", "predictions.py", "5.score_from_epsilon",
        """
def score_from_epsilon(epsilon, alpha_bar):
    return epsilon / (1 - alpha_bar) ** 0.5
""",
        ("rao.app3.line7b", "rao.app3.line7"),
    ),
    Mutant(
        "score_by_the_variance", "hw1", "predictions.py", "5.score_from_epsilon",
        """
def score_from_epsilon(epsilon, alpha_bar):
    return -epsilon / (1 - alpha_bar)
""",
        ("mashayak.eq16c", "between.score-of-noise"),
    ),
    Mutant(
        "epsilon_of_a_variance", "hw1", "predictions.py", "5.epsilon_from_x0_hat",
        """
def epsilon_from_x0_hat(x0_hat, x_t, alpha_bar):
    return (x_t - alpha_bar**0.5 * x0_hat) / (1 - alpha_bar)
""",
    ),
    Mutant(
        "v_is_epsilon", "hw1", "predictions.py", "5.x0_hat_from_v",
        """
def x0_hat_from_v(v, x_t, alpha_bar):
    return (x_t - (1 - alpha_bar) ** 0.5 * v) / alpha_bar**0.5
""",
    ),
]  # fmt: skip



def step(name, formula, rows, check="1.mean"):
    """DDPM's step with a printed mean; s is the score, a, b and p are alpha, alpha_bar and alpha_bar_prev."""
    text = f"""
def ancestral(step, x_t, x0_hat):
    a, b, p = step.alpha, step.alpha_bar, step.alpha_bar_prev
    eps = (x_t - b**0.5 * x0_hat) / (1 - b) ** 0.5
    s = -eps / (1 - b) ** 0.5
    std = ((1 - p) / (1 - b) * (1 - a)) ** 0.5
    mean = (a**0.5 * (1 - p) * x_t + p**0.5 * (1 - a) * x0_hat) / (1 - b)
    {formula}
    return mean, std
"""
    return Mutant(name, "hw2", "reverse.py", check, text, rows)


LOOP = """
def reverse(denoise, schedule, x, transition, *, noise, guidance=None, correction=None, differentiate=False,
            on_step=None, remedy=""):
    for step in schedule.backwards():
        with torch.set_grad_enabled(bool(differentiate)):
            x_t = x.detach().requires_grad_(bool(differentiate))
            x0_hat = denoise(x_t, torch.tensor(step.t))
            shift = guidance(step, x_t, x0_hat) if guidance else 0.0
        x_t, x0_hat = x_t.detach(), x0_hat.detach()
        mean, std = transition(step, x_t, x0_hat)
        x = mean + shift
        if step.t_prev > 0:
            x = x + std * noise(step.t_prev, tuple(x.shape))
        if correction:
            x = x + correction(step, x)
        if on_step:
            on_step(step.t, x_t, x0_hat)
    return x
"""


def loop(name, old, new, check="2.steps", rows=()):
    assert old in LOOP
    return Mutant(name, "hw2", "reverse.py", check, LOOP.replace(old, new), rows)


DDIM = """
def ddim(prior, problem=None, *, steps=None, eta=0.0, shape=None, device=None, dtype=None, seed=0, noise=None,
         on_step=None, clip_x0=None):
    schedule = prior.schedule.respace(steps)
    images = unconditional(problem, shape, device, dtype)
    noise = noise_for(images, seed, noise)

    def transition(step, x_t, x0_hat):
        sigma = ddim_sigma(eta, step.alpha, step.alpha_bar, step.alpha_bar_prev)
        kept = sigma
        epsilon = epsilon_from_x0_hat(x0_hat, x_t, step.alpha_bar)
        mean = step.alpha_bar_prev**0.5 * x0_hat + max(0.0, 1 - step.alpha_bar_prev - kept**2) ** 0.5 * epsilon
        return mean, sigma

    x_T = noise(schedule.start, tuple(images.shape))
    return reverse(denoiser(prior, clip_x0), schedule, x_T, transition, noise=noise, on_step=on_step)
"""


def ddim(name, old, new, check, rows=()):
    assert old in DDIM
    return Mutant(name, "hw2", "ddim.py", check, DDIM.replace(old, new), rows)


DDPM = """
def ddpm(prior, problem=None, *, steps=None, variance="small", shape=None, device=None, dtype=None, seed=0, noise=None,
         on_step=None, clip_x0=None):
    schedule = prior.schedule.respace(steps)
    images = unconditional(problem, shape, device, dtype)
    noise = noise_for(images, seed, noise)
    transition = ancestral_large if variance == "large" else ancestral
    x_T = noise(schedule.start, tuple(images.shape))
    return reverse(denoiser(prior, clip_x0), schedule, x_T, transition, noise=noise, on_step=on_step)
"""


def ddpm(name, old, new, check, rows=()):
    assert old in DDPM
    return Mutant(name, "hw2", "ddpm.py", check, DDPM.replace(old, new), rows)


NO_NOISE = ("rao.app2.line11", "mashayak.eq13b", "liu.reverse")
HW2 = [
    step("mean_only", "std = 0.0", NO_NOISE, "1.deviation"),
    step("large_noise", "std = (1 - a) ** 0.5", (), "1.deviation"),
    step("variance_for_deviation", "std = std**2", (), "1.deviation"),
    step(
        "tweedie_without_its_bar",
        "mean = (a**0.5 * (1 - p) * x_t + p**0.5 * (1 - a) * (x_t + (1 - b) * s) / a**0.5) / (1 - b)",
        ("rao.app2.line1", "mashayak.eq13a"),
    ),
    step(
        "alpha_for_alpha_bar_prev", "mean = (a**0.5 * (1 - p) * x_t + a**0.5 * (1 - a) * x0_hat) / (1 - b)",
        ("rao.app2.line2", "between.posterior-mean"),
    ),
    step("all_the_way_back", "mean = (x_t + (1 - b) * s) / b**0.5", ("rao.app3.line7a",)),
    step(
        "plus_epsilon", "mean = (x_t + (1 - a) / (1 - b) ** 0.5 * eps) / b**0.5",
        ("rao.app3.line7b", "rao.app3.line7", "between.reverse-epsilon"),
    ),
    step("eq17", "mean = (x_t - (1 - a) ** 0.5 * eps) / a**0.5", ("mashayak.eq17", "between.reverse-epsilon")),
    step(
        "eq16", "mean = (x_t - (1 - a) * eps / (1 - a) ** 0.5) / a**0.5", ("mashayak.eq16c", "between.score-of-noise")
    ),
    step(
        "a_lost_parenthesis",
        "mean = a**0.5 * (1 - p) / (1 - b) * x_t + (1 - a) / (1 - b * a**0.5) * (x_t + (1 - b) * s)",
        ("rao.app2.line4", "rao.app2.line5"),
    ),
    step("sharpened_score", "mean = (x_t + (1 - a) * 1.5 * s) / a**0.5", ()),
    loop("noise_in_the_last_step", "if step.t_prev > 0:", "if True:"),
    loop("no_noise", "if step.t_prev > 0:", "if False:", rows=NO_NOISE),
    loop("the_next_draw", "noise(step.t_prev,", "noise(step.t,"),
    loop("half_the_guidance", "x = mean + shift", "x = mean + 0.5 * shift"),
    loop("correction_before_the_noise", "x = mean + shift",
         "x = mean + shift + (correction(step, mean) if correction else 0)"),
    loop("guidance_stops_at_the_denoiser", "x0_hat = denoise(x_t,", "x0_hat = denoise(x_t.detach(),",
         "2.through_the_denoiser"),
    loop("asks_at_the_next_time", "torch.tensor(step.t))", "torch.tensor(min(step.t + 1, schedule.T)))",
         "2.evaluations"),
    loop("asks_twice", "shift = guidance", "denoise(x_t, torch.tensor(step.t)); shift = guidance", "2.evaluations"),
    loop("observes_too_late", "on_step(step.t, x_t,", "on_step(step.t, x,", "2.observer"),
    ddpm("starts_one_late", "respace(steps)", "respace(steps or list(range(1, prior.schedule.T)) or [1])",
         "3.exact_law"),
    ddpm("one_scalar_for_the_image", "noise = noise_for(images, seed, noise)",
         "draw = noise_for(images, seed, noise); noise = lambda t, s: draw(t, s)[..., :1].expand(s)", "3.exact_law",
         ("liu.noise",)),
    ddpm("the_same_draw_in_every_step", "transition = ancestral_large",
         "z = noise(schedule.start, tuple(images.shape)); noise = lambda t, s: z\n    transition = ancestral_large",
         "3.exact_law", ("mashayak.p.weighted-sum",)),
    ddpm("clamped", "denoiser(prior, clip_x0)", "denoiser(prior, True)", "3.exact_law"),
    ddpm("small_for_large", 'ancestral_large if variance == "large" else ancestral', "ancestral", "3.large"),
    ddpm("walks_all_steps", "respace(steps)", "respace(None)", "3.fewer_steps"),
    ddpm("starts_below_T", "prior.schedule.respace(steps)",
         "prior.schedule.respace([1 + k * (prior.schedule.T // steps) for k in range(steps)] if steps else None)",
         "3.fewer_steps"),
    ddim("eta_scales_the_variance", "kept = sigma", "kept, sigma = sigma, eta**-0.5 * sigma if eta else sigma",
         "4.any_eta", ("between.ddim-eta",)),
    ddim("eta_1_for_0", "sigma = ddim_sigma(eta,", "sigma = ddim_sigma(eta or 1.0,", "4.deterministic"),
    ddim("old_noise_keeps_all", "kept = sigma", "kept = 0.0", "4.any_eta"),
    ddim("prev_t_by_division", "schedule = prior.schedule.respace(steps)",
         "schedule = prior.schedule.respace(steps)\n    if steps: schedule = schedule.__class__("
         "torch.cat([torch.ones(1), prior.schedule.alpha_bar[1 : steps + 1]]), schedule.timesteps)", "4.fewer_steps"),
    Mutant("sigma_of_the_variance", "hw2", "ddim.py", "4.sigma", """
def ddim_sigma(eta, alpha, alpha_bar, alpha_bar_prev):
    return (eta * posterior_variance(alpha, alpha_bar, alpha_bar_prev)) ** 0.5
""", ("between.ddim-eta",)),
]  # fmt: skip



def method(name, file, cls, function, body, check, rows=()):
    """A method of a class, replaced."""
    text = f"""
def {function}_of_{cls}(self, v, *more):
{body}

{cls}.{function} = {function}_of_{cls}
"""
    return Mutant(name, "hw3", file, check, text, rows)


HW3 = [
    method("clamped", "masks.py", "Mask", "_forward", "    return (self.mask.like(v) * v).real.clamp(-1, 1)",
           "1.definition"),
    method("grey_where_nothing_is_seen", "masks.py", "Mask", "_forward",
           "    m = self.mask.like(v)\n    return m * v + (1 - m) * 0.1", "1.definition"),
    method("identity_adjoint", "masks.py", "Mask", "_adjoint", "    return v.clone()", "1.dot_test"),
    method("writes_in_place", "masks.py", "Mask", "_forward",
           "    v.mul_(self.mask.like(v))\n    return v", "1.manners"),
    method("batch_norm", "masks.py", "Mask", "_forward",
           "    return self.mask.like(v) * (v - 0.1 * v.mean(0) * (len(v) == 3))", "1.manners"),
    Mutant("a_coin_for_each_pixel", "hw3", "masks.py", "1.random_mask", """
def random_mask(shape, drop=0.7, seed=0):
    c, h, w = shape
    coins = np.random.default_rng(seed).random((1, h, w)) >= drop
    return torch.from_numpy(coins).double().repeat(c, 1, 1)
"""),
    Mutant("another_mask_in_each_channel", "hw3", "masks.py", "1.random_mask", """
def random_mask(shape, drop=0.7, seed=0):
    c, h, w = shape
    mask = torch.ones(c, h * w, dtype=torch.float64)
    rng = np.random.default_rng(seed)
    for channel in mask:
        channel[rng.permutation(h * w)[: round(drop * h * w)]] = 0
    return mask.view(c, h, w)
"""),
    Mutant("redrawn", "hw3", "masks.py", "1.random_mask", """
def random_mask(shape, drop=0.7, seed=0):
    c, h, w = shape
    mask = torch.ones(h * w, dtype=torch.float64)
    mask[torch.randperm(h * w)[: round(drop * h * w)]] = 0
    return mask.view(1, h, w).repeat(c, 1, 1)
"""),
    method("nearest_neighbour_upsampling", "product.py", "Product", "_adjoint",
           "    t = [None if m is None else (m.like(v).mT != 0).to(v) for m in self.matrices]\n"
           "    return apply_axes(v, t)", "2.dot_test"),
    method("axes_in_another_order", "product.py", "Product", "_forward",
           "    c, h, w = (m.like(v) for m in self.matrices)\n"
           "    return apply_axes(v.conj(), [c, h, w]) if v.is_complex() else apply_axes(v, [c, h, -w])",
           "2.definition"),
    method("conjugating", "product.py", "Product", "_forward",
           "    return apply_axes(v.conj(), [None if m is None else m.like(v) for m in self.matrices])",
           "2.manners"),
    Mutant("sums_for_means", "hw3", "product.py", "2.average", """
def average_matrix(n, factor):
    return torch.eye(n // factor, dtype=torch.float64).repeat_interleave(factor, dim=1)
"""),
    method("kernel_not_flipped", "blurs.py", "CircularConvolution", "_adjoint", "    return self._forward(v)",
           "3.dot_test"),
    method("off_by_one", "blurs.py", "CircularConvolution", "_forward",
           "    return fourier_multiply(v, torch.view_as_complex(self._h.like(v))).roll(1, -1)",
           "3.definition"),
    method("adjoint_for_pseudo_inverse", "blurs.py", "CircularConvolution", "_pinv",
           "    return self._adjoint(v)", "3.pseudo_inverse"),
    method("damped_pseudo_inverse", "blurs.py", "CircularConvolution", "_pinv",
           "    h = torch.view_as_complex(self._h.like(v))\n"
           "    return fourier_multiply(v, h.conj() / (h.abs() ** 2 + 1e-3))", "3.pseudo_inverse"),
    method("sigma_for_its_square", "blurs.py", "CircularConvolution", "_resolvent",
           "    sigma2, c = more\n"
           "    return fourier_multiply(v, reciprocal(sigma2**0.5 + c * self._s.like(v).square()))",
           "3.dense_resolvent"),
    method("forgets_the_weight", "blurs.py", "CircularConvolution", "_resolvent",
           "    sigma2, c = more\n    return fourier_multiply(v, reciprocal(sigma2 + self._s.like(v).square()))",
           "3.dense_resolvent"),
    method("couples_the_batch", "blurs.py", "CircularConvolution", "_adjoint",
           "    back = fourier_multiply(v, torch.view_as_complex(self._h.like(v)).conj())\n"
           "    return back + (0.1 * v.mean(0) if len(v) == 1 else 0)", "3.manners"),
    method("padding_not_folded_back", "blurs.py", "ReflectConvolution", "_adjoint",
           "    h, w = self._kernel_shape\n"
           "    full = torch.nn.functional.pad(v, (w - 1, 0, h - 1, 0))\n"
           "    padded = fourier_multiply(full, torch.view_as_complex(self._h.like(v)).conj())\n"
           "    return padded[..., h - 1 - h // 2 :, w - 1 - w // 2 :][..., : v.shape[-2], : v.shape[-1]]",
           "4.dot_test"),
    method("squared_singular_values", "svd.py", "SVD", "pinv",
           "    return self.V(self.Ut(v) * self._inverse.like(v) ** 2)", "5.pseudo_inverse"),
    method("forgets_the_unreached", "svd.py", "SVD", "resolvent",
           "    sigma2, c = more\n"
           "    return self.U(self.Ut(v) / (sigma2 + c * self.s.like(v).square()))", "5.dense_resolvent"),
    method("unseen_coefficients_kept", "svd.py", "SVD", "U",
           "    return self.left.synthesise(fit(v, self.left.shape))", "5.factors"),
]  # fmt: skip



GUIDANCE = """
def dps_guidance(problem, step, zeta):
    A, y, sigma = problem.operator, problem.y, problem.sigma

    def guidance(at, x_t, x0_hat):
        def slope(number):
            return torch.autograd.grad(number.sum(), x_t, retain_graph=True)[0]

        def norm(v):
            return v.flatten(1).norm(dim=1).view(-1, 1, 1, 1)

        residual = y - A(x0_hat)
        if step == "norm":
            return -zeta * slope(norm(residual))
        return bayes_step(at.alpha) * slope(-residual.square().sum() / (2 * sigma**2))

    return guidance
"""


def guidance(name, old, new, check="3.norm_step", rows=()):
    assert old in GUIDANCE
    return Mutant(name, "hw4", "dps.py", check, GUIDANCE.replace(old, new), rows)


NORM = "return -zeta * slope(norm(residual))"
BAYES = "return bayes_step(at.alpha) * slope(-residual.square().sum() / (2 * sigma**2))"


def score(name, formula, rows=(), check="2.score"):
    text = f"""
def tempered_score(problem, x, gamma_t):
    A, y, sigma = problem.operator, problem.y, problem.sigma
    return {formula}
"""
    return Mutant(name, "hw4", "score_ald.py", check, text, rows)


SDEDIT = """
def sdedit(prior, problem, *, t_start=None, masked=False, repeats=1, steps=None, seed=0, noise=None, on_step=None,
           clip_x0=None):
    schedule = prior.schedule.respace(steps, start=(prior.schedule.T + 1) // 2 if t_start is None else t_start)
    transition = keep_seen(problem) if masked else ancestral
    noise = noise_for(problem.y, seed, noise)
    x = problem.operator.picture(problem.y)
    z = noise(schedule.start, tuple(x.shape))
    x_t = sdedit_start(x, z, schedule.alpha_bar[-1].item())
    return reverse(denoiser(prior, clip_x0), schedule, x_t, transition, noise=noise, on_step=on_step)
"""


def sdedit(name, old, new, check="1.exact_law", rows=()):
    assert old in SDEDIT
    return Mutant(name, "hw4", "sdedit.py", check, SDEDIT.replace(old, new), rows)


HW4 = [
    sdedit("a_start_without_bars", "schedule.alpha_bar[-1]", "schedule.alpha[-1]", rows=("between.marginal",)),
    sdedit("starts_at_T", "start=(prior", "start=prior.schedule.T if t_start is None else (prior"),
    sdedit("adjoint_for_picture", "problem.operator.picture(problem.y)", "problem.operator.adjoint(problem.y)"),
    sdedit("forgets_where_to_start", " if t_start is None else t_start", "", "1.t_start"),
    sdedit("keeps_nothing", "keep_seen(problem) if masked else ancestral", "ancestral", "1.masked"),
    Mutant("a_lost_root", "hw4", "sdedit.py", "1.start", """
def sdedit_start(y, z, alpha_bar):
    return alpha_bar**0.5 * y + (1 - alpha_bar) * z
"""),
    Mutant("coefficient_one", "hw4", "reverse.py", "2.coefficient", """
def bayes_step(alpha):
    return 1.0
""", ("liu.scoreald", "between.pair-scoreald")),
    Mutant("coefficient_of_the_mean", "hw4", "reverse.py", "2.coefficient", """
def bayes_step(alpha):
    return 1 - alpha
"""),
    score("wrong_sign", "-A.adjoint(y - A(x)) / (sigma**2 + gamma_t**2)", ("mashayak.eq7b", "between.scoreald-sign")),
    score("gradient_of_the_difference", "-A.adjoint(0 * y + 1) / (sigma**2 + gamma_t**2)",
          ("rao.p.scoreald-gradient",)),
    score("doubles_sigma", "A.adjoint(y - A(x)) / (4 * sigma**2 + gamma_t**2)", ("between.sigma-units",)),
    score("deviations_add", "A.adjoint(y - A(x)) / (sigma + gamma_t) ** 2"),
    score("as_long_as_the_score", "A.adjoint(y - A(x)) / (y - A(x)).norm()", ("between.scoreald-weight",)),
    score("one_residual_for_the_batch", "A.adjoint(0 * y + (y - A(x)).mean(0)) / (sigma**2 + gamma_t**2)",
          check="2.batch"),
    guidance("by_the_gradients_norm", NORM, "g = slope(norm(residual) ** 2); return -zeta * g / norm(g)",
             rows=("liu.dps",)),
    guidance("by_the_squared_residual", NORM, "return -zeta * slope(norm(residual) ** 2) / norm(residual) ** 2",
             rows=("liu.dps",)),
    guidance("the_programs_zeta_in_the_papers_step", NORM, "return -zeta * slope(norm(residual) ** 2) / norm(residual)",
             rows=("between.dps-zeta",)),
    guidance("the_likelihoods_score", NORM, "return -zeta * slope(norm(residual) ** 2 / (2 * sigma**2))",
             rows=("between.dps-step",)),
    guidance("squared", NORM, "return -zeta * slope(norm(residual) ** 2)"),
    guidance("one_norm_for_the_batch", NORM, "return -zeta * slope(residual.norm())"),
    guidance("gradient_at_x0_hat", NORM, "return zeta * A.adjoint(residual) / norm(residual)", rows=("mashayak.eq8",)),
    guidance("away_from_the_measurement", NORM, "return zeta * slope(norm(residual))"),
    guidance("without_bayes", BAYES, "return slope(-residual.square().sum() / (2 * sigma**2))", "3.likelihood_step"),
    guidance("sigma_for_its_square", BAYES,
             "return bayes_step(at.alpha) * slope(-residual.square().sum() / (2 * sigma))", "3.likelihood_step"),
    guidance("gradient_of_the_likelihood_at_x0_hat", BAYES,
             "return bayes_step(at.alpha) * A.adjoint(residual) / sigma**2", "3.exact_law"),
    guidance("a_denoiser_of_one_slope", NORM,
             "return zeta * at.alpha_bar**0.5 * A.adjoint(residual) / norm(residual)", "3.curved"),
    guidance("a_norm_of_the_batch_on_the_way", NORM, "return -zeta * slope(residual.norm())", "3.exact_path"),
]  # fmt: skip



def proof(name, check, old, text, rows=()):
    return Mutant(name, "prove", "proof.toml", check, text, rows, old)


PROVE = [
    proof("one_draw_for_both", "1.steps", "sqrt(alpha)*sqrt(1 - alpha_prev)*z_prev",
          "sqrt(alpha)*sqrt(1 - alpha_prev)*z_t", ("rao.app1.line5", "rao.app1.line6")),
    proof("deviations_add", "1.steps", "sqrt(alpha*(1 - alpha_prev) + (1 - alpha))*z",
          "(sqrt(alpha*(1 - alpha_prev)) + sqrt(1 - alpha))*z", ("rao.p.app1-recursively",)),
    proof("stops_early", "1.goal",
          """
[[two_steps]]
formula = "sqrt(alpha*alpha_prev)*x_prev2 + sqrt(1 - alpha*alpha_prev)*z"
because = "alpha cancels under the root"
""", """
[[two_steps]]
formula = "sqrt(alpha)*sqrt(alpha_prev)*x_prev2 + sqrt(1 - alpha)*z + sqrt(alpha - alpha*alpha_prev)*z_t"
because = "taken apart again"
"""),
    proof("no_reason", "1.reasons", 'because = "multiplied out"', 'because = ""'),
    proof("one_leap", "2.steps",
          """
[[variance]]
formula = "1/((alpha*(1 - alpha_bar_prev) + beta)/(beta*(1 - alpha_bar_prev)))"
because = "one denominator for both"
""", ""),
    proof("a_lost_bar", "3.steps", "s_theta)/sqrt(alpha_bar)", "s_theta)/sqrt(alpha)",
          ("rao.app2.line1", "mashayak.eq13a")),
    proof("no_premise", "3.steps", 'using = "score"', 'using = ""'),
    proof("the_other_root", "3.steps", "sqrt(1 - alpha_bar)*eps_theta", "sqrt(1 - alpha)*eps_theta",
          ("mashayak.eq17",)),
    proof("minus_for_plus", "4.steps", "sqrt(alpha_bar)*epsilon - sqrt", "sqrt(alpha_bar)*epsilon + sqrt"),
]

MUTANTS = [*HW1, *HW2, *HW3, *HW4, *PROVE]
