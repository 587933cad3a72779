"""A device that is not there, for machines without a GPU: its tensors' numbers lie on the CPU.

A GPU refuses to compute with a tensor that somebody left on the CPU. On a CPU nobody notices. Here somebody does:

    with elsewhere() as device:
        x = torch.ones(3, device=device)
        x + 1               # computed by the CPU, and x + 1 lies on the device, too
        x + torch.ones(3)   # refused, as by a GPU

So the tests marked `cuda` can be run with it, their own code and the project's. It also knows what the host would have
to wait for: numbers that it asks for, and copies between the two. How a GPU rounds and how fast it is it does not know.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

# An accelerator that torch has a name for and nothing else: nothing wants to start it.
DEVICE = torch.device("maia", 0)
MOVES = {"_to_copy", "copy_", "lift_fresh", "lift_fresh_copy"}
# A GPU, too, takes positions that lie on the CPU.
INDEXING = {"index", "index_put", "index_put_"}
# What asks for a number, or for a shape that depends on numbers.
READS = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "unique", "_unique2"}
# Views that only promise to change a sign: below a subclass of Tensor nobody keeps the promise, so it is done at once.
AT_ONCE = {"_conj": torch.ops.aten._conj_physical.default, "_neg_view": torch.ops.aten.neg.default}


class Elsewhere(Tensor):
    """Says that it lies on `DEVICE`. To the inside of torch it lies on meta, so that .cpu() does not return itself."""

    device = property(lambda self: DEVICE)
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, numbers: Tensor) -> "Elsewhere":
        return Tensor._make_wrapper_subclass(
            cls, numbers.shape, numbers.stride(), numbers.storage_offset(), dtype=numbers.dtype, device="meta"
        )

    def __init__(self, numbers: Tensor) -> None:
        self.numbers = numbers

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return compute(func, args, kwargs or {})


def compute(func, args, kwargs):
    """What torch is asked for, by the CPU; and the answer lies where a GPU's would."""
    name, tensors = func.overloadpacket.__name__, tensors_of(args, kwargs)
    there = any(isinstance(x, Elsewhere) for x in tensors)
    if there and name not in MOVES | INDEXING:
        left = [x for x in tensors if not isinstance(x, Elsewhere) and x.ndim > 0]
        if left:
            raise RuntimeError(f"{func}: tensors on {DEVICE} and on {left[0].device}, {tuple(left[0].shape)}.")
    if there and name in AT_ONCE:
        return Elsewhere(AT_ONCE[name](args[0].numbers))
    asked = kwargs.get("device")
    if asked is not None:
        there = is_there(asked)
        kwargs = {**kwargs, "device": "cpu"} if there else kwargs
    elif name == "copy_":
        there = isinstance(args[0], Elsewhere)
    found = func(*tree_map(unwrapped, args), **tree_map(unwrapped, kwargs))
    if not there:
        return found
    found = tree_map(lambda x: Elsewhere(x) if isinstance(x, Tensor) else x, found)
    return return_and_correct_aliasing(func, args, kwargs, found)


def tensors_of(*arguments) -> list[Tensor]:
    return [x for x in tree_leaves(arguments) if isinstance(x, Tensor)]


def is_there(device: torch.device | str) -> bool:
    """Of the device that somebody asks for; the inside of torch asks for meta."""
    return torch.device(device).type in (DEVICE.type, "meta")


def unwrapped(x):
    return x.numbers if isinstance(x, Elsewhere) else x


def waits(func, args, kwargs) -> bool:
    """Whether the host would stand still until the device has come so far."""
    name, tensors = func.overloadpacket.__name__, tensors_of(args, kwargs)
    there = [isinstance(x, Elsewhere) for x in tensors]
    if name == "copy_":
        return any(there) and not all(there)
    if name == "_to_copy":
        target = kwargs.get("device")
        return target is not None and there[0] != is_there(target)
    by_mask = name == "index" and any(x.dtype == torch.bool for x in tensors[1:])
    return any(there) and (name in READS or by_mask)


class Watch(TorchDispatchMode):
    """Sees, too, what no tensor of the device is part of: torch.zeros(3, device=device), x.to(device)."""

    def __init__(self, waited: list[str]) -> None:
        super().__init__()
        self.waited = waited

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if waits(func, args, kwargs):
            self.waited.append(str(func))
        return compute(func, args, kwargs)


class Generator(torch.Generator):
    def __new__(cls, device: torch.device | str = "cpu") -> "Generator":
        return super().__new__(cls, "cpu" if torch.device(device) == DEVICE else device)


def tensor(data, *, device=None, make=torch.tensor, **kwargs) -> Tensor:
    """torch.tensor copies numbers to a device without asking any mode."""
    return make(data, **kwargs) if device is None else make(data, **kwargs).to(device)


@contextmanager
def elsewhere(waited: list[str] | None = None) -> Iterator[torch.device]:
    """The device, while the context lasts. `waited` is told of everything that makes the host wait."""
    with mock.patch.multiple(torch, Generator=Generator, tensor=tensor), Watch([] if waited is None else waited):
        yield DEVICE


DEVICES = [pytest.param("cuda", marks=pytest.mark.cuda), "elsewhere"]
on_each_device = pytest.mark.parametrize("device", DEVICES, indirect=True)
