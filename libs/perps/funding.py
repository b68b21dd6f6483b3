"""Funding payments of perpetual futures."""

from decimal import Decimal

from libs.perps.sides import sign
from libs.schemas.account import PositionSide


def payment(side: PositionSide, qty: Decimal, mark: Decimal, rate: Decimal) -> Decimal:
    """−s·q·M·rate to the holder at a boundary: longs pay shorts where the rate is positive."""
    return -sign(side) * qty * mark * rate
