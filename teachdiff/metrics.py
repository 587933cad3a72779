r"""How close an image is to the truth, and to the measurement.

With x and the reference r in [-1, 1] (a range of 2), d values in an image, one number per image:

.. math::
    \mathrm{PSNR} = 10 \log_{10} \frac{2^2}{\tfrac1d \sum_i (x_i - r_i)^2}, \qquad
    \mathrm{SSIM} = \text{mean of} \;
      \frac{(2 \mu_x \mu_r + C_1)(2 \sigma_{xr} + C_2)}{(\mu_x^2 + \mu_r^2 + C_1)(\sigma_x^2 + \sigma_r^2 + C_2)}

with the means, variances and covariance under a Gaussian window of standard deviation 1.5 pixels.
PSNR and SSIM are those of the same images in [0, 1] units (range 1). Every metric is computed per image
and in float64 (LPIPS: in the precision of its network), never over a batch.

FID and KID compare two sets. With the means m, m' and covariances C, C' of a network's features over each,

.. math::
    \mathrm{FID} = \|m - m'\|^2 + \mathrm{tr}\big(C + C' - 2\,(C C')^{1/2}\big),

and with features f, f' of n images of each and the kernel :math:`k(f, g) = (f^\top g / d + 1)^3`,

.. math::
    \mathrm{KID} = \frac{1}{n(n-1)} \sum_{i \ne j} \big( k(f_i, f_j) + k(f'_i, f'_j) \big)
                 - \frac{2}{n^2} \sum_{i, j} k(f_i, f'_j),

whose expectation is 0 for two sets of one distribution, whatever n is.

Nothing here downloads. LPIPS and FID need the weights of networks that do not travel with this package; where
they are not at hand, `MetricUnavailable` says in one line how to get them.

Sources: Wang, Bovik, Sheikh and Simoncelli, 2004, Image quality assessment: from error visibility to
structural similarity. Zhang, Isola, Efros, Shechtman and Wang, 2018, The unreasonable effectiveness of
deep features as a perceptual metric, https://arxiv.org/abs/1801.03924 (version 0.1 of their weights).
Heusel, Ramsauer, Unterthiner, Nessler and Hochreiter, 2017, GANs trained by a two time-scale update rule converge
to a local Nash equilibrium, https://arxiv.org/abs/1706.08500. Bińkowski, Sutherland, Arbel and Gretton, 2018,
Demystifying MMD GANs, https://arxiv.org/abs/1801.01401 (KID).
"""

import hashlib
import importlib.util
import os
import sys
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from teachdiff.checks import check_finite, check_images, check_name

_RANGE = 2.0
_RADIUS = 5  # of the window of SSIM: 3.5 standard deviations of 1.5 pixels
_OVERSHOOT = 0.5  # how far outside [-1, 1] LPIPS takes a value for an overshoot and not for other units


class MetricUnavailable(RuntimeError):
    """A metric cannot be computed on this machine as it is; the message, one line, says what to do."""


def psnr(x: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of each image: (B, C, H, W) twice -> (B,); infinite where they are equal.

    Raises:
        TypeError, ValueError: not two batches of finite images of one shape.
    """
    _check_pair(x, reference)
    mse = (x.double() - reference.double()).square().mean((1, 2, 3))
    return 10 * torch.log10(_RANGE**2 / mse)


def ssim(x: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity of each image: (B, C, H, W) twice -> (B,) in [-1, 1], 1 where they are equal.

    The window has 11 x 11 pixels; only places where it lies inside the image count, and channels are averaged.

    Raises:
        ValueError: an image side below 11 pixels.
        TypeError, ValueError: not two batches of finite images of one shape.
    """
    _check_pair(x, reference)
    width = 2 * _RADIUS + 1
    if min(x.shape[2:]) < width:
        raise ValueError(
            f"SSIM needs images of at least {width} x {width} pixels, the size of its window; got {tuple(x.shape[2:])}."
        )
    c1, c2 = (0.01 * _RANGE) ** 2, (0.03 * _RANGE) ** 2
    x, r = x.double(), reference.double()
    mean_x, mean_r = _window_mean(x), _window_mean(r)
    var_x = _window_mean(x * x) - mean_x * mean_x
    var_r = _window_mean(r * r) - mean_r * mean_r
    cov = _window_mean(x * r) - mean_x * mean_r
    share = (2 * mean_x * mean_r + c1) * (2 * cov + c2)
    return (share / ((mean_x * mean_x + mean_r * mean_r + c1) * (var_x + var_r + c2))).mean((1, 2, 3))


def _window_mean(x: Tensor) -> Tensor:
    """The Gaussian mean around each pixel whose window lies inside, as sums of shifted images: a convolution
    routine may round differently for another batch."""
    offsets = torch.arange(-_RADIUS, _RADIUS + 1, dtype=torch.float64)
    weights = torch.exp(-0.5 * (offsets / 1.5) ** 2)
    kernel = (weights / weights.sum()).tolist()
    for dim in (2, 3):
        length = x.shape[dim] - 2 * _RADIUS
        x = torch.stack([w * x.narrow(dim, i, length) for i, w in enumerate(kernel)]).sum(0)
    return x


def residual_rms(problem: Any, x: Tensor) -> Tensor:
    """Root mean square of y - A(x) over what was measured: (B, C, H, W) -> (B,), in the units of y.

    For an operator with a `mask`, only values where it is above 0 were measured. y may be one
    measurement for a whole batch of candidates x.

    Raises:
        ValueError: y has neither 1 nor B images, or the mask sees nothing.
    """
    check_images(x, "x")
    check_finite(x, "x")
    y = problem.y
    if y.shape[0] not in (1, x.shape[0]):
        raise ValueError(
            f"the problem has {y.shape[0]} measurements and x {x.shape[0]} images; give as many, or one y."
        )
    residual = (y - problem.operator(x)).double()
    mask = getattr(problem.operator, "mask", None)
    if mask is None:
        return residual.square().mean(tuple(range(1, residual.ndim))).sqrt()
    mask = mask.like(residual) if hasattr(mask, "like") else mask.to(residual)
    seen = (mask > 0).expand(residual.shape).double()
    count = seen.flatten(1).sum(1)
    if not (count > 0).all():
        raise ValueError("the mask sees no pixel at all, so there is nothing to be consistent with.")
    return ((residual * seen).square().flatten(1).sum(1) / count).sqrt()


def consistency(problem: Any, x: Tensor) -> Tensor:
    """How well x explains the measurement: `residual_rms` divided by sigma: (B, C, H, W) -> (B,).

    The truth scores about 1: its residual is the noise. Well above 1, x contradicts the measurement; well
    below, it has fitted the noise. Where sigma is 0 there is no such scale, and the answer is
    `residual_rms` itself, 0 for the truth.

    Arguments:
        problem: anything with `operator`, `y` and `sigma`.
    """
    rms = residual_rms(problem, x)
    return rms / problem.sigma if problem.sigma > 0 else rms


@dataclass(frozen=True)
class Backbone:
    """The network below LPIPS: its file at torchvision, whose name ends in the start of its sha256."""

    file: str
    command: str
    least: int  # the smallest image side that its pooling leaves something of

    @property
    def digest(self) -> str:
        return self.file.removesuffix(".pth").rpartition("-")[2]


BACKBONES = {
    "alex": Backbone(
        "alexnet-owt-7be5be79.pth",
        "python -c \"import torchvision; torchvision.models.alexnet(weights='DEFAULT')\"",
        31,
    ),
    "vgg": Backbone(
        "vgg16-397923af.pth",
        "python -c \"import torchvision; torchvision.models.vgg16(weights='DEFAULT')\"",
        16,
    ),
}


class Lpips:
    """The learned perceptual distance of Zhang et al.: `Lpips()(x, reference)`, (B, C, H, W) twice -> (B,).

    The heads travel in the `lpips` package. The backbone's weights are looked for where `weights` says, else
    where the environment variable TEACHDIFF_LPIPS_WEIGHTS says, else in torch's cache
    ($TORCH_HOME/hub/checkpoints); they are never downloaded. Differentiable, also where x equals the reference.

    Arguments:
        net: "alex" (what papers report unless they say otherwise) or "vgg".
        weights: the backbone's file, or the folder that holds it.

    Raises:
        ValueError: an unknown net.
        MetricUnavailable: `lpips` is not installed, or the weights are missing or damaged.
    """

    def __init__(
        self, net: str = "alex", weights: str | Path | None = None, *, device: torch.device | str = "cpu"
    ) -> None:
        path = find_weights(net, weights)
        self._build(net, device)
        saved = genuine(path, BACKBONES[net], "LPIPS")
        load_features(self.model.net, {k: v for k, v in saved.items() if not k.startswith("classifier.")}, path)

    @classmethod
    def with_random_backbone(cls, net: str = "alex", seed: int = 0, *, device: torch.device | str = "cpu") -> "Lpips":
        """For tests: a backbone of random weights. It obeys the laws of a distance; its figures mean nothing."""
        check_name(net, BACKBONES, "LPIPS backbone")
        self = cls.__new__(cls)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._build(net, device)
        return self

    def _build(self, net: str, device: torch.device | str) -> None:
        lpips = _import_lpips()
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
            # lpips builds its backbone through arguments that torchvision has deprecated
            warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
            self.model = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
        self.net = net
        self.model.requires_grad_(False).eval().to(device)

    def __call__(self, x: Tensor, reference: Tensor) -> Tensor:
        """Distances (B,), 0 where the images are equal.

        Raises:
            ValueError: images outside [-1, 1] by more than 0.5 (clamp overshoots; 0..255 is another unit),
                too small for the backbone's pooling, or with other than 1 or 3 channels.
            TypeError, ValueError: not two batches of finite images of one shape.
        """
        _check_pair(x, reference)
        for name, image in (("x", x), ("reference", reference)):
            largest = image.detach().abs().max().item()
            if largest > 1 + _OVERSHOOT:
                raise ValueError(f"LPIPS takes images in [-1, 1]; {name} has {largest:.6g}. Convert or clamp it.")
        if x.shape[1] not in (1, 3):
            raise ValueError(f"LPIPS takes images with 3 channels, or 1 for grey; got {x.shape[1]}.")
        least = BACKBONES[self.net].least
        if min(x.shape[2:]) < least:
            raise ValueError(
                f"LPIPS with {self.net!r} needs images of at least {least} x {least} pixels; got {tuple(x.shape[2:])}."
            )
        weight = next(self.model.net.parameters())
        x, reference = (image.expand(-1, 3, -1, -1).to(weight) for image in (x, reference))
        return self.model(x, reference)[:, 0, 0, 0]


def lpips_distance(x: Tensor, reference: Tensor, net: str = "alex", weights: str | Path | None = None) -> Tensor:
    """`Lpips(net, weights)(x, reference)` on the device of x; the network is kept for the next call."""
    return _kept_lpips(net, find_weights(net, weights), str(x.device))(x, reference)


def lpips_or_reason(x: Tensor, reference: Tensor, net: str = "alex") -> tuple[Tensor | None, str | None]:
    """(distances, None), or (None, one line that says why there are none and what to do)."""
    try:
        return lpips_distance(x, reference, net), None
    except MetricUnavailable as reason:
        return None, str(reason)


def find_weights(net: str, weights: str | Path | None = None) -> Path:
    """Where the backbone's weights are; see `Lpips` for the order in which places are asked.

    A place that was named and does not hold them is an error: the next one is not tried in silence.

    Raises:
        ValueError: an unknown net.
        MetricUnavailable: they are not there.
    """
    backbone = BACKBONES[check_name(net, BACKBONES, "LPIPS backbone")]
    return _find(backbone, f"LPIPS ({net})", "TEACHDIFF_LPIPS_WEIGHTS", weights)


def _find(backbone: Backbone, metric: str, variable: str, weights: str | Path | None) -> Path:
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    named = weights if weights is not None else os.environ.get(variable) or None
    path = Path(named).expanduser() if named is not None else cache
    if path.is_dir() or not path.suffix:
        path = path / backbone.file
    if path.is_file():
        return path
    raise MetricUnavailable(
        f"{metric} needs the weights {backbone.file}, and they are not at {path}; "
        f"`{backbone.command}` fetches them into {cache}."
    )


@lru_cache(maxsize=4)
def _kept_lpips(net: str, weights: Path, device: str) -> Lpips:
    return Lpips(net, weights, device=device)


def genuine(path: Path, backbone: Backbone, metric: str) -> dict[str, Tensor]:
    """The tensors of a file of published weights whose sha256 is the one that its name ends in.

    Raises:
        MetricUnavailable: it cannot be read, or is another file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MetricUnavailable(f"the {metric} weights at {path} cannot be read: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if not found.startswith(backbone.digest):
        raise MetricUnavailable(
            f"{path} is not the genuine {backbone.file}: its sha256 starts with {found[:8]}, not {backbone.digest}; "
            f"remove it, and `{backbone.command}` fetches it again."
        )
    return torch.load(path, map_location="cpu", weights_only=True)


def load_features(network: torch.nn.Module, saved: dict[str, Tensor], path: Path) -> None:
    """Copy torchvision's `features.N.*` into lpips' `sliceK.N.*`, or list in one error what does not fit.

    Raises:
        ValueError: a missing, unexpected or wrongly shaped tensor.
    """
    ours = network.state_dict()
    theirs = {name: "features." + name.split(".", 1)[1] for name in ours}
    wrong = [f"missing: {k}" for k in theirs.values() if k not in saved]
    wrong += [f"unexpected: {k}" for k in saved if k not in theirs.values()]
    for name, key in theirs.items():
        if key in saved and saved[key].shape != ours[name].shape:
            wrong.append(f"{key}: expected {tuple(ours[name].shape)}, got {tuple(saved[key].shape)}")
    if wrong:
        raise ValueError(f"the weights in {path} do not fit the LPIPS backbone: " + "; ".join(wrong))
    network.load_state_dict({name: saved[key] for name, key in theirs.items()})


INCEPTION = Backbone(
    "weights-inception-2015-12-05-6726825d.pth",
    'python -c "from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3 as F; '
    "F('inception-v3-compat', ['2048'])\"",
    1,
)


def fid(
    images: Iterable[Tensor],
    references: Iterable[Tensor],
    *,
    extractor: torch.nn.Module | None = None,
    weights: str | Path | None = None,
    device: torch.device | str = "cpu",
) -> float:
    """The Fréchet Inception distance of two sets, by torchmetrics: batches (B, 3, H, W) in [-1, 1] each -> a number.

    It is biased upwards, the more the fewer images there are: two figures are comparable only where they come from
    as many. The images are seen as pictures are saved, clamped and in 8 bits.

    Arguments:
        extractor: another network, uint8 (B, 3, H, W) -> features (B, D), in place of Inception's 2048 features.
        weights: Inception's file, or the folder that holds it; else the environment variable TEACHDIFF_FID_WEIGHTS,
            else torch's cache. They are never downloaded.

    Raises:
        MetricUnavailable: torchmetrics or torch-fidelity is not installed, the weights are missing or damaged, or
            a set has fewer than two images.
        TypeError, ValueError: no finite images with 3 channels.
    """
    _need("FID", "fid", "torchmetrics", *(["torch_fidelity"] if extractor is None else []))
    path = _find(INCEPTION, "FID", "TEACHDIFF_FID_WEIGHTS", weights) if extractor is None else None
    sets = {True: list(references), False: list(images)}
    counts = {real: sum(len(batch) for batch in batches) for real, batches in sets.items()}
    if min(counts.values()) < 2:
        raise MetricUnavailable(f"FID needs the spread of two images or more; got {min(counts.values())}.")
    distance = _frechet(extractor, path).to(device)
    for real, batches in sets.items():
        for batch in batches:
            check_images(batch, "an image")
            check_finite(batch, "an image")
            if batch.shape[1] != 3:
                raise ValueError(f"FID takes images with 3 channels; got {batch.shape[1]}.")
            for image in batch.split(1):  # one by one: a convolution may round differently for another batch
                distance.update(as_bytes(image).to(device), real=real)
    return float(distance.compute())


@dataclass(frozen=True)
class Estimate:
    """A number and the interval that holds what it estimates in 95 of 100 cases."""

    value: float
    low: float
    high: float

    def overlaps(self, other: "Estimate") -> bool:
        return self.low <= other.high and other.low <= self.high


_BLOCKS = 10
_T_QUANTILE = 2.2622  # Student's t with _BLOCKS - 1 degrees of freedom: 97.5 % lie below


def kid(features: Tensor, references: Tensor) -> Estimate:
    """The kernel inception distance of two sets by their features, (N, D) twice, with its 95 % interval.

    Both sets are cut, in their order, into ten blocks. Each pair of blocks gives an unbiased distance of its own, and
    they are independent: the value is their mean, the interval Student's. (The usual report, the spread over subsets
    that share images, is no interval.) It is unbiased, so it may be negative.

    Raises:
        ValueError: no two finite matrices of one shape with at least 20 rows.
    """
    if features.ndim != 2 or features.shape != references.shape or len(features) < 2 * _BLOCKS:
        raise ValueError(
            f"KID takes the features of as many images, at least {2 * _BLOCKS}, as two matrices of one shape; "
            f"got {tuple(features.shape)} and {tuple(references.shape)}."
        )
    check_finite(features, "the features")
    check_finite(references, "the references' features")
    size = len(features) // _BLOCKS
    f, g = (x[: size * _BLOCKS].double().unflatten(0, (_BLOCKS, size)) for x in (features, references))
    within = _off_diagonal_mean(_kernel(f, f)) + _off_diagonal_mean(_kernel(g, g))
    distances = within - 2 * _kernel(f, g).mean((1, 2))
    value, spread = distances.mean().item(), distances.std().item()
    half = _T_QUANTILE * spread / _BLOCKS**0.5
    return Estimate(value, value - half, value + half)


def _kernel(f: Tensor, g: Tensor) -> Tensor:
    return (f @ g.mT / f.shape[-1] + 1) ** 3


def _off_diagonal_mean(k: Tensor) -> Tensor:
    n = k.shape[-1]
    return (k.sum((1, 2)) - k.diagonal(dim1=1, dim2=2).sum(1)) / (n * (n - 1))


def as_bytes(x: Tensor) -> Tensor:
    """floor(127.5 (x + 1) + 1/2), as in `teachdiff.data`."""
    return ((x.detach().double().clamp(-1, 1) + 1) * 127.5 + 0.5).floor().to(torch.uint8)


def _frechet(extractor: torch.nn.Module | None, path: Path | None) -> Any:
    """torchmetrics' accumulator. It shall not wait for other processes: only one computes it."""
    if importlib.util.find_spec("torchvision") is not None:
        import_torchvision()  # torchmetrics imports it where it is installed
    from torchmetrics.image.fid import FrechetInceptionDistance

    if extractor is not None or path is None:
        return FrechetInceptionDistance(feature=extractor, sync_on_compute=False)
    # torch-fidelity would unpickle whatever the file holds: it gets a copy of the tensors alone.
    with tempfile.TemporaryDirectory() as folder:
        safe = Path(folder) / "inception.pth"
        torch.save(genuine(path, INCEPTION, "FID"), safe)
        return FrechetInceptionDistance(2048, feature_extractor_weights_path=str(safe), sync_on_compute=False)


def _import_lpips() -> Any:
    """The lpips package, whose import needs torchvision's."""
    _need("LPIPS", "metrics", "lpips", "torchvision")
    import_torchvision()
    import lpips

    return lpips


def _need(metric: str, extra: str, *packages: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MetricUnavailable(f"{metric} needs the package {package}: pip install 'teachdiff[{extra}]'")


def import_torchvision() -> None:
    """`import torchvision`, also beside a torch whose build it was not made for."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
        _declare_torchvision_operators()


_library: torch.library.Library | None = None


def _declare_torchvision_operators() -> None:
    """Make `import torchvision` work where its compiled part does not load.

    That is so for torchvision's usual build, made for CUDA, beside a torch built for the CPU alone: its Python
    part registers rules for the operators nms and qnms that only the compiled part declares. Neither has to do
    with AlexNet or VGG. So their schemas are declared here, and stay declared as long as the library
    object lives; calling one would still say that it has no implementation.
    """
    global _library
    if _library is None:
        _library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            _library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    for name in [n for n in sys.modules if n.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # what the failed import left half done


def _check_pair(x: Tensor, reference: Tensor) -> None:
    check_images(x, "x")
    check_images(reference, "reference", shape=tuple(x.shape[1:]), device=x.device)
    if len(x) != len(reference):
        raise ValueError(f"x has {len(x)} images and the reference {len(reference)}; compare as many with as many.")
    if x.is_complex() or reference.is_complex():
        raise TypeError(f"metrics compare real images; got {x.dtype} and {reference.dtype}.")
    check_finite(x, "x")
    check_finite(reference, "reference")
