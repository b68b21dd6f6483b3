"""What the feed needs from outside."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.runtime.clock import Clock
from libs.schemas.market import Candle, FundingUpdate, MarketClock, MarketTick
from services.feed.domain.timeline import Market
from services.feed.metrics import FeedMetrics


class LeaseLost(Exception):
    """Another copy may be publishing: stop at once, and ask for the lease again."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the market got: every tick of `series` up to market time `position` is stored."""

    series: str
    position: datetime | None


@dataclass(frozen=True, slots=True)
class Stored:
    """Times of the newest stored tick, candle (its close) and funding, where there are any."""

    ticks: Mapping[str, datetime]
    candles: Mapping[tuple[str, str], datetime]
    funding: Mapping[str, datetime]


class Desk(Protocol):
    """The bus. Every method raises Unavailable while it is away."""

    async def tick(self, tick: MarketTick) -> None:
        """Publish without waiting; a repeated `tick_id` is stored once."""

    async def store(self, events: Iterable[Candle | FundingUpdate]) -> None:
        """Publish and wait until all are stored."""

    async def clock(self, clock: MarketClock) -> None:
        """Set the market clock."""

    async def clear_clock(self) -> None:
        """Take the market clock away: market time is wall time."""

    async def stored(self, market: Market) -> Stored:
        """What is stored of a market."""


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


@dataclass(frozen=True, slots=True)
class Deps:
    """`open_market` reads the files or seeds the generator; it returns None when market time is wall time."""

    open_market: Callable[[], Market | None]
    desk: Desk
    lease: Lease
    clock: Clock
    metrics: FeedMetrics
    speed: float
