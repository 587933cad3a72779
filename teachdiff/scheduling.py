r"""Which severities a degradation should go through: points whose neighbours are as near as can be.

.. math::
    \min_{0 = p_0 < p_1 < \dots < p_m = 1}\; \max_i\; d(p_i, p_{i+1}), \qquad
    d(p, p') = \frac1N \sum_n \delta\big(A_p x_n,\, A_{p'} x_n\big)

over images :math:`x_n` and any distance :math:`\delta` of two images. Two ways to choose among candidates:

- `greedy`: split the interval with the largest d in its middle, again and again. It is not even locally optimal;
- `optimal`: the smallest maximum that there is, by dynamic programming. With
  :math:`f_k(j)` the best for k intervals from 0 to candidate j,

  .. math::
      f_1(j) = d(0, j), \qquad f_k(j) = \min_{i < j} \max\big(f_{k-1}(i),\, d(i, j)\big)

  for any d, whether or not it grows with the interval.

The points become a degradation's `path`: evenly spaced t then are steps of nearly the same size.

Source: Fabian, Tinaz, Soltanolkotabi, "DiracDiffusion", 2024, appendix B, eq. 24; `derivations/dirac_schedule.py`.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from teachdiff.checks import check_images, check_name
from teachdiff.metrics import lpips_distance, ssim
from teachdiff.operators.base import check_count
from teachdiff.operators.degradations import Degradation

Distance = Callable[[Tensor, Tensor], Tensor]


def rms(a: Tensor, b: Tensor) -> Tensor:
    """Root of the mean squared difference, (B,)."""
    return (a - b).flatten(1).square().mean(1).sqrt()


DISTANCES: dict[str, Distance] = {
    "rms": rms,
    "mse": lambda a, b: rms(a, b).square(),
    "ssim": lambda a, b: 1 - ssim(a, b),
    "lpips": lpips_distance,
}


def distances(
    degradation: Degradation, images: Tensor, candidates: Sequence[float], distance: str | Distance
) -> Tensor:
    """d of each two of the candidates, (M, M), symmetric with 0 on the diagonal; float64, on the CPU.

    Arguments:
        images: (N, C, H, W) in [-1, 1].
        candidates: times t in [0, 1], which are severities where the degradation's path is straight.
        distance: a name of `DISTANCES`, or a function of two batches that gives one number for each image.

    Raises:
        ValueError: an unknown name.
        MetricUnavailable: "lpips" without its weights.
    """
    check_images(images, "images", shape=degradation.input_shape)
    if isinstance(distance, str):
        distance = DISTANCES[check_name(distance, DISTANCES, "distance")]
    degraded = [degradation(images, float(t)) for t in candidates]
    d = torch.zeros(len(degraded), len(degraded), dtype=torch.float64)
    for i, a in enumerate(degraded[:-1]):
        rest = degraded[i + 1 :]
        d[i, i + 1 :] = distance(torch.cat([a] * len(rest)), torch.cat(rest)).double().view(len(rest), -1).mean(1)
    return d + d.mT


def largest(d: Tensor, chosen: Sequence[int]) -> float:
    """The largest distance of neighbours."""
    return max(d[i, j].item() for i, j in zip(chosen[:-1], chosen[1:], strict=True))


def greedy(d: Tensor, intervals: int) -> list[int]:
    """Candidates 0 to M - 1, `intervals` + 1 of them: the interval with the largest d is split in the middle.

    One of a single candidate's width cannot be split: then the next largest is.
    """
    _check(d, intervals)
    chosen = [0, len(d) - 1]
    while len(chosen) <= intervals:
        pairs = [(i, j) for i, j in zip(chosen[:-1], chosen[1:], strict=True) if j - i > 1]
        i, j = max(pairs, key=lambda pair: d[pair].item())
        chosen = sorted([*chosen, (i + j) // 2])
    return chosen


def optimal(d: Tensor, intervals: int) -> list[int]:
    """Candidates 0 to M - 1, `intervals` + 1 of them, whose largest distance of neighbours is the least possible."""
    _check(d, intervals)
    later = torch.ones_like(d).triu(1) > 0  # a step goes from i to a later j
    steps = torch.where(later, d, torch.inf)
    best, came = steps[0], []
    for _ in range(intervals - 1):
        through = torch.maximum(best[:, None], steps)
        best, origin = through.min(dim=0)
        came.append(origin)
    chosen = [len(d) - 1]
    for origin in reversed(came):
        chosen.append(int(origin[chosen[-1]]))
    return [0, *reversed(chosen)]


CHOICES = {"greedy": greedy, "optimal": optimal}


def choose_path(
    degradation: Degradation,
    images: Tensor,
    intervals: int,
    *,
    distance: str | Distance = "rms",
    choice: str = "optimal",
    candidates: int = 129,
) -> tuple[float, ...]:
    """The path of a degradation through `intervals` + 1 severities, for the `path` of one like it.

    Arguments:
        degradation: with a straight path.
        images: what it will degrade, such as a few of the training images.
        distance: see `distances`; choice: "optimal" or "greedy".
        candidates: how many evenly spaced severities to choose from.

    Raises:
        ValueError: a path that is not straight, more intervals than candidates, an unknown name.
    """
    choose = CHOICES[check_name(choice, CHOICES, "choice")]
    if degradation.path != (0.0, 1.0):
        raise ValueError(f"a path is chosen for a degradation with the straight one; {degradation!r} has its own.")
    times = [i / (check_count(candidates, "candidates", 2) - 1) for i in range(candidates)]
    d = distances(degradation, images, times, distance)
    return tuple(times[i] for i in choose(d, intervals))


def _check(d: Tensor, intervals: int) -> None:
    check_count(intervals, "intervals")
    if d.ndim != 2 or d.shape[0] != d.shape[1] or len(d) < 2 or not bool(torch.isfinite(d).all()):
        raise ValueError(f"d must be a finite square matrix of two candidates or more; got shape {tuple(d.shape)}.")
    if intervals >= len(d):
        raise ValueError(f"{len(d)} candidates make at most {len(d) - 1} intervals; got {intervals}.")
