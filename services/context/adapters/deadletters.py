"""Bad ticks on their way to the dead letters, by a bounded queue: the intake never waits."""

import asyncio
import logging

import nats.js.errors

from libs.runtime.bus import Bus
from libs.runtime.clock import Clock
from libs.runtime.deadletters import CONTEXT_TICKS, dead_letter_of_tick
from libs.runtime.errors import Unavailable
from libs.runtime.ticks import BadTick
from libs.schemas import subjects
from libs.schemas.dead import DeadLetter
from services.context.metrics import Metrics

_BATCH = 100
_AWAY_S = 1.0
log = logging.getLogger(__name__)


class DeadTicks:
    """Takes bad ticks at once and publishes them in the background; what does not fit is counted and dropped."""

    def __init__(self, bus: Bus, clock: Clock, metrics: Metrics, size: int) -> None:
        self._bus = bus
        self._clock = clock
        self._metrics = metrics
        self._queue: asyncio.Queue[BadTick] = asyncio.Queue(size)
        self._known = 0

    async def skip_known(self, last_sequence: int) -> None:
        """Put nothing aside twice: ticks are read again at a start, and ids are only remembered for minutes.

        `last_sequence` is MARKET's: a position beyond it belongs to a stream that is gone.
        """
        try:
            found = await self._bus.js.get_last_msg(
                subjects.DEAD.name, subjects.dead(subjects.MARKET.name, CONTEXT_TICKS), direct=True
            )
        except nats.js.errors.NotFoundError:
            return
        known = DeadLetter.model_validate_json(found.data or b"").sequence
        self._known = known if known <= last_sequence else 0

    def take(self, bad: BadTick) -> None:
        if bad.record.sequence <= self._known:
            return
        try:
            self._queue.put_nowait(bad)
        except asyncio.QueueFull:
            self._metrics.dead_letters.labels("dropped").inc()

    async def drain(self) -> None:
        """Publish for ever."""
        while True:
            batch = [await self._queue.get()]
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._publish(batch)

    async def _publish(self, batch: list[BadTick]) -> None:
        now = self._clock.now()
        while True:
            try:
                await self._bus.publish_many([dead_letter_of_tick(bad, now) for bad in batch])
            except Unavailable as error:
                log.warning("%d dead letters wait for NATS: %r", len(batch), error)
                await asyncio.sleep(_AWAY_S)
            else:
                self._metrics.dead_letters.labels("stored").inc(len(batch))
                return
