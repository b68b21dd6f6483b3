"""The bucket `config` in memory, with the compare-and-set of the real one. Pinned by tests/integration/runtime."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from libs.configuration.configuration import By, Written
from libs.runtime.errors import Conflict

T0 = datetime(2026, 5, 4, tzinfo=UTC)


class FakeConfigStore:
    """`before_put` is called with the key before each write: what a test lets another writer do meanwhile; `after_put`
    with key and value after it: what others do who follow the bucket."""

    def __init__(self) -> None:
        self.writes: list[Written] = []
        self.before_put: Callable[[str], None] = lambda key: None
        self.after_put: Callable[[str, bytes | None], None] = lambda key, value: None

    async def latest(self, key: str) -> Written | None:
        return next((one for one in reversed(self.writes) if one.key == key), None)

    async def history(self, key: str) -> list[Written]:
        return [one for one in self.writes if one.key == key]

    async def present(self, prefix: str) -> dict[str, Written]:
        last = {one.key: one for one in self.writes if one.key.startswith(prefix)}
        return {key: one for key, one in last.items() if one.value is not None}

    async def put(self, key: str, value: bytes | None, by: By, last: int) -> int:
        self.before_put(key)
        revision = self.put_now(key, value, by, last)
        self.after_put(key, value)
        return revision

    def put_now(self, key: str, value: bytes | None, by: By, last: int | None = None) -> int:
        found = next((one for one in reversed(self.writes) if one.key == key), None)
        if last is not None and last != (found.revision if found else 0):
            raise Conflict(f"{key}: written by somebody else")
        revision = len(self.writes) + 1
        self.writes.append(Written(key, revision, value, T0 + timedelta(seconds=revision), by))
        return revision
