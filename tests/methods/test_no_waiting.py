"""No step reads on the host what the device computes, nor copies to or from it: a GPU would stand still until it is
told what comes next."""

import pytest
import torch

from teachdiff import make_operator, observe, schedules
from teachdiff.methods import METHODS
from teachdiff.priors.network import NetworkPrior
from teachdiff.priors.unet import UNet
from tests.elsewhere import elsewhere

SHAPE = (3, 8, 8)
TASKS = ("inpaint_box", "deblur_gaussian", "deblur_motion", "sr4", "colorize")
STEPS = 3
# admm_tv looks in every eighth round whether all are done, and its conjugate gradients look, too: its page says so.
# dirac takes a restorer, where these have a prior.
WALKING = [name for name in METHODS if name not in ("tweedie", "admm_tv", "dirac")]
# Every method once, and those two on every task that between them use all that an operator has.
CASES = [(method, task) for method in WALKING for task in TASKS if method in ("dmps", "ddrm") or task == "sr4"]


def network_prior(device="cpu"):
    torch.manual_seed(0)
    network = UNet(3, (8, 8))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return NetworkPrior(network.requires_grad_(False), schedules.linear(T=20), "x0_hat").to(device)


def options_of(method):
    return {"iterations" if method == "pnp_admm" else "steps": STEPS}


def seen(task, device):
    return observe(make_operator(task, SHAPE), torch.rand(2, *SHAPE).to(device), sigma=0.1)


def waited_for(method, task="sr4", make_prior=network_prior, **options):
    """What made the host wait between the end of the first step and the end of the last one, in the second run: in the
    first the operator's tables are copied to the device. What it reads, it reads in both."""
    waited, runs = [], []
    with elsewhere(waited) as device:
        prior, problem = make_prior(device), seen(task, device)
        for _ in range(2):
            steps = []
            on_step = lambda *_, steps=steps: steps.append(list(waited))  # noqa: E731
            METHODS[method](prior, problem, on_step=on_step, **options_of(method), **options)
            assert len(steps) == STEPS
            runs.append(steps[-1][len(steps[0]) :])
    first, second = ([what for what in run if "copy" not in what] for run in runs)
    assert first == second
    return runs[1]


@pytest.mark.parametrize(("method", "task"), CASES)
def test_a_step_does_not_wait(method, task):
    assert waited_for(method, task) == []


def test_denoising_does_not_wait_for_times_that_lie_on_the_cpu():
    waited = []
    with elsewhere(waited) as device:
        prior, x_t = network_prior(device), torch.randn(2, *SHAPE).to(device)
        prior.denoise(x_t, torch.tensor(5))  # tables are copied once
        waited.clear()
        prior.denoise(x_t, torch.tensor(6))
    assert waited == []


def test_a_read_and_a_copy_would_be_noticed():
    assert len(waited_for("hybrid", "inpaint_box", switch="psnr")) == STEPS - 1  # one flag in a step: its page says so

    class Peeking(NetworkPrior):
        def denoise(self, x_t, t):
            return super().denoise(x_t, t) / max(1.0, x_t.max().item())

    class Copying(NetworkPrior):
        def denoise(self, x_t, t):
            return super().denoise(x_t, t) * torch.ones(3, 1, 1).to(x_t)

    for kind in (Peeking, Copying):
        prior = lambda device, kind=kind: kind(network_prior(device).network, schedules.linear(T=20), "x0_hat")  # noqa: E731
        assert len(waited_for("ddpm", make_prior=prior)) == STEPS - 1


@pytest.mark.cuda
@pytest.mark.parametrize(("method", "task"), CASES)
def test_a_step_does_not_make_a_gpu_wait(method, task):
    """The same, by torch's own watch."""
    count = []

    def on_step(*_):
        count.append(0)
        torch.cuda.set_sync_debug_mode("error" if len(count) < STEPS else "default")

    prior, problem = network_prior("cuda"), seen(task, "cuda")
    METHODS[method](prior, problem, **options_of(method))  # tables are copied once
    try:
        METHODS[method](prior, problem, on_step=on_step, **options_of(method))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(count) == STEPS
