"""API keys are made, listed and ended. No key gives what it does not have itself."""

import asyncio
from http import HTTPStatus

from pydantic import TypeAdapter

from libs.records.keys import ApiKey, new_key
from services.gateway.application.claiming import Use, once
from services.gateway.application.key_bodies import KeyBody, KeyList, KeyMade, shown
from services.gateway.domain.problems import Refusal, RequestRefused, invalid, not_found
from services.gateway.ports import Deps

LOOKS, LOOK_S = 50, 0.02
_MADE: TypeAdapter[KeyMade] = TypeAdapter(KeyMade)


async def made(deps: Deps, key: ApiKey, body: KeyBody, idempotency_key: str | None) -> KeyMade:
    """A new key. What is kept for a repetition holds no token."""
    if not key.covers(body.accounts):
        detail = "this API key is for certain accounts; it makes keys for those alone"
        raise RequestRefused(Refusal(HTTPStatus.FORBIDDEN, "not-for-these-accounts", detail))
    now, token = deps.clock.wall(), deps.new_token()
    if body.expires_at is not None and body.expires_at <= now:
        raise invalid("body.expires_at", "it is over already")
    fresh = new_key(token, body.name, body.scopes, now, accounts=body.accounts, expires_at=body.expires_at)

    async def make() -> KeyMade:
        await deps.key_desk.add(fresh)
        return KeyMade(**shown(fresh).model_dump(), token=None)

    answer = await once(deps, Use(key, idempotency_key, f"key:{_content(body)}"), _MADE, make)
    if answer.key_id != fresh.key_id:
        return answer
    await until_heard(deps, fresh.hash, there=True)
    return answer.model_copy(update={"token": token})


async def listed(deps: Deps, key: ApiKey) -> KeyList:
    """Those that open nothing that this key does not open, revoked ones too; oldest first."""
    return KeyList(items=[shown(one) for one in await deps.key_desk.all() if key.covers(one.accounts)])


async def ended(deps: Deps, key: ApiKey, key_id: str) -> None:
    """Ends a key at once: here when this returns, at every gateway within a second. Of an ended one nothing is new."""
    known = next((one for one in await deps.key_desk.all() if one.key_id == key_id), None)
    if known is None or not key.covers(known.accounts):
        raise not_found(f"key {key_id}")
    await deps.key_desk.revoke(key_id, deps.clock.wall())
    await until_heard(deps, known.hash, there=False)


async def until_heard(deps: Deps, digest: str, *, there: bool) -> bool:
    """Whether this process has heard of it too, within a second."""
    for _ in range(LOOKS):
        found = deps.keys.find(digest)
        if (found is not None and found.revoked_at is None) is there:
            return True
        await asyncio.sleep(LOOK_S)
    return False


def _content(body: KeyBody) -> str:
    """The same for the same body: sets have no order."""
    accounts = "all" if body.accounts is None else sorted(body.accounts)
    return f"{body.name!r} {sorted(body.scopes)} {accounts} {body.expires_at}"
