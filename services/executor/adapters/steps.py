"""Lockstep: how far the executor is, for the context workers that look behind it."""

from collections.abc import Callable, Mapping
from datetime import datetime

from libs.runtime.bus import Bus
from libs.runtime.clock import MarketClockMirror
from libs.schemas.kv_keys import EXECUTED_KEY
from libs.schemas.market import Looked
from libs.schemas.subjects import KV_LEASE


class KvExecutorSteps:
    def __init__(self, bus: Bus, clock: MarketClockMirror, sequence: Callable[[], int]) -> None:
        self._bus = bus
        self._clock = clock
        self._sequence = sequence
        self._done: datetime | None = None

    @property
    def active(self) -> bool:
        clock = self._clock.present
        return clock is not None and clock.lockstep

    @property
    def moment(self) -> datetime | None:
        clock = self._clock.present
        if clock is None or not clock.lockstep or clock.told is None or self._sequence() < clock.told:
            return None
        return clock.origin if clock.origin != self._done else None

    async def done(self, at: datetime, versions: Mapping[str, int], executed: Mapping[str, int]) -> None:
        body = Looked(at=at, sequence=self._sequence(), versions=dict(versions), executed=dict(executed))
        await self._bus.kv_put(KV_LEASE.name, EXECUTED_KEY, body)
        self._done = at
