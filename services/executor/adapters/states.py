"""KV `state`: the newest state of each account, never an older one over it."""

from libs.runtime.bus import Bus
from libs.runtime.errors import Conflict
from libs.schemas.account import AccountState
from libs.schemas.subjects import KV_STATE


class KvStates:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._revisions: dict[str, int] = {}

    async def put(self, state: AccountState) -> None:
        """Write unless what is there is as new. One round trip while nobody else writes the key."""
        key = state.account_id
        while True:
            if key not in self._revisions:
                entry = await self._bus.kv_get(KV_STATE.name, key)
                if entry is not None and AccountState.model_validate_json(entry.value).version >= state.version:
                    return
                self._revisions[key] = entry.revision if entry else 0
            try:
                self._revisions[key] = await self._bus.kv_put(KV_STATE.name, key, state, last=self._revisions[key])
            except Conflict:
                del self._revisions[key]
            else:
                return

    async def version(self, account_id: str) -> int:
        """Version of the last state that was published, 0 where there is none."""
        entry = await self._bus.kv_get(KV_STATE.name, account_id)
        return AccountState.model_validate_json(entry.value).version if entry else 0
