#!/usr/bin/env python3
"""Start teachdiff on a fresh machine, with nothing but Python.

The first start makes `.venv` beside this file and installs the package there, in the versions of
constraints.txt. A stamp in `.venv` says what was installed from which files, so that later starts
only compare the stamp and go on.
"""

import sys

OLDEST = (3, 11)


def too_old(version):
    """None, or what to say to somebody whose Python is `version`."""
    if tuple(version[:2]) >= OLDEST:
        return None
    text = "teachdiff needs Python {}.{} or newer; this is {}.{} ({}). Run it with a newer one: python3.13 run.py"
    return text.format(*OLDEST, *version[:2], sys.executable)


# Before the imports that an old Python lacks: it shall say this, not "ModuleNotFoundError".
if too_old(sys.version_info):
    sys.exit("run.py: " + str(too_old(sys.version_info)))

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import tomllib
from collections import deque
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "teachdiff.json"
WINDOWS = os.name == "nt"
BIN = VENV / ("Scripts" if WINDOWS else "bin")
PYTHON = BIN / ("python.exe" if WINDOWS else "python")

# What each of our own commands runs (modules, or files of this folder) and which dependency group of pyproject.toml
# it needs beyond the core.
COMMANDS: dict[str, tuple[str | None, list[list[str]]]] = {
    "test": ("test", [["pytest", "-n", "2", "--dist", "loadfile"]]),  # a file stays together, its fixtures too
    "peers": ("peers", [["pytest", "-m", "peers", "tests/peers"]]),
    "peers-bench": ("peers", [["tests/peers/bench.py"]]),
    "lint": ("test", [["ruff", "check"], ["mypy"]]),
    "site": ("docs", [["docs.generator"]]),  # which ends in mkdocs build --strict
    "gate": ("test", [["pytest", "-m", "browser", "-n", "2", "tests/site"]]),
    "links": ("test", [["tests/site/links.py"]]),
    "figures": (None, [["docs/figures.py"]]),
    "mutate": ("mutation", [["tests/mutation.py"]]),
}

HELP = """\
usage: python3 run.py COMMAND [ARGUMENTS]

  tour            prove, refute, restore: the guided tour (start here)
  test [ARGS]     run the tests; ARGS go to pytest, paths are relative to this folder
  peers [ARGS]    point the property suite at azula, deepinv and diffusers
  peers-bench     time their samplers beside ours
  lint            check style and types
  site            build the site into site/: pages of the proofs first, a few minutes
  gate            open every page of the built site in a headless Chromium, with the network blocked
  links           ask whether the site's links to elsewhere still lead somewhere
  figures [NAMES] make the pictures of the site anew, from the examples
  mutate          change the formulas one by one and see whether a test notices (about half an hour)
  COMMAND [ARGS]  any other command of teachdiff: `python3 run.py list` names them

The first start installs what the command needs into .venv beside this file.
With uv on the PATH it installs with uv, unless TEACHDIFF_INSTALLER=pip.
"""

ADVICE = [
    (r"No space left on device|os error 28\b|Disk quota exceeded",
     "the disk is full. The environment needs about 1.5 GB with a CPU build of torch and 6 GB with torch's default "
     "build; free some space (or move this folder) and start again."),
    (r"Permission denied|Read-only file system|Operation not permitted|Access is denied",
     "a file could not be written. Put this folder where you may write, and start again."),
    (r"Name or service not known|name resolution|getaddrinfo failed|dns error|nodename nor servname"
     r"|NewConnectionError|Failed to establish a new connection|Network is unreachable|Connection refused"
     r"|error sending request|ConnectTimeout|ReadTimeout|Max retries exceeded|ProxyError|tcp connect error",
     "the package index could not be reached. The first start needs the network; check the connection or the proxy, "
     "and start again."),
    (r"from versions: none",
     "the package index gave no answer, or has nothing for this machine. Check the network and the proxy; Python must "
     "be 3.11 to 3.13 on a 64-bit system."),
    (r"ResolutionImpossible|No solution found|No matching distribution|Could not find a version",
     "no version of a package fits this machine and constraints.txt. Use Python 3.11 to 3.13 on a 64-bit system."),
]  # fmt: skip


class Problem(Exception):
    """Something that the user has to know; its text says what and what to do."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def home() -> str:
    """Which Python and which folder an environment was made for: it can be used with no other."""
    return f"{sys.version_info[0]}.{sys.version_info[1]} {ROOT}"


def fingerprint() -> str:
    """What was to be installed: a hash of the two files that say it."""
    files = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"\0".join(files)).hexdigest()


def read_stamp() -> dict:
    """The stamp, or {} where there is none that can be read."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def write_stamp(**stamp: object) -> None:
    new = STAMP.with_suffix(".new")
    new.write_text(json.dumps(stamp), encoding="utf-8")
    os.replace(new, STAMP)


def is_usable(stamp: dict) -> bool:
    """The environment is whole and made for this Python and this folder, though perhaps from older files."""
    return stamp.get("home") == home() and PYTHON.exists()


def is_ready(group: str | None) -> bool:
    """The environment can be used as it is: made from the present files, and the group is in it."""
    stamp = read_stamp()
    has_group = group is None or group in stamp.get("groups", [])
    return is_usable(stamp) and has_group and stamp.get("fingerprint") == fingerprint()


def requirements(groups: list[str]) -> list[str]:
    """The arguments that make an installer install this folder, editable, and the groups of pyproject.toml."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        listed = tomllib.load(file)["dependency-groups"]
    wanted = [requirement for group in groups for requirement in listed[group]]
    # Of "teachdiff[metrics]" in a group, an older pip would not see that it means this folder.
    own = [re.fullmatch(r"teachdiff\[(.+)\]", requirement) for requirement in wanted]
    extras = ",".join(match[1] for match in own if match)
    others = [requirement for requirement, match in zip(wanted, own, strict=True) if not match]
    return ["-e", f".[{extras}]" if extras else ".", *others]


def advice(output: str) -> str | None:
    """What the installer's output means in plain words, where we know."""
    return next((text for pattern, text in ADVICE if re.search(pattern, output, re.IGNORECASE)), None)


def progress(line: str) -> str | None:
    """What to show of a line that the installer prints: the large downloads, and the unpacking."""
    found = re.match(r"\s*Downloading (?:\S*/)?(\S+?)(?:-\d\S*)? \(([\d.]+) ?(MB|MiB|GB|GiB)\)", line)
    if found and (found[3][0] == "G" or float(found[2]) >= 10):
        return f"  fetching {found[1]} ({found[2]} {found[3]})"
    if line.startswith(("Installing collected packages", "Prepared ")):
        return "  unpacking"
    return None


def stream(command: list[str]) -> tuple[int, str]:
    """Run an installer, show its progress calmly, and give its exit code and the end of its output."""
    # A user-wide pip setting such as PIP_USER would install past the environment.
    environment = {k: v for k, v in os.environ.items() if k not in ("PIP_USER", "PIP_TARGET", "PIP_PREFIX")}
    last: deque[str] = deque(maxlen=60)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line)
            shown = progress(line)
            if shown:
                say(shown)
    return process.returncode, "".join(last)


def run_installer(command: list[str], what: str) -> None:
    code, output = stream(command)
    if code:
        say(output.rstrip())
        known = advice(output)
        if not known and command[0] == find_uv():
            known = "to install with pip instead of uv, set TEACHDIFF_INSTALLER=pip."
        raise Problem(f"could not {what}: " + (known or f"exit code {code}; the reason stands above."))


def find_uv() -> str | None:
    return None if os.environ.get("TEACHDIFF_INSTALLER") == "pip" else shutil.which("uv")


def make_venv(uv: str | None) -> None:
    """An empty environment, in the place of a half-made or outdated one."""
    if VENV.is_symlink() or (VENV.exists() and not VENV.is_dir()):
        raise Problem(f"{VENV} is in the way: it is no folder. Move it elsewhere and start again.")
    if PYTHON.exists() and not STAMP.exists():
        raise Problem(f"{VENV} was made by another tool. Move or delete it, and start again.")
    if uv is None and not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        version = "{}.{}".format(*sys.version_info)
        raise Problem(
            f"this Python ({sys.executable}) cannot make virtual environments: its module venv or ensurepip is "
            f"missing. On Debian and Ubuntu: sudo apt install python3-venv (or python{version}-venv). "
            "Elsewhere: use Python as its makers publish it, or install uv."
        )
    if VENV.exists():
        shutil.rmtree(VENV)
    VENV.mkdir()
    # An empty stamp comes first: should this be interrupted, the next start knows the wreck as ours and clears it.
    write_stamp()
    if uv:
        run_installer([uv, "venv", "--allow-existing", "--python", sys.executable, str(VENV)], "make .venv")
    else:
        run_installer([sys.executable, "-m", "venv", str(VENV)], "make .venv")


def install(group: str | None) -> None:
    """Bring `.venv` up to date with pyproject.toml and constraints.txt, and add the group."""
    uv, stamp = find_uv(), read_stamp()
    groups = sorted({*stamp.get("groups", []), *([group] if group else [])})
    if is_usable(stamp):
        say(f"Bringing {VENV} up to date.")
        write_stamp()
    else:
        say(
            f"Making {VENV} (Python {sys.version_info[0]}.{sys.version_info[1]}, with {'uv' if uv else 'pip'}). This "
            "happens once and takes a few minutes: torch alone is 0.2 GB as a CPU build, 3 GB in its default build."
        )
        make_venv(uv)
    installer = [uv, "pip", "install", "--python", str(PYTHON)] if uv else [
        str(PYTHON), "-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check"
    ]  # fmt: skip
    run_installer([*installer, "-c", "constraints.txt", *requirements(groups)], "install the packages")
    write_stamp(home=home(), fingerprint=fingerprint(), groups=groups)
    say("Ready.\n")


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Two first starts at once would build over each other: the second waits."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with open(__file__, "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another run.py is installing here; waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:  # a file system without locks
            pass
        yield


def prepare(group: str | None) -> None:
    """Return once the environment has what the command needs; else raise Problem."""
    try:
        if not is_ready(group):
            with one_at_a_time():
                if not is_ready(group):  # it may have become so while we waited
                    install(group)
    except OSError as error:
        raise Problem(f"could not set up {VENV}: {advice(str(error)) or error}") from error


def plan(arguments: list[str]) -> tuple[str | None, list[list[str]], Path | None]:
    """From the command line: the group to install, the command lines to run one after the other, and where."""
    name, *rest = arguments
    if name not in COMMANDS:
        # The user's own folder: the paths of images and results are relative to it.
        return None, [[str(BIN / ("teachdiff.exe" if WINDOWS else "teachdiff")), *arguments]], None
    group, modules = COMMANDS[name]
    # A module by its name, or a file: `tests` is also what other packages call theirs.
    lines = [[str(PYTHON), *([] if module[0].endswith(".py") else ["-m"]), *module, *rest] for module in modules]
    return group, lines, ROOT


def execute(lines: list[list[str]], folder: Path | None) -> int:
    """Run the command lines; the exit code is the first that is not 0."""
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    if folder:
        os.chdir(folder)
    try:
        if len(lines) == 1 and not WINDOWS:
            # This process becomes the command: signals and the exit code are its own.
            os.execve(lines[0][0], lines[0], environment)
        codes = [subprocess.call(line, env=environment) for line in lines]
    except OSError as error:
        raise Problem(f"could not start {lines[0][0]} ({error.strerror}). Delete {VENV} and start again.") from error
    return next((code for code in codes if code), 0)


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0
    try:
        group, lines, folder = plan(arguments)
        prepare(group)
        return execute(lines, folder)
    except Problem as problem:
        say(f"run.py: {problem}")
        return 1
    except KeyboardInterrupt:
        say("\nrun.py: interrupted. Start the same command again: it goes on from a clean state.")
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
