"""Alerts on their way to the bus, beside the calls that caused them."""

import asyncio
import logging
from collections.abc import Callable

from libs.runtime.bus import NATS_AWAY, Bus
from libs.runtime.emit import Emit
from libs.runtime.errors import Unavailable
from libs.schemas import subjects
from libs.schemas.analytics import Alert

AWAY: tuple[type[Exception], ...] = (Unavailable, *NATS_AWAY)
RETRY_S = 1.0
WAITING = 10_000  # a handful per account and day
log = logging.getLogger(__name__)


class Alerts:
    def __init__(self, bus: Bus, count: Callable[[], None]) -> None:
        self._bus, self._count = bus, count
        self._waiting: asyncio.Queue[Alert] = asyncio.Queue(WAITING)

    def add(self, alert: Alert) -> None:
        self._count()
        log.warning("%s", alert.message)
        if not self._waiting.full():
            self._waiting.put_nowait(alert)

    async def run(self) -> None:
        """Publish what was added, for ever; while the bus is away it waits."""
        while True:
            alert = await self._waiting.get()
            await self._publish(Emit(subjects.alert_raised(alert.account_id), alert))

    async def _publish(self, emit: Emit) -> None:
        while True:
            try:
                await self._bus.publish(emit)
            except AWAY:
                await asyncio.sleep(RETRY_S)
            else:
                return
