"""The methods. Each is a function `method(prior, problem, *, ...) -> x0` of shape (B, C, H, W).

Every method takes

- `steps`: how many of the schedule's T steps to walk, or a list of which; all by default;
- `seed`: one integer for the batch or one per sample; sample i's noise depends on nothing else;
- `noise(t, shape)`: a source of noise instead of the seed (see `teachdiff.noise`);
- `on_step(t, x_t, x0_hat)`: an observer, called in every step;
- `clip_x0`: clamp x0_hat to [-1, 1] in every step; by default what the prior says: yes for
  networks, no for exact priors.

`dirac` takes a restorer in the place of the prior (see `teachdiff.methods.dirac`).
"""

from teachdiff.methods.admm_tv import admm_tv
from teachdiff.methods.ddim import ddim
from teachdiff.methods.ddpm import ddpm
from teachdiff.methods.ddrm import ddrm
from teachdiff.methods.dirac import dirac
from teachdiff.methods.dmps import dmps
from teachdiff.methods.dps import dps
from teachdiff.methods.hybrid import hybrid
from teachdiff.methods.pigdm import pigdm
from teachdiff.methods.pnp_admm import pnp_admm
from teachdiff.methods.score_ald import score_ald
from teachdiff.methods.sdedit import sdedit
from teachdiff.methods.tweedie import tweedie

METHODS = {
    "tweedie": tweedie,
    "ddpm": ddpm,
    "ddim": ddim,
    "sdedit": sdedit,
    "score_ald": score_ald,
    "dps": dps,
    "pigdm": pigdm,
    "dmps": dmps,
    "hybrid": hybrid,
    "ddrm": ddrm,
    "dirac": dirac,
    "pnp_admm": pnp_admm,
    "admm_tv": admm_tv,
}

__all__ = ["METHODS", *METHODS]
