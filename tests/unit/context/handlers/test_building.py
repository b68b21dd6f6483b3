import asyncio
from datetime import timedelta

import pytest

from libs.runtime.errors import Unavailable
from libs.schemas import ids
from libs.schemas.analytics import Alert
from libs.schemas.context import DecisionRequest, TradingContext
from libs.schemas.reasons import RejectReason
from libs.schemas.verdict import DecisionRejected
from services.context.handlers.building import answer
from services.context.handlers.cycles import cycle
from tests.fakes.context_ports import World
from tests.fakes.context_values import account, at, request, state, strategy, tick


async def test_a_request_becomes_a_context(world: World) -> None:
    (emit,) = await answer(world.deps, request(world.clock.now()))
    assert emit.subject == "context.built.acc1"
    assert isinstance(emit.body, TradingContext)
    assert emit.body.build_ms > 0
    assert world.meter.outcomes == {"built": 1}


async def test_minutes_that_ended_are_closed_before_a_context_is_built(world: World) -> None:
    world.clock.time = at(1_500 * 60 + 3)
    (emit,) = await answer(world.deps, request(world.clock.now()))
    assert isinstance(emit.body, TradingContext)
    assert emit.body.market_data.assets["BTCUSDT"].technical_indicators.interval.as_of == at(1_500 * 60)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no account", RejectReason.UNKNOWN_ACCOUNT),
        ("no strategy", RejectReason.NO_STRATEGY),
        ("no such override", RejectReason.NO_STRATEGY),
        ("no state", RejectReason.NO_STATE),
        ("too late", RejectReason.EXPIRED),
        ("feed silent", RejectReason.NO_MARKET),
    ],
)
async def test_a_request_that_cannot_be_answered_is_rejected(world: World, name: str, reason: RejectReason) -> None:
    body = request(world.clock.now())
    match name:
        case "no account":
            world.config.accounts.clear()
        case "no strategy":
            world.config.strategies.clear()
        case "no such override":
            body = body.model_copy(update={"strategy_override": "gone"})
        case "no state":
            world.states.states.clear()
        case "too late":
            world.clock.advance(60)
        case "feed silent":
            world.clock.advance(50)
    emits = await answer(world.deps, body)
    assert emits[0].subject == "decision.rejected.acc1"
    assert isinstance(emits[0].body, DecisionRejected)
    assert emits[0].body.reason is reason
    assert emits[0].body.decision_id == ids.decision_id(ids.context_id("acc1", body.cycle), "live")
    assert [type(e.body) for e in emits[1:]] == ([Alert] if name == "feed silent" else [])
    assert world.meter.outcomes == {reason.value: 1}


async def test_a_state_that_comes_a_little_late_is_waited_for(world: World) -> None:
    world.states.late["acc1"] = 3
    (emit,) = await answer(world.deps, request(world.clock.now()))
    assert isinstance(emit.body, TradingContext)


async def test_an_account_that_lacks_its_state_is_waited_for_only_once(world: World) -> None:
    world.states.states.clear()
    began = world.clock.monotonic()
    first = await answer(world.deps, request(world.clock.now()))
    waited = world.clock.monotonic() - began
    second = await answer(world.deps, request(world.clock.now()))
    assert [e.body.reason for e in (*first, *second) if isinstance(e.body, DecisionRejected)] == ["no_state"] * 2
    assert waited >= 0.1
    assert world.clock.monotonic() - began - waited < 0.1


async def test_accounts_without_a_state_are_given_time_from_when_they_were_first_seen(world: World) -> None:
    world.states.states.clear()
    world.config.add(*(account(f"new{n}") for n in range(20)))
    await cycle(world.deps)
    world.clock.read += 0.1
    for n in range(20):
        asking = asyncio.create_task(answer(world.deps, request(world.clock.now(), f"new{n}")))
        await asyncio.sleep(0)
        assert asking.done()
    assert world.meter.outcomes == {"no_state": 20}


async def test_some_hands_are_always_left_for_the_other_accounts(world: World) -> None:
    world.config.add(*(account(f"new{n}") for n in range(8)))
    waiting = [asyncio.create_task(answer(world.deps, request(world.clock.now(), f"new{n}"))) for n in range(8)]
    await asyncio.sleep(0)
    assert world.deps.patience.waiting == 2
    (emit,) = await answer(world.deps, request(world.clock.now()))
    assert isinstance(emit.body, TradingContext)
    assert sum(task.done() for task in waiting) == 6
    world.states.states["new0"] = state("new0")
    ends = [(await task)[0].body for task in waiting]
    assert [type(end) for end in ends] == [TradingContext, *[DecisionRejected] * 7]
    assert world.deps.patience.waiting == 0


async def test_a_version_that_does_not_come_is_waited_for_until_the_state_moves(world: World) -> None:
    body = request(world.clock.now())
    (late,) = await answer(world.deps, body, version=3)
    assert isinstance(late.body, DecisionRejected)
    assert late.body.detail == "the executor has not published version 3 of the account, 1 is the newest"
    began = world.clock.monotonic()
    await answer(world.deps, body, version=2)
    assert world.clock.monotonic() - began < 0.1
    world.states.states["acc1"] = state(version=2)
    asking = asyncio.create_task(answer(world.deps, body, version=3))
    await asyncio.sleep(0.05)
    assert not asking.done()
    world.states.states["acc1"] = state(version=3)
    (emit,) = await asking
    assert isinstance(emit.body, TradingContext) and emit.body.account_version == 3


async def test_a_request_may_name_another_strategy_whose_timeframes_are_then_followed(world: World) -> None:
    world.config.add(strategy("15m", strategy_id="other"))
    body = request(world.clock.now(), strategy_override="other")
    (emit,) = await answer(world.deps, body)
    assert isinstance(emit.body, TradingContext)
    assert emit.body.timeframes == ("15m",)
    assert emit.body.account_state.active_strategy.strategy_id == "other"


async def test_a_closed_interval_is_published_once_as_a_request(world: World) -> None:
    world.clock.time = at(1_500 * 60 + 8)
    await cycle(world.deps)
    await cycle(world.deps)
    (emit,) = world.publisher.emitted
    assert emit.subject == "decision.requested.acc1"
    assert isinstance(emit.body, DecisionRequest)
    assert emit.body.cycle == ids.interval_cycle("1m", at(1_500 * 60))
    assert emit.body.request_id == ids.trigger_request_id("acc1", emit.body.cycle)
    assert emit.body.expires_at == at(1_501 * 60)
    assert world.meter.triggers == {"interval": 1}


async def test_nothing_fires_while_stored_ticks_are_still_to_be_read(world: World) -> None:
    world.log.behind = True
    world.clock.time = at(1_500 * 60 + 8)
    await cycle(world.deps)
    assert world.publisher.emitted == []
    world.log.behind = False
    await cycle(world.deps)
    assert len(world.publisher.emitted) == 1


async def test_a_trigger_that_cannot_be_published_is_tried_again(world: World) -> None:
    world.clock.time = at(1_500 * 60 + 8)
    world.publisher.away = True
    with pytest.raises(Unavailable):
        await cycle(world.deps)
    assert world.requests.asked == {}
    world.publisher.away = False
    await cycle(world.deps)
    assert len(world.publisher.emitted) == 1


async def test_nothing_fires_before_the_first_tick_of_the_market() -> None:
    world = World()
    world.config.add(account(), strategy("1m"))
    world.clock.time = at(603)
    await cycle(world.deps)
    assert world.publisher.emitted == []


async def test_an_account_without_a_strategy_disturbs_no_other(world: World) -> None:
    world.config.accounts = {"broken": account("broken", strategy_id="gone"), **world.config.accounts}
    world.clock.time = at(1_500 * 60 + 8)
    await cycle(world.deps)
    assert [e.subject for e in world.publisher.emitted] == ["decision.requested.acc1"]


async def test_after_an_outage_only_the_newest_interval_fires(world: World) -> None:
    world.clock.advance(3_600)
    world.market.on_tick(tick(1_560 * 60, 100), 3)
    world.clock.time = at(1_560 * 60 + 8)
    await cycle(world.deps)
    assert len(world.publisher.emitted) == 1
    assert world.clock.now() - at(1_560 * 60) < timedelta(seconds=60)
