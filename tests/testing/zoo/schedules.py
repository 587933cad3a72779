"""Wrong schedules: tables as samplers of other libraries hold them, ours respaced wrongly, and a wrong SDE."""

import torch

from teachdiff import schedules
from teachdiff.schedules import Schedule
from tests.testing.zoo.exhibit import Exhibit

T = 50


class Tables:
    """The tables of a DDPM of T steps, index 0 the first step, under the names that other libraries use."""

    def __init__(self, betas=None):
        self.betas = torch.linspace(1e-3, 0.2, T, dtype=torch.float64) if betas is None else betas
        self.alphas = 1 - self.betas
        self.alphas_cumprod = self.alphas.cumprod(0)
        before = torch.cat([torch.ones(1, dtype=torch.float64), self.alphas_cumprod[:-1]])
        self.posterior_variance = self.betas * (1 - before) / (1 - self.alphas_cumprod)
        self.timesteps = None

    def add_noise(self, x, noise, timesteps):
        bar = self.alphas_cumprod[timesteps].view(-1, 1, 1, 1).to(x)
        return bar.sqrt() * x + (1 - bar).sqrt() * noise

    def set_timesteps(self, steps):
        self.timesteps = ((torch.arange(1, steps + 1) * T) // steps - 1).flip(0)


# The marginal.


class NoBarInTheTable(Tables):
    """alpha_t where alpha_bar_t belongs."""

    def __init__(self):
        super().__init__()
        self.alphas_cumprod = self.alphas


class NoBarInTheMarginal(Tables):
    """x_t = sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) z."""

    def add_noise(self, x, noise, timesteps):
        alpha = self.alphas[timesteps].view(-1, 1, 1, 1).to(x)
        return alpha.sqrt() * x + (1 - alpha).sqrt() * noise


class StandardDeviationForVariance(Tables):
    """x_t = sqrt(alpha_bar_t) x_0 + (1 - alpha_bar_t) z: a lost root."""

    def add_noise(self, x, noise, timesteps):
        bar = self.alphas_cumprod[timesteps].view(-1, 1, 1, 1).to(x)
        return bar.sqrt() * x + (1 - bar) * noise


class OneDrawForAllSteps(Tables):
    """Step after step, each with the same draw: standard deviations add, where variances should."""

    def add_noise(self, x, noise, timesteps):
        for beta in self.betas[: int(timesteps[0]) + 1].tolist():
            x = (1 - beta) ** 0.5 * x + beta**0.5 * noise
        return x


class OneFactorTooMany(Tables):
    """The product begins at index 0 of an array that begins with the first step, once more."""

    def __init__(self):
        super().__init__()
        self.alphas_cumprod = self.alphas[0] * self.alphas_cumprod


class ProductOfBetas(Tables):
    """alpha_t is the product of the betas before it."""

    def __init__(self):
        super().__init__()
        self.alphas = self.betas.cumprod(0)


class TimeReversed(Tables):
    """Index 0 is the noisiest step."""

    def __init__(self):
        super().__init__()
        self.alphas_cumprod = self.alphas_cumprod.flip(0)


class ZeroAtTheEnd(Tables):
    """alpha_bar_T = 0 exactly: x0_hat is divided by its root."""

    def __init__(self):
        super().__init__()
        self.alphas_cumprod = self.alphas_cumprod.clone()
        self.alphas_cumprod[-1] = 0


class BetaInPercent(Tables):
    """beta outside (0, 1)."""

    def __init__(self):
        super().__init__()
        self.betas = 100 * self.betas


# The posterior variance.


class RootOfALogarithm(Tables):
    """sqrt(log beta), which is NaN for every beta below 1."""

    def __init__(self):
        super().__init__()
        self.posterior_variance = self.betas.log().sqrt()


class ClippedFirstVariance(Tables):
    """The first entry is set to the second, so that a logarithm exists; that draws noise in the last step."""

    def __init__(self):
        super().__init__()
        self.posterior_variance = torch.cat([self.posterior_variance[1:2], self.posterior_variance[1:]])


class LargeForSmall(Tables):
    """beta_t in the place of beta_tilde_t."""

    def __init__(self):
        super().__init__()
        self.posterior_variance = self.betas


# Fewer steps.


class StartsAt981(Tables):
    """Every twentieth step from 0 on: the chain starts at T - T/N + 1 from noise that belongs to T."""

    def set_timesteps(self, steps):
        self.timesteps = (torch.arange(steps) * (T // steps)).flip(0)


class ZeroToT(Tables):
    """Off by one: the kept times run to T where T - 1 is the last index."""

    def set_timesteps(self, steps):
        super().set_timesteps(steps)
        self.timesteps = self.timesteps + 1


class RepeatedSteps(Tables):
    """Rounding makes two of the kept times equal."""

    def set_timesteps(self, steps):
        super().set_timesteps(steps)
        self.timesteps = (self.timesteps // 2) * 2 + T % 2 - 1 + 2 * (self.timesteps == T - 1)
        self.timesteps = self.timesteps.clamp(max=T - 1)


class StretchedLevels(Schedule):
    """A chain of fewer steps with the same betas, so that it ends before the image is noise."""

    def respace(self, steps=None, start=None):
        kept = super().respace(steps, start)
        return Schedule(self.alpha_bar[: kept.T + 1], kept.timesteps)


def stretched():
    return StretchedLevels(schedules.linear(T=T).alpha_bar)


# The SDE.


class VPSDE:
    """dx = -beta(t)/2 x dt + sqrt(beta(t)) dw with beta(t) = 0.1 + 19.9 t."""

    def beta(self, t):
        return 0.1 + 19.9 * t

    def marginal(self, t):
        signal = torch.exp(-0.25 * 19.9 * t**2 - 0.05 * t)
        return signal, (1 - signal**2).sqrt()

    def drift(self, t):
        return -0.5 * self.beta(t)

    def diffusion(self, t):
        return self.beta(t) ** 0.5


class HalfTheDiffusion(VPSDE):
    """Off by a factor of 1/2, as it was released: it never converges."""

    def diffusion(self, t):
        return 0.5 * super().diffusion(t)


class DriftWithoutTheHalf(VPSDE):
    """-beta(t) x, the drift of another SDE."""

    def drift(self, t):
        return -self.beta(t)


class NoisierThanItSays(VPSDE):
    """The noise of a variance-exploding SDE beside the signal of a variance-preserving one."""

    def marginal(self, t):
        signal, noise = super().marginal(t)
        return signal, noise / signal


def ours():
    return schedules.linear(T=T)


def exhibit(wrong, *laws, right=Tables, name=None):
    return Exhibit(name or wrong.__name__, "schedule", laws, wrong, right)


ZOO = [
    exhibit(NoBarInTheTable, "steps_give_the_marginal"),
    exhibit(NoBarInTheMarginal, "noising"),
    exhibit(StandardDeviationForVariance, "noising"),
    exhibit(OneDrawForAllSteps, "noising"),
    exhibit(OneFactorTooMany, "steps_give_the_marginal"),
    exhibit(ProductOfBetas, "variance_is_preserved"),
    exhibit(TimeReversed, "falls"),
    exhibit(ZeroAtTheEnd, "ranges"),
    exhibit(BetaInPercent, "ranges", "variance_is_preserved"),
    exhibit(RootOfALogarithm, "ranges"),
    exhibit(ClippedFirstVariance, "posterior_variance"),
    exhibit(LargeForSmall, "posterior_variance"),
    exhibit(StartsAt981, "respacing"),
    exhibit(ZeroToT, "respacing"),
    exhibit(RepeatedSteps, "respacing"),
    exhibit(stretched, "respaced_levels", right=ours, name="StretchedLevels"),
    exhibit(HalfTheDiffusion, "sde_has_the_marginals", right=VPSDE),
    exhibit(DriftWithoutTheHalf, "sde_has_the_marginals", right=VPSDE),
    exhibit(NoisierThanItSays, "variance_is_preserved", right=VPSDE),
]
