"""The U-Net: any size, per sample, and no dead parameters."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from teachdiff.priors.unet import UNet, replicate


def small(**options):
    torch.manual_seed(0)
    net = UNet(**{"image_channels": 2, "channels": (8, 16), "blocks": 1, **options})
    for parameter in net.parameters():  # what starts at zero hides what follows it
        torch.nn.init.normal_(parameter, std=0.2)
    return net.eval()


@settings(max_examples=10)
@given(st.integers(1, 11), st.integers(1, 11), st.integers(1, 3))
def test_any_size_keeps_its_shape(height, width, batch):
    x = torch.randn(batch, 2, height, width)
    assert small()(x, torch.arange(batch)).shape == x.shape


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (0, 3), (2, 0), (5, 4)])
def test_an_image_is_padded_by_replication(rows, columns):
    x = torch.randn(2, 3, 4, 3, requires_grad=True)
    ours, torchs = replicate(x, rows, columns), F.pad(x, (0, columns, 0, rows), mode="replicate")
    assert torch.equal(ours, torchs)
    w = torch.randn_like(ours)
    slopes = [torch.autograd.grad((w * y).sum(), x)[0] for y in (ours, torchs)]
    torch.testing.assert_close(*slopes)


def test_each_sample_sees_only_itself_and_its_own_time():
    net = small().double()
    x, t = torch.randn(3, 2, 8, 8, dtype=torch.float64), torch.tensor([0, 5, 999])
    each = torch.cat([net(x[i : i + 1], t[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(net(x, t), each, rtol=1e-10, atol=1e-10)
    assert not torch.allclose(net(x, t), net(x, t + 1))


@pytest.mark.parametrize("blocks", [1, 2])
def test_every_parameter_takes_part(blocks):
    net = small(channels=(8, 16, 24), blocks=blocks)
    net(torch.randn(2, 2, 8, 8), torch.tensor([3, 700])).square().sum().backward()
    dead = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not dead


def test_a_fresh_network_starts_from_zero():
    torch.manual_seed(0)
    assert UNet(3, (8, 16))(torch.randn(1, 3, 8, 8), torch.tensor([4])).abs().max() == 0


BAD = {"channels": {"channels": (10,)}, "none": {"channels": ()}, "blocks": {"blocks": 0}}


@pytest.mark.parametrize("case", BAD)
def test_bad_sizes_are_named(case):
    with pytest.raises(ValueError, match="multiples of 8"):
        UNet(**BAD[case])
