"""One account: verdicts, ticks, timers and controls, one thing at a time, on the document that this process holds."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

from libs.runtime.ending import end
from libs.runtime.errors import Conflict
from libs.schemas.account import ControlRequested, MarginMode
from libs.schemas.acts import Act
from libs.schemas.orders import OrderPlan
from libs.schemas.verdict import DecisionValidated
from services.executor.application.away import AWAY, BEYOND, LOST
from services.executor.application.board import Board
from services.executor.application.execution import PlanExecution
from services.executor.application.open_book import OpenBook
from services.executor.application.trading import Trading
from services.executor.domain.bands import ALWAYS
from services.executor.domain.book import AccountBook
from services.executor.domain.changes import Turn
from services.executor.domain.timers import ailing
from services.executor.ports import Deps, MarketEvent
from services.executor.ports.venues import Stored

RETRY_S = 0.5
MAX_BUFFER = 100_000
log = logging.getLogger(__name__)


class Desk:
    """Turns at the account's seat, and the market events that wait for one.

    While the desk attends to something every event of its symbols is buffered and handled before it settles; settled,
    it only gets the ticks that its bands let through. So no tick is missed between two writes.
    """

    def __init__(self, deps: Deps, board: Board, seat: OpenBook, trading: Trading) -> None:
        self._log = deps.log
        self._board = board
        self.seat = seat
        self._trading = trading
        self._execution = PlanExecution(deps, seat, trading.orders)
        self._lock = asyncio.Lock()
        self._behind = False
        self._attending = False
        self._recovering = False
        self._buffer: deque[tuple[MarketEvent, int]] = deque()
        self._work: asyncio.Task[None] | None = None
        self._checked = 0
        name = f"stream-{seat.book.account_id}"
        self._hearing = asyncio.create_task(trading.listen(self._certain), name=name)

    @property
    def book(self) -> AccountBook:
        return self.seat.book

    @property
    def due(self) -> datetime:
        """When the next of the account's times comes."""
        return self.seat.due

    def ahead(self, now: datetime) -> bool:
        """Whether its day is one that the market has not reached: it was opened before the market's clock was set."""
        return self.book.day.start > now

    async def execute(self, body: DecisionValidated, *, redelivered: bool, trace: str | None = None) -> None:
        """Plan and submit a decision, or resume its plan. `trace` is the trace context that it came in."""
        self._trading.admit()
        async with self._certain():
            await self._execution.run(body, redelivered=redelivered, trace=trace)

    async def resume(self, plan: Stored[OrderPlan]) -> None:
        """Submit a plan that was stored and not finished."""
        async with self._certain():
            await self._execution.finish(plan)

    async def control(self, body: ControlRequested) -> None:
        async with self._certain():
            await self._trading.control(body)

    async def act(self, body: ControlRequested, act: Act) -> None:
        """Do by hand what takes risk away, or refuse it."""
        async with self._certain():
            await self._execution.act(body, act)

    async def tend(self) -> None:
        """Expiries, holding times, missing stops, the day's end, and the moves of the trading state."""
        async with self._certain():
            await self._trading.tend()

    def ails(self) -> bool:
        """Whether the equity at the newest marks, the venue's errors or a missing stop ask for a timer's work."""
        if self._trading.ails():
            return True
        if not self.book.positions and self._checked == self.book.version:
            return False
        found = ailing(self.book, self.seat.market(), self.seat.bounds())
        self._checked = 0 if found else self.book.version
        return found

    async def step(self) -> None:
        """In lockstep: what the events of a moment do, now that all of them are here."""
        async with self.turn():
            pass

    async def adopt(self, mode: MarginMode) -> bool:
        """Take over a configured margin mode; False while something is open under the other one."""
        async with self.turn():
            if mode == self.book.margin_mode or self.book.exposed:
                return mode == self.book.margin_mode
            await self.seat.commit(Turn(replace(self.book, margin_mode=mode)))
            return True

    async def recover(self, event: MarketEvent, sequence: int) -> None:
        """Handle an event of the past; those of the present wait meanwhile."""
        async with self._lock:
            await self._handle(event, sequence)

    def recovering(self) -> None:
        """Buffer events like in a turn, for a desk that has yet to see what happened since its document was written."""
        self._recovering = True
        self._attend()

    def recovered(self) -> None:
        """The past is done: handle what has waited, and go on live."""
        self._recovering = False
        self._wake()

    def offer(self, event: MarketEvent, sequence: int) -> None:
        """Take an event from the board; returns at once."""
        self._buffer.append((event, sequence))
        if len(self._buffer) > MAX_BUFFER:
            self._buffer.clear()
            self._behind = True
        if not self._attending:
            self.seat.reach(sequence - 1)
            self._attend()
        if not self._recovering and not self._board.held():
            self._wake()

    async def close(self, *, patience: float) -> None:
        """Finish what is in hand, send what waits, let go."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience), self._lock:
                await self.seat.sent()
        self.seat.reach(self.position.market_sequence)
        await self.seat.let_go()
        self._board.leave(self.book.account_id)
        await end([self._hearing, *([self._work] if self._work is not None else [])])
        await self._trading.close()

    @property
    def position(self) -> AccountBook:
        """The book with the place in the market that it has seen."""
        live, seen = self.settled and not self.seat.lost, self.seat.seen
        return replace(self.book, market_sequence=max(seen, self._board.sequence) if live else seen)

    @property
    def settled(self) -> bool:
        """Whether everything up to the newest tick is in the book."""
        return not self._attending

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The account, with everything in its book that happened before."""
        async with self._lock:
            if self.seat.lost:
                raise Conflict(f"{self.book.account_id} is held by another process now")
            if not self._attending:
                self.seat.reach(self._board.sequence)
                self._attend()
            try:
                await self._drain()
                yield
                await self._drain()
            finally:
                self._settle()
        if self._attending:
            self._wake()

    @contextlib.asynccontextmanager
    async def _certain(self) -> AsyncIterator[None]:
        """A turn that begins with books that are the venue's, whatever the last one did and could not write."""
        async with self.turn():
            await self._trading.begin()
            yield

    def _attend(self) -> None:
        """Buffer every event of this account's symbols from here on."""
        self._attending = True
        self._board.watch(self.book.account_id, dict.fromkeys(self.seat.symbols(), ALWAYS), self.offer)

    def _wake(self) -> None:
        """Handle what is buffered, in a task of its own, until it is done or the account is lost."""
        if not self._lock.locked() and (self._work is None or self._work.done()):
            self._work = asyncio.create_task(self._catch_up(), name=f"desk-{self.book.account_id}")

    async def _catch_up(self) -> None:
        while not self.seat.lost:
            try:
                async with self.turn():
                    pass
                return
            except AWAY as error:
                log.warning("ticks of %s wait: %r", self.book.account_id, error)
                await asyncio.sleep(RETRY_S)
            except LOST as error:
                log.warning("%s", error)
                await asyncio.sleep(RETRY_S)

    async def _drain(self) -> None:
        if self.seat.stale:
            await self.seat.reload()
        if self._behind:
            await self._replay()
        while self._buffer:
            event, sequence = self._buffer[0]
            await self._handle(event, sequence)
            self._buffer.popleft()

    def _settle(self) -> None:
        """No await between the last look at the buffer and the bands: nothing can slip through."""
        if self._buffer or self.seat.stale or self._behind or self._recovering:
            return
        self._attending = False
        self._board.watch(self.book.account_id, self._trading.bands(), self.offer)
        self.seat.reach(self._board.sequence)

    async def _replay(self) -> None:
        """Read again what was too much to keep while documents could not be written."""
        async with self._log.replay(self.seat.seen) as past:
            while (batch := await past.take()) is not None:
                for event, sequence in batch:
                    await self._handle(event, sequence)
        self._behind = False

    async def _handle(self, event: MarketEvent, sequence: int) -> None:
        """Let the event change the book. One that leads to impossible money is passed over: it must not block stops."""
        try:
            await self._trading.react(event, sequence)
        except BEYOND as error:
            log.critical(
                "MARKET:%d, %s, is passed over for %s: what follows from it is no possible money (%s)",
                sequence,
                event.symbol,
                self.book.account_id,
                type(error).__name__,
            )
        self.seat.reach(sequence)
