"""Learn, 7. Dirac: let the blur itself be the diffusion.

    python examples/learn_dirac.py --size 64 --steps 50 --out learn_dirac.png
"""

# %%
import argparse

from matplotlib.figure import Figure

from teachdiff.data import astronaut_face, to_array
from teachdiff.noise import NoiseStream
from teachdiff.operators import GaussianBlur
from teachdiff.problems import sigma_from_unit_range

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--size", type=int, default=64)
parser.add_argument("--steps", type=int, default=50)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="learn_dirac.png")
args = parser.parse_args()

# %% The degradation as a path: the picture at t = 0, at t = 1 what the camera saw. Blur and noise grow together.
# --8<-- [start:path]
x_0 = astronaut_face(args.size).to(args.device)
least, most = sigma_from_unit_range(0.01), sigma_from_unit_range(0.05)
blurs = {}


def A(t, x):
    """The blur of severity t; none at t = 0."""
    if t == 0:
        return x
    blur = blurs.setdefault(t, GaussianBlur(tuple(x.shape[1:]), std=3.0 * t * args.size / 64))
    return blur(x)


def sigma(t):
    return least * (most / least) ** t
# --8<-- [end:path]


# %% A step from t to s: undo a little of the blur, take away a little of the noise, add a little fresh noise. Here an
# oracle stands for the network: it knows the picture. So what goes wrong is the step's, and not the network's.
# --8<-- [start:step]
def step(y_t, t, s, z, exact):
    increment = A(s, x_0) - A(t, x_0)
    score = (A(t, x_0) - y_t) / sigma(t) ** 2  # of y_t given the picture
    spread = (sigma(t) ** 2 - sigma(s) ** 2) ** 0.5
    if exact:
        spread = spread * sigma(s) / sigma(t)
    return y_t + increment + (sigma(t) ** 2 - sigma(s) ** 2) * score + spread * z


def walk(steps, exact):
    noise = NoiseStream(0, 1, args.device)
    y = A(1.0, x_0) + sigma(1.0) * noise(steps, tuple(x_0.shape))
    path = [y]
    for k in range(steps, 0, -1):
        y = step(y, k / steps, (k - 1) / steps, noise(k - 1, tuple(x_0.shape)), exact)
        path.append(y)
    return path
# --8<-- [end:step]


# %% How much noise is left at the end, over what the paper promises: by Euler's step too much, the more so the fewer
# the steps; with the variance of the exact step as much as there should be.
# --8<-- [start:noise]
found = {}
for steps in sorted({1, 2, 5, 10, 20, args.steps}):
    for exact in (False, True):
        left = walk(steps, exact)[-1] - x_0
        found[steps, exact] = left.square().mean().item() / least**2
    print(f"{steps:3d} steps: noise {found[steps, False]:6.3f} times what is promised", end="; ")
    print(f"with the exact variance {found[steps, True]:.3f}")
# --8<-- [end:noise]

figure = Figure(figsize=(9, 3.8), layout="constrained")
above, below = figure.subfigures(2, 1, height_ratios=[1.1, 1])
path = walk(args.steps, exact=True)
shown = [round(k * args.steps / 5) for k in range(6)]
for axis, k in zip(above.subplots(1, 6), shown, strict=True):
    axis.imshow(to_array(path[k].clamp(-1, 1)))
    axis.set(xticks=[], yticks=[])
    axis.set_title(f"t = {1 - k / args.steps:.1f}", fontsize=9)
axis = below.subplots()
counts = sorted({steps for steps, _ in found})
for exact, name in ((False, "Euler's step, as printed"), (True, "the exact variance")):
    axis.plot(counts, [found[n, exact] for n in counts], marker="o", ms=4, label=name)
axis.axhline(1, color="black", lw=0.8)
axis.set(xscale="log", yscale="log", xlabel="steps", ylabel="noise left / promised")
axis.legend(fontsize=8)
figure.savefig(args.out, dpi=100)
print(f"the picture is written to {args.out}")
