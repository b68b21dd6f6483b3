"""Steps that fit a price: a tick that was made for dearer coins may be larger than the price itself."""

from decimal import Decimal

from libs.schemas.base import BIG
from libs.schemas.venue import VenueSymbol

COARSEST = Decimal(100)  # a price has at least so many ticks, else its tick is derived from it
DIGITS = 4  # and has then ten to a hundred thousand


def at_price(rules: VenueSymbol, price: Decimal) -> VenueSymbol:
    """The rules of a symbol at its price. A tick that is too coarse becomes the fifth digit of the price, and the
    largest quantity grows as the tick shrinks, so that it stays an amount of money."""
    if rules.tick_size * COARSEST <= price or price <= 0:
        return rules
    tick = Decimal(1).scaleb(price.adjusted() - DIGITS)
    most = min(rules.max_quantity * (rules.tick_size / tick), BIG)
    return rules.model_copy(update={"tick_size": tick, "max_quantity": most})
