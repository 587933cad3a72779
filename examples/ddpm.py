"""DDPM: samples of the prior. Which variance a step should have, and what comes of the wrong one.

    python examples/ddpm.py --images 4 --steps 100
"""

# %%
import argparse

import torch

from teachdiff import load_prior, schedules
from teachdiff.data import portraits, save_image
from teachdiff.exact import output_law
from teachdiff.methods import ddpm
from teachdiff.operators import Identity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import InverseProblem

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--prior", default="portraits")
parser.add_argument("--size", type=int, default=32)
parser.add_argument("--images", type=int, default=4)
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="ddpm.png")
args = parser.parse_args()

# %% One pixel. Data N(0, 1) need the large variance beta in each step, data that are a single point the small one,
# beta_tilde; with many steps it hardly matters, with few it does.
pixel = (1, 1, 1)
anything = InverseProblem(Identity(pixel), torch.zeros(1, *pixel, dtype=torch.float64), sigma=1.0)  # for its shape
for width in (1.0, 0.25):
    data = GaussianPrior(schedules.linear(), torch.zeros(pixel), torch.full(pixel, width**2))
    for steps in (1000, 50):
        found = {v: output_law(ddpm, data, anything, steps=steps, variance=v)[1].item() for v in ("small", "large")}
        print(
            f"data of variance {width**2:.4f}, {steps:4d} steps: small {found['small']:.4f}, large {found['large']:.4f}"
        )

# %% Faces that nobody drew. Their spread is that of the data only if the steps' variance was right.
prior = load_prior(args.prior, args.device)
shape = (args.images, 3, args.size, args.size)
data = portraits(64, args.size, seed=10**12)
print(f"pixels of held-out portraits: standard deviation {data.std():.3f}")
for variance in ("small", "large"):
    x = ddpm(prior, shape=shape, device=args.device, steps=args.steps, variance=variance, seed=0)
    print(f"pixels of the samples, {variance} variance, {args.steps} steps: {x.std():.3f}")
    if variance == "small":
        save_image(args.out, torch.cat(list(x.clamp(-1, 1)), dim=2)[None])
print(f"the samples with the small variance are written to {args.out}")
