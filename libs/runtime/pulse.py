"""Whether a store answers now, asked each second: what /ready says of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from libs.runtime.ending import end

EVERY_S, PATIENCE_S = 1.0, 2.0
log = logging.getLogger(__name__)


class Pulse:
    """`ping` raises one of `away` while the store does not answer; slower than two seconds is no answer either."""

    def __init__(self, name: str, ping: Callable[[], Awaitable[object]], away: tuple[type[Exception], ...]) -> None:
        self._name = name
        self._ping = ping
        self._away: tuple[type[Exception], ...] = (TimeoutError, *away)
        self._task: asyncio.Task[None] | None = None
        self.beats = False

    async def start(self) -> None:
        """Does not wait for the store."""
        self._task = asyncio.create_task(self._watch(), name=f"pulse-{self._name}")

    async def stop(self) -> None:
        if self._task is not None:
            await end([self._task])

    async def _watch(self) -> None:
        while True:
            self._tell(await self._answers())
            await asyncio.sleep(EVERY_S)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._ping()
        except self._away:
            return False
        return True

    def _tell(self, beats: bool) -> None:
        if self.beats and not beats:
            log.warning("%s does not answer", self._name)
        self.beats = beats
