"""How far a process is behind its durables, looked up from time to time: what waits, and since when."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable

from nats.js.api import ConsumerInfo
from prometheus_client import CollectorRegistry, Gauge

from libs.runtime.bus import NATS_RETRY, Bus
from libs.schemas.topology import Durable

EVERY_S = 15.0
REMEMBERED = 5_760  # looks: a day of them
log = logging.getLogger(__name__)


class Age:
    """Since when the oldest message that is not done can have waited at most, to the length of a look.

    A look at which nothing waited, or whose newest message is done by now, came before all that still waits.
    """

    def __init__(self) -> None:
        self._looks: deque[tuple[int, float]] = deque(maxlen=REMEMBERED)
        self._clean: float | None = None

    def seconds(self, *, waiting: int, done: int, newest: int, now: float) -> float:
        """`waiting` messages; all up to the sequence `done` are; `newest` is the stream's last."""
        if not waiting:
            self._looks.clear()
            self._clean = now
            return 0.0
        self._looks.append((newest, now))
        while self._looks and self._looks[0][0] <= done:
            self._clean = self._looks.popleft()[1]
        if self._clean is None:
            self._clean = now
        return now - self._clean


class Lag:
    """Of the durables that this process pulls from. Copies of a worker tell the same of what they share."""

    def __init__(self, registry: CollectorRegistry, bus: Bus, durables: Callable[[], Iterable[Durable]]) -> None:
        self._bus, self._durables = bus, durables
        self._ages: dict[str, Age] = {}
        self._pending = Gauge(
            "perpetua_runtime_pending_messages", "Messages not delivered yet", ["durable"], registry=registry
        )
        self._in_hand = Gauge(
            "perpetua_runtime_unacknowledged_messages", "Delivered and not done yet", ["durable"], registry=registry
        )
        self._oldest = Gauge(
            "perpetua_runtime_oldest_unprocessed_seconds",
            "How long the oldest message that is not done has waited, to 15 s",
            ["durable"],
            registry=registry,
        )

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)  # a start asks for enough already
            try:
                await self.look()
            except NATS_RETRY as error:
                log.debug("the lag cannot be looked up: %r", error)

    async def look(self) -> None:
        newest: dict[str, int] = {}
        for durable in self._durables():
            info = await self._bus.js.consumer_info(durable.stream, durable.name)
            if durable.stream not in newest and (info.num_pending or info.num_ack_pending):
                newest[durable.stream] = (await self._bus.js.stream_info(durable.stream)).state.last_seq
            self._tell(durable.name, info, newest.get(durable.stream, 0), time.monotonic())

    def _tell(self, name: str, info: ConsumerInfo, newest: int, now: float) -> None:
        pending, in_hand = info.num_pending or 0, info.num_ack_pending or 0
        done = info.ack_floor.stream_seq if info.ack_floor else 0
        age = self._ages.setdefault(name, Age())
        self._pending.labels(name).set(pending)
        self._in_hand.labels(name).set(in_hand)
        self._oldest.labels(name).set(age.seconds(waiting=pending + in_hand, done=done, newest=newest, now=now))
