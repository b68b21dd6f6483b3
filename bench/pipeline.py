"""Context built → order placed over all seven workers, and what each worker weighs at rest.

The pipeline runs on a synthetic market. Accounts that hold nothing ask for a decision one after
the other; both ends of the interval are the server's own times of storing, so no clock of ours takes part, and the
model's time is taken off. Beside it: four bare durable hops with nats-py alone, on the same server, in between.
"""

import asyncio
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

import orjson

from bench.running import HOPS, Stack, bare_hops, flat_accounts, stack, until
from libs.runtime.bus import Bus
from libs.runtime.clock import MarketClockMirror, sleep_until_market
from libs.runtime.emit import Emit
from libs.runtime.reader import OrderedReader, Record, Start
from libs.schemas import subjects
from libs.schemas.context import Trigger
from libs.schemas.ids import context_id, decision_id, request_cycle
from libs.schemas.names import key_of
from tests import builders

ACCOUNTS = 200
EVERY_S = 0.1  # a rate, not a flood: what follows an order (fills, records) is not to be measured with the next one
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT")
BARE_EVERY = 10
PATIENCE_S = 5.0
MEMORY_GOALS = {"decider": 260.0, "executor": 200.0, "feed": 200.0}
MEMORY_GOAL = 120.0


class Chain:
    """Server times, in ns, of a request's steps as they come in."""

    def __init__(self, bus: Bus) -> None:
        self.built: dict[str, int] = {}
        self.model_ms: dict[str, float] = {}
        self.placed: dict[str, int] = {}
        self.awaited = ""
        self.ended = asyncio.Event()
        self._readers = [
            OrderedReader(bus, stream, [subject], self._take, start=Start.new())
            for stream, subject in (
                ("CONTEXTS", "context.built.*"),
                ("DECISIONS", "decision.*.*"),
                ("ORDERS", "order.placed.*"),
            )
        ]

    async def start(self) -> None:
        for reader in self._readers:
            await reader.start()

    async def stop(self) -> None:
        for reader in self._readers:
            await reader.stop()

    def _take(self, record: Record) -> None:
        body = orjson.loads(record.data)
        if record.subject.startswith("context."):
            self.built[decision_id(body["context_id"], "live")] = record.timestamp_ns
            return
        decision = body["decision_id"]
        if record.subject.startswith("order."):
            self.placed.setdefault(decision, record.timestamp_ns)
        elif record.subject.startswith("decision.proposed."):
            self.model_ms[decision] = body["timing"].get("model") or 0.0
        if decision == self.awaited and record.subject.startswith(("order.", "decision.rejected.")):
            self.ended.set()

    def expect(self, decision: str) -> None:
        self.awaited = decision
        self.ended.clear()

    def latencies(self) -> list[float]:
        """Milliseconds of every decision that placed an order."""
        return [(at - self.built[d]) / 1e6 - self.model_ms[d] for d, at in self.placed.items() if d in self.built]


async def _ask(bus: Bus, chain: Chain, clock: MarketClockMirror, account: str) -> None:
    cycle = request_cycle(f"bench-{account}")
    chain.expect(decision_id(context_id(account, cycle), "live"))
    now = clock.now()
    request = builders.request(
        f"bench-{account}",
        account_id=account,
        cycle=cycle,
        trigger=Trigger(kind="manual", detail="bench"),
        requested_at=now,
        expires_at=now.replace(year=now.year + 1),
    )
    await bus.publish(Emit(subjects.decision_requested(key_of(account)), request))
    try:
        await asyncio.wait_for(chain.ended.wait(), PATIENCE_S)
    except TimeoutError:
        return  # a hold places nothing


async def _latencies(running: Stack) -> tuple[list[float], list[float]]:
    """Of decisions, and of bare hops in between: whatever else the machine does, both have it beside them."""
    clock, chain = MarketClockMirror(running.bus), Chain(running.bus)
    await clock.start()
    # An interval that closed less than a minute ago would still give each new account a decision of its own.
    await sleep_until_market(clock, clock.now() + timedelta(seconds=70))
    names = await flat_accounts(running.bus, "bench", ACCOUNTS)
    await chain.start()
    bare: list[float] = []
    async with bare_hops(running.url) as hop:
        for n, name in enumerate(names):
            pause = asyncio.create_task(asyncio.sleep(EVERY_S))
            await _ask(running.bus, chain, clock, name)
            await pause
            if n % BARE_EVERY == 0:
                bare += [await hop() for _ in range(BARE_EVERY)]
    await chain.stop()
    await clock.stop()
    return chain.latencies(), bare


async def _measure() -> tuple[list[float], list[float], Mapping[str, Mapping[str, float]]]:
    with tempfile.TemporaryDirectory(prefix="perpetua-bench-") as folder:
        async with stack(Path(folder), feed="synthetic") as running:
            await until(lambda: len(running.run.board.prices) == len(SYMBOLS))
            running.run.refresh()
            at_rest = running.run.summary().workers
            return *await _latencies(running), at_rest


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def run() -> list[dict[str, Any]]:
    ours, bare, workers = asyncio.run(_measure())
    rows = []
    for percent, goal, times in ((50, 10.0, 6.0), (99, 30.0, 8.0)):
        value, hops = _percentile(ours, percent), _percentile(bare, percent)
        reference = f"{HOPS} bare durable hops {hops:.2f} ms; {len(ours)} decisions"
        rows.append(_row(f"engine_p{percent}", value, "ms", goal, reference))
        rows.append(_row(f"engine_p{percent}_hops", value / hops, "times", times, f"{value:.1f} ms of {hops:.2f} ms"))
    for name, worker in workers.items():
        goal = MEMORY_GOALS.get(name, MEMORY_GOAL)
        rows.append(_row(f"rss_{name}", worker["rss_mib"], "MiB", goal, "when all workers have become ready"))
    return rows


def _row(name: str, value: float, unit: str, goal: float, reference: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "goal": goal, "met": value <= goal, "reference": reference}
