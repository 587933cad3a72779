"""DPS first, DMPS afterwards: what is saved, what is lost, and two readings of "t = 100, k = 50".

    python examples/hybrid.py --task sr4 --images 4 --steps 100
"""

# %%
import argparse
import time

import torch

from teachdiff import InverseProblem, load_prior, make_operator, observe, schedules
from teachdiff.data import portraits, save_image
from teachdiff.exact import gaussian_posterior, output_law
from teachdiff.methods import hybrid
from teachdiff.metrics import psnr
from teachdiff.operators import Identity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import sigma_from_unit_range

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--task", default="sr4")
parser.add_argument("--prior", default="portraits")
parser.add_argument("--size", type=int, default=32)
parser.add_argument("--images", type=int, default=2)
parser.add_argument("--steps", type=int, default=50, help="t; k is half of it")
parser.add_argument("--zeta", type=float, default=1.5, help="of DPS's steps")
parser.add_argument("--sigma", type=float, default=0.01, help="in [0, 1] units")
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="hybrid.png")
args = parser.parse_args()

# %% One pixel x_0 ~ N(0, 1), seen as y = x_0 + 0.1 z = 1. The chain forgets: what its last part does is what remains.
# DPS alone is too sure, DMPS alone not sure enough, and between them the mean comes right, the variance does not.
pixel = (1, 1, 1)
white = GaussianPrior(schedules.linear(), torch.zeros(pixel), torch.ones(pixel))
one = InverseProblem(Identity(pixel), torch.ones(1, *pixel, dtype=torch.float64), sigma=0.1)
rows = {"the posterior": gaussian_posterior(white, one)}
for switch in (0, 50, 500, 1000):
    rows[f"the last {switch} of 1000 by DMPS"] = output_law(hybrid, white, one, step="likelihood", switch=switch)
for name, (mean, variance) in rows.items():
    print(f"{name:29s} mean {mean.item():.4f}  variance {variance.item():.4f}")

# %% Portraits. First reading: t steps spread over the schedule. Second: the levels t ... 1, from the noised picture.
truth = portraits(args.images, args.size, seed=10**12).to(args.device)
camera = make_operator(args.task, tuple(truth.shape[1:]))
problem = observe(camera, truth, sigma=sigma_from_unit_range(args.sigma))
prior = load_prior(args.prior, args.device)
for reading, where in (("steps", {"steps": args.steps}), ("level", {"t_start": args.steps})):
    for name, switch in (("DPS", 0), ("DPS, then DMPS", args.steps // 2), ("DMPS", args.steps)):
        begun = time.perf_counter()
        restored = hybrid(prior, problem, switch=switch, zeta=args.zeta, seed=0, **where).clamp(-1, 1)
        seconds = time.perf_counter() - begun
        print(f"{reading} {args.steps}: {name:15s} {psnr(restored, truth).mean().item():5.2f} dB in {seconds:5.2f} s")
        if reading == "steps" and name == "DPS, then DMPS":
            rows = (truth, camera.picture(problem.y).clamp(-1, 1), restored)
            save_image(args.out, torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)[None])
print(f"{args.task}; the truth, the measurement and the second are written to {args.out}")
