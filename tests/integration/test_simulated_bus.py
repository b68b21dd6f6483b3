"""The simulated JetStream does what the real one does, so that no simulation is kinder than the server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Protocol

import nats.errors
import pytest
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig

from cli.connection import connected
from libs.runtime.bus import Bus
from libs.runtime.delivered import delivery_of
from libs.runtime.emit import Emit
from libs.runtime.envelope import headers
from libs.runtime.errors import Conflict
from libs.runtime.position import Start
from libs.runtime.provision import provision_nats
from libs.runtime.reader import OrderedReader
from libs.schemas import ids, subjects
from libs.schemas.names import key_of
from libs.schemas.topology import Durable
from simulation.faults import FaultPlan
from simulation.jetstream import JetStreamServer, LoggedMessage, WaitingPuller
from simulation.loop import SimulatedLoop
from simulation.process import BEGINS, SimulatedWorld
from tests import builders
from tests.pace import PATIENCE_S

pytestmark = pytest.mark.integration
TRIED = Durable("tried", "REQUESTS", ("decision.requested.*",), max_ack_pending=2, max_deliver=2, ack_wait_s=1)
SOON_S, LATER_S = 0.3, 2.5  # before and well after a second for an acknowledgement
BUCKET = subjects.KV_LEASE.name


def asked(name: str, account: str = "a") -> Emit:
    return Emit(subjects.decision_requested(key_of(account)), builders.request(name, account_id=account))


class LogBench(Protocol):
    async def publish(self, emit: Emit, last: int | None = None) -> tuple[int, bool]: ...
    async def put(self, key: str, last: int | None) -> int: ...
    async def fetch(self, count: int, wanted: int) -> list[tuple[int, int]]:
        """Sequences and deliveries of what `tried` gives: waits for `wanted`, and a moment for more of the `count`."""

    async def ack(self, sequence: int) -> None: ...
    async def nak(self, sequence: int, delay: float) -> None: ...
    async def subjects_of(self, stream: str, count: int) -> list[str]:
        """Of all that it holds, once that are so many."""


class RealBench:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._held: dict[int, Msg] = {}

    async def publish(self, emit: Emit, last: int | None = None) -> tuple[int, bool]:
        stored = await self._bus.publish(emit, last=last)
        return stored.seq, bool(stored.duplicate)

    async def put(self, key: str, last: int | None) -> int:
        return await self._bus.kv_put(BUCKET, key, b"x", last=last)

    async def fetch(self, count: int, wanted: int) -> list[tuple[int, int]]:
        puller = await self._bus.js.pull_subscribe_bind(TRIED.name, TRIED.stream)
        found: list[Msg] = []
        try:
            while len(found) < count:
                missing = wanted - len(found)
                patience = PATIENCE_S if missing > 0 else SOON_S
                found += await puller.fetch(missing if missing > 0 else count - len(found), timeout=patience)
        except nats.errors.TimeoutError:
            pass
        await puller.unsubscribe()
        deliveries = [delivery_of(message) for message in found]
        self._held |= {one.sequence: message for one, message in zip(deliveries, found, strict=True)}
        return [(one.sequence, one.deliveries) for one in deliveries]

    async def ack(self, sequence: int) -> None:
        await self._held[sequence].ack_sync()

    async def nak(self, sequence: int, delay: float) -> None:
        await self._held[sequence].nak(delay=delay)

    async def subjects_of(self, stream: str, count: int) -> list[str]:
        seen: list[str] = []
        reader = OrderedReader(self._bus, stream, [">"], lambda one: seen.append(one.subject), start=Start.all())
        await reader.start()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await reader.reached(count)
        finally:
            await reader.stop()
        return sorted(seen)


class SimulatedBench:
    def __init__(self, server: JetStreamServer) -> None:
        self._server = server
        self._durable = server.durable(TRIED)
        self._came: list[tuple[int, int]] = []

    async def publish(self, emit: Emit, last: int | None = None) -> tuple[int, bool]:
        data = emit.body.model_dump_json(exclude_none=True).encode()
        stored = self._server.publish(emit.subject, headers(emit, "test", BEGINS), data, last)
        return stored.seq, stored.duplicate

    async def put(self, key: str, last: int | None) -> int:
        return self._server.buckets[BUCKET].put(key, b"x", last)

    async def fetch(self, count: int, wanted: int) -> list[tuple[int, int]]:
        puller = WaitingPuller(self._take, count)
        self._durable.pullers.append(puller)
        self._durable.serve()
        async with asyncio.timeout(PATIENCE_S):
            while len(self._came) < wanted:  # noqa: ASYNC110 - its time is a number, and runs by such sleeps
                await asyncio.sleep(SOON_S)
        await asyncio.sleep(SOON_S)
        self._durable.pullers.remove(puller)
        came, self._came = self._came, []
        return came

    async def ack(self, sequence: int) -> None:
        self._durable.ack(sequence)

    async def nak(self, sequence: int, delay: float) -> None:
        self._durable.nak(sequence, delay)

    async def subjects_of(self, stream: str, count: int) -> list[str]:
        await asyncio.sleep(SOON_S)
        return sorted(self._server.streams[stream].newest)

    def _take(self, message: LoggedMessage, deliveries: int) -> None:
        self._came.append((message.sequence, deliveries))


async def an_id_is_stored_once(bench: LogBench) -> None:
    first, again, other = [await bench.publish(asked(name)) for name in ("r1", "r1", "r2")]
    assert (first, again, other) == ((1, False), (1, True), (2, False))


async def the_newest_of_a_subject_may_be_demanded(bench: LogBench) -> None:
    assert await bench.publish(asked("r1"), last=0) == (1, False)
    assert await bench.publish(asked("r2", "b"), last=0) == (2, False)
    assert await bench.publish(asked("r3"), last=1) == (3, False)
    with pytest.raises(Conflict):
        await bench.publish(asked("r4"), last=1)


async def what_is_demanded_is_looked_at_before_what_is_known(bench: LogBench) -> None:
    await bench.publish(asked("r1"), last=0)
    with pytest.raises(Conflict):
        await bench.publish(asked("r1"), last=0)
    assert await bench.publish(asked("r1"), last=1) == (1, True)


async def a_key_is_written_over_the_revision_that_was_read(bench: LogBench) -> None:
    first = await bench.put("k", 0)
    second = await bench.put("k", first)
    for stale in (0, first):
        with pytest.raises(Conflict):
            await bench.put("k", stale)
    assert await bench.put("k", second) > second > first


async def what_is_not_acknowledged_comes_again_so_many_times(bench: LogBench) -> None:
    await bench.publish(asked("r1"))
    await bench.publish(asked("r2"))
    assert await bench.fetch(2, 2) == [(1, 1), (2, 1)]
    await bench.ack(1)
    assert await bench.fetch(2, 1) == [(2, 2)]
    await asyncio.sleep(LATER_S)
    assert await bench.fetch(2, 0) == []


async def only_so_many_are_out_at_once(bench: LogBench) -> None:
    for name in ("r1", "r2", "r3"):
        await bench.publish(asked(name))
    assert await bench.fetch(3, 2) == [(1, 1), (2, 1)]
    await bench.ack(1)
    await bench.ack(2)
    assert await bench.fetch(3, 1) == [(3, 1)]


async def what_is_handed_back_comes_again_after_its_delay(bench: LogBench) -> None:
    await bench.publish(asked("r1"))
    await bench.fetch(1, 1)
    await bench.nak(1, 0.1)
    assert await bench.fetch(1, 1) == [(1, 2)]


async def verdicts_are_taken_in_under_the_partition_of_their_account(bench: LogBench) -> None:
    for account in ("a", "sim-1"):
        await bench.publish(Emit(subjects.decision_validated(key_of(account)), builders.validated("d-" + account)))
    wanted = sorted(f"execute.{ids.partition(account)}.validated.{account}" for account in ("a", "sim-1"))
    assert await bench.subjects_of("EXECUTION", 2) == wanted


SCENARIOS: tuple[Callable[[LogBench], Awaitable[None]], ...] = (
    an_id_is_stored_once,
    the_newest_of_a_subject_may_be_demanded,
    what_is_demanded_is_looked_at_before_what_is_known,
    a_key_is_written_over_the_revision_that_was_read,
    what_is_not_acknowledged_comes_again_so_many_times,
    only_so_many_are_out_at_once,
    what_is_handed_back_comes_again_after_its_delay,
    verdicts_are_taken_in_under_the_partition_of_their_account,
)


@asynccontextmanager
async def real(nats_url: str) -> AsyncIterator[RealBench]:
    async with connected(nats_url) as bus:
        await provision_nats(bus.js)
        config = ConsumerConfig(
            durable_name=TRIED.name,
            filter_subjects=list(TRIED.filters),
            ack_wait=TRIED.ack_wait_s,
            max_deliver=TRIED.max_deliver,
            max_ack_pending=TRIED.max_ack_pending,
        )
        await bus.js.add_consumer(TRIED.stream, config)
        yield RealBench(bus)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_the_real_one(nats_url: str, scenario: Callable[[LogBench], Awaitable[None]]) -> None:
    async with real(nats_url) as bench:
        await scenario(bench)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_the_simulated_one(scenario: Callable[[LogBench], Awaitable[None]]) -> None:
    loop = SimulatedLoop(Random(1))

    async def course() -> None:
        await scenario(SimulatedBench(JetStreamServer(SimulatedWorld(loop, Random(1), FaultPlan(())))))

    loop.run_until_complete(course())
    loop.bury()
    loop.close()
