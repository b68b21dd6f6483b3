"""Controls from the API and the command line to the executor's accounts: within a second, with orders and positions."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from cli.ask.controls import send
from libs.records.collections import ACCOUNTS
from libs.schemas import subjects
from libs.schemas.names import key_of
from services.gateway.app import create_app
from services.gateway.settings import Settings
from tests.fakes import executor_values as values
from tests.integration.api_keys import admin_token
from tests.integration.executing import ACCOUNT, ENTRY, World, has_events, now_validated, until
from tests.pace import Watch

pytestmark = pytest.mark.integration
OTHERS = 20


@pytest.fixture
async def world(nats_url: str, mongo_url: str, mongo_db_name: str) -> AsyncIterator[World]:
    made = World(nats_url, mongo_url, mongo_db_name)
    await made.start()
    yield made
    await made.stop()


@asynccontextmanager
async def gateway(world: World) -> AsyncIterator[httpx.AsyncClient]:
    token = await admin_token(world.nats_url)
    places = {"nats_url": world.nats_url, "mongodb_url": world.mongo_url, "mongodb_db": world.db_name}
    worker = create_app(Settings.model_validate(places))
    await worker.start()
    ((app, _, _),) = worker._http
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1/api/v1", headers=headers) as api:
        yield api
    await worker.stop()


async def test_a_control_holds_within_a_second_for_one_account_and_for_all(world: World) -> None:
    names = [ACCOUNT, *(f"other-{n}" for n in range(OTHERS))]
    for name in names[1:]:
        await world.config(subjects.account_key(key_of(name)), values.account(name))
    async with world.executor(), gateway(world) as api:
        await until(lambda: _states(world, *["active"] * len(names)))
        await world.tick(50_000)
        await world.send(subjects.decision_validated(key_of(ACCOUNT)), now_validated(ENTRY))
        await until(lambda: has_events(world, "position.opened"))
        spent = {}
        for scope, state in ((f"/accounts/{ACCOUNT}", "flatten"), ("", "reducing"), ("", "active")):
            spent[f"{state} {scope or 'all'}"] = await _carried_out(api, scope, state)
        assert (await world.events())[-3:].count("position.closed") == 1
        with Watch() as watch:
            told = await send(world.nats_url, subjects.ALL_ACCOUNTS, "halted", "the command line too")
        assert (len(told.done), told.waiting) == (len(names), ())
        spent["halted by the command"] = min(told.seconds, watch.quiet_s)
        assert await _states(world, *["halted"] * len(names))
        print({what: f"{seconds * 1000:.0f} ms" for what, seconds in spent.items()})
        assert max(spent.values()) < 1


async def _carried_out(api: httpx.AsyncClient, scope: str, state: str) -> float:
    """Seconds until the API says so, as on a quiet machine: a slow one takes more than one and is asked again."""
    body = {"state": state, "reason": "a test"}
    with Watch() as watch:
        while (answer := await api.post(f"{scope}/control", json=body)).status_code == 202:
            assert answer.json()["waiting_for"], answer.text
    assert (answer.status_code, answer.json()["waiting_for"]) == (200, []), answer.text
    return watch.quiet_s


async def _states(world: World, *wanted: str) -> bool:
    found = await world.db[ACCOUNTS].find({}, {"trading_state": 1}).to_list()
    return [entry["trading_state"] for entry in found] == list(wanted)
