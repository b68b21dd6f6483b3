"""kill -9 of the executor at every step of every state: one order an intent, none lost, every account to the decimal.

Eight accounts trade at once, each of its own symbol, so that a kill meets each in another state. An account that was
disturbed must have the same orders, fills, trades and money as one that was not.
PERPETUA_CHAOS_SEED takes another order of kills; what the long form found is in docs/decisions/0025.
"""

import asyncio
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from cli.connection import connected
from libs.records.collections import ACCOUNTS
from libs.runtime.ending import together
from libs.runtime.reader import OrderedReader, Start
from libs.schemas import subjects
from libs.schemas.names import key_of
from tests.chaos.executions import PRICE, STRATEGIES, SYMBOL, SYMBOLS, Events, Life, Outcome
from tests.chaos.forks import Executor, forking
from tests.chaos.scripts import MAY_BE, SCRIPTS, Script
from tests.fakes import executor_values as values
from tests.forms import sized
from tests.integration.executing import World

RUNS = sized(20, 200)
SEED = int(os.environ.get("PERPETUA_CHAOS_SEED", "1"))
REST_S = 0.2
MOST_S = 15.0  # then all that is in hand is finished: a message is delivered again every 3 s, and eight times at most
REACH_S = 1.2
STEPS = (
    "executor.before_store",
    "executor.before_write",
    "executor.after_write",
    "executor.after_store",
    "executor.after_cancel",
    "executor.after_submit",
    "executor.after_act",
    "executor.after_history",
    "executor.after_done",
    "executor.before_ack",
    "executor.after_state",
    "executor.after_publish",
    "executor.after_project",
    "executor.after_clear",
)
TAKE_OVER = ("executor.after_take", "executor.after_recover")


@dataclass
class Seen:
    """What was killed where, and in which states the accounts were."""

    steps: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    lives: Counter[str] = field(default_factory=Counter)
    disturbed: int = 0

    def told(self) -> str:
        counted = {"steps": self.steps, "states": self.states, "lives": self.lives}
        return "\n".join(f"{name}: {dict(sorted(counts.items()))}" for name, counts in counted.items())


@asynccontextmanager
async def running(world: World, more: Mapping[str, str] | None = None) -> AsyncIterator[tuple[Executor, Events]]:
    env = {"NATS_URL": world.nats_url, "MONGODB_URL": world.mongo_url, "PERPETUA_MONGODB_DB": world.db_name}
    env |= more or {}
    events = Events()
    for name, strategy in STRATEGIES.items():
        await world.config(subjects.strategy_key(key_of(name)), strategy)
        await world.config(subjects.strategy_key(key_of(name), 1), strategy)
    for symbol in SYMBOLS:
        await world.config(subjects.venue_key("paper", symbol), values.filters(symbol))
    async with connected(world.nats_url) as bus, forking(env) as executor:
        reader = OrderedReader(bus, "ORDERS", [">"], events.take, start=Start.all())
        await reader.start()
        yield executor, events
        await reader.stop()


async def lived(world: World, events: Events, script: Script, name: str, symbol: str = SYMBOL) -> Outcome:
    life = Life(world, events, name, symbol)
    await life.tick(PRICE)
    await life.begin()
    await script(life)
    outcome = await life.settled()
    await life.end()
    return outcome


def points(seed: int) -> Iterator[tuple[str, ...]]:
    """Every step at the first to fourth time that it is reached, in an order that is always the same; every third time
    the next life ends while it takes over."""
    chance = random.Random(seed)
    while True:
        chosen = [(step, n) for step in STEPS for n in range(1, 5)]
        chance.shuffle(chosen)
        for step, n in chosen:
            again = f"{chance.choice(TAKE_OVER)}:{chance.randint(1, 16)}"
            yield (f"{step}:{n}", again) if chance.random() < 1 / 3 else (f"{step}:{n}",)


async def states(world: World) -> set[str]:
    """Of orders that work, and `new` for a plan that is stored and not carried out."""
    found = world.db[ACCOUNTS].find({}, {"orders": 1, "plans": 1, "outbox": 1})
    seen: set[str] = set()
    async for entry in found:
        seen |= {f"{order['intent']['leg']} {order['intent']['state']}" for order in entry["orders"].values()}
        seen |= {"plan new"} if entry.get("plans") else set()
        seen |= {"events to be sent"} if entry["outbox"] else set()
    return seen


async def undisturbed(world: World) -> None:
    """Return when no message waits to be delivered again."""
    for durable in subjects.EXECUTOR_PARTITIONS:
        while (await world.js.consumer_info("EXECUTION", durable.name)).num_redelivered:  # noqa: ASYNC110 - the server's
            await asyncio.sleep(0.05)


async def killing(world: World, executor: Executor, seen: Seen) -> None:
    """Kill until it is enough."""
    finished = time.monotonic()
    for step, *then in points(seed=SEED):
        before = len(executor.deaths)
        if time.monotonic() - finished > MOST_S:
            await executor.disarm()
            await undisturbed(world)
            finished = time.monotonic()
        await executor.arm(step, *then)
        wanted = before + 1 + len(then)
        try:
            async with asyncio.timeout(REACH_S):
                await executor.died(before + 1)
                seen.states.update(await states(world))
                await executor.died(wanted)
        except TimeoutError:
            await executor.disarm()
        reached = [step, *then][: len(executor.deaths) - before]
        seen.steps.update(name.partition(":")[0] for name in reached)
        if len(executor.deaths) >= RUNS:
            return
        await asyncio.sleep(REST_S)


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.timeout(600 + 8 * RUNS)
async def test_the_executor_is_killed_at_every_step_of_every_state(
    nats_url: str, mongo_url: str, mongo_db_name: str
) -> None:
    world, seen, began = World(nats_url, mongo_url, mongo_db_name), Seen(), time.monotonic()
    await world.start()
    try:
        async with running(world) as (executor, events):
            calm = {s: await lived(world, events, s, f"calm-{s.__name__}") for s in (*SCRIPTS, *MAY_BE.values())}
            killer = asyncio.create_task(killing(world, executor, seen))

            async def live(slot: int) -> None:
                for n, script in enumerate(itertools.islice(itertools.cycle(SCRIPTS), slot, None)):
                    if killer.done():
                        return
                    before = len(executor.deaths)
                    outcome = await lived(world, events, script, f"run-{slot}-{n}", SYMBOLS[slot])
                    possible = [calm[s] for s in (script, MAY_BE.get(script, script))]
                    assert outcome in possible, f"{script.__name__}: {outcome}, not {possible[0]}"
                    seen.lives[script.__name__] += 1
                    seen.disturbed += len(executor.deaths) > before

            await together(*(live(slot) for slot in range(len(SYMBOLS))))
            await killer
            kills = len(executor.deaths)
            assert executor.odd == []
            assert (await world.js.stream_info("DEAD")).state.messages == 0
    finally:
        await world.stop()
    lives = f"{seen.disturbed} disturbed lives of {seen.lives.total()}"
    print(f"\n{kills} kills, {lives}, {time.monotonic() - began:.0f} s\n{seen.told()}")
    assert kills >= RUNS
    assert seen.disturbed
