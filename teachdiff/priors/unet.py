r"""A small fully convolutional U-Net, the network behind the bundled priors.

Levels halve the resolution by a strided convolution and come back by nearest upsampling; each
has residual blocks whose group normalisation is scaled and shifted by the embedded time:

.. math::
    h \leftarrow h + W_2\,\mathrm{SiLU}\big((1 + a_t)\,\mathrm{GN}(W_1\,\mathrm{SiLU}(\mathrm{GN}(h))) + b_t\big)

There is no attention, so cost is linear in the number of pixels and any size works.

Sources: Ronneberger et al. 2015; Ho et al. 2020, appendix B; Dhariwal and Nichol 2021, section 3.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a skip; the time sets scale and shift of the second norm."""

    def __init__(self, c_in: int, c_out: int, c_time: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(8, c_in)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.norm2 = nn.GroupNorm(8, c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.time = nn.Linear(c_time, 2 * c_out)
        self.skip = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()
        # The block starts as the identity: deep stacks then train from the first step on.
        nn.init.zeros_(self.conv2.weight)
        nn.init.zeros_(self.time.weight)
        nn.init.zeros_(self.time.bias)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.time(time)[:, :, None, None].chunk(2, dim=1)
        r = self.conv1(F.silu(self.norm1(h)))
        r = self.conv2(F.silu(torch.addcmul(shift, self.norm2(r), 1 + scale)))
        return self.skip(h) + r


def replicate(x: Tensor, rows: int, columns: int) -> Tensor:
    """`x` with its last row and its last column so many times more.

    It is F.pad(mode="replicate"), whose gradient torch 2.13 cannot compile beside channels_last.
    """
    if rows:
        x = torch.cat([x, x[..., -1:, :].expand(*x.shape[:-2], rows, -1)], dim=-2)
    if columns:
        x = torch.cat([x, x[..., -1:].expand(*x.shape[:-1], columns)], dim=-1)
    return x


class UNet(nn.Module):
    r"""`forward(x, t)`: x of shape (B, C, H, W), t of shape (B,), whole or not, to shape (B, C, H, W).

    Arguments:
        image_channels: C.
        channels: features at each resolution, finest first, each divisible by 8; their number
            is the number of levels.
        blocks: residual blocks per level on the way down (as many on the way up).

    H and W need not be divisible by 2^(levels - 1): the image is padded by replication and the
    answer cropped back.
    """

    def __init__(self, image_channels: int = 3, channels: Sequence[int] = (32, 64, 96), blocks: int = 1) -> None:
        super().__init__()
        if image_channels < 1 or blocks < 1 or not channels or any(c % 8 or c < 8 for c in channels):
            raise ValueError(
                "a UNet needs image_channels >= 1, blocks >= 1 and channels that are multiples of 8; "
                f"got image_channels={image_channels}, blocks={blocks}, channels={list(channels)}."
            )
        self.config = {
            "image_channels": image_channels,
            "channels": list(channels),
            "blocks": blocks,
        }
        c_time = 4 * channels[0]
        self.c_sine = channels[0]
        self.time = nn.Sequential(nn.Linear(self.c_sine, c_time), nn.SiLU(), nn.Linear(c_time, c_time))
        self.stem = nn.Conv2d(image_channels, channels[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, c in enumerate(channels):
            first = nn.Conv2d(channels[level - 1], c, 3, stride=2, padding=1) if level else nn.Identity()
            rest = [ResidualBlock(c, c, c_time) for _ in range(blocks)]
            self.down.append(nn.ModuleList([first, *rest]))
        self.middle = ResidualBlock(channels[-1], channels[-1], c_time)
        for level, c in reversed(list(enumerate(channels))):
            first = nn.Conv2d(channels[level + 1], c, 3, padding=1) if level < len(channels) - 1 else nn.Identity()
            rest = [ResidualBlock(2 * c if i == 0 else c, c, c_time) for i in range(blocks)]
            self.up.append(nn.ModuleList([first, *rest]))
        self.head_norm = nn.GroupNorm(8, channels[0])
        self.head = nn.Conv2d(channels[0], image_channels, 3, padding=1)
        for parameter in self.head.parameters():  # a fresh network answers 0
            nn.init.zeros_(parameter)

    def embed(self, t: Tensor) -> Tensor:
        """Sines and cosines of t at geometrically spaced frequencies, then two linear layers."""
        half = self.c_sine // 2
        rates = torch.exp(-math.log(1e4) * torch.arange(half, device=t.device) / half)
        angles = t[:, None].float() * rates
        wave = torch.cat([angles.sin(), angles.cos()], dim=1).to(self.stem.weight.dtype)
        return F.silu(self.time(wave))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        grid = 2 ** (len(self.down) - 1)
        x = replicate(x, -height % grid, -width % grid)
        time = self.embed(t)
        h, skips = self.stem(x), []
        for first, *rest in self.down:
            h = first(h)
            for block in rest:
                h = block(h, time)
            skips.append(h)
        h = self.middle(h, time)
        for level, (first, *rest) in enumerate(self.up):
            if level:
                h = first(F.interpolate(h, scale_factor=2, mode="nearest"))
            h = torch.cat([h, skips.pop()], dim=1)
            for block in rest:
                h = block(h, time)
        return self.head(F.silu(self.head_norm(h)))[..., :height, :width]
