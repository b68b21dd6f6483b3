"""The paper venue: what it does is domain/paper.py, where it does it is the account's own document."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from libs.schemas.reasons import OrderReason
from services.executor.domain import paper
from services.executor.domain.book import AccountBook, Holding, WorkingOrder, marked, without
from services.executor.domain.changes import OrderChange, Turn
from services.executor.ports import ProtectiveOrder, Reply, Seat, Submittable


class PaperVenue:
    """All orders of one call are one document write, so that a kill leaves all of them or none."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat

    async def submit(self, orders: Sequence[Submittable]) -> Sequence[Reply]:
        """Orders of an origin that was submitted before exist, whatever became of them."""
        book, market = self._seat.book, self._seat.market()
        taken = [_order(order) for order in orders]
        fresh = [order for order in taken if order.intent.origin not in book.executed]
        turn = Turn(marked(book, (order.intent.origin for order in fresh)))
        for order in fresh:
            turn = paper.submit(turn, order, market)
        turn = replace(turn, book=_unreserved(turn, fresh))
        if fresh:
            await self._seat.save(turn)
        refused = {
            c.intent.client_order_id for c in turn.changes if isinstance(c, OrderChange) and c.kind == "rejected"
        }
        return [_reply(order, fresh, refused) for order in taken]

    async def cancel(self, client_order_ids: Sequence[str], reason: OrderReason) -> None:
        turn, market = Turn(self._seat.book), self._seat.market()
        for client_order_id in client_order_ids:
            turn = paper.canceled(turn, client_order_id, reason, market.now)
        if turn.changes:
            await self._seat.save(turn)

    async def fetch_order(self, client_order_id: str) -> WorkingOrder | None:
        return self._seat.book.orders.get(client_order_id)

    async def open_orders(self) -> Sequence[WorkingOrder]:
        return tuple(self._seat.book.orders.values())

    async def positions(self) -> Sequence[Holding]:
        return tuple(self._seat.book.positions.values())

    async def balance(self) -> Decimal:
        return self._seat.book.wallet


def _order(order: Submittable) -> WorkingOrder:
    return order.order if isinstance(order, ProtectiveOrder) else order.value


def _unreserved(turn: Turn, orders: Sequence[WorkingOrder]) -> AccountBook:
    symbols = {order.intent.symbol for order in orders}
    return replace(turn.book, reservations=without(turn.book.reservations, *symbols))


def _reply(order: WorkingOrder, fresh: Sequence[WorkingOrder], refused: set[str]) -> Reply:
    client_order_id = order.intent.client_order_id
    if order not in fresh:
        return Reply(client_order_id, "exists")
    return Reply(client_order_id, "rejected" if client_order_id in refused else "accepted")
