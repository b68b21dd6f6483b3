"""What the executor needs from outside, and the values that cross the line."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.runtime.clock import Clock
from libs.runtime.emit import Emit
from libs.schemas.account import Account, AccountState, ControlRequested, Leg
from libs.schemas.market import FundingUpdate, MarketTick
from libs.schemas.orders import OrderEvent, OrderPlan
from libs.schemas.reasons import OrderReason
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol
from services.executor.domain.book import AccountBook, WorkingOrder
from services.executor.domain.changes import Outgoing, Turn
from services.executor.domain.quote import Market
from services.executor.domain.replies import CancelReply, Reply
from services.executor.domain.trading import TradingBounds
from services.executor.ports.venues import LiveVenues, Stored, Submittable

NO_BOUNDS = TradingBounds()
MarketEvent = MarketTick | FundingUpdate


class Fenced(Exception):
    """Another process holds the partition now; nothing may be written for its accounts."""


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """An account document as read: its book, the fencing number it was written under, and what waits to be relayed."""

    book: AccountBook
    fence: int
    outbox: tuple[Outgoing, ...] = ()


@dataclass(frozen=True, slots=True)
class TakenPartition:
    """What taking a partition over found: its accounts, and those whose document nobody can read, with the reason."""

    accounts: tuple[StoredAccount, ...]
    unreadable: Mapping[str, str]


Write = Callable[[AccountBook, Sequence[Outgoing]], Awaitable[None]]


class LockedAccount(Protocol):
    """One account, whose lock the caller has."""

    @property
    def book(self) -> AccountBook: ...
    @property
    def fence(self) -> int: ...
    def market(self) -> Market: ...
    async def save(self, turn: Turn, write: Write | None = None) -> None: ...
    def listen(self, on_turn: Callable[[Turn], None]) -> Callable[[], None]:
        """Call back with every turn that was written; the result ends it."""

    def carried_out(self, plan: Stored[OrderPlan]) -> None:
        """Nothing of this plan is left to do: it goes to the history in its own time."""


class Orders(Protocol):
    """What carrying out a plan needs of a venue."""

    def at_once(
        self, turn: Turn, gone: Sequence[str], orders: Sequence[WorkingOrder], reason: OrderReason
    ) -> Turn | None:
        """The turn that also takes orders away and others in, where that is one document write with the plan.

        None where a venue has to be asked: nothing is sent to it that was not stored before.
        """

    async def submit_all(
        self, orders: Sequence[Submittable], checked_at: datetime | None = None
    ) -> Sequence[Reply]: ...
    async def cancel(
        self, symbol: str, client_order_id: str, reason: OrderReason = OrderReason.DECISION
    ) -> CancelReply: ...


class AccountStore(Protocol):
    """One document per account. Raises Fenced where the partition is another's, Conflict where the version moved."""

    async def load(self, account_id: str) -> StoredAccount | None: ...
    async def take(self, partition: int, fence: int) -> TakenPartition: ...
    async def create(self, book: AccountBook, fence: int) -> bool: ...
    async def write(self, before: AccountBook, after: AccountBook, fence: int, outbox: Sequence[Outgoing]) -> None: ...
    async def checkpoint(self, books: Sequence[AccountBook], fence: int) -> None: ...
    async def clear(self, account_id: str, event_ids: Sequence[str], plan_ids: Sequence[str] = ()) -> None:
        """Take out what was told, and plans that are in the history."""


class PlanStore(Protocol):
    """Plans and intents. A plan is in its account's document until it is carried out, then in the history."""

    async def find(self, account_id: str, decision_id: str) -> Stored[OrderPlan] | None: ...
    async def store(
        self, plan: OrderPlan, before: AccountBook, after: AccountBook, fence: int, outbox: Sequence[Outgoing]
    ) -> Stored[OrderPlan]:
        """With the account that holds its reservation. Raises Fenced, Conflict."""

    def orders(self, plan: Stored[OrderPlan]) -> Sequence[Stored[WorkingOrder]]: ...
    async def keep(self, plans: Sequence[Stored[OrderPlan]]) -> None:
        """Put plans that are carried out into the history. Repeating it changes nothing."""

    async def unfinished(self, account_ids: Sequence[str]) -> Sequence[Stored[OrderPlan]]: ...
    async def project(self, events: Iterable[OrderEvent]) -> None:
        """Keep each intent that ended with one of these events. Repeating it changes nothing."""


class LeaseStore(Protocol):
    """Leases of partitions, by the store's own clock. `renew` returns the partitions that are still held."""

    ttl_s: float

    async def beat(self, holder: str) -> int: ...
    async def free(self, holder: str) -> Sequence[int]: ...
    async def acquire(self, partition: int, holder: str) -> int | None: ...
    async def renew(self, fences: Mapping[int, int], holder: str) -> frozenset[int]: ...
    async def release(self, partition: int, holder: str, fence: int) -> None: ...
    async def leave(self, holder: str) -> None: ...


class StateStore(Protocol):
    """KV `state`: writes only what is newer."""

    async def put(self, state: AccountState) -> None: ...
    async def version(self, account_id: str) -> int: ...


class EventPublisher(Protocol):
    """The bus, as far as the executor publishes."""

    async def publish(self, emit: Emit) -> object: ...
    async def publish_many(self, emits: Iterable[Emit]) -> None: ...


class Config(Protocol):
    """Configuration as it is now."""

    @property
    def accounts(self) -> Mapping[str, Account]: ...
    def account(self, account_id: str) -> Account | None: ...
    def strategy(self, strategy_id: str, version: int | None = None) -> TradingStrategy | None: ...
    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None: ...


class Controls(Protocol):
    """KV `control.all`. An account that has not carried out the newest control yet does so once it is open."""

    def newest(self) -> ControlRequested | None: ...
    async def put(self, body: ControlRequested) -> None: ...


class MarketPast(Protocol):
    """MARKET as it was stored: when the stream was created, and its events from a sequence on until now."""

    async def created(self) -> tuple[datetime, int]: ...
    def replay(self, after: int) -> "PastReading": ...


class PastReading(Protocol):
    """An ordered reading of the past. `take` gives what has arrived; None once it has caught up and all is taken."""

    async def __aenter__(self) -> "PastReading": ...
    async def __aexit__(self, *exc: object) -> None: ...
    async def take(self) -> Sequence[tuple[MarketEvent, int]] | None: ...


class ExecutorSteps(Protocol):
    """Lockstep: the feed and the context workers wait until what a moment does to accounts is done."""

    @property
    def active(self) -> bool: ...
    @property
    def moment(self) -> datetime | None:
        """The moment of which every event is here and that was not told as done; None where there is none."""

    async def done(self, at: datetime, versions: Mapping[str, int], executed: Mapping[str, int]) -> None:
        """All that the moment does is done, and told. Raises Unavailable."""


class Consumer(Protocol):
    """A partition's durable, pulled from while it is started."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class BookDeps(Protocol):
    """What an account's book and its plans need from outside, however they are told of."""

    @property
    def accounts(self) -> AccountStore: ...
    @property
    def plans(self) -> PlanStore: ...
    @property
    def config(self) -> Config: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def bounds(self) -> TradingBounds: ...
    @property
    def refuses(self) -> frozenset[Leg]: ...


class AccountTelling(Protocol):
    """Tells others of an account: its state and its events, in order, and of plans that are carried out."""

    def push(self, book: AccountBook, outbox: tuple[Outgoing, ...]) -> None: ...
    def close(self, book: AccountBook, plan: Stored[OrderPlan]) -> None: ...
    async def idle(self) -> None:
        """Return when everything was sent."""

    async def abandon(self) -> None:
        """Send nothing more: the account is another process's."""


@dataclass(frozen=True, slots=True)
class Deps:
    """Everything outside, wired by app.py. `refuses` are legs that the paper venue rejects: a fault to try."""

    accounts: AccountStore
    plans: PlanStore
    states: StateStore
    leases: LeaseStore
    venue: Callable[[LockedAccount], Orders]
    publisher: EventPublisher
    config: Config
    controls: Controls
    log: MarketPast
    clock: Clock
    bounds: TradingBounds = NO_BOUNDS
    refuses: frozenset[Leg] = frozenset()
    live: LiveVenues | None = None
