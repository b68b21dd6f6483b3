"""Acts by hand through the API: who may, what is sent, and what the answer says of its effect or its refusal."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from libs.runtime.emit import Emit
from libs.schemas.account import ControlRequested
from libs.schemas.acts import ActOutcome, ActReason
from tests import builders
from tests.fakes.gateway_ports import Gateway
from tests.fakes.validator_values import state

BASE = "/api/v1"
HELD = builders.position("BTCUSDT", quantity=Decimal("0.5"))
ORDER = "a" * 32
CLOSE = f"{BASE}/accounts/beta/positions/BTCUSDT/close"
WHY = {"reason": "news"}


def sent(gateway: Gateway) -> list[ControlRequested]:
    return [emit.body for emit in gateway.log.published if isinstance(emit.body, ControlRequested)]


@pytest.fixture
def gateway() -> Gateway:
    """Accounts alpha and beta hold half a bitcoin; nobody does what is asked for."""
    made = Gateway()
    made.accounts.states = {name: state(name, positions=(HELD,)) for name in ("alpha", "beta")}
    made.log.heard = lambda _: None
    return made


def obeying(gateway: Gateway, **over: Any) -> None:
    """The account that is asked comes to this end, with the position gone."""

    def obey(emit: Emit) -> None:
        body = emit.body
        assert isinstance(body, ControlRequested)
        assert body.act is not None
        fields = {"control_id": body.control_id, "kind": body.act.kind, "result": "done", "message": "it is so"}
        outcome = ActOutcome(**{**fields, "at": body.requested_at, **over})
        held = (HELD,) if outcome.result == "refused" else ()
        gateway.accounts.states[body.scope] = state(body.scope, positions=held, acts=(outcome,))

    gateway.log.heard = obey


@pytest.mark.parametrize(
    ("path", "body", "act"),
    [
        ("positions/BTCUSDT/close", {}, {"kind": "close", "share": "1"}),
        ("positions/BTCUSDT/close", {"share": 0.25}, {"kind": "close", "share": "0.25"}),
        ("positions/BTCUSDT/stop", {"price": "61000.5"}, {"kind": "stop", "price": "61000.5"}),
        ("positions/BTCUSDT/target", {"price": 70000}, {"kind": "target", "price": "70000"}),
        (f"orders/{ORDER}/cancel", {}, {"kind": "cancel", "client_order_id": ORDER}),
    ],
)
async def test_an_act_names_what_who_and_why_and_is_answered_when_it_is_done(
    gateway: Gateway, path: str, body: dict[str, Any], act: dict[str, Any]
) -> None:
    obeying(gateway)
    answer = await gateway.call("POST", f"{BASE}/accounts/beta/{path}", key="trader", json=WHY | body)
    told = answer.json()
    assert (answer.status_code, told["result"], told["message"], told["position"]) == (200, "done", "it is so", None)
    (asked,) = sent(gateway)
    assert (asked.schema_version, asked.scope, asked.state, asked.reason) == (2, "beta", None, "news")
    assert asked.by.startswith("trader (key-")
    assert asked.act is not None
    assert act.items() <= asked.act.model_dump(mode="json").items()
    if act["kind"] != "cancel":
        assert asked.act.opened_at == HELD.opened_at, "of this position and no later one"  # type: ignore[union-attr]


async def test_a_client_may_say_which_position_it_means(gateway: Gateway) -> None:
    obeying(gateway)
    earlier = HELD.opened_at - timedelta(hours=1)
    await gateway.call("POST", CLOSE, json=WHY | {"opened_at": earlier.isoformat()})
    assert sent(gateway)[0].act.opened_at == earlier  # type: ignore[union-attr]


@pytest.mark.parametrize("reason", list(ActReason))
async def test_a_refusal_of_the_account_is_the_answer(gateway: Gateway, reason: ActReason) -> None:
    obeying(gateway, result="refused", reason=reason, message="because")
    answer = await gateway.call("POST", CLOSE, json=WHY)
    slug = f"urn:perpetua:problem:act-{reason.value.replace('_', '-')}"
    assert (answer.status_code, answer.json()["type"], answer.json()["detail"]) == (409, slug, "because")


async def test_what_was_not_done_within_a_second_is_pending_and_what_the_venue_has_is_sent(gateway: Gateway) -> None:
    answer = await gateway.call("POST", CLOSE, json=WHY)
    assert (answer.status_code, answer.json()["result"]) == (202, "pending")
    assert answer.json()["position"]["quantity"] == "0.5"
    working = builders.open_order(client_order_id=ORDER, reduce_only=True, leg="exit")

    def wait(emit: Emit) -> None:
        assert isinstance(emit.body, ControlRequested)
        outcome = ActOutcome(
            control_id=emit.body.control_id,
            kind="close",
            result="sent",
            message="it waits",
            orders=(ORDER,),
            at=emit.body.requested_at,
        )
        gateway.accounts.states["beta"] = state("beta", positions=(HELD,), open_orders=(working,), acts=(outcome,))

    gateway.log.heard = wait
    answer = await gateway.call("POST", CLOSE, json=WHY)
    assert (answer.status_code, answer.json()["result"], answer.json()["orders"]) == (202, "sent", [ORDER])


REFUSALS: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "another's account": (CLOSE.replace("beta", "alpha"), "trader", WHY, 404, "not-found"),
    "a key that may only read": (CLOSE, "reader", WHY, 403, "scope-missing"),
    "a symbol without a position": (CLOSE.replace("BTC", "ETH"), "trader", WHY, 409, "act-no-position"),
    "a share of nothing": (CLOSE, "trader", WHY | {"share": 0}, 422, "invalid-request"),
    "more than all": (CLOSE, "trader", WHY | {"share": 1.5}, 422, "invalid-request"),
    "no reason": (CLOSE, "trader", {"share": 1}, 422, "invalid-request"),
    "no price": (CLOSE.replace("close", "stop"), "trader", WHY, 422, "invalid-request"),
    "a pattern for a symbol": (CLOSE.replace("BTCUSDT", "*"), "trader", WHY, 422, "invalid-request"),
    "no order's id": (f"{BASE}/accounts/beta/orders/123/cancel", "trader", WHY, 422, "invalid-request"),
    "all accounts": (CLOSE.replace("beta", "all"), "admin", WHY, 404, "not-found"),
}


@pytest.mark.parametrize("case", REFUSALS, ids=str)
async def test_an_act_that_is_refused_at_the_door_is_not_sent(gateway: Gateway, case: str) -> None:
    path, key, body, status, slug = REFUSALS[case]
    answer = await gateway.call("POST", path, key=key, json=body)
    assert (answer.status_code, answer.json()["type"].rpartition(":")[2], sent(gateway)) == (status, slug, [])


async def test_a_repeated_idempotency_key_is_the_same_act_and_its_answer(gateway: Gateway) -> None:
    obeying(gateway)
    headers = {"Idempotency-Key": "k1"}
    first = await gateway.call("POST", CLOSE, json=WHY, headers=headers)
    again = await gateway.call("POST", CLOSE, json=WHY, headers=headers)
    assert (first.status_code, again.json()) == (200, first.json()), "though the position is gone by now"
    assert len(sent(gateway)) == 1
    other = await gateway.call("POST", CLOSE, json=WHY | {"share": 0.5}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "urn:perpetua:problem:idempotency-key-reused")
    assert len(sent(gateway)) == 1


async def test_what_reduces_risk_is_done_while_the_word_of_revoked_keys_is_away(gateway: Gateway) -> None:
    obeying(gateway)
    gateway.keys.follows = False
    assert (await gateway.call("POST", CLOSE, json=WHY)).status_code == 200
