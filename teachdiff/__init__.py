"""Diffusion models as priors for inverse problems: a textbook that runs.

The rooms: `schedules` and `predictions` (the formulas), `priors` (what we know about images),
`operators` and `problems` (what the camera did), `methods` (how to undo it), `exact` (what the
answer really is), `metrics` and `data`.
"""

from teachdiff.methods import METHODS
from teachdiff.priors.checkpoints import load_prior
from teachdiff.problems import TASKS, InverseProblem, make_operator, observe

__version__ = "0.1.0"
__all__ = ["METHODS", "TASKS", "InverseProblem", "load_prior", "make_operator", "observe"]
