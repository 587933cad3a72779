"""`python -m teachdiff` is `teachdiff`; torchrun starts it so."""

from teachdiff.cli import main

if __name__ == "__main__":
    main()
