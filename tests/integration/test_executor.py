"""The executor on real servers: what it stores, what it sends, and that a repeat or a take-over changes nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import nats
import pytest
from nats.js import JetStreamContext

from libs.runtime.mongo import client, provision
from libs.runtime.provision import provision_nats
from libs.runtime.worker import Worker
from libs.schemas import ids, subjects
from libs.schemas.account import AccountState
from libs.schemas.base import Message
from services.executor.adapters.accounts import MongoAccounts
from services.executor.app import create_app
from services.executor.domain.changes import Turn, seal
from services.executor.ports import Fenced
from services.executor.settings import Settings
from tests.fakes import executor_values as values

pytestmark = pytest.mark.integration
ACCOUNT = "paper-1"


class World:
    """Real servers, and what a test does to them."""

    def __init__(self, nats_url: str, mongo_url: str, db_name: str) -> None:
        self.nats_url, self.mongo_url, self.db_name = nats_url, mongo_url, db_name
        self.mongo = client(mongo_url)
        self.db = self.mongo[db_name]
        self.js: JetStreamContext

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
        while not await check():
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
        await world.send(subjects.decision_validated(ACCOUNT), now_validated(values.instruction()))
        await until(lambda: has_events(world, "position.opened"))
        state = await world.state()
        assert [(p.quantity, p.stop_loss, p.take_profit) for p in state.positions] == [
            (Decimal("0.1"), Decimal(49_000), Decimal(52_000))
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
        body = now_validated(values.instruction())
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
        await world.send(subjects.decision_validated(ACCOUNT), now_validated(values.instruction()))
        await until(lambda: has_events(world, "position.opened"))
    await world.tick(48_900)
    async with world.executor("executor-b"):
        await until(lambda: has_events(world, "position.closed"))
    assert (await world.events()).count("position.closed") == 1


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
