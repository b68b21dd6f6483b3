"""API keys in KV `keys`: gateways mirror it, the command and the API write it. Everything raises Unavailable.

Keys of earlier versions lie in MongoDB; `carry_over` brings them here once.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from libs.records.collections import API_KEYS
from libs.records.keys import ApiKey, Scope, new_key
from libs.records.reading import RecordsDb
from libs.runtime.bus import Bus
from libs.runtime.errors import Conflict, Unavailable
from libs.runtime.reader import Record, Start, read_all
from libs.schemas.kv_keys import api_key_key, api_key_used
from libs.schemas.subjects import KV_KEYS

ATTEMPTS = 8
_KEY: TypeAdapter[ApiKey] = TypeAdapter(ApiKey)
_STREAM, _PLACE = f"KV_{KV_KEYS.name}", f"$KV.{KV_KEYS.name}."


def key_in(data: bytes) -> ApiKey:
    """Raises ValidationError for what is no key."""
    return _KEY.validate_json(data)


class KeyStore:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def all(self) -> list[ApiKey]:
        """Every key that was ever made, revoked ones too, with the time of its last use; oldest first."""
        keys: dict[str, ApiKey] = {}
        used: dict[str, datetime] = {}

        def take(record: Record) -> None:
            kind, _, key_id = record.subject.removeprefix(_PLACE).partition(".")
            try:
                if kind == "used":
                    used[key_id] = datetime.fromisoformat(record.data.decode())
                else:
                    keys[key_id] = key_in(record.data)
            except (ValidationError, ValueError):
                return  # somebody wrote what is no key: it opens nothing

        await read_all(self._bus, _STREAM, [f"{_PLACE}>"], take, start=Start.last_per_subject())
        whole = [replace(key, last_used_at=used.get(name, key.last_used_at)) for name, key in keys.items()]
        return sorted(whole, key=lambda key: (key.created_at, key.key_id))

    async def find(self, key_id: str) -> ApiKey | None:
        entry = await self._bus.kv_get(KV_KEYS.name, api_key_key(key_id), fresh=True)
        return key_in(entry.value) if entry else None

    async def add(self, key: ApiKey) -> bool:
        """False where a key of this id is there already: it stays as it is."""
        try:
            await self._bus.kv_put(KV_KEYS.name, api_key_key(key.key_id), _KEY.dump_json(key), last=0)
        except Conflict:
            return False
        return True

    async def revoke(self, key_id: str, now: datetime) -> bool:
        """End a key at once. False when there is no such key that still works."""
        for _ in range(ATTEMPTS):
            entry = await self._bus.kv_get(KV_KEYS.name, api_key_key(key_id), fresh=True)
            key = key_in(entry.value) if entry else None
            if entry is None or key is None or key.revoked_at is not None:
                return False
            ended = _KEY.dump_json(replace(key, revoked_at=now))
            try:
                await self._bus.kv_put(KV_KEYS.name, api_key_key(key_id), ended, last=entry.revision)
            except Conflict:
                continue
            return True
        raise Unavailable(f"{key_id} changes too often at this moment")

    async def used(self, key_id: str, at: datetime) -> None:
        await self._bus.kv_put(KV_KEYS.name, api_key_used(key_id), at.isoformat().encode())


async def create_admin_key(store: KeyStore, token: str, name: str, now: datetime) -> ApiKey:
    """Store a key with every scope for all accounts, opened by `token` (made by `keys.token_of`)."""
    key = new_key(token, name, [Scope.ADMIN], now)
    await store.add(key)
    return key


async def carry_over(db: RecordsDb, store: KeyStore) -> int:
    """Bring the keys of earlier versions from MongoDB, each once, revoked ones as revoked. Raises pymongo's errors too.

    What was brought is removed there: a bucket that is lost must not bring back what was revoked since.
    """
    brought = 0
    async for stored in db[API_KEYS].find():
        brought += await store.add(_key(stored))
        await db[API_KEYS].delete_one({"_id": stored["_id"]})
    return brought


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
