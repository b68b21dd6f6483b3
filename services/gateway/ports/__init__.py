"""What the gateway needs from outside. Every method raises Away when its server does not answer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

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
from libs.schemas.base import Message, Timeframe
from libs.schemas.context import TradingContext
from libs.schemas.market import Candle, MarketTick
from libs.schemas.models import ModelsConfig
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol
from libs.schemas.worker import WorkerTold
from services.gateway.domain.limits import Allowance, Brake, Rates
from services.gateway.domain.monitoring import DurableLag
from services.gateway.ports.records import Analytics, Outcomes, Records
from services.gateway.ports.streams import MarketFeed, StreamLog, Tickets


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
