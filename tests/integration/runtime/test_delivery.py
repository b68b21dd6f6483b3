"""What becomes of a message that is handled: done, or later. On the real server.

Rows of docs/bus.md: 2 and 14 (an error does not lose the message), 3 (delays grow), 10 (results are confirmed).
"""

import asyncio
import itertools
import json
import time

import pytest

from libs.runtime.bus import Bus
from libs.runtime.delivery import Delivered, delivered
from libs.runtime.emit import Emit
from libs.runtime.errors import Later, Unavailable
from libs.schemas.analytics import Alert
from libs.schemas.reasons import DeadLetterCode
from tests.integration.runtime.conftest import Start, until
from tests.integration.runtime.messages import INBOX, OUT, STREAM, name_of, order, result
from tests.integration.runtime.seen import consumer, lambda_of, letters, settled, stored
from tests.pace import quiet


async def test_what_a_handler_returns_is_stored_before_the_message_is_acknowledged(bus: Bus, start: Start) -> None:
    await start(lambda_of(result))
    sent = order("a")
    await bus.publish(sent)
    await settled(bus)
    stored = await bus.js.get_last_msg(STREAM, OUT)
    assert name_of(Alert.model_validate_json(stored.data or b"")) == "a"
    assert stored.headers and stored.headers["causation-id"] == f"alert.raised:{sent.body.message_id()}"


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


async def test_a_message_that_is_wanted_later_comes_again_and_holds_nothing_till_then(bus: Bus, start: Start) -> None:
    seen: list[tuple[str, float]] = []

    async def wait(body: Alert) -> Emit | None:
        seen.append((name_of(body), time.monotonic()))
        if name_of(body) == "early" and delivered().deliveries == 1:
            raise Later(0.3)
        return result(body)

    await start(wait)
    await bus.publish(order("early"))
    await bus.publish(order("other"))
    await settled(bus)
    assert [name for name, _ in seen] == ["early", "other", "early"]
    later = seen[2][1] - seen[0][1]
    assert later >= 0.3 and quiet(later) < 2
    assert (await bus.js.stream_info("DEAD")).state.messages == 0
