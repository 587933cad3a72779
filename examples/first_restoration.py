"""Restore a photograph in six lines: degrade a face, put DPS to work, measure what came out.

    python examples/first_restoration.py --task inpaint_box --size 64 --steps 100
"""

# %% What to do: every option has a default that takes a few seconds on a laptop.
import argparse

from teachdiff import load_prior, make_operator, observe
from teachdiff.data import astronaut_face, save_image
from teachdiff.methods import dps
from teachdiff.metrics import psnr
from teachdiff.problems import sigma_from_unit_range

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--task", default="inpaint_random")
parser.add_argument("--prior", default="photos")
parser.add_argument("--size", type=int, default=64)
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="restored.png")
args = parser.parse_args()

# %% The truth, the camera, and what the camera saw. Noise of 0.05 in [0, 1] units is 0.1 in ours.
truth = astronaut_face(args.size).to(args.device)
camera = make_operator(args.task, tuple(truth.shape[1:]))
problem = observe(camera, truth, sigma=sigma_from_unit_range(0.05))

# %% The prior never saw this face, nor this kind of damage. DPS brings the two together: each step moves x_t
# against the gradient of |y - A x0_hat(x_t)|, which flows through the network.
prior = load_prior(args.prior, args.device)
restored = dps(prior, problem, zeta=3.0, steps=args.steps, seed=0)

# %% The answer is one sample of what the picture may have been; another seed gives another.
before = psnr(camera.picture(problem.y).clamp(-1, 1), truth).item()
after = psnr(restored.clamp(-1, 1), truth).item()
print(f"{args.task}: measurement {before:.2f} dB, restored {after:.2f} dB, written to {args.out}")
save_image(args.out, restored.clamp(-1, 1))
