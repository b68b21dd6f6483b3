"""How big an entry is before any limit cuts it. What the model allocated is a request and an upper bound."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from libs.risk.case import HUNDRED, ZERO, Book, Case, exact
from libs.risk.entry import Entry, clamp
from libs.risk.values import Receipt
from libs.schemas.reasons import Reason
from libs.schemas.strategy import Sizing

ATR_MULTIPLE = Decimal(2)


def fixed(entry: Entry, case: Case) -> Decimal:
    """A fixed margin in quote currency per order: an entry, or each rung of a ladder."""
    return _by_margin(entry, exact(case.limits.strategy.fixed_margin_usd or 0.0) * (len(entry.rungs) or 1))


def percentage(entry: Entry, case: Case) -> Decimal:
    """A share of equity as margin; by volatility where the strategy names no share."""
    share = case.limits.strategy.margin_pct
    if share is None:
        return volatility_adjusted(entry, case)
    return _by_margin(entry, case.account.equity * exact(share) / HUNDRED)


def volatility_adjusted(entry: Entry, case: Case) -> Decimal:
    """Risk budget ÷ stop distance, where the distance is the larger of the default stop and 2 × ATR."""
    wide = ATR_MULTIPLE * (entry.market.atr_percent or ZERO) / HUNDRED
    distance = entry.price * max(case.caps.stop, wide)
    if distance == 0:
        distance = entry.stop_distance()
    return case.caps.risk / distance


def kelly(entry: Entry, case: Case) -> Decimal:
    """Half-Kelly needs 30 closed trades of the strategy; an account view carries none: `percentage`."""
    return percentage(entry, case)


METHODS: Mapping[Sizing, Callable[[Entry, Case], Decimal]] = {
    "fixed": fixed,
    "percentage": percentage,
    "volatility_adjusted": volatility_adjusted,
    "kelly": kelly,
}


def size(entry: Entry, book: Book, case: Case) -> Receipt | None:
    """Sets the quantity: what was asked for, or what the strategy's method gives, whichever is smaller."""
    method = case.limits.strategy.position_sizing
    entry.quantity = entry.margin_cap * entry.leverage / entry.price
    sized = METHODS[method](entry, case)
    cut = clamp(entry, sized, "sizing", Reason.SIZED, f"what {method} sizing gives")
    if cut is not None:
        return cut
    return Receipt("sizing", "note", Reason.SIZED, f"{method} sizing allows as much", entry.notional, entry.notional)


def _by_margin(entry: Entry, margin: Decimal) -> Decimal:
    entry.margin_cap = min(entry.margin_cap, margin)
    return margin * entry.leverage / entry.price
