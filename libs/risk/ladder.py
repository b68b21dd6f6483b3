"""A ladder: one entry as several equal limit orders, each a step further from the price than the last."""

from decimal import Decimal

from libs.perps.filters import round_passive, truncate
from libs.risk.case import HUNDRED, exact
from libs.schemas.account import PositionSide
from libs.schemas.strategy import Ladder
from libs.schemas.venue import VenueSymbol


def rung_prices(ladder: Ladder, first: Decimal, side: PositionSide, venue: VenueSymbol) -> tuple[Decimal, ...]:
    """Prices on the tick, `step_pct` of the first apart: downwards to buy, upwards to sell."""
    step = exact(ladder.step_pct) / HUNDRED * (-1 if side == "long" else 1)
    return tuple(round_passive(first * (1 + step * rung), venue.tick_size, side) for rung in range(ladder.rungs))


def average(prices: tuple[Decimal, ...]) -> Decimal:
    """The entry price once every rung, equal in quantity, has filled."""
    return sum(prices, Decimal(0)) / len(prices)


def whole_rungs(quantity: Decimal, rungs: int, lot: Decimal) -> Decimal:
    """The largest quantity that splits into `rungs` equal multiples of the lot."""
    return truncate(quantity / rungs, lot) * rungs
