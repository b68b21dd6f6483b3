"""The ordered reader: every record once, in order, from where it was told to begin."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from nats.js.api import ConsumerInfo

from libs.runtime.bus import Bus
from libs.runtime.errors import Unavailable
from libs.runtime.reader import OrderedReader, Record, Start, read_all
from libs.schemas.subjects import MARKET
from tests.integration.runtime.conftest import until
from tests.integration.runtime.messages import OUT, STREAM, order

TICKS = ["market.tick.*"]


def reading(bus: Bus, into: list[int], *, start: Start | None = None) -> OrderedReader:
    return OrderedReader(bus, MARKET.name, TICKS, lambda record: into.append(int(record.data)), start=start)


async def ticks(bus: Bus, numbers: range, symbol: str = "BTCUSDT") -> None:
    for n in numbers:
        await bus.publish_fast(f"market.tick.{symbol}", b"%d" % n)
    await bus.nc.flush()


async def stored(bus: Bus, count: int) -> None:
    """Return when MARKET holds so many records."""

    async def there() -> bool:
        return (await bus.js.stream_info(MARKET.name)).state.messages == count

    await until(there)


@pytest.mark.slow
async def test_two_hundred_thousand_records_come_once_and_in_order(bus: Bus) -> None:
    count = 200_000
    seen, wrong = 0, 0
    done = asyncio.Event()

    def take(record: Record) -> None:
        nonlocal seen, wrong
        wrong += int(record.data[:8]) != seen
        seen += 1
        if seen == count:
            done.set()

    reader = OrderedReader(bus, MARKET.name, TICKS, take, start=Start.all())
    await reader.start()
    filler = b"." * 100
    for n in range(count):
        await bus.publish_fast("market.tick.BTCUSDT", b"%08d" % n + filler)
    await done.wait()
    assert wrong == 0
    assert reader.recreated == 0, "flow control keeps the server from sending more than is read"
    await reader.stop()


STARTS: dict[str, tuple[Callable[[int], Start], list[int]]] = {
    "all": (lambda first: Start.all(), [0, 1, 2, 3, 4, 5]),
    "new": (lambda first: Start.new(), [5]),
    "a sequence": (lambda first: Start.at(first + 2), [2, 3, 4, 5]),
    "a sequence to come": (lambda first: Start.at(first + 5), [5]),
    "the last of each subject": (lambda first: Start.last_per_subject(), [2, 4, 5]),
}


@pytest.mark.parametrize("case", STARTS)
async def test_reading_begins_where_it_was_told_to(case: str, bus: Bus) -> None:
    start, expected = STARTS[case]
    await ticks(bus, range(3))
    await ticks(bus, range(3, 5), "ETHUSDT")
    await stored(bus, 5)
    first = (await bus.js.stream_info(MARKET.name)).state.first_seq
    read: list[int] = []
    reader = reading(bus, read, start=start(first))
    await reader.start()
    await reader.caught_up()
    assert read == [n for n in expected if n < 5]
    await ticks(bus, range(5, 6), "SOLUSDT")
    await until(lambda: read == expected)
    assert reader.last_sequence == first + 5
    await reader.stop()


async def test_reading_begins_at_a_time(bus: Bus) -> None:
    await ticks(bus, range(3))
    await stored(bus, 3)
    await asyncio.sleep(0.02)
    since = datetime.now(UTC)
    await asyncio.sleep(0.02)
    await ticks(bus, range(3, 5))
    await stored(bus, 5)
    read: list[int] = []
    reader = reading(bus, read, start=Start.since(since))
    await reader.start()
    await reader.caught_up()
    assert read == [3, 4]
    await reader.stop()


async def test_a_reader_has_caught_up_only_when_everything_was_handed_on(bus: Bus) -> None:
    await ticks(bus, range(500))
    await stored(bus, 500)
    for _ in range(10):
        read: list[int] = []
        reader = reading(bus, read, start=Start.all())
        await reader.start()
        await reader.caught_up()
        assert len(read) == 500
        await reader.stop()


async def test_a_reader_catches_up_though_more_comes_all_the_time(bus: Bus) -> None:
    await ticks(bus, range(100))
    await stored(bus, 100)
    stop = asyncio.Event()

    async def publish() -> None:
        n = 100
        while not stop.is_set():
            await ticks(bus, range(n, n + 20))
            n += 20

    publishing = asyncio.create_task(publish())
    read: list[int] = []
    reader = reading(bus, read, start=Start.all())
    await reader.start()
    await reader.caught_up()
    stop.set()
    await publishing
    assert len(read) >= 100
    await reader.stop()


async def test_an_empty_stream_is_caught_up_at_once(bus: Bus) -> None:
    reader = reading(bus, [], start=Start.all())
    await reader.start()
    await reader.caught_up()
    await reader.stop()


async def test_whoever_waits_for_a_sequence_goes_on_once_it_was_handed_on(bus: Bus) -> None:
    seen: list[int] = []
    reader = reading(bus, seen)
    await reader.start()
    try:
        first, last = reader.last_sequence + 1, reader.last_sequence + 3
        waiting = [asyncio.create_task(reader.reached(sequence)) for sequence in (first, last, last)]
        await ticks(bus, range(2))
        await waiting[0]
        await stored(bus, 2)
        await reader.reached(last - 1)
        assert not any(task.done() for task in waiting[1:])
        await ticks(bus, range(2, 3))
        await asyncio.gather(*waiting)
        assert seen == [0, 1, 2]
    finally:
        await reader.stop()


async def test_a_record_says_where_and_when_it_was_stored(bus: Bus) -> None:
    records: list[Record] = []
    reader = OrderedReader(bus, STREAM, [OUT], records.append, start=Start.all())
    await reader.start()
    sent = order("a", to="out")
    ack = await bus.publish(sent)
    await until(lambda: bool(records))
    (record,) = records
    assert (record.subject, record.sequence) == (OUT, ack.seq)
    assert record.headers and record.headers["Nats-Msg-Id"] == f"alert.raised:{sent.body.message_id()}"
    stored_at = datetime.fromtimestamp(record.timestamp_ns / 1e9, UTC)
    assert abs(datetime.now(UTC) - stored_at) < timedelta(seconds=5)
    await reader.stop()


async def only_consumer(bus: Bus) -> ConsumerInfo:
    (info,) = [info for info in await bus.js.consumers_info(MARKET.name) if info.config.deliver_subject]
    return info


async def test_a_gap_is_noticed_and_read_again(bus: Bus) -> None:
    read: list[int] = []
    reader = reading(bus, read, start=Start.all())
    await reader.start()
    await ticks(bus, range(3))
    await until(lambda: read == [0, 1, 2])
    inbox = str((await only_consumer(bus)).config.deliver_subject)
    await bus.nc.publish(
        inbox, b"", headers={"Nats-Last-Consumer": "5"}
    )  # a heartbeat: two records were lost on the way
    await ticks(bus, range(3, 6))
    await until(lambda: len(read) >= 6 and reader.recreated == 1)
    await ticks(bus, range(6, 7))
    await until(lambda: len(read) >= 7)
    assert read == [0, 1, 2, 3, 4, 5, 6]
    await reader.stop()


async def test_a_consumer_that_was_deleted_is_made_again_when_its_heartbeats_stop(bus: Bus) -> None:
    read: list[int] = []
    reader = reading(bus, read)
    await reader.start()
    await ticks(bus, range(2))
    await until(lambda: read == [0, 1])
    await bus.js.delete_consumer(MARKET.name, (await only_consumer(bus)).name)
    await ticks(bus, range(2, 4))
    await until(lambda: read == [0, 1, 2, 3])
    await reader.stop()


async def test_a_callback_that_fails_is_said_and_reading_goes_on(bus: Bus, caplog: pytest.LogCaptureFixture) -> None:
    read: list[int] = []

    def take(record: Record) -> None:
        if record.data == b"1":
            raise ArithmeticError("not this one")
        read.append(int(record.data))

    reader = OrderedReader(bus, MARKET.name, TICKS, take, start=Start.all())
    await reader.start()
    await ticks(bus, range(3))
    await until(lambda: read == [0, 2])
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ArithmeticError]
    await reader.stop()


async def test_a_reader_that_stopped_leaves_no_consumer_and_no_subscription(bus: Bus) -> None:
    await bus.js.account_info()  # the client's own subscription for answers
    before = len(bus.nc._subs)
    reader = reading(bus, [])
    await reader.start()
    await reader.stop()
    await reader.stop()

    async def gone() -> bool:
        return not [info for info in await bus.js.consumers_info(MARKET.name) if info.config.deliver_subject]

    await until(gone)
    assert len(bus.nc._subs) == before


async def test_a_stream_is_read_to_its_end_and_left(bus: Bus) -> None:
    await ticks(bus, range(50))
    await stored(bus, 50)
    read: list[int] = []
    await read_all(bus, MARKET.name, TICKS, lambda record: read.append(int(record.data)), start=Start.all())
    assert read == list(range(50))
    await ticks(bus, range(50, 60))
    await stored(bus, 60)
    assert read == list(range(50)), "it does not go on"


async def test_a_stream_that_is_not_there_is_unavailable_to_whoever_reads_it_whole(bus: Bus) -> None:
    with pytest.raises(Unavailable, match="NOSUCH cannot be read"):
        await read_all(bus, "NOSUCH", ["x"], lambda record: None, start=Start.all())


async def test_a_server_that_says_nothing_is_given_up_and_one_that_goes_on_is_not(bus: Bus) -> None:
    """Time counts from the last record: however long a log is, it is read while records come."""
    await ticks(bus, range(20))
    await stored(bus, 20)
    read: list[int] = []

    def slowly(record: Record) -> None:
        read.append(int(record.data))
        time.sleep(0.05)

    await read_all(bus, MARKET.name, TICKS, slowly, start=Start.all(), patience_s=0.5)
    assert read == list(range(20)), "a second in all"
    with pytest.raises(Unavailable, match=r"MARKET cannot be read: nothing came for 0\.0001 s"):
        await read_all(bus, MARKET.name, TICKS, slowly, start=Start.all(), patience_s=0.0001)
