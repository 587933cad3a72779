r"""SDEdit: noise the measurement up to :math:`t^*`, then walk back with the prior alone.

.. math::
    x_{t^*} = \sqrt{\bar\alpha_{t^*}}\,y + \sqrt{1-\bar\alpha_{t^*}}\,z

Nothing pulls the result towards y after the start. A small :math:`t^*` keeps the degradation, a
large one forgets the image, and no :math:`t^*` gives the posterior, not even as sigma falls to 0.

With a mask (`masked=True`) the seen pixels are put back after each step, noised to the level that the
iterate has reached,

.. math::
    x_{t-1} = m \odot \big(\sqrt{\bar\alpha_{t-1}}\,y + \sqrt{1-\bar\alpha_{t-1}}\,z\big) + (1-m) \odot x_{t-1}

so that only the hole is made up; what is seen stays y, with its noise. `repeats` makes the whole round
trip again and again, each from the last result.

Source: Meng et al., "SDEdit: guided image synthesis and editing with stochastic differential
equations", 2022, algorithms 2 and 4 (variance preserving).
"""

from collections.abc import Sequence

from torch import Tensor

from teachdiff.methods.reverse import Observer, Transition, ancestral, check_problem, denoiser, noise_for, reverse
from teachdiff.noise import Noise
from teachdiff.operators.base import check_count
from teachdiff.operators.masks import Mask
from teachdiff.problems import InverseProblem
from teachdiff.schedules import Step


def sdedit_start(y, z, alpha_bar):
    r""":math:`x_{t^*} = \sqrt{\bar\alpha_{t^*}}\,y + \sqrt{1-\bar\alpha_{t^*}}\,z`."""
    return alpha_bar**0.5 * y + (1 - alpha_bar) ** 0.5 * z


def put_back(m, known, own):
    r""":math:`m\,x^{known} + (1 - m)\,x^{own}`."""
    return m * known + (1 - m) * own


def sdedit(
    prior,
    problem: InverseProblem,
    *,
    t_start: int | None = None,
    masked: bool = False,
    repeats: int = 1,
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
        masked: put the seen pixels back after each step; for masks of 0 and 1 only.
        repeats: K, how many round trips. Each asks the noise for all its times again.
        steps: how many steps to walk from :math:`t^*` down; all of them by default.
        seed, noise, on_step, clip_x0: as for every method (see `teachdiff.methods`).

    Raises:
        ValueError: t_start outside 1..T, more steps than t_start, `masked` for another operator than a mask.
    """
    check_problem(problem)
    check_count(repeats, "repeats")
    schedule = prior.schedule.respace(steps, start=(prior.schedule.T + 1) // 2 if t_start is None else t_start)
    transition = keep_seen(problem) if masked else ancestral
    noise = noise_for(problem.y, seed, noise)
    x = problem.operator.picture(problem.y)
    for _ in range(repeats):
        z = noise(schedule.start, tuple(x.shape))
        x_t = sdedit_start(x, z, schedule.alpha_bar[-1].item())
        x = reverse(denoiser(prior, clip_x0), schedule, x_t, transition, noise=noise, on_step=on_step)
    return x


def keep_seen(problem: InverseProblem) -> Transition:
    """The ancestral step in the hole of a mask, and the noised measurement elsewhere.

    A pixel takes one of the two or the other, so that one draw serves both.
    """
    A, y = problem.operator, problem.y
    if not (isinstance(A, Mask) and bool(((A.mask.values == 0) | (A.mask.values == 1)).all())):
        raise ValueError(
            f"masked=True puts seen pixels back, so it needs a mask of 0 and 1; {A!r} mixes or dims pixels. "
            "Use masked=False."
        )
    m = A.mask.like(y)

    def transition(step: Step, x_t: Tensor, x0_hat: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = ancestral(step, x_t, x0_hat)
        mean = put_back(m, step.alpha_bar_prev**0.5 * y, mean)
        return mean, put_back(m, (1 - step.alpha_bar_prev) ** 0.5, std)

    return transition
