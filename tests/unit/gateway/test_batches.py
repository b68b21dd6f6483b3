"""Several decisions in one request: each with its own end."""

from typing import Any

from tests.fakes.gateway_ports import Gateway
from tests.fakes.ledger_chain import Chain

BATCH = "/api/v1/decisions/batch"
AT_ONCE = {"headers": {"Prefer": "respond-async"}}


async def sent(gateway: Gateway, wishes: list[Any], **more: Any) -> list[dict[str, Any]]:
    answer = await gateway.call("POST", BATCH, json=wishes, **more)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_each_wish_has_the_status_that_it_would_have_alone() -> None:
    gateway = Gateway()
    wishes: list[Any] = [{"account_id": "beta"}, {"account_id": "alpha"}, {"acount_id": "beta"}]
    items = await sent(gateway, wishes, key="beta", **AT_ONCE)
    assert [item["status"] for item in items] == [202, 404, 422]
    assert items[0]["accepted"]["account_id"] == "beta"
    assert items[2]["problem"]["errors"][0]["field"] == "body.acount_id"
    assert [emit.subject for emit in gateway.log.published] == ["decision.requested.beta"]


async def test_a_repetition_asks_for_nothing_twice() -> None:
    gateway = Gateway()
    headers = {"Prefer": "respond-async", "Idempotency-Key": "morning"}
    wishes = [{"account_id": "alpha"}, {"account_id": "alpha"}]
    first, second = [await sent(gateway, wishes, headers=headers) for _ in range(2)]
    assert first == second
    assert first[0]["accepted"]["decision_id"] != first[1]["accepted"]["decision_id"]
    assert len({emit.body.message_id() for emit in gateway.log.published}) == 2


async def test_ends_come_back_in_the_order_of_the_wishes() -> None:
    gateway = Gateway()

    def respond(emit: Any) -> list[Any]:
        chain = Chain(account=emit.body.account_id, request_id=emit.body.request_id, start=emit.body.requested_at)
        return [chain.proposed(), chain.validated()]

    gateway.log.respond = respond
    items = await sent(gateway, [{"account_id": "beta"}, {"account_id": "alpha"}, {"account_id": "beta"}])
    assert [item["status"] for item in items] == [200, 200, 200]
    assert [item["result"]["account_id"] for item in items] == ["beta", "alpha", "beta"]


async def test_nothing_and_too_much_are_refused() -> None:
    for wishes in ([], [{"account_id": "alpha"}] * 21, [7]):
        assert (await Gateway().call("POST", BATCH, json=wishes)).status_code == 422


async def test_a_bus_that_is_away_is_told_of_each() -> None:
    gateway = Gateway()
    gateway.log.away = True
    (item,) = await sent(gateway, [{"account_id": "alpha"}])
    assert (item["status"], item["problem"]["type"]) == (503, "urn:perpetua:problem:dependency-away")
