r"""Assignment 5: train a prior of your own on `portraits`, and restore with it.

Nothing of the submission runs: the weights are read as safetensors, strictly, into our own network.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from teachdiff.course.judging import seed_of, statement
from teachdiff.course.model import Answer, Assignment, Check, Exercise, Query
from teachdiff.course.parts import heading
from teachdiff.data import portraits
from teachdiff.methods.dmps import dmps
from teachdiff.metrics import psnr
from teachdiff.priors.checkpoints import FORMAT, SCHEDULES, bundled_priors, load_prior
from teachdiff.priors.network import NetworkPrior
from teachdiff.priors.tensors import read_tensors
from teachdiff.problems import make_operator, observe
from teachdiff.schedules import noised
from teachdiff.testing.core import LawBroken

FILE, CONFIG = "portraits.safetensors", "portraits.toml"
SIZE, IMAGES, RESTORED = 32, 16, 4
LARGEST, WIDEST, DEEPEST = 20_000_000, 160, 5
TIMES = (100, 300, 500, 700)
PREDICTIONS = ("epsilon", "v")

#: PSNR of x0_hat at t = 300 on held-out portraits, in dB: to pass, and to pass well; and what restoring must gain.
ENOUGH, WELL, GAIN = 22.0, 23.5, 0.8
AT_300 = "At the noise of t = 300 of the cosine schedule the mean PSNR of x0_hat is {} dB or more."

TOML = f"""# The keys are the fields of teachdiff.priors.train.TrainConfig. Change what you like, but not data and size.


{heading("1", "Train")}
name = "portraits"
data = "portraits"
size = 32
channels = [32, 48, 64]
blocks = 1
schedule = "cosine"
prediction = "v"
steps = 1200
batch = 32
learning_rate = 2e-3
warmup = 100
decay = 0.3
ema = 0.99
precision = "float32"
checkpoint_every = 50
licence = "none needed: every image is computed"
"""


def vet(data: bytes) -> None:
    """The file describes a network of the size that this assignment allows; nothing is built before that is known.

    Raises:
        LawBroken: it is another file, or a larger network.
    """
    if len(data) > LARGEST:
        raise LawBroken(f"bytes of {FILE}, and the most that are read", len(data), LARGEST)
    length = int.from_bytes(data[:8], "little")
    try:
        described = json.loads(data[8 : 8 + min(length, 1 << 20)])["__metadata__"]["teachdiff"]
        header = json.loads(described)
        network, schedule = dict(header["network"]), dict(header["schedule"])
        channels, blocks, T = network["channels"], network["blocks"], schedule["T"]
        known = header["format"] == FORMAT and schedule["name"] in SCHEDULES and header["prediction"] in PREDICTIONS
        whole = all(type(n) is int for n in (*channels, blocks, T)) and network["image_channels"] == 3
        small = whole and 1 <= len(channels) <= DEEPEST and 1 <= blocks <= 2 and 1 <= T <= 1000
        small = small and all(8 <= c <= WIDEST for c in channels)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise LawBroken(f"{FILE} is not a file that `teachdiff train` wrote ({type(error).__name__})") from None
    if not (known and small):
        raise LawBroken(
            f"{FILE} must hold a network for colour images of at most {DEEPEST} levels, {WIDEST} channels and 2 "
            f"blocks, and a schedule of at most 1000 steps; got channels {channels}, blocks {blocks}, T {T}"
        )


@lru_cache(maxsize=2)
def prior_of(data: bytes) -> NetworkPrior:
    """The prior, loaded strictly.

    Raises:
        LawBroken: the file is none, or its tensors do not fit.
    """
    vet(data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, FILE)
        path.write_bytes(data)
        try:
            prior = load_prior(path)
        except ValueError as error:
            raise LawBroken(str(error).replace(str(path), FILE)) from None
    assert isinstance(prior, NetworkPrior)
    return prior


def drawn(seed: int, t: int, schedule: Any) -> tuple[Tensor, Tensor]:
    """Portraits that no training run has seen, and the same noised to t."""
    x_0 = portraits(IMAGES, SIZE, seed=(1 << 62) + seed)  # a run draws its seeds below that
    z = torch.from_numpy(np.random.default_rng(seed).standard_normal(tuple(x_0.shape), np.float32))
    return x_0, noised(schedule, x_0, t, z)


def denoised(prior: NetworkPrior, seed: int, t: int) -> tuple[Tensor, Tensor, Tensor]:
    """x_0, x_t and x0_hat, clamped to what an image can be."""
    x_0, x_t = drawn(seed, t, prior.schedule)
    with torch.no_grad():
        return x_0, x_t, prior.denoise(x_t, torch.tensor(t)).clamp(-1, 1)


def at_level(prior: NetworkPrior, level: int) -> int:
    """The step of the prior's own schedule whose noise is that of the cosine schedule at `level` of 1000."""
    wanted = SCHEDULES["cosine"](T=1000).alpha_bar[level]
    return 1 + int((prior.schedule.alpha_bar[1:] - wanted).abs().argmin())


def judge_loads(data: bytes, seed: int) -> None:
    prior_of(data)
    tensors = prior_of(data).network.state_dict()
    for name, path in bundled_priors().items():
        theirs, _ = read_tensors(path)
        if theirs.keys() == tensors.keys() and all(torch.equal(theirs[k].float(), v) for k, v in tensors.items()):
            raise LawBroken(f"these are the weights of the bundled prior {name}: train your own")


def judge_trivial(data: bytes, seed: int) -> None:
    prior = prior_of(data)
    for level in TIMES:
        t = at_level(prior, level)
        x_0, x_t, x0_hat = denoised(prior, seed, t)
        alpha_bar = prior.schedule.alpha_bar[t].item()
        got = float((x0_hat - x_0).square().mean())
        for name, other in (("x_t/√ᾱ_t", x_t / alpha_bar**0.5), ("the mean image", x_0.mean(0, keepdim=True))):
            most = float((other - x_0).square().mean())
            if not got < most:
                raise LawBroken(f"squared error of x0_hat at t = {t}, and of {name}", got, most)


def judge_denoising(least: float, data: bytes, seed: int) -> None:
    prior = prior_of(data)
    t = at_level(prior, 300)
    x_0, _, x0_hat = denoised(prior, seed, t)
    found = float(psnr(x0_hat, x_0).mean())
    reach(found, least, f"mean PSNR of x0_hat at t = {t} over {IMAGES} unseen portraits, in dB")


def judge_restoring(data: bytes, seed: int) -> None:
    """DMPS, 25 steps, x4 super-resolution; beside A⁺ y."""
    prior = prior_of(data)
    x_0, _ = drawn(seed, 1, prior.schedule)
    problem = observe(make_operator("sr4", (3, SIZE, SIZE)), x_0[:RESTORED], 0.1, seed=seed)
    x = dmps(prior, problem, steps=min(25, prior.schedule.T), seed=seed).clamp(-1, 1)
    plain = problem.operator.pinv(problem.y).clamp(-1, 1)
    gain = float((psnr(x, x_0[:RESTORED]) - psnr(plain, x_0[:RESTORED])).mean())
    reach(gain, GAIN, "what DMPS with your prior gains over A⁺ y in x4 super-resolution, in dB of PSNR")


def reach(got: float, least: float, what: str) -> None:
    if not got >= least:
        raise LawBroken(f"{what}, and what is asked", round(got, 2), least)


def ask(rng: np.random.Generator) -> list[Query]:
    return [Query(FILE, driver="bytes", about={"seed": seed_of(rng)})]


Judge = Callable[[bytes, int], None]


def judged(judge: Judge, queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    judge(bytes(answers[0].value), queries[0].about["seed"])


def check(name: str, points: int, law: str, judge: Judge, proof: str | None = "tweedie") -> Check:
    return Check(name, points, law, ask, partial(judged, judge), proof, "priors.md#train-one")


train = Exercise(
    id="1",
    title="Train",
    text=rf"""
`{CONFIG}` is a run that a laptop does in minutes. Start it, look at what comes out, and change the settings: more
steps, a wider network, another schedule.

```
teachdiff train {CONFIG} --out run
cp run/{FILE} .
```

Stop it whenever you like: the same command goes on from the last checkpoint. Your prior is asked about portraits that
no run has seen, at four levels of noise.
""",
    checks=(
        check("loads", 3, f"{FILE} is a prior that loads strictly, and not a bundled one.", judge_loads, None),
        check("beats_the_trivial", 4, statement("prior", "beats_the_trivial"), judge_trivial),
        check("denoises", 5, AT_300.format(ENOUGH), partial(judge_denoising, ENOUGH)),
        check("denoises_well", 3, AT_300.format(WELL), partial(judge_denoising, WELL)),
    ),
    hints=(
        "The loss falls fast at first and slowly for long; much is won when the learning rate falls at the end.",
        "`teachdiff check` asks a prior the laws of the property suite.",
    ),
)
restore = Exercise(
    id="2",
    title="Restore",
    text=rf"""
A prior is worth what it restores. Try yours:

```
teachdiff compare --prior {FILE} --tasks sr4,inpaint_box --methods tweedie,dmps,dps
```

What is asked: DMPS with your prior, 25 steps, on x4 super-resolution of unseen portraits with σ = 0.05 (in [0, 1]
units), beside the pseudo-inverse of the camera.
""",
    checks=(
        check("restores", 5, f"DMPS with your prior gains {GAIN} dB or more over A⁺ y.", judge_restoring, "dmps"),
    ),
)


def retouched() -> bytes:
    """The bundled prior in the place of one that was trained: each weight moved by a thousandth of itself."""
    from safetensors.torch import save

    tensors, metadata = read_tensors(bundled_priors()["portraits"])
    rng = torch.Generator().manual_seed(0)
    moved = {k: v.float() * (1 + 1e-3 * torch.randn(v.shape, generator=rng)) for k, v in tensors.items()}
    return save(moved, metadata)


ASSIGNMENT = Assignment(
    id="hw5",
    title="Train your own prior, and restore with it",
    text=r"""
A diffusion prior from nothing, on a laptop: cartoon faces that are drawn afresh for every step, a small U-Net, and
at the end a file that every command takes as a prior. Nothing that you write runs when this is graded: your weights
are read, loaded into the library's network, and asked.
""",
    minutes=60,
    exercises=(train, restore),
    files={CONFIG: TOML},
    answers=lambda: {FILE: retouched()},
)
