r"""DPS first, DMPS afterwards: the gradient through the network where it matters, the closed form where it is right.

.. math::
    \nabla_{x_t} \log p_t(y \mid x_t) \approx \begin{cases}
        \text{DPS's term} & \text{as long as } t > t_C \\
        \text{DMPS's term} & \text{from } t_C \text{ down to } 0
    \end{cases}

The flat prior of DMPS is right in the limit t -> 0; before, it is DPS that knows the picture. After
:math:`t_C` no gradient goes through the network, and a step costs about half.

`switch=k` gives the last k steps of the chain to DMPS. The document counts t and k without saying in
what, and both readings can be said: `steps=100, switch=50` walks 100 steps that are spread over the
whole schedule; `t_start=100, switch=50` begins at level 100 of it and walks every step from there.

`switch="psnr"` is the document's rule, for each sample on its own: :math:`t_C` is where the PSNR
between successive :math:`\hat x_0` reaches 20 dB **from below**. From above the rule would mean
nothing: near T two successive predictions are both nearly the prior's mean, so it would hold at its
first comparison. A sample whose predictions never lie further apart than that stays with DPS, which
in a chain of many small steps is what to expect: see `derivations/hybrid.py`.

Source: Rajpal, Obando, Chen, Tamo Amougou, "Towards frugal zero-shot diffusion based image restoration".
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from teachdiff.methods.dmps import dmps_term
from teachdiff.methods.dps import dps_guidance
from teachdiff.methods.reverse import (
    Observer,
    ancestral,
    check_problem,
    check_resolvent,
    denoiser,
    images_of,
    noise_for,
    reverse,
)
from teachdiff.methods.sdedit import sdedit_start
from teachdiff.noise import Noise
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Schedule, Step

AT_20_DB = 0.04  # mean square of images in [-1, 1], whose range is 2: 10 log10(2^2 / 0.04) = 20


def hybrid(
    prior,
    problem: InverseProblem,
    *,
    switch: int | str | None = None,
    t_start: int | None = None,
    step: str = "norm",
    zeta: float = 1.0,
    lam: float = 1.0,
    steps: int | Sequence[int] | None = None,
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    on_step: Observer | None = None,
    clip_x0: bool | None = None,
) -> Tensor:
    r"""An image of shape (B, C, H, W). The operator must be linear, with a resolvent.

    Arguments:
        switch: how many of the last steps are DMPS's, or "psnr"; by default half of them, as in the
            document's table 1. 0 is DPS, all steps are DMPS.
        t_start: level to begin at, with SDEdit's start there: the picture of the measurement, noised.
            By default the chain begins at T with pure noise.
        step, zeta: of DPS's part, as for `dps`.
        lam: of DMPS's part, as for `dmps`.
        steps: how many steps to walk from T, or from `t_start`, down; all of them by default.
        seed, noise, on_step, clip_x0: as for every method (see `teachdiff.methods`).

    Raises:
        ValueError: a switch that is neither "psnr" nor within the number of steps, t_start outside 1..T,
            an operator that is not linear, whatever `dps` and `dmps` refuse.
        FloatingPointError: the chain diverged.
    """
    check_problem(problem)
    check_resolvent(problem, "hybrid")
    dps_shift, dmps_shift = dps_guidance(problem, step, zeta), dmps_term(problem, lam)
    schedule = prior.schedule.respace(steps, start=t_start)
    phase = FromBelow() if switch == "psnr" else AtTime(last_steps(switch, schedule))
    noise = noise_for(problem.y, seed, noise)

    def guidance(at: Step, x_t: Tensor, x0_hat: Tensor) -> Tensor:
        early = phase.look(at, x0_hat.detach())
        if early is False:
            return dmps_shift(at, x_t.detach())
        shift = dps_shift(at, x_t, x0_hat)
        return shift if early is True else torch.where(early, shift, dmps_shift(at, x_t.detach()))

    x = noise(schedule.start, images_of(problem))
    if t_start is not None:
        x = sdedit_start(problem.operator.picture(problem.y), x, schedule.alpha_bar[-1].item())
    return reverse(
        denoiser(prior, clip_x0),
        schedule,
        x,
        ancestral,
        guidance=guidance,
        differentiate=phase.differentiate,
        noise=noise,
        on_step=on_step,
        remedy="Take a smaller zeta.",
    )


def last_steps(switch: int | str | None, schedule: Schedule) -> int:
    """The time at which the last `switch` steps of the chain begin, half of them by default."""
    if switch is None:
        switch = schedule.T // 2
    if isinstance(switch, bool) or not isinstance(switch, int) or not 0 <= switch <= schedule.T:
        raise ValueError(
            f"switch must be 'psnr' or how many of the last steps are DMPS's, 0..{schedule.T} here; got {switch!r}."
        )
    return int(schedule.timesteps[switch])


class AtTime:
    r"""DPS as long as t > :math:`t_C`, the same for every sample."""

    def __init__(self, t_C: int) -> None:
        self.t_C = t_C

    def differentiate(self, step: Step) -> bool:
        return step.t > self.t_C

    def look(self, step: Step, x0_hat: Tensor) -> Tensor | bool:
        return step.t > self.t_C


class FromBelow:
    """DPS until the PSNR between successive x0_hat has risen to 20 dB, each sample on its own.

    The first step has nothing to compare with. Which samples are done must be known on the CPU, or no
    gradient would be saved: one flag is read in each step of DPS's part, and none afterwards.
    """

    def __init__(self) -> None:
        self.going = True
        self.previous: Tensor | None = None

    def differentiate(self, step: Step) -> bool:
        return self.going

    def look(self, step: Step, x0_hat: Tensor) -> Tensor | bool:
        """Which samples are still DPS's, of shape (B, 1, 1, 1); False if none is."""
        if self.previous is None:
            self.early = x0_hat.new_ones(len(x0_hat), 1, 1, 1, dtype=torch.bool)
            self.below = ~self.early
        elif self.going:
            close = (x0_hat - self.previous).square().mean((1, 2, 3), keepdim=True) <= AT_20_DB
            self.early = self.early & ~(self.below & close)
            self.below = self.below | ~close
            self.going = bool(self.early.any())
        self.previous = x0_hat
        return self.early if self.going else False
