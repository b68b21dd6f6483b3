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

from libs.analytics.accuracy import JudgedEntries, JudgedEntry
from libs.analytics.experiments import Decided
from libs.analytics.trades import Trade
from libs.analytics.usage import UsageCall
from libs.configuration.configuration import Configuration
from libs.configuration.strategies import Strategies
from libs.configuration.templates import JinjaTemplates
from libs.records.keys import ApiKey, Scope, new_key, token_of
from libs.risk.marks import Mark
from libs.runtime.emit import Emit
from libs.schemas.account import Account, AccountState
from libs.schemas.analytics import Acknowledgement, Alert, DecisionResult
from libs.schemas.base import Message, Timeframe
from libs.schemas.context import TradingContext
from libs.schemas.experiment import Experiment
from libs.schemas.market import Candle, MarketTick
from libs.schemas.models import ModelsConfig
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol
from libs.schemas.worker import WorkerTold
from services.gateway.app import desk_of
from services.gateway.domain.decision_figures import Counted
from services.gateway.domain.limits import Allowance, Rates, Windows
from services.gateway.domain.monitoring import DurableLag
from services.gateway.domain.outcomes import EntryFilter
from services.gateway.domain.problems import Away
from services.gateway.domain.records import (
    TERMINAL,
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
    result_of_record,
)
from services.gateway.metrics import GatewayMetrics
from services.gateway.ports import Claim, Deps
from tests import builders
from tests.fakes.config_store import FakeConfigStore
from tests.fakes.gateway_app import fake_http_app
from tests.fakes.gateway_letters import FakeLetters
from tests.fakes.gateway_streams import FakeMarketFeed, FakeStreamLog, FakeTickets
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


class FakeRecords:
    def __init__(self) -> None:
        self.decisions: dict[str, DecisionRecord] = {}
        self.closed: dict[str, list[TradeRecord]] = {}
        self.asked: HistoryFilter | None = None
        self.away = False

    def _check(self) -> None:
        if self.away:
            raise Away("MongoDB")

    async def status(self, decision_id: str) -> str | None:
        self._check()
        found = self.decisions.get(decision_id)
        return found.status if found else None

    async def decision(self, decision_id: str) -> DecisionRecord | None:
        self._check()
        return self.decisions.get(decision_id)

    async def result(self, decision_id: str, request_id: str) -> DecisionResult | None:
        self._check()
        found = self.decisions.get(decision_id)
        return result_of_record(found, request_id) if found and found.status in TERMINAL else None

    async def knows(self, account_id: str) -> bool:
        self._check()
        return any(record.account_id == account_id for record in self.decisions.values())

    async def trades(self, account_id: str, window: Window) -> list[TradeRecord]:
        self._check()
        own = sorted(self.closed.get(account_id, []), key=lambda one: (one.closed_at, one.trade_id), reverse=True)
        if window.after is not None:
            own = [one for one in own if (one.closed_at, one.trade_id) < (window.after.at, window.after.id)]
        return own[: window.limit]

    async def history(self, wanted: HistoryFilter, window: Window) -> Found[HistoryEntry]:
        self._check()
        self.asked = wanted
        newest = sorted(self.decisions.values(), key=lambda r: (r.created_at, r.decision_id), reverse=True)
        seen = [r for r in newest if wanted.accounts is None or r.account_id in wanted.accounts]
        if window.after is not None:
            place = (window.after.at, window.after.id)
            seen = [r for r in seen if (r.created_at, r.decision_id) < place]
        return Found([HistoryEntry.model_validate(r.model_dump()) for r in seen[: window.limit]])

    async def orders(self, account_id: str, window: Window) -> list[OrderRecord]:
        return [order for record in self.decisions.values() for order in record.orders][: window.limit]

    async def equity(
        self, account_id: str, since: datetime | None, until: datetime | None, window: Window
    ) -> list[tuple[str, EquityPoint]]:
        return []


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


class FakeMarket:
    """Nothing is known of it but what a test puts in."""

    def __init__(self) -> None:
        self.ticks: dict[str, MarketTick] = {}
        self.closed: list[Candle] = []

    async def tick(self, symbol: str) -> MarketTick | None:
        return self.ticks.get(symbol)

    async def candles(self, symbol: str, timeframe: Timeframe, limit: int) -> list[Candle]:
        return [one for one in self.closed if (one.symbol, one.timeframe) == (symbol, timeframe)][-limit:]

    async def marks(self, symbols: Iterable[str]) -> dict[str, Mark]:
        return {}

    async def context(self, account_id: str) -> TradingContext | None:
        return None


class FakeAnalytics:
    def __init__(self) -> None:
        self.rows: list[Trade] = []
        self.raised: dict[str, Alert] = {}
        self.changes: list[AuditEntry] = []
        self.made: list[UsageCall] = []
        self.counted_of: frozenset[str] | None = None
        self.ended = Counted(ended=[], times=[], requests=0, answered={})

    async def trades(
        self, since: datetime, until: datetime, accounts: frozenset[str] | None, strategy_id: str | None = None
    ) -> list[Trade]:
        return [
            row
            for row in self.rows
            if since <= row.closed_at < until
            and (accounts is None or row.account_id in accounts)
            and strategy_id in (None, row.strategy_id)
        ]

    async def opening_equity(self, account_id: str, at: datetime) -> Decimal | None:
        return None

    async def model_cost(
        self, since: datetime, until: datetime, accounts: frozenset[str] | None, strategy_id: str | None
    ) -> float | None:
        return None

    async def alerts(self, accounts: frozenset[str] | None, open_only: bool, window: Window) -> list[Alert]:
        seen = [one for one in self.raised.values() if accounts is None or one.account_id in accounts]
        return [one for one in seen if not (open_only and one.acknowledged)][: window.limit]

    async def alert(self, alert_id: str) -> Alert | None:
        return self.raised.get(alert_id)

    async def acknowledge(self, alert_id: str, by: str, at: datetime) -> Alert | None:
        found = self.raised.get(alert_id)
        if found is not None and found.acknowledged is None:
            self.raised[alert_id] = found.model_copy(update={"acknowledged": Acknowledgement(by=by, at=at)})
        return self.raised.get(alert_id)

    async def audit(self, wanted: AuditFilter, window: Window) -> list[AuditEntry]:
        seen = [one for one in self.changes if wanted.subjects is None or one.subject in wanted.subjects]
        seen = [one for one in seen if wanted.who in (None, one.who) and wanted.kind in (None, one.kind)]
        seen = [one for one in seen if wanted.since is None or one.at >= wanted.since]
        return [one for one in seen if wanted.until is None or one.at < wanted.until][: window.limit]

    async def calls(self, since: datetime, accounts: frozenset[str] | None, model: str | None) -> list[UsageCall]:
        of = [call for call in self.made if call.at >= since and model in (None, call.model)]
        return [call for call in of if accounts is None or call.account_id in accounts]

    async def counted(self, since: datetime, until: datetime, accounts: frozenset[str] | None) -> Counted:
        self.counted_of = accounts
        return self.ended


class FakeOutcomes:
    """Entries by account."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, JudgedEntry]] = []
        self.arms: list[Decided] = []
        self.asked: EntryFilter | None = None
        self.cut_at: datetime | None = None

    async def entries(self, wanted: EntryFilter) -> JudgedEntries:
        self.asked = wanted
        seen = [entry for account_id, entry in self.rows if wanted.accounts is None or account_id in wanted.accounts]
        return JudgedEntries(seen, self.cut_at)

    async def of_arms(self, experiment: Experiment) -> list[Decided]:
        return self.arms


class FakeOperations:
    """What the workers said, and how the servers are."""

    def __init__(self) -> None:
        self.words: list[WorkerTold] = []
        self.parts = {"nats": True, "started": True, "mongodb": True, "keys": True}
        self.shared = True
        self.behind: list[DurableLag] = []
        self.away: str | None = None

    def workers(self) -> list[WorkerTold]:
        return self.words

    def checks(self) -> Mapping[str, bool]:
        return self.parts

    def rates_shared(self) -> bool:
        return self.shared

    async def backlog(self) -> list[DurableLag]:
        if self.away:
            raise Away(self.away)
        return self.behind

    async def versions(self) -> dict[str, str]:
        if self.away:
            raise Away(self.away)
        return {"nats": "2.15.1", "mongodb": "8.0.1", "redis": "7.2.4"}


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
