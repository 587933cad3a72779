r"""Assignment "mistakes": two printed derivations, line by line. Which lines are wrong, and what should stand there?

The lines are the ledger's rows: what is printed, and what the checker found. A correction is right if the checker
proves it equal to the proved one.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache, partial

import numpy as np

from derivations import ledger
from derivations.ledger import Row
from teachdiff.course.formulas import Decision, Question, decide
from teachdiff.course.model import Answer, Assignment, Check, Exercise, Query
from teachdiff.course.parts import heading
from teachdiff.testing.core import LawBroken

FILE = "lines.toml"


@dataclass(frozen=True)
class Correction:
    """What should stand there.

    Attributes:
        left: what the correction is of, in words.
        names: the symbols that it may hold.
        right: formulas, each of them right.
        how: as of `formulas.Question`.
    """

    left: str
    names: tuple[str, ...]
    right: tuple[str, ...]
    how: str = "equal"


LEVELS = ("alpha", "alpha_prev", "alpha_bar", "alpha_bar_prev", "beta")
TWEEDIE = "(x_t + (1 - alpha_bar)*s_theta)/sqrt(alpha_bar)"
POSTERIOR = (
    "sqrt(alpha)*(1 - alpha_bar_prev)/(1 - alpha_bar)*x_t"
    " + sqrt(alpha_bar_prev)*(1 - alpha)/(1 - alpha_bar)*x0_hat"
)
SCORE = "(x_t + (1 - alpha)*s_theta)/sqrt(alpha)"
EPSILON = "(x_t - (1 - alpha)/sqrt(1 - alpha_bar)*eps_theta)/sqrt(alpha)"
MARGINAL = "sqrt(alpha_bar)*x_0 + sqrt(1 - alpha_bar)*z"

marginal = Correction("x_t, with one draw z", (*LEVELS, "x_0", "z"), (MARGINAL,), "law")
x0_hat = Correction("x̂0", (*LEVELS, "x_t", "s_theta"), (TWEEDIE,))
by_score = Correction("the mean of x_{t-1} by x_t and s_theta", (*LEVELS, "x_t", "s_theta"), (SCORE,))
by_epsilon = Correction("the mean of x_{t-1} by x_t and eps_theta", (*LEVELS, "x_t", "eps_theta"), (EPSILON,))

CORRECTIONS = {
    "rao.app1.line7": marginal,
    "rao.app2.line1": x0_hat,
    "rao.app2.line2": Correction("the mean of x_{t-1} by x_t and x0_hat", (*LEVELS, "x_t", "x0_hat"), (POSTERIOR,)),
    **dict.fromkeys(("rao.app2.line3", "rao.app2.line4", "rao.app2.line5"), by_score),
    "rao.app2.line11": Correction(
        "x_{t-1} as a sampler must draw it, with one draw z (beta_tilde may be used)",
        (*LEVELS, "beta_tilde", "x_t", "s_theta", "z"),
        (f"{SCORE} + sqrt(beta_tilde)*z", f"{SCORE} + sqrt(beta)*z"), "law",
    ),
    "rao.app3.line7a": by_score,
    "rao.app3.line7b": by_epsilon,
    "mashayak.eq5": Correction(
        "for f = -beta x/2, g² = beta and N(0, 1) data without a measurement, whose score is -x: the factor that a "
        "step of length h back in time multiplies x with, noise aside, up to O(h²)",
        ("beta", "h"), ("1 + (beta/2 - beta)*h",), "order",
    ),
    "mashayak.eq7b": Correction(
        "the approximation in one coordinate of the SVD, where A is s and b is y",
        ("s", "y", "x_t", "sigma", "gamma"), ("s*(y - s*x_t)/(sigma**2 + gamma**2)",),
    ),
    "mashayak.eq12": marginal,
    "mashayak.eq13a": x0_hat,
    "mashayak.eq13b": Correction(
        "x_{t-1} as a sampler must draw it, with one draw z (beta_tilde may be used)",
        (*LEVELS, "beta_tilde", "x_t", "x0_hat", "z"), (f"{POSTERIOR} + sqrt(beta_tilde)*z",), "law",
    ),
    "mashayak.eq16c": Correction(
        "the score by eps_theta", (*LEVELS, "eps_theta"), ("-eps_theta/sqrt(1 - alpha_bar)",),
    ),
    "mashayak.eq17": by_epsilon,
}  # fmt: skip

#: Title, and which rows of the ledger; those that are ambiguous or hold under a condition are shown and not asked.
SECTIONS = (
    ("rao, appendix .1: the marginal", ("rao.app1.*",)),
    ("rao, appendix .2: the reverse step by the score", ("rao.app2.*",)),
    ("rao, appendix .3: the same by the noise", ("rao.app3.*",)),
    ("mashayak, equations 5 to 12", ("mashayak.eq5", "mashayak.eq6", "mashayak.eq7?", "mashayak.eq8", "mashayak.eq9",
                                     "mashayak.eq10", "mashayak.eq11?", "mashayak.eq12")),
    ("mashayak, equations 13 to 17", ("mashayak.eq13?", "mashayak.eq14?", "mashayak.eq15", "mashayak.eq16?",
                                      "mashayak.eq17")),
)  # fmt: skip

# The two formulas of lines 7a and 7b, joined by an arrow: asked one by one.
LEFT_OUT = {"rao.app3.line7"}


@cache
def lines_of(section: int) -> tuple[Row, ...]:
    return tuple(row for row in ledger.find(*SECTIONS[section][1]) if row.id not in LEFT_OUT)


def asked(row: Row) -> bool:
    return row.mistake or row.verdict == "correct"


def read_lines(text: str) -> dict[str, tuple[str, str]]:
    """id -> (verdict, correction), as handed in.

    Raises:
        LawBroken: the file cannot be read.
    """
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise LawBroken(f"{FILE} cannot be read: {error}") from None
    rows = {}
    for name, given in found.items():
        pair = [given.get(key, "") for key in ("verdict", "correction")] if isinstance(given, dict) else [None]
        if not all(isinstance(part, str) for part in pair):
            raise LawBroken(f'{name}: write verdict = "right" or "wrong", and correction = "a formula"')
        rows[name] = (str(pair[0]).strip(), str(pair[1]).strip())
    return rows


@lru_cache(maxsize=8)
def decided(text: str) -> dict[str, Decision]:
    """The checker's word on every correction in the file, in one go."""
    rows = read_lines(text)
    names = [name for name in CORRECTIONS if name in rows and rows[name][1]]
    questions = [
        Question(rows[name][1], c.right, c.how, names=c.names) for name in names for c in [CORRECTIONS[name]]
    ]
    return dict(zip(names, decide(questions), strict=True))


def judge_line(section: int, row: Row, queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    text = str(answers[0].value)
    rows = read_lines(text)
    verdict, correction = rows.get(row.id, ("", ""))
    if not verdict:
        raise LawBroken(f"{row.id} has no verdict yet")
    if verdict not in ("right", "wrong"):
        raise LawBroken(f'the verdict on {row.id} must be "right" or "wrong"', verdict, "right or wrong")
    if not row.mistake:
        if verdict == "wrong":
            raise LawBroken(f"{row.id}: you call it wrong; the checker proves it (teachdiff prove {row.id})")
        mistakes = [other.id for other in lines_of(section) if other.mistake]
        if not any(rows.get(name, ("", ""))[0] == "wrong" for name in mistakes):
            raise LawBroken(f"{row.id}: that counts once you have found a wrong line of this section")
        return
    if verdict == "right":
        raise LawBroken(f"{row.id}: you call it right; the checker refutes it")
    if not correction:
        raise LawBroken(f"{row.id} is wrong indeed, but has no correction yet")
    decision = decided(text)[row.id]
    if decision.status not in ("proved", "same"):
        raise LawBroken(f"{row.id}: your correction and the proved formula: {decision.status}: {decision.detail}")


def ask(rng: np.random.Generator) -> list[Query]:
    return [Query(FILE, driver="text")]


def exercise(section: int) -> Exercise:
    title, _ = SECTIONS[section]
    law = "Your verdict is the checker's; and of a wrong line, your correction is proved equal to the right formula."
    page = "proofs.md#what-the-sources-printed"
    checks = tuple(
        Check(row.id, 3, law, ask, partial(judge_line, section, row), row.proof or None, page)
        for row in lines_of(section)
        if asked(row)
    )
    listed = "\n".join(
        f"- `{row.id}`{'' if asked(row) else ' (given)'}: ${row.printed}$" for row in lines_of(section)
    )
    text = f"The lines, as printed. Those marked as given can be read in two ways, and are not asked.\n\n{listed}\n"
    return Exercise(str(section + 1), title, text, checks)


def file(solved: bool) -> str:
    """The file with every line's verdict, or with none."""
    parts = [
        '# For each line: verdict = "right" or "wrong", and where it is wrong, what should stand on its right side.\n'
        "# A line that repeats a mistake of the line before is wrong too: each is judged as what it says.\n"
        "# A line about x_{t-1} is judged as one about its mean, but where it is offered as the step of a sampler.\n"
    ]
    for section, (title, _) in enumerate(SECTIONS):
        lines = []
        for row in lines_of(section):
            if not asked(row):
                continue
            given = ("", "")
            if solved:
                given = ("wrong", CORRECTIONS[row.id].right[0]) if row.mistake else ("right", "")
            lines.append(f'["{row.id}"]\nverdict = "{given[0]}"\ncorrection = "{given[1]}"\n')
        parts.append(f"{heading(str(section + 1), title)}\n" + "\n".join(lines))
    return "\n\n".join(parts)


def symbols() -> str:
    """What a correction is of, by what is asked. Every line is named with one that is not wrong, too: no hint in it."""
    kinds = {c.left: c.names for c in CORRECTIONS.values()}
    return "\n".join(f"- {left}: {', '.join(f'`{name}`' for name in names)}" for left, names in kinds.items())


ASSIGNMENT = Assignment(
    id="mistakes",
    title="Find the mistake: two printed derivations, line by line",
    text=rf"""
Two reports derive DDPM, and print the derivation. Some lines are wrong, some are right although the line before them
is wrong, and some agree with the truth at t = 1 or t = 2 and only differ from t = 3 on. Read each line, give your
verdict in `{FILE}`, and correct what is wrong. The proof checker decides: it accepts any formula that is equal to the
proved one. Of the right lines of a section only those who found a wrong one get the points.

Formulas are written as in Python: `+ - * / **`, `sqrt( )`, whole numbers and fractions. A correction is the right-hand
side of one of these, in the symbols that are named:

{symbols()}
""",
    minutes=120,
    exercises=tuple(exercise(section) for section in range(len(SECTIONS))),
    files={FILE: file(solved=False)},
    answers=lambda: {FILE: file(solved=True)},
)
