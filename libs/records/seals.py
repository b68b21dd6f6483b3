"""Seals as documents: the ledger adds them, and who checks the history reads them."""

from typing import Any

from libs.invariants.seals import Seal, StoredSeal, seal_of
from libs.records.collections import SEALS
from libs.records.reading import RecordsDb


def seal_document(seal: Seal) -> dict[str, Any]:
    return {"_id": f"{seal.account_id}:{seal.number}", **seal.wire(), "digest": seal.digest, "told": False}


async def stored_seals(db: RecordsDb) -> list[StoredSeal]:
    """By account and number. Raises pymongo's errors."""
    rows = db[SEALS].find({"number": {"$exists": True}}).sort({"account_id": 1, "number": 1})
    return [StoredSeal(seal_of(row), row["digest"]) async for row in rows]
