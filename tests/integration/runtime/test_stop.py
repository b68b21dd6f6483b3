"""A stop that loses nothing, and deaths that lose nothing either.

Rows of docs/bus.md: 8 (nothing that was fetched is stranded), 9 (the stop waits for handlers; cancelled work is not
acknowledged), 16 (one process, one signal).
"""

import asyncio
import signal
from collections import Counter

import pytest
from faststream.nats import NatsRouter

from libs.runtime.bus import Bus
from libs.runtime.connection import DRAIN_S
from libs.runtime.delivery import consume, delivered
from libs.runtime.emit import Emit
from libs.runtime.errors import Unavailable
from libs.runtime.worker import Worker
from libs.schemas.analytics import Alert
from libs.schemas.topology import Durable
from tests.integration.runtime.conftest import MakeWorker, StartProcess, until
from tests.integration.runtime.messages import INBOX, OUT, PATIENT, RESTLESS, STREAM, name_of, order, result
from tests.pace import Watch

Deliveries = dict[str, list[int]]


def collecting(
    worker: Worker, seen: Deliveries, *, seconds: float = 0, concurrency: int = 1, durable: Durable = INBOX
) -> Worker:
    """A worker whose handler notes each message's deliveries, and takes so long."""

    async def handle(body: Alert) -> Emit:
        seen.setdefault(name_of(body), []).append(delivered().deliveries)
        await asyncio.sleep(seconds)
        return result(body)

    router = NatsRouter()
    consume(router, durable, handle, concurrency=concurrency)
    worker.include(router)
    return worker


async def results(bus: Bus) -> int:
    state = (await bus.js.stream_info(STREAM, subjects_filter=OUT)).state
    return (state.subjects or {}).get(OUT, 0)


async def test_row_8_on_sigterm_work_in_hand_is_finished_and_another_copy_gets_the_rest_at_once(
    url: str, bus: Bus, make_worker: MakeWorker, start_process: StartProcess
) -> None:
    process = start_process("echo", url, TEST_SECONDS="0.5", TEST_COPIES="2", TEST_DURABLE=PATIENT.name)
    await process.ready()
    for n in range(12):
        await bus.publish(order(f"{n}", to="patient"))
    await process.said("handling")
    process.signal(signal.SIGTERM)
    seen: Deliveries = {}

    async def all_done() -> bool:
        return await results(bus) == 12

    with Watch() as watch:
        await collecting(make_worker(url), seen, durable=PATIENT).start()
        await until(all_done)
    assert watch.quiet_s < PATIENT.ack_wait_s, "nothing waited for its ack_wait"
    assert await process.ended() == 0
    messages = Counter(record["msg"] for record in process.records)
    assert messages["handling"] == messages["handled"] >= 1
    assert len(seen) == 12 - messages["handled"]
    info = await bus.js.consumer_info(STREAM, PATIENT.name)
    assert (info.num_ack_pending, info.num_pending) == (0, 0)


async def test_row_8_what_the_server_sends_while_a_consumer_stops_is_handed_back(
    url: str, bus: Bus, make_worker: MakeWorker
) -> None:
    seen: Deliveries = {}

    async def handle(body: Alert) -> None:
        seen.setdefault(name_of(body), []).append(delivered().deliveries)

    worker = make_worker(url)
    consumers = [worker.partition_consumer(RESTLESS, handle) for _ in range(4)]
    await worker.start()

    async def publish() -> None:
        for n in range(600):
            await bus.publish(order(f"{n}", to="restless"))

    publishing = asyncio.create_task(publish())
    stops = 0
    while not publishing.done():  # stop at any point of a pull
        await asyncio.gather(*(consumer.start() for consumer in consumers))
        await asyncio.sleep(0.001 * (stops % 7))
        await asyncio.gather(*(consumer.stop() for consumer in consumers))
        stops += 1
    await publishing
    await consumers[0].start()
    with Watch() as watch:
        await until(lambda: len(seen) == 600)
    assert watch.quiet_s < RESTLESS.ack_wait_s, "some messages lay in a consumer that had stopped"
    await consumers[0].stop()
    assert stops > 10


async def test_a_consumer_that_stops_and_starts_leaves_nothing_behind(url: str, make_worker: MakeWorker) -> None:
    async def handle(body: Alert) -> None:
        return None

    worker = make_worker(url)
    consumer = worker.partition_consumer(INBOX, handle)
    await worker.start()
    before = len(worker.bus.nc._subs)
    for _ in range(3):
        await consumer.start()
        await consumer.start()
        assert len(worker.broker.subscribers) == 1
        await consumer.stop()
        await consumer.stop()
    assert len(worker.bus.nc._subs) == before
    assert not worker.broker.subscribers


async def test_row_9_a_stop_waits_for_the_handler_and_acknowledges_its_work(
    url: str, bus: Bus, make_worker: MakeWorker
) -> None:
    seen: Deliveries = {}
    worker = collecting(make_worker(url), seen, seconds=0.4)
    await worker.start()
    await bus.publish(order("a"))
    await until(lambda: bool(seen))
    await worker.stop()
    assert await results(bus) == 1
    info = await bus.js.consumer_info(STREAM, INBOX.name)
    assert (info.num_ack_pending, info.num_redelivered) == (0, 0)


async def test_row_9_work_that_outlasts_the_grace_is_not_acknowledged_and_is_delivered_again(
    url: str, bus: Bus, make_worker: MakeWorker
) -> None:
    ends: list[str] = []

    async def endless(body: Alert) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    worker, router = make_worker(url, grace=0.2), NatsRouter()
    consume(router, INBOX, endless)
    worker.include(router)
    await worker.start()
    await bus.publish(order("a"))

    async def in_hand() -> bool:
        return bool((await bus.js.consumer_info(STREAM, INBOX.name)).num_ack_pending == 1)

    await until(in_hand)
    await worker.stop()
    await until(lambda: ends == ["cancelled"])
    assert await in_hand(), "it was not acknowledged"
    seen: Deliveries = {}
    await collecting(make_worker(url), seen).start()
    await until(lambda: seen == {"a": [2]})


async def test_a_message_that_waits_for_a_dependency_is_handed_back_at_a_stop(
    url: str, bus: Bus, make_worker: MakeWorker
) -> None:
    asked = asyncio.Event()

    async def away(body: Alert) -> None:
        asked.set()
        raise Unavailable("down")

    worker, router = make_worker(url), NatsRouter()
    consume(router, PATIENT, away)
    worker.include(router)
    await worker.start()
    await bus.publish(order("a", to="patient"))
    await asked.wait()
    seen: Deliveries = {}
    with Watch() as watch:
        await worker.stop()
        await collecting(make_worker(url), seen, durable=PATIENT).start()
        await until(lambda: bool(seen))
    assert watch.quiet_s < PATIENT.ack_wait_s, "it did not wait for its ack_wait"
    assert seen == {"a": [2]}


async def test_a_worker_killed_with_a_message_in_hand_loses_nothing_and_gives_one_result(
    url: str, bus: Bus, start_process: StartProcess
) -> None:
    killed = start_process("echo", url, PERPETUA_FAILPOINT="test.in_hand")
    await killed.ready()
    await bus.publish(order("a"))
    assert await killed.ended() == -signal.SIGKILL
    other = start_process("echo", url)
    handling = await other.said("handling")
    assert handling["deliveries"] == 2
    await other.said("handled")

    async def done() -> bool:
        return bool((await bus.js.consumer_info(STREAM, INBOX.name)).num_ack_pending == 0)

    await until(done)
    assert await results(bus) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_worker_ends_with_code_0_at_once(
    number: signal.Signals, url: str, start_process: StartProcess
) -> None:
    process = start_process("echo", url)
    await process.ready()
    with Watch() as watch:
        process.signal(number)
        assert await process.ended() == 0
    assert watch.quiet_s < DRAIN_S
    assert not [record for record in process.records if record["level"] in ("ERROR", "CRITICAL")]
