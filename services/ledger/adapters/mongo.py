"""Read models in MongoDB: changes applied by single-document updates that commute."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

import pymongo
from bson.codec_options import CodecOptions, TypeEncoder, TypeRegistry
from bson.decimal128 import Decimal128, create_decimal128_context
from bson.errors import BSONError
from pymongo import UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError

from libs.analytics.trades import Trade, in_order
from libs.records.collections import DECISIONS, RANK, TRADES
from libs.records.trades import STRATEGY_OF_TRADE, trade_of
from libs.runtime.failpoints import hit
from services.ledger.domain.merging import Merged, merged, summed
from services.ledger.domain.upserts import Advance, Count, Guard, Upsert, Upserts

TIMEOUT_S = 10.0  # a server that hangs counts as away
DUPLICATE_KEY = 11_000
# What the client raises for a document that BSON has no words for, or that is too large; it sends nothing then.
UNWRITABLE: tuple[type[Exception], ...] = (BSONError, OverflowError, UnicodeError)
_CONTEXT = create_decimal128_context()


class _DecimalEncoder(TypeEncoder):
    """Decimal → Decimal128, rounded to its 34 digits."""

    @property
    def python_type(self) -> type[Decimal]:
        return Decimal

    def transform_python(self, value: Any) -> Decimal128:
        return Decimal128(_CONTEXT.create_decimal(value))


CODEC: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True, type_registry=TypeRegistry([_DecimalEncoder()]))


class MongoStore:
    """Trap: the order of operations within one collection matters, a guard needs the document that its upsert makes."""

    def __init__(self, db: AsyncDatabase[dict[str, Any]]) -> None:
        self._db = db

    async def apply_together(self, changes: Sequence[Upserts]) -> Sequence[bool]:
        """One unordered bulk for each collection, one operation for each document. An event that is refused is refused
        whole, whatever part of it is stored: to apply it again changes nothing of that."""
        by_collection: dict[str, list[Merged]] = {}
        for change in merged(changes):
            by_collection.setdefault(change.upsert.collection, []).append(change)
        bulks = (self._bulk(*each) for each in by_collection.items())
        with pymongo.timeout(TIMEOUT_S):
            results = await asyncio.gather(*bulks, return_exceptions=True)
        refused: set[int] = set()
        for result in results:
            if isinstance(result, BaseException):
                raise result
            refused |= result
        return [n not in refused for n in range(len(changes))]

    async def _bulk(self, name: str, changes: Sequence[Merged]) -> frozenset[int]:
        """The events that MongoDB, or the client's own encoding, refuses. A guard that does not let a change through is
        met as a duplicate key: those documents take the way of `apply`."""
        collection = self._db.get_collection(name, codec_options=CODEC)
        try:
            await collection.bulk_write([_at_once(change.upsert) for change in changes], ordered=False)
        except BulkWriteError as error:
            errors = {one["index"]: one.get("code") for one in error.details["writeErrors"]}
            if not errors:
                return _events(changes)
            behind = [changes[n] for n, code in errors.items() if code == DUPLICATE_KEY]
            beyond = [changes[n] for n, code in errors.items() if code != DUPLICATE_KEY]
            return _events(beyond) | await self._guarded_bulk(collection, behind)
        except UNWRITABLE:
            return _events(changes)
        finally:
            hit("ledger.in_batch")
        return frozenset()

    async def _guarded_bulk(
        self, collection: AsyncCollection[dict[str, Any]], changes: Sequence[Merged]
    ) -> frozenset[int]:
        operations = [operation for change in changes for operation in _operations(change.upsert)]
        try:
            if operations:
                await collection.bulk_write(operations, ordered=True)
        except BulkWriteError:
            return _events(changes)
        return frozenset()

    async def apply(self, upserts: Upserts) -> None:
        with pymongo.timeout(TIMEOUT_S):
            for name, group in groupby(upserts, key=lambda upsert: upsert.collection):
                operations = [operation for upsert in group for operation in _operations(upsert)]
                await self._db.get_collection(name, codec_options=CODEC).bulk_write(operations, ordered=True)

    async def recent_trades(self, account_id: str, limit: int) -> list[Trade]:
        """The ledger is its only writer, so that it reads what it has just stored."""
        newest: list[dict[str, Any]] = [
            {"$match": {"account_id": account_id, "closed_at": {"$exists": True}}},
            {"$sort": {"closed_at": -1, "_id": -1}},
            {"$limit": limit},
            *STRATEGY_OF_TRADE,
        ]
        with pymongo.timeout(TIMEOUT_S):
            rows = await (await self._db[TRADES].aggregate(newest)).to_list()
        return in_order(trade_of(row) for row in rows)

    async def endings(self, account_id: str, since: datetime, until: datetime) -> tuple[int, int]:
        ended = {"account_id": account_id, "terminal_at": {"$gt": since, "$lte": until}, "arm.shadow": {"$ne": True}}
        with pymongo.timeout(TIMEOUT_S):
            abstained = await self._db[DECISIONS].count_documents(ended | {"status": "abstained"})
            return abstained, await self._db[DECISIONS].count_documents(ended)


def _events(changes: Iterable[Merged]) -> frozenset[int]:
    return frozenset(event for change in changes for event in change.events)


def _at_once(upsert: Upsert) -> UpdateOne:
    """The document and what its guards add in one operation, which matches only where every guard lets it through.

    Where one does not and the document is there, MongoDB tries to make it and finds its key taken.
    """
    wanted: dict[str, Any] = {"_id": upsert.key}
    set_fields, on_insert = dict(upsert.set), dict(upsert.set_on_insert)
    counts = [guard for guard in upsert.guards if isinstance(guard, Count)]
    for guard in upsert.guards:
        if isinstance(guard, Advance):
            wanted |= _older(guard)
            set_fields |= {RANK: guard.rank, **guard.set}
    pushed = {name: [c.member for c in counts if c.field == name] for name in {c.field for c in counts}}
    sums = summed(counts)
    wanted |= {name: {"$nin": members} for name, members in pushed.items()}
    touched = {*set_fields, *upsert.earliest, *pushed, *sums}
    changes: dict[str, Mapping[str, Any]] = {
        "$set": set_fields,
        "$setOnInsert": {name: value for name, value in on_insert.items() if name not in touched},
        "$min": upsert.earliest,
        "$push": {name: {"$each": members} for name, members in pushed.items()},
        "$inc": sums,
    }
    filled = {operator: fields for operator, fields in changes.items() if fields}
    return UpdateOne(wanted, filled or {"$setOnInsert": {"_id": upsert.key}}, upsert=True)


def _operations(upsert: Upsert) -> Iterator[UpdateOne]:
    changes = {"$set": upsert.set, "$setOnInsert": upsert.set_on_insert, "$min": upsert.earliest}
    filled: dict[str, Mapping[str, Any]] = {operator: fields for operator, fields in changes.items() if fields}
    # An update needs an operator; this one makes the document and changes nothing in one that is there.
    yield UpdateOne({"_id": upsert.key}, filled or {"$setOnInsert": {"_id": upsert.key}}, upsert=True)
    for guard in upsert.guards:
        yield _guarded(upsert.key, guard)


def _guarded(key: str, guard: Guard) -> UpdateOne:
    if isinstance(guard, Advance):
        return UpdateOne({"_id": key, **_older(guard)}, {"$set": {RANK: guard.rank, **guard.set}})
    counted = {"$push": {guard.field: guard.member}, "$inc": dict(guard.add)}
    return UpdateOne({"_id": key, guard.field: {"$ne": guard.member}}, counted)


def _older(guard: Advance) -> dict[str, Any]:
    return {"$or": [{RANK: None}, {RANK: {"$lt": guard.rank}}]}
