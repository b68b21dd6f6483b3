"""From what a book should be to what a venue must be asked for: the paper venue's rules plan for live accounts too."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from libs.schemas import ids
from libs.schemas.orders import OrderIntent
from libs.schemas.reasons import OrderReason
from services.executor.domain.book import AccountBook, WorkingOrder
from services.executor.domain.changes import Change, OrderChange, PositionChange, Turn
from services.executor.domain.fills import as_protected, stated
from services.executor.domain.protection import TYPES, guarded, shown
from services.executor.domain.quote import Market


@dataclass(frozen=True, slots=True)
class SendOrder:
    """Send this order."""

    order: WorkingOrder


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take this order away. `expired` says that its time was over."""

    symbol: str
    client_order_id: str
    reason: OrderReason
    expired: bool = False


Step = SendOrder | Cancel


def planning(market: Market) -> Market:
    """The market in which nothing fills by itself: every order is on its way, as it is with a real venue."""
    rules = {s: replace(r, filters=r.filters.model_copy(update={"latency_ms": 1})) for s, r in market.rules.items()}
    return replace(market, rules=rules, refuses=frozenset())


def wanted(before: AccountBook, turn: Turn, now: datetime) -> tuple[Turn, tuple[Step, ...]]:
    """What `turn` asks of the venue, in the order in which it is sent, and the turn without that: protection and exits
    first, then cancels, then entries. A stop that has to grow or shrink is placed anew before the old one goes."""
    kept: dict[str, WorkingOrder] = {}
    places: list[WorkingOrder] = []
    cancels: list[Cancel] = []
    gone = _canceled(turn)
    for key, order in turn.book.orders.items():
        old = before.orders.get(key)
        if old is None:
            places.append(replace(order, arrives_at=None, intent=stated(order.intent, "new", now)))
        elif order.intent.leg in TYPES and order.filled == old.filled and order.left != old.left:
            kept[key] = old
            places.append(_anew(order, now))
            cancels.append(Cancel(order.intent.symbol, key, OrderReason.REPLACED))
        else:
            kept[key] = order
    for key, change in gone.items():
        if key in before.orders:
            kept[key] = _with_fills(before.orders[key], turn)
            expired = change.intent.state == "expired"
            cancels.append(Cancel(change.intent.symbol, key, change.reason or OrderReason.CONTROL, expired))
    left = tuple(c for c in turn.changes if not _step(c, before, gone))
    protective = [SendOrder(order) for order in places if order.intent.reduce_only]
    entries = [SendOrder(order) for order in places if not order.intent.reduce_only]
    return settled(Turn(replace(turn.book, orders=kept), left), now), (*protective, *cancels, *entries)


def settled(turn: Turn, now: datetime) -> Turn:
    """The turn whose positions, and the events about them, name the stops that they really have."""
    book = turn.book
    for symbol in book.positions:
        book = guarded(shown(book, symbol), symbol, now)
    told = (
        as_protected(c, book.positions.get(c.symbol)) if isinstance(c, PositionChange) and _newest(c, book) else c
        for c in turn.changes
    )
    return Turn(book, tuple(told))


def _newest(change: PositionChange, book: AccountBook) -> bool:
    holding = book.positions.get(change.symbol)
    return change.after is not None and holding is not None and change.after.quantity == holding.position.quantity


def _with_fills(order: WorkingOrder, turn: Turn) -> WorkingOrder:
    """The order with the fills that the turn has booked."""
    mine = [c for c in turn.changes if isinstance(c, OrderChange) and c.intent.client_order_id == _id(order)]
    fills = [c.fill for c in mine if c.fill is not None]
    filled = sum((fill.quantity for fill in fills), order.filled)
    return replace(order, filled=filled, fills=order.fills + len(fills))


def _id(order: WorkingOrder) -> str:
    return order.intent.client_order_id


def _canceled(turn: Turn) -> Mapping[str, OrderChange]:
    return {c.intent.client_order_id: c for c in turn.changes if isinstance(c, OrderChange) and c.kind == "canceled"}


def _step(change: Change, before: AccountBook, gone: Mapping[str, OrderChange]) -> bool:
    """Whether a change is an order that was placed or taken away: that is told once the venue has done it."""
    if not isinstance(change, OrderChange):
        return False
    return change.intent.client_order_id in gone or (
        change.kind == "placed" and change.intent.client_order_id not in before.orders
    )


def _anew(order: WorkingOrder, now: datetime) -> WorkingOrder:
    """The same stop or target in its new size, under the next id of its origin."""
    old = order.intent
    seq = old.seq + 1
    intent: OrderIntent = old.model_copy(
        update={
            "client_order_id": ids.client_order_id(old.account_id, old.origin, old.symbol, old.leg, seq),
            "seq": seq,
            "quantity": order.left,
            "venue_order_id": None,
            "state": "new",
            "state_times": {"new": now},
        }
    )
    return replace(order, intent=intent, filled=order.filled - order.filled, fills=0, created_at=now)
