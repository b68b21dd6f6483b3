"""The log as the gateway uses it: confirmed publishing, and readers of what is stored from now on."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import ValidationError

from libs.runtime.bus import Bus
from libs.runtime.emit import Emit
from libs.runtime.errors import Unavailable
from libs.runtime.reader import UNREADABLE, OrderedReader, Record
from libs.schemas import subjects
from libs.schemas.base import Message
from libs.schemas.events import decode_event
from libs.schemas.names import key_of
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

    def hear(self, event: Message) -> None:
        self._queue.put_nowait(event)


class _Channel:
    """One account's events, read once for all that listen."""

    def __init__(self) -> None:
        self.listeners: set[NatsEvents] = set()
        self._readers: list[OrderedReader] = []

    async def open(self, bus: Bus, account_id: str) -> None:
        """Hear what is stored from now on; once. Raises what nats-py raises while the log cannot be read."""
        if self._readers:
            return
        wanted = (
            (subjects.DECISIONS.name, subjects.decisions_of(key_of(account_id))),
            (subjects.ORDERS.name, subjects.order_event("*", key_of(account_id))),
        )
        readers = [OrderedReader(bus, stream, [name], self.take) for stream, name in wanted]
        async with AsyncExitStack() as unless_all_are_read:
            unless_all_are_read.push_async_callback(self.close)
            for reader in readers:
                await reader.start()
                self._readers.append(reader)
            unless_all_are_read.pop_all()

    async def close(self) -> None:
        readers, self._readers = self._readers, []
        for reader in readers:
            await reader.stop()

    def take(self, record: Record) -> None:
        try:
            event = decode_event(record.subject, record.data)
        except (ValidationError, KeyError) as error:
            log.warning("an event on %s cannot be read and is skipped: %s", record.subject, error)
            return
        for listener in self.listeners:
            listener.hear(event)


class NatsGatewayLog:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._channels: dict[str, _Channel] = {}
        self._changing = asyncio.Lock()

    async def publish(self, emit: Emit, headers: Mapping[str, str]) -> None:
        self._require_connection()
        try:
            await self._bus.publish(emit, headers)
        except Unavailable as error:
            raise Away("NATS", unsure=error.unsure) from error

    @asynccontextmanager
    async def listen(self, account_id: str) -> AsyncIterator[NatsEvents]:
        """Where the log stands is known before anything is published, so that no answer is missed."""
        self._require_connection()
        events = NatsEvents()
        await self._join(account_id, events)
        try:
            yield events
        finally:
            await self._leave(account_id, events)

    async def _join(self, account_id: str, events: NatsEvents) -> None:
        async with self._changing:
            channel = self._channels.get(account_id) or _Channel()
            try:
                await channel.open(self._bus, account_id)
            except UNREADABLE as error:
                raise Away("NATS") from error
            channel.listeners.add(events)
            self._channels[account_id] = channel

    async def _leave(self, account_id: str, events: NatsEvents) -> None:
        async with self._changing:
            channel = self._channels[account_id]
            channel.listeners.discard(events)
            if channel.listeners:
                return
            del self._channels[account_id]
            await channel.close()

    def _require_connection(self) -> None:
        """While the client connects again it would only wait for a time-out."""
        if not self._bus.nc.is_connected:
            raise Away("NATS")
