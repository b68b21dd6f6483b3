"""A live market as values: what is known of a symbol by now, and what the exchange's rows say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from libs.schemas.market import Candle, FundingUpdate, MarketTick
from services.feed.domain.timeframes import TIMEFRAMES, floor

PAGE = 500
HISTORY_1M = 1_500
HISTORY = 300
TRIES = 8
CLOSE_DELAY = timedelta(seconds=1)  # exchanges need a moment to close a candle


@dataclass(frozen=True, slots=True)
class ExchangeQuote:
    """The newest of everything that an exchange tells of one symbol by different ways. Prices in quote currency, sizes
    of the best bid and ask in base units."""

    symbol: str
    price: float | None = None
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    mark: float | None = None
    index: float | None = None
    funding_rate: float | None = None
    next_funding: datetime | None = None
    open_interest: float | None = None
    volume_24h: float | None = None
    price_24h_ago: float | None = None


def with_ticker(quote: ExchangeQuote, row: Mapping[str, Any]) -> ExchangeQuote:
    """A 24 h ticker; what it leaves out stays as it was."""
    return replace(
        quote,
        price=positive(row.get("last")) or quote.price,
        bid=positive(row.get("bid")) or quote.bid,
        ask=positive(row.get("ask")) or quote.ask,
        bid_size=positive(row.get("bidVolume")) if row.get("bid") else quote.bid_size,
        ask_size=positive(row.get("askVolume")) if row.get("ask") else quote.ask_size,
        volume_24h=positive(row.get("quoteVolume")) or quote.volume_24h,
        price_24h_ago=positive(row.get("open")) or quote.price_24h_ago,
    )


def with_mark(quote: ExchangeQuote, row: Mapping[str, Any]) -> ExchangeQuote:
    """A mark price; the raw row carries the funding: `r` its rate, `T` the next boundary, `i` the index."""
    info: Mapping[str, Any] = row.get("info") or {}
    rate = number(info.get("r"))
    return replace(
        quote,
        mark=positive(row.get("markPrice") or info.get("p")) or quote.mark,
        index=positive(row.get("indexPrice") or info.get("i")) or quote.index,
        funding_rate=rate if rate is not None else quote.funding_rate,
        next_funding=moment(info.get("T")) or quote.next_funding,
    )


def trade_tick(quote: ExchangeQuote, row: Mapping[str, Any], source: str) -> MarketTick | None:
    """One trade, whose amount is the tick's size, with all else that is known.

    Its id is the exchange's, so that it is stored once.
    """
    price, at = positive(row.get("price")), moment(row.get("timestamp"))
    if price is None or at is None or row.get("id") is None:
        return None
    return _tick(
        replace(quote, price=price), f"{source}:{quote.symbol}:{row['id']}", at, source, number(row.get("amount"))
    )


def quiet_tick(quote: ExchangeQuote, at: datetime, source: str) -> MarketTick | None:
    """For a symbol that nobody trades: its mark and funding move all the same. None before a price is known."""
    if quote.price is None:
        return None
    return _tick(quote, f"{source}:{quote.symbol}:q{int(at.timestamp() * 1_000)}", at, source, None)


def _tick(quote: ExchangeQuote, tick_id: str, at: datetime, source: str, size: float | None) -> MarketTick:
    crossed = quote.bid is not None and quote.ask is not None and quote.bid > quote.ask
    return MarketTick(
        symbol=quote.symbol,
        price=quote.price or 0,
        tick_id=tick_id,
        ts=at,
        bid=None if crossed else quote.bid,
        ask=None if crossed else quote.ask,
        bid_size=None if crossed else quote.bid_size,
        ask_size=None if crossed else quote.ask_size,
        size=size,
        mark_price=quote.mark,
        index_price=quote.index,
        funding_rate=quote.funding_rate,
        next_funding_time=quote.next_funding,
        open_interest=quote.open_interest,
        volume_24h_quote=quote.volume_24h,
        price_24h_ago=quote.price_24h_ago,
        source=source,
    )


def paid(before: ExchangeQuote, after: ExchangeQuote, interval_hours: float = 8) -> FundingUpdate | None:
    """The funding that was paid when the next boundary moved on: at the old boundary, at the rate known before it."""
    if before.next_funding is None or before.funding_rate is None or after.next_funding is None:
        return None
    if after.next_funding <= before.next_funding:
        return None
    return FundingUpdate(
        symbol=after.symbol,
        funding_time=before.next_funding,
        rate=before.funding_rate,
        mark_price=after.mark,
        interval_hours=interval_hours,
    )


def closed_candles(symbol: str, timeframe: str, rows: Sequence[Sequence[Any]], now: datetime) -> list[Candle]:
    """Rows of [open time ms, open, high, low, close, volume]; the last one is usually still forming and no candle."""
    length = TIMEFRAMES[timeframe]
    made = []
    for row in rows:
        opened, values = moment(row[0]), [number(value) for value in row[1:6]]
        if opened is None or opened + length > now or floor(opened, length) != opened:
            continue
        o, h, low, c, v = values
        if o and h and low and c and v is not None:
            made.append(
                Candle(
                    symbol=symbol,
                    timeframe=timeframe,
                    open_time=opened,
                    close_time=opened + length,
                    open=o,
                    high=max(h, o, c),
                    low=min(low, o, c),
                    close=c,
                    volume=v,
                )
            )
    return made


@dataclass(slots=True)
class MissingCandles:
    """Which candles are stored, by their newest close, and how often a closed one was asked for in vain."""

    newest: dict[tuple[str, str], datetime]
    asked: dict[tuple[str, str], tuple[datetime, int]] = field(default_factory=dict)

    def since(self, symbol: str, timeframe: str, now: datetime) -> datetime | None:
        """The open time of the first candle to ask for; None where none is missing, or the exchange has none.

        A symbol that nobody trades may have no candle at all: after some tries the next boundary is waited for.
        """
        key, length = (symbol, timeframe), TIMEFRAMES[timeframe]
        boundary, newest = floor(now - CLOSE_DELAY, length), self.newest.get((symbol, timeframe))
        tried, times = self.asked.get(key, (boundary, 0))
        times = times if tried == boundary else 0
        if (newest is not None and newest >= boundary) or times >= TRIES:
            return None
        self.asked[key] = (boundary, times + 1)
        oldest = boundary - (HISTORY_1M if timeframe == "1m" else HISTORY) * length
        return oldest if newest is None else max(oldest, newest)

    def stored(self, candle: Candle) -> None:
        self.newest[candle.symbol, candle.timeframe] = candle.close_time


def number(value: object) -> float | None:
    if value is None or value == "":
        return None
    made = float(str(value))
    return made if isfinite(made) else None


def positive(value: object) -> float | None:
    made = number(value)
    return made if made is not None and made > 0 else None


def moment(ms: object) -> datetime | None:
    made = number(ms)
    return datetime.fromtimestamp(made / 1_000, UTC) if made else None
