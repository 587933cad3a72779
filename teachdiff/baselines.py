"""What one did before priors were learned: the classical answer to each task, as rows of `compare`.

They use no prior. All are computed on the picture in [0, 1]: by scikit-image, by OpenCV (the extra `classical`), or by
BM3D's authors' own package `bm3d`, which is free for non-commercial use only and so belongs to no extra.
"""

import importlib.util
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from teachdiff.checks import check_name
from teachdiff.operators import CircularConvolution
from teachdiff.problems import TASKS, InverseProblem

#: An image (B, C, H, W) and the name of the method or a remark, or None and why there is no image.
Answer = tuple[Tensor | None, str]


def classical(problem: InverseProblem, task: str) -> Answer:
    """What one did before: (image (B, C, H, W), name of the method), or (None, why there is none).

    Inpainting: the biharmonic equation, from the seen pixels inwards (noise on a soft mask or around a large margin
    it would only extrapolate). Deblurring: Wiener's filter with a
    Laplacian prior, its weight the one whose residual has the size of the noise (Morozov's discrepancy
    principle: no truth is looked at). Super-resolution: bicubic interpolation. Denoising: non-local means at
    the known sigma. All as scikit-image has them, all on the picture in [0, 1].
    """
    check_name(task, TASKS, "task")
    family = next((f for f in _CLASSICAL if task.startswith(f)), None)
    if family is None:
        return None, f"no classical method for {task}: it would have to make up more than it can interpolate"
    name, solve = _CLASSICAL[family]
    return on_unit_range(solve, problem), name


def on_unit_range(solve: Callable[[np.ndarray, InverseProblem], np.ndarray], problem: InverseProblem) -> Tensor:
    """`solve`, of an array (H, W, C) in [0, 1] and the problem, for each measurement; as images in [-1, 1]."""
    unit = (problem.y.detach().double().cpu().numpy().transpose(0, 2, 3, 1) + 1) / 2
    # some of scikit-image drops the axis of a single channel
    images = [solve(array, problem).reshape(*problem.operator.input_shape[1:], -1) for array in unit]
    x = torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2) * 2 - 1)
    return x.to(problem.y).contiguous()


def _biharmonic(y: np.ndarray, problem: InverseProblem) -> np.ndarray:
    from skimage.restoration import inpaint_biharmonic

    hidden = (problem.operator.mask.values == 0).any(0).numpy()
    return inpaint_biharmonic(y, hidden, channel_axis=-1)


def _wiener(y: np.ndarray, problem: InverseProblem) -> np.ndarray:
    from skimage.restoration import wiener

    A, sigma = problem.operator, problem.sigma
    channels, rows, columns = A.input_shape
    delta = torch.zeros(1, channels, rows, columns, dtype=torch.float64)
    delta[:, :, rows // 2, columns // 2] = 1
    kernel = A(delta)[0, 0].numpy()
    reach = max(1, *(int(abs(i - n // 2).max()) for i, n in zip(np.nonzero(kernel), (rows, columns), strict=True)))
    # The filter is circular. Where the camera was not, a reflected margin keeps the seam away from the picture.
    pad = 0 if isinstance(A, CircularConvolution) else min(2 * reach, min(rows, columns) - 1)
    window = [slice(max(0, n // 2 - reach), n // 2 + reach + 1) for n in (rows, columns)]
    psf = kernel[window[0], window[1]]
    padded = np.pad(y, ((pad, pad), (pad, pad), (0, 0)), mode="reflect")

    def filtered(balance: float) -> np.ndarray:
        planes = [wiener(plane, psf / psf.sum(), balance, clip=False) for plane in padded.transpose(2, 0, 1)]
        return np.stack(planes, axis=2)[pad : pad + rows, pad : pad + columns]

    def misfit(balance: float) -> float:
        x = torch.from_numpy(filtered(balance).transpose(2, 0, 1)[None] * 2 - 1)
        target = torch.from_numpy(y.transpose(2, 0, 1)[None] * 2 - 1)
        return (target - A(x)).square().mean().sqrt().item()

    low, high = 1e-5, 10.0
    for _ in range(16):  # the misfit grows with the balance: bisect its logarithm
        middle = math.sqrt(low * high)
        low, high = (low, middle) if misfit(middle) > sigma else (middle, high)
    return filtered(math.sqrt(low * high))


def _richardson_lucy(y: np.ndarray, problem: InverseProblem) -> np.ndarray:
    """x <- x A^T(y / A x) / A^T 1, from grey, until the residual has the size of the noise; 64 rounds at most.

    The number of rounds is its regulariser. scikit-image's takes the world beyond the border for black; with the
    camera's own A and A^T nothing has to be supposed.
    """
    A = problem.operator
    counts = torch.from_numpy(y.transpose(2, 0, 1)[None]).clamp(min=0)  # it is for counts: nothing below 0
    x, total = torch.full_like(counts, 0.5), A.adjoint(torch.ones_like(counts))
    for _ in range(64):
        blurred = A(x)
        if (2 * (counts - blurred)).square().mean().sqrt().item() <= problem.sigma:
            break
        x = x * A.adjoint(counts / blurred.clamp(min=1e-12)) / total
    return x[0].numpy().transpose(1, 2, 0)


def _bicubic(y: np.ndarray, problem: InverseProblem) -> np.ndarray:
    from skimage.transform import resize

    return resize(y, problem.operator.input_shape[1:], order=3, mode="edge")


def _non_local_means(y: np.ndarray, problem: InverseProblem) -> np.ndarray:
    from skimage.restoration import denoise_nl_means

    sigma = problem.sigma / 2  # in [0, 1] units
    return denoise_nl_means(y, patch_size=5, patch_distance=9, h=0.7 * sigma, sigma=sigma, channel_axis=-1)


_CLASSICAL = {
    "inpaint_box": ("biharmonic", _biharmonic),
    "inpaint_random": ("biharmonic", _biharmonic),
    "deblur": ("Wiener", _wiener),
    "sr": ("bicubic", _bicubic),
    "denoise": ("non-local means", _non_local_means),
}


def _best_denoiser(denoise: Callable[[np.ndarray, float], np.ndarray], weights: Sequence[float], what: str):
    """A classical denoiser at its very best: the weight is chosen for each image with the truth in hand."""

    def solve(problem: InverseProblem, task: str, truth: Tensor) -> Answer:
        if task != "denoise":
            return None, f"{what} denoises; {task} is another task"
        y = ((problem.y.detach().cpu().numpy()[0].transpose(1, 2, 0) + 1) / 2).clip(0, 1)
        clean = (truth.cpu().numpy()[0].transpose(1, 2, 0) + 1) / 2
        image = min((denoise(y, weight) for weight in weights), key=lambda x: float(np.square(x - clean).mean()))
        x0 = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)[None] * 2 - 1)).to(truth)
        return x0, f"{what}, its weight chosen for each image with the truth in hand"

    return solve


def _tv(y: np.ndarray, weight: float) -> np.ndarray:
    from skimage.restoration import denoise_tv_chambolle

    return denoise_tv_chambolle(y, weight, channel_axis=-1)


def _nlm(y: np.ndarray, weight: float) -> np.ndarray:
    from skimage.restoration import denoise_nl_means

    return denoise_nl_means(y, patch_size=5, patch_distance=6, h=weight, channel_axis=-1)


def _family(solve: Callable[[np.ndarray, InverseProblem], np.ndarray], tasks: Sequence[str], what: str):
    """A classical method for the tasks of some families."""

    def answer(problem: InverseProblem, task: str, truth: Tensor) -> Answer:
        if not task.startswith(tuple(tasks)):
            return None, f"{what} is for {' and '.join(tasks)}; {task} is another task"
        return on_unit_range(solve, problem), what

    return answer


def _opencv(flag: str, what: str):
    """OpenCV's inpainting, within 3 pixels; it sees a picture of 8 bits, and what was seen is kept as it was."""

    def solve(y: np.ndarray, problem: InverseProblem) -> np.ndarray:
        import cv2

        hidden = (problem.operator.mask.values == 0).any(0).numpy()
        picture = np.ascontiguousarray((y.clip(0, 1) * 255).round().astype(np.uint8))
        mask = hidden.astype(np.uint8) * 255
        planes = [cv2.inpaint(picture[..., c].copy(), mask, 3, getattr(cv2, flag)) for c in range(y.shape[2])]
        return np.where(hidden[..., None], np.stack(planes, axis=2) / 255, y)

    inpaint = _family(solve, _INPAINTING, what)

    def answer(problem: InverseProblem, task: str, truth: Tensor) -> Answer:
        if importlib.util.find_spec("cv2") is None:
            return None, f"{what} needs OpenCV, which is not installed; pip install 'teachdiff[classical]'"
        return inpaint(problem, task, truth)

    return answer


def bm3d(problem: InverseProblem, task: str, truth: Tensor) -> Answer:
    """Block matching and collaborative filtering at the known sigma; a colour image in opponent colours.

    Source: Dabov, Foi, Katkovnik and Egiazarian, "Color image denoising via sparse 3D collaborative filtering with
    grouping constraint in luminance-chrominance space", 2007; as its authors' package has it.
    """
    if task != "denoise":
        return None, f"BM3D denoises; {task} is another task"
    if problem.sigma == 0:
        return None, "BM3D needs noise; sigma is 0"
    if importlib.util.find_spec("bm3d") is None:
        return None, "BM3D needs its package, which is not installed; pip install bm3d (for non-commercial use only)"

    def solve(y: np.ndarray, problem: InverseProblem) -> np.ndarray:
        import bm3d

        return (bm3d.bm3d_rgb if y.shape[2] == 3 else bm3d.bm3d)(y, problem.sigma / 2)

    return on_unit_range(solve, problem), "BM3D"


_INPAINTING = ("inpaint_box", "inpaint_random")

#: What `compare` knows beside the methods: (problem, task, truth) -> `Answer`. They use no prior.
BASELINES: dict[str, Callable[[InverseProblem, str, Tensor], Answer]] = {
    "classical": lambda problem, task, truth: classical(problem, task),
    "biharmonic": _family(_biharmonic, _INPAINTING, "biharmonic inpainting"),
    "telea": _opencv("INPAINT_TELEA", "Telea's fast marching inpainting"),
    "navier_stokes": _opencv("INPAINT_NS", "Navier-Stokes inpainting"),
    "wiener": _family(_wiener, ("deblur",), "Wiener's filter"),
    "richardson_lucy": _family(_richardson_lucy, ("deblur",), "Richardson-Lucy deconvolution"),
    "tv": _best_denoiser(_tv, (0.03, 0.045, 0.06, 0.08, 0.1, 0.13, 0.17, 0.22), "total variation (Chambolle)"),
    "nlm": _best_denoiser(_nlm, (0.03, 0.04, 0.05, 0.06, 0.07, 0.085, 0.1, 0.12), "non-local means"),
    "bm3d": bm3d,
}
