"""The gate's scripts in Redis: each question is one script, and so one atomic step that all workers share."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from libs.runtime import tracing
from services.decider.ports import StoreAway

PREFIX = "{perpetua:gate}"
TIMEOUT_S = 2.0  # long enough for a moment in which this process is busy itself
PAUSE_S = 0.5
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
            timeout=None,
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
        self._until, self._turns = 0.0, asyncio.Semaphore(CONNECTIONS)

    async def start(self) -> None:
        """Look whether Redis is there; the decider starts without it."""
        with suppress(StoreAway):
            await self.run("state", {})

    async def stop(self) -> None:
        await self._redis.aclose()

    async def run(self, name: str, ask: Mapping[str, Any]) -> dict[str, Any]:
        """The script's answer. Raises StoreAway."""
        async with self._turns:
            if asyncio.get_running_loop().time() < self._until:  # who waited in line need not find it out again
                raise StoreAway("it was away a moment ago")
            try:
                with tracing.client(f"redis {name}", {"db.system.name": "redis"}):
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
        self._until = asyncio.get_running_loop().time() + PAUSE_S
        if self.up:
            self.up = False
            self._on_change(False)
            log.warning("budgets and limits cannot be shared (%s): paid models abstain, free ones go on alone", error)
        return StoreAway(str(error))

    def _back(self) -> None:
        if not self.up:
            self.up = True
            self._on_change(True)
            log.warning("budgets and limits are shared again")
