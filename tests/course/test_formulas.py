"""Formulas are read, never run; the checker decides them; and what the assignments call right is what is proved."""

import re

import pytest

from derivations import ledger
from derivations.posterior import mean, precision, variance
from derivations.predictions import score_from_epsilon, x0_from_epsilon, x0_from_score, x0_from_v
from derivations.reverse_mean import epsilon_form, score_form
from derivations.symbols import TABLE, get
from derivations.vp_marginal import marginal
from teachdiff.course import mistakes, prove
from teachdiff.course.formulas import LONGEST, Question, Unreadable, decide, read
from teachdiff.course.marking import mark
from teachdiff.course.reading import LARGEST
from teachdiff.course.start import solution, write
from teachdiff.testing.core import LawBroken

assert x0_from_epsilon is not None and x0_from_v is not None  # their modules declare symbols
NAMES = tuple(TABLE)


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        (mistakes.TWEEDIE, x0_from_score),
        (mistakes.POSTERIOR, mean(*get("x0_hat", "x_t"))),
        (mistakes.SCORE, score_form),
        (mistakes.EPSILON, epsilon_form),
        (mistakes.MARGINAL, marginal),
        (mistakes.CORRECTIONS["mashayak.eq16c"].right[0], score_from_epsilon),
        (prove.THEOREMS[1].start, 1 / precision),
        (prove.THEOREMS[1].goal, variance),
        (prove.THEOREMS[2].start, mean(*get("x0_hat", "x_t"))),
        (prove.THEOREMS[2].goal, epsilon_form),
        (prove.THEOREMS[2].premises["tweedie"][1], x0_from_score),
        (prove.THEOREMS[2].premises["score"][1], score_from_epsilon),
    ],
)
def test_what_is_called_right_is_what_is_proved(text, expression):
    assert read(text, NAMES) == expression


BAD = [
    "__import__('os').system('true')",
    "().__class__.__bases__[0].__subclasses__()",
    "[x for x in (1, 2)]",
    "lambda: 1",
    "x_t if alpha else x_0",
    "alpha.free_symbols",
    "eval('1')",
    "open('/etc/passwd')",
    "sqrt(x_t, x_0)",
    "sqrt(*x_t)",
    "f'{alpha}'",
    "'alpha'",
    "alpha := 2",
    "alpha; beta",
    "alpha = beta",
    "0.5*alpha",
    "1j*alpha",
    "True",
    "10**100",
    "2**(2**30)",
    "x_t**x_0",
    "((((x_t + x_0)**8)**8)**8)**8",
    "1/0",
    "0**(-1)",
    "x_t/(alpha - alpha)",
    "(" * 250 + "x_t" + ")" * 250,
    "-" * 599 + "1",
    "x" * (LONGEST + 1),
    "nonsense",
    "import os",
    "x_t @ x_0",
    "x_t // x_0",
    "x_t < x_0",
    "",
    "\x00",
]


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_anything_else_is_unreadable(text):
    try:
        read(text, NAMES)
    except Unreadable as error:
        assert len(str(error)) < 3000
    except RecursionError:
        assert len(text) > 400  # the process of its own says that it ran out of memory
    else:
        pytest.fail(f"{text[:40]!r} was read")


def test_a_symbol_must_be_one_of_those_named():
    with pytest.raises(Unreadable, match="x_0 is not one of the symbols here: x_t"):
        read("x_t + x_0", ["x_t"])


def test_decisions_come_one_for_each_question_in_order():
    found = decide(
        [
            Question("2*x_t/2 + 0*x_0", ("x_t",)),
            Question("(x_t + x_0)**2", ("x_t**2 + 2*x_t*x_0 + x_0**2",)),
            Question("x_t + x_0", ("x_t - x_0", "x_0 + x_t*1")),
            Question("alpha_bar", ("alpha",)),
            Question("sqrt(alpha)*z", ("-sqrt(alpha)*z",), "law"),
            Question("sqrt(alpha)*z", ("-sqrt(alpha)*z",)),
            Question("open('x')", ("x_t",)),
            Question("-" * 599 + "x_t", ("-x_t",)),
            Question("1 + h", ("1 + h + h**2",), "order"),
            Question("1 + h", ("1 + 2*h",), "order"),
            Question("s_theta", ("-eps_theta",), using={"s_theta": "-eps_theta"}),
        ]
    )
    status = [decision.status for decision in found]
    assert status[:7] == ["same", "proved", "same", "refuted", "proved", "refuted", "unreadable"]
    assert status[7] in ("undecided", "unreadable", "same")
    assert status[8:] == ["proved", "refuted", "vacuous"]
    assert "alpha = " in found[3].detail and "left" in found[3].detail


# Find the mistake.


def lines(**changes):
    """The solved file with some lines changed: id with dots as __ -> (verdict, correction)."""
    found = mistakes.read_lines(mistakes.file(solved=True)) | {k.replace("__", "."): v for k, v in changes.items()}
    return "".join(f'["{name}"]\nverdict = "{v}"\ncorrection = "{c}"\n' for name, (v, c) in found.items())


def marked(folder, text):
    write(solution(mistakes.ASSIGNMENT) | {mistakes.FILE: text}, folder)
    return {v.check: v for v in mark(mistakes.ASSIGNMENT, folder, None, b"a secret of these tests")}


def test_the_lines_are_those_of_the_ledger():
    rows = {row.id: row for row in ledger.rows()}
    asked = [row for k in range(len(mistakes.SECTIONS)) for row in mistakes.lines_of(k) if mistakes.asked(row)]
    assert {row.id for row in asked if row.mistake} == mistakes.CORRECTIONS.keys()
    printed = {name for name, row in rows.items() if name.startswith("rao.app")} - mistakes.LEFT_OUT
    equation = re.compile(r"mashayak\.eq(\d+)")
    printed |= {name for name in rows if (found := equation.match(name)) and 5 <= int(found[1]) <= 17}
    shown = {row.id for k in range(len(mistakes.SECTIONS)) for row in mistakes.lines_of(k)}
    assert shown == printed
    assert any(row.mistake for row in mistakes.lines_of(0))


def test_every_printed_mistake_is_refused_as_its_own_correction(tmp_path):
    """What the ledger refutes, put where the correction should stand."""
    changes = {}
    for name in mistakes.CORRECTIONS:
        claim = ledger.find(name)[0].claim[0]
        side = claim.lhs[0] if isinstance(claim.lhs, tuple) else claim.lhs
        changes[name] = ("wrong", PRINTED.get(name) or str(side))
    found = marked(tmp_path, lines(**{k.replace(".", "__"): v for k, v in changes.items()}))
    for name in mistakes.CORRECTIONS:
        assert not found[name].passed and "refuted" in found[name].message, found[name].describe()
        assert "left" in found[name].message
    assert all(v.passed for name, v in found.items() if name not in mistakes.CORRECTIONS)


# Where the ledger's claim is an induction or an integral, the formula that is printed there.
PRINTED = {
    "mashayak.eq12": "sqrt(alpha)*x_0 + sqrt(1 - alpha)*z",
    "mashayak.eq13a": "(x_t + (1 - alpha_bar)*s_theta)/sqrt(alpha)",
    "mashayak.eq13b": mistakes.POSTERIOR,
    "mashayak.eq16c": "-eps_theta/sqrt(1 - alpha)",
    "rao.app2.line11": mistakes.SCORE,
}


def test_calling_everything_right_earns_nothing(tmp_path):
    everything = mistakes.read_lines(mistakes.file(solved=True))
    found = marked(tmp_path, lines(**{name.replace(".", "__"): ("right", "") for name in everything}))
    assert sum(v.points for v in found.values()) == 0


def test_calling_everything_wrong_earns_nothing(tmp_path):
    everything = mistakes.read_lines(mistakes.file(solved=True))
    found = marked(tmp_path, lines(**{name.replace(".", "__"): ("wrong", "") for name in everything}))
    assert sum(v.points for v in found.values()) == 0


def test_any_equal_formula_is_accepted(tmp_path):
    same = {
        "rao__app1__line7": ("wrong", "sqrt(alpha)*sqrt(alpha_bar_prev)*x_0 - sqrt(1 - alpha*alpha_bar_prev)*z"),
        "rao__app2__line11": ("wrong", f"sqrt(1 - alpha)*z + {mistakes.SCORE}"),
        "rao__app3__line7b": ("wrong", "x_t/sqrt(alpha) - beta*eps_theta/sqrt(alpha*(1 - alpha_bar))"),
        "mashayak__eq5": ("wrong", "1 - beta*h/2 + 7*h**2"),
    }
    assert all(v.passed for v in marked(tmp_path, lines(**same)).values())


@pytest.mark.parametrize("text", ["not toml at all [", "[" * 5000, "a = 1", '["rao.app1.line7"]\nverdict = 3', "\x00"])
def test_a_file_that_is_none_earns_nothing_and_says_why(text, tmp_path):
    found = marked(tmp_path, text)
    assert sum(v.points for v in found.values()) == 0
    assert all(v.message for v in found.values())


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    found = marked(tmp_path, "#" * (LARGEST["text"] + 1))
    assert all("bytes; at most" in v.message for v in found.values())


# Prove it.


def test_a_chain_of_one_step_is_too_short():
    text = '[[velocity]]\nformula = "x_0"\nbecause = "it is so"\nusing = "v"\n'
    decided = prove.decisions(text, "velocity")
    assert decided[0][1].status == "refuted"  # with one premise alone it does not follow
    text = f'[[variance]]\nformula = "{prove.THEOREMS[1].goal}"\nbecause = "it is so"\n'
    assert [d.status for _, d in prove.decisions(text, "variance")] == ["proved", "same"]
    with pytest.raises(LawBroken, match="fewest"):
        prove.judge_steps(prove.THEOREMS[1], [], [type("A", (), {"value": text})])


def test_an_unknown_premise_is_refused():
    with pytest.raises(LawBroken, match="the premises are: x_t, v"):
        prove.decisions('[[velocity]]\nformula = "x_0"\nusing = "magic"\n', "velocity")


def test_a_step_that_repeats_earns_nothing():
    start = prove.THEOREMS[1].start
    text = f'[[variance]]\nformula = "{start}"\nbecause = "it is so"\n' * 3
    with pytest.raises(LawBroken, match="says what stands there already"):
        prove.judge_steps(prove.THEOREMS[1], [], [type("A", (), {"value": text})])
