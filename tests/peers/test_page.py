"""The snippets of `docs/adapters.md` with the real libraries; the default run has stand-ins."""

import pytest
from peer import deepinv, needs
from stand_ins import snippets

pytestmark = needs("azula", "deepinv", "diffusers")


@pytest.mark.parametrize("heading", snippets())
def test_snippet(heading):
    deepinv()  # torchvision comes first where torch is built for the CPU alone
    exec(compile(snippets()[heading], "docs/adapters.md", "exec"), {})
