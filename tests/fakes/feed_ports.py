"""The feed's ports in memory."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from libs.runtime.errors import Unavailable
from libs.schemas.market import Candle, FundingUpdate, MarketClock, MarketTick
from services.feed.ports import Followed, LeaseLost, Reached, StoredMarket


@dataclass
class FakeDesk:
    """Stores each tick id once, as the bus does. `fail_after` ticks it is away until `back` is called."""

    ticks: dict[str, MarketTick] = field(default_factory=dict)
    repeated: int = 0
    events: list[Candle | FundingUpdate] = field(default_factory=list)
    clocks: list[MarketClock | None] = field(default_factory=list)
    fail_after: int | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def _check(self) -> None:
        self.changed.set()
        if self.fail_after is not None and len(self.ticks) >= self.fail_after:
            raise Unavailable("NATS is away: told so by the test")

    def back(self) -> None:
        self.fail_after = None

    async def tick(self, tick: MarketTick) -> None:
        self._check()
        assert tick.tick_id is not None
        self.repeated += tick.tick_id in self.ticks
        self.ticks[tick.tick_id] = tick

    async def store(self, events: Iterable[Candle | FundingUpdate]) -> None:
        self._check()
        self.events += events
        await asyncio.sleep(0)

    async def clock(self, clock: MarketClock) -> None:
        self._check()
        self.clocks.append(clock)

    async def clear_clock(self) -> None:
        self._check()
        self.clocks.append(None)

    async def settle(self) -> None:
        self._check()

    async def stored(self, market: Followed, reached: Reached | None) -> StoredMarket:
        self._check()
        ticks = {name: t.ts for name, t in self.ticks.items() if t.ts is not None}
        candles: dict[tuple[str, str], set[datetime]] = {}
        for e in self.events:
            if isinstance(e, Candle):
                candles.setdefault((e.symbol, e.timeframe), set()).add(e.open_time)
        funding = {e.symbol: e.funding_time for e in self.events if isinstance(e, FundingUpdate)}
        return StoredMarket(ticks, candles, funding)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when the condition holds; it is asked again after each call of this desk."""
        while not condition():
            self.changed.clear()
            await self.changed.wait()

    async def until_ticks(self, count: int) -> None:
        await self.until(lambda: len(self.ticks) >= count)


@dataclass
class FakeLease:
    """Free from the beginning. `lose` takes it away, and `free` must be set again before it can be had."""

    held: bool = False
    reached: Reached | None = None
    acquired: int = 0
    released: int = 0
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.free.set()

    async def acquire(self) -> Reached | None:
        await self.free.wait()
        self.held = True
        self.acquired += 1
        return self.reached

    async def renew(self, series: str | None, position: datetime | None) -> None:
        if not self.held:
            raise LeaseLost("taken away by the test")
        self._note(series, position)

    async def release(self, series: str | None, position: datetime | None) -> None:
        if self.held:
            self._note(series, position)
            self.held = False
            self.released += 1

    def lose(self) -> None:
        self.held = False
        self.free.clear()

    def _note(self, series: str | None, position: datetime | None) -> None:
        if series is not None:
            known = self.reached.position if self.reached else None
            self.reached = Reached(series, position or known, datetime.now(UTC))
