"""Total variation by ADMM: what one did before priors were learned. Exact steps by hand, then a photograph.

    python examples/admm_tv.py --task deblur_motion --size 64
"""

# %%
import argparse
import time

import torch

from teachdiff import InverseProblem, make_operator, observe
from teachdiff.data import astronaut_face, save_image
from teachdiff.methods import admm_tv
from teachdiff.methods.admm_tv import lam_from_unit_range
from teachdiff.metrics import psnr
from teachdiff.operators import Identity
from teachdiff.problems import sigma_from_unit_range

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--task", default="deblur_motion")
parser.add_argument("--size", type=int, default=64)
parser.add_argument("--device", default="cpu")
parser.add_argument("--out", default="admm_tv.png")
args = parser.parse_args()

# %% A corner pixel 1 above a flat picture. Its two differences cost sqrt(2) as a pair, 2 one by one: so the pixel sinks
# by lambda sqrt(2) or by 2 lambda. Total variation always loses contrast; the wider a region, the less.
y = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
y[..., 0, 0] = 1
corner = InverseProblem(Identity((1, 4, 4)), y, sigma=0.0)
for penalty in ("isotropic", "anisotropic"):
    x = admm_tv(None, corner, lam=0.1, penalty=penalty, iterations=500, tolerance=1e-8)
    print(f"{penalty:12s} the corner falls from 1 to {x[0, 0, 0, 0].item():.4f}")

# %% A photograph. The published weight is 2e-2 for [0, 1] images. No network is asked.
lam = lam_from_unit_range(2e-2)
truth = astronaut_face(args.size).to(args.device)
camera = make_operator(args.task, tuple(truth.shape[1:]))
problem = observe(camera, truth, sigma=sigma_from_unit_range(0.05))
before = psnr(camera.picture(problem.y).clamp(-1, 1), truth).item()
print(f"{'measurement':24s} {before:5.2f} dB")
for penalty in ("tikhonov", "anisotropic", "isotropic"):
    rounds = []
    begun = time.perf_counter()
    restored = admm_tv(None, problem, lam=lam, penalty=penalty, on_step=lambda k, x, z, rounds=rounds: rounds.append(k))
    seconds = time.perf_counter() - begun
    score = psnr(restored.clamp(-1, 1), truth).item()
    print(f"{penalty:24s} {score:5.2f} dB after {len(rounds):3d} rounds, {seconds:5.2f} s")
save_image(args.out, torch.cat([truth, camera.picture(problem.y).clamp(-1, 1), restored.clamp(-1, 1)], dim=3))
print(f"{args.task}, lambda = {lam}; the truth, the measurement and the last are written to {args.out}")
