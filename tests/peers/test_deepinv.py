"""deepinv's physics, its SDEs, its solvers and its guided samplers.

deepinv evaluates a denoiser in float32, by design: the laws of its samplers are asked up to 1e-5.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peer import Case, deepinv, examine, needs
from torch import Tensor

from teachdiff.testing.replay import with_noise

pytestmark = needs("deepinv")

FLOAT32 = 1e-5


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def kernel(height: int, width: int) -> Tensor:
    """A positive kernel of sum 1, without any symmetry."""
    k = uniform(1, 1, height, width)
    return k / k.sum()


def mask(*shape: int) -> Tensor:
    """About six in ten are 1; in deepinv's own dtype."""
    return (uniform(*shape, seed=3) > 0.4).float()


def physics(name: str, shape: tuple[int, int, int], expected: dict[str, str] | None = None, **options: Any) -> Case:
    def make() -> Any:
        return getattr(deepinv().physics, name)(**options)

    def said(value: Any) -> str:
        if not isinstance(value, Tensor):
            return repr(value)
        return f"{'x'.join(str(n) for n in value.shape[-2:])} {'kernel' if value.ndim == 4 else 'mask'}"

    arguments = ", ".join(f"{key}={said(value)}" for key, value in options.items())
    return Case(f"{name}({arguments})", "operator", make, {"shape": shape}, expected or {})


def sde(name: str, expected: dict[str, str] | None = None, **options: Any) -> Case:
    """The forward SDE of a deepinv diffusion: scale s(t), noise s(t) sigma(t), and its own drift and diffusion."""

    def make() -> Any:
        found, one = getattr(deepinv().sampling, name)(**options), torch.ones(1, dtype=torch.float64)
        return SimpleNamespace(
            marginal=lambda t: (found.scale_t(t), found.scale_t(t) * found.sigma_t(t)),
            drift=lambda t: found.forward_drift(one, t),
            diffusion=found.forward_diffusion,
        )

    arguments = ", ".join(f"{key}={'…' if callable(value) else value!r}" for key, value in options.items())
    return Case(f"{name}({arguments})", "schedule", make, expected=expected or {})


class Denoiser(torch.nn.Module):
    """A prior of ours as deepinv's D(x, sigma), x = x_0 + sigma n, at the levels of its schedule."""

    def __init__(self, prior: Any) -> None:
        super().__init__()
        self.prior = prior
        bars = prior.schedule.alpha_bar[1:]
        self.sigmas = ((1 - bars) / bars).sqrt()

    def forward(self, x: Tensor, sigma: Any) -> Tensor:
        sigma = torch.as_tensor(sigma, dtype=torch.float64).flatten()[0]
        t = int((self.sigmas / sigma).log().abs().argmin()) + 1
        scale = self.prior.schedule.alpha_bar[t].sqrt()
        return self.prior.denoise(x.to(torch.float64) * scale, torch.tensor(t)).to(x.dtype)


def times(schedule: Any, low: float = 0.1, high: float = 20.0) -> Tensor:
    """When deepinv's VP SDE has the schedule's levels: β_min t + (β_max - β_min) t²/2 = -log ᾱ; T first, then 0."""
    passed = -schedule.alpha_bar.log()
    return ((-low + (low**2 + 2 * (high - low) * passed).sqrt()) / (high - low)).flip(0)


def walks(
    name: str,
    claims: dict[str, dict],
    expected: dict[str, str] | None = None,
    *,
    guide: Callable[[Any], Any] | None = None,
    guided: str = "",
    alpha: float = 1.0,
    limits: dict[str, Any] | None = None,
    **options: Any,
) -> Case:
    """The case of a solver of the VP SDE, from x_T ~ N(0, I); `guide` makes the data fidelity of the posterior's."""

    def sample(prior: Any, problem: Any) -> Tensor:
        d, denoise, t = deepinv(), Denoiser(prior), times(prior.schedule)
        diffusion = d.sampling.VariancePreservingDiffusion(denoise, alpha=alpha, T=float(t[0]), minus_one_one=False)
        solver = getattr(d.sampling, name)(timesteps=t, **options)
        x_T = torch.randn(len(problem.y), *prior.shape, dtype=torch.float64)
        if guide is None:
            diffusion.solver = solver
            return diffusion.sample(x_T)
        camera = d.physics.LinearPhysics(
            problem.operator, problem.operator.adjoint, noise_model=d.physics.GaussianNoise(problem.sigma)
        )
        model = d.sampling.PosteriorDiffusion(guide(d.sampling), denoise, diffusion, solver, minus_one_one=False)
        return model(problem.y, camera, x_init=x_T).detach()

    shown = ", ".join([*(f"{k}={v!r}" for k, v in options.items()), *([f"alpha={alpha}"] if alpha != 1 else [])])
    how = {"claims": claims, "tolerance": FLOAT32, **(limits or {})}
    return Case(guided or f"{name}({shown})", "method", lambda: sample, how, expected or {})


def ddrm(claims: dict[str, dict], expected: dict[str, str], gain: float = 1.0, **options: Any) -> Case:
    """DDRM, with the operator's own SVD and the prior's levels; each of its draws times `gain`."""

    def restore(prior: Any, problem: Any, seed: int | None = None) -> Tensor:
        d, denoise, svd = deepinv(), Denoiser(prior), problem.operator.svd
        camera = d.physics.DecomposablePhysics(
            U=svd.U,
            U_adjoint=svd.Ut,
            V=svd.V,
            V_adjoint=svd.Vt,
            img_size=prior.shape,
            mask=svd.s.values[None],
            noise_model=d.physics.GaussianNoise(problem.sigma),
        )
        sigmas = denoise.sigmas.flip(0).tolist()
        return d.sampling.DDRM(denoise, sigmas=sigmas, **options)(problem.y, camera, seed=seed)

    def sample(prior: Any, problem: Any, *, seed: int | None = None, noise: Any = None) -> Tensor:
        """With a noise argument the suite runs it in batches, which is quick, and one of its laws is that it may."""
        if noise is None:
            return restore(prior, problem, seed)
        return with_noise(restore)(prior, problem, noise=lambda k, shape: gain * noise(k, shape))

    arguments = ", ".join(["denoiser", "sigmas", *(f"{key}={value}" for key, value in options.items())])
    how = {"claims": claims, "tolerance": FLOAT32}
    return Case(
        f"DDRM({arguments}){', its draws times √2' if gain != 1 else ''}", "method", lambda: sample, how, expected
    )


CRASH = (
    "_tgt_src_for_axis folds the border back with slice(-(p - i), None); for a kernel side of 2, p = i = 1, that is "
    "the whole axis, and the adjoint raises an error. A side of 4 works."
)
EVERY_ADJOINT = [
    "shapes", "linear", "dot_test", "gradient", "transpose", "batch", "repeats", "dtype_and_device", "argument_is_kept",
    "result_is_its_own", "pseudo_inverse",
]  # fmt: skip
ITERATES = (
    "By convention: A_dagger iterates (lsqr, tol=1e-4, at most 50 times), so it stops short, the more the worse A is "
    "conditioned"
)
PINV = {"pseudo_inverse": f"{ITERATES}."}
COUPLED = {**PINV, "batch": f"{ITERATES}; how often depends on the whole batch."}
PROMOTES = {"dtype_and_device": "By convention: a float64 kernel makes the result float64, as torch promotes."}
EXPLODING = dict.fromkeys(["variance_is_preserved", "falls"], "By convention: variance exploding, the signal stays 1.")
VIEW = {
    "result_is_its_own": "Without a filter A returns x[:, :, ::factor, ::factor], a view of x: to write into y "
    "is to write into x."
}
FLOW = "By convention: a linear interpolation does not preserve the variance, and sigma(t) = b/a is infinite at t = 1."
TRAPEZOID = "Given xi_t apart, the integrals are trapezoids over 100 points: the variance is right to 2e-4."
HALF_NOISE = (
    "DDRM.forward divides every normal draw by √2. That is right for the half spectrum of BlurFFT, whose real and "
    "imaginary part share the variance; for a real SVD (Denoising, Inpainting, this one) the noise has half its "
    "variance, while the denoiser is told all of it."
)
SEED = "DDRM.forward asks `if seed:`, so seed 0 does not seed."
DDRM = {
    "seeds": SEED,
    "rotation": "By convention: it draws its noise in the basis of the SVD, so the same draws mean another noise.",
    "streams": "One generator draws for the whole batch, so that a sample's noise depends on how many stand beside it.",
}
NO_CLAIMS: dict[str, dict] = {"forgets": {}}

CASES = [
    physics("Denoising", (3, 6, 5)),
    physics("Inpainting", (3, 6, 5), img_size=(3, 6, 5), mask=mask(3, 6, 5)),
    physics("Demosaicing", (3, 6, 4), img_size=(3, 6, 4)),
    physics("Blur", (1, 5, 6), COUPLED, filter=kernel(3, 3), padding="valid"),
    physics("Blur", (1, 5, 6), COUPLED, filter=kernel(3, 3), padding="circular"),
    physics("Blur", (1, 5, 6), PINV, filter=kernel(3, 3), padding="replicate"),
    physics("Blur", (1, 5, 6), PINV, filter=kernel(3, 3), padding="reflect"),
    physics("Blur", (1, 5, 6), PINV, filter=kernel(3, 3), padding="constant"),
    physics("Blur", (1, 5, 6), COUPLED, filter=kernel(4, 4), padding="circular"),
    physics("Blur", (1, 5, 6), dict.fromkeys(EVERY_ADJOINT, CRASH), filter=kernel(4, 2), padding="circular"),
    physics("Blur", (1, 5, 6), COUPLED | PROMOTES, filter=kernel(3, 3), padding="circular", use_fft=True),
    physics("Blur", (1, 5, 6), COUPLED | PROMOTES, filter=kernel(4, 2), padding="reflect", use_fft=True),
    physics("BlurFFT", (2, 5, 4), PROMOTES, img_size=(2, 5, 4), filter=kernel(3, 3)),
    physics("BlurFFT", (1, 6, 6), PROMOTES, img_size=(1, 6, 6), filter=kernel(4, 2)),
    physics("Downsampling", (1, 8, 8), PINV | VIEW, img_size=(1, 8, 8), filter=None, factor=2),
    physics("Downsampling", (1, 8, 8), img_size=(1, 8, 8), filter="bicubic", factor=2),
    physics("Downsampling", (1, 9, 7), img_size=(1, 9, 7), filter="bilinear", factor=2, padding="reflect"),
    physics("SinglePixelCamera", (1, 8, 8), img_size=(1, 8, 8), m=20),
    physics("MRI", (2, 6, 5), img_size=(6, 5), mask=mask(6, 5)),
    physics("CompressedSensing", (1, 4, 4), img_size=(1, 4, 4), m=8),
    sde("VariancePreservingDiffusion"),
    sde("VariancePreservingDiffusion", scaled_linear=True),
    sde("VarianceExplodingDiffusion", EXPLODING),
    sde("SongDiffusionSDE", beta_t=lambda t: 0.1 + 19.9 * t, variance_preserving=True),
    sde(
        "SongDiffusionSDE",
        {"variance_is_preserved": TRAPEZOID},
        beta_t=lambda t: 0.1 + 4 * t,
        xi_t=lambda t: 0.1 + 4 * t,
    ),
    sde("EDMDiffusionSDE", sigma_t=lambda t: 10 * t + 1e-9, variance_preserving=True),
    sde("FlowMatching", dict.fromkeys(["variance_is_preserved", "ranges"], FLOW)),
    walks("DDPMSolver", {"chain": {}, "ddpm": {}}),
    walks("DDPMSolver", {"chain": {}, "ddpm": {"variance": "large"}}, variance="large"),
    walks("DDIMSolver", {"chain": {}, "ddim": {}}),
    walks("DDIMSolver", {"chain": {}, "ddim": {"eta": 0.5}}, eta=0.5),
    walks("AncestralSolver", {"chain": {}, "ddpm": {}}),
    walks("AncestralSolver", {"chain": {}, "ddim": {}}, alpha=0.0),
    walks(
        "DDPMSolver",
        {},
        guide=lambda s: s.DPSDataFidelity(),
        guided="PosteriorDiffusion(DPSDataFidelity(), DDPMSolver)",
    ),
    walks(
        "DDPMSolver",
        NO_CLAIMS,
        guide=lambda s: s.DPSDataFidelity(guidance="annealed"),
        guided="PosteriorDiffusion(DPSDataFidelity(guidance='annealed'), DDPMSolver)",
    ),
    walks(
        "DDIMSolver",
        NO_CLAIMS,
        guide=lambda s: s.PiGDMDataFidelity(),
        guided="PosteriorDiffusion(PiGDMDataFidelity(), DDIMSolver)",
    ),
    walks(
        "DDIMSolver",
        NO_CLAIMS,
        guide=lambda s: s.MomentMatchingDataFidelity(),
        guided="PosteriorDiffusion(MomentMatchingDataFidelity(), DDIMSolver)",
    ),
    walks(
        "DDIMSolver",
        {"posterior": {}},
        guide=lambda s: s.MomentMatchingDataFidelity(cg_tol=1e-8),
        guided="PosteriorDiffusion(MomentMatchingDataFidelity(cg_tol=1e-8), DDIMSolver), the posterior",
        limits={"only": ["converges"], "examples": 1},
    ),
    walks(
        "DDPMSolver",
        NO_CLAIMS,
        guide=lambda s: s.ALDDataFidelity(),
        guided="PosteriorDiffusion(ALDDataFidelity(), DDPMSolver)",
    ),
    ddrm({"forgets": {}}, DDRM),
    ddrm({"prior": {}}, DDRM | dict.fromkeys(["converges", "moments_of_a_mixture"], HALF_NOISE), eta=0.0),
    ddrm({"prior": {}}, DDRM, gain=2**0.5, eta=0.0),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_laws(case, request):
    examine("deepinv", case, request.config)
