"""Every example runs from a fresh folder, at a small size, and says something."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALL = {
    "first_restoration": ["--size", "16", "--steps", "3"],
    "digits": ["--steps", "20", "--samples", "20"],
    "exact_law": ["--steps", "60"],
    "fit_digits": ["--rounds", "3"],
    "printed_mistakes": ["--size", "16", "--t", "5"],
    "ddpm": ["--images", "1", "--steps", "2"],
    "ddim": ["--images", "1", "--steps", "1", "2"],
    "dps": ["--size", "16", "--steps", "2"],
    "pigdm": ["--size", "16", "--steps", "2"],
    "dmps": ["--size", "16", "--steps", "2"],
    "hybrid": ["--images", "1", "--steps", "2"],
    "ddrm": ["--size", "16", "--steps", "2"],
    "tweedie": ["--size", "16"],
    "sdedit": ["--size", "16", "--steps", "2"],
    "score_ald": ["--size", "16", "--steps", "2"],
    "pnp_admm": ["--size", "16", "--steps", "2"],
    "admm_tv": ["--size", "16"],
}


def test_every_example_is_run_here():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
def test_it_runs(name, tmp_path):
    line = [sys.executable, str(EXAMPLES / f"{name}.py"), *SMALL[name]]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert not done.stderr


def test_an_example_shows_the_bias_that_it_speaks_of(tmp_path):
    line = [sys.executable, str(EXAMPLES / "exact_law.py"), "--steps", "400"]
    out = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    figures = {row[:22].strip(): row[22:].split()[1::2] for row in out.splitlines()}
    assert figures["the posterior"] == ["0.9901", "0.0099"]
    mean, variance = map(float, figures["DPS, likelihood step"])
    assert mean > 0.995 and variance < 0.006


def test_the_digits_example_tells_exact_samples_from_a_methods(tmp_path):
    line = [sys.executable, str(EXAMPLES / "digits.py"), "--steps", "50", "--samples", "100"]
    out = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    rows = {row[:24].strip(): row[24:].split() for row in out.splitlines() if "p-value" in row}
    assert float(rows["exact samples"][-1]) > 1e-3 > float(rows["DPS, norm step"][-1])
    assert (tmp_path / "digits.png").is_file()
