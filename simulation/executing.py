"""What the executor asks of the bus: states of accounts in KV, controls, and nothing of lockstep."""

from collections.abc import Mapping
from datetime import datetime

from libs.runtime.errors import Conflict
from libs.schemas.account import AccountState, ControlRequested
from libs.schemas.subjects import KV_STATE
from simulation.bus import SimulatedBus


class SimulatedStates:
    """Writes only what is newer."""

    def __init__(self, bus: SimulatedBus) -> None:
        self._bus = bus
        self._revisions: dict[str, int] = {}

    async def put(self, state: AccountState) -> None:
        key = state.account_id
        while True:
            if key not in self._revisions:
                entry = await self._bus.kv_get(KV_STATE.name, key)
                if entry is not None and AccountState.model_validate_json(entry[0]).version >= state.version:
                    return
                self._revisions[key] = entry[1] if entry else 0
            try:
                self._revisions[key] = await self._bus.kv_put(KV_STATE.name, key, state, last=self._revisions[key])
            except Conflict:
                del self._revisions[key]
            else:
                return

    async def version(self, account_id: str) -> int:
        entry = await self._bus.kv_get(KV_STATE.name, account_id)
        return AccountState.model_validate_json(entry[0]).version if entry else 0


class NoControls:
    """Nobody gives controls in a simulation."""

    def newest(self) -> ControlRequested | None:
        return None

    async def put(self, body: ControlRequested) -> None: ...


class NoLockstep:
    active = False
    moment: datetime | None = None
    sequence = 0
    pause_s: float | None = None

    async def done(self, at: datetime, versions: Mapping[str, int], executed: Mapping[str, int]) -> None: ...

    async def ready(self) -> bool:
        return True

    async def looked(self, at: datetime, sequence: int) -> None: ...
