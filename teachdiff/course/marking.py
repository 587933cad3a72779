"""From a folder to verdicts: ask every check, judge the answers, add up."""

from collections.abc import Sequence
from pathlib import Path

from teachdiff.course.model import Answer, Assignment, Check, Evaluate, Exercise, Query, Verdict, judge, rng_of
from teachdiff.course.reading import read
from teachdiff.testing.core import LawBroken


def mark(assignment: Assignment, folder: Path, evaluate: Evaluate, secret: bytes | None = None) -> list[Verdict]:
    """A verdict for each check.

    Arguments:
        evaluate: runs the questions that need the student's code, in a process of its own.
        secret: None asks the visible checks with the public seed, as `teachdiff course check` does. With the
            instructor's secret every check is asked with the seed made of it, a visible one with the public one too.
    """
    return [v for exercise in assignment.exercises for v in mark_one(assignment, exercise, folder, evaluate, secret)]


def mark_one(
    assignment: Assignment, exercise: Exercise, folder: Path, evaluate: Evaluate, secret: bytes | None
) -> list[Verdict]:
    asked: list[tuple[Check, list[list[Query]]]] = []
    for check in exercise.checks:
        if secret is None and not check.visible:
            continue
        secrets = [b""] if check.visible else []
        if secret is not None:
            secrets.append(secret)
        asked.append((check, [check.queries(rng_of(assignment, exercise, check, s)) for s in secrets]))
    queries = [query for _, rounds in asked for of_round in rounds for query in of_round]
    answers = iter(answers_to(queries, assignment, exercise, folder, evaluate))
    verdicts = []
    for check, rounds in asked:
        broken: LawBroken | None = None
        seconds = 0.0
        for of_round in rounds:
            given = [next(answers) for _ in of_round]
            seconds += sum(answer.seconds for answer in given)
            broken = broken or judge(check, of_round, given)
        verdicts.append(verdict_of(exercise, check, broken, seconds))
    return verdicts


def answers_to(
    queries: Sequence[Query], assignment: Assignment, exercise: Exercise, folder: Path, evaluate: Evaluate
) -> list[Answer]:
    """Files are read here, functions are run there."""
    from teachdiff.course.cut import holes_beside

    running = [query for query in queries if query.runs]
    ran = iter(evaluate(folder, running, holes_beside(assignment, exercise)) if running else [])
    return [next(ran) if query.runs else read(folder, query) for query in queries]


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
