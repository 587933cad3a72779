"""The guided-diffusion U-Net once more: slowly, literally, from a dictionary of tensors, with no module of ours.

Facts of the layout: Dhariwal and Nichol 2021, section 3 and appendix; names as in their released checkpoints.
"""

import math

import torch
from torch import Tensor


def spelled_out(
    image_channels: int, width: int, out: int, mult: tuple[int, ...], blocks: int, attention: set[int]
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of every tensor. `attention`: the levels that have it, 0 the finest."""
    found: dict[str, tuple[int, ...]] = {}
    emb = 4 * width

    def layer(name: str, *shape: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = shape, shape[:1]

    def residual(name: str, c_in: int, c_out: int) -> None:
        layer(f"{name}.in_layers.0", c_in)
        layer(f"{name}.in_layers.2", c_out, c_in, 3, 3)
        layer(f"{name}.emb_layers.1", 2 * c_out, emb)
        layer(f"{name}.out_layers.0", c_out)
        layer(f"{name}.out_layers.3", c_out, c_out, 3, 3)
        if c_in != c_out:
            layer(f"{name}.skip_connection", c_out, c_in, 1, 1)

    def attend(name: str, c: int) -> None:
        layer(f"{name}.norm", c)
        layer(f"{name}.qkv", 3 * c, c, 1)
        layer(f"{name}.proj_out", c, c, 1)

    layer("time_embed.0", emb, width)
    layer("time_embed.2", emb, emb)
    layer("input_blocks.0.0", width, image_channels, 3, 3)
    skips, c, i = [width], width, 1
    for level, m in enumerate(mult):
        for _ in range(blocks):
            residual(f"input_blocks.{i}.0", c, m * width)
            c = m * width
            if level in attention:
                attend(f"input_blocks.{i}.1", c)
            skips.append(c)
            i += 1
        if level < len(mult) - 1:
            residual(f"input_blocks.{i}.0", c, c)
            skips.append(c)
            i += 1
    residual("middle_block.0", c, c)
    attend("middle_block.1", c)
    residual("middle_block.2", c, c)
    i = 0
    for level in reversed(range(len(mult))):
        for k in range(blocks + 1):
            residual(f"output_blocks.{i}.0", c + skips.pop(), mult[level] * width)
            c, j = mult[level] * width, 1
            if level in attention:
                attend(f"output_blocks.{i}.{j}", c)
                j += 1
            if level and k == blocks:
                residual(f"output_blocks.{i}.{j}", c, c)
            i += 1
    layer("out.0", c)
    layer("out.2", out, c, 3, 3)
    return found


def group_norm(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """32 groups of neighbouring channels, each to mean 0 and variance 1."""
    out = torch.empty_like(x)
    size = x.shape[1] // 32
    for n in range(len(x)):
        for g in range(32):
            part = x[n, g * size : (g + 1) * size]
            variance = ((part - part.mean()) ** 2).mean()
            out[n, g * size : (g + 1) * size] = (part - part.mean()) / (variance + 1e-5).sqrt()
    return out * w[:, None, None] + b[:, None, None]


def silu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def conv(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Cross-correlation with zeros around: a sum over the kernel's places."""
    reach = w.shape[-1] // 2
    height, width = x.shape[-2:]
    padded = torch.zeros(*x.shape[:2], height + 2 * reach, width + 2 * reach, dtype=x.dtype)
    padded[..., reach : reach + height, reach : reach + width] = x
    total = b[None, :, None, None].expand(len(x), -1, height, width).clone()
    for i in range(w.shape[-2]):
        for j in range(w.shape[-1]):
            total += torch.einsum("oc,bchw->bohw", w[:, :, i, j], padded[..., i : i + height, j : j + width])
    return total


def embedding(t: Tensor, width: int, dtype: torch.dtype) -> Tensor:
    """cos first, then sin; frequencies 10000^(-k/half)."""
    rows = []
    for value in t.tolist():
        rates = [math.exp(-math.log(10000) * k / (width // 2)) for k in range(width // 2)]
        rows.append([math.cos(value * r) for r in rates] + [math.sin(value * r) for r in rates])
    return torch.tensor(rows, dtype=dtype)


def attention(x: Tensor, p: dict[str, Tensor], order: str, size: int = 64) -> Tensor:
    """Softmax of q k / sqrt(size), written out, for each head.

    "legacy": channels are cut into heads first, and each head into q, k and v; "new": the other way round.
    """
    batch, c = x.shape[:2]
    h = group_norm(x, p["norm.weight"], p["norm.bias"]).reshape(batch, c, -1)
    qkv = torch.einsum("oc,bcn->bon", p["qkv.weight"][:, :, 0], h) + p["qkv.bias"][:, None]
    heads = []
    for n in range(c // size):
        starts = [(3 * n + k) * size for k in range(3)] if order == "legacy" else [k * c + n * size for k in range(3)]
        q, k, v = (qkv[:, s : s + size] for s in starts)
        scores = torch.einsum("bci,bcj->bij", q * size**-0.25, k * size**-0.25)
        weights = torch.exp(scores - scores.amax(-1, keepdim=True))
        weights = weights / weights.sum(-1, keepdim=True)
        heads.append(torch.einsum("bij,bcj->bci", weights, v))
    out = torch.einsum("oc,bcn->bon", p["proj_out.weight"][:, :, 0], torch.cat(heads, 1)) + p["proj_out.bias"][:, None]
    return x + out.reshape(x.shape)


def nearest(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


def pooled(x: Tensor) -> Tensor:
    return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4


def residual(x: Tensor, emb: Tensor, p: dict[str, Tensor], resample=lambda x: x) -> Tensor:
    h = resample(silu(group_norm(x, p["in_layers.0.weight"], p["in_layers.0.bias"])))
    h = conv(h, p["in_layers.2.weight"], p["in_layers.2.bias"])
    both = silu(emb) @ p["emb_layers.1.weight"].T + p["emb_layers.1.bias"]
    c = h.shape[1]
    scale, shift = both[:, :c, None, None], both[:, c:, None, None]
    h = group_norm(h, p["out_layers.0.weight"], p["out_layers.0.bias"]) * (1 + scale) + shift
    h = conv(silu(h), p["out_layers.3.weight"], p["out_layers.3.bias"])
    x = resample(x)
    if "skip_connection.weight" in p:
        x = conv(x, p["skip_connection.weight"], p["skip_connection.bias"])
    return x + h


def unet(tensors: dict[str, Tensor], x: Tensor, t: Tensor, mult: tuple[int, ...], blocks: int, order: str) -> Tensor:
    """The network of these tensors at x and t = 0, 1, 2, ..."""

    def under(name: str) -> dict[str, Tensor]:
        return {key.removeprefix(name + "."): v for key, v in tensors.items() if key.startswith(name + ".")}

    def run(h: Tensor, name: str, resample=lambda x: x) -> Tensor:
        p = under(name)
        return attention(h, p, order) if "qkv.weight" in p else residual(h, emb, p, resample)

    width = tensors["input_blocks.0.0.weight"].shape[0]
    emb = embedding(t, width, x.dtype) @ tensors["time_embed.0.weight"].T + tensors["time_embed.0.bias"]
    emb = silu(emb) @ tensors["time_embed.2.weight"].T + tensors["time_embed.2.bias"]
    h = conv(x, tensors["input_blocks.0.0.weight"], tensors["input_blocks.0.0.bias"])
    skips, i = [h], 1
    for level in range(len(mult)):
        for _ in range(blocks):
            h = run(h, f"input_blocks.{i}.0")
            if under(f"input_blocks.{i}.1"):
                h = run(h, f"input_blocks.{i}.1")
            skips.append(h)
            i += 1
        if level < len(mult) - 1:
            h = run(h, f"input_blocks.{i}.0", pooled)
            skips.append(h)
            i += 1
    for j in range(3):
        h = run(h, f"middle_block.{j}")
    i = 0
    for level in reversed(range(len(mult))):
        for k in range(blocks + 1):
            h = run(torch.cat([h, skips.pop()], 1), f"output_blocks.{i}.0")
            last = max(j for j in range(3) if under(f"output_blocks.{i}.{j}"))
            up = level > 0 and k == blocks
            for j in range(1, last + 1):
                h = run(h, f"output_blocks.{i}.{j}", nearest if up and j == last else lambda x: x)
            i += 1
    h = silu(group_norm(h, tensors["out.0.weight"], tensors["out.0.bias"]))
    return conv(h, tensors["out.2.weight"], tensors["out.2.bias"])
