r"""What a chain does on its way: an observer that keeps the predictions, how consistent they are, and how good.

A chain like Dirac's may be ended early. Where is best depends on what counts: distortion (PSNR) is best near the
start, since each draw of noise costs; perception later. The severity that suits a metric is read off a few images
whose truth is known, and given to the others:

    path = Trajectory(steps=50, problem=problem, truth=truth)
    dirac(restorer, problem, steps=50, on_step=path)
    dirac(restorer, another, steps=50, until=path.best(psnr))
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from teachdiff.checks import check_images
from teachdiff.metrics import consistency
from teachdiff.operators.base import check_count


class Trajectory:
    """An `on_step` observer. Nothing in it waits for a GPU while the chain runs.

    Arguments:
        steps: of the chain; its k-th severity is k / steps.
        problem: what is restored, for the data consistency.
        truth: (B, C, H, W), or None.

    Attributes:
        severities: t of each step so far, from 1 down.
        x0_hat: the predictions, one (B, C, H, W) for each step.
    """

    def __init__(self, steps: int, problem: Any, truth: Tensor | None = None) -> None:
        if truth is not None:
            check_images(truth, "truth", shape=problem.operator.input_shape)
        self.steps, self.problem, self.truth = check_count(steps, "steps"), problem, truth
        self.severities: list[float] = []
        self.x0_hat: list[Tensor] = []

    def __call__(self, k: int, y_t: Tensor, x0_hat: Tensor) -> None:
        self.severities.append(k / self.steps)
        self.x0_hat.append(x0_hat)

    def consistency(self) -> Tensor:
        r""":math:`\lVert y - A_1 \hat x_0 \rVert / (\sigma \sqrt n)` of each, (steps, B); about 1 for the truth."""
        return self._each(lambda x: consistency(self.problem, x))

    def metric(self, of: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """`of(prediction, truth)`, such as `teachdiff.metrics.psnr`, of each prediction clamped to [-1, 1]: (steps, B).

        Raises:
            ValueError: no truth was given.
        """
        truth = self.truth
        if truth is None:
            raise ValueError("a metric needs the truth: Trajectory(steps, problem, truth).")
        return self._each(lambda x: of(x.clamp(-1, 1), truth))

    def best(self, of: Callable[[Tensor, Tensor], Tensor], *, lowest: bool = False) -> float:
        """The severity whose predictions have the best mean metric; the largest or, if `lowest`, the smallest one."""
        mean = self.metric(of).mean(1)
        return self.severities[int((mean.argmin() if lowest else mean.argmax()).item())]

    def _each(self, of: Callable[[Tensor], Tensor]) -> Tensor:
        if not self.x0_hat:
            raise ValueError("nothing was observed yet: give the trajectory to a method as on_step.")
        return torch.stack([of(x) for x in self.x0_hat])
