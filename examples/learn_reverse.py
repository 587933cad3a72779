"""Learn, 3. The reverse process: from noise to data, one small draw after the other.

    python examples/learn_reverse.py --samples 300 --out learn_reverse.png
"""

# %%
import argparse

import torch
from matplotlib.figure import Figure

from teachdiff import schedules
from teachdiff.noise import NoiseStream
from teachdiff.predictions import epsilon_from_x0_hat
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.schedules import posterior_variance

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--samples", type=int, default=300)
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="learn_reverse.png")
args = parser.parse_args()

# %% The data: one pixel, dark about -1 or bright about +1, with an exact denoiser: what goes wrong is the step's.
pixel, schedule = (1, 1, 1), schedules.linear()
kinds = [
    GaussianPrior(schedule, torch.full(pixel, centre).double(), torch.full(pixel, 0.04).double())
    for centre in (-1.0, 1.0)
]
prior = GaussianMixturePrior([0.5, 0.5], kinds)


# %% The mean of a step in the noise that the network sees, epsilon; right, and as it was printed.
# --8<-- [start:mean]
def mean(x, epsilon, step):
    return (x - (1 - step.alpha) / (1 - step.alpha_bar) ** 0.5 * epsilon) / step.alpha**0.5


def printed_mean(x, epsilon, step):  # mashayak.eq17
    return (x - (1 - step.alpha) ** 0.5 * epsilon) / step.alpha**0.5
# --8<-- [end:mean]


# %% The whole reverse process. Each step is a mean and a fresh draw, but for the last, which lands on the clean image.
# --8<-- [start:chain]
def sample(mean, with_noise=True):
    noise = NoiseStream(0, args.samples, args.device, torch.float64)
    chain = prior.schedule.respace(args.steps)
    x = noise(chain.start, (args.samples, *pixel))
    path = [x.flatten()]
    for step in chain.backwards():
        epsilon = epsilon_from_x0_hat(prior.denoise(x, step.t), x, step.alpha_bar)
        x = mean(x, epsilon, step)
        if step.t_prev > 0 and with_noise:
            variance = posterior_variance(step.alpha, step.alpha_bar, step.alpha_bar_prev)
            x = x + variance**0.5 * noise(step.t_prev, tuple(x.shape))
        path.append(x.flatten())
    return torch.stack(path).cpu()
# --8<-- [end:chain]


# %% Three programs. Half of the data are bright: of mean 1 and deviation 0.2.
runs = {
    "as proved": sample(mean),
    "without the noise": sample(mean, with_noise=False),
    "mashayak.eq17": sample(printed_mean),
}
times = [args.steps - k for k in range(args.steps + 1)]
figure = Figure(figsize=(9, 3), layout="constrained")
axes = figure.subplots(1, 6, sharey=True, width_ratios=[4, 1] * 3)
for k, (name, path) in enumerate(runs.items()):
    end = path[-1]
    bright = end[end > 0]
    print(f"{name:18s} {len(bright) / len(end):.2f} are bright: mean {bright.mean():.3f}, deviation {bright.std():.3f}")
    axes[2 * k].plot(times, path[:, :60].numpy(), lw=0.4, alpha=0.5, color="C0")
    axes[2 * k].set(title=name, xlabel="t", xlim=(args.steps, 0), ylim=(-3, 3))
    axes[2 * k + 1].hist(end.numpy(), bins=60, range=(-3, 3), orientation="horizontal", color="C1")
    axes[2 * k + 1].set(xticks=[])
figure.savefig(args.out, dpi=100)
print(f"{args.steps} steps; the picture is written to {args.out}")
