"""Checks of arguments that many rooms share. Each error says what was expected and what came."""

import difflib
import math
from collections.abc import Iterable

import torch
from torch import Tensor


def check_images(
    x: Tensor,
    name: str,
    *,
    shape: tuple[int, ...] | None = None,
    channels: int | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> None:
    """`x` is a float tensor (B, C, H, W) of the given (C, H, W), channels, dtype and device.

    Raises:
        TypeError: not a tensor, not floating point, or another dtype.
        ValueError: another shape or device.
    """
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor of shape (B, C, H, W); got {type(x).__name__}.")
    if not (x.is_floating_point() or x.is_complex()):
        raise TypeError(
            f"{name} must be a float tensor with values in [-1, 1]; got {x.dtype}. "
            "For an image of 0..255: x.float() / 127.5 - 1."
        )
    if x.ndim != 4 or 0 in x.shape:
        raise ValueError(f"{name} must have shape (B, C, H, W), none of them 0; got {tuple(x.shape)}.")
    if shape is not None and tuple(x.shape[1:]) != tuple(shape):
        raise ValueError(f"{name} must have shape (B, {', '.join(map(str, shape))}); got {tuple(x.shape)}.")
    if channels is not None and x.shape[1] != channels:
        raise ValueError(f"{name} must have {channels} channels; got {x.shape[1]}: shape {tuple(x.shape)}.")
    if dtype is not None and x.dtype != dtype:
        raise TypeError(f"{name} must be {dtype}; got {x.dtype}. Convert with {name}.to({dtype}).")
    if device is not None and x.device != device:
        raise ValueError(f"{name} must be on {device}; it is on {x.device}. Move one of the two.")


def check_finite(x: Tensor, name: str) -> None:
    """`x` holds no NaN and no infinity."""
    bad = int((~torch.isfinite(x)).sum())
    if bad:
        raise ValueError(f"{name} must be finite; {bad} of its {x.numel()} values are NaN or infinite.")


def check_weight(value: float, name: str, meaning: str = "") -> float:
    """A finite number, 0 or more. `meaning` says in the error what the number is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number; got {type(value).__name__}.")
    if not (math.isfinite(value) and value >= 0):
        subject = f"{name} {meaning}: it" if meaning else name
        raise ValueError(f"{subject} must be finite and 0 or more; got {value}.")
    return float(value)


def check_positive(value: float, name: str) -> float:
    """A finite number above 0."""
    if check_weight(value, name) == 0:
        raise ValueError(f"{name} must be above 0; got {value}.")
    return float(value)


def check_sigma(sigma: float, name: str = "sigma") -> float:
    """A standard deviation: a finite number, 0 or more."""
    return check_weight(sigma, name, "is a standard deviation")


def check_name(name: str, known: Iterable[str], kind: str) -> str:
    """`name` is one of `known`, or an error that offers the nearest one.

    Raises:
        ValueError: it is not.
    """
    known = sorted(known)
    if name in known:
        return name
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")
