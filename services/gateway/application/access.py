"""Who calls, what the key may do, and which accounts it sees."""

from http import HTTPStatus

from libs.records.keys import ApiKey, KeyRefusal, Scope, token_hash
from libs.schemas.account import Account
from services.gateway.domain.problems import Refusal, RequestRefused, not_found
from services.gateway.ports import Deps

_WORDS = {
    KeyRefusal.MISSING: "send an API key: Authorization: Bearer <key>",
    KeyRefusal.UNKNOWN: "this API key is not known",
    KeyRefusal.REVOKED: "this API key was revoked",
    KeyRefusal.EXPIRED: "this API key has expired",
}


async def allowed(deps: Deps, token: str | None, scope: Scope) -> ApiKey:
    """The caller's key. It is read each time, so that a revoked key ends at once."""
    key = await _identify(deps, token)
    if not key.allows(scope):
        detail = f"this API key lacks the scope {scope.value}"
        raise RequestRefused(Refusal(HTTPStatus.FORBIDDEN, "scope-missing", detail))
    return key


async def _identify(deps: Deps, token: str | None) -> ApiKey:
    if not token:
        raise _unauthorized(KeyRefusal.MISSING)
    key = await deps.keys.find(token_hash(token))
    if key is None:
        raise _unauthorized(KeyRefusal.UNKNOWN)
    now = deps.clock.wall()
    if (why := key.refusal(now)) is not None:
        raise _unauthorized(why)
    if key.should_mark_used(now):
        await deps.keys.used(key.key_id, now)
    return key


def _unauthorized(why: KeyRefusal) -> RequestRefused:
    challenge = "Bearer" if why is KeyRefusal.MISSING else 'Bearer error="invalid_token"'
    refusal = Refusal(HTTPStatus.UNAUTHORIZED, f"key-{why.value}", _WORDS[why], headers={"WWW-Authenticate": challenge})
    return RequestRefused(refusal)


def seen_account(deps: Deps, key: ApiKey, account_id: str) -> Account:
    """The account, if it exists and the key sees it; both refusals are the same to the caller."""
    account = deps.accounts.account(account_id)
    if account is None or not key.sees(account_id):
        raise not_found(f"account {account_id}")
    return account


def seen_accounts(deps: Deps, key: ApiKey) -> list[Account]:
    return [account for account in deps.accounts.accounts() if key.sees(account.account_id)]
