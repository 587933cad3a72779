"""Train a network, a prior's or Dirac's: the loop, and what makes it survive a kill.

What is learned is said in `teachdiff.priors.objectives`. Everything random in step i comes from
`SeedSequence([seed, i])`: a run that was killed and resumed draws what an undisturbed one would have
drawn, and ends at the same weights. Several processes draw the same batch; each learns from its part.
"""

import dataclasses
import math
import platform
import time
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from teachdiff.checks import check_name
from teachdiff.data import image_arrays, portraits, resize_array
from teachdiff.files import atomic
from teachdiff.priors.checkpoints import SCHEDULES, load_prior
from teachdiff.priors.network import NetworkPrior
from teachdiff.priors.objectives import DiracObjective, Objective, PriorObjective
from teachdiff.priors.unet import UNet
from teachdiff.shards import ALONE, Shard


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """What a training run is. Read from TOML; each key is a field here.

    Fields:
        name: the checkpoint will be `<name>.safetensors`.
        data: a folder or zip of images, or "portraits".
        include: only files whose path inside `data` starts so ("train/").
        size: side of the training crops, in pixels.
        scales: each image is also reduced by these factors before it is cropped.
        channels, blocks: of the U-Net.
        start: a prior, bundled or a file, of the same shape, whose weights are the first ones.
        schedule, T, prediction: of a prior; prediction is "epsilon" or "v".
        task, degradation: of a restorer for Dirac, the task whose degradation it undoes and that one's options
            (see `teachdiff.problems.make_degradation`); without a task the network is a prior.
        delta: of the restorer's loss: 0 for denoising alone, 1 for the image itself.
        times: "all" severities, or "one": t = 1 alone, which makes a plain regressor.
        t_power: t = ceil(T u^t_power) with u uniform, and u^t_power for a restorer: above 1 it favours small noise.
        steps, batch, learning_rate: of AdamW; the rate rises over `warmup` steps and falls
            linearly to 0 over the last `decay` of them (a fraction of `steps`).
        ema: decay of the running average of the weights, which is what is saved.
        precision: "float32", or "bf16" (autocast): faster where the device computes in it, see `emulates_bf16`.
        checkpoint_every: steps between checkpoints.
        licence, note: for the model card.
    """

    name: str
    data: str
    include: str = ""
    size: int = 32
    scales: tuple[float, ...] = (1.0,)
    image_channels: int = 3
    channels: tuple[int, ...] = (32, 64, 96)
    blocks: int = 1
    start: str = ""
    schedule: str = "linear"
    T: int = 1000
    prediction: str = "v"
    task: str = ""
    degradation: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    delta: float = 1.0
    times: str = "all"
    t_power: float = 1.0
    steps: int = 10_000
    batch: int = 32
    learning_rate: float = 1e-3
    warmup: int = 200
    decay: float = 0.25
    ema: float = 0.999
    precision: str = "float32"
    checkpoint_every: int = 200
    seed: int = 0
    licence: str = "not stated"
    note: str = ""

    def __post_init__(self) -> None:
        check_name(self.schedule, SCHEDULES, "schedule")
        check_name(self.prediction, ["epsilon", "v"], "prediction to train for")
        check_name(self.precision, ["float32", "bf16"], "precision")
        for key in ("size", "T", "steps", "batch", "checkpoint_every", "image_channels", "blocks"):
            if not getattr(self, key) >= 1:
                raise ValueError(f"{key} must be at least 1; got {getattr(self, key)}.")
        if not (self.learning_rate > 0 and self.t_power > 0 and 0 <= self.ema < 1 and 0 <= self.decay <= 1):
            raise ValueError(
                "learning_rate and t_power must be positive, ema in [0, 1) and decay in [0, 1]; got "
                f"{self.learning_rate}, {self.t_power}, {self.ema} and {self.decay}."
            )
        if not self.scales or not all(0 < s <= 1 for s in self.scales):
            raise ValueError(f"scales must be reductions in (0, 1]; got {list(self.scales)}.")
        check_name(self.times, ["all", "one"], "choice of times")
        if not 0 <= self.delta <= 1:
            raise ValueError(f"delta is a part of the severity and must lie in [0, 1]; got {self.delta}.")
        if self.task:
            self.objective()  # it says what is wrong with the degradation
        elif self.degradation or self.delta != 1 or self.times != "all":
            raise ValueError("degradation, delta and times belong to a restorer: set its task.")

    def objective(self) -> Objective:
        """What the network is to learn."""
        if not self.task:
            return PriorObjective(self.schedule, self.T, self.prediction, self.t_power)
        shape = (self.image_channels, self.size, self.size)
        return DiracObjective(self.task, shape, self.degradation, self.delta, self.times, self.t_power)


def read_config(path: str | Path) -> TrainConfig:
    """A TOML file as a `TrainConfig`; an unknown or mistyped key is an error that names it.

    Raises:
        ValueError: no such file, no TOML, an unknown key or a value of the wrong type or range.
    """
    try:
        given = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"cannot read the training config {path}: {error}") from error
    fields = {field.name: field for field in dataclasses.fields(TrainConfig)}
    for key, value in given.items():
        check_name(key, fields, "key in the training config")
        kind: type = {"scales": list, "channels": list, "degradation": dict}.get(key, fields[key].type)  # type: ignore[arg-type,assignment]
        if kind is float and type(value) is int:
            given[key] = value = float(value)
        if type(value) is not kind:
            raise ValueError(f"{key} in {path} must be of type {kind.__name__}; got {value!r}.")
        if kind is list:
            given[key] = tuple(given[key])
    for key in ("name", "data"):
        if key not in given:
            raise ValueError(f"{path} must set {key}.")
    return TrainConfig(**given)


Source = Callable[[np.random.Generator, int], Tensor]


def training_source(config: TrainConfig) -> Source:
    """A function (rng, batch) -> images (batch, C, size, size) in [-1, 1]: crops of the data at
    random place, scale and mirroring, or fresh portraits."""
    if config.data == "portraits":
        return lambda rng, batch: portraits(batch, config.size, seed=int(rng.integers(2**62)))
    pool: list[np.ndarray] = []
    for array in image_arrays(config.data, include=config.include):
        for scale in config.scales:
            height, width = (round(scale * side) for side in array.shape[:2])
            if min(height, width) >= config.size:
                pool.append(array if scale == 1 else resize_array(array, height, width))
    if not pool:
        raise ValueError(f"no image in {config.data} is at least {config.size} pixels on each side.")

    def crops(rng: np.random.Generator, batch: int) -> Tensor:
        out = np.empty((batch, config.size, config.size, 3), np.uint8)
        for i in range(batch):
            array = pool[rng.integers(len(pool))]
            top, left = (rng.integers(side - config.size + 1) for side in array.shape[:2])
            crop = array[top : top + config.size, left : left + config.size]
            out[i] = crop[:, ::-1] if rng.integers(2) else crop
        return torch.from_numpy(out).permute(0, 3, 1, 2).float() / 127.5 - 1

    return crops


def learning_rate(config: TrainConfig, step: int) -> float:
    """Rise over `warmup` steps, hold, and fall linearly to 0 over the last `decay` of the run."""
    falling = max(1.0, config.decay * config.steps)
    return config.learning_rate * min(1.0, (step + 1) / max(1, config.warmup), (config.steps - step) / falling)


def emulates_bf16(device: torch.device) -> bool:
    """This processor has no bfloat16 of its own: `precision = "bf16"` takes about ten times as long as float32."""
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    return device.type == "cpu" and x86 and not torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def adopt(network: UNet, start: str, *, head: bool) -> None:
    """Give a network the weights of a prior of the same shape; without `head` its last convolution, which says what
    is predicted, stays as it is.

    Raises:
        ValueError: the prior is not there, has no U-Net of ours, or one of another shape.
    """
    prior = load_prior(start)
    if not isinstance(prior, NetworkPrior) or getattr(prior.network, "config", None) != network.config:
        theirs = getattr(getattr(prior, "network", None), "config", f"{type(prior).__name__}")
        raise ValueError(f"start must be a prior whose network is {network.config}; {start} is {theirs}.")
    given = {key: value for key, value in prior.network.state_dict().items() if head or not key.startswith("head.")}
    network.load_state_dict(network.state_dict() | given)


def train(
    config: TrainConfig,
    out: str | Path,
    *,
    device: torch.device | str = "cpu",
    shard: Shard = ALONE,
    on_step: Callable[[int, float], None] | None = None,
    command: str = "",
) -> Path:
    """Train, or go on from `out/checkpoint.pt` if it is there; return the finished checkpoint.

    `out/checkpoint.pt` is replaced atomically every `checkpoint_every` steps; a run that is stopped
    in between repeats the steps since then. It may be resumed with another number of `steps` as
    long as the fall of the learning rate has not begun; other changes of the config are refused. Nor does it matter
    how many processes go on; all must see the same folder.

    Arguments:
        shard: this process among several (see `teachdiff.shards`). They average their gradients, so that the batch is
            `config.batch` images in all, and the first of them writes.
        on_step: called as `on_step(step, loss)` after each step, for a progress bar.
        command: the command line, for the model card.

    Raises:
        ValueError: the checkpoint there belongs to another config or is damaged; the batch has no equal parts for
            each process, or they see other checkpoints.
        FloatingPointError: the loss is no longer finite.
    """
    out, own = Path(out), shard.part(config.batch)
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device(device)
    torch.manual_seed(config.seed)
    network = UNet(config.image_channels, config.channels, config.blocks)
    if config.start:
        adopt(network, config.start, head=not config.task)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = {k: v.detach().clone() for k, v in network.state_dict().items()}
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=1e-3)
    objective, source = config.objective(), training_source(config)
    state = _Progress(out / "checkpoint.pt", config, network, average, optimizer)
    first = state.load()
    if shard.mean(torch.tensor(float(first), device=device)) != first:
        raise ValueError(f"the processes see other checkpoints in {out}: give a folder that all of them share.")
    learner = network if shard.world == 1 else nn.parallel.DistributedDataParallel(network)
    begun = time.monotonic()
    for step in range(first, config.steps):
        rng = np.random.default_rng(np.random.SeedSequence([config.seed, step]))
        x, t, loss_of = objective.example(rng, source(rng, config.batch).to(device))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            answer = learner(x[own].contiguous(memory_format=torch.channels_last), t[own])
        loss = loss_of(answer.float(), own)
        whole = shard.mean(loss.detach().clone()).item()
        if not math.isfinite(whole):
            raise FloatingPointError(f"the loss is {whole} at step {step}; lower learning_rate.")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        keep = min(config.ema, (1 + step) / (10 + step))  # a young average forgets its start
        with torch.no_grad():
            for key, value in network.state_dict().items():
                average[key].lerp_(value, 1 - keep)
        if on_step:
            on_step(step + 1, whole)
        if shard.rank == 0 and ((step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps):
            state.save(step + 1, begun)
    done = out / f"{config.name}.safetensors"
    if shard.rank == 0:
        network.load_state_dict(average)
        about = {"steps": config.steps, "licence": config.licence, "data": Path(config.data).name}
        objective.save(done, network, about)
        write_card(out / f"{config.name}.md", config, objective, network, state.seconds, command)
    shard.wait()
    return done


class _Progress:
    """What a resumed run needs: weights, average, optimiser, the step, the seconds spent."""

    def __init__(
        self,
        path: Path,
        config: TrainConfig,
        network: UNet,
        average: dict[str, Tensor],
        optimizer: torch.optim.Optimizer,
    ) -> None:
        self.path, self.config = path, config
        self.before = self.seconds = 0.0
        self.network, self.average, self.optimizer = network, average, optimizer

    def save(self, step: int, begun: float) -> None:
        self.seconds = self.before + time.monotonic() - begun
        with atomic(self.path) as part:
            torch.save(
                {
                    "config": dataclasses.asdict(self.config),
                    "step": step,
                    "seconds": self.seconds,
                    "network": self.network.state_dict(),
                    "average": self.average,
                    "optimizer": self.optimizer.state_dict(),
                },
                part,
            )

    def load(self) -> int:
        """The step to go on from: 0 where there is no checkpoint."""
        if not self.path.exists():
            return 0
        try:
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
            theirs, step = saved["config"], saved["step"]
        except Exception as error:  # torch.load raises many kinds for a damaged file
            raise ValueError(f"{self.path} is damaged ({error}). Remove it to start afresh.") from error
        ours = dataclasses.asdict(self.config)
        changed = [k for k in ours if theirs.get(k) != ours[k] and k not in ("steps", "checkpoint_every", "note")]
        if changed:
            listed = ", ".join(f"{k}: {theirs.get(k)!r} there, {ours[k]!r} now" for k in changed)
            raise ValueError(f"{self.path} belongs to another config ({listed}). Train into another folder.")
        hold = min(theirs["steps"], ours["steps"])
        if theirs["steps"] != ours["steps"] and step > hold - self.config.decay * hold:
            raise ValueError(
                f"{self.path} is at step {step}, where its learning rate falls already; "
                f"steps can no longer change from {theirs['steps']} to {ours['steps']}."
            )
        self.network.load_state_dict(saved["network"])
        self.optimizer.load_state_dict(saved["optimizer"])
        for key, value in saved["average"].items():
            self.average[key].copy_(value)
        self.before = self.seconds = saved["seconds"]
        return step


def write_card(
    path: Path, config: TrainConfig, objective: Objective, network: UNet, seconds: float, command: str
) -> None:
    """The model card: what was trained on what, under which licence, how, and for how long."""
    parameters = sum(p.numel() for p in network.parameters())
    others = {"note"} | ({"schedule", "T", "prediction"} if config.task else {"task", "degradation", "delta", "times"})
    lines = [
        f"# {config.name}",
        "",
        f"{objective.what}: a U-Net with {parameters:,} parameters, {objective.how}.",
        "",
        f"- **Data**: {Path(config.data).name}" + (f", files under `{config.include}`" if config.include else ""),
        f"- **Licence of the data**: {config.licence}",
        f"- **Training**: {config.steps:,} steps of {config.batch} crops of {config.size}x{config.size} pixels "
        f"({config.steps * config.batch:,} in all), {config.precision}, {seconds / 60:.0f} minutes "
        f"on {device_name(network)}",
        *([f"- **Start**: the weights of the prior `{config.start}`"] if config.start else []),
        *([f"- **Command**: `{command}`"] if command else []),
        *(["", config.note] if config.note else []),
        "",
        "## Config",
        "",
        "```toml",
        *(f"{k} = {_toml(v)}" for k, v in dataclasses.asdict(config).items() if k not in others),
        "```",
        "",
    ]
    with atomic(path) as part:
        part.write_text("\n".join(lines), encoding="utf-8")


def device_name(network: UNet) -> str:
    device = next(network.parameters()).device
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"a CPU with {torch.get_num_threads()} thread(s)"


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)
