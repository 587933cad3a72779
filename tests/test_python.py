"""A program in a fork is what it is in a new Python."""

import os
import subprocess
import sys

import pytest

SHOW = "import os, sys; print(sys.argv, __name__, os.getcwd(), os.environ.get('MINE'), file=sys.stderr)\n"
NEW = SHOW + "print(sorted(m for m in sys.modules if m.startswith('teachdiff')), sys.stdin.read())\n"
PROGRAMS = {
    "source": ["-c", NEW, "a", "b"],
    "a file": ["shown.py", "--size", "3"],
    "a module": ["-m", "shown", "a"],
    "a neighbour": ["-c", "import shown"],
    "an exit code": ["-c", "import sys; print('out'); sys.exit(3)"],
    "a message": ["-c", "import sys; sys.exit('no')"],
    "atexit": ["-c", "import atexit; atexit.register(print, 'at the end')"],
    "a signal": ["-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_says_what_a_new_python_says(name, python, tmp_path):
    (tmp_path / "shown.py").write_text(SHOW)
    command = [sys.executable, *PROGRAMS[name]]
    environment = {**os.environ, "MINE": "1"}
    new = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    found = python.run(*PROGRAMS[name], cwd=tmp_path, MINE="1")
    assert (found.returncode, found.stdout, found.stderr) == (new.returncode, new.stdout, new.stderr)


def test_an_exception_is_an_exit_code_and_a_traceback(python, tmp_path):
    for source, words in (("import nowhere", "No module named 'nowhere'"), ("1 / 0", "ZeroDivisionError")):
        found = python.run("-c", source, cwd=tmp_path)
        assert found.returncode == 1 and words in found.stderr and "Traceback" in found.stderr
