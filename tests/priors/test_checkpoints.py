"""Checkpoints: what is written is what is read, and a wrong file is never a prior."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from teachdiff.priors.checkpoints import bundled_priors, load_prior, save_prior
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
    assert {"photos", "portraits"} <= set(bundled)
    for name, path in bundled.items():
        assert path.stat().st_size < 6e6
        card = path.with_suffix(".md").read_text(encoding="utf-8")
        assert all(word in card for word in ("Licence", "Command", "Data"))
        x = torch.zeros(1, 3, 32, 32)
        assert load_prior(name).denoise(x, 500).isfinite().all()
    with pytest.raises(ValueError, match="Did you mean 'photos'"):
        load_prior("photo")
