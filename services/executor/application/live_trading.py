"""Trading at a live venue, which has to be asked, listened to and reconciled with."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

from libs.runtime.errors import Unavailable
from libs.schemas.account import ControlRequested
from libs.schemas.orders import TERMINAL_STATES
from services.executor.application.away import BEYOND, LATER
from services.executor.application.live_orders import LiveOrders
from services.executor.application.live_truth import truth
from services.executor.application.open_book import OpenBook
from services.executor.application.trading import Certain
from services.executor.domain import booking
from services.executor.domain.adopting import adopted
from services.executor.domain.bands import Band
from services.executor.domain.book import WorkingOrder
from services.executor.domain.changes import Turn
from services.executor.domain.control import control
from services.executor.domain.reconcile import Difference, Foreign, Lost, Missed, Stray, corrected, foreign, reconcile
from services.executor.domain.replies import FillReport, Gap, OrderReport
from services.executor.domain.steps import planning
from services.executor.domain.tidy import tidied
from services.executor.domain.timers import tended
from services.executor.ports import Deps, MarketEvent
from services.executor.ports.venues import LiveVenue

RECONCILE_S = 30.0
RETRY_S = 1.0
ROUNDS = 8
UNSETTLED = ("new", "submitting", "unknown")
log = logging.getLogger(__name__)


class LiveTrading:
    """Nothing new is opened before it is reconciled once. `foreign` are positions at the venue that are not ours.

    Ticks are prices to a live account: what they trigger, its venue triggers, and tells.
    """

    def __init__(self, deps: Deps, seat: OpenBook, venue: LiveVenue, orders: LiveOrders) -> None:
        self._deps = deps
        self._seat = seat
        self._venue = venue
        self._orders = orders
        self.reconciled = False
        self.foreign: tuple[str, ...] = ()
        self._known: set[Foreign] = set()
        self._next = 0.0

    @property
    def orders(self) -> LiveOrders:
        return self._orders

    def admit(self) -> None:
        if not self.reconciled:
            raise Unavailable(f"{self._seat.book.account_id} is not reconciled with its venue yet")

    async def begin(self) -> None:
        if self._orders.doubt:
            await self.reconcile()

    async def control(self, body: ControlRequested) -> None:
        await self._orders.apply(control(Turn(self._seat.book), body, planning(self._seat.market())))

    async def tend(self) -> None:
        """What is in doubt first; then what time asks for; then what should rest at the venue and does not."""
        if self._deps.clock.monotonic() >= self._next:
            await self.reconcile()
        await self._settle_orders()
        market = planning(self._seat.market())
        turn = tended(Turn(self._seat.book), market, self._seat.bounds())
        await self._orders.apply(tidied(turn, market.now))

    def ails(self) -> bool:
        due = self._orders.doubt or self._deps.clock.monotonic() >= self._next
        return due or any(_polled(order) for order in self._seat.book.orders.values())

    def bands(self) -> dict[str, Band]:
        return {}

    async def react(self, event: MarketEvent, sequence: int) -> None:
        """Nothing: the venue tells what a tick has done."""

    async def listen(self, certain: Certain) -> None:
        async for event in self._venue.stream():
            while not self._seat.lost:
                try:
                    await self._heard(event, certain)
                except LATER as error:
                    log.warning("the stream of %s waits: %r", self._seat.book.account_id, error)
                    await asyncio.sleep(RETRY_S)
                except BEYOND as error:
                    log.critical("%s of %s makes no possible money: %r", event, self._seat.book.account_id, error)
                    self._next = 0.0
                    break
                else:
                    break

    async def close(self) -> None:
        await self._venue.close()

    async def reconcile(self, *, adopt: bool = False) -> None:
        """Fills first, each with its protection; then everything that they do not explain.

        Once in a turn of its own before anything is opened. Raises Unavailable where the venue cannot be asked.
        """
        asked = self._deps.clock.wall()
        for _ in range(ROUNDS):
            found = reconcile(self._seat.book, await truth(self._seat.book, self._venue, self._orders, self._deps))
            for difference in found:
                await self._correct(difference, adopt=adopt)
            if not any(isinstance(d, Missed) for d in found):
                break
        self.foreign = foreign(found)
        self._known = {d for d in found if isinstance(d, Foreign)}
        self.reconciled = True
        self._orders.trust()
        self._next = self._deps.clock.monotonic() + RECONCILE_S
        if self._seat.book.reconciled_at is None or found:
            await self._seat.save(Turn(replace(self._seat.book, reconciled_at=asked)))

    async def _correct(self, difference: Difference, *, adopt: bool = False) -> None:
        if isinstance(difference, Foreign) and difference in self._known:
            return
        order = self._seat.book.orders.get(difference.client_order_id) if isinstance(difference, Lost) else None
        if order is not None and self._still_wanted(order):
            await self._orders.resend(order)
            return
        if isinstance(difference, Foreign) and adopt:
            await self._orders.apply(adopted(Turn(self._seat.book), difference, self._seat.market().now))
            return
        if isinstance(difference, Stray):
            await self._venue.cancel(difference.symbol, difference.client_order_id)
        if not isinstance(difference, Missed):
            log.warning("%s: %s", self._seat.book.account_id, difference)
        await self._orders.apply(corrected(Turn(self._seat.book), difference, planning(self._seat.market())))

    def _still_wanted(self, order: WorkingOrder) -> bool:
        """An exit always; an entry while its decision is valid and the account may open."""
        if order.intent.reduce_only:
            return order.intent.symbol in self._seat.book.positions
        ends = order.intent.expires_at or order.valid_until
        return self._seat.book.trading_state == "active" and (ends is None or self._deps.clock.now() < ends)

    async def _settle_orders(self) -> None:
        """Ask for orders that nobody is sure of, and for those that cannot rest, until they are terminal."""
        for order in [o for o in self._seat.book.orders.values() if _polled(o)]:
            if order.intent.state == "new":
                wanted = self._still_wanted(order)
                await (self._orders.resend(order) if wanted else self._correct(Lost(order.intent.client_order_id)))
                continue
            report = await self._venue.fetch_order(order.intent.symbol, order.intent.client_order_id)
            if report is not None:
                await self._told(report)
            elif self._orders.certain(order):
                await self._correct(Lost(order.intent.client_order_id))

    async def _told(self, report: OrderReport) -> None:
        """An order's state; where it has fills that we have not, they are asked for first."""
        order = self._seat.book.orders.get(report.client_order_id)
        if order is not None and order.filled < report.filled:
            since = order.created_at - timedelta(seconds=5)
            fills = await self._venue.fills(report.symbol, since)
            await self._orders.book(f for f in fills if f.client_order_id == report.client_order_id)
        await self._orders.apply(booking.seen(Turn(self._seat.book), report, self._seat.market().now))

    async def _heard(self, event: object, certain: Certain) -> None:
        if isinstance(event, Gap):
            self._next = 0.0
        elif isinstance(event, FillReport):
            async with certain():
                await self._filled(event)
        elif isinstance(event, OrderReport) and event.state in TERMINAL_STATES:
            async with certain():
                await self._told(event)

    async def _filled(self, report: FillReport) -> None:
        """A fill that is not ours is left to the reconciler, which knows all of them in their order."""
        if booking.key(report) in self._seat.book.told:
            return
        if report.client_order_id in self._seat.book.orders:
            await self._orders.book([report])
        else:
            self._next = 0.0


def _polled(order: WorkingOrder) -> bool:
    return order.intent.state in UNSETTLED or order.intent.type == "market"
