"""Networks in the format of diffusers: a folder with `config.json`, the weights and `scheduler_config.json`.

The network itself is the real `UNet2DModel`, so the package is needed (the extra `hub`). The folder is that of a
network, or of a pipeline that keeps the two in `unet/` and `scheduler/`.

Source of the names: the package's `UNet2DModel` and `DDPMScheduler`.
"""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from teachdiff import schedules
from teachdiff.metrics import import_torchvision
from teachdiff.priors.network import NetworkPrior
from teachdiff.priors.tensors import load_strictly, read_tensors
from teachdiff.schedules import Schedule

CONFIG, SCHEDULER = "config.json", "scheduler_config.json"
WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
NEWER = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
PREDICTIONS = {"epsilon": "epsilon", "v_prediction": "v", "sample": "x0_hat"}
SCHEDULES = {
    "linear": schedules.linear,
    "scaled_linear": schedules.scaled_linear,
    "squaredcos_cap_v2": lambda T, beta_min, beta_max: schedules.cosine(T),
}
EXAMPLE = '{"num_train_timesteps": 1000, "beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02}'


def require(package: str, what: str) -> None:
    """
    Raises:
        RuntimeError: the package is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise RuntimeError(f"{what} needs the package {package}: pip install 'teachdiff[hub]'")


def choose(names: list[str]) -> dict[str, str | None]:
    """Which of a folder's files are the network's config and weights and the scheduler's settings."""
    unet = "unet/" if f"unet/{CONFIG}" in names else ""
    places = {
        "config": [unet + CONFIG],
        "weights": [unet + name for name in WEIGHTS],
        "scheduler": [f"scheduler/{SCHEDULER}", SCHEDULER, unet + SCHEDULER],
    }
    return {part: next((name for name in found if name in names), None) for part, found in places.items()}


def files_of(folder: Path) -> dict[str, Path]:
    """The three files of a network's folder.

    Raises:
        ValueError: some are missing; the message says which, and what to give.
    """
    found = choose([path.relative_to(folder).as_posix() for path in folder.glob("*")] + inner(folder))
    advice = {
        "config": f"{CONFIG}, which describes the network",
        "weights": f"the weights, {' or '.join(WEIGHTS)}",
        "scheduler": f"{SCHEDULER}, which says with which noise schedule it was trained; such as {EXAMPLE}",
    }
    missing = [advice[part] for part, name in found.items() if name is None]
    if missing:
        raise ValueError(f"{folder} is no network in the format of diffusers. It lacks:\n  " + "\n  ".join(missing))
    return {part: folder / str(name) for part, name in found.items()}


def inner(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for part in ("unet", "scheduler") for path in folder.glob(f"{part}/*")]


def read_folder(folder: Path, sha256: str | None = None) -> NetworkPrior:
    """The prior of a folder; `sha256` is that of the file with the weights.

    Raises:
        RuntimeError: the package diffusers is not installed.
        ValueError: a file is missing, damaged or says what cannot be used; or tensors do not fit, and all are listed.
    """
    files = files_of(folder)
    settings = read_json(files["scheduler"])
    schedule, prediction = read_schedule(settings, files["scheduler"])
    config = read_json(files["config"])
    check_config(config, settings, files["config"])
    require("diffusers", f"{folder}, a network of diffusers,")
    if importlib.util.find_spec("torchvision") is not None:  # diffusers imports it wherever it is installed
        import_torchvision()
    from diffusers import UNet2DModel

    try:
        with torch.device("meta"):  # no weights but those of the file
            network = UNet2DModel.from_config(config)
    except (ValueError, TypeError, KeyError, IndexError, ZeroDivisionError) as error:
        raise ValueError(f"{files['config']} describes no network ({error}). Copy or download it again.") from error
    tensors, _ = read_tensors(files["weights"], sha256)
    load_strictly(network, renamed(tensors), files["weights"], f"the UNet2DModel of {files['config']}")
    wrapped = DiffusersNetwork(network).requires_grad_(False).eval()
    learned = wrapped.config["out_channels"] == 2 * wrapped.config["image_channels"]
    return NetworkPrior(wrapped, schedule, prediction, learned_variance=learned)


class DiffusersNetwork(nn.Module):
    """`forward(x, t)` is what the `UNet2DModel` answers, without its envelope."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        described = network.config
        self.config = {"image_channels": described["in_channels"], "out_channels": described["out_channels"]}
        self.coarsest = 2 ** (len(described["block_out_channels"]) - 1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        if x.shape[-2] % self.coarsest or x.shape[-1] % self.coarsest:
            raise ValueError(f"height and width must be multiples of {self.coarsest}; got {tuple(x.shape)}.")
        return self.network(x, t).sample


def renamed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Older files call the four matrices of attention query, key, value and proj_attn."""

    def new(key: str) -> str:
        return re.sub(r"(\.attentions\.\d+\.)(query|key|value|proj_attn)\.", lambda m: f"{m[1]}{NEWER[m[2]]}.", key)

    # A file with both spellings keeps the old ones, so that they are listed as unexpected.
    return {new(key) if new(key) not in tensors else key: value for key, value in tensors.items()}


def read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is no readable JSON ({error}). Copy or download it again.") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold a JSON object; it holds a {type(found).__name__}.")
    return found


def check_config(config: dict[str, Any], settings: dict[str, Any], path: Path) -> None:
    """The network is a function of x and t alone that answers for every channel; all that is against it is listed."""
    wrong = []
    if config.get("_class_name", "UNet2DModel") != "UNet2DModel":
        wrong.append(f"_class_name is {config['_class_name']!r}; only UNet2DModel, which no text or label steers")
    if config.get("class_embed_type") is not None or config.get("num_class_embeds") is not None:
        wrong.append("it wants the class of the image (class_embed_type, num_class_embeds)")
    if config.get("time_embedding_type", "positional") != "positional":
        wrong.append(
            f"time_embedding_type is {config['time_embedding_type']!r}: it counts no steps t; only 'positional'"
        )
    channels, out = config.get("in_channels", 3), config.get("out_channels", 3)
    if out == 2 * channels and settings.get("variance_type") != "learned_range":
        wrong.append(
            f"{out} answers for {channels} channels mean a learned variance, but the scheduler's variance_type is "
            f"{settings.get('variance_type')!r}, not 'learned_range'"
        )
    elif out not in (channels, 2 * channels):
        wrong.append(f"out_channels is {out}, neither {channels} nor, with a learned variance, {2 * channels}")
    if wrong:
        raise ValueError(f"the network of {path} is no prior here:\n  " + "\n  ".join(wrong))


def read_schedule(settings: dict[str, Any], path: Path) -> tuple[Schedule, str]:
    """The noise schedule, and what the network predicts, of a scheduler's settings.

    Raises:
        ValueError: a setting is missing or is none of those known here; all are listed.
    """
    wrong = []
    prediction = settings.get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        wrong.append(f"prediction_type is {prediction!r}; known: {', '.join(PREDICTIONS)}")
    if settings.get("rescale_betas_zero_snr"):
        wrong.append("rescale_betas_zero_snr: alpha_bar would reach 0, and x0_hat could not be found at T")
    betas = settings.get("trained_betas")
    if betas is None:
        kind = settings.get("beta_schedule")
        if kind not in SCHEDULES:
            wrong.append(f"beta_schedule is {kind!r}; known: {', '.join(SCHEDULES)}")
        for key in ("num_train_timesteps", "beta_start", "beta_end"):
            if isinstance(settings.get(key), bool) or not isinstance(settings.get(key), int | float):
                wrong.append(f"{key} must be a number; it is {settings.get(key)!r}")
    if wrong:
        raise ValueError(f"{path} describes no schedule that is known here:\n  " + "\n  ".join(wrong))
    try:
        if betas is not None:
            alpha = 1 - torch.tensor([0.0, *betas], dtype=torch.float64)
            return Schedule(alpha.cumprod(0)), PREDICTIONS[prediction]
        T, beta_min, beta_max = settings["num_train_timesteps"], settings["beta_start"], settings["beta_end"]
        return SCHEDULES[settings["beta_schedule"]](T, beta_min, beta_max), PREDICTIONS[prediction]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} describes no schedule: {error}") from error
