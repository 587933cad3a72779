"""The random draws of a sampler that takes no `noise` argument: heard, and replaced.

Every normal draw of torch, whoever asks for it, passes `RandomDraws`, a `TorchDispatchMode`: it hands
out what a function `noise(k, shape)` gives for the k-th draw. So a foreign sampler becomes a method with a
noise argument, and the exact law of its output can be taken.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from teachdiff.problems import InverseProblem

aten = torch.ops.aten

# The operators that draw normal numbers, by what they do with them.
FRESH = {aten.randn, aten.randn_like}
NORMAL = {aten.normal, aten.normal_functional}
IN_PLACE = {aten.normal_}
OTHER = {aten.rand, aten.rand_like, aten.randint, aten.randint_like, aten.randperm, aten.bernoulli, aten.bernoulli_,
         aten.uniform_, aten.random_, aten.multinomial, aten.exponential_, aten.cauchy_, aten.log_normal_}  # fmt: skip


class OtherRandomness(RuntimeError):
    """The sampler draws numbers that are not normal; its law is not that of an affine map of normal ones."""


class RandomDraws(TorchDispatchMode):
    """Inside this context normal draws come from `noise(k, shape)`, k = 0, 1, ... in the order they are asked for.

    Raises:
        OtherRandomness: at a draw of another distribution.
    """

    def __init__(self, noise: Callable[[int, tuple[int, ...]], Tensor]) -> None:
        super().__init__()
        self.noise = noise
        self.count = 0

    def _next(self, like: Tensor) -> Tensor:
        draw = self.noise(self.count, tuple(like.shape))
        self.count += 1
        return draw.to(like)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        packet = getattr(function, "overloadpacket", None)
        if packet in OTHER:
            raise OtherRandomness(f"the sampler calls {packet.__name__}, which draws numbers that are not normal.")
        if packet not in FRESH | NORMAL | IN_PLACE:
            return function(*args, **kwargs)
        drawn = function(*args, **kwargs)  # also moves the generator on, as it would have
        z = self._next(drawn)
        if packet in FRESH:
            return z
        mean, std = moments(packet, args, kwargs)
        if packet in IN_PLACE:
            return drawn.copy_(mean + std * z)
        return mean + std * z


def moments(packet, args, kwargs) -> tuple:
    """Mean and standard deviation that a call of torch.normal or Tensor.normal_ asks for."""
    rest = args[1:] if packet in IN_PLACE else args
    mean = rest[0] if len(rest) > 0 else kwargs.get("mean", 0.0)
    std = rest[1] if len(rest) > 1 else kwargs.get("std", 1.0)
    return mean, std


def with_noise(sampler: Callable[[Any, InverseProblem], Tensor]) -> Callable[..., Tensor]:
    """The sampler(prior, problem) with one argument more, `noise(k, shape)`, in the place of its own randomness.

    While it runs, torch's default dtype is that of the measurement: `torch.randn(shape)` then keeps every digit.
    """

    def method(prior, problem, *, noise):
        usual = torch.get_default_dtype()
        torch.set_default_dtype(problem.y.dtype)
        try:
            with RandomDraws(noise):
                return sampler(prior, problem)
        finally:
            torch.set_default_dtype(usual)

    method.__name__ = getattr(sampler, "__name__", type(sampler).__name__)
    return method
