"""The device that is not there refuses what a GPU refuses, and changes no number."""

import pytest
import torch

from teachdiff.operators import Mask
from tests.elsewhere import Elsewhere, elsewhere


def test_it_computes_what_the_cpu_computes_and_keeps_it():
    here = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(2, 3, 4)
    bodies = [
        lambda x: x.mT @ x + 1,
        lambda x: torch.fft.irfft2(torch.fft.rfft2(x).conj() * torch.fft.rfft2(x), s=(3, 4)),
        lambda x: x[torch.tensor([1, 0])].flatten(1)[:, ::2].cumsum(1),
        lambda x: torch.cat([x.new_zeros(2, 1, 4), x.clone().mul_(2)], 1).sort(-1).values,
        lambda x: torch.randn(3, generator=torch.Generator(x.device).manual_seed(1), device=x.device),
    ]
    for body in bodies:
        with elsewhere() as device:
            there = body(here.to(device))
            assert isinstance(there, Elsewhere)
            assert there.device == device
            assert type(there.cpu()) is type(there.to("cpu")) is torch.Tensor
        assert torch.equal(there.cpu(), body(here))


def test_gradients_lie_where_their_tensors_do():
    with elsewhere() as device:
        x = torch.arange(3.0, device=device).requires_grad_()
        (gradient,) = torch.autograd.grad((x * x).sum(), x)
        assert gradient.device == device
        assert gradient.cpu().tolist() == [0, 2, 4]


MIXING = {
    "sum": lambda x, left: x + left,
    "cat": lambda x, left: torch.cat([x, left]),
    "where": lambda x, left: torch.where(left > 0, x, x),
    "into the device's": lambda x, left: x.clone().add_(left),
    "into the CPU's": lambda x, left: left.clone().add_(x),
}


@pytest.mark.parametrize("case", MIXING)
def test_a_tensor_that_was_left_on_the_cpu_is_refused(case):
    with elsewhere() as device:
        x = torch.ones(3, device=device)
        assert MIXING[case](x, torch.ones(3).to(device)).device == device
        with pytest.raises(RuntimeError, match="tensors on maia:0 and on cpu"):
            MIXING[case](x, torch.ones(3))


def test_an_operator_that_forgets_its_mask_on_the_cpu_is_found():
    """What the tests that use the device are for: on the CPU it works."""

    class Forgetful(Mask):
        def _forward(self, x):
            return x * torch.ones(self.input_shape, dtype=x.dtype)

    with elsewhere() as device:
        x = torch.zeros(1, 1, 4, 4)
        forgetful = Forgetful(torch.ones(1, 4, 4))
        assert torch.equal(forgetful(x), x)
        with pytest.raises(RuntimeError, match="and on cpu"):
            forgetful(x.to(device))
