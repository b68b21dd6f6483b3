"""`perpetua verify`: every promise of docs/reliability.md, looked at on what a system has stored."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Any

import nats.js.errors
from pydantic import ValidationError

from cli.ask.evidence import Evidence, Key, Origin, evidence
from cli.ask.records import records
from cli.connection import connected
from cli.errors import CliError
from libs.invariants.books import fills_are_booked, wallets_add_up
from libs.invariants.log import Log, digest_of
from libs.invariants.orders import entries_are_one_order, intents_end
from libs.invariants.protection import positions_are_protected
from libs.invariants.requests import requests_end_once, shadows_end_once
from libs.invariants.seals import history_is_sealed
from libs.invariants.values import InvariantCheck, Status, Tally
from libs.records.archive import ARCHIVED, month_of
from libs.records.collections import BODIES, CONTEXTS, DECISIONS, OUTCOMES
from libs.records.proposals import body_hashes, proposal_of
from libs.records.reading import RecordsDb
from libs.runtime.bus import Bus
from libs.runtime.clock import WallClock
from libs.runtime.errors import Unavailable
from libs.runtime.mongo import Document
from libs.schemas.context import TradingContext
from services.decider.domain.replay import differences, replay
from services.executor.domain.book import PROTECTION_GRACE

LOOKED_EVERY = timedelta(seconds=1)  # wall time, twice what an idle executor takes to look at its accounts
LATER = frozenset({OUTCOMES})  # a state folder may be older than these collections
BATCH = 500
SHOWN = 5
UNREADABLE: tuple[type[Exception], ...] = (KeyError, ValidationError)


@dataclass(frozen=True, slots=True)
class Verified:
    """`unread` counts messages of the log that nobody can read; they are dead letters."""

    checks: tuple[InvariantCheck, ...]
    unread: int

    @property
    def status(self) -> Status:
        found = {check.status for check in self.checks}
        return "broken" if "broken" in found else "holds" if "holds" in found else "not_checkable"

    @property
    def exit_code(self) -> int:
        return {"holds": 0, "broken": 1, "not_checkable": 2}[self.status]


async def verified_at(nats_url: str, mongodb_url: str) -> Verified:
    """CliError where one of them cannot be read."""
    async with connected(nats_url) as bus, records(mongodb_url) as db:
        try:
            return await verified(bus, db, WallClock().wall())
        except (Unavailable, nats.js.errors.Error) as error:
            raise CliError(
                f"the log cannot be read: {error}", "does this user see all of it? `perpetua status`"
            ) from error


async def verified(bus: Bus, db: RecordsDb, wall: datetime) -> Verified:
    """Raises Unavailable and pymongo's errors."""
    found = await evidence(bus, db, wall)
    log, plans = found.log, found.plans.values()
    allowed = PROTECTION_GRACE + LOOKED_EVERY * found.speed
    return Verified(
        (
            requests_end_once(log, found.frontier),
            shadows_end_once(log, found.frontier),
            entries_are_one_order(log, plans, found.books),
            intents_end(log, plans, found.books, found.ended),
            await _nothing_is_missing(db, found),
            wallets_add_up(log, found.books),
            fills_are_booked(log),
            positions_are_protected(log, found.books, allowed, found.now),
            await _decisions_follow(db, log),
            history_is_sealed(found.seals, found.history, found.heads),
        ),
        len(found.unread),
    )


async def _nothing_is_missing(db: RecordsDb, found: Evidence) -> InvariantCheck:
    tally = Tally("R3", "nothing of the log is missing in the read models", moving=found.moving)
    for stream, lost in found.holes.items():
        tally.breach(stream, f"{lost} messages are gone between its first and its last")
    for collection, origins in _by_collection(found.documents).items():
        there = {name async for name in _present(db, collection, list(origins))}
        oldest = await _oldest_month(db, collection, origins) if len(there) < len(origins) else None
        begun = _begun(collection, there, origins)
        for name, origin in origins.items():
            if name in there:
                tally.held()
            elif origin.sequence < begun:
                tally.expired += 1  # of a version that did not keep these yet
            elif origin.at is not None and oldest is not None and month_of(origin.at) < oldest:
                tally.expired += 1  # its month is archived, or was never there: nobody can tell
            else:
                tally.breach(f"{collection} {name}", f"{origin.stream} {origin.sequence} is acknowledged and not there")
    return tally.done()


def _by_collection(documents: Mapping[Key, Origin]) -> dict[str, dict[str, Origin]]:
    found: dict[str, dict[str, Origin]] = {}
    for (collection, name), origin in documents.items():
        found.setdefault(collection, {})[name] = origin
    return found


async def _present(db: RecordsDb, collection: str, names: list[str]) -> AsyncIterator[str]:
    for n in range(0, len(names), BATCH):
        async for entry in db[collection].find({"_id": {"$in": names[n : n + BATCH]}}, {"_id": 1}):
            yield entry["_id"]


def _begun(collection: str, there: set[str], origins: Mapping[str, Origin]) -> float:
    """The sequence from which on a collection is kept that older versions did not have; 0 for the others."""
    if collection not in LATER:
        return 0
    return min((origins[name].sequence for name in there), default=inf)


async def _oldest_month(db: RecordsDb, collection: str, origins: Mapping[str, Origin]) -> datetime | None:
    field = ARCHIVED.get(collection)
    if field is None:
        return None
    oldest = await db[collection].find_one({field: {"$type": "date"}}, {field: 1}, sort=[(field, 1)])
    return month_of(oldest[field]) if oldest else None


async def _decisions_follow(db: RecordsDb, log: Log) -> InvariantCheck:
    """Made again from the context and the raw answers that are kept, and as the log has them."""
    tally = Tally("R7", "decisions follow from their context and raw answers, byte for byte")
    logged = {row.decision_id: row.digest for row in log.proposals}
    async for documents in _batches(db):
        contexts, bodies = await _contexts(db, documents), await _bodies(db, documents)
        for document in documents:
            context = contexts.get(document["context_id"])
            if context is None:
                tally.expired += 1
            else:
                tally.judge(document["_id"], _differs(document, context, bodies, logged.get(document["_id"])))
    return tally.done()


async def _batches(db: RecordsDb) -> AsyncIterator[list[Document]]:
    batch: list[Document] = []
    async for document in db[DECISIONS].find({"proposal": {"$exists": True}}, batch_size=100):
        batch.append(document)
        if len(batch) == 100:
            yield batch
            batch = []
    if batch:
        yield batch


async def _contexts(db: RecordsDb, documents: Iterable[Document]) -> dict[str, Document]:
    wanted = sorted({document["context_id"] for document in documents})
    stored = db[CONTEXTS].find({"_id": {"$in": wanted}}, {"context": 1})
    return {entry["_id"]: entry["context"] async for entry in stored if "context" in entry}


async def _bodies(db: RecordsDb, documents: Iterable[Document]) -> dict[str, Document]:
    wanted = sorted({name for document in documents for name in body_hashes(document)})
    return {entry["_id"]: entry async for entry in db[BODIES].find({"_id": {"$in": wanted}})}


def _differs(document: Document, kept: Document, texts: Mapping[str, Document], digest: str | None) -> str | None:
    try:
        context = TradingContext.model_validate(kept)
        recorded = proposal_of(document, [texts[name] for name in body_hashes(document)])
    except UNREADABLE as error:
        return f"what is kept of it cannot be read ({type(error).__name__})"
    if digest is not None and digest_of(recorded) != digest:
        return "the read model has another one than the log"
    lines = differences(recorded, replay(context, recorded))
    return "; ".join(lines)[:500] if lines else None


def lines(result: Verified) -> list[str]:
    """A line for each promise, and the first that broke each."""
    words = {"holds": "holds", "broken": "BROKEN", "not_checkable": "not checkable"}
    width = max(len(check.promise) for check in result.checks)
    told = []
    for check in result.checks:
        told.append(
            f"{check.invariant}  {check.promise:<{width}}  {words[check.status]:<13}  {_counts(check)}".rstrip()
        )
        told += [f"      {breach.about}: {breach.said}" for breach in check.breaches[:SHOWN]]
        if len(check.breaches) > SHOWN:
            told.append(f"      and {len(check.breaches) - SHOWN} more (--json has them)")
    if result.unread:
        told.append(f"{result.unread} messages of the log cannot be read: `perpetua dead list` shows them")
    return [*told, _verdict(result)]


def _counts(check: InvariantCheck) -> str:
    parts = [f"{check.checked:,} checked"]
    parts += [f"{len(check.breaches):,} broken"] if check.breaches else []
    parts += [f"{check.moving:,} in hand"] if check.moving else []
    parts += [f"{check.expired:,} expired"] if check.expired else []
    return ", ".join(parts)


def _verdict(result: Verified) -> str:
    if result.status == "broken":
        return "A promise is broken: docs/reliability.md says what to do next."
    return "Everything that can be checked holds." if result.status == "holds" else "There is nothing to check."


def plain(result: Verified) -> dict[str, Any]:
    """For programs."""
    checks = [{"status": check.status, **asdict(check)} for check in result.checks]
    return {"status": result.status, "unread": result.unread, "checks": checks}
