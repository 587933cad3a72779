"""Asking a submission that may be hostile: it runs in a process that has nothing, and only plain values come back.

    with Sandbox(folder, library) as box:
        answers = box.evaluate(folder, queries, holes)

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
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import teachdiff
from teachdiff.course import wire
from teachdiff.course.model import Answer, Holes, Query
from teachdiff.course.submissions import take

PACKAGE = Path(teachdiff.__file__).resolve().parent
PRELOAD: Sequence[str] = ("numpy", "torch")
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
            "namespaces": "Its own mount, process, network, IPC and host-name namespaces; seccomp",
            "landlock": "No namespaces here; Landlock, seccomp",
            "permissions": "Neither namespaces nor Landlock here; file permissions, seccomp",
            "nothing": "This system has no layer that we know; limits on time only",
        }
        text = layers[self.how] + (", a user of its own" if self.own_user else ", the grader's own user")
        held, open_ = ([what for what, k in kept.items() if k is wanted] for wanted in (True, False))
        return (
            f"{text}. Kept from: {', '.join(held) or 'nothing'}."
            + (f" NOT kept from: {', '.join(open_)}." if open_ else "")
        )  # fmt: skip


class Ended(Exception):
    """The process that runs the submission will not answer any more; the text says why."""


Library = Callable[[Holes], Mapping[str, str]]


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
    system = ["/usr", "/lib", "/lib32", "/lib64", "/bin", "/nix/store", "/etc/ld.so.cache", "/etc/alternatives"]
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


class Sandbox:
    """One submission, and the processes that run it.

        with Sandbox(folder, library) as box:
            answers = box.evaluate(folder, queries, holes)

    When the process that runs it ends on the way, another takes the next question; the function at which it ended is
    asked no more.

    Arguments:
        submission: a folder or a zip.
        library: holes -> file -> text: what the submission sees in place of the installed package.
        limits: of time, memory and the like.
        layers: what holds it; the strongest that can be had by default.
        parent: a folder for what is written meanwhile; that of the system's temporary files by default.
        preload: packages that are loaded before the clock runs; `PRELOAD` by default.

    Attributes:
        isolation: what holds it.
        digest: of the submission's content.
    """

    def __init__(
        self,
        submission: Path,
        library: Library,
        *,
        limits: Limits = LIMITS,
        layers: tuple[str, bool] | None = None,
        parent: Path | None = None,
        preload: Sequence[str] | None = None,
    ) -> None:
        if layers is None:
            held = isolation()
            layers = (held.how, held.own_user)
        self.library, self.limits, self.layers = library, limits, layers
        self.preload = PRELOAD if preload is None else preload
        self.printed, self.dropped = bytearray(), 0
        self.dead: dict[tuple[str, str], str] = {}
        self.spent = 0.0
        self.stem: Stem | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="teachdiff-", dir=parent))
        try:
            (self.folder / "root").mkdir()
            self.files = self.folder / "files"
            self.files.mkdir()
            self.folder.chmod(0o711)  # a user of its own passes through, and lists nothing
            self.digest = take(submission, self.files / "submission")
            readable_by_all(self.files)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Sandbox":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process and remove every file."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def submission(self) -> Path:
        """The clean copy of what was handed in."""
        return self.files / "submission"

    @property
    def output(self) -> str:
        """The first of what the submission printed, as it may be shown."""
        text = wire.readable(self.printed.decode("utf-8", "replace"), self.limits.output)
        return text + (f"\n({self.dropped} more bytes)\n" if self.dropped else "")

    def evaluate(self, folder: Path, queries: Sequence[Query], holes: Holes) -> list[Answer]:
        """The answers, in order. It never raises for what the submission does.

        Arguments:
            folder: not read: the submission was copied at the beginning.
            holes: module -> function -> message, what is cut out of the library.

        Raises:
            RuntimeError: no process could be started.
        """
        self.end_worker()
        write_library(self.files / "library", core() | dict(self.library(holes)))
        answers = [self.answer(query) for query in queries]
        self.end_worker()
        return answers

    def answer(self, query: Query) -> Answer:
        key, left = (query.file, query.function), self.limits.total - self.spent
        if key in self.dead:
            return Answer(error=f"not asked again: {self.dead[key]}")
        if left <= 0:
            return Answer(error=f"not asked: all questions together took more than {self.limits.total:g} s")
        stem = self.with_worker()
        begun = time.monotonic()
        try:
            return stem.ask(query, min(self.limits.seconds, left))
        except Ended as error:
            self.dead[key] = str(error)
            self.end_worker()
            return Answer(error=str(error))
        finally:
            self.spent += time.monotonic() - begun

    def with_worker(self) -> "Stem":
        """A stem that has a worker. No line of the submission has run in that yet: if it fails, the grader did."""
        try:
            if self.stem is None:
                self.stem = Stem(self)
            if self.stem.worker is None:
                self.stem.start_worker()
            return self.stem
        except Ended as error:
            self.stop()
            said = f" It said: {self.output[-2000:]}" if self.output else ""
            raise RuntimeError(f"no process could be started to run a submission in: {error}.{said}") from None

    def end_worker(self) -> None:
        """So that the next question meets a new one; the stem stays if it can."""
        if self.stem is not None and not self.stem.end_worker():
            self.stop()

    def stop(self) -> None:
        if self.stem is not None:
            self.stem.close()
            self.stem = None

    def keep(self, part: bytes) -> None:
        """What was printed: the first of it."""
        room = self.limits.output - len(self.printed)
        self.printed += part[:room]
        self.dropped += max(0, len(part) - room)


class Stem:
    """The process with the packages loaded, and the worker that it has forked, if any.

    Raises:
        Ended: Python or its packages do not start.
    """

    def __init__(self, box: Sandbox) -> None:
        self.box, limits = box, box.limits
        self.worker: tuple[int, int] | None = None  # our ends of the pipes for questions and for answers
        how, own_user = box.layers
        paths, listed = visible()
        self.control, theirs = socket.socketpair()
        spec: dict[str, Any] = {
            "how": how, "own_user": own_user, "parent": os.getpid(), "control": theirs.fileno(),
            "visible": [*paths, str(box.files)], "listed": listed, "root": str(box.folder / "root"),
            "library": str(box.files / "library"), "submission": str(box.submission),
            "packages": [str(path) for path in site_folders()], "preload": list(box.preload),
            "limits": asdict(limits) | {"memory": limits.memory + size_of_torch()},
        }  # fmt: skip
        if not (own_user or how == "namespaces"):
            spec["limits"]["threads"] = None  # the kernel would count the threads of all of the user's processes
        # no HOME, no token, no path: what is here is all that it gets. One thread, so that sums round alike everywhere.
        environment = {"LANG": "C.UTF-8", "LOGNAME": "student", "USER": "student", "PYTHONHASHSEED": "0"}
        environment |= dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", "-u", JAIL, json.dumps(spec)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
                cwd="/", pass_fds=[theirs.fileno()], start_new_session=True, bufsize=0,
            )  # fmt: skip
        assert self.process.stdout is not None
        self.printed = self.process.stdout
        os.set_blocking(self.printed.fileno(), False)
        self.control.setblocking(False)
        try:
            self.word(time.monotonic() + limits.start, f"Python did not start within {limits.start:g} s")
        except BaseException:
            self.close()
            raise

    # the worker

    def start_worker(self) -> None:
        to_worker, questions = os.pipe()
        answers, from_worker = os.pipe()
        self.worker = questions, answers
        socket.send_fds(self.control, [b"worker"], [to_worker, from_worker])
        os.close(to_worker)
        os.close(from_worker)
        for fd in self.worker:
            os.set_blocking(fd, False)
        self.receive(time.monotonic() + self.box.limits.start, "the library did not load")

    def end_worker(self) -> bool:
        """Whether the stem can fork another: not where a worker goes on although nobody listens."""
        if self.worker is not None:
            for fd in self.worker:
                os.close(fd)
            self.worker = None
            try:
                self.word(time.monotonic() + 1, "it goes on")
            except Ended:
                return False
        return True

    def word(self, deadline: float, late: str) -> str:
        """What the stem says."""
        self.wait(self.control.fileno(), deadline, late)
        said = self.control.recv(64).decode()
        if not said:
            raise Ended("the process around it has ended: it took too much memory, or packages do not load")
        return said

    def ask(self, query: Query, seconds: float) -> Answer:
        """The answer to one question; an error of the function is one too.

        Raises:
            Ended: the worker can be asked no more.
        """
        nonce, begun = secrets.token_hex(16), time.monotonic()
        question = {"nonce": nonce, "file": query.file, "function": query.function, "driver": query.driver,
                    "arguments": dict(query.arguments)}  # fmt: skip
        late, deadline = f"it took more than {seconds:.3g} s", begun + seconds
        self.send(wire.pack(question, 1 << 30), deadline, late)
        answer = self.receive(deadline, late)
        spent = time.monotonic() - begun
        if not (isinstance(answer, dict) and answer.get("nonce") == nonce):
            raise Ended("it wrote something else where its answers go")
        if "value" in answer:
            return Answer(value=answer["value"], seconds=spent)
        return Answer(error=wire.readable(answer.get("error") or "it gave no answer", 1000), seconds=spent)

    def send(self, data: bytes, deadline: float, late: str) -> None:
        assert self.worker is not None
        rest = memoryview(data)
        while rest:
            self.wait(self.worker[0], deadline, late, selectors.EVENT_WRITE)
            with contextlib.suppress(BlockingIOError):
                try:
                    rest = rest[os.write(self.worker[0], rest) :]
                except BrokenPipeError:
                    raise Ended(self.how_it_ended()) from None

    def receive(self, deadline: float, late: str) -> Any:
        try:
            prefix = self.read(wire.PREFIX.size, deadline, late)
            head, arrays = wire.lengths(prefix, self.box.limits.answer)
            return wire.unpack(self.read(head, deadline, late), self.read(arrays, deadline, late))
        except wire.NotPlain as error:
            raise Ended(f"its answer is no plain value: {error}") from None

    def read(self, count: int, deadline: float, late: str) -> bytes:
        assert self.worker is not None
        data = bytearray()
        while len(data) < count:
            self.wait(self.worker[1], deadline, late)
            with contextlib.suppress(BlockingIOError):
                part = os.read(self.worker[1], min(count - len(data), 1 << 20))
                if not part:
                    raise Ended(self.how_it_ended())
                data += part
        return bytes(data)

    def wait(self, fd: int, deadline: float, late: str, event: int = selectors.EVENT_READ) -> None:
        """Until `fd` is ready; what is printed is taken in meanwhile, lest the worker wait for us."""
        with selectors.DefaultSelector() as ready:
            awaited, printed = ready.register(fd, event), ready.register(self.printed, selectors.EVENT_READ)
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Ended(late)
                keys = [key for key, _ in ready.select(left)]
                if printed in keys and not self.take_output():
                    ready.unregister(self.printed)
                if awaited in keys:
                    return

    def take_output(self) -> bool:
        """Take some of what was printed; false at the end."""
        try:
            part = os.read(self.printed.fileno(), 1 << 16)
        except BlockingIOError:
            return True
        self.box.keep(part)
        return bool(part)

    def how_it_ended(self) -> str:
        """After the worker has closed its pipes."""
        try:
            code = int(self.word(time.monotonic() + 1, "it closed the pipes"))
        except Ended as error:
            return str(error)
        for fd in self.worker or ():
            os.close(fd)
        self.worker = None
        if code in (-signal.SIGXCPU, -signal.SIGKILL):
            return "it was ended by the system: it took too much CPU time or memory"
        if code < 0:
            return f"its process ended by {signal.Signals(-code).name}"
        return f"its process ended itself, with exit code {code}"

    def close(self) -> None:
        """Kill every process, and wait until all are gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        # whoever is left holds the other end of what is printed
        deadline = time.monotonic() + 5
        with selectors.DefaultSelector() as ready:
            ready.register(self.printed, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0 and (not ready.select(left) or self.take_output()):
                pass
        self.printed.close()
        self.control.close()
        for fd in self.worker or ():
            os.close(fd)
        self.worker = None


def write_library(folder: Path, library: Mapping[str, str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in library.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    readable_by_all(folder)


def readable_by_all(folder: Path) -> None:
    """Whatever the grader's umask is."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


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
def attempt(how: str, own_user: bool, keep: tuple[str, ...] = ()) -> Isolation | str:
    """What these layers hold here, or why they cannot be had; `keep` are more files that must not be read."""
    library = {"teachdiff/course/drivers.py": DRIVERS}
    with tempfile.TemporaryDirectory(prefix="teachdiff-") as source:
        Path(source, "probe.py").write_text(PROBE, encoding="utf-8")
        sources = [*keep, *(str(PACKAGE / name) for name in ("__init__.py", "schedules.py", "course/sandbox.py"))]
        name = Path(source).name
        files = [f"{place}/{name}.probe" for place in (tempfile.gettempdir(), "/dev/shm", "/var/tmp")]
        query = Query("probe.py", "probe", {"sources": sources, "files": files})
        with Sandbox(Path(source), lambda holes: library, layers=(how, own_user), preload=()) as box:
            try:
                (answer,) = box.evaluate(Path(source), [query], {})
            except RuntimeError as error:
                return str(error)
    return answer.error or Isolation(how, own_user, **answer.value)


@functools.cache
def isolation(keep: tuple[str, ...] = ()) -> Isolation:
    """The strongest layers that hold here; where none is safe, the last that can be had at all.

    Arguments:
        keep: files that must not be read, beside the library's own.

    Raises:
        RuntimeError: this is Windows, or not even a plain child process answers.
    """
    if os.name == "nt":
        raise RuntimeError("submissions are run on Linux or macOS only: on Windows, use WSL 2 or Colab.")
    last: Isolation | str = ""
    for way in ways():
        found = attempt(*way, keep)
        if isinstance(found, Isolation):
            if found.safe:
                return found
            last = found
        elif isinstance(last, str):
            last = found
    if isinstance(last, str):
        raise RuntimeError(last)
    return last
