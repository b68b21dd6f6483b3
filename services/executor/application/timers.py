"""What time asks of every account that is open here: timers, funding that was announced ahead, checkpoints."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable

from services.executor.application.away import AWAY, SKIPPED
from services.executor.application.board import Board
from services.executor.application.desk import Desk
from services.executor.application.desks import Desks
from services.executor.domain.book import AccountBook
from services.executor.ports import Deps, ExecutorSteps

SWEEP_S = 0.25
STEP_S = 0.005
VITALS_S = 1.0
CHECKPOINT_S = 5.0
AT_ONCE = 50  # desks in one step of the loop
log = logging.getLogger(__name__)


class Timers:
    def __init__(self, deps: Deps, board: Board, desks: Desks, steps: ExecutorSteps) -> None:
        self._deps = deps
        self._board = board
        self._desks = desks
        self._steps = steps

    async def run(self) -> None:
        checked = looked = self._deps.clock.monotonic()
        while True:
            wall = self._deps.clock.monotonic()
            if self._steps.active:
                await asyncio.sleep(STEP_S)
                await self._step()
            else:
                await asyncio.sleep(SWEEP_S)
                self._board.pay_due()
                vitals = wall - looked >= VITALS_S
                looked = wall if vitals else looked
                await self._sweep(vitals=vitals)
            if wall - checked >= CHECKPOINT_S:
                checked = wall
                await self._checkpoint()
                await self._desks.retire()

    async def _sweep(self, *, vitals: bool) -> None:
        now = self._deps.clock.now()
        async for desk in _in_steps(self._desks):
            if desk.due <= now or desk.ahead(now) or (vitals and desk.ails()):
                await _tend(desk)

    async def _step(self) -> None:
        """In lockstep: what the events of a moment do, then what time asks for, then both are told."""
        moment = self._steps.moment
        if moment is None:
            return
        try:
            self._board.pay_due()
            for desk in self._desks:
                await desk.step()
            await self._sweep(vitals=True)
            for desk in self._desks:
                await desk.seat.sent()
            versions = {desk.book.account_id: desk.book.version for desk in self._desks}
            executed = {desk.book.account_id: desk.seat.executed for desk in self._desks if desk.seat.executed}
            await self._steps.done(moment, versions, executed)
        except SKIPPED as error:
            log.warning("the moment %s waits: %r", moment.isoformat(), error)

    async def _checkpoint(self) -> None:
        by_fence: dict[int, list[AccountBook]] = {}
        async for desk in _in_steps(self._desks):
            if desk.settled and desk.book.concerned:
                by_fence.setdefault(desk.seat.fence, []).append(desk.position)
        for fence, books in by_fence.items():
            try:
                await self._deps.accounts.checkpoint(books, fence)
            except AWAY as error:
                log.warning("no checkpoint: %r", error)


async def _in_steps(desks: Iterable[Desk]) -> AsyncIterator[Desk]:
    """All of them, and in between the loop is others': equity at the newest marks costs tens of microseconds each."""
    for number, desk in enumerate(desks, 1):
        yield desk
        if not number % AT_ONCE:
            await asyncio.sleep(0)


async def _tend(desk: Desk) -> None:
    try:
        await desk.tend()
    except SKIPPED as error:
        log.warning("timers of %s wait: %r", desk.book.account_id, error)
