"""The clock port: market time from the feed's clock, wall time, and a monotonic one. Nothing else reads a clock."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from libs.runtime.bus import Bus
from libs.runtime.mirror import KvMirror
from libs.schemas.kv_keys import CLOCK_KEY
from libs.schemas.market import MarketClock
from libs.schemas.subjects import KV_CLOCK

STALE_AFTER_S = 3.0


class Clock(Protocol):
    """`now` is market time, `wall` wall time; both aware UTC."""

    def now(self) -> datetime: ...
    def wall(self) -> datetime: ...
    def monotonic(self) -> float: ...
    @property
    def speed(self) -> float: ...
    @property
    def paused(self) -> bool: ...


class WallClock:
    """Market time is wall time."""

    @property
    def speed(self) -> float:
        return 1.0

    @property
    def paused(self) -> bool:
        return False

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def market_time(clock: MarketClock, wall: datetime) -> datetime:
    """Market time that `clock` gives for wall time `wall`."""
    if clock.paused:
        return clock.origin
    return clock.origin + (wall - clock.wall_zero) * clock.speed


class MarketClockMirror(WallClock):
    """Follows KV `clock`. Without an entry market time is wall time; not refreshed for 3 s it stands still."""

    def __init__(self, bus: Bus) -> None:
        self._mirror: KvMirror[MarketClock] = KvMirror(
            bus, KV_CLOCK.name, lambda _, data: MarketClock.model_validate_json(data), on_change=self._changed
        )
        self._heard = 0.0
        self._heard_wall = datetime.now(UTC)
        self._clock: MarketClock | None = None

    async def start(self) -> None:
        await self._mirror.start()

    async def stop(self) -> None:
        await self._mirror.stop()

    def _changed(self, key: str, value: MarketClock | None) -> None:
        if key == CLOCK_KEY:
            self._clock, self._heard, self._heard_wall = value, time.monotonic(), datetime.now(UTC)
            if value is not None:  # an entry that was loaded at start may be long out of date
                self._heard -= max(0.0, (self._heard_wall - value.refreshed_at).total_seconds())
                self._heard_wall = min(self._heard_wall, value.refreshed_at)

    @property
    def present(self) -> MarketClock | None:
        return self._clock

    @property
    def stale(self) -> bool:
        return self._clock is not None and time.monotonic() - self._heard > STALE_AFTER_S

    def now(self) -> datetime:
        if self._clock is None:
            return datetime.now(UTC)
        return market_time(self._clock, self._heard_wall if self.stale else datetime.now(UTC))

    @property
    def speed(self) -> float:
        return self._clock.speed if self._clock else 1.0

    @property
    def paused(self) -> bool:
        return self._clock is not None and (self._clock.paused or self.stale)


async def sleep_until_market(clock: Clock, when: datetime, *, step: float = 0.5) -> None:
    """Sleep in wall time until market time reaches `when`; the clock may pause or change speed meanwhile."""
    while (left := (when - clock.now()) / timedelta(seconds=1)) > 0:  # noqa: ASYNC110 - no event tells the time
        await asyncio.sleep(min(step, max(left / clock.speed, 0.001)))
