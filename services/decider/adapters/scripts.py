"""The gate's scripts in Redis: each question is one script, and so one atomic step that all workers share."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from services.decider.ports import StoreAway

PREFIX = "{perpetua:gate}"
TIMEOUT_S = 0.5
CONNECTIONS = 16
LUA = Path(__file__).with_name("lua")
NAMES = ("admit", "settle", "orphan", "restore", "state")
log = logging.getLogger(__name__)


class Scripts:
    """Says once that Redis went away and once that it is back; `up` is what it said last."""

    def __init__(self, url: str, on_change: Callable[[bool], None] = lambda up: None, *, prefix: str = PREFIX) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=4 * TIMEOUT_S,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),
        )
        self._redis: Redis = Redis.from_pool(pool)
        shared = (LUA / "gate.lua").read_text(encoding="utf-8")
        self._scripts = {
            name: self._redis.register_script(shared + (LUA / f"{name}.lua").read_text(encoding="utf-8"))
            for name in NAMES
        }
        self.prefix = prefix
        self._on_change = on_change
        self.up = True

    async def stop(self) -> None:
        await self._redis.aclose()

    async def run(self, name: str, ask: Mapping[str, Any]) -> dict[str, Any]:
        """The script's answer. Raises StoreAway."""
        try:
            answer = await self._scripts[name](keys=[self.prefix], args=[json.dumps(ask)])
        except (RedisError, OSError) as error:
            raise self._lost(error) from error
        self._back()
        found: dict[str, Any] = json.loads(answer)
        return found

    async def lease(self, key: str, holder: str, seconds: float) -> bool:
        """Take a lease that nobody holds, or hold on to one's own. Raises StoreAway."""
        name = f"{self.prefix}:{key}"
        try:
            taken = await self._redis.set(name, holder, nx=True, px=int(seconds * 1000))
            if not taken and await self._redis.get(name) == holder.encode():
                taken = await self._redis.pexpire(name, int(seconds * 1000))
        except (RedisError, OSError) as error:
            raise self._lost(error) from error
        return bool(taken)

    def _lost(self, error: Exception) -> StoreAway:
        if self.up:
            self.up = False
            self._on_change(False)
            log.warning("Redis is away (%s): paid models abstain, free ones go on with limits of this process", error)
        return StoreAway(str(error))

    def _back(self) -> None:
        if not self.up:
            self.up = True
            self._on_change(True)
            log.warning("Redis is back: limits are shared again")
