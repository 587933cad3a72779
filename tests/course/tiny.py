"""An assignment of two functions that needs no torch in the child, so that grading it takes a tenth of a second."""

from pathlib import Path

import numpy as np

from teachdiff.course import grading, registry, sandbox
from teachdiff.course.model import Assignment, Check, Cut, Exercise, Query
from teachdiff.testing.core import require_close

RIGHT = "def f(x):\n    return [v * v for v in x]\n\n\ndef g(x):\n    return sum(x)\n"


def ask(function: str):
    return lambda rng: [Query("answers.py", function, {"x": rng.standard_normal(4).tolist()}) for _ in range(2)]


def judge_with(truth):
    def judge(queries, answers):
        for query, answer in zip(queries, answers, strict=True):
            require_close(answer.value, truth(np.array(query.arguments["x"])), 1e-12, 1.0, "the answer and the truth")

    return judge


SQUARES = Check("squares", 2, "f(x) = x²", ask("f"), judge_with(np.square), "vp_marginal")
SUMS = Check("sums", 3, "g(x) = Σ x", ask("g"), judge_with(np.sum), visible=False)
TINY = Assignment(
    "tiny", "Two functions", "", 1,
    (
        Exercise("1", "Squares", "", (SQUARES,), (Cut("teachdiff.nowhere", ("f",), "answers.py"),)),
        Exercise("2", "Sums", "", (SUMS,)),
    ),
)  # fmt: skip


def install(patch=setattr) -> None:
    """Grade this assignment instead of the library's; `patch(object, name, value)` sets an attribute."""
    patch(registry, "assignment", lambda name: TINY)
    patch(grading, "library", lambda holes: {"teachdiff/course/drivers.py": sandbox.DRIVERS})
    patch(sandbox, "PRELOAD", ())
    from teachdiff.course import cut

    patch(cut, "holes_beside", lambda assignment, exercise: {})


def hand_in(folder: Path, text: str = RIGHT, **files: str) -> Path:
    folder.mkdir(parents=True)
    for name, content in {"answers.py": text, **files}.items():
        (folder / name).write_text(content)
    return folder


# mutants of the right answer, and what each must earn
MUTANTS = {
    RIGHT: 5,
    RIGHT.replace("v * v", "v + v"): 3,
    RIGHT.replace("sum(x)", "sum(x[1:])"): 2,
    RIGHT.replace("v * v", "abs(v)").replace("sum(x)", "max(x)"): 0,
    RIGHT.replace("sum(x)", "undefined"): 2,
    RIGHT.replace("return [", "import os; os._exit(0)\n    return ["): 3,
}
