"""Controls of trading: active, reducing, halted, flatten; of one account or of all."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Response

from libs.configuration.controls import requested, still_to_do
from libs.records.keys import ApiKey, Scope
from libs.schemas.subjects import ALL_ACCOUNTS
from services.gateway.domain.controls import ControlBody, ControlTaken, control_id
from services.gateway.domain.problems import Refusal, RequestRefused
from services.gateway.handlers.auth import key_with, seen_account
from services.gateway.handlers.changes import by
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.ports import Deps

LOOKS, LOOK_S = 50, 0.02
IdempotencyKey = Annotated[
    str | None,
    Header(min_length=1, max_length=200, description="repeating it within 24 h is the same control, carried out once"),
]
TAKEN: dict[int | str, dict[str, Any]] = {
    202: {"model": ControlTaken, "description": "taken, and not carried out by every account within a second"}
}


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=base, tags=["controls"], responses=PROBLEMS)
    may_trade = Depends(key_with(deps, Scope.TRADE))

    @router.post("/accounts/{account_id}/control", responses=TAKEN)
    async def control(
        account_id: str,
        body: ControlBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> ControlTaken:
        """Set what an account may do. The answer comes when it has taken effect, and after a second at the latest."""
        seen_account(deps, key, account_id)
        return await _taken(deps, key, account_id, body, response, idempotency_key)

    @router.post("/control", responses=TAKEN)
    async def control_all(
        body: ControlBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> ControlTaken:
        """Set what every account may do, those that are made later included."""
        if key.accounts is not None:
            detail = "this API key is for certain accounts; control each of them, or take a key for all accounts"
            raise RequestRefused(Refusal(HTTPStatus.FORBIDDEN, "not-for-all-accounts", detail))
        return await _taken(deps, key, ALL_ACCOUNTS, body, response, idempotency_key)

    return router


async def _taken(
    deps: Deps, key: ApiKey, scope: str, body: ControlBody, response: Response, idempotency_key: str | None
) -> ControlTaken:
    name = await _id(deps, key, scope, body, idempotency_key)
    await deps.log.publish(requested(name, scope, body.state, by(key, "").who, body.reason, deps.clock.wall()), {})
    waiting = _waiting(deps, scope, body)
    for _ in range(LOOKS):
        if not waiting:
            break
        await asyncio.sleep(LOOK_S)
        waiting = _waiting(deps, scope, body)
    response.status_code = HTTPStatus.ACCEPTED if waiting else HTTPStatus.OK
    return ControlTaken(control_id=name, scope=scope, state=body.state, waiting_for=waiting)


def _waiting(deps: Deps, scope: str, body: ControlBody) -> tuple[str, ...]:
    names = [one.account_id for one in deps.accounts.accounts()] if scope == ALL_ACCOUNTS else [scope]
    return still_to_do(body.state, ((name, deps.accounts.state(name)) for name in names))


async def _id(deps: Deps, key: ApiKey, scope: str, body: ControlBody, idempotency_key: str | None) -> str:
    if idempotency_key is None:
        return control_id("random", deps.new_id())
    fingerprint = f"{scope}:{body.fingerprint}"
    claim = await deps.claims.claim(key.key_id, idempotency_key, fingerprint, deps.clock.wall())
    if claim.fingerprint != fingerprint:
        detail = "this Idempotency-Key was used with another content; take a new one"
        raise RequestRefused(Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "idempotency-key-reused", detail))
    return control_id(key.key_id, idempotency_key, claim.first_seen.isoformat(timespec="milliseconds"))
