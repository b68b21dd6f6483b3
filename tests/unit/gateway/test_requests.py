"""Parameters, rates and keys at the edge."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from services.gateway.domain.cursors import decode
from services.gateway.domain.limits import WRONG_KEYS, Rates, Windows
from services.gateway.handlers.edge import Edge
from services.gateway.handlers.http import BASE, http_app
from services.gateway.metrics import GatewayMetrics
from tests.fakes.gateway_ports import TOKENS, Gateway
from tests.fakes.ledger_chain import T0
from tests.fakes.validator_values import state

HISTORY = "/api/v1/decisions/history"
KEYS = "/api/v1/keys"
HALT = {"state": "halted", "reason": "x"}

QUERIES = {
    "a typing mistake": ("acount_id=alpha", "query.acount_id", "did you mean account_id?"),
    "one that is none": ("colour=red", "query.colour", "parameters: account_id"),
    "one given twice": ("account_id=alpha&account_id=beta", "query.account_id", "more than once"),
    "the first hour of the calendar": ("from=0001-01-01T00:00:00%2B14:00", "query.from", "out of range"),
    "the last hour of the calendar": ("to=9999-12-31T23:59:59-14:00", "query.to", "out of range"),
    "a number": ("from=0.5", "query.from", "write a time as"),
    "an account that is none": ("account_id=a.b", "query.account_id", "pattern"),
    "a cursor with half a letter": ("cursor=WzAsIlx1ZDgwMCJd", "query.cursor", "not a cursor"),
}


@pytest.mark.parametrize("case", QUERIES)
async def test_a_query_that_is_wrong_is_refused_with_its_place(case: str) -> None:
    query, field, said = QUERIES[case]
    answer = await Gateway().call("GET", f"{HISTORY}?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert said in answer.json()["detail"]


async def test_405_names_every_method_of_a_path() -> None:
    gateway = Gateway()
    for path, methods in (
        ("/accounts", "GET, POST"),
        ("/strategies/steady", "DELETE, GET, PUT"),
        ("/keys", "GET, POST"),
        ("/strategies/custom", "POST"),
    ):
        answer = await gateway.call("PATCH", f"/api/v1{path}")
        assert (answer.status_code, answer.headers["allow"]) == (405, methods)


BODIES = [
    b'{"strategy": {"\\ud800": 1}, "reason": "x"}',
    b'{"strategy": {}, "reason": "\\ud800"}',
    b'{"strategy": {"max_positions": NaN}, "reason": "x"}',
    b'{"strategy": {"max_positions": 1e999}, "reason": "x"}',
    b'{"strategy": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b', "reason": "x"}',
    b"[" * 100_000,
    b"1" * 5_000,
    b"\xff\xfe",
    b"null",
    b"",
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
async def test_no_body_is_a_fault_of_ours(body: bytes) -> None:
    gateway = Gateway()
    for path in ("/strategies/custom", "/strategies/validate", "/decisions/generate", "/accounts", "/control", "/keys"):
        answer = await gateway.call(
            "POST", f"/api/v1{path}", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code < 500, (path, answer.text)


async def test_a_body_is_not_read_for_a_key_that_is_not_good() -> None:
    read = False

    async def body() -> object:
        nonlocal read
        read = True
        yield b"{}"

    answer = await Gateway().call("POST", "/api/v1/control", key="perp_wrong", content=body())
    assert (answer.status_code, read) == (401, False)


async def test_wrong_keys_are_braked_and_right_ones_are_not() -> None:
    gateway = Gateway()
    answers = [(await gateway.call("GET", HISTORY, key="perp_wrong")).status_code for _ in range(WRONG_KEYS + 1)]
    assert answers == [401] * WRONG_KEYS + [429]
    assert (await gateway.call("GET", HISTORY)).status_code == 200
    gateway.clock.advance(60)
    assert (await gateway.call("GET", HISTORY, key="perp_wrong")).status_code == 401


async def test_a_key_has_a_rate_and_a_control_is_never_refused_for_it() -> None:
    gateway = Gateway(rates=Rates(of_key=2))
    gateway.accounts.states = {name: state(name, trading_state="halted") for name in ("alpha", "beta")}
    answers = [await gateway.call("GET", HISTORY) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert 0 < int(answers[2].headers["retry-after"]) <= 60
    assert (await gateway.call("POST", "/api/v1/control", json=HALT)).status_code == 200
    assert (await gateway.call("GET", HISTORY, key="reader")).status_code == 200


async def test_out_of_touch_only_what_reduces_risk_is_done() -> None:
    gateway = Gateway()
    gateway.accounts.states = {name: state(name, trading_state="halted") for name in ("alpha", "beta")}
    gateway.keys.follows = False
    for method, path, body in (
        ("GET", HISTORY, None),
        ("POST", "/api/v1/control", HALT | {"state": "active"}),
        ("POST", "/api/v1/accounts/alpha/control", HALT | {"state": "active"}),
        ("POST", "/api/v1/decisions/generate", {"account_id": "alpha"}),
    ):
        answer = await gateway.call(method, path, json=body)
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (503, "keys-out-of-touch")
    assert gateway.log.published == []
    for wanted in ("halted", "reducing", "flatten"):
        answer = await gateway.call("POST", "/api/v1/control", json=HALT | {"state": wanted})
        assert answer.status_code in (200, 202)


async def test_a_control_that_may_have_been_stored_is_not_told_as_failed() -> None:
    gateway = Gateway()
    gateway.log.away = gateway.log.unsure = True
    answer = await gateway.call("POST", "/api/v1/control", json=HALT)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (503, "may-still-happen")
    gateway.log.unsure = False
    answer = await gateway.call("POST", "/api/v1/control", json=HALT)
    assert (answer.status_code, "nothing was done" in answer.json()["detail"]) == (503, True)


async def test_a_key_is_made_once_shown_once_and_ended_at_once() -> None:
    gateway, headers = Gateway(), {"Idempotency-Key": "k"}
    wanted = {"name": "mine", "scopes": ["read"], "accounts": ["beta"]}
    made = (await gateway.call("POST", KEYS, json=wanted, headers=headers)).json()
    again = (await gateway.call("POST", KEYS, json=wanted, headers=headers)).json()
    assert (again["token"], again["key_id"]) == (None, made["key_id"])
    assert made["token"] not in str(gateway.claims.claims)
    assert (await gateway.call("GET", "/api/v1/accounts/beta", key=made["token"])).status_code == 200
    assert (await gateway.call("GET", "/api/v1/accounts/alpha", key=made["token"])).status_code == 404
    assert made["token"] not in (await gateway.call("GET", KEYS)).text
    assert (await gateway.call("DELETE", f"{KEYS}/{made['key_id']}")).status_code == 204
    answer = await gateway.call("GET", "/api/v1/accounts/beta", key=made["token"])
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (401, "key-revoked")


async def test_no_key_makes_or_ends_one_that_opens_more_than_itself() -> None:
    gateway = Gateway()
    mine = {"name": "beta's admin", "scopes": ["admin"], "accounts": ["beta"]}
    token = (await gateway.call("POST", KEYS, json=mine)).json()["token"]
    for accounts, status in ((None, 403), (["alpha"], 403), (["alpha", "beta"], 403), (["beta"], 201)):
        wanted = {"name": "x", "scopes": ["read"], "accounts": accounts}
        assert (await gateway.call("POST", KEYS, key=token, json=wanted)).status_code == status
    listed = (await gateway.call("GET", KEYS, key=token)).json()["items"]
    assert {tuple(one["accounts"]) for one in listed} == {("beta",)}
    admin = next(key for key in gateway.keys.by_hash.values() if key.name == "admin")
    assert (await gateway.call("DELETE", f"{KEYS}/{admin.key_id}", key=token)).status_code == 404
    assert (await gateway.call("GET", KEYS, key=TOKENS["admin"])).status_code == 200
    over = {"name": "x", "scopes": ["read"], "expires_at": (T0 - timedelta(days=1)).isoformat()}
    assert (await gateway.call("POST", KEYS, json=over)).status_code == 422


@given(st.lists(st.sampled_from("ab"), max_size=40), st.integers(1, 10))
def test_of_each_name_a_window_grants_its_limit(names: list[str], limit: int) -> None:
    windows = Windows()
    granted = [name for name in names if windows.take(name, limit, 30.0).granted]
    for name in "ab":
        assert granted.count(name) == min(limit, names.count(name))
    assert windows.take("a", limit, 60.0).granted


@given(st.text(max_size=400))
def test_any_text_as_a_cursor_is_a_place_or_none(text: str) -> None:
    place = decode(text)
    assert place is None or place.id.encode()


async def test_what_is_made_is_described_as_what_it_is() -> None:
    schema = (await Gateway().call("GET", "/api/v1/openapi.json", key=None)).json()
    parts = schema["components"]["schemas"]
    assert parts["NewAccountBody"]["properties"]["account"]["$ref"].rpartition("/")[2].startswith("Account")
    assert parts["NewStrategyBody"]["properties"]["strategy"]["$ref"].rpartition("/")[2].startswith("TradingStrategy")
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    said = parameter["schema"]
                    assert "pattern" in said or {"minimum", "exclusiveMaximum"} <= said.keys(), (path, parameter)


class Impatient(Edge):
    part_s = 0.1


async def test_a_body_that_stands_still_is_given_up() -> None:
    gateway = Gateway()
    metrics = GatewayMetrics(CollectorRegistry())
    whole = http_app(gateway.deps, metrics)
    assert isinstance(whole, Edge)
    app = Impatient(whole._app, gateway.deps, metrics, BASE)
    answers: list[Any] = []

    async def receive() -> Any:
        if not answers and not began:
            began.append(True)
            return {"type": "http.request", "body": b'{"sta', "more_body": True}
        return await asyncio.Event().wait()

    async def send(message: Any) -> None:
        answers.append(message)

    began: list[bool] = []
    headers = [
        (b"host", b"a"),
        (b"content-type", b"application/json"),
        (b"authorization", f"Bearer {TOKENS['admin']}".encode()),
    ]
    scope = {"type": "http", "method": "POST", "path": f"{BASE}/control", "headers": headers, "query_string": b""}
    async with asyncio.timeout(30):
        await app(scope, receive, send)
    assert answers[0]["status"] == 408
