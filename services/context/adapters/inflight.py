"""KV `inflight`: places of accounts, read from a live copy, written by compare-and-set."""

from collections.abc import Mapping

from pydantic import ValidationError

from libs.runtime.bus import Bus
from libs.runtime.mirror import KvMirror
from libs.schemas.inflight import InFlight
from libs.schemas.subjects import KV_INFLIGHT
from services.context.ports import Place


class KvPlaces:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._mirror: KvMirror[InFlight] = KvMirror(
            bus, KV_INFLIGHT.name, lambda _, data: InFlight.model_validate_json(data)
        )
        self._own: dict[str, Place] = {}  # what this process wrote, until its copy has it

    async def start(self) -> None:
        await self._mirror.start()

    async def stop(self) -> None:
        await self._mirror.stop()

    def seen(self, key: str) -> Place | None:
        """The place as this process knows it."""
        slot, revision = self._mirror.get(key), self._mirror.revision(key)
        own = self._own.get(key)
        if own is not None and own.revision > revision:
            return own
        self._own.pop(key, None)
        return None if slot is None else Place(slot, revision)

    def all(self) -> Mapping[str, InFlight]:
        return self._mirror.items()

    async def read(self, key: str) -> Place | None:
        """The place as it is. One that cannot be read counts as new, under its revision: the next write mends it."""
        entry = await self._bus.kv_get(KV_INFLIGHT.name, key, fresh=True)
        if entry is None:
            return None
        try:
            return Place(InFlight.model_validate_json(entry.value), entry.revision)
        except ValidationError:
            return Place(InFlight(account_id=key.partition(".")[0]), entry.revision)

    async def write(self, key: str, slot: InFlight, last: int) -> None:
        """Raises Conflict when somebody else wrote since revision `last` (0: nobody ever did)."""
        self._own[key] = Place(slot, await self._bus.kv_put(KV_INFLIGHT.name, key, slot, last=last))
