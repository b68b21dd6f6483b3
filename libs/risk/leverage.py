"""Rules about leverage. It is a property of the open position: it stays as it is while one is open."""

from decimal import Decimal

from libs.perps.entry import add_to
from libs.perps.filters import truncate
from libs.perps.margin import liquidation_price
from libs.perps.tiers import build_tiers, max_notional, tier_at, tier_for
from libs.risk.case import ZERO, Book, Case, constant, deny
from libs.risk.entry import ONE, Entry, clamp
from libs.risk.values import PositionView, RuleReceipt, show
from libs.schemas.reasons import Reason


def leverage(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """min(decision or account's default, strategy, account, venue); that of the open position where there is one."""
    asked = entry.row.ask.leverage
    wanted = case.limits.account.leverage if asked is None else constant(asked)
    if entry.position is not None:
        entry.leverage = entry.position.leverage
        if asked is None or wanted == entry.leverage:
            return None
        message = f"the open position has leverage {show(entry.leverage)}: it stays"
        return RuleReceipt("leverage", "clamp", Reason.LEVERAGE_FIXED, message, wanted, entry.leverage)
    most = min(
        case.caps.leverage,
        entry.venue.tiers[0].max_leverage,
    )
    entry.leverage = max(ONE, min(wanted, most))
    if asked is None or wanted <= most:
        return None
    message = f"at most {show(most)} by strategy, account and venue"
    return RuleReceipt("leverage", "clamp", Reason.LEVERAGE_CLAMPED, message, wanted, most)


def venue_tier(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """The tier of the resulting notional allows less leverage: lower it, or keep a fixed one below the tier's floor."""
    total, floor = entry.held_notional + entry.notional, max_notional(entry.venue.tiers, entry.leverage)
    if floor is None or total < floor:
        return None
    if entry.position is None:
        most = tier_for(entry.venue.tiers, total).max_leverage
        return _lower(entry, most, Reason.LEVERAGE_CLAMPED, f"at most {show(most)} at a notional of {show(total)}")
    # Half a lot below the floor: the tier begins at its floor.
    room = (floor - entry.held_notional) / entry.price - entry.venue.lot_size / 2
    return clamp(
        entry, room, "leverage", Reason.LEVERAGE_FIXED, f"the venue allows leverage {show(entry.leverage)} on no more"
    )


def liquidation_buffer(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """At least `buffer` of the distance from entry to liquidation remains beyond the stop; else less leverage."""
    buffer = case.caps.liquidation_buffer
    if entry.position is not None:
        return None
    most = _bearable(entry, buffer)
    if entry.leverage <= most:
        return None
    if most < 1:
        return _too_near(buffer)
    # Venues take whole numbers.
    return _lower(entry, truncate(most, ONE), Reason.LIQUIDATION_TOO_NEAR, _too_near(buffer).message)


def liquidation_of_whole(entry: Entry, book: Book, case: Case) -> RuleReceipt | None:
    """The same of a position that was added to, whose leverage is fixed: asked last, of the final quantity."""
    buffer = case.caps.liquidation_buffer
    if entry.position is None or _buffered(entry, entry.position, buffer):
        return None
    return _too_near(buffer)


def _too_near(buffer: Decimal) -> RuleReceipt:
    message = f"less than {float(buffer):.0%} of the way to liquidation would remain beyond the stop"
    return deny("liquidation_buffer", Reason.LIQUIDATION_TOO_NEAR, message)


def _bearable(entry: Entry, buffer: Decimal) -> Decimal:
    """The most leverage that leaves the buffer, from the wallet that is just liquidated there (WB + uPnL = MM)."""
    if buffer >= 1:
        return ZERO
    needed = entry.stop_distance() / (1 - buffer)
    at = entry.price - entry.sign * needed
    if at <= 0:
        return ONE
    notional = entry.quantity * at
    tier = tier_at(entry.venue.tiers, notional)
    return entry.notional / (notional * tier.mmr - tier.cum + entry.quantity * needed)


def _buffered(entry: Entry, position: PositionView, buffer: Decimal) -> bool:
    """Whether the position that results from adding to an open one keeps the buffer, from its new average entry."""
    total, average = add_to(position.quantity, position.entry, entry.quantity, entry.price)
    wallet = position.margin + entry.notional / entry.leverage
    price = liquidation_price(entry.side, total, average, wallet, build_tiers(entry.venue.tiers))
    if price is None:
        return True
    beyond_stop = entry.sign * (entry.price - price) - entry.stop_distance()
    return beyond_stop >= buffer * entry.sign * (average - price)


def _lower(entry: Entry, most: Decimal, reason: Reason, message: str) -> RuleReceipt:
    """Less leverage for the same margin: the notional shrinks where the margin was all that was asked for."""
    before, entry.leverage = entry.leverage, most
    entry.quantity = min(entry.quantity, entry.margin_cap * most / entry.price)
    rule = "leverage" if reason is Reason.LEVERAGE_CLAMPED else "liquidation_buffer"
    return RuleReceipt(rule, "clamp", reason, message, before, most)
