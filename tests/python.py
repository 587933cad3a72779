"""Programs that start at once: what `python ARGUMENTS` does, in a fork of a Python that has imported torch already.

Run as a program it reads lines of JSON, a program in each; it forks, and the child *is* the program: its folder,
environment and arguments, its standard streams (files), its exit code. Nothing of this project is imported before
the fork, so a program finds it as a new Python does.
"""

import contextlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIMIT = 300  # seconds that a program may take


class Pythons:
    """The server's other end: `run` is subprocess.run of a Python."""

    def __init__(self, server: subprocess.Popen | None, folder: Path) -> None:
        self.server, self.folder = server, folder

    def run(self, *arguments: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """`python ARGUMENTS` in a folder: -m module, -c source or a file, and what it is told.

        Arguments:
            variables: what is added to this process's environment, of which pytest's own is left out.
        """
        line = [str(argument) for argument in arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
        environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **variables}
        if self.server is None:  # no fork on this system
            command = [sys.executable, *line]
            return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=LIMIT)
        assert self.server.stdin and self.server.stdout
        streams = [str(self.folder / name) for name in ("stdout", "stderr")]
        json.dump([line, str(cwd), environment, streams], self.server.stdin)
        self.server.stdin.write("\n")
        self.server.stdin.flush()
        code = int(self.server.stdout.readline())
        return subprocess.CompletedProcess(line, code, *(Path(s).read_text(encoding="utf-8") for s in streams))


@contextlib.contextmanager
def pythons() -> Iterator[Pythons]:
    if not hasattr(os, "fork"):
        yield Pythons(None, Path())
        return
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen([sys.executable, __file__], env=environment, text=True, **pipes) as server:
            yield Pythons(server, Path(folder))
            assert server.stdin
            server.stdin.close()


def next_program() -> list[str]:
    """Fork for each line that comes in; returns in the children only, which have become the program of the line."""
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        arguments, folder, environment, streams = json.loads(line)
        child = os.fork()
        if not child:
            answers.close()
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            for number, path in enumerate([os.devnull, *streams]):
                stream = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
                os.dup2(stream, number)
                os.close(stream)
            signal.alarm(LIMIT)
            return arguments
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)
    os._exit(0)


def be(arguments: list[str]) -> None:
    """Run a program in this process, as `python ARGUMENTS` would."""
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    first, rest = arguments[0], arguments[1:]
    if first == "-m":
        sys.argv, sys.path[:1] = rest, [os.getcwd(), *path]
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv, sys.path[:1] = ["-c", *rest[1:]], ["", *path]
        exec(compile(rest[0], "<string>", "exec"), vars(sys.modules["__main__"]))
    else:
        sys.argv, sys.path[:1] = arguments, [str(Path(first).parent), *path]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    import matplotlib.figure  # noqa: F401
    import scipy.signal  # noqa: F401
    import torch.distributed  # noqa: F401
    import typer  # noqa: F401

    be(next_program())
