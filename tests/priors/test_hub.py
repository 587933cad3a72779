"""Ids on the hub: what is an id, what is fetched, and what is said when it cannot be. The hub is on this machine."""

import importlib.util
import io
import json

import pytest
import torch

from teachdiff.priors import hub as ids
from teachdiff.priors.checkpoints import load_prior
from teachdiff.priors.guided import GuidedUNet
from tests.priors.hub_server import hub
from tests.priors.test_diffusers_format import CONFIG, SCHEDULER

needs_hub = pytest.mark.skipif(
    importlib.util.find_spec("huggingface_hub") is None,
    reason="the package huggingface_hub is not installed: pip install 'teachdiff[hub]'",
)


def guided_file() -> bytes:
    torch.manual_seed(0)
    buffer = io.BytesIO()
    torch.save(GuidedUNet(3, 6, 64, (1,), 1, ()).state_dict(), buffer)
    return buffer.getvalue()


MODELS = {
    "ann/faces": {"README.md": b"# faces", "model.pt": guided_file()},
    "ann/two": {"a.pt": b"a", "b.safetensors": b"b", "photo.png": b"p"},
    "ann/none": {"README.md": b"# empty"},
    "ann/diffusers": {
        "config.json": json.dumps(CONFIG).encode(),
        "scheduler_config.json": json.dumps(SCHEDULER).encode(),
        "diffusion_pytorch_model.bin": b"not fetched, since the safetensors are there",
        "diffusion_pytorch_model.safetensors": b"broken",
        "samples.png": b"not fetched",
    },
}


@needs_hub
def test_an_id_becomes_a_prior_and_the_second_time_needs_no_network(at):
    with hub(MODELS) as (address, log):
        at(address)
        prior = load_prior("ann/faces")
        assert prior.learned_variance
        fetched = [path.rsplit("/", 1)[-1] for method, path, _ in log if method == "GET" and "resolve" in path]
        assert fetched == ["model.pt"]
    again = load_prior("ann/faces")  # the hub has gone
    x = torch.randn(1, 3, 4, 4)
    torch.testing.assert_close(again.denoise(x, 5), prior.denoise(x, 5), rtol=1e-5, atol=1e-5)


@needs_hub
def test_a_download_that_was_cut_goes_on_where_it_stopped(at, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1 << 16)  # of each, only whole ones are kept
    half = len(MODELS["ann/faces"]["model.pt"]) // (1 << 17) << 16
    with hub(MODELS, cut={"model.pt": half}) as (address, log):
        at(address)
        try:
            load_prior("ann/faces")
        except ConnectionError:  # an older client does not try again by itself
            load_prior("ann/faces")
        asked = [span for method, path, span in log if method == "GET" and path.endswith("model.pt")]
    assert asked == ["", f"bytes={half}-"]


@needs_hub
def test_only_what_a_network_of_diffusers_needs_is_fetched(at):
    with hub(MODELS) as (address, log):
        at(address)
        folder = ids.fetch("ann/diffusers@main")
    wanted = {"config.json", "scheduler_config.json", "diffusion_pytorch_model.safetensors"}
    assert {path.name for path in folder.iterdir()} == wanted
    assert {path.rsplit("/", 1)[-1] for method, path, _ in log if "resolve" in path} == wanted


@needs_hub
def test_a_file_that_changed_in_the_cache_is_noticed(at, tmp_path):
    with hub(MODELS) as (address, _):
        at(address)
        file = ids.fetch("ann/faces")
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.resolve().chmod(0o644)
        file.resolve().write_bytes(bytes(data))
        with pytest.raises(ValueError, match="not the file that was meant"):
            load_prior("ann/faces")


@needs_hub
def test_half_a_download_is_no_prior(at):
    """Interrupted after the small files: without a network there is nothing to make a prior of."""
    with hub(MODELS) as (address, _):
        at(address)
        folder = ids.fetch("ann/diffusers")
    assert ids.fetch("ann/diffusers") == folder
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ConnectionError):
        ids.fetch("ann/diffusers")


UNKNOWN = {
    "ann/nobody": "there is no file or folder ann/nobody here, and no model of that id on the hub",
    "ann/faces@nowhere": "no model of that id on the hub",
    "ann/no--body": "no model of that id on the hub",
    "ann/two": "several files with weights (a.pt, b.safetensors)",
    "ann/none": "no file with weights",
}


@needs_hub
@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_id_is_an_error(at, name):
    with hub(MODELS) as (address, _):
        at(address)
        with pytest.raises(ValueError) as caught:
            load_prior(name)
    assert UNKNOWN[name] in str(caught.value)


@needs_hub
def test_without_a_network_the_error_says_so(at):
    with hub(MODELS) as (address, _):
        pass
    at(address)
    with pytest.raises(ConnectionError, match="no file or folder ann/faces here, and the hub could not be reached"):
        load_prior("ann/faces")


@needs_hub
def test_the_command_line_tells_a_wrong_id_from_a_missing_network(at, tmp_path):
    from typer.testing import CliRunner

    from teachdiff.cli import app

    line = ["restore", "astronaut", "--task", "denoise", "--out", str(tmp_path / "o"), "--prior"]
    with hub(MODELS) as (address, _):
        at(address)
        wrong = CliRunner().invoke(app, [*line, "ann/nobody"])
        damaged = CliRunner().invoke(app, [*line, "ann/diffusers"])
    nowhere = CliRunner().invoke(app, [*line, "ann/faces"])
    assert (wrong.exit_code, damaged.exit_code, nowhere.exit_code) == (2, 1, 1)
    assert "no model of that id on the hub" in wrong.stderr
    assert "no readable safetensors file" in damaged.stderr
    assert "the hub could not be reached" in nowhere.stderr
    assert not (tmp_path / "o").exists()


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"needs the package huggingface_hub: pip install 'teachdiff\[hub\]'"):
        load_prior("ann/faces")


@pytest.mark.parametrize(
    ("name", "yes"),
    [
        ("google/ddpm-celebahq-256", True), ("ann/v1.0@main", True), ("ann/m@0123abc", True),
        ("photos", False), ("runs/mine.safetensors", False), ("runs/mine.pt", False), ("a/b/c", False),
        ("./a/b", False), ("/a/b", False), ("../b", False), ("a/", False), ("~/b", False),
    ],
)  # fmt: skip
def test_what_can_be_an_id(name, yes):
    assert ids.is_id(name) == yes


def test_a_folder_or_file_here_comes_before_an_id(tmp_path, monkeypatch):
    (tmp_path / "ann" / "faces").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no network in the format of diffusers"):
        load_prior("ann/faces")
