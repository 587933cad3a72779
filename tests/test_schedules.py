"""Laws of the noise schedule."""

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from teachdiff import schedules
from teachdiff.schedules import Schedule, posterior_mean, posterior_variance

T_values = st.integers(2, 400)
made = st.builds(
    lambda make, T: make(T=T), st.sampled_from([schedules.linear, schedules.scaled_linear, schedules.cosine]), T_values
)


@given(made)
def test_tables_have_length_T_plus_1_and_begin_at_the_clean_image(schedule):
    for table in (schedule.alpha_bar, schedule.alpha, schedule.beta):
        assert table.shape == (schedule.T + 1,)
        assert table.dtype == torch.float64
    assert schedule.alpha_bar[0] == schedule.alpha[0] == 1
    assert schedule.beta[0] == 0


@given(made)
def test_alpha_bar_is_the_product_and_falls(schedule):
    torch.testing.assert_close(schedule.alpha.cumprod(0), schedule.alpha_bar, rtol=1e-12, atol=0)
    assert bool((schedule.alpha_bar.diff() < 0).all())
    assert bool(((schedule.beta[1:] > 0) & (schedule.beta[1:] < 1)).all())


@given(made)
def test_one_step_after_another_gives_the_marginal(schedule):
    """Signal and variance of x_t by iterating x_t = sqrt(alpha) x + sqrt(beta) z from a point."""
    signal, variance = 1.0, 0.0
    for t in range(1, schedule.T + 1):
        alpha, beta = schedule.alpha[t].item(), schedule.beta[t].item()
        signal, variance = math.sqrt(alpha) * signal, alpha * variance + beta
        assert signal == pytest.approx(math.sqrt(schedule.alpha_bar[t]), rel=1e-10)
        assert variance == pytest.approx(1 - schedule.alpha_bar[t].item(), rel=1e-9, abs=1e-14)


def test_the_published_endpoints():
    linear, cosine = schedules.linear(), schedules.cosine()
    assert linear.T == cosine.T == 1000
    assert linear.beta[1].item() == pytest.approx(1e-4, rel=1e-12)
    assert linear.beta[1000].item() == pytest.approx(2e-2, rel=1e-12)
    scaled = schedules.scaled_linear(beta_min=0.00085, beta_max=0.012)
    root = [0.00085**0.5 + k / 999 * (0.012**0.5 - 0.00085**0.5) for k in range(1000)]
    torch.testing.assert_close(scaled.beta[1:], torch.tensor(root, dtype=torch.float64) ** 2, rtol=1e-9, atol=0)
    assert cosine.beta[1000].item() == pytest.approx(0.999, rel=1e-12)
    f = [math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in (0, 500)]
    assert cosine.alpha_bar[500].item() == pytest.approx(f[1] / f[0], rel=1e-10)


@given(made, st.data())
def test_respacing_keeps_alpha_bar_the_original_times_and_the_start(schedule, data):
    start = data.draw(st.integers(1, schedule.T))
    steps = data.draw(st.integers(1, start))
    short = schedule.respace(steps, start)
    assert short.T == steps
    assert short.timesteps[0] == 0
    assert short.start == start
    assert torch.equal(short.alpha_bar, schedule.alpha_bar[short.timesteps])
    torch.testing.assert_close(short.alpha.cumprod(0), short.alpha_bar, rtol=1e-12, atol=0)
    assert short.timesteps.diff().max() - short.timesteps.diff().min() <= 1  # evenly spaced


@given(made)
def test_respacing_to_all_steps_or_one_or_twice(schedule):
    assert torch.equal(schedule.respace().alpha_bar, schedule.alpha_bar)
    assert schedule.respace(1).timesteps.tolist() == [0, schedule.T]
    kept = [1, schedule.T]
    assert schedule.respace(kept).timesteps.tolist() == [0, *kept]
    assert schedule.respace(kept).respace([2]).timesteps.tolist() == [0, schedule.T]


def test_respacing_a_thousand_to_ten():
    assert schedules.linear().respace(10).timesteps.tolist() == list(range(0, 1001, 100))


@given(made, st.data())
def test_backwards_walks_every_kept_step_once_and_ends_at_the_clean_image(schedule, data):
    short = schedule.respace(data.draw(st.integers(1, schedule.T)))
    walked = list(short.backwards())
    assert [step.t for step in walked] == short.timesteps[1:].flip(0).tolist()
    assert [step.t_prev for step in walked] == short.timesteps[:-1].flip(0).tolist()
    assert walked[-1].alpha_bar_prev == 1
    for step in walked:
        assert step.alpha * step.alpha_bar_prev == pytest.approx(step.alpha_bar, rel=1e-12)
        assert step.alpha_bar == schedule.alpha_bar[step.t].item()


@given(made)
def test_posterior_variance_lies_between_zero_and_beta(schedule):
    for step in schedule.backwards():
        variance = posterior_variance(step.alpha, step.alpha_bar, step.alpha_bar_prev)
        beta = 1 - step.alpha
        assert 0 <= variance < beta
        assert (variance == 0) == (step.t_prev == 0)


@given(
    alpha=st.floats(0.01, 0.999),
    alpha_bar_prev=st.floats(0.01, 0.999),
    x_0=st.floats(-3, 3),
    x_t=st.floats(-3, 3),
)
@example(alpha=0.5, alpha_bar_prev=0.9, x_0=1.0, x_t=-1.0)  # alpha for alpha_bar would pass at t = 1 only
def test_posterior_mean_and_variance_are_bayes_rule(alpha, alpha_bar_prev, x_0, x_t):
    """Multiply the two Gaussians N(x_t; sqrt(alpha) x, 1 - alpha) and N(x; sqrt(alpha_bar_prev) x_0, .)."""
    precision = alpha / (1 - alpha) + 1 / (1 - alpha_bar_prev)
    linear = math.sqrt(alpha) * x_t / (1 - alpha) + math.sqrt(alpha_bar_prev) * x_0 / (1 - alpha_bar_prev)
    alpha_bar = alpha * alpha_bar_prev
    mean = posterior_mean(x_0, x_t, alpha, alpha_bar, alpha_bar_prev)
    assert mean == pytest.approx(linear / precision, rel=1e-9, abs=1e-9)
    assert posterior_variance(alpha, alpha_bar, alpha_bar_prev) == pytest.approx(1 / precision, rel=1e-9)


@given(made, st.sampled_from([torch.float32, torch.float64]), st.integers(1, 3))
def test_at_reads_the_table_for_scalar_and_batched_times(schedule, dtype, batch):
    x = torch.zeros(batch, 1, 2, 2, dtype=dtype)
    t = torch.arange(1, batch + 1).clamp(max=schedule.T)
    value = schedule.at(t, x)
    assert value.shape == (batch, 1, 1, 1)
    assert value.dtype == dtype
    for i in range(batch):
        assert value[i].item() == schedule.at(int(t[i]), x).item() == schedule.alpha_bar[t[i]].to(dtype).item()


@given(made, st.data())
def test_nearest_finds_the_step_of_a_noise_level(schedule, data):
    t = data.draw(st.integers(1, schedule.T))
    alpha_bar = schedule.alpha_bar[t].item()
    assert schedule.nearest(math.sqrt((1 - alpha_bar) / alpha_bar)) == t


X = torch.zeros(2, 1, 2, 2)


BAD = {
    "t zero": (lambda s: s.at(0, X), ValueError, "1..10"),
    "t above T": (lambda s: s.at(11, X), ValueError, "1..10"),
    "t negative": (lambda s: s.at(-1, X), ValueError, "1..10"),
    "one t too large": (lambda s: s.at(torch.tensor([1, 11]), X), ValueError, "1..10"),
    "t of another length": (lambda s: s.at(torch.tensor([1, 2, 3]), X), ValueError, r"\(2,\)"),
    "t float tensor": (lambda s: s.at(torch.tensor(1.0), X), TypeError, "integer"),
    "t float": (lambda s: s.at(1.0, X), TypeError, "integer"),
    "t bool": (lambda s: s.at(True, X), TypeError, "integer"),
    "no steps": (lambda s: s.respace(0), ValueError, "1..10"),
    "too many steps": (lambda s: s.respace(11), ValueError, "1..10"),
    "steps fall": (lambda s: s.respace([3, 2]), ValueError, "rise"),
    "step zero": (lambda s: s.respace([0, 2]), ValueError, "rise"),
    "more steps than start": (lambda s: s.respace(steps=3, start=2), ValueError, "1..2"),
    "start above T": (lambda s: s.respace(start=11), ValueError, "1..10"),
    "sigma zero": (lambda s: s.nearest(0.0), ValueError, "positive"),
    "sigma nan": (lambda s: s.nearest(float("nan")), ValueError, "positive"),
    "alpha_bar without the clean image": (lambda s: Schedule([0.9, 0.5]), ValueError, "exactly 1"),
    "alpha_bar level": (lambda s: Schedule([1.0, 0.5, 0.5]), ValueError, "fall"),
    "alpha_bar nan": (lambda s: Schedule([1.0, 0.5, float("nan")]), ValueError, "fall"),
    "alpha_bar zero": (lambda s: Schedule([1.0, 0.5, 0.0]), ValueError, "above 0"),
    "alpha_bar short": (lambda s: Schedule([1.0]), ValueError, "at least two"),
    "timesteps without 0": (lambda s: Schedule([1.0, 0.5], [1, 2]), ValueError, "timesteps"),
    "scaled beta_min": (lambda s: schedules.scaled_linear(beta_min=0.0), ValueError, "scaled linear schedule needs"),
    "beta_min negative": (lambda s: schedules.linear(beta_min=-1e-4), ValueError, "beta_min"),
    "beta_max one": (lambda s: schedules.linear(beta_max=1.0), ValueError, "beta_max"),
    "T zero": (lambda s: schedules.linear(T=0), ValueError, "T >= 1"),
    "cosine beta_max": (lambda s: schedules.cosine(beta_max=1.5), ValueError, "beta_max"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name):
    call, error, says = BAD[name]
    with pytest.raises(error, match=says):
        call(schedules.linear(T=10))


def test_repr_names_length_and_end():
    assert repr(schedules.linear(T=2, beta_min=0.5, beta_max=0.5)) == "Schedule(T=2, alpha_bar_T=0.25)"
