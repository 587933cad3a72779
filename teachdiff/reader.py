"""A small network that reads off a portrait what it was drawn from: the eyes of `teachdiff judge`.

    picture (B, 3, 32, 32) -> features (B, 64) -> six answers yes or no, and 38 numbers

The answers say how often samples wear glasses, or smile. The features, which know places, sizes and colours too, are
what the kernel inception distance is computed on: of portraits everything is known, so nothing has to be borrowed
from a network of photographs. What no portrait varies in, the reader was never asked: that the two eyes agree, say.

The loss is three times the mean cross-entropy of the answers plus the mean squared error of the numbers, whose
variance is 1.
"""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from teachdiff.checks import check_images
from teachdiff.faces import ATTRIBUTES, portraits, traits
from teachdiff.priors.checkpoints import write
from teachdiff.priors.tensors import load_strictly, read_tensors

FORMAT = "teachdiff-reader-1"
BUNDLED = Path(__file__).with_name("reader.safetensors")
SIZE = 32
FEATURES = 64
NUMBERS = traits(1)[1].shape[1]


class Reader(nn.Module):
    """`features(x)`: (B, 3, 32, 32) -> (B, 64); `forward(x)`: the logits of the answers and the numbers."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        plan = ((3, 32, 4, 2), (32, 64, 3, 1), (64, 96, 3, 2), (96, 96, 3, 1), (96, 32, 1, 1))
        for c_in, c_out, width, stride in plan:
            layers += [nn.Conv2d(c_in, c_out, width, stride, width // 3), nn.GroupNorm(8, c_out), nn.SiLU()]
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * (SIZE // 4) ** 2, FEATURES))
        self.head = nn.Linear(FEATURES, len(ATTRIBUTES) + NUMBERS)

    def features(self, x: Tensor) -> Tensor:
        return F.silu(self.body(x))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        answers = self.head(self.features(x))
        return answers[:, : len(ATTRIBUTES)], answers[:, len(ATTRIBUTES) :]


def train_reader(
    steps: int = 2000,
    *,
    batch: int = 32,
    faces: int = 16_384,
    seed: int = 0,
    on_step: Callable[[int, float], None] | None = None,
) -> Reader:
    """Train one on so many portraits, with a rate that falls along a cosine. Everything follows from the seed.

    Raises:
        ValueError: steps, batch or faces below 1, or a negative seed.
    """
    if min(steps, batch, faces) < 1:
        raise ValueError(f"steps, batch and faces must be 1 or more; got {steps}, {batch} and {faces}.")
    rng = np.random.default_rng(seed)
    own = int(rng.integers(2**62))  # a seed of portraits that no figure is stated for
    images, (yes, numbers) = portraits(faces, SIZE, own), traits(faces, own)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Reader()
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        drawn = torch.from_numpy(rng.integers(faces, size=batch))
        answers, guesses = network(images[drawn])
        wrong = F.binary_cross_entropy_with_logits(answers, yes[drawn].float())
        loss = 3 * wrong + F.mse_loss(guesses, numbers[drawn])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if on_step:
            on_step(step + 1, loss.item())
    return network.requires_grad_(False).eval()


def save_reader(path: str | Path, network: Reader) -> None:
    """Write the weights, rounded to float16."""
    write(path, {k: v.half() for k, v in network.state_dict().items()}, {"format": FORMAT})


@cache
def load_reader(path: str | Path = BUNDLED) -> Reader:
    """The reader that comes along, or another, in float32.

    Raises:
        ValueError: the file is no reader, or damaged.
    """
    tensors, metadata = read_tensors(Path(path))
    if json.loads(metadata.get("teachdiff", "{}")).get("format") != FORMAT:
        raise ValueError(f"{path} holds no reader of portraits ({FORMAT}).")
    network = Reader()
    load_strictly(network, tensors, Path(path))
    return network.requires_grad_(False).eval()


def read(network: Reader, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features (B, 64) in float64, and the answers yes or no, bool (B, 6) in the order of `ATTRIBUTES`.

    Raises:
        TypeError, ValueError: no float32 images of 3 x 32 x 32.
    """
    check_images(images, "the portraits", shape=(3, SIZE, SIZE), dtype=torch.float32)
    with torch.no_grad():
        found = [network.features(part) for part in images.split(64)]
        features = torch.cat(found)
        answers = network.head(features)[:, : len(ATTRIBUTES)]
    return features.double(), answers > 0
