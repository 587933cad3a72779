r"""The U-Net of guided diffusion: the network of `ffhq_10m.pt` and of OpenAI's ImageNet-256 checkpoint.

A residual block, its second norm scaled and shifted by the embedded time e; :math:`R` resamples (nearest
neighbours up, mean of 2 x 2 down) or does nothing:

.. math::
    r = W_1\,R\,\mathrm{SiLU}(\mathrm{GN}(h)), \qquad (a, b) = W_e\,\mathrm{SiLU}(e), \qquad
    h \leftarrow W_s R h + W_2\,\mathrm{SiLU}\big((1 + a)\,\mathrm{GN}(r) + b\big)

Self-attention over the n = HW places of the coarse levels, d = 64 channels a head:

.. math::
    h \leftarrow h + W_o\,\mathrm{softmax}\big(q k^\top / \sqrt d\big)\, v, \qquad (q, k, v) = W\,\mathrm{GN}(h)

The time is embedded as :math:`(\cos \omega_k t, \sin \omega_k t)`, :math:`\omega_k = 10^{-4k/K}`, k = 0..K - 1,
and two linear layers. Names and shapes of the tensors are those of the published files. The order of q, k and v
among the 3C channels is in no file: "legacy" (heads first, all published unconditional networks) or "new".

Source: Dhariwal and Nichol 2021, section 3 and table 4.
"""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from teachdiff import schedules
from teachdiff.checks import check_name
from teachdiff.priors.network import NetworkPrior
from teachdiff.priors.tensors import load_strictly, mismatches

ORDERS = ("legacy", "new")


class GroupNorm(nn.GroupNorm):
    """32 groups, computed in float32 at least: in half precision the sums of squares would overflow."""

    def __init__(self, channels: int) -> None:
        super().__init__(32, channels)

    def forward(self, h: Tensor) -> Tensor:
        exact = torch.promote_types(h.dtype, torch.float32)
        return F.group_norm(h.to(exact), 32, self.weight.to(exact), self.bias.to(exact), self.eps).to(h.dtype)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with a skip; `resample` is "", "down" or "up"."""

    def __init__(self, c_in: int, c_out: int, c_time: int, resample: str = "") -> None:
        super().__init__()
        self.resample = resample
        self.in_layers = nn.Sequential(GroupNorm(c_in), nn.SiLU(), nn.Conv2d(c_in, c_out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(c_time, 2 * c_out))
        # The third place was dropout's, of which nothing is left when a network is used.
        conv = nn.Conv2d(c_out, c_out, 3, padding=1)
        self.out_layers = nn.Sequential(GroupNorm(c_out), nn.SiLU(), nn.Identity(), conv)
        self.skip_connection = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def resampled(self, h: Tensor) -> Tensor:
        if self.resample == "up":
            return F.interpolate(h, scale_factor=2.0, mode="nearest")
        return F.avg_pool2d(h, 2) if self.resample == "down" else h

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        norm, silu, conv = self.in_layers
        r = conv(self.resampled(silu(norm(h))))
        scale, shift = self.emb_layers(time)[:, :, None, None].chunk(2, dim=1)
        norm, *rest = self.out_layers
        r = norm(r) * (1 + scale) + shift
        for layer in rest:
            r = layer(r)
        return self.skip_connection(self.resampled(h)) + r


class Attention(nn.Module):
    """Self-attention over all places of the image; its weights have the shapes of 1x1 convolutions."""

    def __init__(self, channels: int, head_channels: int, order: str) -> None:
        super().__init__()
        self.head_channels, self.order = head_channels, order
        self.norm = GroupNorm(channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        places = self.norm(h).flatten(2).mT  # (B, n, C)
        qkv = F.linear(places, self.qkv.weight.squeeze(-1), self.qkv.bias)
        if self.order == "legacy":
            q, k, v = qkv.unflatten(-1, (-1, 3, self.head_channels)).unbind(-2)
        else:
            q, k, v = qkv.unflatten(-1, (3, -1, self.head_channels)).unbind(-3)
        mixed = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        out = F.linear(mixed.transpose(1, 2).flatten(2), self.proj_out.weight.squeeze(-1), self.proj_out.bias)
        return h + out.mT.unflatten(-1, h.shape[-2:])


class GuidedUNet(nn.Module):
    r"""`forward(x, t)`: x of shape (B, C, H, W), t = 0, 1, ... of shape (B,), to shape (B, out_channels, H, W).

    Arguments:
        image_channels: C.
        out_channels: C, or 2C where the network also predicts a variance.
        model_channels: features at the finest level, a multiple of 32.
        channel_mult: features of each level in units of `model_channels`, finest first.
        blocks: residual blocks per level on the way down (one more on the way up).
        attention: the levels with self-attention, 0 the finest; the middle always has it.
        head_channels: channels of each head.
        order: "legacy" or "new", see above.

    Attributes:
        checkpointing: True computes each block anew in the backward pass instead of keeping what is inside it: a
            gradient, as DPS takes, then needs a fraction of the memory and a third more time.

    H and W must be multiples of :math:`2^{levels - 1}`. Works in any memory format.
    """

    def __init__(
        self,
        image_channels: int = 3,
        out_channels: int = 6,
        model_channels: int = 128,
        channel_mult: Sequence[int] = (1, 1, 2, 2, 4, 4),
        blocks: int = 1,
        attention: Sequence[int] = (4,),
        head_channels: int = 64,
        order: str = "legacy",
    ) -> None:
        super().__init__()
        check_name(order, ORDERS, "attention order")
        sizes = [m * model_channels for m in channel_mult]
        with_attention = [*(sizes[level] for level in attention if level < len(sizes)), *sizes[-1:]]
        counts = (image_channels, out_channels, model_channels, blocks, head_channels, *channel_mult)
        if not sizes or min(counts) < 1 or model_channels % 32 or not set(attention) <= set(range(len(sizes))):
            raise ValueError(
                "a GuidedUNet needs model_channels that are a multiple of 32, attention at some of its levels "
                f"0..{len(sizes) - 1} and counts of 1 or more; got model_channels={model_channels}, "
                f"channel_mult={list(channel_mult)}, blocks={blocks}, attention={list(attention)}."
            )
        if any(c % head_channels for c in with_attention):
            raise ValueError(f"heads of {head_channels} channels must divide those of the levels; got {sizes}.")
        self.config: dict[str, Any] = {
            "image_channels": image_channels,
            "out_channels": out_channels,
            "model_channels": model_channels,
            "channel_mult": list(channel_mult),
            "blocks": blocks,
            "attention": list(attention),
            "head_channels": head_channels,
            "order": order,
        }
        self.checkpointing = False
        self.coarsest = 2 ** (len(sizes) - 1)
        self.model_channels = model_channels
        c_time = 4 * model_channels

        def attend(level: int) -> list[nn.Module]:
            return [Attention(sizes[level], head_channels, order)] if level in attention else []

        self.time_embed = nn.Sequential(nn.Linear(model_channels, c_time), nn.SiLU(), nn.Linear(c_time, c_time))
        c = model_channels
        down: list[list[nn.Module]] = [[nn.Conv2d(image_channels, c, 3, padding=1)]]
        skips = [c]
        for level, size in enumerate(sizes):
            for _ in range(blocks):
                down.append([ResidualBlock(c, size, c_time), *attend(level)])
                c = size
                skips.append(c)
            if level < len(sizes) - 1:
                down.append([ResidualBlock(c, c, c_time, "down")])
                skips.append(c)
        middle = [ResidualBlock(c, c, c_time), Attention(c, head_channels, order), ResidualBlock(c, c, c_time)]
        up: list[list[nn.Module]] = []
        for level, size in reversed(list(enumerate(sizes))):
            for _ in range(blocks + 1):
                up.append([ResidualBlock(c + skips.pop(), size, c_time), *attend(level)])
                c = size
            if level:
                up[-1].append(ResidualBlock(c, c, c_time, "up"))
        self.input_blocks = nn.ModuleList(nn.ModuleList(stage) for stage in down)
        self.middle_block = nn.ModuleList(middle)
        self.output_blocks = nn.ModuleList(nn.ModuleList(stage) for stage in up)
        self.out = nn.Sequential(GroupNorm(c), nn.SiLU(), nn.Conv2d(c, out_channels, 3, padding=1))

    def embed(self, t: Tensor) -> Tensor:
        """Cosines, then sines, then two linear layers: shape (B, 4 model_channels)."""
        half = self.model_channels // 2
        rates = torch.exp(-math.log(1e4) * torch.arange(half, device=t.device) / half)
        angles = t[:, None].float() * rates
        wave = torch.cat([angles.cos(), angles.sin()], dim=1)
        return self.time_embed(wave.to(next(self.time_embed.parameters()).dtype))

    def run(self, stage: Any, h: Tensor, time: Tensor) -> Tensor:
        for block in stage:
            if self.checkpointing and torch.is_grad_enabled():
                h = checkpoint(block, h, time, use_reentrant=False, preserve_rng_state=False)
            else:
                h = block(h, time)
        return h

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        if x.shape[-2] % self.coarsest or x.shape[-1] % self.coarsest:
            raise ValueError(
                f"this network halves an image {len(self.config['channel_mult']) - 1} times: height and width must be "
                f"multiples of {self.coarsest}; got {tuple(x.shape)}."
            )
        time = self.embed(t)
        (stem,), *rest = self.input_blocks
        skips = [stem(x)]
        for stage in rest:
            skips.append(self.run(stage, skips[-1], time))
        h = self.run(self.middle_block, skips[-1], time)
        for stage in self.output_blocks:
            h = self.run(stage, torch.cat([h, skips.pop()], dim=1), time)
        return self.out(h)


LAYOUTS: dict[str, dict[str, Any]] = {
    "FFHQ-256": {},
    "ImageNet-256, unconditional": {"model_channels": 256, "blocks": 2, "attention": (3, 4, 5)},
}
"""The published layouts, by their difference to the defaults of `GuidedUNet`."""


def is_guided(tensors: Mapping[str, Tensor]) -> bool:
    """Whether these names are of this family of networks, perhaps with some missing."""
    return (
        sum(key.startswith(("time_embed.", "input_blocks.", "output_blocks.")) for key in tensors) > len(tensors) // 2
    )


def infer(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of `GuidedUNet` from the shapes of its tensors: all but head_channels and order.

    A level's last stage on the way up ends in a block that doubles the size; so these blocks count the levels.

    Raises:
        LookupError, ZeroDivisionError: tensors that tell it are missing.
    """
    stem, head = tensors["input_blocks.0.0.weight"], tensors["out.2.weight"]
    stages = {int(m[1]) for key in tensors if (m := re.match(r"output_blocks\.(\d+)\.", key))}
    ups = [key for key in tensors if re.fullmatch(r"output_blocks\.\d+\.[1-9]\.in_layers\.0\.weight", key)]
    levels = len(ups) + 1
    blocks = len(stages) // levels - 1
    first = [1 + level * (blocks + 1) for level in range(levels)]
    return {
        "image_channels": stem.shape[1],
        "out_channels": head.shape[0],
        "model_channels": stem.shape[0],
        "channel_mult": [tensors[f"input_blocks.{i}.0.out_layers.0.weight"].shape[0] // stem.shape[0] for i in first],
        "blocks": blocks,
        "attention": [level for level, i in enumerate(first) if f"input_blocks.{i}.1.qkv.weight" in tensors],
    }


def fitting(tensors: Mapping[str, Tensor]) -> tuple[str, GuidedUNet]:
    """The layout that these tensors fit, or nearly fit, and its network on the meta device: without weights.

    Raises:
        ValueError: there is no network with the sizes that the shapes tell.
    """
    candidates, refused = [], None
    with torch.device("meta"):
        try:
            candidates.append(("as its shapes tell", GuidedUNet(**infer(tensors))))
        except (LookupError, ZeroDivisionError):
            pass  # tensors are missing: a published layout tells which
        except ValueError as error:
            refused = error
        candidates += [(name, GuidedUNet(**option)) for name, option in LAYOUTS.items()]
    wrong = {name: mismatches(network.state_dict(), dict(tensors)) for name, network in candidates}
    name, network = min(candidates, key=lambda candidate: len(wrong[candidate[0]]))
    foreign = [line for line in wrong[name] if not line.startswith("missing")]
    if refused and len(foreign) > len(tensors) // 2:  # nor is it a published one that lost a part
        raise refused
    return name, network


def read_guided(tensors: dict[str, Tensor], path: Path) -> NetworkPrior:
    """The prior of a guided-diffusion state dict. Such a file says neither schedule nor heads; published are the
    linear schedule with T = 1000, heads of 64 channels and the legacy order.

    Raises:
        ValueError: tensors are missing, unexpected or wrongly shaped; all are listed, against the nearest layout.
    """
    try:
        layout, network = fitting(tensors)
    except ValueError as error:
        raise ValueError(
            f"{path} has the names of guided diffusion, but no network of ours has its sizes: {error}"
        ) from None
    load_strictly(network, tensors, path, f"the guided-diffusion layout, {layout}")
    channels, out = network.config["image_channels"], network.config["out_channels"]
    if out not in (channels, 2 * channels):
        raise ValueError(
            f"the network in {path} must answer {channels} channels, or {2 * channels} with a variance; it has {out}."
        )
    network.requires_grad_(False).eval()
    return NetworkPrior(network, schedules.linear(T=1000), learned_variance=out == 2 * channels)
