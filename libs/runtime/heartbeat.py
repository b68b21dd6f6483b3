"""Heartbeats of a message in hand, so that a handler may take longer than the durable's ack_wait."""

import asyncio
import logging

import nats.errors
from nats.aio.msg import Msg

HEARTBEAT_S = 1.0
log = logging.getLogger(__name__)


class Heartbeat:
    """Tells the server each second that the message is being worked on, until `stop`."""

    def __init__(self, raw: Msg) -> None:
        self._raw = raw
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(HEARTBEAT_S, self._beat)

    def _beat(self) -> None:
        self._task = self._loop.create_task(self._say())
        self._timer = self._loop.call_later(HEARTBEAT_S, self._beat)

    async def _say(self) -> None:
        if self._raw.is_acked:
            return
        try:
            await self._raw.in_progress()
        except nats.errors.Error as error:  # the next second tries again
            log.debug("no heartbeat: %r", error)

    def stop(self) -> None:
        self._timer.cancel()
