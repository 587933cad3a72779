"""Small objects with the interfaces of deepinv, diffusers, azula and guided-diffusion: what the adapters are for.

`modules()` gives them as modules of those names, so that a page's snippet runs without the libraries.
"""

import re
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import torch
from torch import Tensor


class Inpainting(torch.nn.Module):
    """deepinv: A, A_adjoint, A_dagger, img_size; calling the object adds noise."""

    def __init__(self, img_size, mask) -> None:
        super().__init__()
        self.img_size = img_size
        self.register_buffer("mask", mask[None])

    def A(self, x: Tensor, **kwargs) -> Tensor:
        return self.mask * x

    def A_adjoint(self, y: Tensor, **kwargs) -> Tensor:
        return self.mask * y

    def A_dagger(self, y: Tensor, **kwargs) -> Tensor:
        return torch.where(self.mask > 0, y / self.mask, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.A(x) + 0.1 * torch.randn_like(x)


class DDPMScheduler:
    """diffusers: float32 tables of length T, timesteps 0..T-1, `step(...)` gives an object with prev_sample."""

    def __init__(self, num_train_timesteps=1000, trained_betas=None, clip_sample=True) -> None:
        betas = np.linspace(1e-4, 0.02, num_train_timesteps) if trained_betas is None else trained_betas
        self.betas = torch.tensor(betas, dtype=torch.float32)
        self.alphas = 1 - self.betas
        self.alphas_cumprod = self.alphas.cumprod(0)
        self.clip_sample = clip_sample
        self.timesteps = torch.arange(num_train_timesteps - 1, -1, -1)

    def set_timesteps(self, steps: int) -> None:
        T = len(self.betas)
        self.timesteps = torch.from_numpy(np.round(np.arange(T, 0, -T / steps)).astype(int) - 1)

    def add_noise(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        bar = self.alphas_cumprod[t].view(-1, 1, 1, 1)
        return bar.sqrt() * x + (1 - bar).sqrt() * noise

    def step(self, epsilon: Tensor, t: int, x: Tensor) -> SimpleNamespace:
        alpha, bar = self.alphas[t], self.alphas_cumprod[t]
        before = self.alphas_cumprod[t - 1] if t > 0 else torch.tensor(1.0)
        x0_hat = (x - (1 - bar).sqrt() * epsilon) / bar.sqrt()
        if self.clip_sample:
            x0_hat = x0_hat.clamp(-1, 1)
        mean = (before.sqrt() * (1 - alpha) * x0_hat + alpha.sqrt() * (1 - before) * x) / (1 - bar)
        variance = (1 - before) / (1 - bar) * (1 - alpha)
        if t > 0:
            mean = mean + variance.sqrt() * torch.randn(x.shape, dtype=x.dtype)
        return SimpleNamespace(prev_sample=mean)


class GaussianDiffusion:
    """guided-diffusion: numpy tables of length T, and q_sample(x_start, t, noise)."""

    def __init__(self, betas) -> None:
        self.betas = np.array(betas, dtype=np.float64)
        self.alphas_cumprod = np.cumprod(1 - self.betas)
        before = np.append(1.0, self.alphas_cumprod[:-1])
        self.posterior_variance = self.betas * (1 - before) / (1 - self.alphas_cumprod)

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        bar = torch.from_numpy(self.alphas_cumprod)[t].to(x_start).view(-1, 1, 1, 1)
        return bar.sqrt() * x_start + (1 - bar).sqrt() * noise


class VPSchedule:
    """azula: t in [0, 1] -> (signal, noise), with a little noise at t = 0."""

    def __init__(self, alpha_min: float = 1e-3, sigma_min: float = 1e-3) -> None:
        self.alpha_min, self.sigma_min = alpha_min, sigma_min

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return self.alpha(t), (1 - self.alpha(t) ** 2 + self.sigma_min**2).sqrt()

    def alpha(self, t: Tensor) -> Tensor:
        return torch.exp(np.log(self.alpha_min) * t**2)


class GaussianDenoiser:
    """azula: (x_t, t) -> an object with mean; one t for the batch. Here the covariance is a number times I."""

    def __init__(self, mean: Tensor, cov: Tensor, schedule: VPSchedule) -> None:
        self.mean, self.cov, self.schedule = mean, cov, schedule

    def __call__(self, x_t: Tensor, t: Tensor) -> SimpleNamespace:
        signal, noise = self.schedule(t)
        gain = signal * self.cov / (signal**2 * self.cov + noise**2)
        return SimpleNamespace(mean=self.mean + gain * (x_t - signal * self.mean))


MODULES = {
    "deepinv.physics": {"Inpainting": Inpainting},
    "diffusers": {"DDPMScheduler": DDPMScheduler},
    "azula.noise": {"VPSchedule": VPSchedule},
    "azula.denoise": {"GaussianDenoiser": GaussianDenoiser},
    "azula.linalg.covariance": {"IsotropicCovariance": lambda value: value},
}


@contextmanager
def modules(monkeypatch):
    """Inside this context the libraries' names import these objects."""
    with monkeypatch.context() as patch:
        for name, content in MODULES.items():
            parts = name.split(".")
            for k in range(1, len(parts) + 1):
                parent = ".".join(parts[:k])
                if parent not in MODULES or k < len(parts):
                    patch.setitem(sys.modules, parent, ModuleType(parent))
            module = ModuleType(name)
            module.__dict__.update(content)
            patch.setitem(sys.modules, name, module)
        yield


def snippets() -> dict[str, str]:
    """Heading of `docs/adapters.md` -> the code below it."""
    page = Path(__file__).parents[2] / "docs" / "adapters.md"
    parts = page.read_text(encoding="utf-8").split("\n## ")[1:]
    return {part.partition("\n")[0]: "".join(re.findall(r"```python\n(.*?)```", part, re.DOTALL)) for part in parts}
