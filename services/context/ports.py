"""What the context worker needs of the outside, and what its handlers are given."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.runtime.clock import Clock
from libs.runtime.emit import Emit
from libs.schemas.account import Account, AccountState
from libs.schemas.base import Timeframe
from libs.schemas.strategy import TradingStrategy
from services.context.domain.assets import Studies
from services.context.domain.market import Market
from services.context.domain.triggers import Asked


class Configuration(Protocol):
    """Accounts and strategies as configured now."""

    @property
    def accounts(self) -> Mapping[str, Account]: ...
    @property
    def strategies(self) -> Mapping[str, TradingStrategy]: ...
    def account(self, account_id: str) -> Account | None: ...
    def strategy(self, strategy_id: str, version: int | None = None) -> TradingStrategy | None: ...


class States(Protocol):
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


class RequestLog(Protocol):
    """What was asked of each account."""

    def of(self, account_id: str) -> Asked | None: ...
    def note(self, account_id: str, cycle: str, at: datetime) -> None:
        """An interval cycle was published."""
        ...


class Publisher(Protocol):
    """Confirmed publishing; raises Unavailable while NATS is away."""

    async def publish(self, emit: Emit) -> object: ...
    async def publish_many(self, emits: Iterable[Emit]) -> None: ...


class Meter(Protocol):
    """What the handlers count."""

    def ended(self, outcome: str) -> None:
        """A request ended: `built`, or the reason of its rejection."""
        ...

    def built(self, seconds: float) -> None: ...
    def triggered(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Deps:
    clock: Clock
    config: Configuration
    states: States
    market: Market
    studies: Studies
    log: MarketLog
    requests: RequestLog
    publisher: Publisher
    meter: Meter
    spread: float
    state_wait: float
    concurrency: int
