"""The adapters, on small objects that have the interfaces of other libraries."""

import numpy as np
import pytest
import torch
from stand_ins import DDPMScheduler, GaussianDenoiser, GaussianDiffusion, Inpainting, VPSchedule, modules, snippets

from teachdiff.predictions import epsilon_from_x0_hat
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.schedules import Schedule
from teachdiff.testing import as_prior, check_method, check_operator, check_prior, check_schedule
from teachdiff.testing.core import normal


def status(results) -> dict[str, str]:
    return {result.law: result.status for result in results}


@pytest.mark.parametrize("heading", snippets())
def test_the_page_s_snippets_run(heading, monkeypatch):
    code = snippets()[heading]
    assert code and len(code.splitlines()) <= 20
    with modules(monkeypatch):
        exec(compile(code, "docs/adapters.md", "exec"), {})


def broken(error) -> set[str]:
    return {str(e).partition(":")[0] for e in error.value.exceptions}


def test_a_physics_is_asked_for_A_and_not_called():
    physics = Inpainting((3, 4, 5), (normal((3, 4, 5), 0) > 0).float())
    found = status(check_operator(physics))
    assert found["dot_test"] == found["repeats"] == found["pseudo_inverse"] == "passed"


def test_a_physics_with_a_wrong_adjoint_is_refused():
    class Wrong(Inpainting):
        def A_adjoint(self, y, **kwargs):
            return y

    with pytest.raises(ExceptionGroup) as error:
        check_operator(Wrong((1, 4, 5), (normal((1, 4, 5), 0) > 0).float()))
    assert {"dot_test", "transpose"} <= broken(error)


def test_a_scheduler_s_float32_tables_obey():
    found = status(check_schedule(DDPMScheduler()))
    assert {found[name] for name in ("falls", "steps_give_the_marginal", "noising", "respacing")} == {"passed"}


def test_a_table_with_a_product_of_betas_is_refused():
    scheduler = DDPMScheduler()
    scheduler.alphas_cumprod = (1 - scheduler.betas.cumsum(0) / 20).clamp(min=0.01)
    with pytest.raises(ExceptionGroup) as error:
        check_schedule(scheduler)
    assert "steps_give_the_marginal" in broken(error)


def test_numpy_tables_and_q_sample_obey():
    found = status(check_schedule(GaussianDiffusion(np.linspace(1e-4, 0.02, 100))))
    assert found["posterior_variance"] == found["noising"] == "passed"


def test_a_posterior_variance_of_the_wrong_step_is_refused():
    diffusion = GaussianDiffusion(np.linspace(1e-4, 0.02, 100))
    diffusion.posterior_variance = diffusion.betas * (1 - diffusion.alphas_cumprod)
    with pytest.raises(ExceptionGroup) as error:
        check_schedule(diffusion)
    assert broken(error) == {"posterior_variance"}


def test_a_schedule_of_real_t_obeys_and_another_is_refused():
    assert status(check_schedule(VPSchedule()))["variance_is_preserved"] == "passed"
    with pytest.raises(ExceptionGroup):
        check_schedule(lambda t: (1 - t, t))


def azula_prior(sigma_min: float) -> tuple:
    noise, mean = VPSchedule(sigma_min=sigma_min), normal((1, 2, 3), 0)
    levels = Schedule(noise.alpha(torch.arange(21, dtype=torch.float64) / 20) ** 2)
    prior = as_prior(GaussianDenoiser(mean, torch.tensor(0.3, dtype=torch.float64), noise), levels, time="t / T")
    return prior, GaussianPrior(levels, mean, torch.full_like(mean, 0.3))


def test_a_denoiser_of_t_in_0_1_is_exact_to_float64():
    """t/T is taken in x's dtype: rounded to float32 it would be another noise level."""
    prior, reference = azula_prior(1e-9)
    prior.denoise(normal((1, 1, 2, 3), 1), torch.tensor(7))
    found = status(check_prior(prior, shape=(1, 2, 3), reference=reference, exact=True, only=["posterior_mean"]))
    assert found == {"posterior_mean": "passed"}


def test_a_denoiser_of_a_little_more_noise_is_refused():
    prior, reference = azula_prior(1e-3)
    with pytest.raises(ExceptionGroup) as error:
        check_prior(prior, shape=(1, 2, 3), reference=reference, exact=True, only=["posterior_mean"])
    assert broken(error) == {"posterior_mean"}


def test_the_exact_prior_of_a_few_pixels_is_not_refused_for_scatter():
    """64 images of 6 pixels scatter by more than 5 %."""
    _, reference = azula_prior(1e-9)
    found = check_prior(reference, only=["beats_the_trivial", "jacobian_is_symmetric"], examples=60)
    assert {result.status for result in found} == {"passed"}


def test_a_denoiser_that_gives_the_noisy_image_back_is_refused():
    _, reference = azula_prior(1e-9)
    lazy = as_prior(lambda x, t: 1.3 * x, reference.schedule)
    images = reference.sample(normal((64, 1, 2, 3), 5))
    with pytest.raises(ExceptionGroup) as error:
        check_prior(lazy, shape=(1, 2, 3), images=images, only=["beats_the_trivial"])
    assert broken(error) == {"beats_the_trivial"}


def stepping(**changes):
    """The stand-in scheduler's loop; `changes` override its attributes."""

    def sampler(prior, problem):
        T, bars = prior.schedule.T, prior.schedule.alpha_bar
        scheduler = DDPMScheduler(T, trained_betas=prior.schedule.beta[1:].tolist(), clip_sample=False)
        scheduler.__dict__.update(changes)
        x = torch.randn(len(problem.y), *prior.shape, dtype=problem.y.dtype)
        for t in range(T, 0, -1):
            x = scheduler.step(epsilon_from_x0_hat(prior.denoise(x, t), x, bars[t]), t - 1, x).prev_sample
        return x

    return sampler


def test_a_scheduler_with_float32_tables_has_the_exact_law_up_to_its_tolerance():
    found = status(check_method(stepping(), claims=["chain", "ddpm"], tolerance=1e-5))
    assert found["exact_law"] == found["evaluations"] == found["batch"] == "passed"
    with pytest.raises(ExceptionGroup) as error:
        check_method(stepping(), claims=["ddpm"], tolerance=1e-9, only=["exact_law"])
    assert broken(error) == {"exact_law"}


def test_a_sampler_that_computes_in_float32_is_affine_up_to_its_tolerance():
    def rounded(prior, problem):
        return stepping()(prior, problem).float().to(problem.y.dtype)

    assert status(check_method(rounded, claims=["ddpm"], tolerance=1e-5, only=["exact_law"])) == {"exact_law": "passed"}


def test_a_scheduler_that_clips_is_refused():
    with pytest.raises(ExceptionGroup) as error:
        check_method(stepping(clip_sample=True), claims=["chain", "ddpm"], tolerance=1e-5)
    assert "exact_law" in broken(error)
