"""Priors on disk: one safetensors file that holds the weights and, as metadata, how to read them."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from teachdiff import schedules
from teachdiff.checks import check_name
from teachdiff.files import atomic as atomic  # also offered from here
from teachdiff.priors.network import NetworkPrior
from teachdiff.priors.unet import UNet
from teachdiff.schedules import Schedule

FORMAT = "teachdiff-prior-1"
BUNDLED = Path(__file__).parent / "weights"
SCHEDULES = {"linear": schedules.linear, "cosine": schedules.cosine}


def save_prior(
    path: str | Path,
    network: UNet,
    *,
    schedule: dict[str, Any],
    prediction: str,
    dtype: torch.dtype = torch.float16,
    about: dict[str, Any] | None = None,
) -> None:
    """Write the weights, rounded to `dtype`, with the network's and the schedule's description."""
    header = {
        "format": FORMAT,
        "network": network.config,
        "schedule": schedule,
        "prediction": prediction,
        "about": about or {},
    }
    tensors = {k: v.detach().cpu().to(dtype).contiguous() for k, v in network.state_dict().items()}
    with atomic(path) as part:
        save_file(tensors, part, metadata={"teachdiff": json.dumps(header, sort_keys=True)})


def bundled_priors() -> dict[str, Path]:
    """Name and file of each prior that ships with the package."""
    return {path.stem: path for path in sorted(BUNDLED.glob("*.safetensors"))}


def load_prior(name: str | Path, device: torch.device | str = "cpu") -> NetworkPrior:
    """A prior by the name of a bundled one, or from a file that `teachdiff train` wrote.

    The weights load strictly, into float32: every missing, unexpected or wrongly shaped tensor is
    listed in one error.

    Raises:
        ValueError: no bundled prior has that name and no file is there; or the file is damaged,
            of another format, or does not fit the network that it describes.
    """
    bundled = bundled_priors()
    path = bundled.get(str(name), Path(name))
    if not path.is_file():
        if path.suffix or len(path.parts) > 1:
            raise ValueError(f"there is no checkpoint at {path}. Give a file that `teachdiff train` wrote.")
        check_name(str(name), bundled, "prior")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is no readable safetensors file ({error}). Copy or download it again.") from error
    if "teachdiff" not in metadata:
        raise ValueError(f"{path} does not say which network it belongs to; `teachdiff train` writes files that do.")
    network, schedule, prediction = read_header(metadata["teachdiff"], path)
    load_strictly(network, tensors, path)
    network.requires_grad_(False).eval()
    return NetworkPrior(network, schedule, prediction).to(device)


def read_header(text: str, path: Path) -> tuple[UNet, Schedule, str]:
    """The network (not yet with its weights), the schedule and the prediction that a header describes."""
    try:
        header = json.loads(text)
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']!r}; this version reads {FORMAT!r}")
        options = dict(header["schedule"])
        kind = check_name(options.pop("name"), SCHEDULES, "schedule")
        return UNet(**header["network"]), SCHEDULES[kind](**options), header["prediction"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the header of {path} is wrong ({error}). Copy or train it again.") from error


def load_strictly(network: torch.nn.Module, tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Copy `tensors` into the network, or list every tensor that does not fit in one error."""
    expected = network.state_dict()
    wrong = [f"missing: {k} {tuple(v.shape)}" for k, v in expected.items() if k not in tensors]
    for key, value in tensors.items():
        if key not in expected:
            wrong.append(f"unexpected: {key} {tuple(value.shape)}")
        elif value.shape != expected[key].shape:
            wrong.append(f"{key}: expected {tuple(expected[key].shape)}, got {tuple(value.shape)}")
        elif not torch.isfinite(value).all():
            wrong.append(f"{key}: holds NaN or infinite values")
    if wrong:
        raise ValueError(f"the weights in {path} do not fit the network:\n  " + "\n  ".join(wrong))
    network.load_state_dict(tensors)
