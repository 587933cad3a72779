"""The oracles: exact posteriors, the exact law of what a method puts out, and how far apart two laws are."""

from teachdiff.exact.distances import Coverage, gaussian_wasserstein, mode_coverage, sliced_wasserstein
from teachdiff.exact.law import NotAffine, output_law
from teachdiff.exact.posterior import Posterior, gaussian_posterior, materialise, mixture_posterior
from teachdiff.exact.restorer import ExactRestorer, consistency_curve, increment_error

__all__ = [
    "Coverage",
    "ExactRestorer",
    "NotAffine",
    "Posterior",
    "consistency_curve",
    "gaussian_posterior",
    "gaussian_wasserstein",
    "increment_error",
    "materialise",
    "mixture_posterior",
    "mode_coverage",
    "output_law",
    "sliced_wasserstein",
]
