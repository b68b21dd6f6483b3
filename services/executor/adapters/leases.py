"""Leases in MongoDB, by the server's clock: copies on machines whose clocks differ agree on who holds what."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pymongo import ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase

from libs.records.collections import LEASES
from libs.runtime.mongo import Document
from libs.schemas.ids import PARTITIONS

TTL_S = 3.0
LIVE_TTL_S = 8.0  # more than the longest validity of a live venue's request and half a second; docs/decisions/0028
LONG_AGO = datetime.fromtimestamp(0, UTC)


class MongoLeases:
    def __init__(self, db: AsyncDatabase[Document], ttl_s: float = TTL_S) -> None:
        self._leases = db[LEASES]
        self.ttl_s = ttl_s
        self._in_time: Document = {"$add": ["$$NOW", int(ttl_s * 1_000)]}

    async def beat(self, holder: str) -> int:
        """Say that this copy lives; returns how many do."""
        await self._leases.update_one(
            {"_id": f"executor:{holder}"}, [{"$set": {"kind": "executor", "expires_at": self._in_time}}], upsert=True
        )
        return await self._leases.count_documents({"kind": "executor", "$expr": {"$gt": ["$expires_at", "$$NOW"]}})

    async def free(self, holder: str) -> Sequence[int]:
        """Partitions that nobody holds, and those of this holder's former life."""
        taken = self._leases.find(
            {"kind": "partition", "holder": {"$ne": holder}, "$expr": {"$gt": ["$expires_at", "$$NOW"]}},
            {"partition": 1},
        )
        held = {entry["partition"] async for entry in taken}
        return tuple(p for p in range(PARTITIONS) if p not in held)

    async def acquire(self, partition: int, holder: str) -> int | None:
        """The new fencing number, or None where somebody else was faster."""
        vacant = {"kind": "partition", "partition": partition, "holder": None, "fence": 0, "expires_at": LONG_AGO}
        await self._leases.update_one({"_id": _key(partition)}, {"$setOnInsert": vacant}, upsert=True)
        found = await self._leases.find_one_and_update(
            {"_id": _key(partition), "$expr": _takable(holder)},
            [{"$set": {"holder": holder, "fence": {"$add": ["$fence", 1]}, "expires_at": self._in_time}}],
            return_document=ReturnDocument.AFTER,
        )
        return int(found["fence"]) if found else None

    async def renew(self, fences: Mapping[int, int], holder: str) -> frozenset[int]:
        """Extend what is held. A lease that ran out and that nobody took is held on."""
        ours = [{"_id": _key(p), "holder": holder, "fence": fence} for p, fence in fences.items()]
        if not ours:
            return frozenset()
        result = await self._leases.update_many({"$or": ours}, [{"$set": {"expires_at": self._in_time}}])
        if result.matched_count == len(ours):
            return frozenset(fences)
        found = self._leases.find({"$or": ours}, {"partition": 1})
        return frozenset([entry["partition"] async for entry in found])

    async def release(self, partition: int, holder: str, fence: int) -> None:
        await self._leases.update_one(
            {"_id": _key(partition), "holder": holder, "fence": fence},
            [{"$set": {"holder": None, "expires_at": "$$NOW"}}],
        )

    async def leave(self, holder: str) -> None:
        await self._leases.delete_one({"_id": f"executor:{holder}"})


def _takable(holder: str) -> Document:
    return {"$or": [{"$lte": ["$expires_at", "$$NOW"]}, {"$eq": ["$holder", holder]}]}


def _key(partition: int) -> str:
    return f"partition:{partition:02d}"
