"""A state folder of a version before there were users of the servers starts in this one, with its history.

`older/before-users.perpetua` is what a run of commit d2b0db9 left (`perpetua demo --feed synthetic --symbols
BTCUSDT,ETHUSDT --for 12`), read by `perpetua servers backup` from its servers; its candles, which a feed makes again,
were purged. The folder is made of it as that version had it: servers that ask nobody who he is, streams in everybody's
account.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from cli.ask.verifying import verified
from cli.connection import connected
from cli.embedded.servers import Servers
from cli.run.provision import ProvisionSettings
from cli.run.server_backup import RestoreWishes, restore
from libs.records.key_store import KeyStore, carry_over
from libs.records.provision import provision
from libs.runtime.mongo import Database
from libs.runtime.provision import check_nats, provision_nats
from libs.runtime.reader import Record, Start, read_all
from libs.schemas.events import decode_event
from tests.chaos.invariants import every_promise_holds
from tests.chaos.pipeline import pipeline
from tests.e2e.running import Running

FILE = Path(__file__).parent / "older" / "before-users.perpetua"
HELD = {"REQUESTS": 17, "CONTEXTS": 16, "DECISIONS": 32, "ORDERS": 21, "AUDIT": 17}
DECIDED, FILLED = 16, 3
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """The folder as its last run left it."""
    folder = tmp_path / "state"
    with Servers(folder, use_urls=False, use_path=False, users=False) as servers:
        infos = servers.start()
        settings = ProvisionSettings(nats_url=infos["nats"].url, mongodb_url=infos["mongodb"].url)
        restore(settings, FILE, RestoreWishes(), lambda line: None)
    (folder / "market").write_text("synthetic market 1\n")
    assert (folder / "nats" / "jetstream" / "jetstream" / "$G" / "streams" / "ORDERS").is_dir()
    return folder


def documents(url: str) -> dict[str, int]:
    with MongoClient[dict[str, Any]](url) as client:
        return {name: client.perpetua[name].count_documents({}) for name in client.perpetua.list_collection_names()}


def test_its_servers_start_with_users_and_all_that_it_holds_is_understood(older: Path) -> None:
    with Servers(older, use_urls=False, use_path=False) as servers:
        infos = servers.start()
        asyncio.run(understood(infos["nats"].url, infos["mongodb"].url))


async def understood(nats_url: str, mongodb_url: str) -> None:
    database = Database(mongodb_url, "perpetua")
    async with connected(nats_url) as bus:
        await asyncio.gather(provision_nats(bus.js), provision(database.db))
        assert await check_nats(bus.js) == []
        assert await carry_over(database.db, KeyStore(bus)) == 1
        held: dict[str, int] = {}

        def take(record: Record) -> None:
            decode_event(record.subject, record.data)
            held[stream] = held.get(stream, 0) + 1

        for stream in HELD:
            await read_all(bus, stream, [">"], take, start=Start.all())
        verdict = await verified(bus, database.db, datetime.now(UTC))
        assert not [breach for check in verdict.checks for breach in check.breaches]
    await database.stop()
    assert held == HELD
    kept = documents(mongodb_url)
    assert (kept["decisions"], kept["fills"], kept["api_keys"]) == (DECIDED, FILLED, 0)


@pytest.mark.long
async def test_a_run_goes_on_in_it(older: Path) -> None:
    """Also with the request that was in flight when it was stopped."""
    async with pipeline(older, seed=1, symbols=("BTCUSDT", "ETHUSDT")) as run:
        await run.progress(3)
        await run.quiet()
        await every_promise_holds(run)
        async with Running(run, older).api() as api:
            told = (await api.get("/api/v1/decisions/history?limit=100")).json()
        assert len(told["items"]) >= DECIDED + 3
        assert (await run.bus.js.stream_info("DEAD")).state.messages == 0
