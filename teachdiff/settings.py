"""The options that each method gets on each task where nobody gives others, for the learned priors.

They belong to images in [-1, 1], measurement noise of 0.05 in [0, 1] units and chains of about 100
steps. Each was chosen by mean PSNR on photographs kept for that, four of the `validation` part of the photographs
that `photos` learned from, never on those that a figure is stated for, as in

    teachdiff tune --methods dps --tasks sr4 --grid zeta=1.5,3,6 \\
        --images clothing-cc0.zip --include validation/ --every 90

The candidates were t_start 100, 200, 300, 400, 600; gamma 0.05 to 1; zeta 1.5 to 6; of DDRM eta 0.7, 0.85, 1; of total
variation lam 0.01 to 0.16; of DMPS lam 1, 1.75 at both places; of PnP-ADMM lam 0.1 to 1 and sigma_start 0.2, 0.4, 0.8;
of PiGDM tau 0.35, 0.7, 1 on two photographs and 50 steps only, where 1 was best in three tasks of four.
`hybrid` has DPS's zeta, and half of its steps for each part: zeta 1.5, 3, 6 made no difference beyond a standard error.

`t_start` of SDEdit is written for T = 1000 and scaled to the prior's T. `zeta` of DPS is written for 64 pixels a
side and scaled to the image's: the gradient of an unsquared norm has about the same length however many values the
residual has, so the shift of each pixel falls with the square root of their number.
"""

from typing import Any

STEPS = 100  # of a chain, where nobody says otherwise
SIGMA = 0.05  # of the measurement, in [0, 1] units, where nobody says otherwise
HELD_OUT = 10**12  # a seed of portraits that no training run draws: figures are stated for them
VALIDATION = 2 * 10**12  # another one, for choosing options

SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "tweedie": {"default": {}},
    "ddpm": {"default": {}},
    "ddim": {"default": {}},
    "sdedit": {
        "default": {"t_start": 100},
        "inpaint_random": {"t_start": 200},
    },
    "score_ald": {
        "default": {"gamma": 0.3},
        "sr2": {"gamma": 0.15},
        "sr4": {"gamma": 0.05},
        "sr8": {"gamma": 0.05},
        "sr16": {"gamma": 0.05},
    },
    "dps": {
        "default": {"step": "norm", "zeta": 3.0},
        "inpaint_box": {"step": "norm", "zeta": 4.0},
        "deblur_gaussian": {"step": "norm", "zeta": 6.0},
        "deblur_motion": {"step": "norm", "zeta": 6.0},
    },
    "pigdm": {"default": {"tau": 1.0}},
    "dmps": {
        "default": {"lam": 1.75, "at": "updated"},
        "inpaint_box": {"lam": 1.0, "at": "updated"},
    },
    "hybrid": {
        "default": {"step": "norm", "zeta": 3.0, "lam": 1.0},
        "inpaint_box": {"step": "norm", "zeta": 4.0, "lam": 1.0},
        "deblur_gaussian": {"step": "norm", "zeta": 6.0, "lam": 1.0},
        "deblur_motion": {"step": "norm", "zeta": 6.0, "lam": 1.0},
    },
    "ddrm": {
        "default": {"steps": 20, "eta": 0.85, "eta_b": 1.0},
        "inpaint_box": {"steps": 20, "eta": 1.0, "eta_b": 1.0},
        "inpaint_random": {"steps": 20, "eta": 1.0, "eta_b": 1.0},
    },
    "dirac": {"default": {"steps": 50}},
    "pnp_admm": {
        "default": {"lam": 0.23, "sigma_start": 0.4},
        "inpaint_box": {"lam": 1.0, "sigma_start": 0.8},
        "inpaint_random": {"lam": 0.5, "sigma_start": 0.4},
        "sr2": {"lam": 0.1, "sigma_start": 0.8},
        "sr4": {"lam": 0.1, "sigma_start": 0.8},
        "sr8": {"lam": 0.1, "sigma_start": 0.8},
        "sr16": {"lam": 0.1, "sigma_start": 0.8},
    },
    "admm_tv": {
        "default": {"lam": 0.02},
        "inpaint_box": {"lam": 0.08},
        "inpaint_random": {"lam": 0.04},
    },
}


def settings(method: str, task: str, T: int = 1000, side: float = 64) -> dict[str, Any]:
    """The keyword arguments of `method` on `task`, beyond steps and seed, as a new dict.

    Arguments:
        T: of the prior's schedule.
        side: of the image, in pixels; sqrt(H W) where it is not square.

    Raises:
        ValueError: an unknown method.
    """
    from teachdiff.checks import check_name  # it brings torch, and the command line reads the defaults above for --help

    check_name(method, SETTINGS, "method")
    options = dict(SETTINGS[method].get(task, SETTINGS[method]["default"]))
    if "t_start" in options:
        options["t_start"] = max(1, round(options["t_start"] * T / 1000))
    if "zeta" in options:
        options["zeta"] *= side / 64
    return options


def as_written(options: dict[str, Any], T: int = 1000, side: float = 64) -> dict[str, Any]:
    """The options of a run as `SETTINGS` writes them: for T = 1000 and 64 pixels a side. `settings` undoes it."""
    written = dict(options)
    if "t_start" in written:
        written["t_start"] = round(written["t_start"] * 1000 / T)
    if "zeta" in written:
        written["zeta"] = round(written["zeta"] * 64 / side, 10)
    return written
