"""Servers of one's own into a file and back into empty ones: the history is the same, to the sequence and the time."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import nats
import pytest
from bson.decimal128 import Decimal128
from nats.aio.client import Client
from pymongo import MongoClient

from libs.records.collections import DECISIONS, INDEXES
from libs.schemas.subjects import LEDGER_ORDERS, STREAMS
from tests.integration.deployment.servers import Deployment, servers
from tests.pace import PATIENCE_S

MESSAGES, TAKEN, DOCUMENTS = 30, 10, 1200
BODY_BYTES = 16_000  # together more than one part of a snapshot, packed as they are


@asynccontextmanager
async def admin(deployed: Deployment) -> AsyncIterator[Client]:
    connection = await nats.connect(deployed.url("nats"), inbox_prefix="_INBOX_admin")
    try:
        yield connection
    finally:
        await connection.close()


async def fill(deployed: Deployment) -> None:
    """Orders with gaps, of which the ledger has taken some; a configuration that was changed."""
    async with admin(deployed) as connection:
        js = connection.jetstream(timeout=PATIENCE_S)
        for n in range(MESSAGES):
            body = random.Random(n).randbytes(BODY_BYTES)
            await js.publish("order.filled.main", body, headers={"Nats-Msg-Id": f"order:{n}"})
        for sequence in (3, 20):
            await js.delete_msg("ORDERS", sequence)
        for revision in range(3):
            await js.publish("$KV.config.account.main", b"%d" % revision)
        taken = await js.pull_subscribe_bind(LEDGER_ORDERS.name, stream="ORDERS")
        for _ in range(TAKEN):
            (message,) = await taken.fetch(1, timeout=PATIENCE_S)
            await message.ack_sync(timeout=PATIENCE_S)
    with MongoClient[dict[str, Any]](deployed.url("mongodb")) as client:
        rows = [{"_id": f"d{n}", "at": datetime.now(UTC), "paid": Decimal128(Decimal(n) / 7)} for n in range(DOCUMENTS)]
        client.perpetua[DECISIONS].insert_many(rows)


async def log_of(deployed: Deployment) -> dict[str, Any]:
    """Every message of every stream as it is stored, and how far each durable is."""
    found: dict[str, Any] = {}
    async with admin(deployed) as connection:
        js = connection.jetstream(timeout=PATIENCE_S)
        for info in await js.streams_info():
            name, state = str(info.config.name), info.state
            found[name] = {n: message async for n, message in _messages(js, name, state.first_seq, state.last_seq)}
            for consumer in await js.consumers_info(name):
                assert consumer.ack_floor is not None
                place = consumer.ack_floor.stream_seq, consumer.ack_floor.consumer_seq
                found[f"{name} {consumer.name}"] = (*place, consumer.num_pending, consumer.config.filter_subject)
    return found


async def _messages(js: Any, stream: str, first: int, last: int) -> AsyncIterator[tuple[int, Any]]:
    for sequence in range(max(1, first), last + 1):
        try:
            message = await js.get_msg(stream, sequence)
        except nats.js.errors.NotFoundError:
            continue
        yield sequence, (message.subject, message.data, message.headers, message.time)


def database_of(deployed: Deployment) -> dict[str, Any]:
    with MongoClient[dict[str, Any]](deployed.url("mongodb")) as client:
        db = client.perpetua
        found = {name: {row["_id"]: row for row in db[name].find({})} for name in db.list_collection_names()}
    return {name: rows for name, rows in found.items() if rows}


@pytest.fixture(scope="module")
def kept(deployed: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of servers with a history."""
    asyncio.run(fill(deployed))
    file = tmp_path_factory.mktemp("backups") / "one.perpetua"
    done = deployed.run("servers", "backup", str(file), **deployed.as_keeper)
    assert (done.returncode, done.stderr) == (0, "")
    return file


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with servers(tmp_path_factory.mktemp("empty")) as made:
        yield made


def test_what_is_restored_into_empty_servers_is_what_was_backed_up(
    kept: Path, deployed: Deployment, empty: Deployment
) -> None:
    assert kept.stat().st_mode & 0o777 == 0o600
    before = asyncio.run(log_of(deployed))
    assert len(before["ORDERS"]) == MESSAGES - 2 and before["ORDERS ledger-orders"][0] == TAKEN + 1
    assert {stream.name for stream in STREAMS} <= before.keys()

    done = empty.run("servers", "restore", str(kept), *empty.users, **empty.as_keeper)
    assert (done.returncode, done.stderr) == (0, "")
    assert asyncio.run(log_of(empty)) == before
    assert database_of(empty) == database_of(deployed) and len(database_of(empty)[DECISIONS]) == DOCUMENTS

    assert empty.provision().returncode == 0  # what an upgrade does: indexes, and here a key of other secrets
    after = asyncio.run(log_of(empty))
    assert {name: there for name, there in after.items() if before[name] != there}.keys() == {"KV_keys"}
    assert after["KV_keys"].items() > before["KV_keys"].items()
    with MongoClient[dict[str, Any]](empty.url("mongodb")) as client:
        assert len(client.perpetua[DECISIONS].index_information()) == len(INDEXES[DECISIONS]) + 1


def test_servers_that_hold_something_are_left_as_they_are(kept: Path, deployed: Deployment) -> None:
    before = asyncio.run(log_of(deployed)), database_of(deployed)
    done = deployed.run("servers", "restore", str(kept), **deployed.as_keeper)
    assert done.returncode == 1 and "restore into empty servers" in done.stderr
    assert (asyncio.run(log_of(deployed)), database_of(deployed)) == before


def test_who_is_not_the_keeper_is_told_so_and_no_file_is_left(deployed: Deployment, tmp_path: Path) -> None:
    done = deployed.run("servers", "backup", str(tmp_path / "one"))
    assert done.returncode == 1 and "keeper" in done.stderr
    assert list(tmp_path.iterdir()) == []
