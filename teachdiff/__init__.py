"""Diffusion models as priors for inverse problems: a textbook that runs.

The rooms: `schedules` and `predictions` (the formulas), `priors` (what we know about images),
`operators` and `problems` (what the camera did), `methods` (how to undo it), `exact` (what the
answer really is), `metrics` and `data`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from teachdiff.methods import METHODS
    from teachdiff.priors.checkpoints import load_prior
    from teachdiff.problems import TASKS, InverseProblem, make_operator, observe

__version__ = "0.1.0"
__all__ = ["METHODS", "TASKS", "InverseProblem", "load_prior", "make_operator", "observe"]

_HOME = {
    "METHODS": "methods",
    "load_prior": "priors.checkpoints",
    **dict.fromkeys(["TASKS", "InverseProblem", "make_operator", "observe"], "problems"),
}


def __getattr__(name: str) -> Any:
    """What `__all__` names is imported when it is first used: `teachdiff --help` need not wait for torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'teachdiff' has no attribute {name!r}")
    return getattr(import_module(f"teachdiff.{_HOME[name]}"), name)
