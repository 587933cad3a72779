"""DDRM: a measurement taken apart into its singular values, and twenty steps.

    python examples/ddrm.py --task deblur_gaussian --size 64
"""

# %%
import argparse
import time

import torch

from teachdiff import InverseProblem, load_prior, make_operator, observe, schedules
from teachdiff.data import astronaut_face, save_image
from teachdiff.exact import gaussian_posterior, output_law
from teachdiff.methods import ddrm
from teachdiff.metrics import psnr
from teachdiff.operators import Identity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import sigma_from_unit_range

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--task", default="deblur_gaussian")
parser.add_argument("--prior", default="photos")
parser.add_argument("--size", type=int, default=64)
parser.add_argument("--steps", type=int, nargs="+", default=[5, 20, 50])
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="ddrm.png")
args = parser.parse_args()

# %% One pixel x_0 ~ N(0, 1), seen as y = x_0 + 0.1 z = 1. DDRM keeps the marginal of x_t given x_0, not a posterior:
# what comes out depends on the number of steps, and more of them do not make it better.
pixel = (1, 1, 1)
white = GaussianPrior(schedules.linear(), torch.zeros(pixel), torch.ones(pixel))
one = InverseProblem(Identity(pixel), torch.ones(1, *pixel, dtype=torch.float64), sigma=0.1)
rows = {"the posterior": gaussian_posterior(white, one)}
for steps in (20, 100, 1000):
    rows[f"DDRM, {steps} steps"] = output_law(ddrm, white, one, steps=steps)
for name, (mean, variance) in rows.items():
    print(f"{name:18s} mean {mean.item():.4f}  variance {variance.item():.4f}")

# %% What the camera sees: in the basis V each coefficient has a singular value s, and the measurement's noise there is
# sigma/s. A step to a level above that is led by the measurement, a step below it by the prior.
truth = astronaut_face(args.size).to(args.device)
camera = make_operator(args.task, tuple(truth.shape[1:]))
problem = observe(camera, truth, sigma=sigma_from_unit_range(0.05))
prior = load_prior(args.prior, args.device)
s = camera.svd.s.values
level = ((1 - prior.schedule.alpha_bar) / prior.schedule.alpha_bar).sqrt()
for t in (1000, 500, 100):
    led = (s > 0) & (s * level[t * prior.schedule.T // 1000] >= problem.sigma)
    print(f"at t = {t}/1000 of T the measurement leads {led.double().mean():.1%} of the coefficients")

# %% A photograph.
for steps in args.steps:
    begun = time.perf_counter()
    restored = ddrm(prior, problem, steps=steps, seed=0).clamp(-1, 1)
    seconds = time.perf_counter() - begun
    print(f"{args.task}, {steps} steps: {psnr(restored, truth).item():.2f} dB in {seconds:.2f} s")
save_image(args.out, torch.cat([truth, camera.picture(problem.y).clamp(-1, 1), restored], dim=3))
print(f"the truth, the measurement and the last are written to {args.out}")
