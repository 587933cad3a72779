"""Samples of a prior of portraits against the generator that the portraits come from.

Two questions, on N samples and N portraits of each of two seeds that no training has seen, all as pictures of 8 bits:

- is the kernel inception distance of samples and portraits that of portraits and portraits? (`teachdiff.metrics.kid`,
  on the features of `teachdiff.reader`)
- do as many samples wear glasses, or smile, as portraits do? The reader answers for both, so that what it overlooks it
  overlooks in both; how often it is right is known, because of portraits everything is.

Agreement here is necessary, not enough: a reader sees what it was taught to see.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from teachdiff.checks import check_name
from teachdiff.compare import UNCONDITIONAL
from teachdiff.faces import ATTRIBUTES, portraits, traits
from teachdiff.methods import METHODS
from teachdiff.metrics import Estimate, as_bytes, kid
from teachdiff.noise import sample_seeds
from teachdiff.priors.checkpoints import write
from teachdiff.priors.tensors import read_tensors
from teachdiff.reader import SIZE, load_reader, read
from teachdiff.settings import HELD_OUT

FORMAT = "teachdiff-samples-1"
CHUNK = 20  # samples drawn together, and kept together
WITHIN = 0.05  # the frequencies of samples and portraits shall differ by no more


@dataclass(frozen=True)
class Frequency:
    """How often an attribute is seen.

    Attributes:
        samples, portraits: the shares of N samples and of 2 N portraits in which the reader sees it.
        difference, standard_error: of the two shares, and what chance alone makes of it.
        within: the difference is at most 0.05.
        generator: the share of those portraits that were drawn so.
        right: the share of those portraits of which the reader's answer is true.
    """

    name: str
    samples: float
    portraits: float
    difference: float
    standard_error: float
    within: bool
    generator: float
    right: float


@dataclass(frozen=True)
class Judgement:
    """What came out.

    Attributes:
        count: N.
        kid: of the samples and the portraits of one seed.
        real: of the portraits of another seed and the same ones.
        overlap: the two intervals do.
        attributes: a line for each of `teachdiff.faces.ATTRIBUTES`.
    """

    count: int
    kid: Estimate
    real: Estimate
    overlap: bool
    attributes: list[Frequency]


def judge(samples: Tensor) -> Judgement:
    """N samples (N, 3, 32, 32) in [-1, 1] against the generator of `teachdiff.data.portraits`.

    Raises:
        TypeError, ValueError: no float32 images of that shape, or fewer than 20.
    """
    count, reader = len(samples), load_reader()
    (features, answers), *real = (
        read(reader, seen(x))
        for x in (samples, *(portraits(count, SIZE, seed) for seed in (HELD_OUT, HELD_OUT + 1)))
    )
    of_samples, of_real = kid(features, real[0][0]), kid(real[1][0], real[0][0])
    theirs = torch.cat([yes for _, yes in real])
    truth = torch.cat([traits(count, seed)[0] for seed in (HELD_OUT, HELD_OUT + 1)])
    shares = zip(ATTRIBUTES, answers.T.double(), theirs.T.double(), truth.T.double(), strict=True)
    frequencies = [frequency(*line) for line in shares]
    return Judgement(count, of_samples, of_real, of_samples.overlaps(of_real), frequencies)


def frequency(name: str, samples: Tensor, portraits: Tensor, truth: Tensor) -> Frequency:
    """Of answers 0 or 1: of N samples, of M portraits, and of the generator about those."""
    p, q = samples.mean().item(), portraits.mean().item()
    error = (p * (1 - p) / len(samples) + q * (1 - q) / len(portraits)) ** 0.5
    right = (portraits == truth).double().mean().item()
    return Frequency(name, p, q, p - q, error, abs(p - q) <= WITHIN, truth.mean().item(), right)


def seen(x: Tensor) -> Tensor:
    """As a picture of 8 bits shows them."""
    return as_bytes(x).float() / 127.5 - 1


def draw(
    prior: Any,
    count: int,
    path: str | Path,
    *,
    key: dict[str, Any],
    method: str = "ddim",
    steps: int = 100,
    seed: int = 0,
    device: torch.device | str = "cpu",
    on_step: Callable[[], None] = lambda: None,
) -> Tensor:
    """`count` samples of the prior, kept in a file as they are drawn: float32 (count, 3, 32, 32), rounded to 8 bits.

    Sample i depends on the seed and i alone. What the file holds already is not drawn again, and a later call may ask
    for more.

    Arguments:
        key: what the prior is, for the file; with method, steps and seed it says whether its samples are these.
        on_step: called in every step of every chunk of `CHUNK` samples.

    Raises:
        ValueError: an unknown method, or the file holds other samples.
        FloatingPointError: a chain diverged.
    """
    check_name(method, UNCONDITIONAL, "sampler")
    path = Path(path)
    header = {"format": FORMAT, "method": method, "steps": steps, "seed": seed, **key}
    have = torch.empty(0, 3, SIZE, SIZE, dtype=torch.uint8)
    if path.exists():
        tensors, metadata = read_tensors(path)
        if metadata.get("teachdiff") != json.dumps(header, sort_keys=True):
            raise ValueError(f"{path} holds other samples than these. Move it, or choose another folder.")
        have = tensors["samples"]
    seeds, function = sample_seeds(seed, count), METHODS[method]
    while len(have) < count:
        own = seeds[len(have) : len(have) + CHUNK]
        x = function(
            prior, shape=(len(own), 3, SIZE, SIZE), steps=steps, seed=own, device=device, on_step=lambda *_: on_step()
        )
        have = torch.cat([have, as_bytes(x).cpu()])
        write(path, {"samples": have}, header)
    return have[:count].float() / 127.5 - 1
