"""Decisions over HTTP on a running system: asked for, made over the bus, traded."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from libs.records import collections
from libs.runtime.mongo import client
from libs.schemas import ids
from tests.e2e.running import Running
from tests.e2e.trading.asked import DECISIONS, GENERATE, MINE, Traded, record_of
from tests.fakes.otlp import Collector

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="package"),
]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
PUBLISHERS = {  # of each message of the chain, in its order
    "decision.requested": "gateway",
    "context.built": "context",
    "decision.proposed": "decider",
    "decision.validated": "validator",
    "order.placed": "executor",
    "order.filled": "executor",
    "position.opened": "executor",
}


async def test_the_answer_is_a_decision_with_its_verdicts_orders_and_times(traded: Traded) -> None:
    result = traded.result
    assert (result["account_id"], result["status"] in ("accepted", "partial")) == (MINE, True)
    assert (result["model_used"], result["api_cost"], result["cached"]) == ("builtin/trend", 0.0, False)
    assert all(result["processing_time_ms"][step] > 0 for step in ("context", "model", "engine", "total"))
    entries = {order["symbol"] for order in result["orders"] if order["leg"] == "entry"}
    assert entries == {verdict["asset"] for verdict in result["verdicts"] if verdict["final"] is not None}
    assert {"entry", "stop", "target"} <= {order["leg"] for order in result["orders"]}
    assert {verdict["asset"] for verdict in result["verdicts"]} == {
        row["asset"] for row in result["decision"]["decisions"]
    }


async def test_the_decision_is_on_the_bus_and_in_the_database(
    run: Running, api: httpx.AsyncClient, traded: Traded
) -> None:
    for kind in ("decision.proposed", "decision.validated"):
        (record,) = traded.log[kind]
        assert record.subject == f"{kind}.{MINE}"
        assert json.loads(record.data)["decision_id"] == traded.result["decision_id"]
    filled = {json.loads(record.data)["fill"]["fill_id"] for record in traded.log["order.filled"]}
    await record_of(api, traded.result["decision_id"], fills=len(filled))
    mongo = client(run.pipeline.mongodb_url)
    try:
        stored = await mongo["perpetua"][collections.DECISIONS].find_one({"_id": traded.result["decision_id"]})
        fills = await mongo["perpetua"][collections.FILLS].find({"decision_id": traded.result["decision_id"]}).to_list()
    finally:
        await mongo.close()
    assert stored is not None
    assert stored["status"] == traded.result["status"]
    assert {fill["_id"] for fill in fills} >= filled


async def test_every_message_of_the_chain_names_itself_its_cause_and_its_trace(traded: Traded) -> None:
    request_id = traded.result["request_id"]
    assert set(PUBLISHERS) <= set(traded.log)
    known: set[str] = set()
    trace = (traded.first("decision.requested").headers or {})["traceparent"].split("-")[1]
    for kind in PUBLISHERS:
        for record in traded.log[kind]:
            headers = record.headers or {}
            body = json.loads(record.data)
            assert headers["correlation-id"] == request_id == body.get("correlation_id", request_id)
            assert headers["traceparent"].split("-")[1] == trace
            assert (headers["ce-specversion"], headers["ce-type"]) == ("1.0", f"perpetua.{kind}.v1")
            assert headers["ce-id"] == headers["Nats-Msg-Id"]
            assert headers["ce-source"] == f"perpetua/{PUBLISHERS[kind]}"
            assert headers["ce-time"]
            assert headers["content-type"] == "application/json"
            known.add(headers["Nats-Msg-Id"])
    for kind in ("context.built", "decision.proposed", "decision.validated"):
        assert (traded.first(kind).headers or {})["causation-id"] in known
    assert len(known) == sum(len(traded.log[kind]) for kind in PUBLISHERS)


async def test_the_trace_of_a_client_is_followed_to_the_verdict(run: Running, api: httpx.AsyncClient) -> None:
    answer = await api.post(GENERATE, json={"account_id": MINE, "dry_run": True}, headers={"traceparent": TRACEPARENT})
    request_id = answer.json()["request_id"]
    spans: dict[str, str] = {}
    for stream in ("REQUESTS", "CONTEXTS", "DECISIONS"):
        for record in await run.stored(stream):
            headers = record.headers or {}
            if headers["correlation-id"] == request_id:
                assert headers["traceparent"].startswith(f"00-{TRACE}-")
                spans[".".join(record.subject.split(".")[:2])] = headers["traceparent"]
    assert set(spans) == {"decision.requested", "context.built", "decision.proposed", "decision.evaluated"}
    assert len({*spans.values(), TRACEPARENT}) == 5


async def test_one_trace_goes_from_the_request_over_all_workers_to_the_fill(
    collector: Collector, traded: Traded
) -> None:
    trace = (traded.first("order.filled").headers or {})["traceparent"].split("-")[1]
    durables = ("context-requests", "decider-contexts", "validator-proposals", "ledger-orders")
    steps = {f"{durable} {step}" for durable in durables for step in ("receive", "process")}
    wanted = frozenset({"POST", *steps, *(f"{kind} publish" for kind in PUBLISHERS), "batch"})
    spans = await asyncio.to_thread(collector.until, trace, wanted)
    assert wanted <= collector.names(trace)  # a batch is in the trace of its first message, and has links to the others
    assert {span.service for span in spans} == {"gateway", "context", "decider", "validator", "executor", "ledger"}
    assert {span.name.split()[0] for span in spans} >= {"kv", "mongodb", "redis", "chat"}
    known = {span.span for span in spans}
    (root,) = [span for span in spans if not span.parent]
    assert (root.service, root.attributes["http.route"]) == ("gateway", GENERATE)
    assert {span.parent for span in spans} - {""} <= known
    assert not [span for span in collector.spans if "market.tick" in span.name]


async def test_message_ids_derive_from_the_request_alone(traded: Traded) -> None:
    request_id = traded.result["request_id"]
    context = ids.context_id(MINE, ids.request_cycle(request_id))
    decision = ids.decision_id(context, "live")
    assert traded.result["decision_id"] == decision
    expected = {
        "decision.requested": f"decision.requested:{request_id}",
        "context.built": f"context.built:{context}",
        "decision.proposed": f"decision.proposed:{decision}",
        "decision.validated": f"decision.ended:{decision}",
    }
    assert {kind: (traded.first(kind).headers or {})["Nats-Msg-Id"] for kind in expected} == expected
    entries = {
        body["intent"]["client_order_id"]
        for body in (json.loads(record.data) for record in traded.log["order.placed"])
        if body["intent"]["leg"] == "entry"
    }
    symbols = [verdict["asset"] for verdict in traded.result["verdicts"] if verdict["final"]]
    assert entries <= {ids.client_order_id(MINE, decision, symbol, "entry", 0) for symbol in symbols}


@pytest.mark.parametrize(
    ("name", "body", "status", "field"),
    [
        ("no account", {}, 422, "body.account_id"),
        ("an account that is not an id", {"account_id": "my account"}, 422, "body.account_id"),
        ("a field that does not exist", {"account_id": MINE, "symbol": "BTCUSDT"}, 422, "body.symbol"),
        ("no symbols", {"account_id": MINE, "symbols": []}, 422, "body.symbols"),
        ("a long wait", {"account_id": MINE, "timeout": 1_000}, 422, "body.timeout"),
        (
            "a strategy that does not exist",
            {"account_id": MINE, "strategy_override": "x"},
            422,
            "body.strategy_override",
        ),
        ("an account that does not exist", {"account_id": "nobody"}, 404, None),
        ("a list", [], 422, "body"),
    ],
)
async def test_a_request_that_cannot_be_is_refused_with_the_field_that_is_wrong(
    api: httpx.AsyncClient, name: str, body: Any, status: int, field: str | None
) -> None:
    answer = await api.post(GENERATE, json=body)
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["instance"] == GENERATE
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert [error["field"] for error in problem["errors"]] == ([field] if field else [])


@pytest.mark.parametrize(("key", "code"), [("perp_wrong", "key-unknown"), ("", "key-missing")])
async def test_without_a_known_key_nothing_is_told(run: Running, key: str, code: str) -> None:
    async with run.api(key) as stranger:
        for answer in (
            await stranger.post(GENERATE, json={"account_id": MINE}),
            await stranger.get(f"{DECISIONS}/history"),
            await stranger.get("/api/v1/accounts/nobody"),
        ):
            assert answer.status_code == 401
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["type"] == f"urn:perpetua:problem:{code}"


async def test_a_client_that_does_not_wait_finds_the_decision_at_its_location(api: httpx.AsyncClient) -> None:
    wish = {"account_id": MINE, "force_refresh": True}
    answer = await api.post(GENERATE, json=wish, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    location = answer.headers["location"]
    assert location == f"{DECISIONS}/{answer.json()['decision_id']}"
    now = await api.get(location)
    assert now.status_code == 200, "the location of a request that was taken is known from the first moment on"
    record = await record_of(api, answer.json()["decision_id"])
    assert record["request_id"] == answer.json()["request_id"]
    assert record["status"] in ("accepted", "partial", "hold", "denied", "rejected", "abstained")


async def test_a_decision_that_was_answered_can_be_looked_at_at_once(api: httpx.AsyncClient) -> None:
    for _ in range(5):
        result = (await api.post(GENERATE, json={"account_id": MINE})).json()
        assert (await api.get(f"{DECISIONS}/{result['decision_id']}")).status_code == 200


async def test_the_same_idempotency_key_gives_the_same_decision(run: Running, api: httpx.AsyncClient) -> None:
    first, second = await asyncio.gather(
        *(api.post(GENERATE, json={"account_id": MINE}, headers={"Idempotency-Key": "order 66"}) for _ in range(2))
    )
    third = await api.post(GENERATE, json={"account_id": MINE}, headers={"Idempotency-Key": "order 66"})
    assert {answer.status_code for answer in (first, second, third)} == {200}
    (decision_id,) = {answer.json()["decision_id"] for answer in (first, second, third)}
    made = [json.loads(record.data) for record in await run.stored("DECISIONS", f"decision.*.{MINE}")]
    ended = [body for body in made if body["decision_id"] == decision_id and "proposed_at" not in body]
    assert len(ended) == 1
    other = await api.post(
        GENERATE, json={"account_id": MINE, "dry_run": True}, headers={"Idempotency-Key": "order 66"}
    )
    assert (other.status_code, other.json()["type"]) == (422, "urn:perpetua:problem:idempotency-key-reused")


async def test_a_dry_run_is_judged_and_orders_nothing(run: Running, api: httpx.AsyncClient) -> None:
    result = (await api.post(GENERATE, json={"account_id": MINE, "dry_run": True})).json()
    assert (result["status"], result["orders"]) == ("evaluated", [])
    assert result["decision"] is not None and result["verdicts"]
    ends = [json.loads(one.data)["decision_id"] for one in await run.stored("DECISIONS", "decision.evaluated.*")]
    assert ends.count(result["decision_id"]) == 1
    record = await record_of(api, result["decision_id"])
    assert (record["status"], record["dry_run"], record["orders"]) == ("evaluated", True, [])
    orders = [json.loads(one.data)["decision_id"] for one in await run.stored("ORDERS")]
    assert result["decision_id"] not in orders
