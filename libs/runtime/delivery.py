"""Delivery of durable messages: parse, handle, publish what follows, acknowledge. Once, for every service.

Three outcomes: done (ack), later (a dependency is away: the message waits here with heartbeats and burns no delivery;
or the handler asks for it, or a fault of ours: nack with a delay), poison (dead letter). Every default of the framework
that matters for money is replaced here; docs/bus.md has the table.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from faststream import AckPolicy, BaseMiddleware
from faststream.nats import JStream, NatsBroker, NatsRouter, PullSub
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig
from pydantic import ValidationError

from libs.runtime import log as runtime_log
from libs.runtime.bus import NATS_AWAY, Bus
from libs.runtime.clock import Clock
from libs.runtime.deadletters import dead_letter, ends, letter_error
from libs.runtime.delivered import Delivered, delivered, delivery_of, enter
from libs.runtime.emit import Emit, Emits
from libs.runtime.envelope import CORRELATION, REPLAY_FOR
from libs.runtime.errors import Later, Poison, Unavailable
from libs.runtime.heartbeat import Heartbeat
from libs.runtime.metrics import DeliveryMetrics
from libs.runtime.pull import PULL_S, Pull
from libs.runtime.validation import explain
from libs.schemas.base import Message
from libs.schemas.dead import DeadLetterError
from libs.schemas.reasons import DeadLetterCode
from libs.schemas.subjects import MAX_MESSAGE_BYTES
from libs.schemas.topology import Durable

if TYPE_CHECKING:
    from faststream.message import StreamMessage

__all__ = ["Decode", "Delivered", "Delivery", "Handler", "consume", "delivered", "retry_delay", "subscribe"]

AWAY_DELAYS_S = (0.1, 0.2, 0.5, 1.0, 2.0)
HAND_BACK_S = 0.1
Handler = Callable[[Any], Awaitable[Emit | Emits | None]]
Decode = Callable[[str, bytes], Message]
log = logging.getLogger(__name__)


def retry_delay(deliveries: int) -> float:
    """Seconds until a message that failed is delivered again."""
    return float(min(60.0, 0.2 * 2**deliveries))


class RefusedBody:
    """A body that did not parse; takes the model's place until the middleware puts it aside."""

    def __init__(self, code: DeadLetterCode, field: str | None, message: str) -> None:
        self.error = letter_error(code, message, field)


def _model_of(handler: Handler) -> type[Message]:
    models = [parameter.annotation for parameter in inspect.signature(handler, eval_str=True).parameters.values()]
    model = models[0] if len(models) == 1 else None
    if not (isinstance(model, type) and issubclass(model, Message)):
        raise TypeError(f"{handler.__name__} must take one wire model, or consume() needs decode=")
    return model


def _decoder(
    handler: Handler, decode: Decode | None
) -> Callable[["StreamMessage[Msg]"], Awaitable[Message | RefusedBody]]:
    parse: Decode
    if decode is None:
        model = _model_of(handler)

        def parse(subject: str, body: bytes) -> Message:
            return model.model_validate_json(body)
    else:
        parse = decode

    async def decoder(msg: "StreamMessage[Msg]") -> Message | RefusedBody:
        raw = msg.raw_message
        if len(raw.data) > MAX_MESSAGE_BYTES:
            message = f"a message has at most {MAX_MESSAGE_BYTES} bytes, this one {len(raw.data)}"
            return RefusedBody(DeadLetterCode.OVERSIZED, None, message)
        try:
            return parse(raw.subject, raw.data)
        except ValidationError as error:
            return RefusedBody(*explain(error))
        except Poison as poison:
            return RefusedBody(poison.code, poison.field, poison.message)

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
        decoder=_decoder(handler, decode),
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
    """The middleware of every durable handler in a process."""

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        metrics: DeliveryMetrics,
        max_deliver: Callable[[str], int],
        away: tuple[type[Exception], ...],
    ) -> None:
        self.bus = bus
        self.clock = clock
        self.metrics = metrics
        self.max_deliver = max_deliver
        self.away: tuple[type[Exception], ...] = (Unavailable, *NATS_AWAY, *away)
        self.stopping = asyncio.Event()

    def __call__(self, msg: Any, /, *, context: Any) -> "_Scope":
        return _Scope(msg, context=context, delivery=self)


class _Scope(BaseMiddleware):
    def __init__(self, msg: Any, /, *, context: Any, delivery: Delivery) -> None:
        super().__init__(msg, context=context)
        self._d = delivery

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: "StreamMessage[Any]") -> Any:
        raw: Msg = msg.raw_message
        info = delivery_of(raw)
        enter(info)
        runtime_log.correlation.set(info.headers.get(CORRELATION))
        beat = Heartbeat(raw)
        try:
            with self._d.metrics.seconds.labels(info.durable).time():
                await self._work(call_next, msg, raw, info)
        finally:
            beat.stop()

    async def _work(
        self, call_next: Callable[[Any], Awaitable[Any]], msg: "StreamMessage[Any]", raw: Msg, info: Delivered
    ) -> None:
        if info.headers.get(REPLAY_FOR, info.durable) != info.durable:
            await self._settle(info, "not_for_it", raw.ack())
            return
        try:
            body = await msg.decode()
            if isinstance(body, RefusedBody):
                await self._bury(raw, info, body.error)
            else:
                await self._handle(call_next, msg, raw, info)
        except Poison as poison:
            await self._bury(raw, info, letter_error(poison.code, poison.message, poison.field))
        except Later as later:
            await self._settle(info, "later", raw.nak(delay=later.seconds))
        except Exception as error:  # noqa: BLE001 - the one catch-all: a fault of ours must not lose the message
            await self._failed(raw, info, error)

    async def _handle(
        self, call_next: Callable[[Any], Awaitable[Any]], msg: "StreamMessage[Any]", raw: Msg, info: Delivered
    ) -> None:
        attempt = 0
        while True:
            try:
                for emit in as_emits(await call_next(msg)):
                    await self._d.bus.publish(emit, info.headers)
                break
            except self._d.away as error:
                if await self._wait(info, error, attempt):
                    await self._settle(info, "handed_back", raw.nak(delay=HAND_BACK_S))
                    return
                attempt += 1
        await self._settle(info, "done", raw.ack())

    async def _wait(self, info: Delivered, error: Exception, attempt: int) -> bool:
        """Wait for a dependency; true when the process stops meanwhile."""
        if attempt == 0:
            log.warning("%s waits for a dependency: %r", info.durable, error)
            self._count(info, "waited")
        delay = AWAY_DELAYS_S[min(attempt, len(AWAY_DELAYS_S) - 1)]
        try:
            await asyncio.wait_for(self._d.stopping.wait(), delay)
        except TimeoutError:
            return False
        return True

    async def _failed(self, raw: Msg, info: Delivered, error: Exception) -> None:
        log.error("%s failed on %s:%d", info.durable, info.stream, info.sequence, exc_info=error)
        if info.deliveries < self._d.max_deliver(info.durable):
            await self._settle(info, "failed", raw.nak(delay=retry_delay(info.deliveries)))
            return
        await self._bury(raw, info, letter_error(DeadLetterCode.HANDLER_ERROR, f"{type(error).__name__}: {error}"))

    async def _bury(self, raw: Msg, info: Delivered, error: DeadLetterError) -> None:
        now = self._d.clock.now()
        letter = dead_letter(
            subject=raw.subject,
            headers=info.headers,
            body=raw.data,
            stream=info.stream,
            durable=info.durable,
            sequence=info.sequence,
            error=error,
            deliveries=info.deliveries,
            now=now,
        )
        follow = ends(info.durable, raw.subject, raw.data, error.message, now)
        log.error("dead letter %s: %s", letter.subject, error.message)
        attempt = 0
        while True:
            try:
                await self._d.bus.publish(letter, info.headers)
                for end in follow:
                    await self._d.bus.publish(end, info.headers)
                break
            except self._d.away as away:
                if await self._wait(info, away, attempt):
                    await self._settle(info, "handed_back", raw.nak(delay=HAND_BACK_S))
                    return
                attempt += 1
        await self._settle(info, "dead", raw.term())

    async def _settle(self, info: Delivered, outcome: str, answer: Awaitable[None]) -> None:
        """Tell the server. When it cannot be told, the message comes again and every step is repeatable."""
        try:
            await answer
        except NATS_AWAY as error:
            log.warning("%s %s:%d is %s, untold: %r", info.durable, info.stream, info.sequence, outcome, error)
        self._count(info, outcome)

    def _count(self, info: Delivered, outcome: str) -> None:
        self._d.metrics.messages.labels(info.durable, outcome).inc()


def as_emits(result: Any) -> Emits:
    """What a handler returned, as a sequence."""
    if result is None:
        return ()
    return (result,) if isinstance(result, Emit) else tuple(result)
