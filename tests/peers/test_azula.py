"""azula's schedules, denoisers, samplers and guided samplers."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from peer import NOTES, Case, examine, needs
from torch import Tensor

from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.schedules import Schedule
from teachdiff.testing import as_prior
from teachdiff.testing.core import normal
from teachdiff.testing.worlds import draw_images

pytestmark = needs("azula")


class Levels:
    """The levels of a schedule of ours as azula's t in [0, 1] -> (signal, noise), at the multiples of 1/T.

    Arguments:
        sigma_min: the noise at t = 0. azula asks for more than 0; most of its samplers also take 0.
    """

    def __init__(self, schedule: Schedule, sigma_min: float = 0.0) -> None:
        self.T = schedule.T
        self.signal, self.noise = schedule.alpha_bar.sqrt(), (1 - schedule.alpha_bar).sqrt()
        self.noise[0] = sigma_min

    def index(self, t: Tensor) -> Tensor:
        return (t * self.T).round().long()

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return self.signal[self.index(t)], self.noise[self.index(t)]


def denoiser(prior: Any, sigma_min: float = 0.0) -> Any:
    """A prior of ours as an azula denoiser."""
    from azula.denoise import Denoiser, DiracPosterior

    class Exact(Denoiser):
        def __init__(self) -> None:
            super().__init__()
            self.schedule = Levels(prior.schedule, sigma_min)

        def forward(self, x_t: Tensor, t: Tensor) -> DiracPosterior:
            return DiracPosterior(mean=prior.denoise(x_t, self.schedule.index(t)))

    return Exact()


def sampler(make: Callable[[Any, Any, dict], Any], sigma_min: float = 0.0) -> Callable[..., Tensor]:
    """A method from `make(denoiser, problem, options)`, which gives an azula sampler."""

    def sample(prior: Any, problem: Any) -> Tensor:
        steps = {"steps": prior.schedule.T, "silent": True, "dtype": torch.float64}
        found = make(denoiser(prior, sigma_min), problem, steps)
        return found(found.init((len(problem.y), *prior.shape))).detach()

    return sample


def plain(
    name: str, expected: dict[str, str] | None = None, *, sigma_min: float = 0.0, said: str = "", **case: Any
) -> Case:
    """The case of a sampler of `azula.sample`: `options` are its own, the others go to the check."""
    options = case.pop("options", {})

    def make(q: Any, problem: Any, steps: dict) -> Any:
        from azula import sample

        return getattr(sample, name)(q, **steps, **options)

    arguments = ", ".join(["denoiser", *(f"{key}={value}" for key, value in options.items())])
    at_0 = f", noise {sigma_min:g} at t = 0" if sigma_min else ""
    return Case(f"{name}({arguments}){at_0}{said}", "method", lambda: sampler(make, sigma_min), case, expected or {})


def guided(
    name: str, make: Callable[[Any, Any, dict], Any], expected: dict[str, str] | None = None, **how: Any
) -> Case:
    """The case of a guided sampler."""
    return Case(name, "method", lambda: sampler(make), {"claims": {"forgets": {}}, **how}, expected or {})


def dps(q: Any, problem: Any, steps: dict) -> Any:
    from azula.guidance.dps import DPSSampler

    return DPSSampler(q, problem.y, problem.operator, **steps)


def pgdm(q: Any, problem: Any, steps: dict) -> Any:
    from azula.guidance.pgdm import PGDMSampler

    return PGDMSampler(q, problem.y, problem.operator, problem.operator.pinv, **steps)


def mmps(q: Any, problem: Any, steps: dict) -> Any:
    from azula.guidance.mmps import MMPSDenoiser
    from azula.linalg.covariance import IsotropicCovariance
    from azula.sample import EulerSampler

    cov_y = IsotropicCovariance(torch.tensor(problem.sigma**2, dtype=torch.float64))
    return EulerSampler(MMPSDenoiser(q, problem.y, problem.operator, cov_y, "cg", iterations=3), **steps)


def diffpir(q: Any, problem: Any, steps: dict) -> Any:
    from azula.guidance.diffpir import DiffPIRDenoiser
    from azula.sample import EulerSampler

    found = DiffPIRDenoiser(q, problem.y, problem.operator, problem.sigma**2, iterations=4)
    return EulerSampler(found, **steps)


def tmpd(q: Any, problem: Any, steps: dict) -> Any:
    from azula.guidance.tmpd import TMPDenoiser
    from azula.sample import EulerSampler

    return EulerSampler(TMPDenoiser(q, problem.y, problem.operator, problem.sigma**2), **steps)


def schedule(name: str, expected: dict[str, str] | None = None) -> Case:
    def make() -> Any:
        from azula import noise

        return getattr(noise, name)()

    return Case(f"{name}()", "schedule", make, expected=expected or {})


SHAPE = (1, 2, 3)


def moments() -> tuple[Tensor, Tensor, Tensor]:
    """A mean, and a covariance as orthonormal Q and its eigenvalues."""
    mean, factor = normal(SHAPE, 0), normal((6, 6), 1)
    values, Q = torch.linalg.eigh(factor @ factor.mT / 6)
    return mean, Q, values


def levels() -> Schedule:
    """Those of azula's VPSchedule at 20 steps."""
    from azula.noise import VPSchedule

    return Schedule(VPSchedule().alpha(torch.arange(21, dtype=torch.float64) / 20) ** 2)


def gaussian(expected: dict[str, str], sigma_min: float) -> Case:
    """azula's GaussianDenoiser, and our exact prior to compare with."""

    def make() -> Any:
        from azula.denoise import GaussianDenoiser
        from azula.linalg.covariance import FullCovariance
        from azula.noise import VPSchedule

        mean, Q, values = moments()
        found = GaussianDenoiser(mean, FullCovariance(Q.view(*SHAPE, 6), values), VPSchedule(sigma_min=sigma_min))
        return as_prior(found, levels(), time="t / T")

    def reference() -> GaussianPrior:
        mean, Q, values = moments()
        return GaussianPrior.from_covariance(levels(), mean, Q @ values.diag() @ Q.mT)

    name = f"GaussianDenoiser(mean, FullCovariance(Q, L), VPSchedule(sigma_min={sigma_min:g}))"
    how = {"shape": SHAPE, "exact": True, "reference": reference, "images": lambda: draw_images(reference(), 64, 0)}
    return Case(name, "prior", make, how, expected)


NOT_VP = "By convention: this schedule does not preserve the variance."
EXPLODING = dict.fromkeys(["variance_is_preserved", "falls"], "By convention: variance exploding, the signal stays 1.")
NOISE_LEFT = "By convention: azula's schedules keep some noise at t = 0 (sigma_min), and the sampler ends there."
NOISE_MORE = "By convention: sigma_min is added to the noise at every t: the variance is 1 - α² + sigma_min²."
ETA = (
    "By convention: its η scales the variance of the noise (the docstring has √(1 - ητ)), where the paper's scales the "
    "standard deviation; the next line asks for the paper's η = √0.5."
)
ONE_T = "By convention: the docstring asks for one t for the batch."
WHOLE_BATCH = (
    "DPSSampler.step takes the norm of the residual over the whole batch, so every image's step depends on the others'."
)
NO_SIGMA = "By convention: PGDMSampler takes no noise level, so it trusts y however noisy it is."
SLOW = {"only": ["converges", "moments_of_a_mixture"], "examples": 1}

CASES = [
    schedule("VPSchedule"),
    schedule("CosineSchedule"),
    schedule("VESchedule", EXPLODING),
    schedule("RectifiedSchedule", {"variance_is_preserved": NOT_VP}),
    schedule("DecaySchedule", {"variance_is_preserved": NOT_VP}),
    gaussian({"times": ONE_T}, 1e-9),
    gaussian({"times": ONE_T, "posterior_mean": NOISE_MORE}, 1e-3),
    plain("DDPMSampler", claims={"chain": {}, "ddpm": {}}),
    plain(
        "DDPMSampler",
        dict.fromkeys(["no_noise_at_the_end", "exact_law"], NOISE_LEFT),
        sigma_min=1e-3,
        claims={"chain": {}, "ddpm": {}},
    ),
    plain("DDIMSampler", claims={"chain": {}, "ddim": {}}),
    plain("DDIMSampler", {"exact_law": ETA}, options={"eta": 0.5}, claims={"chain": {}, "ddim": {"eta": 0.5}}),
    plain("DDIMSampler", options={"eta": 0.5}, said=" as η = √0.5", claims={"chain": {}, "ddim": {"eta": 0.5**0.5}}),
    plain("EulerSampler", claims={"chain": {}, "ddim": {}}),
    plain("ItoSampler", options={"eta": 0.0}, claims={"chain": {}, "ddim": {}}),
    plain("zABSampler", sigma_min=1e-3, claims={"prior": {}}, **SLOW),
    plain("xEABSampler", sigma_min=1e-3, claims={"prior": {}}, **SLOW),
    plain("REABSampler", sigma_min=1e-3, claims={"prior": {}}, **SLOW),
    guided("DPSSampler(denoiser, y, A)", dps, {"batch": WHOLE_BATCH}, claims={}),
    guided("PGDMSampler(denoiser, y, A, A_inv)", pgdm, {"forgets": NO_SIGMA}),
    guided("EulerSampler(MMPSDenoiser(denoiser, y, A, cov_y, 'cg', 3))", mmps),
    guided(
        "EulerSampler(MMPSDenoiser(denoiser, y, A, cov_y, 'cg', 3)), the posterior",
        mmps,
        claims={"posterior": {}},
        only=["converges"],
        examples=1,
    ),
    guided("EulerSampler(DiffPIRDenoiser(denoiser, y, A, var_y, iterations=4))", diffpir),
    guided("EulerSampler(TMPDenoiser(denoiser, y, A, var_y))", tmpd),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_laws(case, request):
    examine("azula", case, request.config)


def test_reab_is_not_its_docstring(request):
    """One step of order 1 with x0_hat = 0, where the integral is arctan(e^u): the docstring has σ_s, the code σ_t."""
    from azula.denoise import Denoiser, DiracPosterior
    from azula.noise import VPSchedule
    from azula.sample import REABSampler

    class Nothing(Denoiser):
        schedule = VPSchedule()

        def forward(self, x_t: Tensor, t: Tensor) -> DiracPosterior:
            return DiracPosterior(mean=torch.zeros_like(x_t))

    t, s = torch.tensor([0.5, 0.3], dtype=torch.float64)
    (alpha_t, sigma_t), (alpha_s, sigma_s) = VPSchedule()(t), VPSchedule()(s)
    total_t, total_s = (alpha_t**2 + sigma_t**2).sqrt(), (alpha_s**2 + sigma_s**2).sqrt()
    x = torch.ones(1, dtype=torch.float64)
    f = (alpha_t / total_t) ** 2 / (sigma_t / total_t) / alpha_t * x
    integral = torch.atan(sigma_s / alpha_s) - torch.atan(sigma_t / alpha_t)
    docstring, code = (
        total_s / total_t * x + root * f * integral for root in (total_s, (alpha_s**2 + sigma_t**2).sqrt())
    )
    sampler = REABSampler(Nothing(), order=1, steps=1, start=0.5, stop=0.3, silent=True, dtype=torch.float64)
    got = sampler(x)
    assert torch.allclose(got, code, rtol=1e-5)
    assert not torch.allclose(got, docstring, rtol=1e-3)
    request.config.stash[NOTES].append(
        (
            "azula",
            "`REABSampler` has √(α_s² + σ_t²) before the sum, its docstring √(1 + e^{2s}), that is √(α_s² + σ_s²). "
            f"One step of order 1 from t = 0.5 to 0.3, x0_hat = 0, x = 1, gives {got.item():.6f}, the docstring's "
            f"formula {docstring.item():.6f}. It converges all the same: the difference falls with the step.",
        )
    )
