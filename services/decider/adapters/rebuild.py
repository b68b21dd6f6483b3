"""The counters of the budgets made anew from the log, after Redis has lost them. One worker does it, under a lease."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Protocol

import orjson

from libs.runtime.bus import NATS_RETRY, Bus
from libs.runtime.clock import Clock
from libs.runtime.ending import end
from libs.runtime.errors import Unavailable
from libs.runtime.position import Start
from libs.runtime.reader import Record, read_all
from libs.schemas import subjects
from services.decider.adapters.scripts import Scripts
from services.decider.domain.spending import DAY_S, HOUR_S, Spending
from services.decider.ports import StoreAway

LEASE_S = 10.0
RENEW_S = 2.0
TURN_S = 0.1
OTHERS_S = 2.0  # each worker reports its calls under way within its watch's second
AWAY: tuple[type[Exception], ...] = (Unavailable, TimeoutError, *NATS_RETRY)
log = logging.getLogger(__name__)


class SpendingLog(Protocol):
    """Where past calls are recorded. Both raise what AWAY names."""

    async def contexts_in_hand(self) -> int:
        """Contexts that any worker holds at this moment."""
        ...

    async def read(self, spending: Spending) -> None:
        """Add every proposal since `spending.day_begins`."""
        ...


class Rebuild:
    """`begin` starts it in the background; it ends when the counters are there, made by whichever worker."""

    def __init__(
        self, scripts: Scripts, source: SpendingLog, clock: Clock, fresh: Callable[[int], Spending], *, holder: str
    ) -> None:
        self._scripts, self._source, self._clock, self._fresh = scripts, source, clock, fresh
        self.holder = holder
        self._task: asyncio.Task[None] | None = None
        self._waiting = 0

    def begin(self, held: int) -> None:
        """`held`: calls of this worker that are under way."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(held), name="rebuild-budgets")

    async def wait(self, seconds: float) -> None:
        """Until it has ended, or for so long."""
        if self._task is None:
            return
        self._waiting += 1
        try:
            await asyncio.wait([self._task], timeout=seconds)
        finally:
            self._waiting -= 1

    async def start(self) -> None:
        """A fresh Redis has no counters either: they are there before the first context, if that is soon."""
        self.begin(0)
        if self._task is not None:
            await asyncio.wait([self._task], timeout=LEASE_S)

    async def stop(self) -> None:
        if self._task is not None:
            await end([self._task])

    async def _run(self, held: int) -> None:
        said = ""
        while True:
            try:
                if await self._turn(held):
                    return
            except StoreAway:
                return  # the watch begins again when Redis is back
            except AWAY as error:
                if repr(error) != said:
                    said = repr(error)
                    log.warning("the budgets cannot be read from the log yet: %s", said)
            await asyncio.sleep(TURN_S)

    async def _turn(self, held: int) -> bool:
        """Whether the counters are there now."""
        if (await self._scripts.run("state", {}))["epoch"]:
            return True
        if not await self._scripts.lease("rebuilder", self.holder, LEASE_S):
            return False
        if await self._source.contexts_in_hand() > held + self._waiting:
            await asyncio.sleep(OTHERS_S)
        spending = self._fresh(int(self._clock.wall().timestamp()))
        await self._read(spending)
        answer = await self._scripts.run("restore", _restore(spending, self.holder))
        if answer["restored"]:
            log.info("the budgets' counters are made from the log: %d calls of this day", len(spending.seen))
        return bool(answer["restored"])

    async def _read(self, spending: Spending) -> None:
        reading = asyncio.create_task(self._source.read(spending))
        try:
            while not (await asyncio.wait([reading], timeout=RENEW_S))[0]:
                await self._scripts.lease("rebuilder", self.holder, LEASE_S)
            reading.result()
        finally:
            await end([reading])


class NatsProposals:
    """The proposals of the stream DECISIONS; when each was stored is the server's time."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def contexts_in_hand(self) -> int:
        durables = (subjects.DECIDER_CONTEXTS, subjects.DECIDER_SHADOWS)
        found = [await self._bus.js.consumer_info(each.stream, each.name) for each in durables]
        return sum(info.num_ack_pending or 0 for info in found)

    async def read(self, spending: Spending) -> None:
        def add(record: Record) -> None:
            try:
                spending.add(orjson.loads(record.data), record.timestamp_ns // 1_000_000_000)
            except (KeyError, TypeError, ValueError) as error:
                log.warning("DECISIONS:%d is not counted: %r", record.sequence, error)

        start = Start.since(datetime.fromtimestamp(spending.day_begins, UTC))
        await read_all(self._bus, subjects.DECISIONS.name, [subjects.decision_proposed("*")], add, start=start)


def _restore(spending: Spending, holder: str) -> dict[str, object]:
    return {
        "holder": holder,
        "day": spending.at // DAY_S,
        "hour": spending.at // HOUR_S,
        "spent": [{"id": scope, **asdict(counters)} for scope, counters in spending.scopes.items()],
        "seen": dict.fromkeys(spending.seen, True),
    }
