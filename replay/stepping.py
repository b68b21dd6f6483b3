"""Use cases without a bus: what the services await is here already, so that nothing ever waits."""

from collections.abc import Coroutine
from datetime import datetime
from typing import Any, TypeVar

T = TypeVar("T")


class Waited(Exception):
    """Something waited for the outside, which a replay does not have: a fault of ours."""


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine whose ports are all in memory. No event loop: a replay makes millions of these steps.

    Raises Waited where it would have to wait.
    """
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise Waited(f"{work!r} waits")


class ReplayClock:
    """Market time as it is set; wall time is the same, so that two runs tell the same."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._seconds = now.timestamp()

    def set(self, now: datetime, seconds: float) -> None:
        """`seconds` are those of `now` since the epoch."""
        self._now, self._seconds = now, seconds

    @property
    def speed(self) -> float:
        return 1.0

    @property
    def paused(self) -> bool:
        return False

    def now(self) -> datetime:
        return self._now

    def wall(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._seconds
