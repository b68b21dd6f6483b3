"""What the gateway needs from outside. Every method raises Away when its server does not answer."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.runtime.clock import Clock
from libs.runtime.emit import Emit
from libs.schemas.account import Account, AccountState
from libs.schemas.base import Message
from libs.schemas.strategy import TradingStrategy
from services.gateway.domain.keys import ApiKey
from services.gateway.domain.records import (
    DecisionRecord,
    EquityPoint,
    HistoryEntry,
    HistoryFilter,
    OrderRecord,
    Window,
)


class Keys(Protocol):
    async def find(self, token_hash: str) -> ApiKey | None: ...

    async def used(self, key_id: str, at: datetime) -> None:
        """Remember the last use."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The first use of an Idempotency-Key: with what content, and when (wall time)."""

    fingerprint: str
    first_seen: datetime


class Claims(Protocol):
    async def claim(self, key_id: str, idempotency_key: str, fingerprint: str, now: datetime) -> Claim:
        """The first use, which is this one if there was none in the last 24 hours."""


class Records(Protocol):
    async def status(self, decision_id: str) -> str | None:
        """Status of a decision, `pending` for one that was only asked for; None for an unknown one."""

    async def decision(self, decision_id: str) -> DecisionRecord | None:
        """The record; for a request that another decision answered, the record of that one."""

    async def history(self, wanted: HistoryFilter, window: Window) -> list[HistoryEntry]: ...

    async def orders(self, account_id: str, window: Window) -> list[OrderRecord]: ...

    async def equity(
        self, account_id: str, since: datetime | None, until: datetime | None, window: Window
    ) -> list[tuple[str, EquityPoint]]:
        """Points with their ids."""


class Events(Protocol):
    async def next(self, timeout_s: float) -> Message | None:
        """The next decision or order event of the account, or None when none came within the time."""


class Log(Protocol):
    async def publish(self, emit: Emit, headers: Mapping[str, str]) -> None:
        """Publish and wait until it is stored; `headers` are those of the cause."""

    def listen(self, account_id: str) -> AbstractAsyncContextManager[Events]:
        """Events from now on: what is published after entering is heard."""


class Accounts(Protocol):
    def account(self, account_id: str) -> Account | None: ...
    def accounts(self) -> list[Account]: ...
    def state(self, account_id: str) -> AccountState | None: ...
    def strategy(self, strategy_id: str) -> TradingStrategy | None: ...


@dataclass(frozen=True, slots=True)
class Deps:
    """`new_id` gives a random text that nobody can guess; `hosts` are the names that are answered, `*` any."""

    keys: Keys
    claims: Claims
    records: Records
    log: Log
    accounts: Accounts
    clock: Clock
    new_id: Callable[[], str]
    hosts: frozenset[str] = frozenset({"*"})
