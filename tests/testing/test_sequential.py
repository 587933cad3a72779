"""The sequential test of means: its two error rates, by simulation of many tests."""

import pytest
import torch

from teachdiff.testing.core import LawBroken
from teachdiff.testing.sequential import STAGES, half_width, means_agree

EXPECTED = torch.tensor([0.5, -1.0], dtype=torch.float64)
SLACK = 0.15


def sampler(bias: float, seed: int, std: float = 2.0):
    generator = torch.Generator().manual_seed(seed)
    shift = torch.tensor([0.0, bias * std], dtype=torch.float64)

    def sample(n, stage):
        return EXPECTED + shift + std * torch.randn(n, 2, generator=generator, dtype=torch.float64)

    return sample


def broken(bias: float, seed: int) -> bool:
    try:
        means_agree(sampler(bias, seed), EXPECTED, "mean", SLACK)
    except LawBroken:
        return True
    return False


@pytest.mark.parametrize("bias", [0.0, SLACK])
def test_no_false_alarm_up_to_the_slack(bias):
    assert not any(broken(bias, seed) for seed in range(200))


def test_the_stated_bias_is_always_caught():
    stated = SLACK + 2 * half_width(2, STAGES[-1])
    assert stated < 0.32
    assert all(broken(sign * stated, seed) for seed in range(100) for sign in (1, -1))


def test_it_stops_early_where_it_can():
    asked = []

    def counting(bias):
        inner = sampler(bias, 0)
        asked.clear()

        def sample(n, stage):
            asked.append(n)
            return inner(n, stage)

        return sample

    with pytest.raises(LawBroken):
        means_agree(counting(5.0), EXPECTED, "mean", SLACK)
    assert asked == [STAGES[0]]
    means_agree(counting(0.0), EXPECTED, "mean", SLACK)
    assert sum(asked) <= STAGES[-1]


def test_the_message_has_both_numbers_and_nan_is_broken():
    with pytest.raises(LawBroken, match=r"mean \(256 samples, false alarms 1e-05\)") as caught:
        means_agree(sampler(3.0, 1), EXPECTED, "mean", SLACK)
    assert caught.value.right == -1.0 and caught.value.left == pytest.approx(5.0, abs=0.6)
    with pytest.raises(LawBroken):
        means_agree(lambda n, stage: torch.full((n, 2), float("nan")), EXPECTED, "mean", SLACK)
