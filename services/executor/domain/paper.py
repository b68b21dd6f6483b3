"""The paper venue: pure functions from a book and an order or a tick to the next book and what happened."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from libs.perps.filters import triggered, truncate
from libs.schemas.reasons import OrderReason
from libs.schemas.venue import VenueSymbol
from services.executor.domain.book import AccountBook, WorkingOrder, with_order, without
from services.executor.domain.changes import OrderChange, Turn
from services.executor.domain.checks import RefusedOrder, crosses, refused
from services.executor.domain.days import begun
from services.executor.domain.fills import Execution, fill, stated
from services.executor.domain.liquidation import liquidate, solvent
from services.executor.domain.margins import affordable, effective_leverage
from services.executor.domain.protection import TYPES, cancel, guarded, replace_leg, shown
from services.executor.domain.quote import Market, Quote, taker_price, touch
from services.executor.domain.resting import successor

CAUSES = {"stop": OrderReason.STOP, "target": OrderReason.TARGET, "flatten": OrderReason.FLATTEN}


def submit(turn: Turn, order: WorkingOrder, market: Market) -> Turn:
    """Take an order in: rejected, or placed, and filled at once where it can be."""
    refusal = refused(turn.book, order, market)
    if refusal is not None:
        return _rejected(turn, order, refusal, market.now)
    order = replace(order, intent=stated(order.intent, "open", market.now))
    if order.intent.leg in TYPES:
        return replace_leg(turn, order, market.now)
    filters, quote = market.rules[order.intent.symbol].filters, market.fresh(order.intent.symbol)
    order = _accepted(_capped(turn.book, order), turn.book, quote, filters)
    if filters.latency_ms or quote is None:  # where the market is not known, the next tick shows what an order meets
        order = replace(order, arrives_at=market.now + timedelta(milliseconds=filters.latency_ms))
    turn = turn.then(with_order(turn.book, order), OrderChange("placed", order.intent, order.correlation_id))
    if quote is None or order.arrives_at is not None or not takes(order, quote, filters):
        return turn
    return solvent(_taken(turn, order, quote, market, market.now), market.now, market)


def _accepted(order: WorkingOrder, book: AccountBook, quote: Quote | None, filters: VenueSymbol) -> WorkingOrder:
    """The order at the leverage that it will have, with the fee that is held back for it, against the last price."""
    if order.intent.reduce_only:
        return order
    bps = max(filters.taker_fee_bps, filters.maker_fee_bps)
    seen = quote.price if quote else None
    return replace(order, leverage=effective_leverage(book, order), fee_bps=bps, seen=seen)


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
    """What a tick does, in this order: the day's end, expiries, arrivals, fills of what rests, liquidation, then stops
    and targets."""
    turn = begun(turn, market, quote.at)
    turn = expire(turn, replace(market, now=max(market.now, quote.at)), quote.at, quote.symbol)
    waited = [o for o in turn.book.of(quote.symbol) if o.arrives_at is None]
    for order in turn.book.of(quote.symbol):
        if order.arrives_at is not None and order.arrives_at <= quote.at:
            turn = _arrived(turn, order, quote, market)
    turn = _traded_through(turn, waited, quote, market)
    turn = liquidate(turn, quote, market)
    for order in turn.book.of(quote.symbol):
        if order.intent.client_order_id in turn.book.orders and fires(order, quote, market):
            turn = _taken(turn, order, quote, market, quote.at)
    return solvent(turn, quote.at, market)


def _traded_through(turn: Turn, waited: Sequence[WorkingOrder], quote: Quote, market: Market) -> Turn:
    """Fill what rested at prices that this tick traded through, the best price first, then the oldest, while what was
    traded lasts."""
    filters = market.rules[quote.symbol].filters
    volume = None if quote.size is None else quote.size * filters.volume_share
    for order in sorted(waited, key=_priority):
        key = order.intent.client_order_id
        if key not in turn.book.orders or not rests_through(order, quote, filters):
            continue
        turn = _matched(turn, order, quote, volume, market)
        left = turn.book.orders.get(key)
        if volume is not None and order.intent.type == "limit":
            volume -= order.left - (left.left if left else 0)
        if left is not None and quote.size and left.seen != quote.price:  # told again, it is no trade of its own
            turn = replace(turn, book=with_order(turn.book, replace(left, seen=quote.price)))
    return turn


def _priority(order: WorkingOrder) -> tuple[int, Decimal]:
    """Sorts the orders of a symbol as a book does; of one price they stay as they came."""
    price = order.intent.price
    if price is None:
        return 0, Decimal(0)
    return 1, -price if order.intent.side == "buy" else price


def expire(turn: Turn, market: Market, now: datetime, symbol: str | None = None) -> Turn:
    """End the orders whose time has passed, of one symbol or of all; an entry may have a successor."""
    for order in tuple(turn.book.orders.values()):
        ends = order.intent.expires_at
        if ends is None or ends > now or symbol not in (None, order.intent.symbol):
            continue
        follows = successor(order, market) if turn.book.trading_state == "active" else None
        reason = OrderReason.REPRICED if follows else OrderReason.EXPIRED
        turn = cancel(turn, order, reason, now, expired=follows is None)
        if follows is not None:
            turn = submit(turn, follows, market)
    return turn


def rests_through(order: WorkingOrder, quote: Quote, filters: VenueSymbol) -> bool:
    """Whether the price trades through a resting limit, or a market order has waited for this tick.

    A tick without an amount tells of a trade only by a price that is not the one that was known before.
    """
    intent = order.intent
    if quote.at < order.created_at or order.arrives_at is not None:
        return False
    if intent.type == "market":
        return True
    if intent.type != "limit" or intent.price is None:
        return False
    if quote.size == 0 or (quote.size is None and quote.price == order.seen):
        return False
    if filters.fill_on == "touch" and quote.price == intent.price:
        return True
    return quote.price < intent.price if intent.side == "buy" else quote.price > intent.price


def fires(order: WorkingOrder, quote: Quote, market: Market) -> bool:
    """Whether a stop or target triggers on the mark (or what the venue looks at), cut to the tick."""
    intent, filters = order.intent, market.rules[quote.symbol].filters
    if intent.leg not in TYPES or intent.stop_price is None or quote.at < order.created_at:
        return False
    rising = (intent.leg == "target") == (intent.side == "sell")
    return triggered(quote.trigger(filters.trigger_by), intent.stop_price, filters.tick_size, rising=rising)


def canceled(turn: Turn, client_order_id: str, reason: OrderReason, now: datetime) -> Turn:
    """Cancel one order by its id; nothing happens where it is not working any more."""
    order = turn.book.orders.get(client_order_id)
    if order is None:
        return turn
    turn = cancel(turn, order, reason, now)
    symbol = order.intent.symbol
    return replace(turn, book=guarded(shown(turn.book, symbol), symbol, now))


def _rejected(turn: Turn, order: WorkingOrder, refusal: RefusedOrder, at: datetime) -> Turn:
    intent = stated(order.intent, "rejected", at)
    book = replace(turn.book, orders=without(turn.book.orders, intent.client_order_id))
    return turn.then(book, OrderChange("rejected", intent, order.correlation_id, refusal.reason, refusal.detail))


def _arrived(turn: Turn, order: WorkingOrder, quote: Quote, market: Market) -> Turn:
    """The venue gets an order that was on its way: what it would have matched at once, it matches now."""
    filters = market.rules[quote.symbol].filters
    refusal = crosses(order.intent, quote, filters)
    if refusal is not None:
        return _rejected(turn, order, refusal, quote.at)
    here = replace(order, arrives_at=None, seen=quote.price)
    turn = replace(turn, book=with_order(turn.book, here))
    return _taken(turn, here, quote, market, quote.at) if takes(here, quote, filters) else turn


def _matched(turn: Turn, order: WorkingOrder, quote: Quote, volume: Decimal | None, market: Market) -> Turn:
    """A resting limit fills at its price, as far as enough traded."""
    if order.intent.type == "market":
        return _taken(turn, order, quote, market, quote.at)
    lot = market.rules[quote.symbol].filters.lot_size
    quantity = order.left if volume is None or volume >= order.left else truncate(volume, lot)
    if quantity <= 0:
        return turn
    price = order.intent.price or quote.price
    if not affordable(turn.book, order, quantity, price, market):
        return cancel(turn, order, OrderReason.INSUFFICIENT_MARGIN, quote.at)
    return fill(turn, Execution(order, price, quantity, maker=True, cause=OrderReason.DECISION, at=quote.at), market)


def _taken(turn: Turn, order: WorkingOrder, quote: Quote, market: Market, at: datetime) -> Turn:
    """Fill all of an order as a taker at the quote; a limit no worse than its price."""
    intent = order.intent
    price = taker_price(quote, intent.side, market.rules[quote.symbol].filters, order.left)
    if intent.type == "limit" and intent.price is not None:
        price = min(price, intent.price) if intent.side == "buy" else max(price, intent.price)
    if not affordable(turn.book, order, order.left, price, market):
        return cancel(turn, order, OrderReason.INSUFFICIENT_MARGIN, at)
    cause = order.cause or CAUSES.get(intent.leg, OrderReason.DECISION)
    return fill(turn, Execution(order, price, order.left, maker=False, cause=cause, at=at), market)


def _capped(book: AccountBook, order: WorkingOrder) -> WorkingOrder:
    """A reduce-only order is cut to the position."""
    holding = book.positions.get(order.intent.symbol)
    if not order.intent.reduce_only or holding is None:
        return order
    quantity = min(order.intent.quantity, holding.position.quantity)
    return replace(order, intent=order.intent.model_copy(update={"quantity": quantity}))
