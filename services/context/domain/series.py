"""Closed candles of one symbol and timeframe, kept as columns that TA-Lib reads without copying."""

from dataclasses import dataclass
from enum import Enum, IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_OPEN, _HIGH, _LOW, _CLOSE, _VOLUME, _QUOTE, _TRADES = range(7)
_PRICE_TOLERANCE = 1e-9
_VOLUME_TOLERANCE = 1e-6  # sums of sizes in another order differ in the last digits


@dataclass(frozen=True, slots=True)
class Bar:
    """A closed candle. Times in epoch seconds; volume in base units, `quote` in quote currency."""

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0
    quote: float = 0.0
    trades: int = 0


class Source(IntEnum):
    """Where a candle comes from; a higher one replaces a lower one."""

    BUILT = 0  # from ticks or from shorter candles, here
    LOGGED = 1  # built by a context worker and published
    REPAIRED = 2  # built here, with what came late
    FEED = 3


class Put(Enum):
    """What `Series.put` did."""

    ADDED = "added"
    SAME = "same"
    REPLACED = "replaced"
    CORRECTED = "corrected"  # replaced by one of a better source that says something else
    FILLED = "filled"  # the same, and here there was no trade at all
    KEPT = "kept"  # what is there has a better source and says something else
    UNSEEN = "unseen"  # the same, and the one that came holds no trade at all
    TOO_OLD = "too_old"


class Series:
    """At most `capacity` bars of `step` seconds, ascending by open time. `version` changes with the content.

    Columns are views: they are valid until the next `put`.
    """

    __slots__ = ("_columns", "_end", "_sources", "_start", "_times", "capacity", "step", "version")

    def __init__(self, step: int, capacity: int) -> None:
        self.step = step
        self.capacity = capacity
        self.version = 0
        self._start = self._end = 0
        room = capacity + capacity // 4 + 1  # what is beyond the capacity bounds how often the bars are moved up
        self._times: NDArray[np.int64] = np.empty(room, np.int64)
        self._columns: Floats = np.empty((7, room), np.float64)
        self._sources: NDArray[np.int8] = np.empty(room, np.int8)

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def times(self) -> NDArray[np.int64]:
        """Open times, epoch seconds."""
        return self._times[self._start : self._end]

    @property
    def newest_close(self) -> int | None:
        """Close time of the newest bar, epoch seconds."""
        return int(self._times[self._end - 1]) + self.step if self else None

    @property
    def high(self) -> Floats:
        return self._columns[_HIGH, self._start : self._end]

    @property
    def low(self) -> Floats:
        return self._columns[_LOW, self._start : self._end]

    @property
    def close(self) -> Floats:
        return self._columns[_CLOSE, self._start : self._end]

    @property
    def volume(self) -> Floats:
        return self._columns[_VOLUME, self._start : self._end]

    @property
    def quote(self) -> Floats:
        return self._columns[_QUOTE, self._start : self._end]

    def contiguous(self, at_most: int) -> int:
        """How many of the newest bars follow each other without a gap, up to `at_most`."""
        times = self.times[-at_most:]
        n = len(times)
        if n < 2 or times[-1] - times[0] == (n - 1) * self.step:
            return n
        gaps = np.flatnonzero(np.diff(times) != self.step)
        return n - 1 - int(gaps[-1])

    def gaps(self, at_most: int) -> list[tuple[int, int]]:
        """Where bars are missing between the newest `at_most`: open time of the first, and how many."""
        times = self.times[-at_most:]
        if len(times) < 2 or times[-1] - times[0] == (len(times) - 1) * self.step:
            return []
        steps = np.diff(times)
        holes = np.flatnonzero(steps != self.step)
        return [(int(times[i]) + self.step, int(steps[i]) // self.step - 1) for i in holes.tolist()]

    def at(self, open_time: int) -> tuple[Bar, Source] | None:
        i = self._find(open_time)
        if i == self._end or self._times[i] != open_time:
            return None
        o, h, low, c, v, q, n = self._columns[:, i].tolist()
        return Bar(open_time, o, h, low, c, v, q, int(n)), Source(int(self._sources[i]))

    def closed_at(self, close_time: int) -> float | None:
        """Close of the bar that closed at `close_time`."""
        found = self.at(close_time - self.step)
        return found[0].close if found else None

    def put(self, bar: Bar, source: Source) -> Put:
        """Add a bar, or settle which of two of the same open time stays: the one of the better source."""
        if not self or bar.open_time > self._times[self._end - 1]:
            self._append(bar, source)
            return Put.ADDED
        i = self._find(bar.open_time)
        if self._times[i] == bar.open_time:
            return self._settle(i, bar, source)
        if i == self._start and len(self) >= self.capacity:
            return Put.TOO_OLD
        self._insert(i, bar, source)
        return Put.ADDED

    def extend(self, times: NDArray[np.int64], columns: Floats, source: Source) -> None:
        """Add bars that are all newer than what is here, ascending.

        Rows of `columns` are open, high, low, close, volume, quote and trades.
        """
        room = len(self._times) - self._end
        if len(times) > room:
            if len(times) > self.capacity:
                times, columns = times[-self.capacity :], columns[:, -self.capacity :]
            self._start = max(self._start, self._end - (self.capacity - len(times)))
            self._compact()
        end = self._end + len(times)
        self._times[self._end : end] = times
        self._columns[:, self._end : end] = columns
        self._sources[self._end : end] = source
        self._end = end
        self._start = max(self._start, end - self.capacity)
        self.version += len(times)

    def merge(self, open_time: int, step: int) -> Bar | None:
        """The bar of `step` seconds from `open_time`, made of this series; None where one of its bars is missing."""
        first, n = self._find(open_time), step // self.step
        last = first + n
        if last > self._end or self._times[first] != open_time or self._times[last - 1] != open_time + step - self.step:
            return None
        part = self._columns[:, first:last]
        return Bar(
            open_time,
            float(part[_OPEN, 0]),
            float(part[_HIGH].max()),
            float(part[_LOW].min()),
            float(part[_CLOSE, -1]),
            float(part[_VOLUME].sum()),
            float(part[_QUOTE].sum()),
            int(part[_TRADES].sum()),
        )

    def _find(self, open_time: int) -> int:
        return self._start + int(np.searchsorted(self.times, open_time))

    def _settle(self, i: int, bar: Bar, source: Source) -> Put:
        same = self._agrees(i, bar)
        if source < self._sources[i]:
            return Put.SAME if same else Put.KEPT if bar.trades or bar.volume else Put.UNSEEN
        better, silent = source > self._sources[i], not self._columns[(_VOLUME, _TRADES), i].any()
        self._sources[i] = source
        if same:
            return Put.SAME
        self._write(i, bar, source)
        return Put.REPLACED if not better else Put.FILLED if silent else Put.CORRECTED

    def _agrees(self, i: int, bar: Bar) -> bool:
        here = self._columns[:, i].tolist()
        prices = zip(here[:_VOLUME], (bar.open, bar.high, bar.low, bar.close), strict=True)
        return all(abs(a - b) <= _PRICE_TOLERANCE * b for a, b in prices) and abs(
            here[_VOLUME] - bar.volume
        ) <= _VOLUME_TOLERANCE * max(bar.volume, here[_VOLUME])

    def _append(self, bar: Bar, source: Source) -> None:
        if self._end == len(self._times):
            self._compact()
        self._end += 1
        if len(self) > self.capacity:
            self._start += 1
        self._write(self._end - 1, bar, source)

    def _insert(self, i: int, bar: Bar, source: Source) -> None:
        if self._end == len(self._times):
            i -= self._start
            self._compact()
        for column in (self._times, self._sources, self._columns):
            column[..., i + 1 : self._end + 1] = column[..., i : self._end].copy()
        self._end += 1
        if len(self) > self.capacity:
            self._start += 1
        self._write(i, bar, source)

    def _compact(self) -> None:
        n = len(self)
        for column in (self._times, self._sources, self._columns):
            column[..., :n] = column[..., self._start : self._end].copy()
        self._start, self._end = 0, n

    def _write(self, i: int, bar: Bar, source: Source) -> None:
        self._times[i] = bar.open_time
        self._columns[:, i] = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.quote, bar.trades)
        self._sources[i] = source
        self.version += 1
