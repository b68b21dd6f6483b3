"""kill -9 of the executor at every step of an act by hand: it is done once, by one order, and told once."""

import asyncio
import contextlib
import itertools
from decimal import Decimal
from typing import Any

import pytest

from tests.chaos.executions import PRICE, Life
from tests.chaos.scripts import BUY
from tests.chaos.test_executor_kills import REACH_S, STEPS, TAKE_OVER, running
from tests.forms import sized
from tests.integration.executing import World

ROUNDS = sized(1, 8)
REACHED = len(STEPS) * ROUNDS // 2  # an act cancels only what rests, and some steps are reached by others alone
ACTS: tuple[dict[str, Any], ...] = ({"kind": "close", "share": "0.2"}, {"kind": "stop"}, {"kind": "target"})


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.timeout(300 + 200 * ROUNDS)
async def test_the_executor_is_killed_at_every_step_of_an_act(
    nats_url: str, mongo_url: str, mongo_db_name: str
) -> None:
    world, told = World(nats_url, mongo_url, mongo_db_name), []
    await world.start()
    try:
        async with running(world) as (executor, events):
            life = Life(world, events, "by-hand")
            await life.tick(PRICE)
            await life.begin()
            await life.decide(BUY.model_copy(update={"allocation_usd": 5_000}), life_s=600)
            await life.until(lambda book: bool(book.positions), "bought")
            kinds = itertools.cycle(ACTS)
            for number, step in enumerate(STEPS * ROUNDS, 1):
                act, deaths = dict(next(kinds)), len(executor.deaths)
                if act["kind"] != "close":  # each another price: towards the market
                    act["price"] = str(49_000 + number if act["kind"] == "stop" else 52_000 - number)
                then = (f"{TAKE_OVER[number % 2]}:1",) if number % 3 == 0 else ()
                await executor.arm(f"{step}:1", *then)
                await life.act(number, **act)
                name = f"a-by-hand-{number}"
                book = await life.until(lambda book, name=name: name in _done(book), f"{act} at {step}")  # type: ignore[misc]
                with contextlib.suppress(TimeoutError):  # what comes after it is told comes at once, or not at all
                    async with asyncio.timeout(REACH_S):
                        await executor.died(deaths + 1)
                await executor.disarm()
                told.append((step, act["kind"], len(executor.deaths) - deaths))
                assert _done(book).count(name) == 1
                (position,) = (holding.position for holding in book.positions.values())
                level = {"stop": position.stop_loss, "target": position.take_profit}.get(act["kind"])
                assert level is None or level == Decimal(act["price"])
            await life.act(1_000, kind="close")
            await life.until(lambda book: not book.positions and not book.orders, "closed")
            await life.settled()
            placed = [event["intent"] for event in events.of("by-hand") if event["is"] == "order.placed"]
            by_act = [intent["origin"] for intent in placed if intent["origin"].startswith("a-by-hand-")]
            assert sorted(by_act) == sorted({*by_act}), "two orders of one act"
            assert len(by_act) == len(STEPS) * ROUNDS + 1
            assert (executor.odd, (await world.js.stream_info("DEAD")).state.messages) == ([], 0)
            kills = len(executor.deaths)
    finally:
        await world.stop()
    print(f"\n{kills} kills: {told}")
    assert kills >= REACHED


def _done(book: Any) -> list[str]:
    return [outcome.control_id for outcome in book.acts if outcome.result == "done"]
