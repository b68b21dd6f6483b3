"""Requests that are repeated: an idempotency key asks for the same decision once more."""

from tests.fakes.gateway_ports import record
from tests.unit.gateway.test_generate import PATH, WISH, chain_of, gateway_with, whole


async def test_a_repeated_idempotency_key_asks_for_the_same_decision() -> None:
    gateway = gateway_with(whole)
    headers = {"Idempotency-Key": "k1"}
    first = (await gateway.call("POST", PATH, json=WISH, headers=headers)).json()
    gateway.clock.advance(100)
    second = (await gateway.call("POST", PATH, json=WISH | {"timeout": 9}, headers=headers)).json()
    third = (await gateway.call("POST", PATH, json=WISH, headers={"Idempotency-Key": "k2"})).json()
    assert first["decision_id"] == second["decision_id"] != third["decision_id"]


async def test_a_repeated_request_that_ended_is_not_published_again() -> None:
    gateway = gateway_with(whole)
    headers = {"Idempotency-Key": "k1"}
    await gateway.call("POST", PATH, json=WISH, headers=headers)
    chain = chain_of(gateway.log.published[0])
    gateway.records.decisions[chain.decision_id] = record(chain)
    again = await gateway.call("POST", PATH, json=WISH, headers=headers)
    assert (again.status_code, again.json()["decision_id"]) == (200, chain.decision_id)
    assert len(gateway.log.published) == 1


async def test_an_idempotency_key_with_another_content_is_refused() -> None:
    gateway = gateway_with(whole)
    headers = {"Idempotency-Key": "k1"}
    await gateway.call("POST", PATH, json=WISH, headers=headers)
    response = await gateway.call("POST", PATH, json=WISH | {"dry_run": True}, headers=headers)
    assert response.status_code == 422
    assert response.json()["type"] == "urn:perpetua:problem:idempotency-key-reused"


async def test_an_idempotency_key_belongs_to_the_api_key() -> None:
    gateway = gateway_with(whole)
    wish, headers = {"account_id": "beta"}, {"Idempotency-Key": "k1"}
    mine = (await gateway.call("POST", PATH, json=wish, headers=headers, key="beta")).json()
    theirs = (await gateway.call("POST", PATH, json=wish, headers=headers)).json()
    assert mine["decision_id"] != theirs["decision_id"]


async def test_a_repetition_that_cannot_be_looked_up_may_still_happen() -> None:
    gateway, headers = gateway_with(whole), {"Idempotency-Key": "k1"}
    first = (await gateway.call("POST", PATH, json=WISH, headers=headers)).json()
    gateway.records.away = True
    again = await gateway.call("POST", PATH, json=WISH, headers=headers)
    assert (again.status_code, again.json()["type"].rpartition(":")[2]) == (503, "may-still-happen")
    assert again.headers["location"].endswith(first["decision_id"])
    assert len(gateway.log.published) == 1
