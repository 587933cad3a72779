"""A network prior: t - 1 goes in, x0_hat comes out, nothing is clamped."""

import shutil

import pytest
import torch

from teachdiff import make_operator, observe, schedules
from teachdiff.methods import ddim, dps
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


def random_network():
    torch.manual_seed(0)
    network = UNet(3, (8, 16))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network.requires_grad_(False)


def test_half_precision_is_the_networks_alone():
    """The chain stays in float32: what bfloat16 rounds is what the network sees and answers."""
    network, asked = random_network(), []
    full = NetworkPrior(network, SCHEDULE)
    half = full.fast(torch.bfloat16, compile=False)
    half.network.register_forward_pre_hook(lambda module, args: asked.append(args[0].dtype))
    x_t = torch.randn(2, 3, 10, 8)
    x0_hat = half.denoise(x_t, 5)
    assert asked == [torch.bfloat16]
    assert x0_hat.dtype == torch.float32
    exact = full.denoise(x_t, 5)
    assert next(network.parameters()).dtype == torch.float32  # fast is a copy
    assert 0 < (x0_hat - exact).abs().max() < 0.05 * exact.abs().max()
    with pytest.raises(TypeError, match="float32"):
        half.denoise(x_t.bfloat16(), 5)


@pytest.mark.parametrize("prediction", sorted(X0_HAT_FROM))
def test_the_fast_path_answers_the_same_in_the_layout_of_images(prediction):
    prior = NetworkPrior(random_network(), SCHEDULE, prediction)
    fast = prior.fast(compile=False)
    assert fast.network.stem.weight.is_contiguous(memory_format=torch.channels_last)
    assert prior.network.stem.weight.is_contiguous()
    x_t = torch.randn(2, 3, 10, 9, requires_grad=True)
    x0_hat, exact = fast.denoise(x_t, 5), prior.denoise(x_t, 5)
    assert x0_hat.is_contiguous()
    scale = exact.abs().max().item()
    torch.testing.assert_close(x0_hat, exact, rtol=0, atol=1e-5 * scale)
    slopes = [torch.autograd.grad(y.square().sum(), x_t)[0] for y in (x0_hat, exact)]
    torch.testing.assert_close(*slopes, rtol=0, atol=1e-5 * slopes[1].abs().max().item())


def test_an_answer_is_not_written_over_by_the_next():
    """As a CUDA graph would, this network answers in one place every time."""

    class Replayed(Recorder):
        def forward(self, x, t):
            self.place = getattr(self, "place", torch.zeros_like(x)).copy_(x)
            return self.place

    prior = NetworkPrior(Replayed().requires_grad_(False), SCHEDULE, "x0_hat")
    first = prior.denoise(torch.zeros(1, 3, 4, 4), 5)
    prior.denoise(torch.ones(1, 3, 4, 4), 5)
    assert first.abs().max() == 0


def test_compiling_without_a_compiler_is_said_at_once(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(RuntimeError, match=r"g\+\+.*compile=False"):
        NetworkPrior(random_network(), SCHEDULE).fast()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="compiling for a CPU needs a C++ compiler; no g++ here")
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("size", [8, 7])
def test_the_compiled_network_restores_the_same_image(size):
    """The whole of it: generated code, without and with a gradient, in the chain of a method."""
    prior = NetworkPrior(random_network(), SCHEDULE, "x0_hat")
    fast = prior.fast()
    problem = observe(make_operator("inpaint_box", (3, size, size)), torch.rand(2, 3, size, size), sigma=0.1)
    for method in (ddim, dps):
        x0, expected = (method(p, problem, steps=3, seed=1) for p in (fast, prior))
        torch.testing.assert_close(x0, expected, rtol=0, atol=1e-4)


@pytest.mark.cuda
def test_denoising_does_not_make_a_gpu_wait():
    prior = NetworkPrior(random_network(), SCHEDULE).to("cuda")
    x_t = torch.randn(2, 3, 8, 8, device="cuda")
    prior.denoise(x_t, torch.tensor(5))  # tables are copied once
    torch.cuda.set_sync_debug_mode("error")
    try:
        prior.denoise(x_t, torch.tensor(6))
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.cuda
def test_the_replayed_graph_restores_the_same_image():
    prior = NetworkPrior(random_network(), SCHEDULE, "x0_hat").to("cuda")
    fast = prior.fast()
    problem = observe(make_operator("inpaint_box", (3, 8, 8)), torch.rand(2, 3, 8, 8, device="cuda"), sigma=0.1)
    for method in (ddim, dps):
        x0, expected = (method(p, problem, steps=5, seed=1) for p in (fast, prior))
        torch.testing.assert_close(x0, expected, rtol=0, atol=1e-3)


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
