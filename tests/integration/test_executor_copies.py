"""Copies of the executor: a stop, a kill, a take-over and a lost database lose and double nothing."""

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from cli.embedded.servers import Servers
from libs.records.collections import ACCOUNTS, LEASES, ORDER_PLANS
from libs.schemas import ids, subjects
from libs.schemas.names import key_of
from services.executor.adapters.accounts import MongoAccounts
from services.executor.domain.changes import Turn, seal
from services.executor.ports import Fenced
from tests.fakes.executor_values import book
from tests.forms import sized
from tests.integration.executing import ACCOUNT, ENTRY, World, delivered, has_events, now_validated, opened, until

pytestmark = pytest.mark.integration
STEPS = [f"executor.{step}" for step in ("before_store", "before_write", "after_write", "after_store", "after_submit")]
OPENED = ["order.placed", "order.filled", "position.opened", "order.placed", "order.placed"]


@pytest.fixture
async def world(nats_url: str, mongo_url: str, mongo_db_name: str) -> AsyncIterator[World]:
    made = World(nats_url, mongo_url, mongo_db_name)
    await made.start()
    yield made
    await made.stop()


async def test_a_graceful_stop_hands_the_account_to_the_next_copy(world: World) -> None:
    async with world.executor("executor-a"):
        await until(lambda: opened(world))
        await world.tick(50_000)
        await world.send(subjects.decision_validated(key_of(ACCOUNT)), now_validated(ENTRY))
        await until(lambda: has_events(world, "position.opened"))
    await world.tick(48_900)
    async with world.executor("executor-b"):
        await until(lambda: has_events(world, "position.closed"))
    assert (await world.events()).count("position.closed") == 1


@pytest.mark.parametrize("step", sized(["executor.before_write", "executor.after_store"], STEPS))
async def test_a_copy_that_slept_past_its_lease_has_no_effect_when_it_wakes(world: World, step: str) -> None:
    """It holds the account in its memory still, and goes on where it fell asleep: two copies own the account."""
    async with world.executor("executor-a"):
        await until(lambda: opened(world))
    asleep = await world.process("executor-s", PERPETUA_FAILPOINT=step, PERPETUA_FAILSIGNAL="SIGSTOP")
    await until(lambda: _held(world, "executor-s"))
    await world.tick(50_000)
    await world.send(subjects.decision_validated(key_of(ACCOUNT)), now_validated(ENTRY))
    await until(lambda: _sleeps(asleep.pid))
    async with world.executor("executor-b"):
        await until(lambda: has_events(world, "position.opened"))
        before = await world.state()
        asleep.send_signal(signal.SIGCONT)
        await until(lambda: _sharing(world, "executor-s", "executor-b"))
        await until(lambda: delivered(world, 1))
        assert await world.events() == OPENED
        assert await world.db[ORDER_PLANS].count_documents({}) == 1
        assert (await world.state()).model_copy(update={"as_of": before.as_of}) == before
        assert asleep.returncode is None


async def _sleeps(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


async def _held(world: World, holder: str) -> bool:
    return await world.db[LEASES].count_documents({"kind": "partition", "holder": holder}) == ids.PARTITIONS


async def _sharing(world: World, *holders: str) -> bool:
    each = [await world.db[LEASES].count_documents({"kind": "partition", "holder": h}) for h in holders]
    return each == [ids.PARTITIONS // len(holders)] * len(holders)


async def test_copies_share_the_partitions_and_one_takes_over_what_a_killed_one_held(world: World) -> None:
    first, second = await world.process("executor-a"), await world.process("executor-b")
    await until(lambda: opened(world))
    await until(lambda: _sharing(world, "executor-a", "executor-b"))
    await world.tick(50_000)
    await world.send(subjects.decision_validated(key_of(ACCOUNT)), now_validated(ENTRY))
    await until(lambda: has_events(world, "position.opened"))
    lease = await world.db[LEASES].find_one({"partition": ids.partition(ACCOUNT)})
    assert lease is not None
    holder, other = (first, second) if lease["holder"] == "executor-a" else (second, first)
    holder.kill()
    await world.tick(48_900)
    await until(lambda: has_events(world, "position.closed"))
    assert (await world.events()).count("position.closed") == 1
    other.terminate()
    assert await asyncio.wait_for(other.wait(), 60) == 0


@pytest.mark.slow
async def test_a_stop_that_triggers_while_mongodb_is_away_is_not_lost(own_servers: Servers) -> None:
    urls = {name: (await asyncio.to_thread(own_servers.restart, name)).url for name in ("nats", "mongodb")}
    world = World(urls["nats"], urls["mongodb"], "perpetua")
    await world.start()
    try:
        async with world.executor():
            await until(lambda: opened(world))
            await world.tick(50_000)
            await world.send(subjects.decision_validated(key_of(ACCOUNT)), now_validated(ENTRY))
            await until(lambda: _all_open(world))
            own_servers.signal("mongodb", signal.SIGKILL)
            await world.tick(48_900)
            await world.tick(50_000)
            await asyncio.to_thread(own_servers.restart, "mongodb")
            await until(lambda: has_events(world, "position.closed"))
            (trade,) = (await world.state()).closed_trades
            assert trade.exit_price < 48_900
    finally:
        await world.stop()


async def _all_open(world: World) -> bool:
    found = await world.db[ACCOUNTS].find_one({"_id": ACCOUNT})
    return bool(found and found["positions"] and not found["outbox"])


async def test_a_stale_holder_cannot_write(world: World) -> None:
    async with world.executor():
        await until(lambda: opened(world))
    store = MongoAccounts(world.db)
    partition = ids.partition(ACCOUNT)
    (old,) = (await store.take(partition, 100)).accounts
    (new,) = (await store.take(partition, 101)).accounts
    after, outbox = seal(Turn(old.book), datetime.now(UTC) + timedelta(seconds=1))
    with pytest.raises(Fenced):
        await store.write(old.book, after, 100, outbox)
    await store.write(new.book, after, 101, outbox)
    found = await store.load(ACCOUNT)
    assert found is not None
    assert found.book.version == old.book.version + 1


async def test_a_checkpoint_moves_no_account_back_and_none_that_another_copy_holds(world: World) -> None:
    store, names = MongoAccounts(world.db), ("abreast", "ahead", "taken")
    for name, sequence, fence in zip(names, (10, 50, 10), (7, 7, 8), strict=True):
        await store.create(replace(book(account_id=name), market_sequence=sequence), fence)
    await store.checkpoint([replace(book(account_id=name), market_sequence=40) for name in names], 7)
    seen = {row["_id"]: row["market_sequence"] async for row in world.db[ACCOUNTS].find({"_id": {"$in": names}})}
    assert seen == {"abreast": 40, "ahead": 50, "taken": 10}


async def test_a_document_that_cannot_be_read_is_told_apart_from_its_neighbours(world: World) -> None:
    async with world.executor():
        await until(lambda: opened(world))
    partition = ids.partition(ACCOUNT)
    found = await world.db[ACCOUNTS].find_one({"_id": ACCOUNT})
    assert found is not None
    await world.db[ACCOUNTS].insert_many(
        [{**found, "_id": "no-wallet", "wallet": "a lot"}, {"_id": "half", "partition": partition, "fence": 1}]
    )
    taken = await MongoAccounts(world.db).take(partition, 100)
    assert [account.book.account_id for account in taken.accounts] == [ACCOUNT]
    assert set(taken.unreadable) == {"no-wallet", "half"}
