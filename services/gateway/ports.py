"""What the gateway needs from outside. Every method raises Away when its server does not answer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from libs.analytics.accuracy import JudgedEntries
from libs.analytics.experiments import Decided
from libs.analytics.trades import Trade
from libs.analytics.usage import UsageCall
from libs.configuration.accounts import Accounts
from libs.configuration.configuration import ConfigStore
from libs.configuration.experiments import Experiments
from libs.configuration.models import ModelSwitch
from libs.configuration.strategies import Strategies
from libs.records.keys import ApiKey
from libs.risk.marks import Mark
from libs.runtime.clock import Clock
from libs.runtime.emit import Emit
from libs.runtime.replays import LetterReplay, NumberedLetter
from libs.schemas.account import Account, AccountState
from libs.schemas.analytics import Alert, DecisionResult
from libs.schemas.base import Message, Timeframe
from libs.schemas.context import TradingContext
from libs.schemas.experiment import Experiment
from libs.schemas.market import Candle, MarketTick
from libs.schemas.models import ModelsConfig
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol
from libs.schemas.worker import WorkerTold
from services.gateway.domain.decision_figures import Counted
from services.gateway.domain.limits import Allowance, Brake, Rates
from services.gateway.domain.monitoring import DurableLag
from services.gateway.domain.outcomes import EntryFilter
from services.gateway.domain.records import (
    AuditEntry,
    AuditFilter,
    DecisionRecord,
    EquityPoint,
    Found,
    HistoryEntry,
    HistoryFilter,
    OrderRecord,
    TradeRecord,
    Window,
)
from services.gateway.domain.stream_events import LoggedEvent, MarketEvent
from services.gateway.domain.stream_ring import Listeners, Ring


class ApiKeys(Protocol):
    """The keys as this process follows them: looking one up asks no server."""

    def find(self, token_hash: str) -> ApiKey | None: ...

    def in_touch(self) -> bool:
        """Whether it follows: what was revoked a minute ago is known."""

    def used(self, key_id: str, at: datetime) -> None:
        """Remember the last use, in a while; it may get lost."""


class KeyDesk(Protocol):
    """Where keys are made and ended."""

    async def all(self) -> list[ApiKey]: ...
    async def add(self, key: ApiKey) -> bool: ...
    async def revoke(self, key_id: str, now: datetime) -> bool:
        """False when there is no such key that still works."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The first use of an Idempotency-Key: with what content, and when (wall time); `answer` once it was done.

    `mine`: it is the first use.
    """

    fingerprint: str
    first_seen: datetime
    answer: str | None = None
    mine: bool = True


class Claims(Protocol):
    async def claim(self, key_id: str, idempotency_key: str, fingerprint: str, now: datetime) -> Claim:
        """The first use, which is this one if there was none in the last 24 hours."""

    async def done(self, key_id: str, idempotency_key: str, claim: Claim, answer: str) -> None:
        """Keep what it came to, for repetitions."""


class RateCounts(Protocol):
    async def take(self, what: str, limit: int) -> Allowance:
        """Count one request against a limit of the minute. Asks no server that may be away."""

    async def take_each(self, names: Sequence[str], limit: int) -> list[Allowance]:
        """The same of several, at once."""


class Records(Protocol):
    async def status(self, decision_id: str) -> str | None:
        """Status of a decision, `pending` for one that was only asked for; None for an unknown one."""

    async def result(self, decision_id: str, request_id: str) -> DecisionResult | None:
        """What a request is answered with, in one look; None where its decision has not ended."""

    async def decision(self, decision_id: str) -> DecisionRecord | None:
        """The record; for a request that another decision answered, the record of that one."""

    async def history(self, wanted: HistoryFilter, window: Window) -> Found[HistoryEntry]:
        """Newest first. Of filters that no index has together not more than a bounded part is looked at."""

    async def knows(self, account_id: str) -> bool:
        """Whether anything was ever decided for the account."""

    async def trades(self, account_id: str, window: Window) -> list[TradeRecord]:
        """Closed ones, by the time of their end."""

    async def orders(self, account_id: str, window: Window) -> list[OrderRecord]: ...

    async def equity(
        self, account_id: str, since: datetime | None, until: datetime | None, window: Window
    ) -> list[tuple[str, EquityPoint]]:
        """Points with their ids."""


class Events(Protocol):
    async def next(self, timeout_s: float) -> Message | None:
        """The next decision or order event of the account, or None when none came within the time."""


class GatewayLog(Protocol):
    async def publish(self, emit: Emit, headers: Mapping[str, str]) -> None:
        """Publish and wait until it is stored; `headers` are those of the cause."""

    def listen(self, account_id: str) -> AbstractAsyncContextManager[Events]:
        """Events from now on: what is published after entering is heard."""


class AccountReader(Protocol):
    """What is configured now, and the states of accounts."""

    def account(self, account_id: str) -> Account | None: ...
    def accounts(self) -> list[Account]: ...
    def state(self, account_id: str) -> AccountState | None: ...
    def strategy(self, strategy_id: str) -> TradingStrategy | None: ...
    def strategies(self) -> list[TradingStrategy]:
        """The active version of each."""

    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None: ...

    def models(self) -> ModelsConfig | None:
        """The models that were switched to, if any."""


class DeadLetters(Protocol):
    """Messages that were put aside, by their numbers."""

    async def before(self, number: int | None, limit: int) -> tuple[list[NumberedLetter], int | None]:
        """Some below a number (None: the newest), newest first, and the number below which older ones are."""

    async def at(self, number: int) -> NumberedLetter | None: ...
    async def replayed(self) -> dict[str, int]:
        """How often each was published again, by its id."""

    async def replay(self, planned: LetterReplay, who: str, now: datetime) -> bool:
        """Publish it again; whether that had just been done."""


class WorkersTold(Protocol):
    """What the workers of the installation last said of themselves, this one included."""

    def workers(self) -> list[WorkerTold]: ...


class Operations(Protocol):
    """The state of what everything runs on: the parts of this process, whether Redis counts the requests, how far
    behind the log each durable is, and the versions of the servers that can be asked."""

    def checks(self) -> Mapping[str, bool]: ...
    def rates_shared(self) -> bool: ...
    async def backlog(self) -> list[DurableLag]: ...
    async def versions(self) -> dict[str, str]: ...


class MarketReader(Protocol):
    async def marks(self, symbols: Iterable[str]) -> dict[str, Mark]:
        """The newest price of each symbol that counts for the validator too, where there is one. Raises Away."""

    async def tick(self, symbol: str) -> MarketTick | None:
        """The newest one in the log, whoever published it."""

    async def candles(self, symbol: str, timeframe: Timeframe, limit: int) -> list[Candle]:
        """The newest closed ones, oldest first."""

    async def context(self, account_id: str) -> TradingContext | None:
        """The newest context of an account that the log still holds."""


class Analytics(Protocol):
    async def trades(
        self, since: datetime, until: datetime, accounts: frozenset[str] | None, strategy_id: str | None = None
    ) -> list[Trade]:
        """Trades closed in the period; `accounts` None means all."""

    async def opening_equity(self, account_id: str, at: datetime) -> Decimal | None:
        """Equity at market time `at` as last known before it, else the first known after it."""

    async def model_cost(
        self, since: datetime, until: datetime, accounts: frozenset[str] | None, strategy_id: str | None
    ) -> float | None:
        """Dollars that decisions of the period cost as far as known; None where nothing is."""

    async def alerts(self, accounts: frozenset[str] | None, open_only: bool, window: Window) -> list[Alert]:
        """Newest first. A key for certain accounts sees theirs alone."""

    async def alert(self, alert_id: str) -> Alert | None: ...

    async def acknowledge(self, alert_id: str, by: str, at: datetime) -> Alert | None:
        """The alert with who acknowledged it first."""

    async def audit(self, wanted: AuditFilter, window: Window) -> list[AuditEntry]:
        """Newest first."""

    async def calls(self, since: datetime, accounts: frozenset[str] | None, model: str | None) -> list[UsageCall]:
        """Calls of models by decisions since a market time."""

    async def counted(self, since: datetime, until: datetime, accounts: frozenset[str] | None) -> Counted:
        """The decisions of a period, counted."""


class Outcomes(Protocol):
    """What became of decisions, as the ledger follows it."""

    async def entries(self, wanted: EntryFilter) -> JudgedEntries:
        """Those of the newest decisions that count: of no shadow arm, and of no dry run."""

    async def of_arms(self, experiment: Experiment) -> list[Decided]: ...


class StreamLog(Protocol):
    """The log as streams read it: followed once for all clients of this process."""

    @property
    def ring(self) -> Ring | None:
        """The newest events; another one after the log was made anew, None while it is not followed."""

    @property
    def epoch(self) -> str:
        """Twelve hexadecimal digits that tell these logs from those that may have been before."""

    @property
    def listeners(self) -> Listeners: ...

    @property
    def silence_s(self) -> float:
        """Seconds since the log was last heard."""

    async def oldest(self, log: int) -> int:
        """The sequence of the oldest message that a log still has."""

    async def after(self, log: int, sequence: int, until: int) -> Sequence[LoggedEvent]:
        """Some of the events between these sequences (the last included), in order; none: there are no more."""


class MarketFeed(Protocol):
    """The newest tick and funding of each symbol, followed while somebody looks."""

    @property
    def order(self) -> int:
        """How many have been heard."""

    async def join(self) -> None: ...
    async def leave(self) -> None: ...
    def newer(self, order: int) -> list[MarketEvent]:
        """The newest of each kind and symbol that came behind this one, in order."""


class Tickets(Protocol):
    async def keep(self, ticket: str, key_hash: str, until: datetime) -> None: ...
    async def take(self, ticket: str, now: datetime) -> str | None:
        """The hash of the key that it stands for, the first time and in time."""


@dataclass(frozen=True, slots=True)
class ConfigurationAccess:
    """Reads and changes of the configuration. Raise Unavailable."""

    strategies: Strategies
    accounts: Accounts
    store: ConfigStore
    experiments: Experiments
    models: ModelSwitch


@dataclass(frozen=True, slots=True)
class Deps:
    """`new_id` gives a random text that nobody can guess, `new_token` the token of a new key;
    `hosts` are the names that are answered, `*` any.

    `max_tick_age` is in market seconds, as for the validator; `symbols` are those of an account that names none;
    `page_dir` is where the page in the browser lies, if it was built.
    """

    keys: ApiKeys
    key_desk: KeyDesk
    claims: Claims
    limits: RateCounts
    records: Records
    log: GatewayLog
    accounts: AccountReader
    market: MarketReader
    analytics: Analytics
    outcomes: Outcomes
    desk: ConfigurationAccess
    told: WorkersTold
    letters: DeadLetters
    operations: Operations
    streams: StreamLog
    market_feed: MarketFeed
    tickets: Tickets
    clock: Clock
    new_id: Callable[[], str]
    new_token: Callable[[], str]
    rates: Rates = field(default_factory=Rates)
    brake: Brake = field(default_factory=Brake)
    hosts: frozenset[str] = frozenset({"*"})
    max_tick_age: float = 45.0
    symbols: tuple[str, ...] = ()
    page_dir: Path = Path("build/page")
