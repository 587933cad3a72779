"""Grading: every law asked of every submission, in parallel, each result kept as soon as it is there.

A result is a file named by what it is made of: the submission's content, the assignment, the secret and the grader's
own source. A grading that was interrupted, or killed, goes on where it stopped and ends with the same table; a
submission that comes again, under whatever name, has the result that it had.

The secret draws depend on the submission's content as well: the same submission meets the same draws whenever and
wherever it is graded, and what somebody learnt of them serves no other submission.
"""

import functools
import hashlib
import hmac
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from teachdiff.course import registry, sandbox
from teachdiff.course.cut import library
from teachdiff.course.marking import mark
from teachdiff.course.model import Assignment, Verdict
from teachdiff.course.start import MARKER
from teachdiff.course.submissions import NoSubmission, take
from teachdiff.course.wire import readable
from teachdiff.files import atomic, write_json

SECRET_BYTES = 16
PRACTICE = b""  # no secret: the visible checks, with the public draws
Result = dict[str, Any]


def read_secret(path: Path) -> bytes:
    """The instructor's secret.

    Raises:
        ValueError: it is short enough to be guessed.
        OSError: it cannot be read.
    """
    secret = path.read_bytes().strip()
    if len(secret) < SECRET_BYTES:
        raise ValueError(
            f"{path} holds {len(secret)} bytes; a secret has at least {SECRET_BYTES}. Make one, once for the course: "
            f"python3 -c 'import secrets; print(secrets.token_hex(32))' > {path}"
        )
    return secret


def safe_layers(trusted: bool, keep: Sequence[Path] = ()) -> sandbox.Isolation:
    """What will hold the submissions, which are kept from reading `keep` too.

    Raises:
        RuntimeError: this machine cannot hold a hostile one, and `trusted` does not say that none is.
    """
    held = sandbox.isolation(tuple(str(path.resolve()) for path in keep))
    if not held.safe and not trusted:
        raise RuntimeError(
            f"this machine cannot hold a hostile submission: {held.describe()} Grade on Linux with namespaces or "
            "Landlock (kernel 5.13 or newer), and keep the secret outside /usr and Python's folders. If you trust "
            "every student: --trust."
        )
    return held


def submissions_in(paths: Sequence[Path], assignment: Assignment) -> list[Path]:
    """The submissions that paths name: a zip, a folder with an assignment's files, or every one in a folder of them.

    Raises:
        ValueError: a path that is not there, or names none.
    """
    files = {MARKER, *(cut.file for cut in assignment.cuts), *assignment.files}
    found = []
    for path in paths:
        if not path.exists():
            raise ValueError(f"there is no {path}.")
        if not path.is_dir() or any((path / name).exists() for name in files):
            found.append(path)
            continue
        inside = sorted(child for child in path.iterdir() if not child.name.startswith("."))
        if not inside:
            raise ValueError(f"{path} holds neither a submission nor a folder of submissions.")
        found += inside
    return found


def names_of(paths: Sequence[Path]) -> list[str]:
    """What each submission is called in the table, each name once."""
    names = [readable(path.name, 100) for path in paths]
    often = {name for name, count in Counter(names).items() if count > 1}
    names = [readable(path, 300) if name in often else name for name, path in zip(names, paths, strict=True)]
    seen: Counter[str] = Counter()
    for i, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[i] = f"{name} ({seen[name]})"
    return names


@functools.cache
def own_source() -> bytes:
    """The digest of the source that judges: another grader gives another result."""
    digest = hashlib.sha256()
    for path in sorted(sandbox.PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(sandbox.PACKAGE)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.digest()


def key_of(name: str, digest: str, secret: bytes, limits: sandbox.Limits) -> str:
    """What a result depends on, in 40 letters."""
    parts = [name.encode(), digest.encode(), hashlib.sha256(secret).digest(), own_source(), repr(limits).encode()]
    return hashlib.sha256(b"".join(len(p).to_bytes(4, "big") + p for p in parts)).hexdigest()[:40]


def grade_one(
    name: str, path: Path, secret: bytes, limits: sandbox.Limits = sandbox.LIMITS, parent: Path | None = None
) -> Result:
    """The result of one submission, as JSON holds it. It never raises for what the submission is or does.

    Arguments:
        name: of the assignment.
        secret: the instructor's; `PRACTICE` asks the visible checks alone.
    """
    assignment = registry.assignment(name)
    try:
        with sandbox.Sandbox(path, library, limits=limits, parent=parent) as box:
            mixed = None if secret == PRACTICE else hmac.new(secret, box.digest.encode(), hashlib.sha256).digest()
            verdicts = mark(assignment, box.submission, box.evaluate, mixed)
            return result_of(assignment, verdicts, digest=box.digest, output=box.output)
    except NoSubmission as error:
        return result_of(assignment, [], problem=readable(error))


def result_of(
    assignment: Assignment, verdicts: Sequence[Verdict], digest: str = "", output: str = "", problem: str = ""
) -> Result:
    return {
        "assignment": assignment.id,
        "digest": digest,
        "points": sum(v.points for v in verdicts),
        "possible": sum(v.possible for v in verdicts) or assignment.points,
        "problem": problem,
        "verdicts": [v.as_json() | {"message": readable(v.message)} for v in verdicts],
        "seconds": round(sum(v.seconds for v in verdicts), 3),
        "output": output,
    }


@contextmanager
def workshop(out: Path) -> Iterator[Path]:
    """A temporary folder for the processes; what a grading that was killed has left is removed first."""
    note = out / ".running"
    if note.exists():
        left = Path(note.read_text(encoding="utf-8"))
        if left.name.startswith("teachdiff-grade-") and left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="teachdiff-grade-"))
    note.write_text(str(folder), encoding="utf-8")
    try:
        folder.chmod(0o711)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        note.unlink(missing_ok=True)


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """One grading at a time in a folder.

    Raises:
        RuntimeError: another one is going on.
    """
    import fcntl

    out.mkdir(parents=True, exist_ok=True)
    with open(out / ".lock", "w", encoding="utf-8") as lock:
        try:
            # Not flock, which children that have not begun yet would hold for a moment after their grader was killed.
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RuntimeError(f"another grading is going on in {out}; wait for it, or name another --out.") from None
        yield


def begin(parent: int) -> None:
    """In each process of the pool: end with the grader, even if that is killed; one thread, as everywhere."""
    import torch

    from teachdiff.course import jail

    if sys.platform == "linux":
        jail.die_with(parent)
    torch.set_num_threads(1)


def digest_of(path: Path, parent: Path) -> str:
    """Of the content; "" where nothing can be taken."""
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        try:
            return take(path, Path(folder) / "submission")
        except NoSubmission:
            return ""


def read_result(path: Path, digest: str) -> Result | None:
    """A result that was kept, or None."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and result.get("digest") == digest else None


def grade(
    name: str,
    paths: Sequence[Path],
    secret: bytes,
    out: Path,
    *,
    jobs: int = 1,
    limits: sandbox.Limits = sandbox.LIMITS,
    on_result: Callable[[int, int], None] | None = None,
) -> list[Result]:
    """Results of all submissions, in order, each with its `submission`; summaries and results are written into `out`.

    Arguments:
        on_result: called with how many are done, and how many there are.

    Raises:
        RuntimeError: another grading is going on in `out`, or a process of the grader itself was killed.
    """
    with alone(out), workshop(out) as parent:
        digests = [digest_of(path, parent) for path in paths]
        contents = [digest or str(path.resolve()) for digest, path in zip(digests, paths, strict=True)]
        keys = [key_of(name, content, secret, limits) for content in contents]
        results: dict[str, Result] = {}
        todo: dict[str, Path] = {}
        for key, digest, path in zip(keys, digests, paths, strict=True):
            kept = read_result(out / "results" / f"{key}.json", digest) if digest else None
            if kept is not None:
                results[key] = kept
            elif key not in results:
                todo.setdefault(key, path)
        done = sum(key not in todo for key in keys)
        if on_result is not None:
            on_result(done, len(keys))
        failures = []
        for key, result in results_of(name, todo, secret, limits, parent, jobs):
            if isinstance(result, RuntimeError):
                failures.append(result)
                continue
            if result["digest"]:
                write_json(out / "results" / f"{key}.json", result)
            results[key] = result
            done += keys.count(key)
            if on_result is not None:
                on_result(done, len(keys))
        if failures:
            raise RuntimeError(
                f"{len(failures)} submissions could not be graded, through no fault of theirs: {failures[0]} What is "
                f"done lies in {out}; the same command goes on from there."
            )
        rows = [{"submission": called} | results[key] for called, key in zip(names_of(paths), keys, strict=True)]
        assignment = registry.assignment(name)
        for row in rows:
            with atomic(out / "summaries" / file_name(row["submission"])) as part:
                part.write_text(summarise(assignment, row), encoding="utf-8")
        return rows


def file_name(name: str) -> str:
    """Of a summary: a name that every file system takes, and no two submissions share."""
    text = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)[-60:]
    return f"{text}-{hashlib.sha256(name.encode()).hexdigest()[:6]}.txt"


def results_of(
    name: str, todo: Mapping[str, Path], secret: bytes, limits: sandbox.Limits, parent: Path, jobs: int
) -> Iterator[tuple[str, Result | RuntimeError]]:
    """Each result as it comes, or why the grader failed; with one job in this process, else in a pool of fresh ones."""
    if jobs == 1 or len(todo) < 2:
        for key, path in todo.items():
            try:
                yield key, grade_one(name, path, secret, limits, parent)
            except RuntimeError as error:
                yield key, error
        return
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(min(jobs, len(todo)), context, begin, (os.getpid(),)) as pool:
        futures = {pool.submit(grade_one, name, path, secret, limits, parent): key for key, path in todo.items()}
        try:
            for future in as_completed(futures):
                failure = future.exception()
                if failure is not None and not isinstance(failure, RuntimeError):
                    raise failure
                yield futures[future], failure or future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


# Tables and summaries


def cell(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    text = " ".join(text.split())
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "|", "%") else text


def table(assignment: Assignment, rows: Sequence[Result]) -> list[dict[str, Any]]:
    """A row for each submission, a column for each law: what is the same whenever it is graded, so no seconds."""
    lines = []
    for row in rows:
        earned = {(v["exercise"], v["check"]): v["points"] for v in row["verdicts"]}
        line = {"submission": cell(row["submission"]), "points": row["points"], "possible": row["possible"]}
        line |= {f"{e.id}.{c.name}": earned.get((e.id, c.name)) for e, c in assignment.checks()}
        lines.append(line | {"problem": cell(row["problem"])})
    return lines


def summarise(assignment: Assignment, row: Result) -> str:
    """What a student reads: points, what holds, and what to look at for each law that does not."""
    earned = f"{row['submission']}: {row['points']} of {row['possible']} points"
    lines = [f"{assignment.id}: {assignment.title}", earned, ""]
    if row["problem"]:
        return "\n".join([*lines, f"Nothing could be graded: {row['problem']}.", ""])
    verdicts = row["verdicts"]
    for exercise in assignment.exercises:
        of_it = [v for v in verdicts if v["exercise"] == exercise.id]
        if not of_it:
            continue
        points, possible = sum(v["points"] for v in of_it), sum(v["possible"] for v in of_it)
        lines.append(f"Exercise {exercise.id}, {exercise.title}: {points} of {possible}")
        broken = [v for v in of_it if not v["passed"]]
        if not broken:
            lines.append("  Every law holds.")
        for v in broken:
            lines.append(f"  Broken ({v['possible']} points): {v['law']}")
            if v["visible"]:
                lines += [f"    {line}" for line in v["message"].splitlines()]
                lines.append("    The same law is asked by: teachdiff course check .")
            else:
                lines.append("    This law is asked when grading only.")
            if v["proof"]:
                lines.append(f"    Why it must hold: teachdiff prove {v['proof']}")
            if v["link"]:
                lines.append(f"    Read: {v['link']}")
        lines.append("")
    lines.append(f"Your code took {row['seconds']:.1f} s to answer.")
    return "\n".join([*lines, ""])
