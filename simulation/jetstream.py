"""JetStream in memory: streams, durables and buckets as docs/bus.md says that the server treats them."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from libs.runtime.envelope import MSG_ID
from libs.runtime.errors import Conflict
from libs.schemas import ids, subjects
from libs.schemas.matching import matches, stream_of
from libs.schemas.topology import Durable, Stream
from services.ledger.domain.advisories import MaxDeliveries
from simulation.process import BEGINS, SimulatedWorld

BEGAN_NS = int(BEGINS.timestamp()) * 1_000_000_000
GIVEN_UP = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES"


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """`body` is what MARKET holds in the place of bytes: its readers are not what is tried here."""

    stream: str
    sequence: int
    subject: str
    headers: Mapping[str, str]
    data: bytes
    at_ns: int
    body: object = None


@dataclass(frozen=True, slots=True)
class PublishAnswer:
    seq: int
    duplicate: bool


@dataclass(slots=True)
class LoggedStream:
    name: str
    window: float
    messages: list[LoggedMessage] = field(default_factory=list)
    known: dict[str, tuple[float, int]] = field(default_factory=dict)
    newest: dict[str, int] = field(default_factory=dict)
    followers: list[Callable[[], None]] = field(default_factory=list)

    @property
    def last(self) -> int:
        return len(self.messages)


@dataclass(slots=True)
class Unsettled:
    """A message that was delivered and not acknowledged."""

    deliveries: int
    until: float
    waits: bool = False  # for its next delivery


@dataclass(slots=True)
class WaitingPuller:
    """Who takes messages: `room` is for how many more it has asked."""

    take: Callable[[LoggedMessage, int], None]
    room: int


class ServedDurable:
    """A durable pull consumer: what is not acknowledged in time is delivered again."""

    def __init__(
        self, world: SimulatedWorld, durable: Durable, stream: LoggedStream, give_up: Callable[..., None]
    ) -> None:
        self.durable = durable
        self._world = world
        self._stream = stream
        self._give_up = give_up
        self._read = self._settled = 0
        self._again: deque[int] = deque()
        self.unsettled: dict[int, Unsettled] = {}
        self.pullers: list[WaitingPuller] = []
        stream.followers.append(self.serve)

    @property
    def floor(self) -> int:
        """The sequence up to which everything is settled."""
        return min(self.unsettled) - 1 if self.unsettled else self._read

    @property
    def idle(self) -> bool:
        return not self.unsettled and self._peek() is None

    def serve(self) -> None:
        """Deliver what there is to those who asked for it."""
        while self._pullable() and (sequence := self._next()) is not None:
            room = self._pullable()
            puller = room[int(self._world.random.random() * len(room))]
            puller.room -= 1
            self._deliver(sequence, puller)

    def ack(self, sequence: int) -> None:
        self.unsettled.pop(sequence, None)
        self._settled = sequence
        self.serve()

    def nak(self, sequence: int, delay: float) -> None:
        known = self.unsettled.get(sequence)
        if known is not None and not known.waits:
            known.until = self._world.loop.time() + delay
            self._world.loop.outside(known.until, self._expire, sequence)

    def in_progress(self, sequence: int) -> None:
        known = self.unsettled.get(sequence)
        if known is not None and not known.waits:
            known.until = self._world.loop.time() + self.durable.ack_wait_s

    def forget(self) -> None:
        """Deliver once more what was acknowledged last, as after a new leader that had not heard of it."""
        if self._settled and self._settled not in self.unsettled:
            self.unsettled[self._settled] = Unsettled(1, 0.0, waits=True)
            self._again.append(self._settled)
            self.serve()

    def _pullable(self) -> list[WaitingPuller]:
        return [puller for puller in self.pullers if puller.room]

    def _peek(self) -> int | None:
        read = self._read
        while read < self._stream.last:
            if self._wants(self._stream.messages[read].subject):
                return read
            read += 1
        return None

    def _wants(self, subject: str) -> bool:
        return any(matches(pattern, subject) for pattern in self.durable.filters)

    def _next(self) -> int | None:
        while self._again:
            sequence = self._again.popleft()
            if sequence in self.unsettled:
                return sequence
        if len(self.unsettled) >= self.durable.max_ack_pending:
            return None
        place = self._peek()
        if place is None:
            self._read = self._stream.last
            return None
        self._read = place + 1
        return self._read

    def _deliver(self, sequence: int, puller: WaitingPuller) -> None:
        before = self.unsettled.get(sequence)
        until = self._world.loop.time() + self.durable.ack_wait_s
        known = self.unsettled[sequence] = Unsettled(before.deliveries + 1 if before else 1, until)
        self._world.loop.outside(until, self._expire, sequence)
        puller.take(self._stream.messages[sequence - 1], known.deliveries)

    def _expire(self, sequence: int) -> None:
        known = self.unsettled.get(sequence)
        if known is None or known.waits or "redelivery" in self._world.off:
            return
        if known.until > self._world.loop.time() + 1e-9:
            self._world.loop.outside(known.until, self._expire, sequence)
            return
        if known.deliveries >= self.durable.max_deliver:
            del self.unsettled[sequence]
            self._give_up(self.durable, sequence, known.deliveries)
            return
        known.waits = True
        self._again.append(sequence)
        self.serve()


@dataclass(slots=True)
class LoggedBucket:
    """Keys with revisions; every follower hears of every write in order."""

    name: str
    revision: int = 0
    values: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    followers: list[Callable[[str, bytes, int], None]] = field(default_factory=list)

    def put(self, key: str, value: bytes, last: int | None) -> int:
        present = self.values.get(key, (b"", 0))[1]
        if last is not None and last != present:
            raise Conflict(f"{self.name} {key} is at revision {present}, not at {last}")
        self.revision += 1
        self.values[key] = value, self.revision
        for follower in tuple(self.followers):
            follower(key, value, self.revision)
        return self.revision


class JetStreamServer:
    """One server. Whatever it has stored it keeps."""

    def __init__(self, world: SimulatedWorld) -> None:
        self.world = world
        self.streams = {
            stream.name: LoggedStream(stream.name, stream.duplicate_window_s) for stream in subjects.STREAMS
        }
        self.buckets = {bucket.name: LoggedBucket(bucket.name) for bucket in subjects.BUCKETS}
        self.durables: dict[str, ServedDurable] = {}
        self._intakes: dict[str, list[tuple[Stream, str, str]]] = {}
        for stream in subjects.STREAMS:
            for source in stream.sources:
                taken = (stream, source.filter, source.destination)
                self._intakes.setdefault(source.stream, []).append(taken)

    def durable(self, durable: Durable) -> ServedDurable:
        if durable.name not in self.durables:
            stream = self.streams[durable.stream]
            self.durables[durable.name] = ServedDurable(self.world, durable, stream, self._gave_up)
        return self.durables[durable.name]

    def publish(
        self, subject: str, headers: Mapping[str, str], data: bytes, last: int | None = None, body: object = None
    ) -> PublishAnswer:
        """Raises Conflict where `last` is not the sequence of the subject's newest message."""
        stream, now = self.streams[stream_of(subject)], self.world.loop.time()
        if last is not None and last != stream.newest.get(subject, 0):  # looked at before the id, as the server does
            raise Conflict(f"the newest of {subject} is {stream.newest.get(subject, 0)}, not {last}")
        name = headers.get(MSG_ID)
        known = stream.known.get(name) if name and "duplicate_id" not in self.world.off else None
        if known is not None and known[0] + stream.window > now:
            return PublishAnswer(known[1], duplicate=True)
        sequence = self._append(stream, subject, headers, data, body)
        if name:
            stream.known[name] = now, sequence
        return PublishAnswer(sequence, duplicate=False)

    def _append(self, stream: LoggedStream, subject: str, headers: Mapping[str, str], data: bytes, body: object) -> int:
        at = BEGAN_NS + int(self.world.loop.time() * 1e9)
        message = LoggedMessage(stream.name, stream.last + 1, subject, headers, data, at, body)
        stream.messages.append(message)
        stream.newest[subject] = message.sequence
        if body is None:
            self.world.note("nats", f"{stream.name}:{message.sequence} {subject} {headers.get(MSG_ID, '')}")
        for follower in tuple(stream.followers):
            follower()
        for target, wanted, destination in self._intakes.get(stream.name, ()):
            if matches(wanted, subject):
                taken = (self.streams[target.name], taken_in(destination, subject), headers, data, None)
                self.world.loop.outside(self.world.loop.time() + 0.001, self._append, *taken)
        return message.sequence

    def _gave_up(self, durable: Durable, sequence: int, deliveries: int) -> None:
        advisory = MaxDeliveries(
            stream=durable.stream, consumer=durable.name, stream_seq=sequence, deliveries=deliveries
        )
        self.world.note("nats", f"{durable.name} gives {durable.stream}:{sequence} up")
        body = advisory.model_dump_json().encode()
        self.publish(f"{GIVEN_UP}.{durable.stream}.{durable.name}", {}, body)


def taken_in(destination: str, subject: str) -> str:
    """The subject under which a stream takes a message of another in."""
    account = subject.rpartition(".")[2]
    parts = destination.split(".")
    return f"{parts[0]}.{ids.partition(account)}.{parts[-2]}.{account}"
