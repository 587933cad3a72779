"""Every method, task and kind of prior on a GPU as on the CPU, and a chain that needs no more memory for being longer.

The same bodies run on a device that is not there (tests/elsewhere.py), on a few cases: what was left on the CPU is
found without a GPU. That no step makes a GPU wait is in tests/methods/test_no_waiting.py; operators in float64 are in
tests/operators/test_operators.py, methods in float64 in tests/methods/test_contract.py.

Tolerances are relative to the larger of 1 and the largest value. TF32, which keeps ten bits of float32's 23, is off.
"""

import math

import pytest
import torch
from safetensors.torch import load_file
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from teachdiff import make_operator, observe, schedules
from teachdiff.compare import degrade, run_case
from teachdiff.data import astronaut_face, portraits
from teachdiff.judge import judge
from teachdiff.methods import METHODS
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.guided import GuidedUNet
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.priors.network import NetworkPrior
from teachdiff.priors.restorer import NetworkRestorer
from teachdiff.priors.train import TrainConfig, train
from teachdiff.priors.unet import UNet
from teachdiff.problems import DEGRADATIONS, TASKS, InverseProblem
from tests.elsewhere import on_each_device, tensors_of

SHAPE = (3, 16, 16)
FLOAT32, BFLOAT16 = 2e-4, 0.05


def options_of(method, steps=3):
    if method == "tweedie":
        return {}
    if method == "sdedit":
        return {"steps": steps, "t_start": 20}
    return {"iterations" if method in ("pnp_admm", "admm_tv") else "steps": steps}


def noise_for(device):
    """The same draws on each device: a GPU's own generator is another one."""

    def noise(t, shape):
        return torch.randn(shape, generator=torch.Generator().manual_seed(t)).to(device)

    return noise


def with_weights(network):
    g = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05, generator=g)
    return network.requires_grad_(False).eval()


def gaussian(seed):
    g = torch.Generator().manual_seed(seed)
    mean, variance = torch.rand(2, *SHAPE, generator=g)
    return GaussianPrior(schedules.linear(T=20), mean - 0.5, 0.1 + variance)


PRIORS = {
    "unet": lambda: NetworkPrior(with_weights(UNet(3, (8, 8))), schedules.linear(T=20), "v"),
    "guided": lambda: NetworkPrior(
        with_weights(GuidedUNet(model_channels=64, channel_mult=(1, 2), attention=(1,))),
        schedules.cosine(T=20),
        learned_variance=True,
    ),
    "gaussian": lambda: gaussian(0),
    "mixture": lambda: GaussianMixturePrior([0.3, 0.7], [gaussian(1), gaussian(2)]),
}


def network_for(method, task):
    """The U-Net as a prior, or, for dirac, as the restorer of the task."""
    if method == "dirac":
        return NetworkRestorer(with_weights(UNet(3, (8, 8))), task, SHAPE, {})
    return PRIORS["unet"]()


def on(prior, device, dtype=None):
    """Exact priors follow the images that they are asked about."""
    return prior.to(device, dtype) if isinstance(prior, NetworkPrior | NetworkRestorer) else prior


def restored(method, task, device, dtype=None):
    """On a device, from a measurement that was made on the CPU."""
    prior = on(network_for(method, task), device, dtype)
    operator = make_operator(task, SHAPE)
    x0 = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    problem = InverseProblem(operator, observe(operator, x0, sigma=0.1, seed=3).y.to(device), 0.1)
    x = METHODS[method](prior, problem, noise=noise_for(device), **options_of(method))
    assert x.device.type == torch.device(device).type
    assert x.dtype == torch.float32
    return x.cpu()


def require_close(found, expected, tolerance):
    assert found.isfinite().all()
    scale = max(1.0, expected.abs().max().item())
    assert (found - expected).abs().max().item() <= tolerance * scale


@pytest.fixture
def exact():
    """Convolutions without TF32; matrix products do without it unless somebody asks."""
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


TASKS_OF = {method: list(DEGRADATIONS if method == "dirac" else TASKS) for method in METHODS}
PAIRS = [(method, task) for method, tasks in TASKS_OF.items() for task in tasks]
# Without a GPU: a diagonal through methods and tasks, and every task for the two methods that use all of an operator.
DIAGONAL = [(method, tasks[i % len(tasks)]) for i, (method, tasks) in enumerate(TASKS_OF.items())]
FEW = [pair for pair in PAIRS if pair in DIAGONAL or pair[0] in ("dmps", "ddrm")]


def cases(few):
    """Each pair on a GPU and elsewhere; there the others than `few` are slow tests."""
    for method, task in PAIRS:
        yield pytest.param(method, task, "cuda", marks=pytest.mark.cuda, id=f"{method}-{task}-cuda")
        marks = () if (method, task) in few else pytest.mark.slow
        yield pytest.param(method, task, "elsewhere", marks=marks, id=f"{method}-{task}-elsewhere")


FLOAT32_CASES = list(cases(FEW))
# A restorer computes in the precision of its network, and dirac in float32.
BFLOAT16_CASES = [case for case in cases(DIAGONAL) if case.values[0] != "dirac"]


@pytest.mark.parametrize(("method", "task", "device"), FLOAT32_CASES, indirect=["device"])
def test_every_method_on_every_task_in_float32(exact, method, task, device):
    require_close(restored(method, task, device), restored(method, task, "cpu"), FLOAT32)


@pytest.mark.parametrize(("method", "task", "device"), BFLOAT16_CASES, indirect=["device"])
def test_every_method_with_a_bfloat16_network(exact, method, task, device):
    """Beside the same network in bfloat16 on the CPU; and the two are not the float32 network."""
    here = restored(method, task, "cpu", torch.bfloat16)
    require_close(restored(method, task, device, torch.bfloat16), here, BFLOAT16)
    if method != "admm_tv":  # it has no prior
        assert not torch.equal(here, restored(method, task, "cpu"))


@on_each_device
@pytest.mark.parametrize("name", PRIORS)
@pytest.mark.parametrize("t", [1, 20, (3, 17)], ids=str)
def test_every_prior_and_its_gradient(exact, name, t, device):
    t = torch.tensor(t)
    x_t = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(2))

    def answers(device):
        prior, x = on(PRIORS[name](), device), x_t.to(device).requires_grad_()
        x0_hat = prior.denoise(x, t)
        (gradient,) = torch.autograd.grad(x0_hat.square().sum(), x)
        variance = prior.predict(x, t)[1] if name == "guided" else x0_hat
        assert {a.device.type for a in (x0_hat, gradient, variance)} == {torch.device(device).type}
        return [a.detach().cpu() for a in (x0_hat, gradient, variance)]

    for found, expected in zip(answers(device), answers("cpu"), strict=True):
        require_close(found, expected, FLOAT32)


@on_each_device
def test_a_bfloat16_prior_of_each_architecture(exact, device):
    x_t = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    for name in ("unet", "guided"):
        found, expected = (
            on(PRIORS[name](), d, torch.bfloat16).denoise(x_t.to(d), torch.tensor(9)).cpu() for d in (device, "cpu")
        )
        require_close(found, expected, BFLOAT16)


# What surrounds the methods

TRAINED = {"prior": {}, "dirac": {"task": "deblur_gaussian", "degradation": {"std": 1.5}}}


@on_each_device
@pytest.mark.parametrize("what", TRAINED)
def test_training(exact, tmp_path, what, device):
    config = TrainConfig("tiny", "portraits", size=16, channels=(8,), T=50, batch=4, steps=3, **TRAINED[what])
    there, here = (load_file(train(config, tmp_path / d.type, device=d)) for d in (device, torch.device("cpu")))
    for name, expected in here.items():
        require_close(there[name].float(), expected.float(), 1e-3)


@on_each_device
@pytest.mark.parametrize("method", ["dps", "ddrm", "classical"])
def test_a_row_of_a_comparison(exact, method, device):
    def row(device):
        prior, truth = on(PRIORS["unet"](), device), astronaut_face(16).to(device)
        (case,) = degrade({"astronaut": truth}, ["sr4"], sigma=0.1)
        return run_case(prior, case, method, prior_name="unet", steps=2, samples=2)[0]

    there, here = row(device), row("cpu")
    assert there.ssim is not None
    if device.type != "cuda" or method == "classical":  # a GPU draws other noise
        assert there.psnr == pytest.approx(here.psnr, abs=1e-2)
        assert there.consistency == pytest.approx(here.consistency, rel=1e-2)


@on_each_device
def test_samples_are_judged_wherever_they_lie(device):
    samples = portraits(20, 32, seed=5)
    assert judge(samples.to(device)) == judge(samples)


# Memory


class Alive(TorchDispatchMode):
    """The bytes of all tensors that were computed under it and are still there, autograd's own included."""

    def __init__(self):
        super().__init__()
        self.tensors = WeakTensorKeyDictionary()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for x in tensors_of(found):
            self.tensors[x] = None
        return found

    def bytes(self):
        storages = {x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in self.tensors}
        return sum(storages.values())


WALKING = [method for method in METHODS if method != "tweedie"]
# 12 or 16 more steps may keep less than one image: a few numbers each, of the schedule.
IMAGE = 4 * math.prod(SHAPE)


def alive(method, prior, steps):
    """The largest number of bytes at the end of a step, from the second step on."""
    problem = observe(make_operator("inpaint_box", SHAPE), torch.zeros(1, *SHAPE), sigma=0.1)
    found = []
    with Alive() as watch:
        METHODS[method](prior, problem, on_step=lambda *_: found.append(watch.bytes()), **options_of(method, steps))
    assert len(found) >= 4
    return max(found[1:])


@pytest.mark.parametrize("method", WALKING)
def test_a_longer_chain_keeps_no_more(method):
    prior = network_for(method, "inpaint_box")
    assert alive(method, prior, 16) < alive(method, prior, 4) + IMAGE


class Hoarding:
    """Keeps a number of each step, and so the graph behind it; or the image alone."""

    def __init__(self, prior, of):
        self.prior, self.schedule, self.of, self.kept = prior, prior.schedule, of, []

    def denoise(self, x_t, t):
        x0_hat = self.prior.denoise(x_t, t)
        self.kept.append(self.of(x0_hat))
        return x0_hat


@pytest.mark.parametrize("of", [lambda x: x.sum(), lambda x: x.detach().clone()], ids=["graph", "image"])
def test_what_is_kept_would_be_noticed(of):
    prior = PRIORS["unet"]()
    assert alive("dps", Hoarding(prior, of), 16) > alive("dps", Hoarding(prior, of), 4) + 10 * IMAGE


@pytest.mark.cuda
@pytest.mark.parametrize("method", WALKING)
def test_a_longer_chain_needs_no_more_of_a_gpu(method):
    prior = network_for(method, "inpaint_box").to("cuda")
    problem = observe(make_operator("inpaint_box", SHAPE), torch.zeros(4, *SHAPE, device="cuda"), sigma=0.1)
    METHODS[method](prior, problem, **options_of(method, 4))  # tables and workspaces
    peaks = []
    for steps in (4, 20):
        torch.cuda.reset_peak_memory_stats()
        METHODS[method](prior, problem, **options_of(method, steps))
        peaks.append(torch.cuda.max_memory_allocated())
    assert peaks[1] < peaks[0] + IMAGE
