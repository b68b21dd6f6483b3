"""What the context worker needs of the outside, and what its handlers are given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from libs.runtime.clock import Clock
from libs.runtime.emit import Emit
from libs.schemas.account import Account, AccountState
from libs.schemas.base import Timeframe
from libs.schemas.context import DecisionRequest
from libs.schemas.experiment import Experiment
from libs.schemas.inflight import InFlight
from libs.schemas.orders import PositionEvent
from libs.schemas.strategy import TradingStrategy
from services.context.domain.assets import Studies
from services.context.domain.lulls import Lulls
from services.context.domain.market import MarketState
from services.context.domain.patience import Patience
from services.context.domain.reuse import Kept
from services.context.domain.triggers import Asked


class Followers(Protocol):
    """Whose symbols and timeframes are followed."""

    @property
    def accounts(self) -> Mapping[str, Account]: ...
    @property
    def strategies(self) -> Mapping[str, TradingStrategy]: ...


class ContextConfiguration(Followers, Protocol):
    """Accounts, strategies and experiments as configured now."""

    @property
    def experiments(self) -> Mapping[str, Experiment]: ...
    def account(self, account_id: str) -> Account | None: ...
    def strategy(self, strategy_id: str, version: int | None = None) -> TradingStrategy | None: ...


class ContextStates(Protocol):
    """Last known states of accounts."""

    def get(self, account_id: str) -> AccountState | None: ...


class MarketLog(Protocol):
    """The log that the market is rebuilt from."""

    async def drained(self, patience: float) -> bool:
        """Whether every tick that is stored now was folded in within `patience` wall seconds; no while NATS is away."""
        ...

    async def follow(self, timeframes: Iterable[Timeframe]) -> None:
        """Keep candles of these timeframes as well; returns when their history is there."""
        ...


class Steps(Protocol):
    """Lockstep: the feed waits until this worker has looked at each moment."""

    @property
    def sequence(self) -> int:
        """Of the last market event that was folded in."""
        ...

    @property
    def pause_s(self) -> float | None:
        """Wall seconds between two looks in lockstep; None outside it."""
        ...

    async def ready(self) -> bool:
        """Whether this moment's ticks are all here with what they did to accounts, and it was not looked at yet. Yes
        outside lockstep, where nobody waits. Raises Unavailable."""
        ...

    async def looked(self, at: datetime, sequence: int) -> None:
        """A trigger of each account for which one is due at `at` is published. Does nothing outside lockstep. Raises
        Unavailable."""
        ...


class RequestLog(Protocol):
    """What was asked of each account."""

    def of(self, account_id: str) -> Asked | None: ...
    def sequence(self, account_id: str) -> int:
        """Sequence of the account's newest request in the log, 0 where there is none."""
        ...

    def note(self, body: DecisionRequest, sequence: int) -> None:
        """A request was published."""
        ...

    async def refresh(self, account_id: str) -> None:
        """Learn what somebody else has published. Raises Unavailable."""
        ...


class PositionLog(Protocol):
    """What the venue executed of what was resting."""

    def executed(self, account_id: str) -> PositionEvent | None:
        """The newest executed stop, target or liquidation."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """An account's place and the revision under which it was read."""

    slot: InFlight
    revision: int


class Places(Protocol):
    """Decisions in flight, shared by all replicas. `read` and `write` raise Unavailable."""

    def seen(self, key: str) -> Place | None:
        """As it was known last; it may have changed since, and then a write says so."""
        ...

    def all(self) -> Mapping[str, InFlight]: ...
    async def read(self, key: str) -> Place | None: ...
    async def write(self, key: str, slot: InFlight, last: int) -> None:
        """Raises Conflict when the revision is no longer `last` (0: nobody wrote it yet)."""
        ...


class Reuse(Protocol):
    """Decisions that may be used again. While the index is away there are none."""

    async def find(self, key: str) -> Kept | None: ...
    async def keep(self, key: str, kept: Kept) -> None: ...


class PublishAck(Protocol):
    """What the log says of a message: its sequence, and whether it had it already."""

    @property
    def seq(self) -> int: ...
    @property
    def duplicate(self) -> bool | None: ...


class ConfirmedPublisher(Protocol):
    """Confirmed publishing; raises Unavailable while NATS is away.

    With `last` it is stored only while that is the sequence of the newest message of its subject; else Conflict.
    """

    async def publish(self, emit: Emit, *, last: int | None = None) -> PublishAck: ...
    async def publish_many(self, emits: Iterable[Emit]) -> None: ...


class ContextMeter(Protocol):
    """What the handlers count."""

    def ended(self, outcome: str) -> None:
        """A request ended: `built`, or the reason of its rejection."""
        ...

    def built(self, seconds: float) -> None: ...
    def triggered(self, kind: str) -> None: ...
    def overdue(self) -> None:
        """A decision in flight was given up."""
        ...


@dataclass(frozen=True, slots=True)
class CycleLimits:
    """`spread` is a share of the interval, `drift` a fraction of a price; waits and deadlines are wall seconds."""

    spread: float
    inflight_deadline: float
    drift: float
    concurrency: int


@dataclass(frozen=True, slots=True)
class Deps:
    clock: Clock
    config: ContextConfiguration
    states: ContextStates
    market: MarketState
    studies: Studies
    patience: Patience
    log: MarketLog
    requests: RequestLog
    positions: PositionLog
    places: Places
    steps: Steps
    reuse: Reuse
    publisher: ConfirmedPublisher
    meter: ContextMeter
    limits: CycleLimits
    lulls: Lulls = field(default_factory=Lulls)
