"""Context built → order placed over all seven workers, and what each worker weighs at rest.

The pipeline runs on a synthetic market. Accounts that hold nothing ask for a decision one after
the other; both ends of the interval are the server's own times of storing, so no clock of ours takes part, and the
model's time (the built-in rule through LiteLLM) is taken off. Beside it: four bare durable hops with nats-py alone, on
the same server in the same run.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

import nats
import nats.errors
import orjson
from nats.js.api import StreamConfig

from cli.connection import connected
from cli.embedded import Servers
from cli.run.phases import Phases
from cli.run.plan import make_plan
from cli.run.seed import read_accounts
from cli.run.session import RunListener, RunSession, session
from libs.configuration.mirror import StateMirror
from libs.runtime.bus import Bus
from libs.runtime.clock import MarketClockMirror, sleep_until_market
from libs.runtime.emit import Emit
from libs.runtime.ending import end
from libs.runtime.reader import OrderedReader, Record, Start
from libs.runtime.settings import inbox_of
from libs.schemas import subjects
from libs.schemas.context import Trigger
from libs.schemas.ids import context_id, decision_id, request_cycle
from libs.schemas.names import key_of
from tests import builders

ACCOUNTS = 200
SPEED = 5.0
EVERY_S = 0.1  # a rate, not a flood: what follows an order (fills, records) is not to be measured with the next one
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT", "XRPUSDT")
PATIENCE_S = 5.0
HOPS = 4
BARE_RUNS = 300
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


async def _until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes do; there is no event to await."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


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


async def _flat_accounts(bus: Bus) -> list[str]:
    """More paper accounts of the kind that takes what the market offers; return once each has its state."""
    template = next(one for one in read_accounts() if one.strategy_id == "aggressive")
    names = [f"bench-{n:03d}" for n in range(ACCOUNTS)]
    states = StateMirror(bus)
    await states.start()
    for name in names:
        account = template.model_copy(update={"account_id": name, "name": name})
        await bus.kv_put(subjects.KV_CONFIG.name, subjects.account_key(key_of(name)), account)
    await _until(lambda: all(states.get(name) for name in names))
    await states.stop()
    return names


async def _latencies(bus: Bus) -> list[float]:
    clock, chain = MarketClockMirror(bus), Chain(bus)
    await clock.start()
    # An interval that closed less than a minute ago would still give each new account a decision of its own.
    await sleep_until_market(clock, clock.now() + timedelta(seconds=70))
    names = await _flat_accounts(bus)
    await chain.start()
    for name in names:
        pause = asyncio.create_task(asyncio.sleep(EVERY_S))
        await _ask(bus, chain, clock, name)
        await pause
    await chain.stop()
    await clock.stop()
    return chain.latencies()


async def _bare_hops(url: str) -> list[float]:
    """Milliseconds for four durable hops, each a pull of one message, a confirmed publish and an ack."""
    nc = await nats.connect(url, inbox_prefix=inbox_of(url))
    js = nc.jetstream()
    await js.add_stream(StreamConfig(name="BENCH", subjects=["market.bench.*"]))
    arrived: dict[int, asyncio.Future[float]] = {}

    async def hop(n: int) -> None:
        sub = await js.pull_subscribe(f"market.bench.{n}", durable=f"hop{n}", stream="BENCH")
        while True:
            try:
                (msg,) = await sub.fetch(1, timeout=5)
            except nats.errors.TimeoutError:
                continue
            if n == HOPS:
                arrived[int(msg.data)].set_result(time.perf_counter())
            else:
                await js.publish(f"market.bench.{n + 1}", msg.data, headers={"Nats-Msg-Id": f"{n}:{msg.data.decode()}"})
            await msg.ack()

    tasks = [asyncio.create_task(hop(n)) for n in range(1, HOPS + 1)]
    found = []
    for i in range(BARE_RUNS):
        arrived[i] = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        await js.publish("market.bench.1", str(i).encode())
        found.append((await arrived[i] - began) * 1e3)
    await end(tasks)
    await nc.close()
    return found


@asynccontextmanager
async def _pipeline(folder: Path) -> AsyncIterator[tuple[RunSession, Bus, str]]:
    plan = make_plan(state=folder, env={}, feed="synthetic", speed=SPEED, seed=7)
    servers = Servers(folder, use_urls=False)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PERPETUA_", "LLM_", "OPENROUTER_"))}
    try:
        infos = await asyncio.to_thread(servers.start)
        url = infos["nats"].url
        quiet = Phases(lambda line: None)
        async with (
            session(plan, servers, infos, env=env, phases=quiet, listener=RunListener("bench", print)) as run,
            connected(url) as bus,
        ):
            yield run, bus, url
    finally:
        await asyncio.to_thread(servers.stop)


async def _measure() -> tuple[list[float], list[float], Mapping[str, Mapping[str, float]]]:
    with tempfile.TemporaryDirectory(prefix="perpetua-bench-") as folder:
        async with _pipeline(Path(folder)) as (run, bus, url):
            await _until(lambda: len(run.board.prices) == len(SYMBOLS))
            run.refresh()
            at_rest = run.summary().workers
            return await _latencies(bus), await _bare_hops(url), at_rest


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def run() -> list[dict[str, Any]]:
    ours, bare, workers = asyncio.run(_measure())
    rows = []
    for percent, goal in ((50, 10.0), (99, 30.0)):
        value, hops = _percentile(ours, percent), _percentile(bare, percent)
        reference = f"{HOPS} bare durable hops {hops:.2f} ms; {len(ours)} decisions"
        rows.append(_row(f"engine_p{percent}", value, "ms", goal, reference))
    for name, worker in workers.items():
        goal = MEMORY_GOALS.get(name, MEMORY_GOAL)
        rows.append(_row(f"rss_{name}", worker["rss_mib"], "MiB", goal, "when all workers have become ready"))
    return rows


def _row(name: str, value: float, unit: str, goal: float, reference: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "goal": goal, "met": value <= goal, "reference": reference}
