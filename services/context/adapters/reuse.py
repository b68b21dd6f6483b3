"""The index of decisions that may be used again, in Redis. Without Redis nothing is used again."""

import logging
from datetime import timedelta

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from libs.runtime import tracing
from libs.runtime.clock import Clock
from services.context.domain.reuse import Kept

TIMEOUT_S = 0.25
PAUSE_S = 2.0  # after a failure nobody waits for Redis so long
log = logging.getLogger(__name__)


class RedisReuse:
    """Key → the newest decision that was made from it. Says once that Redis went away, and once that it is back."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._clock = clock
        self._redis: Redis = Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 1)
        )
        self._away_until: float | None = None

    async def start(self) -> None:
        """A worker starts without Redis."""
        await self._run("PING")

    async def stop(self) -> None:
        await self._redis.aclose()

    async def find(self, key: str) -> Kept | None:
        found = await self._run("GET", _name(key))
        try:
            return Kept.model_validate_json(found) if isinstance(found, bytes) else None
        except ValidationError:
            log.warning("%s cannot be read and is ignored", _name(key))
            return None

    async def keep(self, key: str, kept: Kept) -> None:
        """For no longer than it may be used; market time may run faster than the wall's, then it ends by its own."""
        left = (kept.until - self._clock.now()) / timedelta(milliseconds=1) / min(1.0, self._clock.speed)
        if left >= 1:
            await self._run("SET", _name(key), kept.model_dump_json(), "PX", int(left))

    async def _run(self, *command: str | int) -> object:
        if self._away_until is not None and self._clock.monotonic() < self._away_until:
            return None
        try:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.execute_command(*command)
            with tracing.client(f"redis {command[0]}", {"db.system.name": "redis"}):
                (answer,) = await pipeline.execute()
        except (RedisError, OSError) as error:
            if self._away_until is None:
                log.warning("Redis is away (%s): every request gets a decision of its own", error)
            self._away_until = self._clock.monotonic() + PAUSE_S
            return None
        if self._away_until is not None:
            self._away_until = None
            log.warning("Redis is back: decisions are used again")
        return answer


def _name(key: str) -> str:
    return f"perpetua:context:decisions:{key}"
