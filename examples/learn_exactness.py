"""Learn, 6. Exactness: which methods sample the posterior, and how one can know.

    python examples/learn_exactness.py --steps 1000 --samples 2000 --out learn_exactness.png
"""

# %%
import argparse

import torch
from matplotlib.figure import Figure

from teachdiff import METHODS, InverseProblem, schedules
from teachdiff.exact import gaussian_posterior, mixture_posterior, mode_coverage, output_law
from teachdiff.operators import Identity, Mask
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--steps", type=int, default=1000, help="of the exact laws")
parser.add_argument("--samples", type=int, default=2000, help="of the world of two kinds; it takes 200 steps")
parser.add_argument("--out", default="learn_exactness.png")
args = parser.parse_args()

# %% One pixel x_0 ~ N(0, 1), seen as y = x_0 + 0.1 z, and y = 1. What comes out is a Gaussian whose mean and variance
# `output_law` reads off the method's own code. No random number is drawn.
# --8<-- [start:laws]
pixel, schedule = (1, 1, 1), schedules.linear()
white = GaussianPrior(schedule, torch.zeros(pixel), torch.ones(pixel))
one = InverseProblem(Identity(pixel), torch.ones(1, *pixel, dtype=torch.float64), sigma=0.1)

laws = {"the posterior": gaussian_posterior(white, one)}
for name, options in {"dps": {"step": "likelihood"}, "pigdm": {}, "dmps": {}, "ddrm": {}, "score_ald": {}}.items():
    laws[name] = output_law(METHODS[name], white, one, steps=args.steps, **options)
for name, (mean, variance) in laws.items():
    print(f"{name:14s} mean {mean.item():.4f}  variance {variance.item():.4f}")
# --8<-- [end:laws]

# %% Two pixels, two kinds of image: (-1, -0.2) and (1, 0.2), give or take 0.15. The camera sees the second pixel and
# reads 0.1, so the first kind is less likely, and not impossible. How often does a method draw it?
# --8<-- [start:modes]
kinds = [
    GaussianPrior(schedule, torch.tensor([[[c, 0.2 * c]]], dtype=torch.float64), torch.full((1, 1, 2), 0.15**2))
    for c in (-1.0, 1.0)
]
world = GaussianMixturePrior([0.5, 0.5], kinds)
second = Mask(torch.tensor([[[0.0, 1.0]]]))
read = InverseProblem(second, torch.tensor([[[[0.0, 0.1]]]], dtype=torch.float64), sigma=0.1)
posterior = mixture_posterior(world, read)
print(f"the first kind has the probability {posterior.weights[0, 0]:.3f}")

many = InverseProblem(second, read.y.expand(args.samples, -1, -1, -1), read.sigma)
shares = {"the posterior": posterior.weights[0, 0].item()}
for name in ("dps", "pigdm", "dmps", "ddrm", "score_ald"):
    x = METHODS[name](world, many, steps=200)
    found = mode_coverage(x, posterior)
    shares[name] = found.observed[0].item() / args.samples
    print(f"{name:14s} draws it {shares[name]:.3f} of the time; p-value {found.p_value:.2g}")
# --8<-- [end:modes]

figure = Figure(figsize=(9, 3.2), layout="constrained")
left, right = figure.subplots(1, 2, width_ratios=[2, 1])
grid = torch.linspace(0.4, 1.3, 600, dtype=torch.float64)
for k, (name, (mean, variance)) in enumerate(laws.items()):
    density = torch.distributions.Normal(mean.item(), variance.item() ** 0.5).log_prob(grid).exp()
    left.plot(grid, density, label=name, **({"color": "black", "lw": 3} if k == 0 else {"lw": 1.5}))
left.set(xlabel="x_0", ylabel="density of the output", xlim=(0.4, 1.3), ylim=(0, 10))
left.legend(fontsize=8)
right.barh(list(shares), list(shares.values()), color=["black"] + [f"C{k}" for k in range(len(shares) - 1)])
right.axvline(shares["the posterior"], color="black", lw=0.8)
right.set(xlabel="how often the first kind is drawn", xlim=(0, 1))
right.invert_yaxis()
figure.savefig(args.out, dpi=100)
print(f"the picture is written to {args.out}")
