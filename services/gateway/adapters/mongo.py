"""API keys and uses of idempotency keys in MongoDB."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import pymongo
from pymongo import ReturnDocument

from libs.records.collections import IDEMPOTENCY
from libs.records.key_store import find_key, mark_used
from libs.records.keys import ApiKey
from libs.records.reading import RecordsDb
from libs.runtime.mongo import MONGO_AWAY
from services.gateway.domain.problems import Away
from services.gateway.ports import Claim

TIMEOUT_S = 4.0


@contextmanager
def answering() -> Iterator[None]:
    """Turns an outage of MongoDB into Away; a server that hangs is away too."""
    try:
        with pymongo.timeout(TIMEOUT_S):
            yield
    except MONGO_AWAY as error:
        raise Away("MongoDB") from error


class MongoKeys:
    def __init__(self, db: RecordsDb) -> None:
        self._db = db

    async def find(self, token_hash: str) -> ApiKey | None:
        with answering():
            return await find_key(self._db, token_hash)

    async def used(self, key_id: str, at: datetime) -> None:
        with answering():
            await mark_used(self._db, key_id, at)


class MongoClaims:
    """The TTL index of the collection forgets a use after 24 hours."""

    def __init__(self, db: RecordsDb) -> None:
        self._claims = db[IDEMPOTENCY]

    async def claim(self, key_id: str, idempotency_key: str, fingerprint: str, now: datetime) -> Claim:
        with answering():
            claimed = await self._claims.find_one_and_update(
                {"_id": {"key": key_id, "idempotency_key": idempotency_key}},
                {"$setOnInsert": {"fingerprint": fingerprint, "at": now}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        assert claimed is not None  # noqa: S101 - an upsert that returns the document after it
        return Claim(claimed["fingerprint"], claimed["at"])
