"""Until when minutes are closed by the clock: a grace after their end, and later where the ticks come late."""

from datetime import datetime

from services.context.domain.candles import Track
from services.context.domain.minutes import MINUTE, REACH
from services.context.domain.series import Bar, Series, Source


def lateness(track: Track | None, grace: float) -> float:
    """Seconds that a symbol's ticks come late, where that is more than the grace; else 0."""
    late = track.delay.seconds() if track is not None else 0.0
    return late if late > grace else 0.0


def ended(now: datetime, grace: float, track: Track | None = None) -> int:
    """The end of the newest minute that may be closed, epoch seconds."""
    return int((now.timestamp() - grace - lateness(track, grace)) // MINUTE) * MINUTE


def waits(track: Track, now: datetime, grace: float) -> bool:
    """Whether a symbol has something to close beside what all have."""
    return track.minutes.changed or (lateness(track, grace) > 0 and track.clocked < ended(now, grace, track))


def repairs(track: Track, minute: int, known: tuple[Bar, Source] | None) -> bool:
    """Whether a late tick may repair a closed minute, of which `known` is the candle: of the last day, not the feed's,
    and either empty or kept as it was built."""
    if not max(track.since, track.begins, track.newest - REACH) <= minute < track.closing:
        return False
    if known is None:
        return True
    bar, source = known
    return source is not Source.FEED and (track.minutes.holds(minute) or not (bar.trades or bar.volume))


def traded(minutes: Series | None, minute: int) -> bool:
    """Whether ticks of this minute made its candle; the feed's own candles do not say what was heard here."""
    known = minutes.at(minute) if minutes else None
    return known is not None and known[1] is not Source.FEED and known[0].trades > 0
