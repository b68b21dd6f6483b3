"""API keys in MongoDB: the gateway reads them, the command makes them. All raise pymongo's errors."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from libs.records.collections import API_KEYS
from libs.records.keys import ApiKey, Scope, new_key
from libs.records.reading import RecordsDb


async def find_key(db: RecordsDb, token_hash: str) -> ApiKey | None:
    stored = await db[API_KEYS].find_one({"hash": token_hash})
    return _key(stored) if stored else None


async def mark_used(db: RecordsDb, key_id: str, at: datetime) -> None:
    await db[API_KEYS].update_one({"_id": key_id}, {"$max": {"last_used_at": at}})


async def store_key(db: RecordsDb, key: ApiKey) -> None:
    """Store a key; storing it again replaces it."""
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
    await db[API_KEYS].replace_one({"_id": key.key_id}, document, upsert=True)


async def create_admin_key(db: RecordsDb, token: str, name: str, now: datetime) -> ApiKey:
    """Store a key with every scope for all accounts, opened by `token` (made by `keys.token_of`)."""
    key = new_key(token, name, [Scope.ADMIN], now)
    await store_key(db, key)
    return key


async def revoke_key(db: RecordsDb, key_id: str, now: datetime) -> bool:
    """End a key at once. False when there is no such key that still works. Waits for the routes of keys."""
    done = await db[API_KEYS].update_one({"_id": key_id, "revoked_at": None}, {"$set": {"revoked_at": now}})
    return done.modified_count == 1


def _key(stored: Mapping[str, Any]) -> ApiKey:
    accounts = stored["accounts"]
    return ApiKey(
        key_id=stored["_id"],
        hash=stored["hash"],
        name=stored["name"],
        scopes=frozenset(Scope(scope) for scope in stored["scopes"]),
        accounts=None if accounts is None else frozenset(accounts),
        created_at=stored["created_at"],
        expires_at=stored["expires_at"],
        revoked_at=stored["revoked_at"],
        last_used_at=stored["last_used_at"],
    )
