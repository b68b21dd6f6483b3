"""One line of what was found, before a start or by `perpetua doctor`."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, and what to do unless it is fine."""

    level: Level
    what: str
    found: str
    todo: str = ""

    def line(self) -> str:
        said = f"{self.level:<5} {self.what:<12} {self.found}"
        return f"{said}: {self.todo}" if self.todo else said
