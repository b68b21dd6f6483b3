"""What becomes of a message in hand: parse, handle, publish what follows, acknowledge. Without FastStream or NATS.

Three outcomes: done (ack), later (a dependency is away: the message waits here with heartbeats and burns no delivery;
or the handler asks for it, or a fault of ours: nack with a delay), poison (dead letter). `delivery.py` binds it to the
broker; whatever else holds messages binds it by the same two ports.
"""

import inspect
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pydantic import ValidationError

from libs.runtime import log as runtime_log
from libs.runtime import tracing
from libs.runtime.deadletters import dead_letter, ends, letter_error
from libs.runtime.delivered import Delivered, enter
from libs.runtime.emit import Emit, Emits
from libs.runtime.envelope import CORRELATION, REPLAY_FOR
from libs.runtime.errors import Later, Poison
from libs.runtime.heartbeat import Heartbeat
from libs.runtime.metrics import DeliveryMetrics, timed
from libs.runtime.validation import explain
from libs.schemas.base import Message
from libs.schemas.dead import DeadLetterError
from libs.schemas.reasons import DeadLetterCode
from libs.schemas.subjects import MAX_MESSAGE_BYTES

AWAY_DELAYS_S = (0.1, 0.2, 0.5, 1.0, 2.0)
HAND_BACK_S = 0.1
Handler = Callable[[Any], Awaitable[Emit | Emits | None]]
Decode = Callable[[str, bytes], Message]
log = logging.getLogger(__name__)


def retry_delay(deliveries: int) -> float:
    """Seconds until a message that failed is delivered again."""
    return float(min(60.0, 0.2 * 2**deliveries))


@dataclass(frozen=True, slots=True)
class RefusedBody:
    """A body that did not parse; takes the model's place until the message is put aside."""

    error: DeadLetterError


class InHand(Protocol):
    """One delivered message. Telling the server raises what `Surroundings.untold` names when it cannot be told."""

    @property
    def info(self) -> Delivered: ...
    @property
    def data(self) -> bytes: ...
    async def parse(self) -> object:
        """The body as the handler takes it, or RefusedBody."""

    async def handle(self) -> Emit | Emits | None:
        """Call the handler with what `parse` gave."""

    async def ack(self) -> None: ...
    async def nak(self, delay: float) -> None: ...
    async def term(self) -> None: ...
    async def in_progress(self) -> None:
        """More time for it. Raises nothing when the server cannot be told: the next second tries again."""


class Surroundings(Protocol):
    """What a process gives to the messages in its hands."""

    @property
    def away(self) -> tuple[type[Exception], ...]:
        """Errors by which a dependency is away."""

    @property
    def untold(self) -> tuple[type[Exception], ...]:
        """Errors by which the server was not told of an outcome."""

    def now(self) -> datetime: ...
    def max_deliver(self, durable: str) -> int: ...
    async def publish(self, emit: Emit, cause: Mapping[str, str]) -> object:
        """Return when it is stored; to repeat it stores nothing twice."""

    async def stopping(self, seconds: float) -> bool:
        """Wait for so long; true as soon as the process stops."""


def decode_for(handler: Handler, decode: Decode | None) -> Decode:
    """How a handler's messages are parsed: by `decode`, or by the one wire model that it takes. Raises TypeError."""
    if decode is not None:
        return decode
    models = [parameter.annotation for parameter in inspect.signature(handler, eval_str=True).parameters.values()]
    model = models[0] if len(models) == 1 else None
    if not (isinstance(model, type) and issubclass(model, Message)):
        raise TypeError(f"{handler.__name__} must take one wire model, or consume() needs decode=")
    wire: type[Message] = model
    return lambda subject, body: wire.model_validate_json(body)


def parsed(decode: Decode, subject: str, body: bytes) -> Message | RefusedBody:
    """The body, or why it is none."""
    if len(body) > MAX_MESSAGE_BYTES:
        message = f"a message has at most {MAX_MESSAGE_BYTES} bytes, this one {len(body)}"
        return RefusedBody(letter_error(DeadLetterCode.OVERSIZED, message))
    try:
        return decode(subject, body)
    except ValidationError as error:
        code, field, message = explain(error)
        return RefusedBody(letter_error(code, message, field))
    except Poison as poison:
        return RefusedBody(letter_error(poison.code, poison.message, poison.field))


def as_emits(result: Any) -> Emits:
    """What a handler returned, as a sequence."""
    if result is None:
        return ()
    return (result,) if isinstance(result, Emit) else tuple(result)


class Settling:
    """Takes messages from their arrival to their outcome."""

    def __init__(self, around: Surroundings, metrics: DeliveryMetrics) -> None:
        self._around = around
        self._metrics = metrics
        self._waiting: Counter[str] = Counter()

    async def settle(self, hand: InHand) -> None:
        """Return when the message has its outcome."""
        enter(hand.info)
        runtime_log.correlation.set(hand.info.headers.get(CORRELATION))
        if hand.info.deliveries > 1:
            self._metrics.redeliveries.labels(hand.info.durable).inc()
        beat = Heartbeat(hand.in_progress)
        try:
            with tracing.handling(hand.info), timed(self._metrics.seconds.labels(hand.info.durable)):
                await self._work(hand)
        finally:
            beat.stop()

    async def _work(self, hand: InHand) -> None:
        if hand.info.headers.get(REPLAY_FOR, hand.info.durable) != hand.info.durable:
            await self._tell(hand.info, "not_for_it", hand.ack())
            return
        try:
            body = await hand.parse()
            if isinstance(body, RefusedBody):
                await self._bury(hand, body.error)
            else:
                await self._handle(hand)
        except Poison as poison:
            await self._bury(hand, letter_error(poison.code, poison.message, poison.field))
        except Later as later:
            await self._tell(hand.info, "later", hand.nak(later.seconds))
        except Exception as error:  # noqa: BLE001 - the one catch-all: a fault of ours must not lose the message
            await self._failed(hand, error)

    async def _handle(self, hand: InHand) -> None:
        async def work() -> None:
            for emit in as_emits(await hand.handle()):
                await self._around.publish(emit, hand.info.headers)

        if await self._patiently(hand, work):
            await self._tell(hand.info, "done", hand.ack())

    async def _failed(self, hand: InHand, error: Exception) -> None:
        info = hand.info
        log.error("%s failed on %s:%d", info.durable, info.stream, info.sequence, exc_info=error)
        if info.deliveries < self._around.max_deliver(info.durable):
            await self._tell(info, "failed", hand.nak(retry_delay(info.deliveries)))
            return
        await self._bury(hand, letter_error(DeadLetterCode.HANDLER_ERROR, f"{type(error).__name__}: {error}"))

    async def _bury(self, hand: InHand, error: DeadLetterError) -> None:
        info, now = hand.info, self._around.now()
        letter = dead_letter(
            subject=info.subject,
            headers=info.headers,
            body=hand.data,
            stream=info.stream,
            durable=info.durable,
            sequence=info.sequence,
            error=error,
            deliveries=info.deliveries,
            now=now,
        )
        follow = ends(info.durable, info.subject, hand.data, error.message, now)
        log.error("dead letter %s: %s", letter.subject, error.message)

        async def work() -> None:
            for emit in (letter, *follow):
                await self._around.publish(emit, info.headers)

        if await self._patiently(hand, work):
            await self._tell(info, "dead", hand.term())

    async def _patiently(self, hand: InHand, work: Callable[[], Awaitable[None]]) -> bool:
        """Do it, again and again while a dependency is away. False when the process stops: then it is handed back."""
        attempt = 0
        try:
            while True:
                try:
                    await work()
                except self._around.away as error:
                    attempt += 1
                    if await self._wait(hand.info, error, attempt):
                        await self._tell(hand.info, "handed_back", hand.nak(HAND_BACK_S))
                        return False
                else:
                    return True
        finally:
            if attempt:
                self._waiting[hand.info.durable] -= 1

    async def _wait(self, info: Delivered, error: Exception, attempt: int) -> bool:
        """Wait for a dependency; true when the process stops meanwhile. Said once for all that wait in a durable."""
        if attempt == 1:
            self._waiting[info.durable] += 1
            if self._waiting[info.durable] == 1:
                log.warning("%s waits for a dependency: %r", info.durable, error)
            self._count(info, "waited")
        return await self._around.stopping(AWAY_DELAYS_S[min(attempt, len(AWAY_DELAYS_S)) - 1])

    async def _tell(self, info: Delivered, outcome: str, answer: Awaitable[None]) -> None:
        """Tell the server. When it cannot be told, the message comes again and every step is repeatable."""
        try:
            await answer
        except self._around.untold as error:
            log.warning("%s %s:%d is %s, untold: %r", info.durable, info.stream, info.sequence, outcome, error)
        self._count(info, outcome)

    def _count(self, info: Delivered, outcome: str) -> None:
        self._metrics.messages.labels(info.durable, outcome).inc()
