"""Servers of a folder that was restored hold what they held, and open to the passwords of then."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from cli.connection import connected
from cli.embedded.servers import ServerInfo, Servers
from cli.project import StateFolder
from cli.run.backup import write_backup
from cli.run.restore import restore
from libs.runtime.provision import provision_nats
from libs.runtime.reader import Start, read_all
from libs.schemas.subjects import KV_CONFIG

pytestmark = pytest.mark.integration
BUCKET = KV_CONFIG.name


def running(folder: Path) -> Servers:
    return Servers(folder, use_urls=False, use_path=False)


async def write(infos: dict[str, ServerInfo], first: int, count: int) -> None:
    """Numbers from `first` on, in the log and among the documents; Redis keeps nothing."""
    async with connected(infos["nats"].url) as bus:
        if first == 0:
            await provision_nats(bus.js)
        for n in range(first, first + count):
            await bus.kv_put(BUCKET, f"kept.{n}", str(n).encode())
    with MongoClient[dict[str, Any]](infos["mongodb"].url) as mongo:
        mongo["perpetua"]["kept"].insert_many({"_id": n} for n in range(first, first + count))


async def held(infos: dict[str, ServerInfo]) -> dict[str, list[int]]:
    log: list[int] = []
    async with connected(infos["nats"].url) as bus:
        stream, keys = f"KV_{BUCKET}", [f"$KV.{BUCKET}.kept.*"]
        await read_all(bus, stream, keys, lambda record: log.append(int(record.data)), start=Start.all())
    with MongoClient[dict[str, Any]](infos["mongodb"].url) as mongo:
        return {"log": log, "documents": [row["_id"] for row in mongo["perpetua"]["kept"].find(sort=[("_id", 1)])]}


async def test_what_was_backed_up_is_there_again_and_nothing_later(tmp_path: Path) -> None:
    state, file = StateFolder(tmp_path / "state"), tmp_path / "kept.tar.gz"
    with running(state.folder) as servers:
        await write(servers.start(), 0, 20)
    write_backup(state, file, {}, datetime.now(UTC))
    passwords = (state.folder / "passwords.json").read_bytes()
    with running(state.folder) as servers:
        await write(servers.start(), 20, 5)
    restore(state, file, replace=True)
    assert (state.folder / "passwords.json").read_bytes() == passwords
    with running(state.folder) as servers:
        numbers = list(range(20))
        assert await held(servers.start()) == {"log": numbers, "documents": numbers}
