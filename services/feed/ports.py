"""What the feed needs from outside."""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from libs.runtime.clock import Clock
from libs.schemas.market import Candle, FundingUpdate, MarketClock, MarketTick
from services.feed.domain.timeline import Market


class LeaseLost(Exception):
    """Another copy may be publishing: stop at once, and ask for the lease again."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the market got: every tick of `series` up to `position` (market time) is stored, noted at `at` (wall)."""

    series: str
    position: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    """Ticks that were stored lately, by id, opening times of all stored candles, and the newest funding."""

    ticks: Mapping[str, datetime]
    candles: Mapping[tuple[str, str], Set[datetime]]
    funding: Mapping[str, datetime]


class Desk(Protocol):
    """The bus. Every method raises Unavailable while it is away."""

    async def tick(self, tick: MarketTick) -> None:
        """Publish without waiting. A repeated `tick_id` is stored once."""

    async def settle(self) -> None:
        """Return when all ticks published since `stored` have arrived. Raises Unavailable where some may be lost."""

    async def store(self, events: Iterable[Candle | FundingUpdate]) -> None:
        """Publish and wait until all are stored."""

    async def clock(self, clock: MarketClock) -> None:
        """Set the market clock."""

    async def clear_clock(self) -> None:
        """Take the market clock away: market time is wall time."""

    async def stored(self, market: Market, reached: Reached | None) -> Stored:
        """What is stored of a market; of its ticks at least those later than `reached`."""


class Lease(Protocol):
    """The right to drive the market."""

    @property
    def held(self) -> bool: ...

    async def acquire(self) -> Reached | None:
        """Wait until it is ours. Returns how far the market got, None where there was none."""

    async def renew(self, series: str | None, position: datetime | None) -> None:
        """Keep it, and note how far the market got. Raises LeaseLost, Unavailable."""

    async def release(self, series: str | None, position: datetime | None) -> None:
        """Hand it back, so that another copy need not wait for its deadline. Raises nothing."""


class Meter(Protocol):
    """What operators see."""

    def published(self, kind: Literal["tick", "candle", "funding"], count: int) -> None: ...
    def late(self, seconds: float) -> None:
        """Wall seconds by which the newest moment went out late."""

    def clock_reset(self) -> None: ...
    def holding(self, holds: bool) -> None: ...
    def ended(self, ended: bool) -> None: ...
    def playing(self, plays: bool) -> None:
        """History is on the bus and the market clock stands where it belongs."""


@dataclass(frozen=True, slots=True)
class Deps:
    """`open_market` reads the files or seeds the generator; it returns None when market time is wall time."""

    open_market: Callable[[], Market | None]
    desk: Desk
    lease: Lease
    clock: Clock
    meter: Meter
    speed: float
