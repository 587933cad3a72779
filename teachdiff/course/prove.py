r"""Assignment "prove": a proof handed in as a chain of formulas; the proof checker marks each step."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np

from teachdiff.course.formulas import Decision, Question, decide
from teachdiff.course.model import Answer, Assignment, Check, Exercise, Query
from teachdiff.course.parts import heading
from teachdiff.testing.core import LawBroken

FILE = "proof.toml"
MOST_STEPS = 20


@dataclass(frozen=True)
class Theorem:
    """What is to be proved.

    Attributes:
        name: of the chain in the file.
        start, goal: its two ends.
        least: how many steps it must have.
        how: "equal" or "law".
        premises: name -> (symbol, formula): equalities of which a step may use one.
        names: the symbols that may be used.
        solution: (formula, premise, reason) for each step.
        proof: the derivation that proves it too.
    """

    name: str
    title: str
    text: str
    start: str
    goal: str
    least: int
    names: tuple[str, ...]
    solution: tuple[tuple[str, str, str], ...]
    proof: str
    how: str = "equal"
    premises: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    hints: tuple[str, ...] = ()


ALPHAS = ("alpha", "alpha_prev", "alpha_bar", "alpha_bar_prev", "beta")

THEOREMS = (
    Theorem(
        name="two_steps",
        title="Two steps of noise are one",
        text="Two forward steps are written out, each with a draw of its own. Show that the result has the law of one "
        "step with one draw z. Each step of the chain is an equality *in law*: the same mean and the same variance.",
        start="sqrt(alpha)*(sqrt(alpha_prev)*x_prev2 + sqrt(1 - alpha_prev)*z_prev) + sqrt(1 - alpha)*z_t",
        goal="sqrt(alpha*alpha_prev)*x_prev2 + sqrt(1 - alpha*alpha_prev)*z",
        least=3,
        how="law",
        names=("alpha", "alpha_prev", "x_prev2", "z_prev", "z_t", "z"),
        solution=(
            ("sqrt(alpha)*sqrt(alpha_prev)*x_prev2 + sqrt(alpha)*sqrt(1 - alpha_prev)*z_prev + sqrt(1 - alpha)*z_t", "",
             "multiplied out"),
            ("sqrt(alpha*alpha_prev)*x_prev2 + sqrt(alpha*(1 - alpha_prev) + (1 - alpha))*z", "",
             "independent draws: variances add"),
            ("sqrt(alpha*alpha_prev)*x_prev2 + sqrt(1 - alpha*alpha_prev)*z", "", "alpha cancels under the root"),
        ),
        proof="vp_marginal",
        hints=("Standard deviations do not add. Variances of independent draws do.",),
    ),
    Theorem(
        name="variance",
        title="Precisions add",
        text="The variance of q(x_{t-1} | x_t, x_0) is one over the sum of two precisions. Bring it to the form that "
        "programs use. (alpha_bar is alpha times alpha_bar_prev, and beta is 1 - alpha: the checker knows that.)",
        start="1/(alpha/beta + 1/(1 - alpha_bar_prev))",
        goal="(1 - alpha_bar_prev)/(1 - alpha_bar)*(1 - alpha)",
        least=3,
        names=ALPHAS,
        solution=(
            ("1/((alpha*(1 - alpha_bar_prev) + beta)/(beta*(1 - alpha_bar_prev)))", "", "one denominator for both"),
            ("beta*(1 - alpha_bar_prev)/(1 - alpha_bar)", "", "turned over; beta is 1 - alpha, and alpha cancels"),
            ("(1 - alpha_bar_prev)/(1 - alpha_bar)*(1 - alpha)", "", "beta is 1 - alpha"),
        ),
        proof="posterior",
        hints=("Bring the two precisions to one denominator first.",),
    ),
    Theorem(
        name="reverse_mean",
        title="The mean of a reverse step, from x̂0 to ε",
        text="From the posterior mean with x̂0 in it to the short formula with ε. Two reports print this derivation, "
        "and both lose a bar on the way.",
        start="sqrt(alpha_bar_prev)*(1 - alpha)/(1 - alpha_bar)*x0_hat"
        " + sqrt(alpha)*(1 - alpha_bar_prev)/(1 - alpha_bar)*x_t",
        goal="(x_t - (1 - alpha)/sqrt(1 - alpha_bar)*eps_theta)/sqrt(alpha)",
        least=3,
        names=("alpha", "alpha_bar", "alpha_bar_prev", "x0_hat", "x_t", "s_theta", "eps_theta"),
        premises={
            "tweedie": ("x0_hat", "(x_t + (1 - alpha_bar)*s_theta)/sqrt(alpha_bar)"),
            "score": ("s_theta", "-eps_theta/sqrt(1 - alpha_bar)"),
        },
        solution=(
            ("sqrt(alpha_bar_prev)*(1 - alpha)/(1 - alpha_bar)*(x_t + (1 - alpha_bar)*s_theta)/sqrt(alpha_bar)"
             " + sqrt(alpha)*(1 - alpha_bar_prev)/(1 - alpha_bar)*x_t", "tweedie", "Tweedie's formula for x0_hat"),
            ("(1 - alpha)/(sqrt(alpha)*(1 - alpha_bar))*(x_t + (1 - alpha_bar)*s_theta)"
             " + alpha*(1 - alpha_bar_prev)/(sqrt(alpha)*(1 - alpha_bar))*x_t", "",
             "alpha_bar is alpha alpha_bar_prev, so the roots cancel"),
            ("(x_t + (1 - alpha)*s_theta)/sqrt(alpha)", "", "the coefficients of x_t add up to 1"),
            ("(x_t - (1 - alpha)/sqrt(1 - alpha_bar)*eps_theta)/sqrt(alpha)", "score", "the score, by the noise"),
        ),
        proof="reverse_mean",
        hints=("Put Tweedie in first, then collect x_t and s_theta.", "A step may use one premise, or none."),
    ),
    Theorem(
        name="velocity",
        title="What v knows",
        text="From x_t and v alone, x_0: show it.",
        start="sqrt(alpha_bar)*x_t - sqrt(1 - alpha_bar)*v",
        goal="x_0",
        least=3,
        names=("alpha_bar", "x_t", "x_0", "epsilon", "v"),
        premises={
            "x_t": ("x_t", "sqrt(alpha_bar)*x_0 + sqrt(1 - alpha_bar)*epsilon"),
            "v": ("v", "sqrt(alpha_bar)*epsilon - sqrt(1 - alpha_bar)*x_0"),
        },
        solution=(
            ("sqrt(alpha_bar)*(sqrt(alpha_bar)*x_0 + sqrt(1 - alpha_bar)*epsilon) - sqrt(1 - alpha_bar)*v", "x_t",
             "what x_t is made of"),
            ("sqrt(alpha_bar)*(sqrt(alpha_bar)*x_0 + sqrt(1 - alpha_bar)*epsilon)"
             " - sqrt(1 - alpha_bar)*(sqrt(alpha_bar)*epsilon - sqrt(1 - alpha_bar)*x_0)", "v", "the definition of v"),
            ("alpha_bar*x_0 + (1 - alpha_bar)*x_0", "", "the terms with epsilon cancel"),
            ("x_0", "", "the weights add up to 1"),
        ),
        proof="predictions",
    ),
)  # fmt: skip


Step = tuple[str, str, str]


def steps_of(text: str, theorem: Theorem) -> list[Step]:
    """(formula, premise, reason) of each step in the file.

    Raises:
        LawBroken: the file is no such file; the message says what was expected.
    """
    try:
        found = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise LawBroken(f"{FILE} cannot be read: {error}") from None
    steps = found.get(theorem.name, [])
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise LawBroken(f"each step of {theorem.name} begins with [[{theorem.name}]]")
    if not steps:
        raise LawBroken(f"there is no step of {theorem.name} yet")
    if len(steps) > MOST_STEPS:
        raise LawBroken("steps of the chain, and the most that are read", len(steps), MOST_STEPS)
    rows = []
    for number, step in enumerate(steps, 1):
        row = tuple(step.get(key, "") for key in ("formula", "using", "because"))
        if not all(isinstance(part, str) for part in row) or not row[0].strip():
            raise LawBroken(f"step {number} has no formula: write formula = \"...\", because = \"...\"")
        rows.append((row[0], row[1], row[2]))
    return rows


@lru_cache(maxsize=16)
def decisions(text: str, name: str) -> tuple[tuple[Step, Decision], ...]:
    """The checker's word on each step of a theorem, and at the end on the last formula being the goal."""
    (theorem,) = (theorem for theorem in THEOREMS if theorem.name == name)
    steps, before, questions, premises = steps_of(text, theorem), theorem.start, [], theorem.premises
    for number, (formula, premise, _) in enumerate(steps, 1):
        if premise and premise not in premises:
            known = ", ".join(premises) or "none here"
            raise LawBroken(f"step {number} uses {premise!r}; the premises are: {known}")
        using = dict([premises[premise]]) if premise else {}
        questions.append(Question(formula, (before,), theorem.how, using, theorem.names))
        before = formula
    questions.append(Question(before, (theorem.goal,), "equal", {}, theorem.names))
    return tuple(zip([*steps, (before, "", "goal")], decide(questions), strict=True))


def judge_steps(theorem: Theorem, queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    """Each step holds, and there are enough of them."""
    found = decisions(str(answers[0].value), theorem.name)[:-1]
    for number, ((formula, _, _), decision) in enumerate(found, 1):
        marks = ", ".join(f"step {k} {d.status}" for k, (_, d) in enumerate(found, 1) if d.status != "unreadable")
        if decision.status in ("same", "vacuous"):
            raise LawBroken(f"step {number} says what stands there already: {formula}. Marks: {marks or 'none'}")
        if decision.status != "proved":
            raise LawBroken(f"step {number} is {decision.status}: {decision.detail}. Marks: {marks or 'none'}")
    if len(found) < theorem.least:
        raise LawBroken("steps of the chain, and the fewest that show how", len(found), theorem.least)


def judge_goal(theorem: Theorem, queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    judge_steps(theorem, queries, answers)
    _, reached = decisions(str(answers[0].value), theorem.name)[-1]
    if reached.status != "same":
        raise LawBroken(f"the chain does not end at the goal, written as it is there: {theorem.goal}")


def judge_reasons(theorem: Theorem, queries: Sequence[Query], answers: Sequence[Answer]) -> None:
    judge_steps(theorem, queries, answers)
    for number, ((_, _, because), _) in enumerate(decisions(str(answers[0].value), theorem.name)[:-1], 1):
        if len(because.split()) < 2:
            raise LawBroken(f"step {number} has no reason in words: because = \"...\"")


def ask(rng: np.random.Generator) -> list[Query]:
    return [Query(FILE, driver="text")]


def exercise(number: int, theorem: Theorem) -> Exercise:
    judges: tuple[tuple[str, int, str, Any], ...] = (
        ("steps", 4, f"Each step follows from the one before, and there are {theorem.least} or more.", judge_steps),
        ("goal", 4, "The chain of proved steps ends at the goal.", judge_goal),
        ("reasons", 2, "Each proved step has its reason in words.", judge_reasons),
    )
    premises = "".join(f"\n- `{key}`: {symbol} = {formula}" for key, (symbol, formula) in theorem.premises.items())
    text = (
        f"{theorem.text}\n\nStart: `{theorem.start}`\n\nGoal: `{theorem.goal}`\n\n"
        f"Symbols: {', '.join(f'`{name}`' for name in theorem.names)}.\n"
        + (f"\nPremises, of which a step may use one (`using = \"name\"`):\n{premises}\n" if premises else "")
    )
    checks = tuple(
        Check(name, points, law, ask, partial(judge, theorem), theorem.proof, "proofs.md#what-is-proved")
        for name, points, law, judge in judges
    )
    return Exercise(str(number), theorem.title, text, checks, hints=theorem.hints)


def file(solved: bool) -> str:
    """The file with all solutions, or with none."""
    head = (
        "# A proof is a chain: each formula equals the one before it, the first one the start in README.md.\n"
        "# A step is written so, with the name of its chain; the last formula is the goal:\n"
        "#\n#   [[two_steps]]\n#   formula = \"sqrt(alpha)*...\"\n#   because = \"the reason in words\"\n"
        "#   using = \"the name of a premise, where the step uses one\"\n"
    )
    parts = [head]
    for number, theorem in enumerate(THEOREMS, 1):
        steps = [] if solved else [f'# [[{theorem.name}]]\n# formula = ""\n# because = ""\n']
        for formula, premise, because in theorem.solution if solved else ():
            using = f'using = "{premise}"\n' if premise else ""
            steps.append(f'[[{theorem.name}]]\nformula = "{formula}"\nbecause = "{because}"\n{using}')
        parts.append(f"{heading(str(number), theorem.title)}\n" + "\n".join(steps))
    return "\n\n".join(parts)


ASSIGNMENT = Assignment(
    id="prove",
    title="Prove it: the machine marks each step",
    text=r"""
A proof is a chain of formulas, each equal to the one before, each with its reason. Write yours into `proof.toml`.
The proof checker decides every step for all values of the symbols: it proves it, or shows numbers at which it is
false. It judges the steps; the reasons are for people, and it only asks that there are some.

Formulas are written as in Python: `+ - * / **`, `sqrt( )`, whole numbers and fractions, and the symbols that are
named.
""",
    minutes=90,
    exercises=tuple(exercise(number, theorem) for number, theorem in enumerate(THEOREMS, 1)),
    files={FILE: file(solved=False)},
    answers=lambda: {FILE: file(solved=True)},
)
