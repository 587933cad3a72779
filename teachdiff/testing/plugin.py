"""pytest options that run the property suite on objects of your own:

    pytest --teachdiff-operator mypackage.blur:operator --teachdiff-shape 3,16,16

Each option may be given several times; each law becomes a test. Loaded by every pytest run where teachdiff is
installed, so this module imports nothing but pytest at its top.
"""

from collections.abc import Iterator

import pytest

KINDS = ("operator", "prior", "schedule", "method", "degradation")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("teachdiff", "laws of operators, priors, schedules, methods and degradations")
    for kind in KINDS:
        group.addoption(
            f"--teachdiff-{kind}",
            action="append",
            default=[],
            metavar="PKG.MOD:OBJ",
            help=f"run the laws of a teachdiff {kind} on this object (or on what this function makes)",
        )
    group.addoption(
        "--teachdiff-shape", metavar="C,H,W", default=None, help="shape of an image, where the object does not say"
    )
    group.addoption(
        "--teachdiff-claims", metavar="NAMES", default=None, help="what the methods promise: chain,ddim,forgets,..."
    )


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    for kind in KINDS:
        for spec in config.getoption(f"--teachdiff-{kind}"):
            items.extend(Subject.from_parent(session, name=spec, kind=kind).collect())


def options(config: pytest.Config, kind: str) -> dict:
    """What the checks of this kind take from the command line."""
    from teachdiff.testing.suite import shape_of

    shape, claims = config.getoption("--teachdiff-shape"), config.getoption("--teachdiff-claims")
    given: dict = {}
    if shape and kind in ("operator", "prior", "degradation"):
        given["shape"] = shape_of(shape)
    if claims and kind == "method":
        given["claims"] = [name.strip() for name in claims.split(",") if name.strip()]
    return given


class Subject(pytest.Collector):
    """One object; its children are the laws."""

    def __init__(self, *, kind: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.kind = kind

    def collect(self) -> Iterator["LawItem"]:
        from teachdiff.testing.suite import laws, load

        try:
            given = options(self.config, self.kind)
            subject = load(self.name, self.kind, given.get("shape"))
        except ValueError as error:
            raise pytest.UsageError(f"--teachdiff-{self.kind} {self.name}: {error}") from error
        for name, _ in laws(self.kind):
            yield LawItem.from_parent(self, name=name, subject=subject, given=given)


class LawItem(pytest.Item):
    """One law on one object."""

    def __init__(self, *, subject, given: dict, **kwargs) -> None:
        super().__init__(**kwargs)
        self.subject, self.given = subject, given

    def runtest(self) -> None:
        from teachdiff.testing.suite import check

        assert isinstance(self.parent, Subject)
        (result,) = check(self.parent.kind, self.subject, only=[self.name], on_fail="return", **self.given)
        if result.status == "skipped":
            pytest.skip(result.message)
        if not result.ok:
            raise Broken(result.describe())

    def repr_failure(self, excinfo, style=None):
        """The law's own message says it all; a traceback through our machinery would only hide it."""
        if isinstance(excinfo.value, Broken | ValueError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self):
        assert isinstance(self.parent, Subject)
        return self.path, None, f"{self.parent.kind} {self.parent.name}: {self.name}"


class Broken(AssertionError):
    """A law is broken; the text says which, with both numbers."""
