"""The bus as one process has it: confirmed publishing, buckets, copies of them, readers, and messages in hand."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Generic, TypeVar

from libs.runtime.delivered import Delivered
from libs.runtime.emit import Emit, Emits
from libs.runtime.envelope import ENDS, MSG_ID, headers, kind_of
from libs.runtime.errors import Unavailable
from libs.runtime.metrics import DeliveryMetrics
from libs.runtime.settling import Decode, Handler, Settling, parsed
from libs.schemas.base import Message
from libs.schemas.topology import MAX_DELIVER, Durable
from simulation.jetstream import JetStreamServer, LoggedMessage, PublishAnswer, ServedDurable, WaitingPuller
from simulation.process import Link, SimulatedClock, SimulatedProcess

T = TypeVar("T")
PULL_S = 2.0
MISTAKES = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError, ValueError)


class SimulatedBus:
    """One connection: what is sent over it arrives in its order."""

    def __init__(self, process: SimulatedProcess, server: JetStreamServer) -> None:
        self.process = process
        self.server = server
        self.link = Link(process, "nats", ordered=True)
        self.clock = SimulatedClock(process)

    async def publish(
        self, emit: Emit, cause: Mapping[str, str] | None = None, *, last: int | None = None
    ) -> PublishAnswer:
        """Return when it is stored. Raises Unavailable, Conflict."""
        causes = {**(cause or {}), **(emit.cause or {})}
        made = self._named(emit, headers(emit, self.process.worker, self.clock.wall(), causes))
        body = emit.body.model_dump_json(exclude_none=True).encode()
        kind = kind_of(emit.subject)

        def store() -> PublishAnswer:
            return self.server.publish(emit.subject, made, body, last)

        if "confirmed_publish" in self.process.world.off:
            self.link.tell(f"publish {kind}", store)
            return PublishAnswer(0, duplicate=False)
        return await self.link.ask(f"publish {kind}", store, emit.subject)

    async def publish_many(self, emits: Iterable[Emit]) -> None:
        await asyncio.gather(*map(self.publish, emits))

    async def kv_put(self, bucket: str, key: str, body: Message, *, last: int | None = None) -> int:
        """The new revision. Raises Unavailable, Conflict."""
        data = body.model_dump_json(exclude_none=True).encode()
        wanted = None if "compare_and_set" in self.process.world.off else last
        return await self.link.ask(f"put {bucket}", lambda: self.server.buckets[bucket].put(key, data, wanted), key)

    async def kv_get(self, bucket: str, key: str) -> tuple[bytes, int] | None:
        return await self.link.ask(f"get {bucket}", lambda: self.server.buckets[bucket].values.get(key), key)

    def _named(self, emit: Emit, made: dict[str, str]) -> dict[str, str]:
        """Without the line that it is about, each kind of end has an id of its own."""
        if "one_end" in self.process.world.off and kind_of(emit.subject) in ENDS:
            return made | {MSG_ID: f"{kind_of(emit.subject)}:{emit.body.message_id()}"}
        return made


class Copy(Generic[T]):
    """A bucket as a process knows it: a little late, and later still while it is cut off."""

    def __init__(self, bus: SimulatedBus, bucket: str, parse: Callable[[bytes], T]) -> None:
        self._bus = bus
        self._bucket = bus.server.buckets[bucket]
        self._parse = parse
        self._known: dict[str, tuple[T, int]] = {}

    async def start(self) -> None:
        """Return when everything that is there is here."""
        self._bucket.followers.append(self._follow)
        self._bus.process.on_end.append(lambda: self._bucket.followers.remove(self._follow))
        self._bus.process.on_return.append(self._resend)
        while True:
            try:
                present = await self._bus.link.ask("read " + self._bucket.name, lambda: dict(self._bucket.values))
            except Unavailable:
                continue
            for key, (value, revision) in present.items():
                self._take(key, value, revision)
            return

    def get(self, key: str) -> T | None:
        known = self._known.get(key)
        return known[0] if known else None

    def revision(self, key: str) -> int:
        return self._known[key][1] if key in self._known else 0

    def items(self) -> dict[str, T]:
        return {key: value for key, (value, _) in self._known.items()}

    def _follow(self, key: str, value: bytes, revision: int) -> None:
        self._bus.link.push(lambda: self._take(key, value, revision))

    def _resend(self) -> None:
        for key, (value, revision) in self._bucket.values.items():
            self._follow(key, value, revision)

    def _take(self, key: str, value: bytes, revision: int) -> None:
        if revision > self.revision(key):
            self._known[key] = self._parse(value), revision


class LogReader:
    """A stream in its order, from a sequence on; nothing is left out however long the process is cut off."""

    def __init__(self, bus: SimulatedBus, stream: str, take: Callable[[LoggedMessage], None]) -> None:
        self._bus = bus
        self._stream = bus.server.streams[stream]
        self._take = take
        self._sent = 0
        self._moved = asyncio.Event()
        self.read = 0

    async def start(self, after: int = 0) -> None:
        """Return when what was stored by now is read."""
        self._sent = self.read = after
        self._stream.followers.append(self._send)
        self._bus.process.on_end.append(lambda: self._stream.followers.remove(self._send))
        self._bus.process.on_return.append(self._resend)
        until = self._stream.last
        self._send()
        await self.reached(until)

    async def reached(self, sequence: int) -> None:
        """Return when everything up to it is read."""
        while self.read < sequence:
            self._moved.clear()
            await self._moved.wait()

    def _send(self) -> None:
        batch = self._stream.messages[self._sent :]
        self._sent = self._stream.last
        if batch:
            self._bus.link.push(lambda: self._hear(batch))

    def _resend(self) -> None:
        self._sent = self.read
        self._send()

    def _hear(self, batch: list[LoggedMessage]) -> None:
        for message in batch:
            if message.sequence == self.read + 1:
                self.read = message.sequence
                self._take(message)
        self._moved.set()


class SimulatedSurroundings:
    """What the core of delivery needs of a process."""

    away: tuple[type[Exception], ...] = (Unavailable,)
    untold: tuple[type[Exception], ...] = (Unavailable,)

    def __init__(self, bus: SimulatedBus, metrics: DeliveryMetrics) -> None:
        self._bus = bus
        self.settling = Settling(self, metrics)

    def now(self) -> datetime:
        return self._bus.clock.now()

    def max_deliver(self, durable: str) -> int:
        return MAX_DELIVER

    async def publish(self, emit: Emit, cause: Mapping[str, str]) -> object:
        return await self._bus.publish(emit, cause)

    async def stopping(self, seconds: float) -> bool:
        await asyncio.sleep(seconds)
        return False


class HeldMessage:
    """A delivered message in the hands of a process."""

    def __init__(self, consumer: "SimulatedConsumer", message: LoggedMessage, deliveries: int) -> None:
        self._consumer = consumer
        self._body: object = None
        self.data = message.data
        self.info = Delivered(
            message.stream,
            consumer.served.durable.name,
            message.sequence,
            deliveries,
            message.at_ns,
            message.subject,
            dict(message.headers),
        )

    async def parse(self) -> object:
        if self._consumer.early:
            self._tell("ack", lambda: self._consumer.served.ack(self.info.sequence))
        self._body = parsed(self._consumer.decode, self.info.subject, self.data)
        return self._body

    async def handle(self) -> Emit | Emits | None:
        """A mistake in the code, which no fault of a server brings about, is a failure of the run however often it is
        tried again."""
        try:
            return await self._consumer.handler(self._body)
        except MISTAKES as error:
            self._consumer.bus.process.world.loop.failures.append(f"{self.info.durable}: {error!r}")
            raise

    async def ack(self) -> None:
        self._tell("ack", lambda: self._consumer.served.ack(self.info.sequence))

    async def nak(self, delay: float) -> None:
        self._tell("nak", lambda: self._consumer.served.nak(self.info.sequence, delay))

    async def term(self) -> None:
        self._tell("term", lambda: self._consumer.served.ack(self.info.sequence))

    async def in_progress(self) -> None:
        self._tell("beat", lambda: self._consumer.served.in_progress(self.info.sequence))

    def _tell(self, what: str, do: Callable[[], object]) -> None:
        self._consumer.bus.link.tell(what, do)


class SimulatedConsumer:
    """Takes messages of a durable, `places` at once. `early` acknowledges before anything is done: a line left out."""

    def __init__(
        self, bus: SimulatedBus, around: SimulatedSurroundings, durable: Durable, handler: Handler, decode: Decode
    ) -> None:
        self.bus = bus
        self.served: ServedDurable = bus.server.durable(durable)
        self.handler = handler
        self.decode = decode
        self._around = around
        self._puller = WaitingPuller(self._arrives, 0)
        self._places = 0
        self._hands: set[asyncio.Task[None]] = set()
        off = bus.process.world.off
        ledger = durable.name.startswith("ledger-")
        self.early = ("ack_after_store" if ledger else "ack_after_publish") in off

    async def start(self, places: int = 1) -> None:
        self._places = places
        self.served.pullers.append(self._puller)
        self.bus.process.on_end.append(self._quit_later)
        self.bus.process.forgetful.append(self.served.forget)
        self._ask()

    async def stop(self) -> None:
        """Return when what is in hand is finished."""
        self._quit()
        while self._hands:
            await asyncio.wait(self._hands)

    def _quit_later(self) -> None:
        """What a dead process asked for still goes to it, for a while."""
        loop = self.bus.process.world.loop
        loop.outside(loop.time() + self.bus.process.world.random.uniform(0.0, 2.0), self._quit)

    def _quit(self) -> None:
        if self._puller in self.served.pullers:
            self.served.pullers.remove(self._puller)

    def _arrives(self, message: LoggedMessage, deliveries: int) -> None:
        self.bus.link.push(lambda: self._take(message, deliveries))

    def _take(self, message: LoggedMessage, deliveries: int) -> None:
        hand = HeldMessage(self, message, deliveries)
        settling = self.bus.process.begin(self._settle(hand), self.served.durable.name)
        self._hands.add(settling)
        settling.add_done_callback(self._hands.discard)

    async def _settle(self, hand: HeldMessage) -> None:
        await self._around.settling.settle(hand)
        self.bus.link.tell("beat", self._more)

    def _more(self) -> None:
        self._puller.room += 1
        self.served.serve()

    def _ask(self) -> None:
        """A request to pull ends by itself and is made again, so that none is lost for good."""
        if self._puller not in self.served.pullers or not self.bus.process.lives:
            return
        if not self.bus.process.cut_off:
            self._puller.room = self._places - len(self._hands)
            self.served.serve()
        self.bus.process.world.loop.outside(self.bus.process.world.loop.time() + PULL_S, self._ask)
