"""Counts of requests that all gateways share in Redis; while it is away each has half of the limit for itself."""

import logging
from collections.abc import Callable, Sequence

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from libs.runtime import tracing
from services.gateway.domain.limits import WINDOW_S, Allowance, Windows, window

TIMEOUT_S = 0.25
AGAIN_S = 1.0  # after a failure nobody waits for Redis so long
log = logging.getLogger(__name__)


class RedisLimits:
    """`now` is wall time in seconds."""

    def __init__(self, url: str, now: Callable[[], float]) -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._now = now
        self._alone = Windows()
        self._again, self._away = 0.0, False

    async def start(self) -> None:
        """Does not wait for the server: without it limits are local."""

    async def stop(self) -> None:
        await self._redis.aclose()

    @property
    def shared(self) -> bool:
        return self._now() >= self._again

    async def take(self, what: str, limit: int) -> Allowance:
        (allowance,) = await self.take_each([what], limit)
        return allowance

    async def take_each(self, names: Sequence[str], limit: int) -> list[Allowance]:
        now = self._now()
        if now < self._again:
            return self._take_alone(names, limit, now)
        number, left_s = window(now)
        try:
            with tracing.client("redis INCR", {"db.system.name": "redis"}):
                counts = await self._counted([f"perpetua:rate:{name}:{number}" for name in names])
        except (RedisError, OSError, TimeoutError) as error:
            if not self._away:
                log.warning("Redis is away, limits are local: %r", error)
            self._away, self._again = True, now + AGAIN_S
            return self._take_alone(names, limit, now)
        if self._away:
            log.warning("Redis is back, limits are shared again")
            self._away = False
        return [Allowance(limit, limit - count, left_s) for count in counts]

    async def version(self) -> str | None:
        """None while it does not answer, or does not say."""
        if not self.shared:
            return None
        try:
            return str((await self._redis.info("server"))["redis_version"])
        except (RedisError, OSError, TimeoutError) as error:
            log.info("Redis does not tell its version: %r", error)
            return None

    async def _counted(self, places: Sequence[str]) -> list[int]:
        pipeline = self._redis.pipeline(transaction=False)
        for place in places:
            pipeline.incr(place)
            pipeline.expire(place, 2 * WINDOW_S)
        return [int(count) for count in (await pipeline.execute())[::2]]

    def _take_alone(self, names: Sequence[str], limit: int, now: float) -> list[Allowance]:
        return [self._alone.take(name, max(1, limit // 2), now) for name in names]
