"""run.py, without network: each test works on a copy of it in a folder of its own, with installers that do nothing."""

import ast
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "run.py"
PYPROJECT = """
[dependency-groups]
test = ["teachdiff[metrics]", "pytest>=9"]
docs = ["mkdocs"]
"""


@pytest.fixture
def folder(tmp_path):
    """A project folder with a space in its path."""
    folder = tmp_path / "the project"
    folder.mkdir()
    (folder / "run.py").write_bytes(SOURCE.read_bytes())
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "constraints.txt").write_text("torch==2.13.0\n")
    return folder


@pytest.fixture
def run(folder, monkeypatch):
    """The module run.py of that folder; installers only write down how they were called."""
    monkeypatch.delenv("TEACHDIFF_INSTALLER", raising=False)
    spec = importlib.util.spec_from_file_location("run_under_test", folder / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.calls = []
    monkeypatch.setattr(module, "stream", lambda command: pretend(module, command))
    monkeypatch.setattr(module, "execute", lambda lines, folder: module.calls.append(("execute", lines, folder)) or 7)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    return module


def pretend(run, command):
    """Do of an installer's work only what run.py looks at: a python in the environment."""
    run.calls.append(command)
    if "venv" in command[:3]:
        run.PYTHON.parent.mkdir(parents=True)
        run.PYTHON.write_text("")
    return 0, ""


def installs(run):
    return [call for call in run.calls if "install" in call]


def environments(run):
    return [call for call in run.calls if "venv" in call[:3]]


def test_a_first_start_makes_the_environment_installs_and_runs(run, folder):
    assert run.main(["tour", "--out", "x y"]) == 7
    make, install, execute = run.calls
    assert make == [sys.executable, "-m", "venv", str(folder / ".venv")]
    assert install[0] == str(run.PYTHON)
    assert install[-4:] == ["-c", "constraints.txt", "-e", "."]
    assert execute == ("execute", [[str(run.BIN / "teachdiff"), "tour", "--out", "x y"]], None)


def test_a_second_start_installs_nothing(run):
    run.main(["tour"])
    run.calls.clear()
    run.main(["prove"])
    assert [call[0] for call in run.calls] == ["execute"]


def test_a_command_adds_only_its_own_group(run):
    run.main(["tour"])
    run.main(["test"])
    run.main(["lint"])
    run.main(["site"])
    run.main(["test"])
    assert len(environments(run)) == 1
    wanted = [install[install.index("-e") + 1 :] for install in installs(run)]
    assert wanted == [["."], [".[metrics]", "pytest>=9"], [".[metrics]", "mkdocs", "pytest>=9"]]


TWO_CORES = ["-n", "2", "--dist", "loadfile"]


@pytest.mark.parametrize(
    ("arguments", "group", "lines", "at_root"),
    [
        (["test", "-k", "a b"], "test", [["python", "-m", "pytest", *TWO_CORES, "-k", "a b"]], True),
        (["lint"], "test", [["python", "-m", "ruff", "check"], ["python", "-m", "mypy"]], True),
        (["peers"], "peers", [["python", "-m", "pytest", "-m", "peers", "tests/peers"]], True),
        (["mutate"], "mutation", [["python", "tests/mutation.py"]], True),
        (["site"], "docs", [["python", "-m", "docs.generator"]], True),
        (["gate"], "test", [["python", "-m", "pytest", "-m", "browser", "-n", "2", "tests/site"]], True),
        (["links"], "test", [["python", "tests/site/links.py"]], True),
        (["restore", "my photo.png"], None, [["teachdiff", "restore", "my photo.png"]], False),
        (["--version"], None, [["teachdiff", "--version"]], False),
    ],
)
def test_plan(run, folder, arguments, group, lines, at_root):
    found_group, found_lines, found_folder = run.plan(arguments)
    assert found_group == group
    assert [[Path(line[0]).stem, *line[1:]] for line in found_lines] == lines
    assert found_folder == (folder if at_root else None)


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_file_installs_again_in_the_same_environment(run, folder, name):
    run.main(["test"])
    (folder / name).write_text((folder / name).read_text() + "# changed\n")
    run.main(["tour"])
    assert len(environments(run)) == 1
    assert len(installs(run)) == 2
    assert "pytest>=9" in installs(run)[1], "what was there before stays up to date"


def another_python(run, folder, monkeypatch):
    monkeypatch.setattr(run.sys, "version_info", (3, 99, 0, "final", 0))


def moved_folder(run, folder, monkeypatch):
    monkeypatch.setattr(run, "ROOT", folder.parent)
    for name in ("pyproject.toml", "constraints.txt"):
        (folder.parent / name).write_bytes((folder / name).read_bytes())


def vanished_python(run, folder, monkeypatch):
    run.PYTHON.unlink()
    run.PYTHON.symlink_to(folder / "gone")


def interrupted_install(run, folder, monkeypatch):
    run.write_stamp()


def damaged_stamp(run, folder, monkeypatch):
    run.STAMP.write_text("{")


def stamp_of_another_shape(run, folder, monkeypatch):
    run.STAMP.write_text("[1]")


WRECKS = [another_python, moved_folder, vanished_python, interrupted_install, damaged_stamp, stamp_of_another_shape]


@pytest.mark.parametrize("wreck", WRECKS)
def test_an_environment_that_cannot_be_used_is_made_anew(run, folder, monkeypatch, wreck):
    run.main(["tour"])
    (run.VENV / "left over").touch()
    wreck(run, folder, monkeypatch)
    assert run.main(["tour"]) == 7
    assert len(environments(run)) == 2
    assert not (run.VENV / "left over").exists()


def test_a_half_made_environment_is_made_anew(run, monkeypatch):
    monkeypatch.setattr(run, "stream", lambda command: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run.main(["tour"]) == 130
    assert run.VENV.exists() and not run.is_ready(None)
    monkeypatch.setattr(run, "stream", lambda command: pretend(run, command))
    assert run.main(["tour"]) == 7
    assert json.loads(run.STAMP.read_text())["groups"] == []


def test_a_folder_without_python_is_no_environment(run):
    (run.VENV / "lib").mkdir(parents=True)
    assert run.main(["tour"]) == 7
    assert not (run.VENV / "lib").exists()


def test_an_environment_of_another_tool_is_left_alone(run, capsys):
    run.PYTHON.parent.mkdir(parents=True)
    run.PYTHON.write_text("precious")
    assert run.main(["tour"]) == 1
    assert "made by another tool" in capsys.readouterr().err
    assert run.PYTHON.read_text() == "precious"


def test_a_file_in_the_way(run, capsys):
    run.VENV.write_text("precious")
    assert run.main(["tour"]) == 1
    assert "is no folder" in capsys.readouterr().err
    assert run.VENV.read_text() == "precious"


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_python3_venv_is_missing(run, monkeypatch, capsys, missing):
    found = importlib.util.find_spec
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None if name == missing else found(name))
    assert run.main(["tour"]) == 1
    captured = capsys.readouterr()
    assert "apt install python3-venv" in captured.err
    assert captured.out == ""
    assert not run.VENV.exists()


def test_uv_is_used_where_found_and_needs_no_ensurepip(run, monkeypatch):
    monkeypatch.setattr(run.shutil, "which", lambda name: "/somewhere/uv" if name == "uv" else None)
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None)
    assert run.main(["test"]) == 7
    make, install, _ = run.calls
    assert make[:2] == ["/somewhere/uv", "venv"] and sys.executable in make
    assert install[:5] == ["/somewhere/uv", "pip", "install", "--python", str(run.PYTHON)]
    assert "pytest>=9" in install


def test_uv_can_be_declined(run, monkeypatch):
    monkeypatch.setattr(run.shutil, "which", lambda name: "/somewhere/uv")
    monkeypatch.setenv("TEACHDIFF_INSTALLER", "pip")
    assert run.main(["tour"]) == 7
    assert [install[0] for install in installs(run)] == [str(run.PYTHON)]


PIP_OFFLINE = (
    "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(Failed to establish a new "
    "connection: [Errno -3] Temporary failure in name resolution)': /simple/torch/\n"
    "ERROR: Could not find a version that satisfies the requirement torch (from versions: none)\n"
    "ERROR: No matching distribution found for torch"
)
UV_OFFLINE = "error: Failed to fetch\n  Caused by: error sending request for url\n  Caused by: dns error"
DISK_FULL = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
READ_ONLY = "ERROR: Could not install packages due to an OSError: [Errno 30] Read-only file system: 'x'"
NO_ANSWER = "ERROR: Could not find a version that satisfies the requirement hatchling>=1.26 (from versions: none)"
NO_WHEEL = "ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from versions: 2.2.2)"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (PIP_OFFLINE, "could not be reached"),
        (UV_OFFLINE, "could not be reached"),
        (DISK_FULL, "disk is full"),
        (READ_ONLY, "where you may write"),
        (NO_ANSWER, "gave no answer"),
        (NO_WHEEL, "no version of a package fits"),
        ("ERROR: something new", "the reason stands above"),
    ],
)
def test_a_failed_install_says_why_and_is_not_taken_for_done(run, monkeypatch, capsys, output, expected):
    def failing(command):
        return (1, output) if "install" in command else pretend(run, command)

    monkeypatch.setattr(run, "stream", failing)
    assert run.main(["tour"]) == 1
    error = capsys.readouterr().err
    assert expected in error.splitlines()[-1]
    assert output in error
    assert not run.is_ready(None)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PermissionError(13, "Permission denied"), "where you may write"),
        (OSError(28, "No space left on device"), "disk is full"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_a_folder_that_cannot_be_written(run, monkeypatch, capsys, error, expected):
    def refuse(*args, **kwargs):
        raise error

    monkeypatch.setattr(type(run.VENV), "mkdir", refuse)
    assert run.main(["tour"]) == 1
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_missing_file_is_named(run, folder, capsys, name):
    (folder / name).unlink()
    assert run.main(["tour"]) == 1
    assert name in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("  Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (530.6 MB)", "  fetching torch (530.6 MB)"),
        ("Downloading https://host/a/torch-2.13.0.whl (1.2 GB)", "  fetching torch (1.2 GB)"),
        ("Downloading nvidia-cudnn-cu13 (340.2MiB)", "  fetching nvidia-cudnn-cu13 (340.2 MiB)"),
        ("  Downloading rich-15.0.0-py3-none-any.whl (310 kB)", None),
        ("  Downloading sympy-1.14.0-py3-none-any.whl (6.3 MB)", None),
        ("Requirement already satisfied: numpy", None),
        ("Installing collected packages: mpmath, sympy", "  unpacking"),
    ],
)
def test_progress_is_calm(run, line, shown):
    assert run.progress(line) == shown


@pytest.mark.parametrize("version", [(2, 7), (3, 6, 15), (3, 10, 99)])
def test_an_old_python_is_told(run, version):
    text = run.too_old(version)
    assert "needs Python 3.11 or newer" in text and ".".join(map(str, version[:2])) in text


@pytest.mark.parametrize("version", [(3, 11), (3, 13, 1), (3, 14, 0), (4, 0)])
def test_a_new_python_is_welcome(run, version):
    assert run.too_old(version) is None


def test_an_old_python_can_read_run_py():
    """The message for old Pythons is worth nothing if they stop at the grammar."""
    ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 7))


def test_run_py_needs_the_standard_library_only():
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in imports if isinstance(node, ast.ImportFrom)}
    assert names and {name.split(".")[0] for name in names} <= sys.stdlib_module_names


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_installs_nothing(folder, tmp_path, arguments):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    command = [sys.executable, folder / "run.py", *arguments]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("usage: python3 run.py") and done.stderr == ""
    assert not (folder / ".venv").exists()


def finished_environment(folder, script):
    """An environment that run.py takes for finished, whose teachdiff command is a shell script."""
    bin = folder / ".venv" / "bin"
    bin.mkdir(parents=True)
    (bin / "python").symlink_to(sys.executable)
    (bin / "teachdiff").write_text(f"#!/bin/sh\n{script}\n")
    (bin / "teachdiff").chmod(0o755)
    code = "import run; run.write_stamp(home=run.home(), fingerprint=run.fingerprint(), groups=[])"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


posix = pytest.mark.skipif(os.name == "nt", reason="the stand-in for teachdiff is a shell script")


@posix
def test_the_exit_code_and_the_folder_of_the_user_are_passed_on(folder, tmp_path):
    finished_environment(folder, 'pwd; echo "$@"; exit 42')
    command = [sys.executable, "../the project/run.py", "restore", "a b"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (42, "")
    assert done.stdout.splitlines() == [str(elsewhere.resolve()), "restore a b"]


@posix
def test_ctrl_c_reaches_the_command(folder):
    finished_environment(folder, 'trap "echo stopped; exit 130" INT; echo started; while :; do sleep 0.05; done')
    command = [sys.executable, str(folder / "run.py"), "tour"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "stopped\n", "")


@posix
def test_a_command_that_is_gone_is_named(folder):
    finished_environment(folder, "exit 0")
    (folder / ".venv" / "bin" / "teachdiff").unlink()
    done = subprocess.run([sys.executable, folder / "run.py", "tour"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Delete" in done.stderr and "Traceback" not in done.stderr


@posix
def test_a_second_start_waits_for_the_first(folder, tmp_path):
    """Both want to make the environment; only one does, and the other finds it ready."""
    fake = tmp_path / "uv"
    log = tmp_path / "log"
    fake.write_text(
        f'#!/bin/sh\necho "$1" >> "{log}"\nif [ "$1" = venv ]; then mkdir -p "{folder}/.venv/bin"; sleep 0.5\n'
        f'ln -s "{sys.executable}" "{folder}/.venv/bin/python"\n'
        f'else printf "#!/bin/sh\\necho ran\\n" > "{folder}/.venv/bin/teachdiff"\n'
        f'chmod +x "{folder}/.venv/bin/teachdiff"; fi\n'
    )
    fake.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("TEACHDIFF_INSTALLER", None)
    command = [sys.executable, str(folder / "run.py"), "tour"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) for _ in range(2)]
    assert [process.communicate(timeout=60)[0] for process in both] == ["ran\n", "ran\n"]
    assert log.read_text().split() == ["venv", "pip"]


@posix
@pytest.mark.slow
def test_a_ready_start_is_quick(folder):
    finished_environment(folder, "exit 0")
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-I", folder / "run.py", "tour"], check=True)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.2, f"a start with nothing to install took {min(seconds):.2f} s"
