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
from datetime import datetime

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from libs.runtime.bus import NATS_RETRY, Bus

HEARTBEAT_S = 1.0
SILENCE_S = 3 * HEARTBEAT_S
RETRY_S = 0.2
GONE: tuple[type[Exception], ...] = (*NATS_RETRY, nats.errors.BadSubscriptionError)
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Record:
    """One stored message. `timestamp_ns` is the server's time of storing, in nanoseconds since the epoch."""

    subject: str
    data: bytes
    sequence: int
    headers: dict[str, str] | None
    timestamp_ns: int


@dataclass(frozen=True, slots=True)
class Start:
    """Where reading begins."""

    policy: DeliverPolicy
    sequence: int | None = None
    time: datetime | None = None

    @classmethod
    def new(cls) -> "Start":
        return cls(DeliverPolicy.NEW)

    @classmethod
    def all(cls) -> "Start":
        return cls(DeliverPolicy.ALL)

    @classmethod
    def last_per_subject(cls) -> "Start":
        return cls(DeliverPolicy.LAST_PER_SUBJECT)

    @classmethod
    def at(cls, sequence: int) -> "Start":
        return cls(DeliverPolicy.BY_START_SEQUENCE, sequence=max(1, sequence))

    @classmethod
    def since(cls, when: datetime) -> "Start":
        """Messages stored from wall time `when` on."""
        return cls(DeliverPolicy.BY_START_TIME, time=when)


class OrderedReader:
    """Calls `on_record` for every message of `filters` in order, each once. The callback must not block."""

    def __init__(
        self,
        bus: Bus,
        stream: str,
        filters: Sequence[str],
        on_record: Callable[[Record], None],
        *,
        start: Start | None = None,
    ) -> None:
        self._bus = bus
        self._stream = stream
        self._filters = list(filters)
        self._on_record = on_record
        self._start = start or Start.new()
        self.last_sequence = 0
        self.recreated = 0
        self._subscription: Subscription | None = None
        self._consumer_sequence = 0
        self._consumer = ""
        self._inbox = ""
        self._created = ""
        self._behind = 0
        self._heard = 0.0
        self._broken = asyncio.Event()
        self._caught_up = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._create()
        self._bus.on_reconnect(self._broken.set)
        self._watch = asyncio.create_task(self._keep(), name=f"reader-{self._stream}")

    async def stop(self) -> None:
        if self._watch is None:
            return
        self._bus.off_reconnect(self._broken.set)
        self._watch.cancel()
        await asyncio.gather(self._watch, return_exceptions=True)
        self._watch = None
        await self._drop()

    async def caught_up(self) -> None:
        """Return once everything that was stored when reading began has been delivered."""
        await self._caught_up.wait()

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
        start = await self._resume_point()
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
        delivered = info.delivered.consumer_seq if info.delivered else 0
        self._behind = (info.num_pending or 0) + delivered
        self._check_caught_up()

    def _config(self, inbox: str, start: Start) -> ConsumerConfig:
        return ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=start.policy,
            opt_start_seq=start.sequence,
            opt_start_time=start.time,
            ack_policy=AckPolicy.NONE,
            max_deliver=1,
            filter_subjects=self._filters,
            flow_control=True,
            idle_heartbeat=HEARTBEAT_S,
            inactive_threshold=30,
            mem_storage=True,
            num_replicas=1,
        )

    async def _resume_point(self) -> Start:
        """Where to go on: behind the last record, in the same stream.

        A stream that was made anew begins again. One that lost its end in a crash (MARKET may) goes on from there.
        "New" is made a sequence at once, so that what comes while the connection is away counts as new, too.
        """
        info = await self._bus.js.stream_info(self._stream)
        stored, created = info.state.last_seq, str(info.created)
        before, self._created = self._created, created
        if not before:
            if self._start.policy is DeliverPolicy.NEW:
                self._start = Start.at(stored + 1)
            return self._start
        if created != before:
            log.warning("the stream %s was made anew; reading it from its beginning", self._stream)
            self.last_sequence = 0
            return self._start if self._start.policy is DeliverPolicy.LAST_PER_SUBJECT else Start.all()
        if stored < self.last_sequence:
            log.warning("the stream %s lost %d records", self._stream, self.last_sequence - stored)
            self.last_sequence = stored
        if not self.last_sequence:
            return self._lowered(stored)
        return Start.at(self.last_sequence + 1)

    def _lowered(self, stored: int) -> Start:
        """The start again, for a reader that got nothing yet from a stream that may have lost its end."""
        if self._start.policy is DeliverPolicy.BY_START_SEQUENCE:
            self._start = Start.at(min(self._start.sequence or 1, stored + 1))
        return self._start

    def _receiver(self, inbox: str) -> Callable[[Msg], Awaitable[None]]:
        async def receive(msg: Msg) -> None:
            if inbox != self._inbox:
                return
            self._heard = time.monotonic()
            reply = msg.reply
            if not reply.startswith("$JS.ACK."):
                await self._status(msg)
                return
            tokens = reply.split(".")
            if len(tokens) > 9:  # $JS.ACK.<domain>.<account>.<stream>…
                tokens = tokens[2:]
            consumer_sequence = int(tokens[6])
            if consumer_sequence != self._consumer_sequence + 1:
                self._broken.set()
                return
            self._consumer_sequence = consumer_sequence
            sequence = int(tokens[5])
            if sequence > self.last_sequence:
                self.last_sequence = sequence
                self._on_record(Record(msg.subject, msg.data, sequence, msg.headers, int(tokens[7])))
            if tokens[8] == "0" or consumer_sequence >= self._behind:
                self._caught_up.set()

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
                await asyncio.wait_for(self._broken.wait(), HEARTBEAT_S)
            except TimeoutError:
                if time.monotonic() - self._heard < SILENCE_S or not self._bus.nc.is_connected:
                    continue
            self._broken.clear()
            await self._recreate()

    async def _recreate(self) -> None:
        self.recreated += 1
        await self._drop()
        while True:
            try:
                await self._create()
            except NATS_RETRY as error:
                log.warning("cannot read %s yet: %r", self._stream, error)
                await asyncio.sleep(RETRY_S)
            else:
                return
