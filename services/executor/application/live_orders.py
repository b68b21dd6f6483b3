"""What a turn of a live account asks of its venue: sent in order of priority, answered, and written down."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from libs.runtime.clock import Clock
from libs.runtime.errors import Unavailable
from libs.runtime.failpoints import hit
from libs.schemas.reasons import OrderReason
from services.executor.domain import booking, paper
from services.executor.domain.book import WorkingOrder, marked, with_order
from services.executor.domain.changes import Turn
from services.executor.domain.fills import stated
from services.executor.domain.protection import TYPES, cancel, standing
from services.executor.domain.replies import (
    Canceled,
    CancelReply,
    Exists,
    FillReport,
    NotSent,
    Placed,
    Reply,
    Unknown,
)
from services.executor.domain.steps import Cancel, SendOrder, Step, planning, settled, wanted
from services.executor.ports import LockedAccount
from services.executor.ports.venues import LiveVenue, ProtectiveOrder, Stored, Submittable, order_of

RETRY_S = 0.25
UNSTORED = ("stop", "target", "flatten")
OVERLAP = timedelta(seconds=5)
log = logging.getLogger(__name__)


class LiveOrders:
    """Of one account, whose lock the caller has.

    `doubt` says that something was done of which the books may not know: only a reconcile ends it. `lease_left` is in
    seconds; an order whose signature would outlive the lease is not sent.
    """

    def __init__(self, seat: LockedAccount, venue: LiveVenue, clock: Clock, lease_left: Callable[[], float]) -> None:
        self._seat = seat
        self._venue = venue
        self._clock = clock
        self._lease_left = lease_left
        self._settles: dict[str, datetime] = {}
        self._taken = clock.wall() + timedelta(seconds=venue.validity_s)
        self.doubt = True

    def at_once(
        self, turn: Turn, gone: Sequence[str], orders: Sequence[WorkingOrder], reason: OrderReason
    ) -> Turn | None:
        """Never: a plan is stored, and only then sent."""
        return None

    async def submit_all(self, orders: Sequence[Submittable], checked_at: datetime | None = None) -> Sequence[Reply]:
        """A plan's orders. One that was begun before is not begun again: it is asked for until it is certain."""
        book, market = self._seat.book, planning(self._seat.market())
        taken = [order_of(order) for order in orders]
        begun = {*book.executed, *book.orders}
        fresh = [o for o in taken if not {o.intent.client_order_id, o.intent.origin} & begun]
        turn = Turn(book)
        for order in fresh:
            turn = paper.submit(turn, order, market)
        await self.apply(replace(turn, book=marked(turn.book, (o.intent.origin for o in fresh))))
        return ()

    async def cancel(
        self, symbol: str, client_order_id: str, reason: OrderReason = OrderReason.DECISION
    ) -> CancelReply:
        await self.apply(paper.canceled(Turn(self._seat.book), client_order_id, reason, self._clock.now()))
        return Canceled(client_order_id, found=client_order_id not in self._seat.book.orders)

    async def apply(self, turn: Turn) -> None:
        """Ask the venue for what the turn wants, and write what came of it."""
        before = self._seat.book
        if turn.book is before and not turn.changes:
            return
        self.doubt, doubted = True, self.doubt
        stripped, steps = wanted(before, turn, self._clock.now())
        done = settled(await self._perform(stripped, steps), self._clock.now())
        if done.book is not self._seat.book:
            await self._seat.save(done)
        self.doubt = doubted

    def trust(self) -> None:
        """The books are the venue's: a reconcile has just ended."""
        self.doubt = False

    async def resend(self, order: WorkingOrder) -> None:
        """An order in the book that the venue does not have, and cannot get any more: send it under its id."""
        self.doubt, doubted = True, self.doubt
        await self._seat.save(settled(await self._place(Turn(self._seat.book), order), self._clock.now()))
        self.doubt = doubted

    async def book(self, reports: Iterable[FillReport]) -> None:
        """Fills that the venue has told, with the protection that they ask for."""
        for report in reports:
            await self.apply(booking.matched(Turn(self._seat.book), report, planning(self._seat.market())))

    def certain(self, order: WorkingOrder) -> bool:
        """Whether "not found" is final: the validity of every request that may be on its way has ended."""
        return self._clock.wall() >= self._settles.get(order.intent.client_order_id, self._taken)

    async def _perform(self, turn: Turn, steps: Sequence[Step]) -> Turn:
        """What protects is sent before it is stored; everything else is in the account's document first, so that a
        kill in between sends nothing twice."""
        places = [step.order for step in steps if isinstance(step, SendOrder)]
        for order in [o for o in places if o.intent.leg in UNSTORED]:
            turn = await self._place(turn, order)
        turn = await self._stored(turn, [o for o in places if o.intent.leg == "exit"])
        stuck: set[str] = set()
        for step in steps:
            if isinstance(step, Cancel) and _in_place(turn, step):
                turn, gone = await self._cancel(turn, step)
                stuck |= set() if gone else {step.symbol}
        # never a second entry beside one that may still fill
        return await self._stored(turn, [o for o in places if o.intent.leg == "entry" and o.intent.symbol not in stuck])

    async def _stored(self, turn: Turn, orders: Sequence[WorkingOrder]) -> Turn:
        if not orders:
            return turn
        now = self._clock.now()
        await self._seat.save(settled(booking.sending(turn, orders, now), now))
        hit("executor.live_stored")
        turn = Turn(self._seat.book)
        for order in orders:
            turn = await self._place(turn, turn.book.orders[order.intent.client_order_id])
        return turn

    async def _place(self, turn: Turn, order: WorkingOrder) -> Turn:
        reply = await self._send(order)
        hit("executor.live_sent")
        now, client_order_id = self._clock.now(), order.intent.client_order_id
        if isinstance(reply, Unknown):
            self._settles[client_order_id] = reply.settled_at
        if isinstance(reply, NotSent):
            return self._waiting(turn, order, reply)
        turn = booking.answered(turn, order, reply, now)
        if isinstance(reply, Exists) or (isinstance(reply, Placed) and reply.filled > 0):
            return await self._caught_up(turn, order)
        return turn

    async def _send(self, order: WorkingOrder) -> Reply:
        if self._lease_left() < self._venue.validity_s:
            return NotSent(order.intent.client_order_id, RETRY_S, "too little of the lease is left")
        proof: Submittable = ProtectiveOrder(order) if order.intent.leg in UNSTORED else Stored(order)
        return await self._venue.submit(proof, self._clock.wall())

    def _waiting(self, turn: Turn, order: WorkingOrder, reply: NotSent) -> Turn:
        """Kept in the book as new, to be sent with the next timers; an entry that no waiting helps is given up."""
        now = self._clock.now()
        log.warning("%s was not sent: %s", order.intent.client_order_id, reply.detail)
        if reply.retry_after_s is None and not order.intent.reduce_only:
            return booking.rejected(turn, order, OrderReason.VENUE_ERROR, reply.detail, now)
        return replace(turn, book=with_order(turn.book, replace(order, intent=stated(order.intent, "new", now))))

    async def _caught_up(self, turn: Turn, order: WorkingOrder) -> Turn:
        """All fills of the symbol up to now, in their order, and at once the protection that they ask for."""
        symbol = order.intent.symbol
        begun = min(o.created_at for o in (order, *turn.book.of(symbol)))
        try:
            reports = await self._venue.fills(symbol, min(begun, self._clock.wall()) - OVERLAP)
        except Unavailable as error:
            log.warning("fills of %s wait: %s", symbol, error)
            return turn
        for report in sorted(reports, key=booking.in_order):
            planned = booking.matched(Turn(turn.book), report, planning(self._seat.market()))
            stripped, steps = wanted(turn.book, planned, self._clock.now())
            turn = await self._perform(Turn(stripped.book, (*turn.changes, *stripped.changes)), steps)
        return turn

    async def _cancel(self, turn: Turn, step: Cancel) -> tuple[Turn, bool]:
        """The turn, and whether the order is surely gone with all of its fills booked."""
        order = turn.book.orders.get(step.client_order_id)
        if order is None:
            return turn, True
        now = self._clock.now()
        if order.intent.state == "new":
            return cancel(turn, order, step.reason, now, expired=step.expired), True
        reply = await self._venue.cancel(step.symbol, step.client_order_id, step.reason)
        if not isinstance(reply, Canceled):
            return turn, False
        if reply.found and order.intent.reduce_only:
            return cancel(turn, order, step.reason, now, expired=step.expired), True
        try:
            report = await self._venue.fetch_order(step.symbol, step.client_order_id)
        except Unavailable:
            return turn, False
        if report is not None and report.filled > order.filled:
            turn = await self._caught_up(turn, order)
            order = turn.book.orders.get(step.client_order_id)
        if order is None:
            return turn, False
        if report is not None and report.filled > order.filled:
            return turn, False
        return cancel(turn, order, step.reason, now, expired=step.expired), True


def _in_place(turn: Turn, step: Cancel) -> bool:
    """Whether what takes the place of a stop or target stands: until then the old one stays, also where the venue
    refuses the new one. Two that stand are tidied up with the timers."""
    old = turn.book.orders.get(step.client_order_id)
    if step.reason is not OrderReason.REPLACED or old is None or old.intent.leg not in TYPES:
        return True
    return any(o is not old for o in standing(turn.book, step.symbol, old.intent.leg))
