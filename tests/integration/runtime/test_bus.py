"""Publishing and KV as services use them. Row 10 of docs/bus.md: every publish is confirmed."""

import asyncio
import re

import pytest

from libs.runtime import tracing
from libs.runtime.bus import Bus
from libs.runtime.emit import Emit
from libs.runtime.errors import Conflict, Unavailable
from libs.schemas.analytics import Alert
from libs.schemas.subjects import KV_LEASE, MAX_MESSAGE_BYTES
from tests.integration.runtime.messages import OUT, STREAM, alert, order

BUCKET = KV_LEASE.name


async def test_publishing_again_stores_nothing_twice(bus: Bus) -> None:
    emit = order("a")
    first, second = await bus.publish(emit), await bus.publish(emit)
    assert (first.stream, first.duplicate, second.duplicate) == (STREAM, None, True)
    assert second.seq == first.seq


async def test_a_message_carries_its_trace_and_its_cause(bus: Bus) -> None:
    emit = order("a")
    body_id = emit.body.message_id()
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    ack = await bus.publish(
        emit, {"Nats-Msg-Id": "market.tick:7", "correlation-id": "req-1", tracing.TRACEPARENT: trace}
    )
    headers = (await bus.js.get_msg(STREAM, ack.seq)).headers
    assert headers
    assert headers[tracing.TRACEPARENT] == trace  # nobody listens: it is passed on as it came
    assert headers["Nats-Msg-Id"] == headers["ce-id"] == f"alert.raised:{body_id}"
    assert headers["Nats-Expected-Stream"] == STREAM
    assert (headers["ce-specversion"], headers["ce-type"]) == ("1.0", "perpetua.alert.raised.v1")
    assert headers["ce-source"] == "perpetua/test"
    assert (headers["correlation-id"], headers["causation-id"]) == ("req-1", "market.tick:7")


async def test_row_10_a_full_stream_is_a_dependency_that_is_away(bus: Bus) -> None:
    config = (await bus.js.stream_info("REQUESTS")).config
    config.max_msgs = 1
    await bus.js.update_stream(config)
    try:
        await bus.publish(Emit("decision.requested.a", alert("1")))
        with pytest.raises(Unavailable, match=r"cannot store .* maximum messages exceeded"):
            await bus.publish(Emit("decision.requested.a", alert("2")))
    finally:
        config.max_msgs = -1
        await bus.js.update_stream(config)
    assert not (await bus.publish(Emit("decision.requested.a", alert("2")))).duplicate


async def test_a_subject_that_no_stream_takes_is_a_fault_of_ours(bus: Bus) -> None:
    with pytest.raises(KeyError, match="no stream takes the subject"):
        await bus.publish(Emit("weather.changed.a", alert("1")))


async def test_a_body_over_the_limit_is_refused_before_it_is_sent(bus: Bus) -> None:
    huge = Alert.model_construct(**{**alert("1").model_dump(), "message": "x" * MAX_MESSAGE_BYTES})
    with pytest.raises(ValueError, match="over the limit of 1048576"):
        await bus.publish(Emit(OUT, huge))


async def test_many_are_published_confirmed_and_in_order(bus: Bus) -> None:
    await bus.publish_many((order(f"{n}") for n in range(600)), window=64)
    state = (await bus.js.stream_info(STREAM)).state
    assert state.messages == 600
    last = await bus.js.get_msg(STREAM, state.last_seq)
    assert b":599" in (last.data or b"")


async def test_one_of_two_writers_of_the_same_revision_wins(bus: Bus) -> None:
    first = await bus.kv_put(BUCKET, "k", b"1", last=0)
    outcomes = await asyncio.gather(
        *(bus.kv_put(BUCKET, "k", b"%d" % n, last=first) for n in range(2, 12)), return_exceptions=True
    )
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 9
    found = await bus.kv_get(BUCKET, "k")
    assert found is not None and found.revision == next(o for o in outcomes if isinstance(o, int))


async def test_a_key_that_is_there_is_not_created_again_and_a_deleted_one_is_absent(bus: Bus) -> None:
    assert await bus.kv_get(BUCKET, "k") is None
    revision = await bus.kv_put(BUCKET, "k", b"1", last=0)
    with pytest.raises(Conflict, match=re.escape("$KV.lease.k: written by somebody else")):
        await bus.kv_put(BUCKET, "k", b"2", last=0)
    found = await bus.kv_get(BUCKET, "k")
    assert found is not None and (found.value, found.revision) == (b"1", revision)
    await bus.kv_delete(BUCKET, "k")
    assert await bus.kv_get(BUCKET, "k") is None


async def test_the_revision_of_a_deleted_key_is_that_of_its_deletion(bus: Bus) -> None:
    revision = await bus.kv_put(BUCKET, "k", b"1")
    await bus.kv_delete(BUCKET, "k")
    with pytest.raises(Conflict):
        await bus.kv_put(BUCKET, "k", b"2", last=0)
    assert await bus.kv_put(BUCKET, "k", b"2", last=revision + 1) == revision + 2
