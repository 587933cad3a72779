r"""Samples of a prior of portraits against the generator that the portraits come from.

Two questions, on N samples and N portraits of each of two seeds that no training has seen, all as pictures of 8 bits:

- is the kernel inception distance of samples and portraits that of portraits and portraits? (`teachdiff.metrics.kid`,
  on the features of `teachdiff.reader`)
- do as many samples wear glasses, or smile, as portraits do? The reader answers for both. How often it is right is
  known, because of portraits everything is, and the difference is corrected for it:

.. math::
    p = \mathrm{power}\cdot\pi + P(\mathrm{yes} \mid \mathrm{not}), \qquad
    \pi_\mathrm{samples} - \pi_\mathrm{portraits} = (p_\mathrm{samples} - p_\mathrm{portraits}) / \mathrm{power}

with the share seen p, the share there :math:`\pi`, and the power P(yes | so) - P(yes | not).

Agreement here is necessary, not enough: a reader sees what it was taught to see.

Source of the correction: Rogan and Gladen, "Estimating prevalence from the results of a screening test", 1978.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
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
from teachdiff.shards import ALONE, Shard

FORMAT = "teachdiff-samples-2"
CHUNK = 20  # samples drawn together, and kept together
WITHIN = 0.05  # the frequencies of samples and portraits shall differ by no more


@dataclass(frozen=True)
class Frequency:
    """How often an attribute is seen.

    Attributes:
        samples, portraits: the shares of N samples and of 2 N portraits in which the reader sees it.
        generator: the share of those portraits that were drawn so.
        power: how much more often it is seen in portraits that were drawn so than in the others: 1 where the reader
            is always right, 0 where it guesses.
        difference, standard_error: samples - portraits, and what chance makes of it, both divided by the power: the
            difference of what is there, not of what is seen.
        within: the difference is at most 0.05.
    """

    name: str
    samples: float
    portraits: float
    generator: float
    power: float
    difference: float
    standard_error: float
    within: bool


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
    """N samples (N, 3, 32, 32) in [-1, 1], on any device, against the generator of `teachdiff.data.portraits`.

    Raises:
        TypeError, ValueError: no float32 images of that shape, or fewer than 20.
    """
    features, answers = read(load_reader(), seen(samples).cpu())
    one, other, theirs, truth = generated(len(samples))
    of_samples, of_real = kid(features, one), kid(other, one)
    shares = zip(ATTRIBUTES, answers.T.double(), theirs.T.double(), truth.T.double(), strict=True)
    frequencies = [frequency(*line) for line in shares]
    return Judgement(len(samples), of_samples, of_real, of_samples.overlaps(of_real), frequencies)


@lru_cache(maxsize=2)
def generated(count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The features of portraits of one seed, and of another; of all of them the reader's answers, and the truth."""
    seeds = (HELD_OUT, HELD_OUT + 1)
    (one, yes), (other, more) = (read(load_reader(), seen(portraits(count, SIZE, seed))) for seed in seeds)
    return one, other, torch.cat([yes, more]), torch.cat([traits(count, seed)[0] for seed in seeds])


def frequency(name: str, samples: Tensor, portraits: Tensor, truth: Tensor) -> Frequency:
    """Of answers 0 or 1: of N samples, of M portraits, and of the generator about those."""
    p, q, share = (x.mean().item() for x in (samples, portraits, truth))
    power = (portraits[truth == 1].mean() - portraits[truth == 0].mean()).item()
    difference = (p - q) / power
    error = (p * (1 - p) / len(samples) + q * (1 - q) / len(portraits)) ** 0.5 / power
    return Frequency(name, p, q, share, power, difference, error, abs(difference) <= WITHIN)


def seen(x: Tensor) -> Tensor:
    """As a picture of 8 bits shows them."""
    return as_bytes(x).float() / 127.5 - 1


def draw(
    prior: Any,
    count: int,
    folder: str | Path,
    *,
    key: dict[str, Any],
    method: str = "ddim",
    steps: int = 100,
    seed: int = 0,
    device: torch.device | str = "cpu",
    shard: Shard = ALONE,
    on_step: Callable[[], None] = lambda: None,
) -> Tensor:
    """`count` samples of the prior, float32 (count, 3, 32, 32), rounded to 8 bits.

    They are drawn in chunks of `CHUNK`, each kept in a file of the folder as soon as it is done. Sample i depends on
    the seed and i alone: what is there is not drawn again, a later call may ask for more, and process r of n draws
    the chunks i with i mod n = r.

    Arguments:
        key: what the prior is, for the files; with method, steps and seed it says whether their samples are these.
        shard: this process among several; each returns all samples.
        on_step: called in every step of every chunk that is drawn here.

    Raises:
        ValueError: an unknown method, or the folder holds other samples.
        FloatingPointError: a chain diverged.
    """
    check_name(method, UNCONDITIONAL, "sampler")
    header = {"format": FORMAT, "method": method, "steps": steps, "seed": seed, **key}
    files = [Path(folder) / f"{first:06}.safetensors" for first in range(0, count, CHUNK)]
    seeds = sample_seeds(seed, CHUNK * len(files))
    function: Any = METHODS[method]
    for i, file in enumerate(files):
        if file.exists():
            kept(file, header)
        elif shard.has(i):
            own = seeds[CHUNK * i : CHUNK * (i + 1)]
            x = function(
                prior, shape=(CHUNK, 3, SIZE, SIZE), steps=steps, seed=own, device=device, on_step=lambda *_: on_step()
            )
            write(file, {"samples": as_bytes(x).cpu()}, header)
    shard.wait()
    return torch.cat([kept(file, header) for file in files])[:count].float() / 127.5 - 1


def kept(file: Path, header: dict[str, Any]) -> Tensor:
    """The samples of a chunk's file, uint8, if they are those of the header."""
    tensors, metadata = read_tensors(file)
    if metadata.get("teachdiff") != json.dumps(header, sort_keys=True):
        raise ValueError(f"{file} holds other samples than these. Move its folder, or choose another.")
    return tensors["samples"]
