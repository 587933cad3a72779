"""Weights handed in: vetted before anything is built of them, loaded strictly, asked on unseen portraits."""

import dataclasses
import json
import struct

import pytest
import torch
from safetensors.torch import load, save

from teachdiff.course import hw5
from teachdiff.course.marking import mark
from teachdiff.course.start import write
from teachdiff.priors.checkpoints import bundled_priors, save_prior
from teachdiff.priors.tensors import read_tensors
from teachdiff.priors.unet import UNet
from teachdiff.testing.core import LawBroken


@pytest.fixture(scope="module")
def good():
    return hw5.retouched()


def header_of(data):
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(data, change):
    """The file with another description; `change` is given the parsed header of ours."""
    whole, rest = header_of(data)
    ours = json.loads(whole["__metadata__"]["teachdiff"])
    change(ours)
    whole["__metadata__"]["teachdiff"] = json.dumps(ours)
    head = json.dumps(whole).encode()
    return struct.pack("<Q", len(head)) + head + rest


def broken(data, check="loads"):
    """Why a check rejects a file."""
    judge = next(c for e in hw5.ASSIGNMENT.exercises for c in e.checks if c.name == check).judge
    query = hw5.Query(hw5.FILE, driver="bytes", about={"seed": 3})
    with pytest.raises(LawBroken) as caught:
        judge([query], [hw5.Answer(data)])
    return str(caught.value)


def set_network(**values):
    return lambda ours: ours["network"].update(values)


DESCRIPTIONS = {
    "too wide": set_network(channels=[4096, 4096]),
    "too deep": set_network(channels=[8] * 40),
    "a number too large to build": set_network(channels=[10**12]),
    "channels that are no numbers": set_network(channels=["32", "48"]),
    "channels that are true": set_network(channels=[True]),
    "no list": set_network(channels=7),
    "too many blocks": set_network(blocks=10**9),
    "grey": set_network(image_channels=1),
    "a schedule without end": lambda ours: ours["schedule"].update(T=10**10),
    "an unknown schedule": lambda ours: ours["schedule"].update(name="magic"),
    "a mixture": lambda ours: ours.update(format="teachdiff-mixture-1"),
    "another prediction": lambda ours: ours.update(prediction="score"),
    "no network": lambda ours: ours.pop("network"),
}


@pytest.mark.parametrize("change", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_what_the_file_says_of_itself_is_vetted_first(change, good, monkeypatch):
    monkeypatch.setattr(hw5, "load_prior", lambda path: pytest.fail("it was built"))
    assert hw5.FILE in broken(with_header(good, change))


FILES = {
    "empty": b"",
    "text": b"passed",
    "a length and nothing": struct.pack("<Q", 2**62),
    "deep": struct.pack("<Q", 200_000) + b'{"__metadata__":' + b"[" * 199_984,
    "a pickle": b"\x80\x04\x95" + bytes(40),
    "a zip": b"PK\x03\x04" + bytes(40),
    "numbers where texts belong": struct.pack("<Q", 20) + b'{"__metadata__": 17}',
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_other_files_are_refused(data):
    assert "is not a file that `teachdiff train` wrote" in broken(data)


def test_a_file_that_is_too_large_is_refused(good):
    assert "the most that are read" in broken(good + bytes(hw5.LARGEST))


def test_weights_that_do_not_fit_are_refused(good):
    tensors = load(good)
    metadata = header_of(good)[0]["__metadata__"]
    name = next(iter(tensors))
    lacking = {k: v for k, v in tensors.items() if k != name}
    assert f"missing: {name}" in broken(save(lacking, metadata))
    assert "unexpected: more" in broken(save(tensors | {"more": torch.zeros(2)}, metadata))
    assert "NaN" in broken(save(tensors | {name: torch.full_like(tensors[name], torch.nan)}, metadata))
    assert "missing: down.0.2" in broken(with_header(good, set_network(blocks=2)))


def test_the_bundled_prior_is_not_your_own():
    assert "train your own" in broken(bundled_priors()["portraits"].read_bytes())


def test_the_same_weights_in_another_precision_are_not_your_own_either():
    tensors, metadata = read_tensors(bundled_priors()["portraits"])
    assert "train your own" in broken(save({k: v.float() for k, v in tensors.items()}, metadata))


def test_an_untrained_network_denoises_nothing(tmp_path):
    torch.manual_seed(0)
    save_prior(tmp_path / "p", UNet(3, (8, 8), 1), schedule={"name": "cosine", "T": 1000}, prediction="v")
    data = (tmp_path / "p").read_bytes()
    assert "squared error of x0_hat" in broken(data, "beats_the_trivial")
    for check in ("denoises", "denoises_well", "restores"):
        said = broken(data, check)
        assert "in dB" in said and " beside " in said


def test_weights_that_lost_the_time_are_worse(good):
    """The network no longer knows how much noise there is: the laws see it."""
    tensors, metadata = load(good), header_of(good)[0]["__metadata__"]
    blind = {k: torch.zeros_like(v) if ".time." in k else v for k, v in tensors.items()}
    assert any(".time." in k for k in tensors)
    assert " beside " in broken(save(blind, metadata), "denoises_well")


def test_secret_portraits_differ_and_repeat():
    (a, _), (b, _), (c, _) = (hw5.drawn(seed, 1, hw5.SCHEDULES["cosine"](T=10)) for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_a_link_in_place_of_the_file_is_not_followed(tmp_path, good):
    (tmp_path / "elsewhere").write_bytes(good)
    write({"README.md": ""}, tmp_path / "work")
    (tmp_path / "work" / hw5.FILE).symlink_to(tmp_path / "elsewhere")
    loads = dataclasses.replace(hw5.ASSIGNMENT.exercises[0], checks=hw5.ASSIGNMENT.exercises[0].checks[:1])
    (verdict,) = mark(dataclasses.replace(hw5.ASSIGNMENT, exercises=(loads,)), tmp_path / "work", None)
    assert not verdict.passed and "cannot be read" in verdict.message
