"""What an assignment is: exercises, the laws that judge them, and the plain values that pass between.

A submission computes, and never judges. A check asks `Query`s of it: plain numbers and arrays, made in the
parent from a seed. The answers come back as plain values, and `Check.judge` compares them in the parent,
with the laws and the slow, independent roads of `teachdiff.testing`.

Two kinds of seed. The public one is the same on every machine, and `teachdiff course check` asks with it. A
secret one is made of the instructor's secret: the same for the same secret, and nobody can learn its draws
by heart. Grading asks every check with the secret seed, a visible one with the public seed as well, and gives
a check's points only if it holds whenever it was asked.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from teachdiff.testing.core import LawBroken

# None, bool, int, float, str, bytes, a numpy array of numbers, or a list, tuple or dict (by str) of these.
Plain = Any


@dataclass(frozen=True)
class Query:
    """One question to a submission.

    Attributes:
        file: the file of the submission, with its ending ("schedules.py", "answers.toml").
        function: the function of that file that is asked; "" where a file is only read.
        arguments: plain values, by name. The parent keeps its own copy: what it judges with never comes back.
        driver: what is done with the function, in the child, by name (see `teachdiff.course.drivers`); or "text" or
            "bytes": the parent reads the file, and nothing is run.
        about: what the judge needs to know beside; it stays in the parent and is never sent.
    """

    file: str
    function: str = ""
    arguments: Mapping[str, Plain] = field(default_factory=dict)
    driver: str = "call"
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """Whether the student's code must run for it."""
        return self.driver not in ("text", "bytes")


@dataclass(frozen=True)
class Answer:
    """What came of a query: a plain value, or a sentence that says why there is none.

    Attributes:
        value: as in `Plain`; None where there is an error.
        error: "" or why: "NotImplementedError: exercise 1: ...", "it took more than 20 s", "there is no file x.py".
        seconds: how long it took, as the parent measured it.
    """

    value: Plain = None
    error: str = ""
    seconds: float = 0.0


#: module -> {function: message}: what must be missing in the library that answers see, lest an answer be the library's
#: own (see `teachdiff.course.cut.with_holes`).
Holes = Mapping[str, Mapping[str, str]]
#: evaluate(folder of the submission, queries that run, holes) -> an answer for each, in order. It never raises for what
#: a submission does.
Evaluate = Callable[[Path, Sequence[Query], Holes], Sequence[Answer]]


@dataclass(frozen=True)
class Check:
    """One law, asked of one exercise.

    Attributes:
        name: unique within the exercise.
        points: what it is worth, all or nothing.
        law: the law in one sentence.
        queries: rng -> the questions.
        judge: (queries, answers) -> None, raises `LawBroken`. It is handed answers without errors only, of any plain
            type and any shape.
        proof: the derivation that proves the law (`teachdiff prove NAME`), or None where it is a definition.
        link: the page that explains it, "methods/ddpm.md" or "proofs.md#tweedie", from `docs`.
        visible: whether `teachdiff course check` asks it too; a hidden one is asked when grading only.
    """

    name: str
    points: int
    law: str
    queries: Callable[[np.random.Generator], list[Query]] = field(repr=False)
    judge: Callable[[Sequence[Query], Sequence[Answer]], None] = field(repr=False)
    proof: str | None = None
    link: str = ""
    visible: bool = True


@dataclass(frozen=True)
class Cut:
    """What is cut out of the library for an exercise.

    Attributes:
        module: where the source stands, "teachdiff.schedules".
        names: the functions, or methods as "Class.method", whose bodies are cut.
        file: the file of the starter that holds them.
    """

    module: str
    names: tuple[str, ...]
    file: str


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        id: unique within the assignment, "1", "2", ...
        title: in a few words.
        text: what to do, Markdown.
        checks: the laws that judge it.
        cuts: the functions to write; none where the answer is a file of another kind.
        hints: from the gentlest to the plainest.
    """

    id: str
    title: str
    text: str
    checks: tuple[Check, ...]
    cuts: tuple[Cut, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        return sum(check.points for check in self.checks)


@dataclass(frozen=True)
class Assignment:
    """One assignment.

    Attributes:
        id: "hw1".
        title: in a few words.
        text: what it is about, Markdown.
        minutes: how long a student who has read the page will need, about.
        exercises: in order.
        files: name -> text of what the starter holds beside the cut functions, a README and a test.
        answers: makes name -> text or bytes of the files of exercises that are no functions, solved.
    """

    id: str
    title: str
    text: str
    minutes: int
    exercises: tuple[Exercise, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    answers: Callable[[], Mapping[str, str | bytes]] = dict

    @property
    def points(self) -> int:
        return sum(exercise.points for exercise in self.exercises)

    @property
    def cuts(self) -> tuple[Cut, ...]:
        return tuple(cut for exercise in self.exercises for cut in exercise.cuts)

    def checks(self) -> Iterator[tuple[Exercise, Check]]:
        for exercise in self.exercises:
            for check in exercise.checks:
                yield exercise, check


def rng_of(assignment: Assignment, exercise: Exercise, check: Check, secret: bytes = b"") -> np.random.Generator:
    """The generator that a check's queries are drawn with: the public one, or that of a secret."""
    name = f"{assignment.id}/{exercise.id}/{check.name}".encode()
    digest = hmac.new(secret, name, hashlib.sha256).digest()
    return np.random.default_rng(np.random.SeedSequence(list(np.frombuffer(digest, dtype=np.uint32))))


@dataclass(frozen=True)
class Verdict:
    """What came of one check on one submission.

    Attributes:
        exercise, check: their names.
        passed: whether the law held whenever it was asked.
        points, possible: earned, and what there was to earn.
        law: the law in one sentence.
        message: why it failed; "" where it passed. A hidden check's message names the law and not its draws.
        left, right, allowed: the two numbers compared, where it failed and there are such numbers.
        proof, link, visible: as of the check.
        seconds: what the submission took to answer.
    """

    exercise: str
    check: str
    passed: bool
    points: int
    possible: int
    law: str
    message: str = ""
    left: Any = None
    right: Any = None
    allowed: float | None = None
    proof: str | None = None
    link: str = ""
    visible: bool = True
    seconds: float = 0.0

    @property
    def unwritten(self) -> bool:
        """Whether nothing was handed in for it, as far as the message tells."""
        return "NotImplementedError" in self.message or self.message.endswith(" yet")

    def as_json(self) -> dict[str, Any]:
        """A dictionary that `json.dumps(..., allow_nan=False)` takes."""
        plain = asdict(self)
        for key in ("left", "right", "allowed"):
            value = plain[key]
            if isinstance(value, bool | int | str | None) or (isinstance(value, float) and np.isfinite(value)):
                continue
            plain[key] = str(value)
        return plain

    def describe(self) -> str:
        """Law, finding, proof and page, a line each."""
        lines = [f"{self.exercise}. {self.check}: {self.law}"]
        if not self.passed:
            lines.append(f"  {self.message}")
            if self.proof:
                lines.append(f"  why it must hold: teachdiff prove {self.proof}")
            if self.link:
                lines.append(f"  read: {self.link}")
        return "\n".join(lines)


def judge(check: Check, queries: Sequence[Query], answers: Sequence[Answer]) -> LawBroken | None:
    """How the answers break the law, or None. Whatever the answers are, it raises nothing else."""
    if len(answers) != len(queries):
        return LawBroken("questions asked, and answers that came", len(queries), len(answers))
    for query, answer in zip(queries, answers, strict=True):
        if answer.error:
            return LawBroken(f"{query.function or query.file}: {answer.error}")
    try:
        check.judge(queries, answers)
    except LawBroken as broken:
        return broken
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RuntimeError) as error:
        return LawBroken(f"the answer cannot be judged: {type(error).__name__}: {error}")
    return None
