r"""The ledger of exactness: what each method puts out, beside the exact posterior.

A method claims to sample :math:`p(x_0 \mid y)`. Here the posterior is known, so the claim is measured. With a
Gaussian prior most methods are affine in their noise, and `output_law` gives the law of what they put out without
a random number; where a method is not affine, or the prior is a mixture, samples of both are compared.

The bias of a row, each in the pixel where it is worst, with :math:`\mathrm{sd}_i` the posterior's own deviation:

.. math::
    \text{mean gap} = \max_i \frac{\lvert E[x_i] - E[x_i \mid y] \rvert}{\mathrm{sd}_i}, \qquad
    \text{variance ratio} = \frac{\mathrm{Var}[x_i]}{\mathrm{sd}_i^2}

and over all pixels together the distance :math:`W_2 / \sqrt{\mathrm{tr}\,\mathrm{Cov}[x_0 \mid y]}`: 0 for the
posterior, 1 for a point at its mean. Between samples it is sliced, beside its floor, which is what two sets of exact
samples have.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from teachdiff import schedules
from teachdiff.bases import HartleyBasis
from teachdiff.data import digits
from teachdiff.exact import (
    ExactRestorer,
    NotAffine,
    Posterior,
    gaussian_wasserstein,
    mixture_posterior,
    mode_coverage,
    output_law,
    sliced_wasserstein,
)
from teachdiff.files import atomic
from teachdiff.methods import METHODS
from teachdiff.operators import CircularConvolution, FadeDegradation, Identity, Mask
from teachdiff.priors.checkpoints import load_prior
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.problems import InverseProblem, observe
from teachdiff.schedules import Schedule

T = 1000  # of the usual schedule
ALPHA = 1e-5  # false-alarm rate of the test for modes
DIVERGED = 1e6

About = tuple[str, str, str, int, float]  # case, method, world, steps, sigma

SAMPLER = "sampler of the posterior as T grows"
CONDITIONAL = "sampler of the posterior only if"
NOT = "not a sampler of the posterior"
PRIOR = "sampler of the prior; the measurement is not used"
ESTIMATE = "an estimate, one image and no sampler"


# The problems


@dataclass(frozen=True)
class World:
    """A prior and a measurement of it, for any sigma.

    Attributes:
        name, title: what to call it, and one line about it.
        build: (schedule, sigma) -> (prior, problem of one y).
        steps: the numbers of steps that it is walked with, at the plan's sigma.
        sigmas: at the largest number of steps.
    """

    name: str
    title: str
    build: Callable[[Schedule, float], tuple[Any, InverseProblem]]
    steps: tuple[int, ...]
    sigmas: tuple[float, ...] = (1.0, 0.1, 0.01)


def schedule_of(steps: int) -> Schedule:
    """The linear schedule of 1000 steps, or the same continuous one cut finer: methods respace it to fewer."""
    fine = max(T, steps)
    return schedules.linear(T=fine, beta_min=0.1 / fine, beta_max=20 / fine)


def _pixel(schedule: Schedule, sigma: float) -> tuple[Any, InverseProblem]:
    shape = (1, 1, 1)
    prior = GaussianPrior(schedule, torch.zeros(shape), torch.ones(shape))
    return prior, InverseProblem(Identity(shape), torch.ones(1, *shape, dtype=torch.float64), sigma)


def _pair(schedule: Schedule, sigma: float) -> tuple[Any, InverseProblem]:
    covariance = torch.tensor([[1.0, 0.8], [0.8, 1.0]], dtype=torch.float64)
    prior = GaussianPrior.from_covariance(schedule, torch.zeros(1, 1, 2), covariance)
    seen = Mask(torch.tensor([[[1.0, 0.0]]]))
    return prior, InverseProblem(seen, torch.tensor([[[[1.0, 0.0]]]], dtype=torch.float64), sigma)


def _white(schedule: Schedule, sigma: float) -> tuple[Any, InverseProblem]:
    shape = (1, 4, 4)
    prior = GaussianPrior(schedule, torch.zeros(shape), torch.ones(shape))
    kernel = torch.tensor([[0.0, 0.1, 0.0], [0.1, 0.6, 0.1], [0.0, 0.1, 0.0]], dtype=torch.float64)
    return prior, observe(CircularConvolution(kernel, shape), prior.sample(_noise(1, 1, *shape)), sigma, seed=1)


def _smooth(schedule: Schedule, sigma: float) -> tuple[Any, InverseProblem]:
    shape = (1, 8, 8)
    distance = torch.minimum(torch.arange(8.0), 8 - torch.arange(8.0)).double()
    correlation = (-(distance[:, None] ** 2 + distance**2) / 4).exp()[None]
    spectrum = torch.fft.fft2(correlation).real.clamp(min=1e-3)
    prior = GaussianPrior(schedule, torch.zeros(shape), spectrum / spectrum.mean(), HartleyBasis(shape))
    return prior, observe(Mask(upper_half(shape)), prior.sample(_noise(2, 1, *shape)), sigma, seed=2)


def _two_modes(schedule: Schedule, sigma: float) -> tuple[Any, InverseProblem]:
    centres = ((-1.0, -0.2), (1.0, 0.2))
    parts = [
        GaussianPrior(schedule, torch.tensor([[c]], dtype=torch.float64), torch.full((1, 1, 2), 0.15**2))
        for c in centres
    ]
    seen = Mask(torch.tensor([[[0.0, 1.0]]]))
    y = torch.tensor([[[[0.0, 0.1]]]], dtype=torch.float64)
    return GaussianMixturePrior([0.5, 0.5], parts), InverseProblem(seen, y, sigma)


HALF_HIDDEN = 121  # a held-out 3 whose upper half may as well belong to a 2


def _digit(schedule: Schedule, sigma: float) -> tuple[Any, InverseProblem]:
    images, _ = digits("held_out")
    x0 = images[HALF_HIDDEN : HALF_HIDDEN + 1].double()
    return load_prior("digits"), observe(Mask(upper_half((1, 8, 8))), x0, sigma, seed=0)


def upper_half(shape: tuple[int, int, int]) -> Tensor:
    """A mask that shows the upper half."""
    mask = torch.ones(shape, dtype=torch.float64)
    mask[:, shape[1] // 2 :] = 0
    return mask


def _noise(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


WORLDS = {
    world.name: world
    for world in (
        World(
            "pixel", "1-D: one pixel N(0, 1) is seen, y = 1", _pixel, (10, 30, 100, 300, 1000, 3000),
            (1.0, 0.3, 0.1, 0.03, 0.01),
        ),
        World("pair", "2-D: two pixels with correlation 0.8; one is seen, y = 1", _pair, (100, 300), (1.0, 0.01)),
        World("white", "16-D: N(0, I), blurred", _white, (30, 100), (1.0, 0.01)),
        World("smooth", "64-D: a smooth Gaussian field; its upper half is seen", _smooth, (30, 100), (1.0,)),
        World(
            "two modes", "2-D: two far modes, which the reading tells apart a little", _two_modes, (100, 300),
            (1.0, 0.03),
        ),
        World(
            "digit", "64-D: the prior `digits`; of a 3 the upper half is seen, which a 2 has too", _digit, (100,), ()
        ),
    )
}  # fmt: skip


# The methods


@dataclass(frozen=True)
class Case:
    """A method with its options, and what is said of it.

    Attributes:
        title: what the tables call it.
        method: a name of `METHODS`.
        verdict, because: SAMPLER, CONDITIONAL, NOT, PRIOR or ESTIMATE, and the reason or the condition.
        derivation: the name of the proof that explains the bias.
        options: (steps, sigma) -> options of the method; `steps` itself is passed on where it takes it.
        exact_on: the worlds on which the bias vanishes as T grows.
        limit: for one pixel N(0, 1) and y: (sigma, y) -> mean and variance as T grows, in closed form.
    """

    title: str
    method: str
    verdict: str
    because: str
    derivation: str
    options: Callable[[int, float], dict[str, Any]] = lambda steps, sigma: {}
    exact_on: tuple[str, ...] = ()
    limit: Callable[[float, float], tuple[float, float]] | None = None


def dps_mean(sigma, y):
    r""":math:`y\,(1 - e^{-1/\sigma^2})`: where DPS's likelihood step ends for the prior N(0, 1)."""
    return y * (1 - _exp(-1 / sigma**2))


def dps_variance(sigma):
    r""":math:`\tfrac{\sigma^2}{2}\,(1 - e^{-2/\sigma^2})`: about half of the posterior's variance."""
    return sigma**2 / 2 * (1 - _exp(-2 / sigma**2))


def score_ald_mean(sigma, gamma, y):
    r""":math:`2y/(2 + \sigma^2 + \gamma^2)`: where ScoreALD with a constant gamma ends for the prior N(0, 1)."""
    return 2 * y / (2 + sigma**2 + gamma**2)


def score_ald_variance(sigma, gamma):
    r""":math:`(\sigma^2+\gamma^2)/(2 + \sigma^2 + \gamma^2)`."""
    return (sigma**2 + gamma**2) / (2 + sigma**2 + gamma**2)


def sdedit_mean(alpha_bar, y):
    r""":math:`\bar\alpha\,y` with the :math:`\bar\alpha` of the start, for the prior N(0, 1)."""
    return alpha_bar * y


def sdedit_variance(alpha_bar):
    r""":math:`1 - \bar\alpha^2`."""
    return 1 - alpha_bar**2


def dmps_limit(sigma: float, y: float) -> tuple[float, float]:
    r"""Where DMPS with lambda = 1 ends for the prior N(0, 1), with :math:`c = 1 - \sigma^2`:

    .. math::
        \frac{\sigma^2}{c^2}\Big(\frac{c}{\sigma^2} + \log\sigma^2\Big)\, y, \qquad
        \frac{\sigma^4}{c^3}\Big(\frac{1}{\sigma^2} - \sigma^2 + 2\log\sigma^2\Big)
    """
    c, s = 1 - sigma**2, sigma**2
    if c == 0:
        return y / 2, 1 / 3
    return s / c**2 * (c / s + math.log(s)) * y, s**2 / c**3 * (1 / s - s + 2 * math.log(s))


def _exp(e):
    return e.exp() if isinstance(e, Tensor) else math.exp(e)


def posterior_of_pixel(sigma: float, y: float) -> tuple[float, float]:
    return y / (1 + sigma**2), sigma**2 / (1 + sigma**2)


FAINT = 0.01  # Dirac's sigma_0, as a share of sigma


def dirac_limit(sigma: float, y: float) -> tuple[float, float]:
    r"""Where Dirac ends for the prior N(0, 1) and A_t = I: at the law of :math:`y_0` given :math:`y_1`,

    .. math::
        \frac{1 + \sigma_0^2}{1 + \sigma^2}\, y, \qquad \frac{(1 + \sigma_0^2)(\sigma^2 - \sigma_0^2)}{1 + \sigma^2}
    """
    faint = (FAINT * sigma) ** 2
    return (1 + faint) / (1 + sigma**2) * y, (1 + faint) * (sigma**2 - faint) / (1 + sigma**2)


def exact_restorer(prior: Any, problem: InverseProblem) -> ExactRestorer:
    """Dirac's model of a world: the operator fades in, and each prediction is the exact posterior mean."""
    family = FadeDegradation(problem.operator, sigma_min=FAINT * problem.sigma, sigma_max=problem.sigma)
    return ExactRestorer(prior, family)


START = 200  # SDEdit's t*, of 1000


def start_level() -> float:
    """Its alpha_bar."""
    return schedule_of(T).alpha_bar[START].item()


CASES: tuple[Case, ...] = (
    Case(
        "Tweedie", "tweedie", ESTIMATE,
        "for denoising it is the posterior's mean, exactly where a step of the chain has the noise sigma; "
        "elsewhere it undoes the noise and not the operator", "tweedie",
    ),
    Case("DDPM", "ddpm", PRIOR, "", "reverse_variance", limit=lambda sigma, y: (0.0, 1.0)),
    Case("DDIM, eta = 0", "ddim", PRIOR, "", "ddim", limit=lambda sigma, y: (0.0, 1.0)),
    Case(
        f"SDEdit, t* = {START}", "sdedit", NOT,
        "nothing pulls towards y after the start, and its law does not know sigma", "sdedit",
        lambda steps, sigma: {"t_start": START * max(T, steps) // T},
        limit=lambda sigma, y: (sdedit_mean(start_level(), y), sdedit_variance(start_level())),
    ),
    Case(
        "SDEdit, masked", "sdedit", NOT,
        "the seen pixels are put back with their noise, and the hole is drawn as if they were free of it",
        "sdedit.masked",
        lambda steps, sigma: {"t_start": START * max(T, steps) // T, "masked": True},
    ),
    Case(
        "ScoreALD, gamma = 1", "score_ald", NOT,
        "a gamma above sigma weakens the measurement for good", "exactness.score_ald",
        lambda steps, sigma: {"gamma": 1.0},
        limit=lambda sigma, y: (score_ald_mean(sigma, 1.0, y), score_ald_variance(sigma, 1.0)),
    ),
    Case(
        "ScoreALD, gamma = sigma", "score_ald", CONDITIONAL,
        "the prior is N(0, I): there the chain is Langevin's, and its fixed law is the posterior",
        "exactness.score_ald", lambda steps, sigma: {"gamma": sigma},
        exact_on=("pixel", "white"), limit=posterior_of_pixel,
    ),
    Case(
        "ScoreALD, Langevin, gamma = 1", "score_ald", NOT,
        "at each level it tempers as if the prior were flat, and a few moves do not reach that level's law",
        "likelihood_score.langevin", lambda steps, sigma: {"chain": "langevin", "gamma": 1.0},
    ),
    Case(
        "DPS, likelihood step", "dps", NOT,
        "it takes the denoised image for certain, so it pulls too hard by the factor 1 + v/sigma^2", "exactness.dps",
        lambda steps, sigma: {"step": "likelihood"},
        limit=lambda sigma, y: (dps_mean(sigma, y), dps_variance(sigma)),
    ),
    Case(
        "DPS, norm step, zeta = 1", "dps", NOT,
        "its step knows neither sigma nor the number of steps", "dps", lambda steps, sigma: {"step": "norm"},
    ),
    Case(
        "PiGDM, tau = 1", "pigdm", CONDITIONAL,
        "the prior is N(mu, I), for any operator: there its variance of x_0 given x_t is the true one", "pigdm",
        exact_on=("pixel", "white"), limit=posterior_of_pixel,
    ),
    Case(
        "DMPS, lambda = 1", "dmps", NOT,
        "it takes the prior for flat, which is right at the end of the chain only", "exactness.dmps", limit=dmps_limit,
    ),
    Case(
        "DMPS as released", "dmps", NOT,
        "lambda = 1.75 at the updated sample: the same flat prior, pulled harder", "exactness.dmps",
        lambda steps, sigma: {"lam": 1.75, "at": "updated"},
    ),
    Case(
        "DPS to DMPS", "hybrid", NOT, "neither of its two halves is exact", "dps",
        lambda steps, sigma: {"step": "likelihood"},
    ),
    Case(
        "DDRM", "ddrm", NOT, "its marginals are right only if x0_hat is the truth; else too little variance is left",
        "ddrm",
    ),
    Case(
        "Dirac, iterate", "dirac", CONDITIONAL,
        "each pixel is whole or hidden, and the hidden ones fade in, whatever the prior: a reading that stands still "
        "says nothing beyond y_t. That of a blur says more, and the predictions leave it unused", "dirac_sde.posterior",
        lambda steps, sigma: {"output": "iterate"}, exact_on=("pixel", "pair", "smooth"), limit=dirac_limit,
    ),
    Case(
        "PnP-ADMM", "pnp_admm", ESTIMATE,
        "for a Gaussian prior and a constant noise level it converges to the posterior's mean", "admm",
    ),
    Case(
        "ADMM-TV", "admm_tv", ESTIMATE, "the image of least total variation, whatever the prior",
        "admm.total_variation",
    ),
)  # fmt: skip


def cases() -> list[Case]:
    """The cases of the methods that there are; one without a case is an error, so that none is left out in silence."""
    missing = sorted(METHODS.keys() - {case.method for case in CASES})
    if missing:
        raise LookupError(f"these methods have no case in the ledger of exactness: {', '.join(missing)}.")
    return [case for case in CASES if case.method in METHODS]


# The rows


@dataclass(frozen=True)
class Row:
    """One method on one problem.

    Attributes:
        kind: "exact" (the law of the output, no random numbers) or "samples"; "none" where there is no output.
        samples: how many; None for an exact row.
        mean_gap, mean_gap_error: see the module; and its standard error, None for an exact row.
        variance_low, variance_high, variance_error: the least and the greatest ratio over the pixels; standard error.
        distance, floor: see the module; the floor is None for an exact row.
        mean, variance: of the first pixel, where there is only one.
        modes, weights, modes_p: shares of the samples in each mode, the posterior's weights, and the p-value of the
            exact test that they agree; None for a Gaussian prior.
        note: why there is no figure.
    """

    case: str
    method: str
    world: str
    steps: int
    sigma: float
    kind: str
    samples: int | None = None
    mean_gap: float | None = None
    mean_gap_error: float | None = None
    variance_low: float | None = None
    variance_high: float | None = None
    variance_error: float | None = None
    distance: float | None = None
    floor: float | None = None
    mean: float | None = None
    variance: float | None = None
    modes: list[float] | None = None
    weights: list[float] | None = None
    modes_p: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Plan:
    """What to measure: every case on every world, over T at `sigma`, and over sigma at the most steps up to 1000.

    `most_steps` and `sigmas` cut the worlds' own lists.
    """

    worlds: tuple[str, ...] = tuple(WORLDS)
    sigma: float = 0.1
    sigmas: tuple[float, ...] | None = None
    most_steps: int = 10**9
    samples: dict[str, int] = field(default_factory=lambda: {"digit": 300})
    usual_samples: int = 2000

    def points(self, world: World) -> list[tuple[int, float]]:
        """(steps, sigma) of each measurement."""
        steps = sorted({min(s, self.most_steps) for s in world.steps})
        own = world.sigmas if self.sigmas is None else [s for s in world.sigmas if s in self.sigmas]
        usual = max(s for s in steps if s <= T)
        return [(s, self.sigma) for s in steps] + [(usual, s) for s in own if s != self.sigma]


FULL = Plan()
QUICK = Plan(worlds=("pixel", "two modes"), sigmas=(1.0,), most_steps=20, usual_samples=100)


def measure_all(plan: Plan, chosen: Sequence[Case] | None = None) -> Iterator[Row]:
    """The rows, world by world and case by case."""
    for name in plan.worlds:
        world = WORLDS[name]
        count = plan.samples.get(name, plan.usual_samples)
        for steps, sigma in plan.points(world):
            prior, problem = world.build(schedule_of(steps), sigma)
            posterior = mixture_posterior(prior, problem)
            for case in cases() if chosen is None else chosen:
                yield measure(case, world, prior, problem, posterior, steps, count)


def measure(
    case: Case, world: World, prior: Any, problem: InverseProblem, posterior: Posterior, steps: int, samples: int
) -> Row:
    """One row: by the exact law if the method is affine here, else by samples."""
    about: About = (case.title, case.method, world.name, steps, problem.sigma)
    method: Any = METHODS[case.method]
    options = case.options(steps, problem.sigma)
    if "steps" in inspect.signature(method).parameters:
        share = options.get("t_start", prior.schedule.T) / prior.schedule.T
        options["steps"] = max(1, round(steps * share))
    try:
        prior = exact_restorer(prior, problem) if case.method == "dirac" else prior
        if len(posterior.covariances) == 1:
            try:
                return exact_row(about, output_law(method, prior, problem, **options), posterior)
            except NotAffine:
                pass
        many = InverseProblem(problem.operator, problem.y.expand(samples, *problem.y.shape[1:]), problem.sigma)
        stream = torch.Generator().manual_seed(0)
        draw = lambda t, shape: torch.randn(shape, generator=stream, dtype=problem.y.dtype)  # noqa: E731
        return sampled_row(about, method(prior, many, noise=draw, **options), posterior)
    except FloatingPointError:
        return Row(*about, kind="none", note="diverges")
    except ValueError as error:
        return Row(*about, kind="none", note=f"refused: {error}")


def check_bounded(variance: float) -> None:
    """A variance of a million times the posterior's is that of a chain that diverged, though it did not overflow."""
    if not variance < DIVERGED:
        raise FloatingPointError("the chain diverged")


def exact_row(about: About, law: tuple[Tensor, Tensor], posterior: Posterior) -> Row:
    """The bias of a Gaussian law against a Gaussian posterior."""
    (mean, cov), own = law, posterior.covariances[0]
    variance = own.diagonal()
    check_bounded((cov.diagonal() / variance).max().item())
    gap = (mean.flatten() - posterior.mean.flatten()).abs() / variance.sqrt()
    ratio = cov.diagonal() / variance
    distance = gaussian_wasserstein(mean, cov, posterior.mean[0], own) / own.trace().sqrt().item()
    return Row(
        *about,
        kind="exact",
        mean_gap=gap.max().item(),
        variance_low=ratio.min().item(),
        variance_high=ratio.max().item(),
        distance=distance,
        mean=mean.item() if mean.numel() == 1 else None,
        variance=cov.item() if cov.numel() == 1 else None,
    )


def sampled_row(about: About, x: Tensor, posterior: Posterior) -> Row:
    """The bias of samples, with standard errors, and the modes of a mixture."""
    count, flat = len(x), x.flatten(1)
    variance = posterior.covariance[0].diagonal()
    check_bounded((flat.square().mean(0) / variance).max().item())
    gap = (flat.mean(0) - posterior.mean.flatten()).abs() / variance.sqrt()
    worst = int(gap.argmax())
    apart = flat - flat.mean(0)
    ratio = apart.square().mean(0) / variance
    spread = apart.square().std(0) / count**0.5 / variance
    size = (variance.sum() / len(variance)).sqrt().item()
    exact, other = posterior.sample(2 * count, seed=1)[:, 0].split(count)
    row = Row(
        *about,
        kind="samples",
        samples=count,
        mean_gap=gap[worst].item(),
        mean_gap_error=(flat[:, worst].var() / variance[worst] / count).sqrt().item(),
        variance_low=ratio.min().item(),
        variance_high=ratio.max().item(),
        variance_error=spread.max().item(),
        distance=sliced_wasserstein(x, exact) / size,
        floor=sliced_wasserstein(other, exact) / size,
        mean=flat.mean().item() if flat.shape[1] == 1 else None,
        variance=flat.var(correction=0).item() if flat.shape[1] == 1 else None,
    )
    if len(posterior.covariances) == 1:
        return row
    found = mode_coverage(x, posterior)
    shares = (found.observed / count).tolist()
    return Row(**(asdict(row) | {"modes": shares, "weights": found.expected.tolist(), "modes_p": found.p_value}))


# The page


COMMAND = "python3 run.py exactness --out docs"


def write_page(out: Path, rows: Sequence[Row], chosen: Sequence[Case]) -> list[Path]:
    """exactness.md, assets/exactness-steps.png and assets/exactness-sigma.png below `out`; their paths."""
    plots = [out / "assets" / f"exactness-{what}.png" for what in ("steps", "sigma")]
    for path, what in zip(plots, ("steps", "sigma"), strict=True):
        plot(path, rows, what)
    page = out / "exactness.md"
    with atomic(page) as part:
        part.write_text(page_text(rows, chosen), encoding="utf-8")
    return [page, *plots]


def page_text(rows: Sequence[Row], chosen: Sequence[Case]) -> str:
    """The page in Markdown."""
    below = f"\n`{COMMAND}`\n"
    parts = [INTRODUCTION, "## The verdicts\n", VERDICTS, verdict_table(chosen), below]
    parts += ["## One pixel, exactly\n", PIXEL, pixel_table(rows, chosen), below]
    parts += [
        "![Mean gap and variance ratio of each method against the number of steps](assets/exactness-steps.png)\n",
        f"*One pixel, sigma = 0.1. A sampler of the posterior goes to 0 on the left, to 1 on the right. `{COMMAND}`*\n",
        "## As sigma shrinks\n", SHRINKS, sigma_table(rows, chosen), below,
        "![Mean gap and variance ratio of each method against sigma](assets/exactness-sigma.png)\n",
        f"*One pixel, T = 1000. `{COMMAND}`*\n",
        "## More pixels\n", MORE, world_table(rows, chosen, ("pair", "white", "smooth")), below,
        "## Mixtures, by samples\n", MIXTURES, mixture_table(rows, chosen), below,
    ]  # fmt: skip
    return "\n".join(parts)


INTRODUCTION = r"""# Which methods sample the posterior

<!-- Written by the command below; edit teachdiff/exactness.py instead. -->

A method claims to sample \(p(x_0 \mid y)\). Here the posterior is known exactly, so the claim can be measured. The
prior is exact too, so that what is measured is the method and not a network.

With a Gaussian prior most methods are affine in their noise: the law of what they put out is a Gaussian that follows
exactly, without a random number (`teachdiff.exact.output_law`). Elsewhere samples are compared, with their standard
errors. Every figure on this page is written by one command:

```
python3 run.py exactness --out docs     # this page and its plots
python3 run.py exactness --json         # the rows, for a program
```

- **mean gap**: from the output's mean to the posterior's, in posterior standard deviations, in the worst pixel;
- **variance ratio**: the output's variance over the posterior's, least and greatest over the pixels;
- **distance**: \(W_2\) between the two laws over the root of the posterior's total variance. 0 is the posterior, 1 is
  a point at its mean. Between samples it is sliced, and stands beside its floor: what two sets of exact samples have.
"""
VERDICTS = """None of them samples every posterior, however many steps it takes. Those that are exact for some priors,
or for some operators, say for which.
"""
PIXEL = r"""The prior is \(\mathcal N(0, 1)\), \(\sigma = 0.1\), y = 1. Mean and variance of the output; T counts
the steps of one continuous schedule. The last column is the limit of small steps in closed form, proved in
`derivations/exactness.py` and `derivations/sdedit.py`: what differs from the posterior there is the method's own bias,
and no number of steps mends it.
"""
SHRINKS = r"""One pixel, T = 1000: mean gap, and variance ratio. A chain whose steps are too long for so small a
sigma diverges.
"""
MORE = r"""\(\sigma = 0.1\) unless it says otherwise. A figure with ± was sampled.
"""
MIXTURES = rf"""Shares of the samples in each mode beside the posterior's weights (of the digit: the four modes with
most weight), and the exact p-value of their agreement: below {ALPHA:g} they do not agree. With 2000 samples and two
modes the test misses a weight that is off by 0.08 in less than one case of a hundred.
"""


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *lines))


def verdict_table(chosen: Sequence[Case]) -> str:
    lines = []
    for case in chosen:
        words = f"{case.verdict} {case.because}" if case.verdict == CONDITIONAL else f"{case.verdict}: {case.because}"
        lines.append([case.title, words.removesuffix(": "), f"`{case.derivation}`"])
    return table(["method", "what it is", "proof"], lines)


def number(value: float | None, digits: int = 4) -> str:
    """Four digits after the point, three significant ones where it is large."""
    if value is None:
        return "–"
    return f"{value:.{digits}f}" if abs(value) < 100 else f"{value:.3g}"


def find(rows: Sequence[Row], case: str, world: str, steps: int | None = None, sigma: float = 0.1) -> Row | None:
    """The row of a case; with the most steps where none are given."""
    own = [r for r in rows if (r.case, r.world, r.sigma) == (case, world, sigma) and steps in (None, r.steps)]
    return max(own, key=lambda r: r.steps, default=None)


def pixel_table(rows: Sequence[Row], chosen: Sequence[Case]) -> str:
    steps = sorted({r.steps for r in rows if r.world == "pixel" and r.sigma == 0.1})
    lines = []

    def cell(row: Row | None) -> str:
        if row is None or row.mean is None:
            return row.note if row else "–"
        sampled = "" if row.kind == "exact" else " (samples)"
        return f"{number(row.mean)}, {number(row.variance)}{sampled}"

    for case in chosen:
        limit = "–" if case.limit is None else "{:.4f}, {:.4f}".format(*case.limit(0.1, 1.0))
        lines.append([case.title, *(cell(find(rows, case.title, "pixel", s)) for s in steps), limit])
    exact = "**{:.4f}, {:.4f}**".format(*posterior_of_pixel(0.1, 1.0))
    lines.append(["**the posterior**", *[""] * len(steps), exact])
    return table(["method", *(f"T = {s}" for s in steps), "small steps"], lines)


def bias(row: Row | None) -> str:
    if row is None or row.mean_gap is None or row.variance_low is None or row.variance_high is None:
        return row.note if row else "–"
    error = f" ± {row.mean_gap_error:.2f}" if row.mean_gap_error is not None else ""
    ratio = f"{row.variance_low:.3g}"
    if not math.isclose(row.variance_low, row.variance_high, rel_tol=5e-3, abs_tol=1e-9):
        ratio += f" to {row.variance_high:.3g}"
    return f"{row.mean_gap:.3f}{error}; {ratio}"


def sigma_table(rows: Sequence[Row], chosen: Sequence[Case]) -> str:
    usual = max((r.steps for r in rows if r.world == "pixel" and r.steps <= T), default=T)
    sigmas = sorted({r.sigma for r in rows if r.world == "pixel"}, reverse=True)
    lines = [[c.title, *(bias(find(rows, c.title, "pixel", usual, s)) for s in sigmas)] for c in chosen]
    return table(["method", *(f"σ = {s:g}" for s in sigmas)], lines)


def world_table(rows: Sequence[Row], chosen: Sequence[Case], worlds: Sequence[str]) -> str:
    lines, heads = [], []
    for name in worlds:
        points = sorted({(r.sigma != 0.1, r.steps, -r.sigma) for r in rows if r.world == name})
        heads += [(name, steps, -negative) for _, steps, negative in points]
    for case in chosen:
        cells = []
        for name, steps, sigma in heads:
            row = find(rows, case.title, name, steps, sigma)
            cells.append(bias(row) + (f"; {row.distance:.2f}" if row and row.distance is not None else ""))
        lines.append([case.title, *cells])
    titles = "".join(f"- **{name}**: {WORLDS[name].title}\n" for name in worlds)
    columns = [f"{n}, T = {k}" + (f", σ = {s:g}" if s != 0.1 else "") for n, k, s in heads]
    return f"{titles}\nMean gap; variance ratio; distance.\n\n" + table(["method", *columns], lines)


def mixture_table(rows: Sequence[Row], chosen: Sequence[Case]) -> str:
    parts = []
    for name in ("two modes", "digit"):
        points = sorted({(r.sigma != 0.1, r.steps, -r.sigma) for r in rows if r.world == name})
        for _, steps, negative in points:
            own = [(c, find(rows, c.title, name, steps, -negative)) for c in chosen]
            lines = [[case.title, *mode_cells(row)] for case, row in own]
            weights = next((r.weights for _, r in own if r and r.weights), None)
            shown = "" if weights is None else " / ".join(f"{weights[k]:.3f}" for k in leading(weights))
            lines.append(["**the posterior**", f"**{shown}**", "", "", ""])
            parts.append(f"**{name}**, {WORLDS[name].title}; T = {steps}, σ = {-negative:g}\n")
            parts.append(table(["method", "modes", "p-value", "distance (floor)", "mean gap; variance ratio"], lines))
            parts.append("")
    return "\n".join(parts)


def leading(weights: Sequence[float]) -> list[int]:
    """The four modes with most weight, in their own order."""
    return sorted(sorted(range(len(weights)), key=lambda k: -weights[k])[:4])


def mode_cells(row: Row | None) -> list[str]:
    if row is None or row.modes is None or row.weights is None or row.distance is None or row.modes_p is None:
        return [row.note if row else "–", "", "", ""]
    shares = " / ".join(f"{row.modes[k]:.3f}" for k in leading(row.weights))
    p = f"{row.modes_p:.2g}" if row.modes_p >= ALPHA else f"< {ALPHA:g}"
    return [shares, p, f"{row.distance:.2f} ({row.floor:.2f})", bias(row)]


def plot(path: Path, rows: Sequence[Row], what: str) -> None:
    """Mean gap and variance ratio of one pixel against T at sigma = 0.1, or against sigma at T = 1000, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    usual = max((r.steps for r in rows if r.world == "pixel" and r.steps <= T), default=T)
    picture = Figure(figsize=(9.5, 3.6), dpi=90)
    FigureCanvasAgg(picture)
    left, right = picture.subplots(1, 2)
    curves: dict[str, list[Row]] = {}
    for row in rows:
        inside = row.sigma == 0.1 if what == "steps" else row.steps == usual
        if row.world == "pixel" and inside and row.mean_gap is not None:
            curves.setdefault(row.case, []).append(row)
    for i, (name, own) in enumerate(curves.items()):
        own.sort(key=lambda r: getattr(r, what))
        x = [getattr(r, what) for r in own]
        style = {"color": f"C{i % 10}", "ls": "-" if i < 10 else "--", "marker": "osD^v<>"[i % 7], "ms": 4, "lw": 1.2}
        left.plot(x, [max(r.mean_gap or 0, 1e-5) for r in own], label=name, **style)
        right.plot(x, [max(r.variance_low or 0, 1e-3) for r in own], **style)
    right.axhline(1, color="black", lw=0.8)
    for axis, label in ((left, "mean gap, posterior deviations"), (right, "variance ratio")):
        axis.set(xscale="log", yscale="log", xlabel="T" if what == "steps" else "sigma", ylabel=label)
        axis.grid(alpha=0.3)
    picture.legend(*left.get_legend_handles_labels(), loc="center right", fontsize=7, frameon=False)
    picture.tight_layout(rect=(0, 0, 0.8, 1))
    with atomic(path) as part:
        picture.savefig(part, format="png")
