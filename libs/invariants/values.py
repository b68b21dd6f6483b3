"""What a check of an invariant comes to: what held, what broke, what moves still, what nobody can tell any more."""

from dataclasses import dataclass, field
from typing import Literal

Status = Literal["holds", "not_checkable", "broken"]


@dataclass(frozen=True, slots=True)
class Breach:
    """`about` is the id of what broke the promise."""

    about: str
    said: str


@dataclass(frozen=True, slots=True)
class InvariantCheck:
    """`moving` are still on their way through the system, `expired` were there and their evidence is not any more."""

    invariant: str
    promise: str
    checked: int = 0
    moving: int = 0
    expired: int = 0
    breaches: tuple[Breach, ...] = ()

    @property
    def status(self) -> Status:
        if self.breaches:
            return "broken"
        return "holds" if self.checked else "not_checkable"


@dataclass(slots=True)
class Tally:
    """Counts while a check goes on."""

    invariant: str
    promise: str
    checked: int = 0
    moving: int = 0
    expired: int = 0
    breaches: list[Breach] = field(default_factory=list)

    def held(self) -> None:
        self.checked += 1

    def breach(self, about: str, said: str) -> None:
        self.checked += 1
        self.breaches.append(Breach(about, said))

    def judge(self, about: str, said: str | None) -> None:
        """None: it held."""
        self.held() if said is None else self.breach(about, said)

    def done(self) -> InvariantCheck:
        return InvariantCheck(
            self.invariant, self.promise, self.checked, self.moving, self.expired, tuple(self.breaches)
        )
