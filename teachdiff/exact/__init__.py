"""The oracles: exact posteriors, and the exact law of what a method puts out."""

from teachdiff.exact.law import output_law
from teachdiff.exact.posterior import gaussian_posterior, materialise

__all__ = ["gaussian_posterior", "materialise", "output_law"]
