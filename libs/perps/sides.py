"""Signs of position sides: +1 long, −1 short."""

from decimal import Decimal

from libs.schemas.account import PositionSide, Side

ONE = Decimal(1)
MINUS_ONE = Decimal(-1)


def sign(side: PositionSide) -> Decimal:
    return ONE if side == "long" else MINUS_ONE


def opened_by(side: Side) -> PositionSide:
    """The position side that an order side opens or adds to."""
    return "long" if side == "buy" else "short"


def opening(side: PositionSide) -> Side:
    """The order side that opens or adds to a position side."""
    return "buy" if side == "long" else "sell"


def closing(side: PositionSide) -> Side:
    """The order side that reduces a position side."""
    return "sell" if side == "long" else "buy"
