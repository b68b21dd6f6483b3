"""R2: an entry is at most one order, of what was stored and validated before; every intent comes to an end."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

from libs.invariants.log import Log
from libs.invariants.rows import BookRow, IntentRow, OrderRow, PlanRow
from libs.invariants.values import InvariantCheck, Tally
from libs.schemas import subjects
from libs.schemas.orders import TERMINAL_STATES

Entry = tuple[str, str]  # a decision, and the symbol that it entered


def entries_are_one_order(log: Log, plans: Iterable[PlanRow], books: Mapping[str, BookRow]) -> InvariantCheck:
    """Orders, fills and events are told once; what is placed and filled for an entry is within its stored plan."""
    tally = Tally("R2", "every entry is at most one order, stored before and validated")
    for kind, names in _names(log):
        for name, count in Counter(names).items():
            if count > 1:
                tally.breach(name, f"{kind} {count} times")
    stored = {plan.plan_id: plan for plan in plans}
    validated = {end.decision_id for end in log.ends if end.verb == "validated"}
    for (decision_id, symbol), orders in _entries(log.orders).items():
        if decision_id not in stored and _newer(orders, books):
            tally.moving += 1
            continue
        tally.judge(f"{decision_id} {symbol}", _beyond(stored.get(decision_id), symbol, orders))
        if decision_id in validated:
            continue
        if log.whole(subjects.DECISIONS):
            tally.breach(f"{decision_id} {symbol}", "it was ordered and never validated")
        else:
            tally.expired += 1
    return tally.done()


def _names(log: Log) -> Iterator[tuple[str, list[str]]]:
    yield "placed", [row.order_id for row in log.orders if row.kind == "placed"]
    yield "filled", [row.fill.fill_id for row in log.orders if row.fill]
    yield "told", [row.event_id for row in (*log.orders, *log.positions)]


def _entries(orders: Iterable[OrderRow]) -> dict[Entry, list[OrderRow]]:
    found: dict[Entry, list[OrderRow]] = defaultdict(list)
    for row in orders:
        if row.leg == "entry" and row.kind != "denied":
            found[row.decision_id, row.symbol].append(row)
    return found


def _newer(orders: Iterable[OrderRow], books: Mapping[str, BookRow]) -> bool:
    """Whether they were told after their account was read."""
    return all(row.account_id not in books or row.version > books[row.account_id].version for row in orders)


def _beyond(plan: PlanRow | None, symbol: str, orders: list[OrderRow]) -> str | None:
    """An order that rested in vain is taken back and placed anew under the next number: it is gone then."""
    if plan is None:
        return "an order whose intent nobody stored"
    wanted = [intent for intent in plan.intents if intent.leg == "entry" and intent.symbol == symbol]
    gone = {row.order_id for row in orders if row.kind in ("canceled", "rejected")}
    placed = {row.order_id for row in orders if row.kind == "placed"} - gone
    if len(placed) > len(wanted):
        return f"{len(placed)} orders at once for {len(wanted)} planned"
    filled = sum((row.fill.quantity for row in orders if row.fill), Decimal(0))
    planned = sum((intent.quantity for intent in wanted), Decimal(0))
    return f"{filled:f} filled of {planned:f} planned" if filled > planned else None


def intents_end(
    log: Log, plans: Iterable[PlanRow], books: Mapping[str, BookRow], ended: Mapping[str, str]
) -> InvariantCheck:
    """What was planned or placed has ended as its history says, or works at the venue. `ended` is that history."""
    tally = Tally("R2", "every intent has ended, or is working")
    told: dict[str, OrderRow] = {}
    for row in sorted(log.orders, key=lambda row: row.order):
        before = told.get(row.order_id)
        if before is not None and before.state in TERMINAL_STATES:
            tally.breach(row.order_id, f"ended as {before.state} and went on as {row.state}")
        told[row.order_id] = row
    earliest = _earliest(log)
    for plan, intent in _planned(plans):
        if intent.order_id in told:
            continue
        if intent.order_id in ended:
            tally.held()
        elif not plan.carried_out or plan.account_id not in books:
            tally.moving += 1
        elif not log.whole(subjects.ORDERS) and plan.version < earliest.get(plan.account_id, plan.version + 1):
            tally.expired += 1
        elif intent.order_id in books[plan.account_id].working:
            tally.held()
        else:
            tally.breach(intent.order_id, f"planned by {plan.plan_id} and never told of")
    for row in told.values():
        _judge_end(tally, row, books.get(row.account_id), ended.get(row.order_id))
    if log.whole(subjects.ORDERS):
        for order_id in ended.keys() - told.keys():
            tally.breach(order_id, f"ended as {ended[order_id]} in the history, and the log does not know it")
    return tally.done()


def _earliest(log: Log) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in (*log.orders, *log.positions):
        found[row.account_id] = min(row.version, found.get(row.account_id, row.version))
    return found


def _planned(plans: Iterable[PlanRow]) -> Iterator[tuple[PlanRow, IntentRow]]:
    return ((plan, intent) for plan in plans for intent in plan.intents)


def _judge_end(tally: Tally, row: OrderRow, book: BookRow | None, kept: str | None) -> None:
    if book is None or row.version > book.version or row.event_id in book.untold:
        tally.moving += 1
    elif row.state not in TERMINAL_STATES:
        missing = f"{row.state}, and its account does not have it any more"
        tally.judge(row.order_id, None if row.order_id in book.working else missing)
    else:
        tally.judge(row.order_id, None if kept == row.state else f"ended as {row.state}, in the history {kept}")
