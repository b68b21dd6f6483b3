"""What a taker pays beyond the best price: one law for the venue that charges it and the judge that plans with it."""

from dataclasses import dataclass
from decimal import Decimal

from libs.perps.fees import BPS
from libs.perps.filters import round_price
from libs.schemas.account import Side
from libs.schemas.venue import VenueSymbol

MOST_SLIPPAGE = Decimal("0.5")  # a sell never fills below half the price, however thin the market
MOST_MINUTES = Decimal(100)  # an order is never worse off than one of a hundred minutes' volume
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Depth:
    """What is known of one side of a market: its best price, what stands there, and what trades in a minute.

    Base units; None where it is not known.
    """

    best: Decimal | None = None
    size: Decimal | None = None
    minute_volume: Decimal | None = None


def impact(quantity: Decimal, depth: Depth, bps: Decimal) -> Decimal:
    """Slippage in basis points of an order for `quantity`: bps·√(what the touch does not hold ÷ a minute's volume).

    The square-root law of market impact (Almgren et al., "Direct Estimation of Equity Market Impact", 2005). Where no
    volume is known the touch stands in for it; where neither is, nothing is reckoned: `slippage_bps` is all there is.
    A market in which nothing trades is never better than one in which little does.
    """
    beyond = max(ZERO, quantity - (depth.size or ZERO))
    against = depth.size if depth.minute_volume is None else depth.minute_volume
    if against is None or beyond == 0:
        return ZERO
    minutes = min(beyond / against, MOST_MINUTES) if against > 0 else MOST_MINUTES
    return bps * minutes.sqrt()


def touched(depth: Depth, price: Decimal, side: Side, filters: VenueSymbol) -> Decimal:
    """The best price that a taker meets: of the book, else the last price ± half the spread."""
    half = filters.half_spread_bps / BPS
    return depth.best or price * (1 + half if side == "buy" else 1 - half)


def worst_taker(depth: Depth, price: Decimal, side: Side, filters: VenueSymbol, quantity: Decimal) -> Decimal:
    """The price of all of a taker's `quantity`, rounded to the tick against the taker."""
    bps = filters.slippage_bps + impact(quantity, depth, filters.impact_bps)
    slip = min(bps / BPS, MOST_SLIPPAGE)
    met = touched(depth, price, side, filters) * (1 + slip if side == "buy" else 1 - slip)
    return round_price(met, filters.tick_size, up=side == "buy")
