"""API keys and uses of idempotency keys in MongoDB."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pymongo
from pymongo import ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase

from libs.runtime.mongo import MONGO_AWAY
from services.gateway.domain.keys import ApiKey, Scope, new_key
from services.gateway.domain.problems import Away
from services.gateway.ports import Claim

Document = dict[str, Any]
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
    def __init__(self, db: AsyncDatabase[Document]) -> None:
        self._keys = db["api_keys"]

    async def find(self, token_hash: str) -> ApiKey | None:
        with answering():
            found = await self._keys.find_one({"hash": token_hash})
        return _key(found) if found else None

    async def used(self, key_id: str, at: datetime) -> None:
        with answering():
            await self._keys.update_one({"_id": key_id}, {"$max": {"last_used_at": at}})


class MongoClaims:
    """The TTL index of `idempotency` forgets a use after 24 hours."""

    def __init__(self, db: AsyncDatabase[Document]) -> None:
        self._claims = db["idempotency"]

    async def claim(self, key_id: str, idempotency_key: str, fingerprint: str, now: datetime) -> Claim:
        with answering():
            found = await self._claims.find_one_and_update(
                {"_id": {"key": key_id, "idempotency_key": idempotency_key}},
                {"$setOnInsert": {"fingerprint": fingerprint, "at": now}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        assert found is not None  # noqa: S101 - an upsert that returns the document after it
        return Claim(found["fingerprint"], found["at"])


async def store_key(db: AsyncDatabase[Document], key: ApiKey) -> None:
    """Store a key; storing it again replaces it. Raises pymongo's errors."""
    document = {
        "hash": key.hash,
        "name": key.name,
        "scopes": sorted(key.scopes),
        "accounts": None if key.accounts is None else sorted(key.accounts),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }
    await db["api_keys"].replace_one({"_id": key.key_id}, document, upsert=True)


async def create_admin_key(db: AsyncDatabase[Document], token: str, name: str, now: datetime) -> ApiKey:
    """Store a key with every scope for all accounts, opened by `token` (made by `domain.keys.token_of`)."""
    key = new_key(token, name, [Scope.ADMIN], now)
    await store_key(db, key)
    return key


async def revoke_key(db: AsyncDatabase[Document], key_id: str, now: datetime) -> bool:
    """End a key at once. False when there is no such key that still works. Waits for the routes of keys."""
    done = await db["api_keys"].update_one({"_id": key_id, "revoked_at": None}, {"$set": {"revoked_at": now}})
    return done.modified_count == 1


def _key(found: Mapping[str, Any]) -> ApiKey:
    accounts = found["accounts"]
    return ApiKey(
        key_id=found["_id"],
        hash=found["hash"],
        name=found["name"],
        scopes=frozenset(Scope(scope) for scope in found["scopes"]),
        accounts=None if accounts is None else frozenset(accounts),
        created_at=found["created_at"],
        expires_at=found["expires_at"],
        revoked_at=found["revoked_at"],
        last_used_at=found["last_used_at"],
    )
