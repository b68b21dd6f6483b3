"""The gateway against real servers, with a program on the bus that answers requests; the ledger keeps the history."""

import asyncio
import hashlib
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cli.embedded.servers import Servers
from libs.runtime.telling import Telling
from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.context import DecisionRequest
from libs.schemas.kv_keys import worker_key
from libs.schemas.names import key_of
from libs.schemas.reasons import Reason
from libs.schemas.verdict import DecisionValidated, Receipt
from tests.fakes.ledger_chain import SYSTEM_PROMPT, Chain
from tests.integration.serving import GENERATE, HISTORY, Running, running, started, whole
from tests.pace import PATIENCE_S

__all__ = ["running"]  # a fixture
pytestmark = pytest.mark.integration


async def test_a_request_is_answered_by_its_decision(running: Running) -> None:
    await running.answer_with(whole)
    response = await running.api.post(GENERATE, json={"account_id": "alpha"})
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["status"], body["model_used"], body["account_id"]) == ("accepted", "builtin/rules-2", "alpha")
    (order,) = body["orders"]
    assert (order["state"], order["filled"]) == ("filled", "0.020")

    await running.stored()
    record = (await running.api.get(f"/api/v1/decisions/{body['decision_id']}")).json()
    assert record["status"] == "accepted"
    assert record["request"]["trigger"]["kind"] == "api"
    assert record["context"]["account_id"] == "alpha"
    assert [call["system_prompt"] for call in record["calls"]] == [SYSTEM_PROMPT] * 2
    assert record["verdicts"][0]["receipts"][0]["reason"] == "stop_defaulted"
    assert record["orders"][0]["average_price"] == order["average_price"] == "60007.5"
    assert [fill["price"] for fill in record["fills"]] == ["60000", "60010"]
    equity = (await running.api.get("/api/v1/accounts/alpha/equity")).json()
    assert [point["equity"] for point in equity["items"]] == ["9998.2", "10000.5"]
    orders = (await running.api.get("/api/v1/accounts/alpha/orders")).json()
    assert [entry["decision_id"] for entry in orders["items"]] == [body["decision_id"]]


async def test_no_answer_in_time_gives_a_place_where_the_decision_appears(running: Running) -> None:
    response = await running.api.post(GENERATE, json={"account_id": "alpha", "timeout": 0.3})
    assert response.status_code == 503
    assert response.json()["type"] == "urn:perpetua:problem:no-answer-in-time"
    place = response.headers["location"]
    await running.stored()
    record = (await running.api.get(place)).json()
    assert (record["status"], record["request"]["account_id"]) == ("pending", "alpha")

    asked = DecisionRequest.model_validate(record["request"])
    chain = Chain(request_id=asked.request_id, start=asked.requested_at)
    for subject, body in whole(chain):
        await running.js.publish(subject, body.model_dump_json().encode())
    await running.stored()
    assert (await running.api.get(place)).json()["status"] == "accepted"


def judged_whole(chain: Chain) -> list[tuple[str, Message]]:
    """With a remark about the portfolio."""
    remark = Receipt(rule="gross", severity="warning", reason=Reason.STOP_DEFAULTED, message="much is at risk")
    return [
        (subject, body.model_copy(update={"portfolio_receipts": (remark,)}))
        if isinstance(body, DecisionValidated)
        else (subject, body)
        for subject, body in whole(chain)
    ]


async def test_the_history_answers_as_the_decision_did(running: Running) -> None:
    await running.answer_with(judged_whole)
    headers = {"Idempotency-Key": "twice"}
    first = (await running.api.post(GENERATE, json={"account_id": "alpha"}, headers=headers)).json()
    await running.stored()
    again = (await running.api.post(GENERATE, json={"account_id": "alpha"}, headers=headers)).json()
    assert first["warnings"] == again["warnings"]
    assert "portfolio: much is at risk" in again["warnings"] and len(again["warnings"]) == 2


async def test_a_repeated_idempotency_key_gives_the_same_decision_and_asks_once(running: Running) -> None:
    await running.answer_with(whole)
    headers = {"Idempotency-Key": "only-once"}
    answers = [await running.api.post(GENERATE, json={"account_id": "alpha"}, headers=headers) for _ in range(2)]
    await running.stored()
    answers.append(await running.api.post(GENERATE, json={"account_id": "alpha"}, headers=headers))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.json()["decision_id"] for answer in answers}) == 1
    assert (await running.js.stream_info("REQUESTS")).state.messages == 1
    other = await running.api.post(GENERATE, json={"account_id": "beta"}, headers=headers)
    assert other.status_code == 422


async def test_history_pages_and_filters(running: Running) -> None:
    start = datetime(2026, 11, 20, 12, tzinfo=UTC)
    chains = [
        Chain(
            account="alpha" if n % 3 else "beta",
            request_id=f"r{n}",
            symbol="ETHUSDT" if n % 2 else "BTCUSDT",
            start=start + timedelta(minutes=n // 2),
        )
        for n in range(9)
    ]
    for chain in chains:
        for subject, body in chain.messages()[: 4 if chain.symbol == "ETHUSDT" else 3]:
            await running.js.publish(subject, body.model_dump_json().encode())
    await running.stored()

    seen, cursor = [], ""
    for _ in range(9):
        page = (await running.api.get(f"{HISTORY}?limit=2{cursor}")).json()
        seen += [(entry["created_at"], entry["decision_id"]) for entry in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(set(seen)) == len(seen) == 9
    assert seen == sorted(seen, reverse=True)

    async def count(query: str) -> int:
        return len((await running.api.get(f"{HISTORY}?{query}")).json()["items"])

    assert await count("account_id=beta") == 3
    assert await count("symbol=ETHUSDT") == 4
    assert await count("symbol=ETHUSDT&account_id=alpha&status=accepted") == 3
    assert await count("status=proposed") == 5
    assert await count("action=buy&strategy_id=steady&model=builtin/rules-2") == 9
    assert await count("action=sell") == 0
    assert await count("from=2026-11-20T12:01:00Z&to=2026-11-20T12:02:00Z") == 2


async def test_accepted_requests_go_on_without_their_client(running: Running) -> None:
    await running.answer_with(whole)
    response = await running.api.post(GENERATE, json={"account_id": "alpha"}, headers={"Prefer": "respond-async"})
    assert response.status_code == 202
    await running.stored()
    async with asyncio.timeout(60):
        while (await running.api.get(response.headers["location"])).json().get("status") != "accepted":
            await running.stored()


async def test_many_clients_wait_at_once_and_each_gets_its_own(running: Running) -> None:
    await running.answer_with(whole)
    answers = await asyncio.gather(*(running.api.post(GENERATE, json={"account_id": "alpha"}) for _ in range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert len({answer.json()["decision_id"] for answer in answers}) == 20


@pytest.mark.slow
async def test_an_outage_is_named_and_over_when_it_is_over(own_servers: Servers, mongo_db_name: str) -> None:
    bus, database = own_servers.restart("nats").url, own_servers.restart("mongodb").url
    async with started(bus, database, mongo_db_name) as running:
        await running.answer_with(whole)
        own_servers.signal("mongodb", signal.SIGSTOP)
        response = await running.api.get(HISTORY)
        async with asyncio.timeout(30):
            while running.gateway.checks()["mongodb"]:  # noqa: ASYNC110 - looked at, as /ready does
                await asyncio.sleep(0.05)
        own_servers.signal("mongodb", signal.SIGCONT)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "2"
        assert "MongoDB" in response.json()["detail"]
        assert await becomes(running, 200) == 200
        async with asyncio.timeout(30):
            while not running.gateway.checks()["mongodb"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

        await asyncio.to_thread(own_servers.signal, "nats", signal.SIGKILL)
        response = await running.api.post(GENERATE, json={"account_id": "alpha", "timeout": 1})
        assert response.status_code == 503
        assert (await running.api.get(HISTORY)).status_code == 200
        await asyncio.to_thread(own_servers.restart, "nats")
        assert await becomes(running, 200) == 200


@pytest.mark.slow
async def test_the_kill_switch_needs_no_mongodb(own_servers: Servers, mongo_db_name: str) -> None:
    bus, database = own_servers.restart("nats").url, own_servers.restart("mongodb").url
    async with started(bus, database, mongo_db_name) as running:
        own_servers.signal("mongodb", signal.SIGSTOP)
        try:
            for headers in ({}, {"Idempotency-Key": "halt"}, {"Idempotency-Key": "halt"}):
                body = {"state": "halted", "reason": "MongoDB is away"}
                answer = await running.api.post("/api/v1/control", json=body, headers=headers)
                assert answer.status_code == 200, answer.text
            assert (await running.js.stream_info("AUDIT")).state.messages >= 2
        finally:
            own_servers.signal("mongodb", signal.SIGCONT)


async def becomes(running: Running, status: int) -> int:
    """The status of a decision asked for again and again, until it is this one."""
    async with asyncio.timeout(60):
        while True:
            response = await running.api.post(GENERATE, json={"account_id": "alpha", "timeout": 2})
            if response.status_code == status:
                return status
            await asyncio.sleep(0.1)


async def test_workers_are_told_of_by_their_own_word_and_their_servers_by_ours(running: Running) -> None:
    async def services() -> dict[str, Any]:
        found: dict[str, Any] = (await running.api.get("/api/v1/monitoring/services")).json()
        return found

    async with asyncio.timeout(PATIENCE_S):
        while len((await services())["items"]) < 2:  # noqa: ASYNC110 - the word of another process is only seen by looking
            await asyncio.sleep(0.05)
    found = await services()
    assert {(item["service"], item["version"] != "") for item in found["items"]} == {
        ("gateway", True),
        ("ledger", True),
    }
    assert found["missing"] == ["feed", "context", "decider", "validator", "executor"]
    lag = (await running.api.get("/api/v1/monitoring/lag")).json()
    assert {item["durable"] for item in lag["items"]} == {durable.name for durable in subjects.DURABLES}
    stores = (await running.api.get("/api/v1/monitoring/stores")).json()
    assert {item["store"]: bool(item["version"]) for item in stores["items"]} == {
        "nats": True,
        "mongodb": True,
        "redis": False,
    }


async def test_a_worker_that_ends_takes_its_word_away(running: Running) -> None:
    told = Telling(running.gateway.bus, "ledger", "b c", lambda: {"nats": True}, dict)
    key = worker_key(key_of("ledger"), hashlib.sha256(b"b c").hexdigest()[:16])
    await told.start()
    async with asyncio.timeout(PATIENCE_S):
        while await running.gateway.bus.kv_get(subjects.KV_WORKERS.name, key) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await told.stop()
    assert await running.gateway.bus.kv_get(subjects.KV_WORKERS.name, key) is None


async def test_decisions_of_a_period_are_counted_from_the_history(running: Running) -> None:
    await running.answer_with(whole)
    await asyncio.gather(*(running.api.post(GENERATE, json={"account_id": "alpha"}) for _ in range(3)))
    await running.stored()
    found = (await running.api.get("/api/v1/decisions/metrics?account_id=alpha&timeframe=366d")).json()
    assert (found["decisions"], found["by_status"]) == (3, {"accepted": 3})
    assert (found["validation_success"], found["cache"]["requests"]) == (1.0, 3)
    assert found["latency_ms"]["of"] == 3
    lines = (await running.api.get("/api/v1/export/decisions?format=csv")).text.splitlines()
    assert len(lines) == 4


async def test_ticks_over_http_are_on_the_bus(running: Running) -> None:
    tick = {"symbol": "BTCUSDT", "price": 64_250.5, "source": "mine", "tick_id": "mine-1"}
    for _ in range(2):
        answer = await running.api.post("/api/v1/market/ticks", json={"ticks": [tick]})
        assert (answer.status_code, answer.json()) == (202, {"taken": 1})
    info = await running.js.stream_info("MARKET")
    assert info.state.messages == 1, "a repetition is not stored"
    found = (await running.api.get("/api/v1/market/BTCUSDT")).json()
    assert (found["tick"]["price"], found["tick"]["source"]) == (64_250.5, "mine")
