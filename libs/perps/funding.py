"""Funding payments of perpetual futures."""

from decimal import Decimal

from libs.perps.sides import sign
from libs.schemas.account import PositionSide

NORMAL_HOURS = Decimal(8)


def payment(side: PositionSide, qty: Decimal, mark: Decimal, rate: Decimal) -> Decimal:
    """−s·q·M·rate to the holder at a boundary: longs pay shorts where the rate is positive."""
    return -sign(side) * qty * mark * rate


def per_eight_hours(rate: Decimal, interval_hours: Decimal) -> Decimal:
    """A rate charged every `interval_hours`, as a rate per eight hours."""
    return rate * NORMAL_HOURS / interval_hours
