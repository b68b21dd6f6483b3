"""One account of a replay: the executor's own books, plans and paper venue, written to memory."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from libs.perps.sides import sign
from libs.schemas.account import Account, AccountState, Leg
from libs.schemas.market import FundingUpdate
from libs.schemas.orders import OrderEvent, OrderPlan, PositionEvent
from libs.schemas.verdict import DecisionValidated
from replay.configuration import ReplayConfiguration
from replay.stepping import ReplayClock, at_once
from replay.tape import NEVER, Floats
from replay.world import ReplayWorld
from services.executor.adapters.paper import PaperVenue
from services.executor.application.execution import PlanExecution
from services.executor.application.open_book import OpenBook
from services.executor.application.paper_trading import PaperTrading
from services.executor.domain.bands import Band
from services.executor.domain.book import AccountBook, WorkingOrder, new_book
from services.executor.domain.changes import Outgoing
from services.executor.domain.performance import STEP_PCT, performance
from services.executor.domain.plan import orders
from services.executor.domain.state import account_state
from services.executor.domain.timers import ailing
from services.executor.domain.trading import TradingBounds
from services.executor.ports import StoredAccount, TakenPartition
from services.executor.ports.venues import Stored

ROUNDING = 1e-9  # floats find where to look; decimals say what is there
Heard = Callable[[AccountState, tuple[Outgoing, ...]], None]


class MemoryAccounts:
    """What is written is held by the seat already."""

    async def load(self, account_id: str) -> StoredAccount | None:
        return None

    async def take(self, partition: int, fence: int) -> TakenPartition:
        return TakenPartition((), {})

    async def create(self, book: AccountBook, fence: int) -> bool:
        return True

    async def write(self, before: AccountBook, after: AccountBook, fence: int, outbox: Sequence[Outgoing]) -> None: ...

    async def checkpoint(self, books: Sequence[AccountBook], fence: int) -> None: ...

    async def clear(self, account_id: str, event_ids: Sequence[str], plan_ids: Sequence[str] = ()) -> None: ...


class MemoryPlans:
    """A plan is carried out in the write that stores it: nothing is ever found unfinished."""

    async def find(self, account_id: str, decision_id: str) -> Stored[OrderPlan] | None:
        return None

    async def store(
        self, plan: OrderPlan, before: AccountBook, after: AccountBook, fence: int, outbox: Sequence[Outgoing]
    ) -> Stored[OrderPlan]:
        return Stored(plan)

    def orders(self, plan: Stored[OrderPlan]) -> Sequence[Stored[WorkingOrder]]:
        return tuple(Stored(order) for order in orders(plan.value))

    async def keep(self, plans: Sequence[Stored[OrderPlan]]) -> None: ...

    async def unfinished(self, account_ids: Sequence[str]) -> Sequence[Stored[OrderPlan]]:
        return ()

    async def project(self, events: Iterable[OrderEvent]) -> None: ...


@dataclass(frozen=True, slots=True)
class MemoryDeps:
    """What books need from outside."""

    config: ReplayConfiguration
    clock: ReplayClock
    bounds: TradingBounds
    accounts: MemoryAccounts = field(default_factory=MemoryAccounts)
    plans: MemoryPlans = field(default_factory=MemoryPlans)
    refuses: frozenset[Leg] = frozenset()


class ToldAtOnce:
    """Tells of an account at once."""

    def __init__(self, deps: MemoryDeps, account: Account, heard: Heard) -> None:
        self._fees = deps.config.venue_symbol(account.venue, account.symbols[0])
        self._heard = heard

    def push(self, book: AccountBook, outbox: tuple[Outgoing, ...]) -> None:
        self._heard(account_state(book, self._fees), outbox)

    def close(self, book: AccountBook, plan: Stored[OrderPlan]) -> None: ...

    async def idle(self) -> None: ...

    async def abandon(self) -> None: ...


class ReplayedAccount:
    """The account at its seat, and the moments at which the market or time can change it."""

    def __init__(
        self, account: Account, world: ReplayWorld, deps: MemoryDeps, heard: Heard, book: AccountBook | None = None
    ) -> None:
        self._world = world
        book = book or new_book(account, performance((), account.initial_balance), deps.clock.now())
        self.seat = OpenBook(deps, world.board, StoredAccount(book, 1), 1, ToldAtOnce(deps, account, heard))
        venue = PaperVenue(self.seat)
        self._trading = PaperTrading(self.seat, venue)
        self._execution = PlanExecution(deps, self.seat, venue)
        self._looked: AccountBook | None = None
        self._hits: dict[str, int] = {}
        self._bands: dict[str, Band] = {}
        self._ails = NEVER

    @property
    def book(self) -> AccountBook:
        return self.seat.book

    def next(self, moment: int) -> int:
        """The first moment after `moment` at which a price or time can change the account."""
        self._look(moment)
        due = self._world.grid.from_on(self.seat.due)
        return min(max(due, moment + 1), self._ails, min(self._hits.values(), default=NEVER))

    def fund(self, update: FundingUpdate) -> None:
        if update.symbol in self.book.concerned:
            at_once(self._trading.react(update, 0))

    def meet(self, moment: int) -> None:
        """Let the prices of a moment do what they do, then time."""
        for n, (symbol, tape) in enumerate(self._world.tapes.items()):
            if self._hits.get(symbol) == moment or (symbol in self.book.exposed and tape.newest(moment) == moment):
                at_once(self._trading.react(tape.tick(moment), self._world.sequence(n, moment)))
        self.seat.reach(self._world.board.sequence)
        market = self.seat.market()
        if self.seat.due <= market.now or (self.book.positions and ailing(self.book, market, self.seat.bounds())):
            at_once(self._trading.tend())

    def execute(self, body: DecisionValidated) -> None:
        at_once(self._execution.run(body, redelivered=False))

    def _look(self, moment: int) -> None:
        """Find anew where prices matter: for a book that changed, and where a moment has passed."""
        fresh = self._looked is not self.book
        if fresh:
            self._looked, self._bands, self._hits = self.book, self._trading.bands(), {}
        for symbol, band in self._bands.items():
            if self._hits.get(symbol, moment) <= moment and symbol in self._world.tapes:
                low, high = max(band.mark_low, band.price_low), min(band.mark_high, band.price_high)
                self._hits[symbol] = self._world.tapes[symbol].crosses(low, high, moment)
        if fresh or self._ails <= moment:
            self._ails = self._ailing_from(moment)

    def _ailing_from(self, moment: int) -> int:
        """The first moment at which the equity is low enough for a write: a step of drawdown, or a bound."""
        book, bounds = self.book, self.seat.bounds()
        if not book.positions:
            return NEVER
        limits = [float(book.peak) * (1 - (book.performance.max_drawdown + STEP_PCT) / 100)]
        if bounds.max_drawdown is not None and book.trading_state != "halted":
            limits.append(float(book.peak) * (1 - float(bounds.max_drawdown) / 100))
        if bounds.max_daily_loss is not None and book.trading_state == "active":
            day = book.day
            limits.append(float(day.open_equity * (1 - bounds.max_daily_loss / 100) + day.transfers))
        return self._below(max(limits) + float(book.peak) * ROUNDING, moment)

    def _below(self, level: float, after: int) -> int:
        start, width = after + 1, 64
        while start < self._world.grid.last + 1:
            worth = self._equity(start, start + width)
            if worth is None or not len(worth):
                return NEVER
            low = (worth <= level).nonzero()[0]
            if len(low):
                return start + int(low[0])
            start, width = start + width, width * 4
        return NEVER

    def _equity(self, start: int, end: int) -> Floats | None:
        """Wallet and open profits at moments, as floats."""
        total: Floats | None = None
        for symbol, holding in self.book.positions.items():
            prices = self._world.tapes[symbol].known[start:end]
            side, at = float(sign(holding.position.side)), holding.position
            profit: Floats = side * (float(at.quantity) * prices - float(holding.spent))
            total = profit + float(self.book.wallet) if total is None else total + profit
        return total


def position_events(outbox: Iterable[Outgoing]) -> Iterable[PositionEvent]:
    return (event.body for event in outbox if isinstance(event.body, PositionEvent))
