"""The market section of a context: what each asset's ticks and closed candles say, and what is stale or missing."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from pydantic import ValidationError

from libs.schemas.base import Timeframe
from libs.schemas.context import (
    AssetMarketData,
    ContextError,
    MarketContext,
    PricePoint,
    TechnicalIndicators,
    TechnicalIndicatorsSet,
)
from libs.schemas.market import FundingUpdate
from libs.schemas.reasons import ContextErrorCode
from services.context.domain import correlations, figures, shortcomings
from services.context.domain.candles import Track
from services.context.domain.columns import Columns
from services.context.domain.correlations import Correlations, Shared
from services.context.domain.indicators import MOST, WARM_UP, indicators, missing
from services.context.domain.market import MarketState
from services.context.domain.series import Series
from services.context.domain.triggers import ordered

HISTORY = 50
_GAPS_NAMED = 3
SLOW_S = 900.0  # open interest and a venue's own 24 hours are said now and then: older ones are not told


@dataclass(frozen=True, slots=True)
class Study:
    """What one asset's closed candles say; it changes only when a candle closes."""

    indicators: TechnicalIndicators
    history: tuple[PricePoint, ...]
    volatility: float
    trend: figures.Trend
    close_24h_ago: float | None
    volume_24h: float | None
    range_24h: tuple[float, float] | None
    errors: tuple[ContextError, ...]


@dataclass(slots=True)
class Assets:
    """The market section of one context. `degraded` are stale but held, `absent` are left out."""

    data: dict[str, AssetMarketData] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    errors: list[ContextError] = field(default_factory=list)
    correlations: Correlations = field(default_factory=Correlations)

    @property
    def fresh(self) -> bool:
        """Whether any asset is neither stale nor missing."""
        return len(self.data) > sum(symbol in self.data for symbol in self.degraded)

    def section(self, now: datetime) -> MarketContext:
        changes = [a.price_change_24h for a in self.data.values() if a.price_change_24h is not None]
        return MarketContext(
            assets=self.data,
            market_sentiment=figures.sentiment(changes),
            breadth=figures.breadth(changes),
            correlations=dict(self.correlations.values) or None,
            correlated=dict(self.correlations.correlated) or None,
            timestamp=now,
        )


class Studies:
    """Studies shared by all accounts of a cycle: made anew only when a candle of theirs closed."""

    def __init__(self, market: MarketState) -> None:
        self.columns = Columns(market)
        self._market = market
        self._kept: dict[tuple[str, tuple[Timeframe, ...]], tuple[tuple[int, ...], Study]] = {}
        self._sets: dict[tuple[str, Timeframe], tuple[int, TechnicalIndicatorsSet]] = {}
        self._points: dict[tuple[str, Timeframe], dict[int, PricePoint]] = {}
        self._together = Shared()

    def correlations(self, symbols: Iterable[str]) -> Correlations:
        """How these assets move together."""
        return self._together.of({symbol: self._market.series(symbol, correlations.TIMEFRAME) for symbol in symbols})

    def of(self, symbol: str, timeframes: tuple[Timeframe, ...]) -> Study:
        """Study of a symbol with `timeframes`, shortest first."""
        known = [(tf, self._market.series(symbol, tf)) for tf in ordered(self._market.timeframes)]
        versions = tuple(series.version if series else 0 for _, series in known)
        kept = self._kept.get((symbol, timeframes))
        if kept is None or kept[0] != versions:
            series = {tf: s for tf, s in known if s is not None}
            points = self._points.setdefault((symbol, timeframes[0]), {})
            kept = versions, study(symbol, timeframes, series, partial(self._indicators, symbol), points)
            self._kept[symbol, timeframes] = kept
        return kept[1]

    def _indicators(self, symbol: str, timeframe: Timeframe, series: Series | None) -> TechnicalIndicatorsSet:
        """Of one timeframe: the longer ones change seldom."""
        version = series.version if series else 0
        kept = self._sets.get((symbol, timeframe))
        if kept is None or kept[0] != version:
            kept = self._sets[symbol, timeframe] = version, indicators(timeframe, series)
        return kept[1]


def read(
    studies: Studies,
    market: MarketState,
    symbols: Sequence[str],
    held: Collection[str],
    timeframes: tuple[Timeframe, ...],
    now: datetime,
) -> Assets:
    """The market section for `symbols` at `now`; `held` are symbols with an open position."""
    found = Assets()
    for symbol in symbols:
        track = market.track(symbol)
        found.errors += (*shortcomings.doubtful(market, symbol, now), *shortcomings.late(market, symbol))
        error = shortcomings.unfit(market, symbol, track, timeframes[0], now)
        if error is not None:
            found.errors.append(error)
            (found.degraded if symbol in held else found.absent).append(symbol)
            if symbol not in held:
                continue
        if track is None:
            continue
        try:
            made = studies.of(symbol, timeframes)
            found.data[symbol] = asset(symbol, track, made, market, now)
            found.errors += made.errors
            found.errors += shortcomings.unclosed(market, symbol, timeframes[1:], now)
        except ValidationError as wrong:  # of one asset, which must not cost the account its context
            found.errors.append(shortcomings.beyond(symbol, wrong))
            _add(found.degraded if symbol in held else found.absent, symbol)
    found.correlations = studies.correlations((*symbols, *held))
    return found


def _add(symbols: list[str], symbol: str) -> None:
    if symbol not in symbols:
        symbols.append(symbol)


def asset(symbol: str, track: Track, made: Study, market: MarketState, now: datetime) -> AssetMarketData:
    """One asset as of its newest tick."""
    price = track.tick.price
    known = funding_of(track, market.funding.get(symbol), now)
    seconds, quick = now.timestamp(), market.bounds.max_tick_age
    slow = seconds - track.day_at <= SLOW_S
    bid, ask = quote(track)
    high, low = made.range_24h or (None, None)
    before = made.close_24h_ago or (track.price_24h_ago if slow else None)
    return AssetMarketData(
        symbol=symbol,
        current_price=price,
        mark_price=track.mark if seconds - track.mark_at <= quick else None,
        index_price=track.index if seconds - track.index_at <= quick else None,
        bid=bid,
        ask=ask,
        high_24h=None if high is None else max(high, price),
        low_24h=None if low is None else min(low, price),
        price_change_24h=figures.change_percent(price, before) if before else None,
        volume_24h=made.volume_24h if made.volume_24h is not None else track.volume_24h if slow else None,
        funding_rate=known.rate,
        funding_interval_hours=known.hours,
        next_funding_time=known.next_time,
        open_interest=track.open_interest if seconds - track.open_interest_at <= SLOW_S else None,
        price_history=made.history,
        volatility=made.volatility,
        atr_percent=figures.atr_percent(made.indicators.interval, price),
        trend=made.trend,
        technical_indicators=made.indicators,
        as_of=datetime.fromtimestamp(track.newest, UTC),
        age_seconds=max(0.0, seconds - track.newest),
    )


def quote(track: Track) -> tuple[float | None, float | None]:
    """Best bid and ask, of one tick and both or neither: one side alone says no spread."""
    bid, ask = track.tick.bid, track.tick.ask
    return (None, None) if bid is None or ask is None else (bid, ask)


@dataclass(frozen=True, slots=True)
class KnownFunding:
    """A fraction of notional per `hours`, and when it is paid next, where that is still to come."""

    rate: float | None
    hours: float | None
    next_time: datetime | None


def funding_of(track: Track, paid: FundingUpdate | None, now: datetime) -> KnownFunding:
    """As the ticks say, while they do; else as it was paid last. A rate never gets the other's interval."""
    rate, hours, due = track.funding_rate, track.funding_hours, track.next_funding_time
    silent = now.timestamp() - track.funding_at > SLOW_S
    if paid is not None:
        if rate is None or (silent and paid.funding_time.timestamp() > track.funding_at):
            rate, hours = paid.rate, paid.interval_hours
        hours = hours or paid.interval_hours
        if due is None or due <= now:
            due = paid.funding_time if paid.funding_time > now else paid.due_next
    return KnownFunding(rate, None if rate is None else hours, due if due is not None and due > now else None)


def study(
    symbol: str,
    timeframes: tuple[Timeframe, ...],
    series: dict[Timeframe, Series],
    made: Callable[[Timeframe, Series | None], TechnicalIndicatorsSet] = indicators,
    points: dict[int, PricePoint] | None = None,
) -> Study:
    """Indicators and figures over closed candles; `series` by timeframe, shortest first."""
    sets = [made(tf, series.get(tf)) for tf in timeframes]
    errors = [e for tf, s in zip(timeframes, sets, strict=True) for e in _shortcomings(symbol, tf, s, series.get(tf))]
    close, volume = figures.close_24h_ago(series.values()), figures.volume_24h(series.values())
    if close is None or volume is None:
        errors.append(
            ContextError(
                scope=symbol,
                code=ContextErrorCode.SHORT_HISTORY,
                message="closed candles do not cover 24 hours; change and volume are the venue's own, or null",
            )
        )
    shortest = series.get(timeframes[0])
    return Study(
        TechnicalIndicators(interval=sets[0], long_interval=sets[-1], others=tuple(sets[1:-1])),
        _history(shortest, {} if points is None else points) if shortest else (),
        figures.volatility(shortest) if shortest else 0.0,
        figures.trend(sets[0]),
        close,
        volume,
        figures.range_24h(series.values()),
        tuple(errors),
    )


def _history(series: Series, known: dict[int, PricePoint]) -> tuple[PricePoint, ...]:
    ends = (series.times[-HISTORY:] + series.step).tolist()
    points = zip(ends, series.close[-HISTORY:].tolist(), series.volume[-HISTORY:].tolist(), strict=True)
    return tuple(_point(known, *each) for each in points)


def _point(known: dict[int, PricePoint], end: int, price: float, volume: float) -> PricePoint:
    """Most points stood in the study before: making them anew was a third of a context."""
    point = known.get(end)
    if point is None or (point.price, point.volume) != (price, volume):
        point = known[end] = PricePoint(timestamp=datetime.fromtimestamp(end, UTC), price=price, volume=volume)
        if len(known) > 4 * HISTORY:
            for old in sorted(known)[:-HISTORY]:
                del known[old]
    return point


def _shortcomings(
    symbol: str, timeframe: Timeframe, found: TechnicalIndicatorsSet, series: Series | None
) -> list[ContextError]:
    scope, n, errors = f"{symbol} {timeframe}", found.candles_used, []
    if names := missing(found):
        needs = max(WARM_UP[name] for name in names)
        message = f"{', '.join(names)}: {n} closed candles are here, up to {needs} are needed"
        errors.append(ContextError(scope=scope, code=ContextErrorCode.WARM_UP, message=message))
    if series is not None and (gaps := series.gaps(MOST)):
        message = f"candles are missing: {_named(gaps, series.step)}; only the {n} since the last gap are used"
        errors.append(ContextError(scope=scope, code=ContextErrorCode.GAP, message=message))
    return errors


def _named(gaps: list[tuple[int, int]], step: int) -> str:
    """The newest gaps, each by how many candles and from when to when."""
    shown = [
        f"{n} from {datetime.fromtimestamp(start, UTC).isoformat()} to "
        f"{datetime.fromtimestamp(start + n * step, UTC).isoformat()}"
        for start, n in gaps[-_GAPS_NAMED:]
    ]
    more = f", and {len(gaps) - _GAPS_NAMED} older gaps" if len(gaps) > _GAPS_NAMED else ""
    return ", ".join(shown) + more
