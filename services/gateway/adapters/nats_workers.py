"""What the workers say of themselves, followed by watch, and the state of what they all run on."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import nats.js.errors

from libs.runtime.bus import NATS_SILENT, Bus
from libs.runtime.mirror import KvMirror
from libs.runtime.mongo import Database
from libs.schemas.subjects import DURABLES, KV_WORKERS
from libs.schemas.topology import Durable
from libs.schemas.worker import WorkerTold
from services.gateway.adapters.connected import require_connection
from services.gateway.adapters.mongo import answering
from services.gateway.adapters.redis_limits import RedisLimits
from services.gateway.domain.monitoring import DurableLag
from services.gateway.domain.problems import Away

SILENT_OR_REFUSED: tuple[type[Exception], ...] = (nats.js.errors.APIError, *NATS_SILENT)
SILENT = timedelta(seconds=KV_WORKERS.ttl_s)  # the bucket forgets the word by then; a mirror hears nothing of that


class MirroredWorkers:
    """`wall` gives the wall time."""

    def __init__(self, bus: Bus, wall: Callable[[], datetime]) -> None:
        self._wall = wall
        self._mirror: KvMirror[WorkerTold] = KvMirror(
            bus, KV_WORKERS.name, lambda _, data: WorkerTold.model_validate_json(data)
        )

    async def start(self) -> None:
        await self._mirror.start()

    async def stop(self) -> None:
        await self._mirror.stop()

    def workers(self) -> list[WorkerTold]:
        now = self._wall()
        heard = [told for told in self._mirror.items().values() if now - told.at < SILENT]
        return sorted(heard, key=lambda told: (told.service, told.instance))


class OwnOperations:
    """`checks` are those of this process."""

    def __init__(
        self, bus: Bus, database: Database, checks: Callable[[], Mapping[str, bool]], redis: RedisLimits
    ) -> None:
        self._bus, self._database, self._redis = bus, database, redis
        self._checks = checks

    def checks(self) -> Mapping[str, bool]:
        return self._checks()

    def rates_shared(self) -> bool:
        return self._redis.shared

    async def backlog(self) -> list[DurableLag]:
        require_connection(self._bus)
        return list(await asyncio.gather(*map(self._of, DURABLES)))

    async def _of(self, durable: Durable) -> DurableLag:
        try:
            info = await self._bus.js.consumer_info(durable.stream, durable.name)
        except SILENT_OR_REFUSED as error:
            raise Away("NATS") from error
        return DurableLag(
            durable=durable.name,
            stream=durable.stream,
            waiting=info.num_pending or 0,
            in_hand=info.num_ack_pending or 0,
            redelivered=info.num_redelivered or 0,
        )

    async def versions(self) -> dict[str, str]:
        nats = self._bus.nc.connected_server_version
        asked = {
            "nats": f"{nats.major}.{nats.minor}.{nats.patch}",
            "mongodb": await self._mongodb(),
            "redis": await self._redis.version(),
        }
        return {name: version for name, version in asked.items() if version}

    async def _mongodb(self) -> str | None:
        try:
            with answering():
                return str((await self._database.db.command("buildInfo"))["version"])
        except Away:
            return None
