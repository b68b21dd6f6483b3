"""Who calls, what the key may do, and which accounts it sees."""

from datetime import datetime
from http import HTTPStatus

from libs.records.keys import ApiKey, KeyRefusal, Scope, token_hash
from libs.schemas.account import Account
from libs.schemas.names import RESERVED
from services.gateway.domain.problems import Refusal, RequestRefused, not_found
from services.gateway.ports import Deps

_WORDS = {
    KeyRefusal.MISSING: "send an API key: Authorization: Bearer <key>",
    KeyRefusal.UNKNOWN: "this API key is not known",
    KeyRefusal.REVOKED: "this API key was revoked",
    KeyRefusal.EXPIRED: "this API key has expired",
}


def identified(deps: Deps, token: str | None, address: str) -> ApiKey:
    """The caller's key. It is looked up each time, so that a revoked key ends at once; no server is asked."""
    if not token:
        raise _unauthorized(KeyRefusal.MISSING)
    key, now = deps.keys.find(token_hash(token)), deps.clock.wall()
    if key is None:
        raise _braked(deps, address, _unauthorized(KeyRefusal.UNKNOWN))
    if (why := refusal_of(deps, key, now)) is not None:
        raise _unauthorized(why)
    if key.should_mark_used(now):
        deps.keys.used(key.key_id, now)
    return key


def refusal_of(deps: Deps, key: ApiKey, now: datetime) -> KeyRefusal | None:
    """Why a key does not work: by itself, or since the one that signed in does not."""
    why = key.refusal(now)
    if why is not None or key.parent is None:
        return why
    parent = deps.keys.find(key.parent)
    return KeyRefusal.REVOKED if parent is None else parent.refusal(now)


def with_scope(key: ApiKey, scope: Scope) -> ApiKey:
    """The key, if it has the scope."""
    if not key.allows(scope):
        detail = f"this API key lacks the scope {scope.value}"
        raise RequestRefused(Refusal(HTTPStatus.FORBIDDEN, "scope-missing", detail))
    return key


def in_touch(deps: Deps) -> None:
    """Refuses while a key may have been revoked without our knowing: then only what reduces risk is done."""
    if not deps.keys.in_touch():
        detail = "NATS does not answer, and with it the word of revoked keys: nothing was done but what reduces risk"
        raise RequestRefused(
            Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "keys-out-of-touch", detail, headers={"Retry-After": "5"})
        )


def too_many(what: str, wait_s: int) -> RequestRefused:
    detail = f"too many {what} within a minute; wait {wait_s} s"
    headers = {"Retry-After": str(wait_s)}
    return RequestRefused(Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too-many-requests", detail, headers=headers))


async def ticket_holder(deps: Deps, ticket: str, address: str) -> ApiKey:
    """The key that a ticket stands for, this once."""
    now = deps.clock.wall()
    key_hash = await deps.tickets.take(token_hash(ticket), now)
    key = deps.keys.find(key_hash) if key_hash else None
    if key is None or refusal_of(deps, key, now) is not None:
        raise no_such_ticket(deps, address)
    return key


def no_such_ticket(deps: Deps, address: str) -> RequestRefused:
    """A ticket that was used, is too old, or never was; or its key does not work any more."""
    detail = "this ticket opens nothing: each works once, within its time; ask for a new one"
    return _braked(deps, address, RequestRefused(Refusal(HTTPStatus.UNAUTHORIZED, "ticket-unknown", detail)))


def _braked(deps: Deps, address: str, refusal: RequestRefused) -> RequestRefused:
    """The refusal, or another one where too many wrong keys came from there."""
    wait_s = deps.brake.wrong(address, deps.clock.wall().timestamp())
    return refusal if wait_s is None else too_many("wrong API keys", wait_s)


def _unauthorized(why: KeyRefusal) -> RequestRefused:
    challenge = "Bearer" if why is KeyRefusal.MISSING else 'Bearer error="invalid_token"'
    refusal = Refusal(HTTPStatus.UNAUTHORIZED, f"key-{why.value}", _WORDS[why], headers={"WWW-Authenticate": challenge})
    return RequestRefused(refusal)


def seen_account(deps: Deps, key: ApiKey, account_id: str) -> Account:
    """The account, if it exists and the key sees it; both refusals are the same to the caller.

    An account of earlier times that is called by a word of ours is not there: `all` would be every account.
    """
    account = None if account_id.lower() in RESERVED else deps.accounts.account(account_id)
    if account is None or not key.sees(account_id):
        raise not_found(f"account {account_id[:40]}")
    return account


async def past_account(deps: Deps, key: ApiKey, account_id: str) -> None:
    """Refuses an account that the key does not see or that never was; one that was taken away has its history."""
    if account_id.lower() in RESERVED or not key.sees(account_id):
        raise not_found(f"account {account_id[:40]}")
    if deps.accounts.account(account_id) is None and not await deps.records.knows(account_id):
        raise not_found(f"account {account_id[:40]}")


def seen_accounts(deps: Deps, key: ApiKey) -> list[Account]:
    return [account for account in deps.accounts.accounts() if key.sees(account.account_id)]
