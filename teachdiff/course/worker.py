"""What runs in the child: it loads a submission, asks it one question after another, and writes what it says.

A submission runs in the same process and can do to this code whatever it likes. It gains nothing: all that leaves the
process is plain values, and they are judged elsewhere.
"""

import functools
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from teachdiff.course import wire

ANSWER = 64 << 20


def serve(submission: str, questions: int, answers: int) -> None:
    """Answer until there is no more question. `questions` and `answers` are open file descriptors."""
    from teachdiff.course.drivers import DRIVERS

    sys.path.append(submission)  # last: a file torch.py of the submission hides nothing
    modules: dict[str, ModuleType] = {}
    write(answers, {"ready": True})
    while (question := read(questions)) is not None:
        answer: dict[str, Any] = {"nonce": question["nonce"]}
        try:
            name = question["file"]
            if name not in modules:
                modules[name] = load(Path(submission, name))
            function = functools.reduce(getattr, question["function"].split("."), modules[name])
            answer["value"] = DRIVERS[question["driver"]](function, **question["arguments"])
            wire.pack(answer["value"], ANSWER)
        except BaseException as error:  # sys.exit() is an answer too
            answer = {"nonce": question["nonce"], "error": say(error, submission)}
        write(answers, answer)


def load(path: Path) -> ModuleType:
    """The module of a file of the submission."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise FileNotFoundError(f"there is no file {path.name}")
    module = importlib.util.module_from_spec(spec)
    if path.stem not in sys.modules:  # others of its files may import it
        sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def say(error: BaseException, submission: str) -> str:
    """The error in a line, and which line of the submission it came from."""
    text = f"{type(error).__name__}: {error}"[:2000]
    where, trace = "", error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name.startswith(submission + os.sep):
            where = f" ({name[len(submission) + 1 :]}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return text + where


def write(fd: int, value: Any) -> None:
    data = memoryview(wire.pack(value, ANSWER + (1 << 20)))
    while data:
        data = data[os.write(fd, data) :]


def read(fd: int) -> Any:
    """The next message, or None at the end."""
    prefix = read_exactly(fd, wire.PREFIX.size)
    if len(prefix) < wire.PREFIX.size:
        return None
    head, arrays = wire.PREFIX.unpack(prefix)
    return wire.unpack(read_exactly(fd, head), read_exactly(fd, arrays))


def read_exactly(fd: int, count: int) -> bytes:
    parts, missing = [], count
    while missing and (part := os.read(fd, min(missing, 1 << 20))):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
