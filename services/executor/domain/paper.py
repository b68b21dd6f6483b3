"""The paper venue: pure functions from a book and an order or a tick to the next book and what happened."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from libs.perps.fees import fee
from libs.perps.filters import triggered, truncate
from libs.perps.margin import order_cost
from libs.perps.sides import opened_by
from libs.schemas.orders import OrderIntent
from libs.schemas.reasons import OrderReason
from libs.schemas.venue import VenueSymbol
from services.executor.domain.book import AccountBook, WorkingOrder, available, with_order
from services.executor.domain.changes import OrderChange, Turn
from services.executor.domain.fills import Execution, fill, stated
from services.executor.domain.liquidation import liquidate
from services.executor.domain.protection import TYPES, cancel, replace_leg, shown
from services.executor.domain.quote import Market, Quote, taker_price, touch

CAUSES = {"stop": OrderReason.STOP, "target": OrderReason.TARGET, "flatten": OrderReason.FLATTEN}


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the venue rejects an order."""

    reason: OrderReason
    detail: str


def submit(turn: Turn, order: WorkingOrder, market: Market) -> Turn:
    """Take an order in: rejected, or placed, and filled at once where it can be."""
    refusal = refused(turn.book, order, market)
    if refusal is not None:
        intent = stated(order.intent, "rejected", market.now)
        return turn.then(
            turn.book, OrderChange("rejected", intent, order.correlation_id, refusal.reason, refusal.detail)
        )
    order = replace(order, intent=stated(order.intent, "open", market.now))
    if order.intent.leg in TYPES:
        return replace_leg(turn, order, market.now)
    order = _capped(turn.book, order)
    turn = turn.then(with_order(turn.book, order), OrderChange("placed", order.intent, order.correlation_id))
    quote = market.fresh(order.intent.symbol)
    if quote is None or not takes(order, quote, market.rules[quote.symbol].filters):
        return turn
    return _taken(turn, order, quote, market, market.now)


def refused(book: AccountBook, order: WorkingOrder, market: Market) -> Refused | None:
    """What the venue has against an order: its filters, a post-only price that would match, or the margin."""
    intent = order.intent
    rules = market.rules.get(intent.symbol)
    if rules is None:
        return Refused(OrderReason.FILTER, f"{intent.symbol} is not listed at {book.venue}")
    if intent.reduce_only:
        return _unreducible(book, intent)
    quote = market.quotes.get(intent.symbol)
    price = intent.price or (quote.price if quote else order.reference)
    return (
        _filtered(intent, price, rules.filters)
        or _crosses(intent, market.fresh(intent.symbol), rules.filters)
        or _unaffordable(book, order, price, market)
    )


def takes(order: WorkingOrder, quote: Quote, filters: VenueSymbol) -> bool:
    """Whether a new order matches at once: market orders do, limits that are at or beyond the touch do."""
    intent = order.intent
    if intent.type == "market":
        return True
    if intent.type != "limit" or intent.price is None:
        return False
    at = touch(quote, intent.side, filters)
    return intent.price >= at if intent.side == "buy" else intent.price <= at


def on_tick(turn: Turn, quote: Quote, market: Market) -> Turn:
    """What a tick does, in this order: expiries, fills of what rests, liquidation, then stops and targets."""
    turn = expire(turn, quote.at, quote.symbol)
    for order in turn.book.of(quote.symbol):
        if order.intent.client_order_id in turn.book.orders and rests_through(order, quote):
            turn = _matched(turn, order, quote, market)
    turn = liquidate(turn, quote, market)
    for order in turn.book.of(quote.symbol):
        if order.intent.client_order_id in turn.book.orders and fires(order, quote, market):
            turn = _taken(turn, order, quote, market, quote.at)
    return turn


def expire(turn: Turn, now: datetime, symbol: str | None = None) -> Turn:
    """Cancel the orders whose time has passed, of one symbol or of all."""
    for order in tuple(turn.book.orders.values()):
        ends = order.intent.expires_at
        if ends is not None and ends <= now and symbol in (None, order.intent.symbol):
            turn = cancel(turn, order, OrderReason.EXPIRED, now, expired=True)
    return turn


def rests_through(order: WorkingOrder, quote: Quote) -> bool:
    """Whether the price trades through a resting limit, or a market order has waited for this tick."""
    intent = order.intent
    if quote.at < order.created_at:
        return False
    if intent.type == "market":
        return True
    if intent.type != "limit" or intent.price is None:
        return False
    return quote.price < intent.price if intent.side == "buy" else quote.price > intent.price


def fires(order: WorkingOrder, quote: Quote, market: Market) -> bool:
    """Whether a stop or target triggers on the mark, cut to the tick."""
    intent = order.intent
    if intent.leg not in TYPES or intent.stop_price is None or quote.at < order.created_at:
        return False
    rising = (intent.leg == "target") == (intent.side == "sell")
    return triggered(quote.mark, intent.stop_price, market.rules[quote.symbol].filters.tick_size, rising=rising)


def canceled(turn: Turn, client_order_id: str, reason: OrderReason, now: datetime) -> Turn:
    """Cancel one order by its id; nothing happens where it is not working any more."""
    order = turn.book.orders.get(client_order_id)
    if order is None:
        return turn
    turn = cancel(turn, order, reason, now)
    return replace(turn, book=shown(turn.book, order.intent.symbol))


def _matched(turn: Turn, order: WorkingOrder, quote: Quote, market: Market) -> Turn:
    if order.intent.type == "market":
        return _taken(turn, order, quote, market, quote.at)
    price = order.intent.price or quote.price
    match = Execution(order, price, order.left, maker=True, cause=OrderReason.DECISION, at=quote.at)
    return fill(turn, match, market)


def _taken(turn: Turn, order: WorkingOrder, quote: Quote, market: Market, at: datetime) -> Turn:
    """Fill all of an order as a taker at the quote; a limit no worse than its price."""
    intent = order.intent
    price = taker_price(quote, intent.side, market.rules[quote.symbol].filters)
    if intent.type == "limit" and intent.price is not None:
        price = min(price, intent.price) if intent.side == "buy" else max(price, intent.price)
    cause = CAUSES.get(intent.leg, OrderReason.DECISION)
    return fill(turn, Execution(order, price, order.left, maker=False, cause=cause, at=at), market)


def _capped(book: AccountBook, order: WorkingOrder) -> WorkingOrder:
    """A reduce-only order is cut to the position."""
    holding = book.positions.get(order.intent.symbol)
    if not order.intent.reduce_only or holding is None:
        return order
    quantity = min(order.intent.quantity, holding.position.quantity)
    return replace(order, intent=order.intent.model_copy(update={"quantity": quantity}))


def _unreducible(book: AccountBook, intent: OrderIntent) -> Refused | None:
    holding = book.positions.get(intent.symbol)
    if holding is None:
        return Refused(OrderReason.POSITION_CLOSED, f"no position in {intent.symbol} to reduce")
    if holding.position.side == opened_by(intent.side):
        return Refused(
            OrderReason.POSITION_CLOSED, f"a reduce-only {intent.side} cannot reduce a {holding.position.side}"
        )
    return None


def _filtered(intent: OrderIntent, price: Decimal, filters: VenueSymbol) -> Refused | None:
    if intent.quantity != truncate(intent.quantity, filters.lot_size):
        return Refused(OrderReason.FILTER, f"quantity {intent.quantity} is not a multiple of {filters.lot_size}")
    if intent.quantity > filters.max_quantity:
        return Refused(OrderReason.FILTER, f"quantity {intent.quantity} is above {filters.max_quantity}")
    if intent.price is not None and intent.price != truncate(intent.price, filters.tick_size):
        return Refused(OrderReason.FILTER, f"price {intent.price} is not a multiple of {filters.tick_size}")
    if intent.quantity * price < filters.min_notional:
        return Refused(OrderReason.FILTER, f"notional {intent.quantity * price} is below {filters.min_notional}")
    return None


def _crosses(intent: OrderIntent, quote: Quote | None, filters: VenueSymbol) -> Refused | None:
    if quote is None or intent.time_in_force != "post_only" or intent.price is None:
        return None
    at = touch(quote, intent.side, filters)
    if intent.price < at if intent.side == "buy" else intent.price > at:
        return None
    return Refused(OrderReason.WOULD_MATCH, f"post-only {intent.side} at {intent.price} would match {at}")


def _unaffordable(book: AccountBook, order: WorkingOrder, price: Decimal, market: Market) -> Refused | None:
    intent, filters = order.intent, market.rules[order.intent.symbol].filters
    mark = market.mark(intent.symbol) or price
    cost = order_cost(opened_by(intent.side), intent.quantity, price, mark, order.leverage)
    needed = cost + fee(intent.quantity, price, filters.taker_fee_bps)
    free = available(book)
    if needed <= free:
        return None
    return Refused(OrderReason.INSUFFICIENT_MARGIN, f"needs {needed:.2f}, available is {free:.2f}")
