"""Bad ticks on their way to the dead letters, by a bounded queue: the intake never waits."""

import asyncio
import logging

import nats.js.errors

from libs.runtime.bus import Bus
from libs.runtime.clock import Clock
from libs.runtime.deadletters import CONTEXT_TICKS, MAX_BODY, dead_letter_of_tick
from libs.runtime.emit import Emit
from libs.runtime.errors import Unavailable
from libs.runtime.ticks import BadTick
from libs.schemas import subjects
from libs.schemas.dead import DeadLetter
from services.context.metrics import Metrics

_BATCH = 100
_AWAY_S = 1.0
_MAX_WAITING_BYTES = 32 * 1024 * 1024
log = logging.getLogger(__name__)


class DeadTicks:
    """Takes bad ticks at once and publishes them in the background; what does not fit is counted and dropped.

    `size` letters may wait, as long as their bodies hold no more than 32 MiB: what waits is the letter, which keeps the
    beginning of a large body alone.
    """

    def __init__(self, bus: Bus, clock: Clock, metrics: Metrics, size: int) -> None:
        self._bus = bus
        self._clock = clock
        self._metrics = metrics
        self._queue: asyncio.Queue[tuple[Emit, int]] = asyncio.Queue(size)
        self._waiting_bytes = 0
        self._dropped = 0
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
        size = min(len(bad.record.data), MAX_BODY)
        if self._queue.full() or self._waiting_bytes + size > _MAX_WAITING_BYTES:
            self._dropped += 1
            self._metrics.dead_letters.labels("dropped").inc()
            return
        self._waiting_bytes += size
        self._queue.put_nowait((dead_letter_of_tick(bad, self._clock.now()), size))

    async def drain(self) -> None:
        """Publish for ever."""
        while True:
            batch = [await self._queue.get()]
            while len(batch) < _BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._publish([letter for letter, _ in batch])
            self._waiting_bytes -= sum(size for _, size in batch)
            if self._dropped:
                log.warning("%d bad ticks were dropped: they came faster than they could be put aside", self._dropped)
                self._dropped = 0

    async def _publish(self, letters: list[Emit]) -> None:
        while True:
            try:
                await self._bus.publish_many(letters)
            except Unavailable as error:
                log.warning("%d dead letters wait for NATS: %r", len(letters), error)
                await asyncio.sleep(_AWAY_S)
            else:
                self._metrics.dead_letters.labels("stored").inc(len(letters))
                return
