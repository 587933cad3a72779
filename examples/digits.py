"""Half of a digit is hidden. Which digit was it? The exact posterior says with which probability; do samplers agree?

    python examples/digits.py --digit 121 --steps 100 --samples 200
"""

# %% The prior: 20 Gaussians, two for each digit, fitted to real digits. Its score is exact, and so is its posterior.
import argparse

import torch
from matplotlib.figure import Figure

from teachdiff import InverseProblem, load_prior, observe
from teachdiff.data import digits, to_array
from teachdiff.exact import mixture_posterior, mode_coverage, sliced_wasserstein
from teachdiff.methods import ddpm, dps, score_ald
from teachdiff.operators import Mask

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--digit", type=int, default=121, help="one of the 500 held-out digits")
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--samples", type=int, default=200)
parser.add_argument("--sigma", type=float, default=0.1, help="of the noise, for images in [-1, 1]")
parser.add_argument("--out", default="digits.png")
args = parser.parse_args()

prior = load_prior("digits")
images, labels = digits("held_out")
truth = images[args.digit : args.digit + 1].double()

# %% The camera sees the upper half.
mask = torch.ones(prior.shape)
mask[:, 4:] = 0
problem = observe(Mask(mask), truth, args.sigma)
posterior = mixture_posterior(prior, problem)

# %% Bayes' rule for the digit: the weights of its two components together.
by_digit = posterior.weights[0].view(10, 2).sum(1)
likely = [k for k in by_digit.argsort(descending=True).tolist() if by_digit[k] > 0.005]
print(f"the truth is a {labels[args.digit]}; from its upper half it is")
print(", ".join(f"a {k} with probability {by_digit[k]:.3f}" for k in likely))

# %% Samples: exact ones, and those of methods that are to approximate them. Each sample's component is drawn by its
# responsibilities, so exact samples have the posterior's frequencies, and the p-value is exact.
many = InverseProblem(problem.operator, problem.y.expand(args.samples, -1, -1, -1), problem.sigma)
drawn = {
    "exact samples": posterior.sample(args.samples, seed=1)[:, 0],
    "DPS, norm step": dps(prior, many, steps=args.steps),
    "ScoreALD, gamma = 1": score_ald(prior, many, steps=args.steps),
    "DDPM, y not used": ddpm(prior, many, steps=args.steps),
}
reference = posterior.sample(args.samples, seed=2)[:, 0]
for name, x in drawn.items():
    found = mode_coverage(x, posterior)
    shares = (found.observed.view(10, 2).sum(1) / args.samples).tolist()
    seen = ", ".join(f"{k}: {shares[k]:.2f}" for k in likely)
    distance = sliced_wasserstein(x, reference)
    print(f"{name:24s}{seen}, other: {1 - sum(shares[k] for k in likely):.2f}; distance {distance:.3f}; ", end="")
    print(f"p-value {found.p_value:.2g}")

# %% A picture: the truth and what was seen, then eight samples of each.
figure = Figure(figsize=(8, 5), layout="constrained")
rows = {"truth, seen": torch.cat([truth, problem.y]), **{name: x[:8] for name, x in drawn.items()}}
for row, (name, images) in enumerate(rows.items()):
    for column, x in enumerate(images):
        axis = figure.add_subplot(len(rows), 8, 1 + column + 8 * row)
        axis.imshow(to_array(x[None].clamp(-1, 1)))
        axis.set(xticks=[], yticks=[])
        if column == 0:
            axis.set_ylabel(name.replace(", ", ",\n"), rotation=0, ha="right", va="center")
figure.savefig(args.out, dpi=90)
