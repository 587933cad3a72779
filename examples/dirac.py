"""Dirac: the degradation is the diffusion, walked back from the measurement.

    python examples/dirac.py --task inpaint_smooth --steps 50
"""

# %%
import argparse
import time

import torch

from teachdiff import InverseProblem, observe, schedules
from teachdiff.data import portraits, save_image
from teachdiff.exact import ExactRestorer, consistency_curve, gaussian_posterior, increment_error, output_law
from teachdiff.methods import dirac
from teachdiff.metrics import consistency, psnr
from teachdiff.operators import CircularConvolution, FadeDegradation, Mask
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.restorer import load_restorer
from teachdiff.problems import make_degradation, sigma_from_unit_range
from teachdiff.scheduling import distances, greedy, largest, optimal
from teachdiff.settings import HELD_OUT
from teachdiff.trajectories import Trajectory

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--task", default="inpaint_smooth", choices=["inpaint_smooth", "deblur_gaussian"])
parser.add_argument("--steps", type=int, default=50)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="dirac.png")
args = parser.parse_args()

# %% Two correlated pixels. The law of what Dirac puts out for one measurement, exactly, beside the posterior's, in the
# first pixel: a hidden pixel that fades in is drawn as it should be, what a blur mixes is not.
covariance = torch.tensor([[1.0, 0.8], [0.8, 1.0]], dtype=torch.float64)
pair = GaussianPrior.from_covariance(schedules.linear(), torch.zeros(1, 1, 2), covariance)
mask = Mask(torch.tensor([[[0.0, 1.0]]]))
blur = CircularConvolution(torch.tensor([[0.3, 0.7]], dtype=torch.float64), (1, 1, 2))
for name, operator, y in (("a mask", mask, [0.0, 1.0]), ("a blur", blur, [0.5, 1.0])):
    problem = InverseProblem(operator, torch.tensor(y, dtype=torch.float64).view(1, 1, 1, 2), sigma=0.3)
    mean, cov = gaussian_posterior(pair, problem)
    print(f"{name}: the posterior    mean {mean[0, 0, 0, 0]:.4f}  variance {cov[0, 0]:.4f}")
    restorer = ExactRestorer(pair, FadeDegradation(operator, sigma_min=0.003, sigma_max=0.3))
    for steps in (30, 300):
        mean, cov = output_law(dirac, restorer, problem, steps=steps, output="iterate")
        print(f"{name}: Dirac, {steps:3d} steps mean {mean[0, 0, 0]:.4f}  variance {cov[0, 0]:.4f}")

# %% A smooth Gaussian field behind a soft hole, and its exact restorer. Theorem 3.6 wants the increment of the true
# picture. The posterior mean's is another; and the squared residual of x0_hat lies below the noise floor, which is 1.
i = torch.arange(12, dtype=torch.float64)
row = (-((i[:, None] - i) ** 2) / 8).exp()
field = GaussianPrior.from_covariance(schedules.linear(), torch.zeros(1, 12, 12), 0.25 * torch.kron(row, row))
restorer = ExactRestorer(field, make_degradation("inpaint_smooth", (1, 12, 12)))
curve = dict(consistency_curve(restorer, 20))
for t in (1.0, 0.75, 0.5, 0.25, 0.05):
    missed, whole = increment_error(restorer, t, 0.05)
    print(f"t = {t:.2f}: the increment is off by {missed / whole:6.1%} of itself; squared residual {curve[t]:.3f}")

# %% Severities: how far apart are neighbours, at the largest, for evenly spaced, halved, and optimal ones?
trained = load_restorer(f"dirac_portraits_{args.task}", args.device)
truth = portraits(4, 32, seed=HELD_OUT).to(args.device)
times = [k / 64 for k in range(65)]
apart = distances(trained.degradation, truth, times, "rms")
for name, chosen in (("even", [8 * k for k in range(9)]), ("greedy", greedy(apart, 8)), ("optimal", optimal(apart, 8))):
    print(f"8 intervals, {name:7s}: the largest distance {largest(apart, chosen):.4f}")

# %% Four portraits, restored by the bundled network. The first prediction has the best PSNR; each draw costs some.
problem = observe(trained.degradation.operator(1.0), truth, sigma=sigma_from_unit_range(0.05))
path = Trajectory(args.steps, problem, truth)
begun = time.perf_counter()
last = dirac(trained, problem, steps=args.steps, seed=0, on_step=path)
seconds = time.perf_counter() - begun
first = dirac(trained, problem, steps=args.steps, until=1.0)
for name, x in (("one evaluation", first), (f"{args.steps} evaluations", last)):
    x = x.clamp(-1, 1)
    found = psnr(x, truth).mean().item(), consistency(problem, x).mean().item()
    print(f"{args.task}, {name:15s}: {found[0]:.2f} dB, consistency {found[1]:.3f}")
print(f"best in PSNR at t = {path.best(psnr):.2f}; four at once took {seconds:.1f} s")
rows = [torch.cat(list(v.clamp(-1, 1).cpu()), dim=2) for v in (truth, problem.operator.picture(problem.y), first, last)]
save_image(args.out, torch.cat(rows, dim=1)[None])
print(f"truth, measurement, first and last prediction are written to {args.out}")
