"""In lockstep: what a moment does to accounts is done once all of it is here, and told when it is done."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from libs.runtime.ending import end
from libs.schemas import ids
from services.executor.application.board import Board
from services.executor.application.desks import Desks
from services.executor.application.lease_terms import LeaseTerms
from services.executor.application.timers import Timers
from tests.fakes import executor_values as values
from tests.fakes.executor_ports import Ports

ACCOUNT = "steps"


class FakeExecutorSteps:
    """A clock in lockstep that a test sets."""

    def __init__(self) -> None:
        self.active = True
        self.moment: datetime | None = None
        self.told: list[tuple[datetime, Mapping[str, int], Mapping[str, int]]] = []
        self.heard = asyncio.Event()

    async def done(self, at: datetime, versions: Mapping[str, int], executed: Mapping[str, int]) -> None:
        self.told.append((at, versions, executed))
        self.moment = None
        self.heard.set()

    async def step(self, moment: datetime) -> None:
        self.heard.clear()
        self.moment = moment
        await self.heard.wait()


async def test_ticks_wait_until_their_moment_is_whole_and_then_what_they_did_is_told() -> None:
    ports, steps = Ports(), FakeExecutorSteps()
    ports.config.accounts[ACCOUNT] = values.account(ACCOUNT)
    board = Board(ports.clock, held=lambda: steps.active)
    desks = Desks(ports.deps(), board, LeaseTerms())
    await desks.open(ids.partition(ACCOUNT), 1)
    desk = desks.get(ACCOUNT)
    assert desk is not None
    timers = asyncio.create_task(Timers(ports.deps(), board, desks, steps).run())
    board.on_tick(values.tick(50_000, at=values.NOW), 1)
    await steps.step(values.NOW)
    await desk.execute(values.validated(values.instruction(), account_id=ACCOUNT), redelivered=False)
    position = desk.book.positions[values.SYMBOL].position
    assert position.stop_loss is not None
    later = values.NOW + timedelta(seconds=15)
    ports.clock.advance(15)
    board.on_tick(values.tick(float(position.stop_loss) - 500, at=later), 2)
    for _ in range(20):
        await asyncio.sleep(0)
    assert desk.book.positions, "a tick was acted on before its moment was whole"
    await steps.step(later)
    assert not desk.book.positions
    at, versions, executed = steps.told[-1]
    assert (at, versions, executed) == (later, {ACCOUNT: desk.book.version}, {ACCOUNT: desk.book.version})
    assert ports.states.states[ACCOUNT].version == desk.book.version
    await end([timers])
    await desks.close(ids.partition(ACCOUNT), patience=1)
