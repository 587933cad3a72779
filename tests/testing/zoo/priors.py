r"""Wrong priors: an exact Gaussian or mixture whose \hat x_0 is spoilt in one way, and denoisers wrongly wrapped."""

import torch

from teachdiff import schedules
from teachdiff.predictions import epsilon_from_x0_hat, score_from_x0_hat
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.schedules import Schedule
from teachdiff.testing import as_prior
from teachdiff.testing.core import normal
from teachdiff.testing.worlds import SHAPE, GaussianWorld, draw_images, mixture_prior
from tests.testing.zoo.exhibit import Exhibit

WORLD = GaussianWorld(0)
GENERATOR = torch.Generator().manual_seed(0)


def gaussian():
    return WORLD.prior


def thousand():
    """The usual schedule, whose first level hardly has any noise."""
    return GaussianPrior.from_covariance(schedules.linear(), WORLD.mean.view(SHAPE), WORLD.cov)


def mixture():
    return mixture_prior(WORLD, 0)


def pictures():
    """Images in [-1, 1]: two sharp modes near black and white."""
    near = [GaussianPrior(WORLD.schedule, torch.full(SHAPE, m), torch.full(SHAPE, 0.01)) for m in (-0.8, 0.8)]
    return GaussianMixturePrior([0.5, 0.5], near)


def points():
    """A few clean images, and nothing between them."""
    images = [normal(SHAPE, k) for k in range(3)]
    return GaussianMixturePrior(
        [0.4, 0.3, 0.3], [GaussianPrior(WORLD.schedule, image, torch.zeros(SHAPE)) for image in images]
    )


class Spoilt:
    """A right prior with another `denoise`; it still says that it is exact."""

    clip_x0 = False

    def __init__(self, prior, denoise):
        self.prior, self._denoise = prior, denoise
        self.schedule, self.shape, self.log_prob = prior.schedule, prior.shape, prior.log_prob

    def denoise(self, x_t, t):
        return self._denoise(self.prior, x_t, t)


def score(prior, x_t, t):
    return score_from_x0_hat(prior.denoise(x_t, t), x_t, prior.schedule.at(t, x_t))


def step_alpha(prior, x_t, t):
    r"""alpha_t, shaped as `Schedule.at` shapes alpha_bar_t."""
    alpha = prior.schedule.alpha.to(x_t)[torch.as_tensor(t)]
    return alpha.view(-1, *[1] * (x_t.ndim - 1)) if alpha.ndim else alpha


# Printed formulas.


def no_bar_in_tweedie(prior, x_t, t):
    """(x_t + (1 - alpha_bar) s)/sqrt(alpha)."""
    return (x_t + (1 - prior.schedule.at(t, x_t)) * score(prior, x_t, t)) / step_alpha(prior, x_t, t).sqrt()


def no_bar_in_the_score(prior, x_t, t):
    """s = -epsilon/sqrt(1 - alpha), put into Tweedie's formula."""
    bar = prior.schedule.at(t, x_t)
    epsilon = epsilon_from_x0_hat(prior.denoise(x_t, t), x_t, bar)
    return (x_t - (1 - bar) * epsilon / (1 - step_alpha(prior, x_t, t)).sqrt()) / bar.sqrt()


def score_from_an_equivalence(prior, x_t, t):
    """(1 - alpha_bar) s = (1 - alpha)/sqrt(1 - alpha_bar) epsilon: the two sides of a printed arrow."""
    bar = prior.schedule.at(t, x_t)
    epsilon = epsilon_from_x0_hat(prior.denoise(x_t, t), x_t, bar)
    return (x_t + (1 - step_alpha(prior, x_t, t)) / (1 - bar).sqrt() * epsilon) / bar.sqrt()


def unbarred(prior):
    """The prior that sees sqrt(alpha_t) x_0 + sqrt(1 - alpha_t) z as its x_t: what a network learns from such pairs."""
    return GaussianPrior(Schedule(prior.schedule.alpha), prior.mean.values, prior.variances.values, prior.basis)


def trained_without_bars(prior, x_t, t):
    """A network trained on pairs without the bar, used as if it had been trained on x_t."""
    other = unbarred(prior)
    epsilon = epsilon_from_x0_hat(other.denoise(x_t, t), x_t, other.schedule.at(t, x_t))
    bar = prior.schedule.at(t, x_t)
    return (x_t - (1 - bar).sqrt() * epsilon) / bar.sqrt()


def mode_for_mean(prior, x_t, t):
    """The most probable image instead of the mean one: the answer to another loss."""
    best = prior.responsibilities(x_t, t).argmax(0)
    means = torch.stack([c.mean.like(x_t) for c in prior.components])
    return means[best] + 0 * x_t


def arbitrary_denoiser(prior, x_t, t):
    """A denoiser with a Jacobian that is not symmetric: the posterior mean under no prior."""
    skewed = torch.eye(4).roll(1, 1).to(x_t)
    return prior.denoise(x_t, t) @ (torch.eye(4).to(x_t) + 0.3 * skewed)


# Classic bugs.


def wrong_sign(prior, x_t, t):
    """The noise is added once more."""
    bar = prior.schedule.at(t, x_t)
    return (x_t - (1 - bar) * score(prior, x_t, t)) / bar.sqrt()


def answers_with_epsilon(prior, x_t, t):
    """The network's noise is handed out as if it were the image."""
    return epsilon_from_x0_hat(prior.denoise(x_t, t), x_t, prior.schedule.at(t, x_t))


def range_lost(prior, x_t, t):
    """Images in [0, 1] where all else is in [-1, 1]."""
    return (prior.denoise(x_t, t) + 1) / 2


def overshoots(prior, x_t, t):
    """Reflected at its own estimate: the Jacobian is negative."""
    return prior.mean.like(x_t) - (prior.denoise(x_t, t) - prior.mean.like(x_t))


def level_before_the_first(prior, x_t, t):
    """The table is read at t - 2, which at t = 1 is its last entry: the noisiest level."""
    t = torch.as_tensor(t)
    return prior.denoise(x_t, torch.where(t == 1, prior.schedule.T, (t - 1).clamp(min=1)))


def first_time_for_all(prior, x_t, t):
    """t[0] is taken for the whole batch."""
    return prior.denoise(x_t, torch.as_tensor(t).flatten()[0])


def breaks_on_a_batch_of_times(prior, x_t, t):
    """`if t != 1`, which only one image at a time survives."""
    return prior.denoise(x_t, t) if t != 1 else x_t / prior.schedule.at(1, x_t).sqrt()


def batch_norm(prior, x_t, t):
    """Batch statistics in use: a sample sees its neighbours."""
    x0_hat = prior.denoise(x_t, t)
    return x0_hat - 0.1 * x0_hat.mean(0, keepdim=True) if len(x_t) > 1 else x0_hat


def dropout(prior, x_t, t):
    """The network was left in training mode."""
    keep = (torch.rand(x_t.shape, generator=GENERATOR) > 0.1).to(x_t)
    return prior.denoise(x_t, t) * keep / 0.9


def in_place(prior, x_t, t):
    """x_t is centred in the caller's memory."""
    with torch.no_grad():
        x_t.mul_(0.9)
    return prior.denoise(x_t, t)


def no_grad(prior, x_t, t):
    """DPS gets no gradient."""
    with torch.no_grad():
        return prior.denoise(x_t, t)


def straight_through(prior, x_t, t):
    """The gradient of the identity."""
    return x_t + (prior.denoise(x_t, t) - x_t).detach()


def clamps(prior, x_t, t):
    """denoise clamps to [-1, 1], which is the loop's business."""
    return prior.denoise(x_t, t).clamp(-1, 1)


def single_precision(prior, x_t, t):
    """Everything in float32."""
    return prior.denoise(x_t.float(), t)


def one_image_only(prior, x_t, t):
    """Whatever comes in, the first image comes out."""
    return prior.denoise(x_t[:1], t)


def spoilt(denoise, *laws, right=gaussian):
    def build():
        return Spoilt(right(), denoise)

    how = {"images": draw_images(right(), 64, seed=0), "reference": right()}
    return Exhibit(denoise.__name__, "prior", laws, build, right, how)


# A network that predicts epsilon and counts its steps 0..T-1, wrapped rightly and wrongly.


def network(x, step):
    prior, t = gaussian(), torch.as_tensor(step) + 1
    return epsilon_from_x0_hat(prior.denoise(x, t), x, prior.schedule.at(t, x))


def counts_from_one(x, step):
    """The same network called with t where it wants t - 1; beyond its last step it repeats that."""
    return network(x, torch.as_tensor(step).clamp(max=WORLD.schedule.T - 1))


def wrapped(denoiser=network, **options):
    return as_prior(denoiser, WORLD.schedule, **{"predicts": "epsilon", "time": "t - 1", "clip_x0": True, **options})


def wrapping(name, denoiser=network, **options):
    how = {"shape": SHAPE, "reference": gaussian(), "images": draw_images(gaussian(), 64, seed=0)}
    return Exhibit(name, "prior", ("posterior_mean",), lambda: wrapped(denoiser, **options), wrapped, how)


ZOO = [
    spoilt(no_bar_in_tweedie, "score_is_the_gradient", "posterior_mean"),
    spoilt(no_bar_in_the_score, "score_is_the_gradient", "posterior_mean"),
    spoilt(score_from_an_equivalence, "score_is_the_gradient", "posterior_mean"),
    spoilt(trained_without_bars, "score_is_the_gradient", "posterior_mean"),
    spoilt(mode_for_mean, "score_is_the_gradient", "posterior_mean", right=points),
    spoilt(arbitrary_denoiser, "jacobian_is_symmetric", "score_is_the_gradient"),
    spoilt(wrong_sign, "score_is_the_gradient", "beats_the_trivial"),
    spoilt(answers_with_epsilon, "posterior_mean", "beats_the_trivial"),
    spoilt(range_lost, "posterior_mean", "beats_the_trivial", right=pictures),
    spoilt(overshoots, "jacobian_is_positive", "beats_the_trivial"),
    spoilt(level_before_the_first, "little_noise", "posterior_mean", right=thousand),
    spoilt(first_time_for_all, "times"),
    spoilt(breaks_on_a_batch_of_times, "times"),
    spoilt(batch_norm, "batch", right=mixture),
    spoilt(dropout, "repeats"),
    spoilt(in_place, "repeats"),
    spoilt(no_grad, "gradient", "jacobian_is_symmetric"),
    spoilt(straight_through, "gradient"),
    spoilt(clamps, "posterior_mean"),
    spoilt(single_precision, "shapes"),
    spoilt(one_image_only, "shapes"),
    wrapping("time_of_another_count", counts_from_one, time="t"),
    wrapping("epsilon_taken_for_x0_hat", predicts="x0_hat"),
    wrapping("epsilon_taken_for_the_score", predicts="score"),
    wrapping("epsilon_taken_for_v", predicts="v"),
]
