"""What a law is, how it is run, and what it says when it is broken.

A law is a function `law(subject, draw)` that raises `LawBroken`. hypothesis calls it with many draws,
and shrinks the draw that breaks it to the simplest one: the smallest batch, the seed nearest to 0.
A gap is compared as `not gap <= allowed`, so that a NaN fails.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, currently_in_test_context, given, settings
from hypothesis import strategies as st
from hypothesis.control import current_build_context
from hypothesis.errors import Flaky, HypothesisException
from torch import Tensor

SEEDS = (0, 2**31)


class CannotAsk(ValueError):
    """The object cannot be asked: it has no shape, no way to be called, or it fails at the first question."""


class NotApplicable(Exception):
    """The law says nothing about this object; the text says why."""


class LawBroken(AssertionError):
    """A law does not hold.

    Attributes:
        what: what was compared, in words.
        left, right: the two numbers (of arrays: where they differ most), or None.
        allowed: how far apart they may be, or None.
    """

    def __init__(self, what: str, left: Any = None, right: Any = None, allowed: float | None = None) -> None:
        self.what, self.left, self.right, self.allowed = what, left, right, allowed
        numbers = ""
        if left is not None:
            numbers = f": {number(left)} beside {number(right)}"
        if allowed is not None:
            numbers += f"; allowed is a difference of {allowed:.3g}"
        super().__init__(what + numbers)


def number(value: Any) -> str:
    if isinstance(value, complex):
        return f"{value:.9g}" if value.imag else f"{value.real:.9g}"
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def require(holds: Any, what: str, left: Any = None, right: Any = None) -> None:
    """`holds` is true, or the law is broken."""
    if not bool(holds):
        raise LawBroken(what, left, right)


def require_close(got: Any, expected: Any, tolerance: float, scale: float, what: str) -> None:
    """max |got - expected| <= tolerance · scale; otherwise the two values that differ most are shown."""
    got, expected = (v.detach().cpu().numpy() if isinstance(v, Tensor) else np.asarray(v) for v in (got, expected))
    if got.shape != expected.shape:
        raise LawBroken(f"{what}: the shapes differ", got.shape, expected.shape)
    if not got.size:
        return
    gap = np.abs(got - expected)
    worst = np.unravel_index(int(np.argmax(np.where(np.isnan(gap), np.inf, gap))), gap.shape)
    if not gap[worst] <= tolerance * scale:
        raise LawBroken(what, got[worst].item(), expected[worst].item(), tolerance * scale)


class Draw:
    """What a law draws, by name, so that the message can repeat it."""

    def __init__(self, data: Any) -> None:
        self._data = data
        self.drawn: dict[str, Any] = {}

    def _draw(self, name: str, strategy: Any) -> Any:
        value = self.drawn[name] = self._data.draw(strategy)
        return value

    def note(self, name: str, value: Any) -> Any:
        """What was not drawn, but gone through: the message repeats it all the same."""
        self.drawn[name] = value
        return value

    def seed(self, name: str = "seed") -> int:
        return self._draw(name, st.integers(*SEEDS))

    def integer(self, name: str, low: int, high: int) -> int:
        return self._draw(name, st.integers(low, high))

    def one_of(self, name: str, values: Sequence[Any]) -> Any:
        return self._draw(name, st.sampled_from(list(values)))

    def number(self, name: str, low: float, high: float) -> float:
        return self._draw(name, st.floats(low, high))


def normal(
    shape: Sequence[int], seed: int, dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu"
) -> Tensor:
    """Standard normal numbers, the same for every dtype and device but for rounding."""
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.standard_normal(tuple(shape)))
    if dtype.is_complex:
        x = torch.complex(x, torch.from_numpy(rng.standard_normal(tuple(shape))))
    return x.to(device=device, dtype=dtype)


@dataclass(frozen=True)
class Law:
    """One law: what it is about, what it says, and the proof that it leans on.

    Attributes:
        kind: operator, schedule, prior, method or degradation.
        name: unique within its kind.
        statement: the law in one sentence.
        proof: the derivation that proves it (`teachdiff prove NAME`); None where it is a definition.
        function: law(subject, draw), raises `LawBroken` or `NotApplicable`.
        examples: how many draws, where nobody says otherwise.
    """

    kind: str
    name: str
    statement: str
    proof: str | None
    function: Callable[[Any, Draw], None] = field(repr=False)
    examples: int


REGISTRY: dict[tuple[str, str], Law] = {}


def law(kind: str, statement: str, *, proof: str | None = None, examples: int = 10) -> Callable[[Callable], Callable]:
    """Register a function as the law of its name."""

    def register(function: Callable) -> Callable:
        key = (kind, function.__name__)
        if key in REGISTRY:
            raise ValueError(f"there are two laws {function.__name__} of kind {kind}.")
        REGISTRY[key] = Law(kind, function.__name__, statement, proof, function, examples)
        return function

    return register


@dataclass(frozen=True)
class CheckResult:
    """What came of one law on one object.

    Attributes:
        status: "passed", "failed", "skipped" (the law does not apply), "expected" (it failed, as declared), or
            "unexpected" (declared to fail, and it did not: remove the declaration).
        message: why it failed or was skipped; "" where it passed.
        left, right, allowed: the two numbers compared, where it failed and there are such numbers.
        drawn: the simplest draw that breaks the law.
    """

    kind: str
    law: str
    subject: str
    status: str
    statement: str
    message: str
    left: Any
    right: Any
    allowed: float | None
    drawn: dict[str, Any]
    proof: str | None
    seconds: float

    @property
    def ok(self) -> bool:
        return self.status in ("passed", "skipped", "expected")

    def as_json(self) -> dict[str, Any]:
        """A dictionary that `json.dumps(..., allow_nan=False)` takes."""
        plain = asdict(self)
        for key in ("left", "right", "allowed"):
            value = plain[key]
            if isinstance(value, int | str | None) or (isinstance(value, float) and np.isfinite(value)):
                continue
            plain[key] = str(value)
        plain["drawn"] = {k: v if isinstance(v, int | float) else str(v) for k, v in self.drawn.items()}
        return plain | {"ok": self.ok}

    def describe(self) -> str:
        """Law, finding, draw and proof, a line each."""
        lines = [f"{self.law}: {self.statement}", f"  {self.message}"]
        if self.drawn:
            lines.append("  with " + ", ".join(f"{name} = {value}" for name, value in self.drawn.items()))
        if self.proof:
            lines.append(f"  why it must hold: teachdiff prove {self.proof}")
        return "\n".join(lines)


def often(once: Callable[[Any], None], examples: int) -> None:
    """`once(data)` for many draws, always the same ones; what breaks it is shrunk."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(st.data())
    def every(data: Any) -> None:
        once(data)

    every()


def run_law(law: Law, subject: Any, name: str, examples: int | None = None, expected: str | None = None) -> CheckResult:
    """Run one law on one object.

    Inside a test of hypothesis there is one draw, and it is that test's own: then the object and what breaks it shrink
    together, and the test's number of examples counts.

    Arguments:
        name: of the object, for the message.
        examples: how many draws; the law's own number by default.
        expected: why this law is known to fail here, or None.
    """
    broken: LawBroken | None = None
    drawn: dict[str, Any] = {}

    def once(data: Any) -> None:
        nonlocal broken, drawn
        draw = Draw(data)
        try:
            law.function(subject, draw)
        except (NotApplicable, HypothesisException):
            raise
        except LawBroken as error:
            broken, drawn = error, draw.drawn
            raise
        except Exception as error:
            broken, drawn = LawBroken(f"it raised {type(error).__name__}: {error}"), draw.drawn
            raise broken from error

    status, message, begun = "passed", "", time.perf_counter()
    try:
        if currently_in_test_context():
            once(current_build_context().data)
        else:
            often(once, examples or law.examples)
    except NotApplicable as reason:
        status, message, broken = "skipped", str(reason), None
    except LawBroken:
        status = "failed"
    except Flaky:  # the same draw broke the law once, and then did not
        status, message = "failed", " (and not when the same was asked again)"
    if broken is not None and status == "failed":
        message = f"{broken}{message}"
    if expected is not None:
        declared = f"declared to fail ({expected})"
        if status == "failed":
            status, message = "expected", f"{declared}: {message}"
        else:
            what = "it does not apply" if status == "skipped" else "it holds"
            status, message = "unexpected", f"{declared}, but {what}: remove the declaration"
    left, right, allowed = (broken.left, broken.right, broken.allowed) if broken else (None, None, None)
    seconds = time.perf_counter() - begun
    return CheckResult(
        law.kind, law.name, name, status, law.statement, message, left, right, allowed,
        drawn if broken else {}, law.proof, seconds,
    )  # fmt: skip
