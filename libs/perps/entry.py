"""How fills change a one-way position: adding averages the entry, reducing keeps it."""

from decimal import Decimal

from libs.perps.margin import unrealized_pnl
from libs.schemas.account import PositionSide


def add_to(q1: Decimal, e1: Decimal, q2: Decimal, e2: Decimal) -> tuple[Decimal, Decimal]:
    """(q₁ + q₂, (q₁E₁ + q₂E₂)/(q₁ + q₂))."""
    quantity = q1 + q2
    return quantity, (q1 * e1 + q2 * e2) / quantity


def reduce(side: PositionSide, closed: Decimal, entry: Decimal, price: Decimal) -> Decimal:
    """Realised profit of closing `closed` units at `price`: s·q·(P − E). The entry of the rest stays."""
    return unrealized_pnl(side, closed, entry, price)
