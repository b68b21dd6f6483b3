"""The protection invariant: a position has its reduce-only stop and target, of its size, in the same document write."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from libs.perps.filters import round_price, round_stop
from libs.perps.sides import closing, sign
from libs.schemas import ids
from libs.schemas.account import Leg, Position
from libs.schemas.orders import OrderIntent
from libs.schemas.reasons import OrderReason
from services.executor.domain.book import AccountBook, WorkingOrder, with_order, without
from services.executor.domain.changes import OrderChange, Turn
from services.executor.domain.quote import Market

CONFIRMED = ("open", "partially_filled")
TYPES: dict[str, str] = {"stop": "stop_market", "target": "take_profit_market"}


def protect(turn: Turn, symbol: str, entry: WorkingOrder | None, at: datetime, market: Market) -> Turn:
    """Make the protection of `symbol` fit its position; `entry` is the order that has just opened or added to it.

    Reduce-only orders shrink with the position and go when it is flat, and resting entries with them: what was closed
    is not opened again by what an earlier decision left behind. A leg that the venue refuses is told as rejected, and
    the position is bare from then on.
    """
    holding = turn.book.positions.get(symbol)
    if holding is None:
        for order in turn.book.of(symbol):
            turn = cancel(turn, order, OrderReason.POSITION_CLOSED, at)
        return turn
    if entry is not None:
        turn = _place(turn, holding.position, entry, "stop", at, market)
        turn = _place(turn, holding.position, entry, "target", at, market)
    return replace(turn, book=guarded(shown(_resized(turn.book, symbol), symbol), symbol, at))


def guarded(book: AccountBook, symbol: str, at: datetime) -> AccountBook:
    """The book that knows since when the position of `symbol` has been without a stop of its full size."""
    holding = book.positions.get(symbol)
    if holding is None:
        return book
    covered = any(stop.left >= holding.position.quantity for stop in standing(book, symbol, "stop"))
    since = None if covered else holding.bare_since or at
    if since == holding.bare_since:
        return book
    return replace(book, positions={**book.positions, symbol: replace(holding, bare_since=since)})


def standing(book: AccountBook, symbol: str, leg: Leg) -> list[WorkingOrder]:
    """Stops or targets that the venue has confirmed, oldest first; two while one takes the place of the other."""
    return [o for o in book.of(symbol) if o.intent.leg == leg and o.intent.state in CONFIRMED]


def cancel(turn: Turn, order: WorkingOrder, reason: OrderReason, at: datetime, *, expired: bool = False) -> Turn:
    """Take an order out of the book, with its event."""
    state = "expired" if expired else "canceled"
    intent = order.intent.model_copy(
        update={"state": state, "state_times": {**order.intent.state_times, state: at}},
    )
    book = replace(turn.book, orders=without(turn.book.orders, intent.client_order_id))
    return turn.then(book, OrderChange("canceled", intent, order.correlation_id, reason))


def replace_leg(turn: Turn, order: WorkingOrder, at: datetime) -> Turn:
    """Put a stop or target in the place of the one that the position has."""
    old = turn.book.leg(order.intent.symbol, order.intent.leg)
    if old is not None:
        turn = cancel(turn, old, OrderReason.REPLACED, at)
    turn = turn.then(with_order(turn.book, order), OrderChange("placed", order.intent, order.correlation_id))
    symbol = order.intent.symbol
    return replace(turn, book=guarded(shown(_resized(turn.book, symbol), symbol), symbol, at))


def shown(book: AccountBook, symbol: str) -> AccountBook:
    """The book whose position names the prices of the stop and target that it really has."""
    holding = book.positions.get(symbol)
    if holding is None:
        return book
    stop, target = standing(book, symbol, "stop"), standing(book, symbol, "target")
    update = {
        "stop_loss": stop[-1].intent.stop_price if stop else None,
        "take_profit": target[-1].intent.stop_price if target else None,
    }
    position = holding.position.model_copy(update=update)
    return replace(book, positions={**book.positions, symbol: replace(holding, position=position)})


def _place(turn: Turn, position: Position, entry: WorkingOrder, leg: Leg, at: datetime, market: Market) -> Turn:
    price = _wanted(position, entry, leg, market)
    old = turn.book.leg(position.symbol, leg)
    if price is None or (old is not None and _stays(old, position, entry, leg, price)):
        return turn
    origin = entry.intent.origin
    seq = old.intent.seq + 1 if old is not None and old.intent.origin == origin else 0
    intent = OrderIntent(
        client_order_id=ids.client_order_id(entry.intent.account_id, origin, position.symbol, leg, seq),
        decision_id=entry.intent.decision_id,
        account_id=entry.intent.account_id,
        symbol=position.symbol,
        side=closing(position.side),
        type=TYPES[leg],
        quantity=position.quantity,
        stop_price=price,
        time_in_force="gtc",
        reduce_only=True,
        leg=leg,
        seq=seq,
        origin=origin,
        position_id=position.decision_id,
        state="open",
        state_times={"open": at},
    )
    order = WorkingOrder(intent, entry.correlation_id, at, position.leverage, price)
    if leg in market.refuses:
        refused = intent.model_copy(update={"state": "rejected", "state_times": {"rejected": at}})
        change = OrderChange("rejected", refused, entry.correlation_id, OrderReason.VENUE_ERROR, "refused")
        return turn.then(turn.book, change)
    return replace_leg(turn, order, at)


def _wanted(position: Position, entry: WorkingOrder, leg: Leg, market: Market) -> Decimal | None:
    """Where a leg belongs: at the price that the entry brought, or at its distance from the average that is filled."""
    away, fixed = (entry.stop_away, entry.stop) if leg == "stop" else (entry.target_away, entry.target)
    if away is None or position.symbol not in market.rules:
        return fixed
    s, tick = sign(position.side), market.rules[position.symbol].filters.tick_size
    if leg == "stop":
        return round_stop(position.entry_price * (1 - s * away), tick, position.side)
    return round_price(position.entry_price * (1 + s * away), tick, up=position.side == "long")


def _stays(old: WorkingOrder, position: Position, entry: WorkingOrder, leg: Leg, price: Decimal) -> bool:
    """Whether a fill of `entry` leaves the present stop or target alone. What an entry was sent with may be older than
    that one: a late fill never moves a stop away from the price, nor takes back another decision's newer target. The
    rungs of one ladder move what the ladder placed: it follows their average."""
    follows = (entry.stop_away if leg == "stop" else entry.target_away) is not None
    if follows and old.intent.origin == entry.intent.origin:
        return old.intent.stop_price == price
    if leg == "target":
        newer = old.intent.origin != entry.intent.origin and old.created_at >= entry.created_at
        return old.intent.stop_price == price or newer
    return old.intent.stop_price is not None and sign(position.side) * (price - old.intent.stop_price) <= 0


def _resized(book: AccountBook, symbol: str) -> AccountBook:
    """Stops and targets cover exactly the position; exits that wait for a tick cover at most it."""
    quantity = book.positions[symbol].position.quantity if symbol in book.positions else None
    orders = dict(book.orders)
    for order in book.of(symbol):
        if quantity is None or not order.intent.reduce_only:
            continue
        wanted = quantity if order.intent.leg in TYPES else min(quantity, order.left)
        if order.left != wanted:
            intent = order.intent.model_copy(update={"quantity": order.filled + wanted})
            orders[order.intent.client_order_id] = replace(order, intent=intent)
    return replace(book, orders=orders)
