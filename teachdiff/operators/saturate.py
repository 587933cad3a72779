r"""An over-exposed picture: :math:`y = \mathrm{clip}(g\,A_0 x,\, -1,\, 1)`, which is not linear."""

from typing import Any

import torch
from torch import Tensor

from teachdiff.checks import check_images, check_positive
from teachdiff.operators.base import Operator, Shape


class Saturate:
    r""":math:`y = \mathrm{clip}(g\,A_0 x,\, -1,\, 1)`, a linear operator behind a sensor that saturates.

    It has no adjoint: methods that need one refuse it. Those that differentiate through the operator (DPS) or only
    look at its picture (SDEdit, single-step denoising) take it. Where a value is clipped, its gradient is 0.

    Arguments:
        operator: :math:`A_0`, a linear operator.
        gain: g > 0; about grey, the 0 of [-1, 1] images. With 2, all that is brighter than 0.5 becomes white.

    Attributes:
        input_shape, output_shape, measured: of :math:`A_0`.
        linear: False.

    Raises:
        TypeError: an operator that is not one of `teachdiff.operators`, a gain that is no number.
        ValueError: a gain that is not above 0.

    Source: the high dynamic range task of Zhang et al., "Improving diffusion inverse problem solving with
    decoupled noise annealing", 2024 (A_0 the identity, g = 2).
    """

    linear = False

    def __init__(self, operator: Operator, gain: float = 2.0) -> None:
        if not isinstance(operator, Operator):
            raise TypeError(f"operator must be a linear operator of teachdiff.operators; got {operator!r}.")
        self.operator, self.gain = operator, check_positive(gain, "gain")
        self.input_shape: Shape = operator.input_shape
        self.output_shape: Shape = operator.output_shape
        self.measured: Any = operator.measured

    def __repr__(self) -> str:
        return f"Saturate({self.operator!r}, gain={self.gain})"

    def __call__(self, x: Tensor) -> Tensor:
        r""":math:`\mathrm{clip}(g\,A_0 x,\, -1,\, 1)`: (B, *input_shape) to (B, *output_shape).

        Raises:
            TypeError, ValueError: x is no float tensor of that shape; complex, it has no order to clip by.
        """
        check_images(x, "x", shape=self.input_shape)
        if x.is_complex():
            raise TypeError(f"x must be real: complex numbers cannot be clipped; got {x.dtype}.")
        return torch.clamp(self.gain * self.operator(x), -1, 1)

    def picture(self, y: Tensor) -> Tensor:
        """What the measurement looks like as an image, (B, *input_shape): the over-exposed picture."""
        return self.operator.picture(y)
