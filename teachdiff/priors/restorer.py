r"""A network that undoes a degradation of any severity: what Dirac has in the place of a prior.

.. math::
    \hat x_0 = \Phi_\theta(y_t, t) = y_t + f_\theta(y_t, 1000\,t), \qquad y_t = A_t x_0 + \sigma_t z

It knows one degradation. Its file says which, so that the restorer can be made for images of any size that suits.

Source: Fabian, Tinaz, Soltanolkotabi, "DiracDiffusion", 2024, eq. 11; the skip from its released network.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from teachdiff.checks import check_images, check_name
from teachdiff.operators.degradations import Severity, check_severity
from teachdiff.priors.checkpoints import BUNDLED, RESTORER, read_json, write
from teachdiff.priors.tensors import load_strictly, read_tensors
from teachdiff.priors.unet import UNet
from teachdiff.problems import make_degradation

TIME = 1000.0  # the embedding was made for times of 0..1000


class NetworkRestorer:
    r"""`predict(y_t, t)` is the network's :math:`\hat x_0`; `degradation` is the A_t that it was trained to undo.

    Arguments:
        network: called as `network(y_t, 1000 t)` with t of shape (B,), answers in the shape of y_t.
        task, shape, options: of the degradation, see `teachdiff.problems.make_degradation`.
    """

    clip_x0 = True

    def __init__(self, network: nn.Module, task: str, shape: Sequence[int], options: Mapping[str, Any]) -> None:
        self.network, self.task, self.options = network, task, dict(options)
        self.degradation = make_degradation(task, shape, **self.options)

    def at(self, shape: Sequence[int]) -> "NetworkRestorer":
        """The same network for images of another shape; what its degradation measures in pixels stays as it is."""
        return NetworkRestorer(self.network, self.task, shape, self.options)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "NetworkRestorer":
        """The same restorer with its network moved (in place) to a device or dtype."""
        self.network.to(device=device, dtype=dtype)
        return self

    def predict(self, y_t: Tensor, t: Severity) -> Tensor:
        r""":math:`\hat x_0` of shape (B, C, H, W), not clamped, differentiable in `y_t`.

        Arguments:
            t: a number, or a float tensor of shape () or (B,), in [0, 1].

        Raises:
            TypeError, ValueError: y_t is no image batch of the degradation's shape and the network's dtype and
                device, or t is no severity.
        """
        weight = next(self.network.parameters())
        check_images(y_t, "y_t", shape=self.degradation.input_shape, dtype=weight.dtype, device=weight.device)
        t = check_severity(t, batch=len(y_t))
        if not isinstance(t, Tensor):
            t = y_t.new_full((), t)  # filled there, not copied there
        return self.network(y_t, (TIME * t.to(y_t)).expand(len(y_t))) + y_t


def save_restorer(
    path: str | Path,
    network: UNet,
    *,
    task: str,
    shape: Sequence[int],
    options: Mapping[str, Any],
    about: dict[str, Any] | None = None,
) -> None:
    """Write the weights, rounded to float16, with the network's and the degradation's description."""
    header = {
        "format": RESTORER,
        "network": network.config,
        "task": task,
        "shape": list(shape),
        "options": dict(options),
        "about": about or {},
    }
    write(path, {k: v.detach().cpu().half().contiguous() for k, v in network.state_dict().items()}, header)


def bundled_restorers() -> dict[str, Path]:
    """Name and file of each restorer that ships with the package: `dirac_<images>_<task>`."""
    return {path.stem: path for path in sorted(BUNDLED.glob("dirac_*.safetensors"))}


def load_restorer(name: str | Path, device: torch.device | str = "cpu") -> NetworkRestorer:
    """A restorer by the name of a bundled one or from a file that `teachdiff train` wrote, for the shape of images
    that it was trained on; `restorer.at(shape)` is for others. Its weights load strictly, into float32.

    Raises:
        ValueError: nothing has that name; or the file is damaged, a prior's, of another format, or does not fit what
            it describes.
    """
    bundled = bundled_restorers()
    path = bundled.get(str(name), Path(name))
    if not path.is_file():
        if path.suffix or len(path.parts) > 1:
            raise ValueError(f"there is no file at {path}. Give a bundled restorer, or a file of `teachdiff train`.")
        check_name(str(name), bundled, "restorer")
    tensors, metadata = read_tensors(path)
    header = read_json(metadata.get("teachdiff", ""), path)
    if header.get("format") != RESTORER:
        raise ValueError(
            f"{path} holds {header.get('format')!r}, not {RESTORER!r}: it is no restorer. "
            "Train one: `task` in the training config names its degradation."
        )
    try:
        network = UNet(**header["network"])
        restorer = NetworkRestorer(network, header["task"], header["shape"], header["options"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the header of {path} is wrong ({error}). Copy or train it again.") from error
    load_strictly(network, tensors, path)
    network.requires_grad_(False).eval()
    return restorer.to(device)
