"""The questions of a reconcile, asked one after the other."""

from datetime import timedelta

from services.executor.application.live_orders import LiveOrders
from services.executor.domain.book import AccountBook
from services.executor.domain.reconcile import Truth
from services.executor.domain.replies import OrderReport
from services.executor.ports import Deps
from services.executor.ports.venues import LiveVenue

OVERLAP = timedelta(seconds=60)


async def truth(book: AccountBook, venue: LiveVenue, orders: LiveOrders, deps: Deps) -> Truth:
    """What the venue says now. Fills are asked for last: they are never older than what they explain."""
    there = await venue.open_orders()
    positions = await venue.positions()
    balances = await venue.balances()
    reports = await _reports(book, venue, orders, {report.client_order_id for report in there})
    since = (book.reconciled_at or deps.clock.wall()) - OVERLAP
    fills = [fill for symbol in sorted(book.exposed) for fill in await venue.fills(symbol, since)]
    plans = await deps.plans.unfinished([book.account_id])
    known = frozenset(intent.client_order_id for plan in plans for intent in plan.value.intents)
    return Truth(deps.clock.now(), positions, there, fills, balances, reports, known)


async def _reports(
    book: AccountBook, venue: LiveVenue, orders: LiveOrders, there: set[str]
) -> dict[str, OrderReport | None]:
    """Of our orders that are not open at the venue; nothing of those that may still arrive there."""
    found: dict[str, OrderReport | None] = {}
    for key, order in book.orders.items():
        if key in there:
            continue
        report = await venue.fetch_order(order.intent.symbol, key)
        if report is not None or orders.certain(order):
            found[key] = report
    return found
