"""No step reads on the host what the device computes: a GPU would stand still until it is told what comes next."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from teachdiff import make_operator, observe, schedules
from teachdiff.methods import METHODS
from teachdiff.priors.network import NetworkPrior
from teachdiff.priors.unet import UNet

# What asks for a number, or for a shape that depends on numbers.
READS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique")
TASKS = ("inpaint_box", "deblur_gaussian", "deblur_motion", "sr4", "colorize")
STEPS = 3
# admm_tv looks in every eighth round whether all are done, and its conjugate gradients look, too: its page says so.
# dirac takes a restorer, where these have a prior.
WALKING = [name for name in METHODS if name not in ("tweedie", "admm_tv", "dirac")]
# Every method once, and those two on every task that between them use all that an operator has.
CASES = [(method, task) for method in WALKING for task in TASKS if method in ("dmps", "ddrm") or task == "sr4"]


class Watch(TorchDispatchMode):
    """Everything that is computed from `seeds` is computed on the device; `reads` are the host's questions about it."""

    def __init__(self, *seeds):
        super().__init__()
        self.on_device = WeakIdKeyDictionary()
        self.reads: list[str] = []
        self.looking = False
        for seed in seeds:
            self.on_device[seed] = True

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        if any(x in self.on_device for x in tensors):
            for leaf in tree_leaves(found):
                if isinstance(leaf, torch.Tensor):
                    self.on_device[leaf] = True
            name = func.overloadpacket.__name__
            by_mask = name == "index" and any(x.dtype == torch.bool for x in tensors[1:])
            if self.looking and (name in READS or by_mask):
                self.reads.append(str(func))
        return found


def network_prior(device="cpu"):
    torch.manual_seed(0)
    network = UNet(3, (8, 8))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    return NetworkPrior(network.requires_grad_(False), schedules.linear(T=20), "x0_hat").to(device)


def options_of(method):
    return {"iterations" if method == "pnp_admm" else "steps": STEPS}


def reads_in_steps(method, prior, problem, **options):
    """The host's questions from the end of the first step to the end of the last one."""
    watch, count = Watch(problem.y), []

    def on_step(*_):
        count.append(0)
        watch.looking = len(count) < STEPS

    class Seeded:  # draws depend on no tensor; whatever the network is asked lies on the device
        schedule, clip_x0 = prior.schedule, True

        def denoise(self, x_t, t):
            watch.on_device[x_t] = True
            return prior.denoise(x_t, t)

    with watch:
        METHODS[method](Seeded(), problem, on_step=on_step, **options_of(method), **options)
    return watch.reads


@pytest.mark.parametrize(("method", "task"), CASES)
def test_a_step_reads_nothing_back(method, task):
    problem = observe(make_operator(task, (3, 8, 8)), torch.rand(2, 3, 8, 8), sigma=0.1)
    assert reads_in_steps(method, network_prior(), problem) == []


def test_a_read_would_be_noticed():
    problem = observe(make_operator("inpaint_box", (3, 8, 8)), torch.rand(2, 3, 8, 8), sigma=0.1)
    assert reads_in_steps("hybrid", network_prior(), problem, switch="psnr")  # one flag in a step: its page says so

    class Peeking(NetworkPrior):
        def denoise(self, x_t, t):
            return super().denoise(x_t, t) / max(1.0, x_t.max().item())

    prior = network_prior()
    assert reads_in_steps("ddpm", Peeking(prior.network, prior.schedule, "x0_hat"), problem)


@pytest.mark.cuda
@pytest.mark.parametrize(("method", "task"), CASES)
def test_a_step_does_not_make_a_gpu_wait(method, task):
    """The same, by torch's own watch; it also sees copies to the device."""
    problem = observe(make_operator(task, (3, 8, 8)), torch.rand(2, 3, 8, 8, device="cuda"), sigma=0.1)
    count = []

    def on_step(*_):
        count.append(0)
        torch.cuda.set_sync_debug_mode("error" if len(count) < STEPS else "default")

    try:
        METHODS[method](network_prior("cuda"), problem, on_step=on_step, **options_of(method))
    finally:
        torch.cuda.set_sync_debug_mode("default")
