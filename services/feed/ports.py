"""What the feed needs from outside."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from libs.runtime.clock import Clock
from libs.schemas.market import Candle, FundingUpdate, MarketClock, MarketTick
from services.feed.domain.timeline import MarketSource


class LeaseLost(Exception):
    """Another copy may be publishing: stop at once, and ask for the lease again."""


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the market got: every tick of `series` up to `position` (market time) is stored, noted at `at` (wall)."""

    series: str
    position: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True)
class StoredMarket:
    """Ticks that were stored lately, by id, opening times of all stored candles, and the newest funding."""

    ticks: Mapping[str, datetime]
    candles: Mapping[tuple[str, str], Set[datetime]]
    funding: Mapping[str, datetime]


class CannotFollow(Exception):
    """What is to be followed is not there: an unknown symbol, a library. Only a person can put that right."""


class ExchangeAway(Exception):
    """The exchange does not answer, or refuses; it is asked again."""


class StreamSilent(ExchangeAway):
    """A stream of the exchange said nothing within its limit: all of them are closed and opened anew."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A stream of the exchange broke at `at`: candles that closed meanwhile have to be asked for."""

    at: datetime


LiveEvent = MarketTick | FundingUpdate | Interrupted


@runtime_checkable
class Live(Protocol):
    """A market that happens now, by wall time. Raises ExchangeAway."""

    @property
    def source(self) -> str: ...
    @property
    def symbols(self) -> tuple[str, ...]: ...
    @property
    def begins(self) -> datetime: ...
    def now(self) -> datetime:
        """The exchange's time."""

    async def open(self) -> None:
        """Connect. Raises CannotFollow."""

    async def close(self) -> None: ...
    async def candles(self, symbol: str, timeframe: str, since: datetime) -> list[Candle]:
        """Closed candles that open at `since` or later."""

    async def funding(self, symbol: str, since: datetime) -> list[FundingUpdate]:
        """What was paid after `since`, as far as the exchange tells."""

    def events(self) -> AsyncIterator[LiveEvent]:
        """Ticks and funding from now on, endless. Raises StreamSilent."""


class Followed(Protocol):
    """What the bus is asked about: whose ticks, of which symbols."""

    @property
    def source(self) -> str: ...
    @property
    def symbols(self) -> tuple[str, ...]: ...
    @property
    def begins(self) -> datetime: ...


class MarketBus(Protocol):
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

    async def stored(self, market: Followed, reached: Reached | None) -> StoredMarket:
        """What is stored of a market; of its ticks at least those later than `reached`."""


class Lockstep(Protocol):
    """Waits for what follows from each moment."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def stored(self) -> int:
        """The sequence of the newest event of the market. Raises Unavailable."""
        ...

    async def over(self, at: datetime) -> None:
        """Return when everything that follows from the moment `at` has happened. Raises Unavailable."""


class Lease(Protocol):
    """The right to drive the market. What is held stays held while the feed works, however slow that is."""

    @property
    def held(self) -> bool: ...

    async def acquire(self) -> Reached | None:
        """Wait until it is ours. Returns how far the market got, None where there was none."""

    async def renew(self, series: str | None, position: datetime | None) -> None:
        """Keep it, and note how far the market got. Raises LeaseLost, Unavailable."""

    async def release(self, series: str | None, position: datetime | None) -> None:
        """Hand it back, so that another copy need not wait for its deadline. Raises nothing."""


class FeedMeter(Protocol):
    """What operators see."""

    def published(self, kind: Literal["tick", "candle", "funding"], count: int) -> None: ...
    def late(self, seconds: float) -> None:
        """Wall seconds by which the newest moment went out late."""

    def clock_reset(self) -> None: ...
    def holding(self, holds: bool) -> None: ...
    def ended(self, ended: bool) -> None: ...
    def fell_silent(self) -> None:
        """A stream of the exchange died without a word, and all are opened anew."""

    def playing(self, plays: bool) -> None:
        """History is on the bus and the market clock stands where it belongs."""


@dataclass(frozen=True, slots=True)
class Deps:
    """`open_market` reads the files or seeds the generator; None or a live market run on wall time."""

    open_market: Callable[[], MarketSource | Live | None]
    desk: MarketBus
    lease: Lease
    clock: Clock
    meter: FeedMeter
    speed: float
    lockstep: Lockstep | None = None
