"""Trading fees in basis points of the notional."""

from decimal import Decimal

BPS = Decimal(10_000)


def fee(quantity: Decimal, price: Decimal, bps: Decimal) -> Decimal:
    """What a fill costs in quote currency; negative where the venue pays a rebate."""
    return quantity * price * bps / BPS


def impact(quantity: Decimal, volume: Decimal | None, bps: Decimal) -> Decimal:
    """Slippage in basis points of an order for `quantity` where `volume` traded: bps·√(q/V).

    The square-root law of market impact (Almgren et al., "Direct Estimation of Equity Market Impact", 2005): it grows
    with the order and without a bound. 0 where no volume is known; nothing traded counts as one order of this size.
    """
    if volume is None:
        return Decimal(0)
    return bps * (quantity / volume).sqrt() if volume > 0 else bps
