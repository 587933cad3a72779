"""DPS: the likelihood at the denoised image. Two steps that are two methods, and what zeta does.

    python examples/dps.py --task inpaint_random --size 64 --steps 30
"""

# %%
import argparse

import torch

from teachdiff import InverseProblem, load_prior, make_operator, observe, schedules
from teachdiff.data import astronaut_face, save_image
from teachdiff.exact import gaussian_posterior, output_law
from teachdiff.methods import dps
from teachdiff.metrics import consistency, psnr
from teachdiff.operators import Identity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import sigma_from_unit_range

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--task", default="inpaint_random")
parser.add_argument("--prior", default="photos")
parser.add_argument("--size", type=int, default=64)
parser.add_argument("--steps", type=int, default=30)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="dps.png")
args = parser.parse_args()

# %% One pixel x_0 ~ N(0, 1), seen as y = x_0 + 0.1 z = 1. The likelihood step is Bayes' rule with x0_hat taken for x_0:
# it pulls too hard, by the factor 1 + Var[x_0 | x_t]/sigma^2. With more noise in y the mistake matters less.
pixel = (1, 1, 1)
white = GaussianPrior(schedules.linear(), torch.zeros(pixel), torch.ones(pixel))
for sigma in (0.1, 1.0):
    one = InverseProblem(Identity(pixel), torch.ones(1, *pixel, dtype=torch.float64), sigma)
    for name, (mean, variance) in {
        "the posterior": gaussian_posterior(white, one),
        "DPS, likelihood step": output_law(dps, white, one, step="likelihood"),
    }.items():
        print(f"sigma = {sigma:g}: {name:22s} mean {mean.item():.4f}  variance {variance.item():.4f}")

# %% A photograph, by the released step: zeta times the gradient of the norm of the misfit, not squared. A small zeta
# ignores the measurement, a large one fits its noise. Consistency is |y - A x_0|^2 over what the noise explains: about
# 1 for the truth.
truth = astronaut_face(args.size).to(args.device)
camera = make_operator(args.task, tuple(truth.shape[1:]))
problem = observe(camera, truth, sigma=sigma_from_unit_range(0.05))
prior = load_prior(args.prior, args.device)
for zeta in (1.0, 3.0, 6.0):
    restored = dps(prior, problem, zeta=zeta * args.size / 64, steps=args.steps, seed=0)
    fits = consistency(problem, restored).item()
    restored = restored.clamp(-1, 1)
    print(f"{args.task}, zeta = {zeta:g}: {psnr(restored, truth).item():.2f} dB, consistency {fits:.2f}")
    if zeta == 3.0:
        save_image(args.out, torch.cat([truth, camera.picture(problem.y).clamp(-1, 1), restored], dim=3))
print(f"{args.steps} steps; the truth, the measurement and the second are written to {args.out}")
