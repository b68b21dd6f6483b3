"""Replies in Redis, by decision id, for 24 hours: a redelivered context never pays twice."""

import logging
from typing import Any

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from services.decider.domain.replies import Reply
from services.decider.ports import StoreAway

KEPT_S = 24 * 3600
TIMEOUT_S = 0.5
log = logging.getLogger(__name__)


class RedisAnswers:
    """A hash per decision: number of the call → reply. Says once that Redis went away, and once that it is back."""

    def __init__(self, url: str) -> None:
        self._redis: Redis = Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 1)
        )
        self.away = False

    async def start(self) -> None:
        """Look whether Redis is there; the decider starts without it."""
        try:
            await self._run(("PING",))
        except StoreAway:
            return

    async def stop(self) -> None:
        await self._redis.aclose()

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

    async def _run(self, *commands: tuple[Any, ...]) -> list[Any]:
        pipeline = self._redis.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        try:
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


def _read(body: bytes | None) -> Reply | None:
    try:
        return None if body is None else Reply.model_validate_json(body)
    except ValidationError:
        log.warning("a kept reply cannot be read and is ignored: %s", body[:200] if body else body)
        return None


def _key(decision_id: str) -> str:
    return f"perpetua:decider:answers:{decision_id}"
