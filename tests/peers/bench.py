"""The same samplers, by us and by other libraries: one network, one problem, one process, taking turns.

    python3 run.py peers-bench [--network photos] [--size 64] [--steps 20] [--rounds 5] [--page FILE]

Each library gets the same network object with the thinnest adapter that it allows, the same levels of the same
schedule, float32, and no clamp. A `Clock` stands in the network's place and asks the bare network the same question
just before each: a chain's cost is given in units of that, so that what else the machine does meets both.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peer import deepinv
from torch import Tensor

from teachdiff.bench import Clock, Marks, machine, network_of, peak_of, problem_for, quartiles
from teachdiff.methods import METHODS
from teachdiff.noise import Noise
from teachdiff.predictions import X0_HAT_FROM
from teachdiff.priors.checkpoints import find_prior
from teachdiff.priors.network import NetworkPrior
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Schedule

ZETA = 1.0


@dataclass(frozen=True)
class World:
    """What each contestant is given: the network (timed or not), what it predicts, the problem, the chain's start."""

    network: Any
    prediction: str
    whole: Schedule
    problem: InverseProblem
    steps: int
    x_T: Tensor

    @property
    def schedule(self) -> Schedule:
        return self.whole.respace(self.steps)

    def tables(self) -> tuple[Tensor, Tensor]:
        """alpha_bar and the network's time at the levels 0..steps."""
        chain = self.schedule
        alpha_bar = chain.alpha_bar.to(self.x_T.device, torch.float32)
        return alpha_bar, (chain.timesteps - 1).to(self.x_T.device)

    def x0_hat(self, x: Tensor, time: Tensor, alpha_bar: Tensor) -> Tensor:
        return X0_HAT_FROM[self.prediction](self.network(x, time.expand(len(x))), x, alpha_bar)


def continued(world: World) -> Noise:
    """x_T, then torch's own stream: what the libraries draw, in their order."""
    first = [world.x_T]
    return lambda t, shape: first.pop() if first else torch.randn(shape, device=world.x_T.device)


def ours(method: str, **options: Any) -> Callable[[World, bool], Tensor]:
    def sample(world: World, same_draws: bool) -> Tensor:
        prior = NetworkPrior(world.network, world.whole, world.prediction)
        noise = continued(world) if same_draws else None
        return METHODS[method](prior, world.problem, steps=world.steps, noise=noise, clip_x0=False, **options)

    return sample


def azula(make: Callable[..., Any]) -> Callable[[World, bool], Tensor]:
    def sample(world: World, same_draws: bool) -> Tensor:
        from azula.denoise import Denoiser, DiracPosterior

        alpha_bar, times = world.tables()

        class Thin(Denoiser):
            def schedule(self, t: Tensor) -> tuple[Tensor, Tensor]:
                at = alpha_bar[(t * world.steps).round().long()]
                return at.sqrt(), (1 - at).sqrt()

            def forward(self, x_t: Tensor, t: Tensor) -> DiracPosterior:
                k = (t * world.steps).round().long()
                return DiracPosterior(mean=world.x0_hat(x_t, times[k], alpha_bar[k]))

        how = {"steps": world.steps, "silent": True, "dtype": torch.float32}
        return make(Thin(), world.problem, how)(world.x_T)

    return sample


def azula_dps(q: Any, problem: InverseProblem, how: dict) -> Any:
    from azula.guidance.dps import DPSSampler

    return DPSSampler(q, problem.y, problem.operator, zeta=ZETA, **how)


def azula_plain(name: str) -> Callable[..., Any]:
    def make(q: Any, problem: InverseProblem, how: dict) -> Any:
        from azula import sample

        return getattr(sample, name)(q, **how)

    return make


def diffusers(name: str) -> Callable[[World, bool], Tensor]:
    """The scheduler's own loop. Its table is the chain's, so that it keeps every step of it."""

    def sample(world: World, same_draws: bool) -> Tensor:
        import diffusers

        bars = world.schedule.alpha_bar
        kind = {"v": "v_prediction", "x0_hat": "sample"}.get(world.prediction, world.prediction)
        scheduler = getattr(diffusers, name)(
            num_train_timesteps=world.steps,
            trained_betas=(1 - bars[1:] / bars[:-1]).tolist(),
            prediction_type=kind,
            clip_sample=False,
        )
        scheduler.set_timesteps(world.steps, device=world.x_T.device)
        times, x = world.tables()[1], world.x_T
        with torch.no_grad():
            for k in scheduler.timesteps:
                x = scheduler.step(world.network(x, times[k + 1].expand(len(x))), k, x).prev_sample
        return x

    return sample


def deepinv_denoiser(world: World) -> Any:
    """D(x, sigma) with x = x_0 + sigma z, at the level of the chain that is nearest to sigma."""
    alpha_bar, times = world.tables()
    sigmas = ((1 - alpha_bar) / alpha_bar).sqrt()

    class Thin(torch.nn.Module):
        def forward(self, x: Tensor, sigma: Any, *_: Any, **__: Any) -> Tensor:
            k = (sigmas[1:] - torch.as_tensor(sigma).to(sigmas).flatten()[0]).abs().argmin() + 1
            return world.x0_hat((x * alpha_bar[k].sqrt()).to(torch.float32), times[k], alpha_bar[k])

    return Thin()


def deepinv_walk(solver: str, guided: bool = False) -> Callable[[World, bool], Tensor]:
    def sample(world: World, same_draws: bool) -> Tensor:
        d, denoise = deepinv(), deepinv_denoiser(world)
        low, high = 0.1, 20.0  # its VP SDE at the chain's levels: β_min t + (β_max - β_min) t²/2 = -log ᾱ
        passed = -world.schedule.alpha_bar.log()
        t = ((-low + (low**2 + 2 * (high - low) * passed).sqrt()) / (high - low)).flip(0)
        how = {"dtype": torch.float32, "device": world.x_T.device}
        sde = d.sampling.VariancePreservingDiffusion(denoise, alpha=1.0, T=float(t[0]), minus_one_one=False, **how)
        sde.solver = getattr(d.sampling, solver)(timesteps=t)
        if not guided:
            return sde.sample(world.x_T)
        problem = world.problem
        camera = d.physics.LinearPhysics(
            problem.operator, problem.operator.adjoint, noise_model=d.physics.GaussianNoise(problem.sigma)
        )
        fidelity = d.sampling.DPSDataFidelity(weight=ZETA)
        model = d.sampling.PosteriorDiffusion(fidelity, denoise, sde, sde.solver, minus_one_one=False, **how)
        return model(problem.y, camera, x_init=world.x_T).detach()

    return sample


def deepinv_ddrm(world: World, same_draws: bool) -> Tensor:
    d, denoise, svd = deepinv(), deepinv_denoiser(world), world.problem.operator.svd
    camera = d.physics.DecomposablePhysics(
        U=svd.U,
        U_adjoint=svd.Ut,
        V=svd.V,
        V_adjoint=svd.Vt,
        img_size=tuple(world.x_T.shape[1:]),
        mask=svd.s.like(world.x_T)[None],
        noise_model=d.physics.GaussianNoise(world.problem.sigma),
    )
    bars = world.schedule.alpha_bar[1:]
    sigmas = ((1 - bars) / bars).sqrt().flip(0).tolist()
    return d.sampling.DDRM(denoise, sigmas=sigmas)(world.problem.y, camera)


@dataclass(frozen=True)
class Contestant:
    """One library's version of one method; `agrees`: with the same draws it gives what ours gives."""

    method: str
    library: str
    what: str
    sample: Callable[[World, bool], Tensor]
    agrees: bool = True


CONTESTANTS = [
    Contestant("ddim", "teachdiff", "`ddim`", ours("ddim")),
    Contestant("ddim", "azula", "`DDIMSampler`", azula(azula_plain("DDIMSampler"))),
    Contestant("ddim", "diffusers", "`DDIMScheduler`", diffusers("DDIMScheduler")),
    Contestant("ddim", "deepinv", "`DDIMSolver`", deepinv_walk("DDIMSolver")),
    Contestant("ddpm", "teachdiff", "`ddpm`", ours("ddpm")),
    Contestant("ddpm", "azula", "`DDPMSampler`", azula(azula_plain("DDPMSampler"))),
    Contestant("ddpm", "diffusers", "`DDPMScheduler`", diffusers("DDPMScheduler")),
    Contestant("ddpm", "deepinv", "`DDPMSolver`", deepinv_walk("DDPMSolver")),
    Contestant("dps", "teachdiff", "`dps`", ours("dps", zeta=ZETA)),
    Contestant("dps", "azula", "`DPSSampler`", azula(azula_dps)),
    # Its weight stands before another factor, so the images are not the same.
    Contestant("dps", "deepinv", "`DPSDataFidelity`, `DDPMSolver`", deepinv_walk("DDPMSolver", True), agrees=False),
    Contestant("ddrm", "teachdiff", "`ddrm`", ours("ddrm")),
    # It draws in another basis, and half the variance (docs/peers.md).
    Contestant("ddrm", "deepinv", "`DDRM`", deepinv_ddrm, agrees=False),
]


@dataclass
class Result:
    contestant: Contestant
    chains: list[float]  # milliseconds of a chain, without the bare calls
    units: list[float]  # the same in bare calls of the network per step
    evaluations: int
    peak: int | None
    gap: float | None


def compete(world: World, rounds: int) -> list[Result]:
    """Every contestant once to warm up, and then in turns."""
    device = world.x_T.device
    clock = Clock(world.network, lambda: Marks(device))
    timed = World(clock, world.prediction, world.whole, world.problem, world.steps, world.x_T)
    results, answers = [], {}
    for c in CONTESTANTS:
        torch.manual_seed(1)
        x0 = c.sample(world, True)
        answers.setdefault(c.method, x0)
        gap = (x0 - answers[c.method]).abs().max().item() if c.agrees and c.library != "teachdiff" else None
        if c.agrees and not torch.isfinite(x0).all():
            raise FloatingPointError(f"{c.library}'s {c.method} diverged")
        peak, _ = peak_of(lambda c=c: c.sample(world, False), device)
        results.append(Result(c, [], [], 0, peak, gap))
    for _ in range(rounds):
        for result in results:
            before, found = clock.time(lambda result=result: result.contestant.sample(timed, False))
            kind = any(gradient for gradient, _, _ in found)
            bare = statistics.fmean(b for gradient, b, _ in found if gradient == kind)
            chain = before + sum(step for _, _, step in found)
            result.chains.append(chain)
            result.units.append(chain / (world.steps * bare))
            result.evaluations = len(found)
    return results


def table(results: list[Result], world: World) -> str:
    head = ("method", "library", "", "evaluations", "ms per step", "s per image", "network calls per step", "MB")
    lines = [f"| {' | '.join(head)} | max difference |", "|---" * (len(head) + 1) + "|"]
    for r in results:
        ms, (low, high) = statistics.median(r.chains), quartiles(r.units)
        gap = "" if r.gap is None else f"{r.gap:.0e}"
        peak = "–" if r.peak is None else f"{r.peak / 1e6:.0f}"
        lines.append(
            f"| {r.contestant.method} | {r.contestant.library} | {r.contestant.what} | {r.evaluations} "
            f"| {ms / world.steps:.1f} | {ms / 1e3 / len(world.x_T):.2f} "
            f"| {statistics.median(r.units):.3f} ({low:.2f}–{high:.2f}) | {peak} | {gap} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="photos", help="a prior, or ffhq: its layout with random weights")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--task", default="inpaint_box")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--page", type=Path, help="a file for the table")
    given = parser.parse_args()
    device = torch.device(given.device)
    prior = network_of(given.network, find_prior, device)
    if prior.learned_variance:
        sys.exit("the libraries take networks that predict no variance: choose another --network")
    problem = problem_for(prior, given.task, given.size, given.batch)
    torch.manual_seed(0)
    x_T = torch.randn(given.batch, *problem.operator.input_shape, device=device)
    world = World(prior.network, prior.prediction, prior.schedule, problem, given.steps, x_T)
    text = table(compete(world, given.rounds), world)
    where = (
        f"{machine(device)}; `{given.network}` at {given.size} × {given.size}, batch {given.batch}, {given.task}, "
        f"chains of {given.steps} steps, {given.rounds} rounds"
    )
    print(f"{where}\n\n{text}")
    if given.page:
        given.page.write_text(f"{where}\n\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
