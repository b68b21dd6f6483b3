"""What the deciders share in Redis: replies by decision id for 24 hours, claims of calls, incidents."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from libs.runtime import tracing
from libs.runtime.ending import end
from services.decider.domain.replies import Reply
from services.decider.ports import StoreAway

KEPT_S = 24 * 3600
LEASE_MS = 5_000  # longer than the bus waits for a dead worker's heartbeat (3 s): a redelivery finds it or its end
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
TIMEOUT_S = 2.0
CONNECTIONS = 16
INCIDENT_S = 7 * 24 * 3600
log = logging.getLogger(__name__)


class RedisLink:
    """A connection that says once that Redis went away, and once that it is back. Calls raise StoreAway meanwhile."""

    def __init__(self, url: str) -> None:
        pool = BlockingConnectionPool.from_url(  # waits where the plain one refuses the call after its last connection
            url,
            max_connections=CONNECTIONS,
            timeout=None,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),
        )
        self._redis: Redis = Redis.from_pool(pool)
        self.away = False

    async def start(self) -> None:
        """Look whether Redis is there; the decider starts without it."""
        with suppress(StoreAway):
            await self.run(("PING",))

    async def stop(self) -> None:
        await self._redis.aclose()

    async def run(self, *commands: tuple[Any, ...]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
            with tracing.client(f"redis {commands[0][0]}", {"db.system.name": "redis"}):
                answers: list[Any] = await pipeline.execute()
        except (RedisError, OSError) as error:
            self._lost(error)
            raise StoreAway(str(error)) from error
        if self.away:
            self.away = False
            log.warning("Redis is back: answers are kept again")
        return answers

    def _lost(self, error: Exception) -> None:
        if not self.away:
            self.away = True
            log.warning("Redis is away (%s): free models go on, answers are not kept, paid models abstain", error)


class RedisAnswers:
    """A hash per decision: number of the call → reply."""

    def __init__(self, url: str) -> None:
        self.link = RedisLink(url)
        self.start, self.stop, self._run = self.link.start, self.link.stop, self.link.run

    async def kept(self, decision_id: str) -> list[Reply]:
        found = await self._run(("HGETALL", _key(decision_id)))
        raw = {int(attempt): body for attempt, body in dict(found[0]).items()}
        replies: list[Reply] = []
        while reply := _read(raw.get(len(replies) + 1)):
            replies.append(reply)
        return replies

    async def keep(self, decision_id: str, attempt: int, reply: Reply) -> Reply:
        key = _key(decision_id)
        first, present, _ = await self._run(
            ("HSETNX", key, attempt, reply.model_dump_json()), ("HGET", key, attempt), ("EXPIRE", key, KEPT_S)
        )
        return reply if first else _read(present) or reply

    @asynccontextmanager
    async def claim(self, call_id: str) -> AsyncIterator[bool]:
        """A lease that is renewed as long as the context lasts and lapses within LEASE_S when its worker dies."""
        key, owner = f"perpetua:decider:claims:{call_id}", secrets.token_hex(8)
        try:
            (taken,) = await self._run(("SET", key, owner, "NX", "PX", LEASE_MS))
        except StoreAway:
            yield True
            return
        if not taken:
            yield False
            return
        renewing = asyncio.create_task(self._renew(key, owner))
        try:
            yield True
        finally:
            await end([renewing])
            with suppress(StoreAway):
                await self._run(("EVAL", _RELEASE, 1, key, owner))

    async def _renew(self, key: str, owner: str) -> None:
        while True:
            await asyncio.sleep(LEASE_MS / 5_000)
            with suppress(StoreAway):
                await self._run(("EVAL", _RENEW, 1, key, owner, LEASE_MS))


class RedisIncidents:
    """When each incident began, shared by all workers, so that all name it alike. Without Redis each has its own."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._announced: set[str] = set()

    async def begin(self, key: str, now: datetime) -> datetime | None:
        if key in self._announced:
            return None
        self._announced.add(key)
        name = f"perpetua:decider:incidents:{key}"
        try:
            _, since = await self._link.run(("SET", name, now.isoformat(), "NX", "EX", INCIDENT_S), ("GET", name))
        except StoreAway:
            return now
        return datetime.fromisoformat(since.decode()) if since else now

    async def end(self, key: str) -> None:
        if key in self._announced:
            self._announced.discard(key)
            with suppress(StoreAway):
                await self._link.run(("DEL", f"perpetua:decider:incidents:{key}"))


def _read(body: bytes | None) -> Reply | None:
    try:
        return None if body is None else Reply.model_validate_json(body)
    except ValidationError:
        log.warning("a kept reply cannot be read and is ignored: %s", body[:200] if body else body)
        return None


def _key(decision_id: str) -> str:
    return f"perpetua:decider:answers:{decision_id}"
