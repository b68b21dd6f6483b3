import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio

from libs.runtime.reader import Record
from libs.schemas.account import Account
from libs.schemas.names import key_of
from libs.schemas.subjects import KV_CONFIG, account_key
from tests.e2e.running import Running, running
from tests.e2e.trading.asked import GENERATE, MINE, Body, Traded
from tests.fakes.otlp import Collector, collecting

STREAMS = ("REQUESTS", "CONTEXTS", "DECISIONS", "ORDERS")


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    """Whom all workers of the run tell their traces."""
    with collecting() as made:
        yield made


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def run(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> AsyncIterator[Running]:
    """With an account that decides only when it is asked: a day must pass between triggers of its own, and it is made
    paused and asked once, so that none is due when it is active."""
    more = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "500",
        "PERPETUA_BUDGET_USD_PER_DAY": "100",  # so that there is one to be left
    }
    async with running(tmp_path_factory.mktemp("trading") / "state", more=more) as made:
        await made.pipeline.progress(2)
        bus = made.pipeline.bus
        entry = await bus.kv_get(KV_CONFIG.name, account_key(key_of("aggressive")))
        assert entry is not None
        changes = {"account_id": MINE, "min_seconds_between_decisions": 86_400}
        account = Account.model_validate_json(entry.value).model_copy(update=changes)
        key = account_key(key_of(MINE))
        await bus.kv_put(KV_CONFIG.name, key, account.model_copy(update={"status": "paused"}))
        async with made.api() as api, asyncio.timeout(60):
            while (await api.post(GENERATE, json={"account_id": MINE})).status_code == 404:  # noqa: ASYNC110 - not heard of yet
                await asyncio.sleep(0.05)
        await bus.kv_put(KV_CONFIG.name, key, account)
        yield made


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def api(run: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with run.api() as made:
        yield made


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def traded(run: Running, api: httpx.AsyncClient) -> Traded:
    """Asks until the rule sees a trend and an entry is filled."""
    async with asyncio.timeout(60):
        while True:
            answer = await api.post(GENERATE, json={"account_id": MINE})
            assert answer.status_code == 200, answer.text
            result: Body = answer.json()
            if any((order["leg"], order["state"]) == ("entry", "filled") for order in result["orders"]):
                break
            await asyncio.sleep(0.2)
    log: dict[str, list[Record]] = {}
    for stream in STREAMS:
        for record in await run.stored(stream):
            if json.loads(record.data).get("correlation_id", result["request_id"]) != result["request_id"]:
                continue
            if stream == "REQUESTS" and json.loads(record.data)["request_id"] != result["request_id"]:
                continue
            log.setdefault(".".join(record.subject.split(".")[:2]), []).append(record)
    return Traded(result, log)
