"""Triggers as replicas publish them."""

from datetime import timedelta

import pytest

from libs.schemas.context import DecisionRequest
from services.context.application.cycles import cycle
from services.context.application.requests import requested
from tests.builders import account
from tests.fakes.context_ports import FakePositionLog, FakeRequestLog, World
from tests.fakes.context_values import at, tick
from tests.unit.context.domain.test_causes import event

BOUNDARY = 1_500 * 60


@pytest.fixture
async def world(young: World) -> World:
    """An account that also decides when a price moves by 1 %, with a decision in flight since the last boundary."""
    young.config.add(account(price_trigger_pct=1.0))
    young.clock.time = at(BOUNDARY + 8)
    await cycle(young.deps)
    (body,) = published(young)
    await requested(young.deps, body)
    young.publisher.emitted.clear()
    return young


def published(world: World) -> list[DecisionRequest]:
    return [e.body for e in world.publisher.emitted if isinstance(e.body, DecisionRequest)]


def price(world: World, seconds: float, value: float) -> None:
    world.clock.time = at(BOUNDARY + seconds)
    world.market.on_tick(tick(BOUNDARY + seconds, value), int(seconds))


async def test_a_price_that_moves_while_a_decision_is_in_flight_waits_in_line_once(world: World) -> None:
    price(world, 10, 103)
    await cycle(world.deps)
    await cycle(world.deps)
    (body,) = published(world)
    assert body.trigger.kind == "price"
    await requested(world.deps, body)
    assert [w.request.request_id for w in world.places.places["acc1"].slot.line] == [body.request_id]
    price(world, 11, 90)
    await cycle(world.deps)
    assert len(published(world)) == 1


async def test_another_replica_that_sees_another_tick_makes_the_same_request(world: World) -> None:
    price(world, 10, 103)
    await cycle(world.deps)
    known = world.requests
    other = World(clock=world.clock, config=world.config, states=world.states, market=world.market)
    other.places, other.publisher = world.places, world.publisher
    other.requests = FakeRequestLog(dict(known.asked), {"acc1": 1})  # it has not read the request yet
    other.requests.asked["acc1"] = known.asked["acc1"].__class__(known.asked["acc1"].cycle, at(BOUNDARY + 2))
    other.__post_init__()
    price(world, 11, 97)
    await cycle(other.deps)
    assert len(published(world)) == 1


async def test_a_request_that_a_replica_has_not_read_yet_is_read_before_another_is_made(world: World) -> None:
    """Both saw different symbols beyond the threshold: the log's newest request decides."""
    foreign = published_by_the_other(world)
    world.publisher.newest["decision.requested.acc1"] = 2
    world.requests.foreign["acc1"] = foreign
    price(world, 10, 103)
    await cycle(world.deps)
    assert published(world) == []
    await cycle(world.deps)
    assert published(world) == [], "its context will be made from the newest prices"


def published_by_the_other(world: World) -> DecisionRequest:
    slot = world.places.places["acc1"].slot
    assert slot.holder is not None
    more = {"request_id": "req-other", "cycle": "price:ETHUSDT:x"}
    return slot.holder.request.model_copy(update=more | {"expires_at": world.clock.now() + timedelta(hours=1)})


async def test_an_executed_stop_is_a_trigger_under_the_id_of_its_event(world: World) -> None:
    happened = event(version=9).model_copy(update={"at": world.clock.now()})
    world.positions.newest["acc1"] = happened
    await cycle(world.deps)
    await cycle(world.deps)
    (body,) = published(world)
    assert (body.cycle, body.account_version) == ("position:acc1:9:0", 9)


async def test_triggers_within_the_pause_are_deferred_as_one(world: World) -> None:
    world.config.add(account(price_trigger_pct=1.0, min_seconds_between_decisions=30))
    world.positions = FakePositionLog({"acc1": event(version=9).model_copy(update={"at": world.clock.now()})})
    world.__post_init__()
    price(world, 12, 103)
    await cycle(world.deps)
    assert published(world) == []
    for second in range(13, 55):
        price(world, second, 103)
        await cycle(world.deps)
        for body in published(world)[len(world.places.places["acc1"].slot.line) :]:
            await requested(world.deps, body)
    (body,) = published(world)
    assert body.trigger.kind == "position"
    assert body.requested_at - at(BOUNDARY) >= timedelta(seconds=32)


async def test_an_execution_from_before_an_outage_fires_nothing(world: World) -> None:
    world.positions.newest["acc1"] = event(version=9).model_copy(update={"at": at(BOUNDARY - 300)})
    await cycle(world.deps)
    assert published(world) == []


async def test_in_lockstep_nobody_looks_before_the_moment_is_whole_and_each_look_is_told(world: World) -> None:
    price(world, 10, 103)
    world.steps.whole, world.steps.told = False, []
    await cycle(world.deps)
    assert (published(world), world.steps.told) == ([], [])
    world.steps.whole = True
    await cycle(world.deps)
    assert len(published(world)) == 1
    assert world.steps.told == [(at(BOUNDARY + 10), world.steps.sequence)]
