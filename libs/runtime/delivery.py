"""Delivery of durable messages: FastStream's registrations, and our way from a message to `settling.py`.

Every default of the framework that matters for money is replaced; docs/bus.md has the table.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime

import nats.errors
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsRouter, PullSub
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig

from libs.runtime.bus import NATS_AWAY, Bus
from libs.runtime.clock import Clock
from libs.runtime.delivered import Delivered, delivered, delivery_of
from libs.runtime.emit import Emit, Emits
from libs.runtime.errors import Unavailable
from libs.runtime.metrics import DeliveryMetrics
from libs.runtime.pull import Pull, Take
from libs.runtime.settling import Decode, Handler, Settling, decode_for, parsed
from libs.schemas.topology import Durable

__all__ = ["Decode", "Delivered", "Delivery", "Handler", "consume", "delivered", "subscribe"]

log = logging.getLogger(__name__)


def subscribe(
    target: NatsRouter | NatsBroker, durable: Durable, handler: Handler, take: Take, *, places: int = 1
) -> Pull:
    """Bind a handler to an existing durable. FastStream holds and documents it; `take` is how a message gets there."""
    single = len(durable.filters) == 1
    subscriber = target.subscriber(
        durable.filters[0] if single else "",
        stream=JStream(durable.stream, declare=False),
        durable=durable.name,
        pull_sub=PullSub(1),
        config=ConsumerConfig(filter_subjects=None if single else list(durable.filters)),
        ack_policy=AckPolicy.MANUAL,
        no_reply=True,
        include_in_schema=isinstance(target, NatsRouter),
        persistent=isinstance(target, NatsRouter),
    )
    subscriber(handler)
    return Pull.take_over(subscriber, durable, places, take)


def one_by_one(handler: Handler, decode: Decode | None) -> Take:
    """Each message goes its own way. Raises TypeError for a handler that takes no wire model and has no `decode`."""
    decoding = decode_for(handler, decode)

    async def take(delivery: "Delivery", msg: Msg) -> None:
        await delivery.settling.settle(_InHand(msg, decoding, handler))

    return take


def consume(
    router: NatsRouter, durable: Durable, handler: Handler, *, concurrency: int = 1, decode: Decode | None = None
) -> None:
    """Handle a durable's messages, `concurrency` at once in this process."""
    subscribe(router, durable, handler, one_by_one(handler, decode), places=concurrency)


class Delivery:
    """What surrounds the messages in the hands of a process."""

    untold = NATS_AWAY

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        metrics: DeliveryMetrics,
        max_deliver: Callable[[str], int],
        away: tuple[type[Exception], ...],
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._ends = asyncio.Event()
        self.doubted = asyncio.Event()
        self.max_deliver = max_deliver
        self.away: tuple[type[Exception], ...] = (Unavailable, *NATS_AWAY, *away)
        self.settling = Settling(self, metrics)

    def stop(self) -> None:
        """From now on nothing waits for a dependency: what does is handed back."""
        self._ends.set()

    def now(self) -> datetime:
        return self._clock.now()

    async def publish(self, emit: Emit, cause: Mapping[str, str]) -> object:
        return await self._bus.publish(emit, cause)

    async def stopping(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._ends.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def doubt(self) -> None:
        """A durable was refused to a puller: somebody should look whether it is still there."""
        self.doubted.set()

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        self._bus.on_reconnect(callback)

    def off_reconnect(self, callback: Callable[[], None]) -> None:
        self._bus.off_reconnect(callback)


class _InHand:
    """A delivered message as the core takes it."""

    def __init__(self, msg: Msg, decode: Decode, handler: Handler) -> None:
        self._raw = msg
        self._decode = decode
        self._handler = handler
        self._body: object = None
        self.info = delivery_of(msg)
        self.data = msg.data

    async def parse(self) -> object:
        self._body = parsed(self._decode, self._raw.subject, self.data)
        return self._body

    async def handle(self) -> Emit | Emits | None:
        return await self._handler(self._body)

    async def ack(self) -> None:
        await self._raw.ack()

    async def nak(self, delay: float) -> None:
        await self._raw.nak(delay=delay)

    async def term(self) -> None:
        await self._raw.term()

    async def in_progress(self) -> None:
        if self._raw.is_acked:
            return
        try:
            await self._raw.in_progress()
        except nats.errors.Error as error:
            log.debug("no heartbeat: %r", error)
