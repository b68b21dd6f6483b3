import asyncio
import time

import pytest

from services.executor.adapters.ccxt.pace import Pace, Stopped
from services.executor.domain.replies import Priority


async def test_a_stop_overtakes_every_question_that_waits() -> None:
    pace, order = Pace(500, time.monotonic), list[Priority]()
    pace.hold(0.02)

    async def ask(priority: Priority) -> None:
        await pace.turn(priority)
        order.append(priority)

    await asyncio.gather(*(ask(p) for p in (Priority.RECONCILE, Priority.ENTRY, Priority.EXIT, Priority.PROTECT)))
    assert order == [Priority.PROTECT, Priority.EXIT, Priority.ENTRY, Priority.RECONCILE]


async def test_turns_are_spaced() -> None:
    pace, before = Pace(100, time.monotonic), time.monotonic()
    await asyncio.gather(*(pace.turn(Priority.ENTRY) for _ in range(6)))
    assert time.monotonic() - before >= 0.05


async def test_a_ban_lets_nothing_through_and_frees_those_that_wait() -> None:
    pace = Pace(10, time.monotonic)
    pace.hold(60)
    waiting = asyncio.create_task(pace.turn(Priority.ENTRY))
    await asyncio.sleep(0)
    pace.stop(120)
    for turn in (waiting, pace.turn(Priority.PROTECT)):
        with pytest.raises(Stopped, match="banned this address for another 120 s"):
            await turn
