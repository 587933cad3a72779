"""Weights in files: read without running any code, loaded without a gap.

A file is read as what it is, whatever it is called: safetensors, or a pickle of torch, of which nothing but
tensors in dictionaries is taken.
"""

import hashlib
import pickle
import re
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

PICKLES = (".pt", ".pth", ".bin", ".ckpt")
# How a zip archive and a bare pickle begin.
MAGIC = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def read_tensors(path: Path, sha256: str | None = None) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file by their names, on the CPU, and the metadata of a safetensors file.

    Its SHA-256 is checked where one is given, and where the hub's cache names the file by it.

    Raises:
        ValueError: the file is damaged or another, is no file of weights, wants to run code, or holds something
            else than tensors by name.
    """
    blob = path.resolve()
    cached = blob.name if blob.parent.name == "blobs" and re.fullmatch("[0-9a-f]{64}", blob.name) else None
    for expected in filter(None, (sha256, cached)):
        check_sha256(path, expected)
    with open(path, "rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path} is a pointer of Git LFS, not the weights. Run `git lfs pull` where it came from.")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise ValueError(f"{path} is a web page, not weights: the download was refused. Download it with a browser.")
    described = start[8:9] == b"{"  # safetensors begin with the length of a JSON object, and the object
    if not described and (start.startswith(MAGIC) or path.suffix in PICKLES):
        return read_pickle(path), {}
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no readable safetensors file ({error}). Copy or download it again.") from error


def read_pickle(path: Path) -> dict[str, Tensor]:
    """Of a file of `torch.save` only the tensors: a pickle can name any function to be called, and none is."""
    try:
        with open(path, "rb") as file:  # of a path, torch would look at the ending
            found = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many kinds for a damaged file
        wanted = re.search(r"(?:GLOBAL|Unsupported class|Unsupported operand) (\S+)", str(error))
        if isinstance(error, pickle.UnpicklingError) and wanted:
            raise ValueError(
                f"{path} wants to call {wanted[1]} while it is read, so it was not read: a checkpoint needs tensors "
                "only, and a stranger's code can do anything. Ask for the weights as safetensors; if you made the file "
                "yourself, save `network.state_dict()` alone."
            ) from None
        why = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path} is no readable checkpoint of torch ({why}). Copy or download it again.") from error
    if not isinstance(found, dict) or not found or not all(isinstance(v, Tensor) for v in found.values()):
        what = f"a dictionary of {', '.join(map(repr, list(found)[:8]))}" if isinstance(found, dict) else type(found)
        raise ValueError(
            f"{path} must hold tensors by their names and nothing else; it holds {what}. "
            "Save the one state dict that is wanted: torch.save(network.state_dict(), path)."
        )
    return {str(key): value for key, value in found.items()}


def mismatches(expected: dict[str, Tensor], tensors: dict[str, Tensor]) -> list[str]:
    """What of `tensors` does not fit, a line each: missing, unexpected, of another shape."""
    wrong = [f"missing: {key} {tuple(v.shape)}" for key, v in expected.items() if key not in tensors]
    for key, value in tensors.items():
        if key not in expected:
            wrong.append(f"unexpected: {key} {tuple(value.shape)}")
        elif value.shape != expected[key].shape:
            wrong.append(f"{key}: expected {tuple(expected[key].shape)}, got {tuple(value.shape)}")
    return wrong


def load_strictly(network: nn.Module, tensors: dict[str, Tensor], path: Path, layout: str = "") -> None:
    """Put `tensors`, as float32, in the place of the network's, or list all that does not fit in one error.

    The network may have been made on the meta device: it then has no weights but those that are given here.
    """
    wrong = mismatches(network.state_dict(), tensors)
    wrong += [f"{key}: holds NaN or infinite values" for key, v in tensors.items() if not torch.isfinite(v).all()]
    if wrong:
        fits = f" ({layout})" if layout else ""
        raise ValueError(f"the weights in {path} do not fit the network{fits}:\n  " + "\n  ".join(wrong))
    network.load_state_dict({key: value.float() for key, value in tensors.items()}, assign=True)


def check_sha256(path: Path, expected: str) -> None:
    """The file's content has this SHA-256.

    Raises:
        ValueError: it has another, or `expected` is none.
    """
    expected = expected.lower()
    if not re.fullmatch(r"[0-9a-f]{64}", expected):
        raise ValueError(f"a SHA-256 is 64 hexadecimal digits; got {expected!r}.")
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise ValueError(
            f"{path} is not the file that was meant: its SHA-256 is {found}, and {expected} was expected. "
            "Delete it and download it again."
        )
