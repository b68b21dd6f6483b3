"""The executor's own speed: intents, stops triggered by a tick, and how many paper accounts a worker keeps up with.

In one process with its ports in memory: what is measured is our code, without MongoDB's and NATS's share.
"""

import asyncio
import statistics
import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

from services.executor.application.board import Board
from services.executor.application.desks import Desks
from services.executor.application.lease_terms import LeaseTerms
from tests.fakes import executor_values as values
from tests.fakes.executor_ports import Ports

PARTITIONS = 16
DECISIONS = 300
POSITIONS = 5_000
TRIGGERED = 20
ROUNDS = 15
QUIET_TICKS = 20_000
TICKS_PER_S = 20  # five symbols, four ticks a second each: a busy live feed
BUSY = 0.1  # entries and exits that an account makes a minute
Row = dict[str, Any]


class World:
    """A worker that holds every account."""

    def __init__(self, accounts: int) -> None:
        self.ports = Ports()
        self.names = [f"acc-{n:05d}" for n in range(accounts)]
        self.ports.config.accounts = {name: values.account(name) for name in self.names}
        self.board = Board(self.ports.clock)
        self.desks = Desks(self.ports.deps(), self.board, LeaseTerms())
        self.sequence = 0

    async def open(self) -> None:
        for partition in range(PARTITIONS):
            await self.desks.open(partition, 1)
        self.tick(50_000)

    async def close(self) -> None:
        for partition in range(PARTITIONS):
            await self.desks.close(partition, patience=5)

    def tick(self, price: float) -> None:
        self.sequence += 1
        self.ports.clock.advance(0.001)
        at = values.NOW + timedelta(milliseconds=self.sequence)
        self.board.on_tick(values.tick(price, at=at), self.sequence)

    async def enter(self, n: int, stop: Decimal) -> None:
        entry = values.instruction(
            quantity=Decimal("0.01"), notional=Decimal(500), margin=Decimal(100), stop=stop, target=Decimal(60_000)
        )
        body = values.validated(entry, decision=f"dec-{n}", account_id=self.names[n], at=self.ports.clock.now())
        await self.desks.execute(body, redelivered=False)

    def flat(self, names: list[str]) -> bool:
        return not any(self._held(name) for name in names)

    def _held(self, name: str) -> bool:
        desk = self.desks.get(name)
        return desk is not None and bool(desk.book.positions)


def run() -> list[Row]:
    return asyncio.run(_run())


async def _run() -> list[Row]:
    entry_s = await _entries()
    waits, idle_s, look_s = await _stops()
    ms = 1_000 * statistics.median(waits)
    accounts = (1 - TICKS_PER_S * idle_s) / (look_s + BUSY * 2 * entry_s / 60)
    return [
        _row(
            "executor_intents", 3 / entry_s, "1/s", None, f"{DECISIONS} entries with stop and target, ports in memory"
        ),
        _row("stop_latency", ms, "ms", None, f"{TRIGGERED} stops at once of {POSITIONS} open positions, p50"),
        _row("paper_accounts", accounts, "accounts", 1_000.0, f"one core, {BUSY:g} trades a minute each, estimate"),
    ]


async def _entries() -> float:
    """Seconds of one decision: judged, planned, stored, submitted, filled and protected."""
    world = World(DECISIONS)
    await world.open()
    began = time.perf_counter()
    for n in range(DECISIONS):
        await world.enter(n, Decimal(49_000))
    took = time.perf_counter() - began
    await world.close()
    return took / DECISIONS


async def _stops() -> tuple[list[float], float, float]:
    """Seconds from a tick to the last of twenty stopped positions, of a tick that matters to nobody, and of the look
    that each account with a position gets once a second."""
    world = World(POSITIONS)
    await world.open()
    for n in range(POSITIONS):
        await world.enter(n, Decimal(49_500) - n // TRIGGERED)
    idle_s, look_s = _quiet(world), _look(world)
    waits = []
    for level in range(ROUNDS):
        names = world.names[level * TRIGGERED : (level + 1) * TRIGGERED]
        began = time.perf_counter()
        world.tick(49_500 - level - 0.1)
        while not world.flat(names):  # noqa: ASYNC110 - each desk works in a task of its own
            await asyncio.sleep(0)
        waits.append(time.perf_counter() - began)
    await world.close()
    return waits, idle_s, look_s


def _quiet(world: World) -> float:
    began = time.perf_counter()
    for _ in range(QUIET_TICKS):
        world.tick(50_000)
    return (time.perf_counter() - began) / QUIET_TICKS


def _look(world: World) -> float:
    desks = [desk for name in world.names if (desk := world.desks.get(name)) is not None]
    began = time.perf_counter()
    for desk in desks:
        desk.ails()
    return (time.perf_counter() - began) / len(desks)


def _row(name: str, value: float, unit: str, goal: float | None, reference: str) -> Row:
    met = None if goal is None else (value <= goal if unit == "ms" else value >= goal)
    return {"name": name, "value": round(value, 3), "unit": unit, "goal": goal, "met": met, "reference": reference}
