"""One-minute candles of one symbol from its ticks, in event time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.perps.funding import hours_between
from libs.schemas.market import MarketTick
from services.context.domain.delay import Delay
from services.context.domain.minutes import MINUTE, ClosedMinutes, OpenMinute
from services.context.domain.series import Bar

_REMEMBERED_S = 10.0
_MAX_FLAT = 1_500


@dataclass(frozen=True, slots=True)
class Healthy:
    """Tells "nothing traded" from "nothing heard".

    A stream says something every `silence` seconds; `heard` of a source and a minute, whether it said anything then.
    """

    silence: float
    heard: Callable[[str, int], bool]


ALWAYS = Healthy(float("inf"), lambda source, minute: True)


class Track:
    """What is known of one symbol's ticks: the newest values and the unfinished minutes.

    `lateness` (seconds, at most 60) bounds disorder: a tick older than the newest by more is dropped, and a minute
    can be closed by ticks once the newest is that far beyond its end, so that any order within the bound gives the same
    candles. `since` is the epoch second from which all ticks are seen: minutes that began earlier are not emitted.
    `on_late` is asked to take a tick that is too old for the unfinished minutes, with its epoch second. A minute
    without a tick is flat while the stream is `healthy`, else it is a gap.
    """

    __slots__ = (
        "_bucket",
        "_buckets",
        "_forget_at",
        "_gap",
        "_last_at",
        "_last_close",
        "_oldest",
        "_seen",
        "_seen_before",
        "ahead",
        "applied",
        "begins",
        "clocked",
        "closing",
        "day_at",
        "delay",
        "due",
        "duplicates",
        "funding_at",
        "funding_hours",
        "funding_rate",
        "healthy",
        "index",
        "index_at",
        "lateness",
        "mark",
        "mark_at",
        "minutes",
        "newest",
        "next_funding_time",
        "on_late",
        "open_interest",
        "open_interest_at",
        "out_of_order",
        "price_24h_ago",
        "since",
        "tick",
        "too_old",
        "volume_24h",
    )

    def __init__(
        self,
        first: MarketTick,
        lateness: float,
        since: int,
        resume: Bar | None = None,
        on_late: Callable[[MarketTick, float], bool] | None = None,
        healthy: Healthy = ALWAYS,
    ) -> None:
        """`resume` is the newest closed minute known from elsewhere, when all ticks after it are seen."""
        self.on_late = on_late
        self.healthy = healthy
        self.ahead = float("-inf")  # when the next tick after all of these came, where that is known
        self.minutes = ClosedMinutes()
        self.delay = Delay()
        self.clocked = 0  # up to here minutes were closed by the clock, as far as there were any
        self._last_at = float("-inf")  # of the newest tick of a closed minute
        self._gap = False  # the minute that was closed last is missing
        self.lateness = lateness
        self.since = since
        self.tick = first
        self.newest = epoch(first)
        self._last_close: float | None = None
        minute = int(self.newest) // MINUTE * MINUTE
        self.closing = minute  # start of the oldest minute that is not closed
        if resume is not None and 0 <= minute - resume.open_time - MINUTE <= _MAX_FLAT * MINUTE:
            self.closing, self._last_close = resume.open_time + MINUTE, resume.close
            self._last_at = float(self.closing)
        self.begins = self.closing  # earlier minutes are not this track's
        self.due = self.closing + MINUTE + lateness  # a tick from here on closes that minute
        self._oldest = max(self.newest - lateness, self.closing)
        self._bucket = OpenMinute(minute, self.newest, first.price)
        self._buckets = {minute: self._bucket}
        self._seen: set[str | int] = set()
        self._seen_before: set[str | int] = set()
        self._forget_at = self.newest + max(lateness, _REMEMBERED_S)
        self.mark: float | None = None
        self.index: float | None = None
        self.funding_rate = first.funding_rate
        self.funding_hours = first.funding_interval_hours
        self.next_funding_time = first.next_funding_time
        self.open_interest: float | None = None
        self.volume_24h: float | None = None
        self.price_24h_ago: float | None = None
        # When each of them was last said: a tick need not carry all, and a feed may stop saying one.
        self.mark_at = self.index_at = self.funding_at = self.open_interest_at = self.day_at = 0.0
        self.applied = self.duplicates = self.too_old = self.out_of_order = 0

    def reach_back(self, begins: int) -> None:
        """Minutes from here on are this track's too: what came late has filled them."""
        self.begins = begins

    def add(self, tick: MarketTick) -> bool:
        """Fold one tick in; True when a minute can be closed. This runs for every tick: it is flat on purpose."""
        known = vars(tick)  # half the cost of a model's attributes, and there are a dozen
        ts: float = known["ts"].timestamp()
        if ts < self._oldest:
            if self.on_late is None or not self.on_late(tick, ts):
                self.too_old += 1
            return False
        price, size = known["price"], known["size"]
        key = known["tick_id"] or hash((ts, price, size, known["source"]))
        if key in self._seen or key in self._seen_before:
            self.duplicates += 1
            return False
        self._seen.add(key)
        self.applied += 1
        bucket = self._bucket
        if not bucket.start <= ts < bucket.end:
            bucket = self._bucket_of(ts, price)
        if price > bucket.high:
            bucket.high = price
        elif price < bucket.low:
            bucket.low = price
        if ts >= bucket.last:
            bucket.last = ts
            bucket.close = price
        elif ts < bucket.first:
            bucket.first = ts
            bucket.open = price
        if known["price_at"] is None:  # else it repeats the price of a trade that was told before
            bucket.trades += 1
        if size:
            bucket.volume += size
            bucket.quote += size * price
        if ts < self.newest:
            self.out_of_order += 1
            return False
        self.newest = ts
        self.tick = tick
        oldest = ts - self.lateness
        if oldest > self._oldest:
            self._oldest = oldest
        self._take_figures(known, ts)
        if ts > self._forget_at:  # not at it: the tick that set it may come again until then
            self._seen_before, self._seen = self._seen, set()
            self._forget_at = ts + max(self.lateness, _REMEMBERED_S)
        return ts >= self.due

    def _take_figures(self, known: dict[str, Any], ts: float) -> None:
        """Everything but the price, each with the time at which it was heard."""
        if known["mark_price"] is not None:
            self.mark, self.mark_at = known["mark_price"], _heard(known["mark_at"], ts)
        if known["index_price"] is not None:
            self.index, self.index_at = known["index_price"], _heard(known["mark_at"], ts)
        if known["funding_rate"] is not None:
            self.funding_rate, self.funding_at = known["funding_rate"], _heard(known["funding_at"], ts)
        if known["next_funding_time"] is not None:
            moved = hours_between(self.next_funding_time, known["next_funding_time"])
            self.next_funding_time, self.funding_hours = known["next_funding_time"], moved or self.funding_hours
        if known["funding_interval_hours"] is not None:
            self.funding_hours = known["funding_interval_hours"]
        if known["open_interest"] is not None:
            self.open_interest, self.open_interest_at = known["open_interest"], _heard(known["interest_at"], ts)
        if known["volume_24h_quote"] is not None:
            self.volume_24h, self.day_at = known["volume_24h_quote"], _heard(known["day_at"], ts)
        if known["price_24h_ago"] is not None:
            self.price_24h_ago, self.day_at = known["price_24h_ago"], _heard(known["day_at"], ts)

    def value(self, max_age: float) -> float:
        """What a position is valued at: mark, else index, unless it is `max_age` seconds older than the price."""
        oldest = self.newest - max_age
        mark, index = self.mark if self.mark_at >= oldest else None, self.index if self.index_at >= oldest else None
        return mark or index or self.tick.price

    def close_by_ticks(self) -> list[Bar]:
        """Minutes that no acceptable tick can reach any more."""
        return self._close(int((self.newest - self.lateness) // MINUTE) * MINUTE)

    def close_by_clock(self, until: int, max_age: float) -> list[Bar]:
        """Minutes that ended by `until` (epoch seconds). Empty ones only while the newest tick is not older than
        `max_age` seconds: a silent symbol is stale, not flat."""
        last = max(self._buckets, default=self.closing - MINUTE) + MINUTE
        if until - self.newest > max_age:
            until = min(until, last)
        return self._close(until // MINUTE * MINUTE)

    def _bucket_of(self, ts: float, price: float) -> OpenMinute:
        start = int(ts) // MINUTE * MINUTE
        bucket = self._buckets.get(start)
        if bucket is None:
            bucket = self._buckets[start] = OpenMinute(start, ts, price)
        if start > self._bucket.start:
            self._bucket = bucket
        return bucket

    def _close(self, until: int) -> list[Bar]:
        if until - self.closing > _MAX_FLAT * MINUTE:  # nothing keeps that much: leave a gap
            self.closing = until - _MAX_FLAT * MINUTE
        bars = []
        while self.closing + MINUTE <= until:
            bar = self._take(self.closing)
            if bar is not None and bar.open_time >= self.since:
                bars.append(bar)
            self.closing += MINUTE
        self.due = self.closing + MINUTE + self.lateness
        self._oldest = max(self._oldest, self.closing)
        return bars

    def _take(self, start: int) -> Bar | None:
        bucket = self._buckets.pop(start, None)
        if bucket is not None:
            self.minutes.closed(bucket, self._gap)
            self._last_close, self._last_at, self._gap = bucket.close, bucket.last, False
            return bucket.bar()
        price = self._last_close
        if price is None:
            return None
        ahead = min((known.first for known in self._buckets.values()), default=self.ahead)
        if ahead - self._last_at > self.healthy.silence and not self.healthy.heard(self.tick.source, start):
            if not self._gap:
                self.minutes.gap_after(self._last_at)
            self._gap = True
            return None
        return Bar(start, price, price, price, price)

    def heard(self, start: int) -> bool:
        """Whether a tick of this minute is known to have come; of the newest minutes only."""
        return start in self._buckets or self.minutes.heard(start)


def _heard(at: datetime | None, ts: float) -> float:
    return ts if at is None else at.timestamp()


def epoch(tick: MarketTick) -> float:
    """Event time in epoch seconds. ValueError for a tick without one: the intake fills it in."""
    if tick.ts is None:
        raise ValueError(f"tick of {tick.symbol} has no ts")
    return tick.ts.timestamp()
