"""KV `state`: the newest state of each account, never an older one over it."""

import logging

from pydantic import ValidationError

from libs.runtime.bus import Bus
from libs.runtime.errors import Conflict
from libs.schemas.account import AccountState
from libs.schemas.subjects import KV_STATE

log = logging.getLogger(__name__)


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
                if entry is not None and _version(key, entry.value) >= state.version:
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
        return _version(account_id, entry.value) if entry else 0


def _version(account_id: str, value: bytes) -> int:
    """A value that nobody can read counts as none: the next state takes its place."""
    try:
        return AccountState.model_validate_json(value).version
    except ValidationError:
        log.error("KV state of %s cannot be read and is overwritten", account_id)  # noqa: TRY400 - one line
        return 0
