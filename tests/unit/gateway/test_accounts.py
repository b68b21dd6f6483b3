"""Accounts over their whole life: made with little, changed, taken away; and experiments about them."""

from typing import Any

import pytest

from libs.schemas.names import key_of
from libs.schemas.subjects import account_key, strategy_key, venue_key
from services.gateway.domain.records import AuditEntry
from tests.builders import venue
from tests.fakes.gateway_ports import Gateway, account, record
from tests.fakes.ledger_chain import T0, Chain
from tests.fakes.validator_values import BY_TEST, long_position, state, strategy

BASE = "/api/v1"
WHY: dict[str, Any] = {"params": {"reason": "done with it"}}


@pytest.fixture
def gateway() -> Gateway:
    made = Gateway(symbols=("BTCUSDT",))
    made.store.put_now(venue_key("paper", "BTCUSDT"), venue().model_dump_json().encode(), BY_TEST)
    made.store.put_now(
        strategy_key(key_of("steady")), strategy(strategy_id="steady").model_dump_json().encode(), BY_TEST
    )
    for name in map(key_of, ("alpha", "beta")):
        made.store.put_now(account_key(name), account(name).model_dump_json().encode(), BY_TEST)
        made.accounts.states[name] = state(name)
    return made


def stopped(gateway: Gateway) -> None:
    body = account("beta").model_copy(update={"status": "stopped"})
    gateway.store.put_now(account_key(key_of("beta")), body.model_dump_json().encode(), BY_TEST)


async def test_an_account_is_called_by_a_number_and_has_the_symbols_of_assets(gateway: Gateway) -> None:
    fields: dict[str, Any] = account("x").model_dump(mode="json", exclude={"symbols", "version"})
    body = {"account": fields | {"account_id": 7}, "reason": "an older client"}
    answer = await gateway.call("POST", f"{BASE}/accounts", json=body)
    assert answer.status_code == 201, answer.text
    assert (answer.json()["account"]["account_id"], answer.json()["account"]["symbols"]) == ("7", ["BTCUSDT"])


async def test_an_account_that_trades_is_not_taken_away(gateway: Gateway) -> None:
    answer = await gateway.call("DELETE", f"{BASE}/accounts/beta", **WHY)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:perpetua:problem:config-in-use")
    stopped(gateway)
    gateway.accounts.states["beta"] = state("beta", positions=(long_position(),))
    answer = await gateway.call("DELETE", f"{BASE}/accounts/beta", **WHY)
    assert (answer.status_code, "1 positions and 0 orders" in answer.json()["detail"]) == (409, True)
    gateway.accounts.states["beta"] = state("beta")
    assert (await gateway.call("DELETE", f"{BASE}/accounts/beta", **WHY)).status_code == 204


async def test_the_history_of_an_account_outlives_it(gateway: Gateway) -> None:
    chain = Chain(account="beta", request_id="r1")
    gateway.records.decisions[chain.decision_id] = record(chain)
    del gateway.accounts.known["beta"]
    page = (await gateway.call("GET", f"{BASE}/decisions/history?account_id=beta", key="beta")).json()
    assert [item["decision_id"] for item in page["items"]] == [chain.decision_id]
    for path in ("orders", "trades", "equity", "changes"):
        assert (await gateway.call("GET", f"{BASE}/accounts/beta/{path}", key="beta")).status_code == 200
        assert (await gateway.call("GET", f"{BASE}/accounts/nobody/{path}")).status_code == 404
    assert (await gateway.call("GET", f"{BASE}/accounts/beta", key="beta")).status_code == 404


async def test_changes_are_of_one_account_and_the_trail_has_filters(gateway: Gateway) -> None:
    def entry(n: int, subject: str, who: str, kind: Any = "change") -> AuditEntry:
        return AuditEntry(event_id=str(n), kind=kind, who=who, what="x", subject=subject, why="y", at=T0)

    gateway.analytics.changes = [
        entry(1, "account.alpha", "anna"),
        entry(2, "account.beta", "anna"),
        entry(3, "beta", "bert", "control"),
        entry(4, "strategy.steady", "bert"),
    ]

    async def ids(path: str, key: str = "admin") -> list[str]:
        return [item["event_id"] for item in (await gateway.call("GET", f"{BASE}{path}", key=key)).json()["items"]]

    assert await ids("/accounts/beta/changes", "beta") == ["2", "3"]
    assert await ids("/strategies/steady/changes") == ["4"]
    assert await ids("/audit?who=anna") == ["1", "2"]
    assert await ids("/audit?kind=control") == ["3"]
    assert await ids("/audit?from=2026-11-21T00:00:00Z") == []
    assert await ids("/audit?who=anna", "beta") == ["2"]
    assert await ids("/audit?subject=account.alpha", "beta") == []


async def test_positions_are_those_of_the_last_state(gateway: Gateway) -> None:
    found = (await gateway.call("GET", f"{BASE}/accounts/beta/positions", key="beta")).json()
    assert found["items"] == []
    assert found["as_of"] == state("beta").as_of.isoformat().replace("+00:00", "Z")


ARMS = [{"name": "a", "params": {"temperature": 0.1}}]


async def test_an_experiment_is_begun_shown_and_ended(gateway: Gateway) -> None:
    body = {"experiment": {"name": "cool", "mode": "shadow", "arms": ARMS, "accounts": ["beta"]}, "reason": "curious"}
    made = await gateway.call("POST", f"{BASE}/experiments", json=body, key="trader")
    assert (made.status_code, made.json()["status"], made.headers["location"]) == (
        201,
        "running",
        "/api/v1/experiments/cool",
    )
    again = await gateway.call("POST", f"{BASE}/experiments", json=body, key="trader")
    assert again.status_code == 409
    assert [one["name"] for one in (await gateway.call("GET", f"{BASE}/experiments")).json()["items"]] == ["cool"]
    ended = await gateway.call("POST", f"{BASE}/experiments/cool/stop", json={"reason": "enough"}, key="trader")
    assert (ended.json()["status"], ended.json()["version"]) == ("stopped", 2)


async def test_an_experiment_about_other_accounts_is_not_there(gateway: Gateway) -> None:
    for accounts in (["alpha"], None):
        fields = {"name": "cool", "mode": "shadow", "arms": ARMS} | ({"accounts": accounts} if accounts else {})
        body = {"experiment": fields, "reason": "curious"}
        assert (await gateway.call("POST", f"{BASE}/experiments", json=body, key="trader")).status_code == 422
    assert (await gateway.call("POST", f"{BASE}/experiments", json=body)).status_code == 201
    assert (await gateway.call("GET", f"{BASE}/experiments/cool", key="beta")).status_code == 404
    assert (await gateway.call("GET", f"{BASE}/experiments", key="beta")).json() == {"items": []}
    stop = await gateway.call("POST", f"{BASE}/experiments/cool/stop", json={"reason": "x"}, key="trader")
    assert stop.status_code == 404
