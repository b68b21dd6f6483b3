"""Which partitions this process holds: leases taken, renewed, shared fairly among the copies, and given up."""

import asyncio
import logging
from collections.abc import Callable, Coroutine

from libs.runtime.ending import end
from services.executor.application.away import AWAY, LATER
from services.executor.application.desks import Desks
from services.executor.application.lease_terms import LeaseTerms
from services.executor.domain.shares import surplus, wanted
from services.executor.ports import Consumer, LeaseStore

BEAT_S = 1.0
PATIENCE_S = 5.0
log = logging.getLogger(__name__)


class Partitions:
    """A partition is held from its lease on; its consumer runs once its accounts are open."""

    def __init__(
        self,
        holder: str,
        leases: LeaseStore,
        terms: LeaseTerms,
        desks: Desks,
        consumer: Callable[[int], Consumer],
        ready: Callable[[], bool],
    ) -> None:
        self._holder = holder
        self._leases = leases
        self._terms = terms
        self._desks = desks
        self._consumer = consumer
        self._ready = ready
        self._fences: dict[int, int] = {}
        self._running: dict[int, Consumer] = {}
        self._moving: dict[int, asyncio.Task[None]] = {}

    @property
    def held(self) -> frozenset[int]:
        """Partitions whose messages are handled here."""
        return frozenset(self._running)

    async def run(self) -> None:
        """Renew each second, whatever else goes on; take and give up beside it."""
        while True:
            try:
                if self._ready():
                    await self._beat()
            except AWAY as error:
                log.warning("leases wait for MongoDB: %r", error)
            await asyncio.sleep(BEAT_S if self._ready() else 0.02)

    async def start(self) -> None:
        """Nothing: partitions are taken once the worker pulls."""

    async def stop(self) -> None:
        """Finish what is in flight and give everything back, so that another copy takes over at once."""
        await end(self._moving.values(), again_after=2.0)
        await asyncio.gather(*(self._give_up(p) for p in tuple(self._fences)), return_exceptions=True)
        try:
            await self._leases.leave(self._holder)
        except AWAY as error:
            log.warning("leases run out by themselves: %r", error)

    async def _beat(self) -> None:
        live = await self._leases.beat(self._holder)
        asked = self._terms.now()
        kept = await self._leases.renew(self._fences, self._holder)
        self._terms.renewed(kept, asked + self._leases.ttl_s)
        for partition in set(self._fences) - kept:
            log.warning("partition %d was taken by another copy", partition)
            self._move(partition, self._lose(partition))
        settled = self._fences.keys() - self._moving.keys()
        for partition in surplus(settled, live):
            self._move(partition, self._give_up(partition))
        free = set(await self._leases.free(self._holder)) - self._fences.keys() - self._moving.keys()
        for partition in wanted(free, len(self._fences), live):
            self._move(partition, self._take(partition))

    def _move(self, partition: int, work: Coroutine[object, object, None]) -> None:
        running = self._moving.get(partition)
        if running is not None:
            work.close()
            return
        task = asyncio.create_task(work, name=f"partition-{partition}")
        self._moving[partition] = task
        task.add_done_callback(lambda done: self._moved(partition, done))

    def _moved(self, partition: int, task: asyncio.Task[None]) -> None:
        del self._moving[partition]
        if not task.cancelled() and task.exception() is not None:
            log.error("partition %d could not be moved", partition, exc_info=task.exception())
            if partition in self._fences:  # held without being served: let the lease run out, so that somebody tries
                self._move(partition, self._lose(partition))

    async def _take(self, partition: int) -> None:
        asked = self._terms.now()
        fence = await self._leases.acquire(partition, self._holder)
        if fence is None:
            return
        self._fences[partition] = fence
        self._terms.taken(partition, asked + self._leases.ttl_s)
        try:
            await self._desks.open(partition, fence)
        except LATER as error:
            log.warning("partition %d is given back: %r", partition, error)
            await self._desks.close(partition, patience=0)
            del self._fences[partition]
            return
        consumer = self._consumer(partition)
        await consumer.start()
        self._running[partition] = consumer

    async def _lose(self, partition: int) -> None:
        """The lease is another's, or runs out. A fencing number keeps our writes out: all that is left is to stop."""
        self._fences.pop(partition, None)
        await self._quit(partition, patience=0)

    async def _give_up(self, partition: int) -> None:
        """Stop pulling, finish the message in hand, then release: whoever takes over finds nothing half done."""
        await self._quit(partition, patience=PATIENCE_S)
        fence = self._fences.pop(partition, None)
        if fence is not None:
            await self._leases.release(partition, self._holder, fence)

    async def _quit(self, partition: int, *, patience: float) -> None:
        consumer = self._running.pop(partition, None)
        if consumer is not None:
            await consumer.stop()
        await self._desks.close(partition, patience=patience)
