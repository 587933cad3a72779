"""Submissions that cheat, stall, read, write and stay: none of them gets anywhere.

Each attack hands in `f`, asked for 3 x² - 1, and an honest `g`. The grader judges what comes back. An attack says what it
must meet (`meets`, a pattern of the verdict), so that a slip in the attack itself is no success of the defence.
"""

import dataclasses
import os
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from teachdiff.course import sandbox
from teachdiff.course.model import Check, Query, judge
from teachdiff.testing.core import require_close

PATIENT = sandbox.Limits(seconds=20, total=60, cpu=20, memory=1 << 30, answer=1 << 20)
LIMITS = dataclasses.replace(PATIENT, seconds=1, total=12)  # for those that the clock must end
LIBRARY = {"teachdiff/course/drivers.py": sandbox.DRIVERS}
CANARY = "canary-5e1f0c"
FORMULA = "[3 * v**2 - 1 for v in x]"
# A layer that this machine lacks is named in the test's report, and what only it holds is not asserted.
HELD = sandbox.isolation()
needs_safe = pytest.mark.skipif(not HELD.safe, reason=f"this machine cannot hold a hostile submission: {HELD.describe()}")


def queries(rng: np.random.Generator) -> list[Query]:
    return [Query("answers.py", "f", {"x": rng.standard_normal(5).tolist()}) for _ in range(3)]


def right(asked, answers) -> None:
    for query, answer in zip(asked, answers, strict=True):
        require_close(answer.value, 3 * np.array(query.arguments["x"]) ** 2 - 1, 1e-9, 1.0, "f(x) and 3 x² - 1")


CHECK = Check("f", 1, "f(x) = 3 x² - 1", queries, right)


@dataclass(frozen=True)
class Attack:
    """One hostile submission.

    Attributes:
        meets: a pattern of the verdict on f.
        body: of the function f.
        top: what runs when the file is loaded.
        files: more files.
        spares_g: the honest g, asked after it, is answered all the same.
    """

    meets: str
    body: str = "return [-v for v in x]"
    top: str = ""
    files: dict[str, str] = field(default_factory=dict)
    spares_g: bool = True

    def write(self, folder: Path) -> None:
        body = "\n".join("    " + line for line in self.body.splitlines())
        text = f"import os, sys, time, ctypes\n{self.top}\n\ndef f(x):\n{body}\n\ndef g(x):\n    return [v + 1.0 for v in x]\n"
        for name, content in {"answers.py": text, **self.files}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)


WRONG = "3 x² - 1"  # the value itself was judged, and is wrong
PLACE = "@PLACE@"  # a folder of the grader's, with a secret in it
PACKAGE = str(sandbox.PACKAGE)

# What tells of the frames: the parent's own format, as an attacker knows it.
FORGE = """
import json, struct
def frame(value):
    head = json.dumps(value).encode()
    return struct.pack(">IQ", len(head), 0) + head
def everywhere(data):
    for fd in range(3, 64):
        try:
            os.write(fd, data)
        except OSError:
            pass
"""

ATTACKS = {
    # ending early, in the hope that nothing is something
    "os._exit(0)": Attack("ended itself, with exit code 0", "os._exit(0)"),
    "sys.exit": Attack("SystemExit: 0", "sys.exit(0)"),
    "KeyboardInterrupt": Attack("KeyboardInterrupt", "raise KeyboardInterrupt"),
    "exit when loaded": Attack("ended itself, with exit code 0", top="os._exit(0)", spares_g=False),
    "sys.exit when loaded": Attack("SystemExit", top="sys.exit(0)", spares_g=False),
    "segfault": Attack("SIGSEGV", "ctypes.string_at(0)"),
    "abort": Attack("SIGABRT", "os.abort()"),
    "kills itself": Attack("ended by the system", "os.kill(os.getpid(), 9); time.sleep(9)"),
    "no recursion limit": Attack(
        "RecursionError|SIGSEGV|ended by the system|more than",
        "sys.setrecursionlimit(10**9)\ndef deeper(n): return deeper(n + 1) + deeper(n)\nreturn deeper(0)",
    ),
    "quits at the end": Attack(
        WRONG, top="import atexit\natexit.register(lambda: os.write(1, b'all passed'))\natexit.register(os._exit, 0)"
    ),
    "__del__": Attack("ended itself, with exit code 0", "class D:\n    def __del__(self): os._exit(0)\nsys.keep = D()\nreturn x"),
    "a failure with an endless text": Attack("RuntimeError: AAAA", "raise RuntimeError('A' * 10**7)"),
    "a failure whose text fails": Attack(
        "ended|ZeroDivisionError", "class E(Exception):\n    def __str__(self): return 1 / 0\nraise E()"
    ),
    "a failure when loaded": Attack("RecursionError", top="def r(n): return r(n + 1)\nr(0)", spares_g=False),
    "a syntax error": Attack("SyntaxError", top="def (:", spares_g=False),
    # stalling
    "endless loop": Attack("took more than 1 s", "while True: pass"),
    "endless sleep": Attack("took more than 1 s", "time.sleep(1e6)"),
    "waits for stdin": Attack("EOFError", "return input()"),
    "reads the questions itself": Attack(
        "took more than|ended|something else", "for fd in range(3, 64):\n    try: os.read(fd, 1)\n    except OSError: pass"
    ),
    "closes every pipe": Attack("ended|closed", "os.closerange(0, 64)\nreturn x"),
    "ignores every signal": Attack(
        "took more than 1 s",
        "import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "while True: pass",
    ),
    "holds the interpreter": Attack("took more than 1 s|CPU time or memory", "return len(str(7 ** (10 ** 8)))"),
    "a loop that no signal of Python's ends": Attack("took more than 1 s", "import re\nre.match(r'(a+)+$', 'a' * 50 + 'b')"),
    "threads that do not end": Attack(
        WRONG, "import threading\nfor _ in range(5): threading.Thread(target=time.sleep, args=(1e6,)).start()\nreturn x"
    ),
    # taking what others need
    "fork bomb": Attack("PermissionError|BlockingIOError", "while True: os.fork()"),
    "thread bomb": Attack(
        "RuntimeError: can't start new thread|MemoryError|took more than",
        "import threading\nwhile True: threading.Thread(target=time.sleep, args=(1e6,)).start()",
    ),
    "memory bomb": Attack("MemoryError", "return bytearray(1 << 40)"),
    "memory bomb, bit by bit": Attack("MemoryError|ended by the system|took more than", "kept = []\nwhile True: kept.append(bytearray(1 << 24))"),
    "shared memory bomb": Attack("OSError", "import mmap\nkept = []\nwhile True: kept.append(mmap.mmap(-1, 1 << 26))"),
    "memory without a name": Attack("OSError|AttributeError", "fd = os.memfd_create('x')\nwhile True: os.write(fd, bytes(1 << 20))"),
    "fills the disk": Attack("Read-only", "with open('/tmp/full', 'wb') as file:\n    while True: file.write(bytes(1 << 20))"),
    "opens everything": Attack("Too many open files", "kept = [open('/dev/null') for _ in range(100000)]"),
    "floods stdout": Attack("took more than 1 s", "while True: os.write(1, b'passed ' * 9999)"),
    "floods stderr": Attack("took more than 1 s", "while True: os.write(2, b'\\x1b[2J' * 9999)"),
    "starts a program": Attack("PermissionError", "os.execv('/bin/sh', ['sh', '-c', 'true'])"),
    "starts a subprocess": Attack("PermissionError", "import subprocess\nsubprocess.run(['sh'])"),
    "leaves a daemon": Attack(
        "PermissionError",
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(1e6)\n    os._exit(0)\nreturn x",
    ),
    # forging
    "floods the pipe": Attack("something else|no plain value", FORGE + "while True: everywhere(b'\\xff' * 60000)"),
    "answers that are no message": Attack("no plain value", FORGE + "everywhere(struct.pack('>IQ', 8, 0) + b'not JSON')"),
    "an answer that is announced and never comes": Attack(
        "took more than 1 s", FORGE + "everywhere(struct.pack('>IQ', 1000, 0))\ntime.sleep(1e6)"
    ),
    "an answer of 2^60 bytes": Attack("were? announced|was announced", FORGE + "everywhere(struct.pack('>IQ', 1, 1 << 60))"),
    "a verdict in place of an answer": Attack(
        "something else", FORGE + "everywhere(frame(['dict', ['passed', True], ['score', 1], ['points', 100]]))"
    ),
    "an answer without its nonce": Attack("something else", FORGE + "everywhere(frame(['dict', ['nonce', ''], ['value', 0]]))"),
    "answers for later, written ahead": Attack(
        "something else",
        FORGE + "w = sys.modules['teachdiff.course.worker']\nfor _ in range(9): everywhere(frame(['dict', ['nonce', 'a' * 32]]))",
    ),
    "nested beyond measure": Attack(
        "no plain value", FORGE + "t = b'[' * 10**5\neverywhere(struct.pack('>IQ', len(t), 0) + t)"
    ),
    "an array larger than its bytes": Attack(
        "no plain value", FORGE + "everywhere(frame(['dict', ['value', ['array', '<f8', [10**9, 10**9], 0, 0]]]))"
    ),
    "an array of objects": Attack(
        "no plain value", FORGE + "everywhere(frame(['dict', ['value', ['array', '|O', [0], 0, 0]]]))"
    ),
    "a pickle": Attack(
        "something else|no plain value|announced",
        FORGE + "import pickle\nclass P:\n    def __reduce__(self): return os.system, ('touch /tmp/pwned',)\neverywhere(pickle.dumps(P()))",
    ),
    # values that are no values
    "equal to everything": Attack("got a ", "class E:\n    def __eq__(self, other): return True\n    def __sub__(self, other): return 0\nreturn E()"),
    "an array that is always right": Attack(
        "got a |" + WRONG,
        "import numpy\nx = numpy.array(x)\nclass A(numpy.ndarray):\n    def __eq__(self, other): return True\n    def __sub__(self, other): return 0 * x\n"
        "    __rsub__ = __sub__\n    def __array_ufunc__(self, *a, **k): return 0 * x\nreturn (-x).view(A)",
    ),
    "a number that is always right": Attack(
        "got a |" + WRONG + "|the shapes differ", "class F(float):\n    def __eq__(self, other): return True\n    __hash__ = None\nreturn F(1.0)"
    ),
    "NaN": Attack("nan beside", "return [float('nan') for v in x]"),
    "infinity": Attack("inf beside", "return [float('inf') for v in x]"),
    "nothing": Attack("None|shapes differ|cannot be judged", "return None"),
    "a text": Attack("shapes differ|cannot be judged", "return 'passed'"),
    "too few numbers": Attack("the shapes differ", "return [3 * x[0] ** 2 - 1]"),
    "no numbers": Attack("the shapes differ", "return x[:0]"),
    "another shape": Attack("the shapes differ", "return [[3 * v**2 - 1 for v in x]]"),
    "numbers too coarse": Attack(WRONG, "import numpy\nreturn (3 * numpy.array(x) ** 2 - 1).astype(numpy.float16)"),
    "truth values": Attack(WRONG + "|cannot be judged", "return [v == v for v in x]"),
    "a huge array": Attack("arrays may take", "import numpy\nreturn numpy.zeros(10**7)"),
    "a huge list": Attack("may take|took more than", "return [0.5] * 10**6"),
    "a list that holds itself": Attack("nested", "a = []\na.append(a)\nreturn a"),
    "a dictionary of numbers": Attack("must be texts", "return {1: 2}"),
    "an endless generator": Attack("got a ", "return (i for i in iter(int, 1))"),
    "an integer of a million digits": Attack("ValueError|cannot be judged|shapes differ|no plain value|took more than", "return 10 ** 10**6"),
    "text of half a letter": Attack(r"UnicodeEncodeError|shapes differ|cannot be judged", "return '\\ud800' * 9"),
    # taking the tools over
    "replaces numpy's functions": Attack(
        WRONG, top="import numpy\nnumpy.allclose = numpy.array_equal = lambda *a, **k: True\nnumpy.abs = lambda a: 0 * a"
    ),
    "replaces the laws": Attack(
        "no attribute|ModuleNotFoundError|cannot import",
        "import teachdiff.testing.core as core\ncore.require_close = lambda *a: None\nreturn x",
    ),
    "replaces the child's own code": Attack(
        "something else", "import __main__, teachdiff.course.worker as w\nw.write = lambda fd, v: os.write(fd, w.wire.pack({'passed': True}, 999))\nreturn x"
    ),
    "conftest.py": Attack(
        WRONG, files={"conftest.py": "def pytest_runtest_makereport(item, call):\n    call.excinfo = None\n", "pytest.ini": "[pytest]\n"}
    ),
    "sitecustomize.py": Attack(WRONG, files={"sitecustomize.py": "import os\nos._exit(0)\n", "usercustomize.py": "import os\nos._exit(0)\n"}),
    "files named as packages": Attack(
        WRONG, top="import numpy\nassert hasattr(numpy, 'linalg')",
        files=dict.fromkeys(("torch.py", "numpy.py", "json.py", "teachdiff.py", "teachdiff/__init__.py", "wire.py"), "import os\nos._exit(0)\n"),
    ),
    "writes the results itself": Attack(
        "Read-only", "open('results.json', 'w').write('{\"score\": 100}')", files={"results.json": '{"score": 100, "tests": []}'}
    ),
    "says that it passed": Attack(WRONG, "print('PASSED 100 %')\nprint('{\"score\": 100}', file=sys.stderr)\nreturn x"),
    "learnt the public draws by heart": Attack(
        WRONG, f"known = {[list(map(float, q.arguments['x'])) for q in queries(np.random.default_rng(0))]}\n"
        "return [3 * v**2 - 1 for v in x] if x in known else x"
    ),
    # reading
    "imports the reference": Attack("ModuleNotFoundError", "from teachdiff.schedules import noise_level\nreturn x"),
    "opens the reference": Attack("FileNotFoundError|PermissionError", f"return open({PACKAGE + '/schedules.py'!r}).read()"),
    "loads the reference from its path": Attack(
        "FileNotFoundError|PermissionError",
        f"import importlib.util as u\ns = u.spec_from_file_location('r', {PACKAGE + '/tables.py'!r})\n"
        "s.loader.exec_module(u.module_from_spec(s))\nreturn x",
    ),
    "adds the reference to its path": Attack(
        "ModuleNotFoundError|PermissionError",
        f"sys.path[:0] = [{str(sandbox.PACKAGE.parent)!r}]\nfor n in [n for n in sys.modules if n.startswith('teachdiff')]: del sys.modules[n]\n"
        "import teachdiff.tables",
    ),
    "inspects the grader": Attack(
        "got a |shapes differ|cannot be judged|no plain value|OSError|TypeError",
        "import inspect, __main__\nreturn inspect.getsource(__main__)",
    ),
    "reads the instructor's secret": Attack("FileNotFoundError|PermissionError", f"return open('{PLACE}/secret').read()"),
    "reads hidden checks": Attack("FileNotFoundError|PermissionError", f"return open({str(Path(__file__).resolve())!r}).read()"),
    "reads other submissions": Attack(
        "shapes differ|cannot be judged|FileNotFoundError|PermissionError",
        f"return [os.path.join(p, n) for p, _, ns in os.walk('{PLACE}') for n in ns]",
    ),
    "reads its environment": Attack("shapes differ|cannot be judged", "return repr(dict(os.environ))"),
    "reads the grader's environment": Attack(
        "FileNotFoundError|PermissionError", f"return open('/proc/{os.getpid()}/environ').read()"
    ),
    "reads its parent's environment": Attack("FileNotFoundError|PermissionError", "return open(f'/proc/{os.getppid()}/environ').read()"),
    "reads the grader's memory": Attack("FileNotFoundError|PermissionError", f"return open('/proc/{os.getpid()}/mem', 'rb').read(1)"),
    "reads home": Attack("FileNotFoundError|PermissionError", "return os.listdir(os.path.expanduser('~root'))"),
    "reads the passwords": Attack("FileNotFoundError|PermissionError", "return open('/etc/passwd').read()"),
    "searches every file": Attack(
        r"\[\]|shapes differ|took more than",
        "found = []\nfor place, _, names in os.walk('/'):\n    for n in names:\n        if n in ('secret', 'schedules.py', 'test_attacks.py'):\n"
        "            try: found.append(open(os.path.join(place, n)).read())\n            except OSError: pass\nreturn repr(found)",
    ),
    # reaching
    "calls home": Attack("PermissionError", "import socket\nsocket.create_connection(('127.0.0.1', @PORT@), 1).send(b'x')"),
    "a socket of the system": Attack("PermissionError", "import socket\nsocket.socket(socket.AF_UNIX).connect('/run/x')"),
    "kills the grader": Attack("PermissionError", f"os.kill({os.getpid()}, 9)"),
    "kills its parent": Attack("PermissionError", "os.kill(os.getppid(), 9)"),
    "kills everybody": Attack("PermissionError", "os.kill(-1, 9)"),
    "kills its group": Attack("PermissionError", "os.killpg(0, 9)"),
    "traces the grader": Attack(
        "OSError: -1", f"raise OSError(ctypes.CDLL(None).ptrace(16, {os.getpid()}, 0, 0))"
    ),
    "writes into the grader": Attack("OSError: -1", f"raise OSError(ctypes.CDLL(None).process_vm_writev({os.getpid()}, 0, 0, 0, 0, 0))"),
    "new namespaces": Attack("OSError: -1", "raise OSError(ctypes.CDLL(None).unshare(0x10000000))"),
    "becomes root": Attack("PermissionError|Read-only", "os.setuid(0) if os.getuid() else open('/etc/shadow', 'a')\nopen('/etc/shadow', 'a')"),
    "more memory": Attack("ValueError|PermissionError", "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))"),
    # leaving something
    "a file in /tmp": Attack("Read-only|No such file", "open('/tmp/left', 'w')"),
    "a file in shared memory": Attack("Read-only|No such file|Permission", "open('/dev/shm/left', 'w')"),
    "a file beside its own": Attack("Read-only", "open(os.path.join(os.path.dirname(__file__), 'left'), 'w')"),
    "changes its own file": Attack("Read-only", "os.unlink(__file__)"),
    "a folder": Attack("Read-only", "os.mkdir('/tmp/left')"),
    "a link": Attack("Read-only", "os.symlink('/', '/tmp/left')"),
    "shared memory that outlives it": Attack("OSError: -1", "raise OSError(ctypes.CDLL(None).shmget(7, 4096, 0o1666))"),
    "a named semaphore": Attack("OSError", "import _multiprocessing as m\nm.SemLock(1, 1, 1, '/left', False)"),
    "changes the grader's file": Attack("Read-only|No such file|Permission", f"os.truncate('{PLACE}/secret', 0)"),
    # what is shown
    "paints the terminal": Attack("RuntimeError: red", "raise RuntimeError('\\x1b[31mred\\x1b[0m \\u202e \\x07')"),
    "a formula for the spreadsheet": Attack("RuntimeError: x", "raise RuntimeError('x\\n=cmd|calc!A0')"),
}  # fmt: skip

# One of each kind; their neighbours are slow tests, for there are two processes in each.
QUICK = {
    "os._exit(0)", "sys.exit", "exit when loaded", "segfault", "quits at the end", "a failure with an endless text",
    "endless loop", "waits for stdin", "ignores every signal", "closes every pipe", "fork bomb", "thread bomb",
    "memory bomb", "fills the disk", "opens everything", "floods stdout", "leaves a daemon", "floods the pipe",
    "a verdict in place of an answer", "an array larger than its bytes", "a pickle", "equal to everything", "NaN",
    "another shape", "a huge list", "a list that holds itself", "replaces numpy's functions", "conftest.py",
    "sitecustomize.py", "files named as packages", "writes the results itself", "says that it passed",
    "learnt the public draws by heart", "imports the reference", "opens the reference",
    "reads the instructor's secret", "reads its environment", "reads the grader's environment", "calls home",
    "kills the grader", "traces the grader", "a file in /tmp", "shared memory that outlives it", "paints the terminal",
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    verdict: str
    g: object
    seconds: float
    shown: str


def ask(submission: Path, limits: sandbox.Limits = PATIENT) -> Outcome:
    """What comes of a submission: the verdict on f ("" where it passed), the answer of g, all that is shown."""
    preload = ["numpy"] if "numpy" in (submission / "answers.py").read_text() else []
    asked, begun = queries(np.random.default_rng(7)), time.monotonic()
    more = [Query("answers.py", "g", {"x": [0.0, 0.0]})]
    with sandbox.Sandbox(submission, lambda holes: LIBRARY, limits=limits, preload=preload) as box:
        answers = box.evaluate(submission, asked + more, {})
    broken = judge(CHECK, asked, answers[:3])
    shown = box.output + "".join(f"{a.value} {a.error}" for a in answers)
    return Outcome(str(broken) if broken else "", answers[3].value, time.monotonic() - begun, shown)


def everything_in(*folders: str | Path) -> set[tuple[str, int]]:
    found = set()
    for folder in folders:
        for place, _, names in os.walk(folder):
            found |= {(p, os.lstat(p).st_size) for p in (os.path.join(place, n) for n in names) if os.path.lexists(p)}
    return found


def children() -> list[str]:
    """Command lines of processes that run submissions for this test's process, wherever they are by now."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                line = Path(entry.path, "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if sandbox.JAIL in line and f'"parent": {os.getpid()},' in line:
                found.append(line)
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Where the grader keeps things: its secret, and other people's submissions."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "secret").write_text(CANARY)
    return folder


@pytest.fixture(scope="module")
def outcomes(place, request):
    """All attacks, two at a time, as in a grading."""
    os.environ["TEACHDIFF_CANARY"] = CANARY
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(2) as pool:
        server.settimeout(0.01)
        asked = {}
        wanted = {item.callspec.params["name"] for item in request.session.items if hasattr(item, "callspec")
                  and item.originalname == "test_an_attack_gets_nowhere"}  # fmt: skip
        for number, (name, attack) in enumerate((name, ATTACKS[name]) for name in ATTACKS if name in wanted):
            folder = place / f"submission{number}"
            folder.mkdir()
            attack.write(folder)
            for path in folder.rglob("*.py"):
                text = path.read_text().replace(PLACE, str(place)).replace("@PORT@", str(server.getsockname()[1]))
                path.write_text(text)
            asked[name] = pool.submit(ask, folder, LIMITS if "took more than" in attack.meets else PATIENT)
        outside = ("/tmp/left", "/tmp/full", "/tmp/pwned", "/dev/shm/left", "/dev/shm/sem.left")
        before = everything_in(place)
        done = {name: future.result() for name, future in asked.items()}
        with pytest.raises(TimeoutError):  # nobody has called
            server.accept()
    del os.environ["TEACHDIFF_CANARY"]
    assert [path for path in outside if os.path.lexists(path)] == []
    assert everything_in(place) == before
    return done


def test_an_honest_submission_scores(tmp_path):
    """Or nothing below would mean anything."""
    Attack("", f"return {FORMULA}").write(tmp_path)
    outcome = ask(tmp_path)
    assert outcome.verdict == "" and outcome.g == [1.0, 1.0]


@needs_safe
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ATTACKS]
)
def test_an_attack_gets_nowhere(name, outcomes):
    attack, outcome = ATTACKS[name], outcomes[name]
    assert re.search(attack.meets, outcome.verdict), outcome.verdict
    assert outcome.seconds < PATIENT.total + 10
    assert CANARY not in outcome.shown and "def noise_level" not in outcome.shown
    assert "\x1b" not in outcome.shown and "\u202e" not in outcome.shown
    if attack.spares_g:
        assert outcome.g == [1.0, 1.0]


@needs_safe
def test_no_process_stays(outcomes):
    assert len(outcomes) >= 30
    assert children() == []
