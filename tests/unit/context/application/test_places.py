"""Requests and ends over one account's place, with processes that die between two steps."""

from datetime import timedelta
from typing import Any

import pytest

from libs.runtime.emit import Emit, Emits
from libs.runtime.errors import Later
from libs.schemas.base import Message
from libs.schemas.context import DecisionRequest, TradingContext
from libs.schemas.inflight import InFlight
from libs.schemas.reasons import RejectReason
from libs.schemas.verdict import AssetVerdict, DecisionAnswered, DecisionRejected, DecisionValidated
from services.context.application.cycles import cycle
from services.context.application.ends import ended
from services.context.application.places import facts
from services.context.application.requests import requested
from services.context.domain.context import ContextRefusal, rejected
from services.context.domain.inflight import ask, decision_id
from services.context.ports import Place
from tests import builders
from tests.builders import state
from tests.fakes.context_ports import World
from tests.fakes.context_values import at, request, tick


@pytest.fixture
def world(young: World) -> World:
    return young


def asked(world: World, name: str, **more: Any) -> DecisionRequest:
    return request(world.clock.now(), request_id=name, cycle=f"request:{name}", **more)


def abstained(world: World, body: DecisionRequest) -> DecisionRejected:
    return rejected(body, ContextRefusal(RejectReason.ABSTAINED, ""), world.clock.now())


def validated(world: World, body: DecisionRequest, action: Any = "hold") -> DecisionValidated:
    end = abstained(world, body)
    asset = builders.row(action=action, allocation_usd=0 if action == "hold" else 100)
    now = world.clock.now()
    return builders.validated(
        **end.model_dump(include={"decision_id", "context_id", "request_id", "account_id", "correlation_id"}),
        expires_at=body.expires_at,
        decision=builders.decision(asset),
        facts=builders.facts(as_of=now),
        validated_at=now,
    )


def bodies(emits: Emits | list[Emit]) -> list[Message]:
    return [emit.body for emit in emits]


def slot(world: World, key: str = "acc1") -> InFlight:
    return world.places.places[key].slot


async def test_a_second_identical_request_joins_and_is_answered_when_the_first_ends(world: World) -> None:
    (context,) = bodies(await requested(world.deps, asked(world, "r1")))
    assert isinstance(context, TradingContext)
    assert await requested(world.deps, asked(world, "r2")) == ()
    assert world.publisher.emitted == []
    assert await ended(world.deps, abstained(world, asked(world, "r1"))) == ()
    (answer,) = bodies(world.publisher.emitted)
    assert isinstance(answer, DecisionAnswered)
    assert (answer.request_id, answer.why) == ("r2", "joined")
    assert answer.answered_by == decision_id("acc1", "request:r1")
    assert slot(world).holder is None


async def test_what_the_rules_said_is_told_by_the_next_context(world: World) -> None:
    first = asked(world, "r1")
    await requested(world.deps, first)
    row = AssetVerdict(asset="BTCUSDT", action="buy", verdict="denied", receipts=())
    end = validated(world, first, "buy").model_copy(update={"verdicts": (row,)})
    await ended(world.deps, end)
    await ended(world.deps, end)
    (context,) = bodies(await requested(world.deps, asked(world, "r2", force_refresh=True)))
    assert isinstance(context, TradingContext)
    (past,) = context.past_decisions
    assert past.verdict is not None
    assert (past.asset, past.verdict.verdict, past.traded) == ("BTCUSDT", "denied", False)


async def test_another_wish_waits_and_its_context_is_made_when_the_first_has_ended(world: World) -> None:
    await requested(world.deps, asked(world, "r1"))
    other = asked(world, "r2", model="other")
    assert await requested(world.deps, other) == ()
    (context,) = bodies(await ended(world.deps, validated(world, asked(world, "r1"))))
    assert isinstance(context, TradingContext)
    assert context.request.request_id == "r2"
    assert slot(world).holder is not None and slot(world).last is not None


async def test_a_dry_run_neither_waits_for_trading_nor_holds_it_up(world: World) -> None:
    await requested(world.deps, asked(world, "r1"))
    (context,) = bodies(await requested(world.deps, asked(world, "r2", dry_run=True)))
    assert isinstance(context, TradingContext)
    assert slot(world, "acc1.dry").holder is not None


async def test_a_holder_that_died_after_it_took_the_place_goes_on_when_its_request_comes_again(world: World) -> None:
    first = asked(world, "r1")
    await requested(world.deps, first)  # and the process died before the context was stored
    (context,) = bodies(await requested(world.deps, first))
    assert isinstance(context, TradingContext)
    assert context.cycle == first.cycle


async def test_a_context_that_was_stored_by_a_holder_that_died_before_its_ack_begins_nothing_new(world: World) -> None:
    first = asked(world, "r1")
    await requested(world.deps, first)
    await ended(world.deps, abstained(world, first))  # its decision ended before the request comes again
    assert await requested(world.deps, first) == ()
    assert slot(world).holder is None


async def test_an_end_whose_process_died_after_it_freed_the_place_goes_on_with_the_next(world: World) -> None:
    first = asked(world, "r1")
    await requested(world.deps, first)
    await requested(world.deps, asked(world, "r2", model="other"))
    end = abstained(world, first)
    once = bodies(await ended(world.deps, end))
    again = bodies(await ended(world.deps, end))
    assert [b.context_id for b in once if isinstance(b, TradingContext)] == [
        b.context_id for b in again if isinstance(b, TradingContext)
    ]
    assert len(again) == 1


async def test_a_replica_that_joins_while_the_place_is_freed_is_answered_too(world: World) -> None:
    """Lost races on both sides: the writer that comes second looks again."""
    first = asked(world, "r1")
    await requested(world.deps, first)
    late = asked(world, "r2")

    def join() -> None:
        place = world.places.places["acc1"]
        world.places.places["acc1"] = Place(ask(place.slot, late, facts(world.deps, late)).slot, place.revision + 1)

    world.places.between.append(join)
    await ended(world.deps, abstained(world, first))
    answers = [b.request_id for b in bodies(world.publisher.emitted) if isinstance(b, DecisionAnswered)]
    assert answers == ["r2"]
    assert slot(world).holder is None


@pytest.mark.parametrize("reason", list(RejectReason))
async def test_every_way_to_end_frees_the_place(world: World, reason: RejectReason) -> None:
    body = asked(world, "r1")
    await requested(world.deps, body)
    await ended(world.deps, rejected(body, ContextRefusal(reason, ""), world.clock.now()))
    assert slot(world).holder is None


async def test_the_end_of_a_shadow_arm_frees_nothing(world: World) -> None:
    body = asked(world, "r1")
    await requested(world.deps, body)
    end = abstained(world, body)
    shadow = end.model_copy(update={"arm": end.arm.model_copy(update={"name": "other", "shadow": True})})
    await ended(world.deps, shadow)
    assert slot(world).holder is not None


async def test_a_decision_that_never_ends_is_given_up_at_its_deadline(world: World) -> None:
    body = asked(world, "r1", expires_at=world.clock.now() + timedelta(hours=1))
    await requested(world.deps, body)
    world.config.accounts["acc1"] = world.config.accounts["acc1"].model_copy(update={"status": "paused"})
    await cycle(world.deps)
    assert world.publisher.emitted == []
    world.clock.advance(61)
    await cycle(world.deps)
    (end,) = bodies(world.publisher.emitted)
    assert isinstance(end, DecisionRejected)
    assert end.reason is RejectReason.EXPIRED and world.meter.given_up == 1
    await ended(world.deps, end)
    assert slot(world).holder is None


async def test_a_place_whose_end_was_taken_in_by_nobody_is_freed_at_its_deadline(world: World) -> None:
    body = asked(world, "r1", expires_at=world.clock.now() + timedelta(hours=1))
    await requested(world.deps, body)
    await world.publisher.publish(Emit("decision.rejected.acc1", abstained(world, body)))
    world.config.accounts["acc1"] = world.config.accounts["acc1"].model_copy(update={"status": "paused"})
    world.clock.advance(61)
    await cycle(world.deps)
    assert len(world.publisher.emitted) == 1, "the log has one end"
    assert slot(world).holder is None


async def test_a_context_waits_for_the_version_of_its_trigger(world: World) -> None:
    """The event of a fill may come before KV `state`."""
    body = asked(world, "r1", account_version=7)
    with pytest.raises(Later):
        await requested(world.deps, body, deliveries=1)
    world.states.states["acc1"] = state(version=7)
    (context,) = bodies(await requested(world.deps, body, deliveries=2))
    assert isinstance(context, TradingContext)
    assert context.account_version == 7


async def test_the_next_in_line_may_wait_for_its_state_too(world: World) -> None:
    first = asked(world, "r1")
    await requested(world.deps, first)
    await requested(world.deps, asked(world, "r2", account_version=7))
    with pytest.raises(Later):
        await ended(world.deps, abstained(world, first), deliveries=1)
    world.states.states["acc1"] = state(version=7)
    (context,) = bodies(await ended(world.deps, abstained(world, first), deliveries=2))
    assert isinstance(context, TradingContext)
    assert (context.request.request_id, context.account_version) == ("r2", 7)


async def test_a_version_that_never_comes_is_said(world: World) -> None:
    (end,) = bodies(await requested(world.deps, asked(world, "r1", account_version=9)))
    assert isinstance(end, DecisionRejected)
    assert end.reason is RejectReason.NO_STATE and "version 9" in end.detail


REUSED: dict[str, tuple[dict[str, Any], float, float, bool]] = {
    "the same a moment later": ({}, 5, 101, True),
    "within the drift": ({}, 5, 101.05, True),
    "beyond the drift": ({}, 5, 101.2, False),
    "who wants a fresh one": ({"force_refresh": True}, 5, 101, False),
    "a dry run": ({"dry_run": True}, 5, 101, False),
    "another model": ({"model": "other"}, 5, 101, False),
    "other symbols": ({"symbols": ("ETHUSDT", "BTCUSDT")}, 5, 101, False),
    "after the next candle": ({}, 70, 101, False),
}


@pytest.mark.parametrize("case", REUSED)
async def test_an_earlier_decision_answers(world: World, case: str) -> None:
    more, seconds, price, cached = REUSED[case]
    first = asked(world, "r1")
    world.clock.advance(1.5)
    await requested(world.deps, first)
    await ended(world.deps, validated(world, first))
    world.clock.advance(seconds)
    for before in (seconds / 2, 0):
        world.market.on_tick(tick((world.clock.now() - at(before)).total_seconds(), price), 9)
    (body, *_) = bodies(await requested(world.deps, asked(world, "r2", **more)))
    assert isinstance(body, DecisionAnswered) is cached
    if isinstance(body, DecisionAnswered):
        assert (body.why, body.answered_by) == ("cached", decision_id("acc1", "request:r1"))


@pytest.mark.parametrize("change", ["account version", "newer facts", "redis away", "abstained", "account configured"])
async def test_an_earlier_decision_does_not_answer_after(world: World, change: str) -> None:
    first = asked(world, "r1")
    await requested(world.deps, first)
    await ended(world.deps, abstained(world, first) if change == "abstained" else validated(world, first))
    world.clock.advance(1)
    body = asked(world, "r2")
    match change:
        case "account version":
            world.states.states["acc1"] = state(version=2)
        case "newer facts":
            body = body.model_copy(update={"facts_since": world.clock.now()})
        case "redis away":
            world.reuse.away = True
        case "account configured":
            changed = world.config.accounts["acc1"].model_copy(update={"version": 2})
            world.config.accounts["acc1"] = changed
    (context,) = bodies(await requested(world.deps, body))
    assert isinstance(context, TradingContext)
