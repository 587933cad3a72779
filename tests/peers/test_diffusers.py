"""diffusers' DDPM and DDIM schedulers: their tables, and their `step` as a sampler.

The tables are float32, so the laws are asked up to 1e-5. A sampler is the scheduler's own loop, with epsilon of the
exact prior. Where it keeps fewer steps than its table has, the table is laid so that the kept ones are the prior's
levels: then the same law holds, whatever the spacing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from peer import Case, examine, needs

from teachdiff.predictions import epsilon_from_x0_hat, v_from_x0_hat

pytestmark = needs("diffusers")

FLOAT32 = 1e-5

# Option prediction_type -> what the network is to give, from the exact x0_hat.
OUTPUT = {
    "epsilon": epsilon_from_x0_hat,
    "sample": lambda x0_hat, x_t, alpha_bar: x0_hat,
    "v_prediction": v_from_x0_hat,
}


def scheduler(name: str, **options: Any) -> Callable[..., Any]:
    """What makes this scheduler, with these options and those that it is called with."""

    def make(**more: Any) -> Any:
        import diffusers

        return getattr(diffusers, name)(**options, **more)

    return make


def betas_through(kept: list[int], alpha_bar: np.ndarray, length: int) -> list[float]:
    """A table of that length whose ᾱ at the kept indices are those of the prior, and falls evenly between them."""
    at, logs = [-1, *kept], np.concatenate([[0.0], np.log(alpha_bar)])
    if kept[-1] < length - 1:
        slope = (logs[-1] - logs[-2]) / (at[-1] - at[-2])
        at, logs = [*at, length - 1], np.append(logs, logs[-1] + slope * (length - 1 - at[-1]))
    return (1 - np.exp(np.diff(np.interp(np.arange(-1, length), at, logs)))).tolist()


def sampler(make: Callable[..., Any], predicts: str, length: Callable[[int], int], **step: Any) -> Callable[..., Any]:
    """The scheduler's loop as a function of (prior, problem): it keeps T steps of a table of `length(T)`."""

    def sample(prior: Any, problem: Any) -> torch.Tensor:
        T, bars = prior.schedule.T, prior.schedule.alpha_bar[1:].numpy()
        blank = make(num_train_timesteps=length(T))
        blank.set_timesteps(T)
        kept = sorted(int(t) for t in blank.timesteps)
        betas = betas_through(kept, bars, length(T))
        walked = make(num_train_timesteps=length(T), trained_betas=betas, prediction_type=predicts)
        walked.set_timesteps(T)
        x = torch.randn(len(problem.y), *prior.shape, dtype=problem.y.dtype)
        for timestep in walked.timesteps:
            t = kept.index(int(timestep)) + 1
            x0_hat, alpha_bar = prior.denoise(x, torch.tensor(t)), bars[t - 1].item()
            output = OUTPUT[predicts](x0_hat, x, alpha_bar)
            x = walked.step(output, timestep, x, **step).prev_sample
        return x

    return sample


def walks(
    name: str,
    claims: dict[str, dict],
    expected: dict[str, str] | None = None,
    *,
    predicts: str = "epsilon",
    length: Callable[[int], int] = lambda T: T,
    eta: float | None = None,
    table: str = "",
    **options: Any,
) -> Case:
    """The case of a sampler; `table` says in words how many steps the table has and how many are kept."""
    options = {"clip_sample": False, **options}
    step = {} if eta is None else {"eta": eta}
    shown = {**options, **({} if predicts == "epsilon" else {"prediction_type": predicts})}
    arguments = ", ".join(f"{key}={value!r}" for key, value in shown.items())
    call = f"{name}({arguments}).step({', '.join(f'{k}={v}' for k, v in step.items())}){table}"
    make = scheduler(name, **options)
    how = {"claims": {"chain": {}, **claims}, "tolerance": FLOAT32}
    return Case(call, "method", lambda: sampler(make, predicts, length, **step), how, expected or {})


def tables(name: str, expected: dict[str, str] | None = None, **options: Any) -> Case:
    arguments = ", ".join(f"{key}={value!r}" for key, value in options.items())
    return Case(f"{name}({arguments})", "schedule", scheduler(name, **options), expected=expected or {})


def whole(T: int) -> int:
    return 10 * T


def uneven(T: int) -> int:
    return 10 * T + 3


EVENLY, UNEVENLY = ", T of 10 T steps kept", ", T of 10 T + 3 steps kept"

LEADING = {
    "respacing": "By convention: 'leading' spacing does not start at T (with 50 steps of 1000 at 981); the docstring "
    "points to the paper whose Table 2 says so."
}
ONE_STEP = {
    "respacing": "With one step, np.linspace(0, T - 1, 1) is [0]: the chain starts at the cleanest level. From two "
    "steps on it starts at T."
}
CLIPPED = (
    "By convention: clip_sample=True, the default, clamps x0_hat to [-1, 1]; the exact prior's images lie outside."
)
LOG = (
    "_get_variance returns log β_t for 'fixed_large_log', and step takes its square root (only 'fixed_small_log' and "
    "'learned_range' have branches of their own): the root of a negative number is NaN."
)
LAST_NOISE = (
    "step leaves the noise out where the timestep is 0, not where the chain ends: the last kept timestep of 'trailing' "
    "spacing is above 0, and β of that step is added to the result. ('fixed_small' is 0 there, so it hides it.)"
)
PREVIOUS = (
    "step goes to timestep - T // steps, which is not the next kept timestep of this spacing: it denoises to one level "
    "and asks the network about another."
)
NOT_TO_ONE = (
    "By convention: set_alpha_to_one=False ends at the level of the table's first entry (Stable Diffusion was trained "
    "so), not at the clean image."
)
ZERO_SNR = "By convention: rescale_betas_zero_snr=True makes ᾱ_T = 0, where epsilon says nothing of x_0; use v."

CASES = [
    tables("DDPMScheduler", LEADING),
    tables("DDPMScheduler", timestep_spacing="trailing"),
    tables("DDPMScheduler", ONE_STEP, timestep_spacing="linspace"),
    tables("DDPMScheduler", LEADING, beta_schedule="scaled_linear"),
    tables("DDPMScheduler", LEADING, beta_schedule="squaredcos_cap_v2"),
    tables("DDPMScheduler", LEADING, beta_schedule="sigmoid"),
    tables("DDPMScheduler", {"ranges": ZERO_SNR}, rescale_betas_zero_snr=True, timestep_spacing="trailing"),
    tables("DDIMScheduler", LEADING),
    tables("DDIMScheduler", timestep_spacing="trailing"),
    tables("DDIMScheduler", ONE_STEP, timestep_spacing="linspace"),
    walks("DDPMScheduler", {"ddpm": {}}),
    walks(
        "DDPMScheduler",
        {"ddpm": {}},
        dict.fromkeys(["rotation", "no_noise_at_the_end", "exact_law"], CLIPPED),
        clip_sample=True,
    ),
    walks("DDPMScheduler", {"ddpm": {}}, predicts="sample"),
    walks("DDPMScheduler", {"ddpm": {}}, predicts="v_prediction"),
    walks("DDPMScheduler", {"ddpm": {}}, variance_type="fixed_small_log"),
    walks("DDPMScheduler", {"ddpm": {"variance": "large"}}, variance_type="fixed_large"),
    walks(
        "DDPMScheduler",
        {"ddpm": {"variance": "large"}},
        dict.fromkeys(["shapes", "seeds", "batch", "rotation", "no_noise_at_the_end", "exact_law"], LOG),
        variance_type="fixed_large_log",
    ),
    walks("DDPMScheduler", {"ddpm": {}}, length=uneven, table=UNEVENLY),
    walks("DDPMScheduler", {"ddpm": {}}, timestep_spacing="trailing", length=uneven, table=UNEVENLY),
    walks("DDPMScheduler", {"ddpm": {}}, timestep_spacing="linspace", length=uneven, table=UNEVENLY),
    walks(
        "DDPMScheduler",
        {"ddpm": {"variance": "large"}},
        dict.fromkeys(["no_noise_at_the_end", "exact_law"], LAST_NOISE),
        variance_type="fixed_large",
        timestep_spacing="trailing",
        length=whole,
        table=EVENLY,
    ),
    walks("DDIMScheduler", {"ddim": {}, "prior": {}}, eta=0.0),
    walks("DDIMScheduler", {"ddim": {"eta": 0.5}}, eta=0.5),
    walks("DDIMScheduler", {"ddim": {}}, predicts="sample"),
    walks("DDIMScheduler", {"ddim": {}}, predicts="v_prediction"),
    walks("DDIMScheduler", {"ddim": {"eta": 0.5}}, eta=0.5, length=uneven, table=UNEVENLY),
    walks("DDIMScheduler", {"ddim": {}}, timestep_spacing="trailing", length=whole, table=EVENLY),
    walks(
        "DDIMScheduler",
        {"ddim": {}},
        dict.fromkeys(["no_noise_at_the_end", "exact_law"], PREVIOUS),
        timestep_spacing="trailing",
        length=uneven,
        table=UNEVENLY,
    ),
    walks(
        "DDIMScheduler", {"ddim": {}}, {"exact_law": PREVIOUS}, timestep_spacing="linspace", length=whole, table=EVENLY
    ),
    walks(
        "DDIMScheduler",
        {"ddim": {}},
        dict.fromkeys(["no_noise_at_the_end", "exact_law"], NOT_TO_ONE),
        set_alpha_to_one=False,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_laws(case, request):
    examine("diffusers", case, request.config)
