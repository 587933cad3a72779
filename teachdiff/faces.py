r"""Portraits: small cartoon faces in colour, made up from a seed, as many as anybody wants.

A face is a point in the unit cube: `_DRAWS` uniform numbers, hashed from (seed, i), say how image i
looks. So there is unlimited truth that no training has seen, and image i of a seed is the same
whatever the batch, and the same face at every size.

Everything is drawn with signed distances. With :math:`d(u, v)` the distance to the outline of a
shape (negative inside) and w the width of a pixel, the shape covers the share

.. math::
    c = \mathrm{clip}\big(\tfrac12 - d/w,\; 0,\; 1\big), \qquad
    \mathrm{pixel} \leftarrow \mathrm{pixel} + c\,(\mathrm{colour} - \mathrm{pixel})

of a pixel. The canvas has twice the final resolution and is averaged at the end. Per pixel only
+, -, *, /, sqrt, min, max and rounding are used, which IEEE arithmetic fixes to the last bit, so that
the place of an image in a batch cannot change it.

u and v are the face's own coordinates, with the tip of the nose near (0, 0), u to the right, v
down, and the face about 1.1 wide and 1.3 high; the picture spans [-1, 1] in both directions.
"""

from functools import cache
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor

_DRAWS = 96
_CHUNK = 16  # images drawn together: their planes stay in the cache
# where faces are: the middle's height, how far they are moved from there, enlarged and tilted
_CENTRE, _SHIFT, _SCALES, _TILT = 0.05, 0.06, (0.94, 1.06), 0.07

# sRGB, 0..255
SKIN = [(255, 226, 203), (249, 208, 176), (238, 188, 148), (222, 164, 120), (198, 136, 94), (161, 104, 70),
        (122, 77, 52), (90, 57, 42)]  # fmt: skip
HAIR = [(34, 28, 30), (52, 36, 30), (84, 54, 38), (122, 78, 46), (150, 70, 40), (206, 104, 48), (226, 186, 110),
        (240, 222, 172), (152, 152, 156), (228, 228, 226), (70, 96, 186), (222, 108, 152), (62, 150, 140),
        (128, 84, 168)]  # fmt: skip
HAIR_ODDS = [5, 5, 5, 4, 3, 3, 4, 2, 1.6, 1.2, 0.6, 0.7, 0.6, 0.6]
IRIS = [(74, 44, 28), (110, 66, 34), (146, 104, 48), (78, 128, 70), (62, 118, 178), (98, 152, 196), (104, 116, 126)]
IRIS_ODDS = [4, 4, 2, 2, 2.5, 1.5, 1]
CLOTHES = [(214, 72, 70), (236, 150, 60), (244, 206, 92), (96, 168, 98), (58, 140, 150), (66, 110, 190), (44, 58, 96),
           (132, 92, 172), (226, 130, 164), (240, 238, 230), (74, 74, 80), (150, 106, 78)]  # fmt: skip
FRAMES = [(40, 36, 40), (96, 54, 34), (176, 44, 52), (44, 74, 140), (190, 152, 72), (46, 110, 96)]

# How each style of hair is cut. odds; rise: above the skull; wide: beside it; cut: where it ends
# below; fall: 1 closes like an ellipse, 0 hangs straight; line, bend, fork: the hairline is at
# v = line + bend u^4 + fork |u|; slant: its asymmetry; curl and beat: waves on the outline and
# the hairline; thin: opacity; bun: 1 a bun on top, 2 two of them at the sides.
STYLES = {
    #            odds rise  wide   cut   fall  line  bend  fork  slant  curl  beat thin bun
    "bald":     (1.0, 0.00, 0.00, -2.00, 1.0, -2.00, 0.0, 0.00, 0.00, 0.000, 1.0, 0.0, 0),
    "buzz":     (1.2, 0.03, 0.02, -0.02, 1.0, -0.44, 6.0, 0.00, 0.00, 0.000, 1.0, 0.8, 0),
    "short":    (2.2, 0.10, 0.05, 0.06, 1.0, -0.38, 5.0, 0.00, 0.08, 0.008, 5.0, 1.0, 0),
    "parted":   (2.0, 0.13, 0.06, 0.08, 1.0, -0.40, 4.0, 0.00, 0.36, 0.000, 1.0, 1.0, 0),
    "receding": (0.8, 0.04, 0.05, 0.12, 1.0, -0.62, 9.0, 0.00, 0.05, 0.000, 1.0, 1.0, 0),
    "spiky":    (1.3, 0.15, 0.06, 0.02, 1.0, -0.36, 3.5, 0.00, 0.10, 0.030, 3.6, 1.0, 0),
    "fringe":   (1.8, 0.12, 0.09, 0.30, 0.5, -0.24, 4.0, 0.00, 0.04, 0.014, 5.5, 1.0, 0),
    "bob":      (2.0, 0.13, 0.13, 0.52, 0.2, -0.28, 9.0, 0.00, 0.05, 0.006, 4.0, 1.0, 0),
    "long":     (2.4, 0.12, 0.13, 1.60, 0.0, -0.58, 12.0, 0.50, 0.10, 0.000, 3.0, 1.0, 0),
    "wavy":     (1.8, 0.14, 0.16, 1.60, 0.0, -0.46, 12.0, 0.15, 0.22, 0.028, 2.6, 1.0, 0),
    "afro":     (1.6, 0.24, 0.25, 0.55, 1.0, -0.37, 4.5, 0.00, 0.00, 0.030, 3.6, 1.0, 0),
    "curly":    (1.6, 0.17, 0.13, 0.40, 0.8, -0.34, 4.5, 0.00, 0.10, 0.033, 3.2, 1.0, 0),
    "bun":      (1.2, 0.08, 0.05, 0.10, 1.0, -0.50, 4.5, 0.30, 0.06, 0.000, 1.0, 1.0, 1),
    "pigtails": (1.0, 0.10, 0.06, 0.16, 1.0, -0.50, 4.0, 0.50, 0.00, 0.000, 1.0, 1.0, 2),
}  # fmt: skip


def portraits(count: int, size: int = 32, seed: int = 0) -> Tensor:
    """Made-up cartoon faces: float32 (count, 3, size, size) in [-1, 1].

    Image i depends on (seed, i) alone: `portraits(8, seed=3)[:4]` equals `portraits(4, seed=3)`, and
    another size shows the same faces.

    Raises:
        ValueError: count < 1, size < 16 or seed < 0.
        TypeError: one of them is no integer.
    """
    _check(("count", count, 1), ("size", size, 16), ("seed", seed, 0))
    out = np.empty((count, 3, size, size), np.float32)
    for first in range(0, count, _CHUNK):
        last = min(first + _CHUNK, count)
        out[first:last] = _draw(_describe(_uniform(seed, first, last)), 2 * size)
    return torch.from_numpy(out)


#: What is true of a portrait or not, and how the generator knows. Long hair hangs below the shoulders.
ATTRIBUTES = {
    "glasses": lambda p: p.glasses,
    "hat": lambda p: p.hat,
    "beard": lambda p: p.beard[:, 0, 0] > 0,
    "long hair": lambda p: p.cut[:, 0, 0] > 1,
    "smile": lambda p: p.smile[:, 0, 0] > 0.035,
    "open mouth": lambda p: p.open[:, 0, 0] > 0,
}
_NUMBERS = (
    "x", "y", "scale", "tilt", "a", "b", "jaw", "eye_u", "eye_v", "eye_a", "eye_b", "gaze_u", "gaze_v", "brow_v",
    "brow_slope", "nose_v", "mouth_v", "mouth_a", "smile", "open", "skin", "hair", "iris", "lips", "clothes", "back",
)  # fmt: skip


def traits(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """What `portraits(count, seed=seed)` were drawn from: bool (count, 6), in the order of `ATTRIBUTES`, and float32
    (count, 38): places, sizes and colours, each with mean 0 and variance 1 over all faces, as far as 1000 of them tell.

    Raises: as `portraits`.
    """
    _check(("count", count, 1), ("seed", seed, 0))
    described = _describe(_uniform(seed, 0, count))
    yes = np.stack([is_so(described) for is_so in ATTRIBUTES.values()], 1)
    mean, std = _usual()
    return torch.from_numpy(yes), torch.from_numpy((_numbers(described) - mean) / std)


def _numbers(p: SimpleNamespace) -> np.ndarray:
    """(n, 38) float32."""
    return np.concatenate([getattr(p, name).reshape(len(p.x), -1) for name in _NUMBERS], 1)


@cache
def _usual() -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of `_numbers` over 1000 faces."""
    numbers = _numbers(_describe(_uniform(0, 0, 1000)))
    return numbers.mean(0), numbers.std(0)


def _check(*given: tuple[str, int, int]) -> None:
    for name, value, least in given:
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"{name} must be an integer; got {value!r}.")
        if value < least:
            raise ValueError(f"{name} must be at least {least}; got {value}.")


def _uniform(seed: int, first: int, last: int) -> np.ndarray:
    """The uniform numbers of faces first..last-1 of a seed, (n, draws)."""
    seeds = [np.random.SeedSequence([int(seed), i]) for i in range(first, last)]
    return np.stack([s.generate_state(_DRAWS) for s in seeds]) / 2**32


class _Dice:
    """Turns the columns of uniform numbers (n, draws), one after the other, into decisions of shape (n,)."""

    def __init__(self, uniform: np.ndarray) -> None:
        self.columns = iter(uniform.T)

    def between(self, low: float, high: float) -> np.ndarray:
        return low + (high - low) * next(self.columns)

    def chance(self, p: float) -> np.ndarray:
        return next(self.columns) < p

    def index(self, odds: list[float]) -> np.ndarray:
        steps = np.cumsum(odds) / np.sum(odds)
        return np.searchsorted(steps[:-1], next(self.columns), side="right")

    def colour(self, table: list, odds: list[float] | None = None, spread: float = 0.03) -> np.ndarray:
        """(n, 3) in [0, 1]: an entry of the table, each channel moved by up to `spread`."""
        chosen = np.asarray(table)[self.index(odds or [1.0] * len(table))] / 255
        return chosen + np.stack([self.between(-spread, spread) for _ in range(3)], 1)


def _describe(uniform: np.ndarray) -> SimpleNamespace:
    """What each face looks like: floats (n, 1, 1) in the face's units, colours (n, 3, 1, 1), choices (n,)."""
    d, p = _Dice(uniform), SimpleNamespace()
    # the head and its place; the tilt enters as tan(angle / 2), so that no sine is needed
    p.x, p.y = d.between(-_SHIFT, _SHIFT), _CENTRE + d.between(-_SHIFT, _SHIFT)
    p.scale, p.tilt = d.between(*_SCALES), d.between(-_TILT, _TILT)
    p.a, p.b, p.jaw = d.between(0.50, 0.57), d.between(0.60, 0.68), d.between(0.05, 0.45)
    p.light = np.where(d.chance(0.5), 1.0, -1.0) * d.between(0.5, 1.0)
    tone = d.between(0.0, len(SKIN) - 1.001)
    low, share = tone.astype(int), (tone % 1)[:, None]
    p.skin = ((1 - share) * np.asarray(SKIN)[low] + share * np.asarray(SKIN)[low + 1]) / 255
    p.skin = p.skin + d.between(-0.02, 0.02)[:, None] * np.array([0.6, 0.1, -1.0])
    # hair
    table = np.array(list(STYLES.values()))
    style = table[d.index(list(table[:, 0]))]
    (p.rise, p.wide, p.cut, p.fall, p.line, p.bend, p.fork, p.slant, p.curl, p.beat, p.thin, p.bun) = style.T[1:]
    p.rise, p.wide = p.rise * d.between(0.8, 1.25), p.wide * d.between(0.8, 1.2)
    p.line = p.line + d.between(-0.05, 0.05)
    p.slant = p.slant * np.where(d.chance(0.5), 1.0, -1.0)
    p.phase = d.between(0.0, 1.0)
    p.hair = d.colour(HAIR, HAIR_ODDS)
    # eyes and brows
    p.eye_u, p.eye_v = d.between(0.215, 0.255), d.between(-0.06, 0.02)
    p.eye_a = d.between(0.125, 0.16)
    p.eye_b = p.eye_a * d.between(0.72, 1.1)
    p.gaze_u, p.gaze_v = d.between(-0.038, 0.038), d.between(-0.016, 0.022)
    p.iris_r = np.minimum(p.eye_a * d.between(0.62, 0.74), 0.98 * p.eye_b)
    p.iris = d.colour(IRIS, IRIS_ODDS)
    p.lash = d.between(0.016, 0.032)
    p.brow_v, p.brow_slope, p.brow_arch = d.between(0.075, 0.125), d.between(-0.14, 0.16), d.between(0.8, 3.0)
    p.brow_half, p.brow_width = d.between(0.10, 0.14), d.between(0.016, 0.034)
    # nose, mouth, cheeks
    p.nose_v, p.nose_a, p.nose_b = d.between(0.13, 0.19), d.between(0.05, 0.085), d.between(0.035, 0.055)
    p.mouth_v, p.mouth_a = d.between(0.345, 0.40), d.between(0.14, 0.22)
    p.smile = np.where(d.chance(0.78), d.between(0.04, 0.12), d.between(-0.03, 0.03))
    p.open = np.where(d.chance(0.38), d.between(0.06, 0.15), 0.0)
    p.open = np.where(p.smile < 0.02, 0.6 * p.open, p.open)
    p.lip, p.rouge = d.between(0.016, 0.034), d.between(0.0, 1.0)
    p.cheek = d.between(0.1, 0.55)
    p.freckles = d.chance(0.10)
    # what people wear
    p.beard = np.where(d.chance(0.20), d.between(0.55, 0.95), 0.0) * (p.rouge < 0.75)
    p.beard = np.where(p.hair.mean(1) < p.skin.mean(1) + 0.08, p.beard, 0.0)
    p.beard_line = d.between(0.85, 1.1)
    p.glasses = d.chance(0.24)
    p.frame = d.colour(FRAMES)
    p.frame_width, p.square, p.lens = d.between(0.016, 0.026), d.between(0.0, 1.0), d.between(0.155, 0.185)
    p.shades = d.chance(0.15)
    p.hat = d.chance(0.13)
    p.hat_line, p.pompom, p.brim = d.between(-0.40, -0.30), d.chance(0.5), d.chance(0.4)
    p.hat_colour, p.band_colour = d.colour(CLOTHES), d.colour(CLOTHES)
    p.clothes, p.stripe = d.colour(CLOTHES), d.colour(CLOTHES)
    p.stripes = d.chance(0.25)
    p.collar, p.shoulder = d.between(0.20, 0.29), d.between(0.68, 0.90)
    p.earring = d.chance(0.12)
    # background: one colour that fades into another along a line or from the middle
    hue, depth = d.between(0.0, 6.0), d.between(0.10, 0.38)
    lightness = 1 - 0.45 * d.between(0.0, 1.0) ** 2
    wheel = np.clip(np.abs((hue[:, None] + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    p.back = lightness[:, None] * (1 - depth[:, None] * (1 - wheel))
    p.fade = np.where(d.chance(0.7), d.between(0.1, 0.4), 0.0)
    round_, p.fade_x, p.fade_y = d.chance(0.35), d.between(-1.0, 1.0), d.between(-1.0, 1.0)
    p.fade_r = np.where(round_, 0.7, 0.0)
    p.fade_x, p.fade_y = np.where(round_, 0.0, p.fade_x), np.where(round_, 0.0, p.fade_y)
    # a hat presses the hair down
    for name, most in (("rise", 0.05), ("wide", 0.12), ("bun", 0.0)):
        setattr(p, name, np.where(p.hat, np.minimum(getattr(p, name), most), getattr(p, name)))
    # colours that follow from others
    dark = p.skin.mean(1, keepdims=True)
    p.shadow = p.skin * np.array([0.80, 0.66, 0.62])
    p.lips = p.skin * np.array([0.82, 0.58, 0.58]) + p.rouge[:, None] ** 3 * np.array([0.14, -0.10, -0.06])
    p.blush = p.skin * np.array([1.0, 0.70, 0.68]) + np.array([0.05, 0.0, 0.0])
    p.brow = p.hair * 0.72 * np.where(p.hair.mean(1, keepdims=True) > 0.7, 0.75, 1.0)
    p.lash_colour = 0.10 + 0.22 * p.hair * dark
    p.white = np.full_like(p.skin, 0.97) * (0.9 + 0.1 * dark)
    shaped = {}
    for name, value in vars(p).items():
        if value.ndim == 2:
            shaped[name] = np.clip(value, 0, 1).astype(np.float32)[:, :, None, None]
        else:
            shaped[name] = value if value.dtype == bool else value.astype(np.float32)[:, None, None]
    return SimpleNamespace(**shaped)


def _ellipse(u: np.ndarray, v: np.ndarray, a: np.ndarray | float, b: np.ndarray | float) -> np.ndarray:
    """About the distance to the ellipse u^2/a^2 + v^2/b^2 = 1: to first order next to its outline."""
    u, v = u / a, v / b
    k = u * u + v * v
    u, v = u / a, v / b
    return (k - 1) / np.sqrt(4 * (u * u + v * v) + 1e-6)


def _wave(t: np.ndarray) -> np.ndarray:
    """A smooth wave of period 1 between -1 and 1, from parabolas."""
    t = 2 * (t - np.rint(t))
    return 4 * t * (1 - np.abs(t))


def _window(u_max: float, top: float, bottom: float, side: int) -> tuple[slice, slice]:
    """The rows and columns that a shape in |u| <= u_max, top <= v <= bottom can touch in any face.

    In any face, not in those of the batch: else what rounding leaves of a pixel that is painted
    over would depend on the company that a face keeps.
    """
    small, large = _SCALES
    turn = 2 * _TILT  # above the sine of the tilt
    x = _SHIFT + large * (u_max + turn * max(abs(top), abs(bottom)))
    above = _CENTRE - _SHIFT + min(small * top, large * top) - large * turn * u_max
    below = _CENTRE + _SHIFT + max(small * bottom, large * bottom) + large * turn * u_max

    def pixels(low: float, high: float) -> slice:
        first, last = round((low + 1) / 2 * side) - 1, round((high + 1) / 2 * side) + 1
        return slice(min(max(first, 0), side), min(max(last, 0), side))

    return pixels(above, below), pixels(-x, x)


class _Region:
    """A window of the canvas, large enough for a shape in all the faces that have it.

    `at` indexes the canvas; p holds these faces' description, u and v the coordinates.
    """

    def __init__(
        self, canvas: "_Canvas", u_max: float, top: float, bottom: float, who: np.ndarray | None = None
    ) -> None:
        self.canvas, self.p = canvas, canvas.p
        chosen: slice | np.ndarray = slice(None)
        if who is not None:
            chosen = np.flatnonzero(who)
            self.p = SimpleNamespace(**{k: value[chosen] for k, value in vars(canvas.p).items()})
        rows, cols = _window(u_max, top, bottom, canvas.side)
        self.at = (chosen, slice(None), rows, cols)
        self.pixels = canvas.pixels[self.at]  # a view for all faces, a copy for some
        self.u, self.v = canvas.u[chosen, rows, cols], canvas.v[chosen, rows, cols]
        self.empty = not len(self.u)

    def cover(self, distance: np.ndarray) -> np.ndarray:
        """The share of each pixel that lies inside."""
        return np.clip(0.5 - distance / self.p.edge, 0, 1)

    def blend(self, share: np.ndarray, colour: np.ndarray | float) -> None:
        self.pixels += share[:, None] * (colour - self.pixels)

    def fill(self, distance: np.ndarray, colour: np.ndarray | float, opacity: np.ndarray | float = 1.0) -> None:
        self.blend(self.cover(distance) * opacity, colour)

    def done(self) -> None:
        """Put the copy back."""
        self.canvas.pixels[self.at] = self.pixels


class _Canvas:
    """The picture (n, 3, side, side) in [0, 1] and the faces' coordinates of its pixels."""

    def __init__(self, p: SimpleNamespace, side: int) -> None:
        self.p, self.side = p, side
        p.cos, p.sin = (1 - p.tilt * p.tilt) / (1 + p.tilt * p.tilt), 2 * p.tilt / (1 + p.tilt * p.tilt)
        p.edge = 2 / side / p.scale
        line = ((np.arange(side, dtype=np.float32) + 0.5) * 2 / side - 1).astype(np.float32)
        x, y = (line[None, None, :] - p.x) / p.scale, (line[None, :, None] - p.y) / p.scale
        self.u, self.v = p.cos * x + p.sin * y, p.cos * y - p.sin * x
        x, y = line[None, None, :], line[None, :, None]
        tone = 1 - p.fade * np.clip(
            0.5 + 0.5 * (p.fade_x * x + p.fade_y * y) + p.fade_r * (x * x + y * y - 0.7), 0, 1.2
        )
        self.pixels = p.back * tone[:, None]

    def region(self, u_max: float, top: float, bottom: float, who: np.ndarray | None = None) -> _Region:
        return _Region(self, u_max, top, bottom, who)


def _draw(p: SimpleNamespace, side: int) -> np.ndarray:
    """The faces (n, 3, side / 2, side / 2) in [-1, 1], drawn from back to front."""
    canvas = _Canvas(p, side)
    hair = _hair_behind(canvas)
    _body(canvas)
    _head(canvas)
    _mouth(canvas)
    _eyes(canvas)
    _hair_in_front(canvas, hair)
    _glasses(canvas)
    _hat(canvas)
    small = canvas.pixels.reshape(*canvas.pixels.shape[:2], side // 2, 2, side // 2, 2)
    small = small[..., 0, :, 0] + small[..., 0, :, 1] + small[..., 1, :, 0] + small[..., 1, :, 1]
    return np.clip(small * 0.5 - 1, -1, 1)


def _hair_behind(canvas: _Canvas) -> tuple[np.ndarray, np.ndarray]:
    """Draw the hair's silhouette; return how it covers the pixels, and its colour."""
    p, u, v = canvas.p, canvas.u, canvas.v
    buns = canvas.region(0.94, -1.2, 0.15, who=p.bun[:, 0, 0] > 0)
    if not buns.empty:
        q = buns.p
        on_top = q.bun < 1.5
        du = np.abs(buns.u) - np.where(on_top, 0.0, q.a + 0.14)
        dv = buns.v - np.where(on_top, -q.b - 0.14, -0.10)
        distance = np.sqrt(du * du + dv * dv) - np.where(on_top, 0.17, 0.18)
        buns.fill(distance, q.hair * (0.86 + 0.5 * np.clip(-dv[:, None], -0.2, 0.2)))
        buns.done()
    low = np.maximum(v + 0.1, 0)
    height = np.where(v < -0.1, v + 0.1, p.fall * low)
    a, b = p.a + p.wide, p.b - 0.1 + p.rise
    ripple = p.curl * (_wave(p.beat * u + p.phase) + _wave(p.beat * v + 0.5 * p.phase))
    distance = np.maximum(_ellipse(u, height, a, b), v - p.cut) + ripple
    share = np.clip(0.5 - distance / p.edge, 0, 1) * np.minimum(p.thin * 10, 1)
    # a sheen across the crown, on the side of the light
    sheen = np.clip(1 - np.abs(v + 0.62 * p.b + 0.35 * u * u) * 6, 0, 1) * np.clip(0.6 + p.light * u * -1.2, 0, 1)
    tone = 0.94 + 0.30 * sheen - 0.22 * np.clip(v, -0.3, 0.8) + 0.9 * ripple
    colour = p.hair * tone[:, None] + (0.10 * sheen)[:, None]
    canvas.pixels += share[:, None] * (colour * 0.80 - canvas.pixels)
    return share, colour


def _body(canvas: _Canvas) -> None:
    p = canvas.p
    r = canvas.region(1.4, 0.3, 1.6)
    u, v = r.u, r.v
    shade = 0.25 * np.clip(p.light * u + 0.2, 0, 1)
    neck = np.maximum(np.abs(u) - 0.20, 0.36 - v)
    shadow = 0.95 * np.clip(1 - np.abs(v - p.b) * 3.0, 0, 1)
    colour = p.skin + np.clip(shadow + shade, 0, 1)[:, None] * (p.shadow - p.skin)
    r.fill(neck, colour)
    shoulders = _ellipse(u, v - (p.b + 0.56), p.shoulder, 0.46)
    neckline = np.sqrt(u * u + (v - p.b - 0.10) * (v - p.b - 0.10)) - p.collar
    stripes = (_wave(v * 4.5) > 0) & (p.stripes[:, None, None])
    colour = np.where(stripes[:, None], p.stripe, p.clothes) * (1.02 - shade)[:, None]
    r.fill(np.maximum(shoulders, -neckline), colour)


def _head(canvas: _Canvas) -> None:
    p = canvas.p
    r = canvas.region(0.70, -0.14, 0.22)
    u, v = np.abs(r.u), r.v
    ear = _ellipse(u - p.a, v - 0.04, 0.10, 0.135)
    r.fill(ear, p.skin + (0.15 + 0.25 * np.clip(p.light * r.u, -0.4, 0.8))[:, None] * (p.shadow - p.skin))
    r.fill(_ellipse(u - p.a - 0.015, v - 0.04, 0.045, 0.075), p.shadow, 0.7)
    r = canvas.region(0.66, 0.12, 0.28, who=p.earring)
    if not r.empty:
        r.fill(_ellipse(np.abs(r.u) - r.p.a - 0.01, r.v - 0.20, 0.042, 0.042), r.p.band_colour)
        r.done()

    r = canvas.region(0.60, -0.72, 0.72)
    u, v = r.u, r.v
    chin = np.maximum(v, 0)
    wide = u * (1 + p.jaw * chin * chin * chin)
    head = _ellipse(wide, v, p.a, p.b)
    share = r.cover(head)
    # round: away from the light and towards the outline the skin turns into its shadow
    rim = wide * wide / (p.a * p.a) + v * v / (p.b * p.b)
    tone = 0.10 + 0.42 * p.light * u + 0.30 * v + 0.42 * rim * rim - 0.16
    r.blend(share, p.skin + np.clip(tone, -0.35, 1)[:, None] * (p.shadow - p.skin))

    s = canvas.region(0.60, -0.1, 0.72, who=p.beard[:, 0, 0] > 0)
    if not s.empty:
        q, u, v = s.p, s.u, s.v
        chin = np.maximum(v, 0)
        head = _ellipse(u * (1 + q.jaw * chin * chin * chin), v, q.a, q.b)
        clean = _ellipse(u, v - 0.02, 0.41 * q.beard_line, 0.29)
        beard = np.maximum(np.maximum(head, -clean), -0.03 - v)
        s.fill(beard, q.hair * (0.95 - 0.25 * (v - 0.3))[:, None], q.beard)
        s.done()

    r = canvas.region(0.50, 0.0, 0.40)
    du, dv = np.abs(r.u) - 0.33, r.v - 0.20
    glow = np.clip(1 - (du * du + 1.4 * dv * dv) * 42, 0, 1)
    r.blend(glow * glow * p.cheek * (1 - 0.7 * p.beard), p.blush)
    spots = canvas.region(0.44, 0.02, 0.28, who=p.freckles)
    if not spots.empty:
        q, u, v = spots.p, np.abs(spots.u), spots.v
        for cu, cv in ((0.22, 0.16), (0.30, 0.12), (0.37, 0.17), (0.28, 0.22), (0.15, 0.20)):
            spots.fill(_ellipse(u - cu, v - cv, 0.016, 0.016), q.shadow * 0.85, 0.8)
        spots.done()

    r = canvas.region(0.14, -0.05, 0.30)
    u, v = r.u, r.v
    r.fill(_ellipse(u - 0.025 * p.light, v - p.nose_v - 0.012, p.nose_a, p.nose_b), p.shadow, 0.75)
    r.fill(_ellipse(u + 0.012 * p.light, v - p.nose_v + 0.014, p.nose_a * 0.80, p.nose_b * 0.9), p.skin)
    bridge = (
        np.clip(1 - np.abs(u + 0.02 * p.light) * 22, 0, 1)
        * np.clip((p.nose_v - v) * 7, 0, 1)
        * np.clip((v + 0.05) * 9, 0, 1)
    )
    r.blend(0.35 * bridge, np.minimum(p.skin * 1.08 + 0.02, 1))


def _mouth(canvas: _Canvas) -> None:
    """Lips around the opening; both run along parabolas that meet at the corners."""
    p = canvas.p
    r = canvas.region(0.27, 0.22, 0.62)
    t = r.u / p.mouth_a
    t = t * t
    gap = np.maximum(1 - t, 0)
    middle = p.mouth_v - p.smile * (t - 0.5) + 0.35 * p.open * gap
    off = np.abs(r.v - middle)
    end = np.abs(r.u) - p.mouth_a
    r.fill(np.maximum(off - 0.5 * p.open * gap - p.lip * (0.35 + 0.65 * gap), end), p.lips)
    r = canvas.region(0.27, 0.22, 0.62, who=p.open[:, 0, 0] > 0)
    if r.empty:
        return
    q = r.p
    t = r.u / q.mouth_a
    t = t * t
    gap = np.maximum(1 - t, 0)
    middle = q.mouth_v - q.smile * (t - 0.5) + 0.35 * q.open * gap
    inside = np.maximum(np.abs(r.v - middle) - 0.5 * q.open * gap, np.abs(r.u) - 0.94 * q.mouth_a)
    r.fill(inside, np.array([0.36, 0.10, 0.12], np.float32)[None, :, None, None])
    tongue = _ellipse(r.u, r.v - q.mouth_v - 0.5 * q.smile - 0.95 * q.open, 0.6 * q.mouth_a, 0.45 * q.open)
    r.fill(np.maximum(inside, tongue), np.array([0.86, 0.42, 0.42], np.float32)[None, :, None, None])
    r.fill(np.maximum(inside, r.v - middle + 0.16 * q.open), q.white)
    r.done()


def _eyes(canvas: _Canvas) -> None:
    """Both eyes at once: |u| folds the face, and the sign of u keeps the gaze and the light the same in both."""
    p = canvas.p
    r = canvas.region(0.46, -0.46, 0.24)
    u, v = np.abs(r.u) - p.eye_u, r.v - p.eye_v
    side = np.where(r.u < 0, np.float32(-1), np.float32(1))
    arch = p.brow_arch * u * u - p.brow_slope * u - p.brow_v - p.eye_b
    brow = np.maximum(np.abs(v - arch) - p.brow_width * (1 - 25 * u * np.abs(u)), np.abs(u) - p.brow_half)
    r.fill(brow, p.brow)
    r.fill(_ellipse(u - 0.008, v + p.lash, p.eye_a + 0.016, p.eye_b), p.lash_colour)
    white = _ellipse(u, v, p.eye_a, p.eye_b)
    share = r.cover(white)
    r.blend(share, p.white * (1 - 1.3 * np.clip(-v, 0, 0.12))[:, None])
    du, dv = u - side * p.gaze_u, v - p.gaze_v
    radius = np.sqrt(du * du + dv * dv)
    iris = radius - p.iris_r
    r.blend(share * r.cover(iris), p.iris * (0.80 + 3.0 * np.clip(dv, -0.06, 0.1))[:, None])
    r.blend(share * r.cover(radius - 0.52 * p.iris_r), 0.05)
    du, dv = du + side * 0.42 * p.iris_r * p.light, dv + 0.42 * p.iris_r
    r.blend(share * r.cover(np.sqrt(du * du + dv * dv) - 0.36 * p.iris_r), 1.0)


def _hair_in_front(canvas: _Canvas, hair: tuple[np.ndarray, np.ndarray]) -> None:
    """The part of the silhouette above the hairline."""
    p, (share, colour) = canvas.p, hair
    u, v = canvas.u, canvas.v
    line = (
        p.line
        + p.bend * (u * u) * (u * u)
        + p.fork * np.abs(u)
        + p.slant * u
        + 1.6 * p.curl * _wave(p.beat * u * 1.5 + p.phase)
    )
    slope = 4 * p.bend * (u * u) * np.abs(u) + p.fork
    over = np.clip(0.5 - (v - line) / (p.edge * (1 + 0.7 * slope)), 0, 1)
    canvas.pixels += (share * over * p.thin)[:, None] * (colour - canvas.pixels)


def _glasses(canvas: _Canvas) -> None:
    r = canvas.region(0.60, -0.28, 0.26, who=canvas.p.glasses)
    if r.empty:
        return
    q = r.p
    u, v = np.abs(r.u), r.v - q.eye_v - 0.01
    du, dv = np.abs(u - q.eye_u - 0.005), np.abs(v)
    round_ = np.sqrt(du * du + dv * dv) - q.lens
    box_u, box_v = np.maximum(du - q.lens + 0.08, 0), np.maximum(dv - 0.82 * q.lens + 0.08, 0)
    box = np.sqrt(box_u * box_u + box_v * box_v) - 0.08
    lens = np.where(q.square > 0.5, box, round_)
    dark = q.shades[:, None, None]
    r.fill(lens, np.where(dark[:, None], q.frame * 0.5, np.float32(0.92)), np.where(dark, 0.86, 0.14))
    streak = np.abs(u - q.eye_u + 0.6 * v + 0.05) - 0.022
    r.fill(np.maximum(lens, streak), 1.0, np.where(dark, 0.25, 0.22))
    bridge = np.maximum(np.abs(v + 0.03) - q.frame_width * 0.9, u - q.eye_u + q.lens)
    arm = np.maximum(np.maximum(np.abs(v + 0.04) - q.frame_width * 0.9, q.eye_u + q.lens - u), u - q.a)
    r.fill(np.minimum(np.minimum(np.abs(lens) - q.frame_width, bridge), arm), q.frame)
    r.done()


def _hat(canvas: _Canvas) -> None:
    p = canvas.p
    r = canvas.region(0.90, -1.05, -0.05, who=p.hat)
    if r.empty:
        return
    q, u, v = r.p, r.u, r.v
    a, b = q.a + q.wide + 0.05, q.b + 0.13
    line = q.hat_line + 0.22 * u * u
    shade = (1.02 - 0.30 * q.light * u + 0.1 * v)[:, None]
    ball = np.sqrt(u * u + (v + b + 0.03) * (v + b + 0.03)) - 0.13
    r.fill(ball, q.band_colour * shade, q.pompom[:, None, None] & ~q.brim[:, None, None])
    dome = _ellipse(u, v, a, b)
    r.fill(np.maximum(dome, v - line), q.hat_colour * shade)
    band = np.maximum(np.abs(v - line + 0.06) - 0.07, np.abs(u) - a * 0.93)
    brim = np.maximum(np.abs(v - line) - 0.045, np.abs(u) - a - 0.14)
    r.fill(np.where(q.brim[:, None, None], brim, band), q.band_colour * shade * 0.92)
    r.done()
