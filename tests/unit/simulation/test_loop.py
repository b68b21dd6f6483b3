"""The loop of a simulation: time is a number, processes are drawn, and the dead do nothing."""

import asyncio
import contextvars
from collections.abc import Callable
from functools import partial
from random import Random

import pytest

from simulation.loop import PROCESS, Deadlock, SimulatedLoop


def begin(loop: SimulatedLoop, process: str, work: Callable[[], object]) -> None:
    context = contextvars.Context()
    context.run(PROCESS.set, process)
    loop.call_soon(work, context=context)


def order_of(seed: int) -> list[str]:
    """Two processes of three steps each, in the order in which they came."""
    loop, seen = SimulatedLoop(Random(seed)), list[str]()
    for n in range(3):
        for process in ("a", "b"):
            begin(loop, process, partial(seen.append, f"{process}{n}"))
    loop.run_until_complete(asyncio.sleep(1))
    loop.close()
    return seen


def test_time_passes_only_when_nobody_has_anything_to_do() -> None:
    loop = SimulatedLoop(Random(1))

    async def waits() -> float:
        await asyncio.sleep(3_600)
        return loop.time()

    assert loop.run_until_complete(waits()) == 3_600
    loop.close()


def test_processes_mingle_by_the_seed_and_each_keeps_its_order() -> None:
    orders = [order_of(seed) for seed in range(10)]
    assert len({tuple(order) for order in orders}) > 1
    assert order_of(3) == order_of(3)
    for order in orders:
        assert [name for name in order if name[0] == "a"] == ["a0", "a1", "a2"]
        assert [name for name in order if name[0] == "b"] == ["b0", "b1", "b2"]


def test_a_killed_process_runs_no_finally() -> None:
    loop, seen = SimulatedLoop(Random(1)), list[str]()

    async def victim() -> None:
        try:
            await asyncio.sleep(1)
        finally:
            seen.append("cleaned up")

    async def killer() -> None:
        context = contextvars.Context()
        context.run(PROCESS.set, "victim")
        loop.create_task(victim(), context=context)
        await asyncio.sleep(0.5)
        loop.kill("victim")
        await asyncio.sleep(5)
        assert seen == []

    loop.run_until_complete(killer())
    loop.bury()
    loop.close()


def test_a_process_that_sleeps_does_late_what_was_due() -> None:
    loop, seen = SimulatedLoop(Random(1)), list[float]()

    async def course() -> None:
        loop.sleep("slow", until=4.0)
        begin(loop, "slow", lambda: seen.append(loop.time()))
        await asyncio.sleep(10)

    loop.run_until_complete(course())
    loop.close()
    assert seen == [4.0]


def test_waiting_for_nothing_is_said() -> None:
    loop = SimulatedLoop(Random(1))
    with pytest.raises(Deadlock):
        loop.run_until_complete(loop.create_future())
    loop.close()
