"""MongoDB in memory: an account's document is written where its version and fence are what the writer believes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from libs.invariants.rows import BookRow, IntentRow, PlanRow
from libs.runtime.errors import Conflict
from libs.schemas import ids
from libs.schemas.ids import PARTITIONS
from libs.schemas.orders import TERMINAL_STATES, OrderEvent, OrderPlan
from services.executor.adapters.documents import book_of, document
from services.executor.domain.book import AccountBook, WorkingOrder
from services.executor.domain.changes import Outgoing
from services.executor.domain.plan import orders
from services.executor.ports import Fenced, StoredAccount, TakenPartition
from services.executor.ports.venues import Stored
from simulation.process import Link, SimulatedProcess, SimulatedWorld

LEASE_S = 3.0


@dataclass(slots=True)
class AccountDocument:
    book: AccountBook
    fence: int
    outbox: dict[str, Outgoing] = field(default_factory=dict)
    plans: dict[str, OrderPlan] = field(default_factory=dict)


@dataclass(slots=True)
class LeaseDocument:
    holder: str | None = None
    fence: int = 0
    until: float = 0.0


@dataclass(slots=True)
class ExecutorDatabase:
    """What the executor keeps."""

    world: SimulatedWorld
    documents: dict[str, AccountDocument] = field(default_factory=dict)
    history: dict[str, OrderPlan] = field(default_factory=dict)
    intents: dict[str, str] = field(default_factory=dict)
    terms: dict[int, LeaseDocument] = field(default_factory=dict)
    copies: dict[str, float] = field(default_factory=dict)

    def books(self) -> dict[str, BookRow]:
        """As `perpetua verify` reads them."""
        return {name: _book_row(found) for name, found in self.documents.items()}

    def plans(self) -> dict[str, PlanRow]:
        kept = [(plan, False) for found in self.documents.values() for plan in found.plans.values()]
        kept += [(plan, True) for plan in self.history.values()]
        return {plan.plan_id: _plan_row(plan, carried_out=done) for plan, done in kept}


def _book_row(found: AccountDocument) -> BookRow:
    book = found.book
    return BookRow(
        account_id=book.account_id,
        version=book.version,
        initial=book.initial_balance,
        wallet=book.wallet,
        gained=book.realised_total - book.fees_total + book.funding_total + book.insolvency,
        working=frozenset(book.orders),
        untold=frozenset(found.outbox),
    )


def _plan_row(plan: OrderPlan, *, carried_out: bool) -> PlanRow:
    intents = (IntentRow(one.client_order_id, one.symbol, one.leg, one.quantity) for one in plan.intents)
    return PlanRow(plan.plan_id, plan.account_id, plan.account_version, tuple(intents), carried_out)


class SimulatedAccounts:
    """What MongoAccounts does, with the same conditions; what is read has been through a document."""

    def __init__(self, process: SimulatedProcess, database: ExecutorDatabase) -> None:
        self.link = Link(process, "mongodb", ordered=False)
        self.database = database
        self._off = process.world.off

    async def load(self, account_id: str) -> StoredAccount | None:
        return await self.link.ask("load", lambda: self._read(account_id), account_id)

    async def take(self, partition: int, fence: int) -> TakenPartition:
        return await self.link.ask("take", lambda: self._take(partition, fence), str(partition))

    async def create(self, book: AccountBook, fence: int) -> bool:
        return await self.link.ask("create", lambda: self._create(book, fence), book.account_id)

    async def write(
        self,
        before: AccountBook,
        after: AccountBook,
        fence: int,
        outbox: Sequence[Outgoing],
        plan: OrderPlan | None = None,
    ) -> None:
        def update() -> None:
            self._write(before, after, fence, outbox, plan)

        if "confirmed_write" in self._off:
            self.link.tell("write", update)
            return
        await self.link.ask("write", update, f"{after.account_id} {after.version}")

    async def checkpoint(self, books: Sequence[AccountBook], fence: int) -> None:
        def update() -> None:
            for book in books:
                found = self.database.documents.get(book.account_id)
                if found and found.fence == fence:
                    seen = max(found.book.market_sequence, book.market_sequence)
                    found.book = replace(found.book, market_sequence=seen)

        await self.link.ask("checkpoint", update)

    async def clear(self, account_id: str, event_ids: Sequence[str], plan_ids: Sequence[str] = ()) -> None:
        def update() -> None:
            found = self.database.documents[account_id]
            for name in event_ids:
                found.outbox.pop(name, None)
            for name in plan_ids:
                found.plans.pop(name, None)

        await self.link.ask("clear", update, account_id)

    def _read(self, account_id: str) -> StoredAccount | None:
        found = self.database.documents.get(account_id)
        if found is None:
            return None
        book = book_of(document(found.book, found.fence))
        return StoredAccount(book, found.fence, tuple(found.outbox.values()))

    def _take(self, partition: int, fence: int) -> TakenPartition:
        mine = [name for name in self.database.documents if ids.partition(name) == partition]
        for name in mine:
            found = self.database.documents[name]
            found.fence = max(found.fence, fence)
            if found.fence > fence:
                raise Fenced(f"partition {partition} was taken by another process")
        return TakenPartition(tuple(kept for name in mine if (kept := self._read(name))), {})

    def _create(self, book: AccountBook, fence: int) -> bool:
        if book.account_id in self.database.documents:
            return False
        self.database.documents[book.account_id] = AccountDocument(book, fence)
        return True

    def _write(
        self,
        before: AccountBook,
        after: AccountBook,
        fence: int,
        outbox: Sequence[Outgoing],
        plan: OrderPlan | None,
    ) -> None:
        found, off = self.database.documents[before.account_id], self._off
        if found.fence > fence and "one_writer" not in off:
            raise Fenced(f"{before.account_id} is held under {found.fence}, not under {fence}")
        if found.book.version != before.version and "one_writer" not in off:
            raise Conflict(f"{before.account_id} is at version {found.book.version}, not at {before.version}")
        found.book = replace(after, executed=()) if "executed_once" in off else after
        found.fence = fence
        if "outbox_in_the_write" not in off:
            found.outbox |= {event.event_id: event for event in outbox}
        if plan is not None and "stored_before_sent" not in off:
            found.plans[plan.plan_id] = plan
        self.database.world.note("mongodb", f"{after.account_id} is at version {after.version} under {fence}")


class SimulatedPlans:
    def __init__(self, accounts: SimulatedAccounts) -> None:
        self._accounts = accounts
        self._database = accounts.database
        self._off = accounts.database.world.off

    async def find(self, account_id: str, decision_id: str) -> Stored[OrderPlan] | None:
        def look() -> OrderPlan | None:
            present = self._database.documents.get(account_id)
            return (present.plans.get(decision_id) if present else None) or self._database.history.get(decision_id)

        found = await self._accounts.link.ask("find", look, decision_id)
        return Stored(found) if found else None

    async def store(
        self, plan: OrderPlan, before: AccountBook, after: AccountBook, fence: int, outbox: Sequence[Outgoing]
    ) -> Stored[OrderPlan]:
        await self._accounts.write(before, after, fence, outbox, plan)
        return Stored(plan)

    def orders(self, plan: Stored[OrderPlan]) -> Sequence[Stored[WorkingOrder]]:
        return tuple(Stored(order) for order in orders(plan.value))

    async def keep(self, plans: Sequence[Stored[OrderPlan]]) -> None:
        if not plans or "plans_kept" in self._off:
            return
        done = {plan.value.plan_id: plan.value.model_copy(update={"state": "done"}) for plan in plans}
        await self._accounts.link.ask("keep", lambda: self._database.history.update(done))

    async def unfinished(self, account_ids: Sequence[str]) -> Sequence[Stored[OrderPlan]]:
        def look() -> list[OrderPlan]:
            present = (self._database.documents.get(name) for name in account_ids)
            return [plan for found in present if found for plan in found.plans.values()]

        found = await self._accounts.link.ask("unfinished", look)
        return tuple(Stored(plan) for plan in sorted(found, key=lambda plan: plan.planned_at))

    async def project(self, events: Iterable[OrderEvent]) -> None:
        ended = {e.intent.client_order_id: str(e.intent.state) for e in events if e.intent.state in TERMINAL_STATES}

        def update() -> None:
            for name, state in ended.items():
                self._database.intents.setdefault(name, state)

        if ended and "intents_kept" not in self._off:
            await self._accounts.link.ask("project", update)


class SimulatedLeases:
    """By the server's clock, which never jumps."""

    ttl_s = LEASE_S

    def __init__(self, process: SimulatedProcess, database: ExecutorDatabase) -> None:
        self._link = Link(process, "mongodb", ordered=False)
        self._database = database
        self._loop = process.world.loop

    async def beat(self, holder: str) -> int:
        def update() -> int:
            self._database.copies[holder] = self._loop.time() + LEASE_S
            return sum(until > self._loop.time() for until in self._database.copies.values())

        return await self._link.ask("beat", update)

    async def free(self, holder: str) -> Sequence[int]:
        def look() -> tuple[int, ...]:
            return tuple(p for p in range(PARTITIONS) if self._takable(self._lease(p), holder))

        return await self._link.ask("free", look)

    async def acquire(self, partition: int, holder: str) -> int | None:
        def update() -> int | None:
            lease = self._lease(partition)
            if not self._takable(lease, holder):
                return None
            lease.holder, lease.fence, lease.until = holder, lease.fence + 1, self._loop.time() + LEASE_S
            return lease.fence

        return await self._link.ask("acquire", update, str(partition))

    async def renew(self, fences: Mapping[int, int], holder: str) -> frozenset[int]:
        def update() -> frozenset[int]:
            kept = [
                p for p, fence in fences.items() if (self._lease(p).holder, self._lease(p).fence) == (holder, fence)
            ]
            for partition in kept:
                self._lease(partition).until = self._loop.time() + LEASE_S
            return frozenset(kept)

        return await self._link.ask("renew", update)

    async def release(self, partition: int, holder: str, fence: int) -> None:
        def update() -> None:
            lease = self._lease(partition)
            if (lease.holder, lease.fence) == (holder, fence):
                lease.holder, lease.until = None, self._loop.time()

        await self._link.ask("release", update)

    async def leave(self, holder: str) -> None:
        await self._link.ask("leave", lambda: self._database.copies.pop(holder, None))

    def _lease(self, partition: int) -> LeaseDocument:
        return self._database.terms.setdefault(partition, LeaseDocument())

    def _takable(self, lease: LeaseDocument, holder: str) -> bool:
        return lease.holder in (None, holder) or lease.until <= self._loop.time()
