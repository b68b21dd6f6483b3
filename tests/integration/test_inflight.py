"""Triggers and places against real servers: ids, compare-and-set, duplicate windows, Redis."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from cli.connection import connected
from libs.runtime.bus import Bus
from libs.runtime.emit import Emit
from libs.runtime.errors import Conflict
from libs.runtime.provision import provision_nats, stream_config
from libs.schemas import subjects
from libs.schemas.context import DecisionRequest
from libs.schemas.inflight import InFlight
from libs.schemas.names import key_of
from services.context.adapters.inflight import KvPlaces
from services.context.adapters.requests import NatsRequestLog
from services.context.adapters.reuse import RedisReuse
from services.context.domain.reuse import Kept
from tests.fakes.clock import ReadClock
from tests.fakes.context_values import at, request
from tests.integration.market import Market, market_at, running, until, workers

pytestmark = pytest.mark.integration
SUBJECT = subjects.decision_requested(key_of("acc1"))


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    async with connected(nats_url) as made:
        await provision_nats(made.js)
        yield made


def asked(name: str) -> DecisionRequest:
    return request(at(0), request_id=name, cycle=f"request:{name}")


async def test_of_two_triggers_that_know_the_same_newest_request_one_is_stored(bus: Bus) -> None:
    first = await bus.publish(Emit(SUBJECT, asked("r1")), last=0)
    with pytest.raises(Conflict):
        await bus.publish(Emit(SUBJECT, asked("r2")), last=0)
    with pytest.raises(Conflict):  # the server looks at the condition first, and at ids then
        await bus.publish(Emit(SUBJECT, asked("r1")), last=0)
    again = await bus.publish(Emit(SUBJECT, asked("r1")), last=first.seq)
    assert again.duplicate and again.seq == first.seq
    await bus.publish(Emit(SUBJECT, asked("r2")), last=first.seq)


async def test_a_replica_learns_what_it_has_not_read_and_what_the_log_has_forgotten(bus: Bus) -> None:
    log = NatsRequestLog(bus, ReadClock(at(10)))
    stored = await bus.publish(Emit(SUBJECT, asked("r1")))
    assert (log.of("acc1"), log.sequence("acc1")) == (None, 0)
    await log.refresh("acc1")
    found = log.of("acc1")
    assert found is not None and (found.latest, log.sequence("acc1")) == ("r1", stored.seq)
    await bus.js.purge_stream("REQUESTS")
    await log.refresh("acc1")
    assert log.sequence("acc1") == 0


async def test_the_second_writer_of_a_place_looks_again(bus: Bus) -> None:
    one, other = KvPlaces(bus), KvPlaces(bus)
    for places in (one, other):
        await places.start()
    try:
        slot = InFlight(account_id="acc1")
        await one.write("acc1", slot, 0)
        with pytest.raises(Conflict):
            await other.write("acc1", slot, 0)
        place = await other.read("acc1")
        assert place is not None and place.slot == slot
        await other.write("acc1", slot.model_copy(update={"ended": ("r1",)}), place.revision)
        seen = other.seen("acc1")
        assert seen is not None and seen.slot.ended == ("r1",), "what it wrote itself it sees at once"
    finally:
        for places in (one, other):
            await places.stop()


async def test_a_place_that_cannot_be_read_is_mended_by_the_next_write(bus: Bus) -> None:
    await bus.kv_put(subjects.KV_INFLIGHT.name, "acc1", b"{")
    places = KvPlaces(bus)
    place = await places.read("acc1")
    assert place is not None and place.slot == InFlight(account_id="acc1")
    await places.write("acc1", place.slot, place.revision)


async def test_a_request_that_is_stored_twice_after_an_outage_begins_one_decision(nats_url: str) -> None:
    """The outage was longer than the duplicate window: the log has the request a second time."""
    async with market_at(nats_url) as market:
        await market.prepare("acc1")
        async with running(market.run), workers(nats_url, 2):
            await forget_at_once(market)  # a worker that starts would refuse to run with it
            now = market.now()
            body = request(now, cycle="request:r1", expires_at=now + timedelta(hours=1))
            data, headers = body.model_dump_json().encode(), {"Nats-Msg-Id": "decision.requested:r1"}
            await market.js.publish(SUBJECT, data, headers=headers)

            async def ended() -> bool:
                return any(b"request:r1" in c.cycle.encode() for c in await market.contexts()) and bool(
                    [d for _, d, _ in await market.stored("DECISIONS") if b'"request_id":"r1"' in d]
                )

            await until(ended)
            await asyncio.sleep(0.3)  # the window of REQUESTS and CONTEXTS, which no event tells
            await market.js.publish(SUBJECT, data, headers=headers)
            marker = body.model_copy(update={"request_id": "r2", "cycle": "request:r2", "force_refresh": True})
            await market.js.publish(SUBJECT, marker.model_dump_json().encode())

            async def after() -> bool:
                return any(c.cycle == "request:r2" for c in await market.contexts())

            await until(after)
        copies = [d for _, d, _ in await market.stored("REQUESTS") if b'"request_id":"r1"' in d]
        contexts = [c for c in await market.contexts() if c.cycle == "request:r1"]
    assert (len(copies), len(contexts)) == (2, 1)


async def forget_at_once(market: Market) -> None:
    for stream in (subjects.REQUESTS, subjects.CONTEXTS):
        config = stream_config(stream)
        config.duplicate_window = 0.2
        await market.js.update_stream(config)


async def test_decisions_are_found_again_in_redis_and_without_it_none_is(redis_url: str) -> None:
    clock = ReadClock(at(0))
    kept = Kept(decision_id="dec-1", taken_at=at(0), account_version=1, prices={"BTCUSDT": 1.0}, until=at(600))
    reuse, away = RedisReuse(redis_url, clock), RedisReuse("redis://127.0.0.1:1/0", clock)
    for one in (reuse, away):
        await one.start()
        await one.keep("k", kept)
    assert (await reuse.find("k"), await away.find("k"), await reuse.find("other")) == (kept, None, None)
    async with Redis.from_url(redis_url) as client:
        assert 0 < await client.pttl("perpetua:context:decisions:k") <= 600_000
        await client.set("perpetua:context:decisions:k", "{")
    assert await reuse.find("k") is None
    for one in (reuse, away):
        await one.stop()
