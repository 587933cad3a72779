"""A network prior: t - 1 goes in, x0_hat comes out, nothing is clamped."""

import pytest
import torch

from teachdiff import schedules
from teachdiff.predictions import X0_HAT_FROM
from teachdiff.priors.network import NetworkPrior
from teachdiff.priors.unet import UNet

SCHEDULE = schedules.linear(T=100)


class Recorder(torch.nn.Module):
    """Answers with a constant and remembers what it was asked."""

    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(3.0))

    def forward(self, x, t):
        self.asked = t
        return self.value.expand_as(x) + 0 * x


@pytest.mark.parametrize("prediction", sorted(X0_HAT_FROM))
def test_denoise_converts_the_prediction_and_does_not_clamp(prediction):
    network = Recorder()
    prior = NetworkPrior(network, SCHEDULE, prediction)
    x_t = torch.randn(2, 3, 4, 4)
    t = torch.tensor([1, 100])
    alpha_bar = SCHEDULE.at(t, x_t)
    expected = X0_HAT_FROM[prediction](torch.full_like(x_t, 3.0), x_t, alpha_bar)
    torch.testing.assert_close(prior.denoise(x_t, t), expected)
    assert prior.denoise(x_t, t).abs().max() > 1
    assert network.asked.tolist() == [0, 99]  # the network counts from 0


def test_a_scalar_time_is_every_samples_time():
    network = Recorder()
    NetworkPrior(network, SCHEDULE).denoise(torch.zeros(3, 3, 4, 4), 7)
    assert network.asked.tolist() == [6, 6, 6]


def test_denoise_is_differentiable_in_x_t():
    torch.manual_seed(0)
    x_t = torch.randn(1, 3, 8, 8, requires_grad=True)
    prior = NetworkPrior(UNet(3, (8, 16)), SCHEDULE, "v")
    assert torch.autograd.grad(prior.denoise(x_t, 5).sum(), x_t)[0].abs().sum() > 0


NET = UNet(3, (8,))
BAD = {
    "prediction": (lambda p: NetworkPrior(NET, SCHEDULE, "noise"), ValueError, "epsilon"),
    "float64": (lambda p: p.denoise(torch.zeros(1, 3, 4, 4, dtype=torch.float64), 1), TypeError, "float32"),
    "integers": (lambda p: p.denoise(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), 1), TypeError, "127.5"),
    "grey": (lambda p: p.denoise(torch.zeros(1, 1, 4, 4), 1), ValueError, "3 channels"),
    "no batch": (lambda p: p.denoise(torch.zeros(3, 4, 4), 1), ValueError, r"\(B, C, H, W\)"),
    "empty batch": (lambda p: p.denoise(torch.zeros(0, 3, 4, 4), 1), ValueError, "none of them 0"),
    "t zero": (lambda p: p.denoise(torch.zeros(1, 3, 4, 4), 0), ValueError, "1..100"),
    "t above T": (lambda p: p.denoise(torch.zeros(1, 3, 4, 4), 101), ValueError, "1..100"),
    "a list": (lambda p: p.denoise([[0.0]], 1), TypeError, "torch.Tensor"),
    "other device": (lambda p: p.denoise(torch.zeros(1, 3, 4, 4, device="meta"), 1), ValueError, "device|meta"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    call, error, says = BAD[case]
    with pytest.raises(error, match=says):
        call(NetworkPrior(NET, SCHEDULE))
