"""Rules of closes, decreases and moved protection. No limit, halt or expiry stands in the way of any of them.

A bad stop or target is dropped by itself: it never takes a decrease, or the safe other leg, down with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from libs.perps.fees import fee
from libs.perps.filters import round_stop, round_target, truncate
from libs.perps.margin import initial_margin, unrealized_pnl
from libs.perps.sides import closing, sign
from libs.risk.case import ZERO, Book, Case, Row, deny, exact
from libs.risk.levels import ABSURD
from libs.risk.values import PositionView, RuleReceipt, SizedOrder, show
from libs.schemas.reasons import Reason
from libs.schemas.venue import VenueSymbol

Leg = Literal["stop", "target"]


@dataclass(slots=True)
class Exit:
    """A row that takes risk away from `position`; `mark` is None where the market is not known."""

    row: Row
    position: PositionView
    mark: Decimal | None
    venue: VenueSymbol | None
    quantity: Decimal = ZERO
    stop: Decimal | None = None
    target: Decimal | None = None
    cancel_stop: bool = False
    cancel_target: bool = False

    def acts(self) -> bool:
        return self.quantity > 0 or self.stop is not None or self.target is not None or self.cancel_target


ExitRule = Callable[[Exit, Case], RuleReceipt | None]


def amount(leaving: Exit, case: Case) -> RuleReceipt | None:
    """A close takes all. A decrease frees its margin's share, at least one lot, at most what is open."""
    position, wanted = leaving.position, leaving.row.ask.position_adjustment
    if leaving.row.kind == "close":
        leaving.quantity = position.quantity
    if leaving.row.kind != "decrease" or wanted is None:
        return None
    asked = exact(wanted.adjustment_amount_usd) * position.leverage / position.entry
    leaving.quantity = min(position.quantity, _on_lot(asked, leaving.venue))
    if asked <= position.quantity:
        return None
    message = f"asked to close {show(asked)}, the position has {show(position.quantity)}"
    price = leaving.mark or position.entry
    return RuleReceipt("amount", "clamp", Reason.CAPPED_AT_POSITION, message, asked * price, position.quantity * price)


def stop_kept(leaving: Exit, case: Case) -> RuleReceipt | None:
    """A stop may be replaced, not cancelled."""
    if not leaving.cancel_stop:
        return None
    leaving.cancel_stop = False
    if leaving.stop is not None:
        return None
    return _dropped(leaving, "stop", Reason.STOP_CANCELLED, "a stop may not be cancelled without a replacement")


def stop_side(leaving: Exit, case: Case) -> RuleReceipt | None:
    s, stop, mark = sign(leaving.position.side), leaving.stop, leaving.mark
    if stop is None or mark is None or s * (mark - stop) > 0:
        return None
    message = f"the stop of a {leaving.position.side} at {show(stop)} is beyond the mark {show(mark)}"
    return _dropped(leaving, "stop", Reason.STOP_WRONG_SIDE, message)


def stop_not_moved_away(leaving: Exit, case: Case) -> RuleReceipt | None:
    s, stop, current = sign(leaving.position.side), leaving.stop, leaving.position.stop
    if stop is None or current is None or s * (stop - current) >= 0:
        return None
    message = f"the stop may not move away from the price, from {show(current)} to {show(stop)}"
    return _dropped(leaving, "stop", Reason.STOP_MOVED_AWAY, message)


def target_side(leaving: Exit, case: Case) -> RuleReceipt | None:
    s, target, mark = sign(leaving.position.side), leaving.target, leaving.mark
    if target is None or mark is None:
        return None
    if target > mark * ABSURD:
        message = f"a target at {show(target)} is absurd at a mark of {show(mark)}"
        return _dropped(leaving, "target", Reason.TARGET_ABSURD, message)
    if s * (target - mark) > 0:
        return None
    message = f"the target of a {leaving.position.side} at {show(target)} is behind the mark {show(mark)}"
    return _dropped(leaving, "target", Reason.TARGET_WRONG_SIDE, message)


EXIT_RULES: tuple[ExitRule, ...] = (amount, stop_kept, stop_side, stop_not_moved_away, target_side)


def judge_exit(row: Row, book: Book, case: Case) -> int:
    """Judges one exit row and takes it off the book; returns how many rules were asked."""
    position = book.positions.get(row.ask.asset)
    if position is None:
        row.note(deny("position_open", Reason.SUPERSEDED, f"{row.ask.asset} is closed by another row already"))
        return 1
    leaving = _leaving(row, position, case)
    for rule in EXIT_RULES:
        if receipt := rule(leaving, case):
            row.note(receipt)
    if not leaving.acts() and not row.denied:
        row.note(deny("action_fields", Reason.FIELDS_MISSING, "the adjustment changes nothing"))
    if not row.denied:
        row.final = _order(leaving)
        _book(leaving, book)
    return len(EXIT_RULES)


def _leaving(row: Row, position: PositionView, case: Case) -> Exit:
    venue = case.limits.venue.get(row.ask.asset)
    leaving = Exit(row, position, case.mark(row.ask.asset), venue)
    orders, size = row.ask.order_adjustment, row.ask.position_adjustment
    if row.kind == "adjust" and orders is not None:
        leaving.cancel_stop = orders.cancel_sl
        leaving.cancel_target = orders.cancel_tp and orders.new_tp_price is None
        _set_stop(leaving, orders.new_sl_price if orders.adjust_sl or orders.cancel_sl else None)
        _set_target(leaving, orders.new_tp_price if orders.adjust_tp or orders.cancel_tp else None)
    elif row.kind == "decrease" and size is not None:
        _set_stop(leaving, size.new_sl_price)
        _set_target(leaving, size.new_tp_price)
    return leaving


def _set_stop(leaving: Exit, price: float | None) -> None:
    if price is not None:
        stop = exact(price)
        leaving.stop = round_stop(stop, leaving.venue.tick_size, leaving.position.side) if leaving.venue else stop


def _set_target(leaving: Exit, price: float | None) -> None:
    if price is not None:
        target = exact(price)
        side = leaving.position.side
        leaving.target = round_target(target, leaving.venue.tick_size, side) if leaving.venue else target


def _on_lot(quantity: Decimal, venue: VenueSymbol | None) -> Decimal:
    return quantity if venue is None else max(truncate(quantity, venue.lot_size), venue.lot_size)


def _dropped(leaving: Exit, leg: Leg, reason: Reason, message: str) -> RuleReceipt:
    """Takes the leg out; the row is denied only if nothing else is left of it."""
    before = leaving.stop if leg == "stop" else leaving.target
    if leg == "stop":
        leaving.stop = None
    else:
        leaving.target = None
    effect: Literal["clamp", "deny"] = "clamp" if leaving.acts() else "deny"
    kept = leaving.position.stop if leg == "stop" else leaving.position.target
    return RuleReceipt("tp_sl_logic", effect, reason, message, before, kept)


def _order(leaving: Exit) -> SizedOrder:
    ask, position, quantity = leaving.row.ask, leaving.position, leaving.quantity
    price = leaving.mark or position.entry
    trades = quantity > 0
    return SizedOrder(
        asset=ask.asset,
        action=ask.action,
        side=closing(position.side),
        leverage=position.leverage,
        quantity=quantity if trades else None,
        notional=quantity * price if trades else None,
        margin=initial_margin(quantity, position.entry, position.leverage) if trades else None,
        type="market" if trades else None,
        time_in_force="ioc" if trades else None,
        entry=leaving.mark if trades else None,
        stop=leaving.stop,
        target=leaving.target,
        cancel_target=leaving.cancel_target,
        reduce_only=True,
        exit_plan=ask.exit_plan,
        invalidation=ask.invalidation,
    )


def _book(leaving: Exit, book: Book) -> None:
    position, quantity = leaving.position, leaving.quantity
    if quantity > 0:
        price = leaving.mark or position.entry
        pnl = unrealized_pnl(position.side, quantity, position.entry, price)
        cost = fee(quantity, price, leaving.venue.taker_fee_bps) if leaving.venue else ZERO
        # A profit counts once it is realised, a loss at once: entries must fit whatever the close fills at.
        book.leave(position, quantity, price, position.margin * quantity / position.quantity + min(ZERO, pnl) - cost)
    if position.symbol in book.positions:
        book.protect(position.symbol, leaving.stop, leaving.target)
