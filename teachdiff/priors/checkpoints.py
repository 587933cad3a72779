"""Priors on disk: one safetensors file that holds the weights and, as metadata, how to read them.

`load_prior` also reads what others wrote: state dicts of guided diffusion, folders of diffusers, ids on the hub.

Two formats of our own: a network's weights, and a Gaussian mixture. Of a mixture's covariances the lower triangles are
kept, row by row, so that what is read is symmetric, and half as long.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from teachdiff import schedules
from teachdiff.checks import check_name
from teachdiff.files import atomic as atomic  # also offered from here
from teachdiff.priors import diffusers_format, hub
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.guided import is_guided, read_guided
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.priors.network import NetworkPrior
from teachdiff.priors.tensors import load_strictly, read_tensors
from teachdiff.priors.unet import UNet
from teachdiff.schedules import Schedule

FORMAT = "teachdiff-prior-1"
MIXTURE = "teachdiff-mixture-1"
RESTORER = "teachdiff-restorer-1"  # see `teachdiff.priors.restorer`
ACCEPTED = (
    "Take a bundled prior, a file that `teachdiff train` wrote, a state dict of guided diffusion (.pt, .safetensors), "
    "a folder of diffusers with config.json, or an id on the hub (owner/name)."
)
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
    write(path, tensors, header)


def save_mixture(
    path: str | Path, prior: GaussianMixturePrior, *, schedule: dict[str, Any], about: dict[str, Any] | None = None
) -> None:
    """Write a mixture: weights in float64, means and covariances rounded to float32."""
    n = torch.Size(prior.shape).numel()
    rows, columns = torch.tril_indices(n, n)
    tensors = {
        "weights": prior.weights.values.clone(),
        "means": torch.stack([c.mean.values for c in prior.components]).float(),
        "covariances": torch.stack([c.covariance[rows, columns] for c in prior.components]).float(),
    }
    write(path, tensors, {"format": MIXTURE, "schedule": schedule, "labels": prior.labels, "about": about or {}})


def write(path: str | Path, tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> None:
    with atomic(path) as part:
        save_file(tensors, part, metadata={"teachdiff": json.dumps(header, sort_keys=True)})


def bundled_priors() -> dict[str, Path]:
    """Name and file of each prior that ships with the package."""
    found = {path.stem: path for path in sorted(BUNDLED.glob("*.safetensors"))}
    return {name: path for name, path in found.items() if not name.startswith("dirac_")}  # those are restorers


def find_prior(name: str | Path) -> Path:
    """The file or folder of a prior: a bundled one's, one that is here, or one that is fetched from the hub.

    Raises:
        ValueError: no bundled prior has that name, no file or folder is there, and the hub has no such id.
        RuntimeError, ConnectionError: the hub cannot be asked, see `teachdiff.priors.hub.fetch`.
    """
    bundled = bundled_priors()
    path = bundled.get(str(name), Path(name))
    if path.exists():
        return path
    if hub.is_id(name):
        return hub.fetch(str(name))
    if path.suffix or len(path.parts) > 1:
        raise ValueError(f"there is no checkpoint at {path}. {ACCEPTED}")
    check_name(str(name), bundled, "prior")
    raise ValueError(f"the bundled prior {name} has lost its file {path}. Install teachdiff again.")


def files_of(path: Path) -> list[Path]:
    """The files that make up the prior at a path, which is what `find_prior` gave."""
    return [path] if path.is_file() else list(diffusers_format.files_of(path).values())


def load_prior(
    name: str | Path, device: torch.device | str = "cpu", *, sha256: str | None = None
) -> NetworkPrior | GaussianMixturePrior:
    """A prior by the name of a bundled one, from a file, from a folder, or by its id on the hub.

    Files are those of `teachdiff train` and `save_mixture`, and state dicts of guided diffusion (safetensors, or a
    .pt of which only tensors are read); folders hold a `UNet2DModel` of diffusers. Weights load strictly, into
    float32: every missing, unexpected or wrongly shaped tensor is listed in one error, and never does a network keep
    weights that came from no file. A mixture follows the device and dtype of the images that it is asked about.

    Arguments:
        sha256: what the file with the weights must hash to. What the hub's cache names by its hash is always checked.

    Raises:
        ValueError: nothing has that name; or the file is damaged, another one, of another format, wants to run code,
            or does not fit what it describes.
        RuntimeError: a package of the extra `hub` is needed and not installed.
        ConnectionError: the hub could not be reached.
    """
    path = find_prior(name)
    if path.is_dir():
        return diffusers_format.read_folder(path, sha256).to(device)
    tensors, metadata = read_tensors(path, sha256)
    if "teachdiff" not in metadata:
        if is_guided(tensors):
            return read_guided(tensors, path).to(device)
        if any(key.startswith(("down_blocks.", "conv_in.")) for key in tensors):
            raise ValueError(
                f"{path} holds the weights of a network of diffusers, which do not say how it is built: give the "
                "folder that holds config.json and scheduler_config.json beside them."
            )
        some = ", ".join(list(tensors)[:3])
        raise ValueError(f"{path} does not say which network its {len(tensors)} tensors ({some}, ...) are. {ACCEPTED}")
    header, schedule = read_header(metadata["teachdiff"], path)
    if header["format"] == MIXTURE:
        return read_mixture(header, schedule, tensors, path)
    try:
        network, prediction = UNet(**header["network"]), header["prediction"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the header of {path} is wrong ({error}). Copy or train it again.") from error
    load_strictly(network, tensors, path)
    network.requires_grad_(False).eval()
    return NetworkPrior(network, schedule, prediction).to(device)


def read_json(text: str, path: Path) -> dict[str, Any]:
    """The object that a header holds."""
    try:
        header = json.loads(text)
        if isinstance(header, dict):
            return header
        error: Exception = TypeError(f"expected an object, got {type(header).__name__}")
    except ValueError as failed:
        error = failed
    raise ValueError(f"the header of {path} is wrong ({error}). Copy or train it again.") from error


def read_header(text: str, path: Path) -> tuple[dict[str, Any], Schedule]:
    """A header of a known format, and the schedule that it describes."""
    header = read_json(text, path)
    if header.get("format") == RESTORER:
        raise ValueError(f"{path} is a network of Dirac, not a prior: `load_restorer` reads it.")
    try:
        if header["format"] not in (FORMAT, MIXTURE):
            raise ValueError(f"its format is {header['format']!r}; this version reads {FORMAT!r} and {MIXTURE!r}")
        options = dict(header["schedule"])
        kind = check_name(options.pop("name"), SCHEDULES, "schedule")
        return header, SCHEDULES[kind](**options)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the header of {path} is wrong ({error}). Copy or train it again.") from error


def read_mixture(
    header: dict[str, Any], schedule: Schedule, tensors: dict[str, torch.Tensor], path: Path
) -> GaussianMixturePrior:
    """The mixture of a header and its tensors, or all that is wrong with the tensors in one error."""
    expected = ("weights", "means", "covariances")
    wrong = [f"missing: {key}" for key in expected if key not in tensors]
    wrong += [f"unexpected: {key} {tuple(value.shape)}" for key, value in tensors.items() if key not in expected]
    wrong += [f"{key}: holds NaN or infinite values" for key, v in tensors.items() if not torch.isfinite(v).all()]
    if not wrong:
        weights, means, packed = (tensors[key].double() for key in expected)
        n = means[0].numel() if means.ndim == 4 and len(means) else 0
        shapes = {"weights": (len(means),), "covariances": (len(means), n * (n + 1) // 2)}
        if not n:
            wrong.append(f"means: expected (K, C, H, W), got {tuple(means.shape)}")
        for key, shape in shapes.items():
            if n and tensors[key].shape != shape:
                wrong.append(f"{key}: expected {shape}, got {tuple(tensors[key].shape)}")
    if wrong:
        raise ValueError(f"the tensors in {path} are no Gaussian mixture:\n  " + "\n  ".join(wrong))
    rows, columns = torch.tril_indices(n, n)
    matrices = torch.zeros(len(means), n, n, dtype=torch.float64)
    matrices[:, rows, columns] = matrices[:, columns, rows] = packed
    try:
        components = [GaussianPrior.from_covariance(schedule, m, c) for m, c in zip(means, matrices, strict=True)]
        return GaussianMixturePrior(weights, components, header.get("labels"))
    except (ValueError, TypeError) as error:
        raise ValueError(f"the tensors in {path} are no Gaussian mixture ({error}). Copy or fit it again.") from error
