"""Documents of the read models as several readers want them. All raise pymongo's errors."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from bson.decimal128 import Decimal128
from pymongo.asynchronous.database import AsyncDatabase

from libs.records.collections import BODIES, CONTEXTS, DECISIONS, LISTED_BY
from libs.records.proposals import body_hashes
from libs.runtime.mongo import Document

RecordsDb = AsyncDatabase[Document]
Place = tuple[datetime, str]
"""Where a list goes on: the time and the id of the last document that was shown."""


async def newest_first(
    db: RecordsDb, collection: str, query: Document, limit: int, after: Place | None = None, fields: Any = None
) -> list[Document]:
    """A page of a collection of LISTED_BY."""
    listed_by = LISTED_BY[collection]
    cursor = db[collection].find(page_query(listed_by, query, after), fields)
    return await cursor.sort({listed_by: -1, "_id": -1}).limit(limit).to_list()


def page_query(listed_by: str, query: Document, after: Place | None) -> Document:
    """The query for what comes after a place. The bound of the time stands outside of the alternative: an index scan
    then begins there, and only entries of that very time are looked at in vain."""
    if after is None:
        return query
    at, entry = after
    bounds = query.get(listed_by, {})
    if "$lt" in bounds and bounds["$lt"] <= at:
        return query
    bounded = {name: value for name, value in bounds.items() if name != "$lt"} | {"$lte": at}
    older = {"$or": [{listed_by: {"$lt": at}}, {listed_by: at, "_id": {"$lt": entry}}]}
    return {**query, listed_by: bounded, **older}


async def decision(
    db: RecordsDb, decision_id: str, query: Mapping[str, Any] | None = None, fields: Any = None
) -> Document | None:
    """A document of `decisions`, where it fits `query` too."""
    return await db[DECISIONS].find_one({"_id": decision_id, **(query or {})}, fields)


async def bodies(db: RecordsDb, document: Mapping[str, Any]) -> list[Document]:
    """The texts that the calls of a decision refer to."""
    return await db[BODIES].find({"_id": {"$in": body_hashes(document)}}).to_list()


async def context(db: RecordsDb, context_id: str | None) -> Document | None:
    """The context as it was published."""
    stored = await db[CONTEXTS].find_one({"_id": context_id}, {"context": 1})
    return stored["context"] if stored else None


async def newest_context(db: RecordsDb, account_id: str) -> Document | None:
    stored = await db[CONTEXTS].find_one({"account_id": account_id}, {"context": 1}, sort=[("at", -1)])
    return stored["context"] if stored else None


def of_accounts(accounts: Iterable[str] | None) -> Document:
    """The query for these accounts; None stands for all."""
    return {} if accounts is None else {"account_id": {"$in": sorted(accounts)}}


def decimal_of(value: Decimal128 | Decimal) -> Decimal:
    return value.to_decimal() if isinstance(value, Decimal128) else value


def plain(row: Mapping[str, Any]) -> Document:
    """Decimal128 → Decimal in the flat fields."""
    return {name: decimal_of(value) if isinstance(value, Decimal128) else value for name, value in row.items()}
