"""Trading fees in basis points of the notional."""

from decimal import Decimal

BPS = Decimal(10_000)


def fee(quantity: Decimal, price: Decimal, bps: Decimal) -> Decimal:
    """What a fill costs in quote currency; negative where the venue pays a rebate."""
    return quantity * price * bps / BPS
