"""Submissions as they were handed in, folders or zips, and a clean copy of one: plain files, no link, not too much."""

import contextlib
import hashlib
import os
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

FILES, BYTES, FILE_BYTES = 500, 128 << 20, 64 << 20
# what editors, version control and Python leave behind is no part of an answer
IGNORED = {"__pycache__", "__MACOSX", ".git", ".venv", ".pytest_cache", ".ipynb_checkpoints"}

ONLY_A_NOTEBOOK = (
    "a notebook alone was handed in, and no notebook is read: its cells write the files that are graded; run them, and "
    "hand in the folder"
)


class NoSubmission(ValueError):
    """What was handed in cannot be taken; the text says why, for the student to read."""


def take(submission: Path, into: Path) -> str:
    """Copy a submission, a folder or a zip, into the new folder `into`, and return the digest of its content.

    Links, devices, notebooks and what is in IGNORED are left out. If everything lies in one folder, that folder is
    meant. The digest depends on the names and the bytes of the copied files, and on nothing else.

    Raises:
        NoSubmission: it is neither a folder nor a zip, or there is too much of it.
        OSError: it cannot be read, or `into` cannot be written.
    """
    into.mkdir(parents=True)
    total = 0
    names: dict[str, bytes] = {}
    notebooks = False
    for name, source in members(submission):
        if name.lower().endswith(".ipynb"):
            notebooks = True
            continue
        if len(names) == FILES:
            raise NoSubmission(f"a submission may have {FILES} files; this one has more")
        target, digest = into / name, hashlib.sha256()
        target.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        with source() as file, open(target, "xb") as copy:
            while part := read(file, name):
                size, total = size + len(part), total + len(part)
                if size > FILE_BYTES or total > BYTES:
                    raise NoSubmission(
                        f"a submission may have {BYTES >> 20} MiB in all and {FILE_BYTES >> 20} MiB in a file; "
                        f"this one has more, in {name}"
                    )
                digest.update(part)
                copy.write(part)
        names[name] = digest.digest()
    if notebooks and not names:
        raise NoSubmission(ONLY_A_NOTEBOOK)
    firsts = {PurePosixPath(name).parts[0] for name in names}
    if len(firsts) == 1 and all("/" in name for name in names):
        (first,) = firsts
        whole = into.with_name(f".{into.name}.whole")
        into.rename(whole)
        (whole / first).rename(into)
        whole.rmdir()
        names = {name[len(first) + 1 :]: digest for name, digest in names.items()}
    everything = hashlib.sha256()
    for name in sorted(names):
        everything.update(len(name.encode()).to_bytes(8, "big") + name.encode() + names[name])
    return everything.hexdigest()


def read(file: IO[bytes], name: str) -> bytes:
    """The next part of a file; of one in a zip, it may turn out now that it is damaged."""
    try:
        return file.read(1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise NoSubmission(f"{name} cannot be unpacked: {error}") from None


def members(submission: Path) -> Iterator[tuple[str, "Opener"]]:
    """The name of each file that counts, and how it is opened, in order."""
    try:
        mode = os.stat(submission).st_mode
    except OSError as error:
        raise NoSubmission(f"{submission.name} cannot be read: {error.strerror}") from None
    if stat.S_ISREG(mode) and submission.suffix.lower() == ".ipynb":
        raise NoSubmission(ONLY_A_NOTEBOOK)
    if stat.S_ISDIR(mode):
        yield from folder_members(submission)
    elif stat.S_ISREG(mode) and zipfile.is_zipfile(submission):
        yield from zip_members(submission)
    else:
        raise NoSubmission(f"{submission.name} is neither a folder nor a zip")


def folder_members(folder: Path) -> Iterator[tuple[str, "Opener"]]:
    seen = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in IGNORED)
        for name in sorted(files):
            seen += 1
            if seen > 20 * FILES:
                raise NoSubmission(f"a submission may have {FILES} files; this one has more than {20 * FILES}")
            path = Path(place, name)
            if stat.S_ISREG(os.lstat(path).st_mode) and is_good("/".join(path.relative_to(folder).parts)):
                yield "/".join(path.relative_to(folder).parts), Opener(path)


def zip_members(path: Path) -> Iterator[tuple[str, "Opener"]]:
    with contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
            listed = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError) as error:
            raise NoSubmission(f"{path.name} is a damaged zip: {error}") from None
        if len(listed) > 20 * FILES:
            raise NoSubmission(f"a submission may have {FILES} files; this one has more than {20 * FILES}")
        taken: set[str] = set()
        for info in sorted(listed, key=lambda info: info.filename):
            kind = stat.S_IFMT(info.external_attr >> 16)
            name = info.filename
            if info.is_dir() or kind not in (0, stat.S_IFREG) or not is_good(name) or name in taken:
                continue
            if any(name.startswith(f"{other}/") for other in taken):  # a file cannot be a folder too
                continue
            taken.add(name)
            yield name, Opener(path, archive, info)


def is_good(name: str) -> bool:
    """A name inside the folder, of ordinary characters."""
    parts = name.split("/")
    return (
        name.isprintable()
        and "\\" not in name
        and len(name.encode("utf-8", "replace")) <= 200
        and all(part not in ("", ".", "..") and part not in IGNORED and ":" not in part for part in parts)
        and not any(unicodedata.category(c).startswith("C") for c in name)
    )


class Opener:
    """Opens a file of a folder, never a link, or a file of a zip."""

    def __init__(self, path: Path, archive: zipfile.ZipFile | None = None, info: zipfile.ZipInfo | None = None) -> None:
        self.path, self.archive, self.info = path, archive, info

    def __call__(self) -> IO[bytes]:
        if self.archive is not None and self.info is not None:
            if self.info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others may take gigabytes
                raise NoSubmission(f"{self.path.name} is compressed by another method than deflate")
            try:
                return self.archive.open(self.info)
            except (RuntimeError, NotImplementedError, zipfile.BadZipFile, EOFError, ValueError) as error:
                raise NoSubmission(f"{self.path.name} cannot be unpacked: {error}") from None
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        file = os.fdopen(os.open(self.path, flags), "rb")
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.close()
            raise NoSubmission(f"{self.path.name} changed while it was read")
        return file
