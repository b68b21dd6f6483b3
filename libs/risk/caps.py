"""Rules that cut an entry to what is left of a limit. Each caps the resulting whole, never only the added part."""

from decimal import Decimal

from libs.risk.case import ZERO, Book, Case
from libs.risk.entry import Entry, clamp
from libs.risk.ladder import whole_rungs
from libs.risk.values import RuleReceipt, show
from libs.schemas.reasons import Reason

NONE: frozenset[str] = frozenset()


def risk_per_trade(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """abs(entry − stop) × the resulting total + fees ≤ equity × max_risk_per_trade %.

    The whole position counts from the expected fill: what an open profit gives back on the way to the stop is a loss
    of equity too.
    """
    exit_risk = entry.stop_distance() + (entry.stop or entry.price) * entry.exit_fee
    left = case.caps.risk - exit_risk * entry.held
    most = left / (exit_risk + entry.price * entry.entry_fee)
    return clamp(entry, most, "risk_per_trade", Reason.RISK_CLAMPED, "the whole position may lose", case.caps.risk)


def position_size(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    limit = case.limits.account.max_position_size
    what = "a position of this account may hold"
    return clamp(entry, _room(entry, book, limit), "position_size", Reason.POSITION_SIZE_CLAMPED, what, limit)


def venue_quantity(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """The largest order that the venue takes; each rung of a ladder is one."""
    most = entry.venue.max_quantity * (len(entry.rungs) or 1)
    return clamp(entry, most, "lot", Reason.POSITION_SIZE_CLAMPED, "the venue takes no larger order")


def exposure(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    most = (case.caps.exposure - book.gross) / entry.price
    return clamp(
        entry, most, "exposure", Reason.EXPOSURE_CLAMPED, "all positions together may hold", case.caps.exposure
    )


def concentration(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    limit, what = case.caps.asset, "one asset may hold"
    return clamp(entry, _room(entry, book, limit), "concentration", Reason.CONCENTRATION_CLAMPED, what, limit)


def correlation(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """What moves together on one side, this entry included, ≤ max_cluster_pct of equity: around every asset it joins.

    An asset's cluster is itself and whatever is correlated with it; it is not passed on to what those go with.
    """
    asset, limit, apart = entry.row.ask.asset, case.caps.cluster, case.apart
    if book.gross + entry.notional <= limit:
        return None
    same = [other for other, side in book.sides.items() if side is None or side == entry.side]
    joined = [asset]
    if apart:
        joined += [other for other in same if other not in apart.get(asset, NONE)]
    load = max(_load(each, same, book, case) for each in joined)
    what = f"what moves with {asset} on one side may hold"
    return clamp(entry, (limit - load) / entry.price, "correlation", Reason.CORRELATION_CLAMPED, what, limit)


def _load(asset: str, same: list[str], book: Book, case: Case) -> Decimal:
    """The notional of the cluster around an asset, among `same`."""
    apart = case.apart.get(asset, NONE)
    return sum((book.notional[other] for other in same if other not in apart), ZERO)


def margin(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """Margin, opening loss and fee come out of what is available after reservations."""
    most = book.available / entry.unit_cost()
    return clamp(entry, most, "margin", Reason.MARGIN_CLAMPED, "margin, fee and opening loss may take", book.available)


def lot(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """Cuts to the lot, each rung of a ladder alike, and denies what is then below the venue's minimum."""
    before = entry.notional
    count = len(entry.rungs) or 1
    entry.quantity = whole_rungs(entry.quantity, count, entry.venue.lot_size)
    least, smallest = entry.venue.min_notional, entry.quantity / count * min(entry.first, entry.last)
    if entry.quantity > 0 and smallest >= least:
        return None
    message = f"{show(before)} is below the venue's minimum: {show(least)}, in lots of {show(entry.venue.lot_size)}"
    return RuleReceipt("min_notional", "deny", Reason.BELOW_MINIMUM, message, before, ZERO)


def _room(entry: Entry, book: Book, limit: Decimal) -> Decimal:
    return (limit - book.notional.get(entry.row.ask.asset, ZERO)) / entry.price
