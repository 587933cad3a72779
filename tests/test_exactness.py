"""The ledger of exactness: no method left out, the verdicts hold, the closed forms are where the chains go."""

import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from derivations import registry
from teachdiff import cli, exactness
from teachdiff.exact import mixture_posterior
from teachdiff.exactness import (
    CASES,
    CONDITIONAL,
    ESTIMATE,
    NOT,
    PRIOR,
    QUICK,
    WORLDS,
    Plan,
    cases,
    measure,
    schedule_of,
)
from teachdiff.methods import METHODS

BY_TITLE = {case.title: case for case in cases()}
HERE = list(BY_TITLE)
DOCS = Path(__file__).parents[1] / "docs"


@cache
def row_of(title, world="pixel", steps=300, sigma=0.3, samples=400):
    world = WORLDS[world]
    prior, problem = world.build(schedule_of(steps), sigma)
    return measure(BY_TITLE[title], world, prior, problem, mixture_posterior(prior, problem), steps, samples)


# Nothing is left out


def test_every_method_has_a_case():
    assert {case.method for case in cases()} == set(METHODS)


def test_a_method_without_a_case_is_an_error(monkeypatch):
    monkeypatch.setitem(METHODS, "new", METHODS["dps"])
    with pytest.raises(LookupError, match="new"):
        cases()


@pytest.mark.parametrize("title", HERE)
def test_each_case_leans_on_a_proof_and_gives_a_reason(title):
    case = BY_TITLE[title]
    assert case.derivation in registry.names()
    assert case.verdict == PRIOR or case.because
    assert bool(case.exact_on) == (case.verdict == CONDITIONAL)


def test_titles_are_unique():
    assert len({case.title for case in CASES}) == len(CASES)


@pytest.mark.parametrize("title", HERE)
def test_every_case_has_figures_on_every_world(title):
    for name in WORLDS:
        row = row_of(title, name, steps=4 if name in ("smooth", "digit") else 20, sigma=2.0, samples=20)
        if row.kind == "none":
            assert row.note
            continue
        assert all(math.isfinite(v) for v in (row.mean_gap, row.variance_low, row.variance_high, row.distance))
        assert (row.kind == "exact") == (row.samples is None) == (row.floor is None)
        assert (row.modes is None) == (name in ("pixel", "pair", "white", "smooth"))


# The verdicts


@pytest.mark.parametrize("title", [t for t in HERE if BY_TITLE[t].exact_on])
def test_on_the_worlds_that_a_verdict_names_the_bias_vanishes(title):
    """Ten times the steps leave less than a quarter of the distance to the posterior."""
    for name in BY_TITLE[title].exact_on:
        few, many = (100, 1000) if name == "pixel" else (30, 100)
        coarse, fine = (row_of(title, name, steps, sigma=1.0) for steps in (few, many))
        assert coarse.kind == fine.kind == "exact"
        assert fine.distance < (0.25 if name == "pixel" else 0.5) * coarse.distance
        assert fine.distance < 0.05


@pytest.mark.parametrize("title", [t for t in HERE if not BY_TITLE[t].exact_on])
def test_what_is_no_sampler_stays_away_from_the_posterior(title):
    """However many steps it takes: on the pixel the distance at T = 1000 is still above 0.05."""
    row = row_of(title, "pixel", 1000, sigma=0.3)
    assert row.kind == "none" or row.distance > 0.05


@pytest.mark.parametrize("title", [t for t in HERE if BY_TITLE[t].verdict == NOT or BY_TITLE[t].exact_on])
def test_no_method_samples_every_posterior(title):
    """On two correlated pixels, those too that are exact for white priors; on a blur those that are exact for masks."""
    row = row_of(title, "white" if "pair" in BY_TITLE[title].exact_on else "pair", 300, sigma=0.3)
    assert row.kind == "none" or row.distance > 0.03


@pytest.mark.parametrize("title", [t for t in HERE if BY_TITLE[t].verdict == ESTIMATE])
def test_an_estimate_is_one_image(title):
    row = row_of(title, "pixel", 30)
    assert row.kind == "exact" and row.variance == 0


@pytest.mark.parametrize("title", [t for t in HERE if BY_TITLE[t].verdict == PRIOR])
def test_the_prior_is_sampled_as_T_grows(title):
    row = row_of(title, "pixel", 1000)
    assert row.mean == 0 and row.variance == pytest.approx(1, abs=0.02)


def test_the_posterior_itself_would_have_no_bias():
    """The road of the samples, with exact samples for a method: no gap, no distance above the floor, right modes."""
    world = WORLDS["two modes"]
    prior, problem = world.build(schedule_of(10), 0.1)
    posterior = mixture_posterior(prior, problem)
    x = posterior.sample(2000, seed=7)[:, 0]
    row = exactness.sampled_row(("exact", "exact", world.name, 10, 0.1), x, posterior)
    assert row.mean_gap < 5 * row.mean_gap_error and row.modes_p > 1e-3
    assert abs(row.variance_low - 1) < 5 * row.variance_error and abs(row.variance_high - 1) < 5 * row.variance_error
    assert row.distance < 2 * row.floor + 0.05
    lost = exactness.sampled_row(("lost", "lost", world.name, 10, 0.1), x[x[:, 0, 0, 0] > 0], posterior)
    assert lost.modes_p < 1e-5 and lost.distance > 4 * row.distance


# The closed forms


@pytest.mark.parametrize("title", [t for t in HERE if BY_TITLE[t].limit and BY_TITLE[t].method != "ddpm"])
@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_chains_go_where_the_closed_form_says(title, sigma):
    """The gap to the limit is of order 1/T: from T = 300 to 1000 it falls to a third, and what is left is small."""
    limit = torch.tensor(BY_TITLE[title].limit(sigma, 1.0))
    gaps = []
    for steps in (300, 1000):
        row = row_of(title, "pixel", steps, sigma)
        gaps.append((torch.tensor([row.mean, row.variance]) - limit).abs().max().item())
    assert gaps[1] < 0.45 * gaps[0] + 1e-4 and gaps[1] < 0.015


def test_the_issues_figures_in_one_dimension():
    """sigma = 0.1, y = 1, T = 1000: DPS 1.0000 and 0.0043, the posterior 0.9901 and 0.0099."""
    row = row_of("DPS, likelihood step", "pixel", 1000, 0.1)
    assert (row.mean, row.variance) == pytest.approx((1.0, 0.0043), abs=5e-5)
    assert exactness.posterior_of_pixel(0.1, 1.0) == pytest.approx((0.9901, 0.0099), abs=5e-5)
    if "dmps" in METHODS:
        row = row_of("DMPS, lambda = 1", "pixel", 1000, 0.1)
        assert (row.mean, row.variance) == pytest.approx((0.963, 0.0086), abs=5e-4)
    if "pigdm" in METHODS:
        row = row_of("PiGDM, tau = 1", "pixel", 1000, 0.1)
        assert (row.mean, row.variance) == pytest.approx((0.9901, 0.0092), abs=5e-4)


@given(st.floats(0.05, 3).filter(lambda s: abs(s - 1) > 0.05))
def test_dmps_limit_is_its_integral(sigma):
    a = torch.linspace(0, 1, 200_001, dtype=torch.float64)
    left = (1 - (1 - sigma**2) * a) ** 2
    mean = sigma**2 * torch.trapezoid(a / left, a).item()
    variance = sigma**4 * torch.trapezoid(a**2 / left, a).item()
    assert exactness.dmps_limit(sigma, 1.0) == pytest.approx((mean, variance), rel=1e-5)


def test_dmps_limit_is_continuous_at_1():
    assert exactness.dmps_limit(1.0, 1.0) == pytest.approx(exactness.dmps_limit(1.001, 1.0), abs=2e-3)


# The page and the command


def test_divergence_is_said_and_no_figure_is_made_up():
    row = row_of("DPS, likelihood step", "pixel", 30, 0.03)
    assert row.kind == "none" and row.note == "diverges" and row.mean_gap is None


def test_a_refusal_is_said():
    case = replace(BY_TITLE["DPS, norm step, zeta = 1"], options=lambda steps, sigma: {"zeta": -1.0})
    world = WORLDS["pixel"]
    prior, problem = world.build(schedule_of(10), 0.1)
    row = measure(case, world, prior, problem, mixture_posterior(prior, problem), 10, 10)
    assert row.kind == "none" and row.note.startswith("refused: zeta")


def test_the_command_writes_the_page_and_the_rows(tmp_path):
    found = CliRunner().invoke(cli.app, ["exactness", "--quick", "--out", str(tmp_path), "--json"])
    assert found.exit_code == 0, found.stderr
    rows = json.loads(found.stdout)
    assert {row["case"] for row in rows} == set(HERE)
    assert {row["world"] for row in rows} == set(QUICK.worlds)
    page = (tmp_path / "exactness.md").read_text(encoding="utf-8")
    assert all(f"| {title} |" in page for title in HERE)
    tables = "".join(line for line in page.splitlines() if line.startswith("|"))
    assert not any(word in tables for word in ("nan", "inf", "None"))
    for picture in ("exactness-steps.png", "exactness-sigma.png"):
        assert f"assets/{picture}" in page
        assert 1000 < (tmp_path / "assets" / picture).stat().st_size <= 100_000


def test_an_unknown_method_is_a_wrong_question():
    found = CliRunner().invoke(cli.app, ["exactness", "--methods", "dsp"])
    assert found.exit_code == 2 and "Did you mean 'dps'" in found.stderr


def test_the_plan_covers_T_and_sigma():
    points = Plan().points(WORLDS["pixel"])
    assert {t for t, s in points if s == 0.1} >= {10, 30, 100, 300, 1000}
    assert {s for t, s in points if t == 1000} == {1.0, 0.3, 0.1, 0.03, 0.01}


def test_the_committed_page_is_of_the_methods_that_there_are():
    page = (DOCS / "exactness.md").read_text(encoding="utf-8")
    assert exactness.verdict_table(cases()) in page, f"write it again: {exactness.COMMAND}"
    for picture in ("exactness-steps.png", "exactness-sigma.png"):
        assert (DOCS / "assets" / picture).stat().st_size <= 100_000
