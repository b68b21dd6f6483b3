"""The newest tick of each symbol, as far as the rules need it."""

from dataclasses import dataclass
from datetime import datetime

from libs.schemas.context import AssetMarketData
from libs.schemas.market import MarketTick


@dataclass(frozen=True, slots=True)
class Mark:
    """Prices in quote currency. `mark` is the tick's `mark_of`."""

    mark: float
    last: float
    bid: float | None
    ask: float | None
    at: datetime
    funding_rate: float | None
    next_funding_time: datetime | None


def mark_of(tick: MarketTick) -> float:
    """The tick's mark price, else its index price, else its price."""
    return tick.mark_price or tick.index_price or tick.price


def shown_mark(asset: AssetMarketData) -> float:
    """The mark that a context shows of an asset: its mark price where that is fresh, else its last price."""
    return asset.mark_price or asset.current_price


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
    )
