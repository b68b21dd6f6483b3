"""The executor on real servers: what it stores, what it sends, and that a repeat or a take-over changes nothing."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from cli.embedded import Servers
from libs.runtime.mongo import client, provision
from libs.runtime.provision import provision_nats
from libs.runtime.worker import Worker
from libs.schemas import ids, subjects
from libs.schemas.account import AccountState, AuditEvent, ControlRequested
from libs.schemas.base import Message
from services.executor.adapters.accounts import MongoAccounts
from services.executor.app import create_app
from services.executor.domain.changes import Turn, seal
from services.executor.ports import Fenced
from services.executor.settings import Settings
from tests.fakes import executor_values as values

pytestmark = pytest.mark.integration
ACCOUNT = "paper-1"
ENTRY = values.instruction(quantity=Decimal("0.05"))


class World:
    """Real servers, and what a test does to them."""

    def __init__(self, nats_url: str, mongo_url: str, db_name: str) -> None:
        self.nats_url, self.mongo_url, self.db_name = nats_url, mongo_url, db_name
        self.mongo = client(mongo_url)
        self.db = self.mongo[db_name]
        self.js: JetStreamContext
        self.processes: list[asyncio.subprocess.Process] = []

    async def start(self) -> None:
        self.nc = await nats.connect(self.nats_url)
        self.js = self.nc.jetstream()
        await provision_nats(self.js)
        await provision(self.db)
        await self.config(subjects.venue_key("paper", values.SYMBOL), values.filters())
        await self.config(subjects.strategy_key("plain"), values.strategy())
        await self.config(subjects.strategy_key("plain", 1), values.strategy())
        await self.config(subjects.account_key(ACCOUNT), values.account())

    async def stop(self) -> None:
        for process in self.processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
        await self.nc.close()
        await self.mongo.close()

    async def config(self, key: str, body: Message) -> None:
        await self.js.publish(f"$KV.config.{key}", body.model_dump_json().encode())

    async def tick(self, price: float) -> None:
        tick = values.tick(price, at=datetime.now(UTC))
        await self.js.publish(subjects.tick(values.SYMBOL), tick.model_dump_json().encode())

    async def send(self, subject: str, body: Message) -> None:
        await self.js.publish(subject, body.model_dump_json().encode())

    async def state(self) -> AccountState:
        message = await self.js.get_last_msg("KV_state", f"$KV.state.{ACCOUNT}")
        return AccountState.model_validate_json(message.data or b"")

    async def events(self) -> list[str]:
        """Kinds of all events in ORDERS, in their order."""
        info = await self.js.stream_info("ORDERS")
        found = [await self.js.get_msg("ORDERS", seq) for seq in range(1, info.state.last_seq + 1)]
        return [(message.subject or "").rpartition(".")[0] for message in found]

    async def process(self, name: str, **variables: str) -> asyncio.subprocess.Process:
        """An executor of its own, as in production."""
        settings = {"NATS_URL": self.nats_url, "MONGODB_URL": self.mongo_url, "PERPETUA_MONGODB_DB": self.db_name}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.executor.app",
            env={**os.environ, **settings, "PERPETUA_INSTANCE": name, **variables},
            stderr=asyncio.subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process

    @asynccontextmanager
    async def executor(self, name: str = "executor-a") -> AsyncIterator[Worker]:
        worker = create_app(
            Settings(nats_url=self.nats_url, mongodb_url=self.mongo_url, mongodb_db=self.db_name, instance=name)
        )
        await worker.start()
        try:
            yield worker
        finally:
            await worker.stop()


@pytest.fixture
async def world(nats_url: str, mongo_url: str, mongo_db_name: str) -> AsyncIterator[World]:
    made = World(nats_url, mongo_url, mongo_db_name)
    await made.start()
    yield made
    await made.stop()


async def until(check: Callable[[], Awaitable[bool]], *, seconds: float = 15) -> None:
    """Wait for a condition; the clock only bounds a failure."""
    async with asyncio.timeout(seconds):
        while not await check():  # noqa: ASYNC110 - what is awaited is in another process
            await asyncio.sleep(0.02)


async def opened(world: World) -> bool:
    return await world.db["accounts"].count_documents({"_id": ACCOUNT}) == 1


async def has_events(world: World, *wanted: str) -> bool:
    found = await world.events()
    return all(kind in found for kind in wanted)


def now_validated(*finals: object, decision: str = "dec-1") -> Message:
    return values.validated(*finals, decision=decision, at=datetime.now(UTC))  # type: ignore[arg-type]


async def test_a_verdict_becomes_a_protected_position_and_its_stop_closes_it(world: World) -> None:
    async with world.executor():
        await until(lambda: opened(world))
        await world.tick(50_000)
        await world.send(subjects.decision_validated(ACCOUNT), now_validated(ENTRY))
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
        plan = await world.db["order_plans"].find_one({"_id": "dec-1"})
        assert plan is not None
        assert plan["state"] == "done"
        state = await world.state()
        assert not state.positions
        assert state.wallet_balance == 10_000 + state.realised_total - state.fees_total + state.funding_total


async def _all_terminal(world: World) -> bool:
    states = [i["state"] async for i in world.db["order_intents"].find()]
    return sorted(states) == ["canceled", "filled", "filled"]


async def test_a_decision_delivered_twice_is_one_plan_and_one_order(world: World) -> None:
    async with world.executor():
        await until(lambda: opened(world))
        await world.tick(50_000)
        body = now_validated(ENTRY)
        await world.send(subjects.decision_validated(ACCOUNT), body)
        await world.send(subjects.decision_validated(ACCOUNT), body)
        await world.send(
            subjects.decision_validated(ACCOUNT), now_validated(values.instruction("hold"), decision="dec-2")
        )
        await until(lambda: _delivered(world, 3))
        assert (await world.events()).count("position.opened") == 1
        assert await world.db["order_plans"].count_documents({}) == 1
        assert await world.db["order_intents"].count_documents({"leg": "entry"}) == 1


async def _delivered(world: World, count: int) -> bool:
    durable = subjects.EXECUTOR_PARTITIONS[ids.partition(ACCOUNT)]
    info = await world.js.consumer_info("EXECUTION", durable.name)
    return info.ack_floor is not None and info.ack_floor.consumer_seq >= count and info.num_ack_pending == 0


async def test_a_graceful_stop_hands_the_account_to_the_next_copy(world: World) -> None:
    async with world.executor("executor-a"):
        await until(lambda: opened(world))
        await world.tick(50_000)
        await world.send(subjects.decision_validated(ACCOUNT), now_validated(ENTRY))
        await until(lambda: has_events(world, "position.opened"))
    await world.tick(48_900)
    async with world.executor("executor-b"):
        await until(lambda: has_events(world, "position.closed"))
    assert (await world.events()).count("position.closed") == 1


@pytest.mark.parametrize(
    "step", ["executor.before_store", "executor.after_store", "executor.after_submit", "executor.before_ack"]
)
async def test_a_kill_at_any_step_loses_and_doubles_nothing(world: World, step: str) -> None:
    async with world.executor("executor-a"):
        await until(lambda: opened(world))
    killed = await world.process("executor-k", PERPETUA_FAILPOINT=step)
    await until(lambda: _held(world, "executor-k"))
    await world.tick(50_000)
    await world.send(subjects.decision_validated(ACCOUNT), now_validated(ENTRY))
    assert await asyncio.wait_for(killed.wait(), 15) == -signal.SIGKILL
    async with world.executor("executor-b"):
        await until(lambda: has_events(world, "position.opened"))
        await until(lambda: _delivered(world, 1))
        assert await world.events() == [
            "order.placed",
            "order.filled",
            "position.opened",
            "order.placed",
            "order.placed",
        ]
        assert await world.db["order_plans"].count_documents({"state": "done"}) == 1
        assert (await world.state()).positions[0].quantity == ENTRY.quantity


async def _held(world: World, holder: str) -> bool:
    return await world.db["leases"].count_documents({"kind": "partition", "holder": holder}) == ids.PARTITIONS


async def _sharing(world: World, *holders: str) -> bool:
    each = [await world.db["leases"].count_documents({"kind": "partition", "holder": h}) for h in holders]
    return each == [ids.PARTITIONS // len(holders)] * len(holders)


async def test_copies_share_the_partitions_and_one_takes_over_what_a_killed_one_held(world: World) -> None:
    first, second = await world.process("executor-a"), await world.process("executor-b")
    await until(lambda: opened(world))
    await until(lambda: _sharing(world, "executor-a", "executor-b"))
    await world.tick(50_000)
    await world.send(subjects.decision_validated(ACCOUNT), now_validated(ENTRY))
    await until(lambda: has_events(world, "position.opened"))
    lease = await world.db["leases"].find_one({"partition": ids.partition(ACCOUNT)})
    assert lease is not None
    holder, other = (first, second) if lease["holder"] == "executor-a" else (second, first)
    holder.kill()
    await world.tick(48_900)
    await until(lambda: has_events(world, "position.closed"))
    assert (await world.events()).count("position.closed") == 1
    other.terminate()
    assert await asyncio.wait_for(other.wait(), 15) == 0


async def test_a_live_account_is_refused_with_an_alert(world: World) -> None:
    async with world.executor() as worker:
        await until(lambda: opened(world))
        live = values.account("live-1", mode="live", venue="aster", credential="key")
        await world.config(subjects.account_key("live-1"), live)
        await until(lambda: _alerted(world, "live-1"))
        assert await world.db["accounts"].count_documents({"_id": "live-1"}) == 0
        assert worker.checks()["started"]


async def _alerted(world: World, account: str) -> bool:
    try:
        await world.js.get_last_msg("AUDIT", subjects.alert_raised(account))
    except NotFoundError:
        return False
    return True


async def test_a_control_flattens_and_halts(world: World) -> None:
    async with world.executor():
        await until(lambda: opened(world))
        await world.tick(50_000)
        await world.send(subjects.decision_validated(ACCOUNT), now_validated(ENTRY))
        await until(lambda: has_events(world, "position.opened"))
        flatten = ControlRequested(
            control_id="c-1", scope=ACCOUNT, state="flatten", reason="test", by="me", requested_at=datetime.now(UTC)
        )
        await world.send(subjects.control_requested(ACCOUNT), flatten)
        await until(lambda: has_events(world, "position.closed"))
        assert (await world.state()).trading_state == "halted"
        message = await world.js.get_last_msg("AUDIT", subjects.account_changed(ACCOUNT))
        change = AuditEvent.model_validate_json(message.data or b"")
        assert (change.before, change.after, change.who) == ("active", "halted", "me")


@pytest.mark.slow
async def test_a_stop_that_triggers_while_mongodb_is_away_is_not_lost(own_servers: Servers) -> None:
    urls = {name: (await asyncio.to_thread(own_servers.restart, name)).url for name in ("nats", "mongodb")}
    world = World(urls["nats"], urls["mongodb"], "perpetua")
    await world.start()
    try:
        async with world.executor():
            await until(lambda: opened(world))
            await world.tick(50_000)
            await world.send(subjects.decision_validated(ACCOUNT), now_validated(ENTRY))
            await until(lambda: _all_open(world))
            own_servers.signal("mongodb", signal.SIGKILL)
            await world.tick(48_900)
            await world.tick(50_000)
            await asyncio.to_thread(own_servers.restart, "mongodb")
            await until(lambda: has_events(world, "position.closed"), seconds=30)
            (trade,) = (await world.state()).closed_trades
            assert trade.exit_price < 48_900
    finally:
        await world.stop()


async def _all_open(world: World) -> bool:
    found = await world.db["accounts"].find_one({"_id": ACCOUNT})
    return bool(found and found["positions"] and not found["outbox"])


async def test_a_stale_holder_cannot_write(world: World) -> None:
    async with world.executor():
        await until(lambda: opened(world))
    store = MongoAccounts(world.db)
    partition = ids.partition(ACCOUNT)
    (old,) = await store.take(partition, 100)
    (new,) = await store.take(partition, 101)
    after, outbox = seal(Turn(old.book), datetime.now(UTC) + timedelta(seconds=1))
    with pytest.raises(Fenced):
        await store.write(old.book, after, 100, outbox)
    await store.write(new.book, after, 101, outbox)
    found = await store.load(ACCOUNT)
    assert found is not None
    assert found.book.version == old.book.version + 1
