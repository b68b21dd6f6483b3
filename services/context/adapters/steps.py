"""Lockstep: how far this worker has looked, for the feed that waits for it."""

from datetime import datetime

from libs.runtime.bus import Bus
from libs.runtime.clock import MarketClockMirror
from libs.schemas.market import Looked
from libs.schemas.subjects import KV_LEASE, LOOKED_KEY
from services.context.adapters.market import NatsMarketLog


class KvSteps:
    def __init__(self, bus: Bus, clock: MarketClockMirror, market: NatsMarketLog) -> None:
        self._bus = bus
        self._clock = clock
        self._market = market
        self._told: Looked | None = None

    @property
    def sequence(self) -> int:
        return self._market.sequence

    async def looked(self, at: datetime, sequence: int) -> None:
        clock, told = self._clock.present, Looked(at=at, sequence=sequence)
        if clock is not None and clock.lockstep and told != self._told:
            await self._bus.kv_put(KV_LEASE.name, LOOKED_KEY, told)
            self._told = told
