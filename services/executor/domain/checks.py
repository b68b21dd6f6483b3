"""What the paper venue has against an order before it takes it in."""

from dataclasses import dataclass
from decimal import Decimal

from libs.perps.filters import truncate
from libs.perps.sides import opened_by
from libs.schemas.orders import OrderIntent
from libs.schemas.reasons import OrderReason
from libs.schemas.venue import VenueSymbol
from services.executor.domain.book import AccountBook, WorkingOrder
from services.executor.domain.margins import free, needed
from services.executor.domain.quote import Market, Quote, taker_price, touch

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class RefusedOrder:
    """Why the venue rejects an order."""

    reason: OrderReason
    detail: str


def refused(book: AccountBook, order: WorkingOrder, market: Market) -> RefusedOrder | None:
    """Its filters, a post-only price that would match, or the margin."""
    intent = order.intent
    rules = market.rules.get(intent.symbol)
    if rules is None:
        return RefusedOrder(OrderReason.FILTER, f"{intent.symbol} is not listed at {book.venue}")
    if intent.leg in market.refuses:
        return RefusedOrder(OrderReason.VENUE_ERROR, f"every {intent.leg} is refused")
    if intent.reduce_only:
        return _unreducible(book, intent)
    quote = market.quotes.get(intent.symbol)
    price = intent.price or _expected(order, quote, rules.filters)
    return (
        _filtered(intent, price, rules.filters)
        or _out_of_band(intent, market.mark(intent.symbol), rules.filters)
        or _too_many(book, intent, rules.filters)
        or (None if rules.filters.latency_ms else crosses(intent, market.fresh(intent.symbol), rules.filters))
        or _unaffordable(book, order, price, market)
    )


def _expected(order: WorkingOrder, quote: Quote | None, filters: VenueSymbol) -> Decimal:
    """What a market order will pay at the newest quote, its impact included."""
    return order.reference if quote is None else taker_price(quote, order.intent.side, filters, order.left)


def crosses(intent: OrderIntent, quote: Quote | None, filters: VenueSymbol) -> RefusedOrder | None:
    """A post-only order that would match at once."""
    if quote is None or intent.time_in_force != "post_only" or intent.price is None:
        return None
    at = touch(quote, intent.side, filters)
    if intent.price < at if intent.side == "buy" else intent.price > at:
        return None
    return RefusedOrder(OrderReason.WOULD_MATCH, f"post-only {intent.side} at {intent.price} would match {at}")


def _unreducible(book: AccountBook, intent: OrderIntent) -> RefusedOrder | None:
    holding = book.positions.get(intent.symbol)
    if holding is None:
        return RefusedOrder(OrderReason.POSITION_CLOSED, f"no position in {intent.symbol} to reduce")
    if holding.position.side == opened_by(intent.side):
        return RefusedOrder(
            OrderReason.POSITION_CLOSED, f"a reduce-only {intent.side} cannot reduce a {holding.position.side}"
        )
    return None


def _filtered(intent: OrderIntent, price: Decimal, filters: VenueSymbol) -> RefusedOrder | None:
    if intent.quantity != truncate(intent.quantity, filters.lot_size):
        return RefusedOrder(OrderReason.FILTER, f"quantity {intent.quantity} is not a multiple of {filters.lot_size}")
    if intent.quantity > filters.max_quantity:
        return RefusedOrder(OrderReason.FILTER, f"quantity {intent.quantity} is above {filters.max_quantity}")
    if intent.price is not None and intent.price != truncate(intent.price, filters.tick_size):
        return RefusedOrder(OrderReason.FILTER, f"price {intent.price} is not a multiple of {filters.tick_size}")
    if intent.quantity * price < filters.min_notional:
        return RefusedOrder(OrderReason.FILTER, f"notional {intent.quantity * price} is below {filters.min_notional}")
    return None


def _out_of_band(intent: OrderIntent, mark: Decimal | None, filters: VenueSymbol) -> RefusedOrder | None:
    """A buy far above the mark, or a sell far below it (Binance: PERCENT_PRICE)."""
    if intent.price is None or mark is None:
        return None
    band = mark * filters.price_band_pct / HUNDRED
    limit = mark + band if intent.side == "buy" else mark - band
    if intent.price <= limit if intent.side == "buy" else intent.price >= limit:
        return None
    return RefusedOrder(OrderReason.FILTER, f"a {intent.side} at {intent.price} is beyond {limit:f}, the price band")


def _too_many(book: AccountBook, intent: OrderIntent, filters: VenueSymbol) -> RefusedOrder | None:
    resting = len(book.of(intent.symbol))
    if resting < filters.max_open_orders:
        return None
    return RefusedOrder(OrderReason.TOO_MANY_ORDERS, f"{resting} orders rest in {intent.symbol} already")


def _unaffordable(book: AccountBook, order: WorkingOrder, price: Decimal, market: Market) -> RefusedOrder | None:
    cost, left = needed(book, order, order.intent.quantity, price, market), free(book, market)
    if cost <= left:
        return None
    return RefusedOrder(OrderReason.INSUFFICIENT_MARGIN, f"needs {cost:.2f}, available is {left:.2f}")
