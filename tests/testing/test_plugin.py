"""pytest --teachdiff-operator and its siblings, and `teachdiff check`, in a folder far from this repository."""

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from teachdiff import cli
from teachdiff.testing import laws

MINE = """
import torch
from teachdiff import schedules
from teachdiff.operators import GaussianBlur
from teachdiff.priors.gaussian import GaussianPrior


class WrongAdjoint(GaussianBlur):
    def _adjoint(self, y):
        return y.clone()


good = GaussianBlur((1, 3, 4), 1.0)
bad = WrongAdjoint((1, 3, 4), 1.0)
schedule = schedules.linear(T=5)
prior = GaussianPrior(schedule, torch.zeros(1, 2, 2), torch.ones(1, 2, 2))


def make(shape):
    return GaussianBlur(shape, 1.0)


def sampler(prior, problem):
    return prior.denoise(torch.randn(len(problem.y), *problem.operator.input_shape).to(problem.y), torch.tensor(1))
"""


SUBJECTS = {"operator": "good", "schedule": "schedule", "prior": "prior", "method": "sampler"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(python, folder):
    """pytest in that folder."""
    return lambda *arguments: python.run("-m", "pytest", *arguments, cwd=folder)


def test_each_law_is_a_test(run):
    subjects = [f"--teachdiff-{kind}=mine:{name}" for kind, name in SUBJECTS.items()]
    done = run("-v", *subjects, "--teachdiff-claims=,")
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("mine:good::dot_test PASSED", "mine:schedule::falls PASSED", "mine:schedule::noising SKIPPED"):
        assert line in done.stdout
    assert "failed" not in done.stdout


def test_what_is_broken_is_red_and_says_why(run):
    done = run("--teachdiff-operator", "mine:bad", "--teachdiff-operator", "mine:good")
    assert done.returncode == 1
    assert "dot_test: <A x, y> = <x, Aᵀ y> for every sample" in done.stdout
    assert "with batch = 1, seed of x = 0" in done.stdout
    assert "Traceback" not in done.stdout and "core.py" not in done.stdout


def test_a_shape_for_a_function_that_makes_the_object(run):
    done = run("--teachdiff-operator", "mine:make", "--teachdiff-shape", "2,3,3")
    assert done.returncode == 0, done.stdout
    assert f"{len(list(laws('operator')))} passed" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--teachdiff-operator", "mine:god"], "Did you mean 'good'"),
        (["--teachdiff-method", "mine:sampler", "--teachdiff-claims", "chian"], "Did you mean 'chain'"),
    ],
    ids=["name", "claims"],
)
def test_what_cannot_be_asked_is_said(run, arguments, says):
    done = run(*arguments)
    assert done.returncode not in (0, 5)
    assert says in done.stdout + done.stderr
    assert "INTERNALERROR" not in done.stdout


def test_pytest_without_the_options_loads_nothing_heavy(folder):
    (folder / "test_light.py").write_text(
        "import sys\ndef test_light():\n    assert not {'torch', 'hypothesis.core', 'sympy'} & set(sys.modules)\n",
        encoding="utf-8",
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "COV"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:hypothesispytest"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def check(folder, monkeypatch):
    """`teachdiff check ...` in this process, standing in that folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)

    def invoke(*arguments):
        result = CliRunner().invoke(cli.app, ["check", *arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception  # it would be a traceback
        return result

    yield invoke
    sys.modules.pop("mine", None)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("mine:good --kind operator", 0),
        ("mine:make --kind operator --shape 1,2,2", 0),
        ("mine:schedule --kind schedule", 0),
        ("mine:prior --kind prior", 0),
        ("mine:bad --kind operator", 1),
        ("mine:sampler --kind method --claims ddpm", 1),
        ("mine:nothing --kind operator", 2),
        ("nowhere:good --kind operator", 2),
        ("mine:make --kind operator", 2),
        ("mine:good --kind camera", 2),
        ("mine:good --kind operator --shape 1,2,2", 2),
        ("mine:good --kind operator --shape big", 2),
        ("mine:schedule --kind schedule --shape 1,2,2", 2),
        ("mine:good --kind operator --claims chain", 2),
    ],
)
def test_check_on_the_command_line(check, line, code):
    done = check(*line.split())
    assert done.exit_code == code, done.output
    assert bool(done.stderr) == (code == 2)
    if code == 1:
        assert "beside" in done.stdout and "allowed is a difference" in done.stdout


def test_check_prints_json(check):
    done = check("mine:bad", "--kind", "operator", "--json")
    results = {r["law"]: r for r in json.loads(done.stdout)}
    assert done.exit_code == 1 and not done.stderr
    assert results["linear"]["status"] == "passed" and results["dot_test"]["status"] == "failed"
    assert results["dot_test"]["left"] != results["dot_test"]["right"]
    assert set(results["dot_test"]) == {
        "kind", "law", "subject", "status", "statement", "message", "left", "right", "allowed", "drawn", "proof",
        "seconds", "ok",
    }  # fmt: skip
