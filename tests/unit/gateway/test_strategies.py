"""Strategies and accounts through the API: versions, refusals, and who may change what."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from libs.configuration.configuration import parsed
from libs.schemas.account import Account, AccountState
from libs.schemas.names import key_of
from libs.schemas.strategy import TradingStrategy
from libs.schemas.subjects import account_key, strategy_key, venue_key
from libs.schemas.venue import VenueSymbol
from tests.builders import venue
from tests.fakes.config_store import FakeConfigStore
from tests.fakes.gateway_ports import Gateway, account
from tests.fakes.typos import Typo
from tests.fakes.validator_values import BY_TEST, strategy

BASE = "/api/v1"
STRATEGIES = f"{BASE}/strategies"
NEW = strategy(strategy_id="own", version=1).model_dump(mode="json")


class Mirrored:
    """What a mirror of the store shows."""

    def __init__(self, store: FakeConfigStore) -> None:
        self._store = store

    def _read(self, kind: Any, key: str) -> Any:
        last = next((one for one in reversed(self._store.writes) if one.key == key), None)
        found = parsed(kind, last.value) if last and last.value else None
        return found if isinstance(found, kind) else None

    def _keys(self, prefix: str) -> list[str]:
        return sorted({one.key for one in self._store.writes if one.key.startswith(prefix) and one.key.count(".") == 1})

    def account(self, account_id: str) -> Account | None:
        found: Account | None = self._read(Account, account_key(key_of(account_id)))
        return found

    def accounts(self) -> list[Account]:
        return [one for key in self._keys("account.") if (one := self._read(Account, key)) is not None]

    def state(self, account_id: str) -> AccountState | None:
        return None

    def strategy(self, strategy_id: str) -> TradingStrategy | None:
        found: TradingStrategy | None = self._read(TradingStrategy, strategy_key(key_of(strategy_id)))
        return found

    def strategies(self) -> list[TradingStrategy]:
        return [one for key in self._keys("strategy.") if (one := self._read(TradingStrategy, key)) is not None]

    def models(self) -> None:
        """Nothing was switched."""

    def venue_symbol(self, name: str, symbol: str) -> VenueSymbol | None:
        found: VenueSymbol | None = self._read(VenueSymbol, venue_key(name, symbol))
        return found


@pytest.fixture
async def gateway() -> Gateway:
    """Accounts alpha and beta with the strategy `trend`; `other` is nobody's."""
    store = FakeConfigStore()
    made = Gateway(store=store, accounts=Mirrored(store))
    store.put_now(venue_key("paper", "BTCUSDT"), venue().model_dump_json().encode(), BY_TEST)
    for name in ("trend", "other"):
        body = {"strategy": NEW | {"strategy_id": name}, "reason": "a test"}
        assert (await made.call("POST", f"{STRATEGIES}/custom", json=body)).status_code == 201
    for name in ("alpha", "beta"):
        fields = account(name).model_copy(update={"strategy_id": "trend", "leverage": Decimal(5)})
        body = {"account": fields.model_dump(mode="json"), "reason": "a test"}
        assert (await made.call("POST", f"{BASE}/accounts", json=body)).status_code == 201
    return made


async def change(gateway: Gateway, name: str = "trend", key: str = "admin", **request: Any) -> httpx.Response:
    body = {"strategy": request.pop("fields", {"max_positions": 5}), "reason": "more room"}
    return await gateway.call("PUT", f"{STRATEGIES}/{name}", key=key, json=body, **request)


async def test_a_change_is_a_new_version_and_the_old_one_stays_readable(gateway: Gateway) -> None:
    changed = await change(gateway)
    assert (changed.status_code, changed.headers["etag"], changed.json()["version"]) == (200, '"2"', 2)
    versions = (await gateway.call("GET", f"{STRATEGIES}/trend/versions")).json()["items"]
    assert [(one["version"], one["max_positions"]) for one in versions] == [(2, 5), (1, 3)]
    first = await gateway.call("GET", f"{STRATEGIES}/trend?version=1")
    assert (first.json()["max_positions"], first.headers["etag"]) == (3, '"1"')
    last = (await gateway.store.history(strategy_key(key_of("trend"))))[-1]
    assert last.by.who.startswith("admin (key-")
    assert last.by.why == "more room"


async def test_another_version_is_the_headers_fault(gateway: Gateway) -> None:
    (error,) = (await change(gateway, headers={"If-Match": '"7"'})).json()["errors"]
    assert (error["field"], error["code"]) == ("header.If-Match", "version")


@pytest.mark.parametrize(("if_match", "status"), [('"1"', 200), ('W/"1"', 200), ("1", 200), ("*", 200), ('"2"', 412)])
async def test_if_match_names_the_version_that_is_changed(gateway: Gateway, if_match: str, status: int) -> None:
    assert (await change(gateway, headers={"If-Match": if_match})).status_code == status


REFUSALS: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "an unknown strategy": ("PUT", "/strategies/none", {"strategy": {}, "reason": "x"}, 404, "not-found"),
    "no reason": ("PUT", "/strategies/trend", {"strategy": {}, "reason": " "}, 422, "invalid-request"),
    "a field that is not there": (
        "PUT",
        "/strategies/trend",
        {"strategy": {"max_postions": 2}, "reason": "x"},
        422,
        "config-invalid",
    ),
    "a template that fails": (
        "PUT",
        "/strategies/trend",
        {"strategy": {"prompt_template": "{{ x }}"}, "reason": "x"},
        422,
        "config-template",
    ),
    "an id that is taken": (
        "POST",
        "/strategies/custom",
        {"strategy": NEW | {"strategy_id": "trend"}, "reason": "x"},
        409,
        "config-exists",
    ),
    "a strategy in use": ("DELETE", "/strategies/trend?reason=x", {}, 409, "config-in-use"),
    "an unknown one to switch to": (
        "POST",
        "/strategies/account/beta/switch",
        {"strategy_id": "none", "reason": "x"},
        404,
        "not-found",
    ),
    "a balance that is fixed": (
        "PATCH",
        "/accounts/beta",
        {"account": {"initial_balance": 1}, "reason": "x"},
        422,
        "config-invalid",
    ),
    "symbols of no venue": (
        "PATCH",
        "/accounts/beta",
        {"account": {"symbols": ["DOGEUSDT"]}, "reason": "x"},
        409,
        "config-unfit",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_refusals_are_problems_and_write_nothing(gateway: Gateway, case: str) -> None:
    method, path, body, status, slug = REFUSALS[case]
    before = len(gateway.store.writes)
    given: dict[str, Any] = {"json": body} if body else {}
    answer = await gateway.call(method, BASE + path, **given)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (status, slug), answer.text
    assert len(gateway.store.writes) == before


async def test_a_key_changes_only_what_is_its_own(gateway: Gateway) -> None:
    assert (await change(gateway, key="reader")).status_code == 403
    refused = await change(gateway, key="trader")
    assert (refused.status_code, "does not see" in refused.json()["detail"]) == (409, True)
    assert (await change(gateway, "other", key="trader")).status_code == 404
    patch = {"account": {"rate_limit": 7}, "reason": "x"}
    assert (await gateway.call("PATCH", f"{BASE}/accounts/beta", key="trader", json=patch)).status_code == 200
    assert (await gateway.call("PATCH", f"{BASE}/accounts/alpha", key="trader", json=patch)).status_code == 404
    switch = {"strategy_id": "other", "reason": "x"}
    assert (
        await gateway.call("POST", f"{STRATEGIES}/account/alpha/switch", key="trader", json=switch)
    ).status_code == 404
    assert (
        await gateway.call("POST", f"{STRATEGIES}/account/beta/switch", key="trader", json=switch)
    ).status_code == 404
    listed = (await gateway.call("GET", f"{STRATEGIES}/available", key="trader")).json()["items"]
    assert {one["strategy_id"]: one["accounts"] for one in listed} == {"trend": ["beta"], "other": []}


async def test_the_text_of_a_strategy_is_for_those_who_have_it_or_made_it(gateway: Gateway) -> None:
    body = {"strategy": NEW | {"strategy_id": "mine"}, "reason": "an idea"}
    assert (await gateway.call("POST", f"{STRATEGIES}/custom", key="trader", json=body)).status_code == 201
    for name, status in (("mine", 200), ("trend", 200), ("other", 404)):
        for path in (name, f"{name}/versions", f"{name}?version=1"):
            assert (await gateway.call("GET", f"{STRATEGIES}/{path}", key="trader")).status_code == status, path
        shown = await gateway.call("POST", f"{STRATEGIES}/{name}/preview", key="trader", json={})
        assert shown.status_code == status
    assert (await change(gateway, "mine", key="trader")).status_code == 200
    assert (await gateway.call("DELETE", f"{STRATEGIES}/other?reason=x", key="trader")).status_code == 404
    assert (await gateway.call("DELETE", f"{STRATEGIES}/mine?reason=x", key="trader")).status_code == 204


async def test_another_version_is_no_name_and_rewrites_nothing(gateway: Gateway) -> None:
    before = len(gateway.store.writes)
    for name in ("trend.1", "*", ">", "trend.*", "a b", "x" * 33, "x" * 300):
        for key in ("admin", "trader"):
            assert (await change(gateway, name, key=key)).status_code == 422, name
    assert len(gateway.store.writes) == before


@pytest.mark.parametrize("word", ["all", "global", "available", "alerts", "account", "custom", "ALL"])
async def test_words_of_ours_are_no_names(gateway: Gateway, word: str) -> None:
    made = {"strategy": NEW | {"strategy_id": word}, "reason": "x"}
    answer = await gateway.call("POST", f"{STRATEGIES}/custom", json=made)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.strategy.strategy_id")
    fields = account(word).model_copy(update={"strategy_id": "trend"}).model_dump(mode="json")
    answer = await gateway.call("POST", f"{BASE}/accounts", json={"account": fields, "reason": "x"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.account.account_id")


async def test_an_account_of_earlier_times_called_all_is_not_controlled_by_its_name(gateway: Gateway) -> None:
    legacy = account("beta").model_copy(update={"account_id": "all"})
    gateway.store.put_now("account.all", legacy.model_dump_json().encode(), BY_TEST)
    halt = {"state": "halted", "reason": "x"}
    assert (await gateway.call("POST", f"{BASE}/accounts/all/control", json=halt)).status_code == 404
    assert gateway.log.published == []
    listed = (await gateway.call("GET", f"{BASE}/accounts")).json()["items"]
    assert "all" in {one["account_id"] for one in listed}


async def test_a_repetition_of_what_was_made_is_answered_as_the_first_time(gateway: Gateway) -> None:
    headers = {"Idempotency-Key": "k1"}
    body = {"strategy": NEW | {"strategy_id": "mine"}, "reason": "an idea"}
    answers = [await gateway.call("POST", f"{STRATEGIES}/custom", json=body, headers=headers) for _ in range(2)]
    assert [(one.status_code, one.headers["etag"]) for one in answers] == [(201, '"1"')] * 2
    assert answers[0].json() == answers[1].json()
    switch = {"strategy_id": "other"}
    for _ in range(2):
        made = await gateway.call(
            "POST", f"{STRATEGIES}/account/beta/switch", json=switch, headers={"Idempotency-Key": "k2"}
        )
        assert (made.status_code, made.headers["etag"]) == (200, '"2"'), made.text
    (last,) = (await gateway.store.history(account_key(key_of("beta"))))[-1:]
    assert "asked for by the key admin" in last.by.why
    other = await gateway.call("POST", f"{STRATEGIES}/custom", json=body | {"reason": "y"}, headers=headers)
    assert other.json()["type"] == "urn:perpetua:problem:idempotency-key-reused"


async def test_a_switch_is_answered_with_remarks_and_has_a_history(gateway: Gateway) -> None:
    body = {"strategy_id": "other", "reason": "calmer"}
    await gateway.call("PATCH", f"{BASE}/accounts/beta", json={"account": {"leverage": 2}, "reason": "less"})
    made = await gateway.call("POST", f"{STRATEGIES}/account/beta/switch", json=body)
    assert (made.json()["account"]["strategy_id"], made.headers["etag"]) == ("other", '"3"')
    assert "the account's leverage of 2 applies" in made.json()["warnings"][0]
    found = (await gateway.call("GET", f"{STRATEGIES}/account/beta")).json()
    assert [(one["strategy_id"], one["why"], one["account_version"]) for one in found["history"]] == [
        ("other", "calmer", 3),
        ("trend", "a test", 1),
    ]


async def test_a_deleted_strategy_leaves_its_versions(gateway: Gateway) -> None:
    assert (await gateway.call("DELETE", f"{STRATEGIES}/other?reason=done")).status_code == 204
    assert (await gateway.call("GET", f"{STRATEGIES}/other")).status_code == 404
    assert len((await gateway.call("GET", f"{STRATEGIES}/other/versions")).json()["items"]) == 1


async def test_a_strategy_is_tried_before_it_is_stored(gateway: Gateway) -> None:
    good = (await gateway.call("POST", f"{STRATEGIES}/validate", json=NEW)).json()
    assert good == {"valid": True, "errors": []}
    wrong = NEW | {"strategy_type": "swing", "prompt_template": "{{ x }}"}
    bad = (await gateway.call("POST", f"{STRATEGIES}/validate", json=wrong)).json()
    assert [one["field"] for one in bad["errors"]] == ["timeframe_preference", "prompt_template"]
    template = {"strategy": NEW | {"prompt_template": "for {{ account.account_id }}"}, "account_id": "beta"}
    shown = (await gateway.call("POST", f"{STRATEGIES}/own/preview", json=template)).json()
    assert (shown["text"], shown["characters"], shown["estimated_tokens"], shown["context_id"]) == (
        "for beta",
        8,
        2,
        "sample",
    )


def mistake(typo: Typo, place: str = "") -> dict[str, str]:
    said = typo.said.removeprefix(f"{typo.path}: ")
    return {"field": f"{place}{typo.path}", "message": said, "code": "unknown_field"}


WRAPPED: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "an account": ("POST", "/accounts", {"acount": {}, "reason": "x"}, "acount: {}; did you mean account?"),
    "a strategy": (
        "POST",
        "/strategies/custom",
        {"strategy": NEW, "reason": "x", "reasn": ""},
        "reasn: {}; did you mean reason?",
    ),
    "a switch": (
        "POST",
        "/strategies/account/beta/switch",
        {"stratgy_id": "x", "reason": "x"},
        "stratgy_id: {}; did you mean strategy_id?",
    ),
    "a preview": ("POST", "/strategies/own/preview", {"acount_id": "beta"}, "acount_id: {}; did you mean account_id?"),
}
