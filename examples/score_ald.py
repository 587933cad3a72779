"""ScoreALD in its two chains: the exact law of each, and the released program's weight.

    python examples/score_ald.py --task deblur_gaussian --size 32 --steps 100
"""

# %%
import argparse

import torch

from teachdiff import InverseProblem, load_prior, make_operator, observe, schedules
from teachdiff.data import astronaut_face, save_image
from teachdiff.exact import gaussian_posterior, output_law
from teachdiff.methods import score_ald
from teachdiff.metrics import psnr
from teachdiff.operators import Identity
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import sigma_from_unit_range

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--task", default="deblur_gaussian")
parser.add_argument("--prior", default="photos")
parser.add_argument("--size", type=int, default=32)
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="score_ald.png")
args = parser.parse_args()

# %% One pixel x_0 ~ N(0, 1), seen as y = x_0 + 0.1 z = 1. Bayes: mean 0.9901, variance 0.0099.
pixel = (1, 1, 1)
white = GaussianPrior(schedules.linear(), torch.zeros(pixel), torch.ones(pixel))
one = InverseProblem(Identity(pixel), torch.ones(1, *pixel, dtype=torch.float64), sigma=0.1)
# Both chains pull towards y too weakly, the more so the larger gamma. In the Langevin chain gamma is in units of
# the level's noise, so it fades by itself as the levels fall.
for name, (mean, variance) in {
    "the posterior": gaussian_posterior(white, one),
    "DDPM chain, gamma = 1": output_law(score_ald, white, one),
    "DDPM chain, gamma = 0.3": output_law(score_ald, white, one, gamma=0.3),
    "Langevin, gamma = 1": output_law(score_ald, white, one, chain="langevin", steps=100),
    "Langevin, gamma = 0.3": output_law(score_ald, white, one, chain="langevin", gamma=0.3, steps=100),
}.items():
    print(f"{name:24s} mean {mean.item():.4f}  variance {variance.item():.4f}")

# %% A photograph. The Langevin chain moves three times at each level, so it costs three times as much.
truth = astronaut_face(args.size).to(args.device)
camera = make_operator(args.task, tuple(truth.shape[1:]))
problem = observe(camera, truth, sigma=sigma_from_unit_range(0.05))
prior = load_prior(args.prior, args.device)
for name, options in (
    ("DDPM chain, gamma = 0.3", {"gamma": 0.3}),
    ("Langevin, gamma = 0.5", {"chain": "langevin", "gamma": 0.5, "step_size": 0.3}),
    ("Langevin, weight matched", {"chain": "langevin", "match": 5.0}),
):
    try:
        restored = score_ald(prior, problem, steps=args.steps, seed=0, **options).clamp(-1, 1)
    except FloatingPointError as error:
        print(f"{name:24s} {error}")
        continue
    print(f"{name:24s} {psnr(restored, truth).item():5.2f} dB")
    save_image(args.out, torch.cat([truth, camera.picture(problem.y).clamp(-1, 1), restored], dim=3))
print(f"{args.task}, {args.steps} levels; the truth, the measurement and the last are written to {args.out}")
