"""Whether a store answers now, asked each second: what /ready says of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from libs.runtime.ending import end

EVERY_S, PATIENCE_S = 1.0, 2.0
log = logging.getLogger(__name__)


class Pulse:
    """`ping` raises one of `away` while the store does not answer; slower than two seconds is no answer either.

    A ping that is slow is not cancelled: it is waited for, and the store does not beat until it answers.
    """

    def __init__(self, name: str, ping: Callable[[], Awaitable[object]], away: tuple[type[Exception], ...]) -> None:
        self._name = name
        self._ping = ping
        self._away = away
        self._task: asyncio.Task[None] | None = None
        self._asked: asyncio.Task[None] | None = None
        self.beats = False

    async def start(self) -> None:
        """Does not wait for the store."""
        self._task = asyncio.create_task(self._watch(), name=f"pulse-{self._name}")

    async def stop(self) -> None:
        await end(task for task in (self._task, self._asked) if task is not None)

    async def _watch(self) -> None:
        while True:
            self._tell(await self._answers())
            await asyncio.sleep(EVERY_S)

    async def _answers(self) -> bool:
        asked = self._asked = self._asked or asyncio.create_task(_answer_to(self._ping))
        await asyncio.wait([asked], timeout=PATIENCE_S)
        if not asked.done():
            return False
        self._asked = None
        try:
            asked.result()
        except self._away:
            return False
        return True

    def _tell(self, beats: bool) -> None:
        if self.beats and not beats:
            log.warning("%s does not answer", self._name)
        self.beats = beats


async def _answer_to(ping: Callable[[], Awaitable[object]]) -> None:
    await ping()
