"""What a stream hands to its client, over a log in memory."""

import json
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.records.keys import ApiKey, token_hash
from services.gateway.application.stream_sessions import StreamFrame, StreamSession
from services.gateway.application.streams import StreamHub
from services.gateway.domain.problems import Away, RequestRefused
from services.gateway.domain.stream_events import LOGS, LoggedEvent
from services.gateway.domain.stream_ring import Ring, StreamPlace, place_in
from services.gateway.domain.stream_wishes import StreamEnd, StreamQuery
from tests import builders
from tests.fakes.gateway_ports import TOKENS, Gateway
from tests.fakes.gateway_streams import FakeStreamLog
from tests.fakes.ledger_chain import Chain

BEGIN = "1.0.0.0.0.aaaabbbbcccc"
DECISIONS, ORDERS, ALERTS = range(3)


class Stream:
    """A stream of a gateway over fakes, read frame by frame."""

    def __init__(self, gateway: Gateway, key: str = "admin", **query: str) -> None:
        self.gateway = gateway
        self.hub = StreamHub(gateway.deps, gateway.metrics)
        self.cuts = 0
        self._key, self._query = key, StreamQuery.model_validate(query)

    async def __aenter__(self) -> "Stream":
        key = self.key
        self.session: StreamSession = await self.hub.open(key, self._query, self._cut)
        self._batches = self.session.frames()
        self._frames: list[StreamFrame] = []
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._batches.aclose()
        await self.hub.close(self.session)

    @property
    def key(self) -> ApiKey:
        found = self.gateway.keys.find(token_hash(TOKENS[self._key]))
        assert found is not None
        return found

    def _cut(self) -> None:
        self.cuts += 1

    async def next(self) -> dict[str, Any]:
        """The next frame; one that does not come would hang, which the session's own end prevents."""
        while not self._frames:
            self._frames += await anext(self._batches)
        frame = self._frames.pop(0)
        read: dict[str, Any] = json.loads(frame.text)
        assert (read["id"], read["type"]) == (frame.id, frame.kind)
        return read

    async def some(self, count: int) -> list[dict[str, Any]]:
        return [await self.next() for _ in range(count)]


async def test_a_stream_begins_with_what_comes_from_now_on() -> None:
    gateway = Gateway()
    gateway.streams.store(DECISIONS, "decision.proposed.alpha")
    async with Stream(gateway) as stream:
        assert (await stream.next())["type"] == "stream.opened"
        gateway.streams.store(ORDERS, "order.filled.alpha")
        event = await stream.next()
    assert (event["ref"], event["channel"], event["account_id"]) == ("ORDERS/1", "orders", "alpha")
    assert event["id"] == "1.1.1.0.0.aaaabbbbcccc"


@pytest.mark.parametrize("most", [100, 4, 1], ids=["all in memory", "some in memory", "one in memory"])
async def test_what_a_client_lacks_comes_first_in_the_order_of_storing(most: int) -> None:
    gateway = Gateway(streams=FakeStreamLog(most))
    for n in range(12):
        gateway.streams.store(
            (DECISIONS, ORDERS, ORDERS)[n % 3], ("decision.proposed", "order.filled")[n % 3 > 0] + ".a"
        )
    async with Stream(gateway, last_event_id=BEGIN) as stream:
        opened, *events = await stream.some(13)
        gateway.streams.store(ALERTS, "alert.raised.global")
        last = await stream.next()
    assert opened["type"] == "stream.opened"
    stored = [f"{LOGS[one.log].stream.name}/{one.sequence}" for one in gateway.streams.stored]
    assert [event["ref"] for event in (*events, last)] == stored


@given(st.data())
async def test_wherever_a_client_was_cut_it_has_each_event_once(data: st.DataObject) -> None:
    gateway = Gateway(streams=FakeStreamLog(data.draw(st.integers(1, 6))))
    had: list[str] = []
    place = BEGIN
    for _ in range(data.draw(st.integers(1, 4))):
        for log in data.draw(st.lists(st.sampled_from([DECISIONS, ORDERS, ALERTS]), max_size=6)):
            gateway.streams.store(log, ("decision.proposed.a", "position.opened.a", "alert.raised.a")[log])
        lacking = len(gateway.streams.stored) - len(had)
        async with Stream(gateway, last_event_id=place) as stream:
            assert (await stream.next())["id"] == place
            for event in await stream.some(data.draw(st.integers(0, lacking))):
                had.append(event["ref"])
                place = event["id"]
    assert len(had) == len(set(had))
    async with Stream(gateway, last_event_id=place) as stream:
        await stream.next()
        had += [event["ref"] for event in await stream.some(len(gateway.streams.stored) - len(had))]
    assert sorted(had) == sorted(f"{LOGS[one.log].stream.name}/{one.sequence}" for one in gateway.streams.stored)


async def test_what_the_log_has_no_more_is_named() -> None:
    gateway = Gateway(streams=FakeStreamLog(1))
    for _ in range(9):
        gateway.streams.store(ORDERS, "order.filled.alpha")
    gateway.streams.first[ORDERS] = 5
    async with Stream(gateway, last_event_id="1.0.2.0.0.aaaabbbbcccc") as stream:
        _, gap, event = await stream.some(3)
    assert (gap["type"], gap["data"]) == (
        "stream.gap",
        {"reason": "expired", "channels": ["orders", "positions"], "messages": 2},
    )
    assert event["ref"] == "ORDERS/5"


async def test_a_log_that_was_made_anew_is_read_from_its_beginning_and_the_others_go_on() -> None:
    gateway = Gateway()
    for _ in range(2):
        gateway.streams.store(DECISIONS, "decision.proposed.alpha")
        gateway.streams.store(ORDERS, "order.filled.alpha")
    async with Stream(gateway, last_event_id="1.700.1.0.0.eeeebbbbcccc") as stream:
        _, gap, *events = await stream.some(5)
    assert gap["data"] == {"reason": "another-log", "channels": ["decisions"], "messages": None}
    assert [event["ref"] for event in events] == ["DECISIONS/1", "DECISIONS/2", "ORDERS/2"]


async def test_who_falls_behind_what_is_in_memory_is_dropped_with_a_reason_and_may_come_back() -> None:
    gateway = Gateway(streams=FakeStreamLog(4))
    async with Stream(gateway) as stream:
        await stream.next()
        gateway.streams.store(ORDERS, "order.filled.alpha")
        first = await stream.next()
        for _ in range(5):
            gateway.streams.store(ORDERS, "order.filled.alpha")
        ended = await stream.next()
    assert (ended["type"], ended["data"]["reason"], ended["id"]) == ("stream.ended", "too-slow", first["id"])
    async with Stream(gateway, last_event_id=ended["id"]) as stream:
        assert [event.get("ref") for event in (await stream.some(6))[1:]] == [f"ORDERS/{n}" for n in range(2, 7)]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"channels": "orders"}, ["ORDERS/1", "ORDERS/3"]),
        ({"channels": "positions,alerts"}, ["ORDERS/2", "AUDIT/1"]),
        ({"account_id": "beta"}, ["ORDERS/3"]),
        ({"symbols": "ETHUSDT"}, ["DECISIONS/1", "ORDERS/3", "AUDIT/1"]),
    ],
)
@pytest.mark.parametrize("most", [100, 1], ids=["from memory", "from the log"])
async def test_a_stream_has_what_was_asked_for(query: dict[str, str], wanted: list[str], most: int) -> None:
    gateway = Gateway(streams=FakeStreamLog(most))
    alpha, beta = Chain(), Chain(account="beta", symbol="ETHUSDT")
    log = gateway.streams

    def body(chain: Chain, kind: str) -> bytes:
        return next(b for s, b in chain.messages() if s.startswith(kind)).model_dump_json().encode()

    log.store(DECISIONS, "decision.answered.alpha")
    log.store(ORDERS, "order.filled.alpha", body(alpha, "order.filled"))
    log.store(ORDERS, "position.opened.alpha", body(alpha, "position.opened"))
    log.store(ORDERS, "order.filled.beta", body(beta, "order.filled"))
    log.store(ALERTS, "alert.raised.global")
    async with Stream(gateway, last_event_id=BEGIN, **query) as stream:
        refs = [event["ref"] for event in (await stream.some(1 + len(wanted)))[1:]]
        stream.session.end(StreamEnd.STOPPING)
        assert (await stream.next())["type"] == "stream.ended"
    assert refs == wanted


async def test_a_heartbeat_comes_each_fifteen_seconds_and_says_how_the_log_is() -> None:
    gateway = Gateway()
    async with Stream(gateway) as stream:
        opened = await stream.next()
        gateway.clock.advance(15)
        heartbeat = await stream.next()
        gateway.streams.silence_s = 7.04
        gateway.clock.advance(15)
        silent = await stream.next()
    assert opened["data"]["heartbeat_s"] == 15
    assert (heartbeat["type"], heartbeat["data"]) == ("stream.heartbeat", {"log": "followed", "silence_s": 0.0})
    assert silent["data"] == {"log": "silent", "silence_s": 7.0}


async def test_while_the_log_cannot_be_read_nobody_who_lacks_something_is_kept_waiting() -> None:
    gateway = Gateway(streams=FakeStreamLog(1))
    for _ in range(3):
        gateway.streams.store(ORDERS, "order.filled.alpha")
    gateway.streams.away = True
    async with Stream(gateway, last_event_id=BEGIN) as stream:
        opened, ended = await stream.some(2)
    assert (ended["data"]["reason"], ended["id"]) == ("dependency-away", opened["id"])
    gateway.streams.ring = None
    with pytest.raises(Away):
        async with Stream(gateway):
            pass


async def test_the_market_is_followed_while_somebody_looks() -> None:
    gateway = Gateway()
    for n, symbol in enumerate(("BTCUSDT", "ETHUSDT", "BTCUSDT")):
        gateway.market_feed.tell(builders.tick(symbol, 100.0 + n), 10 + n)
    async with Stream(gateway, channels="market") as stream:
        _, ether, bitcoin = await stream.some(3)
        assert gateway.market_feed.looking == 1
        gateway.market_feed.tell(builders.tick("BTCUSDT", 103), 13)
        newer = await stream.next()
    assert [event["data"]["price"] for event in (ether, bitcoin, newer)] == [101, 102, 103]
    assert gateway.market_feed.looking == 0
    async with Stream(gateway, channels="market", last_event_id=bitcoin["id"]) as stream:
        assert [event["id"] for event in await stream.some(2)] == [bitcoin["id"], newer["id"]]


async def test_a_key_sees_its_accounts_and_a_foreign_one_is_not_there() -> None:
    gateway = Gateway()
    for account in ("alpha", "beta", "global"):
        gateway.streams.store(ALERTS, f"alert.raised.{account}")
    async with Stream(gateway, "beta", last_event_id=BEGIN) as stream:
        _, alert = await stream.some(2)
    assert alert["account_id"] == "beta"
    with pytest.raises(RequestRefused):
        async with Stream(gateway, "beta", account_id="alpha"):
            pass


def test_a_body_that_cannot_be_read_is_told_as_one() -> None:
    event = LoggedEvent(ORDERS, 7, 1_000_000_000, "order.filled.alpha", b"no json")
    told = json.loads("{" + event.tail)
    assert (told["type"], told["data"], told["stored_at"]) == ("order.filled", None, "1970-01-01T00:00:01.000000Z")


@pytest.mark.parametrize(
    "text", ["", "7", "1.1.1.1.1", "1.1.1.1.1.aaaabbbbcccg", "2.1.1.1.1.aaaabbbbcccc", "1.-1.1.1.1.a"]
)
def test_what_is_no_id_is_no_place(text: str) -> None:
    assert place_in(text) is None


def test_a_place_is_written_as_it_is_read() -> None:
    place = StreamPlace((1, 22, 333), 4444, "aaaabbbbcccc")
    assert place_in(str(place)) == place


def test_memory_is_bounded_by_bytes_too() -> None:
    ring = Ring((0, 0, 0), most_bytes=100)
    for n in range(1, 6):
        ring.append(LoggedEvent(ORDERS, n, n, "order.filled.a", b"x" * 40))
    assert (ring.next - ring.first, ring.floor, ring.head) == (2, (0, 3, 0), (0, 5, 0))


async def test_frames_that_nobody_wants_any_more_are_let_go() -> None:
    gateway = Gateway()
    async with Stream(gateway) as stream, aclosing(stream.session.frames()) as batches:
        await anext(batches)
        stream.session.end(StreamEnd.LEFT)
        assert [frames async for frames in batches] == []
