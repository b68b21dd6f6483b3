"""Funding payments of perpetual futures, and the units of their rates."""

from datetime import datetime, timedelta
from decimal import Decimal

from libs.perps.sides import sign
from libs.schemas.account import PositionSide


def payment(side: PositionSide, qty: Decimal, mark: Decimal, rate: Decimal) -> Decimal:
    """−s·q·M·rate to the holder at a boundary: longs pay shorts where the rate is positive."""
    return -sign(side) * qty * mark * rate


USUAL_HOURS = 8.0  # where nobody says how long an interval is


def per_8h(rate: float, interval_hours: float | None) -> float:
    """A rate of `interval_hours` as one of 8 hours, which limits are compared in."""
    return rate * 8 / (interval_hours or USUAL_HOURS)


def hours_between(before: datetime | None, after: datetime | None) -> float | None:
    """The hours from one boundary to a later one; None for what is no interval of funding."""
    if before is None or after is None:
        return None
    hours = (after - before) / timedelta(hours=1)
    return hours if 0 < hours <= 24 else None
