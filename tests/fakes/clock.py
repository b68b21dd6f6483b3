"""Clocks that stand until they are told to go on."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class FakeClock:
    """Market time, wall time and the monotonic clock, moved by `advance`; market time `speed` times as fast."""

    def __init__(self, now: datetime = START, *, speed: float = 1.0, paused: bool = False) -> None:
        self._now = now
        self._wall = now
        self._monotonic = 0.0
        self.speed = speed
        self.paused = paused

    def now(self) -> datetime:
        return self._now

    def wall(self) -> datetime:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let `seconds` of wall time go by."""
        self._wall += timedelta(seconds=seconds)
        self._monotonic += seconds
        if not self.paused:
            self._now += timedelta(seconds=seconds * self.speed)


@dataclass
class ReadClock:
    """Market time stands still until it is moved; `monotonic` moves on by a hundredth of a second with each reading, so
    that a loop with a deadline ends."""

    time: datetime
    speed: float = 1.0
    paused: bool = False
    read: float = 0.0

    def now(self) -> datetime:
        return self.time

    def wall(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        self.read += 0.01
        return self.read

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
