r"""Degradations: the operator as a function of its severity, from the clean image to the measurement.

.. math::
    y_t = A_t x_0 + \sigma_t z, \qquad 0 \le t \le 1, \quad A_0 = I, \qquad
    \sigma_t = \sigma_{\min} \Big(\frac{\sigma_{\max}}{\sigma_{\min}}\Big)^t

A_t is *more severe* than A_s if :math:`A_t = G_{s \to t} A_s`: from the milder picture one can go on without
knowing the clean one. Every family here has that transition G for s <= t, and transitions compose: the families are
diagonal, in the pixels or in a basis of cosines, with gains that only fall, so G is the quotient of two gains.

How severe is severe is a path p(t) from 0 to 1, given by its values at evenly spaced t and straight between them: the
severities that a schedule has chosen (see `teachdiff.scheduling`) make each step of the same size.

Source: Fabian, Tinaz, Soltanolkotabi, "DiracDiffusion", 2024, section 3 and definition 3.1. Its released families are
not the identity at t = 0: the blur has a standard deviation of 0.3 there, and the mask has its middle at 0.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from teachdiff.bases import apply_axes
from teachdiff.checks import check_images, check_name, check_positive
from teachdiff.operators.base import Operator, check_shape
from teachdiff.operators.blurs import blur_matrix, gaussian_kernel
from teachdiff.operators.masks import Mask, box_mask, hole, smooth_mask
from teachdiff.operators.product import Identity, Product
from teachdiff.tables import Table

Severity = float | Tensor


class Degradation:
    r"""A family :math:`A_t` with its noise :math:`\sigma_t`; a subclass defines `_apply` and `_frozen`.

    Arguments:
        shape: (C, H, W).
        sigma_min, sigma_max: :math:`\sigma_0` and :math:`\sigma_1`, in the units of [-1, 1] images.
        path: the severity p at evenly spaced t in [0, 1], from 0 to 1, never falling.

    Attributes:
        input_shape, output_shape: (C, H, W) of an image; a degraded one has the same.
        lipschitz: L with :math:`\lVert A_s x - A_t x \rVert \le L\,|s - t|\,\lVert x \rVert`; None where there is none.

    Wherever a `t` is taken it is a number or a float tensor of shape () or (B,), in [0, 1]. Of a tensor on a GPU the
    range is not looked at: that would wait for the GPU.

    Raises:
        TypeError, ValueError: a sigma that is not above 0, sigma_min > sigma_max, a path that is none.
    """

    linear = True

    def __init__(
        self, shape: Sequence[int], sigma_min: float, sigma_max: float, path: Sequence[float], **shown: Any
    ) -> None:
        self.input_shape = self.output_shape = check_shape(shape)
        self.sigma_min, self.sigma_max = (
            check_positive(v, n) for v, n in ((sigma_min, "sigma_min"), (sigma_max, "sigma_max"))
        )
        if sigma_min > sigma_max:
            raise ValueError(f"sigma_min must be at most sigma_max; got {sigma_min} and {sigma_max}.")
        self.path = check_path(path)
        self._path = Table(torch.tensor(self.path, dtype=torch.float64))
        self._shown = shown

    def __repr__(self) -> str:
        shown = "".join(f", {k}={v!r}" for k, v in self._shown.items())
        return f"{type(self).__name__}({self.input_shape}{shown}, sigma={self.sigma_min:g}..{self.sigma_max:g})"

    def _apply(self, x: Tensor, p: Tensor, since: Tensor | None) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define _apply(x, p, since).")

    def _frozen(self, p: float) -> Operator:
        raise NotImplementedError(f"{type(self).__name__} must define _frozen(p).")

    @property
    def lipschitz(self) -> float | None:
        constant = self._lipschitz()
        slopes = [b - a for a, b in itertools.pairwise(self.path)]
        return None if constant is None else constant * max(slopes) * len(slopes)

    def _lipschitz(self) -> float | None:
        """The constant in p."""
        return None

    def __call__(self, x: Tensor, t: Severity) -> Tensor:
        r""":math:`A_t x`, (B, C, H, W) like x; at t = 0 it is x, to the last bit."""
        return self._run(x, self.severity(t, x), None)

    def between(self, x: Tensor, s: Severity, t: Severity) -> Tensor:
        r""":math:`G_{s \to t} x`, so that :math:`G_{s \to t} A_s = A_t` for s <= t. What A_s hides stays 0.

        Raises:
            ValueError: s > t: there is no way back.
        """
        since, p = self.severity(s, x), self.severity(t, x)
        if p.device.type == "cpu" and bool((since > p).any()):
            raise ValueError(f"s must be at most t, for there is no way back; got s = {s} and t = {t}.")
        return self._run(x, p, since)

    def operator(self, t: float) -> Operator:
        r""":math:`A_t` as an operator, with adjoint, singular values and resolvent (see `teachdiff.operators.base`)."""
        at = torch.tensor(check_severity(t), dtype=torch.float64)
        return self._frozen(along(self._path.values, at).item())

    def sigma(self, t: Severity) -> Severity:
        r""":math:`\sigma_t`: a number for a number, a tensor for a tensor."""
        return self.sigma_min * (self.sigma_max / self.sigma_min) ** check_severity(t)

    def severity(self, t: Severity, like: Tensor) -> Tensor:
        """p(t), shaped to multiply `like` of shape (B, C, H, W)."""
        at = self._time(t, like)
        return along(self._path.like(at), at)

    def _time(self, t: Severity, like: Tensor) -> Tensor:
        """t in the device and precision of `like`, shaped to multiply it."""
        t = check_severity(t)
        dtype = like.dtype.to_real() if like.dtype.itemsize > 2 else torch.float32
        if not isinstance(t, Tensor):
            return like.new_full((), t, dtype=dtype)  # filled there, not copied there
        if t.ndim > 1 or (t.ndim == 1 and len(t) not in (1, len(like))):
            raise ValueError(f"t must have shape () or ({len(like)},), one per sample; got {tuple(t.shape)}.")
        return t.to(device=like.device, dtype=dtype).view(-1, 1, 1, 1) if t.ndim else t.to(like.device, dtype)

    def _run(self, x: Tensor, p: Tensor, since: Tensor | None) -> Tensor:
        check_images(x, "x", shape=self.input_shape)
        if x.dtype in (torch.float16, torch.bfloat16):
            return self._apply(x.float(), p, since).to(x.dtype)
        return self._apply(x, p, since)


class BlurDegradation(Degradation):
    r"""Gaussian blur whose standard deviation grows with the severity, std(t) = std p(t):

    .. math::
        A_t = A^{p(t)^2}, \qquad A = Q\,\mathrm{diag}(a)\,Q^{-1}, \quad
        A^{p^2} = I + Q\,\mathrm{diag}\big(e^{p^2 \log a} - 1\big)\,Q^{-1}

    with A the matrix of `GaussianBlur` along one axis. Powers of one matrix compose exactly, since variances
    add; they begin at the identity and end at the very operator of the task. Neither is true of kernels sampled anew
    for each standard deviation. With a reflected border Q is the discrete cosine transform about the outermost pixels
    and :math:`a = \hat k(\omega)`, all but :math:`e^{-\mathrm{std}^2\omega^2/2}`: see `GaussianBlur` for the border.

    Arguments:
        std: of A_1, in pixels.
        padding: "reflect", "circular" or "zero". "replicate" is not symmetric in any weighting.
        cut: where the kernel ends, in standard deviations. A cut kernel has frequencies with a gain below 0, which no
            power of it could have; from about 2 pixels on it needs a cut of 9.

    Raises:
        TypeError, ValueError: whatever `GaussianBlur` refuses, "replicate", a kernel cut too early.

    Sources: fabian, section 4 (blur); Lindeberg, "Scale-space for discrete signals", 1990, for the semigroup.
    """

    def __init__(
        self,
        shape: Sequence[int],
        std: float,
        padding: str = "reflect",
        cut: float = 4.0,
        *,
        sigma_min: float = 0.02,
        sigma_max: float = 0.1,
        path: Sequence[float] = (0.0, 1.0),
    ) -> None:
        super().__init__(shape, sigma_min, sigma_max, path, std=std, padding=padding)
        check_name(padding, ("reflect", "circular", "zero"), "padding of a blur that grows")
        kernel = gaussian_kernel(std, cut)
        self.std, self.padding, self.cut = float(std), padding, float(cut)
        axes = [symmetric_axis(kernel, n, padding) for n in self.input_shape[1:]]
        self._synthesis, self._analysis = ([Table(axis[i]) for axis in axes] for i in (0, 1))
        self._log = Table(axes[0][2][:, None] + axes[1][2])
        self._log_axes = [axis[2] for axis in axes]

    def _apply(self, x: Tensor, p: Tensor, since: Tensor | None) -> Tensor:
        power = p.square() if since is None else p.square() - since.square()
        c = apply_axes(x, [None, *(q.like(x) for q in self._analysis)])
        # The identity stands outside the basis, so that it is exact at p = 0.
        return x + apply_axes(torch.expm1(power * self._log.like(x)) * c, [None, *(q.like(x) for q in self._synthesis)])

    def _frozen(self, p: float) -> Operator:
        rows, columns = (
            torch.eye(len(a), dtype=torch.float64) + q.values @ (torch.expm1(p**2 * a)[:, None] * inverse.values)
            for q, inverse, a in zip(self._synthesis, self._analysis, self._log_axes, strict=True)
        )
        return Product(self.input_shape, rows=rows, columns=columns, std=self.std * p, padding=self.padding)

    def _lipschitz(self) -> float:
        r""":math:`\max_{a, p} 2 p E e^{-p^2 E}`, E = -log a, times what Q costs where it is not orthonormal: 2."""
        e = -float(self._log.values.min())
        slope = math.sqrt(2 * e / math.e) if e >= 0.5 else 2 * e * math.exp(-e)
        return slope * (2.0 if self.padding == "reflect" else 1.0)


class _MaskDegradation(Degradation):
    """A mask that only darkens: `_mask(p, like)` gives it, (B or 1, 1, H, W)."""

    def _mask(self, p: Tensor, like: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} must define _mask(p, like).")

    def _apply(self, x: Tensor, p: Tensor, since: Tensor | None) -> Tensor:
        m = self._mask(p, x)
        if since is not None:
            before = self._mask(since, x)
            m = torch.where(before > 0, m / before, torch.zeros_like(m))
        return m * x

    def _frozen(self, p: float) -> Operator:
        one = torch.zeros(1, dtype=torch.float64)
        return Mask(self._mask(torch.full((), p, dtype=torch.float64), one).expand(self.input_shape))


class SmoothMaskDegradation(_MaskDegradation):
    r"""A soft hole that grows and deepens, with :math:`r_{ij}` the distance from the middle in units of its width:

    .. math::
        A_t x = m_p \odot x, \qquad m_p = \big(1 - p\,e^{-r^2/2p^2}\big)^q, \qquad p = p(t)

    At p = 1 it is `smooth_mask`. The factor p in front is not the paper's: without it the middle would be black for
    every p > 0, and neither A_0 = I nor any Lipschitz constant could hold. A pixel darkens at most at the rate
    :math:`q \max_u (1 + 2u) e^{-u} = 2 q e^{-1/2}`, where :math:`u = r^2/2p^2`.

    Arguments:
        width, power: of the mask at p = 1, as in `smooth_mask`; power q of 1 or more has a Lipschitz constant.

    Source: fabian, section 4 (inpainting).
    """

    def __init__(
        self,
        shape: Sequence[int],
        width: float = 50 / 256,
        power: float = 4.0,
        *,
        sigma_min: float = 0.02,
        sigma_max: float = 0.1,
        path: Sequence[float] = (0.0, 1.0),
    ) -> None:
        super().__init__(shape, sigma_min, sigma_max, path, width=width, power=power)
        smooth_mask(shape, width, power)  # it says what is wrong with them
        self.width, self.power = float(width), float(power)
        self._r2 = Table(hole(self.input_shape, width))

    def _mask(self, p: Tensor, like: Tensor) -> Tensor:
        # 1 - p k = (1 - p) + p (1 - k): no digit is lost where k is nearly 1; and p = 0 is no 0/0.
        u = self._r2.like(like) / (2 * p.clamp(min=1e-12).square())
        return ((1 - p) - p * torch.expm1(-u)).pow(self.power)

    def _lipschitz(self) -> float | None:
        return 2 * self.power / math.sqrt(math.e) if self.power >= 1 else None


class BoxDegradation(_MaskDegradation):
    r"""A box that grows: a pixel is hidden once the severity exceeds its place in the box,

    .. math::
        A_t x = [\,p(t) \le r\,] \odot x, \qquad
        r_{ij} = \max\Big(\frac{|i - i_c|}{h/2}, \frac{|j - j_c|}{w/2}\Big)

    inside the box of h x w about (i_c, j_c), and never outside. At t = 1 it is `box_mask`. A pixel goes out at once,
    so there is no Lipschitz constant.

    Arguments:
        height, width, top, left: of the whole box, as in `box_mask`.
    """

    def __init__(
        self,
        shape: Sequence[int],
        height: int | None = None,
        width: int | None = None,
        top: int | None = None,
        left: int | None = None,
        *,
        sigma_min: float = 0.02,
        sigma_max: float = 0.1,
        path: Sequence[float] = (0.0, 1.0),
    ) -> None:
        super().__init__(shape, sigma_min, sigma_max, path)
        hidden = box_mask(shape, height, width, top, left)[0] == 0
        places = [line.nonzero().flatten().double() for line in (hidden.any(1), hidden.any(0))]
        rows, columns = ((2 * i - i[0] - i[-1]).abs() / len(i) for i in places)
        place = torch.full(hidden.shape, math.inf, dtype=torch.float64)
        place[hidden] = torch.maximum(rows[:, None], columns).flatten()
        self._place = Table(place)

    def _mask(self, p: Tensor, like: Tensor) -> Tensor:
        place = self._place.like(like)
        return (place >= p).to(place.dtype)


class FadeDegradation(Degradation):
    r""":math:`A_t = (1 - p)\,I + p\,A`, p = p(t): any linear operator whose measurement has the image's shape fades in.

    The simplest path to an operator that has no family of its own (a motion blur, scattered pixels). There is a
    transition as long as A has no negative eigenvalue, but none that is cheap: `between` is not offered.

    Arguments:
        operator: A, from images to images of the same shape.

    Raises:
        ValueError: an operator that is not linear or changes the shape.
    """

    def __init__(
        self,
        operator: Operator,
        *,
        sigma_min: float = 0.02,
        sigma_max: float = 0.1,
        path: Sequence[float] = (0.0, 1.0),
    ) -> None:
        if not operator.linear or operator.input_shape != operator.output_shape:
            raise ValueError(
                f"only a linear operator that keeps the image's shape can fade in; {operator!r} is none. "
                "Of another shape take the picture of its measurement."
            )
        super().__init__(operator.input_shape, sigma_min, sigma_max, path, operator=operator)
        self.whole = operator

    def _apply(self, x: Tensor, p: Tensor, since: Tensor | None) -> Tensor:
        if since is not None:
            raise NotImplementedError(f"{self!r} has no cheap transition from one severity to another.")
        return (1 - p) * x + p * self.whole(x)

    def _frozen(self, p: float) -> Operator:
        return self.whole if p == 1 else Identity(self.input_shape) if p == 0 else _Faded(self.whole, p)

    def _lipschitz(self) -> float | None:
        r""":math:`\lVert A - I \rVert \le 1 + s_{\max}`."""
        return None if self.whole.svd is None else 1 + float(self.whole.svd.s.values.max())


class _Faded(Operator):
    def __init__(self, operator: Operator, p: float) -> None:
        super().__init__(operator.input_shape, operator.input_shape, operator=operator, p=p)
        self.whole, self.p = operator, p

    def _forward(self, x: Tensor) -> Tensor:
        return (1 - self.p) * x + self.p * self.whole(x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return (1 - self.p) * y + self.p * self.whole.adjoint(y)


class IdentityDegradation(Degradation):
    r""":math:`A_t = I`: only the noise grows. Dirac is then ordinary (variance exploding) diffusion."""

    def __init__(
        self,
        shape: Sequence[int],
        *,
        sigma_min: float = 0.02,
        sigma_max: float = 0.1,
        path: Sequence[float] = (0.0, 1.0),
    ) -> None:
        super().__init__(shape, sigma_min, sigma_max, path)

    def _apply(self, x: Tensor, p: Tensor, since: Tensor | None) -> Tensor:
        return x.clone()

    def _frozen(self, p: float) -> Operator:
        return Identity(self.input_shape)

    def _lipschitz(self) -> float:
        return 0.0


def symmetric_axis(kernel: Tensor, n: int, padding: str) -> tuple[Tensor, Tensor, Tensor]:
    r"""(Q, :math:`Q^{-1}`, :math:`\log a`) of the blur M along one axis: :math:`M = Q\,\mathrm{diag}(a)\,Q^{-1}`.

    M is symmetric once the outermost pixels of a reflected border, which have no double, count half: with these weights
    D, :math:`D^{1/2} M D^{-1/2} = U\,\mathrm{diag}(a)\,U^\top` and :math:`Q = D^{-1/2} U`.
    """
    weights = torch.ones(n, dtype=torch.float64)
    if padding == "reflect" and n > 1:
        weights[[0, -1]] = 0.5
    root = weights.sqrt()
    matrix = root[:, None] * blur_matrix(kernel, n, padding) / root
    a, u = torch.linalg.eigh((matrix + matrix.mT) / 2)
    rounding = n * torch.finfo(torch.float64).eps
    if float(a.min()) < -rounding:
        raise ValueError(
            f"this blur has a gain of {float(a.min()):.2g}, below 0, for its kernel is cut too early: a Gaussian has "
            "none, and no power of the blur is defined. Use cut=9, here and in the task."
        )
    return u / root[:, None], u.mT * root, a.clamp(min=rounding, max=1.0).log()


def along(path: Tensor, t: Tensor) -> Tensor:
    """p(t): straight between the values of a path at evenly spaced t."""
    pieces = len(path) - 1
    i = (t * pieces).long().clamp(max=pieces - 1)
    w = t * pieces - i
    return (1 - w) * path[i] + w * path[i + 1]  # exact at both ends


def check_path(path: Sequence[float]) -> tuple[float, ...]:
    """Numbers from 0 to 1 that never fall, two or more."""
    try:
        values = tuple(float(p) for p in path)
    except (TypeError, ValueError):
        raise TypeError(f"path must be the severities at evenly spaced t, from 0 to 1; got {path!r}.") from None
    rising = all(a <= b for a, b in itertools.pairwise(values))
    if len(values) < 2 or values[0] != 0 or values[-1] != 1 or not rising:
        raise ValueError(f"path must be two or more severities from 0 to 1 that never fall; got {list(values)}.")
    return values


def check_severity(t: Severity, name: str = "t", batch: int | None = None) -> Severity:
    """A number or a float tensor in [0, 1], of shape () or (batch,) if that is given; of a tensor on a GPU the values
    are not looked at."""
    if isinstance(t, Tensor):
        if not t.is_floating_point():
            raise TypeError(f"{name} must be a severity, a float tensor in [0, 1]; got {t.dtype}.")
        if t.device.type == "cpu" and not bool(((t >= 0) & (t <= 1)).all()):
            raise ValueError(f"{name} is a severity and must lie in [0, 1]; got {t.tolist()}.")
        if batch is not None and t.shape not in ((), (batch,)):
            raise ValueError(f"{name} must have shape () or ({batch},), one per sample; got {tuple(t.shape)}.")
        return t
    if isinstance(t, bool) or not isinstance(t, int | float):
        raise TypeError(f"{name} must be a severity, a number or a float tensor in [0, 1]; got {type(t).__name__}.")
    if not 0 <= t <= 1:
        raise ValueError(f"{name} is a severity and must lie in [0, 1]; got {t}.")
    return float(t)
