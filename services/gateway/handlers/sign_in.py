"""Routes by which the page signs in and out."""

from typing import Annotated

from fastapi import APIRouter, Depends

from libs.records.keys import ApiKey, Scope
from services.gateway.application import sign_in as application
from services.gateway.application.key_bodies import KeyMade, KeyShown, SignInTicket
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.ports import Deps


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=f"{base}/sign-in", tags=["keys"], responses=PROBLEMS)
    may_read = Depends(key_with(Scope.READ))

    @router.post("/tickets", status_code=201)
    async def ticket(key: Annotated[ApiKey, may_read]) -> SignInTicket:
        """A ticket that signs in to the page, once, within an hour: for an address that somebody else opens."""
        return await application.sign_in_ticket(deps, key)

    @router.post("", status_code=201)
    async def sign_in(key: Annotated[ApiKey, may_read]) -> KeyMade:
        """Exchange a key, or a ticket (`Authorization: Ticket page_…`), for a key with its rights that ends by itself.

        It ends after twelve hours, by `DELETE /sign-in`, and with the key that it came from.
        """
        return await application.signed_in(deps, key)

    @router.get("")
    async def own(key: Annotated[ApiKey, may_read]) -> KeyShown:
        """The key that asks: what it may, for which accounts, until when."""
        return application.own(key)

    @router.delete("", status_code=204)
    async def sign_out(key: Annotated[ApiKey, may_read]) -> None:
        """End a key that came from signing in. Of one that was made, nothing changes."""
        await application.signed_out(deps, key)

    return router
