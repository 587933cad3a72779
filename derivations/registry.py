"""Where the derivations are: every module of this package that holds `Derivation` objects.

A module holds one theorem, or a few that belong together; their names begin with the module's name:
`tweedie`, `tweedie.covariance`. Names and globs select: `find(["tweedie*", "dps"])`.
"""

import fnmatch
import importlib
import pkgutil
from functools import cache

import derivations
from derivations.checker import Code, Derivation

# The machinery; every other module of the package holds derivations (or is the ledger's).
MACHINERY = {"checker", "exact", "moments", "normal", "registry", "report", "spectral", "symbols", "twins", "ledger"}


# The order for a reader; a module that is not named here comes after these, and any derivation after those it leans on.
READING_ORDER = (
    "vp_marginal", "posterior", "tweedie", "predictions", "reverse_mean", "reverse_variance", "ddim", "forward_sde",
    "bayes_score", "sdedit", "likelihood_score", "dps", "pigdm", "dmps", "hybrid", "posterior_tweedie", "exactness", "ddrm",
    "operators", "admm", "units", "dirac_sde", "dirac_step", "dirac_score", "dirac_consistency", "dirac_bounds",
    "dirac_lookahead", "dirac_schedule", "dirac_guidance",
)  # fmt: skip


@cache
def everything() -> dict[str, Derivation]:
    """All derivations by name, each after those that it leans on.

    Raises:
        ValueError: two of one name, a name that does not fit its module, a derivation that leans on
            one that is not there, or a circle.
    """
    found: dict[str, Derivation] = {}
    here = {info.name for info in pkgutil.iter_modules(derivations.__path__)} - MACHINERY
    for name in sorted(here, key=lambda n: (READING_ORDER.index(n) if n in READING_ORDER else len(READING_ORDER), n)):
        module = importlib.import_module(f"derivations.{name}")
        held = [v for v in vars(module).values() if isinstance(v, Derivation) and v.name.split(".")[0] == name]
        if not held:
            raise ValueError(f"derivations/{name}.py holds no Derivation whose name begins with {name!r}.")
        for derivation in held:
            if found.setdefault(derivation.name, derivation) is not derivation:
                raise ValueError(f"two derivations are called {derivation.name}.")
    return _in_order(found)


def _in_order(found: dict[str, Derivation]) -> dict[str, Derivation]:
    ordered: dict[str, Derivation] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise ValueError(f"derivations lean on each other in a circle: {' -> '.join((*path, name))}.")
        if name not in found:
            raise ValueError(f"derivation {path[-1]} leans on {name}, which does not exist.")
        if name not in ordered:
            for needed in found[name].leans_on:
                visit(needed, (*path, name))
            ordered[name] = found[name]

    for name in found:
        visit(name, ())
    return ordered


def names() -> list[str]:
    return list(everything())


def matches(pattern: str, name: str) -> bool:
    """A name matches itself, its module's name and a glob."""
    return fnmatch.fnmatchcase(name, pattern) or name.split(".")[0] == pattern


def find(patterns: list[str] | None = None) -> list[Derivation]:
    """The derivations that match one of the names or globs (none may match); all without any."""
    return [d for name, d in everything().items() if not patterns or any(matches(p, name) for p in patterns)]


def ties() -> list[tuple[str, Code]]:
    """All (derivation's name, formula tied to code)."""
    return [(d.name, tie) for d in everything().values() for tie in d.code]
