"""What is put aside: messages that do not parse, that a handler refuses, or that nobody survives.

Rows of docs/bus.md: 13 and 15 (what does not parse), 21 (errors outside a handler).
"""

import json

import pytest
from faststream.nats import NatsRouter

from libs.runtime.bus import Bus
from libs.runtime.delivery import consume
from libs.runtime.errors import Poison
from libs.schemas.analytics import Alert
from libs.schemas.base import Message
from libs.schemas.context import DecisionRequest
from libs.schemas.reasons import DeadLetterCode, RejectReason
from libs.schemas.subjects import CONTEXT_REQUESTS, MAX_MESSAGE_BYTES
from libs.schemas.verdict import DecisionRejected
from tests.integration.runtime.conftest import MakeWorker, Start, until
from tests.integration.runtime.messages import INBOX, OUT, STREAM, order, result
from tests.integration.runtime.seen import consumer, lambda_of, letters, settled, stored

POISON: dict[str, tuple[bytes, DeadLetterCode, str | None]] = {
    "not JSON": (b"{", DeadLetterCode.MALFORMED, None),
    "empty": (b"", DeadLetterCode.MALFORMED, None),
    "not UTF-8": (b'{"alert_id": "\xff\xfe"}', DeadLetterCode.MALFORMED, None),
    "a wrong field": (b'{"alert_id": "a b"}', DeadLetterCode.INVALID, "alert_id"),
    "another version": (b'{"schema_version": 2}', DeadLetterCode.INVALID, "schema_version"),
    "a list": (b"[1]", DeadLetterCode.INVALID, None),
    "deeply nested": (b"[" * 100_000, DeadLetterCode.MALFORMED, None),
    "too large": (b"x" * (MAX_MESSAGE_BYTES + 1), DeadLetterCode.OVERSIZED, None),
}


async def test_row_15_what_does_not_parse_is_put_aside_at_once_with_its_field(bus: Bus, start: Start) -> None:
    calls: list[Alert] = []
    await start(lambda_of(lambda alert: calls.append(alert)))
    for body, _, _ in POISON.values():
        await bus.js.publish("alert.raised.in", body)
    found = await letters(bus, len(POISON))
    outcomes = {
        case: (letter.error.code, letter.error.field, letter.deliveries)
        for case, letter in zip(POISON, found, strict=True)
    }
    assert outcomes == {case: (code, field, 1) for case, (_, code, field) in POISON.items()}
    assert found[0].body == POISON["not JSON"][0].decode()
    assert not calls
    await settled(bus)
    info = await consumer(bus)
    assert info.delivered and info.delivered.consumer_seq == len(POISON), "one delivery each"


async def test_bytes_that_are_no_text_are_kept_in_base64(bus: Bus, start: Start) -> None:
    await start(lambda_of(result))
    await bus.js.publish("alert.raised.in", b"\xff\x00\xfe")
    (letter,) = await letters(bus)
    assert (letter.body, letter.body_encoding) == ("/wD+", "base64")


async def test_headers_that_anybody_wrote_do_not_keep_a_message_from_being_put_aside(bus: Bus, start: Start) -> None:
    await start(lambda_of(result))
    odd = {
        "correlation-id": "ä\x00 b",
        "Nats-Msg-Id": "x" * 4_000,
        "Status": "404",
        **{f"h{n}": "v" for n in range(99)},
    }
    await bus.js.publish("alert.raised.in", b"{", headers=odd)
    (letter,) = await letters(bus)
    assert letter.headers["Status"] == "404", "it is a message, not a status of the server"
    await bus.publish(order("behind"))
    await until(lambda: stored(bus, OUT))


async def test_a_handler_may_call_a_message_poison(bus: Bus, start: Start) -> None:
    async def refuse(body: Alert) -> None:
        raise Poison(DeadLetterCode.INVALID, "no such account", "x" * 300)

    await start(refuse)
    await bus.publish(order("a"))
    (letter,) = await letters(bus)
    assert (letter.error.message, letter.deliveries) == ("no such account", 1)


async def test_an_error_of_a_decoder_is_a_fault_of_ours_and_does_not_lose_the_message(
    url: str, bus: Bus, make_worker: MakeWorker
) -> None:
    def decode(subject: str, body: bytes) -> Message:
        raise LookupError("no model is known")

    worker, router = make_worker(url), NatsRouter()
    consume(router, INBOX, lambda_of(result), decode=decode)
    worker.include(router)
    await worker.start()
    await bus.publish(order("a"))
    (letter,) = await letters(bus)
    assert letter.error.message == "LookupError: no model is known"
    assert letter.deliveries == INBOX.max_deliver


async def test_a_dead_step_of_a_decision_ends_its_request(url: str, bus: Bus, make_worker: MakeWorker) -> None:
    async def never(body: DecisionRequest) -> None:
        raise AssertionError("does not parse")

    worker, router = make_worker(url), NatsRouter()
    consume(router, CONTEXT_REQUESTS, never)
    worker.include(router)
    await worker.start()
    bodies = [{"cycle": "request:r1", "request_id": "r1"}, {"cycle": "request:r2", "request_id": {"not": "an id"}}, []]
    for body in bodies:
        await bus.js.publish("decision.requested.acc-1", json.dumps(body).encode())
    assert [letter.deliveries for letter in await letters(bus, 3)] == [1, 1, 1]
    state = (await bus.js.stream_info("DECISIONS")).state
    assert state.messages == 1
    rejected = DecisionRejected.model_validate_json((await bus.js.get_msg("DECISIONS", state.last_seq)).data or b"")
    assert (rejected.request_id, rejected.account_id, rejected.reason) == ("r1", "acc-1", RejectReason.DEAD_LETTERED)


async def test_a_message_whose_workers_all_died_is_reported_by_the_server(bus: Bus) -> None:
    pull = await bus.js.pull_subscribe_bind(durable=INBOX.name, stream=STREAM)
    await bus.publish(order("a"))
    for _ in range(INBOX.max_deliver):
        (message,) = await pull.fetch(1, timeout=60)
        await message.nak()  # as when nobody acknowledges in time
    with pytest.raises(TimeoutError):
        await pull.fetch(1, timeout=0.2)
    await pull.unsubscribe()

    async def reported() -> bool:
        return (await bus.js.stream_info("ADVISORIES")).state.messages == 1

    await until(reported)
    state = (await bus.js.stream_info("ADVISORIES")).state
    advisory = json.loads((await bus.js.get_msg("ADVISORIES", state.last_seq)).data or b"")
    assert (advisory["stream"], advisory["consumer"], advisory["deliveries"]) == (STREAM, INBOX.name, 3)
