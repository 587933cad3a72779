"""Whatever comes back in place of an answer breaks a law, and never the judge: every check, every kind of value."""

import numpy as np
import pytest

from teachdiff.course import registry
from teachdiff.course.model import Answer, judge, rng_of
from teachdiff.testing.core import LawBroken

HOSTILE = {
    "nothing": None,
    "true": True,
    "a number": 1.5,
    "not a number": float("nan"),
    "infinity": float("inf"),
    "an endless integer": 10**400,
    "a complex number": 1j,
    "a text": "passed",
    "bytes": b"\x00" * 8,
    "an empty list": [],
    "a list": [0.0, 1.0, 2.0],
    "a list of lists of another length": [[0.0], [0.0, 1.0]],
    "a list of texts": ["0", "1"],
    "a list of nothing": [None] * 3,
    "nested": [[[[[[[[0.0]]]]]]]],
    "a tuple": (1.0, 2.0),
    "a dictionary": {"alpha_bar": [1.0, 0.5]},
    "a dictionary that asks for an object": {"make": "schedule", "alpha_bar": [1.0]},
    "an array of no dimension": np.array(0.5),
    "an array of nothing": np.zeros(0),
    "an array of 0 x 5": np.zeros((0, 5)),
    "zeros": np.zeros((2, 1, 2, 3)),
    "not a number, often": np.full((2, 1, 2, 3), np.nan),
    "infinities": np.full((2, 1, 2, 3), np.inf),
    "the largest numbers": np.full((2, 1, 2, 3), np.finfo(np.float64).max),
    "complex numbers": np.ones((2, 1, 2, 3), dtype=np.complex128),
    "truth values": np.ones((2, 1, 2, 3), dtype=np.bool_),
    "bytes of an image": np.ones((2, 1, 2, 3), dtype=np.uint8),
    "half the digits": np.ones((2, 1, 2, 3), dtype=np.float16),
    "sixteen dimensions": np.zeros((1,) * 16),
    "a long array": np.zeros(100_000),
}

CHECKS = [(a, e, c) for a in registry.assignments() for e, c in a.checks()]


@pytest.mark.parametrize(("assignment", "exercise", "check"), CHECKS, ids=lambda v: getattr(v, "name", None) or v.id)
def test_no_value_passes_and_none_breaks_the_judge(assignment, exercise, check):
    queries = check.queries(rng_of(assignment, exercise, check, b"hostile"))
    for name, value in HOSTILE.items():
        broken = judge(check, queries, [Answer(value) for _ in queries])
        assert isinstance(broken, LawBroken), f"{name} passes"
    for count in {0, len(queries) - 1, len(queries) + 1}:
        assert isinstance(judge(check, queries, [Answer(0.0)] * count), LawBroken)
    for name in {name for query in queries for name in query.arguments}:  # the question as the answer
        broken = judge(check, queries, [Answer(query.arguments.get(name)) for query in queries])
        assert isinstance(broken, LawBroken), f"{name} passes"
