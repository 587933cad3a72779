"""The pages that no hand writes: theorems, their graph, the ledger, the command line.

    python -m docs.generator            # docs/generated/, then mkdocs build --strict

Everything on them comes from what runs: the derivations and the ledger as the checker judges them, the commands as
Typer has them, the sources line by line. `results` checks (once for each state of derivations/), `words` turns our
ASCII formulas and LaTeX into HTML, and each other module makes one kind of page.
"""
