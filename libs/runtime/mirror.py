"""A live copy of a KV bucket, by key."""

import logging
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from pydantic import ValidationError

from libs.runtime.bus import Bus
from libs.runtime.reader import OrderedReader, Record, Start
from libs.runtime.validation import explain

HEARTBEAT_S = 15.0  # there are many mirrors, and what they hold changes seldom
M = TypeVar("M")
log = logging.getLogger(__name__)


class Misplaced(Exception):
    """A value stands under a key that is not its own."""


class KvMirror(Generic[M]):
    """The present values of a bucket's keys that begin with `prefix`. A value that does not parse counts as absent."""

    def __init__(
        self,
        bus: Bus,
        bucket: str,
        parse: Callable[[str, bytes], M],
        *,
        prefix: str = "",
        on_change: Callable[[str, M | None], None] | None = None,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._parse = parse
        self._on_change = on_change
        self._skip = len(f"$KV.{bucket}.")
        self._values: dict[str, M] = {}
        self._revisions: dict[str, int] = {}
        self.invalid = 0
        self._reader = OrderedReader(
            bus,
            f"KV_{bucket}",
            [f"$KV.{bucket}.{prefix}>"],
            self._record,
            start=Start.last_per_subject(),
            heartbeat_s=heartbeat_s,
        )

    async def start(self) -> None:
        """Return when every key that is there now is loaded."""
        await self._reader.start()
        await self._reader.caught_up()

    async def stop(self) -> None:
        await self._reader.stop()

    @property
    def silence_s(self) -> float:
        """Seconds since the server was last heard: what is older may have been written meanwhile."""
        return self._reader.silence_s

    def get(self, key: str) -> M | None:
        return self._values.get(key)

    def items(self) -> Mapping[str, M]:
        return self._values

    def revision(self, key: str) -> int:
        """Revision of the last write of the key, 0 where there was none."""
        return self._revisions.get(key, 0)

    def _record(self, record: Record) -> None:
        key = record.subject[self._skip :]
        self._revisions[key] = record.sequence
        value: M | None = None
        if not (record.headers and "KV-Operation" in record.headers):
            try:
                value = self._parse(key, record.data)
            except (ValidationError, Misplaced) as error:
                self.invalid += 1
                why = explain(error)[2] if isinstance(error, ValidationError) else str(error)
                log.error("the value of %s is not valid and is ignored: %s", record.subject, why)  # noqa: TRY400 - one line
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value
        if self._on_change is not None:
            self._on_change(key, value)
