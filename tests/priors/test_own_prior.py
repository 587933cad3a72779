"""The page on priors of one's own: its snippets run, in their order, in one folder."""

import functools
import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from teachdiff.cli import app
from teachdiff.priors.checkpoints import load_prior
from teachdiff.priors.guided import GuidedUNet
from tests.priors.hub_server import hub
from tests.priors.test_diffusers_format import SCHEDULER, folder, model

TEXT = (Path(__file__).parents[2] / "docs" / "own-prior.md").read_text(encoding="utf-8")
FENCED = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in FENCED if language == "python"]
COMMANDS = [code.strip() for language, code in FENCED if not language]
EXTRA = all(importlib.util.find_spec(name) for name in ("diffusers", "huggingface_hub"))


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Where the page's files lie: of their formats, but small."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.save(GuidedUNet(3, 6, 64, (1, 2), 1, (1,)).state_dict(), "ffhq_10m.pt")


def test_the_snippets_run_in_their_order(files):
    names = {}
    run = [code for code in PYTHON if not re.search(r"# (diffusers|hub)$|torch\.compile", code, re.MULTILINE)]
    assert len(run) == 7
    for code in run:
        exec(compile(code, "docs/own-prior.md", "exec"), names)
    assert names["restored"].shape == (1, 3, 32, 32)
    assert names["prior"].predict(torch.zeros(1, 3, 8, 8), 5)[1] is not None


@pytest.mark.slow  # loading the compiler takes longer than all the rest
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is deprecated:DeprecationWarning")
def test_the_network_may_be_compiled(files, monkeypatch):
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    prior = load_prior("ffhq_10m.pt")
    x = torch.randn(1, 3, 8, 8)
    expected = prior.denoise(x, 500)
    (code,) = (code for code in PYTHON if "torch.compile" in code)
    exec(code, {"torch": torch, "prior": prior})
    assert hasattr(prior.network, "_orig_mod")
    torch.testing.assert_close(prior.denoise(x, 500), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(not EXTRA, reason="diffusers or huggingface_hub is not installed: pip install 'teachdiff[hub]'")
def test_the_snippets_of_the_extra_run(files, at):
    folder(Path("ddpm-celebahq-256"), model(), {**SCHEDULER, "num_train_timesteps": 77})
    served = {path.name: path.read_bytes() for path in Path("ddpm-celebahq-256").iterdir()}
    served["scheduler_config.json"] = json.dumps({**SCHEDULER, "num_train_timesteps": 88}).encode()
    run = [code for code in PYTHON if re.search("# (diffusers|hub)$", code, re.MULTILINE)]
    found = []
    with hub({"google/ddpm-celebahq-256": served}) as (address, _):
        at(address)
        for code in run:
            names = {}
            exec(compile(f"from teachdiff import load_prior\n{code}", "docs/own-prior.md", "exec"), names)
            found.append(names["prior"].schedule.T)
    assert found == [77, 88]


def test_the_command_runs(files):
    (line,) = COMMANDS
    words = shlex.split(line.removeprefix("python3 run.py "))
    # The page's size takes minutes; of an option that is given twice the last one counts.
    done = CliRunner().invoke(app, [*words, "--size", "16", "--steps", "2", "--out", "o"])
    assert done.exit_code == 0, done.stderr
