"""The log as the gateway uses it: confirmed publishing, and the events of an account from now on."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from libs.runtime.bus import Bus
from libs.runtime.emit import Emit
from libs.runtime.errors import Unavailable
from libs.schemas.base import Message
from services.gateway.adapters.connected import require_connection
from services.gateway.adapters.nats_stream_log import NatsStreamLog
from services.gateway.application.stream_sessions import AWAY_S
from services.gateway.domain.problems import Away


class NatsEvents:
    def __init__(self) -> None:
        self._queue: asyncio.Queue[Message] = asyncio.Queue()

    async def next(self, timeout_s: float) -> Message | None:
        try:
            return await asyncio.wait_for(self._queue.get(), timeout_s)
        except TimeoutError:
            return None

    def hear(self, event: Message) -> None:
        self._queue.put_nowait(event)


class NatsGatewayLog:
    """Listens to what `followed` reads for all: a reader of its own for each request costs more than the request."""

    def __init__(self, bus: Bus, followed: NatsStreamLog) -> None:
        self._bus = bus
        self._followed = followed

    async def publish(self, emit: Emit, headers: Mapping[str, str]) -> None:
        require_connection(self._bus)
        try:
            await self._bus.publish(emit, headers)
        except Unavailable as error:
            raise Away("NATS", unsure=error.unsure) from error

    @asynccontextmanager
    async def listen(self, account_id: str) -> AsyncIterator[NatsEvents]:
        """What is stored after entering is heard, as soon as the log is; after an outage the history tells the rest."""
        require_connection(self._bus)
        if self._followed.ring is None or self._followed.silence_s > AWAY_S:
            raise Away("NATS")
        events = NatsEvents()
        with self._followed.waiting.join(account_id, events.hear):
            yield events
