"""How fills change a one-way position: cost is kept exactly, an average is derived from it.

Adding averages the entry, (q₁E₁ + q₂E₂)/(q₁ + q₂); reducing keeps it and realises s·q·(P − E).
"""

from decimal import Decimal

from libs.perps.margin import unrealized_pnl
from libs.schemas.account import PositionSide

DIGITS = 12  # of an average after the point; a price below 1 keeps 16 that count
SIGNIFICANT = 15


def average(cost: Decimal, quantity: Decimal) -> Decimal:
    """cost ÷ quantity as people read it; money is never reckoned from it."""
    return readable(cost / quantity)


def readable(price: Decimal) -> Decimal:
    """A price that was reckoned, in as many digits as its size asks for."""
    return price.quantize(Decimal(1).scaleb(min(-DIGITS, price.adjusted() - SIGNIFICANT)))


def share_of(cost: Decimal, closed: Decimal, quantity: Decimal) -> Decimal:
    """The cost of `closed` of `quantity` units that cost so much; all of it where all is closed."""
    return cost if closed == quantity else cost * closed / quantity


def add_to(q1: Decimal, e1: Decimal, q2: Decimal, e2: Decimal) -> tuple[Decimal, Decimal]:
    """(q₁ + q₂, (q₁E₁ + q₂E₂)/(q₁ + q₂))."""
    quantity = q1 + q2
    return quantity, (q1 * e1 + q2 * e2) / quantity


def reduce(side: PositionSide, closed: Decimal, entry: Decimal, price: Decimal) -> Decimal:
    """Realised profit of closing `closed` units at `price`: s·q·(P − E). The entry of the rest stays."""
    return unrealized_pnl(side, closed, entry, price)
