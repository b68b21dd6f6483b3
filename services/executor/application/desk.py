"""One account: verdicts, ticks, timers and controls, one thing at a time, on the document that this process holds."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from libs.runtime.ending import end
from libs.runtime.errors import Conflict
from libs.schemas.account import ControlRequested, MarginMode
from libs.schemas.market import FundingUpdate, MarketTick
from libs.schemas.orders import OrderPlan
from libs.schemas.verdict import DecisionValidated
from services.executor.application.board import Board
from services.executor.application.execution import PlanExecution
from services.executor.application.relay import AWAY, Relay
from services.executor.application.view import VenueView
from services.executor.domain import paper
from services.executor.domain.bands import ALWAYS, Band
from services.executor.domain.book import AccountBook, next_expiry
from services.executor.domain.changes import Turn, seal
from services.executor.domain.control import control
from services.executor.domain.liquidation import fund
from services.executor.domain.quote import Market, mark_of, quote_of
from services.executor.domain.timers import ailing, tended
from services.executor.ports import Deps, Fenced, MarketEvent, Stored, StoredAccount, Write

RETRY_S = 0.5
MAX_BUFFER = 100_000
# Money that no field can hold: an absurd price, nothing that is better a second time.
BEYOND: tuple[type[Exception], ...] = (ArithmeticError, ValidationError)
log = logging.getLogger(__name__)


class Desk:
    """The account's book in memory, its writes, and the market events that wait for it.

    While the desk attends to something every event of its symbols is buffered and handled before it settles; settled,
    it only gets the ticks that its bands let through. So no tick is missed between two writes.
    """

    def __init__(self, deps: Deps, board: Board, account: StoredAccount, fence: int) -> None:
        self._deps = deps
        self._board = board
        self._view = VenueView(deps, board)
        self.book = account.book
        self.fence = fence
        self.seen = max(account.book.market_sequence, 0 if account.book.exposed else board.sequence)
        self.lost = False
        self.due: datetime = next_expiry(account.book)
        self._lock = asyncio.Lock()
        self._stale = False
        self._behind = False
        self._attending = False
        self._recovering = False
        self._buffer: deque[tuple[MarketEvent, int]] = deque()
        self._bands: dict[str, Band] = self._view.bands(account.book)
        self._work: asyncio.Task[None] | None = None
        self._checked = 0
        self._relay = Relay(deps, account.book.account_id)
        self._relay.push(account.book, account.outbox)
        self._listeners: list[Callable[[Turn], None]] = []
        self._execution = PlanExecution(deps, self)

    async def execute(self, body: DecisionValidated, *, redelivered: bool, trace: str | None = None) -> None:
        """Plan and submit a decision, or resume its plan. `trace` is the trace context that it came in."""
        async with self._turn():
            await self._execution.run(body, redelivered=redelivered, trace=trace)

    async def resume(self, plan: Stored[OrderPlan]) -> None:
        """Submit a plan that was stored and not finished."""
        async with self._turn():
            await self._execution.finish(plan)

    async def control(self, body: ControlRequested) -> None:
        async with self._turn():
            await self._commit_if_changed(control(Turn(self.book), body, self.market()))

    async def tend(self) -> None:
        """Expiries, holding times, missing stops, the day's end, and the moves of the trading state."""
        async with self._turn():
            await self._commit_if_changed(tended(Turn(self.book), self.market(), self._view.bounds(self.book)))

    def ails(self) -> bool:
        """Whether the equity at the newest marks, the venue's errors or a missing stop ask for a timer's work."""
        if not self.book.positions and self._checked == self.book.version:
            return False
        found = ailing(self.book, self.market(), self._view.bounds(self.book))
        self._checked = 0 if found else self.book.version
        return found

    async def adopt(self, mode: MarginMode) -> bool:
        """Take over a configured margin mode; False while something is open under the other one."""
        async with self._turn():
            if mode == self.book.margin_mode or self.book.exposed:
                return mode == self.book.margin_mode
            await self._commit_if_changed(Turn(replace(self.book, margin_mode=mode)))
            return True

    async def recover(self, event: MarketEvent, sequence: int) -> None:
        """Handle an event of the past; those of the present wait meanwhile."""
        async with self._lock:
            await self._handle(event, sequence)

    def attend(self) -> None:
        """Buffer every event of this account's symbols from here on."""
        if not self._attending:
            self._attending = True
            self.seen = max(self.seen, self._board.sequence)
            self._board.watch(self.book.account_id, dict.fromkeys(self._view.symbols(self.book), ALWAYS))

    def recovering(self) -> None:
        """Like `attend`, for a desk that has yet to see what happened since its document was written."""
        self._attending = self._recovering = True
        self._board.watch(self.book.account_id, dict.fromkeys(self._view.symbols(self.book), ALWAYS))

    def recovered(self) -> None:
        """The past is done: handle what has waited, and go on live."""
        self._recovering = False
        self.wake()

    def offer(self, event: MarketEvent, sequence: int) -> None:
        """Take an event from the board; returns at once."""
        self._buffer.append((event, sequence))
        if len(self._buffer) > MAX_BUFFER:
            self._buffer.clear()
            self._behind = True
        if not self._attending:
            self.seen = max(self.seen, sequence - 1)
            self._attending = True
            self._board.watch(self.book.account_id, dict.fromkeys(self._view.symbols(self.book), ALWAYS))
        if not self._recovering:
            self.wake()

    def wake(self) -> None:
        """Handle what is buffered, in a task of its own, until it is done or the account is lost."""
        if not self._lock.locked() and (self._work is None or self._work.done()):
            self._work = asyncio.create_task(self._catch_up(), name=f"desk-{self.book.account_id}")

    def market(self) -> Market:
        """The newest quotes and the rules of everything that this account may trade or holds."""
        return self._view.market(self.book)

    async def save(self, turn: Turn, write: Write | None = None) -> None:
        """Write a turn as the next version. After a failure the document is read again before anything else."""
        before, seen = self.book, max(turn.book.market_sequence, self.seen)
        after, outbox = seal(replace(turn, book=replace(turn.book, market_sequence=seen)), self._deps.clock.now())
        try:
            await (write(after, outbox) if write else self._deps.accounts.write(before, after, self.fence, outbox))
        except Fenced:
            self.lost = True
            raise
        except BaseException:
            self._stale = True
            raise
        self._hold(after)
        for listener in tuple(self._listeners):
            listener(turn)
        if outbox or write is None:  # a reservation alone travels with what is submitted next
            self._relay.push(after, outbox)

    def listen(self, on_turn: Callable[[Turn], None]) -> Callable[[], None]:
        """Call back with every turn that was written; the result ends it."""
        self._listeners.append(on_turn)
        return lambda: self._listeners.remove(on_turn)

    async def close(self, *, patience: float) -> None:
        """Finish what is in hand, send what waits, let go."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience), self._lock:
                await self._relay.idle()
        self.seen = self.position.market_sequence
        self.lost = True
        self._board.watch(self.book.account_id, {})
        await self._relay.abandon()
        if self._work is not None:
            await end([self._work])

    @property
    def position(self) -> AccountBook:
        """The book with the place in the market that it has seen."""
        live = self.settled and not self.lost
        return replace(self.book, market_sequence=max(self.seen, self._board.sequence) if live else self.seen)

    @property
    def settled(self) -> bool:
        """Whether everything up to the newest tick is in the book."""
        return not self._attending

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """The account, with everything in its book that happened before."""
        async with self._lock:
            if self.lost:
                raise Conflict(f"{self.book.account_id} is held by another process now")
            self.attend()
            try:
                await self._drain()
                yield
                await self._drain()
            finally:
                self._settle()
        if self._attending:
            self.wake()

    async def _catch_up(self) -> None:
        while not self.lost:
            try:
                async with self._turn():
                    pass
                return
            except AWAY as error:
                log.warning("ticks of %s wait: %r", self.book.account_id, error)
                await asyncio.sleep(RETRY_S)
            except (Fenced, Conflict) as error:
                log.warning("%s", error)
                await asyncio.sleep(RETRY_S)

    async def _drain(self) -> None:
        if self._stale:
            await self._reload()
        if self._behind:
            await self._replay()
        while self._buffer:
            event, sequence = self._buffer[0]
            await self._handle(event, sequence)
            self._buffer.popleft()

    def _settle(self) -> None:
        """No await between the last look at the buffer and the bands: nothing can slip through."""
        if self._buffer or self._stale or self._behind or self._recovering:
            return
        self._attending = False
        self._bands = self._view.bands(self.book)
        self._board.watch(self.book.account_id, self._bands)
        self.seen = max(self.seen, self._board.sequence)

    async def _reload(self) -> None:
        found = await self._deps.accounts.load(self.book.account_id)
        if found is None or found.fence > self.fence:
            self.lost = True
            raise Conflict(f"{self.book.account_id} is held by another process now")
        self._stale = False
        self._hold(found.book)
        self.seen = max(self.seen, found.book.market_sequence)
        self._relay.push(found.book, found.outbox)

    async def _replay(self) -> None:
        """Read again what was too much to keep while documents could not be written."""
        async with self._deps.log.replay(self.seen) as past:
            while (batch := await past.take()) is not None:
                for event, sequence in batch:
                    await self._handle(event, sequence)
        self._behind = False

    def _hold(self, book: AccountBook) -> None:
        self.book = book
        self.due = next_expiry(book)
        self._bands = self._view.bands(self.book)

    async def _handle(self, event: MarketEvent, sequence: int) -> None:
        """Let the event change the book. One that leads to impossible money is passed over: it must not block stops."""
        try:
            await self._apply(event, sequence)
        except BEYOND as error:
            log.critical(
                "MARKET:%d, %s, is passed over for %s: what follows from it is no possible money (%s)",
                sequence,
                event.symbol,
                self.book.account_id,
                type(error).__name__,
            )
        self.seen = max(self.seen, sequence)

    async def _apply(self, event: MarketEvent, sequence: int) -> None:
        market = self.market()
        if event.symbol not in market.rules:
            return
        if isinstance(event, FundingUpdate):  # its own time says whether it was paid, whenever it comes
            due = event.funding_time <= market.now
            await self._commit_if_changed(fund(Turn(self.book), event, market) if due else Turn(self.book), sequence)
        elif sequence > self.seen:
            await self._tick(event, sequence, market)

    async def _tick(self, event: MarketTick, sequence: int, market: Market) -> None:
        limits = self._bands.get(event.symbol)
        if limits is not None and limits.hit(event.price, mark_of(event)):
            quote = quote_of(event, sequence, market.now)
            seen = replace(market, quotes={**market.quotes, event.symbol: quote}, now=quote.at)
            await self._commit_if_changed(paper.on_tick(Turn(self.book), quote, seen), sequence)

    async def _commit_if_changed(self, turn: Turn, sequence: int = 0) -> None:
        if turn.book is not self.book:
            await self.save(replace(turn, book=replace(turn.book, market_sequence=max(sequence, self.seen))))
