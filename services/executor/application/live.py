"""One live account: the same turns as on paper, with a venue that has to be asked, listened to and reconciled with."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta

from libs.runtime.ending import end
from libs.runtime.errors import Conflict, Unavailable
from libs.schemas.account import ControlRequested
from libs.schemas.orders import TERMINAL_STATES, OrderPlan
from libs.schemas.verdict import DecisionValidated
from services.executor.application.board import Board
from services.executor.application.desk import BEYOND, Desk
from services.executor.application.live_orders import LiveOrders
from services.executor.application.live_truth import truth
from services.executor.application.relay import AWAY
from services.executor.application.view import VenueView
from services.executor.domain import booking
from services.executor.domain.adopting import adopted
from services.executor.domain.bands import Band
from services.executor.domain.book import AccountBook, WorkingOrder
from services.executor.domain.changes import Turn
from services.executor.domain.control import control
from services.executor.domain.reconcile import Difference, Foreign, Lost, Missed, Stray, corrected, foreign, reconcile
from services.executor.domain.replies import FillReport, Gap, OrderReport
from services.executor.domain.steps import planning
from services.executor.domain.tidy import tidied
from services.executor.domain.timers import tended
from services.executor.ports import Deps, Fenced, LiveVenue, MarketEvent, Stored, StoredAccount

RECONCILE_S = 30.0
RETRY_S = 1.0
ROUNDS = 8
UNSETTLED = ("new", "submitting", "unknown")
LATER: tuple[type[Exception], ...] = (*AWAY, Conflict, Fenced)
log = logging.getLogger(__name__)


class Blind(VenueView):
    """Ticks are prices to a live account: what they trigger, its venue triggers."""

    def bands(self, book: AccountBook) -> dict[str, Band]:
        return {}


class LiveDesk(Desk):
    """Nothing new is opened before it is reconciled once. `foreign` are positions at the venue that are not ours."""

    def __init__(
        self,
        deps: Deps,
        board: Board,
        account: StoredAccount,
        fence: int,
        venue: LiveVenue,
        lease_left: Callable[[], float],
    ) -> None:
        self.venue = venue
        self.orders = LiveOrders(self, venue, deps.clock, lease_left)
        super().__init__(replace(deps, venue=lambda seat: self.orders), board, account, fence)
        self._view = Blind(deps, board)
        self._bands = {}
        self.reconciled = False
        self.foreign: tuple[str, ...] = ()
        self._known: set[Foreign] = set()
        self._next = 0.0
        self._adopt = False
        self._tasks = [asyncio.create_task(self._listen(), name=f"stream-{account.book.account_id}")]

    async def execute(self, body: DecisionValidated, *, redelivered: bool, trace: str | None = None) -> None:
        if not self.reconciled:
            raise Unavailable(f"{self.book.account_id} is not reconciled with its venue yet")
        async with self._certain():
            await self._execution.run(body, redelivered=redelivered, trace=trace)

    async def resume(self, plan: Stored[OrderPlan]) -> None:
        async with self._certain():
            await self._execution.finish(plan)

    async def control(self, body: ControlRequested) -> None:
        async with self._certain():
            await self.orders.apply(control(Turn(self.book), body, planning(self.market())))

    async def tend(self) -> None:
        """What is in doubt first; then what time asks for; then what should rest at the venue and does not."""
        async with self._certain():
            if self._deps.clock.monotonic() >= self._next:
                await self._reconcile()
            await self._settle_orders()
            market = planning(self.market())
            turn = tended(Turn(self.book), market, self._view.bounds(self.book))
            await self.orders.apply(tidied(turn, market.now))

    def ails(self) -> bool:
        due = self.orders.doubt or self._deps.clock.monotonic() >= self._next
        return due or any(_polled(order) for order in self.book.orders.values()) or super().ails()

    async def reconcile(self, *, adopt: bool = False) -> None:
        """Once, before anything is opened. Raises Unavailable where the venue cannot be asked."""
        self._adopt = adopt
        async with self._turn():
            await self._reconcile()

    async def close(self, *, patience: float) -> None:
        await super().close(patience=patience)
        await end(self._tasks)
        await self.venue.close()

    @contextlib.asynccontextmanager
    async def _certain(self) -> AsyncIterator[None]:
        """A turn that begins with books that are the venue's, whatever the last one did and could not write."""
        async with self._turn():
            if self.orders.doubt:
                await self._reconcile()
            yield

    async def _apply(self, event: MarketEvent, sequence: int) -> None:
        """Nothing: the venue tells what a tick has done."""

    async def _reconcile(self) -> None:
        """Fills first, each with its protection; then everything that they do not explain."""
        asked = self._deps.clock.wall()
        for _ in range(ROUNDS):
            found = reconcile(self.book, await truth(self.book, self.venue, self.orders, self._deps))
            for difference in found:
                await self._correct(difference)
            if not any(isinstance(d, Missed) for d in found):
                break
        self.foreign, self._adopt = foreign(found), False
        self._known = {d for d in found if isinstance(d, Foreign)}
        self.reconciled, self.orders.doubt = True, False
        self._next = self._deps.clock.monotonic() + RECONCILE_S
        if self.book.reconciled_at is None or found:
            await self.save(Turn(replace(self.book, reconciled_at=asked)))

    async def _correct(self, difference: Difference) -> None:
        if isinstance(difference, Foreign) and difference in self._known:
            return
        order = self.book.orders.get(difference.client_order_id) if isinstance(difference, Lost) else None
        if order is not None and self._still_wanted(order):
            await self.orders.resend(order)
            return
        if isinstance(difference, Foreign) and self._adopt:
            await self.orders.apply(adopted(Turn(self.book), difference, self.market().now))
            return
        if isinstance(difference, Stray):
            await self.venue.cancel(difference.symbol, difference.client_order_id)
        if not isinstance(difference, Missed):
            log.warning("%s: %s", self.book.account_id, difference)
        await self.orders.apply(corrected(Turn(self.book), difference, planning(self.market())))

    def _still_wanted(self, order: WorkingOrder) -> bool:
        """An exit always; an entry while its decision is valid and the account may open."""
        if order.intent.reduce_only:
            return order.intent.symbol in self.book.positions
        ends = order.intent.expires_at or order.valid_until
        return self.book.trading_state == "active" and (ends is None or self._deps.clock.now() < ends)

    async def _settle_orders(self) -> None:
        """Ask for orders that nobody is sure of, and for those that cannot rest, until they are terminal."""
        for order in [o for o in self.book.orders.values() if _polled(o)]:
            if order.intent.state == "new":
                wanted = self._still_wanted(order)
                await (self.orders.resend(order) if wanted else self._correct(Lost(order.intent.client_order_id)))
                continue
            report = await self.venue.fetch_order(order.intent.symbol, order.intent.client_order_id)
            if report is not None:
                await self._told(report)
            elif self.orders.certain(order):
                await self._correct(Lost(order.intent.client_order_id))

    async def _told(self, report: OrderReport) -> None:
        """An order's state; where it has fills that we have not, they are asked for first."""
        order = self.book.orders.get(report.client_order_id)
        if order is not None and order.filled < report.filled:
            since = order.created_at - timedelta(seconds=5)
            fills = await self.venue.fills(report.symbol, since)
            await self.orders.book(f for f in fills if f.client_order_id == report.client_order_id)
        await self.orders.apply(booking.seen(Turn(self.book), report, self.market().now))

    async def _listen(self) -> None:
        async for event in self.venue.stream():
            while not self.lost:
                try:
                    await self._heard(event)
                except LATER as error:
                    log.warning("the stream of %s waits: %r", self.book.account_id, error)
                    await asyncio.sleep(RETRY_S)
                except BEYOND as error:
                    log.critical("%s of %s makes no possible money: %r", event, self.book.account_id, error)
                    self._next = 0.0
                    break
                else:
                    break

    async def _heard(self, event: object) -> None:
        if isinstance(event, Gap):
            self._next = 0.0
        elif isinstance(event, FillReport):
            async with self._certain():
                await self._filled(event)
        elif isinstance(event, OrderReport) and event.state in TERMINAL_STATES:
            async with self._certain():
                await self._told(event)

    async def _filled(self, report: FillReport) -> None:
        """A fill that is not ours is left to the reconciler, which knows all of them in their order."""
        if booking.key(report) in self.book.told:
            return
        if report.client_order_id in self.book.orders:
            await self.orders.book([report])
        else:
            self._next = 0.0


def _polled(order: WorkingOrder) -> bool:
    return order.intent.state in UNSETTLED or order.intent.type == "market"


async def stopped(desk: LiveDesk) -> None:
    """Let go of a desk that was never opened."""
    with contextlib.suppress(*LATER):
        await desk.close(patience=0)
