"""Progress of a start: each step with how long it took."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

READY = "ready after"
"""How the line begins that ends a start."""


@dataclass
class Step:
    """A step under way; `detail` is shown beside it when it is done. `note` says meanwhile what is waited for."""

    note: Callable[[str], None]
    detail: str = ""


class Phases:
    """Prints a line when a step is done. `took` keeps the seconds by name."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._begin = clock()
        self.took: dict[str, float] = {}

    @property
    def total(self) -> float:
        return self._clock() - self._begin

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Nothing is printed for a step that fails: its error says more."""
        begin = self._clock()
        step = Step(lambda text: self._say(self._line(name, self._clock() - begin, text)))
        yield step
        self.took[name] = self._clock() - begin
        self._say(self._line(name, self.took[name], step.detail))

    def _line(self, name: str, took: float, text: str) -> str:
        return f"{name:<24}{took:6.1f} s  {text}".rstrip()
