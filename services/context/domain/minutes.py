"""Minutes that are not closed yet, and closed ones that late ticks may still repair."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from services.context.domain.series import Bar

MINUTE = 60
REACH = 1_500 * MINUTE  # nothing keeps older minutes
_KEPT = 5  # closed minutes that are kept as they were built, because a stalled stream delivers all at once


class OpenMinute:
    """An unfinished minute."""

    __slots__ = ("close", "end", "first", "high", "last", "low", "open", "quote", "start", "trades", "volume")

    def __init__(self, start: int, ts: float, price: float) -> None:
        self.start = start
        self.end = start + MINUTE
        self.first = self.last = ts
        self.open = self.high = self.low = self.close = price
        self.volume = self.quote = 0.0
        self.trades = 0

    def fold(self, ts: float, price: float, size: float | None, traded: bool) -> None:
        """One tick more. `Track.add` does the same in place: it runs for every tick."""
        self.high, self.low = max(self.high, price), min(self.low, price)
        if ts >= self.last:
            self.last, self.close = ts, price
        elif ts < self.first:
            self.first, self.open = ts, price
        self.trades += traded
        self.volume += size or 0.0
        self.quote += (size or 0.0) * price

    def bar(self) -> Bar:
        return Bar(self.start, self.open, self.high, self.low, self.close, self.volume, self.quote, self.trades)


@dataclass(slots=True)
class LateMinute:
    """A closed minute and what came late. Between `first` and `last` (epoch seconds) all was heard in time."""

    bucket: OpenMinute
    first: float = float("inf")
    last: float = float("-inf")
    seen: set[str | int] = field(default_factory=set)


class ClosedMinutes:
    """The newest closed minutes of a symbol as they were built, those at the edges of gaps, and what came late.

    A late tick is taken where nothing was heard in its place: a tick that is told again may be in a candle already.
    """

    __slots__ = ("_changed", "_late", "_newest")

    def __init__(self) -> None:
        self._newest: dict[int, OpenMinute] = {}
        self._late: dict[int, LateMinute] = {}
        self._changed: set[int] = set()

    def closed(self, bucket: OpenMinute, at_a_gap: bool) -> None:
        """A minute was closed; `at_a_gap`: nothing was heard of the minute before it."""
        if at_a_gap:
            self._keep(bucket)
        self._newest[bucket.start] = bucket
        if len(self._newest) > _KEPT:
            del self._newest[next(iter(self._newest))]

    def gap_after(self, last: float) -> None:
        """Nothing was heard of the minute that follows the last closed one, whose newest tick is of `last`."""
        bucket = self._newest.get(int(last) // MINUTE * MINUTE)
        if bucket is not None:
            self._keep(bucket)

    def heard(self, start: int) -> bool:
        return start in self._newest or start in self._late

    def holds(self, start: int) -> bool:
        """Whether late ticks of a minute are folded into what was built of it."""
        return start in self._late or start in self._newest

    def take(self, start: int, ts: float, price: float, size: float | None, traded: bool, key: str | int) -> bool:
        """Fold a late tick in, unless it may be there already."""
        late = self._late.get(start)
        if late is None:
            built = self._newest.get(start)
            late = self._keep(built) if built is not None else LateMinute(OpenMinute(start, ts, price))
            self._late[start] = late
        if late.first <= ts <= late.last or key in late.seen:
            return False
        late.seen.add(key)
        late.bucket.fold(ts, price, size, traded)
        self._changed.add(start)
        return True

    @property
    def changed(self) -> bool:
        return bool(self._changed)

    def repaired(self) -> Iterator[Bar]:
        """The minutes that late ticks changed since the last call, oldest first."""
        changed, self._changed = sorted(self._changed), set()
        return (self._late[start].bucket.bar() for start in changed)

    def _keep(self, bucket: OpenMinute) -> LateMinute:
        late = self._late.get(bucket.start)
        if late is None:
            late = self._late[bucket.start] = LateMinute(bucket, bucket.first, bucket.last)
            for old in [start for start in self._late if start < bucket.start - REACH]:
                del self._late[old]
        return late
