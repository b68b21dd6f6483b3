"""Every error has one shape."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.gateway_ports import TOKENS, Gateway

GENERATE = "/api/v1/decisions/generate"
HISTORY = "/api/v1/decisions/history"


def assert_problem(response: httpx.Response, status: int, slug: str) -> dict[str, object]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, object] = response.json()
    assert set(body) == {"type", "title", "status", "detail", "instance", "request_id", "errors"}
    assert body["type"] == f"urn:perpetua:problem:{slug}"
    assert body["status"] == status
    assert body["instance"] == response.request.url.path
    assert body["request_id"] == response.headers["x-request-id"]
    return body


@pytest.mark.parametrize(
    ("key", "slug"),
    [(None, "key-missing"), ("perp_nobody", "key-unknown"), ("old", "key-expired")],
)
async def test_a_key_that_is_not_good_gives_401(key: str | None, slug: str) -> None:
    response = await Gateway().call("GET", HISTORY, key=key)
    assert_problem(response, 401, slug)
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_another_kind_of_authorization_is_no_key() -> None:
    headers = {"Authorization": f"Basic {TOKENS['admin']}"}
    assert_problem(await Gateway().call("GET", HISTORY, key=None, headers=headers), 401, "key-missing")


async def test_a_key_without_the_scope_gives_403() -> None:
    response = await Gateway().call("POST", GENERATE, key="reader", json={"account_id": "alpha"})
    assert "decide" in str(assert_problem(response, 403, "scope-missing")["detail"])


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nowhere", 404, "no-such-path"),
        ("GET", "/api/v1/decisions/dec-unknown", 404, "not-found"),
        ("GET", "/api/v1/accounts/gamma", 404, "not-found"),
        ("GET", "/api/v1/accounts/alpha/state", 404, "not-found"),
        ("DELETE", HISTORY, 405, "method-not-allowed"),
        ("GET", f"{HISTORY}?limit=0", 422, "invalid-request"),
        ("GET", f"{HISTORY}?limit=501", 422, "invalid-request"),
        ("GET", f"{HISTORY}?cursor=nonsense", 422, "invalid-request"),
        ("GET", f"{HISTORY}?from=2026-11-20T12:00:00", 422, "invalid-request"),
        ("GET", f"{HISTORY}?status=nice", 422, "invalid-request"),
        ("GET", f"{HISTORY}?account_id=gamma", 404, "not-found"),
    ],
)
async def test_errors_of_reading(method: str, path: str, status: int, slug: str) -> None:
    assert_problem(await Gateway().call(method, path), status, slug)


async def test_a_body_that_is_not_said_to_be_json_is_refused_with_what_to_do() -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}  # what curl sends by -d alone
    response = await Gateway().call("POST", GENERATE, content=b'{"account_id": "alpha"}', headers=form)
    problem = assert_problem(response, 422, "invalid-request")
    assert "send JSON with Content-Type: application/json" in str(problem["detail"])


async def test_405_says_what_is_allowed() -> None:
    response = await Gateway().call("DELETE", HISTORY)
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "body.account_id"),
        ({"account_id": "alpha", "colour": "red"}, "body.colour"),
        ({"account_id": "alpha", "symbols": []}, "body.symbols"),
        ({"account_id": "alpha", "symbols": ["BTC/USD:BTC"]}, "body.symbols.0"),
        ({"account_id": "alpha", "timeout": 121}, "body.timeout"),
        ({"account_id": "alpha", "strategy_override": "nobody"}, "body.strategy_override"),
    ],
)
async def test_a_bad_wish_names_the_field(body: dict[str, object], field: str) -> None:
    problem = assert_problem(await Gateway().call("POST", GENERATE, json=body), 422, "invalid-request")
    errors = problem["errors"]
    assert isinstance(errors, list)
    assert errors[0]["field"] == field


async def test_a_body_that_is_not_json_gives_422() -> None:
    response = await Gateway().call("POST", GENERATE, content=b"{", headers={"content-type": "application/json"})
    assert_problem(response, 422, "invalid-request")


async def test_a_large_body_gives_413() -> None:
    body = json.dumps({"account_id": "alpha", "model": "x" * 1024 * 1024}).encode()
    assert_problem(await Gateway().call("POST", GENERATE, content=body), 413, "body-too-large")


async def test_a_large_body_in_chunks_gives_413() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    headers = {"content-type": "application/json"}
    assert_problem(await Gateway().call("POST", GENERATE, content=chunks(), headers=headers), 413, "body-too-large")


async def test_an_unknown_host_is_refused() -> None:
    gateway = Gateway(hosts=frozenset({"127.0.0.1", "[::1]"}))
    assert_problem(await gateway.call("GET", "/", headers={"Host": "evil.example:8080"}), 421, "unknown-host")
    for host in ("127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "[::1]"):
        assert (await gateway.call("GET", "/", headers={"Host": host})).status_code == 200


async def test_an_outage_names_the_server() -> None:
    gateway = Gateway()
    gateway.records.away = True
    response = await gateway.call("GET", HISTORY)
    assert "MongoDB" in str(assert_problem(response, 503, "dependency-away")["detail"])
    assert response.headers["retry-after"] == "2"
    gateway = Gateway()
    gateway.log.away = True
    response = await gateway.call("POST", GENERATE, json={"account_id": "alpha"})
    assert "NATS" in str(assert_problem(response, 503, "dependency-away")["detail"])


async def test_a_fault_of_ours_is_a_problem_too() -> None:
    gateway = Gateway()
    gateway.accounts.known = None
    assert_problem(await gateway.call("GET", "/api/v1/accounts"), 500, "internal")


@pytest.mark.parametrize(("given", "kept"), [("abc-1", True), ("a" * 129, False), ("ümlaut".encode(), False)])
async def test_a_request_id_is_kept_if_it_is_one(given: str | bytes, kept: bool) -> None:
    response = await Gateway().call("GET", "/", headers={"X-Request-Id": given})
    assert (response.headers["x-request-id"] == given) is kept


async def test_requests_are_counted_by_route_not_by_path() -> None:
    gateway = Gateway()
    await gateway.call("GET", "/api/v1/decisions/dec-1")
    await gateway.call("GET", "/api/v1/decisions/dec-2")
    labels = {"method": "GET", "route": "/api/v1/decisions/{decision_id}", "status": "404"}
    assert gateway.registry.get_sample_value("perpetua_gateway_requests_total", labels) == 2


async def test_the_description_of_the_api_knows_problem_documents() -> None:
    schema = (await Gateway().call("GET", "/api/v1/openapi.json", key=None)).json()
    assert schema["openapi"].startswith("3.1")
    answers = schema["paths"]["/api/v1/decisions/generate"]["post"]["responses"]
    assert set(answers) >= {"200", "202", "401", "403", "404", "422", "503"}
    assert list(answers["422"]["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    assert (await Gateway().call("GET", "/", key=None)).json()["docs"] == "/docs"
