"""The bench: a clock that counts right, figures that mean what they say, and the contract of its JSON."""

import copy
import json
import sys
import time

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from teachdiff import cli, schedules
from teachdiff.bench import ASKING, Clock, Marks, machine, measure, network_of, peak_of, quartiles
from teachdiff.methods import METHODS
from teachdiff.priors.checkpoints import save_prior
from teachdiff.priors.network import NetworkPrior
from teachdiff.priors.unet import UNet

CPU = torch.device("cpu")
# The contract of DESIGN.md, and what stands beside.
ROW = [
    "method", "network", "size", "batch", "dtype", "device", "compiled", "bare_ms", "step_ms", "overhead_ratio",
    "images_per_second", "peak_memory", "task", "gradient", "evaluations", "pairs", "bare_spread", "step_spread",
    "ratio_spread", "start_ms", "clock", "machine", "notes",
]  # fmt: skip


def random_network(channels=(8, 8), image_channels=3):
    torch.manual_seed(0)
    network = UNet(image_channels, channels)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.05)
    return network.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def prior():
    return NetworkPrior(random_network(), schedules.linear(T=20), "x0_hat")


class Time:
    """A time that only what is measured moves on."""

    def __init__(self):
        self.now = 0.0

    def marks(self):
        time, found = self, []

        class Fake:
            clock = "a clock for tests"

            def set(self):
                found.append(time.now)

            def intervals(self):
                return [b - a for a, b in zip(found, found[1:], strict=False)]

        return Fake()


class Slow(nn.Module):
    """A network that takes 5 to answer, and 7 more for a gradient."""

    config: dict = {}  # noqa: RUF012

    def __init__(self, time):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()), requires_grad=False)
        this = self

        class Answer(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                time.now += 5
                return 0.5 * x

            @staticmethod
            def backward(ctx, g):
                time.now += 7
                return 0.5 * g

        this.answer = Answer.apply

    def forward(self, x, t):
        return self.answer(x)


def test_a_step_lies_between_two_questions():
    time = Time()
    clock = Clock(Slow(time), time.marks)

    def run():
        time.now += 100  # set up
        x = torch.zeros(1, 3, 4, 4)
        for extra in (1, 2):
            clock(x, torch.tensor([0]))
            time.now += extra
        x.requires_grad_()
        torch.autograd.grad(clock(x, torch.tensor([0])).sum(), x)
        time.now += 3
        with torch.no_grad():
            clock(x, torch.tensor([0]))

    assert clock.time(run) == (100, [(False, 5, 6), (False, 5, 7), (True, 12, 15), (False, 5, 5)])


def test_the_figures_follow_from_the_pairs():
    """A step of PiGDM is a forward and a backward pass; nothing else takes time here."""
    time = Time()
    prior = NetworkPrior(Slow(time), schedules.linear(T=20), "x0_hat")
    (row,) = measure(prior, "pigdm", size=16, batch=2, steps=10, pairs=4, marks=time.marks)
    assert (row.bare_ms, row.step_ms, row.overhead_ratio, row.gradient) == (12, 12, 1, True)
    assert row.images_per_second == pytest.approx(2 / (10 * 0.012))
    assert (row.evaluations, row.pairs, row.start_ms) == (10, 4, 0)
    (row,) = measure(prior, "ddpm", size=16, steps=10, pairs=4, marks=time.marks)
    assert (row.bare_ms, row.step_ms, row.gradient) == (5, 5, False)


def test_the_two_halves_of_a_hybrid_are_two_rows():
    time = Time()
    prior = NetworkPrior(Slow(time), schedules.linear(T=20), "x0_hat")
    dps, dmps = measure(prior, "hybrid", size=16, steps=10, pairs=6, marks=time.marks)
    assert (dps.gradient, dps.bare_ms, dps.step_ms) == (True, 12, 12)
    assert (dmps.gradient, dmps.bare_ms, dmps.step_ms) == (False, 5, 5)
    assert dps.images_per_second == dmps.images_per_second == pytest.approx(1 / (5 * 0.012 + 5 * 0.005))
    assert min(dps.pairs, dmps.pairs) >= 6


@pytest.mark.parametrize("method", ["ddpm", "dps", "ddrm", "hybrid"])
def test_the_clock_changes_no_bit(prior, method):
    from teachdiff.bench import problem_for

    problem = problem_for(prior, "sr2", 16, 2)
    plain = METHODS[method](prior, problem, steps=4)
    clocked = copy.copy(prior)
    clocked.network = Clock(prior.network, lambda: Marks(CPU))
    found = []
    _, pairs = clocked.network.time(lambda: found.append(METHODS[method](clocked, problem, steps=4)))
    assert torch.equal(found[0], plain)
    assert len(pairs) == 4


@pytest.mark.parametrize("method", ASKING)
def test_each_method_that_asks_a_network_has_its_row(prior, method):
    rows = measure(prior, method, size=16, steps=4, pairs=2)
    assert len(rows) == (2 if method == "hybrid" else 1)
    for row in rows:
        assert row.pairs >= 2 and row.bare_ms > 0 and row.step_ms > 0
        assert row.ratio_spread[0] <= row.overhead_ratio <= row.ratio_spread[1]
        assert row.gradient == (method in ("dps", "pigdm") or (method == "hybrid" and row is rows[0]))
        assert row.evaluations == {"tweedie": 1, "pnp_admm": 24, "sdedit": 2}.get(method, 4)
        assert row.start_ms >= 0 and row.machine == machine(CPU) and row.clock == "processor time"


def test_a_loop_that_wastes_time_is_seen():
    """The ratio is near 1 for our loops, and well above it where a step idles as long as the network thinks."""
    prior = NetworkPrior(random_network((24, 24)), schedules.linear(T=20), "x0_hat")
    ratios = {m: measure(prior, m, size=32, steps=8, pairs=8)[0].overhead_ratio for m in ("ddpm", "dps", "ddrm")}
    assert all(0.8 < ratio < 1.4 for ratio in ratios.values()), ratios

    class Idle(NetworkPrior):
        def denoise(self, x_t, t):
            begun = time.process_time()
            found = super().denoise(x_t, t)
            end = 2 * time.process_time() - begun  # as long again; a half of it is the bare call that is measured
            while time.process_time() < end:
                pass
            return found

    idle = Idle(prior.network, prior.schedule, "x0_hat")
    assert measure(idle, "ddpm", size=32, steps=8, pairs=8)[0].overhead_ratio > 2.2


def test_with_no_network_the_step_alone_remains():
    """What a prior adds to a network that does nothing is found to within a half."""
    prior = network_of("none", None, CPU)
    x = torch.randn(1, 3, 8, 8)
    assert torch.equal(prior.network(x, torch.tensor([5])), x)
    assert measure(prior, "ddpm", size=16, steps=8, pairs=20)[0].step_ms < 5

    class Slow(NetworkPrior):
        def denoise(self, x_t, t):
            end = time.process_time() + 0.02
            while time.process_time() < end:
                pass
            return super().denoise(x_t, t)

    slow = measure(Slow(prior.network, prior.schedule), "ddpm", size=16, steps=8, pairs=8)[0]
    assert 20 < slow.step_ms < 30 and slow.bare_ms < 5


def test_what_only_the_first_call_costs_is_the_start():
    """As compiling does, which the bare call of the first pair has to wait for."""
    prior = network_of("none", None, CPU)

    class Late(type(prior.network)):
        def forward(self, x, t):
            end = time.process_time() + (0 if hasattr(self, "ready") else 0.1)
            self.ready = True
            while time.process_time() < end:
                pass
            return super().forward(x, t)

    quick = measure(prior, "ddpm", size=16, steps=8, pairs=8)[0]
    late = measure(NetworkPrior(Late().requires_grad_(False), prior.schedule), "ddpm", size=16, steps=8, pairs=8)[0]
    assert quick.start_ms < 50 and late.bare_ms < 5
    assert 90 < late.start_ms < 150


def test_with_one_thread_other_programs_do_not_count():
    marks = Marks(CPU)
    marks.set()
    time.sleep(0.05)
    marks.set()
    assert marks.clock == "processor time"
    assert marks.intervals()[0] < 25


def test_with_several_threads_the_wall_clock_counts(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    marks = Marks(CPU)
    marks.set()
    time.sleep(0.05)
    marks.set()
    assert marks.clock == "wall time"
    assert marks.intervals()[0] >= 49


def test_quartiles():
    assert quartiles([3.0]) == (3, 3)
    assert quartiles([4.0, 1, 2, 3, 5]) == (2, 4)


def test_the_peak_is_that_of_what_ran():
    sizes = [peak_of(lambda n=n: torch.ones(n, dtype=torch.uint8), CPU) for n in (64 << 20, 16 << 20)]
    if sys.platform != "linux":
        assert sizes == [(None, ["peak_memory: on a CPU it is known on Linux only"])] * 2
        return
    (large, notes), (small, _) = sizes
    assert notes == []
    assert 60 << 20 <= large < 80 << 20
    assert 12 << 20 <= small < 32 << 20  # although it was more before


def test_a_gradient_is_more_to_remember(prior):
    if sys.platform != "linux":
        pytest.skip("the peak of a CPU is known on Linux only")
    prior = NetworkPrior(random_network((24, 24)), schedules.linear(T=20), "x0_hat")
    ddpm, dps = (measure(prior, m, size=96, steps=2, pairs=2)[0].peak_memory for m in ("ddpm", "dps"))
    assert dps > 1.5 * ddpm > 0


BAD = {
    "a method without a network": (lambda p: measure(p, "admm_tv"), "unknown method that asks the network 'admm_tv'"),
    "a method": (lambda p: measure(p, "dsp"), "Did you mean 'dps'"),
    "a task": (lambda p: measure(p, "dps", task="sr3"), "sr2"),
    "a size": (lambda p: measure(p, "dps", size=0), "size must be 1 or more"),
    "a size of the task": (lambda p: measure(p, "dps", task="sr4", size=18), "4"),
    "a batch": (lambda p: measure(p, "dps", batch=0), "batch must be 1 or more"),
    "pairs": (lambda p: measure(p, "dps", pairs=0), "pairs must be 1 or more"),
    "steps": (lambda p: measure(p, "dps", steps=0), "steps must be 1 or more"),
    "a device": (lambda p: Marks(torch.device("meta")), "clocks for cpu and cuda"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(prior, case):
    call, says = BAD[case]
    with pytest.raises(ValueError, match=says):
        call(prior)


# The command line


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("prior") / "tiny.safetensors"
    schedule = {"name": "linear", "T": 20}
    save_prior(path, random_network(), schedule=schedule, prediction="x0_hat", dtype=torch.float32)
    return str(path)


def invoke(*arguments):
    result = CliRunner().invoke(cli.app, ["bench", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_the_json_has_the_contracts_keys(tiny):
    args = ["--networks", tiny, "--methods", "tweedie,ddim", "--sizes", "16,18", "--batches", "1,2", "--pairs", 1]
    result = invoke(*args, "--steps", 1, "--dtypes", "float32,bfloat16", "--json")
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    assert all(list(row) == ROW for row in rows)
    found = [(row["dtype"], row["size"], row["batch"], row["method"]) for row in rows]
    assert found == [
        (d, s, b, m) for d in ("float32", "bfloat16") for s in (16, 18) for b in (1, 2) for m in ("tweedie", "ddim")
    ]
    assert {(row["network"], row["device"], row["compiled"]) for row in rows} == {(tiny, "cpu", False)}


def test_the_table_says_where_and_how(tiny):
    result = invoke("--networks", tiny, "--methods", "hybrid", "--sizes", 16, "--pairs", 2, "--steps", 4)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("hybrid") == 2
    assert torch.__version__ in result.stdout
    assert "images/s" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--methods", "admm_tv"], "asks the network"),
        (["--methods", "dsp"], "Did you mean 'dps'"),
        (["--networks", "portrait"], "portraits"),
        (["--dtypes", "float23"], "Did you mean 'float32'"),
        (["--sizes", "64,big"], "--sizes takes whole numbers"),
        (["--batches", "0"], "--batches takes whole numbers of 1 or more"),
        (["--pairs", "0"], "--pairs"),
        (["--sizes", "8"], "16"),
        (["--task", "sr4", "--sizes", "18"], "4"),
        (["--task", "sr3"], "sr2"),
        (["--device", "cuda:99"], "CUDA device"),
    ],
)
def test_what_is_asked_wrongly_is_said_in_a_line(arguments, says):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""
