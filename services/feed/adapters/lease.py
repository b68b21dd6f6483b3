"""The right to drive the market: one record in KV `lease`, written by compare-and-set, with a deadline in wall time."""

import asyncio
import logging
from datetime import datetime, timedelta

from libs.runtime.bus import Bus
from libs.runtime.clock import Clock
from libs.runtime.errors import Conflict, Unavailable
from libs.schemas.base import Utc, Wire
from libs.schemas.subjects import KV_LEASE
from services.feed.ports import LeaseLost, Reached

HELD_S = 3.0
ASK_AGAIN_S = 0.25
log = logging.getLogger(__name__)


class LeaseRecord(Wire):
    """Who drives the market, until when; ticks of `series` are stored up to `position`, as noted at `noted` (wall)."""

    holder: str
    until: Utc
    series: str | None = None
    position: Utc | None = None
    noted: Utc | None = None


def _reached(record: LeaseRecord | None) -> Reached | None:
    if record is None or record.series is None or record.noted is None:
        return None
    return Reached(record.series, record.position, record.noted)


class KvLease:
    """Held by at most one copy. A released lease keeps its record: how far the market got outlives every message."""

    def __init__(self, bus: Bus, clock: Clock, key: str, holder: str) -> None:
        self._bus = bus
        self._clock = clock
        self._key = key
        self._holder = holder
        self._revision = 0
        self._until = 0.0
        self._record: LeaseRecord | None = None

    @property
    def held(self) -> bool:
        """By the monotonic clock: a process that was stopped for a while wakes up without the lease."""
        return self._clock.monotonic() < self._until

    async def acquire(self) -> Reached | None:
        while True:
            try:
                if await self._free():
                    before = self._record
                    await self._write(None, None, HELD_S)
                    return _reached(before)
            except Conflict:
                log.debug("another copy took the lease")
            except Unavailable as error:
                log.warning("cannot ask for the lease yet: %s", error)
            await asyncio.sleep(ASK_AGAIN_S)

    async def renew(self, series: str | None, position: datetime | None) -> None:
        if not self.held:
            raise LeaseLost("the lease ran out before it was renewed")
        try:
            await self._write(series, position, HELD_S)
        except Conflict as error:
            self._until = 0.0
            raise LeaseLost("another copy holds the lease") from error

    async def release(self, series: str | None, position: datetime | None) -> None:
        if not self.held:
            return
        try:
            await self._write(series, position, 0.0)
        except (Conflict, Unavailable) as error:
            log.warning("the lease was not handed back and runs out by itself: %s", error)
        self._until = 0.0

    async def _free(self) -> bool:
        entry = await self._bus.kv_get(KV_LEASE.name, self._key)
        self._revision = entry.revision if entry else 0
        self._record = LeaseRecord.model_validate_json(entry.value) if entry else None
        return self._record is None or self._record.until <= self._clock.wall()

    async def _write(self, series: str | None, position: datetime | None, seconds: float) -> None:
        asked, wall = self._clock.monotonic(), self._clock.wall()
        record = LeaseRecord(holder=self._holder, until=wall + timedelta(seconds=seconds))
        before = self._record
        if before is not None:
            record = record.model_copy(
                update={"series": before.series, "position": before.position, "noted": before.noted}
            )
        if series is not None and (record.noted is None or position not in (None, record.position)):
            record = record.model_copy(update={"series": series, "position": position, "noted": wall})
        body = record.model_dump_json().encode()
        self._revision = await self._bus.kv_put(KV_LEASE.name, self._key, body, last=self._revision)
        self._record, self._until = record, asked + seconds
