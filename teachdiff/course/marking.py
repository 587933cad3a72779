"""From a folder to verdicts: ask every check, judge the answers, add up."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from teachdiff.course.cut import holes_beside
from teachdiff.course.model import (
    Answer,
    Assignment,
    Check,
    Evaluate,
    Exercise,
    Holes,
    Query,
    Verdict,
    judge,
    rng_of,
)
from teachdiff.course.reading import read
from teachdiff.testing.core import LawBroken


def mark(
    assignment: Assignment, folder: Path, evaluate: Evaluate, secret: bytes | None = None, exercise: str = ""
) -> list[Verdict]:
    """A verdict for each check.

    Arguments:
        evaluate: runs the questions that need the student's code, in a process of its own.
        secret: None asks the visible checks with the public seed, as `teachdiff course check` does. With the
            instructor's secret every check is asked with the seed made of it, a visible one with the public one too.
        exercise: the only one whose checks are asked; "" asks all.
    """
    asked: list[tuple[Exercise, Check, list[list[Query]]]] = []
    for of, check in assignment.checks():
        if exercise not in ("", of.id):
            continue
        seeds = [b""] if check.visible else []
        if secret is not None:
            seeds.append(secret)
        if seeds:
            asked.append((of, check, [check.queries(rng_of(assignment, of, check, s)) for s in seeds]))
    queries = [(of, query) for of, _, rounds in asked for of_round in rounds for query in of_round]
    answers = answers_to(queries, assignment, folder, evaluate)
    verdicts = []
    for of, check, rounds in asked:
        broken: LawBroken | None = None
        seconds = 0.0
        for of_round in rounds:
            given = [next(answers) for _ in of_round]
            seconds += sum(answer.seconds for answer in given)
            broken = broken or judge(check, of_round, given)
        verdicts.append(verdict_of(of, check, broken, seconds))
    return verdicts


def answers_to(
    queries: Sequence[tuple[Exercise, Query]], assignment: Assignment, folder: Path, evaluate: Evaluate
) -> Iterator[Answer]:
    """Files are read here, functions are run there: exercises with the same holes in one go."""
    found: dict[int, Answer] = {}
    runs: dict[str, tuple[Holes, list[int]]] = {}
    for k, (exercise, query) in enumerate(queries):
        if query.runs:
            holes = holes_beside(assignment, exercise)
            runs.setdefault(repr(holes), (holes, []))[1].append(k)
        else:
            found[k] = read(folder, query)
    for holes, places in runs.values():
        answers = evaluate(folder, [queries[k][1] for k in places], holes)
        found.update(zip(places, answers, strict=True))
    return iter([found[k] for k in range(len(queries))])


def verdict_of(exercise: Exercise, check: Check, broken: LawBroken | None, seconds: float) -> Verdict:
    return Verdict(
        exercise=exercise.id,
        check=check.name,
        passed=broken is None,
        points=0 if broken else check.points,
        possible=check.points,
        law=check.law,
        message=str(broken) if broken else "",
        left=broken.left if broken else None,
        right=broken.right if broken else None,
        allowed=broken.allowed if broken else None,
        proof=check.proof,
        link=check.link,
        visible=check.visible,
        seconds=seconds,
    )
