"""SDEdit: how much of the measurement survives, exactly; and what a mask and several round trips change.

    python examples/sdedit.py --size 32 --steps 50
"""

# %%
import argparse

import torch

from teachdiff import InverseProblem, load_prior, make_operator, observe, schedules
from teachdiff.data import astronaut_face, save_image
from teachdiff.exact import gaussian_posterior, output_law
from teachdiff.methods import sdedit
from teachdiff.metrics import psnr
from teachdiff.operators import Identity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import sigma_from_unit_range

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--task", default="inpaint_box")
parser.add_argument("--prior", default="photos")
parser.add_argument("--size", type=int, default=32)
parser.add_argument("--steps", type=int, default=50)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="sdedit.png")
args = parser.parse_args()

# %% One pixel x_0 ~ N(0, 1), seen as y = x_0 + 0.1 z = 1. Bayes: mean 0.9901, variance 0.0099.
pixel = (1, 1, 1)
white = GaussianPrior(schedules.linear(), torch.zeros(pixel), torch.ones(pixel))
one = InverseProblem(Identity(pixel), torch.ones(1, *pixel, dtype=torch.float64), sigma=0.1)
# SDEdit keeps the share kappa of y - mu, whatever sigma is: all of it at a small t*, nothing at a large one.
mean, variance = gaussian_posterior(white, one)
print(f"{'the posterior':24s} mean {mean.item():.4f}  variance {variance.item():.4f}")
for t in (50, 200, 400, 600):
    mean, variance = output_law(sdedit, white, one, t_start=t)
    print(f"{f'SDEdit, t* = {t}':24s} mean {mean.item():.4f}  variance {variance.item():.4f}")
mean, variance = output_law(sdedit, white, one, t_start=200, repeats=3)
print(f"{'t* = 200, three times':24s} mean {mean.item():.4f}  variance {variance.item():.4f}")

# %% A photograph with a hole. Plain SDEdit changes the seen pixels as much as the hidden ones; with `masked=True`
# they are put back after each step, noised to the level that the iterate has reached.
truth = astronaut_face(args.size).to(args.device)
camera = make_operator(args.task, tuple(truth.shape[1:]))
problem = observe(camera, truth, sigma=sigma_from_unit_range(0.05))
prior = load_prior(args.prior, args.device)
options = {"t_start": prior.schedule.T // 2, "steps": args.steps, "seed": 0}
for name, more in (
    ("plain", {}),
    ("masked", {"masked": True}),
    ("masked, two round trips", {"masked": True, "repeats": 2}),
):
    restored = sdedit(prior, problem, **options, **more)
    seen = (problem.residual(restored).square().mean().sqrt() / problem.sigma).item()
    print(f"{name:24s} {psnr(restored.clamp(-1, 1), truth).item():5.2f} dB, residual {seen:.2f} sigma")
save_image(args.out, torch.cat([truth, camera.picture(problem.y).clamp(-1, 1), restored.clamp(-1, 1)], dim=3))
print(f"{args.task}, {args.steps} steps; the truth, the measurement and the last are written to {args.out}")
