"""All derivations hold, and each step of each can fail."""

import json
import re
import time

import pytest

import derivations
from derivations import registry
from derivations.checker import Assumed, Derivation, Unequal, compare
from derivations.symbols import get
from derivations.twins import twins

NAMES = registry.names()
PER_STEP = 8  # twins of each step in the default run; -m slow takes all of them

THEOREMS = {
    "vp_marginal", "posterior", "tweedie", "predictions", "reverse_mean", "reverse_variance", "ddim", "bayes_score",
    "sdedit", "likelihood_score", "dps", "dmps", "posterior_tweedie", "forward_sde", "ddrm", "admm", "operators",
    "units", "pigdm", "hybrid", "exactness", "dirac_sde", "dirac_step", "dirac_score", "dirac_consistency",
    "dirac_bounds", "dirac_lookahead", "dirac_schedule", "dirac_guidance",
}  # fmt: skip


@pytest.fixture(scope="module")
def proved():
    """Everything proved once: the report, and the seconds of one core that it took."""
    began = time.process_time()
    return derivations.run(ledger=False), time.process_time() - began


@pytest.fixture(scope="module")
def report(proved):
    return proved[0]


def test_the_theorems_are_all_there():
    assert {name.split(".")[0] for name in NAMES} >= THEOREMS


@pytest.mark.parametrize("name", NAMES)
def test_it_is_proved(report, name):
    (result,) = [r for r in report.derivations if r.name == name]
    assert result.status == "proved", result.problem
    assert all(step.reason and step.tex and step.status == "proved" for step in result.steps)
    assert result.statement and result.title


def test_nothing_failed(report):
    assert report.ok and report.summary["failed"] == 0 and report.summary["proved"] == len(NAMES)


def test_all_of_it_takes_less_than_a_minute_of_one_core(proved):
    assert proved[1] < 60


def test_the_report_is_json_as_the_design_has_it(report):
    found = json.loads(json.dumps(report.as_json()))
    assert set(found) == {"derivations", "ledger", "summary"}
    assert {"name", "statement", "status", "steps", "seconds"} <= set(found["derivations"][0])
    assert set(found["summary"]) == {"proved", "refuted", "failed"}


def test_no_premise_goes_unmentioned(report):
    assumed = [s for d in registry.find() for s in d.steps if isinstance(s, Assumed)]
    assert len(report.premises) == len(assumed)


def test_none_leans_on_a_later_one():
    seen = set()
    for derivation in registry.find():
        assert set(derivation.leans_on) <= seen
        seen.add(derivation.name)


@pytest.mark.parametrize("name", NAMES)
def test_the_statement_has_balanced_latex(name):
    statement = registry.everything()[name].statement
    assert statement.count("$") % 2 == 0 and statement.count("{") == statement.count("}")
    assert not re.search(r"\bTODO\b|\bXXX\b", statement)


def some(derivation: Derivation, step, per_step: int | None):
    """The twins of a step: all, or one of each mistake and others spread over the rest."""
    found = list(twins(step))
    if per_step is None or len(found) <= per_step:
        return found
    first = {twin.mistake: twin for twin in reversed(found)}
    stride = max(1, len(found) // (per_step - len(first) + 1))
    return list({id(t): t for t in [*first.values(), *found[stride // 2 :: stride]]}.values())[:per_step]


def check_twins(name, per_step):
    derivation = registry.everything()[name]
    for number, step in enumerate(derivation.steps, 1):
        refuted = 0
        for twin in some(derivation, step, per_step):
            verdict = twin.step.check()
            where = f"{name}, step {number}, {twin.mistake}: {twin.what}"
            assert verdict.status != "undecided", f"{where}: {verdict.detail}"
            refuted += verdict.status == "refuted"
        if not isinstance(step, Assumed | Unequal):
            assert refuted, f"{name}, step {number}: no mistake makes it fail, so it proves nothing"


@pytest.mark.parametrize("name", NAMES)
def test_perturbed_steps_are_refuted_or_proved_equivalent(name):
    check_twins(name, PER_STEP)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_perturbed_step_is_decided(name):
    check_twins(name, None)


@pytest.mark.parametrize("name", NAMES)
def test_each_claim_of_difference_could_have_failed(name):
    """An Unequal step, told that the two sides are one another's rewriting, is refuted."""
    one = get("x_0")
    for step in registry.everything()[name].steps:
        if isinstance(step, Unequal):
            left = step.lhs[0] if isinstance(step.lhs, tuple) else step.lhs
            assert Unequal(left, (left * one + left * (1 - one)), using=step.using).check().status == "refuted"
            assert compare(left, left).status == "proved"
