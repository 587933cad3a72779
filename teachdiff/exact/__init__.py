"""The oracles: exact posteriors, the exact law of what a method puts out, and how far apart two laws are."""

from teachdiff.exact.law import output_law
from teachdiff.exact.posterior import Posterior, gaussian_posterior, materialise, mixture_posterior

__all__ = ["Posterior", "gaussian_posterior", "materialise", "mixture_posterior", "output_law"]
