"""PiGDM: DPS that knows how little x0_hat is worth. With the right width of the prior it is exact.

    python examples/pigdm.py --task inpaint_random --size 64 --steps 30
"""

# %%
import argparse

import torch

from teachdiff import InverseProblem, load_prior, make_operator, observe, schedules
from teachdiff.data import astronaut_face, save_image
from teachdiff.exact import gaussian_posterior, output_law
from teachdiff.methods import dps, pigdm
from teachdiff.metrics import psnr
from teachdiff.operators import Identity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import sigma_from_unit_range

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--task", default="inpaint_random")
parser.add_argument("--prior", default="photos")
parser.add_argument("--size", type=int, default=64)
parser.add_argument("--steps", type=int, default=30)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="pigdm.png")
args = parser.parse_args()

# %% One pixel x_0 ~ N(0, 1), seen as y = x_0 + 0.1 z = 1. The method supposes a width tau of the images. With tau = 1,
# the right one here, its term is exact; towards tau = 0 it becomes DPS, too sure of itself, and for a large tau DMPS.
pixel = (1, 1, 1)
white = GaussianPrior(schedules.linear(), torch.zeros(pixel), torch.ones(pixel))
one = InverseProblem(Identity(pixel), torch.ones(1, *pixel, dtype=torch.float64), sigma=0.1)
rows = {"the posterior": gaussian_posterior(white, one)}
for tau in (1.0, 0.1, 10.0):
    rows[f"PiGDM, tau = {tau:g}"] = output_law(pigdm, white, one, tau=tau)
rows["DPS, likelihood step"] = output_law(dps, white, one, step="likelihood")
for name, (mean, variance) in rows.items():
    print(f"{name:22s} mean {mean.item():.4f}  variance {variance.item():.4f}")

# %% A photograph: its directions are not alike, so no tau is right in all of them, and none is the best everywhere.
truth = astronaut_face(args.size).to(args.device)
camera = make_operator(args.task, tuple(truth.shape[1:]))
problem = observe(camera, truth, sigma=sigma_from_unit_range(0.05))
prior = load_prior(args.prior, args.device)
for tau in (1.0, 0.5):
    restored = pigdm(prior, problem, tau=tau, steps=args.steps, seed=0).clamp(-1, 1)
    print(f"{args.task}, tau = {tau:g}: {psnr(restored, truth).item():.2f} dB")
    if tau == 1.0:
        save_image(args.out, torch.cat([truth, camera.picture(problem.y).clamp(-1, 1), restored], dim=3))
print(f"{args.steps} steps; the truth, the measurement and the first are written to {args.out}")
