"""How fills change a one-way position: adding averages the entry, reducing keeps it, a flip does both."""

from dataclasses import dataclass
from decimal import Decimal

from libs.perps.margin import unrealized_pnl
from libs.schemas.account import PositionSide

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class EnteredPosition:
    """What a position is made of: side, quantity > 0 in base units, average entry price."""

    side: PositionSide
    quantity: Decimal
    entry: Decimal


def add_to(q1: Decimal, e1: Decimal, q2: Decimal, e2: Decimal) -> tuple[Decimal, Decimal]:
    """(q₁ + q₂, (q₁E₁ + q₂E₂)/(q₁ + q₂))."""
    quantity = q1 + q2
    return quantity, (q1 * e1 + q2 * e2) / quantity


def reduce(side: PositionSide, closed: Decimal, entry: Decimal, price: Decimal) -> Decimal:
    """Realised profit of closing `closed` units at `price`: s·q·(P − E). The entry of the rest stays."""
    return unrealized_pnl(side, closed, entry, price)


def apply_fill(
    holding: EnteredPosition | None, side: PositionSide, quantity: Decimal, price: Decimal
) -> tuple[EnteredPosition | None, Decimal]:
    """The holding after a fill that buys (`side` long) or sells (`side` short), and the profit that it realised.

    A fill beyond an opposite holding closes all of it and opens the rest at `price`.
    """
    if holding is None:
        return EnteredPosition(side, quantity, price), ZERO
    if holding.side == side:
        return EnteredPosition(side, *add_to(holding.quantity, holding.entry, quantity, price)), ZERO
    realised = reduce(holding.side, min(quantity, holding.quantity), holding.entry, price)
    left = holding.quantity - quantity
    if left > 0:
        return EnteredPosition(holding.side, left, holding.entry), realised
    return (EnteredPosition(side, -left, price) if left < 0 else None), realised
