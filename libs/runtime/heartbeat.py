"""Heartbeats of a message in hand, so that a handler may take longer than the durable's ack_wait."""

import asyncio
from collections.abc import Awaitable, Callable

HEARTBEAT_S = 1.0


class Heartbeat:
    """Says each second that the message is being worked on, until `stop`."""

    def __init__(self, say: Callable[[], Awaitable[None]]) -> None:
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Future[None] | None = None
        self._timer = self._loop.call_later(HEARTBEAT_S, self._beat)

    def _beat(self) -> None:
        self._task = asyncio.ensure_future(self._say())
        self._timer = self._loop.call_later(HEARTBEAT_S, self._beat)

    def stop(self) -> None:
        self._timer.cancel()
