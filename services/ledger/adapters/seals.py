"""Seals in MongoDB, and the streams that are sealed, followed."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pymongo
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from libs.invariants.seals import SEALED, Seal, SealedMessage, SealHead, message_digest, seal_of
from libs.records.collections import SEALS
from libs.records.seals import seal_document
from libs.runtime.bus import Bus
from libs.runtime.reader import OrderedReader, Record, Start

TIMEOUT_S = 10.0
SWEPT = "swept"


class MongoSeals:
    def __init__(self, db: AsyncDatabase[dict[str, Any]]) -> None:
        self._seals = db[SEALS]

    async def swept(self) -> Mapping[str, int]:
        with pymongo.timeout(TIMEOUT_S):
            found = await self._seals.find_one({"_id": SWEPT})
        return found["through"] if found else {}

    async def sweep(self, through: Mapping[str, int]) -> None:
        reached = {f"through.{stream}": sequence for stream, sequence in through.items()}
        with pymongo.timeout(TIMEOUT_S):
            await self._seals.update_one({"_id": SWEPT}, {"$max": reached}, upsert=True)

    async def heads(self, accounts: Sequence[str]) -> Mapping[str, SealHead]:
        first = {name: f"${name}" for name in ("number", "digest", "through")}
        last: list[dict[str, Any]] = [
            {"$match": {"account_id": {"$in": list(accounts)}}},
            {"$sort": {"account_id": 1, "number": -1}},
            {
                "$group": {
                    "_id": "$account_id",
                    "last": {"$first": first},
                }
            },
        ]
        with pymongo.timeout(TIMEOUT_S):
            rows = await (await self._seals.aggregate(last)).to_list()
        return {row["_id"]: SealHead(**row["last"]) for row in rows}

    async def append(self, seal: Seal) -> bool:
        try:
            with pymongo.timeout(TIMEOUT_S):
                await self._seals.insert_one(seal_document(seal))
        except DuplicateKeyError:
            return False
        return True

    async def untold(self) -> Sequence[Seal]:
        with pymongo.timeout(TIMEOUT_S):
            return [seal_of(row) for row in await self._seals.find({"told": False}).sort({"number": 1}).to_list()]

    async def told(self, seals: Sequence[Seal]) -> None:
        if seals:
            keys = [f"{seal.account_id}:{seal.number}" for seal in seals]
            with pymongo.timeout(TIMEOUT_S):
                await self._seals.update_many({"_id": {"$in": keys}}, {"$set": {"told": True}})


class FollowedHistory:
    """Digests of what was not swept yet."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._readers: dict[str, OrderedReader] = {}
        self._waiting: list[SealedMessage] = []

    async def start(self) -> None:
        """Nothing is read before it is known where to begin."""

    async def begin(self, swept: Mapping[str, int]) -> None:
        for stream in SEALED:
            if stream.name not in self._readers:
                start = Start.at(swept.get(stream.name, 0) + 1)
                take = partial(self._take, stream.name)
                reader = OrderedReader(self._bus, stream.name, stream.subjects, take, start=start)
                await reader.start()
                self._readers[stream.name] = reader

    async def stop(self) -> None:
        for reader in self._readers.values():
            await reader.stop()

    def through(self) -> Mapping[str, int]:
        return {stream: reader.last_sequence for stream, reader in self._readers.items()}

    def messages(self) -> Sequence[SealedMessage]:
        return tuple(self._waiting)

    def forget(self, through: Mapping[str, int]) -> None:
        self._waiting = [one for one in self._waiting if one.sequence > through.get(one.stream, 0)]

    def _take(self, stream: str, record: Record) -> None:
        account_id = record.subject.rpartition(".")[2]
        digest = message_digest(record.subject, record.data)
        self._waiting.append(SealedMessage(stream, record.sequence, account_id, digest))
