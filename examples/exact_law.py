"""Does DPS sample the posterior? With a Gaussian prior one can know, without a single random number.

    python examples/exact_law.py --steps 1000
"""

# %% One pixel x_0 ~ N(0, 1), seen as y = x_0 + 0.1 z, and y = 1 was read. Bayes: N(0.9901, 0.0099).
import argparse

import torch

from teachdiff import InverseProblem, schedules
from teachdiff.exact import gaussian_posterior, output_law
from teachdiff.methods import dps, score_ald
from teachdiff.operators import Identity
from teachdiff.priors.gaussian import GaussianPrior

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=1000, help="T of the schedule")
args = parser.parse_args()

pixel = (1, 1, 1)
schedule = schedules.linear(T=args.steps, beta_min=0.1 / args.steps, beta_max=20 / args.steps)
prior = GaussianPrior(schedule, mean=torch.zeros(pixel), variances=torch.ones(pixel))
problem = InverseProblem(Identity(pixel), y=torch.ones(1, *pixel, dtype=torch.float64), sigma=0.1)

# %% A method that is affine in its noise maps Gaussian noise to a Gaussian, whose mean and covariance `output_law`
# reads off the method's own code: one run with a batch of unit vectors for noise.
rows = {
    "the posterior": gaussian_posterior(prior, problem),
    "DPS, likelihood step": output_law(dps, prior, problem, step="likelihood"),
    "ScoreALD, gamma = 1": output_law(score_ald, prior, problem, gamma=1.0),
}
for name, (mean, covariance) in rows.items():
    print(f"{name:22s} mean {mean.item():.4f}  variance {covariance.item():.4f}")

# %% DPS is too sure of itself, and centred on the measurement rather than between prior and measurement: it takes
# the likelihood at the denoised image as if that image were certain. `derivations/dps.py` proves the factor.
