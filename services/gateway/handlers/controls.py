"""Routes of the controls of trading: active, reducing, halted, flatten; of one account or of all."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from libs.records.keys import ApiKey, Scope
from services.gateway.application import controls as application
from services.gateway.domain.controls import ControlBody, ControlTaken
from services.gateway.handlers.auth import key_with
from services.gateway.handlers.errors import PROBLEMS
from services.gateway.handlers.parameters import AccountPath, IdempotencyKey
from services.gateway.ports import Deps

TAKEN: dict[int | str, dict[str, Any]] = {
    202: {"model": ControlTaken, "description": "taken, and not carried out by every account within a second"}
}


def routes(deps: Deps, base: str) -> APIRouter:
    router = APIRouter(prefix=base, tags=["controls"], responses=PROBLEMS)
    may_trade = Depends(key_with(Scope.TRADE))

    @router.post("/accounts/{account_id}/control", responses=TAKEN)
    async def control(
        account_id: AccountPath,
        body: ControlBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> ControlTaken:
        """Set what an account may do. The answer comes when it has taken effect, and after a second at the latest."""
        return _told(response, await application.control(deps, key, account_id, body, idempotency_key))

    @router.post("/control", responses=TAKEN)
    async def control_all(
        body: ControlBody,
        key: Annotated[ApiKey, may_trade],
        response: Response,
        idempotency_key: IdempotencyKey = None,
    ) -> ControlTaken:
        """Set what every account may do, those that are made later included."""
        return _told(response, await application.control_all(deps, key, body, idempotency_key))

    return router


def _told(response: Response, taken: ControlTaken) -> ControlTaken:
    response.status_code = HTTPStatus.ACCEPTED if taken.waiting_for else HTTPStatus.OK
    return taken
