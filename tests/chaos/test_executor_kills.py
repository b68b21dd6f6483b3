"""kill -9 of the executor at every step of every state: one order an intent, none lost, every account to the decimal.

PERPETUA_CHAOS_RUNS=500 runs the long form; what it found is in docs/decisions/0025.
"""

import itertools
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from cli.connection import connected
from libs.runtime.reader import OrderedReader, Start
from libs.schemas import subjects
from tests.chaos.executions import PRICE, SCRIPTS, STRATEGIES, Events, Life, Outcome, Script
from tests.chaos.forks import Executor, forking
from tests.integration.executing import World

RUNS = int(os.environ.get("PERPETUA_CHAOS_RUNS", "20"))
STEPS = (
    "executor.before_store",
    "executor.before_write",
    "executor.after_write",
    "executor.after_store",
    "executor.after_cancel",
    "executor.after_submit",
    "executor.after_done",
    "executor.before_ack",
    "executor.after_state",
    "executor.after_publish",
    "executor.after_project",
    "executor.after_clear",
)
AGAIN = ("executor.after_take", "executor.after_recover", *STEPS)


@asynccontextmanager
async def running(world: World) -> AsyncIterator[tuple[Executor, Events]]:
    env = {"NATS_URL": world.nats_url, "MONGODB_URL": world.mongo_url, "PERPETUA_MONGODB_DB": world.db_name}
    events = Events()
    for name, strategy in STRATEGIES.items():
        await world.config(subjects.strategy_key(name), strategy)
        await world.config(subjects.strategy_key(name, 1), strategy)
    async with connected(world.nats_url) as bus, forking(env) as executor:
        reader = OrderedReader(bus, "ORDERS", [">"], events.take, start=Start.all())
        await reader.start()
        yield executor, events
        await reader.stop()


async def lived(world: World, events: Events, script: Script, name: str) -> Outcome:
    life = Life(world, events, name)
    await life.tick(PRICE)
    await life.begin()
    await script(life)
    outcome = await life.settled()
    await life.end()
    return outcome


def plans(reach: dict[tuple[str, str], int], seed: int) -> Iterator[tuple[Script, str, tuple[str, ...]]]:
    """Every step in every life the first, second, … time that it is reached, in a random order that is always the same;
    every third time the next life ends too."""
    chance = random.Random(seed)  # noqa: S311 - to vary, not to hide
    for again in itertools.count():
        chosen = [(s, step, n) for s in SCRIPTS for step in STEPS for n in range(1, reach[s.__name__, step] + 1)]
        chance.shuffle(chosen)
        for script, step, n in chosen:
            twice = chance.random() < (1 / 3 if again == 0 else 1 / 2)
            then = (f"{chance.choice(AGAIN)}:{chance.randint(1, 3)}",) if twice else ()
            yield script, f"{step}:{n}", then


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.timeout(60 + 4 * RUNS)
async def test_the_executor_is_killed_at_every_step_of_every_state(
    nats_url: str, mongo_url: str, mongo_db_name: str
) -> None:
    world = World(nats_url, mongo_url, mongo_db_name)
    await world.start()
    began = time.monotonic()
    where: Counter[str] = Counter()
    try:
        async with running(world) as (executor, events):
            expected = {s.__name__: await lived(world, events, s, f"calm-{s.__name__}") for s in SCRIPTS}
            reach = {(s.__name__, step): 8 if RUNS > 100 else 2 for s in SCRIPTS for step in STEPS}
            done = tried = 0
            for script, step, then in plans(reach, seed=RUNS):
                before = len(executor.deaths)
                await executor.arm(step, *then)
                tried += 1
                try:
                    outcome = await lived(world, events, script, f"run-{tried}")
                except AssertionError as error:
                    error.add_note(f"{script.__name__} killed at {step}, then {then}; {executor.told}")
                    raise
                assert outcome == expected[script.__name__], f"{script.__name__} killed at {step}, then {then}"
                assert executor.odd == []
                killed = len(executor.deaths) > before
                where[f"{script.__name__} {step.partition(':')[0]}"] += killed
                done += killed
                if done >= RUNS:
                    break
            kills = len(executor.deaths)
    finally:
        await world.stop()
    spent = time.monotonic() - began
    places = sum(1 for count in where.values() if count)
    print(f"\n{done} disturbed lives of {tried}, {kills} kills at {places} places, {spent:.0f} s; 0 duplicates, 0 lost")
