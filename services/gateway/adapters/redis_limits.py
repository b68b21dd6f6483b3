"""Counts of requests that all gateways share in Redis; while it is away each has half of the limit for itself."""

import logging
from collections.abc import Callable

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
        self._again = 0.0

    async def start(self) -> None:
        """Does not wait for the server: without it limits are local."""

    async def stop(self) -> None:
        await self._redis.aclose()

    @property
    def shared(self) -> bool:
        return self._now() >= self._again

    async def take(self, what: str, limit: int) -> Allowance:
        now = self._now()
        if now < self._again:
            return self._alone.take(what, max(1, limit // 2), now)
        number, left_s = window(now)
        place = f"perpetua:rate:{what}:{number}"
        try:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.incr(place)
            pipeline.expire(place, 2 * WINDOW_S)
            with tracing.client("redis INCR", {"db.system.name": "redis"}):
                count = int((await pipeline.execute())[0])
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("Redis is away, limits are local: %r", error)
            self._again = now + AGAIN_S
            return self._alone.take(what, max(1, limit // 2), now)
        return Allowance(limit, limit - count, left_s)
