"""What a live venue answers, in the account's own books: orders, fills and endings, each once."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from libs.perps.sides import opened_by
from libs.schemas import ids
from libs.schemas.orders import TERMINAL_STATES, IntentState, OrderIntent
from libs.schemas.reasons import OrderReason
from services.executor.domain.book import AccountBook, Holding, WorkingOrder, marked, with_order, without
from services.executor.domain.changes import OrderChange, Turn
from services.executor.domain.fills import Execution, fill, filled, stated
from services.executor.domain.paper import CAUSES
from services.executor.domain.protection import cancel
from services.executor.domain.quote import Market
from services.executor.domain.replies import Exists, FillReport, NotSent, OrderReport, Placed, Rejected, Reply, Unknown

KEEP_TOLD = 512
AT_VENUE = ("autoclose-", "adl_autoclose", "settlement_autoclose-")  # ids of a liquidation and of a deleveraging


def sending(turn: Turn, orders: Iterable[WorkingOrder], now: datetime) -> Turn:
    """The book that knows these orders before they are sent; what was reserved for them is in them now."""
    book = turn.book
    for order in orders:
        book = with_order(book, replace(order, intent=stated(order.intent, "submitting", now)))
        book = marked(book, (order.intent.client_order_id, order.intent.origin))
        book = replace(book, reservations=without(book.reservations, order.intent.symbol))
    return replace(turn, book=book)


def answered(turn: Turn, order: WorkingOrder, reply: Reply, now: datetime) -> Turn:
    """The book after the venue's reply. What the reply says of fills is booked from the fills themselves."""
    if not isinstance(reply, NotSent):  # a refusal too: the id may rest there from before
        turn = replace(turn, book=remembering(turn.book, order.intent.client_order_id))
    match reply:
        case Placed():
            return _resting(turn, order, reply.venue_order_id, now)
        case Exists():
            return _resting(turn, order, None, now)
        case Rejected():
            return rejected(turn, order, reply.reason, reply.detail, now)
        case Unknown():
            unknown = replace(order, intent=stated(order.intent, "unknown", now))
            return replace(turn, book=with_order(turn.book, unknown))
        case NotSent():
            return turn


def _resting(turn: Turn, order: WorkingOrder, venue_order_id: str | None, now: datetime) -> Turn:
    intent = stated(order.intent, "open", now).model_copy(update={"venue_order_id": venue_order_id})
    there = replace(order, intent=intent)
    return turn.then(with_order(turn.book, there), OrderChange("placed", intent, order.correlation_id))


def rejected(turn: Turn, order: WorkingOrder, reason: OrderReason, detail: str, now: datetime) -> Turn:
    intent = stated(order.intent, "rejected", now)
    book = replace(turn.book, orders=without(turn.book.orders, intent.client_order_id))
    return turn.then(book, OrderChange("rejected", intent, order.correlation_id, reason, detail))


def seen(turn: Turn, report: OrderReport, now: datetime) -> Turn:
    """An order of ours as the venue tells it. One that ended stays until all of its fills are booked."""
    order = turn.book.orders.get(report.client_order_id)
    if order is None or order.filled < report.filled:
        return turn
    if report.state in TERMINAL_STATES:
        return ended(turn, order, report.state, now)
    if order.intent.state in ("new", "submitting", "unknown"):
        return _resting(turn, order, report.venue_order_id, now)
    return turn


def ended(turn: Turn, order: WorkingOrder, state: IntentState, now: datetime) -> Turn:
    """An order that the venue has no more, without a fill that would say why."""
    if state == "rejected":
        return rejected(turn, order, OrderReason.VENUE_ERROR, "rejected by the venue after it was taken", now)
    return cancel(turn, order, OrderReason.CLOSED_AT_VENUE, now, expired=state == "expired")


def remembering(book: AccountBook, identity: str) -> AccountBook:
    """The book that knows a fill, or the id of an order of ours, for good."""
    return book if identity in book.told else replace(book, told=(*book.told, identity)[-KEEP_TOLD:])


def key(report: FillReport) -> str:
    """Identity of a venue's execution."""
    return f"{report.symbol}:{report.fill.fill_id}"


def in_order(report: FillReport) -> tuple[datetime, int, str]:
    """Sorts executions as they happened; the venues count them."""
    number = report.fill.fill_id
    return report.at, int(number) if number.isdigit() else 0, number


def matched(turn: Turn, report: FillReport, market: Market) -> Turn:
    """Book an execution, once. One that no order of ours explains can only close: by hand, liquidated, deleveraged."""
    if key(report) in turn.book.told:
        return turn
    book = remembering(turn.book, key(report))
    turn = replace(turn, book=book)
    order, holding = book.orders.get(report.client_order_id), book.positions.get(report.symbol)
    cause = _cause(order, report)
    if order is None:
        if holding is None or not closes(report, holding):
            return turn
        origin = f"venue:{key(report)}"
        order = closing(book, holding, report.symbol, report.fill.quantity, report.at, origin)
    made = report.fill
    quantity = min(made.quantity, order.left) if order.left > 0 else made.quantity
    execution = Execution(
        order, made.price, quantity, made.liquidity == "maker", cause, report.at, fee=made.fee, fill_id=made.fill_id
    )
    booked = fill(turn, execution, market)
    return booked if booked.book is not turn.book else _of_nothing(turn, order, quantity, report.at)


def _of_nothing(turn: Turn, order: WorkingOrder, quantity: Decimal, at: datetime) -> Turn:
    """A fill that closed what our books do not have: the order is filled all the same, the balances put it right."""
    after = filled(order, quantity, at)
    orders = without(turn.book.orders, after.intent.client_order_id)
    if after.left > 0:
        orders[after.intent.client_order_id] = after
    return replace(turn, book=replace(turn.book, orders=orders))


def closes(report: FillReport, holding: Holding) -> bool:
    """Whether a fill that is not ours reduces our position, and not one that was there before it."""
    return opened_by(report.side) != holding.position.side and report.at >= holding.position.opened_at


def _cause(order: WorkingOrder | None, report: FillReport) -> OrderReason:
    if order is not None:
        return order.cause or CAUSES.get(order.intent.leg, OrderReason.DECISION)
    liquidated = report.client_order_id.startswith(AT_VENUE)
    return OrderReason.LIQUIDATION if liquidated else OrderReason.CLOSED_AT_VENUE


def closing(
    book: AccountBook, holding: Holding, symbol: str, quantity: Decimal, at: datetime, origin: str
) -> WorkingOrder:
    """An order that nobody of us sent and that closed `quantity` of a position."""
    held = holding.position
    intent = OrderIntent(
        client_order_id=ids.client_order_id(book.account_id, origin, symbol, "exit", 0),
        decision_id=held.decision_id,
        account_id=book.account_id,
        symbol=symbol,
        side="sell" if held.side == "long" else "buy",
        type="market",
        quantity=quantity,
        time_in_force="ioc",
        reduce_only=True,
        leg="exit",
        seq=0,
        origin=origin[:64],
        position_id=held.decision_id,
        state="open",
        state_times={"open": at},
    )
    return WorkingOrder(intent, holding.correlation_id, at, held.leverage, held.entry_price)
