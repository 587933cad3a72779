"""Single-step denoising: one evaluation of the network is the posterior mean, where the camera only added noise.

    python examples/tweedie.py --size 64
"""

# %%
import argparse

import torch

from teachdiff import InverseProblem, load_prior, make_operator, observe, schedules
from teachdiff.data import astronaut_face, save_image
from teachdiff.exact import gaussian_posterior
from teachdiff.methods import tweedie
from teachdiff.metrics import psnr
from teachdiff.operators import Identity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import sigma_from_unit_range

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--prior", default="photos")
parser.add_argument("--size", type=int, default=64)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="tweedie.png")
args = parser.parse_args()

# %% One pixel x_0 ~ N(0, 1), seen as y = x_0 + 0.1 z = 1. Bayes: mean 0.9901, variance 0.0099.
pixel = (1, 1, 1)
white = GaussianPrior(schedules.linear(), torch.zeros(pixel), torch.ones(pixel))
one = InverseProblem(Identity(pixel), torch.ones(1, *pixel, dtype=torch.float64), sigma=0.1)
# Tweedie's formula gives the mean at once, at the level of the schedule that is nearest to sigma. A fixed t asks for
# more noise than there is; then the method adds what is missing, and pays for it.
print(f"the posterior          mean {gaussian_posterior(white, one)[0].item():.4f}")
print(f"tweedie, matched level mean {tweedie(white, one).item():.4f}")
many = InverseProblem(one.operator, one.y.expand(4000, -1, -1, -1), one.sigma)
for t in (100, 400):
    x = tweedie(white, many, t=t)
    print(f"tweedie, t = {t}       mean {x.mean().item():.4f}  variance {x.var().item():.4f}")

# %% A photograph: what one evaluation removes at each noise level. Noise is in [0, 1] units.
truth = astronaut_face(args.size).to(args.device)
prior = load_prior(args.prior, args.device)
for sigma in (0.025, 0.05, 0.1, 0.2):
    problem = observe(make_operator("denoise", tuple(truth.shape[1:])), truth, sigma=sigma_from_unit_range(sigma))
    restored = tweedie(prior, problem).clamp(-1, 1)
    before = psnr(problem.y.clamp(-1, 1), truth).item()
    print(f"sigma = {sigma:5.3f}  {before:5.2f} dB -> {psnr(restored, truth).item():5.2f} dB")
save_image(args.out, torch.cat([truth, problem.y.clamp(-1, 1), restored], dim=3))
print(f"the truth, the noisiest and what was made of it are written to {args.out}")
