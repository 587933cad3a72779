"""Plug and play: a denoiser inside ADMM. Its limit for a Gaussian prior, exactly, and a photograph in 24 evaluations.

    python examples/pnp_admm.py --task deblur_gaussian --size 64
"""

# %%
import argparse
import time

import torch

from teachdiff import InverseProblem, load_prior, make_operator, observe, schedules
from teachdiff.data import astronaut_face, save_image
from teachdiff.exact import gaussian_posterior
from teachdiff.methods import pnp_admm
from teachdiff.metrics import psnr
from teachdiff.operators import Identity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import sigma_from_unit_range

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--task", default="deblur_gaussian")
parser.add_argument("--prior", default="photos")
parser.add_argument("--size", type=int, default=64)
parser.add_argument("--steps", type=int, default=24)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="pnp_admm.png")
args = parser.parse_args()

# %% One pixel x_0 ~ N(0, 1), seen as y = x_0 + 0.1 z = 1. Bayes: mean 0.9901, variance 0.0099.
pixel = (1, 1, 1)
white = GaussianPrior(schedules.linear(), torch.zeros(pixel), torch.ones(pixel))
one = InverseProblem(Identity(pixel), torch.ones(1, *pixel, dtype=torch.float64), sigma=0.1)
# At a constant level the rounds converge to the posterior mean, whatever the level; for this prior a falling level
# gets there too. Another lambda is another problem.
print(f"{'the posterior mean':34s} {gaussian_posterior(white, one)[0].item():.6f}")
for level in (0.1, 0.5, 1.0):
    x = pnp_admm(white, one, sigma_start=level, sigma_end=level, iterations=400)
    print(f"{f'level {level}, 400 rounds':34s} {x.item():.6f}")
x = pnp_admm(white, one, sigma_start=0.4, iterations=24)
print(f"{'levels 0.4 to 0.1, 24 rounds':34s} {x.item():.6f}")
x = pnp_admm(white, one, sigma_start=0.5, sigma_end=0.5, iterations=400, lam=0.23)
print(f"{'lambda = 0.23, 400 rounds':34s} {x.item():.6f}")

# %% A photograph. Each round is one evaluation and no gradient; nothing is drawn.
truth = astronaut_face(args.size).to(args.device)
camera = make_operator(args.task, tuple(truth.shape[1:]))
problem = observe(camera, truth, sigma=sigma_from_unit_range(0.05))
prior = load_prior(args.prior, args.device)
for name, options in (
    ("PnP-ADMM, lambda = 0.23", {"lam": 0.23, "iterations": args.steps}),
    ("PnP-ADMM, lambda = 1", {"iterations": args.steps}),
):
    begun = time.perf_counter()
    restored = pnp_admm(prior, problem, **options).clamp(-1, 1)
    seconds = time.perf_counter() - begun
    print(f"{name:24s} {psnr(restored, truth).item():5.2f} dB in {seconds:5.2f} s")
    save_image(args.out, torch.cat([truth, camera.picture(problem.y).clamp(-1, 1), restored], dim=3))
print(f"{args.task}, {args.steps} evaluations each; the truth, the measurement and the last are in {args.out}")
