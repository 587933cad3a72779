"""Plain values and nothing else; clean copies; layers that hold, each by itself; a library with holes."""

import ast
import contextlib
import json
import math
import os
import re
import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from teachdiff.course import sandbox, submissions, wire
from teachdiff.course.model import Query
from teachdiff.course.submissions import FILES, NoSubmission, take

posix = pytest.mark.skipif(os.name == "nt", reason="submissions are run on Linux and macOS only")
LIMIT = 1 << 20


def sent(value, limit=LIMIT):
    """What arrives of a value."""
    data = wire.pack(value, limit)
    head, arrays = wire.lengths(data[: wire.PREFIX.size], limit)
    rest = data[wire.PREFIX.size :]
    assert len(rest) == head + arrays
    return wire.unpack(rest[:head], rest[head:])


def same(a, b):
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and (a == b or (a != a and b != b))


numbers = st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers()
texts = st.text(max_size=9) | st.binary(max_size=9)
arrays = hnp.arrays(
    st.sampled_from([np.bool_, np.uint8, np.int64, np.float16, np.float32, np.float64, np.complex128]),
    hnp.array_shapes(min_dims=0, min_side=0, max_side=3),
)
plain = st.recursive(
    numbers | texts | arrays,
    lambda v: st.lists(v, max_size=3) | st.tuples(v, v) | st.dictionaries(st.text(max_size=3), v, max_size=3),
    max_leaves=4,
)


@given(plain)
@example(np.array(False))
def test_a_plain_value_arrives_as_it_was(value):
    assert same(sent(value), value)


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_bytes_that_are_no_message_are_an_error_and_nothing_else(head, rest):
    with contextlib.suppress(wire.NotPlain):
        wire.unpack(head, rest)


trees = st.recursive(
    st.none() | st.integers() | st.floats() | st.sampled_from(["array", "bytes", "dict", "list", "<f8", "|O", "|b1"]),
    lambda v: st.lists(v, max_size=5) | st.dictionaries(st.text(max_size=3), v, max_size=2),
    max_leaves=12,
)


@given(trees, st.binary(max_size=40))
def test_a_tree_of_anything_is_a_plain_value_or_an_error(tree, rest):
    try:
        value = wire.unpack(json.dumps(tree).encode(), rest)
    except wire.NotPlain:
        return
    assert same(sent(value), value)


@pytest.mark.parametrize(
    "tree",
    [
        ["array", "<f8", [-1], 0, 8], ["array", "<f8", [1, 1], 0, 16], ["array", "|O", [1], 0, 8],
        ["array", "<f8", [True], 0, 8], ["array", "<f8", 1, 0, 8], ["array", "<f8", [1], 8, 0],
        ["array", "<f8", [2**62, 4], 0, 0], ["array", "<f8", [1], -8, 0], ["array", "<f8", [1] * 17, 0, 8],
        ["array", {}, [1], 0, 8], ["bytes", 0, 99], ["bytes", 0.0, 1], ["class", "os"], [], [[]], {},
        ["complex", "a", 1],
    ],
)  # fmt: skip
def test_an_array_that_lies_is_refused(tree):
    with pytest.raises(wire.NotPlain):
        wire.unpack(json.dumps(tree).encode(), bytes(16))


def test_truth_values_are_0_or_1():
    value = wire.unpack(b'["array", "|b1", [2], 0, 2]', b"\x02\x00")
    assert value.tolist() == [True, False] and value.view(np.uint8).tolist() == [1, 0]


def test_tensors_arrive_as_arrays():
    x = torch.arange(6.0, dtype=torch.float64, requires_grad=True).view(2, 3).T
    assert same(sent(x), np.arange(6.0).reshape(2, 3).T)
    assert sent(torch.ones(2, dtype=torch.bfloat16)).dtype == np.float32


@pytest.mark.parametrize("prefix", [(1 << 31, 0), (1, 1 << 40), (0, LIMIT + (5 << 20))])
def test_a_message_that_is_too_long_is_not_read(prefix):
    with pytest.raises(wire.NotPlain, match="announced"):
        wire.lengths(struct.pack(">IQ", *prefix), LIMIT)


def test_text_is_shown_without_what_paints_or_turns():
    painted = "\x1b[31;1mred\x1b[0m \x1b]0;title\x07x\u202ey\u2066z\x00\x08\ttab\r\nline\rback"
    assert wire.readable(painted) == "red xyz\ttab\nlineback"
    assert len(wire.readable("a" * 10**7)) <= 4000
    assert wire.readable("\ud800") == "?"


# Submissions


def test_a_copy_holds_plain_files_only(tmp_path):
    source = tmp_path / "in"
    (source / "deep").mkdir(parents=True)
    (source / "__pycache__").mkdir()
    (source / "__pycache__" / "a.pyc").write_bytes(b"x")
    (source / "a.py").write_text("a")
    (source / "deep" / "b.py").write_text("b")
    (source / "out").symlink_to("/etc/hostname")
    (source / "all").symlink_to("/", target_is_directory=True)
    (source / "bad\nname").write_text("c")
    os.mkfifo(source / "pipe")
    take(source, tmp_path / "copy")
    found = sorted(str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*"))
    assert found == ["a.py", "deep", "deep/b.py"]


def zipped(path: Path, members: dict[str, bytes | str], mode: int = stat.S_IFREG | 0o644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


EVIL = ["../x.py", "/x.py", "a/../../x.py", "..\\x.py", "C:\\x.py", "C:/x.py", "a//x.py", "./x.py"]
EVIL += ["\u202ex.py", "x" * 300, "a\x01.py"]


@pytest.mark.parametrize("name", EVIL)
def test_a_zip_writes_nowhere_else(name, tmp_path):
    path = zipped(tmp_path / "in.zip", {name: "evil", "good.py": "good"})
    take(path, tmp_path / "deep" / "copy")
    assert [p.name for p in (tmp_path / "deep" / "copy").rglob("*")] == ["good.py"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["deep", "in.zip"]


def test_a_zip_makes_no_link(tmp_path):
    path = zipped(tmp_path / "in.zip", {"link": "/etc/hostname"}, stat.S_IFLNK | 0o777)
    take(path, tmp_path / "copy")
    assert not list((tmp_path / "copy").iterdir())


def test_a_zip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(submissions, "FILE_BYTES", 1 << 20)
    path = zipped(tmp_path / "in.zip", {"zeros": bytes(2 << 20)})
    assert path.stat().st_size < 1 << 13
    with pytest.raises(NoSubmission, match="1 MiB in a file"):
        take(path, tmp_path / "copy")


def test_too_many_files_are_refused(tmp_path):
    path = zipped(tmp_path / "in.zip", {f"{i}.py": "" for i in range(FILES + 1)})
    with pytest.raises(NoSubmission, match=f"{FILES} files"):
        take(path, tmp_path / "copy")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no zip", b"PK\x05\x06" + bytes(6) + b"\xff" * 10 + bytes(2)])
def test_a_damaged_zip_is_refused(data, tmp_path):
    (tmp_path / "in.zip").write_bytes(data)
    with pytest.raises(NoSubmission):
        take(tmp_path / "in.zip", tmp_path / "copy")


def test_a_file_that_is_damaged_in_the_zip_is_refused(tmp_path):
    path = zipped(tmp_path / "in.zip", {"a.py": os.urandom(999)})
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    with pytest.raises(NoSubmission):
        take(path, tmp_path / "copy")


def test_the_digest_is_that_of_the_content(tmp_path):
    def digest(label, members):
        return take(zipped(tmp_path / f"{label}.zip", members), tmp_path / label)

    plain = digest("a", {"a.py": "1", "b.py": "2"})
    assert digest("b", {"b.py": "2", "a.py": "1"}) == plain
    assert digest("c", {"hw1/a.py": "1", "hw1/b.py": "2", "hw1/__pycache__/x": "3"}) == plain
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.py").write_text("1")
    (tmp_path / "folder" / "b.py").write_text("2")
    assert take(tmp_path / "folder", tmp_path / "d") == plain
    others = [{"a.py": "1", "b.py": "3"}, {"a.py": "1"}, {"a.py": "1", "c.py": "2"}, {"a.py": "12", "b.py": ""}]
    assert len({plain} | {digest(f"o{i}", members) for i, members in enumerate(others)}) == 5
    assert (tmp_path / "c" / "a.py").read_text() == "1"


# Layers


@posix
@pytest.mark.parametrize("way", sandbox.ways(), ids=str)
def test_each_layer_holds_what_it_says(way):
    """A machine lacks some: then the reason is the system's, and no slip of ours."""
    found = sandbox.attempt(*way)
    if isinstance(found, str):
        reasons = "unshare|mount|pivot_root|uid_map|setgroups|landlock|prctl|denied|not permitted|No module named"
        assert re.search(reasons, found), found
    elif way[0] in ("namespaces", "landlock"):
        assert found.safe, found.describe()
    elif way[0] == "permissions":
        assert found.writes and found.network and found.processes


@posix
def test_what_does_not_hold_is_said():
    weak = sandbox.Isolation("permissions", False, reads=False, writes=True, network=True, processes=True)
    assert not weak.safe and "NOT kept from: reading the reference" in weak.describe()
    assert "NOT" not in sandbox.Isolation("landlock", True, True, True, True, True).describe()


@posix
def test_a_file_that_must_not_be_read_and_can_be_makes_it_unsafe():
    """A secret in a folder that every submission sees."""
    held = sandbox.isolation()
    found = sandbox.attempt(held.how, held.own_user, (np.__file__,))
    assert isinstance(found, sandbox.Isolation) and not found.reads and not found.safe


def test_what_is_hidden_is_not_visible():
    visible, _ = sandbox.visible()
    for path in (sandbox.PACKAGE, sandbox.PACKAGE / "schedules.py", sandbox.PACKAGE.parent / "derivations"):
        assert not any(path.is_relative_to(shown) or path.is_relative_to(Path(shown).resolve()) for shown in visible)
    assert not any(Path(shown).name.startswith(("teachdiff", "derivations")) for shown in visible)
    for needed in (Path(np.__file__), Path(torch.__file__), Path(os.__file__)):
        assert any(needed.is_relative_to(shown) for shown in visible)


def test_around_leaves_out_what_it_must(tmp_path):
    for name in ("a/b/c", "a/d", "e"):
        (tmp_path / name).mkdir(parents=True)
    found = set(sandbox.around(tmp_path, {tmp_path / "a" / "b"}))
    assert found == {tmp_path / "a" / "d", tmp_path / "e"}
    assert set(sandbox.around(tmp_path, set())) == {tmp_path}
    assert set(sandbox.around(tmp_path, {tmp_path})) == set()


def test_the_library_that_an_answer_sees_imports_nothing_that_it_does_not_hold():
    from teachdiff.course.cut import library

    held = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in library({})}
    wanted = {
        name
        for text in library({}).values()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("teachdiff.")
        for name in [node.module]
    }
    assert len(wanted) > 30
    assert wanted <= held


@posix
def test_torch_in_the_box_gives_the_same_numbers_as_outside(tmp_path):
    """With the library as an answer sees it: holes where the exercise has them, and everything else in order."""
    from teachdiff.course.cut import library

    text = """
import torch
from teachdiff import schedules

def svd(x):
    return torch.linalg.svdvals(x)

def gradient(x):
    x = x.clone().requires_grad_()
    (x.exp().sum()).backward()
    return x.grad

def rest():
    return schedules.linear(10).alpha_bar

def hole():
    return schedules.noise_level(torch.ones(3))
"""
    (tmp_path / "a.py").write_text(text)
    x = np.random.default_rng(0).standard_normal((5, 4))
    asked = [Query("a.py", name, {"x": x}) for name in ("svd", "gradient")]
    asked += [Query("a.py", name) for name in ("rest", "hole")]
    holes = {"teachdiff.schedules": {"noise_level": "yours to write"}}
    with sandbox.Sandbox(tmp_path, library) as box:
        svd, gradient, rest, hole = box.evaluate(tmp_path, asked, holes)
    assert np.array_equal(svd.value, torch.linalg.svdvals(torch.from_numpy(x)).numpy())
    assert np.allclose(gradient.value, np.exp(x)) and math.isclose(rest.value[0], 1.0)
    assert hole.error.startswith("NotImplementedError: yours to write")


@posix
def test_nothing_stays_of_a_box(tmp_path):
    (tmp_path / "a.py").write_text("def f(): return 1")
    with sandbox.Sandbox(tmp_path, lambda holes: {"teachdiff/course/drivers.py": sandbox.DRIVERS}, preload=()) as box:
        assert box.evaluate(tmp_path, [Query("a.py", "f")], {})[0].value == 1
        assert box.folder.is_dir() and box.stem is not None
        process = box.stem.process
    assert not box.folder.exists() and process.returncode is not None
