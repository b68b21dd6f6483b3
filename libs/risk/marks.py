"""The newest tick of each symbol, as far as the rules need it."""

from dataclasses import dataclass
from datetime import datetime

from libs.perps.funding import hours_between
from libs.schemas.context import AssetMarketData
from libs.schemas.market import MarketTick


@dataclass(frozen=True, slots=True)
class Mark:
    """Prices in quote currency, sizes in base units. `mark` is the tick's `mark_of`; the funding rate is per
    `funding_interval_hours`.

    What stands at the touch and what trades in a minute is None where the tick does not tell.
    """

    mark: float
    last: float
    bid: float | None
    ask: float | None
    at: datetime
    funding_rate: float | None
    next_funding_time: datetime | None
    bid_size: float | None = None
    ask_size: float | None = None
    minute_volume: float | None = None
    funding_interval_hours: float | None = None


def minute_volume(tick: MarketTick) -> float | None:
    """Base units that trade in a minute: by the volume of the span that holds the tick, else by that of 24 hours."""
    if tick.span_volume is not None:
        return tick.span_volume / tick.span_s * 60
    return None if tick.volume_24h_quote is None else tick.volume_24h_quote / tick.price / 1_440


def _first(mark: float | None, index: float | None, price: float) -> float:
    """The mark price, else the index price, else the price: the one rule of what a position is valued at."""
    return mark or index or price


def mark_of(tick: MarketTick) -> float:
    return _first(tick.mark_price, tick.index_price, tick.price)


def shown_mark(asset: AssetMarketData) -> float:
    """Of what a context shows of an asset, where a mark or an index that is no longer fresh is left out."""
    return _first(asset.mark_price, asset.index_price, asset.current_price)


def after_tick(known: Mark | None, tick: MarketTick) -> Mark | None:
    """What is known after a tick; one that is older than the newest, or has no time, changes nothing."""
    if tick.ts is None or (known is not None and tick.ts < known.at):
        return known
    funding = tick if tick.funding_rate is not None or known is None else known
    return Mark(
        mark=mark_of(tick),
        last=tick.price,
        bid=tick.bid,
        ask=tick.ask,
        at=tick.ts,
        funding_rate=funding.funding_rate,
        next_funding_time=funding.next_funding_time,
        bid_size=tick.bid_size,
        ask_size=tick.ask_size,
        minute_volume=minute_volume(tick),
        funding_interval_hours=_interval(known, tick),
    )


def _interval(known: Mark | None, tick: MarketTick) -> float | None:
    """The hours that a rate is for: as the tick says, else as far as the next boundary has moved, else as before."""
    if tick.funding_interval_hours is not None or known is None:
        return tick.funding_interval_hours
    return hours_between(known.next_funding_time, tick.next_funding_time) or known.funding_interval_hours
