r"""Proofs that run: every formula of teachdiff proved, every printed mistake refuted, by machine.

    import derivations
    report = derivations.run()                       # everything; a few seconds
    report = derivations.run(["tweedie*", "dps"])    # by name or glob
    report.ok, report.summary, report.as_json()

How to read a derivation: open any theorem's file, e.g. `derivations/posterior.py`. It states its
symbols, then a chain of steps, each with its reason, and ends with the formulas' functions in the
library. How to write one:

    from derivations.checker import Code, Derivation, Equal, chain
    from derivations.symbols import get

    alpha, beta = get("alpha", "beta")

    derivation = Derivation(
        name="example",                              # the module's name, or "example.second_part"
        title="A first proof",
        statement=r"...",                            # words and LaTeX; say so if the case is restricted
        steps=[Equal(1 - alpha, beta, because="...")],
        code=[Code("teachdiff.module.function", formula, {"parameter": "symbol's name"})],
    )

The rooms
    symbols    one table of symbols: name, TeX, meaning, domain. `get`, `declare`, `unfold`, `tex`.
    checker    the kinds of step, `compare`, verdicts, counterexamples, Derivation. Read this one first.
    normal     the normal form: proofs of identities with square roots.
    exact      exact numbers and points: refutations.
    moments    integrals against an arbitrary prior density.
    spectral   matrices in the coordinates of the SVD.
    twins      a step's perturbed twins, which show that it can fail.
    registry   finds all derivations; `find`, `names`, `ties` (formula -> function).
    report     `run`, `Report`.

To judge a formula without a derivation (as the ledger does), use a step alone:

    Equal(printed, truth).check(nice=True)    # Verdict(status, counterexample, detail)

with the kind that fits: InLaw for random variables, InSVD for matrices, Integrals for expectations.
Statuses of a step: proved, refuted, undecided, vacuous, assumed. Of a derivation: proved, failed.

A ledger, `derivations.ledger`, offers `rows()`: objects with `id` and `check()`, which returns a dict
as `prove --json` prints it, with "id" and "status" ("proved", "refuted" or "failed") in it.
"""

from derivations.checker import Counterexample, Derivation, Verdict
from derivations.report import Report, run

__all__ = ["Counterexample", "Derivation", "Report", "Verdict", "run"]
