"""The bucket of the configuration on a bus."""

from collections.abc import Mapping
from datetime import UTC, datetime

from libs.configuration.configuration import By, Written, by_of
from libs.runtime.bus import Bus
from libs.runtime.reader import Record, Start, read_all
from libs.schemas.names import names_one
from libs.schemas.subjects import KV_CONFIG


class KvConfigStore:
    """The bucket on a bus. History and lists are read by an ordered reader, as mirrors read them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def latest(self, key: str) -> Written | None:
        found = await self._read(_single(key), Start.last_per_subject())
        return found[-1] if found else None

    async def history(self, key: str) -> list[Written]:
        return await self._read(_single(key), Start.all())

    async def present(self, prefix: str) -> dict[str, Written]:
        if prefix:
            _single(prefix.removesuffix("."))
        found = await self._read(f"{prefix}>", Start.last_per_subject())
        return {one.key: one for one in found if one.value is not None}

    async def put(self, key: str, value: bytes | None, by: By, last: int) -> int:
        if value is None:
            return await self._bus.kv_delete(KV_CONFIG.name, key, last=last, headers=by.header())
        return await self._bus.kv_put(KV_CONFIG.name, key, value, last=last, headers=by.header())

    async def _read(self, pattern: str, start: Start) -> list[Written]:
        found: list[Written] = []

        def take(record: Record) -> None:
            found.append(written(record.subject, record.data, record.sequence, record.headers, record.timestamp_ns))

        await read_all(self._bus, f"KV_{KV_CONFIG.name}", [f"$KV.{KV_CONFIG.name}.{pattern}"], take, start=start)
        return found


def _single(key: str) -> str:
    """A key that is read as it stands. Raises ValueError for a pattern, which would read what nobody named."""
    if not names_one(key):
        raise ValueError(f"{key[:100]!r} is no key of the configuration")
    return key


def written(subject: str, data: bytes, sequence: int, headers: Mapping[str, str] | None, stored_ns: int) -> Written:
    """A message of the bucket's stream as a write."""
    deleted = "KV-Operation" in (headers or {})
    return Written(
        key=subject.removeprefix(f"$KV.{KV_CONFIG.name}."),
        revision=sequence,
        value=None if deleted else data,
        at=datetime.fromtimestamp(stored_ns / 1e9, UTC),
        by=by_of(headers),
    )
