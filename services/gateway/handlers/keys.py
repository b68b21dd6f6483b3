"""Routes of API keys, for keys with the scope admin."""

from typing import Annotated

from fastapi import APIRouter, Depends

from libs.records.keys import ApiKey, Scope
from services.gateway.application import api_keys as application
from services.gateway.application.key_bodies import KeyBody, KeyList, KeyMade
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import IdempotencyKey, KeyPath
from services.gateway.ports import Deps


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/keys", tags=["keys"], responses=PROBLEMS)
    may_administer = Depends(key_with(Scope.ADMIN))

    @router.post("", status_code=201)
    async def make(
        body: KeyBody, key: Annotated[ApiKey, may_administer], idempotency_key: IdempotencyKey = None
    ) -> KeyMade:
        """Make a key. Its token is in this answer and is kept nowhere."""
        return await application.made(deps, key, body, idempotency_key)

    @router.get("")
    async def keys(key: Annotated[ApiKey, may_administer]) -> KeyList:
        """The keys that were made, revoked ones too, oldest first."""
        return await application.listed(deps, key)

    @router.delete("/{key_id}", status_code=204)
    async def end(key_id: KeyPath, key: Annotated[ApiKey, may_administer]) -> None:
        """End a key at once."""
        await application.ended(deps, key, key_id)

    return router
