"""The log as the gateway uses it: confirmed publishing, and core subscriptions to what is stored from now on."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from nats.aio.msg import Msg
from pydantic import ValidationError

from libs.runtime.bus import NATS_AWAY, Bus
from libs.runtime.emit import Emit
from libs.runtime.errors import Unavailable
from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.events import decode_event
from services.gateway.domain.problems import Away

log = logging.getLogger(__name__)


class NatsEvents:
    def __init__(self) -> None:
        self._queue: asyncio.Queue[Message] = asyncio.Queue()

    async def next(self, timeout_s: float) -> Message | None:
        try:
            return await asyncio.wait_for(self._queue.get(), timeout_s)
        except TimeoutError:
            return None

    async def take(self, msg: Msg) -> None:
        try:
            self._queue.put_nowait(decode_event(msg.subject, msg.data))
        except (ValidationError, KeyError) as error:
            log.warning("an event on %s cannot be read and is skipped: %s", msg.subject, error)


class NatsLog:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def publish(self, emit: Emit, headers: Mapping[str, str]) -> None:
        self._require_connection()
        try:
            await self._bus.publish(emit, headers)
        except Unavailable as error:
            raise Away("NATS") from error

    @asynccontextmanager
    async def listen(self, account_id: str) -> AsyncIterator[NatsEvents]:
        """On the connection that publishes too: the server takes both in order, so that no answer is missed."""
        self._require_connection()
        events = NatsEvents()
        wanted = (subjects.decisions_of(account_id), subjects.order_event("*", account_id))
        try:
            subscriptions = [await self._bus.nc.subscribe(subject, cb=events.take) for subject in wanted]
        except NATS_AWAY as error:
            raise Away("NATS") from error
        try:
            yield events
        finally:
            for subscription in subscriptions:
                try:
                    await subscription.unsubscribe()
                except NATS_AWAY as error:
                    log.warning("cannot unsubscribe from %s: %r", subscription.subject, error)

    def _require_connection(self) -> None:
        """While the client connects again it would only wait for a time-out."""
        if not self._bus.nc.is_connected:
            raise Away("NATS")
