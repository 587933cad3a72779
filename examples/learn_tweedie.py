"""Learn, 2. Tweedie's formula: who can denoise knows the score.

    python examples/learn_tweedie.py --size 64 --out learn_tweedie.png
"""

# %%
import argparse

import torch
from matplotlib.figure import Figure

from teachdiff import load_prior, schedules
from teachdiff.data import astronaut_face, to_array
from teachdiff.metrics import psnr
from teachdiff.noise import NoiseStream
from teachdiff.predictions import score_from_x0_hat, x0_hat_from_score
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--prior", default="photos")
parser.add_argument("--size", type=int, default=64)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="learn_tweedie.png")
args = parser.parse_args()

# %% A world of one pixel with two kinds of image: dark ones about -1 and bright ones about +1. Its log-density at every
# noise level is known, so the score can be had by differentiating, and from the denoiser by Tweedie: are they the same?
# --8<-- [start:score]
pixel, schedule = (1, 1, 1), schedules.linear()
dark, bright = (
    GaussianPrior(schedule, torch.full(pixel, centre).double(), torch.full(pixel, 0.04).double())
    for centre in (-1.0, 1.0)
)
world = GaussianMixturePrior([0.5, 0.5], [dark, bright])

x_t = torch.linspace(-3, 3, 601, dtype=torch.float64).view(-1, *pixel).requires_grad_()
for t in (50, 200, 500):
    (score,) = torch.autograd.grad(world.log_prob(x_t, t).sum(), x_t)
    by_tweedie = score_from_x0_hat(world.denoise(x_t, t), x_t, schedule.alpha_bar[t].item())
    print(f"t = {t}: the two scores differ by at most {(score - by_tweedie).abs().max():.1e}")
# --8<-- [end:score]

# %% Half-way between the two kinds the mean is 0: grey, which no image of this world is. A mean is not a sample.
halfway = world.denoise(torch.zeros(1, *pixel, dtype=torch.float64), 200).item()
print(f"at x_t = 0 the denoised pixel is {halfway:.3f}; images of this world lie about -1 and about 1")

# %% A photograph and a network. Tweedie's formula divides by the root of alpha_bar_t, the printed one by alpha_t's.
# --8<-- [start:photograph]
x_0 = astronaut_face(args.size).to(args.device)
prior = load_prior(args.prior, args.device)
rows = {"x_t": [], "as proved": [], "as printed": []}
times = [t * prior.schedule.T // 1000 for t in (50, 150, 300, 500, 700)]
for t in times:
    alpha, alpha_bar = prior.schedule.alpha[t].item(), prior.schedule.alpha_bar[t].item()
    z = NoiseStream(0, 1, args.device)(t, tuple(x_0.shape))
    x_t = alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * z
    with torch.no_grad():
        score = score_from_x0_hat(prior.denoise(x_t, t), x_t, alpha_bar)
    rows["x_t"].append(x_t)
    rows["as proved"].append(x0_hat_from_score(score, x_t, alpha_bar))
    rows["as printed"].append((x_t + (1 - alpha_bar) * score) / alpha**0.5)
# --8<-- [end:photograph]
for i, t in enumerate(times):
    good, bad = (psnr(rows[name][i].clamp(-1, 1), x_0).item() for name in ("as proved", "as printed"))
    print(f"t = {t}: one evaluation gives {good:.2f} dB, with the printed divisor {bad:.2f} dB")

figure = Figure(figsize=(9, 5.2), layout="constrained")
for row, (name, images) in enumerate(rows.items()):
    for column, (t, x) in enumerate(zip(times, images, strict=True)):
        axis = figure.add_subplot(3, len(times), 1 + column + row * len(times))
        axis.imshow(to_array(x))
        axis.set(xticks=[], yticks=[], title=f"t = {t}" if row == 0 else "", ylabel=name if column == 0 else "")
figure.savefig(args.out, dpi=100)
print(f"the picture is written to {args.out}")
