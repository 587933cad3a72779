"""One stream per sample: batching changes nothing."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachdiff.noise import NoiseStream, sample_seeds

seeds = st.integers(0, 2**40)


@given(seeds, st.integers(2, 6), st.data())
def test_a_sample_does_not_depend_on_the_rest_of_the_batch(seed, batch, data):
    split = data.draw(st.integers(1, batch - 1))
    whole = NoiseStream(seed, batch, dtype=torch.float64)
    listed = sample_seeds(seed, batch)
    parts = [NoiseStream(s, len(s), dtype=torch.float64) for s in (listed[:split], listed[split:])]
    for t in (9, 5, 1):
        expected = torch.cat([part(t, (len(part.generators), 1, 2, 3)) for part in parts])
        assert torch.equal(whole(t, (batch, 1, 2, 3)), expected)


@given(seeds)
def test_samples_draws_and_seeds_differ(seed):
    stream = NoiseStream(seed, 2)
    first, second = stream(2, (2, 1, 4, 4)), stream(1, (2, 1, 4, 4))
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, second)
    assert not torch.equal(first, NoiseStream(seed + 1, 2)(2, (2, 1, 4, 4)))
    assert torch.equal(first, NoiseStream(seed, 2)(2, (2, 1, 4, 4)))


def test_seed_zero_is_a_seed():
    assert torch.equal(NoiseStream(0, 1)(1, (1, 1, 2, 2)), NoiseStream(0, 1)(1, (1, 1, 2, 2)))
    assert sample_seeds(0, 2) != sample_seeds(1, 2)


def test_the_noise_is_standard_normal():
    z = NoiseStream(3, 4)(1, (4, 1, 100, 100))
    n = z.numel()  # five standard errors: fails for a right stream less than once in a million seeds
    assert abs(z.mean().item()) < 5 / n**0.5
    assert abs(z.var().item() - 1) < 5 * (2 / n) ** 0.5


def test_seeds_from_numpy_are_seeds():
    assert sample_seeds(np.int64(7), 2) == sample_seeds(7, 2)
    assert sample_seeds(np.array([4, 5]), 2) == [4, 5]


@pytest.mark.parametrize(
    ("seed", "error"),
    [(-1, ValueError), (1.5, TypeError), ("1", TypeError), (True, TypeError), (None, TypeError), ([1], ValueError),
     ([1, -2], ValueError), ([1, 2.0], ValueError)],
    ids=repr,
)  # fmt: skip
def test_bad_seeds_are_named(seed, error):
    with pytest.raises(error, match="seed"):
        sample_seeds(seed, 2)


def test_another_batch_size_is_an_error():
    with pytest.raises(ValueError, match="2 samples"):
        NoiseStream(0, 2)(1, (3, 1, 2, 2))
