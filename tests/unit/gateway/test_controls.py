"""Controls through the API: who may, what is sent, and what the answer says of its effect."""

import pytest

from libs.runtime.emit import Emit
from libs.schemas.account import ControlRequested
from tests.fakes.gateway_ports import Gateway
from tests.fakes.validator_values import state

BASE = "/api/v1"
HALT = {"state": "halted", "reason": "news"}


@pytest.fixture
def gateway() -> Gateway:
    """Accounts alpha and beta are active, and do at once what they are told."""
    made = Gateway()
    made.accounts.states = {name: state(name) for name in ("alpha", "beta")}

    def obey(emit: Emit) -> None:
        assert isinstance(emit.body, ControlRequested)
        for name in made.accounts.states if emit.body.scope == "all" else (emit.body.scope,):
            wanted = "halted" if emit.body.state == "flatten" else emit.body.state
            made.accounts.states[name] = state(name, trading_state=wanted)

    made.log.heard = obey
    return made


def sent(gateway: Gateway) -> list[ControlRequested]:
    return [emit.body for emit in gateway.log.published if isinstance(emit.body, ControlRequested)]


async def test_a_control_of_one_account_names_who_and_why_and_is_answered_when_it_holds(gateway: Gateway) -> None:
    answer = await gateway.call("POST", f"{BASE}/accounts/beta/control", key="trader", json=HALT)
    assert (answer.status_code, answer.json()["waiting_for"]) == (200, [])
    (body,) = sent(gateway)
    assert (body.scope, body.state, body.reason) == ("beta", "halted", "news")
    assert body.by.startswith("trader (key-")
    assert [emit.subject for emit in gateway.log.published] == ["control.requested.beta"]


async def test_a_control_of_all_accounts_waits_for_all(gateway: Gateway) -> None:
    answer = await gateway.call("POST", f"{BASE}/control", json=HALT | {"state": "flatten"})
    assert (answer.status_code, answer.json()["scope"]) == (200, "all")
    assert [one.trading_state for one in gateway.accounts.states.values()] == ["halted", "halted"]


async def test_what_was_not_carried_out_within_a_second_is_named(gateway: Gateway) -> None:
    gateway.log.heard = lambda _: None
    answer = await gateway.call("POST", f"{BASE}/accounts/beta/control", json=HALT)
    assert (answer.status_code, answer.json()["waiting_for"]) == (202, ["beta"])


REFUSALS = {
    "another's account": ("/accounts/alpha/control", "trader", HALT, 404),
    "an unknown account": ("/accounts/none/control", "admin", HALT, 404),
    "all accounts with a key for one": ("/control", "trader", HALT, 403),
    "a key that may only read": ("/control", "reader", HALT, 403),
    "no reason": ("/control", "admin", {"state": "halted", "reason": " "}, 422),
    "no such state": ("/control", "admin", {"state": "off", "reason": "x"}, 422),
}


@pytest.mark.parametrize("case", REFUSALS, ids=str)
async def test_a_refused_control_is_not_sent(gateway: Gateway, case: str) -> None:
    path, key, body, status = REFUSALS[case]
    answer = await gateway.call("POST", f"{BASE}{path}", key=key, json=body)
    assert (answer.status_code, sent(gateway)) == (status, [])


async def test_a_repeated_idempotency_key_is_the_same_control_and_no_other(gateway: Gateway) -> None:
    headers = {"Idempotency-Key": "k1"}
    for _ in range(2):
        assert (await gateway.call("POST", f"{BASE}/control", json=HALT, headers=headers)).status_code == 200
    assert len({body.control_id for body in sent(gateway)}) == 1
    other = await gateway.call("POST", f"{BASE}/accounts/beta/control", json=HALT, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "urn:perpetua:problem:idempotency-key-reused")
