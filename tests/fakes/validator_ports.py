"""The validator's ports in memory."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from libs.risk.marks import Mark, after_tick
from libs.schemas.account import Account, AccountState
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol
from services.validator.metrics import ValidatorMetrics
from services.validator.ports import Deps
from tests.builders import venue
from tests.fakes.clock import ReadClock
from tests.fakes.validator_values import account, seconds, state, strategy, tick


@dataclass
class FakeConfiguration:
    accounts: dict[str, Account] = field(default_factory=dict)
    strategies: dict[tuple[str, int | None], TradingStrategy] = field(default_factory=dict)
    venues: dict[tuple[str, str], VenueSymbol] = field(default_factory=dict)

    def account(self, account_id: str) -> Account | None:
        return self.accounts.get(account_id)

    def strategy(self, strategy_id: str, version: int | None = None) -> TradingStrategy | None:
        return self.strategies.get((strategy_id, version))

    def venue_symbol(self, venue: str, symbol: str) -> VenueSymbol | None:
        return self.venues.get((venue, symbol))


@dataclass
class FakeStates:
    """`later` is what `get` gives from the n-th reading on."""

    states: dict[str, AccountState] = field(default_factory=dict)
    later: tuple[int, AccountState] | None = None
    readings: int = 0

    def get(self, account_id: str) -> AccountState | None:
        self.readings += 1
        if self.later is not None and self.readings >= self.later[0]:
            self.states[account_id] = self.later[1]
        return self.states.get(account_id)


@dataclass
class FakeMarks:
    """`later` comes in by the n-th reading."""

    marks: dict[str, Mark] = field(default_factory=dict)
    later: tuple[int, str, float, float] | None = None
    readings: int = 0

    def get(self, symbol: str) -> Mark | None:
        self.readings += 1
        if self.later is not None and self.readings >= self.later[0]:
            self.put(*self.later[1:])
        return self.marks.get(symbol)

    def put(self, symbol: str, price: float, after: float) -> None:
        mark = after_tick(None, tick(symbol, price, after))
        assert mark is not None
        self.marks[symbol] = mark


@dataclass
class World:
    """A validator with one account, its strategy in version 3, and fresh prices of BTCUSDT and ETHUSDT."""

    configuration: FakeConfiguration = field(default_factory=FakeConfiguration)
    states: FakeStates = field(default_factory=FakeStates)
    marks: FakeMarks = field(default_factory=FakeMarks)
    clock: ReadClock = field(default_factory=lambda: ReadClock(seconds(3)))
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    mirror_wait: float = 0.05

    def __post_init__(self) -> None:
        self.configuration.accounts["acc1"] = account()
        self.configuration.strategies["trend", 3] = strategy()
        for symbol in ("BTCUSDT", "ETHUSDT"):
            self.configuration.venues["paper", symbol] = venue(symbol)
        self.states.states["acc1"] = state()
        self.marks.put("BTCUSDT", 100_000, 2)
        self.marks.put("ETHUSDT", 2_500, 2)
        self.metrics = ValidatorMetrics(self.registry)

    @property
    def deps(self) -> Deps:
        return Deps(
            configuration=self.configuration,
            states=self.states,
            marks=self.marks,
            clock=self.clock,
            meter=self.metrics,
            mirror_wait=self.mirror_wait,
        )

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0
