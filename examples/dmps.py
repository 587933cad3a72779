"""DMPS: a closed form in the place of DPS's gradient. What it gets wrong, exactly, and what it saves.

    python examples/dmps.py --task deblur_gaussian --size 64 --steps 50
"""

# %%
import argparse
import time

import torch

from teachdiff import InverseProblem, load_prior, make_operator, observe, schedules
from teachdiff.data import astronaut_face, save_image
from teachdiff.exact import gaussian_posterior, output_law
from teachdiff.methods import dmps, dps
from teachdiff.metrics import psnr
from teachdiff.operators import Identity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import sigma_from_unit_range

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--task", default="deblur_gaussian")
parser.add_argument("--prior", default="photos")
parser.add_argument("--size", type=int, default=64)
parser.add_argument("--steps", type=int, default=50)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="dmps.png")
args = parser.parse_args()

# %% One pixel x_0 ~ N(0, 1), seen as y = x_0 + 0.1 z = 1. Without a prior x_0 given x_t would be uncertain by
# (1 - alpha_bar)/alpha_bar, more than it is: so lambda = 1 pulls too little. The program's 1.75, taken at the sample
# that the step has reached, mends the mean and leaves a third of the variance.
pixel = (1, 1, 1)
white = GaussianPrior(schedules.linear(), torch.zeros(pixel), torch.ones(pixel))
one = InverseProblem(Identity(pixel), torch.ones(1, *pixel, dtype=torch.float64), sigma=0.1)
for name, (mean, variance) in {
    "the posterior": gaussian_posterior(white, one),
    "DMPS, lambda = 1 at x_t": output_law(dmps, white, one),
    "DMPS as released": output_law(dmps, white, one, lam=1.75, at="updated"),
}.items():
    print(f"{name:26s} mean {mean.item():.4f}  variance {variance.item():.4f}")

# %% A photograph. No gradient goes through the network, so a step costs a forward pass and nothing more.
truth = astronaut_face(args.size).to(args.device)
camera = make_operator(args.task, tuple(truth.shape[1:]))
problem = observe(camera, truth, sigma=sigma_from_unit_range(0.05))
prior = load_prior(args.prior, args.device)
for name, method, options in (
    ("DMPS, lambda = 1 at x_t", dmps, {}),
    ("DMPS as released", dmps, {"lam": 1.75, "at": "updated"}),
    ("DPS, zeta = 6", dps, {"zeta": 6.0 * args.size / 64}),
):
    begun = time.perf_counter()
    restored = method(prior, problem, steps=args.steps, seed=0, **options).clamp(-1, 1)
    seconds = time.perf_counter() - begun
    print(f"{name:26s} {psnr(restored, truth).item():5.2f} dB in {seconds:5.2f} s")
    if method is dmps and not options:
        save_image(args.out, torch.cat([truth, camera.picture(problem.y).clamp(-1, 1), restored], dim=3))
print(f"{args.task}, {args.steps} steps; the truth, the measurement and the first are written to {args.out}")
