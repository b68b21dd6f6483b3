"""Lockstep: how far this worker has looked, for the feed that waits for it, and how far the executor is."""

from datetime import datetime

from pydantic import ValidationError

from libs.runtime.bus import Bus
from libs.runtime.clock import MarketClockMirror
from libs.schemas.kv_keys import EXECUTED_KEY, LOOKED_KEY
from libs.schemas.market import Looked
from libs.schemas.subjects import KV_LEASE
from services.context.adapters.market import NatsMarketLog
from services.context.ports import ContextStates, PositionLog

_PAUSE_S = 0.005


class KvSteps:
    def __init__(
        self,
        bus: Bus,
        clock: MarketClockMirror,
        market: NatsMarketLog,
        states: ContextStates,
        positions: PositionLog,
    ) -> None:
        self._bus = bus
        self._clock = clock
        self._market = market
        self._states = states
        self._positions = positions
        self._told: Looked | None = None
        self._executor: Looked | None = None

    @property
    def sequence(self) -> int:
        return self._market.sequence

    @property
    def pause_s(self) -> float | None:
        clock = self._clock.present
        return _PAUSE_S if clock is not None and clock.lockstep else None

    async def ready(self) -> bool:
        clock = self._clock.present
        if clock is None or not clock.lockstep:
            return True
        looked = self._told is not None and self._told.at == clock.origin  # what this left is due at the next moment
        if looked or clock.told is None or self._market.sequence < clock.told:
            return False
        if self._executor is None or self._executor.at != clock.origin:
            self._executor = await self._executed()
        return self._executor is not None and self._executor.at == clock.origin and self._heard(self._executor)

    async def looked(self, at: datetime, sequence: int) -> None:
        told = Looked(at=at, sequence=sequence)
        if self.pause_s is not None and told != self._told:
            await self._bus.kv_put(KV_LEASE.name, LOOKED_KEY, told)
            self._told = told

    async def _executed(self) -> Looked | None:
        entry = await self._bus.kv_get(KV_LEASE.name, EXECUTED_KEY)
        try:
            return Looked.model_validate_json(entry.value) if entry and entry.value else None
        except ValidationError:
            return None

    def _heard(self, executor: Looked) -> bool:
        """Whether what the executor has told of its accounts has come here."""
        states = ((self._states.get(name), version) for name, version in executor.versions.items())
        events = ((self._positions.executed(name), version) for name, version in executor.executed.items())
        return all(state is not None and state.version >= version for state, version in states) and all(
            event is not None and event.account_version >= version for event, version in events
        )
