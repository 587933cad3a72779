r"""A sequential test of means: more samples while it is undecided, with stated error rates.

The statistics are means of k quantities. In stage s = 1..S, with :math:`n_s` samples in all, the interval about
each sample mean has the half width :math:`z\,\hat\sigma/\sqrt{n_s}`, z the normal quantile at
:math:`1 - \alpha/(2 k S)` (Bonferroni over quantities and stages). A bias counts from `slack` standard deviations on:

- an interval that lies wholly beyond the slack: the law is broken (false alarms: at most :math:`\alpha`);
- all intervals wholly within: the law holds;
- else the number of samples is multiplied by 4.

After the last stage what is undecided holds. A bias of `slack` + :math:`2 z/\sqrt{n_S}` standard deviations is missed
with a probability of at most :math:`\alpha/(k S)`: with the defaults 0.15 + 0.15.

Source: in the manner of Gandy and Scott, "Unit testing for MCMC and other Monte Carlo methods", 2020.
"""

from collections.abc import Callable
from statistics import NormalDist

import torch
from torch import Tensor

from teachdiff.testing.core import LawBroken

ALPHA = 1e-5
STAGES = (256, 1024, 4096)


def half_width(quantities: int, n: int) -> float:
    """Of the interval about a mean of n samples, in standard deviations."""
    return NormalDist().inv_cdf(1 - ALPHA / (2 * quantities * len(STAGES))) / n**0.5


def means_agree(
    sample: Callable[[int, int], Tensor], expected: Tensor, what: str, slack: float, stages: tuple[int, ...] = STAGES
) -> None:
    """The means of `sample(n, stage)`, (n, k), are `expected` (k,) up to `slack` standard deviations.

    Raises:
        LawBroken: one of them is further away.
    """
    drawn = torch.empty(0, len(expected), dtype=torch.float64)
    for stage, total in enumerate(stages):
        drawn = torch.cat([drawn, sample(total - len(drawn), stage).to(torch.float64)])
        mean, std = drawn.mean(0), drawn.std(0).clamp(min=1e-12)
        gap, width = (mean - expected).abs() / std, half_width(len(expected), total)
        beyond = ~(gap - width <= slack)  # a NaN is beyond
        if bool(beyond.any()):
            worst = int(torch.where(gap.isnan(), torch.inf, gap).argmax())
            text = f"{what} ({total} samples, false alarms {ALPHA:g})"
            raise LawBroken(text, mean[worst].item(), expected[worst].item(), (slack + width) * std[worst].item())
        if bool((gap + width <= slack).all()):
            return
