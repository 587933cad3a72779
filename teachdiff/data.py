"""Images: from files, folders and zips, from the packages that are installed anyway, and made up.

Nothing here downloads. Images leave as float32 tensors (B, 3, H, W) in [-1, 1] (digits have one
channel), except where a name says "array": uint8 of shape (H, W, 3). The two are tied by

    x = a / 127.5 - 1,        a = floor(127.5 (x + 1) + 1/2),

which is exact both ways for all 256 values, and never depends on what else is in the image: pictures
stretched from their minimum to their maximum have no PSNR.
"""

import importlib.util
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from teachdiff.checks import check_finite, check_images, check_name
from teachdiff.faces import portraits
from teachdiff.files import atomic

__all__ = [
    "PHOTOGRAPHS",
    "astronaut_face",
    "digits",
    "from_array",
    "image_arrays",
    "load_folder",
    "load_image",
    "photographs",
    "portraits",
    "resize_array",
    "save_image",
    "square_array",
    "to_array",
]

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}

# The colour photographs inside the scikit-image wheel: file, and licence as scikit-image states it.
PHOTOGRAPHS = {
    "astronaut": ("astronaut.png", "public domain (NASA: Eileen Collins)"),
    "cat": ("chelsea.png", "CC0 (Stefan van der Walt)"),
    "coffee": ("coffee.png", "CC0 (Rachel Michetti, Pikolo Espresso Bar)"),
    "hubble": ("hubble_deep_field.jpg", "public domain (NASA: Hubble eXtreme Deep Field)"),
    "retina": ("retina.jpg", "CC0 (Mikael Häggström)"),
    "rocket": ("rocket.jpg", "public domain (SpaceX: launch of DSCOVR)"),
}
_FACE = (38, 156, 144)  # top, left and side of the square of the astronaut's face and hair
_FAR = 8.0  # no image in [-1, 1], with whatever noise on it, has values beyond this


def to_array(x: Tensor) -> np.ndarray:
    """One image (1, C, H, W), C = 1 or 3, as uint8 (H, W, 3): clamped to [-1, 1] and rounded by half.

    Raises:
        TypeError: no float tensor.
        ValueError: another shape, NaN or infinity, or values so far outside [-1, 1] that they must be in
            other units, such as 0..255. Noise and overshoot are clamped.
    """
    check_images(x, "the image")
    if x.shape[0] != 1 or x.shape[1] not in (1, 3):
        raise ValueError(
            f"expected one image of shape (1, 1 or 3, H, W); got {tuple(x.shape)}. Take x[i : i + 1] from a batch."
        )
    check_finite(x, "the image")
    largest = x.detach().abs().max().item()
    if largest > _FAR:
        raise ValueError(
            f"an image has values in [-1, 1]; this one has {largest:.6g}. For an image of 0..255: x / 127.5 - 1."
        )
    scaled = (x.detach()[0].double().clamp(-1, 1) + 1) * 127.5
    rounded = (scaled + 0.5).floor().to(torch.uint8).expand(3, -1, -1)
    return np.ascontiguousarray(rounded.permute(1, 2, 0).cpu().numpy())


def from_array(array: np.ndarray) -> Tensor:
    """A uint8 array (H, W, 3) as an image (1, 3, H, W) in [-1, 1].

    Raises:
        TypeError: not uint8.
        ValueError: another shape.
    """
    if array.dtype != np.uint8:
        raise TypeError(f"expected an array of uint8, 0..255; got {array.dtype}.")
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ValueError(f"expected an array of shape (H, W, 3); got {array.shape}.")
    return torch.from_numpy(array.copy()).permute(2, 0, 1)[None].float().contiguous() / 127.5 - 1


def resize_array(array: np.ndarray, height: int, width: int) -> np.ndarray:
    """Lanczos reduction of a uint8 array to (height, width)."""
    return np.asarray(Image.fromarray(array).resize((width, height), Image.Resampling.LANCZOS))


def square_array(array: np.ndarray, size: int, name: str = "the image") -> np.ndarray:
    """The largest square in the middle, reduced to (size, size).

    Raises:
        ValueError: the image is smaller than that: enlarging would make up what a restoration is to find.
    """
    side = min(array.shape[:2])
    if size < 1 or side < size:
        raise ValueError(
            f"{name} has {array.shape[0]} x {array.shape[1]} pixels: "
            f"a size of 1 to {side} can be cut from it, not {size}."
        )
    top, left = ((n - side) // 2 for n in array.shape[:2])
    return resize_array(array[top : top + side, left : left + side], size, size)


def load_image(path: str | Path, size: int | None = None) -> Tensor:
    """An image file as (1, 3, H, W) in [-1, 1]; with `size`, its middle square reduced to (size, size).

    What is not plain 8-bit RGB becomes so: turned upright by its EXIF mark; of an animation or a
    multi-page file the first picture; transparency over white; grey to three equal channels; 16 bits
    to 8; palettes and CMYK to RGB.

    Raises:
        ValueError: no such file, no image, a damaged one, one with float or 32-bit pixels (whose range
            is anybody's guess), or one smaller than `size`.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no image file at {path}.")
    array = _decode(path.read_bytes, str(path))
    return from_array(array if size is None else square_array(array, size, str(path)))


def save_image(path: str | Path, x: Tensor) -> None:
    """Write one image (1, C, H, W), C = 1 or 3, as an 8-bit RGB PNG, atomically. See `to_array`.

    Raises:
        ValueError: the name does not end in .png (JPEG would change the pixels), or `to_array` refuses x.
        OSError: the file cannot be written.
    """
    if Path(path).suffix.lower() != ".png":
        raise ValueError(
            f"images are saved as PNG, which keeps every pixel; name the file .png, not {Path(path).name}."
        )
    picture = Image.fromarray(to_array(x))
    with atomic(path) as part:
        picture.save(part, format="PNG")


def image_arrays(path: str | Path, include: str = "") -> Iterator[np.ndarray]:
    """Every image below a folder or inside a zip, in the order of their names, as uint8 arrays (H, W, 3).

    Hidden files are left out; `load_image` says what becomes of unusual kinds of image.

    Arguments:
        include: only files whose path inside starts so, such as "train/".

    Raises:
        ValueError: there is no such folder or zip, no image in it, or a file that is no image.
    """
    for _, array in _named_arrays(path, include):
        yield array


def load_folder(path: str | Path, size: int, include: str = "") -> tuple[list[str], Tensor]:
    """The images of a folder or zip for an evaluation: their names, and (B, 3, size, size) in [-1, 1].

    Each is cut to its middle square and reduced.

    Raises:
        ValueError: as `image_arrays`; or an image is smaller than `size`.
    """
    names, images = [], []
    for name, array in _named_arrays(path, include):
        names.append(name)
        images.append(from_array(square_array(array, size, name)))
    return names, torch.cat(images)


def photographs(names: Iterable[str] | None = None, size: int | None = None) -> dict[str, Tensor]:
    """scikit-image's colour photographs: name -> (1, 3, H, W) in [-1, 1], in the order of `names`.

    `PHOTOGRAPHS` lists them with their licences: all are CC0 or in the public domain. They are read
    from the installed package, never downloaded.

    Arguments:
        names: some of `PHOTOGRAPHS`; None means all.
        size: cut to the middle square and reduce to (size, size), so that they can be joined to a batch.

    Raises:
        ValueError: an unknown name, a size beyond the photograph's, or a scikit-image without the file.
    """
    if isinstance(names, str):
        raise TypeError(f"names must be a list of names; write [{names!r}].")
    chosen = list(PHOTOGRAPHS if names is None else names)
    return {
        name: from_array(_photograph(name) if size is None else square_array(_photograph(name), size, name))
        for name in chosen
    }


def astronaut_face(size: int = 64) -> Tensor:
    """The face of the astronaut Eileen Collins (NASA, public domain): (1, 3, size, size) in [-1, 1].

    A square of 144 pixels, which the face and most of the hair fill, reduced by Lanczos.

    Raises:
        ValueError: size > 144.
    """
    top, left, side = _FACE
    return from_array(square_array(_photograph("astronaut")[top : top + side, left : left + side], size, "the face"))


_DIGITS = Path(__file__).with_name("digits.npz")
_PARTS = {"train": slice(0, 1297), "held_out": slice(1297, 1797)}


def digits(part: str = "held_out") -> tuple[Tensor, Tensor]:
    """Real handwritten digits: images (N, 1, 8, 8) in [-1, 1] and labels (N,).

    A pixel is v / 8 - 1 for one of 17 levels v. The first 1297 of scikit-learn's 1797 are `train`, the last 500
    `held_out`. Thirteen people wrote them all; who wrote which is not recorded, so a writer may be in both parts.

    Source: E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI Machine Learning
    Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0; the part that scikit-learn distributes, unchanged.

    Raises:
        ValueError: another part.
    """
    chosen = _PARTS[check_name(part, _PARTS, "part of the digits")]
    with np.load(_DIGITS) as file:
        images, labels = file["images"][chosen], file["labels"][chosen]
    return torch.from_numpy(images)[:, None].float() / 8 - 1, torch.from_numpy(labels).long()


def _photograph(name: str) -> np.ndarray:
    file, _ = PHOTOGRAPHS[check_name(name, PHOTOGRAPHS, "photograph")]
    # read the file itself: skimage.data would try the network where it is missing
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise ValueError("the photographs are part of scikit-image, which is not installed: pip install scikit-image")
    path = Path(package.origin).parent / "data" / file
    if not path.is_file():
        raise ValueError(f"the installed scikit-image holds no {file}; its own wheels do: pip install scikit-image")
    return _decode(path.read_bytes, str(path))


def _named_arrays(path: str | Path, include: str) -> Iterator[tuple[str, np.ndarray]]:
    path = Path(path)
    with ExitStack() as stack:
        named: dict[str, Callable[[], bytes]]
        if path.is_dir():
            named = {f.relative_to(path).as_posix(): f.read_bytes for f in path.rglob("*") if f.is_file()}
        elif zipfile.is_zipfile(path):
            archive = stack.enter_context(zipfile.ZipFile(path))
            named = {name: partial(archive.read, name) for name in archive.namelist()}
        else:
            raise ValueError(f"{path} is neither a folder nor a zip file; give one with images in it.")
        names = sorted(
            n
            for n in named
            if n.startswith(include) and Path(n).suffix.lower() in SUFFIXES and not Path(n).name.startswith(".")
        )
        if not names:
            raise ValueError(f"no images ({', '.join(sorted(SUFFIXES))}) under {path}/{include}.")
        for name in names:
            yield name, _decode(named[name], f"{name} in {path}")


def _decode(read: Callable[[], bytes], name: str) -> np.ndarray:
    """The bytes of an image file as uint8 (H, W, 3), or an error that names the file."""
    try:
        file = Image.open(io.BytesIO(read()))
        image: Image.Image = ImageOps.exif_transpose(file)  # also loads the pixels
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is no image of a known format.") from error
    except Exception as error:  # Pillow's and zipfile's decoders raise many kinds for a damaged file
        raise ValueError(f"{name} is no readable image: {error}") from error
    if image.mode.startswith("I;16") or (image.mode == "I" and file.format == "PNG"):
        # 16-bit grey; Pillow's own conversion to RGB would clip it at 255
        image = Image.fromarray((np.asarray(image).astype(np.float64) / 257 + 0.5).astype(np.uint8))
    elif image.mode in ("I", "F"):
        pixels = "float" if image.mode == "F" else "32-bit"
        raise ValueError(f"{name} has {pixels} pixels, whose range is not known; convert it to 8 or 16 bits.")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))
