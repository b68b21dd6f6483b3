from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.runtime.errors import Later, Unavailable
from libs.schemas import ids, subjects
from libs.schemas.analytics import Alert
from libs.schemas.context import DecisionRequest, TradingContext
from libs.schemas.experiment import Experiment
from libs.schemas.reasons import RejectReason
from libs.schemas.verdict import DecisionRejected
from services.context.application.building import answer
from services.context.application.cycles import cycle
from services.context.domain.patience import MOST_DELIVERIES, Patience
from tests.builders import account, state
from tests.fakes.context_ports import World
from tests.fakes.context_values import at, request, strategy, tick


async def test_a_request_becomes_a_context(world: World) -> None:
    (emit,) = await answer(world.deps, request(world.clock.now()))
    assert emit.subject == "context.built.acc1"
    assert isinstance(emit.body, TradingContext)
    assert emit.body.build_ms > 0
    assert world.meter.outcomes == {"built": 1}


async def test_a_context_with_shadow_arms_stands_on_a_subject_of_theirs_too(world: World) -> None:
    arms = [{"name": "b", "model": "builtin/trend"}]
    world.config.add(Experiment.model_validate({"name": "try", "mode": "shadow", "arms": arms}))
    built, shadowed = await answer(world.deps, request(world.clock.now()))
    assert (built.subject, shadowed.subject) == ("context.built.acc1", "context.shadowed.acc1")
    assert built.body is shadowed.body


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


async def test_a_state_that_comes_a_little_late_is_waited_for_without_holding_a_hand(world: World) -> None:
    held = world.states.states.pop("acc1")
    seconds = []
    for deliveries in (1, 2, 3):
        with pytest.raises(Later) as later:
            await answer(world.deps, request(world.clock.now()), deliveries=deliveries)
        seconds.append(later.value.seconds)
    assert seconds == pytest.approx([0.05, 0.15, 0.45])
    world.states.states["acc1"] = held
    (emit,) = await answer(world.deps, request(world.clock.now()), deliveries=4)
    assert isinstance(emit.body, TradingContext)
    assert world.meter.outcomes == {"built": 1}


async def test_an_account_is_waited_for_only_once_while_its_state_does_not_move(world: World) -> None:
    body = request(world.clock.now())
    with pytest.raises(Later):
        await answer(world.deps, body, version=3, deliveries=1)
    world.clock.read += 2.1
    for version in (2, 3):
        (end,) = await answer(world.deps, body, version, deliveries=1)
        assert isinstance(end.body, DecisionRejected)
        assert end.body.detail == f"the executor has not published version {version} of the account, 1 is the newest"
    world.states.states["acc1"] = state(version=2)
    with pytest.raises(Later):
        await answer(world.deps, body, version=3, deliveries=1)
    world.states.states["acc1"] = state(version=3)
    (emit,) = await answer(world.deps, body, version=3, deliveries=2)
    assert isinstance(emit.body, TradingContext) and emit.body.account_version == 3


@pytest.mark.parametrize("deliveries", [MOST_DELIVERIES, None], ids=["too often delivered", "nothing to come again"])
async def test_who_cannot_come_again_is_refused_at_once(world: World, deliveries: int | None) -> None:
    world.states.states.clear()
    (end,) = await answer(world.deps, request(world.clock.now()), deliveries=deliveries)
    assert isinstance(end.body, DecisionRejected) and end.body.reason is RejectReason.NO_STATE


@given(st.floats(0.01, 10))
def test_waiting_takes_as_long_as_is_allowed_and_leaves_a_delivery(wait: float) -> None:
    patience, now, deliveries = Patience(wait), 100.0, 1
    while (seconds := patience.later("acc1", None, deliveries, now)) is not None:
        now, deliveries = now + seconds, deliveries + 1
    assert now - 100 == pytest.approx(wait, abs=0.06) and deliveries < subjects.CONTEXT_REQUESTS.max_deliver


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
