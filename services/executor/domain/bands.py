"""At which prices a tick can matter to an account, so that all others are passed over without looking at it."""

import math
from dataclasses import dataclass
from decimal import Decimal

from libs.perps.sides import opened_by
from libs.schemas.venue import VenueSymbol
from services.executor.domain.book import AccountBook, WorkingOrder
from services.executor.domain.protection import TYPES

NEVER_LOW = -math.inf
NEVER_HIGH = math.inf


@dataclass(frozen=True, slots=True)
class Band:
    """A tick matters when its mark is at or beyond a mark bound, or its price at or beyond a price bound.

    The bounds are one tick size on the safe side: what is looked at in vain costs little, what is missed costs money.
    """

    mark_low: float = NEVER_LOW
    mark_high: float = NEVER_HIGH
    price_low: float = NEVER_LOW
    price_high: float = NEVER_HIGH

    def hit(self, price: float, mark: float) -> bool:
        return mark <= self.mark_low or mark >= self.mark_high or price <= self.price_low or price >= self.price_high


ALWAYS = Band(mark_low=math.inf)


def band(book: AccountBook, symbol: str, filters: VenueSymbol) -> Band:
    """The band of one symbol; `ALWAYS` where the next tick matters whatever it shows.

    That is while an order is on its way or waits for a price, where triggers look at the index, and for the positions
    of a cross account: its margin moves with each of them.
    """
    holding = book.positions.get(symbol)
    if holding is not None and book.margin_mode == "cross":
        return ALWAYS
    marks, prices = _Bounds(), _Bounds()
    for order in book.of(symbol):
        if order.intent.type == "market" or order.arrives_at is not None:
            return ALWAYS
        if order.intent.leg in TYPES:
            if filters.trigger_by == "index":
                return ALWAYS
            _trigger(order, filters.tick_size, prices if filters.trigger_by == "last" else marks)
        elif order.intent.price is not None:
            (prices.at_or_below if order.intent.side == "buy" else prices.at_or_above)(order.intent.price)
    if holding is not None and holding.position.liquidation_price is not None:
        edge = holding.position.liquidation_price
        if holding.position.side == "long":
            marks.at_or_below(edge + filters.tick_size)
        else:
            marks.at_or_above(edge - filters.tick_size)
    return Band(marks.low, marks.high, prices.low, prices.high)


@dataclass(slots=True)
class _Bounds:
    """The nearest bounds so far."""

    low: float = NEVER_LOW
    high: float = NEVER_HIGH

    def at_or_below(self, price: Decimal) -> None:
        self.low = max(self.low, float(price))

    def at_or_above(self, price: Decimal) -> None:
        self.high = min(self.high, float(price))


def _trigger(order: WorkingOrder, tick_size: Decimal, bounds: _Bounds) -> None:
    price = order.intent.stop_price or Decimal(0)
    rising = (order.intent.leg == "target") == (opened_by(order.intent.side) == "short")
    if rising:
        bounds.at_or_above(price - tick_size)
    else:
        bounds.at_or_below(price + tick_size)
