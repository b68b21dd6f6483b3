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
from tests.fakes.context_values import account, at, request, strategy, tick


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
