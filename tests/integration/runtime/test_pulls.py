"""How a durable is pulled from: without stalls, in order where order is asked for, and never more than what is handled.

The defects of the client that docs/bus.md lists under "Pulls".
"""

import asyncio
import time

from faststream.nats import NatsRouter

from libs.runtime.bus import Bus
from libs.runtime.delivery import consume
from libs.runtime.pull import Pull
from libs.schemas.analytics import Alert
from tests.integration.runtime.conftest import MakeWorker, connected, until
from tests.integration.runtime.messages import INBOX, ORDERED, STREAM, name_of, order
from tests.integration.runtime.servers import Nats
from tests.pace import quiet


async def test_messages_that_trickle_in_are_taken_without_a_stall(url: str, bus: Bus, make_worker: MakeWorker) -> None:
    taken: dict[str, float] = {}

    async def take(body: Alert) -> None:
        taken[name_of(body)] = time.monotonic()

    worker, router = make_worker(url), NatsRouter()
    consume(router, INBOX, take)
    worker.include(router)
    await worker.start()
    waits = []
    for n in range(60):  # about two seconds: beyond the end of a pull request, twice
        await asyncio.sleep(0.03 + 0.001 * (n % 10))
        await bus.publish(order(f"{n}"))
        published = time.monotonic()
        await until(lambda n=n: f"{n}" in taken)
        waits.append(taken[f"{n}"] - published)
    waits.sort()
    assert quiet(waits[len(waits) // 2]) < 0.05
    assert quiet(waits[-1]) < 0.5


async def test_a_partition_keeps_its_order_over_two_workers_without_stalling(
    url: str, bus: Bus, make_worker: MakeWorker
) -> None:
    order_of: list[int] = []
    in_hand = most = 0

    async def take(body: Alert) -> None:
        nonlocal in_hand, most
        in_hand += 1
        most = max(most, in_hand)
        await asyncio.sleep(0.002)
        order_of.append(int(name_of(body)))
        in_hand -= 1

    for n in range(60):
        await bus.publish(order(f"{n}", to="ordered"))
    for _ in range(2):
        worker, router = make_worker(url), NatsRouter()
        consume(router, ORDERED, take)
        worker.include(router)
        await worker.start()
    begun = time.monotonic()
    await until(lambda: len(order_of) == 60)
    assert order_of == list(range(60))
    assert most == 1
    assert quiet(time.monotonic() - begun) < 20, "a batch beyond max_ack_pending would wait a second for each message"


async def test_a_partition_waits_for_a_message_that_failed(url: str, bus: Bus, make_worker: MakeWorker) -> None:
    seen: list[str] = []

    async def fail_once(body: Alert) -> None:
        seen.append(name_of(body))
        if seen == ["0"]:
            raise LookupError("once")

    worker, router = make_worker(url), NatsRouter()
    consume(router, ORDERED, fail_once)
    worker.include(router)
    for n in range(3):
        await bus.publish(order(f"{n}", to="ordered"))
    await worker.start()
    await until(lambda: len(seen) == 4)
    assert seen == ["0", "0", "1", "2"]


async def test_handlers_run_as_many_at_once_as_was_said_and_nothing_is_fetched_ahead(
    url: str, bus: Bus, make_worker: MakeWorker
) -> None:
    running = 0
    go_on = asyncio.Event()

    async def hold(body: Alert) -> None:
        nonlocal running
        running += 1
        await go_on.wait()

    worker, router = make_worker(url), NatsRouter()
    consume(router, INBOX, hold, concurrency=3)
    worker.include(router)
    await worker.start()
    for n in range(8):
        await bus.publish(order(f"{n}"))

    async def three_are_out() -> bool:
        info = await bus.js.consumer_info(STREAM, INBOX.name)
        return (info.num_ack_pending, info.num_pending) == (3, 5)

    await until(three_are_out)
    assert running == 3
    go_on.set()
    await until(lambda: running == 8)


async def test_an_idle_durable_costs_a_few_messages_a_minute(url: str, bus: Bus, make_worker: MakeWorker) -> None:
    async def take(body: Alert) -> None:
        return None

    worker, router = make_worker(url), NatsRouter()
    consume(router, INBOX, take, concurrency=64)
    worker.include(router)
    await worker.start()
    before = worker.bus.nc.stats["out_msgs"]
    await asyncio.sleep(3)  # an interval to count in
    info = await bus.js.consumer_info(STREAM, INBOX.name)
    assert worker.bus.nc.stats["out_msgs"] - before <= 2
    assert info.num_waiting == 1, "one request holds all places"


async def test_a_durable_whose_server_forgot_the_request_is_asked_anew(
    url: str, bus: Bus, make_worker: MakeWorker
) -> None:
    """Its inbox is taken away behind its back: nothing is heard, and the server drops the request."""
    taken: list[str] = []

    async def take(body: Alert) -> None:
        taken.append(name_of(body))

    worker = make_worker(url)
    await worker.start()
    consumer = worker.partition_consumer(INBOX, take)
    await consumer.start()
    (pull,) = (sub for sub in worker.broker.subscribers if isinstance(sub, Pull))
    await pull.subscription.unsubscribe()
    await bus.publish(order("a"))
    await until(lambda: taken == ["a"])
    await consumer.stop()


async def test_requests_do_not_pile_up_while_nats_is_away(mortal: Nats, make_worker: MakeWorker) -> None:
    running: list[str] = []
    go_on = asyncio.Event()

    async def hold(body: Alert) -> None:
        running.append(name_of(body))
        await go_on.wait()

    bus = await connected(make_worker(mortal.url))
    worker, router = make_worker(mortal.url), NatsRouter()
    consume(router, INBOX, hold)
    worker.include(router)
    await worker.start()
    await mortal.restart(away_s=2)
    for n in range(6):
        await bus.publish(order(f"{n}"))
    await until(lambda: len(running) == 1)
    await asyncio.sleep(0.2)  # what would be sent for requests from before has been sent
    info = await bus.js.consumer_info(STREAM, INBOX.name)
    assert info.num_ack_pending == 1, "messages were sent ahead, and would wait here without heartbeats"
    go_on.set()
    await until(lambda: len(running) == 6)
    assert len(set(running)) == 6
