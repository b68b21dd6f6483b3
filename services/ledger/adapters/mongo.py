"""Read models in MongoDB: changes applied by single-document updates that commute."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

import pymongo
from bson.codec_options import CodecOptions, TypeEncoder, TypeRegistry
from bson.decimal128 import Decimal128, create_decimal128_context
from pymongo import UpdateOne
from pymongo.asynchronous.database import AsyncDatabase

from libs.analytics.trades import Trade, in_order
from libs.records.collections import DECISIONS, RANK, TRADES
from libs.records.trades import STRATEGY_OF_TRADE, trade_of
from services.ledger.domain.upserts import Advance, Guard, Upsert, Upserts

TIMEOUT_S = 10.0  # a server that hangs counts as away
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


def _operations(upsert: Upsert) -> Iterator[UpdateOne]:
    changes = {"$set": upsert.set, "$setOnInsert": upsert.set_on_insert, "$min": upsert.earliest}
    filled: dict[str, Mapping[str, Any]] = {operator: fields for operator, fields in changes.items() if fields}
    # An update needs an operator; this one makes the document and changes nothing in one that is there.
    yield UpdateOne({"_id": upsert.key}, filled or {"$setOnInsert": {"_id": upsert.key}}, upsert=True)
    for guard in upsert.guards:
        yield _guarded(upsert.key, guard)


def _guarded(key: str, guard: Guard) -> UpdateOne:
    if isinstance(guard, Advance):
        older = {"$or": [{RANK: None}, {RANK: {"$lt": guard.rank}}]}
        return UpdateOne({"_id": key, **older}, {"$set": {RANK: guard.rank, **guard.set}})
    counted = {"$push": {guard.field: guard.member}, "$inc": dict(guard.add)}
    return UpdateOne({"_id": key, guard.field: {"$ne": guard.member}}, counted)
