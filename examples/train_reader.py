"""Train the reader of portraits, the network behind `teachdiff judge`, and say how well it reads.

    python examples/train_reader.py --out reader.safetensors

Two or three minutes of one core. Everything follows from the seed, on one kind of machine.
"""

# %%
import argparse

import torch

from teachdiff.data import portraits
from teachdiff.faces import ATTRIBUTES, traits
from teachdiff.reader import load_reader, read, save_reader, train_reader
from teachdiff.settings import HELD_OUT

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", default="reader.safetensors")
parser.add_argument("--steps", type=int, default=2000)
parser.add_argument("--faces", type=int, default=16_384, help="to learn from")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--count", type=int, default=2000, help="held-out portraits to read")
args = parser.parse_args()

# %% Another thread would round otherwise.
torch.set_num_threads(1)
save_reader(args.out, train_reader(args.steps, faces=args.faces, seed=args.seed))

# %% How often it is right, and how often the more frequent answer would be.
_, answers = read(load_reader(args.out), portraits(args.count, 32, HELD_OUT))
truth, _ = traits(args.count, HELD_OUT)
for i, name in enumerate(ATTRIBUTES):
    right = (answers[:, i] == truth[:, i]).double().mean().item()
    share = truth[:, i].double().mean().item()
    print(f"{name:10s}  right {right:.3f}, by guessing {max(share, 1 - share):.3f}")
