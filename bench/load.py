"""What the whole pipeline takes at once, and what a decision costs: 500 accounts ask in the same moment, twice.

Costs are the processor time and the MongoDB operations of the second round, divided by its decisions; the feed's ticks
and everything else that runs beside it are in them.
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from bench.ledger import events_left
from bench.meter import Usage
from bench.running import Stack, flat_accounts, stack, until
from cli.run.workers import ALWAYS
from libs.runtime.bus import Bus
from libs.runtime.clock import MarketClockMirror, sleep_until_market
from libs.runtime.emit import Emit
from libs.runtime.reader import OrderedReader, Record, Start
from libs.schemas import subjects
from libs.schemas.context import Trigger
from libs.schemas.ids import context_id, decision_id, request_cycle
from libs.schemas.names import key_of
from tests import builders

ACCOUNTS = 500
MOST_ROUNDS = 5
IDLE_S = 60.0  # twice what is asked most rarely
SETTLE_S = 3.0
QUIET_S = 15.0  # until what looks at a run looks seldom
PATIENCE_S = 240.0
PROCESSES = ("nats", "mongodb", "redis", *ALWAYS)
ENDS = ("decision.validated.", "decision.rejected.", "decision.answered.")


class Burst:
    """Server times, in seconds, at which decisions ended and orders were placed."""

    def __init__(self, bus: Bus) -> None:
        self.ended: dict[str, float] = {}
        self.placed: dict[str, float] = {}
        self.ways: dict[str, str] = {}
        streams = (("DECISIONS", "decision.*.*"), ("ORDERS", "order.placed.*"))
        self._readers = [OrderedReader(bus, s, [subject], self._take, start=Start.new()) for s, subject in streams]

    async def start(self) -> None:
        for reader in self._readers:
            await reader.start()

    async def stop(self) -> None:
        for reader in self._readers:
            await reader.stop()

    def _take(self, record: Record) -> None:
        body = orjson.loads(record.data)
        decision = body.get("decision_id", "")
        if record.subject.startswith("order."):
            self.placed[decision] = record.timestamp_ns / 1e9
        elif record.subject.startswith(ENDS):
            self.ended.setdefault(decision, record.timestamp_ns / 1e9)
            self.ways.setdefault(decision, body.get("status") or body.get("reason") or "answered")


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds to the last order, decisions a second between the tenth and the ninetieth percent of them, how they ended
    and what they took."""

    last: float
    rate: float
    ways: Mapping[str, int]
    used: Usage

    @property
    def count(self) -> int:
        return sum(self.ways.values())


async def a_round(running: Stack, clock: MarketClockMirror, names: list[str], mark: str = "load") -> Result:
    """All of these accounts ask at once; `mark` tells their requests from those of other rounds."""
    burst = Burst(running.bus)
    await burst.start()
    now = clock.now()
    asked: set[str] = set()
    emits = []
    for name in names:
        cycle = request_cycle(f"{mark}-{name}")
        asked.add(decision_id(context_id(name, cycle), "live"))
        request = builders.request(
            f"{mark}-{name}",
            account_id=name,
            cycle=cycle,
            trigger=Trigger(kind="manual", detail="bench"),
            requested_at=now,
            expires_at=now.replace(year=now.year + 1),
        )
        emits.append(Emit(subjects.decision_requested(key_of(name)), request))
    before, began = await running.meter.read(), time.time()
    await running.bus.publish_many(emits)
    async with asyncio.timeout(PATIENCE_S):
        while not asked <= burst.ended.keys():  # noqa: ASYNC110 - other processes decide
            await asyncio.sleep(0.1)
    await asyncio.sleep(SETTLE_S)  # orders after the last verdict, and what is written about them
    while await events_left(running.bus):  # noqa: ASYNC110 - the ledger's share belongs to these decisions
        await asyncio.sleep(0.5)
    used = (await running.meter.read()).since(before)
    await burst.stop()
    last = max((at for decision, at in burst.placed.items() if decision in asked), default=began) - began
    ends = sorted(at for decision, at in burst.ended.items() if decision in asked)
    tenth = len(ends) // 10
    rate = (len(ends) - 2 * tenth) / (ends[-tenth - 1] - ends[tenth])
    return Result(last, rate, Counter(burst.ways[decision] for decision in asked), used)


async def _loaded() -> Result:
    with tempfile.TemporaryDirectory(prefix="perpetua-bench-") as folder:
        async with stack(Path(folder), feed="synthetic") as running:
            await until(lambda: len(running.run.board.prices) == 5)
            clock = MarketClockMirror(running.bus)
            await clock.start()
            await sleep_until_market(clock, clock.now() + timedelta(seconds=70))
            result = None
            for n in range(MOST_ROUNDS):
                names = await flat_accounts(running.bus, f"load{n}", ACCOUNTS)
                before, result = result, await a_round(running, clock, names)
                if before is not None and result.ways.get("accepted", 0) > ACCOUNTS / 2:
                    break  # warm, and the market offers something
            await clock.stop()
            assert result is not None
            return result


async def _idle() -> tuple[float, Usage]:
    with tempfile.TemporaryDirectory(prefix="perpetua-bench-") as folder:
        async with stack(Path(folder), feed="none") as running:
            await asyncio.sleep(QUIET_S)
            before, began = await running.meter.read(), time.monotonic()
            await asyncio.sleep(IDLE_S)
            used = (await running.meter.read()).since(before)
            return time.monotonic() - began, used


def run() -> list[dict[str, Any]]:
    result = asyncio.run(_loaded())
    used, count = result.used, result.count
    seconds, idle = asyncio.run(_idle())
    reference = "500 accounts ask at once: " + ", ".join(f"{way} {n}" for way, n in sorted(result.ways.items()))
    return [
        _row("burst_500", result.last, "s", reference, 10.0),
        _row("decisions_per_second", result.rate, "/s", "the middle four fifths of them, with the built-in rule"),
        _row("cost_all", sum(used.processor.values()) / count, "ms", "processor time of a decision over all processes"),
        *(
            _row(f"cost_{n}", used.processor.get(n, 0.0) / count, "ms", "processor time of a decision")
            for n in PROCESSES
        ),
        _row("mongo_operations", sum(used.operations.values()) / count, "", _kinds(used, count), 20.0),
        _row("idle_messages", idle.messages / seconds, "/s", "in and out of nats-server, no feed, seven workers", 20.0)
        | {"less": True, "same_run": True},
        _row("idle_nats", idle.processor["nats"] / seconds / 10, "%", "of a core", 2.0),
    ]


def _kinds(used: Usage, count: int) -> str:
    return "a decision: " + ", ".join(f"{name} {n / count:.1f}" for name, n in used.operations.items())


def _row(name: str, value: float, unit: str, reference: str, goal: float | None = None) -> dict[str, Any]:
    met = None if goal is None else value <= goal
    return {"name": name, "value": value, "unit": unit, "goal": goal, "met": met, "reference": reference}
