"""Learn, 5. From the likelihood term to each method: four guesses at one integral.

    python examples/learn_methods.py --task inpaint_box --size 32 --steps 30 --out learn_methods.png
"""

# %%
import argparse
import time

import torch
from matplotlib.figure import Figure

from teachdiff import InverseProblem, load_prior, make_operator, observe, schedules
from teachdiff.data import portraits, to_array
from teachdiff.methods import METHODS
from teachdiff.methods.dmps import flat_score
from teachdiff.methods.pigdm import x0_score, x0_variance
from teachdiff.metrics import psnr
from teachdiff.operators import Identity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import sigma_from_unit_range

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--task", default="inpaint_box")
parser.add_argument("--prior", default="portraits")
parser.add_argument("--size", type=int, default=32)
parser.add_argument("--steps", type=int, default=30)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="learn_methods.png")
args = parser.parse_args()

# %% One pixel x_0 ~ N(0, 1/4), seen as y = x_0 + 0.1 z, and y = 1. Here p(x_0 | x_t) is Gaussian, so the likelihood of
# x_t is known. Each method puts something else for that Gaussian; these are the very functions that the methods call.
# --8<-- [start:terms]
pixel, schedule, tau, sigma = (1, 1, 1), schedules.linear(), 0.5, 0.1
prior = GaussianPrior(schedule, torch.zeros(pixel).double(), torch.full(pixel, tau**2).double())
one = InverseProblem(Identity(pixel), torch.ones(1, *pixel, dtype=torch.float64), sigma)
A, y = one.operator, one.y


def terms(x_t, t):
    """Each method's guess at the score of p_t(y | x_t)."""
    alpha_bar = schedule.alpha_bar[t].item()
    x0_hat = prior.denoise(x_t, t)
    (J,) = torch.autograd.grad(x0_hat.sum(), x_t)
    with torch.no_grad():
        return {
            "exact: N(x0_hat, Var[x_0 | x_t])": J * x0_score(x0_hat, y, A, sigma, x0_variance(tau, alpha_bar)),
            "DPS: a point at x0_hat": J * x0_score(x0_hat, y, A, sigma, 0.0),
            "PiGDM: the variance for tau = 1": J * x0_score(x0_hat, y, A, sigma, x0_variance(1.0, alpha_bar)),
            "DMPS: a flat prior": flat_score(x_t, y, A, sigma, alpha_bar),
            "ScoreALD: x_t itself, gamma = 1": A.adjoint(y - A(x_t)) / (sigma**2 + 1.0),
        }
# --8<-- [end:terms]


x_t = torch.zeros(1, *pixel, dtype=torch.float64, requires_grad=True)
times = list(range(1, schedule.T + 1, 9))
one_off = torch.ones_like(x_t, requires_grad=True)


def stiffness(t):
    """How much harder each term pulls when x_t lies 1 further off: all of them are straight lines in x_t."""
    near, far = terms(one_off, t), terms(x_t, t)
    return {name: (far[name] - near[name]).item() for name in near}


curves = [stiffness(t) for t in times]
for t in (10, 100, 500):
    print(f"t = {t}: " + ", ".join(f"{name.split(':')[0]} {k:.3f}" for name, k in stiffness(t).items()))

# %% The printed DPS step divides by the length of the gradient: it has the length zeta, however small the gradient is.
print("the printed step of DPS has the length zeta at each t; the released one has, at x_t = 0 and zeta = 1:")
for t in (1000, 500, 10):
    (J,) = torch.autograd.grad(prior.denoise(x_t, t).sum(), x_t)
    print(f"  t = {t}: {J.item():.4f}")

# %% The same face by each of them, PiGDM left out: its step needs hundreds of steps with a network.
# --8<-- [start:face]
x_0 = portraits(1, args.size, seed=10**12).to(args.device)
camera = make_operator(args.task, tuple(x_0.shape[1:]))
problem = observe(camera, x_0, sigma_from_unit_range(0.05))
network = load_prior(args.prior, args.device)
options = {
    "score_ald": {"gamma": 1.0, "steps": args.steps},
    "dps": {"zeta": 3.0 * args.size / 64, "steps": args.steps},
    "dmps": {"steps": args.steps},
    "ddrm": {"steps": args.steps},
    "pnp_admm": {"iterations": args.steps},
}
pictures = {"measured": camera.picture(problem.y)}
for name, chosen in options.items():
    begun = time.perf_counter()
    pictures[name] = METHODS[name](network, problem, **chosen)
    seconds = time.perf_counter() - begun
    print(f"{args.task}, {name:9s} {psnr(pictures[name].clamp(-1, 1), x_0).item():5.2f} dB in {seconds:.1f} s")
# --8<-- [end:face]

figure = Figure(figsize=(9, 5.4), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=[2.6, 1])
axis = above.subplots()
for k, name in enumerate(curves[0]):
    style = {"color": "black", "lw": 3} if k == 0 else {"lw": 1.6}
    axis.plot(times, [curve[name] for curve in curves], label=name, **style)
axis.set(yscale="log", xlim=(schedule.T, 0), ylim=(1e-5, 300), xlabel="t", ylabel="how stiffly it pulls")
axis.legend(fontsize=8)
for axis, (name, x) in zip(below.subplots(1, len(pictures)), pictures.items(), strict=True):
    axis.imshow(to_array(x.clamp(-1, 1)))
    axis.set(xticks=[], yticks=[])
    axis.set_title(name, fontsize=9)
figure.savefig(args.out, dpi=100)
print(f"the picture is written to {args.out}")
