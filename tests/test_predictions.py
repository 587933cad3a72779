"""score, epsilon, x0_hat and v are one prediction under four names."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachdiff import predictions as p

alpha_bars = st.floats(1e-4, 1 - 1e-6)
seeds = st.integers(0, 2**31)


def pair(seed, alpha_bar):
    """A clean image, its noise and x_t."""
    g = torch.Generator().manual_seed(seed)
    x_0, epsilon = torch.randn(2, 2, 1, 3, 4, generator=g, dtype=torch.float64)
    return x_0, epsilon, alpha_bar**0.5 * x_0 + (1 - alpha_bar) ** 0.5 * epsilon


@given(seeds, alpha_bars)
def test_the_true_noise_gives_the_true_image_and_back(seed, alpha_bar):
    x_0, epsilon, x_t = pair(seed, alpha_bar)
    near = {"rtol": 1e-9, "atol": 1e-9 / alpha_bar}
    torch.testing.assert_close(p.x0_hat_from_epsilon(epsilon, x_t, alpha_bar), x_0, **near)
    torch.testing.assert_close(p.x0_hat_from_score(-epsilon / (1 - alpha_bar) ** 0.5, x_t, alpha_bar), x_0, **near)
    v = alpha_bar**0.5 * epsilon - (1 - alpha_bar) ** 0.5 * x_0
    torch.testing.assert_close(p.x0_hat_from_v(v, x_t, alpha_bar), x_0, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(p.v_from_x0_hat(x_0, x_t, alpha_bar), v, rtol=1e-7, atol=1e-9 / (1 - alpha_bar) ** 0.5)


@given(seeds, alpha_bars, st.sampled_from(["epsilon", "score", "v"]))
def test_each_conversion_undoes_its_partner(seed, alpha_bar, name):
    x0_hat, _, x_t = pair(seed, alpha_bar)
    there = getattr(p, f"{name}_from_x0_hat")(x0_hat, x_t, alpha_bar)
    back = p.X0_HAT_FROM[name](there, x_t, alpha_bar)
    torch.testing.assert_close(back, x0_hat, rtol=1e-9, atol=1e-9 / alpha_bar)


@given(seeds, alpha_bars)
def test_the_two_ways_to_the_score_agree(seed, alpha_bar):
    x0_hat, _, x_t = pair(seed, alpha_bar)
    epsilon = p.epsilon_from_x0_hat(x0_hat, x_t, alpha_bar)
    score = p.score_from_x0_hat(x0_hat, x_t, alpha_bar)
    near = {"rtol": 1e-8, "atol": 1e-8 / (1 - alpha_bar)}
    torch.testing.assert_close(p.score_from_epsilon(epsilon, alpha_bar), score, **near)
    torch.testing.assert_close(p.epsilon_from_score(score, alpha_bar), epsilon, **near)


def test_x0_hat_is_itself():
    assert p.X0_HAT_FROM["x0_hat"](3.0, 1.0, 0.5) == 3.0


@pytest.mark.parametrize("alpha_bar", [0.25])
def test_by_hand(alpha_bar):
    """alpha_bar = 1/4: x_t = x_0/2 + sqrt(3)/2 epsilon with x_0 = 2, epsilon = 0."""
    assert p.x0_hat_from_epsilon(0.0, 1.0, alpha_bar) == pytest.approx(2.0)
    assert p.x0_hat_from_score(0.0, 1.0, alpha_bar) == pytest.approx(2.0)
    assert p.v_from_x0_hat(2.0, 1.0, alpha_bar) == pytest.approx(-(3**0.5))
    assert p.score_from_x0_hat(1.0, 1.0, alpha_bar) == pytest.approx((0.5 - 1) / 0.75)
