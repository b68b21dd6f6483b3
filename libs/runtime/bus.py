"""The bus as services use it: confirmed publishing, KV with compare-and-set, on the broker's own connection."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import Header, PubAck

from libs.runtime import tracing
from libs.runtime.emit import Emit
from libs.runtime.ending import end
from libs.runtime.envelope import MSG_ID, headers, kind_of
from libs.runtime.errors import Conflict, Unavailable
from libs.schemas.base import Message
from libs.schemas.matching import stream_of
from libs.schemas.names import names_one
from libs.schemas.subjects import MAX_MESSAGE_BYTES

PUBLISH_TIMEOUT_S = 5.0
AFTER_RECONNECT_S = 0.5  # what was sent before a reconnect may have lost its answer: no use in waiting out the timeout
WRONG_LAST_SEQUENCE = 10071
RESOURCES_EXCEEDED = 10002  # a full account is answered as a bad request, a full stream as 503

# What nats-py raises while the server, the connection or JetStream is away.
NATS_AWAY: tuple[type[Exception], ...] = (
    nats.errors.TimeoutError,
    nats.errors.NoRespondersError,
    nats.errors.ConnectionClosedError,
    nats.errors.ConnectionReconnectingError,
    nats.errors.ConnectionDrainingError,
    nats.errors.StaleConnectionError,
    nats.errors.OutboundBufferLimitError,
    nats.js.errors.NoStreamResponseError,
    nats.js.errors.ServiceUnavailableError,
    ConnectionError,
)
NATS_SILENT: tuple[type[Exception], ...] = (TimeoutError, *NATS_AWAY)
NOT_SENT: tuple[type[Exception], ...] = (
    nats.errors.NoRespondersError,
    nats.errors.OutboundBufferLimitError,
    nats.js.errors.NoStreamResponseError,
)
# The same, and what JetStream answers while it is still starting.
NATS_RETRY: tuple[type[Exception], ...] = (*NATS_AWAY, nats.js.errors.APIError)
_KV = {"db.system.name": "nats"}
log = logging.getLogger(__name__)


class Connected(Protocol):
    """A broker of FastStream's, or less: a command that only asks does without its half second of imports."""

    @property
    def connection(self) -> Client: ...


@dataclass(frozen=True, slots=True)
class KvEntry:
    value: bytes
    revision: int


class Bus:
    """One connection to NATS. Raises Unavailable while the server is away, Conflict when a compare-and-set lost."""

    def __init__(self, connected: Connected, source: str) -> None:
        self._connected = connected
        self._source = source
        self._js: JetStreamContext | None = None
        self._reconnected: list[Callable[[], None]] = []
        self._waits: set[asyncio.Timeout] = set()

    @property
    def nc(self) -> Client:
        return self._connected.connection

    @property
    def js(self) -> JetStreamContext:
        if self._js is None:
            self._js = self.nc.jetstream(timeout=PUBLISH_TIMEOUT_S)
        return self._js

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Call `callback` after each reconnect, in the event loop."""
        self._reconnected.append(callback)

    def off_reconnect(self, callback: Callable[[], None]) -> None:
        self._reconnected.remove(callback)

    async def reconnected(self) -> None:
        log.warning("connected to NATS again")
        soon = asyncio.get_running_loop().time() + AFTER_RECONNECT_S
        for wait in self._waits:
            if not wait.expired():
                wait.reschedule(min(soon, wait.when() or soon))
        for callback in tuple(self._reconnected):
            callback()

    async def publish(self, emit: Emit, cause: Mapping[str, str] | None = None, *, last: int | None = None) -> PubAck:
        """Publish to the subject's stream and wait until it is stored. Repeating it stores nothing twice.

        With `last` it is stored only while that is the sequence of the subject's newest message (0: there is none);
        raises Conflict otherwise.
        """
        body = emit.body.model_dump_json(exclude_none=True).encode()
        if len(body) > MAX_MESSAGE_BYTES:
            raise ValueError(f"{emit.subject}: a body of {len(body)} bytes is over the limit of {MAX_MESSAGE_BYTES}")
        causes = {**(cause or {}), **(emit.cause or {})}
        with tracing.publishing(kind_of(emit.subject), causes.get(tracing.TRACEPARENT)):
            made = headers(emit, self._source, datetime.now(UTC), causes) | _traced() | _replacing(last)
            return await self._store(emit.subject, body, made, stream_of(emit.subject))

    async def publish_again(self, subject: str, body: bytes, made: Mapping[str, str]) -> PubAck:
        """Publish a message as it once came, under the headers given. Raises KeyError where no stream takes it."""
        return await self._store(subject, body, dict(made), stream_of(subject))

    async def publish_many(self, emits: Iterable[Emit], *, window: int = 256) -> None:
        """Publish confirmed, up to `window` at once; order within a window is the order of sending.

        The first is on its way before the rest is written: it is what somebody waits for.
        """
        batch: list[asyncio.Task[PubAck]] = []
        try:
            for emit in emits:
                batch.append(asyncio.create_task(self.publish(emit)))
                if len(batch) == 1:
                    await asyncio.sleep(0)
                if len(batch) == window:
                    await asyncio.gather(*batch)
                    batch.clear()
            await asyncio.gather(*batch)
        finally:
            await end(batch)

    async def publish_fast(self, subject: str, body: bytes, msg_id: str | None = None) -> None:
        """Publish without waiting for the server: ticks, which the next one replaces."""
        try:
            await self.nc.publish(subject, body, headers={MSG_ID: msg_id} if msg_id else None)
        except NATS_AWAY as error:
            raise Unavailable(f"NATS is away: {error!r}") from error

    async def kv_put(
        self,
        bucket: str,
        key: str,
        body: Message | bytes,
        *,
        last: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """Store a value; `last` is the revision it replaces (0: only if absent). Returns the new revision."""
        data = body if isinstance(body, bytes) else body.model_dump_json(exclude_none=True).encode()
        made = _replacing(last) | dict(headers or {})
        with tracing.client(f"kv put {bucket}", _KV):
            return (await self._store(_entry(bucket, key), data, made, f"KV_{bucket}")).seq

    async def kv_delete(
        self, bucket: str, key: str, *, last: int | None = None, headers: Mapping[str, str] | None = None
    ) -> int:
        """Mark a key as deleted. Returns the revision of the mark."""
        made = _replacing(last) | dict(headers or {}) | {"KV-Operation": "DEL"}
        with tracing.client(f"kv delete {bucket}", _KV):
            return (await self._store(_entry(bucket, key), b"", made, f"KV_{bucket}")).seq

    async def kv_get(self, bucket: str, key: str, *, fresh: bool = False) -> KvEntry | None:
        """The present value, or None where there is none or it was deleted.

        Any replica of the stream may answer and be a little behind, unless it has to be `fresh`: then its leader does.
        """
        try:
            with tracing.client(f"kv get {bucket}", _KV):
                message = await self.js.get_last_msg(f"KV_{bucket}", _entry(bucket, key), direct=not fresh)
        except nats.js.errors.NotFoundError:
            return None
        except NATS_AWAY as error:
            raise Unavailable(f"NATS is away: {error!r}") from error
        deleted = message.headers and message.headers.get("KV-Operation")
        return None if deleted else KvEntry(message.data or b"", message.seq or 0)

    async def _store(self, subject: str, body: bytes, made: dict[str, str], stream: str) -> PubAck:
        try:
            async with self._patience():
                return await self.js.publish(subject, body, timeout=PUBLISH_TIMEOUT_S, stream=stream, headers=made)
        except nats.js.errors.APIError as error:
            if error.err_code == WRONG_LAST_SEQUENCE:
                raise Conflict(f"{subject}: written by somebody else") from error
            full = error.err_code == RESOURCES_EXCEEDED
            if full or isinstance(error, nats.js.errors.ServiceUnavailableError | nats.js.errors.ServerError):
                raise Unavailable(f"JetStream cannot store {subject}: {error.description}") from error
            raise
        except NATS_SILENT as error:
            raise Unavailable(f"NATS is away: {error!r}", unsure=not isinstance(error, NOT_SENT)) from error

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        """Wait for an answer, but not for one that a reconnect has made impossible. Raises TimeoutError."""
        async with asyncio.timeout(PUBLISH_TIMEOUT_S) as wait:
            self._waits.add(wait)
            try:
                yield
            finally:
                self._waits.discard(wait)


def _entry(bucket: str, key: str) -> str:
    """The subject of one entry. A pattern would read or write what nobody named."""
    if not names_one(key):
        raise ValueError(f"{key[:100]!r} names no single entry of the bucket {bucket}")
    return f"$KV.{bucket}.{key}"


def _traced() -> dict[str, str]:
    context = tracing.current()
    return {} if context is None else {tracing.TRACEPARENT: context}


def _replacing(last: int | None) -> dict[str, str]:
    return {} if last is None else {str(Header.EXPECTED_LAST_SUBJECT_SEQUENCE.value): str(last)}
