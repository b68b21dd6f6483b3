"""Messages that were put aside, over HTTP."""

from typing import Any

import pytest

from libs.schemas.dead import DeadLetter, DeadLetterError
from libs.schemas.reasons import DeadLetterCode
from tests.fakes.gateway_ports import Gateway
from tests.fakes.ledger_chain import T0

PLACE = "/api/v1/dead-letters"
KINDS = {
    "a notice": ("NOTICES", "notice.requested.desk", "notifier-notices"),
    "a control": ("EXECUTION", "execute.3.control.alpha", "executor-p03"),
    "an order": ("ORDERS", "order.filled.alpha", "ledger-orders"),
    "a verdict": ("EXECUTION", "execute.3.validated.alpha", "executor-p03"),
    "a tick": ("MARKET", "market.tick.BTCUSDT", "context-ticks"),
}


def letter(number: int = 1, kind: str = "a notice") -> DeadLetter:
    stream, subject, durable = KINDS[kind]
    return DeadLetter(
        dead_letter_id=f"{stream}:{number}:{durable}",
        subject=subject,
        headers={"Nats-Msg-Id": f"m-{number}"},
        body='{"notice_id": "n"}',
        stream=stream,
        durable=durable,
        sequence=number,
        error=DeadLetterError(code=DeadLetterCode.HANDLER_ERROR, message="a fault of ours"),
        deliveries=8,
        at=T0,
    )


async def answered(gateway: Gateway, path: str = "", method: str = "GET", **more: Any) -> Any:
    answer = await gateway.call(method, f"{PLACE}{path}", **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_they_are_listed_by_pages_newest_first() -> None:
    gateway = Gateway()
    gateway.letters.aside = [letter(number) for number in range(1, 6)]
    pages: list[list[int]] = []
    cursor: str | None = None
    while not pages or cursor:
        page = await answered(gateway, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        pages.append([one["number"] for one in page["items"]])
        cursor = page["next"]
    assert pages == [[5, 4], [3, 2], [1]]


async def test_one_is_shown_as_it_came_and_published_again_for_whom_it_was() -> None:
    gateway = Gateway()
    gateway.letters.aside = [letter()]
    whole = await answered(gateway, "/1")
    assert (whole["body"], whole["headers"], whole["code"]) == (
        '{"notice_id": "n"}',
        {"Nats-Msg-Id": "m-1"},
        "handler_error",
    )
    assert (whole["replayed"], whole["not_replayable"]) == (0, None)
    once = {"headers": {"Idempotency-Key": "again"}}
    taken = [await answered(gateway, "/1/replay", "POST", **once) for _ in range(2)]
    assert [one["replayed_as"] for one in taken] == ["m-1:replay:1", "m-1:replay:1"]
    ((planned, who),) = gateway.letters.sent
    assert (planned.subject, planned.headers["perpetua-replay-for"]) == ("notice.requested.desk", "notifier-notices")
    assert who.startswith("admin (key-")
    assert (await answered(gateway, "/1"))["replayed"] == 1


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("a notice", None),
        ("a control", None),
        ("an order", "`perpetua dead replay 1`"),
        ("a verdict", "`perpetua dead replay 1`"),
        ("a tick", "moved on"),
    ],
)
async def test_what_a_gateway_may_not_publish_is_for_the_command(kind: str, why: str | None) -> None:
    gateway = Gateway()
    gateway.letters.aside = [letter(kind=kind)]
    (entry,) = (await answered(gateway))["items"]
    answer = await gateway.call("POST", f"{PLACE}/1/replay")
    if why is None:
        assert (entry["not_replayable"], answer.status_code) == (None, 200)
        return
    assert why in entry["not_replayable"]
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:perpetua:problem:not-replayable")
    assert gateway.letters.sent == []


async def test_they_are_for_administrators_of_all_accounts() -> None:
    gateway = Gateway()
    body = {"name": "one", "scopes": ["admin"], "accounts": ["alpha"]}
    token = (await gateway.call("POST", "/api/v1/keys", json=body)).json()["token"]
    for method, path in (("GET", ""), ("GET", "/1"), ("POST", "/1/replay")):
        answer = await gateway.call(method, f"{PLACE}{path}", key=token)
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:perpetua:problem:not-for-all-accounts")
    assert (await gateway.call("GET", f"{PLACE}/9")).status_code == 404
