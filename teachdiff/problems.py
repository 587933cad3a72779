r"""An inverse problem: :math:`y = A x_0 + \sigma z`, find :math:`x_0`.

Images are in [-1, 1], and sigma is in those units. Papers and cameras speak of [0, 1], where the
same noise has half the number: `sigma_from_unit_range` and `sigma_to_unit_range` convert, by name.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from teachdiff.checks import check_finite, check_images, check_name, check_sigma
from teachdiff.noise import sample_seeds
from teachdiff.operators.base import Operator, Shape, check_count, check_shape
from teachdiff.operators.blurs import CircularConvolution, GaussianBlur, ReflectConvolution, motion_kernel
from teachdiff.operators.degradations import (
    BlurDegradation,
    BoxDegradation,
    Degradation,
    IdentityDegradation,
    SmoothMaskDegradation,
)
from teachdiff.operators.masks import Mask, box_mask, random_mask, smooth_mask
from teachdiff.operators.product import Downsample, Grey, Identity


@dataclass(frozen=True, eq=False)
class InverseProblem:
    r"""A measurement :math:`y = A x_0 + \sigma z` and what is known of how it was made.

    Arguments:
        operator: A, with `input_shape` and `output_shape` (see `teachdiff.operators`).
        y: (B, *output_shape), real, finite. Where the operator reports nothing (a mask's hidden
            pixels) y is 0.
        sigma: standard deviation of the noise, in the units of [-1, 1] images; 0 for none.

    Raises:
        TypeError: an object that is no operator, a y that is no real float tensor, a sigma that is no number.
        ValueError: another shape, a NaN or infinity, a reading where the operator has none, sigma < 0.
    """

    operator: Any
    y: Tensor
    sigma: float

    def __post_init__(self) -> None:
        check_operator(self.operator)
        check_images(self.y, "y", shape=self.operator.output_shape)
        if self.y.is_complex():
            raise TypeError(f"y must be real; got {self.y.dtype}.")
        check_finite(self.y, "y")
        object.__setattr__(self, "sigma", check_sigma(self.sigma))
        measured = getattr(self.operator, "measured", None)
        if measured is not None:
            stray = int(((self.y != 0) & (measured.like(self.y) == 0)).sum())
            if stray:
                raise ValueError(
                    f"{self.operator!r} reports nothing at its hidden pixels, so y must be 0 there; {stray} values "
                    "are not. Hide them: y * operator.measured.like(y)."
                )

    def __repr__(self) -> str:
        return f"InverseProblem({self.operator!r}, y={tuple(self.y.shape)}, sigma={self.sigma:g})"

    @property
    def batch(self) -> int:
        """The number of images, B."""
        return len(self.y)

    def residual(self, x: Tensor) -> Tensor:
        r""":math:`y - A x`, (B, *output_shape)."""
        return self.y - self.operator(x)


def check_operator(operator: Any) -> None:
    """`operator` can be called and says its two shapes."""
    if not callable(operator) or isinstance(operator, type):
        raise TypeError(
            f"operator must be an operator, a callable with input_shape and output_shape; got {operator!r}. "
            "make_operator(task, shape) makes one."
        )
    for name in ("input_shape", "output_shape"):
        if not hasattr(operator, name):
            raise TypeError(f"operator must have {name} = (C, H, W); {type(operator).__name__} has none.")
        check_shape(getattr(operator, name), f"operator.{name}")


def observe(
    operator: Any,
    x0: Tensor,
    sigma: float,
    seed: int | Sequence[int] = 0,
    noise: Tensor | None = None,
) -> InverseProblem:
    r"""Measure clean images: :math:`y = A x_0 + \sigma z`.

    Where the operator reports nothing (a mask's hidden pixels) there is no noise either: y is exactly 0.

    Arguments:
        x0: (B, *input_shape), real, finite.
        sigma: in the units of [-1, 1] images.
        seed: one integer, or one per sample (see `teachdiff.noise.sample_seeds`). Each sample has a
            stream of its own, so the noise of an image does not depend on its batch, nor on the
            device, nor (but for rounding) on the dtype; and none of it is the noise that a method draws
            from the same seed.
        noise: z itself, of the shape of y; instead of `seed`.

    Raises:
        TypeError, ValueError: as `InverseProblem`; and an x0 or a noise of another shape, or not finite.
    """
    check_operator(operator)
    check_images(x0, "x0", shape=operator.input_shape)
    if x0.is_complex():
        raise TypeError(f"x0 must be real; got {x0.dtype}.")
    check_finite(x0, "x0")
    sigma = check_sigma(sigma)
    y = operator(x0)
    if noise is None:
        # The spawn key keeps this stream apart from every other use of the same seed.
        streams = [
            np.random.default_rng(np.random.SeedSequence(s, spawn_key=(1,))) for s in sample_seeds(seed, len(x0))
        ]
        draws = np.stack([stream.standard_normal(tuple(y.shape[1:])) for stream in streams])
        noise = torch.from_numpy(draws).to(y)
    check_images(noise, "noise", shape=operator.output_shape, dtype=y.dtype, device=y.device)
    if len(noise) != len(y):
        raise ValueError(f"noise must have one draw per sample, {len(y)} of them; got {len(noise)}.")
    check_finite(noise, "noise")
    measured = getattr(operator, "measured", None)
    if measured is not None:
        noise = noise * measured.like(y)
    return InverseProblem(operator, y + sigma * noise, sigma)


def sigma_from_unit_range(sigma: float) -> float:
    """The sigma of [-1, 1] images for one that was given for [0, 1] images: twice the number."""
    return 2 * check_sigma(sigma)


def sigma_to_unit_range(sigma: float) -> float:
    """The sigma of [0, 1] images for one of [-1, 1] images: half the number."""
    return check_sigma(sigma) / 2


@dataclass(frozen=True)
class Task:
    """A named degradation.

    Attributes:
        name, description: what to call it, and one line about it.
        build: (shape, seed, **options) -> operator.
    """

    name: str
    description: str
    build: Callable[..., Operator]

    @property
    def options(self) -> dict[str, Any]:
        """The options that `make_operator` takes for this task, with their defaults."""
        parameters = list(inspect.signature(self.build).parameters.values())[2:]
        return {p.name: p.default for p in parameters}


def _denoise(shape: Shape, seed: int) -> Operator:
    return Identity(shape)


def _inpaint_box(shape: Shape, seed: int, height=None, width=None, top=None, left=None, fill: float = 0.0) -> Operator:
    return Mask(box_mask(shape, height, width, top, left), fill)


def _inpaint_random(shape: Shape, seed: int, drop: float = 0.7, fill: float = 0.0) -> Operator:
    return Mask(random_mask(shape, drop, seed), fill)


def _inpaint_smooth(
    shape: Shape, seed: int, width: float = 50 / 256, power: float = 4.0, fill: float = 0.0
) -> Operator:
    return Mask(smooth_mask(shape, width, power), fill)


def _outpaint(shape: Shape, seed: int, height=None, width=None, top=None, left=None, fill: float = 0.0) -> Operator:
    return Mask(1 - box_mask(shape, height, width, top, left), fill)


def _deblur_gaussian(
    shape: Shape, seed: int, std: float | None = None, padding: str = "reflect", cut: float = 4.0
) -> Operator:
    return GaussianBlur(shape, default_blur_std(shape) if std is None else std, padding, cut)


def _deblur_motion(
    shape: Shape, seed: int, length: int | None = None, intensity: float = 0.5, padding: str = "circular"
) -> Operator:
    kernel = motion_kernel(default_motion_length(shape) if length is None else length, seed, intensity)
    blur = {"circular": CircularConvolution, "reflect": ReflectConvolution}
    return blur[check_name(padding, blur, "padding")](kernel, shape)


def _super_resolution(factor: int) -> Callable[..., Operator]:
    def build(shape: Shape, seed: int, kind: str = "average") -> Operator:
        return Downsample(shape, factor, kind)

    return build


def _colorize(shape: Shape, seed: int, weights: Sequence[float] | None = None) -> Operator:
    return Grey(shape, weights)


def default_blur_std(shape: Shape) -> float:
    r""":math:`3\sqrt{n/256}` pixels, n the shorter side: 3 at 256, the field's usual choice, and 1.5 at 64.

    In proportion to the size it would be 0.75 at 64, which hardly blurs.
    """
    return 3.0 * (min(shape[1:]) / 256) ** 0.5


def default_motion_length(shape: Shape) -> int:
    """The odd number next above a quarter of the shorter side, but 3 at least: 65 at 256, 17 at 64."""
    return max(3, 2 * (min(shape[1:]) // 8) + 1)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("denoise", "noise only", _denoise),
        Task("inpaint_box", "a box in the middle is missing, half of each side", _inpaint_box),
        Task("inpaint_random", "70 % of the pixels are missing, the same in all channels", _inpaint_random),
        Task("inpaint_smooth", "a soft hole: pixels fade to nothing towards the middle", _inpaint_smooth),
        Task("outpaint", "only a box in the middle is seen, half of each side", _outpaint),
        Task("deblur_gaussian", "Gaussian blur, std 3 pixels at 256², 1.5 at 64², reflected border", _deblur_gaussian),
        Task("deblur_motion", "blur along a random camera path, a quarter of the side long", _deblur_motion),
        *(
            Task(f"sr{f}", f"super-resolution: only the mean of each {f} x {f} block is seen", _super_resolution(f))
            for f in (2, 4, 8, 16)
        ),
        Task("colorize", "only the mean of the colour channels is seen", _colorize),
    )
}


def make_operator(task: str, shape: Sequence[int], seed: int = 0, **options: Any) -> Operator:
    """The operator of a named task for images of `shape` (C, H, W).

    Arguments:
        task: one of `TASKS`.
        seed: of what the task draws (the mask of `inpaint_random`, the path of `deblur_motion`); drawn
            here, once. The other tasks draw nothing.
        options: what to change of the task's defaults: `TASKS[task].options` lists them.

    Raises:
        TypeError, ValueError: an unknown task or option (the nearest name is offered), a shape that is
            not (C, H, W) or does not suit the task, an option's value that its operator refuses.
    """
    chosen = TASKS[check_name(task, TASKS, "task")]
    shape = check_shape(shape)
    check_count(seed, "seed", 0)
    for name in options:
        if not chosen.options:
            raise ValueError(f"{task} takes no options; got {name!r}.")
        check_name(name, chosen.options, f"option of {task}")
    return chosen.build(shape, seed, **options)


def _degrade_blur(shape: Shape, std: float | None = None, padding: str = "reflect", cut: float = 4.0, **rest: Any):
    return BlurDegradation(shape, default_blur_std(shape) if std is None else std, padding, cut, **rest)


DEGRADATIONS: dict[str, Callable[..., Degradation]] = {
    "denoise": IdentityDegradation,
    "inpaint_box": BoxDegradation,
    "inpaint_smooth": SmoothMaskDegradation,
    "deblur_gaussian": _degrade_blur,
}


def make_degradation(
    task: str,
    shape: Sequence[int],
    *,
    sigma_min: float = 0.02,
    sigma_max: float = 0.1,
    path: Sequence[float] = (0.0, 1.0),
    **options: Any,
) -> Degradation:
    r"""The family :math:`A_t` that ends, at t = 1, at the operator of a named task: `make_operator(task, shape)`.

    Arguments:
        task: one of `DEGRADATIONS`.
        sigma_min, sigma_max, path: see `teachdiff.operators.degradations`; in the units of [-1, 1] images.
        options: those of the task; a mask's `fill` is none, for a family has no picture.

    Raises:
        TypeError, ValueError: a task that has no family, an option or a shape that it refuses.
    """
    family = DEGRADATIONS[check_name(task, DEGRADATIONS, "task with a degradation")]
    known = set(inspect.signature(family).parameters) & set(TASKS[task].options)
    for name in options:
        if not known:
            raise ValueError(f"{task} takes no options; got {name!r}.")
        check_name(name, known, f"option of {task}")
    return family(check_shape(shape), sigma_min=sigma_min, sigma_max=sigma_max, path=path, **options)
