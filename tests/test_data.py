"""Data: portraits that depend on (seed, i) alone, files of every kind, photographs without downloads."""

import hashlib
import io
import math
import socket
import stat
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from teachdiff import data, faces
from teachdiff.data import (
    PHOTOGRAPHS,
    astronaut_face,
    digits,
    from_array,
    image_arrays,
    load_folder,
    load_image,
    photographs,
    portraits,
    resize_array,
    save_image,
    square_array,
    to_array,
)
from teachdiff.files import atomic

SEEDS = st.integers(0, 2**62)


def ramp(height, width):
    """Colours that differ from place to place, and in every channel."""
    row, column = np.mgrid[:height, :width]
    return np.stack(
        [row * 255 // max(height - 1, 1), column * 255 // max(width - 1, 1), (row + column) % 256], 2
    ).astype(np.uint8)


def png(array, **options):
    file = io.BytesIO()
    Image.fromarray(array).save(file, format="PNG", **options)
    return file.getvalue()


# portraits


@given(SEEDS, st.integers(1, 40), st.integers(1, 40), st.sampled_from([16, 17, 32]))
@settings(max_examples=15)
def test_a_portrait_depends_on_its_seed_and_number_alone(seed, few, many, size):
    few, many = sorted((few, many))
    assert torch.equal(portraits(many, size, seed)[:few], portraits(few, size, seed))


def test_no_shape_is_cut_by_the_window_it_is_drawn_in(monkeypatch):
    expected = portraits(400, 32, seed=1)
    monkeypatch.setattr(faces, "_window", lambda u_max, top, bottom, side: (slice(0, side), slice(0, side)))
    assert torch.equal(portraits(400, 32, seed=1), expected)


@given(SEEDS)
@settings(max_examples=10)
def test_portraits_are_images(seed):
    x = portraits(20, seed=seed)
    assert x.shape == (20, 3, 32, 32) and x.dtype == torch.float32 and x.is_contiguous()
    assert x.min() >= -1 and x.max() <= 1
    assert (x.std((2, 3)) > 0.05).all()


def test_no_two_faces_are_alike():
    x = torch.cat([portraits(64, seed=0), portraits(64, seed=1)]).flatten(1)
    distance = torch.cdist(x, x) / math.sqrt(x.shape[1]) + 9 * torch.eye(len(x))
    assert distance.min() > 0.05
    assert 0.4 < distance[distance < 5].mean() < 1.0


def test_another_size_shows_the_same_faces():
    small, large = portraits(48, 32, seed=4), portraits(48, 64, seed=4)
    reduced = torch.nn.functional.avg_pool2d(large, 2)
    rms = (small - reduced).square().mean((1, 2, 3)).sqrt()
    assert rms.max() < 0.04  # the outlines are drawn more finely; other faces differ by about 0.7
    other = (small - reduced.roll(1, 0)).square().mean((1, 2, 3)).sqrt()
    assert other.min() > 4 * rms.max()


def test_faces_are_of_many_kinds():
    """Each kind of thing turns up, in a share of the faces that its odds allow."""
    uniform = np.stack([np.random.SeedSequence([0, i]).generate_state(faces._DRAWS) for i in range(2000)]) / 2**32
    p = faces._describe(uniform)
    for name, share in (("glasses", 0.24), ("hat", 0.13), ("stripes", 0.25), ("freckles", 0.10), ("earring", 0.12)):
        # five standard deviations of a share of 2000
        assert abs(getattr(p, name).mean() - share) < 5 * math.sqrt(share * (1 - share) / 2000), name
    assert 0.03 < (p.beard > 0).mean() < 0.2
    assert 0.25 < (p.open > 0).mean() < 0.5
    brightness = p.skin.mean((1, 2, 3))
    assert brightness.min() < 0.28 and brightness.max() > 0.85
    assert len(np.unique(np.round(p.line, 1))) > 5


def test_both_eyes_are_of_one_colour():
    """The eyes of faces that look straight ahead, upright, without glasses, are mirror images in their irises."""
    n = 40
    uniform = np.stack([np.random.SeedSequence([3, i]).generate_state(faces._DRAWS) for i in range(n)]) / 2**32
    p = faces._describe(uniform)
    for name in ("tilt", "x", "gaze_u", "slant", "phase"):
        setattr(p, name, np.zeros_like(p.x))
    p.glasses, p.light = np.zeros(n, bool), np.zeros_like(p.light)
    p.fade_x, p.curl = np.zeros_like(p.x), np.zeros_like(p.x)
    drawn = torch.from_numpy(faces._draw(p, 128))
    torch.testing.assert_close(drawn, drawn.flip(3), rtol=0, atol=1e-4)


def test_portraits_stay_what_they_were():
    """The bundled prior was trained on these very faces: a change of the drawing is a change of its data."""
    means = (127.5 * (portraits(64, seed=0).double() + 1)).mean((0, 2, 3)).tolist()
    assert means == pytest.approx([169.163, 148.277, 136.452], abs=0.002)


def test_portraits_are_fast_enough_to_train_on():
    portraits(64)
    best = min(_timed(lambda: portraits(128), time.process_time) for _ in range(3))
    assert 128 / best > 300  # about 2000 per second on one thread of a laptop


def _timed(work, clock):
    begun = clock()
    work()
    return clock() - begun


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((0,), ValueError, "count must be at least 1; got 0"),
        ((2, 15), ValueError, "size must be at least 16; got 15"),
        ((2, 32, -1), ValueError, "seed must be at least 0; got -1"),
        ((2.0,), TypeError, "count must be an integer; got 2.0"),
        ((True,), TypeError, "count must be an integer; got True"),
    ],
)
def test_impossible_portraits_are_refused(arguments, error, says):
    with pytest.raises(error, match=says):
        portraits(*arguments)


# arrays and tensors


def test_all_256_values_survive_both_ways():
    array = np.arange(768, dtype=np.uint16).reshape(16, 16, 3).astype(np.uint8)
    x = from_array(array)
    assert x.shape == (1, 3, 16, 16) and x.dtype == torch.float32
    assert x.min() == -1 and x.max() == 1
    np.testing.assert_array_equal(to_array(x), array)
    np.testing.assert_array_equal(to_array(x.double()), array)
    assert from_array(array)[0, 1, 2, 3] == array[2, 3, 1] / np.float32(127.5) - 1


@given(st.floats(-1, 1))
def test_rounding_is_by_half(value):
    (written,) = np.unique(to_array(torch.full((1, 1, 2, 2), value, dtype=torch.float64)))
    assert written == math.floor((value + 1) * 127.5 + 0.5)
    assert abs(written / 127.5 - 1 - value) <= 0.5 / 127.5 + 1e-12


def test_overshoot_is_clamped_and_nothing_is_stretched():
    x = torch.tensor([-1.5, -0.1, 0.0, 0.1, 1.3, 4.0]).view(1, 1, 2, 3)
    assert to_array(x)[..., 0].flatten().tolist() == [0, 115, 128, 140, 255, 255]
    narrow = torch.full((1, 3, 4, 4), 0.25)
    narrow[..., 0] = 0.2
    assert sorted(np.unique(to_array(narrow)).tolist()) == [153, 159]


@pytest.mark.parametrize(
    ("x", "error", "says"),
    [
        (torch.zeros(2, 3, 4, 4), ValueError, "one image"),
        (torch.zeros(1, 2, 4, 4), ValueError, "1 or 3"),
        (torch.zeros(3, 4, 4), ValueError, "shape"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.uint8), TypeError, "float"),
        (torch.full((1, 3, 4, 4), math.nan), ValueError, "finite"),
        (torch.full((1, 3, 4, 4), math.inf), ValueError, "finite"),
        (torch.full((1, 3, 4, 4), 200.0), ValueError, "127.5"),
    ],
)
def test_what_is_no_image_is_not_written(tmp_path, x, error, says):
    with pytest.raises(error, match=says):
        save_image(tmp_path / "x.png", x)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)]
)
def test_arrays_of_another_shape_are_refused(array):
    with pytest.raises(ValueError, match="shape"):
        from_array(array)


def test_arrays_of_floats_are_refused():
    with pytest.raises(TypeError, match="uint8"):
        from_array(np.zeros((4, 4, 3)))


# one file


@given(SEEDS, st.integers(1, 20), st.integers(1, 20))
def test_a_saved_image_comes_back_within_half_a_step(tmp_path_factory, seed, height, width):
    path = tmp_path_factory.mktemp("images") / "deep" / "x.png"
    x = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    save_image(path, x)
    back = load_image(path)
    assert (back - x).abs().max() <= 0.5 / 127.5 + 1e-6
    save_image(path, back)
    assert torch.equal(load_image(path), back)


def test_grey_images_are_written_as_colour(tmp_path):
    save_image(tmp_path / "x.png", torch.full((1, 1, 3, 5), 0.2))
    assert load_image(tmp_path / "x.png").shape == (1, 3, 3, 5)
    with Image.open(tmp_path / "x.png") as image:
        assert image.mode == "RGB"


def test_only_lossless_files_are_written(tmp_path):
    with pytest.raises(ValueError, match=r"x\.jpg"):
        save_image(tmp_path / "x.jpg", torch.zeros(1, 3, 4, 4))
    assert list(tmp_path.iterdir()) == []


def test_writing_is_atomic(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    save_image(path, torch.zeros(1, 3, 4, 4))
    before = path.read_bytes()

    def interrupted(self, file, **options):
        file.write_bytes(b"half a fi")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_image(path, torch.ones(1, 3, 4, 4))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_files_obey_the_umask_and_replace_no_folder(tmp_path):
    plain, ours = tmp_path / "plain", tmp_path / "new" / "ours"
    plain.write_text("x")
    with atomic(ours) as part:
        assert part.parent == ours.parent and not ours.exists()
        part.write_text("x")
    assert stat.S_IMODE(ours.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    with pytest.raises(OSError), atomic(tmp_path / "new") as part:
        part.write_text("x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "plain"]


def written(tmp_path, name, image, **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


def test_grey_becomes_three_equal_channels(tmp_path):
    x = load_image(written(tmp_path, "x.png", Image.fromarray(ramp(5, 7)[..., 0])))
    assert x.shape == (1, 3, 5, 7)
    np.testing.assert_array_equal(to_array(x), ramp(5, 7)[..., :1].repeat(3, 2))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_reduced_to_eight(tmp_path, suffix):
    grey = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    x = load_image(written(tmp_path, f"x.{suffix}", Image.fromarray(grey)))
    np.testing.assert_array_equal(to_array(x)[..., 0].flatten(), np.arange(256))


def test_transparency_lies_over_white(tmp_path):
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 3] = [0, 255, 51]
    x = load_image(written(tmp_path, "x.png", Image.fromarray(rgba)))
    assert to_array(x)[0, :, 0].tolist() == [255, 0, 204]
    grey_alpha = Image.merge("LA", [Image.new("L", (2, 2), 10), Image.new("L", (2, 2), 0)])
    assert (to_array(load_image(written(tmp_path, "y.png", grey_alpha))) == 255).all()


def test_palettes_and_cmyk_become_rgb(tmp_path):
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    palette = load_image(written(tmp_path, "x.png", red.convert("P", palette=Image.Palette.ADAPTIVE)))
    assert to_array(palette)[0, 0].tolist() == [255, 0, 0]
    cmyk = to_array(load_image(written(tmp_path, "x.tif", red.convert("CMYK"))))
    assert cmyk[0, 0].tolist() == [255, 0, 0]


def test_an_animation_is_its_first_picture(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("white", "black")]
    path = written(tmp_path, "x.gif", frames[0], save_all=True, append_images=frames[1:])
    assert (load_image(path) == 1).all()


def test_the_exif_mark_turns_the_picture_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate clockwise to see it upright
    x = load_image(written(tmp_path, "x.png", Image.fromarray(ramp(4, 6)), exif=exif))
    np.testing.assert_array_equal(to_array(x), np.rot90(ramp(4, 6), -1))


@pytest.mark.parametrize(("mode", "says"), [("F", "float"), ("I", "32-bit")])
def test_pixels_of_unknown_range_are_refused(tmp_path, mode, says):
    with pytest.raises(ValueError, match=f"{says} pixels"):
        load_image(written(tmp_path, "x.tif", Image.new(mode, (4, 4))))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no image file"),
        (b"", "no image of a known format"),
        (b"hello, I am a text", "no image of a known format"),
        (png(ramp(32, 32))[:80], "no readable image"),
        (b"\xff\xd8\xff\xe0" + bytes(50), "no "),
    ],
    ids=["missing", "empty", "text", "cut off", "a jpeg's first bytes"],
)
def test_files_that_are_no_images(tmp_path, content, says):
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=says) as caught:
        load_image(path)
    assert str(path) in str(caught.value)
    with pytest.raises(ValueError, match="there is no image file"):
        load_image(tmp_path)


def test_size_takes_the_middle_square(tmp_path):
    path = tmp_path / "x.png"
    array = np.zeros((20, 50, 3), np.uint8)
    array[:, 15:35] = 200
    path.write_bytes(png(array))
    assert (to_array(load_image(path, 10)) == 200).all()
    assert load_image(path, 20).shape == (1, 3, 20, 20)
    np.testing.assert_array_equal(to_array(load_image(path, 20)), array[:, 15:35])
    with pytest.raises(ValueError, match="20 x 50 pixels"):
        load_image(path, 21)
    with pytest.raises(ValueError, match="not 0"):
        load_image(path, 0)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255))
def test_reduction_keeps_a_constant(height, width, value):
    array = np.full((height, width, 3), value, np.uint8)
    assert (resize_array(array, 7, 5) == value).all()
    side = min(height, width)
    assert (square_array(array, (side + 1) // 2) == value).all()


def test_reduction_averages_before_it_takes_fewer_pixels():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(square_array(stripes, 16).astype(int)[:, 2:-2] - 127).max() <= 2


# many files


@pytest.fixture(params=["folder", "zip"])
def collection(request, tmp_path):
    """Three images and things that are none of our business, in two folders; and an image's bytes by name."""
    files = {
        "test/b.png": png(ramp(30, 20)),
        "test/a.PNG": png(ramp(20, 40)),
        "train/c.png": png(ramp(24, 24)),
        "test/readme.txt": b"not an image",
        "test/._a.png": b"what another system leaves in its zips",
    }
    if request.param == "zip":
        path = tmp_path / "images.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
    else:
        path = tmp_path / "images"
        for name, content in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(content)
    return path


def test_images_come_in_the_order_of_their_names(collection):
    arrays = list(image_arrays(collection))
    assert [a.shape for a in arrays] == [(20, 40, 3), (30, 20, 3), (24, 24, 3)]
    np.testing.assert_array_equal(arrays[2], ramp(24, 24))
    assert [a.shape for a in image_arrays(collection, include="train/")] == [(24, 24, 3)]


def test_a_folder_for_an_evaluation(collection):
    names, x = load_folder(collection, 16, include="test/")
    assert names == ["test/a.PNG", "test/b.png"]
    assert x.shape == (2, 3, 16, 16) and x.dtype == torch.float32
    np.testing.assert_array_equal(to_array(x[1:]), square_array(ramp(30, 20), 16))
    with pytest.raises(ValueError, match=r"test/a\.PNG has 20 x 40"):
        load_folder(collection, 24)


def test_collections_without_images(collection, tmp_path):
    with pytest.raises(ValueError, match="no images"):
        load_folder(collection, 16, include="validation/")
    with pytest.raises(ValueError, match="neither a folder nor a zip"):
        list(image_arrays(tmp_path / "nothing"))
    (tmp_path / "text.zip").write_text("I am no zip")
    with pytest.raises(ValueError, match="neither a folder nor a zip"):
        list(image_arrays(tmp_path / "text.zip"))


def test_a_bad_image_in_a_collection_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("good.png", png(ramp(8, 8)))
        archive.writestr("later.png", png(ramp(32, 32))[:80])
    with pytest.raises(ValueError, match=r"later\.png in .*x\.zip"):
        list(image_arrays(tmp_path / "x.zip"))


def test_a_damaged_zip_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("good.png", png(ramp(8, 8)))
    content = bytearray((tmp_path / "x.zip").read_bytes())
    content[60] ^= 0xFF
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"good\.png in .*x\.zip"):
        list(image_arrays(tmp_path / "x.zip"))


# photographs


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_):
        raise AssertionError("something tried to use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_all_photographs_are_inside_the_package(offline):
    found = photographs(size=64)
    assert list(found) == list(PHOTOGRAPHS)
    for name, x in found.items():
        assert x.shape == (1, 3, 64, 64), name
        assert x.std() > 0.1 and not torch.equal(x[:, 0], x[:, 1]), name
    assert all(licence.startswith(("CC0", "public domain")) for _, licence in PHOTOGRAPHS.values())


def test_photographs_are_scikit_images(offline):
    from skimage import data as theirs

    ours = photographs(["coffee", "cat"])
    assert list(ours) == ["coffee", "cat"]
    np.testing.assert_array_equal(to_array(ours["coffee"]), theirs.coffee())
    np.testing.assert_array_equal(to_array(ours["cat"]), theirs.chelsea())


def test_photographs_that_are_not_there(monkeypatch):
    with pytest.raises(ValueError, match="Did you mean 'astronaut'"):
        photographs(["astronaught"])
    with pytest.raises(TypeError, match="list of names"):
        photographs("cat")
    with pytest.raises(ValueError, match="300 x 451"):
        photographs(["cat"], 512)
    monkeypatch.setitem(PHOTOGRAPHS, "cat", ("no such cat.png", "CC0"))
    with pytest.raises(ValueError, match=r"holds no no such cat\.png"):
        photographs(["cat"])
    monkeypatch.setattr(data.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install scikit-image"):
        photographs(["cat"])


def test_the_astronauts_face_fills_the_frame():
    small, large = astronaut_face(), astronaut_face(128)
    assert small.shape == (1, 3, 64, 64) and large.shape == (1, 3, 128, 128)
    # of the size of the frame: skin, redder than blue, in the middle; dark hair above it
    red, _, blue = to_array(large).astype(int).transpose(2, 0, 1)
    assert (red - blue)[60:110, 35:85].min() > -60 and (red - blue)[60:110, 35:85].mean() > 30
    assert to_array(large)[:30, 30:100].mean() < 0.75 * to_array(large)[70:90, 40:80].mean()
    assert (torch.nn.functional.avg_pool2d(large, 2) - small).square().mean().sqrt() < 0.05
    with pytest.raises(ValueError, match="144 x 144"):
        astronaut_face(145)


def test_importing_data_loads_nothing_heavy():
    heavy = ["skimage", "scipy", "matplotlib", "lpips"]
    code = f"import sys, teachdiff.data; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Digits


def test_the_digits_are_scikit_learns():
    """The sha256 of its 1797 rows of 64 values and a label, as uint8: `load_digits()` of scikit-learn 1.9.1."""
    parts = [digits("train"), digits("held_out")]
    assert [len(labels) for _, labels in parts] == [1297, 500]
    images, labels = (torch.cat(pair) for pair in zip(*parts, strict=True))
    assert images.shape == (1797, 1, 8, 8) and images.dtype == torch.float32
    assert images.min() == -1 and images.max() == 1
    rows = torch.cat([((images + 1) * 8).flatten(1), labels[:, None].float()], dim=1)
    assert torch.equal(rows, rows.round())
    digest = hashlib.sha256(rows.to(torch.uint8).numpy().tobytes()).hexdigest()
    assert digest == "68aea062d35a127749050fa0e52dca09d6569ac08092c925610e0954e172dde2"


@pytest.mark.peers
def test_the_digits_are_those_of_an_installed_scikit_learn():
    theirs = pytest.importorskip("sklearn.datasets", reason="needs scikit-learn").load_digits()
    images, labels = (torch.cat(pair) for pair in zip(digits("train"), digits("held_out"), strict=True))
    np.testing.assert_array_equal(images[:, 0].numpy(), theirs.images / 8 - 1)
    np.testing.assert_array_equal(labels.numpy(), theirs.target)


def test_an_unknown_part_of_the_digits():
    with pytest.raises(ValueError, match="Did you mean 'held_out'"):
        digits("heldout")
