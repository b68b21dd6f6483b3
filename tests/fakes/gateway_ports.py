"""The gateway's ports in memory, with a log whose answers a test writes."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from prometheus_client import CollectorRegistry

from libs.configuration.configuration import Configuration
from libs.configuration.strategies import Strategies
from libs.configuration.templates import JinjaTemplates
from libs.records.keys import ApiKey, Scope, new_key, token_of
from libs.runtime.emit import Emit
from libs.schemas.account import Account, AccountState
from libs.schemas.base import Message
from libs.schemas.models import ModelsConfig
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol
from services.gateway.app import desk_of
from services.gateway.domain.limits import Allowance, Rates, Windows
from services.gateway.domain.problems import Away
from services.gateway.domain.records import (
    DecisionRecord,
)
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import Claim, Deps
from tests import builders
from tests.fakes.config_store import FakeConfigStore
from tests.fakes.gateway_app import fake_http_app
from tests.fakes.gateway_letters import FakeLetters
from tests.fakes.gateway_operations import FakeOperations
from tests.fakes.gateway_records import FakeAnalytics, FakeOutcomes, FakeRecords
from tests.fakes.gateway_streams import FakeMarket, FakeMarketFeed, FakeStreamLog, FakeTickets
from tests.fakes.ledger_chain import T0, Chain
from tests.fakes.ledger_context import STRATEGY

Responder = Callable[[Emit], Iterable[Message]]
TOKENS = {name: token_of(name.encode().ljust(32, b"."))[:60] for name in ("admin", "reader", "beta", "old", "trader")}


def account(account_id: str) -> Account:
    return builders.account(account_id, name=account_id.title(), strategy_id="steady", leverage=Decimal(2))


def record(chain: Chain) -> DecisionRecord:
    """The record of an accepted decision."""
    return DecisionRecord(
        decision_id=chain.decision_id,
        request_id=chain.request_id,
        account_id=chain.account,
        status="accepted",
        decision=chain.decision(),
        verdicts=(chain.verdict(),),
        created_at=chain.at(0),
    )


class StoppableClock:
    """Time that only tests move; market time runs `speed` times as fast."""

    def __init__(self, speed: float = 1.0) -> None:
        self.elapsed = 0.0
        self.speed = speed
        self.paused = False

    def advance(self, seconds: float) -> None:
        self.elapsed += seconds

    def now(self) -> datetime:
        return T0 + timedelta(seconds=self.elapsed * self.speed)

    def wall(self) -> datetime:
        return T0 + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        return self.elapsed


class FakeKeys:
    def __init__(self) -> None:
        made = {
            "admin": new_key(TOKENS["admin"], "admin", [Scope.ADMIN], T0),
            "reader": new_key(TOKENS["reader"], "reader", [Scope.READ], T0),
            "beta": new_key(TOKENS["beta"], "beta", [Scope.READ, Scope.DECIDE], T0, accounts=["beta"]),
            "trader": new_key(TOKENS["trader"], "trader", [Scope.READ, Scope.TRADE], T0, accounts=["beta"]),
            "old": new_key(TOKENS["old"], "old", [Scope.READ], T0, expires_at=T0),
        }
        self.by_hash = {key.hash: key for key in made.values()}
        self.follows = True

    def find(self, token_hash: str) -> ApiKey | None:
        return self.by_hash.get(token_hash)

    def in_touch(self) -> bool:
        return self.follows

    async def all(self) -> list[ApiKey]:
        return list(self.by_hash.values())

    async def add(self, key: ApiKey) -> bool:
        self.by_hash[key.hash] = key
        return True

    async def revoke(self, key_id: str, now: datetime) -> bool:
        for token, key in self.by_hash.items():
            if key.key_id == key_id and key.revoked_at is None:
                self.by_hash[token] = replace(key, revoked_at=now)
                return True
        return False

    def used(self, key_id: str, at: datetime) -> None:
        for token, key in self.by_hash.items():
            if key.key_id == key_id:
                self.by_hash[token] = replace(key, last_used_at=at)


class FakeClaims:
    def __init__(self) -> None:
        self.claims: dict[tuple[str, str], Claim] = {}

    async def claim(self, key_id: str, idempotency_key: str, fingerprint: str, now: datetime) -> Claim:
        first = self.claims.get((key_id, idempotency_key))
        if first is not None:
            return replace(first, mine=False)
        return self.claims.setdefault((key_id, idempotency_key), Claim(fingerprint, now))

    async def done(self, key_id: str, idempotency_key: str, claim: Claim, answer: str) -> None:
        self.claims[key_id, idempotency_key] = replace(claim, answer=answer)


class FakeLimits:
    """Those of one process."""

    def __init__(self, clock: "StoppableClock") -> None:
        self._windows, self._clock = Windows(), clock

    async def take(self, what: str, limit: int) -> Allowance:
        return self._windows.take(what, limit, self._clock.wall().timestamp())

    async def take_each(self, names: Sequence[str], limit: int) -> list[Allowance]:
        return [await self.take(name, limit) for name in names]


class FakeEvents:
    """Where nothing more comes, waiting costs time of the clock, not of the test."""

    def __init__(self, clock: StoppableClock) -> None:
        self.queue: deque[Message] = deque()
        self._clock = clock

    async def next(self, timeout_s: float) -> Message | None:
        if self.queue:
            return self.queue.popleft()
        self._clock.advance(timeout_s)
        return None


class FakeLog:
    def __init__(self, clock: StoppableClock) -> None:
        self._clock = clock
        self.published: list[Emit] = []
        self.headers: list[Mapping[str, str]] = []
        self.respond: Responder = lambda _: ()
        self.heard: Callable[[Emit], object] = lambda _: None
        self.away = self.unsure = False
        self._listening: list[FakeEvents] = []

    async def publish(self, emit: Emit, headers: Mapping[str, str]) -> None:
        if self.away:
            raise Away("NATS", unsure=self.unsure)
        self.published.append(emit)
        self.headers.append(headers)
        self.heard(emit)
        for events in self._listening:
            events.queue.extend(self.respond(emit))

    @asynccontextmanager
    async def listen(self, account_id: str) -> AsyncIterator[FakeEvents]:
        if self.away and not self.unsure:
            raise Away("NATS")
        events = FakeEvents(self._clock)
        self._listening.append(events)
        yield events
        self._listening.remove(events)


class FakeAccounts:
    def __init__(self) -> None:
        self.known = {name: account(name) for name in ("alpha", "beta")}
        self.states: dict[str, AccountState] = {}
        self.switched: ModelsConfig | None = None
        self.rules: dict[tuple[str, str], VenueSymbol] = {}

    def account(self, account_id: str) -> Account | None:
        return self.known.get(account_id)

    def accounts(self) -> list[Account]:
        return list(self.known.values())

    def state(self, account_id: str) -> AccountState | None:
        return self.states.get(account_id)

    def strategy(self, strategy_id: str) -> TradingStrategy | None:
        return STRATEGY if strategy_id == STRATEGY.strategy_id else None

    def strategies(self) -> list[TradingStrategy]:
        return [STRATEGY]

    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None:
        return self.rules.get((venue, symbol))

    def models(self) -> ModelsConfig | None:
        return self.switched


@dataclass
class Gateway:
    """The application over fakes."""

    hosts: frozenset[str] = frozenset({"*"})
    rates: Rates = field(default_factory=Rates)
    clock: StoppableClock = field(default_factory=StoppableClock)
    keys: FakeKeys = field(default_factory=FakeKeys)
    claims: FakeClaims = field(default_factory=FakeClaims)
    records: FakeRecords = field(default_factory=FakeRecords)
    accounts: Any = field(default_factory=FakeAccounts)
    market: FakeMarket = field(default_factory=FakeMarket)
    analytics: FakeAnalytics = field(default_factory=FakeAnalytics)
    outcomes: FakeOutcomes = field(default_factory=FakeOutcomes)
    store: FakeConfigStore = field(default_factory=FakeConfigStore)
    operations: FakeOperations = field(default_factory=FakeOperations)
    letters: FakeLetters = field(default_factory=FakeLetters)
    symbols: tuple[str, ...] = ()
    streams: FakeStreamLog = field(default_factory=FakeStreamLog)
    market_feed: FakeMarketFeed = field(default_factory=FakeMarketFeed)
    tickets: FakeTickets = field(default_factory=FakeTickets)
    page_dir: Path = Path("nowhere")

    def __post_init__(self) -> None:
        self.log = FakeLog(self.clock)
        self.registry = CollectorRegistry()
        self._ids = iter(range(1_000_000))
        configuration = Configuration(self.store)
        strategies = Strategies(configuration, JinjaTemplates())
        deps = self.deps = Deps(
            keys=self.keys,
            key_desk=self.keys,
            claims=self.claims,
            limits=FakeLimits(self.clock),
            records=self.records,
            log=self.log,
            accounts=self.accounts,
            market=self.market,
            analytics=self.analytics,
            outcomes=self.outcomes,
            desk=desk_of(configuration, strategies),
            told=self.operations,
            operations=self.operations,
            letters=self.letters,
            streams=self.streams,
            market_feed=self.market_feed,
            tickets=self.tickets,
            clock=self.clock,
            new_id=lambda: f"random-{next(self._ids)}",
            new_token=lambda: token_of(str(next(self._ids)).encode().rjust(32, b"t")),
            rates=self.rates,
            hosts=self.hosts,
            symbols=self.symbols,
            page_dir=self.page_dir,
        )
        self.metrics = GatewayMetrics(self.registry)
        self.app = fake_http_app(deps, self.metrics)

    async def call(self, method: str, path: str, *, key: str | None = "admin", **request: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {TOKENS.get(key, key)}"} if key else {}
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
            return await client.request(method, path, headers=headers | request.pop("headers", {}), **request)
