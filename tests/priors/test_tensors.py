"""Files of weights: what is damaged, foreign or dangerous is refused, and says so."""

import collections
import hashlib
import io
import os
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from teachdiff.priors.checkpoints import load_prior
from teachdiff.priors.guided import GuidedUNet
from teachdiff.priors.tensors import load_strictly, read_tensors

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.ones(2)}


class Attack:
    """Unpickled, it makes a file: what a stranger's checkpoint could do to any file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old"])
def test_a_pickle_that_wants_to_run_code_is_refused_and_runs_none(tmp_path, zipped):
    done = tmp_path / "done"
    torch.save({**TENSORS, "x": Attack(done)}, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"wants to call \S*mkdir while it is read, so it was not read"):
        load_prior(tmp_path / "m.pt")
    assert not done.exists()
    torch.load(tmp_path / "m.pt", weights_only=False)  # the attack is a real one
    assert done.exists()


def test_a_bare_pickle_that_wants_to_run_code_is_refused_under_any_name(tmp_path):
    for name in ("m.pt", "m.bin", "m.safetensors", "m"):
        (tmp_path / name).write_bytes(pickle.dumps(Attack(tmp_path / "done"), protocol=2))
        with pytest.raises(ValueError, match=r"m.* (wants to call|is no readable)"):
            load_prior(tmp_path / name)
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize("write", [lambda t, p: torch.save(t, p), save_file], ids=["pt", "safetensors"])
@pytest.mark.parametrize("name", ["m.pt", "m.safetensors", "m"])
def test_a_file_is_read_as_what_it_is(tmp_path, write, name):
    write(TENSORS, tmp_path / name)
    found, metadata = read_tensors(tmp_path / name)
    assert found.keys() == TENSORS.keys() and metadata == {}
    assert all(torch.equal(found[k], v) for k, v in TENSORS.items())


def test_dictionaries_of_other_kinds_hold_tensors_too(tmp_path):
    torch.save(collections.OrderedDict(a=torch.nn.Parameter(torch.ones(2))), tmp_path / "m.pt")
    assert torch.equal(read_tensors(tmp_path / "m.pt")[0]["a"], torch.ones(2))


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.99])
def test_a_truncated_pickle_is_an_error(tmp_path, share, zipped):
    torch.save({"a": torch.randn(1000)}, tmp_path / "m.pt", _use_new_zipfile_serialization=zipped)
    data = (tmp_path / "m.pt").read_bytes()
    (tmp_path / "m.pt").write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=r"m\.pt is no readable checkpoint .* download it again"):
        load_prior(tmp_path / "m.pt")


FOREIGN = {
    "web page": (b"\n<!DOCTYPE html><html>quota exceeded</html>", "web page"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "pointer of Git LFS"),
    "text": (b"hello", "no readable checkpoint"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_downloads_leave_behind_is_known(tmp_path, case):
    data, says = FOREIGN[case]
    (tmp_path / "m.pt").write_bytes(data)
    with pytest.raises(ValueError, match=says):
        load_prior(tmp_path / "m.pt")


def test_a_zip_of_other_things_is_an_error(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("photo.txt", "hello")
    with pytest.raises(ValueError, match="no readable checkpoint"):
        load_prior(tmp_path / "m.pt")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"ema": TENSORS, "step": 3}, "a dictionary of 'ema', 'step'"),
        ([torch.ones(2)], "it holds <class 'list'>"),
        (torch.ones(2), "Tensor"),
        ({}, "a dictionary of"),
    ],
    ids=["nested", "list", "tensor", "empty"],
)
def test_a_checkpoint_of_something_else_is_named(tmp_path, content, says):
    torch.save(content, tmp_path / "m.pt")
    with pytest.raises(ValueError, match=r"tensors by their names") as caught:
        load_prior(tmp_path / "m.pt")
    assert says in str(caught.value)


def test_a_network_of_another_layout_is_named(tmp_path):
    tensors = {"conv_in.weight": torch.ones(2), "down_blocks.0.resnets.0.conv1.bias": torch.ones(2)}
    save_file(tensors, tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match=r"give the folder that holds config\.json"):
        load_prior(tmp_path / "m.safetensors")
    torch.save({"features.0.weight": torch.ones(2), "classifier.bias": torch.ones(1)}, tmp_path / "m.pt")
    with pytest.raises(ValueError, match=r"its 2 tensors \(features\.0\.weight.*owner/name"):
        load_prior(tmp_path / "m.pt")


def test_the_hash_is_checked(tmp_path):
    network = GuidedUNet(3, 3, 64, (1,), 1, ())
    torch.save(network.state_dict(), tmp_path / "m.pt")
    right = hashlib.sha256((tmp_path / "m.pt").read_bytes()).hexdigest()
    load_prior(tmp_path / "m.pt", sha256=right.upper())
    with pytest.raises(ValueError, match=rf"its SHA-256 is {right}, and {'0' * 64} was expected"):
        load_prior(tmp_path / "m.pt", sha256="0" * 64)
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        load_prior(tmp_path / "m.pt", sha256="abc")


def test_a_file_that_the_cache_names_by_its_hash_is_checked(tmp_path):
    buffer = io.BytesIO()
    torch.save(GuidedUNet(3, 3, 64, (1,), 1, ()).state_dict(), buffer)
    (tmp_path / "blobs").mkdir()
    blob = tmp_path / "blobs" / hashlib.sha256(buffer.getvalue()).hexdigest()
    blob.write_bytes(buffer.getvalue())
    (tmp_path / "m.pt").symlink_to(blob)
    load_prior(tmp_path / "m.pt")
    other = bytearray(buffer.getvalue())
    other[len(other) // 2] ^= 1  # one bit of a weight: it would still load
    blob.write_bytes(bytes(other))
    with pytest.raises(ValueError, match="not the file that was meant"):
        load_prior(tmp_path / "m.pt")


def test_a_network_without_weights_keeps_none(tmp_path):
    """Made on the meta device, it has no memory but for what the file gave it."""
    with torch.device("meta"):
        network = torch.nn.Linear(3, 2)
    load_strictly(network, {"weight": torch.ones(2, 3).half(), "bias": torch.zeros(2)}, tmp_path / "m.pt")
    assert torch.equal(network(torch.ones(1, 3)), torch.full((1, 2), 3.0))
