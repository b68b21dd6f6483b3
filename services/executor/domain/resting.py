"""How long an entry rests, and what comes after it: repriced twice, then gone, or taken at the market."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from libs.perps.filters import round_passive, truncate
from libs.perps.sides import opened_by
from libs.schemas import ids
from libs.schemas.orders import OrderIntent
from libs.schemas.venue import VenueSymbol
from services.executor.domain.book import WorkingOrder
from services.executor.domain.quote import Market, Quote, taker_price, touch

REST = timedelta(seconds=60)  # min(interval, 60 s), and no interval is shorter than a minute
LADDER_REST = timedelta(hours=24)  # docs/decisions/0020
REPRICES = 2
RENEWED = 1_000  # sequence numbers of an order's successors: n, 1000 + n, 2000 + n, 3000 + n


def rests_until(now: datetime, decision_ends: datetime | None, *, ladder: bool) -> datetime:
    """When a resting entry expires. The decision's own expiry ends it sooner, but for the rungs of a ladder."""
    if ladder:
        return now + LADDER_REST
    return now + REST if decision_ends is None else min(now + REST, decision_ends)


def successor(order: WorkingOrder, market: Market) -> WorkingOrder | None:
    """What follows an entry that rested in vain, under an id of its own; None: nothing does.

    It is never larger, costs no more and risks no more at its stop than the order that it follows.
    """
    intent = order.intent
    quote = market.fresh(intent.symbol)
    ended = order.valid_until is not None and order.valid_until <= market.now
    if intent.leg != "entry" or order.ladder or quote is None or ended:
        return None
    filters = market.rules[intent.symbol].filters
    if order.preference in ("maker_only", "maker_preferred") and order.rests < REPRICES:
        return _next(order, _near(quote, intent, filters), market, rests=True)
    if order.preference == "maker_preferred":
        return _next(order, taker_price(quote, intent.side, filters, order.left), market, rests=False)
    return None


def _near(quote: Quote, intent: OrderIntent, filters: VenueSymbol) -> Decimal:
    """The best price on the order's own side of the book."""
    near = touch(quote, "sell" if intent.side == "buy" else "buy", filters)
    return round_passive(near, filters.tick_size, opened_by(intent.side))


def _next(order: WorkingOrder, price: Decimal, market: Market, *, rests: bool) -> WorkingOrder | None:
    intent, filters = order.intent, market.rules[order.intent.symbol].filters
    quantity = truncate(_bounded(order, price), filters.lot_size)
    if quantity <= 0 or quantity * price < filters.min_notional:
        return None
    seq = intent.seq + RENEWED
    made = intent.model_copy(
        update={
            "client_order_id": ids.client_order_id(intent.account_id, intent.origin, intent.symbol, "entry", seq),
            "seq": seq,
            "type": "limit" if rests else "market",
            "quantity": quantity,
            "price": price if rests else None,
            "time_in_force": "post_only" if rests else "ioc",
            "expires_at": rests_until(market.now, order.valid_until, ladder=False) if rests else None,
            "state": "new",
            "venue_order_id": None,
            "state_times": {"new": market.now},
        }
    )
    return replace(
        order, intent=made, created_at=market.now, reference=price, filled=Decimal(0), fills=0, rests=order.rests + 1
    )


def _bounded(order: WorkingOrder, price: Decimal) -> Decimal:
    """The quantity whose notional and whose loss at the stop are not above the former order's."""
    quantity = min(order.left, order.left * order.reference / price)
    if order.stop is None:
        return quantity
    before, now = abs(order.reference - order.stop), abs(price - order.stop)
    beyond = (price <= order.stop) if order.intent.side == "buy" else (price >= order.stop)
    if beyond:
        return Decimal(0)
    return min(quantity, order.left * before / now)
