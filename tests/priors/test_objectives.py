"""What Dirac's networks learn: the losses against the equations that they are named after."""

import numpy as np
import pytest
import torch

from teachdiff.priors.checkpoints import load_prior, save_prior
from teachdiff.priors.objectives import DiracObjective
from teachdiff.priors.restorer import load_restorer
from teachdiff.priors.train import TrainConfig, read_config, train
from teachdiff.priors.unet import UNet
from teachdiff.problems import make_degradation

TASKS = {"deblur_gaussian": {"std": 0.7}, "inpaint_smooth": {"width": 0.3}}
SHAPE = (3, 8, 6)
TINY = {
    "name": "tiny", "data": "portraits", "size": 8, "channels": (8,), "batch": 4, "steps": 6, "checkpoint_every": 2,
    "task": "inpaint_smooth", "precision": "float32",
}  # fmt: skip


def config(folder, **changes):
    return TrainConfig(**{**TINY, "data": str(folder), **changes})


def example(task, delta=1.0, times="all", batch=5, t_power=1.0, seed=0):
    objective = DiracObjective(task, SHAPE, TASKS[task], delta, times, t_power)
    x0 = 2 * torch.rand(batch, *SHAPE, generator=torch.Generator().manual_seed(seed)) - 1
    return objective, x0, objective.example(np.random.default_rng(seed), x0)


def answers(x0, seed=7):
    return torch.randn(x0.shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("task", TASKS)
def test_without_delta_the_loss_is_denoising_score_matching(task):
    """Eqs. 10 to 12: with w(t) = sigma_1^2 sigma_t^2, the score made of Phi against the score of q_t(y_t | x_0)."""
    objective, x0, (y_t, time, loss) = example(task, delta=0.0)
    A, t = objective.degradation, time / 1000
    sigma = A.sigma(t).view(-1, 1, 1, 1)
    phi = y_t + answers(x0)
    score, target = ((A(x, t) - y_t) / sigma**2 for x in (phi, x0))
    expected = (A.sigma(1.0) ** 2 * sigma**2 * (score - target).square()).mean()
    assert loss(answers(x0)).item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("delta", [0.2, 1.0])
def test_the_incremental_loss_looks_delta_ahead_and_no_further_than_the_image(task, delta):
    """Eqs. 14 and 28, image by image."""
    objective, x0, (y_t, time, loss) = example(task, delta)
    A, parts = objective.degradation, []
    for i, t in enumerate((time / 1000).tolist()):
        tau, phi = max(0.0, t - delta), (y_t + answers(x0))[i : i + 1]
        ahead, clean = (A.operator(tau)(x) if tau else x for x in (phi, x0[i : i + 1]))
        parts.append((ahead - clean).square().mean().item() * A.sigma(1.0) ** 2 / A.sigma(t) ** 2)
    assert loss(answers(x0)).item() == pytest.approx(np.mean(parts), rel=1e-4)


def test_the_example_is_a_degraded_image_with_noise_of_the_right_size():
    objective, x0, (y_t, time, loss) = example("inpaint_smooth", batch=64)
    t = time / 1000
    z = (y_t - objective.degradation(x0, t)) / objective.degradation.sigma(t).view(-1, 1, 1, 1)
    n = z.numel()
    assert abs(z.mean()) < 5 / n**0.5
    assert abs(z.square().mean() - 1) < 5 * (2 / n) ** 0.5
    assert loss(x0 - y_t).item() < 1e-8  # the truth costs nothing
    assert 0 < t.min() < 0.1
    assert 0.9 < t.max() <= 1


def test_a_regressor_sees_the_greatest_severity_alone_and_the_power_favours_it():
    assert (example("inpaint_smooth", times="one")[2].time == 1000).all()
    evenly, late = (example("inpaint_smooth", t_power=p, batch=400)[2].time.mean() / 1000 for p in (1.0, 0.25))
    assert evenly == pytest.approx(0.5, abs=0.05)
    assert late == pytest.approx(0.8, abs=0.05)


def test_killed_and_resumed_ends_at_the_same_bits(folder, tmp_path):
    def stop(step, loss):
        if step == 5:
            raise KeyboardInterrupt

    straight = load_restorer(train(config(folder), tmp_path / "straight"))
    with pytest.raises(KeyboardInterrupt):
        train(config(folder), tmp_path / "resumed", on_step=stop)
    resumed = load_restorer(train(config(folder), tmp_path / "resumed"))
    a, b = straight.network.state_dict(), resumed.network.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    with pytest.raises(ValueError, match=r"delta: 1\.0 there, 0\.5 now"):
        train(config(folder, delta=0.5), tmp_path / "resumed")


def test_it_learns_to_fill_a_hole(folder, tmp_path):
    learn = {"steps": 200, "batch": 16, "learning_rate": 5e-3, "warmup": 10, "ema": 0.9, "checkpoint_every": 1000}
    restorer = load_restorer(train(config(folder, **learn), tmp_path))
    x0 = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(4, 3, 8, 8)
    for t in (0.5, 1.0):
        y = restorer.degradation(x0, t) + restorer.degradation.sigma(t) * answers(x0)
        before, after = ((x - x0).square().mean() for x in (y, restorer.predict(y, t)))
        assert after < 0.2 * before
    card = (tmp_path / "tiny.md").read_text(encoding="utf-8")
    assert "A restorer of Dirac for inpaint_smooth" in card
    assert "task =" in card
    assert "schedule =" not in card


def test_it_may_start_from_a_prior_of_the_same_shape(folder, tmp_path):
    """All but the head, which says something else: a fresh restorer answers with what it was given."""
    prior = UNet(3, (8,))
    for parameter in prior.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    save_prior(tmp_path / "p.safetensors", prior, schedule={"name": "linear", "T": 50}, prediction="v")
    start = {"steps": 1, "start": str(tmp_path / "p.safetensors"), "learning_rate": 1e-12}
    restorer = load_restorer(train(config(folder, **start), tmp_path / "a"))
    theirs, ours = load_prior(tmp_path / "p.safetensors").network.state_dict(), restorer.network.state_dict()
    assert torch.equal(ours["stem.weight"], theirs["stem.weight"])
    y = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(restorer.predict(y, 0.3), y, rtol=0, atol=1e-6)
    # Of a prior the head is the same one: it goes on where the other stopped.
    more = train(config(folder, **{**start, "task": "", "name": "more"}), tmp_path / "b")
    torch.testing.assert_close(load_prior(more).network.state_dict()["head.weight"], theirs["head.weight"])
    with pytest.raises(ValueError, match=r"start must be a prior whose network is .*'channels': \[16\]"):
        train(config(folder, **{**start, "channels": (16,)}), tmp_path / "c")
    with pytest.raises(ValueError, match="GaussianMixturePrior"):
        train(config(folder, **{**start, "start": "digits"}), tmp_path / "d")


BAD = {
    "task": ({"task": "sr4"}, "task with a degradation"),
    "option": ({"degradation": {"widht": 0.2}}, "Did you mean 'width'"),
    "delta": ({"delta": 1.5}, r"delta .* \[0, 1\]; got 1.5"),
    "times": ({"times": "last"}, "choice of times"),
    "delta of a prior": ({"task": "", "delta": 0.5}, "set its task"),
    "degradation of a prior": ({"task": "", "degradation": {"width": 0.2}}, "set its task"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_configs_are_named(case):
    changes, says = BAD[case]
    with pytest.raises(ValueError, match=says):
        TrainConfig(**{**TINY, **changes})


def test_a_config_reads_its_degradation(tmp_path):
    (tmp_path / "c.toml").write_text(
        'name = "a"\ndata = "portraits"\ntask = "deblur_gaussian"\ndegradation = {std = 1.5}\ndelta = 0\n'
    )
    read = read_config(tmp_path / "c.toml")
    assert read.objective().degradation.std == 1.5
    assert read.delta == 0.0
    (tmp_path / "c.toml").write_text('name = "a"\ndata = "portraits"\ntask = "deblur_gaussian"\ndegradation = 3\n')
    with pytest.raises(ValueError, match=r"degradation .* must be of type dict"):
        read_config(tmp_path / "c.toml")


def test_the_task_of_a_restorer_ends_at_the_operator_of_the_task(folder, tmp_path):
    """A blur without a std has the task's, and keeps it where images are larger."""
    restorer = load_restorer(train(config(folder, task="deblur_gaussian", steps=1), tmp_path))
    std = make_degradation("deblur_gaussian", (3, 8, 8)).std
    assert restorer.degradation.std == restorer.at((3, 16, 12)).degradation.std == std
