"""Every route, from the application's own list: who may call it, and which ids it takes. A new one is in the table."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry

from libs.records.keys import Scope, new_key, token_of
from services.gateway.handlers.http import routers_of
from services.gateway.metrics import GatewayMetrics
from tests.fakes.gateway_ports import Gateway
from tests.fakes.ledger_chain import T0
from tests.fakes.validator_values import BY_TEST, state, strategy

TOKENS = {name: token_of(name.encode().ljust(32, b"-")) for name in (*Scope, "revoked", "expired", "none")}
GOOD = {
    "account_id": "alpha",
    "strategy_id": "steady",
    "decision_id": f"dec-{'0' * 32}",
    "alert_id": "alert-1",
    "key_id": "key-0123456789abcdef",
    "symbol": "BTCUSDT",
    "order_id": "a" * 32,
    "name": "first",
    "number": "1",
    "model_id:path": "builtin/trend",
}
SCOPES: dict[tuple[str, str], Scope] = {
    ("POST", "/decisions/validate"): Scope.READ,
    ("POST", "/decisions/generate"): Scope.DECIDE,
    ("GET", "/decisions/history"): Scope.READ,
    ("GET", "/decisions/{decision_id}"): Scope.READ,
    ("POST", "/decisions/batch"): Scope.DECIDE,
    ("GET", "/decisions/metrics"): Scope.READ,
    ("GET", "/decisions/accuracy"): Scope.READ,
    ("GET", "/decisions/calibration"): Scope.READ,
    ("GET", "/models"): Scope.READ,
    ("GET", "/models/health"): Scope.READ,
    ("POST", "/models/validate-auth"): Scope.TRADE,
    ("POST", "/models/switch"): Scope.TRADE,
    ("POST", "/decisions/models/switch"): Scope.TRADE,
    ("GET", "/models/{model_id:path}/performance"): Scope.READ,
    ("GET", "/experiments"): Scope.READ,
    ("POST", "/experiments"): Scope.TRADE,
    ("GET", "/experiments/{name}"): Scope.READ,
    ("GET", "/experiments/{name}/results"): Scope.READ,
    ("POST", "/experiments/{name}/stop"): Scope.TRADE,
    ("POST", "/market/ticks"): Scope.PUBLISH,
    ("GET", "/market/{symbol}"): Scope.READ,
    ("GET", "/market/{symbol}/rules"): Scope.READ,
    ("GET", "/market/{symbol}/candles"): Scope.READ,
    ("GET", "/export/decisions"): Scope.READ,
    ("GET", "/export/trades"): Scope.READ,
    ("GET", "/monitoring/services"): Scope.READ,
    ("GET", "/monitoring/lag"): Scope.READ,
    ("GET", "/monitoring/cache"): Scope.READ,
    ("GET", "/monitoring/stores"): Scope.READ,
    ("GET", "/monitoring/versions"): Scope.READ,
    ("GET", "/monitoring/summary"): Scope.READ,
    ("GET", "/accounts"): Scope.READ,
    ("POST", "/accounts"): Scope.TRADE,
    ("GET", "/accounts/{account_id}"): Scope.READ,
    ("PATCH", "/accounts/{account_id}"): Scope.TRADE,
    ("DELETE", "/accounts/{account_id}"): Scope.TRADE,
    ("GET", "/accounts/{account_id}/positions"): Scope.READ,
    ("GET", "/accounts/{account_id}/trades"): Scope.READ,
    ("GET", "/accounts/{account_id}/changes"): Scope.READ,
    ("GET", "/accounts/{account_id}/state"): Scope.READ,
    ("GET", "/accounts/{account_id}/equity"): Scope.READ,
    ("GET", "/accounts/{account_id}/orders"): Scope.READ,
    ("GET", "/accounts/{account_id}/performance"): Scope.READ,
    ("POST", "/accounts/{account_id}/control"): Scope.TRADE,
    ("POST", "/control"): Scope.TRADE,
    ("POST", "/accounts/{account_id}/positions/{symbol}/close"): Scope.TRADE,
    ("POST", "/accounts/{account_id}/positions/{symbol}/stop"): Scope.TRADE,
    ("POST", "/accounts/{account_id}/positions/{symbol}/target"): Scope.TRADE,
    ("POST", "/accounts/{account_id}/orders/{order_id}/cancel"): Scope.TRADE,
    ("GET", "/strategies/{strategy_id}/performance"): Scope.READ,
    ("POST", "/strategies/compare"): Scope.READ,
    ("GET", "/strategies/recommendations/{account_id}"): Scope.READ,
    ("GET", "/strategies/alerts"): Scope.READ,
    ("POST", "/alerts/{alert_id}/acknowledge"): Scope.TRADE,
    ("GET", "/audit"): Scope.READ,
    ("GET", "/strategies/account/{account_id}"): Scope.READ,
    ("POST", "/strategies/account/{account_id}/switch"): Scope.TRADE,
    ("GET", "/strategies/available"): Scope.READ,
    ("POST", "/strategies/validate"): Scope.READ,
    ("GET", "/strategies/{strategy_id}"): Scope.READ,
    ("GET", "/strategies/{strategy_id}/versions"): Scope.READ,
    ("GET", "/strategies/{strategy_id}/changes"): Scope.READ,
    ("POST", "/strategies/{strategy_id}/preview"): Scope.READ,
    ("POST", "/strategies/custom"): Scope.TRADE,
    ("PUT", "/strategies/{strategy_id}"): Scope.TRADE,
    ("DELETE", "/strategies/{strategy_id}"): Scope.TRADE,
    ("POST", "/keys"): Scope.ADMIN,
    ("GET", "/keys"): Scope.ADMIN,
    ("DELETE", "/keys/{key_id}"): Scope.ADMIN,
    ("GET", "/dead-letters"): Scope.ADMIN,
    ("GET", "/dead-letters/{number}"): Scope.ADMIN,
    ("POST", "/dead-letters/{number}/replay"): Scope.ADMIN,
    ("GET", "/sign-in"): Scope.READ,
    ("POST", "/sign-in"): Scope.READ,
    ("DELETE", "/sign-in"): Scope.READ,
    ("POST", "/sign-in/tickets"): Scope.READ,
    ("POST", "/stream/tickets"): Scope.READ,
    ("GET", "/stream"): Scope.READ,
}
BASE = "/api/v1"


def routes() -> Iterator[tuple[str, str]]:
    gateway = Gateway()
    for router in routers_of(gateway.deps, GatewayMetrics(CollectorRegistry())):
        for route in router.routes:
            assert isinstance(route, APIRoute)
            yield from ((method, route.path) for method in sorted(route.methods or ()))


EVERY_ROUTE = list(routes())
LASTING = f"{BASE}/stream"  # its answer has no end: whom it opens for is in tests/integration/test_stream_access.py
ROUTES = [(method, path) for method, path in EVERY_ROUTE if path != LASTING]
OF_AN_ACCOUNT = [(method, path) for method, path in ROUTES if "{account_id}" in path]


def made() -> Gateway:
    gateway = Gateway()
    for scope in Scope:
        add(gateway, scope, [scope])
    add(gateway, "none", [])
    add(gateway, "expired", list(Scope), expires_at=T0)
    add(gateway, "revoked", list(Scope), revoked_at=T0)
    gateway.accounts.states = {name: state(name) for name in ("alpha", "beta")}
    gateway.store.put_now("strategy.steady", strategy(strategy_id="steady").model_dump_json().encode(), BY_TEST)
    return gateway


def add(gateway: Gateway, name: str, scopes: list[Scope], **ended: Any) -> None:
    key = replace(new_key(TOKENS[name], name, scopes, T0), **ended)
    gateway.keys.by_hash[key.hash] = key


async def asked(gateway: Gateway, method: str, path: str, key: str | None, **ids: str) -> httpx.Response:
    """With a body that is none of the route's: who may not call never learns that."""
    path = _filled(path, **ids)
    token = TOKENS.get(key, key) if key else None
    content = {"content": json.dumps({}).encode(), "headers": {"content-type": "application/json"}}
    return await gateway.call(method, path, key=token, **(content if method in ("POST", "PUT", "PATCH") else {}))


def _filled(path: str, **ids: str) -> str:
    for name, value in (GOOD | ids).items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    assert "{" not in path, "a new kind of id: give a good one in GOOD"
    return path


def test_every_route_has_a_row() -> None:
    assert {(method, path.removeprefix(BASE)) for method, path in EVERY_ROUTE} == set(SCOPES)


@pytest.mark.parametrize(
    ("key", "problem"),
    [(None, "key-missing"), ("perp_wrong", "key-unknown"), ("revoked", "key-revoked"), ("expired", "key-expired")],
)
async def test_no_route_opens_without_a_key_that_is_good(key: str | None, problem: str) -> None:
    gateway = made()
    for n, (method, path) in enumerate(EVERY_ROUTE):
        gateway.clock.elapsed = n * 60.0  # past the brake on wrong keys
        answer = await asked(gateway, method, path, key)
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (401, problem), (method, path)


async def test_each_scope_opens_what_it_names_and_nothing_else() -> None:
    gateway = made()
    for method, path in ROUTES:
        wanted = SCOPES[method, path.removeprefix(BASE)]
        for key in (*Scope, "none"):
            answer = await asked(gateway, method, path, key)
            assert answer.status_code < 500, answer.text
            opened = answer.status_code not in (401, 403)
            assert opened is (key in (wanted, Scope.ADMIN)), (method, path, key, answer.text)


async def test_another_account_is_not_there() -> None:
    gateway = made()
    for method, path in OF_AN_ACCOUNT:
        for account_id in ("alpha", "nobody"):
            answer = await gateway.call(
                method,
                _filled(path, account_id=account_id),
                key=SCOPED[SCOPES[method, path.removeprefix(BASE)]],
                **BODIES.get((method, path.removeprefix(BASE)), {}),
            )
            assert (answer.status_code, answer.json()["type"]) == (404, "urn:perpetua:problem:not-found"), (
                path,
                answer.text,
            )


SCOPED = {Scope.READ: "beta", Scope.TRADE: "trader"}  # both for the account beta alone
REASON = {"reason": "a test"}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("PATCH", "/accounts/{account_id}"): {"json": {"account": {"rate_limit": 3}} | REASON},
    ("POST", "/accounts/{account_id}/control"): {"json": {"state": "halted"} | REASON},
    ("POST", "/accounts/{account_id}/positions/{symbol}/close"): {"json": REASON},
    ("POST", "/accounts/{account_id}/positions/{symbol}/stop"): {"json": {"price": "1"} | REASON},
    ("POST", "/accounts/{account_id}/positions/{symbol}/target"): {"json": {"price": "1"} | REASON},
    ("POST", "/accounts/{account_id}/orders/{order_id}/cancel"): {"json": REASON},
    ("DELETE", "/accounts/{account_id}"): {"params": REASON},
    ("POST", "/strategies/account/{account_id}/switch"): {"json": {"strategy_id": "steady"}},
}
IDS = {
    "a dot": "a.b",
    "a star": "*",
    "greater than": ">",
    "a space": "a b",
    "300 characters": "x" * 300,
    "another version": "steady.1",
    "a slash": "a/b",
    "a line": "a\n",
    "a zero": "a\0",
    "a percent sign": "%2e",
}


LOOSE = {  # names of what never becomes a subject or a key
    "decision_id": ("a dot", "another version"),
    "alert_id": ("a dot", "another version"),
    "model_id:path": ("a dot", "another version", "a slash"),
}


@pytest.mark.parametrize("case", IDS)
async def test_an_id_that_is_none_is_refused_before_it_is_used(case: str) -> None:
    gateway = made()
    before = len(gateway.store.writes), len(gateway.log.published)
    for method, path in ROUTES:
        for name in [name for name in GOOD if f"{{{name}}}" in path]:
            answer = await asked(gateway, method, path, "admin", **{name: IDS[case]})
            loose = case in LOOSE.get(name, ())
            assert answer.status_code in ({404} if loose else {404, 405, 422}), (method, path, answer.text)
            if not loose and case not in ("a slash", "a line"):
                assert answer.status_code == 422, (method, path, answer.text)
    assert (len(gateway.store.writes), len(gateway.log.published)) == before


@pytest.mark.parametrize("word", ["all", "global", "available", "account", "custom", "alerts"])
async def test_a_word_of_ours_is_no_account(word: str) -> None:
    gateway = made()
    gateway.accounts.known[word] = gateway.accounts.known["alpha"].model_copy(update={"account_id": word})
    for method, path in OF_AN_ACCOUNT:
        sent = BODIES.get((method, path.removeprefix(BASE)), {})
        answer = await gateway.call(method, _filled(path, account_id=word), **sent)
        assert answer.status_code in (404, 405), (method, path, answer.text)
    assert gateway.log.published == []
