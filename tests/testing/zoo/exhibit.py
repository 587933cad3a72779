"""What stands in the zoo: an object that is wrong in one way, its right twin, and the laws that tell them apart."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, eq=False)  # each is itself
class Exhibit:
    """One wrong object.

    Attributes:
        name: unique within its kind.
        kind: operator, schedule, prior, method or degradation.
        laws: each of these must reject it (others may).
        wrong, right: build the object and its twin, which all laws accept under the same `how`.
        how: what the check of that kind takes beside the object.
    """

    name: str
    kind: str
    laws: tuple[str, ...]
    wrong: Callable[[], Any]
    right: Callable[[], Any]
    how: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @property
    def twin(self) -> str:
        """The right twin's name: several wrong objects share one."""
        named = self.right() if self.kind == "method" else self.right
        claims = self.how.get("claims", "")
        return f"{self.kind} {named.__name__}{f' as {claims}' if claims else ''}"
