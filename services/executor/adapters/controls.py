"""KV `control.all`: the newest control of all accounts, which every copy watches."""

from collections.abc import Callable

from libs.runtime.bus import Bus
from libs.runtime.mirror import KvMirror
from libs.schemas.account import ControlRequested
from libs.schemas.subjects import CONTROL_ALL, KV_CONFIG


class KvControls:
    """`on_change` is called at the start, if there is a control, and whenever there is a new one."""

    def __init__(self, bus: Bus, on_change: Callable[[], None]) -> None:
        self._bus = bus
        self._mirror: KvMirror[ControlRequested] = KvMirror(
            bus,
            KV_CONFIG.name,
            lambda _, data: ControlRequested.model_validate_json(data),
            prefix="control.",
            on_change=lambda key, body: on_change(),
        )

    async def start(self) -> None:
        await self._mirror.start()

    async def stop(self) -> None:
        await self._mirror.stop()

    def newest(self) -> ControlRequested | None:
        return self._mirror.get(CONTROL_ALL)

    async def put(self, body: ControlRequested) -> None:
        await self._bus.kv_put(KV_CONFIG.name, CONTROL_ALL, body)
