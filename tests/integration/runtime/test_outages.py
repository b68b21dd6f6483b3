"""NATS killed and started again: workers, publishers and readers go on by themselves, and nothing is there twice."""

import asyncio
import shutil
from pathlib import Path

import pytest
from faststream.nats import NatsRouter

from libs.runtime.bus import NATS_RETRY, Bus
from libs.runtime.delivery import consume, delivered
from libs.runtime.emit import Emit
from libs.runtime.errors import Unavailable
from libs.runtime.mirror import KvMirror
from libs.runtime.reader import OrderedReader, Record, Start
from libs.schemas.analytics import Alert
from libs.schemas.subjects import KV_CONFIG, MARKET
from tests.integration.runtime.conftest import MakeWorker, StartProcess, connected, until
from tests.integration.runtime.messages import INBOX, OUT, STREAM, name_of, order, result
from tests.integration.runtime.servers import Nats
from tests.pace import Watch

TICK = "market.tick.BTCUSDT"


async def publish_patiently(bus: Bus, emit: Emit) -> None:
    """Publish as the runtime does: again and again under the same id until it is stored."""
    while True:
        try:
            await bus.publish(emit)
        except Unavailable:
            await asyncio.sleep(0.05)
        else:
            return


async def answers(bus: Bus) -> bool:
    """Whether JetStream is there again."""
    try:
        await bus.js.stream_info(STREAM)
    except NATS_RETRY:
        return False
    return True


async def test_a_worker_goes_on_by_itself_after_a_restart(
    mortal: Nats, make_worker: MakeWorker, start_process: StartProcess
) -> None:
    process = start_process("echo", mortal.url)
    await process.ready()
    bus = await connected(make_worker(mortal.url))
    await bus.publish(order("before"))
    await process.said("handled")
    await mortal.restart()
    after = order("after")
    await publish_patiently(bus, after)
    with Watch() as watch:
        await until(lambda: any(r.get("alert") == after.body.message_id() for r in process.records))
    assert watch.quiet_s < 5
    assert "Traceback" not in process.output


async def test_a_result_published_into_an_outage_is_stored_once_and_burns_no_delivery(
    mortal: Nats, make_worker: MakeWorker
) -> None:
    calls: list[int] = []
    go_on = asyncio.Event()

    async def into_outage(body: Alert) -> Emit:
        calls.append(delivered().deliveries)
        await go_on.wait()
        return result(body)

    worker, router = make_worker(mortal.url), NatsRouter()
    consume(router, INBOX, into_outage)
    worker.include(router)
    await worker.start()
    await worker.bus.publish(order("a"))
    await until(lambda: bool(calls))
    mortal.kill()
    await until(lambda: not worker.bus.nc.is_connected)
    go_on.set()
    await asyncio.sleep(0.1)
    await mortal.restart()

    async def done() -> bool:
        try:
            info = await worker.bus.js.consumer_info(STREAM, INBOX.name)
        except NATS_RETRY:  # the server still starts
            return False
        return not info.num_ack_pending and not info.num_pending

    await until(done)
    state = (await worker.bus.js.stream_info(STREAM, subjects_filter=OUT)).state
    assert state.subjects == {OUT: 1}, "sent while away, and again after it: stored once"


async def test_what_is_published_while_nats_is_away_raises_unavailable_and_its_repetition_is_a_duplicate(
    mortal: Nats, make_worker: MakeWorker
) -> None:
    bus = await connected(make_worker(mortal.url))
    mortal.kill()
    await until(lambda: not bus.nc.is_connected)
    emit = order("a")
    publishing = asyncio.create_task(publish_patiently(bus, emit))
    await asyncio.sleep(0.1)
    await mortal.restart()
    await publishing
    assert (await bus.publish(emit)).duplicate
    assert (await bus.js.stream_info(STREAM)).state.messages == 1


async def test_an_ordered_reader_goes_on_within_two_seconds_without_gap_or_duplicate(
    mortal: Nats, make_worker: MakeWorker
) -> None:
    bus = await connected(make_worker(mortal.url))
    read: list[str] = []

    def take(record: Record) -> None:
        read.append(name_of(Alert.model_validate_json(record.data)))

    reader = OrderedReader(bus, STREAM, ["alert.raised.*"], take, start=Start.all())
    await reader.start()
    sent: list[str] = []
    stop = asyncio.Event()

    async def publish() -> None:
        while not stop.is_set():
            sent.append(f"{len(sent)}")
            await publish_patiently(bus, order(sent[-1]))

    publishing = asyncio.create_task(publish())
    await until(lambda: len(read) > 200)
    await mortal.restart()
    await until(lambda: answers(bus))  # how fast the server starts is not ours
    before = len(read)
    with Watch() as watch:
        await until(lambda: len(read) > before)
    assert watch.quiet_s < 5, "nats-py's own ordered consumer stays blind for 8 seconds and more"
    await until(lambda: len(read) > before + 200)
    stop.set()
    await publishing
    await until(lambda: len(read) == len(sent))
    assert read == sent
    await reader.stop()


async def test_a_reader_of_what_is_new_misses_nothing_that_came_while_it_was_away(
    mortal: Nats, make_worker: MakeWorker
) -> None:
    other = await connected(make_worker(mortal.url))
    await other.publish(order("old"))
    bus = await connected(make_worker(mortal.url))
    read: list[str] = []
    reader = OrderedReader(
        bus, STREAM, ["alert.raised.*"], lambda r: read.append(name_of(Alert.model_validate_json(r.data)))
    )
    await reader.start()
    await bus.nc.force_reconnect()  # nothing was read yet
    for n in range(3):
        await other.publish(order(f"{n}"))
    await until(lambda: len(read) == 3)
    assert read == ["0", "1", "2"]
    await reader.stop()


@pytest.mark.parametrize("regrown", [5, 60])
async def test_a_reader_goes_on_where_a_stream_that_lost_its_newest_records_goes_on(
    regrown: int, mortal: Nats, make_worker: MakeWorker, tmp_path: Path
) -> None:
    """MARKET is stored without waiting for the disk, so sequences come back with other records.

    `regrown` records are there before the reader is: fewer than what it has read, and more.
    """
    copy = tmp_path / "MARKET"
    market = mortal.streams() / "MARKET"
    feed = await connected(make_worker(mortal.url))
    bus = await connected(make_worker(mortal.url))
    read: list[bytes] = []
    reader = OrderedReader(bus, MARKET.name, [TICK], lambda record: read.append(record.data), start=Start.all())
    await reader.start()
    await ticks(feed, "kept", 10)
    await until(lambda: len(read) == 10)
    await mortal.restart(meanwhile=lambda: shutil.copytree(market, copy))
    await until(lambda: feed.nc.is_connected and bus.nc.is_connected)
    await ticks(feed, "lost", 50)
    await until(lambda: len(read) >= 60)

    def put_back() -> None:
        shutil.rmtree(market)
        shutil.copytree(copy, market)

    async def cut() -> None:
        await mortal.restart(meanwhile=put_back)
        await ticks(feed, "new", regrown)

    bus.nc.options["reconnect_time_wait"] = 2  # this one comes back later than the feed
    await cut()
    await until(lambda: bus.nc.is_connected)
    await ticks(feed, "newest", 5)
    await until(lambda: read[-1:] == [b"newest 4"])
    assert [data.split()[0] for data in read] == [b"kept"] * 10 + [b"lost"] * 50 + [b"new"] * regrown + [b"newest"] * 5
    assert reader.last_sequence == (await bus.js.stream_info(MARKET.name)).state.last_seq
    await reader.stop()


async def ticks(bus: Bus, name: str, count: int) -> None:
    """Store so many ticks, each confirmed."""
    await until(lambda: bus.nc.is_connected)
    for n in range(count):
        while True:
            try:
                await bus.js.publish(TICK, f"{name} {n}".encode(), timeout=1, headers={"Nats-Msg-Id": f"{name} {n}"})
                break
            except NATS_RETRY:
                await asyncio.sleep(0.02)


async def test_a_reader_begins_anew_in_a_stream_that_was_made_anew(mortal: Nats, make_worker: MakeWorker) -> None:
    bus = await connected(make_worker(mortal.url))
    read: list[str] = []
    reader = OrderedReader(bus, STREAM, ["alert.raised.*"], lambda r: read.append(r.subject), start=Start.all())
    await reader.start()
    for n in range(5):
        await bus.publish(order(f"{n}"))
    await until(lambda: len(read) == 5)
    config = (await bus.js.stream_info(STREAM)).config
    await bus.js.delete_stream(STREAM)
    await bus.js.add_stream(config)
    await bus.publish(order("new", to="anew"))
    await until(lambda: len(read) == 6)
    assert read[-1] == "alert.raised.anew"
    await reader.stop()


async def test_a_mirror_follows_what_was_written_while_it_was_away(mortal: Nats, make_worker: MakeWorker) -> None:
    writer, reader = await connected(make_worker(mortal.url)), await connected(make_worker(mortal.url))
    await writer.kv_put(KV_CONFIG.name, "x.a", b"1")
    mirror: KvMirror[bytes] = KvMirror(reader, KV_CONFIG.name, lambda _, data: data, prefix="x.")
    await mirror.start()
    assert mirror.items() == {"x.a": b"1"}
    await mortal.restart()
    await until(lambda: writer.nc.is_connected)
    while True:
        try:
            await writer.kv_put(KV_CONFIG.name, "x.b", b"2")
            await writer.kv_delete(KV_CONFIG.name, "x.a")
            break
        except Unavailable:
            await asyncio.sleep(0.05)
    await until(lambda: mirror.items() == {"x.b": b"2"})
    await mirror.stop()
