"""A replay: from one moment at which something can happen to the next, over all accounts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from libs.schemas.account import Account
from libs.schemas.strategy import TradingStrategy
from libs.schemas.venue import VenueSymbol
from replay.books import MemoryDeps
from replay.configuration import ReplayConfiguration
from replay.deciding import DecidingAccount, SharedDeciding, Watcher
from replay.looks import Looks
from replay.memory import MemoryPlaces, MemoryPositions, MemoryRequests, MemoryStates
from replay.policy import ReplayPolicy
from replay.tape import NEVER
from replay.world import ReplayWorld
from services.context.domain.market import Bounds
from services.context.ports import CycleLimits
from services.executor.domain.book import AccountBook
from services.executor.domain.trading import TradingBounds
from services.feed.domain.recorded import RecordedMarket

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ReplayRules:
    """What the workers' settings say, as they are where nobody sets them."""

    bounds: Bounds = field(default_factory=Bounds)
    limits: CycleLimits = field(
        default_factory=lambda: CycleLimits(spread=0.05, inflight_deadline=120, drift=0.001, concurrency=8)
    )
    trading: TradingBounds = field(default_factory=lambda: TradingBounds(max_drawdown=Decimal("30.0")))


@dataclass(frozen=True, slots=True)
class ReplayInput:
    """What a replay is of: the same input gives the same output."""

    market: RecordedMarket
    accounts: Sequence[Account]
    strategies: Sequence[TradingStrategy]
    venue: Sequence[VenueSymbol]
    policy: ReplayPolicy
    rules: ReplayRules = field(default_factory=ReplayRules)
    books: Mapping[str, AccountBook] = field(default_factory=dict)  # of accounts that exist; others are new


@dataclass(slots=True)
class _Course:
    """An account on its way, and the moments at which it is next looked at."""

    deciding: DecidingAccount
    looks: Looks
    look: int
    touch: int

    @property
    def next(self) -> int:
        return min(self.look, self.touch)


class Replay:
    """`steps` runs it, and yields after each moment at which something was looked at."""

    def __init__(self, wanted: ReplayInput, watcher: Watcher) -> None:
        used = {account.strategy_id for account in wanted.accounts}
        strategies = [strategy for strategy in wanted.strategies if strategy.strategy_id in used]
        wanted.policy.begin(wanted.market)
        self.market = wanted.market
        self.world = ReplayWorld(wanted.market, strategies, wanted.rules.bounds)
        config = ReplayConfiguration(wanted.accounts, wanted.strategies, wanted.venue)
        self._states, self._requests = MemoryStates(), MemoryRequests(self.world)
        self._positions, self._places = MemoryPositions(), MemoryPlaces()
        shared = SharedDeciding(
            world=self.world,
            config=config,
            books=MemoryDeps(config, self.world.clock, wanted.rules.trading),
            policy=wanted.policy,
            watcher=watcher,
            limits=wanted.rules.limits,
            states=self._states,
            requests=self._requests,
            positions=self._positions,
            places=self._places,
        )
        by_id = {strategy.strategy_id: strategy for strategy in strategies}
        self._courses = [
            self._begun(
                DecidingAccount(account, shared, wanted.books.get(account.account_id)),
                by_id[account.strategy_id],
                wanted.rules.limits.spread,
            )
            for account in wanted.accounts
        ]

    @property
    def accounts(self) -> Sequence[DecidingAccount]:
        return [course.deciding for course in self._courses]

    def steps(self, *, every: bool = False) -> Iterator[int]:
        """`every` stops at each moment, whether or not something can happen there: it must make no difference."""
        grid = self.world.grid
        moment, fundings = grid.first - 1, iter(sorted(self.world.funding))
        funding, midnight = next(fundings, NEVER), self._midnight(grid.first)
        while True:
            following = moment + 1 if every else min(min(course.next for course in self._courses), funding, midnight)
            if following > grid.last:
                break
            moment = following
            if moment == funding:
                self._fund(moment)
                funding = next(fundings, NEVER)
            if moment == midnight:
                midnight = self._midnight(moment + 1)
            self._step(moment, every=every)
            yield moment
        self.world.turn(grid.last)
        self.world.show(grid.last)
        self.world.fold(grid.at(grid.last))
        yield grid.last

    def _begun(self, deciding: DecidingAccount, strategy: TradingStrategy, share: float) -> _Course:
        looks = Looks(deciding.account, strategy, self.world, share)
        return _Course(deciding, looks, looks.first(), NEVER)

    def _midnight(self, moment: int) -> int:
        """The last moment of the UTC day of `moment`: its prices value the next day's opening."""
        at = self.world.grid.at(moment)
        ends = at.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
        return self.world.grid.before(ends)

    def _fund(self, moment: int) -> None:
        """Funding comes before the ticks of its time do anything, on what was held until then."""
        self.world.turn(moment)
        self.world.show(moment)
        for update in self.world.funding[moment]:
            self.world.pay(update)
            for course in self._courses:
                course.deciding.books.fund(update)

    def _step(self, moment: int, *, every: bool) -> None:
        world = self.world
        world.turn(moment)
        world.fold(world.clock.now())
        world.show(moment)
        for course in self._courses:
            if every or course.touch <= moment:
                course.deciding.books.meet(moment)
        for course in self._courses:
            if every or course.next <= moment:
                course.deciding.decide()
                course.look = course.looks.next(moment, self._requests, self._places, self._positions, self._states)
            course.touch = course.deciding.books.next(moment)
