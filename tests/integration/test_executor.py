"""The executor on real servers: what it stores, what it sends, and that a repeat or a take-over changes nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from nats.js.errors import NotFoundError

from libs.records.collections import ACCOUNTS, ORDER_INTENTS, ORDER_PLANS
from libs.schemas import subjects
from libs.schemas.account import ControlRequested
from libs.schemas.analytics import Alert
from libs.schemas.audit import AuditEvent
from libs.schemas.base import Message
from libs.schemas.events import decode_event
from libs.schemas.names import key_of
from libs.schemas.orders import PositionEvent
from libs.schemas.reasons import OrderReason
from services.executor.domain.book import PROTECTION_GRACE
from tests import builders
from tests.fakes import executor_values as values
from tests.integration.executing import ACCOUNT, ENTRY, World, delivered, has_events, now_validated, opened, until

pytestmark = pytest.mark.integration


@pytest.fixture
async def world(nats_url: str, mongo_url: str, mongo_db_name: str) -> AsyncIterator[World]:
    made = World(nats_url, mongo_url, mongo_db_name)
    await made.start()
    yield made
    await made.stop()


async def test_a_verdict_becomes_a_protected_position_and_its_stop_closes_it(world: World) -> None:
    async with world.executor():
        await until(lambda: opened(world))
        await world.tick(50_000)
        await world.send(subjects.decision_validated(key_of(ACCOUNT)), now_validated(ENTRY))
        await until(lambda: has_events(world, "position.opened"))
        state = await world.state()
        assert [(p.quantity, p.stop_loss, p.take_profit) for p in state.positions] == [
            (Decimal("0.05"), Decimal(49_000), Decimal(52_000))
        ]
        await world.tick(48_900)
        await until(lambda: has_events(world, "position.closed"))
        assert await world.events() == [
            "order.placed",
            "order.filled",
            "position.opened",
            "order.placed",
            "order.placed",
            "order.filled",
            "position.closed",
            "order.canceled",
        ]
        await until(lambda: _all_terminal(world))
        plan = await world.db[ORDER_PLANS].find_one({"_id": "dec-1"})
        assert plan is not None
        assert plan["state"] == "done"
        state = await world.state()
        assert not state.positions
        assert state.wallet_balance == 10_000 + state.realised_total - state.fees_total + state.funding_total


async def _all_terminal(world: World) -> bool:
    states = [i["state"] async for i in world.db[ORDER_INTENTS].find()]
    return sorted(states) == ["canceled", "filled", "filled"]


async def _kept(world: World) -> bool:
    """The account's document gives plans and ended intents away a moment after the message is acknowledged."""
    return bool(await world.db[ORDER_PLANS].count_documents({}) and await world.db[ORDER_INTENTS].count_documents({}))


async def test_a_decision_delivered_twice_is_one_plan_and_one_order(world: World) -> None:
    async with world.executor():
        await until(lambda: opened(world))
        await world.tick(50_000)
        body = now_validated(ENTRY)
        await world.send(subjects.decision_validated(key_of(ACCOUNT)), body)
        await world.send(subjects.decision_validated(key_of(ACCOUNT)), body)
        await world.send(
            subjects.decision_validated(key_of(ACCOUNT)), now_validated(values.instruction("hold"), decision="dec-2")
        )
        await until(lambda: delivered(world, 3))
        assert (await world.events()).count("position.opened") == 1
        await until(lambda: _kept(world))
        assert await world.db[ORDER_PLANS].count_documents({}) == 1
        assert await world.db[ORDER_INTENTS].count_documents({"leg": "entry"}) == 1


async def test_a_live_account_is_refused_with_an_alert(world: World) -> None:
    async with world.executor() as worker:
        await until(lambda: opened(world))
        live = values.account("live-1", mode="live", venue="aster", credential="key")
        await world.config(subjects.account_key(key_of("live-1")), live)
        await until(lambda: _alerted(world, "live-1"))
        assert await world.db[ACCOUNTS].count_documents({"_id": "live-1"}) == 0
        assert worker.checks()["started"]


async def _alerted(world: World, account: str) -> bool:
    try:
        await world.js.get_last_msg("AUDIT", subjects.alert_raised(key_of(account)))
    except NotFoundError:
        return False
    return True


async def test_where_the_venue_rejects_stops_no_position_lives_longer_than_the_grace(world: World) -> None:
    async with world.executor(paper_refuses=["stop"]):
        await until(lambda: opened(world))
        await world.tick(50_000)
        await world.send(subjects.decision_validated(key_of(ACCOUNT)), now_validated(ENTRY))
        await until(lambda: has_events(world, "position.closed"))
    log = [event for event in [await _event(world, n) for n in range(1, 100)] if event]
    by_kind = {event.kind: event for event in log if isinstance(event, PositionEvent)}
    lived = by_kind["closed"].at - by_kind["opened"].at
    assert by_kind["closed"].cause is OrderReason.UNPROTECTED
    assert PROTECTION_GRACE <= lived <= PROTECTION_GRACE + timedelta(seconds=5), lived
    message = await world.js.get_last_msg("AUDIT", subjects.alert_raised(key_of(ACCOUNT)))
    alert = Alert.model_validate_json(message.data or b"")
    assert (alert.kind, alert.severity) == ("protection", "critical")


async def _event(world: World, sequence: int) -> Message | None:
    try:
        message = await world.js.get_msg("ORDERS", sequence)
    except NotFoundError:
        return None
    return decode_event(message.subject or "", message.data or b"")


async def test_a_control_flattens_and_halts(world: World) -> None:
    async with world.executor():
        await until(lambda: opened(world))
        await world.tick(50_000)
        await world.send(subjects.decision_validated(key_of(ACCOUNT)), now_validated(ENTRY))
        await until(lambda: has_events(world, "position.opened"))
        flatten = builders.control("flatten", ACCOUNT, by="me", requested_at=datetime.now(UTC))
        await world.send(subjects.control_requested(key_of(ACCOUNT)), flatten)
        await until(lambda: has_events(world, "position.closed"))
        assert (await world.state()).trading_state == "halted"
        message = await world.js.get_last_msg("AUDIT", subjects.account_changed(key_of(ACCOUNT)))
        change = AuditEvent.model_validate_json(message.data or b"")
        assert (change.before, change.after, change.who) == ("active", "halted", "me")


async def test_a_control_of_all_accounts_reaches_every_account_once(world: World) -> None:
    await world.config(subjects.account_key(key_of("paper-2")), values.account("paper-2"))

    async def states() -> list[str]:
        found = await world.db[ACCOUNTS].find({}, {"trading_state": 1}).sort("_id").to_list()
        return [entry["trading_state"] for entry in found]

    async def are(*wanted: str) -> bool:
        return await states() == list(wanted)

    def control(state: str, control_id: str, scope: str) -> ControlRequested:
        return builders.control(state, scope, control_id=control_id, requested_at=datetime.now(UTC))

    async with world.executor():
        await until(lambda: are("active", "active"))
        await world.send(subjects.control_requested(key_of("all")), control("halted", "c-1", "all"))
        await until(lambda: are("halted", "halted"))
        await world.send(subjects.control_requested(key_of("paper-2")), control("active", "c-2", "paper-2"))
        await until(lambda: are("halted", "active"))
    async with world.executor("executor-b"):
        await world.config(subjects.account_key(key_of("paper-3")), values.account("paper-3"))
        await until(lambda: are("halted", "active", "halted"))
        assert (await world.js.stream_info("DEAD")).state.messages == 0


async def test_a_state_in_kv_that_nobody_can_read_is_overwritten(world: World) -> None:
    await world.js.publish(f"$KV.state.{ACCOUNT}", b"not json")
    async with world.executor():
        await until(lambda: opened(world))
        await world.tick(50_000)
        await world.send(subjects.decision_validated(key_of(ACCOUNT)), now_validated(ENTRY))
        await until(lambda: has_events(world, "position.opened"))
        assert (await world.state()).positions
