"""What a chain does on its way, and where it is best."""

import pytest
import torch
from gaussian_case import random

from teachdiff import schedules
from teachdiff.exact import ExactRestorer
from teachdiff.methods import dirac
from teachdiff.metrics import consistency, psnr
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.problems import make_degradation, observe
from teachdiff.trajectories import Trajectory

SHAPE, STEPS = (1, 8, 8), 10


@pytest.fixture(scope="module")
def case():
    """A smooth Gaussian field behind a soft hole, its exact restorer, and a batch of pictures."""
    i = torch.arange(8.0)
    row = (-((i[:, None] - i) ** 2) / 8).exp().double()
    prior = GaussianPrior.from_covariance(schedules.linear(T=4), torch.zeros(SHAPE), 0.1 * torch.kron(row, row))
    restorer = ExactRestorer(prior, make_degradation("inpaint_smooth", SHAPE))
    truth = prior.sample(random(1, 64, *SHAPE))
    return restorer, observe(restorer.degradation.operator(1.0), truth, 0.1, seed=2), truth


def test_every_step_is_kept_with_its_figures(case):
    restorer, problem, truth = case
    path = Trajectory(STEPS, problem, truth)
    x0 = dirac(restorer, problem, steps=STEPS, on_step=path)
    assert path.severities == [k / STEPS for k in range(STEPS, 0, -1)]
    assert torch.equal(path.x0_hat[-1], x0)
    assert path.consistency().shape == path.metric(psnr).shape == (STEPS, 64)
    assert torch.equal(path.consistency()[3], consistency(problem, path.x0_hat[3]))
    assert torch.equal(path.metric(psnr)[-1], psnr(x0.clamp(-1, 1), truth))


def test_an_exact_mean_is_best_at_once_and_the_end_is_consistent(case):
    """`dirac_consistency.floor`: the first prediction has the least distortion, and has fitted some of the noise."""
    restorer, problem, truth = case
    path = Trajectory(STEPS, problem, truth)
    dirac(restorer, problem, steps=STEPS, on_step=path)
    assert path.best(psnr) == 1.0
    assert path.best(lambda x, r: (x - r).square().mean((1, 2, 3)), lowest=True) == 1.0
    mean = path.consistency().mean(1)
    assert mean[0] < 0.95 and mean[0] < mean[-1] < 1.05


def test_what_is_not_there_is_said(case):
    _, problem, truth = case
    with pytest.raises(ValueError, match="nothing was observed"):
        Trajectory(STEPS, problem, truth).consistency()
    path = Trajectory(STEPS, problem)
    path(3, truth, truth)
    with pytest.raises(ValueError, match="needs the truth"):
        path.best(psnr)
    with pytest.raises(ValueError, match="truth must have shape"):
        Trajectory(STEPS, problem, truth[..., :4])
    with pytest.raises(ValueError, match="steps"):
        Trajectory(0, problem)
