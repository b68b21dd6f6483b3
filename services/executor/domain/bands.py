"""At which prices a tick can matter to an account, so that all others are passed over without looking at it."""

import math
from dataclasses import dataclass
from decimal import Decimal

from libs.perps.sides import opened_by
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


def band(book: AccountBook, symbol: str, tick_size: Decimal) -> Band:
    """The band of one symbol; `ALWAYS` while a market order waits for a tick."""
    low, high, below, above = NEVER_LOW, NEVER_HIGH, NEVER_LOW, NEVER_HIGH
    for order in book.of(symbol):
        if order.intent.type == "market":
            return ALWAYS
        if order.intent.leg in TYPES:
            low, high = _trigger(order, tick_size, low, high)
        elif order.intent.price is not None:
            price = float(order.intent.price)
            below, above = (max(below, price), above) if order.intent.side == "buy" else (below, min(above, price))
    holding = book.positions.get(symbol)
    if holding is not None and holding.position.liquidation_price is not None:
        edge = holding.position.liquidation_price
        if holding.position.side == "long":
            low = max(low, float(edge + tick_size))
        else:
            high = min(high, float(edge - tick_size))
    return Band(low, high, below, above)


def _trigger(order: WorkingOrder, tick_size: Decimal, low: float, high: float) -> tuple[float, float]:
    price = order.intent.stop_price or Decimal(0)
    rising = (order.intent.leg == "target") == (opened_by(order.intent.side) == "short")
    if rising:
        return low, min(high, float(price - tick_size))
    return max(low, float(price + tick_size)), high
