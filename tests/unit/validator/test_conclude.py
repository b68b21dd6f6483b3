"""How proposals end."""

from typing import Any

import pytest

from libs.schemas.decision import DecisionProposed, StrategyRef
from libs.schemas.reasons import AbstainReason, Reason, RejectReason
from libs.schemas.verdict import DecisionEvaluated, DecisionRejected, DecisionValidated
from services.validator.application import conclude
from services.validator.domain.verdict import Terminal
from tests.fakes.validator_ports import World
from tests.fakes.validator_values import (
    SHADOW,
    abstention,
    account,
    ask,
    long_position,
    proposal,
    seconds,
    state,
    strategy,
)

HOLD = ask(action="hold")
CLOSE = ask(action="close_position")
UNKNOWN = ask("DOGEUSDT")


async def end(world: World, given: DecisionProposed) -> Terminal:
    ended = await conclude(world.deps, given)
    again = type(ended).model_validate_json(ended.model_dump_json(exclude_none=True))
    assert again == ended
    return ended


@pytest.mark.parametrize(
    ("asks", "status"),
    [
        ((ask(),), "accepted"),
        ((ask(), UNKNOWN), "partial"),
        ((HOLD,), "hold"),
        ((HOLD, ask("ETHUSDT", "hold")), "hold"),
    ],
    ids=["one entry", "an entry and a denied one", "a hold", "holds"],
)
async def test_what_passes_is_validated(asks: tuple[Any, ...], status: str) -> None:
    ended = await end(World(), proposal(*asks))
    assert isinstance(ended, DecisionValidated)
    assert ended.status == status
    assert [verdict.asset for verdict in ended.verdicts] == [one.asset for one in asks]


async def test_a_validated_decision_tells_everything_that_it_was_judged_on() -> None:
    given = proposal()
    ended = await end(World(), given)
    assert isinstance(ended, DecisionValidated)
    assert ended.decision == given.decision
    assert (ended.decision_id, ended.context_id, ended.request_id) == ("dec-1", "ctx-1", "req-1")
    assert (ended.correlation_id, ended.account_version, ended.strategy) == ("req-1", 7, given.strategy)
    assert ended.prices_at_validation == {"BTCUSDT": 100_000, "ETHUSDT": 2_500}
    assert (ended.validated_at, ended.expires_at) == (seconds(3), seconds(60))
    assert ended.facts.as_of == seconds(3)
    assert ended.rules_checked > 10
    assert ended.validation_time_ms == pytest.approx(10)
    (verdict,) = ended.verdicts
    assert verdict.final is not None and verdict.final.quantity is not None and verdict.final.quantity > 0


async def test_where_nothing_passed_the_rejection_carries_the_verdicts_and_says_why() -> None:
    ended = await end(World(), proposal(UNKNOWN))
    assert isinstance(ended, DecisionRejected)
    assert ended.reason is RejectReason.NOTHING_PASSED
    assert ended.detail.startswith("DOGEUSDT: ")
    assert [receipt.reason for receipt in ended.verdicts[0].receipts] == [Reason.UNKNOWN_ASSET]
    assert ended.decision is not None and ended.rules_checked > 0


async def test_an_abstention_ends_as_one_with_its_reason() -> None:
    ended = await end(World(), abstention())
    assert isinstance(ended, DecisionRejected)
    assert (ended.reason, ended.abstain_reason, ended.detail) == (RejectReason.ABSTAINED, AbstainReason.TIMEOUT, "20 s")
    assert (ended.decision, ended.verdicts) == (None, ())


async def test_an_abstention_needs_no_configuration() -> None:
    world = World()
    world.configuration.accounts.clear()
    ended = await end(world, abstention())
    assert isinstance(ended, DecisionRejected) and ended.reason is RejectReason.ABSTAINED


@pytest.mark.parametrize("how", [{"dry_run": True}, {"arm": SHADOW}], ids=["dry run", "shadow arm"])
@pytest.mark.parametrize(
    ("asks", "status"),
    [((ask(),), "accepted"), ((HOLD,), "hold"), ((UNKNOWN,), "denied")],
    ids=["entry", "hold", "denied"],
)
async def test_what_is_never_executed_is_evaluated_whatever_the_verdicts(
    how: dict[str, Any], asks: tuple[Any, ...], status: str
) -> None:
    ended = await end(World(), proposal(*asks, **how))
    assert isinstance(ended, DecisionEvaluated)
    assert ended.status == status
    assert (ended.dry_run, ended.arm.shadow) == ("dry_run" in how, "arm" in how)


@pytest.mark.parametrize(("asks",), [((ask(),),), ((HOLD,),)], ids=["entry", "hold"])
async def test_an_expired_proposal_that_reduces_no_risk_is_rejected_as_expired(asks: tuple[Any, ...]) -> None:
    world = World()
    world.clock.time = seconds(60)
    world.marks.put("BTCUSDT", 100_000, 59)
    ended = await end(world, proposal(*asks))
    assert isinstance(ended, DecisionRejected)
    assert ended.reason is RejectReason.EXPIRED
    assert "expired 0.0 s of market time" in ended.detail


async def test_an_exit_passes_after_the_expiry() -> None:
    world = World()
    world.clock.time = seconds(90)
    world.states.states["acc1"] = state(positions=(long_position(),))
    ended = await end(world, proposal(CLOSE, ask("ETHUSDT", sl_price=2_450, tp_price=2_700)))
    assert isinstance(ended, DecisionValidated)
    assert ended.status == "partial"
    assert [(v.asset, v.verdict) for v in ended.verdicts] == [("BTCUSDT", "accepted"), ("ETHUSDT", "denied")]


async def test_a_shadow_arm_that_abstained_is_evaluated_without_a_decision() -> None:
    ended = await end(World(), abstention(arm=SHADOW))
    assert isinstance(ended, DecisionEvaluated)
    assert (ended.status, ended.reason, ended.abstain_reason) == (
        "abstained",
        RejectReason.ABSTAINED,
        AbstainReason.TIMEOUT,
    )
    assert (ended.detail, ended.decision, ended.verdicts, ended.arm) == ("20 s", None, (), SHADOW)
    assert DecisionEvaluated.model_validate_json(ended.model_dump_json()) == ended


async def test_a_shadow_arm_that_cannot_be_judged_is_evaluated_as_rejected_with_its_decision() -> None:
    world = World()
    world.configuration.accounts.clear()
    asked = proposal(ask(), arm=SHADOW)
    ended = await end(world, asked)
    assert isinstance(ended, DecisionEvaluated)
    assert (ended.status, ended.reason) == ("rejected", RejectReason.UNKNOWN_ACCOUNT)
    assert (ended.decision, ended.proposed) == (asked.decision, asked.facts)


@pytest.mark.parametrize(
    ("missing", "reason", "detail"),
    [
        ("account", RejectReason.UNKNOWN_ACCOUNT, "no account acc1 is configured"),
        ("strategy", RejectReason.NO_STRATEGY, "no strategy trend version 3 is configured"),
        ("state", RejectReason.NO_STATE, "no state of acc1 is known yet"),
    ],
)
async def test_missing_configuration_is_a_rejection(missing: str, reason: RejectReason, detail: str) -> None:
    world = World()
    match missing:
        case "account":
            world.configuration.accounts.clear()
        case "strategy":
            world.configuration.strategies.clear()
        case _:
            world.states.states.clear()
    ended = await end(world, proposal())
    assert isinstance(ended, DecisionRejected)
    assert (ended.reason, ended.detail, ended.abstain_reason) == (reason, detail, None)


async def test_a_state_that_arrives_a_moment_later_is_waited_for() -> None:
    world = World(mirror_wait=5)
    world.states.states.clear()
    world.states.later = (3, state())
    assert isinstance(await end(world, proposal()), DecisionValidated)


async def test_a_state_behind_the_proposal_is_waited_for_and_then_taken_as_it_is() -> None:
    world = World(mirror_wait=5)
    world.states.states["acc1"] = state(version=6)
    world.states.later = (2, state(version=8))
    ended = await end(world, proposal())
    assert isinstance(ended, DecisionValidated) and ended.account_version == 8
    behind = World()
    behind.states.states["acc1"] = state(version=6)
    ended = await end(behind, proposal())
    assert isinstance(ended, DecisionValidated) and ended.account_version == 6


async def test_ticks_that_the_context_had_already_are_waited_for() -> None:
    """Else the price of before a burst, or the silence before it, would deny what is sound."""
    world = World(mirror_wait=5)
    world.marks.put("BTCUSDT", 60_000, -600)
    world.marks.later = (6, "BTCUSDT", 100_000, 2)
    ended = await end(world, proposal())
    assert isinstance(ended, DecisionValidated) and ended.facts.assets["BTCUSDT"].mark == 100_000
    silent = World()
    silent.marks.put("BTCUSDT", 60_000, -600)
    ended = await end(silent, proposal())
    assert isinstance(ended, DecisionRejected) and ended.verdicts[0].receipts[-1].reason is Reason.STALE_ASSET


async def test_the_strategy_is_the_version_that_the_proposal_names() -> None:
    world = World()
    world.configuration.strategies["trend", 4] = strategy(version=4, is_active=True, max_exposure_pct=0.001)
    ended = await end(world, proposal())
    assert isinstance(ended, DecisionValidated) and ended.strategy == StrategyRef(id="trend", version=3)
    ended = await end(world, proposal(strategy=StrategyRef(id="trend", version=4)))
    assert isinstance(ended, DecisionRejected) and ended.reason is RejectReason.NOTHING_PASSED


async def test_a_strategy_that_is_stored_without_its_version_key_counts_as_the_version_that_it_says() -> None:
    world = World()
    world.configuration.strategies = {("trend", None): strategy(version=3)}
    assert isinstance(await end(world, proposal()), DecisionValidated)
    ended = await end(world, proposal(strategy=StrategyRef(id="trend", version=2)))
    assert isinstance(ended, DecisionRejected) and ended.reason is RejectReason.NO_STRATEGY


async def test_a_paused_account_opens_nothing() -> None:
    world = World()
    world.configuration.accounts["acc1"] = account(status="paused")
    ended = await end(world, proposal())
    assert isinstance(ended, DecisionRejected) and ended.reason is RejectReason.NOTHING_PASSED
    assert world.count("perpetua_validator_receipts_total", reason="account_paused", effect="deny") == 1
    assert world.count("perpetua_validator_verdicts_total", verdict="denied", action="buy") == 1
    assert world.count("perpetua_validator_endings_total", event="rejected", outcome="nothing_passed") == 1
    assert world.count("perpetua_validator_judge_seconds_count") == 1


async def test_a_price_that_is_stale_now_denies_what_was_fresh_then() -> None:
    world = World()
    world.clock.time = seconds(50)
    ended = await end(world, proposal())
    assert isinstance(ended, DecisionRejected)
    assert ended.verdicts[0].receipts[-1].reason is Reason.STALE_ASSET
