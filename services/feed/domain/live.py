"""A live market as values: what is known of a symbol by now, when each figure was heard, and what is told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from libs.perps.funding import USUAL_HOURS, hours_between
from libs.schemas.market import FundingUpdate, MarketTick
from services.feed.domain.rows import moment, number, positive

QUICK = timedelta(seconds=60)  # a book or a mark that was heard longer before a tick is not told with it
SLOW = timedelta(seconds=900)  # funding, open interest and the 24 hours are said now and then


@dataclass(frozen=True, slots=True)
class HeardAt:
    """When each figure of a quote was heard last, by the exchange's time; None where it is not known."""

    price: datetime | None = None
    book: datetime | None = None
    mark: datetime | None = None
    funding: datetime | None = None
    interest: datetime | None = None
    day: datetime | None = None


@dataclass(frozen=True, slots=True)
class ExchangeQuote:
    """The newest of everything that an exchange tells of one symbol by different ways, and when each was heard.

    Prices in quote currency, sizes of the best bid and ask and open interest in base units, 24 h volume in quote
    currency; `funding_rate` is a fraction of notional per `funding_hours`.
    """

    symbol: str
    price: float | None = None
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    mark: float | None = None
    index: float | None = None
    funding_rate: float | None = None
    funding_hours: float | None = None
    next_funding: datetime | None = None
    open_interest: float | None = None
    volume_24h: float | None = None
    price_24h_ago: float | None = None
    heard: HeardAt = HeardAt()

    @property
    def newest(self) -> datetime | None:
        """When anything was heard last."""
        return max((at for name in HeardAt.__slots__ if (at := getattr(self.heard, name)) is not None), default=None)


def with_ticker(quote: ExchangeQuote, row: Mapping[str, Any], at: datetime | None = None) -> ExchangeQuote:
    """A 24 h ticker, of its own time or else heard `at`; what it leaves out stays as it was, and as old."""
    when = _told(row, at)
    price, bid, ask = (positive(row.get(name)) for name in ("last", "bid", "ask"))
    volume, before = positive(row.get("quoteVolume")), positive(row.get("open"))
    heard = replace(
        quote.heard,
        price=_later(quote.heard.price, when if price else None),
        book=_later(quote.heard.book, when if bid or ask else None),
        day=_later(quote.heard.day, when if volume or before else None),
    )
    return replace(
        quote,
        price=price or quote.price,
        bid=bid or quote.bid,
        ask=ask or quote.ask,
        bid_size=positive(row.get("bidVolume")) if row.get("bid") else quote.bid_size,
        ask_size=positive(row.get("askVolume")) if row.get("ask") else quote.ask_size,
        volume_24h=volume or quote.volume_24h,
        price_24h_ago=before or quote.price_24h_ago,
        heard=heard,
    )


def with_mark(quote: ExchangeQuote, row: Mapping[str, Any], at: datetime | None = None) -> ExchangeQuote:
    """A mark price; the raw row carries the funding: `r` its rate, `T` the next boundary, `i` the index.

    A boundary that moves on says how long the interval is that the rate is for.
    """
    info: Mapping[str, Any] = row.get("info") or {}
    rate, mark = number(info.get("r")), positive(row.get("markPrice") or info.get("p"))
    index, following = positive(row.get("indexPrice") or info.get("i")), moment(info.get("T"))
    when = _told(row, at)
    heard = replace(
        quote.heard,
        mark=_later(quote.heard.mark, when if mark or index else None),
        funding=_later(quote.heard.funding, when if rate is not None else None),
    )
    return replace(
        quote,
        mark=mark or quote.mark,
        index=index or quote.index,
        funding_rate=rate if rate is not None else quote.funding_rate,
        funding_hours=hours_between(quote.next_funding, following) or quote.funding_hours,
        next_funding=following or quote.next_funding,
        heard=heard,
    )


def with_trade(quote: ExchangeQuote, tick: MarketTick) -> ExchangeQuote:
    """The price of a trade, unless a later one is known."""
    if quote.heard.price is not None and tick.ts is not None and tick.ts < quote.heard.price:
        return quote
    return replace(quote, price=tick.price, heard=replace(quote.heard, price=tick.ts))


def with_interest(quote: ExchangeQuote, interest: float | None, at: datetime) -> ExchangeQuote:
    if interest is None:
        return quote
    return replace(quote, open_interest=interest, heard=replace(quote.heard, interest=at))


def with_interval(quote: ExchangeQuote, row: Mapping[str, Any]) -> ExchangeQuote:
    """How long the funding interval is, as `4h` or in the raw row."""
    info: Mapping[str, Any] = row.get("info") or {}
    hours = positive(str(row.get("interval") or "").removesuffix("h")) or positive(info.get("fundingIntervalHours"))
    return quote if hours is None or hours > 24 else replace(quote, funding_hours=hours)


def trade_tick(quote: ExchangeQuote, row: Mapping[str, Any], source: str) -> MarketTick | None:
    """One trade, whose amount is the tick's size, with all else that is known.

    Its id is the exchange's, so that it is stored once.
    """
    price, at = positive(row.get("price")), moment(row.get("timestamp"))
    if price is None or at is None or row.get("id") is None:
        return None
    traded = replace(quote, price=price, heard=replace(quote.heard, price=at))
    return _tick(traded, f"{source}:{quote.symbol}:{row['id']}", at, source, number(row.get("amount")))


def quiet_tick(quote: ExchangeQuote, at: datetime, source: str) -> MarketTick | None:
    """For a symbol that nobody trades: its mark and funding move all the same. None before a price is known.

    It is as old as the newest that was heard (`at` where nothing has a time): what is told again does not become new.
    """
    if quote.price is None:
        return None
    at = quote.newest or at
    return _tick(quote, f"{source}:{quote.symbol}:q{int(at.timestamp() * 1_000)}", at, source, None)


def _tick(quote: ExchangeQuote, tick_id: str, at: datetime, source: str, size: float | None) -> MarketTick:
    crossed = quote.bid is not None and quote.ask is not None and quote.bid > quote.ask
    book, mark, funding, interest, day = (
        _worth(told, at, most)
        for told, most in (
            (quote.heard.book, QUICK),
            (quote.heard.mark, QUICK),
            (quote.heard.funding, SLOW),
            (quote.heard.interest, SLOW),
            (quote.heard.day, SLOW),
        )
    )
    book = book and not crossed
    return MarketTick(
        symbol=quote.symbol,
        price=quote.price or 0,
        tick_id=tick_id,
        ts=at,
        bid=quote.bid if book else None,
        ask=quote.ask if book else None,
        bid_size=quote.bid_size if book else None,
        ask_size=quote.ask_size if book else None,
        size=size,
        mark_price=quote.mark if mark else None,
        index_price=quote.index if mark else None,
        funding_rate=quote.funding_rate if funding else None,
        funding_interval_hours=quote.funding_hours if funding else None,
        next_funding_time=quote.next_funding if funding else None,
        open_interest=quote.open_interest if interest else None,
        volume_24h_quote=quote.volume_24h if day else None,
        price_24h_ago=quote.price_24h_ago if day else None,
        source=source,
        price_at=_before(quote.heard.price, at),
        book_at=_before(quote.heard.book, at),
        mark_at=_before(quote.heard.mark, at),
        funding_at=_before(quote.heard.funding, at),
        interest_at=_before(quote.heard.interest, at),
        day_at=_before(quote.heard.day, at),
    )


def _worth(told: datetime | None, at: datetime, most: timedelta) -> bool:
    """Whether a figure that was heard at `told` is worth telling again."""
    return told is None or at - told <= most


def _before(told: datetime | None, at: datetime) -> datetime | None:
    return told if told is not None and told < at else None


def _told(row: Mapping[str, Any], at: datetime | None) -> datetime | None:
    """When a row says that it was made, at the latest when it was heard."""
    made = moment(row.get("timestamp"))
    return at if made is None else made if at is None else min(made, at)


def _later(known: datetime | None, at: datetime | None) -> datetime | None:
    return known if at is None else at if known is None else max(known, at)


def paid(before: ExchangeQuote, after: ExchangeQuote) -> FundingUpdate | None:
    """The funding that was paid when the next boundary moved on: at the old boundary, at the rate known before it.

    Its interval is the one that ended; where that one's beginning was not seen, the next one is as long.
    """
    if before.next_funding is None or before.funding_rate is None or after.next_funding is None:
        return None
    if after.next_funding <= before.next_funding:
        return None
    return FundingUpdate(
        symbol=after.symbol,
        funding_time=before.next_funding,
        rate=before.funding_rate,
        mark_price=after.mark,
        interval_hours=before.funding_hours or after.funding_hours or USUAL_HOURS,
        next_funding_time=after.next_funding,
    )


def paid_before(symbol: str, rows: Sequence[Mapping[str, Any]]) -> list[FundingUpdate]:
    """Payments as the exchange's history tells them, oldest first; each for the time since the one before."""
    told = [(at, rate) for row in rows if (at := moment(row.get("timestamp"))) and (rate := _rate(row)) is not None]
    payments = sorted((at - timedelta(seconds=at.timestamp() % 60), rate) for at, rate in told)
    gaps = [hours_between(before[0], after[0]) or USUAL_HOURS for before, after in pairwise(payments)]
    return [
        FundingUpdate(
            symbol=symbol,
            funding_time=at,
            rate=rate,
            interval_hours=gaps[max(n - 1, 0)] if gaps else USUAL_HOURS,
            next_funding_time=payments[n + 1][0] if n + 1 < len(payments) else None,
        )
        for n, (at, rate) in enumerate(payments)
    ]


def _rate(row: Mapping[str, Any]) -> float | None:
    return number(row.get("fundingRate"))
