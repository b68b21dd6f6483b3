"""What becomes of a message: done, later, or put aside. On the real server.

Rows of docs/bus.md: 2 and 14 (an error does not lose the message), 3 (delays grow), 15 (what does not parse).
"""

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import pytest
from faststream.nats import NatsRouter
from nats.js.api import ConsumerInfo

from libs.runtime.bus import Bus
from libs.runtime.delivery import Delivered, consume, delivered
from libs.runtime.emit import Emit
from libs.runtime.errors import Poison, Unavailable
from libs.runtime.worker import Worker
from libs.schemas.analytics import Alert
from libs.schemas.base import Message
from libs.schemas.context import DecisionRequest
from libs.schemas.dead import DeadLetter
from libs.schemas.decision import DecisionRejected
from libs.schemas.reasons import DeadLetterCode, RejectReason
from libs.schemas.subjects import CONTEXT_REQUESTS, MAX_MESSAGE_BYTES
from tests.integration.runtime.conftest import MakeWorker, until
from tests.integration.runtime.messages import INBOX, OUT, STREAM, name_of, order, result

Handler = Callable[[Alert], Awaitable[Emit | Sequence[Emit] | None]]
Start = Callable[..., Awaitable[Worker]]


@pytest.fixture
def start(url: str, make_worker: MakeWorker) -> Start:
    """Starts a worker that handles the test durable."""

    async def begin(handler: Handler, *, away: tuple[type[Exception], ...] = (), concurrency: int = 1) -> Worker:
        worker = make_worker(url, away=away)
        router = NatsRouter()
        consume(router, INBOX, handler, concurrency=concurrency)
        worker.include(router)
        await worker.start()
        return worker

    return begin


async def consumer(bus: Bus) -> ConsumerInfo:
    return cast("ConsumerInfo", await bus.js.consumer_info(STREAM, INBOX.name))


async def settled(bus: Bus) -> None:
    """Return when something was delivered, nothing is left to deliver and nothing in hand."""

    async def idle() -> bool:
        info = await consumer(bus)
        begun = info.delivered is not None and info.delivered.consumer_seq > 0
        return begun and not info.num_ack_pending and not info.num_pending

    await until(idle)


async def letters(bus: Bus, count: int = 1) -> list[DeadLetter]:
    """The dead letters, once there are `count`."""

    async def there() -> bool:
        return (await bus.js.stream_info("DEAD")).state.messages >= count

    await until(there)
    state = (await bus.js.stream_info("DEAD")).state
    assert state.messages == count
    found = [await bus.js.get_msg("DEAD", seq) for seq in range(state.first_seq, state.last_seq + 1)]
    return [DeadLetter.model_validate_json(message.data or b"") for message in found]


async def test_what_a_handler_returns_is_stored_before_the_message_is_acknowledged(bus: Bus, start: Start) -> None:
    await start(lambda_of(result))
    sent = order("a")
    await bus.publish(sent)
    await settled(bus)
    stored = await bus.js.get_last_msg(STREAM, OUT)
    assert name_of(Alert.model_validate_json(stored.data or b"")) == "a"
    assert stored.headers and stored.headers["causation-id"] == f"alert.raised:{sent.body.message_id()}"


def lambda_of(answer: Callable[[Alert], Emit | None]) -> Handler:
    async def handle(body: Alert) -> Emit | None:
        return answer(body)

    return handle


async def test_row_2_an_unhandled_error_delivers_again_and_the_last_delivery_puts_the_message_aside(
    bus: Bus, start: Start
) -> None:
    seen: list[tuple[int, float]] = []

    async def fail(body: Alert) -> None:
        seen.append((delivered().deliveries, time.monotonic()))
        raise ZeroDivisionError("nothing to divide by")

    await start(fail)
    sent = order("bad", message="kept")
    await bus.publish(sent)
    (letter,) = await letters(bus)
    assert [n for n, _ in seen] == [1, 2, 3] == list(range(1, INBOX.max_deliver + 1))
    assert letter.error.code is DeadLetterCode.HANDLER_ERROR
    assert letter.error.message == "ZeroDivisionError: nothing to divide by"
    assert (letter.stream, letter.durable, letter.deliveries) == (STREAM, INBOX.name, INBOX.max_deliver)
    assert json.loads(letter.body)["message"] == "kept"
    assert letter.headers["Nats-Msg-Id"] == f"alert.raised:{sent.body.message_id()}"
    await settled(bus)

    # Row 3: deliveries are spaced by a delay that grows, not burned within milliseconds.
    gaps = [later - earlier for (_, earlier), (_, later) in itertools.pairwise(seen)]
    assert gaps[0] >= 0.4
    assert gaps[1] >= 0.8


async def test_row_2_a_message_that_failed_once_is_done_by_its_second_delivery(bus: Bus, start: Start) -> None:
    tries: list[int] = []

    async def fail_once(body: Alert) -> Emit:
        tries.append(delivered().deliveries)
        if len(tries) == 1:
            raise KeyError("a fault of ours")
        return result(body)

    await start(fail_once)
    await bus.publish(order("a"))
    await settled(bus)
    assert tries == [1, 2]
    assert (await bus.js.get_last_msg(STREAM, OUT)).data
    assert (await bus.js.stream_info("DEAD")).state.messages == 0


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


async def stored(bus: Bus, subject: str) -> bool:
    state = (await bus.js.stream_info(STREAM, subjects_filter=subject)).state
    return bool(state.subjects)


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


@pytest.mark.slow
async def test_a_dependency_that_is_away_for_five_seconds_burns_no_delivery(bus: Bus, start: Start) -> None:
    class StoreAway(Exception):
        pass

    tries: list[Delivered] = []
    back = time.monotonic() + 5

    async def wait(body: Alert) -> Emit:
        tries.append(delivered())
        if time.monotonic() < back:
            raise Unavailable("down") if len(tries) % 2 else StoreAway
        return result(body)

    worker = await start(wait, away=(StoreAway,))
    await bus.publish(order("a"))
    await until(lambda: stored(bus, OUT))
    await settled(bus)
    assert {info.deliveries for info in tries} == {1}
    info = await consumer(bus)
    assert info.delivered and info.delivered.consumer_seq == 1
    assert len(tries) < 20, "the dependency is asked with a growing pause"
    waited = worker.metrics.messages.labels(INBOX.name, "waited")
    assert waited._value.get() == 1
    assert (await bus.js.stream_info("DEAD")).state.messages == 0


async def test_heartbeats_keep_a_long_handler_from_a_second_delivery(bus: Bus, start: Start) -> None:
    calls: list[int] = []

    async def slow(body: Alert) -> Emit:
        calls.append(delivered().deliveries)
        await asyncio.sleep(INBOX.ack_wait_s + 0.7)
        return result(body)

    await start(slow, concurrency=2)
    await bus.publish(order("a"))
    await until(lambda: stored(bus, OUT))
    await settled(bus)
    assert calls == [1]


async def test_row_10_a_result_that_its_stream_refuses_waits_until_it_is_taken(bus: Bus, start: Start) -> None:
    config = (await bus.js.stream_info("REQUESTS")).config
    calls: list[int] = []

    async def into_full(body: Alert) -> Emit:
        calls.append(delivered().deliveries)
        return Emit("decision.requested.acc-1", body)

    config.max_msgs = 1
    await start(into_full)
    await bus.js.update_stream(config)
    try:
        await bus.js.publish("decision.requested.acc-1", b"first")
        await bus.publish(order("a"))
        await until(lambda: len(calls) >= 3)
        assert (await bus.js.stream_info("REQUESTS")).state.messages == 1
        info = await consumer(bus)
        assert info.num_ack_pending == 1, "the message is still in hand"
    finally:
        config.max_msgs = -1
        await bus.js.update_stream(config)
    await settled(bus)
    assert (await bus.js.stream_info("REQUESTS")).state.messages == 2
    assert set(calls) == {1}


async def test_a_message_whose_workers_all_died_is_reported_by_the_server(bus: Bus) -> None:
    pull = await bus.js.pull_subscribe_bind(durable=INBOX.name, stream=STREAM)
    await bus.publish(order("a"))
    for _ in range(INBOX.max_deliver):
        (message,) = await pull.fetch(1, timeout=5)
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
