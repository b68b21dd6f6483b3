"""An Idempotency-Key belongs to the content that it was first used with; a repetition gets the first one's answer."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TypeVar

from pydantic import TypeAdapter

from libs.records.keys import ApiKey
from services.gateway.domain.problems import Refusal, RequestRefused
from services.gateway.ports import Claim, Deps

T = TypeVar("T")
IN_HAND = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Use:
    """An Idempotency-Key as a client sent it, with what it stands for; None: the client sent none. A first use that
    has no answer after `in_hand` has none coming."""

    key: ApiKey
    idempotency_key: str | None
    content: str
    in_hand: timedelta = IN_HAND

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.content.encode("utf-8", "replace")).hexdigest()


async def first_use(deps: Deps, key: ApiKey, idempotency_key: str, fingerprint: str) -> Claim:
    """The first use of it, which may be this one. RequestRefused where that was with another content."""
    claim = await deps.claims.claim(key.key_id, idempotency_key, fingerprint, deps.clock.wall())
    if claim.fingerprint != fingerprint:
        detail = "this Idempotency-Key was used with another content; take a new one"
        raise RequestRefused(Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail))
    return claim


async def once(deps: Deps, use: Use, answer: TypeAdapter[T], work: Callable[[], Awaitable[T]]) -> T:
    """What `work` comes to, done once for each Idempotency-Key. A refusal is not kept: it may be tried again."""
    if use.idempotency_key is None:
        return await work()
    claim = await first_use(deps, use.key, use.idempotency_key, use.fingerprint)
    if claim.answer is not None:
        return answer.validate_json(claim.answer)
    if not claim.mine and deps.clock.wall() - claim.first_seen < use.in_hand:
        detail = "the first request with this Idempotency-Key is in hand; ask again in a moment"
        refusal = Refusal(HTTPStatus.CONFLICT, "idempotency-key-in-hand", detail, headers={"Retry-After": "1"})
        raise RequestRefused(refusal)
    done = await work()
    await deps.claims.done(use.key.key_id, use.idempotency_key, claim, answer.dump_json(done).decode())
    return done


async def named_once(
    deps: Deps,
    key: ApiKey,
    idempotency_key: str | None,
    fingerprint: str,
    name_of: Callable[..., str],
    publish: Callable[[str], Awaitable[None]],
) -> str:
    """The id of what is in the log now, under a name that follows from the first use. What was stored is not stored
    again; what was refused may be tried again."""
    if idempotency_key is None:
        name = name_of("random", deps.new_id())
        await publish(name)
        return name
    claim = await first_use(deps, key, idempotency_key, fingerprint)
    if claim.answer is not None:
        return claim.answer
    name = name_of(key.key_id, idempotency_key, claim.first_seen.isoformat(timespec="milliseconds"))
    await publish(name)
    await deps.claims.done(key.key_id, idempotency_key, claim, name)
    return name
