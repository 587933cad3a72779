r"""One row of the ledger: a printed line, the verdict on it, and the check that must bear it out.

    from sympy import sqrt
    from derivations.checker import Equal
    from derivations.ledger import sampler
    from derivations.ledger.row import Row
    from derivations.symbols import get

    alpha, alpha_bar, eps_theta, s_theta, x_t = get("alpha", "alpha_bar", "eps_theta", "s_theta", "x_t")
    printed = -eps_theta / sqrt(1 - alpha)

    Row(
        id="mashayak.eq16c",                       # <document>.<location>, as in the design
        location="page 3, eq. 16, third line",
        printed=r"\mathbf{s}_{\theta,t} = -\frac{\epsilon_{\theta,t}}{\sqrt{1-\alpha_t}}",
        verdict="wrong",
        reason="The noise in x_t has the standard deviation sqrt(1 - alpha_bar_t): the bar is lost. ...",
        origin="slip of the pen: ...the evidence for it...",
        corrected=r"s_\theta = -\frac{\epsilon_\theta}{\sqrt{1-\bar\alpha_t}}",
        claim=Equal(printed, s_theta, using={eps_theta: -sqrt(1 - alpha_bar) * s_theta}),
        truth=Equal(-eps_theta / sqrt(1 - alpha_bar), s_theta, using={...}),
        proof="predictions",                       # the derivation that it leans on
        consequence=lambda: sampler.compare((x_t + (1 - alpha) * printed) / sqrt(alpha)),
    )

What each verdict must show. `claim` says what the printed line says; `truth` says what holds. Each is a
step of derivations.checker or a list of them; LaTeX in `printed`, the same content in `claim`.

    verdict        claim (the printed line)   truth                              also needed
    correct        all proved                 all proved (may be empty)
    wrong          all refuted                all proved: the corrected form,    corrected, origin, consequence
    missing-term   all refuted                or what is right about the line    the same
    conditional    all refuted                all proved: the claim under the    condition
                                              condition
    ambiguous      none                       all proved (may be empty)          readings: two or more, of which
                                                                                 some are proved, some refuted
    not-checkable  none                       all proved: what can be said       reason: why no more can be said

The status is "refuted" for a mistake and "proved" for all others (of a row that is not-checkable: what it says is
proved, not the printed line). Anything else, a vacuous or undecided step too, gives "failed". The counterexample is what
the checker finds when it refutes the claim; it is never typed in. `consequence` is a function without
arguments that computes and returns its text (see sampler.py); the text comes from its numbers.

Sentences that say "more" or "better" take the kind `AtLeast`: lhs >= rhs. Figures go in as sympy Rationals,
made from text: Rational("31.77").

A valid step from a wrong premise: the line is judged as the statement it makes (wrong), and `truth` holds
an Equal from the line before to this one, which proves that the step itself was valid.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import sympy as sp

from derivations import exact, symbols
from derivations.checker import Counterexample, Step, Verdict
from derivations.exact import NotExact, NotReal
from derivations.normal import Normal, Undecided

VERDICTS = ("correct", "wrong", "missing-term", "conditional", "ambiguous", "not-checkable")
ORIGINS = ("extraction slip", "slip of the pen", "wrong idea", "other convention")
KEYS = (
    "id",
    "document",
    "location",
    "printed",
    "verdict",
    "reason",
    "corrected",
    "counterexample",
    "proof",
    "consequence",
    "status",
)


@dataclass(frozen=True)
class Judgement:
    """What a row's check found. `problem` says why the status is "failed"; it is empty otherwise."""

    status: str  # proved | refuted | failed
    counterexample: str = ""
    consequence: str = ""
    problem: str = ""
    readings: tuple[str, ...] = ()  # the status of each reading


@dataclass(frozen=True)
class Row:
    """A printed line and its verdict.

    Attributes:
        id: "<document>.<location>", e.g. "rao.app1.line7", "liu.dps", "rao.p.sdedit-fidelity".
        location: where in the document, in words.
        printed: LaTeX as printed; a sentence stands in \\text{...}.
        verdict: one of VERDICTS.
        reason: why, in words for a student.
        claim: what the printed line says, as a step or a list of steps.
        truth: what holds: the corrected form, or the claim under the condition.
        readings: for `ambiguous`: {reading in words: step}.
        condition: for `conditional`: the condition, in words.
        corrected: the corrected formula, LaTeX.
        origin: for a mistake: one of ORIGINS, a colon, and the evidence for it.
        proof: the name of the derivation that the check leans on.
        consequence: computes what a program does that implements the line literally.
    """

    id: str
    location: str
    printed: str
    verdict: str
    reason: str
    claim: Step | list[Step] = field(default_factory=list)
    truth: Step | list[Step] = field(default_factory=list)
    readings: dict[str, Step] = field(default_factory=dict)
    condition: str = ""
    corrected: str = ""
    origin: str = ""
    proof: str = ""
    consequence: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise ValueError(f"{self.id}: verdict must be one of {', '.join(VERDICTS)}; got {self.verdict!r}.")
        for name in ("claim", "truth"):
            steps = getattr(self, name)
            object.__setattr__(self, name, [steps] if isinstance(steps, Step) else list(steps))
        missing = [name for name in self._needed() if not getattr(self, name)]
        if missing:
            raise ValueError(f"{self.id}: a row with the verdict {self.verdict!r} needs {', '.join(missing)}.")
        if self.claim and self.verdict in ("ambiguous", "not-checkable"):
            raise ValueError(f"{self.id}: a row with the verdict {self.verdict!r} takes no claim.")
        if self.mistake and not self.origin.startswith(ORIGINS):
            raise ValueError(f"{self.id}: origin must begin with one of {', '.join(ORIGINS)}; got {self.origin!r}.")

    def _needed(self) -> list[str]:
        common = ["location", "printed", "reason"]
        return common + {
            "correct": ["claim"],
            "wrong": ["claim", "corrected", "origin", "consequence"],
            "missing-term": ["claim", "truth", "corrected", "origin", "consequence"],
            "conditional": ["claim", "truth", "condition"],
            "ambiguous": ["readings"],
            "not-checkable": ["truth"],
        }[self.verdict]

    @property
    def document(self) -> str:
        return self.id.split(".")[0]

    @property
    def mistake(self) -> bool:
        return self.verdict in ("wrong", "missing-term")

    def judge(self) -> Judgement:
        """Run the check: does it bear the verdict out?"""
        claims = [step.check(nice=True) for step in self.claim]
        truths = [step.check() for step in self.truth]
        readings = [step.check(nice=True) for step in self.readings.values()]
        outcomes = tuple(found.status for found in readings)
        problem = self._problem(claims, truths, readings)
        if problem:
            return Judgement("failed", problem=problem, readings=outcomes)
        return Judgement(
            status="refuted" if self.mistake else "proved",
            counterexample="; ".join(str(v.counterexample) for v in claims + readings if v.status == "refuted"),
            consequence=self.consequence() if self.consequence else "",
            readings=outcomes,
        )

    def _problem(self, claims: list[Verdict], truths: list[Verdict], readings: list[Verdict]) -> str:
        """Why the check does not bear the verdict out; empty if it does."""
        wanted = "proved" if self.verdict == "correct" else "refuted"
        for name, verdicts, status in (("claim", claims, wanted), ("truth", truths, "proved")):
            for number, found in enumerate(verdicts, 1):
                if found.status != status:
                    return f"{name} {number} should be {status}, but is {_describe(found)}"
        for words, found in zip(self.readings, readings, strict=True):
            if found.status not in ("proved", "refuted"):
                return f"the reading {words!r} is {_describe(found)}"
        if readings and {found.status for found in readings} != {"proved", "refuted"}:
            return f"all readings are {readings[0].status}, so the line is not ambiguous"
        return ""

    def full_reason(self, outcomes: tuple[str, ...]) -> str:
        """The reason, with the condition, the readings and their outcomes, and the mistake's origin."""
        parts = [self.reason]
        if self.condition:
            parts.append(f"Condition: {self.condition}")
        for words, outcome in zip(self.readings, outcomes, strict=True):
            parts.append(f"Reading, {'holds' if outcome == 'proved' else 'does not hold'}: {words}")
        if self.origin:
            parts.append(f"Origin: {self.origin}")
        return " ".join(part if part.rstrip(")")[-1] in ".?!" else part + "." for part in parts)

    def check(self) -> dict:
        """The row as `teachdiff prove --json` prints it, judged; the keys are KEYS."""
        found = self.judge()
        reason = self.full_reason(found.readings)
        if found.problem:
            reason = f"CHECK FAILED: {found.problem}. {reason}"
        return {
            "id": self.id,
            "document": self.document,
            "location": self.location,
            "printed": self.printed,
            "verdict": self.verdict,
            "reason": reason,
            "corrected": self.corrected,
            "counterexample": found.counterexample,
            "proof": self.proof,
            "consequence": found.consequence,
            "status": found.status,
        }


class AtLeast(Step):
    """lhs >= rhs for all values of the symbols, and not lhs = rhs throughout. For sentences and figures.

    Unlike checker.Positive, which proves a sign that its author shows, this kind must also find out that
    a printed sentence is false: by an exact point at which lhs < rhs.
    """

    kind = "sign"
    relation = r"\geq"

    def decide(self, lhs: sp.Expr, rhs: sp.Expr, nice: bool) -> Verdict:
        lhs, rhs = symbols.unfold(lhs, rhs)
        free = sorted(lhs.free_symbols | rhs.free_symbols, key=str)
        for point in exact.points(free, lambda x: symbols.entry(x).domain.replace("noise", "real"), 60):
            try:
                left, right = exact.evaluate(lhs, point), exact.evaluate(rhs, point)
                less = (left - right).sign() < 0
            except (NotExact, NotReal, ZeroDivisionError):
                continue
            if less:
                values = {x.name: str(v) for x, v in point.items()}
                return Verdict("refuted", Counterexample(values, str(left), str(right)))
        normal = Normal()
        try:
            if normal.is_zero(lhs - rhs):
                return Verdict("refuted", Counterexample({}, "the two sides", "are equal for all values"))
            if not free:
                return Verdict("proved")  # numbers: they are not equal, and not less at the point above
            sign = normal.sign(normal.rational(lhs - rhs))
        except Undecided as problem:
            return Verdict("undecided", detail=str(problem))
        return Verdict("proved") if sign == 1 else Verdict("undecided", detail="the sign is not seen")


def decibels(gap: str, factor: str) -> AtLeast:
    """The step that says: `gap` dB (e.g. "2.62") are a factor of at least `factor` (e.g. "9/5") in squared error."""
    db = sp.Rational(gap)
    return AtLeast(sp.Integer(10) ** db.p, sp.Rational(factor) ** (10 * db.q), f"10^({gap}/10) >= {factor}, both raised to {10 * db.q}.")


def _describe(found: Verdict) -> str:
    example: Counterexample | str = found.counterexample or found.detail
    return f"{found.status} ({example})" if example else found.status
