"""Routes of messages that were put aside, for keys with the scope admin."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from libs.records.keys import ApiKey, Scope
from services.gateway.application import dead_letters as application
from services.gateway.domain.dead_letters import LetterEntry, LetterTaken, LetterWhole
from services.gateway.domain.records import Page
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import IdempotencyKey
from services.gateway.ports import Deps

MOST = 100  # each may be 100 kB
Number = Annotated[int, Path(ge=1, lt=2**53, description="the number of a dead letter")]


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/dead-letters", tags=["dead letters"], responses=PROBLEMS)
    may_administer = Depends(key_with(Scope.ADMIN))

    @router.get("")
    async def letters(
        key: Annotated[ApiKey, may_administer],
        limit: Annotated[int, Query(ge=1, le=MOST, description="entries of a page")] = 50,
        cursor: Annotated[str | None, Query(pattern=r"^[1-9][0-9]{0,14}$", description="`next` of a page")] = None,
    ) -> Page[LetterEntry]:
        """Messages that nobody could use, and why, newest first."""
        return await application.letters(deps, key, limit, cursor)

    @router.get("/{number}")
    async def letter(number: Number, key: Annotated[ApiKey, may_administer]) -> LetterWhole:
        """One of them whole: the error, and the message as it came."""
        return await application.letter(deps, key, number)

    @router.post("/{number}/replay")
    async def replay(
        number: Number, key: Annotated[ApiKey, may_administer], idempotency_key: IdempotencyKey = None
    ) -> LetterTaken:
        """Publish it again for the consumer that refused it alone; `perpetua dead replay` does so with orders too."""
        return await application.replayed(deps, key, number, idempotency_key)

    return router
