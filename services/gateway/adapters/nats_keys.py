"""API keys as the bucket shows them, followed by watch: a check asks nobody, a revocation is here at once."""

import asyncio
import logging
from dataclasses import replace
from datetime import datetime

from libs.records.key_store import KeyStore, key_in
from libs.records.keys import ApiKey
from libs.runtime.bus import Bus
from libs.runtime.ending import end
from libs.runtime.errors import Unavailable
from libs.runtime.mirror import KvMirror
from libs.schemas.subjects import KV_KEYS

OUT_OF_TOUCH_S = 60.0
HEARTBEAT_S = 1.0  # a key that was taken back is to be known at once, and that nothing is heard soon
log = logging.getLogger(__name__)


class MirroredKeys:
    def __init__(self, bus: Bus, store: KeyStore) -> None:
        self._store = store
        self._by_hash: dict[str, ApiKey] = {}
        self._hashes: dict[str, str] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self._mirror: KvMirror[ApiKey] = KvMirror(
            bus,
            KV_KEYS.name,
            lambda _, data: key_in(data),
            prefix="key.",
            on_change=self._changed,
            heartbeat_s=HEARTBEAT_S,
        )

    async def start(self) -> None:
        await self._mirror.start()

    async def stop(self) -> None:
        await end(list(self._writing))
        await self._mirror.stop()

    @property
    def silence_s(self) -> float:
        return self._mirror.silence_s

    def find(self, token_hash: str) -> ApiKey | None:
        return self._by_hash.get(token_hash)

    def in_touch(self) -> bool:
        return self._mirror.silence_s < OUT_OF_TOUCH_S

    def used(self, key_id: str, at: datetime) -> None:
        digest = self._hashes.get(key_id)
        if digest is not None:
            self._by_hash[digest] = replace(self._by_hash[digest], last_used_at=at)
        writing = asyncio.create_task(self._write(key_id, at))
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)

    async def _write(self, key_id: str, at: datetime) -> None:
        try:
            await self._store.used(key_id, at)
        except Unavailable as error:
            log.warning("the last use of %s is not written: %s", key_id, error)

    def _changed(self, key: str, value: ApiKey | None) -> None:
        """Of a key that does not parse nobody knows what it opens: it opens nothing."""
        key_id = key.removeprefix("key.")
        before = self._hashes.pop(key_id, None)
        known = self._by_hash.pop(before, None) if before else None
        if value is not None:
            self._hashes[key_id] = value.hash
            self._by_hash[value.hash] = replace(value, last_used_at=known.last_used_at if known else value.last_used_at)
