"""The paper venue: what it does is domain/paper.py, where it does it is the account's own document."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from libs.schemas.account import MarginMode
from libs.schemas.orders import TERMINAL_STATES
from libs.schemas.reasons import OrderReason
from libs.schemas.venue import MarginTier, VenueSymbol
from services.executor.domain import paper, reports
from services.executor.domain.book import AccountBook, WorkingOrder, available, marked, without
from services.executor.domain.changes import OrderChange, Turn
from services.executor.domain.quote import Market
from services.executor.domain.replies import (
    Balances,
    Canceled,
    CancelReply,
    Exists,
    Fees,
    FundingReport,
    OrderReport,
    Placed,
    PositionReport,
    Rejected,
    Reply,
    VenueEvent,
)
from services.executor.ports import LockedAccount
from services.executor.ports.venues import Submittable, order_of

KEEP_ENDED = 256


class PaperVenue:
    """All orders of one call are one document write, so that a kill leaves all of them or none.

    Nothing here is ever unknown or not sent: where the document cannot be written the call raises, and nothing was
    done.
    """

    def __init__(self, seat: LockedAccount) -> None:
        self._seat = seat
        self._ended: OrderedDict[str, OrderReport] = OrderedDict()
        seat.listen(self._remember)

    async def submit(self, order: Submittable, checked_at: datetime | None = None) -> Reply:
        """An order whose id was submitted before exists, whatever became of it."""
        (reply,) = await self._submit([order_of(order)], done=())
        return reply

    async def submit_all(self, orders: Sequence[Submittable], checked_at: datetime | None = None) -> Sequence[Reply]:
        """All orders of their origins: those are carried out with this."""
        taken = [order_of(order) for order in orders]
        return await self._submit(taken, done=[order.intent.origin for order in taken])

    def at_once(
        self, turn: Turn, gone: Sequence[str], orders: Sequence[WorkingOrder], reason: OrderReason
    ) -> Turn | None:
        """The document that takes the orders is the one that holds the plan."""
        market = self._seat.market()
        for client_order_id in gone:
            turn = paper.canceled(turn, client_order_id, reason, market.now)
        return _taken_in(turn, _fresh(turn.book, orders), [order.intent.origin for order in orders], market)

    async def _submit(self, taken: Sequence[WorkingOrder], done: Sequence[str]) -> Sequence[Reply]:
        fresh = _fresh(self._seat.book, taken)
        turn = _taken_in(Turn(self._seat.book), fresh, done, self._seat.market())
        if fresh:
            await self._seat.save(turn)
        new = {order.intent.client_order_id for order in fresh}
        return [_reply(turn, o) if o.intent.client_order_id in new else Exists(o.intent.client_order_id) for o in taken]

    def _remember(self, turn: Turn) -> None:
        """Orders that ended, so that they can be asked for; the oldest are forgotten."""
        for event in reports.told(turn):
            if isinstance(event, OrderReport) and event.state in TERMINAL_STATES:
                self._ended[event.client_order_id] = event
        while len(self._ended) > KEEP_ENDED:
            self._ended.popitem(last=False)

    async def cancel(
        self, symbol: str, client_order_id: str, reason: OrderReason = OrderReason.DECISION
    ) -> CancelReply:
        turn = paper.canceled(Turn(self._seat.book), client_order_id, reason, self._seat.market().now)
        if turn.changes:
            await self._seat.save(turn)
        return Canceled(client_order_id, found=bool(turn.changes))

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """A working order, or one of the last that ended while this process had the account."""
        found = self._seat.book.orders.get(client_order_id)
        return reports.order(found) if found else self._ended.get(client_order_id)

    async def open_orders(self, symbol: str | None = None) -> Sequence[OrderReport]:
        book = self._seat.book
        return tuple(reports.order(o) for o in book.orders.values() if symbol in (None, o.intent.symbol))

    async def positions(self) -> Sequence[PositionReport]:
        book, market = self._seat.book, self._seat.market()
        return tuple(reports.position(h.position, book.margin_mode, market.mark(s)) for s, h in book.positions.items())

    async def balances(self) -> Balances:
        book = self._seat.book
        return Balances(book.wallet, available(book))

    async def set_leverage(self, symbol: str, leverage: Decimal) -> Decimal:
        """Every order brings its own; an open position keeps the one that it was opened with."""
        holding = self._seat.book.positions.get(symbol)
        return holding.position.leverage if holding else leverage

    async def set_margin_mode(self, symbol: str, mode: MarginMode) -> MarginMode:
        """The mode is a setting of the account."""
        return self._seat.book.margin_mode

    async def filters(self, symbol: str) -> VenueSymbol | None:
        rules = self._seat.market().rules.get(symbol)
        return rules.filters if rules else None

    async def tiers(self, symbol: str) -> tuple[MarginTier, ...]:
        filters = await self.filters(symbol)
        return filters.tiers if filters else ()

    async def fees(self, symbol: str) -> Fees:
        filters = await self.filters(symbol)
        return Fees(filters.maker_fee_bps, filters.taker_fee_bps) if filters else Fees(Decimal(0), Decimal(0))

    async def funding(self, symbol: str) -> FundingReport | None:
        """Funding comes with the market's events, not from the venue."""
        return None

    async def server_time(self) -> datetime:
        return self._seat.market().now

    async def stream(self) -> AsyncIterator[VenueEvent]:
        """Every write's changes; none is lost while somebody listens, so that there is never a gap."""
        events: asyncio.Queue[VenueEvent] = asyncio.Queue()

        def on_turn(turn: Turn) -> None:
            for event in reports.told(turn):
                events.put_nowait(event)

        stop = self._seat.listen(on_turn)
        try:
            while True:
                yield await events.get()
        finally:
            stop()


def _fresh(book: AccountBook, orders: Sequence[WorkingOrder]) -> list[WorkingOrder]:
    """Those that were not submitted before, alone or with their origin."""
    executed = set(book.executed)
    return [o for o in orders if not {o.intent.client_order_id, o.intent.origin} & executed]


def _taken_in(turn: Turn, fresh: Sequence[WorkingOrder], done: Sequence[str], market: Market) -> Turn:
    if not fresh:
        return turn
    turn = replace(turn, book=marked(turn.book, [*done, *(order.intent.client_order_id for order in fresh)]))
    for order in fresh:
        turn = paper.submit(turn, order, market)
    return replace(turn, book=_unreserved(turn, fresh))


def _unreserved(turn: Turn, orders: Sequence[WorkingOrder]) -> AccountBook:
    symbols = {order.intent.symbol for order in orders}
    return replace(turn.book, reservations=without(turn.book.reservations, *symbols))


def _reply(turn: Turn, order: WorkingOrder) -> Reply:
    """What the turn did to an order that it took in."""
    client_order_id = order.intent.client_order_id
    mine = [c for c in turn.changes if isinstance(c, OrderChange) and c.intent.client_order_id == client_order_id]
    rejected = next((c for c in mine if c.kind == "rejected"), None)
    if rejected is not None:
        return Rejected(client_order_id, rejected.reason or OrderReason.FILTER, rejected.detail)
    fills = [c.fill for c in mine if c.fill is not None]
    filled = sum((f.quantity for f in fills), Decimal(0))
    average = sum((f.quantity * f.price for f in fills), Decimal(0)) / filled if filled else None
    return Placed(client_order_id, None, mine[-1].intent.state if mine else "open", filled, average)
