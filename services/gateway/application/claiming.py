"""An Idempotency-Key belongs to the content that it was first used with."""

from http import HTTPStatus

from libs.records.keys import ApiKey
from services.gateway.domain.problems import Refusal, RequestRefused
from services.gateway.ports import Claim, Deps


async def first_use(deps: Deps, key: ApiKey, idempotency_key: str, fingerprint: str) -> Claim:
    """The first use of it, which may be this one. RequestRefused where that was with another content."""
    claim = await deps.claims.claim(key.key_id, idempotency_key, fingerprint, deps.clock.wall())
    if claim.fingerprint != fingerprint:
        detail = "this Idempotency-Key was used with another content; take a new one"
        raise RequestRefused(Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail))
    return claim
