"""The executor's ports in memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from libs.runtime.emit import Emit
from libs.runtime.errors import Conflict, Unavailable
from libs.schemas import ids
from libs.schemas.account import Account, AccountState, ControlRequested, Leg
from libs.schemas.orders import OrderEvent, OrderPlan
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol
from services.executor.adapters.paper import PaperVenue
from services.executor.domain.book import AccountBook, WorkingOrder
from services.executor.domain.changes import Outgoing
from services.executor.domain.plan import orders
from services.executor.ports import Deps, MarketEvent, StoredAccount, TakenPartition
from services.executor.ports.venues import Stored
from tests.fakes import executor_values as values
from tests.fakes.clock import FakeClock


@dataclass
class FakeAccounts:
    stored: dict[str, StoredAccount] = field(default_factory=dict)
    broken: Exception | None = None
    unreadable: dict[str, str] = field(default_factory=dict)
    away: Exception | None = None
    writes_left: int | None = None

    async def load(self, account_id: str) -> StoredAccount | None:
        return self.stored.get(account_id)

    async def take(self, partition: int, fence: int) -> TakenPartition:
        if self.broken is not None:
            raise self.broken
        mine = tuple(a for name, a in self.stored.items() if ids.partition(name) == partition)
        return TakenPartition(mine, self.unreadable)

    async def create(self, book: AccountBook, fence: int) -> bool:
        return self.stored.setdefault(book.account_id, made := StoredAccount(book, fence)) is made

    async def write(self, before: AccountBook, after: AccountBook, fence: int, outbox: Sequence[Outgoing]) -> None:
        if self.away is not None:
            raise self.away
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left < 0:
                raise Unavailable("MongoDB is away")
        if self.stored[before.account_id].book.version != before.version:
            raise Conflict(before.account_id)
        self.stored[before.account_id] = StoredAccount(after, fence, tuple(outbox))

    async def checkpoint(self, books: Sequence[AccountBook], fence: int) -> None: ...

    async def clear(self, account_id: str, event_ids: Sequence[str], plan_ids: Sequence[str] = ()) -> None: ...


@dataclass
class FakePlans:
    accounts: FakeAccounts
    stored: dict[str, OrderPlan] = field(default_factory=dict)

    async def find(self, account_id: str, decision_id: str) -> Stored[OrderPlan] | None:
        found = self.stored.get(decision_id)
        return Stored(found) if found else None

    async def store(
        self, plan: OrderPlan, before: AccountBook, after: AccountBook, fence: int, outbox: Sequence[Outgoing]
    ) -> Stored[OrderPlan]:
        await self.accounts.write(before, after, fence, outbox)
        self.stored[plan.plan_id] = plan
        return Stored(plan)

    def orders(self, plan: Stored[OrderPlan]) -> Sequence[Stored[WorkingOrder]]:
        return tuple(Stored(order) for order in orders(plan.value))

    async def keep(self, plans: Sequence[Stored[OrderPlan]]) -> None:
        self.stored |= {plan.value.plan_id: plan.value.model_copy(update={"state": "done"}) for plan in plans}

    async def unfinished(self, account_ids: Sequence[str]) -> Sequence[Stored[OrderPlan]]:
        return tuple(
            Stored(plan) for plan in self.stored.values() if plan.state == "stored" and plan.account_id in account_ids
        )

    async def project(self, events: Iterable[OrderEvent]) -> None: ...


@dataclass
class FakeStates:
    states: dict[str, AccountState] = field(default_factory=dict)

    async def put(self, state: AccountState) -> None:
        self.states[state.account_id] = state

    async def version(self, account_id: str) -> int:
        return self.states[account_id].version if account_id in self.states else 0


@dataclass
class FakeLeases:
    """Every partition of `vacant` is free until it is taken; a lease is kept for ever."""

    vacant: set[int] = field(default_factory=set)
    fence: int = 0
    ttl_s: float = 3.0

    async def beat(self, holder: str) -> int:
        return 1

    async def free(self, holder: str) -> Sequence[int]:
        return tuple(self.vacant)

    async def acquire(self, partition: int, holder: str) -> int | None:
        self.fence += 1
        return self.fence

    async def renew(self, fences: Mapping[int, int], holder: str) -> frozenset[int]:
        return frozenset(fences)

    async def release(self, partition: int, holder: str, fence: int) -> None: ...

    async def leave(self, holder: str) -> None: ...


@dataclass
class FakePublisher:
    published: list[Emit] = field(default_factory=list)

    async def publish(self, emit: Emit) -> None:
        self.published.append(emit)

    async def publish_many(self, emits: Iterable[Emit]) -> None:
        self.published += emits


@dataclass
class FakeConfig:
    accounts: dict[str, Account] = field(default_factory=dict)
    daily_loss: float = 50
    filters: VenueSymbol | None = None

    def account(self, account_id: str) -> Account | None:
        return self.accounts.get(account_id)

    def strategy(self, strategy_id: str, version: int | None = None) -> TradingStrategy | None:
        made = values.strategy()
        risk = made.risk_parameters.model_copy(update={"max_daily_loss": self.daily_loss})
        return made.model_copy(update={"risk_parameters": risk})

    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None:
        return (self.filters or values.filters(symbol)) if symbol == values.SYMBOL else None


@dataclass
class FakeControls:
    """What is put here is told to nobody: a test calls `Desks.control_all` itself."""

    present: ControlRequested | None = None

    def newest(self) -> ControlRequested | None:
        return self.present

    async def put(self, body: ControlRequested) -> None:
        self.present = body


class FakeReplay:
    async def __aenter__(self) -> "FakeReplay":
        return self

    async def __aexit__(self, *exc: object) -> None: ...

    async def take(self) -> Sequence[tuple[MarketEvent, int]] | None:
        return None


class FakeLog:
    """A market in which nothing has happened yet."""

    async def created(self) -> tuple[datetime, int]:
        return values.NOW, 0

    def replay(self, after: int) -> FakeReplay:
        return FakeReplay()


@dataclass
class Ports:
    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    states: FakeStates = field(default_factory=FakeStates)
    leases: FakeLeases = field(default_factory=FakeLeases)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    config: FakeConfig = field(default_factory=FakeConfig)
    controls: FakeControls = field(default_factory=FakeControls)
    clock: FakeClock = field(default_factory=lambda: FakeClock(values.NOW))
    refuses: frozenset[Leg] = frozenset()

    def deps(self) -> Deps:
        return Deps(
            accounts=self.accounts,
            plans=FakePlans(self.accounts),
            states=self.states,
            leases=self.leases,
            venue=PaperVenue,
            publisher=self.publisher,
            config=self.config,
            controls=self.controls,
            log=FakeLog(),
            clock=self.clock,
            refuses=self.refuses,
        )
