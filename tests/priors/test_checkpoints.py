"""Checkpoints: what is written is what is read, and a wrong file is never a prior."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from teachdiff import schedules
from teachdiff.priors.checkpoints import bundled_priors, load_prior, save_mixture, save_prior
from teachdiff.priors.gaussian import GaussianPrior
from teachdiff.priors.mixture import GaussianMixturePrior
from teachdiff.priors.unet import UNet


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    network = UNet(3, (8, 16))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    path = tmp_path / "small.safetensors"
    save_prior(
        path, network, schedule={"name": "cosine", "T": 50}, prediction="v", dtype=torch.float32, about={"note": "x"}
    )
    return path, network


def header(path):
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["teachdiff"])


def rewrite(path, tensors=None, **changes):
    save_file(
        load_file(path) if tensors is None else tensors, path, {"teachdiff": json.dumps({**header(path), **changes})}
    )


def test_round_trip(saved):
    path, network = saved
    prior = load_prior(path)
    assert prior.prediction == "v"
    assert prior.schedule.T == 50
    for name, value in network.state_dict().items():
        assert torch.equal(prior.network.state_dict()[name], value)
    assert not any(p.requires_grad for p in prior.network.parameters())
    assert list(path.parent.iterdir()) == [path]  # no temporary file stays behind


def test_half_precision_halves_the_file_and_loads_as_float32(saved, tmp_path):
    path, network = saved
    half = tmp_path / "half.safetensors"
    save_prior(half, network, schedule={"name": "linear"}, prediction="epsilon")
    assert half.stat().st_size < 0.7 * path.stat().st_size
    weights = load_prior(half).network.state_dict()
    assert {w.dtype for w in weights.values()} == {torch.float32}
    assert all(torch.equal(weights[k], v.half().float()) for k, v in network.state_dict().items())


def test_every_wrong_tensor_is_listed_at_once(saved):
    path, _ = saved
    tensors = load_file(path)
    del tensors["stem.weight"]
    tensors["extra"] = torch.zeros(2)
    tensors["stem.bias"] = torch.zeros(3)
    tensors["head.bias"] = torch.full((3,), float("nan"))
    rewrite(path, tensors)
    with pytest.raises(ValueError, match="do not fit") as caught:
        load_prior(path)
    for piece in ("missing: stem.weight", "unexpected: extra", "stem.bias: expected (8,), got (3,)", "head.bias"):
        assert piece in str(caught.value)


def test_a_truncated_file_is_an_error(saved):
    path, _ = saved
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="no readable safetensors"):
        load_prior(path)


def test_foreign_files_are_errors(saved, tmp_path):
    path, _ = saved
    foreign = tmp_path / "foreign.safetensors"
    save_file({"w": torch.zeros(1)}, foreign)
    with pytest.raises(ValueError, match="does not say which network"):
        load_prior(foreign)
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    with pytest.raises(ValueError, match="no readable safetensors"):
        load_prior(text)
    rewrite(path, format="teachdiff-prior-99")
    with pytest.raises(ValueError, match="teachdiff-prior-99"):
        load_prior(path)


def test_a_header_that_is_wrong_is_an_error(saved):
    path, _ = saved
    rewrite(path, schedule={"name": "linaer"})
    with pytest.raises(ValueError, match="linear"):
        load_prior(path)
    rewrite(path, network={"image_channels": 3, "colour": 2})
    with pytest.raises(ValueError, match="header"):
        load_prior(path)


def test_unknown_names_and_missing_files(tmp_path):
    with pytest.raises(ValueError, match="no checkpoint"):
        load_prior(tmp_path / "absent.safetensors")
    with pytest.raises(ValueError, match="unknown prior"):
        load_prior("nosuchprior")


def test_the_bundled_priors_load_are_small_and_have_a_card():
    bundled = bundled_priors()
    assert {"digits", "photos", "portraits"} <= set(bundled)
    for name, path in bundled.items():
        assert path.stat().st_size < 6e6
        card = path.with_suffix(".md").read_text(encoding="utf-8")
        assert all(word in card for word in ("Licence", "Command", "Data"))
        x = torch.zeros(1, 1, 8, 8) if name == "digits" else torch.zeros(1, 3, 32, 32)
        assert load_prior(name).denoise(x, 500).isfinite().all()
    with pytest.raises(ValueError, match="Did you mean 'photos'"):
        load_prior("photo")


# Mixtures


@pytest.fixture
def mixture(tmp_path):
    shape = (2, 1, 3)
    components = []
    for seed in range(3):
        g = torch.Generator().manual_seed(seed)
        factor = torch.randn(6, 6, generator=g, dtype=torch.float64)
        covariance = factor @ factor.mT + 0.1 * torch.eye(6, dtype=torch.float64)
        mean = torch.randn(shape, generator=g, dtype=torch.float64)
        components.append(GaussianPrior.from_covariance(schedules.cosine(T=20), mean, covariance))
    prior = GaussianMixturePrior([0.2, 0.3, 0.5], components, ["a", "b", "c"])
    path = tmp_path / "mixture.safetensors"
    save_mixture(path, prior, schedule={"name": "cosine", "T": 20}, about={"note": "x"})
    return path, prior


def test_a_mixture_comes_back_to_float32(mixture):
    path, prior = mixture
    again = load_prior(path)
    assert again.labels == ["a", "b", "c"] and again.schedule.T == 20 and again.shape == (2, 1, 3)
    assert torch.equal(again.weights.values, prior.weights.values)
    for a, b in zip(again.components, prior.components, strict=True):
        torch.testing.assert_close(a.covariance, b.covariance, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(a.mean.values, b.mean.values, rtol=1e-6, atol=1e-6)
    x = torch.ones(2, 2, 1, 3, dtype=torch.float64)
    torch.testing.assert_close(again.denoise(x, 5), prior.denoise(x, 5), rtol=1e-5, atol=1e-5)
    assert list(path.parent.iterdir()) == [path]


def test_everything_wrong_with_a_mixture_is_said(mixture):
    path, _ = mixture
    tensors = load_file(path)
    rewrite(path, {"weights": tensors["weights"], "covariances": tensors["covariances"], "extra": torch.zeros(2)})
    with pytest.raises(ValueError, match="no Gaussian mixture") as caught:
        load_prior(path)
    assert "missing: means" in str(caught.value) and "unexpected: extra" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("weights", lambda v: v[:2], "expected \\(3,\\), got \\(2,\\)"),
        ("weights", lambda v: 2 * v, "sum to 1"),
        ("means", lambda v: v[0], "expected \\(K, C, H, W\\)"),
        ("means", lambda v: v * float("nan"), "NaN"),
        ("covariances", lambda v: v[:, :-1], "expected \\(3, 21\\)"),
        ("covariances", lambda v: -v, "positive semi-definite"),
    ],
    ids=["few", "too much", "one mean", "nan", "no triangle", "negative"],
)
def test_each_tensor_of_a_mixture_is_checked(mixture, key, change, message):
    path, _ = mixture
    tensors = load_file(path)
    tensors[key] = change(tensors[key]).contiguous()
    rewrite(path, tensors)
    with pytest.raises(ValueError, match=message):
        load_prior(path)


def test_the_header_of_a_mixture_is_checked(mixture):
    path, _ = mixture
    rewrite(path, labels=["a"])
    with pytest.raises(ValueError, match="one per component"):
        load_prior(path)
    rewrite(path, labels=["a", "b", "c"], schedule={"name": "cosin", "T": 20})
    with pytest.raises(ValueError, match="cosine"):
        load_prior(path)


def test_the_network_of_a_mixture_is_missing(mixture):
    path, _ = mixture
    rewrite(path, format="teachdiff-prior-1")
    with pytest.raises(ValueError, match="header"):
        load_prior(path)
