"""Folders of candles as a replay plays them: the feed's reader, cut to the time that is asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from services.feed.adapters.csv import DataError as DataError
from services.feed.adapters.csv import open_replay
from services.feed.domain.recorded import RecordedMarket

WARM_UP_DAYS = 10  # of history before the first day that is played, as the feed has it
FIRST_DAY = 1


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is played of a folder. Without `start` the first day that has `history` days before it, or the second."""

    start: datetime | None = None
    end: datetime | None = None
    history: int = WARM_UP_DAYS


def read_market(folder: Path, symbols: Sequence[str], stretch: Stretch) -> RecordedMarket:
    """Raises DataError, also for a time that the data do not have."""
    whole = open_replay(folder, symbols, FIRST_DAY, 0)
    first, last = whole.starts, whole.ends
    start = stretch.start or _default_start(first, last, stretch.history)
    end = stretch.end or last
    for name, at in (("--from", start), ("--to", end)):
        if not first <= at <= last:
            raise DataError(
                f"{folder}: {name} {at.isoformat()} is outside of {first.isoformat()} to {last.isoformat()}"
            )
    if start >= end:
        raise DataError(f"{folder}: nothing lies between --from {start.isoformat()} and --to {end.isoformat()}")
    begins = max(first, start - timedelta(days=stretch.history))
    return RecordedMarket(whole.whole, whole.rates, begins, start, end)


def _default_start(first: datetime, last: datetime, history: int) -> datetime:
    wanted = first + timedelta(days=history)
    return wanted if wanted < last else min(first + timedelta(days=1), last)
