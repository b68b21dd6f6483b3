"""What `perpetua verify` looks at: streams, buckets and documents of a system that may be running.

Read in an order in which nothing can be missed: first how far everybody is, then what they made of it. What moved
meanwhile is beyond that, and counts as on its way.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TypeGuard

import orjson
from pydantic import ValidationError

from libs.configuration.mirror import StateMirror
from libs.invariants.log import Frontier, Log
from libs.invariants.rows import BookRow, PlanRow
from libs.invariants.seals import SEALED, Announced, SealedMessage, SealedStreams, StoredSeal, message_digest
from libs.records.archive import ARCHIVED
from libs.records.books import books_and_plans, ended_intents
from libs.records.reading import RecordsDb
from libs.records.seals import stored_seals
from libs.runtime.bus import Bus
from libs.runtime.clock import MarketClockMirror
from libs.runtime.mirror import KvMirror
from libs.runtime.reader import Record, Start, read_all
from libs.schemas import subjects
from libs.schemas.audit import AuditEvent
from libs.schemas.base import Message
from libs.schemas.events import decode_event
from libs.schemas.inflight import InFlight
from services.ledger.domain.project import project
from services.ledger.domain.upserts import Upserts

# The last step first: what an earlier stream has that a later one lacks was not there yet, or is lost.
READ = (subjects.ORDERS, subjects.AUDIT, subjects.DECISIONS, subjects.CONTEXTS, subjects.REQUESTS, subjects.DEAD)
KEPT_BY = {
    subjects.REQUESTS.name: subjects.LEDGER_REQUESTS,
    subjects.CONTEXTS.name: subjects.LEDGER_CONTEXTS,
    subjects.DECISIONS.name: subjects.LEDGER_DECISIONS,
    subjects.ORDERS.name: subjects.LEDGER_ORDERS,
    subjects.AUDIT.name: subjects.LEDGER_AUDIT,
    subjects.DEAD.name: subjects.LEDGER_DEAD,
}
# Those who carry a decision from its request to its end.
STEPS = (
    subjects.CONTEXT_REQUESTS,
    subjects.CONTEXT_ENDS,
    subjects.DECIDER_CONTEXTS,
    subjects.DECIDER_SHADOWS,
    subjects.VALIDATOR_PROPOSALS,
)
Key = tuple[str, str]  # a collection, and the id of a document


@dataclass(frozen=True, slots=True)
class Origin:
    """The message that a document is made of, and the time by which the document is archived."""

    stream: str
    sequence: int
    at: datetime | None


@dataclass(slots=True)
class Evidence:
    """`documents` are those that the log says are in the read models, `unread` messages that nobody can read, `holes`
    how many messages a stream lacks between its first and its last. What AUDIT tells up to `told_until` was stored
    before the seals were read."""

    frontier: Frontier
    books: dict[str, BookRow]
    plans: dict[str, PlanRow]
    ended: dict[str, str]
    speed: float
    now: datetime
    log: Log = field(default_factory=Log)
    documents: dict[Key, Origin] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    seals: list[StoredSeal] = field(default_factory=list)
    history: SealedStreams = field(default_factory=SealedStreams)
    heads: list[Announced] = field(default_factory=list)
    told_until: int = 0
    moving: int = 0
    holes: dict[str, int] = field(default_factory=dict)

    def take(self, stream: str, record: Record) -> None:
        if stream in {sealed.name for sealed in SEALED}:
            account_id, digest = record.subject.rpartition(".")[2], message_digest(record.subject, record.data)
            message = SealedMessage(stream, record.sequence, account_id, digest)
            self.history.messages[message.place] = message
        try:
            body = decode_event(record.subject, record.data)
        except (KeyError, ValidationError):
            self.unread.append(f"{stream}:{record.sequence}")
            self.log.unread |= _request_of(record)
            return
        self.log.take(record.subject, record.sequence, body)
        if _is_head(body) and record.sequence <= self.told_until:
            self.heads.append(Announced(body.subject, int(body.event_id.rpartition(":")[2]), body.after or ""))
        if record.subject.startswith("context.shadowed."):
            return
        if self.frontier.beyond(KEPT_BY[stream], record.sequence):
            self.moving += 1
            return
        received = datetime.fromtimestamp(record.timestamp_ns / 1e9, UTC)
        self._expect(project(body, received), stream, record.sequence)

    def _expect(self, upserts: Upserts, stream: str, sequence: int) -> None:
        for one in upserts:
            at = {**one.set_on_insert, **one.set, **one.earliest}.get(ARCHIVED.get(one.collection, ""))
            origin = Origin(stream, sequence, at if isinstance(at, datetime) else None)
            self.documents.setdefault((one.collection, one.key), origin)


def _is_head(body: Message) -> TypeGuard[AuditEvent]:
    return isinstance(body, AuditEvent) and (body.who, body.what) == ("ledger", "sealed")


def _request_of(record: Record) -> set[str]:
    """The id of a request whose body is not valid otherwise."""
    if not record.subject.startswith("decision.requested."):
        return set()
    try:
        body = orjson.loads(record.data)
    except orjson.JSONDecodeError:
        return set()
    name = body.get("request_id") if isinstance(body, dict) else None
    return {name} if isinstance(name, str) else set()


async def evidence(bus: Bus, db: RecordsDb, wall: datetime) -> Evidence:
    """Raises Unavailable and pymongo's errors; NotFoundError where streams are not made."""
    floors = await _floors(bus)
    waiting, promoted = await _in_line(bus, wall)
    books, plans = await books_and_plans(db)
    shown, speed, now = await _shown(bus)
    seen = {name: replace(book, shown=shown.get((name, book.version))) for name, book in books.items()}
    found = Evidence(Frontier(floors, waiting, promoted), seen, plans, await ended_intents(db), speed, now)
    found.told_until = (await bus.js.stream_info(subjects.AUDIT.name)).state.last_seq
    found.seals = await stored_seals(db)
    for stream in READ:
        await _look(bus, stream.name, found)
        await read_all(bus, stream.name, stream.subjects, partial(found.take, stream.name), start=Start.all())
    return found


async def _look(bus: Bus, stream: str, found: Evidence) -> None:
    """Whether the stream has lost its beginning, which its limits do, or something in its middle, which nobody may."""
    state = (await bus.js.stream_info(stream)).state
    found.history.first[stream] = state.first_seq
    if state.first_seq > 1:
        found.log.trimmed.add(stream)
    if state.messages and (lost := state.last_seq - state.first_seq + 1 - state.messages):
        found.holes[stream] = lost


async def _floors(bus: Bus) -> dict[str, int]:
    infos = [await bus.js.consumer_info(durable.stream, durable.name) for durable in (*STEPS, *KEPT_BY.values())]
    return {info.name: info.ack_floor.stream_seq for info in infos if info.ack_floor}


async def _in_line(bus: Bus, wall: datetime) -> tuple[frozenset[str], dict[str, str | None]]:
    """Requests that wait for their account's place, or share it while its holder lives; and who has one since when."""
    places = KvMirror(bus, subjects.KV_INFLIGHT.name, lambda _, data: InFlight.model_validate_json(data))
    await places.start()
    waiting: set[str] = set()
    promoted: dict[str, str | None] = {}
    for place in places.items().values():
        for one in place.line:
            waiting |= {one.request.request_id, *(joined.request_id for joined in one.joined)}
        if place.holder is not None:
            held = [place.holder.request_id, *(joined.request_id for joined in place.holder.joined)]
            promoted |= dict.fromkeys(held, place.holder.after)
            waiting |= set(held) if place.holder.deadline > wall else set()
    await places.stop()
    return frozenset(waiting), promoted


async def _shown(bus: Bus) -> tuple[dict[tuple[str, int], Decimal], float, datetime]:
    """Wallets in KV `state` by account and version, how fast market time goes, and what it is."""
    states, clock = StateMirror(bus), MarketClockMirror(bus)
    await states.start()
    await clock.start()
    shown = {(str(state.account_id), state.version): state.wallet_balance for state in states.items().values()}
    speed, now = clock.speed, clock.now()
    await clock.stop()
    await states.stop()
    return shown, speed, now
