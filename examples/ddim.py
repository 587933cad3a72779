"""DDIM: the same prior with less randomness, and with fewer steps.

    python examples/ddim.py --images 2 --steps 10 25 50
"""

# %%
import argparse

import torch

from teachdiff import load_prior, schedules
from teachdiff.data import save_image
from teachdiff.exact import output_law
from teachdiff.methods import ddim
from teachdiff.metrics import psnr
from teachdiff.operators import Identity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import InverseProblem

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--prior", default="portraits")
parser.add_argument("--size", type=int, default=32)
parser.add_argument("--images", type=int, default=2)
parser.add_argument("--steps", type=int, nargs="+", default=[10, 25, 50])
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="ddim.png")
args = parser.parse_args()

# %% One pixel of N(0, 1). Without fresh noise each step shrinks the pixel a little: with 1000 steps it hardly shows,
# with 20 a sixth of the variance is gone.
pixel = (1, 1, 1)
data = GaussianPrior(schedules.linear(), torch.zeros(pixel), torch.ones(pixel))
anything = InverseProblem(Identity(pixel), torch.zeros(1, *pixel, dtype=torch.float64), sigma=1.0)  # for its shape
for steps in (1000, 100, 20):
    found = {eta: output_law(ddim, data, anything, steps=steps, eta=eta)[1].item() for eta in (0.0, 1.0)}
    print(f"{steps:4d} steps, variance of data N(0, 1): eta = 0: {found[0.0]:.4f}, eta = 1: {found[1.0]:.4f}")

# %% With eta = 0 the noise x_T decides the picture, however many steps there are; with eta = 1 each number of steps is
# another random walk. How alike are the pictures of few steps and of the most?
prior = load_prior(args.prior, args.device)
shape = (args.images, 3, args.size, args.size)
for eta in (0.0, 1.0):
    x = {n: ddim(prior, shape=shape, device=args.device, eta=eta, steps=n, seed=0).clamp(-1, 1) for n in args.steps}
    most = args.steps[-1]
    for n in args.steps[:-1]:
        print(f"eta = {eta:g}: {n} steps against {most}: {psnr(x[n], x[most]).mean().item():.1f} dB apart")
    if eta == 0:
        save_image(args.out, torch.cat(list(x[most]), dim=2)[None])
print(f"the samples with eta = 0 are written to {args.out}")
