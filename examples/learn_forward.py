"""Learn, 1. The forward process: noise in many small steps, or in one jump.

    python examples/learn_forward.py --size 64 --out learn_forward.png
"""

# %%
import argparse

import torch
from matplotlib.figure import Figure

from teachdiff import schedules
from teachdiff.data import astronaut_face, to_array
from teachdiff.noise import NoiseStream

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--size", type=int, default=64)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="learn_forward.png")
args = parser.parse_args()

schedule = schedules.linear()
x_0 = astronaut_face(args.size).to(args.device)


# %% The definition: a little less picture and a little fresh noise, t times. And the theorem: one jump does it.
# --8<-- [start:walk]
def walk(x_0, t, noise):
    x = x_0
    for i in range(1, t + 1):
        z = noise(i, tuple(x.shape))  # fresh at each step
        x = schedule.alpha[i].item() ** 0.5 * x + schedule.beta[i].item() ** 0.5 * z
    return x


def jump(x_0, t, noise):
    alpha_bar = schedule.alpha_bar[t].item()
    return alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * noise(t, tuple(x_0.shape))
# --8<-- [end:walk]


# %% Do the two have the same law? Walk many pixels that all begin at 1: their mean is the factor of x_0, their variance
# that of the noise. The printed line has alpha_t for alpha_bar_t; it agrees at t = 1 and nowhere else.
# --8<-- [start:law]
ones = torch.ones(1, 1, 200, 200, dtype=torch.float64)
for t in (1, 10, 100, 300):
    x = walk(ones, t, NoiseStream(t, 1, dtype=torch.float64))
    alpha, alpha_bar = schedule.alpha[t].item(), schedule.alpha_bar[t].item()
    print(f"t = {t:3d}  walked: mean {x.mean():.3f}, variance {x.var():.4f}", end="; ")
    print(f"with alpha_bar: {alpha_bar**0.5:.3f}, {1 - alpha_bar:.4f}", end="; ")
    print(f"as printed: {alpha**0.5:.3f}, {1 - alpha:.4f}")
# --8<-- [end:law]


# %% The picture: the jump above, the printed jump below, with one and the same noise.
def printed(x_0, t, noise):
    alpha = schedule.alpha[t].item()
    return alpha**0.5 * x_0 + (1 - alpha) ** 0.5 * noise(t, tuple(x_0.shape))


times = (0, 50, 150, 300, 500, 1000)
figure = Figure(figsize=(9, 3.4), layout="constrained")
for column, t in enumerate(times):
    for row, (name, formula) in enumerate((("as proved", jump), ("as printed", printed))):
        x_t = formula(x_0, t, NoiseStream(0, 1, args.device)) if t else x_0
        axis = figure.add_subplot(2, len(times), 1 + column + row * len(times))
        axis.imshow(to_array(x_t))
        axis.set(xticks=[], yticks=[], title=f"t = {t}" if row == 0 else "", ylabel=name if column == 0 else "")
figure.savefig(args.out, dpi=100)
print(f"the picture is written to {args.out}")
