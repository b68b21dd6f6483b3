"""The context worker's ports in memory."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from libs.runtime.emit import Emit
from libs.runtime.envelope import message_id
from libs.runtime.errors import Conflict, Unavailable
from libs.schemas.account import Account, AccountState
from libs.schemas.base import Timeframe
from libs.schemas.context import DecisionRequest
from libs.schemas.experiment import Experiment
from libs.schemas.inflight import InFlight
from libs.schemas.orders import PositionEvent
from libs.schemas.strategy import TradingStrategy
from services.context.domain.assets import Studies
from services.context.domain.market import Bounds, MarketState
from services.context.domain.patience import Patience
from services.context.domain.reuse import Kept
from services.context.domain.triggers import Asked
from services.context.ports import CycleLimits, Deps, Place
from tests.fakes.clock import ReadClock
from tests.fakes.context_values import T0


@dataclass
class FakeConfiguration:
    accounts: dict[str, Account] = field(default_factory=dict)
    strategies: dict[str, TradingStrategy] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)

    def add(self, *values: Account | TradingStrategy | Experiment) -> None:
        for value in values:
            if isinstance(value, Account):
                self.accounts[value.account_id] = value
            elif isinstance(value, Experiment):
                self.experiments[value.name] = value
            else:
                self.strategies[value.strategy_id] = value

    def account(self, account_id: str) -> Account | None:
        return self.accounts.get(account_id)

    def strategy(self, strategy_id: str, version: int | None = None) -> TradingStrategy | None:
        return self.strategies.get(strategy_id)


@dataclass
class FakeStates:
    states: dict[str, AccountState] = field(default_factory=dict)

    def get(self, account_id: str) -> AccountState | None:
        return self.states.get(account_id)


@dataclass
class FakeMarketLog:
    market: MarketState
    behind: bool = False

    async def drained(self, patience: float) -> bool:
        return not self.behind

    async def follow(self, timeframes: Iterable[Timeframe]) -> None:
        self.market.use(timeframes)


@dataclass
class FakeRequestLog:
    """`foreign` is what other replicas have published and this one has not read yet, by account."""

    asked: dict[str, Asked] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)
    foreign: dict[str, DecisionRequest] = field(default_factory=dict)

    def of(self, account_id: str) -> Asked | None:
        return self.asked.get(account_id)

    def sequence(self, account_id: str) -> int:
        return self.sequences.get(account_id, 0)

    def note(self, body: DecisionRequest, sequence: int) -> None:
        known = self.asked.get(body.account_id)
        cycle = body.cycle if body.trigger.kind == "interval" else known.cycle if known else None
        self.asked[body.account_id] = Asked(cycle, body.requested_at, body.request_id, body.expires_at, sequence)
        self.sequences[body.account_id] = sequence

    async def refresh(self, account_id: str) -> None:
        if account_id in self.foreign:
            self.note(self.foreign.pop(account_id), self.sequences.get(account_id, 0) + 1)


@dataclass
class FakePositionLog:
    newest: dict[str, PositionEvent] = field(default_factory=dict)

    def executed(self, account_id: str) -> PositionEvent | None:
        return self.newest.get(account_id)


@dataclass
class FakePlaces:
    """One copy that all see at once; `between` is called before a write, to lose a race by."""

    places: dict[str, Place] = field(default_factory=dict)
    between: list[Callable[[], None]] = field(default_factory=list)

    def seen(self, key: str) -> Place | None:
        return self.places.get(key)

    def all(self) -> Mapping[str, InFlight]:
        return {key: place.slot for key, place in self.places.items()}

    async def read(self, key: str) -> Place | None:
        return self.places.get(key)

    async def write(self, key: str, slot: InFlight, last: int) -> None:
        if self.between:
            self.between.pop(0)()
        present = self.places.get(key)
        if (present.revision if present else 0) != last:
            raise Conflict(f"{key}: written by somebody else")
        self.places[key] = Place(slot, last + 1)


@dataclass
class FakeSteps:
    sequence: int = 0
    told: list[tuple[datetime, int]] = field(default_factory=list)
    whole: bool = True
    pause_s: float | None = None

    async def ready(self) -> bool:
        return self.whole

    async def looked(self, at: datetime, sequence: int) -> None:
        self.told.append((at, sequence))


@dataclass
class FakeReuse:
    kept: dict[str, Kept] = field(default_factory=dict)
    away: bool = False

    async def find(self, key: str) -> Kept | None:
        return None if self.away else self.kept.get(key)

    async def keep(self, key: str, kept: Kept) -> None:
        if not self.away:
            self.kept[key] = kept


@dataclass(frozen=True)
class FakeStored:
    seq: int
    duplicate: bool | None = None


@dataclass
class FakePublisher:
    """Stores a message id once, and each subject's newest sequence, as the bus does."""

    emitted: list[Emit] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    away: bool = False

    async def publish(self, emit: Emit, *, last: int | None = None) -> FakeStored:
        if self.away:
            raise Unavailable("NATS is away")
        name = message_id(emit)
        if last is not None and last != self.newest.get(emit.subject, 0):
            raise Conflict(f"{emit.subject}: written by somebody else")
        if name in self.ids:
            return FakeStored(self.ids[name], duplicate=True)
        self.emitted.append(emit)
        sequence = self.newest[emit.subject] = self.newest.get(emit.subject, 0) + 1
        if name:
            self.ids[name] = sequence
        return FakeStored(sequence)

    async def publish_many(self, emits: Iterable[Emit]) -> None:
        for emit in emits:
            await self.publish(emit)


@dataclass
class FakeMeter:
    outcomes: Counter[str] = field(default_factory=Counter)
    triggers: Counter[str] = field(default_factory=Counter)
    given_up: int = 0

    def ended(self, outcome: str) -> None:
        self.outcomes[outcome] += 1

    def built(self, seconds: float) -> None:
        assert seconds >= 0

    def triggered(self, kind: str) -> None:
        self.triggers[kind] += 1

    def overdue(self) -> None:
        self.given_up += 1


@dataclass
class World:
    """All ports of one worker, and the Deps made of them."""

    clock: ReadClock = field(default_factory=lambda: ReadClock(T0))
    config: FakeConfiguration = field(default_factory=FakeConfiguration)
    states: FakeStates = field(default_factory=FakeStates)
    market: MarketState = field(default_factory=lambda: MarketState(Bounds()))
    requests: FakeRequestLog = field(default_factory=FakeRequestLog)
    positions: FakePositionLog = field(default_factory=FakePositionLog)
    places: FakePlaces = field(default_factory=FakePlaces)
    steps: FakeSteps = field(default_factory=FakeSteps)
    reuse: FakeReuse = field(default_factory=FakeReuse)
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
            patience=Patience(2.0),
            log=self.log,
            requests=self.requests,
            positions=self.positions,
            places=self.places,
            steps=self.steps,
            reuse=self.reuse,
            publisher=self.publisher,
            meter=self.meter,
            limits=CycleLimits(spread=0.05, inflight_deadline=60, drift=0.001, concurrency=1),
        )
