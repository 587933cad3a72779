"""Wrong degradations: families as they were released, and what is easily got wrong in one's own."""

import torch

from teachdiff.operators import BlurDegradation, BoxDegradation, GaussianBlur, SmoothMaskDegradation
from tests.testing.zoo.exhibit import Exhibit

SHAPE = (1, 5, 6)


def blur():
    return BlurDegradation(SHAPE, 0.8)


def smooth():
    return SmoothMaskDegradation(SHAPE, 0.3)


def box():
    return BoxDegradation(SHAPE)


class SampledKernels(BlurDegradation):
    """A kernel sampled anew for each standard deviation, as released: two of them are no third one."""

    def __init__(self):
        super().__init__(SHAPE, 0.8)

    def _apply(self, x, p, since):
        def one(x, p, since):
            var = p**2 - (0.0 if since is None else since**2)
            return GaussianBlur(SHAPE, self.std * var**0.5)(x)

        if p.ndim == 0:
            return one(x, float(p), None if since is None else float(since))
        then = [None] * len(p) if since is None else since.flatten().tolist()
        return torch.cat([one(x[i : i + 1], float(p[i]), then[i]) for i in range(len(x))])


class BlurredAtOnce(BlurDegradation):
    """The standard deviation runs from 0.3 to 0.8, as released: A_0 is a blur."""

    def __init__(self):
        super().__init__(SHAPE, 0.8)

    def _apply(self, x, p, since):
        return super()._apply(x, 0.375 + 0.625 * p, None if since is None else 0.375 + 0.625 * since)


class VarianceForDeviation(BlurDegradation):
    """operator(t) blurs with the standard deviation std p^2."""

    def __init__(self):
        super().__init__(SHAPE, 0.8)

    def _frozen(self, p):
        return super()._frozen(p**2)


class TheMaskAsTransition(SmoothMaskDegradation):
    """The milder picture times the mask: each pixel is dimmed twice."""

    def __init__(self):
        super().__init__(SHAPE, 0.3)

    def _apply(self, x, p, since):
        return super()._apply(x, p, None)


class HalfTheConstant(SmoothMaskDegradation):
    """A Lipschitz constant that is the share of the whole change, not the largest rate: it stands still at the ends."""

    def __init__(self):
        super().__init__(SHAPE, 0.3)

    def _lipschitz(self):
        return 0.5


class MovingBox(BoxDegradation):
    """The box wanders: what it hid is seen again."""

    def __init__(self):
        super().__init__(SHAPE, 2, 2, 1, 0)

    def _mask(self, p, like):
        mask = super()._mask((p > 0).to(like.dtype), like).expand(*p.shape[:1], 1, *SHAPE[1:])
        return torch.where(p > 0.5, mask.roll(2, -1), mask)


class FallingNoise(SmoothMaskDegradation):
    """sigma_max at t = 0."""

    def __init__(self):
        super().__init__(SHAPE, 0.3)

    def sigma(self, t):
        return super().sigma(1 - t)


class TheFirstTimeForAll(SmoothMaskDegradation):
    """A batch of times, of which the first is used."""

    def __init__(self):
        super().__init__(SHAPE, 0.3)

    def _mask(self, p, like):
        return super()._mask(p.flatten()[0], like)


class Detached(SmoothMaskDegradation):
    """No gradient flows."""

    def __init__(self):
        super().__init__(SHAPE, 0.3)

    def _apply(self, x, p, since):
        return super()._apply(x.detach(), p, since)


class HalfAGradient(SmoothMaskDegradation):
    """What is dark is taken for constant."""

    def __init__(self):
        super().__init__(SHAPE, 0.3)

    def _apply(self, x, p, since):
        out = super()._apply(x, p, since)
        return torch.where(out.abs() < 0.5 * x.abs(), out.detach(), out)


class Clipped(SmoothMaskDegradation):
    """Clamped to the range of a picture, and still said to be linear."""

    def __init__(self):
        super().__init__(SHAPE, 0.3)

    def _apply(self, x, p, since):
        return super()._apply(x, p, since).clamp(-1, 1)


class InPlace(SmoothMaskDegradation):
    """It writes into its argument."""

    def __init__(self):
        super().__init__(SHAPE, 0.3)

    def _apply(self, x, p, since):
        return x.mul_(self._mask(p, x))


class ReleasedMask(SmoothMaskDegradation):
    """Without the factor p: the middle is black for every p above 0, at once."""

    def __init__(self):
        super().__init__(SHAPE, 0.3)

    def _mask(self, p, like):
        u = self._r2.like(like) / (2 * p.clamp(min=4e-4).square())
        return (-torch.expm1(-u)).pow(self.power)



def _exhibit(wrong, right, *laws):
    return Exhibit(wrong.__name__, "degradation", laws, wrong, right)


ZOO = [
    _exhibit(SampledKernels, blur, "transitions"),
    _exhibit(BlurredAtOnce, blur, "identity"),
    _exhibit(ReleasedMask, smooth, "identity"),
    _exhibit(VarianceForDeviation, blur, "frozen"),
    _exhibit(TheMaskAsTransition, smooth, "transitions"),
    _exhibit(HalfTheConstant, smooth, "lipschitz"),
    _exhibit(MovingBox, box, "severity"),
    _exhibit(FallingNoise, smooth, "noise"),
    _exhibit(TheFirstTimeForAll, smooth, "batch"),
    _exhibit(Detached, smooth, "gradient"),
    _exhibit(HalfAGradient, smooth, "gradient"),
    _exhibit(Clipped, smooth, "linear"),
    _exhibit(InPlace, smooth, "argument_is_kept"),
]
