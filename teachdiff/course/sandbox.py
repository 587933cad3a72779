"""Asking a submission that may be hostile: it runs in a process that has nothing, and only plain values come back.

    run(folder, queries, library=...)

What a submission cannot do, and by what it is held (`teachdiff.course.jail` has the calls):

    stall     wall time for each question and for all, CPU time, address space, threads; one process, killed at the end
    read      it sees Python, the packages, a library with holes (`teachdiff.course.library`) and its own files
    write     no call that writes a file
    reach     no socket, no signal, no other process
    forge     whatever it writes is a value, and the values are judged here

Not every machine offers every layer. `isolation()` tries them from the strongest on, in a child that attempts each of
these things, and says what held.
"""

import contextlib
import functools
import json
import os
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import teachdiff
from teachdiff.course import wire
from teachdiff.course.model import Answer, Query
from teachdiff.course.submissions import take

PACKAGE = Path(teachdiff.__file__).resolve().parent
JAIL = str(PACKAGE / "course" / "jail.py")


@dataclass(frozen=True)
class Limits:
    """What a submission may use.

    Attributes:
        seconds: of wall time for one question.
        total: seconds of wall time for all questions of a submission.
        start: seconds of wall time until Python and its packages are loaded, before any line of the submission runs.
        cpu: seconds of CPU time of one process.
        memory: bytes of address space, beyond what the libraries of torch occupy.
        threads, open_files: so many.
        answer: bytes of one answer.
        output: bytes of what it prints that are kept.
    """

    seconds: float = 30
    total: float = 600
    start: float = 120
    cpu: int = 300
    memory: int = 3 << 30
    threads: int = 64
    open_files: int = 64
    answer: int = 32 << 20
    output: int = 1 << 16


LIMITS = Limits()


@dataclass(frozen=True)
class Isolation:
    """Which layers hold a submission on this machine, as a child that tried to break each of them found.

    Attributes:
        how: "namespaces", "landlock", "permissions" or "nothing".
        own_user: it runs as a user that owns nothing.
        reads, writes, network, processes: whether the child was kept from reading the library's source, from writing
            files, from opening a socket, from starting a process.
    """

    how: str
    own_user: bool
    reads: bool
    writes: bool
    network: bool
    processes: bool

    @property
    def safe(self) -> bool:
        """Fit for submissions of people one does not trust."""
        return self.reads and self.writes and self.network and self.processes

    def describe(self) -> str:
        """In two sentences."""
        kept = {"reading the reference": self.reads, "writing files": self.writes, "the network": self.network,
                "starting processes": self.processes}  # fmt: skip
        layers = {
            "namespaces": "its own mount, process, network, IPC and host-name namespaces; seccomp",
            "landlock": "no namespaces here; Landlock, seccomp",
            "permissions": "neither namespaces nor Landlock here; file permissions, seccomp",
            "nothing": "this system has no layer that we know; limits on time only",
        }
        text = layers[self.how] + (", a user of its own" if self.own_user else ", the grader's own user")
        held, open_ = ([what for what, k in kept.items() if k is wanted] for wanted in (True, False))
        return (
            f"{text}. Kept from: {', '.join(held) or 'nothing'}."
            + (f" NOT kept from: {', '.join(open_)}." if open_ else "")
        )  # fmt: skip


class Ended(Exception):
    """The child will not answer any more; the text says why."""


# What the child sees


def site_folders() -> list[Path]:
    """Where packages are installed: not what PYTHONPATH adds, nor the folder of an editable package."""
    import site

    names = [*site.getsitepackages(), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    if site.ENABLE_USER_SITE:
        names.append(site.getusersitepackages())
    return [path for path in map(Path, dict.fromkeys(names)) if path.is_dir()]


def hidden() -> set[Path]:
    """What tells the answers: this package, the proofs beside it, and the checkout that both may lie in."""
    found = {PACKAGE, PACKAGE.parent / "derivations"}
    if (PACKAGE.parent / "pyproject.toml").is_file():
        found.add(PACKAGE.parent)
    for folder in site_folders():
        found |= {path for pattern in ("teachdiff*", "*teachdiff.pth", "derivations") for path in folder.glob(pattern)}
    return found


def around(tree: Path, without: set[Path]) -> Iterator[Path]:
    """The largest paths that make up `tree` but hold nothing of `without`."""
    if tree in without:
        return
    if not any(tree in path.parents for path in without):
        yield tree
    else:
        for child in sorted(tree.iterdir()):
            yield from around(child, without)


@functools.cache
def visible() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What a submission can read, and folders that it can list: Python, its packages, the system's libraries."""
    system = ["/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives"]
    system += ["/dev/null", "/dev/zero", "/dev/urandom", "/dev/random", "/proc/cpuinfo", "/sys/devices/system/cpu"]
    without = hidden()
    trees = [Path(path) for path in (*system, sys.base_prefix, sys.base_exec_prefix) if os.path.lexists(path)]
    trees += site_folders()
    trees += [real for tree in trees if (real := tree.resolve()) != tree]
    found: dict[str, None] = {}
    for tree in trees:
        # a checkout may hold the environment that runs it: of that, the packages are named themselves
        inside = {path for path in without if path != tree and path not in tree.parents}
        found |= dict.fromkeys(str(path) for path in around(tree, inside))
    listed = dict.fromkeys(str(path) for tree in trees if str(tree) not in found and tree.is_dir() for path in [tree])
    covered = sorted(found, key=len)
    kept = [path for path in covered if not any(path.startswith(f"{other}/") for other in covered if other != path)
            or os.path.islink(path)]  # fmt: skip
    return tuple(kept), tuple(listed)


@functools.cache
def size_of_torch() -> int:
    """Bytes that torch's libraries may occupy: address space too, though no submission took it."""
    total = 0
    for folder in site_folders():
        for tree in (folder / "torch" / "lib", folder / "nvidia"):
            total += sum(path.stat().st_size for path in tree.rglob("*.so*") if not path.is_symlink())
    return total


# The child


class Child:
    """One process with one submission, asked one question at a time.

    Arguments:
        workspace: a folder of the grader's that holds `library`, `submission` and an empty `root`.
    """

    def __init__(self, workspace: Path, how: str, own_user: bool, limits: Limits) -> None:
        self.limits, self.output, self.dropped = limits, bytearray(), 0
        to_child, self.questions = os.pipe()
        self.answers, from_child = os.pipe()
        paths, listed = visible()
        own = [str(workspace / "library"), str(workspace / "submission")]
        spec: dict[str, Any] = {
            "how": how, "own_user": own_user, "parent": os.getpid(), "pipes": [to_child, from_child],
            "visible": [*paths, *own], "listed": listed, "root": str(workspace / "root"),
            "library": own[0], "submission": own[1], "packages": [str(path) for path in site_folders()],
            "limits": asdict(limits) | {"memory": limits.memory + size_of_torch()},
        }  # fmt: skip
        if not (own_user or how == "namespaces"):
            spec["limits"]["threads"] = None  # the kernel would count the threads of all of the user's processes
        # no HOME, no token, no path: what is here is all that it gets. One thread, so that sums round alike everywhere.
        environment = {"LANG": "C.UTF-8", "LOGNAME": "student", "USER": "student", "PYTHONHASHSEED": "0"}
        environment |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
        if os.name == "nt":  # Windows starts no process without it
            environment["SYSTEMROOT"] = os.environ.get("SYSTEMROOT", "")
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-B", "-u", JAIL, json.dumps(spec)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
            cwd=workspace / "submission", pass_fds=(to_child, from_child), start_new_session=True, bufsize=0,
        )  # fmt: skip
        for fd in (to_child, from_child):
            os.close(fd)
        assert self.process.stdout is not None
        self.printed = self.process.stdout
        for fd in (self.questions, self.answers, self.printed.fileno()):
            os.set_blocking(fd, False)
        try:
            self.receive(time.monotonic() + limits.start, "Python did not start")
        except BaseException:
            self.close()
            raise

    def ask(self, query: Query, seconds: float) -> Answer:
        """The answer to one question; the child's end and an error of its own are answers too.

        Raises:
            Ended: it can be asked no more.
        """
        nonce, begun = secrets.token_hex(16), time.monotonic()
        question = {"nonce": nonce, "file": query.file, "function": query.function, "driver": query.driver,
                    "arguments": dict(query.arguments)}  # fmt: skip
        late = f"it took more than {seconds:.3g} s"
        deadline = begun + seconds
        self.send(wire.pack(question, 1 << 30), deadline, late)
        answer = self.receive(deadline, late)
        spent = time.monotonic() - begun
        if not (isinstance(answer, dict) and answer.get("nonce") == nonce):
            raise Ended("it wrote something else where its answers go")
        if "value" in answer:
            return Answer(value=answer["value"], seconds=spent)
        return Answer(error=wire.readable(answer.get("error") or "it gave no answer", 1000), seconds=spent)

    def send(self, data: bytes, deadline: float, late: str) -> None:
        rest = memoryview(data)
        while rest:
            self.wait(deadline, late, writing=True)
            with contextlib.suppress(BlockingIOError):
                try:
                    rest = rest[os.write(self.questions, rest) :]
                except BrokenPipeError:
                    raise Ended(self.how_it_ended()) from None

    def receive(self, deadline: float, late: str) -> Any:
        try:
            prefix = self.read(wire.PREFIX.size, deadline, late)
            head, arrays = wire.lengths(prefix, self.limits.answer)
            return wire.unpack(self.read(head, deadline, late), self.read(arrays, deadline, late))
        except wire.NotPlain as error:
            raise Ended(f"its answer is no plain value: {error}") from None

    def read(self, count: int, deadline: float, late: str) -> bytes:
        data = bytearray()
        while len(data) < count:
            self.wait(deadline, late)
            with contextlib.suppress(BlockingIOError):
                part = os.read(self.answers, min(count - len(data), 1 << 20))
                if not part:
                    raise Ended(self.how_it_ended())
                data += part
        return bytes(data)

    def wait(self, deadline: float, late: str, writing: bool = False) -> None:
        """Until the pipe in question is ready; what the child prints is taken in meanwhile, lest it wait for us."""
        with selectors.DefaultSelector() as ready:
            pipe = ready.register(self.questions, selectors.EVENT_WRITE) if writing else None
            pipe = pipe or ready.register(self.answers, selectors.EVENT_READ)
            printed = ready.register(self.printed, selectors.EVENT_READ)
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Ended(late)
                keys = [key for key, _ in ready.select(left)]
                if printed in keys and not self.take_output():
                    ready.unregister(self.printed)
                if pipe in keys:
                    return

    def take_output(self) -> bool:
        """Take what was printed, keep the first of it; false at the end."""
        try:
            part = os.read(self.printed.fileno(), 1 << 16)
        except BlockingIOError:
            return True
        room = self.limits.output - len(self.output)
        self.output += part[:room]
        self.dropped += max(0, len(part) - room)
        return bool(part)

    def how_it_ended(self) -> str:
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            return "it closed the pipe for its answers"
        code = code - 256 if code > 256 - 65 else code  # a signal, as the processes around it pass it on
        if code in (-signal.SIGXCPU, -signal.SIGKILL):
            return "it was ended by the system: it took too much CPU time or memory"
        if code < 0:
            return f"its process ended by {signal.Signals(-code).name}"
        return f"its process ended itself, with exit code {code}"

    def close(self) -> None:
        """Kill it and whatever it may have started, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        # every process that it started holds the pipe; at its end all of them are gone
        deadline = time.monotonic() + 5
        with contextlib.suppress(Ended), selectors.DefaultSelector() as ready:
            ready.register(self.printed, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0 and (not ready.select(left) or self.take_output()):
                pass
        self.printed.close()
        os.close(self.questions)
        os.close(self.answers)


@contextlib.contextmanager
def workspace(submission: Path, library: Mapping[str, str], parent: Path | None = None) -> Iterator[Path]:
    """A folder with a clean copy of the submission and the library beside it; gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="teachdiff-", dir=parent))
    try:
        folder.chmod(0o711)  # a user of its own passes through, and lists nothing
        (folder / "root").mkdir()
        take(submission, folder / "submission")
        for name, text in library.items():
            path = folder / "library" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for path in folder.rglob("*"):  # whatever the grader's umask is
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# What holds on this machine

PROBE = """
import os, socket

def attempt(f, *arguments):
    try:
        f(*arguments)
        return True
    except OSError:
        return False

def read(path):
    with open(path, "rb") as file:
        file.read(1)

def write(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    os.unlink(path)

def fork():
    if os.fork() == 0:
        os._exit(0)

def probe(sources, files):
    import numpy
    return {
        "reads": not any(attempt(read, path) for path in sources),
        "writes": not any(attempt(write, path) for path in files),
        "network": not attempt(socket.socket),
        "processes": not attempt(fork),
    }
"""
DRIVERS = "DRIVERS = {'call': lambda function, **arguments: function(**arguments)}\n"


def core() -> dict[str, str]:
    """The part of the library that the child itself needs, without the drivers."""
    needed = ["course/wire.py", "course/worker.py"]
    empty = {"teachdiff/__init__.py": "", "teachdiff/course/__init__.py": ""}
    return empty | {f"teachdiff/{name}": (PACKAGE / name).read_text(encoding="utf-8") for name in needed}


def ways() -> list[tuple[str, bool]]:
    """Layers and whether with a user of its own, from the strongest on."""
    if sys.platform != "linux":
        return [("nothing", False)]
    users = [True, False] if os.geteuid() == 0 else [False]
    return [(how, own) for how in ("namespaces", "landlock", "permissions") for own in users] + [("nothing", False)]


@functools.cache
def attempt(how: str, own_user: bool) -> Isolation | str:
    """What these layers hold here, or why they cannot be had."""
    with tempfile.TemporaryDirectory(prefix="teachdiff-") as source:
        Path(source, "probe.py").write_text(PROBE, encoding="utf-8")
        with workspace(Path(source), core() | {"teachdiff/course/drivers.py": DRIVERS}) as folder:
            sources = [str(PACKAGE / name) for name in ("__init__.py", "schedules.py", "course/sandbox.py")]
            files = [f"{place}/{folder.name}" for place in (tempfile.gettempdir(), "/dev/shm", "/var/tmp", str(folder))]
            query = Query("probe.py", "probe", {"sources": sources, "files": files})
            try:
                child = Child(folder, how, own_user, LIMITS)
            except Ended as error:
                return str(error)
            try:
                answer = child.ask(query, LIMITS.start)
            except Ended as error:
                return str(error)
            finally:
                child.close()
            return answer.error or Isolation(how, own_user, **answer.value)


@functools.cache
def isolation() -> Isolation:
    """The strongest layers that hold here; where none is safe, the last that can be had at all.

    Raises:
        RuntimeError: not even a plain child process answers.
    """
    last: Isolation | str = ""
    for way in ways():
        found = attempt(*way)
        if isinstance(found, Isolation):
            if found.safe:
                return found
            last = found
        elif isinstance(last, str):
            last = found
    if isinstance(last, str):
        raise RuntimeError(f"no process could be started to run a submission in: {last}.")
    return last


# Asking


@dataclass(frozen=True)
class Evaluation:
    """What came of the queries.

    Attributes:
        answers: one for each query, in order.
        output: the first of what the submission printed, as it may be shown.
        isolation: what held it.
    """

    answers: list[Answer]
    output: str
    isolation: Isolation


def run(
    submission: Path,
    queries: Sequence[Query],
    *,
    library: Mapping[str, str],
    limits: Limits = LIMITS,
    parent: Path | None = None,
) -> Evaluation:
    """Ask a submission, a folder or a zip. It never raises for what the submission does.

    When the process ends on the way, another takes the next question; the function at which it ended is asked no more.

    Arguments:
        library: name of a file -> text: the library that the submission sees, the drivers in it.
        parent: a folder for what is written meanwhile; that of the system's temporary files by default.
    """
    held, output = isolation(), ""
    answers: list[Answer] = []
    dead: dict[tuple[str, str], str] = {}
    end = time.monotonic() + limits.total
    child: Child | None = None

    def close() -> None:
        nonlocal child, output
        if child is not None:
            child.close()
            output += child.output.decode("utf-8", "replace")[: limits.output - len(output)]
            output += f"\n({child.dropped} more bytes)\n" if child.dropped else ""
            child = None

    with workspace(submission, core() | dict(library), parent) as folder:
        try:
            for query in queries:
                key = (query.file, query.function)
                seconds = min(limits.seconds, end - time.monotonic())
                if key in dead:
                    answers.append(Answer(error=f"not asked again: {dead[key]}"))
                    continue
                if seconds <= 0:
                    answers.append(Answer(error=f"not asked: all questions together took more than {limits.total:g} s"))
                    continue
                try:
                    if child is None:
                        child = Child(folder, held.how, held.own_user, limits)
                    answers.append(child.ask(query, seconds))
                except Ended as error:
                    dead[key] = str(error)
                    answers.append(Answer(error=str(error)))
                    close()
        finally:
            close()
    return Evaluation(answers, wire.readable(output, limits.output), held)
