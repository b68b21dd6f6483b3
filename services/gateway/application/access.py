"""Who calls, what the key may do, and which accounts it sees."""

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
        wait_s = deps.brake.wrong(address, now.timestamp())
        raise _unauthorized(KeyRefusal.UNKNOWN) if wait_s is None else too_many("wrong API keys", wait_s)
    if (why := key.refusal(now)) is not None:
        raise _unauthorized(why)
    if key.should_mark_used(now):
        deps.keys.used(key.key_id, now)
    return key


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
