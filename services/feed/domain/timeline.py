"""A recorded or made-up market as one ordered run of events, from wherever an earlier run stopped."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from libs.schemas.market import Candle, FundingUpdate, MarketTick
from services.feed.domain.bars import MINUTE, STEP, TICKS_PER_BAR, Bars, MinuteBar, bar_ticks
from services.feed.domain.funding import FundingRate
from services.feed.domain.timeframes import TIMEFRAMES, candle, floor

HISTORY_1M = 1_500
HISTORY = 300
NEVER = datetime.min.replace(tzinfo=UTC)
Key = tuple[str, str]


class MarketSource(Protocol):
    """Bars and funding of some symbols, every minute from `begins` on. Live events start at `starts`."""

    @property
    def source(self) -> str:
        """What the ticks are labelled with."""

    @property
    def series(self) -> str:
        """Which market this is: a run can only go on in the series that it began in."""

    @property
    def symbols(self) -> tuple[str, ...]: ...
    @property
    def begins(self) -> datetime: ...
    @property
    def starts(self) -> datetime: ...
    @property
    def ends(self) -> datetime | None:
        """Close of the last bar, None where there always is another one."""

    def prepare(self, until: datetime) -> None:
        """Make ready what comes before `until`; may take seconds, so it is called outside the event loop."""

    def bars(self, symbol: str, start: datetime, end: datetime) -> list[MinuteBar]:
        """The bars that open in [start, end)."""

    def columns(self, symbol: str, start: datetime, end: datetime) -> Bars:
        """The same as columns; [start, end) is of one day."""

    def funding(self, symbol: str, at: datetime) -> FundingRate | None:
        """The latest rate paid at or before `at`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What is published already.

    Every tick up to `through`, and of the later ones those in `ticks`; `position` is the time of the newest. The
    candles (their opening times) by symbol and timeframe, the newest funding by symbol.
    """

    through: datetime
    position: datetime
    ticks: frozenset[str]
    candles: Mapping[Key, Set[datetime]]
    funding: Mapping[str, datetime]

    def lacks(self, symbol: str, timeframe: str, open_time: datetime) -> bool:
        return open_time not in self.candles.get((symbol, timeframe), ())


@dataclass(frozen=True, slots=True)
class Moment:
    """What happens at one market time, in this order: candles that closed, funding, ticks."""

    at: datetime
    events: tuple[Candle | FundingUpdate, ...]
    ticks: tuple[MarketTick, ...]


def resumed(
    market: MarketSource,
    through: datetime | None,
    ticks: Mapping[str, datetime],
    candles: Mapping[Key, Set[datetime]],
    funding: Mapping[str, datetime],
) -> Progress:
    """Progress of a run that stored all ticks up to `through`, later ones by id as in `ticks`, and these events.

    A run whose server was killed may have lost some ticks and stored later ones. Without `through` it is a first run.
    """
    through = market.starts - STEP if through is None else through
    position = max(market.starts, through, *ticks.values())
    return Progress(through, position, frozenset(ticks), candles, funding)


def backlog(market: MarketSource, done: Progress) -> Iterator[Candle]:
    """Candles that closed by now and are not stored: the history at a first start, gaps after an outage.

    Each one is looked for: a connection that broke may have lost one and delivered the next.
    """
    for timeframe, length in TIMEFRAMES.items():
        last = floor(done.position, length)
        oldest = last - (HISTORY_1M if timeframe == "1m" else HISTORY) * length
        for symbol in market.symbols:
            at = max(oldest, floor(market.begins, length))
            while at < last:
                if done.lacks(symbol, timeframe, at) and (
                    made := candle(market.columns(symbol, at, at + length), timeframe)
                ):
                    yield made
                at += length


def moments(market: MarketSource, done: Progress) -> Iterator[Moment]:
    """Everything from `done` on. Lazy, and endless where the market is."""
    at = floor(done.through, MINUTE)
    while market.ends is None or at <= market.ends:
        yield from _minute(market, done, at)
        at += MINUTE


def _minute(market: MarketSource, done: Progress, at: datetime) -> Iterator[Moment]:
    ticks = _ticks(market, at)
    events: tuple[Candle | FundingUpdate, ...] = (*_closed(market, done, at), *_funded(market, done, at))
    for n in range(TICKS_PER_BAR):
        later = at + n * STEP > done.through
        due = tuple(four[n] for four in ticks if later and four[n].tick_id not in done.ticks)
        if events or due:
            yield Moment(at + n * STEP, events, due)
        events = ()


def _ticks(market: MarketSource, at: datetime) -> list[tuple[MarketTick, ...]]:
    return [
        bar_ticks(bar, market.source, market.funding(symbol, at))
        for symbol in market.symbols
        for bar in market.bars(symbol, at, at + MINUTE)
        if not bar.silent
    ]


def _closed(market: MarketSource, done: Progress, at: datetime) -> Iterator[Candle]:
    for timeframe, length in TIMEFRAMES.items():
        if floor(at, length) != at:
            continue
        for symbol in market.symbols:
            if at > done.position and done.lacks(symbol, timeframe, at - length):
                made = candle(market.columns(symbol, at - length, at), timeframe)
                if made is not None:
                    yield made


def _funded(market: MarketSource, done: Progress, at: datetime) -> Iterator[FundingUpdate]:
    """Funding goes out before the tick of its time: where that tick is stored, so is the funding."""
    for symbol in market.symbols:
        rate = market.funding(symbol, at)
        if rate is not None and rate.time == at and at > max(done.through, done.funding.get(symbol, NEVER)):
            yield rate.update(symbol)
