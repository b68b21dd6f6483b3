"""Ticks of minutes before those that a track covers: somebody publishes the past after the present."""

from libs.schemas.market import MarketTick
from services.context.domain.candles import Track
from services.context.domain.minutes import MINUTE, REACH
from services.context.domain.series import Bar


class Past:
    """One stretch of past ticks of one symbol, up to the minute in which its track begins.

    The ticks come in order, within the same bound as those of the present. What was heard of last is closed by the
    clock once no more has come between two closings; silent minutes up to the track's first are flat or a gap, as they
    are when a silent symbol speaks again.
    """

    __slots__ = ("_before", "_track", "_until")

    def __init__(self, first: MarketTick, present: Track) -> None:
        self._track = Track(first, present.lateness, present.since, healthy=present.healthy)
        self._until = present.begins
        self._track.ahead = float(present.begins)
        self._before = 0

    @property
    def begins(self) -> int:
        """Start of its first minute, epoch seconds."""
        return self._track.begins

    def add(self, tick: MarketTick) -> tuple[list[Bar], bool]:
        """Fold one tick in; the minutes that this closes, and whether it was taken: even here it may be too old."""
        refused = self._track.too_old
        bars = self._track.close_by_ticks() if self._track.add(tick) else []
        return bars, self._track.too_old == refused

    def close_by_clock(self) -> list[Bar] | None:
        """All that is left, or None while ticks are still coming."""
        applied, self._before = self._before, self._track.applied
        return self._track.close_by_clock(self._until, float("inf")) if applied == self._before else None


def reaches(present: Track, ts: float) -> bool:
    """Whether a tick belongs to a minute before the track's first, of which every tick is seen."""
    minute = int(ts) // MINUTE * MINUTE
    return max(present.since, present.newest - REACH) <= minute < present.begins
