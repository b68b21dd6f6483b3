"""Signing in to the page: a key, or a ticket that works once, is exchanged for a key that ends by itself."""

from dataclasses import replace
from datetime import timedelta

from libs.records.keys import ApiKey, new_key, token_hash
from services.gateway.application.api_keys import until_heard
from services.gateway.application.key_bodies import KeyMade, KeyShown, SignInTicket, shown
from services.gateway.domain.problems import Away
from services.gateway.ports import Deps

SIGN_IN_PREFIX = "page_"
SIGN_IN_TICKET_S = 3600
SIGNED_IN = timedelta(hours=12)


async def sign_in_ticket(deps: Deps, key: ApiKey) -> SignInTicket:
    """A ticket that signs in once; what is kept of it opens nothing."""
    ticket = f"{SIGN_IN_PREFIX}{deps.new_id()}"
    until = deps.clock.wall() + timedelta(seconds=SIGN_IN_TICKET_S)
    await deps.tickets.keep(token_hash(ticket), key.parent or key.hash, until)
    return SignInTicket(ticket=ticket, expires_in=SIGN_IN_TICKET_S)


async def signed_in(deps: Deps, key: ApiKey) -> KeyMade:
    """A key with the rights of this one, for twelve hours at most, that ends with it."""
    now, token = deps.clock.wall(), deps.new_token()
    until = min(now + SIGNED_IN, key.expires_at or now + SIGNED_IN)
    fresh = new_key(token, f"{key.name[:90]}, page", key.scopes, now, accounts=key.accounts, expires_at=until)
    fresh = replace(fresh, parent=key.parent or key.hash)
    await deps.key_desk.add(fresh)
    if not await until_heard(deps, fresh.hash, there=True):
        raise Away("NATS")
    return KeyMade(**shown(fresh).model_dump(), token=token)


async def signed_out(deps: Deps, key: ApiKey) -> None:
    """Ends a key of the page; one that somebody made stays."""
    if key.parent is not None:
        await deps.key_desk.revoke(key.key_id, deps.clock.wall())
        await until_heard(deps, key.hash, there=False)


def own(key: ApiKey) -> KeyShown:
    return shown(key)
