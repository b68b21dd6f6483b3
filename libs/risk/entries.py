"""Judging entries: the gates, the prices, the size, the limits, in this order."""

from libs.perps.sides import opening
from libs.risk.caps import (
    concentration,
    correlation,
    exposure,
    lot,
    margin,
    position_size,
    risk_per_trade,
    venue_quantity,
)
from libs.risk.case import Book, Case, Row
from libs.risk.entry import Entry, EntryRule, make_entry
from libs.risk.gates import ENTRY_GATES, side_of
from libs.risk.levels import price_drift, reward_risk, stop_required, stop_side, target_default, target_side
from libs.risk.leverage import leverage, liquidation_buffer, liquidation_of_whole, venue_tier
from libs.risk.sizing import size
from libs.risk.values import RuleReceipt, SizedOrder
from libs.schemas.account import PositionSide

# Leverage may still fall after the size is cut, which takes more margin: margin and lot come last.
ENTRY_RULES: tuple[EntryRule, ...] = (
    stop_required,
    stop_side,
    price_drift,
    target_default,
    target_side,
    reward_risk,
    leverage,
    size,
    risk_per_trade,
    position_size,
    venue_quantity,
    exposure,
    concentration,
    correlation,
    venue_tier,
    liquidation_buffer,
    margin,
    lot,
    liquidation_of_whole,
)


def judge_entry(row: Row, book: Book, case: Case) -> int:
    """Judges one entry and, if it passes, takes its place in the book; returns how many rules were asked."""
    asked = 0
    for gate in ENTRY_GATES:
        asked += 1
        if receipt := gate(row, book, case):
            row.note(receipt)
            if row.denied:
                return asked
    side = side_of(row, book)
    if side is None:
        return asked
    entry, receipts, ruled = _priced(row, side, book, case)
    for receipt in receipts:
        row.note(receipt)
    if not row.denied:
        row.final = _order(entry)
        book.enter(row.ask.asset, side, entry.notional, entry.quantity * entry.unit_cost())
    return asked + ruled


def _priced(row: Row, side: PositionSide, book: Book, case: Case) -> tuple[Entry, list[RuleReceipt], int]:
    """The entry after its rules. A taker moves the price by its size, and its size follows from the price: what the
    first price allows is priced again as a whole, and may then only be smaller."""
    entry = make_entry(row, side, book, case)
    receipts, asked = _ruled(entry, book, case)
    if entry.resting or any(receipt.effect == "deny" for receipt in receipts):
        return entry, receipts, asked
    moved = make_entry(row, side, book, case, entry.quantity)
    if moved.price == entry.price:
        return entry, receipts, asked
    receipts, again = _ruled(moved, book, case)
    return moved, receipts, asked + again


def _ruled(entry: Entry, book: Book, case: Case) -> tuple[list[RuleReceipt], int]:
    """What the rules say, up to the first that denies, and how many were asked."""
    receipts: list[RuleReceipt] = []
    for asked, rule in enumerate(ENTRY_RULES, start=1):
        if receipt := rule(entry, book, case):
            receipts.append(receipt)
            if receipt.effect == "deny":
                return receipts, asked
    return receipts, len(ENTRY_RULES)


def _order(entry: Entry) -> SizedOrder:
    ask, notional = entry.row.ask, entry.notional
    return SizedOrder(
        asset=ask.asset,
        action=ask.action,
        side=opening(entry.side),
        leverage=entry.leverage,
        quantity=entry.quantity,
        notional=notional,
        margin=notional / entry.leverage,
        type="limit" if entry.resting else "market",
        time_in_force="post_only" if entry.resting else "ioc",
        limit_price=entry.first if entry.resting else None,
        entry=entry.price,
        stop=entry.stop,
        target=entry.target,
        stop_away=entry.stop_away,
        target_away=entry.target_away,
        rungs=tuple((price, entry.quantity / len(entry.rungs)) for price in entry.rungs),
        exit_plan=ask.exit_plan,
        invalidation=ask.invalidation,
    )
