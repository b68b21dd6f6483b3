"""A whole run to be measured: servers, seven workers, flat accounts, and bare hops beside them."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import nats
import nats.errors
from nats.js.api import StreamConfig

from bench.meter import Meter
from cli.connection import connected
from cli.embedded.servers import Servers
from cli.run.phases import Phases
from cli.run.plan import make_plan
from cli.run.seed import read_accounts
from cli.run.session import RunListener, RunSession, session
from libs.configuration.mirror import StateMirror
from libs.runtime.bus import Bus
from libs.runtime.ending import end
from libs.runtime.settings import inbox_of
from libs.schemas import subjects
from libs.schemas.names import key_of

SPEED = 5.0
HOPS = 4
Hop = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Stack:
    run: RunSession
    bus: Bus
    url: str
    meter: Meter


@asynccontextmanager
async def stack(folder: Path, *, feed: str) -> AsyncIterator[Stack]:
    """All seven workers on embedded servers whose data is in `folder`."""
    plan = make_plan(state=folder, env={}, feed=feed, speed=SPEED, seed=7)
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
            yield Stack(run, bus, url, Meter(run, infos, folder))
    finally:
        await asyncio.to_thread(servers.stop)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes do; there is no event to await."""
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def flat_accounts(bus: Bus, prefix: str, count: int) -> list[str]:
    """More paper accounts of the kind that takes what the market offers; return once each has its state."""
    template = next(one for one in read_accounts() if one.strategy_id == "aggressive")
    names = [f"{prefix}-{n:04d}" for n in range(count)]
    states = StateMirror(bus)
    await states.start()
    for name in names:
        account = template.model_copy(update={"account_id": name, "name": name})
        await bus.kv_put(subjects.KV_CONFIG.name, subjects.account_key(key_of(name)), account)
    await until(lambda: all(states.get(name) for name in names))
    await states.stop()
    return names


@asynccontextmanager
async def bare_hops(url: str) -> AsyncIterator[Hop]:
    """Gives a function for the milliseconds of four durable hops, each a pull of one message, a confirmed publish and
    an acknowledgement, with nats-py alone."""
    nc = await nats.connect(url, inbox_prefix=inbox_of(url))
    js = nc.jetstream()
    await js.add_stream(StreamConfig(name="BENCH", subjects=["market.bench.*"]))
    arrived: dict[int, asyncio.Future[float]] = {}

    async def carry(n: int) -> None:
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

    async def hop() -> float:
        number = len(arrived)
        arrived[number] = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        await js.publish("market.bench.1", str(number).encode())
        return (await arrived[number] - began) * 1e3

    tasks = [asyncio.create_task(carry(n)) for n in range(1, HOPS + 1)]
    try:
        yield hop
    finally:
        await end(tasks)
        await nc.close()
