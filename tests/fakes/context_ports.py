"""The context worker's ports in memory."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from libs.runtime.emit import Emit
from libs.runtime.errors import Unavailable
from libs.schemas.account import Account, AccountState
from libs.schemas.base import Timeframe
from libs.schemas.strategy import TradingStrategy
from services.context.domain.assets import Studies
from services.context.domain.market import Bounds, Market
from services.context.domain.triggers import Asked
from services.context.ports import Deps
from tests.fakes.clock import ReadClock
from tests.fakes.context_values import T0


@dataclass
class FakeConfiguration:
    accounts: dict[str, Account] = field(default_factory=dict)
    strategies: dict[str, TradingStrategy] = field(default_factory=dict)

    def add(self, *values: Account | TradingStrategy) -> None:
        for value in values:
            if isinstance(value, Account):
                self.accounts[value.account_id] = value
            else:
                self.strategies[value.strategy_id] = value

    def account(self, account_id: str) -> Account | None:
        return self.accounts.get(account_id)

    def strategy(self, strategy_id: str, version: int | None = None) -> TradingStrategy | None:
        return self.strategies.get(strategy_id)


@dataclass
class FakeStates:
    """`late` states appear when they have been asked for that often."""

    states: dict[str, AccountState] = field(default_factory=dict)
    late: dict[str, int] = field(default_factory=dict)

    def get(self, account_id: str) -> AccountState | None:
        if self.late.get(account_id, 0) > 0:
            self.late[account_id] -= 1
            return None
        return self.states.get(account_id)


@dataclass
class FakeMarketLog:
    market: Market
    behind: bool = False

    async def drained(self, patience: float) -> bool:
        return not self.behind

    async def follow(self, timeframes: Iterable[Timeframe]) -> None:
        self.market.use(timeframes)


@dataclass
class FakeRequestLog:
    asked: dict[str, Asked] = field(default_factory=dict)

    def of(self, account_id: str) -> Asked | None:
        return self.asked.get(account_id)

    def note(self, account_id: str, cycle: str, at: datetime) -> None:
        self.asked[account_id] = Asked(cycle, at)


@dataclass
class FakePublisher:
    emitted: list[Emit] = field(default_factory=list)
    away: bool = False

    async def publish(self, emit: Emit) -> object:
        if self.away:
            raise Unavailable("NATS is away")
        self.emitted.append(emit)
        return None

    async def publish_many(self, emits: Iterable[Emit]) -> None:
        for emit in emits:
            await self.publish(emit)


@dataclass
class FakeMeter:
    outcomes: Counter[str] = field(default_factory=Counter)
    triggers: int = 0

    def ended(self, outcome: str) -> None:
        self.outcomes[outcome] += 1

    def built(self, seconds: float) -> None:
        assert seconds >= 0

    def triggered(self) -> None:
        self.triggers += 1


@dataclass
class World:
    """All ports of one worker, and the Deps made of them."""

    clock: ReadClock = field(default_factory=lambda: ReadClock(T0))
    config: FakeConfiguration = field(default_factory=FakeConfiguration)
    states: FakeStates = field(default_factory=FakeStates)
    market: Market = field(default_factory=lambda: Market(Bounds()))
    requests: FakeRequestLog = field(default_factory=FakeRequestLog)
    publisher: FakePublisher = field(default_factory=FakePublisher)
    meter: FakeMeter = field(default_factory=FakeMeter)

    def __post_init__(self) -> None:
        self.log = FakeMarketLog(self.market)
        self.deps = Deps(
            clock=self.clock,
            config=self.config,
            states=self.states,
            market=self.market,
            studies=Studies(self.market),
            log=self.log,
            requests=self.requests,
            publisher=self.publisher,
            meter=self.meter,
            spread=0.05,
            state_wait=0.5,
            concurrency=1,
        )
