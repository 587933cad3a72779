r"""SDEdit: noise the measurement up to :math:`t^*`, then walk back with the prior alone.

.. math::
    x_{t^*} = \sqrt{\bar\alpha_{t^*}}\,y + \sqrt{1-\bar\alpha_{t^*}}\,z

Nothing pulls the result towards y after the start. A small :math:`t^*` keeps the degradation, a
large one forgets the image, and no :math:`t^*` gives the posterior, not even as sigma falls to 0.

Source: Meng et al., "SDEdit: guided image synthesis and editing with stochastic differential
equations", 2022, algorithm 2 (variance preserving).
"""

from collections.abc import Sequence

from torch import Tensor

from teachdiff.methods.reverse import Observer, ancestral, check_problem, denoiser, noise_for, reverse
from teachdiff.noise import Noise
from teachdiff.problems import InverseProblem


def sdedit_start(y, z, alpha_bar):
    r""":math:`x_{t^*} = \sqrt{\bar\alpha_{t^*}}\,y + \sqrt{1-\bar\alpha_{t^*}}\,z`."""
    return alpha_bar**0.5 * y + (1 - alpha_bar) ** 0.5 * z


def sdedit(
    prior,
    problem: InverseProblem,
    *,
    t_start: int | None = None,
    steps: int | Sequence[int] | None = None,
    seed: int | Sequence[int] = 0,
    noise: Noise | None = None,
    on_step: Observer | None = None,
    clip_x0: bool | None = None,
) -> Tensor:
    r"""An image of shape (B, C, H, W) that starts from the picture of the measurement: y itself
    if it has the image's shape, else :math:`A^+ y`; a mask's unseen pixels hold its `fill`.

    Arguments:
        t_start: :math:`t^*` in 1..T; T/2 by default.
        steps: how many steps to walk from :math:`t^*` down; all of them by default.
        seed, noise, on_step, clip_x0: as for every method (see `teachdiff.methods`).

    Raises:
        ValueError: t_start outside 1..T, more steps than t_start.
    """
    check_problem(problem)
    schedule = prior.schedule.respace(steps, start=(prior.schedule.T + 1) // 2 if t_start is None else t_start)
    noise = noise_for(problem.y, seed, noise)
    picture = problem.operator.picture(problem.y)
    z = noise(schedule.start, tuple(picture.shape))
    x = sdedit_start(picture, z, schedule.alpha_bar[-1].item())
    return reverse(denoiser(prior, clip_x0), schedule, x, ancestral, noise=noise, on_step=on_step)
