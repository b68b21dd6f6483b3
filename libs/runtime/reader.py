"""Ordered reading of a stream without acknowledgements: ticks, KV watches, followers.

nats-py's own ordered consumer stays blind for 8 to 45 seconds after a server restart; this one is made again from the
last sequence + 1 at every reconnect, gap or missed heartbeat.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig

from libs.runtime.bus import NATS_RETRY, Bus
from libs.runtime.ending import end
from libs.runtime.errors import Unavailable
from libs.runtime.position import Start, StreamPosition

__all__ = ["OrderedReader", "Record", "Start", "read_all"]

HEARTBEAT_S = 5.0
BETWEEN_BEATS = 2.2  # so many heartbeats' time without a word means that nothing comes any more
RETRY_S = 0.2
PATIENCE_S = 10.0
GONE: tuple[type[Exception], ...] = (*NATS_RETRY, nats.errors.BadSubscriptionError)
UNREADABLE: tuple[type[Exception], ...] = (TimeoutError, *GONE)
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Record:
    """One stored message. `timestamp_ns` is the server's time of storing, in nanoseconds since the epoch."""

    subject: str
    data: bytes
    sequence: int
    headers: dict[str, str] | None
    timestamp_ns: int


class OrderedReader:
    """Calls `on_record` for every message of `filters` in order, each once. The callback must not block.

    While nothing is stored the server says every `heartbeat_s` that it is there.
    """

    def __init__(
        self,
        bus: Bus,
        stream: str,
        filters: Sequence[str],
        on_record: Callable[[Record], None],
        *,
        start: Start | None = None,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._filters = list(filters)
        self._heartbeat_s = heartbeat_s
        self._on_record = on_record
        self._position = StreamPosition(stream, start or Start.new())
        self.recreated = 0
        self._subscription: Subscription | None = None
        self._consumer_sequence = 0
        self._consumer = ""
        self._inbox = ""
        self._behind = 0
        self._heard = 0.0
        self._in_touch = 0.0
        self._broken = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._moved: asyncio.Event | None = None  # of those who wait for a sequence, while there are any
        self._watch: asyncio.Task[None] | None = None

    @property
    def last_sequence(self) -> int:
        """Sequence of the last record; before the first one, of the last that was stored when "new" began, else 0."""
        return self._position.sequence

    @property
    def silence_s(self) -> float:
        """Seconds since the server was last heard: at most a heartbeat while all is well."""
        return time.monotonic() - self._in_touch

    async def start(self) -> None:
        await self._create()
        self._bus.on_reconnect(self._broken.set)
        self._watch = asyncio.create_task(self._keep(), name=f"reader-{self._stream}")

    async def stop(self) -> None:
        if self._watch is None:
            return
        self._bus.off_reconnect(self._broken.set)
        await end([self._watch])
        self._watch = None
        await self._drop()

    async def caught_up(self) -> None:
        """Return once everything that was stored when reading began has been delivered."""
        await self._caught_up.wait()

    async def reached(self, sequence: int) -> None:
        """Return once `last_sequence` is so far."""
        while self.last_sequence < sequence:
            self._moved = self._moved or asyncio.Event()
            await self._moved.wait()

    def _tell_moved(self) -> None:
        if self._moved is not None:
            self._moved.set()
            self._moved = None

    async def _drop(self) -> None:
        """Leave the consumer, without waiting: one that this does not reach ends by itself."""
        subscription, self._subscription = self._subscription, None
        if subscription is None:
            return
        try:
            await subscription.unsubscribe()
            if self._bus.nc.is_connected:
                delete = f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._consumer}"
                await self._bus.nc.publish(delete, reply=self._bus.nc.new_inbox())
        except GONE:
            log.debug("the consumer of %s is gone already", self._stream)

    async def _create(self) -> None:
        start = await self._position.find(self._bus.js)
        inbox = self._bus.nc.new_inbox()
        self._consumer_sequence = 0
        self._behind = sys.maxsize
        self._heard = time.monotonic()
        self._subscription = await self._bus.nc.subscribe(inbox, cb=self._receiver(inbox))
        self._inbox = inbox
        try:
            info = await self._bus.js.add_consumer(self._stream, config=self._config(inbox, start))
        except BaseException:
            subscription, self._subscription = self._subscription, None
            await subscription.unsubscribe()
            raise
        self._consumer = info.name
        self._in_touch = time.monotonic()
        delivered = info.delivered.consumer_seq if info.delivered else 0
        self._behind = (info.num_pending or 0) + delivered
        if info.delivered and not delivered and not self._position.sequence and start.time:
            self._position.sequence = info.delivered.stream_seq
        self._tell_moved()
        self._check_caught_up()

    def _check_caught_up(self) -> None:
        if self._consumer_sequence >= self._behind:
            self._caught_up.set()

    def _config(self, inbox: str, start: Start) -> ConsumerConfig:
        return ConsumerConfig(
            name=inbox.rpartition(".")[2],  # in the subject of the request, where permissions see it
            deliver_subject=inbox,
            deliver_policy=start.policy,
            opt_start_seq=start.sequence,
            opt_start_time=start.time,
            ack_policy=AckPolicy.NONE,
            max_deliver=1,
            filter_subjects=self._filters,
            flow_control=True,
            idle_heartbeat=self._heartbeat_s,
            inactive_threshold=30,
            mem_storage=True,
            num_replicas=1,
        )

    def _receiver(self, inbox: str) -> Callable[[Msg], Awaitable[None]]:
        position, on_record, caught_up = self._position, self._on_record, self._caught_up
        monotonic = time.monotonic

        async def receive(msg: Msg) -> None:
            if inbox != self._inbox:
                return
            self._heard = self._in_touch = monotonic()
            tokens = msg.reply.split(".")  # $JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.…
            if len(tokens) != 9:
                if not msg.reply.startswith("$JS.ACK."):
                    await self._status(msg)
                    return
                tokens = tokens[2:]  # $JS.ACK.<domain>.<account>.<stream>…
            consumer_sequence = int(tokens[6])
            if consumer_sequence != self._consumer_sequence + 1:
                self._broken.set()
                return
            self._consumer_sequence = consumer_sequence
            sequence = int(tokens[5])
            if sequence > position.sequence:
                position.sequence = sequence
                position.time_ns = time_ns = int(tokens[7])
                self._tell_moved()
                on_record(Record(msg.subject, msg.data, sequence, msg.headers, time_ns))
            if consumer_sequence >= self._behind or tokens[8] == "0":
                caught_up.set()

        return receive

    async def _status(self, msg: Msg) -> None:
        made = msg.headers or {}
        if msg.reply:  # a flow control request: everything before it has been handled
            await self._bus.nc.publish(msg.reply)
        elif stalled := made.get("Nats-Consumer-Stalled"):
            await self._bus.nc.publish(stalled)
        last = made.get("Nats-Last-Consumer")
        if last is not None and int(last) != self._consumer_sequence:
            self._broken.set()

    async def _keep(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._broken.wait(), self._heartbeat_s / 2)
            except TimeoutError:
                silent_s = time.monotonic() - self._heard
                if silent_s < BETWEEN_BEATS * self._heartbeat_s or not self._bus.nc.is_connected:
                    continue
            self._broken.clear()
            await self._recreate()

    async def _recreate(self) -> None:
        self.recreated += 1
        await self._drop()
        said = ""
        while True:
            try:
                await self._create()
            except NATS_RETRY as error:
                if repr(error) != said:
                    said = repr(error)
                    log.warning("cannot read %s yet: %s", self._stream, said)
                await asyncio.sleep(RETRY_S)
            else:
                return


async def read_all(
    bus: Bus,
    stream: str,
    filters: Sequence[str],
    on_record: Callable[[Record], None],
    *,
    start: Start,
    patience_s: float = PATIENCE_S,
) -> None:
    """Hand on everything that is stored from `start` to now, then return.

    Raises Unavailable when the stream cannot be read, or when no record came for `patience_s`: a long log may take as
    long as it takes.
    """
    heard = time.monotonic()

    def take(record: Record) -> None:
        nonlocal heard
        heard = time.monotonic()
        on_record(record)

    reader = OrderedReader(bus, stream, filters, take, start=start)
    reading = asyncio.create_task(_catch_up(reader), name=f"read-{stream}")
    try:
        while not reading.done():
            if (left := heard + patience_s - time.monotonic()) <= 0:
                raise Unavailable(f"{stream} cannot be read: nothing came for {patience_s:g} s")
            await asyncio.wait({reading}, timeout=left)
        reading.result()
    except UNREADABLE as error:
        raise Unavailable(f"{stream} cannot be read: {error!r}") from error
    finally:
        await end([reading])
        await reader.stop()


async def _catch_up(reader: OrderedReader) -> None:
    await reader.start()
    await reader.caught_up()
