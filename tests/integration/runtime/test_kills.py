"""A worker that is told to stop while NATS dies and comes back ends, at whatever moment: it waits for nobody for ever.

PERPETUA_LONG=1 takes 200 kills.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random

import pytest
from faststream.nats import NatsRouter

from libs.runtime.bus import NATS_RETRY, Bus
from libs.runtime.delivery import consume
from libs.runtime.emit import Emit
from libs.runtime.ending import together
from libs.runtime.errors import Unavailable
from libs.runtime.mirror import KvMirror
from libs.runtime.worker import Worker
from libs.schemas.analytics import Alert
from libs.schemas.subjects import KV_CONFIG
from tests.forms import sized
from tests.integration.runtime.conftest import MakeWorker, until
from tests.integration.runtime.messages import INBOX, ORDERED, STREAM, order, result
from tests.integration.runtime.servers import Nats, own_nats
from tests.servers import Urls

SERVERS, ROUNDS = sized((2, 2), (4, 50))
ASKING = 5
ASK_S = 0.2  # whoever asks for longer waits for an answer that was lost with the server, and asks no more
LATEST_S = 2.0  # a client has reconnected by then


@dataclass
class Figures:
    """What the rounds showed. `swallowed`: tasks that went on after they had been cancelled."""

    stops: list[float] = field(default_factory=list)
    away: int = 0
    swallowed: int = 0
    answers: int = 0

    def told(self) -> str:
        stops = sorted(self.stops)
        return (
            f"{len(stops)} kills and stops, {self.away} of them while the connection was away; {self.answers} answers, "
            f"{self.swallowed} cancellations swallowed; a stop took {stops[len(stops) // 2]:.2f} s, "
            f"the longest {stops[-1]:.2f} s"
        )


def busy(worker: Worker, figures: Figures) -> Worker:
    """With everything that goes through requests: handlers, a partition, a mirror, and loops that only ask."""
    bus = worker.bus

    async def handle(body: Alert) -> Emit:
        await bus.kv_get(KV_CONFIG.name, "x.a")
        return result(body)

    async def ask() -> None:
        task = asyncio.current_task()
        assert task is not None
        told = False
        js = bus.nc.jetstream(timeout=ASK_S)
        while True:
            if task.cancelling() and not told:
                told = True
                figures.swallowed += 1
            try:
                await js.stream_info(STREAM)
                figures.answers += 1
            except NATS_RETRY:
                await asyncio.sleep(0.01)

    router = NatsRouter()
    consume(router, INBOX, handle, concurrency=2)
    worker.include(router)
    worker.add(KvMirror(bus, KV_CONFIG.name, lambda _, data: data))
    worker.add(worker.partition_consumer(ORDERED, handle))
    for n in range(ASKING):
        worker.background(f"ask-{n}", ask)
    return worker


async def give(bus: Bus, name: str) -> None:
    """Something to do; what cannot be stored now is not needed."""
    for n in range(5):
        try:
            await bus.publish(order(f"{name}-{n}", to="ordered" if n % 2 else "in"))
        except Unavailable:
            return


async def kill_and_stop(server: Nats, worker: Worker, figures: Figures, chance: Random) -> None:
    await worker.start()
    before = figures.answers
    await until(lambda: figures.answers > before + ASKING)
    giving = asyncio.create_task(give(worker.bus, worker.settings.instance))
    restarting = asyncio.create_task(server.restart(away_s=chance.choice((0, 0, 0.5))))
    await asyncio.sleep(chance.uniform(0, LATEST_S))  # the moment is what is tried out
    figures.away += not worker.bus.nc.is_connected
    begun = time.monotonic()
    await worker.stop()
    figures.stops.append(time.monotonic() - begun)
    await giving
    await restarting


@pytest.fixture
def several(servers: Urls) -> Iterator[list[Nats]]:
    """Servers that this test may kill."""
    with ExitStack() as stack:
        yield [stack.enter_context(own_nats(servers)) for _ in range(SERVERS)]


@pytest.mark.slow
@pytest.mark.timeout(60 * ROUNDS + 180)
async def test_a_stop_ends_at_whatever_moment_nats_is_killed(several: list[Nats], make_worker: MakeWorker) -> None:
    figures = Figures()

    async def rounds(server: Nats, chance: Random) -> None:
        for _ in range(ROUNDS):
            await kill_and_stop(server, busy(make_worker(server.url), figures), figures, chance)

    await together(*(rounds(server, Random(seed)) for seed, server in enumerate(several)))
    print(f"\n{figures.told()}")
    assert len(figures.stops) == SERVERS * ROUNDS
    assert figures.answers > SERVERS * ROUNDS
