import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from teachdiff.operators import Mask, box_mask, random_mask, smooth_mask
from teachdiff.testing.core import require_close
from tests.operators.house import SEEDS, SHAPES, draw


@given(SHAPES, SEEDS)
def test_a_mask_multiplies(shape, seed):
    mask = torch.from_numpy(np.random.default_rng(seed).random(shape))
    x = draw(shape, 2, seed)
    assert torch.equal(Mask(mask)(x), mask * x)


def test_a_mask_does_not_follow_its_tensor():
    mask = torch.ones(1, 2, 2)
    A = Mask(mask)
    mask.zero_()
    x = draw((1, 2, 2), 1, 0)
    assert torch.equal(A(x), x)


def test_bool_masks_are_masks():
    mask = torch.tensor([[[True, False]]])
    assert Mask(mask)(torch.ones(1, 1, 1, 2)).tolist() == [[[[1.0, 0.0]]]]


@given(SHAPES)
def test_the_box_hides_half_of_each_side_in_the_middle(shape):
    mask = box_mask(shape)
    assert mask.shape == shape
    _, rows, columns = shape
    height, width = max(1, rows // 2), max(1, columns // 2)
    assert int((mask == 0).sum()) == shape[0] * height * width
    hidden = mask[0] == 0
    for n, size, line in ((rows, height, hidden.any(1)), (columns, width, hidden.any(0))):
        before = int(line.nonzero()[0])
        assert before in ((n - size) // 2, (n - size + 1) // 2)
        assert int(line.sum()) == size


def test_the_box_where_asked():
    mask = box_mask((1, 4, 5), height=2, width=3, top=0, left=2)
    assert mask[0].tolist() == [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]]


@given(SHAPES, SEEDS, st.floats(0, 1))
def test_random_masks_hide_the_share_asked_for(shape, seed, drop):
    mask = random_mask(shape, drop, seed)
    assert mask.shape == shape
    assert bool(((mask == 0) | (mask == 1)).all())
    assert torch.equal(mask, mask[:1].expand(shape))
    assert int((mask[0] == 0).sum()) == round(drop * shape[1] * shape[2])


def test_random_masks_follow_their_seed():
    shape = (3, 16, 16)
    assert torch.equal(random_mask(shape, 0.5, 4), random_mask(shape, 0.5, 4))
    masks = [random_mask(shape, 0.5, seed) for seed in range(4)]
    assert all(not torch.equal(a, b) for i, a in enumerate(masks) for b in masks[:i])


def test_every_pixel_is_as_likely_to_be_hidden():
    """300 masks of 36 pixels: counts within 5.5 standard deviations, a false alarm in 1e-6 (seeds are fixed)."""
    counts = sum(random_mask((1, 6, 6), 0.5, seed) for seed in range(300))
    assert float((counts - 150).abs().max()) < 5.5 * (300 * 0.25) ** 0.5
    assert float(counts.std()) > 3  # and it is random at all


@given(SHAPES, st.floats(0.05, 0.5), st.floats(0.5, 4))
def test_smooth_masks_fade_towards_the_middle(shape, width, power):
    mask = smooth_mask(shape, width, power)
    assert mask.shape == shape
    _, rows, columns = shape
    assert bool(((mask >= 0) & (mask <= 1)).all())
    require_close(mask, mask.flip(1, 2), 1e-14, 1.0, "symmetry")
    middle = mask[:, (rows - 1) // 2, (columns - 1) // 2]
    assert bool((middle == 0).all())
    half = mask[0, (rows - 1) // 2, columns // 2 :]
    assert bool((half.diff() >= -1e-14).all())
    i, j = rows - 1, 0  # one value by hand
    k = [
        np.exp(-(((r - (rows - 1) / 2) / (width * rows)) ** 2 + ((c - (columns - 1) / 2) / (width * columns)) ** 2) / 2)
        for r, c in ((i, j), ((rows - 1) // 2, (columns - 1) // 2))
    ]
    assert abs(float(mask[0, i, j]) - (1 - k[0] / k[1]) ** power) < 1e-12


def test_measured_says_where_there_are_readings():
    A = Mask(torch.tensor([[[0.0, 0.2, 1.0]]]))
    assert A.measured.values.tolist() == [[[0.0, 1.0, 1.0]]]


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: Mask(torch.ones(2, 2)), ValueError, r"shape \(C, H, W\); got \(2, 2\). Expand it to all channels"),
        (lambda: Mask(torch.full((1, 2, 2), 1.5)), ValueError, r"lie in \[0, 1\].*got 1.5..1.5"),
        (lambda: Mask(torch.full((1, 2, 2), -0.5)), ValueError, r"lie in \[0, 1\]"),
        (lambda: Mask(torch.full((1, 2, 2), float("nan"))), ValueError, r"lie in \[0, 1\].*nan"),
        (lambda: Mask(torch.ones(1, 2, 2, dtype=torch.complex64)), TypeError, "mask must be real"),
        (lambda: Mask(torch.ones(1, 2, 2), fill=255.0), ValueError, r"fill.*lie in \[-1, 1\]; got 255"),
        (lambda: Mask(torch.ones(1, 2, 2), fill=float("nan")), ValueError, "fill"),
        (lambda: Mask(torch.ones(1, 2, 2), fill="black"), TypeError, "fill must be a number; got str"),
        (lambda: box_mask((1, 4, 4), height=5), ValueError, "does not lie inside an image of 4 x 4"),
        (lambda: box_mask((1, 4, 4), width=2, left=3), ValueError, "2 x 2 at row 1, column 3 does not lie inside"),
        (lambda: box_mask((1, 4, 4), height=0), ValueError, "height must be 1 or more; got 0"),
        (lambda: box_mask((1, 4, 4), top=-1), ValueError, "top must be 0 or more; got -1"),
        (lambda: box_mask((1, 4, 4), width=1.5), TypeError, "width must be a whole number; got 1.5"),
        (lambda: random_mask((1, 4, 4), drop=70), ValueError, r"drop.*lie in \[0, 1\]; got 70"),
        (lambda: random_mask((1, 4, 4), drop=None), TypeError, "drop must be a number; got NoneType"),
        (lambda: random_mask((1, 4, 4), seed=-1), ValueError, "seed must be 0 or more"),
        (lambda: random_mask((1, 4, 4), seed=None), TypeError, "seed must be a whole number; got None"),
        (lambda: smooth_mask((1, 4, 4), width=0), ValueError, "width must be finite and above 0; got 0"),
        (lambda: smooth_mask((1, 4, 4), power=float("inf")), ValueError, "power must be finite and above 0"),
        (lambda: smooth_mask((1, 4, 4), power="4"), TypeError, "power must be a number; got str"),
    ],
)
def test_bad_input(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_boxes_at_the_border_and_their_dtype():
    mask = box_mask((1, 4, 6), height=2, width=2, top=0, left=0)
    assert mask.dtype == torch.float64
    assert mask[0].tolist() == [[0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [1] * 6, [1] * 6]
    with pytest.raises(ValueError, match="left must be 0 or more"):
        box_mask((1, 4, 6), left=-1)


def test_the_default_of_the_smooth_mask_is_the_released_one():
    """Standard deviation 50 of 256 pixels, fourth power."""
    mask, n = smooth_mask((1, 1, 257)), 257
    distance = (torch.arange(n, dtype=torch.float64) - 128) / (50 / 256 * n)
    expected = (1 - torch.exp(-distance.square() / 2)) ** 4
    torch.testing.assert_close(mask[0, 0], expected, rtol=1e-12, atol=1e-14)
