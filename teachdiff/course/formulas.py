"""Formulas that students hand in: read without running anything, and decided by the proof checker.

A formula is a line of text. It is read by Python's parser, and only sums, products, powers, roots and the names of the
symbol table come through; nothing is ever evaluated. The checker runs in a process of its own (`python -m
teachdiff.course.formulas`), with limits on time and memory, because a formula can be made that takes for ever.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

LONGEST, MOST_NODES, DEGREE = 600, 200, 24
SECONDS, MEMORY = 20, 3 << 30


@dataclass(frozen=True)
class Question:
    """Do two formulas say the same?

    Attributes:
        left, right: as text; `right` may be several, of which one must do.
        how: "equal" for all values, "law" for random variables, or "order": equal up to O(h²) as h -> 0.
        using: symbol -> formula, put into both sides.
        names: the symbols that `left` may hold.
    """

    left: str
    right: tuple[str, ...]
    how: str = "equal"
    using: Mapping[str, str] = field(default_factory=dict)
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """`status` is proved, refuted, vacuous, undecided or unreadable; `detail` a counterexample or what is wrong."""

    status: str
    detail: str = ""


class Unreadable(ValueError):
    """The text is no formula that can be read; the message is for the student."""


def decide(questions: Sequence[Question]) -> list[Decision]:
    """A decision for each question; one that takes too long is undecided, and so are those after an early end."""
    if not questions:
        return []
    text = json.dumps([asdict(question) for question in questions])
    try:
        done = subprocess.run(
            [sys.executable, "-m", "teachdiff.course.formulas"], input=text, capture_output=True, text=True,
            timeout=60 + SECONDS * len(questions), check=False,
        )  # fmt: skip
        said = done.stdout
    except subprocess.TimeoutExpired as late:
        said = (late.stdout or b"").decode("utf-8", "replace")
    found = [Decision(**json.loads(line)) for line in said.splitlines() if line.startswith("{") and line.endswith("}")]
    ended = Decision("undecided", "the checker was ended: it took too much time or memory")
    return [*found, *[ended] * (len(questions) - len(found))]


# In the process of its own.


def read(text: str, names: Sequence[str]) -> Any:
    """The formula as a sympy expression, in symbols of the table.

    Raises:
        Unreadable: it is something else.
    """
    if len(text) > LONGEST:
        raise Unreadable(f"a formula may have {LONGEST} characters; this one has {len(text)}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Unreadable(f"{text.strip()!r} is no formula: {getattr(error, 'msg', error)}") from None
    count = sum(1 for _ in ast.walk(tree))
    if count > 3 * MOST_NODES:
        raise Unreadable("the formula is too long; simplify it first")
    expression, degree = build(tree, names)
    if degree > DEGREE:
        raise Unreadable("the powers in the formula are too high")
    return expression


def build(node: ast.expr, names: Sequence[str]) -> tuple[Any, int]:
    """(expression, a bound of its degree)."""
    import sympy as sp

    from derivations import symbols

    match node:
        case ast.Constant(value=value):
            if type(value) is not int or abs(value) > 10**6:
                raise Unreadable(f"{value!r}: write whole numbers and fractions, such as 1/2")
            return sp.Integer(value), 0
        case ast.Name(id=name):
            if name not in names:
                raise Unreadable(f"{name} is not one of the symbols here: {', '.join(names)}")
            return symbols.get(name), 1
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
            inner, degree = build(operand, names)
            return (-inner if isinstance(op, ast.USub) else inner), degree
        case ast.Call(func=ast.Name(id="sqrt"), args=[argument], keywords=[]):
            inner, degree = build(argument, names)
            return sp.sqrt(inner), degree
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base, degree = build(left, names)
            exponent, of_exponent = build(right, names)
            if of_exponent or not exponent.is_Rational or abs(exponent) > 8 or exponent.q > 2:
                raise Unreadable("an exponent is a number such as 2, -1 or 1/2")
            if base == 0 and exponent < 0:
                raise Unreadable("the formula divides by 0")
            return base**exponent, degree * max(1, int(abs(exponent)))
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() as op, right=right):
            (a, of_a), (b, of_b) = build(left, names), build(right, names)
            match op:
                case ast.Add():
                    return a + b, max(of_a, of_b)
                case ast.Sub():
                    return a - b, max(of_a, of_b)
                case ast.Mult():
                    return a * b, of_a + of_b
            if b == 0:
                raise Unreadable("the formula divides by 0")
            return a / b, of_a + of_b
    raise Unreadable(f"{ast.unparse(node)[:60]!r}: only + - * / ** sqrt( ), whole numbers and the symbols are read")


def answer(question: Question) -> Decision:
    from derivations.checker import Equal, InLaw, SameOrder
    from derivations.symbols import TABLE, get

    everything = tuple(TABLE)
    left = read(question.left, question.names or everything)
    using = {get(name): read(text, everything) for name, text in question.using.items()}
    found = []
    for text in question.right:
        right = read(text, everything)
        if left == right:
            return Decision("same")
        if question.how == "law":
            step: Any = InLaw(left, right, using=using)
        elif question.how == "order":
            step = SameOrder(left, right, using=using, h=get("h"), order=2)
        else:
            step = Equal(left, right, using=using)
        verdict = step.check(nice=True)
        found.append(Decision(verdict.status, str(verdict.counterexample or verdict.detail)))
        if verdict.status == "proved":
            break
    return found[-1] if found[-1].status == "proved" else found[0]


def main() -> None:
    import signal

    from derivations import forward_sde, predictions  # they declare the symbols that the table lacks

    assert forward_sde and predictions

    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):  # Windows, or a limit that is lower already
        pass

    def late(*_: Any) -> None:
        raise TimeoutError

    alarm = hasattr(signal, "setitimer")
    if alarm:
        signal.signal(signal.SIGALRM, late)
    for given in json.loads(sys.stdin.read()):
        question = Question(**{**given, "right": tuple(given["right"]), "names": tuple(given["names"])})
        try:
            if alarm:
                signal.setitimer(signal.ITIMER_REAL, SECONDS)
            decision = answer(question)
        except Unreadable as error:
            decision = Decision("unreadable", str(error))
        except TimeoutError:
            decision = Decision("undecided", f"the checker did not decide it in {SECONDS} s")
        except (MemoryError, RecursionError):
            decision = Decision("undecided", "the checker ran out of memory")
        except (ValueError, TypeError, ArithmeticError, NotImplementedError) as error:
            decision = Decision("unreadable", f"{type(error).__name__}: {error}"[:300])
        finally:
            if alarm:
                signal.setitimer(signal.ITIMER_REAL, 0)
        print(json.dumps(asdict(decision)), flush=True)


if __name__ == "__main__":
    main()
