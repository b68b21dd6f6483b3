"""Rounding to a venue's steps. Quantities shrink, prices move to the side that never adds risk."""

from decimal import Decimal

from libs.schemas.account import PositionSide


def truncate(value: Decimal, step: Decimal) -> Decimal:
    """The multiple of `step` nearest to `value` on the side of zero. `step` > 0."""
    return (value // step) * step


def round_price(price: Decimal, tick: Decimal, *, up: bool) -> Decimal:
    """A positive price on the tick grid, at or above `price` (up) or at or below it; never under one tick."""
    floor = truncate(price, tick)
    if up and floor < price:
        return floor + tick
    return max(floor, tick)


def round_stop(price: Decimal, tick: Decimal, side: PositionSide) -> Decimal:
    """A stop moves towards the price: up for a long, down for a short. The loss at the stop never grows."""
    return round_price(price, tick, up=side == "long")


def round_target(price: Decimal, tick: Decimal, side: PositionSide) -> Decimal:
    """A target moves towards the price: down for a long, up for a short. It is never reached later than asked."""
    return round_price(price, tick, up=side == "short")


def round_passive(price: Decimal, tick: Decimal, side: PositionSide) -> Decimal:
    """The limit of an order that opens `side` moves away from the book: down to buy, up to sell."""
    return round_price(price, tick, up=side == "short")


def triggered(mark: Decimal, trigger: Decimal, tick: Decimal, *, rising: bool) -> bool:
    """Whether a stop or target fires: the mark is cut to the tick, then compared.

    `rising` triggers fire at or above their price (a long's target, a short's stop), the others at or below.
    """
    cut = truncate(mark, tick)
    return cut >= trigger if rising else cut <= trigger
