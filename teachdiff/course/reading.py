"""Files of a submission that are read and never run: small, regular, and inside its folder."""

import os
import stat
from pathlib import Path

from teachdiff.course.model import Answer, Query

#: The most bytes that are read of a file.
LARGEST = {"text": 200_000, "bytes": 64_000_000}


def read(folder: Path, query: Query) -> Answer:
    """The file as text or bytes; a link, a folder, a pipe or a file that is too large is an error, and not opened."""
    most = LARGEST[query.driver]
    if Path(query.file).name != query.file:
        return Answer(error=f"{query.file} is no plain file name")
    try:
        # O_NONBLOCK: a named pipe must not make the grader wait.
        handle = os.open(Path(folder) / query.file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | os.O_NONBLOCK)
    except FileNotFoundError:
        return Answer(error=f"there is no {query.file} yet")
    except OSError as error:
        return Answer(error=f"{query.file} cannot be read: {error.strerror}")
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            return Answer(error=f"{query.file} is no regular file")
        if found.st_size > most:
            return Answer(error=f"{query.file} has {found.st_size} bytes; at most {most} are read")
        with os.fdopen(os.dup(handle), "rb") as file:
            data = file.read(most + 1)
    finally:
        os.close(handle)
    if query.driver == "bytes":
        return Answer(data)
    try:
        return Answer(data.decode("utf-8"))
    except UnicodeDecodeError:
        return Answer(error=f"{query.file} is no UTF-8 text")
