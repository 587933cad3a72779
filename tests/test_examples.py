"""Every example runs from a fresh folder, at a small size, and says something."""

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SMALL = {
    "first_restoration": ["--size", "16", "--steps", "3"],
    "digits": ["--steps", "50", "--samples", "100"],
    "exact_law": ["--steps", "400"],
    "fit_digits": ["--rounds", "3"],
    "train_reader": ["--steps", "3", "--faces", "32", "--count", "20"],
    "printed_mistakes": ["--size", "16", "--t", "5"],
    "ddpm": ["--images", "1", "--steps", "2"],
    "ddim": ["--images", "1", "--steps", "1", "2"],
    "dps": ["--size", "16", "--steps", "2"],
    "pigdm": ["--size", "16", "--steps", "2"],
    "dmps": ["--size", "16", "--steps", "2"],
    "hybrid": ["--images", "1", "--steps", "2"],
    "ddrm": ["--size", "16", "--steps", "2"],
    "dirac": ["--steps", "2"],
    "tweedie": ["--size", "16"],
    "sdedit": ["--size", "16", "--steps", "2"],
    "score_ald": ["--size", "16", "--steps", "2"],
    "pnp_admm": ["--size", "16", "--steps", "2"],
    "admm_tv": ["--size", "16"],
    "dirac_results": ["--count", "2", "--steps", "2", "--only", "path,schedules"],
    "learn_forward": ["--size", "16"],
    "learn_tweedie": ["--size", "16"],
    "learn_reverse": ["--samples", "200", "--steps", "200"],
    "learn_inverse": ["--size", "16"],
    "learn_methods": ["--size", "16", "--steps", "2"],
    "learn_exactness": ["--samples", "20", "--steps", "200"],
    "learn_dirac": ["--size", "32", "--steps", "5"],
}


def test_every_example_is_run_here():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(SMALL)


@pytest.fixture(scope="module")
def output(tmp_path_factory, python):
    """The name of an example -> what it prints, and its folder; each is run once."""
    printed: dict[str, tuple[str, Path]] = {}

    def run(name: str) -> tuple[str, Path]:
        if name not in printed:
            folder = tmp_path_factory.mktemp(name)
            done = python.run(EXAMPLES / f"{name}.py", *SMALL[name], cwd=folder)
            assert done.returncode == 0, done.stderr
            assert not done.stderr
            printed[name] = done.stdout, folder
        return printed[name]

    return run


@pytest.mark.parametrize("name", SMALL)
def test_it_runs(name, output):
    assert output(name)[0].strip()


def test_an_example_shows_the_bias_that_it_speaks_of(output):
    out, _ = output("exact_law")
    figures = {row[:22].strip(): row[22:].split()[1::2] for row in out.splitlines()}
    assert figures["the posterior"] == ["0.9901", "0.0099"]
    mean, variance = map(float, figures["DPS, likelihood step"])
    assert mean > 0.995 and variance < 0.006


def test_the_digits_example_tells_exact_samples_from_a_methods(output):
    out, folder = output("digits")
    rows = {row[:24].strip(): row[24:].split() for row in out.splitlines() if "p-value" in row}
    assert float(rows["exact samples"][-1]) > 1e-3 > float(rows["DPS, norm step"][-1])
    assert (folder / "digits.png").is_file()


def test_the_printed_step_of_the_reverse_chapter_loses_the_spread(output):
    rows = [row for row in output("learn_reverse")[0].splitlines() if "deviation" in row]
    spread = {row[:18].strip(): float(row.split()[-1]) for row in rows}
    assert abs(spread["as proved"] - 0.2) < 0.06  # four of its own deviations, for a hundred samples
    assert spread["without the noise"] < 0.1 and spread["mashayak.eq17"] < 0.13


def test_the_step_of_the_chapter_on_dirac_leaves_the_noise_that_is_promised(output):
    rows = [row.split() for row in output("learn_dirac")[0].splitlines() if "steps" in row]
    noise = {int(row[0]): (float(row[3]), float(row[-1])) for row in rows}
    assert len(noise) > 3
    for steps, (euler, exact) in noise.items():
        ratio, promised = 5 ** (2 / steps), 1.0  # of the variances of two levels; one step gives 24.04, fabian.eq23
        for _ in range(steps):
            promised = promised / ratio + ratio - 1
        assert abs(exact - 1) < 0.1
        assert abs(euler / promised - 1) < 0.1
