"""Where the randomness comes from: one stream per sample, so that batching changes nothing.

A source of noise is any function `noise(t, shape) -> Tensor`. `t` names the noise level that the
draw lands on: T (or SDEdit's t*) is the start, any other t the draw that makes x_t. A test hands
in recorded noise instead of a `NoiseStream`.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Noise = Callable[[int, tuple[int, ...]], Tensor]


def sample_seeds(seed: int | Sequence[int], batch: int) -> list[int]:
    """One seed per sample: sample i of `seed` gets the first word of `SeedSequence([seed, i])`.

    A list is taken as it is, so `sample_seeds(0, 8)[4:]` makes the second half of a batch of
    eight on its own, with the same result.

    Raises:
        TypeError, ValueError: a seed that is no integer of 0 or more, or a list of another length.
    """
    if isinstance(seed, int | np.integer) and not isinstance(seed, bool):
        if seed < 0:
            raise ValueError(f"seed must be 0 or more; got {seed}.")
        return [int(np.random.SeedSequence([int(seed), i]).generate_state(1)[0]) for i in range(batch)]
    if isinstance(seed, str | bytes | bool | float) or not isinstance(seed, Sequence | np.ndarray):
        raise TypeError(f"seed must be an integer or one integer per sample; got {seed!r}.")
    if len(seed) != batch:
        raise ValueError(f"a list of seeds needs one per sample; got {len(seed)} for a batch of {batch}.")
    if any(isinstance(s, bool) or not isinstance(s, int | np.integer) or s < 0 for s in seed):
        raise ValueError(f"each seed must be an integer of 0 or more; got {list(seed)}.")
    return [int(s) for s in seed]


class NoiseStream:
    """Standard normal noise, one generator per sample, on the device where it is used.

    Arguments:
        seed: one integer for the batch, or one per sample (see `sample_seeds`).
        batch: number of samples.
        device, dtype: of the draws.

    The same seed gives the same numbers on the same kind of device and in the same dtype.
    """

    def __init__(
        self,
        seed: int | Sequence[int],
        batch: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.device, self.dtype = torch.device(device), dtype
        self.generators = [torch.Generator(self.device).manual_seed(s) for s in sample_seeds(seed, batch)]

    def __call__(self, t: int, shape: tuple[int, ...]) -> Tensor:
        if shape[0] != len(self.generators):
            raise ValueError(f"this stream is for {len(self.generators)} samples; asked for shape {tuple(shape)}.")
        draws = [
            torch.randn(tuple(shape[1:]), generator=g, device=self.device, dtype=self.dtype) for g in self.generators
        ]
        return torch.stack(draws)
