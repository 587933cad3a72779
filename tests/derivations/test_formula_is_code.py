"""Each proved formula that a derivation ties to a function of the library is that function, in float64.

A derivation registers its function with `Code(...)`; nothing has to be added here. The comparison must
also be able to fail: every small mistake in a formula (a sign, a factor, alpha for alpha_bar, ...) is
tried too, and the function must differ from it.
"""

import importlib
import inspect

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from derivations import registry, symbols
from derivations.checker import compare
from derivations.twins import mistakes

NAMED = registry.ties()
TIES = [tie for _, tie in NAMED]
RANGES = {"unit": (0.02, 0.98), "positive": (0.1, 3), "nonnegative": (0, 3), "real": (-3, 3), "noise": (-3, 3)}
seeds = st.integers(0, 2**32 - 1)
every_tie = pytest.mark.parametrize("tie", TIES, ids=[f"{name}-{tie.function}" for name, tie in NAMED])


def function_of(tie):
    module, name = tie.function.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


def unfolded(tie, formula):
    """The formula and the function's arguments, all in symbols that are free to choose."""
    arguments = [symbols.get(name) for name in tie.arguments.values()]
    return symbols.unfold(formula, *arguments)


def draw(free, seed):
    """Five values of each symbol, within its domain."""
    generator = np.random.default_rng(seed)
    return {x: generator.uniform(*RANGES[symbols.entry(x).domain], 5) for x in sorted(free, key=str)}


class Diagonal:
    """What a function takes for its operator A: one singular value for each coordinate."""

    def __init__(self, s):
        self.s = s

    def __call__(self, x):
        return self.s * x

    adjoint = __call__

    def resolvent(self, y, sigma2, c):
        return y / (sigma2 + c * self.s**2)


def gap(tie, formula, seed):
    """The largest difference between formula and function, relative to 1 + |value|."""
    formula, *arguments = unfolded(tie, formula)
    free = set().union(formula.free_symbols, *(a.free_symbols for a in arguments))
    values = draw(free, seed)
    numeric = lambda e: np.broadcast_to(sp.lambdify(list(values), e, "numpy")(*values.values()), 5)  # noqa: E731
    expected = numeric(formula)
    given_to = {name: numeric(a) for name, a in zip(tie.arguments, arguments, strict=True)}
    function = function_of(tie)
    if tie.numbers:
        got = [function(**{k: float(v[i]) for k, v in given_to.items()}) for i in range(5)]
    else:
        tensors = {k: torch.tensor(np.array(v), dtype=torch.float64) for k, v in given_to.items()}
        got = function(**{k: Diagonal(v) if k == "A" else v for k, v in tensors.items()})
        assert got.dtype == torch.float64
        got = got.numpy()
    return float(np.max(np.abs(got - expected) / (1 + np.abs(expected))))


@every_tie
def test_the_arguments_are_the_functions_parameters(tie):
    assert list(inspect.signature(function_of(tie)).parameters) == list(tie.arguments)


@every_tie
@given(seeds)
def test_the_function_computes_the_proved_formula(tie, seed):
    assert gap(tie, tie.formula, seed) <= 1e-12


@every_tie
def test_the_function_is_none_of_the_mistaken_formulas(tie):
    tried = 0
    for _, what, mistaken in mistakes(tie.formula):
        if compare(mistaken, tie.formula).status == "proved":
            continue
        with np.errstate(all="ignore"):  # the root of a negative number is nan, and nan is not small
            same = all(gap(tie, mistaken, seed) <= 1e-6 for seed in range(4))
            assert not same, f"{tie.function} would pass with the mistake: {what}"
        tried += 1
    assert tried >= 2


@pytest.mark.parametrize("module", ["teachdiff.predictions"])
def test_every_formula_of_these_modules_is_tied_to_a_proof(module):
    functions = {
        f"{module}.{name}"
        for name, value in vars(importlib.import_module(module)).items()
        if inspect.isfunction(value) and value.__module__ == module and not name.startswith("_") and name != "<lambda>"
    }
    assert functions and functions <= {tie.function for tie in TIES}


def test_the_posterior_of_the_schedule_is_tied_to_its_proof():
    tied = {tie.function for tie in TIES}
    assert {"teachdiff.schedules.posterior_mean", "teachdiff.schedules.posterior_variance"} <= tied
