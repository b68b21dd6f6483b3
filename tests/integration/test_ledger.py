"""The ledger against real servers: events in any order become documents; abandoned messages become dead letters."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import nats
import nats.errors
import pytest
from bson.decimal128 import Decimal128
from nats.js import JetStreamContext
from pymongo.asynchronous.database import AsyncDatabase

from libs.records.collections import DEAD_LETTERS, DECISIONS, FILLS, REQUESTS
from libs.records.provision import provision
from libs.runtime.mongo import client
from libs.runtime.provision import provision_nats
from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.events import decode_event
from services.ledger.adapters.mongo import MongoStore
from services.ledger.app import create_app
from services.ledger.domain.project import project
from services.ledger.domain.upserts import Upsert
from services.ledger.handlers import STORED
from services.ledger.settings import Settings
from tests.fakes.ledger_chain import T0, Chain
from tests.fakes.ledger_store import FakeStore
from tests.pace import PATIENCE_S

pytestmark = pytest.mark.integration

Document = dict[str, Any]
Database = AsyncDatabase[Document]
COLLECTIONS = ("requests", "contexts", "decisions", "bodies", "orders", "fills", "positions", "equity", "outcomes")


@pytest.fixture
async def db(mongo_url: str, mongo_db_name: str) -> AsyncIterator[Database]:
    connection = client(mongo_url)
    database = connection[mongo_db_name]
    await provision(database)
    yield database
    await connection.close()


@pytest.fixture
async def js(nats_url: str) -> AsyncIterator[JetStreamContext]:
    connection = await nats.connect(nats_url)
    stream = connection.jetstream(timeout=PATIENCE_S)
    await provision_nats(stream)
    yield stream
    await connection.close()


@pytest.fixture
async def ledger(js: JetStreamContext, nats_url: str, mongo_url: str, mongo_db_name: str) -> AsyncIterator[None]:
    worker = create_app(Settings(nats_url=nats_url, mongodb_url=mongo_url, mongodb_db=mongo_db_name))
    await worker.start()
    yield
    await worker.stop()


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await condition():  # noqa: ASYNC110 - other processes change what is looked at
            await asyncio.sleep(0.02)


async def drained(js: JetStreamContext) -> bool:
    infos = [await js.consumer_info(durable.stream, durable.name) for durable in STORED]
    return not any(info.num_pending or info.num_ack_pending for info in infos)


async def publish(js: JetStreamContext, messages: list[tuple[str, Message]]) -> None:
    """Without message ids, so that the server stores duplicates."""
    for subject, body in messages:
        await js.publish(subject, body.model_dump_json().encode())


def plain(value: Any) -> Any:
    """What MongoDB gives back, in the terms of what was stored: times to the millisecond, numbers as Decimal."""
    match value:
        case Decimal128():
            return value.to_decimal()
        case datetime():
            return value.replace(microsecond=value.microsecond // 1000 * 1000)
        case dict():
            return {name: plain(part) for name, part in value.items() if name != "received_at"}
        case list():
            return [plain(part) for part in value]
        case _:
            return value


async def contents(db: Database) -> dict[str, dict[str, Document]]:
    found = {name: await db[name].find().to_list() for name in COLLECTIONS}
    documents = {name: {row["_id"]: plain(row) for row in rows} for name, rows in found.items()}
    for order in documents["orders"].values():
        order["fill_ids"].sort()
    return documents


def expected(chains: list[Chain]) -> dict[str, dict[str, Document]]:
    store = FakeStore()
    for chain in chains:
        for subject, body in chain.messages():
            store.apply_now(project(decode_event(subject, body.model_dump_json().encode()), T0))
    found = store.comparable()
    return {name: {key: plain(row) for key, row in found.get(name, {}).items()} for name in COLLECTIONS}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_shuffled_and_repeated_events_become_the_same_documents(
    seed: int, js: JetStreamContext, ledger: None, db: Database
) -> None:
    chains = [Chain(request_id=f"req-{n}", account=f"account{n % 3}") for n in range(6)]
    messages = [message for chain in chains for message in chain.messages()] * 2
    random.Random(seed).shuffle(messages)
    await publish(js, messages)
    await eventually(lambda: drained(js))
    assert await contents(db) == expected(chains)


async def test_the_store_and_its_fake_agree_in_any_order(db: Database) -> None:
    """The contract of the port: whatever the order, MongoDB and the fake hold the same."""
    store, numbers = MongoStore(db), random.Random(7)
    chain = Chain()
    bodies = [body for _, body in chain.messages()] + [chain.rejected()]
    for _ in range(15):
        order = numbers.sample(bodies + bodies, k=len(bodies) * 2)
        fake = FakeStore()
        for body in order:
            fake.apply_now(project(body, T0))
            await store.apply(project(body, T0))
        found = fake.comparable()
        assert await contents(db) == {n: {k: plain(r) for k, r in found[n].items()} for n in COLLECTIONS}
        for name in COLLECTIONS:
            await db[name].delete_many({})


async def test_batches_in_any_order_and_size_make_the_same_documents(db: Database) -> None:
    store, numbers = MongoStore(db), random.Random(11)
    chains = [Chain(request_id=f"req-{n}", account=f"account{n % 2}") for n in range(3)]
    bodies = [body for chain in chains for _, body in chain.messages()] + [chains[0].rejected()]
    for _ in range(12):
        order, size = numbers.sample(bodies + bodies, k=len(bodies) * 2), numbers.randint(1, 40)
        fake, changes = FakeStore(), [project(body, T0) for body in order]
        for change in changes:
            fake.apply_now(change)
        for start in range(0, len(changes), size):
            batch = changes[start : start + size]
            assert list(await store.apply_together(batch)) == [True] * len(batch)
        found = fake.comparable()
        assert await contents(db) == {n: {k: plain(r) for k, r in found[n].items()} for n in COLLECTIONS}
        for name in COLLECTIONS:
            await db[name].delete_many({})


async def test_batches_of_two_ledgers_at_once_make_the_same_documents(db: Database) -> None:
    stores, chain = [MongoStore(db), MongoStore(db)], Chain()
    changes = [project(body, T0) for _, body in chain.messages()]
    await asyncio.gather(*(store.apply_together(changes) for store in stores * 3))
    assert await contents(db) == expected([chain])


@pytest.mark.parametrize(
    "poison",
    [
        pytest.param({"note": 1 << 70}, id="what the client cannot encode"),
        pytest.param({"": 1}, id="what the server refuses"),
    ],
)
async def test_an_event_that_cannot_be_stored_is_refused_alone_and_those_beside_it_by_the_client_may_be_tried_alone(
    db: Database, poison: dict[str, Any]
) -> None:
    bad = (Upsert(REQUESTS, "bad", set=poison), Upsert(FILLS, "fill", set={"of": "bad"}))
    good = [project(body, T0) for _, body in Chain().messages()]
    store = MongoStore(db)
    results = await store.apply_together([*good, bad])
    assert not results[-1]
    for change, stored in zip(good, results, strict=False):
        if not stored:
            await store.apply(change)
    found = await contents(db)
    found["fills"].pop("fill")
    assert found == expected([Chain()])


async def test_a_ledger_that_is_killed_in_the_middle_of_a_batch_loses_nothing(
    js: JetStreamContext, nats_url: str, mongo_url: str, mongo_db_name: str, db: Database
) -> None:
    """Some collections of a batch are stored, others are not, nothing of it is acknowledged."""
    chains = [Chain(request_id=f"req-{n}", account=f"account{n % 3}") for n in range(20)]
    await publish(js, [message for chain in chains for message in chain.messages()])
    place = {"NATS_URL": nats_url, "MONGODB_URL": mongo_url, "MONGODB_DB": mongo_db_name}
    for killed_at in (1, 3, 6):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.ledger.app",
            env={**os.environ, **place, "PERPETUA_FAILPOINT": f"ledger.in_batch:{killed_at}"},
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert await process.wait() == -signal.SIGKILL
    assert not await drained(js)
    worker = create_app(Settings(nats_url=nats_url, mongodb_url=mongo_url, mongodb_db=mongo_db_name))
    await worker.start()
    await eventually(lambda: drained(js))
    await worker.stop()
    assert await contents(db) == expected(chains)


async def test_concurrent_first_events_of_one_document_do_not_collide(db: Database) -> None:
    store, chain = MongoStore(db), Chain()
    changes = [project(body, T0) for _, body in chain.messages()] * 4
    await asyncio.gather(*map(store.apply, changes))
    assert await contents(db) == expected([chain])


async def test_money_is_summed_by_the_database(js: JetStreamContext, ledger: None, db: Database) -> None:
    await publish(js, Chain().messages())
    await eventually(lambda: drained(js))
    cursor = await db[FILLS].aggregate([{"$group": {"_id": None, "fee": {"$sum": "$fee"}}}])
    (row,) = await cursor.to_list()
    assert row["fee"].to_decimal() == Decimal("0.6")


async def test_a_message_that_ran_out_of_deliveries_ends_as_dead_letter_and_rejection(
    js: JetStreamContext, ledger: None, db: Database
) -> None:
    chain, durable = Chain(), subjects.VALIDATOR_PROPOSALS
    await publish(js, chain.messages()[:3])
    worker = await js.pull_subscribe_bind(durable=durable.name, stream=durable.stream)
    for _ in range(durable.max_deliver):
        (message,) = await worker.fetch(1, timeout=PATIENCE_S)
        await message.nak()
    with pytest.raises(nats.errors.TimeoutError):  # the server notices when it is asked for the next one
        await worker.fetch(1, timeout=0.5)

    async def told() -> bool:
        found = await db[DECISIONS].find_one({"_id": chain.decision_id})
        return found is not None and found.get("reason") == "dead_lettered"

    await eventually(told)
    (letter,) = await db[DEAD_LETTERS].find().to_list()
    assert (letter["stream"], letter["durable"], letter["deliveries"]) == ("DECISIONS", durable.name, 8)
    assert letter["error"]["code"] == "max_deliveries"
    assert chain.decision_id in letter["body"]
    request = await db[REQUESTS].find_one({"_id": chain.request_id})
    assert request is not None
    assert list(request["outcomes"]) == ["rejected"]


async def test_an_event_that_does_not_parse_becomes_a_dead_letter_of_the_ledger(
    js: JetStreamContext, ledger: None, db: Database
) -> None:
    await js.publish("order.placed.alpha", b'{"kind": "placed"')
    await eventually(lambda: _any(db[DEAD_LETTERS]))
    (letter,) = await db[DEAD_LETTERS].find().to_list()
    assert (letter["durable"], letter["error"]["code"]) == ("ledger-orders", "malformed")


async def _any(collection: Any) -> bool:
    return await collection.find_one() is not None


async def test_times_are_kept_as_aware_utc(db: Database) -> None:
    await MongoStore(db).apply(project(Chain().request(), T0))
    (row,) = await db[REQUESTS].find().to_list()
    assert row["requested_at"] == T0
    assert row["received_at"].astimezone(UTC) == T0
