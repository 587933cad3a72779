"""Restorers: what `predict` is, images of other sizes, and files that are refused."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from teachdiff.priors.checkpoints import bundled_priors, load_prior, save_prior
from teachdiff.priors.restorer import NetworkRestorer, bundled_restorers, load_restorer, save_restorer
from teachdiff.priors.unet import UNet

OPTIONS = {"std": 0.9, "padding": "circular", "sigma_max": 0.2}


def network(dtype=torch.float32):
    made = UNet(3, (8, 16))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    return made.to(dtype)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "r.safetensors"
    save_restorer(path, network(), task="deblur_gaussian", shape=(3, 8, 10), options=OPTIONS)
    return path


def test_the_answer_is_the_network_beside_what_it_was_given():
    restorer = NetworkRestorer(network(torch.float64), "deblur_gaussian", (3, 8, 10), OPTIONS)
    y = torch.randn(3, 3, 8, 10, dtype=torch.float64)
    t = torch.tensor([0.0, 0.4, 1.0], dtype=torch.float64)
    together = restorer.predict(y, t)
    torch.testing.assert_close(together, y + restorer.network(y, 1000 * t))
    for i in range(3):
        for one in (t[i].item(), t[i], t[i : i + 1]):
            torch.testing.assert_close(restorer.predict(y[i : i + 1], one), together[i : i + 1], rtol=0, atol=1e-12)
    assert not torch.allclose(restorer.predict(y, 0.1), restorer.predict(y, 0.9))


def test_a_file_says_which_degradation_it_undoes(saved):
    restorer = load_restorer(saved)
    degradation = restorer.degradation
    assert degradation.input_shape == (3, 8, 10)
    assert (degradation.std, degradation.padding, degradation.sigma(1.0)) == (0.9, "circular", 0.2)
    assert not any(p.requires_grad for p in restorer.network.parameters())
    y = torch.randn(2, 3, 8, 10)
    half = network().half().float()  # the weights are kept in float16
    torch.testing.assert_close(restorer.predict(y, 0.5), y + half(y, torch.full((2,), 500.0)))


def test_images_of_another_size_have_a_restorer_of_their_own(saved):
    restorer = load_restorer(saved)
    larger = restorer.at((3, 16, 12))
    assert larger.degradation.input_shape == (3, 16, 12)
    assert larger.degradation.std == 0.9
    assert larger.network is restorer.network
    assert larger.predict(torch.zeros(1, 3, 16, 12), 0.5).shape == (1, 3, 16, 12)
    with pytest.raises(ValueError, match=r"\(B, 3, 8, 10\)"):
        restorer.predict(torch.zeros(1, 3, 16, 12), 0.5)


@pytest.mark.parametrize("t", [1.5, -0.1, torch.tensor([0.5, 2.0]), torch.tensor([0.1, 0.2, 0.3])])
def test_a_time_that_is_none_is_refused(saved, t):
    with pytest.raises(ValueError, match=r"t .*(must lie in \[0, 1\]|one per sample)"):
        load_restorer(saved).predict(torch.zeros(2, 3, 8, 10), t)


def rewrite(path, tensors=None, **changes):
    with safe_open(path, framework="pt") as file:
        kept = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        header = json.loads(file.metadata()["teachdiff"])
    save_file({**kept, **(tensors or {})}, path, metadata={"teachdiff": json.dumps(header | changes)})


def test_files_that_do_not_fit_are_refused(saved, tmp_path):
    with pytest.raises(ValueError, match="no file at"):
        load_restorer(tmp_path / "absent.safetensors")
    with pytest.raises(ValueError, match="unknown restorer"):
        load_restorer("nosuch")
    with pytest.raises(ValueError, match="a network of Dirac, not a prior"):
        load_prior(saved)
    prior = tmp_path / "p.safetensors"
    save_prior(prior, network(), schedule={"name": "linear", "T": 50}, prediction="v")
    with pytest.raises(ValueError, match="no restorer"):
        load_restorer(prior)
    rewrite(saved, {"stray": torch.zeros(1)})
    with pytest.raises(ValueError, match="unexpected: stray"):
        load_restorer(saved)


@pytest.mark.parametrize(
    "changes", [{"task": "sr4"}, {"options": {"sdt": 1.0}}, {"shape": [3, 8]}, {"network": {"colour": 2}}]
)
def test_headers_that_are_wrong_are_named(saved, changes):
    rewrite(saved, **changes)
    with pytest.raises(ValueError, match=r"the header of .* is wrong"):
        load_restorer(saved)


def test_a_header_that_is_no_object_is_refused(saved):
    save_file({"a": torch.zeros(1)}, saved, metadata={"teachdiff": "[1]"})
    for load in (load_restorer, load_prior):
        with pytest.raises(ValueError, match="expected an object, got list"):
            load(saved)


def test_the_bundled_restorers_load_are_small_and_have_a_card():
    bundled = bundled_restorers()
    assert not set(bundled) & set(bundled_priors())
    for name, path in bundled.items():
        assert path.stat().st_size < 6e6
        card = path.with_suffix(".md").read_text(encoding="utf-8")
        assert all(word in card for word in ("Licence", "Command", "Data", "Start", "Figures"))
        restorer = load_restorer(name)
        x0 = torch.zeros(1, *restorer.degradation.input_shape)
        assert restorer.predict(x0, 1.0).isfinite().all()
