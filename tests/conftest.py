"""One thread, one of four hypothesis profiles, and no GPU test where there is no GPU."""

import gc
import os
import signal
from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

from tests.elsewhere import elsewhere
from tests.python import Pythons, pythons

# With another busy process, two OpenMP threads become many times slower; one is steady, in the children, too.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell that starts the tests in its background has them ignore Ctrl-C, and every child would inherit that; several
# tests send one and wait.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The first call into torch is slow, so no profile has a deadline. `ci` and `mutation` always draw the same examples:
# a failure there must be the fault of the change. `nightly` looks for what the others have not drawn yet.
settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=25, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("nightly", max_examples=5000, deadline=None, print_blob=True)
settings.register_profile("mutation", max_examples=10, deadline=None, derandomize=True, database=None)
settings.load_profile(os.environ.get("TEACHDIFF_HYPOTHESIS") or ("ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session")
def python() -> Iterator[Pythons]:
    """`python.run(...)`: a program in a process of its own, without the seconds that importing torch takes."""
    with pythons() as running:
        yield running


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """A GPU, or the device that is not there: see tests/elsewhere.py."""
    if request.param != "elsewhere":
        yield torch.device(request.param)
    else:
        with elsewhere() as pretended:
            yield pretended


@pytest.fixture
def forking() -> str:
    """Source of `in_processes(world, work)`: what torchrun does, without a Python for each process that imports torch
    anew. Each process runs work(rank) and ends; the answer is their exit codes."""
    return """
import os, socket

def in_processes(world, work):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    for rank in range(world):
        if os.fork() == 0:
            os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(world)}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            work(rank)
            os._exit(0)
    return [os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(world)]
"""


def pytest_collection_finish() -> None:
    """What the modules and thousands of tests hold stays until the end: the garbage collector need not look through it
    again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason="torch.cuda.is_available() is False: needs an NVIDIA GPU and a CUDA build of torch")
    for item in items:
        if item.get_closest_marker("cuda"):
            item.add_marker(skip)
