"""Streams against a real gateway: what comes, in which order, and that nothing is lost or comes twice."""

import asyncio
import json
import signal
from contextlib import suppress

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from cli.embedded.servers import Servers
from libs.schemas import subjects
from libs.schemas.decision import DecisionProposed
from libs.schemas.names import key_of
from tests import builders
from tests.fakes.ledger_chain import Chain
from tests.forms import sized
from tests.integration.streaming import STREAM, Client, Counting, Listening, client, listening
from tests.pace import PATIENCE_S

pytestmark = pytest.mark.integration


async def test_events_come_with_an_id_a_type_and_a_body(nats_url: str) -> None:
    async with listening(nats_url) as gateway, client(gateway, gateway.admin) as seen:
        count = await gateway.publish(Chain())
        await seen.until(lambda one: len(one.events) == count)
    kinds = [event["type"] for event in seen.events]
    assert set(kinds) >= {"decision.proposed", "decision.validated", "order.placed", "order.filled", "position.opened"}
    assert len({event["id"] for event in seen.events}) == count
    assert {event["account_id"] for event in seen.events} == {"alpha"}
    proposed = seen.events[kinds.index("decision.proposed")]
    assert proposed["ref"] == "DECISIONS/1"
    assert proposed["data"]["decision"]["decisions"][0]["asset"] == "BTCUSDT"
    assert "system_prompt" not in proposed["data"]["calls"][0]


async def test_server_sent_events_are_the_same_ones(nats_url: str) -> None:
    async with listening(nats_url) as gateway, client(gateway, gateway.admin) as seen:
        headers = {"Authorization": f"Bearer {gateway.admin}", "Last-Event-ID": seen.last_id}
        count = await gateway.publish(Chain())
        await seen.until(lambda one: len(one.events) == count)
        heard: list[tuple[str, str, dict[str, object]]] = []
        async with (
            httpx.AsyncClient(base_url=gateway.http, timeout=PATIENCE_S) as api,
            api.stream("GET", STREAM, headers=headers) as answer,
        ):
            assert answer.headers["content-type"].startswith("text/event-stream")
            block: dict[str, str] = {}
            async for line in answer.aiter_lines():
                if not line:
                    heard.append((block["id"], block["event"], json.loads(block["data"])))
                    block = {}
                else:
                    name, _, value = line.partition(": ")
                    block[name] = value
                if len(heard) == count + 1:
                    break
    assert [(event["id"], event["type"], event) for event in seen.events] == heard[1:]


async def test_a_client_that_is_cut_a_hundred_times_under_load_has_every_event_once(nats_url: str) -> None:
    async with listening(nats_url) as gateway:
        one = Client(gateway.admin)
        reading = asyncio.create_task(one.listen(gateway))
        await one.until(lambda it: bool(it.said))
        stored = 0
        for n in range(100):
            before = len(one.events)
            stored += await gateway.publish(Chain(request_id=f"r{n}", account="alpha" if n % 2 else "beta"))
            await one.has(before + 1)
            one.cut()
            more = asyncio.create_task(gateway.publish(Chain(request_id=f"m{n}")))
            await reading
            reading = asyncio.create_task(one.listen(gateway))
            stored += await more
        await one.until(lambda it: len(it.events) >= stored)
        one.cut()
        await reading
    assert len(one.refs) == len(set(one.refs)) == stored
    assert len({event["id"] for event in one.events}) == stored
    for stream in ("DECISIONS", "ORDERS"):
        sequences = [int(ref.partition("/")[2]) for ref in one.refs if ref.startswith(stream)]
        assert sequences == list(range(1, len(sequences) + 1))


async def test_a_client_goes_on_at_another_gateway_with_what_it_has_missed(nats_url: str) -> None:
    async with listening(nats_url) as first:
        async with client(first, first.admin) as seen:
            count = await first.publish(Chain())
            await seen.until(lambda one: len(one.events) == count)
        for n in range(100):
            count += await first.publish(Chain(request_id=f"r{n}"))
        async with listening(nats_url) as second, client(second, first.admin, "", seen.last_id) as later:
            count += await first.publish(Chain(request_id="last"))
            await later.until(lambda one: len(seen.events) + len(one.events) >= count)
            assert [event["stored_at"] for event in later.events] == sorted(
                event["stored_at"] for event in later.events
            )
    refs = [*seen.refs, *later.refs]
    assert len(refs) == len(set(refs)) == count


async def test_a_gateway_that_restarts_tells_its_clients_and_they_lose_nothing(nats_url: str) -> None:
    async with listening(nats_url) as gateway:
        async with client(gateway, gateway.admin) as seen:
            count = await gateway.publish(Chain())
            await seen.until(lambda one: len(one.events) == count)
            again = await gateway.again()
            await seen.until(lambda one: one.closed is not None)
            assert seen.closed is not None
            assert seen.closed[0] == 1012
        try:
            async with client(again, gateway.admin, "", seen.last_id) as later:
                count += await gateway.publish(Chain(request_id="later"))
                await later.until(lambda one: len(seen.events) + len(one.events) >= count)
        finally:
            await again.close()
    assert len({*seen.refs, *later.refs}) == count


@pytest.mark.slow
async def test_streams_go_on_when_nats_does(own_servers: Servers) -> None:
    async with (
        listening(own_servers.restart("nats").url) as gateway,
        client(gateway, gateway.admin) as seen,
    ):
        count = await gateway.publish(Chain())
        await seen.until(lambda one: len(one.events) == count)
        own_servers.signal("nats", signal.SIGSTOP)
        late = asyncio.create_task(gateway.publish(Chain(request_id="late")))
        await asyncio.wait({late}, timeout=1)
        own_servers.signal("nats", signal.SIGCONT)
        count += await late
        await seen.until(lambda one: len(one.events) >= count)
    assert len(seen.refs) == len(set(seen.refs)) == count


TOGETHER = 20  # clients that come at once: a thousand would wait for each other's handshakes
FILLING = 16  # wordy events: more than the kernel and the server hold for a client that does not read


def wordy(number: int) -> tuple[str, DecisionProposed]:
    """An event of 60 kB."""
    words = "because " * 500
    rows = [builders.row(f"COIN{n}USDT", exit_plan=words, invalidation=words, rationale=words) for n in range(5)]
    proposed = builders.proposal(*rows, decision_id=f"dec-{number}", account_id="alpha")
    return subjects.decision_proposed(key_of("alpha")), proposed


async def test_of_a_thousand_clients_one_that_does_not_read_is_dropped_and_the_others_lose_nothing(
    nats_url: str,
) -> None:
    async with listening(nats_url) as gateway:
        deaf, before = Client(gateway.admin), set(gateway.server.server_state.tasks)
        await deaf.connect(gateway, receive_buffer=4_096)
        (its_session,) = gateway.server.server_state.tasks - before
        assert deaf.connection is not None
        deaf.connection.transport.pause_reading()
        others = [Counting(gateway.admin) for _ in range(sized(40, 1_000))]
        reading = []
        for begin in range(0, len(others), TOGETHER):
            group = others[begin : begin + TOGETHER]
            reading += [asyncio.create_task(one.listen(gateway)) for one in group]
            for one in group:
                await one.until(lambda it: bool(it.said))
        stored = 0
        for last in [False] * FILLING + [True]:
            if last:  # it holds nobody up, and is dropped while nothing else comes
                async with asyncio.timeout(PATIENCE_S):
                    await asyncio.wait({its_session})
                assert dropped(gateway)
            stored += await gateway.store([wordy(stored)])
            for one in others:
                await one.has(stored)
        for one in others:
            one.cut()
        await asyncio.gather(*reading)
        deaf.connection.transport.resume_reading()
        with suppress(ConnectionClosed):
            while True:
                deaf.take(await deaf.connection.recv())
        deaf.cut()
    for one in others:
        assert len(one.refs) == len(set(one.refs)) == stored
    assert 0 < len(deaf.events) < stored


async def test_the_market_is_the_newest_of_each_symbol_and_never_what_was_before(nats_url: str) -> None:
    async with listening(nats_url) as gateway:
        at = {"ts": None, "source": "replay"}
        first = [builders.tick(symbol, 100.0, **at) for symbol in ("BTCUSDT", "ETHUSDT")]
        await gateway.store((subjects.tick(tick.symbol), tick) for tick in first)
        async with client(gateway, gateway.admin, "channels=market,decisions&symbols=BTCUSDT") as seen:
            await seen.until(lambda one: len(one.events) == 1)
            for n in range(50):
                await gateway.store([("market.tick.BTCUSDT", builders.tick("BTCUSDT", 100 + n / 100, **at))])
            await seen.until(lambda one: one.events[-1]["data"]["price"] == 100.49)
        async with client(gateway, gateway.admin, "channels=market", seen.last_id) as later:
            await gateway.store([("market.tick.ETHUSDT", builders.tick("ETHUSDT", 101.0, **at))])
            await later.until(lambda one: bool(one.events))
    sequences = [int(ref.partition("/")[2]) for ref in seen.refs]
    assert sequences == sorted(set(sequences))
    assert {event["type"] for event in seen.events} == {"market.tick"}
    assert {event["data"]["symbol"] for event in seen.events} == {"BTCUSDT"}
    assert [event["data"]["price"] for event in later.events] == [101.0]


def dropped(gateway: Listening) -> bool:
    ends = "perpetua_gateway_stream_ends_total"
    return gateway.worker.registry.get_sample_value(ends, {"reason": "too-slow"}) is not None
