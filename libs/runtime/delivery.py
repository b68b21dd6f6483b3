"""Delivery of durable messages by FastStream: subscribers, and the middleware that hands each message to `settling.py`.

Every default of the framework that matters for money is replaced; docs/bus.md has the table.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import nats.errors
from faststream import AckPolicy, BaseMiddleware
from faststream.nats import JStream, NatsBroker, NatsRouter, PullSub
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig

from libs.runtime.bus import NATS_AWAY, Bus
from libs.runtime.clock import Clock
from libs.runtime.delivered import Delivered, delivered, delivery_of
from libs.runtime.emit import Emit, Emits
from libs.runtime.errors import Unavailable
from libs.runtime.metrics import DeliveryMetrics
from libs.runtime.pull import PULL_S, Pull
from libs.runtime.settling import Decode, Handler, RefusedBody, Settling, decode_for, parsed
from libs.schemas.base import Message
from libs.schemas.topology import Durable

if TYPE_CHECKING:
    from faststream.message import StreamMessage

__all__ = ["Decode", "Delivered", "Delivery", "Handler", "consume", "delivered", "subscribe"]

log = logging.getLogger(__name__)


def _decoder(decode: Decode) -> Callable[["StreamMessage[Msg]"], Awaitable[Message | RefusedBody]]:
    async def decoder(msg: "StreamMessage[Msg]") -> Message | RefusedBody:
        return parsed(decode, msg.raw_message.subject, msg.raw_message.data)

    return decoder


def subscribe(
    target: NatsRouter | NatsBroker,
    durable: Durable,
    handler: Handler,
    decode: Decode | None,
    *,
    documented: bool = True,
) -> Pull:
    """Bind a handler to an existing durable, one message at a time: a larger batch waits for the slowest, or stalls."""
    single = len(durable.filters) == 1
    subscriber = target.subscriber(
        durable.filters[0] if single else "",
        stream=JStream(durable.stream, declare=False),
        durable=durable.name,
        pull_sub=PullSub(1, timeout=PULL_S),
        config=ConsumerConfig(filter_subjects=None if single else list(durable.filters)),
        ack_policy=AckPolicy.MANUAL,
        decoder=_decoder(decode_for(handler, decode)),
        no_reply=True,
        include_in_schema=documented,
        persistent=documented or isinstance(target, NatsRouter),
    )
    subscriber(handler)
    return Pull.take_over(subscriber, durable)


def consume(
    router: NatsRouter, durable: Durable, handler: Handler, *, concurrency: int = 1, decode: Decode | None = None
) -> None:
    """Handle a durable's messages, `concurrency` at once in this process."""
    for n in range(concurrency):
        subscribe(router, durable, handler, decode, documented=n == 0)


class Delivery:
    """The middleware of every durable handler in a process, and what surrounds the messages in its hands."""

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
        self.max_deliver = max_deliver
        self.away: tuple[type[Exception], ...] = (Unavailable, *NATS_AWAY, *away)
        self.settling = Settling(self, metrics)

    def __call__(self, msg: Any, /, *, context: Any) -> "_Scope":
        return _Scope(msg, context=context, settling=self.settling)

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


class _Scope(BaseMiddleware):
    def __init__(self, msg: Any, /, *, context: Any, settling: Settling) -> None:
        super().__init__(msg, context=context)
        self._settling = settling

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: "StreamMessage[Any]") -> Any:
        await self._settling.settle(_InHand(call_next, msg))


class _InHand:
    """A message of FastStream as the core takes it."""

    def __init__(self, call_next: Callable[[Any], Awaitable[Any]], msg: "StreamMessage[Any]") -> None:
        self._call_next = call_next
        self._msg = msg
        self._raw: Msg = msg.raw_message
        self.info = delivery_of(self._raw)
        self.data = self._raw.data

    async def parse(self) -> object:
        return await self._msg.decode()

    async def handle(self) -> Emit | Emits | None:
        result: Emit | Emits | None = await self._call_next(self._msg)
        return result

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
