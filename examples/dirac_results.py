"""Dirac measured: what it gains and costs along its path, with every figure of docs/methods/dirac.md.

    python examples/dirac_results.py --count 48 --ablations runs --out docs/assets

It restores held-out portraits with the bundled restorers, writes dirac-*.png and prints the figures behind them.
`--ablations` is the folder of the runs of configs/ablation_*.toml; without it their comparison is left out.

Detail is the energy of an image's differences of neighbours over the truth's: 1 is as much as the truth has, less is
smoother. KID, in the comparison of methods alone, is `teachdiff.metrics.kid` to as many other portraits on the features
of `teachdiff.reader`, a small network that reads off a portrait what it was drawn from; it needs 20 portraits. They
stand in for LPIPS, whose weights do not come along.
"""

# %%
import argparse
import time
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from teachdiff import load_prior, observe
from teachdiff.data import portraits
from teachdiff.judge import seen
from teachdiff.methods import dirac
from teachdiff.metrics import consistency, kid, psnr
from teachdiff.priors.restorer import load_restorer
from teachdiff.reader import load_reader, read
from teachdiff.scheduling import choose_path
from teachdiff.settings import HELD_OUT, VALIDATION

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--count", type=int, default=20, help="portraits; KID needs 20")
parser.add_argument("--steps", type=int, default=50, help="of the path")
parser.add_argument(
    "--only", default="", help="some of path,evaluations,guidance,steps,schedules,std,methods,ablations"
)
parser.add_argument("--ablations", type=Path)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", type=Path, default=Path("dirac"))
args = parser.parse_args()
args.out.mkdir(parents=True, exist_ok=True)
TASKS = {"deblur_gaussian": "deblurring", "inpaint_smooth": "inpainting"}
wanted = [part for part in args.only.split(",") if part]

restorers = {task: load_restorer(f"dirac_portraits_{task}", args.device) for task in TASKS}
prior = load_prior("portraits", args.device)
truth = portraits(args.count, 32, seed=HELD_OUT).to(args.device)
# The measurements of `teachdiff compare`: each task's own operator, sigma = 0.05 in [0, 1] units.
problems = {task: observe(r.degradation.operator(1.0), truth, 0.1) for task, r in restorers.items()}


def distance(x):
    """KID of images (N, 3, 32, 32), with its 95 % interval, in words."""
    if len(x) < 20:
        return "KID needs 20 images"
    others = portraits(len(x), 32, seed=HELD_OUT + 1).to(x)
    e = kid(*(read(load_reader().to(x.device), seen(v))[0] for v in (x, others)))
    return f"KID {e.value:.0f} ({e.low:.0f} to {e.high:.0f})"


def energy(x):
    """Sum of squared differences of neighbours, (N,)."""
    return sum(x.diff(dim=d).square().sum((1, 2, 3)) for d in (2, 3))


def quality(x, problem):
    """PSNR, consistency and detail, means over the images."""
    x = x.clamp(-1, 1)
    each = psnr(x, truth), consistency(problem, x), energy(x) / energy(truth)
    return tuple(v.mean().item() for v in each)


def plot(name, panels, x_label, **scales):
    """One panel per quantity, one line per task: panels[quantity][label] = (x, y)."""
    figure, axes = plt.subplots(1, len(panels), figsize=(3.6 * len(panels), 2.9), layout="constrained")
    for axis, (quantity, lines) in zip(axes, panels.items(), strict=True):
        for label, (x, y) in lines.items():
            axis.plot(x, y, marker=".", label=label)
        axis.set(xlabel=x_label, ylabel=quantity, **scales)
        if quantity.startswith("consistency"):
            axis.axhspan(0.8, 1.05, color="0.9")
            axis.axhline(1.0, color="0.6", linewidth=0.8)
    axes[0].legend(fontsize=8)
    figure.savefig(args.out / f"dirac-{name}.png", dpi=90)
    plt.close(figure)
    print(f"wrote dirac-{name}.png")


def part(name):
    """Whether a part is wanted; says so."""
    if wanted and name not in wanted:
        return False
    print(f"\n{name}, {args.count} portraits", flush=True)
    return True


QUANTITIES = ("PSNR, dB", "consistency", "detail")
print(f"{args.count} held-out portraits themselves: {distance(truth)}")

# %% The path: what each prediction on the way is worth. Distortion is best near t = 1; detail comes further down.
if part("path"):
    panels = {q: {} for q in QUANTITIES}
    for task, label in TASKS.items():
        rows = []
        dirac(
            restorers[task], problems[task], steps=args.steps,
            on_step=lambda k, y_t, x0_hat, task=task, rows=rows: rows.append(
                (k / args.steps, *quality(x0_hat, problems[task]))
            ),
        )  # fmt: skip
        t = [row[0] for row in rows]
        for i, q in enumerate(QUANTITIES):
            panels[q][label] = t, [row[i + 1] for row in rows]
        for row in rows[:: max(1, len(rows) // 10)] + rows[-1:]:
            print(f"{label:11s} t = {row[0]:.2f}: {row[1]:.2f} dB, consistency {row[2]:.3f}, detail {row[3]:.2f}")
        print(f"{label:11s} consistency lies in {min(r[2] for r in rows):.3f}..{max(r[2] for r in rows):.3f}")
    plot("path", panels, "t", xlim=(1, 0))

# %% Evaluations: one network call is the best PSNR; more buy texture.
if part("evaluations"):
    counts = [n for n in (1, 2, 5, 10, 20, 50) if n <= args.steps]
    panels = {q: {} for q in QUANTITIES}
    for task, label in TASKS.items():
        rows = [quality(dirac(restorers[task], problems[task], steps=n), problems[task]) for n in counts]
        for i, q in enumerate(QUANTITIES):
            panels[q][label] = counts, [row[i] for row in rows]
        for n, row in zip(counts, rows, strict=True):
            print(f"{label:11s} {n:3d} evaluations: {row[0]:.2f} dB, consistency {row[1]:.3f}, detail {row[2]:.2f}")
    plot("evaluations", panels, "evaluations", xscale="log")

# %% Guidance: both scales, from nothing to too much.
if part("guidance"):
    scans = {"std": (0.0, 0.25, 1.0, 4.0), "error": (0.0, 4.0, 32.0, 256.0)}
    panels = {q: {} for q in QUANTITIES}
    for task, label in TASKS.items():
        for scaled, etas in scans.items():
            rows = []
            for eta in etas:
                x = dirac(restorers[task], problems[task], steps=min(10, args.steps), guidance=scaled, eta=eta)
                rows.append(quality(x, problems[task]))
                print(
                    f"{label:11s} {scaled:5s} eta = {eta:<5g}: {rows[-1][0]:.2f} dB, consistency {rows[-1][1]:.3f}, "
                    f"detail {rows[-1][2]:.2f}",
                    flush=True,
                )
            for i, q in enumerate(QUANTITIES):
                panels[q][f"{label}, {scaled}"] = etas, [row[i] for row in rows]
    plot("guidance", panels, "eta", xscale="symlog")

# %% The step's details: how the increment is guessed, and which noise is drawn.
if part("steps"):
    for task, label in TASKS.items():
        for kind in (
            {}, {"delta": 0.25}, {"increment": "back"}, {"increment": "back", "delta": 0.25}, {"variance": "euler"},
        ):  # fmt: skip
            row = quality(dirac(restorers[task], problems[task], steps=min(10, args.steps), **kind), problems[task])
            said = ", ".join(f"{k}={v}" for k, v in kind.items()) or "look-ahead, exact noise"
            print(f"{label:11s} {said:28s}: {row[0]:.2f} dB, consistency {row[1]:.3f}, detail {row[2]:.2f}")

# %% Schedules: the same network, walked through other severities than evenly spaced ones.
class Rescheduled:
    """A restorer asked at the times p(t): both its operator and its noise follow."""

    def __init__(self, restorer, path):
        self._restorer, self._times = restorer, path
        self.degradation = self
        self.input_shape = restorer.degradation.input_shape

    def _p(self, t):
        return float(np.interp(t, np.linspace(0, 1, len(self._times)), self._times))

    def __call__(self, x, t):
        return self._restorer.degradation(x, self._p(t))

    def sigma(self, t):
        return self._restorer.degradation.sigma(self._p(t))

    def predict(self, y_t, t):
        return self._restorer.predict(y_t, self._p(t)).clamp(-1, 1)


if part("schedules"):
    images, steps = portraits(8, 32, seed=VALIDATION).to(args.device), min(10, args.steps)
    for task, label in TASKS.items():
        for choice in ("even", "greedy", "optimal"):
            even = [k / steps for k in range(steps + 1)]
            A = restorers[task].degradation
            path = even if choice == "even" else choose_path(A, images, steps, choice=choice)
            row = quality(dirac(Rescheduled(restorers[task], path), problems[task], steps=steps), problems[task])
            steps_of = [(A(images, b) - A(images, a)).square().mean().sqrt().item() for a, b in pairwise(path)]
            print(
                f"{label:11s} {choice:8s} {steps} steps, the largest {max(steps_of):.4f}: {row[0]:.2f} dB, "
                f"consistency {row[1]:.3f}, detail {row[2]:.2f}"
            )

# %% What the samples disagree on: pixelwise standard deviation over samples of one measurement.
if part("std"):
    many, chosen = max(2, min(16, args.count)), 0
    figure, axes = plt.subplots(2, 6, figsize=(9, 3.2), layout="constrained")
    for row_of, (task, label) in zip(axes, TASKS.items(), strict=True):
        y = problems[task].y[chosen : chosen + 1].expand(many, -1, -1, -1).contiguous()
        repeated = type(problems[task])(problems[task].operator, y, 0.1)
        x = dirac(restorers[task], repeated, steps=args.steps, seed=1).clamp(-1, 1)
        spread, error = x.std(0).mean(0), (x.mean(0) - truth[chosen]).abs().mean(0)
        print(f"{label:11s} {many} samples of one portrait: mean std {spread.mean():.4f}, largest {spread.max():.4f}")
        shown = (truth[chosen], y[0], x[0], x.mean(0))
        for axis, picture in zip(row_of, shown, strict=False):
            axis.imshow(((picture.clamp(-1, 1) + 1) / 2).permute(1, 2, 0).cpu())
        for axis, picture in zip(row_of[4:], (spread, error), strict=True):
            axis.imshow(picture.cpu(), cmap="inferno", vmin=0, vmax=float(max(spread.max(), error.max())))
    for axis, title in zip(axes[0], ("truth", "measurement", "sample", "mean", "std", "|mean - truth|"), strict=True):
        axis.set_title(title, fontsize=9)
    for axis in axes.flat:
        axis.axis("off")
    figure.savefig(args.out / "dirac-std.png", dpi=90)
    plt.close(figure)
    print("wrote dirac-std.png")

# %% Against the methods with a prior, on the same measurements, each with its tuned options.
if part("methods"):
    from teachdiff.compare import restore

    for task, label in TASKS.items():
        runs = {
            "dirac, distortion": ("dirac", {"until": 1.0}),
            "dirac, perception": ("dirac", {}),
            **{name: (name, {}) for name in ("ddrm", "dps", "pnp_admm", "admm_tv")},
        }
        for name, (method, options) in runs.items():
            model = restorers[task] if method in ("dirac",) else prior
            begun = time.perf_counter()
            done = restore(model, problems[task], method, task, steps=2 * args.steps, **options)
            seconds = (time.perf_counter() - begun) / args.count
            p, c, k = quality(done.x0, problems[task])
            print(
                f"{label:11s} {name:18s}: {p:.2f} dB, consistency {c:.3f}, detail {k:.2f}, {distance(done.x0)}, "
                f"{done.evaluations} evaluations, {seconds:.2f} s an image",
                flush=True,
            )

# %% What the loss does: a restorer of every severity beside a regressor of one, and denoising alone.
if args.ablations and part("ablations"):
    pairs = {
        "ablation_deblur_regressor": "deblur_gaussian",
        "ablation_inpaint_regressor": "inpaint_smooth",
        "ablation_inpaint_denoising": "inpaint_smooth",
        "ablation_inpaint_delta": "inpaint_smooth",
    }
    for name, task in pairs.items():
        other = load_restorer(args.ablations / name / f"{name}.safetensors", args.device)
        for steps in (1,) if "regressor" in name else (1, 10, args.steps):
            both = [dirac(r, problems[task], steps=steps).clamp(-1, 1) for r in (other, restorers[task])]
            theirs, ours = (psnr(x, truth) for x in both)
            gain = ours - theirs
            print(
                f"{name:27s} {steps:3d} evaluations: {theirs.mean():.2f} dB; bundled {ours.mean():.2f} dB, "
                f"a difference of {gain.mean():+.2f} +- {gain.std() / args.count**0.5:.2f}",
                flush=True,
            )
    # A regressor's one evaluation against the best that ten evaluations of the bundled restorer give.
    for task, label in TASKS.items():
        few = [psnr(dirac(restorers[task], problems[task], steps=n).clamp(-1, 1), truth).mean() for n in range(1, 11)]
        print(f"{label:11s} best of 1 to 10 evaluations: {max(few):.2f} dB with {1 + int(np.argmax(few))}")
