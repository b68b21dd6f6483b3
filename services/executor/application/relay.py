"""From an account's outbox to the bus: KV `state` and the events, then they leave the outbox; plans to the history."""

import asyncio
import contextvars
import logging
from collections.abc import Sequence

from libs.runtime.emit import Emit
from libs.runtime.ending import end, together
from libs.runtime.failpoints import hit
from libs.schemas.orders import OrderEvent, OrderPlan
from services.executor.application.away import AWAY
from services.executor.domain.book import AccountBook
from services.executor.domain.changes import Outgoing
from services.executor.domain.state import account_state
from services.executor.ports import Deps
from services.executor.ports.venues import Stored

RETRY_S = 0.5
log = logging.getLogger(__name__)


class Relay:
    """Of one account. Runs while there is something to send, in order; what cannot be sent waits."""

    def __init__(self, deps: Deps, account_id: str) -> None:
        self._deps = deps
        self._account_id = account_id
        self._book: AccountBook | None = None
        self._waiting: dict[str, Outgoing] = {}
        self._plans: dict[str, Stored[OrderPlan]] = {}
        self._task: asyncio.Task[None] | None = None

    def push(self, book: AccountBook, outbox: tuple[Outgoing, ...]) -> None:
        """Send this state and these events; an event that waits already is sent once."""
        self._book = book
        self._waiting.update((event.event_id, event) for event in outbox)
        self._begin()

    def close(self, book: AccountBook, plan: Stored[OrderPlan]) -> None:
        """Keep a plan that is carried out, and take it out of its account."""
        self._book = book
        self._plans[plan.value.plan_id] = plan
        self._begin()

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            # not in the context of what pushed: events carry the trace that each follows from
            name = f"relay-{self._account_id}"
            self._task = asyncio.create_task(self._run(), name=name, context=contextvars.Context())

    async def idle(self) -> None:
        """Return when everything was sent."""
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    async def abandon(self) -> None:
        """The account is another process's now; what is in the outbox is relayed there."""
        if self._task is not None:
            await end([self._task])

    async def _run(self) -> None:
        while self._book is not None:
            book, self._book = self._book, None
            batch, plans = tuple(self._waiting.values()), tuple(self._plans.values())
            try:
                await together(self._tell(batch), self._show(book))
                await self._clear(book.account_id, batch, plans)
            except AWAY as error:
                log.warning("events of %s wait: %r", self._account_id, error)
                self._book = self._book or book
                await asyncio.sleep(RETRY_S)
                continue
            for event in batch:
                self._waiting.pop(event.event_id, None)
            for plan in plans:
                self._plans.pop(plan.value.plan_id, None)

    async def _show(self, book: AccountBook) -> None:
        """Beside the events: who needs the state of an event looks at its version."""
        config = self._deps.config.account(book.account_id)
        symbol = config.symbols[0] if config else ""
        await self._deps.states.put(account_state(book, self._deps.config.venue_symbol(book.venue, symbol)))
        hit("executor.after_state")

    async def _tell(self, batch: Sequence[Outgoing]) -> None:
        if batch:
            await self._deps.publisher.publish_many(_emit(event) for event in batch)
            hit("executor.after_publish")

    async def _clear(self, account_id: str, batch: Sequence[Outgoing], plans: Sequence[Stored[OrderPlan]]) -> None:
        """One update for what was told and what was kept."""
        if batch:
            await self._deps.plans.project(e.body for e in batch if isinstance(e.body, OrderEvent))
            hit("executor.after_project")
        await self._deps.plans.keep(plans)
        if batch or plans:
            await self._deps.accounts.clear(account_id, [e.event_id for e in batch], [p.value.plan_id for p in plans])
            hit("executor.after_clear")
        if plans:
            hit("executor.after_done")


def _emit(event: Outgoing) -> Emit:
    cause = {"traceparent": event.trace} if event.trace else None
    return Emit(event.subject, event.body, event.correlation_id, cause)
