"""Learn, 4. Inverse problems: what a measurement says, what it keeps silent about, and which way it pulls.

    python examples/learn_inverse.py --size 64 --out learn_inverse.png
"""

# %%
import argparse

from matplotlib.figure import Figure

from teachdiff import make_operator, observe
from teachdiff.data import astronaut_face, photographs, to_array
from teachdiff.problems import sigma_from_unit_range

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--size", type=int, default=64)
parser.add_argument("--sigma", type=float, default=0.05, help="of the noise, in [0, 1] units")
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="learn_inverse.png")
args = parser.parse_args()

# %% The same face before four cameras. Another picture, a cat, lends what each camera cannot see.
# --8<-- [start:cameras]
x = astronaut_face(args.size).to(args.device)
cat = photographs(["cat"], args.size)["cat"].to(args.device)
sigma = sigma_from_unit_range(args.sigma)  # 0.05 for images in [0, 1] is 0.1 for ours in [-1, 1]

rows = {"truth": [], "measured": [], "pseudo-inverse": [], "also explains it": []}
for task in (tasks := ("inpaint_random", "deblur_gaussian", "sr4", "colorize")):
    A = make_operator(task, tuple(x.shape[1:]))
    problem = observe(A, x, sigma)
    difference = cat - x
    told = A.adjoint(A.resolvent(A(difference), (sigma / 10) ** 2, 1.0))  # what the measurement can tell of it
    other = x + difference - told
    apart, gap = (v.square().mean().item() ** 0.5 / sigma for v in (other - x, A(other) - A(x)))
    print(f"{task:16s} the two pictures lie {apart:.1f} sigma apart, their measurements {gap:.2f} sigma")
    for name, image in zip(rows, (x, A.picture(problem.y), A.pinv(problem.y), other), strict=True):
        rows[name].append(image)
# --8<-- [end:cameras]

# %% The likelihood's score at a picture: by how much, and which way, the measurement pulls. As printed it pushes away.
# --8<-- [start:score]
A = make_operator("deblur_gaussian", tuple(x.shape[1:]))
problem = observe(A, x, sigma)
start = A.picture(problem.y)


def misfit(picture):
    return problem.residual(picture).square().sum().item() / (2 * sigma**2)


score = A.adjoint(problem.y - A(start)) / sigma**2  # the gradient of log N(y; A x, sigma^2 I)
step = 0.5 * sigma**2
print(f"misfit of the blurred picture {misfit(start):.0f}", end=", ")
print(f"one step along the score {misfit(start + step * score):.0f}", end=", ")
print(f"one step along the printed one {misfit(start - step * score):.0f}")
# --8<-- [end:score]

figure = Figure(figsize=(9, 9), layout="constrained")
for row, (name, images) in enumerate(rows.items()):
    for column, (task, image) in enumerate(zip(tasks, images, strict=True)):
        axis = figure.add_subplot(4, 4, 1 + column + 4 * row)
        axis.imshow(to_array(image.clamp(-1, 1)))
        axis.set(xticks=[], yticks=[], title=task if row == 0 else "", ylabel=name if column == 0 else "")
figure.savefig(args.out, dpi=80)
print(f"the picture is written to {args.out}")
